//! Takes out of a text what nobody else may see, in every form in which programs write it. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::collections::BTreeSet;
use std::fmt::Write as _;

/// Values with fewer characters stand only for themselves in the configuration: anywhere else they are parts of other words.
const SHORTEST: usize = 3;
/// Values with fewer characters are taken out only where they are whole words.
const SHORTEST_PART: usize = 6;
/// The shortest piece of base64 that says something.
const SHORTEST_BASE64: usize = 6;
/// What a URL has unencoded.
const UNRESERVED: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A value to be taken out, and what it is called in its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hidden {
    pub(super) value: String,
    /// Such as `api.client_id`.
    pub(super) key: String,
}

/// A form of a value, as it is looked for.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Form {
    text: String,
    key: String,
    /// In any case of letters; base64 has only one.
    in_any_case: bool,
    as_word: bool,
}

/// Everything that is to be taken out.
#[derive(Debug, Default)]
pub(super) struct Redaction(Vec<Form>);

impl Redaction {
    pub(super) fn new(hidden: &[Hidden]) -> Self {
        let forms: BTreeSet<Form> = hidden.iter().flat_map(forms).collect();
        let mut forms: Vec<Form> = forms.into_iter().collect();
        // A value that holds another goes first.
        forms.sort_by_key(|form| std::cmp::Reverse(form.text.len()));
        Self(forms)
    }

    /// The text without any of it.
    pub(super) fn apply(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, form| form.taken_out_of(text))
    }
}

fn forms(Hidden { value, key }: &Hidden) -> Vec<Form> {
    let value = value.trim();
    if value.chars().count() < SHORTEST {
        return Vec::new();
    }
    let as_word = value.chars().count() < SHORTEST_PART;
    let json = serde_json::to_string(value).unwrap_or_default();
    let encoded = utf8_percent_encode(value, &UNRESERVED).to_string();
    let all_encoded = utf8_percent_encode(value, NON_ALPHANUMERIC).to_string();
    let every_byte = value.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
    let in_forms = encoded.replace("%20", "+");
    let plain = [value, json.trim_matches('"'), &encoded, &all_encoded, &every_byte, &in_forms];
    let plain = plain.map(|text| Form { text: text.to_owned(), key: key.clone(), in_any_case: true, as_word });
    plain.into_iter().chain(base64_forms(value, key)).collect()
}

/// What base64 shows of a value, wherever among three bytes it begins: a password stands behind a name and a colon.
fn base64_forms(value: &str, key: &str) -> Vec<Form> {
    let mut forms = Vec::new();
    for (before, skipped) in [(0, 0), (1, 2), (2, 3)] {
        let bytes: Vec<u8> = std::iter::repeat_n(0, before).chain(value.bytes()).collect();
        // The last character may depend on what follows.
        let whole = bytes.len() * 8 / 6;
        for text in [STANDARD_NO_PAD.encode(&bytes), URL_SAFE_NO_PAD.encode(&bytes)] {
            if let Some(text) = text.get(skipped..whole).filter(|text| text.len() >= SHORTEST_BASE64) {
                forms.push(Form { text: text.to_owned(), key: key.to_owned(), in_any_case: false, as_word: false });
            }
        }
    }
    forms
}

impl Form {
    fn taken_out_of(&self, text: String) -> String {
        let (haystack, needle) = if self.in_any_case {
            (text.to_ascii_lowercase(), self.text.to_ascii_lowercase())
        } else {
            (text.clone(), self.text.clone())
        };
        let mut found =
            haystack.match_indices(&needle).map(|(at, _)| at).filter(|&at| self.fits(&haystack, at)).peekable();
        if found.peek().is_none() {
            return text;
        }
        let (mut kept, mut end) = (String::with_capacity(text.len()), 0);
        for at in found {
            kept.push_str(text.get(end..at).unwrap_or_default());
            let _ = write!(kept, "[{}]", self.key);
            end = at + needle.len();
        }
        kept.push_str(text.get(end..).unwrap_or_default());
        kept
    }

