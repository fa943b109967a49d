//! One request without a body, whatever it is for.

use super::Client;
use super::budget::Permit;
use super::error::{ApiError, Unauthorised};
use super::http::{self, Fault, Reply};
use super::refusal::ErrorBody;
use reqwest::{Method, Url};
use std::time::Duration;

impl Client {
    /// Sends it and reads its answer; any answer but 2xx is an error. `asked` says in errors what was asked for.
    pub(super) async fn ask(
        &self,
        method: Method,
        asked: &str,
        company: &str,
        url: Result<Url, String>,
        mut permit: Permit,
    ) -> Result<Reply, ApiError> {
        let not_connected = |why: String| ApiError::NotConnected { asked: asked.to_owned(), why };
        let unclear = |why: String| ApiError::Unclear { asked: asked.to_owned(), why };
        let url = url.map_err(not_connected)?;
        #[cfg(test)]
        if let Some(stand_in) = self.stand_in.clone() {
            return stand_in.get(asked, url, self.timeout).await;
        }
        let client = self.doors.to(&url).map_err(not_connected)?;
        let bearer = self
            .tokens
            .bearer(&self.doors, Duration::from_secs(1))
            .await
            .map_err(|error| ApiError::Unauthorised { asked: asked.to_owned(), why: error.into() })?;
        let headers = http::headers(company, &self.api_key, bearer.header.clone()).map_err(not_connected)?;

        // The server counts it somewhere between here and the head of its answer.
        permit.under_way();
        let request = client.request(method, url).headers(headers).send();
        let response = match tokio::time::timeout(self.timeout, request).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                return Err(match error.into() {
                    Fault::NotConnected(why) => not_connected(why),
                    Fault::Broken(why) => unclear(why),
                    Fault::ProxyWantsCredentials => {
                        let (status, body) =
                            (http::PROXY_WANTS_CREDENTIALS, Box::new(http::proxy_refusal("no tunnel")));
                        let why = Unauthorised::Answer { status, body, request_id: None };
                        ApiError::Unauthorised { asked: asked.to_owned(), why }
                    }
                });
            }
            Err(_) => return Err(unclear(format!("no answer for {} s", self.timeout.as_secs_f32()))),
        };
        permit.sent();
        let reply = Reply::read(response, self.timeout, bearer.secret()).await;
        self.take_note(&reply, &bearer);
        if reply.is_success() { Ok(reply) } else { Err(refusal(asked.to_owned(), &reply)) }
    }
}

/// The error for an answer that is no 2xx.
pub(super) fn refusal(asked: String, reply: &Reply) -> ApiError {
    let body = Box::new(reply.refusal());
    let status = reply.status;
    let from_gateway = match &*body {
        ErrorBody::Gateway { .. } => true,
        ErrorBody::Service { .. } | ErrorBody::Ims { .. } | ErrorBody::Other(_) => false,
    };
    let request_id = reply.request_id.clone();
    let why = || {
        let id = reply.request_id.as_ref().map(|id| format!(", request ID {id}")).unwrap_or_default();
        format!("HTTP {status}: {body}{id}")
    };
    match status {
        401 | 403 | 407 => ApiError::Unauthorised { asked, why: Unauthorised::Answer { status, body, request_id } },
        404 | 410 => ApiError::NotFound { asked, body, request_id },
        429 => ApiError::Busy { asked, retry_after: reply.retry_after, why: why() },
        503 if from_gateway => ApiError::Busy { asked, retry_after: reply.retry_after, why: why() },
        408 | 425 | 500..=599 => ApiError::Unclear { asked, why: why() },
        _ => ApiError::Refused { asked, status, body, request_id },
    }
}
