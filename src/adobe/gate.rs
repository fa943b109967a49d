//! The gate before the last bytes of an upload, and how the reading of its file goes.
//!
//! The upload and the transport run in different tasks. Whether the last bytes went is decided in one place, under one
//! lock, once: the server can have the whole message only if [`Gate::pass`] said so (DESIGN A3).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::time::Instant;

/// Between an upload and its body.
#[derive(Debug)]
pub(super) struct Gate(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    state: State,
    waiting_for: Party,
    since: Instant,
    transport: Option<Waker>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Content goes through, the last bytes do not.
    Held,
    /// The last bytes may go.
    Open,
    /// The last bytes were handed to the transport.
    Passed,
    /// The server answered early: nothing goes through any more, but the answer is still being read.
    Shut,
    /// The body fails, which closes the connection.
    Broken,
}

/// Who has to do something for the body to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Party {
    /// The transport, and behind it the server.
    Transport,
    /// The disk.
    Reader,
    /// Whoever makes the phase `committing` durable.
    Commit,
}

/// The body is to fail.
#[derive(Debug)]
pub(super) struct Aborted;

impl Gate {
    pub(super) fn new() -> Self {
        Self(Mutex::new(Inner {
            state: State::Held,
            waiting_for: Party::Transport,
            since: Instant::now(),
            transport: None,
        }))
    }

    /// The transport asks for content.
    pub(super) fn content(&self, cx: &Context<'_>) -> Poll<Result<(), Aborted>> {
        let mut inner = self.lock();
        match inner.state {
            State::Held | State::Open | State::Passed => {
                inner.remember(cx);
                Poll::Ready(Ok(()))
            }
            State::Shut => {
                inner.remember(cx);
                Poll::Pending
            }
            State::Broken => Poll::Ready(Err(Aborted)),
        }
    }

    /// The transport asks for the last bytes. If this is `Ready(Ok)` they count as sent, whatever comes of it.
    pub(super) fn pass(&self, cx: &Context<'_>) -> Poll<Result<(), Aborted>> {
        let mut inner = self.lock();
        match inner.state {
            State::Open | State::Passed => {
                inner.state = State::Passed;
                inner.waits_for(Party::Transport);
                Poll::Ready(Ok(()))
            }
            State::Held | State::Shut => {
                inner.remember(cx);
                Poll::Pending
            }
            State::Broken => Poll::Ready(Err(Aborted)),
        }
    }

    /// Lets the last bytes through.
    pub(super) fn open(&self) {
        let mut inner = self.lock();
        if inner.state == State::Held {
            inner.state = State::Open;
            inner.waits_for(Party::Transport);
            inner.wake();
        }
    }

    /// Lets nothing through any more. Says whether the last bytes went before.
    pub(super) fn shut(&self) -> bool {
        self.end(State::Shut)
    }

    /// Lets nothing through any more and closes the connection. Says whether the last bytes went before.
    pub(super) fn abort(&self) -> bool {
        self.end(State::Broken)
    }

    fn end(&self, how: State) -> bool {
        let mut inner = self.lock();
        if inner.state == State::Passed {
            return true;
        }
        if inner.state != State::Broken {
            inner.state = how;
        }
        inner.wake();
        false
    }

    pub(super) fn waits_for(&self, party: Party) {
        self.lock().waits_for(party);
    }

    /// Who is waited for, and since when.
    pub(super) fn waiting(&self) -> (Party, Instant) {
        let inner = self.lock();
        (inner.waiting_for, inner.since)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn waits_for(&mut self, party: Party) {
        // The transport may ask more than once for what the disk does not give.
        if (self.waiting_for, party) == (Party::Reader, Party::Reader) {
            return;
        }
        self.waiting_for = party;
        self.since = Instant::now();
    }

    fn remember(&mut self, cx: &Context<'_>) {
        if !self.transport.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.transport = Some(cx.waker().clone());
        }
    }

    fn wake(&mut self) {
        if let Some(waker) = self.transport.take() {
            waker.wake();
        }
    }
}

// How the reading of an uploaded file goes, for whoever shares out uploads (DESIGN F10).
//
// A thread that reads from a dead share hangs for as long as the kernel likes, whatever becomes of its upload.

/// The reading of one file.
#[derive(Debug, Default)]
pub struct Reading {
    gate: Mutex<Option<Arc<Gate>>>,
    threads: AtomicUsize,
}

/// Held by the thread that reads.
pub(super) struct AtWork(Arc<Reading>);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.threads.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Reading {
    /// Time for which the upload has waited for bytes of its file; `None` if it waits for something else.
    #[must_use]
    pub fn silent_for(&self) -> Option<Duration> {
        let gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let (party, since) = gate.as_ref()?.waiting();
        (party == Party::Reader).then(|| Instant::now().saturating_duration_since(since))
    }

    /// Whether no thread reads the file any more.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.threads.load(Ordering::Relaxed) == 0
    }

    pub(super) fn follow(&self, gate: &Arc<Gate>) {
        *self.gate.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(gate));
    }

    pub(super) fn begin(self: &Arc<Self>) -> AtWork {
        self.threads.fetch_add(1, Ordering::Relaxed);
        AtWork(Arc::clone(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_bytes_either_went_or_never_go() {
        let cx = Context::from_waker(Waker::noop());
        let gate = Gate::new();
        assert!(gate.pass(&cx).is_pending());
        gate.open();
        assert!(matches!(gate.pass(&cx), Poll::Ready(Ok(()))));
        assert!(gate.shut());
        assert!(gate.abort());

        let gate = Gate::new();
        gate.open();
        assert!(!gate.shut(), "opened, but nobody passed");
        assert!(gate.pass(&cx).is_pending());
        gate.open();
        assert!(gate.pass(&cx).is_pending(), "shut for good");
        assert!(gate.content(&cx).is_pending());
        assert!(!gate.abort());
        assert!(matches!(gate.pass(&cx), Poll::Ready(Err(Aborted))));
        assert!(!gate.shut());
        assert!(matches!(gate.content(&cx), Poll::Ready(Err(Aborted))));
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_wait_for_the_disk_counts_and_however_often_it_is_asked() {
        let reading = Arc::new(Reading::default());
        assert_eq!(reading.silent_for(), None);
        let gate = Arc::new(Gate::new());
        reading.follow(&gate);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(reading.silent_for(), None, "the server is waited for");
        gate.waits_for(Party::Reader);
        tokio::time::advance(Duration::from_secs(1)).await;
        gate.waits_for(Party::Reader);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(reading.silent_for(), Some(Duration::from_secs(2)));
        gate.waits_for(Party::Transport);
        gate.waits_for(Party::Reader);
        assert_eq!(reading.silent_for(), Some(Duration::ZERO));
    }

    #[test]
    fn a_thread_is_at_work_until_it_ends() {
        let reading = Arc::new(Reading::default());
        assert!(reading.has_ended());
        let at_work = reading.begin();
        assert!(!reading.has_ended());
        drop(at_work);
        assert!(reading.has_ended());
    }
}
