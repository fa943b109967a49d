//! Reading the job log: for the stages that look before they act, and for people.

use super::account_record::{ACCOUNT_COLUMNS, AccountRow, account_row};
use super::attempts::disputed;
use super::changed::without_change;
use super::{InboxEntry, JobLogError, OpenError, OpenRemote, Unfiled, Unsettled, check_findings, open, sql};
use crate::job::sets::{ANY, AT_ADOBE, TO_SEND};
use crate::job::{Event, EventId, JobId, Place, Timestamp, Told};
use rusqlite::{Connection, OptionalExtension, Row, params};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A reading connection. Its reads are short: a long one would keep the write-ahead log from being trimmed.
#[derive(Debug)]
pub struct Reader(pub(super) Arc<Mutex<Connection>>);

/// How much of an account is under way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Jobs that the API has and that are not at their end.
    pub open: u64,
    /// Jobs that are queued or uploading.
    pub to_send: u64,
    /// When the oldest open job was accepted.
    pub oldest_open: Option<Timestamp>,
    /// When the newest open job was accepted.
    pub newest_open: Option<Timestamp>,
}

impl Reader {
    /// Opens the job log of a state directory for reading, whether or not a daemon runs.
    ///
    /// # Errors
    /// [`OpenError`] if there is none or it cannot be read.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        Ok(Self::of(open::open_reader(dir)?))
    }

    pub(super) fn of(connection: Connection) -> Self {
        Self(Arc::new(Mutex::new(connection)))
    }

    /// A reader has one user; the lock only lets it travel between threads.
    pub(super) fn connection(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The stems of data files that Adobe has, whose place another file took, and that have no marker.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn stems_without_marker(&self, account: &str) -> Result<Vec<String>, JobLogError> {
        sql::stems_without_marker(&self.connection(), account)
    }

    /// Changes when another connection has committed.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn data_version(&self) -> Result<i64, JobLogError> {
        Ok(self.connection().prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?)
    }

    /// Every account that the job log knows.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn accounts(&self) -> Result<Vec<AccountRow>, JobLogError> {
        let connection = self.connection();
        let mut statement =
            connection.prepare_cached(&format!("SELECT {ACCOUNT_COLUMNS} FROM account ORDER BY name"))?;
        let rows = statement.query_map([], AccountRow::decode)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// One account; it has a row since it was opened.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn account(&self, name: &str) -> Result<AccountRow, JobLogError> {
        account_row(&self.connection(), name)
    }

    /// What the job log believes to lie in an account's inbox, newest first where a name stands twice.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn inbox(&self, account: &str) -> Result<Vec<InboxEntry>, JobLogError> {
        let connection = self.connection();
        refuse_strange(&connection, account)?;
        let jobs =
            sql::jobs_of(sql::IN_INBOX, &connection, "account = ?1 AND place = 'inbox' ORDER BY id DESC", [account])?;
        Ok(jobs.into_iter().map(InboxEntry::from).collect())
    }

    /// What the job log believes to lie in an account's inbox under this name.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn inbox_entry(&self, account: &str, disk_name: &OsStr) -> Result<Option<InboxEntry>, JobLogError> {
        Ok(sql::job_in_inbox(&self.connection(), account, disk_name)?.map(InboxEntry::from))
    }

    /// Files of an account that lie elsewhere than their state wants them, oldest first.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn unfiled(&self, account: &str, limit: usize) -> Result<Vec<Unfiled>, JobLogError> {
        let connection = self.connection();
        let jobs = sql::jobs_of(
            sql::UNFILED,
            &connection,
            "account = ?1 AND place <> belongs AND place <> 'gone' ORDER BY id LIMIT ?2",
            params![account, i64::try_from(limit).unwrap_or(i64::MAX)],
        )?;
        let mut unfiled: Vec<Unfiled> = jobs.into_iter().map(Unfiled::from).collect();
        for job in unfiled.iter_mut().filter(|job| matches!(job.to, Place::Held | Place::Failed)) {
            job.findings = check_findings::list(&connection, job.id)?;
        }
        Ok(unfiled)
    }

    /// Jobs of an account that the API has and that are not at their end.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn open_remote(&self, account: &str) -> Result<Vec<OpenRemote>, JobLogError> {
        let jobs = sql::jobs_of(
            sql::UNFINISHED,
            &self.connection(),
            &format!("account = ?1 AND state IN {AT_ADOBE} AND finished_at IS NULL ORDER BY id"),
            [account],
        )?;
        let mut likely = check_findings::likely_of_open(&self.connection(), account)?;
        let current = sql::line(&self.connection(), account)?;
        let lines: HashMap<JobId, i64> = self
            .connection()
            .prepare_cached(&format!(
                "SELECT id, line FROM {} WHERE account = ?1 AND state IN {AT_ADOBE} AND finished_at IS NULL",
                sql::UNFINISHED
            ))?
            .query_map([account], |row| Ok((JobId(row.get(0)?), row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let mut open = Vec::with_capacity(jobs.len());
        for job in jobs {
            let (Some(remote_job_id), Some(target_id)) = (job.remote_job_id, job.target_id) else {
                return Err(JobLogError::Impossible(format!("job {} is accepted but has no remote job", job.id)));
            };
            let reason = without_change(&job);
            open.push(OpenRemote {
                id: job.id,
                file_name: job.file_name,
                remote_job_id,
                kind: job.kind,
                state: job.state,
                reason,
                has_changed: job.changed.is_some(),
                remote_status: job.remote_status,
                told: Told { file_name: None, created: job.remote_created, by_list: false },
                is_of_former_line: lines.get(&job.id).is_some_and(|line| *line != current),
                rows_expected: job.rows_expected,
                likely: likely.remove(&job.id).unwrap_or_default(),
                uploaded_at: job.uploaded_at.unwrap_or(job.seen_at),
                target: sql::target_of(&self.connection(), (job.id, account), target_id)?,
            });
        }
        Ok(open)
    }

    /// Jobs of an account whose last attempt ended without a clear answer.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn unsettled(&self, account: &str) -> Result<Vec<Unsettled>, JobLogError> {
        let jobs = sql::jobs_of(
            sql::UNFINISHED,
            &self.connection(),
            "account = ?1 AND state = 'unconfirmed' AND finished_at IS NULL ORDER BY id",
            [account],
        )?;
        let mut unsettled = Vec::with_capacity(jobs.len());
        for job in jobs {
            let target =
                job.target_id.map(|id| sql::target_of(&self.connection(), (job.id, account), id)).transpose()?;
            let (started_at, server_time, server_after) = self
                .connection()
                .prepare_cached(
                    "SELECT started_at, server_time, server_after FROM attempt WHERE job_id = ?1 AND number = ?2",
                )?
                .query_row(params![job.id.0, job.attempts], |row| {
                    let time = |index| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(index)?.map(Timestamp));
                    Ok((Timestamp(row.get(0)?), time(1)?, time(2)?))
                })?;
            let began = sql::latest_of(&self.connection(), job.id, Event::Started)?;
            let disputed = disputed(&self.connection(), &job)?;
            unsettled.push(Unsettled {
                id: job.id,
                name_is_unique: job.wire_name != job.file_name,
                wire_name: job.wire_name,
                rows_expected: job.rows_expected,
                unclear_ends: job.unclear_ends,
                began,
                started_at,
                server_time,
                server_after,
                disputed,
                target: target.ok_or_else(|| JobLogError::Impossible(format!("job {} was sent nowhere", job.id)))?,
                reason: job.reason,
            });
        }
        Ok(unsettled)
    }

    /// The number of the last event.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn latest_event(&self) -> Result<EventId, JobLogError> {
        sql::latest_event(&self.connection())
    }

    /// How fast the account's latest uploads went, by those of a megabyte and more, which are not all latency: in bytes of
    /// the request's body a second, as the guide's base64 makes them. `None` if there were none.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn upload_speed(&self, account: &str) -> Result<Option<u64>, JobLogError> {
        let (bytes, millis): (i64, i64) = self
            .connection()
            .prepare_cached(
                "SELECT coalesce(sum(latest.size), 0), coalesce(sum(max(attempt.committing_at - attempt.started_at, 1)), 0)
                 FROM (SELECT id, size, attempts FROM job WHERE account = ?1 AND uploaded_at IS NOT NULL
                       ORDER BY uploaded_at DESC LIMIT 20) AS latest
                 JOIN attempt ON attempt.job_id = latest.id AND attempt.number = latest.attempts
                 WHERE latest.size >= 1000000 AND attempt.committing_at >= attempt.started_at",
            )?
            .query_row([account], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let (bytes, millis) = (bytes.unsigned_abs(), millis.unsigned_abs());
        Ok((millis > 0).then(|| bytes.saturating_mul(4000) / 3 / millis))
    }

    /// How much of the upload under way has gone, in percent; `None` unless there is one that takes its time.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn sent_percent(&self, id: JobId) -> Result<Option<u8>, JobLogError> {
        let percent: Option<Option<u8>> = self
            .connection()
            .prepare_cached(
                "SELECT sent_percent FROM attempt WHERE job_id = ?1 AND phase = 'sending' AND ended_at IS NULL",
            )?
            .query_row([id.0], |row| row.get(0))
            .optional()?;
        Ok(percent.flatten())
    }

    /// How much of an account is under way.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn backlog(&self, account: &str) -> Result<Backlog, JobLogError> {
        let time = |row: &Row<'_>, index| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(index)?.map(Timestamp));
        Ok(self
            .connection()
            .prepare_cached(&format!(
                "SELECT count(*) FILTER (WHERE state IN {AT_ADOBE}),
                        count(*) FILTER (WHERE state IN {TO_SEND}),
                        min(uploaded_at) FILTER (WHERE state IN {AT_ADOBE}),
                        max(uploaded_at) FILTER (WHERE state IN {AT_ADOBE})
                 FROM job INDEXED BY job_unfinished WHERE account = ?1 AND finished_at IS NULL"
            ))?
            .query_row([account], |row| {
                Ok(Backlog {
                    open: row.get::<_, i64>(0)?.cast_unsigned(),
                    to_send: row.get::<_, i64>(1)?.cast_unsigned(),
                    oldest_open: time(row, 2)?,
                    newest_open: time(row, 3)?,
                })
            })?)
    }

    /// Uploads of an account that are under way.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn count_uploading(&self, account: &str) -> Result<usize, JobLogError> {
        sql::count_in_state(&self.connection(), account, "uploading")
    }
}

/// No stage would ever meet a job in a state that is none: it would be lost without a word.
fn refuse_strange(connection: &Connection, account: &str) -> Result<(), JobLogError> {
    let strange = format!("account = ?1 AND finished_at IS NULL AND state NOT IN {ANY} LIMIT 1");
    sql::jobs_of(sql::UNFINISHED, connection, &strange, [account]).map(drop)
}
