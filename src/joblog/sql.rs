//! Rows of jobs and events: found by a condition and the index that it needs, inserted, and written back as they changed.

pub(super) use super::destinations::{begin_line, line, line_of, line_of_job, target, target_id, target_of};
use super::errors::JobLogError;
use super::row::{COLUMNS, JOB_COLUMNS, Job, name_bytes};
use crate::job::{Event, EventId, FileIdentity, JobId, State, Timestamp};
use rusqlite::{Connection, Params, params, params_from_iter};
use std::ffi::OsStr;

type Result<T> = std::result::Result<T, JobLogError>;

/// All jobs that a condition names, decoded.
pub(super) fn jobs_where(connection: &Connection, condition: &str, parameters: impl Params) -> Result<Vec<Job>> {
    jobs_of("job", connection, condition, parameters)
}

/// Jobs by an index that has few of them. It has to be named: where the order of numbers is wanted, SQLite takes the index
/// that has all jobs of the account in that order, and reads its whole history.
pub(super) const UNFINISHED: &str = "job INDEXED BY job_unfinished";
pub(super) const UNFILED: &str = "job INDEXED BY job_unfiled";
pub(super) const IN_INBOX: &str = "job INDEXED BY job_in_inbox";
pub(super) const BY_STEM: &str = "job INDEXED BY job_by_stem";

/// As [`jobs_where`], by one of these.
pub(super) fn jobs_of(
    jobs: &str,
    connection: &Connection,
    condition: &str,
    parameters: impl Params,
) -> Result<Vec<Job>> {
    each_of(jobs, connection, condition, parameters)?.into_iter().collect()
}

/// As [`jobs_of`], and a row that cannot be read costs no other.
pub(super) fn each_of(
    jobs: &str,
    connection: &Connection,
    condition: &str,
    parameters: impl Params,
) -> Result<Vec<Result<Job>>> {
    let mut statement = connection.prepare_cached(&format!("SELECT {JOB_COLUMNS} FROM {jobs} WHERE {condition}"))?;
    let mut rows = statement.query(parameters)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(Job::decode(row));
    }
    Ok(found)
}

pub(super) fn job_where(connection: &Connection, condition: &str, parameters: impl Params) -> Result<Option<Job>> {
    Ok(jobs_where(connection, condition, parameters)?.into_iter().next())
}

pub(super) fn job(connection: &Connection, id: JobId) -> Result<Job> {
    job_where(connection, "id = ?1", [id.0])?.ok_or(JobLogError::NoSuchJob(id.0))
}

pub(super) fn job_if_known(connection: &Connection, id: JobId) -> Result<Option<Job>> {
    job_where(connection, "id = ?1", [id.0])
}

/// The job whose file lies in the inbox under this name: the newest, if an older one lost its file to it.
pub(super) fn job_in_inbox(connection: &Connection, account: &str, disk_name: &OsStr) -> Result<Option<Job>> {
    job_where(
        connection,
        "account = ?1 AND disk_name = ?2 AND place = 'inbox' ORDER BY id DESC LIMIT 1",
        params![account, name_bytes(disk_name)],
    )
}

/// The jobs whose file was put into `held/` or `failed/` and is called like this by the file system.
pub(super) fn set_apart(connection: &Connection, account: &str, file: &FileIdentity) -> Result<Vec<Job>> {
    let jobs = jobs_of(
        "job INDEXED BY job_set_apart",
        connection,
        "account = ?1 AND inode = ?2 AND place IN ('held', 'failed')",
        params![account, file.inode.cast_signed()],
    )?;
    Ok(jobs.into_iter().filter(|job| job.identity.is_some_and(|known| known.is_same_file(file))).collect())
}

/// Inserts a job that has no remote job yet and returns its number.
pub(super) fn insert_job(connection: &Connection, job: &Job) -> Result<JobId> {
    let (names, values): (Vec<_>, Vec<_>) = COLUMNS.iter().map(|(name, value)| (*name, value(job))).unzip();
    let places = vec!["?"; names.len()].join(", ");
    connection
        .prepare_cached(&format!("INSERT INTO job ({}) VALUES ({places})", names.join(", ")))?
        .execute(params_from_iter(values))?;
    Ok(JobId(connection.last_insert_rowid()))
}

