//! The inbox and its sub-folders, held open (DESIGN F9), and the trial that files can be moved between them (DESIGN F5).

use super::rename::rename_without_overwriting;
use super::unusable::{FolderProblem, Owners, adapt};
use crate::folder::directory::{Directory, Entry, hidden_name};
use crate::job::Place;
use std::ffi::OsStr;
use std::fs::{Metadata, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

/// What the hidden file of a trial is for.
pub(super) const TRIAL: &str = "trial";

/// The five directories of an account.
#[derive(Debug)]
pub(super) struct Places {
    inbox: Directory,
    sub_folders: [Directory; 4],
    /// Device and inode of the inbox, then of each sub-folder.
    numbers: [(u64, u64); 5],
}

impl Places {
    /// Opens the sub-folders, and makes those that are missing.
    pub(super) fn open(inbox: Directory) -> Result<Self, FolderProblem> {
        let metadata =
            inbox.metadata().map_err(|error| unfit(inbox.path(), "the folder cannot be looked at", &error))?;
        let [sent, held, done, failed] = Place::SUB_FOLDERS.map(|place| made(&inbox, place, &metadata));
        let sub_folders = [sent?, held?, done?, failed?];
        let mut numbers = [(metadata.dev(), metadata.ino()); 5];
        for (index, directory) in sub_folders.iter().enumerate() {
            numbers[index + 1] = number(directory)?;
        }
        let places = Self { inbox, sub_folders, numbers };
        places.are_apart()?;
        Ok(places)
    }

    /// A file in two places at once would be sent again and again, and one of another account would be sent for this one.
    fn are_apart(&self) -> Result<(), FolderProblem> {
        let named = || Place::SUB_FOLDERS.iter().zip(&self.numbers[1..]);
        for (index, (place, number)) in named().enumerate() {
            let displaced = |why: String| Err(displaced(&self.inbox, *place, &why));
            if number.0 != self.numbers[0].0 {
                return displaced("it is on another file system than the folder, so no file can be renamed into it; unmount it, or remove it".to_owned());
            }
            if *number == self.numbers[0] {
                return displaced("it is the account's folder itself; unmount it, or remove it".to_owned());
            }
            if let Some((other, _)) = named().take(index).find(|(_, other)| *other == number) {
                return displaced(format!("it is the same directory as {}/; unmount it, or remove it", other.as_str()));
            }
        }
        Ok(())
    }

    /// Locks the sub-folders: none may be in use as a place of another account too, by whatever mount or copied mark.
    pub(super) fn lock(&self) -> Result<(), FolderProblem> {
        self.sub_folders.iter().try_for_each(lock)
    }

    /// Refuses sub-folders that others own or may write to (DESIGN F9).
    pub(super) fn are_trusted(&self, owners: &Owners) -> Result<(), FolderProblem> {
        self.sub_folders.iter().try_for_each(|directory| {
            owners.narrow(directory);
            owners.judge_sub_folder(directory)
        })
    }

    /// The directory of a place.
    pub(super) fn at(&self, place: Place) -> &Directory {
        match place {
            Place::Inbox | Place::Gone => &self.inbox,
            Place::Sent => &self.sub_folders[0],
            Place::Held => &self.sub_folders[1],
            Place::Done => &self.sub_folders[2],
            Place::Failed => &self.sub_folders[3],
        }
    }

    /// Whether each name still leads to the directory that was opened.
    pub(super) fn check(&self) -> Result<(), FolderProblem> {
        let inbox = self.inbox.path();
        let found = match std::fs::metadata(inbox) {
            Ok(found) => found,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(FolderProblem::Missing(inbox.to_owned()));
            }
            Err(error) => return Err(unfit(inbox, "the folder cannot be entered", &error)),
        };
        if (found.dev(), found.ino()) != self.numbers[0] {
            return Err(FolderProblem::not_ours(
                inbox,
                "another folder lies in its place: the file system that holds it was unmounted, or the folder was replaced",
                "mount it again, or move the old one back (its mark .datadrop tells it), and all goes on by itself",
            ));
        }
        for (place, number) in Place::SUB_FOLDERS.iter().zip(&self.numbers[1..]) {
            let found = self.inbox.find(place.as_str()).map_err(|error| unopened(&self.inbox, *place, &error))?;
            let why = match found {
                Some(found) if found.is_directory() && found.number() == *number => continue,
                Some(found) if found.is_directory() => "another directory has taken its place".to_owned(),
                Some(found) => format!("{} has taken its place; remove it", found.entry_type.words()),
                None => "it is not there any more".to_owned(),
            };
            return Err(displaced(&self.inbox, *place, &why));
        }
        Ok(())
    }

    /// The trial of [`try_moves`] through all of them.
    pub(super) fn try_moves(&self) -> Result<(), FolderProblem> {
        try_moves(&self.inbox, self.sub_folders.iter())
    }

    /// Why a file cannot be moved through these places, though the trial's own file can (DESIGN F5).
    pub(super) fn hold_fast(&self, entry: &Entry) -> Option<String> {
        const STICKY: u32 = 0o1000;
        if let Some(why) = entry.fixed {
            return Some(why.to_owned());
        }
        let me = rustix::process::geteuid().as_raw();
        if entry.owner == me || may_move_all() {
            return None;
        }
        let is_bound = |directory: &&Directory| {
            directory.metadata().is_ok_and(|found| found.mode() & STICKY != 0 && found.uid() != me)
        };
        let bound = std::iter::once(&self.inbox).chain(&self.sub_folders).find(is_bound)?;
        let dir = bound.path().display();
        Some(format!(
            "{dir} has the sticky bit, which lets only the owner of a file (user {}) move it, and not the service (user {me}); \
             `chmod -t {dir}` changes that",
            entry.owner
        ))
    }
}

