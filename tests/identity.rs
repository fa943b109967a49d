//! Which file is it? The content decides, and the numbers of the file system are hints (DESIGN F2, A4). For each block
//! that a folder can cause, the documented remedy works (F4, F5).

use crate::harness::{
    Daemon, NOBODY, World, arrived_once, as_nobody, command, large, names, primed, quick, skipped, stderr, stdout,
    tagged,
};
use datadrop::emulator::EmulatorOptions;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

fn lie_in(world: &World, place: &str) -> Vec<String> {
    names(&world.folder("a").join(place))
}

/// Copies everything, so that each file has another inode and birth time, as on another machine whose disk has the same
/// number.
fn copied(folder: &Path) {
    let copy = folder.with_extension("copy");
    command("cp", &["-a", &folder.display().to_string()], &copy);
    fs::remove_dir_all(folder).unwrap();
    fs::rename(copy, folder).unwrap();
}

#[test]
fn a4_a_file_that_is_renamed_in_the_inbox_while_it_is_sent_is_sent_once() {
    for duplicates in ["hold", "allow"] {
        let mut world = World::new();
        world.account("a", &format!("duplicates = \"{duplicates}\""));
        let daemon = primed(&world);
        world.fault("upload:slow=700ms:n=1");
        let path = world.drop_file("a", "tmp.txt", tagged("renamed"));
        world.wait("the server to have it", || world.times_accepted("tmp.txt") == 1);
        fs::rename(path, world.folder("a").join("sales.txt")).unwrap();
        arrived_once(&world, "tmp.txt");
        world.wait("it to be filed", || lie_in(&world, "done") == ["first.txt", "sales.txt"]);
        // By then a scan has handled everything in the folder.
        world.drop_file("a", "last.txt", tagged("last"));
        arrived_once(&world, "last.txt");
        assert_eq!(world.accepted(), ["first.txt", "tmp.txt", "last.txt"], "{duplicates}");
        assert_eq!(world.jobs().len(), 3);
        assert!(world.log().contains("renamed to sales.txt while it was on its way"));
        assert_eq!(daemon.stop().code(), Some(0));
    }
}

/// A writer that begins under a temporary name, and begins the next file under the same name at once.
#[test]
fn f6_a_file_that_waits_under_a_temporary_name_keeps_its_job_when_it_is_renamed() {
    let world = World::new();
    let daemon = primed(&world);
    let folder = world.folder("a");
    let (tmp, content) = (folder.join("upload.tmp.txt"), tagged("renamed"));
    let mut writer = fs::File::create(&tmp).unwrap();
    world.wait_for("upload.tmp.txt", "waiting");
    writer.write_all(&content).unwrap();
    drop(writer);
    fs::rename(&tmp, folder.join("sales.txt")).unwrap();
    let _next = fs::File::create(&tmp).unwrap();
    arrived_once(&world, "sales.txt");
    world.wait_for("upload.tmp.txt", "waiting");
    // A scan finds nothing missing either.
    daemon.signal("USR1");
    world.drop_file("a", "last.txt", tagged("last"));
    arrived_once(&world, "last.txt");
    let jobs: Vec<_> = world.jobs().into_iter().map(|job| (job.file_name, job.state)).collect();
    let expected = ["first.txt", "sales.txt", "upload.tmp.txt", "last.txt"]
        .map(|name| (name.to_owned(), if name == "upload.tmp.txt" { "waiting" } else { "success" }.to_owned()));
    assert_eq!(jobs, expected);
    assert!(stdout(&world.run(&["jobs", "show", "2"])).contains("renamed from upload.tmp.txt before it was sent"));
    assert!(!world.log().contains("removed before it was sent"), "{}", world.log());
}

#[test]
fn f6_a_queued_file_that_is_renamed_before_it_was_sent_keeps_its_job_and_is_no_duplicate_of_itself() {
    let mut world = World::new();
    world.account("a", "duplicates = \"hold-content\"");
    world.set("[upload]\n", "[upload]\nmax_in_flight = 1\n");
    let _daemon = primed(&world);
    world.fault("upload:slow=8s:n=1");
    world.drop_file("a", "slow.txt", tagged("slow"));
    world.wait_for("slow.txt", "uploading");
    let path = world.drop_file("a", "upload.tmp.txt", tagged("renamed"));
    world.wait_for("upload.tmp.txt", "queued");
    fs::rename(path, world.folder("a").join("sales.txt")).unwrap();
    arrived_once(&world, "sales.txt");
    assert_eq!(world.accepted(), ["first.txt", "slow.txt", "sales.txt"]);
    assert_eq!(world.jobs().len(), 3, "{:?}", world.jobs());
    assert!(world.log().contains("renamed to sales.txt before it was sent"));
}

