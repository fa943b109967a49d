//! `doctor --probe`: nothing is sent without an explicit yes, and what an API does is told as it is.

use crate::harness::{Act, Answer, Manner, SECRET, World, data, names, primed, quick, stderr, stdout};
use datadrop::config::RateLimit;
use datadrop::emulator::{Dialect, EmulatorOptions, Names, Rows};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn report_file(world: &World) -> PathBuf {
    world.dir.path().join("probe.md")
}

fn begin(world: &World, answer: &str, more: &[&str]) -> Child {
    let _ = fs::remove_file(report_file(world));
    let mut command = Command::new(env!("CARGO_BIN_EXE_datadrop"));
    command.arg("--config").arg(world.write_config()).args(["doctor", "--json", "--report"]).arg(report_file(world));
    command.args(more).env("NO_COLOR", "1");
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // One that is refused before the question reads no answer.
    let _ = child.stdin.take().unwrap().write_all(answer.as_bytes());
    child
}

fn run(world: &World, answer: &str, more: &[&str]) -> Output {
    begin(world, answer, more).wait_with_output().unwrap()
}

/// Every question with its answer; `OPEN` where there is none.
struct Told {
    answers: BTreeMap<String, String>,
    evidence: BTreeMap<String, String>,
    report: String,
    messages: String,
}

impl Told {
    #[track_caller]
    fn of(world: &World, output: &Output, exit: i32) -> Self {
        let messages = stderr(output);
        assert_eq!(output.status.code(), Some(exit), "{}{messages}", stdout(output));
        let told: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
        let text = |value: &Value| value.as_str().unwrap_or("OPEN").to_owned();
        let question = |answer: &Value| text(&answer["question"]);
        let evidence =
            |answer: &Value| answer["evidence"].as_array().unwrap().iter().map(text).collect::<Vec<_>>().join("\n");
        Self {
            answers: told.iter().map(|answer| (question(answer), text(&answer["answer"]))).collect(),
            evidence: told.iter().map(|answer| (question(answer), evidence(answer))).collect(),
            report: fs::read_to_string(report_file(world)).unwrap(),
            messages,
        }
    }

    #[track_caller]
    fn says(&self, question: &str, expected: &str) {
        let answer = &self.answers[question];
        assert!(answer.starts_with(expected), "{question}: {answer}\n{}", self.evidence[question]);
    }
}

/// A probe to which somebody said yes.
#[track_caller]
fn probe(world: &World, exit: i32) -> Told {
    Told::of(world, &run(world, "suitea\n", &["--probe", "a"]), exit)
}

#[track_caller]
fn refused(world: &World, answer: &str, more: &[&str], exit: i32, why: &str) {
    let output = run(world, answer, more);
    assert_eq!(output.status.code(), Some(exit), "{}", stderr(&output));
    assert!(stderr(&output).contains(why), "{why:?} in {}", stderr(&output));
    assert_eq!((world.accepted(), stdout(&output)), (Vec::new(), String::new()));
    assert!(!report_file(world).exists());
}

#[test]
fn nothing_is_sent_unless_somebody_types_the_id_of_a_report_suite_that_is_not_for_production() {
    let world = World::new();
    let probe = ["--probe", "a"];
    refused(&world, "", &probe, 1, "nothing was sent: there was no answer");
    refused(&world, "yes\n", &probe, 1, "nothing was sent: that is another ID");
    refused(&world, "suiteb\nsuitea\n", &probe, 1, "nothing was sent: that is another ID");
    refused(&world, "suitea\n", &["--probe", "nobody"], 4, "there is no account `nobody`");
    refused(&world, "suitea\n", &["--probe", "a", "--offline"], 2, "cannot be used with");
    refused(&world, "suitea\n", &["--timeout", "5m"], 2, "--probe");
    world.emulator().change_suite("suitea", &json!({ "suite": { "name": "Shop - Production" } }));
    refused(&world, "suitea\n", &probe, 1, "nothing was sent: by its names, report suite suitea");
    world.emulator().change_suite("suitea", &json!({ "suite": { "name": "Shop", "parentRsid": "whole" } }));
    refused(&world, "suitea\n", &probe, 1, "is virtual");
    assert_eq!(world.emulator().requests().uploads, 0, "none was even begun");
}

