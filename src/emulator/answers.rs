//! Answers: jobs in the API's spellings, refusals in Adobe's three formats, and broken responses.

use super::connection::Ending;
use super::faults::Words;
use super::kept_jobs::Job;
use super::options::Dialect;
use super::world::Progress;
use crate::job::{Timestamp, UploadStyle};
use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::json;

/// A refusal of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    status: StatusCode,
    voice: Voice,
    text: String,
    retry_after: Option<u64>,
    allow: Option<&'static str>,
}

/// The service that refuses, with its own code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Voice {
    Gateway(&'static str),
    Service,
    Ims(&'static str),
    Page,
}

impl Refusal {
    fn new(status: StatusCode, voice: Voice, text: String) -> Self {
        Self { status, voice, text, retry_after: None, allow: None }
    }

    /// A refusal by the gateway, with its six-digit code.
    pub(super) fn gateway(status: StatusCode, code: &'static str, message: &str) -> Self {
        Self::new(status, Voice::Gateway(code), message.to_owned())
    }

    /// A refusal by the service.
    pub(super) fn service(status: StatusCode, description: impl Into<String>) -> Self {
        Self::new(status, Voice::Service, description.into())
    }

    /// A refusal by the service, because the documents do not allow the request.
    pub(super) fn bad(description: impl Into<String>) -> Self {
        Self::service(StatusCode::BAD_REQUEST, description)
    }

    /// A refusal by the token endpoint.
    pub(super) fn ims(error: &'static str, description: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Voice::Ims(error), description.into())
    }

    /// A refusal by the service, with the methods that it allows here.
    pub(super) fn method(allow: &'static str) -> Self {
        let mut refusal =
            Self::service(StatusCode::METHOD_NOT_ALLOWED, format!("this method is not supported here; use {allow}"));
        refusal.allow = Some(allow);
        refusal
    }

    /// A refusal by the gateway: it knows the path, but does not route this method.
    pub(super) fn not_routed(status: u16) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::NOT_FOUND);
        Self::gateway(status, "404000", "no service takes PUT on this path")
    }

    /// A refusal with the status of a fault.
    pub(super) fn by_fault(status: u16, retry_after: Option<u64>, words: Words) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let text = "a fault of the emulator says so";
        let mut refusal = match words {
            Words::Gateway => match status.as_u16() {
                401 => Self::gateway(status, "401013", "Oauth token is not valid"),
                403 => Self::gateway(status, "403025", "Profile is not valid"),
                429 => Self::gateway(status, "429050", "Too many requests"),
                503 => Self::gateway(status, "503000", "Could not validate the request"),
                _ => Self::gateway(status, "400003", text),
            },
            Words::Service => Self::service(status, text),
            Words::Page => Self { voice: Voice::Page, ..Self::service(status, text) },
        };
        refusal.retry_after = retry_after;
        refusal
    }

    /// `error_id` is the ID that a person would send to Adobe's support.
    pub(super) fn into_response(self, error_id: u64) -> Response {
        let reason = self.status.canonical_reason().unwrap_or("Error");
        let mut response = match self.voice {
            Voice::Gateway(code) => json_answer(&json!({ "error_code": code, "message": self.text })),
            Voice::Service => json_answer(&json!({
                "errorCode": reason.to_lowercase().replace([' ', '-'], "_"),
                "errorDescription": self.text,
                "errorId": format!("emulated-{error_id}"),
            })),
            Voice::Ims(error) => json_answer(&json!({ "error": error, "error_description": self.text })),
            Voice::Page => page(&format!("{} {reason}", self.status.as_u16())),
        };
        *response.status_mut() = self.status;
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if let Some(methods) = self.allow {
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(methods));
        }
        response
    }
}

/// 200 with JSON.
pub(super) fn json_answer(value: &impl Serialize) -> Response {
    match serde_json::to_vec(value) {
        Ok(bytes) => ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], bytes).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// 200 with an HTML page, as a proxy on the way answers.
pub(super) fn page(title: &str) -> Response {
    let text = format!("<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n");
    ([(header::CONTENT_TYPE, HeaderValue::from_static("text/html"))], text).into_response()
}

/// Ends the connection without an answer, in the given way.
pub(super) fn no_answer(ending: Ending) -> Response {
    let mut response = Response::new(Body::empty());
    response.extensions_mut().insert(ending);
    response
}

