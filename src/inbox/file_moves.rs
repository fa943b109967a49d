//! The moves that the job log wants of a folder (DESIGN F1, F3).

use super::folder_settings::Interrupted;
use super::read_content;
use super::why_text::explanation;
use super::worker::FolderWorker;
use crate::clock::now;
use crate::folder::directory::Directory;
use crate::folder::{AccountFolder, FolderProblem, Touched, Wanted};
use crate::job::{Command, Kind, Place, stem};
use crate::joblog::{Filed, Job};
use std::ffi::{OsStr, OsString};
use std::io;

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
                    read_content(directory, name, job.kind, &self.settings.state_dir).map(|content| content.fingerprint)
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