/// Whoever says yes has read what follows from it.
#[test]
fn the_question_names_each_file_and_says_whether_the_report_suite_is_known_to_be_for_development() {
    let world = World::new();
    let asked = |warning: &str| {
        let text = stderr(&run(&world, "", &["--probe", "a"]));
        for part in ["-put-json.txt  2 rows", "-a blank.txt  1 row", "they cannot be removed", "Evar 1", "Event 3 = 1"]
        {
            assert!(text.contains(part), "{part:?} in {text}");
        }
        assert!(text.contains(warning), "{warning:?} in {text}");
    };
    asked("NOTHING SAYS");
    world.emulator().change_suite("suitea", &json!({ "suite": { "name": "Shop (dev)" } }));
    asked("By its names, this is a report suite for development.");
    world.fault("suite:403");
    asked("NOTHING SAYS");
    asked("Not known of the report suite: time zone and currency: ");
    assert_eq!(world.accepted(), Vec::<String>::new());
}

#[test]
fn each_question_is_answered_beside_a_running_daemon_and_nothing_of_it_passes_through_the_account() {
    let limit = Some(RateLimit { requests: 12, per: Duration::from_millis(600) });
    let mut world = World::with_emulator(EmulatorOptions { rate_limit: limit, ..quick() });
    world.api("rate_limit", "\"12/600ms\"");
    let daemon = primed(&world);
    let told = probe(&world, 0);
    told.says("styles", "PUT with JSON (`put-json`); POST with multipart (`post-multipart`); PUT with");
    told.says("markers", "no: ");
    told.says("names", "unchanged");
    told.says("rows", "data rows; neither the header nor comments");
    told.says("skipped", "no: it counts the rows that were processed");
    told.says("dates", "UTC, in which the report suite is too");
    told.says("list", "within ");
    assert_ne!(told.answers["end"], "OPEN");
    assert!(told.evidence["markers"].contains("success with 0 rows"), "{}", told.evidence["markers"]);
    let sent = world.accepted();
    assert_eq!(sent.len(), 1 + 12, "{sent:?}");
    assert_eq!(sent.iter().filter(|name| name.starts_with("datadrop-probe-")).count(), 12, "{sent:?}");
    assert!(sent.contains(&sent[1].replace("put-json.txt", "skipped.fin")), "{sent:?}");
    assert_eq!(world.jobs().len(), 1, "the job log knows the daemon's own alone");
    assert_eq!(names(&world.folder("a")), ["done", "failed", "held", "sent"]);
    let requests = world.emulator().requests();
    assert_eq!(requests.refused_429, 0);
    assert!(requests.max_in_any_window <= 12, "{requests:?}");
    // The daemon takes nothing amiss.
    world.drop_file("a", "later.txt", data(2));
    world.wait_for("later.txt", "success");
    assert_eq!(world.blocked("a"), "");
    daemon.stop();
}

