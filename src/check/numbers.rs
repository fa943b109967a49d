//! Numbers in the form of Adobe's samples, `2` or `2.50`, and the oddities of other numbers.

use crate::job::{Decimal, NotDecimal};
use std::fmt::Write as _;

/// Maximum length of a text that can be a number.
const LONGEST: usize = 40;

/// `2`, `2.50`, `-2`.
fn is_number(field: &[u8]) -> bool {
    Decimal::read(field) != Err(NotDecimal::Form)
}

/// The oddities of a number, in the order in which messages name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Oddity {
    Quotes,
    Spaces,
    /// A character beyond ASCII. The message names its code point.
    CodePoint,
    Apostrophe,
    Currency,
    Percent,
    Plus,
    MinusBehind,
    Parentheses,
    CommaInThousands,
    PointInThousands,
    DecimalComma,
    Exponent,
    BarePoint,
}

impl Oddity {
    const ALL: [(Self, &'static str); 14] = [
        (Self::Quotes, "quotes"),
        (Self::Spaces, "a space"),
        (Self::CodePoint, ""),
        (Self::Apostrophe, "an apostrophe"),
        (Self::Currency, "a currency sign"),
        (Self::Percent, "a percent sign"),
        (Self::Plus, "a plus sign"),
        (Self::MinusBehind, "its minus sign at the end"),
        (Self::Parentheses, "parentheses"),
        (Self::CommaInThousands, "a comma between thousands"),
        (Self::PointInThousands, "a point between thousands"),
        (Self::DecimalComma, "a decimal comma"),
        (Self::Exponent, "an exponent"),
        (Self::BarePoint, "a point with no digit on one side"),
    ];
}

/// What the commas and points of a number show about its column.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marks {
    /// Nothing.
    #[default]
    None,
    /// `1,234.50`, `1,234,567`: commas between thousands.
    CommaGroups,
    /// `1,234`: a comma between thousands or before decimals.
    OneComma,
    /// `1,5`, `1.234,56`, `1.234.567`: a comma before decimals, or points between thousands.
    DecimalComma,
    /// `1.234`: a plain number, unless its column has commas before decimals.
    OnePoint,
}

/// Returns whether a plain number could mean thousands: `1.234`.
pub(super) fn is_one_point(field: &[u8]) -> bool {
    let digits = field.strip_prefix(b"-").unwrap_or(field);
    let whole = digits.len().saturating_sub(4);
    (1..=3).contains(&whole) && digits[whole] == b'.' && digits[0] != b'0'
}

/// Characters between groups of digits.
const BETWEEN_GROUPS: [char; 7] = [' ', '\u{a0}', '\u{2007}', '\u{2009}', '\u{202f}', '\'', '\u{2019}'];

/// Returns whether a text is only a number in quotes or white space, with a sign and separators between groups of three
/// digits. Apart from its commas and points, such a text has only one reading.
fn is_strict(text: &str) -> bool {
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let text = text.trim_matches(|c: char| c.is_whitespace() || matches!(c, '\u{200b}' | '\u{feff}'));
    let text = text.strip_prefix(['-', '+', '\u{2212}']).unwrap_or(text);
    let is_other = |c: char| !c.is_ascii_digit() && c != ',' && c != '.';
    let Some(separator) = text.chars().find(|c| is_other(*c)) else { return true };
    let (whole, fraction) = text.find([',', '.']).map_or((text, "0"), |at| (&text[..at], &text[at + 1..]));
    let mut groups = whole.split(separator);
    let are_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    BETWEEN_GROUPS.contains(&separator)
        && are_digits(fraction)
        && groups
            .next()
            .is_some_and(|first| (1..=3).contains(&first.len()) && are_digits(first) && !first.starts_with('0'))
        && groups.all(|group| group.len() == 3 && are_digits(group))
}

/// Reads the comma of a number as a decimal comma, which is the other reading of [`Marks::OneComma`].
pub(super) fn with_decimal_comma(field: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(field).ok().filter(|text| text.len() <= LONGEST)?;
    let bare = OddNumber::default().bare(text)?;
    Some(bare.replace(',', ".")).filter(|right| is_number(right.as_bytes()))
}

