//! The errors of the client, typed by what the caller must decide.

use super::wire::{ErrorBody, PROXY_WANTS_CREDENTIALS};
use crate::job::Problem;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The client cannot be built, because of the configuration or of this computer.
#[derive(Debug)]
pub enum ClientError {
    /// `api.proxy` cannot be used. Its text is left out: it may hold a password.
    Proxy(String),
    /// `api.ca_file` cannot be used.
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// `api.client_id` cannot be sent.
    ClientId,
    /// No TLS: most often no certificate authorities are installed.
    Tls(String),
}

/// No access token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenError {
    /// The token service or the credential says that another request cannot help.
    Refused {
        /// The code of the token service, for example `invalid_client`.
        error: String,
        /// The message of the token service.
        description: String,
        /// What a person can do.
        remedy: String,
    },
    /// The token service is unreachable or unavailable, or the file cannot be read. A later try may work.
    Unavailable(String),
}

/// Why the API lets no request in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unauthorised {
    /// There is no token to send.
    Token(TokenError),
    /// The API (401, 403) or a proxy (407) refused the request. After a 401 the client discards the token, and the next
    /// request fetches another.
    Answer {
        /// The HTTP status.
        status: u16,
        /// The refusal, and which service wrote it.
        body: Box<ErrorBody>,
        /// Adobe's support finds the request by it (`x-request-id`). It differs for each request, so no message holds
        /// it.
        request_id: Option<String>,
    },
}

/// Why the client got no answer. A request that only reads may be repeated at any time. After a request that creates or
/// deletes an account, only the list shows the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiError {
    /// Nothing was sent: DNS, TCP, TLS, a proxy, or an address that is no URL.
    NotConnected {
        /// What was asked, and where.
        asked: String,
        /// What the transport says.
        why: String,
    },
    /// No clear answer: silence, reset, 5xx, or an answer that cannot be read. The caller can ask again later.
    Unclear {
        /// What was asked, and where.
        asked: String,
        /// What was seen instead.
        why: String,
    },
    /// 429, or the gateway's own 503. The whole credential must slow down.
    Busy {
        /// What was asked, and where.
        asked: String,
        /// The wait that the server asks for, at most 1 h. The budget pauses automatically for this time.
        retry_after: Option<Duration>,
        /// Adobe's message.
        why: String,
    },
    /// The credential or its permissions are refused, not this job.
    Unauthorised {
        /// What was asked, and where.
        asked: String,
        /// Which service refused it, and why.
        why: Unauthorised,
    },
    /// 404 or 410. In the answer about a single job it concerns that job only.
    NotFound {
        /// What was asked, and where.
        asked: String,
        /// Adobe's message.
        body: Box<ErrorBody>,
        /// Adobe's support finds the request by it (`x-request-id`). It differs for each request, so no message holds
        /// it.
        request_id: Option<String>,
    },
    /// Any other refusal.
    Refused {
        /// What was asked, and where.
        asked: String,
        /// The HTTP status.
        status: u16,
        /// Adobe's message.
        body: Box<ErrorBody>,
        /// Adobe's support finds the request by it (`x-request-id`). It differs for each request, so no message holds
        /// it.
        request_id: Option<String>,
    },
}

impl ClientError {
    /// Returns what failed, and the remedy.
    #[must_use]
    pub fn problem(&self) -> Problem {
        match self {
            Self::Proxy(why) => Problem::new(
                format!("api.proxy is not a proxy address: {why}"),
                "write it like http://proxy.example.com:3128",
            ),
            Self::CaFile { path, why } => Problem::new(
                format!("api.ca_file {}: {why}", path.display()),
                "give a readable PEM file with at least one certificate",
            ),
            Self::ClientId => Problem::new(
                "api.client_id has characters that no HTTP header can carry",
                "copy it from the Developer Console",
            ),
            Self::Tls(why) => Problem::new(
                format!("cannot set up HTTPS: {why}"),
                "install the package ca-certificates, or set SSL_CERT_FILE",
            ),
        }
    }
}

