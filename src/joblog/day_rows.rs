//! What the job log has of data days, for those who ask: which are covered, by what, and which were told to be missing.

use super::covered_days::{HERE, day_to_be_covered};
use super::day_totals::note_days_again;
use super::errors::JobLogError;
use super::noted::insert_account_event;
use super::reader::Reader;
use super::sql::UNFINISHED;
use super::writer::{JobLog, Pending};
use crate::job::sets::ON_THE_WIRE;
use crate::job::{DataDay, DataDays, JobId, Place, Sha256, Timestamp, Total};
use jiff::civil::Date;
use rusqlite::{OptionalExtension as _, Rows, params};
use serde_json::json;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

/// What accepted files with the same columns report of a data day, added up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayRow {
    /// The day.
    pub day: Date,
    /// How many files.
    pub files: i64,
    /// Their rows.
    pub rows: i64,
    /// Those of them that Adobe may not have processed, at most.
    pub in_doubt: i64,
    /// Their metrics.
    pub metrics: Vec<String>,
    /// What the rows add to each of them.
    pub totals: Vec<Total>,
}

impl DayRow {
    /// What one file reports.
    #[must_use]
    pub fn of(days: &DataDays) -> Vec<Self> {
        let metrics: Vec<String> = days.sorted_metrics().into_iter().map(str::to_owned).collect();
        let row = |day: &DataDay| Self {
            day: day.date,
            files: 1,
            rows: i64::try_from(day.rows).unwrap_or(i64::MAX),
            in_doubt: 0,
            metrics: metrics.clone(),
            totals: days.sorted_totals(day),
        };
        days.all().iter().map(row).collect()
    }
}

/// Whose files are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All that are named.
    All,
    /// Those of them that Adobe accepted and has not failed.
    Accepted,
}

/// A file that was sent, and where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentFile {
    /// Its job.
    pub id: JobId,
    /// In `sent/` or `done/`.
    pub place: Place,
    /// Its name there.
    pub disk_name: OsString,
    /// What was sent.
    pub sha256: Sha256,
}

impl JobLog {
    /// Which data days of an account are missing was judged: those that are missing since, those that have come since, and
    /// what is to be said of either.
    #[must_use]
    pub fn note_missing_days(
        &self,
        account: String,
        (missing, is_missing): (Vec<Date>, Option<String>),
        (came, has_come): (Vec<Date>, Option<String>),
        now: Timestamp,
    ) -> Pending<()> {
        self.call(move |unit| {
            unit.prepare_cached("INSERT OR IGNORE INTO missing_day SELECT ?1, value FROM json_each(?2)")?
                .execute(params![account, json!(missing).to_string()])?;
            unit.prepare_cached(
                "DELETE FROM missing_day WHERE account = ?1 AND day IN (SELECT value FROM json_each(?2))",
            )?
            .execute(params![account, json!(came).to_string()])?;
            for (event, words) in [("missing", &is_missing), ("cleared", &has_come)] {
                if let Some(words) = words {
                    insert_account_event(unit, Some(&account), now, event, words)?;
                    unit.effects.changed = true;
                }
            }
            Ok(())
        })
    }
}

impl JobLog {
    /// What these files report of each day was read again: it counts from now on, instead of what was known of them.
    #[must_use]
    pub fn note_days_again(&self, read: Vec<(JobId, Box<DataDays>)>) -> Pending<()> {
        self.call(move |unit| {
            for (id, days) in &read {
                let job = unit.job(*id)?;
                unit.effects.warnings.extend(note_days_again(unit, &job, days)?);
            }
            unit.effects.changed |= !read.is_empty();
            Ok(())
        })
    }
}

/// What a range of days is bound by where it is not.
fn bounds(from: Option<Date>, to: Option<Date>) -> (String, String) {
    let text = |day: Option<Date>, other: &str| day.map_or_else(|| other.to_owned(), |day| day.to_string());
    // Files whose days are not known stand under the empty day.
    (text(from, "0"), text(to, "9999-12-31"))
}

