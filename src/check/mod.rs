//! The rules of the file format, checked in one pass, so that datadrop knows before sending what Adobe would reject or
//! skip.
//!
//! Pure: bytes in, findings out. A [`Checker`] takes chunks of any size and reads each byte a fixed number of times. It
//! keeps one line, the first findings of each rule, and the days with a sum for each metric, as many as [`DataDays`]
//! holds. It counts rows with the same [`Lines`] as [`crate::job::RowCounter`], so that one pass can hash, count and
//! check.
//!
//! ```text
//!  chunks ──► job::Lines ──► comment? ──► characters ──► header ──► rows ──► Checked
//!             lines, rows    blank?       encoding       columns    dates, numbers, …
//! ```
//!
//! [`Checked::told`] describes the findings for the job log.
//!
//! One table holds the rules, their effects and their sources: [`Code::rule`], shown as [`rules`].

#[doc = include_str!("RULES.md")]
pub mod rules {}

mod checked;
mod code;
mod columns;
mod data_row;
mod date_forms;
mod dates;
mod file_name;
mod header;
mod header_template;
mod mend;
mod numbers;
mod report;
mod values;

#[cfg(test)]
mod tests;

pub use checked::Checked;
pub use code::{Code, Rule, Severity};
pub use header_template::{HeaderTemplate, UnknownColumn};
pub use mend::{Change, Changes, Mend, MendedLine, Mender, Obstacle, Plan, Survey};
pub use report::{Affected, Finding, Findings, Place};

use crate::job::{DataDays, Encoding, Kind, Line, LineKind, Lines, SuiteFacts, ends_in_a_line};
use data_row::Rows;
use dates::Calendar;
use header::LONGEST_ROW;
use jiff::ZonedDateTime;
use memchr::{memchr, memchr_iter, memmem};
use report::quoted;
use std::ffi::OsStr;

/// Timeout of a request at Adobe, in seconds.
const LONGEST_REQUEST: u64 = 60;

/// The facts that the rules need in addition to the content.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The name of the file, without its folder.
    pub file_name: &'a OsStr,
    /// The extensions of data files, without points.
    pub extensions: &'a [String],
    /// The time, in the zone in which days begin: that of the report suite if it is known, otherwise the host's.
    pub now: &'a ZonedDateTime,
    /// The zone of `now` is known to be the zone of the report suite.
    pub in_suite_zone: bool,
    /// Adobe's description of the report suite, if it is known.
    pub suite: Option<&'a SuiteFacts>,
    /// The data source of the file, if it is known.
    pub data_source_id: Option<i64>,
    /// Maximum size of a file in bytes.
    pub max_size: u64,
    /// Speed of earlier uploads in bytes of the request per second, if it is known.
    pub bytes_per_second: Option<u64>,
    /// Maximum number of findings kept of each rule.
    pub keep: usize,
}

/// Checks one file.
#[derive(Debug)]
pub struct Checker<'a> {
    lines: Lines,
    rules: Rules<'a>,
    size: u64,
    /// The last two bytes so far.
    end: [u8; 2],
}

/// How far the check has come in the file.
#[derive(Debug)]
enum Stage<'a> {
    /// Only comments and blank rows so far.
    BeforeHeader,
    /// A header by which the rows can be judged.
    Rows(Box<Rows<'a>>),
    /// A header by which the rows cannot be judged.
    Unusable,
}

#[derive(Debug)]
struct Rules<'a> {
    facts: Facts<'a>,
    kind: Kind,
    stage: Stage<'a>,
    findings: Findings,
    skipped: Affected,
    /// Blank rows, which are findings only if another row follows.
    blank: Affected,
    has_content: bool,
    /// The current line is the last, and has no line end.
    is_unended: bool,
}

impl<'a> Checker<'a> {
    /// Begins with the findings about the name.
    #[must_use]
    pub fn new(facts: &Facts<'a>) -> Self {
        let mut findings = Findings::new(facts.keep);
        file_name::check(facts, &mut findings);
        Self {
            lines: Lines::default(),
            rules: Rules {
                facts: *facts,
                kind: file_name::kind(facts.file_name),
                stage: Stage::BeforeHeader,
                findings,
                skipped: Affected::default(),
                blank: Affected::default(),
                has_content: false,
                is_unended: false,
            },
            size: 0,
            end: *b"\n\n",
        }
    }

