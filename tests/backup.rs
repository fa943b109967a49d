//! The copy of the job log that `systemd/datadrop-backup.service` makes, and what it restores after a loss.

use crate::harness::{World, arrived_once, connect, names, primed, quick, skipped, stderr, tagged};
use datadrop::emulator::EmulatorOptions;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const UNIT: &str = "systemd/datadrop-backup.service";
/// `api.timeout` for an upload that is still in progress when the machine dies, because its response never comes.
const LONG: &str = "\"60s\"";

/// Runs the commands of the unit in order, up to the first that fails. Its output is the error. A shell reads these
/// lines as systemd does.
fn run_unit(job_log: &Path, copy: &Path) -> Result<(), Output> {
    let unit = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(UNIT)).unwrap();
    let lines = unit.lines().filter_map(|line| line.split_once('='));
    let commands: Vec<_> = lines.filter(|(key, _)| key.starts_with("ExecStart")).map(|(_, command)| command).collect();
    assert_eq!(commands.len(), 4, "{commands:?}");
    for command in commands {
        // Limited, because a command that hangs must not hang the tests.
        let mut limited = Command::new("timeout");
        limited.args(["20", "sh", "-c", command]).env("JOB_LOG", job_log).env("COPY", copy);
        let output = limited.output().unwrap();
        if !output.status.success() {
            return Err(output);
        }
    }
    Ok(())
}

/// Makes a copy as the unit does. Without `sqlite3` it prints a message and returns false.
fn back_up(job_log: &Path, copy: &Path) -> bool {
    match run_unit(job_log, copy) {
        Ok(()) => true,
        Err(output) if output.status.code() == Some(127) => {
            skipped("copies of the job log: there is no sqlite3");
            false
        }
        Err(output) => panic!("{}: {}", output.status, stderr(&output)),
    }
}

/// A job log in the state directory, and the path for its copy, in a separate folder.
fn places(world: &World) -> (PathBuf, PathBuf) {
    let folder = world.dir.path().join("backups");
    fs::create_dir_all(&folder).unwrap();
    (world.state_dir().join("datadrop.db"), folder.join("datadrop.db"))
}

#[test]
fn a_copy_is_made_whole_and_on_time_while_the_daemon_sends_and_disturbs_nothing() {
    let mut world = World::new();
    // All files have the same day, which a check would report.
    world.account("a", "check = \"off\"");
    let _daemon = primed(&world);
    let (job_log, copy) = places(&world);
    let (is_sending, made) = (AtomicBool::new(true), AtomicUsize::new(0));
    let mut files = 0;
    let copies = std::thread::scope(|scope| {
        let copier = scope.spawn(|| {
            let mut known = Vec::new();
            while is_sending.load(Ordering::Relaxed) && known.len() < 1000 {
                if !back_up(&job_log, &copy) {
                    return None;
                }
                made.fetch_add(1, Ordering::Relaxed);
                let copied = connect(copy.parent().unwrap()).unwrap();
                let verdict: String = copied.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
                assert_eq!(verdict, "ok");
                known.push(copied.query_row("SELECT count(*) FROM job_log", [], |row| row.get::<_, i64>(0)).unwrap());
            }
            Some(known)
        });
        // Until the copier has made copies during the uploads.
        while !copier.is_finished() && (files < 50 || made.load(Ordering::Relaxed) < 3) {
            let name = format!("f{files}.txt");
            world.drop_file("a", &name, tagged(files));
            world.wait("it to be accepted", || world.times_accepted(&name) == 1);
            files += 1;
        }
        let all = i64::try_from(files).unwrap() + 1;
        world.wait("all files to be a success", || world.count("state = 'success'") == all);
        is_sending.store(false, Ordering::Relaxed);
        copier.join().unwrap()
    });
    let Some(known) = copies else { return };
    assert!(known.len() >= 3 && known.is_sorted(), "{known:?}");
    assert_eq!(world.accepted().len(), files + 1);
    for word in ["WARN", "ERROR"] {
        let log = world.log();
        assert!(!log.lines().any(|line| line.contains(word)), "{log}");
    }
    // No unfinished file stays next to the copy.
    assert!(back_up(&job_log, &copy));
    let beside = |name: &String| name.contains(".new");
    assert!(!names(copy.parent().unwrap()).iter().any(beside), "{:?}", names(copy.parent().unwrap()));
}

