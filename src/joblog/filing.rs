//! Moves: the job log says where a file belongs; the folder follows (DESIGN F1).

use super::advance::advance;
use super::intake::part_with;
use super::save::save_job;
use super::writer::{JobLog, Pending};
use super::{Job, JobLogError, Reader, pair, sql};
use crate::job::sets::ON_THE_WIRE;
use crate::job::{CHANGED, Event, FileIdentity, JobId, Kind, Place, Sha256, State, Timestamp, printable};
use rusqlite::{Connection, params};
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
    /// Its numbers there, unless its content is another by now: they may change with each move.
    pub identity: Option<FileIdentity>,
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
                job.identity = moved.identity.or(job.identity);
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

impl JobLog {
    /// Somebody renamed a file in the inbox while it was on its way: it is the same one, and keeps its job.
    #[must_use]
    pub fn renamed(&self, id: JobId, disk_name: OsString, path: PathBuf, now: Timestamp) -> Pending<()> {
        self.call(move |connection, effects| {
            let mut job = sql::job(connection, id)?;
            if job.place != Place::Inbox {
                return Ok(());
            }
            if let Some(former) = sql::job_in_inbox(connection, &job.account, &disk_name)?.filter(|it| it.id != id) {
                part_with(connection, effects, former, now)?;
            }
            let detail = format!("renamed to {} while it was on its way", printable(&disk_name.to_string_lossy()));
            sql::insert_event(connection, id, now, "filed", Some(job.state), job.state, Some(&detail))?;
            job.disk_name = disk_name;
            job.path = path;
            save_job(connection, &job)?;
            effects.changed = true;
            Ok(())
        })
    }

    /// A folder that is younger than the files in it may be a copy, in which each of them has another time of birth: it tells
    /// nothing of them (DESIGN F2).
    #[must_use]
    pub fn forget_births(&self, account: String, folder_born_ns: i64) -> Pending<()> {
        self.call(move |connection, _| {
            connection
                .prepare_cached(
                    "UPDATE job INDEXED BY job_in_inbox SET born_ns = 0
                     WHERE account = ?1 AND place = 'inbox' AND born_ns < ?2 AND born_ns <> 0",
                )?
                .execute(params![account, folder_born_ns])?;
            Ok(())
        })
    }
}

/// A job whose file is on the wire, or waits to be moved out of the inbox.
#[derive(Debug, Clone)]
pub struct WireOwner {
    /// The job.
    pub id: JobId,
    /// The name of its file, as far as the job log knows.
    pub disk_name: OsString,
    /// Its file.
    pub identity: Option<FileIdentity>,
}

impl Reader {
    /// The jobs that have this content on the wire, or had, and whose file has not left the inbox (DESIGN A4).
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn taken_with_content(&self, account: &str, sha256: Sha256) -> Result<Vec<WireOwner>, JobLogError> {
        let jobs = sql::jobs_of(
            "job INDEXED BY job_by_content",
            &self.connection(),
            &format!(
                "account = ?1 AND sha256 = ?2 AND kind = 'data' AND place = 'inbox'
                   AND (state IN {ON_THE_WIRE} OR belongs <> place)"
            ),
            params![account, sha256.to_string()],
        )?;
        Ok(jobs.into_iter().map(WireOwner::from).collect())
    }

    /// The jobs that are on the wire, and whose file in the inbox has this inode.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn on_the_wire(&self, account: &str, file: &FileIdentity) -> Result<Vec<WireOwner>, JobLogError> {
        let jobs = sql::jobs_of(
            "job INDEXED BY job_on_the_wire",
            &self.connection(),
            &format!("account = ?1 AND state IN {ON_THE_WIRE} AND kind = 'data' AND place = 'inbox' AND inode = ?2"),
            params![account, file.inode.cast_signed()],
        )?;
        Ok(jobs.into_iter().map(WireOwner::from).collect())
    }
}

impl From<Job> for WireOwner {
    fn from(Job { id, disk_name, identity, .. }: Job) -> Self {
        Self { id, disk_name, identity }
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