/// Bytes that an HTTP client cannot parse.
pub(super) fn garbage() -> Ending {
    Ending::Raw(Bytes::from_static(b"\x16\x03\x01\x02\x00 this is no HTTP \xff\xfe\r\n\r\n"))
}

/// A valid head, and half of the body that it announces.
pub(super) async fn truncated(whole: Response, date: &str) -> Ending {
    let status = whole.status();
    // The emulator's own answers are small and in memory, so reading them cannot fail.
    let body = axum::body::to_bytes(whole.into_body(), usize::MAX).await.unwrap_or_default();
    let mut bytes = format!(
        "HTTP/1.1 {} {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\ndate: {date}\r\n\r\n",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default(),
        body.len().max(2),
    )
    .into_bytes();
    bytes.extend_from_slice(&body[..body.len() / 2]);
    Ending::Raw(Bytes::from(bytes))
}

// Jobs in the API's spellings: sentences in the guide, short keys today.

/// The spelling of keys and dates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    Guide,
    Short,
}

impl Spelling {
    /// A job is spelled like its upload.
    pub(super) fn of_style(style: UploadStyle) -> Self {
        match style {
            UploadStyle::PutJson => Self::Guide,
            UploadStyle::PostMultipart | UploadStyle::PutMultipart => Self::Short,
        }
    }

    /// A list has only one spelling.
    pub(super) fn of_list(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Guide => Self::Guide,
            Dialect::Current | Dialect::Both => Self::Short,
        }
    }
}

/// A job in an answer.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum SpelledJob<'a> {
    Guide(GuideJob<'a>),
    Short(ShortJob<'a>),
}

#[derive(Debug, Serialize)]
pub(super) struct GuideJob<'a> {
    #[serde(rename = "Filename")]
    filename: &'a str,
    #[serde(rename = "The number of rows successfully processed")]
    rows: u64,
    #[serde(rename = "Job ID")]
    job_id: i64,
    #[serde(rename = "Status of the job")]
    status: &'a str,
    #[serde(rename = "Date the job was created")]
    created: String,
    #[serde(rename = "Date the job began processing")]
    started: Option<String>,
    #[serde(rename = "Date the job finished processing")]
    finished: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct ShortJob<'a> {
    job_id: i64,
    status: &'a str,
    rows: u64,
    filename: &'a str,
    uploaded_date: String,
    started_processing_date: Option<String>,
    finished_processing_date: Option<String>,
}

/// A page of the job list. Its own keys are the same in both spellings.
#[derive(Debug, Serialize)]
pub(super) struct SpelledPage<'a> {
    pub(super) page: usize,
    pub(super) jobs: Vec<SpelledJob<'a>>,
    pub(super) total_pages: usize,
}

impl<'a> SpelledJob<'a> {
    pub(super) fn new(spelling: Spelling, job: &'a Job, progress: Progress<'a>) -> Self {
        let Progress { status, rows, started, finished } = progress;
        let filename = job.shown.as_str();
        let job_id = job.id.0;
        let date = |time| date(spelling, time);
        match spelling {
            Spelling::Guide => Self::Guide(GuideJob {
                filename,
                rows,
                job_id,
                status,
                created: date(job.created),
                started: started.map(date),
                finished: finished.map(date),
            }),
            Spelling::Short => Self::Short(ShortJob {
                job_id,
                status,
                rows,
                filename,
                uploaded_date: date(job.created),
                started_processing_date: started.map(date),
                finished_processing_date: finished.map(date),
            }),
        }
    }
}

/// A date in UTC, because the documents name no zone.
fn date(spelling: Spelling, time: Timestamp) -> String {
    let time = jiff::Timestamp::from_millisecond(time.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    let time: DateTime = TimeZone::UTC.to_datetime(time);
    let (year, month, day) = (time.year(), time.month(), time.day());
    let clock = format!("{:02}:{:02}:{:02}", time.hour(), time.minute(), time.second());
    match spelling {
        Spelling::Guide => format!("{month}/{day}/{year} {clock}"),
        Spelling::Short => format!("{year}-{month:02}-{day:02} {clock}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_follow_the_spelling() {
        let time = Timestamp(1_767_236_707_999);
        assert_eq!(date(Spelling::Guide, time), "1/1/2026 03:05:07");
        assert_eq!(date(Spelling::Short, time), "2026-01-01 03:05:07");
    }
}
