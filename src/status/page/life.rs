//! One job: what it is, and its life as a time line.

use super::frame::{Frame, Menu, Style, badge, command, link, page, title, when};
use super::job_list::rows;
use crate::job::{Command, JobId, Program, Release, Verb, Verdict};
use crate::joblog::{AttemptRow, EventRow, JobLife, JobRow};
use crate::status::{Here, grouped, parse_time, size, span};
use maud::{Markup, html};
use std::time::Duration;

/// The width of the picture in units of its own.
const WIDTH: i64 = 1_000;

/// A time that the job spent in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stay {
    state: String,
    length: Duration,
    /// It is there still.
    is_now: bool,
}

impl Stay {
    fn in_words(&self) -> String {
        format!("{} {}", self.state, span(self.length))
    }
}

/// The page. `can`: what its reader may have done with the job here.
pub(super) fn life(frame: &Frame, life: &JobLife, program: &Program, can: &[Verb]) -> String {
    let (job, here) = (&life.job, &frame.here);
    let shown = html! {
        div.title {
            p.above {
                a href=(link("/jobs", &[("account", &job.account)])) { (job.account) }
                " · " @if job.kind == "fin" { "marker, " } "job " (job.id)
            }
            h1 { (job.file_name) }
            (badge(&job.state))
        }
        @if let Some(reason) = &job.reason { p class={ "why s-" (job.state) } { (reason) } }
        (steps(JobId(job.id), life.verdict.as_ref(), program, can))
        (time_line(&stays(life, here)))
        div.halves.job {
            section aria-labelledby="history" {
                h2 #history { "What happened" }
                (history(&life.events, here))
            }
            section aria-labelledby="file" {
                h2 #file { "The file" }
                (facts(job, here))
                (findings(life.findings.as_deref()))
            }
        }
        (attempts(&life.attempts, here))
    };
    page(frame, &format!("Job {}: {}", job.id, job.file_name), Menu::Jobs, &html! {}, &shown)
}

/// What a person can do: here, or by a command.
fn steps(id: JobId, verdict: Option<&Verdict>, program: &Program, can: &[Verb]) -> Markup {
    let steps = verdict.map_or(&[][..], |verdict| &verdict.steps);
    let here = |command: &Command| can.iter().copied().find(|verb| does(command, *verb));
    let told: Vec<Verb> = steps.iter().filter_map(|step| here(step.command.as_ref()?)).collect();
    let others: Vec<Verb> = can.iter().copied().filter(|verb| !told.contains(verb)).collect();
    html! {
        @if !steps.is_empty() || !others.is_empty() {
            ul.steps.card {
                @for step in steps {
                    li {
                        (step.aim) @if step.command.is_some() { ": " } @else { "." }
                        @if let Some(line) = &step.command {
                            @if let Some(verb) = here(line) { (act(id, verb)) } @else { (command(&line.line(program))) }
                        }
                    }
                }
                @for verb in others { li { (aim(verb)) ": " (act(id, verb)) } }
            }
        }
    }
}

/// Whether a command for this job is this verb.
fn does(command: &Command, verb: Verb) -> bool {
    match command {
        Command::Retry(_) => verb == Verb::Retry,
        Command::Release(_) => verb == Verb::Release(Release::Send),
        Command::Cancel(_) => verb == Verb::Cancel { force: false },
        Command::Show(_)
        | Command::Wait(_)
        | Command::Adopt(_)
        | Command::Resend(_)
        | Command::GiveUp(_)
        | Command::RemoteJobs(_) => false,
    }
}

fn aim(verb: Verb) -> &'static str {
    match verb {
        Verb::Retry => "To send it again",
        Verb::Hold => "To keep it until somebody releases it",
        Verb::Release(_) => "To send it",
        Verb::Cancel { .. } => "Not to send it",
    }
}

/// Leads to what would be done.
fn act(id: JobId, verb: Verb) -> Markup {
    html! { a.act href=(link("/act", &[("verb", verb.as_str()), ("job", &id.to_string())])) { (title(verb)) "…" } }
}

