//! What keeps a folder from being worked in: told once, kept in the job log, and taken back.

use super::worker::{FolderWorker, Interrupted};
use crate::ambient::now;
use crate::joblog::JobLogError;
use std::sync::atomic::Ordering;

impl FolderWorker {
    /// Says why the folder cannot be worked in. True: to stop; false: to try again.
    pub(super) fn give_up(&mut self, problem: Interrupted) -> bool {
        match problem {
            Interrupted::JobLog(JobLogError::Closed) => true,
            Interrupted::Folder(problem) => {
                self.block(&problem.to_string());
                false
            }
            // The writer tells what is wrong with the disk; here it is only waited for.
            Interrupted::JobLog(JobLogError::Storage(_)) => false,
            Interrupted::JobLog(error) => {
                self.distrusts_rows = true;
                self.block(&error.to_string());
                false
            }
        }
    }

    pub(super) fn block(&mut self, problem: &str) {
        self.progress.blocked.store(true, Ordering::Relaxed);
        let was_silent = self.progress.silent.swap(false, Ordering::Relaxed);
        if self.board.is_stopped() || !was_silent && self.told.as_deref() == Some(problem) {
            return;
        }
        tracing::error!(account = %self.settings.account, "account {} is blocked: {problem}", self.settings.account);
        let noted = self.joblog.folder_problem(self.settings.account.clone(), Some(problem.to_owned()), now());
        if noted.wait().is_ok() {
            self.told = Some(problem.to_owned());
        }
    }

    /// Fails where that cannot be written down: what stands in the job log keeps everything from being sent.
    pub(super) fn unblock(&mut self, by_events: bool) -> Result<(), Interrupted> {
        if self.board.is_stopped() {
            return Ok(());
        }
        self.joblog.folder_problem(self.settings.account.clone(), None, now()).wait()?;
        self.progress.blocked.store(false, Ordering::Relaxed);
        let was_silent = self.progress.silent.swap(false, Ordering::Relaxed);
        if self.told.take().is_some() || was_silent {
            tracing::info!(account = %self.settings.account, "account {} goes on: its folder can be used again", self.settings.account);
        }
        tracing::info!(
            account = %self.settings.account,
            "watching {}{}",
            self.settings.folder.display(),
            if by_events { "" } else { " by scanning" }
        );
        Ok(())
    }
}
