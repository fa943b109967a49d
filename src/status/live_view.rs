//! The live view: one screen, and a line for each change.

use super::format::{Here, cut, cut_middle, day_or_time, grouped, pad, parse_time, printable, since_words};
use super::model::StateCounts;
use crate::joblog::JobRow;
use anstyle::{AnsiColor, Style};
use std::fmt::Write as _;
use unicode_width::UnicodeWidthStr;

/// The data of the live view.
#[derive(Debug, Clone)]
pub struct WatchData {
    /// Whether a daemon is running.
    pub running: bool,
    /// Each account with its jobs by state, and the reason of a block.
    pub accounts: Vec<(String, StateCounts, Option<String>)>,
    /// Jobs that have not ended, newest last.
    pub unfinished: Vec<JobRow>,
    /// Jobs that have ended, newest last.
    pub finished: Vec<JobRow>,
}

/// Lines for a screen of this size, with colours.
#[must_use]
pub fn watch_view(data: &WatchData, (width, height): (usize, usize), here: &Here) -> Vec<String> {
    let running = if data.running { "running" } else { "NOT RUNNING" };
    let now = here.now.to_string();
    let held: i64 = data.accounts.iter().map(|(_, counts, _)| counts.held).sum();
    let person = match held {
        0 => String::new(),
        1 => "1 file needs a person · ".to_owned(),
        _ => format!("{} files need a person · ", grouped(held)),
    };
    let title = format!("datadrop is {running} · {} · {person}Ctrl-C leaves", day_or_time(&now, here));
    let mut lines = vec![cut(&title, width), String::new()];
    let names = data.accounts.iter().map(|(name, ..)| name.width()).max().unwrap_or(0);
    for (name, counts, blocked) in &data.accounts {
        lines.push(account_line(&pad(&printable(name), names), counts, blocked.as_deref(), width));
    }
    // Jobs in progress get three quarters of the remaining lines, and ended jobs the rest.
    let room = height.saturating_sub(lines.len() + 4);
    let below = data.finished.len().min((room / 4).max(room.saturating_sub(data.unfinished.len())));
    let above = data.unfinished.len().min(room - below);
    let total = |count: fn(&StateCounts) -> i64| data.accounts.iter().map(|(_, counts, _)| count(counts)).sum();
    let unfinished = total(|counts| counts.inbox() + counts.open() + counts.held);
    section(&mut lines, "not finished", unfinished, latest(&data.unfinished, above), width, here);
    section(&mut lines, "last finished", total(StateCounts::ended), latest(&data.finished, below), width, here);
    lines.truncate(height);
    lines
}

fn account_line(name: &str, counts: &StateCounts, blocked: Option<&str>, width: usize) -> String {
    let mut plain = format!(
        "{name}  inbox {:<5} open {:<5} held {:<4} success {:<6} partial {:<4} failure {:<4} rejected {}",
        counts.inbox(),
        counts.open(),
        counts.held,
        counts.success,
        counts.partial,
        counts.failure,
        counts.rejected
    );
    if let Some(why) = blocked {
        let _ = write!(plain, "  BLOCKED: {}", printable(why));
    }
    let style = if blocked.is_some() { state_style("failure") } else { anstyle::Style::new() };
    format!("{style}{}{style:#}", cut(&plain, width))
}

fn latest(jobs: &[JobRow], count: usize) -> &[JobRow] {
    &jobs[jobs.len().saturating_sub(count)..]
}

fn section(lines: &mut Vec<String>, title: &str, total: i64, jobs: &[JobRow], width: usize, here: &Here) {
    let hidden = total.saturating_sub(i64::try_from(jobs.len()).unwrap_or(i64::MAX));
    let more = if hidden > 0 { format!(" ({} older not shown)", grouped(hidden)) } else { String::new() };
    let bold = anstyle::Style::new().bold();
    lines.push(String::new());
    lines.push(format!("{bold}{title}{bold:#}{}", cut(&more, width.saturating_sub(title.width()))));
    lines.extend(jobs.iter().map(|job| job_line(job, width, here)));
}

