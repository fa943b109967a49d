//! What no step of a job makes, written down once: an account blocks and works again, the service starts, a file is late, an
//! expectation is not met, the check found something in a file.

use super::errors::JobLogError;
use super::reader::Reader;
use super::row::Job;
use super::sql;
use super::unit_of_work::Unit;
use super::writer::{JobLog, Pending};
use crate::job::sets::{AT_ADOBE, DONE, NOT_ACCEPTED_YET};
use crate::job::{Cause, FileFindings, JobId, Likely, Overdue, Place, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::collections::HashMap;

pub(super) fn insert_account_event(
    connection: &Connection,
    account: Option<&str>,
    at: Timestamp,
    event: &str,
    detail: &str,
) -> Result<(), JobLogError> {
    connection
        .prepare_cached("INSERT INTO account_event (account, at, event, detail) VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![account, at.0, event, detail])?;
    Ok(())
}

impl JobLog {
    /// The service started; what it found.
    #[must_use]
    pub fn note_start(&self, found: String, now: Timestamp) -> Pending<()> {
        self.call(move |unit| {
            unit.effects.changed = true;
            insert_account_event(unit, None, now, "started", &found)
        })
    }

    /// `expect` of an account was judged. The account stands as `expected` says from now on. `missing` says what is missing, and
    /// `came` what is so no longer, if that is news.
    #[must_use]
    pub fn note_expectation(
        &self,
        account: String,
        expected: Expected,
        missing: Option<String>,
        came: Option<String>,
        now: Timestamp,
    ) -> Pending<()> {
        self.call(move |unit| {
            sql::ensure_account(unit, &account)?;
            unit.prepare_cached("UPDATE account SET expected_on = ?2, expect_missed_on = ?3 WHERE name = ?1")?
                .execute(params![account, expected.judged, expected.missed])?;
            for (event, words) in [("missing", &missing), ("cleared", &came)] {
                if let Some(words) = words {
                    insert_account_event(unit, Some(&account), now, event, words)?;
                    unit.effects.changed = true;
                }
            }
            Ok(())
        })
    }

    /// Why the last reload was refused; `None` once one is taken, and at a start.
    #[must_use]
    pub fn note_reload(&self, refused: Option<String>, now: Timestamp) -> Pending<()> {
        self.call(move |unit| {
            unit.effects.changed = true;
            unit.prepare_cached(
                "UPDATE daemon SET reload_refused = ?1, reload_refused_at = iif(?1 IS NULL, NULL, ?2)",
            )?
            .execute(params![refused, now.0])?;
            Ok(())
        })
    }

    /// Writes down of these jobs that they are overdue, each once.
    #[must_use]
    pub fn note_delays(&self, late: Vec<JobId>, now: Timestamp) -> Pending<()> {
        self.call(move |unit| {
            for &id in &late {
                let job = unit.job(id)?;
                if !job.state.is_terminal() {
                    let halt = if job.state.is_accepted() { halt(unit, &job.account)? } else { None };
                    let is_stalled = halt.is_some_and(|halt| halt.may_stop(&job));
                    let overdue = if is_stalled { Overdue::Stalled } else { Overdue::Delayed };
                    unit.effects.changed |= note_overdue(unit, &job, overdue, now)?;
                }
            }
            Ok(())
        })
    }
}

/// How far an account's `expect` was judged, in local days such as `2026-11-23`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expected {
    /// The last day that was judged.
    pub judged: Option<String>,
    /// The last of them that was told to be missed, until what it lacked has come.
    pub missed: Option<String>,
}

/// Jobs of an account that are at Adobe for longer than they should.
#[derive(Debug, Clone)]
pub struct OverdueJobs {
    /// The account.
    pub account: String,
    /// How many.
    pub jobs: i64,
    /// Why one of them is.
    pub reason: String,
}

/// The events that say of a job that it is overdue.
pub(super) const OVERDUE: &str = "('delayed', 'stalled', 'asked-daily')";

/// Records that a job is overdue, or that its end cannot be foreseen: once before it is accepted, once after, and once when it
/// is asked for daily. Returns whether this is news.
pub(super) fn note_overdue(
    unit: &mut Unit<'_>,
    job: &Job,
    overdue: Overdue,
    now: Timestamp,
) -> Result<bool, JobLogError> {
    let noted: i64 = unit
        .prepare_cached(&format!(
            "SELECT count(*) FROM job_event WHERE job_id = ?1 AND event IN {OVERDUE} AND (to_state IN {AT_ADOBE}) = ?2
             AND (event = 'asked-daily' OR NOT ?3)"
        ))?
        .query_row(params![job.id.0, job.state.is_accepted(), overdue == Overdue::AskedDaily], |row| row.get(0))?;
    if noted > 0 {
        return Ok(false);
    }
    #[cfg(test)]
    crate::testing::reach::overdue(overdue);
    sql::insert_event(unit, job.id, now, overdue.as_str(), Some(job.state), job.state, job.reason.as_deref())?;
    Ok(true)
}

/// The latest job of an account that Adobe failed, unless it has ended another since.
#[derive(Debug, Clone)]
pub struct Halt {
    /// The failed job.
    pub failed: JobId,
    /// Its file.
    pub file_name: String,
    target_id: Option<i64>,
    uploaded_at: i64,
}

impl Halt {
    /// Whether a job came after it, so that its data source may have stopped at that failure (DESIGN T3).
    #[must_use]
    pub fn may_stop(&self, job: &Job) -> bool {
        self.target_id == job.target_id && job.uploaded_at.is_some_and(|at| at.0 >= self.uploaded_at)
    }
}

fn halt(connection: &Connection, account: &str) -> Result<Option<Halt>, JobLogError> {
    Ok(connection
        .prepare_cached(&format!(
            "SELECT id, file_name, target_id, uploaded_at FROM job AS failed INDEXED BY job_ended
             WHERE account = ?1 AND state = 'failure' AND finished_at IS NOT NULL AND remote_job_id IS NOT NULL
               AND uploaded_at IS NOT NULL
               AND NOT EXISTS (SELECT 1 FROM job AS since INDEXED BY job_ended
                               WHERE since.account = ?1 AND since.state IN {DONE} AND since.finished_at IS NOT NULL
                                 AND since.finished_at >= failed.finished_at AND since.remote_job_id IS NOT NULL
                                 AND (since.finished_at > failed.finished_at OR since.id > failed.id))
             ORDER BY finished_at DESC LIMIT 1"
        ))?
        .query_row([account], |row| {
            Ok(Halt {
                failed: JobId(row.get(0)?),
                file_name: row.get(1)?,
                target_id: row.get(2)?,
                uploaded_at: row.get(3)?,
            })
        })
        .optional()?)
}

/// Writes down what was found, in the row and as a step of the job.
pub(super) fn record_findings(
    unit: &mut Unit<'_>,
    job: &Job,
    findings: &FileFindings,
    now: Timestamp,
) -> Result<(), JobLogError> {
    save_findings(unit, job.id, findings)?;
    sql::insert_event(unit, job.id, now, "checked", Some(job.state), job.state, Some(&findings.summary))
}

fn save_findings(connection: &Connection, id: JobId, findings: &FileFindings) -> Result<(), JobLogError> {
    let Likely { cause, rows, rows_skipped } = &findings.likely;
    connection
        .prepare_cached(
            "UPDATE job SET findings = ?2, likely_cause = ?3, likely_rows = ?4, rows_skipped = ?5 WHERE id = ?1",
        )?
        .execute(params![id.0, findings.list, cause, rows, i64::try_from(*rows_skipped).unwrap_or(i64::MAX)])?;
    Ok(())
}

/// The list of a job's findings.
pub(super) fn findings(connection: &Connection, id: JobId) -> Result<Option<String>, JobLogError> {
    Ok(connection
        .prepare_cached("SELECT findings FROM job WHERE id = ?1")?
        .query_row([id.0], |row| row.get(0))
        .optional()?
        .flatten())
}

/// What was found in the files of an account's open remote jobs.
pub(super) fn likely_of_open(connection: &Connection, account: &str) -> Result<HashMap<JobId, Likely>, JobLogError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT id, likely_cause, likely_rows, rows_skipped FROM job
         WHERE account = ?1 AND state IN {AT_ADOBE} AND finished_at IS NULL AND findings IS NOT NULL"
    ))?;
    let rows = statement.query_map([account], |row| {
        let rows_skipped = u64::try_from(row.get::<_, i64>(3)?).unwrap_or(0);
        Ok((JobId(row.get(0)?), Likely { cause: row.get(1)?, rows: row.get(2)?, rows_skipped }))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

impl Reader {
    /// Why the daemon's last reload was refused, and when, if it was.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn reload_refused(&self) -> Result<Option<(String, Timestamp)>, JobLogError> {
        Ok(self
            .connection()
            .prepare_cached("SELECT reload_refused, reload_refused_at FROM daemon WHERE reload_refused IS NOT NULL")?
            .query_map([], |row| Ok((row.get(0)?, Timestamp(row.get(1)?))))?
            .next()
            .transpose()?)
    }

    /// Jobs that are late and of which that is not written down yet, at most `limit`: first seen before `unsent` and not
    /// accepted, or accepted before `unended` and not at their end.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn late(&self, unsent: Timestamp, unended: Timestamp, limit: usize) -> Result<Vec<JobId>, JobLogError> {
        let connection = self.connection();
        let (day_to_come, next_day) = (Cause::DayToCome.as_str(), Cause::NextDay.as_str());
        let mut statement = connection.prepare_cached(&format!(
            "SELECT id FROM job
             WHERE finished_at IS NULL
               AND ((state IN {NOT_ACCEPTED_YET} AND seen_at < ?1
                     AND (coalesce(cause NOT IN ('{day_to_come}', '{next_day}'), 1) OR next_attempt_at < ?1))
                    OR (state IN {AT_ADOBE} AND uploaded_at < ?2))
               AND NOT EXISTS (SELECT 1 FROM job_event
                               WHERE job_id = job.id AND event IN {OVERDUE}
                                 AND (to_state IN {AT_ADOBE}) = (state IN {AT_ADOBE}))
             LIMIT ?3"
        ))?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map([unsent.0, unended.0, limit], |row| row.get(0).map(JobId))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// What is overdue at Adobe and has a reason: the sweep that found it writes one.
    pub(super) fn overdue(&self) -> Result<Vec<OverdueJobs>, JobLogError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&format!(
            "SELECT job.account, count(DISTINCT job.id), max(job.reason)
             FROM job_event INDEXED BY job_event_overdue CROSS JOIN job ON job.id = job_event.job_id
             WHERE job_event.event IN {OVERDUE} AND job_event.to_state IN {AT_ADOBE}
               AND job.finished_at IS NULL AND job.state IN {AT_ADOBE} AND job.reason IS NOT NULL
             GROUP BY job.account"
        ))?;
        let rows = statement
            .query_map([], |row| Ok(OverdueJobs { account: row.get(0)?, jobs: row.get(1)?, reason: row.get(2)? }))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The latest job of an account that Adobe failed, unless it has ended another since.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn halt(&self, account: &str) -> Result<Option<Halt>, JobLogError> {
        halt(&self.connection(), account)
    }

    /// How far the account's `expect` was judged.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn expected(&self, account: &str) -> Result<Expected, JobLogError> {
        Ok(self
            .connection()
            .prepare_cached("SELECT expected_on, expect_missed_on FROM account WHERE name = ?1")?
            .query_row([account], |row| Ok(Expected { judged: row.get(0)?, missed: row.get(1)? }))
            .optional()?
            .unwrap_or_default())
    }

    /// How many data files of an account were accepted within this time, the later end excluded.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn count_accepted(&self, account: &str, from: Timestamp, to: Timestamp) -> Result<u32, JobLogError> {
        Ok(self
            .connection()
            .prepare_cached(
                "SELECT count(*) FROM job WHERE account = ?1 AND uploaded_at IS NOT NULL AND uploaded_at >= ?2
                   AND uploaded_at < ?3 AND kind = 'data'",
            )?
            .query_row(params![account, from.0, to.0], |row| row.get(0))?)
    }

    /// What the check found in a job's file, each finding on a line of its own.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn findings(&self, id: JobId) -> Result<Option<String>, JobLogError> {
        findings(&self.connection(), id)
    }
}

