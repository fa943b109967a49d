//! The request budget of the credential: uploads, sweeps and settling share it (DESIGN §4, "The request budget").
//!
//! Adobe allows 12 requests in 6 s **per user**, so this is one object for all accounts. It is a sliding window as
//! the server sees it, not a bucket: a bucket lets twice its content through around a refill.

pub use super::window::Purpose;

use super::window::{Ticket, Wait, Window};
use crate::config::RateLimit;
use std::fmt;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tokio::time::Instant;

/// Hands out [`Permit`]s, at most so many in any window of time.
pub struct Budget {
    window: Mutex<Window>,
    /// Rung whenever a waiter's turn may have come for another reason than the clock.
    changed: Notify,
    /// Answers in a row that asked for patience.
    busy: AtomicU32,
}

impl Budget {
    /// A budget of `limit`; `None` is `api.rate_limit = "off"`.
    ///
    /// `spent_at_start` takes the window as used up: nobody knows what was sent just before a restart.
    #[must_use]
    pub fn new(limit: Option<RateLimit>, spent_at_start: bool) -> Self {
        let spent_at = spent_at_start.then(Instant::now);
        Self { window: Mutex::new(Window::new(limit, spent_at)), changed: Notify::new(), busy: AtomicU32::new(0) }
    }

    /// Waits for a slot. Uploads first, but one request in six is for sweeps while one waits.
    ///
    /// Cancel safe: a dropped wait leaves the queue and holds nobody up.
    pub async fn acquire(self: &Arc<Self>, purpose: Purpose) -> Permit {
        let mut place = Place::join(self, purpose);
        // The usual case, without the cost of arming anything.
        if let Ok(permit) = place.take() {
            return permit;
        }
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Armed before the look, so that no change between look and wait is missed.
            changed.as_mut().enable();
            match place.take() {
                Ok(permit) => return permit,
                Err(Wait::Until(when)) => tokio::select! {
                    () = changed => {}
                    () = tokio::time::sleep_until(when) => {}
                },
                Err(Wait::ForAnother) => changed.await,
            }
        }
    }

    /// A slot, if one is free and nobody with a better claim waits for it.
    #[must_use]
    pub fn try_acquire(self: &Arc<Self>, purpose: Purpose) -> Option<Permit> {
        Place::join(self, purpose).take().ok()
    }

    /// Grants nothing before `until`: the server said that it has enough. A longer pause stays as it is.
    pub fn pause(&self, until: Instant) {
        self.lock().pause(until);
    }

    /// An answer asked for patience: which in a row it is.
    pub fn note_busy(&self) -> u32 {
        self.busy.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// An answer did not.
    pub fn note_ready(&self) {
        self.busy.store(0, Ordering::Relaxed);
    }

    /// Slots taken at this moment, and how many there are (`None`: no limit).
    #[must_use]
    pub fn spent(&self) -> (usize, Option<usize>) {
        self.lock().spent(Instant::now())
    }

    fn lock(&self) -> MutexGuard<'_, Window> {
        // Nothing in the window's arithmetic can panic half-way.
        self.window.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ring(&self, window: MutexGuard<'_, Window>) {
        let someone_waits = window.someone_waits();
        drop(window);
        if someone_waits {
            self.changed.notify_waiters();
        }
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (used, limit) = self.spent();
        f.debug_struct("Budget").field("used", &used).field("limit", &limit).finish()
    }
}

/// A place in the queue; leaves it when dropped unserved.
struct Place {
    budget: Arc<Budget>,
    ticket: Ticket,
    served: bool,
}

impl Place {
    fn join(budget: &Arc<Budget>, purpose: Purpose) -> Self {
        let ticket = budget.lock().join(purpose);
        Self { budget: Arc::clone(budget), ticket, served: false }
    }

    fn take(&mut self) -> Result<Permit, Wait> {
        let mut window = self.budget.lock();
        window.take(self.ticket, Instant::now())?;
        self.served = true;
        // More than one slot may be free, and the next in line saw that it was not its turn.
        self.budget.ring(window);
        Ok(Permit { budget: Arc::clone(&self.budget), use_of_slot: Use::None })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !self.served {
            let mut window = self.budget.lock();
            window.leave(self.ticket);
            self.budget.ring(window);
        }
    }
}

/// The right to send one request. Dropped unused, its slot is free again at once.
#[must_use = "a permit that is dropped gives its slot back"]
pub struct Permit {
    budget: Arc<Budget>,
    use_of_slot: Use,
}