fn job_line(job: &JobRow, width: usize, here: &Here) -> String {
    let file = cut_middle(&printable(&format!("{}/{}", job.account, job.file_name)), 44);
    // For a job in progress its age matters, and for an ended job the time of its end.
    let since = parse_time(&job.seen_at).filter(|_| job.finished_at.is_none());
    let when = since.map_or_else(|| day_or_time(&job.seen_at, here), |at| since_words(at, here));
    let head = format!("{:>6}  {}  {}  ", job.id, pad(&when, 11), pad(&file, 44));
    let style = state_style(&job.state);
    let reason = job.reason.as_deref().map(printable).unwrap_or_default();
    let left = width.saturating_sub(head.width() + 13);
    let state = &job.state;
    // On a narrow screen the state must stay visible.
    let head = cut(&head, width.saturating_sub(state.width()));
    if reason.is_empty() || left == 0 {
        return format!("{head}{style}{state}{style:#}");
    }
    format!("{head}{style}{state:<11}{style:#}  {}", cut(&reason, left))
}

/// The colour of a state: green is done, red has failed, yellow needs attention, cyan is in progress.
#[must_use]
pub fn state_style(state: &str) -> Style {
    match state {
        "success" => AnsiColor::Green.on_default(),
        "failure" | "rejected" => AnsiColor::Red.on_default(),
        "partial" | "held" | "unconfirmed" | "cancelled" => AnsiColor::Yellow.on_default(),
        "uploading" | "uploaded" | "processing" => AnsiColor::Cyan.on_default(),
        _ => Style::new(),
    }
}

/// Time, file, job, state and reason. Has colours, which the output drops unless it is a terminal.
///
/// `width` is the width of the file column.
#[must_use]
pub fn change_line(job: &JobRow, at: &str, state: &str, reason: Option<&str>, width: usize, here: &Here) -> String {
    let file = pad(&printable(&format!("{}/{}", job.account, job.file_name)), width);
    let style = state_style(state);
    let head = format!("{}  {file}  job {:<4}  ", here.time_of_day(at), job.id);
    match reason {
        Some(reason) => format!("{head}{style}{state:<11}{style:#}  {}", printable(reason)),
        None => format!("{head}{style}{state}{style:#}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample_rows::{held, here, job};
    use super::*;

    #[test]
    fn the_view_fits_its_screen() {
        let data = WatchData {
            running: true,
            accounts: vec![(
                "callcentre".to_owned(),
                StateCounts { held: 1, success: 40, ..StateCounts::default() },
                None,
            )],
            unfinished: (0..30)
                .map(|id| held(100 + id, "sales.txt", "duplicate: the same content was accepted"))
                .collect(),
            finished: (0..30).map(|id| job(id, "日本.txt")).collect(),
        };
        let lines = watch_view(&data, (110, 16), &here());
        let plain: Vec<String> = lines.iter().map(|line| anstream::adapter::strip_str(line).to_string()).collect();
        assert!(plain.len() <= 16 && plain.iter().all(|line| line.width() <= 110), "{plain:#?}");
        insta::assert_snapshot!(plain.join("\n"), @r"
        datadrop is running · 11:35:00 · 1 file needs a person · Ctrl-C leaves

        callcentre  inbox 0     open 0     held 1    success 40     partial 0    failure 0    rejected 0

        not finished
           123  4 min ago    callcentre/sales.txt                          held         duplicate: the same content w…
           124  4 min ago    callcentre/sales.txt                          held         duplicate: the same content w…
           125  4 min ago    callcentre/sales.txt                          held         duplicate: the same content w…
           126  4 min ago    callcentre/sales.txt                          held         duplicate: the same content w…
           127  4 min ago    callcentre/sales.txt                          held         duplicate: the same content w…
           128  4 min ago    callcentre/sales.txt                          held         duplicate: the same content w…
           129  4 min ago    callcentre/sales.txt                          held         duplicate: the same content w…

        last finished (38 older not shown)
            28  11:30:38     callcentre/日本.txt                           success
            29  11:30:38     callcentre/日本.txt                           success
        ");
    }

    #[test]
    fn a_line_tells_when_what_and_why() {
        let line = change_line(
            &job(17, "sales.txt"),
            "2026-11-23T10:31:20.000Z",
            "partial",
            Some("95 of 100 rows were processed"),
            22,
            &here(),
        );
        insta::assert_snapshot!(anstream::adapter::strip_str(&line).to_string(), @"11:31:20.000  callcentre/sales.txt    job 17    partial      95 of 100 rows were processed");
    }
}