/// `.backup` alone restarts with each write of another process, and ends only when the writes pause.
#[test]
fn writes_without_a_pause_do_not_keep_a_copy_of_a_large_job_log_from_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let (job_log, copy) = (dir.path().join("large.db"), dir.path().join("copy.db"));
    let log = rusqlite::Connection::open(&job_log).unwrap();
    log.execute_batch(
        "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; CREATE TABLE row (id INTEGER PRIMARY KEY, content BLOB);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
         INSERT INTO row SELECT i, randomblob(3000) FROM n; PRAGMA wal_checkpoint(TRUNCATE)",
    )
    .unwrap();
    let is_copying = &AtomicBool::new(true);
    let written = std::thread::scope(|scope| {
        let writer = scope.spawn(move || {
            let mut written = 0;
            while is_copying.load(Ordering::Relaxed) {
                log.execute("UPDATE row SET content = randomblob(3000) WHERE id = ?1", [1 + written % 30_000]).unwrap();
                written += 1;
                std::thread::sleep(Duration::from_millis(1));
            }
            written
        });
        let copied = std::panic::catch_unwind(|| back_up(&job_log, &copy));
        is_copying.store(false, Ordering::Relaxed);
        let written = writer.join().unwrap();
        copied.unwrap().then_some(written)
    });
    assert!(written.is_none_or(|written| written > 5), "{written:?}");
}

/// The state after a loss. The copy was made at some moment before it.
fn nothing_is_sent_twice_after_a_loss(copy_now: impl FnOnce(&World) -> bool, restore: impl FnOnce(&World)) {
    let mut world = World::with_emulator(EmulatorOptions { processing: Duration::from_secs(1), ..quick() });
    world.api("timeout", LONG);
    let daemon = primed(&world);
    world.wait("it to be filed", || names(&world.folder("a").join("done")) == ["first.txt"]);
    // These jobs are queued, and the copy knows them.
    world.fault("upload:503:name=known*");
    for name in ["known-filed.txt", "known-unclear.txt"] {
        world.drop_file("a", name, tagged(name));
        world.wait("an attempt to end", || world.count(&format!("file_name = '{name}' AND attempts > 0")) == 1);
    }
    if !copy_now(&world) {
        return;
    }
    // The copy does not know these files: Adobe has them, but the machine dies before their responses arrive.
    world.emulator().clear_faults();
    world.fault("upload:after-commit:hang:name=*unclear*");
    world.fault("job:status=processing:name=open*");
    world.wait_for("known-filed.txt", "success");
    world.drop_file("a", "later.txt", tagged("later"));
    world.wait_for("later.txt", "success");
    world.drop_file("a", "open.txt", tagged("open"));
    world.drop_file("a", "unclear.txt", tagged("unclear"));
    world.wait("Adobe to have them", || {
        ["known-unclear.txt", "unclear.txt", "open.txt"].iter().all(|name| world.times_accepted(name) == 1)
    });
    let (done, sent) = (world.folder("a").join("done"), world.folder("a").join("sent"));
    world.wait("what is clear to be filed", || {
        let filed = names(&done);
        ["known-filed.txt", "later.txt"].iter().all(|name| filed.contains(&(*name).to_owned()))
            && names(&sent) == ["open.txt"]
    });
    daemon.kill();
    world.emulator().clear_faults();
    fs::remove_dir_all(world.state_dir()).unwrap();
    fs::create_dir_all(world.state_dir()).unwrap();
    restore(&world);
    let before = world.accepted();

    // A person who forgets `recover` is reminded, and nothing is sent.
    world.drop_file("a", "new.txt", tagged("new"));
    let daemon = world.start();
    let why = world.wait_blocked("a");
    assert!(why.contains("is not in the job log") && why.contains("datadrop recover"), "{why}");
    daemon.stop();
    assert_eq!(world.accepted(), before);

    let recovered = world.run(&["recover"]);
    assert!(recovered.status.success(), "{}", stderr(&recovered));
    let daemon = world.start();
    arrived_once(&world, "new.txt");
    let is_open = "state IN ('waiting', 'queued', 'uploading', 'unconfirmed')";
    world.wait("each file to be filed, held or at Adobe", || world.count(is_open) == 0);
    daemon.stop();
    let known =
        ["first.txt", "known-filed.txt", "known-unclear.txt", "later.txt", "open.txt", "unclear.txt", "new.txt"];
    for name in known {
        assert_eq!(world.times_accepted(name), 1, "{name}: {:?}", world.accepted());
    }
    let states: Vec<_> = world.jobs().into_iter().map(|job| (job.file_name, job.state)).collect();
    let has = |name: &str, state: &str| assert!(states.contains(&(name.to_owned(), state.to_owned())), "{states:?}");
    has("later.txt", "success");
    has("unclear.txt", "held");
}

