//! The client for the Data Sources API, as Adobe's guide describes it. This is the only place that speaks HTTP to
//! Adobe.
//!
//! [`Client`] sends requests and reports what it saw. It decides nothing: it does not retry, wait for better times or
//! judge what an answer means for a job. The caller brings a [`Permit`] for each request, taken from the one [`Budget`]
//! of the credential.
//!
//! | file | holds |
//! | --- | --- |
//! | `upload_request` | one upload: reader, body, commit, last bytes, answer |
//! | `file`, `body` | the file behind an upload; its bytes, as the transport pulls them, and the gate before the last |
//! | `answer`, `error` | what was seen of an upload; errors of lists and tokens |
//! | `requests`, `wire` | requests without a body; what the server writes: jobs, accounts, refusals |
//! | `suite_requests` | what datadrop asks about a report suite, and what Adobe answers |
//! | `http`, `connect`, `hook` | one request and its answer, with dates; proxies, certificates; other services |
//! | `token` | the `Authorization` header, renewed ahead |
//! | `budget` | permits, and their arithmetic |
//!
//! Invariants:
//! - Nothing in this module or below it sends a request twice.
//! - The last bytes of an upload go only through the gate.
//! - No secret has a `Debug`, `Display` or log line.
//! - Every text of the server is cut and cleaned.

mod answer;
mod body;
mod budget;
mod connect;
mod error;
mod file;
mod hook;
mod http;
mod requests;
mod suite_requests;
#[cfg(test)]
pub(crate) mod tests;
mod token;
mod upload_request;
mod wire;

pub use answer::{Answer, Seen, UploadEnd};
pub use body::Reading;
pub use budget::{Budget, Permit, Purpose};
pub use error::{ApiError, ClientError, TokenError, Unauthorised};
pub use hook::hook_host;
pub use http::guide_date;
pub use requests::{Answered, CutShort, Extent, JobQuery, Listing};
pub use suite_requests::{SuitePart, SuiteReading, Unread};
pub use upload_request::Upload;
pub use wire::{ErrorBody, Listed};

use crate::config::ApiConfig;
use connect::Doors;
use http::{Need, Reply};
use reqwest::header::HeaderValue;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use token::{Bearer, Tokens};

/// Speaks to the API with one credential.
pub struct Client {
    doors: Doors,
    tokens: Tokens,
    /// The client ID, as `x-api-key` carries it.
    api_key: HeaderValue,
    /// Timeout without a byte from the server.
    timeout: Duration,
    budget: Arc<Budget>,
    /// Receives the requests in a simulation, instead of the network.
    #[cfg(test)]
    stand_in: Option<tests::stand_in::StandIn>,
    /// Milliseconds by which the server's clock is ahead of this computer's, by the last answer that had a `Date`.
    clock_ahead: Mutex<Option<i64>>,
}

impl Client {
    /// A client for this configuration; connects to nothing yet.
    ///
    /// # Errors
    /// [`ClientError`] if proxy, certificates or client ID cannot be used.
    pub fn new(api: &ApiConfig, budget: Arc<Budget>) -> Result<Self, ClientError> {
        Ok(Self {
            doors: Doors::new(api)?,
            tokens: Tokens::new(api, Arc::clone(&budget)),
            api_key: HeaderValue::from_str(&api.client_id).map_err(|_| ClientError::ClientId)?,
            timeout: api.timeout,
            budget,
            #[cfg(test)]
            stand_in: None,
            clock_ahead: Mutex::new(None),
        })
    }

    /// Returns by how many milliseconds the server's clock is ahead of the clock of this computer. The value comes from
    /// the `Date` of the last answer that had one, so it is as coarse as a second, and may be old.
    #[must_use]
    pub fn server_clock_ahead(&self) -> Option<i64> {
        *self.clock_ahead.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gets a token now, so that a wrong secret is known before the first file. Costs no permit.
    ///
    /// # Errors
    /// [`TokenError`]: refused for good, or unavailable for the moment.
    pub async fn authorise(&self) -> Result<(), TokenError> {
        self.tokens.bearer(&self.doors, Duration::ZERO).await.map(|_| ())
    }

    /// Applies what an answer means for later requests: a refused token, the server's clock, a pause.
    fn take_note(&self, reply: &Reply, bearer: &Bearer, need: Need) {
        let is_necessary = need == Need::Necessary;
        if reply.status == 401 && is_necessary {
            self.tokens.invalidate(bearer);
        }
        if let Some(server_time) = reply.server_time {
            let ahead = server_time.0.saturating_sub(http::now().0);
            *self.clock_ahead.lock().unwrap_or_else(PoisonError::into_inner) = Some(ahead);
        }
        // A 429 concerns the whole credential, whichever request met it. A 503 to an optional request concerns only the
        // service that sent it.
        if (reply.status == 429 || reply.status == 503 && is_necessary)
            && let Some(wait) = reply.retry_after
        {
            self.budget.pause(wait);
        }
    }
}

/// Without the credential.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("timeout", &self.timeout).field("budget", &self.budget).finish_non_exhaustive()
    }
}
