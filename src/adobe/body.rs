//! The body of an upload: of exact length, in constant memory, and never whole without leave.

use super::budget::Permit;
use super::file::{Chunk, Encoding, FileFault, Piece};
use super::gate::{Gate, Party};
use crate::job::UploadStyle;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use reqwest::Method;
use serde_json::Value;
use std::hash::{BuildHasher, RandomState};
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

// The bytes of an upload request around the file's own.
//
// Known before the file is read, so the length is exact and the content needs no second copy.

/// The shape of one upload request.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) method: Method,
    pub(super) content_type: String,
    /// What stands before the content.
    pub(super) prefix: Vec<u8>,
    pub(super) encoding: Encoding,
    /// What stands behind it, and is held back until the file is known to be the promised one (DESIGN A2).
    pub(super) tail: Bytes,
    /// Of the whole body, in bytes.
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
        // As browsers do (HTML standard, "multipart/form-data"); backslashes would be read differently everywhere.
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
        let content = match encoding {
            Encoding::Raw => size,
            Encoding::Base64 => size.div_ceil(3).saturating_mul(4),
        };
        let length = content.saturating_add((prefix.len() + tail.len()) as u64);
        Self { method, content_type, prefix: prefix.into_bytes(), encoding, tail: tail.into(), length }
    }
}

/// A line that no file holds by chance, nor by intent: 128 bits that nobody outside can foresee.
fn boundary() -> String {
    // Each `RandomState` has keys of its own, seeded by the operating system.
    let random = || RandomState::new().hash_one(0u8);
    format!("datadrop-{:016x}{:016x}", random(), random())
}

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine;
    use base64::prelude::BASE64_STANDARD;

    fn body(layout: &Layout, content: &[u8]) -> String {
        let content = match layout.encoding {
            Encoding::Raw => content.to_vec(),
            Encoding::Base64 => BASE64_STANDARD.encode(content).into_bytes(),
        };
        let body = [&layout.prefix[..], &content, &layout.tail].concat();
        assert_eq!(body.len() as u64, layout.length);
        String::from_utf8(body).unwrap()
    }

    #[test]
    fn put_json_is_byte_for_byte_what_the_design_shows() {
        assert_eq!(
            body(&Layout::new(UploadStyle::PutJson, "sales.txt", 3), b"abc"),
            r#"{"contentType":"text/plain","originalFilename":"sales.txt","name":"file","bytes":["YWJj"],"empty":false,"resource":{"file":"","uri":"","url":"","description":"sales.txt","readable":true,"filename":"sales.txt","open":false,"inputStream":{}},"size":3,"inputStream":{}}"#
        );
        assert_eq!(
            body(&Layout::new(UploadStyle::PutJson, "sales.fin", 0), b""),
            r#"{"contentType":"text/plain","originalFilename":"sales.fin","name":"file","bytes":[],"empty":true,"resource":{"file":"","uri":"","url":"","description":"sales.fin","readable":true,"filename":"sales.fin","open":false,"inputStream":{}},"size":0,"inputStream":{}}"#
        );
    }

    #[test]
    fn names_with_special_characters_stay_one_json_string() {
        let text = body(&Layout::new(UploadStyle::PutJson, "a\"b\\\u{1}é.txt", 1), b"x");
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value["originalFilename"], "a\"b\\\u{1}é.txt");
        assert_eq!(value["resource"]["filename"], value["resource"]["description"]);
        assert_eq!(value["resource"].as_object().unwrap().len(), 8);
    }

    #[test]
    fn multipart_is_one_part_with_the_name_as_browsers_write_it() {
        let layout = Layout::multipart(Method::POST, "a\"b\r\n 50%é日本.txt", 3, "B");
        assert_eq!(
            body(&layout, b"abc"),
            "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a%22b%0D%0A 50%é日本.txt\"\r\n\
             Content-Type: text/plain\r\n\r\nabc\r\n--B--\r\n"
        );
        assert_eq!(layout.content_type, "multipart/form-data; boundary=B");
    }

    #[test]
    fn boundaries_differ() {
        assert_ne!(boundary(), boundary());
        assert_eq!(Layout::new(UploadStyle::PutMultipart, "x", 0).method, Method::PUT);
    }
}
