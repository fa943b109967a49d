//! Signs of life of the stages, what is made of them for systemd, and the trackers that fell.

use crate::clock::{Clock, Moment};
use crate::job::Target;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Time without a sign of life after which a stage counts as stuck. It gives a sign at least every 15 s.
const STUCK_AFTER: Duration = Duration::from_secs(45);

/// The last sign of life of a stage.
#[derive(Debug, Clone)]
pub(super) struct Pulse {
    clock: Clock,
    last_ms: Arc<AtomicU64>,
}

impl Pulse {
    pub(super) fn new(clock: Clock) -> Self {
        let pulse = Self { clock, last_ms: Arc::default() };
        pulse.beat();
        pulse
    }

    /// A sign of life.
    pub(super) fn beat(&self) {
        let now = u64::try_from(self.clock.moment().0.as_millis()).unwrap_or(u64::MAX);
        self.last_ms.store(now, Ordering::Relaxed);
    }

    pub(super) fn is_stuck(&self) -> bool {
        let last = Moment(Duration::from_millis(self.last_ms.load(Ordering::Relaxed)));
        self.clock.moment().since(last) > STUCK_AFTER
    }
}

/// Tells systemd; says nothing where there is none.
pub(super) fn notify(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::warn!("cannot report the state of the service to systemd: {error}");
    }
}

/// Wait before the first new try; it doubles with each that fails.
const FIRST_WAIT: Duration = Duration::from_secs(10);
/// Longest wait between two tries.
const LONGEST_WAIT: Duration = Duration::from_secs(600);

/// One account that is not followed for now.
#[derive(Debug)]
struct Fall {
    target: Target,
    times: u32,
    again_at: Moment,
    is_down: bool,
}

/// The accounts that are not, or were not long ago.
#[derive(Debug, Default)]
pub(super) struct Fallen(HashMap<String, Fall>);

impl Fallen {
    /// Its tracker has ended, or still cannot work.
    pub(super) fn note(&mut self, account: &str, target: Target, now: Moment) {
        let before = self.0.get(account).filter(|fall| now.since(fall.again_at) < LONGEST_WAIT);
        let times = before.map_or(0, |fall| fall.times.saturating_add(1));
        let wait = FIRST_WAIT.saturating_mul(2u32.saturating_pow(times)).min(LONGEST_WAIT);
        self.0.insert(account.to_owned(), Fall { target, times, again_at: now.after(wait), is_down: true });
    }

    /// Somebody else decides on its tracker from now on.
    pub(super) fn forget(&mut self, account: &str) {
        if let Some(fall) = self.0.get_mut(account) {
            fall.is_down = false;
        }
    }

    /// Whose time has come. Each is handed out once.
    pub(super) fn due(&mut self, now: Moment) -> Vec<(String, Target)> {
        let due = self.0.iter_mut().filter(|(_, fall)| fall.is_down && fall.again_at <= now);
        due.map(|(account, fall)| {
            fall.is_down = false;
            (account.clone(), fall.target.clone())
        })
        .collect()
    }
}

/// A task that tracks an account.
pub(super) struct Tracking {
    pub(super) stop: CancellationToken,
    pub(super) pulse: Pulse,
    pub(super) target: Target,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f10_a_tracker_that_falls_again_and_again_waits_longer_each_time() {
        let target = Target {
            base_url: "http://localhost".to_owned(),
            path_segment: "datasources".to_owned(),
            company: "c".to_owned(),
            report_suite_id: "r".to_owned(),
            data_source_id: 1,
        };
        let mut fallen = Fallen::default();
        let mut now = Moment::default();
        let mut waits = Vec::new();
        for _ in 0..9 {
            fallen.note("a", target.clone(), now);
            let fell_at = now;
            while fallen.due(now).is_empty() {
                now = now.after(Duration::from_secs(1));
            }
            assert!(fallen.due(now).is_empty(), "handed out once");
            waits.push(now.since(fell_at).as_secs());
        }
        assert_eq!(waits, [10, 20, 40, 80, 160, 320, 600, 600, 600]);
        fallen.note("a", target.clone(), now.after(2 * LONGEST_WAIT));
        assert_eq!(fallen.due(now.after(2 * LONGEST_WAIT + FIRST_WAIT)).len(), 1, "it worked for long meanwhile");
        fallen.note("a", target, now);
        fallen.forget("a");
        assert!(fallen.due(now.after(LONGEST_WAIT)).is_empty());
    }
}
