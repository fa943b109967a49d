//! What the job log remembers of an account.

use super::data_days::judge_days_again;
use super::errors::JobLogError;
use super::mutes::Mute;
use super::noted::insert_account_event;
use super::reader::Reader;
use super::row::at;
use super::sql;
use super::unit_of_work::Unit;
use super::writer::{JobLog, Pending};
use crate::job::sets::GOING_ON;
use crate::job::{JobId, Problem, RowCount, Target, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Params, Row, params};
use std::time::Duration;

/// An account as the job log knows it.
#[derive(Debug, Clone, Default)]
pub struct AccountRow {
    /// Its name.
    pub name: String,
    /// Content of its folder's mark.
    pub folder_mark: Option<String>,
    /// The upload style that worked.
    pub style: Option<String>,
    /// The latest style in which a file was accepted.
    pub proven: Option<ProvenStyle>,
    /// The styles that the API refused since then, in the order of the attempts, with its answers.
    pub refused_styles: Vec<(String, String)>,
    /// What is wrong with the folder.
    pub folder_problem: Option<Problem>,
    /// What is wrong with the account or its credential.
    pub api_problem: Option<Problem>,
    /// The folder has not been opened since the start.
    pub unopened: bool,
    /// Since when.
    pub blocked_at: Option<Timestamp>,
    /// When the folder was first scanned whole.
    pub first_scan_at: Option<Timestamp>,
    /// When the remote list was first read whole.
    pub baseline_at: Option<Timestamp>,
    /// The last sweep.
    pub swept_at: Option<Timestamp>,
    /// The next sweep.
    pub next_sweep_at: Option<Timestamp>,
    /// Files in the folder that are none of ours.
    pub ignored: i64,
    /// What Adobe's row counts mean.
    pub row_count: RowCount,
    /// Where Adobe writes errors of its files, as it may be shown; empty if it has no address, `None` while that is not known.
    pub error_address: Option<String>,
    /// Its list has to be read before anything is sent.
    pub list_wanted: bool,
    /// The quiet period, where it grew beyond the configured one (DESIGN R7).
    pub settle: Option<Duration>,
    /// Its alerts are muted, or were and nobody has told since what was kept back.
    pub muted: Option<Mute>,
}

/// Which upload style the API is known to support, and how that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenStyle {
    /// The style.
    pub style: String,
    /// The first job that was accepted in it.
    pub by: JobId,
    /// When.
    pub at: Timestamp,
}

const ACCOUNT_COLUMNS: &str = "name, folder_mark, style, proven_style, proven_by, proven_at, refused_styles, folder_problem, folder_remedy, api_problem, api_remedy, unopened, blocked_at, baseline_at, swept_at, next_sweep_at, ignored, first_scan_at, settle_ms, row_count, error_address, list_wanted, muted_at, muted_until, muted_by";

impl AccountRow {
    fn decode(row: &Row<'_>) -> rusqlite::Result<Self> {
        let time = |index| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(index)?.map(Timestamp));
        let problem = |what, remedy| {
            let what = row.get::<_, Option<String>>(what)?;
            let remedy = row.get(remedy)?;
            Ok::<_, rusqlite::Error>(what.map(|what| Problem { what, remedy }))
        };
        let proven = row.get::<_, Option<String>>(at!(ACCOUNT_COLUMNS, proven_style))?;
        let proven_by = row.get::<_, Option<i64>>(at!(ACCOUNT_COLUMNS, proven_by))?;
        let proven = proven.zip(proven_by).zip(time(at!(ACCOUNT_COLUMNS, proven_at))?);
        let refused = row.get::<_, Option<String>>(at!(ACCOUNT_COLUMNS, refused_styles))?;
        Ok(Self {
            name: row.get(at!(ACCOUNT_COLUMNS, name))?,
            folder_mark: row.get(at!(ACCOUNT_COLUMNS, folder_mark))?,
            style: row.get(at!(ACCOUNT_COLUMNS, style))?,
            proven: proven.map(|((style, by), at)| ProvenStyle { style, by: JobId(by), at }),
            refused_styles: refused.as_deref().map(refusals).unwrap_or_default(),
            folder_problem: problem(at!(ACCOUNT_COLUMNS, folder_problem), at!(ACCOUNT_COLUMNS, folder_remedy))?,
            api_problem: problem(at!(ACCOUNT_COLUMNS, api_problem), at!(ACCOUNT_COLUMNS, api_remedy))?,
            unopened: row.get(at!(ACCOUNT_COLUMNS, unopened))?,
            blocked_at: time(at!(ACCOUNT_COLUMNS, blocked_at))?,
            baseline_at: time(at!(ACCOUNT_COLUMNS, baseline_at))?,
            swept_at: time(at!(ACCOUNT_COLUMNS, swept_at))?,
            next_sweep_at: time(at!(ACCOUNT_COLUMNS, next_sweep_at))?,
            ignored: row.get(at!(ACCOUNT_COLUMNS, ignored))?,
            first_scan_at: time(at!(ACCOUNT_COLUMNS, first_scan_at))?,
            error_address: row.get(at!(ACCOUNT_COLUMNS, error_address))?,
            list_wanted: row.get(at!(ACCOUNT_COLUMNS, list_wanted))?,
            muted: Mute::decode(row, at!(ACCOUNT_COLUMNS, muted_at))?,
            row_count: RowCount::from_word(row.get::<_, Option<String>>(at!(ACCOUNT_COLUMNS, row_count))?.as_deref()),
            settle: row
                .get::<_, Option<u32>>(at!(ACCOUNT_COLUMNS, settle_ms))?
                .map(|ms| Duration::from_millis(ms.into())),
        })
    }

    /// Why nothing is sent, if nothing is.
    #[must_use]
    pub fn blocked(&self) -> Option<Problem> {
        let unopened = || self.unopened.then(|| "the folder has not been opened yet".into());
        self.folder_problem.clone().or_else(unopened).or_else(|| self.api_problem.clone())
    }
}

