//! The one writer: a thread that drains what has arrived into one transaction and one fsync.

use super::database_files::Files;
use super::errors::{JobLogError, OpenError, StorageProblem};
use super::lock::StateLock;
use super::open::{Purpose, open_beside_writer, open_writer, progress_of};
use super::reader::Reader;
use super::timing::CommitTimes;
use super::unit_of_work::{Effects, Haste, Unit};
use crate::job::JobId;
use rusqlite::Connection;
use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
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

/// Maximum number of operations that share one transaction: it bounds the latency of the first.
const GROUP: usize = 512;
/// Time that a transaction waits for other uploads in flight, so that one fsync serves them all.
const GATHER: Duration = Duration::from_millis(1);
/// Interval between probes of a disk that refused a commit.
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
    storage: watch::Sender<Option<StorageProblem>>,
    /// Every reading connection of the process. None closes before the writer does: one without a user waits for the next
    /// (DESIGN §8).
    readers: Mutex<Vec<Arc<Mutex<Connection>>>>,
    /// Wakes an account's folder when it has files to move.
    unfiled: Mutex<HashMap<String, Wake>>,
    /// Stops the attempts of jobs that a person takes back.
    under_way: Mutex<HashMap<(JobId, u32), CancellationToken>>,
    commits: AtomicU64,
    commit_times: Arc<CommitTimes>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Shared {
    fn new(dir: PathBuf) -> Self {
        Self {
            dir,
            changes: watch::Sender::new(0),
            storage: watch::Sender::new(None),
            readers: Mutex::new(Vec::new()),
            unfiled: Mutex::new(HashMap::new()),
            under_way: Mutex::new(HashMap::new()),
            commits: AtomicU64::new(0),
            commit_times: Arc::default(),
            thread: Mutex::new(None),
        }
    }
}

type Wake = Box<dyn Fn(Haste) + Send>;
/// Returns whether all went well.
type Operation = Box<dyn FnMut(Stage<'_>) -> bool + Send>;

/// What the writer wants of an operation.
enum Stage<'a> {
    /// To be run in the transaction.
    Run(&'a Connection, &'a mut Effects),
    /// To answer its caller, now that it is known what became of the transaction.
    Answer(Result<(), JobLogError>),
}

