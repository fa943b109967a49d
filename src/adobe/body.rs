//! The body of an upload: of exact length, in constant memory, and complete only if its gate allows it.

use super::budget::Permit;
use super::file::{Chunk, Encoding, FileFault, Piece};
use crate::job::UploadStyle;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use reqwest::Method;
use serde_json::Value;
use std::hash::{BuildHasher, RandomState};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// The body that the transport pulls.
///
/// The content comes first. Then the body reports that the tail is wanted, and waits at the [`Gate`]. If reading the
/// file fails, the body fails too. The transport then closes the connection, so the server holds an incomplete message.
pub(super) struct UploadBody {
    /// Read before the request was made.
    pub(super) first: Option<Chunk>,
    pub(super) pieces: mpsc::Receiver<Piece>,
    /// `None` once it was handed over.
    pub(super) tail: Option<Bytes>,
    /// Bytes of the whole body that were not handed over yet. Shared with the code that reports the progress of the
    /// upload.
    pub(super) left: Arc<AtomicU64>,
    pub(super) gate: Arc<Gate>,
    /// Sent once: whether the content has gone and was the promised one.
    pub(super) tail_wanted: Option<oneshot::Sender<Result<(), FileFault>>>,
    /// The permit, and its receiver. The body passes the permit on when the transport first pulls, because then the
    /// connection is up and the head goes out.
    pub(super) begun: Option<(Permit, oneshot::Sender<Permit>)>,
    pub(super) verified: bool,
}

/// The error that ends the body. The upload knows the reason.
#[derive(Debug, thiserror::Error)]
#[error("the upload was given up before its last bytes")]
pub(super) struct GivenUp;

impl UploadBody {
    fn fail(&mut self, fault: FileFault) -> Poll<Option<Result<Frame<Bytes>, GivenUp>>> {
        self.gate.abort();
        if let Some(wanted) = self.tail_wanted.take() {
            // The receiver is gone once the server has answered.
            let _ = wanted.send(Err(fault));
        }
        Poll::Ready(Some(Err(GivenUp)))
    }

    fn hand_over(&mut self, bytes: Bytes) -> Poll<Option<Result<Frame<Bytes>, GivenUp>>> {
        self.left.fetch_sub(bytes.len() as u64, Ordering::Relaxed);
        Poll::Ready(Some(Ok(Frame::data(bytes))))
    }

    fn next_piece(&mut self, cx: &mut Context<'_>) -> Poll<Piece> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Ok(first));
        }
        let Poll::Ready(piece) = self.pieces.poll_recv(cx) else {
            self.gate.waits_for(Party::Reader);
            return Poll::Pending;
        };
        Poll::Ready(piece.unwrap_or_else(|| Err(FileFault::Unreadable("reading it ended early".to_owned()))))
    }
}

impl Body for UploadBody {
    type Data = Bytes;
    type Error = GivenUp;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, GivenUp>>> {
        let this = &mut *self;
        if let Some((mut permit, begun)) = this.begun.take() {
            permit.under_way();
            // If the receiver is gone, the drop of the permit takes the slot.
            let _ = begun.send(permit);
        }
        let Some(tail) = this.tail.clone() else { return Poll::Ready(None) };
        if !this.verified {
            if ready!(this.gate.content(cx)).is_err() {
                return Poll::Ready(Some(Err(GivenUp)));
            }
            let chunk = match ready!(this.next_piece(cx)) {
                Ok(chunk) => chunk,
                Err(fault) => return this.fail(fault),
            };
            let length = chunk.bytes.len() as u64;
            let rest = this.left.load(Ordering::Relaxed).saturating_sub(tail.len() as u64);
            if length > rest || (chunk.verified && length != rest) {
                return this.fail(FileFault::Changed("its length differs from the promised one".to_owned()));
            }
            this.verified = chunk.verified;
            this.gate.waits_for(Party::Transport);
            return this.hand_over(chunk.bytes);
        }
        if let Some(wanted) = this.tail_wanted.take() {
            this.gate.waits_for(Party::Commit);
            let _ = wanted.send(Ok(()));
        }
        if ready!(this.gate.pass(cx)).is_err() {
            return Poll::Ready(Some(Err(GivenUp)));
        }
        this.tail = None;
        this.hand_over(tail)
    }

    fn is_end_stream(&self) -> bool {
        self.tail.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left.load(Ordering::Relaxed))
    }
}

// The bytes of an upload request before and after the file's own.
//
// They are known before the file is read, so the length is exact and the content needs no second copy.

/// The shape of one upload request.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) method: Method,
    pub(super) content_type: String,
    /// Bytes before the content.
    pub(super) prefix: Vec<u8>,
    pub(super) encoding: Encoding,
    /// Bytes after the content, held back until the file is known to be the promised one (DESIGN A2).
    pub(super) tail: Bytes,
    /// Length of the whole body, in bytes.
    pub(super) length: u64,
}

