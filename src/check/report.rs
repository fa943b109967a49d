//! The findings, in bounded memory. Each cause is kept once, with its rows, and only the first causes of each rule.

use super::code::{Code, Severity};
use crate::job::{Line, counted, grouped, printable};
use std::collections::HashMap;
use std::ops::Range;

/// Maximum number of characters kept of a line around the subject of a finding.
const EXCERPT: usize = 120;

/// Maximum number of these characters before the subject.
const EXCERPT_BEFORE: usize = 48;

/// Maximum number of characters of a value that a message repeats.
const QUOTED: usize = 40;

/// Maximum number of rows whose lines are kept.
const LINES_KEPT: usize = 20;

/// Maximum number of rows that a text names.
const LINES_NAMED: usize = 8;

/// One cause, and its first place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub code: Code,
    /// The place. `None` if the finding concerns the whole file.
    pub place: Option<Place>,
    /// The problem, in one line of printable characters.
    pub message: String,
    /// The suggested text or action, in one line.
    pub suggestion: Option<String>,
    /// The rows that share the cause. Empty if the finding concerns the whole file.
    pub affected: Affected,
}

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Counts from 1.
    pub line: u64,
    /// In characters, counted from 1. A tab is one character.
    pub column: usize,
    /// The line, or its part around the place.
    pub excerpt: String,
    /// The characters of `excerpt` that the finding concerns. Empty for a place between two characters.
    pub marked: Range<usize>,
    /// The line begins before the excerpt.
    pub is_cut_before: bool,
    /// The line continues after the excerpt.
    pub is_cut_after: bool,
}

/// Rows with the same cause.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Affected {
    /// Their number.
    pub rows: u64,
    /// The line numbers of the first 20.
    pub lines: Vec<u64>,
    last: u64,
}

impl Affected {
    /// Adds a row. A row that is added twice counts once.
    pub(super) fn add(&mut self, line: u64) {
        if line == self.last {
            return;
        }
        self.last = line;
        self.rows += 1;
        if self.lines.len() < LINES_KEPT {
            self.lines.push(line);
        }
    }

    /// Adds all but the first of these rows. They must come after the last row that was added.
    fn add_others(&mut self, others: &Self) {
        self.rows += others.rows.saturating_sub(1);
        self.lines.extend(others.lines.iter().skip(1).take(LINES_KEPT - self.lines.len()));
        self.last = others.last;
    }

    /// `line 3`, `lines 3, 9 and 12`, or with more than eight: `lines 3, 9 and 24 more`. `None` if there are none.
    #[must_use]
    pub fn in_words(&self) -> Option<String> {
        let named: Vec<String> = self.lines.iter().take(LINES_NAMED).map(u64::to_string).collect();
        let (last, others) = named.split_last()?;
        let more = self.rows.saturating_sub(named.len() as u64);
        Some(if more > 0 {
            format!("lines {} and {} more", named.join(", "), grouped(number(more)))
        } else if others.is_empty() {
            format!("line {last}")
        } else {
            format!("lines {} and {last}", others.join(", "))
        })
    }
}

/// The key by which findings share one cause: the rule, and a number for the cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Subject(Code, u64);

impl From<Code> for Subject {
    /// For a rule with only one cause.
    fn from(code: Code) -> Self {
        Self(code, 0)
    }
}

impl From<(Code, u64)> for Subject {
    fn from((code, cause): (Code, u64)) -> Self {
        Self(code, cause)
    }
}

/// All findings of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    kept: Vec<Finding>,
    counts: Vec<u64>,
    keep: usize,
    /// The index of each cause's finding, until the file ends.
    places: HashMap<Subject, usize>,
    /// Number of bytes that were read again for findings. It is bounded, because the findings are.
    work: u64,
}

impl Findings {
    pub(super) fn new(keep: usize) -> Self {
        Self { kept: Vec::new(), counts: vec![0; Code::ALL.len()], keep, places: HashMap::new(), work: 0 }
    }

    /// The kept findings: the first causes of each rule, in the order of the file.
    #[must_use]
    pub fn kept(&self) -> &[Finding] {
        &self.kept
    }

    /// The number of causes that break this rule. Of causes that were not kept, each row counts as one.
    #[must_use]
    pub fn count(&self, code: Code) -> u64 {
        self.counts.get(code as usize).copied().unwrap_or(0)
    }

    /// The number of causes that are at least this severe, kept or not.
    #[must_use]
    pub fn count_from(&self, least: Severity) -> u64 {
        Code::ALL.iter().filter(|code| code.severity() >= least).map(|code| self.count(*code)).sum()
    }

