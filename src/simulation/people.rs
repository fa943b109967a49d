//! The people and programs that drop files: what they do to the folder, and what is heard of it.

use super::plan::{Chance, Dropped, Marker, Way};
use crate::ambient::simulated;
use crate::job::{Place, Sha256};
use crate::ready::{Heard, Moment};
use crate::watch::Board;
use crate::watch::simulated::{Told, tell};
use sha2::Digest as _;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// One thing that somebody does.
#[derive(Debug, Clone)]
pub(super) enum Act {
    /// Writes elsewhere, renames in.
    MoveIn { name: String, content: Vec<u8> },
    /// Links in what was written elsewhere.
    LinkIn { name: String, content: Vec<u8> },
    /// Opens for writing, new or truncated, and writes. Nobody begins what another is at.
    Begin { name: String, content: Vec<u8>, writer: u64 },
    /// Writes more to the file that was begun.
    Append { name: String, content: Vec<u8>, writer: u64 },
    /// Somebody else opens it for writing and closes it, and writes nothing.
    Touch { name: String },
    /// Closes it: now it is complete.
    Close { name: String, writer: u64 },
    /// Renames within the folder.
    Rename { from: String, to: String, writer: u64 },
    /// Removes.
    Remove { name: String },
    /// Moves something back out of `held/` or `failed/`.
    MoveBack,
}

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
    /// Every content that was ever complete: nothing else may be sent.
    pub(super) ever_complete: BTreeSet<String>,
    made: u64,
    /// Who writes to which file under which name.
    writing: BTreeMap<String, (u64, u64)>,
    /// The kernel says so.
    leases: bool,
}

/// Contents as text, for the story.
impl fmt::Display for Act {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |content: &[u8]| String::from_utf8_lossy(content).replace('\n', "|").replace('\t', " ");
        match self {
            Self::MoveIn { name, content } => write!(f, "{name} is renamed in: {}", text(content)),
            Self::LinkIn { name, content } => write!(f, "{name} is linked in: {}", text(content)),
            Self::Begin { name, content, .. } => write!(f, "{name} is begun: {}", text(content)),
            Self::Append { name, content, .. } => write!(f, "{name} is written on: {}", text(content)),
            Self::Touch { name } => write!(f, "{name} is opened and closed by somebody else"),
            Self::Close { name, .. } => write!(f, "{name} is closed"),
            Self::Rename { from, to, .. } => write!(f, "{from} is renamed to {to}"),
            Self::Remove { name } => write!(f, "{name} is removed"),
            Self::MoveBack => f.write_str("something is moved back"),
        }
    }
}

pub(super) fn hash(content: &[u8]) -> Sha256 {
    Sha256::new(sha2::Sha256::digest(content).into())
}

impl People {
    pub(super) fn new(dir: &Path, leases: bool) -> Self {
        let (folder, elsewhere) = (dir.join("in"), dir.join("elsewhere"));
        fs::create_dir(&folder).unwrap();
        fs::create_dir(&elsewhere).unwrap();
        let mut ever_complete = BTreeSet::new();
        ever_complete.insert(hash(b"").to_string());
        let (complete, writing) = (Vec::new(), BTreeMap::new());
        Self { folder, elsewhere, cookie: 0, complete, ever_complete, made: 0, writing, leases }
    }

