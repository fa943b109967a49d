//! Other processes use the job log while the daemon runs: they read, copy, lock, remove and replace it. datadrop loses
//! nothing that it knows, and never stays silent about it.

use crate::harness::{Daemon, World, arrived_once, connect_to_write, primed, stderr, stdout, tagged};
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

fn database(world: &World) -> PathBuf {
    world.state_dir().join("datadrop.db")
}

/// Returns whether this process has a POSIX lock on this file, according to the kernel.
fn has_locked(pid: u32, file: &Path) -> bool {
    let inode = fs::metadata(file).unwrap().ino();
    fs::read_to_string("/proc/locks").unwrap().lines().any(|line| {
        let mut words = line.split_whitespace().skip_while(|word| *word != "POSIX");
        let (owner, place) = (words.nth(3), words.next());
        owner == Some(&pid.to_string())
            && place.and_then(|place| place.rsplit(':').next()) == Some(inode.to_string().as_str())
    })
}

/// Returns the job log files that the daemon still has open after they were deleted.
fn deleted(daemon: &Daemon) -> Vec<PathBuf> {
    fs::read_dir(format!("/proc/{}/fd", daemon.pid()))
        .unwrap()
        .filter_map(|entry| fs::read_link(entry.unwrap().path()).ok())
        .filter(|path| path.to_string_lossy().contains("datadrop.db") && path.to_string_lossy().ends_with("(deleted)"))
        .collect()
}

/// Runs a program of the machine. If it is not installed, prints a message and returns false.
fn neighbour(program: &str, arguments: &[&str]) -> bool {
    match Command::new(program).args(arguments).output() {
        Ok(output) => {
            assert!(output.status.success(), "{program} {arguments:?}: {}", stderr(&output));
            true
        }
        Err(error) => {
            eprintln!("skipped: {program} {arguments:?}: {error}");
            false
        }
    }
}

/// Reads the job log in every way that people use, one after the other.
fn look_in_every_way(world: &World) {
    let (file, copy) = (database(world), world.dir.path().join("copy.db"));
    let (path, copied) = (file.display().to_string(), copy.display().to_string());
    let count = "SELECT count(*) FROM job_log";
    let jobs: i64 = connect_to_write(&world.state_dir()).query_row(count, [], |row| row.get(0)).unwrap();
    assert!(jobs > 0);
    neighbour("sqlite3", &[&path, count]);
    neighbour("sqlite3", &["-readonly", &path, count]);
    neighbour("sqlite3", &[&path, &format!(".backup '{copied}'")]);
    let _ = fs::remove_file(&copy);
    neighbour("sqlite3", &[&path, &format!("VACUUM INTO '{copied}'")]);
    neighbour("sqlite3", &[&path, "PRAGMA wal_checkpoint(TRUNCATE)"]);
    // Refused while the daemon has its lock.
    let _ = Command::new("sqlite3").args([&path, "PRAGMA journal_mode = DELETE"]).output();
    let python =
        format!("import sqlite3; c = sqlite3.connect('{path}'); print(c.execute('{count}').fetchone()); c.close()");
    neighbour("python3", &["-c", &python]);
    neighbour(
        "cp",
        &["-a", &world.state_dir().display().to_string(), &world.dir.path().join("copied").display().to_string()],
    );
    for command in [
        &["jobs", "list"][..],
        &["jobs", "show", "1"],
        &["status"],
        &["doctor", "--offline"],
        &["explain", &world.folder("a").join("x.txt").display().to_string()],
        &["run", "--dry-run"],
        &["jobs", "hold", "1"],
    ] {
        world.run(command);
    }
}

