//! Is it the file that was sent? (DESIGN F2). Device, inode, size and times are hints that save reading it; where one of them
//! differs, the content decides.

use super::account::AccountFolder;
use crate::folder::directory::Directory;
use crate::job::{FileIdentity, Fingerprint, JobId, Place, Sha256};
use std::ffi::{OsStr, OsString};
use std::io;

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
    /// Its content; `None` if nobody has read it.
    pub sha256: Option<Sha256>,
    /// Reads what lies under a name.
    pub read: &'a dyn Fn(&Directory, &OsStr) -> io::Result<Fingerprint>,
    /// Whether another job has its file there.
    pub is_of_another: &'a dyn Fn(Place, &OsStr) -> bool,
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
    /// Looks before it is moved, and after: another file must not be touched, whoever writes to it may not be done.
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
        // Dropped anew under the name of one that is on its way: a drop of its own, as `duplicates` may allow it.
        let is_dropped_anew = place == Place::Inbox && found.is_surely_another(&hashed);
        if !entry.is_plain() || is_dropped_anew {
            return Ok(Met::Another);
        }
        if found.size == hashed.size {
            match (wanted.read)(directory, name) {
                Ok(content) if content.sha256 == sha256 => return Ok(Met::Same(content.identity)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Met::Nothing),
                // What cannot be read is told by its looks.
                Err(_) if !found.is_same_file(&hashed) => return Ok(by_looks),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(if found.is_same_file(&hashed) { Met::Changed(found) } else { Met::Another })
    }

    /// The name under which a job's file lies in the inbox, if somebody renamed it there.
    pub(super) fn renamed_in_inbox(&self, wanted: &Wanted<'_>) -> io::Result<Option<(OsString, Met)>> {
        let Some(hashed) = wanted.hashed else { return Ok(None) };
        let inbox = self.place(Place::Inbox);
        for name in inbox.names()? {
            let name = name?;
            let is_candidate = !name.as_encoded_bytes().starts_with(b".")
                && inbox.find(&name)?.is_some_and(|found| found.is_plain() && found.identity.looks_like(&hashed))
                && !(wanted.is_of_another)(Place::Inbox, &name);
            if is_candidate && let met @ (Met::Same(_) | Met::Changed(_)) = self.meet(wanted, Place::Inbox, &name)? {
                return Ok(Some((name, met)));
            }
        }
        Ok(None)
    }
}
