//! What was found, bounded: each cause is kept once with the rows that share it, the first causes of each rule only.

use super::code::{Code, Severity};
use crate::job::{Line, counted, grouped, printable};
use std::collections::HashMap;
use std::ops::Range;

/// Number of characters of a line that are kept around the subject of a finding.
const EXCERPT: usize = 120;

/// Number of these characters that are before the subject.
const EXCERPT_BEFORE: usize = 48;

/// Maximum number of characters of a value that a message repeats.
const QUOTED: usize = 40;

/// Maximum number of rows whose lines are kept.
const LINES_KEPT: usize = 20;

/// Maximum number of rows that a text names.
const LINES_NAMED: usize = 8;

/// One cause, and where it was met first.
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
    /// The rows that share the cause; none where it is about the whole file.
    pub affected: Affected,
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

/// Rows to which the same applies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Affected {
    /// How many.
    pub rows: u64,
    /// The lines of the first 20.
    pub lines: Vec<u64>,
    last: u64,
}

impl Affected {
    /// Adds a row, once.
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

    /// Adds what follows the first of these rows, all of which come after the last that was added.
    fn add_others(&mut self, others: &Self) {
        self.rows += others.rows.saturating_sub(1);
        self.lines.extend(others.lines.iter().skip(1).take(LINES_KEPT - self.lines.len()));
        self.last = others.last;
    }

    /// `line 3`, `lines 3, 9 and 12`, or the first eight of more: `lines 3, 9 and 24 more`; `None` if there are none.
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

/// What makes findings one: the rule, and a number for each cause that breaks it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Subject(Code, u64);

impl From<Code> for Subject {
    /// A rule that every row breaks for the same cause.
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
    /// Where the finding of a cause is, as long as more rows may share it.
    places: HashMap<Subject, usize>,
    /// Bytes looked at once more for the sake of findings; bounded, as findings are.
    work: u64,
}

impl Findings {
    pub(super) fn new(keep: usize) -> Self {
        Self { kept: Vec::new(), counts: vec![0; Code::ALL.len()], keep, places: HashMap::new(), work: 0 }
    }

    /// Those that were kept: of each rule the first causes, in the order of the file.
    #[must_use]
    pub fn kept(&self) -> &[Finding] {
        &self.kept
    }

    /// How many causes break this rule. Of those that were not kept, each row counts as one.
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
            more => format!("{text}; {} more", grouped(number(more))),
        })
    }

    /// Something about the file as a whole.
    pub(super) fn of_file(&mut self, code: Code, message: impl Into<String>, suggestion: Option<String>) {
        if self.takes(code) {
            let (message, affected) = (message.into(), Affected::default());
            self.kept.push(Finding { code, place: None, message, suggestion, affected });
        }
    }

    /// Something about bytes of a line. The words are made once for each cause, and only if they are kept.
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

    /// A cause that was found before applies to this line too.
    pub(super) fn again(&mut self, subject: Subject, line: &Line<'_>) {
        match self.places.get(&subject).and_then(|place| self.kept.get_mut(*place)) {
            Some(known) => known.affected.add(line.number),
            // It was not kept, as there were too many before it.
            None => drop(self.takes(subject.0)),
        }
    }

    /// Something about several whole rows, of which `line` is the first.
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

    /// The file is over: in its order, what is about the whole file first, and each with the rows that share its cause.
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

    /// Takes back what broke a rule, once no more rows follow.
    pub(super) fn forget(&mut self, code: Code) {
        self.kept.retain(|finding| finding.code != code);
        self.places.clear();
        if let Some(count) = self.counts.get_mut(code as usize) {
            *count = 0;
        }
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
