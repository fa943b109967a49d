//! What was seen of an upload, before `upload::decide` judges it.

use super::error::TokenError;
use super::http::Reply;
use super::wire;
use super::wire::{ErrorBody, excerpt};
use crate::job::{RemoteJob, Timestamp};
use std::time::Duration;

/// The end of an upload request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UploadEnd {
    /// The last bytes were handed to the transport. If not, they never will be, so the server cannot hold the whole
    /// message and has not taken the file (DESIGN A3).
    pub last_bytes_sent: bool,
    /// What was seen.
    pub seen: Seen,
    /// The server's clock (`Date`), if it answered.
    pub server_time: Option<Timestamp>,
    /// `x-request-id` of the answer. Adobe's support finds the request by it.
    pub request_id: Option<String>,
}

/// What was seen of an upload. Texts are one line, fit for a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seen {
    /// The server answered.
    Answer {
        /// The HTTP status.
        status: u16,
        /// The wait that the server asks for, at most 1 h. After a 429 or 503 the budget pauses automatically for this
        /// time.
        retry_after: Option<Duration>,
        /// What the answer says.
        answer: Answer,
    },
    /// Nothing was sent: DNS, TCP, TLS, a proxy, or an address that is no URL.
    NotConnected(String),
    /// The connection was reset or closed, or the answer is garbage or incomplete.
    Broken(String),
    /// The transport took no chunk, or the server sent no byte, for this time.
    Silence(Duration),
    /// The file is no longer the promised one.
    FileChanged(String),
    /// There is no file at the path.
    FileGone,
    /// The file cannot be read.
    FileUnreadable(String),
    /// No byte of the file came for this time, because its file system does not respond.
    FileSilent(Duration),
    /// `commit` said no.
    NotCommitted,
    /// `stop` came first.
    Stopped,
    /// There is no token to send.
    NotAuthorised(TokenError),
}

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// 2xx with a job ID.
    Job(RemoteJob),
    /// 2xx without a job ID, with the beginning of its text.
    NoJobId(String),
    /// Any other status.
    Refusal(ErrorBody),
}

impl UploadEnd {
    /// An end without an answer.
    pub(super) fn unanswered(last_bytes_sent: bool, seen: Seen) -> Self {
        Self { last_bytes_sent, seen, server_time: None, request_id: None }
    }

    /// An end with an answer.
    pub(super) fn answered(last_bytes_sent: bool, reply: Reply) -> Self {
        let answer =
            if reply.is_success() { success(last_bytes_sent, &reply) } else { Ok(Answer::Refusal(reply.refusal())) };
        let (status, retry_after) = (reply.status, reply.retry_after);
        let seen = answer.map_or_else(Seen::Broken, |answer| Seen::Answer { status, retry_after, answer });
        Self { last_bytes_sent, seen, server_time: reply.server_time, request_id: reply.request_id }
    }
}

/// Reads a 2xx. If its body cannot be read after the last bytes went, the error makes the outcome unclear. Before the
/// last bytes a 2xx keeps its status, because it contradicts what was sent, and a person must see that (DESIGN §5).
fn success(last_bytes_sent: bool, reply: &Reply) -> Result<Answer, String> {
    match reply.json() {
        Ok(value) => Ok(wire::job(&value).map_or_else(|| Answer::NoJobId(excerpt(&reply.body)), Answer::Job)),
        Err(why) if last_bytes_sent => Err(why),
        Err(why) => Ok(Answer::NoJobId(why)),
    }
}
