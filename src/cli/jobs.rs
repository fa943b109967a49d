//! `jobs list`, `jobs show`, `jobs wait`.

use super::args::{ListArguments, ShowArguments, WaitArguments};
use super::failure::{Exit, Failure};
use super::follow::{Ending, Follow, Wanted, has_ended, to_the_end};
use super::interrupt::Stop;
use super::output::Output;
use super::settings::{self, here};
use crate::config::Config;
use crate::job::{JobId, Timestamp};
use crate::joblog::{JobFilter, JobRow, Reader, is_running};
use crate::status::{
    Here, Since, chosen_json, chosen_table, counted, job_json, job_page, jobs_csv, jobs_json, jobs_table,
};
use std::path::Path;
use std::time::Instant;

/// Default number of jobs in a table.
const TABLE_ROWS: usize = 50;

pub(super) fn list(file: &Path, arguments: ListArguments, output: &mut Output) -> Result<Exit, Failure> {
    let config = settings::load_to_look(file, output)?;
    let reader = Reader::open(&config.state_dir)?;
    if let Some(name) = &arguments.account {
        known_account(name, &config, &reader)?;
    }
    let here = here();
    let since = since(arguments.since.as_ref(), &here)?;
    let whole = arguments.json || arguments.csv;
    let filter = JobFilter {
        account: arguments.account,
        states: arguments.states,
        since,
        name: arguments.name,
        search: arguments.search,
        limit: arguments.limit.or((!whole).then_some(TABLE_ROWS)),
        ..JobFilter::default()
    };
    let (jobs, bad): (Vec<_>, Vec<_>) = reader.each_job(&filter)?.into_iter().partition(Result::is_ok);
    let jobs: Vec<JobRow> = jobs.into_iter().flatten().collect();
    for error in bad.iter().filter_map(|bad| bad.as_ref().err()) {
        output.message(&error.to_string())?;
    }
    let chosen = Some(arguments.columns.as_slice()).filter(|columns| !columns.is_empty());
    if arguments.json {
        output.data(&chosen.map_or_else(|| jobs_json(&jobs), |columns| chosen_json(&jobs, columns))?)?;
    } else if arguments.csv {
        output.data(&jobs_csv(&jobs, chosen)?)?;
    } else if jobs.is_empty() {
        output.message("no jobs")?;
    } else {
        let width = output.screen().map(|(width, _)| width);
        output.data(&chosen.map_or_else(|| jobs_table(&jobs, width, &here), |columns| chosen_table(&jobs, columns)))?;
        if filter.limit.is_some_and(|limit| jobs.len() >= limit) {
            let older = reader.count(&filter)?.saturating_sub(i64::try_from(jobs.len()).unwrap_or(i64::MAX));
            if older > 0 {
                output.note(&format!("… {} left out; --limit N or --json shows more", counted(older, "older job")))?;
            }
        }
    }
    Ok(Exit::all(bad.is_empty()))
}

pub(super) fn show(file: &Path, arguments: &ShowArguments, output: &mut Output) -> Result<Exit, Failure> {
    let config = settings::load_to_look(file, output)?;
    let reader = Reader::open(&config.state_dir)?;
    let life = reader.life(JobId(arguments.id))?.ok_or_else(|| no_such_job(arguments.id))?;
    if arguments.json {
        output.data(&job_json(&life)?)?;
    } else {
        output.words(&job_page(&life, &config.program(), &here()))?;
    }
    Ok(Exit::Done)
}

pub(super) fn wait(file: &Path, arguments: &WaitArguments, output: &mut Output) -> Result<Exit, Failure> {
    let deadline = arguments.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let config = settings::load(file)?;
    let reader = Reader::open(&config.state_dir)?;
    let mut ids = arguments.ids.clone();
    ids.sort_unstable();
    ids.dedup();
    let mut moving = false;
    for id in &ids {
        moving |= !has_ended(&find(&reader, *id)?);
    }
    drop(reader);
    if moving && !is_running(&config.state_dir) {
        output.message("no daemon is running: nothing moves until one is (`systemctl start datadrop`)")?;
    }
    let wanted: Vec<Wanted> = ids.into_iter().map(Wanted::Job).collect();
    let mut follow = Follow::new(&config.state_dir, Stop::on_signals()?);
    match to_the_end(&mut follow, &wanted, deadline, config.api.rate_limit, output)? {
        Ending::Ended { all_success } => Ok(Exit::all(all_success)),
        Ending::TimeIsOver => Err(Failure::failed("the time is over, and not all jobs are at their end")),
        Ending::Stopped => Ok(Exit::Failed),
    }
}

/// Refuses an account that neither the configuration nor the job log knows.
pub(super) fn known_account(name: &str, config: &Config, reader: &Reader) -> Result<(), Failure> {
    if config.accounts.iter().any(|account| account.name == name) {
        return Ok(());
    }
    let known: Vec<String> = reader.accounts()?.into_iter().map(|account| account.name).collect();
    if known.iter().any(|known| known == name) { Ok(()) } else { Err(settings::no_such_account(name, config, &known)) }
}

/// The instant that `--since` names.
pub(super) fn since(since: Option<&Since>, here: &Here) -> Result<Option<Timestamp>, Failure> {
    let Some(since) = since else { return Ok(None) };
    let resolved = since.resolve(here);
    resolved.map(Some).ok_or_else(|| Failure::new(Exit::Usage, "--since: this time does not exist in the local zone"))
}

pub(super) fn find(reader: &Reader, id: i64) -> Result<JobRow, Failure> {
    reader.job(JobId(id))?.ok_or_else(|| no_such_job(id))
}

pub(super) fn no_such_job(id: i64) -> Failure {
    Failure::new(Exit::NoSuch, format!("there is no job {id}; `datadrop jobs list` shows those there are"))
}
