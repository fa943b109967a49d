//! The rules for rows of data. Most of the time goes here, so a correct row costs only one look at each byte.

use super::code::Code;
use super::columns::Role;
use super::date_forms::{Form, meant};
use super::dates::{Calendar, is_other_time, read_date};
use super::header::{self, Header, MARK, fields};
use super::report::{Affected, Findings, Subject, quoted};
use super::values;
use crate::job::{DataDays, Decimal, Line, NotDecimal, SuiteFacts, Timestamp, counted};
use jiff::civil::Date;
use memchr::{memchr, memchr_iter, memchr2};
use std::ops::Range;

/// Maximum number of further headers that are read. Each costs more than a row.
const MOST_HEADERS: usize = 20;

/// Maximum number of columns that the summary of negative amounts names.
const NAMED: usize = 5;

/// "Data Sources supports up to 90 unique days in a file."
const MOST_DAYS: usize = 90;

/// The state that is kept from row to row.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    header: Header,
    calendar: Calendar,
    suite: Option<&'a SuiteFacts>,
    pub(super) days: DataDays,
    /// A date has a number above 12 after its first slash, so it writes the month first.
    is_month_first: bool,
    /// The latest day that has not begun.
    last_to_begin: Option<Date>,
    /// The last date, which most rows repeat, and the rules that it breaks.
    last_date: Vec<u8>,
    last_broken: Vec<Subject>,
    /// The index of its day.
    last_place: Option<usize>,
    /// The number of further headers so far.
    headers: usize,
    /// The ends of the fields in the current row.
    ends: Vec<usize>,
    /// Rows with negative amounts, and which columns have them.
    negative: Affected,
    has_negative: Vec<bool>,
    /// The number of fields so far, if a line break in quotes has cut the previous row.
    broken: Option<usize>,
}

impl<'a> Rows<'a> {
    pub(super) fn new(header: Header, calendar: Calendar, suite: Option<&'a SuiteFacts>) -> Self {
        let mut days = DataDays::default();
        Self {
            has_negative: vec![false; header.fields.len()],
            headers: 0,
            ends: Vec::new(),
            negative: Affected::default(),
            broken: None,
            header: with_totals(header, &mut days),
            calendar,
            suite,
            days,
            is_month_first: false,
            last_to_begin: None,
            last_date: Vec::new(),
            last_broken: Vec::new(),
            last_place: None,
        }
    }

    /// Adds the findings that only the whole file shows.
    pub(super) fn finish(&mut self, findings: &mut Findings) {
        self.sum_up_negative(findings);
        if findings.count(Code::DateDayFirst) == 0 {
            return;
        }
        if self.is_month_first {
            findings.add_words(Code::DateDayFirst, ", and other dates of the file the month before the day");
            return;
        }
        findings.add_words(Code::DateDayFirst, ", as has every date of the file that tells the two apart");
        // The dates were read with month and day swapped, so the other findings about them concern wrong days.
        for code in [Code::DateNotPadded, Code::DateFuture, Code::DateTomorrow, Code::DateOld, Code::TooManyDays] {
            findings.forget(code);
        }
        self.last_to_begin = None;
    }

    /// Returns when the latest day begins that had not begun.
    pub(super) fn all_begun_at(&self) -> Option<Timestamp> {
        self.calendar.begin_of(self.last_to_begin?)
    }

    /// Adds one finding for the whole file, because negative amounts are sometimes right.
    fn sum_up_negative(&self, findings: &mut Findings) {
        let Some(lines) = self.negative.in_words() else { return };
        let columns = self.header.details.iter().zip(&self.has_negative).filter(|(_, has_negative)| **has_negative);
        let columns: Vec<&str> = columns.map(|(column, _)| column.label.as_str()).take(NAMED).collect();
        let rows = counted(i64::try_from(self.negative.rows).unwrap_or(i64::MAX), "row");
        let message = format!("negative amounts in {rows} lower {} ({lines})", columns.join(", "));
        let remedy = "send them only to take back what was sent: occurrences and attribution change too";
        findings.of_file(Code::NegativeAmount, message, Some(remedy.to_owned()));
    }

