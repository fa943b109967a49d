//! Sums that are kept as jobs end ("Sums" of `schema.sql`), and other facts about many jobs at once. Nothing here takes
//! longer because the job log is long.

use super::account_record::AccountRow;
use super::errors::JobLogError;
use super::noted::OverdueJobs;
use super::queries::Counts;
use super::reader::Reader;
use crate::job::sets::NEEDS_A_PERSON;
use crate::job::{JobId, Timestamp};
use rusqlite::{Row, params};
use serde_json::json;
use std::collections::HashMap;

/// Where every account stands.
#[derive(Debug, Clone, Default)]
pub struct Standing {
    /// What the job log remembers of each.
    pub accounts: Vec<AccountRow>,
    /// Their jobs by state.
    pub counts: Vec<Counts>,
    /// When a file of theirs last ended in `success`; accounts that never had one are left out.
    pub last_success: Vec<(String, Timestamp)>,
    /// Those whose files were tried in vain and are to be tried again.
    pub trying_again: Vec<TryingAgain>,
    /// Those of which Adobe has jobs that are overdue there.
    pub overdue: Vec<OverdueJobs>,
    /// Files of theirs that wait for a day: how many, and when the first is due.
    pub waiting_for_day: HashMap<String, (i64, Timestamp)>,
    /// Bytes of theirs that Adobe has not processed, or may have.
    pub bytes_at_adobe: HashMap<String, u64>,
    /// The time zones of their report suites, as far as they are known.
    pub zones: HashMap<String, String>,
    /// Account, calendar day, and how many data days were sent on it, of the latest days.
    pub days_sent: Vec<(String, String, i64)>,
    /// Account and state wherever a person has something to handle.
    pub to_handle: Vec<(String, String)>,
    /// Why the daemon's last reload was refused, and when, if it was.
    pub reload_refused: Option<(String, Timestamp)>,
}

