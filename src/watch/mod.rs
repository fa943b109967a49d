//! Step 1: watch the folders, and take in what is ready.
//!
//! Each account has one thread, which does everything that touches its folder: it listens to events (hints), scans
//! (the truth), looks at candidates, hashes what is ready, hands it to the job log, and files what the job log wants
//! moved. One thread for each folder means that scans and moves never race, and that a share which hangs blocks its own
//! account only.

mod board;
mod events;
mod inbox;
mod look;
mod scan;
#[cfg(test)]
pub(crate) mod simulated;
mod worker;

pub use board::Board;
pub use events::{EventSource, WatchError};
pub use worker::{FolderSettings, FolderWorker, Progress};
