//! Decides, by the remote jobs, what became of an attempt that ended without a clear response (DESIGN S1 to S4).
//!
//! Pure: the input is what a look showed, and what the job log knows of those remote jobs. The output is a judgement.
//! This module never guesses.

use crate::clock::Moment;
use crate::job::{EventId, Likeness, Naming, OtherSent, RemoteJob, Timestamp, date_told, printable};
use std::time::Duration;

/// Longest time over which datadrop looks for a missing remote job.
pub const LONGEST: Duration = Duration::from_secs(3600);

/// What the job log knows of a remote job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// A job of datadrop owns it.
    Owned,
    /// A list had it before the attempt began, and no job owns it. It cannot come from the attempt.
    Before,
    /// A job of datadrop has its number, but the name or the date differs.
    Disputed,
    /// No list had it before the attempt began. Holds the last event before the first list that shows it.
    Fresh(EventId),
}

/// A look at the remote list.
#[derive(Debug, Clone)]
pub struct Look {
    /// Every job of every page, up to the first empty one.
    pub jobs: Vec<RemoteJob>,
    /// Page 1 was the same after the last page as before.
    pub steady: bool,
    /// The list was read to its end, and every entry could be read.
    pub complete: bool,
    /// Whether the list has the latest job that the API accepted of this account, as far as the window reaches.
    pub latest: Latest,
}

/// Whether the latest accepted job is in the list. A list that lacks it is not complete (DESIGN S2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Latest {
    /// No accepted job exists within the window.
    None,
    /// The list has it.
    Listed,
    /// The list lacks it.
    Missing,
    /// The server no longer knows it or those before it, although it should by now. The server has lost its past, and
    /// the list is all that it has.
    Forgotten,
}

/// The result of a look for one unconfirmed job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// This remote job is the upload.
    Found(RemoteJob),
    /// It is not in the list.
    NotThere,
    /// Only a person can decide, for this reason.
    Hold(String),
    /// The look does not count, for this reason.
    NotConclusive(&'static str),
}

/// An upload whose outcome is unclear.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    /// Its wire name.
    pub wire_name: &'a str,
    /// No other file has that name, whoever sends it.
    pub name_is_unique: bool,
    /// Expected rows by Adobe's way of counting.
    pub rows_expected: Option<i64>,
    /// A file that somebody else sent to the account while datadrop used it.
    pub stranger: Option<&'a str>,
    /// Other files of the account that a remote job may come from.
    pub others: &'a [OtherSent],
    /// How the API changes names.
    pub naming: &'a Naming,
    /// The earliest time at which the attempt can have begun, by the server's clock.
    pub began_at: Timestamp,
}

/// Judges one unconfirmed job by one look.
#[must_use]
pub fn judge(look: &Look, sent: Sent<'_>, known: impl Fn(&RemoteJob) -> Known) -> Judgement {
    if look.latest == Latest::Missing {
        #[cfg(test)]
        crate::testing::reach::met(crate::testing::reach::Met::LookLacksLatest);
        return Judgement::NotConclusive("the list lacks our latest accepted job, so it is not complete");
    }
    if !look.complete {
        #[cfg(test)]
        crate::testing::reach::met(crate::testing::reach::Met::LookIncomplete);
        return Judgement::NotConclusive(
            "the list could not be read to its end: a page repeats what was listed before, or an entry has no job ID",
        );
    }
    if !look.steady {
        #[cfg(test)]
        crate::testing::reach::met(crate::testing::reach::Met::LookUnsteady);
        return Judgement::NotConclusive("the list changed while it was read");
    }
    let mut named = Vec::new();
    let mut unowned = Vec::new();
    for job in &look.jobs {
        let likeness =
            job.file_name.as_deref().map_or(Likeness::Perhaps, |name| sent.naming.likeness(sent.wire_name, name));
        match (known(job), likeness) {
            (Known::Disputed, _) if too_many_rows(job, sent).is_none() => {
                #[cfg(test)]
                crate::testing::reach::met(crate::testing::reach::Met::Disputed);
                return Judgement::Hold(format!(
                    "the remote job {} has the number of another file of ours, but is named {}: the server may have restarted its \
                     job numbers, and this may be the upload",
                    job.remote_job_id,
                    job.file_name.as_deref().map_or_else(|| "nothing".to_owned(), printable),
                ));
            }
            (Known::Owned | Known::Disputed, _) | (Known::Before, Likeness::Perhaps | Likeness::Other) => {}
            (Known::Before, Likeness::Same) => {
                #[cfg(test)]
                crate::testing::reach::met(crate::testing::reach::Met::ThereBefore);
                return Judgement::Hold(format!(
                    "the remote job {} {} and was there before: no job of datadrop owns it, so somebody else sends files that \
                     the list shows alike, and nothing can be told from it",
                    job.remote_job_id,
                    name_of(job, sent)
                ));
            }
            (Known::Fresh(listed_after), Likeness::Same) => named.push((job, listed_after)),
            // Before the API has shown any name, names prove nothing, and Adobe may count more rows than a file has.
            (Known::Fresh(_), Likeness::Other) if sent.naming.is_learnt() && too_many_rows(job, sent).is_some() => {}
            (Known::Fresh(listed_after), Likeness::Perhaps | Likeness::Other) => unowned.push((job, listed_after)),
        }
    }
    match named.as_slice() {
        [] => without_its_name(&unowned, sent),
        [(job, listed_after)] => of_its_name(job, *listed_after, sent),
        several => {
            #[cfg(test)]
            crate::testing::reach::met(crate::testing::reach::Met::Several);
            let ids: Vec<String> =
                several.iter().map(|(job, _)| format!("{} {}", job.remote_job_id, name_of(job, sent))).collect();
            Judgement::Hold(format!("several remote jobs may be this file, and none has an owner: {}", ids.join("; ")))
        }
    }
}

