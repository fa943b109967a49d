//! Sent files stay in view: datadrop reports what is written into them later, with the number of rows that were not
//! sent (DESIGN F2).

use crate::harness::{Hook, Row, World, connect, data, quick, tagged};
use datadrop::emulator::EmulatorOptions;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

const ROW: &str = "11/20/2026\tlater\t1\n";

/// Opens a file for appending.
fn append_to(path: &Path) -> File {
    File::options().append(true).open(path).unwrap()
}

#[track_caller]
fn wait_for_reason(world: &World, name: &str, says: &str) -> Row {
    let condition = format!("file_name = '{name}' AND reason LIKE '%{says}%'");
    world.wait(&format!("{name} to be told of: {says}"), || world.count(&condition) == 1);
    world.jobs().into_iter().find(|job| job.file_name == name).unwrap()
}

#[test]
fn f2_later_writes_to_a_sent_file_are_reported_with_the_unsent_rows() {
    let hook = Hook::start();
    let mut world = World::with_emulator(EmulatorOptions { processing: Duration::from_secs(3), ..quick() });
    let alerts = format!("[[alert]]\non = [\"partial\"]\nwebhook = {:?}\n[upload]\n", hook.url("/told"));
    world.set("[upload]\n", &alerts);
    let daemon = world.start();
    let (sent, done) = (world.folder("a").join("sent"), world.folder("a").join("done"));
    for name in ["open.txt", "cut.txt", "early.txt", "touched.txt", "other.txt"] {
        let end = if name == "cut.txt" { "1" } else { "1\n" };
        world.drop_file("a", name, [data(3), format!("11/20/2026\t{name}\t{end}")].concat());
    }
    world.wait("them to be filed", || world.count("path LIKE '%/sent/%'") == 5);
    // Opened before the move to `done/`, and written to after it.
    let mut open = append_to(&sent.join("open.txt"));
    append_to(&sent.join("early.txt")).write_all(ROW.as_bytes()).unwrap();
    let early = wait_for_reason(&world, "early.txt", "changed after it was sent: 1 row was added");
    assert!(["uploaded", "processing", "partial"].contains(&early.state.as_str()), "{early:?}");
    world.wait_for("early.txt", "partial");
    for name in ["open.txt", "cut.txt", "touched.txt", "other.txt"] {
        world.wait_for(name, "success");
        world.wait("it to be filed", || done.join(name).exists());
    }
    open.write_all(ROW.repeat(2).as_bytes()).unwrap();
    File::open(done.join("touched.txt")).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
    fs::write(done.join("other.txt"), tagged("another file")).unwrap();
    let opened = wait_for_reason(&world, "open.txt", "changed after it was sent: 2 rows were added");
    assert_eq!((opened.state.as_str(), opened.rows_processed), ("partial", Some(4)));
    let other = wait_for_reason(&world, "other.txt", "changed after it was sent: its file holds other content by now");
    assert_eq!(other.state, "partial");
    open.write_all(ROW.as_bytes()).unwrap();
    wait_for_reason(&world, "open.txt", "changed after it was sent: 3 rows were added");
    append_to(&done.join("cut.txt")).write_all(b"0\n").unwrap();
    wait_for_reason(&world, "cut.txt", "changed after it was sent: its last line was continued");
    // Waits for the first alert only, because the following ones wait for each other.
    world.wait("an alert", || {
        let told = hook.alerts().iter().map(ToString::to_string).collect::<String>();
        ["early.txt", "1 row was added"].iter().all(|what| told.contains(what))
    });
    assert_eq!(world.wait_for("touched.txt", "success").reason, None);
    // The summary of ended jobs follows.
    let ended = |state: &str| {
        let sql = format!("SELECT jobs FROM ended WHERE state = '{state}'");
        connect(&world.state_dir()).unwrap().query_row(&sql, [], |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!((ended("success"), ended("partial")), (1, 4));
    assert_eq!(world.accepted().len(), 5, "nothing is sent of it");
    assert_eq!(daemon.stop().code(), Some(0));

    // Reported once: a restart does not repeat it.
    let events = || world_events(&world);
    let before = events();
    let daemon = world.start();
    append_to(&done.join("touched.txt")).write_all(ROW.as_bytes()).unwrap();
    wait_for_reason(&world, "touched.txt", "1 row was added");
    assert_eq!(events(), before + 1);
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn f2_writes_through_a_descriptor_opened_before_the_move_are_reported() {
    let world = World::with_emulator(EmulatorOptions { processing: Duration::from_secs(2), ..quick() });
    let _daemon = world.start();
    world.fault("upload:slow=1s:name=*.txt");
    let mut open = ["early.txt", "late.txt"].map(|name| {
        let path = world.drop_file("a", name, tagged(name));
        world.wait("the server to have it", || world.times_accepted(name) == 1);
        let file = append_to(&path);
        world.wait("it to be filed", || world.count(&format!("path LIKE '%/sent/{name}'")) == 1);
        assert!(!path.exists());
        file
    });
    open[0].write_all(ROW.as_bytes()).unwrap();
    wait_for_reason(&world, "early.txt", "changed after it was sent: 1 row was added");
    world.wait_for("early.txt", "partial");
    world.wait_for("late.txt", "success");
    open[1].write_all(ROW.repeat(2).as_bytes()).unwrap();
    wait_for_reason(&world, "late.txt", "changed after it was sent: 2 rows were added");
    world.wait_for("late.txt", "partial");
    assert_eq!(world.accepted(), ["early.txt", "late.txt"], "nothing is sent of it");
}

/// Number of recorded changes.
fn world_events(world: &World) -> i64 {
    let sql = "SELECT count(*) FROM job_event WHERE event = 'changed'";
    connect(&world.state_dir()).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
}
