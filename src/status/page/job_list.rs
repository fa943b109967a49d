//! Lists of jobs, and the page that searches them.

use super::filters::{JobsQuery, VERBS};
use super::frame::{Frame, Menu, Style, Visitor, badge, page, title, when};
use crate::job::JobId;
use crate::joblog::JobRow;
use crate::status::{Here, counted, cut, grouped};
use maud::{Markup, html};

/// The words of the states, in the order of the way.
const STATES: [&str; 12] = [
    "waiting",
    "queued",
    "uploading",
    "unconfirmed",
    "held",
    "uploaded",
    "processing",
    "success",
    "partial",
    "failure",
    "rejected",
    "cancelled",
];

/// Maximum number of characters of a reason.
const REASON: usize = 140;

/// The columns that a table shows in addition to the common ones.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns {
    pub(super) account: bool,
}

/// What the search found.
#[derive(Debug)]
pub(super) struct Found<'a> {
    /// Newest first.
    pub(super) jobs: &'a [JobRow],
    /// How many pass the filter without its texts, if there are no more than these.
    pub(super) accounts: &'a [String],
    /// Older jobs were not looked at: go on before this one.
    pub(super) older: Option<JobId>,
    /// The numbers that a search by a text has looked at, if not all.
    pub(super) searched: Option<(JobId, JobId)>,
}

/// The page.
pub(super) fn jobs(frame: &Frame, query: &JobsQuery, found: &Found<'_>) -> String {
    let fixed = html! {
        h1 { "Jobs" }
        (search(query, found.accounts))
    };
    let live = html! {
        @if found.jobs.is_empty() {
            p.quiet.card { "No job matches." }
        } @else {
            @if frame.visitor != Visitor::Looks && query.narrows() { (actions(query)) }
            (table(found.jobs, Columns { account: found.accounts.len() > 1 }, &frame.here))
        }
        nav.pages aria-label="Older and newer jobs" {
            span {
                @if let Some((from, to)) = found.searched {
                    "searched the jobs " (grouped(from.0)) " to " (grouped(to.0))
                } @else {
                    (counted(i64::try_from(found.jobs.len()).unwrap_or(i64::MAX), "job"))
                }
            }
            @if query.before.is_some() { a href=(address(query, None)) { "Newest" } }
            @if let Some(older) = found.older {
                a href=(address(query, Some(older))) rel="next" {
                    @if found.searched.is_some() { "Search older ones" } @else { "Older" }
                }
            }
        }
    };
    page(frame, "Jobs", Menu::Jobs, &fixed, &live)
}

/// The address of the same list elsewhere.
fn address(query: &JobsQuery, before: Option<JobId>) -> String {
    let before = before.map_or_else(String::new, |id| id.0.to_string());
    query.address("/jobs", &[("before", &before)])
}

/// What can be done with all that the filter lets through, on every page of the list.
fn actions(query: &JobsQuery) -> Markup {
    html! {
        p.actions {
            span { "With all that match:" }
            @for verb in VERBS { a.act href=(query.address("/act", &[("verb", verb.as_str())])) { (title(verb)) "…" } }
        }
    }
}

fn search(query: &JobsQuery, accounts: &[String]) -> Markup {
    let accounts: Vec<&str> = accounts.iter().map(String::as_str).collect();
    let state = if let [state] = query.states.as_slice() { Some(state.as_str()) } else { None };
    let name = query.name.as_deref().unwrap_or_default();
    html! {
        form.search method="get" action="/jobs" role="search" {
            div {
                label for="name" { "File name" }
                input #name name="name" type="search" value=(name) placeholder="a part of it, or sales*.txt";
            }
            div {
                label for="search" { "Found by" }
                input #search name="search" type="search" value=(query.search.as_deref().unwrap_or_default())
                    placeholder="remote job ID, SHA-256, data day, reason";
            }
            (choice(("account", "Account"), &accounts, query.account.as_deref()))
            (choice(("state", "State"), &STATES, state))
            button { "Search" }
        }
    }
}

