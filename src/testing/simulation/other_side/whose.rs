//! Whose the remote jobs are, as far as a job log can know.

use super::{Arrived, Entry, Remote};
use crate::job::{JobId, Sha256};

impl Remote {
    /// Whose attempt brought the upload that arrived last.
    pub(in super::super) fn name_owner(&mut self, arrived: &Arrived, owner: JobId) {
        for take in &mut self.to_take {
            if take.owner.is_none() && !take.is_forgotten && take.arrived.name == arrived.name {
                take.owner = Some(owner);
            }
        }
        for entry in &mut self.ledger {
            let is_new = entry.owner.is_none() && !entry.is_forgotten;
            if is_new && entry.sha256 == Some(arrived.sha256) && entry.name == arrived.name {
                entry.owner = Some(owner);
            }
        }
    }

    /// Everything that was or will be taken of a job of ours, as far as its job log knows of it.
    pub(in super::super) fn taken_of(&self, owner: JobId) -> usize {
        self.taken().filter(|(taken, _)| *taken == owner).count()
    }

    /// The owners of everything that was or will be taken, with its content.
    pub(in super::super) fn taken(&self) -> impl Iterator<Item = (JobId, Sha256)> {
        let known = self.ledger.iter().filter(|entry| !entry.is_forgotten);
        let to_come = self.to_take.iter().filter(|take| !take.is_forgotten);
        known
            .filter_map(|entry| Some((entry.owner?, entry.sha256?)))
            .chain(to_come.filter_map(|take| Some((take.owner?, take.arrived.sha256))))
    }

    /// The number that the next remote job will be above.
    pub(in super::super) fn latest_id(&self) -> i64 {
        self.next_id
    }

    /// The job log is one that knows nothing of what came after this remote job, and no job after this one.
    pub(in super::super) fn forget_after(&mut self, id: i64, newest: JobId) {
        let owners = self.ledger.iter_mut().filter(|entry| entry.id > id && entry.sha256.is_some());
        let to_come = self.to_take.iter_mut().filter(|take| take.id > id);
        for (is_forgotten, owner) in owners
            .map(|entry| (&mut entry.is_forgotten, &mut entry.owner))
            .chain(to_come.map(|take| (&mut take.is_forgotten, &mut take.owner)))
        {
            *is_forgotten = true;
            *owner = owner.filter(|owner| *owner <= newest);
        }
        self.shown.clear();
    }

    /// What the job log has for its own is known again.
    pub(in super::super) fn knows(&mut self, owned: impl Iterator<Item = (i64, JobId, Option<Sha256>)>) {
        self.known.clear();
        for (id, job, sha256) in owned {
            self.known.insert(id);
            let is_it = |entry: &&mut Entry| entry.id == id && entry.is_forgotten && entry.sha256 == sha256;
            if let Some(entry) = self.ledger.iter_mut().find(is_it) {
                (entry.is_forgotten, entry.owner) = (false, Some(job));
            }
        }
    }
}
