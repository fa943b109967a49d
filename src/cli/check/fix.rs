//! `check --fix`: a corrected copy of each file. The input is only read, and nothing is ever overwritten.

use super::fix_report::{self, Fixed};
use super::line_diff::LineDiff;
use super::{KEPT_FOR_PEOPLE, KEPT_FOR_PROGRAMS, Known};
use crate::check::{Changes, Checker, MendedLine, Mender, Plan, Survey};
use crate::cli::args::CheckArguments;
use crate::cli::failure::{Exit, Failure};
use crate::cli::interrupt::Stop;
use crate::cli::output::Output;
use crate::cli::place::{self, PlaceError};
use crate::folder::MARK;
use crate::folder::directory::Directory;
use crate::job::{Kind, Place, classify};
use crate::status::printable;
use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

/// Bytes of a file that are read at a time.
const CHUNK: usize = 256 * 1024;

/// Why a file was not mended.
enum Trouble {
    /// It is the file's: the others are mended.
    File(String),
    /// Nobody would read of the others.
    Output(Failure),
}

impl From<PlaceError> for Trouble {
    fn from(error: PlaceError) -> Self {
        Self::File(match error {
            PlaceError::Taken(path) => format!(
                "{}: there is a file of this name already; nothing was overwritten. Remove it, or name another folder with \
                 --out",
                path.display()
            ),
            PlaceError::Stopped(path) => format!("stopped; nothing was written for {}", path.display()),
            PlaceError::NotPlain(_)
            | PlaceError::Source { .. }
            | PlaceError::Changed(_)
            | PlaceError::Folder { .. } => error.to_string(),
        })
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Output(error.into())
    }
}

/// `folders`: those of the accounts, as far as a configuration names them.
pub(super) fn run(
    known: &Known,
    folders: &[PathBuf],
    arguments: &CheckArguments,
    output: &mut Output,
) -> Result<Exit, Failure> {
    let mut files = Vec::new();
    let mut is_failed = false;
    let stop = Stop::on_signals()?;
    for path in &arguments.files {
        if stop.is_set() {
            return Err(Failure::failed(format!("stopped; {} is not mended", printable(&path.display().to_string()))));
        }
        match fix(path, (known, folders), arguments, &stop, output) {
            Ok(fixed) => {
                if arguments.diff {
                    output.note(fix_report::text(&fixed, output.screen().map(|(width, _)| width)).trim_end())?;
                } else if !arguments.json {
                    let gap = if files.is_empty() { "" } else { "\n" };
                    let text = fix_report::text(&fixed, output.screen().map(|(width, _)| width));
                    output.data(&format!("{gap}{text}"))?;
                }
                files.push(fixed);
            }
            Err(Trouble::Output(failure)) => return Err(failure),
            Err(Trouble::File(why)) => {
                is_failed = true;
                output.message(&why)?;
            }
        }
    }
    if arguments.json {
        output.data(&fix_report::json(&files)?)?;
    }
    let are_clean = files.iter().all(|fixed| fixed.checked.findings.worst().is_none());
    Ok(if is_failed { Exit::Failed } else { Exit::all(are_clean) })
}

