//! Moves: the job log says where a file belongs; the folder follows (DESIGN F1).

use super::advance::advance;
use super::save::save_job;
use super::writer::{JobLog, Pending};
use super::{Job, JobLogError, pair, sql};
use crate::job::{CHANGED, Event, FileIdentity, JobId, Kind, Place, Sha256, State, Timestamp};
use rusqlite::Connection;
use std::ffi::OsString;
use std::path::PathBuf;

/// How soon a file is to be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Haste {
    /// Its content was sent: the move may wait for others.
    None,
    /// Its content is nowhere else, and lies where the next file of its name would overwrite it.
    AtOnce,
}

impl Haste {
    pub(super) fn of(state: State) -> Self {
        match state.place() {
            Place::Sent | Place::Done => Self::None,
            Place::Inbox | Place::Held | Place::Failed | Place::Gone => Self::AtOnce,
        }
    }
}

/// A file that lies elsewhere than its job's state wants it.
#[derive(Debug, Clone)]
pub struct Unfiled {
    /// The job.
    pub id: JobId,
    /// Data file or marker.
    pub kind: Kind,
    /// Where the job stands.
    pub state: State,
    /// Why.
    pub reason: Option<String>,
    /// What the check found in the file, read where it is told beside it.
    pub findings: Option<String>,
    /// The name under which it was dropped.
    pub file_name: String,
    /// Its name on disk now.
    pub disk_name: OsString,
    /// The other of a pair.
    pub pair: Option<JobId>,
    /// It may have been ingested; nobody knows.
    pub unsettled: bool,
    /// Where it lies.
    pub from: Place,
    /// Where it belongs.
    pub to: Place,
    /// The file as it was hashed.
    pub identity: Option<FileIdentity>,
    /// Its content as it was hashed.
    pub sha256: Option<Sha256>,
    /// Upload requests made.
    pub attempts: u32,
    /// Adobe's number.
    pub remote_job_id: Option<i64>,
}

impl From<Job> for Unfiled {
    fn from(job: Job) -> Self {
        Self {
            id: job.id,
            kind: job.kind,
            state: job.state,
            reason: job.reason,
            findings: None,
            file_name: job.file_name,
            disk_name: job.disk_name,
            pair: job.pair,
            unsettled: job.unsettled,
            from: job.place,
            to: job.state.place(),
            identity: job.identity,
            sha256: job.sha256,
            attempts: job.attempts,
            remote_job_id: job.remote_job_id.map(|id| id.0),
        }
    }
}

/// What became of a move.
#[derive(Debug, Clone)]
pub struct Filed {
    /// The job.
    pub id: JobId,
    /// Where its file lies now; [`Place::Gone`] if there is none.
    pub place: Place,
    /// Its name there.
    pub disk_name: OsString,
    /// Its path.
    pub path: PathBuf,
    /// What was odd about the file, if anything (DESIGN F2).
    pub note: Option<String>,
    /// It stays where it is, under its name, as a new one: it holds something else by now, or is another.
    pub is_new: bool,
}

impl JobLog {
    /// Records moves that have been made.
    #[must_use]
    pub fn filed(&self, moves: Vec<Filed>, now: Timestamp) -> Pending<()> {
        self.call(move |connection, effects| {
            for moved in moves {
                let mut job = sql::job(connection, moved.id)?;
                job.place = moved.place;
                job.disk_name = moved.disk_name;
                job.path = moved.path;
                if let Some(note) = moved.note {
                    note_of_file(connection, &mut job, &note, now)?;
                }
                if moved.is_new {
                    pair::leave_resting_marker(connection, &mut job)?;
                }
                if job.place == Place::Gone && matches!(job.state, State::Waiting | State::Queued) {
                    // It was to come back, and somebody removed it: there is nothing left to send.
                    let reason = job.reason.clone();
                    advance(connection, effects, &mut job, Event::Cancelled, reason, now)?;
                    continue;
                }
                save_job(connection, &job)?;
                if job.place != job.state.place() && job.place != Place::Gone {
                    // Its state moved on while the file was on its way.
                    effects.note_unfiled(job.account, Haste::of(job.state));
                }
                effects.changed = true;
            }
            Ok(())
        })
    }
}

/// What is odd about an accepted job's file outlasts the steps that follow.
pub(super) fn lasting_note(job: &Job) -> Option<String> {
    let was_changed = job.reason.as_deref().is_some_and(|reason| reason.contains(CHANGED));
    match (was_changed, job.place) {
        (true, _) => Some(CHANGED.to_owned()),
        (false, Place::Gone) => {
            Some("its file was replaced in the folder, or removed from it, after it was sent".to_owned())
        }
        (false, Place::Inbox | Place::Sent | Place::Held | Place::Done | Place::Failed) => None,
    }
}

/// What is odd about a job's file stands beside its reason; the caller saves it.
pub(super) fn note_of_file(
    connection: &Connection,
    job: &mut Job,
    note: &str,
    now: Timestamp,
) -> Result<(), JobLogError> {
    job.reason = Some(match job.reason.take() {
        Some(reason) => format!("{reason}; {note}"),
        None => note.to_owned(),
    });
    sql::insert_event(connection, job.id, now, "filed", Some(job.state), job.state, Some(note))
}
