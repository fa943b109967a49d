//! Rows of jobs and events: found by a condition and the index that it needs, inserted, and written back as they changed.

pub(super) use super::destinations::{begin_line, line, line_of, line_of_job, target, target_id, target_of};
use super::errors::JobLogError;
use super::row::{JOB_COLUMNS, Job, name_bytes};
use crate::job::{Cause, Event, EventId, FileIdentity, JobId, State, Timestamp};
use rusqlite::{Connection, Params, named_params, params};
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

/// Inserts a job as `waiting` and returns its number.
pub(super) fn insert_job(connection: &Connection, job: &Job) -> Result<JobId> {
    connection
        .prepare_cached(
            "INSERT INTO job (account, file_name, disk_name, stem, wire_name, kind, state, place, belongs, path, seen_at, reason, retry_of)
             VALUES (:account, :file_name, :disk_name, :stem, :wire_name, :kind, 'waiting', :place, 'inbox', :path, :seen_at, :reason,
                     :retry_of)",
        )?
        .execute(named_params! {
            ":account": job.account,
            ":file_name": job.file_name,
            ":disk_name": name_bytes(&job.disk_name),
            ":stem": crate::job::stem(&job.file_name),
            ":wire_name": job.wire_name,
            ":kind": job.kind.as_str(),
            ":place": job.place.as_str(),
            ":path": job.path.to_string_lossy(),
            ":seen_at": job.seen_at.0,
            ":reason": job.reason,
            ":retry_of": job.retry_of.map(|id| id.0),
        })?;
    Ok(JobId(connection.last_insert_rowid()))
}