/// Whether this process may move files of others out of folders with the sticky bit (`CAP_FOWNER`).
fn may_move_all() -> bool {
    const FOWNER: u64 = 1 << 3;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    effective.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok()).is_some_and(|all| all & FOWNER != 0)
}

/// Opens an account's folder by its configured path.
pub(super) fn open_inbox(path: &Path) -> Result<Directory, FolderProblem> {
    Directory::open(path).map_err(|error| {
        if error.kind() == io::ErrorKind::NotFound {
            FolderProblem::Missing(path.to_owned())
        } else if error.kind() == io::ErrorKind::NotADirectory {
            FolderProblem::NotAFolder(path.to_owned())
        } else {
            unfit(path, "the folder cannot be entered", &error)
        }
    })
}

/// Opens a sub-folder; `None` if it is not there.
pub(super) fn open_sub_folder(inbox: &Directory, place: Place) -> Result<Option<Directory>, FolderProblem> {
    match inbox.open_directory(place.as_str()) {
        Ok(directory) => Ok(Some(directory)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(unopened(inbox, place, &error)),
    }
}

/// Opens a sub-folder. Creates a missing one with the inbox's mode and group, so that a user who may drop files may
/// also fetch what became of them.
fn made(inbox: &Directory, place: Place, metadata: &Metadata) -> Result<Directory, FolderProblem> {
    if let Some(directory) = open_sub_folder(inbox, place)? {
        return Ok(directory);
    }
    let failed = |error: io::Error| unfit(&inbox.path_of(place.as_str()), "the sub-folder cannot be made", &error);
    inbox.create_directory(place.as_str(), metadata.mode() & 0o777).map_err(failed)?;
    let directory = inbox.open_directory(place.as_str()).map_err(failed)?;
    if let Err(error) = adapt(&directory, metadata) {
        tracing::warn!(
            "{}: its group and mode cannot be made those of {}: {error}",
            directory.path().display(),
            inbox.path().display()
        );
    }
    Ok(directory)
}

/// Takes the lock of a directory. Whichever path leads here, and whatever mark lies in it, one daemon works in it (DESIGN F9).
pub(super) fn lock(directory: &Directory) -> Result<(), FolderProblem> {
    wait_for_lock(directory.path(), || directory.try_lock())
}

/// Takes a lock that `datadrop doctor` may hold for an instant, to ask whether a daemon is here.
pub(super) fn wait_for_lock(path: &Path, take: impl Fn() -> Result<(), TryLockError>) -> Result<(), FolderProblem> {
    for _ in 0..3 {
        match take() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(10)),
            Err(TryLockError::Error(error)) => return Err(unfit(path, "it cannot be locked", &error)),
        }
    }
    Err(FolderProblem::InUse(path.to_owned()))
}

