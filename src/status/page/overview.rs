//! The first page: what needs a person, then every account, then what came last.

use super::chart::days;
use super::flow::account;
use super::frame::{Frame, Menu, Style, badge, page, when};
use super::html::{Html, link};
use super::job_list::{Columns, table};
use crate::joblog::{DaySums, JobRow};
use crate::status::{AccountStatus, Here, StatusReport, counted, cut, grouped};
use jiff::civil::Date;

/// So much of a reason is shown; the job's own page has all of it.
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
    page(
        frame,
        "Overview",
        Menu::Overview,
        |_| {},
        |html| {
            html.raw("<h1 class=\"hidden\">Overview</h1>");
            people(html, facts, &frame.here);
            html.raw("<section aria-labelledby=\"accounts\"><div class=\"heading\"><h2 id=\"accounts\">Accounts</h2>");
            legend(html, facts);
            html.raw("</div>");
            if facts.report.accounts.is_empty() {
                html.raw("<p class=\"quiet\">There are no accounts.</p>");
            }
            for status in &facts.report.accounts {
                account(html, status, &days(facts.days, &status.name, facts.today), &frame.here);
            }
            html.raw("</section><section aria-labelledby=\"newest\"><div class=\"heading\"><h2 id=\"newest\">Newest files</h2><a href=\"/jobs\">All of them</a></div>");
            if facts.newest.is_empty() {
                html.raw("<p class=\"quiet card\">No file yet. Put one into an account’s folder, or use <code>datadrop drop FILE --account A</code>.</p>");
            } else {
                let several = facts.report.accounts.len() > 1;
                table(html, facts.newest, Columns { account: several }, &frame.here);
            }
            html.raw("</section>");
        },
    )
}

fn legend(html: &mut Html, facts: &Overview<'_>) {
    html.raw(
        "<p class=\"legend\"><span class=\"b-success\">success</span><span class=\"b-partial\">partial</span>\
         <span class=\"b-failed\">failed, lost</span><span class=\"b-rows\">rows</span></p>",
    );
    let (used, limit) = facts.budget;
    if let (Some(limit), Some(seconds)) = (limit, facts.report.request_budget.per_seconds) {
        html.say("p", &[("class", "budget")], &format!("{used} of {limit} requests used in {seconds} s"));
    }
}

/// On top: whatever does not go on by itself.
fn people(html: &mut Html, facts: &Overview<'_>, here: &Here) {
    let blocked: Vec<&AccountStatus> =
        facts.report.accounts.iter().filter(|account| account.blocked.is_some()).collect();
    let (jobs, count) = facts.people;
    let refused = facts.report.reload_refused.as_deref();
    if blocked.is_empty() && count == 0 && facts.job_log_problem.is_none() && refused.is_none() {
        html.raw(
            "<section class=\"calm\"><p><span aria-hidden=\"true\">✓</span> Nothing needs a person.</p></section>",
        );
        return;
    }
    html.raw("<section class=\"people\" aria-labelledby=\"people\"><div class=\"heading\"><h2 id=\"people\">Needs a person</h2>");
    if count > 0 {
        html.say("p", &[], &format!("{} held, or ended badly in the last 7 days", counted(count, "file")));
    }
    html.raw("</div><ul class=\"card\">");
    if let Some(problem) = facts.job_log_problem {
        html.raw("<li><span class=\"badge s-failure\">job log</span><div><b>Nothing is sent</b><p>");
        html.text(&format!("The job log cannot be written: {problem}."));
        html.raw("</p></div></li>");
    }
    if let Some(why) = refused {
        html.raw("<li><span class=\"badge s-held\">reload</span><div><b>Not as configured</b>");
        html.say("p", &[], &format!("The last reload was refused, so what runs is what held before: {why}"));
        html.raw("</div>");
        if let Some(at) = facts.report.reload_refused_at {
            when(html, &at.to_string(), here, Style::Ago);
        }
        html.raw("</li>");
    }
    for account in blocked {
        html.raw("<li><span class=\"badge s-failure\">blocked</span><div>");
        html.say("b", &[], &account.name);
        html.say("p", &[], account.blocked.as_deref().unwrap_or_default());
        html.raw("</div>");
        if let Some(since) = account.blocked_since {
            when(html, &since.to_string(), here, Style::Ago);
        }
        html.raw("</li>");
    }
    for job in jobs {
        html.raw("<li>");
        badge(html, &job.state);
        html.raw("<div>");
        html.say("a", &[("class", "name"), ("href", &format!("/jobs/{}", job.id))], &job.file_name);
        html.say("span", &[("class", "account")], &job.account);
        if let Some(reason) = &job.reason {
            html.say("p", &[], &cut(reason, REASON));
        }
        html.raw("</div>");
        when(html, job.finished_at.as_deref().unwrap_or(&job.seen_at), here, Style::Ago);
        html.raw("</li>");
    }
    html.raw("</ul>");
    let left = count.saturating_sub(i64::try_from(jobs.len()).unwrap_or(i64::MAX));
    if left > 0 {
        html.raw("<p class=\"more\">");
        html.text(&format!("{} more: ", grouped(left)));
        for (index, state) in ["held", "failure", "partial", "rejected"].into_iter().enumerate() {
            if index > 0 {
                html.raw(", ");
            }
            html.say("a", &[("href", &link("/jobs", &[("state", state)]))], state);
        }
        html.raw("</p>");
    }
    html.raw("</section>");
}

#[cfg(test)]
mod tests {
    use super::super::page_fixtures::{day, here, job, report};
    use super::*;
    use crate::job::Timestamp;

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
        let frame = Frame { ailments: Vec::new(), started: Timestamp(1_795_343_700_000), here: here() };
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
