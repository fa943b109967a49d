//! The model: jobs and accounts as Adobe keeps them. No HTTP and no clock.

use super::chance::Random;
use super::faults::JobFate;
use super::kept_jobs::{AccountKey, Job, Kept, Upload};
use super::options::Names;
use crate::job::{RemoteJobId, Timestamp};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// "100 entries a page."
pub(super) const PAGE: usize = 100;

/// Where a job stands at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress<'a> {
    pub(super) status: &'a str,
    pub(super) rows: u64,
    pub(super) started: Option<Timestamp>,
    pub(super) finished: Option<Timestamp>,
}

/// Which jobs a list request wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct JobFilter {
    pub(super) status: Option<String>,
    /// Both ends belong to the window; seconds, as the API knows no finer time.
    pub(super) first_second: i64,
    pub(super) last_second: Option<i64>,
    pub(super) page: usize,
}

/// One page of a list, newest job first.
#[derive(Debug)]
pub(super) struct JobPage<'a> {
    pub(super) jobs: Vec<&'a Job>,
    pub(super) total_pages: usize,
}

/// Everything Adobe knows.
#[derive(Debug)]
pub struct World {
    processing: Duration,
    first_id: i64,
    /// In the order of acceptance: also the ledger.
    jobs: Vec<Job>,
    by_account: HashMap<AccountKey, Vec<usize>>,
    pub(super) accounts: Accounts,
    names: Names,
    kept: Option<Kept>,
}

impl World {
    /// An empty world. `accounts` empty: any account exists.
    #[must_use]
    pub fn new(processing: Duration, accounts: &[(String, i64)], seed: u64) -> Self {
        let mut random = Random::new(seed);
        let first_id = 10_000 + i64::try_from(random.below(90_000)).unwrap_or(0);
        Self {
            processing,
            first_id,
            jobs: Vec::new(),
            by_account: HashMap::new(),
            accounts: Accounts::new(accounts, random),
            names: Names::Keep,
            kept: None,
        }
    }

    /// The same with its way to change names, and with what was kept of an earlier run.
    pub(super) fn with(mut self, names: Names, kept: Option<(Kept, Vec<Job>)>) -> Self {
        self.names = names;
        if let Some((kept, jobs)) = kept {
            self.first_id = jobs.first().map_or(self.first_id, |first| first.id.0);
            for (index, job) in jobs.iter().enumerate() {
                self.by_account.entry(job.upload.account.clone()).or_default().push(index);
            }
            self.jobs = jobs;
            self.kept = Some(kept);
        }
        self
    }

    /// Accepts an upload: its job and its line in the ledger are the same thing.
    pub fn commit(&mut self, upload: Upload, fate: JobFate, now: Timestamp) -> RemoteJobId {
        let index = self.jobs.len();
        let id = RemoteJobId(self.first_id.saturating_add(i64::try_from(index).unwrap_or(i64::MAX)));
        // A clock that was set back must not put a newer job before an older one.
        let created = self.jobs.last().map_or(now, |last| last.created.max(now));
        self.by_account.entry(upload.account.clone()).or_default().push(index);
        let shown = self.names.shown(&upload.name);
        let job = Job { id, upload, shown, created, fate, deleted: false };
        if let Some(kept) = &mut self.kept {
            kept.write(&job);
        }
        self.jobs.push(job);
        id
    }

    /// Every job, in the order of acceptance.
    #[must_use]
    pub fn jobs(&self) -> &[Job] {
        &self.jobs
    }

    /// How many uploads were accepted.
    #[must_use]
    pub fn job_count(&self) -> usize {
        self.jobs.len()
    }

    /// The job of that number.
    #[must_use]
    pub fn job(&self, id: RemoteJobId) -> Option<&Job> {
        self.jobs.get(self.index(id)?)
    }

    /// Gives a job the status `deleted`; `false` if there is none of that number.
    pub fn delete_job(&mut self, id: RemoteJobId) -> bool {
        let job = self.index(id).and_then(|index| self.jobs.get_mut(index));
        let Some(job) = job else { return false };
        job.deleted = true;
        if let Some(kept) = &mut self.kept {
            kept.write(job);
        }
        true
    }

    fn index(&self, id: RemoteJobId) -> Option<usize> {
        usize::try_from(id.0.checked_sub(self.first_id)?).ok()
    }

