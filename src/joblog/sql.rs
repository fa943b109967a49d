//! Every statement that changes the job log or that a change depends on, one function each.

use super::row::name_bytes;
use super::{Job, JobLogError, retention};
use crate::job::sets::{
    AT_ADOBE, AT_ADOBE_OR_DONE, DONE, FAILED, HELD_OR_CANCELLED, ON_ITS_WAY, ON_THE_WIRE, ON_THE_WIRE_OR_AT_ADOBE,
    RESTING, UNDER_WAY,
};
use crate::job::{Event, EventId, FileIdentity, JobId, Phase, RemoteJobId, Sha256, State, Timestamp, stem};
use rusqlite::{Connection, OptionalExtension, Params, named_params, params};
use std::ffi::OsStr;
use std::time::Duration;

pub(super) use super::destinations::{begin_line, line, line_of, line_of_job, target, target_id, target_of};
pub(super) use super::picked::{BY_STEM, IN_INBOX, UNFILED, UNFINISHED, each_of, jobs_of, jobs_where};

type Result<T> = std::result::Result<T, JobLogError>;

fn job_where(connection: &Connection, condition: &str, parameters: impl Params) -> Result<Option<Job>> {
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

/// A job that already brought, or is bringing, this content (DESIGN §6, `duplicates`).
///
/// Accepted ones and those on their way count; a held one counts while it is unsettled. `same_name` narrows it.
pub(super) fn earlier_delivery(
    connection: &Connection,
    account: &str,
    sha256: Sha256,
    same_name: Option<&str>,
    except: JobId,
) -> Result<Option<Job>> {
    job_where(
        connection,
        &format!(
            "account = ?1 AND sha256 = ?2 AND kind = 'data' AND id <> ?4 AND (?3 IS NULL OR file_name = ?3) AND {GOES_THERE}
           AND (state IN {ON_THE_WIRE} OR state IN {AT_ADOBE_OR_DONE}
                OR (state = 'queued' AND id < ?4)
                OR (state = 'held' AND attempts > 0))
         ORDER BY id DESC LIMIT 1"
        ),
        params![account, sha256.to_string(), same_name, except.0],
    )
}

/// A job with this content that may have been ingested, held or given up: whatever the name now, only a person can tell
/// (DESIGN F3).
pub(super) fn unsettled_with_content(
    connection: &Connection,
    account: &str,
    sha256: Sha256,
    except: JobId,
) -> Result<Option<Job>> {
    job_where(
        connection,
        &format!(
            "account = ?1 AND sha256 = ?2 AND state IN {HELD_OR_CANCELLED} AND unsettled AND id <> ?3 AND {GOES_THERE}
             ORDER BY id DESC LIMIT 1"
        ),
        params![account, sha256.to_string(), except.0],
    )
}

/// A data job without a marker, or whose marker came to nothing.
fn unmarked() -> String {
    format!(
        "(pair_id IS NULL OR EXISTS (SELECT 1 FROM job AS marker WHERE marker.id = job.pair_id AND marker.state IN {FAILED}))"
    )
}

/// The newest data job of this stem that has no marker yet. One whose file another took the place of counts while it is on
/// its way or at Adobe.
pub(super) fn newest_unpaired_data(connection: &Connection, account: &str, stem: &str) -> Result<Option<Job>> {
    job_where(
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
pub(super) fn unmarked_with_content_of(connection: &Connection, duplicate: &Job) -> Result<Option<Job>> {
    let Some(sha256) = duplicate.sha256 else { return Ok(None) };
    job_where(
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

/// The stems of data files that Adobe has, whose place another file took, and that have no marker.
pub(super) fn stems_without_marker(connection: &Connection, account: &str) -> Result<Vec<String>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT DISTINCT stem FROM {UNFINISHED} WHERE account = ?1 AND finished_at IS NULL AND state IN {AT_ADOBE}
           AND kind = 'data' AND place = 'gone' AND {}",
        unmarked()
    ))?;
    let stems = statement.query_map([account], |row| row.get(0))?;
    Ok(stems.collect::<rusqlite::Result<_>>()?)
}

/// The marker of this stem that lies in the inbox and is not on its way.
pub(super) fn resting_marker(connection: &Connection, account: &str, stem: &str) -> Result<Option<Job>> {
    job_where(
        connection,
        &format!(
            "account = ?1 AND stem = ?2 AND kind = 'fin' AND place = 'inbox' AND state IN {RESTING}
             ORDER BY id DESC LIMIT 1"
        ),
        params![account, stem],
    )
}

/// A marker is in line once its data file was accepted, and while no newer content of its stem is on its way (P4). An
/// older one that a person let come back, which has an inode, may wait for ever under another name: it counts once it goes.
fn marker_is_in_line() -> String {
    format!(
        "(EXISTS (SELECT 1 FROM job AS data WHERE data.id = job.pair_id
                            AND data.state IN {AT_ADOBE_OR_DONE})
                    AND NOT EXISTS (SELECT 1 FROM job AS data WHERE data.account = job.account AND data.stem = job.stem
                            AND data.kind = 'data' AND (data.state IN {ON_ITS_WAY}
                                 OR (data.state = 'waiting' AND (data.id > job.pair_id OR data.inode IS NULL)))))"
    )
}

