//! Receivers get each alert at least once and in few messages, and alerts never delay an upload.
//!
//! `DATADROP_TEST_FILES=5000` sets the number of bad files. The default is 500.

use crate::harness::{
    Daemon, Hook, World, arrived_once, connect, connect_to_write, data, primed, quick, stderr, stdout, tagged,
};
use datadrop::emulator::{AccountKey, EmulatorOptions};
use serde_json::Value;
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;

/// A file that the check rejects.
const BAD: &str = "Date\tEvar 1\tEvent 1\n11/20/2026\tx\n";

/// A world that rejects bad files, with these sections added.
pub fn world(sections: &str) -> World {
    let mut world = World::new();
    world.account("a", "check = \"reject\"");
    add(&mut world, sections);
    world
}

pub fn add(world: &mut World, sections: &str) {
    world.set("[upload]\n", &format!("{sections}\n[upload]\n"));
}

/// An alert whose command appends its input to a file.
pub fn to_file(world: &World, on: &str, name: &str) -> (String, PathBuf) {
    let path = world.dir.path().join(name);
    (format!("[[alert]]\non = {on}\ncommand = \"cat >>{}\"", path.display()), path)
}

fn to_hook(hook: &Hook, on: &str, path: &str) -> String {
    format!("[[alert]]\non = {on}\nwebhook = {:?}", hook.url(path))
}

/// Returns the alerts so far: one JSON per line.
pub fn told(path: &PathBuf) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub fn about<'a>(alerts: &'a [Value], event: &str) -> Vec<&'a Value> {
    alerts.iter().filter(|alert| alert["event"] == event).collect()
}

/// Number of bad files that arrive at once.
fn crowd() -> usize {
    std::env::var("DATADROP_TEST_FILES").ok().and_then(|count| count.parse().ok()).unwrap_or(500)
}

#[test]
fn many_bad_files_are_one_alert() {
    let files = crowd();
    let mut world = world("");
    let (rule, path) = to_file(&world, "\"rejected\"", "told");
    add(&mut world, &rule);
    for number in 0..files {
        world.write_file("a", format!("bad{number:04}.txt"), format!("{BAD}11/20/2026\t{number}\t1\n"));
    }
    let daemon = world.start();
    world.wait_long("them to be rejected", || world.count("state = 'rejected'") == i64::try_from(files).unwrap());
    world.wait("the alert", || !told(&path).is_empty());
    let alerts = told(&path);
    let [alert] = alerts.as_slice() else { panic!("one alert: {alerts:?}") };
    assert_eq!((alert["event"].as_str(), alert["account"].as_str()), (Some("rejected"), Some("a")), "{alert}");
    assert_eq!(alert["count"], files, "{alert}");
    assert_eq!(alert["jobs"].as_array().unwrap().len(), files.min(20));
    let job = &alert["jobs"][0];
    assert_eq!(job["state"], "rejected");
    assert!(job["file_name"].as_str().unwrap().starts_with("bad"), "{job}");
    assert!(job["reason"].as_str().unwrap().contains("the row has 2 fields"), "{job}");
    assert_eq!(world.accepted(), Vec::<String>::new());
    daemon.stop();
    assert_eq!(told(&path).len(), 1);
}

#[test]
fn an_unfinished_remote_job_is_reported_as_late_and_again_after_poll_give_up_after() {
    let mut world = World::with_emulator(datadrop::emulator::EmulatorOptions {
        processing: std::time::Duration::from_secs(600),
        ..quick()
    });
    world.set("max = \"500ms\"\n[retry]", "max = \"1m\"\ngive_up_after = \"3s\"\n[retry]\nalert_after = \"1s\"");
    let (rule, path) = to_file(&world, "\"delayed\"", "told");
    add(&mut world, &rule);
    world.fault("upload:gateway=503");
    let _daemon = world.start();
    world.drop_file("a", "slow.txt", data(1));
    world.wait("it to be late", || about(&told(&path), "delayed").len() == 1);
    world.emulator().clear_faults();
    world.wait("its reason", || world.jobs().iter().any(|job| job.why().contains("has not finished it in 3 s")));
    let noted = "SELECT group_concat(to_state) FROM job_event WHERE event IN ('delayed', 'asked-daily')";
    let states: String = connect(&world.state_dir()).unwrap().query_row(noted, [], |row| row.get(0)).unwrap();
    assert_eq!(states, "queued,uploaded", "both are news to a receiver of delays");
}

