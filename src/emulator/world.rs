//! The model: the jobs and accounts at Adobe. No HTTP and no clock.

use super::chance::Random;
use super::faults::JobFate;
use super::kept_jobs::{AccountKey, Job, Kept, Upload};
use super::options::{Names, Rows};
use super::suites::Suites;
use crate::job::{RemoteJobId, Timestamp};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// "100 entries a page."
pub(super) const PAGE: usize = 100;

/// The progress of a job at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress<'a> {
    pub(super) status: &'a str,
    pub(super) rows: u64,
    pub(super) started: Option<Timestamp>,
    pub(super) finished: Option<Timestamp>,
}

/// The jobs that a list request asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct JobFilter {
    pub(super) status: Option<String>,
    /// The window includes both ends. They are in seconds, because the API has no finer time.
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

/// The whole state of the server.
#[derive(Debug)]
pub struct World {
    processing: Duration,
    first_id: i64,
    /// In the order of acceptance. This is also the ledger.
    jobs: Vec<Job>,
    by_account: HashMap<AccountKey, Vec<usize>>,
    pub(super) accounts: Accounts,
    pub(super) suites: Suites,
    names: Names,
    rows: Rows,
    /// Time of each data source's last restart. `None`: no data source halts after a failed job.
    restarts: Option<HashMap<AccountKey, Timestamp>>,
    kept: Option<Kept>,
}

impl World {
    /// An empty world. If `accounts` is empty, every account exists.
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
            suites: Suites::default(),
            names: Names::Keep,
            rows: Rows::Processed,
            restarts: None,
            kept: None,
        }
    }

    /// Sets how the server changes names and counts rows, and whether data sources halt.
    pub(super) fn with(mut self, names: Names, rows: Rows, halts: bool) -> Self {
        (self.names, self.rows) = (names, rows);
        self.restarts = halts.then(HashMap::new);
        self
    }

    /// Adds the jobs that an earlier run has kept.
    pub(super) fn keeping(mut self, (kept, jobs): (Kept, Vec<Job>)) -> Self {
        self.first_id = jobs.first().map_or(self.first_id, |first| first.id.0);
        for job in jobs {
            self.add(job);
        }
        self.kept = Some(kept);
        self
    }

    /// Accepts an upload. Its job is also its line in the ledger.
    pub fn commit(&mut self, upload: Upload, fate: JobFate, now: Timestamp) -> RemoteJobId {
        let index = self.jobs.len();
        let id = RemoteJobId(self.first_id.saturating_add(i64::try_from(index).unwrap_or(i64::MAX)));
        // If the clock was set back, a newer job must not come before an older one.
        let created = self.jobs.last().map_or(now, |last| last.created.max(now));
        let shown = self.names.shown(&upload.name);
        let job = Job { id, upload, shown, created, starts: None, fate, deleted: false };
        if let Some(kept) = &mut self.kept {
            kept.write(&job);
        }
        self.add(job);
        id
    }

    /// Adds a job, and decides when its processing begins.
    fn add(&mut self, mut job: Job) {
        let usual = job.created.after(self.processing / 2);
        let account = &job.upload.account;
        job.starts = (!self.is_halted(account, usual)).then_some(usual);
        self.by_account.entry(account.clone()).or_default().push(self.jobs.len());
        self.jobs.push(job);
    }

    /// Returns whether a job of this account failed before `at` and after the last restart.
    fn is_halted(&self, account: &AccountKey, at: Timestamp) -> bool {
        let Some(restarts) = &self.restarts else { return false };
        let restarted = restarts.get(account);
        self.by_account.get(account).into_iter().flatten().filter_map(|&index| self.jobs.get(index)).any(|job| {
            let ended = job.starts.map(|start| start.after(self.processing / 2));
            job.end().0 == "failure"
                && ended.is_some_and(|ended| ended <= at && restarted.is_none_or(|&restarted| restarted < ended))
        })
    }

    /// Does what *Restart Processing* does in Adobe's user interface: a halted data source processes its waiting jobs.
    /// Returns their number.
    pub(super) fn restart(&mut self, account: &AccountKey, now: Timestamp) -> usize {
        let (Some(restarts), Some(indexes)) = (&mut self.restarts, self.by_account.get(account)) else { return 0 };
        restarts.insert(account.clone(), now);
        let mut waited = 0;
        for &index in indexes {
            if let Some(job) = self.jobs.get_mut(index).filter(|job| job.starts.is_none()) {
                job.starts = Some(now.max(job.created.after(self.processing / 2)));
                waited += 1;
            }
        }
        waited
    }

    /// Every job, in the order of acceptance.
    #[must_use]
    pub fn jobs(&self) -> &[Job] {
        &self.jobs
    }

    /// The number of accepted uploads.
    #[must_use]
    pub fn job_count(&self) -> usize {
        self.jobs.len()
    }

    /// The job with this number.
    #[must_use]
    pub fn job(&self, id: RemoteJobId) -> Option<&Job> {
        self.jobs.get(self.index(id)?)
    }

    /// Gives a job the status `deleted`. Returns false if the job does not exist.
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

    /// Returns the progress of a job.
    pub(super) fn progress<'a>(&self, job: &'a Job, now: Timestamp) -> Progress<'a> {
        let half = self.processing / 2;
        let started = job.starts.filter(|&start| start <= now);
        let finished = started.map(|start| start.after(half)).filter(|&end| end <= now);
        let (status, processed) = match (started, finished) {
            _ if job.deleted => ("deleted", 0),
            (_, Some(_)) => job.end(),
            (Some(start), None) => ("processing", share(job.end().1, now.since(start), half)),
            (None, _) => ("uploaded", 0),
        };
        let rows = match self.rows {
            Rows::Processed => processed,
            Rows::File => job.rows_of_file(),
        };
        Progress { status, rows, started, finished }
    }

    /// Returns the progress of a job in the response to its upload.
    pub(super) fn fresh<'a>(&self, job: &'a Job) -> Progress<'a> {
        let rows = match self.rows {
            Rows::Processed => 0,
            Rows::File => job.rows_of_file(),
        };
        Progress { status: "uploaded", rows, started: None, finished: None }
    }

    /// Returns the jobs of an account that match the filter.
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

