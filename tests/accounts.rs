//! `accounts …` and `jobs … --remote`: requests to the API that a user makes by a command.

use crate::harness::{World, data, quick, stderr, stdout, tagged};
use datadrop::config::RateLimit;
use datadrop::emulator::EmulatorOptions;
use serde_json::{Value, json};
use std::process::Output;
use std::time::Duration;

/// A service whose configured account does not exist yet.
fn without_accounts(options: EmulatorOptions) -> World {
    World::with_emulator(EmulatorOptions { accounts: vec![("elsewhere".to_owned(), 9)], ..options })
}

#[track_caller]
fn json_of(output: &Output) -> Value {
    assert!(output.status.success(), "{}", stderr(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn file_names(jobs: &Value) -> Vec<&str> {
    jobs.as_array().unwrap().iter().map(|job| job["file_name"].as_str().unwrap()).collect()
}

#[test]
fn an_account_lives_and_dies_by_commands_alone_with_tokens_that_live_for_five_seconds() {
    let mut world = without_accounts(EmulatorOptions { token_life: Duration::from_secs(5), ..quick() });
    world.account("a", "wire_name = \"keep\"\nfin = \"upload\"");
    let create = ["accounts", "create", "--name", "Call centre", "--email", "a b@example.com", "--type", "generic"];
    let created = json_of(&world.run(&[&create[..], &["--json"]].concat()));
    assert_eq!(
        (&created["data_source_id"], &created["name"], &created["email"], &created["type"]),
        (&json!(1), &json!("Call centre"), &json!("a b@example.com"), &json!("generic"))
    );
    assert_eq!((&created["report_suite_id"], &created["ftp_password"]), (&json!("suitea"), &Value::Null));

    world.fault("job:fail:name=bad*");
    let daemon = world.start();
    let tokens = || world.emulator().requests().tokens;
    let before = tokens();
    let mut names = Vec::new();
    // Long enough for two tokens to expire.
    world.wait_long("the daemon to renew its token twice", || {
        let name = format!("{}{}.txt", if names.len() % 5 == 4 { "bad" } else { "good" }, names.len());
        world.drop_file("a", &name, tagged(&name));
        names.push(name);
        tokens() >= before + 3
    });
    for name in &names {
        world.wait_for_end(name);
        assert_eq!(world.times_accepted(name), 1, "{name}");
    }

    let list = |more: &[&str]| {
        json_of(&world.run(&[&["jobs", "list", "--remote", "--json", "--account", "a"], more].concat()))
    };
    let all = list(&[]);
    let mut listed = file_names(&all);
    listed.sort_unstable();
    names.sort_unstable();
    assert_eq!(listed, names);
    let keys: Vec<&String> = all[0].as_object().unwrap().keys().collect();
    assert_eq!(
        keys,
        [
            "file_name",
            "remote_created",
            "remote_finished",
            "remote_job_id",
            "remote_started",
            "remote_status",
            "rows_processed"
        ]
    );
    let failed = list(&["--status", "failure"]);
    assert!(!file_names(&failed).is_empty() && file_names(&failed).iter().all(|name| name.starts_with("bad")));
    assert_eq!(file_names(&failed).len() + file_names(&list(&["--status", "success"])).len(), names.len());
    assert_eq!(list(&["--end", "2020-01-02 00:00:00", "--start", "2020-01-01T00:00:00Z"]), json!([]));
    assert_eq!(file_names(&list(&["--start", "2020-01-01T00:00:00Z"])).len(), names.len());
    assert_eq!(file_names(&list(&["--page", "1"])).len(), names.len());
    assert_eq!(list(&["--page", "2"]), json!([]));
    let id = all[0]["remote_job_id"].to_string();
    let single = json_of(&world.run(&["jobs", "show", "--remote", &id, "--account", "a", "--json"]));
    assert_eq!((&single["remote_job_id"], &single["file_name"]), (&all[0]["remote_job_id"], &all[0]["file_name"]));
    assert_eq!(world.run(&["jobs", "show", "--remote", "7777777", "--account", "a"]).status.code(), Some(4));
    daemon.stop();

    let kept = world.run(&["accounts", "delete", "1", "--yes"]);
    assert_eq!(kept.status.code(), Some(2));
    assert!(stderr(&kept).contains("`a`") && stderr(&kept).contains("--force"), "{}", stderr(&kept));
    let asked = world.run(&["accounts", "delete", "1", "--force"]);
    assert_eq!(asked.status.code(), Some(2));
    assert!(stderr(&asked).contains("`Call centre`") && stderr(&asked).contains("--yes"), "{}", stderr(&asked));
    assert!(world.run(&["accounts", "show", "1"]).status.success(), "it was deleted without being told to");
    let deleted = world.run(&["accounts", "delete", "1", "--yes", "--force"]);
    assert!(deleted.status.success(), "{}", stderr(&deleted));
    assert_eq!(world.run(&["accounts", "show", "1"]).status.code(), Some(4));
    assert_eq!(json_of(&world.run(&["accounts", "list", "--json"])), json!([]));
}

#[test]
fn accounts_are_listed_over_all_configured_suites_and_ftp_passwords_only_on_request() {
    let accounts = [("suitea", 1), ("suitea", 2), ("suiteb", 1), ("unseen", 5)];
    let accounts = accounts.map(|(suite, id)| (suite.to_owned(), id)).to_vec();
    let mut world = World::with_emulator(EmulatorOptions { accounts, ..quick() });
    world.account("b", "");
    let hidden = world.run(&["accounts", "list", "--json"]);
    let found: Vec<_> = json_of(&hidden)
        .as_array()
        .unwrap()
        .iter()
        .map(|account| (account["report_suite_id"].as_str().unwrap().to_owned(), account["data_source_id"].as_i64()))
        .collect();
    assert_eq!(found, [("suitea", 1), ("suitea", 2), ("suiteb", 1)].map(|(suite, id)| (suite.to_owned(), Some(id))));
    let shown = json_of(&world.run(&["accounts", "list", "--json", "--show-secrets"]));
    let password = shown[0]["ftp_password"].as_str().unwrap();
    for arguments in [&["accounts", "list"][..], &["accounts", "list", "--json"], &["accounts", "show", "2"]] {
        let output = world.run(arguments);
        assert!(!stdout(&output).contains(password) && !stderr(&output).contains(password), "{arguments:?}");
    }
    assert!(stdout(&world.run(&["accounts", "list", "--show-secrets"])).contains(password));
    let other = json_of(&world.run(&["accounts", "list", "--json", "--report-suite", "unseen"]));
    assert_eq!(other[0]["data_source_id"], 5);

    // Two report suites have a data source 1. The command does not guess which one the user means.
    let ambiguous = world.run(&["accounts", "show", "1"]);
    assert_eq!(ambiguous.status.code(), Some(2));
    assert!(stderr(&ambiguous).contains("--report-suite"), "{}", stderr(&ambiguous));
    assert_eq!(
        json_of(&world.run(&["accounts", "show", "1", "--report-suite", "suiteb", "--json"]))["report_suite_id"],
        "suiteb"
    );
    let which = world.run(&["accounts", "create", "--name", "x"]);
    assert_eq!(which.status.code(), Some(2));
    assert_eq!(world.run(&["accounts", "show", "77"]).status.code(), Some(4));
}

#[test]
fn the_first_account_can_be_made_before_any_is_configured() {
    let mut world = without_accounts(quick());
    world.remove_account("a");
    let unnamed = world.run(&["accounts", "list"]);
    assert_eq!(unnamed.status.code(), Some(2));
    assert!(stderr(&unnamed).contains("--report-suite"), "{}", stderr(&unnamed));
    let created = world.run(&["accounts", "create", "--report-suite", "suitea"]);
    assert!(created.status.success(), "{}", stderr(&created));
    assert!(stderr(&created).contains("report_suite_id = \"suitea\" and data_source_id = 1"), "{}", stderr(&created));
}

#[test]
fn an_unclear_creation_or_deletion_is_reported_and_never_repeated() {
    let world = without_accounts(quick());
    world.fault("account:after-commit:reset");
    let created = world.run(&["accounts", "create", "--name", "x"]);
    assert_eq!(created.status.code(), Some(1));
    let look = format!("datadrop --config {} accounts list", world.config_file().display());
    assert!(stderr(&created).contains(&look), "{}", stderr(&created));
    assert_eq!(world.emulator().requests().by_method.get("POST accounts"), Some(&1));
    world.emulator().clear_faults();
    assert_eq!(json_of(&world.run(&["accounts", "list", "--json"])).as_array().unwrap().len(), 1);
}

#[test]
fn a_token_that_is_refused_is_renewed_once_and_a_wrong_secret_names_the_fix() {
    let world = World::new();
    world.fault("list:401:n=1");
    let listed = world.run(&["jobs", "list", "--remote", "--json"]);
    assert_eq!(json_of(&listed), json!([]));
    assert_eq!(world.emulator().requests().tokens, 2);
    world.emulator().set_credentials(Some(("test".to_owned(), "another".into())));
    let refused = world.run(&["accounts", "list"]);
    assert_eq!(refused.status.code(), Some(1));
    let (said, file) = (stderr(&refused), world.secret_file());
    assert!(said.contains("check api.client_id in the Developer Console"), "{said}");
    assert!(said.contains(&format!("write a client secret that is valid there to {}", file.display())), "{said}");
}

#[test]
fn a_remote_list_has_all_its_pages_and_as_many_requests() {
    let world = World::new();
    for number in 0..250 {
        world.somebody_sends("a", &format!("file{number}.txt"), "x");
    }
    let all = json_of(&world.run(&["jobs", "list", "--remote", "--json"]));
    assert_eq!(all.as_array().unwrap().len(), 250);
    // Three pages, and the empty page after them.
    assert_eq!(world.emulator().requests().lists, 4);
    assert_eq!(
        json_of(&world.run(&["jobs", "list", "--remote", "--json", "--page", "3"])).as_array().unwrap().len(),
        50
    );
    let csv = stdout(&world.run(&["jobs", "list", "--remote", "--csv"]));
    assert_eq!(csv.lines().count(), 251);
    let table = stdout(&world.run(&["jobs", "list", "--remote"]));
    assert_eq!(table.lines().count(), 251);
}

#[test]
fn commands_pay_their_requests_from_the_budget_of_the_running_daemon() {
    let limit = RateLimit { requests: 12, per: Duration::from_millis(600) };
    let mut world = World::with_emulator(EmulatorOptions { rate_limit: Some(limit), ..quick() });
    world.api("rate_limit", "\"12/600ms\"");
    let daemon = world.start();
    for number in 0..120 {
        world.drop_file("a", &format!("file{number:03}.txt"), tagged(number));
    }
    for _ in 0..10 {
        let listed = world.run(&["jobs", "list", "--remote"]);
        assert!(listed.status.success(), "{}", stderr(&listed));
    }
    world.wait_accepted(120);
    let requests = world.emulator().requests();
    assert_eq!((requests.refused_429, requests.max_in_any_window <= 12), (0, true), "{requests:?}");
    daemon.stop();
}

#[test]
fn every_answer_to_an_account_request_is_reported_once_and_changes_nothing() {
    let accounts = vec![("suitea".to_owned(), 1)];
    let world = World::with_emulator(EmulatorOptions { accounts, ..quick() });
    let ways: [&[&str]; 4] = [
        &["accounts", "list"],
        &["accounts", "show", "1"],
        &["accounts", "create", "--name", "x"],
        &["accounts", "delete", "1", "--yes", "--force"],
    ];
    for (fault, exit, words) in [
        ("account:refuse=400", 1, "400"),
        ("account:401", 1, "not authorised"),
        ("account:403", 1, "not authorised"),
        ("account:refuse=404", 4, "not found"),
        ("account:refuse=500", 1, "no clear answer"),
        ("account:429=7", 1, "in 7 s"),
        ("account:html", 1, "no JSON"),
        ("account:truncated", 1, "no clear answer"),
        ("account:garbage", 1, "no clear answer"),
        ("account:reset", 1, "no clear answer"),
    ] {
        world.emulator().clear_faults();
        world.fault(fault);
        for way in ways {
            let before = world.emulator().requests().accounts;
            let output = world.run(way);
            let said = stderr(&output);
            // A missing list is an error (1). A missing account has its own exit code.
            let exit = if way[1] == "list" { 1 } else { exit };
            assert_eq!(output.status.code(), Some(exit), "{fault}, {way:?}: {said}");
            assert!(said.contains(words) && !said.contains("panicked"), "{fault}, {way:?}: {said}");
            let asked = world.emulator().requests().accounts - before;
            assert!(asked <= if fault == "account:401" { 2 } else { 1 }, "{fault}, {way:?}: {asked} requests");
        }
    }
    world.emulator().clear_faults();
    let listed = json_of(&world.run(&["accounts", "list", "--json"]));
    assert_eq!(listed.as_array().unwrap().len(), 1, "{listed}");
}

/// Adobe writes the cause of a failure only to the address of the data source.
#[test]
fn a_failure_names_the_address_that_adobe_writes_to_and_doctor_misses_one_that_is_not_there() {
    let mut world = World::new();
    world.account("b", "");
    let created = world.run(&["accounts", "create", "--name", "silent", "--report-suite", "suiteb"]);
    assert!(created.status.success(), "{created:?}");
    let doctor = stdout(&world.run(&["doctor"]));
    assert!(doctor.contains("ok    e-mail a: Adobe writes errors in its files to n…@example.com"), "{doctor}");
    assert!(doctor.contains("warn  e-mail b: Adobe has no address for it, so nobody hears why"), "{doctor}");
    let _daemon = world.start();
    world.wait_told_address("a");
    world.wait_told_address("b");
    world.fault("job:fail");
    world.drop_file("a", "a.txt", data(1));
    world.drop_file("b", "b.txt", data(2));
    let why = world.wait_for("a.txt", "failure").why().to_owned();
    assert!(why.ends_with("; Adobe writes errors to n…@example.com"), "{why}");
    let why = world.wait_for("b.txt", "failure").why().to_owned();
    assert!(why.ends_with("; Adobe writes errors by e-mail only, and has no address for this data source"), "{why}");
    let log = world.log();
    assert!(!log.contains("noreply"), "an address is shortened wherever it is shown: {log}");
}
