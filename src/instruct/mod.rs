//! What people want of jobs, carried out by whoever holds the lock of the state directory: the daemon, which a command
//! pokes, or the command itself where none runs (DESIGN §7).
//!
//! Looks at the files first, outside of any transaction; the job log then decides and writes down in one step each.

use crate::ambient::{identity_of, now, random_digits};
use crate::config::{AccountConfig, Config};
use crate::joblog::{Executor, FileNow, JobLog, JobLogError};
use std::fs;
use std::time::{Duration, Instant};

/// How long a move takes, most often.
const MOVED_BY: Duration = Duration::from_millis(10);

/// What carrying out takes of a configuration.
#[must_use]
pub fn executors(config: &Config) -> Vec<Executor> {
    let executor = |account: &AccountConfig| Executor {
        account: account.name.clone(),
        folder: account.folder.clone(),
        wire_name: account.wire_name,
        target: account.target(&config.api),
    };
    config.accounts.iter().map(executor).collect()
}

/// The same, and again until all are answered or the time is over: moves take a moment.
///
/// # Errors
/// [`JobLogError`], as above.
pub fn carry_out_within(joblog: &JobLog, executors: &[Executor], patience: Duration) -> Result<bool, JobLogError> {
    let over = Instant::now() + patience;
    loop {
        let all = carry_out(joblog, executors)?;
        if all || Instant::now() >= over {
            return Ok(all);
        }
        std::thread::sleep(MOVED_BY);
    }
}

/// Carries out every instruction that nobody has answered, oldest first, and says whether all are answered then: one whose
/// file has still to be moved is not. Blocks: on the disk, and on folders.
///
/// # Errors
/// [`JobLogError`]; what is not answered by then is carried out the next time.
pub fn carry_out(joblog: &JobLog, executors: &[Executor]) -> Result<bool, JobLogError> {
    let mut all = true;
    for open in joblog.open_instructions().wait()? {
        let files = open
            .paths
            .iter()
            .map(|(job, path)| FileNow {
                job: *job,
                identity: fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file).map(|file| identity_of(&file)),
                can_be_read: rustix::fs::access(path, rustix::fs::Access::READ_OK).is_ok(),
            })
            .collect();
        all &= joblog.carry_out(open.id, executors.to_vec(), files, random_digits(), now()).wait()?;
    }
    Ok(all)
}
