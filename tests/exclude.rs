//! `exclude`: ignored names, names of copies, and files of editors and synchronised folders.

use crate::harness::{World, arrived_once, names, stderr, stdout, tagged};
use std::fs;

/// Files that editors, office programs and synchronised folders create next to the edited files.
const JUNK: [&str; 15] = [
    ".sales.txt.swp",
    "sales.txt.swp",
    "sales.txt~",
    "4913",
    "#sales.txt#",
    ".#sales.txt",
    ".~lock.sales.txt#",
    "sales.txt.bak",
    "sales.txt.part",
    "sales.txt.crdownload",
    "sales.txt.filepart",
    ".sales.txt.Xa3f9Q",
    ".syncthing.sales.txt.tmp",
    "Thumbs.db",
    "desktop.ini",
];

/// Names that synchronised folders and file managers give to copies.
const COPIES: [&str; 5] = [
    "sales (1).txt",
    "sales - Copy.txt",
    "Kopie von sales.txt",
    "sales.sync-conflict-20261120-140500-ABCDEFG.txt",
    "sales (Ann's conflicted copy 2026-11-20).txt",
];

fn ignored(world: &World) -> usize {
    usize::try_from(world.status("a")["ignored_files"].as_i64().unwrap()).unwrap()
}

#[test]
fn excluded_names_are_ignored_by_event_and_scan_counted_and_explained() {
    let mut world = World::new();
    world.sections(&format!(
        "[account_defaults]\nexclude = [\"*.tmp.txt\", \"~$*\"]\n{}",
        world.sections_text().to_owned()
    ));
    world.account("b", "exclude = [\"draft*\"]");
    world.write_file("a", "before.tmp.txt", tagged("before"));
    let daemon = world.start();
    for name in ["sales.tmp.txt", "~$sales.txt", "draft.txt"] {
        world.drop_file("a", name, tagged(name));
        world.drop_file("b", name, tagged(name));
    }
    // A scan comes after them, and the events of each folder keep their order.
    world.drop_file("a", "sales.txt", tagged("sales"));
    world.drop_file("b", "costs.txt", tagged("costs"));
    arrived_once(&world, "sales.txt");
    arrived_once(&world, "costs.txt");
    world.wait("all to be sent that is to be sent", || world.count("state = 'success'") == 5);
    let mut accepted = world.accepted();
    accepted.sort();
    let expected = ["costs.txt", "draft.txt", "sales.tmp.txt", "sales.txt", "~$sales.txt"];
    assert_eq!(accepted, expected, "an account's own patterns replace those of the defaults");
    world.wait("a scan to count them", || ignored(&world) == 3);
    assert_eq!(world.count("account = 'a'"), 2, "no job stands for what is ignored");
    let log = world.log();
    assert!(log.contains("before.tmp.txt: ignored: the pattern \"*.tmp.txt\" of `exclude` matches its name"), "{log}");

    let path = world.folder("a").join("sales.tmp.txt");
    let output = world.run(&["explain", path.to_str().unwrap()]);
    let told = stdout(&output);
    assert!(told.contains("the pattern `*.tmp.txt` in `exclude` of account a matches its name"), "{told}");
    let source = world.dir.path().join("next.tmp.txt");
    fs::write(&source, tagged("next")).unwrap();
    let output = world.run(&["drop", source.to_str().unwrap(), "--account", "a"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("`*.tmp.txt` in `exclude`"), "{}", stderr(&output));
    daemon.stop();
    let told = stdout(&world.run(&["run", "--dry-run"]));
    assert!(!told.contains("tmp.txt") && told.contains("3 names"), "{told}");
}

#[test]
fn a_reload_applies_new_patterns_also_to_what_waits_and_takes_in_again_what_they_no_longer_match() {
    let mut world = World::new();
    world.account("a", "wait_for_fin = true");
    let daemon = world.start();
    let path = world.drop_file("a", "draft.txt", tagged("draft"));
    world.wait_for("draft.txt", "waiting");
    world.account("a", "wait_for_fin = true\nexclude = [\"draft*\"]").write_config();
    daemon.signal("HUP");
    let job = world.wait_for("draft.txt", "cancelled");
    let reason = "the account ignores this file since its configuration was changed: the pattern \"draft*\" of `exclude` \
                  matches its name";
    assert_eq!(job.why(), reason);
    assert!(path.exists(), "it is left where it is");
    world.wait("it to be counted", || ignored(&world) == 1);
    world.drop_file("a", "draft.fin", "");
    world.account("a", "fin = \"local\"").write_config();
    daemon.signal("HUP");
    arrived_once(&world, "draft.txt");
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn files_of_editors_and_synchronised_folders_are_never_sent() {
    let world = World::new();
    for name in JUNK {
        world.write_file("a", name, tagged(name));
    }
    let daemon = world.start();
    for name in JUNK {
        world.drop_file("a", name, tagged(name));
    }
    world.drop_file("a", "sales.txt", tagged("sales"));
    arrived_once(&world, "sales.txt");
    world.wait("a scan to count them", || ignored(&world) == JUNK.len());
    assert_eq!((world.accepted(), world.count("1")), (vec!["sales.txt".to_owned()], 1));
    let left = names(&world.folder("a"));
    assert!(JUNK.iter().filter(|name| !name.starts_with('.')).all(|&name| left.contains(&name.to_owned())), "{left:?}");
    daemon.stop();
}

#[test]
fn a_file_named_like_a_copy_is_sent_under_a_warning_with_and_without_a_check() {
    for check in ["warn", "off"] {
        let mut world = World::new();
        world.account("a", &format!("check = \"{check}\""));
        let daemon = world.start();
        for name in COPIES {
            world.drop_file("a", name, tagged(name));
            let id = arrived_once(&world, name).id;
            let log = world.log();
            assert!(log.contains(&format!("{name}: job {id} is named like a copy of another file")), "{check}: {log}");
            let told = stdout(&world.run(&["jobs", "show", &id.to_string()]));
            assert!(told.contains("is named like a copy of another file"), "{check}: {told}");
        }
        daemon.stop();
    }
}

#[test]
fn p3_a_file_named_like_a_copy_is_held_where_no_content_may_go_twice() {
    let mut world = World::new();
    world.account("a", "duplicates = \"hold-content\"");
    let daemon = world.start();
    for name in COPIES {
        let path = world.drop_file("a", name, tagged(name));
        let job = world.wait_for(name, "held");
        assert!(job.why().contains("named like a copy of another file"), "{job:?}");
        world.wait("it to be filed", || !path.exists());
    }
    world.drop_file("a", "sales (2026).txt", tagged("year"));
    arrived_once(&world, "sales (2026).txt");
    let held = world.wait_for(COPIES[0], "held");
    let released = world.run(&["jobs", "release", &held.id.to_string()]);
    assert!(released.status.success(), "{}", stderr(&released));
    assert_eq!(arrived_once(&world, COPIES[0]).id, held.id, "a person let it go");
    daemon.stop();

    let path = world.write_file("a", "costs - Copy.txt", tagged("costs"));
    world.wait("it to be foreseen", || {
        let told = stdout(&world.run(&["explain", path.to_str().unwrap()]));
        told.contains("will be held, not sent: it is named like a copy")
    });
}
