//! `doctor`: each thing that can be wrong is found, with what helps, and nothing is changed by looking.

use crate::harness::{SECRET, World, connect_to_write, primed, quick, skipped, stderr, stdout};
use datadrop::emulator::EmulatorOptions;
use jiff::SignedDuration;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

/// What was found, as programs get it; the command ended with this.
#[track_caller]
fn examine(world: &World, more: &[&str], exit: i32) -> Vec<Value> {
    let output = world.run(&[&["doctor", "--json"], more].concat());
    let said = format!("{}{}", stdout(&output), stderr(&output));
    assert_eq!(output.status.code(), Some(exit), "{said}");
    assert!(!said.contains(SECRET));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The findings of a check that are no `ok`, each with its remedy.
fn bad(findings: &[Value], check: &str) -> Vec<(String, String)> {
    findings
        .iter()
        .filter(|finding| finding["check"] == check && finding["verdict"] != "ok")
        .map(|finding| {
            let text = |key: &str| finding[key].as_str().unwrap().to_owned();
            (format!("{} {}: {}", text("verdict"), text("subject"), text("message")), text("remedy"))
        })
        .collect()
}

/// The only thing that is wrong with a check.
#[track_caller]
fn only(findings: &[Value], check: &str) -> (String, String) {
    let mut found = bad(findings, check);
    assert_eq!(found.len(), 1, "{check} in {findings:#?}");
    found.remove(0)
}

/// Every path below a directory with size and mode.
fn listing(dir: &Path) -> Vec<(String, u64, u32)> {
    let mut listed = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let metadata = path.symlink_metadata().unwrap();
        let size = if metadata.is_file() { metadata.len() } else { 0 };
        listed.push((path.display().to_string(), size, metadata.permissions().mode()));
        if metadata.is_dir() {
            listed.extend(listing(&path));
        }
    }
    listed.sort();
    listed
}

fn strict() -> EmulatorOptions {
    let accounts = vec![("suitea".to_owned(), 1)];
    EmulatorOptions { accounts, credentials: Some(("test".to_owned(), SECRET.into())), ..quick() }
}

fn is_well(output: &Output) -> bool {
    output.status.success() && !stdout(output).contains("FAIL")
}

#[test]
fn all_is_well_before_the_first_start_with_a_daemon_and_after_it_and_nothing_is_changed() {
    let world = World::with_emulator(strict());
    fs::set_permissions(world.folder("a"), fs::Permissions::from_mode(0o2770)).unwrap();
    world.write_config();
    let before = listing(world.dir.path());
    let output = world.run(&["doctor"]);
    assert!(is_well(&output), "{}{}", stdout(&output), stderr(&output));
    let text = stdout(&output);
    for part in ["never run yet", "carries no mark", "not learnt yet", "the client secret gets one", "may act for it"] {
        assert!(text.contains(part), "{part:?} in {text}");
    }
    assert!(text.contains("ok    account a: Adobe knows data source 1"), "{text}");
    assert_eq!(text.lines().filter(|line| line.contains("  writers a: the kernel ")).count(), 1, "{text}");
    assert!(text.lines().all(|line| ["ok    ", "warn  "].iter().any(|start| line.starts_with(start))), "{text}");
    assert_eq!(listing(world.dir.path()), before);

    let daemon = primed(&world);
    let requests = world.emulator().requests();
    let findings = examine(&world, &[], 0);
    let daemons = |findings: &[Value]| {
        let found = findings.iter().find(|finding| finding["check"] == "daemon").unwrap();
        found["message"].as_str().unwrap().to_owned()
    };
    assert_eq!(daemons(&findings), "running");
    assert!(
        findings.iter().any(|finding| finding["message"]
            .as_str()
            .is_some_and(|message| message.starts_with("put-json; proven since "))
            && finding["message"].as_str().is_some_and(|message| message.ends_with("accepted job 1 in it"))),
        "{findings:#?}"
    );
    let asked = world.emulator().requests();
    assert_eq!(asked.accounts - requests.accounts, 1, "few requests: one an account");
    assert!(daemon.stop().success());

    let before = listing(world.dir.path());
    let findings = examine(&world, &[], 0);
    assert!(daemons(&findings).starts_with("not running"));
    assert_eq!(listing(world.dir.path()), before);
}

