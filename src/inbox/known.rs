//! What the job log knows of a file in the inbox: this one, another, or one that somebody renamed.

use super::arrivals::Inbox;
use super::assessment::{Known, known};
use super::folder_settings::Interrupted;
use crate::clock::now;
use crate::folder::directory::Entry;
use crate::inbox::readiness::Sight;
use crate::job::{FileIdentity, Fingerprint, Kind};
use crate::joblog::{Haste, InboxEntry, Job};
use std::ffi::OsStr;
use std::fs::File;

impl Inbox {
    /// Whether the job log has this very file already.
    pub(super) fn look_up(&self, name: &OsStr, entry: Option<&InboxEntry>, sight: Sight) -> Result<Known, Interrupted> {
        let read;
        let entry = if let Some(entry) = entry {
            Some(entry)
        } else {
            read = self.reader.inbox_entry(&self.settings.account, name)?;
            read.as_ref()
        };
        Ok(known(entry, sight.identity))
    }

    /// Whether this is the file of a job that is on the wire, or was just before, renamed in the inbox since: it keeps its job
    /// (DESIGN A4, F1). A second name of a file that is still under its first is a drop of its own.
    pub(super) fn was_renamed(&self, name: &OsStr, found: &Fingerprint) -> Result<bool, Interrupted> {
        let taken = self.reader.taken_with_content(&self.settings.account, found.sha256)?;
        self.is_one_of(&taken, name, |file| file.looks_like(&found.identity))
    }

    /// The same for a name that was not seen before: by its numbers, while its upload is on the wire.
    pub(super) fn was_just_renamed(&self, name: &OsStr, kind: Kind, found: FileIdentity) -> Result<bool, Interrupted> {
        if kind == Kind::Fin || self.candidates.contains_key(name) {
            return Ok(false);
        }
        let taken = self.reader.on_the_wire(&self.settings.account, &found)?;
        self.is_one_of(&taken, name, |file| file == found)
    }

    fn is_one_of(
        &self,
        taken: &[Job],
        name: &OsStr,
        is_it: impl Fn(FileIdentity) -> bool,
    ) -> Result<bool, Interrupted> {
        for job in taken {
            if job.disk_name == name || !job.identity.is_some_and(&is_it) {
                continue;
            }
            let old = self.directory().find(&job.disk_name);
            if old.is_ok_and(|old| !old.is_some_and(|old| is_it(old.identity))) {
                let (account, was, is) = (&self.settings.account, job.disk_name.display(), name.display());
                tracing::warn!(
                    account,
                    job = job.id.0,
                    "{was}: job {}: renamed to {is} while it was on its way",
                    job.id
                );
                self.joblog.renamed(job.id, name.to_owned(), self.directory().path_of(name), now()).wait()?;
                // It may wait to be moved, and was not found under its old name.
                self.board.unfiled(Haste::None);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Why this file could not be moved once it is sent, if it could not: then it is not sent (DESIGN F5).
    pub(super) fn cannot_be_filed(&self, file: &File) -> Option<String> {
        let why = self.folder.holds_fast(&Entry::of(file).ok()?)?;
        Some(format!("the file could not be moved once it is sent, so it is not sent: {why}"))
    }
}
