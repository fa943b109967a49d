//! How the reading of an uploaded file goes, for whoever shares out uploads (DESIGN F10).
//!
//! A thread that reads from a dead share hangs for as long as the kernel likes, whatever becomes of its upload.

use super::gate::{Gate, Party};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The reading of one file.
#[derive(Debug, Default)]
pub struct Reading {
    gate: Mutex<Option<Arc<Gate>>>,
    threads: AtomicUsize,
}

/// Held by the thread that reads.
pub(super) struct AtWork(Arc<Reading>);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.threads.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Reading {
    /// Time for which the upload has waited for bytes of its file; `None` if it waits for something else.
    #[must_use]
    pub fn silent_for(&self) -> Option<Duration> {
        let gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let (party, since) = gate.as_ref()?.waiting();
        (party == Party::Reader).then(|| Instant::now().saturating_duration_since(since))
    }

    /// Whether no thread reads the file any more.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.threads.load(Ordering::Relaxed) == 0
    }

    pub(super) fn follow(&self, gate: &Arc<Gate>) {
        *self.gate.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(gate));
    }

    pub(super) fn begin(self: &Arc<Self>) -> AtWork {
        self.threads.fetch_add(1, Ordering::Relaxed);
        AtWork(Arc::clone(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_the_wait_for_the_disk_counts_and_however_often_it_is_asked() {
        let reading = Arc::new(Reading::default());
        assert_eq!(reading.silent_for(), None);
        let gate = Arc::new(Gate::new());
        reading.follow(&gate);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(reading.silent_for(), None, "the server is waited for");
        gate.waits_for(Party::Reader);
        tokio::time::advance(Duration::from_secs(1)).await;
        gate.waits_for(Party::Reader);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(reading.silent_for(), Some(Duration::from_secs(2)));
        gate.waits_for(Party::Transport);
        gate.waits_for(Party::Reader);
        assert_eq!(reading.silent_for(), Some(Duration::ZERO));
    }

    #[test]
    fn a_thread_is_at_work_until_it_ends() {
        let reading = Arc::new(Reading::default());
        assert!(reading.has_ended());
        let at_work = reading.begin();
        assert!(!reading.has_ended());
        drop(at_work);
        assert!(reading.has_ended());
    }
}
