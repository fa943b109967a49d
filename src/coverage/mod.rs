//! The data days that Adobe has of an account: which days are missing, and which are double.
//!
//! Only files that Adobe accepted and has not failed count. Pure: the input is facts of the job log and `now`, the
//! output is days.

mod rhythm;

pub use rhythm::{LEARNT_FROM, Rhythm};

use crate::config::ExpectDays;
use crate::job::{Timestamp, Total, printable};
use crate::joblog::{DayRow, JobLogError, Reader};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rhythm::{days, days_between};
use std::collections::BTreeMap;

/// Number of days in a row without files that end a history. Days before such a hole do not count for the rhythm.
const LONGEST_HOLE: i32 = 60;
/// Maximum number of metrics that a sentence names.
const METRICS: usize = 5;

/// The facts of the job log about the data days of an account.
#[derive(Debug, Clone)]
pub struct DayFacts {
    /// Each covered day, by its sets of columns, in order.
    pub rows: Vec<DayRow>,
    /// All covered days in order, with the time at which each was first covered.
    pub covered: Vec<(Date, Timestamp)>,
    /// The zone in which the account's days begin.
    pub zone: TimeZone,
    /// The day on which the account began. No earlier day is missing if none is covered.
    pub began: Option<Date>,
    /// Number of accepted files whose days are unknown.
    pub undated: i64,
}

/// The days to show. Without a bound, all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DayRange {
    /// The first day.
    pub from: Option<Date>,
    /// The last day.
    pub to: Option<Date>,
}

impl DayRange {
    /// Returns whether the range includes a day.
    #[must_use]
    pub fn has(&self, day: Date) -> bool {
        self.from.is_none_or(|from| from <= day) && self.to.is_none_or(|to| day <= to)
    }
}

/// The status of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DayStatus {
    /// Accepted files report this day.
    Covered,
    /// No accepted file reports this day, and its deadline has passed.
    Missing,
    /// Two accepted files with the same columns report this day.
    Double,
}

impl DayStatus {
    /// The word of DESIGN §7.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Covered => "covered",
            Self::Missing => "missing",
            Self::Double => "double",
        }
    }
}

/// A data day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CoverageDay {
    /// The date.
    pub day: Date,
    /// Its status.
    pub status: DayStatus,
    /// Number of accepted files that report it.
    pub files: i64,
    /// Number of their rows.
    pub rows: i64,
    /// Maximum number of these rows that Adobe may not have processed.
    pub in_doubt: i64,
    /// The totals of these rows by metric.
    pub totals: BTreeMap<String, Total>,
}

/// The data days of an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Coverage {
    /// The covered and missing days, in order.
    pub days: Vec<CoverageDay>,
    /// The rhythm that decides when days are missing. `None`: no day counts as missing, because neither the
    /// configuration nor the history shows a rhythm.
    pub rhythm: Option<Rhythm>,
    /// The newest covered day that is not in the future.
    pub newest: Option<Date>,
    /// Number of accepted files whose days are unknown, whatever the range.
    pub undated: i64,
}

impl Coverage {
    /// Combines the facts. `expected` comes from the account's configuration.
    #[must_use]
    pub fn of(facts: &DayFacts, expected: Option<ExpectDays>, range: DayRange, now: Timestamp) -> Self {
        let today = today(&facts.zone, now);
        let past = &facts.covered[..facts.covered.partition_point(|(day, _)| *day <= today)];
        let rhythm = match expected {
            Some(days) => Some(Rhythm { days, is_learnt: false }),
            None => Rhythm::learn(past, &facts.zone),
        };
        let mut by_day: BTreeMap<Date, CoverageDay> = BTreeMap::new();
        for row in facts.rows.iter().filter(|row| range.has(row.day)) {
            by_day.entry(row.day).or_insert_with(|| CoverageDay::empty(row.day, DayStatus::Covered)).add(row);
        }
        if let Some(rhythm) = rhythm
            && let Some(begin) = begin_of(&rhythm, past, facts.began)
        {
            let from = range.from.map_or(begin, |from| from.max(begin));
            let to = range.to.map_or(today, |to| to.min(today));
            let covered = |day: Date| past.binary_search_by_key(&day, |(day, _)| *day).is_ok();
            let is_missing = |day: &Date| rhythm.has(*day) && !covered(*day) && rhythm.is_due(*day, &facts.zone, now);
            for day in days(from, to).filter(is_missing) {
                by_day.insert(day, CoverageDay::empty(day, DayStatus::Missing));
            }
        }
        Self {
            days: by_day.into_values().collect(),
            rhythm,
            newest: past.last().map(|(day, _)| *day),
            undated: facts.undated,
        }
    }

