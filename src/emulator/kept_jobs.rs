//! The jobs of the emulator, in memory and on disk (`--state`).

use super::content::{self, Verdict};
use super::faults::JobFate;
use crate::job::{RemoteJobId, Sha256, Timestamp, UploadStyle};
use serde::{Deserialize, Serialize};
use sha2::Digest;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

/// A Data Sources account: a data source of a report suite.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct AccountKey {
    /// The report suite ID.
    pub report_suite_id: String,
    /// The data source ID.
    pub data_source_id: i64,
}

/// An accepted upload, without its content.
#[derive(Debug, Clone)]
pub struct Upload {
    /// The target account.
    pub account: AccountKey,
    /// The name in the request.
    pub name: String,
    /// The form of the request. It decides the spelling of the job.
    pub style: UploadStyle,
    /// Size of the content in bytes.
    pub size: u64,
    /// The hash of the content.
    pub sha256: Sha256,
    /// Rows of the content, including skipped ones.
    rows: u64,
    pub(super) verdict: Verdict,
}

impl Upload {
    /// Hashes the content and computes the result of its processing. The caller does this costly part outside the lock.
    #[must_use]
    pub fn new(account: AccountKey, name: String, style: UploadStyle, content: &[u8]) -> Self {
        let (rows, verdict) = content::judge(&name, content);
        Self {
            size: u64::try_from(content.len()).unwrap_or(u64::MAX),
            sha256: Sha256::new(sha2::Sha256::digest(content).into()),
            account,
            name,
            style,
            rows,
            verdict,
        }
    }
}

/// A remote job.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its number.
    pub id: RemoteJobId,
    /// Its upload.
    pub upload: Upload,
    /// The name that lists show.
    pub shown: String,
    /// Time of its acceptance.
    pub created: Timestamp,
    /// Time at which its processing begins. `None`: its data source waits for a restart.
    pub(super) starts: Option<Timestamp>,
    pub(super) fate: JobFate,
    pub(super) deleted: bool,
}

impl Job {
    /// The rows of the file, for a server whose count does not show what it processed.
    pub(super) fn rows_of_file(&self) -> u64 {
        self.upload.rows.saturating_add(self.fate.extra_rows)
    }

    pub(super) fn end(&self) -> (&str, u64) {
        let word = self.fate.ends_as.as_deref();
        match self.upload.verdict {
            Verdict::Rows(rows) if !self.fate.fails => {
                let rows = rows.saturating_sub(self.fate.lost_rows).saturating_add(self.fate.extra_rows);
                (word.unwrap_or("success"), rows)
            }
            Verdict::Rows(_) | Verdict::Fails(_) => (word.unwrap_or("failure"), 0),
        }
    }

    /// The reason for which Adobe fails it. The API never reports it.
    #[must_use]
    pub fn fails_because(&self) -> Option<&'static str> {
        match self.upload.verdict {
            Verdict::Fails(reason) => Some(reason),
            Verdict::Rows(_) => self.fate.fails.then_some("a fault says so"),
        }
    }
}

/// The name of the file. It has a line for each job, and another line when a job is deleted.
const FILE: &str = "jobs.jsonl";

/// The open and locked file.
#[derive(Debug)]
pub(super) struct Kept {
    file: File,
    path: PathBuf,
}

/// A job in the file.
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
    /// `None`: its processing fails.
    rows: Option<u64>,
    /// Includes skipped rows. Files of an earlier version lack it.
    rows_of_file: Option<u64>,
    fate: JobFate,
    deleted: bool,
}

impl Kept {
    /// Opens or creates the file, and reads its jobs. Only one emulator at a time can open it.
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
            // A second line of a job means that it was deleted.
            match jobs.iter_mut().find(|known| job.deleted && known.id == job.id) {
                Some(known) => *known = job,
                None => jobs.push(job),
            }
        }
        Ok((Self { file, path }, jobs))
    }

    /// Writes the current state of a job.
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
            rows_of_file: Some(job.upload.rows),
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
            rows: line.rows_of_file.or(line.rows).unwrap_or(0),
            verdict,
        },
        shown: line.shown,
        created: Timestamp(line.created),
        starts: None,
        fate: line.fate,
        deleted: line.deleted,
    })
}
