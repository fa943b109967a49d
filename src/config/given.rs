//! One value as it was given: its type, how it is shown when it is wrong, and what a URL or an ID must be.

use super::problems::{Wrong, wrong};
use config::ValueKind;
use url::{Host, Url};

/// The longest text that is repeated in a problem, in characters.
const SHOWN: usize = 80;

/// A value, and whether it can only be text because it came from a variable.
#[derive(Debug, Clone, Copy)]
pub(super) struct Given<'v> {
    kind: &'v ValueKind,
    from_variable: bool,
}

/// What a value is, in the words of a person.
pub(super) fn kind_name(kind: &ValueKind) -> &'static str {
    match kind {
        ValueKind::Nil => "nothing",
        ValueKind::Boolean(_) => "true or false",
        ValueKind::I64(_) | ValueKind::I128(_) | ValueKind::U64(_) | ValueKind::U128(_) => "a number",
        ValueKind::Float(_) => "a number with a fraction",
        ValueKind::String(_) => "a text",
        ValueKind::Table(_) => "a section",
        ValueKind::Array(_) => "a list",
    }
}

/// The value as it was written, or nearly; `None` for sections and for URLs with a password in them.
pub(super) fn show(kind: &ValueKind) -> Option<String> {
    match kind {
        ValueKind::Nil | ValueKind::Table(_) => None,
        ValueKind::Boolean(_) | ValueKind::I64(_) | ValueKind::I128(_) | ValueKind::U64(_) | ValueKind::U128(_) => {
            Some(kind.to_string())
        }
        ValueKind::Float(value) => Some(format!("{value:?}")),
        ValueKind::String(text) => show_text(text),
        ValueKind::Array(items) => {
            let items: Option<Vec<String>> = items.iter().map(|item| show(&item.kind)).collect();
            items.map(|items| format!("[{}]", items.join(", "))).filter(|list| list.chars().count() <= SHOWN)
        }
    }
}

fn show_text(text: &str) -> Option<String> {
    if text.contains('@') && text.contains("//") {
        return None;
    }
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    Some(format!("{shown:?}"))
}

impl<'v> Given<'v> {
    pub(super) fn new(kind: &'v ValueKind, from_variable: bool) -> Self {
        Self { kind, from_variable }
    }

    /// A text.
    pub(super) fn text(&self) -> Result<&str, Wrong> {
        if let ValueKind::String(text) = self.kind {
            return Ok(text);
        }
        let is_many = matches!(self.kind, ValueKind::Table(_) | ValueKind::Array(_));
        let remedy = if is_many { "write one text in quotes" } else { "put quotes around it" };
        Err(wrong(format!("this must be a text, and is {}", kind_name(self.kind)), remedy))
    }

    /// A text with something in it.
    pub(super) fn filled(&self) -> Result<&str, Wrong> {
        let text = self.text()?;
        if text.trim().is_empty() { Err(wrong("this is empty", "write a value, or remove the line")) } else { Ok(text) }
    }

    /// A whole number.
    pub(super) fn whole(&self) -> Option<i64> {
        if let ValueKind::I64(number) = self.kind { Some(*number) } else { self.variable()?.parse().ok() }
    }

    /// True or false.
    pub(super) fn truth(&self) -> Option<bool> {
        if let ValueKind::Boolean(truth) = self.kind {
            return Some(*truth);
        }
        self.variable()?.to_lowercase().parse().ok()
    }

    /// Any number.
    pub(super) fn fraction(&self) -> Option<f64> {
        if let ValueKind::Float(number) = self.kind {
            return Some(*number);
        }
        if let ValueKind::I64(number) = self.kind {
            return i32::try_from(*number).ok().map(f64::from);
        }
        self.variable()?.parse().ok()
    }

    /// The text of a variable, which is all that it can hold.
    fn variable(&self) -> Option<&str> {
        if let ValueKind::String(text) = self.kind { Some(text.trim()).filter(|_| self.from_variable) } else { None }
    }

