//! Faults of the machine: full, read-only or missing disks, renames that fail, and no inotify events.

use crate::harness::{Daemon, World, arrived_once, names, tagged};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mount of this test. Dropping it unmounts.
struct Mounted(PathBuf);

impl Mounted {
    /// If only an administrator can mount, prints a message and returns `None`.
    fn new(at: &Path, arguments: &[&str]) -> Option<Self> {
        fs::create_dir_all(at).unwrap();
        let mounted = Command::new("mount").args(arguments).arg(at).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(Self(at.to_owned()));
        }
        eprintln!("skipped: a file system can only be mounted by root");
        None
    }

    /// A small, separate file system.
    fn disk(at: &Path) -> Option<Self> {
        Self::new(at, &["-t", "tmpfs", "-o", "size=16m,mode=0755", "tmpfs"])
    }

    fn remount(&self, options: &str) {
        let status = Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(&self.0).status().unwrap();
        assert!(status.success());
    }

    /// Fills the disk up to the last byte.
    fn fill(&self) -> PathBuf {
        use std::io::Write as _;
        let path = self.0.join(".filler");
        let mut file = fs::File::create(&path).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
        path
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Drops a file like a producer that cannot rename from another file system: under a hidden name, then renamed.
fn rename_in(world: &World, name: &str) {
    let hidden = world.folder("a").join(format!(".{name}"));
    if !hidden.exists() {
        fs::write(&hidden, tagged(name)).unwrap();
    }
    fs::rename(hidden, world.folder("a").join(name)).unwrap();
}

/// A daemon that has delivered a file from a folder that is a mount.
fn primed_by_rename(world: &World) -> Daemon {
    let daemon = world.start();
    rename_in(world, "first.txt");
    world.wait_for("first.txt", "success");
    daemon
}

#[test]
fn p5_a_full_disk_under_the_job_log_stops_sending_until_there_is_room() {
    const FILES: usize = 100;
    let world = World::new();
    let Some(disk) = Mounted::disk(&world.state_dir()) else { return };
    let mut daemon = world.start();
    world.drop_file("a", "before.txt", tagged("before"));
    world.wait_for("before.txt", "success");
    let filler = disk.fill();
    let contents: Vec<_> = (0..FILES).map(|number| (format!("file{number:03}.txt"), tagged(number))).collect();
    for (name, content) in &contents {
        world.drop_file("a", name, content);
    }
    world.wait("the full disk to be noticed", || world.log().contains("the job log cannot be written"));
    let sent = world.accepted().len();
    assert!(sent < 1 + FILES, "{sent} accepted with a full disk");
    assert!(daemon.is_running());
    fs::remove_file(filler).unwrap();
    world.wait("it to go on", || world.log().contains("the job log can be written again"));
    for (name, _) in &contents {
        world.wait_for(name, "success");
    }
    let before = tagged("before");
    let mut files: Vec<_> = contents.iter().map(|(name, content)| ("a", name.as_str(), content.as_slice())).collect();
    files.push(("a", "before.txt", &before));
    world.assert_delivered(&files);
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn a_full_disk_under_the_folder_keeps_nothing_from_being_sent_and_filed() {
    let world = World::new();
    let Some(disk) = Mounted::disk(&world.folder("a")) else { return };
    let _daemon = primed_by_rename(&world);
    // The files exist before the disk is full, under hidden names, as a producer would write them.
    let inbox = world.folder("a");
    for name in ["good.txt", "bad.txt"] {
        fs::write(inbox.join(format!(".{name}")), tagged(name)).unwrap();
    }
    world.fault("upload:after-body:refuse=422:n=1:name=bad.txt");
    let filler = disk.fill();
    for name in ["good.txt", "bad.txt"] {
        rename_in(&world, name);
    }
    arrived_once(&world, "good.txt");
    world.wait_for("bad.txt", "rejected");
    world.wait("both to be filed", || {
        names(&inbox.join("done")) == ["first.txt", "good.txt"] && inbox.join("failed/bad.txt").exists()
    });
    // If the `.why` cannot be written, the log reports that.
    world.wait("the missing explanation to be told", || world.log().contains("no .why can be written beside bad.txt"));
    fs::remove_file(filler).unwrap();
}

#[test]
fn f5_nothing_is_sent_from_a_folder_that_has_become_read_only_until_it_can_be_written_to_again() {
    let mut world = World::new();
    world.account("b", "");
    let Some(disk) = Mounted::disk(&world.folder("a")) else { return };
    let daemon = primed_by_rename(&world);
    disk.remount("ro");
    world.wait("it to be noticed", || world.blocked("a").contains("Read-only file system"));
    // The first remedy, a restart, does not help here. The second one does.
    daemon.stop();
    let _daemon = world.start();
    world.wait("it to be told again", || world.blocked("a").contains("mount it for writing"));
    world.drop_file("b", "other.txt", tagged("other"));
    arrived_once(&world, "other.txt");
    disk.remount("rw");
    rename_in(&world, "sales.txt");
    arrived_once(&world, "sales.txt");
    assert_eq!(world.accepted(), ["first.txt", "other.txt", "sales.txt"]);
}

#[test]
fn f1_a_move_that_fails_for_a_while_is_made_later_and_its_file_sent_once() {
    let world = World::new();
    let sent = world.folder("a").join("sent");
    let _daemon = primed_by_rename(&world);
    world.fault("upload:before-body:503:n=2:name=sales.txt");
    world.drop_file("a", "sales.txt", tagged("sales"));
    world.wait("it to be tried", || world.count("file_name = 'sales.txt' AND attempts > 0") == 1);
    // Between two attempts `sent/` becomes another file system, into which no rename is possible.
    let Some(in_the_way) = Mounted::disk(&sent) else { return };
    world.wait("the move to fail", || world.blocked("a").contains("sent"));
    drop(in_the_way);
    let job = world.wait_for("sales.txt", "success");
    world.wait("it to be filed", || names(&world.folder("a").join("done")).contains(&"sales.txt".to_owned()));
    assert_eq!(world.times_accepted("sales.txt"), 1, "{job:?}");
}

#[test]
fn f4_a_folder_that_is_unmounted_and_mounted_again_loses_nothing() {
    let world = World::new();
    let share = world.dir.path().join("share");
    fs::create_dir(&share).unwrap();
    let inbox = world.folder("a");
    let mount = || Mounted::new(&inbox, &["--bind", share.to_str().unwrap()]);
    let Some(mounted) = mount() else { return };
    let _daemon = primed_by_rename(&world);
    drop(mounted);
    world.wait("it to be noticed", || !world.blocked("a").is_empty());
    assert_eq!(names(&inbox), [""; 0], "nothing is made where a share should be");
    fs::write(share.join("meanwhile.txt"), tagged("meanwhile")).unwrap();
    let _mounted = mount();
    arrived_once(&world, "meanwhile.txt");
    assert_eq!(world.accepted(), ["first.txt", "meanwhile.txt"]);
}

#[test]
fn without_a_watch_to_be_had_the_folder_is_scanned_and_the_log_says_so() {
    let world = World::new();
    let config = world.write_config();
    let limit = "echo 0 > /proc/sys/user/max_inotify_watches || exit 9; exec \"$0\" \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "sh", "-c", limit]).arg(env!("CARGO_BIN_EXE_datadrop"));
    let mut daemon = Daemon::start_by(command, world.dir.path(), &config, &[], &[]);
    let mut refused = false;
    world.wait("it to be ready", || {
        refused = !daemon.is_running();
        refused || world.log().contains("ready: 1 account")
    });
    if refused && !world.log().contains("datadrop") {
        eprintln!("skipped: no user namespace can be made here: {}", world.log());
        return;
    }
    assert!(world.log().contains("no file events"), "{}", world.log());
    world.drop_file("a", "sales.txt", tagged("sales"));
    arrived_once(&world, "sales.txt");
}