impl Reader {
    /// What accepted files report of the data days of an account, in order.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn day_rows(&self, account: &str, from: Option<Date>, to: Option<Date>) -> Result<Vec<DayRow>, JobLogError> {
        let (from, to) = bounds(from, to);
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&format!(
            "SELECT day, files, rows, in_doubt, metrics, totals
             FROM day_total CROSS JOIN column_set ON column_set.id = column_set
             WHERE account = ?1 AND place = {HERE} AND day BETWEEN ?2 AND ?3 ORDER BY day, column_set"
        ))?;
        day_rows(statement.query(params![account, from, to])?)
    }

    /// What the files of these jobs report of each data day, file by file.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn days_of_jobs(&self, ids: &[JobId], which: Which) -> Result<Vec<DayRow>, JobLogError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT day, 1, rows, in_doubt, metrics, totals
             FROM job_day CROSS JOIN column_set ON column_set.id = column_set
             WHERE job_id IN (SELECT value FROM json_each(?1)) AND (?2 OR place IS NOT NULL) ORDER BY job_id, day",
        )?;
        let rows = statement.query(params![json!(ids).to_string(), which == Which::All])?;
        day_rows(rows)
    }

    /// All days that accepted files of an account report, in order, and when the first of each was accepted.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn covered_days(&self, account: &str) -> Result<Vec<(Date, Timestamp)>, JobLogError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&format!(
            "SELECT day, min(covered_at) FROM day_total WHERE account = ?1 AND place = {HERE} AND day <> ''
             GROUP BY day ORDER BY day"
        ))?;
        let rows = statement.query_map([account], |row| Ok((row.get::<_, String>(0)?, Timestamp(row.get(1)?))))?;
        let mut days = Vec::new();
        for row in rows {
            let (day, at) = row?;
            days.extend(day_of(&day).map(|day| (day, at)));
        }
        Ok(days)
    }

    /// The jobs whose accepted files report each data day of an account.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn jobs_of_days(
        &self,
        account: &str,
        from: Option<Date>,
        to: Option<Date>,
    ) -> Result<BTreeMap<Date, Vec<JobId>>, JobLogError> {
        let (from, to) = bounds(from, to);
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&format!(
            "SELECT day, job_id FROM job_day INDEXED BY job_day_by_day
             WHERE account = ?1 AND day BETWEEN ?2 AND ?3 AND place = {HERE}"
        ))?;
        let mut rows = statement.query(params![account, from, to])?;
        let mut jobs: BTreeMap<Date, Vec<JobId>> = BTreeMap::new();
        let mut last: Option<(String, Date)> = None;
        while let Some(row) = rows.next()? {
            let text = row.get_ref(0)?.as_str().unwrap_or_default();
            if last.as_ref().is_none_or(|(known, _)| known != text) {
                last = day_of(text).map(|day| (text.to_owned(), day));
            }
            if let Some((_, day)) = last {
                jobs.entry(day).or_default().push(JobId(row.get(1)?));
            }
        }
        // By sets of columns so far.
        for jobs in jobs.values_mut() {
            jobs.sort_unstable();
        }
        Ok(jobs)
    }

    /// The first jobs whose accepted files report a data day of an account, at most `limit`.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn first_jobs_of_day(&self, account: &str, day: Date, limit: usize) -> Result<Vec<JobId>, JobLogError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&format!(
            "SELECT job_id FROM job_day INDEXED BY job_day_by_day WHERE account = ?1 AND day = ?2 AND place = {HERE} LIMIT ?3"
        ))?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let ids = statement.query_map(params![account, day.to_string(), limit], |row| row.get(0).map(JobId))?;
        Ok(ids.collect::<rusqlite::Result<_>>()?)
    }

    /// The jobs whose files report a data day of an account, whether they count or not, newest first, at most `limit`; and how
    /// many more there are.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn jobs_of_day(&self, account: &str, day: Date, limit: usize) -> Result<(Vec<JobId>, usize), JobLogError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT job_id FROM job_day INDEXED BY job_day_by_day WHERE account = ?1 AND day = ?2 ORDER BY job_id DESC",
        )?;
        let ids = statement.query_map(params![account, day.to_string()], |row| row.get(0).map(JobId))?;
        let mut ids: Vec<JobId> = ids.collect::<rusqlite::Result<_>>()?;
        let more = ids.len().saturating_sub(limit);
        ids.truncate(limit);
        Ok((ids, more))
    }

    /// How many accepted files of an account report no day that is known.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn files_without_days(&self, account: &str) -> Result<i64, JobLogError> {
        Ok(self
            .connection()
            .prepare_cached(&format!(
                "SELECT coalesce(sum(files), 0) FROM day_total WHERE account = ?1 AND place = {HERE} AND day = ''"
            ))?
            .query_row([account], |row| row.get(0))?)
    }

    /// Whether files of an account may lie there that came before the service started and are not sent yet.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn is_catching_up(&self, account: &str) -> Result<bool, JobLogError> {
        Ok(self
            .connection()
            .prepare_cached(&format!(
                "SELECT coalesce((SELECT start_scan_event IS NULL FROM account WHERE name = ?1), 1)
                        OR EXISTS (SELECT 1 FROM {UNFINISHED} WHERE account = ?1 AND finished_at IS NULL
                                   AND (state = 'queued' OR state IN {ON_THE_WIRE}))"
            ))?
            .query_row([account], |row| row.get(0))?)
    }

    /// When the account's folder was first looked at.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn began_at(&self, account: &str) -> Result<Option<Timestamp>, JobLogError> {
        Ok(self
            .connection()
            .prepare_cached("SELECT first_scan_at FROM account WHERE name = ?1")?
            .query_row([account], |row| row.get::<_, Option<i64>>(0))
            .optional()?
            .flatten()
            .map(Timestamp))
    }

    /// The data days of an account that were told to be missing and have not come since.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn days_told_missing(&self, account: &str) -> Result<Vec<Date>, JobLogError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT day FROM missing_day WHERE account = ?1 ORDER BY day")?;
        let days = statement.query_map([account], |row| row.get::<_, String>(0))?;
        Ok(days.collect::<rusqlite::Result<Vec<_>>>()?.iter().filter_map(|day| day_of(day)).collect())
    }

    /// The data files of an account that lie in `sent/` or `done/`, with the numbers of their jobs, which are beyond `after`,
    /// at most `limit`.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn sent_files(&self, account: &str, after: JobId, limit: usize) -> Result<Vec<SentFile>, JobLogError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT id, place, disk_name, sha256 FROM job WHERE account = ?1 AND id > ?2 AND kind = 'data'
             AND place IN ('sent', 'done') AND sha256 IS NOT NULL ORDER BY id LIMIT ?3",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![account, after.0, limit], |row| {
            let place: String = row.get(1)?;
            let sha256: String = row.get(3)?;
            Ok((JobId(row.get(0)?), place, OsString::from_vec(row.get(2)?), sha256))
        })?;
        let mut files = Vec::new();
        for row in rows {
            let (id, place, disk_name, sha256) = row?;
            if let (Some(place), Some(sha256)) = (Place::from_word(&place), Sha256::from_hex(&sha256)) {
                files.push(SentFile { id, place, disk_name, sha256 });
            }
        }
        Ok(files)
    }

    /// Why a file that reports these days would be held under `hold-days` if it were taken in now, if it would.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn foresee_covered(&self, account: &str, days: &DataDays) -> Result<Option<String>, JobLogError> {
        day_to_be_covered(&self.connection(), account, days)
    }
}

/// Rows of day, files, rows, rows in doubt, metrics and totals.
fn day_rows(mut rows: Rows<'_>) -> Result<Vec<DayRow>, JobLogError> {
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let Some(day) = day_of(&row.get::<_, String>(0)?) else { continue };
        found.push(DayRow {
            day,
            files: row.get(1)?,
            rows: row.get(2)?,
            in_doubt: row.get(3)?,
            metrics: serde_json::from_str(&row.get::<_, String>(4)?).unwrap_or_default(),
            totals: Total::list_from(&row.get::<_, String>(5)?),
        });
    }
    Ok(found)
}

fn day_of(text: &str) -> Option<Date> {
    text.parse().ok()
}
