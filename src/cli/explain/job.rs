//! A job in one sentence: where its file stands, and the remedy. Pure.

use super::evidence::{Account, Facts, Job};
use crate::job::{Command, JobId, Phase, State, Timestamp};
use crate::joblog::{Delivered, JobRow};
use crate::status::{FIRST_LIST, counted, day_or_time, grouped, parse_time, printable, since_words, until_words};

/// What is to be done where no daemon runs.
pub(super) const START: &str = "no daemon is running: nothing is sent until one is (`systemctl start datadrop`)";

/// The state, in what follows the name of the file.
pub(super) fn sentence(job: &Job, account: Option<&Account>, facts: &Facts) -> String {
    let row = &job.row;
    let Some(state) = state(row) else { return format!("is in state {}", printable(&row.state)) };
    let reason = row.reason.as_deref().map(printable);
    let because = |words: &str| reason.as_ref().map_or_else(|| words.to_owned(), |reason| format!("{words}: {reason}"));
    if let Some(verdict) = &job.verdict {
        return because(verdict.what);
    }
    match state {
        State::Waiting => because("is not on its way yet"),
        State::Queued => queued(job, account, facts),
        State::Uploading(_) if facts.running => "is being sent right now".to_owned(),
        State::Uploading(_) => {
            "was being sent when the daemon stopped; the next start finds out whether it arrived".to_owned()
        }
        State::Unconfirmed => because("was sent, and Adobe's job list has to show whether it arrived"),
        State::Uploaded | State::Processing => because("is with Adobe, which has accepted it and is not done with it"),
        State::Success if row.remote_job_id.is_none() && row.kind == "fin" => {
            "has done its work as a marker; it is not sent (`fin` of the account)".to_owned()
        }
        State::Success => because(&format!("is through: Adobe processed {}", rows(row))),
        State::Partial => because("is through, but Adobe did not process all of it"),
        // Each of these has a verdict, unless its row makes no sense.
        State::Held | State::Failure | State::Rejected | State::Cancelled => because(&format!("is {}", row.state)),
    }
}

pub(super) fn state(row: &JobRow) -> Option<State> {
    state_of(&row.state)
}

fn state_of(words: &str) -> Option<State> {
    State::from_words(words, Some(Phase::Started))
}

fn queued(job: &Job, account: Option<&Account>, facts: &Facts) -> String {
    let row = &job.row;
    if let Some((name, trouble)) = account.and_then(|account| Some((&account.name, account.trouble.as_ref()?))) {
        return format!("is ready, but nothing is sent for account {name}: {}", printable(trouble));
    }
    if !facts.running {
        return format!("is ready, but {START}");
    }
    if account.is_some_and(|account| !account.has_list) {
        return format!("is ready, but not sent yet: {FIRST_LIST}");
    }
    let due = row.next_attempt_at.as_deref().and_then(parse_time).filter(|at| *at > facts.here.now);
    match due {
        Some(at) => {
            let why = row.reason.as_deref().map_or_else(String::new, |reason| format!(": {}", printable(reason)));
            let when = until_words(at, &facts.here);
            match row.attempts {
                0 => format!("is ready, and is sent {when}{why}"),
                attempts => format!("is tried again {when}, after {}{why}", counted(attempts, "attempt")),
            }
        }
        None if row.kind == "fin" => "is on its way: it is sent once its data file is accepted".to_owned(),
        None => "is on its way: ready, and sent when its turn comes".to_owned(),
    }
}

fn rows(row: &JobRow) -> String {
    match (row.rows_processed, row.rows_expected) {
        (Some(processed), Some(expected)) => format!("{} of {}", grouped(processed), counted(expected, "row")),
        (Some(processed), None) => counted(processed, "row"),
        (None, _) => "it".to_owned(),
    }
}

/// What else there is to know of a job, each on a line.
pub(super) fn facts(job: &Job, account: Option<&Account>, facts: &Facts) -> Vec<String> {
    let row = &job.row;
    let mut lines = Vec::new();
    let since = job
        .since
        .map_or_else(String::new, |at| format!(" since {} ({})", at_words(at, facts), since_words(at, &facts.here)));
    let show = |id| Command::Show(JobId(id)).line(&facts.program);
    lines.push(format!("job {}: {}{since}; all of it: {}", row.id, row.state, show(row.id)));
    if let Some(remote) = row.remote_job_id {
        let status = row
            .remote_status
            .as_deref()
            .map_or_else(String::new, |status| format!(", Adobe says {}", printable(status)));
        lines.push(format!("remote job: {remote}{status}"));
    }
    if let Some(pair) = row.pair_id {
        let what = if row.kind == "fin" { "its data file" } else { "its marker" };
        lines.push(format!("{what}: {}", show(pair)));
    }
    match state(row) {
        Some(State::Queued) => {
            lines.extend(
                account
                    .and_then(|account| account.backlog.clone())
                    .map(|words| format!("ahead of it at most: {words}")),
            );
        }
        Some(State::Uploaded | State::Processing | State::Unconfirmed) if facts.running => {
            let next = account.and_then(|account| account.next_sweep);
            lines.extend(next.map(|at| format!("Adobe's list is read next: {}", until_words(at, &facts.here))));
        }
        Some(
            State::Uploaded
            | State::Processing
            | State::Unconfirmed
            | State::Waiting
            | State::Uploading(_)
            | State::Held
            | State::Success
            | State::Partial
            | State::Failure
            | State::Rejected
            | State::Cancelled,
        )
        | None => {}
    }
    lines.extend(job.verdict.iter().flat_map(|verdict| verdict.lines(&facts.program)));
    lines
}

/// A job that is not in the job log any more, in what follows the name of its file.
pub(super) fn pruned(delivered: &Delivered, facts: &Facts) -> String {
    let ended = match state_of(&delivered.state) {
        Some(State::Partial) => "Adobe did not process all of it",
        Some(State::Failure) => "Adobe failed to process it",
        Some(State::Success) => "Adobe processed it",
        Some(
            State::Waiting
            | State::Queued
            | State::Uploading(_)
            | State::Unconfirmed
            | State::Held
            | State::Uploaded
            | State::Processing
            | State::Rejected
            | State::Cancelled,
        )
        | None => "it is at its end",
    };
    let what = match delivered.uploaded_at {
        Some(at) => format!("was accepted {}, and {ended}", at_words(at, facts)),
        None => "has done its work as a marker, without being sent".to_owned(),
    };
    format!("{what}; its job, number {}, has left the job log since (`keep.jobs`)", delivered.id)
}

fn at_words(at: Timestamp, facts: &Facts) -> String {
    day_or_time(&at.to_string(), &facts.here)
}
