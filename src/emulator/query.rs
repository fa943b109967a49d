//! Query strings and forms, parsed strictly: unknown and repeated names are refused.

use super::answers::Refusal;
use super::world::JobFilter;
use crate::job::Timestamp;
use jiff::Span;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use percent_encoding::percent_decode_str;

/// Names and values of a query string or a form.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pairs(Vec<(String, String)>);

impl Pairs {
    /// Reads `name=value&…`.
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let mut pairs = Self::default();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let (name, value) = (decode(name)?, decode(value)?);
            if pairs.get(&name).is_some() {
                return Err(format!("`{name}` is given twice"));
            }
            pairs.0.push((name, value));
        }
        Ok(pairs)
    }

    /// Reads a query string that may have only these names.
    pub(super) fn of_query(query: Option<&str>, known: &[&str]) -> Result<Self, Refusal> {
        let query = query.unwrap_or_default();
        if query.contains('@') {
            return Err(Refusal::bad("query parameters cannot contain a true `@`; write %40"));
        }
        let pairs = Self::read(query).map_err(Refusal::bad)?;
        match pairs.0.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            None => Ok(pairs),
            Some((name, _)) if known.is_empty() => {
                Err(Refusal::bad(format!("unknown query parameter `{name}`; this endpoint takes none")))
            }
            Some((name, _)) => {
                Err(Refusal::bad(format!("unknown query parameter `{name}`; known: {}", known.join(", "))))
            }
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// Decodes percent-encoding, and `+` as a space.
fn decode(text: &str) -> Result<String, String> {
    let spaced = text.replace('+', " ");
    let is_encoded =
        |after: &str| matches!(after.as_bytes(), [a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    if !spaced.split('%').skip(1).all(is_encoded) {
        return Err(format!("`{text}` is no valid percent-encoding"));
    }
    let decoded = percent_decode_str(&spaced).decode_utf8().map_err(|_| format!("`{text}` is not UTF-8"))?;
    Ok(decoded.into_owned())
}

const STATUSES: [&str; 5] = ["uploaded", "processing", "success", "failure", "deleted"];

impl JobFilter {
    /// Reads the query of a job list (DESIGN §5, "GET retrieve all jobs").
    pub(super) fn of_query(query: Option<&str>, now: Timestamp) -> Result<Self, Refusal> {
        let pairs = Pairs::of_query(query, &["status", "start_date", "end_date", "page"])?;
        let status = match pairs.get("status") {
            Some(status) if !STATUSES.contains(&status) => {
                return Err(Refusal::bad(format!("unknown status `{status}`; known: {}", STATUSES.join(", "))));
            }
            status => status.map(str::to_owned),
        };
        let second = |name: &str| pairs.get(name).map(|text| second(name, text)).transpose();
        let first_second = second("start_date")?.unwrap_or_else(|| a_month_before(now));
        let last_second = second("end_date")?;
        if last_second.is_some_and(|last| first_second > last) {
            return Err(Refusal::bad(
                "start_date should be earlier than end_date (start_date defaults to one month ago)",
            ));
        }
        let page = match pairs.get("page") {
            None => 1,
            Some(text) => text.parse().ok().filter(|&page| page > 0).ok_or_else(|| {
                Refusal::bad(format!("page should be a number, and page 1 is the first; got `{text}`"))
            })?,
        };
        Ok(Self { status, first_second, last_second, page })
    }
}

/// "yyyy-mm-dd hh:mm:ss", read as UTC, because the documents name no zone.
fn second(name: &str, text: &str) -> Result<i64, Refusal> {
    let wrong = || Refusal::bad(format!("{name} should be formatted as \"yyyy-mm-dd hh:mm:ss\"; got `{text}`"));
    // The parser would accept missing zeros.
    if text.len() != "yyyy-mm-dd hh:mm:ss".len() {
        return Err(wrong());
    }
    let time = DateTime::strptime("%Y-%m-%d %H:%M:%S", text).map_err(|_| wrong())?;
    Ok(TimeZone::UTC.to_timestamp(time).map_err(|_| wrong())?.as_second())
}

fn a_month_before(now: Timestamp) -> i64 {
    jiff::Timestamp::from_millisecond(now.0)
        .map(|now| TimeZone::UTC.to_datetime(now))
        .and_then(|now| now.checked_sub(Span::new().months(1)))
        .and_then(|month_ago| TimeZone::UTC.to_timestamp(month_ago))
        .map_or(0, jiff::Timestamp::as_second)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_795_429_838_007);

    #[test]
    fn names_and_values_are_decoded() {
        let pairs = Pairs::read("name=My%20Data+Sources&email=noreply%40mycompany.com&empty=&bare").unwrap();
        assert_eq!(pairs.get("name"), Some("My Data Sources"));
        assert_eq!(pairs.get("email"), Some("noreply@mycompany.com"));
        assert_eq!((pairs.get("empty"), pairs.get("bare"), pairs.get("none")), (Some(""), Some(""), None));
        for text in ["a=%4", "a=%zz", "a=%ff", "a=1&a=2", "a=%é1"] {
            assert!(Pairs::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_window_is_one_month_by_default() {
        let filter = JobFilter::of_query(None, NOW).unwrap();
        assert_eq!(Ok(filter.first_second), second("start_date", "2026-10-23 10:30:38"));
        assert_eq!((filter.last_second, filter.page, filter.status), (None, 1, None));
        let filter = JobFilter::of_query(
            Some("start_date=2026-11-22%2010:00:00&end_date=2026-11-22+10:00:00&page=3&status=success"),
            NOW,
        )
        .unwrap();
        assert_eq!(Some(filter.first_second), filter.last_second);
        assert_eq!((filter.page, filter.status.as_deref()), (3, Some("success")));
    }

    #[test]
    fn queries_that_the_guide_does_not_allow_are_refused() {
        for query in [
            "start=2026-11-22+10:00:00",
            "start_date=2026-11-22",
            "start_date=2026-11-22T10:00:00",
            "start_date=2026-11-2+10:00:000",
            "start_date=2026-13-22+10:00:00",
            "start_date=2026-11-23+10:00:00&end_date=2026-11-22+10:00:00",
            "page=0",
            "page=one",
            "page=",
            "page=1&page=2",
            "status=done",
        ] {
            assert!(JobFilter::of_query(Some(query), NOW).is_err(), "{query}");
        }
    }
}
