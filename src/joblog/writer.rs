//! The one writer: a thread that drains what has arrived into one transaction and one fsync.

use super::{CommitTimes, Haste, JobLogError, OpenError, Reader, StateLock, open};
use crate::job::JobId;
use rusqlite::Connection;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::RecvTimeoutError;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::task::{Context, Poll};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tokio::sync::{oneshot, watch};
use tokio_util::sync::CancellationToken;

/// So many operations share one transaction at most: bounds the latency of the first.
const GROUP: usize = 512;
/// So long a transaction waits for the other uploads under way, that they share its fsync.
const GATHER: Duration = Duration::from_millis(1);
/// How often a disk that refused a commit is tried again.
const PROBE: Duration = Duration::from_secs(1);

/// A handle on the job log; clones share it.
#[derive(Clone)]
pub struct JobLog {
    commands: mpsc::Sender<Command>,
    shared: Arc<Shared>,
    /// In a simulation there is no thread: each operation is a commit of its own, made at once.
    #[cfg(test)]
    at_once: Option<Arc<at_once::AtOnce>>,
}

struct Shared {
    dir: PathBuf,
    changes: watch::Sender<u64>,
    storage: watch::Sender<Option<String>>,
    /// Wakes an account's folder when it has files to move.
    unfiled: Mutex<HashMap<String, Wake>>,
    /// Stops the attempts of jobs that a person takes back.
    under_way: Mutex<HashMap<(JobId, u32), CancellationToken>>,
    commits: AtomicU64,
    commit_times: Arc<CommitTimes>,
    pulse: AtomicU64,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Shared {
    fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            changes: watch::Sender::new(0),
            storage: watch::Sender::new(None),
            unfiled: Mutex::new(HashMap::new()),
            under_way: Mutex::new(HashMap::new()),
            commits: AtomicU64::new(0),
            commit_times: Arc::default(),
            pulse: AtomicU64::new(0),
            thread: Mutex::new(None),
        }
    }
}

/// What an operation did that others must hear of once it is durable.
#[derive(Default)]
pub(super) struct Effects {
    /// Accounts with files to move.
    pub(super) unfiled: BTreeMap<String, Haste>,
    /// Attempts under way that must not go on: the job, and the number of the attempt.
    pub(super) taken_back: Vec<(JobId, u32)>,
    /// Something may now be due, or a job changed.
    pub(super) changed: bool,
}

impl Effects {
    /// The file of a job of this account is to be moved.
    pub(super) fn note_unfiled(&mut self, account: String, haste: Haste) {
        let noted = self.unfiled.entry(account).or_insert(haste);
        *noted = haste.max(*noted);
    }
}

type Wake = Box<dyn Fn(Haste) + Send>;
type Reply = Box<dyn FnOnce(Result<(), JobLogError>) + Send>;
/// Runs in the transaction, or hears that none could be begun.
type Operation = Box<dyn FnOnce(Result<&Connection, JobLogError>, &mut Effects) -> Reply + Send>;

enum Command {
    Run(Operation),
    Beat,
    Stop,
}

/// The answer to an operation: comes only after it is durable.
pub struct Pending<R>(oneshot::Receiver<Result<R, JobLogError>>);

impl<R> Pending<R> {
    /// Waits on a thread of one's own; never inside the async runtime.
    ///
    /// # Errors
    /// What the operation or the commit said.
    pub fn wait(self) -> Result<R, JobLogError> {
        self.0.blocking_recv().unwrap_or(Err(JobLogError::Closed))
    }
}

impl<R> Future for Pending<R> {
    type Output = Result<R, JobLogError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|answer| answer.unwrap_or(Err(JobLogError::Closed)))
    }
}

impl JobLog {
    /// Opens the job log and starts its writer. The lock lives as long as the writer.
    ///
    /// # Errors
    /// [`OpenError`] if the database cannot be used as it is.
    pub fn open(state: StateLock) -> Result<Self, OpenError> {
        let connection = open::open_writer(&state)?;
        let dir = state.dir().to_owned();
        let (commands, inbox) = mpsc::channel();
        let shared = Arc::new(Shared::new(dir.clone()));
        let writer = Writer { connection, shared: Arc::clone(&shared), _lock: state };
        let thread = std::thread::Builder::new()
            .name("job-log".to_owned())
            .spawn(move || writer.run(&inbox))
            .map_err(|error| OpenError::StateDir { dir, why: error.to_string() })?;
        *lock(&shared.thread) = Some(thread);
        Ok(Self {
            commands,
            shared,
            #[cfg(test)]
            at_once: None,
        })
    }

