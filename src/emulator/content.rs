//! Processes the content of a file like Adobe: counts its rows, or fails it (Adobe, "Data sources file format").
//!
//! It has only the rules whose effect is documented. The product's own check knows more. The two share no code, so that
//! neither can hide the other's mistake.

use crate::job::{Kind, RowCounter, classify};
use std::borrow::Cow;
use std::collections::HashSet;
use std::ffi::OsStr;

/// "Data Sources supports up to 90 unique days in a file."
const MOST_DAYS: usize = 90;

/// The result of processing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// `success` with this number of rows.
    Rows(u64),
    /// `failure`, with a reason that Adobe would not report.
    Fails(&'static str),
}

/// Processes a file. Returns its rows, including skipped ones, and the result. Markers have no rows.
pub(super) fn judge(name: &str, content: &[u8]) -> (u64, Verdict) {
    if classify(OsStr::new(name), &[]) == Some(Kind::Fin) {
        return (0, Verdict::Rows(0));
    }
    let mut counter = RowCounter::default();
    counter.update(content);
    let rows = counter.finish();
    (rows, process(content, rows))
}

fn process(content: &[u8], rows: u64) -> Verdict {
    let text = as_bytes(content);
    let mut tabs_of_header = None;
    let mut skipped = 0;
    let mut days = Days::default();
    for line in text.split(|&byte| byte == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.first() == Some(&b'#') || line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\r')) {
            continue;
        }
        let first = line.split(|&byte| byte == b'\t').next().unwrap_or(line);
        let tabs = count(line, b'\t');
        let Some(expected) = tabs_of_header else {
            if !first.eq_ignore_ascii_case(b"date") {
                return Verdict::Fails("the first column of the header is not Date");
            }
            if !line.split(|&byte| byte == b'\t').all(may_be_a_column) {
                return Verdict::Fails("a column that is none");
            }
            tabs_of_header = Some(tabs);
            continue;
        };
        if tabs != expected {
            return Verdict::Fails("column mismatch");
        }
        if line.contains(&b';') {
            skipped += 1;
        }
        // Without the time of day: MM/DD/YYYY has ten characters.
        let (day, time) = first.split_at_checked(10).unwrap_or((first, b""));
        match days.add(day) {
            Some(days) if days > MOST_DAYS => return Verdict::Fails("exceeded the maximum unique days"),
            Some(_) if is_a_time(time) => {}
            Some(_) | None => return Verdict::Fails("a date that is none"),
        }
    }
    if tabs_of_header.is_none() {
        return Verdict::Fails("no header");
    }
    Verdict::Rows(rows.saturating_sub(skipped))
}

/// A sum, because the compiler turns it into vector instructions. Measurements of uploads include this module.
fn count(line: &[u8], wanted: u8) -> usize {
    line.iter().fold(0, |sum, &byte| sum + usize::from(byte == wanted))
}

/// The days so far. Most rows repeat the day of the previous row.
#[derive(Default)]
struct Days<'a> {
    last: &'a [u8],
    all: HashSet<&'a [u8]>,
}

impl<'a> Days<'a> {
    /// Adds a day. Returns the number of days so far, or `None` if the text is not a day.
    fn add(&mut self, day: &'a [u8]) -> Option<usize> {
        if self.last != day || day.is_empty() {
            jiff::civil::Date::strptime("%m/%d/%Y", day).ok().filter(|_| day.len() == 10)?;
            self.last = day;
            self.all.insert(day);
        }
        Some(self.all.len())
    }
}

/// Returns whether the text is empty or `/HH/mm/SS`.
fn is_a_time(time: &[u8]) -> bool {
    time.is_empty() || time.len() == 9 && jiff::civil::Time::strptime("/%H/%M/%S", time).is_ok()
}