#[test]
fn p6_the_report_holds_every_answer_and_neither_secret_nor_id() {
    let mut world = World::new();
    world.fault("upload:refuse=400:name=*CAPITALS*");
    // An answer that quotes what it should not.
    let base = world.emulator().address();
    let _relay = world.relay("http", Manner::default(), move |head| {
        if head.is_upload() && head.method == "PUT" {
            let words = format!("no, {SECRET} of suitea in examplecompany at {base}");
            return Act::Say(Answer::new(405, json!({ "errorCode": "x", "errorDescription": words }).to_string()));
        }
        Act::Pass
    });
    let told = probe(&world, 0);
    told.says("styles", "POST with multipart (`post-multipart`)");
    told.says("names", "no: a name with capitals is refused");
    for part in ["Which upload requests", "What was sent", "HTTP 405", env!("CARGO_PKG_VERSION"), "no: a name with"] {
        assert!(told.report.contains(part), "{part:?} in {}", told.report);
    }
    for hidden in [SECRET, "suitea", "examplecompany", "emulated-"] {
        assert!(!told.report.contains(hidden), "{hidden} in {}", told.report);
    }
    let report = report_file(&world);
    let mut again = Command::new(env!("CARGO_BIN_EXE_datadrop"));
    again.arg("--config").arg(world.write_config()).args(["doctor", "--probe", "a", "--report"]).arg(&report);
    let answer = world.dir.path().join("answer");
    fs::write(&answer, "suitea\n").unwrap();
    let again = again.stdin(fs::File::open(answer).unwrap()).output().unwrap();
    assert!(stderr(&again).contains("File exists"), "{}", stderr(&again));
    assert_eq!(fs::read_to_string(report).unwrap(), told.report, "nothing is overwritten");
}

#[test]
fn another_api_gets_other_answers() {
    for (options, expected) in [
        (
            EmulatorOptions { dialect: Dialect::Guide, names: Names::Lower, rows: Rows::File, ..quick() },
            [("styles", "PUT with JSON (`put-json`)"), ("names", "no: letters become small"), ("skipped", "yes")],
        ),
        (
            EmulatorOptions { dialect: Dialect::Current, put_status: Some(404), names: Names::Nfc, ..quick() },
            [("styles", "POST with multipart"), ("names", "no: accents are composed"), ("markers", "no")],
        ),
        (
            EmulatorOptions { names: Names::Underscore, ..quick() },
            [("names", "no: characters are replaced"), ("rows", "data rows; neither"), ("skipped", "no")],
        ),
        (
            EmulatorOptions { names: Names::Cut, ..quick() },
            [("names", "no: cut to 24 characters"), ("list", "within"), ("dates", "UTC")],
        ),
    ] {
        let world = World::with_emulator(options);
        let told = probe(&world, 0);
        for (question, answer) in expected {
            told.says(question, answer);
        }
        let is_put = !told.answers["styles"].starts_with("POST");
        assert_eq!(world.accepted().iter().any(|name| name.contains("-skipped.fin")), is_put, "{:?}", world.accepted());
    }
}

#[test]
fn faults_of_the_api_show_in_the_answers() {
    let mut world = World::new();
    world.emulator().change_suite("suitea", &json!({ "suite": { "timezoneZoneinfo": "US/Pacific" } }));
    for rule in ["list:late=2s", "job:extra-rows=1"] {
        world.fault(rule);
    }
    // Its dates are those of Honolulu, ten hours behind all year.
    let _relay = world.relay("http", Manner::default(), |head| {
        if !head.path().contains("/job/") {
            return Act::Pass;
        }
        Act::change(|answer| if answer.status == 200 { answer.change(in_honolulu) } else { answer })
    });
    let told = probe(&world, 0);
    told.says("list", "after ");
    told.says("rows", "data rows and the header");
    told.says("skipped", "no");
    told.says("dates", "UTC-10, which is not that of the report suite");
    assert!(told.evidence["dates"].contains("US/Pacific"), "{}", told.evidence["dates"]);
}

