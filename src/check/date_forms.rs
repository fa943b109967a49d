//! Dates in the forms of spreadsheets and ERP systems, with their translation to Adobe's form.

use super::dates::read_date;
use jiff::Span;
use jiff::civil::{Date, date};

/// Maximum length of a text that can be a date.
const LONGEST: usize = 40;

/// Day 0 of spreadsheets, for dates from March 1900 on. They count a 29 February 1900, which did not exist.
const DAY_ZERO: Date = date(1899, 12, 30);

/// Serial numbers that a spreadsheet shows as days of the years 2000 to 2099.
const SERIALS: std::ops::RangeInclusive<i32> = 36_526..=73_050;

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];

/// The form of a date that is not Adobe's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// `20261120`
    OneNumber,
    /// `46346`
    Serial,
    /// `20-Nov-2026`
    MonthName,
    /// `2026-11-20`
    YearFirst,
    /// `20/11/2026`
    DayFirst,
    /// `20.11.2026`
    Points,
    /// `11-20-2026`
    Dashes,
    /// `11/20/26`
    ShortYear,
    /// `11/20/2026 14:05`
    Time,
    /// `"11/20/2026"`
    Quotes,
    /// ` 11/20/2026`
    WhiteSpace,
    Other,
}

impl Form {
    /// Describes the form, as the continuation of the text.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::OneNumber => "is year, month and day in one number",
            Self::Serial => "is the serial number by which a spreadsheet stores a day",
            Self::MonthName => "has the name of the month",
            Self::YearFirst => "begins with the year",
            Self::DayFirst => "has the day before the month",
            Self::Points => "has points between day, month and year",
            Self::Dashes => "has dashes between month, day and year",
            Self::ShortYear => "has two digits for the year",
            Self::Time => "has a time in another form",
            Self::Quotes => "is in quotes, which become a part of the date",
            Self::WhiteSpace => "has white space around the date",
            Self::Other => "is no date that Adobe reads",
        }
    }
}

/// A date in another form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Meant {
    pub(super) form: Form,
    /// The date in Adobe's form, if only one reading is possible.
    pub(super) right: Option<String>,
    /// How certain that reading is.
    pub(super) order: Order,
}

/// What shows which number of a date is which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// The text itself: the year comes first, or the month has its name.
    Text,
    /// The other dates of the file, because month and day are two numbers before the year.
    File {
        /// The separator between the numbers: `/`, `-` or `.`.
        separator: char,
        /// Month and day, in either order.
        pair: [u8; 2],
        /// A time follows that is not in Adobe's form, so the date may be in another form too.
        is_timed: bool,
    },
    /// Nothing. The text lacks the century, the time zone or the first day of the spreadsheet.
    Nothing,
}

/// Which of month and day comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum First {
    Month,
    Day,
}

/// Reads a field that `read_date` cannot read.
pub(super) fn meant(field: &[u8]) -> Meant {
    let text = std::str::from_utf8(field).ok().filter(|text| text.len() <= LONGEST);
    let Some(text) = text else { return Meant { form: Form::Other, right: None, order: Order::Nothing } };
    let bare = bare(text);
    let found = in_one_number(bare).or_else(|| in_parts(bare, None));
    let form = match &found {
        None => Form::Other,
        Some(_) if text.contains(['"', '\'']) => Form::Quotes,
        Some((Form::Other, ..)) if bare.len() < text.len() => Form::WhiteSpace,
        Some((form, ..)) => *form,
    };
    match found {
        Some((_, right, order)) => Meant { form, right: Some(right), order },
        None => Meant { form, right: None, order: Order::Nothing },
    }
}

/// Returns the date of [`Order::File`] in Adobe's form, after the file has shown which number comes first.
pub(super) fn meant_with(field: &[u8], first: First) -> Option<String> {
    let text = std::str::from_utf8(field).ok().filter(|text| text.len() <= LONGEST)?;
    in_parts(bare(text), Some(first)).map(|(_, right, _)| right)
}

/// Returns a text without white space and quotes around it.
fn bare(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\''))
}

