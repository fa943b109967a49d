//! Others who are at work beside datadrop: people in its folders, and processes at its database. Each comes at a moment of a
//! job's life that the story names, or at once.

use crate::job::{Place, State};

/// What somebody does to the file of a job, or beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
pub(super) enum Stranger {
    #[strum(serialize = "edits it in the inbox")]
    Edits,
    #[strum(serialize = "renames it in the inbox")]
    Renames,
    #[strum(serialize = "replaces it in the inbox")]
    Replaces,
    #[strum(serialize = "removes it from the inbox")]
    Removes,
    #[strum(serialize = "edits it where it is filed")]
    EditsFiled,
    #[strum(serialize = "removes it where it is filed")]
    RemovesFiled,
    #[strum(serialize = "puts a link where it is to go")]
    LinkInTheWay,
    #[strum(serialize = "puts a directory where it is to go")]
    DirectoryInTheWay,
    #[strum(serialize = "puts a link under the name of its .why")]
    LinkForWhy,
    #[strum(serialize = "puts a directory under the name of its .why")]
    DirectoryForWhy,
    #[strum(serialize = "reads the database for a while")]
    Reads,
    #[strum(serialize = "has the write lock of the database for a while")]
    Locks,
}

/// Why it cannot be done to a job that stands like this; `None`: it can.
pub(super) fn excuse(stranger: Stranger, state: State) -> Option<&'static str> {
    let in_inbox = state.place() == Place::Inbox;
    match stranger {
        Stranger::Edits | Stranger::Renames | Stranger::Replaces | Stranger::Removes => match state {
            State::Processing => Some("it was filed before Adobe is seen at work on it"),
            State::Partial | State::Failure => Some("it was filed before its end"),
            State::Waiting
            | State::Queued
            | State::Uploading(_)
            | State::Unconfirmed
            | State::Held
            | State::Uploaded
            | State::Success
            | State::Rejected
            | State::Cancelled => None,
        },
        Stranger::EditsFiled | Stranger::RemovesFiled => in_inbox.then_some("its file is in the inbox"),
        Stranger::LinkInTheWay | Stranger::DirectoryInTheWay => match state {
            State::Waiting | State::Queued | State::Uploading(_) | State::Unconfirmed => None,
            State::Held
            | State::Uploaded
            | State::Processing
            | State::Success
            | State::Partial
            | State::Failure
            | State::Rejected
            | State::Cancelled => Some("it is there by then, or on its way"),
        },
        Stranger::LinkForWhy | Stranger::DirectoryForWhy => match state {
            State::Waiting | State::Queued | State::Uploading(_) | State::Unconfirmed => None,
            State::Held
            | State::Uploaded
            | State::Processing
            | State::Success
            | State::Partial
            | State::Failure
            | State::Rejected
            | State::Cancelled => Some("it is there by then, or is not wanted"),
        },
        Stranger::Reads | Stranger::Locks => None,
    }
}

/// Something odd that lies in the inbox from the start, under a name that could be a file's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
pub(super) enum Odd {
    #[strum(serialize = "a link")]
    Link,
    #[strum(serialize = "a link that leads nowhere")]
    BrokenLink,
    #[strum(serialize = "a directory")]
    Directory,
    #[strum(serialize = "a pipe")]
    Pipe,
}

/// Under which name it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
pub(super) enum Name {
    #[strum(serialize = "as a data file")]
    Data,
    #[strum(serialize = "as a marker")]
    Marker,
    #[strum(serialize = "as a hidden file of datadrop's")]
    Hidden,
    /// Only for a while.
    #[strum(serialize = "in the place of a sub-folder")]
    SubFolder,
    /// Only for a while.
    #[strum(serialize = "in the place of the mark")]
    Mark,
}
