//! What a run of the simulation has met: marks that the code passes, counted for the story of this thread. Without a
//! simulation they count nothing. What must be met is in `simulation::catalogue`.

use super::surroundings::with;
use crate::clock::Moment;
use crate::inbox::readiness::{Arrival, Candidate, NotYet, Verdict, Waits};
use crate::job::{Event, JobStanding, Overdue, Phase, Release, RowCount, State, Verb};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Kinds of situations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, strum::IntoStaticStr, strum::VariantArray)]
pub(crate) enum Family {
    #[strum(serialize = "state × event")]
    Step,
    #[strum(serialize = "verb × state")]
    Verb,
    #[strum(serialize = "fault of the server × phase of an upload")]
    Upload,
    #[strum(serialize = "fault of a list × what it is asked for")]
    List,
    #[strum(serialize = "what Adobe makes of a file")]
    Fate,
    #[strum(serialize = "end of the process × stage")]
    Crash,
    #[strum(serialize = "fault of the disk × stage")]
    Disk,
    #[strum(serialize = "readiness × how the file came")]
    Readiness,
    #[strum(serialize = "rule × outcome")]
    Rule,
    #[strum(serialize = "neighbour × moment")]
    Neighbour,
    #[strum(serialize = "story")]
    Story,
}

/// A situation: its kind, and the row and the column that it has in the table of its kind.
pub(crate) type Mark = (Family, Cow<'static, str>, Cow<'static, str>);
/// How often each was met.
pub(crate) type Marks = BTreeMap<Mark, u64>;

/// What goes on just now.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum Stage {
    #[default]
    Start,
    Folder,
    Track,
    Claim,
    /// An attempt, before its last bytes may go.
    Started,
    /// An attempt, from there on.
    Committing,
    Instructions,
    /// The disk is tried again.
    Probe,
}

/// Where the process may end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::IntoStaticStr, strum::VariantArray)]
pub(crate) enum Point {
    #[strum(serialize = "before a commit")]
    BeforeCommit,
    #[strum(serialize = "after a commit")]
    AfterCommit,
    #[strum(serialize = "before a request")]
    BeforeRequest,
    #[strum(serialize = "a file was renamed")]
    Renamed,
    #[strum(serialize = "a file has two names")]
    TwoNames,
    #[strum(serialize = "a name was taken aside")]
    TakenAside,
    #[strum(serialize = "before the folder is synced")]
    BeforeSync,
    #[strum(serialize = "the folder is synced")]
    Synced,
}

/// What a request for remote jobs is made for.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum Asks {
    #[default]
    Baseline,
    /// A blocked account is tried, or an upload waits for a list.
    FirstPage,
    Look,
    /// A look whose list lacks the latest accepted job.
    Comparison,
    Sweep,
    /// An open job that lists lack.
    Singly,
    Recovery,
}

