//! The server's clock, which can differ from this computer's, and random numbers that a seed determines.

use crate::job::Timestamp;
use jiff::SignedDuration;
use jiff::fmt::rfc2822::DateTimePrinter;

/// The offset to this computer's clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock(SignedDuration);

impl Clock {
    pub(super) fn new(ahead: SignedDuration) -> Self {
        Self(ahead)
    }

    /// The time of the model. Jobs and windows use it.
    pub(super) fn now(self) -> Timestamp {
        Timestamp(self.time().as_millisecond())
    }

    /// The time for the header `Date`.
    pub(super) fn http_date(self) -> String {
        DateTimePrinter::new().timestamp_to_rfc9110_string(&self.time()).unwrap_or_default()
    }

    fn time(self) -> jiff::Timestamp {
        let ours = jiff::Timestamp::now();
        ours.checked_add(self.0).unwrap_or(ours)
    }
}

/// A stream of numbers that its seed determines. `SplitMix64` takes ten lines, so no crate is needed.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Returns a number below `bound`. Its bias is too small to show in a sample file or a fault.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// Returns true with this probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        // An `f64` holds 32 bits exactly.
        let draw = u32::try_from(self.next() >> 32).unwrap_or(u32::MAX);
        f64::from(draw) / (f64::from(u32::MAX) + 1.0) < probability
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

    #[test]
    fn a_seed_repeats_its_stream() {
        let (mut one, mut two) = (Random::new(7), Random::new(7));
        assert!((0..100).all(|_| one.next() == two.next()));
    }

    #[test]
    fn chance_keeps_its_promise_at_the_ends_and_roughly_between() {
        let mut random = Random::new(1);
        assert!((0..1000).all(|_| random.chance(1.0)));
        assert!((0..1000).all(|_| !random.chance(0.0)));
        let hits = (0..10_000).filter(|_| random.chance(0.1)).count();
        assert!((800..1200).contains(&hits), "{hits}");
    }
}
