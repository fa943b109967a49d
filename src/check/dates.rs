//! Dates in Adobe's form, `MM/DD/YYYY` or `MM/DD/YYYY/HH/mm/SS`, and the days that have begun.

use super::code::Code;
use crate::job::{Timestamp, length_words};
use jiff::civil::{Date, Time};
use jiff::{Span, ZonedDateTime, tz};

/// Number of months after which Adobe may have deleted the data of a day.
const MONTHS_KEPT: i32 = 25;

/// The content of a date field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DateField {
    /// The day, if the field holds a valid one.
    pub(super) day: Option<Date>,
    /// The rule that the field breaks.
    pub(super) breaks: Option<Code>,
}

/// Reads a field that is not empty.
pub(super) fn read_date(field: &[u8]) -> DateField {
    let broken = |code| DateField { day: None, breaks: Some(code) };
    let Some(parts) = parts(field) else { return broken(Code::DateFormat) };
    let Some(day) = day(&parts) else { return broken(Code::DateImpossible) };
    let is_padded = parts.lengths[..2].iter().chain(&parts.lengths[3..]).all(|length| *length != 1);
    DateField { day: Some(day), breaks: (!is_padded).then_some(Code::DateNotPadded) }
}

/// Returns whether a field has the same day as `other` and a valid time, so that nothing else must be read.
pub(super) fn is_other_time(field: &[u8], other: &[u8]) -> bool {
    const DAY: usize = "MM/DD/YYYY".len();
    let (Some((day, time)), Some((other_day, _))) = (field.split_at_checked(DAY), other.split_at_checked(DAY)) else {
        return false;
    };
    let [b'/', h, hh, b'/', m, mm, b'/', s, ss] = time else { return false };
    let is_below = |tens: u8, ones: u8, end: u8| {
        tens.is_ascii_digit() && ones.is_ascii_digit() && (tens - b'0') * 10 + (ones - b'0') < end
    };
    day == other_day && is_below(*h, *hh, 24) && is_below(*m, *mm, 60) && is_below(*s, *ss, 60)
}

/// The days that have begun.
#[derive(Debug)]
pub(super) struct Calendar {
    now: ZonedDateTime,
    in_suite_zone: bool,
    /// The current day in the zone where days begin first. The report suite may be in it.
    first_zone_day: Date,
    /// Adobe may have deleted the data of earlier days.
    oldest_day: Date,
}

impl Calendar {
    /// `in_suite_zone` says that the zone of `now` is the zone of the report suite.
    pub(super) fn new(now: &ZonedDateTime, in_suite_zone: bool) -> Self {
        Self {
            first_zone_day: now.with_time_zone(tz::offset(14).to_time_zone()).date(),
            oldest_day: now.date().saturating_sub(Span::new().months(MONTHS_KEPT)),
            now: now.clone(),
            in_suite_zone,
        }
    }

    /// Returns the rule that a day breaks at the current time.
    pub(super) fn broken_by(&self, day: Date) -> Option<Code> {
        let today = self.now.date();
        if day <= today {
            (day < self.oldest_day).then_some(Code::DateOld)
        } else if !self.in_suite_zone && (self.is_tomorrow(day) || day <= self.first_zone_day) {
            Some(Code::DateTomorrow)
        } else {
            Some(Code::DateFuture)
        }
    }

    /// Returns when a day begins. `None` if the calendar cannot tell.
    pub(super) fn begin_of(&self, day: Date) -> Option<Timestamp> {
        let begin = day.to_zoned_datetime(self.now.time_zone().clone()).ok()?;
        Some(Timestamp(begin.timestamp().as_millisecond()))
    }

    /// Describes the problem with a day that has not begun or is too old, as the continuation of its text.
    pub(super) fn words(&self, code: Code, day: Date) -> String {
        if code == Code::DateOld {
            format!("lies more than {MONTHS_KEPT} months back, from where Adobe may already have deleted the data")
        } else if code == Code::DateTomorrow && self.is_tomorrow(day) {
            "is tomorrow here; it must be today in the time zone of the report suite".to_owned()
        } else if code == Code::DateTomorrow {
            "has not begun here; it must have begun in the time zone of the report suite".to_owned()
        } else if let Some(begin) = self.begin_of(day).filter(|_| self.in_suite_zone) {
            let zone = self.now.time_zone().iana_name().unwrap_or("the time zone of the report suite");
            let wait = begin.since(Timestamp(self.now.timestamp().as_millisecond()));
            format!("has not begun yet in {zone}, begins in {}", length_words(wait))
        } else {
            "lies in the future: Adobe takes current and past dates only".to_owned()
        }
    }

