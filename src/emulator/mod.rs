//! A local model of the Data Sources API, for the demo, the tests and rehearsals (DESIGN §9).
//!
//! It answers two questions that a list of canned answers cannot. *How often did the server take this file?* Every
//! accepted upload is in the ledger, which is written in the same step as its job. *What does the client do when the
//! answer is lost?* Faults cut, delay or garble an exchange before or after that step.
//!
//! ```text
//! connection ──► routes ──► access     tokens and the rate limit
//! (accepts,      (HTTP in,  query      query strings and forms
//!  cuts)          HTTP out) wire_body  bodies of uploads
//!                           world      jobs and accounts; no HTTP, no clock
//!                           content    processing of a file's rows
//!                           suites     report suites
//!                           kept_jobs  jobs in memory, and over restarts
//!                           ledger     counters of uploads and requests
//!                           faults     rules of what fails, when and how often; pure
//!                           answers    responses
//! ```
//!
//! Invariants:
//! - The model never waits, and one lock guards all of it: a job, its ledger entry and its number are made together.
//! - A job's status follows from `now` alone. Nothing runs in the background.
//! - The emulator takes an upload only after the whole body has arrived and is valid. It never takes a body that was
//!   cut short.
//! - It is strict: a request that the documents do not allow gets a 4xx that names the error.
//!
//! Faults are rules of the form `WHERE[:WHEN]:WHAT[:OPTION]…`, such as `upload:after-commit:reset:p=0.1`,
//! `list:late=30s` or `job:lost-rows=3:name=sales*`. [`FaultRule::HELP`] is the whole grammar.

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
    /// Binds the address and starts to answer requests.
    ///
    /// # Errors
    /// If `options.listen` is not a loopback address (the emulator has no access control), or cannot be bound.
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

    /// The address on which it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The value for `api.base_url`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}/api", self.address)
    }

    /// The value for `api.token_url`.
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

    /// The requests so far.
    #[must_use]
    pub fn requests(&self) -> RequestCounts {
        self.app.model().request_counts()
    }

    /// Waits until at least `uploads` uploads were accepted, so that a test need not sleep.
    pub async fn accepted(&self, uploads: usize) {
        let mut count = self.app.accepted.subscribe();
        // The sender is in `self.app`, so the channel cannot close while this waits.
        let _ = count.wait_for(|&count| count >= uploads).await;
    }

    /// Adds a fault. Rules are tried in the order in which they were added.
    pub fn add_fault(&self, rule: FaultRule) {
        self.app.model().faults.add(rule);
    }

    /// Removes all faults. Their effects on earlier jobs stay.
    pub fn clear_faults(&self) {
        self.app.model().faults.clear();
    }

    /// Every token given since the last revocation. A test must not find any of them in the client's output.
    #[must_use]
    pub fn given_tokens(&self) -> Vec<String> {
        self.app.model().gate.given_tokens()
    }

    /// Makes every token given so far invalid, as a rotation of secrets does.
    pub fn revoke_tokens(&self) {
        self.app.model().gate.revoke_tokens();
    }

    /// Changes the accepted credentials. `None` accepts any.
    pub fn set_credentials(&self, credentials: Option<(String, secrecy::SecretString)>) {
        self.app.model().gate.set_credentials(credentials);
    }

    /// Adds a job that came by another way than the API, for example from a colleague or a script. It is in lists and
    /// in the ledger.
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

    /// Restarts a data source that halted after a failed job. Returns how many jobs waited for that.
    #[allow(clippy::must_use_candidate, reason = "the restart is the effect")]
    pub fn restart(&self, account: &AccountKey) -> usize {
        let now = self.app.clock.now();
        self.with_world(|world| world.restart(account, now))
    }

    /// Changes the description of a report suite, as `POST /_emulator/suites/{rsid}` does: removes members that are
    /// null, and replaces others.
    ///
    /// # Panics
    /// If `change` is not an object with the members `suite`, `metrics` or `dimensions`.
    pub fn change_suite(&self, report_suite_id: &str, change: &serde_json::Value) {
        let changed = self.with_world(|world| world.suites.change(report_suite_id, change));
        assert!(changed.is_ok(), "{changed:?}");
    }

    /// Reads or changes the model between two requests.
    pub fn with_world<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        look(&mut self.app.model().world)
    }

    /// Closes the listener and cuts all connections. Returns when the port is free.
    pub async fn stop(self) {
        self.stopped.cancel();
        // The task ends after the cancellation. An error here is a panic in the accept loop, which was already printed.
        let _ = self.accepting.await;
    }
}
