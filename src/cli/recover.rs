//! `recover`: rebuilds what a lost or old job log must know.

use super::apart::{self, FOLDER_TIMEOUT, Signs};
use super::args::RecoverArguments;
use super::failure::{Exit, Failure};
use super::output::Output;
use super::progress_bar::Progress;
use super::{run as daemon_run, settings};
use crate::adobe::{Budget, Client, Purpose};
use crate::config::AccountConfig;
use crate::joblog::{JobLog, StateLock};
use crate::recover::{Recovered, recover};
use crate::status::counted;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// Timeout for one of an account's files, and for Adobe's list of its jobs.
const TIMEOUT: Duration = Duration::from_secs(600);

pub(super) fn run(file: &Path, arguments: &RecoverArguments, output: &mut Output) -> Result<Exit, Failure> {
    let config = settings::load_for_requests(file)?;
    let accounts: Vec<&AccountConfig> = match &arguments.account {
        Some(name) => vec![settings::account(&config, name)?],
        None => config.accounts.iter().filter(|account| account.enabled).collect(),
    };
    let lock = StateLock::take(&config.state_dir)?;
    let joblog = JobLog::open_to_rebuild(lock)?;
    let budget = Arc::new(Budget::new(config.api.rate_limit, true));
    let client =
        Client::new(&config.api, Arc::clone(&budget)).map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    let permit = || {
        let budget = Arc::clone(&budget);
        async move { budget.acquire(Purpose::Sweep).await }
    };
    let runtime = daemon_run::runtime()?;
    let are_all = accounts.len() == config.accounts.iter().filter(|account| account.enabled).count();
    let mut all = true;
    for account in accounts {
        let folder = account.folder.clone();
        if apart::within(FOLDER_TIMEOUT, move || std::fs::metadata(folder)).is_none() {
            all = false;
            let why = apart::no_answer(&account.folder);
            output.message(&format!("account {}: not recovered: {why}", account.name))?;
            continue;
        }
        let target = account.target(&config.api);
        let api = (!arguments.force_new).then_some((&client, &permit));
        let progress = Progress::of(0, "asking Adobe for its jobs");
        let (signs, given_up) = (Signs::default(), joblog.clone());
        let counted = signs.clone();
        let tell = |read, all| {
            signs.give();
            progress.show_files(read, all);
        };
        let work = || runtime.block_on(recover((&joblog, &config.state_dir), account, &target, api, tell));
        let counted = move || counted.count();
        let recovered = apart::guarded(
            apart::no_answer_in(&account.folder, TIMEOUT),
            TIMEOUT,
            counted,
            move || given_up.close(),
            work,
        )?;
        drop(progress);
        match recovered {
            Ok(recovered) => output.words_line(&words(&account.name, recovered, arguments.force_new))?,
            Err(error) => {
                all = false;
                output.message(&format!("account {}: not recovered: {error}", account.name))?;
            }
        }
    }
    joblog.close();
    // One account of several is not all that the job log must know.
    if all && are_all {
        let noted = StateLock::take(&config.state_dir)?.note_rebuilt();
        noted.map_err(|error| Failure::failed(format!("{}: {error}", config.state_dir.display())))?;
    }
    if all {
        Ok(Exit::Done)
    } else {
        Err(Failure::failed("not every account was recovered; those above were left as they are"))
    }
}

fn words(account: &str, recovered: Recovered, force_new: bool) -> String {
    let count = |count: usize, what: &str| counted(i64::try_from(count).unwrap_or(i64::MAX), what);
    let mut words =
        format!("account {account}: {} that the job log did not know", count(recovered.files, "filed file"));
    if !force_new {
        let listed = count(recovered.remote_jobs, "job");
        let _ = write!(words, ", {} with their remote job; Adobe lists {listed}", recovered.matched);
    }
    if recovered.held > 0 {
        let _ = write!(words, "; {} held for you to look at (`datadrop jobs list --state held`)", recovered.held);
    }
    words
}
