//! Asking the API from the command line.
//!
//! Commands ask seldom and once: nothing is tried again but after a 401, which a new token may cure. Each request is
//! paid from the budget of the running daemon, or from one of its own where none runs.

use super::failure::{Exit, Failure};
use super::output::{Commands, Output};
use super::run::runtime;
use crate::adobe::{ApiError, Budget, Client, Permit, Purpose, TokenError, Unauthorised};
use crate::config::{Config, Credential};
use crate::daemon::control::Line;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::sync::Mutex;

/// A shorter wait needs no message.
const WAIT_WORTH_A_WORD: Duration = Duration::from_secs(2);

/// The API as commands see it.
pub(super) struct Remote {
    runtime: Runtime,
    client: Client,
    purse: Purse,
    /// A fixed token does not get better by asking again.
    token_renews: bool,
}

/// Where the right to send a request comes from.
pub(super) struct Purse {
    daemon: Mutex<Option<Line>>,
    own: Arc<Budget>,
    /// The daemon has granted the permit already.
    free: Arc<Budget>,
}

impl Remote {
    /// Connects to nothing but the daemon, if one runs.
    pub(super) fn open(config: &Config) -> Result<Self, Failure> {
        let runtime = runtime()?;
        // Another user's daemon: its budget cannot be shared, and what is asked here is little.
        let daemon = runtime.block_on(async { Line::open(&config.state_dir) }).unwrap_or(None);
        let own = Arc::new(Budget::new(config.api.rate_limit, false));
        let client =
            Client::new(&config.api, Arc::clone(&own)).map_err(|error| Failure::new(Exit::Usage, error.problem()))?;
        let purse = Purse { daemon: Mutex::new(daemon), own, free: Arc::new(Budget::new(None, false)) };
        let token_renews = match config.api.credential {
            Credential::Token(_) => false,
            Credential::TokenFile(_) | Credential::Secret(_) | Credential::SecretFile(_) => true,
        };
        Ok(Self { runtime, client, purse, token_renews })
    }

    /// Works with the API for as long as it takes. Nothing is asked again here.
    pub(super) fn converse<T>(&self, work: impl AsyncFnOnce(&Client, &Purse) -> T) -> T {
        self.runtime.block_on(work(&self.client, &self.purse))
    }

    /// Gets a token, which costs no permit.
    pub(super) fn authorise(&self) -> Result<(), TokenError> {
        self.runtime.block_on(self.client.authorise())
    }

    /// By how many milliseconds the server's clock is ahead of ours, once it has answered something.
    pub(super) fn server_clock_ahead(&self) -> Option<i64> {
        self.client.server_clock_ahead()
    }

    /// Asks, and once more where the token was refused: that proves that nothing was done.
    pub(super) fn ask<T>(&self, request: &impl AsyncFn(&Client, &Purse) -> Result<T, ApiError>) -> Result<T, ApiError> {
        self.runtime.block_on(async {
            match request(&self.client, &self.purse).await {
                Err(ApiError::Unauthorised { why: Unauthorised::Answer { status: 401, .. }, .. })
                    if self.token_renews =>
                {
                    request(&self.client, &self.purse).await
                }
                ended => ended,
            }
        })
    }
}

impl Purse {
    /// The right to send one request. The answer to the one before is there by now.
    pub(super) async fn permit(&self) -> Permit {
        let mut daemon = self.daemon.lock().await;
        if let Some(line) = &mut *daemon {
            match with_patience(line.permit()).await {
                Ok(()) => return self.free.acquire(Purpose::Sweep).await,
                // It ended just now.
                Err(_) => *daemon = None,
            }
        }
        drop(daemon);
        with_patience(self.own.acquire(Purpose::Sweep)).await
    }
}

/// Says what it waits for where that takes long.
async fn with_patience<T>(wait: impl Future<Output = T>) -> T {
    tokio::pin!(wait);
    if let Ok(done) = tokio::time::timeout(WAIT_WORTH_A_WORD, &mut wait).await {
        return done;
    }
    // If the message cannot be written, waiting is still right.
    let _ = Output::new(Commands::without_a_configuration())
        .message("waiting for a turn: Adobe allows so many requests a user, and they are in use");
    wait.await
}

/// What a request could not do. `NotFound` ends as [`Exit::NoSuch`]: for requests that name one thing.
impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let exit = match error {
            ApiError::NotFound { .. } => Exit::NoSuch,
            ApiError::NotConnected { .. }
            | ApiError::Unclear { .. }
            | ApiError::Busy { .. }
            | ApiError::Unauthorised { .. }
            | ApiError::Refused { .. } => Exit::Failed,
        };
        let remedy = match &error {
            ApiError::Unclear { .. } => "; try again later",
            ApiError::Busy { retry_after: Some(wait), .. } => {
                return Self::new(exit, format!("{error}; try again in {} s", wait.as_secs().max(1)));
            }
            ApiError::Busy { retry_after: None, .. } => "; try again in a minute",
            ApiError::NotFound { .. }
            | ApiError::NotConnected { .. }
            | ApiError::Unauthorised { .. }
            | ApiError::Refused { .. } => "",
        };
        let id = error.request_id().map(|id| format!(" (request ID {id})")).unwrap_or_default();
        Self::new(exit, format!("{error}{remedy}{id}"))
    }
}
