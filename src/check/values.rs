//! The rules for the value of one field. Callers pass only suspicious values, so that correct ones cost nothing.

use super::code::Code;
use super::columns::Role;
use super::header::{Detail, Header, LONGEST_ROW, fields};
use super::numbers::{OddNumber, Oddity};
use super::report::{Findings, quoted};
use crate::job::{Line, counted};
use memchr::memchr_iter;
use std::ops::Range;

/// Reports a value that is too long for its column.
pub(super) fn too_long(
    header: &Header,
    index: usize,
    line: &Line<'_>,
    range: Range<usize>,
    field: &[u8],
    findings: &mut Findings,
) {
    // A row that is too long has its own finding with the same cause.
    if line.length > LONGEST_ROW {
        return;
    }
    let (Detail { label, too_long, .. }, most) = (&header.details[index], header.fields[index].longest);
    if *too_long == Code::TransactionIdTooLong {
        transaction_ids(line, range, field, findings);
        return;
    }
    findings.at((*too_long, index as u64), line, range, || {
        let length = field.len();
        let message = format!(
            "this value of {label} has {length} bytes, and Adobe may cut it after {most}: two values could become one"
        );
        (message, Some(format!("shorten it to {most} bytes; letters beyond ASCII take two to four")))
    });
}

/// Reports the name of a product that holds a separator of products in tags.
pub(super) fn delimiter(line: &Line<'_>, at: usize, field: &[u8], findings: &mut Findings) {
    findings.at(Code::ProductDelimiter, line, at..at + 1, || {
        let character = if line.bytes[at] == b',' { "a comma" } else { "a bar" };
        let message = format!("{} holds {character}, which may end the name of the product", quoted(field));
        (message, Some("write another character".to_owned()))
    });
}

fn transaction_ids(line: &Line<'_>, range: Range<usize>, field: &[u8], findings: &mut Findings) {
    findings.at(Code::TransactionIdTooLong, line, range, || {
        let count = memchr_iter(b',', field).count() + 1;
        let what = match count {
            1 => format!("this transaction ID has {} bytes; Adobe keeps up to 100", field.len()),
            _ => {
                format!("these {count} transaction IDs have {} bytes, and Adobe takes 100 of all together", field.len())
            }
        };
        let remedy = if count == 1 { "shorten it, here and on the site" } else { "put fewer of them into one row" };
        (what, Some(remedy.to_owned()))
    });
}

/// Reports a value in quotes. Returns false if a quote is still open at its end.
pub(super) fn quotes(line: &Line<'_>, range: &Range<usize>, field: &[u8], findings: &mut Findings) -> bool {
    let Some(inner) = field[1..].strip_suffix(b"\"") else { return !is_odd(field) };
    findings.at(Code::QuotedValue, line, range.clone(), || {
        let message = format!("{} is in quotes, which become a part of the value", quoted(field));
        let inner = String::from_utf8_lossy(inner).replace("\"\"", "\"");
        (message, Some(format!("write {}", quoted(inner.as_bytes()))))
    });
    true
}

/// Returns whether a quote is open at the end of the text.
pub(super) fn is_odd(field: &[u8]) -> bool {
    memchr_iter(b'"', field).count() % 2 == 1
}

/// Returns whether the last value of a row begins with a quote and does not close it.
pub(super) fn opens(row: &[u8]) -> bool {
    fields(row).last().is_some_and(|(_, field)| field.starts_with(b"\"") && is_odd(field))
}

/// Reports a value in quotes that a line break splits between this line and a neighbouring one.
pub(super) fn line_break(line: &Line<'_>, count: usize, expected: usize, findings: &mut Findings) {
    let range = if opens(line.bytes) {
        fields(line.bytes).last().map(|(range, _)| range).unwrap_or_default()
    } else {
        fields(line.bytes).next().map(|(range, _)| range).unwrap_or_default()
    };
    // This number differs from every number of fields.
    findings.at((Code::FieldCount, u64::MAX), line, range, || {
        let fields = counted(i64::try_from(count).unwrap_or(i64::MAX), "field");
        let message = format!(
            "a line break inside quotes cuts this row in two: it has {fields}, the header has {expected}: Adobe rejects \
             the whole file"
        );
        (message, Some("write the value in one line, without quotes".to_owned()))
    });
}

/// Reports a metric that is not a plain number.
pub(super) fn number(
    header: &Header,
    index: usize,
    line: &Line<'_>,
    range: Range<usize>,
    field: &[u8],
    findings: &mut Findings,
) {
    // Adobe skips rows with semicolons anyway.
    if field.contains(&b';') {
        return;
    }
    let (column, odd) = (header.fields[index], OddNumber::new(field));
    let code = if column.is_counter && odd.has(Oddity::Currency) {
        Code::CounterValue
    } else if column.role == Role::Price {
        Code::PriceFormat
    } else {
        Code::NumberFormat
    };
    let cause = if code == Code::CounterValue { counter_cause(index, true) } else { odd.cause() };
    findings.at((code, cause), line, range, || {
        let right = match &odd.right {
            Some(right) => format!("write `{right}`"),
            None if odd.has(Oddity::Exponent) => "write all digits of the number".to_owned(),
            None => "write digits and at most one point, such as `2` or `2.50`".to_owned(),
        };
        let what = if code == Code::CounterValue {
            format!("has a currency sign, but {} is a counter", header.details[index].label)
        } else {
            odd.words()
        };
        (format!("{} {what}", quoted(field)), Some(right))
    });
}

/// Reports a counter with a fraction.
pub(super) fn decimals(
    header: &Header,
    index: usize,
    line: &Line<'_>,
    range: Range<usize>,
    field: &[u8],
    findings: &mut Findings,
) {
    findings.at((Code::CounterValue, counter_cause(index, false)), line, range, || {
        let message = format!(
            "{} has decimals, but {} is a counter, which takes whole numbers",
            quoted(field),
            header.details[index].label
        );
        let text = String::from_utf8_lossy(field);
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let remedy = if fraction.bytes().all(|byte| byte == b'0') {
            format!("write `{whole}`")
        } else {
            "write a whole number, or use an event that takes decimals".to_owned()
        };
        (message, Some(remedy))
    });
}

fn counter_cause(index: usize, is_currency: bool) -> u64 {
    (index as u64) << 1 | u64::from(is_currency)
}
