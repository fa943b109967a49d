//! The job log, read with plain SQL as any user would.

use rusqlite::{Connection, OpenFlags};
use std::path::Path;

/// The columns that tests look at, or show when they fail.
#[allow(dead_code, reason = "what no test compares is still in the picture that a failing one shows")]
#[derive(Debug, Clone)]
pub struct Row {
    pub id: i64,
    pub account: String,
    pub file_name: String,
    pub kind: String,
    pub state: String,
    pub reason: Option<String>,
    pub path: String,
    pub size: Option<i64>,
    pub sha256: Option<String>,
    pub rows_expected: Option<i64>,
    pub rows_processed: Option<i64>,
    pub remote_job_id: Option<i64>,
    pub attempts: i64,
    pub pair_id: Option<i64>,
}

impl Row {
    /// The reason, or nothing.
    pub fn why(&self) -> &str {
        self.reason.as_deref().unwrap_or_default()
    }
}

/// A connection for a test's own queries.
pub fn connect(state_dir: &Path) -> Option<Connection> {
    Connection::open_with_flags(state_dir.join("datadrop.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).ok()
}

/// A connection that a test uses to put the job log into the state that a kill leaves behind.
pub fn connect_to_write(state_dir: &Path) -> Connection {
    Connection::open(state_dir.join("datadrop.db")).unwrap()
}

/// How far the attempt in progress of a job has come.
pub(super) fn phase(state_dir: &Path, job: i64) -> Option<String> {
    connect(state_dir)?.query_row("SELECT phase FROM job WHERE id = ?1", [job], |row| row.get(0)).ok()?
}

/// Jobs whose attempt in progress has come so far.
pub(super) fn jobs_in_phase(state_dir: &Path, phase: &str) -> i64 {
    connect(state_dir)
        .and_then(|connection| {
            connection.query_row("SELECT count(*) FROM job WHERE phase = ?1", [phase], |row| row.get(0)).ok()
        })
        .unwrap_or(0)
}

/// Every job, oldest first; none while there is no job log.
pub(super) fn read(state_dir: &Path) -> Vec<Row> {
    let Some(connection) = connect(state_dir) else { return Vec::new() };
    let Ok(mut statement) = connection.prepare(
        "SELECT id, account, file_name, kind, state, reason, path, size, sha256, rows_expected, rows_processed,
                remote_job_id, attempts, pair_id
         FROM job_log ORDER BY id",
    ) else {
        return Vec::new();
    };
    let rows = statement.query_map([], |row| {
        Ok(Row {
            id: row.get(0)?,
            account: row.get(1)?,
            file_name: row.get(2)?,
            kind: row.get(3)?,
            state: row.get(4)?,
            reason: row.get(5)?,
            path: row.get(6)?,
            size: row.get(7)?,
            sha256: row.get(8)?,
            rows_expected: row.get(9)?,
            rows_processed: row.get(10)?,
            remote_job_id: row.get(11)?,
            attempts: row.get(12)?,
            pair_id: row.get(13)?,
        })
    });
    // A test may have made an unreadable row.
    rows.map(|rows| rows.flatten().collect()).unwrap_or_default()
}

/// An upload request, as the job log has it.
#[derive(Debug, Clone)]
pub struct Attempt {
    pub style: String,
    /// Milliseconds since 1970.
    pub started_at: i64,
    pub ended_at: Option<i64>,
    pub outcome: Option<String>,
    pub http_status: Option<u16>,
}

/// The attempts of a job, oldest first.
pub(super) fn attempts(state_dir: &Path, job: i64) -> Vec<Attempt> {
    let connection = connect(state_dir).unwrap();
    let mut statement = connection
        .prepare(
            "SELECT style, started_at, ended_at, outcome, http_status FROM attempt WHERE job_id = ?1 ORDER BY number",
        )
        .unwrap();
    let rows = statement.query_map([job], |row| {
        Ok(Attempt {
            style: row.get(0)?,
            started_at: row.get(1)?,
            ended_at: row.get(2)?,
            outcome: row.get(3)?,
            http_status: row.get(4)?,
        })
    });
    rows.unwrap().collect::<Result<_, _>>().unwrap()
}
