//! The report of a run: its figures, and its story if it failed.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

/// What a run of the usual length must have come by: a check that meets nothing proves nothing.
const MUST_OCCUR: [&str; 15] = [
    "a job log is set back",
    "a machine is set back",
    "a machine is set back, in new files",
    "a next piece in a file of its own",
    "a next piece in the same file",
    "a part that rsync kept is followed by the whole",
    "a part without its last line end is followed by the whole",
    "a quiet period doubles",
    "a quiet period goes back",
    "a second writer goes on after the first has closed",
    "a writer that closes what another has open",
    "an older job log is recovered",
    "each path has an inode of its own",
    "held after a set-back, as it had been sent",
    "sent again after a set-back, as no list had shown it",
];

/// Counted over all seeds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Figures {
    pub(super) seeds: u64,
    pub(super) steps: u64,
    pub(super) crashes: u64,
    pub(super) restarts: u64,
    pub(super) failed_commits: u64,
    pub(super) commits: u64,
    pub(super) requests: u64,
    pub(super) files: u64,
    pub(super) deliveries: u64,
    /// Where processes ended.
    pub(super) ended_at: BTreeMap<String, u64>,
    pub(super) faults: BTreeMap<String, u64>,
    /// How the jobs ended.
    pub(super) states: BTreeMap<String, u64>,
    pub(super) held: BTreeMap<String, u64>,
    /// What happened that must occur.
    pub(super) met: BTreeMap<String, u64>,
}

impl Figures {
    pub(super) fn add(&mut self, other: &Self) {
        self.seeds += other.seeds;
        self.steps += other.steps;
        self.crashes += other.crashes;
        self.restarts += other.restarts;
        self.failed_commits += other.failed_commits;
        self.commits += other.commits;
        self.requests += other.requests;
        self.files += other.files;
        self.deliveries += other.deliveries;
        for (into, from) in [
            (&mut self.ended_at, &other.ended_at),
            (&mut self.faults, &other.faults),
            (&mut self.states, &other.states),
            (&mut self.held, &other.held),
            (&mut self.met, &other.met),
        ] {
            for (what, count) in from {
                *into.entry(what.clone()).or_default() += count;
            }
        }
    }
}

impl Figures {
    /// What must occur and did not.
    pub(super) fn missing(&self) -> Vec<&'static str> {
        MUST_OCCUR.into_iter().filter(|what| !self.met.contains_key(*what)).collect()
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} steps in {} seeds: {} crashes, {} starts after an error, {} commits ({} more failed), {} requests",
            self.steps, self.seeds, self.crashes, self.restarts, self.commits, self.failed_commits, self.requests
        )?;
        let per_file = f64::from(u32::try_from(self.deliveries).unwrap_or(u32::MAX))
            / f64::from(u32::try_from(self.files.max(1)).unwrap_or(u32::MAX));
        writeln!(
            f,
            "{} jobs, {} ingested ({per_file:.3} a job; twice only what could not be detected)",
            self.files, self.deliveries
        )?;
        for (title, counts) in [
            ("ended", &self.states),
            ("held", &self.held),
            ("faults met", &self.faults),
            ("crashed", &self.ended_at),
            ("happened", &self.met),
        ] {
            let mut line = String::new();
            for (what, count) in counts {
                write!(line, "\n    {count:>7}  {what}")?;
            }
            writeln!(f, "  {title}:{line}")?;
        }
        Ok(())
    }
}

/// A promise that was broken.
#[derive(Debug, Clone)]
pub(super) struct Broken {
    /// Which: the same words for the same promise, so that a shorter story is known to tell the same.
    pub(super) promise: &'static str,
    pub(super) how: String,
}

/// The lines of one story; kept only when somebody will read them.
#[derive(Debug, Default)]
pub(super) struct Story {
    pub(super) told: bool,
    pub(super) lines: Vec<String>,
}

impl Story {
    pub(super) fn tell(&mut self, at: crate::clock::Moment, line: impl FnOnce() -> String) {
        if self.told {
            self.lines.push(format!("{:>10.3}  {}", at.0.as_secs_f64(), line()));
        }
    }
}
