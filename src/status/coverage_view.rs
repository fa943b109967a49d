//! The data days of accounts: a calendar for people; a table, JSON and CSV.

use super::csv::{lines, text};
use super::format::printable;
use super::remote_view::columns;
use crate::coverage::{Coverage, CoverageDay, DayStatus, DayTotals, sums_in_words};
use crate::job::{JobId, Total, counted, grouped};
use jiff::Span;
use jiff::civil::{Date, Weekday};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The keys of DESIGN §7, in their order.
const KEYS: [&str; 7] = ["account", "day", "files", "rows", "totals", "job_ids", "status"];
/// Width of a day in a calendar: two digits and a mark.
const CELL: usize = 3;
/// Width of a month in a calendar, and of the gap between two months.
const MONTH: usize = 7 * CELL;
const GAP: usize = 3;
/// Maximum number of months next to each other.
const MONTHS: usize = 3;
/// Maximum number of jobs that a line names.
pub const JOBS_NAMED: usize = 10;
/// Maximum number of days that a line names.
const NAMED: usize = 10;
/// Maximum number of days in a table of files to send.
const LISTED: usize = 31;

/// The data days of one account.
#[derive(Debug)]
pub struct AccountCoverage {
    /// Its name.
    pub account: String,
    /// Its days.
    pub coverage: Coverage,
    /// The jobs that report each day. A page for people has only the first [`JOBS_NAMED`] of each.
    pub jobs: BTreeMap<Date, Vec<JobId>>,
}

#[derive(serde::Serialize)]
struct Object<'a> {
    account: &'a str,
    day: String,
    files: i64,
    rows: i64,
    totals: BTreeMap<&'a str, Option<String>>,
    job_ids: &'a [JobId],
    status: &'static str,
}

impl AccountCoverage {
    fn objects(&self) -> impl Iterator<Item = Object<'_>> {
        self.coverage.days.iter().map(|day| Object {
            account: &self.account,
            day: day.day.to_string(),
            files: day.files,
            rows: day.rows,
            totals: day.totals.iter().map(|(metric, total)| (metric.as_str(), text_of(total))).collect(),
            job_ids: self.jobs.get(&day.day).map_or(&[], Vec::as_slice),
            status: day.status.as_str(),
        })
    }
}

impl AccountCoverage {
    /// `12, 15 and 3 more`.
    fn jobs_in_words(&self, day: &CoverageDay) -> String {
        let jobs = self.jobs.get(&day.day).map_or(&[][..], Vec::as_slice);
        let named: Vec<String> = jobs.iter().take(JOBS_NAMED).map(ToString::to_string).collect();
        let more = day.files - i64::try_from(named.len()).unwrap_or(i64::MAX);
        let words = named.join(", ");
        if more > 0 && !named.is_empty() { format!("{words} and {more} more") } else { words }
    }
}

fn text_of(total: &Total) -> Option<String> {
    total.sum.map(|sum| sum.to_string())
}

/// An array with an object for each day.
///
/// # Errors
/// Never in practice: the text is built in memory.
pub fn coverage_json(accounts: &[AccountCoverage]) -> serde_json::Result<String> {
    let objects: Vec<Object<'_>> = accounts.iter().flat_map(AccountCoverage::objects).collect();
    let mut text = serde_json::to_string_pretty(&objects)?;
    text.push('\n');
    Ok(text)
}

/// A header and a line for each day. Totals are a JSON object. Blanks separate the numbers of jobs.
///
/// # Errors
/// Never in practice: the text is built in memory.
pub fn coverage_csv(accounts: &[AccountCoverage]) -> Result<String, ::csv::Error> {
    let ids = |jobs: &[JobId]| jobs.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    let records = accounts.iter().flat_map(AccountCoverage::objects).map(|object| {
        [
            text(object.account),
            object.day,
            object.files.to_string(),
            object.rows.to_string(),
            serde_json::to_string(&object.totals).unwrap_or_default(),
            ids(object.job_ids),
            object.status.to_owned(),
        ]
    });
    lines(&KEYS, records)
}

/// A line for each day.
#[must_use]
pub fn coverage_table(accounts: &[AccountCoverage]) -> String {
    let days = accounts.iter().flat_map(|account| account.coverage.days.iter().map(move |day| (account, day)));
    let rows = days.map(|(account, day)| {
        [
            printable(&account.account),
            day.day.to_string(),
            day.status.as_str().to_owned(),
            day.files.to_string(),
            day.rows.to_string(),
            day.in_doubt.to_string(),
            sums_in_words(&day.totals),
            account.jobs_in_words(day),
        ]
    });
    columns(&["account", "day", "status", "files", "rows", "in doubt", "sums", "jobs"], &[3, 4, 5], rows)
}

