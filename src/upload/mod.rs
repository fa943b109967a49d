//! Step 4: send what is due, one request a file.
//!
//! The dispatcher takes permits from the credential's budget, claims due jobs (durable before a byte goes), and runs
//! each attempt as a task of its own. What an attempt's end means is decided in [`outcome`](decide), a pure table; the
//! job log's due time is the only retry loop.

mod attempt;
mod outcome;
#[cfg(test)]
pub(crate) mod simulated;

pub use outcome::{Again, Facts, Outcome, Verdict, decide};

use crate::ambient::now;
use crate::api::{Budget, Client, Permit, Purpose};
use crate::config::StyleChoice;
use crate::job::{JobId, Timestamp};
use crate::joblog::{AccountRules, Claim, JobLog, JobLogError};
use crate::retry::RetryPolicy;
use attempt::Attempt;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

/// The longest wait without a sign of life.
const TURN: Duration = Duration::from_secs(15);

/// What the dispatcher needs of the configuration; swapped whole on reload.
#[derive(Debug, Clone)]
pub struct UploadSettings {
    /// The accounts that may send, with the style that each wants.
    pub accounts: Vec<(AccountRules, StyleChoice)>,
    /// Speaks to the API.
    pub client: Arc<Client>,
    /// The budget of its credential.
    pub budget: Arc<Budget>,
    /// Uploads under way at the same time.
    pub max_in_flight: usize,
    /// When to try again.
    pub retry: RetryPolicy,
}

/// The stage.
#[derive(Debug)]
pub struct Uploader {
    joblog: JobLog,
    settings: watch::Receiver<Arc<UploadSettings>>,
    running: JoinSet<()>,
    /// The attempt that each task makes.
    jobs: HashMap<Id, (JobId, u32)>,
    /// Which account comes first: rotates, so that none starves another.
    turn: usize,
}

impl Uploader {
    /// A dispatcher that has nothing under way.
    #[must_use]
    pub fn new(joblog: JobLog, settings: watch::Receiver<Arc<UploadSettings>>) -> Self {
        Self { joblog, settings, running: JoinSet::new(), jobs: HashMap::new(), turn: 0 }
    }

    /// Sends until `stop`, then lets what is under way end; `abort` cuts that short. `alive` is called in each turn.
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
            let free = settings.max_in_flight.saturating_sub(self.running.len());
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
            let wait = next_due.map_or(TURN, |due: Timestamp| due.since(now()).max(Duration::from_millis(1)).min(TURN));
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

    /// Lets the attempts under way end, or be cut short. What is left is settled at the next start.
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

    async fn next_due(&self, settings: &UploadSettings) -> Result<Option<Timestamp>, JobLogError> {
        let accounts = settings.accounts.iter().map(|(rules, _)| rules.name.clone()).collect();
        match self.joblog.next_due(accounts, settings.retry.longest(), now()).await {
            Err(JobLogError::Storage(_)) => Ok(None),
            answer => answer,
        }
    }

    async fn dispatch(
        &mut self,
        settings: &Arc<UploadSettings>,
        permits: Vec<Permit>,
        abort: &CancellationToken,
    ) -> Result<Dispatched, JobLogError> {
        let mut accounts: Vec<AccountRules> = settings.accounts.iter().map(|(rules, _)| rules.clone()).collect();
        if !accounts.is_empty() {
            self.turn = (self.turn + 1) % accounts.len();
            accounts.rotate_left(self.turn);
        }
        let claimed = match self.joblog.claim(accounts, permits.len(), now()).await {
            Ok(claimed) => claimed,
            // The writer tells; it also says when it can write again.
            Err(JobLogError::Storage(_)) => return Ok(Dispatched { sent: 0, due: None }),
            Err(error) => return Err(error),
        };
        let sent = claimed.claims.len();
        for (claim, permit) in claimed.claims.into_iter().zip(permits) {
            self.start(settings, claim, permit, abort);
        }
        Ok(Dispatched { sent, due: claimed.next_due })
    }

    fn start(&mut self, settings: &Arc<UploadSettings>, claim: Claim, permit: Permit, abort: &CancellationToken) {
        let (job, number) = (claim.job.id, claim.job.attempts);
        let attempt = Attempt { joblog: self.joblog.clone(), settings: Arc::clone(settings), claim };
        let abort = abort.child_token();
        self.joblog.on_taken_back(job, number, abort.clone());
        let task = self.running.spawn(async move { attempt.run(permit, abort).await });
        self.jobs.insert(task.id(), (job, number));
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
        let Some((job, attempt)) = self.jobs.remove(&task) else { return };
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
