//! What is wrong with a configuration, in words that a person can act on.

use std::fmt;

/// One thing that is wrong: where, what, why, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
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

/// One line, whatever the value holds.
impl fmt::Display for Problem {
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
    pub problems: Vec<Problem>,
    /// What a part that is missing altogether would look like; stands below the problems.
    pub example: Option<String>,
}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
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