/// How the rules decide. Each is marked where it is decided; readiness, steps and verbs have tables of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
pub(crate) enum Met {
    #[strum(serialize = "F1 its name is taken, so it gets the number of its job")]
    NumberedName,
    #[strum(serialize = "F1 renames overwrite, so it is moved by a link")]
    MovedByLink,
    #[strum(serialize = "F1 is found where an earlier move left it")]
    MovedBefore,
    #[strum(serialize = "F2 was changed before it was moved, so it stays as a new file")]
    ChangedBeforeMove,
    #[strum(serialize = "F2 another file is where it was, and is put back")]
    AnotherPutBack,
    #[strum(serialize = "F2 was changed after it was sent, before its end")]
    ChangedAtAdobe,
    #[strum(serialize = "F3 gets a .why")]
    Explained,
    #[strum(serialize = "F3 is moved back by a person, and is a new file")]
    MovedBack,
    #[strum(serialize = "F3 is held, as its content may have been ingested")]
    HeldAgain,
    #[strum(serialize = "F4, F5 the folder cannot be worked in, and its account is blocked")]
    FolderBlocked,
    #[strum(serialize = "F6 one scan misses a file")]
    MissedOnce,
    #[strum(serialize = "F6 two scans miss it: removed")]
    Removed,
    #[strum(serialize = "F7 is replaced before it is sent")]
    Replaced,
    #[strum(serialize = "F7 is replaced while its outcome is not known")]
    ReplacedOnTheWire,
    #[strum(serialize = "F7 was replaced, and proves not to be accepted")]
    EndedReplaced,
    #[strum(serialize = "F8 its name was listed before datadrop first ran")]
    WasThereFirst,
    #[strum(serialize = "F9 what is no plain file is rejected by name")]
    NotAFile,
    #[strum(serialize = "F10 a defect costs one file")]
    Defect,
    #[strum(serialize = "A1 a duplicate is found when its attempt begins")]
    DuplicateAtClaim,
    #[strum(serialize = "A2 the file is not what was hashed")]
    FileDiffers,
    #[strum(serialize = "A4 shares name, file or content with one on the wire")]
    SharesTheWire,
    #[strum(serialize = "S1 the baseline is taken")]
    BaselineTaken,
    #[strum(serialize = "S1 held: a remote job of its name was there before")]
    ThereBefore,
    #[strum(serialize = "S2 does not count: lacks the latest accepted job")]
    LookLacksLatest,
    #[strum(serialize = "S2 does not count: cannot be read to its end")]
    LookIncomplete,
    #[strum(serialize = "S2 does not count: changed while it was read")]
    LookUnsteady,
    #[strum(serialize = "S2 nothing accepted to compare with")]
    LookWithoutLatest,
    #[strum(serialize = "S2 the server has lost its past")]
    PastForgotten,
    #[strum(serialize = "S3 found")]
    Found,
    #[strum(serialize = "S3 held: several remote jobs of its name")]
    Several,
    #[strum(serialize = "S3 held: more rows than the file")]
    TooManyRows,
    #[strum(serialize = "S3 held: others send files too")]
    Stranger,
    #[strum(serialize = "S3 held: may come from another job")]
    MayBeAnothers,
    #[strum(serialize = "S3 waits: may come from an upload that goes on")]
    WaitsForUpload,
    #[strum(serialize = "S3 held: the number is that of another job")]
    Disputed,
    #[strum(serialize = "S4 a look without it")]
    NotThere,
    #[strum(serialize = "S4 three looks without it: sent again")]
    SentAgain,
    #[strum(serialize = "S4 three looks without it, and the server said it has it: held")]
    HeldDisputed,
    #[strum(serialize = "S4 the time doubles after another unclear outcome")]
    LooksLonger,
    #[strum(serialize = "S4 one file at a time after three unclear outcomes")]
    OneAtATime,
    #[strum(serialize = "S5 a remote job of the name has no owner: doubled")]
    Doubled,
    #[strum(serialize = "S5 held: a remote job of the name showed late")]
    ShowedLate,
    #[strum(serialize = "S5 held: the machine may have been set back")]
    SetBack,
    #[strum(serialize = "S6 held: a remote job without an owner may be it")]
    Suspect,
    #[strum(serialize = "S6 waits: it may come from another upload")]
    WaitsForOther,
    #[strum(serialize = "T1 counts are of processing")]
    CountsProcessing,
    #[strum(serialize = "T1 counts are of the file")]
    CountsFile,
    #[strum(serialize = "T2 all rows, though the check found some that are skipped")]
    Unproven,
    #[strum(serialize = "T3 delayed")]
    Delayed,
    #[strum(serialize = "T3 stalled")]
    Stalled,
    #[strum(serialize = "T3 asked daily")]
    AskedDaily,
    #[strum(serialize = "T asked for singly")]
    AskedSingly,
    #[strum(serialize = "T single job unknown to the server")]
    UnknownThere,
}

/// A situation is met.
pub(crate) fn mark(family: Family, row: impl Into<Cow<'static, str>>, column: impl Into<Cow<'static, str>>) {
    with(|here| *here.met.entry((family, row.into(), column.into())).or_default() += 1);
}

/// A rule decides.
pub(crate) fn met(what: Met) {
    mark(Family::Rule, <&str>::from(what), "");
}

/// Something happens in a story.
pub(crate) fn story(what: &'static str) {
    mark(Family::Story, what, "");
}