/// Returns the time that the job spent in each state; steps within one state count together.
fn stays(life: &JobLife, here: &Here) -> Vec<Stay> {
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

fn time_line(stays: &[Stay]) -> Markup {
    if stays.is_empty() {
        return html! {};
    }
    let label = stays.iter().map(Stay::in_words).collect::<Vec<_>>().join(", ");
    let widths = widths(stays);
    let lefts = widths.iter().scan(0, |right, width| {
        *right += width;
        Some(*right - width)
    });
    html! {
        figure.line.card {
            svg viewBox={ "0 0 " (WIDTH) " 20" } preserveAspectRatio="none" role="img" aria-label=(label) {
                @for ((stay, width), left) in stays.iter().zip(&widths).zip(lefts) {
                    g {
                        title { (stay.in_words()) }
                        rect class={ "s-" (stay.state) } x=(left) y="0" width=((width - 3).max(1)) height="20" {}
                    }
                }
            }
            ol {
                @for stay in stays {
                    li { (badge(&stay.state)) b { (span(stay.length)) } @if stay.is_now { " so far" } }
                }
            }
            figcaption { "Long stays are drawn shorter than they were." }
        }
    }
}

fn history(events: &[EventRow], here: &Here) -> Markup {
    let times: Vec<_> = events.iter().map(|event| parse_time(&event.at)).collect();
    let befores = std::iter::once(None).chain(times.iter().copied());
    html! {
        @if events.is_empty() {
            p.quiet { "Its history was pruned." }
        } @else {
            ol.history {
                @for ((event, at), before) in events.iter().zip(&times).zip(befores) {
                    li class={ "s-" (event.to_state) } {
                        p {
                            b { (event.event.replace('_', " ")) }
                            @if event.from_state.as_deref() != Some(event.to_state.as_str()) { " → " (event.to_state) }
                        }
                        @if let Some(detail) = &event.detail { p.detail { (detail) } }
                        p.at {
                            (when(&event.at, here, Style::Full))
                            @if let (Some(before), Some(at)) = (before, at) { " · " (span(at.since(before))) " later" }
                        }
                    }
                }
            }
        }
    }
}

fn facts(job: &JobRow, here: &Here) -> Markup {
    let bytes = job
        .size
        .map(|bytes| if bytes < 1_000 { size(bytes) } else { format!("{} ({} bytes)", size(bytes), grouped(bytes)) });
    let facts = [
        ("Lies at", Some(job.path.clone()), "path"),
        ("Size", bytes, ""),
        ("Rows", (job.kind != "fin").then(|| rows(job)), ""),
        ("SHA-256", job.sha256.clone(), "path"),
        ("Remote job", job.remote_job_id.map(|id| id.to_string()), ""),
        ("Adobe says", job.remote_status.clone(), ""),
        // Adobe's dates carry no zone, so they stay as they are.
        ("Adobe: created", job.remote_created.clone(), ""),
        ("Adobe: started", job.remote_started.clone(), ""),
        ("Adobe: finished", job.remote_finished.clone(), ""),
    ];
    html! {
        dl.facts.card {
            @for (name, value, class) in facts {
                @if let Some(value) = value {
                    dt { (name) }
                    dd class=(class) { (value) }
                }
            }
            @if let Some(at) = &job.next_attempt_at {
                dt { "Next attempt" }
                dd { (when(at, here, Style::Full)) }
            }
            @if let Some(pair) = job.pair_id {
                dt { @if job.kind == "fin" { "Data file" } @else { "Marker" } }
                dd { a href={ "/jobs/" (pair) } { "job " (pair) } }
            }
        }
    }
}

fn findings(findings: Option<&str>) -> Markup {
    html! {
        @if let Some(findings) = findings {
            h2 { "What the check found" }
            ul.findings.card { @for finding in findings.lines() { li { (finding) } } }
        }
    }
}

fn attempts(attempts: &[AttemptRow], here: &Here) -> Markup {
    html! {
        @if !attempts.is_empty() {
            section aria-labelledby="attempts" {
                h2 #attempts { "Attempts" }
                table.attempts.card {
                    thead {
                        tr {
                            th.number { "#" }
                            @for name in ["Began", "Style", "End"] { th { (name) } }
                            th.number { "Took" }
                            th { "Request" }
                        }
                    }
                    tbody { @for attempt in attempts { (attempt_row(attempt, here)) } }
                }
            }
        }
    }
}

fn attempt_row(attempt: &AttemptRow, here: &Here) -> Markup {
    let took = attempt.ended_at.as_deref().and_then(parse_time).zip(parse_time(&attempt.started_at));
    html! {
        tr {
            td.number { (attempt.number) }
            td { (when(&attempt.started_at, here, Style::Full)) }
            td { (attempt.style) }
            td {
                (attempt.outcome.as_deref().unwrap_or(&attempt.phase).replace('_', " "))
                @if let Some(status) = attempt.http_status { ", HTTP " (status) }
                @if let Some(detail) = &attempt.detail { span.reason { (detail) } }
            }
            td.number { @if let Some((end, start)) = took { (span(end.since(start))) } }
            td.path { (attempt.request_id.as_deref().unwrap_or_default()) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::Visitor;
    use super::super::page_fixtures::{event, here, job};
    use super::*;
    use crate::job::{Step, Timestamp};

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
        let life = JobLife { job: job.clone(), verdict: None, findings: None, attempts: Vec::new(), events: events() };
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
        let steps = vec![Step { aim: "To send it <again>", command: Some(Command::Retry(JobId(7))) }];
        let life = JobLife {
            job,
            verdict: Some(Verdict { what: "was not sent", steps }),
            findings: Some("line 3: doubtful".to_owned()),
            attempts: vec![attempt],
            events: events(),
        };
        let frame = Frame { ailments: Vec::new(), started: Timestamp(0), here: here(), visitor: Visitor::MayLogIn };
        let page = super::life(&frame, &life, &Program::default(), &[Verb::Retry, Verb::Hold])
            .replace(env!("CARGO_PKG_VERSION"), "VERSION")
            .replace("><", ">\n<");
        insta::assert_snapshot!(page);
    }
}
