//! Opening the job log: the pragmas, the migrations, and what must not be opened as it is.

use super::database_files::{DATABASE, WAL, holder_in, is_at_rest, is_there};
use super::lock::{Birth, Memory, NOTHING_SAVED, StateLock};
use super::strangers::{lost, refuse_strangers, refuse_to_begin_anew};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Migrations in order; `user_version` counts those applied. Append-only: a released file never changes.
pub(super) const MIGRATIONS: [&str; 17] = [
    include_str!("migrations/0001_jobs.sql"),
    include_str!("migrations/0002_order.sql"),
    include_str!("migrations/0003_findings.sql"),
    include_str!("migrations/0004_instructions.sql"),
    include_str!("migrations/0005_alerts.sql"),
    include_str!("migrations/0006_keep.sql"),
    include_str!("migrations/0007_page.sql"),
    include_str!("migrations/0008_progress.sql"),
    include_str!("migrations/0009_reload.sql"),
    include_str!("migrations/0010_set_apart.sql"),
    include_str!("migrations/0011_seen.sql"),
    include_str!("migrations/0012_aimed.sql"),
    include_str!("migrations/0013_run.sql"),
    include_str!("migrations/0014_changed.sql"),
    include_str!("migrations/0015_settle.sql"),
    include_str!("migrations/0016_ours.sql"),
    include_str!("migrations/0017_answered.sql"),
];

const READING: OpenFlags =
    OpenFlags::SQLITE_OPEN_READ_ONLY.union(OpenFlags::SQLITE_OPEN_NO_MUTEX).union(OpenFlags::SQLITE_OPEN_URI);
/// More than a connection ever has.
const STATEMENTS: usize = 256;

/// Why the job log cannot be opened. Nothing is sent, and nothing is recreated.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another daemon has it.
    #[error("{}: another datadrop is running with this state directory; stop it first, or use a state directory of its own", .0.display())]
    Running(PathBuf),
    /// The state directory is missing or cannot be used.
    #[error("{}: the state directory cannot be used: {why}; create it, owned by the user that runs datadrop", dir.display())]
    StateDir {
        /// The directory.
        dir: PathBuf,
        /// What the system said.
        why: String,
    },
    /// There is none yet.
    #[error("{}: there is no job log yet; the service makes it at its first start (`datadrop run`), or `state_dir` of the configuration names another place", .0.display())]
    None(PathBuf),
    /// Not for this user to read.
    #[error("{}: the job log cannot be read: {why}; run this as the service's user, or as a member of its group", file.display())]
    Closed {
        /// The state directory.
        dir: PathBuf,
        /// The database.
        file: PathBuf,
        /// What the system said.
        why: String,
    },
    /// A newer datadrop wrote it.
    #[error("{}: written by a newer datadrop (version {found} of the job log, this one knows {known}); install that version again", file.display())]
    Newer {
        /// The database.
        file: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// Another user's.
    #[error("{}: the job log cannot be changed: {why}; run this as the user that runs datadrop (`sudo -u datadrop datadrop …`)", file.display())]
    NotYours {
        /// The database.
        file: PathBuf,
        /// What the system said.
        why: String,
    },
    /// Somebody has it locked.
    #[error("{}: {by} holds the lock of the job log; end that process or its transaction", file.display())]
    Locked {
        /// The database.
        file: PathBuf,
        /// Who, as far as it is known.
        by: String,
    },
    /// It was there, and is not any more.
    #[error("{}: the job log is gone, and datadrop does not create a new one silently; put it back, restore a backup, or rebuild it: datadrop recover", .0.display())]
    Gone(PathBuf),
    /// It was removed or replaced while datadrop ran, and what stands there now does not know what happened until then.
    #[error("{}: the job log was removed or replaced while datadrop ran, and this one does not know what was sent until then; {remedy}", file.display())]
    Lost {
        /// The database.
        file: PathBuf,
        /// What to do.
        remedy: String,
    },
    /// The write-ahead log beside it is not its own.
    #[error("{0}: belongs to another database than the one beside it, which it would damage; if a backup of the database was put back: rm -f {0} {1}", wal.display(), shm.display())]
    Foreign {
        /// The write-ahead log.
        wal: PathBuf,
        /// The shared memory that belongs to it.
        shm: PathBuf,
    },
    /// Not a job log, or damaged.
    #[error("{}: the job log is damaged: {why}; nothing is sent until it is restored from a backup, or moved away with its -wal and -shm and rebuilt by `datadrop recover`", file.display())]
    Damaged {
        /// The database.
        file: PathBuf,
        /// What the check said.
        why: String,
    },
}

