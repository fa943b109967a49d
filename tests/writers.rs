//! Is somebody still writing? (DESIGN R5, R7 to R9, F2.) Writers that pause, resume or break off, and other programs
//! that touch their files.
//!
//! The waits are so short that a rule by time alone would send a part immediately. A test of "not yet" lets other files
//! pass, which takes several times as long as every rule but the tested one.

use crate::harness::{World, large, names, tagged};
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, mknodat, utimensat};
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

/// A world in which rescans, and waits that end by time alone, are short.
fn impatient() -> World {
    let mut world = World::new();
    world.set("rescan = \"2s\"", "rescan = \"300ms\"").set("settle_max = \"500ms\"", "settle_max = \"3s\"");
    world
}

/// Drops three files one by one. This takes at least as many rescans, and longer than any wait but `settle_max`.
fn let_others_pass(world: &World, tag: &str) {
    for number in 0..3 {
        let name = format!("{tag}{number}.txt");
        world.drop_file("a", &name, tagged(&name));
        world.wait_for(&name, "success");
    }
}

/// The sizes of the accepted files with this name, which reveal a part.
fn sizes(world: &World, name: &str) -> Vec<u64> {
    world.ledger().into_iter().filter(|entry| entry.name == name).map(|entry| entry.size).collect()
}

#[track_caller]
fn assert_whole(world: &World, name: &str, content: &[u8]) {
    world.wait_for(name, "success");
    assert_eq!(sizes(world, name), [content.len() as u64], "one delivery, whole");
}

fn lines(tag: &str) -> (Vec<u8>, Vec<u8>, Vec<u8>) {
    let whole = large(tag, 2_000);
    let half = whole.iter().take(1_000).rposition(|byte| *byte == b'\n').unwrap() + 1;
    (whole[..half].to_vec(), whole[half..].to_vec(), whole.clone())
}

fn append(path: &Path) -> File {
    OpenOptions::new().append(true).open(path).unwrap()
}

#[test]
fn r5_datadrop_waits_for_a_paused_writer_whatever_others_do_to_its_file() {
    let world = impatient();
    let _daemon = world.start();
    let (first, rest, whole) = lines("pause");
    let mut writers: Vec<(&str, File)> = ["alone.txt", "touched.txt", "opened.txt", "renamed.txt", "marked.txt"]
        .map(|name| (name, File::create(world.folder("a").join(name)).unwrap()))
        .into();
    for (_, file) in &mut writers {
        file.write_all(&first).unwrap();
    }
    let path = |name: &str| world.folder("a").join(name);
    assert!(Command::new("touch").arg(path("touched.txt")).status().unwrap().success());
    drop(OpenOptions::new().read(true).write(true).open(path("opened.txt")).unwrap());
    fs::rename(path("renamed.txt"), world.dir.path().join("aside")).unwrap();
    fs::rename(world.dir.path().join("aside"), path("renamed.txt")).unwrap();
    world.drop_file("a", "marked.fin", "");
    let_others_pass(&world, "other");
    for (name, _) in &writers {
        assert!(sizes(&world, name).is_empty(), "{name} was sent under its writer");
        let job = world.wait_for(name, "waiting");
        assert!(job.why().starts_with("still being written"), "{name}: {}", job.why());
    }
    for (name, mut file) in writers {
        file.write_all(&rest).unwrap();
        drop(file);
        assert_whole(&world, name, &whole);
    }
    assert!(!world.log().contains("changed after it was sent"));
}

#[test]
fn r5_an_empty_file_stays_with_its_writer_and_is_reported() {
    let mut world = impatient();
    world.set("[retry]\n", "[retry]\nalert_after = \"600ms\"\n");
    let told = world.dir.path().join("told");
    world
        .set("[upload]\n", &format!("[[alert]]\non = \"delayed\"\ncommand = \"cat >>{}\"\n[upload]\n", told.display()));
    let _daemon = world.start();
    let mut open = File::create(world.folder("a").join("query.txt")).unwrap();
    world.write_file("a", "nothing.txt", "");
    assert_eq!(world.wait_for_end("nothing.txt").state, "rejected");
    let_others_pass(&world, "other");
    world.wait("the alert", || fs::read_to_string(&told).unwrap_or_default().contains("query.txt"));
    assert_eq!(world.wait_for("query.txt", "waiting").why(), "still being written: a program has it open for writing");
    let (_, _, whole) = lines("query");
    open.write_all(&whole).unwrap();
    drop(open);
    assert_whole(&world, "query.txt", &whole);
    assert_eq!(names(&world.folder("a").join("failed")), ["nothing.txt", "nothing.txt.why"]);
}

