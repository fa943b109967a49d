//! The states of a job and the one function that moves it between them (DESIGN §4).

/// The state of a job: the words of the job log's column `state`, with the phase of an attempt in progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::Display, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum State {
    /// Seen, not ready.
    Waiting,
    /// Ready; size and SHA-256 fixed; due at `next_attempt_at`.
    Queued,
    /// An attempt is in progress.
    Uploading(Phase),
    /// An attempt ended without a clear response. The remote jobs decide what comes next.
    Unconfirmed,
    /// Needs a person.
    Held,
    /// Accepted.
    Uploaded,
    /// Accepted, and Adobe is processing it.
    Processing,
    /// Adobe is done and processed every row.
    Success,
    /// Adobe says success, but processed fewer rows than the file has.
    Partial,
    /// Adobe says failure, or deleted the job.
    Failure,
    /// Never accepted, and no retry can help.
    Rejected,
    /// A person cancelled it, or removed or replaced its file before it was sent.
    Cancelled,
}

/// The cause for which a job rests or ended, as far as other code depends on it. The reason says the same to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Cause {
    /// A person put it on hold. No rule did.
    OnHold,
    /// Its file was changed or replaced before it was sent. The new content is another job.
    Replaced,
    /// It waits for the beginning of the latest day in its rows, and is due then.
    DayToCome,
    /// It has more days than today's limit allows, and is due when the next day begins.
    NextDay,
    /// Its file was changed after it was sent. The file in the folder now belongs to another job.
    Changed,
    /// Another file covers its data days, or datadrop does not know its days. A job keeps this cause after its release,
    /// because a person has decided.
    /// decided.
    DayCovered,
}

/// In which way a job is overdue. The words of its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Overdue {
    /// It takes longer than it should to be sent, or to end at Adobe.
    Delayed,
    /// It is at Adobe, and a job of the same account failed before it (DESIGN T3).
    Stalled,
    /// From now on datadrop asks for it once per day.
    AskedDaily,
}

impl Overdue {
    /// The word of the job log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The phase of an attempt. Before [`Phase::Committing`] the server cannot hold the whole message (DESIGN A3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Phase {
    /// The attempt is in the job log, and its last bytes are held back.
    Started,
    /// The last bytes may have gone.
    Committing,
}

/// The place of a job's file: a sub-folder, the inbox, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::EnumString, strum::IntoStaticStr)]
#[strum(serialize_all = "kebab-case")]
pub enum Place {
    /// The watched folder.
    Inbox,
    /// Accepted by the API, not done yet.
    Sent,
    /// Needs a person.
    Held,
    /// Processed.
    Done,
    /// Not processed.
    Failed,
    /// No file, because somebody removed or replaced it.
    Gone,
}

/// What happened to a job. The words of the job log's `job_event.event`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::Display, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Event {
    /// Complete: size and SHA-256 are fixed.
    Ready,
    /// It needs a person, for the given reason.
    Held,
    /// A person released it.
    Released,
    /// An attempt began.
    Started,
    /// The last bytes of the attempt are about to go.
    Committing,
    /// The attempt ended, and the server cannot have taken the file.
    NotIngested,
    /// The attempt ended, and the server may have taken the file.
    Unclear,
    /// The API answered with a job ID.
    Accepted,
    /// The remote list has it.
    Found,
    /// The remote list has lacked it for as long as DESIGN S4 requires.
    NotFound,
    /// No retry can help.
    Refused,
    /// The marker has done its work on this computer, and is not sent (`fin = "local"`).
    KeptLocal,
    /// Adobe is processing it.
    Processing,
    /// Adobe processed every row.
    Succeeded,
    /// Adobe processed fewer rows than the file has.
    FellShort,
    /// Its file now holds content that was not sent.
    Changed,
    /// Adobe failed it or deleted the job.
    Failed,
    /// A person removed, replaced or cancelled it.
    Cancelled,
    /// A person released it although its content is not known, or it is a marker that has lost its data file.
    Returned,
    /// A person named the remote job that it became.
    Adopted,
    /// A person gave it up, although the server may have taken it.
    GivenUp,
}

/// An event that the state does not allow. It is a defect of datadrop, never caused from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a job that is {from} cannot take the event {event}")]
pub struct IllegalTransition {
    /// The state the job was in.
    pub from: State,
    /// The event that was tried.
    pub event: Event,
}

