//! The forms of dates and numbers in the whole file, and which mends they make certain.
//!
//! Only texts that are not in Adobe's form are evidence, so that mending neither removes nor adds any. Mending a mended
//! file therefore changes nothing.

use super::super::date_forms::{First, Meant, Order, meant, meant_with};
use super::super::dates::read_date;
use super::super::numbers::{Marks, OddNumber, is_one_point, with_decimal_comma};
use crate::job::{Decimal, NotDecimal};

/// The mended text of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mended {
    pub(super) text: Vec<u8>,
    pub(super) is_certain: bool,
    /// A number for the form of the oddity.
    pub(super) form: u64,
}

/// Highest number of a month.
const MONTHS: u8 = 12;

/// The dates of a file whose year comes last.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Dates {
    slashes: Seen,
    /// The dates of `slashes` that are followed by a time which is not in Adobe's form.
    timed: Seen,
    dashes: Seen,
    points: Seen,
    /// A date in Adobe's form has a day above 12.
    has_month_first: bool,
}

/// Which evidence for the order of day and month was seen.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Seen {
    month_first: bool,
    day_first: bool,
}

impl Dates {
    /// Takes a field of the date column.
    pub(super) fn add(&mut self, field: &[u8]) {
        let read = read_date(field);
        if let (Some(day), None) = (read.day, read.breaks) {
            self.has_month_first |= day.day().unsigned_abs() > MONTHS;
            return;
        }
        let Order::File { separator, pair: [first, second], is_timed } = meant(field).order else { return };
        let seen = Seen { month_first: second > MONTHS, day_first: first > MONTHS };
        self.seen(separator).add(seen);
        if is_timed {
            self.timed.add(seen);
        }
    }

    fn seen(&mut self, separator: char) -> &mut Seen {
        match separator {
            '-' => &mut self.dashes,
            '.' => &mut self.points,
            _ => &mut self.slashes,
        }
    }

    /// Returns the mended field. `None` if it stays unchanged, or if its meaning is unknown.
    pub(super) fn mended(&self, field: &[u8]) -> Option<Mended> {
        let is_right = read_date(field).breaks.is_none();
        let all_have_day_first = self.slashes.day_first && !self.slashes.month_first && !self.has_month_first;
        if is_right && !all_have_day_first {
            return None;
        }
        let Meant { form, right, order } = meant(field);
        let (text, is_certain) = match order {
            Order::Text => (right?, true),
            Order::Nothing => (right?, false),
            Order::File { separator, is_timed, .. } => {
                let (first, is_certain) = self.first(separator, is_timed)?;
                (meant_with(field, first)?, is_certain)
            }
        };
        let form = (form as u64) << 1 | u64::from(is_right);
        Some(Mended { text: text.into_bytes(), is_certain, form }).filter(|mended| mended.text != field)
    }

    /// Returns which number comes first with this separator, and whether that is certain. `None` if the dates
    /// contradict each other.
    fn first(&self, separator: char, is_timed: bool) -> Option<(First, bool)> {
        match separator {
            // Adobe reads these month first, so only a date that cannot be read like this is evidence against it.
            '/' if !self.slashes.day_first => Some((First::Month, !is_timed || self.timed.month_first)),
            '/' if self.slashes.month_first || self.has_month_first => None,
            '/' => Some((First::Day, false)),
            '-' => match (self.dashes.month_first, self.dashes.day_first) {
                (true, true) => None,
                (is_certain, false) => Some((First::Month, is_certain)),
                (false, true) => Some((First::Day, false)),
            },
            _ => match (self.points.month_first, self.points.day_first) {
                (true, true) => None,
                (true, false) => Some((First::Month, false)),
                (false, _) => Some((First::Day, false)),
            },
        }
    }
}

impl Seen {
    fn add(&mut self, seen: Self) {
        self.month_first |= seen.month_first;
        self.day_first |= seen.day_first;
    }
}

/// How a column writes its numbers.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Numbers {
    /// One bit for each of [`Marks`] that was seen.
    met: u8,
}

impl Numbers {
    /// Takes a field of the column.
    pub(super) fn add(&mut self, field: &[u8]) {
        if field.iter().all(u8::is_ascii_digit) {
            return;
        }
        let marks = match Decimal::read(field) {
            Err(NotDecimal::Form) => OddNumber::new(field).marks,
            Ok(_) | Err(NotDecimal::Size) if is_one_point(field) => Marks::OnePoint,
            Ok(_) | Err(NotDecimal::Size) => Marks::None,
        };
        self.met |= 1 << marks as u8;
    }

    fn has(self, marks: Marks) -> bool {
        self.met & 1 << marks as u8 != 0
    }

