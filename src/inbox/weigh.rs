//! What a complete file amounts to: too large, no marker after all, what Adobe would fail, or ready.

use super::folder_settings::FolderSettings;
use super::look::{hold, sight_of};
use crate::check::{Checked, Checker, Facts};
use crate::clock::now;
use crate::config::CheckMode;
use crate::folder::directory::Entry;
use crate::inbox::readiness::Sight;
use crate::job::{DayZone, FileFindings, Fingerprint, Kind, SuiteFacts, Timestamp};
use crate::joblog::{Content, Verdict};
use std::ffi::OsStr;
use std::fs::File;
use std::time::Duration;

/// Bytes read at once: large enough to cost few calls, small enough to be kept.
pub(super) const BUFFER: usize = 128 << 10;
/// Maximum number of findings of each rule. More of one kind do not help.
const KEPT: usize = 5;

/// Time for which a file waits for a day that it is dated with; a day that is further away fails it.
const LONGEST_WAIT: Duration = Duration::from_hours(7 * 24);

/// What became of reading a file that seemed complete.
pub(super) enum Weighed {
    /// What the job log records: ready, failing or rejected.
    Verdict(Verdict),
    /// It cannot be read; the reason for the job log.
    Unread(String),
    /// It was written to meanwhile.
    Changed,
}

/// What the job log knows that the check of a file asks for.
#[derive(Debug, Default)]
pub(super) struct Background<'a> {
    /// How fast uploads go, in bytes of the request each second.
    pub(super) bytes_per_second: Option<u64>,
    /// What the API tells of the report suite.
    pub(super) suite: Option<&'a SuiteFacts>,
}

/// Reads a file as its account's rules want it, once, and calls `alive` at each read.
pub(super) fn weigh(
    settings: &FolderSettings,
    name: &OsStr,
    kind: Kind,
    (file, sight): (&mut File, Sight),
    background: &Background<'_>,
    buffer: &mut Vec<u8>,
    alive: impl Fn(),
) -> Weighed {
    let size = sight.identity.size;
    let rejected = |reason: String| Weighed::Verdict(Verdict::Rejected(reason, Some(sight.identity)));
    if size > settings.max_file_size {
        return rejected(format!(
            "the file has {size} bytes, more than upload.max_file_size allows ({}); split it, or raise the limit",
            settings.max_file_size
        ));
    }
    let suite = background.suite;
    let zone = DayZone::of(settings.time_zone.as_ref(), suite.and_then(|suite| suite.time_zone.as_deref()));
    let now_at = now();
    let now = zone.at(now_at);
    let facts = Facts {
        file_name: name,
        extensions: &settings.extensions,
        now: &now,
        in_suite_zone: zone.is_suites,
        suite,
        data_source_id: Some(settings.target.data_source_id),
        max_size: settings.max_file_size,
        bytes_per_second: background.bytes_per_second,
        keep: KEPT,
    };
    let rules = wants_check(settings, kind).then(|| Checker::new(&facts));
    let held = match hold(file, kind, rules, buffer, alive) {
        Ok(held) => held,
        Err(error) => {
            return Weighed::Unread(format!("the file cannot be read: {error}; it is tried again at each rescan"));
        }
    };
    if held.size != size || !Entry::of(file).is_ok_and(|entry| sight_of(&entry) == sight) {
        return Weighed::Changed;
    }
    if kind == Kind::Fin && !held.only_white_space {
        return rejected(
            "the marker has content; a marker must be empty, it only says that its data file is complete".to_owned(),
        );
    }
    let fingerprint = Fingerprint { identity: sight.identity, sha256: held.sha256 };
    let findings = held.checked.as_ref().and_then(Checked::told).or_else(|| FileFindings::of_name(name, kind));
    let may_reject = settings.check == CheckMode::Reject;
    // Days that begin soon are waited for before it is sent. One that is further away is a slip of the pen.
    let is_early = |at: Timestamp| at <= now_at.after(LONGEST_WAIT);
    let waits = held.checked.as_ref().and_then(Checked::fails_until).is_some_and(is_early);
    let failing = held.checked.as_ref().is_some_and(Checked::would_fail) && may_reject && !waits;
    let cause = findings.as_ref().and_then(|findings| findings.likely.cause.clone()).filter(|_| failing);
    let content = Content {
        fingerprint,
        blake3: held.blake3,
        rows_expected: held.rows,
        findings: findings.map(Box::new),
        days: held.checked.map(|checked| Box::new(checked.days)),
    };
    Weighed::Verdict(match cause {
        Some(cause) => Verdict::Failing(content, format!("Adobe would fail this file: {cause}")),
        None => Verdict::Ready(content),
    })
}

/// Whether the account wants such a file checked.
fn wants_check(settings: &FolderSettings, kind: Kind) -> bool {
    match settings.check {
        CheckMode::Off => false,
        CheckMode::Warn | CheckMode::Reject => kind == Kind::Data,
    }
}
