//! Carries out what people want done with jobs. The holder of the lock of the state directory does it: the daemon,
//! which a command pokes, or the command itself if no daemon runs (DESIGN §7).
//!
//! It looks at the files first, outside of any transaction. The job log then decides and records each in one step.

use crate::clock::{now, random_digits};
use crate::config::{AccountConfig, Config};
use crate::folder::directory::{Directory, Entry};
use crate::job::JobId;
use crate::joblog::{Executor, FileNow, JobLog, JobLogError};
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// Maximum number of instructions that are carried out before their answers are awaited.
const AT_ONCE: usize = 256;
/// Time that a move usually takes.
const MOVED_BY: Duration = Duration::from_millis(10);

/// What carrying out takes of a configuration.
#[must_use]
pub fn executors(config: &Config) -> Vec<Executor> {
    let executor = |account: &AccountConfig| Executor {
        account: account.name.clone(),
        folder: account.folder.clone(),
        wire_name: account.wire_name,
        target: account.target(&config.api),
    };
    config.accounts.iter().map(executor).collect()
}

/// The same for one account, and again until all are answered or the time is over: moves take a moment.
///
/// # Errors
/// [`JobLogError`], as above.
pub fn carry_out_within(
    joblog: &JobLog,
    executors: &[Executor],
    account: &str,
    patience: Duration,
) -> Result<bool, JobLogError> {
    let over = Instant::now() + patience;
    loop {
        let all = carry_out(joblog, executors, |of| of == account, || ())?;
        if all || Instant::now() >= over {
            return Ok(all);
        }
        std::thread::sleep(MOVED_BY);
    }
}

/// Carries out every unanswered instruction on jobs of these accounts, oldest first, and returns whether all are
/// answered then: one whose file has still to be moved is not. Blocks on the disk and on folders. Calls `alive` for
/// each.
///
/// # Errors
/// [`JobLogError`]; what is not answered by then is carried out the next time.
pub fn carry_out(
    joblog: &JobLog,
    executors: &[Executor],
    is_wanted: impl Fn(&str) -> bool,
    alive: impl Fn(),
) -> Result<bool, JobLogError> {
    let mut all = true;
    let mut open = joblog.open_instructions().wait()?;
    open.retain(|open| is_wanted(&open.account));
    // As many at once as share a few fsyncs, and in their order: the job log takes one after the other.
    while !open.is_empty() {
        let rest = open.split_off(open.len().min(AT_ONCE));
        let under_way: Vec<_> = open
            .iter()
            .map(|open| {
                alive();
                let files = open.paths.iter().map(|(job, path)| file_now(*job, path)).collect();
                joblog.carry_out(open.id, executors.to_vec(), files, random_digits(), now())
            })
            .collect();
        for answered in under_way {
            match answered.wait() {
                Ok(done) => all &= done,
                // It costs this job its turn, and no other (DESIGN F10).
                Err(error @ (JobLogError::BadRow { .. } | JobLogError::Impossible(_) | JobLogError::NoSuchJob(_))) => {
                    tracing::error!("what is wanted of a job is not done: {error}");
                    all = false;
                }
                Err(error) => return Err(error),
            }
        }
        open = rest;
    }
    Ok(all)
}

/// What lies at the path that the job log has of a job's file.
fn file_now(job: JobId, path: &Path) -> FileNow {
    let folder = path.parent().and_then(|folder| Directory::open(folder).ok());
    let found = folder.zip(path.file_name());
    FileNow {
        job,
        identity: found
            .as_ref()
            .and_then(|(folder, name)| folder.entry(name).ok())
            .filter(Entry::is_plain)
            .map(|entry| entry.identity),
        can_be_read: found.is_some_and(|(folder, name)| folder.can_read(name)),
    }
}

// Carries out what people want of jobs, for each account by itself: it looks at files, and a folder may hang (DESIGN F10).

/// Timeout for the folders of jobs that something is wanted of: longer than moves are waited for.
const FOLDERS_ANSWER: Duration = Duration::from_secs(6);

/// One account's turn: a thread at a time, however often somebody asks.
#[derive(Debug, Default)]
struct Turn {
    thread: Arc<tokio::sync::Mutex<()>>,
    /// The last thread did not end in time.
    hangs: AtomicBool,
}

