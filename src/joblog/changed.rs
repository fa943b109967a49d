//! Accepted files stay in view: what is written into them later was not sent (DESIGN F2).

use super::advance::advance;
use super::row::Job;
use super::save::save_job;
use super::writer::{JobLog, Pending};
use super::{JobLogError, Reader, sql};
use crate::job::sets::{AT_ADOBE, DONE};
use crate::job::{AfterSending, Event, FileIdentity, JobId, Place, Sha256, State, Timestamp};
use rusqlite::{Connection, params};
use std::ffi::OsString;

/// A file that was sent, where it was filed.
#[derive(Debug, Clone)]
pub struct SentFile {
    /// The job.
    pub id: JobId,
    /// Where it lies.
    pub place: Place,
    /// Its name there.
    pub disk_name: OsString,
    /// The file as it was hashed.
    pub identity: FileIdentity,
    /// What was sent.
    pub sha256: Sha256,
    /// How it is known to have changed.
    pub changed: Option<AfterSending>,
}

impl SentFile {
    fn of(job: Job) -> Option<Self> {
        let is_filed = matches!(job.place, Place::Sent | Place::Done);
        let (identity, sha256) = (job.identity.filter(|_| is_filed)?, job.sha256?);
        Some(Self { id: job.id, place: job.place, disk_name: job.disk_name, identity, sha256, changed: job.changed })
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

    /// The file of such a job; `None` if it has gone on, or its row makes no sense: once a job is at its end, that costs nobody
    /// anything (DESIGN F10).
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn sent_file(&self, id: JobId) -> Result<Option<SentFile>, JobLogError> {
        match sql::job_if_known(&self.connection(), id) {
            Ok(job) => Ok(job.and_then(SentFile::of)),
            Err(JobLogError::BadRow { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl JobLog {
    /// Records how the file of an accepted job has changed since it was sent. A job that has ended is `partial` from then on,
    /// another ends so. Returns what is told of it; `None` if there is no news.
    #[must_use]
    pub fn changed(&self, id: JobId, changed: AfterSending, now: Timestamp) -> Pending<Option<String>> {
        self.call(move |connection, effects| {
            let mut job = sql::job(connection, id)?;
            if job.changed == Some(changed) || !may_be_changed(job.state) {
                return Ok(None);
            }
            let before = job.clone();
            // What Adobe made of it stays told.
            let reason = without_change(&job);
            job.changed = Some(changed);
            let words = changed.words(job.rows_expected);
            if job.state.is_terminal() {
                advance(connection, effects, &mut job, Event::Changed, reason, now)?;
                recount(connection, &before, job.state)?;
            } else {
                job.reason = with_change(&job, reason);
                let event = Event::Changed.as_str();
                sql::insert_event(connection, id, now, event, Some(job.state), job.state, Some(&words))?;
                save_job(connection, &job)?;
                effects.changed = true;
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

/// How the job's file is known to have changed, in words.
fn lasting_change(job: &Job) -> Option<String> {
    job.changed.map(|changed| changed.words(job.rows_expected))
}

/// A reason of an accepted job, with how its file has changed, which outlasts the steps that follow.
pub(super) fn with_change(job: &Job, reason: Option<String>) -> Option<String> {
    match (reason, lasting_change(job)) {
        (Some(reason), Some(change)) => Some(format!("{reason}; {change}")),
        (reason, change) => reason.or(change),
    }
}

/// The reason of an accepted job without it.
pub(super) fn without_change(job: &Job) -> Option<String> {
    let reason = job.reason.clone()?;
    let Some(change) = lasting_change(job) else { return Some(reason) };
    match reason.strip_suffix(&change) {
        Some(rest) => rest.strip_suffix("; ").map(str::to_owned),
        None => Some(reason),
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
