//! The account's folder: its owner, its changes, and what datadrop never does in a folder that may be the wrong one.

use crate::harness::{Bound, Daemon, World, arrived_once, data, names, primed, stdout, tagged};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

const SUB_FOLDERS: [&str; 4] = ["done", "failed", "held", "sent"];

fn wait_blocked(world: &World, account: &str, words: &str) {
    world.wait(&format!("{account} to be blocked: {words}"), || world.blocked(account).contains(words));
}

fn wait_free(world: &World, account: &str) {
    world.wait(&format!("{account} to go on"), || world.blocked(account).is_empty());
}

/// Everything in a directory, including hidden files.
fn everything(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn f4_a_missing_folder_blocks_its_account_alone_and_is_used_once_it_is_there() {
    let mut world = World::new();
    world.account("b", "");
    fs::remove_dir(world.folder("a")).unwrap();
    let _daemon = world.start();
    wait_blocked(&world, "a", "does not exist");
    world.drop_file("b", "other.txt", tagged("other"));
    world.wait_for("other.txt", "success");
    assert!(!world.folder("a").exists(), "a missing folder is never created");

    fs::create_dir(world.folder("a")).unwrap();
    wait_free(&world, "a");
    world.drop_file("a", "sales.txt", tagged("sales"));
    world.wait_for("sales.txt", "success");
    world.assert_delivered(&[("b", "other.txt", &tagged("other")), ("a", "sales.txt", &tagged("sales"))]);
}

#[test]
fn f4_f6_a_folder_that_goes_away_and_comes_back_loses_nothing() {
    let world = World::new();
    world.fault("upload:429=0");
    let daemon = world.start();
    world.drop_file("a", "queued.txt", tagged("queued"));
    world.drop_file("a", "lone.fin", "");
    world.drop_file("a", "empty.txt", "");
    world.wait("them to be taken in", || world.jobs().len() == 3);
    let away = world.dir.path().join("away");
    fs::rename(world.folder("a"), &away).unwrap();
    wait_blocked(&world, "a", "does not exist");
    world.emulator().clear_faults();
    daemon.signal("USR1");
    fs::write(away.join("meanwhile.txt"), tagged("meanwhile")).unwrap();
    assert!(!world.folder("a").exists());
    fs::rename(&away, world.folder("a")).unwrap();
    wait_free(&world, "a");
    world.wait_for("queued.txt", "success");
    world.wait_for("meanwhile.txt", "success");
    assert_eq!(world.wait_for("lone.fin", "waiting").why(), "waits for its data file");
    world.wait_for("empty.txt", "waiting");
    assert_eq!(world.jobs().len(), 4);
    world.assert_delivered(&[("a", "queued.txt", &tagged("queued")), ("a", "meanwhile.txt", &tagged("meanwhile"))]);
}

#[test]
fn f4_another_folder_in_its_place_is_left_as_it_is() {
    let world = World::new();
    world.fault("upload:429=0");
    let daemon = world.start();
    world.drop_file("a", "queued.txt", tagged("queued"));
    world.wait("it to be taken in", || world.jobs().len() == 1);
    let away = world.dir.path().join("away");
    fs::rename(world.folder("a"), &away).unwrap();
    fs::create_dir(world.folder("a")).unwrap();
    fs::write(world.folder("a").join("stranger.txt"), tagged("stranger")).unwrap();
    wait_blocked(&world, "a", "should carry the mark");
    world.emulator().clear_faults();
    // Two more scans, and a restart.
    daemon.signal("USR1");
    daemon.stop();
    let _daemon = world.start();
    wait_blocked(&world, "a", "should carry the mark");
    assert_eq!(everything(&world.folder("a")), [world.folder("a").join("stranger.txt")]);
    let jobs = world.jobs();
    assert!(jobs.len() == 1 && jobs[0].state == "queued", "{jobs:?}");
    assert!(world.ledger().is_empty());

    fs::remove_dir_all(world.folder("a")).unwrap();
    fs::rename(&away, world.folder("a")).unwrap();
    world.wait_for("queued.txt", "success");
    world.assert_delivered(&[("a", "queued.txt", &tagged("queued"))]);
}

#[test]
fn f4_a_file_in_the_place_of_the_folder_blocks_its_account_at_start_and_while_running() {
    let mut world = World::new();
    world.account("b", "");
    let daemon = world.start();
    fs::rename(world.folder("a"), world.dir.path().join("away")).unwrap();
    wait_blocked(&world, "a", "does not exist");
    fs::write(world.folder("a"), "a file").unwrap();
    world.wait("it to be noticed", || world.log().contains("not a folder"));
    world.drop_file("b", "other.txt", tagged("other"));
    world.wait_for("other.txt", "success");
    daemon.stop();
    // Loading the configuration opens no folder (DESIGN F10), so the other accounts are served.
    let _daemon = world.start();
    wait_blocked(&world, "a", "not a folder");
    assert_eq!(fs::read(world.folder("a")).unwrap(), b"a file");
}

#[test]
fn f5_an_account_that_cannot_file_sends_nothing() {
    let world = World::new();
    fs::write(world.folder("a").join("sent"), "in the way").unwrap();
    world.drop_file("a", "sales.txt", tagged("sales"));
    let _daemon = world.start();
    wait_blocked(&world, "a", "sent: the sub-folder cannot be made");
    assert_eq!(world.emulator().requests().uploads, 0);
    fs::remove_file(world.folder("a").join("sent")).unwrap();
    world.wait_for("sales.txt", "success");
    world.assert_delivered(&[("a", "sales.txt", &tagged("sales"))]);
}

#[test]
fn f5_trying_a_folder_again_does_not_wake_itself_up() {
    let world = World::new();
    let daemon = world.start();
    world.drop_file("a", "sales.txt", tagged("sales"));
    world.wait_for("sales.txt", "success");
    // The folder passes every check but the trial. A file cannot be renamed into another mount, and the trial creates
    // events in the watched folder.
    // renamed into another mount.
    let failed = world.folder("a").join("failed");
    let Some(bound) = Bound::new(&failed, &failed) else { return };
    let away = world.dir.path().join("away");
    fs::rename(world.folder("a"), &away).unwrap();
    wait_blocked(&world, "a", "does not exist");
    fs::rename(&away, world.folder("a")).unwrap();
    wait_blocked(&world, "a", "no file can be moved into it");
    let writes = trial_changes(&world, &daemon);
    assert!(writes <= 2, "{writes} trials within a second");
    drop(bound);
    wait_free(&world, "a");
}

/// Number of changes of the inbox within a second.
fn trial_changes(world: &World, daemon: &Daemon) -> usize {
    let started = std::time::Instant::now();
    let (mut changes, mut last) = (0, None);
    while started.elapsed() < std::time::Duration::from_secs(1) {
        let metadata = fs::metadata(world.folder("a")).unwrap();
        let now = Some((metadata.mtime(), metadata.mtime_nsec()));
        changes += usize::from(last.is_some() && last != now);
        last = now;
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    assert!(Path::new(&format!("/proc/{}", daemon.pid())).exists());
    changes
}

#[test]
fn f3_a_rejected_file_that_a_person_moves_back_is_a_new_job() {
    let mut world = World::new();
    world.set("[upload]\n", "[upload]\nmax_file_size = \"1 KB\"\n");
    let daemon = world.start();
    let content = crate::harness::large("large", 2000);
    world.drop_file("a", "sales.txt", &content);
    world.wait_for("sales.txt", "rejected");
    let failed = world.folder("a").join("failed");
    world.wait("it to be filed", || names(&failed) == ["sales.txt", "sales.txt.why"]);
    daemon.stop();
    world.set("max_file_size = \"1 KB\"", "max_file_size = \"1 MB\"");
    let _daemon = world.start();
    fs::rename(failed.join("sales.txt"), world.folder("a").join("sales.txt")).unwrap();
    world.wait_for("sales.txt", "success");
    let states: Vec<_> = world.jobs().into_iter().map(|job| job.state).collect();
    assert_eq!(states, ["rejected", "success"]);
    world.assert_delivered(&[("a", "sales.txt", &content)]);
}

#[test]
fn f6_a_waiting_file_that_is_removed_is_cancelled() {
    let world = World::new();
    let _daemon = world.start();
    for name in ["empty.txt", "lone.fin"] {
        let path = world.drop_file("a", name, "");
        world.wait_for(name, "waiting");
        fs::remove_file(path).unwrap();
        assert!(world.wait_for(name, "cancelled").why().contains("removed from the folder"));
    }
    assert!(names(&world.folder("a").join("failed")).is_empty());
    // The name is free for another file.
    world.drop_file("a", "empty.txt", tagged("not empty"));
    world.wait_for("empty.txt", "success");
}

#[test]
fn f1_sub_folders_take_the_inboxs_mode() {
    let world = World::new();
    fs::set_permissions(world.folder("a"), fs::Permissions::from_mode(0o2770)).unwrap();
    let _daemon = world.start();
    for name in SUB_FOLDERS {
        let metadata = fs::metadata(world.folder("a").join(name)).unwrap();
        assert_eq!(metadata.mode() & 0o7777, 0o2770, "{name}");
        assert_eq!(metadata.gid(), fs::metadata(world.folder("a")).unwrap().gid(), "{name}");
    }
}

#[test]
fn f3_a_file_moved_back_by_a_person_is_a_new_file_and_leaves_nothing_behind() {
    let world = World::new();
    let _daemon = primed(&world);
    let folder = world.folder("a");
    world.fault("job:fail:name=bad.txt:n=1");
    world.drop_file("a", "bad.txt", data(2));
    world.wait_for("bad.txt", "failure");
    // Held, because it was sent before.
    world.drop_file("a", "first.txt", data(1));
    world.wait("both to be filed", || {
        names(&folder.join("failed")) == ["bad.txt", "bad.txt.why"]
            && names(&folder.join("held")) == ["first.txt", "first.txt.why"]
    });
    let to_handle = || stdout(&world.run(&["status"])).contains("see why:");
    assert!(to_handle());
    fs::rename(folder.join("failed/bad.txt"), folder.join("better.txt")).unwrap();
    fs::rename(folder.join("held/first.txt"), folder.join("again.txt")).unwrap();
    arrived_once(&world, "better.txt");
    arrived_once(&world, "again.txt");
    assert_eq!(names(&folder.join("failed")), [""; 0]);
    assert_eq!(names(&folder.join("held")), [""; 0]);
    let old = |name: &str| world.jobs().into_iter().rfind(|job| job.file_name == name).unwrap();
    assert_eq!(old("bad.txt").state, "failure");
    assert!(old("bad.txt").why().contains("its file was moved back into the folder, and is job "));
    assert_eq!(old("first.txt").state, "cancelled");
    assert!(!to_handle(), "{}", stdout(&world.run(&["status"])));
}

#[test]
fn f3_a_possibly_ingested_file_is_held_again_when_a_person_moves_it_back() {
    let world = World::new();
    world.somebody_sends("a", "shared.txt", data(9));
    let _daemon = primed(&world);
    world.fault("upload:after-commit:reset:n=1:name=shared.txt");
    world.drop_file("a", "shared.txt", data(3));
    let held = world.wait_for("shared.txt", "held");
    let folder = world.folder("a");
    world.wait("it to be filed", || names(&folder.join("held")) == ["shared.txt", "shared.txt.why"]);
    fs::rename(folder.join("held/shared.txt"), folder.join("other.txt")).unwrap();
    let again = world.wait_for("other.txt", "held");
    assert!(
        again.why().contains(&format!("job {}", held.id)) && again.why().contains("may have been ingested"),
        "{}",
        again.why()
    );
    world.wait("it to be filed", || names(&folder.join("held")) == ["other.txt", "other.txt.why"]);
    let released = world.run(&["jobs", "release", &again.id.to_string()]);
    assert_eq!(released.status.code(), Some(1), "{}", stdout(&released));
    let why = fs::read_to_string(folder.join("held/other.txt.why")).unwrap();
    assert!(why.contains("--adopt") && why.contains("--resend"), "{why}");
    assert_eq!(world.jobs().into_iter().find(|job| job.id == held.id).unwrap().state, "held");
    assert_eq!(world.accepted().len(), 3);
}
