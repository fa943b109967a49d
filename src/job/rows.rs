//! Counts the rows that Adobe should process, for a file that needs no other check.

use super::lines::Lines;

/// Counts rows in one pass and in constant memory, with chunks of any size. It uses [`Lines`] and ignores each line.
#[derive(Debug, Default, Clone)]
pub struct RowCounter(Lines);

impl RowCounter {
    /// Takes the next bytes of the file.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.feed(bytes, |_| {});
    }

    /// The expected rows of the whole file, without the header.
    #[must_use]
    pub fn finish(mut self) -> u64 {
        self.0.finish(|_| {});
        self.0.rows_expected()
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
        assert_eq!(count(b"Date\tEvar 1\tEvent 1\n\t#1 seller\t1\n"), 1, "a comment begins with the sign");
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