enum Command {
    Run(Operation),
    Compare,
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
        Self::open_for(Purpose::Work, state)
    }

    /// Opens a job log that was lost, or is not the one that it should be, to make it know again what it must
    /// (DESIGN §7, `recover`). [`StateLock::note_rebuilt`] ends that.
    ///
    /// # Errors
    /// As [`JobLog::open`].
    pub fn open_to_rebuild(state: StateLock) -> Result<Self, OpenError> {
        Self::open_for(Purpose::Rebuild, state)
    }

    fn open_for(purpose: Purpose, state: StateLock) -> Result<Self, OpenError> {
        let dir = state.dir().to_owned();
        let (commands, inbox) = mpsc::channel();
        let shared = Arc::new(Shared::new(dir.clone()));
        let writer = Writer::open(purpose, state, Arc::clone(&shared))?;
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
        let mut readers = lock(&self.shared.readers);
        if let Some(idle) = readers.iter().find(|reader| Arc::strong_count(reader) == 1) {
            return Ok(Reader(Arc::clone(idle)));
        }
        let reader = Reader::of(open_beside_writer(&self.shared.dir)?);
        readers.push(Arc::clone(&reader.0));
        Ok(reader)
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
    pub fn storage(&self) -> watch::Receiver<Option<StorageProblem>> {
        self.shared.storage.subscribe()
    }

    /// Calls `wake` whenever files of this account are to be moved.
    pub fn on_unfiled(&self, account: &str, wake: impl Fn(Haste) + Send + 'static) {
        lock(&self.shared.unfiled).insert(account.to_owned(), Box::new(wake));
    }

    /// Cancels `stop` when a person takes this job back while this attempt is in progress, until
    /// [`JobLog::attempt_ended`].
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

    /// Has the writer compare the files with those that it opened, as it does before each commit.
    pub fn compare_files(&self) {
        let _ = self.commands.send(Command::Compare);
    }

    /// Ends the writer once everything before this call is durable, and waits for it: then the lock is free.
    pub fn close(&self) {
        let _ = self.commands.send(Command::Stop);
        if let Some(thread) = lock(&self.shared.thread).take() {
            // A writer that panicked has answered no caller, and they have seen that.
            let _ = thread.join();
        }
    }

    /// Whether the writer has ended without an order to stop.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        lock(&self.shared.thread).as_ref().is_some_and(JoinHandle::is_finished)
    }

    /// Runs one operation; the answer comes when it is durable. It may run twice: once more where another that arrived
    /// together with it had to be undone.
    pub(super) fn call<R: Send + 'static>(
        &self,
        mut operation: impl FnMut(&mut Unit<'_>) -> Result<R, JobLogError> + Send + 'static,
    ) -> Pending<R> {
        let (reply, pending) = oneshot::channel();
        let (mut reply, mut result) = (Some(reply), Err(JobLogError::Closed));
        let run: Operation = Box::new(move |stage| match stage {
            Stage::Run(connection, effects) => {
                let mut unit = Unit::new(connection);
                result = guarded(|| operation(&mut unit));
                if result.is_ok() {
                    effects.append(unit.effects);
                }
                result.is_ok()
            }
            Stage::Answer(commit) => {
                if let Some(reply) = reply.take() {
                    // A dropped receiver means that no one waits for the answer; the operation stands.
                    let _ = reply.send(commit.and_then(|()| mem::replace(&mut result, Err(JobLogError::Closed))));
                }
                true
            }
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

/// A defect costs the operation that shows it, not the writer (DESIGN F10). The panic hook logs it whole.
fn guarded<R>(operation: impl FnOnce() -> Result<R, JobLogError>) -> Result<R, JobLogError> {
    catch_unwind(AssertUnwindSafe(operation))
        .unwrap_or_else(|_| Err(JobLogError::Impossible("an operation broke off by a defect".to_owned())))
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Writer {
    connection: Connection,
    // Closes after the connection, and the lock after that.
    files: Files,
    state: StateLock,
    shared: Arc<Shared>,
    /// The number that the database carries since it was opened.
    run: Option<i64>,
    /// The newest event when it was last committed.
    events: Cell<i64>,
    /// Runs after another process wrote to the database.
    examination: RefCell<Option<JoinHandle<rusqlite::Result<bool>>>>,
    /// Set for good once the files are no longer those that others find.
    lost: OnceCell<StorageProblem>,
}

impl Writer {
    fn open(purpose: Purpose, state: StateLock, shared: Arc<Shared>) -> Result<Self, OpenError> {
        let connection = open_writer(&state, purpose)?;
        let unusable = |why: String| OpenError::StateDir { dir: state.dir().to_owned(), why };
        let files = Files::in_use(state.dir()).map_err(|error| unusable(error.to_string()))?;
        let (run, events) = progress_of(&connection).map_err(|error| unusable(error.to_string()))?;
        let events = Cell::new(events);
        Ok(Self {
            connection,
            files,
            state,
            shared,
            run,
            events,
            examination: RefCell::default(),
            lost: OnceCell::new(),
        })
    }

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
            let (group, stop) = self.gather(first, inbox);
            if group.is_empty() {
                // What nothing is written to may be gone as well.
                if let Err(error) = self.compare() {
                    self.note_storage(Some(&error));
                }
            } else {
                self.commit(group);
            }
            if stop {
                if self.lost.get().is_none() {
                    let _ = self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)");
                }
                // The last connection to close removes the write-ahead log, which a reading connection cannot do.
                lock(&self.shared.readers).clear();
                return;
            }
        }
    }

    /// What has arrived by now or comes within a moment, and whether that is all there will ever be.
    fn gather(&self, first: Command, inbox: &mpsc::Receiver<Command>) -> (Vec<Operation>, bool) {
        let mut group = Vec::new();
        let mut next = Some(first);
        // As many as there are uploads in flight write soon, most often; where there is none, or one, nothing is waited
        // for.
        let expected = lock(&self.shared.under_way).len();
        let until = Instant::now() + GATHER;
        while let Some(command) = next {
            match command {
                Command::Run(operation) => group.push(operation),
                Command::Compare => {}
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
}

mod commit;
mod storage;

#[cfg(test)]
pub(super) mod at_once;
#[cfg(test)]
mod tests;
