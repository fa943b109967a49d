//! What `check --fix` did to a file, for people and for programs.

use super::Object as Finding;
use super::diagnostics;
use crate::check::{Change, Changes, Checked, Mend, Obstacle};
use crate::status::{counted, grouped, printable};
use serde::Serialize;
use std::fmt::Write as _;

/// A file after `--fix`.
#[derive(Debug)]
pub(super) struct Fixed {
    /// The input, as the command line names it.
    pub(super) name: String,
    /// The copy, if there was anything to mend.
    pub(super) copy: Option<String>,
    /// Nothing was written: somebody wants to look first.
    pub(super) is_only_shown: bool,
    /// Why nothing can be mended.
    pub(super) obstacle: Option<Obstacle>,
    pub(super) changes: Changes,
    /// What the check says of the copy; where there is none, of the input.
    pub(super) checked: Checked,
}

/// The JSON shape of DESIGN §7.
#[derive(Serialize)]
struct Object<'a> {
    file: &'a str,
    copy: Option<&'a str>,
    changes: Vec<ChangeObject<'a>>,
    findings: Vec<Finding<'a>>,
}

#[derive(Serialize)]
struct ChangeObject<'a> {
    mend: Mend,
    certain: bool,
    done: bool,
    column: Option<&'a str>,
    line: Option<u64>,
    rows: u64,
    before: &'a str,
    after: &'a str,
}

impl<'a> ChangeObject<'a> {
    fn of(change: &'a Change) -> Self {
        Self {
            mend: change.mend,
            certain: change.is_certain,
            done: change.is_done,
            column: change.column.as_deref(),
            line: change.affected.lines.first().copied(),
            rows: change.affected.rows,
            before: &change.before,
            after: &change.after,
        }
    }
}

/// An array with an object for each file.
pub(super) fn json(files: &[Fixed]) -> serde_json::Result<String> {
    let objects: Vec<Object<'_>> = files
        .iter()
        .map(|fixed| {
            let of = fixed.copy.as_deref().unwrap_or(&fixed.name);
            Object {
                file: &fixed.name,
                copy: fixed.copy.as_deref(),
                changes: fixed.changes.all().iter().map(ChangeObject::of).collect(),
                findings: fixed.checked.findings.kept().iter().map(|finding| Finding::of(of, finding)).collect(),
            }
        })
        .collect();
    let mut text = serde_json::to_string_pretty(&objects)?;
    text.push('\n');
    Ok(text)
}

/// What was done, what was not, and what the check says of the result.
pub(super) fn text(fixed: &Fixed, width: Option<usize>) -> String {
    let name = &printable(&fixed.name);
    let copy = fixed.copy.as_ref().map(|copy| printable(copy));
    let mut page = String::new();
    let sort = |is_done, is_certain| {
        let changes = fixed.changes.all().iter();
        changes.filter(move |change| (change.is_done, change.is_certain) == (is_done, is_certain)).map(line)
    };
    if let Some(obstacle) = fixed.obstacle {
        let _ = writeln!(page, "{name}: {}", obstacle.problem());
    } else if let Some(copy) = &copy {
        let turn = if fixed.is_only_shown { "would become" } else { "became" };
        let _ = writeln!(page, "{name} {turn} {copy}:");
        page.extend(sort(true, true));
        let guesses: String = sort(true, false).collect();
        if !guesses.is_empty() {
            let _ = write!(page, "Not certain, done because of --unsafe. Please look at each:\n{guesses}");
        }
    } else {
        let _ = writeln!(page, "{name}: nothing to mend with certainty, no copy written");
    }
    let offered: String = sort(false, false).collect();
    if !offered.is_empty() {
        let _ = write!(page, "Not certain, and left. If this is what the file means, use --unsafe:\n{offered}");
    }
    if fixed.changes.more() > 0 {
        let more = counted(i64::try_from(fixed.changes.more()).unwrap_or(i64::MAX), "row");
        let _ = writeln!(page, "  more of them: {more}");
    }
    if copy.is_some() {
        page.push_str("Checked again:\n");
    }
    page.push_str(&diagnostics::file(copy.as_ref().unwrap_or(name), &fixed.checked, width));
    page
}

/// A line such as "line 3: Event 1: `1,234.50` becomes `1234.50`".
fn line(change: &Change) -> String {
    let Change { before, after, .. } = change;
    let what = match change.mend {
        Mend::ByteOrderMark => "the byte order mark goes".to_owned(),
        Mend::Encoding if change.affected.rows == 0 => format!("{before} becomes {after}"),
        Mend::Encoding => format!("{before} becomes UTF-8, such as `{after}`"),
        Mend::LineEnd => "the second carriage return goes".to_owned(),
        Mend::Separator => format!("`{before}` between the columns becomes a {after}"),
        Mend::BlankRow => format!("the blank row becomes a comment, `{after}`"),
        Mend::Column => format!("the column `{before}` becomes `{after}`"),
        Mend::Quotes | Mend::Date | Mend::Number => {
            let column = change.column.as_deref().unwrap_or_default();
            if after.is_empty() {
                format!("{column}: `{before}` becomes empty")
            } else {
                format!("{column}: `{before}` becomes `{after}`")
            }
        }
    };
    match change.affected.in_words() {
        None => format!("  {what}\n"),
        Some(lines) if change.affected.rows == 1 => format!("  {lines}: {what}\n"),
        Some(lines) => {
            let rows = grouped(i64::try_from(change.affected.rows).unwrap_or(i64::MAX));
            format!("  {rows} rows, {lines}: {what}\n")
        }
    }
}
