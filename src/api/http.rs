//! One request and one answer, without an opinion on either.

use super::date;
use super::refusal::ErrorBody;
use crate::job::{RemoteJobId, Target, Timestamp};
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Response, Url};
use serde_json::Value;
use std::error::Error;
use std::fmt::Write as _;
use std::time::Duration;

/// The most that is read of an answer (DESIGN §5). A page of 100 jobs takes 30 KB.
const LONGEST_ANSWER: usize = 1 << 20;

/// An answer as far as it came.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) server_time: Option<Timestamp>,
    pub(super) request_id: Option<String>,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Vec<u8>,
    /// Why the body is not complete, if it is not.
    pub(super) cut: Option<Cut>,
}

/// Why an answer ends before its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cut {
    Broken(String),
    Silence(Duration),
    TooLong,
}

impl Cut {
    pub(super) fn explain(&self) -> String {
        match self {
            Self::Broken(why) => format!("the answer broke off: {why}"),
            Self::Silence(timeout) => format!("the answer stopped for {} s", timeout.as_secs_f32()),
            Self::TooLong => "the answer is longer than 1 MiB".to_owned(),
        }
    }
}

impl Reply {
    /// Reads the answer to its end, to 1 MiB, or until no byte came for `silence`. Some answers repeat the request: the
    /// `secret` that it carried is taken out of them.
    pub(super) async fn read(mut response: Response, silence: Duration, secret: &[u8]) -> Self {
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let server_time = header("date").and_then(date::http_date);
        let retry_after =
            header("retry-after").and_then(|text| date::retry_after(text, server_time.unwrap_or_else(date::now)));
        let request_id = header("x-request-id").map(super::refusal::clean);
        let mut body = Vec::new();
        let cut = loop {
            match tokio::time::timeout(silence, response.chunk()).await {
                Ok(Ok(Some(chunk))) if body.len() + chunk.len() > LONGEST_ANSWER => break Some(Cut::TooLong),
                Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
                Ok(Ok(None)) => break None,
                Ok(Err(error)) => break Some(Cut::Broken(explain(error))),
                Err(_) => break Some(Cut::Silence(silence)),
            }
        };
        super::refusal::hide(&mut body, secret);
        Self { status: response.status().as_u16(), server_time, request_id, retry_after, body, cut }
    }

    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The JSON of a complete answer.
    pub(super) fn json(&self) -> Result<Value, String> {
        if let Some(cut) = &self.cut {
            return Err(cut.explain());
        }
        serde_json::from_slice(&self.body).map_err(|_| {
            format!("HTTP {} with something that is no JSON: {}", self.status, super::refusal::excerpt(&self.body))
        })
    }

    /// The words of a refusal, as far as they came.
    pub(super) fn refusal(&self) -> ErrorBody {
        let body = ErrorBody::read(&self.body);
        if self.status == PROXY_WANTS_CREDENTIALS { proxy_refusal(&body.to_string()) } else { body }
    }
}

/// 407: whatever asks, it was a proxy that answered.
pub(super) const PROXY_WANTS_CREDENTIALS: u16 = 407;

/// What a person can do about it.
pub(super) const PROXY_REMEDY: &str = "write them into api.proxy, like http://user:password@proxy.example.com:3128";

/// A proxy's refusal in words that help; its own are a page, or nothing.
pub(super) fn proxy_refusal(words: &str) -> ErrorBody {
    ErrorBody::Other(super::refusal::clean(&format!(
        "the proxy wants other credentials; {PROXY_REMEDY}; it says: {words}"
    )))
}

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The proxy refused the tunnel with 407.
    ProxyWantsCredentials,
    /// Nothing was sent.
    NotConnected(String),
    /// It may have been sent.
    Broken(String),
}

