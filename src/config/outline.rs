//! Where in the file each key stands. The `config` crate keeps the values, but not their lines.

use super::problem::{ConfigError, Problem};
use std::collections::HashMap;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

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
            ConfigError::from(Problem {
                source: name.to_owned(),
                line: Some(line),
                column: Some(column),
                key: String::new(),
                value: None,
                message,
                remedy: remedy.to_owned(),
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
                // `inf` and `nan` are numbers in TOML; whoever asks for the key refuses them.
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
