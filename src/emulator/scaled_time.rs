//! The server's clock, which need not be ours.

use crate::job::Timestamp;
use jiff::SignedDuration;
use jiff::fmt::rfc2822::DateTimePrinter;

/// So far ahead of this computer's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock(SignedDuration);

impl Clock {
    pub(super) fn new(ahead: SignedDuration) -> Self {
        Self(ahead)
    }

    /// The time of the model: jobs and windows go by it.
    pub(super) fn now(self) -> Timestamp {
        Timestamp(self.time().as_millisecond())
    }

    /// For the header `Date`.
    pub(super) fn http_date(self) -> String {
        DateTimePrinter::new().timestamp_to_rfc9110_string(&self.time()).unwrap_or_default()
    }

    fn time(self) -> jiff::Timestamp {
        let ours = jiff::Timestamp::now();
        ours.checked_add(self.0).unwrap_or(ours)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn header_and_model_show_the_same_time() {
        let clock = Clock::new(SignedDuration::from_hours(-100));
        let before = clock.now().0 / 1000;
        let shown = jiff::fmt::rfc2822::parse(&clock.http_date()).unwrap().timestamp().as_second();
        assert!((before..=before + 60).contains(&shown), "{shown}, and {before} in the model");
        assert!(jiff::Timestamp::now().as_second() - shown >= 100 * 3600);
    }

    #[test]
    fn a_clock_beyond_all_time_is_ours() {
        assert!(Clock::new(SignedDuration::MAX).now().0 > 0);
    }
}
