//! Where commands meet the daemon.

use crate::adobe::Budget;
use crate::config::Config;
use crate::daemon::control::{Desk, Poke};
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Lets commands share the request budget and poke, until what it returns is dropped.
pub(super) fn serve_commands(
    config: &Config,
    budget: watch::Receiver<Arc<Budget>>,
    pokes: mpsc::UnboundedSender<Poke>,
) -> Option<DropGuard> {
    match Desk::open(&config.state_dir) {
        Ok(desk) => {
            let stop = CancellationToken::new();
            tokio::spawn(desk.serve(budget, pokes, stop.clone()));
            Some(stop.drop_guard())
        }
        Err(error) => {
            tracing::warn!(
                "no socket in {}: {error}; commands cannot share the request budget, and what they want of jobs waits for a restart",
                config.state_dir.display()
            );
            None
        }
    }
}
