//! Accounts that are refused for their open jobs or their report suite, and admitted once nothing is in the way (DESIGN A5).

use super::Fatal;
use super::refused::{Refused, judge};
use super::stages::Stages;
use crate::clock::now;
use crate::config::{Config, Duplicates};
use crate::inbox::FolderSettings;
use crate::job::files_of_no_day;
use crate::joblog::{JobLogError, Reader};

impl Stages {
    /// Keeps accounts from running: nothing is sent or moved for them, and they say so. What Adobe has of them is followed.
    pub(super) async fn refuse(&mut self, config: &Config, refused: Vec<Refused>) -> Result<(), Fatal> {
        let is_refused = |name: &str| refused.iter().any(|refused| refused.account == name);
        self.send_only_for(|account| !is_refused(&account.name));
        let names: Vec<String> = refused.iter().map(|refused| refused.account.clone()).collect();
        self.stop_folders_of(&names).await;
        for Refused { account, why, went_to, is_virtual } in &refused {
            let is_known = self.refused().any(|known| known == account);
            if !is_known {
                self.stop_tracker(account);
                let configured = config.accounts.iter().find(|configured| configured.name == *account && *is_virtual);
                if let Some(configured) = configured {
                    // It may never have run, and what it says of itself needs a row.
                    self.joblog.open_account(account.clone(), configured.target(&config.api)).await?;
                }
            }
            let is_news = self.joblog.folder_problem(account.clone(), Some(why.clone()), now()).await?;
            if !is_known && is_news {
                tracing::error!(account, "account {account} is refused: {why}");
            }
            if let Some(target) = went_to.clone().filter(|_| !self.is_tracked(account)) {
                self.start_tracker(config, account, target)?;
            }
        }
        self.refused = refused;
        Ok(())
    }

    /// The accounts that must not run.
    pub(super) fn refused(&self) -> impl Iterator<Item = &str> {
        self.refused.iter().map(|refused| refused.account.as_str())
    }

    /// A report suite became virtual, or is so no more: the accounts are judged at once.
    pub(super) async fn judge_suites(&mut self, config: &Config, reader: &Reader) -> Result<(), Fatal> {
        self.judge_again = true;
        self.changes.mark_changed();
        self.admit_again(config, reader).await
    }

    /// Judges the refused accounts again, and starts those that may run by now. Does not disturb the others.
    pub(super) async fn admit_again(&mut self, config: &Config, reader: &Reader) -> Result<(), Fatal> {
        let is_to_be_judged = !self.refused.is_empty() || self.judge_again;
        // A channel that is closed has its writer's end to tell of.
        if !is_to_be_judged || !self.changes.has_changed().unwrap_or(true) {
            return Ok(());
        }
        // First, so that a change after the look is not missed.
        self.changes.mark_unchanged();
        match self.judge_and_admit(config, reader).await {
            // The writer tells what is wrong with the disk; the next look tries again.
            Err(Fatal::JobLog(JobLogError::Storage(_))) => {
                self.changes.mark_changed();
                Ok(())
            }
            ended => ended,
        }
    }

    async fn judge_and_admit(&mut self, config: &Config, reader: &Reader) -> Result<(), Fatal> {
        // An account that runs goes where it should. After a reload, what was in progress then may not.
        let open = if self.judge_again {
            reader.open_jobs()?
        } else {
            let refused: Vec<&str> = self.refused().collect();
            reader.open_jobs_of(&refused)?
        };
        let (accounts, refused) = judge(config, &open, &reader.virtual_suites()?);
        if refused == self.refused {
            self.judge_again = false;
            return Ok(());
        }
        let before: Vec<String> = self.refused().map(str::to_owned).collect();
        let over = before.into_iter().filter(|name| !refused.iter().any(|refused| refused.account == *name));
        let over: Vec<String> = over.collect();
        for name in &over {
            self.stop_tracker(name);
        }
        for account in accounts.iter().filter(|account| over.contains(&account.name)) {
            let target = account.target(&config.api);
            tracing::info!(account = account.name, "account {} runs: nothing is in its way any more", account.name);
            // It is, if the job log failed behind this the last time.
            if !self.is_worked_in(&account.name) {
                self.start_folder(FolderSettings::new(config, account), target.clone()).await?;
            }
            self.start_tracker(config, &account.name, target)?;
        }
        self.refuse(config, refused).await?;
        self.send_for(config, &accounts);
        self.judge_again = false;
        Ok(())
    }
}

