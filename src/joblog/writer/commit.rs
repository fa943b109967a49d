//! One transaction for a group of operations, and one fsync.

use super::{Effects, Operation, Writer, lock};
use crate::joblog::errors::{JobLogError, StorageProblem};
use crate::joblog::open::progress_of;
use std::sync::atomic::Ordering;
use std::time::Instant;

impl Writer {
    pub(super) fn commit(&self, group: Vec<Operation>) {
        let mut effects = Effects::default();
        let mut replies = Vec::with_capacity(group.len());
        let outcome = match self.begin() {
            Ok(()) => {
                for operation in group {
                    // SQLite gives a whole transaction up where the disk is full; outside it nothing may be written.
                    let connection =
                        if self.connection.is_autocommit() { Err(rolled_back()) } else { Ok(&self.connection) };
                    replies.push(operation(connection, &mut effects));
                }
                if self.connection.is_autocommit() {
                    // SQLite gave the whole transaction up (a full disk does that).
                    Err(rolled_back())
                } else {
                    self.end_transaction()
                }
            }
            Err(error) => {
                for operation in group {
                    replies.push(operation(Err(error.clone()), &mut effects));
                }
                Err(error)
            }
        };
        if outcome.is_err() && !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        // Only the probe calls the disk well again: a transaction without a change commits on a full one, too.
        match outcome.clone().and_then(|()| self.free_space()) {
            Err(error @ JobLogError::Storage(_)) => self.note_storage(Some(&error)),
            // It says nothing of the disk, and a caller that does not wait for its answer never hears of it.
            Err(error) => tracing::error!(%error, "a transaction of the job log was rolled back: {error}"),
            Ok(()) => {}
        }
        for reply in replies {
            reply(outcome.clone());
        }
        if outcome.is_ok() {
            self.shared.commits.fetch_add(1, Ordering::Relaxed);
            self.announce(&effects);
        }
    }

    pub(super) fn begin(&self) -> Result<(), JobLogError> {
        if let Some(lost) = self.lost.get() {
            return Err(JobLogError::Storage(lost.clone()));
        }
        let begun = self.connection.prepare_cached("BEGIN IMMEDIATE").and_then(|mut begin| begin.execute([]));
        begun.map_err(JobLogError::from).map_err(|error| match error {
            JobLogError::Storage(StorageProblem::Locked(_)) => {
                JobLogError::Storage(StorageProblem::Locked(self.files.holder()))
            }
            JobLogError::Storage(_)
            | JobLogError::Impossible(_)
            | JobLogError::BadRow { .. }
            | JobLogError::NoSuchJob(_)
            | JobLogError::Closed => error,
        })?;
        self.compare()
    }

    /// The one fsync of a group.
    pub(super) fn end_transaction(&self) -> Result<(), JobLogError> {
        #[cfg(test)]
        crate::testing::surroundings::sync()?;
        self.compare_files()?;
        // Seldom: somebody wrote to the database since this transaction began, which the next look would no longer show.
        if self.files.is_written_to() {
            self.compare()?;
        }
        let (_, events) = progress_of(&self.connection)?;
        let begun = Instant::now();
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        self.events.set(events);
        self.files.trust();
        self.shared.commit_times.count(begun.elapsed());
        Ok(())
    }

    fn announce(&self, effects: &Effects) {
        if !effects.unfiled.is_empty() {
            let wakers = lock(&self.shared.unfiled);
            for (account, haste) in &effects.unfiled {
                if let Some(wake) = wakers.get(account) {
                    wake(*haste);
                }
            }
        }
        if !effects.taken_back.is_empty() {
            let under_way = lock(&self.shared.under_way);
            for stop in effects.taken_back.iter().filter_map(|attempt| under_way.get(attempt)) {
                stop.cancel();
            }
        }
        if effects.changed {
            self.shared.changes.send_modify(|count| *count += 1);
        }
    }
}

fn rolled_back() -> JobLogError {
    JobLogError::Storage(StorageProblem::Disk("the transaction was rolled back".to_owned()))
}
