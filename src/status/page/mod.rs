//! The status address: a page for people, `/metrics` for Prometheus, `/healthz` and `/readyz` for monitoring, `/api/*`
//! for programs. Read-only.
//!
//! ```text
//! server ──► gate ──► route ──► facts ──► overview, jobs, days, …   pages
//! accepts    may they  what is   one read  metrics, report            texts
//!            look?     asked     of the
//!                                job log
//! ```
//!
//! It lives in the daemon's runtime and shares nothing with the stages but what is handed to it: a reading connection of
//! its own, and [`Running`], which the supervisor renews. Whatever it does, no upload waits for it. Everything from `gate`
//! on but `facts` is pure: facts in, text out.
//!
//! File names come from other people and end up in a browser. Only `maud` makes markup, and it escapes every text.

mod calendar;
mod chart;
mod facts;
mod flow;
mod frame;
mod job_list;
mod life;
mod metrics;
mod overview;
mod response;
mod route;
mod running;
mod server;
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
        "status.token_file = {file:?}: {why}; write a token of at least 16 characters into it, readable by the service's user"
    )]
    Token {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        why: String,
    },
}
