//! Signals of systemd and of operators to the daemon, and its messages to them.

use crate::harness::{Daemon, World, arrived_once, data, names, primed, quick, stderr, stdout};
use datadrop::emulator::EmulatorOptions;
use std::fs;
use std::time::{Duration, Instant};

/// Sends SIGHUP, and returns the message about the reload.
fn reload(world: &World, daemon: &Daemon) -> String {
    world.write_config();
    reload_as_it_is(daemon)
}

fn reload_as_it_is(daemon: &Daemon) -> String {
    daemon.signal("HUP");
    daemon.wait_notified("RELOADING=1");
    daemon.wait_notified("READY=1")
}

/// Writes the configuration. This account, if it exists, now sends to another data source.
fn write_retargeted(world: &World, account: &str) {
    let suite = format!("report_suite_id = \"suite{account}\"\ndata_source_id = ");
    let config = fs::read_to_string(world.write_config()).unwrap();
    fs::write(world.config_file(), config.replace(&format!("{suite}1"), &format!("{suite}77"))).unwrap();
}

#[test]
fn sigterm_waits_for_the_answer_to_an_upload_in_flight_and_begins_no_other() {
    let mut world = World::new();
    world.set("[upload]\n", "[upload]\nmax_in_flight = 1\n");
    let daemon = primed(&world);
    world.fault("upload:slow=700ms");
    world.drop_file("a", "a.txt", data(2));
    world.drop_file("a", "b.txt", data(3));
    world.wait("the first to be taken", || world.times_accepted("a.txt") == 1);
    assert_eq!(daemon.stop().code(), Some(0));
    let state = |name: &str| world.jobs().into_iter().find(|job| job.file_name == name).unwrap().state;
    assert_eq!((state("a.txt").as_str(), state("b.txt").as_str()), ("uploaded", "queued"));
    assert_eq!(world.accepted(), ["first.txt", "a.txt"]);
    let _daemon = world.start();
    arrived_once(&world, "a.txt");
    arrived_once(&world, "b.txt");
}

#[test]
fn a_second_sigterm_cuts_uploads_short_and_the_next_start_reconciles_them() {
    let mut world = World::new();
    world.api("timeout", "\"30s\"");
    let mut daemon = primed(&world);
    world.fault("upload:after-commit:hang:n=1");
    world.drop_file("a", "sales.txt", data(3));
    world.wait("it to be taken", || world.times_accepted("sales.txt") == 1);
    daemon.signal("TERM");
    daemon.wait_notified("STOPPING=1");
    assert!(daemon.is_running(), "it did not wait for the answer");
    let since = Instant::now();
    daemon.signal("INT");
    assert_eq!(daemon.wait_exit().code(), Some(0));
    assert!(since.elapsed() < Duration::from_secs(10), "{:?}", since.elapsed());
    let _daemon = world.start();
    assert_eq!(arrived_once(&world, "sales.txt").attempts, 1);
}

#[test]
fn sighup_adds_an_account_and_disturbs_no_upload_in_flight() {
    let mut world = World::new();
    let daemon = primed(&world);
    world.fault("upload:slow=500ms:name=slow*");
    world.drop_file("a", "slow.txt", data(2));
    world.wait("it to be taken", || world.times_accepted("slow.txt") == 1);
    world.account("b", "");
    world.drop_file("b", "there-before.txt", data(3));
    let message = reload(&world, &daemon);
    assert!(!message.contains("refused"), "{message}");
    arrived_once(&world, "there-before.txt");
    world.drop_file("b", "new.txt", data(4));
    arrived_once(&world, "new.txt");
    assert_eq!(arrived_once(&world, "slow.txt").attempts, 1);
}