    /// Judges a row of data. `is_unended` says that the file ends in it.
    pub(super) fn read(&mut self, line: &Line<'_>, is_unended: bool, findings: &mut Findings, skipped: &mut Affected) {
        // A correct row begins with a digit. Headers and byte order marks of joined files do not.
        if line.bytes.first().is_some_and(u8::is_ascii_digit) {
            self.row(line, is_unended, findings, skipped);
        } else if let Some(line) = self.without_join(line, findings) {
            self.row(&line, is_unended, findings, skipped);
        }
    }

    fn row(&mut self, line: &Line<'_>, is_unended: bool, findings: &mut Findings, skipped: &mut Affected) {
        let row = line.bytes;
        let expected = self.header.fields.len();
        self.ends.clear();
        find_tabs(row, &mut self.ends);
        self.ends.push(row.len());
        let count = self.ends.len();
        let semicolon = memchr(b';', row);
        if let Some(at) = semicolon {
            skipped.add(line.number);
            findings.at(Code::Semicolon, line, at..at + 1, || {
                ("Adobe skips rows that contain a semicolon".to_owned(), Some("write another character".to_owned()))
            });
        }
        if let Some(before) = self.broken.take()
            && self.ends_broken_value(before, line, count, findings)
        {
            return;
        }
        if count != expected {
            self.mismatch(line, count, is_unended, findings);
            return;
        }
        // Read the date first, wherever it is, because the other fields count for its day.
        let place = self.header.date.and_then(|at| {
            let range = at.checked_sub(1).map_or(0, |before| self.ends[before] + 1)..self.ends[at];
            self.date(line, range.clone(), &row[range], findings)
        });
        let mut totals = self.days.row_of(place);
        if semicolon.is_some() {
            totals = &mut [];
        }
        let (mut metric, mut dimension, mut price, mut product) = (false, false, false, false);
        let mut start = 0;
        for (index, (column, end)) in self.header.fields.iter().zip(&self.ends).enumerate() {
            let range = start..*end;
            let field = &row[range.clone()];
            start = range.end + 1;
            match column.role {
                Role::Dimension | Role::Product | Role::TransactionId => {
                    dimension = dimension || !field.trim_ascii().is_empty();
                    if field.len() > column.longest {
                        values::too_long(&self.header, index, line, range.clone(), field, findings);
                    }
                    if field.first() == Some(&b'"') && !values::quotes(line, &range, field, findings) {
                        // The value begins in the last field, and ends on a later line.
                        self.broken = (index + 1 == expected).then_some(expected);
                    }
                    if column.role == Role::Product {
                        product = product || !field.trim_ascii().is_empty();
                        if let Some(at) = memchr2(b',', b'|', field) {
                            values::delimiter(line, range.start + at, field, findings);
                        }
                    }
                }
                Role::Metric | Role::Price if field.is_empty() => {}
                Role::Metric | Role::Price => {
                    metric = true;
                    price |= column.role == Role::Price;
                    let (number, total) = (Decimal::read(field), totals.get_mut(column.total));
                    if number == Err(NotDecimal::Form) {
                        if let Some(total) = total {
                            total.left_out += 1;
                        }
                        values::number(&self.header, index, line, range, field, findings);
                        continue;
                    }
                    if column.is_counter && number.map_or_else(|_| field.contains(&b'.'), Decimal::has_decimals) {
                        values::decimals(&self.header, index, line, range, field, findings);
                    }
                    let is_negative = field[0] == b'-' && field.iter().any(|byte| matches!(byte, b'1'..=b'9'));
                    if is_negative {
                        self.negative.add(line.number);
                        self.has_negative[index] = true;
                    }
                    if let Some(total) = total {
                        total.add(number.ok());
                        total.negative += u64::from(is_negative);
                    }
                }
                Role::Date | Role::Unknown => {}
            }
        }
        if price && self.header.has_product && !product {
            findings.at(Code::PriceWithoutProduct, line, 0..row.len(), || {
                let message = "the row has a `Price`, but no `Product` to which the revenue could belong";
                (message.to_owned(), Some("name the product".to_owned()))
            });
        }
        if self.header.wants_metric && !metric {
            findings.at(Code::RowWithoutMetric, line, 0..row.len(), || {
                let message = "all metrics of this row are empty: every row must have at least one";
                (message.to_owned(), Some("give the row a number, or leave it out".to_owned()))
            });
        }
        if self.header.wants_dimension && !dimension {
            findings.at(Code::RowWithoutDimension, line, 0..row.len(), || {
                let message = "all dimensions of this row are empty: every row must have at least one";
                (message.to_owned(), Some("give the row a value in one of its dimensions".to_owned()))
            });
        }
    }

