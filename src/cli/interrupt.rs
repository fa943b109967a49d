//! Ctrl-C and its relatives.

use super::failure::Failure;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio_util::sync::CancellationToken;

/// Set once somebody wants the command to end.
#[derive(Debug, Clone, Default)]
pub(super) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Set by Ctrl-C, SIGTERM and the end of the terminal.
    pub(super) fn on_signals() -> Result<Self, Failure> {
        let stop = Self::default();
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&stop.0)).map_err(|error| no_signals(&error))?;
        }
        Ok(stop)
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Cancelled by the first Ctrl-C or SIGTERM. The second ends the process on the spot: whatever is left in progress is
/// settled at the next start, exactly as after a crash.
pub(super) fn stop_token() -> Result<CancellationToken, Failure> {
    let token = CancellationToken::new();
    let cancelled = token.clone();
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(|error| no_signals(&error))?;
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            for signal in signals.forever() {
                if cancelled.is_cancelled() {
                    let _ = signal_hook::low_level::emulate_default_handler(signal);
                }
                cancelled.cancel();
            }
        })
        .map_err(|error| no_signals(&error))?;
    Ok(token)
}

/// Ends the process on the spot, as an unhandled SIGTERM would: a thread of it may hang, and cannot be stopped.
pub(super) fn end_now() {
    let _ = signal_hook::low_level::emulate_default_handler(SIGTERM);
}

fn no_signals(error: &std::io::Error) -> Failure {
    Failure::failed(format!("cannot listen to signals: {error}"))
}
