//! What people ask of the job log: the view `job_log`, one job's life, counts.

use super::errors::JobLogError;
use super::reader::Reader;
use super::row::{Fault, at};
use super::search::Search;
use crate::job::sets::NOT_ACCEPTED_YET;
use crate::job::{JobId, Phase, State, Timestamp, stem};
use rusqlite::{OptionalExtension, Row};
use serde::Serialize;
use std::fmt::Write as _;

/// One row of the view `job_log`; the names are the JSON keys (DESIGN §8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobRow {
    /// The job's number.
    pub id: i64,
    /// The account's name.
    pub account: String,
    /// The name of the file as it was dropped.
    pub file_name: String,
    /// `data` or `fin`.
    pub kind: String,
    /// Where the job stands.
    pub state: String,
    /// Why.
    pub reason: Option<String>,
    /// Where the file lies.
    pub path: String,
    /// In bytes.
    pub size: Option<i64>,
    /// Hexadecimal.
    pub sha256: Option<String>,
    /// Rows by Adobe's way of counting.
    pub rows_expected: Option<i64>,
    /// Rows that Adobe processed.
    pub rows_processed: Option<i64>,
    /// Adobe's number.
    pub remote_job_id: Option<i64>,
    /// Adobe's word.
    pub remote_status: Option<String>,
    /// Adobe's date text.
    pub remote_created: Option<String>,
    /// Adobe's date text.
    pub remote_started: Option<String>,
    /// Adobe's date text.
    pub remote_finished: Option<String>,
    /// Upload requests made.
    pub attempts: i64,
    /// RFC 3339, UTC.
    pub seen_at: String,
    /// RFC 3339, UTC.
    pub queued_at: Option<String>,
    /// RFC 3339, UTC.
    pub uploaded_at: Option<String>,
    /// RFC 3339, UTC.
    pub finished_at: Option<String>,
    /// RFC 3339, UTC.
    pub next_attempt_at: Option<String>,
    /// The other of a pair.
    pub pair_id: Option<i64>,
    /// The first data day, such as `2026-11-23`, as far as the file was checked.
    pub first_day: Option<String>,
    /// The last data day.
    pub last_day: Option<String>,
    /// Number of data days.
    pub days: Option<i64>,
}

/// Which jobs to list; what is left empty does not narrow.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// Of this account.
    pub account: Option<String>,
    /// In one of these states.
    pub states: Vec<String>,
    /// Seen at this time or later.
    pub since: Option<Timestamp>,
    /// File name by `*`, `?` and `[…]`.
    pub name: Option<String>,
    /// Found by this text.
    pub search: Option<Search>,
    /// The newest so many.
    pub limit: Option<usize>,
    /// Of this number or a higher one.
    pub from: Option<JobId>,
    /// Of a lower number.
    pub before: Option<JobId>,
    /// Of one of these numbers.
    pub ids: Vec<i64>,
}

impl JobFilter {
    /// The condition on the table `job`, and its values in order.
    fn condition(&self) -> (String, Vec<Box<dyn rusqlite::ToSql>>) {
        let mut sql = "1".to_owned();
        let mut values: Vec<Box<dyn rusqlite::ToSql>> = Vec::new();
        if let Some(account) = &self.account {
            sql.push_str(" AND account = ?");
            values.push(Box::new(account.clone()));
        }
        if !self.states.is_empty() {
            let _ = write!(sql, " AND state IN ({})", vec!["?"; self.states.len()].join(", "));
            values.extend(self.states.iter().map(|state| Box::new(state.clone()) as Box<dyn rusqlite::ToSql>));
        }
        if let Some(since) = self.since {
            // The least number of those is where a walk through the numbers ends, by whichever index; clocks may be set.
            sql.push_str(
                " AND seen_at >= ? AND id >= (SELECT min(id) FROM job INDEXED BY job_by_time WHERE seen_at >= ?)",
            );
            values.push(Box::new(since.0));
            values.push(Box::new(since.0));
        }
        if let Some(name) = self.exact_name() {
            sql.push_str(" AND stem = ? AND file_name = ?");
            values.push(Box::new(stem(name).to_owned()));
            values.push(Box::new(name.to_owned()));
            if self.account.is_none() {
                // The index of stems wants an account; this way it is asked for each.
                sql.push_str(" AND account IN (SELECT name FROM account)");
            }
        } else if let Some(name) = &self.name {
            sql.push_str(" AND file_name GLOB ?");
            values.push(Box::new(name.clone()));
        }
        if let Some(search) = &self.search {
            let (condition, found) = search.condition();
            let _ = write!(sql, " AND {condition}");
            values.extend(found);
        }
        for (compare, id) in [(">=", self.from), ("<", self.before)] {
            if let Some(id) = id {
                let _ = write!(sql, " AND id {compare} {}", id.0);
            }
        }
        if !self.ids.is_empty() {
            sql.push_str(" AND id IN (SELECT value FROM json_each(?))");
            values.push(Box::new(serde_json::json!(self.ids).to_string()));
        }
        if self.ends() {
            sql.push_str(" AND finished_at IS NOT NULL");
        }
        if self.is_under_way() {
            sql.push_str(" AND finished_at IS NULL");
        }
        (sql, values)
    }

