//! Dates as Adobe writes them: `MM/DD/YYYY` or `MM/DD/YYYY/HH/mm/SS`, in a zone that is not documented.

use super::code::Code;
use jiff::civil::{Date, Time};

/// "Data Sources supports up to 90 unique days in a file."
const MOST_DAYS: usize = 90;

/// Longer texts are no date in any form.
const LONGEST: usize = 32;

/// What a date field holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DateField {
    /// The day, if it is one.
    pub(super) day: Option<Date>,
    /// The rule that it breaks.
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

/// The rule of time that a day breaks.
pub(super) fn against(day: Date, today: Date) -> Option<Code> {
    if day <= today {
        None
    } else if today.tomorrow().is_ok_and(|tomorrow| day == tomorrow) {
        Some(Code::DateTomorrow)
    } else {
        Some(Code::DateFuture)
    }
}

/// Month, day, year and, after a day alone zero, hour, minute, second.
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
        // A day alone has no time to be padded.
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

/// What somebody meant who wrote a date in another form, if there is one way to read it.
pub(super) fn date_meant(field: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(field).ok().filter(|text| text.len() <= LONGEST)?.trim();
    let text = text.trim_matches(['"', '\'']);
    let groups: Vec<&str> = text.split(|c: char| !c.is_ascii_digit()).filter(|group| !group.is_empty()).collect();
    let separator = text.chars().find(|c| !c.is_ascii_digit());
    let [first, second, third, time @ ..] = groups.as_slice() else { return None };
    let (month, day, year) = match (first.len(), second.len(), third.len(), separator) {
        (4, 1..=2, 1..=2, _) => (*second, *third, (*first).to_owned()),
        (1..=2, 1..=2, 4, Some('.')) => (*second, *first, (*third).to_owned()),
        (1..=2, 1..=2, 4, _) => (*first, *second, (*third).to_owned()),
        (1..=2, 1..=2, 2, Some('/')) => (*first, *second, format!("20{third}")),
        _ => return None,
    };
    let mut right = format!("{month:0>2}/{day:0>2}/{year}");
    let is_real = |text: &str| read_date(text.as_bytes()).day.is_some();
    if !is_real(&right) {
        // The day before the month, as most of the world writes it.
        right = format!("{day:0>2}/{month:0>2}/{year}");
    }
    let right = match time {
        [] => right,
        [hour, minute] => format!("{right}/{hour:0>2}/{minute:0>2}/00"),
        [hour, minute, second, ..] => format!("{right}/{hour:0>2}/{minute:0>2}/{second:0>2}"),
        [_] => return None,
    };
    is_real(&right).then_some(right)
}

/// The different days of a file, as long as they are not too many.
#[derive(Debug, Default)]
pub(super) struct Days {
    /// In order.
    met: Vec<Date>,
    are_too_many: bool,
}

impl Days {
    /// Adds a day; whether it is the first that is one too many.
    pub(super) fn is_too_many_with(&mut self, day: Date) -> bool {
        if self.are_too_many {
            return false;
        }
        if let Err(place) = self.met.binary_search(&day) {
            self.met.insert(place, day);
        }
        self.are_too_many = self.met.len() > MOST_DAYS;
        self.are_too_many
    }
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
    fn other_forms_are_translated_where_they_mean_one_thing() {
        for (text, right) in [
            ("2026-11-20", Some("11/20/2026")),
            ("2026-11-20T14:05:09Z", Some("11/20/2026/14/05/09")),
            ("11/20/2026 14:05", Some("11/20/2026/14/05/00")),
            ("20.11.2026", Some("11/20/2026")),
            ("20/11/2026", Some("11/20/2026")),
            ("1/2/2026", Some("01/02/2026")),
            ("11/20/26", Some("11/20/2026")),
            ("\"11/20/2026\"", Some("11/20/2026")),
            (" 11/20/2026", Some("11/20/2026")),
            ("02/30/2026", None),
            ("20261120", None),
            ("20 Nov 2026", None),
            ("", None),
        ] {
            assert_eq!(date_meant(text.as_bytes()).as_deref(), right, "{text}");
        }
    }

    #[test]
    fn the_future_begins_the_day_after_tomorrow() {
        let today = date(2026, 12, 31);
        for (day, breaks) in [
            (today, None),
            (date(1999, 1, 1), None),
            (date(2027, 1, 1), Some(Code::DateTomorrow)),
            (date(2027, 1, 2), Some(Code::DateFuture)),
            (date(9999, 12, 31), Some(Code::DateFuture)),
        ] {
            assert_eq!(against(day, today), breaks, "{day}");
        }
    }

    #[test]
    fn ninety_days_are_as_many_as_there_may_be() {
        let mut days = Days::default();
        let mut day = date(2026, 6, 1);
        for _ in 0..90 {
            assert!(!days.is_too_many_with(day) && !days.is_too_many_with(day));
            day = day.yesterday().unwrap();
        }
        assert!(days.is_too_many_with(day));
        assert!(!days.is_too_many_with(day.yesterday().unwrap()), "it is reported once");
        assert_eq!(days.met.len(), 91);
    }
}
