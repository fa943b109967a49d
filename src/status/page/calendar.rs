//! The data days of an account, month by month: a calendar, and the sums of each metric as small pictures. Each day leads to
//! its jobs.

use super::frame::{Frame, Menu, link, page};
use super::job_list::{Columns, table};
use crate::coverage::{Coverage, CoverageDay, DayStatus};
use crate::job::{Decimal, Total, files_of_no_day};
use crate::joblog::JobRow;
use crate::status::{counted, coverage_summary, grouped};
use jiff::Span;
use jiff::civil::Date;
use maud::{Markup, html};
use std::collections::{BTreeMap, BTreeSet};

/// Metrics that have a picture.
const PICTURES: usize = 12;
/// The units of a picture: each day is so wide, and the highest bar so high.
const SLOT: i64 = 20;
const BAR: i64 = 14;
const HEIGHT: i64 = 48;

/// What the page of a month tells.
#[derive(Debug)]
pub(super) struct Month<'a> {
    pub(super) account: &'a str,
    /// All accounts, to choose from.
    pub(super) accounts: &'a [String],
    /// Its first day.
    pub(super) first: Date,
    /// The days of the month.
    pub(super) coverage: &'a Coverage,
}

/// What the page of a day tells.
#[derive(Debug)]
pub(super) struct OneDay<'a> {
    pub(super) account: &'a str,
    pub(super) date: Date,
    /// `None`: nothing is known of it.
    pub(super) day: Option<&'a CoverageDay>,
    /// The jobs whose files report it, whether they count or not, newest first.
    pub(super) jobs: &'a [JobRow],
    /// How many more there are.
    pub(super) more: usize,
}

/// The page of a month.
pub(super) fn month(frame: &Frame, shown: &Month<'_>) -> String {
    let title = shown.first.strftime("%B %Y").to_string();
    let fixed = html! {
        h1 { "Data days" }
        (choice(shown))
    };
    let beside = |months: i32| {
        let other = shown.first.saturating_add(Span::new().months(months));
        (other.strftime("%B %Y").to_string(), address(shown.account, "month", &other.strftime("%Y-%m").to_string()))
    };
    let ((before, earlier), (after, later)) = (beside(-1), beside(1));
    let live = html! {
        div.heading {
            h2 { (title) }
            nav.months aria-label="Months" {
                a href=(earlier) rel="prev" { "‹ " (before) }
                " "
                a href=(later) rel="next" { (after) " ›" }
            }
        }
        p.quiet { (coverage_summary(shown.account, shown.coverage)) }
        @if let Some(problem) = files_of_no_day(shown.coverage.undated) { p.quiet { "Note: " (problem) } }
        (calendar(shown))
        p.legend {
            span.d-covered { "covered" }
            span.d-doubt { "rows in doubt" }
            span.d-double { "double" }
            span.d-missing { "missing" }
        }
        (pictures(shown))
        (as_table(shown))
    };
    page(frame, &format!("{title}, data days of {}", shown.account), Menu::Days, &fixed, &live)
}

/// The address of a month or a day of an account.
pub(super) fn address(account: &str, of: &str, when: &str) -> String {
    link("/days", &[("account", account), (of, when)])
}

fn choice(shown: &Month<'_>) -> Markup {
    html! {
        @if shown.accounts.len() > 1 {
            form.search method="get" action="/days" {
                div {
                    label for="account" { "Account" }
                    select #account name="account" {
                        @for name in shown.accounts { option value=(name) selected[name == shown.account] { (name) } }
                    }
                }
                input type="hidden" name="month" value=(shown.first.strftime("%Y-%m"));
                button { "Show" }
            }
        }
    }
}

/// How a day looks, and the word for it.
fn standing(day: Option<&CoverageDay>) -> (&'static str, &'static str) {
    match day {
        None => ("d-none", "nothing"),
        Some(day) => match day.status {
            DayStatus::Missing => ("d-missing", "missing"),
            DayStatus::Double => ("d-double", "double"),
            DayStatus::Covered if day.in_doubt > 0 => ("d-doubt", "rows in doubt"),
            DayStatus::Covered => ("d-covered", "covered"),
        },
    }
}

