//! What a request asks for.

use super::filters::{ActQuery, Astray, DaysQuery, JobsQuery};
use crate::job::JobId;

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
    /// Where operators log in.
    Operator,
    /// Where they log out.
    Logout,
    /// What would be done with jobs.
    Act(ActQuery),
    /// Where they confirm it.
    Confirm,
    Style,
    Script,
    Icon,
}

/// A form that the page takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Login,
    Operator,
    Logout,
    Confirm,
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
            "/operator" => Self::Operator,
            "/logout" => Self::Logout,
            "/act" => Self::Act(ActQuery::parse(query)?),
            "/act/confirm" => Self::Confirm,
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
            Self::Healthz
            | Self::Readyz
            | Self::Login
            | Self::Operator
            | Self::Logout
            | Self::Style
            | Self::Script
            | Self::Icon => true,
            Self::Overview
            | Self::Jobs(_)
            | Self::Job(_)
            | Self::Days(_)
            | Self::Act(_)
            | Self::Confirm
            | Self::ApiStatus
            | Self::ApiJobs(_)
            | Self::ApiJob(_)
            | Self::Metrics => false,
        }
    }

    /// Whether the answer comes without a look into the job log: a probe must not wait behind a disk that hangs.
    pub(super) fn is_at_hand(&self) -> bool {
        match self {
            Self::Healthz
            | Self::Login
            | Self::Operator
            | Self::Logout
            | Self::Confirm
            | Self::Style
            | Self::Script
            | Self::Icon => true,
            Self::Overview
            | Self::Jobs(_)
            | Self::Job(_)
            | Self::Days(_)
            | Self::Act(_)
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
            Self::Overview
            | Self::Jobs(_)
            | Self::Job(_)
            | Self::Days(_)
            | Self::Login
            | Self::Operator
            | Self::Logout
            | Self::Act(_)
            | Self::Confirm => true,
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

    /// The form that is sent there.
    pub(super) fn form(&self) -> Option<Form> {
        match self {
            Self::Login => Some(Form::Login),
            Self::Operator => Some(Form::Operator),
            Self::Logout => Some(Form::Logout),
            Self::Confirm => Some(Form::Confirm),
            Self::Overview
            | Self::Jobs(_)
            | Self::Job(_)
            | Self::Days(_)
            | Self::Act(_)
            | Self::ApiStatus
            | Self::ApiJobs(_)
            | Self::ApiJob(_)
            | Self::Metrics
            | Self::Healthz
            | Self::Readyz
            | Self::Style
            | Self::Script
            | Self::Icon => None,
        }
    }

    /// Whether it is there only where operators may act.
    pub(super) fn is_for_operators(&self) -> bool {
        matches!(self, Self::Act(_)) || self.form().is_some_and(|form| form != Form::Login)
    }

    /// The methods that it takes, as `Allow` lists them.
    pub(super) fn methods(&self) -> &'static str {
        match self.form() {
            None => "GET, HEAD",
            Some(Form::Login | Form::Operator) => "GET, HEAD, POST",
            Some(Form::Logout | Form::Confirm) => "POST",
        }
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
}