/// Characters that replace others in numbers, with their names and meanings.
const STAND_INS: [(char, &str, &str); 14] = [
    ('\u{a0}', "no-break space", ""),
    ('\u{2007}', "figure space", ""),
    ('\u{2009}', "thin space", ""),
    ('\u{200b}', "zero-width space", ""),
    ('\u{202f}', "narrow no-break space", ""),
    ('\u{feff}', "byte order mark", ""),
    ('\u{2019}', "apostrophe", ""),
    ('\u{2010}', "hyphen", "-"),
    ('\u{2011}', "no-break hyphen", "-"),
    ('\u{2012}', "figure dash", "-"),
    ('\u{2013}', "en dash", "-"),
    ('\u{2212}', "minus sign", "-"),
    ('\u{ff0d}', "full-width minus sign", "-"),
    ('\u{ff0e}', "full-width point", "."),
];

/// A number that is not in Adobe's form.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct OddNumber {
    oddities: u32,
    code_point: Option<char>,
    /// The number in Adobe's form, if only one reading is possible.
    pub(super) right: Option<String>,
    /// What its commas and points show.
    pub(super) marks: Marks,
    /// The number was read without leaving out anything that may have a meaning, such as a currency or a space between
    /// two numbers.
    pub(super) is_strict: bool,
}

impl OddNumber {
    /// Reads a field that is not a plain number.
    pub(super) fn new(field: &[u8]) -> Self {
        let mut odd = Self::default();
        let text = std::str::from_utf8(field).ok().filter(|text| text.len() <= LONGEST);
        odd.right = text
            .and_then(|text| odd.bare(text))
            .and_then(|bare| odd.with_point(&bare))
            .filter(|right| is_number(right.as_bytes()));
        odd.is_strict = odd.right.is_some() && text.is_some_and(is_strict);
        if odd.right.is_none() {
            odd.marks = Marks::None;
        }
        odd
    }

    /// A number for the cause. Fields with the same oddities share it.
    pub(super) fn cause(&self) -> u64 {
        u64::from(self.oddities) << 32 | u64::from(self.code_point.map_or(0, u32::from))
    }

    /// Returns whether the field has this oddity.
    pub(super) fn has(&self, oddity: Oddity) -> bool {
        self.oddities & 1 << oddity as u32 != 0
    }

    /// ` has quotes and a decimal comma`: the oddities, as the continuation of the text.
    pub(super) fn words(&self) -> String {
        let named: Vec<String> = Oddity::ALL
            .into_iter()
            .filter(|(oddity, _)| self.has(*oddity))
            .map(|(oddity, words)| match (oddity, self.code_point) {
                (Oddity::CodePoint, Some(character)) => code_point(character),
                _ => words.to_owned(),
            })
            .collect();
        match named.split_last() {
            None => "is not a plain number".to_owned(),
            Some((last, [])) => format!("is not a plain number: it has {last}"),
            Some((last, others)) => format!("is not a plain number: it has {} and {last}", others.join(", ")),
        }
    }

    fn note(&mut self, oddity: Oddity) {
        self.oddities |= 1 << oddity as u32;
    }

    /// Returns the digits, points, commas and the sign. `None` if the text holds anything else that has a meaning.
    fn bare(&mut self, text: &str) -> Option<String> {
        let mut bare = String::new();
        let mut is_readable = true;
        let unquoted = text.trim_matches('"');
        if unquoted.len() < text.len() {
            self.note(Oddity::Quotes);
        }
        let is_code = |text: &str| text.len() == 3 && text.bytes().all(|byte| byte.is_ascii_uppercase());
        let text = match (unquoted.split_once(' '), unquoted.rsplit_once(' ')) {
            (Some((code, number)), _) | (_, Some((number, code))) if is_code(code) => number,
            (Some(_) | None, Some(_) | None) => unquoted,
        };
        if text.len() < unquoted.len() {
            self.note(Oddity::Currency);
        }
        for character in text.chars() {
            match character {
                '0'..='9' | '.' | ',' | '-' => bare.push(character),
                ' ' => self.note(Oddity::Spaces),
                '\'' => self.note(Oddity::Apostrophe),
                '$' | '€' | '£' | '¥' => self.note(Oddity::Currency),
                '+' if bare.is_empty() => self.note(Oddity::Plus),
                '(' | ')' => self.note(Oddity::Parentheses),
                '%' => {
                    self.note(Oddity::Percent);
                    is_readable = false;
                }
                'e' | 'E' if bare.ends_with(|c: char| c.is_ascii_digit()) => {
                    self.note(Oddity::Exponent);
                    is_readable = false;
                }
                _ if character.is_ascii() => is_readable = false,
                _ => {
                    self.note(Oddity::CodePoint);
                    self.code_point.get_or_insert(character);
                    let meant = STAND_INS.iter().find(|(odd, _, _)| *odd == character);
                    is_readable &= meant.is_some();
                    bare.push_str(meant.map_or("", |(_, _, meant)| meant));
                }
            }
        }
        if let Some(number) = bare.strip_suffix('-').filter(|number| number.contains(|c: char| c.is_ascii_digit())) {
            bare = format!("-{number}");
            self.note(Oddity::MinusBehind);
        } else if self.has(Oddity::Parentheses) {
            bare.insert(0, '-');
        }
        is_readable.then_some(bare)
    }

