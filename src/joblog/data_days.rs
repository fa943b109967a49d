//! Data days: those that a file's rows are dated with, and what Adobe documents of how much it takes of one data source: 90
//! unique days per calendar day, and 50 MB waiting to be processed.

use super::errors::JobLogError;
use super::reader::Reader;
use super::row::Job;
use super::sql;
use super::unit_of_work::Unit;
use super::writer::{JobLog, Pending};
use crate::config::{AccountConfig, CheckMode};
use crate::job::sets::ON_THE_WIRE_OR_AT_ADOBE;
use crate::job::{Cause, DayZone, JobId, Timestamp};
use bytesize::ByteSize;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rusqlite::{Connection, params};
use std::collections::HashMap;
use std::time::Duration;

/// Maximum number of unique data days per calendar day, of all files of a data source (Adobe, "Data sources requirements").
pub const MOST_DAYS_SENT: i64 = 90;
/// Bytes waiting in a data source above which Adobe pauses processing (Adobe, "Data sources FAQ").
pub const MOST_WAITING: u64 = 50_000_000;

/// What an account may still send of what Adobe takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Allowance {
    /// Where its days begin.
    pub zone: DayZone,
    /// Bytes of the account that Adobe has not processed, or may have.
    pub at_adobe: u64,
}

/// What becomes of a file that would be more than Adobe takes.
#[derive(Debug, Clone, PartialEq)]
pub struct AllowanceLimits {
    /// Where days begin; `None`: as in the report suite.
    pub time_zone: Option<TimeZone>,
    /// Files are checked, so that their days are known.
    pub counts_days: bool,
    /// A file waits for days that have not begun.
    pub waits_for_days: bool,
    /// Data days per calendar day beyond which files wait. `None`: they are sent with a warning.
    pub max_data_days: Option<u64>,
    /// Bytes at Adobe beyond which files wait. `None`: they are sent with a warning.
    pub max_at_adobe: Option<u64>,
}

impl AllowanceLimits {
    /// Those of an account.
    #[must_use]
    pub fn of(account: &AccountConfig) -> Self {
        Self {
            time_zone: account.time_zone.clone(),
            counts_days: account.check != CheckMode::Off,
            waits_for_days: account.check == CheckMode::Reject,
            max_data_days: account.max_data_days,
            max_at_adobe: account.max_at_adobe,
        }
    }

    /// Why a file of this size waits for Adobe, if it does. `at_adobe`: bytes that wait there.
    #[must_use]
    pub fn wait_for_adobe(&self, at_adobe: u64, size: u64) -> Option<String> {
        let limit = self.max_at_adobe.filter(|limit| at_adobe.saturating_add(size) > *limit && at_adobe > 0)?;
        let beside = beside_what_waits(at_adobe, size, limit);
        Some(format!("waits for Adobe: {beside} that `max_at_adobe` allows"))
    }

    /// Why a file waits for the next day, if it does. `sent`: different data days that were sent today; `added`: those of the
    /// file beside them.
    #[must_use]
    pub fn wait_for_tomorrow(&self, sent: i64, added: i64, today: Date) -> Option<String> {
        let limit = self.max_data_days.and_then(|limit| i64::try_from(limit).ok())?;
        let is_beyond = sent + added > limit && added > 0 && sent > 0;
        let words =
            || format!("waits for tomorrow: {} that `max_data_days` allows", sent_with(sent + added, today, limit));
        is_beyond.then(words)
    }

    /// When the latest day of a file begins, if that is still to come and the file waits for it, and why.
    #[must_use]
    pub fn wait_for_day(&self, latest: Date, zone: &DayZone, now: Timestamp) -> Option<(Timestamp, String)> {
        let begin = begin_of(latest, zone).filter(|_| self.waits_for_days)?;
        let slack = if zone.is_suites { Duration::ZERO } else { ZONES_APART };
        if begin <= now.after(slack) || begin > now.after(LONGEST_POSTPONED) {
            return None;
        }
        let name = zone.zone.iana_name().unwrap_or("the zone of this computer");
        Some((begin, format!("waits for its latest day: {latest} begins in {name} at {begin}")))
    }
}

fn beside_what_waits(at_adobe: u64, size: u64, limit: u64) -> String {
    let [waiting, limit] = [at_adobe.saturating_add(size), limit].map(|bytes| ByteSize(bytes).display().si());
    format!("with this file, {waiting} wait at Adobe in this data source, of {limit}")
}

