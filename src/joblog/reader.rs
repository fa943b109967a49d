//! Reading connections: beside a daemon at work or without one, and for a look that leaves nothing behind (DESIGN §7, `doctor`).

use super::database_files::{DATABASE, is_at_rest};
use super::errors::{JobLogError, OpenError};
use super::open::{is_readable, open_at_rest, open_reader};
use super::schema::{newest, version_of};
use rusqlite::Connection;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A reading connection. Its reads are short: a long one would keep the write-ahead log from being trimmed.
#[derive(Debug)]
pub struct Reader(pub(super) Arc<Mutex<Connection>>);

impl Reader {
    /// Opens the job log of a state directory for reading, whether or not a daemon runs.
    ///
    /// # Errors
    /// [`OpenError`] if there is none or it cannot be read.
    pub fn open(dir: &Path) -> Result<Self, OpenError> {
        Ok(Self::of(open_reader(dir)?))
    }

    pub(super) fn of(connection: Connection) -> Self {
        Self(Arc::new(Mutex::new(connection)))
    }

    /// A reader has one user; the lock only lets it travel between threads.
    pub(super) fn connection(&self) -> MutexGuard<'_, Connection> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes when another connection has committed.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn data_version(&self) -> Result<i64, JobLogError> {
        Ok(self.connection().prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))?)
    }

    /// Opens the job log for one question, and leaves nothing beside it; `None` if there is none yet.
    ///
    /// # Errors
    /// [`OpenError`] if it cannot be read.
    pub fn open_quietly(dir: &Path) -> Result<Option<Self>, OpenError> {
        if !is_readable(dir)? {
            return Ok(None);
        }
        let connection = if is_at_rest(dir) { open_at_rest(dir)? } else { open_reader(dir)? };
        Ok(Some(Self::of(connection)))
    }
}

/// A job log that can be read.
#[derive(Debug)]
pub struct Examination {
    /// Reads it.
    pub reader: Reader,
    /// Its version.
    pub version: i64,
    /// The version that this datadrop writes.
    pub known: i64,
}

/// Opens the job log of a state directory and checks its integrity; `None` if there is none yet.
///
/// # Errors
/// [`OpenError`]: newer than this datadrop, damaged, or closed to this user.
pub fn examine(dir: &Path) -> Result<Option<Examination>, OpenError> {
    let file = dir.join(DATABASE);
    if !is_readable(dir)? {
        return Ok(None);
    }
    let damaged = |why: String| OpenError::Damaged { file: file.clone(), why };
    // A reader that is no immutable one makes -wal and -shm where there are none.
    let at_rest = is_at_rest(dir).then(|| open_at_rest(dir).and_then(|open| whole(&open, damaged).map(|()| open)));
    let connection = match at_rest {
        Some(Ok(connection)) => connection,
        Some(Err(error)) if is_at_rest(dir) => return Err(error),
        // A daemon is at work in it, perhaps only just now.
        Some(Err(_)) | None => {
            let connection = open_reader(dir)?;
            whole(&connection, damaged)?;
            connection
        }
    };
    let version = version_of(&connection).map_err(|error| damaged(error.to_string()))?;
    Ok(Some(Examination { reader: Reader::of(connection), version, known: newest() }))
}

fn whole(connection: &Connection, damaged: impl Fn(String) -> OpenError) -> Result<(), OpenError> {
    // A row that makes no sense costs its account alone (DESIGN F10).
    let verdict = connection
        .execute_batch("PRAGMA ignore_check_constraints = ON")
        .and_then(|()| connection.query_row("PRAGMA quick_check(1)", [], |row| row.get::<_, String>(0)));
    match verdict {
        Ok(verdict) if verdict == "ok" => Ok(()),
        Ok(verdict) => Err(damaged(verdict)),
        Err(error) => Err(damaged(error.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::joblog::StateLock;
    use crate::joblog::open::{Purpose, open_writer};
    use std::fs;

    #[test]
    fn a_job_log_is_looked_at_and_nothing_is_left_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        assert!(examine(dir.path()).unwrap().is_none());
        let lock = StateLock::take(dir.path()).unwrap();
        drop(open_writer(&lock, Purpose::Work).unwrap());
        let names = || fs::read_dir(dir.path()).unwrap().count();
        let before = names();
        let seen = examine(dir.path()).unwrap().unwrap();
        assert_eq!((seen.version, seen.reader.accounts().unwrap().len()), (seen.known, 0));
        assert_eq!(names(), before);

        let writer = open_writer(&lock, Purpose::Work).unwrap();
        writer.execute("INSERT INTO account (name) VALUES ('a')", []).unwrap();
        assert_eq!(examine(dir.path()).unwrap().unwrap().reader.accounts().unwrap().len(), 1, "in the -wal yet");
    }

    #[test]
    fn a_newer_or_damaged_one_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let lock = StateLock::take(dir.path()).unwrap();
        let writer = open_writer(&lock, Purpose::Work).unwrap();
        writer.pragma_update(None, "user_version", 99).unwrap();
        drop(writer);
        assert!(matches!(examine(dir.path()), Err(OpenError::Newer { found: 99, .. })));
        fs::write(dir.path().join(DATABASE), b"not a database, but long enough to be looked at as one").unwrap();
        assert!(matches!(examine(dir.path()), Err(OpenError::Damaged { .. })));
    }
}
