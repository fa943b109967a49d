//! Requests without a body: the one way to send them, then remote jobs, accounts and companies, and lists over their
//! pages.

use super::budget::Permit;
use super::error::{ApiError, Unauthorised};
use super::http::{self, Fault, Need, Reply};
use super::wire::{ErrorBody, Listed, PROXY_WANTS_CREDENTIALS, excerpt, proxy_refusal};
use super::{Client, wire};
use crate::job::{Company, NewAccount, RemoteAccount, RemoteJob, RemoteJobId, ReportSuite, Target, Timestamp};
use reqwest::{Method, Url};
use std::collections::HashSet;
use std::time::Duration;

impl Client {
    /// Sends the request and reads its answer. Any answer but 2xx is an error, and `asked` names the request in it.
    pub(super) async fn ask(
        &self,
        method: Method,
        asked: &str,
        company: &str,
        url: Result<Url, String>,
        permit: Permit,
    ) -> Result<Reply, ApiError> {
        self.ask_for(Need::Necessary, method, asked, company, url, permit).await
    }

    /// Like [`Client::ask`], but `need` says whether datadrop needs the answer to send files.
    pub(super) async fn ask_for(
        &self,
        need: Need,
        method: Method,
        asked: &str,
        company: &str,
        url: Result<Url, String>,
        mut permit: Permit,
    ) -> Result<Reply, ApiError> {
        let not_connected = |why: String| ApiError::NotConnected { asked: asked.to_owned(), why };
        let unclear = |why: String| ApiError::Unclear { asked: asked.to_owned(), why };
        let url = url.map_err(not_connected)?;
        #[cfg(test)]
        if let Some(stand_in) = self.stand_in.clone() {
            return stand_in.get(asked, url, self.timeout).await;
        }
        let client = self.doors.to(&url).map_err(not_connected)?;
        let bearer = self
            .tokens
            .bearer(&self.doors, Duration::from_secs(1))
            .await
            .map_err(|error| ApiError::Unauthorised { asked: asked.to_owned(), why: error.into() })?;
        let headers = http::headers(company, &self.api_key, bearer.header.clone()).map_err(not_connected)?;

        // The server counts the request at some moment between now and the head of its answer.
        permit.under_way();
        let request = client.request(method, url).headers(headers).send();
        let response = match tokio::time::timeout(self.timeout, request).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                return Err(match error.into() {
                    Fault::NotConnected(why) => not_connected(why),
                    Fault::Broken(why) => unclear(why),
                    Fault::ProxyWantsCredentials => {
                        let (status, body) = (PROXY_WANTS_CREDENTIALS, Box::new(proxy_refusal("no tunnel")));
                        let why = Unauthorised::Answer { status, body, request_id: None };
                        ApiError::Unauthorised { asked: asked.to_owned(), why }
                    }
                });
            }
            Err(_) => return Err(unclear(format!("no answer for {} s", self.timeout.as_secs_f32()))),
        };
        permit.sent();
        let reply = Reply::read(response, self.timeout, bearer.secret(), need.longest()).await;
        self.take_note(&reply, &bearer, need);
        if reply.is_success() { Ok(reply) } else { Err(refusal(asked.to_owned(), &reply)) }
    }
}

/// The error for an answer that is not 2xx.
pub(super) fn refusal(asked: String, reply: &Reply) -> ApiError {
    let body = Box::new(reply.refusal());
    let status = reply.status;
    let from_gateway = match &*body {
        ErrorBody::Gateway { .. } => true,
        ErrorBody::Service { .. } | ErrorBody::Ims { .. } | ErrorBody::Other(_) => false,
    };
    let request_id = reply.request_id.clone();
    let why = || {
        let id = reply.request_id.as_ref().map(|id| format!(", request ID {id}")).unwrap_or_default();
        format!("HTTP {status}: {body}{id}")
    };
    match status {
        401 | 403 | 407 => ApiError::Unauthorised { asked, why: Unauthorised::Answer { status, body, request_id } },
        404 | 410 => ApiError::NotFound { asked, body, request_id },
        429 => ApiError::Busy { asked, retry_after: reply.retry_after, why: why() },
        503 if from_gateway => ApiError::Busy { asked, retry_after: reply.retry_after, why: why() },
        408 | 425 | 500..=599 => ApiError::Unclear { asked, why: why() },
        _ => ApiError::Refused { asked, status, body, request_id },
    }
}

// Lists of remote jobs, and single ones.

