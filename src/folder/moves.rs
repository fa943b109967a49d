//! Moves within the folder that never overwrite (DESIGN F1, F2), each with its `.why` (DESIGN F3).

use super::account::{AccountFolder, EXPLAINING, MARKER};
use super::rename::{fitting, free_names, is_one_file, rename_without_overwriting};
use crate::folder::directory::Directory;
use crate::job::{FileIdentity, Fingerprint, JobId, Oddity, Place, Sha256};
use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};

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
        let Wanted { job, name, from, to, was_sent, .. } = *wanted;
        touched.extend([from, to]);
        let (lies_in, called, met) = match self.meet(wanted, from, name)? {
            // Without times of birth, a file that came since may have the inode of ours, which was moved already.
            met @ (Met::Same(_) | Met::Changed(_)) if from == Place::Inbox && wanted.is_by_number(met) => {
                match self.find(wanted)? {
                    Some((place, found, met @ Met::Same(_))) if place == to => return Ok(arrived(to, found, met)),
                    Some((place, found, met @ Met::Same(_))) => {
                        touched.insert(place);
                        (place, found, met)
                    }
                    Some((_, _, Met::Changed(_) | Met::Another | Met::Nothing)) | None => (from, name.to_owned(), met),
                }
            }
            met @ (Met::Same(_) | Met::Changed(_)) => (from, name.to_owned(), met),
            met @ (Met::Another | Met::Nothing) => {
                // Made before, and not written down; or written down only as far as an earlier move.
                if let Some((place, found, met)) = self.find(wanted)? {
                    #[cfg(test)]
                    crate::testing::reach::met(crate::testing::reach::Met::MovedBefore);
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
                    #[cfg(test)]
                    crate::testing::reach::met(crate::testing::reach::Met::AnotherPutBack);
                    self.put_back(wanted, (from, name), touched)?;
                    return Ok(gone(name, Oddity::AnotherPutBack));
                }
            }
        };
        if lies_in == Place::Inbox && matches!(met, Met::Changed(_)) && was_sent {
            // What somebody wrote into it by now has to be sent too (P1), and is not what its job tells of (F2).
            #[cfg(test)]
            crate::testing::reach::met(crate::testing::reach::Met::ChangedBeforeMove);
            self.take_back_second_name(wanted, &called, touched)?;
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
                    crate::testing::surroundings::renamed(&source.path_of(&called), &target.path_of(&candidate));
                    #[cfg(test)]
                    if candidate != name && candidate != called {
                        crate::testing::reach::met(crate::testing::reach::Met::NumberedName);
                    }
                    if to == Place::Inbox {
                        self.note_put_back_as(&candidate);
                    }
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
        let mut likely = None;
        let places = std::iter::once(wanted.to).chain(Place::SUB_FOLDERS).chain(std::iter::once(Place::Inbox));
        for place in places {
            // In the inbox a number alone would speak for a file that came since.
            if place == Place::Inbox && likely.is_some() {
                return Ok(likely);
            }
            for candidate in free_names(wanted.name, wanted.job) {
                if self.place(place).find(&candidate)?.is_none() || (wanted.is_of_another)(place, &candidate) {
                    continue;
                }
                match self.meet(wanted, place, &candidate)? {
                    met @ Met::Same(_) => return Ok(Some((place, candidate, met))),
                    met @ Met::Changed(_) if place == wanted.to => return Ok(Some((place, candidate, met))),
                    // Where paths have numbers of their own, nothing else tells of a file that was never read and was written
                    // on since; and no other job gives a file this one's number. Its own name another may have been given.
                    Met::Another if place == wanted.to && wanted.sha256.is_none() => {
                        let entry = self.place(place).entry(&candidate)?;
                        if !entry.is_plain() || entry.identity.born_ns != 0 {
                            continue;
                        }
                        let met = Met::Same(entry.identity);
                        if candidate != wanted.name {
                            return Ok(Some((place, candidate, met)));
                        }
                        if wanted.hashed.is_some_and(|seen| entry.identity.may_have_grown_from(&seen)) {
                            likely = Some((place, candidate, met));
                        }
                    }
                    Met::Changed(_) | Met::Another | Met::Nothing => {}
                }
            }
        }
        if wanted.from != Place::Inbox {
            return Ok(None);
        }
        // Somebody renamed it; or did, and our move with that name was not written down.
        for place in [Place::Inbox, wanted.to] {
            if let Some((name, met)) = self.renamed_in(place, wanted)? {
                return Ok(Some((place, name, met)));
            }
        }
        Ok(None)
    }

    /// Removes the second name that a move which a crash broke off gave a file of the inbox.
    fn take_back_second_name(&self, wanted: &Wanted<'_>, name: &OsStr, touched: &mut Touched) -> io::Result<()> {
        for place in Place::SUB_FOLDERS {
            for candidate in free_names(wanted.name, wanted.job) {
                let second = (self.place(place), candidate.as_os_str());
                if !(wanted.is_of_another)(place, &candidate) && is_one_file((self.place(Place::Inbox), name), second)?
                {
                    touched.insert(place);
                    return second.0.remove(second.1);
                }
            }
        }
        Ok(())
    }

    /// Returns a file that is not datadrop's to the inbox, under the name that it had there if that is free.
    ///
    /// Linked, not renamed: a rename into the inbox says that a file is complete, which is unknown here. Where it must
    /// be renamed, the watcher learns that datadrop did it.
    fn put_back(&self, wanted: &Wanted<'_>, (place, name): (Place, &OsStr), touched: &mut Touched) -> io::Result<()> {
        touched.extend([place, Place::Inbox]);
        let (directory, inbox) = (self.place(place), self.place(Place::Inbox));
        self.note_put_back(&directory.entry(name)?.identity);
        for candidate in free_names(wanted.name, wanted.job) {
            match directory.link(name, inbox, &candidate) {
                Ok(()) => return directory.remove(name),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                // No hard links here, or it is a directory.
                Err(_) => match rename_without_overwriting((directory, name), (inbox, &candidate), || false) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    ended => {
                        self.note_put_back_as(&candidate);
                        return ended;
                    }
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
                self.put_back(wanted, (wanted.to, &name), touched)?;
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
        crate::testing::surroundings::folder_synced();
        Place::ALL.iter().filter(|place| touched.contains(place)).try_for_each(|place| self.place(*place).sync())
    }
}

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

// Is it the file that was sent? (DESIGN F2). Device, inode, size and times are hints that save reading it; where one of them
// differs, the content decides.

/// A job's file that is to be moved.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    /// The job.
    pub job: JobId,
    /// The name of its file.
    pub name: &'a OsStr,
    /// Where it lies, as far as the job log knows.
    pub from: Place,
    /// Where it belongs.
    pub to: Place,
    /// The file as it was hashed, or seen last.
    pub hashed: Option<FileIdentity>,
    /// Its content; `None` if it was never read.
    pub sha256: Option<Sha256>,
    /// That content was sent, or may have been.
    pub was_sent: bool,
    /// Reads what lies under a name.
    pub read: &'a dyn Fn(&Directory, &OsStr) -> io::Result<Fingerprint>,
    /// Whether another job has its file there.
    pub is_of_another: &'a dyn Fn(Place, &OsStr) -> bool,
}

