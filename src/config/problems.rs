//! Problems of a configuration, gathered while the sections are read, so that all are reported together.

use crate::job::Problem;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// What the `config` crate calls the origin of a value that came from a variable.
pub(super) const ENVIRONMENT: &str = "the environment";

/// How each variable that sets a key begins.
pub(super) const PREFIX: &str = "DATADROP__";

/// Where a value came from, as messages name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) source: String,
    pub(super) line: Option<usize>,
}

/// A key that no section asked for.
#[derive(Debug)]
struct Unknown {
    place: Place,
    heading: String,
    label: String,
    key: String,
}

/// All problems and doubts so far.
#[derive(Debug, Default)]
pub(super) struct Report {
    file: String,
    outline: Outline,
    problems: Vec<KeyProblem>,
    unknown: Vec<Unknown>,
    /// The keys that were asked for, by heading: what can be suggested.
    known: BTreeMap<String, Vec<&'static str>>,
    /// What works, but is doubtful.
    pub(super) warnings: Vec<Problem>,
    /// See [`ConfigError::example`].
    pub(super) example: Option<String>,
}

impl Report {
    pub(super) fn new(file: String, outline: Outline) -> Self {
        Self { file, outline, ..Self::default() }
    }

    /// Where the value at this path came from.
    pub(super) fn place(&self, path: &str, origin: Option<&str>) -> Place {
        if origin == Some(ENVIRONMENT) {
            let source = format!("environment variable {PREFIX}{}", path.to_uppercase().replace('.', "__"));
            return Place { source, line: None };
        }
        let line = self.outline.line(path);
        let source = if line.is_some() { self.file.clone() } else { "default".to_owned() };
        Place { source, line }
    }

    /// Where something that is missing should stand: in the file, below this path if it is there.
    pub(super) fn place_of_missing(&self, path: &str) -> Place {
        Place { source: self.file.clone(), line: self.outline.line(path) }
    }

    pub(super) fn add(&mut self, place: Place, key: String, value: Option<String>, wrong: Wrong) {
        self.problems.push(KeyProblem {
            source: place.source,
            line: place.line,
            column: None,
            key,
            value,
            message: wrong.message,
            remedy: wrong.remedy,
        });
    }

    pub(super) fn add_known(&mut self, heading: &str, keys: Vec<&'static str>) {
        self.known.insert(heading.to_owned(), keys);
    }

    pub(super) fn add_unknown(&mut self, place: Place, heading: &str, label: String, key: String) {
        self.unknown.push(Unknown { place, heading: heading.to_owned(), label, key });
    }

    /// Ends the reading. To be called when every section was read: only then all keys are known.
    ///
    /// # Errors
    /// Every problem, in the order of the file, those of other sources after it.
    pub(super) fn finish(mut self) -> Result<Vec<Problem>, ConfigError> {
        for unknown in std::mem::take(&mut self.unknown) {
            let remedy = self.suggest(&unknown.heading, &unknown.key);
            let wrong = Wrong { message: "there is no such key".to_owned(), remedy };
            // The value is not shown: it may be a secret under a misspelt key.
            self.add(unknown.place, unknown.label, None, wrong);
        }
        if self.problems.is_empty() {
            return Ok(self.warnings);
        }
        self.problems.sort_by_key(|problem| problem.line.unwrap_or(usize::MAX));
        Err(ConfigError { problems: self.problems, example: self.example })
    }

    /// What an unknown key was meant to be.
    fn suggest(&self, heading: &str, key: &str) -> String {
        let here = self.known.get(heading).map_or(&[][..], Vec::as_slice);
        if let Some(near) = nearest(key, here.iter().copied()) {
            return format!("did you mean `{near}`?");
        }
        let elsewhere: Vec<&str> =
            self.known.iter().filter(|(_, keys)| keys.contains(&key)).map(|(heading, _)| heading.as_str()).collect();
        if elsewhere.is_empty() {
            format!("remove it, or use one of {}", here.join(", "))
        } else {
            format!("`{key}` belongs {}", elsewhere.join(" or "))
        }
    }

