//! `alerts mute`, `unmute`: what a person wants of an account's alerts stands in the job log, and is done at once.

use super::args::{AlertsMute, AlertsUnmute};
use super::failure::{Exit, Failure};
use super::output::Output;
use super::verbs::{answers_within, by, poke};
use super::{jobs, settings};
use crate::daemon::operator::carry_out;
use crate::job::printable;
use crate::joblog::{JobLog, MuteOrder, OpenError, Reader, StateLock, instruct_mute};
use std::path::Path;

pub(super) fn mute(file: &Path, arguments: AlertsMute, output: &mut Output) -> Result<Exit, Failure> {
    order(file, &MuteOrder { account: arguments.account, time: Some(arguments.time), by: by() }, output)
}

pub(super) fn unmute(file: &Path, arguments: AlertsUnmute, output: &mut Output) -> Result<Exit, Failure> {
    order(file, &MuteOrder { account: arguments.account, time: None, by: by() }, output)
}

/// Writes down what is wanted, and has it done: by the daemon, or here if none runs.
fn order(file: &Path, order: &MuteOrder, output: &mut Output) -> Result<Exit, Failure> {
    let config = settings::load(file)?;
    let dir = &config.state_dir;
    jobs::known_account(&order.account, &config, &Reader::open(dir)?)?;
    let id = match StateLock::take(dir) {
        Ok(lock) => {
            let joblog = JobLog::open(lock)?;
            let done = instruct_mute(dir, order, settings::now()).map_err(Failure::from).and_then(|id| {
                // It is about no job, so no folder has to do with it.
                carry_out(&joblog, &[], str::is_empty, || ())?;
                Ok(id)
            });
            joblog.close();
            done?
        }
        Err(OpenError::Running(_)) => {
            let id = instruct_mute(dir, order, settings::now())?;
            poke(dir)?;
            id
        }
        Err(error) => return Err(error.into()),
    };
    match answers_within(dir, &[id])?.pop() {
        Some(answer) => output.words_line(&printable(&answer.words))?,
        None => {
            return Err(Failure::failed(format!(
                "not done yet for account {}: it stands in the job log, and is done as soon as the service responds",
                printable(&order.account)
            )));
        }
    }
    Ok(Exit::Done)
}
