//! One job: what it is, and its life as a time line.

use super::chart::rect;
use super::frame::{Frame, Menu, Style, badge, page, when};
use super::html::{Html, link};
use super::job_list::rows;
use crate::joblog::{AttemptRow, EventRow, JobRow};
use crate::status::{Here, grouped, parse_time, size, span};
use std::time::Duration;

/// The width of the picture in units of its own.
const WIDTH: i64 = 1_000;

/// What is known of one job.
#[derive(Debug)]
pub(super) struct Life<'a> {
    pub(super) job: &'a JobRow,
    /// What the check found in its file.
    pub(super) findings: Option<&'a str>,
    pub(super) attempts: &'a [AttemptRow],
    pub(super) events: &'a [EventRow],
}

/// A time that the job spent in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stay {
    state: String,
    length: Duration,
    /// It is there still.
    is_now: bool,
}

/// The page.
pub(super) fn life(frame: &Frame, life: &Life<'_>) -> String {
    let (job, here) = (life.job, &frame.here);
    page(
        frame,
        &format!("Job {}: {}", job.id, job.file_name),
        Menu::Jobs,
        |_| {},
        |html| {
            html.raw("<div class=\"title\"><p class=\"above\">");
            html.say("a", &[("href", &link("/jobs", &[("account", &job.account)]))], &job.account);
            html.text(&format!(" · {} {}", if job.kind == "fin" { "marker, job" } else { "job" }, job.id));
            html.raw("</p><h1>");
            html.text(&job.file_name);
            html.raw("</h1>");
            badge(html, &job.state);
            html.raw("</div>");
            if let Some(reason) = &job.reason {
                html.say("p", &[("class", &format!("why s-{}", job.state))], reason);
            }
            time_line(html, &stays(life, here));
            html.raw(
                "<div class=\"halves job\"><section aria-labelledby=\"history\"><h2 id=\"history\">What happened</h2>",
            );
            history(html, life.events, here);
            html.raw("</section><section aria-labelledby=\"file\"><h2 id=\"file\">The file</h2>");
            facts(html, job, here);
            findings(html, life.findings);
            html.raw("</section></div>");
            attempts(html, life.attempts, here);
        },
    )
}

/// How long the job was in each state; steps within one state count together.
fn stays(life: &Life<'_>, here: &Here) -> Vec<Stay> {
    let steps: Vec<_> =
        life.events.iter().filter_map(|event| Some((parse_time(&event.at)?, event.to_state.as_str()))).collect();
    let mut stays: Vec<Stay> = Vec::new();
    for (index, (at, state)) in steps.iter().enumerate() {
        let next = steps.get(index + 1).map(|(at, _)| *at);
        // The end is no stay.
        if next.is_none() && life.job.finished_at.is_some() {
            break;
        }
        let length = next.unwrap_or(here.now).since(*at);
        match stays.last_mut().filter(|stay| stay.state == *state) {
            Some(stay) => {
                stay.length += length;
                stay.is_now = next.is_none();
            }
            None => stays.push(Stay { state: (*state).to_owned(), length, is_now: next.is_none() }),
        }
    }
    stays
}

/// Milliseconds stand beside hours: each tenfold adds the same width.
fn widths(stays: &[Stay]) -> Vec<i64> {
    let weights: Vec<i64> = stays
        .iter()
        .map(|stay| {
            let mut left = stay.length.as_millis();
            let mut weight = 2;
            while left >= 10 {
                left /= 10;
                weight += 2;
            }
            weight + i64::from(left >= 3)
        })
        .collect();
    let all: i64 = weights.iter().sum();
    weights.iter().map(|weight| weight * WIDTH / all.max(1)).collect()
}

