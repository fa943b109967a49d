//! One value: as it was given, as people write it, how it is shown when it is wrong, and what a URL must be.

use super::problems::{Wrong, wrong};
use super::sections::{Expect, ExpectDays, RateLimit};
use crate::job::{counted, length_words};
use bytesize::ByteSize;
use config::ValueKind;
use std::fmt;
use std::time::Duration;
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

// Durations, sizes, rates and times of day, as people write them, and how long a backlog takes.

/// A hundred years: far beyond any use, and still far from where the arithmetic of clocks overflows.
const LONGEST: Duration = Duration::from_hours(100 * 365 * 24);

/// Reads a time with its unit: `300ms`, `15s`, `5m`, `7d`, `1h 30m`; also `0`.
///
/// # Errors
/// What is wrong, in a few words that fit after the value, if it is no such text or longer than a hundred years.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let text = text.trim();
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    if plain && text != "0" {
        return Err("a number without a unit".to_owned());
    }
    match humantime::parse_duration(text) {
        Ok(duration) if duration <= LONGEST => Ok(duration),
        Ok(_) => Err("longer than a hundred years".to_owned()),
        Err(_) => Err("not a duration".to_owned()),
    }
}

/// Reads a size in bytes: `50 MB` (50,000,000), `64 MiB`, `1000`.
///
/// # Errors
/// What is wrong, in a few words that fit after the value.
pub fn parse_size(text: &str) -> Result<u64, String> {
    text.trim().parse::<ByteSize>().map(|size| size.as_u64()).map_err(|_| "not a size".to_owned())
}

/// Reads a rate: `12/6s` is at most 12 requests in any 6 seconds, `off` is no limit.
///
/// # Errors
/// What is wrong, in a few words that fit after the value.
pub fn parse_rate(text: &str) -> Result<Option<RateLimit>, String> {
    let text = text.trim();
    if text == "off" {
        return Ok(None);
    }
    let wrong = || "not a rate".to_owned();
    let (requests, per) = text.split_once('/').ok_or_else(wrong)?;
    let requests = requests.trim().parse().map_err(|_| wrong())?;
    let per = parse_duration(per).map_err(|_| wrong())?;
    if requests == 0 || per.is_zero() {
        return Err("a rate that never lets a request through".to_owned());
    }
    Ok(Some(RateLimit { requests, per }))
}

/// Reads `2 by 06:00`; `None` if it is anything else.
pub(super) fn parse_expect(text: &str) -> Option<Expect> {
    let (files, time) = text.split_once(" by ")?;
    let (files, by_minute) = (files.trim().parse().ok()?, parse_time_of_day(time)?);
    (files > 0).then_some(Expect { files, by_minute })
}

/// Reads `06:00` as minutes after midnight; `None` if it is anything else.
pub(super) fn parse_time_of_day(text: &str) -> Option<u16> {
    let (hour, minute) = text.trim().split_once(':')?;
    let two_digits = |digits: &str| {
        (matches!(digits.len(), 1 | 2) && digits.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| digits.parse::<u16>().ok())
            .flatten()
    };
    let (hour, minute) = (two_digits(hour)?, two_digits(minute).filter(|_| minute.len() == 2)?);
    (hour < 24 && minute < 60).then_some(hour * 60 + minute)
}

/// Reads `daily within 36h`; `None` if it is anything else.
pub(super) fn parse_expect_days(text: &str) -> Option<ExpectDays> {
    let (pattern, within) = text.split_once(" within ")?;
    let within = parse_duration(within).ok().filter(|within| *within <= LONGEST_WITHIN)?;
    Some(ExpectDays { pattern: pattern.trim().parse().ok()?, within })
}

/// A day that may come later than this is no day that anybody expects.
const LONGEST_WITHIN: Duration = Duration::from_hours(24 * 366);

// How long a backlog takes: nothing is faster than the rate limit.

impl RateLimit {
    /// How long so many requests take, one after the other as fast as the limit lets them. Requests of other kinds and
    /// slow answers come on top.
    #[must_use]
    pub fn time_for(self, requests: u64) -> Duration {
        let nanos = u128::from(requests) * self.per.as_nanos() / u128::from(self.requests.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// `12 per 6 s`.
impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per = self.per;
        if per.subsec_nanos() == 0 {
            write!(f, "{} per {}", self.requests, length_words(per))
        } else {
            write!(f, "{} per {} s", self.requests, per.as_secs_f64())
        }
    }
}

/// `15 min 20 s at 12 per 6 s`: how long so many requests take; `None` where nothing limits them.
#[must_use]
pub fn time_words(requests: u64, limit: Option<RateLimit>) -> Option<String> {
    limit.map(|limit| format!("{} at {limit}", length_words(limit.time_for(requests))))
}

/// `1,840 files, 15 min 20 s at 12 per 6 s`: what is to be sent, and how long it takes. Markers that are sent are files
/// too.
#[must_use]
pub fn backlog_words(files: u64, limit: Option<RateLimit>) -> String {
    let counted = counted(i64::try_from(files).unwrap_or(i64::MAX), "file");
    match time_words(files, limit) {
        Some(time) if files > 0 => format!("{counted}, {time}"),
        Some(_) | None => counted,
    }
}

#[cfg(test)]
mod tests;
