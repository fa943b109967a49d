//! The composition root: opens the job log, starts the stages, and watches over them until the end.
//!
//! Crash-only: every step is durable before the world can see its effect, so the process may end at any instant. Errors
//! come in two families: those of a job are in the job log, those of the daemon ([`Fatal`]) end the process, and
//! systemd restarts it.
//!
//! | file | holds |
//! | --- | --- |
//! | `lifetime` | how the process begins and ends, its signals and its log |
//! | `supervisor` | the loop that watches over the stages |
//! | `stages`, `trackers`, `alerting`, `pruning` | what runs: folders, uploads, trackers, alerts, the page, pruning |
//! | `report_suites` | what the API tells of report suites, read daily |
//! | `admit` | accounts that must not run for now |
//! | `control`, `operator` | the socket for commands; what people want of jobs |

mod admit;
mod alerting;
pub mod control;
mod lifetime;
pub mod operator;
mod pruning;
mod refused;
mod report_suites;
mod stages;
mod status_address;
mod supervisor;
mod trackers;
mod vitals;

pub use lifetime::{Signal, listen, start_log};
pub use supervisor::{RunEnd, RunOptions, run};

use crate::adobe::ClientError;
use crate::joblog::{JobLogError, OpenError};
use crate::status::page::PageError;

/// Why the daemon ends, or does not start.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// The job log cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The job log failed while the daemon ran.
    #[error(transparent)]
    JobLog(#[from] JobLogError),
    /// The API client cannot be built.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// The status page cannot be served.
    #[error(transparent)]
    Page(#[from] PageError),
    /// A stage ended without an order to stop.
    #[error("the stage `{stage}` ended early: {why}; the daemon ends so that it can be restarted")]
    StageEnded {
        /// Which.
        stage: String,
        /// Why, as far as it is known.
        why: String,
    },
    /// A thread cannot be started.
    #[error("no thread can be started: {0}; raise the limits of the service (TasksMax)")]
    Thread(std::io::Error),
}

impl Fatal {
    /// Returns the exit code of the process. A restart does not help against a fault of the configuration, so 78
    /// (`EX_CONFIG`) keeps systemd from trying.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Client(_) => 78,
            Self::Open(_) | Self::JobLog(_) | Self::Page(_) | Self::StageEnded { .. } | Self::Thread(_) => 1,
        }
    }
}
