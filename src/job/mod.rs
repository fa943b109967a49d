//! The domain: what a job is, which states it passes, and the words for both.
//!
//! Pure: no I/O, no clock, no async. Each function that decides takes its facts and `now` as arguments.

mod data_day;
mod decimal;
mod findings;
mod identity;
mod lines;
mod name;
mod naming;
mod problem;
mod remote;
mod rows;
pub mod sets;
mod state;
mod suite;
mod time;
mod verb;
mod verdict;
mod words;

pub use data_day::{DataDay, DataDays, Total, files_of_no_day};
pub use decimal::{Decimal, NotDecimal};
pub use findings::{FileFindings, Likely};
pub use identity::{AfterSending, Blake3, FileIdentity, Fingerprint, Oddity, Promised, Sha256, Target, Writer};
pub use lines::{Encoding, Line, LineEnd, LineKind, Lines, ends_in_a_line};
pub use name::{
    Kind, NameRefused, UploadStyle, check_name, classify, is_sendable, looks_like_copy, printable, shell_word, stem,
    unique_wire_name,
};
pub use naming::{Likeness, Naming};
pub use problem::Problem;
pub use remote::{
    Company, NewAccount, OtherSent, RemoteAccount, RemoteJob, RemoteJobId, ReportSuite, RowCount, Told, date_told,
};
pub use rows::RowCounter;
pub use state::{Cause, Event, IllegalTransition, Overdue, Phase, Place, State};
pub use suite::{DayZone, Dimension, Metric, MetricKind, SuiteFacts, virtual_suite, zone_named};
pub use time::Timestamp;
pub use verb::{JobStanding, Plan, Refusal, Release, Verb};
pub use verdict::{Case, Command, Program, Step, USUAL_CONFIG, Verdict, foretold};
pub use words::{counted, grouped, length_words};

use serde::Serialize;
use std::fmt;

/// The number of a job: one row of the job log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct JobId(pub i64);

/// The number of a row of `job_event`. Rows are numbered in the order of writing, whatever the clocks say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct EventId(pub i64);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