    /// The statement that selects what passes from the view `job_log`, in no order, and its values.
    pub(super) fn select(&self) -> (String, Vec<Box<dyn rusqlite::ToSql>>) {
        let (condition, values) = self.condition();
        let mut sql = format!(
            "SELECT {JOB_LOG_COLUMNS} FROM job_log WHERE id IN (SELECT id FROM job {} WHERE {condition} ORDER BY id DESC",
            self.hint()
        );
        if let Some(limit) = self.limit {
            let _ = write!(sql, " LIMIT {limit}");
        }
        sql.push(')');
        (sql, values)
    }

    /// Whether it narrows by nothing but the account.
    fn is_by_account_alone(&self) -> bool {
        let Self { account: _, states, since, name, search, limit: _, from, before, ids } = self;
        let has_no_text = name.is_none() && search.is_none();
        states.is_empty() && since.is_none() && has_no_text && from.is_none() && before.is_none() && ids.is_empty()
    }

    /// Whether only ended jobs can pass.
    fn ends(&self) -> bool {
        let is_end = |word: &String| State::from_words(word, Some(Phase::Started)).is_some_and(State::is_terminal);
        !self.states.is_empty() && self.states.iter().all(is_end)
    }

    /// Whether only jobs can pass that are not at their end.
    fn is_under_way(&self) -> bool {
        let goes_on =
            |word: &String| State::from_words(word, Some(Phase::Started)).is_some_and(|state| !state.is_terminal());
        !self.states.is_empty() && self.states.iter().all(goes_on)
    }

    /// The name, if it is one and no pattern.
    fn exact_name(&self) -> Option<&str> {
        self.name.as_deref().filter(|name| !name.contains(['*', '?', '[']))
    }

    /// The index that has what passes in the order of numbers: left to itself, SQLite sorts an account's whole history.
    fn hint(&self) -> &'static str {
        match self.states.len() {
            _ if self.exact_name().is_some() => "INDEXED BY job_by_stem",
            _ if self.is_under_way() => "INDEXED BY job_unfinished",
            1 if self.ends() => "INDEXED BY job_by_end",
            0 if self.account.is_some() => "INDEXED BY job_by_account",
            _ => "",
        }
    }
}

/// Number of jobs of an account in a state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counts {
    /// The account.
    pub account: String,
    /// The state.
    pub state: String,
    /// Jobs.
    pub jobs: i64,
}

/// The columns of the view `job_log`.
const JOB_LOG_COLUMNS: &str = "id, account, file_name, kind, state, reason, path, size, sha256, rows_expected, \
     rows_processed, remote_job_id, remote_status, remote_created, remote_started, remote_finished, attempts, seen_at, \
     queued_at, uploaded_at, finished_at, next_attempt_at, pair_id, first_day, last_day, days";

impl JobRow {
    pub(super) fn decode(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(at!(JOB_LOG_COLUMNS, id))?,
            account: row.get(at!(JOB_LOG_COLUMNS, account))?,
            file_name: row.get(at!(JOB_LOG_COLUMNS, file_name))?,
            kind: row.get(at!(JOB_LOG_COLUMNS, kind))?,
            state: row.get(at!(JOB_LOG_COLUMNS, state))?,
            reason: row.get(at!(JOB_LOG_COLUMNS, reason))?,
            path: row.get(at!(JOB_LOG_COLUMNS, path))?,
            size: row.get(at!(JOB_LOG_COLUMNS, size))?,
            sha256: row.get(at!(JOB_LOG_COLUMNS, sha256))?,
            rows_expected: row.get(at!(JOB_LOG_COLUMNS, rows_expected))?,
            rows_processed: row.get(at!(JOB_LOG_COLUMNS, rows_processed))?,
            remote_job_id: row.get(at!(JOB_LOG_COLUMNS, remote_job_id))?,
            remote_status: row.get(at!(JOB_LOG_COLUMNS, remote_status))?,
            remote_created: row.get(at!(JOB_LOG_COLUMNS, remote_created))?,
            remote_started: row.get(at!(JOB_LOG_COLUMNS, remote_started))?,
            remote_finished: row.get(at!(JOB_LOG_COLUMNS, remote_finished))?,
            attempts: row.get(at!(JOB_LOG_COLUMNS, attempts))?,
            seen_at: row.get(at!(JOB_LOG_COLUMNS, seen_at))?,
            queued_at: row.get(at!(JOB_LOG_COLUMNS, queued_at))?,
            uploaded_at: row.get(at!(JOB_LOG_COLUMNS, uploaded_at))?,
            finished_at: row.get(at!(JOB_LOG_COLUMNS, finished_at))?,
            next_attempt_at: row.get(at!(JOB_LOG_COLUMNS, next_attempt_at))?,
            pair_id: row.get(at!(JOB_LOG_COLUMNS, pair_id))?,
            first_day: row.get(at!(JOB_LOG_COLUMNS, first_day))?,
            last_day: row.get(at!(JOB_LOG_COLUMNS, last_day))?,
            days: row.get(at!(JOB_LOG_COLUMNS, days))?,
        })
    }
}

