//! A rename that never overwrites, also where the file system has none.

use super::account::AccountFolder;
use super::fit::fitting;
use crate::ambient::random;
use crate::directory::{Directory, Entry, is_unsupported, is_without_links};
use crate::job::Place;
use std::ffi::{OsStr, OsString};
use std::io;

/// A name in a directory.
type Named<'a> = (&'a Directory, &'a OsStr);

pub(super) fn rename_without_overwriting(from: Named<'_>, to: Named<'_>) -> io::Result<()> {
    match from.0.rename(from.1, to.0, to.1) {
        Err(error) if is_unsupported(&error) => rename_by_link(from, to, || ()),
        renamed => renamed,
    }
}

/// Where the file system knows no such flag: a hard link refuses a taken name just as well. The old name is not removed, for
/// another host may have given it to a new file meanwhile: whatever bears it is taken aside, looked at, and given back if
/// it is another's. Where no link can be made either (no such thing, or a file of another user), a name that is free is
/// renamed to.
fn rename_by_link(
    (directory, name): Named<'_>,
    (target, new_name): Named<'_>,
    meanwhile: impl FnOnce(),
) -> io::Result<()> {
    match directory.link(name, target, new_name) {
        Err(error) if is_without_links(&error) => return directory.rename_if_free(name, target, new_name),
        linked => linked?,
    }
    meanwhile();
    // A name that nobody can foresee: this rename would overwrite what bears it.
    let mut aside = OsString::from(format!("{ASIDE}{:016x}.", random()));
    aside.push(name);
    let aside = fitting(&aside, "", "");
    match directory.replace(name, &aside) {
        // What cannot be looked at stays aside until the folder is opened again.
        Ok(()) if is_one_file((directory, &aside), (target, new_name))? => directory.remove(&aside),
        Ok(()) => give_back((directory, &aside), name),
        // Somebody removed it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Before the digits and the name of a file that was taken aside.
const ASIDE: &str = ".datadrop-aside-";

/// The name of a file that was taken aside.
fn name_before(aside: &OsStr) -> Option<&str> {
    let (digits, name) = aside.to_str()?.strip_prefix(ASIDE)?.split_once('.')?;
    (digits.len() == 16 && !name.is_empty()).then_some(name)
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

/// By their numbers, or where each name has one of its own by all else.
fn is_one_file(this: Named<'_>, other: Named<'_>) -> io::Result<bool> {
    let Some(found) = other.0.find(other.1)? else { return Ok(false) };
    Ok(this.0.entry(this.1)?.number() == found.number() || this.0.holds_the_same(this.1, other.0, other.1)?)
}

/// A file that was taken aside gets its own name again, or one that is free.
fn give_back((directory, aside): Named<'_>, name: &OsStr) -> io::Result<()> {
    let numbered = (1..1000).map(|number| fitting(name, &format!("-{number}"), ""));
    for name in std::iter::once(name.to_owned()).chain(numbered) {
        let given_back = match directory.link(aside, directory, &name) {
            Err(error) if is_without_links(&error) => directory.rename_if_free(aside, directory, &name),
            linked => linked.and_then(|()| directory.remove(aside)),
        };
        match given_back {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "no name is free for a file that came meanwhile"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

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
                fs::rename(&from, dir.path().join(".datadrop-aside-0123456789abcdef.sales.txt")).unwrap();
                drop(opened.folder);
                AccountFolder::open("a", dir.path(), Some(&opened.mark), 1).unwrap();
            } else {
                let (inbox, sent) = (opened.folder.place(Place::Inbox), opened.folder.place(Place::Sent));
                let name = OsStr::new("sales.txt");
                rename_by_link((inbox, name), (sent, name), theirs).unwrap();
            }
            assert_eq!(fs::read_to_string(&from).unwrap(), "theirs", "crashed: {crashed}");
            assert_eq!(fs::read_to_string(&to).unwrap(), "ours");
            let aside =
                |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().to_string_lossy().contains("aside");
            assert!(!fs::read_dir(dir.path()).unwrap().any(aside));
            let taken = dir.path().join("sent/costs.txt");
            fs::write(&taken, "old").unwrap();
            fs::write(dir.path().join("costs.txt"), "new").unwrap();
            let (inbox, sent) =
                (Directory::open(dir.path()).unwrap(), Directory::open(&dir.path().join("sent")).unwrap());
            let name = OsStr::new("costs.txt");
            let refused = rename_by_link((&inbox, name), (&sent, name), || ()).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs::read_to_string(dir.path().join("costs.txt")).unwrap(), "new");
        }
    }
}
