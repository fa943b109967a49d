//! Everything about one job, for a person.

use super::format::{Here, grouped, pad, parse_time, printable, since_words, size, span, until_words};
use crate::job::{Program, counted};
use crate::joblog::{AttemptRow, EventRow, JobLife, JobRow};
use std::fmt::Write as _;

/// The columns of a job, the remedies, the findings of the check, its attempts and its history.
#[must_use]
pub fn job_page(life: &JobLife, program: &Program, here: &Here) -> String {
    let JobLife { job, verdict, findings, attempts, events } = life;
    let mut page = format!("job {}: {} is {}\n\n", job.id, printable(&job.file_name), printable(&job.state));
    for (label, value) in facts(job, here) {
        let _ = writeln!(page, "  {}{value}", pad(label, 14));
    }
    if let Some(verdict) = verdict {
        page.push_str("\nwhat you can do\n");
        for line in verdict.lines(program) {
            let _ = writeln!(page, "  {line}");
        }
    }
    if let Some(findings) = findings {
        page.push_str("\nfindings of the file check\n");
        for finding in findings.lines() {
            let _ = writeln!(page, "  {}", printable(finding));
        }
    }
    if !attempts.is_empty() {
        page.push_str("\nattempts\n");
        for attempt in attempts {
            let _ = writeln!(page, "  {}", attempt_line(attempt, here));
        }
    }
    if !events.is_empty() {
        page.push_str("\nhistory\n");
        for event in events {
            let _ = writeln!(page, "  {}", event_line(event, here));
        }
    }
    page
}

fn facts(job: &JobRow, here: &Here) -> Vec<(&'static str, String)> {
    let mut facts = Vec::new();
    let mut add = |label, value: Option<String>| facts.extend(value.map(|value| (label, value)));
    let when = |time: &Option<String>| {
        let time = time.as_deref()?;
        let ago = parse_time(time).map_or_else(String::new, |at| format!(" ({})", since_words(at, here)));
        Some(format!("{}{ago}", here.date_time(time)))
    };
    let is_marker = job.kind == "fin";
    add("reason", job.reason.as_deref().map(printable));
    add("account", Some(printable(&job.account)));
    add("kind", Some(if is_marker { "marker".to_owned() } else { "data file".to_owned() }));
    add("path", Some(printable(&job.path)));
    add(
        "size",
        job.size.map(
            |bytes| {
                if bytes < 1_000 { size(bytes) } else { format!("{} ({} bytes)", size(bytes), grouped(bytes)) }
            },
        ),
    );
    add("sha256", job.sha256.clone());
    add("rows", rows_in_words(job).filter(|_| !is_marker));
    add("data days", days_in_words(job));
    add("remote job", remote_in_words(job));
    add("seen", when(&Some(job.seen_at.clone())));
    add("queued", when(&job.queued_at));
    add("uploaded", when(&job.uploaded_at));
    add("finished", when(&job.finished_at));
    add(
        "next attempt",
        job.next_attempt_at.as_deref().map(|time| {
            let left = parse_time(time).map_or_else(String::new, |at| format!(" ({})", until_words(at, here)));
            format!("{}{left}", here.date_time(time))
        }),
    );
    add("pair", job.pair_id.map(|id| format!("job {id} ({})", if is_marker { "its data file" } else { "its marker" })));
    facts
}

/// `2026-11-01 to 2026-11-30 (30 days)`.
fn days_in_words(job: &JobRow) -> Option<String> {
    let (first, last) = (job.first_day.as_ref()?, job.last_day.as_ref()?);
    match job.days? {
        1 => Some(first.clone()),
        days => Some(format!("{first} to {last} ({})", counted(days, "day"))),
    }
}

fn rows_in_words(job: &JobRow) -> Option<String> {
    match (job.rows_processed, job.rows_expected) {
        (None, None) => None,
        (None, Some(expected)) => Some(format!("{} in the file", grouped(expected))),
        (Some(processed), None) => Some(format!("{} processed", grouped(processed))),
        (Some(processed), Some(expected)) => {
            Some(format!("{} processed of {} in the file", grouped(processed), grouped(expected)))
        }
    }
}

/// Adobe's dates have no zone, so they stay unchanged.
fn remote_in_words(job: &JobRow) -> Option<String> {
    let mut words = vec![job.remote_job_id?.to_string()];
    words.extend(job.remote_status.as_deref().map(printable));
    for (label, date) in
        [("created", &job.remote_created), ("started", &job.remote_started), ("finished", &job.remote_finished)]
    {
        words.extend(date.as_deref().map(|date| format!("{label} {}", printable(date))));
    }
    Some(words.join(", "))
}

