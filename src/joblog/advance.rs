//! One step of one job: `State::next`, the row, the event; and the marker that shares its data file's end: who belongs to
//! whom, and what one's end means for the other (DESIGN §5, "Markers").

use super::errors::JobLogError;
use super::noted::{lasting_note, with_change};
use super::reader::Reader;
use super::row::Job;
use super::sql;
use super::unit_of_work::{Haste, Unit};
use crate::job::sets::{AT_ADOBE, DONE, FAILED, ON_THE_WIRE_OR_AT_ADOBE, RESTING, UNDER_WAY};
use crate::job::{Cause, Event, Kind, Place, State, Timestamp, stem};
use rusqlite::{Connection, params};
use std::ffi::OsString;

/// Why a job takes a step: in words, and as what is asked later.
#[derive(Default)]
pub(super) struct Reason {
    words: Option<String>,
    cause: Option<Cause>,
    /// For the history alone.
    note: Option<String>,
}

impl Reason {
    pub(super) fn of(cause: Cause, words: String) -> Self {
        Self { words: Some(words), cause: Some(cause), note: None }
    }

    pub(super) fn new(cause: Option<Cause>, words: String) -> Self {
        Self { words: Some(words), cause, note: None }
    }

    pub(super) fn noted(note: String) -> Self {
        Self { words: None, cause: None, note: Some(note) }
    }
}

impl From<Option<String>> for Reason {
    fn from(words: Option<String>) -> Self {
        Self { words, cause: None, note: None }
    }
}

/// Takes a job one step further and writes it down. What else changed in `job` is saved with it.
pub(super) fn advance(
    unit: &mut Unit<'_>,
    job: &mut Job,
    event: Event,
    reason: impl Into<Reason>,
    now: Timestamp,
) -> Result<(), JobLogError> {
    let reason = reason.into();
    let from = job.state;
    // Adobe processed what was sent, and has nothing of what was written later (DESIGN F2).
    let event = if event == Event::Succeeded && job.changed.is_some() { Event::FellShort } else { event };
    job.state = from.next(event)?;
    #[cfg(test)]
    crate::testing::reach::step(from, event);
    if job.state.is_accepted() {
        job.cause = job.cause.filter(|cause| *cause == Cause::Changed);
        job.reason = with_change(job, reason.words).or_else(|| lasting_note(job));
    } else {
        let decided = job.cause.filter(|cause| *cause == Cause::DayCovered && job.released);
        (job.reason, job.cause) = (reason.words, reason.cause.or(decided));
    }
    note_certainty(job, event);
    match job.state {
        State::Queued => {
            job.queued_at = job.queued_at.or(Some(now));
            job.next_attempt_at = job.next_attempt_at.or(Some(now));
        }
        State::Uploaded => {
            job.uploaded_at = Some(now);
            job.next_attempt_at = None;
        }
        State::Waiting | State::Uploading(_) | State::Unconfirmed | State::Held | State::Processing => {
            job.next_attempt_at = None;
        }
        State::Success | State::Partial | State::Failure | State::Rejected | State::Cancelled => {
            job.finished_at = job.finished_at.or(Some(now));
            job.next_attempt_at = None;
        }
    }
    let detail = reason.note.as_deref().or(job.reason.as_deref());
    sql::insert_event(unit, job.id, now, event.as_str(), Some(from), job.state, detail)?;
    // Writes down what follows from the step, as a day that is covered twice.
    unit.save(job)?;
    if job.place != job.state.place() && job.place != Place::Gone {
        unit.effects.note_unfiled(job.account.clone(), Haste::of(job.state));
    }
    unit.effects.changed = true;
    // A job whose file was replaced, and that now proves not to be accepted, has nothing left to send (DESIGN F7).
    if job.state == State::Queued && job.place == Place::Gone {
        #[cfg(test)]
        crate::testing::reach::met(crate::testing::reach::Met::EndedReplaced);
        let reason = "replaced: the file was changed or replaced before this content was sent".to_owned();
        return advance(unit, job, Event::Cancelled, Reason::of(Cause::Replaced, reason), now);
    }
    follow(unit, job, event, now)?;
    // What follows may have given it another partner.
    job.pair = unit.pair_of(job.id)?;
    Ok(())
}

