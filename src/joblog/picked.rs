//! Jobs by a condition, and by the index that it needs.

use super::row::JOB_COLUMNS;
use super::{Job, JobLogError};
use rusqlite::{Connection, Params};

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
