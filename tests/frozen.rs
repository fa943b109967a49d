//! A disk that does not respond: every write hangs, and even `kill -9` waits until the disk is back.

use crate::harness::{Daemon, Disk, World, arrived_once, names, tagged};
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::time::Duration;

/// The value of `WatchdogSec=`.
const WATCHDOG: Duration = Duration::from_secs(3);

fn start(world: &World) -> Daemon {
    let watchdog = WATCHDOG.as_micros().to_string();
    let daemon =
        Daemon::start_with(world.dir.path(), &world.write_config(), &[], &[("WATCHDOG_USEC", watchdog.as_str())]);
    daemon.wait_ready();
    daemon
}

#[test]
fn a_folder_on_a_disk_that_does_not_answer_stops_its_own_account_alone_until_it_does() {
    let mut world = World::new();
    world.account("b", "");
    let Some(disk) = Disk::mount(&world.folder("a")) else { return };
    let mut daemon = start(&world);
    let rename_in = |name: &str| {
        let hidden = world.folder("a").join(format!(".{name}"));
        fs::write(&hidden, tagged(name)).unwrap();
        fs::rename(hidden, world.folder("a").join(name)).unwrap();
    };
    rename_in("first.txt");
    world.wait_for("first.txt", "success");
    world.fault("upload:slow=2s:name=late.txt:n=1");
    rename_in("late.txt");
    world.wait("the server to take it", || world.times_accepted("late.txt") == 1);
    let frozen = disk.freeze();

    // The daemon must now file it, which hangs.
    world.wait_long("the folder to be named", || world.blocked("a").contains("does not answer"));
    let folder = world.folder("a").display().to_string();
    assert!(world.blocked("a").contains(&folder), "{}", world.blocked("a"));
    let told = format!("account a: {folder}: the folder does not answer");
    assert_eq!(world.log().matches(&told).count(), 1, "{}", world.log());
    world.drop_file("b", "other.txt", tagged("other"));
    arrived_once(&world, "other.txt");
    daemon.wait_notified("WATCHDOG=1");
    assert!(daemon.is_running() && !world.log().contains("no sign of life"), "{}", world.log());
    assert_eq!(world.blocked("b"), "");

    drop(frozen);
    world.wait("the folder to be used again", || world.log().contains("account a goes on"));
    rename_in("next.txt");
    arrived_once(&world, "next.txt");
    arrived_once(&world, "late.txt");
    world.wait("all to be filed", || names(&world.folder("a").join("done")) == ["first.txt", "late.txt", "next.txt"]);
    assert_eq!(world.blocked("a"), "");
    assert_eq!(world.accepted(), ["first.txt", "late.txt", "other.txt", "next.txt"]);
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn a_job_log_on_a_disk_that_does_not_answer_starves_the_watchdog_and_nothing_is_lost_or_sent_twice() {
    let world = World::new();
    let Some(disk) = Disk::mount(&world.state_dir()) else { return };
    let mut daemon = start(&world);
    world.drop_file("a", "first.txt", tagged("first"));
    world.wait_for("first.txt", "success");
    // The upload is in flight: the server has it, and answers a little later.
    world.fault("upload:slow=2s:name=late.txt:n=1");
    world.drop_file("a", "late.txt", tagged("late"));
    world.wait("the server to take it", || world.times_accepted("late.txt") == 1);
    let frozen = disk.freeze();

    // The test must not read the job log from here on, because that would hang too.
    world.drop_file("a", "meanwhile.txt", tagged("meanwhile"));
    let starves = daemon.starves(WATCHDOG);
    let sent = world.accepted();
    // systemd sends the same signal. The process cannot end before the disk responds.
    daemon.signal("ABRT");
    drop(frozen);
    assert!(starves, "{}", world.log());
    assert_eq!(sent, ["first.txt", "late.txt"], "nothing is sent that cannot be written down first");
    assert_eq!(daemon.wait_exit().signal(), Some(6));

    let daemon = start(&world);
    arrived_once(&world, "late.txt");
    arrived_once(&world, "meanwhile.txt");
    world.wait("all to be filed", || names(&world.folder("a").join("done")).len() == 3);
    assert_eq!(world.accepted(), ["first.txt", "late.txt", "meanwhile.txt"]);
    assert_eq!(daemon.stop().code(), Some(0));
}
