//! Splits a file into lines, in one pass and in constant memory: comments, blank rows, the header and rows.
//!
//! Adobe ignores rows that begin with `#` anywhere. The first other row is the header (Adobe, "Data sources file
//! format"). UTF-16 is decoded if a byte order mark announces it.

use memchr::memchr;

/// Maximum number of bytes kept of a line. Adobe takes 4096 bytes per row. A header with every column has 15 KB.
const LONGEST_KEPT: usize = 64 * 1024;

/// Number of bytes that identify the encoding of a file.
const START: usize = 4;

/// Returns whether a file that ends in these bytes ends with a line. Two bytes suffice. In UTF-16 the line end is in
/// either of them.
#[must_use]
pub fn ends_in_a_line(end: &[u8]) -> bool {
    match end {
        [] | [.., b'\n' | b'\r'] | [.., b'\n' | b'\r', 0] => true,
        [..] => false,
    }
}

/// How to decode the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8, or any other encoding in which a line feed is one byte. A byte order mark is left out.
    Bytes,
    /// UTF-16, announced by its byte order mark.
    Utf16 {
        /// The high byte comes first.
        big_endian: bool,
    },
    /// Probably UTF-16. No byte order mark announces it, so it is read as bytes.
    Utf16WithoutMark,
}

/// How Adobe reads a line.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum LineKind {
    /// Nothing but spaces, tabs and carriage returns.
    #[default]
    Blank,
    /// Begins with `#`.
    Comment,
    /// The header, or a row of data.
    Row,
}

/// What ends a line.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum LineEnd {
    /// Nothing, because the file ends in the line.
    #[default]
    None,
    /// A line feed.
    Feed,
    /// A carriage return and a line feed.
    ReturnAndFeed,
}

impl LineEnd {
    /// Its bytes, in any encoding but UTF-16.
    #[must_use]
    pub fn bytes(self) -> &'static [u8] {
        match self {
            Self::None => b"",
            Self::Feed => b"\n",
            Self::ReturnAndFeed => b"\r\n",
        }
    }
}

/// One line, without its end.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// Counts from 1.
    pub number: u64,
    /// The first 64 KiB of the line. UTF-16 is converted to UTF-8.
    pub bytes: &'a [u8],
    /// The length of the line in bytes. UTF-16 counts as UTF-8.
    pub length: u64,
    /// How Adobe reads it.
    pub kind: LineKind,
    /// How the file is encoded.
    pub encoding: Encoding,
    /// What ends it.
    pub end: LineEnd,
}

impl Line<'_> {
    /// Returns whether the line is longer than the bytes that were kept.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        self.length > self.bytes.len() as u64
    }
}

/// Splits a file that comes in chunks of any size into lines, and counts its rows.
#[derive(Debug, Default, Clone)]
pub struct Lines {
    encoding: Option<Encoding>,
    /// First bytes, until the encoding is decided.
    start: Vec<u8>,
    /// The first half of a UTF-16 code unit.
    half: Option<u8>,
    /// The first half of a surrogate pair.
    surrogate: Option<u16>,
    /// The line in progress, if it began in an earlier chunk.
    begun: Vec<u8>,
    length: u64,
    ends_in_return: bool,
    kind: LineKind,
    number: u64,
    rows: u64,
}

