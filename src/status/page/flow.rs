//! One account: its way from the inbox to the end with counts, and what is to be known of it.

use super::chart::{Day, picture};
use super::frame::{Style, count_link, when};
use super::html::{Html, link};
use crate::status::{AccountStatus, Here, counted, grouped, until_words};

/// An account's card.
pub(super) fn account(html: &mut Html, status: &AccountStatus, days: &[Day], here: &Here) {
    html.raw("<article class=\"account\"><header>");
    html.element("h3", &[], |html| {
        html.say("a", &[("href", &link("/jobs", &[("account", &status.name)]))], &status.name);
    });
    let (class, word) = match (&status.blocked, &status.folder, status.enabled) {
        (_, None, _) => ("pill off", "not configured any more"),
        (_, Some(_), false) => ("pill off", "disabled"),
        (Some(_), Some(_), true) => ("pill bad", "blocked"),
        (None, Some(_), true) => ("pill good", "watching"),
    };
    html.say("span", &[("class", class)], word);
    if let Some(folder) = &status.folder {
        html.say("code", &[("class", "folder")], folder);
    }
    html.raw("</header><div class=\"halves\"><div>");
    steps(html, status);
    ends(html, status);
    facts(html, status, here);
    html.raw("</div>");
    picture(html, days);
    html.raw("</div></article>");
}

/// A place, the files in it, and in which states they are.
type Step<'a> = (&'static str, i64, &'a [(&'static str, i64)]);

/// The four places where a file can be while nothing is wrong with it.
fn steps(html: &mut Html, status: &AccountStatus) {
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
    html.raw("<ol class=\"flow\">");
    for (name, count, states) in steps {
        html.element("li", if count == 0 { &[("class", "none")] } else { &[] }, |html| {
            html.say("span", &[("class", "step")], name);
            html.say("span", &[("class", "count")], &grouped(count));
            html.element("span", &[("class", "of")], |html| {
                let there: Vec<_> = states.iter().filter(|(_, count)| *count > 0).collect();
                for (index, (state, count)) in there.iter().enumerate() {
                    if index > 0 {
                        html.raw(", ");
                    }
                    let words =
                        if there.len() == 1 { (*state).to_owned() } else { format!("{} {state}", grouped(*count)) };
                    html.say("a", &[("href", &link("/jobs", &[("account", &status.name), ("state", state)]))], &words);
                }
            });
        });
    }
    html.raw("</ol>");
}

/// Where a file can be when something is wrong with it.
fn ends(html: &mut Html, status: &AccountStatus) {
    let jobs = &status.jobs;
    let ends = [
        ("held", jobs.held),
        ("partial", jobs.partial),
        ("failure", jobs.failure),
        ("rejected", jobs.rejected),
        ("cancelled", jobs.cancelled),
    ];
    if ends.iter().all(|(_, count)| *count == 0) {
        return;
    }
    html.raw("<p class=\"chips\">");
    for (state, count) in ends.into_iter().filter(|(_, count)| *count > 0) {
        count_link(html, &status.name, state, count);
        html.raw(" ");
    }
    html.raw("</p>");
}

fn facts(html: &mut Html, status: &AccountStatus, here: &Here) {
    html.raw("<dl class=\"facts\">");
    for (name, time) in [("Last success", status.last_success), ("Last sweep", status.last_sweep)] {
        html.say("dt", &[], name);
        html.element("dd", &[], |html| match time {
            Some(at) => when(html, &at.to_string(), here, Style::Ago),
            None => html.raw("never"),
        });
    }
    if let Some(next) = status.next_sweep.filter(|_| status.enabled) {
        html.say("dt", &[], "Next sweep");
        html.say("dd", &[], &until_words(next, here));
    }
    html.say("dt", &[], "Upload style");
    html.say("dd", &[], status.style.as_deref().unwrap_or("not learnt yet"));
    if status.ignored_files > 0 {
        html.say("dt", &[], "Ignored");
        html.say(
            "dd",
            &[("class", "wide")],
            &format!("{}, not of a watched extension", counted(status.ignored_files, "file")),
        );
    }
    html.raw("</dl>");
}
