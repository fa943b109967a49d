//! What mending changes, as a unified diff. Each line has its own before and after, so that nothing has to be compared.

use crate::check::MendedLine;
use crate::job::{LineEnd, printable};
use anstyle::{AnsiColor, Style};
use std::collections::VecDeque;
use std::fmt::Write as _;

/// Lines around a change that are shown.
const CONTEXT: usize = 3;

/// Maximum number of lines in a hunk, which are held in memory.
const LONGEST: u64 = 1_000;

const BOLD: Style = Style::new().bold();
const PLACE: Style = AnsiColor::Cyan.on_default();
const BEFORE: Style = AnsiColor::Red.on_default();
const AFTER: Style = AnsiColor::Green.on_default();

/// The diff of a file, as far as it has come.
#[derive(Debug)]
pub(super) struct LineDiff {
    head: String,
    done: String,
    /// Lines before the next change, each as it is shown.
    before: VecDeque<String>,
    hunk: Option<Hunk>,
}

/// Lines that belong together.
#[derive(Debug)]
struct Hunk {
    first: u64,
    lines: String,
    count: u64,
    /// Unchanged lines at its end.
    unchanged: usize,
}

impl LineDiff {
    /// Begins with the names of both files, which are shown once something differs.
    pub(super) fn new(before: &str, after: &str) -> Self {
        let head = format!("{BOLD}--- {before}{BOLD:#}\n{BOLD}+++ {after}{BOLD:#}\n");
        Self { head, done: String::new(), before: VecDeque::new(), hunk: None }
    }

    /// Takes the next line of the file.
    pub(super) fn push(&mut self, line: &MendedLine<'_>) {
        if line.before == line.after {
            self.unchanged(line);
            return;
        }
        let hunk = self.hunk.get_or_insert_with(|| Hunk {
            first: line.number - self.before.len() as u64,
            count: self.before.len() as u64,
            lines: self.before.drain(..).collect(),
            unchanged: 0,
        });
        let _ = write!(hunk.lines, "{BEFORE}-{}{BEFORE:#}\n{}", shown(line.before), last(line));
        let _ = write!(hunk.lines, "{AFTER}+{}{AFTER:#}\n{}", shown(line.after), last(line));
        hunk.count += 1;
        hunk.unchanged = 0;
        if hunk.count >= LONGEST {
            self.close();
        }
    }

    fn unchanged(&mut self, line: &MendedLine<'_>) {
        let text = format!(" {}\n{}", shown(line.before), last(line));
        if let Some(hunk) = &mut self.hunk {
            hunk.lines.push_str(&text);
            hunk.count += 1;
            hunk.unchanged += 1;
            if hunk.unchanged == CONTEXT {
                self.close();
            }
            return;
        }
        if self.before.len() == CONTEXT {
            self.before.pop_front();
        }
        self.before.push_back(text);
    }

    fn close(&mut self) {
        let Some(hunk) = self.hunk.take() else { return };
        self.done.push_str(&std::mem::take(&mut self.head));
        let place = format!("{},{}", hunk.first, hunk.count);
        let _ = write!(self.done, "{PLACE}@@ -{place} +{place} @@{PLACE:#}\n{}", hunk.lines);
    }

    /// The hunks that are whole by now.
    pub(super) fn take(&mut self) -> String {
        std::mem::take(&mut self.done)
    }

    /// The file is over: the rest.
    pub(super) fn finish(&mut self) -> String {
        self.close();
        self.take()
    }
}

/// What follows a line that nothing ends.
fn last(line: &MendedLine<'_>) -> &'static str {
    if line.end == LineEnd::None { "\\ No newline at end of file\n" } else { "" }
}

/// A line as it is shown: tabs as they are, everything else that a terminal would obey by its code.
fn shown(line: &[u8]) -> String {
    let mut text = String::with_capacity(line.len());
    for chunk in line.utf8_chunks() {
        for (index, part) in chunk.valid().split('\t').enumerate() {
            if index > 0 {
                text.push('\t');
            }
            text.push_str(&printable(part));
        }
        for byte in chunk.invalid() {
            let _ = write!(text, "\\x{byte:02X}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn diff(lines: &[(&str, &str)]) -> String {
        let mut diff = LineDiff::new("a", "b");
        for (number, (before, after)) in (1..).zip(lines) {
            let end = if number == lines.len() as u64 { LineEnd::None } else { LineEnd::Feed };
            diff.push(&MendedLine { number, before: before.as_bytes(), after: after.as_bytes(), end });
        }
        anstream::adapter::strip_str(&diff.finish()).to_string()
    }

    #[test]
    fn a_change_is_shown_with_the_lines_around_it() {
        let same = [("1", "1"), ("2", "2"), ("3", "3"), ("4", "4")];
        assert_eq!(diff(&same), "");
        let lines = [&same[..], &[("x\t\r", "y\t")], &same, &same, &[("p", "q")]].concat();
        assert_eq!(
            diff(&lines),
            "--- a\n+++ b\n@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-x\t\\r\n+y\t\n 1\n 2\n 3\n@@ -11,4 +11,4 @@\n 2\n 3\n 4\n-p\n\
             \\ No newline at end of file\n+q\n\\ No newline at end of file\n"
        );
    }

    #[test]
    fn a_long_hunk_is_handed_on_before_the_file_is_over() {
        let mut diff = LineDiff::new("a", "b");
        for number in 1..=LONGEST {
            diff.push(&MendedLine { number, before: b"\xe9\x1b[31m", after: b"b", end: LineEnd::Feed });
        }
        let text = anstream::adapter::strip_str(&diff.take()).to_string();
        assert!(text.contains("\n@@ -1,1000 +1,1000 @@\n-\\xE9\\u{1b}[31m\n+b\n"), "{}", &text[..200]);
        assert_eq!(diff.finish(), "");
    }
}
