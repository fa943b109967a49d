//! Mends a file: writes each text that has only one possible reading in Adobe's form, line by line.
//!
//! Pure, in two passes over the same bytes. A [`Survey`] learns what only the whole file shows: its encoding, the form
//! of its dates and numbers, and its last row. A [`Mender`] then returns each line before and after. It adds, removes
//! and moves no line, and no row becomes a comment or blank. Mending a mended file changes nothing.
//!
//! ```text
//!  chunks ──► Feed ──► Survey ──► Plan
//!  chunks ──► Feed ──► Mender ──► MendedLine …, Changes
//! ```
//!
//! A text with several possible readings is mended only on request, but is listed in any case.

mod changes;
mod feed;
mod notation;
mod walk;
mod western;

#[cfg(test)]
mod tests;

pub use changes::{Change, Changes, Mend};
pub use feed::Obstacle;

use super::columns::Role;
use super::header::Header;
use super::values;
use crate::job::{Encoding, Line, LineEnd, LineKind, SuiteFacts};
use changes::Cause;
use feed::{Feed, Form};
use notation::{Dates, Mended, Numbers, without_quotes};
use std::borrow::Cow;
use std::ops::Range;
use walk::{Row, Walk, is_row, with, without_returns};

/// What the whole file shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Why the file cannot be mended.
    pub obstacle: Option<Obstacle>,
    /// The number of rows of data, which is the same before and after. For UTF-16 without a byte order mark, the check
    /// counts differently.
    pub rows_expected: u64,
    dates: Dates,
    /// One for each column.
    numbers: Vec<Numbers>,
    /// The line of the last row. Blank rows after it do no harm.
    last_row: u64,
    /// The worst case among the lines that are not UTF-8.
    western: Option<Western>,
    /// Some other lines beyond ASCII are UTF-8.
    has_utf8: bool,
    form: Option<Form>,
}

/// Whether a line that is not UTF-8 is Windows-1252.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Western {
    /// It is, or every encoding in question reads it alike.
    Certain,
    /// It may be in another encoding.
    Doubtful,
    /// It holds a byte that is no character in Windows-1252.
    Impossible,
}

/// The first pass.
#[derive(Debug)]
pub struct Survey<'a> {
    feed: Feed,
    walk: Walk<'a>,
    plan: Plan,
    last_date: Vec<u8>,
}

impl<'a> Survey<'a> {
    /// Begins a survey. `is_unsafe` says that uncertain mends will also be made.
    #[must_use]
    pub fn new(suite: Option<&'a SuiteFacts>, is_unsafe: bool) -> Self {
        Self { feed: Feed::default(), walk: Walk::new(suite, is_unsafe), plan: Plan::default(), last_date: Vec::new() }
    }

    /// Takes the next bytes of the file.
    pub fn update(&mut self, bytes: &[u8]) {
        let Self { feed, walk, plan, last_date } = self;
        feed.update(bytes, |line| survey(line, walk, plan, last_date));
    }

    /// Ends the file, and returns its plan.
    #[must_use]
    pub fn finish(mut self) -> Plan {
        let Self { feed, walk, plan, last_date } = &mut self;
        feed.finish(|line| survey(line, walk, plan, last_date));
        self.plan.form = self.feed.form;
        self.plan.rows_expected = self.feed.rows_expected();
        if self.plan.form == Some(Form::WideByLook)
            && self.plan.obstacle.is_none()
            && self.walk.header().is_none_or(|header| header.date.is_none())
        {
            self.plan.obstacle = Some(Obstacle::Utf16);
        }
        self.plan
    }
}

fn survey(line: &Line<'_>, walk: &mut Walk<'_>, plan: &mut Plan, last_date: &mut Vec<u8>) {
    if plan.obstacle.is_none() {
        plan.obstacle = Obstacle::of(line);
    }
    let mut text = Cow::Borrowed(line.bytes);
    if !line.bytes.is_ascii() && line.encoding == Encoding::Bytes {
        if std::str::from_utf8(line.bytes).is_ok() {
            plan.has_utf8 = true;
        } else {
            let western = match western::decoded(line.bytes) {
                Some(decoded) => {
                    text = decoded;
                    if western::is_certain(line.bytes) { Western::Certain } else { Western::Doubtful }
                }
                None => Western::Impossible,
            };
            plan.western = plan.western.max(Some(western));
        }
    }
    if line.kind != LineKind::Row || line.is_cut() {
        return;
    }
    plan.last_row = line.number;
    let row = walk.with_tabs(without_returns(line, &text));
    let Row::Fields(header, ends) = walk.row(line, &row) else { return };
    plan.numbers.resize(header.fields.len(), Numbers::default());
    let mut start = 0;
    for (index, (column, end)) in header.fields.iter().zip(ends).enumerate() {
        let field = row.get(start..*end).unwrap_or_default();
        start = end + 1;
        if header.date == Some(index) {
            // Skip repeated dates, because most rows repeat the date.
            if field != last_date.as_slice() {
                plan.dates.add(field);
                last_date.clear();
                last_date.extend_from_slice(field);
            }
        } else if column.role.is_metric()
            && let Some(numbers) = plan.numbers.get_mut(index)
        {
            numbers.add(field);
        }
    }
}

