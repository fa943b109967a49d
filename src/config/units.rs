//! Durations, sizes, rates and times of day, as people write them, and how long a backlog takes.

use super::sections::{Expect, RateLimit};
use crate::job::{counted, length_words};
use bytesize::ByteSize;
use std::fmt;
use std::time::Duration;

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
    let (hour, minute) = time.trim().split_once(':')?;
    let two_digits = |digits: &str| {
        (matches!(digits.len(), 1 | 2) && digits.bytes().all(|byte| byte.is_ascii_digit()))
            .then(|| digits.parse::<u16>().ok())
            .flatten()
    };
    let (hour, minute) = (two_digits(hour)?, two_digits(minute).filter(|_| minute.len() == 2)?);
    let files = files.trim().parse().ok()?;
    (files > 0 && hour < 24 && minute < 60).then_some(Expect { files, by_minute: hour * 60 + minute })
}

// How long a backlog takes: nobody is faster than the rate limit.

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
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_need_a_unit() {
        assert_eq!(parse_duration("300ms"), Ok(Duration::from_millis(300)));
        assert_eq!(parse_duration(" 1h 30m "), Ok(Duration::from_mins(90)));
        assert_eq!(parse_duration("7d"), Ok(Duration::from_hours(7 * 24)));
        assert_eq!(parse_duration("0"), Ok(Duration::ZERO));
        assert_eq!(parse_duration("5").unwrap_err(), "a number without a unit");
        assert_eq!(parse_duration("1.5").unwrap_err(), "a number without a unit");
        assert_eq!(parse_duration("").unwrap_err(), "not a duration");
        assert_eq!(parse_duration("soon").unwrap_err(), "not a duration");
        assert_eq!(parse_duration("-5s").unwrap_err(), "not a duration");
        assert_eq!(parse_duration("101y").unwrap_err(), "longer than a hundred years");
    }

    #[test]
    fn sizes_are_bytes_or_have_a_unit() {
        assert_eq!(parse_size("50 MB"), Ok(50_000_000));
        assert_eq!(parse_size("64MiB"), Ok(64 << 20));
        assert_eq!(parse_size("1000"), Ok(1000));
        assert_eq!(parse_size("big"), Err("not a size".to_owned()));
        assert_eq!(parse_size("-1 MB"), Err("not a size".to_owned()));
    }

    #[test]
    fn rates_are_so_many_in_such_a_time() {
        assert_eq!(parse_rate("12/6s"), Ok(Some(RateLimit { requests: 12, per: Duration::from_secs(6) })));
        assert_eq!(parse_rate("off"), Ok(None));
        for wrong in ["", "12", "12/6", "a/6s", "12/", "-1/6s", "99999999999/6s"] {
            assert_eq!(parse_rate(wrong), Err("not a rate".to_owned()), "{wrong}");
        }
        assert!(parse_rate("0/6s").is_err());
        assert!(parse_rate("12/0s").is_err());
    }

    #[test]
    fn expectations_are_a_number_and_a_time_of_day() {
        assert_eq!(parse_expect("2 by 06:00"), Some(Expect { files: 2, by_minute: 360 }));
        assert_eq!(parse_expect("10 by 23:59"), Some(Expect { files: 10, by_minute: 1439 }));
        for wrong in
            ["", "2", "2 by 6", "0 by 06:00", "2 by 24:00", "2 by 06:60", "2 by 06:0", "2 by +6:00", "x by 06:00"]
        {
            assert_eq!(parse_expect(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]
        #[test]
        fn no_text_panics(text in "[0-9a-zA-Z.:/ µ-]{0,24}|\\PC*") {
            let _ = (parse_duration(&text), parse_size(&text), parse_rate(&text), parse_expect(&text));
        }
    }

    fn limit(requests: u32, millis: u64) -> RateLimit {
        RateLimit { requests, per: Duration::from_millis(millis) }
    }

    #[test]
    fn a_backlog_is_told_with_its_time() {
        let adobe = Some(limit(12, 6_000));
        assert_eq!(backlog_words(1_840, adobe), "1,840 files, 15 min 20 s at 12 per 6 s");
        assert_eq!(backlog_words(1, adobe), "1 file, 1 s at 12 per 6 s");
        assert_eq!(backlog_words(0, adobe), "0 files");
        assert_eq!(backlog_words(7, None), "7 files");
        assert_eq!(backlog_words(10, Some(limit(1, 500))), "10 files, 5 s at 1 per 0.5 s");
        assert_eq!(backlog_words(1, Some(limit(1, 60_000))), "1 file, 1 min at 1 per 1 min");
    }

    proptest! {
        /// What a sliding window allows: the first burst at once, then a burst each time. The estimate lies within one
        /// window of that, whatever the numbers.
        #[test]
        fn the_estimate_is_within_one_window_of_the_window_itself(
            requests in 0u64..100_000, burst in 1u32..100, millis in 1u64..100_000,
        ) {
            let limit = limit(burst, millis);
            let full_windows = requests.saturating_sub(1) / u64::from(burst);
            let soonest = Duration::from_millis(full_windows * millis);
            let told = limit.time_for(requests);
            prop_assert!(told >= soonest, "{told:?} is less than the {soonest:?} that the window takes");
            prop_assert!(told <= soonest + limit.per);
        }

        #[test]
        fn more_files_never_take_less_time(requests in 0u64..u64::MAX, more in 0u64..1_000, burst in 1u32..100, millis in 1u64..100_000) {
            let limit = limit(burst, millis);
            prop_assert!(limit.time_for(requests) <= limit.time_for(requests.saturating_add(more)));
        }
    }
}
