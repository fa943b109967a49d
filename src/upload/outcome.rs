//! The decision table of DESIGN §5: what each observed end of an upload means. Pure.

use crate::adobe::{Answer, ErrorBody, Seen, TokenError, UploadEnd};
use crate::job::{Event, RemoteJob, UploadStyle};
use std::time::Duration;

/// The facts that a decision needs in addition to what was seen.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// The form of the request.
    pub style: UploadStyle,
    /// The account has had a file accepted in this style.
    pub style_is_proven: bool,
    /// The account's list was read just before, with the same credential.
    pub list_was_read: bool,
    /// The HTTP status that ended the previous attempt.
    pub status_before: Option<u16>,
    /// Number of answers to this file that blamed the account.
    pub refusals: u32,
}

/// The meaning of an attempt's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The event of the job: `NotIngested`, `Unclear`, `Accepted`, `Refused` or `Held`.
    pub event: Event,
    /// The reason, in words for people. `None` only if all is well.
    pub reason: Option<String>,
    /// When the job is due, if it is queued again.
    pub again: Again,
    /// The verdict on the account.
    pub account: Verdict,
    /// The whole credential must slow down.
    pub slow_down: bool,
    /// The remote job, if the answer has one.
    pub remote: Option<RemoteJob>,
    /// The HTTP status.
    pub status: Option<u16>,
}

/// When a job that is queued again is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// Immediately, because nothing prevents another attempt.
    AtOnce,
    /// After the next delay, or after the time that the server asked for.
    Later(Option<Duration>),
}

/// What an answer says about the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing is wrong.
    Fine,
    /// The account or its credential is wrong, not the file.
    Blamed,
    /// The account, the credential or the style is wrong. The list shows which.
    ListFirst,
    /// The API does not support this upload style here. Holds its answer.
    StyleNotSpoken(String),
    /// The API refused the file. Refusals with the same text are alike.
    RefusedAlike(String),
}

/// Decides what the end of an upload means.
#[must_use]
pub fn decide(end: &UploadEnd, facts: &Facts) -> Outcome {
    let outcome = seen(end, facts);
    match (&end.seen, &outcome.reason) {
        // After the last bytes may have gone, only an answer proves anything, whatever else was seen (DESIGN A3).
        (
            Seen::NotConnected(_)
            | Seen::NotAuthorised(_)
            | Seen::FileChanged(_)
            | Seen::FileGone
            | Seen::FileUnreadable(_)
            | Seen::FileSilent(_)
            | Seen::NotCommitted
            | Seen::Stopped,
            Some(why),
        ) if end.last_bytes_sent => unclear(why),
        (_, _) => outcome,
    }
}

fn seen(end: &UploadEnd, facts: &Facts) -> Outcome {
    match &end.seen {
        Seen::Answer { status, retry_after, answer } => {
            let mut outcome = answered(*status, *retry_after, answer, end.last_bytes_sent, facts);
            outcome.status = Some(*status);
            outcome
        }
        // The server is unreachable for every file, so the whole credential waits.
        Seen::NotConnected(why) => slower(retry(format!(
            "could not connect: {why}; tried again by itself, check network, api.base_url and api.proxy"
        ))),
        Seen::NotAuthorised(error @ TokenError::Refused { .. }) => blame(error.to_string(), facts),
        Seen::NotAuthorised(error @ TokenError::Unavailable(_)) => slower(retry(error.to_string())),
        Seen::FileChanged(why) => {
            retry(format!("the file changed since it was queued: {why}; datadrop checks it again"))
        }
        Seen::FileGone => retry("the file is not there any more".to_owned()),
        Seen::FileUnreadable(why) => {
            retry(format!("the file cannot be read: {why}; let the user that runs datadrop read it"))
        }
        Seen::FileSilent(silence) => retry(format!(
            "the folder does not answer: no byte of the file came for {} s; if it is a network share, mount it again",
            silence.as_secs_f32()
        )),
        Seen::NotCommitted => retry("the job log could not be written, so the upload was not completed".to_owned()),
        Seen::Stopped => {
            Outcome { again: Again::AtOnce, ..retry("datadrop was stopped before the upload was complete".to_owned()) }
        }
        Seen::Broken(why) if end.last_bytes_sent => unclear(&format!("no clear answer: {why}")),
        Seen::Silence(silence) if end.last_bytes_sent => {
            unclear(&format!("no answer for {}", humantime::format_duration(*silence)))
        }
        Seen::Broken(why) => retry(format!("the connection broke before the upload was complete: {why}")),
        Seen::Silence(silence) => {
            retry(format!("nothing moved for {} before the upload was complete", humantime::format_duration(*silence)))
        }
    }
}

