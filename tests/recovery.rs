//! Unclear ends, crashes, restarts: exactly one ingestion, counted at the server.

use crate::harness::{Daemon, World, data, names, stderr};
use datadrop::emulator::{AccountKey, Upload};
use datadrop::job::UploadStyle;
use std::fs;

fn fault(world: &World, rule: &str) {
    world.emulator().add_fault(rule.parse().unwrap());
}

/// The test that matters most: ingested, not answered, killed, restarted.
#[test]
fn an_upload_that_was_ingested_but_never_answered_survives_a_kill_as_one() {
    let world = World::new();
    let daemon = world.start();
    fault(&world, "upload:after-commit:hang:n=1");
    world.drop_file("a", "sales.txt", data(5));
    world.wait("the server to have it", || world.ledger().len() == 1);
    daemon.kill();
    assert_eq!(world.jobs()[0].state, "uploading");

    let _daemon = world.start();
    let job = world.wait_for("sales.txt", "success");
    assert_eq!(world.accepted(), ["sales.txt"], "ingested once");
    assert_eq!((job.attempts, job.remote_job_id), (1, Some(world.ledger()[0].job_id.0)));
    world.wait("it to be filed", || names(&world.folder("a").join("done")) == ["sales.txt"]);
}

#[test]
fn an_upload_killed_before_its_last_bytes_is_sent_anew_and_arrives_once() {
    let world = World::new();
    let daemon = world.start();
    fault(&world, "upload:mid-body:hang");
    // Larger than what the sockets hold, so that the body cannot have gone.
    world.drop_file("a", "large.txt", data(500_000));
    world.wait_for("large.txt", "uploading");
    daemon.kill();
    world.emulator().clear_faults();

    let _daemon = world.start();
    let job = world.wait_for("large.txt", "success");
    assert_eq!(world.accepted(), ["large.txt"]);
    assert_eq!(job.attempts, 2);
}

#[test]
fn every_unclear_end_is_settled_as_one_ingestion() {
    let world = World::new();
    let _daemon = world.start();
    world.drop_file("a", "first.txt", data(2));
    world.wait_for("first.txt", "success");
    let unclear = [
        "after-commit:reset",
        "after-commit:garbage",
        "after-commit:truncated",
        "after-commit:no-id",
        "after-commit:503",
    ];
    for (index, what) in unclear.into_iter().enumerate() {
        fault(&world, &format!("upload:{what}:n=1:name=ingested-{index}.txt"));
        world.drop_file("a", &format!("ingested-{index}.txt"), data(3 + index));
        let job = world.wait_for(&format!("ingested-{index}.txt"), "success");
        assert_eq!(job.attempts, 1, "{what}: adopted, not sent again");
    }
    for (index, what) in ["after-body:reset", "after-body:500", "after-body:garbage"].into_iter().enumerate() {
        fault(&world, &format!("upload:{what}:n=1:name=lost-{index}.txt"));
        world.drop_file("a", &format!("lost-{index}.txt"), data(20 + index));
        let job = world.wait_for(&format!("lost-{index}.txt"), "success");
        assert_eq!(job.attempts, 2, "{what}: not there in three looks, so sent again");
    }
    let mut accepted = world.accepted();
    accepted.sort();
    let before = accepted.len();
    accepted.dedup();
    assert_eq!((accepted.len(), before), (9, 9), "{accepted:?}");
}

/// Another tool sent a file of that name to that account, before our attempt.
fn sent_by_another(world: &World, name: &str) {
    let key = AccountKey { report_suite_id: "suitea".to_owned(), data_source_id: 1 };
    world.emulator().insert(Upload::new(key, name.to_owned(), UploadStyle::PutJson, data(9).as_bytes()));
}

#[test]
fn s3_a_name_that_somebody_else_uses_is_held_when_unclear_and_never_guessed() {
    let world = World::new();
    sent_by_another(&world, "shared.txt");
    let _daemon = world.start();
    world.drop_file("a", "first.txt", data(2));
    world.wait_for("first.txt", "success");
    fault(&world, "upload:after-commit:reset:n=1:name=shared.txt");
    world.drop_file("a", "shared.txt", data(3));
    let job = world.wait_for("shared.txt", "held");
    assert!(job.why().contains("could not be settled"), "{}", job.why());
    world.wait("it to be filed", || names(&world.folder("a").join("held")) == ["shared.txt", "shared.txt.why"]);
    assert_eq!(world.accepted(), ["shared.txt", "first.txt", "shared.txt"]);
}

#[test]
fn f8_files_that_lay_there_before_datadrop_and_are_at_adobe_are_held() {
    let world = World::new();
    sent_by_another(&world, "old.txt");
    world.drop_file("a", "old.txt", data(9));
    world.drop_file("a", "new.txt", data(3));
    let _daemon = world.start();
    world.wait_for("new.txt", "success");
    world.wait_for("old.txt", "held");
    assert_eq!(world.accepted(), ["old.txt", "new.txt"], "the first by the other tool, the second by us");
}

#[test]
fn a_duplicate_is_held_and_not_sent_again_across_a_restart() {
    let world = World::new();
    let daemon = world.start();
    world.drop_file("a", "sales.txt", data(3));
    world.wait_for("sales.txt", "success");
    daemon.kill();
    let _daemon = world.start();
    world.drop_file("a", "sales.txt", data(3));
    let second = world.wait_for("sales.txt", "held");
    assert!(second.why().contains("duplicate"), "{}", second.why());
    world.drop_file("a", "sales.txt", data(4));
    world.wait_for("sales.txt", "success");
    assert_eq!(world.accepted(), ["sales.txt", "sales.txt"], "other content under the same name is another file");
    world.wait("all to be filed", || {
        names(&world.folder("a").join("done")) == ["sales.3.txt", "sales.txt"]
            && names(&world.folder("a").join("held")) == ["sales.txt", "sales.txt.why"]
    });
}