/// What a job log is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To go on with it.
    Work,
    /// To make it know again what it must know (DESIGN §7, `recover`).
    Rebuild,
}

/// Opens the database for the writer, created and migrated as needed.
pub(super) fn open_writer(lock: &StateLock, purpose: Purpose) -> Result<Connection, OpenError> {
    let dir = lock.dir();
    let file = dir.join(DATABASE);
    let memory = refuse_strangers(lock, purpose)?;
    let leaves_something = std::fs::symlink_metadata(dir.join(WAL)).is_ok_and(|metadata| metadata.len() > 0);
    let damaged = |error: rusqlite::Error| match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull | ErrorCode::SystemIoFailure | ErrorCode::ReadOnly | ErrorCode::CannotOpen) => {
            OpenError::StateDir { dir: dir.to_owned(), why: error.to_string() }
        }
        _ => not_opened(dir, &error),
    };
    let mut connection = Connection::open(&file).map_err(damaged)?;
    keep_statements(&connection).map_err(damaged)?;
    connection
        .execute_batch(
            // The first holds for a new database only: one that is there would have to be written anew for it.
            "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
             PRAGMA journal_size_limit = 67108864; PRAGMA temp_store = MEMORY;",
        )
        .map_err(damaged)?;
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(damaged)?;
    if found > newest() {
        return Err(OpenError::Newer { file: file.clone(), found, known: newest() });
    }
    // The structure is looked at, not each value anew: the table's checks held when it was written, and take most of the time.
    // After a crash, a database may have been copied over the one that the write-ahead log belongs to.
    let check = if leaves_something { "PRAGMA integrity_check(1)" } else { "PRAGMA quick_check(1)" };
    connection.execute_batch("PRAGMA ignore_check_constraints = ON").map_err(damaged)?;
    let verdict: String = connection.query_row(check, [], |row| row.get(0)).map_err(damaged)?;
    connection.execute_batch("PRAGMA ignore_check_constraints = OFF").map_err(damaged)?;
    if verdict != "ok" {
        return Err(OpenError::Damaged { file: file.clone(), why: verdict });
    }
    migrate(&mut connection, found).map_err(damaged)?;
    let wanted = match (memory.wanted, purpose) {
        (Some(number), Purpose::Work) if run_of(&connection).map_err(damaged)? != Some(number) => {
            return Err(lost(dir, number));
        }
        (Some(_) | None, Purpose::Work) => None,
        // What was lost stays lost until it is rebuilt.
        (wanted, Purpose::Rebuild) => {
            wanted.or_else(|| (memory.database.is_some() && found == 0).then_some(NOTHING_SAVED))
        }
    };
    let unwritable = |error: std::io::Error| OpenError::StateDir { dir: dir.to_owned(), why: error.to_string() };
    let birth = |name| Birth::of(&dir.join(name)).map_err(unwritable);
    lock.remember(&Memory { database: birth(DATABASE)?, wal: birth(WAL)?, wanted }).map_err(unwritable)?;
    // Whoever replaces the content of the database from now on replaces this number too. One that is wanted stays.
    if wanted.is_none() {
        begin_run(&connection).map_err(damaged)?;
    }
    Ok(connection)
}

/// Draws the number of a run.
pub(super) fn begin_run(connection: &Connection) -> rusqlite::Result<i64> {
    connection.query_row("UPDATE daemon SET run = random() RETURNING run", [], |row| row.get(0))
}

/// The number of the run that the database carries.
pub(super) fn run_of(connection: &Connection) -> rusqlite::Result<Option<i64>> {
    connection.prepare_cached("SELECT run FROM daemon")?.query_row([], |row| row.get(0))
}

/// The same, with the newest event; 0 where there is none.
pub(super) fn progress_of(connection: &Connection) -> rusqlite::Result<(Option<i64>, i64)> {
    connection
        .prepare_cached("SELECT run, (SELECT ifnull(max(id), 0) FROM job_event) FROM daemon")?
        .query_row([], |row| Ok((row.get(0)?, row.get(1)?)))
}

/// Why a connection could not be made use of.
fn not_opened(dir: &Path, error: &rusqlite::Error) -> OpenError {
    let file = dir.join(DATABASE);
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::Locked { by: holder_in(dir), file },
        _ => OpenError::Damaged { file, why: error.to_string() },
    }
}