    /// A list of texts. A variable holds them with commas or spaces between.
    pub(super) fn texts(&self) -> Result<Vec<String>, Wrong> {
        let wrong_kind = || wrong("this must be a list of texts", "write it like [\"one\", \"two\"]");
        if let Some(text) = self.variable() {
            let words = text.split([',', ' ']).map(str::trim).filter(|word| !word.is_empty());
            return Ok(words.map(str::to_owned).collect());
        }
        let ValueKind::Array(items) = self.kind else { return Err(wrong_kind()) };
        items
            .iter()
            .map(|item| Given { kind: &item.kind, from_variable: false }.text().map(str::to_owned))
            .collect::<Result<_, _>>()
            .map_err(|_| wrong_kind())
    }

    /// Whether it is one text, not a list.
    pub(super) fn is_text(&self) -> bool {
        matches!(self.kind, ValueKind::String(_))
    }
}

// Checks of URLs and of what becomes a part of one.

/// A URL with `http` or `https` and a host.
pub(super) fn check_url(text: &str) -> Result<Url, Wrong> {
    let remedy = "write a URL such as \"https://host.example.com/path\"";
    let url = Url::parse(text.trim()).map_err(|error| wrong(format!("not a URL ({error})"), remedy))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(wrong("not an http or https URL with a host", remedy));
    }
    Ok(url)
}

/// A URL that paths are appended to, or that secrets are sent to; without a slash at the end.
pub(super) fn check_base_url(text: &str, allow_http: bool) -> Result<String, Wrong> {
    let url = check_url(text)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("this URL has a query or a fragment", "leave out everything from ? or # on"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("this URL has a user name or a password", "leave out everything up to the @"));
    }
    if url.scheme() == "http" && !is_loopback(&url) && !allow_http {
        return Err(wrong(
            "over plain http, secrets and data can be read on the way",
            "write https, or set api.allow_http = true if you must",
        ));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Whether the host is this machine, by its name.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// An ID that becomes a segment of a path: nothing in it that would make another path of it.
pub(super) fn check_segment(text: &str) -> Result<(), Wrong> {
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte)) && text != "." && text != ".." {
        Ok(())
    } else {
        Err(wrong("an ID has letters, digits, \"-\", \"_\" and \".\" only", "copy it from Adobe as it is"))
    }
}

/// What is sent as a header: visible ASCII.
pub(super) fn check_header(text: &str) -> Result<(), Wrong> {
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(())
    } else {
        Err(wrong("this has spaces or characters that no header can carry", "copy it from Adobe as it is"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_loses_its_last_slash_and_nothing_else() {
        for text in [
            "https://analytics.adobe.io/api",
            "https://analytics.adobe.io/api/",
            "HTTPS://Analytics.adobe.io:443/api//",
        ] {
            assert_eq!(check_base_url(text, false).unwrap(), "https://analytics.adobe.io/api");
        }
        assert_eq!(check_base_url("https://host", false).unwrap(), "https://host");
    }

    #[test]
    fn plain_http_stays_on_this_machine() {
        for text in ["http://127.0.0.1:8600/api", "http://[::1]:8600", "http://localhost"] {
            assert!(check_base_url(text, false).is_ok(), "{text}");
        }
        assert!(check_base_url("http://192.168.0.7/api", false).is_err());
        assert!(check_base_url("http://192.168.0.7/api", true).is_ok());
        assert!(check_base_url("http://localhost.example.com", false).is_err());
    }

    #[test]
    fn what_is_no_base_url_is_refused() {
        for text in
            ["", "analytics.adobe.io/api", "ftp://host/", "https://", "https://h/?a=b", "https://h/#a", "https://u@h/"]
        {
            assert!(check_base_url(text, true).is_err(), "{text}");
        }
    }

    #[test]
    fn an_id_stays_one_segment() {
        assert!(check_segment("examplersid.2_a-b").is_ok());
        for text in ["a/b", "..", "a b", "a?b", "ä", "a%2f"] {
            assert!(check_segment(text).is_err(), "{text}");
        }
    }
}
