//! How a run begins, however long somebody else has the job log locked, and how a run with `--once` ends.

use super::Fatal;
use super::signals::Signal;
use super::stages::Stages;
use super::trackers::notify;
use crate::clock::now;
use crate::config::Config;
use crate::joblog::{Beginning, JobLog, JobLogError, OpenError, Reader, StateLock, StorageProblem};
use sd_notify::NotifyState;
use std::time::Duration;
use tokio::sync::mpsc;

/// Interval between tries to open a job log that another process has locked.
const LOCK_LOOK: Duration = Duration::from_secs(1);
/// Time that systemd is asked for at each try.
const STARTS_WITHIN: Duration = Duration::from_secs(30);

/// Opens the job log, and takes over what the end of the last run cut off. Waits for as long as another process holds the
/// write lock, for systemd gives up a service that ends too often; `None` if it is stopped meanwhile.
pub(super) async fn open_job_log(
    lock: StateLock,
    config: &Config,
    signals: &mut mpsc::UnboundedReceiver<Signal>,
) -> Result<Option<JobLog>, Fatal> {
    let (mut lock, mut opened, mut told) = (Some(lock), None, false);
    loop {
        let why = match take_over(&mut lock, &mut opened, config).await {
            Ok(joblog) => return Ok(Some(joblog)),
            // A command may take the lock between two tries.
            Err(Fatal::Open(error @ (OpenError::Locked { .. } | OpenError::Running(_)))) => error.to_string(),
            Err(Fatal::JobLog(error @ JobLogError::Storage(StorageProblem::Locked(_)))) => error.to_string(),
            Err(other) => return Err(other),
        };
        if !std::mem::replace(&mut told, true) {
            tracing::error!("waiting for the job log: {why}");
        }
        let more = u32::try_from(STARTS_WITHIN.as_micros()).unwrap_or(u32::MAX);
        notify(&[NotifyState::ExtendTimeoutUsec(more), NotifyState::Status(&why)]);
        let stopped = async { while signals.recv().await.is_some_and(|signal| signal != Signal::Stop) {} };
        tokio::select! {
            () = stopped => return Ok(None),
            () = tokio::time::sleep(LOCK_LOOK) => {}
        }
    }
}

async fn take_over(
    lock: &mut Option<StateLock>,
    opened: &mut Option<JobLog>,
    config: &Config,
) -> Result<JobLog, Fatal> {
    let joblog = if let Some(joblog) = opened {
        joblog.clone()
    } else {
        let lock = lock.take().map_or_else(|| StateLock::take(&config.state_dir), Ok)?;
        opened.insert(JobLog::open(lock)?).clone()
    };
    for recovered in joblog.recover(now()).await? {
        match recovered {
            Ok((job, state)) => tracing::warn!(
                job = job.0,
                state = state.as_str(),
                "job {job}: its upload was cut off by the end of the last run; it is {state} now"
            ),
            Err(error) => tracing::error!("{error}"),
        }
    }
    Ok(joblog)
}

// `run --once`: when is everything done that can be done without a person?

/// What was there at the start, so that the end can be judged.
pub(super) struct Once {
    reader: Reader,
    beginning: Beginning,
}

impl Once {
    /// Remembers where things stand.
    pub(super) fn begin(reader: Reader) -> Result<Self, JobLogError> {
        let beginning = reader.beginning()?;
        Ok(Self { reader, beginning })
    }

    /// Nothing goes on by itself any more.
    pub(super) fn is_over(&self, stages: &Stages) -> Result<bool, JobLogError> {
        if !stages.folders_are_open() || stages.files_pending() > 0 {
            return Ok(false);
        }
        for account in stages.accounts() {
            let blocked = stages.folder_is_blocked(account) || self.reader.account(account)?.api_problem.is_some();
            let needs_a_person = blocked && self.reader.count_uploading(account)? == 0;
            if !needs_a_person && self.reader.goes_on(account)? {
                return Ok(false);
            }
        }
        for account in stages.refused() {
            // They come to their end, and then the account runs.
            if self.reader.is_at_adobe(account)? {
                return Ok(false);
            }
        }
        // A file may have become ready between the two looks.
        Ok(stages.files_pending() == 0)
    }

    /// Everything that was taken up in this run ended well.
    pub(super) fn all_success(&self, stages: &Stages) -> Result<bool, JobLogError> {
        Ok(!stages.accounts().any(|account| stages.folder_is_blocked(account))
            && self.reader.all_ended_well_since(&self.beginning)?)
    }
}
