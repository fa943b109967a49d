//! The `.why` beside each file in `failed/` and `held/`: what happened, in plain words, and what helps (DESIGN F3).

use super::fit::fitting;
use crate::job::{JobId, State, is_sendable, printable, shell_word};
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
    /// It may have been ingested; nobody knows.
    pub is_unsettled: bool,
    /// For a marker: the job of its data file.
    pub follows: Option<JobId>,
    /// Why.
    pub reason: Option<&'a str>,
    /// What the check found in the file, each finding on a line of its own.
    pub findings: Option<&'a str>,
    /// Where the file lies.
    pub path: &'a Path,
    /// Upload requests made.
    pub attempts: u32,
    /// Adobe's number.
    pub remote_job_id: Option<i64>,
}

/// The text for people, or `None` where a state needs none.
#[must_use]
pub fn explanation(job: &Explained<'_>) -> Option<String> {
    let (id, account) = (job.id, job.account);
    let send_again = format!("To send it after all: datadrop jobs retry {id}");
    let (what, help) = match job.state {
        State::Held if job.is_unsettled => (
            "is held: it may have been ingested, and a person has to look whether it was",
            format!(
                "See whether Adobe has it: datadrop jobs list --remote --account {account}\n\
                 If it does:               datadrop jobs release {id} --adopt JOB_ID\n\
                 If it does not:           datadrop jobs release {id} --resend\n\
                 To leave it at that:      datadrop jobs cancel {id}"
            ),
        ),
        State::Held => (
            "is held: it was not sent, and it will not be until a person decides",
            format!(
                "To send it: datadrop jobs release {id}\n\
                 Not to:     datadrop jobs cancel {id}"
            ),
        ),
        State::Failure => (
            "was accepted by Adobe, but Adobe failed to process it",
            format!("Correct the file where it lies, then: datadrop jobs retry {id}"),
        ),
        State::Rejected if !is_sendable(job.file_name) => (
            "was not sent: it was rejected",
            format!("Rename it and move it into {}: there it is a new file.", inbox_of(job.path)),
        ),
        State::Rejected => {
            ("was not sent: it was rejected", format!("Correct what the reason names, then: datadrop jobs retry {id}"))
        }
        State::Cancelled if job.is_unsettled => (
            "was cancelled, and may have been ingested",
            format!(
                "See whether Adobe has it:            datadrop jobs list --remote --account {account}\n\
                 If it does not, to send it after all: datadrop jobs retry {id} (if it does, it counts twice)"
            ),
        ),
        State::Cancelled => ("was not sent: it was cancelled", send_again),
        State::Waiting
        | State::Queued
        | State::Uploading(_)
        | State::Unconfirmed
        | State::Uploaded
        | State::Processing
        | State::Success
        | State::Partial => return None,
    };
    let help = match job.follows {
        Some(data) => format!("It goes with its data file: what is done with job {data} is done with it."),
        None => help,
    };
    let reason = job.reason.unwrap_or("no reason is on record");
    let findings = job.findings.map(|list| found(list, job.path)).unwrap_or_default();
    let remote = job.remote_job_id.map(|id| format!("Remote job: {id}\n")).unwrap_or_default();
    Some(format!(
        "{name} {what}.\n\nReason: {reason}\n{findings}\n{help}\n\nJob: {id} of account {account}, upload attempts: {attempts}\n{remote}\
         Its whole history: datadrop jobs show {id}\n",
        name = printable(job.file_name),
        attempts = job.attempts,
    ))
}

/// The account's folder, for a file that lies in one of its sub-folders.
fn inbox_of(path: &Path) -> String {
    path.parent().and_then(Path::parent).map_or_else(|| "the account's folder".to_owned(), in_a_command)
}

/// What the check found, and how to see all of it with the lines themselves.
fn found(list: &str, path: &Path) -> String {
    let list = list.replace('\n', "\n  ");
    format!("\nWhat the file check found:\n  {list}\nAll of it, line by line: datadrop check {}\n", in_a_command(path))
}

