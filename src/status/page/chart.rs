//! Files and rows by day as a picture, and the same as a table for readers who cannot see it.

use crate::joblog::{DaySums, Sums};
use crate::status::{counted, grouped};
use jiff::ToSpan as _;
use jiff::civil::Date;
use maud::{Markup, html};
use std::fmt::Write as _;

/// Number of days that are shown, today included.
pub(super) const DAYS: i32 = 30;

/// The picture's own units: each day is so wide, each panel so high.
const SLOT: i64 = 20;
const BAR: i64 = 14;
const FILES_HEIGHT: i64 = 96;
const ROWS_HEIGHT: i64 = 48;

/// One day of one account, or of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Day {
    pub(super) date: Date,
    success: i64,
    partial: i64,
    failed: i64,
    rows: Sums,
}

impl Day {
    fn files(&self) -> i64 {
        self.success + self.partial + self.failed
    }

    fn numbers(&self) -> [i64; 5] {
        [self.success, self.partial, self.failed, self.rows.rows_processed, self.rows.rows_lost]
    }

    fn in_words(&self) -> String {
        let mut words = format!("{}: {}", self.date.strftime("%a %-d %b"), counted(self.files(), "file"));
        let kinds = [("success", self.success), ("partial", self.partial), ("failed or rejected", self.failed)];
        let kinds: Vec<String> = kinds
            .iter()
            .filter(|(_, count)| *count > 0)
            .map(|(word, count)| format!("{} {word}", grouped(*count)))
            .collect();
        if !kinds.is_empty() {
            let _ = write!(words, " ({})", kinds.join(", "));
        }
        let _ = write!(words, ", {} processed", counted(self.rows.rows_processed, "row"));
        if self.rows.rows_lost > 0 {
            let _ = write!(words, ", {} lost", grouped(self.rows.rows_lost));
        }
        words
    }
}

/// The first day of the picture.
pub(super) fn first_day(today: Date) -> Date {
    today.saturating_sub((DAYS - 1).days())
}

/// The days of an account up to today, those without any file included.
pub(super) fn days(sums: &[DaySums], account: &str, today: Date) -> Vec<Day> {
    let first = first_day(today);
    let mut days: Vec<Day> = (0..DAYS)
        .map(|number| Day {
            date: first.saturating_add(number.days()),
            success: 0,
            partial: 0,
            failed: 0,
            rows: Sums::default(),
        })
        .collect();
    for row in sums.iter().filter(|row| row.account == account) {
        let Some(day) = days.iter_mut().find(|day| day.date.to_string() == row.day) else { continue };
        match row.state.as_str() {
            "success" => day.success += row.sums.files,
            "partial" => day.partial += row.sums.files,
            "failure" | "rejected" => day.failed += row.sums.files,
            // Taken back before it was sent: nothing came of it.
            _ => {}
        }
        day.rows.rows_processed += row.sums.rows_processed;
        day.rows.rows_lost += row.sums.rows_lost;
    }
    days
}

/// The picture.
pub(super) fn picture(days: &[Day]) -> Markup {
    let most_files = days.iter().map(Day::files).max().unwrap_or(0);
    if most_files == 0 {
        return html! { figure.days { p.quiet { "No file came to its end in the last 30 days." } } };
    }
    let total: i64 = days.iter().map(Day::files).sum();
    let rows: i64 = days.iter().map(|day| day.rows.rows_processed).sum();
    let lost: i64 = days.iter().map(|day| day.rows.rows_lost).sum();
    let of_files = |day: &Day| vec![("b-success", day.success), ("b-partial", day.partial), ("b-failed", day.failed)];
    let of_rows = |day: &Day| vec![("b-rows", day.rows.rows_processed), ("b-failed", day.rows.rows_lost)];
    html! {
        figure.days {
            div.axis {
                span { "Files by day" }
                span { (grouped(total)) " in 30 days, " (grouped(most_files)) " at most" }
            }
            (panel("files", FILES_HEIGHT, days, &format!("Files by day, {total} in the last 30 days"), of_files))
            div.axis {
                span { "Rows by day" }
                span { (grouped(rows)) " processed" @if lost > 0 { ", " b.lost { (grouped(lost)) " lost" } } }
            }
            (panel("rows", ROWS_HEIGHT, days, &format!("Rows by day, {rows} processed and {lost} lost"), of_rows))
            div.axis.dates {
                span { @if let Some(first) = days.first() { (first.date.strftime("%-d %b")) } }
                span { "today" }
            }
            (table(days))
        }
    }
}

