//! Rebuilds what a lost or old job log must know before datadrop may send again (DESIGN §7, `recover`).
//!
//! The folders are one witness: each file in `sent/` and `done/` was accepted, and each file in `held/` may have been.
//! Adobe's list is the other. It shows the remote job of a file, and which names in the inbox somebody has already
//! sent. If neither decides, the file is held, because a guess could be wrong.

use crate::adobe::{ApiError, Client, Extent, JobQuery, Permit};
use crate::clock::{now, random};
use crate::config::AccountConfig;
use crate::folder::{AccountFolder, FiledFile, FolderProblem, filed_after};
use crate::inbox::read_days;
use crate::job::Timestamp;
use crate::job::{Kind, Likely, Place, RemoteJob, State, Target, classify};
use crate::joblog::{Content, JobLog, JobLogError, OpenError, Reader, Restoration, Restored};
use crate::track::{AccountFacts, judge};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// The folders of files that may have been accepted.
const WITNESSES: [Place; 3] = [Place::Sent, Place::Done, Place::Held];

/// Why an account cannot be recovered. The job log has learnt nothing about its files, but its folder may have got its
/// mark and sub-folders.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// Its folder cannot be used.
    #[error(transparent)]
    Folder(#[from] FolderProblem),
    /// The folder or a file in it cannot be read.
    #[error("{}: cannot be read: {why}; see to it and run `datadrop recover` again", path.display())]
    Unreadable {
        /// Which file or folder.
        path: PathBuf,
        /// The system's error.
        why: std::io::Error,
    },
    /// Adobe's list cannot be read.
    #[error("{0}; run `datadrop recover` again later, or with --force-new to go on without Adobe's list")]
    Api(#[from] ApiError),
    /// Adobe's list is unreliable.
    #[error("Adobe's list of jobs changed while it was read, or has no end; run `datadrop recover` again")]
    Unsteady,
    /// The job log cannot be written.
    #[error(transparent)]
    JobLog(#[from] JobLogError),
    /// The job log cannot be read.
    #[error(transparent)]
    Open(#[from] OpenError),
}

/// What was recovered for an account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Number of files that the job log did not know.
    pub files: usize,
    /// Number of these whose remote job was found.
    pub matched: usize,
    /// Number of these that a person must check.
    pub held: usize,
    /// Number of remote jobs in Adobe's list.
    pub remote_jobs: usize,
}

/// Recovers one account. `state_dir` is the directory of the job log, whose files are not files of the folder. Calls
/// `permit` for the right to send each request. Without a client it does not ask Adobe. Calls `tell` with the number of
/// files read, and their total.
///
/// # Errors
/// [`RecoverError`], with what was left unchanged.
pub async fn recover<P: Future<Output = Permit>>(
    (joblog, state_dir): (&JobLog, &Path),
    account: &AccountConfig,
    target: &Target,
    api: Option<(&Client, impl Fn() -> P)>,
    tell: impl Fn(usize, usize),
) -> Result<Recovered, RecoverError> {
    let opened = AccountFolder::reopen(&account.name, &account.folder, random())?;
    joblog.open_account(account.name.clone(), target.clone()).await?;
    let remote_jobs = match api {
        Some((client, permit)) => {
            // The API's default window, a month.
            let listing = client
                .list_all_jobs(target, JobQuery::default(), Extent::Twice, permit)
                .await
                .map_err(ApiError::from)?;
            if !listing.steady || !listing.complete {
                return Err(RecoverError::Unsteady);
            }
            Some(listing.jobs)
        }
        None => None,
    };
    let reader = joblog.reader()?;
    let files =
        survey(&reader, account, (&opened.folder, state_dir), remote_jobs.as_deref().unwrap_or_default(), tell)?;
    let recovered = Recovered {
        files: files.len(),
        matched: files.iter().filter(|file| file.remote.is_some()).count(),
        held: files.iter().filter(|file| file.state == State::Held).count(),
        remote_jobs: remote_jobs.as_ref().map_or(0, Vec::len),
    };
    let restoration = Restoration {
        account: account.name.clone(),
        folder: account.folder.clone(),
        target: target.clone(),
        mark: opened.mark,
        files,
        remote_jobs,
    };
    joblog.restore(restoration, now()).await?;
    Ok(recovered)
}

/// Lists each filed file that the job log does not know.
fn survey(
    reader: &Reader,
    account: &AccountConfig,
    (folder, state_dir): (&AccountFolder, &Path),
    remote_jobs: &[RemoteJob],
    tell: impl Fn(usize, usize),
) -> Result<Vec<Restored>, RecoverError> {
    let filed = filed_after(folder.place(Place::Inbox), &WITNESSES, i64::MIN)?;
    let mut taken: HashSet<i64> = HashSet::new();
    for remote in remote_jobs {
        if reader.owner_of_remote(&account.name, remote.remote_job_id.0)?.is_some() {
            taken.insert(remote.remote_job_id.0);
        }
    }
    let mut restored = Vec::new();
    let all = filed.len();
    for (read, FiledFile { place, disk_name, filed_ms }) in filed.into_iter().enumerate() {
        tell(read, all);
        let Some(kind) = classify(&disk_name, &account.extensions) else { continue };
        let known = reader.filed_job(&account.name, place, &disk_name)?;
        let directory = folder.place(place);
        let seen = directory.entry(&disk_name).ok().map(|entry| entry.identity);
        if known.is_some_and(|job| seen.is_none_or(|seen| job.explains_unread(&seen))) {
            continue;
        }
        let unreadable = |why| RecoverError::Unreadable { path: directory.path_of(&disk_name), why };
        let content = read_days(directory, &disk_name, kind, (state_dir, &account.extensions), || tell(read, all))
            .map_err(unreadable)?;
        if known.is_some_and(|job| job.explains(&content.fingerprint)) {
            continue;
        }
        let names = names_before_filing(&disk_name.to_string_lossy());
        let candidates: Vec<&RemoteJob> = remote_jobs
            .iter()
            .filter(|remote| !taken.contains(&remote.remote_job_id.0))
            .filter(|remote| remote.file_name.as_ref().is_some_and(|name| names.contains(name)))
            .collect();
        let fate = Fate::of(place, kind, &content, &candidates);
        taken.extend(fate.remote.iter().map(|remote| remote.remote_job_id.0));
        let file_name = fate.remote.as_ref().and_then(|remote| remote.file_name.clone());
        restored.push(Restored {
            place,
            file_name: file_name.unwrap_or_else(|| disk_name.to_string_lossy().into_owned()),
            disk_name,
            kind,
            content: content.fingerprint,
            blake3: content.blake3,
            rows_expected: i64::try_from(content.rows_expected).unwrap_or(i64::MAX),
            days: content.days,
            state: fate.state,
            reason: fate.reason,
            remote: fate.remote,
            filed_at: Timestamp(filed_ms),
        });
    }
    Ok(restored)
}

/// The name of a file, and its name before F1 added the job's number to it (DESIGN F1).
fn names_before_filing(disk_name: &str) -> Vec<String> {
    let mut names = vec![disk_name.to_owned()];
    let parts: Vec<&str> = disk_name.rsplitn(3, '.').collect();
    if let [extension, number, stem] = parts.as_slice()
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
    {
        names.push(format!("{stem}.{extension}"));
    }
    names
}

/// The state of a file, as far as the witnesses agree.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fate {
    state: State,
    reason: String,
    remote: Option<RemoteJob>,
}

impl Fate {
    fn of(place: Place, kind: Kind, content: &Content, candidates: &[&RemoteJob]) -> Self {
        let rows = i64::try_from(content.rows_expected).ok();
        let fate = |state, reason: &str| Self { state, reason: format!("recovered: {reason}"), remote: None };
        let fitting: Vec<&&RemoteJob> = candidates
            .iter()
            .filter(|remote| !matches!((remote.rows_processed, rows), (Some(more), Some(rows)) if more > rows))
            .collect();
        let only = if let [only] = fitting.as_slice() { Some((**only).clone()) } else { None };
        match (place, only) {
            (Place::Held, _) => fate(
                State::Held,
                "it lay in held/, and may have been ingested; its .why says more, and Adobe's list the rest",
            ),
            (Place::Sent, None) => fate(
                State::Held,
                "it lay in sent/, so it was accepted, but which remote job it became is unknown; look at Adobe's list",
            ),
            (Place::Done, None) => fate(State::Success, "it lay in done/; which remote job it became is unknown"),
            (Place::Sent | Place::Done, Some(remote)) => {
                let step = judge(kind, rows, &Likely::default(), AccountFacts::default(), &remote);
                let state = step.event.and_then(|event| State::Uploaded.next(event).ok()).unwrap_or(State::Uploaded);
                // A file in `done/` had already ended.
                let open = matches!(state, State::Uploaded | State::Processing);
                let state = if place == Place::Done && open { State::Success } else { state };
                let told = step.reason.map(|reason| format!("; {reason}")).unwrap_or_default();
                let reason = format!("recovered: remote job {} has its name{told}", remote.remote_job_id);
                Self { state, reason, remote: Some(remote) }
            }
            (Place::Inbox | Place::Failed | Place::Gone, _) => fate(State::Held, "what became of it is unknown"),
        }
    }
}

#[cfg(test)]
mod tests;
