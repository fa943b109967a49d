//! Input that people and programs really drop: empty files, odd names, things that are not files, and files that change
//! during the upload.
//!
//! P1 to P4 hold for all of it: each file is at the server once and whole, or rests with a reason.

use crate::harness::{Row, World, large, names, tagged};
use std::ffi::{OsStr, OsString};
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;

fn jobs_of(world: &World, name: &str) -> Vec<Row> {
    world.jobs().into_iter().filter(|job| job.file_name == name).collect()
}

fn let_another_pass(world: &World, name: &str) {
    world.drop_file("a", name, tagged(name));
    world.wait_for(name, "success");
}

/// Waits until the file of a job has moved to the folder of its state.
fn wait_filed(world: &World, place: &str, name: impl AsRef<OsStr>) {
    let path = world.folder("a").join(place).join(name.as_ref());
    world.wait(&format!("{} to be filed", path.display()), || path.symlink_metadata().is_ok());
}

#[test]
fn p1_an_empty_file_waits_and_is_sent_once_it_has_content() {
    let world = World::new();
    let _daemon = world.start();
    world.drop_file("a", "late.txt", "");
    world.write_file("a", "later.txt", "");
    assert!(world.wait_for("late.txt", "waiting").why().contains("empty"));
    assert!(world.wait_for("later.txt", "waiting").why().contains("empty"));
    let_another_pass(&world, "other.txt");
    world.write_file("a", "late.txt", tagged("late"));
    world.drop_file("a", "later.txt", tagged("later"));
    world.wait_for("late.txt", "success");
    world.wait_for("later.txt", "success");
    assert_eq!((jobs_of(&world, "late.txt").len(), jobs_of(&world, "later.txt").len()), (1, 1));
    world.assert_delivered(&[
        ("a", "other.txt", &tagged("other.txt")),
        ("a", "late.txt", &tagged("late")),
        ("a", "later.txt", &tagged("later")),
    ]);
}

#[test]
fn p1_a_file_that_stays_empty_is_rejected_with_a_reason() {
    let mut world = World::new();
    world.set("max = \"500ms\"\n[upload]", "max = \"500ms\"\nalert_after = \"400ms\"\n[upload]");
    let _daemon = world.start();
    world.drop_file("a", "empty.txt", "");
    world.drop_file("a", "empty.fin", "");
    assert!(world.wait_for("empty.txt", "rejected").why().contains("stayed empty"));
    assert!(world.wait_for("empty.fin", "rejected").why().contains("was rejected"));
    world.wait("both to be filed with their reasons", || {
        names(&world.folder("a").join("failed")) == ["empty.fin", "empty.fin.why", "empty.txt", "empty.txt.why"]
    });
    assert!(world.ledger().is_empty());
}

#[test]
fn p4_markers_with_content_without_a_data_file_and_with_blanks_only() {
    let world = World::new();
    let _daemon = world.start();
    world.drop_file("a", "full.fin", "not a marker");
    world.drop_file("a", "lone.fin", "");
    world.drop_file("a", "blank.txt", tagged("blank"));
    world.drop_file("a", "blank.fin", " \t\r\n\n");
    world.drop_file("a", "unmarked.txt", tagged("unmarked"));
    assert!(world.wait_for("full.fin", "rejected").why().contains("must be empty"));
    wait_filed(&world, "failed", "full.fin.why");
    world.wait_for("blank.fin", "success");
    world.wait_for("unmarked.txt", "success");
    assert_eq!(world.wait_for("lone.fin", "waiting").why(), "waits for its data file");
    world.assert_delivered(&[
        ("a", "blank.txt", &tagged("blank")),
        ("a", "blank.fin", b" \t\r\n\n"),
        ("a", "unmarked.txt", &tagged("unmarked")),
    ]);
}

#[test]
fn p4_a_marker_that_was_there_first_shares_the_end_of_a_rejected_data_file() {
    let mut world = World::new();
    world.set("[upload]\n", "[upload]\nmax_file_size = \"1 KB\"\n");
    let _daemon = world.start();
    world.drop_file("a", "big.fin", "");
    world.wait_for("big.fin", "waiting");
    world.drop_file("a", "big.txt", large("big", 2000));
    assert!(world.wait_for("big.txt", "rejected").why().contains("max_file_size"));
    assert!(world.wait_for("big.fin", "rejected").why().contains("was rejected"));
    wait_filed(&world, "failed", "big.txt.why");
    wait_filed(&world, "failed", "big.fin.why");
    assert!(world.ledger().is_empty());
}