/// `20261120`, `20261120140500`, `46346`, `46346.58`.
fn in_one_number(text: &str) -> Option<(Form, String, Order)> {
    let (whole, fraction) = text.split_once('.').map_or((text, None), |(whole, fraction)| (whole, Some(fraction)));
    let are_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !are_digits(whole) || !fraction.is_none_or(are_digits) {
        return None;
    }
    if whole.len() == 5 {
        let days = whole.parse().ok().filter(|days| SERIALS.contains(days))?;
        let day = DAY_ZERO.checked_add(Span::new().days(days)).ok()?;
        let day = format!("{:02}/{:02}/{}", day.month(), day.day(), day.year());
        let right = match fraction {
            Some(fraction) if fraction.bytes().any(|byte| byte != b'0') => format!("{day}/{}", time_of(fraction)?),
            Some(_) | None => day,
        };
        return Some((Form::Serial, right, Order::Nothing));
    }
    let digits = |range: std::ops::Range<usize>| whole.get(range);
    let (year, month, day) = (digits(0..4)?, digits(4..6)?, digits(6..8)?);
    let right = match (whole.len(), fraction) {
        (8, None) => format!("{month}/{day}/{year}"),
        (14, None) => format!("{month}/{day}/{year}/{}/{}/{}", &whole[8..10], &whole[10..12], &whole[12..14]),
        _ => return None,
    };
    is_date(&right).then_some((Form::OneNumber, right, Order::Text))
}

