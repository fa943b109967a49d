//! `kill -9` at any instant: nothing is lost, sent twice or forgotten.

use crate::harness::{Daemon, World, arrived_once, connect_to_write, data, names, primed, quick};
use datadrop::emulator::EmulatorOptions;
use std::fs;
use std::time::Duration;

#[test]
fn a_file_that_was_taken_but_not_answered_before_a_kill_is_not_sent_again() {
    for accepted_before in [true, false] {
        let world = World::new();
        let daemon = if accepted_before { primed(&world) } else { world.start() };
        world.fault("upload:after-commit:hang:n=1");
        world.drop_file("a", "sales.txt", data(3));
        world.wait("the server to take it", || world.times_accepted("sales.txt") == 1);
        daemon.kill();
        let left = world.wait_for("sales.txt", "uploading");
        let _daemon = world.start();
        let job = arrived_once(&world, "sales.txt");
        assert_eq!((left.id, world.outcomes(&job)), (job.id, vec!["unclear".to_owned()]));
        assert_eq!(job.remote_job_id, world.ledger().last().map(|entry| entry.job_id.0));
    }
}

#[test]
fn a_kill_while_the_body_is_being_sent_costs_one_attempt() {
    let world = World::new();
    let daemon = primed(&world);
    world.fault("upload:before-body:hang:name=sales*:n=1");
    // Larger than the buffers between both ends.
    world.drop_file("a", "sales.txt", data(400_000));
    world.wait("the request to arrive", || world.emulator().requests().uploads == 2);
    daemon.kill();
    assert_eq!(world.accepted(), ["first.txt"]);
    let _daemon = world.start();
    let job = arrived_once(&world, "sales.txt");
    assert_eq!(world.outcomes(&job), ["not-ingested", "accepted"]);
}

#[test]
fn a_kill_while_the_server_has_the_body_and_has_not_taken_it_ends_in_one_delivery() {
    let world = World::new();
    let daemon = primed(&world);
    world.fault("upload:after-body:hang:n=1");
    world.drop_file("a", "sales.txt", data(3));
    world.wait("the last bytes to go", || {
        let job = world.jobs().into_iter().find(|job| job.file_name == "sales.txt");
        job.is_some_and(|job| world.phase(job.id).as_deref() == Some("committing"))
    });
    daemon.kill();
    let _daemon = world.start();
    let job = arrived_once(&world, "sales.txt");
    assert_eq!(world.outcomes(&job), ["unclear", "accepted"]);
}

#[test]
fn a_kill_between_two_looks_restarts_the_looks() {
    let mut world = World::new();
    world.set("confirm_for = \"400ms\"", "confirm_for = \"1500ms\"");
    let daemon = primed(&world);
    world.fault("upload:after-commit:reset:n=1");
    world.fault("list:late=1s:name=sales*");
    world.drop_file("a", "sales.txt", data(3));
    world.wait_for("sales.txt", "unconfirmed");
    daemon.kill();
    let _daemon = world.start();
    let job = arrived_once(&world, "sales.txt");
    assert_eq!(job.attempts, 1);
}

#[test]
fn a_kill_before_the_move_or_before_it_is_recorded_is_made_good_at_the_next_start() {
    for moved in [true, false] {
        let world = World::with_emulator(EmulatorOptions { processing: Duration::from_secs(1), ..quick() });
        let daemon = world.start();
        let inbox = world.drop_file("a", "sales.txt", data(3));
        let sent = world.folder("a").join("sent/sales.txt");
        world.wait("the file to be filed", || sent.exists());
        world.wait("the move to be recorded", || world.jobs()[0].path == sent.to_string_lossy());
        daemon.kill();
        // The state that a kill right after the acceptance leaves: the job log is ahead of the folder.
        connect_to_write(&world.state_dir())
            .execute("UPDATE job SET place = 'inbox', path = ?1", [inbox.to_string_lossy()])
            .unwrap();
        if !moved {
            fs::rename(&sent, &inbox).unwrap();
        }
        let _daemon = world.start();
        arrived_once(&world, "sales.txt");
        world.wait("the file to be filed", || names(&world.folder("a").join("done")) == ["sales.txt"]);
        assert_eq!(world.jobs().len(), 1, "moved: {moved}: {:?}", world.jobs());
        assert!(!inbox.exists() && !sent.exists());
    }
}