    /// A reading connection of its own.
    ///
    /// # Errors
    /// [`OpenError`] if it cannot be opened.
    pub fn reader(&self) -> Result<Reader, OpenError> {
        Reader::open(&self.shared.dir)
    }

    /// The state directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.shared.dir
    }

    /// Changes with every commit that may make something due.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.shared.changes.subscribe()
    }

    /// Why nothing can be written at the moment; `None` while all is well.
    #[must_use]
    pub fn storage(&self) -> watch::Receiver<Option<String>> {
        self.shared.storage.subscribe()
    }

    /// Calls `wake` whenever files of this account are to be moved.
    pub fn on_unfiled(&self, account: &str, wake: impl Fn(Haste) + Send + 'static) {
        lock(&self.shared.unfiled).insert(account.to_owned(), Box::new(wake));
    }

    /// Cancels `stop` when a person takes this job back while this attempt is under way, until [`JobLog::attempt_ended`].
    pub fn on_taken_back(&self, id: JobId, attempt: u32, stop: CancellationToken) {
        lock(&self.shared.under_way).insert((id, attempt), stop);
    }

    /// The attempt is over: nothing is left to stop.
    pub fn attempt_ended(&self, id: JobId, attempt: u32) {
        lock(&self.shared.under_way).remove(&(id, attempt));
    }

    /// Transactions made durable since the start.
    #[must_use]
    pub fn commits(&self) -> u64 {
        self.shared.commits.load(Ordering::Relaxed)
    }

    /// How long commits take.
    #[must_use]
    pub fn commit_times(&self) -> Arc<CommitTimes> {
        Arc::clone(&self.shared.commit_times)
    }

    /// Counts the writer's turns: a proof of life. Asks for one more.
    #[must_use]
    pub fn pulse(&self) -> u64 {
        let _ = self.commands.send(Command::Beat);
        self.shared.pulse.load(Ordering::Relaxed)
    }

    /// Ends the writer once everything before this call is durable, and waits for it: then the lock is free.
    pub fn close(&self) {
        let _ = self.commands.send(Command::Stop);
        if let Some(thread) = lock(&self.shared.thread).take() {
            // A writer that panicked has answered nobody, which its callers have seen.
            let _ = thread.join();
        }
    }

    /// Whether the writer has ended before it was told to.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        lock(&self.shared.thread).as_ref().is_some_and(JoinHandle::is_finished)
    }

    /// Runs one operation; the answer comes when it is durable.
    pub(super) fn call<R: Send + 'static>(
        &self,
        operation: impl FnOnce(&Connection, &mut Effects) -> Result<R, JobLogError> + Send + 'static,
    ) -> Pending<R> {
        let (reply, pending) = oneshot::channel();
        let run: Operation = Box::new(move |connection, effects| {
            let mut own = Effects::default();
            let result = connection.and_then(|connection| in_savepoint(connection, || operation(connection, &mut own)));
            if result.is_ok() {
                for (account, haste) in own.unfiled {
                    effects.note_unfiled(account, haste);
                }
                effects.taken_back.append(&mut own.taken_back);
                effects.changed |= own.changed;
            }
            Box::new(move |commit| {
                // A dropped receiver means that nobody waits for the answer; the operation stands.
                let _ = reply.send(commit.and(result));
            })
        });
        #[cfg(test)]
        if let Some(at_once) = &self.at_once {
            at_once.run(run);
            return Pending(pending);
        }
        // A closed channel drops `reply`, which the caller sees as `Closed`.
        let _ = self.commands.send(Command::Run(run));
        Pending(pending)
    }
}

impl fmt::Debug for JobLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JobLog").field("dir", &self.shared.dir).finish_non_exhaustive()
    }
}

