//! Carries out what people want of jobs, for each account by itself: it looks at files, and a folder may hang (DESIGN F10).

use crate::daemon::operator::carry_out_within;
use crate::joblog::{Executor, JobLog, JobLogError};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::task::JoinSet;

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

    /// Carries out what nobody has answered, and says whether all is answered then. `patience`: the wait for moves that
    /// earlier steps of the jobs want.
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