    /// The severity of the worst finding.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        Code::ALL.iter().filter(|code| self.count(**code) > 0).map(|code| code.severity()).max()
    }

    /// Returns the first of the most severe findings for a job's reason, with the number of others that are at least as
    /// severe as `least`.
    ///
    /// `line 3: the row has 2 fields, the header has 3; 2 more`
    #[must_use]
    pub fn summary(&self, least: Severity) -> Option<String> {
        let worst = self.worst().filter(|worst| *worst >= least)?;
        self.first(worst, self.count_from(least))
    }

    /// Like [`Self::summary`], for findings of exactly this severity.
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
            more => format!("{text}; {} more", grouped(number(more))),
        })
    }

    /// Adds a finding about the whole file.
    pub(super) fn of_file(&mut self, code: Code, message: impl Into<String>, suggestion: Option<String>) {
        if self.takes(code) {
            let (message, affected) = (message.into(), Affected::default());
            self.kept.push(Finding { code, place: None, message, suggestion, affected });
        }
    }

    /// Adds a finding about bytes of a line. Builds the words once for each cause, and only if they are kept.
    pub(super) fn at(
        &mut self,
        subject: impl Into<Subject>,
        line: &Line<'_>,
        bytes: Range<usize>,
        words: impl FnOnce() -> (String, Option<String>),
    ) {
        let subject = subject.into();
        if let Some(known) = self.places.get(&subject).and_then(|place| self.kept.get_mut(*place)) {
            known.affected.add(line.number);
        } else if self.takes(subject.0) {
            let (message, suggestion) = words();
            self.work += line.bytes.len() as u64;
            let mut affected = Affected::default();
            affected.add(line.number);
            self.places.insert(subject, self.kept.len());
            self.kept.push(Finding {
                code: subject.0,
                place: Some(place(line, &bytes)),
                message,
                suggestion,
                affected,
            });
        }
    }

    /// Adds another line to a cause that was found before.
    pub(super) fn again(&mut self, subject: Subject, line: &Line<'_>) {
        match self.places.get(&subject).and_then(|place| self.kept.get_mut(*place)) {
            Some(known) => known.affected.add(line.number),
            // The cause was not kept, because there were too many before it.
            None => drop(self.takes(subject.0)),
        }
    }

    /// Adds a finding about several whole rows. `line` is the first of them.
    pub(super) fn of_rows(
        &mut self,
        subject: impl Into<Subject>,
        line: &Line<'_>,
        rows: &Affected,
        words: impl FnOnce() -> (String, Option<String>),
    ) {
        let subject = subject.into();
        self.at(subject, line, 0..line.bytes.len(), words);
        if let Some(known) = self.places.get(&subject).and_then(|place| self.kept.get_mut(*place)) {
            known.affected.add_others(rows);
        }
    }

    /// Ends the file. Sorts the findings, those of the whole file first, and adds the rows that share a cause.
    pub(super) fn finish(&mut self) {
        self.places.clear();
        self.kept.sort_by_key(|finding| finding.place.as_ref().map(|place| (place.line, place.column)));
        for finding in self.kept.iter_mut().filter(|finding| finding.affected.rows > 1) {
            let rows = counted(number(finding.affected.rows), "row");
            let lines = finding.affected.in_words().unwrap_or_default();
            finding.message = format!("{} ({rows}: {lines})", finding.message);
        }
    }

    /// Adds words to the message of a rule that has one cause.
    pub(super) fn add_words(&mut self, code: Code, words: &str) {
        for finding in self.kept.iter_mut().filter(|finding| finding.code == code) {
            finding.message.push_str(words);
        }
    }

    /// Removes the findings of a rule. Call it only after the last row.
    pub(super) fn forget(&mut self, code: Code) {
        self.kept.retain(|finding| finding.code != code);
        self.places.clear();
        if let Some(count) = self.counts.get_mut(code as usize) {
            *count = 0;
        }
    }

    /// The number of bytes that were read more than once. It must be bounded for every file.
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

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
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

/// A value in a message: short, printable, in backticks.
pub(super) fn quoted(value: &[u8]) -> String {
    let start = value.get(..QUOTED * 4).unwrap_or(value);
    let text = String::from_utf8_lossy(start);
    let mut shown: String = text.chars().take(QUOTED).collect();
    if shown.len() < text.len() || start.len() < value.len() {
        shown.push('…');
    }
    format!("`{}`", printable(&shown))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{Encoding, LineEnd, LineKind};

    fn line(bytes: &[u8]) -> Line<'_> {
        Line {
            number: 3,
            bytes,
            length: bytes.len() as u64,
            kind: LineKind::Row,
            encoding: Encoding::Bytes,
            end: LineEnd::Feed,
        }
    }

    #[test]
    fn each_cause_is_kept_once_with_its_rows_and_the_first_causes_of_each_rule() {
        let mut findings = Findings::new(2);
        assert_eq!((findings.worst(), findings.summary(Severity::Doubtful)), (None, None));
        findings.of_file(Code::Utf16, "it is UTF-16", None);
        assert_eq!(findings.summary(Severity::Skips), None);
        for (number, cause) in [(3, 0), (3, 0), (4, 0), (5, 1), (6, 2), (7, 2)] {
            let line = Line { number, ..line(b"a\tb") };
            findings.at((Code::FieldCount, cause), &line, 0..3, || (format!("{cause} fields"), None));
        }
        findings.finish();
        let messages: Vec<&str> = findings.kept().iter().map(|finding| finding.message.as_str()).collect();
        assert_eq!(messages, ["it is UTF-16", "0 fields (2 rows: lines 3 and 4)", "1 fields"]);
        assert_eq!(findings.count(Code::FieldCount), 4, "two causes, and a row each of what was not kept");
        assert_eq!(findings.worst(), Some(Severity::Fails));
        assert_eq!(findings.summary(Severity::Fails).unwrap(), "line 3: 0 fields (2 rows: lines 3 and 4); 3 more");
        assert_eq!(findings.summary(Severity::Doubtful).unwrap(), "line 3: 0 fields (2 rows: lines 3 and 4); 4 more");
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
    fn rows_are_named_by_their_lines() {
        let mut affected = Affected::default();
        assert_eq!(affected.in_words(), None);
        affected.add(3);
        assert_eq!(affected.in_words().unwrap(), "line 3");
        affected.add(9);
        assert_eq!(affected.in_words().unwrap(), "lines 3 and 9");
        for line in 10..40 {
            affected.add(line);
        }
        assert_eq!(affected.in_words().unwrap(), "lines 3, 9, 10, 11, 12, 13, 14, 15 and 24 more");
        assert_eq!((affected.rows, affected.lines.len()), (32, 20));
    }
}
