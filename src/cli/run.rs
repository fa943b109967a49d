//! `run`: the daemon.

use super::args::RunArguments;
use super::failure::{Exit, Failure};
use super::settings;
use crate::config::{self, Config};
use crate::daemon::{self, RunOptions, Signal};
use std::future::Future;
use std::path::Path;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

pub(super) fn run(file: &Path, arguments: &RunArguments) -> Result<Exit, Failure> {
    let read = || config::load(Some(file), settings::environment());
    let config = read().map_err(|error| Failure::new(Exit::DaemonConfig, error.to_string()))?;
    daemon::start_log(&config.log).map_err(|error| Failure::new(Exit::DaemonConfig, error))?;
    let signals = daemon::listen().map_err(|error| Failure::failed(format!("cannot listen to signals: {error}")))?;
    let options = RunOptions { once: arguments.once, timeout: arguments.timeout };
    let runtime = runtime()?;
    let end = runtime.block_on(daemon::run(config, options, signals, read));
    // A read that hangs on a dead share must not keep the process.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    match end {
        Ok(end) if options.once => {
            if !end.all_success {
                tracing::warn!("not everything ended in success: `datadrop status` names what needs a person");
            }
            Ok(Exit::all(end.all_success))
        }
        Ok(_) => Ok(Exit::Done),
        Err(fatal) => Err(Failure::new(Exit::Daemon(fatal.exit_code()), fatal.to_string())),
    }
}

/// The daemon as part of another command: goes on until it is stopped.
pub(super) fn serve_demo(
    config: Config,
    file: &Path,
    stop: CancellationToken,
) -> impl Future<Output = Result<(), Failure>> + Send + use<> {
    let file = file.to_owned();
    async move {
        daemon::start_log(&config.log).map_err(Failure::failed)?;
        let (sender, signals) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            stop.cancelled().await;
            // The daemon may have ended unasked.
            let _ = sender.send(Signal::Stop);
        });
        let read = move || config::load(Some(&file), []);
        match daemon::run(config, RunOptions::default(), signals, read).await {
            Ok(_) => Ok(()),
            Err(fatal) => Err(Failure::new(Exit::Daemon(fatal.exit_code()), fatal.to_string())),
        }
    }
}

pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("cannot start the runtime: {error}")))
}
