//! A folder's turns one by one, and the events that it hears, for a simulation.

use super::folder_settings::Interrupted;
use super::worker::{FolderWorker, Open};
use super::{Board, worker};
use crate::clock::Moment;
use crate::inbox::readiness::Heard;
use crate::joblog::JobLogError;
use std::ffi::OsStr;
use std::sync::Arc;
use std::time::Duration;

/// A folder's worker without its thread.
pub(crate) struct Turns {
    worker: FolderWorker,
    board: Arc<Board>,
    open: Option<Open>,
    due: Moment,
}

impl Turns {
    pub(crate) fn new(worker: FolderWorker, board: Arc<Board>, now: Moment) -> Self {
        Self { worker, board, open: None, due: now }
    }

    /// When there is something to do without news.
    pub(crate) fn due(&self) -> Moment {
        self.due
    }

    /// The folder is open.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// There is news, and a folder to look into.
    pub(crate) fn has_news(&self) -> bool {
        self.open.is_some() && self.board.has_news()
    }

    /// One turn of the thread: opens the folder if it is not open, deals with what was heard, scans if it is time to.
    ///
    /// The error is a defect: a job log that holds something impossible.
    pub(crate) fn turn(&mut self, now: Moment) -> Result<(), String> {
        if let Err(problem) = self.work() {
            self.open = None;
            self.due = now.after(worker::TRY_AGAIN);
            if let Interrupted::JobLog(
                error @ (JobLogError::Impossible(_) | JobLogError::BadRow { .. } | JobLogError::NoSuchJob(_)),
            ) = &problem
            {
                return Err(error.to_string());
            }
            self.worker.give_up(problem);
        }
        Ok(())
    }

    fn work(&mut self) -> Result<(), Interrupted> {
        if self.open.is_none() {
            self.open = Some(self.worker.open()?);
        }
        if let Some(open) = &mut self.open {
            let news = self.board.wait(Duration::ZERO);
            self.worker.take_news(open, news)?;
            self.due = self.worker.scan_if_due(open)?;
        }
        Ok(())
    }
}

/// What inotify tells of one name.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Told {
    Heard(Heard),
    Left(usize),
    Removed,
    Arrived(usize),
}

/// Puts an event on the board.
pub(crate) fn tell(board: &Board, name: &str, told: Told, at: Moment) {
    let name = OsStr::new(name);
    match told {
        Told::Heard(heard) => board.hear(name, heard, at),
        Told::Left(cookie) => board.leave(name, Some(cookie)),
        Told::Removed => board.leave(name, None),
        Told::Arrived(cookie) => board.arrive(name, Some(cookie), at),
    }
}

/// Events were lost.
pub(crate) fn overflow(board: &Board) {
    board.overflow();
}
