//! Markers and their data files: who belongs to whom, and what one's end means for the other (DESIGN §5, "Markers").

use super::advance::advance;
use super::carry_out::is_put_on_hold;
use super::save::save_job;
use super::writer::Effects;
use super::{Job, JobLogError, sql};
use crate::job::{Event, Kind, Place, State, Timestamp, stem};
use rusqlite::Connection;

/// Finds the other of a pair for a job that has just become known, and takes both as far as that allows.
pub(super) fn match_up(
    connection: &Connection,
    effects: &mut Effects,
    job: &mut Job,
    now: Timestamp,
) -> Result<(), JobLogError> {
    match job.kind {
        Kind::Fin => {
            let paired = job.pair.map(|pair| sql::job(connection, pair)).transpose()?;
            let data = match (paired, data_for(connection, job)?) {
                // Newer content came before it was taken in itself, and may wait for it (P4, DESIGN R6).
                (Some(former), Some(newest)) if newest.id > former.id => {
                    sql::set_pair(connection, former.id, None)?;
                    Some(newest)
                }
                (Some(former), _) => Some(former),
                (None, newest) => newest,
            };
            if let Some(mut data) = data {
                tie(connection, job, &mut data)?;
                share_fate(connection, effects, job, &data, now)
            } else {
                job.reason = Some("waits for its data file".to_owned());
                save_job(connection, job)
            }
        }
        Kind::Data => {
            if has_resting_marker(connection, job)? {
                return Ok(());
            }
            // A marker that has not been sent belongs to the newest content of its stem (P4).
            let Some(mut marker) = sql::resting_marker(connection, &job.account, stem(&job.file_name))? else {
                return Ok(());
            };
            if marker.pair.is_some_and(|pair| pair.0 >= job.id.0) {
                return Ok(());
            }
            if let Some(former) = marker.pair {
                sql::set_pair(connection, former, None)?;
            }
            tie(connection, &mut marker, job)?;
            share_fate(connection, effects, &mut marker, job, now)
        }
    }
}

