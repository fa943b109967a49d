//! Opening the job log: the pragmas, and what must not be taken for it or opened as it is (DESIGN §8).

use super::database_files::{DATABASE, SAVED, SHARED_MEMORY, WAL, holder_in, is_at_rest, is_there};
use super::day_totals::add_functions;
use super::errors::OpenError;
use super::lock::{Birth, Memory, NOTHING_SAVED, StateLock};
use super::schema::{known_version, migrate, newest};
use rusqlite::config::DbConfig;
use rusqlite::trace::{TraceEvent, TraceEventCodes};
use rusqlite::{Connection, ErrorCode, OpenFlags};
use std::path::Path;
use std::time::Duration;

const READING: OpenFlags =
    OpenFlags::SQLITE_OPEN_READ_ONLY.union(OpenFlags::SQLITE_OPEN_NO_MUTEX).union(OpenFlags::SQLITE_OPEN_URI);
/// More than a connection ever has.
const STATEMENTS: usize = 256;

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
    keep_statements(&mut connection).map_err(damaged)?;
    connection
        .execute_batch(
            // The first applies only to a new database: an existing one would have to be rewritten for it.
            "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;
             PRAGMA journal_size_limit = 67108864; PRAGMA temp_store = MEMORY;",
        )
        .map_err(damaged)?;
    add_functions(&connection).map_err(damaged)?;
    let found = known_version(&connection, &file, damaged)?;
    // This checks the structure, not each value: the table's checks held when it was written, and take most of the
    // time. After a crash, a database may have been copied over the one that the write-ahead log belongs to.
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
    // Anything that replaces the content of the database from now on replaces this number too. One that is wanted
    // stays.
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
    let found = known_version(&connection, &file, closed)?;
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

fn of_known_version(mut connection: Connection, dir: &Path) -> Result<Connection, OpenError> {
    let file = dir.join(DATABASE);
    known_version(&connection, &file, |error| OpenError::Damaged { file: file.clone(), why: error.to_string() })?;
    keep_statements(&mut connection).map_err(|error| OpenError::Damaged { file, why: error.to_string() })?;
    Ok(connection)
}

/// Compiles each statement once: the cache has room for all of them, and SQLite does not compile one again for a bound
/// value in the hope of a better plan, which took half of the writer's time.
fn keep_statements(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    // The benchmark counts them. SQLite calls nothing unless a hook is registered, and the text has no values (P6).
    if tracing::enabled!(tracing::Level::TRACE) {
        let log = |event: TraceEvent<'_>| {
            if let TraceEvent::Stmt(_, sql) = event {
                tracing::trace!(sql, "SQL statement");
            }
        };
        connection.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(log))?;
    }
    Ok(())
}

/// Looks before anything is opened: SQLite takes any write-ahead log for that of the database beside it, and makes a
/// database that is not there.
pub(super) fn refuse_strangers(lock: &StateLock, purpose: Purpose) -> Result<Memory, OpenError> {
    let dir = lock.dir();
    let memory = lock.memory();
    let unreadable = |error: std::io::Error| OpenError::StateDir { dir: dir.to_owned(), why: error.to_string() };
    let database = Birth::of(&dir.join(DATABASE)).map_err(unreadable)?;
    let wal = dir.join(WAL);
    let holds_something = std::fs::symlink_metadata(&wal).is_ok_and(|metadata| metadata.len() > 0);
    let found = Birth::of(&wal).map_err(unreadable)?.filter(|_| holds_something);
    let is_foreign = match (database, found) {
        (None, Some(_)) => true,
        (Some(database), Some(found)) => {
            memory.wal == Some(found) && memory.database.is_some_and(|known| known != database)
        }
        (Some(_) | None, None) => false,
    };
    if let Some(wanted) = memory.wanted
        && is_foreign
        && purpose == Purpose::Work
    {
        return Err(lost(dir, wanted));
    }
    if is_foreign {
        return Err(OpenError::Foreign { shm: dir.join(SHARED_MEMORY), wal });
    }
    if database.is_none() && purpose == Purpose::Work {
        refuse_to_begin_anew(dir, &memory)?;
    }
    Ok(memory)
}

/// There is no database: is there none yet, or none any more?
pub(super) fn refuse_to_begin_anew(dir: &Path, memory: &Memory) -> Result<(), OpenError> {
    match memory {
        Memory { wanted: Some(wanted), .. } => Err(lost(dir, *wanted)),
        Memory { database: Some(_), .. } => Err(OpenError::Gone(dir.join(DATABASE))),
        Memory { wanted: None, database: None, .. } => Ok(()),
    }
}

