//! One step of one job: `State::next`, the row, the event, the marker that shares its data file's end.

use super::changed::with_change;
use super::filing::{Haste, lasting_note};
use super::save::save_job;
use super::writer::Effects;
use super::{Job, JobLogError, pair, sql};
use crate::job::{Event, Place, State, Timestamp};
use rusqlite::Connection;

/// Takes a job one step further and writes it down. What else changed in `job` is saved with it.
pub(super) fn advance(
    connection: &Connection,
    effects: &mut Effects,
    job: &mut Job,
    event: Event,
    reason: Option<String>,
    now: Timestamp,
) -> Result<(), JobLogError> {
    let from = job.state;
    // Adobe processed what was sent, and has nothing of what was written later (DESIGN F2).
    let event = if event == Event::Succeeded && job.changed.is_some() { Event::FellShort } else { event };
    job.state = from.next(event)?;
    job.reason = if job.state.is_accepted() { with_change(job, reason).or_else(|| lasting_note(job)) } else { reason };
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
    save_job(connection, job)?;
    sql::insert_event(connection, job.id, now, event.as_str(), Some(from), job.state, job.reason.as_deref())?;
    if job.place != job.state.place() && job.place != Place::Gone {
        effects.note_unfiled(job.account.clone(), Haste::of(job.state));
    }
    effects.changed = true;
    // A job whose file was replaced, and that now proves not to be accepted, has nothing left to send (DESIGN F7).
    if job.state == State::Queued && job.place == Place::Gone {
        let reason = "replaced: the file was changed or replaced before this content was sent".to_owned();
        return advance(connection, effects, job, Event::Cancelled, Some(reason), now);
    }
    pair::follow(connection, effects, job, event, now)
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
