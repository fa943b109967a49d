//! The people and programs that drop files: what they do to the folder, and what is heard of it.

use super::acts::Act;
use super::quiet::{Quiet, Why};
use super::script::{Chance, Rules};
use crate::clock::Moment;
use crate::inbox::Board;
use crate::inbox::readiness::Heard;
use crate::inbox::turns::{Told, tell};
use crate::job::{FileIdentity, Place, Sha256};
use crate::joblog::Job;
use crate::testing::reach::story;
use crate::testing::surroundings;
use sha2::Digest as _;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// A file that was complete when somebody was done with it, and has not been removed or overwritten by anybody since.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Complete {
    pub(super) name: String,
    pub(super) sha256: Sha256,
}

#[derive(Debug)]
pub(super) struct People {
    pub(super) folder: PathBuf,
    elsewhere: PathBuf,
    cookie: usize,
    pub(super) complete: Vec<Complete>,
    /// Every content that was ever complete, by its hash: nothing else may be sent. And the data day that it reports.
    pub(super) ever_complete: BTreeMap<String, Vec<u8>>,
    made: u64,
    /// Who has which file open for writing.
    pub(super) writing: Vec<Writing>,
    /// The kernel says so.
    leases: bool,
    /// No file has a time of birth, or all that were known are those of other files.
    pub(super) births_are_unknown: bool,
    /// What was closed a moment ago.
    pub(super) quiet: Quiet,
    /// What one writer has closed and another has open.
    closed_by_one: BTreeSet<String>,
    /// What lay in the inbox when the machine was set back.
    pub(super) lay_there: Vec<FileIdentity>,
    /// What lay in `held/` and `failed/` when the job log was.
    pub(super) unknown: BTreeSet<(&'static str, String)>,
    /// What was written on in `held/` and `failed/`, before everything was copied into new files.
    pub(super) written_on: BTreeSet<(&'static str, String)>,
}

/// A file that somebody has open for writing, and the name under which they know it.
#[derive(Debug, Clone)]
pub(super) struct Writing {
    name: String,
    by: u64,
    inode: u64,
}

/// The data day of a content, as its first row has it. Nothing: it has no row that is whole.
pub(super) fn day_of(content: &[u8]) -> Vec<u8> {
    let mut lines = content.split(|byte| *byte == b'\n').skip(1);
    lines
        .next()
        .filter(|row| row.split(|byte| *byte == b'\t').count() == 3)
        .map(|row| row[..10].to_vec())
        .unwrap_or_default()
}

pub(super) fn hash(content: &[u8]) -> Sha256 {
    Sha256::new(sha2::Sha256::digest(content).into())
}

impl People {
    pub(super) fn new(dir: &Path, rules: &Rules) -> Self {
        let (folder, elsewhere) = (dir.join("in"), dir.join("elsewhere"));
        fs::create_dir(&folder).unwrap();
        fs::create_dir(&elsewhere).unwrap();
        let ever_complete = [(hash(b"").to_string(), day_of(b""))].into();
        let (complete, writing) = (Vec::new(), Vec::new());
        let quiet = Quiet::default();
        Self {
            folder,
            elsewhere,
            cookie: 0,
            complete,
            ever_complete,
            made: 0,
            writing,
            leases: rules.leases,
            births_are_unknown: rules.inodes_of_paths,
            quiet,
            closed_by_one: BTreeSet::new(),
            lay_there: Vec::new(),
            unknown: BTreeSet::new(),
            written_on: BTreeSet::new(),
        }
    }

    /// Does it, and tells the board where there is one that listens, and the kernel where it is asked.
    pub(super) fn act(
        &mut self,
        act: Act,
        board: Option<&Board>,
        at: Moment,
        wall: i64,
        chance: &mut Chance,
    ) -> String {
        let told = self.do_it(act, board, at, wall, chance);
        self.show_writers();
        told
    }

    /// Whether this is a file that lay in the inbox when the machine was set back, as it lay there.
    pub(super) fn lay_there_then(&self, job: &Job) -> bool {
        job.identity.is_some_and(|identity| self.lay_there.contains(&identity))
    }

    /// To the kernel.
    pub(super) fn show_writers(&self) {
        let written = self.leases.then(|| self.writing.iter().map(|writing| writing.inode).collect());
        surroundings::with(|here| here.written = written);
    }

    fn do_it(&mut self, act: Act, board: Option<&Board>, at: Moment, wall: i64, chance: &mut Chance) -> String {
        let told = act.to_string();
        let hear = |name: &str, told: Told| {
            if let Some(board) = board {
                tell(board, name, told, at);
            }
        };
        match act {
            Act::MoveIn { name, content } => {
                let made = self.make(&content, wall);
                self.lost_at(&name);
                fs::rename(made, self.folder.join(&name)).unwrap();
                self.cookie += 1;
                hear(&name, Told::Arrived(self.cookie));
                self.completed(&name, &content);
            }
            Act::LinkIn { name, content } => {
                let made = self.make(&content, wall);
                self.lost_at(&name);
                let _ = fs::remove_file(self.folder.join(&name));
                hear(&name, Told::Removed);
                fs::hard_link(&made, self.folder.join(&name)).unwrap();
                fs::remove_file(made).unwrap();
                hear(&name, Told::Heard(Heard::Created));
                self.completed(&name, &content);
            }
            Act::Begin { name, content, writer } => {
                if self.is_being_written(&name) {
                    return format!("{told} (not, for somebody writes to it)");
                }
                self.lost_at(&name);
                let path = self.folder.join(&name);
                let new = !path.exists();
                let mut file = File::create(&path).unwrap();
                file.write_all(&content).unwrap();
                self.touch(&file, wall);
                self.opened(&name, writer, &file);
                if new {
                    hear(&name, Told::Heard(Heard::Created));
                }
                hear(&name, Told::Heard(Heard::Written));
            }
            Act::Join { name, writer } => {
                let path = self.folder.join(&name);
                if !self.is_being_written(&name) || !self.is_written(&path) {
                    return format!("{told} (not done: it has no writer)");
                }
                self.opened(&name, writer, &File::open(path).unwrap());
            }
            Act::GoOn { name, content, writer } => {
                if self.is_being_written(&name) {
                    return format!("{told} (not, for somebody writes to it)");
                }
                let path = self.folder.join(&name);
                let new = !path.exists();
                story(if new { "a next piece in a file of its own" } else { "a next piece in the same file" });
                self.lost_at(&name);
                let mut file = OpenOptions::new().append(true).create(true).open(&path).unwrap();
                file.write_all(&content).unwrap();
                self.touch(&file, wall);
                self.opened(&name, writer, &file);
                if new {
                    hear(&name, Told::Heard(Heard::Created));
                }
                hear(&name, Told::Heard(Heard::Written));
            }
            Act::KeepPart { name, content, is_of_1970 } => {
                let hidden = format!(".{name}.Ab3dE9");
                let path = self.folder.join(&hidden);
                let mut file = File::create(&path).unwrap();
                file.write_all(&content).unwrap();
                self.touch(&file, if is_of_1970 { 1000 } else { wall });
                for heard in [Heard::Created, Heard::Written, Heard::Closed] {
                    hear(&hidden, Told::Heard(heard));
                }
                self.lost_at(&name);
                fs::rename(path, self.folder.join(&name)).unwrap();
                self.cookie += 1;
                hear(&hidden, Told::Left(self.cookie));
                hear(&name, Told::Arrived(self.cookie));
                self.completed(&name, &content);
                let why = if is_of_1970 { Why::Of1970 } else { Why::CutOff };
                if is_of_1970 || board.is_some() {
                    self.quiet.begins(&name, hash(&content), why, at);
                }
            }
            Act::Append { name, content, writer } => {
                let Some(path) = self.is_at(&name, writer) else {
                    return format!("{told} (not, for it is not there any more)");
                };
                if self.closed_by_one.remove(&name) {
                    story("a second writer goes on after the first has closed");
                }
                let mut file = OpenOptions::new().append(true).open(&path).unwrap();
                file.write_all(&content).unwrap();
                self.touch(&file, wall);
                if let Some(name) = self.heard_as(&path) {
                    hear(&name, Told::Heard(Heard::Written));
                }
            }
            Act::Touch { name } => {
                let is_there = self.folder.join(&name).exists();
                if is_there {
                    hear(&name, Told::Heard(Heard::Touched));
                    hear(&name, Told::Heard(Heard::Closed));
                }
            }
            Act::Close { name, writer } => {
                let Some(path) = self.is_at(&name, writer) else {
                    return format!("{told} (not, for it is not there any more)");
                };
                self.writing.retain(|writing| writing.name != name || writing.by != writer);
                let heard_as = self.heard_as(&path);
                if let Some(name) = &heard_as {
                    hear(name, Told::Heard(Heard::Closed));
                }
                if self.is_written(&path) {
                    story("a writer that closes what another has open");
                    self.closed_by_one.insert(name);
                    return told;
                }
                let content = fs::read(path).unwrap();
                self.completed(&name, &content);
                if let (Some(name), Some(_)) = (heard_as, board) {
                    let why = if content.ends_with(b"\n") { Why::Closed } else { Why::CutOff };
                    self.quiet.begins(&name, hash(&content), why, at);
                }
            }
            Act::Rename { from, to, writer } => {
                let is_written = self.is_at(&from, writer).is_some_and(|path| self.heard_as(&path).is_some());
                let is_complete = self.complete.iter().any(|complete| complete.name == from);
                if !is_written && !is_complete || self.is_being_written(&to) {
                    return format!("{told} (not)");
                }
                self.lost_at(&to);
                fs::rename(self.folder.join(&from), self.folder.join(&to)).unwrap();
                for writing in self.writing.iter_mut().filter(|writing| writing.name == from) {
                    writing.name.clone_from(&to);
                }
                self.quiet.ends(&from);
                if let Some(complete) = self.complete.iter_mut().find(|complete| complete.name == from) {
                    complete.name.clone_from(&to);
                }
                self.cookie += 1;
                hear(&from, Told::Left(self.cookie));
                hear(&to, Told::Arrived(self.cookie));
            }
            Act::RemoveEmpty { name } if fs::metadata(self.folder.join(&name)).is_ok_and(|found| found.len() > 0) => {}
            Act::Remove { name } | Act::RemoveEmpty { name } => {
                self.lost_at(&name);
                if fs::remove_file(self.folder.join(&name)).is_ok() {
                    hear(&name, Told::Removed);
                }
            }
            Act::MoveBack => {
                let mut there = Vec::new();
                for place in [Place::Held, Place::Failed] {
                    let dir = self.folder.join(place.as_str());
                    let names = fs::read_dir(&dir).into_iter().flatten().map(|entry| entry.unwrap().path());
                    there.extend(names.filter(|path| path.extension().is_some_and(|extension| extension != "why")));
                }
                // What is renamed in is complete: no producer renames a file that is still written.
                there.retain(|path| !self.is_written(path));
                there.sort();
                if there.is_empty() {
                    return told;
                }
                let path = chance.pick(&there.iter().collect::<Vec<_>>()).clone();
                let name = path.file_name().unwrap().to_str().unwrap().to_owned();
                if self.folder.join(&name).exists() {
                    return told;
                }
                let content = fs::read(&path).unwrap();
                fs::rename(&path, self.folder.join(&name)).unwrap();
                self.cookie += 1;
                hear(&name, Told::Arrived(self.cookie));
                self.quiet.ends(&name);
                // It stays the file that it was, whatever name it bears now.
                let sha256 = hash(&content);
                // What somebody left under a hidden name was never moved anywhere.
                let is_it = |complete: &Complete| complete.sha256 == sha256 && !complete.name.starts_with('.');
                // Markers are all alike: only one of another name can have got this one.
                if !self.complete.iter().any(|complete| is_it(complete) && complete.name == name)
                    && let Some(complete) = self.complete.iter_mut().find(|complete| is_it(complete))
                {
                    complete.name = name;
                }
                return format!("{told}: {}", path.strip_prefix(&self.folder).unwrap().display());
            }
        }
        told
    }

    fn is_written(&self, path: &Path) -> bool {
        let inode = fs::symlink_metadata(path).map(|metadata| metadata.ino()).ok();
        self.writing.iter().any(|writing| Some(writing.inode) == inode)
    }

    fn is_being_written(&self, name: &str) -> bool {
        self.writing.iter().any(|writing| writing.name == name)
    }

    fn opened(&mut self, name: &str, by: u64, file: &File) {
        self.writing.push(Writing { name: name.to_owned(), by, inode: file.metadata().unwrap().ino() });
    }

    /// Returns where the file of a writer is: a writer that has it open writes on, wherever it was moved.
    fn is_at(&mut self, name: &str, writer: u64) -> Option<PathBuf> {
        let is_it = |writing: &Writing| writing.name == name && writing.by == writer;
        let inode = self.writing.iter().find(|writing| is_it(writing))?.inode;
        let has_inode = |path: &Path| fs::symlink_metadata(path).is_ok_and(|metadata| metadata.ino() == inode);
        let dirs = std::iter::once(self.folder.clone())
            .chain(Place::SUB_FOLDERS.into_iter().map(|place| self.folder.join(place.as_str())));
        let mut files = dirs.flat_map(|dir| fs::read_dir(dir).into_iter().flatten()).map(|entry| entry.unwrap().path());
        let found = files.find(|path| has_inode(path));
        if found.is_none() {
            self.writing.retain(|writing| !is_it(writing));
        }
        found
    }

    /// The name under which the folder's events tell of a file; only the inbox is watched.
    fn heard_as(&self, path: &Path) -> Option<String> {
        let in_inbox = path.parent() == Some(self.folder.as_path());
        in_inbox.then(|| path.file_name().unwrap().to_str().unwrap().to_owned())
    }

    /// Whatever lies there under this name now is about to be gone, by somebody's will.
    fn lost_at(&mut self, name: &str) {
        if let Some(what) = self.quiet.ends(name) {
            story(what);
        }
        let inode = fs::symlink_metadata(self.folder.join(name)).map(|metadata| metadata.ino()).ok();
        self.writing.retain(|writing| writing.name != name || Some(writing.inode) != inode);
        let Ok(content) = fs::read(self.folder.join(name)) else { return };
        let sha256 = hash(&content);
        if let Some(index) =
            self.complete.iter().rposition(|complete| complete.sha256 == sha256 && complete.name == name)
        {
            self.complete.remove(index);
        }
    }

    fn completed(&mut self, name: &str, content: &[u8]) {
        let sha256 = hash(content);
        self.ever_complete.insert(sha256.to_string(), day_of(content));
        self.complete.push(Complete { name: name.to_owned(), sha256 });
    }

    fn make(&mut self, content: &[u8], wall: i64) -> PathBuf {
        self.made += 1;
        let path = self.elsewhere.join(self.made.to_string());
        let mut file = File::create(&path).unwrap();
        file.write_all(content).unwrap();
        self.touch(&file, wall);
        path
    }

    /// The file system's own clock is coarse and real: times of files are those of the story.
    fn touch(&mut self, file: &File, wall: i64) {
        self.made += 1;
        let since = Duration::from_millis(u64::try_from(wall).unwrap_or(0)) + Duration::from_nanos(self.made);
        file.set_modified(SystemTime::UNIX_EPOCH + since).unwrap();
    }
}
