//! Accounts that are refused for their open jobs, and admitted once those have come to their end (DESIGN A5).

use super::Fatal;
use super::refused::{Refused, judge};
use super::stages::Stages;
use crate::ambient::now;
use crate::config::Config;
use crate::joblog::{JobLogError, Reader};
use crate::watch::FolderSettings;

impl Stages {
    /// Keeps accounts from running: nothing is sent or moved for them, and they say so. What Adobe has of them is followed.
    pub(super) async fn refuse(&mut self, config: &Config, refused: Vec<Refused>) -> Result<(), Fatal> {
        let is_refused = |name: &str| refused.iter().any(|refused| refused.account == name);
        self.send_only_for(|account| !is_refused(&account.name));
        let names: Vec<String> = refused.iter().map(|refused| refused.account.clone()).collect();
        self.stop_folders_of(&names).await;
        for Refused { account, why, went_to } in &refused {
            let is_known = self.refused().any(|known| known == account);
            let is_told = !self.joblog.folder_problem(account.clone(), Some(why.clone()), now()).await?;
            if !is_known {
                self.stop_tracker(account);
                if !is_told {
                    tracing::error!(account, "account {account} is refused: {why}");
                }
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

    /// Judges anew, and lets run what may run by now. Other accounts are not disturbed.
    pub(super) async fn admit_again(&mut self, config: &Config, reader: &Reader) -> Result<(), Fatal> {
        if self.refused.is_empty() && !self.judge_again {
            return Ok(());
        }
        match self.judge_and_admit(config, reader).await {
            // The writer tells what is wrong with the disk; the next look tries again.
            Err(Fatal::JobLog(JobLogError::Storage(_))) => Ok(()),
            ended => ended,
        }
    }

    async fn judge_and_admit(&mut self, config: &Config, reader: &Reader) -> Result<(), Fatal> {
        let (accounts, refused) = judge(config, &reader.open_jobs()?);
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
            tracing::info!(
                account = account.name,
                "account {} runs: its open jobs have come to their end",
                account.name
            );
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