    /// Where a job stands.
    pub(super) fn progress<'a>(&self, job: &'a Job, now: Timestamp) -> Progress<'a> {
        let age = now.since(job.created);
        let started = (age >= self.processing / 2).then(|| job.created.after(self.processing / 2));
        let finished = (age >= self.processing).then(|| job.created.after(self.processing));
        let (status, rows) = match (started, finished) {
            _ if job.deleted => ("deleted", 0),
            (_, Some(_)) => job.end(),
            (Some(_), None) => ("processing", 0),
            (None, None) => ("uploaded", 0),
        };
        Progress { status, rows, started, finished }
    }

    /// The jobs of an account that the filter lets through.
    pub(super) fn list(&self, account: &AccountKey, filter: &JobFilter, now: Timestamp) -> JobPage<'_> {
        let skip = filter.page.saturating_sub(1).saturating_mul(PAGE);
        let mut matching = 0;
        let mut jobs = Vec::new();
        for &index in self.by_account.get(account).into_iter().flatten().rev() {
            let Some(job) = self.jobs.get(index) else { continue };
            let second = job.created.0.div_euclid(1000);
            if second < filter.first_second {
                // Older jobs follow.
                break;
            }
            let wanted = filter.last_second.is_none_or(|last| second <= last)
                && now.since(job.created) >= job.fate.listed_after
                && filter.status.as_ref().is_none_or(|status| self.progress(job, now).status == status);
            if wanted {
                if matching >= skip && jobs.len() < PAGE {
                    jobs.push(job);
                }
                matching += 1;
            }
        }
        JobPage { jobs, total_pages: matching.div_ceil(PAGE) }
    }
}

// Data Sources accounts; their FTP members are invented, and lead nowhere.

/// An account, spelled as the guide spells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Account {
    pub(super) name: String,
    pub(super) email: String,
    pub(super) data_source_id: i64,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) ftp_hostname: String,
    pub(super) ftp_username: String,
    pub(super) ftp_password: String,
}

/// What may be said of a new account; the guide requires none of it.
#[derive(Debug, Default)]
pub(super) struct NewAccount {
    pub(super) name: Option<String>,
    pub(super) email: Option<String>,
    pub(super) kind: Option<String>,
}

/// The accounts of all report suites.
#[derive(Debug)]
pub(super) struct Accounts {
    known: BTreeMap<AccountKey, Account>,
    deleted: BTreeSet<AccountKey>,
    /// An account that was never listed, made or deleted exists as soon as it is asked for.
    any: bool,
    random: Random,
}

impl Accounts {
    fn new(listed: &[(String, i64)], random: Random) -> Self {
        let mut accounts = Self { known: BTreeMap::new(), deleted: BTreeSet::new(), any: listed.is_empty(), random };
        for (report_suite_id, data_source_id) in listed {
            accounts.invent(
                AccountKey { report_suite_id: report_suite_id.clone(), data_source_id: *data_source_id },
                NewAccount::default(),
            );
        }
        accounts
    }

    pub(super) fn exists(&self, key: &AccountKey) -> bool {
        self.known.contains_key(key) || (self.any && !self.deleted.contains(key))
    }

    pub(super) fn show(&mut self, key: &AccountKey) -> Option<Account> {
        if !self.exists(key) {
            return None;
        }
        match self.known.get(key) {
            Some(account) => Some(account.clone()),
            None => Some(self.invent(key.clone(), NewAccount::default())),
        }
    }

    pub(super) fn of_suite(&self, report_suite_id: &str) -> Vec<&Account> {
        self.known
            .iter()
            .filter(|(key, _)| key.report_suite_id == report_suite_id)
            .map(|(_, account)| account)
            .collect()
    }

    pub(super) fn create(&mut self, report_suite_id: &str, new: NewAccount) -> Account {
        // A number is never given twice, as jobs of a deleted account may still be asked for.
        let highest = self
            .known
            .keys()
            .chain(&self.deleted)
            .filter(|key| key.report_suite_id == report_suite_id)
            .map(|key| key.data_source_id)
            .max();
        let data_source_id = highest.map_or(1, |id| id.saturating_add(1));
        self.invent(AccountKey { report_suite_id: report_suite_id.to_owned(), data_source_id }, new)
    }

    /// `false`: there is no such account.
    pub(super) fn delete(&mut self, key: &AccountKey) -> bool {
        let existed = self.exists(key);
        self.known.remove(key);
        if existed {
            self.deleted.insert(key.clone());
        }
        existed
    }

    fn invent(&mut self, key: AccountKey, new: NewAccount) -> Account {
        let account = Account {
            name: new.name.unwrap_or_else(|| format!("Account {}", key.data_source_id)),
            email: new.email.unwrap_or_else(|| "noreply@example.com".to_owned()),
            data_source_id: key.data_source_id,
            kind: new.kind.unwrap_or_else(|| "generic".to_owned()),
            ftp_hostname: "ftp.example.com".to_owned(),
            ftp_username: format!("{}_{}", key.report_suite_id, key.data_source_id),
            ftp_password: format!("{:08x}", self.random.next() >> 32),
        };
        self.known.insert(key, account.clone());
        account
    }
}

#[cfg(test)]
mod tests;
