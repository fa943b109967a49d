//! The rules of the header, the first row that is no comment, and the names of its columns.

use super::code::Code;
use super::date_forms::meant;
use super::dates::read_date;
use super::report::{Findings, quoted};
use crate::job::Line;
use memchr::memmem;
use std::collections::HashMap;
use std::ops::Range;

/// The byte order mark, as it is read in the middle of a file.
pub(super) const MARK: &[u8] = "\u{feff}".as_bytes();

/// What the rows are read by.
#[derive(Debug)]
pub(super) struct Header {
    /// As it is in the file.
    text: Vec<u8>,
    /// One for each column.
    pub(super) roles: Vec<Role>,
    /// Whether a row without a metric lacks one: there are metrics, and no column that may be one.
    pub(super) wants_metric: bool,
    /// The same of dimensions; the date is none.
    pub(super) wants_dimension: bool,
}

impl Header {
    /// Where the header or the byte order mark of another file stands in a row.
    pub(super) fn join_in(&self, row: &[u8]) -> Option<usize> {
        let begins_a_file = |at: &usize| {
            let first = fields(&row[at + MARK.len()..]).next().map(|(_, field)| field).unwrap_or_default();
            read_date(first).day.is_some() || first.eq_ignore_ascii_case(b"date")
        };
        memmem::find(row, &self.text).or_else(|| memmem::find_iter(row, MARK).find(begins_a_file))
    }
}

/// Reads the header; `None` if the rows below it cannot be judged by it.
pub(super) fn read(line: &Line<'_>, findings: &mut Findings) -> Option<Header> {
    if !is_header(line, findings) {
        return None;
    }
    let mut roles = Vec::new();
    let mut first_with: HashMap<String, usize> = HashMap::new();
    for (index, (range, name)) in fields(line.bytes).enumerate() {
        let text = String::from_utf8_lossy(name);
        let column = column(text.trim());
        // A name of no column is reported as such, each time.
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
        roles.push(column.role);
    }
    order(line, &roles, findings);
    Some(kinds(line, roles, &first_with, findings))
}

/// Whether this is a header at all.
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
    // Which of the parts is the header is unknown. The carriage returns have their own finding.
    !line.bytes.contains(&b'\r')
}

