//! The writer without its thread, for simulations: each operation is a transaction of its own, made by the caller, and
//! the process may end on either side of its commit.

use super::{JobLog, Operation, Purpose, Shared, Writer, lock};
use crate::joblog::{Job, JobLogError, OpenError, Reader, StateLock, sql};
use crate::testing::reach::Point;
use crate::testing::surroundings::passing;
use std::sync::{Arc, Mutex, mpsc};

pub(in crate::joblog) struct AtOnce(Mutex<Writer>);

impl AtOnce {
    pub(super) fn run(&self, operation: Operation) {
        passing(Point::BeforeCommit);
        lock(&self.0).commit(vec![operation]);
        passing(Point::AfterCommit);
    }
}

/// Looks at the writer between two operations.
pub(super) fn within(log: &JobLog, look: impl FnOnce(&Writer)) {
    if let Some(at_once) = &log.at_once {
        look(&lock(&at_once.0));
    }
}

impl JobLog {
    /// Opens the job log as [`JobLog::open`] does, but for the thread.
    pub(crate) fn open_at_once(state: StateLock) -> Result<Self, OpenError> {
        let shared = Arc::new(Shared::new(state.dir().to_owned()));
        let writer = Writer::open(Purpose::Work, state, Arc::clone(&shared))?;
        let (commands, _) = mpsc::channel();
        Ok(Self { commands, shared, at_once: Some(Arc::new(AtOnce(Mutex::new(writer)))) })
    }

    /// What the thread does each second while the disk is not well.
    pub(crate) fn probe(&self) {
        if let Some(at_once) = &self.at_once {
            lock(&at_once.0).probe();
        }
    }
}

impl Reader {
    /// Every job as it stands, oldest first.
    pub(crate) fn every_job(&self) -> Result<Vec<Job>, JobLogError> {
        sql::jobs_where(&self.connection(), "1 ORDER BY id", [])
    }
}
