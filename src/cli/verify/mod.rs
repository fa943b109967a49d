//! `verify`: whether `done/` still holds what was sent. It looks, and changes nothing.

mod done_folder;

use super::apart::{self, FOLDER_TIMEOUT};
use super::args::VerifyArguments;
use super::failure::{Exit, Failure};
use super::output::Output;
use super::progress_bar::Progress;
use super::settings;
use crate::config::AccountConfig;
use crate::job::{counted, printable};
use crate::joblog::Reader;
use done_folder::{Comparison, Difference, Status};
use serde::Serialize;
use std::path::Path;
use std::sync::Arc;

/// The JSON shape.
#[derive(Serialize)]
struct Object<'a> {
    account: &'a str,
    path: String,
    job_id: Option<i64>,
    status: Status,
    message: &'a str,
    remedy: Option<&'a str>,
}

pub(super) fn run(file: &Path, arguments: &VerifyArguments, output: &mut Output) -> Result<Exit, Failure> {
    let config = settings::load(file)?;
    let accounts: Vec<&AccountConfig> = match &arguments.account {
        Some(name) => vec![settings::account(&config, name)?],
        None => config.accounts.iter().collect(),
    };
    // Before any folder is looked at: without a job log there is nothing to compare with.
    drop(Reader::open(&config.state_dir)?);
    let (mut all_compared, mut all_same) = (true, true);
    let mut found = Vec::new();
    for account in accounts {
        let progress = Arc::new(Progress::of(0, "reading the job log"));
        let compared = {
            let (config, account, progress) = (config.clone(), account.clone(), Arc::clone(&progress));
            apart::while_alive(FOLDER_TIMEOUT, move |signs| {
                let reader = Reader::open(&config.state_dir)?;
                done_folder::compare(&config, &account, &reader, |read, all| {
                    signs.give();
                    progress.show_files(read, all);
                })
            })
        };
        progress.clear();
        let no_answer = || Err(Failure::failed(apart::no_answer(&account.folder)));
        match compared.unwrap_or_else(no_answer) {
            Ok(comparison) => {
                all_same &= comparison.differences.is_empty();
                if !arguments.json {
                    print(&account.name, &comparison, output)?;
                }
                found.extend(comparison.differences.into_iter().map(|difference| (account, difference)));
            }
            Err(failure) => {
                all_compared = false;
                let why = failure.problem().map(ToString::to_string).unwrap_or_default();
                output.message(&format!("account {}: not verified: {why}", account.name))?;
            }
        }
    }
    if arguments.json {
        let objects: Vec<Object<'_>> = found.iter().map(|(account, difference)| object(account, difference)).collect();
        output.line(&serde_json::to_string_pretty(&objects)?)?;
    }
    if all_compared { Ok(Exit::all(all_same)) } else { Err(Failure::failed("not every account was verified")) }
}

fn object<'a>(account: &'a AccountConfig, difference: &'a Difference) -> Object<'a> {
    Object {
        account: &account.name,
        path: difference.path.to_string_lossy().into_owned(),
        job_id: difference.job.map(|id| id.0),
        status: difference.status,
        message: &difference.problem.what,
        remedy: difference.problem.remedy.as_deref(),
    }
}

fn print(account: &str, comparison: &Comparison, output: &mut Output) -> Result<(), Failure> {
    for Difference { path, job, status, problem } in &comparison.differences {
        let job = job.map(|id| format!(" (job {id})")).unwrap_or_default();
        let line = format!("{:<10}  {}{job}: {problem}", status.word(), path.to_string_lossy());
        output.words_line(&printable(&line))?;
    }
    let count = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let of = |status| comparison.differences.iter().filter(|difference| difference.status == status).count();
    let same = counted(count(comparison.same), "file");
    let mut words = format!("account {account}: {same} in done/ as sent");
    for status in [Status::Changed, Status::Missing, Status::Foreign, Status::Unreadable] {
        if of(status) > 0 {
            words = format!("{words}, {} {}", of(status), status.word());
        }
    }
    output.words_line(&words)?;
    Ok(())
}
