//! Findings as a compiler would show them: place, line, mark, remedy.

use crate::check::{Checked, Code, Finding, Place, Severity};
use crate::job::Kind;
use crate::status::{counted, grouped, printable};
use anstyle::{AnsiColor, Style};
use std::fmt::Write as _;
use unicode_width::UnicodeWidthStr as _;

/// Findings of one file that are shown.
const SHOWN: usize = 20;

/// Columns of an explanation.
const EXPLAINED: usize = 80;

const BOLD: Style = Style::new().bold();
const FAINT: Style = Style::new().dimmed();

fn style(severity: Severity) -> Style {
    let color = match severity {
        Severity::Fails => AnsiColor::Red,
        Severity::Skips => AnsiColor::Magenta,
        Severity::Doubtful => AnsiColor::Yellow,
    };
    color.on_default().bold()
}

/// The findings of a file and what becomes of it; the lines fit into `width` columns as far as they are the file's.
pub(super) fn file(name: &str, checked: &Checked, width: Option<usize>) -> String {
    let mut page = String::new();
    let kept = checked.findings.kept();
    let shown = most_severe(kept);
    for finding in &shown {
        page.push_str(&message(name, finding, width));
    }
    let hidden = checked.findings.count_from(Severity::Doubtful).saturating_sub(shown.len() as u64);
    if hidden > 0 {
        let _ = writeln!(page, "… and {} more: {}\n", grouped(number(hidden)), hidden_by_rule(checked, &shown));
    }
    let _ = writeln!(page, "{BOLD}{name}{BOLD:#}: {}", verdict(checked));
    page
}

/// The most severe come first when there is no room for all; those shown stand in the order of the file.
fn most_severe(kept: &[Finding]) -> Vec<&Finding> {
    let mut order: Vec<usize> = (0..kept.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(kept[*index].code.severity()));
    order.truncate(SHOWN);
    order.sort_unstable();
    order.into_iter().map(|index| &kept[index]).collect()
}

fn hidden_by_rule(checked: &Checked, shown: &[&Finding]) -> String {
    let mut parts = Vec::new();
    for code in Code::ALL {
        let seen = shown.iter().filter(|finding| finding.code == *code).count() as u64;
        let hidden = checked.findings.count(*code).saturating_sub(seen);
        if hidden > 0 {
            parts.push(format!("{} {code}", grouped(number(hidden))));
        }
    }
    parts.join(", ")
}

fn message(name: &str, finding: &Finding, width: Option<usize>) -> String {
    let severity = finding.code.severity();
    let color = style(severity);
    let at = finding.place.as_ref().map_or_else(String::new, |place| format!(":{}:{}", place.line, place.column));
    let mut text = format!(
        "{BOLD}{name}{at}{BOLD:#}: {color}{severity}{color:#}: {} {FAINT}[{}]{FAINT:#}\n",
        finding.message, finding.code
    );
    let mut margin = 3;
    if let Some(place) = &finding.place {
        let number = format!("{:>3}", place.line);
        margin = number.len();
        let room = width.map(|width| width.saturating_sub(margin + 4).max(20));
        let (line, mark) = excerpt(place, room);
        let _ = writeln!(text, "{FAINT}{number} |{FAINT:#} {}", line.trim_end());
        let _ = writeln!(text, "{FAINT}{:margin$} |{FAINT:#} {}{color}{}{color:#}", "", mark.before, mark.carets);
    }
    if let Some(suggestion) = &finding.suggestion {
        let _ = writeln!(text, "{FAINT}{:margin$} ={FAINT:#} {suggestion}", "");
    }
    text.push('\n');
    text
}

struct Mark {
    before: String,
    carets: String,
}

/// The line as far as there is room, and a mark below its part.
fn excerpt(place: &Place, room: Option<usize>) -> (String, Mark) {
    let cells: Vec<String> = place.excerpt.chars().map(cell).collect();
    let width = |from: usize, to: usize| cells[from..to].iter().map(|cell| cell.width()).sum::<usize>();
    let marked = place.marked.start.min(cells.len())..place.marked.end.min(cells.len());
    let (mut from, mut to) = (0, cells.len());
    if let Some(room) = room.filter(|room| width(0, cells.len()) > *room) {
        // The part itself first, then what is before it, then what is after it.
        while from < marked.start && width(from, marked.end) > room * 2 / 3 {
            from += 1;
        }
        while to > from + 1 && width(from, to) > room {
            to -= 1;
        }
    }
    let mut line = if place.is_cut_before || from > 0 { "…".to_owned() } else { String::new() };
    let start = line.width() + width(from, marked.start.min(to));
    line.extend(cells[from..to].iter().map(String::as_str));
    if place.is_cut_after || to < cells.len() {
        line.push('…');
    }
    let length = width(marked.start.min(to), marked.end.min(to)).max(1);
    (line, Mark { before: " ".repeat(start), carets: "^".repeat(length) })
}

