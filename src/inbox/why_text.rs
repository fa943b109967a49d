//! The text of a `.why`: what happened, in plain words, and the remedy (DESIGN F3). Pure.

use crate::job::{Command, Program, printable, shell_word};
use crate::joblog::Job;
use std::path::Path;

/// The text for people, or `None` where the job's state needs none. `findings`: what the check found, each on a line of its
/// own. `path`: where the file lies now.
pub(super) fn explanation(job: &Job, findings: Option<&str>, path: &Path, program: &Program) -> Option<String> {
    let (id, account) = (job.id, job.account.as_str());
    let verdict = job.verdict()?;
    let reason = job.reason.as_deref().unwrap_or("no reason is on record");
    let findings = findings.map(|list| found(list, path)).unwrap_or_default();
    let remote = job.remote_job_id.map(|id| format!("Remote job: {id}\n")).unwrap_or_default();
    Some(format!(
        "{name} {what}.\n\nReason: {reason}\n{findings}\n{help}\n\nJob: {id} of account {account}, upload attempts: {attempts}\n{remote}\
         Its whole history: {show}\n",
        name = printable(&job.file_name),
        what = verdict.what,
        help = verdict.lines(program).join("\n"),
        attempts = job.attempts,
        show = Command::Show(id).line(program),
    ))
}

/// What the check found, and how to see all of it with the lines themselves.
fn found(list: &str, path: &Path) -> String {
    let (list, path) = (list.replace('\n', "\n  "), shell_word(&path.to_string_lossy()));
    format!("\nWhat the file check found:\n  {list}\nAll of it, line by line: datadrop check {path}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{JobId, Kind, RemoteJobId, State, Timestamp};
    use std::ffi::OsString;

    fn job(name: &str, state: State, reason: &str) -> Job {
        let path = Path::new("/srv/datadrop/callcentre").join(name);
        let seen = Job::seen("callcentre", name.to_owned(), OsString::from(name), Kind::Data, path, Timestamp(0));
        Job { id: JobId(17), state, reason: Some(reason.to_owned()), ..seen }
    }

    fn told(job: &Job, findings: Option<&str>) -> String {
        let path = Path::new("/srv/datadrop/callcentre").join(job.state.place().as_str()).join(&job.disk_name);
        explanation(job, findings, &path, &Program::default()).unwrap()
    }

    #[test]
    fn an_explanation_says_what_happened_and_what_helps() {
        let large = job("sales.txt", State::Rejected, "the file is larger than upload.max_file_size (50 MB)");
        insta::assert_snapshot!(told(&large, None), @r"
        sales.txt was rejected and not sent.

        Reason: the file is larger than upload.max_file_size (50 MB)

        Correct what the reason names, the file where it lies or the setting, then: datadrop jobs retry 17

        Job: 17 of account callcentre, upload attempts: 0
        Its whole history: datadrop jobs show 17
        ");
    }

    #[test]
    fn a_name_that_cannot_be_sent_is_told_in_one_line() {
        let text = told(&job("new\nline.txt", State::Rejected, "a name"), None);
        assert!(text.starts_with("new\\nline.txt was rejected and not sent"), "{text}");
        assert!(!text.contains("retry"), "{text}");
    }

    #[test]
    fn what_may_have_been_ingested_is_looked_for_first() {
        let unsettled = Job { unsettled: true, ..job("sales.txt", State::Held, "two candidates") };
        insta::assert_snapshot!(told(&unsettled, None), @r"
        sales.txt is held; it may have been ingested, and a person has to look whether it was.

        Reason: two candidates

        To see whether Adobe has it:               datadrop jobs list --remote --account callcentre
        If it has:                                 datadrop jobs release 17 --adopt JOB_ID
        If it has not (otherwise it counts twice): datadrop jobs release 17 --resend
        To leave it at that:                       datadrop jobs cancel 17

        Job: 17 of account callcentre, upload attempts: 0
        Its whole history: datadrop jobs show 17
        ");
    }

    #[test]
    fn a_marker_goes_with_its_data_file() {
        let marker = Job { kind: Kind::Fin, pair: Some(JobId(16)), ..job("sales.fin", State::Held, "a duplicate") };
        assert!(told(&marker, None).contains("datadrop jobs show 16"));
    }

    #[test]
    fn findings_are_told_with_the_command_that_shows_all_of_them() {
        let reason = "Adobe failed to process the file and gives no reason; the file check says: line 3: too few";
        let failed =
            Job { attempts: 1, remote_job_id: Some(RemoteJobId(5)), ..job("sales.txt", State::Failure, reason) };
        let findings = "fails: line 3, column 15: too few; add 1 tab\nand 2 more";
        insta::assert_snapshot!(told(&failed, Some(findings)), @r"
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

    /// The same command under the usual configuration would look into another job log.
    #[test]
    fn every_command_that_reads_the_job_log_names_the_configuration() {
        let job = Job { unsettled: true, ..job("sales.txt", State::Held, "two candidates") };
        let text = explanation(&job, None, Path::new("/x"), &Program::reading(Path::new("/y.toml"))).unwrap();
        assert_eq!(text.matches("datadrop ").count(), text.matches("datadrop --config /y.toml ").count(), "{text}");
        assert_eq!(text.matches("datadrop ").count(), 5, "{text}");
    }
}
