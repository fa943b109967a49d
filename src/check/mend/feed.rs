//! Splits a file into lines of text, in any encoding that its first bytes identify.

use crate::job::{Encoding, Line, Lines, Problem};

/// Number of bytes that identify the encoding.
const START: usize = 4;

/// The byte order mark of UTF-8.
const MARK: &[u8] = "\u{feff}".as_bytes();

/// Why a file cannot be mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// This line is longer than the part of a line that is kept.
    LongLine(u64),
    /// This line holds half of a UTF-16 character.
    HalfCharacter(u64),
    /// The file looks like UTF-16, but has no header when read as UTF-16.
    Utf16,
    /// Without its byte order mark, the file would begin with bytes that mean another encoding.
    Start,
}

impl Obstacle {
    /// Returns the obstacle in a line, if it has one.
    pub(super) fn of(line: &Line<'_>) -> Option<Self> {
        let is_wide = match line.encoding {
            Encoding::Utf16 { .. } => true,
            Encoding::Bytes | Encoding::Utf16WithoutMark => false,
        };
        if line.is_cut() {
            Some(Self::LongLine(line.number))
        } else if is_wide && String::from_utf8_lossy(line.bytes).contains(char::REPLACEMENT_CHARACTER) {
            Some(Self::HalfCharacter(line.number))
        } else if line.number == 1 && reads_as_another(line.bytes) {
            Some(Self::Start)
        } else {
            None
        }
    }

    /// Returns the problem and its remedy.
    #[must_use]
    pub fn problem(self) -> Problem {
        match self {
            Self::LongLine(line) => Problem::new(
                format!("line {line} is longer than 64 KiB, so that the file cannot be mended"),
                "write it with line feeds between its rows; Adobe takes rows of up to 4096 bytes",
            ),
            Self::HalfCharacter(line) => Problem::new(
                format!("line {line} holds half of a UTF-16 character, which cannot be written as UTF-8"),
                "export the file again, as UTF-8",
            ),
            Self::Utf16 => Problem::new(
                "the file looks like UTF-16 without a byte order mark, but has no header if it is read so",
                "export the file again, as UTF-8",
            ),
            Self::Start => Problem::new(
                "the file begins with a second byte order mark or with NUL bytes, so that it cannot be mended",
                "export the file again, as UTF-8",
            ),
        }
    }
}

/// Returns whether a file that begins with these bytes would be read in another encoding than before.
fn reads_as_another(bytes: &[u8]) -> bool {
    let start = bytes.get(..START).unwrap_or(bytes);
    [MARK, b"\xff\xfe".as_slice(), b"\xfe\xff".as_slice()].iter().any(|mark| start.starts_with(mark))
        || start.contains(&0)
}

/// Passes on the lines of a file. Reads UTF-16 without a byte order mark as if it had one.
#[derive(Debug, Default)]
pub(super) struct Feed {
    lines: Lines,
    /// First bytes, until the encoding is decided.
    start: Vec<u8>,
    pub(super) form: Option<Form>,
}

/// The encoding of a file, by its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// One byte is a character or a part of one.
    Bytes,
    /// Like [`Self::Bytes`], after the byte order mark of UTF-8.
    Marked,
    /// UTF-16 with its byte order mark.
    Wide,
    /// UTF-16 without a byte order mark, recognised by its bytes.
    WideByLook,
}

impl Feed {
    /// Takes the next bytes of the file, and passes each line that ends in them to `each`.
    pub(super) fn update(&mut self, bytes: &[u8], mut each: impl FnMut(&Line<'_>)) {
        let mut bytes = bytes;
        if self.form.is_none() {
            let (head, rest) = bytes.split_at(bytes.len().min(START - self.start.len()));
            self.start.extend_from_slice(head);
            if self.start.len() < START {
                return;
            }
            self.decide(&mut each);
            bytes = rest;
        }
        self.lines.feed(bytes, each);
    }

    /// Ends the file, and passes its last line to `each`.
    pub(super) fn finish(&mut self, mut each: impl FnMut(&Line<'_>)) {
        if self.form.is_none() {
            self.decide(&mut each);
        }
        self.lines.finish(each);
    }

    /// The number of rows of data so far.
    pub(super) fn rows_expected(&self) -> u64 {
        self.lines.rows_expected()
    }

    fn decide(&mut self, each: &mut impl FnMut(&Line<'_>)) {
        let start = std::mem::take(&mut self.start);
        let mut probe = Lines::default();
        probe.feed(&start, |_| ());
        self.form = Some(match probe.encoding() {
            Some(Encoding::Utf16WithoutMark) => {
                let mark = if start.first() == Some(&0) { [0xfe, 0xff] } else { [0xff, 0xfe] };
                self.lines.feed(&mark, &mut *each);
                Form::WideByLook
            }
            Some(Encoding::Utf16 { .. }) => Form::Wide,
            Some(Encoding::Bytes) | None if start.starts_with(MARK) => Form::Marked,
            Some(Encoding::Bytes) | None => Form::Bytes,
        });
        self.lines.feed(&start, each);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(content: &[u8], chunk: usize) -> (Vec<String>, Form) {
        let (mut feed, mut texts) = (Feed::default(), Vec::new());
        let mut note = |line: &Line<'_>| texts.push(String::from_utf8(line.bytes.to_vec()).unwrap());
        for chunk in content.chunks(chunk) {
            feed.update(chunk, &mut note);
        }
        feed.finish(&mut note);
        (texts, feed.form.unwrap())
    }

    #[test]
    fn every_encoding_is_read_by_its_first_bytes_whatever_the_chunks_are() {
        let wide = |text: &str, mark: bool| -> Vec<u8> {
            let units = mark.then_some(0xfeff).into_iter().chain(text.encode_utf16());
            units.flat_map(u16::to_le_bytes).collect()
        };
        let high = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_be_bytes).collect() };
        let text = "Date\té\n1\t2";
        for (content, found) in [
            (text.as_bytes().to_vec(), Form::Bytes),
            ([MARK, text.as_bytes()].concat(), Form::Marked),
            (wide(text, true), Form::Wide),
            (wide(text, false), Form::WideByLook),
            (high(text), Form::WideByLook),
        ] {
            for chunk in [1, 2, 3, 5, 100] {
                assert_eq!(texts(&content, chunk), (vec!["Date\té".to_owned(), "1\t2".to_owned()], found));
            }
        }
        assert_eq!(texts(b"a", 1), (vec!["a".to_owned()], Form::Bytes));
        assert_eq!(texts(MARK, 1), (vec![], Form::Marked));
    }
}