/// What separates the columns of a header that holds no tab, and where.
fn other_delimiter(header: &[u8]) -> Option<(Range<usize>, &'static str)> {
    if header.contains(&b'\t') {
        return None;
    }
    for (delimiter, what) in [(",", "commas"), (";", "semicolons"), ("|", "bars"), ("  ", "spaces")] {
        let at = header.windows(delimiter.len()).position(|bytes| bytes == delimiter.as_bytes());
        if let Some(at) = at {
            return Some((at..at + delimiter.len(), what));
        }
    }
    // `Date Evar 1 Event 1`: a known name with more behind it.
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

/// What the columns are together.
fn kinds(line: &Line<'_>, roles: Vec<Role>, names: &HashMap<String, usize>, findings: &mut Findings) -> Header {
    let whole = 0..line.bytes.len();
    let is_known = !roles.contains(&Role::Unknown);
    let has_metric = roles.contains(&Role::Metric);
    let has_dimension = roles.iter().any(|role| matches!(role, Role::Dimension | Role::TransactionId));
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
    Header {
        text: line.bytes.to_vec(),
        wants_metric: is_known && has_metric,
        wants_dimension: is_known && has_dimension,
        roles,
    }
}

fn wrong(code: Code, name: &[u8]) -> String {
    let name = quoted(name);
    if code == Code::ColumnEmpty {
        "this column has no name".to_owned()
    } else if code == Code::ColumnSpacing {
        format!("{name} is not how Adobe writes this column: the spaces count")
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

// The names of columns (Adobe, "Data sources file format"): not case-sensitive, but their spaces count.

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Date,
    Dimension,
    TransactionId,
    Metric,
    /// Nothing is known about it.
    Unknown,
}

/// What a name in the header stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) role: Role,
    /// The name that it has, or was meant to have; two columns with the same one are duplicates.
    pub(super) name: String,
    /// The rule that it breaks.
    pub(super) breaks: Option<Code>,
    /// What to write instead.
    pub(super) instead: Option<String>,
}

const KNOWN: [(&str, Role); 16] = [
    ("Date", Role::Date),
    ("Category", Role::Dimension),
    ("Marketing Channel", Role::Dimension),
    ("Marketing Channel Detail", Role::Dimension),
    ("Product", Role::Dimension),
    ("Tracking Code", Role::Dimension),
    ("transactionID", Role::TransactionId),
    ("Zip", Role::Dimension),
    ("Cart Adds", Role::Metric),
    ("Cart Removes", Role::Metric),
    ("Cart Views", Role::Metric),
    ("Cart Opens", Role::Metric),
    ("Checkouts", Role::Metric),
    ("Orders", Role::Metric),
    ("Price", Role::Metric),
    ("Quantity", Role::Metric),
];

/// Numbered columns with the last number that there is.
const NUMBERED: [(&str, u32, Role); 2] = [("Evar", 250, Role::Dimension), ("Event", 1000, Role::Metric)];

/// Names of earlier lists.
const LEGACY: [(&str, Role); 6] = [
    ("Channel", Role::Dimension),
    ("State", Role::Dimension),
    ("VisitorID", Role::Dimension),
    ("Clickthroughs", Role::Metric),
    ("Product Views", Role::Metric),
    ("currency code", Role::Unknown),
];

/// Names that other ways into Adobe Analytics know, without their spaces and numbers.
const UNSUPPORTED: [&str; 7] =
    ["marketingcloudvisitorid", "timestamp", "pagename", "prop", "list", "listvar", "reportsuiteid"];

/// What people call a column whose name is another.
const CALLED: [(&str, &str); 6] = [
    ("revenue", "Price"),
    ("units", "Quantity"),
    ("campaign", "Tracking Code"),
    ("purchaseid", "transactionID"),
    ("zipcode", "Zip"),
    ("day", "Date"),
];

/// Longer names are like no other.
const LONGEST_LIKENESS: usize = 64;

/// What a name in the header stands for; white space around it is left to the caller.
pub(super) fn column(name: &str) -> Column {
    if name.is_empty() {
        return broken(Code::ColumnEmpty, name, None);
    }
    if let Some((known, role)) = KNOWN.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        return Column { role, name: known.to_owned(), breaks: None, instead: None };
    }
    if let Some((known, role)) = LEGACY.into_iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
        return Column { role, name: known.to_owned(), breaks: Some(Code::ColumnLegacy), instead: None };
    }
    let lower = name.to_ascii_lowercase();
    if let Some(number) = lower.strip_prefix("evar ").and_then(|rest| rest.strip_suffix(" views"))
        && number.parse().is_ok_and(|number: u32| (1..=250).contains(&number))
    {
        let name = format!("Evar {number} Views");
        return Column { role: Role::Metric, name, breaks: Some(Code::ColumnLegacy), instead: None };
    }
    let squashed: String =
        lower.chars().filter(|c| !c.is_whitespace() && !matches!(c, '_' | '-' | '.' | '"' | '\'')).collect();
    let letters = squashed.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = &squashed[letters.len()..];
    for (known, last, role) in NUMBERED {
        if letters == known.to_ascii_lowercase() && !digits.is_empty() {
            return numbered(name, known, digits, last, role);
        }
    }
    if UNSUPPORTED.contains(&letters) {
        return broken(Code::ColumnUnsupported, name, None);
    }
    if let Some((known, role)) = KNOWN.into_iter().find(|(known, _)| squash(known) == squashed) {
        return Column {
            role,
            name: known.to_owned(),
            breaks: Some(Code::ColumnSpacing),
            instead: Some(known.to_owned()),
        };
    }
    let called = CALLED.into_iter().find(|(called, _)| *called == squashed).map(|(_, known)| known.to_owned());
    broken(Code::ColumnUnknown, name, called.or_else(|| like(&lower, digits)))
}

fn squash(name: &str) -> String {
    name.to_ascii_lowercase().replace(' ', "")
}

