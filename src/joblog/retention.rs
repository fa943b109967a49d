//! What leaves the job log after `keep.jobs`, and which files leave `done/` after `keep.done`. What guards against sending
//! twice stays: content, name and remote job ID of everything that was ever accepted.

use super::day_totals::forget_days;
use super::errors::JobLogError;
use super::reader::Reader;
use super::row::Job;
use super::row::name_bytes;
use super::sql;
use super::unit_of_work::Unit;
use super::writer::{JobLog, Pending};
use crate::job::sets::{ENDED, NEVER_ACCEPTED};
use crate::job::{JobId, Place, State, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::ffi::OsStr;

/// A job that may leave: at its end since before `?2`, and known to be ingested or not; its file where it belongs, its partner
/// at its end as long; the newest event not its own, as the numbers of events must only grow. `?3`: whether files of
/// success stay for ever; otherwise they leave `done/` first.
fn prunable() -> String {
    format!(
        "account = ?1 AND finished_at IS NOT NULL AND finished_at < ?2
     AND state IN {ENDED} AND (place = belongs OR place = 'gone')
     AND NOT unsettled
     AND (?3 OR state <> 'success' OR place <> 'done'
          OR EXISTS (SELECT 1 FROM job_event WHERE job_id = job.id AND event = 'left'))
     AND NOT EXISTS (SELECT 1 FROM job AS other WHERE other.id = job.pair_id
                     AND (other.finished_at IS NULL OR other.finished_at >= ?2))
     AND NOT EXISTS (SELECT 1 FROM job AS other WHERE other.pair_id = job.id
                     AND (other.finished_at IS NULL OR other.finished_at >= ?2))
     AND job.id <> (SELECT job_id FROM job_event ORDER BY job_event.id DESC LIMIT 1)"
    )
}

/// What may leave.
#[derive(Debug, Clone, Copy)]
pub struct PruneRule {
    /// Jobs that ended before then.
    pub before: Timestamp,
    /// Files of `success` stay in `done/` for ever (`keep.done = 0`).
    pub files_stay: bool,
}

/// What is left of a job that was pruned after it had been delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// The number that its job had.
    pub id: JobId,
    /// How it ended.
    pub state: String,
    /// Adobe's number.
    pub remote_job_id: Option<i64>,
    /// When it was accepted; `None` for a marker that stayed here.
    pub uploaded_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

impl JobLog {
    /// Takes these jobs of an account out of the job log with their events and attempts, as far as they still may leave.
    /// The answer: how many left.
    #[must_use]
    pub fn prune(&self, account: String, ids: Vec<JobId>, rule: PruneRule) -> Pending<usize> {
        self.call(move |unit| {
            let mut pruned = 0;
            for &id in &ids {
                let may_leave = unit
                    .prepare_cached(&format!("SELECT count(*) FROM job WHERE {} AND id = ?4", prunable()))?
                    .query_row(params![account, rule.before.0, rule.files_stay, id.0], |row| row.get::<_, i64>(0))?
                    > 0;
                if may_leave {
                    prune(unit, id)?;
                    pruned += 1;
                }
            }
            unit.effects.changed |= pruned > 0;
            Ok(pruned)
        })
    }

    /// Forgets what happened to accounts before then, as far as it has been alerted, at most `limit` events. The
    /// answer: how many.
    #[must_use]
    pub fn prune_account_events(&self, before: Timestamp, limit: usize) -> Pending<usize> {
        self.call(move |unit| {
            Ok(unit
                .prepare_cached(
                    "DELETE FROM account_event WHERE id IN (
                         SELECT id FROM account_event WHERE at < ?1
                           AND id <= coalesce((SELECT account_event FROM alert_cursor), id)
                         ORDER BY id LIMIT ?2)",
                )?
                .execute(params![before.0, i64::try_from(limit).unwrap_or(i64::MAX)])?)
        })
    }

    /// Gives at most so many free pages back to the file system, if there are many more than new rows will need. A job
    /// log that was made otherwise keeps them. The answer: whether there may be more.
    #[must_use]
    pub fn shrink(&self, pages: u32) -> Pending<bool> {
        self.call(move |unit| {
            let number = |pragma: &str| unit.query_row(pragma, [], |row| row.get::<_, i64>(0));
            let (mode, free, all) =
                (number("PRAGMA auto_vacuum")?, number("PRAGMA freelist_count")?, number("PRAGMA page_count")?);
            if mode != INCREMENTAL || free < SPARE_PAGES || free < all / 4 {
                return Ok(false);
            }
            let mut statement = unit.prepare(&format!("PRAGMA incremental_vacuum({pages})"))?;
            let mut rows = statement.query([])?;
            while rows.next()?.is_some() {}
            Ok(true)
        })
    }

    /// These files are about to leave `done/`. Comes before they do; what is written down once is not written again.
    #[must_use]
    pub fn removing(&self, ids: Vec<JobId>, why: String, now: Timestamp) -> Pending<()> {
        self.call(move |unit| {
            for &id in &ids {
                note_once(unit, id, "removed", &why, now)?;
            }
            Ok(())
        })
    }

    /// What lies under the name of this job's file is not what was filed: it is left there for good.
    #[must_use]
    pub fn left(&self, id: JobId, why: String, now: Timestamp) -> Pending<()> {
        self.call(move |unit| note_once(unit, id, "left", &why, now))
    }

    /// These files are not in `done/` any more.
    #[must_use]
    pub fn removed(&self, ids: Vec<JobId>) -> Pending<()> {
        self.call(move |unit| {
            for &id in &ids {
                let mut job = unit.job(id)?;
                if job.state == State::Success && job.place == Place::Done {
                    job.place = Place::Gone;
                    unit.save(&job)?;
                    unit.effects.changed = true;
                }
            }
            Ok(())
        })
    }
}

