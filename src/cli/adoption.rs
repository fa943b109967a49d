//! `jobs release --adopt`: a job must not be taken for a remote job that Adobe does not have, or that is another file's.

use super::api_session::Remote;
use super::failure::Failure;
use super::settings;
use crate::adobe::ApiError;
use crate::job::{JobId, Plan, Release, RemoteJobId, Verb};
use crate::joblog::{JobRow, Reader};
use std::path::Path;

/// Why the job cannot be that remote job, as far as Adobe can tell; `None` if it can, or if the job log refuses it anyway.
pub(super) fn not_that_one(file: &Path, job: &JobRow, remote: RemoteJobId) -> Result<Option<String>, Failure> {
    let config = settings::load_for_requests(file)?;
    let reader = Reader::open(&config.state_dir)?;
    let id = JobId(job.id);
    let verb = Verb::Release(Release::Adopt(remote));
    let is_free = reader.owner_of_remote(&job.account, remote.0)?.is_none();
    let standing = reader.job_standing(id)?;
    if !is_free || !standing.is_some_and(|standing| matches!(verb.decide(&standing), Ok(Plan::Adopt(_)))) {
        return Ok(None);
    }
    let Some(account) = config.accounts.iter().find(|account| account.name == job.account) else { return Ok(None) };
    let sent = reader.sent_as(id)?;
    let target = sent.target.unwrap_or_else(|| account.target(&config.api));
    match Remote::open(&config)?
        .ask(&async |client, purse| client.show_job(&target, remote, purse.permit().await).await)
    {
        Ok(answer) => match answer.value.file_name {
            Some(shown) => Ok(reader.not_of_that_name(id, remote, &shown)?),
            None => Ok(None),
        },
        Err(ApiError::NotFound { body, .. }) => Ok(Some(format!(
            "Adobe does not know a remote job {remote} of this account ({}); `datadrop jobs list --remote --account {}` names those \
             that there are",
            body.without_id(),
            job.account
        ))),
        Err(error) => {
            Err(Failure::failed(format!("nothing was done, as Adobe has to be asked first: {}", error.problem())))
        }
    }
}
