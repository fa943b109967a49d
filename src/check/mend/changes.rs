//! What was mended, and what could be: each cause once, with the rows that share it.

use super::super::report::{Affected, quoted};
use crate::job::Line;
use std::collections::HashMap;

/// Maximum number of causes that are kept. A file has no more, unless its columns are odd in hundreds of ways.
const KEPT: usize = 1_000;

/// Kinds of mends, by the words that programs know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, strum::Display)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Mend {
    /// The byte order mark at the beginning goes.
    ByteOrderMark,
    /// Another encoding becomes UTF-8.
    Encoding,
    /// A carriage return too many before a line feed goes.
    LineEnd,
    /// Other separators become tabs.
    Separator,
    /// A blank row between others becomes a comment.
    BlankRow,
    /// The name of a column is written as Adobe writes it.
    Column,
    /// Quotes around a value go.
    Quotes,
    /// A date is written as Adobe writes it.
    Date,
    /// A number is written as Adobe writes it.
    Number,
}

/// One cause, and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// What kind of mend.
    pub mend: Mend,
    /// Whether the text can be read in one way only.
    pub is_certain: bool,
    /// Whether it was done. What is certain always is.
    pub is_done: bool,
    /// The column, as Adobe writes its name; `None` where it is about the row or the whole file.
    pub column: Option<String>,
    /// The first text of it, in one printable line.
    pub before: String,
    /// What it becomes.
    pub after: String,
    /// The rows that share the cause; none where it is about the whole file.
    pub affected: Affected,
}

/// All of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    list: Vec<Change>,
    places: HashMap<(Mend, bool, usize, u64), usize>,
    /// Rows whose cause was not kept.
    more: u64,
    is_any_done: bool,
}

/// What makes changes one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cause {
    pub(super) mend: Mend,
    pub(super) is_certain: bool,
    /// The column's place, or any number.
    pub(super) column: usize,
    /// What is odd, as a number.
    pub(super) form: u64,
}

/// A text in one line, as messages repeat it.
fn short(text: &[u8]) -> String {
    let quoted = quoted(text);
    quoted.strip_prefix('`').and_then(|text| text.strip_suffix('`')).unwrap_or(&quoted).to_owned()
}

impl Changes {
    /// Each cause, those of the whole file first, then by their first line.
    #[must_use]
    pub fn all(&self) -> &[Change] {
        &self.list
    }

    /// How many rows have causes that [`Self::all`] lacks.
    #[must_use]
    pub fn more(&self) -> u64 {
        self.more
    }

    /// Whether anything was mended.
    #[must_use]
    pub fn is_any_done(&self) -> bool {
        self.is_any_done
    }

    /// Something about the whole file.
    pub(super) fn of_file(&mut self, mend: Mend, before: &str, after: &str) {
        self.is_any_done = true;
        let (before, after, affected) = (before.to_owned(), after.to_owned(), Affected::default());
        self.list.push(Change { mend, is_certain: true, is_done: true, column: None, before, after, affected });
    }

    /// Something about a line. The texts are made once for each cause.
    pub(super) fn at(
        &mut self,
        cause: Cause,
        is_done: bool,
        line: &Line<'_>,
        words: impl FnOnce() -> (Option<String>, Vec<u8>, Vec<u8>),
    ) {
        let Cause { mend, is_certain, column, form } = cause;
        self.is_any_done |= is_done;
        let key = (mend, is_certain, column, form);
        if let Some(known) = self.places.get(&key).and_then(|place| self.list.get_mut(*place)) {
            known.affected.add(line.number);
        } else if self.list.len() < KEPT {
            let (column, before, after) = words();
            let (before, after) = (short(&before), short(&after));
            let mut affected = Affected::default();
            affected.add(line.number);
            self.places.insert(key, self.list.len());
            self.list.push(Change { mend, is_certain, is_done, column, before, after, affected });
        } else {
            self.more += 1;
        }
    }

    /// The file is over.
    pub(super) fn finish(&mut self) {
        self.places.clear();
        self.list.sort_by_key(|change| change.affected.lines.first().copied());
    }
}
