//! Renames within the folder that never overwrite (DESIGN F1, F2).

use super::account::AccountFolder;
use super::fit::fitting;
use super::rename::rename_without_overwriting;
use super::same::{Met, Wanted};
use super::why::remove_why;
use crate::job::{FileIdentity, JobId, Oddity, Place};
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
    /// Its numbers there, unless its content is another by now.
    pub identity: Option<FileIdentity>,
    /// What was odd about it.
    pub note: Option<Oddity>,
}

impl AccountFolder {
    /// Moves a job's file from one place to another. Not durable before [`AccountFolder::sync`] of what it `touched`.
    ///
    /// # Errors
    /// The system's, if the file is there and cannot be moved: to be tried again.
    pub fn move_file(&self, wanted: &Wanted<'_>, touched: &mut Touched) -> io::Result<Moved> {
        let Wanted { job, name, from, to, .. } = *wanted;
        touched.extend([from, to]);
        let (lies_in, called, met) = match self.meet(wanted, from, name)? {
            // Without times of birth, a file that came since may have the inode of ours, which was moved already.
            met @ Met::Changed(found) if from == Place::Inbox && found.born_ns == 0 => match self.find(wanted)? {
                Some((place, found, Met::Same(identity))) if place == to => {
                    return Ok(arrived(to, found, Met::Same(identity)));
                }
                Some((place, found, met @ Met::Same(_))) => {
                    touched.insert(place);
                    (place, found, met)
                }
                Some((_, _, Met::Changed(_) | Met::Another | Met::Nothing)) | None => (from, name.to_owned(), met),
            },
            met @ (Met::Same(_) | Met::Changed(_)) => (from, name.to_owned(), met),
            met @ (Met::Another | Met::Nothing) => {
                // Made before, and not written down; or written down only as far as an earlier move.
                if let Some((place, found, met)) = self.find(wanted)? {
                    if place == to {
                        return Ok(arrived(to, found, met));
                    }
                    touched.insert(place);
                    (place, found, met)
                } else if met == Met::Nothing {
                    // Nothing is known of a file whose folder is not there.
                    self.place(from).is_still_there()?;
                    self.place(to).is_still_there()?;
                    return Ok(gone(name, Oddity::Removed));
                } else if from == Place::Inbox {
                    // A file that lies in the inbox is the watcher's to look at, with all that it heard of it.
                    return Ok(gone(name, Oddity::Another));
                } else {
                    self.put_back(job, from, name, touched)?;
                    return Ok(gone(name, Oddity::AnotherPutBack));
                }
            }
        };
        if lies_in == Place::Inbox && matches!(met, Met::Changed(_)) && matches!(to, Place::Sent | Place::Done) {
            // What somebody wrote into it by now has to be sent too (P1).
            return Ok(gone(&called, Oddity::Changed));
        }
        let (source, target) = (self.place(lies_in), self.place(to));
        if to == Place::Inbox {
            self.note_put_back(&source.entry(&called)?.identity);
        }
        // Somebody may have renamed it in the inbox: it keeps that name.
        for candidate in free_names(if lies_in == Place::Inbox { &called } else { name }, job) {
            let is_free = || !(wanted.is_of_another)(to, &candidate);
            match rename_without_overwriting((source, &called), (target, &candidate), is_free) {
                Ok(()) => {
                    #[cfg(test)]
                    crate::clock::surroundings::renamed(&source.path_of(&called), &target.path_of(&candidate));
                    remove_why(source, &called);
                    return self.after_move(wanted, candidate, met, touched);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        let message = format!("{} has no free name for it", target.path().display());
        Err(io::Error::new(io::ErrorKind::AlreadyExists, message))
    }

    /// Looks for a job's file under the names that our own moves may have given it, or that somebody gave it in the inbox.
    ///
    /// Where it was to go, it may have been changed since; elsewhere it must be as it was hashed.
    fn find(&self, wanted: &Wanted<'_>) -> io::Result<Option<(Place, OsString, Met)>> {
        if wanted.hashed.is_none() {
            return Ok(None);
        }
        let places = std::iter::once(wanted.to).chain(Place::SUB_FOLDERS).chain(std::iter::once(Place::Inbox));
        for place in places {
            for candidate in free_names(wanted.name, wanted.job) {
                if self.place(place).find(&candidate)?.is_none() || (wanted.is_of_another)(place, &candidate) {
                    continue;
                }
                match self.meet(wanted, place, &candidate)? {
                    met @ Met::Same(_) => return Ok(Some((place, candidate, met))),
                    met @ Met::Changed(_) if place == wanted.to => return Ok(Some((place, candidate, met))),
                    Met::Changed(_) | Met::Another | Met::Nothing => {}
                }
            }
        }
        if wanted.from != Place::Inbox {
            return Ok(None);
        }
        let renamed = self.renamed_in_inbox(wanted)?;
        Ok(renamed.map(|(name, met)| (Place::Inbox, name, met)))
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
                Err(_) => match rename_without_overwriting((directory, name), (inbox, &candidate), || false) {
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

    /// Compares what was moved with what was met just before (DESIGN F2).
    fn after_move(&self, wanted: &Wanted<'_>, name: OsString, met: Met, touched: &mut Touched) -> io::Result<Moved> {
        let found = self.place(wanted.to).entry(&name)?.identity;
        let met = match met {
            Met::Same(before) if found == before => met,
            Met::Changed(before) if found.is_same_file(&before) => Met::Changed(found),
            Met::Same(_) | Met::Changed(_) | Met::Another | Met::Nothing => self.meet(wanted, wanted.to, &name)?,
        };
        match met {
            Met::Same(_) | Met::Changed(_) => Ok(arrived(wanted.to, name, met)),
            Met::Another => {
                // Somebody put another file under this name just now: it is not ours to file.
                self.put_back(wanted.job, wanted.to, &name, touched)?;
                Ok(gone(&name, Oddity::AnotherPutBack))
            }
            Met::Nothing => Ok(gone(&name, Oddity::RemovedMeanwhile)),
        }
    }

    /// Makes the moves since the last call durable.
    ///
    /// # Errors
    /// The system's.
    pub fn sync(&self, touched: &Touched) -> io::Result<()> {
        #[cfg(test)]
        crate::clock::surroundings::folder_synced();
        Place::ALL.iter().filter(|place| touched.contains(place)).try_for_each(|place| self.place(*place).sync())
    }
}

/// What the hidden file is for that becomes a marker.
pub(super) const MARKER: &str = "marker";

fn gone(name: &OsStr, note: Oddity) -> Moved {
    Moved { place: Place::Gone, name: name.to_owned(), identity: None, note: Some(note) }
}

fn arrived(to: Place, name: OsString, met: Met) -> Moved {
    match met {
        Met::Same(identity) => Moved { place: to, name, identity: Some(identity), note: None },
        // What was written into it since it was sent is looked for as long as it is in view.
        Met::Changed(_) | Met::Another | Met::Nothing => Moved { place: to, name, identity: None, note: None },
    }
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
    use crate::folder::directory::identity_at;
    use crate::job::{Fingerprint, Sha256};
    use sha2::Digest as _;
    use std::fs;
    use std::path::Path;

    fn folder() -> (tempfile::TempDir, AccountFolder) {
        let dir = tempfile::tempdir().unwrap();
        let opened = AccountFolder::open("a", dir.path(), None, 1).unwrap();
        (dir, opened.folder)
    }

    fn move_sales(folder: &AccountFolder, job: i64, way: (Place, Place), hashed: Fingerprint) -> io::Result<Moved> {
        move_touching(folder, job, way, hashed, &mut Touched::new())
    }

    fn move_touching(
        folder: &AccountFolder,
        job: i64,
        (from, to): (Place, Place),
        hashed: Fingerprint,
        touched: &mut Touched,
    ) -> io::Result<Moved> {
        let wanted = Wanted {
            job: JobId(job),
            name: OsStr::new("sales.txt"),
            from,
            to,
            hashed: Some(hashed.identity),
            sha256: Some(hashed.sha256),
            read: &|directory, name| Ok(content_at(&directory.path_of(name))),
            is_of_another: &|_, _| false,
        };
        folder.move_file(&wanted, touched)
    }

    fn content_at(path: &Path) -> Fingerprint {
        let digest = sha2::Sha256::digest(fs::read(path).unwrap());
        Fingerprint { identity: identity_at(path), sha256: Sha256::new(digest.into()) }
    }

    fn put(path: &Path, text: &str) -> Fingerprint {
        fs::write(path, text).unwrap();
        content_at(path)
    }

    fn filed(place: Place, name: &str) -> (Place, OsString, Option<Oddity>) {
        (place, name.into(), None)
    }

    fn told(moved: Moved) -> (Place, OsString, Option<Oddity>) {
        (moved.place, moved.name, moved.note)
    }

    #[test]
    fn f1_a_move_never_overwrites() {
        let (dir, folder) = folder();
        let file = put(&dir.path().join("sales.txt"), "new");
        put(&dir.path().join("sent/sales.txt"), "old");
        put(&dir.path().join("sent/sales.17.txt"), "older");
        let moved = move_sales(&folder, 17, (Place::Inbox, Place::Sent), file).unwrap();
        assert_eq!(told(moved), filed(Place::Sent, "sales.17.2.txt"));
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
        assert_eq!(told(moved), filed(Place::Done, "sales.txt"));
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
        let mut touched = Touched::new();
        let sent = put(&dir.path().join("sent/sales.txt"), "sent");
        put(&dir.path().join("sent/other"), "another file");
        fs::rename(dir.path().join("sent/other"), dir.path().join("sent/sales.txt")).unwrap();
        move_touching(&folder, 3, (Place::Sent, Place::Done), sent, &mut touched).unwrap();
        assert!(touched.contains(&Place::Inbox) && touched.contains(&Place::Sent), "where it went back to");

        touched.clear();
        let file = put(&dir.path().join("sent/sales.txt"), "x");
        move_touching(&folder, 4, (Place::Held, Place::Done), file, &mut touched).unwrap();
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
        assert_eq!(moved.place, Place::Gone, "what lies there is a new file");
        assert_eq!(moved.note, Some(Oddity::Changed));

        let sent = put(&dir.path().join("sent/sales.txt"), "sent");
        fs::write(dir.path().join("sent/sales.txt"), "sent and changed").unwrap();
        let moved = move_sales(&folder, 1, (Place::Sent, Place::Done), sent).unwrap();
        assert_eq!((moved.place, moved.identity), (Place::Done, None), "the job log keeps what was sent");
    }

    #[test]
    fn f2_outside_the_inbox_the_content_decides_and_its_new_numbers_are_told() {
        let (dir, folder) = folder();
        let at = dir.path().join("sent/sales.txt");
        let sent = put(&at, "sent");
        // As a copy of the whole folder, or an editor that writes the same anew.
        fs::copy(&at, dir.path().join("copy")).unwrap();
        fs::rename(dir.path().join("copy"), &at).unwrap();
        let moved = move_sales(&folder, 1, (Place::Sent, Place::Done), sent).unwrap();
        assert_eq!(moved.identity, Some(identity_at(&dir.path().join("done/sales.txt"))));
        assert_ne!(moved.identity, Some(sent.identity));
        assert_eq!(told(moved), filed(Place::Done, "sales.txt"));
    }

    #[test]
    fn f2_a_file_that_was_renamed_in_the_inbox_is_filed_under_its_new_name() {
        let (dir, folder) = folder();
        let sent = put(&dir.path().join("sales.txt"), "sent");
        fs::rename(dir.path().join("sales.txt"), dir.path().join("costs.txt")).unwrap();
        put(&dir.path().join("a.txt"), "sent");
        let moved = move_sales(&folder, 1, (Place::Inbox, Place::Sent), sent).unwrap();
        assert_eq!(told(moved), filed(Place::Sent, "costs.txt"));
        assert!(dir.path().join("a.txt").exists(), "a copy of it is another drop");
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
