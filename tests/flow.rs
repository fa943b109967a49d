//! The main flow: a dropped file arrives once, and the job log records it.

use crate::harness::{World, data, names};
use sha2::Digest as _;

fn hex_sha256(content: &[u8]) -> String {
    datadrop::job::Sha256::new(sha2::Sha256::digest(content).into()).to_string()
}

#[test]
fn a_dropped_file_arrives_once_and_the_job_log_says_so() {
    let world = World::new();
    let daemon = world.start();
    let content = data(7);
    world.drop_file("a", "sales.txt", &content);
    let job = world.wait_for("sales.txt", "success");

    assert_eq!((job.rows_expected, job.rows_processed, job.attempts), (Some(7), Some(7), 1));
    assert_eq!(job.sha256.as_deref(), Some(hex_sha256(content.as_bytes()).as_str()));
    let ledger = world.ledger();
    assert_eq!(ledger.len(), 1);
    assert_eq!((ledger[0].name.as_str(), ledger[0].sha256.as_str()), ("sales.txt", job.sha256.as_deref().unwrap()));
    assert_eq!(Some(ledger[0].job_id.0), job.remote_job_id);
    world.wait("the file to be filed", || names(&world.folder("a").join("done")) == ["sales.txt"]);
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn a_marker_is_sent_after_its_data_file_and_each_points_at_the_other() {
    let world = World::new();
    let _daemon = world.start();
    world.drop_file("a", "sales.fin", "");
    world.wait_for("sales.fin", "waiting");
    world.drop_file("a", "sales.txt", data(3));
    let marker = world.wait_for("sales.fin", "success");
    let file = world.wait_for("sales.txt", "success");
    assert_eq!(world.accepted(), ["sales.txt", "sales.fin"]);
    assert_eq!((file.pair_id, marker.pair_id), (Some(marker.id), Some(file.id)));
}

#[test]
fn failures_and_lost_rows_are_distinguished_and_filed() {
    let world = World::new();
    let _daemon = world.start();
    world.drop_file("a", "lost.txt", "Date\tEvar 1\tEvent 1\n11/20/2026\ta;b\t1\n11/20/2026\tc\t1\n");
    world.drop_file("a", "bad.txt", "Date\tEvar 1\tEvent 1\n11/20/2026\tonly two\n");
    let partial = world.wait_for("lost.txt", "partial");
    assert_eq!((partial.rows_expected, partial.rows_processed), (Some(2), Some(1)));
    assert!(partial.why().contains("1 of 2 rows"), "{}", partial.why());
    world.wait_for("bad.txt", "failure");
    world.wait("both to be filed", || {
        names(&world.folder("a").join("done")) == ["lost.txt"]
            && names(&world.folder("a").join("failed")) == ["bad.txt", "bad.txt.why"]
    });
}

#[test]
fn a_missing_marker_is_made_if_the_account_says_so() {
    let mut world = World::new();
    world.account("a", "fin = \"generate\"");
    let _daemon = world.start();
    world.drop_file("a", "alone.txt", data(3));
    world.drop_file("a", "both.txt", data(4));
    world.drop_file("a", "both.fin", "");
    world.wait_for("alone.fin", "success");
    world.wait_for("both.fin", "success");
    world.wait("all to be filed", || names(&world.folder("a").join("done")).len() == 4);
    let mut accepted = world.accepted();
    accepted.sort();
    assert_eq!(accepted, ["alone.fin", "alone.txt", "both.fin", "both.txt"]);
}

#[test]
fn a_marker_is_not_sent_if_the_account_says_so() {
    let mut world = World::new();
    world.account("a", "fin = \"local\"");
    let _daemon = world.start();
    world.drop_file("a", "sales.txt", data(3));
    world.drop_file("a", "sales.fin", "");
    let marker = world.wait_for("sales.fin", "success");
    assert_eq!((marker.attempts, marker.why()), (0, "local"));
    world.wait_for("sales.txt", "success");
    assert_eq!(world.accepted(), ["sales.txt"]);
}

#[test]
fn a_marker_that_came_to_nothing_does_not_keep_the_next_one_from_its_file() {
    let world = World::new();
    let _daemon = world.start();
    world.drop_file("a", "sales.txt", data(3));
    world.wait_for("sales.txt", "success");
    world.drop_file("a", "sales.fin", "not empty");
    world.wait_for("sales.fin", "rejected");
    world.drop_file("a", "sales.fin", "");
    world.wait_for("sales.fin", "success");
    assert_eq!(world.accepted(), ["sales.txt", "sales.fin"]);
}

#[test]
fn a_marker_whose_data_file_is_replaced_waits_for_the_new_content() {
    let world = World::new();
    let _daemon = world.start();
    world.drop_file("a", "first.txt", data(1));
    world.wait_for("first.txt", "success");
    world.emulator().add_fault("upload:before-body:503".parse().unwrap());
    world.drop_file("a", "sales.txt", data(5));
    world.drop_file("a", "sales.fin", "");
    world.wait_for("sales.fin", "queued");
    world.drop_file("a", "sales.txt", data(6));
    world.wait("the old job to end", || world.count("state = 'cancelled'") == 1);
    world.emulator().clear_faults();
    world.wait_for("sales.fin", "success");
    assert_eq!(world.accepted(), ["first.txt", "sales.txt", "sales.fin"]);
    assert_eq!(world.wait_for("sales.txt", "success").rows_processed, Some(6));
}
