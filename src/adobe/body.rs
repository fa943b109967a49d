//! The body of an upload: of exact length, in constant memory, and never whole without leave.

use super::budget::Permit;
use super::file::{Chunk, FileFault, Piece};
use super::gate::{Gate, Party};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use tokio::sync::{mpsc, oneshot};

/// What the transport pulls.
///
/// Content first; then it says that the tail is wanted, and waits at the [`Gate`]. A fault of the file makes it fail,
/// at which the transport closes the connection: the server holds an incomplete message.
pub(super) struct UploadBody {
    /// Read before the request was made.
    pub(super) first: Option<Chunk>,
    pub(super) pieces: mpsc::Receiver<Piece>,
    /// `None` when it was handed over.
    pub(super) tail: Option<Bytes>,
    /// Of the whole body, in bytes, not handed over yet; shared with whoever tells how far the upload is.
    pub(super) left: Arc<AtomicU64>,
    pub(super) gate: Arc<Gate>,
    /// Told once: the content has gone and was the promised one, or not.
    pub(super) tail_wanted: Option<oneshot::Sender<Result<(), FileFault>>>,
    /// The permit, and who is given it when the transport first asks: then the connection is up and the head goes out.
    pub(super) begun: Option<(Permit, oneshot::Sender<Permit>)>,
    pub(super) verified: bool,
}

/// Why the transport gets no more of the body. The upload knows the reason.
#[derive(Debug, thiserror::Error)]
#[error("the upload was given up before its last bytes")]
pub(super) struct GivenUp;

impl UploadBody {
    fn fail(&mut self, fault: FileFault) -> Poll<Option<Result<Frame<Bytes>, GivenUp>>> {
        self.gate.abort();
        if let Some(wanted) = self.tail_wanted.take() {
            // Nobody listens once the server has answered.
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
            // If nobody waits for it any more, its drop takes the slot.
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
