//! One transaction for a group of operations, and one fsync.

use super::{Effects, Operation, Stage, Writer, lock};
use crate::joblog::errors::{JobLogError, StorageProblem};
use crate::joblog::open::progress_of;
use std::sync::atomic::Ordering;
use std::time::Instant;

impl Writer {
    pub(super) fn commit(&self, mut group: Vec<Operation>) {
        let mut effects = Effects::default();
        let outcome = self.begin().and_then(|()| self.run_all(&mut group, &mut effects));
        if outcome.is_err() {
            self.roll_back();
        }
        // Only the probe calls the disk well again: a transaction without a change commits on a full one, too.
        match outcome.clone().and_then(|()| self.free_space()) {
            Err(error @ JobLogError::Storage(_)) => self.note_storage(Some(&error)),
            // It says nothing of the disk, and a caller that does not wait for its answer never hears of it.
            Err(error) => tracing::error!(%error, "a transaction of the job log was rolled back: {error}"),
            Ok(()) => {}
        }
        for operation in &mut group {
            operation(Stage::Answer(outcome.clone()));
        }
        if outcome.is_ok() {
            self.shared.commits.fetch_add(1, Ordering::Relaxed);
            self.announce(&effects);
        }
    }

    fn run_all(&self, group: &mut [Operation], effects: &mut Effects) -> Result<(), JobLogError> {
        if !self.run_together(group, effects) {
            // Seldom: a failing operation must not take its neighbours with it. Savepoints for all of them would cost
            // more than to begin again.
            self.roll_back();
            *effects = Effects::default();
            self.begin()?;
            for operation in group {
                self.in_savepoint(|| operation(Stage::Run(&self.connection, effects)))?;
            }
        }
        if self.connection.is_autocommit() {
            // SQLite gave the whole transaction up (a full disk does that).
            return Err(rolled_back());
        }
        self.end_transaction()
    }

    /// False if one of them has failed and left something that must be undone.
    fn run_together(&self, group: &mut [Operation], effects: &mut Effects) -> bool {
        for operation in group {
            let before = self.connection.total_changes();
            let went_well = operation(Stage::Run(&self.connection, effects));
            if self.connection.is_autocommit() {
                // SQLite gave the whole transaction up: outside it nothing may be written.
                return true;
            }
            if !went_well && self.connection.total_changes() != before {
                return false;
            }
        }
        true
    }

    fn in_savepoint(&self, operation: impl FnOnce() -> bool) -> Result<(), JobLogError> {
        self.connection.prepare_cached("SAVEPOINT operation")?.execute([])?;
        let went_well = operation();
        if self.connection.is_autocommit() {
            return Err(rolled_back());
        }
        if !went_well {
            self.connection.prepare_cached("ROLLBACK TO operation")?.execute([])?;
        }
        self.connection.prepare_cached("RELEASE operation")?.execute([])?;
        Ok(())
    }

    fn roll_back(&self) {
        if !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
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
        for warning in &effects.warnings {
            tracing::warn!("{warning}");
        }
        if effects.changed {
            self.shared.changes.send_modify(|count| *count += 1);
        }
    }
}

fn rolled_back() -> JobLogError {
    JobLogError::Storage(StorageProblem::Disk("the transaction was rolled back".to_owned()))
}