#[test]
fn r5_a_queued_file_that_somebody_opens_is_not_committed() {
    let mut world = impatient();
    let _daemon = world.start();
    world.stop_emulator();
    let (first, rest, whole) = lines("late");
    let path = world.drop_file("a", "late.txt", &first);
    world.wait_for("late.txt", "queued");
    // The writer pauses, so size, times and hash stay the same.
    let mut file = append(&path);
    world.start_emulator(crate::harness::quick());
    let_others_pass(&world, "other");
    assert!(sizes(&world, "late.txt").is_empty(), "it was sent under its writer");
    file.write_all(&rest).unwrap();
    drop(file);
    assert_whole(&world, "late.txt", &whole);
}

#[test]
fn r5_a_queued_file_that_was_only_looked_at_by_an_editor_is_sent_as_it_is() {
    let mut world = impatient();
    let _daemon = world.start();
    world.stop_emulator();
    let (_, _, whole) = lines("looked");
    let path = world.drop_file("a", "looked.txt", &whole);
    world.wait_for("looked.txt", "queued");
    let file = append(&path);
    world.start_emulator(crate::harness::quick());
    let_others_pass(&world, "other");
    drop(file);
    assert_whole(&world, "looked.txt", &whole);
    assert_eq!(world.jobs().iter().filter(|job| job.file_name == "looked.txt").count(), 1);
}

#[test]
fn r7_a_program_that_closes_its_file_between_two_pieces_is_given_more_time() {
    let mut world = impatient();
    world.set("settle = \"200ms\"", "settle = \"100ms\"");
    let _daemon = world.start();
    let path = world.folder("a").join("pieces.txt");
    let write =
        |text: &[u8]| OpenOptions::new().create(true).append(true).open(&path).unwrap().write_all(text).unwrap();
    write(b"Date\tEvar 1\tEvent 1\n");
    let rows = 12;
    for row in 0..rows {
        write(format!("11/20/2026\tpiece {row}\t1\n").as_bytes());
        sleep(Duration::from_millis(350));
    }
    let words = "it was written on after it was taken in";
    world.wait("the rest to be sent", || fs::metadata(&path).is_err() && world.log().contains(words));
    let pieces = sizes(&world, "pieces.txt").len();
    assert!(pieces <= 4, "{pieces} pieces: {:?}", sizes(&world, "pieces.txt"));
    let status = world.status("a");
    assert!(status["settle_seconds"].as_f64().unwrap() >= 0.4, "{status}");
    let page = crate::harness::stdout(&world.run(&["status"]));
    assert!(page.contains("WRITTEN IN PIECES") && page.contains("rename"), "{page}");
}

#[test]
fn r7_pieces_three_seconds_apart_become_two_files_at_first_and_one_from_then_on() {
    let mut world = impatient();
    world.set("settle = \"200ms\"", "settle = \"1s\"").set("settle_max = \"3s\"", "settle_max = \"8s\"");
    let _daemon = world.start();
    let write_in_pieces = |name: &str| {
        let path = world.folder("a").join(name);
        let pieces = [tagged(name), row(name, 1), row(name, 2)];
        for (number, piece) in pieces.iter().enumerate() {
            if number > 0 {
                sleep(Duration::from_secs(3));
            }
            OpenOptions::new().create(true).append(true).open(&path).unwrap().write_all(piece).unwrap();
        }
        pieces
    };
    let [first, second, third] = write_in_pieces("first.txt").map(|piece| piece.len() as u64);
    world.wait("the rest to be sent", || sizes(&world, "first.txt").len() > 1);
    world.wait_for_end("first.txt");
    assert_eq!(sizes(&world, "first.txt"), [first, second + third]);
    let [first, second, third] = write_in_pieces("second.txt").map(|piece| piece.len() as u64);
    world.wait_for_end("second.txt");
    assert_eq!(sizes(&world, "second.txt"), [first + second + third]);
}

fn row(tag: &str, number: u32) -> Vec<u8> {
    format!("11/20/2026\t{tag} {number}\t1\n").into_bytes()
}

