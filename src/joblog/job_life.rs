//! All that is known of one job: its row, what a person can do, its attempts and what happened to it; and which jobs need a
//! person.

use super::errors::JobLogError;
use super::queries::JobRow;
use super::reader::Reader;
use super::row::Job;
use super::sql;
use crate::job::sets::ENDED_BADLY;
use crate::job::{Case, JobId, Kind, Place, Timestamp, Verdict};
use serde::Serialize;

/// All that is known of one job.
#[derive(Debug, Clone)]
pub struct JobLife {
    /// What stands in the job log.
    pub job: JobRow,
    /// What can be done about it, if it needs a person.
    pub verdict: Option<Verdict>,
    /// What the check found in its file, each finding on a line of its own.
    pub findings: Option<String>,
    /// Its upload requests, oldest first.
    pub attempts: Vec<AttemptRow>,
    /// What happened to it, oldest first.
    pub events: Vec<EventRow>,
}

/// One upload request of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AttemptRow {
    /// Counts from 1.
    pub number: i64,
    /// `started`, `sending`, `committing` or `answered`.
    pub phase: String,
    /// How the request was shaped.
    pub style: String,
    /// RFC 3339, UTC.
    pub started_at: String,
    /// RFC 3339, UTC.
    pub committing_at: Option<String>,
    /// RFC 3339, UTC.
    pub ended_at: Option<String>,
    /// The event that ended it.
    pub outcome: Option<String>,
    /// HTTP status.
    pub http_status: Option<i64>,
    /// The server's name for the request.
    pub request_id: Option<String>,
    /// What was seen.
    pub detail: Option<String>,
}

/// One row of `job_event`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventRow {
    /// RFC 3339, UTC.
    pub at: String,
    /// What happened.
    pub event: String,
    /// The state before.
    pub from_state: Option<String>,
    /// The state after.
    pub to_state: String,
    /// Why.
    pub detail: Option<String>,
}

impl Job {
    /// What happened, and what can be done, if a person is needed. `sent_again_as`: the job that has its file since.
    #[must_use]
    pub fn verdict(&self, sent_again_as: Option<JobId>) -> Option<Verdict> {
        let case = Case {
            id: self.id,
            account: &self.account,
            file_name: &self.file_name,
            state: self.state,
            is_unsettled: self.unsettled,
            follows: self.pair.filter(|_| self.kind == Kind::Fin),
            is_gone: self.place == Place::Gone,
            sent_again_as,
        };
        case.verdict()
    }
}

