//! When is a file complete? Per path, never by a global timer (DESIGN §4, "Ready", R1 to R6).
//!
//! Pure: what was heard of a path and what was seen of it come in with their times; a verdict comes out. Times are
//! monotonic, counted from a fixed point of the process: a file's own dates prove nothing, copies preserve them.

use crate::job::{FileIdentity, Kind};
use std::time::Duration;

/// A point on the monotonic clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Moment(pub Duration);

impl Moment {
    /// This much later.
    #[must_use]
    pub fn after(self, wait: Duration) -> Self {
        Self(self.0.saturating_add(wait))
    }

    /// The time from `earlier` to here; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

/// The waits of an account's readiness rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    /// After closing (R3).
    pub settle: Duration,
    /// From our first sight, where events did not tell (R4).
    pub settle_unwatched: Duration,
    /// After so long without any change, events that say "open for writing" are forgotten (R5).
    pub forget_writer: Duration,
    /// A data file that stays empty for so long is given up.
    pub give_up_empty: Duration,
    /// A data file needs its marker (R6).
    pub wait_for_fin: bool,
}

/// What an event says of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heard {
    /// A name appeared: the start of writing, or a hard link.
    Created,
    /// Bytes were written.
    Written,
    /// Times, owner or mode changed.
    Touched,
    /// Closed after writing.
    Closed,
    /// Renamed into the folder. `writing`: it was open for writing under its name before, as far as we saw.
    MovedIn {
        /// Carried over from the name before.
        writing: bool,
    },
}

/// How a path came to be, as far as events told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Arrival {
    /// Met by a scan, linked in, or events are not to be trusted.
    #[default]
    Unwatched,
    /// Closed after writing.
    Closed,
    /// Renamed in, whole.
    MovedIn,
}

/// What events have told of one path so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trace {
    /// How it came to be.
    pub arrival: Arrival,
    /// Written to, and not closed since.
    pub writing: bool,
    /// The last event.
    pub last: Moment,
    /// Its place in the order of all events; zero if there was none.
    pub order: u64,
}

impl Trace {
    /// Takes one more event in.
    pub fn hear(&mut self, heard: Heard, at: Moment, order: u64) {
        match heard {
            Heard::Created => *self = Self::default(),
            Heard::Written => {
                self.writing = true;
                self.arrival = Arrival::Unwatched;
            }
            Heard::Touched => {}
            Heard::Closed => {
                self.writing = false;
                self.arrival = Arrival::Closed;
            }
            Heard::MovedIn { writing } => {
                self.arrival = if writing { Arrival::Unwatched } else { Arrival::MovedIn };
                self.writing = writing;
            }
        }
        self.last = at;
        self.order = order;
    }

    /// That it was renamed in was our own doing, and proves nothing.
    pub fn came_back(&mut self) {
        if self.arrival == Arrival::MovedIn {
            self.arrival = Arrival::Unwatched;
        }
    }

    /// Events were lost, or the folder was watched anew: what they told is worth nothing now (R5).
    pub fn forget(&mut self, now: Moment) {
        *self = Self { last: now, ..Self::default() };
    }
}

/// What one look at the file showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    /// Device, inode, size, modification time.
    pub identity: FileIdentity,
    /// Change time in nanoseconds since 1970.
    pub changed_ns: i64,
}

/// The marker of a data file, as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MarkerSight {
    /// The order of the event that brought it; `None` if only a scan saw it.
    pub order: Option<u64>,
}

/// A path on its way to being ready.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    /// Data file or marker.
    pub kind: Kind,
    /// Our own first sight.
    pub first_seen: Moment,
    /// What events told.
    pub trace: Trace,
    sight: Option<Sight>,
    unchanged_since: Moment,
}

/// Why a file is not ready yet. Its text stands in the job log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotYet {
    /// It has no bytes.
    Empty,
    /// Somebody has it open for writing.
    Writing,
    /// Quiet, but not long enough.
    Settling,
    /// Its marker is missing (R6).
    NoMarker,
}

impl NotYet {
    /// In plain words.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Empty => "the file is empty; it is sent once it has content",
            Self::Writing => "still being written: it has not been closed since the last write",
            Self::Settling => "waits until the file has been quiet for long enough",
            Self::NoMarker => "waits for its marker (.fin), which this account requires",
        }
    }
}

/// What is to be done with a path now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Complete.
    Ready,
    /// Not yet. `look_at`: when to look again if nothing is heard; `None` if only a change can help.
    NotYet {
        /// Why.
        why: NotYet,
        /// When to look again.
        look_at: Option<Moment>,
    },
    /// Empty for too long.
    StayedEmpty,
}

impl Candidate {
    /// A path seen for the first time.
    #[must_use]
    pub fn new(kind: Kind, trace: Trace, now: Moment) -> Self {
        Self { kind, first_seen: now, trace, sight: None, unchanged_since: now }
    }

    /// Takes a look in. Any difference starts the quiet time anew.
    pub fn look(&mut self, sight: Sight, now: Moment) {
        if self.sight != Some(sight) {
            if self.sight.is_some_and(|before| !before.identity.is_same_file(&sight.identity)) {
                // Another inode: what was heard of the one before says nothing of this one.
                self.trace.writing = false;
            }
            self.unchanged_since = now;
            self.sight = Some(sight);
        }
    }

