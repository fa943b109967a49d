//! What became of an attempt that ended without a clear answer? The remote jobs decide (DESIGN S1 to S4).
//!
//! Pure: what a look showed, and what the job log knows of the remote jobs in it, come in; a judgement comes out. What
//! is not known is never guessed.

use crate::clock::Moment;
use crate::job::{EventId, Likeness, Naming, OtherSent, RemoteJob, Timestamp, date_told, printable};
use std::time::Duration;

/// The longest time over which a missing job is looked for.
pub const LONGEST: Duration = Duration::from_secs(3600);

/// What the job log knows of a remote job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// A job of ours owns it.
    Owned,
    /// It was in a list before our attempt began: it cannot be ours, and no job of ours owns it.
    Before,
    /// A job of ours has its number, but it has neither the name nor the date of that one.
    Disputed,
    /// Never seen before our attempt: this was the last event before the first list that shows it.
    Fresh(EventId),
}

/// A look at the remote list.
#[derive(Debug, Clone)]
pub struct Look {
    /// Every job of every page, to the first empty one.
    pub jobs: Vec<RemoteJob>,
    /// Page 1 was the same after the last page as before.
    pub steady: bool,
    /// It was read to its end, and every entry could be read.
    pub complete: bool,
    /// The latest job that the API accepted of this account, as far as the window reaches.
    pub latest: Latest,
}

/// Whether our latest accepted job is in the list: a list that lacks it is not complete (DESIGN S2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Latest {
    /// There is none, or none within the window.
    None,
    /// It is there.
    Listed,
    /// It is not there.
    Missing,
    /// The server knows neither it nor those before it any more, though it should by now: it has lost its past, and the
    /// list is all that it has.
    Forgotten,
}

/// What a look says of one unconfirmed job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// This is our upload.
    Found(RemoteJob),
    /// It is not in the list.
    NotThere,
    /// Only a person can tell; why.
    Hold(String),
    /// The look does not count; why.
    NotConclusive(&'static str),
}

/// An upload whose end is to be judged.
#[derive(Debug, Clone, Copy)]
pub struct Sent<'a> {
    /// The name it was sent under.
    pub wire_name: &'a str,
    /// No other file has that name, from any sender.
    pub name_is_unique: bool,
    /// Rows by Adobe's way of counting.
    pub rows_expected: Option<i64>,
    /// A file that somebody else sent to the account while datadrop was at work on it.
    pub stranger: Option<&'a str>,
    /// Other files of the account that a remote job may come from.
    pub others: &'a [OtherSent],
    /// How the API changes names.
    pub naming: &'a Naming,
    /// When the attempt began at the earliest, by the server's clock.
    pub began_at: Timestamp,
}

/// Judges one unconfirmed job by one look.
#[must_use]
pub fn judge(look: &Look, sent: Sent<'_>, known: impl Fn(&RemoteJob) -> Known) -> Judgement {
    if look.latest == Latest::Missing {
        return Judgement::NotConclusive("the list lacks our latest accepted job, so it is not complete");
    }
    if !look.complete {
        return Judgement::NotConclusive(
            "the list could not be read to its end: a page repeats what was listed before, or an entry has no job ID",
        );
    }
    if !look.steady {
        return Judgement::NotConclusive("the list changed while it was read");
    }
    let mut named = Vec::new();
    let mut unowned = Vec::new();
    for job in &look.jobs {
        let likeness =
            job.file_name.as_deref().map_or(Likeness::Perhaps, |name| sent.naming.likeness(sent.wire_name, name));
        match (known(job), likeness) {
            (Known::Disputed, _) if too_many_rows(job, sent).is_none() => {
                return Judgement::Hold(format!(
                    "the remote job {} has the number of another file of ours, but is named {}: the server may have restarted its \
                     job numbers, and this may be the upload",
                    job.remote_job_id,
                    job.file_name.as_deref().map_or_else(|| "nothing".to_owned(), printable),
                ));
            }
            (Known::Owned | Known::Disputed, _) | (Known::Before, Likeness::Perhaps | Likeness::Other) => {}
            (Known::Before, Likeness::Same) => {
                return Judgement::Hold(format!(
                    "the remote job {} {} and was there before: no job of datadrop owns it, so somebody else sends files that \
                     the list shows alike, and nothing can be told from it",
                    job.remote_job_id,
                    name_of(job, sent)
                ));
            }
            (Known::Fresh(listed_after), Likeness::Same) => named.push((job, listed_after)),
            // Before any name was shown, names prove nothing, and Adobe may count more rows than a file has.
            (Known::Fresh(_), Likeness::Other) if sent.naming.is_learnt() && too_many_rows(job, sent).is_some() => {}
            (Known::Fresh(listed_after), Likeness::Perhaps | Likeness::Other) => unowned.push((job, listed_after)),
        }
    }
    match named.as_slice() {
        [] => without_its_name(&unowned, sent),
        [(job, listed_after)] => of_its_name(job, *listed_after, sent),
        several => {
            let ids: Vec<String> =
                several.iter().map(|(job, _)| format!("{} {}", job.remote_job_id, name_of(job, sent))).collect();
            Judgement::Hold(format!("several remote jobs may be this file, and none has an owner: {}", ids.join("; ")))
        }
    }
}

