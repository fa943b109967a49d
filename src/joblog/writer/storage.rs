//! Whether the disk takes what is written, and what is reported about it.

use super::{JobLogError, StorageProblem, Writer};
use crate::joblog::database_files::SAVED;
use crate::joblog::lock::{Memory, NOTHING_SAVED};
use crate::joblog::open::{begin_run, open_in_use, progress_of};
use crate::joblog::schema::mark;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use std::mem::discriminant;
use std::path::Path;
use std::thread::JoinHandle;

/// With less than this free nothing more is sent: what is in progress must still be written down, and the write-ahead
/// log can only be put away while there is room for the database to grow.
const ROOM: u64 = 1 << 20;

impl Writer {
    /// Makes what room it can, then tells by a small write whether the disk takes commits again.
    pub(super) fn probe(&self) {
        if self.lost.get().is_some() {
            return;
        }
        // What the write-ahead log holds goes into the database, which often takes no more room for it.
        if self.compare().is_ok() {
            let _ = self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
            self.files.trust();
        }
        let result = self.free_space().and_then(|()| self.begin()).and_then(|()| {
            // A write that changes nothing.
            self.connection.execute_batch("PRAGMA application_id = 0").and_then(|()| mark(&self.connection))?;
            self.end_transaction()
        });
        if result.is_err() && !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        self.note_storage(result.as_ref().err());
    }

    pub(super) fn free_space(&self) -> Result<(), JobLogError> {
        let stat = rustix::fs::statvfs(&self.shared.dir)
            .map_err(|error| JobLogError::Storage(StorageProblem::Disk(std::io::Error::from(error).to_string())))?;
        let free = stat.f_bavail.saturating_mul(stat.f_frsize);
        if free < ROOM {
            return Err(JobLogError::Storage(StorageProblem::Disk(format!("only {free} bytes are free"))));
        }
        Ok(())
    }

    pub(super) fn note_storage(&self, error: Option<&JobLogError>) {
        let problem = error.map(|error| match error {
            JobLogError::Storage(why) => why.clone(),
            JobLogError::Impossible(_)
            | JobLogError::BadRow { .. }
            | JobLogError::NoSuchJob(_)
            | JobLogError::Closed => StorageProblem::Disk(error.to_string()),
        });
        let changed = self.shared.storage.send_if_modified(|current| {
            // Another kind of problem is news, other words for it are not.
            let changed = current.as_ref().map(discriminant) != problem.as_ref().map(discriminant);
            current.clone_from(&problem);
            changed
        });
        match (changed, problem) {
            (true, Some(why)) => tracing::error!(
                error = %why,
                "the job log cannot be written, and nothing is sent until it can: {why} ({})",
                self.shared.dir.display()
            ),
            (true, None) => {
                tracing::info!("the job log can be written again; going on");
                self.shared.changes.send_modify(|count| *count += 1);
            }
            (false, _) => {}
        }
    }

    /// Whether what is written can still be read by others (DESIGN §8); once it cannot, nothing is ever written again.
    pub(super) fn compare(&self) -> Result<(), JobLogError> {
        self.compare_files()?;
        match self.holds_what_was_written() {
            Ok(true) => return Ok(()),
            Ok(false) => {}
            // A file that another is copied over is no database, or a torn one, until the copy is whole.
            Err(JobLogError::Storage(StorageProblem::Damaged(_))) if self.files.is_written_to() => {}
            Err(error) => return Err(error),
        }
        Err(self.lose(StorageProblem::Lost("the content of datadrop.db was replaced".to_owned()), false))
    }

    /// The part of it that a commit must not be without.
    pub(super) fn compare_files(&self) -> Result<(), JobLogError> {
        if let Some(lost) = self.lost.get() {
            return Err(JobLogError::Storage(lost.clone()));
        }
        match self.files.compare() {
            Ok(()) => Ok(()),
            Err(problem @ StorageProblem::Lost(_)) => Err(self.lose(problem, true)),
            Err(problem @ (StorageProblem::Disk(_) | StorageProblem::Locked(_) | StorageProblem::Damaged(_))) => {
                Err(JobLogError::Storage(problem))
            }
        }
    }

