//! What the API writes: jobs and accounts in both spellings, and refusals in three formats.
//!
//! The code reads key by key instead of by derived types, for two reasons. One odd member must not make a whole page
//! unreadable: "Adobe may add optional members at any time", its guide says. Both spellings may also meet in one
//! object.

use crate::job::{Company, RemoteAccount, RemoteJob, RemoteJobId, Timestamp};
use secrecy::SecretString;
use serde_json::{Map, Value};
use std::fmt;

const FILE_NAME: [&str; 2] = ["Filename", "filename"];
const ROWS: [&str; 2] = ["The number of rows successfully processed", "rows"];
const JOB_ID: [&str; 2] = ["Job ID", "job_id"];
const STATUS: [&str; 2] = ["Status of the job", "status"];
const CREATED: [&str; 2] = ["Date the job was created", "uploaded_date"];
const STARTED: [&str; 2] = ["Date the job began processing", "started_processing_date"];
const FINISHED: [&str; 2] = ["Date the job finished processing", "finished_processing_date"];

/// A job, if the value is an object with a usable job ID.
pub(super) fn job(value: &Value) -> Option<RemoteJob> {
    let object = value.as_object()?;
    Some(RemoteJob {
        remote_job_id: RemoteJobId(number(first(object, JOB_ID)?).filter(|&id| id > 0)?),
        file_name: text(object, FILE_NAME),
        rows_processed: first(object, ROWS).and_then(number).filter(|&rows| rows >= 0),
        remote_status: text(object, STATUS),
        remote_created: text(object, CREATED),
        remote_started: text(object, STARTED),
        remote_finished: text(object, FINISHED),
    })
}

/// One page of jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// In the order of the answer.
    pub jobs: Vec<RemoteJob>,
    /// The number of this page, by the API.
    pub page: Option<u32>,
    /// The number of pages, by the API.
    pub total_pages: Option<u32>,
    /// The server's clock (`Date`).
    pub server_time: Option<Timestamp>,
    /// Number of entries without a usable job ID. If there are any, the list is not complete.
    pub unreadable: usize,
}

/// Reads a page of the list (DESIGN §5, "GET retrieve all jobs"). `None` if the answer does not hold a list, because an
/// unknown list is not an empty one.
pub(super) fn page(value: &Value) -> Option<Listed> {
    let object = value.as_object()?;
    let page = object.get("page").and_then(small);
    let total_pages = object.get("total_pages").and_then(small);
    let entries: &[Value] = match object.get("jobs")? {
        Value::Array(entries) => entries,
        // A page beyond the last is empty (DESIGN §5, "Endpoints").
        Value::Null if page.zip(total_pages).is_some_and(|(page, pages)| page > pages) => &[],
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => return None,
    };
    let jobs: Vec<RemoteJob> = entries.iter().filter_map(job).collect();
    Some(Listed { unreadable: entries.len() - jobs.len(), jobs, page, total_pages, server_time: None })
}

/// An account, if the value is an object with a usable number.
pub(super) fn account(value: &Value) -> Option<RemoteAccount> {
    let object = value.as_object()?;
    let text = |key| text(object, [key]);
    Some(RemoteAccount {
        data_source_id: number(first(object, ["data_source_id"])?).filter(|&id| id > 0)?,
        name: text("name"),
        email: text("email"),
        account_type: text("type"),
        ftp_hostname: text("ftp_hostname"),
        ftp_username: text("ftp_username"),
        ftp_password: text("ftp_password").map(SecretString::from),
    })
}

/// The message that an operation returns.
pub(super) fn message(value: &Value) -> Option<String> {
    text(value.as_object()?, ["message"]).map(|text| clean(&text))
}

/// The companies of `discovery/me`, each once. `None` if the answer does not hold a list of them.
pub(super) fn companies(value: &Value) -> Option<Vec<Company>> {
    let mut companies: Vec<Company> = Vec::new();
    for org in value.get("imsOrgs")?.as_array()? {
        for company in org.get("companies").and_then(Value::as_array).into_iter().flatten() {
            let Some(object) = company.as_object() else { continue };
            let Some(global_company_id) = text(object, ["globalCompanyId"]) else { continue };
            if companies.iter().all(|known| known.global_company_id != global_company_id) {
                companies.push(Company { global_company_id, name: text(object, ["companyName"]) });
            }
        }
    }
    Some(companies)
}