impl Reader {
    /// All that is known of a job; `None` if there is none of that number.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn life(&self, id: JobId) -> Result<Option<JobLife>, JobLogError> {
        let Some(job) = self.job(id)? else { return Ok(None) };
        let (verdict, findings) = (self.verdict(id)?, self.findings(id)?);
        Ok(Some(JobLife { job, verdict, findings, attempts: self.attempts(id)?, events: self.events(id)? }))
    }

    /// What can be done about a job, if it needs a person. Nothing is known of that where its row makes no sense.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn verdict(&self, id: JobId) -> Result<Option<Verdict>, JobLogError> {
        let connection = self.connection();
        match sql::job_if_known(&connection, id) {
            Ok(Some(job)) => Ok(job.verdict(sql::sent_again_as(&connection, id)?)),
            Ok(None) | Err(JobLogError::BadRow { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The upload requests of a job, oldest first.
    fn attempts(&self, id: JobId) -> Result<Vec<AttemptRow>, JobLogError> {
        let time = |millis: Option<i64>| millis.map(|millis| Timestamp(millis).to_string());
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT number, phase, style, started_at, committing_at, ended_at, outcome, http_status, request_id, detail
             FROM attempt WHERE job_id = ?1 ORDER BY number",
        )?;
        let rows = statement.query_map([id.0], |row| {
            Ok(AttemptRow {
                number: row.get(0)?,
                phase: row.get(1)?,
                style: row.get(2)?,
                started_at: Timestamp(row.get(3)?).to_string(),
                committing_at: time(row.get(4)?),
                ended_at: time(row.get(5)?),
                outcome: row.get(6)?,
                http_status: row.get(7)?,
                request_id: row.get(8)?,
                detail: row.get(9)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// What happened to a job, oldest first.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn events(&self, id: JobId) -> Result<Vec<EventRow>, JobLogError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT at, event, from_state, to_state, detail FROM job_event WHERE job_id = ?1 ORDER BY id",
        )?;
        let rows = statement.query_map([id.0], |row| {
            Ok(EventRow {
                at: row.get(0)?,
                event: row.get(1)?,
                from_state: row.get(2)?,
                to_state: row.get(3)?,
                detail: row.get(4)?,
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

// Which jobs need a person.

/// The jobs since `?1` that were possibly ingested twice.
const DOUBLED: &str = "SELECT id FROM job INDEXED BY job_doubled
                       WHERE doubled_with IS NOT NULL AND (finished_at IS NULL OR finished_at >= ?1)";

impl Reader {
    /// The jobs that need a person: all that are held, and those since then that ended badly and were not sent again, or were
    /// possibly ingested twice. The newest so many, newest first, and how many there are.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn needing_a_person(&self, since: Timestamp, limit: usize) -> Result<(Vec<JobRow>, i64), JobLogError> {
        // Accounts first, which CROSS JOIN sees to: each arm then reads a few rows of its index instead of all.
        let them = format!(
            "
            SELECT id FROM account CROSS JOIN job INDEXED BY job_unfinished ON account = name
            WHERE state = 'held' AND finished_at IS NULL
            UNION ALL
            SELECT id FROM account CROSS JOIN job INDEXED BY job_ended ON account = name
            WHERE state IN {ENDED_BADLY} AND finished_at IS NOT NULL AND finished_at >= ?1
                  AND NOT EXISTS (SELECT 1 FROM job AS again WHERE again.retry_of = job.id)
            UNION
            {DOUBLED}"
        );
        let connection = self.connection();
        let count = connection
            .prepare_cached(&format!("SELECT count(*) FROM ({them})"))?
            .query_row([since.0], |row| row.get(0))?;
        let ids: Vec<i64> = connection
            .prepare_cached(&format!("SELECT id FROM ({them}) ORDER BY id DESC LIMIT {limit}"))?
            .query_map([since.0], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        drop(connection);
        let mut jobs = Vec::with_capacity(ids.len());
        for id in ids {
            jobs.extend(self.job(JobId(id))?);
        }
        Ok((jobs, count))
    }

    /// The jobs since then that were possibly ingested twice.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn doubled(&self, since: Timestamp) -> Result<Vec<JobRow>, JobLogError> {
        let ids: Vec<i64> = self
            .connection()
            .prepare_cached(DOUBLED)?
            .query_map([since.0], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        ids.into_iter().filter_map(|id| self.job(JobId(id)).transpose()).collect()
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Duplicates;
    use crate::job::{Command, JobId};
    use crate::joblog::fixtures::{arrives, ends, opened};

    #[test]
    fn a_life_has_all_that_is_known_and_what_can_be_done() {
        let (_dir, log) = opened();
        let reader = log.reader().unwrap();
        let job = arrives(&log, "sales.txt", 1, Duplicates::Hold).id;
        assert_eq!(reader.life(job).unwrap().unwrap().verdict, None);
        assert!(reader.life(JobId(99)).unwrap().is_none());
        ends(&log, job, "failure", "Adobe gives no reason");
        let failed = reader.life(job).unwrap().unwrap();
        assert_eq!((failed.job.state.as_str(), failed.attempts.len()), ("failure", 0));
        assert_eq!(failed.verdict.unwrap().steps[0].command, Some(Command::Retry(job)));
        assert_eq!(failed.events.last().unwrap().event, "ready");
        log.close();
    }

    /// F10: what stands in a row that makes no sense is shown, and nothing is offered.
    #[test]
    fn f10_a_row_that_makes_no_sense_is_shown_as_it_stands() {
        let (_dir, log) = opened();
        let job = arrives(&log, "sales.txt", 1, Duplicates::Hold).id;
        let spoil = move |connection: &rusqlite::Connection| {
            connection.pragma_update(None, "ignore_check_constraints", true)?;
            Ok(connection.execute("UPDATE job SET cause = 'nonsense' WHERE id = ?1", [job.0])?)
        };
        log.call(move |unit| spoil(unit)).wait().unwrap();
        let life = log.reader().unwrap().life(job).unwrap().unwrap();
        assert_eq!((life.job.state.as_str(), life.verdict), ("queued", None));
        log.close();
    }
}
