//! The configuration, as far as commands that only look need it.

use super::failure::{Exit, Failure};
use super::output::Output;
use super::people;
use crate::config::{self, AccountConfig, Config, KeyProblem};
use crate::job::Timestamp;
use crate::joblog::Reader;
use crate::status::Here;
use jiff::tz::TimeZone;
use std::path::{Path, PathBuf};

/// The whole environment, as far as it is text: only such variables can mean anything to the configuration.
pub(super) fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Reads the configuration without its secrets: a user who may read the job log need not be able to read those.
pub(super) fn load(file: &Path) -> Result<Config, Failure> {
    let mut config = config::load_without_secrets(Some(file), environment())
        .map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    config.service_user = people::owner_beside_me(&config.state_dir);
    Ok(config)
}

/// The same for commands that show what goes on: a mistake that somebody made in the file since the service read it is told, and
/// takes nothing from sight.
pub(super) fn load_to_look(file: &Path, output: &mut Output) -> Result<Config, Failure> {
    let (mut config, wrong) = config::load_to_look(Some(file), environment())
        .map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
    if let Some(wrong) = wrong {
        // Without a service that has run there is nothing to look at, and which one is meant must be certain.
        if wrong.problems.iter().any(KeyProblem::is_at_the_top)
            || matches!(Reader::open_quietly(&config.state_dir), Ok(None))
        {
            return Err(Failure::new(Exit::Usage, wrong.to_string()));
        }
        output.message(&wrong.to_string())?;
        output.message(
            "a service that runs goes on with what it read before; what follows is read without what is wrong",
        )?;
    }
    config.service_user = people::owner_beside_me(&config.state_dir);
    Ok(config)
}

/// The folders of the accounts, for a command that needs no configuration: none if there is none, or it cannot be read.
pub(super) fn folders_of_accounts(file: &Path) -> Vec<PathBuf> {
    let read = config::load_to_look(Some(file), environment());
    read.map(|(config, _)| config.accounts.into_iter().map(|account| account.folder).collect()).unwrap_or_default()
}

/// Reads the configuration for commands that ask the API: with its credential, and whatever accounts there are.
pub(super) fn load_for_requests(file: &Path) -> Result<Config, Failure> {
    config::load_for_requests(Some(file), environment()).map_err(|error| Failure::new(Exit::Usage, error.to_string()))
}

/// A file that stands for itself: what the environment says of other files must not change it.
pub(super) fn environment_free_config(file: &Path) -> Result<Config, Failure> {
    config::load(Some(file), []).map_err(|error| Failure::new(Exit::Usage, error.to_string()))
}

/// The account of that name.
pub(super) fn account<'a>(config: &'a Config, name: &str) -> Result<&'a AccountConfig, Failure> {
    config.accounts.iter().find(|account| account.name == name).ok_or_else(|| no_such_account(name, config, &[]))
}

/// Names what there is instead.
pub(super) fn no_such_account(name: &str, config: &Config, in_job_log: &[String]) -> Failure {
    let mut known: Vec<&str> = config.accounts.iter().map(|account| account.name.as_str()).collect();
    known.extend(in_job_log.iter().map(String::as_str));
    known.sort_unstable();
    known.dedup();
    let known = if known.is_empty() { "there are none".to_owned() } else { format!("there are: {}", known.join(", ")) };
    Failure::new(Exit::NoSuch, format!("there is no account `{name}`; {known}"))
}

/// The reader's time and zone.
pub(super) fn here() -> Here {
    Here { now: now(), zone: TimeZone::system() }
}

pub(super) fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_millisecond())
}
