//! What was observed of the files of a probe. Pure.

use super::probe_files::ProbeFile;
use crate::job::{RemoteJob, Timestamp, UploadStyle};
use crate::status::printable;
use std::time::Duration;

/// What became of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The API answered with this job.
    Accepted(RemoteJob),
    /// The API says no to this request, in these words. It has not ingested the file.
    Refused(String),
    /// The API has not ingested the file, for a reason that says nothing of the request.
    NotTaken(String),
    /// Only the list tells whether the file arrived.
    Unclear(String),
}

/// A file that was sent.
#[derive(Debug, Clone)]
pub(super) struct Tried {
    pub(super) file: ProbeFile,
    pub(super) style: UploadStyle,
    pub(super) outcome: Outcome,
    /// When the answer came, since the probe began.
    pub(super) answered: Duration,
    /// The same by the server's clock, if it told its time.
    pub(super) server_time: Option<Timestamp>,
    /// The same by our clock.
    pub(super) clock: Timestamp,
    /// What lists have shown of it: the first time, and at each change.
    pub(super) sights: Vec<Sight>,
}

/// A job as a list showed it.
#[derive(Debug, Clone)]
pub(super) struct Sight {
    /// Since the probe began.
    pub(super) at: Duration,
    pub(super) job: RemoteJob,
}

/// Everything that was observed.
#[derive(Debug, Clone, Default)]
pub(super) struct Observed {
    pub(super) tried: Vec<Tried>,
    /// When lists were read, since the probe began.
    pub(super) looks: Vec<Duration>,
    /// Why lists could not be read.
    pub(super) failed_looks: Vec<String>,
    /// The time zone of the report suite, as Adobe names it.
    pub(super) zone: Option<String>,
    /// Why the probe ended before all was seen.
    pub(super) cut_short: Option<&'static str>,
}

impl Tried {
    /// The file is at Adobe, as far as is known.
    pub(super) fn has_arrived(&self) -> bool {
        matches!(self.outcome, Outcome::Accepted(_)) || !self.sights.is_empty()
    }

    pub(super) fn last(&self) -> Option<&RemoteJob> {
        self.sights.last().map(|sight| &sight.job)
    }

    /// When its job was seen at its end, and whether that is a success.
    pub(super) fn end(&self) -> Option<(Duration, bool)> {
        self.sights.iter().find_map(|sight| Some((sight.at, is_success(sight.job.remote_status.as_deref()?)?)))
    }

    pub(super) fn succeeded(&self) -> bool {
        self.end().is_some_and(|(_, success)| success)
    }

    /// Rows that were told at a successful end.
    pub(super) fn rows(&self) -> Option<i64> {
        self.last().filter(|_| self.succeeded())?.rows_processed
    }

    /// Each word and count of its job, from the answer on.
    pub(super) fn course(&self) -> String {
        let answered = match &self.outcome {
            Outcome::Accepted(job) => Some(job),
            Outcome::Refused(_) | Outcome::NotTaken(_) | Outcome::Unclear(_) => None,
        };
        let jobs = answered.into_iter().chain(self.sights.iter().map(|sight| &sight.job));
        let mut steps: Vec<String> = jobs
            .map(|job| {
                let rows = job.rows_processed.map_or_else(|| "no".to_owned(), |rows| rows.to_string());
                format!("{} with {rows} rows", printable(job.remote_status.as_deref().unwrap_or("no status")))
            })
            .collect();
        steps.dedup();
        steps.join(", then ")
    }

    /// What became of the upload, in words.
    pub(super) fn fate(&self) -> String {
        let listed = if self.sights.is_empty() { "no list has shown it" } else { "a list shows it" };
        match &self.outcome {
            Outcome::Accepted(_) => "accepted".to_owned(),
            Outcome::Refused(why) => format!("refused: {why}"),
            Outcome::NotTaken(why) => format!("not taken: {why}"),
            Outcome::Unclear(why) => format!("no clear answer ({why}); {listed}"),
        }
    }
}

/// The words for an end that are known of Adobe's APIs; others may not be an end.
fn is_success(status: &str) -> Option<bool> {
    match status.trim().to_ascii_lowercase().as_str() {
        "success" | "succeeded" | "successful" | "complete" | "completed" => Some(true),
        "failure" | "failed" | "deleted" => Some(false),
        _ => None,
    }
}
