//! What the queries of addresses narrow: lists of jobs, data days, and what is wanted of which jobs.

use super::frame::link;
use crate::job::{JobId, Phase, Program, Release, State, Verb, shell_word};
use crate::joblog::{JobFilter, Search};
use crate::status::{Here, Since};
use jiff::civil::Date;

/// Default number of jobs in a list.
const JOBS: usize = 50;
/// Maximum number of jobs in an answer: the service has little memory, and `before` leads to the rest.
const MOST_JOBS: usize = 1_000;
/// SQLite refuses patterns that are much longer. A name has 255 bytes at most.
const LONGEST_FILTER: usize = 1_000;

/// Which jobs.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct JobsQuery {
    /// Of this account.
    pub(super) account: Option<String>,
    /// In one of these states.
    pub(super) states: Vec<String>,
    /// First seen since then.
    pub(super) since: Option<Since>,
    /// A part of the file's name, or a pattern for the whole of it.
    pub(super) name: Option<String>,
    /// A remote job ID, a SHA-256 or its beginning, a data day, or a part of a reason.
    pub(super) search: Option<String>,
    /// At most so many.
    pub(super) limit: usize,
    /// Only older ones than this.
    pub(super) before: Option<JobId>,
}

/// Which data days.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct DaysQuery {
    /// Of this account; the first one if none is named.
    pub(super) account: Option<String>,
    /// Of the month that begins with this day.
    pub(super) month: Option<Date>,
    /// This one alone.
    pub(super) day: Option<Date>,
}

/// What is wanted of which jobs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ActQuery {
    pub(super) verb: Verb,
    /// This one; else all that the filter lets through.
    pub(super) job: Option<JobId>,
    pub(super) of: JobsQuery,
}

/// What operators may want on the page. It never sends what may have been ingested, and gives up nothing whose outcome is not
/// known: that takes a command.
pub(super) const VERBS: [Verb; 4] =
    [Verb::Retry, Verb::Hold, Verb::Release(Release::Send), Verb::Cancel { force: false }];

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Astray {
    /// No such address.
    Unknown,
    /// A parameter makes no sense: which, and how to write it.
    Query(String),
}

impl ActQuery {
    pub(super) fn parse(query: &str) -> Result<Self, Astray> {
        let (mut verb, mut job, mut rest) = (None, None, url::form_urlencoded::Serializer::new(String::new()));
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let wrong = |how: &str| Astray::Query(format!("{name} = {value:?}: {how}"));
            match name.as_ref() {
                "verb" => {
                    let known = VERBS.into_iter().find(|verb| verb.as_str() == value);
                    verb = Some(known.ok_or_else(|| wrong("write retry, hold, release or cancel"))?);
                }
                "job" => job = Some(JobId(value.parse().map_err(|_| wrong("write the number of a job, such as 17"))?)),
                _ => {
                    rest.append_pair(&name, &value);
                }
            }
        }
        let verb = verb.ok_or_else(|| Astray::Query("verb: write retry, hold, release or cancel".to_owned()))?;
        // Of all pages of the list.
        let of = JobsQuery { limit: JOBS, before: None, ..JobsQuery::parse(&rest.finish())? };
        if job.is_none() && !of.narrows() {
            return Err(Astray::Query("name a job, or narrow the list by a filter first".to_owned()));
        }
        Ok(Self { verb, job, of })
    }

    /// The same as a command.
    pub(super) fn command(&self, program: &Program) -> String {
        let start = format!("{} jobs {}", program.to_change(), self.verb);
        if let Some(job) = self.job {
            return format!("{start} {job}");
        }
        let JobsQuery { account, states, since, name, search, limit: _, before: _ } = &self.of;
        let mut options: Vec<(&str, String)> = states.iter().map(|state| ("state", state.clone())).collect();
        options.extend(account.iter().map(|account| ("account", account.clone())));
        options.extend(since.iter().map(|since| ("since", since.to_string())));
        options.extend(name.iter().map(|name| ("name", pattern(name))));
        options.extend(search.iter().map(|search| ("search", search.clone())));
        let option = |(name, value): (&str, String)| format!(" --{name} {}", shell_word(&value));
        start + &options.into_iter().map(option).collect::<String>()
    }

    /// The page from which it was asked.
    pub(super) fn back(&self) -> String {
        match self.job {
            Some(job) => format!("/jobs/{job}"),
            None => self.of.address("/jobs", &[]),
        }
    }
}

/// What somebody typed, as a pattern for the whole name.
pub(super) fn pattern(typed: &str) -> String {
    if typed.contains(['*', '?', '[']) { typed.to_owned() } else { format!("*{typed}*") }
}

impl DaysQuery {
    pub(super) fn parse(query: &str) -> Result<Self, Astray> {
        let mut this = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let value = value.trim();
            let wrong = |how: &str| Astray::Query(format!("{name} = {value:?}: {how}"));
            match name.as_ref() {
                "account" => this.account = Some(value.to_owned()).filter(|name| !name.is_empty()),
                "month" => {
                    let first = format!("{value}-01").parse();
                    this.month = Some(first.map_err(|_| wrong("write a month such as 2026-11"))?);
                }
                "day" => this.day = Some(value.parse().map_err(|_| wrong("write a day such as 2026-11-23"))?),
                _ => {
                    let known = "there are account, month and day";
                    return Err(Astray::Query(format!("there is no parameter {name:?}; {known}")));
                }
            }
        }
        Ok(this)
    }
}

