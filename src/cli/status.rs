//! `status`.

use super::args::StatusArguments;
use super::failure::{Exit, Failure};
use super::output::Output;
use super::settings::{self, here};
use crate::config::{Config, backlog_words};
use crate::job::{Phase, State};
use crate::joblog::{AccountRow, OpenError, Reader, is_running};
use crate::report::{AccountStatus, BacklogStatus, RequestBudget, StateCounts, StatusReport, status_json, status_page};
use std::collections::BTreeMap;
use std::path::Path;

pub(super) fn run(file: &Path, arguments: &StatusArguments, output: &mut Output) -> Result<Exit, Failure> {
    let config = settings::load(file)?;
    let reader = match Reader::open(&config.state_dir) {
        Ok(reader) => Some(reader),
        // Before the first start there is nothing to read, and that is a state too.
        Err(error @ OpenError::StateDir { .. }) => {
            output.message(&error.to_string())?;
            None
        }
        Err(error) => return Err(error.into()),
    };
    let report = report(&config, reader.as_ref())?;
    output.data(&if arguments.json { status_json(&report)? } else { status_page(&report, &here()) })?;
    Ok(Exit::Done)
}

fn report(config: &Config, reader: Option<&Reader>) -> Result<StatusReport, Failure> {
    let mut known: BTreeMap<String, AccountRow> = BTreeMap::new();
    let mut counts = BTreeMap::new();
    if let Some(reader) = reader {
        known.extend(reader.accounts()?.into_iter().map(|row| (row.name.clone(), row)));
        counts = state_counts(reader)?;
    }
    let mut accounts = Vec::new();
    for account in &config.accounts {
        let row = known.remove(&account.name).unwrap_or_default();
        let jobs = counts.remove(&account.name).unwrap_or_default();
        accounts.push(AccountStatus {
            folder: Some(account.folder.display().to_string()),
            enabled: account.enabled,
            ..account_status(account.name.clone(), &row, jobs, reader)?
        });
    }
    // Accounts that left the configuration still have a history, and perhaps files.
    for (name, row) in known {
        let jobs = counts.remove(&name).unwrap_or_default();
        accounts.push(account_status(name, &row, jobs, reader)?);
    }
    let backlog = backlog(config, &accounts);
    Ok(StatusReport {
        backlog,
        daemon: if is_running(&config.state_dir) { "running" } else { "stopped" },
        state_dir: config.state_dir.display().to_string(),
        accounts,
        request_budget: RequestBudget {
            limit: config.api.rate_limit.map(|limit| limit.requests),
            per_seconds: config.api.rate_limit.map(|limit| limit.per.as_secs_f64()),
        },
    })
}

/// What is ready where something is sent, and how long that takes.
fn backlog(config: &Config, accounts: &[AccountStatus]) -> BacklogStatus {
    let sends = |account: &&AccountStatus| account.enabled && account.blocked.is_none();
    let files: i64 = accounts.iter().filter(sends).map(|account| account.jobs.queued + account.jobs.uploading).sum();
    let files = files.cast_unsigned();
    let limit = config.api.rate_limit;
    let seconds = limit.and_then(|limit| u64::try_from(limit.time_for(files).as_millis().div_ceil(1000)).ok());
    BacklogStatus { files, seconds, words: backlog_words(files, limit) }
}

fn account_status(
    name: String,
    row: &AccountRow,
    jobs: StateCounts,
    reader: Option<&Reader>,
) -> Result<AccountStatus, Failure> {
    let last_success = match reader {
        Some(reader) => reader.last_success(&name)?,
        None => None,
    };
    Ok(AccountStatus {
        folder: None,
        enabled: false,
        jobs,
        blocked: row.blocked().map(str::to_owned),
        blocked_since: row.blocked_at,
        style: row.style.clone(),
        last_success,
        last_sweep: row.swept_at,
        next_sweep: row.next_sweep_at,
        ignored_files: row.ignored,
        name,
    })
}

/// Jobs by account and state.
pub(super) fn state_counts(reader: &Reader) -> Result<BTreeMap<String, StateCounts>, Failure> {
    let mut counts: BTreeMap<String, StateCounts> = BTreeMap::new();
    for count in reader.counts()? {
        if let Some(state) = State::from_words(&count.state, Some(Phase::Started)) {
            *counts.entry(count.account).or_default().of(state) += count.jobs;
        }
    }
    Ok(counts)
}
