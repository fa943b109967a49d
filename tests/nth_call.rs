//! The n-th system call: of every kind that makes something durable or visible, the first call of each thread fails, the
//! second, and so on to the last; or the power goes at the n-th, and all is lost that was not written to the disk. Then a
//! daemon without faults goes on, and each file is accepted once, byte for byte.
//!
//! By default a few of each kind, spread over a short life; `DATADROP_TEST_CALLS=0` takes every one.

use crate::harness::{Daemon, Disk, World, connect, number, quick, sha256, skipped, tagged};
use datadrop::emulator::EmulatorOptions;
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The calls, and how they fail.
const FAILING: [(&str, &str); 8] = [
    ("write,writev,pwrite64", "error=ENOSPC"),
    ("write,writev,pwrite64", "error=EIO"),
    ("fsync,fdatasync", "error=EIO"),
    (RENAMING, "error=EIO"),
    ("open,openat", "error=EMFILE"),
    ("open,openat", "error=EIO"),
    ("statfs,fstatfs", "error=EIO"),
    ("stat,fstat,lstat,newfstatat,statx", "error=EIO"),
];
/// The calls before which the power goes.
const CUT: [&str; 3] = ["fsync,fdatasync", RENAMING, "sendto,sendmsg,write,writev"];
const RENAMING: &str = "rename,renameat,renameat2,link,linkat,unlink,unlinkat";
/// How a call ends at which the power goes: it does not happen, and no other does.
const POWER_GOES: &str = "error=EIO:signal=KILL";
/// How many calls of each kind are taken; 0 for every one.
const CALLS: &str = "DATADROP_TEST_CALLS";
const USUAL: u64 = 1;
/// How long a daemon with a fault has to deliver what it can.
const LIFE: Duration = Duration::from_secs(3);
/// Runs at the same time where every call is taken. Otherwise one, since other tests run too.
const ABREAST: usize = 4;
const FILES: [&str; 5] = ["early.txt", "pair.txt", "pair.fin", "late.txt", "saved.txt"];

/// A short life: files that were there, files that come, and a marker.
struct Life(World);

impl Life {
    fn new() -> Self {
        let mut world = World::with_emulator(EmulatorOptions { processing: Duration::from_millis(50), ..quick() });
        world.account("a", "fin = \"upload\"");
        world.write_config();
        Self(world)
    }

    /// Where all that it writes can be lost, or `None` with a message.
    fn with_disks() -> Option<(Self, [Disk; 2])> {
        let life = Self::new();
        let disks = [Disk::mount(&life.0.state_dir())?, Disk::mount(&life.0.folder("a"))?];
        Some((life, disks))
    }

    /// By a rename from the same file system, of what no loss of power takes away.
    fn drop_in(&self, name: &str) {
        let folder = self.0.folder("a");
        let hidden = folder.join(format!(".{name}"));
        fs::write(&hidden, content(name)).unwrap();
        File::open(&hidden).unwrap().sync_all().unwrap();
        fs::rename(hidden, folder.join(name)).unwrap();
        File::open(&folder).unwrap().sync_all().unwrap();
    }

    fn drop_all(&self, names: &[&str]) {
        for name in names {
            self.drop_in(name);
        }
    }

    /// A daemon under a tracer that sees these calls, and may have one fail.
    fn start(&self, calls: &str, fault: Option<(&str, u64)>) -> Daemon {
        let dir = self.0.dir.path();
        let mut command = Command::new("strace");
        // The tracer is no parent of the daemon: what is started and killed is the daemon itself.
        command.args(["-D", "-f", "-qq", "-s0", "-o"]).arg(dir.join("trace"));
        command.args(["-e", &format!("trace={calls}")]);
        if let Some((how, at)) = fault {
            if how != POWER_GOES {
                // Faster, but then no signal is sent at a call.
                command.arg("--seccomp-bpf");
            }
            command.args(["-e", &format!("inject={calls}:{how}:when={at}")]);
        }
        command.arg(env!("CARGO_BIN_EXE_datadrop"));
        Daemon::start_by(command, dir, &self.0.config_file(), &[], &[])
    }

    /// Plays it, with half of the files there and the others coming. Returns what the tracer wrote.
    fn play(&self, calls: &str, fault: Option<(&str, u64)>) -> String {
        let (there, coming) = FILES.split_at(3);
        self.drop_all(there);
        let mut daemon = self.start(calls, fault);
        let until = Instant::now() + LIFE;
        self.wait_while(&mut daemon, until, |life| life.successes() < there.len());
        self.drop_all(coming);
        self.wait_while(&mut daemon, until, |life| life.successes() < FILES.len());
        self.end(daemon)
    }

    fn end(&self, mut daemon: Daemon) -> String {
        if daemon.is_running() {
            daemon.signal("TERM");
            self.wait_while(&mut daemon, Instant::now() + LIFE, |_| true);
            // The call that failed may have been the one that reports the signal.
            daemon.kill();
        }
        fs::read_to_string(self.0.dir.path().join("trace")).unwrap_or_default()
    }

