//! The daily summary of an account: which was sent last, and what it is made of.

use super::alerts::{AlertRow, FactJob, keep};
use super::errors::JobLogError;
use super::reader::Reader;
use super::writer::{JobLog, Pending};
use crate::job::sets::{NEEDS_A_PERSON, NEVER_ACCEPTED};
use crate::job::{JobId, Timestamp};
use jiff::civil::Date;
use rusqlite::params;
use serde_json::json;

/// The last local day on which a receiver was sent the summary of an account, or began to get one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SummaryDay {
    /// Whom.
    pub receiver: String,
    /// Of which account.
    pub account: String,
    /// The day.
    pub day: Date,
}

/// How many data files of a day are in a state by now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayCount {
    /// The state.
    pub state: String,
    /// Adobe accepted them on that day. If not, they ended on it without having been accepted.
    pub accepted: bool,
    /// How many.
    pub files: i64,
    /// Their rows.
    pub rows: i64,
}

/// A job that a person can do something about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobToHandle {
    /// Which.
    pub job: FactJob,
    /// Why.
    pub reason: Option<String>,
}

impl JobLog {
    /// Keeps the summaries of an account that are to be sent, and records for whom and for which day, at once: so each is sent
    /// once.
    #[must_use]
    pub fn note_summaries(&self, days: Vec<SummaryDay>, alerts: Vec<AlertRow>) -> Pending<()> {
        self.call(move |unit| {
            for alert in &alerts {
                keep(unit, alert)?;
            }
            for SummaryDay { receiver, account, day } in &days {
                unit.prepare_cached(
                    "INSERT INTO alert_summary VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE SET day = excluded.day",
                )?
                .execute(params![receiver, account, day.to_string()])?;
            }
            Ok(())
        })
    }

    /// Only these receivers get summaries, and of these accounts. Whoever gets one again later begins anew.
    #[must_use]
    pub fn summary_receivers(&self, receivers: Vec<String>, accounts: Vec<String>) -> Pending<()> {
        self.call(move |unit| {
            unit.prepare_cached(
                "DELETE FROM alert_summary WHERE receiver NOT IN (SELECT value FROM json_each(?1))
                    OR account NOT IN (SELECT value FROM json_each(?2))",
            )?
            .execute(params![json!(receivers).to_string(), json!(accounts).to_string()])?;
            Ok(())
        })
    }
}

