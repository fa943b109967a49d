//! What a probe has shown: from what was observed to answers, each with its evidence. Pure.

use super::probe_files::{COMMENTS, COUNTED, Purpose, WITH_SKIPPED};
use super::probe_observed::{Observed, Outcome, Tried};
use crate::job::{RemoteJob, Timestamp, UploadStyle, date_told, zone_named};
use crate::status::{printable, span};
use jiff::tz::Offset;
use serde::Serialize;
use std::collections::BTreeSet;
use std::time::Duration;

/// What a probe asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Question {
    Styles,
    Markers,
    Names,
    Rows,
    Skipped,
    Dates,
    List,
    End,
}

impl Question {
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Styles => "Which upload requests does the API accept?",
            Self::Markers => "Does the API want a marker (.fin) for each data file?",
            Self::Names => "Do file names come back unchanged?",
            Self::Rows => "Which lines of a file does the row count include?",
            Self::Skipped => "Does the row count include rows that Adobe skips?",
            Self::Dates => "In which time zone are the dates of jobs?",
            Self::List => "How soon does the list show a job?",
            Self::End => "How soon does a job end?",
        }
    }
}

/// A question with what was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Settled {
    pub(super) question: Question,
    /// `None`: it is still open.
    pub(super) answer: Option<String>,
    pub(super) evidence: Vec<String>,
}

/// Answers every question, as far as what was observed does.
pub(super) fn answers(observed: &Observed) -> Vec<Settled> {
    [
        styles(observed),
        markers(observed),
        names(observed),
        rows(observed),
        skipped(observed),
        dates(observed),
        list(observed),
        end(observed),
    ]
    .into()
}

fn styles(observed: &Observed) -> Settled {
    let tried: Vec<(UploadStyle, &Tried)> = observed
        .tried
        .iter()
        .filter_map(|tried| match tried.file.purpose {
            Purpose::Style(style) => Some((style, tried)),
            Purpose::Name(_) | Purpose::Marked | Purpose::Skipped | Purpose::Marker => None,
        })
        .collect();
    let is_clear = |tried: &Tried| tried.has_arrived() || matches!(tried.outcome, Outcome::Refused(_));
    let is_settled = tried.len() == UploadStyle::ALL.len() && tried.iter().all(|(_, tried)| is_clear(tried));
    let accepted: Vec<String> =
        tried.iter().filter(|(_, tried)| tried.has_arrived()).map(|(style, _)| in_words(*style)).collect();
    let answer = if accepted.is_empty() { "none that datadrop knows".to_owned() } else { accepted.join("; ") };
    let evidence = tried.iter().map(|(style, tried)| format!("{}: {}", in_words(*style), tried.fate())).collect();
    Settled { question: Question::Styles, answer: is_settled.then_some(answer), evidence }
}

pub(super) fn in_words(style: UploadStyle) -> String {
    let shape = match style {
        UploadStyle::PutJson => "PUT with JSON",
        UploadStyle::PostMultipart => "POST with multipart",
        UploadStyle::PutMultipart => "PUT with multipart",
    };
    format!("{shape} (`{}`)", style.as_str())
}

fn markers(observed: &Observed) -> Settled {
    let of_data = |wants_marker: bool| {
        observed.tried.iter().filter(move |tried| {
            let has_marker =
                observed.tried.iter().any(|other| other.file.is_marker_of(&tried.file) && other.has_arrived());
            tried.file.purpose != Purpose::Marker && tried.has_arrived() && has_marker == wants_marker
        })
    };
    let count = |wants_marker| {
        let (all, ended) =
            (of_data(wants_marker).count(), of_data(wants_marker).filter(|tried| tried.end().is_some()).count());
        format!("{ended} of {all} data files {} a marker came to an end", if wants_marker { "with" } else { "without" })
    };
    let ended = |wants_marker| of_data(wants_marker).any(Tried::succeeded);
    let answer = match (ended(false), ended(true)) {
        (true, _) => Some("no: data files without a marker are processed".to_owned()),
        (false, true) => Some("yes: only data files with a marker were processed".to_owned()),
        (false, false) => None,
    };
    let mut evidence = vec![count(false)];
    let sent = || observed.tried.iter().filter(|tried| tried.file.purpose == Purpose::Marker);
    if sent().next().is_none() {
        evidence.push("no marker was sent: only PUT sends markers".to_owned());
    } else {
        evidence.push(count(true));
    }
    evidence.extend(sent().map(|tried| format!("`{}`: {}; {}", tried.file.name, tried.fate(), tried.course())));
    Settled { question: Question::Markers, answer, evidence }
}

