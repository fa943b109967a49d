//! What the check found in a file: written once, when the file is taken in, and read where people are told of it.

use super::{Job, JobLogError, Reader, sql};
use crate::job::sets::AT_ADOBE;
use crate::job::{FileFindings, JobId, Likely, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::collections::HashMap;

/// Writes down what was found, in the row and as a step of the job.
pub(super) fn record(
    connection: &Connection,
    job: &Job,
    findings: &FileFindings,
    now: Timestamp,
) -> Result<(), JobLogError> {
    save(connection, job.id, findings)?;
    sql::insert_event(connection, job.id, now, "checked", Some(job.state), job.state, Some(&findings.summary))
}

fn save(connection: &Connection, id: JobId, findings: &FileFindings) -> Result<(), JobLogError> {
    let Likely { cause, rows, rows_skipped } = &findings.likely;
    connection
        .prepare_cached(
            "UPDATE job SET findings = ?2, likely_cause = ?3, likely_rows = ?4, rows_skipped = ?5 WHERE id = ?1",
        )?
        .execute(params![id.0, findings.list, cause, rows, i64::try_from(*rows_skipped).unwrap_or(i64::MAX)])?;
    Ok(())
}

/// The list of a job's findings.
pub(super) fn list(connection: &Connection, id: JobId) -> Result<Option<String>, JobLogError> {
    Ok(connection
        .prepare_cached("SELECT findings FROM job WHERE id = ?1")?
        .query_row([id.0], |row| row.get(0))
        .optional()?
        .flatten())
}

/// What was found in the files of an account's open remote jobs.
pub(super) fn likely_of_open(connection: &Connection, account: &str) -> Result<HashMap<JobId, Likely>, JobLogError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT id, likely_cause, likely_rows, rows_skipped FROM job
         WHERE account = ?1 AND state IN {AT_ADOBE} AND finished_at IS NULL AND findings IS NOT NULL"
    ))?;
    let rows = statement.query_map([account], |row| {
        let rows_skipped = u64::try_from(row.get::<_, i64>(3)?).unwrap_or(0);
        Ok((JobId(row.get(0)?), Likely { cause: row.get(1)?, rows: row.get(2)?, rows_skipped }))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

impl Reader {
    /// What the check found in a job's file, each finding on a line of its own.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn findings(&self, id: JobId) -> Result<Option<String>, JobLogError> {
        list(&self.connection(), id)
    }
}
