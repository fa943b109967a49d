//! Step 4: send what is due, with one request per file.
//!
//! The dispatcher takes permits from the credential's budget and claims due jobs, which is durable before a byte goes.
//! It runs each attempt in its own task. A pure table, [`outcome`](decide), decides what the end of an attempt means.
//! The due time in the job log is the only retry loop.

mod attempt;
mod outcome;

pub use attempt::UploadSettings;
pub use outcome::{Again, Facts, Outcome, Verdict, decide};

use crate::adobe::{Budget, Permit, Purpose, Reading};
use crate::clock::now;
use crate::job::{DayZone, Timestamp, printable};
use crate::joblog::{AccountRules, Allowance, Claim, Claimed, JobLog, JobLogError, Reader};
use attempt::{Attempt, Attempted, Slots};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

/// Longest wait between two signs of life.
const TURN: Duration = Duration::from_secs(15);
/// Interval between looks at files whose bytes are awaited.
const LOOK: Duration = Duration::from_secs(1);
/// Shortest wait. The next look claims a job that became due during the last one.
const LEAST_WAIT: Duration = Duration::from_millis(1);

/// The upload stage.
#[derive(Debug)]
pub struct Uploader {
    joblog: JobLog,
    settings: watch::Receiver<Arc<UploadSettings>>,
    running: JoinSet<()>,
    /// The attempts of the running tasks.
    slots: Slots,
    /// The index of the account that comes first. It rotates, so that no account starves another.
    turn: usize,
    allowances: Allowances,
}

/// Interval between looks at how much each account has sent of what Adobe allows.
const ALLOWANCE_LOOK: Duration = Duration::from_secs(1);

/// How much each account has sent of what Adobe allows.
#[derive(Debug, Default)]
struct Allowances {
    reader: Option<Reader>,
    looked_at: Option<Instant>,
    known: HashMap<String, Allowance>,
}

impl Allowances {
    /// Sets the allowance of each account. If it cannot be read, datadrop counts nothing, and sends files anyway.
    fn fill(&mut self, joblog: &JobLog, accounts: &mut [AccountRules]) {
        if self.looked_at.is_none_or(|at| at.elapsed() >= ALLOWANCE_LOOK) {
            self.looked_at = Some(Instant::now());
            self.known = self.look(joblog, accounts).unwrap_or_default();
        }
        for rules in accounts {
            rules.allowance = self.known.get(&rules.name).cloned();
            // The zone is read here, because a report suite may just have changed it, and the jobs that wait for a day
            // depend on it.
            if let (Some(allowance), Some(limits), Some(reader)) = (&mut rules.allowance, &rules.limits, &self.reader)
                && limits.counts_days
            {
                let suites = reader.suite_zone(&rules.target).ok().flatten();
                allowance.zone = DayZone::of(limits.time_zone.as_ref(), suites.as_deref());
            }
        }
    }

    fn look(&mut self, joblog: &JobLog, accounts: &[AccountRules]) -> Option<HashMap<String, Allowance>> {
        if self.reader.is_none() {
            self.reader = joblog.reader().ok();
        }
        let reader = self.reader.as_ref()?;
        let allowance = |rules: &AccountRules| {
            let zone = DayZone::of(rules.limits.as_ref()?.time_zone.as_ref(), None);
            let at_adobe = reader.bytes_at_adobe(&rules.name).ok()?;
            Some((rules.name.clone(), Allowance { zone, at_adobe }))
        };
        Some(accounts.iter().filter_map(allowance).collect())
    }

    /// Adds claimed jobs, which will be at Adobe soon.
    fn add(&mut self, claims: &[Claim]) {
        for job in claims.iter().map(|claim| &claim.job) {
            if let Some(allowance) = self.known.get_mut(&job.account) {
                allowance.at_adobe = allowance.at_adobe.saturating_add(job.size.unwrap_or(0));
            }
        }
    }
}

impl Uploader {
    /// A dispatcher without attempts in progress.
    #[must_use]
    pub fn new(joblog: JobLog, settings: watch::Receiver<Arc<UploadSettings>>) -> Self {
        Self {
            joblog,
            settings,
            running: JoinSet::new(),
            slots: Slots::default(),
            turn: 0,
            allowances: Allowances::default(),
        }
    }

