//! A run of the daemon's process: how it begins and, with `--once`, ends; its signals, and its log.

use super::Fatal;
use super::stages::Stages;
use super::vitals::notify;
use crate::clock::now;
use crate::config::{Config, LogConfig, LogFormat};
use crate::joblog::{Beginning, JobLog, JobLogError, OpenError, Reader, StateLock, StorageProblem};
use sd_notify::NotifyState;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;
use std::io::{self, IsTerminal as _};
use std::os::unix::fs::MetadataExt as _;
use std::time::Duration;
use tokio::sync::mpsc;
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt};

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

    /// Nothing continues automatically any more.
    pub(super) fn is_over(&self, stages: &Stages) -> Result<bool, JobLogError> {
        if !stages.folders_are_open() || stages.files_pending() > 0 {
            return Ok(false);
        }
        for account in stages.accounts() {
            let blocked = stages.folder_is_blocked(account) || self.reader.account(account)?.api_problem.is_some();
            let needs_a_person = blocked && self.reader.count_uploading(account)? == 0;
            if !needs_a_person && self.reader.goes_on(account, now())? {
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

// Signals become messages: SIGTERM and SIGINT stop, SIGHUP reloads, SIGUSR1 scans.

/// What somebody wants of the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Stop; a second time: at once.
    Stop,
    /// Reread the configuration.
    Reload,
    /// Scan every folder.
    Rescan,
}

/// Listens for signals until the process ends. From here on they no longer end it by themselves.
///
/// # Errors
/// The system's, if they cannot be caught.
pub fn listen() -> io::Result<mpsc::UnboundedReceiver<Signal>> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGUSR1])?;
    let (sender, receiver) = mpsc::unbounded_channel();
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in &mut signals {
            let message = match signal {
                SIGHUP => Signal::Reload,
                SIGUSR1 => Signal::Rescan,
                _ => Signal::Stop,
            };
            // There is no listener any more: the process is about to end.
            let _ = sender.send(message);
        }
    })?;
    Ok(receiver)
}

// The log: for people and for programs, with fields beside each message. The job log is something else: it is data.

/// Starts logging.
///
/// # Errors
/// A line for people, if the filter or the journal cannot be used.
pub fn start_log(config: &LogConfig) -> Result<(), String> {
    // The libraries' own details would bury the rest, and log whole URLs.
    let filter =
        EnvFilter::try_new(format!("hyper=info,hyper_util=info,reqwest=info,notify=info,rustls=info,{}", config.level))
            .map_err(|error| {
                format!("log.level = \"{}\": {error}; write a level such as info, or a filter", config.level)
            })?;
    let format = match config.format {
        LogFormat::Auto if stderr_is_the_journal() => LogFormat::Journald,
        LogFormat::Auto => LogFormat::Text,
        format @ (LogFormat::Text | LogFormat::Json | LogFormat::Journald) => format,
    };
    let layer = match format {
        LogFormat::Journald => tracing_journald::layer()
            .map_err(|error| {
                format!("log.format = \"journald\": the journal cannot be reached: {error}; use \"text\"")
            })?
            .with_field_prefix(Some("DATADROP".to_owned()))
            .with_syslog_identifier("datadrop".to_owned())
            .with_priority_mappings(PriorityMappings {
                // Its own mapping makes news of what is no more than information (syslog(3)).
                info: Priority::Informational,
                debug: Priority::Debug,
                ..PriorityMappings::new()
            })
            .boxed(),
        LogFormat::Json => fmt::layer().json().flatten_event(true).with_writer(io::stderr).boxed(),
        LogFormat::Text | LogFormat::Auto => {
            let colour =
                io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            fmt::layer().with_target(false).with_ansi(colour).with_writer(io::stderr).boxed()
        }
    };
    tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .try_init()
        .map_err(|error| format!("the log cannot be started: {error}"))?;
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!("a defect of datadrop: {panic}; please report this");
    }));
    Ok(())
}

/// systemd says by `JOURNAL_STREAM` (device and inode) whether standard error goes to its journal.
fn stderr_is_the_journal() -> bool {
    let Some(stream) = std::env::var("JOURNAL_STREAM").ok() else { return false };
    std::fs::metadata("/proc/self/fd/2").is_ok_and(|found| stream == format!("{}:{}", found.dev(), found.ino()))
}
