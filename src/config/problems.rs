//! Gathers everything that is wrong while the sections are read, so that all of it is told at once.

use super::outline::Outline;
use super::problem::{ConfigError, Problem, Wrong};
use std::collections::BTreeMap;

/// What the `config` crate calls the origin of a value that came from a variable.
pub(super) const ENVIRONMENT: &str = "the environment";

/// How each variable that sets a key begins.
pub(super) const PREFIX: &str = "DATADROP__";

/// Where a value came from, as it is told.
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
#[derive(Debug)]
pub(super) struct Report {
    file: String,
    outline: Outline,
    problems: Vec<Problem>,
    unknown: Vec<Unknown>,
    /// The keys that were asked for, by heading: what can be suggested.
    known: BTreeMap<String, Vec<&'static str>>,
    /// What works, but is doubtful; one line each.
    pub(super) warnings: Vec<String>,
    /// See [`ConfigError::example`].
    pub(super) example: Option<String>,
}

impl Report {
    pub(super) fn new(file: String, outline: Outline) -> Self {
        Self {
            file,
            outline,
            problems: Vec::new(),
            unknown: Vec::new(),
            known: BTreeMap::new(),
            warnings: Vec::new(),
            example: None,
        }
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
        self.problems.push(Problem {
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
    pub(super) fn finish(mut self) -> Result<Vec<String>, ConfigError> {
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
}