    /// Takes the next bytes of the file.
    pub fn update(&mut self, bytes: &[u8]) {
        self.size += bytes.len() as u64;
        match bytes {
            [.., before, last] => self.end = [*before, *last],
            [last] => self.end = [self.end[1], *last],
            [] => {}
        }
        self.lines.feed(bytes, |line| self.rules.line(line));
    }

    /// Ends the file, and returns the result.
    #[must_use]
    pub fn finish(mut self) -> Checked {
        self.rules.is_unended = true;
        self.lines.finish(|line| self.rules.line(line));
        let kind = self.rules.kind;
        if kind == Kind::Data {
            self.whole_file();
        }
        if let Stage::Rows(rows) = &mut self.rules.stage {
            rows.finish(&mut self.rules.findings);
        }
        self.rules.findings.finish();
        let (all_begun_at, days) = match self.rules.stage {
            Stage::Rows(rows) => (rows.all_begun_at(), rows.days),
            Stage::BeforeHeader | Stage::Unusable => (None, DataDays::default()),
        };
        Checked {
            findings: self.rules.findings,
            kind,
            size: self.size,
            rows_expected: if kind == Kind::Data { self.lines.rows_expected() } else { 0 },
            skipped: self.rules.skipped,
            days,
            all_begun_at,
        }
    }

    fn whole_file(&mut self) {
        let (facts, findings) = (&self.rules.facts, &mut self.rules.findings);
        let split = || Some("split the file; each part needs the header".to_owned());
        if self.size > facts.max_size {
            let (size, most) = (megabytes(self.size), megabytes(facts.max_size));
            let message = format!("the file has {size}; Adobe pauses above {most} in all, and datadrop rejects it");
            findings.of_file(Code::FileTooLarge, message, split());
        }
        // The guide's request carries the file in base64, which turns three bytes into four.
        let seconds = facts.bytes_per_second.map(|speed| self.size.saturating_mul(4) / 3 / speed.max(1));
        if let Some(seconds) = seconds.filter(|seconds| *seconds >= LONGEST_REQUEST) {
            let message =
                format!("at the speed of earlier uploads this one takes {seconds} s, and is cut off after 60 s");
            findings.of_file(Code::UploadTime, message, split());
        }
        let is_wide = match self.lines.encoding() {
            Some(Encoding::Utf16WithoutMark) => {
                let message = "this is UTF-16 without a byte order mark, which Adobe does not support";
                findings.of_file(Code::Utf16WithoutMark, message, Some("save the file as UTF-8".to_owned()));
                true
            }
            Some(Encoding::Utf16 { .. }) => {
                let message = "this is UTF-16; only a page that Adobe has removed says that it is converted";
                findings.of_file(Code::Utf16, message, Some("save the file as UTF-8".to_owned()));
                false
            }
            Some(Encoding::Bytes) | None => false,
        };
        let has_rows = matches!(self.rules.stage, Stage::Rows(_)) && self.lines.rows_expected() > 0;
        if has_rows && !ends_in_a_line(&self.end) && findings.count(Code::CutOff) == 0 {
            let message = "the last line has no line end, so the file may be cut off";
            findings.of_file(Code::MayBeCutOff, message, Some("see whether it is whole".to_owned()));
        }
        let has_header = self.lines.has_header();
        if self.size == 0 {
            let remedy = "write the header and at least one row".to_owned();
            findings.of_file(Code::FileEmpty, "the file is empty", Some(remedy));
        } else if !has_header {
            let remedy = "write a row with the names of the columns, and rows of data below it".to_owned();
            findings.of_file(Code::NoHeader, "the file has neither a header nor rows", Some(remedy));
        } else if self.lines.rows_expected() == 0 && !is_wide && matches!(self.rules.stage, Stage::Rows(_)) {
            let remedy = "write at least one row, or leave the file out".to_owned();
            findings.of_file(Code::NoRows, "the file has a header, but no rows of data", Some(remedy));
        }
    }
}