fn broken(code: Code, name: &str, instead: Option<String>) -> Column {
    Column { role: Role::Unknown, name: name.to_ascii_lowercase(), breaks: Some(code), instead }
}

/// `Evar 12` in any spelling.
fn numbered(name: &str, known: &str, digits: &str, last: u32, role: Role) -> Column {
    let number = digits.parse().ok().filter(|number| (1..=last).contains(number));
    let Some(number) = number else {
        let name = format!("{known} {digits}");
        return Column { role, name, breaks: Some(Code::ColumnOutOfRange), instead: None };
    };
    let right = format!("{known} {number}");
    let breaks = (!name.eq_ignore_ascii_case(&right)).then_some(Code::ColumnSpacing);
    Column { role, instead: breaks.map(|_| right.clone()), name: right, breaks }
}

/// The known name that is most like an unknown one.
fn like(lower: &str, digits: &str) -> Option<String> {
    if lower.len() > LONGEST_LIKENESS {
        return None;
    }
    let number = digits.parse::<u32>().ok();
    let numbered = NUMBERED
        .into_iter()
        .filter_map(|(known, last, _)| number.filter(|n| (1..=last).contains(n)).map(|n| format!("{known} {n}")));
    KNOWN
        .into_iter()
        .map(|(known, _)| known.to_owned())
        .chain(numbered)
        .map(|known| (strsim::damerau_levenshtein(lower, &known.to_ascii_lowercase()), known))
        .filter(|(distance, known)| distance * 3 <= known.len())
        .min()
        .map(|(_, known)| known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_names_are_known_in_any_case() {
        for (name, role) in [
            ("DATE", Role::Date),
            ("evar 1", Role::Dimension),
            ("EVAR 250", Role::Dimension),
            ("Event 1000", Role::Metric),
            ("TransactionId", Role::TransactionId),
            ("tracking code", Role::Dimension),
            ("price", Role::Metric),
        ] {
            let column = column(name);
            assert_eq!((column.role, column.breaks), (role, None), "{name}");
        }
        assert_eq!(column("evar 7").name, column("EVAR 7").name);
    }

    #[test]
    fn every_other_name_breaks_one_rule_and_is_told_what_to_write() {
        for (name, code, instead) in [
            ("eVar1", Code::ColumnSpacing, Some("Evar 1")),
            ("Evar  1", Code::ColumnSpacing, Some("Evar 1")),
            ("evar_17", Code::ColumnSpacing, Some("Evar 17")),
            ("Evar 01", Code::ColumnSpacing, Some("Evar 1")),
            ("\"Evar 1\"", Code::ColumnSpacing, Some("Evar 1")),
            ("Evar\u{a0}1", Code::ColumnSpacing, Some("Evar 1")),
            ("Transaction ID", Code::ColumnSpacing, Some("transactionID")),
            ("CartAdds", Code::ColumnSpacing, Some("Cart Adds")),
            ("Evar 0", Code::ColumnOutOfRange, None),
            ("Evar 251", Code::ColumnOutOfRange, None),
            ("event1001", Code::ColumnOutOfRange, None),
            ("Event 99999999999999999999", Code::ColumnOutOfRange, None),
            ("prop 5", Code::ColumnUnsupported, None),
            ("pageName", Code::ColumnUnsupported, None),
            ("List 1", Code::ColumnUnsupported, None),
            ("State", Code::ColumnLegacy, None),
            ("evar 12 views", Code::ColumnLegacy, None),
            ("Currency Code", Code::ColumnLegacy, None),
            ("", Code::ColumnEmpty, None),
            ("Evnt 5", Code::ColumnUnknown, Some("Event 5")),
            ("Evra 5", Code::ColumnUnknown, Some("Evar 5")),
            ("Products", Code::ColumnUnknown, Some("Product")),
            ("Revenue", Code::ColumnUnknown, Some("Price")),
            ("Store", Code::ColumnUnknown, None),
            ("日本", Code::ColumnUnknown, None),
            ("Evar", Code::ColumnUnknown, None),
        ] {
            let column = column(name);
            assert_eq!((column.breaks, column.instead.as_deref()), (Some(code), instead), "{name}");
        }
    }
}
