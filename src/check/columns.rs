//! The names of columns (Adobe, "Data sources file format"). Case does not matter in them, but spaces do.

use super::code::Code;

/// The kind of values in a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Date,
    Dimension,
    Product,
    TransactionId,
    Metric,
    Price,
    /// An unknown column.
    Unknown,
}

/// The column that a name in the header means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) role: Role,
    /// The correct name, if the column is known. Two columns with the same one are duplicates.
    pub(super) name: String,
    /// The rule that the name breaks.
    pub(super) breaks: Option<Code>,
    /// The suggested name.
    pub(super) instead: Option<String>,
}

impl Role {
    pub(super) fn is_metric(self) -> bool {
        matches!(self, Self::Metric | Self::Price)
    }

    pub(super) fn is_dimension(self) -> bool {
        matches!(self, Self::Dimension | Self::Product | Self::TransactionId)
    }
}

impl Column {
    /// Returns the maximum number of bytes of a value, and the rule that a longer value breaks.
    pub(super) fn limit(&self) -> (usize, Code) {
        if self.name == "Product" || self.name == "Category" {
            (100, Code::ProductTooLong)
        } else if self.name == "Zip" {
            (50, Code::ZipTooLong)
        } else if self.role == Role::TransactionId {
            (100, Code::TransactionIdTooLong)
        } else if self.name == "Tracking Code" || self.name.starts_with("Evar ") {
            (255, Code::ValueTooLong)
        } else {
            (usize::MAX, Code::ValueTooLong)
        }
    }

    /// Adobe's identifier in the lists of a report suite, without the kind: `evar12`, `event41`, `orders`.
    pub(super) fn id(&self) -> String {
        squash(&self.name)
    }

    /// Returns whether its name shows that it is a counter.
    pub(super) fn is_counter(&self) -> bool {
        COUNTERS.contains(&self.name.as_str())
    }
}

const KNOWN: [(&str, Role); 16] = [
    ("Date", Role::Date),
    ("Category", Role::Dimension),
    ("Marketing Channel", Role::Dimension),
    ("Marketing Channel Detail", Role::Dimension),
    ("Product", Role::Product),
    ("Tracking Code", Role::Dimension),
    ("transactionID", Role::TransactionId),
    ("Zip", Role::Dimension),
    ("Cart Adds", Role::Metric),
    ("Cart Removes", Role::Metric),
    ("Cart Views", Role::Metric),
    ("Cart Opens", Role::Metric),
    ("Checkouts", Role::Metric),
    ("Orders", Role::Metric),
    ("Price", Role::Price),
    ("Quantity", Role::Metric),
];

/// Numbered columns, with their highest number.
const NUMBERED: [(&str, u32, Role); 2] = [("Evar", 250, Role::Dimension), ("Event", 1000, Role::Metric)];

/// Standard metrics that are counters (Adobe, "events").
const COUNTERS: [&str; 6] = ["Cart Adds", "Cart Removes", "Cart Views", "Cart Opens", "Checkouts", "Orders"];

/// Names from earlier lists of Adobe.
const LEGACY: [(&str, Role); 6] = [
    ("Channel", Role::Dimension),
    ("State", Role::Dimension),
    ("VisitorID", Role::Dimension),
    ("Clickthroughs", Role::Metric),
    ("Product Views", Role::Metric),
    ("currency code", Role::Unknown),
];

/// Columns that only other interfaces of Adobe Analytics support, without spaces and numbers.
const UNSUPPORTED: [&str; 7] =
    ["marketingcloudvisitorid", "timestamp", "pagename", "prop", "list", "listvar", "reportsuiteid"];

/// Common names for columns that are called otherwise.
const CALLED: [(&str, &str); 6] = [
    ("revenue", "Price"),
    ("units", "Quantity"),
    ("campaign", "Tracking Code"),
    ("purchaseid", "transactionID"),
    ("zipcode", "Zip"),
    ("day", "Date"),
];

/// Maximum length of a name that is compared with known names.
const LONGEST_LIKENESS: usize = 64;

/// Returns the column that a name in the header means. The caller handles white space around it.
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

/// The columns that every report suite has, in the order of Adobe's list.
pub(super) fn general() -> impl Iterator<Item = (&'static str, Role)> {
    KNOWN.into_iter()
}

/// Returns number and name of the column with this identifier, if it is one of the numbered `of`: `evar12` is 12, `Evar
/// 12`.
pub(super) fn number_in(id: &str, of: &str) -> Option<(u32, String)> {
    let (known, last, _) = NUMBERED.into_iter().find(|(known, ..)| *known == of)?;
    let lower = id.to_ascii_lowercase();
    let digits = lower.strip_prefix(&known.to_ascii_lowercase())?;
    let number = digits.parse().ok().filter(|number| (1..=last).contains(number))?;
    (number.to_string() == digits).then(|| (number, format!("{known} {number}")))
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

/// Returns the known name that is most similar to an unknown one.
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
            ("price", Role::Price),
        ] {
            let column = column(name);
            assert_eq!((column.role, column.breaks), (role, None), "{name}");
        }
        assert_eq!(column("evar 7").name, column("EVAR 7").name);
    }

    #[test]
    fn every_other_name_breaks_one_rule_with_a_suggestion() {
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