/// Judges the only remote job with the name that the API makes of the wire name (DESIGN S3).
fn of_its_name(job: &RemoteJob, listed_after: EventId, sent: Sent<'_>) -> Judgement {
    let (id, named) = (job.remote_job_id, name_of(job, sent));
    if let Some(processed) = too_many_rows(job, sent) {
        #[cfg(test)]
        crate::testing::reach::met(crate::testing::reach::Met::TooManyRows);
        return Judgement::Hold(format!(
            "the remote job {id} {named}, but has {processed} rows, more than the {} of the file: it is another's",
            sent.rows_expected.unwrap_or_default()
        ));
    }
    // Another sender may have sent a file of this name, and no list was read between that upload and this one.
    if let Some(stranger) = sent.stranger.filter(|_| !sent.name_is_unique) {
        #[cfg(test)]
        crate::testing::reach::met(crate::testing::reach::Met::Stranger);
        return Judgement::Hold(format!(
            "the remote job {id} {named}, but it may be somebody else's: no job of datadrop owns {stranger}, so others send files \
             to this account too; wire_name = \"unique\" makes such cases clear"
        ));
    }
    let shown = job.file_name.as_deref().unwrap_or_default();
    let may_be_anothers = |other: &&OtherSent| {
        other.began <= listed_after && sent.naming.likeness(&other.wire_name, shown) != Likeness::Other
    };
    match sent.others.iter().find(may_be_anothers) {
        Some(other) if other.is_uploading => {
            #[cfg(test)]
            crate::testing::reach::met(crate::testing::reach::Met::WaitsForUpload);
            Judgement::NotConclusive(
                "a remote job may come from another upload that is still under way, and whose name the API shows alike",
            )
        }
        Some(OtherSent { id: other, .. }) => {
            #[cfg(test)]
            crate::testing::reach::met(crate::testing::reach::Met::MayBeAnothers);
            Judgement::Hold(format!(
                "the remote job {id} {named}, but it may be that of job {other}, whose name the list may show alike, and of \
                 which it is unknown whether it arrived"
            ))
        }
        None => {
            #[cfg(test)]
            crate::testing::reach::met(crate::testing::reach::Met::Found);
            Judgement::Found(job.clone())
        }
    }
}

/// How the name of a remote job relates to that of the file: a server that changes names, or cuts them, shows several alike.
fn name_of(job: &RemoteJob, sent: Sent<'_>) -> String {
    match job.file_name.as_deref() {
        Some(name) if name == sent.wire_name => "has this name".to_owned(),
        Some(name) => format!("is shown as {}, as the server may show this name", printable(name)),
        None => "is shown without a name".to_owned(),
    }
}

/// Judges a look without a remote job of its name. A remote job that no job owns may still be the upload, because a
/// server may change names in a way that it has never shown (DESIGN S6).
fn without_its_name(unowned: &[(&RemoteJob, EventId)], sent: Sent<'_>) -> Judgement {
    let mut waits = false;
    let mut suspects = Vec::new();
    for (job, listed_after) in unowned {
        if came_before(job, sent.began_at) {
            continue;
        }
        let is_anothers = |other: &OtherSent| {
            other.is_open
                && other.began <= *listed_after
                && (other.is_uploading
                    || job
                        .file_name
                        .as_deref()
                        .is_some_and(|name| sent.naming.likeness(&other.wire_name, name) == Likeness::Same))
        };
        if sent.others.iter().any(is_anothers) {
            waits = true;
        } else {
            suspects.push(*job);
        }
    }
    match suspects.as_slice() {
        [] if waits => {
            #[cfg(test)]
            crate::testing::reach::met(crate::testing::reach::Met::WaitsForOther);
            Judgement::NotConclusive("a remote job may come from another upload whose end is not known yet")
        }
        [] => {
            #[cfg(test)]
            crate::testing::reach::met(crate::testing::reach::Met::NotThere);
            Judgement::NotThere
        }
        [job, others @ ..] => {
            #[cfg(test)]
            crate::testing::reach::met(crate::testing::reach::Met::Suspect);
            let more = if others.is_empty() { String::new() } else { format!(", and {} more", others.len()) };
            Judgement::Hold(format!(
                "no remote job has this name, but no job owns the remote job {}, {}{more}, which came after the upload began: \
                 it may be this file, if the server changes names",
                job.remote_job_id,
                job.file_name.as_deref().map_or_else(|| "without a name".to_owned(), printable),
            ))
        }
    }
}

