//! The schema of the job log, and which version of it a database has.

use super::errors::OpenError;
use rusqlite::Connection;
use std::collections::HashSet;
use std::path::Path;

/// What makes a job log, in order; `user_version` counts those applied. Append-only: what was released never changes.
const MIGRATIONS: [&str; 1] = [include_str!("schema.sql")];
/// Marks a database as a job log (`PRAGMA application_id`, the letters "ddjl"). Those of development versions, whose numbers of
/// versions mean something else, have 0.
const APPLICATION: i64 = 0x6464_6a6c;

/// The version that this datadrop writes.
pub(super) fn newest() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// Returns the number of migrations that a database has had; 0 if it is empty.
pub(super) fn version_of(connection: &Connection) -> rusqlite::Result<i64> {
    number(connection, "PRAGMA user_version")
}

/// The same of a database that this datadrop can go on with; an error if it cannot.
pub(super) fn known_version(
    connection: &Connection,
    file: &Path,
    failed: impl Fn(rusqlite::Error) -> OpenError,
) -> Result<i64, OpenError> {
    let found = version_of(connection).map_err(&failed)?;
    let is_ours = number(connection, "PRAGMA application_id").map_err(&failed)? == APPLICATION;
    if !is_ours && number(connection, "SELECT count(*) FROM sqlite_schema").map_err(&failed)? > 0 {
        return Err(OpenError::Earlier(file.to_owned()));
    }
    if found > newest() {
        return Err(OpenError::Newer { file: file.to_owned(), found, known: newest() });
    }
    if found == newest() && !has_every_column(connection).map_err(&failed)? {
        return Err(OpenError::Earlier(file.to_owned()));
    }
    Ok(found)
}

/// Whether a database has each column that this version writes. Before the first release, the same number may mean another schema.
fn has_every_column(connection: &Connection) -> rusqlite::Result<bool> {
    let columns = |connection: &Connection| {
        let sql = "SELECT made.name, its.name FROM sqlite_schema AS made, pragma_table_info(made.name) AS its WHERE made.type = 'table'";
        let mut statement = connection.prepare(sql)?;
        let found = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        found.collect::<rusqlite::Result<HashSet<(String, String)>>>()
    };
    let mut wanted = Connection::open_in_memory()?;
    migrate(&mut wanted, 0)?;
    Ok(columns(&wanted)?.is_subset(&columns(connection)?))
}

/// Brings a database to the newest version, each migration whole or not at all.
pub(super) fn migrate(connection: &mut Connection, applied: i64) -> rusqlite::Result<()> {
    for (version, migration) in (1i64..).zip(MIGRATIONS).filter(|(version, _)| *version > applied) {
        let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        transaction.execute_batch(migration)?;
        mark(&transaction)?;
        transaction.pragma_update(None, "user_version", version)?;
        transaction.commit()?;
    }
    Ok(())
}

/// Marks a database as a job log.
pub(super) fn mark(connection: &Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "application_id", APPLICATION)
}

fn number(connection: &Connection, sql: &str) -> rusqlite::Result<i64> {
    connection.query_row(sql, [], |row| row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{State, sets};

    fn made() -> Connection {
        let mut connection = Connection::open_in_memory().unwrap();
        migrate(&mut connection, 0).unwrap();
        connection
    }

    #[test]
    fn the_tables_checks_hold_for_whoever_writes() {
        let made = made();
        let insert = |state: &str| {
            made.execute(
                "INSERT INTO job (account, file_name, disk_name, stem, wire_name, kind, state, place, belongs, path, seen_at)
                 VALUES ('a', 'f.txt', x'66', 'f', 'f.txt', 'data', ?1, 'inbox', 'inbox', '/f.txt', 0)",
                [state],
            )
        };
        assert!(insert("waiting").is_ok());
        assert!(insert("nonsense").unwrap_err().to_string().contains("CHECK"));
    }

    /// A partial index serves only a query with the same list, and a check has to know every state.
    #[test]
    fn every_list_of_states_in_the_schema_is_a_named_set() {
        let known: Vec<String> = sets::EACH.iter().map(|(set, _)| set.to_string()).collect();
        let mut met = 0;
        let made = made();
        let mut statement = made.prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL").unwrap();
        let parts = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        for (name, sql) in parts.map(Result::<(String, String), _>::unwrap) {
            for list in sql.split(" IN (").skip(1) {
                let words: Vec<&str> = list.split(')').next().unwrap().split(',').map(str::trim).collect();
                let list = format!("({})", words.join(", "));
                let is_of_states = |word: &&str| State::ALL.iter().any(|state| format!("'{state}'") == **word);
                // `held` is a place as well.
                if words.iter().filter(|word| is_of_states(word)).count() > 1 {
                    assert!(known.contains(&list), "{name}: {list} is no set of job::sets");
                    met += 1;
                }
            }
        }
        assert_eq!(met, 4, "of the checks, an index and a trigger");
    }
}