    /// Converts commas and points to Adobe's form.
    fn with_point(&mut self, bare: &str) -> Option<String> {
        let (sign, digits) = bare.strip_prefix('-').map_or(("", bare), |digits| ("-", digits));
        let (commas, points) = (digits.matches(',').count(), digits.matches('.').count());
        let are_groups = |whole: &str, separator: char| {
            let mut groups = whole.split(separator);
            groups.next().is_some_and(|first| (1..=3).contains(&first.len()) && !first.starts_with('0'))
                && groups.all(|group| group.len() == 3)
        };
        let (whole, fraction) = if commas > 0 && points == 1 && digits.rfind('.') > digits.rfind(',') {
            digits.rsplit_once('.').map(|(whole, fraction)| (whole, Some(fraction)))?
        } else if commas == 1 && digits.rfind(',') > digits.rfind('.') && !are_groups(digits, ',') {
            // Without three digits after it, or with points before it, the comma must be a decimal comma.
            self.note(Oddity::DecimalComma);
            digits.rsplit_once(',').map(|(whole, fraction)| (whole, Some(fraction)))?
        } else if points == 1 && commas == 0 {
            digits.split_once('.').map(|(whole, fraction)| (whole, Some(fraction)))?
        } else {
            (digits, None)
        };
        for (separator, oddity) in [(',', Oddity::CommaInThousands), ('.', Oddity::PointInThousands)] {
            if whole.contains(separator) {
                if !are_groups(whole, separator) {
                    return None;
                }
                self.note(oddity);
            }
        }
        self.marks = if self.has(Oddity::DecimalComma) || self.has(Oddity::PointInThousands) {
            Marks::DecimalComma
        } else if self.has(Oddity::CommaInThousands) {
            if commas == 1 && points == 0 { Marks::OneComma } else { Marks::CommaGroups }
        } else if is_one_point(digits.as_bytes()) {
            Marks::OnePoint
        } else {
            Marks::None
        };
        let whole = whole.replace([',', '.'], "");
        if fraction.is_some_and(|fraction| fraction.is_empty() || whole.is_empty()) {
            self.note(Oddity::BarePoint);
        }
        let mut right = format!("{sign}{}", if whole.is_empty() { "0" } else { &whole });
        if let Some(fraction) = fraction.filter(|fraction| !fraction.is_empty()) {
            let _ = write!(right, ".{fraction}");
        }
        (fraction.is_some_and(|fraction| !fraction.is_empty()) || !whole.is_empty()).then_some(right)
    }
}

