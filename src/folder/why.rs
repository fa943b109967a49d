//! The `.why` beside each file in `failed/` and `held/`: what happened, in plain words, and what helps (DESIGN F3).

use super::fit::fitting;
use crate::job::{JobId, State};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::path::Path;

/// What an explanation is made of.
#[derive(Debug, Clone, Copy)]
pub struct Explained<'a> {
    /// The job.
    pub id: JobId,
    /// Its account.
    pub account: &'a str,
    /// The name under which the file was dropped.
    pub file_name: &'a str,
    /// Where the job stands.
    pub state: State,
    /// Why.
    pub reason: Option<&'a str>,
    /// Upload requests made.
    pub attempts: u32,
    /// Adobe's number.
    pub remote_job_id: Option<i64>,
}

/// The text for people, or `None` where a state needs none.
#[must_use]
pub fn explanation(job: &Explained<'_>) -> Option<String> {
    let (what, help) = match job.state {
        State::Held => (
            "is held: it was not sent, and it will not be until a person decides",
            "If it is to be sent after all, change what stands in its way and move it back into the folder: it is then a new file.",
        ),
        State::Failure => (
            "was accepted by Adobe, but Adobe failed to process it",
            "Adobe gives no reason. Correct the file and move it back into the folder: it is then a new file.",
        ),
        State::Rejected => (
            "was not sent: it was rejected",
            "Correct what the reason names and move the file back into the folder: it is then a new file.",
        ),
        State::Cancelled => (
            "was not sent: it was cancelled",
            "To send it after all, move it back into the folder: it is then a new file.",
        ),
        State::Waiting
        | State::Queued
        | State::Uploading(_)
        | State::Unconfirmed
        | State::Uploaded
        | State::Processing
        | State::Success
        | State::Partial => return None,
    };
    let reason = job.reason.unwrap_or("no reason is on record");
    let remote = job.remote_job_id.map(|id| format!("Remote job: {id}\n")).unwrap_or_default();
    Some(format!(
        "{name} {what}.\n\nReason: {reason}\n\n{help}\n\nJob: {id} of account {account}, upload attempts: {attempts}\n{remote}\
         Its whole history: datadrop jobs show {id}\n",
        name = job.file_name,
        id = job.id,
        account = job.account,
        attempts = job.attempts,
    ))
}

fn why_name(name: &OsStr) -> OsString {
    fitting(name, "", ".why")
}

pub(super) fn write(dir: &Path, name: &OsStr, text: &str) -> io::Result<()> {
    fs::write(dir.join(why_name(name)), text)
}

/// Removes an explanation that no longer holds, if there is one.
pub(super) fn remove(dir: &Path, name: &OsStr) {
    let _ = fs::remove_file(dir.join(why_name(name)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_explanation_says_what_happened_and_what_helps() {
        let job = Explained {
            id: JobId(17),
            account: "callcentre",
            file_name: "sales.txt",
            state: State::Rejected,
            reason: Some("the file is larger than upload.max_file_size (50 MB)"),
            attempts: 0,
            remote_job_id: None,
        };
        insta::assert_snapshot!(explanation(&job).unwrap(), @r"
        sales.txt was not sent: it was rejected.

        Reason: the file is larger than upload.max_file_size (50 MB)

        Correct what the reason names and move the file back into the folder: it is then a new file.

        Job: 17 of account callcentre, upload attempts: 0
        Its whole history: datadrop jobs show 17
        ");
    }
}