#[test]
fn sighup_removes_an_account_without_open_jobs_and_leaves_its_folder_alone() {
    let mut world = World::new();
    world.account("b", "");
    let daemon = primed(&world);
    world.drop_file("b", "b.txt", data(2));
    arrived_once(&world, "b.txt");
    world.wait("it to be filed", || names(&world.folder("b").join("done")) == ["b.txt"]);
    world.remove_account("b");
    let message = reload(&world, &daemon);
    assert!(!message.contains("refused"), "{message}");
    let left = world.drop_file("b", "left.txt", data(3));
    daemon.signal("USR1");
    world.drop_file("a", "sales.txt", data(4));
    arrived_once(&world, "sales.txt");
    assert!(left.exists());
    assert_eq!(world.jobs().len(), 3);
}

#[test]
fn sighup_refuses_an_invalid_file_says_so_and_everything_works_on() {
    let world = World::new();
    let daemon = primed(&world);
    let good = fs::read_to_string(world.config_file()).unwrap();
    fs::write(world.config_file(), good.replace("settle =", "setle =")).unwrap();
    let message = reload_as_it_is(&daemon);
    let status = message.lines().find_map(|line| line.strip_prefix("STATUS=")).unwrap();
    assert!(status.contains("reload refused"), "{message}");
    assert!(world.log().contains("setle"), "{}", world.log());
    world.drop_file("a", "sales.txt", data(3));
    arrived_once(&world, "sales.txt");
    fs::write(world.config_file(), good).unwrap();
    let message = reload_as_it_is(&daemon);
    assert!(!message.contains("refused"), "{message}");
}

#[test]
fn a5_sighup_refuses_an_account_that_is_removed_or_goes_elsewhere_with_open_jobs_names_them_and_takes_the_rest() {
    for removed in [true, false] {
        let mut world = World::with_emulator(EmulatorOptions { processing: Duration::from_secs(60), ..quick() });
        world.account("b", "");
        let daemon = world.start();
        let jobs: Vec<i64> = ["one.txt", "two.txt"]
            .into_iter()
            .map(|name| {
                world.drop_file("b", name, data(name.len()));
                world.wait_for(name, "uploaded").id
            })
            .collect();
        let jobs = format!("jobs {} and {}", jobs[0], jobs[1]);
        world.account("c", "");
        let before = fs::read_to_string(world.write_config()).unwrap();
        if removed {
            world.remove_account("b");
        }
        write_retargeted(&world, "b");
        let message = reload_as_it_is(&daemon);
        assert!(message.contains("blocked: b"), "{message}");
        assert!(
            world.log().lines().any(|line| line.contains("account b is refused") && line.contains(&jobs)),
            "{}",
            world.log()
        );
        let blocked = world.status("b")["blocked"].to_string();
        assert!(blocked.contains(&jobs), "{blocked}");
        // The rest of the new configuration is in effect.
        world.drop_file("c", "new.txt", data(2));
        world.wait_for("new.txt", "uploaded");
        // Nothing goes to either target meanwhile.
        world.drop_file("b", "next.txt", data(3));
        daemon.signal("USR1");
        world.drop_file("c", "later.txt", data(4));
        world.wait_for("later.txt", "uploaded");
        assert_eq!(world.times_accepted("next.txt"), 0);
        fs::write(world.config_file(), before).unwrap();
        reload_as_it_is(&daemon);
        world.wait_for("next.txt", "uploaded");
    }
}

#[test]
fn a5_jobs_of_a_retargeted_account_end_before_it_sends_to_the_new_target() {
    let mut world = World::with_emulator(EmulatorOptions { processing: Duration::from_secs(3), ..quick() });
    world.account("b", "");
    let daemon = world.start();
    world.drop_file("b", "old.txt", data(2));
    world.wait_for("old.txt", "uploaded");
    write_retargeted(&world, "b");
    let message = reload_as_it_is(&daemon);
    assert!(message.contains("blocked: b"), "{message}");
    // A file with an old name: the jobs of the former target do not count for the new one (F8).
    world.drop_file("b", "old.txt", data(3));
    world.wait("both to be where they should", || {
        let went: Vec<_> = world.ledger().into_iter().map(|entry| (entry.name, entry.data_source_id)).collect();
        went == [("old.txt".to_owned(), 1), ("old.txt".to_owned(), 77)]
    });
}

