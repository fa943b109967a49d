//! The only user of `notify`: file events become hints on the boards of the folders.

use super::Board;
use crate::clock::Clock;
use crate::folder::MARK;
use crate::inbox::readiness::Heard;
use crate::job::Place;
use notify::event::{AccessKind, AccessMode, CreateKind, MetadataKind, ModifyKind, RenameMode};
use notify::{ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::{Duration, Instant};

/// Timeout for the watcher, which hangs if another account's folder hangs while its watch begins.
const WATCHER_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a folder cannot be watched by events; it is polled instead.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The kernel's limit on watches or on instances.
    #[error(
        "the kernel's limit on file watches is reached; raise fs.inotify.max_user_watches and fs.inotify.max_user_instances"
    )]
    Limit,
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

type Boards = Arc<Mutex<HashMap<PathBuf, Arc<Board>>>>;

/// One inotify instance for all folders.
#[derive(Debug)]
pub struct EventSource {
    watcher: Mutex<RecommendedWatcher>,
    boards: Boards,
}

impl EventSource {
    /// Opens the instance.
    ///
    /// # Errors
    /// [`WatchError`] if the kernel gives none.
    pub fn open(clock: Clock) -> Result<Self, WatchError> {
        let boards = Boards::default();
        let for_events = Arc::clone(&boards);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let boards = for_events.lock().unwrap_or_else(PoisonError::into_inner);
            match event {
                Ok(event) => dispatch(&boards, &event, clock),
                // What exactly was missed is unknown: the scans will tell.
                Err(_) => boards.values().for_each(|board| board.overflow()),
            }
        })
        .map_err(watch_error)?;
        Ok(Self { watcher: Mutex::new(watcher), boards })
    }

    /// Watches a folder; its events go to the board from now on. A folder that is already watched gets a new watch.
    ///
    /// # Errors
    /// [`WatchError`] if it cannot be watched.
    pub fn watch(&self, folder: &Path, board: &Arc<Board>) -> Result<(), WatchError> {
        self.boards.lock().unwrap_or_else(PoisonError::into_inner).insert(folder.to_owned(), Arc::clone(board));
        let busy = || WatchError::Other("another folder does not answer".to_owned());
        let mut watcher = self.watcher().ok_or_else(busy)?;
        let _ = watcher.unwatch(folder);
        watcher.watch(folder, RecursiveMode::NonRecursive).map_err(watch_error)
    }

    /// Ends the watch, unless a successor has taken it over.
    pub fn unwatch(&self, folder: &Path, board: &Arc<Board>) {
        let mut boards = self.boards.lock().unwrap_or_else(PoisonError::into_inner);
        if boards.get(folder).is_some_and(|current| Arc::ptr_eq(current, board)) {
            boards.remove(folder);
            drop(boards);
            if let Some(mut watcher) = self.watcher() {
                let _ = watcher.unwatch(folder);
            }
        }
    }

    /// The watcher that all accounts share: none of them may keep the others waiting (DESIGN F10).
    fn watcher(&self) -> Option<MutexGuard<'_, RecommendedWatcher>> {
        let until = Instant::now() + WATCHER_TIMEOUT;
        loop {
            match self.watcher.try_lock() {
                Ok(watcher) => return Some(watcher),
                Err(TryLockError::Poisoned(poisoned)) => return Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) if Instant::now() > until => return None,
                Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }
}

fn watch_error(error: notify::Error) -> WatchError {
    match error.kind {
        ErrorKind::MaxFilesWatch => WatchError::Limit,
        ErrorKind::Io(error) if error.raw_os_error() == Some(rustix::io::Errno::MFILE.raw_os_error()) => {
            WatchError::Limit
        }
        kind @ (ErrorKind::Generic(_)
        | ErrorKind::Io(_)
        | ErrorKind::PathNotFound
        | ErrorKind::WatchNotFound
        | ErrorKind::InvalidConfig(_)) => WatchError::Other(notify::Error::new(kind).to_string()),
    }
}

/// Runs in the watcher's own thread: it must never wait.
fn dispatch(boards: &HashMap<PathBuf, Arc<Board>>, event: &Event, clock: Clock) {
    // An overflow names no path: it must be seen before the paths are looked at.
    if event.need_rescan() {
        for board in boards.values() {
            board.overflow();
        }
        return;
    }
    let Some(path) = event.paths.first() else { return };
    if let Some(board) = boards.get(path) {
        if !matches!(event.kind, EventKind::Access(_)) {
            board.folder_moved();
        }
        return;
    }
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return };
    let Some(board) = boards.get(folder) else { return };
    // Without its mark it may be another folder (DESIGN F4), and without its sub-folders nothing can be filed (DESIGN F5).
    let is_place = Place::SUB_FOLDERS.iter().any(|place| name == place.as_str());
    if (name == MARK || is_place) && !matches!(event.kind, EventKind::Access(_)) {
        board.folder_moved();
        return;
    }
    match event.kind {
        EventKind::Create(CreateKind::Any | CreateKind::File | CreateKind::Other) => {
            board.hear(name, Heard::Created, clock.moment());
        }
        EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Any | ModifyKind::Other) => {
            board.hear(name, Heard::Written, clock.moment());
        }
        EventKind::Modify(ModifyKind::Metadata(kind)) if kind != MetadataKind::AccessTime => {
            board.hear(name, Heard::Touched, clock.moment());
        }
        EventKind::Modify(ModifyKind::Name(RenameMode::From)) => board.leave(name, event.tracker()),
        EventKind::Modify(ModifyKind::Name(RenameMode::To)) => board.arrive(name, event.tracker(), clock.moment()),
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => board.hear(name, Heard::Closed, clock.moment()),
        EventKind::Remove(_) => board.leave(name, None),
        // `Both` follows `From` and `To`, which have reported it all; the rest says nothing of a file's content.
        EventKind::Modify(
            ModifyKind::Name(RenameMode::Both | RenameMode::Any | RenameMode::Other) | ModifyKind::Metadata(_),
        )
        | EventKind::Create(CreateKind::Folder)
        | EventKind::Access(_)
        | EventKind::Any
        | EventKind::Other => {}
    }
}
