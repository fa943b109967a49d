//! Walks through the lines of a file: finds the header, the rows that can be judged by it, and other separators.

use super::super::code::Code;
use super::super::columns::column;
use super::super::data_row::find_tabs;
use super::super::header::{self, Header, MARK, fields};
use super::super::report::Findings;
use crate::job::{Line, LineEnd, SuiteFacts};
use std::borrow::Cow;
use std::ops::Range;

/// How far the walk has come in the file.
#[derive(Debug)]
enum Stage {
    BeforeHeader,
    Rows(Box<Header>),
    /// The rest cannot be judged, because there is no header, or a second file begins.
    Off,
}

/// Walks through the lines of a file.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    suite: Option<&'a SuiteFacts>,
    is_unsafe: bool,
    stage: Stage,
    /// The separator of the columns, if it is not a tab.
    pub(super) delimiter: Option<u8>,
    /// The ends of the fields in the current row.
    ends: Vec<usize>,
}

/// The kind of a row.
#[derive(Debug)]
pub(super) enum Row<'w> {
    /// The header, with its renamed columns.
    Header(Vec<Renamed>),
    /// A row with the same number of fields as the header.
    Fields(&'w Header, &'w [usize]),
    /// Any other row, which stays unchanged.
    Other,
}

/// A column whose name Adobe writes differently.
#[derive(Debug)]
pub(super) struct Renamed {
    pub(super) index: usize,
    pub(super) range: Range<usize>,
    pub(super) right: String,
    pub(super) is_certain: bool,
}

impl<'a> Walk<'a> {
    pub(super) fn new(suite: Option<&'a SuiteFacts>, is_unsafe: bool) -> Self {
        Self { suite, is_unsafe, stage: Stage::BeforeHeader, delimiter: None, ends: Vec::new() }
    }

    /// The header.
    pub(super) fn header(&self) -> Option<&Header> {
        match &self.stage {
            Stage::Rows(header) => Some(header),
            Stage::BeforeHeader | Stage::Off => None,
        }
    }

    /// Returns a row with tabs in place of its separators, if uncertain mends were requested and the row allows it.
    pub(super) fn with_tabs<'l>(&mut self, row: &'l [u8]) -> Cow<'l, [u8]> {
        if matches!(self.stage, Stage::BeforeHeader) {
            self.delimiter = header::other_delimiter(row).and_then(|(range, _)| match &row[range] {
                [delimiter @ (b',' | b';' | b'|')] => Some(*delimiter).filter(|by| with_tabs(row, *by).is_some()),
                [..] => None,
            });
        }
        match self.delimiter.filter(|_| self.is_unsafe).and_then(|delimiter| with_tabs(row, delimiter)) {
            Some(row) => Cow::Owned(row),
            None => Cow::Borrowed(row),
        }
    }

    /// Returns the kind of a row, and remembers the header for the rows below.
    pub(super) fn row(&mut self, line: &Line<'_>, row: &[u8]) -> Row<'_> {
        if matches!(self.stage, Stage::Rows(_)) && begins_a_file(row) {
            self.stage = Stage::Off;
        }
        let is_header = matches!(self.stage, Stage::BeforeHeader);
        if is_header {
            let renamed = renamed(row, self.is_unsafe);
            let edits = renamed.iter().filter(|name| name.is_certain || self.is_unsafe);
            let text = with(row, edits.map(|name| (name.range.clone(), name.right.as_bytes())));
            let header = Line { bytes: &text, length: text.len() as u64, ..*line };
            let read = header::read(&header, self.suite, &mut Findings::new(0));
            self.stage = read.map_or(Stage::Off, |header| Stage::Rows(Box::new(header)));
            return Row::Header(renamed);
        }
        let Stage::Rows(header) = &self.stage else { return Row::Other };
        self.ends.clear();
        find_tabs(row, &mut self.ends);
        self.ends.push(row.len());
        if self.ends.len() == header.fields.len() { Row::Fields(header, &self.ends) } else { Row::Other }
    }
}

/// Returns whether a row begins another file, with a header or a byte order mark. Correct rows begin with a digit.
fn begins_a_file(row: &[u8]) -> bool {
    let first = fields(row.strip_prefix(MARK).unwrap_or(row)).next().map(|(_, field)| field).unwrap_or_default();
    row.starts_with(MARK) || first.trim_ascii().eq_ignore_ascii_case(b"date")
}

/// Returns the columns whose names Adobe writes differently. A name that differs only in spaces, quotes and signs is
/// certain.
fn renamed(header: &[u8], is_unsafe: bool) -> Vec<Renamed> {
    let columns: Vec<_> = fields(header)
        .map(|(range, name)| {
            let text = String::from_utf8_lossy(name);
            (range, column(text.trim()), text.trim().len() != text.len())
        })
        .collect();
    let final_name = |index: usize| {
        let (_, column, _) = columns.get(index)?;
        let is_guess = column.breaks == Some(Code::ColumnUnknown);
        Some(column.instead.as_ref().filter(|_| !is_guess || is_unsafe).unwrap_or(&column.name).clone())
    };
    let names: Vec<String> = (0..columns.len()).filter_map(final_name).collect();
    let mut renamed = Vec::new();
    for (index, (range, column, has_space)) in columns.iter().enumerate() {
        let right = match (&column.instead, column.breaks) {
            (Some(right), Some(_)) => right.clone(),
            (None, None) if *has_space => {
                String::from_utf8_lossy(header.get(range.clone()).unwrap_or_default()).trim().to_owned()
            }
            (Some(_) | None, Some(_) | None) => continue,
        };
        let is_certain = column.breaks != Some(Code::ColumnUnknown);
        // Two columns would share the name, so that either value may win. Both stay unchanged.
        let is_twice = names.iter().filter(|name| **name == right || **name == column.name).count() > 1;
        if !is_twice {
            renamed.push(Renamed { index, range: range.clone(), right, is_certain });
        }
    }
    renamed
}

