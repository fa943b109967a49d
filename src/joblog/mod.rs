//! The job log: the only source of truth, and the place where the stages meet.
//!
//! One writer thread owns the only writing connection. What arrives together is made durable by one fsync (group
//! commit), and nobody hears of success before that. Readers have connections of their own. `rusqlite` lives here and
//! nowhere else; every statement is a named function in [`sql`](self), every change of state goes through
//! `State::next` and leaves a row in `job_event`.

mod account_record;
mod advance;
mod alerts;
mod attempts;
mod carry_out;
mod changed;
mod check_findings;
mod claim;
mod database_files;
mod destinations;
mod duplicates;
mod examine;
mod filing;
#[cfg(test)]
pub(crate) mod fixtures;
mod foresee;
mod instructions;
mod intake;
mod listed;
mod lock;
mod noted;
mod open;
mod ours;
mod pair;
mod picked;
mod queries;
mod read;
mod remote_list;
mod restore;
mod retention;
mod row;
mod save;
mod schema;
mod sql;
mod strangers;
mod timing;
mod totals;
mod unowned;
mod upshot;
mod writer;

pub use account_record::{AccountRow, OpenJob};
pub use alerts::{AlertCursor, AlertFact, AlertFacts, AlertRow, FactJob, Outbox, ToldRow};
pub use attempts::{AttemptEnd, Ended};
pub use carry_out::{Executor, FileNow, Open};
pub use changed::SentFile;
pub use claim::{AccountRules, Claim, Claimed};
pub use examine::{Examination, examine};
pub use filing::{Filed, Haste, Unfiled, WireOwner};
pub use instructions::{Answer, Instruction, InstructionId, SentAs, instruct};
pub use intake::{Admission, AdmitPolicy, Arrival, Content, Verdict};
pub use listed::{Doubled, RemoteList, Taken};
pub use lock::{StateLock, is_running, look_for_daemon};
pub use open::OpenError;
pub use ours::LatestAccepted;
pub use queries::{AttemptRow, Counts, EventRow, JobFilter, JobRow, Unsent};
pub use read::{Backlog, Reader};
pub use remote_list::{OpenRemote, Swept, Unsettled};
pub use restore::{Restoration, Restored};
pub use retention::{Delivered, OldFile, PruneRule};
pub use row::{InboxEntry, Job};
pub use timing::{CommitCounts, CommitTimes};
pub use totals::{AttemptEnds, DaySums, Standing, Sums};
pub use upshot::Beginning;
pub use writer::{JobLog, Pending};

use crate::job::IllegalTransition;

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
