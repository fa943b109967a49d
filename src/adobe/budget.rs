//! The request budget of the credential. Uploads, sweeps and reconciliation share it (DESIGN §4, "The request budget").
//!
//! Adobe allows 12 requests in 6 s **per user**, so this is one object for all accounts. It is a sliding window as
//! the server sees it, not a bucket: a bucket lets twice its content through around a refill.

use crate::config::RateLimit;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// Hands out [`Permit`]s, up to the configured limit in any window of time.
pub struct Budget {
    window: Mutex<Window>,
    /// Signals each change, other than the passing of time, that may give a waiter its turn.
    changed: Notify,
}

impl Budget {
    /// A budget of `limit`; `None` is `api.rate_limit = "off"`.
    ///
    /// `spent_at_start` treats the window as used up, because nobody knows what was sent just before a restart.
    #[must_use]
    pub fn new(limit: Option<RateLimit>, spent_at_start: bool) -> Self {
        let spent_at = spent_at_start.then(Instant::now);
        Self { window: Mutex::new(Window::new(limit, spent_at)), changed: Notify::new() }
    }

    /// Waits for a slot. Uploads go first, but one request in six is for sweeps while a sweep waits.
    ///
    /// Cancel safe: a dropped wait leaves the queue and delays no other.
    pub async fn acquire(self: &Arc<Self>, purpose: Purpose) -> Permit {
        let mut place = Place::join(self, purpose);
        // Usually a slot is free, so do not pay for arming the notification.
        if let Ok(permit) = place.take() {
            return permit;
        }
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Armed before the check, so that no change between check and wait is missed.
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

    /// Returns a slot, if one is free and no request with precedence waits for it.
    #[must_use]
    pub fn try_acquire(self: &Arc<Self>, purpose: Purpose) -> Option<Permit> {
        Place::join(self, purpose).take().ok()
    }

    /// Grants nothing for `pause`, because the server is overloaded. A longer pause stays as it is. Returns the rest of
    /// the pause.
    pub fn pause(&self, pause: Duration) -> Duration {
        self.lock().pause(pause, Instant::now())
    }

    /// Notes that the server was busy for a request that left at `left`. Returns how many times in a row that is.
    /// Returns `None` if the request left before the last note, because then both requests met the same outage.
    pub fn note_busy(&self, left: Instant) -> Option<u32> {
        self.lock().note_busy(left, Instant::now())
    }

    /// Notes that the server was not busy, which ends the count of [`Budget::note_busy`].
    pub fn note_ready(&self) {
        self.lock().busy = None;
    }

    /// Returns the slots taken now, and the number of slots (`None`: no limit).
    #[must_use]
    pub fn spent(&self) -> (usize, Option<usize>) {
        self.lock().spent(Instant::now())
    }

    fn lock(&self) -> MutexGuard<'_, Window> {
        // A poisoned lock is still consistent, because the window's arithmetic does not panic half-way.
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
        // More than one slot may be free, and the next waiter has already seen that it was not its turn.
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

/// The right to send one request. If a permit is dropped unused, its slot is free again immediately.
#[must_use = "a permit that is dropped gives its slot back"]
pub struct Permit {
    budget: Arc<Budget>,
    use_of_slot: Use,
}

#[derive(Debug, Clone, Copy)]
enum Use {
    None,
    /// The request is in flight. It is unknown when the server counts it.
    UnderWay,
    Sent(Instant),
}

impl Permit {
    /// Stamps the request: it goes out now. A second call says that the server may have counted it as late as now.
    pub fn sent(&mut self) {
        let mut window = self.budget.lock();
        let now = Instant::now();
        match self.use_of_slot {
            Use::None | Use::UnderWay => window.stamp(now),
            Use::Sent(before) => window.stamp_again(before, now),
        }
        self.use_of_slot = Use::Sent(now);
        // Waiters for a slot that is given back can now compute when this slot gets free.
        self.budget.ring(window);
    }

    /// Marks the request as in flight. The slot stays taken until [`Permit::sent`] or the drop, which stamps it.
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

// The arithmetic of the request budget. It reads no clock: `now` is an argument, and never runs backwards.

/// The purpose of a request. It decides which request goes first when slots are scarce (DESIGN §4, "The request
/// budget").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Sends a file.
    Upload,
    /// Looks at remote jobs: sweeps, reconciliation, probes, and requests of a person.
    Sweep,
}

/// Number of uploads that may pass before a waiting sweep gets its turn: one request in six is for sweeps.
const UPLOADS_PER_SWEEP: u32 = 5;

/// A sliding window over the instants at which requests went out, with the queues of waiting requests.
///
/// A slot is taken from the grant on, but its time runs from the stamp. However long a granted request takes to reach
/// the network, no window over the stamps ever holds more than the limit.
#[derive(Debug)]
pub(super) struct Window {
    limit: Option<Limit>,
    /// Sorted: each stamp is the latest `now`.
    sent: VecDeque<Instant>,
    /// Granted, and not stamped yet.
    reserved: usize,
    paused_until: Option<Instant>,
    /// How many times in a row the server was busy, and when the last of them was noted.
    busy: Option<(u32, Instant)>,
    uploads_since_sweep: u32,
    next_ticket: u64,
    uploads: VecDeque<u64>,
    sweeps: VecDeque<u64>,
}

#[derive(Debug)]
struct Limit {
    requests: usize,
    span: Duration,
}

/// A place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket {
    number: u64,
    purpose: Purpose,
}

/// Why a ticket is not served now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Nothing is free before then.
    Until(Instant),
    /// Another holder or waiter must act first.
    ForAnother,
}

