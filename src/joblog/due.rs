//! Which jobs of an account are due, and in which order.

use super::data_days::waits_for_a_day;
use super::errors::JobLogError;
use super::row::Job;
use super::sql;
use crate::job::Timestamp;
use crate::job::sets::{AT_ADOBE_OR_DONE, ON_ITS_WAY, ON_THE_WIRE};
use rusqlite::{Connection, params};
use std::time::Duration;

/// A marker is in line once its data file was accepted, and while no newer content of its stem is on its way (promise 4). An
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
fn owner_on_the_wire() -> String {
    format!(
        "SELECT 1 FROM job AS owner INDEXED BY job_on_the_wire
             WHERE owner.account = job.account AND owner.state IN {ON_THE_WIRE}
               AND owner.kind = 'data' AND job.kind = 'data' AND owner.id <> job.id
               AND (owner.sha256 = job.sha256
                    OR (owner.inode = job.inode AND owner.device = job.device AND owner.born_ns = job.born_ns))"
    )
}

/// Which due jobs are looked for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kinds {
    All,
    Markers,
}

/// Due jobs of an account in the order in which they may start.
///
/// Left out: a job whose wire name is still on the wire (DESIGN A4), or, where those are unique, a file of the same name and
/// content whose place it took; one whose file has to come back into the inbox first;
/// a marker while a data file of its stem is not accepted (promise 4).
pub(super) fn due_jobs(
    connection: &Connection,
    (account, kinds): (&str, Kinds),
    by_name: bool,
    (now, longest_wait): (Timestamp, Duration),
    limit: usize,
) -> Result<Vec<Job>, JobLogError> {
    let order = if by_name { "stem, kind, file_name, id" } else { "queued_at, id" };
    let (owner_on_the_wire, marker_is_in_line) = (owner_on_the_wire(), marker_is_in_line());
    let waits_for_a_day = waits_for_a_day();
    let kinds = match kinds {
        Kinds::All => "",
        Kinds::Markers => "AND kind = 'fin'",
    };
    // The plus keeps the index that has the order: the one by due time would sort the whole backlog each time.
    sql::jobs_where(
        connection,
        &format!(
            "account = ?1 AND state = 'queued' AND (+next_attempt_at <= ?2 OR (+next_attempt_at > ?4 AND NOT ({waits_for_a_day}))) {kinds} AND inode IS NOT NULL AND place = 'inbox'
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
pub(super) fn next_due(
    connection: &Connection,
    account: &str,
    now: Timestamp,
) -> Result<Option<Timestamp>, JobLogError> {
    let at: Option<i64> = connection
        .prepare_cached(
            "SELECT min(next_attempt_at) FROM job WHERE account = ?1 AND state = 'queued' AND next_attempt_at > ?2",
        )?
        .query_row(params![account, now.0], |row| row.get(0))?;
    Ok(at.map(Timestamp))
}

/// The first job of a sequential account that is neither accepted nor ended.
pub(super) fn head_of_line(connection: &Connection, account: &str, by_name: bool) -> Result<Option<Job>, JobLogError> {
    let order = if by_name { "stem, kind, file_name, id" } else { "queued_at, id" };
    sql::job_where(
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