/// Jobs of an account that have been on their way for long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsent {
    /// The account's name.
    pub account: String,
    /// How many.
    pub jobs: i64,
    /// The oldest of them.
    pub oldest: JobId,
    /// Its file.
    pub file_name: String,
    /// Its state.
    pub state: String,
    /// Why it is there, if it says.
    pub reason: Option<String>,
}

impl Reader {
    /// The newest jobs that the filter lets through, newest last.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn jobs(&self, filter: &JobFilter) -> Result<Vec<JobRow>, JobLogError> {
        self.each_job(filter)?.into_iter().collect()
    }

    /// The same; a row that cannot be read costs no other.
    #[expect(clippy::missing_errors_doc, reason = "those of the function above")]
    pub fn each_job(&self, filter: &JobFilter) -> Result<Vec<Result<JobRow, JobLogError>>, JobLogError> {
        let (mut sql, values) = filter.select();
        sql.push_str(" ORDER BY id");
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&sql)?;
        let decode = |row: &Row<'_>| Ok(JobRow::decode(row).map_err(|error| Fault::from(error).of(row)));
        let rows = statement.query_map(rusqlite::params_from_iter(values), decode)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// How many jobs the filter lets through; its limit does not count.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn count(&self, filter: &JobFilter) -> Result<i64, JobLogError> {
        if filter.is_by_account_alone() {
            // The sum is kept (`ended`), which spares a walk through the whole history.
            return Ok(self
                .connection()
                .prepare_cached(
                    "SELECT (SELECT coalesce(sum(jobs), 0) FROM ended WHERE ?1 IS NULL OR account = ?1)
                          + (SELECT count(*) FROM job INDEXED BY job_unfinished
                             WHERE finished_at IS NULL AND (?1 IS NULL OR account = ?1))",
                )?
                .query_row([filter.account.as_deref()], |row| row.get(0))?);
        }
        let (condition, values) = filter.condition();
        Ok(self
            .connection()
            .prepare_cached(&format!("SELECT count(*) FROM job WHERE {condition}"))?
            .query_row(rusqlite::params_from_iter(values), |row| row.get(0))?)
    }

    /// One job.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn job(&self, id: JobId) -> Result<Option<JobRow>, JobLogError> {
        Ok(self
            .connection()
            .prepare_cached(&format!("SELECT {JOB_LOG_COLUMNS} FROM job_log WHERE id = ?1"))?
            .query_row([id.0], JobRow::decode)
            .optional()?)
    }

    /// Jobs by account and state.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn counts(&self) -> Result<Vec<Counts>, JobLogError> {
        self.read_counts(
            "SELECT account, state, jobs FROM ended WHERE jobs > 0
             UNION ALL SELECT account, state, count(*) FROM job WHERE finished_at IS NULL GROUP BY account, state
             ORDER BY 1, 2",
        )
    }

    /// The same for jobs that are not at their end: few, however long the job log is.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn counts_unfinished(&self) -> Result<Vec<Counts>, JobLogError> {
        self.read_counts(
            "SELECT account, state, count(*) FROM job WHERE finished_at IS NULL GROUP BY account, state ORDER BY 1, 2",
        )
    }

    fn read_counts(&self, sql: &str) -> Result<Vec<Counts>, JobLogError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(sql)?;
        let rows = statement
            .query_map([], |row| Ok(Counts { account: row.get(0)?, state: row.get(1)?, jobs: row.get(2)? }))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The jobs of each account that are not accepted yet and were first seen within this time (the later end excluded):
    /// how many, and the oldest of them.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn unsent_since(&self, from: Timestamp, to: Timestamp) -> Result<Vec<Unsent>, JobLogError> {
        let connection = self.connection();
        // The columns beside min() are those of the row that has it.
        let mut statement = connection.prepare_cached(&format!(
            "SELECT account, count(*), min(id), file_name, state, reason FROM job
             WHERE finished_at IS NULL AND state IN {NOT_ACCEPTED_YET}
               AND seen_at >= ?1 AND seen_at < ?2
             GROUP BY account ORDER BY account"
        ))?;
        let rows = statement.query_map([from.0, to.0], |row| {
            Ok(Unsent {
                account: row.get(0)?,
                jobs: row.get(1)?,
                oldest: JobId(row.get(2)?),
                file_name: row.get(3)?,
                state: row.get(4)?,
                reason: row.get(5)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}