/// A line before and after. Its line end does not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MendedLine<'l> {
    /// Counts from 1.
    pub number: u64,
    /// The text in the file. UTF-16 is converted to UTF-8.
    pub before: &'l [u8],
    /// The text after mending.
    pub after: &'l [u8],
    /// What ends it.
    pub end: LineEnd,
}

/// The second pass.
#[derive(Debug)]
pub struct Mender<'a> {
    feed: Feed,
    walk: Walk<'a>,
    hand: Hand<'a>,
}

/// Decides about each line.
#[derive(Debug)]
struct Hand<'a> {
    plan: &'a Plan,
    is_unsafe: bool,
    changes: Changes,
    /// The last date, which most rows repeat, and its mended form.
    last_date: Vec<u8>,
    last_mended: Option<Mended>,
    /// This line may continue the last value of the previous row.
    is_open: bool,
}

impl<'a> Mender<'a> {
    /// Mends the file of a plan, which must have no obstacle. `suite` and `is_unsafe` must equal those of the survey.
    #[must_use]
    pub fn new(plan: &'a Plan, suite: Option<&'a SuiteFacts>, is_unsafe: bool) -> Self {
        let mut changes = Changes::default();
        // A file without a row needs no mend.
        match plan.form.filter(|_| plan.last_row > 0) {
            Some(Form::Marked) => changes.of_file(Mend::ByteOrderMark, "UTF-8 with a byte order mark", "UTF-8"),
            Some(Form::Wide | Form::WideByLook) => changes.of_file(Mend::Encoding, "UTF-16", "UTF-8"),
            Some(Form::Bytes) | None => {}
        }
        let hand = Hand { plan, is_unsafe, changes, last_date: Vec::new(), last_mended: None, is_open: false };
        Self { feed: Feed::default(), walk: Walk::new(suite, is_unsafe), hand }
    }

    /// Takes the next bytes of the file, and passes each line that ends in them to `each`.
    pub fn update(&mut self, bytes: &[u8], mut each: impl FnMut(&MendedLine<'_>)) {
        let Self { feed, walk, hand } = self;
        feed.update(bytes, |line| hand.line(line, walk, &mut each));
    }

    /// Ends the file, and returns its changes.
    #[must_use]
    pub fn finish(mut self, mut each: impl FnMut(&MendedLine<'_>)) -> Changes {
        let Self { feed, walk, hand } = &mut self;
        feed.finish(|line| hand.line(line, walk, &mut each));
        self.hand.changes.finish();
        self.hand.changes
    }
}

/// A change within a row.
struct Edit {
    cause: Cause,
    range: Range<usize>,
    right: Vec<u8>,
}

impl Hand<'_> {
    fn line(&mut self, line: &Line<'_>, walk: &mut Walk<'_>, each: &mut impl FnMut(&MendedLine<'_>)) {
        let text = self.in_utf8(line);
        let whole = without_returns(line, &text);
        if whole.len() < text.len() {
            let cause = Cause { mend: Mend::LineEnd, is_certain: true, column: 0, form: 0 };
            self.changes.at(cause, true, line, || (None, b"CR CR LF".to_vec(), b"CR LF".to_vec()));
        }
        let after = match line.kind {
            LineKind::Blank if line.number < self.plan.last_row && !self.is_open => {
                let cause = Cause { mend: Mend::BlankRow, is_certain: true, column: 0, form: 0 };
                self.changes.at(cause, true, line, || (None, Vec::new(), b"#".to_vec()));
                Cow::Borrowed(&b"#"[..])
            }
            LineKind::Blank | LineKind::Comment => Cow::Borrowed(whole),
            LineKind::Row => self.row(line, whole, walk),
        };
        if line.kind == LineKind::Row {
            self.is_open = values::opens(&after);
        }
        each(&MendedLine { number: line.number, before: line.bytes, after: &after, end: line.end });
    }

    /// Converts a line that is not UTF-8, if its encoding is certain, or if uncertain mends were requested.
    fn in_utf8<'l>(&mut self, line: &Line<'l>) -> Cow<'l, [u8]> {
        let bytes = line.bytes;
        let is_certain = match self.plan.western.filter(|_| self.plan.last_row > 0) {
            Some(Western::Certain) => !self.plan.has_utf8,
            Some(Western::Doubtful) => false,
            Some(Western::Impossible) | None => return Cow::Borrowed(bytes),
        };
        if bytes.is_ascii() || std::str::from_utf8(bytes).is_ok() {
            return Cow::Borrowed(bytes);
        }
        let is_done = is_certain || self.is_unsafe;
        let Some(text) = western::decoded(bytes) else { return Cow::Borrowed(bytes) };
        let cause = Cause { mend: Mend::Encoding, is_certain, column: 0, form: 0 };
        self.changes.at(cause, is_done, line, || (None, b"Windows-1252".to_vec(), first_word(&text)));
        if is_done { text } else { Cow::Borrowed(bytes) }
    }