/// What `PRAGMA auto_vacuum` says of a database that can give pages back step by step.
const INCREMENTAL: i64 = 2;
/// Number of free pages that are kept for new rows.
const SPARE_PAGES: i64 = 1000;

fn prune(connection: &Connection, id: JobId) -> Result<(), JobLogError> {
    for statement in [
        "INSERT INTO delivered (job_id, account, file_name, kind, state, sha256, remote_job_id, disk_name, place, uploaded_at,
                                finished_at, line, place_id)
         SELECT id, account, file_name, kind, state, sha256, remote_job_id, disk_name, place, uploaded_at, finished_at, line,
                coalesce((SELECT target.place FROM target WHERE target.id = job.target_id), 0)
         FROM job WHERE id = ?1 AND (uploaded_at IS NOT NULL OR remote_job_id IS NOT NULL OR place = 'done')",
        "INSERT INTO pruning (job_id) VALUES (?1)",
        "UPDATE job SET pair_id = NULL WHERE pair_id = ?1",
        "DELETE FROM job_event WHERE job_id = ?1",
        "DELETE FROM attempt WHERE job_id = ?1",
        "DELETE FROM job WHERE id = ?1",
        "DELETE FROM pruning WHERE job_id = ?1",
    ] {
        connection.prepare_cached(statement)?.execute([id.0])?;
    }
    forget_days(connection, id)
}

fn note_once(unit: &mut Unit<'_>, id: JobId, event: &str, why: &str, now: Timestamp) -> Result<(), JobLogError> {
    let noted: i64 = unit
        .prepare_cached("SELECT count(*) FROM job_event WHERE job_id = ?1 AND event = ?2")?
        .query_row(params![id.0, event], |row| row.get(0))?;
    if noted > 0 {
        return Ok(());
    }
    let state = unit.job(id)?.state;
    sql::insert_event(unit, id, now, event, Some(state), state, Some(why))
}

impl Reader {
    /// Jobs of an account that may leave the job log, oldest first, at most `limit`.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn prunable(&self, account: &str, rule: PruneRule, limit: usize) -> Result<Vec<JobId>, JobLogError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&format!("SELECT id FROM job WHERE {} LIMIT ?4", prunable()))?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement
            .query_map(params![account, rule.before.0, rule.files_stay, limit], |row| row.get(0).map(JobId))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The newest job that was pruned after its file had been delivered and filed under this name.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn delivered(&self, account: &str, disk_name: &OsStr) -> Result<Option<Delivered>, JobLogError> {
        Ok(self
            .connection()
            .prepare_cached(
                "SELECT job_id, state, remote_job_id, uploaded_at, finished_at FROM delivered
                 WHERE account = ?1 AND disk_name = ?2 ORDER BY job_id DESC LIMIT 1",
            )?
            .query_row(params![account, name_bytes(disk_name)], |row| {
                Ok(Delivered {
                    id: JobId(row.get(0)?),
                    state: row.get(1)?,
                    remote_job_id: row.get(2)?,
                    uploaded_at: row.get::<_, Option<i64>>(3)?.map(Timestamp),
                    finished_at: row.get::<_, Option<i64>>(4)?.map(Timestamp),
                })
            })
            .optional()?)
    }

    /// Files of an account that came to success before then, are still in `done/` and may leave it, at most `limit`. A
    /// pair leaves once both have.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn old_files(&self, account: &str, before: Timestamp, limit: usize) -> Result<Vec<Job>, JobLogError> {
        sql::jobs_where(
            &self.connection(),
            &format!(
                "account = ?1 AND state = 'success' AND place = 'done' AND inode IS NOT NULL
               AND finished_at IS NOT NULL AND finished_at < ?2
               AND NOT EXISTS (SELECT 1 FROM job AS other WHERE (other.id = job.pair_id OR other.pair_id = job.id)
                               AND NOT (other.state = 'success' AND other.finished_at < ?2)
                               AND other.state NOT IN {NEVER_ACCEPTED})
               AND NOT EXISTS (SELECT 1 FROM job_event WHERE job_id = job.id AND event = 'left')
             LIMIT ?3"
            ),
            params![account, before.0, i64::try_from(limit).unwrap_or(i64::MAX)],
        )
    }
}
