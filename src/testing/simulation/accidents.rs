//! What can go wrong on the way to the other side, and what Adobe can make of a file.

use super::script::Chance;
use crate::testing::reach::{Asks, Family, mark};
use std::time::Duration;

/// What an upload meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum UploadFault {
    /// Before the last bytes.
    Early(Ill),
    /// After them, and the file was not taken.
    Refused(Ill),
    /// After them, and the file was taken.
    Taken(Ill),
    /// After them; it is taken so much later.
    TakenLater(Duration),
}

/// How an exchange ends that does not end well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ill {
    NotConnected,
    Broken,
    Silence,
    /// A status in the gateway's words.
    Gateway(u16, Option<u64>),
    /// A status in the service's words.
    Service(u16),
    /// A status with a page.
    Page(u16),
    /// 200 with a page instead of JSON.
    Garbage,
    /// 200 with JSON that holds no job.
    NoId,
    /// 200 with the job of somebody else.
    WrongId,
    /// 200 with a job, too early.
    TooEarly,
}

/// What a request for a list or a job meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ListFault {
    Ill(Ill),
    /// An entry without a job ID.
    Unreadable,
    /// Somebody's job appears between two pages.
    Shift,
    /// The list is that of a while ago: it lacks our latest accepted job and all that came after it (DESIGN S2).
    Behind,
}

/// What becomes of an accepted job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Shows in lists only so much later.
    Late(Duration),
    LostRows,
    ExtraRows,
    Fails,
    Deleted,
    /// An unknown word, then success.
    OddWord,
    /// Processed only after this time.
    Slow(Duration),
}

/// A remote job is in the lists by then, however it was delayed: within the time for which it is looked for.
const LATEST: u64 = 80;

/// What comes before the last bytes.
const EARLY: [Ill; 5] = [Ill::NotConnected, Ill::Broken, Ill::Silence, Ill::TooEarly, Ill::Page(503)];
/// Answers that say that the file was not taken.
const CLEAR: [Ill; 12] = [
    Ill::Gateway(401, None),
    Ill::Gateway(403, None),
    Ill::Page(404),
    Ill::Page(405),
    Ill::Page(415),
    Ill::Service(413),
    Ill::Service(422),
    Ill::Service(400),
    Ill::Gateway(400, None),
    Ill::Gateway(429, Some(7)),
    Ill::Gateway(429, None),
    Ill::Gateway(503, Some(40)),
];
/// What says nothing of it. Some of them are likelier.
const UNCLEAR: [Ill; 12] = [
    Ill::Broken,
    Ill::Broken,
    Ill::Silence,
    Ill::Page(500),
    Ill::Page(502),
    Ill::Page(503),
    Ill::Service(504),
    Ill::Service(409),
    Ill::Page(408),
    Ill::Garbage,
    Ill::NoId,
    Ill::WrongId,
];

impl UploadFault {
    /// Every one that [`Self::any`] may be.
    pub(super) fn every() -> Vec<Self> {
        let early = EARLY.into_iter().chain(CLEAR).map(Self::Early);
        let refused = CLEAR.into_iter().chain(UNCLEAR).map(Self::Refused);
        let taken = UNCLEAR.into_iter().map(Self::Taken);
        early.chain(refused).chain(taken).chain([Self::TakenLater(Duration::ZERO)]).collect()
    }

    /// In which phase of an upload it comes, and what it is.
    pub(super) fn words(self) -> (&'static str, String) {
        match self {
            Self::Early(ill) => ("early", format!("{ill:?}")),
            Self::Refused(ill) => ("not taken", format!("{ill:?}")),
            Self::Taken(ill) => ("taken", format!("{ill:?}")),
            Self::TakenLater(_) => ("taken later", format!("{:?}", Ill::Broken)),
        }
    }

    /// An upload meets it.
    pub(super) fn is_met(self) {
        let (phase, words) = self.words();
        mark(Family::Upload, words, phase);
    }

    pub(super) fn any(chance: &mut Chance) -> Self {
        match chance.below(10) {
            0 => Self::Early(chance.pick(&EARLY)),
            1 => Self::Early(chance.pick(&CLEAR)),
            2 => Self::Refused(chance.pick(&CLEAR)),
            3..=5 => Self::Refused(chance.pick(&UNCLEAR)),
            6 => Self::TakenLater(chance.seconds(1, LATEST)),
            _ => Self::Taken(chance.pick(&UNCLEAR)),
        }
    }
}

impl ListFault {
    /// Every one, some of them likelier.
    pub(super) const EVERY: [Self; 15] = [
        Self::Ill(Ill::NotConnected),
        Self::Ill(Ill::Broken),
        Self::Ill(Ill::Silence),
        Self::Ill(Ill::Page(500)),
        Self::Ill(Ill::Gateway(429, Some(30))),
        Self::Ill(Ill::Gateway(401, None)),
        Self::Ill(Ill::Gateway(403, None)),
        Self::Ill(Ill::Page(404)),
        Self::Ill(Ill::Garbage),
        Self::Ill(Ill::NoId),
        Self::Unreadable,
        Self::Shift,
        Self::Shift,
        Self::Behind,
        Self::Behind,
    ];

    pub(super) fn any(chance: &mut Chance) -> Self {
        chance.pick(&Self::EVERY)
    }

    /// A request meets it.
    pub(super) fn is_met(self, asks: Asks) {
        mark(Family::List, format!("{self:?}"), <&str>::from(asks));
    }
}

impl Fate {
    pub(super) fn any(chance: &mut Chance) -> Self {
        let late = chance.seconds(1, LATEST);
        chance.pick(&Self::with(late))
    }
    fn with(late: Duration) -> [Self; 8] {
        [
            Self::Late(late),
            Self::Late(late),
            Self::LostRows,
            Self::ExtraRows,
            Self::Fails,
            Self::Deleted,
            Self::OddWord,
            Self::Slow(Duration::from_secs(900)),
        ]
    }

    /// Every one.
    pub(super) fn every() -> [Self; 8] {
        Self::with(Duration::ZERO)
    }

    pub(super) fn words(self) -> &'static str {
        match self {
            Self::Late(_) => "late",
            Self::LostRows => "lost rows",
            Self::ExtraRows => "extra rows",
            Self::Fails => "fails",
            Self::Deleted => "deleted",
            Self::OddWord => "odd word",
            Self::Slow(_) => "slow",
        }
    }
}