/// The two that can be wrong with an account; either blocks it.
#[derive(Debug, Clone, Copy)]
enum Side {
    Folder,
    Api,
}

impl JobLog {
    /// Makes sure that the account has a row, and forgets what only held for the last run, or for another target. Nothing
    /// is sent before its folder has been opened and the remote list was read. Returns the row as it was.
    #[must_use]
    pub fn open_account(&self, account: String, target: Target) -> Pending<AccountRow> {
        self.call(move |unit| {
            sql::ensure_account(unit, &account)?;
            let row = account_row(unit, &account)?;
            aim(unit, &account, &target)?;
            unit
                .prepare_cached(
                    "UPDATE account SET unopened = 1, folder_problem = NULL, folder_remedy = NULL, api_problem = NULL, api_remedy = NULL,
                            blocked_at = NULL, baseline_at = NULL, list_read_at = NULL, list_wanted = 0, next_sweep_at = NULL,
                            start_number = start_number + (start_scan_event IS NOT NULL), start_scan_event = NULL
                     WHERE name = ?1",
                )?
                .execute([account.as_str()])?;
            judge_days_again(unit, &account)?;
            Ok(row)
        })
    }

    /// Where the account's files go from now on. What was learnt of another target is forgotten.
    #[must_use]
    pub fn aim(&self, account: String, target: Target) -> Pending<()> {
        self.call(move |unit| {
            unit.effects.changed = true;
            // The credential may be another one.
            unit.prepare_cached("UPDATE account SET list_read_at = NULL WHERE name = ?1")?.execute([&account])?;
            aim(unit, &account, &target)
        })
    }

    /// The mark that the account's folder carries from now on.
    #[must_use]
    pub fn remember_mark(&self, account: String, mark: String) -> Pending<()> {
        self.call(move |unit| {
            unit.prepare_cached("UPDATE account SET folder_mark = ?2 WHERE name = ?1")?
                .execute(params![account, mark])?;
            Ok(())
        })
    }

    /// A scan of the whole folder is in the job log.
    #[must_use]
    pub fn scanned(&self, account: String, ignored: u64, now: Timestamp) -> Pending<()> {
        self.call(move |unit| {
            let first = unit
                .prepare_cached(
                    "UPDATE account SET first_scan_at = ?2, first_scan_event = coalesce((SELECT max(id) FROM job_event), 0)
                     WHERE name = ?1 AND first_scan_at IS NULL",
                )?
                .execute(params![account, now.0])?;
            unit
                .prepare_cached("UPDATE account SET ignored = ?2 WHERE name = ?1 AND ignored <> ?2")?
                .execute(params![account, ignored.cast_signed()])?;
            unit
                .prepare_cached(
                    "UPDATE account SET start_scan_event = coalesce((SELECT max(id) FROM job_event), 0)
                     WHERE name = ?1 AND start_scan_event IS NULL",
                )?
                .execute([&account])?;
            unit.effects.changed |= first > 0;
            Ok(())
        })
    }

    /// The quiet period grew beyond the configured one; `None` when it is that again.
    #[must_use]
    pub fn note_settle(&self, account: String, settle: Option<Duration>) -> Pending<()> {
        self.call(move |unit| {
            let settle = settle.map(|settle| u32::try_from(settle.as_millis()).unwrap_or(u32::MAX));
            let changed = unit
                .prepare_cached("UPDATE account SET settle_ms = ?2 WHERE name = ?1 AND settle_ms IS NOT ?2")?
                .execute(params![account, settle])?;
            unit.effects.changed |= changed > 0;
            Ok(())
        })
    }

