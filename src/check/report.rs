//! What was found, bounded: the first of each rule are kept, the rest is counted; and its words for the job log.

use super::code::{Code, Severity};
use crate::job::{FileFindings, Kind, Likely, Line, printable};
use std::ops::Range;

/// Number of characters of a line that are kept around the subject of a finding.
const EXCERPT: usize = 120;

/// Number of these characters that are before the subject.
const EXCERPT_BEFORE: usize = 48;

/// Maximum number of characters of a value that a message repeats.
const QUOTED: usize = 40;

/// Maximum number of skipped rows whose lines are kept.
const SKIPPED_KEPT: usize = 20;

/// Maximum number of skipped rows that the text names.
const SKIPPED_TOLD: usize = 8;

/// One thing that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub code: Code,
    /// Where; `None` where it is about the whole file.
    pub place: Option<Place>,
    /// What is the matter, in one line of printable characters.
    pub message: String,
    /// What to write or do instead, in one line.
    pub suggestion: Option<String>,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// From 1.
    pub line: u64,
    /// In characters, from 1; a tab is one.
    pub column: usize,
    /// The line as it is, or what lies around the place.
    pub excerpt: String,
    /// The characters of `excerpt` that it is about; empty for a place between two.
    pub marked: Range<usize>,
    /// The line begins before the excerpt.
    pub is_cut_before: bool,
    /// The line goes on after it.
    pub is_cut_after: bool,
}

/// Rows that Adobe would skip.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Skipped {
    /// How many.
    pub rows: u64,
    /// The lines of the first 20.
    pub lines: Vec<u64>,
}

impl Skipped {
    pub(super) fn add(&mut self, line: u64) {
        self.rows += 1;
        if self.lines.len() < SKIPPED_KEPT {
            self.lines.push(line);
        }
    }

    /// `line 3`, `lines 3, 9 and 12`, or the first eight of more: `lines 3, 9 and 24 more`; `None` if there are none.
    #[must_use]
    pub fn in_words(&self) -> Option<String> {
        let told: Vec<String> = self.lines.iter().take(SKIPPED_TOLD).map(u64::to_string).collect();
        let (last, others) = told.split_last()?;
        let more = self.rows.saturating_sub(told.len() as u64);
        Some(if more > 0 {
            format!("lines {} and {more} more", told.join(", "))
        } else if others.is_empty() {
            format!("line {last}")
        } else {
            format!("lines {} and {last}", others.join(", "))
        })
    }
}

/// All findings of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    kept: Vec<Finding>,
    counts: Vec<u64>,
    keep: usize,
    /// Bytes looked at once more for the sake of findings; bounded, as findings are.
    work: u64,
}

impl Findings {
    pub(super) fn new(keep: usize) -> Self {
        Self { kept: Vec::new(), counts: vec![0; Code::ALL.len()], keep, work: 0 }
    }

    /// Those that were kept: of each rule the first, in the order of the file.
    #[must_use]
    pub fn kept(&self) -> &[Finding] {
        &self.kept
    }

    /// How many break this rule, kept or not.
    #[must_use]
    pub fn count(&self, code: Code) -> u64 {
        self.counts.get(code as usize).copied().unwrap_or(0)
    }

    /// How many are at least so severe, kept or not.
    #[must_use]
    pub fn count_from(&self, least: Severity) -> u64 {
        Code::ALL.iter().filter(|code| code.severity() >= least).map(|code| self.count(*code)).sum()
    }

