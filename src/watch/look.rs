//! Looking at one file: what it is, and what it holds. What is not a plain file is never opened.

use crate::ambient::identity_of;
use crate::job::{FileIdentity, Kind, RowCounter, Sha256};
use crate::ready::Sight;
use rustix::fs::{Mode, OFlags};
use sha2::Digest as _;
use std::fs::{File, FileType, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

/// What a path is.
#[derive(Debug)]
pub(super) enum Look {
    /// Nothing.
    Gone,
    /// A directory: ignored.
    Directory,
    /// Something that is never opened; what, and which, as far as that is known.
    NotAFile(&'static str, Option<FileIdentity>),
    /// It cannot be read; why.
    Unreadable(String),
    /// A plain file.
    File(File, Sight),
}

/// What a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) size: u64,
    pub(super) sha256: Sha256,
    pub(super) rows: u64,
    pub(super) only_white_space: bool,
}

/// Looks through a fresh open, so that a network file system tells the truth.
pub(super) fn look(path: &Path) -> Look {
    let metadata = match std::fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Look::Gone,
        Err(error) => return Look::Unreadable(error.to_string()),
    };
    if metadata.is_dir() {
        return Look::Directory;
    }
    if !metadata.is_file() {
        return Look::NotAFile(kind_of(metadata.file_type()), Some(identity_of(&metadata)));
    }
    // Between the two calls another thing may have taken the name: it is not followed and not waited for.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(descriptor) => File::from(descriptor),
        Err(rustix::io::Errno::NOENT) => return Look::Gone,
        Err(rustix::io::Errno::LOOP) => return Look::NotAFile("a symbolic link", None),
        Err(error) => return Look::Unreadable(io::Error::from(error).to_string()),
    };
    match file.metadata() {
        Ok(metadata) if metadata.is_file() => {
            let sight = sight_of(&metadata);
            Look::File(file, sight)
        }
        Ok(metadata) => Look::NotAFile(kind_of(metadata.file_type()), Some(identity_of(&metadata))),
        Err(error) => Look::Unreadable(error.to_string()),
    }
}

pub(super) fn sight_of(metadata: &Metadata) -> Sight {
    Sight {
        identity: identity_of(metadata),
        changed_ns: metadata.ctime().saturating_mul(1_000_000_000).saturating_add(metadata.ctime_nsec()),
    }
}

fn kind_of(file_type: FileType) -> &'static str {
    if file_type.is_symlink() {
        "a symbolic link"
    } else if file_type.is_fifo() {
        "a named pipe"
    } else if file_type.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

/// Reads the whole file once, in constant memory: hash, rows and, for a marker, whether it is blank.
pub(super) fn hold(file: &mut File, kind: Kind, buffer: &mut [u8]) -> io::Result<Held> {
    let mut hasher = sha2::Sha256::new();
    let mut rows = RowCounter::default();
    let mut size = 0u64;
    let mut only_white_space = true;
    loop {
        let read = match file.read(buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let bytes = &buffer[..read];
        size += read as u64;
        hasher.update(bytes);
        match kind {
            Kind::Data => rows.update(bytes),
            Kind::Fin => only_white_space &= bytes.iter().all(u8::is_ascii_whitespace),
        }
    }
    let rows = match kind {
        Kind::Data => rows.finish(),
        Kind::Fin => 0,
    };
    Ok(Held { size, sha256: Sha256::new(hasher.finalize().into()), rows, only_white_space })
}