#[test]
fn offline_nobody_is_asked_and_online_everything_is_by_as_few_requests_as_can_be() {
    let world = World::with_emulator(strict());
    let count = || world.emulator().requests();
    let findings = examine(&world, &["--offline"], 0);
    let none = count();
    assert_eq!((none.total, none.tokens, none.by_method.len()), (0, 0, 0), "{none:?}");
    for check in ["token", "company", "account", "clock"] {
        assert!(findings.iter().all(|finding| finding["check"] != check), "{check}");
    }
    examine(&world, &[], 0);
    let counts = count();
    assert_eq!((counts.tokens, counts.accounts, counts.others), (1, 1, 1), "{counts:?}");
}

#[test]
fn each_finding_has_every_key() {
    let world = World::new();
    for finding in examine(&world, &["--offline"], 0) {
        let keys: Vec<&String> = finding.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["check", "message", "remedy", "subject", "verdict"]);
        assert!(["ok", "warn", "fail"].contains(&finding["verdict"].as_str().unwrap()));
        assert_eq!(finding["verdict"] == "ok", finding["remedy"].is_null(), "{finding}");
    }
}

#[test]
fn a_wrong_configuration_is_told_whole_and_ends_with_two() {
    let mut world = World::new();
    world.api("timeuot", "\"3s\"").api("rate_limit", "\"fast\"");
    let output = world.run(&["doctor", "--json"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("timeuot") && stderr(&output).contains("12/6s"), "{}", stderr(&output));
    assert!(stdout(&output).is_empty());
}

#[test]
fn a_secret_that_is_open_missing_or_wrong() {
    let world = World::with_emulator(EmulatorOptions {
        credentials: Some(("test".to_owned(), "another-secret".into())),
        ..quick()
    });
    fs::set_permissions(world.secret_file(), fs::Permissions::from_mode(0o640)).unwrap();
    let findings = examine(&world, &[], 1);
    let (message, remedy) = only(&findings, "secret");
    assert!(message.contains("its group") && remedy.starts_with("chmod 600"), "{message}; {remedy}");
    let (message, remedy) = only(&findings, "token");
    assert!(message.starts_with("fail") && message.contains("invalid_client"), "{message}");
    assert!(remedy.contains("in the Developer Console, and write a client secret that is valid there to"), "{remedy}");

    fs::remove_file(world.secret_file()).unwrap();
    let findings = examine(&world, &[], 1);
    let (message, _) = only(&findings, "secret");
    assert!(message.contains("it does not exist"), "{message}");
    assert!(only(&findings, "token").0.contains("no secret to ask with"));
}

#[test]
fn accounts_companies_and_rights_are_asked_for_one_by_one() {
    let mut world = World::with_emulator(strict());
    world.account("b", "").api("global_company_id", "\"another\"");
    let findings = examine(&world, &[], 1);
    let (message, remedy) = only(&findings, "account");
    assert!(message.starts_with("fail b: ") && message.contains("data source 1 in report suite suiteb"), "{message}");
    assert!(remedy.contains("report_suite_id") && remedy.contains("datadrop accounts list"), "{remedy}");
    assert!(only(&findings, "company").0.contains("but for examplecompany"));

    world.remove_account("b").api("global_company_id", "\"examplecompany\"");
    world.fault("account:403");
    let (message, remedy) = only(&examine(&world, &[], 1), "account");
    assert!(message.contains("no right") && remedy.contains("product profile"), "{message}; {remedy}");
    world.emulator().clear_faults();
    world.fault("account:500");
    world.fault("discovery:500");
    let findings = examine(&world, &[], 0);
    assert!(only(&findings, "account").0.starts_with("warn") && only(&findings, "company").0.starts_with("warn"));
}

#[test]
fn without_a_server_it_says_so_and_ends() {
    let mut world = World::new();
    world.stop_emulator();
    let findings = examine(&world, &[], 1);
    let (message, remedy) = only(&findings, "token");
    assert!(message.starts_with("fail") && remedy.contains("api.token_url"), "{message}; {remedy}");
}

#[test]
fn a_clock_that_is_off_is_told() {
    for (ahead, exit, words) in [
        (SignedDuration::from_mins(5), 0, "behind the server's"),
        (SignedDuration::from_hours(-3), 1, "ahead of the server's"),
    ] {
        let world = World::with_emulator(EmulatorOptions { clock_ahead: ahead, ..quick() });
        let findings = examine(&world, &[], exit);
        let (message, remedy) = only(&findings, "clock");
        assert!(message.contains(words) && remedy.contains("chrony"), "{message}; {remedy}");
    }
}

#[test]
fn folders_that_are_missing_anothers_or_unmounted_are_told_and_left_alone() {
    let mut world = World::new();
    for name in ["b", "c"] {
        world.account(name, "");
    }
    let daemon = world.start();
    daemon.stop();
    fs::remove_dir_all(world.folder("a")).unwrap();
    fs::copy(world.folder("c").join(".datadrop"), world.folder("b").join(".datadrop")).unwrap();
    fs::remove_file(world.folder("c").join(".datadrop")).unwrap();
    let before = listing(world.dir.path());
    let findings = examine(&world, &["--offline"], 1);
    let found = bad(&findings, "folder");
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].0.contains("does not exist") && found[0].1.starts_with("create it"), "{found:?}");
    assert!(found[1].0.contains("belongs to `c`, not to `b`"), "{found:?}");
    assert!(found[2].0.contains("is not mounted") && found[2].1.contains("mount it"), "{found:?}");
    assert_eq!(listing(world.dir.path()), before);
}

