//! The domain: what a job is, which states it passes, and the words for both.
//!
//! Pure: no I/O, no clock, no async. Whatever decides takes its facts and `now` as arguments.

mod identity;
mod lines;
mod name;
mod rows;
mod state;
mod time;

pub use identity::{FileIdentity, Fingerprint, Sha256, Target};
pub use lines::{Encoding, Line, LineKind, Lines};
pub use name::{Kind, NameRefused, UploadStyle, check_name, classify, printable, stem, unique_wire_name};
pub use rows::RowCounter;
pub use state::{Event, IllegalTransition, Phase, Place, State};
pub use time::Timestamp;

use serde::Serialize;
use std::fmt;

/// The number of a job: one row of the job log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct JobId(pub i64);

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number that Adobe gave to what it made of an upload (guide: `Job ID`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct RemoteJobId(pub i64);

impl fmt::Display for RemoteJobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What the API says of one remote job, Adobe's words kept (guide, "GET retrieve a single job").
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RemoteJob {
    /// The name under which the file was sent.
    pub file_name: Option<String>,
    /// "The number of rows successfully processed".
    pub rows_processed: Option<i64>,
    /// Adobe's number for it.
    pub remote_job_id: RemoteJobId,
    /// `uploaded`, `processing`, `success`, `failure`, `deleted`, or a word not known yet.
    pub remote_status: Option<String>,
    /// Date text as Adobe sent it; carries no zone.
    pub remote_created: Option<String>,
    /// Date text as Adobe sent it; carries no zone.
    pub remote_started: Option<String>,
    /// Date text as Adobe sent it; carries no zone.
    pub remote_finished: Option<String>,
}
