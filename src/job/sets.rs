//! Named sets of states. Rust code and SQL both use them, so that no list of states is written by hand.

use super::state::{Phase, State};
use State::{Cancelled, Failure, Held, Partial, Processing, Queued, Rejected, Success, Unconfirmed, Uploaded, Waiting};
use std::fmt;

/// A set of states. Its `Display` is the list with which SQL compares a column: `('uploaded', 'processing')`.
#[derive(Debug, Clone, Copy)]
pub struct StateSet(&'static [State]);

/// Stands for both phases, because the job log's word does not include the phase.
const UPLOADING: State = State::Uploading(Phase::Started);

/// Every state.
pub const ANY: StateSet = StateSet(&[
    Waiting,
    Queued,
    UPLOADING,
    Unconfirmed,
    Held,
    Uploaded,
    Processing,
    Success,
    Partial,
    Failure,
    Rejected,
    Cancelled,
]);
/// Continues automatically.
pub const GOING_ON: StateSet = StateSet(&[Waiting, Queued, UPLOADING, Unconfirmed, Uploaded, Processing]);
/// Continues automatically, and its content is fixed.
pub const UNDER_WAY: StateSet = StateSet(&[Queued, UPLOADING, Unconfirmed, Uploaded, Processing]);
/// Continues automatically, and is not known to have reached Adobe. Its file belongs in the inbox.
pub const NOT_ACCEPTED_YET: StateSet = StateSet(&[Waiting, Queued, UPLOADING, Unconfirmed]);
/// Not known to have reached Adobe, and it may still be sent.
pub const MAY_BE_SENT: StateSet = StateSet(&[Waiting, Queued, UPLOADING, Unconfirmed, Held]);
/// No attempt is in progress, and none is in doubt.
pub const RESTING: StateSet = StateSet(&[Waiting, Queued]);
/// To be sent, or being sent.
pub const TO_SEND: StateSet = StateSet(&[Queued, UPLOADING]);
/// Ready, and not known to have reached Adobe.
pub const ON_ITS_WAY: StateSet = StateSet(&[Queued, UPLOADING, Unconfirmed]);
/// An attempt has begun whose outcome is not known (DESIGN A4).
pub const ON_THE_WIRE: StateSet = StateSet(&[UPLOADING, Unconfirmed]);
/// An attempt is in progress or in doubt, or the job is held, perhaps since such an attempt.
pub const ON_THE_WIRE_OR_HELD: StateSet = StateSet(&[UPLOADING, Unconfirmed, Held]);
/// On the wire, or accepted and not at its end.
pub const ON_THE_WIRE_OR_AT_ADOBE: StateSet = StateSet(&[UPLOADING, Unconfirmed, Uploaded, Processing]);
/// Accepted, and not at its end.
pub const AT_ADOBE: StateSet = StateSet(&[Uploaded, Processing]);
/// Accepted, and not failed.
pub const AT_ADOBE_OR_DONE: StateSet = StateSet(&[Uploaded, Processing, Success, Partial]);
/// At its end. Only a change of the file still has an effect.
pub const ENDED: StateSet = StateSet(&[Success, Partial, Failure, Rejected, Cancelled]);
/// Adobe is done with it, and it counts.
pub const DONE: StateSet = StateSet(&[Success, Partial]);
/// Adobe is done with it, and did not process all of it.
pub const FELL_SHORT: StateSet = StateSet(&[Partial, Failure]);
/// Ended without a success.
pub const FAILED: StateSet = StateSet(&[Failure, Rejected, Cancelled]);
/// At its end without having been accepted.
pub const NEVER_ACCEPTED: StateSet = StateSet(&[Rejected, Cancelled]);
/// It ended in a way that was not intended.
pub const ENDED_BADLY: StateSet = StateSet(&[Partial, Failure, Rejected]);
/// It raises an alert.
pub const NEEDS_A_PERSON: StateSet = StateSet(&[Held, Partial, Failure, Rejected]);
/// The states of a job whose attempt may have arrived, after datadrop has stopped asking about it.
pub const HELD_OR_CANCELLED: StateSet = StateSet(&[Held, Cancelled]);

impl StateSet {
    /// Returns whether the set has this state, with either phase of an attempt.
    #[must_use]
    pub fn contains(self, state: State) -> bool {
        self.words().any(|word| word == state.as_str())
    }

    /// The words of the job log, in the order of a job's life.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|state| state.as_str())
    }
}

impl fmt::Display for StateSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, word) in self.words().enumerate() {
            write!(f, "{}'{word}'", if index == 0 { "(" } else { ", " })?;
        }
        f.write_str(")")
    }
}

#[cfg(test)]
type SaysSo = fn(State) -> bool;

/// Each set, with the rule that its states must fulfil.
#[cfg(test)]
pub(crate) const EACH: [(StateSet, SaysSo); 21] = {
    use super::state::{Event, Place};
    [
        (ANY, |_| true),
        (GOING_ON, |state| !state.is_terminal() && state.place() != Place::Held),
        (UNDER_WAY, |state| !state.is_terminal() && state.place() != Place::Held && state != Waiting),
        (NOT_ACCEPTED_YET, |state| state.place() == Place::Inbox),
        (MAY_BE_SENT, |state| !state.is_accepted() && !state.is_terminal()),
        (RESTING, |state| state.place() == Place::Inbox && state.next(Event::Cancelled).is_ok()),
        (TO_SEND, |state| state == Queued || matches!(state, State::Uploading(_))),
        (ON_ITS_WAY, |state| state.place() == Place::Inbox && state != Waiting),
        (ON_THE_WIRE, |state| state.place() == Place::Inbox && state.next(Event::Cancelled).is_err()),
        (ON_THE_WIRE_OR_HELD, |state| matches!(state, State::Uploading(_) | Unconfirmed | Held)),
        (ON_THE_WIRE_OR_AT_ADOBE, |state| {
            matches!(state, State::Uploading(_) | Unconfirmed) || state.place() == Place::Sent
        }),
        (AT_ADOBE, |state| state.is_accepted() && !state.is_terminal()),
        (AT_ADOBE_OR_DONE, |state| state.is_accepted() && state.place() != Place::Failed),
        (ENDED, State::is_terminal),
        (DONE, |state| state.place() == Place::Done),
        (FELL_SHORT, |state| state.is_accepted() && state.is_terminal() && state != Success),
        (FAILED, |state| state.place() == Place::Failed),
        (NEVER_ACCEPTED, |state| state.is_terminal() && !state.is_accepted()),
        (ENDED_BADLY, |state| state.is_terminal() && state != Success && state != Cancelled),
        (NEEDS_A_PERSON, |state| state == Held || (state.is_terminal() && state != Success && state != Cancelled)),
        (HELD_OR_CANCELLED, |state| state == Held || state == Cancelled),
    ]
};

#[test]
fn each_set_has_the_states_that_say_so_of_themselves_in_the_order_of_a_jobs_life() {
    for (set, says_so) in EACH {
        let mut words: Vec<&str> = State::ALL.into_iter().filter(|state| says_so(*state)).map(State::as_str).collect();
        words.dedup();
        assert_eq!(set.words().collect::<Vec<_>>(), words, "{set}");
        for state in State::ALL {
            assert_eq!(set.contains(state), says_so(state), "{state} in {set}");
        }
    }
    assert_eq!(AT_ADOBE.to_string(), ["('uploaded',", "'processing')"].join(" "));
}