    /// Decides by the rules R1 to R6.
    #[must_use]
    pub fn verdict(&self, waits: &Waits, marker: Option<MarkerSight>, now: Moment) -> Verdict {
        let not_yet = |why, look_at| Verdict::NotYet { why, look_at };
        let Some(sight) = self.sight else { return not_yet(NotYet::Settling, Some(now)) };
        if self.kind == Kind::Data && sight.identity.size == 0 {
            let give_up = self.first_seen.after(waits.give_up_empty);
            return if now >= give_up { Verdict::StayedEmpty } else { not_yet(NotYet::Empty, Some(give_up)) };
        }
        let quiet_at = match self.quiet_at(waits, marker) {
            Quiet::Now => now,
            Quiet::At(at) => at,
            Quiet::WhenClosed(forgotten_at) if now < forgotten_at => {
                return not_yet(NotYet::Writing, Some(forgotten_at));
            }
            // R5: the knowledge has ended with a whole rescan without any change; R4 decides.
            Quiet::WhenClosed(_) => self.unchanged_since.after(waits.settle_unwatched),
        };
        if now < quiet_at {
            return not_yet(NotYet::Settling, Some(quiet_at));
        }
        if waits.wait_for_fin && self.kind == Kind::Data && marker.is_none() {
            return not_yet(NotYet::NoMarker, None);
        }
        Verdict::Ready
    }

    fn quiet_at(&self, waits: &Waits, marker: Option<MarkerSight>) -> Quiet {
        let trace = &self.trace;
        if trace.writing {
            let last_change = trace.last.max(self.unchanged_since);
            return Quiet::WhenClosed(last_change.after(waits.forget_writer));
        }
        // R2: only a marker that we saw come after the last event of the data file proves anything.
        let told_complete =
            trace.order > 0 && marker.and_then(|marker| marker.order).is_some_and(|order| order > trace.order);
        match trace.arrival {
            Arrival::MovedIn => Quiet::Now,
            Arrival::Closed if told_complete => Quiet::Now,
            Arrival::Closed => Quiet::At(trace.last.after(waits.settle)),
            Arrival::Unwatched => Quiet::At(self.unchanged_since.after(waits.settle_unwatched)),
        }
    }
}

enum Quiet {
    Now,
    At(Moment),
    WhenClosed(Moment),
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WAITS: Waits = Waits {
        settle: Duration::from_secs(1),
        settle_unwatched: Duration::from_secs(5),
        forget_writer: Duration::from_secs(60),
        give_up_empty: Duration::from_secs(3600),
        wait_for_fin: false,
    };

    fn at(seconds: u64) -> Moment {
        Moment(Duration::from_secs(seconds))
    }

    fn sight(size: u64, changed: i64) -> Sight {
        Sight { identity: FileIdentity { device: 1, inode: 7, born_ns: 0, size, modified_ns: 5 }, changed_ns: changed }
    }

    fn heard(events: &[(Heard, u64)]) -> Trace {
        let mut trace = Trace::default();
        for (order, (event, seconds)) in (1..).zip(events) {
            trace.hear(*event, at(*seconds), order);
        }
        trace
    }

    fn candidate(trace: Trace, first_seen: u64) -> Candidate {
        let mut candidate = Candidate::new(Kind::Data, trace, at(first_seen));
        candidate.look(sight(10, 1), at(first_seen));
        candidate
    }

    #[test]
    fn r1_a_file_renamed_in_is_ready_at_once() {
        let file = candidate(heard(&[(Heard::MovedIn { writing: false }, 10)]), 10);
        assert_eq!(file.verdict(&WAITS, None, at(10)), Verdict::Ready);
    }

    #[test]
    fn r2_a_marker_that_came_after_the_last_change_ends_the_wait() {
        let file = candidate(heard(&[(Heard::Created, 9), (Heard::Written, 9), (Heard::Closed, 10)]), 9);
        let after = Some(MarkerSight { order: Some(4) });
        let before = Some(MarkerSight { order: Some(2) });
        let scanned = Some(MarkerSight { order: None });
        assert_eq!(file.verdict(&WAITS, after, at(10)), Verdict::Ready);
        for marker in [before, scanned] {
            assert!(matches!(file.verdict(&WAITS, marker, at(10)), Verdict::NotYet { why: NotYet::Settling, .. }));
        }
    }

    #[test]
    fn r3_a_closed_file_is_ready_after_settle_without_any_change() {
        let mut file = candidate(heard(&[(Heard::Created, 9), (Heard::Written, 9), (Heard::Closed, 10)]), 9);
        assert!(matches!(file.verdict(&WAITS, None, at(10)), Verdict::NotYet { look_at: Some(Moment(_)), .. }));
        file.trace.hear(Heard::Touched, at(11), 4);
        assert_eq!(
            file.verdict(&WAITS, None, at(11)),
            Verdict::NotYet { why: NotYet::Settling, look_at: Some(at(12)) }
        );
        assert_eq!(file.verdict(&WAITS, None, at(12)), Verdict::Ready);
    }

