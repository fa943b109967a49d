//! The arithmetic of the request budget. No clock: `now` is an argument, and never runs backwards.

use crate::config::RateLimit;
use std::collections::VecDeque;
use std::time::Duration;
use tokio::time::Instant;

/// What a request is for: decides who goes first when requests are scarce (DESIGN §4, "The request budget").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Sends a file.
    Upload,
    /// Looks at remote jobs: sweeps, settling, probes, and whatever a person asked.
    Sweep,
}

/// Uploads that may pass before a waiting sweep gets its turn: one request in six is for sweeps.
const UPLOADS_PER_SWEEP: u32 = 5;

/// A sliding window over the instants at which requests went out, and the queues of those who want to send one.
///
/// A slot is taken from the grant on, but its time runs from the stamp: however long a granted request needs to
/// reach the wire, no window over the stamps ever holds more than the limit.
#[derive(Debug)]
pub(super) struct Window {
    limit: Option<Limit>,
    /// Sorted: each stamp is the latest `now`.
    sent: VecDeque<Instant>,
    /// Granted, and not stamped yet.
    reserved: usize,
    paused_until: Option<Instant>,
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
    /// Somebody else has to take or give back first.
    ForAnother,
}

impl Window {
    pub(super) fn new(limit: Option<RateLimit>, spent_at: Option<Instant>) -> Self {
        let limit = limit.map(|limit| Limit {
            requests: usize::try_from(limit.requests.max(1)).unwrap_or(usize::MAX),
            // On the way to the server requests bunch up: what left 6 s apart may arrive a little less apart.
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
            uploads_since_sweep: 0,
            next_ticket: 0,
            uploads: VecDeque::new(),
            sweeps: VecDeque::new(),
        }
    }

    /// Lines up.
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

    /// Takes a slot if one is free and it is this ticket's turn; the ticket is used up then.
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

    /// The server may have counted the request stamped `before` as late as now.
    pub(super) fn stamp_again(&mut self, before: Instant, now: Instant) {
        if self.limit.is_some() {
            if let Ok(at) = self.sent.binary_search(&before) {
                self.sent.remove(at);
            }
            self.sent.push_back(now);
        }
    }

    /// The request of a granted slot never went out.
    pub(super) fn give_back(&mut self) {
        self.reserved = self.reserved.saturating_sub(1);
    }

    /// No grant before `until`; a longer pause stays.
    pub(super) fn pause(&mut self, until: Instant) {
        self.paused_until = self.paused_until.max(Some(until));
    }

    pub(super) fn someone_waits(&self) -> bool {
        !self.uploads.is_empty() || !self.sweeps.is_empty()
    }

    /// Slots taken now, and how many there are; `None` without a limit.
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
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn limit(requests: u32, per: Duration) -> RateLimit {
        RateLimit { requests, per }
    }

    fn take(window: &mut Window, purpose: Purpose, now: Instant) -> bool {
        let ticket = window.join(purpose);
        let taken = window.take(ticket, now).is_ok();
        if !taken {
            window.leave(ticket);
        }
        taken
    }

    #[test]
    fn a_slot_is_free_again_when_its_stamp_left_the_window() {
        let start = Instant::now();
        let mut window = Window::new(Some(limit(1, Duration::from_secs(6))), None);
        let ticket = window.join(Purpose::Upload);
        assert_eq!(window.take(ticket, start), Ok(()));
        let sent = start + Duration::from_secs(20);
        assert!(!take(&mut window, Purpose::Upload, sent), "granted long ago, but not sent yet");
        window.stamp(sent);
        let ticket = window.join(Purpose::Upload);
        let free = sent + Duration::from_millis(6060);
        assert_eq!(window.take(ticket, sent), Err(Wait::Until(free)));
        assert_eq!(window.take(ticket, free), Ok(()));
        window.give_back();
        assert!(take(&mut window, Purpose::Upload, free), "given back at once");
    }

    #[test]
    fn one_request_in_six_is_for_sweeps_while_one_waits() {
        let now = Instant::now();
        let mut window = Window::new(None, None);
        let mut order = String::new();
        let mut uploads: VecDeque<Ticket> = (0..20).map(|_| window.join(Purpose::Upload)).collect();
        let mut sweeps: VecDeque<Ticket> = (0..3).map(|_| window.join(Purpose::Sweep)).collect();
        while window.someone_waits() {
            if sweeps.front().is_some_and(|&ticket| window.take(ticket, now).is_ok()) {
                sweeps.pop_front();
                order.push('s');
            }
            if uploads.front().is_some_and(|&ticket| window.take(ticket, now).is_ok()) {
                uploads.pop_front();
                order.push('u');
            }
        }
        assert_eq!(order, "uuuuusuuuuusuuuuusuuuuu");
    }

    #[test]
    fn a_pause_stops_everybody_even_without_a_limit() {
        let now = Instant::now();
        let mut window = Window::new(None, None);
        window.pause(now + Duration::from_secs(9));
        window.pause(now + Duration::from_secs(3));
        let ticket = window.join(Purpose::Upload);
        assert_eq!(window.take(ticket, now), Err(Wait::Until(now + Duration::from_secs(9))));
        assert_eq!(window.take(ticket, now + Duration::from_secs(9)), Ok(()));
    }

    #[test]
    fn a_window_spent_at_the_start_opens_when_it_has_passed() {
        let now = Instant::now();
        let mut window = Window::new(Some(limit(3, Duration::from_secs(1))), Some(now));
        assert_eq!(window.spent(now), (3, Some(3)));
        assert!(!take(&mut window, Purpose::Sweep, now + Duration::from_secs(1)));
        assert!(take(&mut window, Purpose::Sweep, now + Duration::from_millis(1010)));
    }

    #[derive(Debug, Clone)]
    enum Step {
        Ask(bool),
        Send,
        SendAgain(usize),
        GiveBack,
        Pass(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => any::<bool>().prop_map(Step::Ask),
            4 => Just(Step::Send),
            1 => (0usize..20).prop_map(Step::SendAgain),
            1 => Just(Step::GiveBack),
            3 => (0u64..700).prop_map(Step::Pass),
        ];
        proptest::collection::vec(step, 0..300)
    }

    proptest! {
        #[test]
        fn no_window_ever_holds_more_than_the_limit(requests in 1u32..6, spent in any::<bool>(), steps in steps()) {
            let per = Duration::from_secs(1);
            let mut now = Instant::now();
            let mut window = Window::new(Some(limit(requests, per)), spent.then_some(now));
            let mut stamps: Vec<Instant> = if spent { vec![now; requests as usize] } else { Vec::new() };
            let mut granted = 0usize;
            let mut again: Vec<Instant> = Vec::new();
            for step in steps {
                match step {
                    Step::Ask(upload) => {
                        let purpose = if upload { Purpose::Upload } else { Purpose::Sweep };
                        granted += usize::from(take(&mut window, purpose, now));
                    }
                    Step::Send if granted > 0 => {
                        granted -= 1;
                        window.stamp(now);
                        stamps.push(now);
                        again.push(now);
                    }
                    Step::GiveBack if granted > 0 => {
                        granted -= 1;
                        window.give_back();
                    }
                    Step::SendAgain(which) if which < again.len() => {
                        let before = std::mem::replace(&mut again[which], now);
                        window.stamp_again(before, now);
                    }
                    Step::Pass(millis) => now += Duration::from_millis(millis),
                    Step::Send | Step::GiveBack | Step::SendAgain(_) => {}
                }
            }
            for (index, &first) in stamps.iter().enumerate() {
                let within = stamps[index..].iter().take_while(|&&stamp| stamp - first <= per).count();
                prop_assert!(within <= requests as usize, "{within} requests in one window of {requests}");
            }
        }
    }
}