    /// Sends until `stop`, then waits for attempts in progress. `abort` ends that wait. Calls `alive` in each turn.
    ///
    /// # Errors
    /// [`JobLogError`] if the job log contradicts itself, so that the daemon must end.
    pub async fn run(
        mut self,
        stop: CancellationToken,
        abort: CancellationToken,
        alive: impl Fn(),
    ) -> Result<(), JobLogError> {
        let mut changes = self.joblog.changes();
        let mut storage = self.joblog.storage();
        while !stop.is_cancelled() {
            alive();
            // Several uploads may end with the same commit. Let them all free their slots, so that one claim fills
            // these.
            tokio::task::yield_now().await;
            self.reap();
            // Armed before the check, so that no later change is missed.
            changes.borrow_and_update();
            let settings = Arc::clone(&self.settings.borrow_and_update());
            let writable = storage.borrow_and_update().is_none();
            let free = self.slots.free(settings.max_in_flight);
            let mut next_due = None;
            if writable && free > 0 {
                let permits = take_permits(&settings.budget, free);
                if permits.is_empty() {
                    next_due = self.next_due(&settings).await?;
                    if next_due.is_some_and(|due| due <= now()) {
                        // A due job waits for the rate limit.
                        tokio::select! {
                            permit = settings.budget.acquire(Purpose::Upload) => {
                                self.dispatch(&settings, vec![permit], &abort).await?;
                            }
                            () = stop.cancelled() => {}
                            Some(done) = self.running.join_next_with_id() => self.note_end(done),
                            Ok(()) = self.settings.changed() => {}
                            () = tokio::time::sleep(TURN) => {}
                        }
                        continue;
                    }
                } else {
                    let offered = permits.len();
                    let Dispatched { sent, due } = self.dispatch(&settings, permits, &abort).await?;
                    if sent == offered {
                        // There may be more due jobs, so the next turn waits for a slot of the rate limit or of
                        // `max_in_flight`.
                        continue;
                    }
                    next_due = due;
                }
            }
            let longest = if self.slots.are_to_be_watched() { LOOK } else { TURN };
            let wait = next_due.map_or(longest, |due: Timestamp| due.since(now()).max(LEAST_WAIT).min(longest));
            tokio::select! {
                () = stop.cancelled() => {}
                Ok(()) = changes.changed() => {}
                Ok(()) = storage.changed() => {}
                Ok(()) = self.settings.changed() => {}
                Some(done) = self.running.join_next_with_id() => self.note_end(done),
                () = tokio::time::sleep(wait) => {}
            }
        }
        self.drain(&abort, alive).await;
        Ok(())
    }

    /// Waits for the attempts in progress, until `abort`. The next start reconciles those that are left.
    async fn drain(&mut self, abort: &CancellationToken, alive: impl Fn()) {
        while !self.running.is_empty() {
            alive();
            tokio::select! {
                Some(done) = self.running.join_next_with_id() => self.note_end(done),
                () = abort.cancelled() => break,
                () = tokio::time::sleep(TURN) => {}
            }
        }
        // Attempts that still hold back their last bytes end immediately by `abort`. The others get a moment for an
        // answer.
        let grace = tokio::time::sleep(Duration::from_millis(500));
        tokio::pin!(grace);
        while !self.running.is_empty() {
            tokio::select! {
                Some(done) = self.running.join_next_with_id() => self.note_end(done),
                () = &mut grace => break,
            }
        }
        if !self.running.is_empty() {
            tracing::warn!(
                uploads = self.running.len(),
                "stopped during {} uploads; they are settled at the next start",
                self.running.len()
            );
        }
    }

    /// The accounts whose files may be opened now, each with its share of the slots.
    fn may_begin(&self, settings: &UploadSettings) -> Vec<AccountRules> {
        let room = |rules: &AccountRules| self.slots.room(&rules.name, settings.max_in_flight, settings.accounts.len());
        let all = settings.accounts.iter().map(|(rules, _)| AccountRules { room: room(rules), ..rules.clone() });
        all.filter(|rules| rules.room > 0).collect()
    }

    async fn next_due(&self, settings: &UploadSettings) -> Result<Option<Timestamp>, JobLogError> {
        let accounts = self.may_begin(settings).into_iter().map(|rules| rules.name).collect();
        let longest = settings.retry.longest();
        match self.joblog.next_due(accounts, longest, now()).await {
            Err(JobLogError::Storage(_)) => Ok(None),
            Err(JobLogError::Closed) => Err(JobLogError::Closed),
            // The claim finds the bad row. The jobs of the other accounts are due meanwhile.
            Err(_) => Ok(Some(now())),
            answer => answer,
        }
    }

    /// Claims for one account after the other, so that an unreadable row stops only its account (DESIGN F10).
    async fn claim_each(&mut self, accounts: Vec<AccountRules>, limit: usize) -> Result<Claimed, JobLogError> {
        let mut claimed = Claimed::default();
        for rules in accounts {
            let (account, room) = (rules.name.clone(), limit - claimed.claims.len());
            match self.joblog.claim(vec![rules], room, now()).await {
                Ok(its) => {
                    claimed.claims.extend(its.claims);
                    claimed.next_due = [claimed.next_due, its.next_due].into_iter().flatten().min();
                }
                Err(error @ (JobLogError::Closed | JobLogError::Storage(_))) if claimed.claims.is_empty() => {
                    return Err(error);
                }
                Err(JobLogError::Closed | JobLogError::Storage(_)) => break,
                Err(error) => {
                    self.slots.doubt(account.clone());
                    // The claimed jobs are sent even if the problem cannot be recorded now.
                    let noted = self.joblog.api_problem(account.clone(), Some(error.to_string().into()), now()).await;
                    if !matches!(noted, Ok(false)) {
                        tracing::error!(account, "account {account} is blocked: {error}");
                    }
                }
            }
            if claimed.claims.len() == limit {
                break;
            }
        }
        Ok(claimed)
    }

