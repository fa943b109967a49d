//! Data days: those that a file's rows are dated with, and what Adobe documents of how much it takes of one data source: 90
//! unique days per calendar day, and 50 MB waiting to be processed.

use super::errors::JobLogError;
use super::reader::Reader;
use super::row::Job;
use super::sql;
use super::unit_of_work::Unit;
use crate::job::sets::AT_ADOBE;
use crate::job::{Cause, DayZone, JobId, Timestamp};
use bytesize::ByteSize;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rusqlite::params;
use serde_json::json;
use std::collections::HashMap;
use std::time::Duration;

/// Maximum number of unique data days per calendar day, of all files of a data source (Adobe, "Data sources requirements").
pub const MOST_DAYS_SENT: i64 = 90;
/// Bytes waiting in a data source above which Adobe pauses processing (Adobe, "Data sources FAQ").
pub const MOST_WAITING: u64 = 50_000_000;

/// What one account has sent so far of what Adobe takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intake {
    /// The calendar day in the account's zone.
    pub today: Date,
    /// When the next one begins there.
    pub tomorrow: Timestamp,
    /// Bytes of the account that Adobe has not processed.
    pub at_adobe: u64,
}

impl Intake {
    /// `at_adobe`: its bytes that Adobe has not processed.
    #[must_use]
    pub fn of(zone: &DayZone, at_adobe: u64, now: Timestamp) -> Self {
        let here = zone.at(now);
        let today = here.date();
        let tomorrow = today.tomorrow().ok().and_then(|day| day.to_zoned_datetime(zone.zone.clone()).ok());
        let tomorrow = tomorrow.map_or(now, |begin| Timestamp(begin.timestamp().as_millisecond()));
        Self { today, tomorrow, at_adobe }
    }
}

/// What becomes of a file that would be more than Adobe takes.
#[derive(Debug, Clone, PartialEq)]
pub struct IntakeLimits {
    /// Where days begin; `None`: as in the report suite.
    pub time_zone: Option<TimeZone>,
    /// Files are checked, so that their days are known.
    pub counts_days: bool,
    /// Data days per calendar day beyond which files wait. `None`: they are sent with a warning.
    pub max_data_days: Option<u64>,
    /// Bytes at Adobe beyond which files wait. `None`: they are sent with a warning.
    pub max_at_adobe: Option<u64>,
}

/// Whether a file can go now.
pub(super) enum Room {
    /// It can, and what is to be said of it.
    Enough(Option<String>),
    /// It waits for the next day.
    Tomorrow,
    /// It waits until Adobe has processed more.
    Later,
}

/// Writes down which days a file's rows are dated with.
pub(super) fn note_days(unit: &Unit<'_>, id: JobId, days: &[Date]) -> Result<(), JobLogError> {
    if days.is_empty() {
        return Ok(());
    }
    unit.prepare_cached("INSERT OR IGNORE INTO job_day (job_id, day) SELECT ?1, value FROM json_each(?2)")?
        .execute(params![id.0, json!(days).to_string()])?;
    Ok(())
}

/// Whether Adobe takes a file beside what was sent today and what waits there. If so, it counts from here on. If not, the job
/// says why it waits.
pub(super) fn take_room(
    unit: &mut Unit<'_>,
    job: &mut Job,
    (limits, intake): (&IntakeLimits, &mut Intake),
    now: Timestamp,
) -> Result<Room, JobLogError> {
    let waiting = intake.at_adobe.saturating_add(job.size.unwrap_or(0));
    let bytes = |limit: u64| {
        let [waiting, limit] = [waiting, limit].map(|bytes| ByteSize(bytes).display().si());
        format!("with this file, {waiting} wait at Adobe in this data source, of {limit}")
    };
    if let Some(limit) = limits.max_at_adobe.filter(|limit| waiting > *limit && intake.at_adobe > 0) {
        let reason = format!("waits for Adobe: {} that `max_at_adobe` allows", bytes(limit));
        if job.reason.as_deref() != Some(&reason) {
            job.reason = Some(reason);
            unit.save(job)?;
        }
        return Ok(Room::Later);
    }
    let mut warnings = Vec::new();
    if limits.counts_days {
        match count_days(unit, job, limits, intake)? {
            Days::Fine => {}
            Days::Beyond(warning) => warnings.push(warning),
            Days::TooMany(reason) => {
                postpone(unit, job, (intake.tomorrow, reason), now)?;
                return Ok(Room::Tomorrow);
            }
        }
    }
    if waiting > MOST_WAITING && intake.at_adobe <= MOST_WAITING {
        warnings.push(format!("{} above which Adobe documents that it pauses", bytes(MOST_WAITING)));
    }
    intake.at_adobe = waiting;
    let warning = (!warnings.is_empty()).then(|| warnings.join("; "));
    if let Some(warning) = &warning {
        sql::insert_event(unit, job.id, now, "warned", Some(job.state), job.state, Some(warning))?;
    }
    Ok(Room::Enough(warning))
}