impl Reader {
    /// Which summaries were sent last. What does not read back was changed by hand: it counts as none.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn summary_days(&self) -> Result<Vec<SummaryDay>, JobLogError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT receiver, account, day FROM alert_summary")?;
        let mut rows = statement.query([])?;
        let mut days = Vec::new();
        while let Some(row) = rows.next()? {
            if let Ok(day) = row.get::<_, String>(2)?.parse() {
                days.push(SummaryDay { receiver: row.get(0)?, account: row.get(1)?, day });
            }
        }
        Ok(days)
    }

    /// How the data files of an account stand that were accepted within this time, or ended within it without being accepted;
    /// the later end is excluded.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn count_of_day(&self, account: &str, from: Timestamp, to: Timestamp) -> Result<Vec<DayCount>, JobLogError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&format!(
            "SELECT state, 1, count(*), coalesce(sum(rows_expected), 0) FROM job INDEXED BY job_by_acceptance
             WHERE account = ?1 AND uploaded_at IS NOT NULL AND uploaded_at >= ?2 AND uploaded_at < ?3 AND kind = 'data'
             GROUP BY state
             UNION ALL
             SELECT state, 0, count(*), coalesce(sum(rows_expected), 0) FROM job INDEXED BY job_ended
             WHERE account = ?1 AND state IN {NEVER_ACCEPTED} AND finished_at IS NOT NULL AND finished_at >= ?2
               AND finished_at < ?3 AND uploaded_at IS NULL AND kind = 'data'
             GROUP BY state"
        ))?;
        let rows = statement.query_map(params![account, from.0, to.0], |row| {
            Ok(DayCount { state: row.get(0)?, accepted: row.get(1)?, files: row.get(2)?, rows: row.get(3)? })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The jobs of the data files of an account that were accepted within this time, the later end excluded.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn accepted_within(&self, account: &str, from: Timestamp, to: Timestamp) -> Result<Vec<JobId>, JobLogError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT id FROM job INDEXED BY job_by_acceptance
             WHERE account = ?1 AND uploaded_at IS NOT NULL AND uploaded_at >= ?2 AND uploaded_at < ?3 AND kind = 'data'",
        )?;
        let ids = statement.query_map(params![account, from.0, to.0], |row| row.get(0).map(JobId))?;
        Ok(ids.collect::<rusqlite::Result<_>>()?)
    }

    /// The jobs of an account that a person can do something about, as [`super::Standing::to_handle`] has it, the newest first,
    /// at most `limit`; and how many there are.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn jobs_to_handle(
        &self,
        account: &str,
        since: Timestamp,
        limit: usize,
    ) -> Result<(Vec<JobToHandle>, usize), JobLogError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&format!(
            "SELECT id, file_name, state, reason, count(*) OVER () FROM job
             WHERE id IN (SELECT id FROM job INDEXED BY job_unfinished
                          WHERE account = ?1 AND state = 'held' AND finished_at IS NULL
                          UNION ALL
                          SELECT id FROM job INDEXED BY job_ended
                          WHERE account = ?1 AND state IN {NEEDS_A_PERSON} AND finished_at IS NOT NULL AND finished_at >= ?2
                            AND (state = 'partial' OR place = 'failed'))
             ORDER BY id DESC LIMIT ?3"
        ))?;
        let mut rows = statement.query(params![account, since.0, i64::try_from(limit).unwrap_or(i64::MAX)])?;
        let (mut jobs, mut count) = (Vec::new(), 0_i64);
        while let Some(row) = rows.next()? {
            let job = FactJob { id: JobId(row.get(0)?), file_name: row.get(1)?, state: row.get(2)? };
            jobs.push(JobToHandle { job, reason: row.get(3)? });
            count = row.get(4)?;
        }
        Ok((jobs, usize::try_from(count).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{arrives, opened};
    use super::*;
    use crate::config::Duplicates;

    #[test]
    fn a_day_is_recorded_for_each_receiver_and_account_until_nobody_asks_for_it() {
        let (_dir, log) = opened();
        let days = || log.reader().unwrap().summary_days().unwrap();
        let of = |receiver: &str, account: &str, day: i8| SummaryDay {
            receiver: receiver.to_owned(),
            account: account.to_owned(),
            day: jiff::civil::date(2026, 11, day),
        };
        log.note_summaries(vec![of("one", "a", 2), of("one", "b", 2), of("two", "a", 2)], Vec::new()).wait().unwrap();
        log.note_summaries(vec![of("one", "a", 1)], Vec::new()).wait().unwrap();
        assert_eq!(days(), [of("one", "a", 1), of("one", "b", 2), of("two", "a", 2)]);
        log.summary_receivers(vec!["one".to_owned()], vec!["a".to_owned()]).wait().unwrap();
        assert_eq!(days(), [of("one", "a", 1)]);
    }

    #[test]
    fn what_is_held_is_to_be_handled_and_the_newest_are_named() {
        let (_dir, log) = opened();
        for name in ["one.txt", "two.txt", "three.txt"] {
            arrives(&log, name, 1, Duplicates::HoldContent);
        }
        let (jobs, count) = log.reader().unwrap().jobs_to_handle("a", Timestamp(0), 1).unwrap();
        assert_eq!((jobs[0].job.file_name.as_str(), jobs[0].job.state.as_str(), count), ("three.txt", "held", 2));
        assert!(log.reader().unwrap().count_of_day("a", Timestamp(0), Timestamp(9)).unwrap().is_empty());
    }
}