/// Which jobs to list (DESIGN §5, "GET retrieve all jobs"). Dates are `yyyy-mm-dd hh:mm:ss`, see
/// [`guide_date`](super::guide_date).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobQuery {
    /// Only jobs of this status.
    pub status: Option<String>,
    /// Start of the searched period. The API's default is a month ago.
    pub start: Option<String>,
    /// End of the searched period. The API's default is today.
    pub end: Option<String>,
    /// Which page; the first is 1.
    pub page: Option<u32>,
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
        let parameters = [
            ("status", query.status.as_deref()),
            ("start_date", query.start.as_deref()),
            ("end_date", query.end.as_deref()),
            ("page", page.as_deref()),
        ];
        let url = http::job_url(target, None).map(|url| http::with_query(url, &parameters));
        let reply = self.ask(Method::GET, &asked, &target.company, url, permit).await?;
        let unclear = |why: String| ApiError::Unclear { asked: asked.clone(), why };
        let listed = wire::page(&reply.json().map_err(unclear)?)
            .ok_or_else(|| unclear(format!("an answer without a list of jobs: {}", excerpt(&reply.body))))?;
        Ok(Listed { server_time: reply.server_time, ..listed })
    }

    /// One job (DESIGN §5, "GET retrieve a single job").
    ///
    /// # Errors
    /// [`ApiError`]. [`ApiError::NotFound`] concerns this job only. An answer about another job is
    /// [`ApiError::Unclear`].
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

// Data Sources accounts, and the companies of the credential. Answers about accounts hold FTP passwords in clear text,
// so no error quotes them.

impl Client {
    /// Every account of a report suite (DESIGN §5, "GET retrieve all accounts").
    ///
    /// # Errors
    /// [`ApiError`]; an answer with an entry that is no account is [`ApiError::Unclear`], never a shorter list.
    pub async fn list_accounts(&self, suite: &ReportSuite, permit: Permit) -> Result<Vec<RemoteAccount>, ApiError> {
        let asked = format!("the accounts of {suite}");
        let url = http::account_url(suite, None);
        let reply = self.ask(Method::GET, &asked, &suite.company, url, permit).await?;
        let unclear = |why: String| ApiError::Unclear { asked: asked.clone(), why };
        let value = reply.secret_json().map_err(unclear)?;
        value
            .as_array()
            .and_then(|entries| entries.iter().map(wire::account).collect())
            .ok_or_else(|| unclear("an answer that is no list of accounts".to_owned()))
    }

    /// One account (DESIGN §5, "GET retrieve a single account").
    ///
    /// # Errors
    /// [`ApiError`]. An answer about another account is [`ApiError::Unclear`].
    pub async fn show_account(
        &self,
        suite: &ReportSuite,
        data_source_id: i64,
        permit: Permit,
    ) -> Result<RemoteAccount, ApiError> {
        self.account_for(Need::Necessary, suite, data_source_id, permit).await
    }

    /// One account, for callers that can send files without the answer.
    ///
    /// # Errors
    /// [`ApiError`]. An answer about another account is [`ApiError::Unclear`].
    pub async fn peek_at_account(
        &self,
        suite: &ReportSuite,
        data_source_id: i64,
        permit: Permit,
    ) -> Result<RemoteAccount, ApiError> {
        self.account_for(Need::Optional(http::LONGEST_ANSWER), suite, data_source_id, permit).await
    }

    async fn account_for(
        &self,
        need: Need,
        suite: &ReportSuite,
        data_source_id: i64,
        permit: Permit,
    ) -> Result<RemoteAccount, ApiError> {
        let asked = format!("account {data_source_id} of {suite}");
        let url = http::account_url(suite, Some(data_source_id));
        let reply = self.ask_for(need, Method::GET, &asked, &suite.company, url, permit).await?;
        let unclear = |why: String| ApiError::Unclear { asked: asked.clone(), why };
        match wire::account(&reply.secret_json().map_err(unclear)?) {
            Some(account) if account.data_source_id == data_source_id => Ok(account),
            Some(account) => Err(unclear(format!("an answer about account {}", account.data_source_id))),
            None => Err(unclear("an answer without a data_source_id".to_owned())),
        }
    }

    /// Creates an account (DESIGN §5, "POST create an account").
    ///
    /// # Errors
    /// [`ApiError`]. After [`ApiError::Unclear`], only the list shows whether the account was created.
    pub async fn create_account(
        &self,
        suite: &ReportSuite,
        new: &NewAccount,
        permit: Permit,
    ) -> Result<RemoteAccount, ApiError> {
        let asked = format!("a new account of {suite}");
        let parameters = [("type", &new.account_type), ("name", &new.name), ("email", &new.email)];
        let parameters = parameters.map(|(name, value)| (name, value.as_deref()));
        let url = http::account_url(suite, None).map(|url| http::with_query(url, &parameters));
        let reply = self.ask(Method::POST, &asked, &suite.company, url, permit).await?;
        let unclear = |why: String| ApiError::Unclear { asked: asked.clone(), why };
        wire::account(&reply.secret_json().map_err(unclear)?)
            .ok_or_else(|| unclear("an answer without a data_source_id".to_owned()))
    }

