//! What a run of the usual length must have met. A check that meets nothing proves nothing, so each situation that can occur
//! is listed, derived from the states, events, verbs, stages and faults that there are. One that cannot occur here has an
//! excuse with its reason; if it occurs all the same, the excuse is stale.

use super::accidents::{Fate, ListFault, UploadFault};
use crate::inbox::readiness::{Arrival, NotYet};
use crate::job::{Event, JobId, JobStanding, Kind, Release, RemoteJobId, State, Verb};
use crate::testing::reach::{
    Asks, Family, Mark, Marks, Met, Point, READY, Stage, arrival_words, not_yet, verb_words, word,
};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use strum::VariantArray as _;

/// Why a situation cannot occur in the simulation; `None`: it must.
type Excuse = Option<&'static str>;

/// What happens to people, files and machines, in words. Each is marked where it happens.
pub(super) const STORIES: [&str; 15] = [
    "a job log is set back",
    "a machine is set back",
    "a machine is set back, in new files",
    "a next piece in a file of its own",
    "a next piece in the same file",
    "a part that rsync kept is followed by the whole",
    "a part without its last line end is followed by the whole",
    "a quiet period doubles",
    "a quiet period goes back",
    "a second writer goes on after the first has closed",
    "a writer that closes what another has open",
    "an older job log is recovered",
    "each path has an inode of its own",
    "held after a set-back, as it had been sent",
    "sent again after a set-back, as no list had shown it",
];

const VERBS: [Verb; 7] = [
    Verb::Retry,
    Verb::Hold,
    Verb::Release(Release::Send),
    Verb::Release(Release::Resend),
    Verb::Release(Release::Adopt(RemoteJobId(1))),
    Verb::Cancel { force: false },
    Verb::Cancel { force: true },
];

fn step_excuse(_state: State, _event: Event) -> Excuse {
    None
}

fn crash_excuse(stage: Stage, point: Point) -> Excuse {
    match (stage, point) {
        (Stage::Start | Stage::Folder | Stage::Claim | Stage::Instructions | Stage::Probe, Point::BeforeRequest) => {
            Some("this stage asks the server nothing")
        }
        (Stage::Probe, Point::BeforeCommit | Point::AfterCommit) => Some("what it writes changes nothing"),
        (
            Stage::Start
            | Stage::Track
            | Stage::Claim
            | Stage::Started
            | Stage::Committing
            | Stage::Instructions
            | Stage::Probe,
            Point::Renamed | Point::TwoNames | Point::TakenAside | Point::BeforeSync | Point::Synced,
        ) => Some("only the folder's stage moves files"),
        (Stage::Start | Stage::Claim | Stage::Instructions, Point::BeforeCommit | Point::AfterCommit)
        | (
            Stage::Track | Stage::Started | Stage::Committing,
            Point::BeforeCommit | Point::AfterCommit | Point::BeforeRequest,
        )
        | (
            Stage::Folder,
            Point::BeforeCommit
            | Point::AfterCommit
            | Point::Renamed
            | Point::TwoNames
            | Point::TakenAside
            | Point::BeforeSync
            | Point::Synced,
        ) => None,
    }
}

fn list_excuse(_fault: ListFault, _asks: Asks) -> Excuse {
    None
}

fn readiness_excuse(why: NotYet, arrival: Arrival) -> Excuse {
    match (why, arrival) {
        (NotYet::Writing, Arrival::Closed) => Some("what is written to after its close is no closed file any more"),
        (NotYet::Settling, Arrival::MovedIn) => Some("what is moved in need not be quiet (R1)"),
        (NotYet::CutOff, Arrival::Unwatched) => Some("R4 decides, which is no shorter"),
        (NotYet::NextPiece, Arrival::Unwatched | Arrival::MovedIn) => Some("only what was closed can be a piece (R7)"),
        (
            NotYet::Empty
            | NotYet::MaybeOpen
            | NotYet::Open
            | NotYet::Writing
            | NotYet::Settling
            | NotYet::Interrupted
            | NotYet::CutOff
            | NotYet::NextPiece
            | NotYet::NoMarker,
            Arrival::Unwatched | Arrival::Closed | Arrival::MovedIn,
        ) => None,
    }
}

fn rule_excuse(met: Met) -> Excuse {
    (met == Met::Unproven).then_some("no file here has rows that Adobe documents as skipped")
}

