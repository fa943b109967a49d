//! What an explanation is made of.

use super::super::outlook::Outlook;
use crate::job::{Place, Program, Timestamp, Verdict};
use crate::joblog::{Delivered, JobRow};
use crate::status::Here;

/// Everything that an answer depends on.
#[derive(Debug)]
pub(super) struct Facts {
    /// The path as it was asked for, absolute and printable.
    pub(super) path: String,
    /// The file's own name, printable.
    pub(super) name: String,
    /// How commands begin that people are given.
    pub(super) program: Program,
    /// The reader's time.
    pub(super) here: Here,
    /// Whether a daemon is at work on the job log.
    pub(super) running: bool,
    /// Where the path leads.
    pub(super) spot: Spot,
}

/// Where a path leads.
#[derive(Debug)]
pub(super) enum Spot {
    /// Into no account's folder.
    Elsewhere {
        /// Each account and its folder.
        folders: Vec<(String, String)>,
        /// A job of an account that is not configured any more, whose file lay there.
        job: Option<Box<Job>>,
    },
    /// Into the folder of an account.
    Within(Box<Account>, Box<What>),
}

/// The account whose folder it is.
#[derive(Debug)]
pub(super) struct Account {
    pub(super) name: String,
    /// Why nothing of it is sent.
    pub(super) trouble: Option<String>,
    /// Adobe's list was read once: before that, nothing is sent (DESIGN S1).
    pub(super) has_list: bool,
    /// When Adobe's list is read next.
    pub(super) next_sweep: Option<Timestamp>,
    /// Its extensions, without points.
    pub(super) extensions: Vec<String>,
    /// Files of it that are ready, and how long they take.
    pub(super) backlog: Option<String>,
    /// How long a file that a scan finds has to be quiet; then how long until the next scan at most.
    pub(super) scan: String,
}

/// What the path means there.
#[derive(Debug)]
pub(super) enum What {
    /// The folder itself.
    Folder,
    /// A sub-folder of datadrop's own.
    SubFolder(Place),
    /// The mark that proves whose folder it is.
    Mark,
    /// Something deeper in the folder, where datadrop does not look.
    Deeper,
    /// A name in the inbox. `job`: the newest of that name. For a marker: whether its data file is anywhere.
    Inbox { outlook: Outlook, job: Option<Job>, lacks_data: bool },
    /// A name in a sub-folder, and the job that has its file there.
    Filed { place: Place, exists: bool, job: Option<Job> },
    /// A file that was delivered, and whose job has left the job log since.
    Pruned(Delivered),
    /// An explanation in a sub-folder, and the name of the file that it explains.
    Why { of: String, job: Option<Job> },
}

/// A job, and since when it is in its state.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) row: JobRow,
    pub(super) since: Option<Timestamp>,
    /// What can be done about it, if it needs a person.
    pub(super) verdict: Option<Verdict>,
}

/// What is said.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    /// One sentence, without a full stop.
    pub(super) sentence: String,
    /// A few more lines.
    pub(super) facts: Vec<String>,
    /// Whether any account has to do with the path.
    pub(super) is_known: bool,
    pub(super) account: Option<String>,
    pub(super) job: Option<i64>,
    pub(super) state: Option<String>,
}
