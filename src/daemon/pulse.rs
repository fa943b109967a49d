//! Signs of life, and what is made of them for systemd.

use crate::clock::Clock;
use crate::clock::Moment;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A stage gives a sign at least every 15 s; after so long without one it is stuck.
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
        tracing::warn!("systemd cannot be told how the service stands: {error}");
    }
}