/// One failing operation must not take its neighbours in the group with it.
fn in_savepoint<R>(
    connection: &Connection,
    operation: impl FnOnce() -> Result<R, JobLogError>,
) -> Result<R, JobLogError> {
    connection.prepare_cached("SAVEPOINT operation")?.execute([])?;
    let result = operation();
    if result.is_err() && !connection.is_autocommit() {
        connection.prepare_cached("ROLLBACK TO operation")?.execute([])?;
    }
    if !connection.is_autocommit() {
        connection.prepare_cached("RELEASE operation")?.execute([])?;
    }
    result
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Writer {
    connection: Connection,
    shared: Arc<Shared>,
    _lock: StateLock,
}

impl Writer {
    fn run(self, inbox: &mpsc::Receiver<Command>) {
        let mut probed = Instant::now();
        loop {
            let is_well = self.shared.storage.borrow().is_none();
            if !is_well && probed.elapsed() >= PROBE {
                self.probe();
                probed = Instant::now();
                continue;
            }
            let first = if is_well { inbox.recv().map_err(RecvTimeoutError::from) } else { inbox.recv_timeout(PROBE) };
            let first = match first {
                Ok(command) => command,
                Err(RecvTimeoutError::Timeout) => continue,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            self.shared.pulse.fetch_add(1, Ordering::Relaxed);
            let (group, stop) = self.gather(first, inbox);
            if !group.is_empty() {
                self.commit(group);
            }
            if stop {
                let _ = self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
                return;
            }
        }
    }

    /// What has arrived by now or comes within a moment, and whether that is all there will ever be.
    fn gather(&self, first: Command, inbox: &mpsc::Receiver<Command>) -> (Vec<Operation>, bool) {
        let mut group = Vec::new();
        let mut next = Some(first);
        // As many as there are uploads under way write soon, most often; where there is none, or one, nothing is waited for.
        let expected = lock(&self.shared.under_way).len();
        let until = Instant::now() + GATHER;
        while let Some(command) = next {
            match command {
                Command::Run(operation) => group.push(operation),
                Command::Beat => {}
                Command::Stop => return (group, true),
            }
            next = if group.len() >= GROUP {
                None
            } else if group.len() >= expected {
                inbox.try_recv().ok()
            } else {
                inbox.recv_timeout(until.saturating_duration_since(Instant::now())).ok()
            };
        }
        (group, false)
    }

    fn commit(&self, group: Vec<Operation>) {
        let mut effects = Effects::default();
        let mut replies = Vec::with_capacity(group.len());
        let begun = self.connection.prepare_cached("BEGIN IMMEDIATE").and_then(|mut begin| begin.execute([]));
        let outcome = match begun {
            Ok(_) => {
                for operation in group {
                    // SQLite gives a whole transaction up where the disk is full; outside it nothing may be written.
                    let connection = if self.connection.is_autocommit() {
                        Err(JobLogError::Storage("the transaction was rolled back".to_owned()))
                    } else {
                        Ok(&self.connection)
                    };
                    replies.push(operation(connection, &mut effects));
                }
                if self.connection.is_autocommit() {
                    // SQLite gave the whole transaction up (a full disk does that).
                    Err(JobLogError::Storage("the transaction was rolled back".to_owned()))
                } else {
                    self.end_transaction()
                }
            }
            Err(error) => {
                let error = JobLogError::from(error);
                for operation in group {
                    replies.push(operation(Err(error.clone()), &mut effects));
                }
                Err(error)
            }
        };
        if outcome.is_err() && !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        // Only the probe calls the disk well again: a transaction without a change commits on a full one, too.
        if let Err(error) = outcome.clone().and_then(|()| self.free_space()) {
            self.note_storage(Some(&error));
        }
        for reply in replies {
            reply(outcome.clone());
        }
        if outcome.is_ok() {
            self.shared.commits.fetch_add(1, Ordering::Relaxed);
            self.announce(&effects);
        }
    }

    /// The one fsync of a group.
    fn end_transaction(&self) -> Result<(), JobLogError> {
        #[cfg(test)]
        crate::ambient::simulated::sync()?;
        let begun = Instant::now();
        self.connection.prepare_cached("COMMIT")?.execute([])?;
        self.shared.commit_times.count(begun.elapsed());
        Ok(())
    }

    fn announce(&self, effects: &Effects) {
        if !effects.unfiled.is_empty() {
            let wakers = lock(&self.shared.unfiled);
            for (account, haste) in &effects.unfiled {
                if let Some(wake) = wakers.get(account) {
                    wake(*haste);
                }
            }
        }
        if !effects.taken_back.is_empty() {
            let under_way = lock(&self.shared.under_way);
            for stop in effects.taken_back.iter().filter_map(|attempt| under_way.get(attempt)) {
                stop.cancel();
            }
        }
        if effects.changed {
            self.shared.changes.send_modify(|count| *count += 1);
        }
    }
}

mod storage;

#[cfg(test)]
pub(super) mod at_once;
#[cfg(test)]
mod tests;
