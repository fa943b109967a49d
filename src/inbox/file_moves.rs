//! The moves that the job log wants of a folder, and the text of a `.why` (DESIGN F1, F3).

use super::folder_settings::Interrupted;
use super::read_content;
use super::worker::FolderWorker;
use crate::clock::now;
use crate::folder::directory::Directory;
use crate::folder::{AccountFolder, FolderProblem, Touched, Wanted};
use crate::job::{Command, Kind, Place, Program, printable, shell_word, stem};
use crate::joblog::{Filed, Job};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;

/// Maximum number of moves that share their fsyncs and their transaction.
const MOVES: usize = 256;

/// Moves that were made, by the names in the inbox.
#[derive(Debug, Default)]
pub(super) struct Moves {
    pub(super) out: Vec<OsString>,
    pub(super) back: Vec<OsString>,
}

impl FolderWorker {
    /// Makes the moves that the job log wants, then writes down that they were made.
    pub(super) fn file_away(&self, folder: &AccountFolder) -> Result<Moves, Interrupted> {
        let mut made = Moves::default();
        loop {
            let unfiled = self.reader.unfiled(&self.settings.account, MOVES)?;
            if unfiled.is_empty() {
                return Ok(made);
            }
            // A separate flag reports what becomes due meanwhile, which shares its fsyncs with what comes after it.
            let is_all = unfiled.len() < MOVES;
            folder.check()?;
            let mut touched = Touched::new();
            let mut filed = Vec::with_capacity(unfiled.len());
            let mut failure = None;
            for job in unfiled {
                self.progress.alive();
                let read = |directory: &Directory, name: &OsStr| {
                    read_content(directory, name, job.kind, &self.settings.state_dir, || ())
                        .map(|content| content.fingerprint)
                };
                // A job log that cannot be read says nothing against it, nor does a move of another that is due; the content has
                // its say in any case.
                let is_of_another = |place: Place, name: &OsStr| {
                    let filed = self.reader.filed_job(&self.settings.account, place, name);
                    filed.is_ok_and(|other| other.is_some_and(|other| other.may_have(job.id, job.sha256)))
                };
                let wanted = Wanted {
                    job: job.id,
                    name: &job.disk_name,
                    from: job.place,
                    to: job.state.place(),
                    hashed: job.identity,
                    sha256: job.sha256,
                    was_sent: job.unsettled || job.state.is_accepted(),
                    read: &read,
                    is_of_another: &is_of_another,
                };
                let moved = folder.move_file(&wanted, &mut touched);
                match moved {
                    Ok(moved) => {
                        if moved.place == Place::Inbox {
                            made.back.push(moved.name.clone());
                        }
                        if moved.place == job.state.place() {
                            self.explain(folder, &job, &moved.name)?;
                        }
                        if self.settings.generates_markers && needs_marker(&job) {
                            // Before the move is written down: a crash in between makes it again, and finds it made.
                            folder
                                .make_marker(stem(&job.file_name))
                                .map_err(|error| cannot_file(folder, &job, &error))?;
                            touched.insert(Place::Inbox);
                        }
                        let lies_in = folder.place(moved.place);
                        if let Some(note) = &moved.note {
                            let account = &self.settings.account;
                            tracing::warn!(
                                account,
                                job = job.id.0,
                                "{}: job {}: {note}",
                                job.disk_name.display(),
                                job.id
                            );
                        }
                        let is_new = job.place == Place::Inbox
                            && moved.place == Place::Gone
                            && lies_in.entry(&moved.name).is_ok();
                        if is_new {
                            made.back.push(job.disk_name.clone());
                        } else if job.place == Place::Inbox {
                            made.out.push(job.disk_name.clone());
                        }
                        filed.push(Filed {
                            is_new,
                            id: job.id,
                            place: moved.place,
                            path: lies_in.path_of(&moved.name),
                            disk_name: moved.name,
                            identity: moved.identity,
                            note: moved.note,
                        });
                    }
                    Err(error) => {
                        failure = Some(cannot_file(folder, &job, &error));
                        break;
                    }
                }
            }
            folder.sync(&touched).map_err(|error| FolderProblem::Unfit {
                dir: folder.dir().to_owned(),
                why: format!("the moves in it cannot be made durable: {error}"),
            })?;
            self.joblog.filed(filed, now()).wait()?;
            if let Some(problem) = failure {
                return Err(problem.into());
            }
            if is_all {
                return Ok(made);
            }
        }
    }

    /// An accepted file gets its marker when it is moved (`fin = "generate"`); one whose place another took is not moved.
    pub(super) fn make_missing_markers(&self, folder: &AccountFolder) -> Result<(), Interrupted> {
        if !self.settings.generates_markers {
            return Ok(());
        }
        for stem in self.reader.stems_without_marker(&self.settings.account)? {
            folder
                .make_marker(&stem)
                .map_err(|error| FolderProblem::unfit(folder.dir(), "no marker can be made in it", &error))?;
        }
        Ok(())
    }

    fn explain(&self, folder: &AccountFolder, job: &Job, name: &OsStr) -> Result<(), Interrupted> {
        let place = job.state.place();
        if !matches!(place, Place::Held | Place::Failed) {
            return Ok(());
        }
        #[cfg(test)]
        crate::testing::reach::met(crate::testing::reach::Met::Explained);
        let findings = self.reader.findings(job.id)?;
        let path = folder.place(place).path_of(name);
        if let Some(text) = explanation(job, findings.as_deref(), &path, &self.settings.program)
            && let Err(error) = folder.write_why(place, name, &text)
        {
            tracing::warn!(
                account = %self.settings.account,
                job = job.id.0,
                "no .why can be written beside {}: {error}; `{}` tells the same",
                name.display(),
                Command::Show(job.id).line(&self.settings.program)
            );
        }
        Ok(())
    }
}

/// Returns whether it was accepted and no marker was sent with it.
fn needs_marker(job: &Job) -> bool {
    job.kind == Kind::Data && job.pair.is_none() && matches!(job.state.place(), Place::Sent | Place::Done)
}

fn cannot_file(folder: &AccountFolder, job: &Job, error: &io::Error) -> FolderProblem {
    let what = format!("{} cannot be moved to {}/", job.disk_name.display(), job.state.place().as_str());
    FolderProblem::unfit(folder.dir(), &what, error)
}

/// The text for people, or `None` where the job's state needs none. `findings`: what the check found, each on a line of its
/// own. `path`: where the file lies now.
pub(super) fn explanation(job: &Job, findings: Option<&str>, path: &Path, program: &Program) -> Option<String> {
    let (id, account) = (job.id, job.account.as_str());
    let verdict = job.verdict(None)?;
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
