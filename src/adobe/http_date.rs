//! Dates of HTTP headers and of the guide's query parameters.

use crate::job::Timestamp;
use std::time::Duration;

/// The longest wait a server can ask for (DESIGN §5): longer ones meet a person sooner than they end.
pub(super) const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(1);

/// A point in time as the guide's `start_date` and `end_date` want it: `yyyy-mm-dd hh:mm:ss`, in UTC.
///
/// The guide names no zone; whoever asks leaves a day or more to spare on either side (DESIGN S2).
#[must_use]
pub fn guide_date(time: Timestamp) -> String {
    let time = jiff::Timestamp::from_millisecond(time.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// An HTTP date, `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(super) fn http_date(text: &str) -> Option<Timestamp> {
    let time = jiff::fmt::rfc2822::parse(text.trim()).ok()?;
    Some(Timestamp(time.timestamp().as_millisecond()))
}

/// The wait that a `Retry-After` asks for: seconds, or a date, which is compared with the server's own clock.
pub(super) fn retry_after(text: &str, server_now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let wait = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        // More digits than a number holds are still a wish for a long wait.
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        http_date(text)?.since(server_now)
    };
    Some(wait.min(LONGEST_RETRY_AFTER))
}

/// Our own clock, for answers without a `Date` header.
pub(super) fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_written_as_the_guide_wants_them() {
        assert_eq!(guide_date(Timestamp(1_795_429_838_007)), "2026-11-23 10:30:38");
        assert_eq!(guide_date(Timestamp(i64::MAX)), "1970-01-01 00:00:00");
    }

    #[test]
    fn retry_after_is_read_in_both_forms_and_capped() {
        let now = http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(now, Timestamp(784_111_777_000));
        let wait = |text| retry_after(text, now);
        assert_eq!(wait("120"), Some(Duration::from_mins(2)));
        assert_eq!(wait(" 0 "), Some(Duration::ZERO));
        assert_eq!(wait("86400"), Some(LONGEST_RETRY_AFTER));
        assert_eq!(wait("99999999999999999999999"), Some(LONGEST_RETRY_AFTER));
        assert_eq!(wait("Sun, 06 Nov 1994 08:50:07 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("Mon, 07 Nov 1994 08:49:37 GMT"), Some(LONGEST_RETRY_AFTER));
        assert_eq!(wait("soon"), None);
        assert_eq!(wait("-1"), None);
        assert_eq!(wait(""), None);
    }
}
