//! Moves: the job log says where a file belongs; the folder follows (DESIGN F1). Accepted files stay in view: what is written
//! into them later was not sent (DESIGN F2).

use super::advance::{self, Reason, advance};
use super::errors::JobLogError;
use super::noted::{with_change, without_change};
use super::reader::Reader;
use super::row::Job;
use super::sql;
use super::unit_of_work::{Haste, Unit};
use super::writer::{JobLog, Pending};
use crate::job::sets::{AT_ADOBE, DONE, ON_THE_WIRE};
use crate::job::{AfterSending, Cause, Event, FileIdentity, JobId, Kind, Oddity, Place, Sha256, State, Timestamp};
use rusqlite::{Connection, params};
use std::ffi::OsString;
use std::path::PathBuf;

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
    pub note: Option<Oddity>,
    /// It stays where it is, under its name, as a new one: it holds something else by now, or is another.
    pub is_new: bool,
}

impl JobLog {
    /// Records moves that have been made.
    #[must_use]
    pub fn filed(&self, moves: Vec<Filed>, now: Timestamp) -> Pending<()> {
        self.call(move |unit| {
            unit.read(moves.iter().map(|moved| moved.id))?;
            for moved in moves.iter().cloned() {
                let mut job = unit.job(moved.id)?;
                job.place = moved.place;
                job.disk_name = moved.disk_name;
                job.path = moved.path;
                job.identity = moved.identity.or(job.identity);
                if let Some(note) = moved.note {
                    if note == Oddity::Changed {
                        job.cause = Some(Cause::Changed);
                    }
                    note_of_file(unit, &mut job, &note.to_string(), now)?;
                }
                if moved.is_new && job.kind == Kind::Data {
                    advance::leave_resting_marker(unit, &mut job, now)?;
                }
                if job.place == Place::Gone && matches!(job.state, State::Waiting | State::Queued) {
                    // It was to come back, and somebody removed it: there is nothing left to send.
                    let reason = job.reason.clone();
                    advance(unit, &mut job, Event::Cancelled, reason, now)?;
                    continue;
                }
                unit.save(&job)?;
                if job.place != job.state.place() && job.place != Place::Gone {
                    // Its state moved on while the file was on its way.
                    unit.effects.note_unfiled(job.account, Haste::of(job.state));
                }
                unit.effects.changed = true;
            }
            Ok(())
        })
    }
}

impl JobLog {
    /// A folder that is younger than the files in it may be a copy, in which each of them has another time of birth: it tells
    /// nothing of them (DESIGN F2).
    #[must_use]
    pub fn forget_births(&self, account: String, folder_born_ns: i64) -> Pending<()> {
        self.call(move |unit| {
            unit.prepare_cached(
                "UPDATE job INDEXED BY job_in_inbox SET born_ns = 0
                     WHERE account = ?1 AND place = 'inbox' AND born_ns < ?2 AND born_ns <> 0",
            )?
            .execute(params![account, folder_born_ns])?;
            Ok(())
        })
    }
}

impl Reader {
    /// Files of an account that lie elsewhere than their state wants them, oldest first.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn unfiled(&self, account: &str, limit: usize) -> Result<Vec<Job>, JobLogError> {
        sql::jobs_of(
            sql::UNFILED,
            &self.connection(),
            "account = ?1 AND place <> belongs AND place <> 'gone' ORDER BY id LIMIT ?2",
            params![account, i64::try_from(limit).unwrap_or(i64::MAX)],
        )
    }

    /// The jobs that have this content on the wire, or had, or are queued and were never tried, and whose file has not left
    /// the inbox (DESIGN A4).
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn taken_with_content(&self, account: &str, sha256: Sha256) -> Result<Vec<Job>, JobLogError> {
        sql::jobs_of(
            "job INDEXED BY job_by_content",
            &self.connection(),
            &format!(
                "account = ?1 AND sha256 = ?2 AND kind = 'data' AND place = 'inbox'
                   AND (state IN {ON_THE_WIRE} OR belongs <> place OR state = 'queued' AND attempts = 0)"
            ),
            params![account, sha256.to_string()],
        )
    }

    /// The jobs that are on the wire, and whose file in the inbox has this inode.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn on_the_wire(&self, account: &str, file: &FileIdentity) -> Result<Vec<Job>, JobLogError> {
        sql::jobs_of(
            "job INDEXED BY job_on_the_wire",
            &self.connection(),
            &format!("account = ?1 AND state IN {ON_THE_WIRE} AND kind = 'data' AND place = 'inbox' AND inode = ?2"),
            params![account, file.inode.cast_signed()],
        )
    }
}

