//! Renames within the folder that never overwrite (DESIGN F1, F2).

use super::account::AccountFolder;
use super::fit::fitting;
use super::rename::rename_without_overwriting;
use super::why::remove_why;
use crate::directory::Directory;
use crate::job::{CHANGED, FileIdentity, JobId, Place};
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io;

/// Places whose directories changed since they were last made durable.
pub type Touched = HashSet<Place>;

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
    /// Moves a job's file from one place to another. Not durable before [`AccountFolder::sync`] of what it `touched`.
    ///
    /// # Errors
    /// The system's, if the file is there and cannot be moved: to be tried again.
    pub fn move_file(
        &self,
        job: JobId,
        name: &OsStr,
        (from, to): (Place, Place),
        hashed: Option<FileIdentity>,
        touched: &mut Touched,
    ) -> io::Result<Moved> {
        touched.extend([from, to]);
        let (lies_in, called) = match met(self.place(from), name, hashed)? {
            Met::Ours => (from, name.to_owned()),
            // Made before, and not written down; or written down only as far as an earlier move.
            Met::Another | Met::Nothing if let Some((place, found)) = self.find(job, name, to, hashed) => {
                if place == to {
                    return self.after_move(job, found, to, hashed, touched);
                }
                touched.insert(place);
                (place, found)
            }
            // A file that lies in the inbox is the watcher's to look at, with all that it heard of it.
            Met::Another if from == Place::Inbox => {
                return Ok(gone(name, "another file lies in its place now, which is a new one"));
            }
            Met::Another => {
                self.put_back(job, from, name, touched)?;
                return Ok(gone(name, ANOTHER));
            }
            Met::Nothing => {
                // Nothing is known of a file whose folder is not there.
                self.place(from).is_still_there()?;
                self.place(to).is_still_there()?;
                return Ok(gone(name, "the file is not there any more: somebody removed it"));
            }
        };
        let (source, target) = (self.place(lies_in), self.place(to));
        for candidate in free_names(name, job) {
            match rename_without_overwriting((source, &called), (target, &candidate)) {
                Ok(()) => {
                    #[cfg(test)]
                    crate::ambient::simulated::renamed(&source.path_of(&called), &target.path_of(&candidate));
                    remove_why(source, &called);
                    return self.after_move(job, candidate, to, hashed, touched);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        let message = format!("{} has no free name for it", target.path().display());
        Err(io::Error::new(io::ErrorKind::AlreadyExists, message))
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
            |(place, candidate)| self.place(*place).entry(candidate).is_ok_and(|found| is_it(*place, found.identity)),
        )
    }

    /// Returns a file that is none of ours to the inbox, under a name that is free there.
    ///
    /// Linked, not renamed: a rename into the inbox says that a file is complete, which we cannot know. Where it must be renamed,
    /// whoever watches is told that it was us.
    fn put_back(&self, job: JobId, place: Place, name: &OsStr, touched: &mut Touched) -> io::Result<()> {
        touched.extend([place, Place::Inbox]);
        let (directory, inbox) = (self.place(place), self.place(Place::Inbox));
        self.note_put_back(&directory.entry(name)?.identity);
        for candidate in free_names(name, job) {
            match directory.link(name, inbox, &candidate) {
                Ok(()) => return directory.remove(name),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                // No hard links here, or it is a directory.
                Err(_) => match rename_without_overwriting((directory, name), (inbox, &candidate)) {
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
    /// The system's, if it can be neither made nor found; a directory is no marker.
    pub fn make_marker(&self, stem: &str) -> io::Result<()> {
        let inbox = self.place(Place::Inbox);
        let name = format!("{stem}.fin");
        let is_there = || match inbox.find(&name)? {
            Some(found) if found.is_directory() => {
                Err(io::Error::new(io::ErrorKind::IsADirectory, format!("{name} is a directory; rename it")))
            }
            // What is no plain file is rejected by its name, and makes room.
            found => Ok(found.is_some()),
        };
        if is_there()? {
            return Ok(());
        }
        let (file, hidden) = inbox.create_hidden(MARKER, 0o666)?;
        file.sync_all()?;
        // Closed before it is renamed: what is closed under its new name seems to be written there.
        drop(file);
        match hidden.rename(&name) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => is_there().map(|_| ()),
            made => made,
        }
    }

    /// Compares what was moved with what was hashed (DESIGN F2).
    fn after_move(
        &self,
        job: JobId,
        name: OsString,
        to: Place,
        hashed: Option<FileIdentity>,
        touched: &mut Touched,
    ) -> io::Result<Moved> {
        let Some(hashed) = hashed else { return Ok(Moved { place: to, name, note: None }) };
        let found = self.place(to).entry(&name)?.identity;
        if !is_same(found, hashed) {
            // Somebody put another file under this name just now: it is not ours to file.
            self.put_back(job, to, &name, touched)?;
            return Ok(gone(&name, ANOTHER));
        }
        let changed = (found.size, found.modified_ns) != (hashed.size, hashed.modified_ns);
        Ok(Moved { place: to, name, note: changed.then(|| CHANGED.to_owned()) })
    }

    /// Makes the moves since the last call durable.
    ///
    /// # Errors
    /// The system's.
    pub fn sync(&self, touched: &Touched) -> io::Result<()> {
        #[cfg(test)]
        crate::ambient::simulated::folder_synced();
        Place::ALL.iter().filter(|place| touched.contains(place)).try_for_each(|place| self.place(*place).sync())
    }
}

/// What the hidden file is for that becomes a marker.
pub(super) const MARKER: &str = "marker";

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
fn met(directory: &Directory, name: &OsStr, hashed: Option<FileIdentity>) -> io::Result<Met> {
    Ok(match directory.find(name)? {
        Some(found) if hashed.is_none_or(|hashed| is_same(found.identity, hashed)) => Met::Ours,
        Some(_) => Met::Another,
        None => Met::Nothing,
    })
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
    use crate::directory::identity_at;
    use std::fs;
    use std::path::Path;

    fn folder() -> (tempfile::TempDir, AccountFolder) {
        let dir = tempfile::tempdir().unwrap();
        let opened = AccountFolder::open("a", dir.path(), None, 1).unwrap();
        (dir, opened.folder)
    }

    fn move_sales(folder: &AccountFolder, job: i64, way: (Place, Place), hashed: FileIdentity) -> io::Result<Moved> {
        folder.move_file(JobId(job), OsStr::new("sales.txt"), way, Some(hashed), &mut Touched::new())
    }

    fn put(path: &Path, text: &str) -> FileIdentity {
        fs::write(path, text).unwrap();
        identity_at(path)
    }

    #[test]
    fn f1_a_move_never_overwrites() {
        let (dir, folder) = folder();
        let file = put(&dir.path().join("sales.txt"), "new");
        put(&dir.path().join("sent/sales.txt"), "old");
        put(&dir.path().join("sent/sales.17.txt"), "older");
        let moved = move_sales(&folder, 17, (Place::Inbox, Place::Sent), file).unwrap();
        assert_eq!(moved, Moved { place: Place::Sent, name: "sales.17.2.txt".into(), note: None });
        assert_eq!(fs::read_to_string(dir.path().join("sent/sales.txt")).unwrap(), "old");
        assert_eq!(fs::read_to_string(dir.path().join("sent/sales.17.2.txt")).unwrap(), "new");
    }

    #[test]
    fn f1_a_move_that_was_made_but_not_written_down_is_recognised() {
        let (dir, folder) = folder();
        let file = put(&dir.path().join("sales.txt"), "x");
        fs::rename(dir.path().join("sales.txt"), dir.path().join("sent/sales.txt")).unwrap();
        let moved = move_sales(&folder, 1, (Place::Inbox, Place::Sent), file).unwrap();
        assert_eq!(moved.place, Place::Sent);
        // And a new file of that name stays where it is.
        put(&dir.path().join("sales.txt"), "another");
        let moved = move_sales(&folder, 1, (Place::Inbox, Place::Sent), file).unwrap();
        assert_eq!((moved.place, moved.note), (Place::Sent, None));
        assert_eq!(fs::read_to_string(dir.path().join("sales.txt")).unwrap(), "another");
    }

    #[test]
    fn f1_a_move_to_a_numbered_name_that_was_not_written_down_is_recognised() {
        let (dir, folder) = folder();
        let file = put(&dir.path().join("sales.txt"), "x");
        put(&dir.path().join("sent/sales.txt"), "older");
        let first = move_sales(&folder, 5, (Place::Inbox, Place::Sent), file).unwrap();
        let again = move_sales(&folder, 5, (Place::Inbox, Place::Sent), file).unwrap();
        assert_eq!((again.place, &again.name, &again.note), (Place::Sent, &OsString::from("sales.5.txt"), &None));
        assert_eq!(first, again);
    }

    #[test]
    fn f1_a_file_whose_move_was_not_written_down_is_found_though_its_job_went_on() {
        let (dir, folder) = folder();
        let file = put(&dir.path().join("sales.txt"), "x");
        fs::rename(dir.path().join("sales.txt"), dir.path().join("sent/sales.txt")).unwrap();
        // The job log still believes it in the inbox, and wants it in done/ by now.
        let moved = move_sales(&folder, 1, (Place::Inbox, Place::Done), file).unwrap();
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
        let moved = move_sales(&folder, 3, (Place::Sent, Place::Done), sent).unwrap();
        assert_eq!(moved.place, Place::Gone);
        assert_eq!(fs::read_to_string(dir.path().join("sales.txt")).unwrap(), "a third file");
        assert_eq!(fs::read_to_string(dir.path().join("sales.3.txt")).unwrap(), "another file");
    }

    #[test]
    fn f1_every_directory_that_a_move_changes_is_made_durable() {
        let (dir, folder) = folder();
        let name = OsStr::new("sales.txt");
        let mut touched = Touched::new();
        let sent = put(&dir.path().join("sent/sales.txt"), "sent");
        put(&dir.path().join("sent/other"), "another file");
        fs::rename(dir.path().join("sent/other"), dir.path().join("sent/sales.txt")).unwrap();
        folder.move_file(JobId(3), name, (Place::Sent, Place::Done), Some(sent), &mut touched).unwrap();
        assert!(touched.contains(&Place::Inbox) && touched.contains(&Place::Sent), "where it went back to");

        touched.clear();
        let file = put(&dir.path().join("sent/sales.txt"), "x");
        folder.move_file(JobId(4), name, (Place::Held, Place::Done), Some(file), &mut touched).unwrap();
        assert!(touched.contains(&Place::Sent), "where it lay by a move that was not written down");
        folder.sync(&touched).unwrap();
    }

    #[test]
    fn f9_what_is_in_the_way_of_a_move_is_not_followed_and_not_replaced() {
        let (dir, folder) = folder();
        let outside = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink(outside.path(), dir.path().join("sent/sales.txt")).unwrap();
        fs::create_dir(dir.path().join("sent/sales.17.txt")).unwrap();
        let file = put(&dir.path().join("sales.txt"), "x");
        let moved = move_sales(&folder, 17, (Place::Inbox, Place::Sent), file).unwrap();
        assert_eq!(moved.name, "sales.17.2.txt");
        assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_marker_is_made_once_and_a_directory_is_none() {
        let (dir, folder) = folder();
        folder.make_marker("sales").unwrap();
        folder.make_marker("sales").unwrap();
        fs::create_dir(dir.path().join("costs.fin")).unwrap();
        assert!(folder.make_marker("costs").unwrap_err().to_string().contains("costs.fin is a directory"));
        let mut names: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, [".datadrop", "costs.fin", "done", "failed", "held", "sales.fin", "sent"]);
    }

    #[test]
    fn f2_another_inode_goes_back_as_a_new_file() {
        let (dir, folder) = folder();
        let sent = put(&dir.path().join("sales.txt"), "sent");
        put(&dir.path().join("other"), "another file");
        fs::rename(dir.path().join("other"), dir.path().join("sales.txt")).unwrap();
        let moved = move_sales(&folder, 1, (Place::Inbox, Place::Sent), sent).unwrap();
        assert_eq!(moved.place, Place::Gone);
        assert_eq!(fs::read_to_string(dir.path().join("sales.txt")).unwrap(), "another file");
    }

    #[test]
    fn f2_a_file_changed_after_it_was_sent_is_reported() {
        let (dir, folder) = folder();
        let sent = put(&dir.path().join("sales.txt"), "sent");
        fs::write(dir.path().join("sales.txt"), "sent and changed").unwrap();
        let moved = move_sales(&folder, 1, (Place::Inbox, Place::Sent), sent).unwrap();
        assert_eq!(moved.note.as_deref(), Some("changed after it was sent"));
    }

    #[test]
    fn a_file_that_somebody_removed_is_gone_and_a_missing_folder_is_an_error() {
        let (dir, folder) = folder();
        let file = put(&dir.path().join("sales.txt"), "x");
        fs::remove_file(dir.path().join("sales.txt")).unwrap();
        let moved = move_sales(&folder, 1, (Place::Inbox, Place::Sent), file).unwrap();
        assert_eq!(moved.place, Place::Gone);
        fs::remove_dir(dir.path().join("sent")).unwrap();
        assert!(move_sales(&folder, 1, (Place::Inbox, Place::Sent), file).is_err());
    }
}
