//! How many rows Adobe should process: every line that is neither blank, nor a comment, nor the header.
//!
//! Facts: rows that begin with `#` are ignored anywhere, the first other row is the header
//! (Adobe, "Data sources file format"). UTF-16 is read where a byte order mark announces it.

/// Counts rows in one pass, in constant memory, whatever the chunks are.
#[derive(Debug, Default, Clone)]
pub struct RowCounter {
    encoding: Encoding,
    /// First bytes, until the byte order mark is decided.
    start: Vec<u8>,
    /// The first half of a UTF-16 code unit.
    half: Option<u8>,
    line: Line,
    rows: u64,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    #[default]
    Undecided,
    Bytes,
    Utf16 {
        big_endian: bool,
    },
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Line {
    #[default]
    Blank,
    Comment,
    Row,
}

/// Stands for any character beyond ASCII.
const OTHER: u8 = 0xff;

impl RowCounter {
    /// Takes the next bytes of the file.
    pub fn update(&mut self, bytes: &[u8]) {
        match self.encoding {
            Encoding::Undecided => {
                self.start.extend_from_slice(bytes);
                if self.start.len() >= 3 {
                    self.decide();
                }
            }
            Encoding::Bytes => self.take_bytes(bytes),
            Encoding::Utf16 { big_endian } => self.take_utf16(bytes, big_endian),
        }
    }

    /// The rows expected of the whole file, the header not counted.
    #[must_use]
    pub fn finish(mut self) -> u64 {
        if self.encoding == Encoding::Undecided {
            self.decide();
        }
        self.end_line();
        self.rows.saturating_sub(1)
    }

    fn decide(&mut self) {
        let start = std::mem::take(&mut self.start);
        if let Some(rest) = start.strip_prefix(b"\xff\xfe") {
            self.encoding = Encoding::Utf16 { big_endian: false };
            self.take_utf16(rest, false);
        } else if let Some(rest) = start.strip_prefix(b"\xfe\xff") {
            self.encoding = Encoding::Utf16 { big_endian: true };
            self.take_utf16(rest, true);
        } else {
            self.encoding = Encoding::Bytes;
            self.take_bytes(start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&start));
        }
    }

    fn take_bytes(&mut self, mut bytes: &[u8]) {
        while let Some((&byte, rest)) = bytes.split_first() {
            if self.line == Line::Blank || byte == b'\n' {
                self.take(byte);
                bytes = rest;
            } else {
                // What kind of line this is, is known: only its end matters.
                let end = bytes.iter().position(|&b| b == b'\n').unwrap_or(bytes.len());
                bytes = &bytes[end..];
            }
        }
    }

    fn take_utf16(&mut self, bytes: &[u8], big_endian: bool) {
        for &byte in bytes {
            let Some(first) = self.half.take() else {
                self.half = Some(byte);
                continue;
            };
            let unit = if big_endian { u16::from_be_bytes([first, byte]) } else { u16::from_le_bytes([first, byte]) };
            self.take(u8::try_from(unit).ok().filter(u8::is_ascii).unwrap_or(OTHER));
        }
    }

    fn take(&mut self, byte: u8) {
        match (self.line, byte) {
            (_, b'\n') => self.end_line(),
            (Line::Blank, b'#') => self.line = Line::Comment,
            (Line::Blank, b' ' | b'\t' | b'\r') | (Line::Comment | Line::Row, _) => {}
            (Line::Blank, _) => self.line = Line::Row,
        }
    }

    fn end_line(&mut self) {
        if self.line == Line::Row {
            self.rows += 1;
        }
        self.line = Line::Blank;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn count(bytes: &[u8]) -> u64 {
        let mut counter = RowCounter::default();
        counter.update(bytes);
        counter.finish()
    }

    #[test]
    fn comments_blank_rows_and_the_header_are_not_rows() {
        assert_eq!(count(b""), 0);
        assert_eq!(count(b"Date\tEvent 1\n"), 0);
        assert_eq!(count(b"# made by hand\nDate\tEvent 1\n\n11/20/2026\t1\n# note\n11/21/2026\t2"), 2);
        assert_eq!(count(b"Date\tEvent 1\r\n\r\n \t\r\n11/20/2026\t1\r\n"), 1);
    }

    #[test]
    fn byte_order_marks_do_not_hide_a_comment() {
        assert_eq!(count(b"\xef\xbb\xbf# c\nDate\n1\n2\n"), 2);
        let utf16 = |big: bool| -> Vec<u8> {
            "\u{feff}# c\nDate\n日\n2\n"
                .encode_utf16()
                .flat_map(|unit| if big { unit.to_be_bytes() } else { unit.to_le_bytes() })
                .collect()
        };
        assert_eq!(count(&utf16(false)), 2);
        assert_eq!(count(&utf16(true)), 2);
    }

    proptest! {
        #[test]
        fn the_count_does_not_depend_on_the_chunks(bytes in proptest::collection::vec(prop_oneof![
            Just(b'\n'), Just(b'#'), Just(b'\t'), Just(0xff), Just(0xfe), any::<u8>()], 0..200), cut in 1usize..20) {
            let mut chunked = RowCounter::default();
            for chunk in bytes.chunks(cut) {
                chunked.update(chunk);
            }
            prop_assert_eq!(chunked.finish(), count(&bytes));
        }
    }
}
