//! A disk that does not answer: what writes to it hangs, and not even `kill -9` ends it before the disk is back.

use crate::harness::{Daemon, World, arrived_once, names, skipped, tagged};
use std::fs;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The value of `WatchdogSec=`.
const WATCHDOG: Duration = Duration::from_secs(3);

/// A small disk of the test's own, unmounted when dropped.
struct Disk {
    at: PathBuf,
    /// Sees to it that the disk answers and is unmounted, also where the test was killed: then the pipe to it is closed.
    keeper: Child,
}

impl Disk {
    /// `None`, with a message, where there are no such disks.
    fn mount(at: &Path) -> Option<Self> {
        const MAKE: &str = "truncate -s 64M \"$0\" && mke2fs -q -t ext4 \"$0\" && mkdir -p \"$1\" && \
                            mount -o loop \"$0\" \"$1\" && rmdir \"$1/lost+found\" && fsfreeze -f \"$1\" && fsfreeze -u \"$1\"";
        const KEEP: &str = "read -r _; fsfreeze -u \"$0\" 2>&-; umount -l \"$0\"";
        let made = Command::new("sh").args(["-c", MAKE]).arg(at.with_extension("disk")).arg(at).output().unwrap();
        if !made.status.success() {
            let why = String::from_utf8_lossy(&made.stderr).trim().to_owned();
            skipped(&format!("no disk that can be frozen is to be had here (it takes root and a loop device): {why}"));
            let _ = Command::new("umount").arg(at).output();
            return None;
        }
        // In a group of its own: what ends the test from the terminal leaves it alone.
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEP]).arg(at).stdin(Stdio::piped()).process_group(0);
        Some(Self { at: at.to_owned(), keeper: keeper.spawn().unwrap() })
    }

    /// From here on it answers no write until what is returned is dropped.
    fn freeze(&self) -> Frozen<'_> {
        assert!(Command::new("fsfreeze").arg("-f").arg(&self.at).status().unwrap().success());
        Frozen(self)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

/// Declared behind the daemon, so that it is dropped before: a process that hangs on the disk cannot be waited for.
struct Frozen<'a>(&'a Disk);

impl Drop for Frozen<'_> {
    fn drop(&mut self) {
        let _ = Command::new("fsfreeze").arg("-u").arg(&self.0.at).status();
    }
}

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

    // Now it has to be filed, which hangs.
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
    // On its way: the server has it, and answers a little later.
    world.fault("upload:slow=2s:name=late.txt:n=1");
    world.drop_file("a", "late.txt", tagged("late"));
    world.wait("the server to take it", || world.times_accepted("late.txt") == 1);
    let frozen = disk.freeze();

    // No look at the job log from here on: it would hang as well.
    world.drop_file("a", "meanwhile.txt", tagged("meanwhile"));
    let starves = daemon.starves(WATCHDOG);
    let sent = world.accepted();
    // As systemd does it. The process cannot end before the disk answers.
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
