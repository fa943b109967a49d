//! The mends that were made, and those that were possible. Each cause is listed once, with the rows that share it.

use super::super::report::{Affected, quoted};
use crate::job::Line;
use std::collections::HashMap;

/// Maximum number of causes kept. A file has more only if its columns are odd in hundreds of ways.
const KEPT: usize = 1_000;

/// Kinds of mends, with the words that programs use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, strum::Display)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum Mend {
    /// Removes the byte order mark at the beginning.
    ByteOrderMark,
    /// Converts another encoding to UTF-8.
    Encoding,
    /// Removes an extra carriage return before a line feed.
    LineEnd,
    /// Replaces other separators by tabs.
    Separator,
    /// Turns a blank row between others into a comment.
    BlankRow,
    /// Writes the name of a column in Adobe's spelling.
    Column,
    /// Removes quotes around a value.
    Quotes,
    /// Writes a date in Adobe's form.
    Date,
    /// Writes a number in Adobe's form.
    Number,
}

/// One cause, and whether it was mended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The kind of mend.
    pub mend: Mend,
    /// Whether the text has only one possible reading.
    pub is_certain: bool,
    /// Whether it was mended. Certain mends always are.
    pub is_done: bool,
    /// Adobe's name of the column. `None` if the cause concerns the row or the whole file.
    pub column: Option<String>,
    /// The first text with this cause, in one printable line.
    pub before: String,
    /// The mended text.
    pub after: String,
    /// The rows that share the cause. Empty if it concerns the whole file.
    pub affected: Affected,
}

/// All changes of a file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    list: Vec<Change>,
    places: HashMap<(Mend, bool, usize, u64), usize>,
    /// Number of rows whose cause was not kept.
    more: u64,
    is_any_done: bool,
}

/// The key by which changes share one cause.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cause {
    pub(super) mend: Mend,
    pub(super) is_certain: bool,
    /// The index of the column, or any number.
    pub(super) column: usize,
    /// A number for the form of the oddity.
    pub(super) form: u64,
}

/// A text in one line, as in messages.
fn short(text: &[u8]) -> String {
    let quoted = quoted(text);
    quoted.strip_prefix('`').and_then(|text| text.strip_suffix('`')).unwrap_or(&quoted).to_owned()
}

impl Changes {
    /// Each cause. Those of the whole file come first, then the order is that of their first lines.
    #[must_use]
    pub fn all(&self) -> &[Change] {
        &self.list
    }

    /// The number of rows whose causes [`Self::all`] lacks.
    #[must_use]
    pub fn more(&self) -> u64 {
        self.more
    }

    /// Returns whether anything was mended.
    #[must_use]
    pub fn is_any_done(&self) -> bool {
        self.is_any_done
    }

    /// Adds a change of the whole file.
    pub(super) fn of_file(&mut self, mend: Mend, before: &str, after: &str) {
        self.is_any_done = true;
        let (before, after, affected) = (before.to_owned(), after.to_owned(), Affected::default());
        self.list.push(Change { mend, is_certain: true, is_done: true, column: None, before, after, affected });
    }

    /// Adds a change of a line. Builds the texts once for each cause.
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

    /// Ends the file, and sorts the causes.
    pub(super) fn finish(&mut self) {
        self.places.clear();
        self.list.sort_by_key(|change| change.affected.lines.first().copied());
    }
}
