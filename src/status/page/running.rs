//! What only the running process knows, as the supervisor hands it over.

use super::Access;
use crate::adobe::Budget;
use crate::config::Config;
use crate::job::Timestamp;
use crate::joblog::{CommitTimes, JobLog, Reader, StorageProblem};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};

/// Time without a look at its stages after which the supervisor counts as hung. It looks at them every 10 s.
const SILENT_AFTER: Duration = Duration::from_secs(60);

/// The state of the process at the supervisor's last look.
#[derive(Debug, Clone)]
pub struct Running {
    /// When that was.
    pub at: Instant,
    /// The stages that gave no sign of life for long.
    pub stuck: Vec<String>,
    /// Each account's folder.
    pub folders: Vec<FolderRunning>,
    /// What is left of the request budget; read when it is shown.
    pub budget: Arc<Budget>,
    /// The configuration in force.
    pub config: Arc<Config>,
    /// Who may look.
    pub access: Arc<Access>,
}

/// A folder's thread.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FolderRunning {
    /// The account.
    pub account: String,
    /// It has been scanned whole and can be used.
    pub is_watched: bool,
    /// Files that scans found and events had not reported.
    pub missed: u64,
}

impl Running {
    /// What keeps the process from making progress; empty while all is well.
    #[must_use]
    pub fn ailments(&self, now: Instant) -> Vec<String> {
        let mut ailments: Vec<String> =
            self.stuck.iter().map(|stage| format!("no sign of life from the stage `{stage}`")).collect();
        if now.saturating_duration_since(self.at) > SILENT_AFTER {
            ailments.push("no sign of life from the supervisor".to_owned());
        }
        ailments
    }
}

/// The sources of the answers, in addition to [`Running`].
#[derive(Debug)]
pub struct Sources {
    /// A connection of the page's own.
    pub reader: Reader,
    /// How long the job log's commits take.
    pub commits: Arc<CommitTimes>,
    /// Why the job log cannot be written; `None` while all is well.
    pub storage: watch::Receiver<Option<StorageProblem>>,
    /// When the service started.
    pub started: Timestamp,
    /// Where operators' instructions are written.
    pub joblog: JobLog,
    /// Says that there are some; answered once they are carried out.
    pub pokes: mpsc::UnboundedSender<oneshot::Sender<()>>,
}