impl Layout {
    /// The request for a file of `size` bytes under `wire_name`.
    pub(super) fn new(style: UploadStyle, wire_name: &str, size: u64) -> Self {
        match style {
            UploadStyle::PutJson => Self::json(wire_name, size),
            UploadStyle::PostMultipart => Self::multipart(Method::POST, wire_name, size, &boundary()),
            UploadStyle::PutMultipart => Self::multipart(Method::PUT, wire_name, size, &boundary()),
        }
    }

    /// The guide's request, byte for byte as DESIGN §5 shows it.
    fn json(wire_name: &str, size: u64) -> Self {
        let name = Value::from(wire_name);
        let empty = size == 0;
        let quote = if empty { "" } else { "\"" };
        let prefix = format!(
            "{{\"contentType\":\"text/plain\",\"originalFilename\":{name},\"name\":\"file\",\"bytes\":[{quote}"
        );
        let tail = format!(
            "{quote}],\"empty\":{empty},\"resource\":{{\"file\":\"\",\"uri\":\"\",\"url\":\"\",\"description\":{name},\
             \"readable\":true,\"filename\":{name},\"open\":false,\"inputStream\":{{}}}},\"size\":{size},\
             \"inputStream\":{{}}}}"
        );
        Self::framed(Method::PUT, "application/json".to_owned(), prefix, Encoding::Base64, tail, size)
    }

    /// One part `file` (DESIGN §5, "Upload styles").
    fn multipart(method: Method, wire_name: &str, size: u64, boundary: &str) -> Self {
        // Escaped as browsers do (HTML standard, "multipart/form-data"), because servers read backslashes differently.
        let name = wire_name.replace('"', "%22").replace('\r', "%0D").replace('\n', "%0A");
        let prefix = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             Content-Type: text/plain\r\n\r\n"
        );
        let tail = format!("\r\n--{boundary}--\r\n");
        let content_type = format!("multipart/form-data; boundary={boundary}");
        Self::framed(method, content_type, prefix, Encoding::Raw, tail, size)
    }

    fn framed(
        method: Method,
        content_type: String,
        prefix: String,
        encoding: Encoding,
        tail: String,
        size: u64,
    ) -> Self {
        let length = encoding.length(size).saturating_add((prefix.len() + tail.len()) as u64);
        Self { method, content_type, prefix: prefix.into_bytes(), encoding, tail: tail.into(), length }
    }
}

/// Returns a line that no file holds by chance or by intent: 128 bits that an outsider cannot predict.
fn boundary() -> String {
    // Each `RandomState` has its own keys, seeded by the operating system.
    let random = || RandomState::new().hash_one(0u8);
    format!("datadrop-{:016x}{:016x}", random(), random())
}

// The gate before the last bytes of an upload, and the progress of reading its file.
//
// The upload and the transport run in different tasks. One place decides once, under one lock, whether the last bytes
// went. The server can have the whole message only if [`Gate::pass`] allowed it (DESIGN A3).

/// The gate between an upload and its body.
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
    /// Content passes, the last bytes do not.
    Held,
    /// The last bytes may go.
    Open,
    /// The last bytes were handed to the transport.
    Passed,
    /// The server answered early. Nothing passes any more, but the client still reads the answer.
    Shut,
    /// The body fails, which closes the connection.
    Broken,
}

/// The party that the body waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Party {
    /// The transport, and behind it the server.
    Transport,
    /// The disk.
    Reader,
    /// The code that makes the phase `committing` durable.
    Commit,
}

/// The body must fail.
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

    /// Asks, for the transport, whether content may pass.
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

    /// Asks, for the transport, whether the last bytes may pass. After `Ready(Ok)` they count as sent, whatever happens
    /// to them.
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

    /// Lets nothing through any more. Returns whether the last bytes went before.
    pub(super) fn shut(&self) -> bool {
        self.end(State::Shut)
    }

    /// Lets nothing through any more and closes the connection. Returns whether the last bytes went before.
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

    /// Returns the party that the body waits for, and since when.
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
        // Keep the start of the wait: the transport may poll several times while the disk gives nothing.
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

// The progress of reading an uploaded file, for the code that distributes uploads (DESIGN F10).
//
// A thread that reads from a dead share hangs until the kernel gives up, even after the upload has ended.

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
    /// Returns the time for which the upload has waited for bytes of its file. `None` if it waits for something else.
    #[must_use]
    pub fn silent_for(&self) -> Option<Duration> {
        let gate = self.gate.lock().unwrap_or_else(PoisonError::into_inner);
        let (party, since) = gate.as_ref()?.waiting();
        (party == Party::Reader).then(|| Instant::now().saturating_duration_since(since))
    }

    /// Returns whether no thread reads the file any more.
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
mod tests;
