//! Data days: those that a file's rows are dated with, and what Adobe documents of how many it takes (`adobe-2` of the
//! references: 90 unique days per calendar day, all files of a data source together).

use super::errors::JobLogError;
use super::row::Job;
use super::sql;
use super::unit_of_work::Unit;
use crate::job::{Cause, JobId, Timestamp};
use jiff::civil::Date;
use rusqlite::params;
use serde_json::json;

/// Writes down which days a file's rows are dated with.
pub(super) fn note_days(unit: &Unit<'_>, id: JobId, days: &[Date]) -> Result<(), JobLogError> {
    if days.is_empty() {
        return Ok(());
    }
    unit.prepare_cached("INSERT OR IGNORE INTO job_day (job_id, day) SELECT ?1, value FROM json_each(?2)")?
        .execute(params![id.0, json!(days).to_string()])?;
    Ok(())
}

/// Keeps a queued job from being sent before a day begins.
pub(super) fn postpone(
    unit: &mut Unit<'_>,
    job: &mut Job,
    (until, reason): (Timestamp, String),
    now: Timestamp,
) -> Result<(), JobLogError> {
    job.next_attempt_at = Some(until);
    job.cause = Some(Cause::DayToCome);
    job.reason = Some(reason);
    unit.save(job)?;
    unit.effects.changed = true;
    sql::insert_event(unit, job.id, now, "postponed", Some(job.state), job.state, job.reason.as_deref())
}
