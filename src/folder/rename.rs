//! A rename that never overwrites, also where the file system has none.

use super::fit::fitting;
use super::mark::AccountFolder;
use crate::job::Place;
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

pub(super) fn rename_without_overwriting(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {
            rename_by_link(from, to, || ())
        }
        Err(error) => Err(error.into()),
    }
}

/// Where the file system knows no such flag: a hard link refuses a taken name just as well. The old name is not removed, for
/// another host may have given it to a new file meanwhile: whatever bears it is taken aside, looked at, and given back if
/// it is another's.
fn rename_by_link(from: &Path, to: &Path, meanwhile: impl FnOnce()) -> io::Result<()> {
    fs::hard_link(from, to)?;
    meanwhile();
    let mut name = OsString::from(ASIDE);
    name.push(from.file_name().unwrap_or_default());
    let aside = from.with_file_name(fitting(&name, "", ""));
    match fs::rename(from, &aside) {
        Ok(()) if is_one_file(&fs::symlink_metadata(&aside)?, to) => fs::remove_file(&aside),
        Ok(()) => give_back(&aside, from.file_name().unwrap_or_default()),
        // Somebody removed it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Before the name of a file that was taken aside.
const ASIDE: &str = ".datadrop-aside.";

impl AccountFolder {
    /// Deals with what a crash left aside: the old name of a file that was moved, or a file of somebody else.
    pub(super) fn give_back_all(&self) -> io::Result<()> {
        for place in [Place::Inbox, Place::Sent, Place::Held, Place::Failed] {
            for entry in fs::read_dir(self.place(place))? {
                let entry = entry?;
                let name = entry.file_name();
                let Some(name) = name.to_str().and_then(|name| name.strip_prefix(ASIDE)) else { continue };
                let aside = entry.path();
                if self.has_another_name_for(&fs::symlink_metadata(&aside)?)? {
                    fs::remove_file(&aside)?;
                } else {
                    give_back(&aside, OsStr::new(name))?;
                }
            }
        }
        Ok(())
    }

    fn has_another_name_for(&self, file: &fs::Metadata) -> io::Result<bool> {
        for place in Place::SUB_FOLDERS {
            for entry in fs::read_dir(self.place(place))? {
                let entry = entry?;
                if !entry.file_name().as_encoded_bytes().starts_with(b".") && is_one_file(file, &entry.path()) {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

fn is_one_file(file: &fs::Metadata, path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|other| (other.dev(), other.ino()) == (file.dev(), file.ino()))
}

/// A file that was taken aside gets its own name again, or one that is free.
fn give_back(aside: &Path, name: &OsStr) -> io::Result<()> {
    let numbered = (1..1000).map(|number| fitting(name, &format!("-{number}"), ""));
    for name in std::iter::once(name.to_owned()).chain(numbered) {
        match fs::hard_link(aside, aside.with_file_name(name)) {
            Ok(()) => return fs::remove_file(aside),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "no name is free for a file that came meanwhile"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f1_where_renames_may_overwrite_a_file_that_takes_the_old_name_meanwhile_is_not_lost() {
        for crashed in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let opened = AccountFolder::open("a", dir.path(), None, 1).unwrap();
            let (from, to) = (dir.path().join("sales.txt"), dir.path().join("sent/sales.txt"));
            fs::write(&from, "ours").unwrap();
            let theirs = || {
                fs::write(dir.path().join("new"), "theirs").unwrap();
                fs::rename(dir.path().join("new"), &from).unwrap();
            };
            if crashed {
                fs::hard_link(&from, &to).unwrap();
                theirs();
                fs::rename(&from, dir.path().join(".datadrop-aside.sales.txt")).unwrap();
                drop(opened.folder);
                AccountFolder::open("a", dir.path(), Some(&opened.mark), 1).unwrap();
            } else {
                rename_by_link(&from, &to, theirs).unwrap();
            }
            assert_eq!(fs::read_to_string(&from).unwrap(), "theirs", "crashed: {crashed}");
            assert_eq!(fs::read_to_string(&to).unwrap(), "ours");
            assert!(!dir.path().join(".datadrop-aside.sales.txt").exists());
            let taken = dir.path().join("sent/costs.txt");
            fs::write(&taken, "old").unwrap();
            fs::write(dir.path().join("costs.txt"), "new").unwrap();
            let refused = rename_by_link(&dir.path().join("costs.txt"), &taken, || ()).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs::read_to_string(dir.path().join("costs.txt")).unwrap(), "new");
        }
    }
}