/// The phase alone: the one write between the first and the last byte of every upload.
pub(super) fn save_committing(connection: &Connection, id: JobId, attempt: u32, now: Timestamp) -> Result<()> {
    connection.prepare_cached("UPDATE job SET phase = 'committing' WHERE id = ?1")?.execute(params![id.0])?;
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

pub(super) fn set_pair(connection: &Connection, id: JobId, pair: Option<JobId>) -> Result<()> {
    connection
        .prepare_cached("UPDATE job SET pair_id = ?2 WHERE id = ?1")?
        .execute(params![id.0, pair.map(|pair| pair.0)])?;
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

/// A marker is sent under the stem of its data file's wire name.
pub(super) fn set_wire_name(connection: &Connection, id: JobId, wire_name: &str) -> Result<()> {
    connection.prepare_cached("UPDATE job SET wire_name = ?2 WHERE id = ?1")?.execute(params![id.0, wire_name])?;
    Ok(())
}

/// A reason where nothing else changes.
pub(super) fn set_reason(connection: &Connection, id: JobId, reason: Option<&str>) -> Result<()> {
    connection.prepare_cached("UPDATE job SET reason = ?2 WHERE id = ?1")?.execute(params![id.0, reason])?;
    Ok(())
}

/// Writes what has changed of a job, in groups of columns: a column that is set rewrites its indexes, changed or not.
pub(super) fn save_job(connection: &Connection, job: &Job) -> Result<()> {
    let before = self::job(connection, job.id)?;
    let lies = |job: &Job| (job.place, job.path.clone(), job.disk_name.clone());
    if lies(&before) != lies(job) {
        save_place(connection, job)?;
    }
    let holds = |job: &Job| (job.identity, job.size, job.sha256, job.rows_expected, job.target_id, job.pair);
    if holds(&before) != holds(job) {
        save_content(connection, job)?;
    }
    let remote = |job: &Job| {
        let words =
            [&job.remote_status, &job.remote_created, &job.remote_started, &job.remote_finished].map(Clone::clone);
        (job.remote_job_id, job.rows_processed, job.uploaded_at, words)
    };
    if remote(&before) != remote(job) {
        save_remote(connection, job)?;
    }
    if before.changed != job.changed {
        connection
            .prepare_cached("UPDATE job SET changed_rows = ?2, changed_by_appending = ?3 WHERE id = ?1")?
            .execute(params![
                job.id.0,
                job.changed.map(|changed| changed.rows),
                job.changed.is_some_and(|changed| changed.is_appended)
            ])?;
    }
    // Last, for the table's checks tie states to what must be there by then.
    let stands = |job: &Job| {
        let counts = (job.attempts, job.unclear_ends, job.refusals);
        (
            job.state,
            job.reason.clone(),
            job.cause,
            counts,
            job.unsettled,
            job.released,
            job.queued_at,
            job.next_attempt_at,
        )
    };
    if stands(&before) != stands(job) {
        save_progress(connection, job)?;
    }
    // Apart from the rest, for what is summed up as jobs end is asked whenever this column is set: SQLite then copies the
    // whole row, before and after.
    if before.finished_at != job.finished_at {
        connection
            .prepare_cached("UPDATE job SET finished_at = ?2 WHERE id = ?1")?
            .execute(params![job.id.0, job.finished_at.map(|at| at.0)])?;
    }
    Ok(())
}

fn save_progress(connection: &Connection, job: &Job) -> Result<()> {
    let phase = if let State::Uploading(phase) = job.state { Some(phase.as_str()) } else { None };
    connection
        .prepare_cached(
            "UPDATE job SET state = :state, phase = :phase, reason = :reason, cause = :cause, belongs = :belongs, attempts = :attempts,
                    unclear_ends = :unclear_ends, unsettled = :unsettled, refusals = :refusals, released = :released, queued_at = :queued_at,
                    next_attempt_at = :next_attempt_at
             WHERE id = :id",
        )?
        .execute(named_params! {
            ":id": job.id.0,
            ":state": job.state.as_str(),
            ":phase": phase,
            ":reason": job.reason,
            ":cause": job.cause.map(Cause::as_str),
            ":belongs": job.state.place().as_str(),
            ":attempts": job.attempts,
            ":unclear_ends": job.unclear_ends,
            ":unsettled": job.unsettled,
            ":refusals": job.refusals,
            ":released": job.released,
            ":queued_at": job.queued_at.map(|at| at.0),
            ":next_attempt_at": job.next_attempt_at.map(|at| at.0),
        })?;
    Ok(())
}

fn save_place(connection: &Connection, job: &Job) -> Result<()> {
    connection
        .prepare_cached("UPDATE job SET place = ?2, path = ?3, disk_name = ?4 WHERE id = ?1")?
        .execute(params![job.id.0, job.place.as_str(), job.path.to_string_lossy(), name_bytes(&job.disk_name)])?;
    Ok(())
}

fn save_content(connection: &Connection, job: &Job) -> Result<()> {
    let identity = job.identity;
    connection
        .prepare_cached(
            "UPDATE job SET device = :device, inode = :inode, born_ns = :born_ns, modified_ns = :modified_ns, size = :size, sha256 = :sha256,
                    rows_expected = :rows_expected, target_id = :target_id, pair_id = :pair_id
             WHERE id = :id",
        )?
        .execute(named_params! {
            ":id": job.id.0,
            ":device": identity.map(|file| file.device.cast_signed()),
            ":inode": identity.map(|file| file.inode.cast_signed()),
            ":born_ns": identity.map(|file| file.born_ns),
            ":modified_ns": identity.map(|file| file.modified_ns),
            ":size": job.size.map(u64::cast_signed),
            ":sha256": job.sha256.map(|hash| hash.to_string()),
            ":rows_expected": job.rows_expected,
            ":target_id": job.target_id,
            ":pair_id": job.pair.map(|id| id.0),
        })?;
    Ok(())
}

fn save_remote(connection: &Connection, job: &Job) -> Result<()> {
    let line = line_of_job(connection, job)?;
    connection
        .prepare_cached(
            "UPDATE job SET line = CASE WHEN remote_job_id IS :remote_job_id THEN line ELSE :line END,
                    remote_job_id = :remote_job_id, remote_status = :remote_status, remote_created = :remote_created,
                    remote_started = :remote_started, remote_finished = :remote_finished,
                    rows_processed = :rows_processed, uploaded_at = :uploaded_at
             WHERE id = :id",
        )?
        .execute(named_params! {
            ":id": job.id.0,
            ":remote_job_id": job.remote_job_id.map(|id| id.0),
            ":line": line,
            ":remote_status": job.remote_status,
            ":remote_created": job.remote_created,
            ":remote_started": job.remote_started,
            ":remote_finished": job.remote_finished,
            ":rows_processed": job.rows_processed,
            ":uploaded_at": job.uploaded_at.map(|at| at.0),
        })?;
    Ok(())
}