    async fn dispatch(
        &mut self,
        settings: &Arc<UploadSettings>,
        permits: Vec<Permit>,
        abort: &CancellationToken,
    ) -> Result<Dispatched, JobLogError> {
        let mut accounts = self.may_begin(settings);
        if !accounts.is_empty() {
            self.turn = (self.turn + 1) % accounts.len();
            accounts.rotate_left(self.turn);
        }
        self.allowances.fill(&self.joblog, &mut accounts);
        let claimed = match self.joblog.claim(accounts.clone(), permits.len(), now()).await {
            Err(JobLogError::Impossible(_) | JobLogError::BadRow { .. } | JobLogError::NoSuchJob(_)) => {
                self.claim_each(accounts, permits.len()).await
            }
            claimed => claimed,
        };
        let claimed = match claimed {
            Ok(claimed) => claimed,
            // The writer logs the failure, and signals when it can write again.
            Err(JobLogError::Storage(_)) => return Ok(Dispatched { sent: 0, due: None }),
            Err(error) => return Err(error),
        };
        let sent = claimed.claims.len();
        self.allowances.add(&claimed.claims);
        for (claim, permit) in claimed.claims.into_iter().zip(permits) {
            self.start(settings, claim, permit, abort);
        }
        Ok(Dispatched { sent, due: claimed.next_due })
    }

    fn start(&mut self, settings: &Arc<UploadSettings>, claim: Claim, permit: Permit, abort: &CancellationToken) {
        let (job, number) = (claim.job.id, claim.job.attempts);
        let reading = Arc::new(Reading::default());
        let account = claim.job.account.clone();
        if let Some(warning) = &claim.warning {
            let file = printable(&claim.job.file_name);
            tracing::warn!(account, job = job.0, "{file}: job {job}: {warning}");
        }
        let (joblog, settings) = (self.joblog.clone(), Arc::clone(settings));
        let attempt = Attempt { joblog, settings, claim, reading: Arc::clone(&reading) };
        let abort = abort.child_token();
        self.joblog.on_taken_back(job, number, abort.clone());
        let task = self.running.spawn(async move { attempt.run(permit, abort).await });
        self.slots.begin(task.id(), Attempted { job, number, account, reading });
    }

    fn reap(&mut self) {
        while let Some(done) = self.running.try_join_next_with_id() {
            self.note_end(done);
        }
    }

    /// A panic costs one attempt, not the service. The job log recovers the job as after a crash.
    fn note_end(&mut self, done: Result<(Id, ()), tokio::task::JoinError>) {
        let (task, panic) = match done {
            Ok((task, ())) => (task, None),
            Err(error) => (error.id(), Some(error)),
        };
        let Some((job, attempt)) = self.slots.end(task) else { return };
        self.joblog.attempt_ended(job, attempt);
        if let Some(error) = panic {
            tracing::error!(
                job = job.0,
                "job {job}: its upload ended by a defect of datadrop: {error}; please report this"
            );
            // The result does not matter here, because the next start recovers a job that is left behind.
            drop(self.joblog.recover_one(job, now()));
        }
    }
}

struct Dispatched {
    sent: usize,
    due: Option<Timestamp>,
}

fn take_permits(budget: &Arc<Budget>, at_most: usize) -> Vec<Permit> {
    std::iter::from_fn(|| budget.try_acquire(Purpose::Upload)).take(at_most).collect()
}

/// Runs a single attempt, for a simulation that decides when it continues.
#[cfg(test)]
pub(crate) mod single {
    use super::attempt::Attempt;
    use super::{UploadSettings, take_permits};
    use crate::adobe::Permit;
    use crate::joblog::{Claim, JobLog};
    use std::sync::Arc;
    use tokio_util::sync::CancellationToken;

    /// Returns the permits for up to `attempts` attempts. As in the dispatcher, take them before the claim.
    pub(crate) fn permits(settings: &UploadSettings, attempts: usize) -> Vec<Permit> {
        take_permits(&settings.budget, attempts)
    }

    /// Runs the attempt of a claim to its end.
    pub(crate) fn attempt(
        joblog: &JobLog,
        settings: &Arc<UploadSettings>,
        claim: Claim,
        permit: Permit,
    ) -> impl Future<Output = ()> + use<> {
        let stop = CancellationToken::new();
        joblog.on_taken_back(claim.job.id, claim.job.attempts, stop.clone());
        let attempt =
            Attempt { joblog: joblog.clone(), settings: Arc::clone(settings), claim, reading: Arc::default() };
        attempt.run(permit, stop)
    }
}
