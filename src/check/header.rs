//! The rules for the header, which is the first row that is not a comment, and for the names of its columns.

use super::code::Code;
use super::columns::{Column, Role, column};
use super::date_forms::meant;
use super::dates::read_date;
use super::report::{Findings, quoted};
use crate::job::{Line, MetricKind, SuiteFacts};
use memchr::memmem;
use std::collections::HashMap;
use std::ops::Range;

/// "Each row can only have a maximum of 4096 bytes."
pub(super) const LONGEST_ROW: u64 = 4096;

/// The byte order mark, as it appears in the middle of a file.
pub(super) const MARK: &[u8] = "\u{feff}".as_bytes();

/// The index for a column without a total.
const NO_TOTAL: usize = usize::MAX;

/// The description of the rows.
#[derive(Debug)]
pub(super) struct Header {
    /// The text in the file.
    text: Vec<u8>,
    /// One for each column.
    pub(super) fields: Vec<Field>,
    /// One for each column, for messages.
    pub(super) details: Vec<Detail>,
    /// The first column of dates.
    pub(super) date: Option<usize>,
    /// There is a column of products.
    pub(super) has_product: bool,
    /// Whether every row needs a metric: the header has metrics, and no unknown column that may be one.
    pub(super) wants_metric: bool,
    /// Whether every row needs a dimension other than the date.
    pub(super) wants_dimension: bool,
}

/// A column, as needed to read its values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field {
    pub(super) role: Role,
    /// The index of its total, if it has one.
    pub(super) total: usize,
    /// It takes whole numbers only.
    pub(super) is_counter: bool,
    /// Maximum number of bytes of a value.
    pub(super) longest: usize,
}

/// A column, as needed for messages.
#[derive(Debug)]
pub(super) struct Detail {
    /// Adobe's name, or the text of the file for an unknown column.
    pub(super) name: String,
    /// Its name in messages.
    pub(super) label: String,
    /// The rule that a value breaks if it is too long.
    pub(super) too_long: Code,
    /// The name of its total, if it has one.
    pub(super) metric: Option<String>,
}

impl Detail {
    /// Returns how to read a column, and how messages describe it.
    fn of(column: &Column, suite: Option<&SuiteFacts>) -> (Field, Self) {
        let metric = suite.and_then(|suite| suite.metric(&column.id()));
        let dimension = suite.and_then(|suite| suite.dimension(&column.id()));
        let name = metric.map(|metric| &metric.name).or(dimension.map(|dimension| &dimension.name));
        let (longest, too_long) = column.limit();
        let is_counter = metric.map_or(column.is_counter(), |metric| metric.kind == MetricKind::Counter);
        let label = match name.filter(|name| !name.is_empty()) {
            Some(name) => format!("{} ({})", quoted(name.as_bytes()), column.name),
            None => quoted(column.name.as_bytes()),
        };
        // Columns with too large a number get no total, because Adobe has none, and a header can hold thousands of
        // them.
        let has_total = column.role.is_metric() && column.breaks != Some(Code::ColumnOutOfRange);
        let metric = has_total.then(|| column.name.clone());
        let name = column.name.clone();
        (Field { role: column.role, total: NO_TOTAL, is_counter, longest }, Self { name, label, too_long, metric })
    }
}

/// Returns whether Adobe's list has been read and lacks this event or eVar. An empty list proves nothing.
pub(super) fn lacks(suite: &SuiteFacts, column: &Column) -> bool {
    let is_numbered = column.id().ends_with(|c: char| c.is_ascii_digit());
    let is_read = match column.role {
        Role::Metric => suite.metrics.as_ref().is_some_and(|metrics| !metrics.is_empty()),
        Role::Dimension => suite.dimensions.as_ref().is_some_and(|dimensions| !dimensions.is_empty()),
        Role::Date | Role::Product | Role::TransactionId | Role::Price | Role::Unknown => false,
    };
    is_numbered && is_read && suite.metric(&column.id()).is_none() && suite.dimension(&column.id()).is_none()
}

