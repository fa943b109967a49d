//! When to retry. This is the only user of `backoff`, and uses it only to compute delays. No other code may depend on
//! `backoff`, because it is unmaintained (RUSTSEC-2025-0012).
//!
//! The only retry loop is the due time in the job log. This module computes that time.

use crate::config::RetryConfig;
use backoff::ExponentialBackoff;
use backoff::backoff::Backoff as _;
use std::time::Duration;

/// Longest `Retry-After` that datadrop honours (DESIGN §5).
pub const LONGEST_HINT: Duration = Duration::from_secs(3600);

/// How delays grow.
#[derive(Debug, Clone, Copy)]
pub struct RetryPolicy {
    first: Duration,
    max: Duration,
    factor: f64,
}

impl RetryPolicy {
    /// The policy of a validated configuration.
    #[must_use]
    pub fn new(config: &RetryConfig) -> Self {
        Self { first: config.first, max: config.max, factor: config.factor }
    }

    /// A doubling delay. The sweeps use it too.
    #[must_use]
    pub fn growing(first: Duration, max: Duration) -> Self {
        Self { first, max, factor: 2.0 }
    }

    /// Returns the longest delay. A job that is due later was written while the clock was ahead.
    #[must_use]
    pub fn longest(&self) -> Duration {
        self.max.max(LONGEST_HINT)
    }

    /// Returns the delay after `failures` failures in a row (1 is the first), without jitter.
    #[must_use]
    pub fn ceiling(&self, failures: u32) -> Duration {
        let growth = self.factor.powi(i32::try_from(failures.saturating_sub(1)).unwrap_or(i32::MAX));
        let grown = self.first.as_secs_f64() * growth;
        let mut backoff = ExponentialBackoff {
            current_interval: if grown < self.max.as_secs_f64() { Duration::from_secs_f64(grown) } else { self.max },
            initial_interval: self.first,
            randomization_factor: 0.0,
            multiplier: self.factor,
            max_interval: self.max,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        };
        backoff.next_backoff().unwrap_or(self.max)
    }

    /// Returns the delay with full jitter (`fraction` from 0 to 1), or the wait that the server asks for, if that is
    /// longer.
    #[must_use]
    pub fn delay(&self, failures: u32, hint: Option<Duration>, fraction: f64) -> Duration {
        let jittered = self.ceiling(failures).mul_f64(fraction.clamp(0.0, 1.0));
        jittered.max(hint.unwrap_or_default().min(LONGEST_HINT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const POLICY: RetryPolicy =
        RetryPolicy { first: Duration::from_secs(1), max: Duration::from_secs(300), factor: 2.0 };

    #[test]
    fn delays_grow_to_their_ceiling_and_never_give_up() {
        let ceilings: Vec<u64> = (1..=10).map(|failures| POLICY.ceiling(failures).as_secs()).collect();
        assert_eq!(ceilings, [1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
        assert_eq!(POLICY.ceiling(u32::MAX), Duration::from_secs(300));
    }

    #[test]
    fn the_servers_wish_is_honoured_up_to_an_hour() {
        assert_eq!(POLICY.delay(1, Some(Duration::from_secs(7)), 0.5), Duration::from_secs(7));
        let hour = Duration::from_secs(3600);
        assert_eq!(POLICY.delay(1, Some(hour), 0.5), hour);
        assert_eq!(POLICY.delay(1, Some(hour * 24), 0.5), hour);
        assert_eq!(POLICY.delay(9, Some(Duration::from_secs(7)), 1.0), Duration::from_secs(256), "ours is longer");
    }

    #[test]
    fn no_delay_is_longer_than_the_longest() {
        assert_eq!(POLICY.longest(), Duration::from_secs(3600), "a Retry-After may ask for so long");
        let patient = RetryPolicy { max: Duration::from_secs(7200), ..POLICY };
        assert_eq!(patient.longest(), patient.delay(u32::MAX, None, 1.0));
    }

    proptest! {
        #[test]
        fn a_delay_stays_between_nothing_and_its_ceiling(failures in any::<u32>(), fraction in 0.0f64..=1.0, first in 1u64..10_000,
                                                         factor in 1.0f64..10.0) {
            let policy = RetryPolicy { first: Duration::from_millis(first), max: Duration::from_secs(300), factor };
            prop_assert!(policy.delay(failures, None, fraction) <= policy.ceiling(failures));
            prop_assert!(policy.ceiling(failures) <= policy.max);
        }
    }
}
