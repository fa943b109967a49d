//! Reads bytes that are not UTF-8 as Windows-1252, and decides where that is certain.
//!
//! No byte names its encoding. Two kinds of bytes are certain. First, letters inside words for which the encodings of
//! western and central Europe agree (Windows-1252, Windows-1250, Windows-1254, ISO-8859-1, -2, -9 and -15). Second,
//! signs between words or numbers. The bytes that DOS and Mac OS use for common letters are neither.

use std::borrow::Cow;

/// The characters of 0x80 to 0x9F. Five of these bytes are not characters.
const HIGH: [Option<char>; 32] = [
    Some('€'),
    None,
    Some('‚'),
    Some('ƒ'),
    Some('„'),
    Some('…'),
    Some('†'),
    Some('‡'),
    Some('ˆ'),
    Some('‰'),
    Some('Š'),
    Some('‹'),
    Some('Œ'),
    None,
    Some('Ž'),
    None,
    None,
    Some('‘'),
    Some('’'),
    Some('“'),
    Some('”'),
    Some('•'),
    Some('–'),
    Some('—'),
    Some('˜'),
    Some('™'),
    Some('š'),
    Some('›'),
    Some('œ'),
    None,
    Some('ž'),
    Some('Ÿ'),
];

/// Letters for which the encodings agree: Ä Ö Ü Á É Í Ó Ú Â Î Ô Ç Ë, their small letters, and ß. It lacks á, because
/// DOS writes ß with that byte.
const AGREED_LETTERS: &[u8] =
    b"\xC1\xC2\xC4\xC7\xC9\xCB\xCD\xCE\xD3\xD4\xD6\xDA\xDC\xDF\xE2\xE4\xE7\xE9\xEB\xED\xEE\xF3\xF4\xF6\xFA\xFC";

/// Signs for which the encodings agree: € – — no-break space § °.
const AGREED_SIGNS: &[u8] = b"\x80\x96\x97\xA0\xA7\xB0";

/// Maximum number of letters beyond ASCII in a row. Words of other alphabets have more.
const MOST_IN_A_ROW: usize = 2;

/// Decodes Windows-1252. `None` if a byte is not a character there.
pub(super) fn decoded(bytes: &[u8]) -> Option<Cow<'_, [u8]>> {
    if bytes.is_ascii() {
        return Some(Cow::Borrowed(bytes));
    }
    let character = |byte: &u8| match byte {
        0x80..=0x9f => HIGH.get(usize::from(byte - 0x80)).copied().flatten(),
        _ => Some(char::from(*byte)),
    };
    bytes.iter().map(character).collect::<Option<String>>().map(|text| Cow::Owned(text.into_bytes()))
}

/// Returns whether every encoding in question reads these bytes alike.
pub(super) fn is_certain(bytes: &[u8]) -> bool {
    let mut in_a_row = 0;
    bytes.iter().enumerate().all(|(at, byte)| {
        in_a_row = if byte.is_ascii() { 0 } else { in_a_row + 1 };
        let before = at.checked_sub(1).and_then(|at| bytes.get(at)).copied().unwrap_or(b' ');
        let after = bytes.get(at + 1).copied().unwrap_or(b' ');
        byte.is_ascii()
            || in_a_row <= MOST_IN_A_ROW
                && (AGREED_LETTERS.contains(byte) && fits(*byte, before, after)
                    || AGREED_SIGNS.contains(byte) && !is_letter(before) && !is_letter(after))
    })
}

/// Returns whether a letter is in a word of the same case. In another encoding, the byte is often a letter of the other
/// case.
fn fits(byte: u8, before: u8, after: u8) -> bool {
    let is_small = byte >= 0xdf;
    let is_in_a_word = before.is_ascii_alphabetic() || after.is_ascii_alphabetic();
    is_in_a_word && if is_small { !after.is_ascii_uppercase() } else { !before.is_ascii_lowercase() }
}

fn is_letter(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte >= 0xc0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8]) -> Option<String> {
        decoded(bytes).map(|text| String::from_utf8(text.into_owned()).unwrap())
    }

    #[test]
    fn windows_1252_is_read_where_each_byte_is_a_character() {
        assert_eq!(read(b"M\xfcnchen \x80 5 \x96 \x8ei\x9eek").unwrap(), "München € 5 – Žižek");
        assert_eq!(read(b"plain").unwrap(), "plain");
        for byte in [0x81, 0x8d, 0x8f, 0x90, 0x9d] {
            assert_eq!(read(&[b'a', byte]), None, "{byte:x}");
        }
        // The other characters equal the first 256 code points, which the standard library decodes.
        for byte in 0xa0..=0xff_u8 {
            assert_eq!(read(&[byte]).unwrap(), char::from(byte).to_string());
        }
    }

    #[test]
    fn only_what_every_encoding_in_question_reads_alike_is_certain() {
        for text in [
            &b"M\xfcnchen"[..],
            b"Stra\xdfe\tK\xd6LN\t\xc4pfel",
            b"Gr\xf6\xdfe",
            b"Orl\xe9ans, \xc9cole, gar\xe7on, h\xf4tel",
            b"59,90 \x80",
            b"1\xa0439,50",
            b"a \x96 b",
        ] {
            assert!(is_certain(text), "{:?}", read(text));
        }
        for (text, why) in [
            (&b"P\xe8re"[..], "è in Windows-1252, č in Windows-1250"),
            (b"Dvo\xf8\xe1k", "ř in Windows-1250"),
            (b"Espa\x96a", "ñ in Mac OS"),
            (b"M\x81nchen", "ü in DOS"),
            (b"Stra\xe1e", "ß in DOS"),
            (b"LIMOG\xe9S", "È in Mac OS"),
            (b"\xcf\xf0\xe8\xe2\xe5\xf2", "Windows-1251"),
            (b"\xed\xe5", "a short word of Windows-1251"),
            (b"\x93\xfa\x96{", "Shift JIS"),
            (b"it\x92s", "í in Mac OS"),
        ] {
            assert!(!is_certain(text), "{why}");
        }
    }
}