#[test]
fn a4_a_file_renamed_while_its_outcome_is_unclear_is_sent_once_over_a_restart() {
    let mut world = World::new();
    world.set("confirm_for = \"400ms\"", "confirm_for = \"5s\"");
    let daemon = primed(&world);
    world.fault("upload:after-commit:reset:n=1:name=tmp.txt");
    world.fault("list:500");
    let path = world.drop_file("a", "tmp.txt", tagged("renamed"));
    world.wait_for("tmp.txt", "unconfirmed");
    daemon.kill();
    fs::rename(path, world.folder("a").join("sales.txt")).unwrap();
    world.emulator().clear_faults();
    let _daemon = world.start();
    arrived_once(&world, "tmp.txt");
    world.wait("it to be filed", || lie_in(&world, "done") == ["first.txt", "sales.txt"]);
    assert_eq!((world.accepted(), world.jobs().len()), (vec!["first.txt".to_owned(), "tmp.txt".to_owned()], 2));
}

#[test]
fn a4_content_that_is_on_the_wire_waits_under_every_other_name() {
    let world = World::new();
    let _daemon = primed(&world);
    world.fault("upload:slow=1s:n=1");
    let first = world.drop_file("a", "first-name.txt", tagged("both"));
    world.wait("the server to have it", || world.times_accepted("first-name.txt") == 1);
    // A second name of the file, and a copy. Each is a separate drop, and waits for the outcome.
    fs::hard_link(&first, world.folder("a").join("linked.txt")).unwrap();
    world.drop_file("a", "copied.txt", tagged("both"));
    world.wait("both to be queued", || world.count("state = 'queued' AND attempts = 0") == 2);
    assert_eq!(world.wait_for("first-name.txt", "uploading").attempts, 1);
    for name in ["first-name.txt", "linked.txt", "copied.txt"] {
        arrived_once(&world, name);
    }
    let attempts = |name: &str| world.attempts(world.wait_for(name, "success").id);
    let known_at = attempts("first-name.txt")[0].ended_at.unwrap();
    for name in ["linked.txt", "copied.txt"] {
        assert!(attempts(name)[0].started_at >= known_at, "{name}");
    }
}

#[test]
fn f2_a_folder_that_was_copied_to_another_disk_is_the_same_folder() {
    let world = World::with_emulator(EmulatorOptions { processing: Duration::from_secs(8), ..quick() });
    let daemon = world.start();
    for name in ["one.txt", "two.txt"] {
        world.drop_file("a", name, tagged(name));
        world.wait_for(name, "uploaded");
    }
    world.wait("them to be filed", || lie_in(&world, "sent") == ["one.txt", "two.txt"]);
    world.fault("upload:before-body:reset:name=queued.txt");
    world.drop_file("a", "queued.txt", tagged("queued"));
    world.wait("an attempt", || world.count("file_name = 'queued.txt' AND attempts > 0") == 1);
    world.fault("upload:after-commit:reset:n=1:name=lost.txt");
    world.fault("list:500");
    world.drop_file("a", "lost.txt", tagged("lost"));
    world.wait_for("lost.txt", "unconfirmed");
    daemon.kill();
    copied(&world.folder("a"));
    world.emulator().clear_faults();
    let _daemon = world.start();
    for name in ["one.txt", "two.txt", "queued.txt", "lost.txt"] {
        arrived_once(&world, name);
    }
    world.wait("all to be filed", || lie_in(&world, "done").len() == 4);
    assert_eq!(world.count("state = 'held'"), 0, "{:?}", world.jobs());
    assert_eq!(world.accepted().len(), 4, "{:?}", world.accepted());
}

