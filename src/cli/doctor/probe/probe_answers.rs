//! What a probe has shown: from what was observed to answers, each with its evidence. Pure.

use super::probe_files::{COMMENTS, COUNTED, ProbeFile, Purpose, WITH_SKIPPED};
use crate::job::{RemoteJob, Timestamp, UploadStyle, date_told, zone_named};
use crate::status::{printable, span};
use jiff::tz::Offset;
use serde::Serialize;
use std::collections::BTreeSet;
use std::time::Duration;

/// What became of an upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The API answered with this job.
    Accepted(RemoteJob),
    /// The API says no to this request, in these words. It has not ingested the file.
    Refused(String),
    /// The API has not ingested the file, for a reason that says nothing of the request.
    NotTaken(String),
    /// Only the list tells whether the file arrived.
    Unclear(String),
}

/// A file that was sent.
#[derive(Debug, Clone)]
pub(super) struct Tried {
    pub(super) file: ProbeFile,
    pub(super) style: UploadStyle,
    pub(super) outcome: Outcome,
    /// When the answer came, since the probe began.
    pub(super) answered: Duration,
    /// The same by the server's clock, if it told its time.
    pub(super) server_time: Option<Timestamp>,
    /// The same by our clock.
    pub(super) clock: Timestamp,
    /// What lists have shown of it: the first time, and at each change.
    pub(super) sights: Vec<Sight>,
}

/// A job as a list showed it.
#[derive(Debug, Clone)]
pub(super) struct Sight {
    /// Since the probe began.
    pub(super) at: Duration,
    pub(super) job: RemoteJob,
}

/// Everything that was observed.
#[derive(Debug, Clone, Default)]
pub(super) struct Observed {
    pub(super) tried: Vec<Tried>,
    /// When lists were read, since the probe began.
    pub(super) looks: Vec<Duration>,
    /// Why lists could not be read.
    pub(super) failed_looks: Vec<String>,
    /// The time zone of the report suite, as Adobe names it.
    pub(super) zone: Option<String>,
    /// Why the probe ended before all was seen.
    pub(super) cut_short: Option<&'static str>,
}

impl Tried {
    /// The file is at Adobe, as far as is known.
    pub(super) fn has_arrived(&self) -> bool {
        matches!(self.outcome, Outcome::Accepted(_)) || !self.sights.is_empty()
    }

    fn last(&self) -> Option<&RemoteJob> {
        self.sights.last().map(|sight| &sight.job)
    }

    /// When its job was seen at its end, and whether that is a success.
    pub(super) fn end(&self) -> Option<(Duration, bool)> {
        self.sights.iter().find_map(|sight| Some((sight.at, is_success(sight.job.remote_status.as_deref()?)?)))
    }

    fn succeeded(&self) -> bool {
        self.end().is_some_and(|(_, success)| success)
    }

    /// Rows that were told at a successful end.
    fn rows(&self) -> Option<i64> {
        self.last().filter(|_| self.succeeded())?.rows_processed
    }

    /// Each word and count of its job, from the answer on.
    fn course(&self) -> String {
        let answered = match &self.outcome {
            Outcome::Accepted(job) => Some(job),
            Outcome::Refused(_) | Outcome::NotTaken(_) | Outcome::Unclear(_) => None,
        };
        let jobs = answered.into_iter().chain(self.sights.iter().map(|sight| &sight.job));
        let mut steps: Vec<String> = jobs
            .map(|job| {
                let rows = job.rows_processed.map_or_else(|| "no".to_owned(), |rows| rows.to_string());
                format!("{} with {rows} rows", printable(job.remote_status.as_deref().unwrap_or("no status")))
            })
            .collect();
        steps.dedup();
        steps.join(", then ")
    }

    /// What became of the upload, in words.
    pub(super) fn fate(&self) -> String {
        let listed = if self.sights.is_empty() { "no list has shown it" } else { "a list shows it" };
        match &self.outcome {
            Outcome::Accepted(_) => "accepted".to_owned(),
            Outcome::Refused(why) => format!("refused: {why}"),
            Outcome::NotTaken(why) => format!("not taken: {why}"),
            Outcome::Unclear(why) => format!("no clear answer ({why}); {listed}"),
        }
    }
}

