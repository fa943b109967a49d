//! What the job log knows of a file in the inbox: this one, another, or one that somebody renamed.

use super::arrivals::Inbox;
use super::assessment::{Known, known};
use super::folder_settings::Interrupted;
use crate::clock::{now, random_digits};
use crate::folder::directory::Entry;
use crate::inbox::readiness::Sight;
use crate::job::{FileIdentity, Fingerprint, JobId, Kind, State};
use crate::joblog::{Haste, InboxEntry, Job};
use std::ffi::OsStr;
use std::fs::File;

impl Inbox {
    pub(super) fn is_known(&self, name: &OsStr) -> Result<bool, Interrupted> {
        Ok(self.reader.inbox_entry(&self.settings.account, name)?.is_some())
    }

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

    /// Whether this is the file of a job that is queued, or on the wire, or was just before, renamed in the inbox since: it
    /// keeps its job (DESIGN A4, F1). A second name of a file that is still under its first is a drop of its own.
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
                // If an attempt has begun since it was read, the job keeps the name that the server was told (P3).
                if job.state == State::Queued && self.carry_on(job.id, &job.disk_name, name)? {
                    return Ok(true);
                }
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

    /// Notes a file that waits and is not under its name any more: it may come under another.
    pub(super) fn note_left(&mut self, name: &OsStr) {
        let Some(waiting) = self.candidates.get(name).filter(|waiting| waiting.candidate.kind == Kind::Data) else {
            return;
        };
        let Some(was) = waiting.candidate.last_seen() else { return };
        if self.directory().find(name).is_ok_and(|found| found.is_none_or(|found| !found.identity.is_same_file(&was))) {
            self.left.insert((was.device, was.inode), (was, name.to_owned()));
        }
    }

    /// If this is a file that waited under another name until just now, its job continues under this one.
    pub(super) fn carry_on_if_it_waited(&mut self, name: &OsStr, found: FileIdentity) -> Result<(), Interrupted> {
        let Some((was, former)) = self.left.remove(&(found.device, found.inode)) else { return Ok(()) };
        if former == name || !was.is_same_file(&found) {
            return Ok(());
        }
        // What was found of the former name may not be in the job log yet.
        self.flush()?;
        let entry = self.reader.inbox_entry(&self.settings.account, &former)?;
        let waits = entry.filter(|entry| entry.state == State::Waiting);
        if let Some(entry) = waits
            && self.carry_on(entry.id, &former, name)?
        {
            // Another file may have the former name already, and is reported again.
            self.report_again(&[former]);
        }
        Ok(())
    }

    /// Says whether the job continues under the new name.
    fn carry_on(&self, job: JobId, former: &OsStr, name: &OsStr) -> Result<bool, Interrupted> {
        let policy = self.settings.policy.clone();
        let renamed = self.joblog.renamed_unsent(policy, job, name.to_owned(), random_digits(), now()).wait()?;
        if renamed {
            let (account, was, is) = (&self.settings.account, former.display(), name.display());
            tracing::info!(account, job = job.0, "{was}: job {job}: renamed to {is} before it was sent");
        }
        Ok(renamed)
    }

    /// Why this file could not be moved once it is sent, if it could not: then it is not sent (DESIGN F5).
    pub(super) fn cannot_be_filed(&self, file: &File) -> Option<String> {
        let why = self.folder.holds_fast(&Entry::of(file).ok()?)?;
        Some(format!("the file could not be moved once it is sent, so it is not sent: {why}"))
    }
}
