//! The API's answers about report suites: read at the start, kept in the job log, and never needed to send a file.

use crate::harness::{World, arrived_once, connect, data, primed, quick, stderr, stdout, tagged};
use datadrop::config::RateLimit;
use datadrop::emulator::EmulatorOptions;
use serde_json::{Value, json};
use std::time::Duration;

/// The kept facts, and the parts that could not be read.
fn kept(world: &World, suite: &str) -> Option<(Value, Option<String>)> {
    let found = connect(&world.state_dir())?
        .query_row("SELECT facts, unread FROM report_suite WHERE report_suite_id = ?1", [suite], |row| {
            Ok((row.get::<_, String>(0)?, row.get(1)?))
        })
        .ok()?;
    Some((serde_json::from_str(&found.0).unwrap(), found.1))
}

fn wait_kept(world: &World, suite: &str, what: &str, holds: impl Fn(&Value, Option<&str>) -> bool) -> Value {
    let mut found = None;
    world.wait(&format!("{suite}: {what}"), || {
        found = kept(world, suite);
        found.as_ref().is_some_and(|(facts, unread)| holds(facts, unread.as_deref()))
    });
    found.unwrap().0
}

fn is_whole(_: &Value, unread: Option<&str>) -> bool {
    unread.is_none()
}

/// A report suite of the largest size. Each entry has about 600 bytes.
fn many(kind: &str, count: usize) -> Value {
    (1..=count)
        .map(|number| {
            json!({
                "id": format!("{kind}{number}"), "name": format!("Name {number}"), "title": format!("Name {number}"),
                "type": "INT", "allowedForReporting": true, "support": ["oberon", "dataWarehouse"],
                "description": "x".repeat(480),
            })
        })
        .collect()
}

#[test]
fn each_report_suite_is_read_once_at_the_start_with_all_of_its_1200_metrics() {
    let limit = Some(RateLimit { requests: 12, per: Duration::from_secs(6) });
    let mut world = World::with_emulator(EmulatorOptions { rate_limit: limit, ..quick() });
    world.api("rate_limit", "\"12/6s\"").account("b", "");
    let change = json!({
        "suite": { "timezoneZoneinfo": "US/Pacific", "currency": "eur" },
        "metrics": many("metrics/event", 1200), "dimensions": many("variables/evar", 250),
    });
    world.emulator().change_suite("suitea", &change);
    let _daemon = world.start();
    let facts = wait_kept(&world, "suitea", "to be read", is_whole);
    assert_eq!((&facts["time_zone"], &facts["currency"]), (&json!("US/Pacific"), &json!("EUR")));
    assert_eq!(facts["metrics"].as_array().unwrap().len(), 1200);
    assert_eq!(facts["metrics"][40], json!({ "id": "event41", "name": "Name 41", "kind": "counter" }));
    assert_eq!(facts["dimensions"].as_array().unwrap().len(), 250);
    wait_kept(&world, "suiteb", "to be read", is_whole);
    world.drop_file("a", "sales.txt", data(3));
    arrived_once(&world, "sales.txt");
    let requests = world.emulator().requests();
    assert_eq!((requests.suites, requests.refused_429), (6, 0));
    assert!(requests.max_in_any_window <= 12, "{requests:?}");
    let log = world.log();
    assert!(log.contains("report suite suitea: its time zone is US/Pacific"), "{log}");
}

#[test]
fn without_the_permission_everything_works_as_before_and_what_is_missing_is_noted_once() {
    let world = World::new();
    for part in ["suite", "metrics", "dimensions"] {
        world.fault(&format!("{part}:403"));
    }
    let daemon = primed(&world);
    let is_noted = |_: &Value, unread: Option<&str>| unread.is_some_and(|unread| unread.lines().count() == 3);
    let facts = wait_kept(&world, "suitea", "to be noted", is_noted);
    assert_eq!(facts["metrics"], Value::Null);
    assert!(kept(&world, "suitea").unwrap().1.unwrap().contains("Profile is not valid"));
    assert_eq!(world.blocked("a"), "");
    let told = |log: &str| log.matches("report suite suitea could not be read whole").count();
    assert_eq!(told(&world.log()), 1);
    assert!(daemon.stop().success());
    let asked = world.emulator().requests().suites;
    let _daemon = world.start();
    world.wait("it to be read again", || world.emulator().requests().suites == asked + 3);
    world.drop_file("a", "sales.txt", data(3));
    arrived_once(&world, "sales.txt");
    assert_eq!(told(&world.log()), 1, "what has not changed is no news");
}

