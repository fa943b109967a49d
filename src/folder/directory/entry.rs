//! What the system says of a name, and of the file system that it is on.

use crate::job::{FileIdentity, shell_word};
use rustix::fs::{AtFlags, FileType, Statx, StatxAttributes, StatxFlags, StatxTimestamp};
use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

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
    /// Its group.
    pub group: u32,
    /// What owner, group and others may do.
    pub mode: u32,
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

/// The command by which the owner of a file lets the service read it: as a member of the folder's group. Never for root: who may
/// write to the folder could have put a link to another file there meanwhile.
#[must_use]
pub fn opening(folder: &Path, name: &OsStr) -> String {
    let [folder, file] = [folder.to_owned(), folder.join(name)].map(|path| shell_word(&path.to_string_lossy()));
    format!("chgrp --reference={folder} {file} && chmod g+r {file}")
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
            group: found.stx_gid,
            mode: u32::from(found.stx_mode) & 0o7777,
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
    if let Some(inode) = crate::testing::surroundings::inode_of_path(|| path_of(&at, name)) {
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

// Which file system a directory is on, and whether it is known to be local: no other host, and no process behind it, changes
// what lies there. Only there do events tell of every change, and leases of every writer (DESIGN R4, R5). What is not known
// is treated as remote, for to wait too long costs a minute, and to trust too much costs half a file.
//
// Overlays are not known to be local. What changes in a layer below makes no event in the overlay, and a file gets another
// inode when it is first written to. In a container the folder is a volume, which shows the host's own file system.

/// `f_type` of `statfs`, of file systems that one kernel alone writes to, with inodes that outlast a rename.
const LOCAL: [(u32, &str); 10] = [
    (0xef53, "ext2, ext3 or ext4"),
    (0x5846_5342, "XFS"),
    (0x9123_683e, "Btrfs"),
    (0x0102_1994, "tmpfs"),
    (0x8584_58f6, "ramfs"),
    (0xf2f5_2010, "F2FS"),
    (0x2fc1_2fc1, "ZFS"),
    (0xca45_1a4e, "bcachefs"),
    (0x3153_464a, "JFS"),
    (0x3434, "NILFS2"),
];

/// Others that have a name here: on other hosts, shared between hosts, or with a process behind them.
const OTHERS: [(u32, &str); 17] = [
    (0x6969, "NFS"),
    (0x517b, "SMB"),
    (0xff53_4d42, "SMB"),
    (0xfe53_4d42, "SMB"),
    (0x00c3_6400, "CephFS"),
    (0x6573_5546, "FUSE (such as sshfs or mergerfs)"),
    (0x794c_7630, "an overlay"),
    (0x0102_1997, "9p"),
    (0x786f_4256, "vboxsf"),
    (0xbacb_acbc, "vmhgfs"),
    (0x0bd0_0bd0, "Lustre"),
    (0x4750_4653, "GPFS"),
    (0x0116_1970, "GFS2"),
    (0x7461_636f, "OCFS2"),
    (0x5346_414f, "AFS"),
    (0x4d44, "FAT"),
    (0x2011_bab0, "exFAT"),
];

/// What a directory is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileSystem(pub(super) u32);

impl FileSystem {
    /// Whether this is a file system that one kernel alone writes to.
    #[must_use]
    pub fn is_known_local(self) -> bool {
        LOCAL.iter().any(|(magic, _)| *magic == self.0)
    }

    /// Its name, for people.
    #[must_use]
    pub fn name(self) -> String {
        let known = LOCAL.iter().chain(&OTHERS).find(|(magic, _)| *magic == self.0);
        known.map_or_else(|| format!("a file system of the type {:#x}", self.0), |(_, name)| (*name).to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Directory;
    use super::*;
    use std::fs;
    use std::os::unix::fs::MetadataExt as _;
    use std::path::Path;

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

    #[test]
    fn r4_only_what_is_known_to_be_local_counts_as_local() {
        for (magic, name) in LOCAL {
            assert!(FileSystem(magic).is_known_local() && FileSystem(magic).name() == name, "{name}");
        }
        for (magic, name) in OTHERS {
            assert!(!FileSystem(magic).is_known_local() && FileSystem(magic).name() == name, "{name}");
        }
        assert!(!FileSystem(0).is_known_local());
        assert_eq!(FileSystem(0x1234).name(), "a file system of the type 0x1234");
        let proc = Directory::open(Path::new("/proc")).unwrap();
        assert!(!proc.is_known_local(), "{}", proc.file_system().name());
    }
}