/// Does with a file of its own all that filing does: moves it within the inbox and through every one of these sub-folders,
/// looks at it after each move, and removes it (DESIGN F5). What cannot be filed must not be sent. Hidden, so that no watcher
/// takes it.
pub(super) fn try_moves<'a>(
    inbox: &'a Directory,
    sub_folders: impl Iterator<Item = &'a Directory>,
) -> Result<(), FolderProblem> {
    let unmade = |error: io::Error| unfit(inbox.path(), "no file can be made in it", &error);
    let text = hidden_name(TRIAL).into_encoded_bytes();
    let (mut file, hidden) = inbox.create_hidden(TRIAL, 0o600).map_err(unmade)?;
    file.write_all(&text).map_err(unmade)?;
    drop(file);
    let name = hidden_name(TRIAL);
    let (mut lies_in, mut called) = (inbox, hidden.name());
    let mut moved = Ok(());
    for to in std::iter::once(inbox).chain(sub_folders) {
        let tried = rename_without_overwriting((lies_in, called), (to, &name), || false);
        if let Err(error) = tried.and_then(|()| came_whole((lies_in, called), (to, &name), &text)) {
            moved = Err(unfit(to.path(), "no file can be moved into it", &error));
            break;
        }
        (lies_in, called) = (to, &name);
    }
    let removed = lies_in.remove(called).map_err(|error| unfit(inbox.path(), "no file can be removed from it", &error));
    moved.and(removed)
}

/// The user to whom a file belongs that this process makes there: a share may show another than the system.
pub(super) fn own_user(inbox: &Directory) -> Result<u32, FolderProblem> {
    let made = || inbox.create_hidden(TRIAL, 0o600)?.0.metadata();
    Ok(made().map_err(|error| unfit(inbox.path(), "no file can be made in it", &error))?.uid())
}

/// The old name is gone, and the new one has it all. Its inode may be another: then the content tells what it is (DESIGN F2).
fn came_whole((source, old): (&Directory, &OsStr), (target, new): (&Directory, &OsStr), text: &[u8]) -> io::Result<()> {
    if source.find(old)?.is_some() {
        return Err(io::Error::other("what is moved stays under its old name, too"));
    }
    let (file, _) = target.open_file(new, &target.entry(new)?)?;
    let mut found = Vec::new();
    file.take(text.len() as u64 + 1).read_to_end(&mut found)?;
    if found == text { Ok(()) } else { Err(io::Error::other("what is moved does not hold what it held before")) }
}

fn number(directory: &Directory) -> Result<(u64, u64), FolderProblem> {
    directory.number().map_err(|error| unfit(directory.path(), "the folder cannot be looked at", &error))
}

/// Why a sub-folder cannot be opened: what is not a folder of its own is in the way.
fn unopened(inbox: &Directory, place: Place, error: &io::Error) -> FolderProblem {
    match inbox.find(place.as_str()) {
        Ok(Some(found)) if !found.is_directory() => {
            let words = found.entry_type.words();
            displaced(inbox, place, &format!("the sub-folder cannot be made: {words} has its name; remove it"))
        }
        Ok(_) | Err(_) => unfit(&inbox.path_of(place.as_str()), "the sub-folder cannot be opened", error),
    }
}

fn displaced(inbox: &Directory, place: Place, why: &str) -> FolderProblem {
    FolderProblem::Displaced { dir: inbox.path_of(place.as_str()), why: why.to_owned() }
}

fn unfit(dir: &Path, what: &str, error: &io::Error) -> FolderProblem {
    FolderProblem::unfit(dir, what, error)
}

/// An explanation, or hidden: no file that was filed.
pub(super) fn is_ours(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b".") || name.as_bytes().ends_with(b".why")
}