/// Opens the database beside a running daemon, for instructions alone: nothing is created or migrated.
pub(super) fn open_for_instructions(dir: &Path) -> Result<Connection, OpenError> {
    let file = dir.join(DATABASE);
    let closed = |error: rusqlite::Error| not_written(dir, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(&file, flags).map_err(closed)?;
    connection.busy_timeout(Duration::from_secs(10)).map_err(closed)?;
    // The daemon puts its write-ahead log away itself.
    connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0").map_err(closed)?;
    let found: i64 = connection.query_row("PRAGMA user_version", [], |row| row.get(0)).map_err(closed)?;
    if found > newest() {
        return Err(OpenError::Newer { file: file.clone(), found, known: newest() });
    }
    if found < newest() {
        let why =
            format!("it is of version {found}, and this datadrop writes version {}: restart the service", newest());
        return Err(OpenError::NotYours { file: file.clone(), why });
    }
    Ok(connection)
}

/// Why an instruction could not be written.
pub(super) fn not_written(dir: &Path, error: &rusqlite::Error) -> OpenError {
    let file = dir.join(DATABASE);
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => OpenError::Locked { by: holder_in(dir), file },
        _ => OpenError::NotYours { file, why: error.to_string() },
    }
}

pub(super) fn newest() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

fn migrate(connection: &mut Connection, applied: i64) -> rusqlite::Result<()> {
    for (version, migration) in (1i64..).zip(MIGRATIONS).filter(|(version, _)| *version > applied) {
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        transaction.execute_batch(migration)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Whether there is a job log; an error if this user may not read it, or if there should be one.
pub(super) fn is_readable(dir: &Path) -> Result<bool, OpenError> {
    let closed = |error: std::io::Error| OpenError::Closed {
        dir: dir.to_owned(),
        file: dir.join(DATABASE),
        why: error.to_string(),
    };
    let is_there = is_there(dir).map_err(closed)?;
    if !is_there {
        refuse_to_begin_anew(dir, &Memory::in_dir(dir))?;
    }
    Ok(is_there)
}

/// Opens the database for reading, with or without a daemon at work on it.
///
/// A reader who may not write to the state directory cannot make the shared memory that WAL needs; when no `-wal` file
/// exists the database is at rest and may be read as immutable.
pub(super) fn open_reader(dir: &Path) -> Result<Connection, OpenError> {
    let file = dir.join(DATABASE);
    if !is_readable(dir)? {
        return Err(OpenError::None(file));
    }
    match open_in_use(dir) {
        // It is being made at this moment.
        Ok(None) => Err(OpenError::None(file)),
        Ok(Some(connection)) => readable(connection, dir),
        Err(error) => match Memory::in_dir(dir).wanted {
            Some(wanted) => Err(lost(dir, wanted)),
            None if is_at_rest(dir) => open_at_rest(dir),
            None => Err(not_opened(dir, &error)),
        },
    }
}

/// Opens the database for reading beside the writer of the same process.
pub(super) fn open_beside_writer(dir: &Path) -> Result<Connection, OpenError> {
    let file = dir.join(DATABASE);
    match open_in_use(dir) {
        Ok(Some(connection)) => of_known_version(connection, dir),
        Ok(None) => Err(OpenError::None(file)),
        Err(error) => Err(OpenError::Damaged { file, why: error.to_string() }),
    }
}

/// `None`: there is nothing in it yet.
pub(super) fn open_in_use(dir: &Path) -> rusqlite::Result<Option<Connection>> {
    let connection = Connection::open_with_flags(dir.join(DATABASE), READING)?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok((tables > 0).then_some(connection))
}

/// Opens a database that has no `-wal` as one that does not change, which touches nothing beside it.
pub(super) fn open_at_rest(dir: &Path) -> Result<Connection, OpenError> {
    let file = dir.join(DATABASE);
    let path = file.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
    let connection = Connection::open_with_flags(format!("file:{path}?immutable=1"), READING)
        .map_err(|error| OpenError::Damaged { file: file.clone(), why: error.to_string() })?;
    readable(connection, dir)
}

fn readable(connection: Connection, dir: &Path) -> Result<Connection, OpenError> {
    let connection = of_known_version(connection, dir)?;
    if let Some(number) = Memory::in_dir(dir).wanted
        && !run_of(&connection).is_ok_and(|run| run == Some(number))
    {
        return Err(lost(dir, number));
    }
    Ok(connection)
}

fn of_known_version(connection: Connection, dir: &Path) -> Result<Connection, OpenError> {
    let file = dir.join(DATABASE);
    match connection.query_row("PRAGMA user_version", [], |row| row.get(0)) {
        Ok(found) if found > newest() => return Err(OpenError::Newer { file, found, known: newest() }),
        Ok(_) => {}
        Err(error) => return Err(OpenError::Damaged { file, why: error.to_string() }),
    }
    keep_statements(&connection).map_err(|error| OpenError::Damaged { file, why: error.to_string() })?;
    Ok(connection)
}

/// Each statement is compiled once: there is room for all of them, and no value that is bound has one compiled anew in the
/// hope of a better plan, which was half of the writer's time.
fn keep_statements(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_log_of_each_earlier_version_is_taken_over_with_all_that_is_in_it() {
        for version in 1..MIGRATIONS.len() {
            let dir = tempfile::tempdir().unwrap();
            let lock = StateLock::take(dir.path()).unwrap();
            let old = Connection::open(dir.path().join(DATABASE)).unwrap();
            for migration in &MIGRATIONS[..version] {
                old.execute_batch(migration).unwrap();
            }
            old.pragma_update(None, "user_version", i64::try_from(version).unwrap()).unwrap();
            // From `0016_ours.sql` on nothing of it has a default.
            let listed = if version < 16 {
                "INSERT INTO remote_job (account, remote_job_id, file_name, first_seen_at) VALUES ('a', 7, 'sales.txt', 5)"
            } else {
                "INSERT INTO remote_job (account, line, remote_job_id, file_name, first_seen_at, after_event)
                 VALUES ('a', 0, 7, 'sales.txt', 5, 0)"
            };
            old.execute_batch(listed).unwrap();
            old.execute_batch(
                "INSERT INTO account (name, baseline_at) VALUES ('a', 5);
                 INSERT INTO job (account, file_name, disk_name, stem, wire_name, kind, state, place, belongs, path, seen_at)
                 VALUES ('a', 'sales.txt', CAST('sales.txt' AS BLOB), 'sales', 'sales.txt', 'data', 'waiting', 'inbox', 'inbox', '/x', 6);",
            )
            .unwrap();
            drop(old);
            let new = open_writer(&lock, Purpose::Work).unwrap();
            let found: (i64, i64, i64, i64, i64) = new
                .query_row(
                    "SELECT user_version, (SELECT count(*) FROM job_log), (SELECT after_event FROM remote_job),
                            (SELECT baseline_at FROM account),
                            (SELECT count(*) FROM job WHERE findings IS NULL AND rows_skipped = 0) FROM pragma_user_version",
                    [],
                    |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?)),
                )
                .unwrap();
            // What an older version had listed counts as known before anything that is sent from now on.
            assert_eq!(found, (newest(), 1, 0, 5, 1), "from version {version}");
        }
    }

    #[test]
    fn a_newer_or_damaged_database_is_refused_and_left_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let lock = StateLock::take(dir.path()).unwrap();
        let connection = open_writer(&lock, Purpose::Work).unwrap();
        connection.pragma_update(None, "user_version", 99).unwrap();
        drop(connection);
        assert!(matches!(open_writer(&lock, Purpose::Work), Err(OpenError::Newer { found: 99, .. })));

        std::fs::write(dir.path().join(DATABASE), b"not a database, but long enough to be looked at as one").unwrap();
        assert!(matches!(open_writer(&lock, Purpose::Work), Err(OpenError::Damaged { .. })));
        assert!(std::fs::read(dir.path().join(DATABASE)).unwrap().starts_with(b"not a database"));
    }

    #[test]
    fn a_database_at_rest_can_be_read_without_writing() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(open_reader(dir.path()), Err(OpenError::None(_))));
        let lock = StateLock::take(dir.path()).unwrap();
        drop(open_writer(&lock, Purpose::Work).unwrap());
        open_reader(dir.path()).unwrap();
    }

    #[test]
    fn the_tables_checks_hold_for_whoever_writes() {
        let dir = tempfile::tempdir().unwrap();
        let writer = open_writer(&StateLock::take(dir.path()).unwrap(), Purpose::Work).unwrap();
        let insert = |state: &str| {
            writer.execute(
                "INSERT INTO job (account, file_name, disk_name, stem, wire_name, kind, state, place, belongs, path, seen_at)
                 VALUES ('a', 'f.txt', x'66', 'f', 'f.txt', 'data', ?1, 'inbox', 'inbox', '/f.txt', 0)",
                [state],
            )
        };
        assert!(insert("waiting").is_ok());
        assert!(insert("nonsense").unwrap_err().to_string().contains("CHECK"));
    }
}