/// Reads a file twice, and a third time if there is something to write: no file has to fit into memory.
fn fix(
    path: &Path,
    (known, folders): (&Known, &[PathBuf]),
    arguments: &CheckArguments,
    stop: &Stop,
    output: &mut Output,
) -> Result<Fixed, Trouble> {
    let is_unsafe = arguments.also_unsafe;
    let keep = if arguments.json { KEPT_FOR_PROGRAMS } else { KEPT_FOR_PEOPLE };
    let mut input = Input::open(path, stop)?;
    let (name, is_only_shown) = (path.display().to_string(), arguments.diff);
    let mut checker = Checker::new(&known.facts(path.file_name().unwrap_or_default(), keep));
    let mut survey = Survey::new(known.suite.as_ref(), is_unsafe);
    input.read(|bytes| {
        checker.update(bytes);
        survey.update(bytes);
        Ok(())
    })?;
    let (plan, before) = (survey.finish(), checker.finish());
    if before.kind == Kind::Fin || plan.obstacle.is_some() {
        let (copy, obstacle, changes) = (None, plan.obstacle, Changes::default());
        return Ok(Fixed { name, copy, is_only_shown, obstacle, changes, checked: before });
    }

    let (folder, copy_name) = target(path, arguments.out.as_deref(), known);
    let copy = folder.join(&copy_name).display().to_string();
    let mut diff = arguments.diff.then(|| LineDiff::new(&printable(&name), &printable(&copy)));
    let mut checker = Checker::new(&known.facts(&copy_name, keep));
    let mut size = 0;
    let changes = mend(&mut input, &plan, known, is_unsafe, diff.as_mut(), |bytes, lines| {
        size += bytes.len() as u64;
        checker.update(bytes);
        if lines.is_empty() { Ok(()) } else { output.data(lines).map_err(Trouble::from) }
    })?;
    let after = checker.finish();
    if !changes.is_any_done() {
        return Ok(Fixed { name, copy: None, is_only_shown, obstacle: None, changes, checked: before });
    }
    if after.rows_expected != plan.rows_expected {
        let what = "mending would change the number of rows, by a defect of datadrop; nothing was written";
        return Err(Trouble::File(format!("{}: {what}. Please report this", printable(&name))));
    }
    if !arguments.diff {
        let mut written = 0;
        let folder = open(&folder, folders, arguments.out.is_some())?;
        place::write_in(&folder, &copy_name, |output| {
            let unwritable = |why| PlaceError::Folder { path: folder.path().to_owned(), why };
            let mut failed = None;
            let mended = mend(&mut input, &plan, known, is_unsafe, None, |bytes, _| {
                written += bytes.len() as u64;
                output.write_all(bytes).map_err(|why| {
                    failed = Some(unwritable(why));
                    Trouble::File(String::new())
                })
            });
            match (failed, mended) {
                (Some(error), _) => Err(error),
                (None, Ok(_)) if written == size => Ok(()),
                (None, Ok(_) | Err(_)) if stop.is_set() => Err(PlaceError::Stopped(path.to_owned())),
                (None, Ok(_) | Err(_)) => Err(PlaceError::Changed(path.to_owned())),
            }
        })?;
    }
    Ok(Fixed { name, copy: Some(copy), is_only_shown, obstacle: None, changes, checked: after })
}

/// Mends a file in another pass: hands on the bytes that each part of it becomes, and what the diff says of them.
fn mend(
    input: &mut Input,
    plan: &Plan,
    known: &Known,
    is_unsafe: bool,
    mut diff: Option<&mut LineDiff>,
    mut each: impl FnMut(&[u8], &str) -> Result<(), Trouble>,
) -> Result<Changes, Trouble> {
    let mut mender = Mender::new(plan, known.suite.as_ref(), is_unsafe);
    let mut bytes = Vec::new();
    let note = |bytes: &mut Vec<u8>, diff: &mut Option<&mut LineDiff>, line: &MendedLine<'_>| {
        bytes.extend_from_slice(line.after);
        bytes.extend_from_slice(line.end.bytes());
        if let Some(diff) = diff {
            diff.push(line);
        }
    };
    input.read(|part| {
        bytes.clear();
        mender.update(part, |line| note(&mut bytes, &mut diff, line));
        each(&bytes, &diff.as_mut().map(|diff| diff.take()).unwrap_or_default())
    })?;
    bytes.clear();
    let changes = mender.finish(|line| note(&mut bytes, &mut diff, line));
    each(&bytes, &diff.map(LineDiff::finish).unwrap_or_default())?;
    Ok(changes)
}