    /// How severe the worst of them is.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        Code::ALL.iter().filter(|code| self.count(**code) > 0).map(|code| code.severity()).max()
    }

    /// For a job's reason: the first of the most severe, and how many more are at least as severe as `least`.
    ///
    /// `line 3: the row has 2 fields, the header has 3; 2 more`
    #[must_use]
    pub fn summary(&self, least: Severity) -> Option<String> {
        let worst = self.worst().filter(|worst| *worst >= least)?;
        self.first(worst, self.count_from(least))
    }

    /// The same of those alone that are so severe.
    pub(super) fn summary_of(&self, severity: Severity) -> Option<String> {
        let codes = Code::ALL.iter().filter(|code| code.severity() == severity);
        self.first(severity, codes.map(|code| self.count(*code)).sum())
    }

    fn first(&self, severity: Severity, of: u64) -> Option<String> {
        let first = self.kept.iter().find(|finding| finding.code.severity() == severity)?;
        let text = match &first.place {
            Some(place) => format!("line {}: {}", place.line, first.message),
            None => first.message.clone(),
        };
        Some(match of.saturating_sub(1) {
            0 => text,
            more => format!("{text}; {more} more"),
        })
    }

    /// Something about the file as a whole.
    pub(super) fn of_file(&mut self, code: Code, message: impl Into<String>, suggestion: Option<String>) {
        if self.takes(code) {
            self.kept.push(Finding { code, place: None, message: message.into(), suggestion });
        }
    }

    /// Something about bytes of a line. The words are made only if they are kept.
    pub(super) fn at(
        &mut self,
        code: Code,
        line: &Line<'_>,
        bytes: Range<usize>,
        words: impl FnOnce() -> (String, Option<String>),
    ) {
        if self.takes(code) {
            let (message, suggestion) = words();
            self.work += line.bytes.len() as u64;
            self.kept.push(Finding { code, place: Some(place(line, &bytes)), message, suggestion });
        }
    }

    /// In the order of the file; what is about the whole file comes first.
    pub(super) fn sort(&mut self) {
        self.kept.sort_by_key(|finding| finding.place.as_ref().map(|place| (place.line, place.column)));
    }

    /// Bytes looked at more often than once each: no file may make this grow without end.
    #[cfg(test)]
    pub(super) fn work(&self) -> u64 {
        self.work
    }

    fn takes(&mut self, code: Code) -> bool {
        let Some(count) = self.counts.get_mut(code as usize) else { return false };
        *count += 1;
        *count <= self.keep as u64
    }
}

fn place(line: &Line<'_>, bytes: &Range<usize>) -> Place {
    let part = |range: Range<usize>| String::from_utf8_lossy(line.bytes.get(range).unwrap_or_default()).into_owned();
    let before = part(0..bytes.start);
    let marked = part(bytes.clone());
    let after = part(bytes.end..line.bytes.len());
    let start = before.chars().count();
    let from = start.saturating_sub(EXCERPT_BEFORE);
    let mut rest = before.chars().skip(from).chain(marked.chars()).chain(after.chars());
    let excerpt: String = rest.by_ref().take(EXCERPT).collect();
    let length = marked.chars().count().min(EXCERPT - (start - from));
    Place {
        line: line.number,
        column: start + 1,
        excerpt,
        marked: start - from..start - from + length,
        is_cut_before: from > 0,
        is_cut_after: rest.next().is_some() || line.is_cut(),
    }
}

/// A value as a message repeats it: short, printable, in backticks.
pub(super) fn quoted(value: &[u8]) -> String {
    let start = value.get(..QUOTED * 4).unwrap_or(value);
    let text = String::from_utf8_lossy(start);
    let mut shown: String = text.chars().take(QUOTED).collect();
    if shown.len() < text.len() || start.len() < value.len() {
        shown.push('…');
    }
    format!("`{}`", printable(&shown))
}

// What was found in a file, in words that are short enough to be kept: for the job log, for reasons, for the `.why`.

/// Maximum number of findings in a list.
const LISTED: usize = 5;

/// What became of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// What was found.
    pub findings: Findings,
    /// Data file or marker.
    pub kind: Kind,
    /// In bytes.
    pub size: u64,
    /// How many rows Adobe should process: neither blank, nor comments, nor the header. Skipped ones are among them.
    pub rows_expected: u64,
    /// The rows of these that it would skip.
    pub skipped: Skipped,
}

impl Checked {
    /// Whether the file as a whole would not be processed.
    #[must_use]
    pub fn would_fail(&self) -> bool {
        self.findings.worst() == Some(Severity::Fails)
    }

    /// The findings in words; `None` where there are none.
    #[must_use]
    pub fn told(&self) -> Option<FileFindings> {
        let summary = self.findings.summary(Severity::Doubtful)?;
        let cause = self.findings.summary_of(Severity::Fails).or_else(|| self.findings.summary_of(Severity::Doubtful));
        Some(FileFindings {
            summary,
            list: self.list(),
            only_doubts: self.findings.worst() == Some(Severity::Doubtful),
            likely: Likely { cause, rows: likely_rows(&self.skipped), rows_skipped: self.skipped.rows },
        })
    }