    /// What is wrong with the folder; `None` when it is well again. The answer: whether that is news.
    #[must_use]
    pub fn folder_problem(&self, account: String, problem: Option<Problem>, now: Timestamp) -> Pending<bool> {
        self.set_problem(Side::Folder, account, problem, now)
    }

    /// What is wrong with the account or its credential; `None` when it works again. The answer: whether that is news.
    #[must_use]
    pub fn api_problem(&self, account: String, problem: Option<Problem>, now: Timestamp) -> Pending<bool> {
        self.set_problem(Side::Api, account, problem, now)
    }

    /// Nothing of the account is sent before its list was read: it tells what a refused upload means.
    #[must_use]
    pub fn want_list(&self, account: String) -> Pending<()> {
        self.call(move |unit| {
            unit.effects.changed = true;
            unit.prepare_cached("UPDATE account SET list_wanted = 1 WHERE name = ?1")?.execute([&account])?;
            Ok(())
        })
    }

    /// The API answered a request for the account's list, so nothing is wrong with the account or its credential. The answer:
    /// whether something was.
    #[must_use]
    pub fn list_answered(&self, account: String, now: Timestamp) -> Pending<bool> {
        self.call(move |unit| {
            let wanted = unit
                .prepare_cached("UPDATE account SET list_wanted = 0 WHERE name = ?1 AND list_wanted")?
                .execute([&account])?;
            unit.effects.changed |= wanted > 0;
            unit.prepare_cached("UPDATE account SET list_read_at = ?2 WHERE name = ?1")?
                .execute(params![account, now.0])?;
            set_problem(unit, Side::Api, &account, None, now)
        })
    }

    fn set_problem(&self, side: Side, account: String, problem: Option<Problem>, now: Timestamp) -> Pending<bool> {
        self.call(move |unit| set_problem(unit, side, &account, problem.as_ref(), now))
    }

    /// When the next sweep is due, for `status`.
    #[must_use]
    pub fn next_sweep(&self, account: String, at: Option<Timestamp>) -> Pending<()> {
        self.call(move |unit| {
            unit.prepare_cached("UPDATE account SET next_sweep_at = ?2 WHERE name = ?1")?
                .execute(params![account, at.map(|at| at.0)])?;
            Ok(())
        })
    }
}

/// Jobs of one account that continue automatically and go to one place. There may be very many.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenJobs {
    /// The account's name.
    pub account: String,
    /// Where they go, if an attempt was made (DESIGN A5).
    pub target: Option<Target>,
    /// Number of jobs.
    pub jobs: usize,
    /// The oldest [`OpenJobs::NAMED`] of them, in order.
    pub oldest: Vec<JobId>,
}

impl OpenJobs {
    /// Maximum number of jobs that a message names.
    pub const NAMED: usize = 20;
}

impl Reader {
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

    /// The jobs that go on by themselves, by account and where they go, those with the oldest job first.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn open_jobs(&self) -> Result<Vec<OpenJobs>, JobLogError> {
        self.open_jobs_where("1", [])
    }

    /// The same of these accounts.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn open_jobs_of(&self, accounts: &[&str]) -> Result<Vec<OpenJobs>, JobLogError> {
        let accounts = serde_json::to_string(accounts).map_err(|error| JobLogError::Impossible(error.to_string()))?;
        self.open_jobs_where("account IN (SELECT value FROM json_each(?1))", [accounts])
    }

    fn open_jobs_where(&self, condition: &str, parameters: impl Params) -> Result<Vec<OpenJobs>, JobLogError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&format!(
            "SELECT id, account, target_id FROM {} WHERE finished_at IS NULL AND {condition}
             AND state IN {GOING_ON} ORDER BY id",
            sql::UNFINISHED
        ))?;
        let mut rows = statement.query(parameters)?;
        let mut groups: Vec<(Option<i64>, OpenJobs)> = Vec::new();
        while let Some(row) = rows.next()? {
            let account = row.get_ref(1)?.as_str().map_err(rusqlite::Error::from)?;
            let target_id: Option<i64> = row.get(2)?;
            let known = groups.iter().position(|(id, group)| *id == target_id && group.account == account);
            let at = known.unwrap_or(groups.len());
            if known.is_none() {
                // One that is missing costs this job's account its turn, once somebody wants to go on with it (DESIGN F10).
                let target = target_id.map(|id| sql::target(&connection, id)).transpose()?.flatten();
                let group = OpenJobs { account: account.to_owned(), target, jobs: 0, oldest: Vec::new() };
                groups.push((target_id, group));
            }
            if let Some((_, group)) = groups.get_mut(at) {
                group.jobs += 1;
                if group.oldest.len() < OpenJobs::NAMED {
                    group.oldest.push(JobId(row.get(0)?));
                }
            }
        }
        Ok(groups.into_iter().map(|(_, group)| group).collect())
    }
}

