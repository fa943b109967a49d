//! What a test counts at the server, accepted uploads and requests, and what an emulator keeps of them over restarts.

use super::content::Verdict;
use super::world::{AccountKey, Job, JobFate, Upload, World};
use crate::job::{RemoteJobId, Sha256, Timestamp, UploadStyle};
use axum::http::Method;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

/// One accepted upload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LedgerEntry {
    /// The first accepted upload is 1.
    pub order: usize,
    /// The job made of it.
    pub job_id: RemoteJobId,
    /// Where it went.
    pub report_suite_id: String,
    /// Where it went.
    pub data_source_id: i64,
    /// The name sent.
    pub name: String,
    /// Bytes of the content.
    pub size: u64,
    /// SHA-256 of the content, in hexadecimal digits.
    pub sha256: String,
    /// How the request was shaped.
    pub style: UploadStyle,
    /// When it was accepted; RFC 3339, UTC, milliseconds.
    pub at: String,
    /// Where its job stands now.
    pub status: String,
    /// Rows processed so far.
    pub rows: u64,
}

impl World {
    /// Every accepted upload, in the order of acceptance.
    #[must_use]
    pub fn ledger(&self, now: Timestamp) -> Vec<LedgerEntry> {
        self.jobs().iter().enumerate().map(|(index, job)| entry(index + 1, job, self.progress(job, now))).collect()
    }
}

fn entry(order: usize, job: &Job, progress: super::world::Progress<'_>) -> LedgerEntry {
    LedgerEntry {
        order,
        job_id: job.id,
        report_suite_id: job.upload.account.report_suite_id.clone(),
        data_source_id: job.upload.account.data_source_id,
        name: job.upload.name.clone(),
        size: job.upload.size,
        sha256: job.upload.sha256.to_string(),
        style: job.upload.style,
        at: job.created.to_string(),
        status: progress.status.to_owned(),
        rows: progress.rows,
    }
}

/// What a request asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RequestKind {
    Upload,
    List,
    Single,
    Account,
    Token,
    Other,
}

impl RequestKind {
    fn as_str(self) -> &'static str {
        match self {
            Self::Upload => "uploads",
            Self::List => "lists",
            Self::Single => "singles",
            Self::Account => "accounts",
            Self::Token => "tokens",
            Self::Other => "others",
        }
    }
}

/// How many requests came, counted when their head arrived; whatever was answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RequestCounts {
    /// Upload requests.
    pub uploads: u64,
    /// Job lists.
    pub lists: u64,
    /// Single jobs.
    pub singles: u64,
    /// Account requests of all kinds.
    pub accounts: u64,
    /// Token requests.
    pub tokens: u64,
    /// Discovery, and paths that do not exist.
    pub others: u64,
    /// How many of them the rate limit refused.
    pub refused_429: u64,
    /// All of the above, refused ones within their kind.
    pub total: u64,
    /// The most API requests of one client in any window of the rate limit, refused ones included.
    pub max_in_any_window: usize,
    /// The same by method: `"PUT uploads": 3`.
    pub by_method: BTreeMap<String, u64>,
}

/// The counters behind [`RequestCounts`].
#[derive(Debug, Default)]
pub(super) struct RequestLog {
    // A handful of pairs: a search beats hashing.
    counts: Vec<(Method, RequestKind, u64)>,
    pub(super) refused_429: u64,
}

impl RequestLog {
    pub(super) fn count(&mut self, method: &Method, kind: RequestKind) {
        match self.counts.iter_mut().find(|(m, k, _)| m == method && *k == kind) {
            Some((_, _, count)) => *count += 1,
            None => self.counts.push((method.clone(), kind, 1)),
        }
    }