    /// Reports a row with another number of fields than the header.
    fn mismatch(&mut self, line: &Line<'_>, count: usize, is_unended: bool, findings: &mut Findings) {
        let (row, expected) = (line.bytes, self.header.fields.len());
        if count < expected && is_unended {
            cut_off(line, count, expected, findings);
        } else if count < expected && values::opens(row) {
            values::line_break(line, count, expected, findings);
            self.broken = Some(count);
        } else if count > expected
            && let Some(at) = self.header.join_in(row)
        {
            joined(line, at..row.len(), findings);
        } else {
            mismatch(line, count, expected, findings);
        }
    }

    /// Returns whether the line continues a value in quotes that a line break has cut. `before` is the number of fields
    /// so far.
    fn ends_broken_value(&mut self, before: usize, line: &Line<'_>, count: usize, findings: &mut Findings) -> bool {
        let first = fields(line.bytes).next().map(|(_, field)| field).unwrap_or_default();
        let is_end = values::is_odd(first) && before + count - 1 == self.header.fields.len();
        if is_end && before == self.header.fields.len() {
            values::line_break(line, count, before, findings);
        }
        // If the previous row had all of its fields, only the closing quote shows that a value was cut.
        let is_middle = count == 1 && !values::is_odd(first) && before < self.header.fields.len();
        if is_middle {
            self.broken = Some(before);
        }
        is_end || is_middle
    }

    /// Returns the row, without the byte order mark of a second file. `None` if it is a second header.
    fn without_join<'l>(&mut self, line: &Line<'l>, findings: &mut Findings) -> Option<Line<'l>> {
        let bytes = line.bytes.strip_prefix(MARK).unwrap_or(line.bytes);
        let row = Line { bytes, length: bytes.len() as u64, ..*line };
        let first = fields(bytes).next().map(|(_, field)| field).unwrap_or_default();
        let is_header = first.trim_ascii().eq_ignore_ascii_case(b"date");
        if is_header || bytes.len() < line.bytes.len() {
            joined(line, 0..line.bytes.len(), findings);
        }
        self.headers += usize::from(is_header);
        if is_header
            && self.headers <= MOST_HEADERS
            && let Some(header) = header::read(&row, self.suite, &mut Findings::new(0))
        {
            // The rows below a second header belong to that header.
            self.has_negative = vec![false; header.fields.len()];
            self.header = with_totals(header, &mut self.days);
        }
        (!is_header).then_some(row)
    }

    /// Judges a date. Returns the index of its day.
    fn date(&mut self, line: &Line<'_>, range: Range<usize>, field: &[u8], findings: &mut Findings) -> Option<usize> {
        if field == self.last_date.as_slice() && !field.is_empty() {
            for subject in &self.last_broken {
                findings.again(*subject, line);
            }
            return self.last_place;
        }
        if self.last_broken.is_empty() && is_other_time(field, &self.last_date) {
            return self.last_place;
        }
        if field.trim_ascii().is_empty() {
            findings.at(Code::DateMissing, line, range, || {
                ("this row has no date: Adobe rejects the file".to_owned(), Some("fill in the date".to_owned()))
            });
            return None;
        }
        self.last_date.clear();
        self.last_date.extend_from_slice(field);
        self.last_broken.clear();
        self.last_place = None;
        let read = read_date(field);
        if let Some(code) = read.breaks {
            self.last_broken.push(wrong_date(code, line, &range, field, findings));
        }
        let day = read.day?;
        self.is_month_first |= day.day() > 12;
        let breaks = self.calendar.broken_by(day);
        if let Some(code) = breaks {
            // All old days share one cause, however many there are.
            let subject = Subject::from((code, if code == Code::DateOld { 0 } else { number_of(day) }));
            self.last_broken.push(subject);
            findings.at(subject, line, range.clone(), || {
                let remedy = "correct the date, or send the row when its day has begun".to_owned();
                let message = format!("{} {}", quoted(field), self.calendar.words(code, day));
                (message, (code == Code::DateFuture).then_some(remedy))
            });
        }
        if breaks == Some(Code::DateFuture) {
            self.last_to_begin = self.last_to_begin.max(Some(day));
        }
        let before = self.days.all().len();
        self.last_place = self.days.enter(day);
        if before == MOST_DAYS && self.days.all().len() > MOST_DAYS {
            findings.at(Code::TooManyDays, line, range, || {
                let message = format!("{} is the 91st day in this file; Adobe takes up to 90", quoted(field));
                (message, Some("split the file by days".to_owned()))
            });
        }
        self.last_place
    }
}