/// One remote job has the name that the API makes of ours (DESIGN S3).
fn of_its_name(job: &RemoteJob, listed_after: EventId, sent: Sent<'_>) -> Judgement {
    let (id, named) = (job.remote_job_id, name_of(job, sent));
    if let Some(processed) = too_many_rows(job, sent) {
        return Judgement::Hold(format!(
            "the remote job {id} {named}, but has {processed} rows, more than the {} of the file: it is another's",
            sent.rows_expected.unwrap_or_default()
        ));
    }
    // Who sends other files may send one of this name too, and no list was taken between its and ours.
    if let Some(stranger) = sent.stranger.filter(|_| !sent.name_is_unique) {
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
        Some(other) if other.is_uploading => Judgement::NotConclusive(
            "a remote job may come from another upload that is still under way, and whose name the API shows alike",
        ),
        Some(OtherSent { id: other, .. }) => Judgement::Hold(format!(
            "the remote job {id} {named}, but it may be that of job {other}, whose name the list may show alike, and of which it \
             is unknown whether it arrived"
        )),
        None => Judgement::Found(job.clone()),
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

/// No remote job has its name. One that no job owns may still be the one: a server may change names in a way that it
/// has never shown (DESIGN S6).
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
        [] if waits => Judgement::NotConclusive("a remote job may come from another upload whose end is not known yet"),
        [] => Judgement::NotThere,
        [job, others @ ..] => {
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

/// The rows of a remote job that cannot come from the file, for it has fewer.
fn too_many_rows(job: &RemoteJob, sent: Sent<'_>) -> Option<i64> {
    job.rows_processed.filter(|processed| sent.rows_expected.is_some_and(|expected| *processed > expected))
}

/// Created so long before the attempt that no zone explains it: dates carry none.
fn came_before(job: &RemoteJob, began_at: Timestamp) -> bool {
    let created = job.remote_created.as_deref().and_then(date_told);
    created.is_some_and(|created| created < began_at.before(ANY_ZONE).0.div_euclid(1000))
}

/// The furthest that two zones are apart, and an hour.
const ANY_ZONE: Duration = Duration::from_secs(27 * 3600);

/// The looks that are taken for one unconfirmed job within one run of the process (DESIGN S4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looks {
    since: Moment,
    over: Duration,
    conclusive: u32,
    /// The last look that counted.
    counted_at: Option<Moment>,
    misses: u32,
    retry_at: Option<Moment>,
    /// The time was doubled as there is nothing to compare a list with.
    doubted: bool,
}

impl Looks {
    /// How many looks must agree that it is not there.
    pub const NEEDED: u32 = 3;

    /// Begins to look. The time doubles with each unclear end of the job before, and once more for an account that has
    /// never had a file accepted.
    #[must_use]
    pub fn begin(confirm_for: Duration, unclear_ends: u32, none_accepted_yet: bool, now: Moment) -> Self {
        let doublings = unclear_ends.saturating_sub(1) + u32::from(none_accepted_yet);
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

    /// There is nothing any more to compare a list with: the time doubles, once.
    pub fn doubt(&mut self) {
        if !self.doubted {
            self.over = self.over.saturating_mul(2).min(LONGEST.max(self.over));
            self.doubted = true;
        }
    }

    /// When the next look is due: at once, at half and at the end of the time.
    ///
    /// Counted from the first look that counts: when it comes late, because the list was not complete before, three
    /// looks at one blow would prove no more than one.
    #[must_use]
    pub fn due(&self) -> Moment {
        let planned = self.counted_at.map_or(self.since, |at| at.after(self.over / 2));
        self.retry_at.map_or(planned, |at| at.max(planned))
    }

    /// A look that counted and did not find it. True: it surely is not there.
    pub fn not_there(&mut self, now: Moment) -> bool {
        self.conclusive += 1;
        self.counted_at = Some(now);
        self.misses = 0;
        self.retry_at = None;
        self.conclusive >= Self::NEEDED
    }

    /// A look that could not be taken or did not count: again at this moment, for ever.
    pub fn again_at(&mut self, moment: Moment) {
        self.misses = self.misses.saturating_add(1);
        self.retry_at = Some(moment);
    }

    /// Looks in a row that could not be taken or did not count.
    #[must_use]
    pub fn misses(&self) -> u32 {
        self.misses
    }
}

/// The window of a look: two days either side, for job dates carry no zone (DESIGN S2).
pub const WINDOW: Duration = Duration::from_secs(2 * 24 * 3600);

/// Whether a remote job can come from an attempt: not if a list had it before the attempt began. `listed_after` is the
/// last event before the first list that shows it, `began` the event that began the attempt; clocks play no part.
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