/// Returns the member under the first spelling that exists and is not null.
fn first<'a, const N: usize>(object: &'a Map<String, Value>, keys: [&str; N]) -> Option<&'a Value> {
    keys.iter().filter_map(|key| object.get(*key)).find(|value| !value.is_null())
}

/// Returns an integer. It may be written as `100.0`, or in quotes.
fn number(value: &Value) -> Option<i64> {
    // The text is parsed, because a float cannot hold all integers.
    let whole = |text: &str| {
        let text = text.trim();
        let digits = text.split_once('.').filter(|(_, rest)| rest.bytes().all(|byte| byte == b'0'));
        digits.map_or(text, |(digits, _)| digits).parse().ok()
    };
    match value {
        Value::Number(number) => number.as_i64().or_else(|| whole(&number.to_string())),
        Value::String(text) => whole(text),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn small(value: &Value) -> Option<u32> {
    number(value).and_then(|number| u32::try_from(number).ok())
}

fn text<const N: usize>(object: &Map<String, Value>, keys: [&str; N]) -> Option<String> {
    match first(object, keys)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

// The bodies of refusals: three formats, and those of proxies and gateways in front of the API.

/// Maximum number of characters kept of a foreign text.
const EXCERPT: usize = 300;

/// Which service refused, and its text. Every text is free of control characters and at most 300 characters long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorBody {
    /// The gateway before the service: `{"error_code", "message"}`. The service never saw the request.
    Gateway {
        /// For example `429050`.
        code: String,
        /// Its message.
        message: String,
    },
    /// The Analytics service: `{"errorCode", "errorDescription", "errorId"}`, `{"success": false, "message"}`, or
    /// `{"error"}` with a sentence.
    Service {
        /// For example `invalid_token`.
        code: Option<String>,
        /// Its message.
        message: String,
        /// Adobe's support finds the case by it.
        id: Option<String>,
    },
    /// The identity service: `{"error", "error_description"}`.
    Ims {
        /// For example `invalid_client`.
        error: String,
        /// Its message. Empty if there is none.
        description: String,
    },
    /// Anything else, for example HTML: the beginning of its text.
    Other(String),
}

impl ErrorBody {
    /// Reads a body of any kind.
    #[must_use]
    pub(super) fn read(body: &[u8]) -> Self {
        let object = serde_json::from_slice::<Map<String, Value>>(body).ok();
        let other = || Self::Other(words_of_a_page(body).unwrap_or_else(|| excerpt(body)));
        object.and_then(|object| Self::dialect(&object)).unwrap_or_else(other)
    }

    fn dialect(object: &Map<String, Value>) -> Option<Self> {
        let message = || told(object, "message").unwrap_or_default();
        if let Some(code) = told(object, "error_code") {
            return Some(Self::Gateway { code, message: message() });
        }
        let code = told(object, "errorCode");
        let description = told(object, "errorDescription");
        if code.is_some() || description.is_some() {
            return Some(Self::Service { code, message: description.unwrap_or_default(), id: told(object, "errorId") });
        }
        if object.get("success") == Some(&Value::Bool(false)) {
            return Some(Self::Service { code: None, message: message(), id: None });
        }
        // A web server's own error page has `error` too, next to `status` and `path`.
        let error = told(object, "error").filter(|_| !object.contains_key("status"))?;
        // In `error`, the identity service has a code, and the Analytics service a sentence.
        if error.contains(' ') {
            return Some(Self::Service { code: None, message: error, id: None });
        }
        let description = told(object, "error_description").unwrap_or_default();
        Some(Self::Ims { error, description })
    }

    /// Returns the refusal without the ID of this case. The ID differs each time, so a problem that lasts would be
    /// reported more than once.
    #[must_use]
    pub fn without_id(mut self) -> Self {
        self.remove_id();
        self
    }

    pub(super) fn remove_id(&mut self) {
        if let Self::Service { id, .. } = self {
            *id = None;
        }
    }
}

/// Displays the text of the service that refused.
impl fmt::Display for ErrorBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gateway { code, message } => write!(f, "{} ({code})", or_none(message)),
            Self::Service { code, message, id } => {
                f.write_str(or_none(message))?;
                if let Some(code) = code {
                    write!(f, " ({code})")?;
                }
                id.as_ref().map_or(Ok(()), |id| write!(f, ", error ID {id}"))
            }
            Self::Ims { error, description } if description.is_empty() => f.write_str(error),
            Self::Ims { error, description } => write!(f, "{error}: {description}"),
            Self::Other(text) => f.write_str(or_none(text)),
        }
    }
}