#[test]
fn p4_a_marker_that_comes_before_its_data_file_does_not_follow_one_that_failed_with_its_own() {
    let mut world = World::new();
    world.set("[upload]\n", "[upload]\nmax_file_size = \"1 KB\"\n");
    let _daemon = world.start();
    world.drop_file("a", "sales.fin", "");
    world.wait_for("sales.fin", "waiting");
    world.drop_file("a", "sales.txt", large("sales", 2000));
    world.wait_for("sales.fin", "rejected");
    wait_filed(&world, "failed", "sales.fin.why");
    world.drop_file("a", "sales.fin", "");
    assert_eq!(world.wait_for("sales.fin", "waiting").why(), "waits for its data file");
    world.drop_file("a", "sales.txt", tagged("sales"));
    world.wait_for("sales.fin", "success");
    world.assert_delivered(&[("a", "sales.txt", &tagged("sales")), ("a", "sales.fin", b"")]);
}

#[test]
fn p4_a_marker_that_was_removed_and_dropped_again_is_sent() {
    let world = World::new();
    world.fault("upload:429=0");
    let _daemon = world.start();
    world.drop_file("a", "sales.txt", tagged("sales"));
    world.drop_file("a", "sales.fin", "");
    let first = world.wait_for("sales.fin", "queued");
    fs::remove_file(world.folder("a").join("sales.fin")).unwrap();
    world.wait_for("sales.fin", "cancelled");
    world.emulator().clear_faults();
    world.wait_for("sales.txt", "success");
    world.drop_file("a", "sales.fin", "");
    let second = world.wait_for("sales.fin", "success");
    assert_ne!(first.id, second.id);
    assert_eq!(world.accepted(), ["sales.txt", "sales.fin"]);
}

#[test]
fn p2_any_name_that_a_file_can_have_in_utf8_arrives_as_it_is() {
    let world = World::new();
    let _daemon = world.start();
    let longest = format!("{}.txt", "x".repeat(251));
    let many_bytes = format!("{}日.txt", "é".repeat(124));
    let names_to_send = [
        "two words.txt",
        " leading.txt",
        "100%.txt",
        "%2e%2e%2f.txt",
        "quo\"te'd.txt",
        "back\\slash.txt",
        "hash#?&=+;.txt",
        "<b>&amp;.txt",
        "{\"json\": 1}.txt",
        "日本語.txt",
        "📈 🇩🇪.txt",
        "e\u{301}.txt",
        "a..txt",
        "-rf.txt",
        "a.b.c.txt",
        "CON.txt",
        longest.as_str(),
        many_bytes.as_str(),
    ];
    for name in names_to_send {
        world.drop_file("a", name, tagged(names_to_send.iter().position(|other| *other == name).unwrap()));
    }
    for name in names_to_send {
        world.wait_for(name, "success");
        wait_filed(&world, "done", name);
    }
    let contents: Vec<_> = (0..names_to_send.len()).map(tagged).collect();
    let files: Vec<_> = names_to_send.iter().zip(&contents).map(|(name, content)| ("a", *name, &**content)).collect();
    world.assert_delivered(&files);
}

#[test]
fn f1_f3_the_longest_name_is_filed_and_explained_like_any_other() {
    let mut world = World::new();
    world.set("[upload]\n", "[upload]\nmax_file_size = \"1 KB\"\n");
    let _daemon = world.start();
    let longest = format!("{}.txt", "é".repeat(125));
    world.drop_file("a", &longest, tagged("one"));
    let first = world.wait_for(&longest, "success");
    // Its name is taken in `done/`, and with the number of the job it would be too long.
    world.drop_file("a", &longest, tagged("two"));
    world.wait("both to be delivered", || {
        jobs_of(&world, &longest).iter().filter(|job| job.state == "success").count() == 2
    });
    world.wait("both to be filed", || names(&world.folder("a").join("done")).len() == 2);
    let mut second = first.clone();
    world.wait("the second move to be written down", || {
        second = world.wait_for(&longest, "success");
        second.path.contains("/done/")
    });
    assert_ne!(first.id, second.id);
    assert!(second.path.ends_with(&format!(".{}.txt", second.id)), "{}", second.path);
    assert_eq!(fs::read(&second.path).unwrap(), tagged("two"));
    assert_eq!(world.blocked("a"), "");

    world.drop_file("a", &longest, large("too large", 2000));
    world.wait_for(&longest, "rejected");
    world.wait("the reason to lie beside it", || {
        names(&world.folder("a").join("failed"))
            .iter()
            .any(|name| Path::new(name).extension().is_some_and(|why| why == "why"))
    });
}

