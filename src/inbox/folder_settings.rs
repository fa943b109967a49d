//! What a folder's thread is given, and what it gives: its settings, how far it has come, why it stopped.

use crate::config::{AccountConfig, CheckMode, Config, FinMode, NamePatterns, RateLimit, WatchMode};
use crate::folder::{FolderProblem, MARK};
use crate::inbox::readiness::Waits;
use crate::job::{Kind, Place, Program, Target, classify};
use crate::joblog::{AdmitPolicy, JobLogError};
use jiff::tz::TimeZone;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// A file system that is not known to be local, on which other hosts may write: the least quiet time (DESIGN R4).
const REMOTE_SETTLE: Duration = Duration::from_secs(60);

/// What a folder's thread needs of the configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct FolderSettings {
    /// The account's name.
    pub account: String,
    /// Where its files go.
    pub target: Target,
    /// Where its days begin; `None`: as in the report suite.
    pub time_zone: Option<TimeZone>,
    /// The watched folder.
    pub folder: PathBuf,
    /// Where the job log lies, which is never opened as a file of a folder.
    pub state_dir: PathBuf,
    /// How commands begin that people are given.
    pub program: Program,
    /// Extensions of data files.
    pub extensions: Vec<String>,
    /// Names that are ignored whatever their extension.
    pub exclude: NamePatterns,
    /// What the job log must know to take files in.
    pub policy: AdmitPolicy,
    /// The waits of readiness.
    pub waits: Waits,
    /// Time between scans.
    pub rescan: Duration,
    /// Events or polling.
    pub mode: WatchMode,
    /// In bytes.
    pub max_file_size: u64,
    /// What the check of a file's content may do.
    pub check: CheckMode,
    /// An accepted data file without marker gets one (`fin = "generate"`).
    pub generates_markers: bool,
    /// Files of success leave `done/` after this time; zero keeps them.
    pub keep_done: Duration,
    /// How fast files can be sent, for estimates.
    pub rate_limit: Option<RateLimit>,
}

impl FolderSettings {
    /// Picks an account's settings.
    #[must_use]
    pub fn new(config: &Config, account: &AccountConfig) -> Self {
        Self {
            account: account.name.clone(),
            target: account.target(&config.api),
            time_zone: account.time_zone.clone(),
            folder: account.folder.clone(),
            state_dir: config.state_dir.clone(),
            program: config.program(),
            extensions: account.extensions.clone(),
            exclude: account.exclude.clone(),
            policy: AdmitPolicy {
                account: account.name.clone(),
                folder: account.folder.clone(),
                duplicates: account.duplicates,
                wire_name: account.wire_name,
            },
            waits: Waits {
                settle: account.settle,
                settle_max: config.watch.settle_max.max(account.settle),
                settle_unwatched: config.watch.settle_unwatched,
                give_up_empty: config.retry.alert_after,
                wait_for_fin: account.wait_for_fin,
            },
            rescan: config.watch.rescan,
            mode: config.watch.mode,
            max_file_size: config.upload.max_file_size,
            check: account.check,
            generates_markers: account.fin == FinMode::Generate,
            keep_done: config.keep.done,
            rate_limit: config.api.rate_limit,
        }
    }

    /// What a name makes of a file; `None` for one that is ignored.
    #[must_use]
    pub fn kind_of(&self, name: &OsStr) -> Option<Kind> {
        classify(name, &self.extensions).filter(|_| self.exclude.matching(name).is_none())
    }

    /// What keeps a name out that [`FolderSettings::kind_of`] gives no kind.
    pub(super) fn why_ignored(&self, name: &OsStr) -> Ignored {
        if name.as_encoded_bytes().starts_with(b".") {
            return Ignored::Hidden;
        }
        if let Some(pattern) = self.exclude.matching(name) {
            return Ignored::Excluded(pattern.to_owned());
        }
        let path = Path::new(name);
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        let lower = path.with_extension(extension).into_os_string();
        if classify(&lower, &self.extensions).is_some() { Ignored::Case(lower) } else { Ignored::Extension }
    }

    /// The waits of readiness where the folder lies.
    #[must_use]
    pub fn waits_in(&self, is_remote: bool) -> Waits {
        let settle = self.waits.settle_unwatched;
        Waits { settle_unwatched: if is_remote { settle.max(REMOTE_SETTLE) } else { settle }, ..self.waits }
    }
}

/// Why a name in a watched folder is none of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ignored {
    /// A dotfile.
    Hidden,
    /// A directory.
    Directory,
    /// It matches this pattern of the account's `exclude`.
    Excluded(String),
    /// Its extension is one of ours but for the case, which counts at Adobe; the name that would do.
    Case(OsString),
    /// Its extension is none of ours.
    Extension,
}

/// Whether a name in the folder is datadrop's own: its mark, what it writes under hidden names, its sub-folders.
#[must_use]
pub fn is_own_name(name: &OsStr) -> bool {
    Place::SUB_FOLDERS.iter().any(|place| name == place.as_str())
        || name.as_encoded_bytes().starts_with(MARK.as_bytes())
}

/// How far a folder's thread has come, for the code that supervises it.
#[derive(Debug, Default)]
pub struct Progress {
    /// The folder has been scanned whole since it was opened.
    pub scanned: AtomicBool,
    /// Files that will become ready by themselves.
    pub pending: AtomicUsize,
    /// The folder cannot be used.
    pub blocked: AtomicBool,
    /// Grows with each turn, and with each file and each read in it.
    pub signs_of_life: AtomicU64,
    /// It stands in the job log that the folder does not answer. Its thread takes that back once it does.
    pub silent: AtomicBool,
    /// Files that a scan found although events are listened to, and events had not reported: what the folder's first
    /// scan finds does not count.
    pub missed: AtomicU64,
}

impl Progress {
    /// The thread is not stuck: it does one thing after the other.
    pub fn alive(&self) {
        self.signs_of_life.fetch_add(1, Ordering::Relaxed);
    }
}

/// Why a worker stopped working in its folder.
#[derive(Debug, thiserror::Error)]
pub enum Interrupted {
    /// The folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderProblem),
    /// The job log cannot be used.
    #[error(transparent)]
    JobLog(#[from] JobLogError),
}
