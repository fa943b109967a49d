use super::super::message::{Body, JobEntry};
use super::*;
use proptest::prelude::*;
use serde_json::Value;

/// A text that tries to be markup, a mention, a header and the end of a message.
const NASTY: &str = "<!channel> *b* [l](http://x) & `c`\r\nBcc: eve@example.com\n.\nümläut=?UTF-8?Q?x?=";

fn body(name: &str, jobs: usize) -> Body {
    let job = |id| JobEntry { id, file_name: name.to_owned(), state: "held".to_owned(), reason: Some(name.to_owned()) };
    Body {
        alert_id: "7-5".to_owned(),
        event: "held",
        account: Some("shop".to_owned()),
        count: 5000,
        jobs: (1..=i64::try_from(jobs).unwrap()).map(job).collect(),
        first_at: "2026-11-23T10:00:00.000Z".to_owned(),
        last_at: "2026-11-23T10:00:01.000Z".to_owned(),
        message: format!("account shop: {name} is held"),
        hint: "`datadrop jobs show 1` & more".to_owned(),
        host: "bo<x".to_owned(),
        version: "1.2.3",
    }
}

fn unescaped(text: &str) -> String {
    assert!(!text.contains(['<', '>']), "{text}");
    for (at, _) in text.match_indices('&') {
        assert!(["&amp;", "&lt;", "&gt;"].iter().any(|entity| text[at..].starts_with(entity)), "{text}");
    }
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

fn slack(body: &Body) -> Vec<String> {
    let value: Value = serde_json::from_slice(&render(body, &AlertForm::Slack)).unwrap();
    let mut texts = vec![unescaped(value["text"].as_str().unwrap())];
    for block in value["blocks"].as_array().unwrap() {
        let text = if block["type"] == "context" { &block["elements"][0] } else { &block["text"] };
        let words = text["text"].as_str().unwrap();
        let longest = if block["type"] == "header" { 150 } else { 3000 };
        assert!((1..=longest).contains(&words.chars().count()), "{words}");
        assert!(text["type"] == "plain_text" || words.contains("jobs show"), "only the hint has mark-up: {words}");
        texts.push(unescaped(words));
    }
    texts
}

fn teams(body: &Body) -> Vec<String> {
    let bytes = render(body, &AlertForm::Teams);
    assert!(bytes.len() < 28_000, "{}", bytes.len());
    let value: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(value["attachments"][0]["contentType"], "application/vnd.microsoft.card.adaptive");
    let blocks = value["attachments"][0]["content"]["body"].as_array().unwrap().clone();
    let text = |block: Value| {
        assert_eq!(
            (block["type"].as_str(), block["inlines"][0]["type"].as_str()),
            (Some("RichTextBlock"), Some("TextRun"))
        );
        block["inlines"][0]["text"].as_str().unwrap().to_owned()
    };
    blocks.into_iter().map(text).collect()
}

fn decoded(text: &str, space: bool) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'=' => {
                let digits = [rest.next().unwrap(), rest.next().unwrap()];
                bytes.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
            }
            b'_' if space => bytes.push(b' '),
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// Returns the headers with their values, and the text.
fn email(body: &Body) -> (Vec<(String, String)>, String) {
    let to = ["ops@example.com".to_owned(), "on-call@example.com".to_owned()];
    let message = String::from_utf8(render(body, &AlertForm::Email { to: to.to_vec(), from: None })).unwrap();
    assert!(message.is_ascii() && message.lines().all(|line| line.len() <= 90), "{message}");
    let (head, text) = message.split_once("\n\n").unwrap();
    let unfolded = head.replace("?=\n =?UTF-8?Q?", "").replace("\n ", " ");
    let value = |value: &str| match value.strip_prefix("=?UTF-8?Q?") {
        Some(word) => decoded(word.strip_suffix("?=").unwrap(), true),
        None => value.to_owned(),
    };
    let headers = unfolded.lines().map(|line| {
        let (name, words) = line.split_once(": ").unwrap();
        (name.to_owned(), value(words))
    });
    (headers.collect(), decoded(&text.replace("=\n", ""), false))
}

#[test]
fn words_of_others_stay_words() {
    let body = body(NASTY, 3);
    let texts = slack(&body);
    assert!(texts.iter().filter(|text| text.contains("<!channel> *b* [l](http://x) & `c`")).count() >= 3, "{texts:?}");
    let texts = teams(&body);
    assert!(texts.iter().filter(|text| text.contains("<!channel> *b* [l](http://x) & `c`")).count() >= 4, "{texts:?}");
    let (headers, text) = email(&body);
    let names: Vec<&str> = headers.iter().map(|(name, _)| name.as_str()).collect();
    let expected = [
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "Auto-Submitted",
        "MIME-Version",
        "Content-Type",
        "Content-Transfer-Encoding",
    ];
    assert_eq!(names, expected);
    assert_eq!(headers[0].1, "datadrop@box");
    assert_eq!(headers[1].1, "ops@example.com, on-call@example.com");
    assert!(headers[2].1.starts_with("[datadrop] account shop: <!channel> *b*") && headers[2].1.contains("ümläut"));
    assert_eq!(headers[3].1, "Mon, 23 Nov 2026 10:00:01 +0000");
    assert_eq!(headers[4].1, "<7-5.datadrop@box>");
    assert!(text.contains("ümläut=?UTF-8?Q?x?= (job 3) is held: ") && text.contains("and 4997 more"), "{text}");
}

#[test]
fn a_plain_subject_is_readable_as_it_is() {
    assert!(
        email(&body("a.txt", 0))
            .0
            .contains(&("Subject".to_owned(), "[datadrop] account shop: a.txt is held".to_owned()))
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Each format stays readable and within its limits for every file name.
    #[test]
    fn no_name_breaks_a_form(name in "(\\PC|[<>&\\r\\n\"\\\\=?_ .]){0,500}", jobs in 0usize..20) {
        let body = body(&name, jobs);
        slack(&body);
        prop_assert!(teams(&body).len() >= 4);
        let (headers, text) = email(&body);
        prop_assert_eq!(headers.len(), 9);
        prop_assert!(text.contains("`datadrop jobs show 1` & more"));
    }
}