/// A character as it is shown. Tabs are what the format is made of, so that they must look different from spaces.
fn cell(character: char) -> String {
    if character == '\t' { " → ".to_owned() } else { printable(character.encode_utf8(&mut [0; 4])) }
}

/// What becomes of a file, in a line.
pub(super) fn verdict(checked: &Checked) -> String {
    let (color, rows) = (checked.findings.worst().map(style).unwrap_or_default(), rows(checked));
    let found = counted(number(checked.findings.count_from(Severity::Doubtful)), "finding");
    match checked.findings.worst() {
        None => format!("nothing found, {rows}"),
        Some(Severity::Doubtful) => format!("{color}doubtful{color:#}: {found}, {rows}"),
        Some(Severity::Skips) => {
            let lines = checked.skipped.in_words().unwrap_or_default();
            let skipped = grouped(number(checked.skipped.rows));
            format!("{color}skips{color:#}: Adobe would skip {skipped} of {rows}: {lines}")
        }
        Some(Severity::Fails) => format!("{color}fails{color:#}: {found}, {rows}"),
    }
}

fn rows(checked: &Checked) -> String {
    match checked.kind {
        Kind::Data => counted(number(checked.rows_expected), "row"),
        Kind::Fin => "a marker".to_owned(),
    }
}

/// `3 files: 1 fails, 1 skips, 1 in order`
pub(super) fn summary<'a>(files: impl Iterator<Item = &'a Checked>) -> String {
    let mut counts = [0; 4];
    for checked in files {
        counts[match checked.findings.worst() {
            Some(Severity::Fails) => 0,
            Some(Severity::Skips) => 1,
            Some(Severity::Doubtful) => 2,
            None => 3,
        }] += 1;
    }
    let words = ["fails", "skips", "doubtful", "in order"];
    let parts: Vec<String> = counts
        .iter()
        .zip(words)
        .filter(|(count, _)| **count > 0)
        .map(|(count, word)| format!("{} {word}", grouped(number(*count))))
        .collect();
    format!("\n{}: {}", counted(number(counts.iter().sum()), "file"), parts.join(", "))
}

/// Everything about a rule.
pub(super) fn explanation(code: Code) -> String {
    let rule = code.rule();
    let color = style(rule.severity);
    let severity = match rule.severity {
        Severity::Fails => "fails: the file is not processed",
        Severity::Skips => "skips: the row is lost, the rest is processed",
        Severity::Doubtful => "doubtful: no source says what becomes of it",
    };
    let mut text = format!("{BOLD}{code}{BOLD:#} ({color}{severity}{color:#})\n\n");
    for (label, words) in
        [("The rule", rule.says), ("Adobe", rule.effect), ("Remedy", rule.remedy), ("Source", rule.source)]
    {
        text.push_str(&paragraph(label, words));
    }
    text
}

/// A label and its words, broken into lines that stand below each other.
fn paragraph(label: &str, words: &str) -> String {
    let mut text = format!("  {label:<9}");
    let mut column = text.len();
    for word in words.split_whitespace() {
        if column + 1 + word.width() > EXPLAINED {
            text.push_str("\n           ");
            column = 11;
        }
        text.push(' ');
        text.push_str(word);
        column += 1 + word.width();
    }
    text.push('\n');
    text
}

pub(super) fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(excerpt: &str, marked: std::ops::Range<usize>) -> Place {
        Place { line: 2, column: 1, excerpt: excerpt.to_owned(), marked, is_cut_before: false, is_cut_after: false }
    }

    #[test]
    fn a_mark_lies_below_its_part_however_wide_the_characters_are() {
        let (line, mark) = excerpt(&place("日本\ta\u{1b}b\tend", 7..10), None);
        assert_eq!(line, "日本 → a\\u{1b}b → end");
        assert_eq!((mark.before.len(), mark.carets.len()), (4 + 3 + 8 + 3, 3));
        let (_, mark) = excerpt(&place("日本", 0..2), None);
        assert_eq!((mark.before.len(), mark.carets.len()), (0, 4));
        let (_, mark) = excerpt(&place("a", 1..1), None);
        assert_eq!((mark.before.len(), mark.carets.len()), (1, 1));
    }

    #[test]
    fn a_narrow_terminal_shows_the_part_and_what_lies_around_it() {
        let text = format!("{}\twrong\t{}", "x".repeat(60), "y".repeat(60));
        for room in 20..140 {
            let (line, mark) = excerpt(&place(&text, 61..66), Some(room));
            assert!(line.width() <= room + 2, "{room}: {line}");
            assert_eq!(line.chars().skip(mark.before.len()).take(5).collect::<String>(), "wrong", "{room}: {line}");
            assert_eq!(mark.carets, "^^^^^");
        }
    }
}
