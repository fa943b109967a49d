//! When is a file complete? Per path, never by a global timer (DESIGN §4, "Readiness", R1 to R9).
//!
//! Pure: what was heard of a path and what was seen of it come in with their times; a verdict comes out. Times are
//! monotonic, counted from a fixed point of the process: a file's own dates prove nothing, copies preserve them.

mod pieces;

pub use pieces::Pieces;

use crate::clock::Moment;
use crate::job::{FileIdentity, Kind, Writer};
use std::time::Duration;

/// The waits of an account's readiness rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waits {
    /// After closing (R3).
    pub settle: Duration,
    /// After closing, where something says that the writer was interrupted (R8, R9) or that more pieces follow (R7).
    pub settle_max: Duration,
    /// From our first sight, where events did not tell (R4).
    pub settle_unwatched: Duration,
    /// Time after which a data file that stayed empty is given up, where the kernel says that no process has it open.
    pub give_up_empty: Duration,
    /// A data file needs its marker (R6).
    pub wait_for_fin: bool,
}

/// The shortest and the longest time until the kernel is asked again whether a writer is done. Its event mostly comes before.
const ASK_AGAIN: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));
/// No file that is whole was last changed in the first days of 1970: `rsync` gives that time to what it keeps of a broken
/// transfer (R8). In nanoseconds, with room for any time zone.
const EPOCH_ENDS: i64 = 2 * 86_400 * 1_000_000_000;

impl Waits {
    fn ask_again(&self) -> Duration {
        self.settle_unwatched.clamp(ASK_AGAIN.0, ASK_AGAIN.1)
    }
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

/// How a path came to be, as far as events show.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(test, derive(strum::VariantArray))]
pub enum Arrival {
    /// Met by a scan, linked in, or events are not to be trusted.
    #[default]
    Unwatched,
    /// Closed after writing.
    Closed,
    /// Renamed in, whole.
    MovedIn,
}

/// What events have reported of one path so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Trace {
    /// How it came to be.
    pub arrival: Arrival,
    /// Written to, and not closed since.
    pub writing: bool,
    /// Renamed in by `rsync`, which does the same with what it keeps of a broken transfer.
    pub by_rsync: bool,
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
                self.by_rsync = false;
            }
        }
        self.last = at;
        self.order = order;
    }

    /// That it was renamed in was our own doing, and proves nothing: R3 or R4 decides.
    pub fn came_back(&mut self) {
        if self.arrival == Arrival::MovedIn {
            self.arrival = Arrival::Unwatched;
        }
    }

    /// Events were lost, or the folder got a new watch: what events said is worth nothing now (R5).
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

/// What the file itself shows, whatever events reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signs {
    /// Whether somebody has it open for writing (R5).
    pub writer: Writer,
    /// Its last line has a line end (R9).
    pub ends_in_a_line: bool,
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
    /// What events reported.
    pub trace: Trace,
    /// It seems to go on where a file of its name ended that was taken in just before (R7).
    pub next_piece: bool,
    sight: Option<Sight>,
    unchanged_since: Moment,
}

/// Why a file is not ready yet. Its text stands in the job log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(test, derive(strum::VariantArray))]
pub enum NotYet {
    /// It has no bytes.
    Empty,
    /// It has no bytes, and nothing says whether somebody has it open (R5).
    MaybeOpen,
    /// Somebody has it open for writing, says the kernel (R5).
    Open,
    /// Somebody has it open for writing, say the events (R5).
    Writing,
    /// Quiet, but not long enough.
    Settling,
    /// Quiet, but its time says that its writer was interrupted (R8).
    Interrupted,
    /// Quiet, but its end says that its writer was interrupted (R9).
    CutOff,
    /// Quiet, but it seems to be one of several pieces (R7).
    NextPiece,
    /// Its marker is missing (R6).
    NoMarker,
}

impl NotYet {
    /// In plain words.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::Empty => "the file is empty; it is sent once it has content",
            Self::MaybeOpen => {
                "the file is empty; it is sent once it has content, and stays here because the system does not say whether a \
                 program has it open; if nothing is to come, remove it"
            }
            Self::Open => "still being written: a program has it open for writing",
            Self::Writing => {
                "still being written: it has not been closed since the last write; if no program has it open, `touch` it"
            }
            Self::Settling => "waits until the file has been quiet for long enough",
            Self::Interrupted => {
                "it has the time that rsync gives to what it kept of a broken transfer, so it may be a part; it is sent if it \
                 stays like this for watch.settle_max"
            }
            Self::CutOff => {
                "its last line has no line end, as if its writer had been interrupted; it is sent if it stays like this for \
                 watch.settle_max"
            }
            Self::NextPiece => {
                "it begins with a row instead of a header, as if it went on where a file of this name ended that was taken in \
                 just before; it is sent if it stays like this for watch.settle_max"
            }
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
    /// Empty for too long, and no process has it open, says the kernel.
    StayedEmpty,
}

