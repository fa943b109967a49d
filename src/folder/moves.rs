//! Renames within the folder that never overwrite (DESIGN F1, F2).

use super::fit::fitting;
use super::mark::AccountFolder;
use super::rename::rename_without_overwriting;
use super::why;
use crate::ambient::identity_of;
use crate::job::{CHANGED, FileIdentity, JobId, Place};
use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::path::Path;

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
        let (source, lay_in) = match met(&source, hashed)? {
            Met::Ours => (source, from),
            // Made before, and not written down; or written down only as far as an earlier move.
            Met::Another | Met::Nothing if let Some((place, found)) = self.find(job, name, to, hashed) => {
                let path = self.place(place).join(&found);
                if place == to {
                    return self.after_move(job, &path, found, to, hashed);
                }
                (path, place)
            }
            // A file that lies in the inbox is the watcher's to look at, with all that it heard of it.
            Met::Another if from == Place::Inbox => {
                return Ok(gone(name, "another file lies in its place now, which is a new one"));
            }
            Met::Another => {
                self.put_back(job, &source, name)?;
                return Ok(gone(name, ANOTHER));
            }
            Met::Nothing => {
                // Nothing is known of a file whose folder is not there.
                fs::metadata(self.place(from))?;
                fs::metadata(self.place(to))?;
                return Ok(gone(name, "the file is not there any more: somebody removed it"));
            }
        };
        let target_dir = self.place(to);
        for candidate in free_names(name, job) {
            let target = target_dir.join(&candidate);
            match rename_without_overwriting(&source, &target) {
                Ok(()) => {
                    #[cfg(test)]
                    crate::ambient::simulated::renamed(&source, &target);
                    if let Some(left) = source.file_name() {
                        why::remove_why(&self.place(lay_in), left);
                    }
                    return self.after_move(job, &target, candidate, to, hashed);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{} has no free name for it", target_dir.display())))
    }

    /// Looks for a job's file under the names that our own moves may have given it.
    ///
    /// Where it was to go, it may have been changed since; elsewhere it must be as it was hashed, for inodes are used again.
    fn find(&self, job: JobId, name: &OsStr, to: Place, hashed: Option<FileIdentity>) -> Option<(Place, OsString)> {
        let hashed = hashed?;
        let is_it = |place: Place, found: FileIdentity| {
            if place == to { is_same(found, hashed) } else { found == hashed }
        };
        let places = std::iter::once(to).chain(Place::SUB_FOLDERS).chain(std::iter::once(Place::Inbox));
        places.flat_map(|place| free_names(name, job).map(move |candidate| (place, candidate))).find(
            |(place, candidate)| {
                fs::symlink_metadata(self.place(*place).join(candidate))
                    .is_ok_and(|metadata| is_it(*place, identity_of(&metadata)))
            },
        )
    }

    /// Returns a file that is none of ours to the inbox, under a name that is free there.
    ///
    /// Linked, not renamed: a rename into the inbox says that a file is complete, which we cannot know.
    fn put_back(&self, job: JobId, path: &Path, name: &OsStr) -> io::Result<()> {
        for candidate in free_names(name, job) {
            let inbox = self.place(Place::Inbox).join(candidate);
            match fs::hard_link(path, &inbox) {
                Ok(()) => return fs::remove_file(path),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                // No hard links here, or it is a directory.
                Err(_) => match rename_without_overwriting(path, &inbox) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    ended => return ended,
                },
            }
        }
        Err(io::Error::new(io::ErrorKind::AlreadyExists, "the inbox has no free name for a file that is not ours"))
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
        job: JobId,
        moved_to: &Path,
        name: OsString,
        to: Place,
        hashed: Option<FileIdentity>,
    ) -> io::Result<Moved> {
        let Some(hashed) = hashed else { return Ok(Moved { place: to, name, note: None }) };
        let found = identity_of(&fs::symlink_metadata(moved_to)?);
        if !is_same(found, hashed) {
            // Somebody put another file under this name just now: it is not ours to file.
            self.put_back(job, moved_to, &name)?;
            return Ok(gone(&name, ANOTHER));
        }
        let changed = (found.size, found.modified_ns) != (hashed.size, hashed.modified_ns);
        Ok(Moved { place: to, name, note: changed.then(|| CHANGED.to_owned()) })
    }

    /// Makes the moves since the last call durable.
    ///
    /// # Errors
    /// The system's.
    pub fn sync(&self, touched: &BTreeSet<&'static str>) -> io::Result<()> {
        #[cfg(test)]
        crate::ambient::simulated::folder_synced();
        for place in touched.iter().filter_map(|word| Place::from_word(word)) {
            File::open(self.place(place))?.sync_all()?;
        }
        Ok(())
    }
}

