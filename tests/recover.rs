//! A job log that is lost, old or another's: datadrop sends nothing until `recover` has found out what was sent.

use crate::harness::{World, arrived_once, connect_to_write, data, names, primed, quick, stderr, stdout, tagged};
use datadrop::emulator::EmulatorOptions;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

fn copy_dir(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(status.success());
}

#[test]
fn without_its_job_log_nothing_is_sent_until_it_is_rebuilt_from_folders_and_list() {
    let world = World::with_emulator(EmulatorOptions { processing: Duration::from_secs(2), ..quick() });
    let daemon = primed(&world);
    world.drop_file("a", "second.txt", tagged("second"));
    world.wait_for("second.txt", "success");
    // This job is still in progress at Adobe when the disk dies.
    world.drop_file("a", "open.txt", tagged("open"));
    world.wait("it to be filed", || names(&world.folder("a").join("sent")) == ["open.txt"]);
    daemon.kill();
    fs::remove_dir_all(world.state_dir()).unwrap();
    let before = world.accepted();

    world.drop_file("a", "new.txt", tagged("new"));
    // This file was accepted, but the machine died before filing it.
    fs::copy(world.folder("a").join("done/second.txt"), world.folder("a").join("second.txt")).unwrap();
    let daemon = world.start();
    let why = world.wait_blocked("a");
    assert!(why.contains("datadrop recover"), "{why}");
    let running = world.run(&["recover"]);
    assert_eq!(running.status.code(), Some(1));
    assert!(stderr(&running).contains("another datadrop is running"), "{}", stderr(&running));
    daemon.stop();
    assert_eq!(world.accepted(), before);

    let recovered = world.run(&["recover"]);
    assert!(recovered.status.success(), "{}", stderr(&recovered));
    let said = stdout(&recovered);
    assert!(said.contains("3 filed files") && said.contains("3 with their remote job"), "{said}");
    let _daemon = world.start();
    arrived_once(&world, "new.txt");
    arrived_once(&world, "open.txt");
    let again = world.wait_for("second.txt", "held");
    assert!(!again.why().is_empty());
    // datadrop still knows content that was delivered before.
    world.drop_file("a", "second.txt", tagged("second"));
    world.wait("both to be held", || world.count("file_name = 'second.txt' AND state = 'held'") == 2);
    assert_eq!(world.accepted(), [&before[..], &["new.txt".to_owned()]].concat());
    assert_eq!(world.count("state = 'success'"), 4);
}

#[test]
fn a_job_log_from_a_backup_is_noticed_before_anything_is_sent_again() {
    let world = World::new();
    let daemon = primed(&world);
    daemon.stop();
    let backup = world.dir.path().join("backup");
    copy_dir(&world.state_dir(), &backup);
    // The backup is older than the longest time from the end of a job to its filing.
    let age = |connection: &rusqlite::Connection| {
        connection
            .execute_batch("UPDATE job SET uploaded_at = uploaded_at - 600000, finished_at = finished_at - 600000")
            .unwrap();
    };
    age(&rusqlite::Connection::open(backup.join("datadrop.db")).unwrap());
    let daemon = world.start();
    world.drop_file("a", "later.txt", tagged("later"));
    world.wait_for("later.txt", "success");
    world.wait("it to be filed", || names(&world.folder("a").join("done")) == ["first.txt", "later.txt"]);
    daemon.stop();
    fs::remove_dir_all(world.state_dir()).unwrap();
    copy_dir(&backup, &world.state_dir());

    world.drop_file("a", "later.txt", tagged("later"));
    let daemon = world.start();
    let why = world.wait_blocked("a");
    assert!(why.contains("done/later.txt") && why.contains("datadrop recover"), "{why}");
    daemon.stop();
    assert!(world.run(&["recover", "--account", "a"]).status.success());
    let _daemon = world.start();
    world.wait_for("later.txt", "held");
    world.drop_file("a", "new.txt", tagged("new"));
    arrived_once(&world, "new.txt");
    assert_eq!(world.accepted(), ["first.txt", "later.txt", "new.txt"]);
}

#[test]
fn without_adobes_list_nothing_is_recovered_unless_a_person_insists() {
    let world = World::new();
    primed(&world).stop();
    fs::remove_dir_all(world.state_dir()).unwrap();
    world.fault("list:500");
    let failed = world.run(&["recover"]);
    assert_eq!(failed.status.code(), Some(1));
    assert!(stderr(&failed).contains("--force-new"), "{}", stderr(&failed));
    let insisted = world.run(&["recover", "--force-new"]);
    assert!(insisted.status.success(), "{}", stderr(&insisted));
    world.emulator().clear_faults();
    let _daemon = world.start();
    world.drop_file("a", "new.txt", tagged("new"));
    arrived_once(&world, "new.txt");
    assert_eq!(world.accepted(), ["first.txt", "new.txt"]);
}