/// `U+2212 (minus sign)`
fn code_point(character: char) -> String {
    let code = format!("U+{:04X}", u32::from(character));
    match STAND_INS.iter().find(|(odd, _, _)| *odd == character) {
        Some((_, name, _)) => format!("{code} ({name})"),
        None => code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_plain_or_say_what_is_odd_and_how_to_be() {
        for number in ["0", "2", "2.50", "-2", "-0.5", "007", "123456789012345678901234567890"] {
            assert!(is_number(number.as_bytes()), "{number}");
        }
        for (text, odd, right) in [
            ("1,234.50", "a comma between thousands", Some("1234.50")),
            ("1,234,567", "a comma between thousands", Some("1234567")),
            ("1.234,56", "a point between thousands and a decimal comma", Some("1234.56")),
            ("1.234.567", "a point between thousands", Some("1234567")),
            ("1,5", "a decimal comma", Some("1.5")),
            ("1234,567", "a decimal comma", Some("1234.567")),
            ("0,125", "a decimal comma", Some("0.125")),
            ("0.125.250", "", None),
            ("$7", "a currency sign", Some("7")),
            ("59.90 €", "a space and a currency sign", Some("59.90")),
            ("59.90 EUR", "a currency sign", Some("59.90")),
            ("USD 1,439.50", "a currency sign and a comma between thousands", Some("1439.50")),
            ("+5", "a plus sign", Some("5")),
            (" 5", "a space", Some("5")),
            ("1 204", "a space", Some("1204")),
            ("1'204", "an apostrophe", Some("1204")),
            ("5.", "a point with no digit on one side", Some("5")),
            (".5", "a point with no digit on one side", Some("0.5")),
            ("-.5", "a point with no digit on one side", Some("-0.5")),
            ("\"3\"", "quotes", Some("3")),
            ("\"1,439.50\"", "quotes and a comma between thousands", Some("1439.50")),
            ("3-", "its minus sign at the end", Some("-3")),
            ("(5)", "parentheses", Some("-5")),
            ("1\u{202f}204", "U+202F (narrow no-break space)", Some("1204")),
            ("1\u{a0}439,50", "U+00A0 (no-break space) and a decimal comma", Some("1439.50")),
            ("\u{2212}3", "U+2212 (minus sign)", Some("-3")),
            ("\u{664}", "U+0664", None),
            ("12%", "a percent sign", None),
            ("1E3", "an exponent", None),
            ("4.63e+08", "an exponent", None),
            ("1,23,456", "", None),
            ("-", "", None),
            ("--5", "", None),
            ("1.2.3", "", None),
            ("1,2.3.4", "", None),
            ("SKU1042", "", None),
            ("n/a", "", None),
            (".", "a point with no digit on one side", None),
        ] {
            assert!(!is_number(text.as_bytes()), "{text}");
            let found = OddNumber::new(text.as_bytes());
            let words = found.words();
            let named = words.strip_prefix("is not a plain number: it has ").unwrap_or_default();
            assert_eq!((named, found.right.as_deref()), (odd, right), "{text}");
        }
    }

    #[test]
    fn a_number_shows_how_its_column_writes_numbers_and_whether_something_else_is_lost() {
        for (text, marks, is_strict) in [
            ("1,234.50", Marks::CommaGroups, true),
            ("1,234,567", Marks::CommaGroups, true),
            ("\"1,234\"", Marks::OneComma, true),
            ("0,125", Marks::DecimalComma, true),
            ("1,5", Marks::DecimalComma, true),
            ("1.234,56", Marks::DecimalComma, true),
            ("1.234.567", Marks::DecimalComma, true),
            ("1\u{a0}439,50", Marks::DecimalComma, true),
            (" 1.234", Marks::OnePoint, true),
            ("+5", Marks::None, true),
            ("\u{2212}5", Marks::None, true),
            ("1 204 000", Marks::None, true),
            ("1'204", Marks::None, true),
            ("1 2", Marks::None, false),
            ("12 04", Marks::None, false),
            ("1 204'000", Marks::None, false),
            ("1 204.000.000", Marks::None, false),
            ("\"5", Marks::None, false),
            ("$1,234", Marks::OneComma, false),
            ("(5)", Marks::None, false),
            ("5-", Marks::None, false),
            ("\u{2013}5", Marks::None, false),
            ("7 EUR", Marks::None, false),
            ("1,2.3.4", Marks::None, false),
        ] {
            let odd = OddNumber::new(text.as_bytes());
            assert_eq!((odd.marks, odd.is_strict), (marks, is_strict), "{text}");
        }
        for (text, is_one) in
            [("1.234", true), ("-123.456", true), ("0.125", false), ("1234.567", false), ("1.25", false)]
        {
            assert_eq!(is_one_point(text.as_bytes()), is_one, "{text}");
        }
        assert_eq!(OddNumber::new(b"1,234").right.as_deref(), Some("1234"));
        assert_eq!(with_decimal_comma(b" -1,234").as_deref(), Some("-1.234"));
    }

    #[test]
    fn numbers_that_are_odd_alike_have_one_cause() {
        let cause = |text: &str| OddNumber::new(text.as_bytes()).cause();
        assert_eq!(cause("1,5"), cause("2,75"));
        assert_ne!(cause("1,5"), cause("1,500"));
        assert_ne!(cause("1\u{202f}204"), cause("1\u{a0}204"));
    }
}