/// What the days of a file mean beside those that were sent today.
enum Days {
    Fine,
    /// More than Adobe documents.
    Beyond(String),
    /// More than the account allows.
    TooMany(String),
}

/// Counts the days of a file among those that were sent today, unless they are too many.
fn count_days(unit: &Unit<'_>, job: &Job, limits: &IntakeLimits, intake: &Intake) -> Result<Days, JobLogError> {
    let today = intake.today.to_string();
    let (sent, added): (i64, i64) = unit
        .prepare_cached(
            "SELECT (SELECT count(*) FROM day_sent WHERE account = ?1 AND sent_on = ?2),
                    (SELECT count(*) FROM job_day WHERE job_id = ?3
                     AND day NOT IN (SELECT day FROM day_sent WHERE account = ?1 AND sent_on = ?2))",
        )?
        .query_row(params![job.account, today, job.id.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if added == 0 {
        return Ok(Days::Fine);
    }
    let days = sent + added;
    let words = |limit: i64| format!("with this file, {days} different data days are sent on {today}, of {limit}");
    let limit = limits.max_data_days.and_then(|limit| i64::try_from(limit).ok());
    if let Some(limit) = limit.filter(|limit| days > *limit && sent > 0) {
        return Ok(Days::TooMany(format!("waits for tomorrow: {} that `max_data_days` allows", words(limit))));
    }
    unit.prepare_cached(
        "INSERT INTO day_sent SELECT ?1, ?2, day FROM job_day WHERE job_id = ?3 ON CONFLICT DO NOTHING",
    )?
    .execute(params![job.account, today, job.id.0])?;
    if days <= MOST_DAYS_SENT {
        return Ok(Days::Fine);
    }
    let words = words(MOST_DAYS_SENT);
    Ok(Days::Beyond(format!("{words} that Adobe documents per calendar day, for all files together")))
}

/// Keeps a queued job from being sent before a day begins.
pub(super) fn postpone(
    unit: &mut Unit<'_>,
    job: &mut Job,
    (until, reason): (Timestamp, String),
    now: Timestamp,
) -> Result<(), JobLogError> {
    job.next_attempt_at = Some(until);
    job.cause = Some(Cause::DayToCome);
    job.reason = Some(reason);
    unit.save(job)?;
    unit.effects.changed = true;
    sql::insert_event(unit, job.id, now, "postponed", Some(job.state), job.state, job.reason.as_deref())
}

impl Reader {
    /// Bytes of each account that Adobe has not processed; accounts without any are left out.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn bytes_at_adobe(&self) -> Result<HashMap<String, u64>, JobLogError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&format!(
            "SELECT account, sum(size) FROM {} WHERE finished_at IS NULL AND state IN {AT_ADOBE} GROUP BY account",
            sql::UNFINISHED
        ))?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Account, calendar day, and how many data days were sent on it: of the last days, of which one is today in any zone.
    pub(super) fn latest_days_sent(&self, now: Timestamp) -> Result<Vec<(String, String, i64)>, JobLogError> {
        let since = now.before(Duration::from_hours(48)).to_string();
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT name, sent_on, count(*) FROM account JOIN day_sent ON day_sent.account = name AND sent_on >= ?1
             GROUP BY name, sent_on",
        )?;
        let rows = statement.query_map([&since[..10]], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The data days of what an account sent on a calendar day.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn days_sent(&self, account: &str, on: Date) -> Result<Vec<String>, JobLogError> {
        let connection = self.connection();
        let mut statement =
            connection.prepare_cached("SELECT day FROM day_sent WHERE account = ?1 AND sent_on = ?2")?;
        let rows = statement.query_map(params![account, on.to_string()], |row| row.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The days that the rows of a job's file are dated with, as far as it was checked.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn data_days(&self, id: JobId) -> Result<Vec<String>, JobLogError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached("SELECT day FROM job_day WHERE job_id = ?1 ORDER BY day")?;
        let rows = statement.query_map([id.0], |row| row.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}