/// Returns the state in one word, an attempt by its phase.
pub(crate) fn word(state: State) -> &'static str {
    match state {
        State::Uploading(Phase::Started) => "started",
        State::Uploading(Phase::Committing) => "committing",
        State::Waiting
        | State::Queued
        | State::Unconfirmed
        | State::Held
        | State::Uploaded
        | State::Processing
        | State::Success
        | State::Partial
        | State::Failure
        | State::Rejected
        | State::Cancelled => state.as_str(),
    }
}

/// A job takes a step.
pub(crate) fn step(from: State, event: Event) {
    mark(Family::Step, word(from), event.as_str());
    if event == Event::Committing {
        goes_on(Stage::Committing);
    }
}

/// Returns the words of a verb, with its flags.
pub(crate) fn verb_words(verb: Verb) -> &'static str {
    match verb {
        Verb::Retry => "retry",
        Verb::Hold => "hold",
        Verb::Release(Release::Send) => "release",
        Verb::Release(Release::Resend) => "release --resend",
        Verb::Release(Release::Adopt(_)) => "release --adopt",
        Verb::Cancel { force: false } => "cancel",
        Verb::Cancel { force: true } => "cancel --force",
    }
}

/// A person wants something of a job. A job that is whole and has its file does what its state says; of others it is not counted.
pub(crate) fn verb(verb: Verb, job: &JobStanding, is_done: bool) {
    let usual = JobStanding {
        place: job.state.place(),
        is_hashed: true,
        is_unsettled: false,
        data: None,
        sent_again_as: None,
        ..*job
    };
    if verb.decide(&usual).is_ok() == is_done {
        mark(Family::Verb, verb_words(verb), word(job.state));
    }
}

/// How a file that the rules call complete came to be so.
pub(crate) const READY: [&str; 3] = ["ready", "ready by its marker", "stayed empty"];

/// The rules of readiness decide.
pub(crate) fn judged(candidate: &Candidate, waits: &Waits, verdict: Verdict, now: Moment) {
    let trace = &candidate.trace;
    let row = match verdict {
        // R2: before its quiet period is over.
        Verdict::Ready if trace.arrival == Arrival::Closed && now < trace.last.after(waits.settle) => READY[1],
        Verdict::Ready => READY[0],
        Verdict::StayedEmpty => READY[2],
        Verdict::NotYet { why, .. } => not_yet(why),
    };
    mark(Family::Readiness, row, arrival_words(trace.arrival));
}

/// Returns the words for why a file is not ready.
pub(crate) fn not_yet(why: NotYet) -> &'static str {
    match why {
        NotYet::Empty => "empty",
        NotYet::MaybeOpen => "empty, maybe open",
        NotYet::Open => "open",
        NotYet::Writing => "being written",
        NotYet::Settling => "settling",
        NotYet::Interrupted => "interrupted",
        NotYet::CutOff => "cut off",
        NotYet::NextPiece => "next piece",
        NotYet::NoMarker => "no marker",
    }
}

/// Returns the words for how a file came.
pub(crate) fn arrival_words(arrival: Arrival) -> &'static str {
    match arrival {
        Arrival::Unwatched => "unwatched",
        Arrival::Closed => "closed",
        Arrival::MovedIn => "moved in",
    }
}

/// A request for remote jobs is about to be made.
pub(crate) fn asks(what: Asks) {
    with(|here| here.asks = what);
}

/// Returns what the latest request for remote jobs was made for.
pub(crate) fn asked() -> Asks {
    with(|here| here.asks).unwrap_or_default()
}

/// A stage goes on.
pub(crate) fn goes_on(stage: Stage) {
    with(|here| here.stage = stage);
}

/// The disk or the database refuses what the stage writes.
pub(crate) fn refused_by_disk(fault: &'static str) {
    let stage = with(|here| here.stage).unwrap_or_default();
    mark(Family::Disk, fault, <&str>::from(stage));
}

/// A job takes too long.
pub(crate) fn overdue(how: Overdue) {
    met(match how {
        Overdue::Delayed => Met::Delayed,
        Overdue::Stalled => Met::Stalled,
        Overdue::AskedDaily => Met::AskedDaily,
    });
}

/// What Adobe's row counts mean was learnt.
pub(crate) fn counts(what: RowCount) {
    match what {
        RowCount::Processing => met(Met::CountsProcessing),
        RowCount::File => met(Met::CountsFile),
        RowCount::Unknown => {}
    }
}