#[derive(Debug, Clone, Copy)]
enum Use {
    None,
    /// On its way; nobody knows when the server counts it.
    UnderWay,
    Sent(Instant),
}

impl Permit {
    /// The request goes out now, or (a second time) may have been counted by the server as late as now.
    pub fn sent(&mut self) {
        let mut window = self.budget.lock();
        let now = Instant::now();
        match self.use_of_slot {
            Use::None | Use::UnderWay => window.stamp(now),
            Use::Sent(before) => window.stamp_again(before, now),
        }
        self.use_of_slot = Use::Sent(now);
        // Those who waited for a give-back can count the time now.
        self.budget.ring(window);
    }

    /// The request may go out at any moment: the slot stays taken until [`Permit::sent`] or the drop, which stamps it.
    pub fn under_way(&mut self) {
        match self.use_of_slot {
            Use::None => self.use_of_slot = Use::UnderWay,
            Use::UnderWay | Use::Sent(_) => {}
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut window = self.budget.lock();
        match self.use_of_slot {
            Use::None => window.give_back(),
            Use::UnderWay => window.stamp(Instant::now()),
            Use::Sent(_) => return,
        }
        self.budget.ring(window);
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").field("use_of_slot", &self.use_of_slot).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn budget(requests: u32, per: Duration) -> Arc<Budget> {
        Arc::new(Budget::new(Some(RateLimit { requests, per }), false))
    }

    #[tokio::test(start_paused = true)]
    async fn a_backlog_runs_at_the_limit_and_never_above() {
        let budget = budget(12, Duration::from_secs(6));
        let start = Instant::now();
        let mut waits = tokio::task::JoinSet::new();
        for number in 0..60 {
            let budget = Arc::clone(&budget);
            let purpose = if number % 3 == 0 { Purpose::Sweep } else { Purpose::Upload };
            waits.spawn(async move {
                let mut permit = budget.acquire(purpose).await;
                permit.sent();
                Instant::now()
            });
        }
        let mut stamps = waits.join_all().await;
        stamps.sort();
        for window in stamps.windows(13) {
            assert!(window[12] - window[0] > Duration::from_secs(6));
        }
        let took = *stamps.last().unwrap() - start;
        assert!(took < Duration::from_millis(4 * 6060 + 20), "{took:?} for five windows, of which the first is free");
    }

    #[tokio::test(start_paused = true)]
    async fn a_permit_that_was_not_used_wakes_the_next() {
        let budget = budget(1, Duration::from_mins(10));
        let first = budget.acquire(Purpose::Upload).await;
        assert_eq!(budget.spent(), (1, Some(1)));
        let next = tokio::spawn({
            let budget = Arc::clone(&budget);
            async move { budget.acquire(Purpose::Sweep).await }
        });
        tokio::task::yield_now().await;
        assert!(budget.try_acquire(Purpose::Upload).is_none());
        drop(first);
        let start = Instant::now();
        let mut second = next.await.unwrap();
        assert_eq!(Instant::now(), start);
        second.sent();
        drop(second);
        let _third = budget.acquire(Purpose::Upload).await;
        assert!(Instant::now() - start >= Duration::from_secs(606));
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_wait_holds_nobody_up() {
        let budget = budget(1, Duration::from_mins(10));
        let first = budget.acquire(Purpose::Upload).await;
        let cancelled = tokio::time::timeout(Duration::from_secs(1), budget.acquire(Purpose::Upload)).await;
        assert!(cancelled.is_err());
        drop(first);
        assert!(budget.try_acquire(Purpose::Sweep).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_dropped_under_way_counts_from_its_drop() {
        let budget = budget(1, Duration::from_secs(10));
        let mut permit = budget.acquire(Purpose::Sweep).await;
        permit.under_way();
        tokio::time::advance(Duration::from_secs(30)).await;
        assert!(budget.try_acquire(Purpose::Sweep).is_none());
        drop(permit);
        assert!(budget.try_acquire(Purpose::Sweep).is_none());
        tokio::time::advance(Duration::from_millis(10_100)).await;
        assert!(budget.try_acquire(Purpose::Sweep).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_holds_back_those_who_wait_already() {
        let budget = Arc::new(Budget::new(None, true));
        budget.pause(Instant::now() + Duration::from_secs(5));
        let start = Instant::now();
        let _permit = budget.acquire(Purpose::Upload).await;
        assert!(Instant::now() - start >= Duration::from_secs(5));
        assert_eq!(budget.spent(), (0, None));
    }
}
