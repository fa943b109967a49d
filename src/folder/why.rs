//! The `.why` beside each file in `failed/` and `held/`: what happened, in plain words, and what helps (DESIGN F3).

use super::account::AccountFolder;
use super::fit::fitting;
use crate::folder::directory::Directory;
use crate::job::{JobId, Place, State, is_sendable, printable, shell_word};
use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::path::Path;

/// What the hidden file is for that becomes an explanation.
pub(super) const EXPLAINING: &str = "why";

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

/// The name of an explanation, and those that it gets where something is in the way.
fn why_names(name: &OsStr) -> impl Iterator<Item = OsString> {
    let numbers = (2..10).map(|number| format!(".{number}.why"));
    std::iter::once(".why".to_owned()).chain(numbers).map(move |append| fitting(name, "", &append))
}

/// Does something to the first of the names where nothing is in the way: a directory, or in a folder with the sticky bit
/// what another user made.
fn past_what_stays(name: &OsStr, act: impl Fn(&OsStr) -> io::Result<()>) -> io::Result<()> {
    let mut ended = Ok(());
    for why in why_names(name) {
        ended = act(&why);
        let in_the_way = [io::ErrorKind::IsADirectory, io::ErrorKind::PermissionDenied];
        if !ended.as_ref().is_err_and(|error| in_the_way.contains(&error.kind())) {
            break;
        }
    }
    ended
}

impl AccountFolder {
    /// Writes the explanation beside a file in one of the places. It is a new file that takes the name, whatever bore that:
    /// nothing is opened to be written to, which could be a link or a second name of a file that lies elsewhere.
    ///
    /// # Errors
    /// The system's; the job log holds the reason all the same.
    pub fn write_why(&self, place: Place, name: &OsStr, text: &str) -> io::Result<()> {
        let directory = self.place(place);
        let (mut file, hidden) = directory.create_hidden(EXPLAINING, 0o666)?;
        file.write_all(text.as_bytes())?;
        past_what_stays(name, |why| directory.replace(hidden.name(), why))
    }
}

/// Removes an explanation that no longer holds, if there is one.
pub fn remove_why(directory: &Directory, name: &OsStr) {
    let _ = past_what_stays(name, |why| directory.remove(why));
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

    #[test]
    fn f9_whatever_bears_the_name_of_an_explanation_is_replaced_itself_and_a_directory_stays() {
        let dir = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        let secret = outside.path().join("secret");
        std::fs::write(&secret, "secret").unwrap();
        let folder = AccountFolder::open("a", dir.path(), None, 1).unwrap().folder;
        let failed = dir.path().join("failed");
        std::os::unix::fs::symlink(&secret, failed.join("link.txt.why")).unwrap();
        std::fs::hard_link(&secret, failed.join("hard.txt.why")).unwrap();
        std::fs::write(failed.join("older.txt.why"), "older").unwrap();
        for name in ["link.txt", "hard.txt", "older.txt", "none.txt"] {
            folder.write_why(Place::Failed, OsStr::new(name), "text").unwrap();
            assert_eq!(std::fs::read_to_string(failed.join(format!("{name}.why"))).unwrap(), "text", "{name}");
            assert!(std::fs::symlink_metadata(failed.join(format!("{name}.why"))).unwrap().is_file(), "{name}");
        }
        std::fs::create_dir(failed.join("dir.txt.why")).unwrap();
        folder.write_why(Place::Failed, OsStr::new("dir.txt"), "text").unwrap();
        assert_eq!(std::fs::read_to_string(failed.join("dir.txt.2.why")).unwrap(), "text");
        remove_why(folder.place(Place::Failed), OsStr::new("dir.txt"));
        let mut names: Vec<_> = std::fs::read_dir(&failed).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["dir.txt.why", "hard.txt.why", "link.txt.why", "none.txt.why", "older.txt.why"]);
        assert_eq!(std::fs::read_to_string(secret).unwrap(), "secret");
    }
}