/// What is odd about a job's file stands beside its reason; the caller saves it.
pub(super) fn note_of_file(unit: &mut Unit<'_>, job: &mut Job, note: &str, now: Timestamp) -> Result<(), JobLogError> {
    job.reason = Some(match job.reason.take() {
        Some(reason) => format!("{reason}; {note}"),
        None => note.to_owned(),
    });
    sql::insert_event(unit, job.id, now, "filed", Some(job.state), job.state, Some(note))
}

/// The job's file is gone from under its name (DESIGN F7).
pub(super) fn part_with(unit: &mut Unit<'_>, mut old: Job, now: Timestamp) -> Result<(), JobLogError> {
    old.place = Place::Gone;
    match (old.kind, old.pair) {
        // The data file stays for the marker that comes in its place, unless this one may be there already.
        (Kind::Fin, Some(_)) if matches!(old.state, State::Waiting | State::Queued) => {
            advance::untie(unit, &mut old)?;
        }
        (Kind::Data, Some(_)) => advance::leave_resting_marker(unit, &mut old, now)?,
        (Kind::Fin, Some(_)) | (Kind::Data | Kind::Fin, None) => {}
    }
    match old.state {
        State::Waiting | State::Queued => {
            #[cfg(test)]
            crate::testing::reach::met(crate::testing::reach::Met::Replaced);
            let reason = "replaced: another file of this name came before this one was sent".to_owned();
            let reason = Reason::of(Cause::Replaced, reason);
            advance(unit, &mut old, Event::Cancelled, reason, now)
        }
        // Its attempt decides: accepted, or cancelled as replaced once it is known not to be. What is accepted has nothing to lose.
        State::Uploading(_) | State::Unconfirmed | State::Uploaded | State::Processing => {
            #[cfg(test)]
            if ON_THE_WIRE.contains(old.state) {
                crate::testing::reach::met(crate::testing::reach::Met::ReplacedOnTheWire);
            }
            unit.save(&old)
        }
        State::Held | State::Success | State::Partial | State::Failure | State::Rejected | State::Cancelled => {
            let note = format!(
                "another file of this name took its place before it was moved to {}/",
                old.state.place().as_str()
            );
            note_of_file(unit, &mut old, &note, now)?;
            unit.save(&old)
        }
    }
}

