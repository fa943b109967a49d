//! A file that is still being written is never sent (promise 2; DESIGN R1 to R6).

use crate::harness::{World, data, names};
use std::fs::{self, File};
use std::io::Write as _;
use std::time::Duration;

/// A pause of the writer, longer than `watch.settle`.
const PAUSE: Duration = Duration::from_millis(300);

fn rows_accepted(world: &World, name: &str) -> Option<i64> {
    world.jobs().into_iter().rfind(|job| job.file_name == name).and_then(|job| job.rows_processed)
}

#[test]
fn r3_r5_a_slow_writer_that_pauses_longer_than_settle_is_never_cut_short() {
    let world = World::new();
    let _daemon = world.start();
    let content = data(1000);
    let mut file = File::create(world.folder("a").join("slow.txt")).unwrap();
    for chunk in content.as_bytes().chunks(content.len() / 5 + 1) {
        file.write_all(chunk).unwrap();
        std::thread::sleep(PAUSE);
        assert!(world.ledger().is_empty(), "sent while it was being written");
    }
    assert_eq!(world.wait_for("slow.txt", "waiting").attempts, 0);
    drop(file);
    world.wait_for("slow.txt", "success");
    assert_eq!((world.accepted().len(), rows_accepted(&world, "slow.txt")), (1, Some(1000)));
}

#[test]
fn r5_a_file_renamed_while_its_writer_goes_on_waits_for_the_writer() {
    let world = World::new();
    let _daemon = world.start();
    let hidden = world.folder("a").join(".being-written");
    let mut file = File::create(&hidden).unwrap();
    file.write_all(data(10).as_bytes()).unwrap();
    fs::rename(&hidden, world.folder("a").join("renamed.txt")).unwrap();
    std::thread::sleep(PAUSE);
    file.write_all(b"11/20/2026\tlast\t1\n").unwrap();
    std::thread::sleep(PAUSE);
    assert!(world.ledger().is_empty());
    drop(file);
    world.wait_for("renamed.txt", "success");
    assert_eq!(rows_accepted(&world, "renamed.txt"), Some(11));
}

#[test]
fn r4_an_old_date_proves_nothing_and_a_hard_link_is_noticed() {
    let world = World::new();
    let daemon = world.start();
    daemon.signal("STOP");
    let outside = world.dir.path().join("outside");
    fs::write(&outside, data(3)).unwrap();
    fs::hard_link(&outside, world.folder("a").join("linked.txt")).unwrap();
    let copied = world.folder("a").join("copied.txt");
    fs::write(&copied, data(4)).unwrap();
    File::options().write(true).open(&copied).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    daemon.signal("CONT");
    world.wait_for("linked.txt", "success");
    world.wait_for("copied.txt", "success");
    assert_eq!(world.ledger().len(), 2);
}

#[test]
fn r2_a_marker_that_comes_after_its_file_ends_the_wait() {
    let mut world = World::new();
    world
        .set("settle = \"200ms\"", "settle = \"10m\"")
        .set("settle_unwatched = \"300ms\"", "settle_unwatched = \"10m\"");
    let _daemon = world.start();
    fs::write(world.folder("a").join("sales.txt"), data(3)).unwrap();
    world.wait_for("sales.txt", "waiting");
    fs::write(world.folder("a").join("other.fin"), "").unwrap();
    world.drop_file("a", "sales.fin", "");
    world.wait_for("sales.txt", "success");
    world.wait_for("sales.fin", "success");
    assert_eq!(world.accepted(), ["sales.txt", "sales.fin"]);
}

#[test]
fn r6_an_account_that_requires_markers_waits_for_them() {
    let mut world = World::new();
    world.account("a", "wait_for_fin = true");
    let _daemon = world.start();
    world.drop_file("a", "sales.txt", data(3));
    let job = world.wait_for("sales.txt", "waiting");
    world.wait("the reason to be there", || world.jobs()[0].why().contains("marker"));
    assert_eq!(job.attempts, 0);
    world.drop_file("a", "sales.fin", "");
    world.wait_for("sales.fin", "success");
    assert_eq!(world.accepted(), ["sales.txt", "sales.fin"]);
}

#[test]
fn polling_serves_where_events_do_not() {
    let mut world = World::new();
    world.set("rescan = \"2s\"", "rescan = \"300ms\"\nmode = \"poll\"");
    let _daemon = world.start();
    world.drop_file("a", "renamed.txt", data(3));
    fs::write(world.folder("a").join("copied.txt"), data(4)).unwrap();
    world.wait_for("renamed.txt", "success");
    world.wait_for("copied.txt", "success");
    assert_eq!(world.ledger().len(), 2);
}

/// More events than the kernel's queue holds: 16,384 by default, about four for each file.
#[test]
fn lost_events_are_made_up_for_by_a_scan() {
    let world = World::new();
    let daemon = world.start();
    let limit: usize = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .unwrap_or(16_384);
    if limit > 20_000 {
        eprintln!("SKIPPED: the queue holds {limit} events, too many to fill in a test");
        return;
    }
    daemon.signal("STOP");
    let noise = world.folder("a").join(".noise");
    for index in 0..limit {
        fs::write(&noise, index.to_string()).unwrap();
    }
    for index in 0..50 {
        fs::write(world.folder("a").join(format!("late-{index}.txt")), data(index + 1)).unwrap();
    }
    daemon.signal("CONT");
    world.wait("all to be done", || world.count("state = 'success'") == 50);
    assert_eq!(world.ledger().len(), 50);
    assert!(world.log().contains("events were lost"), "{}", world.log());
}

#[test]
fn sigusr1_scans_at_once() {
    let mut world = World::new();
    world.set("rescan = \"2s\"", "rescan = \"1h\"\nmode = \"poll\"");
    let daemon = world.start();
    world.drop_file("a", "sales.txt", data(3));
    daemon.signal("USR1");
    world.wait_for("sales.txt", "success");
    assert_eq!(names(&world.folder("a")), ["done", "failed", "held", "sent"]);
}
