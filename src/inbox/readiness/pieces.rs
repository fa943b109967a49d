//! How long an account's files must be quiet after they were closed: longer where programs close a file between two pieces of
//! it (DESIGN R7).

use crate::clock::Moment;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::time::Duration;

/// After so many files that were whole, the quiet period is the configured one again.
const WHOLE: u32 = 100;
/// Twice nothing is nothing.
const SHORTEST: Duration = Duration::from_millis(50);
/// Maximum number of names that are remembered. With more at a time, no producer appends to them.
const REMEMBERED: usize = 10_000;

/// The quiet period of an account, and what it follows from.
#[derive(Debug)]
pub struct Pieces {
    configured: Duration,
    longest: Duration,
    grown: Option<Duration>,
    /// Files without a change since it grew.
    whole: u32,
    /// Files that were taken in because they had been quiet for so long: what comes under their names may be the next piece.
    taken_in: HashMap<OsString, Moment>,
}

impl Pieces {
    /// `grown`: what an earlier run came to.
    #[must_use]
    pub fn new(configured: Duration, longest: Duration, grown: Option<Duration>) -> Self {
        let grown = grown.map(|grown| grown.min(longest)).filter(|grown| *grown > configured);
        Self { configured, longest, grown, whole: 0, taken_in: HashMap::new() }
    }

    /// The quiet period now.
    #[must_use]
    pub fn settle(&self) -> Duration {
        self.grown.unwrap_or(self.configured)
    }

    /// The quiet period, if it is not the configured one.
    #[must_use]
    pub fn grown(&self) -> Option<Duration> {
        self.grown
    }

    /// A file was taken in; `closed`: because it had been quiet since it was closed. True: the quiet period is the configured
    /// one again.
    pub fn took_in(&mut self, name: &OsStr, closed: bool, now: Moment) -> bool {
        if closed {
            let longest = self.longest;
            if self.taken_in.len() >= REMEMBERED {
                self.taken_in.retain(|_, at| now.since(*at) <= longest);
            }
            if self.taken_in.len() < REMEMBERED {
                self.taken_in.insert(name.to_owned(), now);
            }
        }
        self.whole += 1;
        self.whole >= WHOLE && self.grown.take().is_some()
    }

    /// Whether a file of this name was taken in so shortly before that this may be its next piece.
    #[must_use]
    pub fn may_go_on(&self, name: &OsStr, now: Moment) -> bool {
        self.taken_in.get(name).is_some_and(|at| now.since(*at) <= self.longest.saturating_add(self.settle()))
    }

    /// A file was written on after it was taken in. True: the quiet period grew.
    pub fn went_on(&mut self, name: &OsStr) -> bool {
        self.taken_in.remove(name);
        self.whole = 0;
        let before = self.settle();
        let grown = before.saturating_mul(2).max(SHORTEST).min(self.longest);
        if grown > before {
            self.grown = Some(grown);
        }
        grown > before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn at(seconds: u32) -> Moment {
        Moment(SECOND * seconds)
    }

    #[test]
    fn r7_the_quiet_period_doubles_up_to_its_longest_and_goes_back_after_a_hundred_whole_files() {
        let name = OsStr::new("sales.txt");
        let mut pieces = Pieces::new(SECOND, 5 * SECOND, None);
        for (seconds, grew) in [(2, true), (4, true), (5, true), (5, false)] {
            assert_eq!((pieces.went_on(name), pieces.settle()), (grew, seconds * SECOND));
        }
        for file in 1..=250 {
            assert_eq!(pieces.took_in(name, true, at(file)), file == 100, "{file}");
        }
        assert_eq!((pieces.settle(), pieces.grown()), (SECOND, None));
    }

    #[test]
    fn r7_only_what_comes_shortly_after_a_file_of_its_name_may_be_its_next_piece() {
        let (name, other) = (OsStr::new("sales.txt"), OsStr::new("costs.txt"));
        let mut pieces = Pieces::new(SECOND, 60 * SECOND, None);
        pieces.took_in(name, true, at(10));
        pieces.took_in(other, false, at(10));
        assert!(pieces.may_go_on(name, at(71)) && !pieces.may_go_on(name, at(72)) && !pieces.may_go_on(other, at(11)));
        pieces.went_on(name);
        assert!(!pieces.may_go_on(name, at(11)), "each piece counts once");
    }

    #[test]
    fn r7_what_an_earlier_run_came_to_holds_within_the_configuration() {
        let settle = |grown| Pieces::new(SECOND, 10 * SECOND, grown).settle();
        assert_eq!(
            (settle(Some(8 * SECOND)), settle(Some(20 * SECOND)), settle(None)),
            (8 * SECOND, 10 * SECOND, SECOND)
        );
        assert_eq!(Pieces::new(5 * SECOND, 10 * SECOND, Some(2 * SECOND)).grown(), None);
        let mut from_nothing = Pieces::new(Duration::ZERO, SECOND, None);
        assert!(from_nothing.went_on(OsStr::new("x")) && from_nothing.settle() == SHORTEST);
    }
}
