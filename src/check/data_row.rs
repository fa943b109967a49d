//! The rules of the rows of data. This is where the time goes: what is in order costs a look at each byte, no more.

use super::code::Code;
use super::header::{Header, Role, fields};
use super::report::{Findings, Skipped, quoted};
use crate::job::Line;
use jiff::civil::{Date, Time};
use memchr::memchr;
use std::ops::Range;

/// The most bytes of one transaction ID.
const LONGEST_TRANSACTION_ID: usize = 100;

/// What the rows share.
#[derive(Debug)]
pub(super) struct Rows {
    pub(super) header: Header,
    pub(super) today: Date,
    pub(super) days: Days,
    /// The last date that was in order: most rows repeat the one before.
    pub(super) last_date: Vec<u8>,
}

/// What a row holds besides its date.
#[derive(Default)]
struct Holds {
    metric: bool,
    dimension: bool,
}

impl Rows {
    pub(super) fn new(header: Header, today: Date) -> Self {
        Self { header, today, days: Days::default(), last_date: Vec::new() }
    }

    /// Judges a row of data.
    pub(super) fn read(&mut self, line: &Line<'_>, findings: &mut Findings, skipped: &mut Skipped) {
        let row = line.bytes;
        let expected = self.header.roles.len();
        let count = memchr::memchr_iter(b'\t', row).count() + 1;
        if let Some(at) = memchr(b';', row) {
            skipped.add(line.number);
            findings.at(Code::Semicolon, line, at..at + 1, || {
                ("Adobe skips rows that contain a semicolon".to_owned(), Some("write another character".to_owned()))
            });
        }
        if count != expected {
            mismatch(line, count, expected, findings);
            return;
        }
        let mut holds = Holds::default();
        for (index, (range, field)) in fields(row).enumerate() {
            match self.header.roles[index] {
                Role::Date => self.date(line, range, field, findings),
                Role::Dimension => holds.dimension = holds.dimension || !field.trim_ascii().is_empty(),
                Role::TransactionId => {
                    holds.dimension = holds.dimension || !field.trim_ascii().is_empty();
                    transaction_id(line, &range, field, findings);
                }
                Role::Metric if field.is_empty() => {}
                Role::Metric => {
                    holds.metric = true;
                    if !is_number(field) {
                        number(line, range, field, findings);
                    }
                }
                Role::Unknown => {}
            }
        }
        if self.header.wants_metric && !holds.metric {
            findings.at(Code::RowWithoutMetric, line, 0..row.len(), || {
                let message = "all metrics of this row are empty: every row must have at least one";
                (message.to_owned(), Some("give the row a number, or leave it out".to_owned()))
            });
        }
        if self.header.wants_dimension && !holds.dimension {
            findings.at(Code::RowWithoutDimension, line, 0..row.len(), || {
                let message = "all dimensions of this row are empty: every row must have at least one";
                (message.to_owned(), Some("give the row a value in one of its dimensions".to_owned()))
            });
        }
    }

    fn date(&mut self, line: &Line<'_>, range: Range<usize>, field: &[u8], findings: &mut Findings) {
        if field == self.last_date.as_slice() && !field.is_empty() {
            return;
        }
        if field.trim_ascii().is_empty() {
            findings.at(Code::DateMissing, line, range, || {
                ("this row has no date: Adobe rejects the file".to_owned(), Some("fill in the date".to_owned()))
            });
            return;
        }
        let read = read_date(field);
        if let Some(code) = read.breaks {
            findings.at(code, line, range.clone(), || (wrong_date(code, field), better_date(field)));
        }
        let Some(day) = read.day else { return };
        let in_future = against(day, self.today);
        if let Some(code) = in_future {
            findings.at(code, line, range.clone(), || (wrong_date(code, field), None));
        }
        if self.days.is_too_many_with(day) {
            findings.at(Code::TooManyDays, line, range, || {
                let message = format!("{} is the 91st day in this file; Adobe takes up to 90", quoted(field));
                (message, Some("split the file by days".to_owned()))
            });
        }
        if read.breaks.is_none() && in_future.is_none() {
            self.last_date.clear();
            self.last_date.extend_from_slice(field);
        }
    }
}