/// Who carries it out.
#[derive(Debug, Clone)]
pub(super) struct Hands {
    joblog: JobLog,
    turns: Arc<Mutex<HashMap<String, Arc<Turn>>>>,
}

impl Hands {
    pub(super) fn new(joblog: JobLog) -> Self {
        Self { joblog, turns: Arc::default() }
    }

    /// Carries out the unanswered instructions, and returns whether all are answered then. `patience`: the wait for
    /// moves that earlier steps of the jobs want.
    ///
    /// # Errors
    /// [`JobLogError`] if the job log cannot be read.
    pub(super) async fn carry_out(&self, executors: Vec<Executor>, patience: Duration) -> Result<bool, JobLogError> {
        let open = self.joblog.open_instructions().await?;
        let accounts: BTreeSet<String> = open.into_iter().map(|open| open.account).collect();
        let mut started = Vec::new();
        let mut ends = JoinSet::new();
        let mut all = true;
        for account in accounts {
            let Some(turn) = self.turn_of(&account) else {
                all = false;
                continue;
            };
            let (joblog, executors) = (self.joblog.clone(), executors.clone());
            let thread = Arc::clone(&turn.thread);
            started.push((account.clone(), turn));
            ends.spawn(async move {
                let at_work = thread.lock_owned().await;
                let work = move || {
                    let done = carry_out_within(&joblog, &executors, &account, patience);
                    drop(at_work);
                    done.unwrap_or_else(|error| {
                        tracing::error!(
                            account,
                            "account {account}: what is wanted of its jobs is not done yet: {error}"
                        );
                        false
                    })
                };
                tokio::task::spawn_blocking(work).await.unwrap_or(false)
            });
        }
        let over = tokio::time::sleep(FOLDERS_ANSWER);
        tokio::pin!(over);
        loop {
            tokio::select! {
                end = ends.join_next() => match end {
                    Some(end) => all &= end.unwrap_or(false),
                    None => return Ok(all),
                },
                () = &mut over => break,
            }
        }
        for (account, turn) in started {
            if turn.thread.try_lock().is_err() && !turn.hangs.swap(true, Ordering::Relaxed) {
                tracing::error!(
                    account,
                    "account {account}: what is wanted of its jobs is not done yet: its folder does not answer; it is tried again"
                );
            }
        }
        // Who still waits for a turn gives it up; a thread cannot be given up.
        Ok(false)
    }

    /// `None` while the account's last thread hangs.
    fn turn_of(&self, account: &str) -> Option<Arc<Turn>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = turns.entry(account.to_owned()).or_default();
        if turn.hangs.load(Ordering::Relaxed) {
            turn.hangs.store(turn.thread.try_lock().is_err(), Ordering::Relaxed);
        }
        (!turn.hangs.load(Ordering::Relaxed)).then(|| Arc::clone(turn))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Duplicates;
    use crate::job::{Timestamp, Verb};
    use crate::joblog::fixtures::{arrives, opened};
    use crate::joblog::{Instruction, instruct};

    #[test]
    fn many_instructions_share_few_commits_and_are_answered_in_their_order() {
        let (dir, log) = opened();
        let jobs: Vec<JobId> =
            (1..=200).map(|file| arrives(&log, &format!("{file}.txt"), file, Duplicates::Hold).id).collect();
        let want = |verb, job| Instruction { job, verb, by: "anna".to_owned(), seen: None };
        let mut wanted: Vec<_> = jobs.iter().map(|&job| want(Verb::Cancel { force: false }, job)).collect();
        // Refused, for it comes after the cancel.
        wanted.push(want(Verb::Hold, jobs[0]));
        let ids = instruct(dir.path(), &wanted, Timestamp(1)).unwrap();
        let before = log.commits();
        let executor = Executor {
            account: "a".to_owned(),
            folder: dir.path().to_owned(),
            wire_name: crate::config::WireName::Keep,
            target: crate::joblog::fixtures::target(),
        };
        carry_out(&log, &[executor], |_| true, || ()).unwrap();
        let commits = log.commits() - before;
        let answers = log.reader().unwrap().answers(&ids).unwrap();
        let (last, cancelled) = answers.split_last().unwrap();
        assert_eq!((cancelled.len(), cancelled.iter().filter(|answer| answer.done).count()), (200, 200));
        assert!(!last.done && last.id == ids[200], "{last:?}");
        assert!(commits <= 20, "{commits} commits for {} instructions", ids.len());
    }
}
