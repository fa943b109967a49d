//! When is a file complete? (DESIGN §4, "Readiness".) A file sent too early is partial, and a file never sent is lost.
//!
//! A test of "at once" makes the waits so long that only the tested rule can deliver within its timeout. A test of "not
//! yet" drops another file afterwards and waits for that one. The first file must still be there then.

use crate::harness::{World, large, sha256, tagged};
use rustix::fs::{AtFlags, CWD, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT, linkat, open, utimensat};
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

/// Longer than any test waits.
const NEVER: &str = "1h";

/// A world where only rules without a wait, and the named one, can deliver a file.
fn patient(settle: &str, settle_unwatched: &str) -> World {
    let mut world = World::new();
    world
        .set("settle = \"200ms\"", &format!("settle = {settle:?}"))
        .set("settle_unwatched = \"300ms\"", &format!("settle_unwatched = {settle_unwatched:?}"))
        .set("rescan = \"2s\"", "rescan = \"1h\"");
    world
}

/// Drops a file by a rename and waits for its end. By then datadrop has looked at each earlier file.
fn let_another_pass(world: &World, name: &str) {
    world.drop_file("a", name, tagged(name));
    world.wait_for(name, "success");
}

fn set_old_mtime(path: &Path) {
    // Sets both times, as copying tools do. If only the modification time changes, Linux reports it like a write.
    let long_ago = Timespec { tv_sec: 1_000_000_000, tv_nsec: 0 };
    let times = Timestamps { last_access: long_ago, last_modification: long_ago };
    utimensat(CWD, path, &times, AtFlags::empty()).unwrap();
}

#[test]
fn r1_a_file_renamed_in_is_sent_at_once() {
    let world = patient(NEVER, NEVER);
    let _daemon = world.start();
    let content = tagged("whole");
    world.drop_file("a", "sales.txt", &content);
    world.wait_for("sales.txt", "success");
    world.assert_delivered(&[("a", "sales.txt", &content)]);
}

#[test]
fn r2_a_marker_after_its_data_file_makes_it_ready_at_once() {
    let world = patient(NEVER, NEVER);
    let _daemon = world.start();
    let content = tagged("complete");
    world.write_file("a", "sales.txt", &content);
    world.drop_file("a", "sales.fin", "");
    world.wait_for("sales.fin", "success");
    world.assert_delivered(&[("a", "sales.txt", &content), ("a", "sales.fin", b"")]);
    assert_eq!(world.accepted(), ["sales.txt", "sales.fin"]);
}

#[test]
fn r2_a_marker_that_was_there_first_proves_nothing() {
    let world = patient(NEVER, NEVER);
    let _daemon = world.start();
    world.write_file("a", "sales.fin", "");
    world.drop_file("a", "returns.fin", "");
    world.write_file("a", "sales.txt", tagged("perhaps complete"));
    world.write_file("a", "returns.txt", tagged("perhaps complete too"));
    let_another_pass(&world, "other.txt");
    world.wait_for("sales.txt", "waiting");
    world.wait_for("returns.txt", "waiting");
    assert_eq!(world.accepted(), ["other.txt"]);
    // Somebody drops the marker again, and now datadrop sees it come after the data.
    world.drop_file("a", "sales.fin", "");
    world.wait_for("sales.fin", "success");
    assert_eq!(world.accepted(), ["other.txt", "sales.txt", "sales.fin"]);
}

#[test]
fn r2_both_met_by_one_scan_prove_nothing() {
    let world = patient("1ms", NEVER);
    world.write_file("a", "sales.txt", tagged("old"));
    world.write_file("a", "sales.fin", "");
    let _daemon = world.start();
    let_another_pass(&world, "other.txt");
    assert_eq!(world.wait_for("sales.txt", "waiting").why(), "waits until the file has been quiet for long enough");
    assert_eq!(world.accepted(), ["other.txt"]);
}

#[test]
fn r3_a_slow_writer_is_never_sent_in_part() {
    let world = World::new();
    let _daemon = world.start();
    let content = large("slow", 1_000_000);
    let mut file = File::create(world.folder("a").join("slow.txt")).unwrap();
    for chunk in content.chunks(content.len().div_ceil(10)) {
        file.write_all(chunk).unwrap();
        sleep(Duration::from_millis(200));
    }
    drop(file);
    let job = world.wait_for("slow.txt", "success");
    assert_eq!(job.sha256, Some(sha256(&content)));
    world.assert_delivered(&[("a", "slow.txt", &content)]);
}