impl Lines {
    /// Takes the next bytes of the file, and passes each line that ends in them to `each`.
    pub fn feed(&mut self, bytes: &[u8], mut each: impl FnMut(&Line<'_>)) {
        let mut bytes = bytes;
        if self.encoding.is_none() {
            let (head, rest) = bytes.split_at(bytes.len().min(START - self.start.len()));
            self.start.extend_from_slice(head);
            if self.start.len() < START {
                return;
            }
            self.decide(&mut each);
            bytes = rest;
        }
        self.take(bytes, &mut each);
    }

    /// Ends the file. Passes its last line to `each`, if no line feed ended it.
    pub fn finish(&mut self, mut each: impl FnMut(&Line<'_>)) {
        if self.encoding.is_none() {
            self.decide(&mut each);
        }
        // Half a character at the end of the last line is part of that line. Without other bytes it is not a line.
        if (self.half.take().is_some() && self.length > 0) | self.surrogate.take().is_some() {
            self.push(char::REPLACEMENT_CHARACTER);
        }
        if self.length > 0 {
            self.end(false, &mut each);
        }
    }

    /// The encoding of the file, once it is known.
    #[must_use]
    pub fn encoding(&self) -> Option<Encoding> {
        self.encoding
    }

    /// Returns whether there was a header.
    #[must_use]
    pub fn has_header(&self) -> bool {
        self.rows > 0
    }

    /// The number of rows that Adobe should process so far: all lines but blank ones, comments and the header.
    #[must_use]
    pub fn rows_expected(&self) -> u64 {
        self.rows.saturating_sub(1)
    }

    fn decide(&mut self, each: &mut impl FnMut(&Line<'_>)) {
        let start = std::mem::take(&mut self.start);
        let (encoding, mark) = match start.as_slice() {
            [0xff, 0xfe, ..] => (Encoding::Utf16 { big_endian: false }, 2),
            [0xfe, 0xff, ..] => (Encoding::Utf16 { big_endian: true }, 2),
            [0xef, 0xbb, 0xbf, ..] => (Encoding::Bytes, 3),
            [a, 0, b, 0] | [0, a, 0, b] if *a != 0 && *b != 0 => (Encoding::Utf16WithoutMark, 0),
            _ => (Encoding::Bytes, 0),
        };
        self.encoding = Some(encoding);
        self.take(&start[mark..], each);
    }

    fn take(&mut self, bytes: &[u8], each: &mut impl FnMut(&Line<'_>)) {
        match self.encoding {
            Some(Encoding::Utf16 { big_endian }) => self.take_utf16(bytes, big_endian, each),
            Some(Encoding::Bytes | Encoding::Utf16WithoutMark) | None => self.take_bytes(bytes, each),
        }
    }

    fn take_bytes(&mut self, mut bytes: &[u8], each: &mut impl FnMut(&Line<'_>)) {
        while let Some(end) = memchr(b'\n', bytes) {
            let line = &bytes[..end];
            bytes = &bytes[end + 1..];
            if self.length == 0 {
                // Most lines are whole in one chunk and need no copy.
                let (line, end) = match line.strip_suffix(b"\r") {
                    Some(line) => (line, LineEnd::ReturnAndFeed),
                    None => (line, LineEnd::Feed),
                };
                let kind = kind_with(LineKind::Blank, true, line);
                self.hand_on((line, line.len() as u64), kind, end, each);
            } else {
                self.append(line);
                self.end(true, each);
            }
        }
        self.append(bytes);
    }

    fn take_utf16(&mut self, bytes: &[u8], big_endian: bool, each: &mut impl FnMut(&Line<'_>)) {
        for &byte in bytes {
            let Some(first) = self.half.take() else {
                self.half = Some(byte);
                continue;
            };
            let unit = if big_endian { u16::from_be_bytes([first, byte]) } else { u16::from_le_bytes([first, byte]) };
            if let Some(high) = self.surrogate.take() {
                if let Some(Ok(character)) = char::decode_utf16([high, unit]).next() {
                    self.push(character);
                    continue;
                }
                self.push(char::REPLACEMENT_CHARACTER);
            }
            match unit {
                0x0a => self.end(true, each),
                0xd800..=0xdbff => self.surrogate = Some(unit),
                _ => self.push(char::from_u32(unit.into()).unwrap_or(char::REPLACEMENT_CHARACTER)),
            }
        }
    }

    fn push(&mut self, character: char) {
        self.append(character.encode_utf8(&mut [0; 4]).as_bytes());
    }

    fn append(&mut self, part: &[u8]) {
        let Some(&last) = part.last() else { return };
        self.kind = kind_with(self.kind, self.length == 0, part);
        self.ends_in_return = last == b'\r';
        self.length += part.len() as u64;
        // Keep one byte more, because it may be the carriage return of the line's end.
        let room = (LONGEST_KEPT + 1).saturating_sub(self.begun.len());
        self.begun.extend_from_slice(&part[..part.len().min(room)]);
    }

    fn end(&mut self, by_line_feed: bool, each: &mut impl FnMut(&Line<'_>)) {
        let mut begun = std::mem::take(&mut self.begun);
        let length = self.length - u64::from(by_line_feed && self.ends_in_return);
        let kept = usize::try_from(length).map_or(begun.len(), |length| length.min(begun.len()));
        let kind = std::mem::take(&mut self.kind);
        let end = match (by_line_feed, self.ends_in_return) {
            (true, true) => LineEnd::ReturnAndFeed,
            (true, false) => LineEnd::Feed,
            (false, _) => LineEnd::None,
        };
        self.hand_on((&begun[..kept], length), kind, end, each);
        begun.clear();
        self.begun = begun;
        self.length = 0;
        self.ends_in_return = false;
    }

    fn hand_on(
        &mut self,
        (line, length): (&[u8], u64),
        kind: LineKind,
        end: LineEnd,
        each: &mut impl FnMut(&Line<'_>),
    ) {
        self.number += 1;
        self.rows += u64::from(kind == LineKind::Row);
        let encoding = self.encoding.unwrap_or(Encoding::Bytes);
        let bytes = &line[..line.len().min(LONGEST_KEPT)];
        each(&Line { number: self.number, bytes, length, kind, encoding, end });
    }
}

/// Returns the kind of a line that now includes this part.
fn kind_with(before: LineKind, is_start: bool, part: &[u8]) -> LineKind {
    if is_start && part.first() == Some(&b'#') {
        return LineKind::Comment;
    }
    match before {
        LineKind::Blank if part.iter().any(|byte| !matches!(byte, b' ' | b'\t' | b'\r')) => LineKind::Row,
        LineKind::Blank | LineKind::Comment | LineKind::Row => before,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Seen = (u64, Vec<u8>, u64, LineKind);

    fn lines(chunks: &[&[u8]]) -> (Vec<Seen>, u64) {
        let mut seen = Vec::new();
        let mut lines = Lines::default();
        let mut each = |line: &Line<'_>| seen.push((line.number, line.bytes.to_vec(), line.length, line.kind));
        for chunk in chunks {
            lines.feed(chunk, &mut each);
        }
        lines.finish(&mut each);
        (seen, lines.rows_expected())
    }

    fn texts(bytes: &[u8]) -> Vec<String> {
        lines(&[bytes]).0.into_iter().map(|(_, line, _, _)| String::from_utf8_lossy(&line).into_owned()).collect()
    }

    #[test]
    fn line_ends_are_left_out_and_lone_returns_are_not() {
        assert_eq!(texts(b"a\r\nb\n\r\nc\rd\r"), ["a", "b", "", "c\rd\r"]);
        assert_eq!(texts(b"a\r\r\n"), ["a\r"]);
        assert_eq!(texts(b""), [""; 0]);
    }

    #[test]
    fn each_line_says_what_ends_it_whatever_the_chunks_are() {
        let content = b"a\nb\r\n\r\nc\r\r\nd";
        for size in 1..=content.len() {
            let (mut lines, mut seen) = (Lines::default(), Vec::new());
            let mut note = |line: &Line<'_>| {
                seen.extend_from_slice(line.bytes);
                seen.extend_from_slice(line.end.bytes());
            };
            for chunk in content.chunks(size) {
                lines.feed(chunk, &mut note);
            }
            lines.finish(&mut note);
            assert_eq!(seen, content, "{size}");
        }
    }

    #[test]
    fn only_a_line_that_begins_with_the_sign_is_a_comment() {
        let kinds: Vec<LineKind> =
            lines(&[b"#a\n #b\n\t#c\n \t\r\n\nd"]).0.into_iter().map(|(_, _, _, kind)| kind).collect();
        let (comment, row, blank) = (LineKind::Comment, LineKind::Row, LineKind::Blank);
        assert_eq!(kinds, [comment, row, row, blank, blank, row]);
    }

    #[test]
    fn utf_16_is_passed_on_as_utf_8() {
        let wide = |text: &str| -> Vec<u8> { text.encode_utf16().flat_map(u16::to_le_bytes).collect() };
        assert_eq!(texts(&wide("\u{feff}日\u{1f600}\r\nb")), ["日\u{1f600}", "b"]);
        let broken = [wide("\u{feff}a"), vec![0x00, 0xd8], wide("b"), vec![0x00]].concat();
        assert_eq!(texts(&broken), ["a\u{fffd}b\u{fffd}"]);
    }

    #[test]
    fn utf_16_without_a_mark_is_known_by_its_look() {
        for (bytes, expected) in [
            (b"D\0a\0".as_slice(), Encoding::Utf16WithoutMark),
            (b"D\0a\0t\0e\0", Encoding::Utf16WithoutMark),
            (b"\0D\0a", Encoding::Utf16WithoutMark),
            (b"D\0at", Encoding::Bytes),
            (b"D\0", Encoding::Bytes),
            (b"D\0\0\0", Encoding::Bytes),
            (b"\0\0D\0", Encoding::Bytes),
            (b"\0\0\0\0", Encoding::Bytes),
        ] {
            for cut in 1..=4 {
                let mut lines = Lines::default();
                bytes.chunks(cut).for_each(|chunk| lines.feed(chunk, |_| {}));
                lines.finish(|_| {});
                assert_eq!(lines.encoding(), Some(expected), "{bytes:?} in chunks of {cut}");
            }
        }
    }

    #[test]
    fn a_line_without_end_takes_no_memory_without_end() {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for _ in 0..1_000 {
            lines.feed(&[b'x'; 1_000], |_| {});
            assert!(lines.begun.capacity() <= 4 * LONGEST_KEPT);
        }
        lines.feed(b"\r\n", |line| seen.push((line.bytes.len(), line.length, line.is_cut())));
        assert_eq!(seen, [(65_536, 1_000_000, true)]);
    }

    proptest! {
        #[test]
        fn lines_do_not_depend_on_the_chunks(
            bytes in proptest::collection::vec(
                prop_oneof![Just(b'\n'), Just(b'\r'), Just(b'#'), Just(b'\t'), Just(0), Just(0xff), Just(0xfe), any::<u8>()],
                0..200,
            ),
            mark in proptest::sample::select(vec![vec![], vec![0xff, 0xfe], vec![0xfe, 0xff], vec![0xef, 0xbb, 0xbf]]),
            cut in 1usize..20,
        ) {
            let bytes = [mark, bytes].concat();
            let chunks: Vec<&[u8]> = bytes.chunks(cut).collect();
            prop_assert_eq!(lines(&chunks), lines(&[&bytes]));
        }

        #[test]
        fn a_line_around_the_limit_is_cut_alike(over in 0usize..4, end in prop_oneof![Just("\n"), Just("\r\n"), Just("")],
            cut in 1usize..70_000) {
            let text = format!("{}{end}", "x".repeat(LONGEST_KEPT - 2 + over));
            let chunks: Vec<&[u8]> = text.as_bytes().chunks(cut).collect();
            prop_assert_eq!(lines(&chunks), lines(&[text.as_bytes()]));
        }
    }
}