#[test]
fn status_shows_why_the_last_reload_was_refused_until_one_is_accepted() {
    let world = World::new();
    let daemon = primed(&world);
    let status = |arguments: &[&str]| stdout(&world.run(&[&["status"], arguments].concat()));
    assert!(status(&["--json"]).contains("\"reload_refused\": null"), "{}", status(&["--json"]));
    let good = fs::read_to_string(world.config_file()).unwrap();
    // A valid configuration whose address cannot be bound, so that the running one differs from the one that `status`
    // reads.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap();
    fs::write(world.config_file(), format!("{good}\n[status]\nlisten = \"{taken}\"\n")).unwrap();
    reload_as_it_is(&daemon);
    let told = status(&[]);
    assert!(told.contains("the last reload was refused") && told.contains(&taken.to_string()), "{told}");
    let found = stdout(&world.run(&["doctor", "--offline"]));
    assert!(found.contains("its last reload was refused"), "{found}");
    fs::write(world.config_file(), &good).unwrap();
    reload_as_it_is(&daemon);
    assert!(!status(&[]).contains("refused"), "{}", status(&[]));
}

#[test]
fn sighup_unblocks_an_account_whose_style_was_corrected() {
    let dialect = datadrop::emulator::Dialect::Current;
    let mut world = World::with_emulator(EmulatorOptions { dialect, ..quick() });
    world.account("a", "style = \"put-json\"");
    let daemon = world.start();
    world.drop_file("a", "sales.txt", data(3));
    world.wait_blocked("a");
    world.account("a", "style = \"post-multipart\"");
    reload(&world, &daemon);
    arrived_once(&world, "sales.txt");
}

#[test]
fn sigusr1_scans_every_folder_at_once() {
    let mut world = World::new();
    world.set("rescan = \"2s\"", "rescan = \"1h\"\nmode = \"poll\"");
    let daemon = world.start();
    world.drop_file("a", "sales.txt", data(3));
    daemon.signal("USR1");
    arrived_once(&world, "sales.txt");
}

#[test]
fn systemd_hears_of_the_start_the_reload_life_and_the_end() {
    let world = World::new();
    let config = world.write_config();
    let mut daemon = Daemon::start_with(world.dir.path(), &config, &[], &[("WATCHDOG_USEC", "300000")]);
    let ready = daemon.wait_notified("READY=1");
    assert!(ready.contains("STATUS="), "{ready}");
    daemon.wait_notified("WATCHDOG=1");
    daemon.signal("HUP");
    let reloading = daemon.wait_notified("RELOADING=1");
    let at: u64 = reloading.lines().find_map(|line| line.strip_prefix("MONOTONIC_USEC=")).unwrap().parse().unwrap();
    assert!(at > 0);
    daemon.wait_notified("READY=1");
    daemon.wait_notified("WATCHDOG=1");
    daemon.signal("TERM");
    daemon.wait_notified("STOPPING=1");
    assert_eq!(daemon.wait_exit().code(), Some(0));
}

/// The started process is the one that runs, under its own name.
#[cfg(target_env = "gnu")]
#[test]
fn the_daemon_begins_again_with_one_heap_for_all_threads() {
    let world = World::new();
    let daemon = primed(&world);
    let read = |file: &str| fs::read_to_string(format!("/proc/{}/{file}", daemon.pid())).unwrap();
    let environment = read("environ");
    for setting in ["MALLOC_ARENA_MAX=1", "MALLOC_MMAP_THRESHOLD_=262144", "MALLOC_TRIM_THRESHOLD_=524288"] {
        assert!(environment.split('\0').any(|variable| variable == setting), "{setting}");
    }
    assert_eq!(read("comm"), "datadrop\n");
}