/// Bars from the ground up: class, height, and where the top is.
fn stacked(parts: &[(&'static str, i64)], most: i64, height: i64) -> Vec<(&'static str, i64, i64)> {
    let mut top = height;
    parts
        .iter()
        .filter(|(_, count)| *count > 0)
        .map(|&(class, count)| {
            // Nothing that happened is too small to be seen.
            let tall = count.saturating_mul(height).checked_div(most).unwrap_or(0).clamp(2, height);
            top = (top - tall).max(0);
            (class, tall, top)
        })
        .collect()
}

/// What is drawn of a day: classes and counts, from the ground up.
type Parts = Vec<(&'static str, i64)>;

fn panel(class: &str, height: i64, days: &[Day], label: &str, parts: impl Fn(&Day) -> Parts) -> Markup {
    let sum = |day| parts(day).iter().map(|(_, count)| count).sum();
    let most: i64 = days.iter().map(sum).max().unwrap_or(0);
    let view = format!("0 0 {} {height}", i64::from(DAYS) * SLOT);
    html! {
        svg class=(class) viewBox=(view) preserveAspectRatio="none" role="img" aria-label=(label) {
            @for (slot, day) in (0_i64..).zip(days) {
                g {
                    title { (day.in_words()) }
                    // The whole slot answers to the pointer, however low its bar.
                    rect.slot x=(slot * SLOT) y="0" width=(SLOT) height=(height) {}
                    @for (class, tall, top) in stacked(&parts(day), most, height) {
                        rect class=(class) x=(slot * SLOT + (SLOT - BAR) / 2) y=(top) width=(BAR) height=(tall) {}
                    }
                }
            }
        }
    }
}

fn table(days: &[Day]) -> Markup {
    const NAMES: [&str; 6] = ["Day", "Success", "Partial", "Failed", "Rows processed", "Rows lost"];
    html! {
        details {
            summary { "As a table" }
            table.plain {
                thead { tr { @for name in NAMES { th { (name) } } } }
                tbody {
                    @for day in days.iter().rev().filter(|day| day.files() > 0) {
                        tr {
                            th scope="row" { (day.date) }
                            @for number in day.numbers() { td { (grouped(number)) } }
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::page_fixtures::day;
    use super::*;

    fn today() -> Date {
        Date::constant(2026, 11, 23)
    }

    fn drawn(sums: &[DaySums]) -> String {
        picture(&days(sums, "callcentre", today())).into_string()
    }

    #[test]
    fn days_without_files_are_there_too_and_others_are_not_counted() {
        let elsewhere = DaySums { account: "returns".to_owned(), ..day("2026-11-23", "success", 9, (9, 0)) };
        let days = days(
            &[day("2026-11-23", "success", 2, (10, 0)), day("2026-10-01", "success", 5, (1, 0)), elsewhere],
            "callcentre",
            today(),
        );
        assert_eq!(days.len(), 30);
        assert_eq!((days[0].date, days[29].date), (Date::constant(2026, 10, 25), today()));
        assert_eq!(days.iter().map(Day::files).sum::<i64>(), 2);
    }

    #[test]
    fn a_day_reads_in_words() {
        let sums = [
            day("2026-11-23", "success", 1_200, (5_000, 0)),
            day("2026-11-23", "partial", 1, (96, 4)),
            day("2026-11-23", "rejected", 1, (0, 0)),
        ];
        let days = days(&sums, "callcentre", today());
        assert_eq!(
            days[29].in_words(),
            "Mon 23 Nov: 1,202 files (1,200 success, 1 partial, 1 failed or rejected), 5,096 rows processed, 4 lost"
        );
    }

    #[test]
    fn a_single_failure_among_thousands_is_seen() {
        let bars = stacked(&[("b-success", 10_000), ("b-failed", 1)], 10_001, FILES_HEIGHT);
        assert_eq!(bars, [("b-success", 95, 1), ("b-failed", 2, 0)]);
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        assert!(!drawn(&[]).contains("<svg"));
        let picture = drawn(&[day("2026-11-22", "success", 3, (30, 0))]);
        assert_eq!(picture.matches("<rect class=\"b-success\"").count(), 1);
        assert_eq!(picture.matches("<rect class=\"slot\"").count(), 60);
    }
}
