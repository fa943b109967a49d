//! The report of a run: its figures, and its story if it failed.

use super::catalogue::table;
use crate::testing::reach::Marks;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

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
    /// How the jobs ended.
    pub(super) states: BTreeMap<String, u64>,
    pub(super) held: BTreeMap<String, u64>,
    /// The situations that were met.
    pub(super) marks: Marks,
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
        for (into, from) in [(&mut self.states, &other.states), (&mut self.held, &other.held)] {
            for (what, count) in from {
                *into.entry(what.clone()).or_default() += count;
            }
        }
        for (mark, count) in &other.marks {
            *self.marks.entry(mark.clone()).or_default() += count;
        }
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
        for (title, counts) in [("ended", &self.states), ("held", &self.held)] {
            let mut line = String::new();
            for (what, count) in counts {
                write!(line, "\n    {count:>7}  {what}")?;
            }
            writeln!(f, "  {title}:{line}")?;
        }
        f.write_str(&table(&self.marks))
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