#[test]
fn r3_a_writer_that_opens_the_file_for_each_chunk_is_never_sent_in_part() {
    let mut world = World::new();
    world.set("settle = \"200ms\"", "settle = \"800ms\"");
    let _daemon = world.start();
    let content = large("append", 20_000);
    let path = world.folder("a").join("append.txt");
    for chunk in content.chunks(content.len().div_ceil(6)) {
        OpenOptions::new().create(true).append(true).open(&path).unwrap().write_all(chunk).unwrap();
        sleep(Duration::from_millis(150));
    }
    world.wait_for("append.txt", "success");
    world.assert_delivered(&[("a", "append.txt", &content)]);
}

#[test]
fn r3_a_copy_that_keeps_an_old_modification_time_waits_like_any_other() {
    let world = patient("300ms", NEVER);
    let _daemon = world.start();
    let content = large("preserved", 100_000);
    let path = world.folder("a").join("copy.txt");
    let mut file = File::create(&path).unwrap();
    for chunk in content.chunks(content.len().div_ceil(4)) {
        file.write_all(chunk).unwrap();
        // A copying tool may set the date while it is still writing.
        set_old_mtime(&path);
        sleep(Duration::from_millis(100));
    }
    drop(file);
    set_old_mtime(&path);
    world.wait_for("copy.txt", "success");
    world.assert_delivered(&[("a", "copy.txt", &content)]);
}

#[test]
fn r4_a_hard_link_counts_from_its_first_sight_though_its_writer_continues() {
    let world = patient(NEVER, "1s");
    let _daemon = world.start();
    let content = large("linked", 50_000);
    let outside = world.dir.path().join("outside");
    let mut file = File::create(&outside).unwrap();
    let mut chunks = content.chunks(content.len().div_ceil(8));
    file.write_all(chunks.next().unwrap()).unwrap();
    fs::hard_link(&outside, world.folder("a").join("linked.txt")).unwrap();
    for chunk in chunks {
        // Written through the other name. No event reports that, so only size and times show it.
        sleep(Duration::from_millis(150));
        file.write_all(chunk).unwrap();
    }
    drop(file);
    world.wait_for("linked.txt", "success");
    world.assert_delivered(&[("a", "linked.txt", &content)]);
}

#[test]
fn r4_an_unnamed_file_that_is_linked_in_is_sent() {
    let world = patient("200ms", "300ms");
    let _daemon = world.start();
    let content = tagged("unnamed");
    let folder = world.folder("a");
    let Ok(descriptor) = open(&folder, OFlags::TMPFILE | OFlags::RDWR, Mode::RUSR | Mode::WUSR) else {
        eprintln!("skipped: the file system knows no O_TMPFILE");
        return;
    };
    let mut file = File::from(descriptor);
    file.write_all(&content).unwrap();
    let here = format!("/proc/self/fd/{}", file.as_raw_fd());
    linkat(CWD, here, CWD, folder.join("unnamed.txt"), AtFlags::SYMLINK_FOLLOW).unwrap();
    drop(file);
    world.wait_for("unnamed.txt", "success");
    world.assert_delivered(&[("a", "unnamed.txt", &content)]);
}

#[test]
fn r4_files_dropped_while_the_daemon_was_stopped_are_found() {
    let world = patient(NEVER, "300ms");
    world.start().stop();
    let (one, two) = (tagged("one"), tagged("two"));
    world.write_file("a", "one.txt", &one);
    world.drop_file("a", "two.txt", &two);
    world.write_file("a", "two.fin", "");
    set_old_mtime(&world.folder("a").join("one.txt"));
    let _daemon = world.start();
    world.wait_for("one.txt", "success");
    world.wait_for("two.fin", "success");
    world.assert_delivered(&[("a", "one.txt", &one), ("a", "two.txt", &two), ("a", "two.fin", b"")]);
}

#[test]
fn r4_without_events_scans_alone_find_whole_files() {
    let mut world = World::new();
    world
        .set("settle_unwatched = \"300ms\"", "settle_unwatched = \"700ms\"\nmode = \"poll\"")
        .set("rescan = \"2s\"", "rescan = \"150ms\"");
    let _daemon = world.start();
    let (renamed, slow) = (tagged("renamed"), large("slow", 60_000));
    world.drop_file("a", "renamed.txt", &renamed);
    world.drop_file("a", "renamed.fin", "");
    let mut file = File::create(world.folder("a").join("slow.txt")).unwrap();
    for chunk in slow.chunks(slow.len().div_ceil(6)) {
        file.write_all(chunk).unwrap();
        sleep(Duration::from_millis(250));
    }
    drop(file);
    for name in ["renamed.txt", "renamed.fin", "slow.txt"] {
        world.wait_for(name, "success");
    }
    world.assert_delivered(&[("a", "renamed.txt", &renamed), ("a", "renamed.fin", b""), ("a", "slow.txt", &slow)]);
}

