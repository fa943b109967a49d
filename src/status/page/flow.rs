//! One account: its way from the inbox to the end with counts, and what is to be known of it.

use super::chart::{Day, picture};
use super::frame::{Style, count_link, link, when};
use crate::joblog::{MOST_DAYS_SENT, MOST_WAITING};
use crate::status::{AccountStatus, Here, counted, grouped, size, until_words};
use maud::{Markup, html};

/// An account's card.
pub(super) fn account(status: &AccountStatus, days: &[Day], here: &Here) -> Markup {
    let (class, word) = match (&status.blocked, &status.folder, status.enabled) {
        (_, None, _) => ("pill off", "not configured any more"),
        (_, Some(_), false) => ("pill off", "disabled"),
        (Some(_), Some(_), true) => ("pill bad", "blocked"),
        (None, Some(_), true) => ("pill good", "watching"),
    };
    html! {
        article.account {
            header {
                h3 { a href=(link("/jobs", &[("account", &status.name)])) { (status.name) } }
                span class=(class) { (word) }
                @if status.folder.is_some() { a.data-days href=(link("/days", &[("account", &status.name)])) { "data days" } }
                @if let Some(folder) = &status.folder { code.folder { (folder) } }
            }
            div.halves {
                div { (steps(status)) (ends(status)) (facts(status, here)) }
                (picture(days))
            }
        }
    }
}

/// A place, the files in it, and in which states they are.
type Step<'a> = (&'static str, i64, &'a [(&'static str, i64)]);

/// The four places where a file can be while nothing is wrong with it.
fn steps(status: &AccountStatus) -> Markup {
    let jobs = &status.jobs;
    let steps: [Step<'_>; 4] = [
        ("Inbox", jobs.waiting + jobs.queued, &[("waiting", jobs.waiting), ("queued", jobs.queued)]),
        (
            "Sending",
            jobs.uploading + jobs.unconfirmed,
            &[("uploading", jobs.uploading), ("unconfirmed", jobs.unconfirmed)],
        ),
        ("At Adobe", jobs.open(), &[("uploaded", jobs.uploaded), ("processing", jobs.processing)]),
        ("Done", jobs.success, &[("success", jobs.success)]),
    ];
    html! {
        ol.flow {
            @for (name, count, states) in steps {
                li class=[(count == 0).then_some("none")] {
                    span.step { (name) }
                    span.count { (grouped(count)) }
                    span.of { (parts(&status.name, states)) }
                }
            }
        }
    }
}

/// The states in which there are files, with their counts unless there is but one.
fn parts(account: &str, states: &[(&'static str, i64)]) -> Markup {
    let there: Vec<_> = states.iter().filter(|(_, count)| *count > 0).collect();
    html! {
        @for (index, (state, count)) in there.iter().enumerate() {
            @if index > 0 { ", " }
            a href=(link("/jobs", &[("account", account), ("state", state)])) {
                @if there.len() > 1 { (grouped(*count)) " " }
                (state)
            }
        }
    }
}

/// Where a file can be when something is wrong with it.
fn ends(status: &AccountStatus) -> Markup {
    let jobs = &status.jobs;
    let mut ends = vec![
        ("held", jobs.held),
        ("partial", jobs.partial),
        ("failure", jobs.failure),
        ("rejected", jobs.rejected),
        ("cancelled", jobs.cancelled),
    ];
    ends.retain(|(_, count)| *count > 0);
    html! {
        @if !ends.is_empty() {
            p.chips { @for (state, count) in ends { (count_link(&status.name, state, count)) " " } }
        }
    }
}

fn facts(status: &AccountStatus, here: &Here) -> Markup {
    html! {
        dl.facts {
            @for (name, time) in [("Last success", status.last_success), ("Last sweep", status.last_sweep)] {
                dt { (name) }
                dd { @if let Some(at) = time { (when(&at.to_string(), here, Style::Ago)) } @else { "never" } }
            }
            @if let Some(next) = status.next_sweep.filter(|_| status.enabled) {
                dt { "Next sweep" }
                dd { (until_words(next, here)) }
            }
            dt { "Upload style" }
            dd { (status.style.as_deref().unwrap_or("not learnt yet")) }
            dt { "Adobe's row count" }
            dd { (status.row_count.words()) }
            @if let Some(at) = status.next_day {
                dt { "Waiting for a day" }
                dd { (counted(status.waiting_for_day, "file")) ", the first " (until_words(at, here)) }
            }
            @if let Some(until) = status.muted_until {
                dt { "Alerts" }
                dd.wide {
                    "muted" @if let Some(by) = &status.muted_by { " by " (by) } ", ends " (until_words(until, here))
                }
            }
            @if status.data_days_today > 0 {
                dt { "Data days sent today" }
                dd { (grouped(status.data_days_today)) " of " (MOST_DAYS_SENT) }
            }
            @if status.bytes_at_adobe > 0 {
                dt { "Waiting at Adobe" }
                dd { (size(status.bytes_at_adobe.cast_signed())) " of " (size(MOST_WAITING.cast_signed())) }
            }
            @if status.ignored_files > 0 {
                dt { "Ignored" }
                dd.wide { (counted(status.ignored_files, "name")) ", hidden, a folder, excluded, or not of a watched extension" }
            }
        }
    }
}
