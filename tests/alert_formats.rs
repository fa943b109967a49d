//! Alerts in the formats of chats and mailboxes, received and read back, with any file name.

use crate::alerts::{add, world};
use crate::harness::{Hook, World, primed, stdout};
use datadrop::emulator::EmulatorOptions;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};

const BAD: &str = "Date\tEvar 1\tEvent 1\n11/20/2026\tx\n";
/// A name that tries to be a mention, a header and a link.
const NASTY: &str = "<!channel> *ümläut* [a](b) &\nBcc: eve@example.com\n.txt";

/// A program like `sendmail -t -i`. It reads the message and stores it in a file.
fn sendmail(world: &World) -> (PathBuf, PathBuf) {
    let (program, mail) = (world.dir.path().join("sendmail"), world.dir.path().join("mail"));
    let script = format!("#!/bin/sh\n[ \"$1$2\" = -t-i ] || exit 64\ncat >{0}.new && mv {0}.new {0}\n", mail.display());
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    (program, mail)
}

fn receivers(world: &mut World, hook: &Hook, program: &Path) {
    for format in ["slack", "teams"] {
        let section = format!("format = \"{format}\"\nwebhook = {:?}", hook.url(&format!("/{format}")));
        add(world, &format!("[[alert]]\non = \"rejected\"\n{section}"));
    }
    let section =
        format!("command = [{program:?}, \"-t\", \"-i\"]\nto = [\"ops@example.com\", \"on-call@example.com\"]");
    add(
        world,
        &format!("[[alert]]\non = \"rejected\"\nformat = \"email\"\n{section}\nfrom = \"datadrop@example.com\""),
    );
}

/// The requests that the hook got at a path, oldest first.
fn got(hook: &Hook, path: &str) -> Vec<Value> {
    let asked = hook.asked().into_iter().filter(|asked| asked.path == path);
    asked.map(|asked| serde_json::from_str(&asked.body).unwrap()).collect()
}

/// All text of a Slack message, as Slack shows it.
fn slack_texts(message: &Value) -> String {
    let blocks = message["blocks"].as_array().unwrap();
    assert_eq!(blocks[0]["type"], "header");
    let shown = |text: &Value| {
        let text = text.as_str().unwrap();
        assert!(!text.contains(['<', '>']), "{text}");
        text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    };
    let texts = blocks.iter().map(|block| {
        let text = if block["type"] == "context" { &block["elements"][0]["text"] } else { &block["text"]["text"] };
        shown(text)
    });
    format!("{}\n{}", shown(&message["text"]), texts.collect::<Vec<_>>().join("\n"))
}

/// All text of a card. It must be in text runs, because these are not Markdown.
fn card_texts(message: &Value) -> String {
    assert_eq!(message["type"], "message");
    let attachment = &message["attachments"][0];
    assert_eq!(attachment["contentType"], "application/vnd.microsoft.card.adaptive");
    assert_eq!((&attachment["content"]["type"], &attachment["contentUrl"]), (&"AdaptiveCard".into(), &Value::Null));
    let texts = attachment["content"]["body"].as_array().unwrap().iter().map(|block| {
        assert_eq!(block["type"], "RichTextBlock");
        let run = &block["inlines"][0];
        assert_eq!(run["type"], "TextRun");
        run["text"].as_str().unwrap()
    });
    texts.collect::<Vec<_>>().join("\n")
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'=' {
            let digits = String::from_utf8(rest.by_ref().take(2).collect()).unwrap();
            u8::from_str_radix(&digits, 16).unwrap()
        } else {
            byte
        });
    }
    String::from_utf8(bytes).unwrap()
}

/// Returns the unfolded headers, and the text.
fn mail_parts(mail: &Path) -> (Vec<(String, String)>, String) {
    let message = fs::read_to_string(mail).unwrap();
    assert!(message.is_ascii() && message.lines().all(|line| line.len() < 100), "{message}");
    let (head, text) = message.split_once("\n\n").unwrap();
    let head = head.replace("?=\n =?UTF-8?Q?", "").replace("\n ", " ");
    let headers = head.lines().map(|line| {
        let (name, value) = line.split_once(": ").unwrap();
        let word = value.strip_prefix("=?UTF-8?Q?").and_then(|word| word.strip_suffix("?="));
        (name.to_owned(), word.map_or(value.to_owned(), |word| decoded(&word.replace('_', " "))))
    });
    (headers.collect(), decoded(&text.replace("=\n", "")))
}

#[test]
fn a_chat_and_a_mailbox_show_a_name_as_it_is() {
    let mut world = world("");
    let hook = Hook::start();
    let (program, mail) = sendmail(&world);
    receivers(&mut world, &hook, &program);
    let daemon = primed(&world);
    world.drop_file("a", NASTY, BAD);
    world.wait("all of them", || !got(&hook, "/slack").is_empty() && !got(&hook, "/teams").is_empty() && mail.exists());
    daemon.stop();
    let name = "<!channel> *ümläut* [a](b) &\\nBcc: eve@example.com\\n.txt (job 2) is rejected";
    let (headers, text) = mail_parts(&mail);
    for shown in [slack_texts(&got(&hook, "/slack")[0]), card_texts(&got(&hook, "/teams")[0]), text] {
        assert!(shown.matches(name).count() >= 2, "message and list: {shown}");
        assert!(shown.contains("a corrected file that is dropped again"), "{shown}");
    }
    let value = |name: &str| {
        let found: Vec<_> = headers.iter().filter(|(header, _)| header.eq_ignore_ascii_case(name)).collect();
        assert!(found.len() < 2, "{headers:?}");
        found.first().map(|(_, value)| value.as_str())
    };
    assert_eq!(value("To"), Some("ops@example.com, on-call@example.com"));
    assert_eq!((value("From"), value("Bcc")), (Some("datadrop@example.com"), None));
    assert_eq!(value("Auto-Submitted"), Some("auto-generated"));
    assert!(value("Subject").unwrap().starts_with("[datadrop] account a: <!channel> *ümläut*"), "{headers:?}");
}

#[test]
fn a_test_alert_has_the_form_of_its_receiver() {
    let mut world = World::with_emulator(EmulatorOptions::default());
    let hook = Hook::start();
    let (program, mail) = sendmail(&world);
    receivers(&mut world, &hook, &program);
    let tested = world.run(&["alerts", "test"]);
    assert_eq!(tested.status.code(), Some(0), "{tested:?}");
    assert!(stdout(&tested).contains("alert #3: email ("), "{tested:?}");
    let words = "this is a test of datadrop's alerts";
    assert!(slack_texts(&got(&hook, "/slack")[0]).contains(words));
    assert!(card_texts(&got(&hook, "/teams")[0]).contains(words));
    let (headers, text) = mail_parts(&mail);
    assert!(text.contains(words) && headers.iter().any(|(_, value)| value.contains(words)), "{headers:?} {text}");
}
