//! `run --dry-run`: predicts what `run` then does, and leaves no trace.

use crate::harness::{World, data, names, stderr, stdout, tagged};
use std::fs;
use std::os::unix::fs::symlink;

fn dry_run(world: &World) -> String {
    let output = world.run(&["run", "--dry-run"]);
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output)
}

/// Asserts the line of a file: its first word, and words in the rest.
#[track_caller]
fn says(page: &str, word: &str, name: &str, words: &str) {
    let line = page.lines().find(|line| line.split_whitespace().nth(1) == Some(name));
    let line = line.unwrap_or_else(|| panic!("no line of {name} in:\n{page}"));
    assert!(line.trim_start().starts_with(word) && line.contains(words), "{line}");
}

#[test]
fn it_says_what_the_daemon_then_does_and_changes_nothing() {
    let mut world = World::new();
    world
        .account("a", "duplicates = \"hold-content\"")
        .account("off", "enabled = false")
        .api("rate_limit", "\"12/6s\"");
    let inbox = world.folder("a");
    world.write_file("a", "good.txt", data(3));
    world.write_file("a", "good.fin", "");
    world.write_file("a", "same.txt", data(3));
    world.write_file("a", "empty.txt", "");
    world.write_file("a", "lone.fin", "");
    world.write_file("a", "other.csv", "x");
    symlink("/etc/hostname", inbox.join("link.txt")).unwrap();
    world.write_file("off", "waits.txt", data(1));
    let before = names(&inbox);
    let mut page = String::new();
    world.wait("the files to be quiet", || {
        page = dry_run(&world);
        page.contains("2 files would be sent")
    });
    says(&page, "send", "good.txt", "");
    says(&page, "send", "good.fin", "marker of good.txt");
    says(&page, "hold", "same.txt", "good.txt has the same content");
    says(&page, "wait", "empty.txt", "the file is empty");
    says(&page, "wait", "lone.fin", "its data file");
    says(&page, "reject", "link.txt", "symbolic link");
    assert!(page.contains("1 name in the folder ignored") && page.contains("it is disabled"), "{page}");
    assert!(
        page.contains(", 1 s at 12 per 6 s; 2 files would wait; 1 file would be held; 1 file would be rejected"),
        "{page}"
    );
    assert_eq!((names(&inbox), world.state_dir().exists(), world.ledger().len()), (before, false, 0));

    let daemon = world.start();
    for (name, state) in [
        ("good.txt", "success"),
        ("good.fin", "success"),
        ("same.txt", "held"),
        ("empty.txt", "waiting"),
        ("lone.fin", "waiting"),
        ("link.txt", "rejected"),
    ] {
        world.wait_for(name, state);
    }
    // A daemon is running. A held file that was moved back would be held again.
    world.wait("the held file to be filed", || inbox.join("held/same.txt").exists());
    let page = dry_run(&world);
    says(&page, "waiting", "empty.txt", "the file is empty");
    assert!(page.contains("0 files would be sent"), "{page}");
    assert!(daemon.stop().success());
    let before = names(&world.state_dir());
    fs::rename(inbox.join("held/same.txt"), inbox.join("same.txt")).unwrap();
    fs::write(inbox.join("new.txt"), tagged("new")).unwrap();
    world.wait("the files to be quiet", || {
        page_of(&world, "same.txt").contains("was accepted as good.txt") && page_of(&world, "new.txt").contains("send")
    });
    assert_eq!(names(&world.state_dir()), before);
}

fn page_of(world: &World, name: &str) -> String {
    dry_run(world).lines().find(|line| line.split_whitespace().nth(1) == Some(name)).unwrap_or_default().to_owned()
}

#[test]
fn a_wrong_configuration_ends_as_that_of_the_daemon() {
    let world = World::new();
    world.write_config();
    let config = world.config_file();
    fs::write(&config, "nonsense = 1\n").unwrap();
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_datadrop"))
        .args(["run", "--dry-run", "--config"])
        .arg(&config)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(78), "{}", stderr(&output));
}
