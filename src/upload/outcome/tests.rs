use super::*;
use crate::job::{Phase, RemoteJobId, State};
use proptest::prelude::*;

const FACTS: Facts =
    Facts { style: UploadStyle::PutJson, style_is_proven: true, list_was_read: true, status_before: None, refusals: 0 };

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

/// DESIGN §5, "Outcomes": which party waits, for how long, and which is to blame.
#[test]
fn each_end_decides_what_waits_and_what_is_to_blame() {
    let wish = Some(Duration::from_secs(7));
    let answered = |complete, status, body: ErrorBody| {
        end(complete, Seen::Answer { status, retry_after: wish, answer: Answer::Refusal(body) })
    };
    let seen = |seen| end(false, seen);
    let alike = |status: &str| Verdict::RefusedAlike(status.to_owned());
    let not_spoken = |status: u16, body: ErrorBody| Verdict::StyleNotSpoken(format!("HTTP {status}: {body}"));
    let refused = TokenError::Refused {
        error: "invalid_client".into(),
        description: String::new(),
        remedy: "renew it".to_owned(),
    };
    let (at_once, later) = (Again::AtOnce, Again::Later(None));
    for (end, again, slow_down, account) in [
        (answered(false, 405, html()), at_once, false, not_spoken(405, html())),
        (answered(true, 415, service()), at_once, false, not_spoken(415, service())),
        (answered(true, 501, gateway()), at_once, false, not_spoken(501, gateway())),
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
    assert!(matches!(decide(&answer(true, 400, service()), &unproven).account, Verdict::StyleNotSpoken(_)));
    assert_eq!(decide(&answer(true, 400, service()), &FACTS).event, Event::Refused);
}

/// DESIGN §5, "Outcomes": a gateway that does not route an upload style answers like one that refuses the account. The
/// list distinguishes the two.
#[test]
fn a_refusal_is_the_styles_fault_where_the_list_was_just_read() {
    let untried = Facts { style_is_proven: false, ..FACTS };
    let unread = Facts { list_was_read: false, ..untried };
    for (status, body) in [
        (403, html()),
        (403, gateway()),
        (404, html()),
        (410, html()),
        (411, html()),
        (421, html()),
        (400, gateway()),
        (418, gateway()),
    ] {
        for complete in [false, true] {
            let end = answer(complete, status, body.clone());
            let of = |facts: &Facts| decide(&end, facts).account;
            assert!(matches!(of(&untried), Verdict::StyleNotSpoken(_)), "{status} {body:?}");
            assert_eq!(decide(&end, &untried).event, Event::NotIngested);
            assert_eq!(of(&FACTS), Verdict::Blamed, "{status} {body:?}: the style is proven");
            assert_eq!(of(&unread), Verdict::ListFirst, "{status} {body:?}: nothing shows that the account is right");
        }
    }
    for (status, body) in [(401, gateway()), (407, html()), (429, gateway()), (418, service())] {
        let account = decide(&answer(true, status, body.clone()), &untried).account;
        assert!(!matches!(account, Verdict::StyleNotSpoken(_)), "{status} {body:?}");
    }
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
    /// DESIGN A3: an attempt whose last bytes were held back is never unclear, whatever was seen. The state allows
    /// every outcome.
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