#[test]
fn p1_names_that_cannot_be_sent_are_rejected_and_explained() {
    let world = World::new();
    let _daemon = world.start();
    let newline = OsString::from("two\nlines.txt");
    let not_utf8 = OsString::from_vec(b"latin\xe9.txt".to_vec());
    let control = OsString::from("bell\u{7}.fin");
    for name in [&newline, &not_utf8, &control] {
        world.write_file("a", name, tagged("never sent"));
    }
    for name in [&newline, &not_utf8, &control] {
        let job = world.wait_for(&name.to_string_lossy(), "rejected");
        assert!(job.why().contains("the file name"), "{}", job.why());
        wait_filed(&world, "failed", name);
        let mut why = name.clone();
        why.push(".why");
        wait_filed(&world, "failed", &why);
    }
    let_another_pass(&world, "other.txt");
    assert_eq!(world.accepted(), ["other.txt"]);
}

#[test]
fn p1_only_plain_files_are_ever_opened() {
    let world = World::new();
    let secret = world.dir.path().join("outside.txt");
    fs::write(&secret, tagged("must stay here")).unwrap();
    let _daemon = world.start();
    let folder = world.folder("a");
    std::os::unix::fs::symlink(&secret, folder.join("link.txt")).unwrap();
    std::os::unix::fs::symlink("nowhere", folder.join("dangling.fin")).unwrap();
    // A reader that opened it would hang, because it never has a writer.
    assert!(Command::new("mkfifo").arg(folder.join("pipe.txt")).status().unwrap().success());
    let _socket = UnixListener::bind(folder.join("socket.txt")).unwrap();
    let mut expected = vec!["link.txt", "dangling.fin", "pipe.txt", "socket.txt"];
    if Command::new("mknod").arg(folder.join("device.txt")).args(["c", "1", "5"]).status().unwrap().success() {
        expected.push("device.txt");
    } else {
        eprintln!("skipped: no device can be made here");
    }
    fs::create_dir(folder.join("directory.txt")).unwrap();
    fs::write(folder.join("directory.txt/inner.txt"), tagged("inner")).unwrap();
    for name in &expected {
        let job = world.wait_for(name, "rejected");
        assert!(job.why().contains("never opened"), "{}", job.why());
        wait_filed(&world, "failed", name);
        wait_filed(&world, "failed", format!("{name}.why"));
    }
    let_another_pass(&world, "other.txt");
    assert_eq!(world.accepted(), ["other.txt"]);
    assert!(folder.join("failed/link.txt").symlink_metadata().unwrap().is_symlink());
    assert_eq!(fs::read(&secret).unwrap(), tagged("must stay here"));
    assert!(folder.join("directory.txt/inner.txt").exists());
    assert!(jobs_of(&world, "directory.txt").is_empty());
}

#[test]
fn p1_a_file_that_cannot_be_read_waits_until_it_can() {
    use std::os::unix::fs::PermissionsExt as _;
    if rustix::process::geteuid().is_root() {
        eprintln!("skipped: everything is readable to root");
        return;
    }
    let world = World::new();
    let _daemon = world.start();
    let hidden = world.dir.path().join("hidden");
    fs::write(&hidden, tagged("locked")).unwrap();
    fs::set_permissions(&hidden, fs::Permissions::from_mode(0o0)).unwrap();
    let path = world.folder("a").join("locked.txt");
    fs::rename(hidden, &path).unwrap();
    assert!(world.wait_for("locked.txt", "waiting").why().contains("cannot be read"));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    world.wait_for("locked.txt", "success");
    world.assert_delivered(&[("a", "locked.txt", &tagged("locked"))]);
}

