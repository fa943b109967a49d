//! Renames within the folder that never overwrite (DESIGN F1, F2).

use super::mark::AccountFolder;
use super::why;
use crate::ambient::identity_of;
use crate::job::{FileIdentity, JobId, Place};
use rustix::fs::{CWD, RenameFlags, renameat_with};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// What became of a move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Moved {
    /// Where the file lies now.
    pub place: Place,
    /// Its name there.
    pub name: OsString,
    /// What was odd about it.
    pub note: Option<String>,
}

impl AccountFolder {
    /// Moves a job's file from one place to another. Not durable before [`AccountFolder::sync`].
    ///
    /// # Errors
    /// The system's, if the file is there and cannot be moved: to be tried again.
    pub fn move_file(
        &self,
        job: JobId,
        name: &OsStr,
        from: Place,
        to: Place,
        hashed: Option<FileIdentity>,
    ) -> io::Result<Moved> {
        let source = self.place(from).join(name);
        let target_dir = self.place(to);
        if let Some(hashed) = hashed
            && let Ok(found) = fs::symlink_metadata(&source).map(|metadata| identity_of(&metadata))
            && !found.is_same_file(&hashed)
            && !free_names(name, job).any(|name| is_file(&target_dir.join(name), hashed))
        {
            // Somebody put another file under this name. It is not ours to touch: even a move there and back would look
            // like a complete file that was just renamed in.
            let note = Some("another file lies in its place now; it is a new one".to_owned());
            return Ok(Moved { place: Place::Gone, name: name.to_owned(), note });
        }
        for candidate in free_names(name, job) {
            let target = target_dir.join(&candidate);
            match rename_without_overwriting(&source, &target) {
                Ok(()) => {
                    why::remove(&self.place(from), name);
                    return self.after_move(&target, candidate, (from, name), to, hashed);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    if already_moved(&source, &target, hashed) {
                        return self.after_move(&target, candidate, (from, name), to, hashed);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    if already_moved(&source, &target, hashed) {
                        return self.after_move(&target, candidate, (from, name), to, hashed);
                    }
                    if !target_dir.is_dir() || !self.place(from).is_dir() {
                        return Err(error);
                    }
                    let note = Some("the file is not there any more: somebody removed it".to_owned());
                    return Ok(Moved { place: Place::Gone, name: name.to_owned(), note });
                }
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{} has no free name for it", target_dir.display())))
    }

    /// Puts an empty marker of this stem into the inbox, unless one is there.
    ///
    /// # Errors
    /// The system's, if it can be neither made nor found.
    pub fn make_marker(&self, stem: &str) -> io::Result<()> {
        let hidden = self.dir.join(".datadrop-marker");
        File::create(&hidden)?.sync_all()?;
        match rename_without_overwriting(&hidden, &self.dir.join(format!("{stem}.fin"))) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => fs::remove_file(&hidden),
            made => made,
        }
    }

    /// Compares what was moved with what was hashed (DESIGN F2).
    fn after_move(
        &self,
        moved_to: &Path,
        name: OsString,
        (from, original): (Place, &OsStr),
        to: Place,
        hashed: Option<FileIdentity>,
    ) -> io::Result<Moved> {
        let Some(hashed) = hashed else { return Ok(Moved { place: to, name, note: None }) };
        let found = identity_of(&fs::symlink_metadata(moved_to)?);
        if !found.is_same_file(&hashed) {
            // In the instant before the move somebody put another file under this name: it goes back as a new one.
            rename_without_overwriting(moved_to, &self.place(from).join(original))?;
            let note = Some("another file lay in its place and went back into the folder as a new one".to_owned());
            return Ok(Moved { place: Place::Gone, name, note });
        }
        let changed = (found.size, found.modified_ns) != (hashed.size, hashed.modified_ns);
        Ok(Moved { place: to, name, note: changed.then(|| "changed after it was sent".to_owned()) })
    }

    /// Makes the moves since the last call durable.
    ///
    /// # Errors
    /// The system's.
    pub fn sync(&self, touched: &BTreeSet<&'static str>) -> io::Result<()> {
        for place in touched.iter().filter_map(|word| Place::from_word(word)) {
            File::open(self.place(place))?.sync_all()?;
        }
        Ok(())
    }
}

/// The file's own name, then the job's number within it, then a counter behind that.
fn free_names(name: &OsStr, job: JobId) -> impl Iterator<Item = OsString> {
    let path = PathBuf::from(name);
    let stem = path.file_stem().unwrap_or(name).to_owned();
    let extension = path.extension().map(OsStr::to_owned);
    let numbered = move |number: String| {
        let mut numbered = stem.clone();
        numbered.push(format!(".{number}"));
        if let Some(extension) = &extension {
            numbered.push(".");
            numbered.push(extension);
        }
        numbered
    };
    std::iter::once(name.to_owned())
        .chain(std::iter::once(job.to_string()).chain((2..100).map(move |n| format!("{job}.{n}"))).map(numbered))
}

pub(super) fn rename_without_overwriting(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Ok(()) => Ok(()),
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {
            // The file system knows no such flag: a hard link refuses a taken name just as well.
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        Err(error) => Err(error.into()),
    }
}

/// The move was made before, and the process ended before it could be written down.
fn already_moved(source: &Path, target: &Path, hashed: Option<FileIdentity>) -> bool {
    hashed.is_some_and(|hashed| is_file(target, hashed) && !is_file(source, hashed))
}

/// Whether this very file, by device and inode, lies there.
fn is_file(path: &Path, hashed: FileIdentity) -> bool {
    fs::symlink_metadata(path).is_ok_and(|metadata| identity_of(&metadata).is_same_file(&hashed))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (tempfile::TempDir, AccountFolder) {
        let dir = tempfile::tempdir().unwrap();
        let opened = AccountFolder::open("a", dir.path(), None, 1).unwrap();
        (dir, opened.folder)
    }

    fn put(path: &Path, text: &str) -> FileIdentity {
        fs::write(path, text).unwrap();
        identity_of(&fs::symlink_metadata(path).unwrap())
    }

    #[test]
    fn f1_a_move_never_overwrites() {
        let (dir, folder) = folder();
        let file = put(&dir.path().join("sales.txt"), "new");
        put(&dir.path().join("sent/sales.txt"), "old");
        put(&dir.path().join("sent/sales.17.txt"), "older");
        let moved =
            folder.move_file(JobId(17), OsStr::new("sales.txt"), Place::Inbox, Place::Sent, Some(file)).unwrap();
        assert_eq!(moved, Moved { place: Place::Sent, name: "sales.17.2.txt".into(), note: None });
        assert_eq!(fs::read_to_string(dir.path().join("sent/sales.txt")).unwrap(), "old");
        assert_eq!(fs::read_to_string(dir.path().join("sent/sales.17.2.txt")).unwrap(), "new");
    }

    #[test]
    fn f1_a_move_that_was_made_but_not_written_down_is_recognised() {
        let (dir, folder) = folder();
        let file = put(&dir.path().join("sales.txt"), "x");
        fs::rename(dir.path().join("sales.txt"), dir.path().join("sent/sales.txt")).unwrap();
        let moved = folder.move_file(JobId(1), OsStr::new("sales.txt"), Place::Inbox, Place::Sent, Some(file)).unwrap();
        assert_eq!(moved.place, Place::Sent);
        // And a new file of that name stays where it is.
        put(&dir.path().join("sales.txt"), "another");
        let moved = folder.move_file(JobId(1), OsStr::new("sales.txt"), Place::Inbox, Place::Sent, Some(file)).unwrap();
        assert_eq!((moved.place, moved.note), (Place::Sent, None));
        assert_eq!(fs::read_to_string(dir.path().join("sales.txt")).unwrap(), "another");
    }

    #[test]
    fn f2_another_inode_goes_back_as_a_new_file() {
        let (dir, folder) = folder();
        let sent = put(&dir.path().join("sales.txt"), "sent");
        put(&dir.path().join("other"), "another file");
        fs::rename(dir.path().join("other"), dir.path().join("sales.txt")).unwrap();
        let moved = folder.move_file(JobId(1), OsStr::new("sales.txt"), Place::Inbox, Place::Sent, Some(sent)).unwrap();
        assert_eq!(moved.place, Place::Gone);
        assert_eq!(fs::read_to_string(dir.path().join("sales.txt")).unwrap(), "another file");
    }

    #[test]
    fn f2_a_file_changed_after_it_was_sent_is_reported() {
        let (dir, folder) = folder();
        let sent = put(&dir.path().join("sales.txt"), "sent");
        fs::write(dir.path().join("sales.txt"), "sent and changed").unwrap();
        let moved = folder.move_file(JobId(1), OsStr::new("sales.txt"), Place::Inbox, Place::Sent, Some(sent)).unwrap();
        assert_eq!(moved.note.as_deref(), Some("changed after it was sent"));
    }

    #[test]
    fn a_file_that_somebody_removed_is_gone_and_a_missing_folder_is_an_error() {
        let (dir, folder) = folder();
        let file = put(&dir.path().join("sales.txt"), "x");
        fs::remove_file(dir.path().join("sales.txt")).unwrap();
        let moved = folder.move_file(JobId(1), OsStr::new("sales.txt"), Place::Inbox, Place::Sent, Some(file)).unwrap();
        assert_eq!(moved.place, Place::Gone);
        fs::remove_dir(dir.path().join("sent")).unwrap();
        assert!(folder.move_file(JobId(1), OsStr::new("sales.txt"), Place::Inbox, Place::Sent, Some(file)).is_err());
    }
}
