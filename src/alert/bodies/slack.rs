//! The body of a Slack incoming webhook: `text` for notifications, `blocks` for the message.

use super::shown_text::{at_most, job_lines, origin, title};
use crate::alert::message::Body;
use serde_json::{Value, json};

/// Maximum number of characters in the text of a section, by Slack's limit.
const LONGEST_SECTION: usize = 3000;
const LONGEST_HEADER: usize = 150;

pub(super) fn render(body: &Body) -> Value {
    let mut blocks = vec![
        json!({"type": "header", "text": plain(&title(body), LONGEST_HEADER)}),
        section(&plain(&body.message, LONGEST_SECTION)),
        // The only text with markup, because it shows commands as code. It holds nothing from a file.
        section(&json!({"type": "mrkdwn", "text": escaped(&body.hint, LONGEST_SECTION), "verbatim": true})),
    ];
    let jobs = job_lines(body).collect::<Vec<_>>().join("\n");
    if !jobs.is_empty() {
        blocks.push(section(&plain(&jobs, LONGEST_SECTION)));
    }
    blocks.push(json!({"type": "context", "elements": [plain(&origin(body), LONGEST_SECTION)]}));
    json!({"text": escaped(&format!("{}: {}", title(body), body.message), LONGEST_SECTION), "blocks": blocks})
}

fn section(text: &Value) -> Value {
    json!({"type": "section", "text": text})
}

fn plain(text: &str, longest: usize) -> Value {
    json!({"type": "plain_text", "text": escaped(text, longest), "emoji": false})
}

/// Escapes Slack's special characters, so that no name becomes a link or a mention. Cuts the text, but never inside an
/// entity.
fn escaped(text: &str, longest: usize) -> String {
    let mut escaped = String::new();
    let mut length = 0;
    for char in at_most(text, longest).chars() {
        let piece = match char {
            '&' => "&amp;".to_owned(),
            '<' => "&lt;".to_owned(),
            '>' => "&gt;".to_owned(),
            char => char.to_string(),
        };
        length += piece.chars().count();
        if length >= longest {
            escaped.push('…');
            break;
        }
        escaped.push_str(&piece);
    }
    escaped
}