impl Rules<'_> {
    fn line(&mut self, line: &Line<'_>) {
        match self.kind {
            Kind::Data => self.data(line),
            Kind::Fin => self.marker(line),
        }
    }

    fn marker(&mut self, line: &Line<'_>) {
        let is_white = line.kind == LineKind::Blank || line.bytes.trim_ascii().is_empty() && !line.is_cut();
        if !is_white && !self.has_content {
            self.has_content = true;
            self.findings.at(Code::MarkerNotEmpty, line, 0..line.bytes.len(), || {
                let message = "a marker is empty, and this one holds something: is it a data file?";
                (message.to_owned(), Some("empty it, or give it the extension `.txt`".to_owned()))
            });
        }
    }

    fn data(&mut self, line: &Line<'_>) {
        if line.encoding == Encoding::Utf16WithoutMark {
            return;
        }
        if line.bytes.last() == Some(&b'\r') && !line.is_cut() {
            let line = self.without_second_return(line);
            self.line_of_data(&line);
        } else {
            self.line_of_data(line);
        }
    }

    fn line_of_data(&mut self, line: &Line<'_>) {
        if !line.is_cut() {
            self.characters(line);
        }
        match line.kind {
            LineKind::Comment => self.comment(line),
            LineKind::Blank => self.blank.add(line.number),
            LineKind::Row => {
                self.blank_before(line);
                self.row(line);
            }
        }
    }

    /// Returns the line without its extra carriage returns. It must end in one.
    fn without_second_return<'l>(&mut self, line: &Line<'l>) -> Line<'l> {
        // Without a line feed, the carriage return at the end of a file is not doubled, unless other lines had doubled
        // ones.
        if self.is_unended && self.findings.count(Code::DoubleReturn) == 0 {
            return *line;
        }
        let length = line.bytes.iter().rposition(|byte| *byte != b'\r').map_or(0, |last| last + 1);
        self.findings.at(Code::DoubleReturn, line, length..line.bytes.len(), || {
            let message = "the line ends with more than one carriage return before the line feed (CR CR LF): \
                           a transfer or an export has changed the line ends twice";
            (message.to_owned(), Some("transfer the file in binary mode, or end its lines with LF or CR LF".to_owned()))
        });
        Line { bytes: &line.bytes[..length], length: length as u64, ..*line }
    }

    /// Checks the first comment of a template, which names its data source: `… template file (user: 123 ds_id: 5)`.
    fn comment(&mut self, line: &Line<'_>) {
        let Some(expected) = self.facts.data_source_id else { return };
        let (Stage::BeforeHeader, Some(at)) = (&self.stage, memmem::find(line.bytes, b"ds_id:")) else { return };
        let rest = &line.bytes[at + b"ds_id:".len()..];
        let digits = rest.trim_ascii_start();
        let digits = &digits[..digits.iter().take_while(|byte| byte.is_ascii_digit()).count()];
        let named = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse::<i64>().ok());
        if let Some(named) = named.filter(|named| *named != expected) {
            self.findings.at(Code::WrongDataSource, line, at..line.bytes.len(), || {
                let message = format!(
                    "the file was made for data source {named}, and this account sends to data source {expected}"
                );
                (message, Some("move it to the account of that data source, or correct the comment".to_owned()))
            });
        }
    }

    /// Reports blank rows that another row follows. Those at the end of a file do no harm.
    fn blank_before(&mut self, line: &Line<'_>) {
        if self.blank.rows == 0 {
            return;
        }
        let blank = std::mem::take(&mut self.blank);
        let first = Line { number: blank.lines.first().copied().unwrap_or_default(), bytes: b"", length: 0, ..*line };
        self.findings.of_rows(Code::BlankRow, &first, &blank, || {
            let message = "this row is blank; Adobe does not say whether it ignores blank rows";
            (message.to_owned(), Some("delete it, or begin it with `#`".to_owned()))
        });
    }

    fn row(&mut self, line: &Line<'_>) {
        let is_header = matches!(self.stage, Stage::BeforeHeader);
        if line.length > LONGEST_ROW {
            let code = if is_header { Code::HeaderTooLong } else { Code::RowTooLong };
            self.findings.at(code, line, cut_at(line.bytes)..line.bytes.len(), || {
                let what = if is_header { "header" } else { "row" };
                let message = format!("the {what} has {} bytes; a row has up to {LONGEST_ROW}", line.length);
                (message, Some("shorten it".to_owned()))
            });
        }
        match &mut self.stage {
            // The header is cut, so the number of its fields is unknown.
            Stage::BeforeHeader if line.is_cut() => self.stage = Stage::Unusable,
            Stage::BeforeHeader => {
                self.stage = match header::read(line, self.facts.suite, &mut self.findings) {
                    Some(header) => {
                        let calendar = Calendar::new(self.facts.now, self.facts.in_suite_zone);
                        Stage::Rows(Box::new(Rows::new(header, calendar, self.facts.suite)))
                    }
                    None => Stage::Unusable,
                }
            }
            Stage::Rows(rows) if !line.is_cut() => {
                rows.read(line, self.is_unended, &mut self.findings, &mut self.skipped);
            }
            Stage::Rows(_) | Stage::Unusable => {}
        }
    }

    /// Reports bytes that are not text, also in comments, because a conversion changes the whole file.
    fn characters(&mut self, line: &Line<'_>) {
        let bytes = line.bytes;
        if !bytes.is_ascii() {
            self.not_ascii(line);
        }
        if let Some(at) = memchr(0, bytes) {
            self.findings.at(Code::NulByte, line, at..at + 1, || {
                let count = memchr_iter(0, bytes).count();
                let bytes = if count == 1 { "byte" } else { "bytes" };
                let message = format!("the line holds {count} NUL {bytes}, at which many programs stop reading");
                (message, Some("write the file without them".to_owned()))
            });
        }
        if let Some(at) = memchr(b'\r', bytes) {
            self.findings.at(Code::LoneReturn, line, at..at + 1, || {
                let message = "a carriage return without a line feed: Adobe may end the row here, or not";
                (message.to_owned(), Some("end rows with line feeds, and leave returns out of values".to_owned()))
            });
        }
    }

    fn not_ascii(&mut self, line: &Line<'_>) {
        let bytes = line.bytes;
        match std::str::from_utf8(bytes) {
            Ok(text) if matches!(line.encoding, Encoding::Utf16 { .. }) => {
                if let Some(at) = text.find(char::REPLACEMENT_CHARACTER) {
                    self.findings.at(Code::BadCharacter, line, at..at + 3, || {
                        let message = "half of a UTF-16 character: \"Found bad character in file\"";
                        (message.to_owned(), Some("save the file as UTF-8".to_owned()))
                    });
                }
            }
            Ok(_) => {}
            Err(error) => {
                let at = error.valid_up_to();
                let end = error.error_len().map_or(bytes.len(), |length| at + length);
                self.findings.at(Code::BadCharacter, line, at..end, || {
                    let byte = bytes[at];
                    let is_gap = |byte: &u8| byte.is_ascii() && !byte.is_ascii_alphanumeric();
                    let start = bytes[..at].iter().rposition(is_gap).map_or(0, |gap| gap + 1);
                    let end = bytes[at..].iter().position(is_gap).map_or(bytes.len(), |gap| at + gap);
                    // Each byte is read as Latin-1. For letters this equals Windows-1252.
                    let word: String = bytes[start..end].iter().map(|byte| char::from(*byte)).collect();
                    let message =
                        format!("byte 0x{byte:02X} is not UTF-8; in Latin-1 this reads {}", quoted(word.as_bytes()));
                    (message, Some("save the file as UTF-8: iconv -f WINDOWS-1252 -t UTF-8".to_owned()))
                });
            }
        }
    }
}

/// Returns the place of byte 4097, moved back to the beginning of its character.
fn cut_at(bytes: &[u8]) -> usize {
    let mut at = bytes.len().min(4096);
    while at > 0 && bytes.get(at).is_some_and(|byte| byte & 0xc0 == 0x80) && at + 3 > 4096 {
        at -= 1;
    }
    at
}

/// `50 MB`, `50.01 MB`: rounded up, so that a file above the limit never shows the limit.
fn megabytes(bytes: u64) -> String {
    let hundredths = bytes.div_ceil(10_000);
    match hundredths % 100 {
        0 => format!("{} MB", hundredths / 100),
        rest => format!("{}.{rest:02} MB", hundredths / 100),
    }
}