/// The totals of days before or after they are sent. Empty if no day is known.
#[must_use]
pub fn day_totals_table(totals: &DayTotals, indent: &str) -> String {
    let rows = totals.days().take(LISTED).map(|day| {
        let doubt =
            if day.in_doubt > 0 { format!(", up to {} in doubt", counted(day.in_doubt, "row")) } else { String::new() };
        [day.day.to_string(), day.files.to_string(), day.rows.to_string(), sums_in_words(&day.totals) + &doubt]
    });
    let mut table = columns(&["day", "files", "rows", "sums"], &[1, 2], rows);
    if totals.days().len() == 0 {
        return String::new();
    }
    if let Some(more) = totals.days().len().checked_sub(LISTED).filter(|more| *more > 0) {
        let _ = writeln!(table, "and {}", counted(i64::try_from(more).unwrap_or(i64::MAX), "more day"));
    }
    format!("{indent}{}\n", table.trim_end().replace('\n', &format!("\n{indent}")))
}

/// Describes an account's days in one line.
#[must_use]
pub fn coverage_summary(account: &str, coverage: &Coverage) -> String {
    let count = |status| coverage.with_status(status).count();
    let (missing, double) = (count(DayStatus::Missing), count(DayStatus::Double));
    let covered = i64::try_from(coverage.days.len() - missing).unwrap_or(i64::MAX);
    let rhythm = match &coverage.rhythm {
        Some(rhythm) => format!("{missing} missing, days are expected {}", rhythm.words()),
        None => {
            "none is known to be missing, as neither `expect_days` nor the history says which are expected".to_owned()
        }
    };
    format!(
        "{}: {} covered, {double} of them more than once; {rhythm}",
        printable(account),
        counted(covered, "data day")
    )
}

/// The months of one account, as many next to each other as fit into the width, and the days that need attention.
#[must_use]
pub fn coverage_calendar(shown: &AccountCoverage, width: usize) -> String {
    let coverage = &shown.coverage;
    let mut page = coverage_summary(&shown.account, coverage) + "\n";
    let (Some(first), Some(last)) = (coverage.days.first(), coverage.days.last()) else { return page };
    let beside = ((width + GAP) / (MONTH + GAP)).clamp(1, MONTHS);
    let by_day: BTreeMap<Date, &CoverageDay> = coverage.days.iter().map(|day| (day.day, day)).collect();
    let mut months: Vec<Date> =
        first.day.first_of_month().series(Span::new().months(1)).take_while(|month| *month <= last.day).collect();
    // Leave out months without a day.
    months.retain(|month| by_day.range(*month..=month.last_of_month()).next().is_some());
    for months in months.chunks(beside) {
        page.push('\n');
        let blocks: Vec<Vec<String>> = months.iter().map(|month| block(*month, &by_day)).collect();
        for line in 0..blocks.iter().map(Vec::len).max().unwrap_or_default() {
            let cells: Vec<&str> = blocks.iter().map(|block| block.get(line).map_or("", String::as_str)).collect();
            let cells: Vec<String> = cells.iter().map(|cell| format!("{cell:<MONTH$}")).collect();
            page.push_str(cells.join(&" ".repeat(GAP)).trim_end());
            page.push('\n');
        }
    }
    page.push_str("\n 3  covered    3! missing    3= double    3? rows in doubt    .  nothing\n");
    for line in notes(shown, width) {
        page.push_str(&line);
        page.push('\n');
    }
    page
}

/// The lines of a month, Monday first.
fn block(month: Date, by_day: &BTreeMap<Date, &CoverageDay>) -> Vec<String> {
    let title = month.strftime("%B %Y").to_string();
    let mut lines = vec![format!("{title:^MONTH$}"), "Mo Tu We Th Fr Sa Su".to_owned()];
    let mut line = " ".repeat(CELL * usize::try_from(month.weekday().to_monday_zero_offset()).unwrap_or_default());
    for day in month.series(Span::new().days(1)).take_while(|day| *day <= month.last_of_month()) {
        let _ = match by_day.get(&day) {
            Some(found) => write!(line, "{:>2}{}", day.day(), mark(found)),
            None => write!(line, "{:>2} ", "."),
        };
        if day.weekday() == Weekday::Sunday {
            lines.push(std::mem::take(&mut line));
        }
    }
    lines.push(line);
    lines
}

fn mark(day: &CoverageDay) -> char {
    match day.status {
        DayStatus::Missing => '!',
        DayStatus::Double => '=',
        DayStatus::Covered if day.in_doubt > 0 => '?',
        DayStatus::Covered => ' ',
    }
}

