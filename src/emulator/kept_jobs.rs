//! Jobs as the emulator keeps them, in memory and over restarts (`--state`).

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

/// An upload as it was accepted; the content itself is not kept.
#[derive(Debug, Clone)]
pub struct Upload {
    /// Where it went.
    pub account: AccountKey,
    /// The name sent.
    pub name: String,
    /// How the request was shaped; decides how its job is spelled.
    pub style: UploadStyle,
    /// Bytes of the content.
    pub size: u64,
    /// The content.
    pub sha256: Sha256,
    /// Rows of the content, skipped ones included.
    rows: u64,
    pub(super) verdict: Verdict,
}

impl Upload {
    /// Hashes the content and decides how its processing will end. The costly part, kept out of the lock.
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
    /// What it was made of.
    pub upload: Upload,
    /// The name that lists show.
    pub shown: String,
    /// When it was accepted.
    pub created: Timestamp,
    /// When its processing begins. `None`: its data source waits for a restart.
    pub(super) starts: Option<Timestamp>,
    pub(super) fate: JobFate,
    pub(super) deleted: bool,
}

impl Job {
    /// Rows of the file, as a server counts them that does not say what it processed.
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

    /// Why Adobe fails it, which the API never tells.
    #[must_use]
    pub fn fails_because(&self) -> Option<&'static str> {
        match self.upload.verdict {
            Verdict::Fails(reason) => Some(reason),
            Verdict::Rows(_) => self.fate.fails.then_some("a fault says so"),
        }
    }
}

/// The name of the file: a line for each job, and another when it is deleted.
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
    /// Skipped rows included. An earlier version did not write it.
    rows_of_file: Option<u64>,
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