fn mismatch(line: &Line<'_>, count: usize, expected: usize, findings: &mut Findings) {
    let row = line.bytes;
    // Where the first field too many begins, or where the next one is missing.
    let range = fields(row).nth(expected).map_or(row.len()..row.len(), |(range, _)| range.start..row.len());
    findings.at(Code::FieldCount, line, range, || {
        let fields = if count == 1 { "field" } else { "fields" };
        let message = format!("the row has {count} {fields}, the header has {expected}: Adobe rejects the whole file");
        let first = row.trim_ascii_start();
        let remedy = if first.starts_with(b"#") {
            "to make it a comment, begin the row with `#`, without anything before it".to_owned()
        } else if count == 1 && expected > 1 && first.contains(&b',') {
            "separate the values by tabs".to_owned()
        } else {
            let (verb, tabs) = (if count < expected { "add" } else { "remove" }, count.abs_diff(expected));
            format!("{verb} {tabs} {}", if tabs == 1 { "tab" } else { "tabs" })
        };
        (message, Some(remedy))
    });
}

fn wrong_date(code: Code, field: &[u8]) -> String {
    let field = quoted(field);
    if code == Code::DateNotPadded {
        format!("{field} lacks a zero: month, day and time have two digits each")
    } else if code == Code::DateImpossible {
        format!("{field} is no day of the calendar, or no time")
    } else if code == Code::DateFuture {
        format!("{field} lies in the future: Adobe takes current and past dates only")
    } else if code == Code::DateTomorrow {
        format!("{field} is tomorrow here; it must be today in the time zone of the report suite")
    } else {
        format!("{field} is not written MM/DD/YYYY or MM/DD/YYYY/HH/mm/SS")
    }
}

fn better_date(field: &[u8]) -> Option<String> {
    date_meant(field).map(|right| format!("write `{right}`"))
}

fn transaction_id(line: &Line<'_>, range: &Range<usize>, field: &[u8], findings: &mut Findings) {
    if field.len() <= LONGEST_TRANSACTION_ID {
        return;
    }
    let mut start = range.start;
    for id in field.split(|byte| *byte == b',') {
        if id.len() > LONGEST_TRANSACTION_ID {
            findings.at(Code::TransactionIdTooLong, line, start..start + id.len(), || {
                let message = format!("this transaction ID has {} bytes; Adobe keeps up to 100", id.len());
                (message, Some("shorten it, here and on the site".to_owned()))
            });
            return;
        }
        start += id.len() + 1;
    }
}

/// `2`, `2.50`, `-2`.
fn is_number(field: &[u8]) -> bool {
    let digits = field.strip_prefix(b"-").unwrap_or(field);
    let mut point = None;
    for (index, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => {}
            b'.' if point.is_none() && index > 0 => point = Some(index),
            _ => return false,
        }
    }
    !digits.is_empty() && point.is_none_or(|point| point + 1 < digits.len())
}

fn number(line: &Line<'_>, range: Range<usize>, field: &[u8], findings: &mut Findings) {
    // Rows with semicolons are lost anyway.
    if field.contains(&b';') {
        return;
    }
    findings.at(Code::NumberFormat, line, range, || {
        let right = better_number(field).map_or_else(
            || "write digits and at most one point, such as `2` or `2.50`".to_owned(),
            |right| format!("write `{right}`"),
        );
        (format!("{} is not a plain number", quoted(field)), Some(right))
    });
}

/// The number that is meant, where there is one way to read it.
fn better_number(field: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(field).ok().filter(|text| text.len() <= 32)?;
    let bare = text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '$' | '€' | '£' | '¥' | '"' | '+'));
    let (whole, fraction) = bare.split_once('.').unwrap_or((bare, ""));
    let groups: Vec<&str> = whole.split(',').collect();
    let is_grouped =
        groups.len() > 1 && groups[0].trim_start_matches('-').len() <= 3 && groups[1..].iter().all(|g| g.len() == 3);
    let right = if is_grouped {
        bare.replace(',', "")
    } else if groups.len() == 2 && fraction.is_empty() && groups[1].len() < 3 {
        // With one or two digits behind it, it is a decimal comma and nothing else.
        bare.replace(',', ".")
    } else {
        let (sign, digits) = bare.strip_prefix('-').map_or(("", bare), |digits| ("-", digits));
        match digits.strip_suffix('.') {
            Some(whole) => format!("{sign}{whole}"),
            None if digits.starts_with('.') => format!("{sign}0{digits}"),
            None => bare.to_owned(),
        }
    };
    is_number(right.as_bytes()).then_some(right)
}

// Dates as Adobe writes them: `MM/DD/YYYY` or `MM/DD/YYYY/HH/mm/SS`, in a zone that nobody names.

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
mod tests;
