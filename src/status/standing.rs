//! Combines the configuration and the job log into one report, which `status` prints and the page shows.

use super::{AccountStatus, BacklogStatus, RequestBudget, StateCounts, StatusReport};
use crate::config::{Config, backlog_words};
use crate::job::{DayZone, Phase, State, Timestamp, counted};
use crate::joblog::{AccountRow, Counts, Standing};
use std::collections::BTreeMap;
use std::time::Duration;

/// Time for which a job that ended badly counts as needing a person.
pub const RECENT: Duration = Duration::from_hours(7 * 24);

/// Why an account sends nothing before its baseline (DESIGN S1). An outage at the first start can delay the baseline.
pub const FIRST_LIST: &str = "Adobe's list of jobs has to be read before the first file is sent; if that takes more than a \
    minute, `datadrop doctor` finds out why";

/// Builds the report: each account of the configuration, then those that are only in the job log.
#[must_use]
pub fn status_report(config: &Config, is_running: bool, standing: Standing, now: Timestamp) -> StatusReport {
    let mut known: BTreeMap<String, AccountRow> =
        standing.accounts.into_iter().map(|row| (row.name.clone(), row)).collect();
    let mut counts = state_counts(&standing.counts);
    let last_success: BTreeMap<_, _> = standing.last_success.into_iter().collect();
    let trying_again: BTreeMap<_, _> =
        standing.trying_again.into_iter().map(|files| (files.account.clone(), files)).collect();
    let overdue: BTreeMap<_, _> = standing.overdue.into_iter().map(|jobs| (jobs.account.clone(), jobs)).collect();
    let mut to_handle: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (account, state) in standing.to_handle {
        to_handle.entry(account).or_default().push(state);
    }
    let mut account_status = |name: &str, mut row: AccountRow| AccountStatus {
        muted_until: row.muted.as_ref().filter(|mute| mute.lasts(now)).map(|mute| mute.until),
        muted_by: row.muted.take().filter(|mute| mute.lasts(now)).and_then(|mute| mute.by),
        folder: None,
        enabled: false,
        jobs: counts.remove(name).unwrap_or_default(),
        blocked: row.blocked().map(|problem| problem.to_string()),
        blocked_since: row.blocked_at,
        trying_again: trying_again.get(name).map(|files| files.reason.clone()),
        next_try: trying_again.get(name).and_then(|files| files.next_try),
        waiting_for_day: standing.waiting_for_day.get(name).map_or(0, |(files, _)| *files),
        next_day: standing.waiting_for_day.get(name).map(|(_, next)| *next),
        overdue: overdue.get(name).map(|overdue| match overdue.jobs {
            1 => overdue.reason.clone(),
            jobs => format!("{} at Adobe; of one: {}", counted(jobs, "job"), overdue.reason),
        }),
        to_handle: to_handle.remove(name).unwrap_or_default(),
        style: row.style,
        last_success: last_success.get(name).copied(),
        last_sweep: row.swept_at,
        next_sweep: row.next_sweep_at,
        ignored_files: row.ignored,
        settle_seconds: row.settle.map(|settle| settle.as_secs_f64()),
        row_count: row.row_count,
        data_days_today: {
            let configured = config.accounts.iter().find(|account| account.name == name);
            let configured = configured.and_then(|account| account.time_zone.as_ref());
            let zone = DayZone::of(configured, standing.zones.get(name).map(String::as_str));
            let today = zone.at(now).date().to_string();
            let sent = standing.days_sent.iter().find(|(account, day, _)| account == name && *day == today);
            sent.map_or(0, |(_, _, days)| *days)
        },
        bytes_at_adobe: standing.bytes_at_adobe.get(name).copied().unwrap_or(0),
        name: name.to_owned(),
    };
    let mut accounts = Vec::new();
    for account in &config.accounts {
        let row = known.remove(&account.name).unwrap_or_default();
        let is_new = row.baseline_at.is_none();
        let status = account_status(&account.name, row);
        let first_list = (is_new && status.jobs.queued > 0).then(|| FIRST_LIST.to_owned());
        accounts.push(AccountStatus {
            folder: Some(account.folder.display().to_string()),
            enabled: account.enabled,
            trying_again: status.trying_again.clone().or(first_list),
            // The problem of a disabled account does not matter.
            blocked: status.blocked.clone().filter(|_| account.enabled),
            blocked_since: status.blocked_since.filter(|_| account.enabled),
            ..status
        });
    }
    // Accounts that left the configuration still have a history, and may have files.
    for (name, row) in known {
        let status = account_status(&name, row);
        // The problem of such an account matters only while it has jobs in progress.
        let blocked = status.blocked.clone().filter(|_| status.jobs.inbox() + status.jobs.open() > 0);
        accounts.push(AccountStatus {
            blocked_since: status.blocked_since.filter(|_| blocked.is_some()),
            blocked,
            ..status
        });
    }
    let backlog = backlog(config, &accounts);
    let (reload_refused, reload_refused_at) = standing.reload_refused.filter(|_| is_running).unzip();
    StatusReport {
        reload_refused,
        reload_refused_at,
        backlog,
        daemon: if is_running { "running" } else { "stopped" },
        state_dir: config.state_dir.display().to_string(),
        accounts,
        request_budget: RequestBudget {
            limit: config.api.rate_limit.map(|limit| limit.requests),
            per_seconds: config.api.rate_limit.map(|limit| limit.per.as_secs_f64()),
        },
    }
}

/// The backlog of the accounts that send, and the time that it takes.
fn backlog(config: &Config, accounts: &[AccountStatus]) -> BacklogStatus {
    let sends = |account: &&AccountStatus| account.enabled && account.blocked.is_none();
    let files: i64 = accounts.iter().filter(sends).map(|account| account.jobs.queued + account.jobs.uploading).sum();
    let files = files.cast_unsigned();
    let limit = config.api.rate_limit;
    let seconds = limit.and_then(|limit| u64::try_from(limit.time_for(files).as_millis().div_ceil(1000)).ok());
    BacklogStatus { files, seconds, words: backlog_words(files, limit) }
}

/// Jobs by account and state.
#[must_use]
pub fn state_counts(counts: &[Counts]) -> BTreeMap<String, StateCounts> {
    let mut by_account: BTreeMap<String, StateCounts> = BTreeMap::new();
    for count in counts {
        if let Some(state) = State::from_words(&count.state, Some(Phase::Started)) {
            *by_account.entry(count.account.clone()).or_default().of(state) += count.jobs;
        }
    }
    by_account
}
