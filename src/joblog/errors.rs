//! Why the job log cannot be opened, or did not do what was asked: each with what to do.

use crate::job::{IllegalTransition, Problem};
use std::fmt;
use std::path::{Path, PathBuf};

/// Why the job log cannot be opened. Nothing is sent, and nothing is recreated.
#[derive(Debug)]
pub enum OpenError {
    /// Another daemon has it.
    Running(PathBuf),
    /// The state directory is missing or cannot be used.
    StateDir {
        /// The directory.
        dir: PathBuf,
        /// What the system said.
        why: String,
    },
    /// There is none yet.
    None(PathBuf),
    /// Not for this user to read.
    Closed {
        /// The state directory.
        dir: PathBuf,
        /// The database.
        file: PathBuf,
        /// What the system said.
        why: String,
    },
    /// A newer datadrop wrote it.
    Newer {
        /// The database.
        file: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// A development version of datadrop wrote it, before the first release.
    Earlier(PathBuf),
    /// Another user's.
    NotYours {
        /// The database.
        file: PathBuf,
        /// What the system said.
        why: String,
    },
    /// Somebody has it locked.
    Locked {
        /// The database.
        file: PathBuf,
        /// Who, as far as it is known.
        by: String,
    },
    /// It was there, and is not any more.
    Gone(PathBuf),
    /// It was removed or replaced while datadrop ran, and what stands there now does not know what happened until then.
    Lost {
        /// The database.
        file: PathBuf,
        /// What to do.
        remedy: String,
    },
    /// The write-ahead log beside it is not its own.
    Foreign {
        /// The write-ahead log.
        wal: PathBuf,
        /// The shared memory that belongs to it.
        shm: PathBuf,
    },
    /// Not a job log, or damaged.
    Damaged {
        /// The database.
        file: PathBuf,
        /// What the check said.
        why: String,
    },
}

impl OpenError {
    /// What is the matter, and what to do about it.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let at = |path: &Path, what: &str| format!("{}: {what}", path.display());
        match self {
            Self::Running(dir) => Problem::new(
                at(dir, "another datadrop is running with this state directory"),
                "stop it first, or use a state directory of its own",
            ),
            Self::StateDir { dir, why } => Problem::new(
                at(dir, &format!("the state directory cannot be used: {why}")),
                "create it, owned by the user that runs datadrop",
            ),
            Self::None(file) => Problem::new(
                at(file, "there is no job log yet"),
                "the service makes it at its first start (`datadrop run`), or `state_dir` of the configuration names another place",
            ),
            Self::Closed { file, why, .. } => Problem::new(
                at(file, &format!("the job log cannot be read: {why}")),
                "run this as the service's user, or as a member of its group",
            ),
            Self::Newer { file, found, known } => Problem::new(
                at(
                    file,
                    &format!("written by a newer datadrop (version {found} of the job log, this one knows {known})"),
                ),
                "install that version again",
            ),
            Self::Earlier(file) => Problem::new(
                at(file, "written by a development version of datadrop, whose job log this one cannot read"),
                "to go on, move it away with its -wal and -shm, keep it, and rebuild the job log: datadrop recover",
            ),
            Self::NotYours { file, why } => Problem::new(
                at(file, &format!("the job log cannot be changed: {why}")),
                "run this as the user that runs datadrop (`sudo -u datadrop datadrop …`)",
            ),
            Self::Locked { file, by } => Problem::new(
                at(file, &format!("{by} holds the lock of the job log")),
                "end that process or its transaction",
            ),
            Self::Gone(file) => Problem::new(
                at(file, "the job log is gone, and datadrop does not create a new one silently"),
                "put it back, restore a backup, or rebuild it: datadrop recover",
            ),
            Self::Lost { file, remedy } => Problem::new(
                at(
                    file,
                    "the job log was removed or replaced while datadrop ran, and this one does not know what was sent until then",
                ),
                remedy,
            ),
            Self::Foreign { wal, shm } => Problem::new(
                at(wal, "belongs to another database than the one beside it, which it would damage"),
                format!("if a backup of the database was put back: rm -f {} {}", wal.display(), shm.display()),
            ),
            Self::Damaged { file, why } => Problem::new(
                at(file, &format!("the job log is damaged: {why}, so nothing is sent")),
                "restore it from a backup, or move it away with its -wal and -shm and rebuild it by `datadrop recover`",
            ),
        }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem().fmt(f)
    }
}

impl std::error::Error for OpenError {}

/// Why the job log did not do what was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum JobLogError {
    /// Nothing was changed; the same may go through later.
    #[error("the job log cannot be written: {0}")]
    Storage(StorageProblem),
    /// A row or a step that must not exist: a defect of datadrop or a database changed by hand.
    #[error("the job log holds something impossible: {0}; please report this")]
    Impossible(String),
    /// A row of a job that makes no sense: a disk with errors or another program wrote it.
    #[error(
        "job {job} of account {account} cannot be read from the job log: {what}; another program or a failing disk wrote it. Stop the service and restore the job log from a backup, or correct that row"
    )]
    BadRow {
        /// Its number.
        job: i64,
        /// Its account, as far as that can be read.
        account: String,
        /// The column, and what it holds.
        what: String,
    },
    /// No such job.
    #[error("there is no job {0}")]
    NoSuchJob(i64),
    /// The writer has stopped.
    #[error("the job log is closed")]
    Closed,
}

/// Why the job log takes no writes, each with what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StorageProblem {
    /// The disk is full or fails.
    #[error("{0}; free space, or repair the disk, under the state directory, and datadrop continues")]
    Disk(String),
    /// Another process holds the write lock.
    #[error("{0} holds its write lock; end that process or its transaction, and datadrop continues")]
    Locked(String),
    /// What is read is no database, or one that contradicts itself.
    #[error(
        "{0}, so nothing is sent; stop the service, put datadrop.db and the files beside it away, and run `datadrop recover`"
    )]
    Damaged(String),
    /// The files that are written to are no longer those that others find. Nothing goes on before the next start.
    #[error("{0} while datadrop ran, so nothing is sent any more; restart the service, which says what to do")]
    Lost(String),
}

impl From<rusqlite::Error> for JobLogError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ErrorCode as Code;
        match error.sqlite_error_code() {
            Some(Code::DatabaseBusy | Code::DatabaseLocked) => {
                Self::Storage(StorageProblem::Locked("another process".to_owned()))
            }
            Some(
                Code::DiskFull
                | Code::SystemIoFailure
                | Code::ReadOnly
                | Code::CannotOpen
                | Code::OutOfMemory
                | Code::NoLargeFileSupport
                | Code::PermissionDenied,
            ) => Self::Storage(StorageProblem::Disk(error.to_string())),
            Some(Code::DatabaseCorrupt | Code::NotADatabase) => {
                Self::Storage(StorageProblem::Damaged(error.to_string()))
            }
            _ => Self::Impossible(error.to_string()),
        }
    }
}

impl From<IllegalTransition> for JobLogError {
    fn from(error: IllegalTransition) -> Self {
        Self::Impossible(error.to_string())
    }
}
