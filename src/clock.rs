//! Time and randomness, which the pure modules take as arguments.

use crate::job::Timestamp;
#[cfg(test)]
use crate::testing::surroundings;
use std::hash::{BuildHasher as _, RandomState};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The time by the system's clock.
#[must_use]
pub fn now() -> Timestamp {
    #[cfg(test)]
    if let Some(now) = surroundings::now() {
        return now;
    }
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX))
}

/// Returns random digits that make a wire name unique.
#[must_use]
pub fn random_digits() -> u32 {
    u32::try_from(random() >> 32).unwrap_or(0)
}

/// Returns an unpredictable number.
#[must_use]
pub fn random() -> u64 {
    #[cfg(test)]
    if let Some(number) = surroundings::random() {
        return number;
    }
    RandomState::new().hash_one(0u8)
}

/// Returns a random fraction from 0 to below 1.
#[must_use]
pub fn random_fraction() -> f64 {
    let bits = u32::try_from(random() >> 32).unwrap_or(0);
    f64::from(bits) / (f64::from(u32::MAX) + 1.0)
}

/// A point on the monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(pub Duration);

impl Moment {
    /// Returns the moment after `wait`.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(wait))
    }

    /// Returns the time from `earlier` to this moment, or zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// The monotonic clock, counted from one start. Copies agree with each other.
#[derive(Debug, Clone, Copy)]
pub struct Clock(Instant);

impl Clock {
    /// Starts counting now.
    #[must_use]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Returns the time since the start.
    #[must_use]
    pub fn moment(self) -> Moment {
        #[cfg(test)]
        if let Some(moment) = surroundings::moment() {
            return moment;
        }
        Moment(self.0.elapsed())
    }

    /// Converts a moment to an instant of the system.
    #[must_use]
    pub fn instant(self, moment: Moment) -> Instant {
        self.0 + moment.0
    }
}