    /// Returns the mended field. `None` if it stays unchanged, or if its meaning is unknown.
    pub(super) fn mended(self, field: &[u8], is_counter: bool) -> Option<Mended> {
        if field.is_empty() || field.iter().all(u8::is_ascii_digit) {
            return None;
        }
        if Decimal::read(field) != Err(NotDecimal::Form) {
            let whole = is_counter.then(|| whole_of(field)).flatten()?;
            return Some(Mended { text: whole.to_vec(), is_certain: true, form: 0 });
        }
        if std::str::from_utf8(field).is_ok_and(is_nothing) {
            return Some(Mended { text: Vec::new(), is_certain: true, form: 1 });
        }
        let odd = OddNumber::new(field);
        let (right, is_certain) = self.read(&odd, field, is_counter)?;
        let right = right.into_bytes();
        let text = if is_counter { whole_of(&right).map_or_else(|| right.clone(), <[u8]>::to_vec) } else { right };
        Some(Mended { text, is_certain, form: odd.cause() << 1 | 1 << 63 })
    }

    /// Returns the number, and whether it is certain.
    fn read(self, odd: &OddNumber, field: &[u8], is_counter: bool) -> Option<(String, bool)> {
        let right = odd.right.clone()?;
        // The column contradicts itself. Its plain numbers could be thousands, and the sums would be wrong without a
        // warning.
        let is_torn = self.has(Marks::DecimalComma)
            && (self.has(Marks::OnePoint) || self.has(Marks::OneComma) && self.has(Marks::CommaGroups));
        if is_torn && odd.marks != Marks::None {
            return None;
        }
        match odd.marks {
            Marks::None | Marks::CommaGroups | Marks::OnePoint => Some((right, odd.is_strict)),
            // If some value has one ambiguous comma, this one waits with it. Mended alone, it would take away the
            // evidence.
            Marks::DecimalComma => Some((right, odd.is_strict && !self.has(Marks::OneComma))),
            Marks::OneComma if self.has(Marks::DecimalComma) => Some((with_decimal_comma(field)?, false)),
            Marks::OneComma => Some((right, odd.is_strict && (self.has(Marks::CommaGroups) || is_counter))),
        }
    }
}

/// Returns a number without its decimals, if they are all zeros. Three zeros could be thousands, so these stay.
fn whole_of(number: &[u8]) -> Option<&[u8]> {
    let point = memchr::memchr(b'.', number)?;
    let is_whole = number[point + 1..].iter().all(|byte| *byte == b'0') && !is_one_point(number);
    is_whole.then(|| &number[..point])
}

/// Returns whether a text is only white space, also inside quotes.
fn is_nothing(text: &str) -> bool {
    text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text).trim().is_empty()
}

