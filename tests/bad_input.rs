//! Whatever lies in the folder: it ends in the state that the design names, with a reason, and the daemon lives.

use crate::harness::{World, data, names};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;

#[test]
fn names_of_all_kinds_are_delivered_as_they_are() {
    let world = World::new();
    let _daemon = world.start();
    let long = format!("{}.txt", "x".repeat(251));
    let all =
        ["with space.txt", "50%.txt", "qu\"ote'.txt", "a#b?c&d.txt", "日本語.txt", "🎉.txt", "back\\slash.txt", &long];
    for (index, name) in all.into_iter().enumerate() {
        world.drop_file("a", name, data(index + 1));
    }
    for name in all {
        world.wait_for(name, "success");
    }
    let mut accepted = world.accepted();
    accepted.sort();
    let mut expected = all.map(str::to_owned);
    expected.sort();
    assert_eq!(accepted, expected);
}

#[test]
fn names_that_cannot_be_sent_are_rejected_by_name() {
    let world = World::new();
    let _daemon = world.start();
    world.drop_file("a", "new\nline.txt", data(1));
    let path = world.folder("a").join(OsStr::from_bytes(b"bad\xff.txt"));
    fs::write(world.dir.path().join("x"), data(1)).unwrap();
    fs::rename(world.dir.path().join("x"), &path).unwrap();
    let job = world.wait_for("new\nline.txt", "rejected");
    assert!(job.why().contains("newline"), "{}", job.why());
    let job = world.wait_for("bad\u{fffd}.txt", "rejected");
    assert!(job.why().contains("UTF-8"), "{}", job.why());
    world.wait("both to be filed", || names(&world.folder("a").join("failed")).len() == 4);
    assert!(!path.exists());
    assert!(world.ledger().is_empty());
    assert!(!world.log().contains("new\nline"), "a name cannot break a line of the log");
}

#[test]
fn what_is_no_plain_file_is_never_opened() {
    let world = World::new();
    let folder = world.folder("a");
    let secret = world.dir.path().join("not-for-adobe");
    fs::write(&secret, data(3)).unwrap();
    std::os::unix::fs::symlink(&secret, folder.join("link.txt")).unwrap();
    assert!(Command::new("mkfifo").arg(folder.join("pipe.txt")).status().unwrap().success());
    let _socket = std::os::unix::net::UnixListener::bind(folder.join("socket.txt")).unwrap();
    fs::create_dir(folder.join("folder.txt")).unwrap();
    let _daemon = world.start();
    for (name, kind) in [("link.txt", "symbolic link"), ("pipe.txt", "named pipe"), ("socket.txt", "socket")] {
        let job = world.wait_for(name, "rejected");
        assert!(job.why().contains(kind), "{}", job.why());
    }
    world.drop_file("a", "fine.txt", data(1));
    world.wait_for("fine.txt", "success");
    assert_eq!(world.accepted(), ["fine.txt"]);
    assert!(folder.join("folder.txt").is_dir(), "a directory is left alone");
    assert!(secret.exists());
}

#[test]
fn an_empty_file_waits_for_content_and_is_given_up_in_the_end() {
    let mut world = World::new();
    world.set("max = \"500ms\"\n[upload]", "max = \"500ms\"\nalert_after = \"3s\"\n[upload]");
    let _daemon = world.start();
    world.drop_file("a", "filled.txt", "");
    world.drop_file("a", "empty.txt", "");
    assert!(world.wait_for("filled.txt", "waiting").why().contains("empty"));
    fs::write(world.folder("a").join("filled.txt"), data(2)).unwrap();
    world.wait_for("filled.txt", "success");
    let job = world.wait_for("empty.txt", "rejected");
    assert!(job.why().contains("stayed empty"), "{}", job.why());
    assert_eq!(world.accepted(), ["filled.txt"]);
}

#[test]
fn markers_with_content_are_rejected_blank_ones_sent_and_lone_ones_wait() {
    let world = World::new();
    let _daemon = world.start();
    world.drop_file("a", "content.fin", "rows=3");
    world.drop_file("a", "lone.fin", "");
    world.drop_file("a", "blank.txt", data(1));
    world.drop_file("a", "blank.fin", " \r\n");
    world.wait_for("blank.fin", "success");
    assert!(world.wait_for("content.fin", "rejected").why().contains("must be empty"));
    assert!(world.wait_for("lone.fin", "waiting").why().contains("data file"));
    assert_eq!(world.accepted(), ["blank.txt", "blank.fin"]);
}

#[test]
fn a_file_larger_than_allowed_is_rejected_before_a_byte_is_sent() {
    let mut world = World::new();
    world.set("confirm_for = \"400ms\"", "confirm_for = \"400ms\"\nmax_file_size = \"100 KB\"");
    let _daemon = world.start();
    world.drop_file("a", "big.txt", vec![b'x'; 100_001]);
    world.drop_file("a", "fits.txt", vec![b'x'; 100_000]);
    let job = world.wait_for("big.txt", "rejected");
    assert!(job.why().contains("max_file_size"), "{}", job.why());
    world.wait("the other to be accepted", || world.accepted() == ["fits.txt"]);
    world.wait("it to be filed", || names(&world.folder("a").join("failed")).contains(&"big.txt.why".to_owned()));
}

