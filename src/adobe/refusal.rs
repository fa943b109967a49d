//! The bodies of refusals: three dialects, and whatever stands in front of the API.

use serde_json::{Map, Value};
use std::fmt;

/// Characters of a foreign text that are kept.
const EXCERPT: usize = 300;

/// Who refused, and in what words. Every text is free of control characters and at most 300 characters long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ErrorBody {
    /// The gateway before the service: `{"error_code", "message"}`. The service never saw the request.
    Gateway {
        /// `429050`, say.
        code: String,
        /// Its words.
        message: String,
    },
    /// The Analytics service: `{"errorCode", "errorDescription", "errorId"}`, or `{"success": false, "message"}`.
    Service {
        /// `invalid_token`, say.
        code: Option<String>,
        /// Its words.
        message: String,
        /// By which Adobe's support finds the case.
        id: Option<String>,
    },
    /// The identity service: `{"error", "error_description"}`.
    Ims {
        /// `invalid_client`, say.
        error: String,
        /// Its words; empty if it gives none.
        description: String,
    },
    /// Anything else, HTML say: the beginning of its text.
    Other(String),
}

impl ErrorBody {
    /// Reads a body of whatever kind; there is none that it cannot take.
    #[must_use]
    pub(super) fn read(body: &[u8]) -> Self {
        let object = serde_json::from_slice::<Map<String, Value>>(body).ok();
        object.and_then(|object| Self::dialect(&object)).unwrap_or_else(|| Self::Other(excerpt(body)))
    }

    fn dialect(object: &Map<String, Value>) -> Option<Self> {
        let message = || text(object, "message").unwrap_or_default();
        if let Some(code) = text(object, "error_code") {
            return Some(Self::Gateway { code, message: message() });
        }
        let code = text(object, "errorCode");
        let description = text(object, "errorDescription");
        if code.is_some() || description.is_some() {
            return Some(Self::Service { code, message: description.unwrap_or_default(), id: text(object, "errorId") });
        }
        if object.get("success") == Some(&Value::Bool(false)) {
            return Some(Self::Service { code: None, message: message(), id: None });
        }
        // A web server's own error page has `error` too, beside `status` and `path`.
        if let Some(error) = text(object, "error")
            && !object.contains_key("status")
        {
            let description = text(object, "error_description").unwrap_or_default();
            return Some(Self::Ims { error, description });
        }
        None
    }

    /// The same without the number of this one case, which is another each time: what stays the same is told once.
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

/// The refuser's own words.
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

fn text(object: &Map<String, Value>, key: &str) -> Option<String> {
    match object.get(key)? {
        Value::String(text) => Some(clean(text)),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The beginning of a body, fit for a line of a log.
pub(super) fn excerpt(body: &[u8]) -> String {
    // More than enough for the characters that are kept, and no megabyte is converted for them.
    clean(&String::from_utf8_lossy(&body[..body.len().min(16 * EXCERPT)]))
}

/// Shorter ones occur by chance; real ones have hundreds of characters, secrets some dozens.
const SHORTEST_SECRET: usize = 8;

/// Takes a secret out of a body, as it is and as a form has it.
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

/// White space in one piece, no control characters, no more than [`EXCERPT`] characters.
pub(super) fn clean(text: &str) -> String {
    let words = text.split(|letter: char| letter.is_whitespace() || letter.is_control());
    let mut line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    if let Some((cut, _)) = line.char_indices().nth(EXCERPT) {
        line.truncate(cut);
    }
    line
}

/// 407: whatever asks, it was a proxy that answered.
pub(super) const PROXY_WANTS_CREDENTIALS: u16 = 407;

/// What a person can do about it.
pub(super) const PROXY_REMEDY: &str = "write them into api.proxy, like http://user:password@proxy.example.com:3128";

/// A proxy's refusal in words that help; its own are a page, or nothing.
pub(super) fn proxy_refusal(words: &str) -> ErrorBody {
    ErrorBody::Other(clean(&format!("the proxy wants other credentials; {PROXY_REMEDY}; it says: {words}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_dialect_is_known() {
        let read = |body: &str| ErrorBody::read(body.as_bytes());
        assert_eq!(
            read(r#"{"error_code":"429050","message":"Too many requests"}"#),
            ErrorBody::Gateway { code: "429050".into(), message: "Too many requests".into() }
        );
        assert_eq!(read(r#"{"error_code":403010,"message":null}"#).to_string(), "no explanation (403010)");
        let service = read(r#"{"errorCode":"invalid_token","errorDescription":"no","errorId":"auth-1"}"#);
        assert_eq!(service.to_string(), "no (invalid_token), error ID auth-1");
        assert_eq!(
            read(r#"{"success":false,"message":"no such account"}"#),
            ErrorBody::Service { code: None, message: "no such account".into(), id: None }
        );
        assert_eq!(
            read(r#"{"error":"invalid_client","error_description":"The client credentials are invalid"}"#).to_string(),
            "invalid_client: The client credentials are invalid"
        );
        assert!(matches!(read(r#"{"status":400,"error":"Bad Request","path":"/x"}"#), ErrorBody::Other(_)));
        assert!(matches!(read("[]"), ErrorBody::Other(_)));
    }

    #[test]
    fn a_secret_that_an_answer_repeats_is_taken_out_in_every_form() {
        let hidden = |body: &str, secret: &str| {
            let mut body = body.as_bytes().to_vec();
            hide(&mut body, secret.as_bytes());
            String::from_utf8(body).unwrap()
        };
        assert_eq!(hidden("a p8s&cr+et! b p8s&cr+et!", "p8s&cr+et!"), "a *** b ***");
        assert_eq!(hidden("client_secret=p8s%26cr%2Bet%21&x", "p8s&cr+et!"), "client_secret=***&x");
        assert_eq!(hidden("nothing of it", "p8s&cr+et!"), "nothing of it");
        assert_eq!(hidden("", "p8s&cr+et!"), "");
        assert_eq!(hidden("short words stay", "words"), "short words stay");
    }

    #[test]
    fn other_texts_are_cut_and_cleaned() {
        let html = format!("<html>\r\n\t<h1>Bad\u{1b}[31m Gateway</h1>{}", "x".repeat(1000));
        let text = ErrorBody::read(html.as_bytes()).to_string();
        assert!(text.starts_with("<html> <h1>Bad [31m Gateway</h1>xxx"), "{text}");
        assert_eq!(text.chars().count(), EXCERPT);
        assert_eq!(ErrorBody::read(b"").to_string(), "no explanation");
        assert_eq!(ErrorBody::read(&[0xff, 0xfe]).to_string(), "\u{fffd}\u{fffd}");
    }

    proptest! {
        #[test]
        fn no_body_panics_or_leaves_control_characters(body in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let text = ErrorBody::read(&body).to_string();
            prop_assert!(!text.chars().any(char::is_control));
        }
    }
}