fn sent_with(days: i64, today: Date, limit: i64) -> String {
    format!("with this file, {days} different data days are sent on {today}, of {limit}")
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

/// Time beyond which no file waits for a day: one that does was postponed under a clock that was ahead.
const LONGEST_POSTPONED: Duration = Duration::from_hours(9 * 24);

/// The condition that a queued job waits for a day that begins after `?2`, the time.
pub(super) fn waits_for_a_day() -> String {
    let longest = LONGEST_POSTPONED.as_millis();
    let (day_to_come, next_day) = (Cause::DayToCome.as_str(), Cause::NextDay.as_str());
    format!(
        "coalesce(cause IN ('{day_to_come}', '{next_day}'), 0) AND +next_attempt_at BETWEEN ?2 + 1 AND ?2 + {longest}"
    )
}

/// Whether Adobe takes a file beside what was sent today and what waits there. If so, it counts from here on. If not, the job
/// says why it waits.
pub(super) fn take_room(
    unit: &mut Unit<'_>,
    job: &mut Job,
    (limits, allowance): (&AllowanceLimits, &mut Allowance),
    now: Timestamp,
) -> Result<Room, JobLogError> {
    if limits.waits_for_days
        && let Some(latest) = latest_day(unit, job)?
        && let Some(until) = limits.wait_for_day(latest, &allowance.zone, now)
    {
        postpone(unit, job, Cause::DayToCome, until, now)?;
        return Ok(Room::Tomorrow);
    }
    let size = job.size.unwrap_or(0);
    let waiting = allowance.at_adobe.saturating_add(size);
    if let Some(reason) = limits.wait_for_adobe(allowance.at_adobe, size) {
        if job.reason.as_deref() != Some(&reason) {
            job.reason = Some(reason);
            unit.save(job)?;
        }
        return Ok(Room::Later);
    }
    let mut warnings = Vec::new();
    if limits.counts_days {
        let today = allowance.zone.at(now).date();
        match count_days(unit, job, limits, today)? {
            Days::Fine => {}
            Days::Beyond(warning) => warnings.push(warning),
            Days::TooMany(reason) => {
                // At the end of the calendar there is none.
                let Some(begin) = today.tomorrow().ok().and_then(|day| begin_of(day, &allowance.zone)) else {
                    return Ok(Room::Later);
                };
                postpone(unit, job, Cause::NextDay, (begin, reason), now)?;
                return Ok(Room::Tomorrow);
            }
        }
    }
    if waiting > MOST_WAITING && allowance.at_adobe <= MOST_WAITING {
        let beside = beside_what_waits(allowance.at_adobe, size, MOST_WAITING);
        warnings.push(format!("{beside} above which Adobe documents that it pauses"));
    }
    allowance.at_adobe = waiting;
    let warning = (!warnings.is_empty()).then(|| warnings.join("; "));
    if let Some(warning) = &warning {
        sql::insert_event(unit, job.id, now, "warned", Some(job.state), job.state, Some(warning))?;
    }
    Ok(Room::Enough(warning))
}

/// The API has nothing of a file, so its days do not count.
pub(super) fn take_back_days(connection: &Connection, id: JobId) -> Result<(), JobLogError> {
    connection.prepare_cached("DELETE FROM day_sent WHERE job_id = ?1")?.execute([id.0])?;
    Ok(())
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
fn count_days(unit: &Unit<'_>, job: &Job, limits: &AllowanceLimits, on: Date) -> Result<Days, JobLogError> {
    let today = on.to_string();
    let (sent, added): (i64, i64) = unit
        .prepare_cached(
            "SELECT (SELECT count(DISTINCT day) FROM day_sent WHERE account = ?1 AND sent_on = ?2),
                    (SELECT count(*) FROM job_day WHERE job_id = ?3
                     AND day NOT IN (SELECT day FROM day_sent WHERE account = ?1 AND sent_on = ?2))",
        )?
        .query_row(params![job.account, today, job.id.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let days = sent + added;
    if let Some(reason) = limits.wait_for_tomorrow(sent, added, on) {
        return Ok(Days::TooMany(reason));
    }
    if sent == 0 {
        // What was sent before yesterday is today's in no zone.
        let kept = on.yesterday().unwrap_or(on).to_string();
        unit.prepare_cached("DELETE FROM day_sent WHERE account = ?1 AND sent_on < ?2")?
            .execute(params![job.account, kept])?;
    }
    unit.prepare_cached(
        "INSERT INTO day_sent (account, sent_on, day, job_id) SELECT ?1, ?2, day, job_id FROM job_day WHERE job_id = ?3
         ON CONFLICT DO NOTHING",
    )?
    .execute(params![job.account, today, job.id.0])?;
    if added == 0 || days <= MOST_DAYS_SENT {
        return Ok(Days::Fine);
    }
    let words = sent_with(days, on, MOST_DAYS_SENT);
    Ok(Days::Beyond(format!("{words} that Adobe documents per calendar day, for all files together")))
}

/// When a day begins in a zone.
fn begin_of(day: Date, zone: &DayZone) -> Option<Timestamp> {
    let begin = day.to_zoned_datetime(zone.zone.clone()).ok()?;
    Some(Timestamp(begin.timestamp().as_millisecond()))
}

impl JobLog {
    /// What waits for a day is judged again when its turn comes: the zone, or what the account wants, may be another one.
    #[must_use]
    pub fn judge_days_again(&self, account: String) -> Pending<()> {
        self.call(move |unit| judge_days_again(unit, &account))
    }
}

pub(super) fn judge_days_again(unit: &mut Unit<'_>, account: &str) -> Result<(), JobLogError> {
    let waiting = unit
        .prepare_cached(&format!(
            "UPDATE job SET next_attempt_at = queued_at, cause = NULL, reason = NULL
             WHERE account = ?1 AND state = 'queued' AND cause IN ('{}', '{}')",
            Cause::DayToCome.as_str(),
            Cause::NextDay.as_str()
        ))?
        .execute([account])?;
    unit.effects.changed |= waiting > 0;
    Ok(())
}

/// Time by which a day may begin earlier in the zone of a report suite than in that of this computer.
const ZONES_APART: Duration = Duration::from_hours(26);

fn latest_day(unit: &Unit<'_>, job: &Job) -> Result<Option<Date>, JobLogError> {
    let latest: Option<String> = unit
        .prepare_cached("SELECT max(day) FROM job_day WHERE job_id = ?1")?
        .query_row([job.id.0], |row| row.get(0))?;
    Ok(latest.and_then(|day| day.parse().ok()))
}

/// Keeps a queued job from being sent before a day begins.
pub(super) fn postpone(
    unit: &mut Unit<'_>,
    job: &mut Job,
    cause: Cause,
    (until, reason): (Timestamp, String),
    now: Timestamp,
) -> Result<(), JobLogError> {
    job.next_attempt_at = Some(until);
    job.cause = Some(cause);
    job.reason = Some(reason);
    unit.save(job)?;
    unit.effects.changed = true;
    sql::insert_event(unit, job.id, now, "postponed", Some(job.state), job.state, job.reason.as_deref())
}

impl Reader {
    /// Bytes of an account that Adobe has not processed, or may have. What it takes too long for does not count: it may know
    /// nothing of that any more.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn bytes_at_adobe(&self, account: &str) -> Result<u64, JobLogError> {
        let bytes: i64 = self
            .connection()
            .prepare_cached(&format!(
                "SELECT coalesce(sum(size), 0) FROM {} WHERE account = ?1 AND finished_at IS NULL
                   AND state IN {ON_THE_WIRE_OR_AT_ADOBE}
                   AND NOT EXISTS (SELECT 1 FROM job_event WHERE job_id = job.id AND event = 'asked-daily')",
                sql::UNFINISHED
            ))?
            .query_row([account], |row| row.get(0))?;
        Ok(bytes.cast_unsigned())
    }

    /// The files of each account that wait for a day: how many, and when the first is due.
    pub(super) fn waiting_for_day(&self) -> Result<HashMap<String, (i64, Timestamp)>, JobLogError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT account, count(*), min(next_attempt_at) FROM job INDEXED BY job_for_a_day
             WHERE cause IN ('day-to-come', 'next-day') GROUP BY account",
        )?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, (row.get(1)?, Timestamp(row.get(2)?)))))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// Account, calendar day, and how many data days were sent on it: of the last days, of which one is today in any zone.
    pub(super) fn latest_days_sent(&self, now: Timestamp) -> Result<Vec<(String, String, i64)>, JobLogError> {
        let since = now.before(Duration::from_hours(48)).to_string();
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT name, sent_on, count(DISTINCT day) FROM account JOIN day_sent ON day_sent.account = name AND sent_on >= ?1
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
            connection.prepare_cached("SELECT DISTINCT day FROM day_sent WHERE account = ?1 AND sent_on = ?2")?;
        let rows = statement.query_map(params![account, on.to_string()], |row| row.get(0))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}