    /// What a drop comes to, in steps with their times.
    pub(super) fn steps_of(&self, dropped: &Dropped, chance: &mut Chance) -> Vec<(Duration, Act)> {
        let name = dropped.name.to_owned();
        let chunks: Vec<Vec<u8>> = (0..dropped.chunks).map(|chunk| chunk_of(dropped.content, chunk)).collect();
        let whole = chunks.concat();
        let marker = format!("{}.fin", crate::job::stem(dropped.name));
        let mut steps = Vec::new();
        let mut at = Duration::ZERO;
        let writer = chance.below(u64::MAX);
        if dropped.marker == Marker::Before {
            steps.push((at, Act::MoveIn { name: marker.clone(), content: Vec::new() }));
            at += chance.millis(0, 3000);
        }
        let mut written = |steps: &mut Vec<(Duration, Act)>, at: &mut Duration, first: &str, then: &str| {
            for (index, content) in chunks.iter().cloned().enumerate() {
                let name = if index == 0 { first } else { then }.to_owned();
                if index == 0 {
                    steps.push((*at, Act::Begin { name: name.clone(), content, writer }));
                    if first != then {
                        steps.push((*at, Act::Rename { from: name, to: then.to_owned(), writer }));
                    }
                } else {
                    steps.push((*at, Act::Append { name, content, writer }));
                }
                if self.leases && chance.percent(30) {
                    steps.push((*at, Act::Touch { name: then.to_owned() }));
                }
                // Shorter than what proves completeness where nothing is heard and nobody can be asked.
                let is_long = self.leases && chance.percent(30);
                *at += if is_long { chance.seconds(5, 400) } else { chance.millis(1, 4000) };
            }
            steps.push((*at, Act::Close { name: then.to_owned(), writer }));
        };
        match dropped.way {
            Way::MovedIn => steps.push((at, Act::MoveIn { name, content: whole })),
            Way::Linked => steps.push((at, Act::LinkIn { name, content: whole })),
            Way::Written => written(&mut steps, &mut at, &name, &name),
            Way::Renamed => {
                let hidden = format!(".{name}.part");
                written(&mut steps, &mut at, &hidden, &hidden);
                steps.push((at, Act::Rename { from: hidden, to: name, writer }));
            }
            Way::RenamedWhileWritten => written(&mut steps, &mut at, &format!(".{name}.part"), &name),
        }
        let later = match dropped.marker {
            Marker::None | Marker::Before => None,
            Marker::After => Some(Duration::ZERO),
            Marker::MuchLater => Some(chance.seconds(1, 300)),
        };
        if let Some(later) = later {
            steps.push((at + later, Act::MoveIn { name: marker, content: Vec::new() }));
        }
        steps
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
        let written = self.leases.then(|| self.writing.values().map(|(_, inode)| *inode).collect());
        simulated::with(|here| here.written = written);
        told
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
                if self.writing.contains_key(&name) {
                    return format!("{told} (not, for somebody writes to it)");
                }
                self.lost_at(&name);
                let path = self.folder.join(&name);
                let new = !path.exists();
                let mut file = File::create(&path).unwrap();
                file.write_all(&content).unwrap();
                self.touch(&file, wall);
                self.writing.insert(name.clone(), (writer, file.metadata().unwrap().ino()));
                if new {
                    hear(&name, Told::Heard(Heard::Created));
                }
                hear(&name, Told::Heard(Heard::Written));
            }
            Act::Append { name, content, writer } => {
                let Some(path) = self.is_at(&name, writer) else {
                    return format!("{told} (not, for it is not there any more)");
                };
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
                self.writing.remove(&name);
                if let Some(name) = self.heard_as(&path) {
                    hear(&name, Told::Heard(Heard::Closed));
                }
                let content = fs::read(path).unwrap();
                self.completed(&name, &content);
            }
            Act::Rename { from, to, writer } => {
                let is_written = self.is_at(&from, writer).is_some_and(|path| self.heard_as(&path).is_some());
                let is_complete = self.complete.iter().any(|complete| complete.name == from);
                if !is_written && !is_complete || self.writing.contains_key(&to) {
                    return format!("{told} (not)");
                }
                self.lost_at(&to);
                fs::rename(self.folder.join(&from), self.folder.join(&to)).unwrap();
                if let Some(writing) = self.writing.remove(&from) {
                    self.writing.insert(to.clone(), writing);
                }
                if let Some(complete) = self.complete.iter_mut().find(|complete| complete.name == from) {
                    complete.name.clone_from(&to);
                }
                self.cookie += 1;
                hear(&from, Told::Left(self.cookie));
                hear(&to, Told::Arrived(self.cookie));
            }
            Act::Remove { name } => {
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
                // What is renamed in is complete: nobody does that to a file that is still written.
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
        self.writing.values().any(|(_, written)| Some(*written) == inode)
    }

    /// Where the file is that somebody writes to: whoever has it open writes on, wherever it was moved.
    fn is_at(&mut self, name: &str, writer: u64) -> Option<PathBuf> {
        let &(by, inode) = self.writing.get(name)?;
        let has_inode = |path: &Path| fs::symlink_metadata(path).is_ok_and(|metadata| metadata.ino() == inode);
        let dirs = std::iter::once(self.folder.clone())
            .chain(Place::SUB_FOLDERS.into_iter().map(|place| self.folder.join(place.as_str())));
        let mut files = dirs.flat_map(|dir| fs::read_dir(dir).into_iter().flatten()).map(|entry| entry.unwrap().path());
        let found = files.find(|path| has_inode(path));
        if found.is_none() {
            self.writing.remove(name);
        }
        found.filter(|_| by == writer)
    }

    /// The name under which the folder's events tell of a file; only the inbox is watched.
    fn heard_as(&self, path: &Path) -> Option<String> {
        let in_inbox = path.parent() == Some(self.folder.as_path());
        in_inbox.then(|| path.file_name().unwrap().to_str().unwrap().to_owned())
    }

    /// Whatever lies there under this name now is about to be gone, by somebody's will.
    fn lost_at(&mut self, name: &str) {
        let inode = fs::symlink_metadata(self.folder.join(name)).map(|metadata| metadata.ino()).ok();
        if self.writing.get(name).is_some_and(|(_, written)| Some(*written) == inode) {
            self.writing.remove(name);
        }
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
        self.ever_complete.insert(sha256.to_string());
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

/// A part of a content: a line or two, so that rows can be lost.
fn chunk_of(content: u64, chunk: u64) -> Vec<u8> {
    let head = if chunk == 0 { "Date\tEvar 1\tEvent 1\n" } else { "" };
    format!("{head}11/23/2026\tcontent {content} part {chunk}\t1\n11/23/2026\tmore of {content}\t{chunk}\n")
        .into_bytes()
}
