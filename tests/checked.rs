//! The file check in the daemon: its reports, the files that it rejects, and the bad ends that it explains.

use crate::harness::{World, connect_to_write, data, names, quick, stdout};
use datadrop::emulator::{EmulatorOptions, Rows};
use serde_json::Value;
use std::fs;
use std::time::Duration;

const HEADER: &str = "Date\tEvar 1\tEvent 1\n";
const GOOD: &str = "11/20/2026\tred\t1\n";
const SKIPPED: &str = "11/20/2026\tred;blue\t1\n";
const SHORT: &str = "11/20/2026\tred\n";
const ODD: &str = "11/20/2026\tred\t1%\n";

/// A file with rows of yesterday.
fn file(rows: &[&str]) -> String {
    let yesterday = jiff::Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::UTC).date().yesterday().unwrap();
    HEADER.to_owned() + &rows.concat().replace("11/20/2026", &yesterday.strftime("%m/%d/%Y").to_string())
}

fn world(check: &str) -> World {
    let mut world = World::new();
    world.account("a", &format!("check = \"{check}\""));
    world
}

/// The `.why` of a file in `failed/`.
fn why_of(world: &World, name: &str) -> String {
    let path = world.folder("a").join("failed").join(format!("{name}.why"));
    world.wait("the reason to lie beside the file", || path.exists() && path.with_extension("").exists());
    fs::read_to_string(path).unwrap()
}

/// The log lines about a job that quote the check.
fn told(world: &World, name: &str) -> Vec<String> {
    let lines = world.log();
    lines.lines().filter(|line| line.contains(name) && line.contains("the file check")).map(str::to_owned).collect()
}

