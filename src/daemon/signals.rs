//! Signals become messages: SIGTERM and SIGINT stop, SIGHUP reloads, SIGUSR1 scans.

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR1};
use signal_hook::iterator::Signals;
use std::io;
use tokio::sync::mpsc;

/// What somebody wants of the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Stop; a second time: at once.
    Stop,
    /// Read the configuration anew.
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
            // Nobody listens any more: the process is about to end.
            let _ = sender.send(message);
        }
    })?;
    Ok(receiver)
}