/// Returns a value without the quotes around it, with each doubled quote once. `None` if it has no quotes around it, or
/// if they may be part of the value.
pub(super) fn without_quotes(field: &[u8]) -> Option<Vec<u8>> {
    let inner = field.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let mut value = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(byte) = bytes.next() {
        if *byte == b'"' && bytes.next() != Some(&b'"') {
            return None;
        }
        value.push(*byte);
    }
    // A value that itself begins with a quote would look quoted, and lose that quote the next time.
    (value.first() != Some(&b'"')).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dates(all: &[&str], one: &str) -> Option<(String, bool)> {
        let mut dates = Dates::default();
        all.iter().chain([&one]).for_each(|date| dates.add(date.as_bytes()));
        let mended = dates.mended(one.as_bytes())?;
        Some((String::from_utf8(mended.text).unwrap(), mended.is_certain))
    }

    fn numbers(all: &[&str], one: &str, is_counter: bool) -> Option<(String, bool)> {
        let mut numbers = Numbers::default();
        all.iter().chain([&one]).for_each(|number| numbers.add(number.as_bytes()));
        let mended = numbers.mended(one.as_bytes(), is_counter)?;
        Some((String::from_utf8(mended.text).unwrap(), mended.is_certain))
    }

    #[test]
    fn a_date_is_certain_if_the_text_or_the_file_tells_month_and_day_apart() {
        for (all, one, expected) in [
            (&[][..], "2026-11-05", Some(("11/05/2026", true))),
            (&["20/11/2026"], "2026-11-05", Some(("11/05/2026", true))),
            (&[], "11/05/2026", None),
            (&[], "1/2/2026", Some(("01/02/2026", true))),
            (&["11/20/2026"], "1/2/2026", Some(("01/02/2026", true))),
            (&["20/11/2026"], "1/2/2026", Some(("02/01/2026", false))),
            (&["20/11/2026"], "01/02/2026", Some(("02/01/2026", false))),
            (&["20/11/2026", "11/20/2026"], "1/2/2026", None),
            (&["20/11/2026", "11/20/2026"], "01/02/2026", None),
            (&["20/11/2026"], "20/11/2026", Some(("11/20/2026", false))),
            (&[], "\"11/05/2026\"", Some(("11/05/2026", true))),
            (&[], "11/05/2026 14:05", Some(("11/05/2026/14/05/00", false))),
            (&["11/20/2026"], "11/05/2026 14:05", Some(("11/05/2026/14/05/00", false))),
            (&["11/20/2026 8:00"], "11/05/2026 14:05", Some(("11/05/2026/14/05/00", true))),
            (&[], "11-05-2026", Some(("11/05/2026", false))),
            (&["11-20-2026"], "11-05-2026", Some(("11/05/2026", true))),
            (&["20-11-2026"], "11-05-2026", Some(("05/11/2026", false))),
            (&["20-11-2026", "11-20-2026"], "11-05-2026", None),
            (&[], "05.11.2026", Some(("11/05/2026", false))),
            (&["20.11.2026"], "05.11.2026", Some(("11/05/2026", false))),
            (&["11.20.2026"], "11.05.2026", Some(("11/05/2026", false))),
            (&["11.20.2026", "20.11.2026"], "11.05.2026", None),
            (&[], "46346", Some(("11/20/2026", false))),
            (&[], "2026-11-20T23:05:00Z", Some(("11/20/2026/23/05/00", false))),
            (&[], "02/30/2026", None),
            (&[], "", None),
            (&[], "soon", None),
        ] {
            let expected = expected.map(|(text, is_certain): (&str, bool)| (text.to_owned(), is_certain));
            assert_eq!(dates(all, one), expected, "{one} among {all:?}");
        }
    }

    #[test]
    fn a_number_is_certain_if_it_or_its_column_can_be_read_in_one_way_only() {
        for (all, one, expected) in [
            (&[][..], "1,234.50", Some(("1234.50", true))),
            (&[], "1,234", Some(("1234", false))),
            (&["2.50"], "1,234", Some(("1234", false))),
            (&["5,678.00"], "1,234", Some(("1234", true))),
            (&["1,5"], "1,234", Some(("1.234", false))),
            (&["1,234"], "1,5", Some(("1.5", false))),
            (&[], "1,5", Some(("1.5", true))),
            (&["2.50"], "1,5", Some(("1.5", true))),
            (&["1.234"], "1,5", None),
            (&["1.234"], "1.234.567", None),
            (&["1,5"], "\"1.234\"", None),
            (&[], "\"1.234\"", Some(("1.234", true))),
            (&["1,5", "1,234.50"], "1,234", None),
            (&["1,5"], "1,234.50", Some(("1234.50", true))),
            (&[], "0,125", Some(("0.125", true))),
            (&[], "1\u{a0}439,50", Some(("1439.50", true))),
            (&[], " 12 ", Some(("12", true))),
            (&[], "\"\"", Some(("", true))),
            (&[], " ", Some(("", true))),
            (&[], "1 2", Some(("12", false))),
            (&[], "$7", Some(("7", false))),
            (&[], "(5)", Some(("-5", false))),
            (&[], "12%", None),
            (&[], "1e3", None),
            (&[], "n/a", None),
            (&[], "2.00", None),
            (&[], "2", None),
            (&[], "", None),
        ] {
            let expected = expected.map(|(text, is_certain): (&str, bool)| (text.to_owned(), is_certain));
            assert_eq!(numbers(all, one, false), expected, "{one} among {all:?}");
        }
        for (one, expected) in [
            ("1,234", Some(("1234", true))),
            ("2.00", Some(("2", true))),
            ("2.50", None),
            ("1.000", None),
            ("\"2.0\"", Some(("2", true))),
        ] {
            let expected = expected.map(|(text, is_certain): (&str, bool)| (text.to_owned(), is_certain));
            assert_eq!(numbers(&[], one, true), expected, "{one}");
        }
    }

    #[test]
    fn quotes_go_where_they_are_nothing_but_quotes() {
        for (field, value) in [
            ("\"Shoes, red\"", Some("Shoes, red")),
            ("\"5\"\" disk\"", Some("5\" disk")),
            ("\"\"", Some("")),
            ("\"\"\"x\"\"\"", None),
            ("\"Big\" and \"Small\"", None),
            ("\"", None),
            ("\"open", None),
            ("plain", None),
        ] {
            let found = without_quotes(field.as_bytes()).map(|value| String::from_utf8(value).unwrap());
            assert_eq!(found.as_deref(), value, "{field}");
        }
    }
}
