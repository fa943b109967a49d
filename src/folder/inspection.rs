//! Looking at an account's folder as the daemon would, without leaving anything behind (DESIGN §7, `doctor`).

use super::mark::{accepted_mark, mark_owner, read_mark};
use super::owners::Owners;
use super::places::{open_inbox, open_sub_folder, own_user, try_moves};
use super::unusable::FolderProblem;
use crate::folder::directory::Directory;
use crate::job::Place;
use std::fs::Metadata;
use std::io;
use std::path::Path;

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
        if error.kind() == io::ErrorKind::PermissionDenied {
            closed(&error)
        } else {
            FolderProblem::unfit(dir, "its mark .datadrop cannot be read", &error)
        }
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
    Ok(Examined { metadata, is_marked, is_in_use, remote })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::{AccountFolder, MARK};
    use std::fs;

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
        let seen = examine("a", dir.path(), None).unwrap();
        assert!(!seen.is_marked && !seen.is_in_use);
        assert!(names(dir.path()).is_empty());

        let opened = AccountFolder::open("a", dir.path(), None, 7).unwrap();
        let before = names(dir.path());
        let seen = examine("a", dir.path(), Some(&opened.mark)).unwrap();
        assert!(seen.is_marked && seen.is_in_use);
        drop(opened.folder);
        let seen = examine("a", dir.path(), Some(&opened.mark)).unwrap();
        assert!(seen.is_marked && !seen.is_in_use);
        assert_eq!(names(dir.path()), before);
    }

    #[test]
    fn what_would_block_the_account_is_told() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(examine("a", &dir.path().join("none"), None), Err(FolderProblem::Missing(_))));
        let mark = AccountFolder::open("a", dir.path(), None, 7).unwrap().mark;
        assert!(matches!(examine("b", dir.path(), None), Err(FolderProblem::NotOurs { .. })));
        fs::remove_dir(dir.path().join("sent")).unwrap();
        fs::write(dir.path().join("sent"), "").unwrap();
        assert!(matches!(examine("a", dir.path(), Some(&mark)), Err(FolderProblem::Displaced { .. })));
        fs::remove_file(dir.path().join(MARK)).unwrap();
        assert!(matches!(examine("a", dir.path(), Some(&mark)), Err(FolderProblem::NotOurs { .. })));
        assert!(!names(dir.path()).iter().any(|name| name.contains("doctor")));
    }
}