#[test]
fn after_a_loss_the_copy_and_recover_send_nothing_twice() {
    nothing_is_sent_twice_after_a_loss(
        |world| {
            let (job_log, copy) = places(world);
            back_up(&job_log, &copy)
        },
        |world| {
            let (job_log, copy) = places(world);
            fs::copy(copy, job_log).unwrap();
        },
    );
}

/// Litestream next to the daemon, with the configuration of OPERATING.md. Dropping this stops it.
struct Litestream {
    child: Child,
    config: PathBuf,
    job_log: PathBuf,
    restored: PathBuf,
}

impl Litestream {
    /// Without Litestream it prints a message and returns `None`.
    fn start(world: &World) -> Option<Self> {
        let manual = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("systemd/OPERATING.md")).unwrap();
        let shown =
            manual.split("```yaml\n").find(|block| block.starts_with("dbs:")).unwrap().split("```").next().unwrap();
        let (job_log, copy) = places(world);
        let folder = copy.parent().unwrap();
        let shown = shown.replace("/var/lib/datadrop/datadrop.db", job_log.to_str().unwrap());
        let shown = shown.replace("/var/backups/datadrop", folder.to_str().unwrap());
        assert!(!shown.contains("/var/"), "{shown}");
        let config = world.dir.path().join("litestream.yml");
        fs::write(&config, shown).unwrap();
        let log = fs::File::create(world.dir.path().join("litestream.log")).unwrap();
        let mut command = Command::new("litestream");
        command.arg("replicate").arg("-config").arg(&config).stdin(Stdio::null()).stdout(log).stderr(Stdio::null());
        match command.spawn() {
            Ok(child) => Some(Self { child, config, job_log, restored: folder.join("restored.db") }),
            Err(error) => {
                skipped(&format!("a replica of the job log: litestream: {error}"));
                None
            }
        }
    }

    /// Waits until a restored replica has `jobs` jobs that match the condition.
    fn wait_replicated(&self, world: &World, condition: &str, jobs: i64) {
        world.wait("the replica to have it", || {
            let _ = fs::remove_file(&self.restored);
            let mut command = Command::new("litestream");
            command.arg("restore").arg("-config").arg(&self.config).arg("-o").arg(&self.restored).arg(&self.job_log);
            let count = format!("SELECT count(*) FROM job_log WHERE {condition}");
            command.output().unwrap().status.success()
                && rusqlite::Connection::open(&self.restored)
                    .and_then(|log| log.query_row(&count, [], |row| row.get::<_, i64>(0)))
                    .is_ok_and(|found| found == jobs)
        });
    }
}