    fn fits(&self, text: &str, at: usize) -> bool {
        let is_part = |c: char| c.is_alphanumeric();
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let after = text.get(at + self.text.len()..).and_then(|text| text.chars().next());
        !self.as_word || !(before.is_some_and(is_part) || after.is_some_and(is_part))
    }
}

/// A line of a log without what it quotes: between backticks may stand values of a file. Commands stay.
pub(super) fn without_quotes(line: &str) -> String {
    let parts: Vec<&str> = line.split('`').collect();
    let last = parts.len().saturating_sub(1);
    let shown = parts.iter().enumerate().map(|(index, part)| {
        // An odd one is within two backticks, unless the second is missing.
        let is_quoted = index % 2 == 1;
        let is_command = index < last && COMMANDS.iter().any(|command| part.starts_with(command));
        if is_quoted && !is_command { "…" } else { part }
    });
    shown.collect::<Vec<_>>().join("`")
}

/// What commands begin with that messages tell people to run.
const COMMANDS: [&str; 4] = ["datadrop ", "sudo ", "systemctl ", "journalctl "];

#[cfg(test)]
mod tests {
    use super::*;
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};

    fn redaction(value: &str) -> Redaction {
        Redaction::new(&[Hidden { value: value.to_owned(), key: "key".to_owned() }])
    }

    #[test]
    fn p6_a_secret_goes_in_every_form() {
        for value in ["p8e-S3cr3t/with+all=of:it", "ключ \"of\" quotes\\", "0123456789abcdef", "~~~~~~???>>>"] {
            let redaction = redaction(value);
            let url = utf8_percent_encode(value, NON_ALPHANUMERIC).to_string();
            let mut texts = vec![value.to_owned(), value.to_uppercase(), url.to_lowercase(), url];
            texts.push(serde_json::json!({ "a": value }).to_string());
            for (before, after) in [("", ""), ("u:", ""), ("user:", ":x"), ("a", "bcd")] {
                let whole = format!("{before}{value}{after}");
                texts.extend([STANDARD.encode(&whole), URL_SAFE.encode(&whole), STANDARD_NO_PAD.encode(&whole)]);
            }
            for text in texts.iter().filter(|text| text.is_ascii() || text.contains(value)) {
                let shown = redaction.apply(&format!("before {text} after"));
                assert!(shown.contains("[key]"), "{value}: {text}: {shown}");
                assert!(shown.starts_with("before ") && shown.ends_with(" after"), "{shown}");
                assert!(!shown.contains(value), "{shown}");
            }
        }
    }

    #[test]
    fn short_values_go_only_as_words_and_longer_ones_before_those_that_they_hold() {
        assert_eq!(redaction("rs1").apply("rs1/1, rs12, first rs1."), "[key]/1, rs12, first [key].");
        assert_eq!(redaction("ab").apply("ab"), "ab");
        assert_eq!(redaction("company").apply("https://x/mycompanyname/"), "https://x/my[key]name/");
        let both = [("company", "one"), ("companyprod", "two")];
        let both = both.map(|(value, key)| Hidden { value: value.to_owned(), key: key.to_owned() });
        assert_eq!(Redaction::new(&both).apply("companyprod company"), "[two] [one]");
        assert_eq!(Redaction::default().apply("as it is"), "as it is");
    }

    #[test]
    fn a_line_of_a_log_keeps_commands_and_loses_quotes() {
        for (line, shown) in [
            ("line 2: `x;` is no date; run `datadrop doctor`", "line 2: `…` is no date; run `datadrop doctor`"),
            ("nothing is quoted", "nothing is quoted"),
            ("a value with ` in it", "a value with `…"),
            ("cut `datadrop of a value", "cut `…"),
        ] {
            assert_eq!(without_quotes(line), shown);
        }
    }
}
