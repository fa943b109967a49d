//! What a request asks for.

use crate::job::{JobId, Phase, State};
use crate::joblog::{JobFilter, Search};
use crate::status::{Here, Since};
use jiff::civil::Date;

/// Default number of jobs in a list.
const JOBS: usize = 50;
/// Maximum number of jobs in an answer: the service has little memory, and `before` leads to the rest.
const MOST_JOBS: usize = 1_000;

/// What is asked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Route {
    /// Where everything stands.
    Overview,
    /// A list of jobs to look at.
    Jobs(JobsQuery),
    /// One job to look at.
    Job(JobId),
    /// The data days of an account.
    Days(DaysQuery),
    /// As `status --json`.
    ApiStatus,
    /// As `jobs list --json`.
    ApiJobs(JobsQuery),
    /// As `jobs show --json`.
    ApiJob(JobId),
    Metrics,
    Healthz,
    Readyz,
    /// Where the token is given.
    Login,
    Style,
    Script,
    Icon,
}

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

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Astray {
    /// No such address.
    Unknown,
    /// A parameter makes no sense: which, and how to write it.
    Query(String),
}

impl Route {
    /// Reads path and query of a request.
    pub(super) fn parse(path: &str, query: &str) -> Result<Self, Astray> {
        let job = |number: &str| {
            let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
            number.parse().map(JobId).ok().filter(|_| is_number).ok_or(Astray::Unknown)
        };
        Ok(match path {
            "/" => Self::Overview,
            "/jobs" => Self::Jobs(JobsQuery::parse(query)?),
            "/days" => Self::Days(DaysQuery::parse(query)?),
            "/api/status" => Self::ApiStatus,
            "/api/jobs" => Self::ApiJobs(JobsQuery::parse(query)?),
            "/metrics" => Self::Metrics,
            "/healthz" => Self::Healthz,
            "/readyz" => Self::Readyz,
            "/login" => Self::Login,
            "/style.css" => Self::Style,
            "/refresh.js" => Self::Script,
            "/icon.svg" => Self::Icon,
            path => match (path.strip_prefix("/jobs/"), path.strip_prefix("/api/jobs/")) {
                (Some(number), _) => Self::Job(job(number)?),
                (None, Some(number)) => Self::ApiJob(job(number)?),
                (None, None) => return Err(Astray::Unknown),
            },
        })
    }

    /// Whether it tells nothing of accounts and files, and needs no token.
    pub(super) fn is_open(&self) -> bool {
        match self {
            Self::Healthz | Self::Readyz | Self::Login | Self::Style | Self::Script | Self::Icon => true,
            Self::Overview
            | Self::Jobs(_)
            | Self::Job(_)
            | Self::Days(_)
            | Self::ApiStatus
            | Self::ApiJobs(_)
            | Self::ApiJob(_)
            | Self::Metrics => false,
        }
    }

    /// Whether the answer comes without a look into the job log: a probe must not wait behind a disk that hangs.
    pub(super) fn is_at_hand(&self) -> bool {
        match self {
            Self::Healthz | Self::Login | Self::Style | Self::Script | Self::Icon => true,
            Self::Overview
            | Self::Jobs(_)
            | Self::Job(_)
            | Self::Days(_)
            | Self::ApiStatus
            | Self::ApiJobs(_)
            | Self::ApiJob(_)
            | Self::Metrics
            | Self::Readyz => false,
        }
    }

    /// Whether a person looks at the answer.
    pub(super) fn is_page(&self) -> bool {
        match self {
            Self::Overview | Self::Jobs(_) | Self::Job(_) | Self::Days(_) | Self::Login => true,
            Self::ApiStatus
            | Self::ApiJobs(_)
            | Self::ApiJob(_)
            | Self::Metrics
            | Self::Healthz
            | Self::Readyz
            | Self::Style
            | Self::Script
            | Self::Icon => false,
        }
    }
}

impl DaysQuery {
    fn parse(query: &str) -> Result<Self, Astray> {
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
    fn parse(query: &str) -> Result<Self, Astray> {
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
    fn addresses_lead_where_they_say() {
        for (path, route) in [
            ("/", Route::Overview),
            ("/jobs/17", Route::Job(JobId(17))),
            ("/api/jobs/17", Route::ApiJob(JobId(17))),
            ("/metrics", Route::Metrics),
        ] {
            assert_eq!(Route::parse(path, ""), Ok(route));
        }
        for path in [
            "",
            "//",
            "/jobs/",
            "/jobs/x",
            "/jobs/-1",
            "/jobs/+1",
            "/jobs/17/",
            "/api",
            "/../etc/passwd",
            "/jobs/99999999999999999999",
        ] {
            assert_eq!(Route::parse(path, ""), Err(Astray::Unknown), "{path}");
        }
    }

    #[test]
    fn queries_narrow_and_what_makes_no_sense_is_told() {
        let Ok(Route::Jobs(query)) =
            Route::parse("/jobs", "account=a&state=held&state=failure&name=sales%2A&limit=7&before=9&since=")
        else {
            panic!()
        };
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
            let Err(Astray::Query(why)) = Route::parse("/api/jobs", query) else { panic!("{query}") };
            assert!(why.contains(told), "{why}");
        }
    }
}
