//! Times on the command line that are passed on to the API.

use crate::adobe::guide_date;
use crate::job::Timestamp;
use jiff::civil::DateTime;

/// Reads a time for the API: by RFC 3339, or in the form that the API itself wants, which names no zone and is passed on
/// as it is.
pub(super) fn parse_guide_date(text: &str) -> Result<String, String> {
    let text = text.trim();
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Ok(guide_date(Timestamp(instant.as_millisecond())));
    }
    let form = "yyyy-mm-dd hh:mm:ss";
    if text.len() == form.len() && DateTime::strptime("%Y-%m-%d %H:%M:%S", text).is_ok() {
        return Ok(text.to_owned());
    }
    Err(format!("not a time for the API; write it as \"{form}\", or by RFC 3339 such as `2026-11-23T06:00:00Z`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_for_the_api_are_in_its_own_form() {
        for (text, date) in [
            ("2026-11-23T06:00:00Z", "2026-11-23 06:00:00"),
            ("2026-11-23T06:00:00+02:00", "2026-11-23 04:00:00"),
            ("2026-11-23 06:00:00", "2026-11-23 06:00:00"),
        ] {
            assert_eq!(parse_guide_date(text).as_deref(), Ok(date));
        }
        for text in ["", "2h", "2026-11-23", "2026-11-23T06:00:00", "2026-13-23 06:00:00", "2026-11-23 6:00:000"] {
            assert!(parse_guide_date(text).is_err(), "{text}");
        }
    }
}