#[test]
fn run_once_delivers_what_is_there_and_its_exit_status_says_how_it_ended() {
    let world = World::new();
    world.drop_file("a", "good.txt", data(3));
    world.drop_file("a", "good.fin", "");
    let output = world.run(&["run", "--once"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(world.accepted(), ["good.txt", "good.fin"]);
    assert_eq!(names(&world.folder("a").join("done")), ["good.fin", "good.txt"]);

    world.fault("job:fail:name=bad*");
    world.drop_file("a", "bad.txt", data(2));
    let output = world.run(&["run", "--once"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert_eq!(names(&world.folder("a").join("failed")), ["bad.txt", "bad.txt.why"]);

    let output = world.run(&["run", "--once"]);
    assert_eq!(output.status.code(), Some(0), "nothing to do is all done: {}", stderr(&output));
    assert_eq!(world.accepted().len(), 3);
}

#[test]
fn run_once_ends_with_3_at_its_timeout_and_when_only_a_person_can_help() {
    let world = World::with_emulator(EmulatorOptions { processing: Duration::from_secs(60), ..quick() });
    world.drop_file("a", "long.txt", data(3));
    let output = world.run(&["run", "--once", "--timeout", "1s"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).contains("--timeout"), "{}", stderr(&output));
    assert_eq!(world.accepted(), ["long.txt"]);

    let world = World::new();
    world.drop_file("a", "one.txt", data(3));
    assert_eq!(world.run(&["run", "--once"]).status.code(), Some(0));
    world.drop_file("a", "one.txt", data(3));
    let output = world.run(&["run", "--once"]);
    assert_eq!(output.status.code(), Some(3), "a duplicate is held: {}", stderr(&output));
    assert_eq!(world.accepted(), ["one.txt"]);
}

#[test]
fn run_once_ends_when_the_account_is_blocked() {
    let world =
        World::with_emulator(EmulatorOptions { credentials: Some(("test".into(), "another".into())), ..quick() });
    world.drop_file("a", "one.txt", data(3));
    let output = world.run(&["run", "--once"]);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert_eq!(world.jobs()[0].state, "queued");
}

#[test]
fn a_log_in_json_is_one_object_a_line() {
    let mut world = World::new();
    let sections = "[log]\nformat = \"json\"\n[watch]\nsettle = \"200ms\"\n[poll]\nfirst = \"150ms\"\n";
    world.sections(sections);
    let daemon = primed(&world);
    assert_eq!(daemon.stop().code(), Some(0));
    let log = world.log();
    let lines: Vec<serde_json::Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let accepted = lines.iter().find(|line| line["message"].as_str().is_some_and(|text| text.contains("accepted")));
    let accepted = accepted.unwrap();
    assert_eq!((accepted["account"].as_str(), accepted["level"].as_str()), (Some("a"), Some("INFO")), "{accepted}");
    assert!(accepted["remote_job"].is_i64(), "{accepted}");
    assert!(!log.contains(crate::harness::SECRET));
}

#[test]
fn a_wrong_configuration_ends_with_78_and_names_every_error() {
    let mut world = World::new();
    world.set("settle = \"200ms\"", "setle = \"200ms\"").set("first = \"150ms\"", "first = \"soon\"");
    world.account("a", "order = \"random\"");
    let output = world.run(&["run"]);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(78), "{said}");
    for word in ["setle", "soon", "random", "datadrop.toml"] {
        assert!(said.contains(word), "{word} is not in: {said}");
    }
    assert!(!world.state_dir().exists(), "nothing is made before the configuration is right");
}

#[test]
fn an_overdue_file_is_named_once_with_its_reason() {
    let mut world = World::new();
    world.set("[retry]\n", "[retry]\nalert_after = \"1s\"\n");
    let daemon = primed(&world);
    world.drop_file("a", "lonely.fin", "");
    world.wait_for("lonely.fin", "waiting");
    world.wait("it to be named", || world.log().contains("lonely.fin (job 2) has not been sent for longer than 1s"));
    let line = world.log().lines().find(|line| line.contains("has not been sent")).unwrap().to_owned();
    assert!(line.contains("ERROR") && line.contains("waits for its data file"), "{line}");
    daemon.stop();
    assert_eq!(world.log().matches("has not been sent").count(), 1);
}
