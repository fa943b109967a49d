//! A disk of a test's own: a file system in a file, which can stop answering and lose its power.

use super::skipped;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A small disk, unmounted when dropped.
pub struct Disk {
    at: PathBuf,
    /// Sees to it that the disk answers and is unmounted, also where the test was killed: then the pipe to it is closed.
    keeper: Child,
}

impl Disk {
    /// `None`, with a message, where there are no such disks.
    pub fn mount(at: &Path) -> Option<Self> {
        const MAKE: &str = "truncate -s 64M \"$0\" && mke2fs -q -t ext4 \"$0\" && mkdir -p \"$1\" && \
                            mount -o loop,commit=600 \"$0\" \"$1\" && rmdir \"$1/lost+found\" && fsfreeze -f \"$1\" && \
                            fsfreeze -u \"$1\"";
        let made = Command::new("sh").args(["-c", MAKE]).arg(at.with_extension("disk")).arg(at).output().unwrap();
        if !made.status.success() {
            let why = String::from_utf8_lossy(&made.stderr).trim().to_owned();
            skipped(&format!("no disk of a test's own is to be had here (it takes root and a loop device): {why}"));
            let _ = Command::new("umount").arg(at).output();
            return None;
        }
        Some(Self::kept(at))
    }

    fn kept(at: &Path) -> Self {
        const KEEP: &str = "read -r _; fsfreeze -u \"$0\" 2>&-; umount -l \"$0\"";
        // In a group of its own: what ends the test from the terminal leaves it alone.
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEP]).arg(at).stdin(Stdio::piped()).process_group(0);
        Self { at: at.to_owned(), keeper: keeper.spawn().unwrap() }
    }

    /// From here on it answers no write until what is returned is dropped.
    pub fn freeze(&self) -> Frozen<'_> {
        assert!(Command::new("fsfreeze").arg("-f").arg(&self.at).status().unwrap().success());
        Frozen(self)
    }

    /// The disks as they are when the power comes back: without what was not written to them before.
    pub fn cut<const DISKS: usize>(disks: [Self; DISKS]) -> [Self; DISKS] {
        let path = |disk: &Self, extension: &str| disk.at.with_extension(extension);
        // The kernel writes the rest only when they are unmounted, or after seconds.
        for disk in &disks {
            let copied = Command::new("cp").arg(path(disk, "disk")).arg(path(disk, "cut")).status().unwrap();
            assert!(copied.success());
        }
        disks.map(|disk| {
            let (at, image) = (disk.at.clone(), path(&disk, "cut"));
            drop(disk);
            let mounted = Command::new("mount").args(["-o", "loop"]).arg(image).arg(&at).output().unwrap();
            assert!(mounted.status.success(), "{}", String::from_utf8_lossy(&mounted.stderr));
            Self::kept(&at)
        })
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// Declared behind the daemon, so that it is dropped before: a process that hangs on the disk cannot be waited for.
pub struct Frozen<'a>(&'a Disk);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        let _ = Command::new("fsfreeze").arg("-u").arg(&self.0.at).status();
    }
}
