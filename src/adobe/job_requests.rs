//! Lists of remote jobs, and single ones.

use super::Client;
use super::budget::Permit;
use super::error::ApiError;
use super::http;
use super::refusal::excerpt;
use super::wire;
use crate::job::{RemoteJob, RemoteJobId, Target, Timestamp};
use reqwest::Method;

/// Which jobs to list (DESIGN §5, "GET retrieve all jobs"). Dates are `yyyy-mm-dd hh:mm:ss`, see
/// [`guide_date`](super::guide_date).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobQuery {
    /// Only jobs of this status.
    pub status: Option<String>,
    /// How far back the search begins; the API's default is a month ago.
    pub start: Option<String>,
    /// How far back it ends; the API's default is today.
    pub end: Option<String>,
    /// Which page; the first is 1.
    pub page: Option<u32>,
}

/// One page of jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// In the order of the answer.
    pub jobs: Vec<RemoteJob>,
    /// Which page the API says this is.
    pub page: Option<u32>,
    /// How many the API says there are.
    pub total_pages: Option<u32>,
    /// The server's clock (`Date`).
    pub server_time: Option<Timestamp>,
    /// Entries that had no usable job ID: with any of them the list is not complete.
    pub unreadable: usize,
}

/// An answer with the server's clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answered<T> {
    /// What was asked for.
    pub value: T,
    /// The server's clock (`Date`).
    pub server_time: Option<Timestamp>,
}

impl Client {
    /// One page of the account's jobs.
    ///
    /// # Errors
    /// [`ApiError`]; an answer that does not hold a list is [`ApiError::Unclear`], never an empty list.
    pub async fn list_jobs(&self, target: &Target, query: &JobQuery, permit: Permit) -> Result<Listed, ApiError> {
        let asked = format!("the jobs of {target}");
        let page = query.page.map(|page| page.to_string());
        let parameters: Vec<(&str, &str)> = [
            ("status", query.status.as_deref()),
            ("start_date", query.start.as_deref()),
            ("end_date", query.end.as_deref()),
            ("page", page.as_deref()),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
        let url = http::job_url(target, None).map(|url| http::with_query(url, &parameters));
        let reply = self.ask(Method::GET, &asked, &target.company, url, permit).await?;
        let unclear = |why: String| ApiError::Unclear { asked: asked.clone(), why };
        let value = reply.json().map_err(unclear)?;
        let page = wire::page(&value)
            .ok_or_else(|| unclear(format!("an answer without a list of jobs: {}", excerpt(&reply.body))))?;
        Ok(Listed {
            jobs: page.jobs,
            page: page.number,
            total_pages: page.of,
            server_time: reply.server_time,
            unreadable: page.unreadable,
        })
    }

    /// One job (DESIGN §5, "GET retrieve a single job").
    ///
    /// # Errors
    /// [`ApiError`]; [`ApiError::NotFound`] concerns this job only. An answer about another job is unclear.
    pub async fn show_job(
        &self,
        target: &Target,
        id: RemoteJobId,
        permit: Permit,
    ) -> Result<Answered<RemoteJob>, ApiError> {
        let asked = format!("job {id} of {target}");
        let url = http::job_url(target, Some(id));
        let reply = self.ask(Method::GET, &asked, &target.company, url, permit).await?;
        let unclear = |why: String| ApiError::Unclear { asked: asked.clone(), why };
        match wire::job(&reply.json().map_err(unclear)?) {
            Some(job) if job.remote_job_id == id => Ok(Answered { value: job, server_time: reply.server_time }),
            Some(job) => Err(unclear(format!("an answer about job {}", job.remote_job_id))),
            None => Err(unclear(format!("an answer without a job ID: {}", excerpt(&reply.body)))),
        }
    }
}