/// T3: a data source that halts after a failed job takes nothing until a person restarts it. The API does not show
/// this.
#[test]
fn a_halted_data_source_is_reported_with_its_remedy_and_again_when_it_continues() {
    let mut world = World::with_emulator(EmulatorOptions { halt_on_error: true, ..quick() });
    world.set("max = \"500ms\"\n[retry]", "max = \"500ms\"\nlate_after = \"2s\"\n[retry]");
    let (rule, path) = to_file(&world, "[\"delayed\", \"stalled\", \"failure\"]", "told");
    add(&mut world, &rule);
    let daemon = primed(&world);
    world.fault("job:fail:name=bad.txt");
    world.drop_file("a", "bad.txt", tagged("bad"));
    let failed = world.wait_for("bad.txt", "failure").id;
    world.drop_file("a", "behind.txt", tagged("behind"));
    world.wait("it to be told", || about(&told(&path), "stalled").len() == 1);
    let alerts = told(&path);
    let alert = about(&alerts, "stalled")[0];
    assert!(alert["hint"].as_str().unwrap().contains("Restart Processing"), "{alert}");
    let reason = alert["jobs"][0]["reason"].as_str().unwrap();
    assert!(
        reason.contains(&format!("since job {failed} (bad.txt) failed: data source 1 may have stopped")),
        "{reason}"
    );
    let status = world.status("a");
    assert!(status["overdue"].as_str().unwrap().contains("Restart Processing"), "{status}");
    let path_of = world.folder("a").join("sent/behind.txt");
    let explained = world.run(&["explain", path_of.to_str().unwrap()]);
    assert!(stdout(&explained).contains("Restart Processing"), "{explained:?}");
    // Only once, also over a restart.
    daemon.stop();
    let daemon = world.start();
    let key = AccountKey { report_suite_id: "suitea".to_owned(), data_source_id: 1 };
    assert_eq!(world.emulator().restart(&key), 1);
    world.wait_for("behind.txt", "success");
    world.wait("the word that it is over", || about(&told(&path), "cleared").len() == 1);
    daemon.stop();
    let alerts = told(&path);
    let events: Vec<&str> = alerts.iter().map(|alert| alert["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["failure", "stalled", "cleared"]);
    let cleared = alerts[2]["message"].as_str().unwrap();
    assert!(cleared.ends_with("is no longer overdue: it is now success"), "{cleared}");
    assert_eq!(world.status("a")["overdue"], Value::Null);
}

/// T3: a late job without an earlier failure is `delayed`. So is a job that was sent before the failure.
#[test]
fn a_late_job_without_an_earlier_failure_is_delayed() {
    let mut world = World::with_emulator(EmulatorOptions { processing: std::time::Duration::from_secs(4), ..quick() });
    world.set("max = \"500ms\"\n[retry]", "max = \"500ms\"\nlate_after = \"1s\"\n[retry]");
    let (rule, path) = to_file(&world, "[\"delayed\", \"stalled\", \"cleared\"]", "told");
    add(&mut world, &rule);
    let _daemon = world.start();
    world.drop_file("a", "slow.txt", data(1));
    world.wait("both", || told(&path).len() == 2);
    let alerts = told(&path);
    let events: Vec<&str> = alerts.iter().map(|alert| alert["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["delayed", "cleared"]);
    let reason = alerts[0]["jobs"][0]["reason"].as_str().unwrap();
    assert_eq!(reason, "Adobe has not finished it in 1 s; datadrop keeps looking");
    assert_eq!(world.wait_for("slow.txt", "success").reason, None);
}

/// Each receiver of an alert about an account gets its end once, also over a restart, as the event that it subscribes
/// to.
#[test]
fn the_end_of_a_problem_is_reported_once_to_each_receiver_of_the_problem() {
    let mut world = world("");
    world.account("b", "expect = \"1 by 00:00\"");
    let rule = |world: &World, on: &str, name| to_file(world, on, name);
    let (one, heard) = rule(&world, "[\"blocked\", \"missing\"]", "heard");
    let (two, named) = rule(&world, "[\"blocked\", \"unblocked\"]", "named");
    let (three, ends) = rule(&world, "[\"cleared\"]", "ends");
    let (four, other) = rule(&world, "[\"held\"]", "other");
    add(&mut world, &[one, two, three, four].join("\n"));
    let daemon = primed(&world);
    let (folder, away) = (world.folder("b"), world.dir.path().join("away"));
    fs::rename(&folder, &away).unwrap();
    daemon.signal("USR1");
    world.wait("it to be told", || {
        [&heard, &named].iter().all(|path| !about(&told(path), "blocked").is_empty())
            && !about(&told(&heard), "missing").is_empty()
    });
    fs::rename(&away, &folder).unwrap();
    daemon.signal("USR1");
    world.wait("the end of the block", || !told(&ends).is_empty());
    assert!(told(&ends)[0]["message"].as_str().unwrap().starts_with("account b works again"), "{:?}", told(&ends));
    // The expected files come after all. The daemon is killed before it can report that.
    world.drop_file("b", "late.txt", tagged("late"));
    arrived_once(&world, "late.txt");
    daemon.kill();
    let daemon = world.start();
    let noted = "SELECT count(*) FROM account_event WHERE account = 'b' AND event = 'cleared'";
    let noted = || -> i64 { connect_to_write(&world.state_dir()).query_row(noted, [], |row| row.get(0)).unwrap() };
    world.wait("it to be noted", || noted() == 1);
    // Alerts of a group are a minute apart. Removes that wait.
    let an_hour_ago = "UPDATE alert_told SET told_at = told_at - 3600000";
    let all = || {
        connect_to_write(&world.state_dir()).execute(an_hour_ago, []).unwrap();
        about(&told(&heard), "cleared").len() == 2
            && about(&told(&named), "unblocked").len() == 1
            && told(&ends).len() == 2
    };
    world.wait("each end", all);
    daemon.stop();
    assert_eq!(noted(), 1, "once");
    let alerts = told(&heard);
    let mut messages: Vec<&str> =
        about(&alerts, "cleared").iter().map(|alert| alert["message"].as_str().unwrap()).collect();
    messages.sort_unstable();
    assert!(messages[0].starts_with("account b works again"), "{messages:?}");
    assert!(
        messages[1].ends_with("have been accepted since") || messages[0].ends_with("accepted since"),
        "{messages:?}"
    );
    assert!(about(&told(&named), "cleared").is_empty(), "it asked for `unblocked`");
    assert!(told(&other).is_empty());
}

#[test]
fn events_before_a_kill_are_reported_after_it() {
    let mut world = world("");
    let (path, open) = (world.dir.path().join("told"), world.dir.path().join("open"));
    let command = format!("test -e {} && cat >>{}", open.display(), path.display());
    add(&mut world, &format!("[[alert]]\non = \"rejected\"\ncommand = {command:?}"));
    let daemon = world.start();
    // Killed before any receiver can have read the alert.
    world.drop_file("a", "one.txt", BAD);
    world.wait_for("one.txt", "rejected");
    daemon.kill();
    let daemon = world.start();
    let sealed = || -> i64 {
        connect_to_write(&world.state_dir())
            .query_row("SELECT count(*) FROM alert WHERE sealed AND failures > 1", [], |row| row.get(0))
            .unwrap()
    };
    world.wait("it to be tried in vain", || sealed() == 1);
    assert_eq!(told(&path).len(), 0);
    // Killed between two tries.
    daemon.kill();
    fs::write(&open, "").unwrap();
    let daemon = world.start();
    world.wait("the alert", || !told(&path).is_empty());
    daemon.stop();
    let alerts = told(&path);
    let ids: std::collections::BTreeSet<&str> =
        alerts.iter().map(|alert| alert["alert_id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), 1, "told again at most as the same: {alerts:?}");
    assert_eq!((&alerts[0]["count"], &alerts[0]["jobs"][0]["file_name"]), (&1.into(), &"one.txt".into()));
}

#[test]
fn a_webhook_that_is_down_gets_its_alert_later_and_delays_nothing() {
    const KEY: &str = "k3y-of-the-hook";
    let down = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = down.local_addr().unwrap();
    drop(down);
    let mut world = world(&format!("[[alert]]\non = \"rejected\"\nwebhook = \"http://{address}/{KEY}?key={KEY}\""));
    // A receiver that never answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let hangs = format!("[[alert]]\non = \"rejected\"\nwebhook = \"http://{}/\"", silent.local_addr().unwrap());
    add(&mut world, &hangs);
    let daemon = primed(&world);
    world.drop_file("a", "bad.txt", BAD);
    world.wait_for("bad.txt", "rejected");
    world.wait("it to be told in vain", || {
        world.log().contains("alert #1: webhook (http://127.0.0.1) did not take the alert")
    });
    for number in 0..5 {
        let name = format!("good{number}.txt");
        world.drop_file("a", &name, tagged(number));
        arrived_once(&world, &name);
    }
    let hook = Hook::start_at(address);
    hook.answers(500);
    world.wait("an answer that does not count", || !hook.alerts().is_empty());
    hook.answers(307);
    let before = hook.alerts().len();
    world.wait("a redirect that is not followed", || hook.alerts().len() > before);
    hook.answers(204);
    let delivered = || {
        connect_to_write(&world.state_dir())
            .query_row("SELECT count(*) FROM alert WHERE receiver = 'alert #1: webhook'", [], |row| {
                row.get::<_, i64>(0)
            })
            .unwrap()
            == 0
    };
    world.wait("it to be delivered", delivered);
    let alerts = hook.alerts();
    assert!(alerts.iter().all(|alert| *alert == alerts[0]), "a repeat is the same: {alerts:?}");
    assert_eq!(alerts[0]["jobs"][0]["file_name"], "bad.txt");
    let asked = hook.asked();
    assert!(asked.iter().all(|asked| asked.path == format!("/{KEY}?key={KEY}")), "{asked:?}");
    for asked in &asked {
        let head = asked.head.to_ascii_lowercase();
        assert!(!head.contains("authorization") && !head.contains("x-api-key"), "{head}");
    }
    assert_eq!(daemon.stop().code(), Some(0));
    world.assert_keeps(&[KEY]);
}

#[test]
fn each_event_is_sent_to_its_subscribers() {
    let mut world = world("");
    let hook = Hook::start();
    let all = "[\"failure\", \"partial\", \"held\", \"blocked\", \"doubled\", \"missing\", \"started\"]";
    add(&mut world, &to_hook(&hook, all, "/all"));
    let again = Hook::start();
    add(&mut world, &to_hook(&again, "[\"unblocked\"]", "/again"));
    world.account("b", "expect = \"1 by 00:00\"");
    world.fault("job:fail:name=fails*");
    world.fault("job:lost-rows=2:name=short*");
    let daemon = primed(&world);
    world.wait("the start to be told", || !about(&hook.alerts(), "started").is_empty());
    let alerts = hook.alerts();
    let started = about(&alerts, "started")[0];
    assert_eq!(started["account"], Value::Null);
    assert!(started["message"].as_str().unwrap().contains(env!("CARGO_PKG_VERSION")), "{started}");
    for key in ["hint", "host", "version", "first_at", "last_at"] {
        assert!(started[key].as_str().is_some_and(|text| !text.is_empty()), "{key}: {started}");
    }

    world.drop_file("a", "fails.txt", tagged("fails"));
    world.wait_for("fails.txt", "failure");
    world.drop_file("a", "short.txt", data(5));
    world.wait_for("short.txt", "partial");
    world.drop_file("a", "first.txt", data(1));
    world.wait_for("first.txt", "held");
    let other = world.somebody_sends("a", "fails.txt", "somebody's");
    world.drop_file("a", "last.txt", tagged("last"));
    arrived_once(&world, "last.txt");
    let (folder, away) = (world.folder("b"), world.dir.path().join("away"));
    fs::rename(&folder, &away).unwrap();
    daemon.signal("USR1");
    world.wait_blocked("b");
    world.wait("the block to be told", || !about(&hook.alerts(), "blocked").is_empty());
    fs::rename(&away, &folder).unwrap();
    daemon.signal("USR1");
    world.wait("b to work again", || world.blocked("b").is_empty());

    for event in ["failure", "partial", "held", "doubled", "blocked", "missing"] {
        world.wait(event, || !about(&hook.alerts(), event).is_empty());
    }
    world.wait("the end of the block", || !again.alerts().is_empty());
    let alerts = hook.alerts();
    for (event, file) in [("failure", "fails.txt"), ("partial", "short.txt"), ("held", "first.txt")] {
        let job = &about(&alerts, event)[0]["jobs"][0];
        assert_eq!((job["file_name"].as_str(), job["state"].as_str()), (Some(file), Some(event)), "{job}");
    }
    let doubled = about(&alerts, "doubled")[0];
    assert!(doubled["jobs"][0]["reason"].as_str().unwrap().contains(&other.to_string()), "{doubled}");
    let missing = about(&alerts, "missing")[0];
    assert_eq!((missing["account"].as_str(), missing["count"].as_u64()), (Some("b"), Some(1)));
    assert!(missing["message"].as_str().unwrap().contains("1 data file was expected by 00:00"), "{missing}");
    assert_eq!(about(&alerts, "blocked")[0]["account"], "b");
    let unblocked = &again.alerts()[0];
    assert!(unblocked["message"].as_str().unwrap().contains("works again"), "{unblocked}");
    assert!(about(&alerts, "unblocked").is_empty() && about(&alerts, "rejected").is_empty(), "no one asked for these");

    // A new start opens every folder and asks for every account again. It reports no block and no missing day twice.
    daemon.stop();
    let daemon = world.start();
    world.wait("the second start", || about(&hook.alerts(), "started").len() == 2 || starts_pending(&world) > 0);
    world.drop_file("a", "after.txt", tagged("after"));
    arrived_once(&world, "after.txt");
    daemon.stop();
    let alerts = hook.alerts();
    assert_eq!((about(&alerts, "missing").len(), about(&alerts, "blocked").len()), (1, 1), "{alerts:?}");
    let noted: i64 = connect_to_write(&world.state_dir())
        .query_row("SELECT count(*) FROM account_event WHERE event <> 'started'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(noted, 3, "missing, blocked, unblocked");
}

/// Returns the number of starts whose alert is pending. Starts within a minute of each other share one.
fn starts_pending(world: &World) -> i64 {
    connect_to_write(&world.state_dir())
        .query_row("SELECT count(*) FROM alert WHERE topic = 'started'", [], |row| row.get(0))
        .unwrap()
}

#[test]
fn a_late_file_is_reported_once_over_a_restart() {
    let mut world = world("");
    world.set("[retry]\n", "[retry]\nalert_after = \"1s\"\n");
    let (rule, path) = to_file(&world, "[\"delayed\"]", "told");
    add(&mut world, &rule);
    let daemon = primed(&world);
    world.drop_file("a", "lonely.fin", "");
    world.wait("it to be told", || !told(&path).is_empty());
    daemon.stop();
    let daemon = world.start();
    world.wait("it to be named again in the log", || {
        world.log().matches("lonely.fin (job 2) has not been sent").count() == 2
    });
    daemon.stop();
    let alerts = told(&path);
    let [alert] = alerts.as_slice() else { panic!("one alert: {alerts:?}") };
    let job = &alert["jobs"][0];
    assert_eq!((job["file_name"].as_str(), job["state"].as_str()), (Some("lonely.fin"), Some("waiting")), "{alert}");
    let noted: i64 = connect_to_write(&world.state_dir())
        .query_row("SELECT count(*) FROM job_event WHERE event = 'delayed' AND job_id = 2", [], |row| row.get(0))
        .unwrap();
    assert_eq!(noted, 1);
}

/// Returns the only job of the only alert of this event, once it was delivered.
fn told_of(world: &World, path: &PathBuf) -> Value {
    world.wait("it to be told", || !told(path).is_empty());
    let alerts = told(path);
    let [alert] = alerts.as_slice() else { panic!("one alert: {alerts:?}") };
    assert_eq!((alert["event"].as_str(), &alert["count"]), (Some("delayed"), &1.into()), "{alert}");
    alert["jobs"][0].clone()
}

/// DESIGN §4, "Tracking": a 404 for a single job leaves it `uploaded`, and raises an alert.
#[test]
fn a_remote_job_that_adobe_no_longer_knows_is_reported_once() {
    let mut world = world("");
    let (rule, path) = to_file(&world, "[\"delayed\", \"failure\"]", "told");
    add(&mut world, &rule);
    let daemon = primed(&world);
    world.fault("list:late=1h:name=lost.txt");
    world.fault("single:refuse=404");
    world.drop_file("a", "lost.txt", tagged("lost"));
    let job = told_of(&world, &path);
    assert_eq!((job["file_name"].as_str(), job["state"].as_str()), (Some("lost.txt"), Some("uploaded")), "{job}");
    let reason = job["reason"].as_str().unwrap();
    assert!(reason.contains("Adobe no longer knows its remote job"), "{reason}");
    // datadrop continues to ask for it, and sends no other alert.
    let asked = world.emulator().requests().singles;
    world.wait("more looks at it", || world.emulator().requests().singles >= asked + 3);
    assert_eq!(world.count("file_name = 'lost.txt' AND state = 'uploaded'"), 1);
    daemon.stop();
    assert_eq!(told(&path).len(), 1, "{:?}", told(&path));
    assert_eq!(world.times_accepted("lost.txt"), 1);
}

/// DESIGN S4: an upload that ends unclear for the third time raises an alert; it continues automatically.
#[test]
fn a_third_unclear_end_of_an_upload_is_reported() {
    let mut world = world("");
    let (rule, path) = to_file(&world, "[\"delayed\"]", "told");
    add(&mut world, &rule);
    let daemon = primed(&world);
    world.fault("upload:after-body:reset:name=unlucky.txt:n=3");
    world.drop_file("a", "unlucky.txt", tagged("unlucky"));
    let job = told_of(&world, &path);
    assert_eq!(job["file_name"], "unlucky.txt", "{job}");
    let unclear: i64 = connect_to_write(&world.state_dir())
        .query_row("SELECT unclear_ends FROM job WHERE file_name = 'unlucky.txt'", [], |row| row.get(0))
        .unwrap();
    assert_eq!(unclear, 3);
    arrived_once(&world, "unlucky.txt");
    world.wait("the word that it is over", || about(&told(&path), "cleared").len() == 1);
    daemon.stop();
    assert_eq!(told(&path).len(), 2, "{:?}", told(&path));
}

#[test]
fn a_command_gets_no_secret_environment_and_a_reload_changes_the_receivers() {
    let mut world = world("");
    let seen = world.dir.path().join("seen");
    add(
        &mut world,
        &format!("[[alert]]\non = \"started\"\ncommand = [\"/bin/sh\", \"-c\", \"env >{}\"]", seen.display()),
    );
    let variables = [("A_SECRET_OF_OURS", "t0p-s3cret")];
    let daemon = Daemon::start_with(world.dir.path(), &world.write_config(), &[], &variables);
    daemon.wait_ready();
    world.wait("the command", || fs::read_to_string(&seen).is_ok_and(|text| text.contains("PATH=")));
    let text = fs::read_to_string(&seen).unwrap();
    assert!(!text.contains("SECRET") && !text.contains("NOTIFY_SOCKET"), "{text}");

    let hook = Hook::start();
    world.set("on = \"started\"", "on = \"rejected\"");
    add(&mut world, &to_hook(&hook, "\"rejected\"", "/new"));
    world.write_config();
    daemon.signal("HUP");
    world.wait("the reload", || world.log().contains("reloaded"));
    world.drop_file("a", "bad.txt", BAD);
    world.wait("the new receiver", || hook.alerts().len() == 1);
    assert_eq!(hook.alerts()[0]["event"], "rejected");
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn the_last_alerts_of_a_run_are_sent_before_it_ends() {
    let mut world = world("");
    let (rule, path) = to_file(&world, "[\"rejected\", \"started\"]", "told");
    add(&mut world, &rule);
    world.write_file("a", "bad.txt", BAD);
    let end = world.run(&["run", "--once"]);
    assert_eq!(end.status.code(), Some(3));
    let alerts = told(&path);
    assert_eq!((about(&alerts, "rejected").len(), about(&alerts, "started").len()), (1, 1), "{alerts:?}");
}

#[test]
fn the_heartbeat_comes_as_long_as_the_service_lives() {
    let hook = Hook::start();
    let mut world = World::new();
    let section = format!("[status]\nheartbeat = {:?}\nheartbeat_every = \"50ms\"\n", hook.url("/beat/k3y"));
    add(&mut world, &section);
    let daemon = world.start();
    world.wait("three beats", || hook.asked().len() >= 3);
    hook.answers(503);
    world.wait("the complaint", || world.log().contains("the heartbeat at http://127.0.0.1 was not taken: HTTP 503"));
    hook.answers(200);
    world.wait("the end of it", || world.log().contains("is taken again"));
    let asked = hook.asked();
    assert!(asked.iter().all(|asked| asked.method == "GET" && asked.path == "/beat/k3y"), "{asked:?}");
    daemon.kill();
    world.assert_keeps(&["k3y"]);
}

/// `alerts test` needs no daemon, and shows neither URL nor key.
#[test]
fn a_test_alert_says_what_each_receiver_answered() {
    const KEY: &str = "k3y-of-the-hook";
    let mut world = world("");
    let none = world.run(&["alerts", "test"]);
    assert_eq!(none.status.code(), Some(1), "{none:?}");
    assert!(stderr(&none).contains("add an [[alert]] section"), "{none:?}");

    let hook = Hook::start();
    add(&mut world, &to_hook(&hook, "\"rejected\"", &format!("/{KEY}?key={KEY}")));
    let (rule, path) = to_file(&world, "\"held\"", "told");
    add(&mut world, &rule);
    let all = world.run(&["alerts", "test", "--json"]);
    assert_eq!(all.status.code(), Some(0), "{all:?}");
    let answers: Value = serde_json::from_str(&stdout(&all)).unwrap();
    let taken = |target: &str, number: usize, kind: &str, answer: &str| {
        serde_json::json!({
            "receiver": format!("alert #{number}: {kind}"), "target": target, "taken": true, "answer": answer, "remedy": null,
        })
    };
    let expected =
        [taken("http://127.0.0.1", 1, "webhook", "HTTP 200"), taken("/bin/sh", 2, "command", "exit status 0")];
    assert_eq!(answers, Value::from(expected.to_vec()));
    assert_eq!(told(&path).len(), 1);
    for alert in [&told(&path)[0], &hook.alerts()[0]] {
        assert_eq!(
            (&alert["event"], &alert["account"], &alert["jobs"]),
            (&"test".into(), &Value::Null, &Value::Array(Vec::new()))
        );
        assert_eq!(alert.as_object().unwrap().len(), 11, "the keys of every alert: {alert}");
        assert!(alert["message"].as_str().unwrap().starts_with("this is a test"), "{alert}");
    }

    hook.answers(410);
    add(&mut world, "[[alert]]\non = \"held\"\ncommand = \"echo one >&2; echo no such room >&2; exit 7\"");
    add(&mut world, "[[alert]]\non = \"held\"\ncommand = [\"/nowhere/at/all\"]");
    let some = world.run(&["alerts", "test"]);
    assert_eq!(some.status.code(), Some(3), "{some:?}");
    let text = stdout(&some);
    let lines: Vec<&str> = text.lines().collect();
    let [gone, _, room, nowhere] = lines.as_slice() else { panic!("a line for each: {text}") };
    assert!(gone.starts_with("alert #1: webhook (http://127.0.0.1) did not take the test alert: HTTP 410; "), "{gone}");
    assert!(room.contains("/bin/sh ended with exit status: 7: no such room; correct `command` of alert #3"), "{room}");
    assert!(nowhere.contains("/nowhere/at/all cannot be started: No such file or directory"), "{nowhere}");
    assert_eq!(told(&path).len(), 2);
    for output in [&all, &some] {
        assert!(!format!("{}{}", stdout(output), stderr(output)).contains(KEY), "{output:?}");
    }
}