impl Candidate {
    /// A path seen for the first time.
    #[must_use]
    pub fn new(kind: Kind, trace: Trace, now: Moment) -> Self {
        Self { kind, first_seen: now, trace, next_piece: false, sight: None, unchanged_since: now }
    }

    /// Records a look. Any difference restarts the quiet period.
    pub fn look(&mut self, sight: Sight, now: Moment) {
        if self.sight != Some(sight) {
            if self.sight.is_some_and(|before| !before.identity.is_same_file(&sight.identity)) {
                // Another inode: what was heard of the one before says nothing of this one.
                self.trace.writing = false;
                self.next_piece = false;
            }
            self.unchanged_since = now;
            self.sight = Some(sight);
        }
    }

    /// Returns the file as it was last seen.
    #[must_use]
    pub fn last_seen(&self) -> Option<FileIdentity> {
        self.sight.map(|sight| sight.identity)
    }

    /// Whether it grew after it had been closed for `settle`, so that its beginning would have been taken in if it did not wait
    /// for longer (R7). `later`, `sight`: what was heard and seen since.
    #[must_use]
    pub fn grew_after_a_pause(&self, later: &Trace, sight: Sight, settle: Duration) -> bool {
        self.next_piece
            && self.trace.arrival == Arrival::Closed
            && later.last >= self.trace.last.after(settle)
            && self.sight.is_some_and(|before| before.identity.size < sight.identity.size)
    }

    /// Decides by the rules R1 to R9.
    #[must_use]
    pub fn verdict(&self, waits: &Waits, marker: Option<MarkerSight>, signs: Signs, now: Moment) -> Verdict {
        let not_yet = |why, look_at| Verdict::NotYet { why, look_at };
        let Some(sight) = self.sight else { return not_yet(NotYet::Settling, Some(now)) };
        let is_empty = self.kind == Kind::Data && sight.identity.size == 0;
        // R5: where the kernel says it, it is so; otherwise the last event counts, however long ago it was.
        match signs.writer {
            Writer::Somebody => return not_yet(NotYet::Open, Some(now.after(waits.ask_again()))),
            Writer::Unknown if self.trace.writing => return not_yet(NotYet::Writing, None),
            // No event tells who opened it before it was met, or has opened it again since: it is not taken from its writer.
            Writer::Unknown if is_empty => return not_yet(NotYet::MaybeOpen, None),
            Writer::Nobody | Writer::Unknown => {}
        }
        if is_empty {
            let give_up = self.first_seen.max(self.trace.last).after(waits.give_up_empty);
            return if now >= give_up { Verdict::StayedEmpty } else { not_yet(NotYet::Empty, Some(give_up)) };
        }
        if let Some((why, quiet_at)) = self.quiet_at(sight, waits, marker, signs)
            && now < quiet_at
        {
            return not_yet(why, Some(quiet_at));
        }
        if waits.wait_for_fin && self.kind == Kind::Data && marker.is_none() {
            return not_yet(NotYet::NoMarker, None);
        }
        Verdict::Ready
    }

    /// Until when it must be quiet, and why; `None` if it need not be.
    fn quiet_at(
        &self,
        sight: Sight,
        waits: &Waits,
        marker: Option<MarkerSight>,
        signs: Signs,
    ) -> Option<(NotYet, Moment)> {
        let trace = &self.trace;
        // R2: only a marker that we saw come after the last event of the data file proves anything.
        let told_complete =
            trace.order > 0 && marker.and_then(|marker| marker.order).is_some_and(|order| order > trace.order);
        let is_data = self.kind == Kind::Data;
        let unchanged_for = |wait| self.unchanged_since.after(wait);
        match trace.arrival {
            Arrival::MovedIn | Arrival::Closed if told_complete => None,
            // R8: R4 decides, and not before a transfer that is begun again would have.
            Arrival::MovedIn | Arrival::Closed | Arrival::Unwatched
                if is_data && sight.identity.modified_ns < EPOCH_ENDS =>
            {
                Some((NotYet::Interrupted, unchanged_for(waits.settle_unwatched.max(waits.settle_max))))
            }
            // R8, where rsync was not told to keep times: the name that it renamed from, and the end, tell it as well.
            Arrival::MovedIn if is_data && trace.by_rsync && !signs.ends_in_a_line => {
                Some((NotYet::CutOff, unchanged_for(waits.settle_max)))
            }
            Arrival::MovedIn => None,
            Arrival::Closed if is_data && !signs.ends_in_a_line && waits.settle < waits.settle_max => {
                Some((NotYet::CutOff, trace.last.after(waits.settle_max)))
            }
            // R7: more pieces may follow.
            Arrival::Closed if self.next_piece && waits.settle < waits.settle_max => {
                Some((NotYet::NextPiece, trace.last.after(waits.settle_max)))
            }
            Arrival::Closed => Some((NotYet::Settling, trace.last.after(waits.settle))),
            Arrival::Unwatched => Some((NotYet::Settling, unchanged_for(waits.settle_unwatched))),
        }
    }
}

#[cfg(test)]
mod tests;