impl Wanted<'_> {
    /// Whether the number alone says that what was met is this file: it has no time of birth, and its content is another or
    /// was never known.
    fn is_by_number(&self, met: Met) -> bool {
        match met {
            Met::Same(found) => found.born_ns == 0 && self.sha256.is_none() && self.hashed != Some(found),
            Met::Changed(found) => found.born_ns == 0,
            Met::Another | Met::Nothing => false,
        }
    }
}

/// What lies where a job's file should lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Met {
    /// Its file, as it was hashed, under these numbers.
    Same(FileIdentity),
    /// Its file, with another content.
    Changed(FileIdentity),
    /// Another file.
    Another,
    /// None.
    Nothing,
}

impl AccountFolder {
    /// Looks before it is moved, and after: another file must not be touched, because its writer may not be done.
    pub(super) fn meet(&self, wanted: &Wanted<'_>, place: Place, name: &OsStr) -> io::Result<Met> {
        let directory = self.place(place);
        let Some(entry) = directory.find(name)? else { return Ok(Met::Nothing) };
        let found = entry.identity;
        let Some(hashed) = wanted.hashed else { return Ok(Met::Same(found)) };
        if found == hashed {
            return Ok(Met::Same(found));
        }
        let by_looks = if found.looks_like(&hashed) { Met::Same(found) } else { Met::Another };
        let Some(sha256) = wanted.sha256 else { return Ok(by_looks) };
        // Dropped again under the name of a file in flight: a separate drop, which `duplicates` may allow.
        let is_dropped_anew = place == Place::Inbox && found.is_surely_another(&hashed);
        if !entry.is_plain() || is_dropped_anew {
            return Ok(Met::Another);
        }
        if found.size == hashed.size {
            match (wanted.read)(directory, name) {
                Ok(content) if content.sha256 == sha256 => return Ok(Met::Same(content.identity)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Met::Nothing),
                // A file that cannot be read is judged by its looks.
                Err(_) if !found.is_same_file(&hashed) => return Ok(by_looks),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(if found.is_same_file(&hashed) { Met::Changed(found) } else { Met::Another })
    }

    /// The name under which a job's file lies in a place, if somebody renamed it.
    fn renamed_in(&self, place: Place, wanted: &Wanted<'_>) -> io::Result<Option<(OsString, Met)>> {
        let Some(hashed) = wanted.hashed else { return Ok(None) };
        let directory = self.place(place);
        // Elsewhere, looks tell too little: a file of another job may have been moved there just now, too.
        let may_be_it =
            |found: &FileIdentity| found.is_same_file(&hashed) || place == Place::Inbox && found.looks_like(&hashed);
        for name in directory.names()? {
            let name = name?;
            let is_candidate = !name.as_encoded_bytes().starts_with(b".")
                && directory.find(&name)?.is_some_and(|found| found.is_plain() && may_be_it(&found.identity))
                && !(wanted.is_of_another)(place, &name);
            if is_candidate && let met @ (Met::Same(_) | Met::Changed(_)) = self.meet(wanted, place, &name)? {
                return Ok(Some((name, met)));
            }
        }
        Ok(None)
    }
}

// Removing from `done/` what was filed there (`keep.done`): that file, unchanged, and nothing else.

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// It is gone: removed now, or by somebody before.
    Gone,
    /// Something else lies under its name, or it was changed: that is somebody's, and stays.
    Left,
}

impl AccountFolder {
    /// Removes a file of `done/` if it is the one that was hashed, to the last change. Not durable before
    /// [`AccountFolder::sync`].
    ///
    /// # Errors
    /// The system's, if it cannot be looked at or removed: to be tried again.
    pub fn remove_done(&self, name: &OsStr, hashed: FileIdentity) -> io::Result<Removal> {
        let done = self.place(Place::Done);
        let Some(found) = done.find(name)?.map(|found| found.identity) else {
            // Nothing is known of a file whose folder is not there.
            return done.is_still_there().map(|()| Removal::Gone);
        };
        let is_unchanged = (found.size, found.modified_ns) == (hashed.size, hashed.modified_ns);
        if !found.is_same_file(&hashed) || !is_unchanged {
            return Ok(Removal::Left);
        }
        done.remove(name)?;
        Ok(Removal::Gone)
    }
}

// The file of a `.why`, beside each file in `failed/` and `held/` (DESIGN F3).

/// The name of an explanation, and those that it gets where something is in the way.
fn why_names(name: &OsStr) -> impl Iterator<Item = OsString> {
    let numbers = (2..10).map(|number| format!(".{number}.why"));
    std::iter::once(".why".to_owned()).chain(numbers).map(move |append| fitting(name, "", &append))
}

/// Does something to the first of the names where nothing is in the way: a directory, or in a folder with the sticky bit
/// what another user made.
fn past_what_stays(name: &OsStr, act: impl Fn(&OsStr) -> io::Result<()>) -> io::Result<()> {
    let mut ended = Ok(());
    for why in why_names(name) {
        ended = act(&why);
        let in_the_way = [io::ErrorKind::IsADirectory, io::ErrorKind::PermissionDenied];
        if !ended.as_ref().is_err_and(|error| in_the_way.contains(&error.kind())) {
            break;
        }
    }
    ended
}

impl AccountFolder {
    /// Writes the explanation beside a file in one of the places. It is a new file that takes the name, whatever bore that:
    /// nothing is opened to be written to, which could be a link or a second name of a file that lies elsewhere.
    ///
    /// # Errors
    /// The system's; the job log holds the reason all the same.
    pub fn write_why(&self, place: Place, name: &OsStr, text: &str) -> io::Result<()> {
        let directory = self.place(place);
        let (mut file, hidden) = directory.create_hidden(EXPLAINING, 0o666)?;
        file.write_all(text.as_bytes())?;
        past_what_stays(name, |why| directory.replace(hidden.name(), why))
    }
}

/// Removes the explanation of a file that lies there no more, if there is one. What lies there under its name by now has one of
/// its own.
pub fn remove_why(directory: &Directory, name: &OsStr) {
    if matches!(directory.find(name), Ok(None)) {
        let _ = past_what_stays(name, |why| directory.remove(why));
    }
}

#[cfg(test)]
mod tests;