/// The words for an end that are known of Adobe's APIs; others may not be an end.
fn is_success(status: &str) -> Option<bool> {
    match status.trim().to_ascii_lowercase().as_str() {
        "success" | "succeeded" | "successful" | "complete" | "completed" => Some(true),
        "failure" | "failed" | "deleted" => Some(false),
        _ => None,
    }
}

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
pub(super) struct Answer {
    pub(super) question: Question,
    /// `None`: it is still open.
    pub(super) answer: Option<String>,
    pub(super) evidence: Vec<String>,
}

/// Answers every question, as far as what was observed does.
pub(super) fn answers(observed: &Observed) -> Vec<Answer> {
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

fn styles(observed: &Observed) -> Answer {
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
    Answer { question: Question::Styles, answer: is_settled.then_some(answer), evidence }
}

pub(super) fn in_words(style: UploadStyle) -> String {
    let shape = match style {
        UploadStyle::PutJson => "PUT with JSON",
        UploadStyle::PostMultipart => "POST with multipart",
        UploadStyle::PutMultipart => "PUT with multipart",
    };
    format!("{shape} (`{}`)", style.as_str())
}

fn markers(observed: &Observed) -> Answer {
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
    Answer { question: Question::Markers, answer, evidence }
}

fn names(observed: &Observed) -> Answer {
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
    Answer { question: Question::Names, answer: (!open && count > 0).then_some(answer), evidence }
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

fn rows(observed: &Observed) -> Answer {
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
    Answer {
        question: Question::Rows,
        answer: (!answer.is_empty()).then(|| answer.join(", and in other files ")),
        evidence: evidence.collect(),
    }
}

fn skipped(observed: &Observed) -> Answer {
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
    Answer { question: Question::Skipped, answer, evidence: evidence.collect() }
}

/// Dates this far off, in seconds, are still those of the answer: a server may take its time between the two.
const OFF: i64 = 300;
const QUARTER: i64 = 15 * 60;

fn dates(observed: &Observed) -> Answer {
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
    Answer { question: Question::Dates, answer, evidence }
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

fn list(observed: &Observed) -> Answer {
    let accepted = || observed.tried.iter().filter(|tried| matches!(tried.outcome, Outcome::Accepted(_)));
    let shown = |tried: &Tried| tried.sights.first().map(|sight| sight.at.saturating_sub(tried.answered));
    let missed = |tried: &Tried| {
        let until = tried.sights.first().map_or(Duration::MAX, |sight| sight.at);
        let looks = observed.looks.iter().filter(|look| **look > tried.answered && **look < until);
        looks.max().map(|look| look.saturating_sub(tried.answered))
    };
    let all = accepted().count();
    let seen = accepted().filter(|tried| !tried.sights.is_empty()).count();
    let longest_missed = accepted().filter_map(missed).max();
    let (soonest, latest) = (accepted().filter_map(shown).min(), accepted().filter_map(shown).max());
    let answer = match (soonest, latest, longest_missed) {
        (Some(soonest), Some(_), None) => Some(format!("at once: within {}", span(soonest))),
        (Some(_), Some(latest), Some(missed)) => Some(format!("after {} to {}", span(missed), span(latest))),
        _ => None,
    };
    let mut evidence =
        vec![format!("{seen} of {all} jobs were listed; lists were read {} times", observed.looks.len())];
    evidence
        .extend(longest_missed.map(|missed| format!("a list {} after the answer did not show the job", span(missed))));
    if let Some(why) = observed.failed_looks.last() {
        evidence.push(format!("{} lists could not be read, the last because: {why}", observed.failed_looks.len()));
    }
    Answer { question: Question::List, answer: answer.filter(|_| seen == all), evidence }
}

fn end(observed: &Observed) -> Answer {
    let data = || observed.tried.iter().filter(|tried| tried.file.purpose != Purpose::Marker && tried.has_arrived());
    let after = |tried: &Tried| Some(tried.end()?.0.saturating_sub(tried.answered));
    let answer = data().filter_map(after).min().zip(data().filter_map(after).max()).map(|(soonest, latest)| {
        if span(soonest) == span(latest) {
            format!("within {}", span(latest))
        } else {
            format!("within {} to {}", span(soonest), span(latest))
        }
    });
    let ended = data().filter(|tried| tried.end().is_some()).count();
    let failed = data().filter(|tried| tried.end().is_some() && !tried.succeeded());
    let mut evidence = vec![format!("{ended} of {} data files came to an end", data().count())];
    evidence.extend(failed.map(|tried| format!("`{}` failed: {}", tried.file.name, tried.course())));
    evidence.extend(observed.cut_short.map(str::to_owned));
    Answer { question: Question::End, answer, evidence }
}

#[cfg(test)]
mod tests;