/// Writes the columns in which a job differs from its row.
pub(super) fn update_job(connection: &Connection, before: &Job, job: &Job) -> Result<()> {
    let mut changes: Vec<_> = COLUMNS
        .iter()
        .map(|(name, value)| (*name, value(before), value(job)))
        .filter(|(_, before, now)| before != now)
        .map(|(name, _, now)| (name, now))
        .collect();
    if changes.is_empty() {
        return Ok(());
    }
    if before.remote_job_id != job.remote_job_id {
        changes.push(("line", line_of_job(connection, job)?.into()));
    }
    let set: Vec<_> = changes.iter().map(|(name, _)| format!("{name} = ?")).collect();
    let values = changes.into_iter().map(|(_, value)| value).chain([job.id.0.into()]);
    connection
        .prepare_cached(&format!("UPDATE job SET {} WHERE id = ?", set.join(", ")))?
        .execute(params_from_iter(values))?;
    Ok(())
}

/// The phase of an attempt, which its job has too.
pub(super) fn save_committing(connection: &Connection, id: JobId, attempt: u32, now: Timestamp) -> Result<()> {
    connection
        .prepare_cached(
            "UPDATE attempt SET phase = 'committing', committing_at = ?3 WHERE job_id = ?1 AND number = ?2",
        )?
        .execute(params![id.0, attempt, now.0])?;
    Ok(())
}

pub(super) fn save_sending(connection: &Connection, id: JobId, attempt: u32, percent: u8) -> Result<()> {
    connection
        .prepare_cached(
            "UPDATE attempt SET phase = 'sending', sent_percent = ?3
             WHERE job_id = ?1 AND number = ?2 AND phase IN ('started', 'sending') AND ended_at IS NULL",
        )?
        .execute(params![id.0, attempt, percent])?;
    Ok(())
}

pub(super) fn insert_event(
    connection: &Connection,
    id: JobId,
    at: Timestamp,
    event: &str,
    from: Option<State>,
    to: State,
    detail: Option<&str>,
) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO job_event (job_id, at, event, from_state, to_state, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![id.0, at.to_string(), event, from.map(State::as_str), to.as_str(), detail])?;
    Ok(())
}

/// A job that went, or is to go, where the account's files go now: no other place has seen its content.
pub(super) const GOES_THERE: &str = "(target_id IS NULL OR target_id IN (SELECT id FROM target WHERE place = (
     SELECT now.place FROM account JOIN target AS now ON now.id = account.target_id WHERE account.name = job.account)))";

pub(super) fn count_in_state(connection: &Connection, account: &str, state: &str) -> Result<usize> {
    let count: i64 = connection
        .prepare_cached("SELECT count(*) FROM job WHERE account = ?1 AND state = ?2 AND finished_at IS NULL")?
        .query_row(params![account, state], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(0))
}

/// The latest event of this kind that a job had; 0 if it never had one.
pub(super) fn latest_of(connection: &Connection, id: JobId, event: Event) -> Result<EventId> {
    Ok(EventId(
        connection
            .prepare_cached("SELECT coalesce(max(id), 0) FROM job_event WHERE job_id = ?1 AND event = ?2")?
            .query_row(params![id.0, event.as_str()], |row| row.get(0))?,
    ))
}

/// The latest job as which a person had a job's file sent again.
pub(super) fn sent_again_as(connection: &Connection, id: JobId) -> Result<Option<JobId>> {
    let again: Option<i64> = connection
        .prepare_cached("SELECT max(id) FROM job WHERE retry_of = ?1")?
        .query_row([id.0], |row| row.get(0))?;
    Ok(again.map(JobId))
}

/// The number of the last event of a job.
pub(super) fn newest_of(connection: &Connection, id: JobId) -> Result<EventId> {
    Ok(EventId(
        connection
            .prepare_cached("SELECT coalesce(max(id), 0) FROM job_event WHERE job_id = ?1")?
            .query_row([id.0], |row| row.get(0))?,
    ))
}

/// The number of the last event.
pub(super) fn latest_event(connection: &Connection) -> Result<EventId> {
    Ok(EventId(
        connection.prepare_cached("SELECT coalesce(max(id), 0) FROM job_event")?.query_row([], |row| row.get(0))?,
    ))
}

/// Makes sure that the account has a row.
pub(super) fn ensure_account(connection: &Connection, account: &str) -> Result<()> {
    connection.prepare_cached("INSERT INTO account (name) VALUES (?1) ON CONFLICT DO NOTHING")?.execute([account])?;
    Ok(())
}