    /// Returns whether the database still has the content that this writer wrote: nothing replaced it, through SQLite
    /// or by a plain copy over it. A failure to read is a fault of the disk, and tried again.
    fn holds_what_was_written(&self) -> Result<bool, JobLogError> {
        if !self.is_ours(&self.connection)? {
            return Ok(false);
        }
        if self.examination.borrow().as_ref().is_some_and(JoinHandle::is_finished)
            && let Some(examined) = self.examination.take()
            && matches!(examined.join(), Ok(Ok(false)))
        {
            return Ok(false);
        }
        if !self.files.is_written_to() {
            return Ok(true);
        }
        // Another process may have put the write-ahead log away. Read afresh: the writer would see its own pages.
        let Some(fresh) = open_in_use(&self.shared.dir)? else { return Ok(false) };
        let is_ours = self.is_ours(&fresh)?;
        if is_ours && self.examination.borrow().is_none() {
            self.files.trust();
            // For a large job log this takes a while, and no caller should have to wait for it.
            let examination = std::thread::Builder::new().spawn(move || is_whole(&fresh));
            self.examination.replace(examination.ok());
        }
        Ok(is_ours)
    }

    fn is_ours(&self, connection: &Connection) -> Result<bool, JobLogError> {
        let (run, events) = progress_of(connection)?;
        Ok(run == self.run && events >= self.events.get())
    }

    fn lose(&self, problem: StorageProblem, is_legible: bool) -> JobLogError {
        if !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        // Not to put away, on closing, a write-ahead log that somebody else put in the place of ours.
        let _ = self.connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true);
        let problem = JobLogError::Storage(self.lost.get_or_init(|| problem).clone());
        self.note_storage(Some(&problem));
        self.keep_what_is_known(is_legible);
        problem
    }

    /// For the next start: uploads may be in progress that the job log which stands there now has never heard of.
    fn keep_what_is_known(&self, is_legible: bool) {
        // Before the copy, which may take longer than the process lives.
        self.warn_next_start(NOTHING_SAVED);
        if !is_legible {
            return;
        }
        let saved = self.shared.dir.join(SAVED);
        match self.save(&saved) {
            Ok(number) => {
                self.warn_next_start(number);
                tracing::error!(file = %saved.display(), "what the job log knew is saved in {}", saved.display());
            }
            Err(error) => {
                tracing::error!(%error, "what the job log knew cannot be saved: {error}");
                let _ = std::fs::remove_file(&saved);
            }
        }
    }

    fn warn_next_start(&self, wanted: i64) {
        if let Err(error) = self.state.remember(&Memory { wanted: Some(wanted), ..self.state.memory() }) {
            tracing::error!(%error, "the next start cannot be warned that the job log was lost: {error}");
        }
    }

    /// SQLite reads on in files that were removed, as long as they are open. The number of the copy.
    fn save(&self, saved: &Path) -> Result<i64, SaveError> {
        match std::fs::remove_file(saved) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        self.connection.execute("VACUUM INTO ?1", [saved.to_string_lossy()])?;
        // Its commit makes the whole file durable.
        Ok(begin_run(&Connection::open(saved)?)?)
    }
}

/// Whether tables and indexes agree.
fn is_whole(connection: &Connection) -> rusqlite::Result<bool> {
    connection.execute_batch("PRAGMA ignore_check_constraints = ON")?;
    let verdict: String = connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    Ok(verdict == "ok")
}

#[derive(Debug, thiserror::Error)]
enum SaveError {
    #[error(transparent)]
    Database(#[from] rusqlite::Error),
    #[error(transparent)]
    File(#[from] std::io::Error),
}
