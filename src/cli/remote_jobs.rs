//! `jobs list --remote`, `jobs show --remote`: the API's own jobs.

use super::api_session::Remote;
use super::args::{ListArguments, ShowArguments};
use super::failure::{Exit, Failure};
use super::output::Output;
use super::settings;
use crate::adobe::{Extent, JobQuery, Listing};
use crate::config::{AccountConfig, Config};
use crate::job::RemoteJobId;
use crate::status::{remote_job_json, remote_job_page, remote_jobs_csv, remote_jobs_json, remote_jobs_table};
use std::path::Path;

pub(super) fn list(file: &Path, arguments: ListArguments, output: &mut Output) -> Result<Exit, Failure> {
    let config = settings::load_for_requests(file)?;
    let account = account(&config, arguments.account.as_deref())?;
    let asked = arguments.query;
    if let (Some(start), Some(end)) = (&asked.start, &asked.end)
        && start > end
    {
        return Err(Failure::new(Exit::Usage, format!("--start {start} is later than --end {end}; swap them")));
    }
    let target = account.target(&config.api);
    let query = JobQuery { status: asked.status, start: asked.start, end: asked.end, page: asked.page };
    let listing = Remote::open(&config)?
        .ask(&async |client, purse| {
            if query.page.is_some() {
                let listed = client.list_jobs(&target, &query, purse.permit().await).await?;
                let complete = listed.unreadable == 0;
                return Ok(Listing { jobs: listed.jobs, steady: true, complete, server_time: listed.server_time });
            }
            Ok(client.list_all_jobs(&target, query.clone(), Extent::ToTheEmptyPage, || purse.permit()).await?)
        })
        .map_err(|error| Failure::from(error).with_exit(Exit::Failed))?;
    if arguments.json {
        output.data(&remote_jobs_json(&listing.jobs)?)?;
    } else if arguments.csv {
        output.data(&remote_jobs_csv(&listing.jobs)?)?;
    } else if listing.jobs.is_empty() {
        output.message(&format!("the API lists no such jobs of account {}", account.name))?;
    } else {
        output.data(&remote_jobs_table(&listing.jobs))?;
    }
    if listing.complete {
        Ok(Exit::Done)
    } else {
        output.message("the list has entries without a job ID, or never came to an end: it may not be all there is")?;
        Ok(Exit::NotAll)
    }
}

pub(super) fn show(file: &Path, arguments: &ShowArguments, output: &mut Output) -> Result<Exit, Failure> {
    let config = settings::load_for_requests(file)?;
    let target = account(&config, arguments.account.as_deref())?.target(&config.api);
    let id = RemoteJobId(arguments.id);
    let job = Remote::open(&config)?
        .ask(&async |client, purse| client.show_job(&target, id, purse.permit().await).await)?
        .value;
    output.data(&if arguments.json { remote_job_json(&job)? } else { remote_job_page(&job) })?;
    Ok(Exit::Done)
}

/// The account that was named, or the only one there is.
fn account<'a>(config: &'a Config, named: Option<&str>) -> Result<&'a AccountConfig, Failure> {
    match (named, config.accounts.as_slice()) {
        (Some(name), _) => settings::account(config, name),
        (None, [only]) => Ok(only),
        (None, []) => Err(Failure::new(Exit::Usage, "no account is configured; add an [[account]]")),
        (None, several) => {
            let known: Vec<&str> = several.iter().map(|account| account.name.as_str()).collect();
            Err(Failure::new(Exit::Usage, format!("which account? Name it with --account: {}", known.join(", "))))
        }
    }
}