/// Changes every date of an answer.
fn in_honolulu(value: &mut Value) {
    match value {
        Value::Object(members) => members.values_mut().for_each(in_honolulu),
        Value::Array(elements) => elements.iter_mut().for_each(in_honolulu),
        Value::String(text) => {
            let form = ["%m/%d/%Y %H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M:%S"];
            for form in form {
                if let Ok(date) = jiff::civil::DateTime::strptime(form, &*text) {
                    *text = date.saturating_sub(jiff::Span::new().hours(10)).strftime(form).to_string();
                    return;
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[test]
fn a_server_that_always_fails_gets_three_uploads_and_leaves_the_questions_open() {
    let mut world = World::new();
    world.set("confirm_for = \"400ms\"", "confirm_for = \"1s\"");
    world.fault("upload:after-body:503");
    let began = Instant::now();
    let told = probe(&world, 1);
    assert!(began.elapsed() < Duration::from_secs(20), "{}", told.messages);
    assert!(told.answers.values().all(|answer| answer == "OPEN"), "{:?}", told.answers);
    assert!(told.evidence["styles"].contains("no clear answer (HTTP 503"), "{}", told.evidence["styles"]);
    assert_eq!(world.emulator().requests().uploads, 3);
    assert_eq!(world.accepted(), Vec::<String>::new());
}

#[test]
fn an_api_that_refuses_every_request_is_an_answer() {
    let world = World::new();
    world.fault("upload:refuse=403");
    let told = probe(&world, 1);
    told.says("styles", "none that datadrop knows");
    told.says("names", "OPEN");
}

#[test]
fn a_file_whose_answer_is_lost_is_looked_for_in_the_list_and_not_sent_again() {
    let mut world = World::new();
    world.api("timeout", "\"1s\"").set("confirm_for = \"400ms\"", "confirm_for = \"20s\"");
    world.fault("upload:after-commit:hang:n=1");
    let told = probe(&world, 0);
    told.says("styles", "PUT with JSON (`put-json`); POST");
    assert!(told.evidence["styles"].contains("no answer for 1 s); a list shows it"), "{}", told.evidence["styles"]);
    assert_eq!(world.accepted().iter().filter(|name| name.ends_with("put-json.txt")).count(), 1);
}

#[test]
fn an_api_that_goes_silent_gets_no_more_than_two_files_more() {
    let mut world = World::new();
    world.api("timeout", "\"1s\"");
    world.fault("upload:after-body:hang:after=3");
    let told = probe(&world, 3);
    told.says("styles", "PUT with JSON");
    told.says("names", "OPEN");
    assert!(told.messages.contains("no more was sent: the API gave no clear answers"), "{}", told.messages);
    assert_eq!(world.emulator().requests().uploads, 5);
}

#[test]
fn a_probe_ends_with_its_time_or_ctrl_c_and_says_what_was_sent() {
    let world = World::with_emulator(EmulatorOptions { processing: Duration::from_secs(3600), ..quick() });
    let output = run(&world, "suitea\n", &["--probe", "a", "--timeout", "2s"]);
    let told = Told::of(&world, &output, 3);
    told.says("styles", "PUT with JSON");
    told.says("end", "OPEN");
    assert!(told.messages.contains("the time of the probe was over"), "{}", told.messages);

    let before = world.accepted().len();
    let child = begin(&world, "suitea\n", &["--probe", "a"]);
    world.wait("all files to be sent", || world.accepted().len() == before + 12);
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let told = Told::of(&world, &child.wait_with_output().unwrap(), 3);
    assert!(told.messages.contains("the probe was stopped"), "{}", told.messages);
    assert!(told.report.contains("-put-json.txt` by PUT with JSON (`put-json`): accepted"), "{}", told.report);
}

/// What comes to the data source meanwhile would make the upload's outcome harder to find (S6).
#[test]
fn s6_no_probe_is_sent_while_the_outcome_of_an_upload_is_unknown() {
    let world = World::new();
    let daemon = primed(&world);
    world.fault("upload:after-body:reset");
    world.fault("list:500");
    world.drop_file("a", "lost.txt", data(1));
    world.wait_for("lost.txt", "unconfirmed");
    let before = world.accepted();
    let output = run(&world, "suitea\n", &["--probe", "a"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("account a has an upload whose outcome is not known yet"), "{}", stderr(&output));
    assert_eq!(world.accepted(), before);
    daemon.stop();
}