/// Whether it is known that the server has the file, or has not.
fn note_certainty(job: &mut Job, event: Event) {
    match event {
        Event::Unclear | Event::GivenUp => job.unsettled = true,
        Event::Found | Event::NotFound | Event::Accepted | Event::Adopted | Event::Released | Event::Returned => {
            job.unsettled = false;
        }
        Event::Ready
        | Event::Held
        | Event::Started
        | Event::Committing
        | Event::NotIngested
        | Event::Refused
        | Event::KeptLocal
        | Event::Processing
        | Event::Succeeded
        | Event::FellShort
        | Event::Changed
        | Event::Failed
        | Event::Cancelled => {}
    }
}

/// Finds the other of a pair for a job that has just become known, and takes both as far as that allows.
pub(super) fn match_up(unit: &mut Unit<'_>, job: &mut Job, now: Timestamp) -> Result<(), JobLogError> {
    match job.kind {
        Kind::Fin => {
            let paired = job.pair.map(|pair| unit.job(pair)).transpose()?;
            let data = match (paired, data_for(unit, job)?) {
                // Newer content came before it was taken in itself, and may wait for it (promise 4, DESIGN R6).
                (Some(former), Some(newest)) if newest.id > former.id => {
                    unit.change(former.id, |job| job.pair = None)?;
                    Some(newest)
                }
                (Some(former), _) => Some(former),
                (None, newest) => newest,
            };
            if let Some(mut data) = data {
                tie(unit, job, &mut data)?;
                share_fate(unit, job, &data, now)
            } else {
                job.reason = Some("waits for its data file".to_owned());
                unit.save(job)
            }
        }
        Kind::Data => {
            if has_resting_marker(unit, job)? {
                return Ok(());
            }
            // A marker that has not been sent belongs to the newest content of its stem (promise 4).
            let Some(mut marker) = resting_marker(unit, &job.account, stem(&job.file_name))? else {
                return Ok(());
            };
            if marker.pair.is_some_and(|pair| pair.0 >= job.id.0) {
                return Ok(());
            }
            if let Some(former) = marker.pair {
                unit.change(former, |job| job.pair = None)?;
            }
            tie(unit, &mut marker, job)?;
            share_fate(unit, &mut marker, job, now)
        }
    }
}

/// The data file that a marker says is complete: the newest of its stem that has none. One that is held as a duplicate brings
/// nothing: the marker is for the job that brings, or brought, the same content.
fn data_for(connection: &Connection, marker: &Job) -> Result<Option<Job>, JobLogError> {
    let newest = newest_unpaired_data(connection, &marker.account, stem(&marker.file_name))?;
    match newest {
        Some(newest) if newest.state == State::Held && !newest.unsettled && newest.cause != Some(Cause::OnHold) => {
            Ok(Some(unmarked_with_content_of(connection, &newest)?.unwrap_or(newest)))
        }
        newest => Ok(newest),
    }
}

/// Whether a marker of its own lies in the inbox. Another of the stem then waits for a data file of its own.
fn has_resting_marker(connection: &Connection, data: &Job) -> Result<bool, JobLogError> {
    let Some(pair) = data.pair else { return Ok(false) };
    let marker = sql::job(connection, pair)?;
    Ok(marker.pair == Some(data.id)
        && marker.place == Place::Inbox
        && matches!(marker.state, State::Waiting | State::Queued))
}

fn tie(unit: &mut Unit<'_>, marker: &mut Job, data: &mut Job) -> Result<(), JobLogError> {
    marker.pair = Some(data.id);
    data.pair = Some(marker.id);
    // `wire_name = "unique"`: Adobe knows a marker by the stem it shares. One that may have arrived is looked for by its name.
    if marker.unclear_ends == 0 && data.wire_name != data.file_name {
        marker.wire_name = format!("{}.fin", stem(&data.wire_name));
        unit.change(marker.id, |row| row.wire_name.clone_from(&marker.wire_name))?;
    }
    unit.change(marker.id, |row| row.pair = marker.pair)?;
    unit.change(data.id, |row| row.pair = data.pair)
}