fn not_enabled(
    (line, index, range): (&Line<'_>, usize, Range<usize>),
    suite: Option<&SuiteFacts>,
    column: &Column,
    findings: &mut Findings,
) {
    findings.at((Code::ColumnNotEnabled, index as u64), line, range, || {
        let name = suite.and_then(|suite| suite.name.as_ref());
        let suite = name.map_or_else(String::new, |name| format!(" {}", quoted(name.as_bytes())));
        let message =
            format!("{} is unknown or not enabled in this report suite{suite}", quoted(column.name.as_bytes()));
        (message, Some("compare the number with the report suite's settings, or enable it there".to_owned()))
    });
}

impl Header {
    /// Returns where the header or the byte order mark of another file begins in a row.
    pub(super) fn join_in(&self, row: &[u8]) -> Option<usize> {
        let begins_a_file = |at: &usize| {
            let first = fields(&row[at + MARK.len()..]).next().map(|(_, field)| field).unwrap_or_default();
            read_date(first).day.is_some() || first.eq_ignore_ascii_case(b"date")
        };
        memmem::find(row, &self.text).or_else(|| memmem::find_iter(row, MARK).find(begins_a_file))
    }
}

/// Reads the header. `None` if it does not suffice to judge the rows.
pub(super) fn read(line: &Line<'_>, suite: Option<&SuiteFacts>, findings: &mut Findings) -> Option<Header> {
    if !is_header(line, findings) {
        return None;
    }
    let mut read = Vec::new();
    let mut first_with: HashMap<String, usize> = HashMap::new();
    for (index, (range, name)) in fields(line.bytes).enumerate() {
        let text = String::from_utf8_lossy(name);
        let column = column(text.trim());
        read.push(Detail::of(&column, suite));
        if suite.is_some_and(|suite| lacks(suite, &column)) {
            not_enabled((line, index, range.clone()), suite, &column, findings);
        }
        // An empty name is not a duplicate, because each has its own finding.
        let is_named = column.breaks != Some(Code::ColumnEmpty);
        if let Some(code) = column.breaks {
            findings.at((code, index as u64), line, range.clone(), || {
                (wrong(code, name), column.instead.map(|right| format!("write `{right}`")))
            });
        } else if text.trim().len() != text.len() {
            findings.at((Code::ColumnWhiteSpace, index as u64), line, range.clone(), || {
                let message = format!("the name {} begins or ends with white space", quoted(name));
                (message, Some(format!("write `{}`", column.name)))
            });
        }
        if is_named && let Some(first) = first_with.get(&column.name) {
            findings.at((Code::ColumnDuplicate, index as u64), line, range, || {
                let message = format!("column {} is also column {}: {} twice", index + 1, first + 1, quoted(name));
                (message, Some("remove or rename one of the two".to_owned()))
            });
        } else if is_named {
            first_with.insert(column.name, index);
        }
    }
    let (read, details): (Vec<Field>, Vec<Detail>) = read.into_iter().unzip();
    let roles: Vec<Role> = read.iter().map(|field| field.role).collect();
    order(line, &roles, findings);
    Some(kinds(line, (read, details), &roles, &first_with, findings))
}

/// Returns whether this row is a header.
fn is_header(line: &Line<'_>, findings: &mut Findings) -> bool {
    let whole = 0..line.bytes.len();
    let first = fields(line.bytes).next().map(|(_, field)| field).unwrap_or_default();
    if first.trim_ascii_start().starts_with(b"#") {
        findings.at(Code::DateNotFirst, line, 0..first.len(), || {
            let message = format!("the header begins with {}, not with `Date`", quoted(first));
            (message, Some("to make it a comment, begin the row with `#`, without anything before it".to_owned()))
        });
        return false;
    }
    if read_date(first).day.is_some() || meant(first).right.is_some() {
        findings.at(Code::NoHeader, line, whole, || {
            let message = "the first row that is no comment is data, not a header";
            (message.to_owned(), Some("write a row with the names of the columns before it".to_owned()))
        });
        return false;
    }
    if let Some((range, what)) = other_delimiter(line.bytes) {
        findings.at(Code::NotTabDelimited, line, range, || {
            (format!("the columns are separated by {what}, not by tabs"), Some("separate them by tabs".to_owned()))
        });
        return false;
    }
    // Which part is the header is unknown. The carriage returns have their own finding.
    !line.bytes.contains(&b'\r')
}

/// Returns the separator of the columns in a header without tabs, and its place.
pub(super) fn other_delimiter(header: &[u8]) -> Option<(Range<usize>, &'static str)> {
    if header.contains(&b'\t') {
        return None;
    }
    for (delimiter, what) in [(",", "commas"), (";", "semicolons"), ("|", "bars"), ("  ", "spaces")] {
        let at = header.windows(delimiter.len()).position(|bytes| bytes == delimiter.as_bytes());
        if let Some(at) = at {
            return Some((at..at + delimiter.len(), what));
        }
    }
    // `Date Evar 1 Event 1`: a known name, with more text after it.
    let is_date = header.len() > 5 && header[..5].eq_ignore_ascii_case(b"date ");
    is_date.then_some((4..5, "spaces"))
}

fn order(line: &Line<'_>, roles: &[Role], findings: &mut Findings) {
    if roles.first() == Some(&Role::Date) {
        return;
    }
    let at = roles.iter().position(|role| *role == Role::Date);
    let (range, name) = fields(line.bytes).nth(at.unwrap_or(0)).unwrap_or_default();
    findings.at(Code::DateNotFirst, line, range, || match at {
        Some(at) => (
            format!("`Date` is column {}, and must be the first", at + 1),
            Some("put the date first, in every row".to_owned()),
        ),
        None => (
            format!("the first column is {}, and must be `Date`", quoted(name)),
            Some("put a column `Date` first, with a date in every row".to_owned()),
        ),
    });
}

/// Judges the columns as a whole.
fn kinds(
    line: &Line<'_>,
    (fields_read, details): (Vec<Field>, Vec<Detail>),
    roles: &[Role],
    names: &HashMap<String, usize>,
    findings: &mut Findings,
) -> Header {
    let whole = 0..line.bytes.len();
    let is_known = !roles.contains(&Role::Unknown);
    let has_metric = roles.iter().any(|role| role.is_metric());
    let has_dimension = roles.iter().any(|role| role.is_dimension());
    let has_product = roles.contains(&Role::Product);
    if is_known && !has_metric {
        findings.at(Code::NoMetric, line, whole.clone(), || {
            let message = "there is no metric: every row must have at least one";
            (message.to_owned(), Some("add a column such as `Event 1` or `Orders`".to_owned()))
        });
    }
    if is_known && !has_dimension {
        findings.at(Code::NoDimension, line, whole, || {
            let message = "there is no dimension beside the date: every row must have at least one";
            (message.to_owned(), Some("add a column such as `Evar 1` or `Tracking Code`".to_owned()))
        });
    }
    if let Some(category) = names.get("Category").filter(|_| !names.contains_key("Product")) {
        let (range, _) = fields(line.bytes).nth(*category).unwrap_or_default();
        findings.at(Code::CategoryWithoutProduct, line, range, || {
            ("there is a `Category`, but no `Product`".to_owned(), Some("add the column `Product`".to_owned()))
        });
    }
    if let Some(price) = roles.iter().position(|role| *role == Role::Price).filter(|_| !has_product) {
        let (range, _) = fields(line.bytes).nth(price).unwrap_or_default();
        findings.at(Code::PriceWithoutProduct, line, range, || {
            let message = "there is a `Price`, but no `Product` to which the revenue could belong";
            (message.to_owned(), Some("add the column `Product`".to_owned()))
        });
    }
    Header {
        text: line.bytes.to_vec(),
        date: roles.iter().position(|role| *role == Role::Date),
        wants_metric: is_known && has_metric,
        wants_dimension: is_known && has_dimension,
        has_product,
        fields: fields_read,
        details,
    }
}

/// Describes the problem with a name that breaks this rule.
pub(super) fn wrong(code: Code, name: &[u8]) -> String {
    let name = quoted(name);
    if code == Code::ColumnEmpty {
        "this column has no name".to_owned()
    } else if code == Code::ColumnSpacing {
        spacing(&name)
    } else if code == Code::ColumnOutOfRange {
        format!("there is no {name}, only `Evar 1` to `Evar 250` and `Event 1` to `Event 1000`")
    } else if code == Code::ColumnUnsupported {
        format!("{name} is no column of Data Sources: Adobe supports no other dimensions or metrics")
    } else if code == Code::ColumnLegacy {
        format!("{name} was a column once and is not in today's list")
    } else {
        format!("{name} is no column that Adobe knows")
    }
}

/// Describes the problem with the name of a known column.
fn spacing(name: &str) -> String {
    if name.contains(['"', '\'']) {
        return format!("{name} is in quotes, which become a part of the name");
    }
    let lower = name.to_ascii_lowercase();
    let is_of_upload_page = ["`evar", "`event"]
        .iter()
        .any(|start| lower.strip_prefix(start).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit())));
    let contradiction = if is_of_upload_page {
        "; Adobe's page on the file format calls such a name invalid, although the sample on its upload page has it"
    } else {
        ""
    };
    format!("{name} is not how Adobe writes this column: the spaces count{contradiction}")
}

/// The fields of a row with their places.
pub(super) fn fields(row: &[u8]) -> impl Iterator<Item = (Range<usize>, &[u8])> {
    let mut start = 0;
    let ends = memchr::memchr_iter(b'\t', row).chain(std::iter::once(row.len()));
    ends.map(move |end| {
        let range = start..end;
        start = end + 1;
        (range.clone(), &row[range])
    })
}