#[test]
fn r5_a_file_that_is_held_open_is_kept_back_however_long_its_writer_pauses() {
    let world = patient("50ms", "50ms");
    let _daemon = world.start();
    let content = large("pausing", 50_000);
    let (first, rest) = content.split_at(20_000);
    let mut file = File::create(world.folder("a").join("pausing.txt")).unwrap();
    file.write_all(first).unwrap();
    world.wait("the writer to be noticed", || {
        world.jobs().iter().any(|job| job.file_name == "pausing.txt" && job.why().starts_with("still being written"))
    });
    // A marker does not override an open file. A file that needs both waits is delivered meanwhile.
    world.write_file("a", "pausing.fin", "");
    world.write_file("a", "other.txt", tagged("other"));
    world.wait_for("other.txt", "success");
    assert_eq!(world.accepted(), ["other.txt"]);
    file.write_all(rest).unwrap();
    drop(file);
    world.wait_for("pausing.fin", "success");
    world.assert_delivered(&[
        ("a", "other.txt", &tagged("other")),
        ("a", "pausing.txt", &content),
        ("a", "pausing.fin", b""),
    ]);
}

#[test]
fn r5_a_rename_does_not_hide_a_writer_that_continues() {
    let world = patient("50ms", "50ms");
    let _daemon = world.start();
    let content = large("renamed", 50_000);
    let (first, rest) = content.split_at(20_000);
    let hidden = world.folder("a").join(".upload.part");
    let mut file = File::create(&hidden).unwrap();
    file.write_all(first).unwrap();
    fs::rename(&hidden, world.folder("a").join("final.txt")).unwrap();
    world.wait_for("final.txt", "waiting");
    let_another_pass(&world, "other.txt");
    assert_eq!(world.accepted(), ["other.txt"]);
    file.write_all(rest).unwrap();
    drop(file);
    world.wait_for("final.txt", "success");
    world.assert_delivered(&[("a", "other.txt", &tagged("other.txt")), ("a", "final.txt", &content)]);
}

#[test]
fn r5_a_changed_date_that_linux_tells_as_a_write_delays_but_does_not_lose_the_file() {
    let mut world = World::new();
    world.set("rescan = \"2s\"", "rescan = \"500ms\"").set("settle = \"200ms\"", "settle = \"10s\"");
    let _daemon = world.start();
    let path = world.write_file("a", "touched.txt", tagged("touched"));
    let times = Timestamps {
        last_access: Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT },
        last_modification: Timespec { tv_sec: 1_000_000_000, tv_nsec: 0 },
    };
    utimensat(CWD, path, &times, AtFlags::empty()).unwrap();
    world.wait_for("touched.txt", "success");
    world.assert_delivered(&[("a", "touched.txt", &tagged("touched"))]);
}

#[test]
fn r6_an_account_may_require_the_marker() {
    let mut world = patient("50ms", "50ms");
    world.account("a", "wait_for_fin = true");
    let _daemon = world.start();
    world.drop_file("a", "sales.txt", tagged("sales"));
    world.drop_file("a", "early.fin", "");
    world.drop_file("a", "early.txt", tagged("early"));
    world.wait_for("early.fin", "success");
    let waiting = world.wait_for("sales.txt", "waiting");
    assert!(waiting.why().contains("waits for its marker"), "{}", waiting.why());
    assert_eq!(world.accepted(), ["early.txt", "early.fin"]);
    world.write_file("a", "sales.fin", "");
    world.wait_for("sales.fin", "success");
    assert_eq!(world.accepted(), ["early.txt", "early.fin", "sales.txt", "sales.fin"]);
}

#[test]
fn p4_one_marker_waits_for_all_data_files_of_its_stem() {
    let mut world = patient("100ms", "300ms");
    world.account("a", "extensions = [\"txt\", \"tab\", \"tsv\"]");
    let _daemon = world.start();
    // The marker comes while one of the files is still being written.
    let content = large("tsv", 30_000);
    let (first, rest) = content.split_at(10_000);
    let mut file = File::create(world.folder("a").join("sales.tsv")).unwrap();
    file.write_all(first).unwrap();
    world.wait_for("sales.tsv", "waiting");
    world.drop_file("a", "sales.txt", tagged("txt"));
    world.drop_file("a", "sales.tab", tagged("tab"));
    world.drop_file("a", "sales.fin", "");
    world.wait_for("sales.txt", "success");
    world.wait_for("sales.tab", "success");
    assert!(!world.accepted().contains(&"sales.fin".to_owned()), "{:?}", world.accepted());
    file.write_all(rest).unwrap();
    drop(file);
    world.wait_for("sales.fin", "success");
    assert_eq!(world.accepted().last().map(String::as_str), Some("sales.fin"));
    world.assert_delivered(&[
        ("a", "sales.txt", &tagged("txt")),
        ("a", "sales.tab", &tagged("tab")),
        ("a", "sales.tsv", &content),
        ("a", "sales.fin", b""),
    ]);
}