    #[test]
    fn r4_a_file_met_by_a_scan_counts_from_our_own_first_sight() {
        let mut file = candidate(Trace::default(), 100);
        assert_eq!(
            file.verdict(&WAITS, None, at(104)),
            Verdict::NotYet { why: NotYet::Settling, look_at: Some(at(105)) }
        );
        file.look(sight(10, 2), at(104));
        assert!(matches!(file.verdict(&WAITS, None, at(108)), Verdict::NotYet { .. }), "ctime moved: count anew");
        assert_eq!(file.verdict(&WAITS, None, at(109)), Verdict::Ready);
    }

    #[test]
    fn r5_a_file_open_for_writing_is_never_ready() {
        let marker = Some(MarkerSight { order: Some(9) });
        for trace in [
            heard(&[(Heard::Created, 10), (Heard::Written, 10)]),
            heard(&[(Heard::MovedIn { writing: true }, 10)]),
            heard(&[(Heard::MovedIn { writing: false }, 10), (Heard::Written, 10)]),
            heard(&[(Heard::Closed, 10), (Heard::Written, 10)]),
        ] {
            let file = candidate(trace, 10);
            assert!(matches!(file.verdict(&WAITS, marker, at(69)), Verdict::NotYet { why: NotYet::Writing, .. }));
            assert_eq!(file.verdict(&WAITS, None, at(70)), Verdict::Ready, "a whole rescan without any change ends it");
        }
    }

    #[test]
    fn r5_lost_events_leave_only_the_slow_rule() {
        let mut file = candidate(heard(&[(Heard::MovedIn { writing: false }, 10)]), 10);
        file.trace.forget(at(11));
        assert!(matches!(file.verdict(&WAITS, None, at(11)), Verdict::NotYet { .. }));
    }

    #[test]
    fn r6_an_account_may_require_the_marker() {
        let waits = Waits { wait_for_fin: true, ..WAITS };
        let file = candidate(heard(&[(Heard::MovedIn { writing: false }, 10)]), 10);
        assert_eq!(file.verdict(&waits, None, at(99)), Verdict::NotYet { why: NotYet::NoMarker, look_at: None });
        assert_eq!(file.verdict(&waits, Some(MarkerSight { order: None }), at(10)), Verdict::Ready);
    }

    #[test]
    fn an_empty_data_file_waits_and_is_given_up_in_the_end_but_an_empty_marker_is_fine() {
        let mut file = candidate(heard(&[(Heard::MovedIn { writing: false }, 10)]), 10);
        file.look(sight(0, 1), at(10));
        assert!(matches!(file.verdict(&WAITS, None, at(3609)), Verdict::NotYet { why: NotYet::Empty, .. }));
        assert_eq!(file.verdict(&WAITS, None, at(3610)), Verdict::StayedEmpty);
        file.kind = Kind::Fin;
        assert_eq!(file.verdict(&WAITS, None, at(10)), Verdict::Ready);
    }

    fn any_heard() -> impl Strategy<Value = Heard> {
        prop_oneof![
            Just(Heard::Created),
            Just(Heard::Written),
            Just(Heard::Touched),
            Just(Heard::Closed),
            any::<bool>().prop_map(|writing| Heard::MovedIn { writing }),
        ]
    }

    proptest! {
        /// Promise 2: whatever was heard, a file that was written to and not closed since is not ready before a whole
        /// rescan has passed without any change.
        #[test]
        fn r5_holds_after_any_history(events in proptest::collection::vec((any_heard(), 0u64..3), 0..12), wait in 0u64..60,
                                      order in proptest::option::of(0u64..100)) {
            let mut now = 10;
            let mut trace = Trace::default();
            for (index, (event, pause)) in (1u64..).zip(&events) {
                now += pause;
                trace.hear(*event, at(now), index);
            }
            trace.hear(Heard::Written, at(now), 50);
            let file = candidate(trace, now);
            let marker = order.map(|order| MarkerSight { order: Some(order) });
            prop_assert_ne!(file.verdict(&WAITS, marker, at(now + wait)), Verdict::Ready);
        }

        /// Nothing waits for ever in silence: a verdict without a time to look again is one that only a change can help.
        #[test]
        fn a_quiet_file_becomes_ready(events in proptest::collection::vec((any_heard(), 0u64..3), 0..12)) {
            let mut now = 10;
            let mut trace = Trace::default();
            for (index, (event, pause)) in (1u64..).zip(&events) {
                now += pause;
                trace.hear(*event, at(now), index);
            }
            let file = candidate(trace, now);
            let mut moment = at(now);
            for _ in 0..4 {
                match file.verdict(&WAITS, None, moment) {
                    Verdict::Ready => return Ok(()),
                    Verdict::NotYet { look_at: Some(later), .. } => moment = later,
                    other @ (Verdict::StayedEmpty | Verdict::NotYet { look_at: None, .. }) => prop_assert!(false, "{:?}", other),
                }
            }
            prop_assert!(false, "never ready");
        }
    }
}
