//! Lists of jobs, and the page that searches them.

use super::frame::{Frame, Menu, Style, badge, page, when};
use super::html::{Html, link};
use super::route::JobsQuery;
use crate::job::JobId;
use crate::joblog::JobRow;
use crate::status::{Here, counted, cut, grouped};

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

/// So much of a reason is shown.
const REASON: usize = 140;

/// What a table shows besides what every one shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns {
    pub(super) account: bool,
}

/// What the search found.
#[derive(Debug)]
pub(super) struct Found<'a> {
    /// Newest first.
    pub(super) jobs: &'a [JobRow],
    /// How many pass the filter without its name, if there are no more than these.
    pub(super) accounts: &'a [String],
    /// Older jobs were not looked at: go on before this one.
    pub(super) older: Option<JobId>,
    /// The numbers that a search by name has looked at, if not all.
    pub(super) searched: Option<(JobId, JobId)>,
}

/// The page.
pub(super) fn jobs(frame: &Frame, query: &JobsQuery, found: &Found<'_>) -> String {
    page(
        frame,
        "Jobs",
        Menu::Jobs,
        |html| {
            html.raw("<h1>Jobs</h1>");
            search(html, query, found.accounts);
        },
        |html| {
            if found.jobs.is_empty() {
                html.raw("<p class=\"quiet card\">No job matches.</p>");
            } else {
                table(html, found.jobs, Columns { account: found.accounts.len() > 1 }, &frame.here);
            }
            html.raw("<nav class=\"pages\" aria-label=\"Older and newer jobs\">");
            html.element("span", &[], |html| {
                if let Some((from, to)) = found.searched {
                    html.text(&format!("searched the jobs {} to {}", grouped(from.0), grouped(to.0)));
                } else {
                    html.text(&counted(i64::try_from(found.jobs.len()).unwrap_or(i64::MAX), "job"));
                }
            });
            if query.before.is_some() {
                html.say("a", &[("href", &address(query, None))], "Newest");
            }
            if let Some(older) = found.older {
                let words = if found.searched.is_some() { "Search older ones" } else { "Older" };
                html.say("a", &[("href", &address(query, Some(older))), ("rel", "next")], words);
            }
            html.raw("</nav>");
        },
    )
}

/// The address of the same list elsewhere.
fn address(query: &JobsQuery, before: Option<JobId>) -> String {
    let before = before.map_or_else(String::new, |id| id.0.to_string());
    let mut parameters = vec![
        ("name", query.name.as_deref().unwrap_or_default()),
        ("account", query.account.as_deref().unwrap_or_default()),
    ];
    parameters.extend(query.states.iter().map(|state| ("state", state.as_str())));
    parameters.push(("before", &before));
    link("/jobs", &parameters)
}

fn search(html: &mut Html, query: &JobsQuery, accounts: &[String]) {
    html.raw("<form class=\"search\" method=\"get\" action=\"/jobs\" role=\"search\"><div><label for=\"name\">File name</label>");
    let name = query.name.as_deref().unwrap_or_default();
    html.empty(
        "input",
        &[
            ("id", "name"),
            ("name", "name"),
            ("type", "search"),
            ("value", name),
            ("placeholder", "a part of it, or sales*.txt"),
        ],
    );
    html.raw("</div>");
    let accounts: Vec<&str> = accounts.iter().map(String::as_str).collect();
    choice(html, ("account", "Account"), &accounts, query.account.as_deref());
    let state = if let [state] = query.states.as_slice() { Some(state.as_str()) } else { None };
    choice(html, ("state", "State"), &STATES, state);
    html.raw("<button>Search</button></form>");
}

fn choice(html: &mut Html, (name, label): (&'static str, &str), words: &[&str], chosen: Option<&str>) {
    html.raw("<div>");
    html.say("label", &[("for", name)], label);
    html.element("select", &[("id", name), ("name", name)], |html| {
        html.raw("<option value=\"\">all</option>");
        for word in words {
            let plain = [("value", *word), ("selected", "selected")];
            html.say("option", if chosen == Some(word) { &plain } else { &plain[..1] }, word);
        }
    });
    html.raw("</div>");
}

/// Jobs, one a row; on a narrow screen one a card.
pub(super) fn table(html: &mut Html, jobs: &[JobRow], columns: Columns, here: &Here) {
    html.raw("<table class=\"jobs card\"><thead><tr><th>State</th><th>File</th>");
    if columns.account {
        html.raw("<th>Account</th>");
    }
    html.raw(
        "<th class=\"number\">Rows</th><th class=\"number\">Seen</th><th class=\"number\">Job</th></tr></thead><tbody>",
    );
    for job in jobs {
        html.raw("<tr><td class=\"state\">");
        badge(html, &job.state);
        html.raw("</td><td class=\"file\">");
        let target = format!("/jobs/{}", job.id);
        html.say("a", &[("class", "name"), ("href", &target)], &job.file_name);
        if let Some(reason) = &job.reason {
            html.say("span", &[("class", "reason")], &cut(reason, REASON));
        }
        html.raw("</td>");
        if columns.account {
            html.say("td", &[("class", "of")], &job.account);
        }
        let is_counted = job.kind != "fin" && (job.rows_processed.is_some() || job.rows_expected.is_some());
        html.say("td", &[("class", if is_counted { "number rows" } else { "number none" })], &rows(job));
        html.element("td", &[("class", "number seen")], |html| when(html, &job.seen_at, here, Style::Short));
        html.say("td", &[("class", "number id")], &job.id.to_string());
        html.raw("</tr>");
    }
    html.raw("</tbody></table>");
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
        let frame = Frame { ailments: vec!["a stage hangs".to_owned()], started: Timestamp(0), here: here() };
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