/// A duplicate is about to be held: the marker that rests beside it says that the content is complete, and goes with the job
/// that brings that content, if that has no other. Whether it does.
pub(super) fn leave_marker_to_the_first(
    unit: &mut Unit<'_>,
    duplicate: &mut Job,
    now: Timestamp,
) -> Result<bool, JobLogError> {
    let Some(mut marker) = resting_marker(unit, &duplicate.account, stem(&duplicate.file_name))? else {
        return Ok(false);
    };
    let brings_it = |data: &Job| {
        let came_to_nothing =
            matches!(data.state, State::Held | State::Failure | State::Rejected | State::Cancelled | State::Waiting);
        data.sha256 == duplicate.sha256 && !came_to_nothing
    };
    let first = match marker.pair.filter(|pair| *pair != duplicate.id) {
        Some(pair) => Some(unit.job(pair)?).filter(brings_it),
        None => unmarked_with_content_of(unit, duplicate)?,
    };
    let Some(mut first) = first else { return Ok(false) };
    if marker.pair == Some(duplicate.id) {
        untie(unit, duplicate)?;
    }
    tie(unit, &mut marker, &mut first)?;
    share_fate(unit, &mut marker, &first, now)?;
    Ok(true)
}

/// A marker that was not sent stays for what comes in its data file's place, unless a newer one is there for that. It waits for
/// it, as nothing may come (promise 4).
pub(super) fn leave_resting_marker(unit: &mut Unit<'_>, data: &mut Job, now: Timestamp) -> Result<(), JobLogError> {
    let resting = resting_marker(unit, &data.account, stem(&data.file_name))?;
    let Some(mut marker) = resting.filter(|marker| Some(marker.id) == data.pair) else { return Ok(()) };
    untie(unit, data)?;
    if marker.pair == Some(data.id) && marker.state == State::Queued {
        marker.pair = None;
        let reason = Some("waits for its data file".to_owned());
        advance(unit, &mut marker, Event::Returned, reason, now)?;
    }
    Ok(())
}

/// Sets both of a pair free for others. The job itself is the caller's to save.
pub(super) fn untie(unit: &mut Unit<'_>, job: &mut Job) -> Result<(), JobLogError> {
    if let Some(other) = job.pair.take()
        && unit.job(other)?.pair == Some(job.id)
    {
        unit.change(other, |job| job.pair = None)?;
    }
    Ok(())
}

/// Brings a marker that rests to where its data file stands.
fn share_fate(unit: &mut Unit<'_>, marker: &mut Job, data: &Job, now: Timestamp) -> Result<(), JobLogError> {
    // A marker that was not taken in yet may still be written to, and its identity is unknown. Taking it in calls this
    // again.
    if marker.sha256.is_none() {
        return Ok(());
    }
    let with = |what: &str| Some(format!("its data file {} (job {}) {what}", data.file_name, data.id));
    match data.state {
        State::Waiting
        | State::Queued
        | State::Uploading(_)
        | State::Unconfirmed
        | State::Uploaded
        | State::Processing
        | State::Success
        | State::Partial => {
            if marker.state == State::Waiting {
                advance(unit, marker, Event::Ready, None, now)?;
            }
            Ok(())
        }
        State::Held => advance(unit, marker, Event::Held, with("is held"), now),
        State::Failure => advance(unit, marker, Event::Refused, with("failed at Adobe"), now),
        State::Rejected => advance(unit, marker, Event::Refused, with("was rejected"), now),
        State::Cancelled => advance(unit, marker, Event::Cancelled, with("was cancelled"), now),
    }
}

/// After a step of a data file: its marker, if not sent yet, shares the end. After that of a marker which turned out not
/// to have been taken: so does it, if its data file came to its end meanwhile.
fn follow(unit: &mut Unit<'_>, job: &mut Job, event: Event, now: Timestamp) -> Result<(), JobLogError> {
    let Some(pair) = job.pair else { return Ok(()) };
    if job.kind == Kind::Fin {
        if matches!(event, Event::NotIngested | Event::NotFound) && job.state == State::Queued {
            let data = unit.job(pair)?;
            return share_fate(unit, job, &data, now);
        }
        // Another took its place while it was on its way, and it proves not to have arrived: that one goes.
        if event == Event::Cancelled
            && job.place == Place::Gone
            && let Some(mut next) = resting_marker(unit, &job.account, stem(&job.file_name))?
        {
            return match_up(unit, &mut next, now);
        }
        return Ok(());
    }
    match event {
        Event::Held | Event::Refused | Event::Failed | Event::Cancelled | Event::GivenUp => {
            let mut marker = unit.job(pair)?;
            match marker.state {
                State::Waiting | State::Queued => share_fate(unit, &mut marker, job, now),
                State::Held if matches!(event, Event::Cancelled | Event::GivenUp) => {
                    share_fate(unit, &mut marker, job, now)
                }
                State::Held
                | State::Uploading(_)
                | State::Unconfirmed
                | State::Uploaded
                | State::Processing
                | State::Success
                | State::Partial
                | State::Failure
                | State::Rejected
                | State::Cancelled => Ok(()),
            }
        }
        Event::Released | Event::Returned | Event::Adopted => {
            let mut marker = unit.job(pair)?;
            if marker.state == State::Held {
                marker.released |= job.released;
                advance(unit, &mut marker, Event::Released, None, now)?;
            }
            Ok(())
        }
        Event::Ready
        | Event::Started
        | Event::Committing
        | Event::NotIngested
        | Event::Unclear
        | Event::Accepted
        | Event::Found
        | Event::NotFound
        | Event::KeptLocal
        | Event::Processing
        | Event::Succeeded
        | Event::FellShort
        | Event::Changed => Ok(()),
    }
}