/// The data file that a marker says is complete: the newest of its stem that has none. One that is held as a duplicate brings
/// nothing: the marker is for the job that brings, or brought, the same content.
fn data_for(connection: &Connection, marker: &Job) -> Result<Option<Job>, JobLogError> {
    let newest = sql::newest_unpaired_data(connection, &marker.account, stem(&marker.file_name))?;
    match newest {
        Some(newest) if newest.state == State::Held && !newest.unsettled && !is_put_on_hold(&newest) => {
            Ok(Some(sql::unmarked_with_content_of(connection, &newest)?.unwrap_or(newest)))
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

fn tie(connection: &Connection, marker: &mut Job, data: &mut Job) -> Result<(), JobLogError> {
    marker.pair = Some(data.id);
    data.pair = Some(marker.id);
    // `wire_name = "unique"`: Adobe knows a marker by the stem it shares. One that may have arrived is looked for by its name.
    if marker.unclear_ends == 0 && data.wire_name != data.file_name {
        marker.wire_name = format!("{}.fin", stem(&data.wire_name));
        sql::set_wire_name(connection, marker.id, &marker.wire_name)?;
    }
    sql::set_pair(connection, marker.id, marker.pair)?;
    sql::set_pair(connection, data.id, data.pair)
}

/// A duplicate is about to be held: the marker that rests beside it says that the content is complete, and goes with the job
/// that brings that content, if that has no other. Whether it does.
pub(super) fn leave_marker_to_the_first(
    connection: &Connection,
    effects: &mut Effects,
    duplicate: &mut Job,
    now: Timestamp,
) -> Result<bool, JobLogError> {
    let Some(mut marker) = sql::resting_marker(connection, &duplicate.account, stem(&duplicate.file_name))? else {
        return Ok(false);
    };
    let brings_it = |data: &Job| {
        let came_to_nothing =
            matches!(data.state, State::Held | State::Failure | State::Rejected | State::Cancelled | State::Waiting);
        data.sha256 == duplicate.sha256 && !came_to_nothing
    };
    let first = match marker.pair.filter(|pair| *pair != duplicate.id) {
        Some(pair) => Some(sql::job(connection, pair)?).filter(brings_it),
        None => sql::unmarked_with_content_of(connection, duplicate)?,
    };
    let Some(mut first) = first else { return Ok(false) };
    if marker.pair == Some(duplicate.id) {
        untie(connection, duplicate)?;
    }
    tie(connection, &mut marker, &mut first)?;
    share_fate(connection, effects, &mut marker, &first, now)?;
    Ok(true)
}

/// A marker that was not sent stays for what comes in its data file's place, unless a newer one is there for that.
pub(super) fn leave_resting_marker(connection: &Connection, data: &mut Job) -> Result<(), JobLogError> {
    let resting = sql::resting_marker(connection, &data.account, stem(&data.file_name))?;
    if data.kind == Kind::Data && resting.is_some_and(|marker| Some(marker.id) == data.pair) {
        untie(connection, data)?;
    }
    Ok(())
}

/// Sets both of a pair free for others. The job itself is the caller's to save.
pub(super) fn untie(connection: &Connection, job: &mut Job) -> Result<(), JobLogError> {
    if let Some(other) = job.pair.take()
        && sql::job(connection, other)?.pair == Some(job.id)
    {
        sql::set_pair(connection, other, None)?;
    }
    Ok(())
}

/// Brings a marker that rests to where its data file stands.
fn share_fate(
    connection: &Connection,
    effects: &mut Effects,
    marker: &mut Job,
    data: &Job,
    now: Timestamp,
) -> Result<(), JobLogError> {
    // A marker that was not taken in yet may still be written to, and nobody knows which file it is: when it is taken in,
    // it comes here again.
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
                advance(connection, effects, marker, Event::Ready, None, now)?;
            }
            Ok(())
        }
        State::Held => advance(connection, effects, marker, Event::Held, with("is held"), now),
        State::Failure => advance(connection, effects, marker, Event::Refused, with("failed at Adobe"), now),
        State::Rejected => advance(connection, effects, marker, Event::Refused, with("was rejected"), now),
        State::Cancelled => advance(connection, effects, marker, Event::Cancelled, with("was cancelled"), now),
    }
}

/// After a step of a data file: its marker, if not sent yet, shares the end. After that of a marker which turned out not
/// to have been taken: so does it, if its data file came to its end meanwhile.
pub(super) fn follow(
    connection: &Connection,
    effects: &mut Effects,
    job: &mut Job,
    event: Event,
    now: Timestamp,
) -> Result<(), JobLogError> {
    let Some(pair) = job.pair else { return Ok(()) };
    if job.kind == Kind::Fin {
        if matches!(event, Event::NotIngested | Event::NotFound) && job.state == State::Queued {
            let data = sql::job(connection, pair)?;
            return share_fate(connection, effects, job, &data, now);
        }
        // Another took its place while it was on its way, and it proves not to have arrived: that one goes.
        if event == Event::Cancelled
            && job.place == Place::Gone
            && let Some(mut next) = sql::resting_marker(connection, &job.account, stem(&job.file_name))?
        {
            return match_up(connection, effects, &mut next, now);
        }
        return Ok(());
    }
    match event {
        Event::Held | Event::Refused | Event::Failed | Event::Cancelled | Event::GivenUp => {
            let mut marker = sql::job(connection, pair)?;
            match marker.state {
                State::Waiting | State::Queued => share_fate(connection, effects, &mut marker, job, now),
                State::Held if matches!(event, Event::Cancelled | Event::GivenUp) => {
                    share_fate(connection, effects, &mut marker, job, now)
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
            let mut marker = sql::job(connection, pair)?;
            if marker.state == State::Held {
                marker.released |= job.released;
                advance(connection, effects, &mut marker, Event::Released, None, now)?;
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