fn answered(status: u16, retry_after: Option<Duration>, answer: &Answer, complete: bool, facts: &Facts) -> Outcome {
    let body = match answer {
        Answer::Job(remote) if complete => {
            return Outcome { remote: Some(remote.clone()), ..outcome(Event::Accepted, None) };
        }
        Answer::NoJobId(text) if complete => return unclear(&format!("HTTP {status} without a job ID: {text}")),
        Answer::Job(_) | Answer::NoJobId(_) => {
            return outcome(
                Event::Held,
                Some(format!(
                    "HTTP {status} came before the upload was complete, which contradicts itself: the file may or may not \
                     have been taken; look at the remote jobs"
                )),
            );
        }
        Answer::Refusal(body) => body,
    };
    let words = format!("HTTP {status}: {body}");
    let by_gateway = matches!(body, ErrorBody::Gateway { .. });
    let by_service = matches!(body, ErrorBody::Service { .. });
    let not_now = || Outcome { again: Again::Later(retry_after), slow_down: true, ..retry(words.clone()) };
    // If the account's list can be read, account and credential are right, so the API refuses the form of the request.
    let may_be_style = !facts.style_is_proven && facts.list_was_read;
    let may_be_either = !facts.style_is_proven && !facts.list_was_read;
    let list_first = || Outcome { again: Again::AtOnce, account: Verdict::ListFirst, ..retry(words.clone()) };
    match status {
        405 | 415 | 501 => style_not_spoken(&words, facts),
        401 if facts.status_before != Some(401) => {
            Outcome { again: Again::AtOnce, ..retry(format!("{words}; tried once more with a new token")) }
        }
        // Counted for the account, because one file does not show whether the credential is to blame.
        401 => retry(format!("{words}; the token had been renewed just before, so the file waits")),
        403 | 404 | 410 | 411 | 421 if may_be_style => style_not_spoken(&words, facts),
        403 | 404 | 410 | 411 | 421 if may_be_either => list_first(),
        403 | 404 | 407 | 410 | 411 | 421 => blame(words, facts),
        429 => not_now(),
        503 if by_gateway || !complete => not_now(),
        408 | 425 if !complete => not_now(),
        400..=499 if by_gateway && may_be_style => style_not_spoken(&words, facts),
        400..=499 if by_gateway && may_be_either => list_first(),
        400..=499 if by_gateway => blame(words, facts),
        400 if !facts.style_is_proven => style_not_spoken(&words, facts),
        400 | 413 | 422 => refuse(&words, status),
        408 | 409 if complete => unclear(&words),
        408 | 409 => retry(words),
        400..=499 if by_service => refuse(&words, status),
        _ if complete => unclear(&words),
        _ => retry(words),
    }
}

fn outcome(event: Event, reason: Option<String>) -> Outcome {
    Outcome {
        event,
        reason,
        again: Again::Later(None),
        account: Verdict::Fine,
        slow_down: false,
        remote: None,
        status: None,
    }
}

fn retry(reason: String) -> Outcome {
    outcome(Event::NotIngested, Some(reason))
}

fn slower(outcome: Outcome) -> Outcome {
    Outcome { slow_down: true, ..outcome }
}

fn unclear(reason: &str) -> Outcome {
    outcome(Event::Unclear, Some(format!("{reason}; the remote jobs decide whether it arrived")))
}

fn refuse(words: &str, status: u16) -> Outcome {
    let account = Verdict::RefusedAlike(status.to_string());
    Outcome { account, ..outcome(Event::Refused, Some(format!("Adobe refused the file: {words}"))) }
}

fn style_not_spoken(words: &str, facts: &Facts) -> Outcome {
    let reason = format!("the upload style {} is not spoken here: {words}", facts.style);
    Outcome { again: Again::AtOnce, account: Verdict::StyleNotSpoken(words.to_owned()), ..retry(reason) }
}

/// Blames the account, but holds the file at its third refusal, because the account works for other files.
fn blame(words: String, facts: &Facts) -> Outcome {
    if facts.refusals >= 2 {
        return outcome(Event::Held, Some(format!("refused three times while the account otherwise works: {words}")));
    }
    Outcome { again: Again::AtOnce, account: Verdict::Blamed, ..retry(words) }
}

#[cfg(test)]
mod tests;
