//! Classifies file names: data file, marker, or neither.

use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::fmt::{self, Write as _};
use std::path::Path;

/// Data file or marker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, strum::Display, strum::IntoStaticStr)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Kind {
    /// A data file, `NAME.txt`.
    Data,
    /// A marker, `NAME.fin`. It says that the data file of its stem is complete.
    Fin,
}

impl Kind {
    /// The word in the job log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }
}

/// The form of an upload request (DESIGN §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, strum::Display, strum::IntoStaticStr)]
#[serde(rename_all = "kebab-case")]
#[strum(serialize_all = "kebab-case")]
pub enum UploadStyle {
    /// The guide's request: PUT, JSON, content in base64.
    PutJson,
    /// The form that Adobe has documented since June 2024.
    PostMultipart,
    /// The form that Adobe documented in between.
    PutMultipart,
}

impl UploadStyle {
    /// The order in which `auto` tries them.
    pub const ALL: [Self; 3] = [Self::PutJson, Self::PostMultipart, Self::PutMultipart];

    /// The word in configuration and job log.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Reads the word of configuration and job log.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|style| style.as_str() == word)
    }
}

/// Classifies a name in the folder. `None` if datadrop ignores the file.
///
/// Hidden files are ignored. Extensions are case-sensitive, as at Adobe (`.TXT` is not processed).
#[must_use]
pub fn classify(name: &OsStr, extensions: &[String]) -> Option<Kind> {
    if name.as_encoded_bytes().starts_with(b".") {
        return None;
    }
    let extension = Path::new(name).extension()?;
    if extension == "fin" {
        Some(Kind::Fin)
    } else if extensions.iter().any(|wanted| extension == wanted.as_str()) {
        Some(Kind::Data)
    } else {
        None
    }
}

/// The name without its last extension. A marker shares it with its data file.
#[must_use]
pub fn stem(file_name: &str) -> &str {
    file_name.rsplit_once('.').map_or(file_name, |(stem, _)| stem)
}

/// Why a name cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameRefused {
    /// JSON and the job log are UTF-8.
    NotUtf8,
    /// A newline, tab or other control character.
    ControlCharacter,
}

impl fmt::Display for NameRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotUtf8 => "the file name is not valid UTF-8, so it cannot be sent; rename the file and drop it again",
            Self::ControlCharacter => {
                "the file name contains a newline or another control character, so it cannot be sent; rename the file and drop it again"
            }
        })
    }
}

/// Checks that a name can be sent and logged unchanged.
///
/// # Errors
/// [`NameRefused`], with the rule that the name breaks.
pub fn check_name(name: &OsStr) -> Result<&str, NameRefused> {
    let text = name.to_str().ok_or(NameRefused::NotUtf8)?;
    if text.chars().any(char::is_control) {
        return Err(NameRefused::ControlCharacter);
    }
    Ok(text)
}

/// Returns whether the API can receive a name from the job log. Bytes that were not UTF-8 appear there as replacement
/// characters.
#[must_use]
pub fn is_sendable(file_name: &str) -> bool {
    check_name(OsStr::new(file_name)).is_ok() && !file_name.contains(char::REPLACEMENT_CHARACTER)
}