/// Replaces some ranges of a row. The edits must be in order.
pub(super) fn with<'t>(row: &[u8], edits: impl Iterator<Item = (Range<usize>, &'t [u8])>) -> Vec<u8> {
    let (mut text, mut done) = (Vec::with_capacity(row.len()), 0);
    for (range, right) in edits {
        text.extend_from_slice(row.get(done..range.start).unwrap_or_default());
        text.extend_from_slice(right);
        done = range.end;
    }
    text.extend_from_slice(row.get(done..).unwrap_or_default());
    text
}

/// Returns the text of a line without the carriage returns before its end. Without a line end, they may be half of one,
/// so they stay.
pub(super) fn without_returns<'l>(line: &Line<'_>, text: &'l [u8]) -> &'l [u8] {
    if text.last() != Some(&b'\r') || line.end == LineEnd::None {
        return text;
    }
    let length = text.iter().rposition(|byte| *byte != b'\r').map_or(0, |last| last + 1);
    &text[..length]
}

/// Returns whether a line is still a row: neither a comment nor blank, and without a carriage return at its end.
pub(super) fn is_row(line: &[u8]) -> bool {
    line.first() != Some(&b'#')
        && line.last() != Some(&b'\r')
        && line.iter().any(|byte| !matches!(byte, b' ' | b'\t' | b'\r'))
}

/// Replaces the separators of a row by tabs. `None` if a value has broken quotes or holds a tab, if the row would
/// become a comment, or if it has no such separator.
fn with_tabs(row: &[u8], delimiter: u8) -> Option<Vec<u8>> {
    let mut text = Vec::with_capacity(row.len());
    let mut bytes = row.iter().copied().peekable();
    if row.contains(&b'\t') {
        return None;
    }
    loop {
        if bytes.next_if_eq(&b'"').is_some() {
            loop {
                match bytes.next()? {
                    b'"' if bytes.next_if_eq(&b'"').is_none() => break,
                    byte => text.push(byte),
                }
            }
            if bytes.peek().is_some_and(|byte| *byte != delimiter) {
                return None;
            }
        }
        while let Some(byte) = bytes.next_if(|byte| *byte != delimiter) {
            text.push(byte);
        }
        if bytes.next().is_none() {
            break;
        }
        text.push(b'\t');
    }
    (is_row(&text) && text.contains(&b'\t')).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(header: &str, is_unsafe: bool) -> Vec<(usize, String, bool)> {
        let renamed = renamed(header.as_bytes(), is_unsafe);
        renamed.into_iter().map(|name| (name.index, name.right, name.is_certain)).collect()
    }

    #[test]
    fn names_are_written_as_adobe_writes_them_unless_two_columns_would_be_one() {
        let certain = |index: usize, right: &str| (index, right.to_owned(), true);
        let guess = |index: usize, right: &str| (index, right.to_owned(), false);
        assert_eq!(names("Date\teVar1\t\"event 2\"", false), [certain(1, "Evar 1"), certain(2, "Event 2")]);
        assert_eq!(names(" DATE \tEVAR 1\tEvent 2 ", false), [certain(0, "DATE"), certain(2, "Event 2")]);
        assert_eq!(names("Date\tRevenue\tEvnt 5\tStore", false), [guess(1, "Price"), guess(2, "Event 5")]);
        for header in ["Date\teVar1\tEvar 1", "Date\teVar1\tevar_1", "Date\tRevenue\tPrice", "Date\tState\tprop1\t"] {
            assert_eq!((names(header, false), names(header, true)), (vec![], vec![]), "{header}");
        }
        assert_eq!(names("Date\tRevenue\tRevenue", true), []);
    }

    #[test]
    fn other_separators_become_tabs_where_the_values_allow_it() {
        for (row, delimiter, expected) in [
            ("a;b;c", b';', Some("a\tb\tc")),
            ("a,\"b, \"\"c\"\"\",", b',', Some("a\tb, \"c\"\t")),
            ("a|b\"c|d", b'|', Some("a\tb\"c\td")),
            ("a,\"b", b',', None),
            ("a,\"b\"c,d", b',', None),
            ("a,b\tc", b',', None),
            ("\"#a\",b", b',', None),
            ("\"\",", b',', None),
            ("a", b',', None),
            ("\"a;b,c\"", b',', None),
            ("a,\"b\r\"", b',', None),
        ] {
            let found = with_tabs(row.as_bytes(), delimiter).map(|row| String::from_utf8(row).unwrap());
            assert_eq!(found.as_deref(), expected, "{row}");
        }
    }
}
