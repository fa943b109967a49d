//! Which file system a directory is on, and whether it is known to be local: no other host, and no process behind it, changes
//! what lies there. Only there do events tell of every change, and leases of every writer (DESIGN R4, R5). What is not known
//! is treated as remote, for to wait too long costs a minute, and to trust too much costs half a file.
//!
//! Overlays are not known to be local. What changes in a layer below makes no event in the overlay, and a file gets another
//! inode when it is first written to. In a container the folder is a volume, which shows the host's own file system.

use super::Directory;

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
pub struct FileSystem(u32);

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

impl Directory {
    /// The file system that it is on; one that does not say is unknown.
    #[must_use]
    pub fn file_system(&self) -> FileSystem {
        // The type's width differs between architectures, and its upper half holds nothing.
        let low = |f_type: i64| u32::try_from(f_type & 0xffff_ffff).unwrap_or(0);
        FileSystem(rustix::fs::fstatfs(&self.file).map_or(0, |stat| low(stat.f_type)))
    }

    /// Whether events tell of every change in it, and leases of every writer: it is on a file system that is known to be
    /// local.
    #[must_use]
    pub fn is_known_local(&self) -> bool {
        self.file_system().is_known_local()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

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