impl Reader {
    /// The jobs of an account whose data file was sent and is in `sent/`, or in `done/` since `ended_after`.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn sent_jobs(&self, account: &str, ended_after: Timestamp) -> Result<Vec<JobId>, JobLogError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&format!(
            "SELECT id FROM job INDEXED BY job_unfinished
             WHERE account = ?1 AND finished_at IS NULL AND state IN {AT_ADOBE} AND place = 'sent' AND kind = 'data'
             UNION ALL
             SELECT id FROM job INDEXED BY job_ended
             WHERE account = ?1 AND state IN {DONE} AND finished_at >= ?2 AND place = 'done' AND kind = 'data'"
        ))?;
        let ids = statement.query_map(params![account, ended_after.0], |row| row.get(0).map(JobId))?;
        Ok(ids.collect::<rusqlite::Result<_>>()?)
    }

    /// Returns such a job; `None` if its file has gone on, or its row makes no sense. Once a job has ended, that does
    /// no harm (DESIGN F10).
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn sent_job(&self, id: JobId) -> Result<Option<Job>, JobLogError> {
        match sql::job_if_known(&self.connection(), id) {
            Ok(job) => Ok(job.filter(|job| matches!(job.place, Place::Sent | Place::Done))),
            Err(JobLogError::BadRow { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl JobLog {
    /// Records how the file of an accepted job has changed since it was sent. A job that has ended becomes `partial`,
    /// and any other will end as `partial`. Returns the words for the log; `None` if there is no news.
    #[must_use]
    pub fn changed(&self, id: JobId, changed: AfterSending, now: Timestamp) -> Pending<Option<String>> {
        self.call(move |unit| {
            let mut job = unit.job(id)?;
            if job.changed == Some(changed) || !may_be_changed(job.state) {
                return Ok(None);
            }
            let before = job.clone();
            // What Adobe made of it stays in the reason.
            let reason = without_change(&job);
            job.changed = Some(changed);
            let words = changed.words(job.rows_expected);
            if job.state.is_terminal() {
                advance(unit, &mut job, Event::Changed, reason, now)?;
                recount(unit, &before, job.state)?;
            } else {
                #[cfg(test)]
                crate::testing::reach::met(crate::testing::reach::Met::ChangedAtAdobe);
                job.reason = with_change(&job, reason);
                let event = Event::Changed.as_str();
                sql::insert_event(unit, id, now, event, Some(job.state), job.state, Some(&words))?;
                unit.save(&job)?;
                unit.effects.changed = true;
            }
            Ok(Some(words))
        })
    }
}

/// Whether a change of the file says that Adobe lacks something.
fn may_be_changed(state: State) -> bool {
    match state {
        State::Uploaded | State::Processing | State::Success | State::Partial => true,
        // Adobe has nothing of a failed one.
        State::Failure
        | State::Waiting
        | State::Queued
        | State::Uploading(_)
        | State::Unconfirmed
        | State::Held
        | State::Rejected
        | State::Cancelled => false,
    }
}

/// Moves an ended job from one sum to another: the triggers count each end once.
fn recount(connection: &Connection, before: &Job, state: State) -> Result<(), JobLogError> {
    if before.state == state {
        return Ok(());
    }
    connection
        .prepare_cached("UPDATE ended SET jobs = jobs - 1 WHERE account = ?1 AND state = ?2")?
        .execute(params![before.account, before.state.as_str()])?;
    connection
        .prepare_cached("INSERT INTO ended VALUES (?1, ?2, 1) ON CONFLICT DO UPDATE SET jobs = jobs + 1")?
        .execute(params![before.account, state.as_str()])?;
    let Some(at) = before.finished_at else { return Ok(()) };
    let size = before.size.unwrap_or(0).cast_signed();
    let (rows, processed) = (before.rows_expected.unwrap_or(0), before.rows_processed.unwrap_or(0));
    let day = "date(?2 / 1000, 'unixepoch', 'localtime')";
    connection
        .prepare_cached(&format!(
            "UPDATE ended_by_day SET files = files - 1, bytes_sent = bytes_sent - ?4, rows_sent = rows_sent - ?5,
                    rows_processed = rows_processed - ?6
             WHERE account = ?1 AND day = {day} AND state = ?3"
        ))?
        .execute(params![before.account, at.0, before.state.as_str(), size, rows, processed])?;
    connection
        .prepare_cached(&format!(
            "INSERT INTO ended_by_day VALUES (?1, {day}, ?3, 1, ?4, ?5, ?6, 0)
             ON CONFLICT DO UPDATE SET files = files + 1, bytes_sent = bytes_sent + ?4, rows_sent = rows_sent + ?5,
                 rows_processed = rows_processed + ?6"
        ))?
        .execute(params![before.account, at.0, state.as_str(), size, rows, processed])?;
    Ok(())
}
