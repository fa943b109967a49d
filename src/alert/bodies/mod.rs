//! The body of an alert for one receiver: JSON, or the format of a chat or a mailbox. Pure.
//!
//! Others choose file names and reasons. Each format prevents that their text is read as markup, and keeps to the
//! length limits of its receiver.

mod email;
mod shown_text;
mod slack;
mod teams;

use super::message::Body;
use crate::config::AlertForm;

/// Returns the body for one receiver. It is always the same for the same alert.
#[must_use]
pub(super) fn render(body: &Body, form: &AlertForm) -> Vec<u8> {
    let mut bytes = match form {
        AlertForm::Json => serde_json::to_vec(body).unwrap_or_default(),
        AlertForm::Slack => serde_json::to_vec(&slack::render(body)).unwrap_or_default(),
        AlertForm::Teams => serde_json::to_vec(&teams::render(body)).unwrap_or_default(),
        AlertForm::Email { to, from } => return email::render(body, to, from.as_deref()).into_bytes(),
    };
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests;
