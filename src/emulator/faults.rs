//! Faults: rules of what fails, where, when and how often. Pure; `routes` carries them out.

use super::chance::Random;
use globset::{Glob, GlobMatcher};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;
use strum::VariantNames as _;

/// One rule, parsed from text: `upload:after-commit:reset:p=0.1`.
#[derive(Debug, Clone)]
pub struct FaultRule {
    place: Place,
    when: When,
    what: What,
    chance: Option<f64>,
    at_most: Option<u64>,
    after: u64,
    name: Option<GlobMatcher>,
    text: String,
}

impl FaultRule {
    /// The grammar, for the command's help.
    pub const HELP: &str = "\
WHERE[:WHEN]:WHAT[:OPTION]…

WHERE  upload, list, single, account, token, discovery, suite, metrics,
       dimensions, any (all of these), job (what Adobe makes of an accepted upload)
WHEN   before-body   as soon as the request head is there (the default); with name=, as soon as the name is
       mid-body      half of the body is there; uploads only
       after-body    the request is complete and valid, nothing was done
       after-commit  it was done (an upload is ingested), the answer is to come
WHAT   reset         the connection is cut (RST)
       hang          no answer, until the client goes
       garbage       bytes that are no HTTP
       truncated     half an answer, then the end of the connection
       html          200 with a page instead of JSON
       no-id         200 with JSON that holds no job
       401 429 …     that status: 401, 403 and 429 in the gateway's words, others as a page
       429=7         the same with Retry-After: 7
       refuse=413    that status in the service's words
       gateway=503   that status in the gateway's words
       slow=5s       the answer takes longer (default WHEN: after-commit); adds up, other faults still apply
       late=30s      list and job, without WHEN: the job shows in lists only after that time
       lost-rows=3   job: so many rows fewer are processed
       extra-rows=3  job: so many rows more
       fail          job: ends in failure
       status=WORD   job: ends in that word
OPTION p=0.1         with this probability (by the seed)
       n=3           at most three times
       after=2       not the first two times
       name=GLOB     only files of this name; upload, job and late only

The first rule that applies wins; job rules add up.
upload:after-commit:reset:p=0.1   list:late=30s   job:lost-rows=3:name=sales*   any:429=7:n=1";

    /// Returns whether the rule fits this point. The fault book decides about its chance, count and order.
    fn applies(&self, place: Place, when: When, name: Option<&str>) -> bool {
        let place_fits = self.place == place || (self.place == Place::Any && place != Place::Job);
        place_fits && self.when == when && self.name_fits(name)
    }

    fn name_fits(&self, name: Option<&str>) -> bool {
        match (&self.name, name) {
            (None, _) => true,
            (Some(glob), Some(name)) => glob.is_match(name),
            (Some(_), None) => false,
        }
    }
}

/// The text of the rule.
impl fmt::Display for FaultRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The purpose of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub(super) enum Place {
    Upload,
    List,
    Single,
    Account,
    Token,
    Discovery,
    Suite,
    Metrics,
    Dimensions,
    Any,
    Job,
}

/// The point within an exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString)]
#[strum(serialize_all = "kebab-case")]
pub(super) enum When {
    BeforeBody,
    /// `before-body` of a rule with a name. It applies once the first bytes of the body have shown the name.
    #[strum(disabled)]
    NameKnown,
    MidBody,
    AfterBody,
    AfterCommit,
}

/// The fault.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    Act(Act),
    Slow(Duration),
    Fate(Fate),
}

/// The effect on the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Act {
    Reset,
    Hang,
    Garbage,
    Truncated,
    Html,
    NoId,
    Answer { status: u16, retry_after: Option<u64>, words: Words },
}

/// The service whose words report the error (DESIGN §5, "Outcomes").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Words {
    Gateway,
    Service,
    Page,
}

/// The faults of a job after its acceptance.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct JobFate {
    /// Number of rows by which the processed rows fall short.
    pub lost_rows: u64,
    /// Number of rows by which the reported rows exceed those of the file.
    pub extra_rows: u64,
    /// It ends in `failure`.
    pub fails: bool,
    /// It ends with this status instead of `success` or `failure`.
    pub ends_as: Option<String>,
    /// Time after its acceptance until lists show it.
    pub listed_after: Duration,
}