/// It goes once its data file was filed, which tells whether that still held what was accepted.
const MARKER_MAY_GO: &str =
    "NOT EXISTS (SELECT 1 FROM job AS data WHERE data.id = job.pair_id AND data.place = 'inbox')";

/// An upload whose outcome is not known owns its file and its content, under whatever name they lie there too (DESIGN A4).
pub(super) fn owner_on_the_wire() -> String {
    format!(
        "SELECT 1 FROM job AS owner INDEXED BY job_on_the_wire
             WHERE owner.account = job.account AND owner.state IN {ON_THE_WIRE}
               AND owner.kind = 'data' AND job.kind = 'data' AND owner.id <> job.id
               AND (owner.sha256 = job.sha256
                    OR (owner.inode = job.inode AND owner.device = job.device AND owner.born_ns = job.born_ns))"
    )
}

/// Due jobs of an account in the order in which they may start.
///
/// Left out: a job whose wire name is still on the wire (DESIGN A4), or, where those are unique, a file of the same name and
/// content whose place it took; one whose file has to come back into the inbox first;
/// a marker while a data file of its stem is not accepted (P4).
pub(super) fn due_jobs(
    connection: &Connection,
    account: &str,
    by_name: bool,
    (now, longest_wait): (Timestamp, Duration),
    limit: usize,
) -> Result<Vec<Job>> {
    let order = if by_name { "stem, kind, file_name, id" } else { "queued_at, id" };
    let (owner_on_the_wire, marker_is_in_line) = (owner_on_the_wire(), marker_is_in_line());
    // The plus keeps the index that has the order: the one by due time would sort the whole backlog each time.
    jobs_where(
        connection,
        &format!(
            "account = ?1 AND state = 'queued' AND (+next_attempt_at <= ?2 OR +next_attempt_at > ?4) AND inode IS NOT NULL AND place = 'inbox'
               AND NOT EXISTS (SELECT 1 FROM job AS other WHERE other.account = job.account
                               AND other.wire_name = job.wire_name AND other.state IN {ON_THE_WIRE})
               AND NOT EXISTS ({owner_on_the_wire})
               AND (kind = 'data' OR ({marker_is_in_line} AND {MARKER_MAY_GO}))
             ORDER BY {order} LIMIT ?3"
        ),
        params![account, now.0, i64::try_from(limit).unwrap_or(i64::MAX), now.after(longest_wait).0],
    )
}

/// When the next queued job of these accounts becomes due, if later than now.
pub(super) fn next_due(connection: &Connection, account: &str, now: Timestamp) -> Result<Option<Timestamp>> {
    let at: Option<i64> = connection
        .prepare_cached(
            "SELECT min(next_attempt_at) FROM job WHERE account = ?1 AND state = 'queued' AND next_attempt_at > ?2",
        )?
        .query_row(params![account, now.0], |row| row.get(0))?;
    Ok(at.map(Timestamp))
}

/// The first job of a sequential account that is neither accepted nor ended.
pub(super) fn head_of_line(connection: &Connection, account: &str, by_name: bool) -> Result<Option<Job>> {
    let order = if by_name { "stem, kind, file_name, id" } else { "queued_at, id" };
    job_where(
        connection,
        &format!(
            "account = ?1 AND state IN {ON_ITS_WAY} AND finished_at IS NULL \
             AND (kind = 'data' OR state <> 'queued' OR {}) \
             ORDER BY state = 'queued', {order} LIMIT 1",
            marker_is_in_line()
        ),
        params![account],
    )
}

pub(super) fn count_in_state(connection: &Connection, account: &str, state: &str) -> Result<usize> {
    let count: i64 = connection
        .prepare_cached("SELECT count(*) FROM job WHERE account = ?1 AND state = ?2 AND finished_at IS NULL")?
        .query_row(params![account, state], |row| row.get(0))?;
    Ok(usize::try_from(count).unwrap_or(0))
}

pub(super) fn insert_attempt(connection: &Connection, job: &Job, style: &str, now: Timestamp) -> Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO attempt (job_id, number, phase, style, started_at, server_after)
             VALUES (?1, ?2, ?3, ?4, ?5, (SELECT server_seen_at FROM account WHERE name = ?6))",
        )?
        .execute(params![job.id.0, job.attempts, Phase::Started.as_str(), style, now.0, job.account])?;
    Ok(())
}

/// The HTTP status that ended the attempt before this one.
pub(super) fn status_of_attempt(connection: &Connection, id: JobId, number: u32) -> Result<Option<u16>> {
    Ok(connection
        .prepare_cached("SELECT http_status FROM attempt WHERE job_id = ?1 AND number = ?2")?
        .query_row(params![id.0, number], |row| row.get::<_, Option<u16>>(0))
        .optional()?
        .flatten())
}

/// The job that owns a remote job of this line, pruned or not.
pub(super) fn owner_of_remote(connection: &Connection, account: &str, line: i64, id: i64) -> Result<Option<JobId>> {
    let owner = connection
        .prepare_cached("SELECT id FROM job WHERE account = ?1 AND line = ?2 AND remote_job_id = ?3")?
        .query_row(params![account, line, id], |row| row.get(0))
        .optional()?;
    match owner {
        Some(id) => Ok(Some(JobId(id))),
        None => retention::pruned_owner(connection, account, line, RemoteJobId(id)),
    }
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
