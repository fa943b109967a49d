//! The decision table of DESIGN §5: what was seen of an upload, and what it means. Pure.

use crate::adobe::{Answer, ErrorBody, Seen, TokenError, UploadEnd};
use crate::job::{Event, RemoteJob, UploadStyle};
use std::time::Duration;

/// What the decision depends on in addition to what was seen.
#[derive(Debug, Clone, Copy)]
pub struct Facts {
    /// How the request was shaped.
    pub style: UploadStyle,
    /// The account has had a file accepted in this style.
    pub style_is_proven: bool,
    /// The HTTP status that ended the attempt before.
    pub status_before: Option<u16>,
    /// Number of answers to this file that blamed the account.
    pub refusals: u32,
}

/// What an attempt's end means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// For the job: one of `NotIngested`, `Unclear`, `Accepted`, `Refused`, `Held`.
    pub event: Event,
    /// Why, for people. `None` only when all is well.
    pub reason: Option<String>,
    /// When to try again, if the job is queued again.
    pub again: Again,
    /// For the account.
    pub account: Verdict,
    /// The whole credential slows down.
    pub slow_down: bool,
    /// What the API made of it.
    pub remote: Option<RemoteJob>,
    /// HTTP status.
    pub status: Option<u16>,
}

/// When a job that is queued again is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// At once: nothing speaks against it.
    AtOnce,
    /// After the next delay, or after the time that the server asked for.
    Later(Option<Duration>),
}

/// What an answer says of the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing.
    Fine,
    /// Account or credential are wrong, not the file.
    Blamed,
    /// This upload style is not spoken.
    StyleNotSpoken,
    /// The file was refused; refusals with the same text are alike.
    RefusedAlike(String),
}