impl Window {
    pub(super) fn new(limit: Option<RateLimit>, spent_at: Option<Instant>) -> Self {
        let limit = limit.map(|limit| Limit {
            requests: usize::try_from(limit.requests.max(1)).unwrap_or(usize::MAX),
            // Requests bunch up on the way to the server: two that left 6 s apart may arrive a little less apart.
            span: limit.per + (limit.per / 100).max(Duration::from_millis(10)),
        });
        let sent = match (&limit, spent_at) {
            (Some(limit), Some(now)) => std::iter::repeat_n(now, limit.requests).collect(),
            (Some(_) | None, _) => VecDeque::new(),
        };
        Self {
            limit,
            sent,
            reserved: 0,
            paused_until: None,
            busy: None,
            uploads_since_sweep: 0,
            next_ticket: 0,
            uploads: VecDeque::new(),
            sweeps: VecDeque::new(),
        }
    }

    /// Adds a place at the end of the queue.
    pub(super) fn join(&mut self, purpose: Purpose) -> Ticket {
        let number = self.next_ticket;
        self.next_ticket += 1;
        self.queue(purpose).push_back(number);
        Ticket { number, purpose }
    }

    /// Leaves the queue without a slot.
    pub(super) fn leave(&mut self, ticket: Ticket) {
        self.queue(ticket.purpose).retain(|&number| number != ticket.number);
    }

    /// Takes a slot if one is free and it is this ticket's turn. A ticket serves once.
    pub(super) fn take(&mut self, ticket: Ticket, now: Instant) -> Result<(), Wait> {
        self.forget_old(now);
        if let Some(until) = self.paused_until {
            if now < until {
                return Err(Wait::Until(until));
            }
            self.paused_until = None;
        }
        if let Some(limit) = &self.limit
            && self.reserved + self.sent.len() >= limit.requests
        {
            return Err(self.sent.front().map_or(Wait::ForAnother, |&oldest| Wait::Until(oldest + limit.span)));
        }
        let sweep_next =
            !self.sweeps.is_empty() && (self.uploads.is_empty() || self.uploads_since_sweep >= UPLOADS_PER_SWEEP);
        let turn = if sweep_next { Purpose::Sweep } else { Purpose::Upload };
        if turn != ticket.purpose || self.queue(turn).front() != Some(&ticket.number) {
            return Err(Wait::ForAnother);
        }
        self.queue(turn).pop_front();
        self.uploads_since_sweep = match turn {
            Purpose::Sweep => 0,
            Purpose::Upload => self.uploads_since_sweep.saturating_add(1),
        };
        if self.limit.is_some() {
            self.reserved += 1;
        }
        Ok(())
    }

    /// The request of a granted slot goes out now.
    pub(super) fn stamp(&mut self, now: Instant) {
        if self.limit.is_some() {
            self.reserved = self.reserved.saturating_sub(1);
            self.sent.push_back(now);
        }
    }

    /// Moves the stamp `before` to now, because the server may have counted the request as late as now.
    pub(super) fn stamp_again(&mut self, before: Instant, now: Instant) {
        if self.limit.is_some() {
            if let Ok(at) = self.sent.binary_search(&before) {
                self.sent.remove(at);
            }
            self.sent.push_back(now);
        }
    }

    /// Frees a granted slot whose request never went out.
    pub(super) fn give_back(&mut self) {
        self.reserved = self.reserved.saturating_sub(1);
    }

    /// Grants nothing for `pause`. A longer pause stays as it is. Returns the rest of the pause.
    pub(super) fn pause(&mut self, pause: Duration, now: Instant) -> Duration {
        let until = self.paused_until.map_or(now + pause, |before| before.max(now + pause));
        self.paused_until = Some(until);
        until - now
    }

    /// See [`Budget::note_busy`].
    pub(super) fn note_busy(&mut self, left: Instant, now: Instant) -> Option<u32> {
        let times = match self.busy {
            Some((_, noted)) if left <= noted => return None,
            Some((times, _)) => times.saturating_add(1),
            None => 1,
        };
        self.busy = Some((times, now));
        Some(times)
    }

    pub(super) fn someone_waits(&self) -> bool {
        !self.uploads.is_empty() || !self.sweeps.is_empty()
    }

    /// Returns the slots taken now, and the number of slots (`None`: no limit).
    pub(super) fn spent(&mut self, now: Instant) -> (usize, Option<usize>) {
        self.forget_old(now);
        (self.reserved + self.sent.len(), self.limit.as_ref().map(|limit| limit.requests))
    }

    fn queue(&mut self, purpose: Purpose) -> &mut VecDeque<u64> {
        match purpose {
            Purpose::Upload => &mut self.uploads,
            Purpose::Sweep => &mut self.sweeps,
        }
    }

    fn forget_old(&mut self, now: Instant) {
        let Some(limit) = &self.limit else { return };
        while self.sent.front().is_some_and(|&oldest| oldest + limit.span <= now) {
            self.sent.pop_front();
        }
    }
}

#[cfg(test)]
mod tests;
