//! Liveness: once faults and people leave a story alone, every file comes to its end, or to rest with a reason, within a bound.

use super::promises::{Checked, broken};
use super::script::{Plan, What};
use crate::clock::Moment;
use crate::job::{JobId, Place, State};
use std::fmt;
use std::time::Duration;

/// Maximum time until every file rests. The longest way is that of an upload whose outcome is not known: up to an hour of
/// looks (S4), twice if there is nothing to compare a list with. Then it is sent again, which takes a backoff (5 min) and
/// sweeps (5 min) until Adobe has processed it (15 min), and what waited for it goes the same way without the looks.
const REST_WITHIN: Duration = Duration::from_secs(3 * 3600);
/// The same where somebody sets the clock by days: a job that seems older than `poll.give_up_after` is asked for once a day.
const REST_WITHIN_AFTER_CLOCK_SET: Duration = Duration::from_secs(26 * 3600);
/// Maximum number of turns until then: a stage that turns in circles comes to no end however little time that takes.
const TURNS: u64 = 10_000;

/// What is left of a story.
#[derive(Debug, Default)]
pub(super) struct Liveness {
    disturbed_at: Moment,
    turns: u64,
    slowest: Slowest,
}

impl Liveness {
    /// People, faults or others have done something.
    pub(super) fn is_disturbed(&mut self, now: Moment) {
        (self.disturbed_at, self.turns) = (now, 0);
    }

    /// datadrop does something.
    pub(super) fn takes_a_turn(&mut self) {
        self.turns += 1;
    }

    /// Whether it may go on. `healed`: no fault is left.
    pub(super) fn check(&self, plan: &Plan, now: Moment, healed: bool, jobs: &[(JobId, State, Place)]) -> Checked {
        let is_set = plan.items.iter().any(|item| matches!(item.what, What::ClockSet(_)));
        let bound = if is_set { REST_WITHIN_AFTER_CLOCK_SET } else { REST_WITHIN };
        let took = now.since(self.disturbed_at);
        if !healed || took <= bound && self.turns <= TURNS {
            return Ok(());
        }
        let going = jobs.iter().filter(|(_, state, place)| !state.is_terminal() || *place != state.place());
        broken(
            "once nothing fails any more, every file comes to its end within a bound",
            format!("{took:?} and {} turns after the last disturbance: {:?}", self.turns, going.collect::<Vec<_>>()),
        )
    }

    /// Everything rests, and did so from this moment on.
    pub(super) fn rests(&mut self, since: Moment) {
        self.slowest = Slowest { took: since.since(self.disturbed_at), turns: self.turns };
    }

    pub(super) fn slowest(&self) -> Slowest {
        self.slowest
    }
}

/// What the slowest story took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Slowest {
    took: Duration,
    turns: u64,
}

impl Slowest {
    pub(super) fn add(&mut self, other: &Self) {
        self.took = self.took.max(other.took);
        self.turns = self.turns.max(other.turns);
    }
}

impl fmt::Display for Slowest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "after the last disturbance, everything rested within {} s and {} turns",
            self.took.as_secs(),
            self.turns
        )
    }
}
