//! The counters of the server for tests: accepted uploads and requests.

use super::kept_jobs::Job;
use super::world::World;
use crate::job::{RemoteJobId, Timestamp, UploadStyle};
use axum::http::Method;
use serde::Serialize;
use std::collections::BTreeMap;

/// One accepted upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LedgerEntry {
    /// Its position. The first accepted upload is 1.
    pub order: usize,
    /// The job of the upload.
    pub job_id: RemoteJobId,
    /// Its report suite.
    pub report_suite_id: String,
    /// Its data source.
    pub data_source_id: i64,
    /// The name in the request.
    pub name: String,
    /// Size of the content in bytes.
    pub size: u64,
    /// SHA-256 of the content, in hexadecimal digits.
    pub sha256: String,
    /// The form of the request.
    pub style: UploadStyle,
    /// Time of its acceptance: RFC 3339, UTC, milliseconds.
    pub at: String,
    /// The current status of its job.
    pub status: String,
    /// Rows processed so far.
    pub rows: u64,
}

impl World {
    /// Every accepted upload, in the order of acceptance.
    #[must_use]
    pub fn ledger(&self, now: Timestamp) -> Vec<LedgerEntry> {
        self.jobs().iter().enumerate().map(|(index, job)| entry(index + 1, job, self.progress(job, now))).collect()
    }
}

fn entry(order: usize, job: &Job, progress: super::world::Progress<'_>) -> LedgerEntry {
    LedgerEntry {
        order,
        job_id: job.id,
        report_suite_id: job.upload.account.report_suite_id.clone(),
        data_source_id: job.upload.account.data_source_id,
        name: job.upload.name.clone(),
        size: job.upload.size,
        sha256: job.upload.sha256.to_string(),
        style: job.upload.style,
        at: job.created.to_string(),
        status: progress.status.to_owned(),
        rows: progress.rows,
    }
}

/// The kind of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RequestKind {
    Upload,
    List,
    Single,
    Account,
    Suite,
    Token,
    Other,
}

impl RequestKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Upload => "uploads",
            Self::List => "lists",
            Self::Single => "singles",
            Self::Account => "accounts",
            Self::Suite => "suites",
            Self::Token => "tokens",
            Self::Other => "others",
        }
    }
}

/// Number of requests. Each counts when its head arrives, whatever the answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RequestCounts {
    /// Upload requests.
    pub uploads: u64,
    /// Job lists.
    pub lists: u64,
    /// Single jobs.
    pub singles: u64,
    /// Account requests of all kinds.
    pub accounts: u64,
    /// Report suites, their metrics and dimensions.
    pub suites: u64,
    /// Token requests.
    pub tokens: u64,
    /// Discovery, and paths that do not exist.
    pub others: u64,
    /// Number of requests that the rate limit refused.
    pub refused_429: u64,
    /// All of the above. Refused requests count within their kind.
    pub total: u64,
    /// The highest number of API requests of one client in any window of the rate limit, including refused ones.
    pub max_in_any_window: usize,
    /// The counts by method: `"PUT uploads": 3`.
    pub by_method: BTreeMap<String, u64>,
}

/// The counters behind [`RequestCounts`].
#[derive(Debug, Default)]
pub(super) struct RequestLog {
    // A few pairs, so a linear search is faster than hashing.
    counts: Vec<(Method, RequestKind, u64)>,
    pub(super) refused_429: u64,
}

impl RequestLog {
    pub(super) fn count(&mut self, method: &Method, kind: RequestKind) {
        match self.counts.iter_mut().find(|(m, k, _)| m == method && *k == kind) {
            Some((_, _, count)) => *count += 1,
            None => self.counts.push((method.clone(), kind, 1)),
        }
    }

    pub(super) fn summary(&self, max_in_any_window: usize) -> RequestCounts {
        let of = |kind| self.counts.iter().filter(|(_, k, _)| *k == kind).map(|(_, _, count)| count).sum();
        RequestCounts {
            uploads: of(RequestKind::Upload),
            lists: of(RequestKind::List),
            singles: of(RequestKind::Single),
            accounts: of(RequestKind::Account),
            suites: of(RequestKind::Suite),
            tokens: of(RequestKind::Token),
            others: of(RequestKind::Other),
            refused_429: self.refused_429,
            total: self.counts.iter().map(|(_, _, count)| count).sum(),
            max_in_any_window,
            by_method: self
                .counts
                .iter()
                .map(|(method, kind, count)| (format!("{method} {}", kind.as_str()), *count))
                .collect(),
        }
    }
}