fn in_a_command(path: &Path) -> String {
    shell_word(&path.to_string_lossy())
}

fn why_name(name: &OsStr) -> OsString {
    fitting(name, "", ".why")
}

pub(super) fn write(dir: &Path, name: &OsStr, text: &str) -> io::Result<()> {
    fs::write(dir.join(why_name(name)), text)
}

/// Removes an explanation that no longer holds, if there is one.
pub fn remove_why(dir: &Path, name: &OsStr) {
    let _ = fs::remove_file(dir.join(why_name(name)));
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rejected() -> Explained<'static> {
        Explained {
            id: JobId(17),
            account: "callcentre",
            file_name: "sales.txt",
            state: State::Rejected,
            is_unsettled: false,
            follows: None,
            reason: Some("the file is larger than upload.max_file_size (50 MB)"),
            findings: None,
            path: Path::new("/srv/datadrop/callcentre/failed/sales.txt"),
            attempts: 0,
            remote_job_id: None,
        }
    }

    #[test]
    fn an_explanation_says_what_happened_and_what_helps() {
        insta::assert_snapshot!(explanation(&rejected()).unwrap(), @r"
        sales.txt was not sent: it was rejected.

        Reason: the file is larger than upload.max_file_size (50 MB)

        Correct what the reason names, then: datadrop jobs retry 17

        Job: 17 of account callcentre, upload attempts: 0
        Its whole history: datadrop jobs show 17
        ");
    }

    #[test]
    fn a_name_that_cannot_be_sent_is_told_in_one_line_and_is_not_to_be_retried() {
        let path = Path::new("/srv/datadrop/callcentre/failed/new\nline.txt");
        let text = explanation(&Explained { file_name: "new\nline.txt", path, ..rejected() }).unwrap();
        assert!(text.starts_with("new\\nline.txt was not sent"), "{text}");
        assert!(text.contains("Rename it and move it into /srv/datadrop/callcentre: "), "{text}");
        assert!(!text.contains("retry"), "{text}");
    }

    #[test]
    fn what_may_have_been_ingested_is_looked_for_first() {
        let job = Explained { state: State::Held, is_unsettled: true, reason: Some("two candidates"), ..rejected() };
        insta::assert_snapshot!(explanation(&job).unwrap(), @r"
        sales.txt is held: it may have been ingested, and a person has to look whether it was.

        Reason: two candidates

        See whether Adobe has it: datadrop jobs list --remote --account callcentre
        If it does:               datadrop jobs release 17 --adopt JOB_ID
        If it does not:           datadrop jobs release 17 --resend
        To leave it at that:      datadrop jobs cancel 17

        Job: 17 of account callcentre, upload attempts: 0
        Its whole history: datadrop jobs show 17
        ");
    }

    #[test]
    fn a_marker_goes_with_its_data_file() {
        let job = Explained { file_name: "sales.fin", state: State::Held, follows: Some(JobId(16)), ..rejected() };
        assert!(explanation(&job).unwrap().contains("what is done with job 16 is done with it"));
    }

    #[test]
    fn findings_are_told_with_the_command_that_shows_all_of_them() {
        let job = Explained {
            state: State::Failure,
            reason: Some("Adobe failed to process the file and gives no reason; the file check says: line 3: too few"),
            findings: Some("fails: line 3, column 15: too few; add 1 tab\nand 2 more"),
            attempts: 1,
            remote_job_id: Some(5),
            ..rejected()
        };
        insta::assert_snapshot!(explanation(&job).unwrap(), @r"
        sales.txt was accepted by Adobe, but Adobe failed to process it.

        Reason: Adobe failed to process the file and gives no reason; the file check says: line 3: too few

        What the file check found:
          fails: line 3, column 15: too few; add 1 tab
          and 2 more
        All of it, line by line: datadrop check /srv/datadrop/callcentre/failed/sales.txt

        Correct the file where it lies, then: datadrop jobs retry 17

        Job: 17 of account callcentre, upload attempts: 1
        Remote job: 5
        Its whole history: datadrop jobs show 17
        ");
    }
}