#[test]
fn p1_a_file_that_is_too_large_is_rejected_and_nothing_is_sent() {
    let mut world = World::new();
    world.set("[upload]\n", "[upload]\nmax_file_size = \"1 KB\"\n");
    let _daemon = world.start();
    world.drop_file("a", "big.txt", large("big", 5000));
    assert!(world.wait_for("big.txt", "rejected").why().contains("upload.max_file_size"));
    wait_filed(&world, "failed", "big.txt.why");
    let why = fs::read_to_string(world.folder("a").join("failed/big.txt.why")).unwrap();
    assert!(why.contains("split it") && why.contains(" jobs show "), "{why}");
    assert_eq!(world.emulator().requests().uploads, 0);
}

#[test]
fn p1_other_names_are_left_alone_and_called_by_name() {
    let world = World::new();
    let _daemon = world.start();
    let ignored = ["SALES.TXT", "SALES.FIN", "notes.md", "sales.txt.part", "noextension", ".hidden.txt", ".txt"];
    for name in ignored {
        world.write_file("a", name, tagged(name));
    }
    for folder in ["export", "export.txt", ".sync"] {
        fs::create_dir(world.folder("a").join(folder)).unwrap();
        fs::write(world.folder("a").join(folder).join("inside.txt"), tagged(folder)).unwrap();
    }
    let_another_pass(&world, "other.txt");
    world.wait("the ignored files to be counted", || world.status("a")["ignored_files"] == 10);
    let log = world.log();
    assert!(!log.contains("hidden.txt: ignored") && !log.contains(".sync: ignored"), "{log}");
    let folders = [("export", "WARN"), ("export.txt", "WARN")];
    for (name, level) in [("SALES.TXT", "WARN"), ("SALES.FIN", "WARN"), ("notes.md", "INFO")].into_iter().chain(folders)
    {
        let lines: Vec<_> = log.lines().filter(|line| line.contains(&format!(" {name}: ignored"))).collect();
        assert!(lines.len() == 1 && lines[0].contains(level), "{name}: {lines:?}");
    }
    for name in ignored {
        assert_eq!(fs::read(world.folder("a").join(name)).unwrap(), tagged(name));
    }
    assert_eq!(world.accepted(), ["other.txt"]);
    assert_eq!(world.jobs().len(), 1);
}

#[test]
fn f1_the_same_name_again_with_other_content_is_a_second_job() {
    let world = World::new();
    let _daemon = world.start();
    world.drop_file("a", "daily.txt", tagged("monday"));
    world.wait_for("daily.txt", "success");
    world.drop_file("a", "daily.txt", tagged("tuesday"));
    world.wait("both to be delivered", || {
        jobs_of(&world, "daily.txt").iter().filter(|job| job.state == "success").count() == 2
    });
    let second = jobs_of(&world, "daily.txt").pop().unwrap();
    let taken = format!("daily.{}.txt", second.id);
    world
        .wait("both to be filed", || names(&world.folder("a").join("done")) == [taken.clone(), "daily.txt".to_owned()]);
    let done = world.folder("a").join("done");
    assert_eq!(fs::read(done.join("daily.txt")).unwrap(), tagged("monday"));
    assert_eq!(fs::read(done.join(&taken)).unwrap(), tagged("tuesday"));
    world.assert_delivered(&[("a", "daily.txt", &tagged("monday")), ("a", "daily.txt", &tagged("tuesday"))]);
}