/// What stands there now does not know what the last run knew.
pub(super) fn lost(dir: &Path, wanted: i64) -> OpenError {
    let (file, saved) = (dir.join(DATABASE), dir.join(SAVED));
    let rebuild = "if the one that stands there is the right one: datadrop recover";
    let remedy = if wanted != NOTHING_SAVED && saved.exists() {
        let saved = saved.display();
        format!(
            "what datadrop knew is in {saved}; to go on with that: rm -f {file} {file}-wal {file}-shm && mv {saved} {file}; {rebuild}",
            file = file.display()
        )
    } else {
        rebuild.to_owned()
    };
    OpenError::Lost { file, remedy }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::joblog::schema::version_of;

    /// Its number is the same, and a column is missing that this version writes: it is refused before anything is written.
    #[test]
    fn a_database_of_the_same_number_and_another_schema_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let lock = StateLock::take(dir.path()).unwrap();
        drop(open_writer(&lock, Purpose::Work).unwrap());
        let file = dir.path().join(DATABASE);
        let changed = Connection::open(&file).unwrap();
        changed
            .execute_batch("ALTER TABLE account RENAME COLUMN unopened TO unseen; CREATE TABLE notes (of_mine);")
            .unwrap();
        drop(changed);
        assert!(matches!(open_writer(&lock, Purpose::Work), Err(OpenError::Earlier(named)) if named == file));
        assert!(matches!(open_reader(dir.path()), Err(OpenError::Earlier(_))));
        let back = Connection::open(&file).unwrap();
        back.execute_batch("ALTER TABLE account RENAME COLUMN unseen TO unopened").unwrap();
        drop(back);
        assert!(open_writer(&lock, Purpose::Work).is_ok(), "a table of another program does not matter");
    }

    /// Whatever its number says: those of the old numbering mean something else.
    #[test]
    fn a_database_of_before_the_first_release_is_refused_and_left_as_it_is() {
        for version in [1, 17, 99] {
            let dir = tempfile::tempdir().unwrap();
            let lock = StateLock::take(dir.path()).unwrap();
            let file = dir.path().join(DATABASE);
            let old = Connection::open(&file).unwrap();
            old.execute_batch(
                "CREATE TABLE job (id INTEGER PRIMARY KEY, file_name TEXT); INSERT INTO job VALUES (7, 'sales.txt');",
            )
            .unwrap();
            old.pragma_update(None, "user_version", version).unwrap();
            drop(old);
            let refusals = [
                open_writer(&lock, Purpose::Work).err(),
                open_writer(&lock, Purpose::Rebuild).err(),
                open_reader(dir.path()).err(),
                open_at_rest(dir.path()).err(),
                open_for_instructions(dir.path()).err(),
            ];
            for refusal in refusals {
                let refusal = refusal.unwrap();
                assert!(matches!(&refusal, OpenError::Earlier(named) if *named == file), "{refusal:?}");
                let told = refusal.to_string();
                assert!(
                    told.contains("move it away with its -wal and -shm") && told.contains("datadrop recover"),
                    "{told}"
                );
            }
            let old = Connection::open(&file).unwrap();
            let left: (i64, String) = old
                .query_row(
                    "SELECT user_version, (SELECT file_name FROM job WHERE id = 7) FROM pragma_user_version",
                    [],
                    |row| Ok((row.get(0)?, row.get(1)?)),
                )
                .unwrap();
            assert_eq!(left, (version, "sales.txt".to_owned()));
        }
    }

    #[test]
    fn a_new_job_log_is_of_the_newest_version_and_goes_on_with_what_is_in_it() {
        let dir = tempfile::tempdir().unwrap();
        let lock = StateLock::take(dir.path()).unwrap();
        // A start that ended before the schema was there left a database with nothing in it.
        Connection::open(dir.path().join(DATABASE)).unwrap().execute_batch("PRAGMA journal_mode = WAL").unwrap();
        for accounts in [0, 1] {
            let writer = open_writer(&lock, Purpose::Work).unwrap();
            assert_eq!(version_of(&writer).unwrap(), 1);
            let known: i64 = writer.query_row("SELECT count(*) FROM account", [], |row| row.get(0)).unwrap();
            assert_eq!(known, accounts);
            writer.execute("INSERT OR IGNORE INTO account (name) VALUES ('a')", []).unwrap();
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
}
