//! What stages ask before they act: what lies in an inbox, how much is in progress, and what became of the jobs of one
//! run.

use super::data_days::waits_for_a_day;
use super::errors::JobLogError;
use super::reader::Reader;
use super::row::InboxEntry;
use super::sql;
use crate::job::sets::{ANY, AT_ADOBE, MAY_BE_SENT, TO_SEND, UNDER_WAY};
use crate::job::{EventId, JobId, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use std::ffi::OsStr;

/// How much of an account is in progress.
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

    /// When the oldest file of an account was first seen that may still be sent; `None` if there is none.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn oldest_unsent(&self, account: &str) -> Result<Option<Timestamp>, JobLogError> {
        let oldest: Option<i64> = self
            .connection()
            .prepare_cached(&format!(
                "SELECT min(seen_at) FROM {} WHERE account = ?1 AND finished_at IS NULL AND state IN {MAY_BE_SENT}",
                sql::UNFINISHED
            ))?
            .query_row([account], |row| row.get(0))?;
        Ok(oldest.map(Timestamp))
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

    /// How much of the upload in progress has gone, in percent; `None` unless there is one that takes its time.
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

    /// How much of an account is in progress.
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

    /// Uploads of an account that are in progress.
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

/// Where the job log stood when a run began.
#[derive(Debug, Clone)]
pub struct Beginning {
    /// The newest job; 0 if there was none.
    newest: JobId,
    /// The numbers of the jobs that were not at their end, as a JSON array.
    open: String,
}

/// A job that did not end well. A file that was replaced before it was sent is not missed: its successor counts.
const MISSED: &str = "state <> 'success' AND NOT (state = 'cancelled' AND cause IS 'replaced')";

impl Reader {
    /// Remembers where the job log stands.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn beginning(&self) -> Result<Beginning, JobLogError> {
        let sql = "SELECT (SELECT coalesce(max(id), 0) FROM job),
                          (SELECT json_group_array(id) FROM job INDEXED BY job_unfinished WHERE finished_at IS NULL)";
        let decode = |row: &rusqlite::Row<'_>| Ok(Beginning { newest: JobId(row.get(0)?), open: row.get(1)? });
        Ok(self.connection().prepare_cached(sql)?.query_row([], decode)?)
    }

    /// Whether every job that was open then, or came later, ended well. Reads those jobs alone.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn all_ended_well_since(&self, beginning: &Beginning) -> Result<bool, JobLogError> {
        let sql = format!(
            "SELECT NOT EXISTS (SELECT 1 FROM job WHERE id > ?1 AND {MISSED})
                AND NOT EXISTS (SELECT 1 FROM json_each(?2) AS open CROSS JOIN job ON job.id = open.value WHERE {MISSED})"
        );
        let parameters = rusqlite::params![beginning.newest.0, beginning.open];
        Ok(self.connection().prepare_cached(&sql)?.query_row(parameters, |row| row.get(0))?)
    }

    /// Whether a job of an account still continues automatically, or a file of one is still to be moved. A file that waits for a
    /// day is left to the next run.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn goes_on(&self, account: &str, now: Timestamp) -> Result<bool, JobLogError> {
        let waits_for_a_day = waits_for_a_day();
        Ok(self
            .connection()
            .prepare_cached(&format!(
                "SELECT EXISTS (SELECT 1 FROM job INDEXED BY job_unfinished WHERE account = ?1 AND finished_at IS NULL
                                AND state IN {UNDER_WAY} AND NOT (state = 'queued' AND {waits_for_a_day}))
                     OR EXISTS (SELECT 1 FROM job INDEXED BY job_unfiled WHERE account = ?1 AND place <> belongs AND place <> 'gone')"
            ))?
            .query_row(params![account, now.0], |row| row.get(0))?)
    }

    /// Whether Adobe has a job of an account that is not at its end.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn is_at_adobe(&self, account: &str) -> Result<bool, JobLogError> {
        self.has_any(
            &format!(
                "SELECT EXISTS (SELECT 1 FROM job INDEXED BY job_unfinished WHERE account = ?1 AND finished_at IS NULL
                                AND state IN {AT_ADOBE})"
            ),
            account,
        )
    }

    fn has_any(&self, sql: &str, account: &str) -> Result<bool, JobLogError> {
        Ok(self.connection().prepare_cached(sql)?.query_row([account], |row| row.get(0))?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{arrives, ends, long_over, opened};
    use crate::config::Duplicates;
    use crate::job::Timestamp;

    #[test]
    fn a_run_is_judged_by_what_it_took_up_however_long_the_job_log_is() {
        let steps = [100, 10_000].map(|history| {
            let (_dir, log) = opened();
            long_over(&log, history);
            let open = arrives(&log, "before.txt", 1, Duplicates::Hold).id;
            let reader = log.reader().unwrap();
            let work = reader.count_work();
            let beginning = reader.beginning().unwrap();
            let later = arrives(&log, "meanwhile.txt", 2, Duplicates::Hold).id;
            let is_well = |expected: bool| assert_eq!(reader.all_ended_well_since(&beginning).unwrap(), expected);
            is_well(false);
            ends(&log, open, "success", "");
            is_well(false);
            ends(&log, later, "success", "");
            is_well(true);
            ends(&log, open, "partial", "");
            is_well(false);
            ends(&log, open, "cancelled", "by a person");
            is_well(false);
            ends(&log, open, "cancelled", "replaced: the words alone decide nothing");
            is_well(false);
            log.call(move |unit| Ok(unit.execute("UPDATE job SET cause = 'replaced' WHERE id = ?1", [open.0])?))
                .wait()
                .unwrap();
            is_well(true);
            let work = *work.lock().unwrap();
            assert_eq!(work.statements, 8);
            work.steps
        });
        assert_eq!(steps[0], steps[1]);
    }

    #[test]
    fn what_goes_on_is_told_by_one_look_however_much_does() {
        let steps = [1, 200].map(|files| {
            let (_dir, log) = opened();
            let reader = log.reader().unwrap();
            assert!(!reader.goes_on("a", Timestamp(9)).unwrap() && !reader.is_at_adobe("a").unwrap());
            let jobs: Vec<_> =
                (1..=files).map(|file| arrives(&log, &format!("{file}.txt"), file, Duplicates::Hold).id).collect();
            let work = reader.count_work();
            assert!(reader.goes_on("a", Timestamp(9)).unwrap() && !reader.is_at_adobe("a").unwrap());
            for job in jobs {
                ends(&log, job, "rejected", "");
            }
            // Its file still lies in the inbox.
            assert!(reader.goes_on("a", Timestamp(9)).unwrap());
            let work = *work.lock().unwrap();
            work.steps
        });
        assert_eq!(steps[0], steps[1]);
    }
}