// What outlasts the steps of an accepted job, in its reason.

/// How the job's file is known to have changed, and what else Adobe may have of it, in words.
fn lasting_change(job: &Job) -> Option<String> {
    let changed = job.changed.map(|changed| changed.words(job.rows_expected));
    let doubled = job.doubled_with.map(|other| {
        format!("possibly ingested twice: no job owns the remote job {other} of the same name; compare them at Adobe")
    });
    let words: Vec<String> = changed.into_iter().chain(doubled).collect();
    (!words.is_empty()).then(|| words.join("; "))
}

/// A reason of an accepted job, with that, which outlasts the steps that follow.
pub(super) fn with_change(job: &Job, reason: Option<String>) -> Option<String> {
    match (reason, lasting_change(job)) {
        (Some(reason), Some(change)) => Some(format!("{reason}; {change}")),
        (reason, change) => reason.or(change),
    }
}

/// The reason of an accepted job without it.
pub(super) fn without_change(job: &Job) -> Option<String> {
    let reason = job.reason.clone()?;
    let Some(change) = lasting_change(job) else { return Some(reason) };
    match reason.strip_suffix(&change) {
        Some(rest) => rest.strip_suffix("; ").map(str::to_owned),
        None => Some(reason),
    }
}

/// What is odd about an accepted job's file outlasts the steps that follow.
pub(super) fn lasting_note(job: &Job) -> Option<String> {
    match (job.cause, job.place) {
        (Some(Cause::Changed), _) => Some("changed after it was sent".to_owned()),
        (_, Place::Gone) => {
            Some("its file was replaced in the folder, or removed from it, after it was sent".to_owned())
        }
        (_, Place::Inbox | Place::Sent | Place::Held | Place::Done | Place::Failed) => None,
    }
}