#[test]
fn s5_a_machine_set_back_with_files_queued_holds_the_files_that_adobe_has() {
    let mut world = World::new();
    world.account("a", "sequential = true");
    let daemon = primed(&world);
    world.fault("upload:before-body:reset:name=attempted.txt");
    // A large file whose last bytes never go. The other file waits for it.
    world.drop_file("a", "attempted.txt", large("attempted", 300_000));
    world.drop_file("a", "never.txt", tagged("never"));
    world.wait("both to be queued", || {
        world.count("state = 'queued' AND attempts > 0") == 1 && world.count("state = 'queued' AND attempts = 0") == 1
    });
    daemon.kill();
    let saved = world.dir.path().join("saved");
    fs::create_dir(&saved).unwrap();
    let parts = [world.folder("a"), world.state_dir()];
    for part in &parts {
        command("cp", &["-a", &part.display().to_string()], &saved);
    }
    world.emulator().clear_faults();
    let daemon = world.start();
    let remote = ["attempted.txt", "never.txt"].map(|name| arrived_once(&world, name).remote_job_id.unwrap());
    daemon.stop();
    for part in &parts {
        fs::remove_dir_all(part).unwrap();
        command("cp", &["-a", &saved.join(part.file_name().unwrap()).display().to_string()], part);
    }
    let _daemon = world.start();
    for (name, remote) in ["attempted.txt", "never.txt"].into_iter().zip(remote) {
        let held = world.wait_for(name, "held");
        assert!(held.why().contains(&format!("the remote job {remote} of this name")), "{}", held.why());
        let id = held.id.to_string();
        let released = world.run(&["jobs", "release", &id]);
        assert!(!released.status.success(), "{name} may be counted twice: {released:?}");
        let adopted = world.run(&["jobs", "release", &id, "--adopt", &remote.to_string()]);
        assert!(adopted.status.success(), "{name}: {adopted:?}");
        world.wait_for(name, "success");
    }
    goes_on(&world, "next");
    assert_eq!(world.accepted(), ["first.txt", "attempted.txt", "never.txt", "next.txt"]);
}