    fn is_tomorrow(&self, day: Date) -> bool {
        self.now.date().tomorrow().is_ok_and(|tomorrow| day == tomorrow)
    }
}

/// Month, day, year, hour, minute, second. The last three are zero after a day without a time.
struct Parts {
    values: [u16; 6],
    lengths: [u8; 6],
}

fn parts(field: &[u8]) -> Option<Parts> {
    if field.len() > "MM/DD/YYYY/HH/mm/SS".len() {
        return None;
    }
    let mut parts = Parts { values: [0; 6], lengths: [0; 6] };
    let mut count = 0;
    for &byte in field {
        match byte {
            b'0'..=b'9' => {
                let (value, length) = (parts.values.get_mut(count)?, parts.lengths.get_mut(count)?);
                *value = value.checked_mul(10)?.checked_add(u16::from(byte - b'0'))?;
                *length += 1;
            }
            b'/' => count += 1,
            _ => return None,
        }
    }
    let widths: [std::ops::RangeInclusive<u8>; 6] = [1..=2, 1..=2, 4..=4, 1..=2, 1..=2, 1..=2];
    let used = count + 1;
    let fits = parts.lengths.iter().zip(&widths).take(used).all(|(length, width)| width.contains(length));
    (fits && matches!(used, 3 | 6)).then_some(Parts {
        // A day without a time has no time to pad.
        lengths: if used == 3 { [parts.lengths[0], parts.lengths[1], 4, 2, 2, 2] } else { parts.lengths },
        ..parts
    })
}

