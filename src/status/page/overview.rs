//! The first page: what needs a person, then every account, then what came last.

use super::chart::days;
use super::flow::account;
use super::frame::{Frame, Menu, Style, badge, link, page, when};
use super::job_list::{Columns, table};
use crate::job::Timestamp;
use crate::joblog::{DaySums, JobRow};
use crate::status::{AccountStatus, Here, StatusReport, counted, cut, grouped};
use jiff::civil::Date;
use maud::{Markup, html};

/// Maximum number of characters of a reason; the job's own page has all of it.
const REASON: usize = 220;

/// What the page tells.
#[derive(Debug)]
pub(super) struct Overview<'a> {
    pub(super) report: &'a StatusReport,
    pub(super) days: &'a [DaySums],
    /// The newest jobs that need a person, and how many there are.
    pub(super) people: (&'a [JobRow], i64),
    /// The newest jobs, newest first.
    pub(super) newest: &'a [JobRow],
    /// Requests in the window of the rate limit, and the limit.
    pub(super) budget: (usize, Option<usize>),
    pub(super) job_log_problem: Option<&'a str>,
    pub(super) today: Date,
}

/// The page.
pub(super) fn overview(frame: &Frame, facts: &Overview<'_>) -> String {
    let here = &frame.here;
    let accounts = &facts.report.accounts;
    let live = html! {
        h1.hidden { "Overview" }
        (people(facts, here))
        section aria-labelledby="accounts" {
            div.heading {
                h2 #accounts { "Accounts" }
                (legend(facts))
            }
            @if accounts.is_empty() { p.quiet { "There are no accounts." } }
            @for status in accounts {
                (account(status, &days(facts.days, &status.name, facts.today), here))
            }
        }
        section aria-labelledby="newest" {
            div.heading {
                h2 #newest { "Newest files" }
                a href="/jobs" { "All of them" }
            }
            @if facts.newest.is_empty() {
                p.quiet.card {
                    "No file yet. Put one into an account’s folder, or use " code { "datadrop drop FILE --account A" } "."
                }
            } @else {
                (table(facts.newest, Columns { account: accounts.len() > 1 }, here))
            }
        }
    };
    page(frame, "Overview", Menu::Overview, &html! {}, &live)
}

fn legend(facts: &Overview<'_>) -> Markup {
    let (used, limit) = facts.budget;
    html! {
        p.legend {
            span.b-success { "success" }
            span.b-partial { "partial" }
            span.b-failed { "failed, lost" }
            span.b-rows { "rows" }
        }
        @if let (Some(limit), Some(seconds)) = (limit, facts.report.request_budget.per_seconds) {
            p.budget { (used) " of " (limit) " requests used in " (seconds) " s" }
        }
    }
}

/// On top: whatever does not continue automatically.
fn people(facts: &Overview<'_>, here: &Here) -> Markup {
    let blocked: Vec<&AccountStatus> =
        facts.report.accounts.iter().filter(|account| account.blocked.is_some()).collect();
    let (jobs, count) = facts.people;
    let refused = facts.report.reload_refused.as_deref();
    let overdue: Vec<(&str, &str)> = facts
        .report
        .accounts
        .iter()
        .filter_map(|account| Some((account.name.as_str(), account.overdue.as_deref()?)))
        .collect();
    if blocked.is_empty() && overdue.is_empty() && count == 0 && facts.job_log_problem.is_none() && refused.is_none() {
        return html! {
            section.calm { p { span aria-hidden="true" { "✓" } " Nothing needs a person." } }
        };
    }
    let ago = |at: Option<Timestamp>| at.map(|at| when(&at.to_string(), here, Style::Ago)).unwrap_or_default();
    html! {
        section.people aria-labelledby="people" {
            div.heading {
                h2 #people { "Needs a person" }
                @if count > 0 { p { (counted(count, "file")) " held, or ended badly in the last 7 days" } }
            }
            ul.card {
                @if let Some(problem) = facts.job_log_problem {
                    li {
                        span.badge.s-failure { "job log" }
                        div { b { "Nothing is sent" } p { "The job log cannot be written: " (problem) "." } }
                    }
                }
                @if let Some(why) = refused {
                    li {
                        span.badge.s-held { "reload" }
                        div {
                            b { "Not as configured" }
                            p { "The last reload was refused, so what runs is what held before: " (why) }
                        }
                        (ago(facts.report.reload_refused_at))
                    }
                }
                @for account in blocked {
                    li {
                        span.badge.s-failure { "blocked" }
                        div { b { (account.name) } p { (account.blocked.as_deref().unwrap_or_default()) } }
                        (ago(account.blocked_since))
                    }
                }
                @for (account, why) in overdue {
                    li {
                        span.badge.s-held { "overdue" }
                        div { b { (account) } p { (why) } }
                    }
                }
                @for job in jobs { (needs_a_person(job, here)) }
            }
            (others(count.saturating_sub(i64::try_from(jobs.len()).unwrap_or(i64::MAX))))
        }
    }
}

fn needs_a_person(job: &JobRow, here: &Here) -> Markup {
    html! {
        li {
            (badge(&job.state))
            div {
                a.name href={ "/jobs/" (job.id) } { (job.file_name) }
                span.account { (job.account) }
                @if let Some(reason) = &job.reason { p { (cut(reason, REASON)) } }
            }
            (when(job.finished_at.as_deref().unwrap_or(&job.seen_at), here, Style::Ago))
        }
    }
}

/// Where those are that there is no room for.
fn others(count: i64) -> Markup {
    html! {
        @if count > 0 {
            p.more {
                (grouped(count)) " more: "
                @for (index, state) in ["held", "failure", "partial", "rejected"].into_iter().enumerate() {
                    @if index > 0 { ", " }
                    a href=(link("/jobs", &[("state", state)])) { (state) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::Visitor;
    use super::super::page_fixtures::{day, here, job, report};
    use super::*;

    fn shown(people: &[JobRow], newest: &[JobRow]) -> String {
        let mut report = report();
        if people.is_empty() {
            report.accounts.truncate(1);
        }
        let facts = Overview {
            report: &report,
            days: &[day("2026-11-23", "success", 3, (30, 0)), day("2026-11-20", "partial", 1, (96, 4))],
            people: (people, i64::try_from(people.len()).unwrap() * 5),
            newest,
            budget: (3, Some(12)),
            job_log_problem: None,
            today: Date::constant(2026, 11, 23),
        };
        let frame = Frame {
            ailments: Vec::new(),
            started: Timestamp(1_795_343_700_000),
            here: here(),
            visitor: Visitor::Looks,
        };
        overview(&frame, &facts).replace(env!("CARGO_PKG_VERSION"), "VERSION").replace("><", ">\n<")
    }

    #[test]
    fn the_whole_page() {
        let held = job(7, "held", Some("the same name & content was accepted before (job 3)"));
        insta::assert_snapshot!(shown(std::slice::from_ref(&held), std::slice::from_ref(&held)));
    }

    #[test]
    fn what_needs_a_person_stands_on_top() {
        let page = shown(&[job(7, "held", Some("a duplicate"))], &[]);
        let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("no {text} in {page}"));
        assert!(at("Needs a person") < at("is the share mounted?"));
        assert!(at("is the share mounted?") < at("a duplicate"));
        assert!(at("a duplicate") < at(">Accounts<"));
        assert!(page.contains("4 more: "), "{page}");
    }

    #[test]
    fn calm_is_said_too() {
        let page = shown(&[], &[]);
        assert!(page.contains("Nothing needs a person.") && page.contains("No file yet."), "{page}");
    }
}