#[test]
fn a_service_that_is_not_well_or_refuses_the_token_stops_nothing_else() {
    let world = World::new();
    world.fault("suite:401");
    world.fault("metrics:503=3600");
    let _daemon = world.start();
    let is_noted = |_: &Value, unread: Option<&str>| unread.is_some_and(|unread| unread.lines().count() == 2);
    wait_kept(&world, "suitea", "to be noted", is_noted);
    world.drop_file("a", "sales.txt", data(3));
    assert_eq!(arrived_once(&world, "sales.txt").attempts, 1);
    assert_eq!(world.emulator().requests().tokens, 1);
}

#[test]
fn answers_that_are_partial_odd_slow_or_of_another_report_suite_are_read_as_far_as_they_go() {
    let mut world = World::new();
    for account in ["b", "c", "d"] {
        world.account(account, "");
    }
    let suite = |name: &str, change: Value| world.emulator().change_suite(name, &change);
    suite("suitea", json!({ "suite": { "currency": null, "name": null }, "metrics": "none", "dimensions": [] }));
    suite("suiteb", json!({ "suite": { "rsid": "suitea", "id": "suitea" } }));
    suite(
        "suitec",
        json!({ "suite": { "timezoneZoneinfo": "Mars/Olympus" }, "metrics": [5, { "id": "metrics/event1" }] }),
    );
    world.fault("suite:slow=10s:after=3:n=1");
    let _daemon = world.start();
    for account in ["a", "b", "c", "d"] {
        world.drop_file(account, "sales.txt", tagged(account));
    }
    world.wait("all to be done, whatever is told", || world.count("state = 'success'") == 4);
    let unread =
        |lines: usize| move |_: &Value, unread: Option<&str>| unread.unwrap_or_default().lines().count() == lines;
    let facts = wait_kept(&world, "suitea", "both lists to be missing", unread(2));
    assert_eq!((&facts["time_zone"], &facts["currency"]), (&json!("Etc/UTC"), &Value::Null));
    let facts = wait_kept(&world, "suiteb", "the report suite itself to be missing", unread(1));
    assert_eq!((&facts["time_zone"], facts["metrics"].is_array()), (&Value::Null, true));
    assert!(kept(&world, "suiteb").unwrap().1.unwrap().contains("an answer about report suite suitea"));
    let facts = wait_kept(&world, "suitec", "to be read", unread(0));
    assert_eq!(facts["metrics"], json!([{ "id": "event1", "name": "event1", "kind": "other" }]));
    assert!(world.log().contains("does not know the time zone Mars/Olympus"), "{}", world.log());
    let facts = wait_kept(&world, "suited", "the slow one to be given up", unread(1));
    assert_eq!((&facts["time_zone"], facts["metrics"].is_array()), (&Value::Null, true));
    for account in ["a", "b", "c", "d"] {
        assert_eq!(world.blocked(account), "");
    }
}

#[test]
fn a_changed_zone_or_currency_is_reported_and_an_unreadable_report_suite_stays_known() {
    let world = World::new();
    world.emulator().change_suite("suitea", &json!({ "suite": { "timezoneZoneinfo": "US/Pacific" } }));
    let daemon = world.start();
    wait_kept(&world, "suitea", "to be read", is_whole);
    let change = json!({ "suite": { "timezoneZoneinfo": "Asia/Tokyo", "currency": "JPY" } });
    world.emulator().change_suite("suitea", &change);
    daemon.signal("HUP");
    let facts = wait_kept(&world, "suitea", "to be read again", |facts, _| facts["currency"] == "JPY");
    assert_eq!(facts["time_zone"], json!("Asia/Tokyo"));
    let log = world.log();
    for told in ["from time zone US/Pacific to Asia/Tokyo", "from currency USD to JPY"] {
        assert!(log.contains(told), "{told}: {log}");
    }
    world.fault("suite:500");
    world.fault("metrics:403");
    daemon.signal("HUP");
    let facts = wait_kept(&world, "suitea", "to be silent", |_, unread| unread.is_some());
    assert_eq!((&facts["time_zone"], facts["metrics"].is_array()), (&json!("Asia/Tokyo"), true));
}

