//! A problem and its remedy, each in its own field, so that no code parses a sentence.

use std::fmt;

/// What failed, and the remedy. Displayed with a semicolon between the two.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What failed, and why.
    pub what: String,
    /// The remedy.
    pub remedy: Option<String>,
}

impl Problem {
    /// A problem that a person can solve.
    #[must_use]
    pub fn new(what: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { what: what.into(), remedy: Some(remedy.into()) }
    }
}

impl From<String> for Problem {
    fn from(what: String) -> Self {
        Self { what, remedy: None }
    }
}

impl From<&str> for Problem {
    fn from(what: &str) -> Self {
        what.to_owned().into()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.remedy {
            Some(remedy) => write!(f, "{}; {remedy}", self.what),
            None => self.what.fmt(f),
        }
    }
}
