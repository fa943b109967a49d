//! Faults: rules that say what goes wrong, where, when and how often. Pure; `routes` carries them out.

mod book;
mod parse;

pub(super) use book::FaultBook;
pub use parse::FaultRuleError;

use globset::GlobMatcher;
use std::fmt;
use std::time::Duration;

/// One rule. Made from text: `upload:after-commit:reset:p=0.1`.
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

WHERE  upload, list, single, account, token, discovery, any (all of these),
       job (what Adobe makes of an accepted upload)
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

    /// Whether its chance, count and order let it apply is for the book to say.
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

/// As it was written.
impl fmt::Display for FaultRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub(super) enum Place {
    Upload,
    List,
    Single,
    Account,
    Token,
    Discovery,
    Any,
    Job,
}

/// How far an exchange has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString)]
#[strum(serialize_all = "kebab-case")]
pub(super) enum When {
    BeforeBody,
    /// `before-body` of a rule with a name: the body's first bytes hold it.
    #[strum(disabled)]
    NameKnown,
    MidBody,
    AfterBody,
    AfterCommit,
}

/// What goes wrong.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum What {
    Act(Act),
    Slow(Duration),
    Fate(Fate),
}

/// What becomes of the answer.
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

/// In whose words an error is told (DESIGN §5, "Outcomes").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Words {
    Gateway,
    Service,
    Page,
}

/// What becomes of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fate {
    Late(Duration),
    LostRows(u64),
    ExtraRows(u64),
    Fail,
    EndsAs(String),
}

#[cfg(test)]
mod tests;