fn choice((name, label): (&str, &str), words: &[&str], chosen: Option<&str>) -> Markup {
    html! {
        div {
            label for=(name) { (label) }
            select id=(name) name=(name) {
                option value="" { "all" }
                @for word in words { option value=(word) selected[chosen == Some(word)] { (word) } }
            }
        }
    }
}

/// Jobs, one a row; on a narrow screen one a card.
pub(super) fn table(jobs: &[JobRow], columns: Columns, here: &Here) -> Markup {
    html! {
        table.jobs.card {
            thead {
                tr {
                    th { "State" }
                    th { "File" }
                    @if columns.account { th { "Account" } }
                    @for name in ["Rows", "Seen", "Job"] { th.number { (name) } }
                }
            }
            tbody { @for job in jobs { (row(job, columns, here)) } }
        }
    }
}

fn row(job: &JobRow, columns: Columns, here: &Here) -> Markup {
    let is_counted = job.kind != "fin" && (job.rows_processed.is_some() || job.rows_expected.is_some());
    html! {
        tr {
            td.state { (badge(&job.state)) }
            td.file {
                a.name href={ "/jobs/" (job.id) } { (job.file_name) }
                @if let Some(reason) = &job.reason { span.reason { (cut(reason, REASON)) } }
            }
            @if columns.account { td.of { (job.account) } }
            td.number.rows[is_counted].none[!is_counted] { (rows(job)) }
            td.number.seen { (when(&job.seen_at, here, Style::Short)) }
            td.number.id { (job.id) }
        }
    }
}

/// `100`, or `96 of 100` where Adobe processed another number than the file has.
pub(super) fn rows(job: &JobRow) -> String {
    match (job.rows_processed, job.rows_expected) {
        (_, _) if job.kind == "fin" => "marker".to_owned(),
        (Some(processed), Some(expected)) if processed != expected => {
            format!("{} of {}", grouped(processed), grouped(expected))
        }
        (Some(rows), _) | (None, Some(rows)) => grouped(rows),
        (None, None) => "–".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::page_fixtures::{here, job};
    use super::*;
    use crate::job::{Phase, State, Timestamp};

    #[test]
    fn a_list_as_it_is_searched() {
        let query = JobsQuery {
            name: Some("<script>".to_owned()),
            states: vec!["held".to_owned()],
            account: Some("callcentre".to_owned()),
            limit: 50,
            ..JobsQuery::default()
        };
        let accounts = ["callcentre".to_owned(), "returns".to_owned()];
        let held = job(7, "held", Some("a duplicate of job 3"));
        let marker = JobRow { kind: "fin".to_owned(), ..job(6, "success", None) };
        let found = Found {
            jobs: &[held, marker],
            accounts: &accounts,
            older: Some(JobId(6)),
            searched: Some((JobId(6), JobId(200_006))),
        };
        let ailments = vec!["a stage hangs".to_owned()];
        let visitor = Visitor::Acts { name: "anna".to_owned(), form: "f0".to_owned() };
        let frame = Frame { ailments, started: Timestamp(0), here: here(), visitor };
        let page = jobs(&frame, &query, &found).replace(env!("CARGO_PKG_VERSION"), "VERSION").replace("><", ">\n<");
        insta::assert_snapshot!(page);
    }

    #[test]
    fn every_state_can_be_chosen() {
        for word in STATES {
            assert!(State::from_words(word, Some(Phase::Started)).is_some(), "{word}");
        }
    }

    #[test]
    fn rows_are_told_twice_only_where_they_differ() {
        let told = |processed, expected| {
            rows(&JobRow { rows_processed: processed, rows_expected: expected, ..job(1, "x", None) })
        };
        assert_eq!(told(Some(100), Some(100)), "100");
        assert_eq!(told(Some(96), Some(1_000)), "96 of 1,000");
        assert_eq!(told(None, Some(5)), "5");
        assert_eq!(told(None, None), "–");
    }
}
