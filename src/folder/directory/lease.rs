//! Asks the kernel whether a process has a file open for writing (DESIGN R5). The kernel grants a read lease only on a
//! file without a writer, and only to the owner of the file or with `CAP_LEASE`. The lease is given back at once.
//!
//! The only file with `unsafe`: no safe crate has these calls.

#![allow(unsafe_code)]

use super::Directory;
use crate::job::Writer;
use libc::{F_RDLCK, F_SETLEASE, F_UNLCK, c_int};
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd as _;

/// The signal that the kernel sends to the holder of a lease that another process breaks. The default, `SIGIO`, ends a
/// process that does not expect it. This one is ignored unless a process asks for it, and datadrop does not.
const BREAKING: c_int = libc::SIGURG;
/// Says which signal; `libc` does not have it (`asm-generic/fcntl.h`).
const F_SETSIG: c_int = 10;

impl Directory {
    /// Whether somebody has this file of the directory open for writing, or mapped so. `file` is open for reading.
    ///
    /// Where other hosts or programs write behind the kernel's back, its word proves nothing.
    #[must_use]
    pub fn writer_of(&self, file: &File) -> Writer {
        #[cfg(test)]
        if let Some(writer) = crate::testing::surroundings::writer(|| Some(super::Entry::of(file).ok()?.identity.inode))
        {
            return writer;
        }
        if self.is_known_local() { ask(file) } else { Writer::Unknown }
    }
}

fn ask(file: &File) -> Writer {
    // Somebody who opens the file for writing during the lease waits for its end, which is the next call.
    let taken = fcntl(file, F_SETSIG, BREAKING).and_then(|()| fcntl(file, F_SETLEASE, F_RDLCK));
    match taken {
        Ok(()) => match fcntl(file, F_SETLEASE, F_UNLCK) {
            Ok(()) => Writer::Nobody,
            // It was taken away: somebody opened the file, and the process did not run for as long as the kernel waits.
            Err(_) => Writer::Somebody,
        },
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Writer::Somebody,
        // Another's file and no `CAP_LEASE`, no leases here, or leases turned off.
        Err(_) => Writer::Unknown,
    }
}

fn fcntl(file: &File, command: c_int, argument: c_int) -> io::Result<()> {
    // SAFETY: `fcntl` is a variadic C function. Its callers above pass `F_SETSIG` and `F_SETLEASE` alone, whose third argument
    // is an `int` by value, as it is here: no pointer goes to the kernel, and it touches no memory of ours. `file` is borrowed,
    // so its descriptor is open and means the same file during the call. Neither command closes or replaces a descriptor or
    // changes where `file` reads.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), command, argument) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, OpenOptions};

    #[test]
    fn r5_the_kernel_tells_who_has_a_file_open_for_writing() {
        let dir = tempfile::tempdir().unwrap();
        let opened = Directory::open(dir.path()).unwrap();
        let path = dir.path().join("x.txt");
        fs::write(&path, "x").unwrap();
        let (file, _) = opened.open_file("x.txt", &opened.entry("x.txt").unwrap()).unwrap();
        assert_eq!(opened.writer_of(&file), Writer::Nobody, "a directory for temporary files takes leases");
        let reader = File::open(&path).unwrap();
        assert_eq!(opened.writer_of(&file), Writer::Nobody, "who reads changes nothing");
        for options in
            [OpenOptions::new().append(true), OpenOptions::new().write(true), OpenOptions::new().read(true).write(true)]
        {
            let writer = options.open(&path).unwrap();
            assert_eq!(opened.writer_of(&file), Writer::Somebody);
            assert_eq!(opened.writer_of(&reader), Writer::Somebody, "whichever process asks");
            drop(writer);
            assert_eq!(opened.writer_of(&file), Writer::Nobody);
        }
    }

    /// A process that dies of it would take the tests with it.
    #[test]
    fn r5_whoever_opens_the_file_meanwhile_neither_fails_nor_ends_this_process() {
        let dir = tempfile::tempdir().unwrap();
        let opened = Directory::open(dir.path()).unwrap();
        let path = dir.path().join("x.txt");
        fs::write(&path, "x").unwrap();
        let (file, _) = opened.open_file("x.txt", &opened.entry("x.txt").unwrap()).unwrap();
        std::thread::scope(|scope| {
            let opens =
                scope.spawn(|| (0..2000).for_each(|_| drop(OpenOptions::new().append(true).open(&path).unwrap())));
            while !opens.is_finished() {
                assert!(matches!(opened.writer_of(&file), Writer::Nobody | Writer::Somebody | Writer::Unknown));
            }
        });
        assert_eq!(opened.writer_of(&file), ask(&file));
    }
}