#[test]
fn a_folder_that_cannot_be_written_fails() {
    let world = World::new();
    let folder = world.folder("a");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(folder.join("probe"), "").is_ok() {
        skipped("this user (root, most likely) may write everywhere, so no folder can be closed to it");
        return;
    }
    let (message, remedy) = only(&examine(&world, &["--offline"], 1), "folder");
    assert!(message.contains("no file can be made in it") && remedy.contains("right to write"), "{message}; {remedy}");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
}

/// What `doctor --offline --json` finds where these programs come before all others; `None`, with a message, unless
/// root asks.
fn examine_as_root(world: &World, programs: &[(&str, &str)]) -> Option<Vec<Value>> {
    if !rustix::process::geteuid().is_root() {
        skipped("only root can look with the rights of another user");
        return None;
    }
    let bin = world.dir.path().join("bin");
    fs::create_dir_all(&bin).unwrap();
    for (name, script) in programs {
        fs::write(bin.join(name), format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let output = Command::new(env!("CARGO_BIN_EXE_datadrop"))
        .arg("--config")
        .arg(world.write_config())
        .args(["doctor", "--offline", "--json"])
        .env("PATH", path)
        .output()
        .unwrap();
    Some(serde_json::from_slice(&output.stdout).unwrap())
}

/// A user that no file knows, as those of a directory service and of systemd's `DynamicUser=`.
const DIRECTORY: [(&str, &str); 2] = [
    (
        "getent",
        "case \"$1 $2\" in\n\"passwd datadrop\" | \"passwd 54321\") echo datadrop:x:54321:54321::/:/bin/false ;;\n*) exit 2 ;;\nesac",
    ),
    ("id", "test \"$*\" = '-G -- datadrop' && echo 54321 54322"),
];

/// What root may do says nothing of the service: a folder is tried with the rights of the service's user, and of all groups
/// that a name service knows of it.
#[test]
fn f5_run_by_root_a_folder_is_tried_with_the_rights_of_the_services_user() {
    let world = World::new();
    let (folder, sent) = (world.folder("a"), world.folder("a").join("sent"));
    fs::create_dir(&sent).unwrap();
    fs::set_permissions(world.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    for dir in [&folder, &sent] {
        std::os::unix::fs::chown(dir, Some(0), Some(54322)).unwrap_or_default();
        fs::set_permissions(dir, fs::Permissions::from_mode(0o2770)).unwrap();
    }
    let Some(findings) = examine_as_root(&world, &DIRECTORY) else { return };
    assert_eq!(bad(&findings, "folder"), [], "{findings:#?}");
    assert!(findings.iter().any(|finding| finding["check"] == "folder"));

    fs::set_permissions(&sent, fs::Permissions::from_mode(0o700)).unwrap();
    let (message, remedy) = only(&examine_as_root(&world, &DIRECTORY).unwrap(), "folder");
    assert!(message.starts_with("fail a: ") && message.contains("`datadrop`, which runs the service"), "{message}");
    assert!(message.contains("/a/sent: ") && message.contains("Permission denied"), "{message}");
    assert!(remedy.contains("enter, read and write it and its sub-folders"), "{remedy}");
    assert_eq!(listing(&folder).len(), 1, "the trial leaves nothing");

    fs::create_dir(world.state_dir()).unwrap();
    fs::set_permissions(world.state_dir(), fs::Permissions::from_mode(0o700)).unwrap();
    let (message, _) = only(&examine_as_root(&world, &DIRECTORY).unwrap(), "state");
    assert!(message.starts_with("fail ") && message.contains("`datadrop` cannot write it"), "{message}");
}

#[test]
fn a_sub_folder_that_is_none_fails_and_the_trial_leaves_nothing() {
    let world = World::new();
    fs::write(world.folder("a").join("done"), "").unwrap();
    let (message, _) = only(&examine(&world, &["--offline"], 1), "folder");
    assert!(message.contains("done"), "{message}");
    assert_eq!(listing(&world.folder("a")).len(), 1);
}

#[test]
fn a_job_log_that_is_newer_or_damaged_is_told_and_left_as_it_is() {
    let world = World::new();
    world.start().stop();
    let connection = connect_to_write(&world.state_dir());
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let before = listing(&world.state_dir());
    let (message, remedy) = only(&examine(&world, &["--offline"], 1), "job-log");
    assert!(message.contains("newer datadrop") && remedy.contains("install"), "{message}; {remedy}");
    assert_eq!(listing(&world.state_dir()), before);

    fs::write(world.state_dir().join("datadrop.db"), "no database at all").unwrap();
    let (message, remedy) = only(&examine(&world, &["--offline"], 1), "job-log");
    assert!(message.contains("damaged") && remedy.contains("datadrop recover"), "{message}; {remedy}");
}

#[test]
fn an_account_that_a_daemon_has_blocked_is_told_with_its_reason() {
    let world = World::new();
    let daemon = world.start();
    fs::remove_file(world.folder("a").join(".datadrop")).unwrap();
    world.wait_blocked("a");
    let (message, _) = only(&examine(&world, &["--offline"], 1), "blocked");
    assert!(message.starts_with("fail a: blocked") && message.contains(".datadrop"), "{message}");
    daemon.stop();
}

#[test]
fn no_secret_of_proxies_tokens_or_ftp_is_shown() {
    let mut world = World::with_emulator(strict());
    world.api("proxy", "\"http://somebody:pr0xy-passw0rd@127.0.0.1:9\"");
    let listed: Value =
        serde_json::from_slice(&world.run(&["accounts", "list", "--json", "--show-secrets"]).stdout).unwrap();
    let ftp = listed[0]["ftp_password"].as_str().unwrap().to_owned();
    let output = world.run(&["doctor"]);
    let said = format!("{}{}", stdout(&output), stderr(&output));
    for secret in ["pr0xy-passw0rd", SECRET, &ftp] {
        assert!(!said.contains(secret), "{said}");
    }
    assert!(!said.contains("emulated-"), "{said}");
}

/// A command that cannot run and a receiver that does not answer are found before somebody misses an alert.
#[test]
fn receivers_that_hear_nothing_are_told() {
    let mut world = World::new();
    let alerts = "[[alert]]\non = \"rejected\"\ncommand = \"/nowhere/notify --now\"\n\
                  [[alert]]\non = \"rejected\"\ncommand = [\"cat\"]\n\
                  [[alert]]\non = \"rejected\"\nwebhook = \"http://127.0.0.1:9/k3y\"\n";
    world.set("[upload]\n", &format!("{alerts}\n[upload]\n")).account("a", "check = \"reject\"");
    let found = bad(&examine(&world, &["--offline"], 1), "alert");
    let cannot = "fail alert #1: command: /nowhere/notify cannot be run by the service: No such file or directory";
    assert!(found.len() == 1 && found[0].0.starts_with(cannot), "{found:?}");
    let daemon = world.start();
    world.drop_file("a", "bad.txt", "no header\n");
    world.wait_for("bad.txt", "rejected");
    let undelivered = || bad(&examine(&world, &["--offline"], 1), "alert");
    let of_webhook = || undelivered().into_iter().find(|found| found.0.contains("alert #3: webhook"));
    world.wait("the webhook to be tried", || of_webhook().is_some());
    let (told, remedy) = of_webhook().unwrap();
    assert!(told.starts_with("warn alert #3: webhook: 1 alert not delivered for "), "{told}");
    assert!(remedy.contains("alerts test") && !told.contains("k3y"), "{told}: {remedy}");
    daemon.stop();
}
