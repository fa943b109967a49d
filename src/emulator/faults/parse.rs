//! From text to rule. Unknown words are answered with the known ones.

use super::{Act, Fate, FaultRule, Place, What, When, Words};
use globset::Glob;
use std::str::FromStr;
use std::time::Duration;
use strum::VariantNames as _;

/// What is wrong with the text of a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("fault `{rule}`: {problem}")]
pub struct FaultRuleError {
    rule: String,
    problem: String,
}

const WHENS: &str = "before-body, mid-body, after-body, after-commit";
const WHATS: &str = "reset, hang, garbage, truncated, html, no-id, a status such as 503, STATUS=SECONDS \
    (with Retry-After), refuse=STATUS, gateway=STATUS, slow=TIME, late=TIME, lost-rows=N, extra-rows=N, fail, \
    status=WORD";
const OPTIONS: &str = "p=0.1, n=3, after=2, name=GLOB";

impl FromStr for FaultRule {
    type Err = FaultRuleError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        parse(text).map_err(|problem| FaultRuleError { rule: text.to_owned(), problem })
    }
}

fn parse(text: &str) -> Result<FaultRule, String> {
    let mut words = text.split(':').peekable();
    let place_word = words.next().unwrap_or_default();
    let place =
        place_word.parse().map_err(|_| format!("`{place_word}` is no WHERE; use {}", Place::VARIANTS.join(", ")))?;
    let when = words.peek().and_then(|word| word.parse().ok());
    if when.is_some() {
        words.next();
    }
    let what = match words.next() {
        Some(word) => what(word)?,
        None => return Err(format!("WHAT is missing; use {WHATS}")),
    };
    let when_given = when.is_some();
    let mut rule = FaultRule {
        place,
        when: when.unwrap_or(match what {
            What::Slow(_) => When::AfterCommit,
            What::Act(_) | What::Fate(_) => When::BeforeBody,
        }),
        what,
        chance: None,
        at_most: None,
        after: 0,
        name: None,
        text: text.to_owned(),
    };
    for word in words {
        option(&mut rule, word)?;
    }
    check(&rule, when_given)?;
    if rule.name.is_some() && rule.when == When::BeforeBody {
        rule.when = When::NameKnown;
    }
    Ok(rule)
}

fn what(word: &str) -> Result<What, String> {
    let (key, value) = word.split_once('=').map_or((word, None), |(key, value)| (key, Some(value)));
    let answer =
        |status: u16, retry_after: Option<u64>, words: Words| Ok(What::Act(Act::Answer { status, retry_after, words }));
    match (key, value) {
        ("reset", None) => Ok(What::Act(Act::Reset)),
        ("hang", None) => Ok(What::Act(Act::Hang)),
        ("garbage", None) => Ok(What::Act(Act::Garbage)),
        ("truncated", None) => Ok(What::Act(Act::Truncated)),
        ("html", None) => Ok(What::Act(Act::Html)),
        ("no-id", None) => Ok(What::Act(Act::NoId)),
        ("refuse", Some(value)) => answer(status(value)?, None, Words::Service),
        ("gateway", Some(value)) => answer(status(value)?, None, Words::Gateway),
        ("slow", Some(value)) => Ok(What::Slow(time(value)?)),
        ("late", Some(value)) => Ok(What::Fate(Fate::Late(time(value)?))),
        ("lost-rows", Some(value)) => Ok(What::Fate(Fate::LostRows(number(key, value)?))),
        ("extra-rows", Some(value)) => Ok(What::Fate(Fate::ExtraRows(number(key, value)?))),
        ("fail", None) => Ok(What::Fate(Fate::Fail)),
        ("status", Some(value)) if !value.is_empty() => Ok(What::Fate(Fate::EndsAs(value.to_owned()))),
        _ if key.bytes().all(|byte| byte.is_ascii_digit()) && !key.is_empty() => {
            let status = status(key)?;
            let words = if matches!(status, 401 | 403 | 429) { Words::Gateway } else { Words::Page };
            answer(status, value.map(|value| number("Retry-After", value)).transpose()?, words)
        }
        _ => Err(format!("`{word}` is neither a WHEN ({WHENS}) nor a WHAT ({WHATS})")),
    }
}

fn option(rule: &mut FaultRule, word: &str) -> Result<(), String> {
    match word.split_once('=') {
        Some(("p", value)) => {
            let chance = value.parse().ok().filter(|p: &f64| (0.0..=1.0).contains(p));
            rule.chance = Some(chance.ok_or_else(|| format!("p=`{value}` is no number from 0 to 1"))?);
        }
        Some(("n", value)) => rule.at_most = Some(number("n", value)?),
        Some(("after", value)) => rule.after = number("after", value)?,
        Some(("name", value)) => {
            let glob = Glob::new(value).map_err(|error| format!("name=`{value}` is no pattern: {error}"))?;
            rule.name = Some(glob.compile_matcher());
        }
        _ => return Err(format!("`{word}` is no OPTION; use {OPTIONS}")),
    }
    Ok(())
}

/// Combinations that could never apply are mistakes, not rules.
fn check(rule: &FaultRule, when_given: bool) -> Result<(), String> {
    let is_late = matches!(rule.what, What::Fate(Fate::Late(_)));
    match (&rule.what, rule.place) {
        (What::Fate(_), Place::Job) | (What::Fate(Fate::Late(_)), Place::List) => {}
        (What::Fate(Fate::Late(_)), _) => return Err("`late` belongs to list or job".to_owned()),
        (What::Fate(_), _) => return Err("`fail`, `status`, `lost-rows` and `extra-rows` belong to job".to_owned()),
        (What::Act(_) | What::Slow(_), Place::Job) => {
            return Err("a job takes only fail, lost-rows=N, extra-rows=N, status=WORD and late=TIME".to_owned());
        }
        (What::Act(_) | What::Slow(_), _) => {}
    }
    if when_given && matches!(rule.what, What::Fate(_)) {
        return Err("what becomes of a job has no WHEN".to_owned());
    }
    if rule.when == When::MidBody && rule.place != Place::Upload {
        return Err("mid-body belongs to upload; other requests have no body".to_owned());
    }
    if rule.name.is_some() && !is_late && !matches!(rule.place, Place::Upload | Place::Job) {
        return Err("name= belongs to upload, job and late; other requests name no file".to_owned());
    }
    Ok(())
}

fn status(text: &str) -> Result<u16, String> {
    text.parse()
        .ok()
        .filter(|status| (400..=599).contains(status))
        .ok_or_else(|| format!("`{text}` is no status from 400 to 599"))
}

fn number(key: &str, text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("{key}=`{text}` is no whole number"))
}

fn time(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|_| format!("`{text}` is no time; write `300ms`, `15s` or `5m`"))
}