fn time_line(html: &mut Html, stays: &[Stay]) {
    if stays.is_empty() {
        return;
    }
    html.raw("<figure class=\"line card\">");
    let label = stays.iter().map(|stay| format!("{} {}", stay.state, span(stay.length))).collect::<Vec<_>>().join(", ");
    let view = format!("0 0 {WIDTH} 20");
    let attributes =
        [("viewBox", view.as_str()), ("preserveAspectRatio", "none"), ("role", "img"), ("aria-label", &label)];
    html.element("svg", &attributes, |html| {
        let mut left = 0;
        for (stay, width) in stays.iter().zip(widths(stays)) {
            html.element("g", &[], |html| {
                html.say("title", &[], &format!("{} {}", stay.state, span(stay.length)));
                rect(html, &format!("s-{}", stay.state), (left, 0), ((width - 3).max(1), 20));
            });
            left += width;
        }
    });
    html.raw("<ol>");
    for stay in stays {
        html.element("li", &[], |html| {
            badge(html, &stay.state);
            html.say("b", &[], &span(stay.length));
            if stay.is_now {
                html.raw(" so far");
            }
        });
    }
    html.raw("</ol><figcaption>Long stays are drawn shorter than they were.</figcaption></figure>");
}

fn history(html: &mut Html, events: &[EventRow], here: &Here) {
    if events.is_empty() {
        html.raw("<p class=\"quiet\">Its history was pruned.</p>");
        return;
    }
    html.raw("<ol class=\"history\">");
    let mut before = None;
    for event in events {
        let at = parse_time(&event.at);
        html.element("li", &[("class", &format!("s-{}", event.to_state))], |html| {
            html.element("p", &[], |html| {
                html.say("b", &[], &event.event.replace('_', " "));
                if event.from_state.as_deref() != Some(event.to_state.as_str()) {
                    html.raw(" → ");
                    html.text(&event.to_state);
                }
            });
            if let Some(detail) = &event.detail {
                html.say("p", &[("class", "detail")], detail);
            }
            html.element("p", &[("class", "at")], |html| {
                when(html, &event.at, here, Style::Full);
                if let (Some(before), Some(at)) = (before, at) {
                    html.text(&format!(" · {} later", span(at.since(before))));
                }
            });
        });
        before = at;
    }
    html.raw("</ol>");
}

fn facts(html: &mut Html, job: &JobRow, here: &Here) {
    html.raw("<dl class=\"facts card\">");
    let mut fact = |name: &str, value: Option<&str>, class: &str| {
        if let Some(value) = value {
            html.say("dt", &[], name);
            html.say("dd", &[("class", class)], value);
        }
    };
    fact("Lies at", Some(&job.path), "path");
    let bytes = job
        .size
        .map(|bytes| if bytes < 1_000 { size(bytes) } else { format!("{} ({} bytes)", size(bytes), grouped(bytes)) });
    fact("Size", bytes.as_deref(), "");
    fact("Rows", (job.kind != "fin").then(|| rows(job)).as_deref(), "");
    fact("SHA-256", job.sha256.as_deref(), "path");
    fact("Remote job", job.remote_job_id.map(|id| id.to_string()).as_deref(), "");
    fact("Adobe says", job.remote_status.as_deref(), "");
    // Adobe's dates carry no zone, so they stay as they are.
    fact("Adobe: created", job.remote_created.as_deref(), "");
    fact("Adobe: started", job.remote_started.as_deref(), "");
    fact("Adobe: finished", job.remote_finished.as_deref(), "");
    if let Some(at) = &job.next_attempt_at {
        html.raw("<dt>Next attempt</dt><dd>");
        when(html, at, here, Style::Full);
        html.raw("</dd>");
    }
    if let Some(pair) = job.pair_id {
        html.say("dt", &[], if job.kind == "fin" { "Data file" } else { "Marker" });
        html.element("dd", &[], |html| html.say("a", &[("href", &format!("/jobs/{pair}"))], &format!("job {pair}")));
    }
    html.raw("</dl>");
}

fn findings(html: &mut Html, findings: Option<&str>) {
    let Some(findings) = findings else { return };
    html.raw("<h2>What the check found</h2><ul class=\"findings card\">");
    for finding in findings.lines() {
        html.say("li", &[], finding);
    }
    html.raw("</ul>");
}