#[test]
fn f5_a_file_that_cannot_be_moved_is_not_sent() {
    let world = World::new();
    let folder = world.folder("a");
    let sticky = |folder: &Path| {
        command("chown", &["0"], folder);
        command("chmod", &["1777"], folder);
    };
    let Some(daemon) = as_nobody(&world, sticky) else { return };
    world.drop_file("a", "theirs.txt", tagged("theirs"));
    let own = world.drop_file("a", ".own", tagged("own"));
    command("chown", &[NOBODY], &own);
    fs::rename(&own, folder.join("own.txt")).unwrap();
    arrived_once(&world, "own.txt");
    let waiting = world.wait_for("theirs.txt", "waiting");
    assert!(waiting.why().contains("the sticky bit"), "{}", waiting.why());
    assert_eq!(world.accepted(), ["own.txt"]);
    command("chmod", &["-t"], &folder);
    arrived_once(&world, "theirs.txt");
    world.wait("both to be filed", || lie_in(&world, "done") == ["own.txt", "theirs.txt"]);
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn f5_a_file_that_is_immutable_waits() {
    let world = World::new();
    let path = world.drop_file("a", "fixed.txt", tagged("fixed"));
    if !Command::new("chattr").arg("+i").arg(&path).status().is_ok_and(|status| status.success()) {
        skipped("no file can be made immutable here (it takes root and a file system that knows it)");
        return;
    }
    let _daemon = world.start();
    world.wait("it to be told", || world.count("state = 'waiting' AND reason LIKE '%chattr -i%'") == 1);
    assert!(world.accepted().is_empty());
    command("chattr", &["-i"], &path);
    arrived_once(&world, "fixed.txt");
}

#[test]
fn f4_files_that_datadrop_did_not_file_do_not_make_the_job_log_look_older() {
    let world = World::new();
    primed(&world).stop();
    let done = world.folder("a").join("done");
    command("gzip", &["--keep"], &done.join("first.txt"));
    for name in ["README", "first.txt~", "first.txt.bak", "#first.txt#", "notes.md"] {
        fs::write(done.join(name), "somebody's own").unwrap();
    }
    let daemon = world.start();
    assert_eq!(world.blocked("a"), "");
    world.drop_file("a", "next.txt", tagged("next"));
    arrived_once(&world, "next.txt");
    daemon.stop();
    // A data file that a person put there looks like a filed one. The remedy is `recover`.
    fs::write(done.join("stranger.txt"), tagged("stranger")).unwrap();
    let daemon = world.start();
    // Until the daemon opened the folder, that was the only reason.
    world.wait("the stranger to be told", || world.blocked("a").contains("datadrop recover"));
    daemon.stop();
    recover(&world);
    let _daemon = world.start();
    goes_on(&world, "last");
}

pub fn recover(world: &World) {
    let recovered = world.run(&["recover", "--account", "a"]);
    assert!(recovered.status.success(), "{}", stderr(&recovered));
}

/// Asserts that the account is no longer blocked, and that it delivers a file.
#[track_caller]
pub fn goes_on(world: &World, tag: &str) {
    world.wait(&format!("{tag}: the account to go on"), || world.blocked("a").is_empty());
    let name = format!("{tag}.txt");
    world.drop_file("a", &name, tagged(tag));
    arrived_once(world, &name);
}

#[test]
fn f4_f5_each_block_that_a_folder_brings_has_a_way_out_that_works() {
    let world = World::new();
    let folder = world.folder("a");
    let daemon = primed(&world);
    let (mark, aside) = (folder.join(".datadrop"), world.dir.path().join("aside"));
    let blocked = |words: &str| world.wait(words, || world.blocked("a").contains(words));

    fs::rename(&folder, &aside).unwrap();
    blocked("create it, or mount what holds it");
    fs::create_dir(&folder).unwrap();
    blocked("move the old one back");
    fs::remove_dir(&folder).unwrap();
    fs::write(&folder, "").unwrap();
    blocked("name a folder");
    fs::remove_file(&folder).unwrap();
    fs::rename(&aside, &folder).unwrap();
    goes_on(&world, "moved-back");

    fs::rename(&mark, &aside).unwrap();
    blocked("put the mark back");
    fs::rename(&aside, &mark).unwrap();
    goes_on(&world, "mark-back");

    let text = fs::read_to_string(&mark).unwrap();
    fs::write(&mark, text.replace("account a", "account b")).unwrap();
    blocked("put it back");
    fs::write(&mark, &text).unwrap();
    goes_on(&world, "mark-mended");

    let sent = folder.join("sent");
    fs::rename(&sent, &aside).unwrap();
    std::os::unix::fs::symlink(".", &sent).unwrap();
    blocked("a symbolic link");
    fs::remove_file(&sent).unwrap();
    goes_on(&world, "sub-folder");
    fs::remove_dir_all(&aside).unwrap();

    daemon.stop();
    // The text of each of these blocks names `recover`.
    for what in ["lost", "another", "forgotten"] {
        match what {
            "lost" => fs::remove_file(&mark).unwrap(),
            "another" => fs::write(&mark, "account a\nid 0000000000000001\n").unwrap(),
            _ => fs::remove_dir_all(world.state_dir()).unwrap(),
        }
        let daemon = world.start();
        blocked("run `datadrop recover`");
        daemon.stop();
        recover(&world);
        let daemon = world.start();
        goes_on(&world, what);
        daemon.stop();
    }
}

/// Runs the command that a block gives in backquotes after "run".
#[track_caller]
pub fn run_what_it_says(world: &World, what: &str) {
    let mut said = String::new();
    world.wait(&format!("{what}: the block and its remedy"), || {
        said = world.blocked("a");
        said.contains(what) && said.contains("; run `")
    });
    let remedy = said.split_once("; run `").unwrap().1.split_once('`').unwrap().0;
    command("sh", &["-c", remedy], Path::new("sh"));
}

#[test]
fn f4_f9_each_block_by_other_hands_has_a_way_out_that_works() {
    let mut world = World::new();
    world.account("b", "");
    let folder = world.folder("a");
    primed(&world).stop();

    // Locks the folder as another daemon does.
    let another = fs::File::open(&folder).unwrap();
    another.try_lock().unwrap();
    let daemon = world.start();
    world.wait("the other to be told", || world.blocked("a").contains("another datadrop is at work"));
    assert!(world.blocked("a").contains("stop the other"));
    drop(another);
    goes_on(&world, "stopped-the-other");
    daemon.stop();

    let aside = world.dir.path().join("aside");
    fs::rename(world.folder("b"), &aside).unwrap();
    std::os::unix::fs::symlink(folder.join("done"), world.folder("b")).unwrap();
    let daemon = world.start();
    world.wait("the folder in the other to be told", || world.blocked("b").contains("choose a folder beside it"));
    fs::remove_file(world.folder("b")).unwrap();
    fs::rename(&aside, world.folder("b")).unwrap();
    world.drop_file("b", "beside.txt", tagged("beside"));
    arrived_once(&world, "beside.txt");
    assert_eq!(world.blocked("a"), "");
    daemon.stop();

    if Command::new("chown").arg("65533").arg(folder.join("sent")).status().is_ok_and(|status| status.success()) {
        let _daemon = world.start();
        run_what_it_says(&world, "sent: it belongs to user 65533");
        goes_on(&world, "sub-folder-given-back");
        let (mark, copy) = (folder.join(".datadrop"), folder.join(".copy"));
        fs::copy(&mark, &copy).unwrap();
        command("chown", &["65533"], &copy);
        fs::rename(&copy, &mark).unwrap();
        run_what_it_says(&world, ".datadrop: it belongs to user 65533");
        goes_on(&world, "mark-given-back");
    } else {
        skipped("only root may give folders to others");
    }
}

/// A copy of the machine runs next to the original, with the same folders.
#[test]
fn f4_a_second_daemon_at_work_in_the_folder_blocks_until_it_is_stopped_and_what_it_sent_is_recovered() {
    let world = World::new();
    primed(&world).stop();
    let copy = tempfile::tempdir().unwrap();
    let (state, config) = (copy.path().join("state"), copy.path().join("datadrop.toml"));
    command("cp", &["-a", &world.state_dir().display().to_string()], &state);
    let text = fs::read_to_string(world.write_config()).unwrap();
    fs::write(&config, text.replace(&format!("{:?}", world.state_dir()), &format!("{state:?}"))).unwrap();
    for sends in [false, true] {
        let another = Daemon::start_with(copy.path(), &config, &[], &[]);
        another.wait_ready();
        let logged = || fs::read_to_string(copy.path().join("log")).unwrap();
        world.wait("the other to have the folder", || logged().matches("watching ").count() == 1 + usize::from(sends));
        let daemon = world.start();
        world.wait("the other to be told", || world.blocked("a").contains("another datadrop is at work"));
        assert!(world.blocked("a").contains("stop the other"));
        if sends {
            world.drop_file("a", "theirs.txt", tagged("theirs"));
            world.wait("the other to send it", || lie_in(&world, "done").contains(&"theirs.txt".to_owned()));
        }
        assert!(another.stop().success());
        if sends {
            world.wait("what it sent to be missed", || world.blocked("a").contains("datadrop recover"));
            daemon.stop();
            recover(&world);
            let _daemon = world.start();
            goes_on(&world, "recovered");
        } else {
            goes_on(&world, "stopped-the-other");
            daemon.stop();
            // The other daemon's job log must not be the older one.
            fs::remove_dir_all(&state).unwrap();
            command("cp", &["-a", &world.state_dir().display().to_string()], &state);
        }
    }
    assert_eq!(world.accepted(), ["first.txt", "stopped-the-other.txt", "theirs.txt", "recovered.txt"]);
}

#[test]
fn f5_a_right_that_is_missing_blocks_until_it_is_given() {
    let world = World::new();
    let Some(daemon) = as_nobody(&world, |folder| {
        command("chown", &["-R", "0"], folder);
        command("chmod", &["-R", "777"], folder);
        command("chmod", &["755"], &folder.join("held"));
    }) else {
        return;
    };
    let right = "give the user that runs datadrop the right to write there";
    world.wait("the right to be missed", || world.blocked("a").contains(right));
    let said = world.blocked("a");
    assert!(said.contains(&world.folder("a").join("held").display().to_string()), "{said}");
    command("chmod", &["777"], &world.folder("a").join("held"));
    goes_on(&world, "right-given");
    assert_eq!(daemon.stop().code(), Some(0));
}