/// Every situation, and why it cannot occur if it cannot.
fn catalogue() -> BTreeMap<Mark, Excuse> {
    let mut all = BTreeMap::new();
    let mut add = |family: Family, row: Cow<'static, str>, column: Cow<'static, str>, excuse: Excuse| {
        all.insert((family, row, column), excuse);
    };
    for state in State::ALL {
        for &event in Event::VARIANTS.iter().filter(|event| state.next(**event).is_ok()) {
            add(Family::Step, word(state).into(), event.as_str().into(), step_excuse(state, event));
        }
        for verb in VERBS {
            add(Family::Verb, verb_words(verb).into(), word(state).into(), None);
        }
    }
    for fault in UploadFault::every() {
        let (phase, words) = fault.words();
        add(Family::Upload, words.into(), phase.into(), None);
    }
    for &asks in Asks::VARIANTS {
        for fault in ListFault::EVERY {
            add(Family::List, format!("{fault:?}").into(), <&str>::from(asks).into(), list_excuse(fault, asks));
        }
    }
    for fate in Fate::every() {
        add(Family::Fate, fate.words().into(), "".into(), None);
    }
    for &stage in Stage::VARIANTS {
        for &point in Point::VARIANTS {
            add(Family::Crash, <&str>::from(point).into(), <&str>::from(stage).into(), crash_excuse(stage, point));
        }
        add(Family::Disk, "a commit fails".into(), <&str>::from(stage).into(), None);
    }
    for &arrival in Arrival::VARIANTS {
        let column = arrival_words(arrival);
        for &why in NotYet::VARIANTS {
            add(Family::Readiness, not_yet(why).into(), column.into(), readiness_excuse(why, arrival));
        }
        let by_marker =
            (arrival != Arrival::Closed).then_some("only what was closed has a quiet period to cut short (R2)");
        for (row, excuse) in READY.into_iter().zip([None, by_marker, None]) {
            add(Family::Readiness, row.into(), column.into(), excuse);
        }
    }
    for &met in Met::VARIANTS {
        add(Family::Rule, <&str>::from(met).into(), "".into(), rule_excuse(met));
    }
    for story in STORIES {
        add(Family::Story, story.into(), "".into(), None);
    }
    all
}

/// Families of which 100,000 steps from the first seed meet every situation. Of the others, what was not met is printed.
const WHOLE: [Family; 5] = [Family::Upload, Family::Fate, Family::Crash, Family::Disk, Family::Story];

/// What occurred though it is excused, what occurred and is not in the catalogue, and what of a whole family did not occur.
pub(super) fn wrong(marks: &Marks) -> Vec<String> {
    let all = catalogue();
    let told =
        |(family, row, column): &Mark, what: &str| format!("{}: {row} / {column}: {what}", <&str>::from(*family));
    let listed = all.iter().filter_map(|(mark, excuse)| match (excuse, marks.contains_key(mark)) {
        (None, false) if WHOLE.contains(&mark.0) => Some(told(mark, "never met")),
        (Some(excuse), true) => Some(told(mark, &format!("met, though excused: {excuse}"))),
        (None, _) | (Some(_), false) => None,
    });
    listed
        .chain(marks.keys().filter(|mark| !all.contains_key(*mark)).map(|mark| told(mark, "not in the catalogue")))
        .collect()
}

/// The number of situations that may occur and did not.
pub(super) fn missed(marks: &Marks) -> usize {
    catalogue().iter().filter(|(mark, excuse)| excuse.is_none() && !marks.contains_key(*mark)).count()
}

/// The counts: a line for each row, with its columns. `-`: excused.
pub(super) fn table(marks: &Marks) -> String {
    let mut all: BTreeMap<&Mark, Excuse> = BTreeMap::new();
    let catalogue = catalogue();
    all.extend(catalogue.iter().map(|(mark, excuse)| (mark, *excuse)));
    for mark in marks.keys() {
        all.entry(mark).or_insert(None);
    }
    let mut text = String::new();
    let (mut family, mut row) = (None, None);
    for (mark, excuse) in all {
        let (of, name, column) = mark;
        if family.replace(*of) != Some(*of) {
            write!(text, "\n  {}:", <&str>::from(*of)).unwrap();
            row = None;
        }
        if row.replace(name) != Some(name) {
            write!(text, "\n    {name}:").unwrap();
        }
        let count = marks.get(mark).copied().unwrap_or_default();
        let count = if excuse.is_some() && count == 0 { "-".to_owned() } else { count.to_string() };
        write!(text, " {column}{}{count}", if column.is_empty() { "" } else { " " }).unwrap();
        text.push(',');
    }
    text.push('\n');
    text.replace(",\n", "\n")
}

/// A verb that is marked as its state says needs nothing of its job but what every whole one has.
#[test]
fn each_verb_has_an_answer_in_each_state() {
    let catalogue = catalogue();
    let verbs = catalogue.keys().filter(|(family, ..)| *family == Family::Verb).count();
    assert_eq!(verbs, VERBS.len() * State::ALL.len());
    let job = JobStanding {
        id: JobId(1),
        kind: Kind::Data,
        state: State::Held,
        place: State::Held.place(),
        is_hashed: true,
        is_unsettled: false,
        data: None,
        sent_again_as: None,
    };
    assert!(VERBS.iter().any(|verb| verb.decide(&job).is_ok()));
}

/// A run that meets too little fails, and so does an excuse for what occurs.
#[test]
fn what_was_never_met_and_what_was_excused_in_vain_is_told() {
    let marks = |marks: &[Mark]| marks.iter().map(|mark| (mark.clone(), 1)).collect::<Marks>();
    let excused: Mark = (Family::Readiness, not_yet(NotYet::Settling).into(), arrival_words(Arrival::MovedIn).into());
    let usual: Mark = (Family::Step, word(State::Waiting).into(), Event::Ready.as_str().into());
    let foreign: Mark = (Family::Rule, "no rule".into(), "".into());
    let wrong = wrong(&marks(&[excused, usual, foreign]));
    let has = |what: &str| wrong.iter().any(|line| line.starts_with(what));
    assert!(has("readiness × how the file came: settling / moved in: met, though excused: "), "{wrong:?}");
    assert!(has("rule × outcome: no rule / : not in the catalogue"), "{wrong:?}");
    assert!(has("story: a machine is set back / : never met"), "{wrong:?}");
    assert!(!has("state × event: queued / started"), "{wrong:?}");
    assert!(!has("state × event: waiting / ready"), "{wrong:?}");
}