    /// The days with this status.
    pub fn with_status(&self, status: DayStatus) -> impl Iterator<Item = &CoverageDay> {
        self.days.iter().filter(move |day| day.status == status)
    }
}

impl CoverageDay {
    fn empty(day: Date, status: DayStatus) -> Self {
        Self { day, status, files: 0, rows: 0, in_doubt: 0, totals: BTreeMap::new() }
    }

    /// Adds the report of files with the same columns.
    fn add(&mut self, row: &DayRow) {
        if row.files > 1 {
            self.status = DayStatus::Double;
        }
        self.files += row.files;
        self.rows += row.rows;
        self.in_doubt += row.in_doubt;
        for (metric, total) in row.metrics.iter().zip(&row.totals) {
            self.totals.entry(metric.clone()).or_default().add_total(total);
        }
    }
}

/// The totals of files for each day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DayTotals(BTreeMap<Date, CoverageDay>);

impl DayTotals {
    /// Adds the report of a file.
    pub fn add(&mut self, rows: &[DayRow]) {
        for row in rows {
            self.0.entry(row.day).or_insert_with(|| CoverageDay::empty(row.day, DayStatus::Covered)).add(row);
        }
    }

    /// The days in order.
    #[must_use]
    pub fn days(&self) -> impl ExactSizeIterator<Item = &CoverageDay> {
        self.0.values()
    }
}

/// `Event 1 12.50, Price 3`.
#[must_use]
pub fn sums_in_words(totals: &BTreeMap<String, Total>) -> String {
    let sum = |total: &Total| total.sum.map_or_else(|| "?".to_owned(), |sum| sum.to_string());
    let words = totals.iter().take(METRICS).map(|(metric, total)| format!("{} {}", printable(metric), sum(total)));
    let mut words: Vec<String> = words.collect();
    if let Some(more) = totals.len().checked_sub(METRICS).filter(|more| *more > 0) {
        words.push(format!("{more} more"));
    }
    words.join(", ")
}

/// The current day in the zone.
#[must_use]
pub fn today(zone: &TimeZone, now: Timestamp) -> Date {
    jiff::Timestamp::from_millisecond(now.0).unwrap_or_default().to_zoned_datetime(zone.clone()).date()
}

/// Returns the first day that may be missing. A configured rhythm holds from the day on which the account began.
fn begin_of(rhythm: &Rhythm, covered: &[(Date, Timestamp)], began: Option<Date>) -> Option<Date> {
    let history = begin_of_history(covered);
    if rhythm.is_learnt { history } else { history.into_iter().chain(began).min() }
}

/// Returns the first day after the last long hole, so that a single old correction does not make years of missing days.
fn begin_of_history(covered: &[(Date, Timestamp)]) -> Option<Date> {
    let mut begin = covered.first()?.0;
    for pair in covered.windows(2) {
        if let [(before, _), (day, _)] = pair
            && days_between(*before, *day) > LONGEST_HOLE
        {
            begin = *day;
        }
    }
    Some(begin)
}

impl DayFacts {
    /// Reads the facts.
    ///
    /// # Errors
    /// [`JobLogError`] if the job log cannot be read.
    pub fn read(reader: &Reader, account: &str, zone: TimeZone, range: DayRange) -> Result<Self, JobLogError> {
        Ok(Self { rows: reader.day_rows(account, range.from, range.to)?, ..Self::dates(reader, account, zone)? })
    }

    /// Reads only the dates, without the reports of files. This suffices to find missing days.
    ///
    /// # Errors
    /// [`JobLogError`] if the job log cannot be read.
    pub fn dates(reader: &Reader, account: &str, zone: TimeZone) -> Result<Self, JobLogError> {
        Ok(Self {
            rows: Vec::new(),
            covered: reader.covered_days(account)?,
            began: reader.began_at(account)?.map(|at| today(&zone, at)),
            undated: reader.files_without_days(account)?,
            zone,
        })
    }
}