fn day(parts: &Parts) -> Option<Date> {
    let [month, day, year, hour, minute, second] = parts.values;
    let small = |value: u16| i8::try_from(value).ok();
    Time::new(small(hour)?, small(minute)?, small(second)?, 0).ok()?;
    Date::new(i16::try_from(year).ok()?, small(month)?, small(day)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn dates_are_read_or_break_one_rule() {
        for (text, breaks) in [
            ("11/20/2026", None),
            ("02/29/2024", None),
            ("11/20/2026/23/59/59", None),
            ("11/20/2026/00/00/00", None),
            ("1/20/2026", Some(Code::DateNotPadded)),
            ("11/2/2026", Some(Code::DateNotPadded)),
            ("11/20/2026/9/00/00", Some(Code::DateNotPadded)),
            ("02/29/2026", Some(Code::DateImpossible)),
            ("13/01/2026", Some(Code::DateImpossible)),
            ("00/01/2026", Some(Code::DateImpossible)),
            ("11/31/2026", Some(Code::DateImpossible)),
            ("11/20/2026/24/00/00", Some(Code::DateImpossible)),
            ("11/20/2026/23/60/00", Some(Code::DateImpossible)),
            ("11/20/2026/23/59/60", Some(Code::DateImpossible)),
            ("2026-11-20", Some(Code::DateFormat)),
            ("11/20/26", Some(Code::DateFormat)),
            ("11/20/2026/14/05", Some(Code::DateFormat)),
            ("11/20/2026/", Some(Code::DateFormat)),
            ("/11/20/2026", Some(Code::DateFormat)),
            (" 11/20/2026", Some(Code::DateFormat)),
            ("11/20/2026 14:05:00", Some(Code::DateFormat)),
            ("99999999999/1/2026", Some(Code::DateFormat)),
            ("x", Some(Code::DateFormat)),
        ] {
            let field = read_date(text.as_bytes());
            assert_eq!(field.breaks, breaks, "{text}");
            assert_eq!(field.day.is_some(), matches!(breaks, None | Some(Code::DateNotPadded)), "{text}");
        }
    }

    #[test]
    fn another_time_of_a_day_is_known_without_reading_the_day() {
        let other = b"11/20/2026/00/00/00";
        for (field, expected) in [
            ("11/20/2026/23/59/59", true),
            ("11/20/2026/00/00/00", true),
            ("11/20/2026/24/00/00", false),
            ("11/20/2026/23/60/00", false),
            ("11/20/2026/23/59/60", false),
            ("11/20/2026/9/00/00", false),
            ("11/20/2026/ab/00/00", false),
            ("11/20/2026", false),
            ("11/21/2026/23/59/59", false),
        ] {
            assert_eq!(is_other_time(field.as_bytes(), other), expected, "{field}");
        }
        assert!(is_other_time(b"11/20/2026/23/59/59", b"11/20/2026"));
        assert!(!is_other_time(b"11/20/2026/23/59/59", b""));
    }

    fn calendar(now: &str, in_suite_zone: bool) -> Calendar {
        Calendar::new(&now.parse().unwrap(), in_suite_zone)
    }

    #[test]
    fn the_future_begins_the_day_after_tomorrow_where_the_zone_is_not_known() {
        let calendar = calendar("2026-12-31T12:00+01:00[Europe/Berlin]", false);
        for (day, breaks) in [
            (date(2026, 12, 31), None),
            (date(2024, 11, 30), None),
            (date(2024, 11, 29), Some(Code::DateOld)),
            (date(1999, 1, 1), Some(Code::DateOld)),
            (date(2027, 1, 1), Some(Code::DateTomorrow)),
            (date(2027, 1, 2), Some(Code::DateFuture)),
            (date(9999, 12, 31), Some(Code::DateFuture)),
        ] {
            assert_eq!(calendar.broken_by(day), breaks, "{day}");
        }
    }

    /// In a zone at -11, the day after tomorrow may already have begun in a zone at +14.
    #[test]
    fn a_day_that_has_begun_anywhere_does_not_fail_where_the_zone_is_not_known() {
        let calendar = calendar("2026-11-20T23:30-11:00[Pacific/Pago_Pago]", false);
        let (tomorrow, next) = (date(2026, 11, 21), date(2026, 11, 22));
        assert_eq!(calendar.broken_by(tomorrow), Some(Code::DateTomorrow));
        assert_eq!(calendar.broken_by(next), Some(Code::DateTomorrow));
        assert!(calendar.words(Code::DateTomorrow, tomorrow).starts_with("is tomorrow here; "));
        assert!(calendar.words(Code::DateTomorrow, next).starts_with("has not begun here; "));
        assert_eq!(calendar.broken_by(date(2026, 11, 23)), Some(Code::DateFuture));
    }

    #[test]
    fn a_day_begins_when_it_begins_in_the_zone_of_the_report_suite() {
        for (now, day, begins) in [
            ("2026-11-20T17:00-08:00[US/Pacific]", date(2026, 11, 21), Some("US/Pacific, begins in 7 h")),
            ("2026-11-20T23:59:59-08:00[US/Pacific]", date(2026, 11, 21), Some("US/Pacific, begins in 1 s")),
            ("2026-11-21T00:00-08:00[US/Pacific]", date(2026, 11, 21), None),
            ("2026-11-20T10:00+00:00[UTC]", date(2026, 11, 21), Some("UTC, begins in 14 h")),
            ("2026-11-21T00:00+14:00[Pacific/Kiritimati]", date(2026, 11, 21), None),
            ("2026-11-20T23:00-11:00[Pacific/Pago_Pago]", date(2026, 11, 22), Some("Pago_Pago, begins in 1 d 1 h")),
            // These begin after a day of 25 h and a day of 23 h.
            ("2026-10-25T00:00+02:00[Europe/Berlin]", date(2026, 10, 26), Some("Europe/Berlin, begins in 1 d 1 h")),
            ("2026-03-29T00:00+01:00[Europe/Berlin]", date(2026, 3, 30), Some("Europe/Berlin, begins in 23 h")),
            // The clocks skip midnight on these days.
            ("2024-09-07T23:00-04:00[America/Santiago]", date(2024, 9, 8), Some("America/Santiago, begins in 1 h")),
            ("2024-02-28T12:00+00:00[UTC]", date(2024, 2, 29), Some("UTC, begins in 12 h")),
            ("2024-02-29T00:00+00:00[UTC]", date(2024, 2, 29), None),
        ] {
            let calendar = calendar(now, true);
            let begun = calendar.begin_of(day).unwrap().0 <= calendar.now.timestamp().as_millisecond();
            assert_eq!((calendar.broken_by(day), begun), (begins.map(|_| Code::DateFuture), begins.is_none()), "{now}");
            if let Some(begins) = begins {
                let words = calendar.words(Code::DateFuture, day);
                assert!(words.starts_with("has not begun yet in ") && words.ends_with(begins), "{now}: {words}");
            }
        }
    }

    #[test]
    fn a_day_at_the_end_of_time_has_words_too() {
        let calendar = calendar("2026-11-20T10:00-11:00[Pacific/Pago_Pago]", true);
        assert_eq!(calendar.broken_by(Date::MAX), Some(Code::DateFuture));
        assert!(!calendar.words(Code::DateFuture, Date::MAX).is_empty());
    }
}
