//! The lock of the state directory, and what its file remembers of the job log from one run to the next.

use super::database_files::{DATABASE, SAVED};
use super::errors::OpenError;
use std::fs::{File, TryLockError};
use std::io::{ErrorKind, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

const LOCK: &str = "datadrop.lock";

/// Held as long as the daemon lives: one daemon for each state directory.
#[derive(Debug)]
pub struct StateLock {
    // The lock ends with the open file.
    file: File,
    dir: PathBuf,
}

impl StateLock {
    /// Takes the lock.
    ///
    /// # Errors
    /// [`OpenError::Running`] if another process has it.
    pub fn take(dir: &Path) -> Result<Self, OpenError> {
        let state_dir = |why: String| OpenError::StateDir { dir: dir.to_owned(), why };
        std::fs::create_dir_all(dir).map_err(|error| state_dir(error.to_string()))?;
        let no_lock = |error: std::io::Error| {
            // It exists and belongs to another user: creating it again would not help.
            if error.kind() == ErrorKind::PermissionDenied {
                OpenError::NotYours { file: dir.join(DATABASE), why: error.to_string() }
            } else {
                state_dir(error.to_string())
            }
        };
        let mut options = File::options();
        let file = options.create(true).truncate(false).write(true).open(dir.join(LOCK)).map_err(no_lock)?;
        // A command that only asks whether a daemon runs holds the lock for an instant.
        for _ in 0..20 {
            match file.try_lock() {
                Ok(()) => return Ok(Self { file, dir: dir.to_owned() }),
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(10)),
                Err(TryLockError::Error(error)) => return Err(state_dir(error.to_string())),
            }
        }
        Err(OpenError::Running(dir.to_owned()))
    }

    /// The state directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The job log knows again what it must know: whatever was lost before, work may go on.
    ///
    /// # Errors
    /// The system's, if that cannot be written down.
    pub fn note_rebuilt(&self) -> std::io::Result<()> {
        if self.memory().wanted.is_some() {
            let _ = std::fs::remove_file(self.dir.join(SAVED));
        }
        self.remember(&Memory { wanted: None, ..self.memory() })
    }

    /// What the last run wrote down. A file that says nothing, or nothing sensible, remembers nothing.
    pub(super) fn memory(&self) -> Memory {
        Memory::in_dir(&self.dir)
    }

    /// Makes it durable.
    pub(super) fn remember(&self, memory: &Memory) -> std::io::Result<()> {
        let mut file = &self.file;
        let text = memory.to_text();
        file.rewind()?;
        file.write_all(text.as_bytes())?;
        self.file.set_len(text.len() as u64)?;
        self.file.sync_all()
    }
}

/// A file as it was made: a copy, or another file that later got the same inode, was born at another time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Birth {
    inode: u64,
    /// Nanoseconds since 1970; 0 where the file system does not keep it.
    born_ns: u128,
}

impl Birth {
    /// `None`: there is no such file.
    pub(super) fn of(path: &Path) -> std::io::Result<Option<Self>> {
        use std::os::unix::fs::MetadataExt as _;
        match std::fs::symlink_metadata(path) {
            Ok(metadata) => {
                let born = metadata.created().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
                Ok(Some(Self { inode: metadata.ino(), born_ns: born.map_or(0, |since| since.as_nanos()) }))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Wanted where nothing could be saved: no database carries it.
pub(super) const NOTHING_SAVED: i64 = 0;

/// What one run leaves for the next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Memory {
    /// The database, and the write-ahead log that belongs to it.
    pub(super) database: Option<Birth>,
    pub(super) wal: Option<Birth>,
    /// The job log was lost while datadrop ran, or since. Only a database that carries this number, or one that was
    /// rebuilt, may go on.
    pub(super) wanted: Option<i64>,
}

impl Memory {
    /// As far as this user may look.
    pub(super) fn in_dir(dir: &Path) -> Self {
        let mut text = String::new();
        let read = File::open(dir.join(LOCK)).and_then(|file| file.take(4096).read_to_string(&mut text));
        read.map(|_| Self::parse(&text)).unwrap_or_default()
    }

    fn parse(text: &str) -> Self {
        let mut memory = Self::default();
        for line in text.lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words[..] {
                ["database", inode, born] => memory.database = birth(inode, born),
                ["wal", inode, born] => memory.wal = birth(inode, born),
                ["wanted", number] => memory.wanted = number.parse().ok(),
                _ => {}
            }
        }
        memory
    }

    fn to_text(self) -> String {
        use std::fmt::Write as _;
        let mut text = "# Which files the job log is made of. The next start of datadrop compares them.\n".to_owned();
        let births = [("database", self.database), ("wal", self.wal)];
        for (what, birth) in births.into_iter().filter_map(|(what, birth)| Some((what, birth?))) {
            let _ = writeln!(text, "{what} {} {}", birth.inode, birth.born_ns);
        }
        if let Some(number) = self.wanted {
            let _ = writeln!(text, "wanted {number}");
        }
        text
    }
}

fn birth(inode: &str, born: &str) -> Option<Birth> {
    Some(Birth { inode: inode.parse().ok()?, born_ns: born.parse().ok()? })
}

/// Whether a daemon has the lock of this state directory, as far as this user may look.
#[must_use]
pub fn is_running(dir: &Path) -> bool {
    look_for_daemon(dir) == Some(true)
}

/// Whether a daemon has the lock of this state directory; `None` if this user may not look.
#[must_use]
pub fn look_for_daemon(dir: &Path) -> Option<bool> {
    match File::open(dir.join(LOCK)) {
        Ok(file) => Some(matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))),
        Err(error) if error.kind() == ErrorKind::PermissionDenied => None,
        Err(_) => Some(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_daemon_is_refused_and_the_lock_ends_with_its_holder() {
        let dir = tempfile::tempdir().unwrap();
        let lock = StateLock::take(dir.path()).unwrap();
        assert!(matches!(StateLock::take(dir.path()), Err(OpenError::Running(_))));
        assert!(is_running(dir.path()));
        drop(lock);
        assert!(!is_running(dir.path()));
    }

    #[test]
    fn what_a_run_remembers_is_there_for_the_next_and_nonsense_is_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let lock = StateLock::take(dir.path()).unwrap();
        assert_eq!(lock.memory(), Memory::default());
        let database = Birth::of(&dir.path().join(LOCK)).unwrap();
        assert!(database.is_some());
        let long = Memory { database, wal: Some(Birth { inode: u64::MAX, born_ns: 7 }), wanted: Some(i64::MIN) };
        for memory in [long, Memory { database, ..Memory::default() }] {
            lock.remember(&memory).unwrap();
            assert_eq!(lock.memory(), memory);
        }
        drop(lock);
        let lock = StateLock::take(dir.path()).unwrap();
        assert_eq!(lock.memory().database, database);
        std::fs::write(dir.path().join(LOCK), b"\xff\xffdatabase x y\nwal 1").unwrap();
        assert_eq!(lock.memory(), Memory::default());
    }
}