/// Returns the row count of a remote job that cannot come from the file, because the file has fewer rows.
fn too_many_rows(job: &RemoteJob, sent: Sent<'_>) -> Option<i64> {
    job.rows_processed.filter(|processed| sent.rows_expected.is_some_and(|expected| *processed > expected))
}

/// Returns whether the remote job was created so long before the attempt that no time zone explains it. Dates have no
/// zone.
fn came_before(job: &RemoteJob, began_at: Timestamp) -> bool {
    let created = job.remote_created.as_deref().and_then(date_told);
    created.is_some_and(|created| created < began_at.before(ANY_ZONE).0.div_euclid(1000))
}

/// Largest difference between two time zones, plus an hour.
const ANY_ZONE: Duration = Duration::from_secs(27 * 3600);

/// The looks for one unconfirmed job within one run of the process (DESIGN S4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looks {
    since: Moment,
    over: Duration,
    conclusive: u32,
    /// When the last look that counted took place.
    counted_at: Option<Moment>,
    misses: u32,
    retry_at: Option<Moment>,
    /// The search time was doubled, because no accepted job exists to compare a list with.
    doubted: bool,
}

impl Looks {
    /// Number of looks that must agree that the job is absent.
    pub const NEEDED: u32 = 3;

    /// Starts the search. Its time doubles with each earlier unclear end of the job. It doubles once more if the
    /// account has never had a file accepted.
    #[must_use]
    pub fn begin(confirm_for: Duration, unclear_ends: u32, none_accepted_yet: bool, now: Moment) -> Self {
        let doublings = unclear_ends.saturating_sub(1) + u32::from(none_accepted_yet);
        #[cfg(test)]
        if unclear_ends > 1 {
            crate::testing::reach::met(crate::testing::reach::Met::LooksLonger);
        }
        let over = confirm_for.saturating_mul(2u32.saturating_pow(doublings.min(16)));
        Self {
            since: now,
            over: over.min(LONGEST.max(confirm_for)),
            conclusive: 0,
            counted_at: None,
            misses: 0,
            retry_at: None,
            doubted: none_accepted_yet,
        }
    }

    /// Doubles the time, at most once, because no accepted job exists any more to compare a list with.
    pub fn doubt(&mut self) {
        if !self.doubted {
            self.over = self.over.saturating_mul(2).min(LONGEST.max(self.over));
            self.doubted = true;
        }
    }

    /// Returns when the next look is due: immediately, after half of the time, and at its end.
    ///
    /// The time counts from the first look that counts. That look may come late, because the list was incomplete
    /// before. Three looks in quick succession would prove no more than one.
    #[must_use]
    pub fn due(&self) -> Moment {
        let planned = self.counted_at.map_or(self.since, |at| at.after(self.over / 2));
        self.retry_at.map_or(planned, |at| at.max(planned))
    }

    /// Records a look that counted and did not find the job. Returns whether the job is certainly absent.
    pub fn not_there(&mut self, now: Moment) -> bool {
        self.conclusive += 1;
        self.counted_at = Some(now);
        self.misses = 0;
        self.retry_at = None;
        self.conclusive >= Self::NEEDED
    }

    /// Records a look that failed or did not count. It is repeated at this moment, with no limit on the number.
    pub fn again_at(&mut self, moment: Moment) {
        self.misses = self.misses.saturating_add(1);
        self.retry_at = Some(moment);
    }

    /// Returns the number of looks in a row that failed or did not count.
    #[must_use]
    pub fn misses(&self) -> u32 {
        self.misses
    }
}

/// The window of a look: two days on either side, because job dates have no zone (DESIGN S2).
pub const WINDOW: Duration = Duration::from_secs(2 * 24 * 3600);

/// Returns whether a remote job can come from an attempt. It cannot if a list had it before the attempt began.
/// `listed_after` is the last event before the first list that shows the job. `began` is the event that began the
/// attempt. Clocks do not matter.
#[must_use]
pub fn known_by_order(listed_after: Option<EventId>, began: EventId) -> Known {
    match listed_after {
        Some(listed_after) if listed_after < began => Known::Before,
        Some(listed_after) => Known::Fresh(listed_after),
        None => Known::Fresh(EventId(i64::MAX)),
    }
}

#[cfg(test)]
mod tests;
