//! What keeps a folder from being used: reported once, kept in the job log, and taken back.

use super::folder_settings::{FolderSettings, Interrupted};
use super::forecast::ahead;
use super::worker::FolderWorker;
use crate::clock::now;
use crate::folder::AccountFolder;
use crate::job::{Place, Problem, Timestamp};
use crate::joblog::JobLogError;
use std::sync::atomic::Ordering;

impl FolderWorker {
    /// Says why the folder cannot be worked in. True: to stop; false: to try again.
    pub(super) fn give_up(&mut self, problem: Interrupted) -> bool {
        match problem {
            Interrupted::JobLog(JobLogError::Closed) => true,
            Interrupted::Folder(problem) => {
                #[cfg(test)]
                crate::testing::reach::met(crate::testing::reach::Met::FolderBlocked);
                self.block(problem.problem());
                false
            }
            // The writer tells what is wrong with the disk; here it is only waited for.
            Interrupted::JobLog(JobLogError::Storage(_)) => false,
            Interrupted::JobLog(error) => {
                self.distrusts_rows = true;
                self.block(error.to_string().into());
                false
            }
        }
    }

    pub(super) fn block(&mut self, problem: Problem) {
        self.progress.blocked.store(true, Ordering::Relaxed);
        let was_silent = self.progress.silent.swap(false, Ordering::Relaxed);
        if self.board.is_stopped() || !was_silent && self.told.as_ref() == Some(&problem) {
            return;
        }
        tracing::error!(account = %self.settings.account, "account {} is blocked: {problem}", self.settings.account);
        let noted = self.joblog.folder_problem(self.settings.account.clone(), Some(problem.clone()), now());
        if noted.wait().is_ok() {
            self.told = Some(problem);
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

    /// Before the folder is tried, and once for all tries: what is accepted from here on says nothing of what a job log that
    /// is older than the folder does not know.
    pub(super) fn ask_how_far_the_job_log_goes(&mut self) -> Result<(), Interrupted> {
        if self.knew_until.is_none() {
            let never = Timestamp(i64::MIN);
            self.knew_until = Some(self.reader.latest_end(&self.settings.account)?.unwrap_or(never));
        }
        Ok(())
    }

    /// A job log that was restored from a backup does not know what was sent since, and would send it again.
    pub(super) fn refuse_older_job_log(&mut self, folder: &AccountFolder) -> Result<(), Interrupted> {
        let FolderSettings { account, extensions, state_dir, .. } = &*self.settings;
        let inbox = folder.place(Place::Inbox);
        if let Some(problem) = ahead(&self.reader, account, extensions, (inbox, state_dir), self.knew_until)? {
            return Err(problem.into());
        }
        self.knew_until = None;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::joblog::fixtures::found_accepted;
    use crate::joblog::{JobLog, StateLock};
    use std::sync::Arc;

    /// An open job that is found to be accepted, or ends, makes the job log no newer.
    #[test]
    fn a_job_log_that_is_older_than_its_folder_stays_so_whatever_becomes_of_its_open_jobs() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("a");
        std::fs::create_dir_all(folder.join("done")).unwrap();
        let text = format!(
            "[api]\nglobal_company_id = \"c\"\nclient_id = \"i\"\nclient_secret = \"s\"\n[[account]]\nname = \"a\"\n\
             report_suite_id = \"s\"\ndata_source_id = 1\nfolder = {folder:?}\n"
        );
        let config = crate::config::load_text("datadrop.toml", &text, []).unwrap();
        let account = &config.accounts[0];
        let joblog = JobLog::open(StateLock::take(&dir.path().join("state")).unwrap()).unwrap();
        joblog.open_account("a".to_owned(), account.target(&config.api)).wait().unwrap();
        joblog.remember_mark("a".to_owned(), "account a\n7\n".to_owned()).wait().unwrap();
        std::fs::write(folder.join(".datadrop"), "account a\n7\n").unwrap();
        let row = joblog.reader().unwrap().account("a").unwrap();
        let settings = FolderSettings::new(&config, account);
        let (board, progress) = (Arc::default(), Arc::default());
        let mut worker =
            FolderWorker::new(settings, joblog.clone(), &row, Arc::default(), board, Clock::start(), progress).unwrap();
        std::fs::write(folder.join("done/sales.txt"), "x").unwrap();
        let why = |worker: &mut FolderWorker| worker.open().err().map(|problem| problem.to_string());
        assert!(why(&mut worker).unwrap().contains("datadrop recover"));
        found_accepted(&joblog, "open.txt");
        assert!(why(&mut worker).unwrap().contains("datadrop recover"));
        std::fs::remove_file(folder.join("done/sales.txt")).unwrap();
        assert_eq!(why(&mut worker), None);
        joblog.close();
    }
}
