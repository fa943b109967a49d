//! Compares one account's `done/` with the job log.
//!
//! The daemon may file and remove files meanwhile, so a difference counts only if the job log still says the same after it
//! was seen.

use crate::cli::failure::Failure;
use crate::config::{AccountConfig, Config};
use crate::folder::directory::{Directory, EntryType};
use crate::folder::{FolderProblem, glimpse};
use crate::inbox::read_content;
use crate::job::{Command, JobId, Kind, Place, Problem, Program, counted, shell_word};
use crate::joblog::{DoneFile, Reader};
use serde::Serialize;
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

/// Number of rows that are read from the job log at once.
const STEP: usize = 1000;

/// How a file differs from what the job log says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    /// It holds something else than what was sent.
    Changed,
    /// It is not there, and `keep.done` did not remove it.
    Missing,
    /// No job filed it.
    Foreign,
    /// It cannot be read.
    Unreadable,
}

impl Status {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Missing => "missing",
            Self::Foreign => "foreign",
            Self::Unreadable => "unreadable",
        }
    }
}

/// A file that is not as the job log says.
#[derive(Debug)]
pub(super) struct Difference {
    pub(super) path: PathBuf,
    /// The job that filed it, or that sent what it holds.
    pub(super) job: Option<JobId>,
    pub(super) status: Status,
    pub(super) problem: Problem,
}

/// What a comparison found.
#[derive(Debug, Default)]
pub(super) struct Comparison {
    /// Files that hold what was sent.
    pub(super) same: usize,
    pub(super) differences: Vec<Difference>,
}

/// Compares. `tell` hears how many files were read, and of how many; it is called at each read, too.
///
/// # Errors
/// The folder is not the account's or cannot be listed, or the job log cannot be read.
pub(super) fn compare(
    config: &Config,
    account: &AccountConfig,
    reader: &Reader,
    tell: impl Fn(usize, usize),
) -> Result<Comparison, Failure> {
    let row = reader.accounts()?.into_iter().find(|row| row.name == account.name).unwrap_or_default();
    let (inbox, _) = glimpse(&account.name, &account.folder, row.folder_mark.as_deref())?;
    let path = inbox.path_of(Place::Done.as_str());
    let unfit = |what: &'static str| {
        let path = path.clone();
        move |error: io::Error| Failure::from(FolderProblem::unfit(&path, what, &error))
    };
    let directory = match inbox.open_directory(Place::Done.as_str()) {
        Ok(directory) => Some(directory),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(unfit("it cannot be opened")(error)),
    };
    let newest = newest_by_name(reader, &account.name, || tell(0, 0))?;
    let mut work = Work {
        account,
        reader,
        state_dir: &config.state_dir,
        program: config.program(),
        path: &path,
        directory: directory.as_ref(),
        comparison: Comparison::default(),
    };
    let (all, mut read) = (newest.len(), 0);
    each_done_file(reader, &account.name, |file| {
        let owner = newest.get(&file.disk_name).copied().unwrap_or(file.id);
        work.compare(&file, owner, || tell(read, all))?;
        read += usize::from(owner == file.id);
        tell(read, all);
        Ok(())
    })?;
    if let Some(directory) = &directory {
        for name in directory.names().map_err(unfit("it cannot be listed"))? {
            let name = name.map_err(unfit("it cannot be listed"))?;
            tell(read, all);
            // Hidden files are ignored wherever they are.
            if !name.as_encoded_bytes().starts_with(b".") && !newest.contains_key(&name) {
                work.look_at_stranger(directory, &name, || tell(read, all))?;
            }
        }
    }
    Ok(work.comparison)
}

/// Which job each name belongs to: the newest, if a person removed the file of an older one before.
fn newest_by_name(reader: &Reader, account: &str, tell: impl Fn()) -> Result<HashMap<OsString, JobId>, Failure> {
    let mut newest = HashMap::new();
    each_done_file(reader, account, |file| {
        tell();
        newest.insert(file.disk_name, file.id);
        Ok(())
    })?;
    Ok(newest)
}

fn each_done_file(
    reader: &Reader,
    account: &str,
    mut each: impl FnMut(DoneFile) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut after = JobId(0);
    loop {
        let files = reader.done_files(account, after, STEP)?;
        let Some(last) = files.last() else { return Ok(()) };
        after = last.id;
        files.into_iter().try_for_each(&mut each)?;
    }
}

struct Work<'a> {
    account: &'a AccountConfig,
    reader: &'a Reader,
    state_dir: &'a Path,
    program: Program,
    path: &'a Path,
    directory: Option<&'a Directory>,
    comparison: Comparison,
}

