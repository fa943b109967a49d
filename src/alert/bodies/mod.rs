//! What a receiver gets of an alert: its JSON, or a body that a chat or a mailbox takes. Pure.
//!
//! Names of files and reasons are other people's words. Each form keeps them from being read as its own mark-up, and keeps to the
//! limits of length of whoever takes it.

mod email;
mod shown_text;
mod slack;
mod teams;

use super::message::Body;
use crate::config::AlertForm;

/// The body for one receiver. It is always the same for the same alert.
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