impl TokenError {
    /// Returns what failed, and the remedy.
    #[must_use]
    pub fn problem(&self) -> Problem {
        match self {
            Self::Refused { error, description, remedy } => {
                Problem::new(format!("no access token: {error}: {description}"), remedy)
            }
            Self::Unavailable(why) => format!("no access token yet: {why}").into(),
        }
    }
}

impl Unauthorised {
    /// Returns what failed, and the remedy.
    #[must_use]
    pub fn problem(&self) -> Problem {
        match self {
            Self::Token(error) => error.problem(),
            // A product profile is not the cause, because a proxy does not know profiles.
            Self::Answer { status: PROXY_WANTS_CREDENTIALS, body, .. } => {
                format!("HTTP {PROXY_WANTS_CREDENTIALS}: {body}").into()
            }
            Self::Answer { status, body, .. } => Problem::new(
                format!("HTTP {status}: {body}"),
                "check the credential, and that its product profile includes the report suite",
            ),
        }
    }
}

impl ApiError {
    /// Returns what failed, and the remedy.
    #[must_use]
    pub fn problem(&self) -> Problem {
        match self {
            Self::NotConnected { asked, why } => {
                Problem::new(format!("{asked}: not connected: {why}"), "check the network, api.base_url and api.proxy")
            }
            Self::Unclear { asked, why } => format!("{asked}: no clear answer: {why}").into(),
            Self::Busy { asked, why, .. } => format!("{asked}: the API is busy: {why}").into(),
            Self::Unauthorised { asked, why } => {
                let Problem { what, remedy } = why.problem();
                Problem { what: format!("{asked}: not authorised: {what}"), remedy }
            }
            Self::NotFound { asked, body, .. } => Problem::new(
                format!("{asked}: not found: {body}"),
                "check report_suite_id and data_source_id of the account, and api.global_company_id and api.path_segment",
            ),
            Self::Refused { asked, status, body, .. } => Problem::new(
                format!("{asked}: refused with HTTP {status}: {body}"),
                "correct what these words name, else check the credential's rights and the keys of [api]",
            ),
        }
    }
}

impl From<TokenError> for Unauthorised {
    fn from(error: TokenError) -> Self {
        Self::Token(error)
    }
}

/// Displays each error as its problem.
macro_rules! shown {
    ($($error:ident),*) => {
        $(
            impl fmt::Display for $error {
                fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                    self.problem().fmt(f)
                }
            }

            impl std::error::Error for $error {}
        )*
    };
}

shown!(ClientError, TokenError, Unauthorised, ApiError);

impl ApiError {
    /// Returns the error without the ID of this request, so that a block that lasts is reported once.
    #[must_use]
    pub fn without_id(mut self) -> Self {
        if let Self::NotFound { body, .. }
        | Self::Refused { body, .. }
        | Self::Unauthorised { why: Unauthorised::Answer { body, .. }, .. } = &mut self
        {
            body.remove_id();
        }
        self
    }

    /// Returns the ID by which Adobe's support finds the request, if the message does not hold it.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        if let Self::NotFound { request_id, .. }
        | Self::Refused { request_id, .. }
        | Self::Unauthorised { why: Unauthorised::Answer { request_id, .. }, .. } = self
        {
            request_id.as_deref()
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_where_why_and_what_to_do() {
        let error = ApiError::NotFound {
            asked: "job 7 of examplersid/621 at http://127.0.0.1:1/api".into(),
            body: Box::new(ErrorBody::Other("Not Found".into())),
            request_id: Some("r1".into()),
        };
        assert_eq!(error.request_id(), Some("r1"));
        assert_eq!(
            error.to_string(),
            "job 7 of examplersid/621 at http://127.0.0.1:1/api: not found: Not Found; check report_suite_id and \
             data_source_id of the account, and api.global_company_id and api.path_segment"
        );
    }
}