fn attempt_line(attempt: &AttemptRow, here: &Here) -> String {
    let mut line = format!("{:>2}  {}  {:<14}", attempt.number, here.date_time(&attempt.started_at), attempt.style);
    let outcome = attempt.outcome.as_deref().unwrap_or(&attempt.phase);
    let _ = write!(line, "  {}", printable(outcome));
    if let Some(status) = attempt.http_status {
        let _ = write!(line, ", HTTP {status}");
    }
    if let (Some(start), Some(end)) =
        (parse_time(&attempt.started_at), attempt.ended_at.as_deref().and_then(parse_time))
    {
        let _ = write!(line, ", took {}", span(end.since(start)));
    }
    if let Some(request) = &attempt.request_id {
        let _ = write!(line, ", request {}", printable(request));
    }
    if let Some(detail) = &attempt.detail {
        let _ = write!(line, ": {}", printable(detail));
    }
    line
}

fn event_line(event: &EventRow, here: &Here) -> String {
    let step = match &event.from_state {
        Some(from) if *from != event.to_state => format!("{from} → {}", event.to_state),
        Some(_) | None => event.to_state.clone(),
    };
    let mut line = format!("{}  {:<12}  {}", here.date_time(&event.at), printable(&event.event), printable(&step));
    if let Some(detail) = &event.detail {
        let _ = write!(line, ": {}", printable(detail));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::super::sample_rows::{here, job};
    use super::*;

    #[test]
    fn a_page_tells_the_whole_story() {
        let mut row = job(17, "sales.txt");
        row.state = "partial".to_owned();
        row.reason = Some("95 of 100 rows were processed".to_owned());
        row.rows_processed = Some(95);
        row.pair_id = Some(18);
        let attempt = AttemptRow {
            number: 1,
            phase: "answered".to_owned(),
            style: "put-json".to_owned(),
            started_at: "2026-11-23T10:30:38.200Z".to_owned(),
            committing_at: Some("2026-11-23T10:30:38.300Z".to_owned()),
            ended_at: Some("2026-11-23T10:30:39.500Z".to_owned()),
            outcome: Some("accepted".to_owned()),
            http_status: Some(200),
            request_id: Some("r-1".to_owned()),
            detail: None,
        };
        let event = |at: &str, event: &str, from: Option<&str>, to: &str, detail: Option<&str>| EventRow {
            at: format!("2026-11-23T{at}Z"),
            event: event.to_owned(),
            from_state: from.map(str::to_owned),
            to_state: to.to_owned(),
            detail: detail.map(str::to_owned),
        };
        let events = [
            event("10:30:38.007", "seen", None, "waiting", None),
            event("10:30:38.107", "ready", Some("waiting"), "queued", None),
            event("10:31:20.000", "fell-short", Some("processing"), "partial", Some("95 of 100 rows were processed")),
        ];
        let life = JobLife {
            job: row,
            verdict: None,
            findings: Some("skips: line 9, column 4: a semicolon\nand 4 more".to_owned()),
            attempts: vec![attempt],
            events: events.to_vec(),
        };
        insta::assert_snapshot!(job_page(&life, &Program::default(), &here()), @r"
        job 17: sales.txt is partial

          reason        95 of 100 rows were processed
          account       callcentre
          kind          data file
          path          /srv/datadrop/callcentre/done/sales.txt
          size          1.2 MB (1,234,567 bytes)
          sha256        ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
          rows          95 processed of 100 in the file
          remote job    987654321, success, created 2026-11-23 02:30:39, started 2026-11-23 02:30:50, finished 2026-11-23 02:31:10
          seen          2026-11-23 11:30:38 (4 min ago)
          queued        2026-11-23 11:30:38 (4 min ago)
          uploaded      2026-11-23 11:30:39 (4 min ago)
          finished      2026-11-23 11:31:20 (3 min ago)
          pair          job 18 (its marker)

        findings of the file check
          skips: line 9, column 4: a semicolon
          and 4 more

        attempts
           1  2026-11-23 11:30:38  put-json        accepted, HTTP 200, took 1.3 s, request r-1

        history
          2026-11-23 11:30:38  seen          waiting
          2026-11-23 11:30:38  ready         waiting → queued
          2026-11-23 11:31:20  fell-short    processing → partial: 95 of 100 rows were processed
        ");
    }
}