    fn row<'l>(&mut self, line: &Line<'_>, whole: &'l [u8], walk: &mut Walk<'_>) -> Cow<'l, [u8]> {
        let row = walk.with_tabs(whole);
        if walk.delimiter.is_some() {
            let is_done = matches!(row, Cow::Owned(_));
            let cause = Cause { mend: Mend::Separator, is_certain: false, column: 0, form: u64::from(is_done) };
            let delimiter = walk.delimiter.unwrap_or_default();
            if is_done || !self.is_unsafe {
                self.changes.at(cause, is_done, line, || (None, vec![delimiter], b"tab".to_vec()));
            }
        }
        let mut edits = Vec::new();
        match walk.row(line, &row) {
            Row::Other => return row,
            Row::Header(renamed) => edits.extend(renamed.into_iter().map(|name| Edit {
                cause: Cause { mend: Mend::Column, is_certain: name.is_certain, column: name.index, form: 0 },
                range: name.range,
                right: name.right.into_bytes(),
            })),
            Row::Fields(header, ends) => self.fields(&row, header, ends, &mut edits),
        }
        if edits.is_empty() {
            return row;
        }
        let done = || edits.iter().filter(|edit| edit.cause.is_certain || self.is_unsafe);
        let after = with(&row, done().map(|edit| (edit.range.clone(), edit.right.as_slice())));
        let is_done = is_row(&after);
        for edit in &edits {
            let is_done = is_done && (edit.cause.is_certain || self.is_unsafe);
            // If the row would no longer be one, it stays unchanged, and the check reports it.
            if !is_done && (edit.cause.is_certain || self.is_unsafe) {
                continue;
            }
            self.changes.at(edit.cause, is_done, line, || {
                let name = walk.header().filter(|_| edit.cause.mend != Mend::Column);
                let name =
                    name.and_then(|header| header.details.get(edit.cause.column)).map(|detail| detail.name.clone());
                (name, row.get(edit.range.clone()).unwrap_or_default().to_vec(), edit.right.clone())
            });
        }
        if is_done { Cow::Owned(after) } else { row }
    }

    fn fields(&mut self, row: &[u8], header: &Header, ends: &[usize], edits: &mut Vec<Edit>) {
        let mut start = 0;
        for (index, (column, end)) in header.fields.iter().zip(ends).enumerate() {
            let range = start..*end;
            let field = row.get(range.clone()).unwrap_or_default();
            start = end + 1;
            let is_date = header.date == Some(index);
            // The first field decides whether a line is a comment, a header or a row, so only a date is changed there.
            if index == 0 && !is_date {
                continue;
            }
            let (mend, mended) = match column.role {
                Role::Date if is_date => (Mend::Date, self.date(field)),
                Role::Metric | Role::Price => {
                    let numbers = self.plan.numbers.get(index).copied().unwrap_or_default();
                    (Mend::Number, numbers.mended(field, column.is_counter))
                }
                Role::Dimension | Role::Product | Role::TransactionId if field.first() == Some(&b'"') => {
                    let text = without_quotes(field);
                    (Mend::Quotes, text.map(|text| Mended { text, is_certain: true, form: 0 }))
                }
                Role::Date | Role::Dimension | Role::Product | Role::TransactionId | Role::Unknown => continue,
            };
            if let Some(Mended { text, is_certain, form }) = mended {
                edits.push(Edit { cause: Cause { mend, is_certain, column: index, form }, range, right: text });
            }
        }
    }

    fn date(&mut self, field: &[u8]) -> Option<Mended> {
        if field != self.last_date.as_slice() {
            self.last_date.clear();
            self.last_date.extend_from_slice(field);
            self.last_mended = self.plan.dates.mended(field);
        }
        self.last_mended.clone()
    }
}

/// The first word with a character beyond ASCII.
fn first_word(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    let word = text.split(|c: char| c.is_ascii() && !c.is_ascii_alphanumeric()).find(|word| !word.is_ascii());
    word.unwrap_or_default().as_bytes().to_vec()
}