#[test]
fn p1_an_overflow_of_events_loses_no_file() {
    const FILES: usize = 400;
    let world = patient("50ms", "300ms");
    let daemon = world.start();
    daemon.signal("STOP");
    // The kernel merges equal events only if they follow each other, so two alternating names fill its queue fast.
    let mut flood = ["flood.1", ".flood.2"].map(|name| File::create(world.folder("a").join(name)).unwrap());
    let limit = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").unwrap().trim().parse().unwrap_or(16_384);
    for _ in 0..=limit / 2 {
        for file in &mut flood {
            file.write_all(b"x").unwrap();
        }
    }
    let mut expected = Vec::new();
    for number in 0..FILES {
        let (name, content) = (format!("file{number:04}"), tagged(number));
        world.write_file("a", format!("{name}.txt"), &content);
        world.write_file("a", format!("{name}.fin"), "");
        expected.push((format!("{name}.txt"), content));
        expected.push((format!("{name}.fin"), Vec::new()));
    }
    daemon.signal("CONT");
    world.wait("every file to be accepted", || world.ledger().len() >= expected.len());
    world.wait("every job to end", || world.jobs().iter().all(|job| job.state == "success"));
    assert!(world.log().contains("file events were lost"), "the test did not do what it is for");
    assert_whole(&world, "a", &expected);
    assert_markers_last(&world);
}

fn assert_whole(world: &World, account: &str, expected: &[(String, Vec<u8>)]) {
    let files: Vec<_> = expected.iter().map(|(name, content)| (account, name.as_str(), content.as_slice())).collect();
    world.assert_delivered(&files);
}

/// Asserts that each marker comes after the data file of its stem, per account.
fn assert_markers_last(world: &World) {
    let ledger = world.ledger();
    for (index, marker) in ledger.iter().enumerate() {
        if let Some(stem) = marker.name.strip_suffix(".fin") {
            let data = format!("{stem}.txt");
            let before = ledger[..index]
                .iter()
                .any(|entry| entry.name == data && entry.report_suite_id == marker.report_suite_id);
            assert!(before, "{} before its data file", marker.name);
        }
    }
}

#[test]
fn p2_three_hundred_files_in_every_manner_arrive_once_byte_for_byte() {
    const EACH: usize = 50;
    let mut world = World::new();
    world.account("b", "");
    let _daemon = world.start();
    let mut expected = Vec::new();
    for account in ["a", "b"] {
        for number in 0..EACH {
            for manner in ["rename", "slow", "copy"] {
                let name = format!("{manner}{number:02}.txt");
                expected.push((account, name.clone(), large(&format!("{account} {name}"), 500 + number * 400)));
                if number % 2 == 0 {
                    expected.push((account, format!("{manner}{number:02}.fin"), Vec::new()));
                }
            }
        }
    }
    std::thread::scope(|scope| {
        for account in ["a", "b"] {
            for manner in ["rename", "slow", "copy"] {
                let mine = expected.iter().filter(move |(to, name, _)| *to == account && name.starts_with(manner));
                let world = &world;
                scope.spawn(move || {
                    for (_, name, content) in mine {
                        drop_in_manner(world, account, manner, name, content);
                    }
                });
            }
        }
    });
    world.wait("every file to be accepted", || world.ledger().len() >= expected.len());
    world.wait("every job to end", || world.jobs().iter().all(|job| job.state == "success"));
    let files: Vec<_> =
        expected.iter().map(|(account, name, content)| (*account, name.as_str(), content.as_slice())).collect();
    world.assert_delivered(&files);
    assert_markers_last(&world);
}

fn drop_in_manner(world: &World, account: &str, manner: &str, name: &str, content: &[u8]) {
    let aside = world.dir.path().join(format!("aside-{account}-{name}"));
    let path = world.folder(account).join(name);
    match manner {
        "rename" => {
            fs::write(&aside, content).unwrap();
            fs::rename(&aside, &path).unwrap();
        }
        "slow" => {
            let mut file = File::create(&path).unwrap();
            for chunk in content.chunks(content.len().div_ceil(3).max(1)) {
                file.write_all(chunk).unwrap();
                sleep(Duration::from_millis(15));
            }
        }
        _ => {
            fs::write(&aside, content).unwrap();
            set_old_mtime(&aside);
            let status = Command::new("cp").arg("--preserve=timestamps").arg(&aside).arg(&path).status().unwrap();
            assert!(status.success());
        }
    }
    let mut read = Vec::new();
    // The file may already be accepted and filed.
    if File::open(&path).is_ok_and(|mut file| file.read_to_end(&mut read).is_ok()) {
        assert!(read == content);
    }
}
