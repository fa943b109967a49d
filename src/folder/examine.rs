//! Looking at an account's folder as the daemon would, without leaving anything behind (DESIGN §7, `doctor`).

use super::mark::{MARK, accepted_mark, folder_at, is_remote, read_mark, unfit};
use super::problem::FolderProblem;
use super::rename::rename_without_overwriting;
use crate::job::Place;
use std::fs::{self, File, Metadata, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// A folder that is the account's, or may become so.
#[derive(Debug)]
pub struct Examined {
    /// What the system says of it.
    pub metadata: Metadata,
    /// It carries the account's mark already.
    pub is_marked: bool,
    /// A daemon is at work in it: nothing was tried.
    pub is_in_use: bool,
    /// Events and locks of other hosts do not reach here.
    pub is_remote: bool,
}

/// What reading alone tells of an account's folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glimpse {
    /// It carries the account's mark already.
    pub is_marked: bool,
    /// Events and locks of other hosts do not reach here.
    pub is_remote: bool,
}

/// Reads the folder's mark, tries nothing and takes no lock. `remembered`: the mark that the job log has.
///
/// # Errors
/// [`FolderProblem`]: why the account would be blocked, as far as reading tells.
pub fn glimpse(account: &str, dir: &Path, remembered: Option<&str>) -> Result<Glimpse, FolderProblem> {
    folder_at(dir)?;
    let found = read_mark(dir).map_err(|error| {
        if error.kind() == io::ErrorKind::PermissionDenied {
            FolderProblem::Closed { dir: dir.to_owned(), why: error.to_string() }
        } else {
            unfit(dir, "its mark .datadrop cannot be read", &error)
        }
    })?;
    let is_marked = accepted_mark(account, dir, found, remembered)?.is_some();
    Ok(Glimpse { is_marked, is_remote: is_remote(dir) })
}

/// Looks at the folder of an account. `remembered`: the mark that the job log has; `random` makes the name of the file
/// that is moved for a trial, and removed.
///
/// # Errors
/// [`FolderProblem`]: why the account would be blocked.
pub fn examine(account: &str, dir: &Path, remembered: Option<&str>, random: u64) -> Result<Examined, FolderProblem> {
    let metadata = folder_at(dir)?;
    let Glimpse { is_marked, is_remote } = glimpse(account, dir, remembered)?;
    let is_in_use = is_marked && is_locked(dir)?;
    if !is_in_use {
        try_moves(dir, &format!(".datadrop-doctor-{random:016x}"))?;
    }
    Ok(Examined { metadata, is_marked, is_in_use, is_remote })
}

fn is_locked(dir: &Path) -> Result<bool, FolderProblem> {
    let cannot = |error: io::Error| unfit(dir, "its mark .datadrop cannot be opened", &error);
    match File::open(dir.join(MARK)).map_err(cannot)?.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(unfit(dir, "it cannot be locked", &error)),
    }
}

/// A rename within the folder and through every sub-folder that is there (DESIGN F5). Hidden, so no watcher takes it.
fn try_moves(dir: &Path, name: &str) -> Result<(), FolderProblem> {
    let mut lies_in = dir.join(name);
    File::create_new(&lies_in).map_err(|error| unfit(dir, "no file can be made in it", &error))?;
    let moved = move_through(dir, name, &mut lies_in);
    let removed = fs::remove_file(&lies_in).map_err(|error| unfit(dir, "no file can be removed from it", &error));
    moved.and(removed)
}

fn move_through(dir: &Path, name: &str, lies_in: &mut PathBuf) -> Result<(), FolderProblem> {
    let sub_folders = Place::SUB_FOLDERS.map(|place| dir.join(place.as_str()));
    for place in sub_folders.iter().filter(|path| path.symlink_metadata().is_ok()) {
        folder_at(place)?;
        advance(lies_in, place.join(name), place)?;
    }
    advance(lies_in, dir.join(format!("{name}-2")), dir)
}

fn advance(lies_in: &mut PathBuf, to: PathBuf, place: &Path) -> Result<(), FolderProblem> {
    rename_without_overwriting(lies_in, &to).map_err(|error| unfit(place, "no file can be moved into it", &error))?;
    *lies_in = to;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::AccountFolder;

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(dir)
            .unwrap()
            .flat_map(|entry| {
                let path = entry.unwrap().path();
                let inner = if path.is_dir() { names(&path) } else { Vec::new() };
                inner.into_iter().chain([path.display().to_string()])
            })
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_folder_is_looked_at_and_left_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let seen = examine("a", dir.path(), None, 1).unwrap();
        assert!(!seen.is_marked && !seen.is_in_use);
        assert!(names(dir.path()).is_empty());

        let opened = AccountFolder::open("a", dir.path(), None, 7).unwrap();
        let before = names(dir.path());
        let seen = examine("a", dir.path(), Some(&opened.mark), 1).unwrap();
        assert!(seen.is_marked && seen.is_in_use);
        drop(opened.folder);
        let seen = examine("a", dir.path(), Some(&opened.mark), 1).unwrap();
        assert!(seen.is_marked && !seen.is_in_use);
        assert_eq!(names(dir.path()), before);
    }

    #[test]
    fn what_would_block_the_account_is_told() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(examine("a", &dir.path().join("none"), None, 1), Err(FolderProblem::Missing(_))));
        let mark = AccountFolder::open("a", dir.path(), None, 7).unwrap().mark;
        assert!(matches!(examine("b", dir.path(), None, 1), Err(FolderProblem::NotOurs { .. })));
        fs::remove_dir(dir.path().join("sent")).unwrap();
        fs::write(dir.path().join("sent"), "").unwrap();
        assert!(matches!(examine("a", dir.path(), Some(&mark), 1), Err(FolderProblem::NotAFolder(_))));
        fs::remove_file(dir.path().join(MARK)).unwrap();
        assert!(matches!(examine("a", dir.path(), Some(&mark), 1), Err(FolderProblem::NotOurs { .. })));
        assert!(!names(dir.path()).iter().any(|name| name.contains("doctor")));
    }
}