fn names(observed: &Observed) -> Settled {
    let (mut changes, mut evidence, mut open) = (BTreeSet::new(), Vec::new(), false);
    let tried = observed.tried.iter().filter_map(|tried| match tried.file.purpose {
        Purpose::Name(what) => Some((what, tried)),
        Purpose::Style(_) | Purpose::Marked | Purpose::Skipped | Purpose::Marker => None,
    });
    let mut count = 0;
    for (what, tried) in tried {
        count += 1;
        let sent = &tried.file.name;
        let line = match (&tried.outcome, tried.last().and_then(|job| job.file_name.as_ref())) {
            (_, Some(shown)) if shown == sent => format!("{what}: `{sent}` is listed unchanged"),
            (_, Some(shown)) => {
                changes.insert(change(sent, shown));
                format!("{what}: `{sent}` is listed as `{}`", printable(shown))
            }
            (Outcome::Refused(why), None) => {
                changes.insert(format!("a name with {what} is refused"));
                format!("{what}: `{sent}` is refused: {why}")
            }
            (Outcome::Accepted(_) | Outcome::NotTaken(_) | Outcome::Unclear(_), None) => {
                open = true;
                format!("{what}: `{sent}`: {}; its name was not seen in a list", tried.fate())
            }
        };
        evidence.push(line);
        if let Outcome::Accepted(RemoteJob { file_name: Some(answered), .. }) = &tried.outcome
            && answered != sent
        {
            evidence.push(format!("{what}: the answer to the upload says `{}`", printable(answered)));
        }
    }
    let answer = if changes.is_empty() {
        "unchanged".to_owned()
    } else {
        format!("no: {}", changes.into_iter().collect::<Vec<_>>().join("; "))
    };
    Settled { question: Question::Names, answer: (!open && count > 0).then_some(answer), evidence }
}

/// How a name was changed.
fn change(sent: &str, shown: &str) -> String {
    let (characters, before) = (shown.chars().count(), sent.chars().count());
    if shown == sent.replace("e\u{301}", "\u{e9}") {
        "accents are composed".to_owned()
    } else if shown == sent.replace('\u{e9}', "e\u{301}") {
        "accents are decomposed".to_owned()
    } else if shown == sent.to_lowercase() {
        "letters become small".to_owned()
    } else if shown == sent.to_uppercase() {
        "letters become capitals".to_owned()
    } else if characters < before && sent.starts_with(shown.rsplit_once('.').map_or(shown, |(stem, _)| stem)) {
        format!("cut to {characters} characters")
    } else if characters == before {
        "characters are replaced".to_owned()
    } else {
        "changed in a way that datadrop does not know".to_owned()
    }
}

/// Files whose rows are counted, each with its count.
fn counted(observed: &Observed) -> impl Iterator<Item = (&Tried, i64)> {
    let is_plain = |tried: &&Tried| matches!(tried.file.purpose, Purpose::Style(_) | Purpose::Marked);
    observed.tried.iter().filter(is_plain).filter_map(|tried| Some((tried, tried.rows()?)))
}

