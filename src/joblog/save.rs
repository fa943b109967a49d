//! A job as it changed, written back: of its columns only those that did.

use super::row::name_bytes;
use super::{Job, JobLogError, sql};
use crate::job::State;
use rusqlite::{Connection, named_params, params};

type Result<T> = std::result::Result<T, JobLogError>;

/// Writes what has changed of a job, in groups of columns: a column that is set rewrites its indexes, changed or not.
pub(super) fn save_job(connection: &Connection, job: &Job) -> Result<()> {
    let before = sql::job(connection, job.id)?;
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
        (job.state, job.reason.clone(), counts, job.unsettled, job.released, job.queued_at, job.next_attempt_at)
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
            "UPDATE job SET state = :state, phase = :phase, reason = :reason, belongs = :belongs, attempts = :attempts,
                    unclear_ends = :unclear_ends, unsettled = :unsettled, refusals = :refusals, released = :released, queued_at = :queued_at,
                    next_attempt_at = :next_attempt_at
             WHERE id = :id",
        )?
        .execute(named_params! {
            ":id": job.id.0,
            ":state": job.state.as_str(),
            ":phase": phase,
            ":reason": job.reason,
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
    let line = sql::line_of_job(connection, job)?;
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
