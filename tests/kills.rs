//! `kill -9` at random instants, while faults occur and other processes read, back up and lock the job log. Each file
//! is accepted once, byte for byte.
//!
//! `DATADROP_TEST_KILLS=1000` sets the number of kills. The default is a hundred. `DATADROP_TEST_SEED` repeats the plan
//! of a run, but the machine makes each run different.

use crate::harness::{Daemon, Dice, World, number, quick, sha256, tagged};
use datadrop::emulator::EmulatorOptions;
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// The server's faults: each one of the emulator after which the truth can still be found out.
const FAULTS: [&str; 15] = [
    "upload:before-body:reset:p=0.04",
    "upload:mid-body:reset:p=0.04",
    "upload:after-body:reset:p=0.04",
    "upload:after-commit:reset:p=0.06",
    "upload:after-commit:hang:p=0.03",
    "upload:after-commit:502:p=0.04",
    "upload:after-commit:garbage:p=0.03",
    "upload:after-commit:truncated:p=0.03",
    "upload:after-commit:no-id:p=0.03",
    "upload:after-body:500:p=0.04",
    "upload:429:p=0.03",
    "upload:401:p=0.02",
    "list:500:p=0.08",
    "list:reset:p=0.04",
    "list:late=300ms:p=0.2",
];

/// The files that must have arrived, and how each came into the folder.
struct Dropped {
    world: World,
    dice: Dice,
    /// The hash, by account and name.
    files: BTreeMap<(String, String), String>,
}

impl Dropped {
    fn drop_some(&mut self) {
        for _ in 0..self.dice.below(4) {
            let number = self.files.len();
            let account = ["a", "b"][number % 2];
            let name = format!("f{number:05}.txt");
            let mut content = tagged(number);
            // Some are larger than one chunk.
            if self.dice.below(10) == 0 {
                content.extend(b"11/20/2026\tmore\t1\n".repeat(10_000));
            }
            match self.dice.below(3) {
                0 => self.world.write_file(account, &name, &content),
                _ => self.world.drop_file(account, &name, &content),
            };
            self.files.insert((account.to_owned(), name.clone()), sha256(&content));
            if self.dice.below(4) == 0 {
                let marker = name.replace(".txt", ".fin");
                self.world.drop_file(account, &marker, "");
                self.files.insert((account.to_owned(), marker), sha256(b""));
            }
        }
    }

    fn start(&self) -> Daemon {
        Daemon::start_with(self.world.dir.path(), &self.world.config_file(), &[], &[])
    }

    fn is_done(&self) -> bool {
        self.world.count("state <> 'success'") == 0
            && usize::try_from(self.world.count("state = 'success'")) == Ok(self.files.len())
    }
}

/// Three neighbours of a daemon, which use its job log until they get a stop signal. Counts the successes of each.
#[derive(Default)]
struct Neighbours {
    stop: AtomicBool,
    looks: AtomicU64,
    backups: AtomicU64,
    locks: AtomicU64,
}

impl Neighbours {
    fn go_on(&self, pause: u64) -> bool {
        std::thread::sleep(Duration::from_millis(pause));
        !self.stop.load(Ordering::Relaxed)
    }

    /// Reads as people do: the program may also write, and closes the database afterwards.
    fn look(&self, database: &Path) {
        while self.go_on(10) {
            let query = "SELECT count(*) FROM job_log";
            let looked = match Command::new("sqlite3").arg(database).arg(query).output() {
                Ok(output) => output.status.success(),
                // If `sqlite3` is not installed, the test process is the other process.
                Err(_) => Connection::open(database).and_then(|log| log.execute_batch(query)).is_ok(),
            };
            self.looks.fetch_add(u64::from(looked), Ordering::Relaxed);
        }
    }