fn rows(observed: &Observed) -> Settled {
    let counts: BTreeSet<i64> = counted(observed).map(|(_, rows)| rows).collect();
    let lines = |count: i64| match count - COUNTED {
        0 => "data rows; neither the header nor comments".to_owned(),
        1 => "data rows and the header; no comments".to_owned(),
        COMMENTS => "data rows and comments; not the header".to_owned(),
        more if more == COMMENTS + 1 => "all lines".to_owned(),
        _ => format!("something else: {count} where the file has {COUNTED} data rows"),
    };
    let answer: Vec<String> = counts.into_iter().map(lines).collect();
    let evidence = counted(observed).map(|(tried, _)| {
        let has = format!("{COUNTED} data rows, 1 line of header, {COMMENTS} comments");
        format!("`{}` ({has}): {}", tried.file.name, tried.course())
    });
    Settled {
        question: Question::Rows,
        answer: (!answer.is_empty()).then(|| answer.join(", and in other files ")),
        evidence: evidence.collect(),
    }
}

fn skipped(observed: &Observed) -> Settled {
    let tried = observed.tried.iter().find(|tried| tried.file.purpose == Purpose::Skipped);
    // Header and comments count in this file as they do in the others.
    let others = counted(observed).next().map_or(0, |(_, rows)| rows - COUNTED);
    let missing = tried.and_then(Tried::rows).map(|rows| WITH_SKIPPED + others - rows);
    let answer = match (missing, tried.and_then(Tried::end)) {
        (Some(0), _) => Some("yes: it counts the rows of the file".to_owned()),
        (Some(1), _) => Some("no: it counts the rows that were processed".to_owned()),
        (Some(_), _) => Some("neither: it is another number".to_owned()),
        (None, Some((_, false))) => Some("Adobe fails the whole file instead of skipping the row".to_owned()),
        (None, Some((_, true)) | None) => None,
    };
    let evidence = tried.iter().map(|tried| {
        let has = format!("{WITH_SKIPPED} data rows, one of them with a semicolon");
        format!("`{}` ({has}): {}; {}", tried.file.name, tried.fate(), tried.course())
    });
    Settled { question: Question::Skipped, answer, evidence: evidence.collect() }
}

/// Dates this far off, in seconds, are still those of the answer: a server may take its time between the two.
const OFF: i64 = 300;
const QUARTER: i64 = 15 * 60;

fn dates(observed: &Observed) -> Settled {
    let (mut zones, mut evidence) = (BTreeSet::new(), Vec::new());
    for tried in &observed.tried {
        let answered = match &tried.outcome {
            Outcome::Accepted(job) => job.remote_created.as_deref(),
            Outcome::Refused(_) | Outcome::NotTaken(_) | Outcome::Unclear(_) => continue,
        };
        let listed = tried.last().and_then(|job| job.remote_created.as_deref());
        let when = tried.server_time.unwrap_or(tried.clock);
        let told = [("its answer", answered), ("a list", listed)];
        for (where_, date) in told.into_iter().filter_map(|(where_, date)| Some((where_, date?))) {
            zones.insert(zone(date, when, observed.zone.as_deref()));
            // One file is as good as all.
            if evidence.len() < told.len() {
                let clock = if tried.server_time.is_some() { "the server's" } else { "our" };
                evidence.push(format!(
                    "created `{}` in {where_}; it was {} by {clock} clock",
                    printable(date),
                    utc(when)
                ));
            }
        }
    }
    evidence.push(match &observed.zone {
        Some(zone) => format!("the report suite is in {}", printable(zone)),
        None => "the time zone of the report suite is not known".to_owned(),
    });
    let is_known = !zones.is_empty() && !zones.contains(&None);
    let answer = is_known.then(|| zones.into_iter().flatten().collect::<Vec<_>>().join(", and in other places "));
    Settled { question: Question::Dates, answer, evidence }
}