impl Work<'_> {
    /// Compares the file of a job. `owner`: the newest job whose file has this name.
    fn compare(&mut self, file: &DoneFile, owner: JobId, alive: impl Fn()) -> Result<(), Failure> {
        let found = match self.directory {
            _ if owner != file.id => {
                let what = format!("the file is not there: that of job {owner} has its name now");
                Found::Differs(Status::Missing, what.into())
            }
            None => missing(),
            Some(directory) => self.look(directory, file, alive),
        };
        let (status, problem) = match found {
            Found::Same => {
                self.comparison.same += 1;
                return Ok(());
            }
            Found::Differs(status, problem) => (status, problem),
        };
        // It may have left since, as keep.done says, or have gone back into the folder (DESIGN F2).
        let now = self.reader.done_files(&self.account.name, JobId(file.id.0.saturating_sub(1)), 1)?;
        if now.first().is_some_and(|now| now.id == file.id && now.disk_name == file.disk_name && !now.is_leaving) {
            self.note(&file.disk_name, Some(file.id), status, problem);
        }
        Ok(())
    }

    fn look(&self, directory: &Directory, file: &DoneFile, alive: impl Fn()) -> Found {
        let unreadable = |error: &io::Error| Found::Differs(Status::Unreadable, unreadable(error));
        match directory.find(&file.disk_name) {
            Ok(None) => return missing(),
            Ok(Some(entry)) if !entry.is_plain() => {
                let what = format!("{} has the name of what was sent", entry.entry_type.words());
                return Found::Differs(Status::Changed, Problem::new(what, self.show(file.id)));
            }
            Ok(Some(_)) => {}
            Err(error) => return unreadable(&error),
        }
        let content = match read_content(directory, &file.disk_name, file.kind, self.state_dir, alive) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return missing(),
            Err(error) => return unreadable(&error),
        };
        if file.sha256.is_none_or(|sha256| sha256 == content.fingerprint.sha256) {
            return Found::Same;
        }
        let rows = counted(content.rows_expected.cast_signed(), "row");
        let what = match (file.kind, file.rows) {
            (Kind::Data, Some(sent)) => format!("it does not hold what was sent: it has {rows}, and {sent} were sent"),
            (Kind::Data | Kind::Fin, _) => "it does not hold what was sent".to_owned(),
        };
        Found::Differs(Status::Changed, Problem::new(what, self.show(file.id)))
    }

    /// Judges a name that no job had when the job log was read.
    fn look_at_stranger(&mut self, directory: &Directory, name: &OsStr, alive: impl Fn()) -> Result<(), Failure> {
        let Ok(Some(entry)) = directory.find(name) else { return Ok(()) };
        let path = self.path.join(name);
        let words = format!("{} explain {}", self.program.as_str(), shell_word(&path.to_string_lossy()));
        let explain = format!("to see what can be done: `{words}`");
        let foreign = |what: &str| Problem::new(what, explain.clone());
        match entry.entry_type {
            EntryType::Plain => {}
            EntryType::Directory => {
                self.note(name, None, Status::Foreign, foreign("it is a directory, and datadrop makes none there"));
                return Ok(());
            }
            EntryType::Link | EntryType::Pipe | EntryType::Socket | EntryType::Device => {
                let what = format!("it is {}, and no job filed it", entry.entry_type.words());
                self.note(name, None, Status::Foreign, foreign(&what));
                return Ok(());
            }
        }
        // Of either kind, its hash is the same.
        let content = match read_content(directory, name, Kind::Data, self.state_dir, alive) {
            Ok(content) => content,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => {
                self.note(name, None, Status::Unreadable, unreadable(&error));
                return Ok(());
            }
        };
        match self.reader.done_with_content(&self.account.name, content.fingerprint.sha256)? {
            // It was filed since, or is being filed.
            Some(its) if its.disk_name == name || its.is_leaving => self.comparison.same += 1,
            Some(its) => {
                let what = format!("no job filed it under this name; it holds what job {} sent", its.id);
                self.note(name, Some(its.id), Status::Foreign, foreign(&what));
            }
            None => self.note(name, None, Status::Foreign, foreign("no job filed it")),
        }
        Ok(())
    }

    fn show(&self, id: JobId) -> String {
        format!("to see what was sent: `{}`", Command::Show(id).line(&self.program))
    }

    fn note(&mut self, name: &OsStr, job: Option<JobId>, status: Status, problem: Problem) {
        self.comparison.differences.push(Difference { path: self.path.join(name), job, status, problem });
    }
}

/// What lies under the name of a job's file.
enum Found {
    Same,
    Differs(Status, Problem),
}

fn missing() -> Found {
    Found::Differs(Status::Missing, "the file is not there, and keep.done did not remove it".into())
}

fn unreadable(error: &io::Error) -> Problem {
    Problem::new(format!("it cannot be read: {error}"), "run the command as the user that runs the service")
}