#[test]
fn the_job_log_of_another_folder_is_refused() {
    let world = World::new();
    primed(&world).stop();
    // The state directory of another service, whose account has the same name.
    let other = World::new();
    primed(&other).stop();
    fs::remove_dir_all(world.state_dir()).unwrap();
    copy_dir(&other.state_dir(), &world.state_dir());
    world.drop_file("a", "new.txt", tagged("new"));
    let _daemon = world.start();
    let why = world.wait_blocked("a");
    assert!(why.contains("mark") && why.contains("datadrop recover"), "{why}");
    assert_eq!(world.accepted(), ["first.txt"]);
}

#[test]
fn a_file_that_a_person_took_out_of_done_does_not_block_the_account() {
    let world = World::new();
    primed(&world).stop();
    fs::remove_file(world.folder("a").join("done/first.txt")).unwrap();
    let _daemon = world.start();
    world.drop_file("a", "new.txt", tagged("new"));
    arrived_once(&world, "new.txt");
}

#[test]
fn a_job_log_restored_from_a_moment_before_the_last_file_is_noticed() {
    let world = World::new();
    let daemon = primed(&world);
    world.wait("it to be filed", || names(&world.folder("a").join("done")) == ["first.txt"]);
    let backup = world.dir.path().join("backup.db");
    let copy = format!("VACUUM INTO '{}'", backup.display());
    connect_to_write(&world.state_dir()).execute(&copy, []).unwrap();
    world.drop_file("a", "second.txt", data(2));
    arrived_once(&world, "second.txt");
    world.wait("it to be filed", || names(&world.folder("a").join("done")) == ["first.txt", "second.txt"]);
    daemon.stop();
    for name in ["datadrop.db", "datadrop.db-wal", "datadrop.db-shm"] {
        let _ = fs::remove_file(world.state_dir().join(name));
    }
    fs::copy(backup, world.state_dir().join("datadrop.db")).unwrap();
    let _daemon = world.start();
    let why = world.wait_blocked("a");
    assert!(why.contains("second.txt is not in the job log"), "{why}");
}

/// Found by the simulation, seed 712006: the older job log had another job's file under that name in `sent/`.
#[test]
fn p3_a_job_log_that_is_older_is_noticed_though_it_knows_a_file_of_that_name_there() {
    let world = World::with_emulator(EmulatorOptions { processing: Duration::from_secs(3), ..quick() });
    let daemon = primed(&world);
    let in_sent = || world.wait("it to be filed", || names(&world.folder("a").join("sent")) == ["sales.txt"]);
    world.drop_file("a", "sales.txt", tagged("one"));
    in_sent();
    daemon.stop();
    let backup = world.dir.path().join("backup");
    copy_dir(&world.state_dir(), &backup);
    // As after a crash between its end and its move.
    let ended =
        "UPDATE job SET state = 'success', belongs = 'done', finished_at = uploaded_at WHERE file_name = 'sales.txt'";
    rusqlite::Connection::open(backup.join("datadrop.db")).unwrap().execute_batch(ended).unwrap();
    let daemon = world.start();
    world.wait_for("sales.txt", "success");
    world.wait("it to be filed", || names(&world.folder("a").join("sent")).is_empty());
    world.drop_file("a", "sales.txt", tagged("two"));
    in_sent();
    daemon.stop();
    fs::remove_dir_all(world.state_dir()).unwrap();
    copy_dir(&backup, &world.state_dir());

    let daemon = world.start();
    let why = world.wait_blocked("a");
    assert!(why.contains("sent/sales.txt is not in the job log") && why.contains("datadrop recover"), "{why}");
    daemon.stop();
    let recovered = world.run(&["recover"]);
    assert!(recovered.status.success(), "{}", stderr(&recovered));
    let _daemon = world.start();
    world.wait("both to be a success", || world.count("file_name = 'sales.txt' AND state = 'success'") == 2);
    // Content that was delivered is known again.
    world.drop_file("a", "sales.txt", tagged("two"));
    world.wait_for("sales.txt", "held");
    assert_eq!(world.accepted(), ["first.txt", "sales.txt", "sales.txt"]);
}

/// Only the database is gone. The other files still show that there was one.
#[test]
fn a_database_that_was_deleted_alone_is_rebuilt_too() {
    let world = World::new();
    let daemon = primed(&world);
    world.drop_file("a", "second.txt", tagged("second"));
    world.wait_for("second.txt", "success");
    world.wait("it to be filed", || world.folder("a").join("done/second.txt").exists());
    daemon.stop();
    for file in ["datadrop.db", "datadrop.db-wal", "datadrop.db-shm"] {
        let _ = fs::remove_file(world.state_dir().join(file));
    }
    let before = world.accepted();
    let recovered = world.run(&["recover"]);
    assert!(recovered.status.success(), "{}", stderr(&recovered));
    let _daemon = world.start();
    world.drop_file("a", "second.txt", tagged("second"));
    world.wait_for("second.txt", "held");
    world.drop_file("a", "new.txt", tagged("new"));
    arrived_once(&world, "new.txt");
    assert_eq!(world.accepted(), [&before[..], &["new.txt".to_owned()]].concat());
}