#[test]
fn p5_no_reader_of_the_job_log_makes_it_lose_anything() {
    let world = World::new();
    let daemon = primed(&world);
    for round in 0..2 {
        look_in_every_way(&world);
        assert_eq!(deleted(&daemon), Vec::<PathBuf>::new(), "round {round}");
        let name = format!("sales{round}.txt");
        world.drop_file("a", &name, tagged(round));
        arrived_once(&world, &name);
    }
    daemon.kill();
    let known = world.count("state = 'success'");
    assert_eq!(known, 3, "the job log knows all that was delivered");
    let _daemon = world.start();
    world.drop_file("a", "after.txt", tagged("after"));
    arrived_once(&world, "after.txt");
    assert_eq!(world.accepted(), ["first.txt", "sales0.txt", "sales1.txt", "after.txt"]);
}

#[test]
fn p3_an_answer_lost_after_a_reader_came_makes_one_ingestion() {
    let mut world = World::new();
    world.api("timeout", "\"500ms\"").set("confirm_for = \"400ms\"", "confirm_for = \"4s\"");
    let daemon = primed(&world);
    look_in_every_way(&world);
    world.fault("list:late=1500ms:name=sales.txt");
    world.fault("upload:after-commit:hang:n=1:name=sales.txt");
    world.drop_file("a", "sales.txt", tagged("sales"));
    world.wait("it to be ingested", || world.times_accepted("sales.txt") == 1);
    look_in_every_way(&world);
    daemon.kill();
    let _daemon = world.start();
    arrived_once(&world, "sales.txt");
}

#[test]
fn p5_the_kernel_knows_the_daemons_lock_on_the_job_log_at_all_times() {
    let mut world = World::new();
    world.account("b", "");
    let alerts = world.dir.path().join("alerts");
    let sections = format!(
        "{}[status]\nlisten = \"127.0.0.1:0\"\n[[alert]]\non = [\"held\", \"blocked\"]\ncommand = [\"sh\", \"-c\", \"cat >>{}\"]\n",
        world.sections_text(),
        alerts.display()
    );
    world.sections(&sections);
    let daemon = primed(&world);
    let file = database(&world);
    // A list that changes while it is read may miss a line. A lost lock never comes back.
    let holds =
        |when: &str| world.wait(&format!("a lock on the job log after {when}"), || has_locked(daemon.pid(), &file));
    holds("the start");
    world.write_config();
    daemon.signal("HUP");
    daemon.wait_notified("READY=1");
    holds("a reload");
    let log = world.log();
    let page = log.split("the status page is at http://").nth(1).and_then(|rest| rest.split('/').next()).unwrap();
    for path in ["", "jobs", "jobs/1", "metrics", "api/status", "readyz"] {
        neighbour("curl", &["-s", "-o", "/dev/null", &format!("http://{page}/{path}")]);
        holds(&format!("/{path} of the page"));
    }
    // Held as a duplicate, reported by an alert, released by a verb.
    world.drop_file("a", "first.txt", crate::harness::data(1));
    let held = world.wait_for("first.txt", "held");
    world.wait("an alert", || alerts.exists());
    holds("an alert");
    assert!(world.run(&["jobs", "cancel", &held.id.to_string()]).status.success());
    holds("a verb");
    assert!(!world.run(&["recover"]).status.success(), "a daemon is running");
    holds("recover");
    fs::rename(world.folder("b"), world.dir.path().join("away")).unwrap();
    world.wait_blocked("b");
    holds("a folder that went");
    fs::rename(world.dir.path().join("away"), world.folder("b")).unwrap();
    world.drop_file("b", "sales.txt", tagged("sales"));
    arrived_once(&world, "sales.txt");
    daemon.signal("USR1");
    look_in_every_way(&world);
    holds("a day of work");
}