impl Stages {
    /// Says how many accepted files guard no data day (DESIGN §6, `hold-days`), as their days are not known.
    pub(super) fn tell_unknown_days(&self, settings: &FolderSettings) -> Result<(), Fatal> {
        let account = &settings.account;
        let files = match settings.policy.duplicates {
            Duplicates::HoldDays => self.joblog.reader()?.files_without_days(account)?,
            Duplicates::Hold | Duplicates::HoldContent | Duplicates::Allow => 0,
        };
        if let Some(problem) = files_of_no_day(files) {
            tracing::warn!(account, files, "account {account}: a file that repeats a day may not be held: {problem}");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adobe::Budget;
    use crate::config::load_draft;

    use crate::joblog::JobLog;
    use crate::joblog::fixtures::{arrives, ends, opened};
    use std::sync::Arc;

    #[tokio::test(flavor = "multi_thread")]
    async fn a5_a_refused_account_is_judged_again_when_something_changed_and_by_its_own_jobs() {
        let (dir, log) = tokio::task::spawn_blocking(opened).await.unwrap();
        let text = format!(
            "state_dir = {:?}\n[api]\nbase_url = \"http://127.0.0.1:9\"\nglobal_company_id = \"c\"\nclient_id = \"i\"\nclient_secret = \"s\"\n\
             [[account]]\nname = \"b\"\nreport_suite_id = \"s\"\ndata_source_id = 1\nfolder = \"/nowhere/b\"\n",
            dir.path()
        );
        let config = load_draft("test", &text, []).unwrap();
        let files = |log: &JobLog, numbers: std::ops::RangeInclusive<u8>| {
            let log = log.clone();
            tokio::task::spawn_blocking(move || {
                numbers.map(|file| arrives(&log, &format!("{file}.txt"), file, Duplicates::Hold).id).collect::<Vec<_>>()
            })
        };
        let jobs = files(&log, 1..=3).await.unwrap();
        let mut stages = Stages::start(&config, log.clone(), Arc::new(Budget::new(None, false))).await.unwrap();
        let reader = log.reader().unwrap();
        assert_eq!(stages.refused().collect::<Vec<_>>(), ["a"], "it left the configuration with open jobs");
        let work = reader.count_work();
        // What the start itself wrote.
        stages.admit_again(&config, &reader).await.unwrap();
        let before = work.lock().unwrap().statements;
        for _ in 0..100 {
            stages.admit_again(&config, &reader).await.unwrap();
        }
        assert!(
            work.lock().unwrap().statements <= before + 3,
            "{work:?}: the folder of b may have been told of meanwhile"
        );
        let (last, others) = jobs.split_last().unwrap();
        for &job in others {
            let log = log.clone();
            tokio::task::spawn_blocking(move || ends(&log, job, "rejected", "")).await.unwrap();
        }
        stages.admit_again(&config, &reader).await.unwrap();
        assert!(stages.refused[0].why.what.contains(&format!("1 open job (job {last})")), "{}", stages.refused[0].why);
        let (ended, last) = (log.clone(), *last);
        tokio::task::spawn_blocking(move || ends(&ended, last, "rejected", "")).await.unwrap();
        stages.admit_again(&config, &reader).await.unwrap();
        assert_eq!(stages.refused().count(), 0);
        stages.stop().await;
    }
}
