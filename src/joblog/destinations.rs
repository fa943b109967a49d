//! Where jobs go, and the lines of numbers that remote jobs get there (DESIGN A5, S2).

use super::errors::JobLogError;
use super::row::Job;
use crate::job::{JobId, Target};
use rusqlite::{Connection, OptionalExtension as _, params};

type Result<T> = std::result::Result<T, JobLogError>;

/// The row of `target` for these values, made when there is none.
pub(super) fn target_id(connection: &Connection, target: &Target) -> Result<i64> {
    let values =
        params![target.base_url, target.path_segment, target.company, target.report_suite_id, target.data_source_id];
    let known = connection
        .prepare_cached(
            "SELECT id FROM target WHERE base_url = ?1 AND path_segment = ?2 AND company = ?3 AND report_suite_id = ?4
             AND data_source_id = ?5",
        )?
        .query_row(values, |row| row.get(0))
        .optional()?;
    if let Some(id) = known {
        return Ok(id);
    }
    connection
        .prepare_cached(
            "INSERT INTO target (base_url, path_segment, company, report_suite_id, data_source_id)
             VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(values)?;
    let id = connection.last_insert_rowid();
    // The segment of the path is a way to the place, not a part of it.
    connection
        .prepare_cached(
            "UPDATE target SET place = (SELECT min(id) FROM target AS same
                                        WHERE same.base_url = ?1 AND same.company = ?3 AND same.report_suite_id = ?4
                                          AND same.data_source_id = ?5 AND ?2 IS NOT NULL)
             WHERE id = ?6",
        )?
        .execute(params![
            target.base_url,
            target.path_segment,
            target.company,
            target.report_suite_id,
            target.data_source_id,
            id
        ])?;
    Ok(id)
}

/// The line of numbers that remote jobs of the account get at this target: the latest, or the first if it has had none.
pub(super) fn line_of(connection: &Connection, account: &str, target_id: i64) -> Result<i64> {
    let latest: Option<i64> = connection
        .prepare_cached(
            "SELECT max(line.id) FROM line JOIN target ON target.place = line.place WHERE line.account = ?1 AND target.id = ?2",
        )?
        .query_row(params![account, target_id], |row| row.get(0))?;
    match latest {
        Some(line) => Ok(line),
        None => begin_line(connection, account, target_id),
    }
}

/// Records that the server starts its numbers again.
pub(super) fn begin_line(connection: &Connection, account: &str, target_id: i64) -> Result<i64> {
    connection
        .prepare_cached(
            "INSERT INTO line (account, place, began)
             SELECT ?1, place, coalesce((SELECT max(id) FROM job_event), 0) FROM target WHERE id = ?2",
        )?
        .execute(params![account, target_id])?;
    Ok(connection.last_insert_rowid())
}

/// The line in which the account's files get their numbers now.
pub(super) fn line(connection: &Connection, account: &str) -> Result<i64> {
    let line = connection
        .prepare_cached("SELECT line FROM account WHERE name = ?1")?
        .query_row([account], |row| row.get(0))
        .optional()?;
    Ok(line.unwrap_or_default())
}

/// The line in which this job's file gets, or has, its number.
pub(super) fn line_of_job(connection: &Connection, job: &Job) -> Result<i64> {
    match job.target_id {
        Some(target_id) => line_of(connection, &job.account, target_id),
        None => line(connection, &job.account),
    }
}

pub(super) fn target(connection: &Connection, id: i64) -> Result<Option<Target>> {
    Ok(connection
        .prepare_cached(
            "SELECT base_url, path_segment, company, report_suite_id, data_source_id FROM target WHERE id = ?1",
        )?
        .query_row([id], |row| {
            Ok(Target {
                base_url: row.get(0)?,
                path_segment: row.get(1)?,
                company: row.get(2)?,
                report_suite_id: row.get(3)?,
                data_source_id: row.get(4)?,
            })
        })
        .optional()?)
}

/// The same of a job, whose row makes no sense if there is none.
pub(super) fn target_of(connection: &Connection, (job, account): (JobId, &str), id: i64) -> Result<Target> {
    target(connection, id)?.ok_or_else(|| JobLogError::BadRow {
        job: job.0,
        account: account.to_owned(),
        what: format!("column `target_id` holds {id}, which the table `target` does not have"),
    })
}

/// Whether that is where the account's files go now.
pub(super) fn goes_to(connection: &Connection, account: &str, target: &Target) -> Result<bool> {
    let target_id = target_id(connection, target)?;
    Ok(connection
        .prepare_cached("SELECT target_id IS ?2 FROM account WHERE name = ?1")?
        .query_row(params![account, target_id], |row| row.get(0))?)
}
