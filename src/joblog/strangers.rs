//! What a start must not take for its own job log, and whoever reads must not be shown as it (DESIGN §8).

use super::OpenError;
use super::database_files::{DATABASE, SAVED, SHARED_MEMORY, WAL};
use super::lock::{Birth, Memory, NOTHING_SAVED, StateLock};
use super::open::Purpose;
use std::path::Path;

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
