//! Folders that are missing, come and go, or are not what they should be (DESIGN F1 to F5), and a full disk.

use crate::harness::{World, data, names};
use std::fs;
use std::process::Command;

fn status(world: &World) -> String {
    String::from_utf8(world.run(&["status", "--json"]).stdout).unwrap()
}

#[test]
fn a_missing_folder_blocks_its_account_only_and_is_used_once_it_is_there() {
    let mut world = World::new();
    world.account("b", "");
    fs::remove_dir(world.folder("b")).unwrap();
    let _daemon = world.start();
    world.drop_file("a", "sales.txt", data(3));
    world.wait_for("sales.txt", "success");
    assert!(status(&world).contains("does not exist"), "{}", status(&world));
    assert!(!world.folder("b").exists(), "never created");
    fs::create_dir(world.folder("b")).unwrap();
    world.drop_file("b", "late.txt", data(4));
    world.wait_for("late.txt", "success");
    assert_eq!(world.accepted(), ["sales.txt", "late.txt"]);
}

#[test]
fn f4_a_folder_that_goes_and_comes_back_loses_nothing() {
    let world = World::new();
    let _daemon = world.start();
    world.drop_file("a", "first.txt", data(1));
    world.wait_for("first.txt", "success");
    world.drop_file("a", "empty.txt", "");
    world.wait_for("empty.txt", "waiting");
    let away = world.dir.path().join("away");
    fs::rename(world.folder("a"), &away).unwrap();
    world.wait("the account to be blocked", || status(&world).contains("does not exist"));
    // An unmounted share leaves an empty folder behind.
    fs::create_dir(world.folder("a")).unwrap();
    world.wait("the empty folder to be refused", || status(&world).contains("mark .datadrop"));
    assert!(names(&world.folder("a")).is_empty(), "nothing is made in a folder that is not ours");
    assert_eq!(world.wait_for("empty.txt", "waiting").attempts, 0, "nothing is concluded from its absence");

    fs::remove_dir(world.folder("a")).unwrap();
    fs::rename(&away, world.folder("a")).unwrap();
    fs::write(world.folder("a").join("empty.txt"), data(2)).unwrap();
    world.wait_for("empty.txt", "success");
    assert_eq!(world.accepted(), ["first.txt", "empty.txt"]);
}

#[test]
fn f5_what_cannot_be_filed_is_not_sent() {
    let world = World::new();
    fs::write(world.folder("a").join("sent"), "in the way").unwrap();
    let _daemon = world.start();
    world.drop_file("a", "sales.txt", data(3));
    world.wait("the account to be blocked", || status(&world).contains("sub-folder cannot be made"));
    assert!(world.ledger().is_empty());
    fs::remove_file(world.folder("a").join("sent")).unwrap();
    world.wait_for("sales.txt", "success");
}

#[test]
fn f3_a_file_moved_back_by_a_person_is_a_new_file() {
    let world = World::new();
    let _daemon = world.start();
    world.drop_file("a", "bad.txt", "Date\tEvar 1\tEvent 1\n11/20/2026\tonly two\n");
    world.wait_for("bad.txt", "failure");
    let failed = world.folder("a").join("failed/bad.txt");
    world.wait("it to be filed", || failed.exists());
    fs::write(&failed, data(2)).unwrap();
    fs::rename(&failed, world.folder("a").join("bad.txt")).unwrap();
    world.wait_for("bad.txt", "success");
    assert_eq!(world.count("file_name = 'bad.txt'"), 2);
}

#[test]
fn two_daemons_never_share_a_folder() {
    let world = World::new();
    let _daemon = world.start();
    let mut other = World::new();
    other.sections(&format!("[watch]\nrescan = \"1s\"\n[[account]]\nname = \"shared\"\nreport_suite_id = \"s\"\ndata_source_id = 9\nfolder = {:?}\n", world.folder("a")));
    let _second = other.start();
    other.wait("the second to be blocked", || {
        let status = status(&other);
        status.contains("belongs to `a`") || status.contains("another datadrop is at work")
    });
    world.drop_file("a", "sales.txt", data(3));
    world.wait_for("sales.txt", "success");
    assert!(other.ledger().is_empty());
}

/// A file system of its own that a test can fill; gone with it. `None` where that takes rights that are not there.
struct SmallDisk(std::path::PathBuf);

impl SmallDisk {
    fn mount(at: std::path::PathBuf) -> Option<Self> {
        fs::create_dir_all(&at).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=6m", "tmpfs"]).arg(&at).output();
        mounted.is_ok_and(|output| output.status.success()).then_some(Self(at))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Promise 5 where the disk is full: nothing is sent that cannot be written down, and it goes on by itself.
#[test]
fn a_full_disk_under_the_job_log_stops_sending_until_there_is_room() {
    let world = World::new();
    let Some(disk) = SmallDisk::mount(world.state_dir()) else {
        eprintln!("SKIPPED: a file system to fill can only be mounted by root");
        return;
    };
    let daemon = world.start();
    world.drop_file("a", "first.txt", data(1));
    world.wait_for("first.txt", "success");
    let ballast = disk.0.join("ballast");
    let mut filled = fs::File::create(&ballast).unwrap();
    // To the last byte.
    while std::io::Write::write(&mut filled, &[0; 4096]).is_ok_and(|written| written > 0) {}
    for index in 0..40 {
        world.drop_file("a", &format!("sales-{index}.txt"), data(index + 2));
    }
    world.wait("the full disk to be noticed", || world.log().contains("job log cannot be written"));
    drop(filled);
    fs::remove_file(&ballast).unwrap();
    world.wait("all to be done", || world.count("state = 'success'") == 41);
    let mut accepted = world.accepted();
    accepted.sort();
    accepted.dedup();
    assert_eq!((accepted.len(), world.ledger().len()), (41, 41), "each once");
    assert!(world.log().contains("can be written again"));
    assert_eq!(daemon.stop().code(), Some(0));
}