/// Sets the index of each metric's total in a header.
fn with_totals(mut header: Header, days: &mut DataDays) -> Header {
    for (field, detail) in header.fields.iter_mut().zip(&header.details) {
        days.enter_column(&detail.name);
        if let Some(metric) = &detail.metric {
            field.total = days.place_of(metric);
        }
    }
    header
}

/// Finds the tabs of a row. Values are short, so reading eight bytes at once is faster than one search per tab.
pub(super) fn find_tabs(row: &[u8], places: &mut Vec<usize>) {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const LOW: u64 = ONES * 0x7f;
    let (words, rest) = row.as_chunks();
    for (index, word) in words.iter().enumerate() {
        let unlike = u64::from_le_bytes(*word) ^ (ONES * u64::from(b'\t'));
        // The highest bit is set in each byte that is a tab.
        let mut tabs = !(((unlike & LOW) + LOW) | unlike | LOW);
        while tabs != 0 {
            places.push(index * 8 + tabs.trailing_zeros() as usize / 8);
            tabs &= tabs - 1;
        }
    }
    let start = row.len() - rest.len();
    places.extend(memchr_iter(b'\t', rest).map(|at| start + at));
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
    // The place of the first extra field, or of the first missing one.
    let range = fields(row).nth(expected).map_or(row.len()..row.len(), |(range, _)| range.start..row.len());
    let are_empty = count > expected && range.len() == count - expected - 1;
    findings.at((Code::FieldCount, (count as u64) << 1 | u64::from(are_empty)), line, range, || {
        let tabs = |count: usize| format!("{count} {}", if count == 1 { "tab" } else { "tabs" });
        let fields = if count == 1 { "field" } else { "fields" };
        let blank = if are_empty { format!(", as it ends with {}", tabs(count - expected)) } else { String::new() };
        let message =
            format!("the row has {count} {fields}, the header has {expected}{blank}: Adobe rejects the whole file");
        let first = row.trim_ascii_start();
        let remedy = if first.starts_with(b"#") {
            "to make it a comment, begin the row with `#`, without anything before it".to_owned()
        } else if count == 1 && expected > 1 && first.contains(&b',') {
            "separate the values by tabs".to_owned()
        } else {
            let verb = if count < expected { "add" } else { "remove" };
            format!("{verb} {}", tabs(count.abs_diff(expected)))
        };
        (message, Some(remedy))
    });
}

fn wrong_date(code: Code, line: &Line<'_>, range: &Range<usize>, field: &[u8], findings: &mut Findings) -> Subject {
    let meant = meant(field);
    let code = if meant.form == Form::DayFirst { Code::DateDayFirst } else { code };
    // Each form is a cause.
    let subject = Subject::from((code, meant.form as u64));
    findings.at(subject, line, range.clone(), || {
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
    subject
}

/// A unique number for each day.
fn number_of(day: Date) -> u64 {
    [day.year().into(), i64::from(day.month()), i64::from(day.day())]
        .iter()
        .fold(0, |number, part| number * 100 + part.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_tab_of_a_row_is_found(row in proptest::collection::vec(prop_oneof![Just(b'\t'), 7..12u8, any::<u8>()], 0..60)) {
            let mut places = Vec::new();
            find_tabs(&row, &mut places);
            prop_assert_eq!(places, memchr_iter(b'\t', &row).collect::<Vec<_>>());
        }
    }
}
