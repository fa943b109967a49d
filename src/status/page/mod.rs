//! The status address: a page for people, `/metrics` for Prometheus, `/healthz` and `/readyz` for monitoring, `/api/*`
//! for programs. It only looks, unless `status.operator_token_file` lets operators act on jobs.
//!
//! ```text
//! server ──► gate ──► route ──► facts ──► overview, jobs, days, …   pages
//! accepts    may they  what is   one read  metrics, report            texts
//!            look?     asked     of the
//!                                job log
//! ```
//!
//! It lives in the daemon's runtime and shares nothing with the stages but what is handed to it: a reading connection of
//! its own, [`Running`], which the supervisor renews, and the way of instructions. Whatever it does, no upload waits for it.
//! Everything from `gate` on but `facts`, `proposal` and `actions` is pure: facts in, text out.
//!
//! An operator logs in (`sessions`), is shown what would be done (`proposal`), and confirms it (`confirm`). Then `actions` writes
//! instructions into the job log, as the commands do, and the daemon decides on each again.
//!
//! File names come from other people and end up in a browser. Only `maud` makes markup, and it escapes every text.

mod actions;
mod calendar;
mod chart;
mod confirm;
mod facts;
mod filters;
mod flow;
mod forms;
mod frame;
mod job_list;
mod life;
mod metrics;
mod overview;
mod proposal;
mod response;
mod route;
mod running;
mod server;
mod sessions;
mod visitors;

#[cfg(test)]
mod page_fixtures;

pub use running::{FolderRunning, Running, Sources};
pub use server::{Bound, Page};
pub use visitors::Access;

use std::net::SocketAddr;
use std::path::PathBuf;

/// Why the page cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// The address cannot be listened on.
    #[error(
        "status.listen = \"{address}\": the page cannot listen there: {why}; stop what uses the address, or write another one in [status]"
    )]
    Listen {
        /// As it is configured.
        address: SocketAddr,
        /// What the system said.
        why: String,
    },
    /// The token cannot be read.
    #[error(
        "status.{key} = {file:?}: {why}; write a token of at least 16 characters into it, readable by the service's user"
    )]
    Token {
        /// The key of `[status]` that names it.
        key: &'static str,
        /// The file.
        file: PathBuf,
        /// What is wrong.
        why: String,
    },
}