/// The days that need attention, with a long list on its own line, and the totals of all days.
fn notes(shown: &AccountCoverage, width: usize) -> Vec<String> {
    let coverage = &shown.coverage;
    let mut notes = Vec::new();
    let mut note = |word: &str, mut days: Vec<String>| {
        let more = days.len().saturating_sub(NAMED);
        days.truncate(NAMED);
        if more > 0 {
            days.push(format!("and {more} more"));
        }
        let line = format!("{word}: {}", days.join(", "));
        if line.len() > width {
            notes.push(format!("{word}:"));
            notes.extend(days.iter().map(|day| format!("  {day}")));
        } else if !days.is_empty() {
            notes.push(line);
        }
    };
    note(
        "missing",
        coverage.with_status(DayStatus::Missing).map(|day| day.day.strftime("%F (%a)").to_string()).collect(),
    );
    let double = coverage.with_status(DayStatus::Double);
    note("double", double.map(|day| format!("{} (jobs {})", day.day, shown.jobs_in_words(day))).collect());
    let doubtful = coverage.days.iter().filter(|day| day.in_doubt > 0);
    note(
        "in doubt",
        doubtful
            .map(|day| format!("{}: up to {} of {}", day.day, grouped(day.in_doubt), counted(day.rows, "row")))
            .collect(),
    );
    let mut totals: BTreeMap<String, Total> = BTreeMap::new();
    for (metric, total) in coverage.days.iter().flat_map(|day| &day.totals) {
        totals.entry(metric.clone()).or_default().add_total(total);
    }
    for (metric, total) in totals.iter().filter(|(_, total)| total.left_out > 0) {
        let values = counted(i64::try_from(total.left_out).unwrap_or(i64::MAX), "value");
        notes.push(format!("{}: the sums leave out {values} not written as plain numbers", printable(metric)));
    }
    let rows: i64 = coverage.days.iter().map(|day| day.rows).sum();
    let sums = if totals.is_empty() { String::new() } else { format!("; {}", sums_in_words(&totals)) };
    notes.push(format!("in all: {}{sums}", counted(rows, "row")));
    notes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{DayPattern, ExpectDays};
    use crate::coverage::Rhythm;
    use crate::job::Decimal;
    use jiff::civil::date;
    use std::time::Duration;

    fn sample() -> AccountCoverage {
        let total = |text: &str| Total { sum: Decimal::read(text.as_bytes()).ok(), ..Total::default() };
        let day = |day, status, files, in_doubt| CoverageDay {
            day,
            status,
            files,
            rows: files * 100,
            in_doubt,
            totals: if files == 0 { BTreeMap::new() } else { [("Event 1".to_owned(), total("2.50"))].into() },
        };
        let days = vec![
            day(date(2026, 8, 31), DayStatus::Covered, 1, 0),
            day(date(2026, 11, 1), DayStatus::Covered, 1, 0),
            day(date(2026, 11, 2), DayStatus::Missing, 0, 0),
            day(date(2026, 11, 3), DayStatus::Double, 2, 0),
            day(date(2026, 11, 4), DayStatus::Covered, 1, 7),
        ];
        let days_expected = ExpectDays { pattern: DayPattern::Daily, within: Duration::from_hours(36) };
        AccountCoverage {
            account: "shop".to_owned(),
            coverage: Coverage {
                days,
                rhythm: Some(Rhythm { days: days_expected, is_learnt: false }),
                newest: Some(date(2026, 11, 4)),
                undated: 0,
            },
            jobs: [(date(2026, 11, 3), vec![JobId(12), JobId(15)])].into(),
        }
    }

    #[test]
    fn a_calendar_shows_months_and_names_what_needs_a_look() {
        insta::assert_snapshot!(coverage_calendar(&sample(), 80));
        let narrow = coverage_calendar(&sample(), 10);
        assert!(narrow.lines().filter(|line| line.contains("Mo Tu")).all(|line| line.len() <= MONTH), "{narrow}");
    }

    #[test]
    fn programs_get_every_key() {
        let json: serde_json::Value = serde_json::from_str(&coverage_json(&[sample()]).unwrap()).unwrap();
        let object = &json[3];
        assert_eq!(object.as_object().unwrap().keys().count(), KEYS.len());
        assert_eq!(
            *object,
            serde_json::json!({"account": "shop", "day": "2026-11-03", "files": 2, "rows": 200, "totals": {"Event 1": "2.50"},
                               "job_ids": [12, 15], "status": "double"})
        );
        assert_eq!(json[2]["totals"], serde_json::json!({}));
        let csv = coverage_csv(&[sample()]).unwrap();
        assert_eq!(csv.lines().next().unwrap(), KEYS.join(","));
        assert_eq!(
            csv.lines().nth(4).unwrap(),
            "shop,2026-11-03,2,200,\"{\"\"Event 1\"\":\"\"2.50\"\"}\",12 15,double"
        );
        insta::assert_snapshot!(coverage_table(&[sample()]), @r"
        account  day         status   files  rows  in doubt  sums          jobs
        shop     2026-08-31  covered      1   100         0  Event 1 2.50
        shop     2026-11-01  covered      1   100         0  Event 1 2.50
        shop     2026-11-02  missing      0     0         0
        shop     2026-11-03  double       2   200         0  Event 1 2.50  12, 15
        shop     2026-11-04  covered      1   100         7  Event 1 2.50
        ");
    }
}
