//! The files that a job log is made of: whether they are still the ones that were opened, and who holds their locks
//! (DESIGN §8).
//!
//! A process loses its POSIX locks on a file as soon as it closes any descriptor of that file. So the database is opened
//! by SQLite alone, which knows of this, and everything else asks the file system by name.

use super::errors::StorageProblem;
use rustix::fs::{Access, AtFlags, CWD, accessat};
use rustix::process::{Flock, FlockType, fcntl_getlk};
use std::cell::Cell;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

pub(super) const DATABASE: &str = "datadrop.db";
pub(super) const WAL: &str = "datadrop.db-wal";
pub(super) const SHARED_MEMORY: &str = "datadrop.db-shm";
/// What a job log that was lost knew.
pub(super) const SAVED: &str = "datadrop-saved.db";

/// The byte of the shared memory that a writer locks (SQLite's WAL-index format).
const WRITE_LOCK: u64 = 120;

/// The files of an open job log.
#[derive(Debug)]
pub(super) struct Files {
    /// Each with its device and inode; the database comes first.
    opened: [(PathBuf, (u64, u64)); 3],
    /// Size and modification time of the database when it was last known to hold what was written.
    trusted: Cell<Option<(u64, i128)>>,
    /// For questions about locks. It closes after the last connection.
    shared_memory: File,
}

impl Files {
    /// The files of a database that a connection has in use.
    pub(super) fn in_use(dir: &Path) -> io::Result<Self> {
        let which = |path: PathBuf| which(&path).map(|which| (path, which));
        let database = dir.join(DATABASE);
        // Where the database is a link, SQLite keeps its own files beside what it leads to.
        let beside = |ending: &str| -> io::Result<PathBuf> {
            let mut path = fs::canonicalize(&database)?.into_os_string();
            path.push(ending);
            Ok(path.into())
        };
        let (wal, shared_memory) = (beside("-wal")?, beside("-shm")?);
        let opened = [which(database.clone())?, which(wal)?, which(shared_memory.clone())?];
        let files = Self { opened, trusted: Cell::new(None), shared_memory: File::open(shared_memory)? };
        files.trust();
        Ok(files)
    }

    /// What the database holds now was written by SQLite.
    pub(super) fn trust(&self) {
        self.trusted.set(self.stamp());
    }

    /// Somebody wrote to the database: another process that put the write-ahead log away, or a plain copy over it.
    pub(super) fn is_written_to(&self) -> bool {
        self.trusted.get() != self.stamp()
    }

    fn stamp(&self) -> Option<(u64, i128)> {
        let metadata = fs::metadata(&self.opened[0].0).ok()?;
        Some((metadata.len(), i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec())))
    }

    /// Fails if one of the open files is no longer the one under its name: no one could read what is written to it.
    pub(super) fn compare(&self) -> Result<(), StorageProblem> {
        for (path, opened) in &self.opened {
            match which(path) {
                Ok(found) if found == *opened => {}
                Ok(_) => return Err(StorageProblem::Lost(format!("{} was replaced", path.display()))),
                Err(error) if is_absent(&error) => {
                    return Err(StorageProblem::Lost(format!("{} was removed", path.display())));
                }
                Err(error) => return Err(StorageProblem::Disk(error.to_string())),
            }
        }
        Ok(())
    }

    /// The process that holds the write lock, in words.
    pub(super) fn holder(&self) -> String {
        holder(&self.shared_memory)
    }
}

/// The same, asked by a process that has no connection open.
pub(super) fn holder_in(dir: &Path) -> String {
    File::open(dir.join(SHARED_MEMORY)).map_or_else(|_| UNKNOWN.to_owned(), |file| holder(&file))
}

const UNKNOWN: &str = "another process";

fn holder(shared_memory: &File) -> String {
    let mut asked = Flock::from(FlockType::WriteLock);
    (asked.start, asked.length) = (WRITE_LOCK, 1);
    // None: it let go meanwhile, or its process is of another namespace.
    let Some(pid) = fcntl_getlk(shared_memory, &asked).ok().flatten().and_then(|lock| lock.pid) else {
        return UNKNOWN.to_owned();
    };
    let pid = pid.as_raw_pid();
    // Hidden from a sandboxed service where it is another user's.
    match fs::read_to_string(format!("/proc/{pid}/comm")) {
        Ok(name) => format!("process {pid} ({})", name.trim_end()),
        Err(_) => format!("process {pid}"),
    }
}

fn which(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|metadata| (metadata.dev(), metadata.ino()))
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Whether there is a database, and if so, one that this user may read. It is not opened for that.
pub(super) fn is_there(dir: &Path) -> io::Result<bool> {
    match accessat(CWD, dir.join(DATABASE), Access::READ_OK, AtFlags::empty()).map_err(io::Error::from) {
        Ok(()) => Ok(true),
        Err(error) if is_absent(&error) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Returns whether no process has it in use or left it in the middle of a change.
pub(super) fn is_at_rest(dir: &Path) -> bool {
    !dir.join(WAL).exists()
}