/// Escapes all characters that could move the cursor or change the direction of the line.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        // Characters that change the writing direction can show `txt.exe` as `exe.txt`.
        let turns = matches!(character, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        if character.is_control() || turns {
            let _ = write!(shown, "{}", character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// Quotes a text as one word of a command line, for commands that people paste.
#[must_use]
pub fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+=:,@%".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// `wire_name = "unique"`: stem, `-`, eight hex digits, extension.
#[must_use]
pub fn unique_wire_name(file_name: &str, random: u32) -> String {
    match file_name.rsplit_once('.') {
        Some((stem, extension)) => format!("{stem}-{random:08x}.{extension}"),
        None => format!("{file_name}-{random:08x}"),
    }
}

/// Returns whether a browser, a file manager or a synchronised folder names copies like this. Pure: only the name
/// decides.
#[must_use]
pub fn looks_like_copy(file_name: &str) -> bool {
    const WORDS: [&str; 4] = ["copy", "kopie", "copie", "copia"];
    const BEGINS: [&str; 5] = ["copy of ", "kopie von ", "copie de ", "copia de ", "copia di "];
    const HOLDS: [&str; 4] = ["conflicted copy", ".sync-conflict-", "_conflict-2", "(sfconflict "];
    let stem = stem(file_name).to_lowercase();
    // `sales (2)`, `sales(2)`, `sales - Copy (2)`; `sales copy 2`. At most two digits, so that no year matches.
    let is_number = |digits: &str| (1..=2).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let in_brackets = stem.strip_suffix(')').and_then(|rest| rest.rsplit_once('('));
    let in_brackets = in_brackets.filter(|(before, _)| !before.trim().is_empty()).map(|(_, inside)| inside);
    let unnumbered =
        stem.rsplit_once(' ').filter(|(_, number)| is_number(number)).map_or(stem.as_str(), |(rest, _)| rest);
    let ends_in_word = WORDS.iter().any(|word| unnumbered.strip_suffix(word).is_some_and(|rest| rest.ends_with(' ')));
    let is_marked = |inside: &str| {
        is_number(inside)
            || WORDS
                .iter()
                .any(|word| inside.strip_suffix(word).is_some_and(|rest| rest.is_empty() || rest.ends_with(' ')))
            || ["conflict", "konflikt"].iter().any(|part| inside.contains(part))
    };
    in_brackets.is_some_and(is_marked)
        || ends_in_word
        || BEGINS.iter().any(|begin| stem.starts_with(begin))
        || HOLDS.iter().any(|part| stem.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_known_by_the_names_that_programs_give_them() {
        for name in [
            "sales (1).txt",
            "sales(12).txt",
            "sales - Copy.txt",
            "sales - Copy (2).txt",
            "sales - Kopie.txt",
            "sales copy.txt",
            "sales copy 2.txt",
            "sales (copy).txt",
            "sales (another copy).txt",
            "sales (3rd copy).txt",
            "sales (weitere Kopie).txt",
            "Kopie von sales.txt",
            "Copy of sales.txt",
            "Copia di sales.txt",
            "sales (Ann's conflicted copy 2026-11-20).txt",
            "sales (conflicted copy 2026-11-20 140500).txt",
            "sales (In Konflikt stehende Kopie von Ann 2026-11-20).txt",
            "sales.sync-conflict-20261120-140500-ABCDEFG.txt",
            "sales_conflict-20261120-140500.txt",
            "sales (SFConflict ann@example.com 2026-11-20-14-05-00).txt",
        ] {
            assert!(looks_like_copy(name), "{name}");
        }
        for name in [
            "sales.txt",
            "sales (2026).txt",
            "sales 1.txt",
            "(1).txt",
            "sales (north).txt",
            "copyright.txt",
            "scopy.txt",
            "photocopy.txt",
            "sales_2026-11-20.txt",
            "conflict.txt",
            "sales 20.txt",
            "(2)",
            "",
        ] {
            assert!(!looks_like_copy(name), "{name}");
        }
    }

    #[test]
    fn a_path_is_one_word_whatever_is_in_it() {
        assert_eq!(shell_word("/srv/a-b/sales_1.txt"), "/srv/a-b/sales_1.txt");
        assert_eq!(shell_word("/srv/it's $HOME.txt"), r"'/srv/it'\''s $HOME.txt'");
        assert_eq!(shell_word(""), "''");
    }

    #[test]
    fn only_data_files_and_markers_count() {
        let extensions = vec!["txt".to_owned(), "tab".to_owned()];
        for (name, kind) in [
            ("sales.txt", Some(Kind::Data)),
            ("sales.tab", Some(Kind::Data)),
            ("sales.fin", Some(Kind::Fin)),
            ("a.b.txt", Some(Kind::Data)),
            ("sales.TXT", None),
            ("sales.FIN", None),
            (".sales.txt", None),
            (".txt", None),
            ("txt", None),
            ("sales.txt.part", None),
            ("sales.txt.why", None),
        ] {
            assert_eq!(classify(OsStr::new(name), &extensions), kind, "{name}");
        }
    }

    #[test]
    fn a_marker_shares_the_stem_of_its_data_file() {
        assert_eq!(stem("sales.txt"), stem("sales.fin"));
        assert_eq!(stem("a.b.txt"), "a.b");
        assert_eq!(stem("日本.txt"), "日本");
    }

    #[test]
    fn names_that_cannot_be_sent_are_distinguished() {
        use std::os::unix::ffi::OsStrExt;
        assert_eq!(check_name(OsStr::new("a b%\"ü日本.txt")), Ok("a b%\"ü日本.txt"));
        assert_eq!(check_name(OsStr::new("a\nb.txt")), Err(NameRefused::ControlCharacter));
        assert_eq!(check_name(OsStr::from_bytes(b"a\xff.txt")), Err(NameRefused::NotUtf8));
    }

    #[test]
    fn a_printable_text_can_neither_move_the_cursor_nor_turn_the_line_around() {
        assert_eq!(printable("ü 日本.txt"), "ü 日本.txt");
        assert_eq!(printable("a\n\u{1b}[2J"), "a\\n\\u{1b}[2J");
        for turning in ['\u{200e}', '\u{200f}', '\u{202a}', '\u{202e}', '\u{2066}', '\u{2069}'] {
            assert_eq!(printable(&format!("a{turning}b")), format!("a\\u{{{:x}}}b", u32::from(turning)));
        }
    }

    #[test]
    fn words_of_kinds_and_styles_are_those_of_the_job_log() {
        assert_eq!([Kind::Data, Kind::Fin].map(Kind::as_str), ["data", "fin"]);
        assert_eq!(UploadStyle::ALL.map(UploadStyle::as_str), ["put-json", "post-multipart", "put-multipart"]);
        for style in UploadStyle::ALL {
            assert_eq!(UploadStyle::from_word(style.as_str()), Some(style));
        }
        assert_eq!(UploadStyle::from_word("auto"), None);
    }

    #[test]
    fn a_unique_wire_name_keeps_stem_and_extension() {
        assert_eq!(unique_wire_name("sales.eu.txt", 0xbeef), "sales.eu-0000beef.txt");
    }
}