    fn wait_while(&self, daemon: &mut Daemon, until: Instant, holds: impl Fn(&Self) -> bool) {
        while daemon.is_running() && Instant::now() < until && holds(self) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Every file with its content.
    fn on_disk(&self) -> BTreeMap<PathBuf, Option<Vec<u8>>> {
        let mut folders = vec![self.0.state_dir(), self.0.folder("a")];
        let mut found = BTreeMap::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path.clone());
                }
                found.insert(path.clone(), fs::read(path).ok());
            }
        }
        found
    }

    fn successes(&self) -> usize {
        usize::try_from(self.0.count("state = 'success'")).unwrap()
    }

    /// What must hold, whatever happened.
    fn check(&self, what: &str) {
        let world = &self.0;
        let daemon = Daemon::start_with(world.dir.path(), &world.config_file(), &[], &[]);
        let filed = "SELECT count(*) FROM job WHERE state = 'success' AND place = 'done'";
        world.wait_long(&format!("every file to be a success after {what}"), || {
            let log = connect(&world.state_dir());
            log.is_some_and(|log| {
                log.query_row(filed, [], |row| row.get(0)).is_ok_and(|count: u32| count as usize == FILES.len())
            })
        });
        daemon.stop();
        let mut wanted = FILES.map(|name| (name.to_owned(), sha256(content(name)))).to_vec();
        let mut found: Vec<_> = world.ledger().into_iter().map(|entry| (entry.name, entry.sha256)).collect();
        wanted.sort();
        found.sort();
        assert_eq!(found, wanted, "after {what}\n{}", world.log());
        let log = connect(&world.state_dir()).unwrap();
        let verdict: String = log.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(verdict, "ok", "after {what}");
    }
}

fn content(name: &str) -> Vec<u8> {
    if name == "pair.fin" { Vec::new() } else { tagged(name) }
}

/// The largest number of calls that a thread made.
fn most_of_a_thread(trace: &str) -> u64 {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for line in trace.lines().filter(|line| line.contains('(')) {
        *counts.entry(line.split(' ').next().unwrap_or_default()).or_default() += 1;
    }
    counts.into_values().max().unwrap_or_default()
}

/// Which calls of so many: all of them, or some that are spread out.
fn chosen(most: u64) -> Vec<u64> {
    let some = match number(CALLS, USUAL) {
        0 => most,
        some => some.min(most),
    };
    (0..some).map(|step| 1 + step * most / some).collect()
}

/// Takes each of the runs, some at the same time.
fn take<Run: Sync>(runs: &[Run], run: impl Fn(&Run) + Sync) {
    let next = AtomicUsize::new(0);
    let abreast = if number(CALLS, USUAL) == 0 { ABREAST } else { 1 };
    std::thread::scope(|scope| {
        for _ in 0..abreast {
            scope.spawn(|| {
                while let Some(one) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    run(one);
                }
            });
        }
    });
}

fn can_trace() -> bool {
    let can = Command::new("strace").args(["-D", "true"]).output().is_ok_and(|output| output.status.success());
    if !can {
        skipped("system calls that fail: strace is missing or may not trace");
    }
    can
}

#[test]
fn p2_p3_whichever_call_fails_each_file_is_accepted_once_and_whole() {
    if !can_trace() {
        return;
    }
    let mut runs = Vec::new();
    for (calls, how) in FAILING {
        let life = Life::new();
        let most = most_of_a_thread(&life.play(calls, None));
        life.check("nothing");
        assert!(most > 0, "{calls} are never called");
        runs.extend(chosen(most).into_iter().map(|at| (calls, how, at)));
    }
    let failed = AtomicU64::new(0);
    take(&runs, |(calls, how, at)| {
        let life = Life::new();
        let trace = life.play(calls, Some((how, *at)));
        failed.fetch_add(u64::try_from(trace.matches("(INJECTED)").count()).unwrap(), Ordering::Relaxed);
        life.check(&format!("{how} of call {at} of {calls}"));
    });
    let failed = failed.into_inner();
    eprintln!("{} runs, {failed} calls that failed", runs.len());
    assert!(failed > 0);
}

#[test]
fn p2_p3_wherever_the_power_goes_each_file_is_accepted_once_and_whole() {
    if !can_trace() {
        return;
    }
    // All are there from the start: what is written to the disk for them is written before.
    let play = |life: &Life, calls: &str, fault| {
        life.drop_all(&FILES);
        let mut daemon = life.start(calls, fault);
        life.wait_while(&mut daemon, Instant::now() + LIFE, |life| life.successes() < FILES.len());
        let ended = !daemon.is_running();
        (ended, daemon)
    };
    let mut runs = Vec::new();
    for calls in CUT {
        let Some((life, _disks)) = Life::with_disks() else { return };
        let (_, daemon) = play(&life, calls, None);
        let most = most_of_a_thread(&life.end(daemon));
        life.check("nothing");
        runs.extend(chosen(most).into_iter().map(|at| (calls, at)));
    }
    let (cuts, losses) = (AtomicU64::new(0), AtomicU64::new(0));
    take(&runs, |&(calls, at)| {
        let Some((life, disks)) = Life::with_disks() else { return };
        let (went_out, daemon) = play(&life, calls, Some((POWER_GOES, at)));
        drop(daemon);
        let before = life.on_disk();
        let _disks = Disk::cut(disks);
        cuts.fetch_add(u64::from(went_out), Ordering::Relaxed);
        losses.fetch_add(u64::from(life.on_disk() != before), Ordering::Relaxed);
        life.check(&format!("the power went before call {at} of {calls}"));
    });
    let (cuts, losses) = (cuts.into_inner(), losses.into_inner());
    eprintln!("{} runs, {cuts} cuts, {losses} of which lost something", runs.len());
    assert!(cuts > 0 && losses > 0);
}
