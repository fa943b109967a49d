//! Whether the disk takes what is written, and what is told of it.

use super::{JobLogError, Writer};

/// With less than this free nothing more is sent: what is under way must still be written down, and the write-ahead log
/// can only be put away while there is room for the database to grow.
const ROOM: u64 = 1 << 20;

impl Writer {
    /// Makes what room it can, then tells by a small write whether the disk takes commits again.
    pub(super) fn probe(&self) {
        // What the write-ahead log holds goes into the database, which often takes no more room for it.
        let _ = self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
        let result = self.free_space().and_then(|()| {
            self.connection
                .execute_batch("BEGIN IMMEDIATE; PRAGMA application_id = 1684107876; PRAGMA application_id = 0; COMMIT")
                .map_err(JobLogError::from)
        });
        if result.is_err() && !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        self.note_storage(result.as_ref().err());
    }

    pub(super) fn free_space(&self) -> Result<(), JobLogError> {
        let stat = rustix::fs::statvfs(&self.shared.dir)
            .map_err(|error| JobLogError::Storage(std::io::Error::from(error).to_string()))?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        if free < ROOM {
            return Err(JobLogError::Storage(format!("only {free} bytes are free")));
        }
        Ok(())
    }

    pub(super) fn note_storage(&self, error: Option<&JobLogError>) {
        let problem = match error {
            Some(JobLogError::Storage(why)) => Some(why.clone()),
            Some(JobLogError::Impossible(_) | JobLogError::NoSuchJob(_) | JobLogError::Closed) | None => None,
        };
        let changed = self.shared.storage.send_if_modified(|current| {
            let changed = current.is_some() != problem.is_some();
            current.clone_from(&problem);
            changed
        });
        match (changed, problem) {
            (true, Some(why)) => tracing::error!(
                error = %why,
                "the job log cannot be written: {why}; nothing is sent until it can, free space under {}",
                self.shared.dir.display()
            ),
            (true, None) => {
                tracing::info!("the job log can be written again; going on");
                self.shared.changes.send_modify(|count| *count += 1);
            }
            (false, _) => {}
        }
    }
}
