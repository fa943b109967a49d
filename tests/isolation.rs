//! One account's folder or row in the job log never stops another account or a command (DESIGN F10).

use crate::harness::{Daemon, Row, World, arrived_once, connect_to_write, names, primed, stderr, stdout, tagged};
use std::fs;
use std::os::unix::fs::symlink;

#[test]
fn f10_a_folder_that_a_link_leads_to_belongs_to_one_account_and_the_other_is_named() {
    let mut world = World::new();
    world.account("b", "").account("c", "");
    fs::remove_dir(world.folder("c")).unwrap();
    symlink(world.folder("a"), world.folder("c")).unwrap();
    let daemon = primed(&world);
    let why = world.wait_blocked("c");
    let folder_of_a = world.folder("a").display().to_string();
    world.wait("the other account to be named", || {
        world.blocked("c").contains(&format!("this is also the folder of account \"a\" ({folder_of_a})"))
    });
    assert!(why.contains(&world.folder("c").display().to_string()), "{why}");
    world.drop_file("b", "other.txt", tagged("other"));
    arrived_once(&world, "other.txt");
    world.drop_file("a", "mine.txt", tagged("mine"));
    arrived_once(&world, "mine.txt");
    let said = stdout(&world.run(&["doctor", "--offline"]));
    assert!(said.contains("this is also the folder of account \"a\""), "{said}");
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn f10_an_account_never_delivers_files_of_anothers_folder_through_a_link() {
    let mut world = World::new();
    let daemon = primed(&world);
    assert_eq!(daemon.stop().code(), Some(0));
    world.account("b", "");
    fs::remove_dir(world.folder("b")).unwrap();
    symlink(world.folder("a").join("done"), world.folder("b")).unwrap();
    let daemon = world.start();
    world.wait("the other account to be named", || {
        world.blocked("b").contains("this lies inside the folder of account \"a\"")
    });
    assert_eq!(names(&world.folder("a").join("done")), ["first.txt"]);
    assert_eq!(world.accepted(), ["first.txt"]);
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn f10_a_file_in_the_place_of_a_folder_costs_its_account_alone() {
    let mut world = World::new();
    world.account("b", "");
    fs::remove_dir(world.folder("b")).unwrap();
    fs::write(world.folder("b"), "a file").unwrap();
    let daemon = primed(&world);
    assert!(world.wait_blocked("b").contains("not a folder"), "{}", world.blocked("b"));
    let output = world.run(&["doctor", "--offline"]);
    assert!(stdout(&output).contains("not a folder"), "{output:?}");
    assert_eq!(fs::read(world.folder("b")).unwrap(), b"a file");
    assert_eq!(daemon.stop().code(), Some(0));
}

/// Account `a` gets a job with an unreadable row. Account `b` works on, before and after a restart.
#[track_caller]
fn costs_its_account_alone(set: &str, column: &str) {
    let mut world = World::new();
    world.account("b", "");
    let mut daemon = primed(&world);
    world.fault("upload:before-body:reset:name=bad.txt");
    world.drop_file("a", "bad.txt", tagged("bad"));
    let bad = world.wait_for("bad.txt", "queued");
    let connection = connect_to_write(&world.state_dir());
    connection.execute_batch("PRAGMA ignore_check_constraints = ON").unwrap();
    connection.execute(&format!("UPDATE job SET {set} WHERE id = ?1"), [bad.id]).unwrap();

    for round in 0..2 {
        let name = format!("other{round}.txt");
        world.drop_file("b", &name, tagged(&name));
        arrived_once(&world, &name);
        world.wait("the account to be blocked and the row to be named", || {
            let why = world.blocked("a");
            why.contains(&format!("job {}", bad.id)) && why.contains(column)
        });
        let output = world.run(&["jobs", "list"]);
        assert!(stdout(&output).contains(&name), "{output:?}");
        let said = format!("{}{}", stdout(&output), stderr(&output));
        assert!(said.contains("bad.txt") || said.contains(&format!("job {}", bad.id)), "{said}");
        assert_eq!(world.run(&["status"]).status.code(), Some(0));
        assert!(daemon.is_running(), "{}", world.log());
        if round == 0 {
            assert_eq!(daemon.stop().code(), Some(0));
            daemon = world.start();
        }
    }
    assert_eq!(world.times_accepted("bad.txt"), 0);
    assert!(
        world.log().matches("account a is blocked").count() <= 4,
        "it is reported again and again: {}",
        world.log()
    );
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn f10_a_state_that_is_none_costs_its_account_alone() {
    costs_its_account_alone("state = 'wanting'", "state");
}

#[test]
fn f10_a_kind_that_is_none_costs_its_account_alone() {
    costs_its_account_alone("kind = 'date'", "kind");
}

#[test]
fn f10_a_path_that_cannot_be_decoded_costs_its_account_alone() {
    costs_its_account_alone("path = CAST(x'2f7372762fff' AS TEXT)", "path");
}

#[test]
fn f10_a_hash_that_is_none_costs_its_account_alone() {
    costs_its_account_alone("sha256 = 'abc'", "sha256");
}

#[test]
fn f10_a_hash_of_another_length_costs_its_account_alone() {
    costs_its_account_alone("blake3 = x'00'", "blake3");
}

#[test]
fn f10_a_number_out_of_range_costs_its_account_alone() {
    costs_its_account_alone("attempts = -1", "attempts");
}

/// Account `a` has a job at Adobe that never ends. Account `b` has none.
fn with_an_open_job() -> (World, Daemon, Row) {
    let mut world = World::new();
    world.account("b", "");
    let daemon = primed(&world);
    world.fault("job:status=thinking:name=bad.txt");
    world.drop_file("a", "bad.txt", tagged("bad"));
    let bad = world.wait_for("bad.txt", "processing");
    world.wait("it to be filed", || world.jobs().iter().any(|job| job.id == bad.id && job.path.contains("/sent/")));
    (world, daemon, bad)
}

#[test]
fn f10_a_row_that_cannot_be_followed_costs_its_account_alone() {
    let (world, mut daemon, bad) = with_an_open_job();
    let connection = connect_to_write(&world.state_dir());
    connection.execute("UPDATE job SET remote_job_id = NULL WHERE id = ?1", [bad.id]).unwrap();
    world.wait("the row to be named", || world.blocked("a").contains(&format!("job {}", bad.id)));
    world.drop_file("b", "other.txt", tagged("other"));
    arrived_once(&world, "other.txt");
    assert!(daemon.is_running(), "{}", world.log());
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn f10_a_row_whose_target_is_missing_costs_its_account_alone_at_the_next_start_too() {
    let (world, mut daemon, bad) = with_an_open_job();
    let connection = connect_to_write(&world.state_dir());
    let strange = format!("PRAGMA foreign_keys = off; UPDATE job SET target_id = 999 WHERE id = {}", bad.id);
    connection.execute_batch(&strange).unwrap();
    drop(connection);
    for start in 0..2 {
        world.wait("the row to be named", || world.blocked("a").contains(&format!("job {}", bad.id)));
        let name = format!("other{start}.txt");
        world.drop_file("b", &name, tagged(&name));
        arrived_once(&world, &name);
        assert!(daemon.is_running(), "{}", world.log());
        assert_eq!(daemon.stop().code(), Some(0));
        daemon = world.start();
    }
}

#[test]
fn f10_slow_uploads_of_one_account_leave_a_slot_to_the_others() {
    let mut world = World::new();
    world.account("b", "").api("timeout", "\"20s\"");
    let _daemon = primed(&world);
    world.drop_file("b", "first-of-b.txt", tagged("first of b"));
    arrived_once(&world, "first-of-b.txt");
    world.fault("upload:after-commit:hang:name=slow*");
    for number in 0..6 {
        world.drop_file("a", &format!("slow{number}.txt"), tagged(number));
    }
    world.wait("the slow ones to be on their way", || {
        world.count("file_name GLOB 'slow*' AND state = 'uploading'") == 3
    });
    world.drop_file("b", "sales.txt", tagged("sales"));
    arrived_once(&world, "sales.txt");
    assert_eq!(world.count("file_name GLOB 'slow*' AND state = 'uploading'"), 3, "none of them has ended");
}
