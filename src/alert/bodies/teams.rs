//! The body of a Teams webhook for workflows of Power Automate: a message with an Adaptive Card.

use super::shown_text::{at_most, job_lines, origin, title};
use crate::alert::message::Body;
use serde_json::{Value, json};

/// Maximum number of bytes of a body. Teams takes 28 KB.
const LONGEST: usize = 24_000;
/// Maximum number of characters of a text.
const LONGEST_TEXT: usize = 2000;

pub(super) fn render(body: &Body) -> Value {
    let small = json!({"size": "Small", "isSubtle": true});
    let mut blocks = vec![
        text(&title(body), &json!({"weight": "Bolder", "size": "Medium"})),
        text(&body.message, &json!({})),
        text(&body.hint, &json!({})),
    ];
    let last = text(&origin(body), &small);
    let mut length = card(&title(body), &blocks).to_string().len() + last.to_string().len();
    let mut left_out = body.jobs.len();
    for line in job_lines(body) {
        let line = text(&line, &small);
        length += line.to_string().len() + 1;
        if length > LONGEST {
            break;
        }
        blocks.push(line);
        left_out -= 1;
    }
    if left_out > 0 {
        blocks.push(text(&format!("and {left_out} more"), &small));
    }
    blocks.push(last);
    card(&title(body), &blocks)
}

fn card(summary: &str, blocks: &[Value]) -> Value {
    json!({
        "type": "message",
        "summary": at_most(summary, LONGEST_TEXT),
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "msteams": {"width": "Full"},
                "body": blocks,
            },
        }],
    })
}

/// Returns a text run, because it is the only text of a card that is not Markdown, so a name is shown unchanged.
fn text(words: &str, look: &Value) -> Value {
    let mut run = json!({"type": "TextRun", "text": at_most(words, LONGEST_TEXT)});
    if let (Some(run), Some(look)) = (run.as_object_mut(), look.as_object()) {
        run.extend(look.clone());
    }
    json!({"type": "RichTextBlock", "inlines": [run]})
}
