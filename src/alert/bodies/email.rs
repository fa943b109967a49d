//! A message in the format of RFC 5322, as `sendmail -t -i` reads it from standard input.
//!
//! Text reaches a header only through [`header`], which writes no line end and only ASCII. The body is
//! quoted-printable, so no line is too long, and none is a command.

use super::shown_text::{at_most, job_lines, origin};
use crate::alert::message::Body;
use std::fmt::Write as _;

/// Maximum number of characters of the subject.
const LONGEST_SUBJECT: usize = 150;
/// Maximum length of a header line that is written unchanged, and of an encoded word (RFC 2047).
const LINE: usize = 76;
const ENCODED: usize = 60;

pub(super) fn render(body: &Body, to: &[String], from: Option<&str>) -> String {
    let host: String = body.host.chars().filter(|char| char.is_ascii_alphanumeric() || "-.".contains(*char)).collect();
    let host = if host.is_empty() { "localhost" } else { &host };
    let from = from.map_or_else(|| format!("datadrop@{host}"), str::to_owned);
    let mut lines = vec![body.message.clone(), String::new(), body.hint.clone()];
    if !body.jobs.is_empty() {
        lines.push(String::new());
        lines.extend(job_lines(body));
        let unnamed = body.count.saturating_sub(u64::try_from(body.jobs.len()).unwrap_or(u64::MAX));
        if unnamed > 0 {
            lines.push(format!("and {unnamed} more"));
        }
    }
    lines.extend([String::new(), "-- ".to_owned(), origin(body)]);
    let subject = at_most(&format!("[datadrop] {}", body.message), LONGEST_SUBJECT);
    let headers = [
        format!("From: {from}"),
        format!("To: {}", to.join(",\n ")),
        format!("Subject: {}", header(&subject)),
        format!("Date: {}", date(&body.last_at)),
        format!("Message-ID: <{}.datadrop@{host}>", body.alert_id),
        "Auto-Submitted: auto-generated".to_owned(),
        "MIME-Version: 1.0".to_owned(),
        "Content-Type: text/plain; charset=utf-8".to_owned(),
        "Content-Transfer-Encoding: quoted-printable".to_owned(),
    ];
    let mut text = headers.join("\n");
    text.push_str("\n\n");
    for line in lines.iter().flat_map(|line| line.lines().chain(line.is_empty().then_some(""))) {
        quoted(line, &mut text);
    }
    text
}

/// The time in the form of RFC 5322.
fn date(rfc3339: &str) -> String {
    let at: jiff::Timestamp = rfc3339.parse().unwrap_or_default();
    at.strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
}

/// A text as the value of a header. A short and plain text stays unchanged. Others become encoded words, one per line.
fn header(text: &str) -> String {
    let is_plain = |char: char| char == ' ' || char.is_ascii_graphic();
    if text.len() <= LINE && text.chars().all(is_plain) && !text.contains("=?") {
        return text.to_owned();
    }
    let mut words = vec![String::new()];
    for char in text.chars() {
        let char = if char.is_control() { ' ' } else { char };
        let mut piece = String::new();
        for byte in char.to_string().bytes() {
            match byte {
                b' ' => piece.push('_'),
                byte if byte.is_ascii_alphanumeric() => piece.push(char::from(byte)),
                byte => hex(byte, &mut piece),
            }
        }
        if words.last().is_some_and(|word| word.len() + piece.len() > ENCODED) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.push_str(&piece);
        }
    }
    words.iter().map(|word| format!("=?UTF-8?Q?{word}?=")).collect::<Vec<_>>().join("\n ")
}

/// Writes a line of the text as quoted-printable (RFC 2045), in lines of at most 76 characters.
fn quoted(line: &str, text: &mut String) {
    let mut length = 0;
    for (index, byte) in line.bytes().enumerate() {
        let is_last = index + 1 == line.len();
        let mut piece = String::new();
        match byte {
            b' ' | b'\t' if !is_last => piece.push(char::from(byte)),
            b'=' => hex(byte, &mut piece),
            // Encoded, because a line with only a dot ends the message, unless the mail program has an option against
            // it.
            b'.' if length == 0 || length + 1 >= LINE => hex(byte, &mut piece),
            byte if byte.is_ascii_graphic() => piece.push(char::from(byte)),
            byte => hex(byte, &mut piece),
        }
        if length + piece.len() >= LINE {
            text.push_str("=\n");
            length = 0;
        }
        length += piece.len();
        text.push_str(&piece);
    }
    text.push('\n');
}

fn hex(byte: u8, text: &mut String) {
    let _ = write!(text, "={byte:02X}");
}
