//! An account's folder: marked, locked, held open and fit for use (DESIGN F4, F5, F9), or only looked at.

use super::mark::{MARK, MARKING, Mark, accepted_mark, account_in, mark_owner, read_mark, unread};
use super::places::{Places, TRIAL, is_ours, lock, open_inbox, open_sub_folder, own_user, try_moves};
use super::rename::{Named, give_back, is_one_file, name_before};
use super::unusable::{FolderProblem, Owners};
use crate::folder::directory::{Directory, Entry, is_hidden_for};
use crate::job::{FileIdentity, Place, Writer};
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::Metadata;
use std::io;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// What the hidden file is for that becomes an explanation.
pub(super) const EXPLAINING: &str = "why";

/// What the hidden file is for that becomes a marker.
pub(super) const MARKER: &str = "marker";

/// An account's folder, marked, locked and fit for use. Its directories stay open: what takes their names meanwhile is noticed
/// by [`AccountFolder::check`], and never worked in.
#[derive(Debug)]
pub struct AccountFolder {
    places: Places,
    mark: Mark,
    owners: Owners,
    /// It is not known to be on a local file system: other hosts may write here, and events may not tell.
    pub is_remote: bool,
    /// When it was made, in nanoseconds since 1970; 0 where the file system does not tell.
    pub born_ns: i64,
    put_back: Mutex<PutBack>,
}

/// Files that went back into the inbox, which no rename of ours proves complete.
#[derive(Debug, Default)]
struct PutBack {
    numbers: HashSet<(u64, u64, i64)>,
    /// The names that they were renamed to, where the number is another under each name.
    names: HashSet<OsString>,
}

/// Maximum number of files, and of names, in [`PutBack`].
const PUT_BACK: usize = 10_000;

/// A folder that was opened.
#[derive(Debug)]
pub struct Opened {
    /// The folder.
    pub folder: AccountFolder,
    /// Its mark, to be remembered in the job log when it is new.
    pub mark: String,
}

impl AccountFolder {
    /// Opens the folder of an account. `remembered`: the mark that the job log has; `random` goes into a new mark.
    ///
    /// # Errors
    /// [`FolderProblem`] says what is wrong and what to do.
    pub fn open(account: &str, dir: &Path, remembered: Option<&str>, random: u64) -> Result<Opened, FolderProblem> {
        let accept = |inbox: &Directory, found: Option<String>| accepted_mark(account, inbox, found, remembered);
        // Anyone who may read a mark can copy it into another folder.
        let trust = |owners: Owners, mark: &Mark| owners.judge(&dir.join(MARK), mark.owner()).map(|()| owners);
        Self::open_as(account, dir, random, accept, trust)
    }

    /// Opens the folder of an account whose job log has forgotten it (DESIGN §7, `recover`): with the mark that it
    /// carries, or a new one.
    ///
    /// # Errors
    /// As [`Self::open`]; the mark of another account is refused here too.
    pub fn reopen(account: &str, dir: &Path, random: u64) -> Result<Opened, FolderProblem> {
        let accept = |inbox: &Directory, found: Option<String>| match found {
            Some(found) if account_in(&found) == Some(account) => Ok(Some(found)),
            // It says what is wrong.
            Some(found) => accepted_mark(account, inbox, Some(found), None),
            None => Ok(None),
        };
        // Root may rebuild what the service's user left, to whom the mark belongs.
        Self::open_as(account, dir, random, accept, |owners, mark| Ok(owners.also(mark.owner())))
    }

    fn open_as(
        account: &str,
        dir: &Path,
        random: u64,
        accept: impl FnOnce(&Directory, Option<String>) -> Result<Option<String>, FolderProblem>,
        trust: impl FnOnce(Owners, &Mark) -> Result<Owners, FolderProblem>,
    ) -> Result<Opened, FolderProblem> {
        let inbox = open_inbox(dir)?;
        let unfit = |what: &str| {
            let what = what.to_owned();
            move |error: io::Error| FolderProblem::unfit(dir, &what, &error)
        };
        let found = read_mark(&inbox).map_err(|error| unread(&inbox, &error))?;
        let accepted = accept(&inbox, found)?;
        // Before anything is made in it: it may be in use as a place of another account.
        lock(&inbox)?;
        let mark = Mark::take(&inbox, account, accepted, random)?;
        let metadata = inbox.metadata().map_err(unfit("the folder cannot be looked at"))?;
        let owners = trust(Owners::new(metadata, own_user(&inbox)?), &mark)?;
        let places = Places::open(inbox)?;
        places.lock()?;
        places.are_trusted(&owners)?;
        let is_remote = !places.at(Place::Inbox).is_known_local();
        let itself = Entry::of(places.at(Place::Inbox).as_file()).map_err(unfit("the folder cannot be looked at"))?;
        let folder =
            Self { places, mark, owners, is_remote, born_ns: itself.identity.born_ns, put_back: Mutex::default() };
        folder.tidy().map_err(unfit("a file that was taken aside cannot be given back"))?;
        folder.places.try_moves()?;
        let mark = folder.mark.text.clone();
        Ok(Opened { folder, mark })
    }

