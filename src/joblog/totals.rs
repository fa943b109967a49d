//! Sums that are kept as things end (migration `0005_page.sql`), and what else is told of many jobs at once. Nothing here
//! takes longer because the job log is long.

use super::{AccountRow, Counts, JobLogError, JobRow, Reader};
use crate::job::{JobId, Timestamp};
use rusqlite::Row;

/// Where every account stands.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// What the job log remembers of each.
    pub accounts: Vec<AccountRow>,
    /// Their jobs by state.
    pub counts: Vec<Counts>,
    /// When a file of theirs last ended in `success`; accounts that never had one are left out.
    pub last_success: Vec<(String, Timestamp)>,
}

/// Data files that ended, and what was in them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// How many.
    pub files: i64,
    /// Bytes of those that were accepted.
    pub bytes_sent: i64,
    /// Rows of those that were accepted.
    pub rows_sent: i64,
    /// Rows that Adobe processed.
    pub rows_processed: i64,
    /// Rows that were accepted and that Adobe did not process.
    pub rows_lost: i64,
}

impl Sums {
    fn decode(row: &Row<'_>, first: usize) -> rusqlite::Result<Self> {
        Ok(Self {
            files: row.get(first)?,
            bytes_sent: row.get(first + 1)?,
            rows_sent: row.get(first + 2)?,
            rows_processed: row.get(first + 3)?,
            rows_lost: row.get(first + 4)?,
        })
    }
}

/// What came to one end on one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaySums {
    /// The account.
    pub account: String,
    /// `2026-11-23`, in the zone of the service.
    pub day: String,
    /// The end.
    pub state: String,
    /// How much of it.
    pub sums: Sums,
}

/// Upload requests of an account that ended alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttemptEnds {
    /// The account.
    pub account: String,
    /// The event that ended them.
    pub outcome: String,
    /// How many.
    pub attempts: i64,
}

impl Reader {
    /// Where every account stands.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn standing(&self) -> Result<Standing, JobLogError> {
        Ok(Standing { accounts: self.accounts()?, counts: self.counts()?, last_success: self.last_success()? })
    }

    /// When each account last had a file processed.
    fn last_success(&self) -> Result<Vec<(String, Timestamp)>, JobLogError> {
        self.times(
            "SELECT name, (SELECT max(finished_at) FROM job
                           WHERE account = name AND state = 'success' AND finished_at IS NOT NULL) AS at
             FROM account WHERE at IS NOT NULL",
        )
    }

    /// Since when each account's oldest queued file has been ready; accounts without any are left out.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn oldest_queued(&self) -> Result<Vec<(String, Timestamp)>, JobLogError> {
        self.times(
            "SELECT name, (SELECT min(queued_at) FROM job WHERE account = name AND state = 'queued') AS at
             FROM account WHERE at IS NOT NULL",
        )
    }

    fn times(&self, sql: &str) -> Result<Vec<(String, Timestamp)>, JobLogError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(sql)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, Timestamp(row.get(1)?))))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// What ended by day, from this day on.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn sums_by_day(&self, from: &str) -> Result<Vec<DaySums>, JobLogError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT account, day, state, files, bytes_sent, rows_sent, rows_processed, rows_lost FROM ended_by_day
             WHERE account IN (SELECT name FROM account) AND day >= ?1 ORDER BY account, day, state",
        )?;
        let rows = statement.query_map([from], |row| {
            Ok(DaySums { account: row.get(0)?, day: row.get(1)?, state: row.get(2)?, sums: Sums::decode(row, 3)? })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// What ended since the job log was made, by account.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn sums(&self) -> Result<Vec<(String, Sums)>, JobLogError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT account, sum(files), sum(bytes_sent), sum(rows_sent), sum(rows_processed), sum(rows_lost)
             FROM ended_by_day GROUP BY account",
        )?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, Sums::decode(row, 1)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// How upload requests ended since the job log was made.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn attempt_ends(&self) -> Result<Vec<AttemptEnds>, JobLogError> {
        let connection = self.connection();
        let mut statement = connection
            .prepare_cached("SELECT account, outcome, attempts FROM ended_attempts ORDER BY account, outcome")?;
        let rows = statement.query_map([], |row| {
            Ok(AttemptEnds { account: row.get(0)?, outcome: row.get(1)?, attempts: row.get(2)? })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The jobs that need a person: all that are held, and those that ended badly since then. The newest so many, newest
    /// first, and how many there are.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn needing_a_person(&self, since: Timestamp, limit: usize) -> Result<(Vec<JobRow>, i64), JobLogError> {
        // Accounts first, which CROSS JOIN sees to: each arm then reads a few rows of its index instead of all.
        const THEM: &str = "
            SELECT id FROM account CROSS JOIN job INDEXED BY job_unfinished ON account = name
            WHERE state = 'held' AND finished_at IS NULL
            UNION ALL
            SELECT id FROM account CROSS JOIN job INDEXED BY job_ended ON account = name
            WHERE state IN ('failure', 'partial', 'rejected') AND finished_at IS NOT NULL AND finished_at >= ?1";
        let connection = self.connection();
        let count = connection
            .prepare_cached(&format!("SELECT count(*) FROM ({THEM})"))?
            .query_row([since.0], |row| row.get(0))?;
        let ids: Vec<i64> = connection
            .prepare_cached(&format!("SELECT id FROM ({THEM}) ORDER BY id DESC LIMIT {limit}"))?
            .query_map([since.0], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        drop(connection);
        let mut jobs = Vec::with_capacity(ids.len());
        for id in ids {
            jobs.extend(self.job(JobId(id))?);
        }
        Ok((jobs, count))
    }

    /// The highest number of a job; `None` while there is none.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn newest_job(&self) -> Result<Option<JobId>, JobLogError> {
        let id: Option<i64> =
            self.connection().prepare_cached("SELECT max(id) FROM job")?.query_row([], |row| row.get(0))?;
        Ok(id.map(JobId))
    }
}