    pub(super) fn summary(&self, max_in_any_window: usize) -> RequestCounts {
        let of = |kind| self.counts.iter().filter(|(_, k, _)| *k == kind).map(|(_, _, count)| count).sum();
        RequestCounts {
            uploads: of(RequestKind::Upload),
            lists: of(RequestKind::List),
            singles: of(RequestKind::Single),
            accounts: of(RequestKind::Account),
            tokens: of(RequestKind::Token),
            others: of(RequestKind::Other),
            refused_429: self.refused_429,
            total: self.counts.iter().map(|(_, _, count)| count).sum(),
            max_in_any_window,
            by_method: self
                .counts
                .iter()
                .map(|(method, kind, count)| (format!("{method} {}", kind.as_str()), *count))
                .collect(),
        }
    }
}

// What an emulator keeps over restarts (`--state`): a line for each job, and another when it is deleted.

/// Its name in the folder.
const FILE: &str = "jobs.jsonl";

/// The file, open and locked.
#[derive(Debug)]
pub(super) struct Kept {
    file: File,
    path: PathBuf,
}

/// A job as it is written.
#[derive(Serialize, Deserialize)]
struct Line {
    id: i64,
    account: AccountKey,
    name: String,
    shown: String,
    style: String,
    size: u64,
    sha256: String,
    created: i64,
    /// `None`: processing fails.
    rows: Option<u64>,
    fate: JobFate,
    deleted: bool,
}

impl Kept {
    /// Opens the file, made if there is none, with the jobs that it has. One emulator at a time has it.
    pub(super) fn open(dir: &Path) -> io::Result<(Self, Vec<Job>)> {
        let path = dir.join(FILE);
        let told = |why: &str| io::Error::other(format!("{}: {why}", path.display()));
        std::fs::create_dir_all(dir).map_err(|error| told(&error.to_string()))?;
        let file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(&path)
            .map_err(|error| told(&error.to_string()))?;
        file.try_lock().map_err(|_| told("another emulator uses it; stop that one, or name another folder"))?;
        let mut jobs: Vec<Job> = Vec::new();
        for (index, line) in BufReader::new(&file).lines().enumerate() {
            let read = line.ok().and_then(|line| serde_json::from_str::<Line>(&line).ok()).and_then(job);
            let Some(job) = read else {
                let why = format!("line {} is no job of an emulator; correct it, or name an empty folder", index + 1);
                return Err(told(&why));
            };
            // Only one that was deleted is written twice.
            match jobs.iter_mut().find(|known| job.deleted && known.id == job.id) {
                Some(known) => *known = job,
                None => jobs.push(job),
            }
        }
        Ok((Self { file, path }, jobs))
    }

    /// Writes a job as it is now.
    pub(super) fn write(&mut self, job: &Job) {
        let line = Line {
            id: job.id.0,
            account: job.upload.account.clone(),
            name: job.upload.name.clone(),
            shown: job.shown.clone(),
            style: job.upload.style.as_str().to_owned(),
            size: job.upload.size,
            sha256: job.upload.sha256.to_string(),
            created: job.created.0,
            rows: match job.upload.verdict {
                Verdict::Rows(rows) => Some(rows),
                Verdict::Fails(_) => None,
            },
            fate: job.fate.clone(),
            deleted: job.deleted,
        };
        let written = serde_json::to_string(&line)
            .map_err(io::Error::from)
            .and_then(|line| self.file.write_all(format!("{line}\n").as_bytes()));
        if let Err(error) = written {
            let (job, path) = (job.id, self.path.display());
            tracing::error!("the emulator could not keep job {job} in {path}: {error}; a restart forgets it");
        }
    }
}

fn job(line: Line) -> Option<Job> {
    let verdict = line.rows.map_or(Verdict::Fails("it failed in an earlier run"), Verdict::Rows);
    Some(Job {
        id: RemoteJobId(line.id),
        upload: Upload {
            account: line.account,
            name: line.name,
            style: UploadStyle::from_word(&line.style)?,
            size: line.size,
            sha256: Sha256::from_hex(&line.sha256)?,
            verdict,
        },
        shown: line.shown,
        created: Timestamp(line.created),
        fate: line.fate,
        deleted: line.deleted,
    })
}
