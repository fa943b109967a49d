//! What a file in the inbox amounts to. The account's thread, `explain` and `run --dry-run` ask here alike, so that they cannot
//! disagree. Pure.

use super::look::{Look, not_a_file, unreadable};
use super::weigh::Weighed;
use crate::clock::Moment;
use crate::inbox::readiness::{NotYet, Sight, Verdict};
use crate::job::{FileIdentity, State, check_name};
use crate::joblog::{InboxEntry, Verdict as Finding};
use std::ffi::OsStr;
use std::fs::File;

/// How a name was met.
#[derive(Clone, Copy)]
pub(super) enum MetBy<'a> {
    /// Something happened to it.
    Event,
    /// The folder lists it; what the job log has of it, where that was read already.
    Scan(Option<&'a InboxEntry>),
}

/// What the job log has of a file that lies in the inbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Known {
    /// Another, or none.
    Not,
    /// This one, which we moved in ourselves and which is to be looked at again.
    CameBack {
        /// The job log has the other of its pair.
        paired: bool,
    },
    /// This one, as it stands.
    AsItIs,
    /// This one, written to since it was taken in.
    WrittenOn,
    /// What was queued under this name, which is not what an attempt met.
    NotAsQueued,
}

/// Whether the job log has this very file already. `entry`: what it has under that name.
#[must_use]
pub fn known(entry: Option<&InboxEntry>, found: FileIdentity) -> Known {
    let Some(entry) = entry else { return Known::Not };
    let is_same_file = entry.identity.is_some_and(|file| file.is_same_file(&found));
    if entry.came_back {
        return if is_same_file { Known::CameBack { paired: entry.paired } } else { Known::Not };
    }
    match entry.identity {
        Some(identity) if identity == found => Known::AsItIs,
        None if entry.to_be_moved => Known::AsItIs,
        None if entry.state == State::Queued => Known::NotAsQueued,
        Some(_) if is_same_file => Known::WrittenOn,
        Some(_) | None => Known::Not,
    }
}

/// What lies under a name.
pub(super) enum Met {
    Nothing,
    Directory,
    /// What is never opened, or cannot be.
    Told(Finding),
    File(File, Sight),
}

impl From<Look> for Met {
    fn from(looked: Look) -> Self {
        match looked {
            Look::Gone => Self::Nothing,
            Look::Directory => Self::Directory,
            Look::NotAFile(what, identity) => {
                #[cfg(test)]
                crate::testing::reach::met(crate::testing::reach::Met::NotAFile);
                Self::Told(Finding::Rejected(not_a_file(what), identity))
            }
            Look::Unreadable(why) | Look::Unseen(why) => Self::Told(Finding::Waiting(unreadable(&why), None)),
            Look::File(file, sight) => Self::File(file, sight),
        }
    }
}

/// What the job log records of a file.
pub(super) struct Assessed {
    pub(super) finding: Finding,
    /// It will become ready automatically.
    pub(super) by_itself: bool,
    /// When it is to be looked at again.
    pub(super) look_at: Option<Moment>,
}

/// What keeps a file from being read; `None`: it is complete. `readiness` is asked only where its name can be sent.
pub(super) fn before_reading<E>(
    name: &OsStr,
    sight: Sight,
    readiness: impl FnOnce() -> Result<Verdict, E>,
) -> Result<Option<Assessed>, E> {
    let rejected = |reason: String| {
        let finding = Finding::Rejected(reason, Some(sight.identity));
        Some(Assessed { finding, by_itself: false, look_at: None })
    };
    if let Err(refused) = check_name(name) {
        return Ok(rejected(refused.to_string()));
    }
    Ok(match readiness()? {
        Verdict::Ready => None,
        Verdict::StayedEmpty => rejected("the file stayed empty; there is nothing to send".to_owned()),
        Verdict::NotYet { why, look_at } => {
            let reason = why.reason().to_owned();
            let finding = match why {
                NotYet::NoMarker => Finding::Unmarked(reason, sight.identity),
                NotYet::Empty
                | NotYet::MaybeOpen
                | NotYet::Open
                | NotYet::Writing
                | NotYet::Settling
                | NotYet::Interrupted
                | NotYet::CutOff
                | NotYet::NextPiece => Finding::Waiting(reason, Some(sight.identity)),
            };
            Some(Assessed {
                finding,
                by_itself: !matches!(why, NotYet::Empty | NotYet::MaybeOpen | NotYet::NoMarker),
                look_at,
            })
        }
    })
}

/// What reading it came to. `now`: when it is looked at again if it was written to meanwhile.
pub(super) fn after_reading(weighed: Weighed, sight: Sight, now: Moment) -> Assessed {
    let waiting = |reason| Finding::Waiting(reason, Some(sight.identity));
    match weighed {
        Weighed::Verdict(finding) => Assessed { finding, by_itself: false, look_at: None },
        Weighed::Unread(reason) => Assessed { finding: waiting(reason), by_itself: false, look_at: None },
        Weighed::Changed => {
            Assessed { finding: waiting(NotYet::Writing.reason().to_owned()), by_itself: true, look_at: Some(now) }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::JobId;

    fn entry(state: State, identity: Option<FileIdentity>) -> InboxEntry {
        InboxEntry {
            id: JobId(1),
            disk_name: "sales.txt".into(),
            state,
            identity,
            to_be_moved: false,
            came_back: false,
            paired: false,
            file_name: "sales.txt".to_owned(),
        }
    }

    /// DESIGN F2, F7.
    #[test]
    fn f7_what_lies_there_is_known_by_what_the_job_log_has_of_it() {
        let file = FileIdentity { device: 1, inode: 2, born_ns: 3, size: 4, modified_ns: 5 };
        let (longer, another) = (FileIdentity { size: 9, ..file }, FileIdentity { inode: 8, ..file });
        let queued = entry(State::Queued, Some(file));
        for (found, expected) in [(file, Known::AsItIs), (longer, Known::WrittenOn), (another, Known::Not)] {
            assert_eq!(known(Some(&queued), found), expected, "{found:?}");
            assert_eq!(known(None, found), Known::Not);
            assert_eq!(known(Some(&entry(State::Queued, None)), found), Known::NotAsQueued);
            assert_eq!(known(Some(&entry(State::Waiting, None)), found), Known::Not);
            let moves = InboxEntry { to_be_moved: true, ..entry(State::Rejected, None) };
            assert_eq!(known(Some(&moves), found), Known::AsItIs);
            let back = InboxEntry { came_back: true, paired: true, ..entry(State::Waiting, Some(file)) };
            let is_it = found != another;
            let expected = if is_it { Known::CameBack { paired: true } } else { Known::Not };
            assert_eq!(known(Some(&back), found), expected);
        }
    }
}