/// Writes down what is wrong with one side of an account. Returns whether that is news.
fn set_problem(
    unit: &mut Unit<'_>,
    side: Side,
    account: &str,
    problem: Option<&Problem>,
    now: Timestamp,
) -> Result<bool, JobLogError> {
    let update = match side {
        Side::Folder => {
            "UPDATE account SET folder_problem = ?2, folder_remedy = ?3, unopened = 0
             WHERE name = ?1 AND (unopened OR folder_problem IS NOT ?2 OR folder_remedy IS NOT ?3)"
        }
        Side::Api => {
            "UPDATE account SET api_problem = ?2, api_remedy = ?3
             WHERE name = ?1 AND (api_problem IS NOT ?2 OR api_remedy IS NOT ?3)"
        }
    };
    let (what, remedy) = problem.map(|problem| (problem.what.clone(), problem.remedy.clone())).unzip();
    let is_well = what.is_none();
    let changed = unit.prepare_cached(update)?.execute(params![account, what, remedy.flatten()])?;
    if matches!(side, Side::Api) && is_well {
        unit.prepare_cached("UPDATE account SET unauthorised_streak = 0 WHERE name = ?1 AND unauthorised_streak > 0")?
            .execute([account])?;
    }
    unit.prepare_cached(
        "UPDATE account SET blocked_at = CASE WHEN NOT unopened AND folder_problem IS NULL AND api_problem IS NULL THEN NULL
                                              ELSE coalesce(blocked_at, ?2) END
         WHERE name = ?1",
    )?
    .execute(params![account, now.0])?;
    note_block(unit, account, now)?;
    unit.effects.changed |= changed > 0;
    Ok(changed > 0)
}

/// Reads what was kept of refused styles. A text that does not read back was changed by hand: then nothing is known.
fn refusals(text: &str) -> Vec<(String, String)> {
    serde_json::from_str(text).unwrap_or_default()
}

fn aim(connection: &Connection, account: &str, target: &Target) -> Result<(), JobLogError> {
    let target_id = sql::target_id(connection, target)?;
    let changed = connection
        .prepare_cached(
            "UPDATE account SET target_id = ?2, baseline_at = NULL, first_scan_at = NULL, style = NULL,
                    trial_style = NULL, proven_style = NULL, proven_by = NULL, proven_at = NULL, refused_styles = NULL,
                    list_read_at = NULL, row_count = NULL, error_address = NULL, refused_streak = 0, refused_alike = NULL, unclear_streak = 0,
                    server_seen_at = NULL, stranger_id = NULL, stranger_name = NULL, stranger_seen_at = NULL,
                    aimed_event = coalesce((SELECT max(id) FROM job_event), 0)
             WHERE name = ?1 AND target_id IS NOT ?2",
        )?
        .execute(params![account, target_id])?;
    if changed > 0 {
        connection.prepare_cached("DELETE FROM day_sent WHERE account = ?1")?.execute([account])?;
        let line = sql::line_of(connection, account, target_id)?;
        connection.prepare_cached("UPDATE account SET line = ?2 WHERE name = ?1")?.execute(params![account, line])?;
    }
    Ok(())
}

/// Writes down that the account blocked, or works again, if that is news.
///
/// It works again only once its folder was opened and its remote list was read: at each start both are yet to be seen.
pub(super) fn note_block(connection: &Connection, account: &str, now: Timestamp) -> Result<(), JobLogError> {
    let noted: Option<Option<String>> = connection
        .prepare_cached("SELECT noted_problem FROM account WHERE name = ?1")?
        .query_row([account], |row| row.get(0))
        .optional()?;
    let Some(noted) = noted else { return Ok(()) };
    let row = account_row(connection, account)?;
    let is_seen = !row.unopened && row.folder_problem.is_none() && row.baseline_at.is_some();
    let problem = row.folder_problem.or(row.api_problem).map(|problem| problem.to_string());
    let (event, detail, noted) = match (problem, noted) {
        (Some(problem), None) => ("blocked", problem.clone(), Some(problem)),
        // A list that can be read does not show that uploads are accepted again.
        (None, Some(noted)) if is_seen && row.refused_styles.is_empty() => ("unblocked", noted, None),
        (Some(_), Some(_)) | (None, Some(_) | None) => return Ok(()),
    };
    connection
        .prepare_cached("UPDATE account SET noted_problem = ?2 WHERE name = ?1")?
        .execute(params![account, noted])?;
    insert_account_event(connection, Some(account), now, event, &detail)
}

pub(super) fn account_row(connection: &Connection, account: &str) -> Result<AccountRow, JobLogError> {
    Ok(connection
        .prepare_cached(&format!("SELECT {ACCOUNT_COLUMNS} FROM account WHERE name = ?1"))?
        .query_row([account], AccountRow::decode)?)
}