fn attempts(html: &mut Html, attempts: &[AttemptRow], here: &Here) {
    if attempts.is_empty() {
        return;
    }
    html.raw(
        "<section aria-labelledby=\"attempts\"><h2 id=\"attempts\">Attempts</h2><table class=\"attempts card\"><thead><tr>\
         <th class=\"number\">#</th><th>Began</th><th>Style</th><th>End</th><th class=\"number\">Took</th><th>Request</th></tr></thead><tbody>",
    );
    for attempt in attempts {
        html.raw("<tr>");
        html.say("td", &[("class", "number")], &attempt.number.to_string());
        html.element("td", &[], |html| when(html, &attempt.started_at, here, Style::Full));
        html.say("td", &[], &attempt.style);
        html.element("td", &[], |html| {
            html.text(&attempt.outcome.as_deref().unwrap_or(&attempt.phase).replace('_', " "));
            if let Some(status) = attempt.http_status {
                html.text(&format!(", HTTP {status}"));
            }
            if let Some(detail) = &attempt.detail {
                html.say("span", &[("class", "reason")], detail);
            }
        });
        let took = attempt.ended_at.as_deref().and_then(parse_time).zip(parse_time(&attempt.started_at));
        html.say("td", &[("class", "number")], &took.map_or_else(String::new, |(end, start)| span(end.since(start))));
        html.say("td", &[("class", "path")], attempt.request_id.as_deref().unwrap_or_default());
        html.raw("</tr>");
    }
    html.raw("</tbody></table></section>");
}

#[cfg(test)]
mod tests {
    use super::super::page_fixtures::{event, here, job};
    use super::*;
    use crate::job::Timestamp;

    fn events() -> Vec<EventRow> {
        vec![
            event("38.007", "seen", None, "waiting"),
            event("38.107", "ready", Some("waiting"), "queued"),
            event("39.000", "started", Some("queued"), "uploading"),
            event("39.200", "committing", Some("uploading"), "uploading"),
            event("39.500", "accepted", Some("uploading"), "uploaded"),
        ]
    }

    fn lengths(job: &JobRow) -> Vec<(String, u128, bool)> {
        let events = events();
        let life = Life { job, findings: None, attempts: &[], events: &events };
        stays(&life, &here()).into_iter().map(|stay| (stay.state, stay.length.as_millis(), stay.is_now)).collect()
    }

    #[test]
    fn a_life_is_its_stays_and_the_last_goes_on_unless_the_job_ended() {
        let stays =
            [("waiting", 100, false), ("queued", 893, false), ("uploading", 500, false), ("uploaded", 260_500, true)]
                .map(|(state, length, is_now)| (state.to_owned(), length, is_now));
        assert_eq!(lengths(&job(7, "uploaded", None)), stays);
        let ended = JobRow { finished_at: Some("2026-11-23T10:30:39.500Z".to_owned()), ..job(7, "success", None) };
        assert_eq!(lengths(&ended), stays[..3]);
    }

    #[test]
    fn widths_grow_with_time_and_fill_the_line() {
        let stay = |millis| Stay { state: "queued".to_owned(), length: Duration::from_millis(millis), is_now: false };
        let widths = widths(&[stay(0), stay(20), stay(900), stay(3_600_000)]);
        assert!(widths.is_sorted() && widths[0] > 20, "{widths:?}");
        assert!((990..=1_000).contains(&widths.iter().sum::<i64>()), "{widths:?}");
    }

    #[test]
    fn the_whole_page() {
        let attempt = AttemptRow {
            number: 1,
            phase: "answered".to_owned(),
            style: "put-json".to_owned(),
            started_at: "2026-11-23T10:30:39.000Z".to_owned(),
            committing_at: None,
            ended_at: Some("2026-11-23T10:30:39.500Z".to_owned()),
            outcome: Some("not_ingested".to_owned()),
            http_status: Some(503),
            request_id: Some("abc".to_owned()),
            detail: Some("<b>busy</b>".to_owned()),
        };
        let job = JobRow { pair_id: Some(8), ..job(7, "uploaded", Some("a <reason>")) };
        let life = Life { job: &job, findings: Some("line 3: doubtful"), attempts: &[attempt], events: &events() };
        let frame = Frame { ailments: Vec::new(), started: Timestamp(0), here: here() };
        let page = super::life(&frame, &life).replace(env!("CARGO_PKG_VERSION"), "VERSION").replace("><", ">\n<");
        insta::assert_snapshot!(page);
    }
}
