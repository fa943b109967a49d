//! What was closed or renamed in with signs of a broken transfer must be quiet for a while before it is taken in (R3, R7,
//! R8, R9).

use super::promises::{Checked, broken};
use crate::clock::Moment;
use crate::job::{JobId, Sha256, stem};
use crate::joblog::Job;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub(super) const SETTLE: Duration = Duration::from_secs(1);
pub(super) const SETTLE_MAX: Duration = Duration::from_secs(60);

/// What says that it may not be whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// It was closed (R3, R7).
    Closed,
    /// It was written in place or renamed in by `rsync`, and its last line has no line end (R8, R9).
    CutOff,
    /// Its time is of 1970 (R8). That needs no events.
    Of1970,
}

/// Contents that must be quiet, by name.
#[derive(Debug, Clone, Default)]
pub(super) struct Quiet {
    since: BTreeMap<(String, String), (Moment, Why)>,
    /// Jobs that have a content by now.
    known: BTreeSet<JobId>,
}

impl Quiet {
    pub(super) fn begins(&mut self, name: &str, sha256: Sha256, why: Why, at: Moment) {
        self.since.insert((name.to_owned(), sha256.to_string()), (at, why));
    }

    /// Something else happens to the name, or to its marker: it may prove that the file is whole (R1, R2).
    ///
    /// The answer: what it was, where it was a part.
    pub(super) fn ends(&mut self, name: &str) -> Option<&'static str> {
        let of = stem(name).to_owned();
        let was = self.since.iter().find(|((other, _), _)| other == name).map(|(_, (_, why))| *why);
        self.since.retain(|(other, _), _| stem(other) != of);
        match was? {
            Why::Closed => None,
            Why::CutOff => Some("a part without its last line end is followed by the whole"),
            Why::Of1970 => Some("a part that rsync kept is followed by the whole"),
        }
    }

    /// What events reported is worth nothing any more (R4).
    pub(super) fn forget_events(&mut self) {
        self.since.retain(|_, (_, why)| *why == Why::Of1970);
    }

    /// Another job log: what it knows is new.
    pub(super) fn forget_jobs(&mut self) {
        self.known.clear();
    }

    /// `settle`: the quiet period of the account when it last wrote it down.
    pub(super) fn check(&mut self, jobs: &[Job], settle: Duration, now: Moment) -> Checked {
        for job in jobs {
            let Some(sha256) = job.sha256 else { continue };
            if !self.known.insert(job.id) {
                continue;
            }
            let Some((at, why)) = self.since.remove(&(job.file_name.clone(), sha256.to_string())) else { continue };
            let wait = match why {
                Why::Closed => settle,
                Why::CutOff | Why::Of1970 => SETTLE_MAX,
            };
            if now.since(at) < wait {
                return broken(
                    "what may not be whole is quiet for long enough before it is taken in (R3, R7, R8, R9)",
                    format!("{} ({why:?}) after {:?} instead of {wait:?}", job.file_name, now.since(at)),
                );
            }
        }
        Ok(())
    }
}
