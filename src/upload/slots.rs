//! Who may have an upload slot: files that hang on one account's share leave the slots to the others (DESIGN F10).
//!
//! An attempt that waits for bytes of its file gives its slot back. Its account gets no other until those bytes come: a
//! second thread would hang beside the first. Where many hang, each account tries one file at a time, so that the threads
//! of a hundred dead shares are few.

use crate::adobe::Reading;
use crate::job::JobId;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::Id;
use tokio::time::Instant;

/// Wait for bytes of a file after which its share counts as hanging.
const HANGS_AFTER: Duration = Duration::from_secs(1);

/// Wait before the jobs of an account are looked at again of which a row made no sense; it doubles each time.
const DOUBTED_FOR: Duration = Duration::from_secs(60);
/// Longest of these waits.
const LONGEST_DOUBT: Duration = Duration::from_secs(3600);

/// An attempt whose file is or was read.
#[derive(Debug)]
pub(super) struct Attempted {
    pub(super) job: JobId,
    pub(super) number: u32,
    pub(super) account: String,
    pub(super) reading: Arc<Reading>,
}

impl Attempted {
    fn hangs(&self) -> bool {
        self.reading.silent_for().is_some_and(|silence| silence > HANGS_AFTER)
    }
}

/// The attempts that run, and the threads that outlived theirs.
#[derive(Debug, Default)]
pub(super) struct Slots {
    running: HashMap<Id, Attempted>,
    left: Vec<Attempted>,
    /// Accounts with a row that made no sense: how often, and when their jobs are looked at again.
    doubtful: HashMap<String, (u32, Instant)>,
}

impl Slots {
    pub(super) fn begin(&mut self, task: Id, attempt: Attempted) {
        self.running.insert(task, attempt);
    }

    /// The attempt of a task that has ended. Its thread is remembered if it has not.
    pub(super) fn end(&mut self, task: Id) -> Option<(JobId, u32)> {
        let attempt = self.running.remove(&task)?;
        let ended = (attempt.job, attempt.number);
        // One that waits for the server to take a byte ends once the transport lets go of the body, and hangs on no share.
        if attempt.reading.silent_for().is_some() && !attempt.reading.has_ended() {
            self.left.push(attempt);
        }
        Some(ended)
    }

    /// How many attempts may begin now.
    pub(super) fn free(&mut self, max_in_flight: usize) -> usize {
        self.left.retain(|attempt| !attempt.reading.has_ended());
        let free = max_in_flight.saturating_sub(self.running.len() - self.hanging());
        if self.are_scarce(max_in_flight) { free.min(1) } else { free }
    }

    /// Nothing of the account begins for a while, whatever unblocks it: the same row would block it again.
    pub(super) fn doubt(&mut self, account: String) {
        let (times, again) = self.doubtful.entry(account).or_insert((0, Instant::now()));
        *again = Instant::now() + DOUBTED_FOR.saturating_mul(2u32.saturating_pow(*times)).min(LONGEST_DOUBT);
        *times += 1;
    }

    /// How many attempts of this account, one of so many, may begin now. None holds the last slot against the others: its
    /// uploads may take long.
    pub(super) fn room(&self, account: &str, max_in_flight: usize, accounts: usize) -> usize {
        if !self.may_begin(account, max_in_flight) {
            return 0;
        }
        let share = if accounts > 1 { max_in_flight.saturating_sub(1).max(1) } else { max_in_flight };
        share.saturating_sub(self.running.values().filter(|attempt| attempt.account == account).count())
    }

    /// Whether a file of this account may be opened now.
    fn may_begin(&self, account: &str, max_in_flight: usize) -> bool {
        if self.doubtful.get(account).is_some_and(|(_, again)| Instant::now() < *again) {
            return false;
        }
        let scarce = self.are_scarce(max_in_flight);
        let waits = |attempt: &Attempted| {
            if scarce { attempt.reading.silent_for().is_some() } else { attempt.hangs() }
        };
        let is_its = |attempt: &&Attempted| attempt.account == account;
        !self.left.iter().any(|attempt| is_its(&attempt)) && !self.running.values().filter(is_its).any(waits)
    }

    /// Whether a look is worth while before anything else happens: nothing tells of a share that hangs, or answers again.
    pub(super) fn are_to_be_watched(&self) -> bool {
        !self.left.is_empty() || self.running.values().any(|attempt| attempt.reading.silent_for().is_some())
    }

    fn hanging(&self) -> usize {
        self.running.values().filter(|attempt| attempt.hangs()).count()
    }

    fn are_scarce(&self, max_in_flight: usize) -> bool {
        self.left.len() + self.hanging() >= max_in_flight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn f10_the_last_slot_is_not_for_the_account_that_has_the_others() {
        let mut slots = Slots::default();
        let begin = |slots: &mut Slots, account: &str| {
            let task = tokio::spawn(async {}).id();
            let (account, reading) = (account.to_owned(), Arc::default());
            slots.begin(task, Attempted { job: JobId(1), number: 1, account, reading });
            task
        };
        assert_eq!((slots.room("a", 4, 1), slots.room("a", 4, 2), slots.room("a", 1, 2)), (4, 3, 1));
        let tasks: Vec<_> = (0..3).map(|_| begin(&mut slots, "a")).collect();
        assert_eq!((slots.free(4), slots.room("a", 4, 2), slots.room("b", 4, 2)), (1, 0, 3));
        assert_eq!(slots.room("a", 4, 1), 1, "alone it has them all");
        slots.end(tasks[0]);
        assert_eq!((slots.free(4), slots.room("a", 4, 2)), (2, 1));
    }
}
