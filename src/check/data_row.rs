//! The rules of the rows of data. This is where the time goes: what is in order costs a look at each byte, no more.

use super::code::Code;
use super::date_forms::{Form, meant};
use super::dates::{Calendar, DataDays, read_date};
use super::header::{self, Header, MARK, Role, fields};
use super::report::{Affected, Findings, quoted};
use crate::job::{Line, Timestamp};
use jiff::civil::Date;
use memchr::memchr;
use std::ops::Range;

/// The most bytes of one transaction ID.
const LONGEST_TRANSACTION_ID: usize = 100;

/// What the rows share.
#[derive(Debug)]
pub(super) struct Rows {
    header: Header,
    calendar: Calendar,
    pub(super) days: DataDays,
    /// A date has a number that is no month after its first slash.
    is_month_first: bool,
    /// The last of the days that have not begun.
    last_to_begin: Option<Date>,
    /// The last date that was in order: most rows repeat the one before.
    last_date: Vec<u8>,
}

/// What a row holds in addition to its date.
#[derive(Default)]
struct Holds {
    metric: bool,
    dimension: bool,
}

impl Rows {
    pub(super) fn new(header: Header, calendar: Calendar) -> Self {
        Self {
            header,
            calendar,
            days: DataDays::default(),
            is_month_first: false,
            last_to_begin: None,
            last_date: Vec::new(),
        }
    }

    /// What only the whole file shows.
    pub(super) fn finish(&mut self, findings: &mut Findings) {
        if findings.count(Code::DateDayFirst) == 0 {
            return;
        }
        if self.is_month_first {
            findings.add_words(Code::DateDayFirst, ", and other dates of the file the month before the day");
            return;
        }
        findings.add_words(Code::DateDayFirst, ", as has every date of the file that tells the two apart");
        // Whatever else was found of its dates was found of other days.
        for code in [Code::DateNotPadded, Code::DateFuture, Code::DateTomorrow, Code::DateOld, Code::TooManyDays] {
            findings.forget(code);
        }
        self.last_to_begin = None;
    }

    /// When all days have begun that had not.
    pub(super) fn all_begun_at(&self) -> Option<Timestamp> {
        self.calendar.begin_of(self.last_to_begin?)
    }

    /// Judges a row of data. `is_unended`: the file ends in it.
    pub(super) fn read(&mut self, line: &Line<'_>, is_unended: bool, findings: &mut Findings, skipped: &mut Affected) {
        // A row begins with a digit. What joins files does not.
        let line = &if line.bytes.first().is_some_and(u8::is_ascii_digit) {
            *line
        } else {
            match self.without_join(line, findings) {
                Some(line) => line,
                None => return,
            }
        };
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
            if count > expected
                && let Some(at) = self.header.join_in(row)
            {
                joined(line, at..row.len(), findings);
            } else if count < expected && is_unended {
                cut_off(line, count, expected, findings);
            } else {
                mismatch(line, count, expected, findings);
            }
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

    /// The row itself, if it is one: neither a second header nor the byte order mark of a second file.
    fn without_join<'l>(&mut self, line: &Line<'l>, findings: &mut Findings) -> Option<Line<'l>> {
        let bytes = line.bytes.strip_prefix(MARK).unwrap_or(line.bytes);
        let row = Line { bytes, length: bytes.len() as u64, ..*line };
        let first = fields(bytes).next().map(|(_, field)| field).unwrap_or_default();
        let is_header = first.trim_ascii().eq_ignore_ascii_case(b"date");
        if is_header || bytes.len() < line.bytes.len() {
            joined(line, 0..line.bytes.len(), findings);
        }
        if is_header && let Some(header) = header::read(&row, &mut Findings::new(0)) {
            // The rows below it are those of its own file.
            self.header = header;
        }
        (!is_header).then_some(row)
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
            wrong_date(code, line, &range, field, findings);
        }
        let Some(day) = read.day else { return };
        self.is_month_first |= day.day() > 12;
        let breaks = self.calendar.broken_by(day);
        if let Some(code) = breaks {
            // Days that are old are old for one cause, however many there are.
            let cause = if code == Code::DateOld { 0 } else { number_of(day) };
            findings.at((code, cause), line, range.clone(), || {
                (format!("{} {}", quoted(field), self.calendar.words(code, day)), None)
            });
        }
        if breaks == Some(Code::DateFuture) {
            self.last_to_begin = self.last_to_begin.max(Some(day));
        }
        if self.days.is_too_many_with(day) {
            findings.at(Code::TooManyDays, line, range, || {
                let message = format!("{} is the 91st day in this file; Adobe takes up to 90", quoted(field));
                (message, Some("split the file by days".to_owned()))
            });
        }
        if read.breaks.is_none() && breaks.is_none() {
            self.last_date.clear();
            self.last_date.extend_from_slice(field);
        }
    }
}