#[test]
fn what_is_not_ours_is_left_alone_and_counted() {
    let world = World::new();
    let _daemon = world.start();
    for name in ["UPPER.TXT", "x.part", ".hidden.txt", "notes.md"] {
        fs::write(world.folder("a").join(name), data(1)).unwrap();
    }
    world.wait("the count", || {
        String::from_utf8(world.run(&["status", "--json"]).stdout).unwrap().contains("\"ignored_files\": 3")
    });
    assert!(world.jobs().is_empty());
    assert!(world.log().contains("rename it to UPPER.txt"), "{}", world.log());
}

/// While it is queued and the API cannot take it: changed, touched, replaced, removed.
#[test]
fn f6_f7_whatever_happens_to_a_queued_file_nothing_partial_is_sent() {
    let world = World::new();
    let _daemon = world.start();
    world.drop_file("a", "first.txt", data(1));
    world.wait_for("first.txt", "success");
    world.emulator().add_fault("upload:before-body:503".parse().unwrap());
    for name in ["grown.txt", "shrunk.txt", "replaced.txt", "removed.txt", "touched.txt"] {
        world.drop_file("a", name, data(50));
        world.wait("an attempt", || {
            world.count(&format!("file_name = '{name}' AND state = 'queued' AND attempts > 0")) == 1
        });
    }
    let folder = world.folder("a");
    fs::write(folder.join("grown.txt"), data(60)).unwrap();
    fs::write(folder.join("shrunk.txt"), data(40)).unwrap();
    world.drop_file("a", "replaced.txt", data(70));
    fs::remove_file(folder.join("removed.txt")).unwrap();
    fs::File::options()
        .write(true)
        .open(folder.join("touched.txt"))
        .unwrap()
        .set_modified(std::time::UNIX_EPOCH)
        .unwrap();
    for name in ["grown.txt", "shrunk.txt", "replaced.txt"] {
        world.wait("the old job to end", || {
            world.count(&format!("file_name = '{name}' AND state = 'cancelled' AND reason LIKE 'replaced%'")) == 1
        });
    }
    assert!(world.wait_for("removed.txt", "cancelled").why().contains("removed"));
    world.emulator().clear_faults();
    for (name, rows) in [("grown.txt", 60), ("shrunk.txt", 40), ("replaced.txt", 70), ("touched.txt", 50)] {
        assert_eq!(world.wait_for(name, "success").rows_processed, Some(rows), "{name}");
    }
    let mut accepted = world.accepted();
    accepted.sort();
    assert_eq!(accepted, ["first.txt", "grown.txt", "replaced.txt", "shrunk.txt", "touched.txt"]);
}

/// While the request is on its way: the last bytes are held back until the content has proved to be the promised one.
#[test]
fn a_file_changed_while_it_is_uploaded_is_never_accepted_in_part() {
    let world = World::new();
    let _daemon = world.start();
    world.emulator().add_fault("upload:mid-body:hang:n=1".parse().unwrap());
    world.drop_file("a", "large.txt", data(500_000));
    world.wait_for("large.txt", "uploading");
    world.drop_file("a", "large.txt", data(300));
    world.wait("the new content to be done", || {
        world.jobs().iter().any(|job| job.state == "success" && job.rows_processed == Some(300))
    });
    world.wait("the old job to end", || world.count("state = 'cancelled'") == 1);
    assert_eq!(world.ledger().len(), 1);
}

#[test]
fn a_marker_whose_data_file_is_replaced_waits_for_the_new_content() {
    let world = World::new();
    let _daemon = world.start();
    world.drop_file("a", "first.txt", data(1));
    world.wait_for("first.txt", "success");
    world.emulator().add_fault("upload:before-body:503".parse().unwrap());
    world.drop_file("a", "sales.txt", data(5));
    world.drop_file("a", "sales.fin", "");
    world.wait_for("sales.fin", "queued");
    world.drop_file("a", "sales.txt", data(6));
    world.wait("the old job to end", || world.count("state = 'cancelled'") == 1);
    world.emulator().clear_faults();
    world.wait_for("sales.fin", "success");
    assert_eq!(world.accepted(), ["first.txt", "sales.txt", "sales.fin"]);
    assert_eq!(world.wait_for("sales.txt", "success").rows_processed, Some(6));
}

#[test]
fn a_marker_that_came_to_nothing_does_not_keep_the_next_one_from_its_file() {
    let world = World::new();
    let _daemon = world.start();
    world.drop_file("a", "sales.txt", data(3));
    world.wait_for("sales.txt", "success");
    world.drop_file("a", "sales.fin", "not empty");
    world.wait_for("sales.fin", "rejected");
    world.drop_file("a", "sales.fin", "");
    world.wait_for("sales.fin", "success");
    assert_eq!(world.accepted(), ["sales.txt", "sales.fin"]);
}
