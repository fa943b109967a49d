//! The job log: the only source of truth, and the place where the stages meet.
//!
//! One writer thread owns the only writing connection. One fsync makes durable what arrives together (group commit),
//! and no caller gets an answer before that. Readers have their own connections. Only this module uses `rusqlite`.
//! Every statement is in a named function, and every change of state goes through `State::next` and leaves a row in
//! `job_event`.
//!
//! An operation reads and writes jobs through its unit of work, which reads each row once and writes what has changed of it in
//! one statement. Operations that arrive together run in one transaction without savepoints: where one fails after it has
//! written something, the transaction is rolled back and run again with them.

mod account_record;
mod advance;
mod alerts;
mod anatomy;
mod attempts;
mod carry_out;
mod claim;
mod covered_days;
mod data_days;
mod database_files;
mod day_rows;
mod day_totals;
mod destinations;
mod done_files;
mod due;
mod duplicates;
mod errors;
mod filing;
#[cfg(test)]
pub(crate) mod fixtures;
mod instructions;
mod intake;
mod job_life;
mod learnt;
mod listed;
mod lock;
mod mutes;
mod noted;
mod open;
mod ownership;
mod progress;
mod queries;
mod reader;
mod remote_list;
mod renamed_files;
mod restore;
mod retention;
mod row;
mod schema;
mod search;
mod sql;
mod suite_record;
mod summaries;
mod timing;
mod totals;
mod unit_of_work;
mod writer;

pub use account_record::{AccountRow, OpenJobs, ProvenStyle};
pub use alerts::{AlertCursor, AlertFact, AlertFacts, AlertRow, FactJob, Outbox, ToldRow};
pub use anatomy::Anatomy;
pub use attempts::{AttemptEnd, Ended};
pub use carry_out::{Executor, FileNow};
pub use claim::{AccountRules, Claim, Claimed};
pub use covered_days::held_for_unknown_days;
pub use data_days::{Allowance, AllowanceLimits, MOST_DAYS_SENT, MOST_WAITING};
pub use day_rows::{DayRow, SentFile, Which};
pub use done_files::DoneFile;
pub use duplicates::held_for_its_name;
pub use errors::{JobLogError, OpenError, StorageProblem};
pub use filing::Filed;
pub use instructions::{Answer, Instruction, InstructionId, Open, SentAs, instruct};
pub use intake::{Admission, AdmitPolicy, Arrival, Content, Verdict};
pub use job_life::{AttemptRow, EventRow, JobLife};
pub use listed::{Doubled, RemoteList, Taken};
pub use lock::{StateLock, is_running, look_for_daemon};
pub use mutes::{Mute, MuteOrder, instruct_mute};
pub use noted::{Expected, Halt, OverdueJobs};
pub use ownership::LatestAccepted;
pub use progress::{Backlog, Beginning};
pub use queries::{Counts, JobFilter, JobRow, Unsent};
pub use reader::{Examination, Reader, examine};
pub use remote_list::{OpenRemote, Swept, Unsettled};
pub use restore::{FiledJob, Restoration, Restored};
pub use retention::{Delivered, PruneRule};
pub use row::{InboxEntry, Job};
pub use search::Search;
pub use suite_record::{SuiteRecord, VirtualSuite};
pub use summaries::{DayCount, JobToHandle, SummaryDay};
pub use timing::{CommitCounts, CommitTimes};
pub use totals::{AttemptEnds, DaySums, Standing, Sums, TryingAgain};
pub use unit_of_work::Haste;
pub use writer::{JobLog, Pending};