#[test]
fn r8_r9_a_file_that_looks_like_a_broken_transfer_waits_and_says_so() {
    let world = impatient();
    let _daemon = world.start();
    let (first, _, whole) = lines("part");
    let hidden = world.dir.path().join("hidden");
    fs::write(&hidden, &first).unwrap();
    let epoch = Timespec { tv_sec: 0, tv_nsec: 0 };
    utimensat(CWD, &hidden, &Timestamps { last_access: epoch, last_modification: epoch }, AtFlags::empty()).unwrap();
    fs::rename(&hidden, world.folder("a").join("rsync.txt")).unwrap();
    world.write_file("a", "cut.txt", &whole[..whole.len() - 7]);
    let_others_pass(&world, "other");
    for (name, words) in [("rsync.txt", "rsync"), ("cut.txt", "no line end")] {
        assert!(sizes(&world, name).is_empty(), "{name} was sent at once");
        let job = world.wait_for(name, "waiting");
        assert!(job.why().contains(words), "{}", job.why());
    }
    // The transfer and the copy are started again. Neither part is ever sent.
    world.drop_file("a", "rsync.txt", &whole);
    world.write_file("a", "cut.txt", &whole);
    for name in ["rsync.txt", "cut.txt"] {
        assert_whole(&world, name, &whole);
    }
    // A file that stays like this is sent in the end, and the check reports the oddity.
    world.write_file("a", "as-it-is.txt", &whole[..whole.len() - 1]);
    world.wait_for("as-it-is.txt", "success");
    assert!(world.log().contains("may be cut off"), "{}", world.log());
}

#[test]
fn r2_r6_a_rejected_marker_releases_nothing_and_a_good_one_after_it_does() {
    let mut world = impatient();
    world.account("a", "wait_for_fin = true");
    let _daemon = world.start();
    let folder = world.folder("a");
    let bad = |stem: &str| {
        let path = folder.join(format!("{stem}.fin"));
        match stem.split_at(stem.len() - 1).1 {
            "1" => fs::write(path, "Date\tEvar 1\n").unwrap(),
            "2" => symlink("/etc/hostname", path).unwrap(),
            _ => mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap(),
        }
    };
    let stems = ["before1", "before2", "before3", "after1", "after2", "after3"];
    for stem in stems {
        let data = || world.drop_file("a", &format!("{stem}.txt"), tagged(stem));
        if stem.starts_with("after") {
            data();
            world.wait_for(&format!("{stem}.txt"), "waiting");
            bad(stem);
        } else {
            bad(stem);
            data();
        }
        assert_eq!(world.wait_for_end(&format!("{stem}.fin")).state, "rejected");
    }
    world.drop_file("a", "whole.txt", tagged("whole"));
    world.drop_file("a", "whole.fin", "");
    world.wait_for("whole.fin", "success");
    for stem in stems {
        let job = world.wait_for(&format!("{stem}.txt"), "waiting");
        assert!(job.why().contains("waits for its marker"), "{stem}: {}", job.why());
    }
    assert_eq!(world.accepted(), ["whole.txt", "whole.fin"]);
    for stem in stems {
        world.write_file("a", format!("{stem}.fin"), "");
        world.wait_for(&format!("{stem}.fin"), "success");
        assert_eq!(world.times_accepted(&format!("{stem}.txt")), 1);
    }
}

#[test]
fn f2_a_return_from_a_sub_folder_does_not_make_a_file_complete() {
    let mut world = impatient();
    world.set("settle_unwatched = \"300ms\"", "settle_unwatched = \"2s\"");
    let _daemon = world.start();
    let (first, rest, whole) = lines("anew");
    world.drop_file("a", "sales.txt", tagged("sent"));
    world.wait_for("sales.txt", "uploaded");
    let sent = world.folder("a").join("sent/sales.txt");
    world.wait("it to be filed", || sent.exists());
    let hidden = world.dir.path().join("hidden");
    let mut file = File::create(&hidden).unwrap();
    file.write_all(&first).unwrap();
    fs::rename(&hidden, &sent).unwrap();
    world.wait("it to come back", || names(&world.folder("a")).iter().any(|name| name.starts_with("sales")));
    let_others_pass(&world, "other");
    assert_eq!(sizes(&world, "sales.txt").len(), 1, "half of it was sent");
    file.write_all(&rest).unwrap();
    drop(file);
    world.wait("it to be sent", || world.ledger().iter().any(|entry| entry.size == whole.len() as u64));
    assert!(world.ledger().iter().all(|entry| entry.size != first.len() as u64), "{:?}", world.ledger());
}