impl State {
    /// Returns the state after an event. This is the only way to change a state. It is total: every pair of state and
    /// event has a result.
    ///
    /// Each event leads to one state. The states before the arrow allow it.
    ///
    /// # Errors
    /// [`IllegalTransition`] if the state does not allow the event.
    pub fn next(self, event: Event) -> Result<Self, IllegalTransition> {
        use Phase::{Committing, Started};
        let (from, to): (&[Self], Self) = match event {
            Event::Ready => (&[Self::Waiting], Self::Queued),
            Event::Started => (&[Self::Queued], Self::Uploading(Started)),
            Event::Committing => (&[Self::Uploading(Started)], Self::Uploading(Committing)),
            Event::NotIngested => (&[Self::Uploading(Started), Self::Uploading(Committing)], Self::Queued),
            Event::Unclear => (&[Self::Uploading(Committing)], Self::Unconfirmed),
            Event::Accepted => (&[Self::Uploading(Committing)], Self::Uploaded),
            Event::Found => (&[Self::Unconfirmed], Self::Uploaded),
            Event::NotFound => (&[Self::Unconfirmed], Self::Queued),
            Event::Processing => (&[Self::Uploaded, Self::Processing], Self::Processing),
            Event::Succeeded => (&[Self::Uploaded, Self::Processing], Self::Success),
            Event::FellShort => (&[Self::Uploaded, Self::Processing], Self::Partial),
            Event::Changed => (&[Self::Success, Self::Partial], Self::Partial),
            Event::Failed => (&[Self::Uploaded, Self::Processing], Self::Failure),
            Event::KeptLocal => (&[Self::Waiting, Self::Queued], Self::Success),
            Event::Refused => {
                (&[Self::Waiting, Self::Queued, Self::Uploading(Started), Self::Uploading(Committing)], Self::Rejected)
            }
            Event::Held => (
                &[
                    Self::Waiting,
                    Self::Queued,
                    Self::Uploading(Started),
                    Self::Uploading(Committing),
                    Self::Unconfirmed,
                ],
                Self::Held,
            ),
            Event::Released => (&[Self::Held], Self::Queued),
            Event::Cancelled => (&[Self::Waiting, Self::Queued, Self::Held], Self::Cancelled),
            Event::Returned => (&[Self::Queued, Self::Held], Self::Waiting),
            Event::Adopted => (&[Self::Held], Self::Uploaded),
            Event::GivenUp => (&[Self::Uploading(Committing), Self::Unconfirmed], Self::Cancelled),
        };
        if from.contains(&self) { Ok(to) } else { Err(IllegalTransition { from: self, event }) }
    }

    /// The word in the job log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Reads the words of the job log. The phase belongs to the attempt, and is `None` outside `uploading`.
    #[must_use]
    pub fn from_words(state: &str, phase: Option<Phase>) -> Option<Self> {
        if state == "uploading" {
            return phase.map(Self::Uploading);
        }
        Self::ALL.into_iter().find(|known| known.as_str() == state)
    }

    /// Every state, with `uploading` in each of its phases.
    pub const ALL: [Self; 13] = [
        Self::Waiting,
        Self::Queued,
        Self::Uploading(Phase::Started),
        Self::Uploading(Phase::Committing),
        Self::Unconfirmed,
        Self::Held,
        Self::Uploaded,
        Self::Processing,
        Self::Success,
        Self::Partial,
        Self::Failure,
        Self::Rejected,
        Self::Cancelled,
    ];

    /// Returns whether neither datadrop nor a person can continue the job. A retry is a new job.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        match self {
            Self::Success | Self::Partial | Self::Failure | Self::Rejected | Self::Cancelled => true,
            Self::Waiting
            | Self::Queued
            | Self::Uploading(_)
            | Self::Unconfirmed
            | Self::Held
            | Self::Uploaded
            | Self::Processing => false,
        }
    }

    /// Returns whether the API has accepted it.
    #[must_use]
    pub fn is_accepted(self) -> bool {
        match self {
            Self::Uploaded | Self::Processing | Self::Success | Self::Partial | Self::Failure => true,
            Self::Waiting
            | Self::Queued
            | Self::Uploading(_)
            | Self::Unconfirmed
            | Self::Held
            | Self::Rejected
            | Self::Cancelled => false,
        }
    }

    /// Returns the place of its file (DESIGN §4, "States").
    #[must_use]
    pub fn place(self) -> Place {
        match self {
            Self::Waiting | Self::Queued | Self::Uploading(_) | Self::Unconfirmed => Place::Inbox,
            Self::Held => Place::Held,
            Self::Uploaded | Self::Processing => Place::Sent,
            Self::Success | Self::Partial => Place::Done,
            Self::Failure | Self::Rejected | Self::Cancelled => Place::Failed,
        }
    }
}

impl Cause {
    /// The word in the job log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Reads the word of the job log.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        word.parse().ok()
    }
}

impl Phase {
    /// The word in the job log's attempts.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// The phase of that word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        word.parse().ok()
    }
}

impl Place {
    /// Every place.
    pub const ALL: [Self; 6] = [Self::Inbox, Self::Sent, Self::Held, Self::Done, Self::Failed, Self::Gone];

    /// The places that are sub-folders of the account's folder.
    pub const SUB_FOLDERS: [Self; 4] = [Self::Sent, Self::Held, Self::Done, Self::Failed];

    /// The word in the job log. For a sub-folder it is also the name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Reads the word of the job log.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        word.parse().ok()
    }
}

impl Event {
    /// The word in the job log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

#[cfg(test)]
mod tests;