/// Returns the number of rows processed after `passed` of the `whole` time.
fn share(rows: u64, passed: Duration, whole: Duration) -> u64 {
    let done = u128::from(rows) * passed.as_nanos() / whole.as_nanos().max(1);
    u64::try_from(done).unwrap_or(rows)
}

// Data Sources accounts. Their FTP members are invented, and no such server exists.

/// An account in the guide's spelling.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Account {
    pub(super) name: String,
    /// Null if none was given.
    pub(super) email: Option<String>,
    pub(super) data_source_id: i64,
    #[serde(rename = "type")]
    pub(super) kind: String,
    pub(super) ftp_hostname: String,
    pub(super) ftp_username: String,
    pub(super) ftp_password: String,
}

/// The members of a new account. The guide requires none of them.
#[derive(Debug, Default)]
pub(super) struct NewAccount {
    pub(super) name: Option<String>,
    pub(super) email: Option<String>,
    pub(super) kind: Option<String>,
}

impl NewAccount {
    /// An account that exists without having been created.
    fn usual() -> Self {
        Self { email: Some("noreply@example.com".to_owned()), ..Self::default() }
    }
}

/// The accounts of all report suites.
#[derive(Debug)]
pub(super) struct Accounts {
    known: BTreeMap<AccountKey, Account>,
    deleted: BTreeSet<AccountKey>,
    /// An account that was never listed, created or deleted exists from its first request on.
    any: bool,
    random: Random,
}

impl Accounts {
    fn new(listed: &[(String, i64)], random: Random) -> Self {
        let mut accounts = Self { known: BTreeMap::new(), deleted: BTreeSet::new(), any: listed.is_empty(), random };
        for (report_suite_id, data_source_id) in listed {
            accounts.invent(
                AccountKey { report_suite_id: report_suite_id.clone(), data_source_id: *data_source_id },
                NewAccount::usual(),
            );
        }
        accounts
    }

    pub(super) fn exists(&self, key: &AccountKey) -> bool {
        self.known.contains_key(key) || (self.any && !self.deleted.contains(key))
    }

    pub(super) fn has_suite(&self, report_suite_id: &str) -> bool {
        self.any || self.known.keys().any(|key| key.report_suite_id == report_suite_id)
    }

    pub(super) fn show(&mut self, key: &AccountKey) -> Option<Account> {
        if !self.exists(key) {
            return None;
        }
        match self.known.get(key) {
            Some(account) => Some(account.clone()),
            None => Some(self.invent(key.clone(), NewAccount::usual())),
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
        // A number is never reused, because a client may still request the jobs of a deleted account.
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

    /// Deletes an account. Returns false if it does not exist.
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
            email: new.email,
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
