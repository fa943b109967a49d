//! Wrong, odd, broken or untrue answers. They make datadrop neither lose, send twice nor misjudge a file, and it prints
//! no secret that they hold.

use crate::harness::{
    Act, Answer, Daemon, Head, Hook, Manner, Relay, World, arrived_once, data, large, names, primed, quick, sha256,
    tagged,
};
use datadrop::emulator::EmulatorOptions;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// Changes a remote job in an answer.
type Lie = fn(&mut Value);

const GATEWAY: &str = r#"{"error_code":"400003","message":"Missing header"}"#;

/// Bodies that an answer may have instead of the expected one.
fn bodies(status: u16) -> Vec<(&'static str, Answer)> {
    let answer = |body: &str| Answer::new(status, body);
    vec![
        ("gateway", answer(GATEWAY)),
        ("service", answer(r#"{"errorCode":"bad","errorDescription":"something is wrong","errorId":"e1"}"#)),
        ("ims", answer(r#"{"error":"invalid_token","error_description":"the token is no good"}"#)),
        ("html", answer("<html><body><h1>\u{1b}[31mOops</h1></body></html>")),
        ("empty", answer("")),
        ("truncated", Answer { announced: Some(500), ..answer(&GATEWAY[..20]) }),
        ("huge", answer(&format!("{{\"message\":\"{}\"}}", "x".repeat(10 << 20)))),
    ]
}

/// Asserts that nothing panicked, no secret leaked, and the daemon still runs.
fn assert_well(world: &World, daemon: &mut Daemon) {
    assert!(daemon.is_running());
    assert!(!world.log().contains("panicked"), "{}", world.log());
    assert!(!world.log().contains('\u{1b}'), "control characters of an answer are in the log");
    world.assert_keeps(&[]);
}

/// The account of a request, by the name that the harness gave its report suite.
fn account_of(head: &Head) -> String {
    let suite = head.path().split("/job/suite").nth(1).unwrap();
    suite[..suite.find('/').unwrap()].to_owned()
}

/// Delivers a file of each account in `names`. Then `answers` changes the answer to the next upload of each.
fn one_bad_answer_each(
    names: &[&str],
    forwarded: bool,
    answers: impl Fn(&str, Answer) -> Answer + Send + Sync + 'static,
) -> (World, Daemon, Relay) {
    let mut world = World::new();
    world.remove_account("a");
    for name in names {
        world.account(name, "");
    }
    world.set("max = \"500ms\"\n[upload]", "max = \"200ms\"\n[upload]");
    let uploads: Mutex<HashMap<String, usize>> = Mutex::default();
    let answers = Arc::new(answers);
    let relay = world.relay("http", Manner::default(), move |head| {
        if !head.is_upload() {
            return Act::Pass;
        }
        let account = account_of(head);
        let mut uploads = uploads.lock().unwrap();
        let upload = uploads.entry(account.clone()).or_default();
        *upload += 1;
        if *upload != 2 {
            return Act::Pass;
        }
        let answers = Arc::clone(&answers);
        if forwarded {
            Act::change(move |answer| answers(&account, answer))
        } else {
            Act::Say(answers(&account, Answer::new(200, "{}")))
        }
    });
    let daemon = world.start();
    for name in names {
        world.drop_file(name, "first.txt", tagged(format!("first of {name}")));
    }
    let count = i64::try_from(names.len()).unwrap();
    world.wait("each account to be proven", || world.count("state = 'success'") == count);
    for name in names {
        world.drop_file(name, "sales.txt", data(3));
    }
    (world, daemon, relay)
}

/// The job of `sales.txt`, after it has ended.
fn ended(world: &World, account: &str) -> crate::harness::Row {
    let mut found = None;
    world.wait(&format!("sales.txt of {account} to be at an end"), || {
        found = world.jobs().into_iter().find(|job| job.account == account && job.file_name == "sales.txt");
        found.as_ref().is_some_and(|job| ["success", "rejected", "held", "failure"].contains(&job.state.as_str()))
    });
    found.unwrap()
}

fn times_accepted(world: &World, account: &str) -> usize {
    let suite = format!("suite{account}");
    let sales = sha256(data(3));
    world.ledger().iter().filter(|entry| entry.report_suite_id == suite && entry.sha256 == sales).count()
}

/// Answers one upload of each account with this status and each body, while the server takes nothing.
fn refused_uploads(status: u16, expected: impl Fn(&str) -> (&'static str, i64)) {
    let answers: HashMap<_, _> = bodies(status).into_iter().collect();
    let kinds: Vec<&str> = bodies(status).into_iter().map(|(kind, _)| kind).collect();
    let (world, mut daemon, _relay) = one_bad_answer_each(&kinds, false, move |account, _| answers[account].clone());
    for kind in &kinds {
        let job = ended(&world, kind);
        let (state, attempts) = expected(kind);
        assert_eq!((job.state.as_str(), job.attempts), (state, attempts), "{status} {kind}: {job:?}");
        let attempt = &world.attempts(job.id)[0];
        assert!(attempt.http_status.is_none_or(|told| told == status), "{kind}: {attempt:?}");
        assert_eq!(times_accepted(&world, kind), usize::from(state == "success"), "{status} {kind}");
        if state == "rejected" {
            assert!(job.why().contains(&status.to_string()), "{kind}: {}", job.why());
            let failed = world.folder(kind).join("failed");
            world.wait("it to be filed", || names(&failed) == ["sales.txt", "sales.txt.why"]);
        }
        assert!(job.why().len() < 1000, "{kind}: an answer of 10 MB is quoted in {} bytes", job.why().len());
    }
    for kind in &kinds {
        world.wait("no account to be blocked any more", || world.blocked(kind).is_empty());
    }
    assert_well(&world, &mut daemon);
}

#[test]
fn a_400_rejects_the_file_unless_the_gateway_says_it() {
    refused_uploads(400, |kind| if kind == "gateway" { ("success", 2) } else { ("rejected", 1) });
}

#[test]
fn a_401_with_any_text_is_retried_once_with_a_new_token() {
    refused_uploads(401, |_| ("success", 2));
}

#[test]
fn a_403_with_any_text_blames_the_account_and_the_file_arrives_later() {
    refused_uploads(403, |_| ("success", 2));
}

#[test]
fn a_404_with_any_text_blames_the_account_and_the_file_arrives_later() {
    refused_uploads(404, |_| ("success", 2));
}

#[test]
fn a_500_with_any_text_is_unclear_and_the_file_is_sent_again_once_proven_absent() {
    refused_uploads(500, |_| ("success", 2));
}

#[test]
fn a_200_that_says_nothing_usable_is_unclear_whether_or_not_the_server_took_the_file() {
    for forwarded in [true, false] {
        let answers: HashMap<_, _> = bodies(200).into_iter().collect();
        let kinds: Vec<&str> = bodies(200).into_iter().map(|(kind, _)| kind).collect();
        let (world, mut daemon, _relay) =
            one_bad_answer_each(&kinds, forwarded, move |account, _| answers[account].clone());
        for kind in &kinds {
            let job = ended(&world, kind);
            assert_eq!((job.state.as_str(), job.attempts), ("success", if forwarded { 1 } else { 2 }), "{kind}");
            assert_eq!(world.attempts(job.id)[0].outcome.as_deref(), Some("unclear"), "{kind}");
            assert_eq!(times_accepted(&world, kind), 1, "{kind}");
        }
        assert_well(&world, &mut daemon);
    }
}

#[test]
fn job_ids_are_read_where_they_can_be_and_otherwise_the_remote_jobs_decide() {
    // Changes the ID of a good answer. The flag says whether the result is still a valid ID.
    type MakeOf = fn(&Value) -> Value;
    let odd: [(&str, MakeOf, bool); 11] = [
        ("text", |id| json!(id.to_string()), true),
        ("spaced", |id| json!(format!(" {id} ")), true),
        ("words", |_| json!("twelve"), false),
        ("mixed", |id| json!(format!("{id}a")), false),
        ("zero", |_| json!(0), false),
        ("negative", |id| json!(-id.as_i64().unwrap()), false),
        ("fraction", |_| json!(12.5), false),
        ("vast", |_| json!(u64::MAX), false),
        ("null", |_| Value::Null, false),
        ("list", |id| json!([id]), false),
        ("truth", |_| json!(true), false),
    ];
    let kinds = odd.map(|(kind, _, _)| kind);
    let (world, mut daemon, _relay) = one_bad_answer_each(&kinds, true, move |account, answer| {
        let (_, change, _) = odd.iter().find(|(kind, _, _)| *kind == account).unwrap();
        answer.change(|job| job["Job ID"] = change(&job["Job ID"]))
    });
    for (kind, _, readable) in odd {
        let job = ended(&world, kind);
        assert_eq!((job.state.as_str(), job.attempts), ("success", 1), "{kind}: {job:?}");
        let outcome = if readable { "accepted" } else { "unclear" };
        assert_eq!(world.attempts(job.id)[0].outcome.as_deref(), Some(outcome), "{kind}");
        let suite = format!("suite{kind}");
        let taken = world.ledger().into_iter().rfind(|entry| entry.report_suite_id == suite).unwrap();
        assert_eq!(job.remote_job_id, Some(taken.job_id.0), "{kind}");
        assert_eq!(times_accepted(&world, kind), 1, "{kind}");
    }
    assert_well(&world, &mut daemon);
}

#[test]
fn a_job_id_that_another_job_owns_is_no_answer() {
    let (world, mut daemon, _relay) = one_bad_answer_each(&["a"], true, |_, answer| {
        answer.change(|job| job["Job ID"] = json!(job["Job ID"].as_i64().unwrap() - 1))
    });
    let job = ended(&world, "a");
    assert_eq!((job.state.as_str(), job.attempts), ("success", 1), "{job:?}");
    assert_eq!(world.attempts(job.id)[0].outcome.as_deref(), Some("unclear"));
    let ids: Vec<_> = world.jobs().iter().map(|job| job.remote_job_id.unwrap()).collect();
    assert_eq!(ids, world.ledger().iter().map(|entry| entry.job_id.0).collect::<Vec<_>>());
    assert_well(&world, &mut daemon);
}

#[test]
fn odd_members_next_to_a_good_id_do_no_harm() {
    let odd: [(&str, Lie); 5] = [
        ("rows", |job| job["The number of rows successfully processed"] = json!(-3)),
        ("status", |job| job["Status of the job"] = json!("on its way to the moon")),
        ("nulls", |job| {
            for (key, value) in job.as_object_mut().unwrap() {
                if key != "Job ID" {
                    *value = Value::Null;
                }
            }
        }),
        ("spellings", |job| job["job_id"] = json!("not this one")),
        ("strangers", |job| job["deeply"] = json!({ "nested": [[[[{}]]]], "status": "failure" })),
    ];
    let kinds = odd.map(|(kind, _)| kind);
    let (world, mut daemon, _relay) = one_bad_answer_each(&kinds, true, move |account, answer| {
        answer.change(odd.iter().find(|(kind, _)| *kind == account).unwrap().1)
    });
    for kind in kinds {
        let job = ended(&world, kind);
        assert_eq!((job.state.as_str(), job.attempts), ("success", 1), "{kind}: {job:?}");
        assert_eq!(world.attempts(job.id)[0].outcome.as_deref(), Some("accepted"), "{kind}");
        assert_eq!(times_accepted(&world, kind), 1, "{kind}");
    }
    assert_well(&world, &mut daemon);
}

// Lists, single jobs, tokens.

const STATUSES: [u16; 6] = [200, 400, 401, 403, 404, 500];

/// A world whose relay gives each request of a kind the next bad answer, once the test switches it on.
fn all_bad_answers_to(
    aim: fn(&Head) -> bool,
    statuses: &[u16],
    other: impl Fn(&Head) -> Act + Send + Sync + 'static,
) -> (World, Arc<AtomicBool>, Box<dyn Fn() -> usize>) {
    let mut world = World::new();
    world.set("max = \"500ms\"\n[upload]", "max = \"60ms\"\n[upload]");
    world.set("first = \"150ms\"\nmax = \"500ms\"", "first = \"50ms\"\nmax = \"60ms\"");
    let loose = Arc::new(AtomicBool::new(false));
    let bad: Vec<Answer> = statuses.iter().flat_map(|status| bodies(*status)).map(|(_, answer)| answer).collect();
    let (is_loose, left) = (Arc::clone(&loose), Arc::new(Mutex::new(bad)));
    let still = Arc::clone(&left);
    let _relay = world.relay("http", Manner::default(), move |head| {
        if aim(head)
            && is_loose.load(Ordering::SeqCst)
            && let Some(answer) = left.lock().unwrap().pop()
        {
            return Act::Say(answer);
        }
        other(head)
    });
    (world, loose, Box::new(move || still.lock().unwrap().len()))
}

#[test]
fn however_lists_fail_the_accepted_file_is_followed_to_its_end() {
    let (world, loose, left) = all_bad_answers_to(Head::is_list, &STATUSES, |_| Act::Pass);
    let mut daemon = primed(&world);
    world.drop_file("a", "sales.txt", data(3));
    world.wait_accepted(2);
    loose.store(true, Ordering::SeqCst);
    world.drop_file("a", "waits.txt", tagged("waits"));
    world.wait("every bad answer to be given", || left() == 0);
    arrived_once(&world, "sales.txt");
    arrived_once(&world, "waits.txt");
    assert_eq!(world.count("state NOT IN ('success')"), 0);
    assert_well(&world, &mut daemon);
}

#[test]
fn however_the_first_lists_fail_nothing_is_sent_before_one_was_read() {
    let (world, loose, left) = all_bad_answers_to(Head::is_list, &STATUSES, |_| Act::Pass);
    loose.store(true, Ordering::SeqCst);
    let mut daemon = world.start();
    world.drop_file("a", "sales.txt", data(3));
    world.wait("every bad answer to be given", || {
        let (accepted, left) = (world.accepted().len(), left());
        assert!(accepted == 0 || left == 0, "sent without a baseline; {left} bad answers were left");
        left == 0
    });
    assert_eq!(arrived_once(&world, "sales.txt").attempts, 1);
    assert_well(&world, &mut daemon);
}

#[test]
fn however_a_look_at_a_single_job_fails_the_file_neither_fails_nor_is_lost() {
    // Lists that lack the job, so that datadrop asks for it singly.
    let empty = |head: &Head| {
        if head.is_list() { Act::change(|answer| answer.change(|page| page["jobs"] = json!([]))) } else { Act::Pass }
    };
    let (world, loose, left) = all_bad_answers_to(Head::is_single, &STATUSES, empty);
    let mut daemon = world.start();
    loose.store(true, Ordering::SeqCst);
    world.drop_file("a", "sales.txt", data(3));
    world.wait("every bad answer to be given", || {
        let ended = world.count("state NOT IN ('queued', 'uploading', 'uploaded', 'processing')");
        assert!(ended == 0 || left() == 0, "{:?}", world.jobs());
        left() == 0
    });
    assert_eq!(arrived_once(&world, "sales.txt").attempts, 1);
    assert_well(&world, &mut daemon);
}

#[test]
fn however_the_token_service_fails_the_file_waits_and_arrives_once() {
    let (world, loose, left) = all_bad_answers_to(Head::is_token, &STATUSES, |_| Act::Pass);
    loose.store(true, Ordering::SeqCst);
    let mut daemon = world.start();
    world.drop_file("a", "sales.txt", data(3));
    world.wait("every bad answer to be given", || left() == 0);
    assert_eq!(arrived_once(&world, "sales.txt").attempts, 1);
    world.wait("the account to go on", || world.blocked("a").is_empty());
    assert_well(&world, &mut daemon);
}

#[test]
fn an_answer_that_repeats_the_request_gives_no_secret_away() {
    let mut world = World::new();
    let (uploads, others) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let _relay = world.relay("http", Manner::default(), move |head| {
        let Some(told) = head.header("authorization") else { return Act::Pass };
        let html = format!("<html>bad header: {told}</html>");
        let json = json!({ "error_code": "403025", "message": format!("not allowed: {told}") }).to_string();
        let met = if head.is_upload() { &uploads } else { &others };
        match met.fetch_add(1, Ordering::SeqCst) {
            0 => Act::Say(Answer::new(500, html)),
            1 => Act::Say(Answer::new(403, json)),
            2 => Act::Say(Answer::new(200, html)),
            _ => Act::Pass,
        }
    });
    let mut daemon = world.start();
    world.drop_file("a", "sales.txt", data(3));
    assert_eq!(arrived_once(&world, "sales.txt").attempts, 4);
    assert!(world.log().contains("not allowed: "), "the words are quoted, the secret is not");
    assert_well(&world, &mut daemon);
}

// Untrue lists.

/// A world whose lists are changed while `on` is set.
fn lying_lists(
    options: EmulatorOptions,
    lie: impl Fn(&Head, &mut Value) + Send + Sync + Copy + 'static,
) -> (World, Arc<AtomicBool>, Relay) {
    let mut world = World::with_emulator(options);
    let on = Arc::new(AtomicBool::new(true));
    let is_on = Arc::clone(&on);
    let relay = world.relay("http", Manner::default(), move |head| {
        if !head.is_list() || !is_on.load(Ordering::SeqCst) {
            return Act::Pass;
        }
        let head = head.clone();
        Act::change(move |answer| answer.change(|page| lie(&head, page)))
    });
    (world, on, relay)
}

#[test]
fn rows_and_words_that_make_no_sense_end_nothing() {
    const LIES: [(&str, Lie); 6] = [
        ("negative-rows.txt", |job| job["rows"] = json!(-1)),
        ("rows-in-words.txt", |job| job["rows"] = json!("three")),
        ("no-rows.txt", |job| job["rows"] = Value::Null),
        ("unknown-word.txt", |job| job["status"] = json!("archived")),
        ("number-for-a-word.txt", |job| job["status"] = json!(5)),
        ("no-word.txt", |job| job["status"] = Value::Null),
    ];
    let (world, on, relay) = lying_lists(quick(), |_, page| {
        for job in page["jobs"].as_array_mut().unwrap() {
            if let Some((_, lie)) = LIES.iter().find(|(name, _)| job["filename"] == *name) {
                lie(job);
            }
        }
    });
    let mut daemon = world.start();
    for (name, _) in LIES {
        world.drop_file("a", name, [tagged(name), b"11/20/2026\tsecond\t1\n".to_vec()].concat());
    }
    world.wait_accepted(LIES.len());
    world.wait("all to be done at Adobe", || world.ledger().iter().all(|entry| entry.status == "success"));
    let before = relay.count(Head::is_list);
    world.wait("some sweeps after that", || relay.count(Head::is_list) >= before + 3);
    for (name, _) in LIES {
        let job = world.wait_for(name, "processing");
        assert!(job.rows_processed.is_none_or(|rows| rows >= 0), "{job:?}");
    }
    assert!(world.wait_for("unknown-word.txt", "processing").why().contains("archived"));
    assert_eq!(world.count("remote_status = 'archived'"), 1);
    on.store(false, Ordering::SeqCst);
    for (name, _) in LIES {
        let job = arrived_once(&world, name);
        assert_eq!(job.rows_processed, job.rows_expected, "{name}");
    }
    assert_well(&world, &mut daemon);
}

#[test]
fn p7_any_count_or_status_ends_a_job_or_is_reported_long_before_datadrop_gives_up() {
    const LIES: [(&str, Lie, &str); 9] = [
        ("fraction.txt", |job| job["rows"] = json!(100.0), "success"),
        ("fraction-in-text.txt", |job| job["rows"] = json!("100.0"), "success"),
        ("fewer.txt", |job| job["rows"] = json!("99.0"), "partial"),
        ("failed.txt", |job| job["status"] = json!("Failed"), "failure"),
        ("canceled.txt", |job| job["status"] = json!("canceled"), "failure"),
        ("error.txt", |job| job["status"] = json!("Error"), "failure"),
        ("no-count.txt", |job| job["rows"] = Value::Null, "processing"),
        ("no-count-at-all.txt", |job| drop(job.as_object_mut().unwrap().remove("rows")), "processing"),
        ("odd-word.txt", |job| job["status"] = json!("archived"), "processing"),
    ];
    let (mut world, _on, _relay) = lying_lists(quick(), |_, page| {
        for job in page["jobs"].as_array_mut().unwrap() {
            if let Some((_, lie, _)) = LIES.iter().find(|(name, _, _)| job["filename"] == *name) {
                lie(job);
            }
        }
    });
    let hook = Hook::start();
    let alerts = format!("[[alert]]\non = [\"delayed\"]\nwebhook = {:?}\n", hook.url("/told"));
    let sections = format!("{}{alerts}", world.sections_text());
    world.sections(&sections);
    let mut daemon = world.start();
    for (name, _, _) in LIES {
        let rows: Vec<String> = (0..100).map(|row| format!("11/20/2026\t{name} {row}\t1\n")).collect();
        world.drop_file("a", name, format!("Date\tEvar 1\tEvent 1\n{}", rows.concat()));
    }
    for (name, _, state) in LIES {
        world.wait_for(name, state);
    }
    // With `poll.max` of 500 ms this takes a second. With the default it takes minutes, but never the seven days.
    world.wait("each that cannot end to be told", || {
        let told: Vec<Value> = hook.alerts();
        LIES.iter()
            .filter(|(_, _, state)| *state == "processing")
            .all(|(name, _, _)| told.iter().any(|alert| alert.to_string().contains(name)))
    });
    assert_well(&world, &mut daemon);
}

/// Jobs of other senders. The first is the oldest.
fn strangers(world: &World, oldest: &str, count: usize) {
    for number in 0..count {
        let name = if number == 0 { oldest.to_owned() } else { format!("other-{number}.txt") };
        world.somebody_sends("a", &name, tagged(format!("{oldest} {number}")));
    }
}

/// Statements that a list may make about its pages.
fn page_lies() -> [(&'static str, Option<Value>); 4] {
    [("too small", Some(json!(1))), ("none", Some(json!(0))), ("absent", None), ("too large", Some(json!(90)))]
}

fn tell_pages(page: &mut Value, lie: Option<&Value>) {
    match lie {
        Some(lie) => page["total_pages"] = lie.clone(),
        None => drop(page.as_object_mut().unwrap().remove("total_pages")),
    }
}

#[test]
fn s1_f8_all_pages_of_the_first_list_are_read_whatever_it_says_of_them() {
    for (what, lie) in page_lies() {
        let lie: &'static Option<Value> = Box::leak(Box::new(lie));
        let (world, _on, relay) = lying_lists(quick(), move |_, page| tell_pages(page, lie.as_ref()));
        strangers(&world, "sales.txt", 250);
        world.write_file("a", "sales.txt", data(3));
        world.write_file("a", "fresh.txt", data(2));
        let mut daemon = world.start();
        // Its name is on the last page, so somebody may have sent it before.
        world.wait_for("sales.txt", "held");
        arrived_once(&world, "fresh.txt");
        assert_eq!(world.times_accepted("sales.txt"), 1, "{what}: sent though its name was there before");
        let lists = relay.count(Head::is_list);
        assert!(lists < 60, "{what}: {lists} lists");
        assert_well(&world, &mut daemon);
    }
}

#[test]
fn s2_a_lost_answer_is_found_on_every_page_whatever_the_list_says_of_its_pages() {
    for (what, lie) in page_lies() {
        let lie: &'static Option<Value> = Box::leak(Box::new(lie));
        let (mut world, on, _relay) = lying_lists(quick(), move |_, page| tell_pages(page, lie.as_ref()));
        // With so many other jobs, only a unique name proves anything.
        world.account("a", "wire_name = \"unique\"");
        let mut daemon = primed(&world);
        // No look succeeds before the job is on the third page.
        world.fault("list:gateway=503");
        on.store(false, Ordering::SeqCst);
        world.fault("upload:after-commit:reset:n=1:name=sales*");
        world.drop_file("a", "sales.txt", data(3));
        world.wait_for("sales.txt", "unconfirmed");
        strangers(&world, "later.txt", 250);
        on.store(true, Ordering::SeqCst);
        world.emulator().clear_faults();
        let job = world.wait_for("sales.txt", "success");
        let accepted = world.accepted().iter().filter(|name| name.starts_with("sales-")).count();
        assert_eq!((job.attempts, accepted), (1, 1), "{what}");
        assert_well(&world, &mut daemon);
    }
}

#[test]
fn s2_pages_that_repeat_prove_nothing_and_nothing_is_sent_twice() {
    let mut world = World::new();
    let on = Arc::new(AtomicBool::new(false));
    let is_on = Arc::clone(&on);
    // This server returns the first page for each request.
    let relay = world.relay("http", Manner::default(), move |head| {
        if !head.is_list() || !is_on.load(Ordering::SeqCst) {
            return Act::Pass;
        }
        Act::Elsewhere(head.path().replace("page=2", "page=1").replace("page=3", "page=1"))
    });
    strangers(&world, "other.txt", 120);
    let mut daemon = primed(&world);
    for (file, fault) in [("lost.txt", "after-body"), ("there.txt", "after-commit")] {
        world.fault(&format!("upload:{fault}:reset:n=1:name={file}"));
        on.store(true, Ordering::SeqCst);
        world.drop_file("a", file, tagged(file));
        world.wait("a look that proves nothing", || {
            world.jobs().iter().any(|job| job.file_name == file && job.why().contains("did not count"))
        });
        let before = relay.count(Head::is_list);
        world.wait("more looks", || relay.count(Head::is_list) >= before + 12);
        let job = world.wait_for(file, "unconfirmed");
        assert!(job.why().contains("page"), "the reason names what is wrong: {}", job.why());
        on.store(false, Ordering::SeqCst);
        arrived_once(&world, file);
    }
    assert_well(&world, &mut daemon);
}

// An account that differs from the configuration.

#[test]
fn a_wrong_company_blocks_the_account_until_it_is_corrected() {
    let mut world = World::new();
    let _relay = world.relay("http", Manner::default(), |head| {
        if head.is_token() || head.path().starts_with("/api/examplecompany/") {
            return Act::Pass;
        }
        Act::Say(Answer::new(403, r#"{"error_code":"403025","message":"Profile is not valid"}"#))
    });
    world.api("global_company_id", "\"another\"");
    let daemon = world.start();
    world.drop_file("a", "sales.txt", data(3));
    let why = world.wait_blocked("a");
    assert!(why.contains("403") && why.contains("Profile is not valid"), "{why}");
    assert_eq!(world.wait_for("sales.txt", "queued").attempts, 0);
    assert!(daemon.stop().success());
    world.api("global_company_id", "\"examplecompany\"");
    let _daemon = world.start();
    assert_eq!(arrived_once(&world, "sales.txt").attempts, 1);
}

#[test]
fn a_report_suite_or_a_data_source_that_is_not_there_blocks_the_account_until_it_is() {
    for (suite, source, missing) in [("suiteb", 1, "suitea"), ("suitea", 2, "1")] {
        let accounts = vec![(suite.to_owned(), source)];
        let mut world = World::with_emulator(EmulatorOptions { accounts, ..quick() });
        let mut daemon = world.start();
        world.drop_file("a", "sales.txt", data(3));
        let why = world.wait_blocked("a");
        assert!(why.contains("not found") && why.contains(missing) && why.contains("data_source_id"), "{why}");
        assert_eq!(world.wait_for("sales.txt", "queued").attempts, 0);
        assert!(world.ledger().is_empty());
        world.stop_emulator();
        world.start_emulator(EmulatorOptions { accounts: vec![("suitea".to_owned(), 1)], ..quick() });
        assert_eq!(arrived_once(&world, "sales.txt").attempts, 1);
        assert_well(&world, &mut daemon);
    }
}

#[test]
fn an_account_that_is_deleted_keeps_its_files_and_fails_none_of_them() {
    let mut world = World::new();
    let gone = Arc::new(AtomicBool::new(false));
    let is_gone = Arc::clone(&gone);
    let _relay = world.relay("http", Manner::default(), move |head| {
        if head.is_token() || !is_gone.load(Ordering::SeqCst) {
            return Act::Pass;
        }
        let words = "report suite suitea has no Data Sources account 1";
        Act::Say(Answer::new(404, json!({ "errorCode": "not_found", "errorDescription": words }).to_string()))
    });
    let mut daemon = primed(&world);
    world.fault("job:status=processing:name=open*");
    world.drop_file("a", "open.txt", data(2));
    world.wait_for("open.txt", "processing");
    gone.store(true, Ordering::SeqCst);
    world.drop_file("a", "sales.txt", data(3));
    let why = world.wait_blocked("a");
    assert!(why.contains("no Data Sources account 1"), "{why}");
    world.wait("it to be tried or to wait", || world.count("file_name = 'sales.txt' AND state = 'queued'") == 1);
    assert_eq!(world.wait_for("open.txt", "processing").state, "processing");
    assert!(names(&world.folder("a").join("failed")).is_empty());
    gone.store(false, Ordering::SeqCst);
    arrived_once(&world, "sales.txt");
    world.wait("the account to go on", || world.blocked("a").is_empty());
    assert_well(&world, &mut daemon);
}

// Tokens that expire during an upload, and clocks that differ.

#[test]
fn a_token_that_ends_in_the_middle_of_an_upload_costs_one_attempt_and_one_token() {
    let content = large("sales", 4 << 20);
    for when in ["before-body", "mid-body", "after-body"] {
        let world = World::new();
        let mut daemon = primed(&world);
        let tokens = world.emulator().requests().tokens;
        world.fault(&format!("upload:{when}:401:n=1:name=sales*"));
        world.drop_file("a", "sales.txt", &content);
        let job = arrived_once(&world, "sales.txt");
        let attempts = world.attempts(job.id);
        let statuses: Vec<_> = attempts.iter().map(|attempt| attempt.http_status).collect();
        assert_eq!(statuses, [Some(401), Some(200)], "{when}");
        assert_eq!(attempts[0].outcome.as_deref(), Some("not-ingested"), "{when}");
        assert_eq!(world.emulator().requests().tokens, tokens + 1, "{when}");
        assert_eq!(world.blocked("a"), "", "{when}");
        assert_eq!(world.ledger().last().unwrap().sha256, sha256(&content));
        assert_well(&world, &mut daemon);
    }
}

#[test]
fn s2_a_server_whose_clock_differs_is_looked_at_by_its_own() {
    // A wrong daylight saving time differs by an hour. With a difference of days, a window by datadrop's own clock
    // would miss the job.
    for hours in [-1, 120] {
        let clock_ahead = jiff::SignedDuration::from_hours(hours);
        let world = World::with_emulator(EmulatorOptions { clock_ahead, ..quick() });
        let mut daemon = primed(&world);
        world.fault("upload:after-commit:reset:n=1:name=there*");
        world.fault("upload:after-body:reset:n=1:name=lost*");
        world.drop_file("a", "there.txt", data(3));
        world.drop_file("a", "lost.txt", data(2));
        assert_eq!(arrived_once(&world, "there.txt").attempts, 1, "{hours} h");
        assert_eq!(arrived_once(&world, "lost.txt").attempts, 2, "{hours} h");
        assert_well(&world, &mut daemon);
    }
}
