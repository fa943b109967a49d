//! If the kernel does not report who has a file open, events decide, and an alert reports the files that they keep back
//! (DESIGN R5). This concerns FUSE file systems, and files of other users for a daemon without `CAP_LEASE`.

use crate::harness::{Daemon, HangingShare, World, as_nobody, large, names, tagged};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};

/// An alert reports files that wait longer than 600 ms. Rescans and waits are shorter, except that of R4 on the share.
fn world(mode: &str) -> World {
    let mut world = World::new();
    let delayed = format!("[[alert]]\non = \"delayed\"\ncommand = \"cat >>{}\"\n", told(&world).display());
    world
        .set("rescan = \"2s\"", &format!("rescan = \"300ms\"\nmode = \"{mode}\""))
        .set("[retry]\n", "[retry]\nalert_after = \"600ms\"\n")
        .set("[upload]\n", &format!("{delayed}[upload]\n"));
    world
}

fn told(world: &World) -> PathBuf {
    world.dir.path().join("told")
}

/// Files that programs have open before the daemon starts: an empty file, and one that is opened for appending.
fn open_before(folder: &Path) -> Vec<(&'static str, File)> {
    drop(File::create(folder.join("appended.txt")).unwrap());
    let appended = File::options().append(true).open(folder.join("appended.txt")).unwrap();
    vec![("met.txt", File::create(folder.join("met.txt")).unwrap()), ("appended.txt", appended)]
}

#[track_caller]
fn wait_told(world: &World, files: &[(&str, File)]) {
    for (name, _) in files {
        world.wait(&format!("the alert of {name}"), || {
            fs::read_to_string(told(world)).unwrap_or_default().contains(name)
        });
    }
}

/// Drops three files one by one, which takes longer than any wait of events and than `alert_after`.
fn let_others_pass(world: &World, tag: &str) {
    for number in 0..3 {
        let name = format!("{tag}{number}.txt");
        let (hidden, path) = (world.folder("a").join(".new"), world.folder("a").join(&name));
        fs::write(&hidden, tagged(&name)).unwrap();
        fs::rename(hidden, path).unwrap();
        world.wait_for(&name, "success");
    }
}

/// `open` holds the files that were open before the daemon started.
#[track_caller]
fn events_keep_back_what_is_written(world: &World, open: Vec<(&'static str, File)>, daemon: Daemon) {
    let folder = world.folder("a");
    let paused = large("paused", 3_000);
    let half = paused.iter().take(1_500).rposition(|byte| *byte == b'\n').unwrap() + 1;
    let mut writer = File::create(folder.join("paused.txt")).unwrap();
    writer.write_all(&paused[..half]).unwrap();
    let mut empty = open;
    empty.push(("query.txt", File::create(folder.join("query.txt")).unwrap()));
    // Closed once, and opened again by a program that has not written yet.
    File::create(folder.join("again.txt")).unwrap();
    world.wait_for("again.txt", "waiting");
    empty.push(("again.txt", File::options().append(true).open(folder.join("again.txt")).unwrap()));
    // Written, and truncated by the program that has it open.
    let mut cut = File::create(folder.join("cut.txt")).unwrap();
    cut.write_all(b"Date\t").unwrap();
    cut.set_len(0).unwrap();
    drop(cut);
    empty.push(("cut.txt", File::options().append(true).open(folder.join("cut.txt")).unwrap()));
    wait_told(world, &empty);
    wait_told(world, &[("paused.txt", writer.try_clone().unwrap())]);
    let_others_pass(world, "other");
    let others = ["other0.txt", "other1.txt", "other2.txt"];
    assert_eq!(world.accepted(), others, "a part was sent");
    assert!(names(&folder.join("failed")).is_empty(), "{:?}", names(&folder.join("failed")));
    assert!(world.wait_for("paused.txt", "waiting").why().starts_with("still being written"));
    for (name, _) in &empty {
        let why = world.wait_for(name, "waiting").why().to_owned();
        assert!(why.contains("does not say whether a program has it open"), "{name}: {why}");
    }

    writer.write_all(&paused[half..]).unwrap();
    drop(writer);
    let mut whole: Vec<(&str, Vec<u8>)> = vec![("paused.txt", paused)];
    for (name, mut file) in empty {
        file.write_all(&tagged(name)).unwrap();
        drop(file);
        whole.push((name, tagged(name)));
    }
    for (name, _) in &whole {
        world.wait_for(name, "success");
    }
    whole.extend(others.map(|name| (name, tagged(name))));
    world.assert_delivered(&whole.iter().map(|(name, content)| ("a", *name, content.as_slice())).collect::<Vec<_>>());
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn r5_on_a_share_events_decide_and_an_alert_reports_what_they_keep_back() {
    let world = world("inotify");
    let Some(_share) = HangingShare::mount(&world.folder("a")) else { return };
    let open = open_before(&world.folder("a"));
    let daemon = world.start();
    events_keep_back_what_is_written(&world, open, daemon);
}

#[test]
fn r5_without_cap_lease_events_decide_about_files_of_other_users() {
    let world = world("inotify");
    let mut open = Vec::new();
    let Some(daemon) = as_nobody(&world, |folder| open = open_before(folder)) else { return };
    events_keep_back_what_is_written(&world, open, daemon);
}

#[test]
fn r5_without_events_an_empty_file_stays_with_its_writer() {
    let world = world("poll");
    let mut open = Vec::new();
    let Some(daemon) = as_nobody(&world, |folder| open = open_before(folder)) else { return };
    open.push(("later.txt", File::create(world.folder("a").join("later.txt")).unwrap()));
    wait_told(&world, &open);
    let_others_pass(&world, "other");
    assert!(names(&world.folder("a").join("failed")).is_empty());
    for (name, mut file) in open {
        file.write_all(&tagged(name)).unwrap();
        drop(file);
        world.wait_for(name, "success");
        assert_eq!(world.times_accepted(name), 1);
    }
    assert_eq!(daemon.stop().code(), Some(0));
}