#[test]
fn f1_a_share_that_was_mounted_again_has_other_numbers_and_its_files_are_still_known() {
    for (moved, number) in [(true, "device"), (false, "device"), (true, "inode"), (false, "inode")] {
        let mut world = World::with_emulator(EmulatorOptions { processing: Duration::from_secs(1), ..quick() });
        world.account("a", "duplicates = \"allow\"");
        let daemon = world.start();
        let inbox = world.drop_file("a", "sales.txt", data(3));
        let sent = world.folder("a").join("sent/sales.txt");
        world.wait("the move to be recorded", || world.jobs().iter().any(|job| job.path == sent.to_string_lossy()));
        daemon.kill();
        let connection = connect_to_write(&world.state_dir());
        connection.execute(&format!("UPDATE job SET {number} = {number} + 1"), []).unwrap();
        if !moved {
            connection.execute("UPDATE job SET place = 'inbox', path = ?1", [inbox.to_string_lossy()]).unwrap();
            fs::rename(&sent, &inbox).unwrap();
        }
        let _daemon = world.start();
        arrived_once(&world, "sales.txt");
        world.wait("the file to be filed", || names(&world.folder("a").join("done")) == ["sales.txt"]);
        assert_eq!(
            (world.jobs().len(), world.accepted().len()),
            (1, 1),
            "{number}, moved: {moved}: {:?}",
            world.jobs()
        );
    }
}

#[test]
fn jobs_that_adobe_is_at_work_on_are_followed_to_their_end_after_a_restart() {
    let world = World::with_emulator(EmulatorOptions { processing: Duration::from_secs(1), ..quick() });
    let daemon = world.start();
    world.drop_file("a", "sales.txt", data(3));
    world.drop_file("a", "sales.fin", "");
    world.wait("both to be accepted", || world.accepted().len() == 2);
    world.wait("both to be open", || world.jobs().iter().all(|job| job.remote_job_id.is_some()));
    daemon.kill();
    let _daemon = world.start();
    arrived_once(&world, "sales.txt");
    arrived_once(&world, "sales.fin");
}

#[test]
fn files_that_came_while_nothing_ran_are_taken_up_and_known_ones_are_not_taken_up_again() {
    let world = World::new();
    let daemon = primed(&world);
    assert_eq!(daemon.stop().code(), Some(0));
    world.drop_file("a", "while-down.txt", data(2));
    let _daemon = world.start();
    arrived_once(&world, "while-down.txt");
    assert_eq!(world.accepted(), ["first.txt", "while-down.txt"]);
    assert_eq!(world.jobs().len(), 2);
}

#[test]
fn kills_in_the_midst_of_faults_lose_nothing_and_double_nothing() {
    let mut world = World::new();
    world.api("timeout", "\"500ms\"").account("a", "wire_name = \"keep\"").account("b", "sequential = true");
    let mut daemon = primed(&world);
    for rule in [
        "upload:before-body:reset:p=0.1",
        "upload:after-commit:reset:p=0.15",
        "upload:after-commit:hang:p=0.05",
        "upload:after-commit:502:p=0.1",
        "upload:after-body:500:p=0.1",
        "upload:429:p=0.05",
        "list:500:p=0.1",
    ] {
        world.fault(rule);
    }
    let mut names = Vec::new();
    for round in 0..8 {
        for account in ["a", "b"] {
            for number in 0..2 {
                let name = format!("{account}-{round}-{number}.txt");
                world.drop_file(account, &name, data(1 + names.len()));
                names.push(name);
            }
        }
        // At another point each time: during the first requests, between two of them, and during looks.
        let requests = world.emulator().requests();
        let until = requests.uploads + requests.lists + 1 + round % 4;
        world.wait("more requests", || {
            let requests = world.emulator().requests();
            requests.uploads + requests.lists >= until
        });
        daemon.kill();
        daemon = world.start();
    }
    world.emulator().clear_faults();
    for name in &names {
        arrived_once(&world, name);
    }
    assert_eq!(world.accepted().len(), names.len() + 1);
    drop(daemon);
}

#[test]
fn a_second_daemon_on_the_same_state_directory_is_refused_with_a_reason() {
    let world = World::new();
    let _daemon = primed(&world);
    let second = world.run(&["run"]);
    let said = crate::harness::stderr(&second);
    assert_eq!(second.status.code(), Some(1), "{said}");
    assert!(said.contains("another datadrop is running") && said.contains("state"), "{said}");
    world.drop_file("a", "sales.txt", data(3));
    arrived_once(&world, "sales.txt");
}

#[test]
fn a_second_daemon_with_a_state_directory_of_its_own_cannot_send_from_the_same_folder() {
    let world = World::new();
    let _daemon = primed(&world);
    let config = fs::read_to_string(world.config_file()).unwrap();
    let other_dir = world.dir.path().join("other");
    fs::create_dir(&other_dir).unwrap();
    let other_config = other_dir.join("datadrop.toml");
    let state = format!("{:?}", world.state_dir());
    let other_state = other_dir.join("state");
    fs::write(&other_config, config.replace(&state, &format!("{other_state:?}"))).unwrap();
    let second = Daemon::start_with(&other_dir, &other_config, &[], &[]);
    second.wait_ready();
    world.wait("the second to be blocked", || {
        fs::read_to_string(other_dir.join("log")).unwrap().contains("account a is blocked")
    });
    world.drop_file("a", "sales.txt", data(3));
    arrived_once(&world, "sales.txt");
    assert_eq!(world.accepted().len(), 2);
}