/// A data job without a marker, or whose marker came to nothing; but not one whose end that marker shared.
fn unmarked() -> String {
    format!(
        "(pair_id IS NULL OR (state NOT IN {FAILED}
                              AND EXISTS (SELECT 1 FROM job AS marker WHERE marker.id = job.pair_id
                                          AND marker.state IN {FAILED})))"
    )
}

/// The newest data job of this stem that has no marker yet. One whose file another took the place of counts while it is on
/// its way or at Adobe.
pub(super) fn newest_unpaired_data(
    connection: &Connection,
    account: &str,
    stem: &str,
) -> Result<Option<Job>, JobLogError> {
    sql::job_where(
        connection,
        &format!(
            "account = ?1 AND stem = ?2 AND kind = 'data'
               AND (place <> 'gone' OR state IN {ON_THE_WIRE_OR_AT_ADOBE}) AND {}
             ORDER BY id DESC LIMIT 1",
            unmarked()
        ),
        params![account, stem],
    )
}

/// The newest job that brings, or brought, the same content under the same stem, and has no marker yet.
fn unmarked_with_content_of(connection: &Connection, duplicate: &Job) -> Result<Option<Job>, JobLogError> {
    let Some(sha256) = duplicate.sha256 else { return Ok(None) };
    sql::job_where(
        connection,
        &format!(
            "account = ?1 AND sha256 = ?2 AND stem = ?3 AND id <> ?4 AND kind = 'data'
               AND (state IN {UNDER_WAY} OR state IN {DONE}) AND {}
             ORDER BY id DESC LIMIT 1",
            unmarked()
        ),
        params![duplicate.account, sha256.to_string(), stem(&duplicate.file_name), duplicate.id.0],
    )
}

/// The marker of this stem that lies in the inbox and is not on its way.
fn resting_marker(connection: &Connection, account: &str, stem: &str) -> Result<Option<Job>, JobLogError> {
    sql::job_where(
        connection,
        &format!(
            "account = ?1 AND stem = ?2 AND kind = 'fin' AND place = 'inbox' AND state IN {RESTING}
             ORDER BY id DESC LIMIT 1"
        ),
        params![account, stem],
    )
}

impl Reader {
    /// The stems of data files that Adobe has, whose place another file took, and that have no marker.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn stems_without_marker(&self, account: &str) -> Result<Vec<String>, JobLogError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&format!(
            "SELECT DISTINCT stem FROM {} WHERE account = ?1 AND finished_at IS NULL AND state IN {AT_ADOBE}
               AND kind = 'data' AND place = 'gone' AND {}",
            sql::UNFINISHED,
            unmarked()
        ))?;
        let stems = statement.query_map([account], |row| row.get(0))?;
        Ok(stems.collect::<rusqlite::Result<_>>()?)
    }

    /// The names of markers of this stem that rest in an account's inbox under another name than their own, which was taken
    /// when they came back.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn strayed_markers(&self, account: &str, stem: &str) -> Result<Vec<OsString>, JobLogError> {
        let strayed = format!(
            "account = ?1 AND stem = ?2 AND kind = 'fin' AND place = 'inbox' AND state IN {RESTING} AND disk_name <> ?3"
        );
        let its_own = format!("{stem}.fin");
        let markers =
            sql::jobs_of(sql::BY_STEM, &self.connection(), &strayed, params![account, stem, its_own.as_bytes()])?;
        Ok(markers.into_iter().map(|marker| marker.disk_name).collect())
    }
}

#[cfg(test)]
mod tests;