fn joined(line: &Line<'_>, range: Range<usize>, findings: &mut Findings) {
    findings.at(Code::JoinedFiles, line, range, || {
        let message = "a second file begins here, with a header or a byte order mark of its own";
        (message.to_owned(), Some("send the files one by one, or leave out what stands here".to_owned()))
    });
}

fn cut_off(line: &Line<'_>, count: usize, expected: usize, findings: &mut Findings) {
    let end = line.bytes.len();
    findings.at(Code::CutOff, line, end..end, || {
        let fields = if count == 1 { "field" } else { "fields" };
        let message =
            format!("the file breaks off here: its last row has {count} {fields} of {expected}, and no line end");
        (message, Some("copy the file again, or let its writer finish it".to_owned()))
    });
}

fn mismatch(line: &Line<'_>, count: usize, expected: usize, findings: &mut Findings) {
    let row = line.bytes;
    // Where the first field too many begins, or where the next one is missing.
    let range = fields(row).nth(expected).map_or(row.len()..row.len(), |(range, _)| range.start..row.len());
    findings.at((Code::FieldCount, count as u64), line, range, || {
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

fn wrong_date(code: Code, line: &Line<'_>, range: &Range<usize>, field: &[u8], findings: &mut Findings) {
    let meant = meant(field);
    let code = if meant.form == Form::DayFirst { Code::DateDayFirst } else { code };
    // Each form is a cause of its own.
    findings.at((code, meant.form as u64), line, range.clone(), || {
        let what = if code == Code::DateNotPadded {
            "lacks a zero: month, day and time have two digits each".to_owned()
        } else if code == Code::DateImpossible {
            "is no day of the calendar, or no time".to_owned()
        } else if code == Code::DateDayFirst {
            meant.form.words().to_owned()
        } else {
            format!("{}: Adobe takes MM/DD/YYYY or MM/DD/YYYY/HH/mm/SS", meant.form.words())
        };
        (format!("{} {what}", quoted(field)), meant.right.map(|right| format!("write `{right}`")))
    });
}

/// A number that no other day has.
fn number_of(day: Date) -> u64 {
    [day.year().into(), i64::from(day.month()), i64::from(day.day())]
        .iter()
        .fold(0, |number, part| number * 100 + part.unsigned_abs())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_plain_or_told_how_to_be() {
        for number in ["0", "2", "2.50", "-2", "-0.5", "007", "123456789012345678901234567890"] {
            assert!(is_number(number.as_bytes()), "{number}");
        }
        for (text, right) in [
            ("1,234.50", Some("1234.50")),
            ("1,234,567", Some("1234567")),
            ("$7", Some("7")),
            ("59.90 €", Some("59.90")),
            ("+5", Some("5")),
            (" 5", Some("5")),
            ("5.", Some("5")),
            (".5", Some("0.5")),
            ("-.5", Some("-0.5")),
            ("1,5", Some("1.5")),
            ("\"3\"", Some("3")),
            ("1.234,50", None),
            ("1234,567", None),
            ("12%", None),
            ("1e5", None),
            ("(5)", None),
            ("-", None),
            ("--5", None),
            ("1.2.3", None),
            ("n/a", None),
            (".", None),
        ] {
            assert!(!is_number(text.as_bytes()), "{text}");
            assert_eq!(better_number(text.as_bytes()).as_deref(), right, "{text}");
        }
    }
}