impl From<reqwest::Error> for Fault {
    fn from(error: reqwest::Error) -> Self {
        let unsent = error.is_connect() || error.is_builder();
        let why = explain(error);
        // The transport has a type for it that has no name outside of its crate.
        if unsent && why.contains("tunnel error: proxy authorization required") {
            return Self::ProxyWantsCredentials;
        }
        if unsent { Self::NotConnected(why) } else { Self::Broken(why) }
    }
}

/// `{base}/{company}/{segment}/job/{rsid}/{dsid}[/{job_id}]` (guide; the segment may be absent).
///
/// # Errors
/// One line, if the base address is no URL.
pub(super) fn job_url(target: &Target, job: Option<RemoteJobId>) -> Result<Url, String> {
    let mut url = Url::parse(&target.base_url).map_err(|error| format!("{}: {error}", target.base_url))?;
    {
        let mut path = url.path_segments_mut().map_err(|()| format!("{}: not an HTTP address", target.base_url))?;
        path.pop_if_empty().push(&target.company);
        if !target.path_segment.is_empty() {
            path.push(&target.path_segment);
        }
        path.push("job").push(&target.report_suite_id).push(&target.data_source_id.to_string());
        if let Some(job) = job {
            path.push(&job.to_string());
        }
    }
    Ok(url)
}

/// Sets the query. A space becomes `%20`, not `+`: the guide wants it so.
pub(super) fn set_query(url: &mut Url, parameters: &[(&str, &str)]) {
    let mut query = String::new();
    for (name, value) in parameters {
        if !query.is_empty() {
            query.push('&');
        }
        query.push_str(name);
        query.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                query.push(char::from(byte));
            } else {
                let _ = write!(query, "%{byte:02X}");
            }
        }
    }
    url.set_query((!query.is_empty()).then_some(&query));
}

/// The headers of every request to the API.
///
/// # Errors
/// One line, if the company ID cannot be sent.
pub(super) fn headers(target: &Target, api_key: &HeaderValue, bearer: HeaderValue) -> Result<HeaderMap, String> {
    let company = HeaderValue::from_str(&target.company)
        .map_err(|_| "api.global_company_id has characters that no HTTP header can carry".to_owned())?;
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert("authorization", bearer);
    headers.insert("x-api-key", api_key.clone());
    headers.insert("accept", HeaderValue::from_static("application/json"));
    headers.insert("x-proxy-global-company-id", company);
    Ok(headers)
}

/// The whole chain of causes in one line. Without the URL: the line says elsewhere what was asked.
pub(super) fn explain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = inner.source();
    }
    if line.contains("UnknownIssuer") {
        line.push_str("; if an authority of your own signed the certificate, name its PEM file in api.ca_file");
    }
    super::refusal::clean(&line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(segment: &str) -> Target {
        Target {
            base_url: "https://analytics.adobe.io/api".into(),
            path_segment: segment.into(),
            company: "example company".into(),
            report_suite_id: "a/b?c%2F".into(),
            data_source_id: 621,
        }
    }

    #[test]
    fn path_parts_are_encoded_and_the_segment_may_be_absent() {
        assert_eq!(
            job_url(&target("datasources"), Some(RemoteJobId(7))).unwrap().as_str(),
            "https://analytics.adobe.io/api/example%20company/datasources/job/a%2Fb%3Fc%252F/621/7"
        );
        assert_eq!(
            job_url(&target(""), None).unwrap().as_str(),
            "https://analytics.adobe.io/api/example%20company/job/a%2Fb%3Fc%252F/621"
        );
    }

    #[test]
    fn spaces_in_queries_are_percent_signs() {
        let mut url = Url::parse("http://h/p").unwrap();
        set_query(&mut url, &[("start_date", "2026-11-23 10:30:38"), ("page", "2")]);
        assert_eq!(url.as_str(), "http://h/p?start_date=2026-11-23%2010%3A30%3A38&page=2");
        set_query(&mut url, &[]);
        assert_eq!(url.as_str(), "http://h/p");
    }
}
