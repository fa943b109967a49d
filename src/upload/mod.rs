//! Step 4: send what is due, one request a file.
//!
//! The dispatcher takes permits from the credential's budget, claims due jobs (durable before a byte goes), and runs
//! each attempt as a task of its own. What an attempt's end means is decided in [`outcome`](decide), a pure table; the
//! job log's due time is the only retry loop.

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

/// The longest wait without a sign of life.
const TURN: Duration = Duration::from_secs(15);
/// Interval between looks at files that are waited for.
const LOOK: Duration = Duration::from_secs(1);
/// A job that became due during a look is claimed by the next one.
const LEAST_WAIT: Duration = Duration::from_millis(1);

/// The stage.
#[derive(Debug)]
pub struct Uploader {
    joblog: JobLog,
    settings: watch::Receiver<Arc<UploadSettings>>,
    running: JoinSet<()>,
    /// The attempts that the tasks make.
    slots: Slots,
    /// Which account comes first: rotates, so that none starves another.
    turn: usize,
    allowances: Allowances,
}

/// Time after which it is looked up again what accounts have sent of what Adobe takes.
const ALLOWANCE_LOOK: Duration = Duration::from_secs(1);

/// What each account has sent so far of what Adobe takes.
#[derive(Debug, Default)]
struct Allowances {
    reader: Option<Reader>,
    looked_at: Option<Instant>,
    known: HashMap<String, Allowance>,
}

impl Allowances {
    /// Gives each account what it has sent. Without it nothing is counted, and files are sent anyway.
    fn fill(&mut self, joblog: &JobLog, accounts: &mut [AccountRules]) {
        if self.looked_at.is_none_or(|at| at.elapsed() >= ALLOWANCE_LOOK) {
            self.looked_at = Some(Instant::now());
            self.known = self.look(joblog, accounts).unwrap_or_default();
        }
        for rules in accounts {
            rules.allowance = self.known.get(&rules.name).cloned();
            // A report suite may just have moved, and what waited for a day be judged again.
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

    /// What was claimed is at Adobe soon.
    fn add(&mut self, claims: &[Claim]) {
        for job in claims.iter().map(|claim| &claim.job) {
            if let Some(allowance) = self.known.get_mut(&job.account) {
                allowance.at_adobe = allowance.at_adobe.saturating_add(job.size.unwrap_or(0));
            }
        }
    }
}

impl Uploader {
    /// A dispatcher that has nothing in progress.
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

    /// Sends until `stop`, then lets what is in progress end; `abort` cuts that short. `alive` is called in each turn.
    ///
    /// # Errors
    /// [`JobLogError`] if the job log contradicts itself: the daemon must end.
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
            // Uploads that one commit let end free their slots together, and new ones are claimed in one.
            tokio::task::yield_now().await;
            self.reap();
            // Armed before the look, so that nothing that changes after it is missed.
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
                        // The rate limit is what is waited for.
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
                        // There may be more: then a slot is what is waited for, of the rate limit or of our own.
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

    /// Lets the attempts in progress end, or be cut short. What is left is settled at the next start.
    async fn drain(&mut self, abort: &CancellationToken, alive: impl Fn()) {
        while !self.running.is_empty() {
            alive();
            tokio::select! {
                Some(done) = self.running.join_next_with_id() => self.note_end(done),
                () = abort.cancelled() => break,
                () = tokio::time::sleep(TURN) => {}
            }
        }
        // Those that hold their last bytes back end at once by `abort`; the others have a moment for an answer.
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
            // Found out when it is claimed; what the others have is due meanwhile.
            Err(_) => Ok(Some(now())),
            answer => answer,
        }
    }

    /// Claims for one account after the other: a row that makes no sense costs its account, and no other (DESIGN F10).
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
                    // What was claimed goes on, also where this cannot be written down just now.
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
            // The writer tells; it also says when it can write again.
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

    /// A panic costs one attempt, not the service: what it left is recovered as after a crash.
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
            // Its answer does not matter here: a job that stays behind is recovered at the next start.
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

/// One attempt by itself, for a simulation that decides when it goes on.
#[cfg(test)]
pub(crate) mod single {
    use super::attempt::Attempt;
    use super::{UploadSettings, take_permits};
    use crate::adobe::Permit;
    use crate::joblog::{Claim, JobLog};
    use std::sync::Arc;
    use tokio_util::sync::CancellationToken;

    /// The permits that there are for so many attempts; taken before the claim, as the dispatcher does.
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