/// The zone in which a moment is told by this date. `None`: the date has nothing to do with the moment.
fn zone(date: &str, when: Timestamp, suites: Option<&str>) -> Option<String> {
    if date.trim().parse::<jiff::Timestamp>().is_ok() {
        return Some("none is needed: the dates carry their zone".to_owned());
    }
    let apart = date_told(date)? - when.0.div_euclid(1000);
    let quarters = (apart + QUARTER / 2).div_euclid(QUARTER) * QUARTER;
    let offset =
        Offset::from_seconds(i32::try_from(quarters).ok()?).ok().filter(|_| (apart - quarters).abs() <= OFF)?;
    let moment = jiff::Timestamp::from_millisecond(when.0).ok()?;
    let is_suites = suites.and_then(zone_named).map(|zone| zone.to_offset(moment) == offset);
    Some(match (offset == Offset::UTC, is_suites) {
        (true, Some(true)) => "UTC, in which the report suite is too".to_owned(),
        (true, Some(false) | None) => "UTC".to_owned(),
        (false, Some(true)) => format!("that of the report suite (UTC{offset})"),
        (false, Some(false)) => format!("UTC{offset}, which is not that of the report suite"),
        (false, None) => format!("UTC{offset}"),
    })
}

pub(super) fn utc(time: Timestamp) -> String {
    let time = jiff::Timestamp::from_millisecond(time.0).unwrap_or_default();
    time.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// How long something took: the time of the last list that did not show it, if there is one, and of the first that did.
type Delay = (Option<Duration>, Option<Duration>);

/// The delay of what a list first showed of this job at `seen`.
fn delay(observed: &Observed, tried: &Tried, seen: Option<Duration>) -> Delay {
    let is_before = |look: &&Duration| **look > tried.answered && seen.is_none_or(|seen| **look < seen);
    let missed = observed.looks.iter().filter(is_before).max();
    let after_answer = |at: Duration| at.saturating_sub(tried.answered);
    (missed.copied().map(after_answer), seen.map(after_answer))
}

/// The longest delay that lists have shown. Without one, the narrowest bound.
fn longest(delays: &[Delay]) -> Option<String> {
    let shown = |(missed, seen): &Delay| Some(((*missed)?, (*seen)?));
    match delays.iter().filter_map(shown).max() {
        Some((missed, seen)) => Some(format!("after {} to {}", span(missed), span(seen))),
        None => delays.iter().filter_map(|(_, seen)| *seen).min().map(|seen| format!("within {}", span(seen))),
    }
}

fn list(observed: &Observed) -> Settled {
    let accepted = observed.tried.iter().filter(|tried| matches!(tried.outcome, Outcome::Accepted(_)));
    let delays: Vec<Delay> =
        accepted.map(|tried| delay(observed, tried, tried.sights.first().map(|sight| sight.at))).collect();
    let (seen, all) = (delays.iter().filter(|(_, seen)| seen.is_some()).count(), delays.len());
    let mut evidence =
        vec![format!("{seen} of {all} jobs were listed; lists were read {} times", observed.looks.len())];
    if let Some(missed) = delays.iter().filter_map(|(missed, _)| *missed).max() {
        evidence.push(format!("a list {} after the answer did not show the job", span(missed)));
    }
    if let Some(why) = observed.failed_looks.last() {
        evidence.push(format!("{} lists could not be read, the last because: {why}", observed.failed_looks.len()));
    }
    Settled { question: Question::List, answer: longest(&delays).filter(|_| seen == all), evidence }
}

fn end(observed: &Observed) -> Settled {
    let is_data = |tried: &&Tried| tried.file.purpose != Purpose::Marker && tried.has_arrived();
    let data: Vec<&Tried> = observed.tried.iter().filter(is_data).collect();
    let ended: Vec<&Tried> = data.iter().copied().filter(|tried| tried.end().is_some()).collect();
    let delays: Vec<Delay> = ended.iter().map(|tried| delay(observed, tried, tried.end().map(|(at, _)| at))).collect();
    let mut evidence = vec![format!("{} of {} data files came to an end", ended.len(), data.len())];
    let failed = ended.iter().filter(|tried| !tried.succeeded());
    evidence.extend(failed.map(|tried| format!("`{}` failed: {}", tried.file.name, tried.course())));
    evidence.extend(observed.cut_short.map(str::to_owned));
    Settled { question: Question::End, answer: longest(&delays), evidence }
}

#[cfg(test)]
mod tests;
