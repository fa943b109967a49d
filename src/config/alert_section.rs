//! Reads each `[[alert]]`, and the words for what can be alerted.

use super::problem::{Wrong, wrong};
use super::section::Section;
use super::urls::{check_url, is_loopback};
use secrecy::SecretString;
use strum::{EnumString, IntoStaticStr, VariantArray};

/// What an alert can be about. The words of `on`, and of the key `event` of what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum AlertEvent {
    /// Adobe failed a file.
    Failure,
    /// Adobe processed fewer rows than a file has.
    Partial,
    /// A file can never be accepted.
    Rejected,
    /// A file waits for a person.
    Held,
    /// Nothing is sent for an account.
    Blocked,
    /// It works again.
    Unblocked,
    /// A file is on its way for longer than `retry.alert_after`, or at Adobe for longer than `poll.give_up_after`.
    Delayed,
    /// An account's `expect` is not met.
    Missing,
    /// A file was possibly ingested twice (DESIGN S5).
    Doubled,
    /// The service started.
    Started,
}

impl AlertEvent {
    /// Every event.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Reads the word back.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        word.parse().ok()
    }
}

/// One `[[alert]]`.
#[derive(Debug, Clone)]
pub struct AlertConfig {
    /// What it is about; never empty.
    pub on: Vec<AlertEvent>,
    /// Program and arguments; gets JSON on standard input.
    pub command: Option<Vec<String>>,
    /// URL; gets the same as a POST body. It often holds a key.
    pub webhook: Option<SecretString>,
}

pub(super) fn read_alert(mut section: Section<'_>, allow_http: bool) -> AlertConfig {
    section.require("on", "write the events, such as on = [\"failure\", \"partial\", \"held\", \"blocked\"]");
    let on = section.take("on", |given| {
        let words = if given.is_text() { vec![given.text()?.to_owned()] } else { given.texts()? };
        let all = || AlertEvent::ALL.iter().map(|event| event.as_str()).collect::<Vec<_>>().join(", ");
        if words.is_empty() {
            return Err(wrong("an alert on nothing is never sent", format!("name some of {}", all())));
        }
        let read = |word: &String| {
            AlertEvent::from_word(word)
                .ok_or_else(|| wrong(format!("there is no event {word:?}"), format!("use some of {}", all())))
        };
        words.iter().map(read).collect()
    });
    let command = section.take("command", |given| {
        let command = if given.is_text() {
            vec!["/bin/sh".to_owned(), "-c".to_owned(), given.filled()?.to_owned()]
        } else {
            given.texts()?
        };
        if command.first().is_none_or(|program| program.trim().is_empty()) {
            return Err(wrong("this names no program", "write the program and its arguments, [\"/path/to/program\"]"));
        }
        Ok(command)
    });
    let webhook = section.take_hidden("webhook", |given| check_hook(given.filled()?, allow_http));
    if !section.has("command") && !section.has("webhook") {
        let remedy = "write command = [\"/path/to/program\"] or webhook = \"https://…\"";
        section.blame("command", wrong("the alert has neither command nor webhook", remedy));
    }
    section.finish();
    AlertConfig { on: on.unwrap_or_default(), command, webhook }
}

/// A URL that is asked by itself, as it is, and often holds a key.
pub(super) fn check_hook(text: &str, allow_http: bool) -> Result<SecretString, Wrong> {
    let url = check_url(text)?;
    if url.scheme() == "http" && !is_loopback(&url) && !allow_http {
        return Err(wrong(
            "over plain http, the URL and what is sent can be read on the way",
            "write https, or set api.allow_http = true if you must",
        ));
    }
    Ok(String::from(url).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    #[test]
    fn words_lead_back_to_their_events() {
        for &event in AlertEvent::ALL {
            assert_eq!(AlertEvent::from_word(event.as_str()), Some(event));
        }
        assert_eq!(AlertEvent::from_word("success"), None);
    }

    #[test]
    fn a_hook_keeps_its_query_and_stays_private_on_the_way() {
        let hook = |text, allow_http| check_hook(text, allow_http).map(|url| url.expose_secret().to_owned()).ok();
        assert_eq!(hook("https://h.example/a?key=1", false).as_deref(), Some("https://h.example/a?key=1"));
        assert_eq!(hook("http://127.0.0.1:1/a", false).as_deref(), Some("http://127.0.0.1:1/a"));
        assert_eq!(hook("http://h.example/a", false), None);
        assert_eq!(hook("http://h.example/a", true).as_deref(), Some("http://h.example/a"));
    }
}