#[test]
fn a_second_daemon_is_refused_and_says_why() {
    let world = World::new();
    let _daemon = world.start();
    let second = world.run(&["run"]);
    assert_eq!(second.status.code(), Some(1));
    assert!(stderr(&second).contains("another datadrop is running with this state directory"), "{}", stderr(&second));
}

#[test]
fn files_dropped_while_the_daemon_was_away_and_jobs_open_at_adobe_go_on() {
    let mut world = World::new();
    world.set("first = \"150ms\"", "first = \"30s\"").set("max = \"500ms\"", "max = \"30s\"");
    let daemon = world.start();
    world.drop_file("a", "open.txt", data(3));
    world.wait_for("open.txt", "uploaded");
    assert_eq!(daemon.stop().code(), Some(0));
    world.drop_file("a", "away.txt", data(4));

    world.set("first = \"30s\"", "first = \"150ms\"");
    let _daemon = world.start();
    world.wait_for("open.txt", "success");
    world.wait_for("away.txt", "success");
    assert_eq!(world.accepted(), ["open.txt", "away.txt"]);
}

#[test]
fn a_wrong_secret_blocks_the_account_and_a_corrected_one_lets_it_go_on() {
    let world = World::with_emulator(datadrop::emulator::EmulatorOptions {
        processing: std::time::Duration::from_millis(300),
        rate_limit: None,
        credentials: Some(("test".to_owned(), "the right one".to_owned().into())),
        ..datadrop::emulator::EmulatorOptions::default()
    });
    let _daemon: Daemon = world.start();
    world.drop_file("a", "sales.txt", data(3));
    let status = || String::from_utf8(world.run(&["status", "--json"]).stdout).unwrap();
    world.wait("the account to be blocked", || status().contains("invalid_client"));
    assert_eq!(world.wait_for("sales.txt", "queued").attempts, 0);
    fs::write(world.dir.path().join("secret"), "the right one\n").unwrap();
    world.wait_for("sales.txt", "success");
    assert_eq!(world.accepted(), ["sales.txt"]);
    assert!(!world.log().contains("the right one"), "no secret in the log");
}

#[test]
fn s5_a_remote_job_that_shows_late_holds_the_file_instead_of_sending_it_twice() {
    let world = World::with_emulator(datadrop::emulator::EmulatorOptions {
        processing: std::time::Duration::from_secs(60),
        rate_limit: None,
        ..datadrop::emulator::EmulatorOptions::default()
    });
    let _daemon = world.start();
    // Open at Adobe, so that there are sweeps.
    world.drop_file("a", "first.txt", data(2));
    world.wait_for("first.txt", "uploaded");
    // Ingested, unanswered, and hidden from the lists until after the looks; then the second attempt has to wait.
    fault(&world, "list:late=3s:name=late.txt");
    fault(&world, "upload:after-commit:reset:n=1:name=late.txt");
    fault(&world, "upload:before-body:503:name=late.txt:after=1");
    world.drop_file("a", "late.txt", data(3));
    let job = world.wait_for("late.txt", "held");
    assert!(job.why().contains("possibly ingested"), "{}", job.why());
    assert_eq!(world.accepted(), ["first.txt", "late.txt"]);
}

#[test]
fn a_marker_shares_the_unique_wire_name_of_its_data_file() {
    let mut world = World::new();
    world.account("a", "wire_name = \"unique\"");
    let _daemon = world.start();
    world.drop_file("a", "sales.txt", data(3));
    world.drop_file("a", "sales.fin", "");
    world.wait_for("sales.fin", "success");
    let accepted = world.accepted();
    let stem = accepted[0].strip_suffix(".txt").unwrap();
    assert!(stem.len() == "sales-01234567".len() && stem.starts_with("sales-"), "{accepted:?}");
    assert_eq!(accepted[1], format!("{stem}.fin"));
}

#[test]
fn f2_another_file_under_the_name_of_one_being_sent_is_not_touched() {
    let mut world = World::new();
    // The writer pauses for less than a rescan, which would end what is known of it (R5).
    world.set("rescan = \"2s\"", "rescan = \"1m\"");
    let _daemon = world.start();
    fault(&world, "upload:slow=1500ms:n=1");
    world.drop_file("a", "sales.txt", data(3));
    world.wait("the server to have it", || world.ledger().len() == 1);
    // Removed and written anew, slowly, while the answer is awaited.
    let path = world.folder("a").join("sales.txt");
    fs::remove_file(&path).unwrap();
    let mut writer = fs::File::create(&path).unwrap();
    std::io::Write::write_all(&mut writer, b"Date\tEvar 1\tEvent 1\n").unwrap();
    world.wait("the first to be done", || world.count("state = 'success'") == 1);
    std::thread::sleep(std::time::Duration::from_millis(600));
    assert_eq!(world.ledger().len(), 1, "half a file was sent");
    std::io::Write::write_all(&mut writer, b"11/20/2026\tnew\t1\n").unwrap();
    drop(writer);
    world.wait("the second to be done", || world.count("state = 'success'") == 2);
    assert_eq!(world.ledger().len(), 2);
    assert_eq!(world.jobs().last().unwrap().rows_processed, Some(1));
}
