//! What is said in the log of a file that was taken in.

use crate::job::{FileFindings, Kind, State, looks_like_copy, printable};
use crate::joblog::{Admission, Arrival, Verdict as Finding};
use std::ffi::OsString;

/// What of an arrival goes to the log once it is taken in.
pub(super) struct Told {
    pub(super) name: OsString,
    kind: Kind,
    findings: Option<Box<FileFindings>>,
}

impl Told {
    pub(super) fn of(arrival: &Arrival) -> Self {
        let findings = match &arrival.verdict {
            Finding::Rejected(..) | Finding::Waiting(..) | Finding::Unmarked(..) => None,
            Finding::Failing(content, _) | Finding::Ready(content) => content.findings.clone(),
        };
        Self { name: arrival.disk_name.clone(), kind: arrival.kind, findings }
    }

    /// Says what the job log made of it.
    pub(super) fn say(&self, account: &str, admission: &Admission) {
        let (job, state) = (admission.id.0, admission.state.as_str());
        let name = printable(&self.name.to_string_lossy());
        let reason = admission.reason.as_deref().unwrap_or("it goes with its data file");
        match admission.state {
            State::Rejected | State::Held => {
                tracing::warn!(account, job, state, "{name}: job {job} is {state}: {reason}");
            }
            State::Waiting
            | State::Queued
            | State::Uploading(_)
            | State::Unconfirmed
            | State::Uploaded
            | State::Processing
            | State::Success
            | State::Partial
            | State::Failure
            | State::Cancelled => tracing::debug!(account, job, state, "{name}: job {job} is {state}"),
        }
        if admission.state == State::Queued && self.kind == Kind::Data && looks_like_copy(&name) {
            tracing::warn!(
                account,
                job,
                "{name}: job {job} is named like a copy of another file, and is sent; if that was sent too, Adobe counts its rows twice"
            );
        }
        // What is rejected for its findings has said so.
        match &self.findings {
            Some(findings) if admission.state != State::Rejected => {
                let summary = &findings.summary;
                if findings.only_doubts {
                    tracing::info!(account, job, "{name}: job {job}: the file check has doubts: {summary}");
                } else {
                    tracing::warn!(account, job, "{name}: job {job}: the file check says: {summary}");
                }
            }
            Some(_) | None => {}
        }
    }
}