#[test]
fn an_account_of_a_virtual_report_suite_is_blocked_until_it_is_none_and_its_parent_is_named() {
    let world = World::new();
    let daemon = primed(&world);
    world.emulator().change_suite("suitea", &json!({ "suite": { "parentRsid": "whole" } }));
    daemon.signal("HUP");
    // For a moment after a reload, the folder of the account is not open yet.
    world.wait("it to be blocked for that", || world.blocked("a").contains("report suite suitea is virtual"));
    let why = world.blocked("a");
    assert!(why.contains("report_suite_id = \"whole\""), "{why}");
    world.drop_file("a", "sales.txt", data(3));
    assert!(daemon.stop().success());

    // After the next start, datadrop knows this from the job log, before any request.
    world.fault("suite:hang");
    let daemon = world.start();
    world.wait("it to be blocked again", || world.blocked("a") == why);
    assert_eq!(world.times_accepted("sales.txt"), 0);
    assert!(world.folder("a").join("sales.txt").exists(), "files wait untouched");

    world.emulator().clear_faults();
    world.emulator().change_suite("suitea", &json!({ "suite": { "parentRsid": null } }));
    daemon.signal("HUP");
    arrived_once(&world, "sales.txt");
    assert_eq!(world.blocked("a"), "");
}

/// A file whose row has the date of tomorrow in a zone, and that day.
fn of_tomorrow(zone: &str) -> (String, String) {
    let now = jiff::Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::get(zone).unwrap());
    let day = now.date().tomorrow().unwrap().strftime("%m/%d/%Y").to_string();
    (format!("Date\tEvar 1\tEvent 1\n{day}\tx\t1\n"), day)
}

/// A day begins by the zone of the report suite, whatever the zone of this machine.
#[test]
fn a_day_that_has_not_begun_in_the_report_suite_waits_under_reject_and_is_sent_under_warn() {
    let mut world = World::new();
    world.account("a", "check = \"reject\"").account("b", "check = \"warn\"");
    // If a person configures the zone, that of the report suite does not matter.
    world.account("c", "check = \"reject\"\ntime_zone = \"Pacific/Kiritimati\"");
    for suite in ["suitea", "suiteb", "suitec"] {
        world.emulator().change_suite(suite, &json!({ "suite": { "timezoneZoneinfo": "Pacific/Niue" } }));
    }
    let daemon = world.start();
    for suite in ["suitea", "suiteb", "suitec"] {
        wait_kept(&world, suite, "to be read", is_whole);
    }
    let (file, day) = of_tomorrow("Pacific/Niue");
    for account in ["a", "b", "c"] {
        world.drop_file(account, &format!("{account}.txt"), &file);
    }
    // The zones differ by 25 hours, so tomorrow in one is today in the other.
    world.wait_for("b.txt", "success");
    world.wait_for("c.txt", "success");
    world.wait("a.txt to wait", || {
        world.jobs().iter().any(|job| job.file_name == "a.txt" && job.why().contains("waits"))
    });
    let job = world.wait_for("a.txt", "queued");
    let why = job.why();
    assert!(why.starts_with("waits for its latest day: ") && why.contains(" begins in Pacific/Niue at "), "{why}");
    let shown = stdout(&world.run(&["jobs", "show", &job.id.to_string()]));
    assert!(shown.contains(&day) && shown.contains("has not begun yet in Pacific/Niue, begins in "), "{shown}");
    assert_eq!(job.attempts, 0);
    assert_eq!(world.status("a")["waiting_for_day"], 1);
    let log = world.log();
    assert!(log.contains("b.txt: job") && log.contains("has not begun yet in Pacific/Niue"), "{log}");
    assert_eq!(world.accepted().len(), 2);
    let explained = stdout(&world.run(&["explain", world.folder("a").join("a.txt").to_str().unwrap()]));
    assert!(explained.contains("waits for its latest day"), "{explained}");
    // Hold and release do not send the file early.
    world.run(&["jobs", "hold", &job.id.to_string()]);
    world.wait_for("a.txt", "held");
    world.run(&["jobs", "release", &job.id.to_string()]);
    world.wait("it to wait again", || {
        world.jobs().iter().any(|job| job.state == "queued" && job.why().starts_with("waits for its latest day: "))
    });
    assert_eq!(world.accepted().len(), 2);
    // A run that delivers the dropped files does not wait for tomorrow.
    daemon.stop();
    let once = world.run(&["run", "--once", "--timeout", "20s"]);
    assert_eq!(once.status.code(), Some(3), "{}", stderr(&once));
    assert!(!stderr(&once).contains("--timeout is over"), "{}", stderr(&once));
    // The report suite changes to a zone in which that day has begun.
    let moved = json!({ "suite": { "timezoneZoneinfo": "Pacific/Kiritimati" } });
    world.emulator().change_suite("suitea", &moved);
    let _daemon = world.start();
    world.wait_for("a.txt", "success");
}

