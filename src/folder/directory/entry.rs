//! What lies under a name.

use crate::job::FileIdentity;
use rustix::fs::{AtFlags, FileType, Statx, StatxAttributes, StatxFlags, StatxTimestamp};
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;

/// What lies under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryType {
    /// A file of bytes, which alone is ever opened.
    Plain,
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// A named pipe.
    Pipe,
    /// A socket.
    Socket,
    /// A device, or something that Linux does not have yet.
    Device,
}

impl EntryType {
    /// The words for it.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Plain => "a plain file",
            Self::Directory => "a directory",
            Self::Link => "a symbolic link",
            Self::Pipe => "a named pipe",
            Self::Socket => "a socket",
            Self::Device => "a device",
        }
    }
}

/// What the file system says of one name, or of one open file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub entry_type: EntryType,
    /// Which it is.
    pub identity: FileIdentity,
    /// When it last changed in any way (`ctime`), in nanoseconds since 1970.
    pub changed_ns: i64,
    /// Number of names that it has.
    pub links: u32,
    /// The user whose it is.
    pub owner: u32,
    /// What keeps it where it is, whatever rights there are.
    pub fixed: Option<&'static str>,
}

impl Entry {
    /// Looks at an open file.
    ///
    /// # Errors
    /// The system's.
    pub fn of(file: &File) -> io::Result<Self> {
        look(file, OsStr::new(""), AtFlags::EMPTY_PATH)
    }

    /// Whether it is a file of bytes.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.entry_type == EntryType::Plain
    }

    /// Whether it is a directory.
    #[must_use]
    pub fn is_directory(&self) -> bool {
        self.entry_type == EntryType::Directory
    }

    /// Device and inode.
    #[must_use]
    pub fn number(&self) -> (u64, u64) {
        (self.identity.device, self.identity.inode)
    }
}

impl From<Statx> for Entry {
    fn from(found: Statx) -> Self {
        let entry_type = match FileType::from_raw_mode(found.stx_mode.into()) {
            FileType::RegularFile => EntryType::Plain,
            FileType::Directory => EntryType::Directory,
            FileType::Symlink => EntryType::Link,
            FileType::Fifo => EntryType::Pipe,
            FileType::Socket => EntryType::Socket,
            FileType::CharacterDevice | FileType::BlockDevice | FileType::Unknown => EntryType::Device,
        };
        let has_birth = StatxFlags::from_bits_retain(found.stx_mask).contains(StatxFlags::BTIME);
        let identity = FileIdentity {
            device: rustix::fs::makedev(found.stx_dev_major, found.stx_dev_minor),
            inode: found.stx_ino,
            born_ns: if has_birth { nanoseconds(found.stx_btime).max(0) } else { 0 },
            size: found.stx_size,
            modified_ns: nanoseconds(found.stx_mtime),
        };
        let has = |attribute: StatxAttributes| found.stx_attributes.contains(attribute);
        let fixed = if has(StatxAttributes::IMMUTABLE) {
            Some("it is immutable (`chattr -i` changes that)")
        } else if has(StatxAttributes::APPEND) {
            Some("it can only be appended to (`chattr -a` changes that)")
        } else if has(StatxAttributes::MOUNT_ROOT) {
            Some("something is mounted on it (`umount` changes that)")
        } else {
            None
        };
        Self {
            entry_type,
            identity,
            changed_ns: nanoseconds(found.stx_ctime),
            links: found.stx_nlink,
            owner: found.stx_uid,
            fixed,
        }
    }
}

fn nanoseconds(time: StatxTimestamp) -> i64 {
    time.tv_sec.saturating_mul(1_000_000_000).saturating_add(time.tv_nsec.into())
}

pub(super) fn look(at: impl AsFd, name: &OsStr, flags: AtFlags) -> io::Result<Entry> {
    let entry: Entry = rustix::fs::statx(&at, name, flags, StatxFlags::BASIC_STATS | StatxFlags::BTIME)?.into();
    #[cfg(test)]
    if let Some(inode) = crate::clock::surroundings::inode_of_path(|| path_of(&at, name)) {
        return Ok(Entry { identity: FileIdentity { inode, born_ns: 0, ..entry.identity }, ..entry });
    }
    Ok(entry)
}

#[cfg(test)]
fn path_of(at: &impl AsFd, name: &OsStr) -> Option<std::path::PathBuf> {
    use std::os::fd::AsRawFd as _;
    let opened = std::fs::read_link(format!("/proc/self/fd/{}", at.as_fd().as_raw_fd())).ok();
    Some(if name.is_empty() { opened? } else { opened.unwrap_or_default().join(name) })
}

pub(super) fn not_plain(entry: &Entry) -> io::Result<()> {
    if entry.is_plain() {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("it is {}, not a plain file", entry.entry_type.words())))
}

/// What lies at a path, for tests.
#[cfg(test)]
pub(crate) fn identity_at(path: &std::path::Path) -> FileIdentity {
    look(rustix::fs::CWD, path.as_os_str(), AtFlags::SYMLINK_NOFOLLOW).unwrap().identity
}

#[cfg(test)]
mod tests {
    use super::super::Directory;
    use super::*;
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;

    #[test]
    fn an_entry_says_what_the_system_says() {
        let dir = tempfile::tempdir().unwrap();
        let opened = Directory::open(dir.path()).unwrap();
        fs::write(dir.path().join("x.txt"), "abc").unwrap();
        let (entry, metadata) = (opened.entry("x.txt").unwrap(), fs::metadata(dir.path().join("x.txt")).unwrap());
        assert_eq!(entry.number(), (metadata.dev(), metadata.ino()));
        assert_eq!(entry.identity.modified_ns, metadata.mtime() * 1_000_000_000 + metadata.mtime_nsec());
        let born = metadata.created().ok().and_then(|born| born.duration_since(std::time::UNIX_EPOCH).ok());
        assert_eq!(i128::from(entry.identity.born_ns), born.map_or(0, |born| born.as_nanos().cast_signed()));
        assert_eq!((entry.identity.size, entry.links, entry.is_plain()), (3, 1, true));
        assert_eq!(Entry::of(&File::open(dir.path().join("x.txt")).unwrap()).unwrap(), entry);
        assert!(opened.find("none").unwrap().is_none());
    }
}