/// The text of the event `checked` of a job. Programs find it in `jobs show --json`.
fn checked(world: &World, id: i64) -> Vec<String> {
    let shown = stdout(&world.run(&["jobs", "show", &id.to_string(), "--json"]));
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let events = shown["events"].as_array().unwrap().iter().filter(|event| event["event"] == "checked");
    events.map(|event| event["detail"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_file_that_adobe_would_fail_is_rejected_and_never_sent() {
    let world = world("reject");
    let _daemon = world.start();
    world.drop_file("a", "sales.fin", "");
    world.wait_for("sales.fin", "waiting");
    world.drop_file("a", "sales.txt", file(&[GOOD, SHORT, SHORT, SKIPPED]));
    let job = world.wait_for("sales.txt", "rejected");
    assert_eq!(
        job.why(),
        "Adobe would fail this file: line 3: the row has 2 fields, the header has 3: Adobe rejects the whole file \
         (2 rows: lines 3 and 4)"
    );
    assert_eq!((job.attempts, job.rows_expected, job.size.is_some(), job.sha256.is_some()), (0, Some(4), true, true));
    world.wait_for("sales.fin", "rejected");
    let why = why_of(&world, "sales.txt");
    let path = world.folder("a").join("failed/sales.txt");
    for part in [
        "sales.txt was rejected and not sent.",
        "Reason: Adobe would fail this file: line 3: ",
        "  fails: line 3, column 15: the row has 2 fields, the header has 3: Adobe rejects the whole file \
         (2 rows: lines 3 and 4); add 1 tab\n",
        "  skips: line 5, column 15: Adobe skips rows that contain a semicolon; write another character\n",
        &format!("datadrop check {}\n", path.display()),
    ] {
        assert!(why.contains(part), "{part:?} is not in:\n{why}");
    }
    assert_eq!(
        checked(&world, job.id),
        [format!("{}; 1 more", job.why().trim_start_matches("Adobe would fail this file: "))]
    );
    let log = world.log();
    assert_eq!(log.matches(job.why()).count(), 1, "{log}");
    assert_eq!((world.emulator().requests().uploads, world.ledger().len()), (0, 0));
}

#[test]
fn files_with_doubtful_findings_or_skipped_rows_are_sent_under_reject_too() {
    let world = world("reject");
    let _daemon = world.start();
    world.drop_file("a", "lossy.txt", file(&[GOOD, SKIPPED]));
    world.drop_file("a", "odd.txt", file(&[GOOD, ODD]));
    world.wait_for("lossy.txt", "partial");
    world.wait_for("odd.txt", "success");
    assert_eq!(world.ledger().len(), 2);
}

/// T1 and T2: if Adobe counts all rows of the file, its count proves nothing about rows that it skips.
#[test]
fn a_file_with_skipped_rows_is_partial_though_adobe_counts_them_all() {
    let mut world = World::with_emulator(EmulatorOptions { rows: Rows::File, ..quick() });
    world.account("a", "check = \"warn\"");
    let daemon = world.start();
    let lossy = |name: &str| {
        world.drop_file("a", &format!("{name}.txt"), file(&[GOOD, SKIPPED, &GOOD.replace("red", name)]));
        let job = world.wait_for(&format!("{name}.txt"), "partial");
        assert_eq!((job.rows_expected, job.rows_processed), (Some(3), Some(3)));
        job.why().to_owned()
    };
    assert_eq!(world.status("a")["row_count"], Value::Null);
    world.drop_file("a", "plain.txt", file(&[GOOD]));
    assert_eq!(world.wait_for("plain.txt", "success").reason, None);
    assert_eq!(world.status("a")["row_count"], "file");
    let doctor = stdout(&world.run(&["doctor", "--offline"]));
    assert!(doctor.contains("row count a: of the file's rows: "), "{doctor}");
    let why = lossy("learnt");
    assert!(why.contains("does not prove that it processed them all") && why.ends_with("line 3: a semicolon"), "{why}");
    // The remedy of the account and the learnt meaning of the count survive a restart.
    daemon.stop();
    let _daemon = world.start();
    assert_eq!(world.status("a")["row_count"], "file");
}

/// T1 and T2: if Adobe counts the processed rows, a full count proves that it skipped none.
#[test]
fn a_file_whose_rows_were_all_processed_is_a_success_whatever_the_check_feared() {
    let mut world = World::with_emulator(EmulatorOptions { processing: Duration::from_millis(900), ..quick() });
    world.account("a", "check = \"warn\"");
    let _daemon = world.start();
    world.drop_file("a", "plain.txt", file(&[GOOD]));
    world.wait_for("plain.txt", "success");
    assert_eq!(world.status("a")["row_count"], "processing");
    world.drop_file("a", "lossy.txt", file(&[GOOD, SKIPPED]));
    let job = world.wait_for("lossy.txt", "partial");
    assert!(job.why().starts_with("Adobe processed 1 of 2 rows"), "{}", job.why());
}

#[test]
fn the_command_checks_as_an_account_does() {
    let mut world = world("warn");
    world.account("b", "extensions = [\"csv\"]");
    world.write_config();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("sales.csv");
    fs::write(&path, format!("# template file (user: 123456789 ds_id: 5)\n{}", file(&[GOOD]))).unwrap();
    let found = |account: &[&str]| {
        let output = world.run(&[&["check", path.to_str().unwrap(), "--json"], account].concat());
        let findings: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
        let codes = findings.as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap().to_owned());
        codes.collect::<Vec<_>>()
    };
    assert_eq!(found(&[]), ["extension-other"]);
    assert_eq!(found(&["--account", "a"]), ["extension-other", "wrong-data-source"]);
    assert_eq!(found(&["--account", "b"]), ["wrong-data-source"]);
    let unknown = world.run(&["check", path.to_str().unwrap(), "--account", "c"]);
    assert_eq!((unknown.status.code(), stdout(&unknown).as_str()), (Some(4), ""));
}

/// The account sends to data source 1. A doubtful finding keeps no file back, also with `reject`.
#[test]
fn a_template_of_another_data_source_is_reported_and_sent() {
    let world = world("reject");
    let _daemon = world.start();
    for (name, template) in [("other.txt", 5), ("own.txt", 1)] {
        let comment = format!("# Generic Data Source template file (user: 123456789 ds_id: {template})\n");
        world.drop_file("a", name, comment + &file(&[GOOD]));
    }
    let [other, own] = ["other.txt", "own.txt"].map(|name| world.wait_for(name, "success").id);
    let message = "line 1: the file was made for data source 5, and this account sends to data source 1";
    assert_eq!((checked(&world, other), checked(&world, own)), (vec![message.to_owned()], Vec::new()));
}

#[test]
fn a_rejected_file_that_is_corrected_is_a_new_one() {
    let world = world("reject");
    let _daemon = world.start();
    world.drop_file("a", "sales.txt", file(&[SHORT]));
    let first = world.wait_for("sales.txt", "rejected");
    let why = world.folder("a").join("failed/sales.txt.why");
    why_of(&world, "sales.txt");
    // The file is back in its first form. It is rejected again, and never sent.
    world.drop_file("a", "sales.txt", file(&[SHORT]));
    world.wait("the second to be rejected", || world.count("state = 'rejected'") == 2);
    world.drop_file("a", "sales.txt", file(&[GOOD]));
    let last = world.wait_for("sales.txt", "success");
    assert!(last.id > first.id + 1 && why.exists());
    assert_eq!(world.accepted(), ["sales.txt"]);
}

#[test]
fn lost_rows_are_named_by_their_lines_and_reported_before() {
    let world = world("warn");
    let _daemon = world.start();
    world.drop_file("a", "sales.txt", format!("# made by a test\n{}", file(&[SKIPPED, GOOD, "\n", SKIPPED])));
    let job = world.wait_for("sales.txt", "partial");
    assert_eq!(job.why(), "Adobe processed 1 of 3 rows; 2 rows were lost, likely lines 3 and 6: semicolons");
    let told = told(&world, "sales.txt");
    assert!(told.len() == 1 && told[0].contains("WARN"), "{told:?}");
    let summary = "line 3: Adobe skips rows that contain a semicolon (2 rows: lines 3 and 6); 1 more";
    assert!(told[0].contains(&format!("the file check says: {summary}")), "{told:?}");
    assert_eq!(checked(&world, job.id), [summary]);
    let shown = stdout(&world.run(&["jobs", "show", &job.id.to_string()]));
    let findings = "findings of the file check\n  \
        skips: line 3, column 15: Adobe skips rows that contain a semicolon (2 rows: lines 3 and 6); \
        write another character\n";
    assert!(shown.contains(findings), "{shown}");
}

#[test]
fn a_failure_quotes_what_the_check_found() {
    let world = world("warn");
    world.fault("job:fail:name=fated.txt");
    world.fault("job:fail:name=clean.txt");
    let _daemon = world.start();
    world.wait_told_address("a");
    world.drop_file("a", "bad.txt", file(&[GOOD, SHORT]));
    world.drop_file("a", "fated.txt", file(&[ODD]));
    world.drop_file("a", "clean.txt", data(2));
    let bad = world.wait_for("bad.txt", "failure");
    assert_eq!(
        bad.why(),
        "Adobe failed to process the file and gives no reason; the file check says: \
         line 3: the row has 2 fields, the header has 3: Adobe rejects the whole file; Adobe writes errors to \
         n…@example.com"
    );
    let why = why_of(&world, "bad.txt");
    assert!(why.contains(bad.why()) && why.contains("; add 1 tab\n") && why.contains("datadrop check "), "{why}");
    let fated = world.wait_for("fated.txt", "failure");
    assert!(fated.why().contains("the file check says: line 2: `1%` is not a plain number"), "{}", fated.why());
    let told = told(&world, "fated.txt");
    assert!(told.iter().any(|line| line.contains("INFO") && line.contains("has doubts: line 2: ")), "{told:?}");
    assert!(
        world.wait_for("clean.txt", "failure").why().ends_with(
            "`datadrop check FILE` tells what Adobe is known to fail; Adobe writes errors to n…@example.com"
        )
    );
    assert!(!why_of(&world, "clean.txt").contains("file check found"));
}

#[test]
fn without_the_check_nothing_is_reported() {
    let world = world("off");
    let _daemon = world.start();
    world.drop_file("a", "lossy.txt", file(&[SKIPPED, GOOD]));
    world.drop_file("a", "bad.txt", file(&[SHORT]));
    let lossy = world.wait_for("lossy.txt", "partial");
    let bad = world.wait_for("bad.txt", "failure");
    assert!(!format!("{} {}", lossy.why(), bad.why()).contains("line "), "{} {}", lossy.why(), bad.why());
    assert!(!why_of(&world, "bad.txt").contains("file check found"));
    for job in [lossy.id, bad.id] {
        assert!(checked(&world, job).is_empty());
        assert!(!stdout(&world.run(&["jobs", "show", &job.to_string()])).contains("findings"));
    }
    assert_eq!(told(&world, ".txt"), [""; 0]);
}

#[test]
fn findings_outlive_a_restart_and_explain_what_ends_after_it() {
    let world = world("warn");
    world.fault("upload:429=0");
    let daemon = world.start();
    world.drop_file("a", "sales.txt", file(&[SKIPPED, GOOD]));
    world.wait_for("sales.txt", "queued");
    world.wait("it to be logged", || told(&world, "sales.txt: job").len() == 1);
    daemon.kill();
    world.emulator().clear_faults();
    let _daemon = world.start();
    let job = world.wait_for("sales.txt", "partial");
    assert!(job.why().ends_with("1 row was lost, likely line 2: a semicolon"), "{}", job.why());
    assert_eq!(
        (checked(&world, job.id).len(), told(&world, "sales.txt: job").len()),
        (1, 1),
        "told once, not at each start"
    );
}

#[test]
fn a_reload_decides_for_files_that_are_taken_in_from_then_on() {
    let mut world = world("warn");
    world.fault("upload:429=0");
    let daemon = world.start();
    let bad = file(&[SHORT]);
    let path = world.drop_file("a", "before.txt", &bad);
    let before = world.wait_for("before.txt", "queued");
    world.account("a", "check = \"reject\"");
    world.write_config();
    daemon.signal("HUP");
    daemon.wait_notified("RELOADING=1");
    daemon.wait_ready();
    world.drop_file("a", "after.txt", &bad);
    world.wait_for("after.txt", "rejected");
    // It is checked again, and is still the same file.
    let touched = fs::OpenOptions::new().append(true).open(path).unwrap();
    touched.set_modified(std::time::SystemTime::now()).unwrap();
    drop(touched);
    world.emulator().clear_faults();
    assert_eq!(world.wait_for("before.txt", "failure").id, before.id);
    assert_eq!(world.accepted(), ["before.txt"]);
    let told = ["after.txt", "after.txt.why", "before.txt", "before.txt.why"];
    world.wait("both to be filed with their reasons", || names(&world.folder("a").join("failed")) == told);
}

#[test]
fn a_file_too_slow_for_the_gateway_at_the_speed_of_earlier_ones_is_reported() {
    let world = world("warn");
    let daemon = world.start();
    world.drop_file("a", "first.txt", file(&[GOOD.repeat(70_000).as_str()]));
    let first = world.wait_for("first.txt", "success");
    assert!(checked(&world, first.id).is_empty(), "the speed of uploads is not known yet");
    daemon.kill();
    // As after an upload on a slow line.
    connect_to_write(&world.state_dir())
        .execute("UPDATE attempt SET committing_at = started_at + 70000 WHERE job_id = ?1", [first.id])
        .unwrap();
    let _daemon = world.start();
    world.drop_file("a", "second.txt", file(&[GOOD.repeat(70_001).as_str()]));
    let second = world.wait_for("second.txt", "success");
    let checked = checked(&world, second.id);
    assert!(checked[0].contains("is cut off after 60 s"), "{checked:?}");
}