impl Drop for Litestream {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn litestream_next_to_the_daemon_disturbs_neither_uploads_nor_a_restart() {
    let mut world = World::new();
    world.account("a", "check = \"off\"");
    let daemon = primed(&world);
    let Some(litestream) = Litestream::start(&world) else { return };
    for file in 0..50 {
        world.drop_file("a", &format!("f{file}.txt"), tagged(file));
    }
    world.wait("all to be a success", || world.count("state = 'success'") == 51);
    litestream.wait_replicated(&world, "state = 'success'", 51);
    let begun = Instant::now();
    daemon.stop();
    let stopped = begun.elapsed();
    eprintln!("stopped within {stopped:?}");
    assert!(stopped < Duration::from_secs(20), "{stopped:?}");
    let _daemon = world.start();
    world.drop_file("a", "after.txt", tagged("after"));
    arrived_once(&world, "after.txt");
    litestream.wait_replicated(&world, "file_name = 'after.txt' AND state = 'success'", 1);
    assert_eq!(world.accepted().len(), 52);
    let log = world.log();
    assert!(!log.lines().any(|line| line.contains("WARN") || line.contains("ERROR")), "{log}");
}

#[test]
fn after_a_loss_the_replica_of_litestream_and_recover_send_nothing_twice() {
    nothing_is_sent_twice_after_a_loss(
        |world| {
            let Some(litestream) = Litestream::start(world) else { return false };
            litestream.wait_replicated(world, "file_name LIKE 'known%' AND state = 'queued'", 2);
            true
        },
        |world| {
            let (job_log, copy) = places(world);
            fs::copy(copy.with_file_name("restored.db"), job_log).unwrap();
        },
    );
}

/// The folders do not show that the copy is old.
#[test]
fn a_file_that_was_sent_after_the_copy_is_not_sent_again_even_if_recover_is_forgotten() {
    let mut world = World::new();
    world.api("timeout", LONG);
    let daemon = primed(&world);
    world.wait("it to be filed", || names(&world.folder("a").join("done")) == ["first.txt"]);
    world.fault("upload:503:name=known*");
    world.drop_file("a", "known.txt", tagged("known"));
    world.wait("an attempt to end", || world.count("file_name = 'known.txt' AND attempts > 0") == 1);
    let (job_log, copy) = places(&world);
    if !back_up(&job_log, &copy) {
        return;
    }
    world.emulator().clear_faults();
    world.fault("upload:after-commit:hang:name=known*");
    world.wait("Adobe to have it", || world.times_accepted("known.txt") == 1);
    daemon.kill();
    world.emulator().clear_faults();
    fs::remove_dir_all(world.state_dir()).unwrap();
    fs::create_dir_all(world.state_dir()).unwrap();
    fs::copy(copy, job_log).unwrap();
    let _daemon = world.start();
    world.drop_file("a", "new.txt", tagged("new"));
    arrived_once(&world, "new.txt");
    // It is found if the copy knows the attempt as unclear, and held if it does not.
    world.wait("it to be found or held", || {
        world.count("file_name = 'known.txt' AND state IN ('held', 'success')") == 1
    });
    assert_eq!(world.accepted(), ["first.txt", "known.txt", "new.txt"]);
}

#[test]
fn an_empty_job_log_does_not_take_the_place_of_the_copy() {
    let world = World::new();
    let daemon = primed(&world);
    let (job_log, copy) = places(&world);
    if !back_up(&job_log, &copy) {
        return;
    }
    daemon.kill();
    fs::remove_dir_all(world.state_dir()).unwrap();
    let _daemon = world.start();
    let refused = run_unit(&job_log, &copy).unwrap_err();
    assert!(stderr(&refused).contains("the copy knows more than the job log"), "{}", stderr(&refused));
    let copied = connect(copy.parent().unwrap()).unwrap();
    let known: i64 = copied.query_row("SELECT count(*) FROM job_log", [], |row| row.get(0)).unwrap();
    assert_eq!(known, 1);
}