const ANOTHER: &str = "another file lay in its place and went back into the folder as a new one";

fn gone(name: &OsStr, note: &str) -> Moved {
    Moved { place: Place::Gone, name: name.to_owned(), note: Some(note.to_owned()) }
}

/// What lies where a job's file should lie.
enum Met {
    Ours,
    Another,
    Nothing,
}

/// Looks before it is moved: another file must not be touched, whoever writes to it may not be done.
fn met(path: &Path, hashed: Option<FileIdentity>) -> io::Result<Met> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if hashed.is_none_or(|hashed| is_same(identity_of(&metadata), hashed)) => Ok(Met::Ours),
        Ok(_) => Ok(Met::Another),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Met::Nothing),
        Err(error) => Err(error),
    }
}

/// The same file, changed or not.
fn is_same(found: FileIdentity, hashed: FileIdentity) -> bool {
    found.is_same_file(&hashed)
}

/// The file's own name, then the job's number within it, then a counter behind that.
fn free_names(name: &OsStr, job: JobId) -> impl Iterator<Item = OsString> {
    let name = name.to_owned();
    let numbers = std::iter::once(format!(".{job}")).chain((2..100).map(move |n| format!(".{job}.{n}")));
    std::iter::once(name.clone()).chain(numbers.map(move |number| fitting(&name, &number, "")))
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
    fn f1_a_move_to_a_numbered_name_that_was_not_written_down_is_recognised() {
        let (dir, folder) = folder();
        let file = put(&dir.path().join("sales.txt"), "x");
        put(&dir.path().join("sent/sales.txt"), "older");
        let first = folder.move_file(JobId(5), OsStr::new("sales.txt"), Place::Inbox, Place::Sent, Some(file)).unwrap();
        let again = folder.move_file(JobId(5), OsStr::new("sales.txt"), Place::Inbox, Place::Sent, Some(file)).unwrap();
        assert_eq!((again.place, &again.name, &again.note), (Place::Sent, &OsString::from("sales.5.txt"), &None));
        assert_eq!(first, again);
    }

    #[test]
    fn f1_a_file_whose_move_was_not_written_down_is_found_though_its_job_went_on() {
        let (dir, folder) = folder();
        let file = put(&dir.path().join("sales.txt"), "x");
        fs::rename(dir.path().join("sales.txt"), dir.path().join("sent/sales.txt")).unwrap();
        // The job log still believes it in the inbox, and wants it in done/ by now.
        let moved = folder.move_file(JobId(1), OsStr::new("sales.txt"), Place::Inbox, Place::Done, Some(file)).unwrap();
        assert_eq!(moved, Moved { place: Place::Done, name: "sales.txt".into(), note: None });
        assert_eq!(fs::read_to_string(dir.path().join("done/sales.txt")).unwrap(), "x");
    }

    #[test]
    fn f2_another_file_outside_the_inbox_goes_back_and_overwrites_nothing() {
        let (dir, folder) = folder();
        let sent = put(&dir.path().join("sent/sales.txt"), "sent");
        put(&dir.path().join("sent/other"), "another file");
        fs::rename(dir.path().join("sent/other"), dir.path().join("sent/sales.txt")).unwrap();
        put(&dir.path().join("sales.txt"), "a third file");
        let moved = folder.move_file(JobId(3), OsStr::new("sales.txt"), Place::Sent, Place::Done, Some(sent)).unwrap();
        assert_eq!(moved.place, Place::Gone);
        assert_eq!(fs::read_to_string(dir.path().join("sales.txt")).unwrap(), "a third file");
        assert_eq!(fs::read_to_string(dir.path().join("sales.3.txt")).unwrap(), "another file");
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
