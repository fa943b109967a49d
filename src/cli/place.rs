//! Putting a file into a folder so that it is there whole or not at all.
//!
//! It is written under a hidden name, which the watcher ignores, made durable, and renamed: a rename into the inbox is
//! the one arrival that proves completeness at once (DESIGN R1). Nothing is ever overwritten.

use crate::folder::directory::Directory;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// What a group needs to read and file it; the umask takes from it what its owner does not want to give.
const MODE: u32 = 0o660;
const CHUNK: usize = 256 * 1024;

/// Why a file was not put in place; nothing of it is left in the folder.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlaceError {
    #[error("{}: not a plain file (a link, folder, pipe or device); name the file itself", .0.display())]
    NotPlain(PathBuf),
    #[error("{}: cannot be read: {why}", path.display())]
    Source { path: PathBuf, why: io::Error },
    #[error("{}: was changed while it was read; try again once it is complete", .0.display())]
    Changed(PathBuf),
    #[error("{}: there is a file of this name already; nothing was overwritten, wait until it is sent or use another name", .0.display())]
    Taken(PathBuf),
    #[error("{}: cannot be written: {why}", path.display())]
    Folder { path: PathBuf, why: io::Error },
    #[error("stopped; {} is not in the folder", .0.display())]
    Stopped(PathBuf),
}

impl PlaceError {
    /// Whether this user may not write there.
    pub(super) fn is_closed_folder(&self) -> bool {
        match self {
            Self::Folder { why, .. } => why.kind() == io::ErrorKind::PermissionDenied,
            Self::NotPlain(_) | Self::Source { .. } | Self::Changed(_) | Self::Taken(_) | Self::Stopped(_) => false,
        }
    }
}

/// Copies `source` into `folder` under `name`. Returns its size. `stopped` is asked now and then.
pub(super) fn copy_in(
    source: &Path,
    folder: &Directory,
    name: &str,
    stopped: impl Fn() -> bool,
) -> Result<u64, PlaceError> {
    let unreadable = |why| PlaceError::Source { path: source.to_owned(), why };
    let (mut input, before) = open_plain(source)?;
    write_in(folder, name, |output| {
        let mut chunk = vec![0; CHUNK];
        let mut copied = 0;
        loop {
            if stopped() {
                return Err(PlaceError::Stopped(source.to_owned()));
            }
            let count = match input.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unreadable(error)),
            };
            output
                .write_all(&chunk[..count])
                .map_err(|why| PlaceError::Folder { path: folder.path().to_owned(), why })?;
            copied += count as u64;
        }
        let after = input.metadata().map_err(unreadable)?;
        if copied != before.len() || stamp(&before) != stamp(&after) {
            return Err(PlaceError::Changed(source.to_owned()));
        }
        Ok(copied)
    })
}

/// Opens a plain file for reading, and what the system says of it. A link is none.
pub(super) fn open_plain(source: &Path) -> Result<(File, Metadata), PlaceError> {
    let unreadable = |why| PlaceError::Source { path: source.to_owned(), why };
    // Opening a pipe or a device can have effects of its own, so the look comes first; the open file is looked at again.
    if !fs::symlink_metadata(source).map_err(unreadable)?.is_file() {
        return Err(PlaceError::NotPlain(source.to_owned()));
    }
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let input = match rustix::fs::open(source, flags, Mode::empty()) {
        Ok(descriptor) => File::from(descriptor),
        Err(Errno::LOOP) => return Err(PlaceError::NotPlain(source.to_owned())),
        Err(error) => return Err(unreadable(error.into())),
    };
    let before = input.metadata().map_err(unreadable)?;
    if !before.is_file() {
        return Err(PlaceError::NotPlain(source.to_owned()));
    }
    Ok((input, before))
}

/// Makes an empty file: a marker.
pub(super) fn empty_in(folder: &Directory, name: &str) -> Result<(), PlaceError> {
    write_in(folder, name, |_| Ok(()))
}

/// Size and time of the last change, which a file keeps that nobody writes to.
pub(super) fn stamp(metadata: &Metadata) -> (u64, i64, i64) {
    (metadata.len(), metadata.mtime(), metadata.mtime_nsec())
}