/// Converts the fraction of a day to a time.
fn time_of(fraction: &str) -> Option<String> {
    let parts = fraction.get(..9).unwrap_or(fraction);
    let scale = 10u64.pow(u32::try_from(parts.len()).ok()?);
    let seconds = ((parts.parse::<u64>().ok()? * 86_400 + scale / 2) / scale).min(86_399);
    Some(format!("{:02}/{:02}/{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60))
}

/// Reads day, month and year in any order, with an optional time. `first_is` says which number comes first, if the text
/// does not show it.
fn in_parts(text: &str, first_is: Option<First>) -> Option<(Form, String, Order)> {
    let mut numbers: Vec<&str> = Vec::new();
    let (mut month_name, mut half) = (None, None);
    let mut rest = text;
    let mut behind_date = None;
    while let Some(first) = rest.chars().next() {
        let kind = |c: char| (c.is_ascii_digit(), c.is_alphabetic());
        let end = rest.find(|c| kind(c) != kind(first)).unwrap_or(rest.len());
        let (part, behind) = rest.split_at(end);
        rest = behind;
        if first.is_ascii_digit() {
            numbers.push(part);
        } else if first.is_alphabetic() {
            let word = part.to_lowercase();
            match word.as_str() {
                "t" | "z" => {}
                "am" | "pm" => half = Some(word == "pm"),
                _ if word.len() >= 3 && month_name.is_none() && numbers.len() < 2 => {
                    let month = MONTHS.iter().position(|month| month.starts_with(&word))? + 1;
                    month_name = Some((month.to_string(), numbers.len()));
                }
                _ => return None,
            }
        }
        if behind_date.is_none() && numbers.len() + usize::from(month_name.is_some()) == 3 {
            behind_date = Some(rest);
        }
    }
    let separator = text.chars().find(|c| !c.is_ascii_digit());
    if let Some((month, before)) = &month_name {
        numbers.insert(*before, month);
    }
    let [first, second, third, time @ ..] = numbers.as_slice() else { return None };
    let has_other_time =
        !time.is_empty() && (time.len() != 3 || text.contains(|c: char| c != '/' && !c.is_ascii_digit()));
    let (form, month, day, year) = match (first.len(), second.len(), third.len(), separator) {
        (4, 1..=2, 1..=2, _) => (Form::YearFirst, *second, *third, *first),
        (1..=2, 1..=2, 2 | 4, _) if month_name.is_some() => {
            let is_second = month_name.as_ref().is_some_and(|(_, before)| *before == 1);
            let (month, day) = if is_second { (*second, *first) } else { (*first, *second) };
            (Form::MonthName, month, day, *third)
        }
        (1..=2, 1..=2, 4, Some('.')) => (Form::Points, *second, *first, *third),
        (1..=2, 1..=2, 4, Some('-')) => (Form::Dashes, *first, *second, *third),
        (1..=2, 1..=2, 4, _) => (if has_other_time { Form::Time } else { Form::Other }, *first, *second, *third),
        (1..=2, 1..=2, 2, Some('/')) => (Form::ShortYear, *first, *second, *third),
        _ => return None,
    };
    let form = if month_name.is_some() { Form::MonthName } else { form };
    let is_by_file = month_name.is_none() && third.len() == 4;
    let (month, day) = match first_is.filter(|_| is_by_file) {
        Some(First::Month) => (*first, *second),
        Some(First::Day) => (*second, *first),
        None => (month, day),
    };
    let century = if year.len() == 2 { "20" } else { "" };
    let (mut form, mut right) = (form, format!("{month:0>2}/{day:0>2}/{century}{year}"));
    let is_swapped = !is_date(&right) && month_name.is_none() && first_is.is_none();
    if is_swapped {
        // The day is written before the month, as in most of the world.
        right = format!("{day:0>2}/{month:0>2}/{century}{year}");
        form = if matches!(form, Form::Other) { Form::DayFirst } else { form };
    }
    let time = match time {
        [] => None,
        [hour, minute, rest @ ..] => Some((hour_of(hour, half)?, *minute, rest.first().copied().unwrap_or("00"))),
        [_] => return None,
    };
    if let Some((hour, minute, second)) = time {
        right = format!("{right}/{hour:02}/{minute:0>2}/{second:0>2}");
    }
    let order = if !is_time(behind_date.unwrap_or_default()) || century.len() == 2 {
        Order::Nothing
    } else if is_by_file {
        let pair = [first.parse().ok()?, second.parse().ok()?];
        match separator.filter(|separator| matches!(separator, '/' | '-' | '.')) {
            Some(separator) => Order::File { separator, pair, is_timed: has_other_time },
            None => Order::Nothing,
        }
    } else if is_swapped {
        Order::Nothing
    } else {
        Order::Text
    };
    is_date(&right).then_some((form, right, order))
}

/// Returns whether the rest after a date is empty or a complete time. A complete time has no zone, and may lack only
/// fractions.
fn is_time(text: &str) -> bool {
    if text.is_empty() {
        return true;
    }
    let lower = text.to_ascii_lowercase();
    let text = lower.strip_suffix("am").or(lower.strip_suffix("pm")).unwrap_or(&lower).trim_end();
    let are_digits =
        |text: &str, most: usize| (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let Some(clock) = text.strip_prefix(['t', ' ', '/']) else { return false };
    let parts: Vec<&str> = clock.trim_start().splitn(3, [':', '/']).collect();
    match parts.as_slice() {
        [hour, minute] => are_digits(hour, 2) && are_digits(minute, 2),
        [hour, minute, second] => {
            let (second, fraction) = second.split_once('.').unwrap_or((second, "0"));
            are_digits(hour, 2) && are_digits(minute, 2) && are_digits(second, 2) && are_digits(fraction, 9)
        }
        [..] => false,
    }
}

/// Returns an hour of 24. `half` says whether `pm` follows.
fn hour_of(hour: &str, half: Option<bool>) -> Option<u32> {
    let hour: u32 = hour.parse().ok()?;
    Some(half.map_or(hour, |is_pm| hour % 12 + if is_pm { 12 } else { 0 }))
}

fn is_date(text: &str) -> bool {
    read_date(text.as_bytes()).day.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_forms_are_named_and_translated_where_they_mean_one_thing() {
        for (text, form, right) in [
            ("20261120", Form::OneNumber, Some("11/20/2026")),
            ("20261120140509", Form::OneNumber, Some("11/20/2026/14/05/09")),
            ("46346", Form::Serial, Some("11/20/2026")),
            ("46346.0", Form::Serial, Some("11/20/2026")),
            ("46346.5", Form::Serial, Some("11/20/2026/12/00/00")),
            ("46346.586863425925", Form::Serial, Some("11/20/2026/14/05/05")),
            ("46346.99999999999", Form::Serial, Some("11/20/2026/23/59/59")),
            ("36526", Form::Serial, Some("01/01/2000")),
            ("36525", Form::Other, None),
            ("20-Nov-2026", Form::MonthName, Some("11/20/2026")),
            ("20-NOV-26", Form::MonthName, Some("11/20/2026")),
            ("20 November 2026 14:05", Form::MonthName, Some("11/20/2026/14/05/00")),
            ("Nov 2, 2026", Form::MonthName, Some("11/02/2026")),
            ("2026-Sept-20", Form::MonthName, Some("09/20/2026")),
            ("20-Now-2026", Form::Other, None),
            ("2026-11-20", Form::YearFirst, Some("11/20/2026")),
            ("2026/11/20", Form::YearFirst, Some("11/20/2026")),
            ("2026-11-20T14:05:09Z", Form::YearFirst, Some("11/20/2026/14/05/09")),
            ("2026-11-20 14:05:09.123+01:00", Form::YearFirst, Some("11/20/2026/14/05/09")),
            ("20/11/2026", Form::DayFirst, Some("11/20/2026")),
            ("20/11/2026/14/05/00", Form::DayFirst, Some("11/20/2026/14/05/00")),
            ("11/20/2026/14/05", Form::Time, Some("11/20/2026/14/05/00")),
            ("11/20/2026 14:05", Form::Time, Some("11/20/2026/14/05/00")),
            ("11/20/2026 2:05 PM", Form::Time, Some("11/20/2026/14/05/00")),
            ("11/20/2026 12:05:09 am", Form::Time, Some("11/20/2026/00/05/09")),
            ("20/11/2026 14:05", Form::Time, Some("11/20/2026/14/05/00")),
            ("20.11.2026", Form::Points, Some("11/20/2026")),
            ("11-20-2026", Form::Dashes, Some("11/20/2026")),
            ("20-11-2026", Form::Dashes, Some("11/20/2026")),
            ("1/2/2026", Form::Other, Some("01/02/2026")),
            ("11/20/26", Form::ShortYear, Some("11/20/2026")),
            ("\"11/20/2026\"", Form::Quotes, Some("11/20/2026")),
            ("'2026-11-20", Form::Quotes, Some("11/20/2026")),
            (" 11/20/2026", Form::WhiteSpace, Some("11/20/2026")),
            ("11/20/2026\u{a0}", Form::WhiteSpace, Some("11/20/2026")),
            ("02/30/2026", Form::Other, None),
            ("20261320", Form::Other, None),
            ("2026", Form::Other, None),
            ("1795429838", Form::Other, None),
            ("yesterday", Form::Other, None),
            ("", Form::Other, None),
        ] {
            let found = meant(text.as_bytes());
            assert_eq!((found.form, found.right.as_deref()), (form, right), "{text}");
        }
        assert_eq!(meant(b"\xff").form, Form::Other);
    }

    #[test]
    fn a_form_says_what_tells_month_and_day_apart() {
        let by_file = |separator, pair, is_timed| Order::File { separator, pair, is_timed };
        for (text, order) in [
            ("2026-11-20", Order::Text),
            ("2026/11/20 14:05", Order::Text),
            ("2026-11-20T14:05:09.123", Order::Text),
            ("20261120", Order::Text),
            ("20-Nov-2026", Order::Text),
            ("20 November 2026 2:05 PM", Order::Text),
            ("\"2026-11-20\"", Order::Text),
            ("2026-20-11", Order::Nothing),
            ("2026-11-20T14:05:09Z", Order::Nothing),
            ("2026-11-20 14:05:09+01:00", Order::Nothing),
            ("2026-11-20 14:05-05:00", Order::Nothing),
            ("20-Nov-26", Order::Nothing),
            ("11/20/26", Order::Nothing),
            ("46346", Order::Nothing),
            ("11 20 2026", Order::Nothing),
            ("1/2/2026", by_file('/', [1, 2], false)),
            (" 11/20/2026", by_file('/', [11, 20], false)),
            ("20/11/2026/14/05/00", by_file('/', [20, 11], false)),
            ("11/20/2026 14:05", by_file('/', [11, 20], true)),
            ("20.11.2026", by_file('.', [20, 11], false)),
            ("02-11-2026", by_file('-', [2, 11], false)),
        ] {
            assert_eq!(meant(text.as_bytes()).order, order, "{text}");
        }
        for (text, month_first, day_first) in [
            ("05/11/2026", Some("05/11/2026"), Some("11/05/2026")),
            ("5.11.2026 8:30", Some("05/11/2026/08/30/00"), Some("11/05/2026/08/30/00")),
            ("20-11-2026", None, Some("11/20/2026")),
            ("2026-11-20", Some("11/20/2026"), Some("11/20/2026")),
        ] {
            assert_eq!(meant_with(text.as_bytes(), First::Month).as_deref(), month_first, "{text}");
            assert_eq!(meant_with(text.as_bytes(), First::Day).as_deref(), day_first, "{text}");
        }
    }
}
