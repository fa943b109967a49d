//! The tasks that track accounts. One that ends by an error or a defect blocks its account, and is tried again.

use super::Fatal;
use super::stages::{Stage, Stages};
use super::vitals::{Fallen, Pulse, Tracking};
use crate::clock::now;
use crate::config::Config;
use crate::job::{Problem, Target};
use crate::joblog::{JobLogError, Reader};
use crate::retry::RetryPolicy;
use crate::track::{TrackSettings, Tracker};
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

impl Stages {
    pub(super) fn start_tracker(&mut self, config: &Config, account: &str, target: Target) -> Result<(), Fatal> {
        let settings = TrackSettings {
            account: account.to_owned(),
            target: target.clone(),
            client: Arc::clone(&self.client),
            budget: Arc::clone(&self.budget),
            poll: config.poll.clone(),
            confirm_for: config.upload.confirm_for,
            retry: RetryPolicy::new(&config.retry),
        };
        let tracker = Tracker::new(settings, self.joblog.clone(), self.clock)?;
        let (stop, pulse) = (CancellationToken::new(), Pulse::new(self.clock));
        self.stop_tracker(account);
        let tracking = Tracking { stop: stop.clone(), pulse: pulse.clone(), target };
        self.trackers.insert(account.to_owned(), tracking);
        let stage = Stage::Track(account.to_owned(), stop.clone());
        self.run_stage(stage, async move { tracker.run(stop, move || pulse.beat()).await });
        Ok(())
    }

    /// A panic in it is its end, too.
    pub(super) fn run_stage(
        &mut self,
        stage: Stage,
        work: impl Future<Output = Result<(), JobLogError>> + Send + 'static,
    ) {
        let work = tokio::spawn(work);
        self.tasks.spawn(async move {
            let end = match work.await {
                Ok(ended) => ended.map_err(|error| error.to_string()),
                Err(panic) => {
                    Err(format!("a defect of datadrop ({panic}); please report it with the log of this time"))
                }
            };
            (stage, end)
        });
    }

    pub(super) fn is_tracked(&self, account: &str) -> bool {
        self.trackers.contains_key(account)
    }

    pub(super) fn stop_tracker(&mut self, account: &str) {
        self.fallen.forget(account);
        if let Some(tracking) = self.trackers.remove(account) {
            tracking.stop.cancel();
        }
    }

    pub(super) fn stop_trackers(&mut self) {
        self.fallen = Fallen::default();
        for (_, tracking) in self.trackers.drain() {
            tracking.stop.cancel();
        }
    }

    /// One account is not followed for now; the others are.
    pub(super) fn tracker_fell(&mut self, account: &str, why: &str) {
        let Some(Tracking { stop, target, .. }) = self.trackers.remove(account) else { return };
        stop.cancel();
        if self.stopping {
            return;
        }
        let problem = Problem::from(format!("what became of its files cannot be followed: {why}"));
        tracing::error!(account, "account {account} is blocked: {problem}");
        drop(self.joblog.api_problem(account.to_owned(), Some(problem), now()));
        self.fallen.note(account, target, self.clock.moment());
    }

    /// Follows the accounts again whose tracker fell a while ago, if it can read its jobs by now.
    pub(super) fn resume_trackers(&mut self, config: &Config, reader: &Reader) -> Result<(), Fatal> {
        for (account, target) in self.fallen.due(self.clock.moment()) {
            if self.is_tracked(&account) {
                continue;
            }
            if reader.open_remote(&account).is_err() || reader.unsettled(&account).is_err() {
                self.fallen.note(&account, target, self.clock.moment());
                continue;
            }
            // It asks the API first, and takes back what blocks the account.
            self.start_tracker(config, &account, target)?;
        }
        Ok(())
    }
}
