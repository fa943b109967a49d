//! How long the disk takes to make things durable.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds in microseconds: from a fast solid state disk to one that is about to fail.
const BOUNDS: [u64; 9] = [250, 500, 1_000, 2_500, 5_000, 10_000, 50_000, 250_000, 1_000_000];

/// Counts commits by how long they took, while the process lives.
#[derive(Debug, Default)]
pub struct CommitTimes {
    /// By bound; the last has those beyond all bounds.
    counts: [AtomicU64; BOUNDS.len() + 1],
    sum_micros: AtomicU64,
}

/// What was counted so far.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CommitCounts {
    /// Upper bounds in seconds, and how many commits took no longer.
    pub up_to: Vec<(f64, u64)>,
    /// All of them.
    pub count: u64,
    /// What they took together, in seconds.
    pub seconds: f64,
}

impl CommitTimes {
    pub(super) fn count(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let place = BOUNDS.partition_point(|bound| *bound < micros);
        if let Some(count) = self.counts.get(place) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.sum_micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// Reads the counts; commits go on meanwhile.
    #[must_use]
    pub fn read(&self) -> CommitCounts {
        let mut count = 0;
        let mut up_to = Vec::with_capacity(BOUNDS.len());
        for (index, counted) in self.counts.iter().enumerate() {
            count += counted.load(Ordering::Relaxed);
            up_to.extend(BOUNDS.get(index).map(|bound| (Duration::from_micros(*bound).as_secs_f64(), count)));
        }
        let seconds = Duration::from_micros(self.sum_micros.load(Ordering::Relaxed)).as_secs_f64();
        CommitCounts { up_to, count, seconds }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_commit_counts_in_every_bound_that_it_kept() {
        let times = CommitTimes::default();
        for micros in [100, 250, 251, 7_000, 9_000_000] {
            times.count(Duration::from_micros(micros));
        }
        let counts = times.read();
        let up_to: Vec<u64> = counts.up_to.iter().map(|(_, count)| *count).collect();
        assert_eq!(up_to, [2, 3, 3, 3, 3, 4, 4, 4, 4]);
        assert_eq!(counts.count, 5);
        assert!((counts.seconds - 9.007_601).abs() < 1e-9, "{counts:?}");
    }
}