    /// Deletes an account, which cannot be undone (DESIGN §5, "DELETE account"). Returns Adobe's message.
    ///
    /// # Errors
    /// [`ApiError`]. After [`ApiError::Unclear`], only the list shows whether the account was deleted. An answer that
    /// says `"success": false` is [`ApiError::Refused`], whatever its status.
    pub async fn delete_account(
        &self,
        suite: &ReportSuite,
        data_source_id: i64,
        permit: Permit,
    ) -> Result<String, ApiError> {
        let asked = format!("the end of account {data_source_id} of {suite}");
        let url = http::account_url(suite, Some(data_source_id));
        let reply = self.ask(Method::DELETE, &asked, &suite.company, url, permit).await?;
        let unclear = |why: String| ApiError::Unclear { asked: asked.clone(), why };
        let value = reply.json().map_err(unclear)?;
        match value.get("success").and_then(serde_json::Value::as_bool) {
            Some(true) => Ok(wire::message(&value).unwrap_or_default()),
            Some(false) => {
                let (status, body, request_id) = (reply.status, Box::new(reply.refusal()), reply.request_id);
                Err(ApiError::Refused { asked, status, body, request_id })
            }
            None => Err(unclear(format!("an answer that does not say whether it succeeded: {}", excerpt(&reply.body)))),
        }
    }

    /// The companies that the credential may act for (Adobe, "Discovery": `discovery/me`).
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn companies(&self, base_url: &str, permit: Permit) -> Result<Vec<Company>, ApiError> {
        let asked = format!("the companies of the credential at {base_url}");
        let reply = self.ask(Method::GET, &asked, "", http::discovery_url(base_url), permit).await?;
        let unclear = |why: String| ApiError::Unclear { asked: asked.clone(), why };
        wire::companies(&reply.json().map_err(unclear)?)
            .ok_or_else(|| unclear(format!("an answer without companies: {}", excerpt(&reply.body))))
    }
}

// Reading a remote list over its pages.

/// Maximum number of pages to read, which is 50,000 jobs. A longer list counts as incomplete.
const PAGES: u32 = 500;

/// How many pages to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// One page, to see only whether the server answers.
    FirstPage,
    /// As many pages as the answer announces.
    Announced,
    /// Up to the first empty page, whatever the answer announces.
    ToTheEmptyPage,
    /// Up to the first empty page, and then page 1 once more (DESIGN S2).
    Twice,
}

/// What was listed.
#[derive(Debug, Clone)]
pub struct Listing {
    /// Each job once, in the order in which it was listed.
    pub jobs: Vec<RemoteJob>,
    /// Page 1 was the same afterwards. Checked only with [`Extent::Twice`].
    pub steady: bool,
    /// Every entry could be read, and the list ended.
    pub complete: bool,
    /// The server's clock at the first page.
    pub server_time: Option<Timestamp>,
}

/// A request for a page failed. The jobs of the pages before it are still valid.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct CutShort {
    /// Why.
    pub error: Box<ApiError>,
    /// The jobs listed before the failure. Never complete.
    pub listing: Box<Listing>,
}

impl From<CutShort> for ApiError {
    fn from(cut: CutShort) -> Self {
        *cut.error
    }
}

impl Client {
    /// Reads the list of a target page by page. Calls `permit` for the right to send each request. Ignores
    /// `query.page`.
    ///
    /// # Errors
    /// [`CutShort`] with the first request that failed.
    pub async fn list_all_jobs<P: Future<Output = Permit>>(
        &self,
        target: &Target,
        mut query: JobQuery,
        extent: Extent,
        permit: impl Fn() -> P,
    ) -> Result<Listing, CutShort> {
        let mut listing = Listing { jobs: Vec::new(), steady: true, complete: false, server_time: None };
        let mut seen = HashSet::new();
        let mut first_page = Vec::new();
        let mut entries_readable = true;
        for page in 1..=PAGES {
            query.page = Some(page);
            let listed = match self.list_jobs(target, &query, permit().await).await {
                Ok(listed) => listed,
                Err(error) => return Err(CutShort { error: Box::new(error), listing: Box::new(listing) }),
            };
            entries_readable &= listed.unreadable == 0;
            listing.server_time = listing.server_time.or(listed.server_time);
            let empty = listed.jobs.is_empty();
            if page == 1 {
                first_page = ids(&listed.jobs);
            }
            // A page that adds no new job counts as repeated.
            let before = listing.jobs.len();
            listing.jobs.extend(listed.jobs.into_iter().filter(|job| seen.insert(job.remote_job_id)));
            let repeated = !empty && listing.jobs.len() == before;
            let (at_the_end, repeats_allowed) = match extent {
                Extent::FirstPage => (true, true),
                Extent::Announced => (empty || repeated || listed.total_pages.is_some_and(|pages| page >= pages), true),
                Extent::ToTheEmptyPage | Extent::Twice => (empty || repeated, false),
            };
            if at_the_end {
                listing.complete = entries_readable && (repeats_allowed || !repeated);
                break;
            }
        }
        if extent == Extent::Twice {
            query.page = Some(1);
            match self.list_jobs(target, &query, permit().await).await {
                Ok(again) => listing.steady = ids(&again.jobs) == first_page,
                Err(error) => {
                    listing.complete = false;
                    return Err(CutShort { error: Box::new(error), listing: Box::new(listing) });
                }
            }
        }
        Ok(listing)
    }
}

fn ids(jobs: &[RemoteJob]) -> Vec<RemoteJobId> {
    jobs.iter().map(|job| job.remote_job_id).collect()
}