fn calendar(shown: &Month<'_>) -> Markup {
    let by_day: BTreeMap<Date, &CoverageDay> = shown.coverage.days.iter().map(|day| (day.day, day)).collect();
    let blanks = usize::try_from(shown.first.weekday().to_monday_zero_offset()).unwrap_or_default();
    let mut cells: Vec<Option<Date>> = vec![None; blanks];
    cells.extend(days_of(shown.first).map(Some));
    html! {
        table.calendar.card {
            thead {
                tr { @for name in ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"] { th scope="col" { (name) } } }
            }
            tbody {
                @for week in cells.chunks(7) {
                    tr {
                        @for cell in week {
                            @match cell {
                                None => td {},
                                Some(date) => (cell_of(shown.account, *date, by_day.get(date).copied())),
                            }
                        }
                    }
                }
            }
        }
    }
}

fn cell_of(account: &str, date: Date, day: Option<&CoverageDay>) -> Markup {
    let (class, word) = standing(day);
    html! {
        td class=(class) {
            @if day.is_some() {
                a href=(address(account, "day", &date.to_string())) { (date.day()) }
            } @else {
                span.date { (date.day()) }
            }
            @if let Some(day) = day {
                span.word { (word) }
                @if day.files > 0 { span.of { (counted(day.files, "file")) ", " (counted(day.rows, "row")) } }
                @if day.status == DayStatus::Double && day.in_doubt > 0 { span.of { "rows in doubt" } }
            }
        }
    }
}

fn days_of(first: Date) -> impl Iterator<Item = Date> {
    first.series(Span::new().days(1)).take_while(move |day| *day <= first.last_of_month())
}

/// A picture for each metric, the same scale for none of them.
fn pictures(shown: &Month<'_>) -> Markup {
    let metrics: BTreeSet<&str> =
        shown.coverage.days.iter().flat_map(|day| day.totals.keys()).map(String::as_str).collect();
    let more = metrics.len().saturating_sub(PICTURES);
    html! {
        @if !metrics.is_empty() {
            section.sums aria-labelledby="sums" {
                div.heading { h2 #sums { "Sums by day" } @if more > 0 { p { (counted(i64::try_from(more).unwrap_or(i64::MAX), "more metric")) " in the table" } } }
                div.pictures { @for metric in metrics.iter().take(PICTURES) { (picture(shown, metric)) } }
            }
        }
    }
}

fn picture(shown: &Month<'_>, metric: &str) -> Markup {
    let by_day: BTreeMap<Date, &Total> =
        shown.coverage.days.iter().filter_map(|day| Some((day.day, day.totals.get(metric)?))).collect();
    let mut all = Total::default();
    for total in by_day.values() {
        all.add_total(total);
    }
    let sizes: BTreeMap<Date, f64> =
        by_day.iter().map(|(day, total)| (*day, total.sum.map_or(0.0, approximate))).collect();
    let most = sizes.values().fold(0.0_f64, |most, size| most.max(size.abs()));
    let slots: Vec<Date> = days_of(shown.first).collect();
    let view = format!("0 0 {} {HEIGHT}", i64::try_from(slots.len()).unwrap_or(31) * SLOT);
    html! {
        figure.days {
            div.axis { span { (metric) } span { (sum_of(&all)) " in all" } }
            svg.rows viewBox=(view) preserveAspectRatio="none" role="img" aria-label={ (metric) " by day, " (sum_of(&all)) " in all" } {
                @for (slot, date) in (0_i64..).zip(&slots) {
                    @if let Some(total) = by_day.get(date) {
                        @let size = sizes.get(date).copied().unwrap_or_default();
                        @let tall = height(size, most);
                        g {
                            title { (date.strftime("%a %-d %b")) ": " (sum_of(total)) }
                            rect.slot x=(slot * SLOT) y="0" width=(SLOT) height=(HEIGHT) {}
                            rect class=(if size < 0.0 { "b-failed" } else { "b-rows" }) x=(slot * SLOT + (SLOT - BAR) / 2) y=(HEIGHT - tall) width=(BAR) height=(tall) {}
                        }
                    }
                }
            }
        }
    }
}

fn sum_of(total: &Total) -> String {
    total.sum.map_or_else(|| "more digits than are kept".to_owned(), |sum| sum.to_string())
}

/// Near enough for a picture.
fn approximate(sum: Decimal) -> f64 {
    sum.to_string().parse().unwrap_or_default()
}

/// Nothing that was reported is too small to be seen.
fn height(size: f64, most: f64) -> i64 {
    if most <= 0.0 {
        return 2;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "a few pixels")]
    let tall = (size.abs() / most * HEIGHT as f64).round() as i64;
    tall.clamp(2, HEIGHT)
}

fn as_table(shown: &Month<'_>) -> Markup {
    let metrics: BTreeSet<&str> =
        shown.coverage.days.iter().flat_map(|day| day.totals.keys()).map(String::as_str).collect();
    html! {
        details {
            summary { "As a table" }
            div.wide {
                table.plain {
                    thead {
                        tr {
                            @for name in ["Day", "Status", "Files", "Rows", "In doubt"] { th { (name) } }
                            @for metric in &metrics { th { (metric) } }
                        }
                    }
                    tbody {
                        @for day in &shown.coverage.days {
                            tr {
                                th scope="row" { (day.day) }
                                td { (day.status.as_str()) }
                                @for number in [day.files, day.rows, day.in_doubt] { td { (grouped(number)) } }
                                @for metric in &metrics { td { @if let Some(total) = day.totals.get(*metric) { (sum_of(total)) } } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The page of a day.
pub(super) fn day(frame: &Frame, shown: &OneDay<'_>) -> String {
    let title = shown.date.strftime("%a %F").to_string();
    let (class, word) = standing(shown.day);
    let month = address(shown.account, "month", &shown.date.strftime("%Y-%m").to_string());
    let fixed = html! { h1 { (title) " of account " (shown.account) } };
    let beside =
        |day: Result<Date, jiff::Error>| day.ok().map(|day| (day, address(shown.account, "day", &day.to_string())));
    let live = html! {
        div.heading {
            p { span class={ "badge " (class) } { (word) } }
            nav.months aria-label="Days" {
                @if let Some((date, address)) = beside(shown.date.yesterday()) { a href=(address) rel="prev" { "‹ " (date) } }
                " "
                a href=(month) { (shown.date.strftime("%B %Y")) }
                " "
                @if let Some((date, address)) = beside(shown.date.tomorrow()) { a href=(address) rel="next" { (date) " ›" } }
            }
        }
        @if let Some(day) = shown.day.filter(|day| day.files > 0) {
            dl.facts.card {
                dt { "Files" } dd { (grouped(day.files)) }
                dt { "Rows" } dd { (grouped(day.rows)) }
                @if day.in_doubt > 0 { dt { "Rows in doubt" } dd { "up to " (grouped(day.in_doubt)) ", which Adobe may not have processed" } }
                @for (metric, total) in &day.totals {
                    dt { (metric) }
                    dd {
                        (sum_of(total))
                        @if total.negative > 0 { ", with " (counted(i64::try_from(total.negative).unwrap_or(i64::MAX), "negative amount")) }
                        @if total.left_out > 0 { ", without " (counted(i64::try_from(total.left_out).unwrap_or(i64::MAX), "value")) " not written as plain numbers" }
                    }
                }
            }
        } @else if shown.day.is_some() {
            p.quiet.card { "No accepted file reports this day, which is overdue." }
        } @else {
            p.quiet.card { "No accepted file reports this day." }
        }
        @if !shown.jobs.is_empty() {
            section aria-labelledby="jobs" {
                div.heading { h2 #jobs { "Files that report it, accepted or not" } @if shown.more > 0 { p { "and " (shown.more) " more" } } }
                (table(shown.jobs, Columns { account: false }, &frame.here))
            }
        }
    };
    page(frame, &format!("{title}, data day of {}", shown.account), Menu::Days, &fixed, &live)
}

#[cfg(test)]
mod tests {
    use super::super::frame::Visitor;
    use super::super::page_fixtures::{here, job};
    use super::*;
    use crate::job::Timestamp;
    use jiff::civil::{Weekday, date};

    fn frame() -> Frame {
        Frame { ailments: Vec::new(), started: Timestamp(0), here: here(), visitor: Visitor::Looks }
    }

    fn of(number: i8, status: DayStatus, files: i64, sum: &str) -> CoverageDay {
        let total =
            Total { sum: Decimal::read(sum.as_bytes()).ok(), negative: u64::from(sum.starts_with('-')), left_out: 0 };
        CoverageDay {
            day: date(2026, 11, number),
            status,
            files,
            rows: files * 1_000,
            in_doubt: if number == 4 { 7 } else { 0 },
            totals: if files == 0 { BTreeMap::new() } else { [("Event <1>".to_owned(), total)].into() },
        }
    }

    fn coverage() -> Coverage {
        let days = vec![
            of(1, DayStatus::Covered, 1, "12.50"),
            of(2, DayStatus::Missing, 0, "0"),
            of(3, DayStatus::Double, 2, "-3"),
            of(4, DayStatus::Covered, 1, "100"),
        ];
        Coverage { days, rhythm: None, newest: None, undated: 0 }
    }

    #[test]
    fn a_month_shows_each_day_with_a_word_and_leads_to_it() {
        let accounts = ["callcentre".to_owned(), "returns".to_owned()];
        let coverage = coverage();
        let shown = Month { account: "callcentre", accounts: &accounts, first: date(2026, 11, 1), coverage: &coverage };
        let page = month(&frame(), &shown).replace(env!("CARGO_PKG_VERSION"), "VERSION").replace("><", ">\n<");
        insta::assert_snapshot!(page);
    }

    #[test]
    fn a_day_shows_its_sums_and_its_jobs() {
        let coverage = coverage();
        let jobs = [job(7, "success", None)];
        let shown =
            OneDay { account: "callcentre", date: date(2026, 11, 3), day: coverage.days.get(2), jobs: &jobs, more: 1 };
        let page = day(&frame(), &shown);
        for told in [
            "Tue 2026-11-03 of account callcentre",
            ">double<",
            "Event &lt;1&gt;",
            "-3, with 1 negative amount",
            "/jobs/7",
        ] {
            assert!(page.contains(told), "{told}: {page}");
        }
        let nothing = OneDay { day: None, jobs: &[], more: 0, ..shown };
        assert!(day(&frame(), &nothing).contains("No accepted file reports this day."));
    }

    #[test]
    fn bars_are_as_high_as_their_share_and_never_invisible() {
        assert_eq!(
            [height(1.0, 1.0), height(-0.5, 1.0), height(0.0, 1.0), height(0.0, 0.0)],
            [HEIGHT, HEIGHT / 2, 2, 2]
        );
        let week: Vec<Weekday> = days_of(date(2026, 11, 1)).map(Date::weekday).take(2).collect();
        assert_eq!(week, [Weekday::Sunday, Weekday::Monday]);
    }
}
