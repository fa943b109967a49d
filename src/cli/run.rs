//! `run`: the daemon.

use super::args::RunArguments;
use super::failure::{Exit, Failure};
use super::people::system_user;
use super::settings;
use crate::config::{self, Config};
use crate::daemon::{self, RunOptions, Signal};
use std::future::Future;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Settings of the C library's allocator, which it reads only when a process begins. By default it gives each thread a heap
/// of its own, and what a burst frees in them stays with the process: 26 of 31 MB after 10,000 files.
const ALLOCATOR: [(&str, &str); 3] = [
    // One heap for all threads.
    ("MALLOC_ARENA_MAX", "1"),
    // Larger blocks are mapped singly. Set, so that it does not grow with the first that is freed.
    ("MALLOC_MMAP_THRESHOLD_", "262144"),
    // More than that at the end of the heap goes back to the system.
    ("MALLOC_TRIM_THRESHOLD_", "524288"),
];

pub(super) fn run(file: &Path, arguments: &RunArguments) -> Result<Exit, Failure> {
    begin_with_allocator_settings();
    let read = || {
        let config = config::load(Some(file), settings::environment());
        config.map(|config| Config { service_user: system_user(), ..config })
    };
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

/// Begins this process again, under the same number, with the settings of [`ALLOCATOR`]. Those that are set stay as they are.
/// Where it cannot begin again, it goes on as it is.
fn begin_with_allocator_settings() {
    let unset = ALLOCATOR.iter().filter(|(name, _)| std::env::var_os(name).is_none());
    let mut unset = unset.peekable();
    if cfg!(not(target_env = "gnu")) || unset.peek().is_none() {
        return;
    }
    let Ok(program) = std::env::current_exe() else { return };
    let mut words = std::env::args_os();
    let mut again = Command::new(&program);
    again.arg0(words.next().unwrap_or_else(|| program.into_os_string())).args(words).envs(unset.copied());
    // It returns only if it failed.
    let _ = again.exec();
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

/// Maximum number of threads of the runtime: more have nothing to do, and each has memory of its own.
const WORKERS: usize = 4;

pub(super) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.min(WORKERS))
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("cannot start the runtime: {error}")))
}