    fn lock_put_back(&self) -> MutexGuard<'_, PutBack> {
        self.put_back.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers that a file goes back into the inbox by our own doing. A move may be heard of before it has ended.
    pub(super) fn note_put_back(&self, file: &FileIdentity) {
        let mut put_back = self.lock_put_back();
        if put_back.numbers.len() >= PUT_BACK {
            put_back.numbers.clear();
        }
        put_back.numbers.insert((file.device, file.inode, file.born_ns));
    }

    /// The same, once it has its name there. A time of birth tells it from what somebody else renames to that name later; without
    /// one, its number may be that of the name.
    pub(super) fn note_put_back_as(&self, name: &OsStr) {
        let found = self.place(Place::Inbox).entry(name).ok().map(|entry| entry.identity);
        if let Some(file) = found.filter(|file| file.born_ns != 0) {
            return self.note_put_back(&file);
        }
        let mut put_back = self.lock_put_back();
        if put_back.names.len() >= PUT_BACK {
            put_back.names.clear();
        }
        put_back.names.insert(name.to_owned());
    }

    /// Whether we put this file back into the inbox ourselves: that it was renamed there proves nothing (DESIGN F2).
    #[must_use]
    pub fn has_put_back(&self, name: &OsStr, file: &FileIdentity) -> bool {
        let put_back = self.lock_put_back();
        put_back.names.contains(name) || put_back.numbers.contains(&(file.device, file.inode, file.born_ns))
    }

    /// What was put back under this name has gone on from there: another file that is renamed to it is a drop like any other.
    pub fn forget_put_back(&self, name: &OsStr) {
        self.lock_put_back().names.remove(name);
    }

    /// Deals with what a crash left behind: files that were taken aside, and hidden ones that were not put in place.
    fn tidy(&self) -> io::Result<()> {
        // Not done/: it may hold very many files, and nothing is ever taken aside or explained there.
        for place in [Place::Inbox, Place::Sent, Place::Held, Place::Failed] {
            let directory = self.place(place);
            let mut left = Vec::new();
            for name in directory.names()? {
                let name = name?;
                if name.as_encoded_bytes().starts_with(b".") {
                    left.push(name);
                }
            }
            for name in left {
                if [MARKING, MARKER, EXPLAINING, TRIAL].iter().any(|purpose| is_hidden_for(purpose, &name)) {
                    // What stays is hidden, and does no harm.
                    let _ = directory.remove(&name);
                } else {
                    self.give_back(directory, &name)?;
                }
            }
        }
        Ok(())
    }

    /// Whether this is still the folder that was opened, and still carries its mark.
    ///
    /// # Errors
    /// [`FolderProblem`] if it is not; it must be opened again before anything in it is touched.
    pub fn check(&self) -> Result<(), FolderProblem> {
        self.places.check()?;
        let inbox = self.place(Place::Inbox);
        // What cannot be filed must not be sent (DESIGN F5), and a disk with errors becomes read-only while it is in use.
        if inbox.is_read_only() {
            let error = io::ErrorKind::ReadOnlyFilesystem.into();
            return Err(FolderProblem::unfit(inbox.path(), "files cannot be moved in it", &error));
        }
        self.mark.check(inbox, &self.owners)
    }

    /// Why this file, which lies in the inbox, could not be filed, if it could not: then it must not be sent (DESIGN F5).
    #[must_use]
    pub fn holds_fast(&self, entry: &Entry) -> Option<String> {
        self.places.hold_fast(entry)
    }

    /// The folder's path.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.place(Place::Inbox).path()
    }

    /// The directory of a place within it.
    #[must_use]
    pub fn place(&self, place: Place) -> &Directory {
        self.places.at(place)
    }
}

