//! One long life under load, faults and people: each file is accepted once, and memory, handles and the write-ahead log stay
//! within bounds.
//!
//! `DATADROP_TEST_SOAK=7200` soaks for so many seconds, by default for 15.

use crate::harness::{Daemon, Dice, World, connect, number, quick, sha256, tagged};
use datadrop::emulator::EmulatorOptions;
use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::time::{Duration, Instant};

/// What the server does meanwhile.
const FAULTS: [&str; 9] = [
    "upload:mid-body:reset:p=0.02",
    "upload:after-body:reset:p=0.02",
    "upload:after-commit:reset:p=0.02",
    "upload:after-commit:502:p=0.02",
    "upload:after-body:500:p=0.02",
    "upload:429:p=0.02",
    "upload:401:p=0.01",
    "list:500:p=0.05",
    "list:late=300ms:p=0.1",
];
/// Number of times that the daemon is measured.
const SAMPLES: u32 = 80;
/// From this length on a growth of memory is one, and no warming up.
const LONG: Duration = Duration::from_secs(600);
/// Maximum number of handles that the daemon may have gained.
const HANDLES: u64 = 10;
/// Maximum size of the write-ahead log, in bytes.
const WRITE_AHEAD_LOG: u64 = 32 << 20;

struct Sample {
    memory_kb: u64,
    handles: u64,
    write_ahead_log: u64,
}

impl Sample {
    fn take(world: &World, daemon: &Daemon) -> Self {
        let process = format!("/proc/{}", daemon.pid());
        let status = fs::read_to_string(format!("{process}/status")).unwrap();
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        Self {
            memory_kb: memory.trim().trim_end_matches(" kB").parse().unwrap(),
            handles: u64::try_from(fs::read_dir(format!("{process}/fd")).unwrap().count()).unwrap(),
            write_ahead_log: fs::metadata(world.state_dir().join("datadrop.db-wal")).map_or(0, |found| found.len()),
        }
    }
}

/// What must have arrived, by account and name: the hash.
struct Crowd {
    world: World,
    dice: Dice,
    files: BTreeMap<(String, String), String>,
}

impl Crowd {
    fn drop_some(&mut self) {
        for _ in 0..self.dice.below(3) {
            let number = self.files.len();
            let account = ["a", "b"][number % 2];
            let name = format!("f{number:06}.txt");
            let mut content = tagged(number);
            if self.dice.below(20) == 0 {
                content.extend(b"11/20/2026\tmore\t1\n".repeat(20_000));
            }
            if self.dice.below(2) == 0 {
                self.world.write_file(account, &name, &content);
            } else {
                self.world.drop_file(account, &name, &content);
            }
            self.files.insert((account.to_owned(), name), sha256(&content));
        }
    }

    /// Something that people do, and that changes nothing of what is sent.
    fn act_as_person(&mut self, daemon: &Daemon) {
        match self.dice.below(12) {
            0 => drop(self.world.run(&["status", "--json"])),
            1 => drop(self.world.run(&["jobs", "list", "--limit", "20"])),
            2 => drop(self.world.run(&["doctor", "--offline"])),
            3 => daemon.signal("HUP"),
            4 => daemon.signal("USR1"),
            5 => drop(self.world.run(&["jobs", "hold", "--account", "a", "--state", "queued"])),
            6 => drop(self.world.run(&["jobs", "release", "--account", "a", "--state", "held"])),
            7 => self.append_to_filed(),
            8 => drop(self.world.write_file("a", "notes.tmp", "no data file")),
            _ => drop(connect(&self.world.state_dir()).map(|log| {
                log.query_row("SELECT count(*) FROM job_log", [], |row| row.get::<_, i64>(0)).unwrap_or_default()
            })),
        }
    }

    /// Makes the job `partial`, since Adobe does not have the row.
    fn append_to_filed(&self) {
        let Ok(mut filed) = fs::read_dir(self.world.folder("b").join("done")) else { return };
        if let Some(Ok(file)) = filed.next() {
            let mut file = OpenOptions::new().append(true).open(file.path()).unwrap();
            file.write_all(b"11/20/2026\tone more\t1\n").unwrap();
        }
    }

    fn is_done(&self) -> bool {
        let ended = self.world.count("state IN ('success', 'partial')");
        usize::try_from(ended) == Ok(self.files.len())
    }
}

fn highest(samples: &[Sample], of: impl Fn(&Sample) -> u64) -> u64 {
    samples.iter().map(of).max().unwrap()
}

#[test]
fn a_long_life_delivers_each_file_once_and_stays_as_small_as_it_was() {
    let length = Duration::from_secs(number("DATADROP_TEST_SOAK", 15));
    let mut world = World::with_emulator(EmulatorOptions { seed: 7, ..quick() });
    world.account("b", "style = \"post-multipart\"");
    let daemon = world.start();
    for rule in FAULTS {
        world.fault(rule);
    }
    let mut crowd = Crowd { world, dice: Dice(7), files: BTreeMap::new() };
    let (begun, mut samples) = (Instant::now(), Vec::new());
    while begun.elapsed() < length {
        crowd.drop_some();
        crowd.act_as_person(&daemon);
        std::thread::sleep(Duration::from_millis(300));
        if begun.elapsed() > length * u32::try_from(samples.len()).unwrap() / SAMPLES {
            samples.push(Sample::take(&crowd.world, &daemon));
        }
    }
    crowd.world.emulator().clear_faults();
    crowd.world.wait_long("every file to be at its end", || {
        let _ = crowd.world.run(&["jobs", "release", "--account", "a", "--state", "held"]);
        crowd.is_done()
    });

    let mut wanted: Vec<_> = crowd.files.iter().map(|((account, name), hash)| (account, name, hash)).collect();
    let ledger = crowd.world.ledger();
    let account =
        |entry: &datadrop::emulator::LedgerEntry| entry.report_suite_id.trim_start_matches("suite").to_owned();
    let accounts: Vec<String> = ledger.iter().map(account).collect();
    let mut found: Vec<_> =
        ledger.iter().zip(&accounts).map(|(entry, account)| (account, &entry.name, &entry.sha256)).collect();
    wanted.sort();
    found.sort();
    assert!(found == wanted, "{} were accepted, of {} files", found.len(), wanted.len());

    let quarter = samples.len() / 4;
    let (before, after) = (&samples[quarter..2 * quarter], &samples[samples.len() - quarter..]);
    let [memory, handles, log] =
        [|one: &Sample| one.memory_kb, |one: &Sample| one.handles, |one: &Sample| one.write_ahead_log]
            .map(|of| (highest(before, of), highest(after, of)));
    eprintln!(
        "{} files in {} s; highest in the second and the last quarter: {memory:?} kB of memory, {handles:?} handles, {log:?} bytes \
         of write-ahead log",
        crowd.files.len(),
        length.as_secs()
    );
    assert!(handles.1 <= handles.0 + HANDLES, "{handles:?} handles");
    assert!(highest(&samples, |one| one.write_ahead_log) <= WRITE_AHEAD_LOG);
    assert!(length < LONG || memory.1 <= memory.0 + memory.0 / 4, "{memory:?} kB");
}
