//! What can go wrong, typed by what the caller must decide.

use super::answer::ErrorBody;
use std::path::PathBuf;
use std::time::Duration;

/// The client cannot be built: a fault of the configuration or of this computer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// `api.proxy` cannot be used. Its text is left out: it may hold a password.
    #[error("api.proxy is not a proxy address: {0}; write it like http://proxy.example.com:3128")]
    Proxy(String),
    /// `api.ca_file` cannot be used.
    #[error("api.ca_file {}: {why}; give a readable PEM file with at least one certificate", .path.display())]
    CaFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// `api.client_id` cannot be sent.
    #[error("api.client_id has characters that no HTTP header can carry; copy it from the Developer Console")]
    ClientId,
    /// No TLS: most often no certificate authorities are installed.
    #[error("cannot set up HTTPS: {0}; install the package ca-certificates, or set SSL_CERT_FILE")]
    Tls(String),
}

/// No access token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The token service or the credential itself says that asking again is of no use.
    #[error("no access token: {error}: {description}; {remedy}")]
    Refused {
        /// The code of the token service, `invalid_client` say.
        error: String,
        /// Its words.
        description: String,
        /// What a person can do.
        remedy: String,
    },
    /// The token service cannot be reached or is not well, or the file cannot be read: later it may work.
    #[error("no access token yet: {0}")]
    Unavailable(String),
}

/// Why requests are not let in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unauthorised {
    /// There is no token to send.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The API (401, 403) or a proxy (407) said no. After a 401 the token is forgotten: the next request renews it.
    #[error("HTTP {status}: {body}{}", profile_remedy(*.status))]
    Answer {
        /// The HTTP status.
        status: u16,
        /// Whose words they are, and the words.
        body: Box<ErrorBody>,
        /// By which Adobe's support finds the request (`x-request-id`). Another each time, so no message holds it.
        request_id: Option<String>,
    },
}

/// A proxy knows nothing of profiles.
fn profile_remedy(status: u16) -> &'static str {
    if status == super::http::PROXY_WANTS_CREDENTIALS {
        ""
    } else {
        "; check the credential, and that its product profile includes the report suite"
    }
}

/// Why an answer could not be had. What only asks may be asked again at any time; after the creation or deletion of an
/// account only the list tells what became of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// Nothing was sent: DNS, TCP, TLS, a proxy, or an address that is no URL.
    #[error("{asked}: not connected: {why}; check the network, api.base_url and api.proxy")]
    NotConnected {
        /// What was asked, and where.
        asked: String,
        /// What the transport says.
        why: String,
    },
    /// No clear answer: silence, reset, 5xx, or an answer that cannot be read. Ask again later.
    #[error("{asked}: no clear answer: {why}")]
    Unclear {
        /// What was asked, and where.
        asked: String,
        /// What was seen instead.
        why: String,
    },
    /// 429, or the gateway's own 503: the whole credential has to slow down.
    #[error("{asked}: the API is busy: {why}")]
    Busy {
        /// What was asked, and where.
        asked: String,
        /// The wait that the server wants, at most 1 h; the budget pauses so long by itself.
        retry_after: Option<Duration>,
        /// Adobe's words.
        why: String,
    },
    /// The credential or its rights are the matter, not this job.
    #[error("{asked}: not authorised: {why}")]
    Unauthorised {
        /// What was asked, and where.
        asked: String,
        /// Who said so.
        why: Unauthorised,
    },
    /// 404 or 410. Of a single job it concerns that job only.
    #[error(
        "{asked}: not found: {body}; check report_suite_id and data_source_id of the account, and api.global_company_id and api.path_segment"
    )]
    NotFound {
        /// What was asked, and where.
        asked: String,
        /// Adobe's words.
        body: Box<ErrorBody>,
        /// By which Adobe's support finds the request (`x-request-id`). Another each time, so no message holds it.
        request_id: Option<String>,
    },
    /// Any other answer that says no.
    #[error(
        "{asked}: refused with HTTP {status}: {body}; correct what these words name, else check the credential's rights and the keys of [api]"
    )]
    Refused {
        /// What was asked, and where.
        asked: String,
        /// The HTTP status.
        status: u16,
        /// Adobe's words.
        body: Box<ErrorBody>,
        /// By which Adobe's support finds the request (`x-request-id`). Another each time, so no message holds it.
        request_id: Option<String>,
    },
}

impl ApiError {
    /// The same without the number of this one case: an account that stays blocked for one reason is told of once.
    #[must_use]
    pub fn without_id(self) -> Self {
        match self {
            Self::NotFound { asked, body, request_id } => {
                Self::NotFound { asked, body: Box::new(body.without_id()), request_id }
            }
            Self::Refused { asked, status, body, request_id } => {
                Self::Refused { asked, status, body: Box::new(body.without_id()), request_id }
            }
            Self::Unauthorised { asked, why: Unauthorised::Answer { status, body, request_id } } => {
                let why = Unauthorised::Answer { status, body: Box::new(body.without_id()), request_id };
                Self::Unauthorised { asked, why }
            }
            Self::Unauthorised { why: Unauthorised::Token(_), .. }
            | Self::NotConnected { .. }
            | Self::Unclear { .. }
            | Self::Busy { .. } => self,
        }
    }

    /// By which Adobe's support finds the request, where the message itself does not tell it.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        match self {
            Self::NotFound { request_id, .. }
            | Self::Refused { request_id, .. }
            | Self::Unauthorised { why: Unauthorised::Answer { request_id, .. }, .. } => request_id.as_deref(),
            Self::Unauthorised { why: Unauthorised::Token(_), .. }
            | Self::NotConnected { .. }
            | Self::Unclear { .. }
            | Self::Busy { .. } => None,
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