/// Files of an account that were tried in vain and are to be tried again.
#[derive(Debug, Clone)]
pub struct TryingAgain {
    /// The account.
    pub account: String,
    /// Why one of them is.
    pub reason: String,
    /// When the first of them is due, unless all are due now.
    pub next_try: Option<Timestamp>,
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
    /// Where every account stands now. `since`: what ended badly before then is not to be handled any more.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn standing(&self, since: Timestamp, now: Timestamp) -> Result<Standing, JobLogError> {
        let accounts = self.accounts()?;
        let bytes = |account: &AccountRow| Ok((account.name.clone(), self.bytes_at_adobe(&account.name)?));
        let bytes_at_adobe = accounts.iter().map(bytes).collect::<Result<_, JobLogError>>()?;
        Ok(Standing {
            accounts,
            counts: self.counts()?,
            last_success: self.last_success()?,
            trying_again: self.trying_again(now)?,
            overdue: self.overdue()?,
            waiting_for_day: self.waiting_for_day()?,
            bytes_at_adobe,
            zones: self.suite_zones()?,
            days_sent: self.latest_days_sent(now)?,
            to_handle: self.to_handle(since)?,
            reload_refused: self.reload_refused()?,
        })
    }

    /// What a person can do something about: what is held, what ended badly of late and still lies in `failed/`, and what
    /// was processed in part of late. What was sent again, or taken away, has been handled.
    fn to_handle(&self, since: Timestamp) -> Result<Vec<(String, String)>, JobLogError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT name, state.value FROM account CROSS JOIN json_each(?2) AS state
             WHERE iif(state.value = 'held',
                       EXISTS (SELECT 1 FROM job INDEXED BY job_unfinished
                               WHERE account = name AND job.state = 'held' AND finished_at IS NULL),
                       EXISTS (SELECT 1 FROM job INDEXED BY job_ended
                               WHERE account = name AND job.state = state.value AND finished_at IS NOT NULL
                                 AND finished_at >= ?1 AND (job.state = 'partial' OR place = 'failed')))
             ORDER BY name, state.key",
        )?;
        let rows = statement
            .query_map(params![since.0, json!(NEEDS_A_PERSON.words().collect::<Vec<_>>()).to_string()], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// What is due last waits for its next try, if anything does: two looks into the index, however long the queue.
    fn trying_again(&self, now: Timestamp) -> Result<Vec<TryingAgain>, JobLogError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT name, (SELECT CASE WHEN attempts > 0 THEN reason END FROM job
                           WHERE account = name AND state = 'queued'
                           ORDER BY next_attempt_at DESC LIMIT 1) AS why,
                    (SELECT min(next_attempt_at) FROM job
                     WHERE account = name AND state = 'queued' AND next_attempt_at > ?1)
             FROM account WHERE why IS NOT NULL",
        )?;
        let rows = statement.query_map([now.0], |row| {
            let next_try = row.get::<_, Option<i64>>(2)?.map(Timestamp);
            Ok(TryingAgain { account: row.get(0)?, reason: row.get(1)?, next_try })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
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

#[cfg(test)]
mod tests {
    use super::super::{JobFilter, JobLog, StateLock};
    use super::*;

    /// Data files and a marker that end, one that does not; times are noon on two days.
    const JOBS: &str = "
        INSERT INTO account (name) VALUES ('a'), ('b');
        INSERT INTO job (id, account, file_name, disk_name, stem, wire_name, kind, state, place, belongs, path, seen_at, size,
                         rows_expected, rows_processed, uploaded_at)
        SELECT value ->> 0, value ->> 1, 'f', CAST('f' AS BLOB), 'f', 'f', value ->> 2, 'waiting', 'inbox', 'inbox', '/f', 1, 100,
               value ->> 3, value ->> 4, value ->> 5
        FROM json_each('[[1, \"a\", \"data\", 10, 10, 5], [2, \"a\", \"data\", 20, 15, 5], [3, \"a\", \"data\", 30, null, 5],
                         [4, \"a\", \"data\", 40, null, null], [5, \"b\", \"data\", 50, 50, 5], [6, \"a\", \"fin\", 0, 0, 5],
                         [7, \"b\", \"data\", 60, null, null]]');
        INSERT INTO attempt (job_id, number, phase, style, started_at) VALUES (1, 1, 'started', 'put-json', 1),
            (1, 2, 'started', 'put-json', 1), (5, 1, 'started', 'put-json', 1);";
    const ENDS: &str = "
        UPDATE job SET state = 'success', finished_at = 1795348800000 WHERE id IN (1, 5, 6);
        UPDATE job SET state = 'partial', finished_at = 1795435200000 WHERE id = 2;
        UPDATE job SET state = 'failure', finished_at = 1795435200000 WHERE id = 3;
        UPDATE job SET state = 'rejected', finished_at = 1795435200000 WHERE id = 4;
        UPDATE job SET state = 'held' WHERE id = 7;
        UPDATE attempt SET outcome = iif(number = 2 OR job_id = 5, 'accepted', 'not_ingested');
        -- Nothing ends twice, whatever is written again.
        UPDATE job SET finished_at = finished_at, reason = 'x';
        UPDATE attempt SET outcome = outcome;";

    fn counts(reader: &Reader) -> Vec<(String, String, i64)> {
        reader.counts().unwrap().into_iter().map(|count| (count.account, count.state, count.jobs)).collect()
    }

    fn kept_as_they_ended() -> (tempfile::TempDir, JobLog) {
        let dir = tempfile::tempdir().unwrap();
        let log = JobLog::open(StateLock::take(dir.path()).unwrap()).unwrap();
        log.call(|unit| Ok(unit.execute_batch(&format!("{JOBS}{ENDS}"))?)).wait().unwrap();
        (dir, log)
    }

    #[test]
    fn sums_are_those_of_what_ended() {
        let (_dir, log) = kept_as_they_ended();
        let reader = log.reader().unwrap();
        let of_a = Sums { files: 4, bytes_sent: 300, rows_sent: 60, rows_processed: 25, rows_lost: 35 };
        let of_b = Sums { files: 1, bytes_sent: 100, rows_sent: 50, rows_processed: 50, rows_lost: 0 };
        assert_eq!(reader.sums().unwrap(), [("a".to_owned(), of_a), ("b".to_owned(), of_b)]);
        let expected = [
            ("a", "failure", 1),
            ("a", "partial", 1),
            ("a", "rejected", 1),
            ("a", "success", 2),
            ("b", "held", 1),
            ("b", "success", 1),
        ]
        .map(|(account, state, jobs)| (account.to_owned(), state.to_owned(), jobs));
        assert_eq!(counts(&reader), expected);
        let attempts: Vec<_> =
            reader.attempt_ends().unwrap().into_iter().map(|end| (end.account, end.outcome, end.attempts)).collect();
        let accepted = |account: &str| (account.to_owned(), "accepted".to_owned(), 1);
        assert_eq!(attempts, [accepted("a"), ("a".to_owned(), "not_ingested".to_owned(), 1), accepted("b")]);
        let last = reader.standing(Timestamp(0), Timestamp(0)).unwrap().last_success;
        assert_eq!(last, ["a", "b"].map(|name| (name.to_owned(), Timestamp(1_795_348_800_000))));
    }

    #[test]
    fn what_is_pruned_leaves_the_counts_and_stays_in_the_sums() {
        let (_dir, log) = kept_as_they_ended();
        let reader = log.reader().unwrap();
        let before = reader.sums().unwrap();
        log.call(|unit| Ok(unit.execute("DELETE FROM job WHERE id = 4", [])?)).wait().unwrap();
        assert!(!counts(&reader).iter().any(|(_, state, _)| state == "rejected"));
        assert_eq!(reader.sums().unwrap(), before);
    }

    #[test]
    fn what_was_handled_or_is_long_over_is_not_to_be_handled() {
        let (_dir, log) = kept_as_they_ended();
        let reader = log.reader().unwrap();
        let to_handle = |since: i64| reader.standing(Timestamp(since), Timestamp(since)).unwrap().to_handle;
        let states = |expected: &[(&str, &str)]| -> Vec<(String, String)> {
            expected.iter().map(|(account, state)| ((*account).to_owned(), (*state).to_owned())).collect()
        };
        // Neither file lies in failed/: they were sent again, or taken away.
        assert_eq!(to_handle(0), states(&[("a", "partial"), ("b", "held")]));
        log.call(|unit| Ok(unit.execute("UPDATE job SET place = 'failed' WHERE id IN (3, 4)", [])?)).wait().unwrap();
        let all = [("a", "partial"), ("a", "failure"), ("a", "rejected"), ("b", "held")];
        assert_eq!(to_handle(1_795_435_200_000), states(&all));
        assert_eq!(to_handle(1_795_435_200_001), states(&[("b", "held")]), "held is held however old it is");
    }

    /// Each of these filters names an index, which SQLite refuses where it does not fit.
    #[test]
    fn a_filter_finds_the_same_jobs_by_whichever_index() {
        let (_dir, log) = kept_as_they_ended();
        let reader = log.reader().unwrap();
        let found = |account: Option<&str>, states: &[&str], name: Option<&str>| {
            let filter = JobFilter {
                account: account.map(str::to_owned),
                states: states.iter().map(|state| (*state).to_owned()).collect(),
                name: name.map(str::to_owned),
                ..JobFilter::default()
            };
            let ids: Vec<i64> = reader.jobs(&filter).unwrap().into_iter().map(|job| job.id).collect();
            assert_eq!(reader.count(&filter).unwrap(), i64::try_from(ids.len()).unwrap(), "{filter:?}");
            ids
        };
        assert_eq!(found(None, &[], None), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(found(Some("b"), &[], None), [5, 7]);
        assert_eq!(found(None, &["held"], None), [7]);
        assert_eq!(found(Some("b"), &["held", "queued"], None), [7]);
        assert_eq!(found(Some("a"), &["held"], None), [] as [i64; 0]);
        assert_eq!(found(None, &["held", "success"], None), [1, 5, 6, 7]);
        assert_eq!(found(None, &["failure", "rejected"], None), [3, 4]);
        assert_eq!(found(None, &[], Some("f")), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(found(Some("b"), &["success"], Some("f")), [5]);
        assert_eq!(found(Some("b"), &["held"], Some("f")), [7]);
        assert_eq!(found(None, &[], Some("f*")), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(found(None, &[], Some("g")), [] as [i64; 0]);
        let seen = |id: i64| {
            log.call(move |unit| Ok(unit.query_row("SELECT seen_at FROM job WHERE id = ?1", [id], |row| row.get(0))?))
                .wait()
                .unwrap()
        };
        for (account, since) in
            [(None, seen(1)), (None, seen(4)), (None, seen(7)), (Some("b"), seen(5)), (None, i64::MAX)]
        {
            let filter = JobFilter {
                account: account.map(str::to_owned),
                since: Some(Timestamp(since)),
                ..JobFilter::default()
            };
            let ids: Vec<i64> = reader.jobs(&filter).unwrap().into_iter().map(|job| job.id).collect();
            let all = found(account, &[], None);
            assert_eq!(ids, all.into_iter().filter(|id| seen(*id) >= since).collect::<Vec<_>>(), "{filter:?}");
            assert_eq!(reader.count(&filter).unwrap(), i64::try_from(ids.len()).unwrap());
        }
    }

    #[test]
    fn a_person_is_asked_for_what_is_held_and_what_ended_badly_lately() {
        let (_dir, log) = kept_as_they_ended();
        let reader = log.reader().unwrap();
        let asked = |since: i64, limit| {
            let (jobs, count) = reader.needing_a_person(Timestamp(since), limit).unwrap();
            (jobs.into_iter().map(|job| job.id).collect::<Vec<_>>(), count)
        };
        assert_eq!(asked(1_795_435_200_000, 9), (vec![7, 4, 3, 2], 4));
        assert_eq!(asked(1_795_435_200_001, 9), (vec![7], 1), "held is held however old it is");
        assert_eq!(asked(0, 2), (vec![7, 4], 4));
        log.call(|unit| Ok(unit.execute("UPDATE job SET retry_of = 3 WHERE id = 5", [])?)).wait().unwrap();
        assert_eq!(asked(0, 9), (vec![7, 4, 2], 3), "what was sent again is done with");
    }

    #[test]
    fn the_oldest_queued_file_is_the_one_that_became_ready_first() {
        let (_dir, log) = kept_as_they_ended();
        let reader = log.reader().unwrap();
        assert_eq!(reader.oldest_queued().unwrap(), []);
        let queue = "INSERT INTO job (account, file_name, disk_name, stem, wire_name, kind, state, place, belongs, path, seen_at, sha256, blake3, queued_at)
                     SELECT 'b', 'q', x'71', 'q', 'q', 'data', 'queued', 'inbox', 'inbox', '/q', 1, hex(randomblob(32)), randomblob(32), value FROM json_each('[9, 7, 8]')";
        log.call(move |unit| Ok(unit.execute_batch(queue)?)).wait().unwrap();
        assert_eq!(reader.oldest_queued().unwrap(), [("b".to_owned(), Timestamp(7))]);
    }
}