/// A fault of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    Late(Duration),
    LostRows(u64),
    ExtraRows(u64),
    Fail,
    EndsAs(String),
}

// The active rules, and how often each has applied.

/// What to do at one point of one exchange.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Decision {
    /// Wait for this time first.
    pub(super) delay: Duration,
    /// Then do this. `None` continues normally.
    pub(super) act: Option<Act>,
}

/// The rules with their counts, and the random numbers that they share.
#[derive(Debug)]
pub(super) struct FaultBook {
    rules: Vec<Entry>,
    random: Random,
}

#[derive(Debug)]
struct Entry {
    rule: FaultRule,
    met: u64,
    applied: u64,
}

impl FaultBook {
    pub(super) fn new(rules: Vec<FaultRule>, random: Random) -> Self {
        let mut book = Self { rules: Vec::new(), random };
        for rule in rules {
            book.add(rule);
        }
        book
    }

    pub(super) fn add(&mut self, rule: FaultRule) {
        self.rules.push(Entry { rule, met: 0, applied: 0 });
    }

    pub(super) fn clear(&mut self) {
        self.rules.clear();
    }

    /// Each rule with the number of times it has applied.
    pub(super) fn applied(&self) -> impl Iterator<Item = (String, u64)> {
        self.rules.iter().map(|entry| (entry.rule.to_string(), entry.applied))
    }

    /// Returns whether a rule needs the name before the body is complete, so that the handler must look for it.
    pub(super) fn wants_early_name(&self) -> bool {
        self.rules.iter().any(|entry| {
            entry.rule.name.is_some()
                && match entry.rule.when {
                    When::NameKnown | When::MidBody => matches!(entry.rule.what, What::Act(_) | What::Slow(_)),
                    When::BeforeBody | When::AfterBody | When::AfterCommit => false,
                }
        })
    }

    /// The first rule that applies decides. The delays of all of them add up.
    pub(super) fn decide(&mut self, place: Place, when: When, name: Option<&str>) -> Decision {
        let mut decision = Decision::default();
        for entry in &mut self.rules {
            match &entry.rule.what {
                What::Slow(delay) => {
                    let delay = *delay;
                    if entry.rule.applies(place, when, name) && entry.draw(&mut self.random) {
                        decision.delay = decision.delay.saturating_add(delay);
                    }
                }
                What::Act(act) => {
                    if decision.act.is_none() && entry.rule.applies(place, when, name) {
                        let act = act.clone();
                        decision.act = entry.draw(&mut self.random).then_some(act);
                    }
                }
                What::Fate(_) => {}
            }
        }
        decision
    }

    /// Returns the faults of a new job.
    pub(super) fn fate(&mut self, name: &str) -> JobFate {
        let mut fate = JobFate::default();
        for entry in &mut self.rules {
            let What::Fate(what) = entry.rule.what.clone() else { continue };
            if !entry.rule.name_fits(Some(name)) || !entry.draw(&mut self.random) {
                continue;
            }
            match what {
                Fate::Late(wait) => fate.listed_after = fate.listed_after.max(wait),
                Fate::LostRows(rows) => fate.lost_rows = fate.lost_rows.saturating_add(rows),
                Fate::ExtraRows(rows) => fate.extra_rows = fate.extra_rows.saturating_add(rows),
                Fate::Fail => fate.fails = true,
                Fate::EndsAs(word) => fate.ends_as = Some(word),
            }
        }
        fate
    }
}

impl Entry {
    fn draw(&mut self, random: &mut Random) -> bool {
        self.met += 1;
        let applies = self.met > self.rule.after
            && self.rule.at_most.is_none_or(|most| self.applied < most)
            && self.rule.chance.is_none_or(|chance| random.chance(chance));
        self.applied += u64::from(applies);
        applies
    }
}

// Parsing of rules. The error for an unknown word lists the known ones.

/// The error in the text of a rule.
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

/// Refuses combinations that could never apply.
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

#[cfg(test)]
mod tests;