/// Folder and name of the copy. Beside the input, its name says that it is one.
fn target(path: &Path, out: Option<&Path>, known: &Known) -> (PathBuf, OsString) {
    let name = path.file_name().unwrap_or_default();
    if let Some(out) = out {
        return (out.to_owned(), name.to_owned());
    }
    let is_data = classify(name, &known.extensions) == Some(Kind::Data);
    let extension = Path::new(name).extension().filter(|_| is_data).unwrap_or(OsStr::new("txt"));
    let stem = Path::new(name).file_stem().unwrap_or_default();
    // White space at the beginning makes Adobe overlook a file.
    let mut copy = stem.to_str().map_or_else(|| stem.to_owned(), |stem| stem.trim_start().into());
    copy.push(".fixed.");
    copy.push(extension);
    (path.parent().unwrap_or(Path::new("")).to_owned(), copy)
}

/// Opens the folder of a copy. In an account's folder the daemon would send the copy beside the file itself, and what lies in
/// its sub-folders is the daemon's (DESIGN F1, P3). Before its first start, a folder has no mark, but `folders` has it.
fn open(folder: &Path, folders: &[PathBuf], is_named: bool) -> Result<Directory, Trouble> {
    let path = if folder == Path::new("") { Path::new(".") } else { folder };
    let unusable =
        |error: io::Error| Trouble::File(format!("{}: the folder cannot be opened: {error}", path.display()));
    let directory = Directory::open(path).map_err(unusable)?;
    // Names are compared, and no folder of the configuration is opened: it may be on a share that hangs (DESIGN F10).
    let names = [path.canonicalize().map_err(unusable)?, std::path::absolute(path).map_err(unusable)?];
    let is_configured = |name: &Path| folders.iter().any(|folder| folder == name);
    let has_mark = |directory: &Directory| directory.entry(MARK).is_ok();
    let is_inbox = has_mark(&directory) || names.iter().any(|name| is_configured(name));
    let is_below = names.iter().any(|name| {
        let is_place = Place::SUB_FOLDERS.iter().any(|place| name.ends_with(place.as_str()));
        let above = name.parent().filter(|_| is_place);
        above.is_some_and(|above| is_configured(above) || Directory::open(above).is_ok_and(|above| has_mark(&above)))
    });
    if is_below || !is_named && is_inbox {
        return Err(Trouble::File(format!(
            "{} is a folder of an account, in which the copy could be sent in addition to the file; nothing was written. \
             Name another folder with --out",
            path.display()
        )));
    }
    Ok(directory)
}

/// A file that is read several times, and must not change meanwhile.
struct Input {
    path: PathBuf,
    file: File,
    before: Metadata,
    buffer: Vec<u8>,
    stop: Stop,
}

impl Input {
    /// Opens a plain file. A link is none: what it leads to may change.
    fn open(path: &Path, stop: &Stop) -> Result<Self, Trouble> {
        let (file, before) = place::open_plain(path)?;
        Ok(Self { path: path.to_owned(), file, before, buffer: vec![0; CHUNK], stop: stop.clone() })
    }

    /// Hands on the whole file.
    fn read(&mut self, mut each: impl FnMut(&[u8]) -> Result<(), Trouble>) -> Result<(), Trouble> {
        let unreadable = |why| PlaceError::Source { path: self.path.clone(), why };
        self.file.rewind().map_err(unreadable)?;
        let mut size = 0;
        loop {
            if self.stop.is_set() {
                return Err(PlaceError::Stopped(self.path.clone()).into());
            }
            let read = match self.file.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unreadable(error).into()),
            };
            size += read as u64;
            each(self.buffer.get(..read).unwrap_or_default())?;
        }
        let after = self.file.metadata().map_err(unreadable)?;
        if size != self.before.len() || place::stamp(&self.before) != place::stamp(&after) {
            return Err(PlaceError::Changed(self.path.clone()).into());
        }
        Ok(())
    }
}