/// A counter drops decimals, and a metric or dimension that the report suite has not enabled counts nowhere.
#[test]
fn a_file_is_held_against_the_events_of_its_report_suite() {
    let mut world = World::new();
    world.account("a", "check = \"warn\"");
    let change = json!({
        "metrics": [{ "id": "metrics/event1", "name": "Calls", "type": "int" }],
        "dimensions": [{ "id": "variables/evar1", "name": "Centre" }],
    });
    world.emulator().change_suite("suitea", &change);
    let _daemon = world.start();
    wait_kept(&world, "suitea", "to be read", is_whole);
    world.drop_file("a", "odd.txt", "Date\tEvar 1\tEvar 2\tEvent 1\n11/20/2026\tx\ty\t1.5\n");
    let job = world.wait_for("odd.txt", "success");
    let shown = stdout(&world.run(&["jobs", "show", &job.id.to_string()]));
    assert!(shown.contains("`Evar 2` is unknown or not enabled in this report suite"), "{shown}");
    assert!(shown.contains("Calls"), "the friendly name: {shown}");
    // The check also works before a file is dropped, and without Adobe, because the facts are in the job log.
    let done = world.folder("a").join("done/odd.txt");
    world.wait("it to be filed", || done.exists());
    let checked = world.run(&["check", done.to_str().unwrap(), "--account", "a"]);
    assert!(stdout(&checked).contains("Calls"), "{}", stdout(&checked));
    let alone = world.run(&["check", done.to_str().unwrap()]);
    assert!(!stdout(&alone).contains("Calls"), "{}", stdout(&alone));
}

#[test]
fn doctor_says_zone_and_currency_and_what_is_missing_with_the_permissions() {
    let world = World::new();
    let doctor = || {
        let output = world.run(&["doctor"]);
        (output.status.code(), stdout(&output))
    };
    let (exit, text) = doctor();
    assert_eq!(exit, Some(0), "{text}");
    let well = "ok    report-suite suitea: time zone Etc/UTC, currency USD, 106 metrics, 106 dimensions";
    assert!(text.lines().any(|line| line == well), "{text}");
    assert_eq!(world.emulator().requests().suites, 3);

    world.fault("metrics:403");
    world
        .emulator()
        .change_suite("suitea", &json!({ "suite": { "currency": null, "timezoneZoneinfo": "Mars/Olympus" } }));
    let (exit, text) = doctor();
    assert_eq!(exit, Some(0), "it only warns: {text}");
    for told in [
        "currency unknown, 106 dimensions",
        "does not know its time zone Mars/Olympus",
        "metrics: the metrics of report suite suitea",
        "`Data Sources Manager`, which requires `Report Suite Mgmt`",
    ] {
        assert!(text.contains(told), "{told}: {text}");
    }

    world.emulator().change_suite("suitea", &json!({ "suite": { "parentRsid": "whole" } }));
    let (exit, text) = doctor();
    assert_eq!(exit, Some(1), "{text}");
    assert!(text.contains("FAIL  report-suite suitea: report suite suitea is virtual"), "{text}");
}