#[test]
fn p3_while_another_process_holds_the_write_lock_uploads_stop_and_the_process_is_named() {
    let world = World::new();
    let watchdog = [("WATCHDOG_USEC", "3000000")];
    let mut daemon = Daemon::start_with(world.dir.path(), &world.write_config(), &[], &watchdog);
    daemon.wait_ready();
    world.drop_file("a", "first.txt", tagged("first"));
    arrived_once(&world, "first.txt");

    let other = connect_to_write(&world.state_dir());
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    world.drop_file("a", "sales.txt", tagged("sales"));
    let this = format!("process {} (", std::process::id());
    world.wait("the process to be named", || {
        world.log().lines().any(|line| line.contains("the job log cannot be written") && line.contains(&this))
    });
    assert!(!daemon.starves_within(Duration::from_secs(3), Duration::from_secs(12)), "the watchdog is fed");
    assert!(daemon.is_running());
    assert_eq!(world.accepted(), ["first.txt"]);
    other.execute_batch("COMMIT").unwrap();
    arrived_once(&world, "sales.txt");
    assert!(world.log().contains("the job log can be written again"));
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn p5_a_start_waits_for_the_write_lock_and_says_who_has_it() {
    let world = World::new();
    primed(&world).stop();
    let other = connect_to_write(&world.state_dir());
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut daemon = world.start_unready();
    let this = format!("process {} (", std::process::id());
    world.wait("the process to be named", || world.log().contains(&this));
    let until = Instant::now() + Duration::from_secs(7);
    while Instant::now() < until {
        assert!(daemon.is_running(), "it waits\n{}", world.log());
        std::thread::sleep(Duration::from_millis(100));
    }
    other.execute_batch("ROLLBACK").unwrap();
    daemon.wait_ready();
    world.drop_file("a", "sales.txt", tagged("sales"));
    arrived_once(&world, "sales.txt");
}

/// Changes the job log under a running daemon, and checks the message. From then on datadrop sends nothing, also after
/// a restart, until a person has decided.
fn refused_after(act: impl Fn(&World), said: &str) -> World {
    let world = World::new();
    let mut daemon = primed(&world);
    act(&world);
    let before = world.accepted();
    world.drop_file("a", "sales.txt", tagged("sales"));
    world.wait("it to be noticed", || {
        world.log().lines().any(|line| line.contains(said) && line.contains("while datadrop ran"))
    });
    // Each look at a second file ends with a refused commit, so it would be sent if that were possible.
    world.drop_file("a", "more.txt", tagged("more"));
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(world.accepted(), before, "nothing is sent any more");
    assert!(daemon.is_running());
    // No command shows a job log that is not the daemon's.
    let listed = world.run(&["jobs", "list"]);
    assert_eq!(listed.status.code(), Some(1));
    assert!(stderr(&listed).contains("does not know what was sent until then"), "{}", stderr(&listed));
    let examined = stdout(&world.run(&["doctor", "--offline"]));
    assert!(examined.lines().any(|line| line.contains("FAIL") && line.contains("while datadrop ran")), "{examined}");
    daemon.stop();

    let mut daemon = world.start_unready();
    assert_ne!(daemon.wait_exit().code(), Some(0));
    assert!(world.log().contains("does not know what was sent until then"), "{}", world.log());
    assert_eq!(world.accepted(), before);
    world
}

fn goes_on(world: &World) {
    let _daemon = world.start();
    for name in ["sales.txt", "more.txt", "first.txt"] {
        arrived_once(world, name);
    }
}

/// Takes the job log away. The daemon saves what it knows, and continues with that.
fn taken_away(act: impl Fn(&World), said: &str) {
    let world = refused_after(act, said);
    let saved = world.state_dir().join("datadrop-saved.db");
    assert!(world.log().contains(&format!("mv {}", saved.display())), "{}", world.log());
    // The remedy in the message.
    for name in ["datadrop.db", "datadrop.db-wal", "datadrop.db-shm"] {
        let _ = fs::remove_file(world.state_dir().join(name));
    }
    fs::rename(&saved, database(&world)).unwrap();
    goes_on(&world);
}

#[test]
fn p5_a_job_log_that_is_removed_under_the_daemon_stops_uploads() {
    taken_away(|world| fs::remove_file(database(world)).unwrap(), "datadrop.db");
}

#[test]
fn p5_a_write_ahead_log_that_is_removed_under_the_daemon_stops_uploads() {
    taken_away(|world| fs::remove_file(world.state_dir().join("datadrop.db-wal")).unwrap(), "datadrop.db-wal");
}

#[test]
fn p5_shared_memory_that_is_removed_under_the_daemon_stops_uploads() {
    taken_away(|world| fs::remove_file(world.state_dir().join("datadrop.db-shm")).unwrap(), "datadrop.db-shm");
}

#[test]
fn p5_a_backup_that_is_put_in_the_place_of_the_running_job_log_stops_uploads() {
    let restore = |world: &World| {
        let backup = world.dir.path().join("backup.db");
        connect_to_write(&world.state_dir()).execute("VACUUM INTO ?1", [backup.to_str()]).unwrap();
        fs::rename(backup, database(world)).unwrap();
    };
    taken_away(restore, "datadrop.db");
}

#[test]
fn p5_a_backup_that_is_restored_through_sqlite_under_the_daemon_stops_uploads() {
    let restore = |world: &World| {
        // A backup from before the start. `.restore` writes it into the database in use.
        let backup = world.dir.path().join("backup.db");
        connect_to_write(&world.state_dir()).execute("VACUUM INTO ?1", [backup.to_str()]).unwrap();
        rusqlite::Connection::open(&backup).unwrap().execute_batch("UPDATE daemon SET run = 7").unwrap();
        let from = rusqlite::Connection::open(backup).unwrap();
        let mut to = connect_to_write(&world.state_dir());
        let copying = rusqlite::backup::Backup::new(&from, &mut to).unwrap();
        copying.run_to_completion(1000, Duration::from_millis(10), None).unwrap();
    };
    let world = refused_after(restore, "the content of datadrop.db was replaced");
    let recovered = world.run(&["recover"]);
    assert!(recovered.status.success(), "{}", stderr(&recovered));
    goes_on(&world);
}

/// Copies a backup over the database like `cp`: into the same inode, in this number of pieces.
fn copied_over(pieces: usize) {
    let restore = |world: &World| {
        let backup = world.dir.path().join("backup.db");
        let log = connect_to_write(&world.state_dir());
        log.execute("VACUUM INTO ?1", [backup.to_str()]).unwrap();
        // Later writes are in the database itself, not in the write-ahead log.
        world.drop_file("a", "second.txt", tagged("second"));
        arrived_once(world, "second.txt");
        log.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        drop(log);
        let backup = fs::read(backup).unwrap();
        let mut copy = fs::File::create(database(world)).unwrap();
        for piece in backup.chunks(backup.len().div_ceil(pieces)) {
            copy.write_all(piece).unwrap();
            if pieces > 1 {
                // The daemon records that it waits for content, and reads the replaced file.
                world.drop_file("a", "empty.txt", "");
                std::thread::sleep(Duration::from_millis(700));
            }
        }
    };
    let world = refused_after(restore, "the content of datadrop.db was replaced");
    let recovered = world.run(&["recover"]);
    assert!(recovered.status.success(), "{}", stderr(&recovered));
    goes_on(&world);
    arrived_once(&world, "second.txt");
}

#[test]
fn p5_a_backup_that_is_copied_over_the_database_under_the_daemon_stops_uploads() {
    copied_over(1);
}

#[test]
fn p5_a_backup_that_is_copied_slowly_over_the_database_under_the_daemon_stops_uploads() {
    copied_over(3);
}

#[test]
fn f10_a_row_that_makes_no_sense_is_no_job_log_of_another() {
    let world = World::new();
    let daemon = primed(&world);
    world.wait("its file to be filed", || world.count("path LIKE '%/done/%'") == 1);
    let log = connect_to_write(&world.state_dir());
    log.execute_batch("PRAGMA ignore_check_constraints = ON; UPDATE job SET phase = 'nonsense'").unwrap();
    // Another process removes the write-ahead log, and the daemon checks whether the database is still its own.
    log.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    for name in ["one.txt", "two.txt", "three.txt"] {
        world.drop_file("a", name, tagged(name));
        world.wait("it to be accepted", || world.times_accepted(name) == 1);
    }
    assert!(!world.log().contains("while datadrop ran"), "{}", world.log());
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn p5_a_backup_that_is_copied_over_the_database_after_a_crash_is_noticed() {
    let world = World::new();
    let daemon = primed(&world);
    let backup = world.dir.path().join("backup.db");
    fs::copy(database(&world), &backup).unwrap();
    let log = connect_to_write(&world.state_dir());
    for number in 0..20 {
        let name = format!("many{number}.txt");
        world.drop_file("a", &name, tagged(number));
        arrived_once(&world, &name);
        if number == 15 {
            log.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        }
    }
    drop(log);
    let before = world.accepted();
    daemon.kill();
    assert!(fs::metadata(world.state_dir().join("datadrop.db-wal")).unwrap().len() > 0);
    // Like `cp`: the same inode, next to the write-ahead log of the other database.
    fs::write(database(&world), fs::read(backup).unwrap()).unwrap();
    let mut daemon = world.start_unready();
    assert_ne!(daemon.wait_exit().code(), Some(0));
    assert!(world.log().contains("damaged"), "{}", world.log());
    assert_eq!(world.accepted(), before);
}

#[test]
fn p5_a_write_ahead_log_of_another_database_is_noticed_at_the_start() {
    let world = World::new();
    let daemon = primed(&world);
    let backup = world.dir.path().join("backup.db");
    connect_to_write(&world.state_dir()).execute("VACUUM INTO ?1", [backup.to_str()]).unwrap();
    world.drop_file("a", "second.txt", tagged("second"));
    world.wait_for("second.txt", "success");
    daemon.kill();
    let wal = world.state_dir().join("datadrop.db-wal");
    assert!(fs::metadata(&wal).unwrap().len() > 0);
    // A person restores a backup, but leaves the other files of the old database in place.
    fs::remove_file(database(&world)).unwrap();
    fs::copy(&backup, database(&world)).unwrap();
    let before = fs::read(database(&world)).unwrap();
    let mut daemon = world.start_unready();
    assert_ne!(daemon.wait_exit().code(), Some(0));
    let log = world.log();
    assert!(log.contains("datadrop.db-wal") && log.contains("another database"), "{log}");
    assert_eq!(fs::read(database(&world)).unwrap(), before, "nothing was written to it");
    // And without any database.
    fs::remove_file(database(&world)).unwrap();
    let mut daemon = world.start_unready();
    assert_ne!(daemon.wait_exit().code(), Some(0));
    assert!(!database(&world).exists(), "never created again in silence");
    assert_eq!(stdout(&world.run(&["jobs", "list"])), "");
}

#[test]
fn a_job_log_that_a_link_leads_to_is_worked_with_and_watched_as_well() {
    let world = World::new();
    primed(&world).stop();
    let elsewhere = world.dir.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::rename(database(&world), elsewhere.join("real.db")).unwrap();
    std::os::unix::fs::symlink(elsewhere.join("real.db"), database(&world)).unwrap();
    let mut daemon = world.start();
    world.drop_file("a", "sales.txt", tagged("sales"));
    arrived_once(&world, "sales.txt");
    fs::remove_file(elsewhere.join("real.db-wal")).unwrap();
    world.drop_file("a", "more.txt", tagged("more"));
    world.wait("it to be noticed", || world.log().contains("real.db-wal was removed while datadrop ran"));
    assert!(daemon.is_running());
    assert_eq!(world.accepted(), ["first.txt", "sales.txt"]);
}