#[test]
fn f6_f7_a_queued_file_is_sent_whole_or_not_at_all_whatever_happens_to_it() {
    let world = World::new();
    world.fault("upload:429=0");
    let _daemon = world.start();
    let folder = world.folder("a");
    let victims =
        ["appended", "shrunk", "rewritten", "replaced", "removed", "touched", "directory", "linked", "emptied", "away"];
    for name in victims {
        world.drop_file("a", &format!("{name}.txt"), large(name, 1000));
    }
    for name in victims {
        world.wait("it to be taken in", || {
            jobs_of(&world, &format!("{name}.txt")).iter().any(|job| job.sha256.is_some())
        });
    }
    let path = |name: &str| folder.join(format!("{name}.txt"));
    OpenOptions::new().append(true).open(path("appended")).unwrap().write_all(b"11/20/2026\tmore\t1\n").unwrap();
    OpenOptions::new().write(true).open(path("shrunk")).unwrap().set_len(45).unwrap();
    fs::write(path("rewritten"), tagged("rewritten")).unwrap();
    world.drop_file("a", "replaced.txt", tagged("replaced"));
    fs::remove_file(path("removed")).unwrap();
    let modified = std::time::SystemTime::now();
    OpenOptions::new().append(true).open(path("touched")).unwrap().set_modified(modified).unwrap();
    fs::remove_file(path("directory")).unwrap();
    fs::create_dir(path("directory")).unwrap();
    fs::remove_file(path("linked")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", path("linked")).unwrap();
    OpenOptions::new().write(true).open(path("emptied")).unwrap().set_len(0).unwrap();
    fs::rename(path("away"), world.dir.path().join("away.txt")).unwrap();

    for name in ["removed", "directory", "away"] {
        let job = world.wait_for(&format!("{name}.txt"), "cancelled");
        assert!(job.why().contains("removed from the folder"), "{}", job.why());
    }
    world.wait_for("linked.txt", "rejected");
    for name in ["appended", "shrunk", "rewritten", "replaced", "linked"] {
        world.wait("the old content to be cancelled", || {
            let jobs = jobs_of(&world, &format!("{name}.txt"));
            jobs.len() == 2 && jobs[0].state == "cancelled" && jobs[0].why().starts_with("replaced")
        });
    }
    assert!(world.ledger().is_empty());
    world.emulator().clear_faults();
    for name in ["appended", "shrunk", "rewritten", "replaced", "touched"] {
        // The file that shrank is sent whole in its new form, although Adobe cannot process it.
        world.wait_for_end(&format!("{name}.txt"));
    }
    assert_eq!(jobs_of(&world, "touched.txt").len(), 1);
    // The emptied file is never sent, neither in its old form nor in its new one.
    assert_eq!(jobs_of(&world, "emptied.txt").len(), 1);
    let appended = [large("appended", 1000), b"11/20/2026\tmore\t1\n".to_vec()].concat();
    world.assert_delivered(&[
        ("a", "appended.txt", &appended),
        ("a", "shrunk.txt", &large("shrunk", 1000)[..45]),
        ("a", "rewritten.txt", &tagged("rewritten")),
        ("a", "replaced.txt", &tagged("replaced")),
        ("a", "touched.txt", &large("touched", 1000)),
    ]);
}

/// Drops a file that is larger than the socket buffers. Returns after the server has stopped in the middle of it, while
/// datadrop still reads the file.
fn drop_and_wait_for_the_middle(world: &World, name: &str, content: &[u8]) -> PathBuf {
    let uploads = world.emulator().requests().uploads;
    world.fault(&format!("upload:mid-body:slow=700ms:n=1:name={name}"));
    let path = world.drop_file("a", name, content);
    world.wait("the upload to begin", || world.emulator().requests().uploads > uploads);
    path
}

#[test]
fn p2_a_file_that_changes_while_it_is_uploaded_is_never_accepted_in_part() {
    const BYTES: usize = 16 << 20;
    let world = World::new();
    let _daemon = world.start();
    let_another_pass(&world, "other.txt");

    let old = large("append", BYTES);
    let path = drop_and_wait_for_the_middle(&world, "append.txt", &old);
    let more = b"11/20/2026\tmore\t1\n";
    OpenOptions::new().append(true).open(&path).unwrap().write_all(more).unwrap();
    let appended = [old.as_slice(), more].concat();

    world.wait("the longer file to be accepted", || world.accepted().len() == 2);
    let old = large("shrink", BYTES);
    let path = drop_and_wait_for_the_middle(&world, "shrink.txt", &old);
    let shrunk = &old[..old.len() / 2];
    OpenOptions::new().write(true).open(&path).unwrap().set_len(shrunk.len() as u64).unwrap();
    world.wait("the shorter file to be accepted", || world.accepted().len() == 3);

    for name in ["append.txt", "shrink.txt"] {
        world.wait_for_end(name);
        let jobs = jobs_of(&world, name);
        assert_eq!(jobs.len(), 2);
        assert!(jobs[0].state == "cancelled" && jobs[0].why().starts_with("replaced"), "{:?}", jobs[0]);
    }
    world.assert_delivered(&[
        ("a", "other.txt", &tagged("other.txt")),
        ("a", "append.txt", &appended),
        ("a", "shrink.txt", shrunk),
    ]);
}

#[test]
fn f6_f7_a_file_replaced_or_removed_while_it_is_uploaded_was_whole_and_counts() {
    const BYTES: usize = 16 << 20;
    let world = World::new();
    let _daemon = world.start();
    let_another_pass(&world, "other.txt");
    let replaced = large("replaced", BYTES);
    drop_and_wait_for_the_middle(&world, "replaced.txt", &replaced);
    world.drop_file("a", "replaced.txt", tagged("new"));
    world.wait("both to be accepted", || world.accepted().len() == 3);
    let removed = large("removed", BYTES);
    fs::remove_file(drop_and_wait_for_the_middle(&world, "removed.txt", &removed)).unwrap();
    world.wait_for_end("replaced.txt");
    world.wait_for_end("removed.txt");
    world.assert_delivered(&[
        ("a", "other.txt", &tagged("other.txt")),
        ("a", "replaced.txt", &replaced),
        ("a", "replaced.txt", &tagged("new")),
        ("a", "removed.txt", &removed),
    ]);
}

#[test]
fn f7_a_file_replaced_while_its_upload_is_unconfirmed_waits_for_the_old_one_to_be_settled() {
    let world = World::new();
    let _daemon = world.start();
    let_another_pass(&world, "other.txt");
    world.fault("upload:after-commit:reset:n=1:name=arrived.txt");
    world.fault("upload:after-body:reset:n=1:name=lost.txt");
    world.fault("upload:after-commit:reset:n=1:name=gone.txt");
    // Reconciles nothing before all are unconfirmed, because the first look comes at once.
    world.fault("list:gateway=503");
    for name in ["arrived.txt", "lost.txt", "gone.txt"] {
        world.drop_file("a", name, tagged(format!("old {name}")));
        world.wait_for(name, "unconfirmed");
        if name == "gone.txt" {
            fs::remove_file(world.folder("a").join(name)).unwrap();
        } else {
            world.drop_file("a", name, tagged(format!("new {name}")));
        }
    }
    world.emulator().clear_faults();
    for name in ["arrived.txt", "lost.txt"] {
        world.wait(&format!("both of {name} to end"), || {
            let jobs = jobs_of(&world, name);
            let first = if name == "arrived.txt" { "success" } else { "cancelled" };
            jobs.len() == 2 && jobs[0].state == first && jobs[1].state == "success"
        });
    }
    assert!(jobs_of(&world, "lost.txt")[0].why().starts_with("replaced"));
    world.wait_for("gone.txt", "success");
    world.assert_delivered(&[
        ("a", "other.txt", &tagged("other.txt")),
        ("a", "arrived.txt", &tagged("old arrived.txt")),
        ("a", "arrived.txt", &tagged("new arrived.txt")),
        ("a", "lost.txt", &tagged("new lost.txt")),
        ("a", "gone.txt", &tagged("old gone.txt")),
    ]);
}

#[test]
fn p1_two_thousand_files_at_once_arrive_once_each() {
    const FILES: usize = 2000;
    let mut world = World::new();
    world.set("[upload]\n", "[upload]\nmax_in_flight = 16\n");
    let _daemon = world.start();
    let contents: Vec<_> = (0..FILES).map(|number| (format!("file{number:04}.txt"), tagged(number))).collect();
    for (name, content) in &contents {
        world.write_file("a", name, content);
    }
    world.wait_long("every file to be accepted", || world.ledger().len() >= FILES);
    world.wait("every job to end", || {
        let jobs = world.jobs();
        jobs.len() == FILES && jobs.iter().all(|job| job.state == "success")
    });
    let files: Vec<_> = contents.iter().map(|(name, content)| ("a", name.as_str(), content.as_slice())).collect();
    world.assert_delivered(&files);
    world.wait("every file to be filed", || names(&world.folder("a").join("done")).len() == FILES);
}