    #[cfg(test)]
    pub(super) fn known(&self) -> &BTreeMap<String, Vec<&'static str>> {
        &self.known
    }

    #[cfg(test)]
    pub(super) fn unknown(&self) -> Vec<&str> {
        self.unknown.iter().map(|unknown| unknown.label.as_str()).collect()
    }
}

/// The word that a misspelt one was most likely meant to be; the longer the word, the more may be wrong with it.
pub(super) fn nearest<'w>(misspelt: &str, words: impl Iterator<Item = &'w str>) -> Option<&'w str> {
    let misspelt = misspelt.to_lowercase();
    words
        .map(|word| (strsim::damerau_levenshtein(&misspelt, word), word))
        .filter(|(distance, word)| *distance <= 1 + word.len() / 5 && *distance < word.len())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, word)| word)
}

// What is wrong with a configuration, in words that a person can act on.

/// One thing that is wrong: where, what, why, and what to do about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeyProblem {
    /// The file as it was named, `environment variable DATADROP__X__Y`, or `default`.
    pub source: String,
    /// The line in that file, from 1, where it is known.
    pub line: Option<usize>,
    /// The column in that line, from 1; of errors in the notation only.
    pub column: Option<usize>,
    /// The key, such as `upload.style` or `account "callcentre": folder`; empty for errors in the notation.
    pub key: String,
    /// The value as it was written, shortened; `None` where there is none, or where it is or may hold a secret.
    pub value: Option<String>,
    /// Why it cannot be.
    pub message: String,
    /// What to write or do instead.
    pub remedy: String,
}

impl KeyProblem {
    /// It is about a key above the first section: one of them says where the job log is.
    #[must_use]
    pub fn is_at_the_top(&self) -> bool {
        !self.key.is_empty() && !self.key.contains(['.', ':', ' '])
    }
}

/// One line, whatever the value holds.
impl fmt::Display for KeyProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.source)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if let Some(column) = self.column {
            write!(f, ":{column}")?;
        }
        f.write_str(": ")?;
        if !self.key.is_empty() {
            f.write_str(&self.key)?;
            if let Some(value) = &self.value {
                write!(f, " = {value}")?;
            }
            f.write_str(": ")?;
        }
        write!(f, "{}; {}", self.message, self.remedy)
    }
}

/// Everything that is wrong with a configuration, in the order of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// At least one.
    pub problems: Vec<KeyProblem>,
    /// What a part that is missing altogether would look like; stands below the problems.
    pub example: Option<String>,
}

impl From<KeyProblem> for ConfigError {
    fn from(problem: KeyProblem) -> Self {
        Self { problems: vec![problem], example: None }
    }
}

impl std::error::Error for ConfigError {}

/// One line a problem, then the example, indented.
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.problems.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            problem.fmt(f)?;
        }
        if let Some(example) = &self.example {
            f.write_str("\n")?;
            for line in example.trim().lines() {
                write!(f, "\n    {line}")?;
            }
        }
        Ok(())
    }
}

/// Why a value cannot be, and what to write instead: what a check knows; the reader adds where.
#[derive(Debug)]
pub(super) struct Wrong {
    pub(super) message: String,
    pub(super) remedy: String,
}

/// Short for [`Wrong`].
pub(super) fn wrong(message: impl Into<String>, remedy: impl Into<String>) -> Wrong {
    Wrong { message: message.into(), remedy: remedy.into() }
}

// Where in the file each key stands. The `config` crate keeps the values, but not their lines.

/// The line of each key, by its path: `api.timeout`, `account[1]`, `account[1].name`.
#[derive(Debug, Default)]
pub(super) struct Outline {
    lines: HashMap<String, usize>,
}

/// A position before this byte of the text, as line and column from 1, the column in characters.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