/// Makes a file of what `fill` writes.
pub(super) fn write_in<R>(
    folder: &Directory,
    name: impl AsRef<OsStr>,
    fill: impl FnOnce(&mut File) -> Result<R, PlaceError>,
) -> Result<R, PlaceError> {
    let unwritable = |why: io::Error| PlaceError::Folder { path: folder.path().to_owned(), why };
    let name = name.as_ref();
    let taken = || PlaceError::Taken(folder.path_of(name));
    if folder.entry(name).is_ok() {
        return Err(taken());
    }
    let (mut output, hidden) = folder.create_hidden("drop", MODE).map_err(unwritable)?;
    let result = fill(&mut output)?;
    output.sync_all().map_err(unwritable)?;
    // Closed before it is renamed: a file that is closed under its new name is one that was written there, and waits.
    drop(output);
    hidden
        .rename(name)
        .map_err(|error| if error.kind() == io::ErrorKind::AlreadyExists { taken() } else { unwritable(error) })?;
    folder.sync().map_err(unwritable)?;
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Desk {
        dir: tempfile::TempDir,
    }

    impl Desk {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            fs::create_dir(dir.path().join("inbox")).unwrap();
            fs::write(dir.path().join("sales.txt"), "a\tb\n1\t2\n").unwrap();
            Self { dir }
        }

        fn source(&self) -> PathBuf {
            self.dir.path().join("sales.txt")
        }

        fn inbox(&self) -> PathBuf {
            self.dir.path().join("inbox")
        }

        fn folder(&self) -> Directory {
            Directory::open(&self.inbox()).unwrap()
        }

        fn names(&self) -> Vec<String> {
            let mut names: Vec<String> = fs::read_dir(self.inbox())
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect();
            names.sort();
            names
        }
    }

    #[test]
    fn a_file_arrives_whole_and_leaves_no_hidden_name() {
        let desk = Desk::new();
        assert_eq!(copy_in(&desk.source(), &desk.folder(), "sales.txt", || false).unwrap(), 8);
        empty_in(&desk.folder(), "sales.fin").unwrap();
        assert_eq!(desk.names(), ["sales.fin", "sales.txt"]);
        let arrived = desk.inbox().join("sales.txt");
        assert_eq!(fs::read(&arrived).unwrap(), fs::read(desk.source()).unwrap());
        assert_eq!(fs::metadata(arrived).unwrap().mode() & 0o007, 0, "others are kept out");
    }

    #[test]
    fn a_taken_name_is_never_overwritten() {
        let desk = Desk::new();
        fs::write(desk.inbox().join("sales.txt"), "older").unwrap();
        assert!(matches!(copy_in(&desk.source(), &desk.folder(), "sales.txt", || false), Err(PlaceError::Taken(_))));
        assert_eq!(fs::read(desk.inbox().join("sales.txt")).unwrap(), b"older");
        assert_eq!(desk.names(), ["sales.txt"]);
    }

    #[test]
    fn a_name_taken_at_the_last_moment_is_not_overwritten_either() {
        let desk = Desk::new();
        let taken = desk.inbox().join("sales.txt");
        let late = |file: &mut File| {
            file.write_all(b"new").unwrap();
            fs::write(&taken, "older").unwrap();
            Ok(())
        };
        assert!(matches!(write_in(&desk.folder(), "sales.txt", late), Err(PlaceError::Taken(_))));
        assert_eq!(fs::read(&taken).unwrap(), b"older");
        assert_eq!(desk.names(), ["sales.txt"]);
    }

    #[test]
    fn a_file_that_changes_meanwhile_is_refused_and_leaves_nothing() {
        let desk = Desk::new();
        let grow = || {
            fs::write(desk.source(), "a\tb\n1\t2\n3\t4\n").unwrap();
            false
        };
        assert!(matches!(copy_in(&desk.source(), &desk.folder(), "sales.txt", grow), Err(PlaceError::Changed(_))));
        assert!(desk.names().is_empty());
    }

    #[test]
    fn stopping_leaves_nothing() {
        let desk = Desk::new();
        assert!(matches!(copy_in(&desk.source(), &desk.folder(), "sales.txt", || true), Err(PlaceError::Stopped(_))));
        assert!(desk.names().is_empty());
    }

    #[test]
    fn links_and_folders_are_no_files() {
        let desk = Desk::new();
        let link = desk.dir.path().join("link.txt");
        std::os::unix::fs::symlink(desk.source(), &link).unwrap();
        for source in [link, desk.inbox()] {
            assert!(matches!(copy_in(&source, &desk.folder(), "x.txt", || false), Err(PlaceError::NotPlain(_))));
        }
        let missing = copy_in(&desk.dir.path().join("none"), &desk.folder(), "x.txt", || false).unwrap_err();
        assert!(missing.to_string().contains("No such file"), "{missing}");
    }
}