    /// The worst first, and each severity in the order of the file.
    fn list(&self) -> String {
        let mut order: Vec<&Finding> = self.findings.kept().iter().collect();
        order.sort_by_key(|finding| std::cmp::Reverse(finding.code.severity()));
        let mut lines: Vec<String> = order.into_iter().take(LISTED).map(line).collect();
        let more = self.findings.count_from(Severity::Doubtful).saturating_sub(lines.len() as u64);
        if more > 0 {
            lines.push(format!("and {more} more"));
        }
        lines.join("\n")
    }
}

fn line(finding: &Finding) -> String {
    let at = finding
        .place
        .as_ref()
        .map_or_else(String::new, |place| format!("line {}, column {}: ", place.line, place.column));
    let remedy = finding.suggestion.as_ref().map_or_else(String::new, |remedy| format!("; {remedy}"));
    format!("{}: {at}{}{remedy}", finding.code.severity(), finding.message)
}

/// A semicolon is the only thing for which Adobe is known to skip a row.
fn likely_rows(skipped: &Skipped) -> Option<String> {
    let what = if skipped.rows == 1 { "a semicolon" } else { "semicolons" };
    skipped.in_words().map(|lines| format!("{lines}: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Checker, Code, Facts};
    use crate::job::{Encoding, LineKind};
    use proptest::prelude::*;
    use std::ffi::OsStr;

    fn line(bytes: &[u8]) -> Line<'_> {
        Line { number: 3, bytes, length: bytes.len() as u64, kind: LineKind::Row, encoding: Encoding::Bytes }
    }

    #[test]
    fn the_first_are_kept_and_all_are_counted() {
        let mut findings = Findings::new(2);
        assert_eq!((findings.worst(), findings.summary(Severity::Doubtful)), (None, None));
        findings.of_file(Code::Utf16, "it is UTF-16", None);
        assert_eq!(findings.summary(Severity::Skips), None);
        for _ in 0..5 {
            findings.at(Code::FieldCount, &line(b"a\tb"), 0..3, || ("2 fields".to_owned(), None));
        }
        assert_eq!((findings.kept().len(), findings.count(Code::FieldCount)), (3, 5));
        assert_eq!(findings.worst(), Some(Severity::Fails));
        assert_eq!(findings.summary(Severity::Fails).unwrap(), "line 3: 2 fields; 4 more");
        assert_eq!(findings.summary(Severity::Doubtful).unwrap(), "line 3: 2 fields; 5 more");
    }

    #[test]
    fn columns_count_characters_and_excerpts_are_short() {
        let text = format!("日本\t{}\tend", "x".repeat(300));
        let found = place(&line(text.as_bytes()), &(7..307));
        assert_eq!((found.column, found.marked, found.excerpt.chars().count()), (4, 3..120, 120));
        assert!(!found.is_cut_before && found.is_cut_after);
        let found = place(&line(text.as_bytes()), &(308..311));
        assert_eq!((found.column, found.marked, found.is_cut_before, found.is_cut_after), (305, 48..51, true, false));
        assert!(found.excerpt.ends_with("x\tend"));
        assert_eq!(place(&line(b"\xe9\tb"), &(2..3)).column, 3);
    }

    #[test]
    fn values_are_repeated_short_and_printable() {
        assert_eq!(quoted(b"a\x1b[31m"), "`a\\u{1b}[31m`");
        assert_eq!(quoted("ä".repeat(41).as_bytes()), format!("`{}…`", "ä".repeat(40)));
        assert_eq!(quoted("ä".repeat(40).as_bytes()), format!("`{}`", "ä".repeat(40)));
    }

    #[test]
    fn skipped_rows_are_told_by_their_lines() {
        let mut skipped = Skipped::default();
        assert_eq!(skipped.in_words(), None);
        skipped.add(3);
        assert_eq!(skipped.in_words().unwrap(), "line 3");
        skipped.add(9);
        assert_eq!(skipped.in_words().unwrap(), "lines 3 and 9");
        for line in 10..40 {
            skipped.add(line);
        }
        assert_eq!(skipped.in_words().unwrap(), "lines 3, 9, 10, 11, 12, 13, 14, 15 and 24 more");
        assert_eq!((skipped.rows, skipped.lines.len()), (32, 20));
    }

    fn told(rows: &str) -> Option<FileFindings> {
        let mut checker = Checker::new(&Facts {
            file_name: OsStr::new("sales.txt"),
            extensions: &["txt".to_owned()],
            today: jiff::civil::date(2026, 11, 24),
            max_size: 50_000_000,
            bytes_per_second: None,
            keep: 5,
        });
        checker.update(b"Date\tEvar 1\tEvent 1\n");
        checker.update(rows.as_bytes());
        checker.finish().told()
    }

    const GOOD: &str = "11/20/2026\tred\t1\n";
    const SKIPPED: &str = "11/20/2026\tred;\t1\n";
    const SHORT: &str = "11/20/2026\tred\n";
    const ODD: &str = "11/20/2026\tred\t1%\n";

    #[test]
    fn nothing_is_told_of_a_file_that_is_in_order() {
        assert_eq!(told(GOOD), None);
    }

    #[test]
    fn the_worst_is_listed_first_with_what_to_write_instead() {
        let told = told(&[SKIPPED, ODD, SHORT].concat()).unwrap();
        insta::assert_snapshot!(told.list, @r"
        fails: line 4, column 15: the row has 2 fields, the header has 3: Adobe rejects the whole file; add 1 tab
        skips: line 2, column 15: Adobe skips rows that contain a semicolon; write another character
        doubtful: line 3, column 16: `1%` is not a plain number; write digits and at most one point, such as `2` or `2.50`
        ");
        assert_eq!(
            told.summary,
            "line 4: the row has 2 fields, the header has 3: Adobe rejects the whole file; 2 more"
        );
        assert_eq!(
            told.likely.cause.unwrap(),
            "line 4: the row has 2 fields, the header has 3: Adobe rejects the whole file",
            "what only loses a row or is doubtful is no part of the cause"
        );
        assert!(!told.only_doubts);
    }

    #[test]
    fn many_findings_are_counted() {
        let told = told(&[SHORT, SKIPPED].concat().repeat(1_000)).unwrap();
        assert_eq!(told.list.lines().count(), LISTED + 1);
        assert!(told.list.ends_with("\nand 1995 more"), "{}", told.list);
        assert_eq!(told.likely.rows.unwrap(), "lines 3, 5, 7, 9, 11, 13, 15, 17 and 992 more: semicolons");
        assert_eq!(told.likely.rows_skipped, 1_000);
    }

    #[test]
    fn a_doubt_is_a_cause_where_there_is_nothing_worse_and_a_semicolon_never_is() {
        let doubt = told(ODD).unwrap();
        assert!(doubt.only_doubts && doubt.likely.cause.unwrap().starts_with("line 2: `1%` is not a plain number"));
        let both = told(&[SKIPPED, ODD].concat()).unwrap();
        assert!(both.likely.cause.unwrap().starts_with("line 3: `1%`"));
        let skips = told(SKIPPED).unwrap();
        assert_eq!((skips.only_doubts, skips.likely.cause), (false, None));
        assert_eq!(skips.likely.rows.unwrap(), "line 2: a semicolon");
    }

    #[test]
    fn semicolons_are_all_that_skips_a_row() {
        let skips = Code::ALL.iter().filter(|code| code.severity() == Severity::Skips);
        assert_eq!(skips.collect::<Vec<_>>(), [&Code::Semicolon], "`likely_rows` must name the others too");
    }

    proptest! {
        #[test]
        fn what_is_told_is_bounded_and_printable(rows in proptest::collection::vec(
            prop_oneof![
                Just(GOOD.to_owned()), Just(SKIPPED.to_owned()), Just(SHORT.to_owned()), Just(ODD.to_owned()),
                "\\PC{0,300}\n", "[\t;\r\u{0}-\u{1f}]{0,9}\n",
            ],
            0..40,
        )) {
            let Some(told) = told(&rows.concat()) else { return Ok(()) };
            prop_assert!(told.list.lines().count() <= LISTED + 1 && told.list.chars().count() <= LISTED * 2_000);
            let texts = told.list.split('\n').chain([told.summary.as_str()]).chain(told.likely.cause.as_deref());
            for text in texts.chain(told.likely.rows.as_deref()) {
                prop_assert!(!text.is_empty() && !text.chars().any(char::is_control), "{:?}", text);
            }
            prop_assert_eq!(told.likely.rows.is_some(), told.likely.rows_skipped > 0);
        }
    }
}
