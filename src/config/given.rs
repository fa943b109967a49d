//! One value as it was given: its type, and how it is shown when it is wrong.

use super::problem::{Wrong, wrong};
use config::ValueKind;

/// The longest text that is repeated in a problem, in characters.
const SHOWN: usize = 80;

/// A value, and whether it can only be text because it came from a variable.
#[derive(Debug, Clone, Copy)]
pub(super) struct Given<'v> {
    kind: &'v ValueKind,
    from_variable: bool,
}

/// What a value is, in the words of a person.
pub(super) fn kind_name(kind: &ValueKind) -> &'static str {
    match kind {
        ValueKind::Nil => "nothing",
        ValueKind::Boolean(_) => "true or false",
        ValueKind::I64(_) | ValueKind::I128(_) | ValueKind::U64(_) | ValueKind::U128(_) => "a number",
        ValueKind::Float(_) => "a number with a fraction",
        ValueKind::String(_) => "a text",
        ValueKind::Table(_) => "a section",
        ValueKind::Array(_) => "a list",
    }
}

/// The value as it was written, or nearly; `None` for sections and for URLs with a password in them.
pub(super) fn show(kind: &ValueKind) -> Option<String> {
    match kind {
        ValueKind::Nil | ValueKind::Table(_) => None,
        ValueKind::Boolean(value) => Some(value.to_string()),
        ValueKind::I64(value) => Some(value.to_string()),
        ValueKind::I128(value) => Some(value.to_string()),
        ValueKind::U64(value) => Some(value.to_string()),
        ValueKind::U128(value) => Some(value.to_string()),
        ValueKind::Float(value) => Some(format!("{value:?}")),
        ValueKind::String(text) => show_text(text),
        ValueKind::Array(items) => {
            let items: Option<Vec<String>> = items.iter().map(|item| show(&item.kind)).collect();
            items.map(|items| format!("[{}]", items.join(", "))).filter(|list| list.chars().count() <= SHOWN)
        }
    }
}

fn show_text(text: &str) -> Option<String> {
    if text.contains('@') && text.contains("//") {
        return None;
    }
    let mut shown: String = text.chars().take(SHOWN).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    Some(format!("{shown:?}"))
}

impl<'v> Given<'v> {
    pub(super) fn new(kind: &'v ValueKind, from_variable: bool) -> Self {
        Self { kind, from_variable }
    }

    /// A text.
    pub(super) fn text(&self) -> Result<&str, Wrong> {
        if let ValueKind::String(text) = self.kind {
            return Ok(text);
        }
        let remedy = match self.kind {
            ValueKind::Table(_) | ValueKind::Array(_) => "write one text in quotes",
            ValueKind::Nil
            | ValueKind::Boolean(_)
            | ValueKind::I64(_)
            | ValueKind::I128(_)
            | ValueKind::U64(_)
            | ValueKind::U128(_)
            | ValueKind::Float(_)
            | ValueKind::String(_) => "put quotes around it",
        };
        Err(wrong(format!("this must be a text, and is {}", kind_name(self.kind)), remedy))
    }

    /// A text with something in it.
    pub(super) fn filled(&self) -> Result<&str, Wrong> {
        let text = self.text()?;
        if text.trim().is_empty() { Err(wrong("this is empty", "write a value, or remove the line")) } else { Ok(text) }
    }

    /// A whole number.
    pub(super) fn whole(&self) -> Option<i64> {
        match self.kind {
            ValueKind::I64(number) => Some(*number),
            ValueKind::String(text) if self.from_variable => text.trim().parse().ok(),
            ValueKind::Nil
            | ValueKind::Boolean(_)
            | ValueKind::I128(_)
            | ValueKind::U64(_)
            | ValueKind::U128(_)
            | ValueKind::Float(_)
            | ValueKind::String(_)
            | ValueKind::Table(_)
            | ValueKind::Array(_) => None,
        }
    }

    /// True or false.
    pub(super) fn truth(&self) -> Option<bool> {
        match self.kind {
            ValueKind::Boolean(truth) => Some(*truth),
            ValueKind::String(text) if self.from_variable => text.trim().to_lowercase().parse().ok(),
            ValueKind::Nil
            | ValueKind::I64(_)
            | ValueKind::I128(_)
            | ValueKind::U64(_)
            | ValueKind::U128(_)
            | ValueKind::Float(_)
            | ValueKind::String(_)
            | ValueKind::Table(_)
            | ValueKind::Array(_) => None,
        }
    }

    /// Any number.
    pub(super) fn fraction(&self) -> Option<f64> {
        match self.kind {
            ValueKind::Float(number) => Some(*number),
            ValueKind::I64(number) => i32::try_from(*number).ok().map(f64::from),
            ValueKind::String(text) if self.from_variable => text.trim().parse().ok(),
            ValueKind::Nil
            | ValueKind::Boolean(_)
            | ValueKind::I128(_)
            | ValueKind::U64(_)
            | ValueKind::U128(_)
            | ValueKind::String(_)
            | ValueKind::Table(_)
            | ValueKind::Array(_) => None,
        }
    }

    /// A list of texts. A variable holds them with commas or spaces between.
    pub(super) fn texts(&self) -> Result<Vec<String>, Wrong> {
        let wrong_kind = || wrong("this must be a list of texts", "write it like [\"one\", \"two\"]");
        if let (ValueKind::String(text), true) = (self.kind, self.from_variable) {
            let words = text.split([',', ' ']).map(str::trim).filter(|word| !word.is_empty());
            return Ok(words.map(str::to_owned).collect());
        }
        let ValueKind::Array(items) = self.kind else { return Err(wrong_kind()) };
        items
            .iter()
            .map(|item| Given { kind: &item.kind, from_variable: false }.text().map(str::to_owned))
            .collect::<Result<_, _>>()
            .map_err(|_| wrong_kind())
    }

    /// Whether it is one text, not a list.
    pub(super) fn is_text(&self) -> bool {
        matches!(self.kind, ValueKind::String(_))
    }
}
