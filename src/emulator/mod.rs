//! A local model of the Data Sources API, for the demo, the tests and rehearsals (DESIGN §9).
//!
//! It answers two questions that a list of canned answers cannot. *How often did the server take this file?* Every
//! accepted upload stands in the ledger, made in the same step as its job. *What does the client do when the answer
//! is lost?* Faults cut, delay or garble an exchange before or after that step.
//!
//! ```text
//! connection ──► routes ──► access     who may ask, and how often
//! (accepts,      (HTTP in,  query      what a query or a form says
//!  cuts)          HTTP out) wire_body  what an upload request says
//!                           world      jobs and accounts; no HTTP, no clock
//!                           content    what becomes of a file's rows
//!                           suites     what it tells of report suites
//!                           kept_jobs  jobs in memory, and over restarts
//!                           ledger     what is counted
//!                           faults     what goes wrong, when, how often; pure
//!                           answers    how it is said
//! ```
//!
//! Invariants:
//! - The model never waits, and all of it lies under one lock: a job, its ledger entry and its number come together.
//! - A job's status follows from `now` alone; nothing runs in the background.
//! - An upload is taken only after its whole body arrived and was valid; a body cut short never is.
//! - It is strict: what the documents do not allow gets a 4xx that says what is wrong.
//!
//! Faults are rules of the form `WHERE[:WHEN]:WHAT[:OPTION]…`, such as `upload:after-commit:reset:p=0.1`,
//! `list:late=30s` or `job:lost-rows=3:name=sales*`; [`FaultRule::HELP`] is the whole grammar.

mod access;
mod answers;
mod chance;
mod connection;
mod content;
mod faults;
mod kept_jobs;
mod ledger;
mod options;
mod query;
mod routes;
mod samples;
mod suites;
mod wire_body;
mod world;

#[cfg(test)]
mod tests;

pub use faults::{FaultRule, FaultRuleError, JobFate};
pub use kept_jobs::{AccountKey, Job, Upload};
pub use ledger::{LedgerEntry, RequestCounts};
pub use options::{Dialect, EmulatorOptions, Names, Rows, UnknownWord};
pub use samples::{Sample, write_samples};
pub use world::World;

use crate::job::RemoteJobId;
use routes::App;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A running emulator. Stops when it is dropped.
pub struct Emulator {
    app: Arc<App>,
    address: SocketAddr,
    stopped: CancellationToken,
    accepting: JoinHandle<()>,
    _stop_on_drop: DropGuard,
}

impl Emulator {
    /// Binds, and answers from then on.
    ///
    /// # Errors
    /// If `options.listen` is no loopback address (the emulator knows no access control) or cannot be bound.
    pub async fn start(options: EmulatorOptions) -> io::Result<Self> {
        if !options.listen.ip().is_loopback() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "the emulator listens on loopback only, and {} is not; use 127.0.0.1 or [::1]",
                    options.listen.ip()
                ),
            ));
        }
        let kept = options.state.as_deref().map(kept_jobs::Kept::open).transpose()?;
        let listener = TcpListener::bind(options.listen).await?;
        let address = listener.local_addr()?;
        let app = Arc::new(App::new(options, kept));
        let stopped = CancellationToken::new();
        let router = routes::router(app.clone());
        let accepting = tokio::spawn(connection::serve(listener, router, app.clock, stopped.clone()));
        Ok(Self { app, address, accepting, _stop_on_drop: stopped.clone().drop_guard(), stopped })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// For `api.base_url`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}/api", self.address)
    }

    /// For `api.token_url`.
    #[must_use]
    pub fn token_url(&self) -> String {
        format!("http://{}/ims/token/v3", self.address)
    }

    /// Every accepted upload, in the order of acceptance.
    #[must_use]
    pub fn ledger(&self) -> Vec<LedgerEntry> {
        let now = self.app.clock.now();
        self.with_world(|world| world.ledger(now))
    }

    /// What was asked so far.
    #[must_use]
    pub fn requests(&self) -> RequestCounts {
        self.app.model().request_counts()
    }

    /// Waits until at least so many uploads were accepted: lets a test wait for an event instead of sleeping.
    pub async fn accepted(&self, uploads: usize) {
        let mut count = self.app.accepted.subscribe();
        // The sender lives in `self.app`, so the channel cannot close while we wait.
        let _ = count.wait_for(|&count| count >= uploads).await;
    }

    /// Adds a fault; rules are looked at in the order in which they were added.
    pub fn add_fault(&self, rule: FaultRule) {
        self.app.model().faults.add(rule);
    }

    /// Forgets all faults. What befell earlier jobs stays.
    pub fn clear_faults(&self) {
        self.app.model().faults.clear();
    }

    /// Every token given since the last revocation: what a test must find nowhere.
    #[must_use]
    pub fn given_tokens(&self) -> Vec<String> {
        self.app.model().gate.given_tokens()
    }

    /// Makes every token given so far invalid, as a rotation of secrets does.
    pub fn revoke_tokens(&self) {
        self.app.model().gate.revoke_tokens();
    }

    /// Other credentials from now on; `None` takes any.
    pub fn set_credentials(&self, credentials: Option<(String, secrecy::SecretString)>) {
        self.app.model().gate.set_credentials(credentials);
    }

    /// A job that came by another way than the API (a colleague, the old script): listed, and in the ledger.
    #[allow(clippy::must_use_candidate, reason = "the job is the effect; few ask for its number")]
    pub fn insert(&self, upload: Upload) -> RemoteJobId {
        let (id, count) = {
            let mut model = self.app.model();
            let id = model.world.commit(upload, JobFate::default(), self.app.clock.now());
            (id, model.world.job_count())
        };
        self.app.announce(count);
        id
    }

    /// Lets a data source that halted after a failed job go on. Returns how many jobs waited for that.
    #[allow(clippy::must_use_candidate, reason = "the restart is the effect")]
    pub fn restart(&self, account: &AccountKey) -> usize {
        let now = self.app.clock.now();
        self.with_world(|world| world.restart(account, now))
    }

    /// Changes what is told of a report suite, as `POST /_emulator/suites/{rsid}` does: members that are null go, others
    /// replace those of the same name.
    ///
    /// # Panics
    /// If `change` is not an object with the members `suite`, `metrics` or `dimensions`.
    pub fn change_suite(&self, report_suite_id: &str, change: &serde_json::Value) {
        let changed = self.with_world(|world| world.suites.change(report_suite_id, change));
        assert!(changed.is_ok(), "{changed:?}");
    }

    /// Looks at the model, or changes it, between two requests.
    pub fn with_world<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        look(&mut self.app.model().world)
    }

    /// Closes the listener and cuts all connections; returns when the port is free.
    pub async fn stop(self) {
        self.stopped.cancel();
        // It ends by itself; only a panic in the accept loop could be reported, and that was printed already.
        let _ = self.accepting.await;
    }
}
