//! The texts of an alert that all formats share. Pure.

use crate::alert::message::Body;
use crate::job::printable;

/// `datadrop: 3 failure, account callcentre`.
pub(super) fn title(body: &Body) -> String {
    let count = if body.count == 1 { String::new() } else { format!("{} ", body.count) };
    let account = body.account.as_ref().map(|account| format!(", account {account}")).unwrap_or_default();
    format!("datadrop: {count}{}{account}", body.event)
}

/// A line for each job in the alert.
pub(super) fn job_lines(body: &Body) -> impl Iterator<Item = String> {
    body.jobs.iter().map(|job| {
        let reason = job.reason.as_ref().map(|reason| format!(": {}", printable(reason))).unwrap_or_default();
        format!("{} (job {}) is {}{reason}", printable(&job.file_name), job.id, job.state)
    })
}

/// Time, host, version and ID: `2026-11-23T10:00:00.000Z, on host, datadrop 1.0.0, alert 7-5`.
pub(super) fn origin(body: &Body) -> String {
    let first = if body.first_at == body.last_at { String::new() } else { format!("{} to ", body.first_at) };
    format!("{first}{}, on {}, datadrop {}, alert {}", body.last_at, body.host, body.version, body.alert_id)
}

/// Cuts a text to `longest` characters, with an ellipsis if it was longer.
pub(super) fn at_most(text: &str, longest: usize) -> String {
    match text.char_indices().nth(longest) {
        None => text.to_owned(),
        Some(_) => text.chars().take(longest.saturating_sub(1)).chain(['…']).collect(),
    }
}