/// Returns whether a column has a name, and an existing number if it is numbered. Only the check knows Adobe's whole
/// list.
fn may_be_a_column(name: &[u8]) -> bool {
    let name = String::from_utf8_lossy(name.trim_ascii()).to_ascii_lowercase();
    let number = |kind: &str| name.strip_prefix(kind).map(|number| number.trim_start().parse::<u32>());
    let is_within = |number: Option<Result<u32, _>>, last| match number {
        Some(Ok(number)) => (1..=last).contains(&number),
        Some(Err(_)) | None => true,
    };
    !name.is_empty() && is_within(number("evar"), 250) && is_within(number("event"), 1000)
}

/// Removes the byte order mark, and converts UTF-16 to UTF-8.
fn as_bytes(content: &[u8]) -> Cow<'_, [u8]> {
    let wide = |rest: &[u8], unit: fn([u8; 2]) -> u16| {
        let units = rest.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
        let text: String = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
        Cow::Owned(text.into_bytes())
    };
    if let Some(rest) = content.strip_prefix(b"\xff\xfe") {
        wide(rest, u16::from_le_bytes)
    } else if let Some(rest) = content.strip_prefix(b"\xfe\xff") {
        wide(rest, u16::from_be_bytes)
    } else {
        Cow::Borrowed(content.strip_prefix(b"\xef\xbb\xbf").unwrap_or(content))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(content: &str) -> Verdict {
        judge("sales.txt", content.as_bytes()).1
    }

    #[test]
    fn rows_with_semicolons_are_skipped_and_nothing_else_is() {
        assert_eq!(data("# c\nDate\tEvent 1\n11/20/2026\t1\n\n11/21/2026\t2\n"), Verdict::Rows(2));
        assert_eq!(data("date\tEvar 1\tEvent 1\r\n11/20/2026\ta;b\t1\r\n11/20/2026\tc\t1\r\n"), Verdict::Rows(1));
        assert_eq!(judge("sales.fin", b""), (0, Verdict::Rows(0)));
    }

    #[test]
    fn a_file_that_adobe_fails_fails_as_a_whole() {
        for content in [
            "",
            "# only a comment\n",
            "Evar 1\tDate\nx\t11/20/2026\n",
            "Date\tEvar 1\tEvent 1\n11/20/2026\tx\t1\n11/20/2026\tx\n",
            "Date\tEvar 1\tEvent 1\n02/30/2026\tx\t1\n",
            "Date\tEvar 1\tEvent 1\n2026-11-20\tx\t1\n",
            "Date\tEvar 1\tEvent 1\n11/20/2026 10:00\tx\t1\n",
            "Date\tEvar 1\tEvent 1\n\tx\t1\n",
            "Date\tEvar 251\tEvent 1\n11/20/2026\tx\t1\n",
            "Date\tEvar 1\tEvent 1\t\n11/20/2026\tx\t1\t\n",
        ] {
            assert!(matches!(data(content), Verdict::Fails(_)), "{content:?}");
        }
    }

    #[test]
    fn ninety_days_pass_and_ninety_one_fail() {
        let days = |count: i32| {
            let first = jiff::civil::date(2026, 1, 1);
            (0..count).fold("Date\tEvent 1\n".to_owned(), |text, day| {
                let day = first.saturating_add(jiff::Span::new().days(day));
                text + &format!("{:02}/{:02}/{}/08/00/00\t1\n", day.month(), day.day(), day.year())
            })
        };
        assert_eq!(data(&days(90)), Verdict::Rows(90));
        assert!(matches!(data(&days(91)), Verdict::Fails(_)));
    }

    #[test]
    fn a_byte_order_mark_hides_nothing() {
        assert_eq!(data("\u{feff}Date\tEvent 1\n11/20/2026\t1\n"), Verdict::Rows(1));
        let wide: Vec<u8> = "\u{feff}Date\tEvar 1\n11/20/2026\tä;b\n11/20/2026\tc\n"
            .encode_utf16()
            .flat_map(u16::to_be_bytes)
            .collect();
        assert_eq!(judge("a.txt", &wide), (2, Verdict::Rows(1)));
    }
}
