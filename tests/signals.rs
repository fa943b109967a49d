//! The daemon as a service: stop, reload, notifications, and the run that ends by itself.

use crate::harness::{Daemon, World, data, names, stderr};
use std::fs;
use std::time::{Duration, Instant};

#[test]
fn sigterm_lets_an_upload_under_way_end() {
    let world = World::new();
    let daemon = world.start();
    world.emulator().add_fault("upload:slow=1500ms".parse().unwrap());
    world.drop_file("a", "sales.txt", data(3));
    world.wait("the server to have it", || world.ledger().len() == 1);
    daemon.signal("TERM");
    daemon.wait_notified("STOPPING=1");
    assert_eq!(daemon.stop_code(), Some(0));
    let job = &world.jobs()[0];
    assert_eq!((job.state.as_str(), job.attempts), ("uploaded", 1), "its answer was waited for");
}

#[test]
fn a_second_sigterm_cuts_short_and_the_next_start_settles() {
    let world = World::new();
    let daemon = world.start();
    world.emulator().add_fault("upload:after-commit:hang:n=1".parse().unwrap());
    world.drop_file("a", "sales.txt", data(3));
    world.wait("the server to have it", || world.ledger().len() == 1);
    let began = Instant::now();
    daemon.signal("TERM");
    daemon.wait_notified("STOPPING=1");
    daemon.signal("TERM");
    assert_eq!(daemon.stop_code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    let _daemon = world.start();
    world.wait_for("sales.txt", "success");
    assert_eq!(world.accepted(), ["sales.txt"]);
}

#[test]
fn sighup_adds_and_removes_accounts_live_and_refuses_what_is_wrong() {
    let mut world = World::new();
    let daemon = world.start();
    world.account("b", "").write_config();
    daemon.signal("HUP");
    assert!(daemon.wait_notified("RELOADING=1").contains("MONOTONIC_USEC="));
    daemon.wait_notified("READY=1");
    world.drop_file("b", "new.txt", data(3));
    world.wait_for("new.txt", "success");

    let good = fs::read_to_string(world.config_file()).unwrap();
    fs::write(world.config_file(), good.replace("[upload]", "[upload]\nmax_in_flite = 3\nstyle = 7")).unwrap();
    daemon.signal("HUP");
    assert!(daemon.wait_notified("STATUS=reload refused").contains("READY=1"));
    world.wait("both problems to be named", || world.log().contains("max_in_flite") && world.log().contains("style"));
    world.drop_file("a", "still.txt", data(4));
    world.wait_for("still.txt", "success");

    // An account with a file on its way is not removed under it.
    world.emulator().add_fault("upload:before-body:503".parse().unwrap());
    world.drop_file("b", "open.txt", data(5));
    world.wait("an attempt", || world.count("file_name = 'open.txt' AND attempts > 0") == 1);
    let without_b = good.split("[[account]]\nname = \"b\"").next().unwrap().to_owned();
    fs::write(world.config_file(), &without_b).unwrap();
    daemon.signal("HUP");
    assert!(daemon.wait_notified("STATUS=reload refused").contains("account b"));
    world.emulator().clear_faults();
    world.wait_for("open.txt", "success");
    daemon.signal("HUP");
    daemon.wait_notified("RELOADING=1");
    daemon.wait_notified("READY=1");
    world.drop_file("b", "ignored.txt", data(6));
    world.drop_file("a", "last.txt", data(7));
    world.wait_for("last.txt", "success");
    assert!(!world.accepted().contains(&"ignored.txt".to_owned()));
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn the_watchdog_is_fed_while_every_stage_lives() {
    let world = World::new();
    let daemon = Daemon::start_with(world.dir.path(), &world.write_config(), &[], &[("WATCHDOG_USEC", "600000")]);
    daemon.wait_ready();
    for _ in 0..3 {
        daemon.wait_notified("WATCHDOG=1");
    }
    world.drop_file("a", "sales.txt", data(3));
    assert!(daemon.wait_notified("STATUS=").contains("at Adobe"));
}

#[test]
fn run_once_delivers_what_is_there_and_tells_by_its_exit_code() {
    let world = World::new();
    world.drop_file("a", "good.txt", data(3));
    world.drop_file("a", "good.fin", "");
    let once = world.run(&["run", "--once", "--timeout", "60s"]);
    assert_eq!(once.status.code(), Some(0), "{}", stderr(&once));
    assert_eq!(world.accepted(), ["good.txt", "good.fin"]);
    assert_eq!(names(&world.folder("a").join("done")), ["good.fin", "good.txt"]);

    world.drop_file("a", "bad.txt", "Date\tEvar 1\tEvent 1\n11/20/2026\tonly two\n");
    let once = world.run(&["run", "--once", "--timeout", "60s"]);
    assert_eq!(once.status.code(), Some(3), "{}", stderr(&once));
    assert_eq!(names(&world.folder("a").join("failed")), ["bad.txt", "bad.txt.why"]);

    // What stays undone needs a person or more time than there is.
    world.drop_file("a", "lone.fin", "");
    assert_eq!(world.run(&["run", "--once", "--timeout", "60s"]).status.code(), Some(3));
    world.emulator().add_fault("upload:before-body:503".parse().unwrap());
    world.drop_file("a", "later.txt", data(4));
    let once = world.run(&["run", "--once", "--timeout", "2s"]);
    assert_eq!(once.status.code(), Some(3), "{}", stderr(&once));
    assert!(stderr(&once).contains("--timeout"), "{}", stderr(&once));
}

#[test]
fn a_wrong_configuration_ends_with_78_and_names_every_problem() {
    let mut world = World::new();
    world.sections("[upload]\nmax_in_flight = \"many\"\n[watch]\nsetle = \"1s\"\n");
    let run = world.run(&["run"]);
    assert_eq!(run.status.code(), Some(78));
    let text = stderr(&run);
    assert!(
        text.contains("upload.max_in_flight") && text.contains("did you mean") && text.contains("settle"),
        "{text}"
    );
}

#[test]
fn the_log_can_be_json_with_fields() {
    let mut world = World::new();
    world.set("[upload]", "[log]\nformat = \"json\"\n[upload]");
    let _daemon = world.start();
    world.drop_file("a", "sales.txt", data(3));
    world.wait_for("sales.txt", "success");
    let accepted = world
        .log()
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .find(|line| line["message"].as_str().is_some_and(|message| message.contains("accepted as remote job")))
        .unwrap();
    assert_eq!((accepted["account"].as_str(), accepted["file"].as_str()), (Some("a"), Some("sales.txt")));
}