impl JobsQuery {
    pub(super) fn parse(query: &str) -> Result<Self, Astray> {
        let mut this = Self { limit: JOBS, ..Self::default() };
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let value = value.trim();
            if value.is_empty() {
                // A form sends its empty fields too.
                continue;
            }
            let wrong = |how: &str| Astray::Query(format!("{name} = {value:?}: {how}"));
            match name.as_ref() {
                "account" => this.account = Some(value.to_owned()),
                "state" => {
                    State::from_words(value, Some(Phase::Started)).ok_or_else(|| {
                        wrong("there is no such state; `waiting`, `queued`, `held`, `success` and `failure` are some")
                    })?;
                    this.states.push(value.to_owned());
                }
                "since" => this.since = Some(Since::parse(value).map_err(|how| wrong(&how))?),
                "name" | "search" if value.len() > LONGEST_FILTER => {
                    return Err(Astray::Query(format!("{name}: it is longer than any name of a file")));
                }
                "name" => this.name = Some(value.to_owned()),
                "search" => this.search = Some(value.to_owned()),
                "limit" => {
                    this.limit = value
                        .parse()
                        .ok()
                        .filter(|limit| (1..=MOST_JOBS).contains(limit))
                        .ok_or_else(|| wrong("write a number from 1 to 1000; `before` leads to the older ones"))?;
                }
                "before" => {
                    this.before =
                        Some(JobId(value.parse().map_err(|_| wrong("write the number of a job, such as 17"))?));
                }
                _ => {
                    return Err(Astray::Query(format!(
                        "there is no parameter {name:?}; there are account, state, since, name, search, limit and before"
                    )));
                }
            }
        }
        Ok(this)
    }

    /// Whether it leaves anything out.
    pub(super) fn narrows(&self) -> bool {
        let Self { account, states, since, name, search, limit: _, before: _ } = self;
        account.is_some() || !states.is_empty() || since.is_some() || name.is_some() || search.is_some()
    }

    /// An address with these filters and more parameters.
    pub(super) fn address(&self, path: &str, more: &[(&str, &str)]) -> String {
        let Self { account, states, since, name, search, limit, before: _ } = self;
        let since = since.map(|since| since.to_string()).unwrap_or_default();
        let limit = if *limit == JOBS { String::new() } else { limit.to_string() };
        let mut parameters = vec![
            ("name", name.as_deref().unwrap_or_default()),
            ("search", search.as_deref().unwrap_or_default()),
            ("account", account.as_deref().unwrap_or_default()),
        ];
        parameters.extend(states.iter().map(|state| ("state", state.as_str())));
        parameters.extend([("since", since.as_str()), ("limit", limit.as_str())]);
        parameters.extend(more);
        link(path, &parameters)
    }

    /// What of it the job log filters by. `None`: the time of `since` does not exist where the reader is.
    pub(super) fn filter(&self, here: &Here) -> Option<JobFilter> {
        let since = match self.since {
            Some(since) => Some(since.resolve(here)?),
            None => None,
        };
        Some(JobFilter {
            account: self.account.clone(),
            states: self.states.clone(),
            since,
            name: self.name.clone(),
            search: self.search.as_deref().and_then(Search::parse),
            limit: Some(self.limit),
            from: None,
            before: self.before,
            ids: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_narrow_and_what_makes_no_sense_is_told() {
        let text = "account=a&state=held&state=failure&name=sales%2A&limit=7&before=9&since=";
        let query = JobsQuery::parse(text).unwrap();
        assert_eq!(query.states, ["held", "failure"]);
        assert_eq!((query.name.as_deref(), query.limit, query.before), (Some("sales*"), 7, Some(JobId(9))));
        for (query, told) in [
            ("state=done", "no such state"),
            ("limit=0", "from 1 to 1000"),
            ("limit=1001", "from 1 to 1000"),
            ("before=x", "number of a job"),
            ("since=soon", "not a time"),
            ("page=2", "no parameter \"page\""),
        ] {
            let Err(Astray::Query(why)) = JobsQuery::parse(query) else { panic!("{query}") };
            assert!(why.contains(told), "{why}");
        }
    }

    #[test]
    fn what_is_wanted_is_a_verb_and_jobs_that_a_command_could_name() {
        let act = |query| ActQuery::parse(query);
        let program = Program::default();
        let one = act("verb=cancel&job=17").unwrap();
        assert_eq!(one.command(&program), "datadrop jobs cancel 17");
        assert_eq!(one.back(), "/jobs/17");
        let many = act("verb=release&state=held&account=a&name=it's&since=2h&before=9&limit=7").unwrap();
        let command = r"datadrop jobs release --state held --account a --since 2h --name '*it'\''s*'";
        assert_eq!(many.command(&program), command);
        assert_eq!(many.back(), "/jobs?name=it%27s&account=a&state=held&since=2h");
        let searched = act("verb=hold&search=not+yet").unwrap().command(&program);
        assert_eq!(searched, "datadrop jobs hold --search 'not yet'");
        for (query, told) in [
            ("job=1", "verb: write retry"),
            ("verb=resend&job=1", "write retry, hold"),
            ("verb=hold&job=x", "number of a job"),
            ("verb=hold", "narrow the list"),
            ("verb=hold&before=7", "narrow the list"),
            ("verb=hold&job=1&force=1", "no parameter \"force\""),
        ] {
            let Err(Astray::Query(why)) = act(query) else { panic!("{query}") };
            assert!(why.contains(told), "{query}: {why}");
        }
    }

    #[test]
    fn a_time_that_was_written_is_read_again() {
        for text in ["2h", "1day 3h", "2026-11-23", "2026-11-23T06:00", "2026-11-23T06:00:00Z"] {
            let since = Since::parse(text).unwrap();
            assert_eq!(Since::parse(&since.to_string()), Ok(since), "{text}");
        }
    }
}