fn or_none(words: &str) -> &str {
    if words.is_empty() { "no explanation" } else { words }
}

fn told(object: &Map<String, Value>, key: &str) -> Option<String> {
    match object.get(key)? {
        Value::String(text) => Some(clean(text)),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Returns the title or the text of an HTML page, which Adobe did not send. `None` if the body is not a page.
fn words_of_a_page(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(&body[..body.len().min(64 * EXCERPT)]);
    let lower = text.to_ascii_lowercase();
    if !(lower.contains("<html") || lower.contains("<!doctype html")) {
        return None;
    }
    let title = lower.find("<title>").map(|at| at + "<title>".len());
    let title = title.and_then(|from| text.get(from..from + lower.get(from..)?.find("</title>")?));
    let mut is_text = true;
    let plain = text.chars().map(|letter| match letter {
        '<' | '>' => {
            is_text = letter == '>';
            ' '
        }
        letter if is_text => letter,
        _ => ' ',
    });
    let words = title.map(clean).filter(|title| !title.is_empty()).unwrap_or_else(|| {
        let plain: String = plain.collect();
        clean(&plain.split_whitespace().collect::<Vec<_>>().join(" "))
    });
    Some(format!("a page of a proxy or gateway on the way, and no answer of Adobe's: {}", or_none(&words)))
}

/// The beginning of a body, on one line of a log.
pub(super) fn excerpt(body: &[u8]) -> String {
    // This is more than the kept characters need, and avoids converting a megabyte.
    clean(&String::from_utf8_lossy(&body[..body.len().min(16 * EXCERPT)]))
}

/// Minimum length of a secret that is removed. Shorter texts occur by chance. Tokens have hundreds of characters,
/// secrets some dozens.
const SHORTEST_SECRET: usize = 8;

/// Removes a secret from a body, both as it is and in form encoding.
pub(super) fn hide(body: &mut Vec<u8>, secret: &[u8]) {
    if secret.len() < SHORTEST_SECRET {
        return;
    }
    let encoded: String = url::form_urlencoded::byte_serialize(secret).collect();
    for secret in [secret, encoded.as_bytes()] {
        while let Some(at) = body.windows(secret.len()).position(|window| window == secret) {
            body.splice(at..at + secret.len(), *b"***");
        }
    }
}

/// Joins all white space, and removes control characters and all beyond [`EXCERPT`] characters.
pub(super) fn clean(text: &str) -> String {
    let words = text.split(|letter: char| letter.is_whitespace() || letter.is_control());
    let mut line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    if let Some((cut, _)) = line.char_indices().nth(EXCERPT) {
        line.truncate(cut);
    }
    line
}

/// The status 407. Only a proxy answers with it, whatever the request.
pub(super) const PROXY_WANTS_CREDENTIALS: u16 = 407;

/// The remedy for a refusal by a proxy.
pub(super) const PROXY_REMEDY: &str = "write them into api.proxy, like http://user:password@proxy.example.com:3128";

/// The refusal of a proxy in words of datadrop, because a proxy sends a page, or nothing.
pub(super) fn proxy_refusal(words: &str) -> ErrorBody {
    ErrorBody::Other(clean(&format!("the proxy wants other credentials; {PROXY_REMEDY}; it says: {words}")))
}

#[cfg(test)]
mod tests;