/// Decides.
#[must_use]
pub fn decide(end: &UploadEnd, facts: &Facts) -> Outcome {
    let outcome = seen(end, facts);
    match (&end.seen, &outcome.reason) {
        // Whatever else was seen: once the last bytes may have gone, only an answer proves anything (DESIGN A3).
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
        // A server that one file cannot reach, the next cannot reach either: the whole credential waits.
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
    match status {
        405 | 415 | 501 => style_not_spoken(&words, facts),
        401 if facts.status_before != Some(401) => {
            Outcome { again: Again::AtOnce, ..retry(format!("{words}; tried once more with a new token")) }
        }
        // Counted for the account: one file does not tell whether it is the credential.
        401 => retry(format!("{words}; the token had been renewed just before, so the file waits")),
        403 | 404 | 407 | 410 | 411 | 421 => blame(words, facts),
        429 => not_now(),
        503 if by_gateway || !complete => not_now(),
        408 | 425 if !complete => not_now(),
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
    Outcome { again: Again::AtOnce, account: Verdict::StyleNotSpoken, ..retry(reason) }
}

/// The third refusal of one file, though the account answered well in between, is the file's own.
fn blame(words: String, facts: &Facts) -> Outcome {
    if facts.refusals >= 2 {
        return outcome(Event::Held, Some(format!("refused three times while the account otherwise works: {words}")));
    }
    Outcome { again: Again::AtOnce, account: Verdict::Blamed, ..retry(words) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Phase, RemoteJobId, State};
    use proptest::prelude::*;

    const FACTS: Facts = Facts { style: UploadStyle::PutJson, style_is_proven: true, status_before: None, refusals: 0 };

    fn gateway() -> ErrorBody {
        ErrorBody::Gateway { code: "403003".into(), message: "Api Key is invalid".into() }
    }

    fn service() -> ErrorBody {
        ErrorBody::Service { code: Some("bad".into()), message: "no".into(), id: None }
    }

    fn html() -> ErrorBody {
        ErrorBody::Other("<html>".into())
    }

    fn end(complete: bool, seen: Seen) -> UploadEnd {
        UploadEnd { last_bytes_sent: complete, seen, server_time: None, request_id: None }
    }

    fn answer(complete: bool, status: u16, body: ErrorBody) -> UploadEnd {
        end(complete, Seen::Answer { status, retry_after: None, answer: Answer::Refusal(body) })
    }

    fn job() -> RemoteJob {
        RemoteJob {
            file_name: None,
            rows_processed: None,
            remote_job_id: RemoteJobId(7),
            remote_status: None,
            remote_created: None,
            remote_started: None,
            remote_finished: None,
        }
    }

    /// Every row of the table, before (`false`) and after (`true`) the last bytes went.
    #[test]
    fn the_table_of_the_design_holds() {
        use Event::{Held, NotIngested, Refused, Unclear};
        for (complete, status, body, event) in [
            (false, 405, html(), NotIngested),
            (true, 415, service(), NotIngested),
            (true, 501, html(), NotIngested),
            (true, 401, gateway(), NotIngested),
            (true, 403, html(), NotIngested),
            (true, 404, html(), NotIngested),
            (true, 407, html(), NotIngested),
            (true, 410, html(), NotIngested),
            (true, 411, html(), NotIngested),
            (true, 421, html(), NotIngested),
            (true, 400, gateway(), NotIngested),
            (true, 429, html(), NotIngested),
            (true, 503, gateway(), NotIngested),
            (false, 503, html(), NotIngested),
            (false, 408, html(), NotIngested),
            (false, 425, html(), NotIngested),
            (true, 400, html(), Refused),
            (false, 413, html(), Refused),
            (true, 413, html(), Refused),
            (true, 422, service(), Refused),
            (true, 418, service(), Refused),
            (true, 408, service(), Unclear),
            (true, 409, service(), Unclear),
            (true, 418, html(), Unclear),
            (true, 500, service(), Unclear),
            (true, 502, html(), Unclear),
            (true, 503, html(), Unclear),
            (true, 504, html(), Unclear),
            (true, 302, html(), Unclear),
            (false, 500, html(), NotIngested),
            (false, 409, html(), NotIngested),
            (false, 302, html(), NotIngested),
        ] {
            let decided = decide(&answer(complete, status, body.clone()), &FACTS);
            assert_eq!(decided.event, event, "{status} {body:?}, complete: {complete}");
            assert_eq!(decided.status, Some(status));
        }
        let accepted = Seen::Answer { status: 200, retry_after: None, answer: Answer::Job(job()) };
        assert_eq!(decide(&end(true, accepted.clone()), &FACTS).event, Event::Accepted);
        assert_eq!(decide(&end(false, accepted), &FACTS).event, Held);
        let nameless = Seen::Answer { status: 200, retry_after: None, answer: Answer::NoJobId("{}".into()) };
        assert_eq!(decide(&end(true, nameless), &FACTS).event, Unclear);
    }

    /// DESIGN §5, "Outcomes": who waits, for how long, and who is to blame.
    #[test]
    fn each_end_says_who_waits_and_who_is_to_blame() {
        let wish = Some(Duration::from_secs(7));
        let answered = |complete, status, body: ErrorBody| {
            end(complete, Seen::Answer { status, retry_after: wish, answer: Answer::Refusal(body) })
        };
        let seen = |seen| end(false, seen);
        let alike = |status: &str| Verdict::RefusedAlike(status.to_owned());
        let refused = TokenError::Refused {
            error: "invalid_client".into(),
            description: String::new(),
            remedy: "renew it".to_owned(),
        };
        let (at_once, later) = (Again::AtOnce, Again::Later(None));
        for (end, again, slow_down, account) in [
            (answered(false, 405, html()), at_once, false, Verdict::StyleNotSpoken),
            (answered(true, 415, service()), at_once, false, Verdict::StyleNotSpoken),
            (answered(true, 501, gateway()), at_once, false, Verdict::StyleNotSpoken),
            (answered(true, 403, html()), at_once, false, Verdict::Blamed),
            (answered(true, 404, html()), at_once, false, Verdict::Blamed),
            (answered(true, 407, html()), at_once, false, Verdict::Blamed),
            (answered(true, 410, html()), at_once, false, Verdict::Blamed),
            (answered(true, 411, html()), at_once, false, Verdict::Blamed),
            (answered(true, 421, html()), at_once, false, Verdict::Blamed),
            (answered(true, 400, gateway()), at_once, false, Verdict::Blamed),
            (answered(true, 418, gateway()), at_once, false, Verdict::Blamed),
            (answered(true, 499, gateway()), at_once, false, Verdict::Blamed),
            (answered(true, 429, html()), Again::Later(wish), true, Verdict::Fine),
            (answered(true, 503, gateway()), Again::Later(wish), true, Verdict::Fine),
            (answered(false, 503, html()), Again::Later(wish), true, Verdict::Fine),
            (answered(false, 408, html()), Again::Later(wish), true, Verdict::Fine),
            (answered(false, 425, html()), Again::Later(wish), true, Verdict::Fine),
            (answered(false, 500, html()), later, false, Verdict::Fine),
            (answered(true, 400, service()), later, false, alike("400")),
            (answered(true, 413, html()), later, false, alike("413")),
            (answered(true, 422, html()), later, false, alike("422")),
            (answered(true, 418, service()), later, false, alike("418")),
            (answered(true, 499, service()), later, false, alike("499")),
            (seen(Seen::NotConnected(String::new())), later, true, Verdict::Fine),
            (seen(Seen::NotAuthorised(TokenError::Unavailable(String::new()))), later, true, Verdict::Fine),
            (seen(Seen::NotAuthorised(refused)), at_once, false, Verdict::Blamed),
            (seen(Seen::Stopped), at_once, false, Verdict::Fine),
            (seen(Seen::FileChanged(String::new())), later, false, Verdict::Fine),
            (seen(Seen::FileUnreadable(String::new())), later, false, Verdict::Fine),
            (seen(Seen::FileSilent(Duration::from_secs(5))), later, false, Verdict::Fine),
            (seen(Seen::Broken(String::new())), later, false, Verdict::Fine),
        ] {
            let decided = decide(&end, &FACTS);
            assert_eq!((decided.again, decided.slow_down, decided.account), (again, slow_down, account), "{end:?}");
        }
    }

    #[test]
    fn after_the_last_bytes_only_a_clear_answer_ends_an_attempt() {
        for seen in [Seen::Broken("reset".into()), Seen::Silence(Duration::from_secs(60))] {
            assert_eq!(decide(&end(true, seen.clone()), &FACTS).event, Event::Unclear);
            assert_eq!(decide(&end(false, seen), &FACTS).event, Event::NotIngested);
        }
        let accepted =
            decide(&end(true, Seen::Answer { status: 200, retry_after: None, answer: Answer::Job(job()) }), &FACTS);
        assert_eq!((accepted.remote, accepted.reason), (Some(job()), None));
    }

    #[test]
    fn a_400_is_the_styles_fault_until_the_account_has_accepted_it() {
        let unproven = Facts { style_is_proven: false, ..FACTS };
        assert_eq!(decide(&answer(true, 400, service()), &unproven).account, Verdict::StyleNotSpoken);
        assert_eq!(decide(&answer(true, 400, service()), &FACTS).event, Event::Refused);
    }

    #[test]
    fn a_401_costs_one_more_try_at_once_and_the_next_wait_without_blame() {
        let first = decide(&answer(true, 401, gateway()), &FACTS);
        assert_eq!((first.again, first.account), (Again::AtOnce, Verdict::Fine));
        let again = Facts { status_before: Some(401), ..FACTS };
        for body in [gateway(), html()] {
            let decided = decide(&answer(true, 401, body), &again);
            assert_eq!(
                (decided.event, decided.again, decided.account),
                (Event::NotIngested, Again::Later(None), Verdict::Fine)
            );
        }
    }

    #[test]
    fn a_file_refused_three_times_while_the_account_works_is_held() {
        let third = Facts { refusals: 2, ..FACTS };
        assert_eq!(decide(&answer(true, 403, html()), &third).event, Event::Held);
    }

    #[test]
    fn the_servers_wish_slows_the_whole_credential() {
        let wish = Some(Duration::from_secs(7));
        let busy = Seen::Answer { status: 429, retry_after: wish, answer: Answer::Refusal(gateway()) };
        let decided = decide(&end(true, busy), &FACTS);
        assert_eq!((decided.again, decided.slow_down), (Again::Later(wish), true));
    }

    fn any_seen() -> impl Strategy<Value = Seen> {
        let body = prop_oneof![Just(gateway()), Just(service()), Just(html())];
        let answer =
            prop_oneof![body.prop_map(Answer::Refusal), Just(Answer::Job(job())), Just(Answer::NoJobId(String::new()))];
        prop_oneof![
            (100u16..600, answer).prop_map(|(status, answer)| Seen::Answer { status, retry_after: None, answer }),
            Just(Seen::NotConnected(String::new())),
            Just(Seen::Broken(String::new())),
            Just(Seen::Silence(Duration::from_secs(1))),
            Just(Seen::FileGone),
            Just(Seen::NotCommitted),
            Just(Seen::Stopped),
        ]
    }

    #[test]
    fn a3_after_the_last_bytes_nothing_but_an_answer_is_a_clear_end() {
        for seen in [
            Seen::NotConnected("refused".into()),
            Seen::NotAuthorised(TokenError::Unavailable("away".into())),
            Seen::NotAuthorised(TokenError::Refused {
                error: "invalid_client".into(),
                description: "no".into(),
                remedy: "correct it".into(),
            }),
            Seen::FileChanged("longer".into()),
            Seen::FileGone,
            Seen::FileUnreadable("no".into()),
            Seen::FileSilent(Duration::from_secs(5)),
            Seen::NotCommitted,
            Seen::Stopped,
            Seen::Broken("reset".into()),
            Seen::Silence(Duration::from_secs(1)),
        ] {
            assert_eq!(decide(&end(true, seen.clone()), &FACTS).event, Event::Unclear, "{seen:?}");
            assert_eq!(decide(&end(false, seen.clone()), &FACTS).event, Event::NotIngested, "{seen:?}");
        }
    }

    proptest! {
        /// DESIGN A3: whatever was seen, an attempt whose last bytes were held back is never unclear, and every outcome
        /// is a step that the state allows.
        #[test]
        fn before_the_last_bytes_nothing_is_unclear(seen in any_seen(), refusals in 0u32..4, proven in any::<bool>()) {
            let facts = Facts { refusals, style_is_proven: proven, ..FACTS };
            let early = decide(&end(false, seen.clone()), &facts);
            prop_assert_ne!(early.event, Event::Unclear);
            prop_assert_ne!(early.event, Event::Accepted);
            prop_assert!(State::Uploading(Phase::Started).next(early.event).is_ok());
            let late = decide(&end(true, seen), &facts);
            for decided in [&early, &late] {
                prop_assert_eq!(decided.reason.is_none(), decided.event == Event::Accepted, "never silent");
            }
            prop_assert!(State::Uploading(Phase::Committing).next(late.event).is_ok());
        }
    }
}