    fn back_up(&self, database: &Path, copy: &Path) {
        while self.go_on(30) {
            let _ = fs::remove_file(copy);
            let made =
                Connection::open(database).and_then(|log| log.execute("VACUUM INTO ?1", [copy.to_str()])).is_ok();
            if made {
                let open = Connection::open(copy).unwrap();
                let verdict: String = open.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
                assert_eq!(verdict, "ok", "a backup is whole");
                self.backups.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn lock(&self, database: &Path, mut dice: Dice) {
        while self.go_on(dice.below(60)) {
            let Ok(log) = Connection::open(database) else { continue };
            if log.execute_batch("BEGIN IMMEDIATE").is_ok() {
                std::thread::sleep(Duration::from_millis(dice.below(60)));
                self.locks.fetch_add(1, Ordering::Relaxed);
                let _ = log.execute_batch("ROLLBACK");
            }
        }
    }
}

#[test]
fn whenever_it_is_killed_each_file_is_accepted_once_and_whole() {
    let kills = number("DATADROP_TEST_KILLS", 100);
    let seed = number("DATADROP_TEST_SEED", 1);
    let mut world = World::with_emulator(EmulatorOptions { seed, ..quick() });
    world.api("timeout", "\"500ms\"").account("b", "style = \"post-multipart\"\nfin = \"upload\"");
    world.set("confirm_for = \"400ms\"", "confirm_for = \"800ms\"\nmax_in_flight = 4");
    world.write_config();
    for rule in FAULTS {
        world.fault(rule);
    }
    let (database, copy) = (world.state_dir().join("datadrop.db"), world.dir.path().join("copy.db"));
    let mut dropped = Dropped { world, dice: Dice(seed), files: BTreeMap::new() };
    // The first run creates the job log. An earlier reader would create an empty file.
    let daemon = dropped.start();
    daemon.wait_ready();
    daemon.kill();
    let neighbours = Neighbours::default();
    std::thread::scope(|scope| {
        scope.spawn(|| neighbours.look(&database));
        scope.spawn(|| neighbours.back_up(&database, &copy));
        scope.spawn(|| neighbours.lock(&database, Dice(seed)));
        // Sends the stop signal however this test ends.
        let stop = Stopping(&neighbours.stop);
        kill_and_count(&mut dropped, kills, seed);
        drop(stop);
    });
    let Neighbours { looks, backups, locks, .. } = &neighbours;
    eprintln!("meanwhile {looks:?} looks, {backups:?} backups, {locks:?} locks by other processes");
    assert!([looks, backups, locks].iter().all(|count| count.load(Ordering::Relaxed) > 0));
}

struct Stopping<'a>(&'a AtomicBool);

impl Drop for Stopping<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn kill_and_count(dropped: &mut Dropped, kills: u64, seed: u64) {
    let begun = Instant::now();
    let mut phases: BTreeMap<String, i64> = BTreeMap::new();
    for _ in 0..kills {
        dropped.drop_some();
        let daemon = dropped.start();
        dropped.drop_some();
        // Most runs end early. Some last long enough to reconcile the attempts of earlier ones.
        let life = match dropped.dice.below(20) {
            0 => 1500,
            1..=3 => 400,
            _ => 20 + dropped.dice.below(150),
        };
        std::thread::sleep(Duration::from_millis(life));
        daemon.kill();
        for (phase, jobs) in left_under_way(&dropped.world) {
            *phases.entry(phase).or_default() += jobs;
        }
    }
    dropped.world.emulator().clear_faults();
    let daemon = dropped.start();
    dropped.world.wait_long("every job to be a success", || dropped.is_done());
    daemon.stop();

    let world = &dropped.world;
    let mut times: BTreeMap<(String, String), (usize, String, usize)> = BTreeMap::new();
    for entry in world.ledger() {
        let account = entry.report_suite_id.trim_start_matches("suite").to_owned();
        let found = times.entry((account, entry.name)).or_insert((0, entry.sha256, entry.order));
        found.0 += 1;
    }
    for (file, hash) in &dropped.files {
        let (count, accepted, _) = times.get(file).unwrap_or_else(|| panic!("{file:?} is lost"));
        assert_eq!((*count, accepted), (1, hash), "{file:?}");
    }
    assert_eq!(times.len(), dropped.files.len(), "something was accepted that was never dropped");
    for ((account, name), (_, _, order)) in &times {
        if let Some(stem) = name.strip_suffix(".fin") {
            let data = &times[&(account.clone(), format!("{stem}.txt"))];
            assert!(data.2 < *order, "{account}: {name} before its data file");
        }
    }
    let unclear = world.count("attempts > 1");
    eprintln!(
        "{kills} kills in {:.0?} (seed {seed}): {} files, each accepted once; at the kills attempts were {phases:?}; \
         {unclear} jobs took several attempts",
        begun.elapsed(),
        dropped.files.len(),
    );
}

/// The progress of the attempts that a kill interrupted.
fn left_under_way(world: &World) -> Vec<(String, i64)> {
    ["started", "committing"]
        .into_iter()
        .map(|phase| (phase.to_owned(), world.jobs_in_phase(phase)))
        .filter(|(_, jobs)| *jobs > 0)
        .collect()
}