impl AccountFolder {
    /// Deals with what a crash left aside: the old name of a file that was moved, or a file of somebody else. Any other name
    /// is left alone.
    pub(super) fn give_back(&self, directory: &Directory, aside: &OsStr) -> io::Result<()> {
        let Some(name) = name_before(aside) else { return Ok(()) };
        let Some(found) = directory.find(aside)? else { return Ok(()) };
        if found.is_directory() {
            return Ok(());
        }
        if self.has_another_name_for((directory, aside), &found)? {
            directory.remove(aside)
        } else {
            give_back((directory, aside), OsStr::new(name))
        }
    }

    fn has_another_name_for(&self, aside: Named<'_>, seen: &Entry) -> io::Result<bool> {
        for place in Place::SUB_FOLDERS {
            let directory = self.place(place);
            for name in directory.names()? {
                let name = name?;
                if !name.as_encoded_bytes().starts_with(b".")
                    && directory.find(&name)?.is_some_and(|found| found.identity.looks_like(&seen.identity))
                    && is_one_file(aside, (directory, &name))?
                {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

// Looking at an account's folder without leaving anything behind: as the daemon would, and at what was filed.

/// A folder that is the account's, or may become so.
#[derive(Debug)]
pub struct Examined {
    /// What the system says of it.
    pub metadata: Metadata,
    /// It carries the account's mark already.
    pub is_marked: bool,
    /// A daemon is at work in it: nothing was tried.
    pub is_in_use: bool,
    /// Where it is not known to be local: the file system, by its name.
    pub remote: Option<String>,
    /// The kernel says whether somebody writes to this user's own files there (DESIGN R5).
    pub tells_writers: bool,
}

/// Files of a folder that a user may not read.
#[derive(Debug)]
pub struct Closed {
    /// The name of one.
    pub name: OsString,
    /// What the system says of it.
    pub entry: Entry,
    /// How many there are.
    pub files: i64,
}

/// What reading alone tells of an account's folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glimpse {
    /// It carries the account's mark already.
    pub is_marked: bool,
    /// It is not known to be on a local file system.
    pub is_remote: bool,
}

/// Reads the folder's mark, tries nothing and takes no lock. `remembered`: the mark that the job log has.
///
/// # Errors
/// [`FolderProblem`]: why the account would be blocked, as far as reading tells.
pub fn glimpse(account: &str, dir: &Path, remembered: Option<&str>) -> Result<(Directory, Glimpse), FolderProblem> {
    let closed = |error: &io::Error| FolderProblem::Closed { dir: dir.to_owned(), why: error.to_string() };
    let inbox = match Directory::open(dir) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => return Err(closed(&error)),
        Ok(inbox) => inbox,
        Err(_) => open_inbox(dir)?,
    };
    let found = read_mark(&inbox).map_err(|error| {
        if error.kind() == io::ErrorKind::PermissionDenied { closed(&error) } else { unread(&inbox, &error) }
    })?;
    let is_marked = accepted_mark(account, &inbox, found, remembered)?.is_some();
    let is_remote = !inbox.is_known_local();
    Ok((inbox, Glimpse { is_marked, is_remote }))
}

/// Looks at the folder of an account, and leaves it as it was. `remembered`: the mark that the job log has.
///
/// # Errors
/// [`FolderProblem`]: why the account would be blocked.
pub fn examine(account: &str, dir: &Path, remembered: Option<&str>) -> Result<Examined, FolderProblem> {
    let (inbox, Glimpse { is_marked, is_remote }) = glimpse(account, dir, remembered)?;
    let unfit = |what: &'static str| move |error: io::Error| FolderProblem::unfit(dir, what, &error);
    let metadata = inbox.metadata().map_err(unfit("the folder cannot be looked at"))?;
    let is_in_use = inbox.is_locked().map_err(unfit("it cannot be locked"))?;
    let mut sub_folders = Vec::new();
    for place in Place::SUB_FOLDERS {
        sub_folders.extend(open_sub_folder(&inbox, place)?);
    }
    if !is_in_use {
        try_moves(&inbox, sub_folders.iter())?;
        let owners = Owners::new(metadata.clone(), own_user(&inbox)?);
        // Another user than the service's may ask: whom the mark belongs to is the service's user.
        let marked_by = mark_owner(&inbox).map_err(unfit("its mark .datadrop cannot be looked at"))?;
        let owners = marked_by.into_iter().fold(owners, Owners::also);
        sub_folders.iter().try_for_each(|directory| owners.judge_sub_folder(directory))?;
    }
    let remote = is_remote.then(|| inbox.file_system().name());
    let tells_writers = tells_writers(&inbox, is_marked).map_err(unfit("no file in it can be read"))?;
    Ok(Examined { metadata, is_marked, is_in_use, remote, tells_writers })
}

/// The files of a folder that this user may not read, of those that are watched.
///
/// # Errors
/// The system's.
pub fn closed_files(dir: &Path, is_watched: impl Fn(&OsStr) -> bool) -> io::Result<Option<Closed>> {
    let (inbox, mut closed) = (Directory::open(dir)?, None);
    for name in inbox.names()? {
        let name = name?;
        let Some(entry) = inbox.find(&name)?.filter(|entry| entry.is_plain() && is_watched(&name)) else { continue };
        if !inbox.can_read(&name) {
            closed.get_or_insert(Closed { name, entry, files: 0 }).files += 1;
        }
    }
    Ok(closed)
}

/// Asks of the mark, or before the first start of a file that it makes.
fn tells_writers(inbox: &Directory, is_marked: bool) -> io::Result<bool> {
    let asks = |name: &OsStr| {
        let (file, _) = inbox.open_file(name, &inbox.entry(name)?)?;
        Ok(inbox.writer_of(&file) != Writer::Unknown)
    };
    if is_marked {
        return asks(OsStr::new(MARK));
    }
    let (made, hidden) = inbox.create_hidden(TRIAL, 0o600)?;
    drop(made);
    asks(hidden.name())
}

// What is in the sub-folders, for code that must find out what was sent.

/// A file that was filed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FiledFile {
    /// Where.
    pub place: Place,
    /// Under which name.
    pub disk_name: OsString,
    /// When it got there, as far as the file system tells: milliseconds since 1970.
    pub filed_ms: i64,
}

/// The plain files in some sub-folders of an account's folder; explanations and hidden files are none of them. Those
/// alone that got there later than `after_ms`; a sub-folder in which nothing has changed since is not even read.
///
/// # Errors
/// [`FolderProblem`]: a sub-folder that cannot be read is not an empty one.
pub fn filed_after(inbox: &Directory, places: &[Place], after_ms: i64) -> Result<Vec<FiledFile>, FolderProblem> {
    let mut found = Vec::new();
    for place in places {
        let Some(directory) = open_sub_folder(inbox, *place)? else { continue };
        let mut list = || {
            if changed_ms(directory.path(), &Entry::of(directory.as_file())?) <= after_ms {
                return Ok(());
            }
            for disk_name in directory.names()? {
                let disk_name = disk_name?;
                if is_ours(&disk_name) {
                    continue;
                }
                // Moved on meanwhile, by another process that works here.
                let Some(entry) = directory.find(&disk_name)? else { continue };
                let filed_ms = changed_ms(&directory.path_of(&disk_name), &entry);
                if entry.is_plain() && filed_ms > after_ms {
                    found.push(FiledFile { place: *place, disk_name, filed_ms });
                }
            }
            Ok(())
        };
        list().map_err(|error: io::Error| FolderProblem::unfit(directory.path(), "it cannot be listed", &error))?;
    }
    found.sort_by(|a, b| (a.filed_ms, &a.disk_name).cmp(&(b.filed_ms, &b.disk_name)));
    Ok(found)
}

/// What was filed as accepted in an account's folder later than that.
///
/// # Errors
/// [`FolderProblem`] if it cannot be read.
pub fn accepted_after(inbox: &Directory, after_ms: i64) -> Result<Vec<FiledFile>, FolderProblem> {
    filed_after(inbox, &[Place::Sent, Place::Done], after_ms)
}

impl FolderProblem {
    /// The folder holds a file that the job log should know and does not.
    #[must_use]
    pub fn ahead(dir: &Path, file: &FiledFile) -> Self {
        Self::not_ours(
            dir,
            &format!(
                "{}/{} is not in the job log, which seems to be older than the folder and would send again what it does not know",
                file.place.as_str(),
                file.disk_name.to_string_lossy()
            ),
            "restore a newer one, or stop the service and run `datadrop recover`",
        )
    }
}

/// A rename changes the directory, and on the usual file systems the file's own `ctime` too.
#[cfg_attr(not(test), expect(unused_variables, reason = "the clock of a simulation is known by the path"))]
fn changed_ms(path: &Path, entry: &Entry) -> i64 {
    #[cfg(test)]
    if let Some(at) = crate::testing::surroundings::filed_at(path) {
        return at;
    }
    entry.changed_ns.div_euclid(1_000_000)
}

#[cfg(test)]
mod tests;