impl Outline {
    /// Reads the text for its lines, and refuses what the `config` crate would refuse without a line, or misread.
    ///
    /// # Errors
    /// The first error in the notation, with line and column. Never a part of the text: it may hold a secret.
    pub(super) fn parse(name: &str, text: &str) -> Result<Self, ConfigError> {
        let problem = |at: usize, message: String, remedy: &str| {
            let (line, column) = position(text, at);
            ConfigError::from(KeyProblem {
                source: name.to_owned(),
                line: Some(line),
                column: Some(column),
                message,
                remedy: remedy.to_owned(),
                ..KeyProblem::default()
            })
        };
        let document = DeTable::parse(text).map_err(|error| {
            let at = error.span().map_or(text.len(), |span| span.start);
            let message = format!("this is not valid TOML: {}", error.message().replace('\n', ", "));
            problem(at, message, "correct this line (texts stand in quotes, sections in brackets)")
        })?;
        // The crate reads dots and brackets in such names as a path.
        let odd = |key: &str| !key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
        if let Some(key) = document.get_ref().keys().find(|key| odd(key.get_ref())) {
            return Err(problem(
                key.span().start,
                "no key has such a name".to_owned(),
                "use letters, digits and \"_\", without quotes",
            ));
        }
        let mut outline = Self::default();
        outline
            .add_table(text, "", document.get_ref())
            .map_err(|at| problem(at, "this number is too large".to_owned(), "write a smaller one"))?;
        Ok(outline)
    }

    /// The line of the key with this path, if it stands in the file.
    pub(super) fn line(&self, path: &str) -> Option<usize> {
        self.lines.get(path).copied()
    }

    fn add_table(&mut self, text: &str, path: &str, table: &DeTable<'_>) -> Result<(), usize> {
        for (key, value) in table {
            let name = key.get_ref();
            let path = if path.is_empty() { name.to_string() } else { format!("{path}.{name}") };
            self.add(text, path, key.span().start, value)?;
        }
        Ok(())
    }

    fn add(&mut self, text: &str, path: String, at: usize, value: &Spanned<DeValue<'_>>) -> Result<(), usize> {
        match value.get_ref() {
            DeValue::Table(table) => self.add_table(text, &path, table)?,
            DeValue::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    self.add(text, format!("{path}[{index}]"), item.span().start, item)?;
                }
            }
            DeValue::Integer(number) => {
                i64::from_str_radix(number.as_str(), number.radix()).map_err(|_| value.span().start)?;
            }
            DeValue::Float(number) => {
                // `inf` and `nan` are numbers in TOML; the code that takes the key refuses them.
                let named = number.as_str().contains('n');
                number
                    .as_str()
                    .parse()
                    .ok()
                    .filter(|float: &f64| named || float.is_finite())
                    .ok_or(value.span().start)?;
            }
            DeValue::String(_) | DeValue::Boolean(_) | DeValue::Datetime(_) => {}
        }
        self.lines.insert(path, position(text, at).0);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_its_word_and_another_word_finds_none() {
        let words = ["auto", "upload", "local", "generate"];
        assert_eq!(nearest("uplaod", words.into_iter()), Some("upload"));
        assert_eq!(nearest("Local", words.into_iter()), Some("local"));
        assert_eq!(nearest("none", words.into_iter()), None);
        assert_eq!(nearest("", words.into_iter()), None);
    }

    #[test]
    fn every_key_has_its_line() {
        let text = "state_dir = \"/s\"\n\n[api]\ntimeout = \"1s\"\nproxy.x = 1\n\n\
            [[account]]\nname = \"a\"\n[[account]]\nname = \"b\"\n";
        let outline = Outline::parse("x.toml", text).unwrap();
        let lines = ["state_dir", "api", "api.timeout", "api.proxy.x", "account[0]", "account[1]", "account[1].name"];
        assert_eq!(
            lines.map(|path| outline.line(path)),
            [Some(1), Some(3), Some(4), Some(5), Some(7), Some(9), Some(10)]
        );
        assert_eq!(outline.line("api.scopes"), None);
    }

    #[test]
    fn columns_count_characters() {
        assert_eq!(position("a\nüx", 4), (2, 2));
        assert_eq!(position("", 0), (1, 1));
    }
}
