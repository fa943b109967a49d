//! Replaces the transport in a simulation. Everything above the transport is the real code. So is the reading of the
//! file, but it takes no time.

use crate::adobe::answer::{Seen, UploadEnd};
use crate::adobe::body::Layout;
use crate::adobe::error::ApiError;
use crate::adobe::file::{self, Encoding, Piece};
use crate::adobe::http::{Cut, Reply};
use crate::adobe::upload_request::Upload;
use crate::adobe::{Client, requests};
use crate::job::Timestamp;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use reqwest::Url;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// A request, as far as the simulated server has it.
#[derive(Debug, Clone)]
pub(crate) enum Call {
    /// A list or a single job.
    Get(Url),
    /// An upload, without its last bytes.
    Begin,
    /// A whole upload, with the content of its body.
    Whole {
        /// The wire name.
        wire_name: String,
        /// The content of the file, decoded from the body.
        content: Vec<u8>,
    },
}

/// The result of a request.
#[derive(Debug, Clone)]
pub(crate) enum Came {
    /// Nothing yet, because the upload continues.
    Nothing,
    /// An answer.
    Answer { status: u16, retry_after: Option<u64>, body: String, server_time: Timestamp },
    /// No server listened there.
    NotConnected,
    /// The connection was cut.
    Broken,
    /// No byte came until the timeout.
    Silence,
}

/// The simulated server.
type Answers = dyn Fn(Call) -> Pin<Box<dyn Future<Output = Came> + Send>> + Send + Sync;

#[derive(Clone)]
pub(crate) struct StandIn(Arc<Answers>);

impl Client {
    /// Sends each request of this client to the given function instead of the network.
    pub(crate) fn stand_in(
        &mut self,
        answers: impl Fn(Call) -> Pin<Box<dyn Future<Output = Came> + Send>> + Send + Sync + 'static,
    ) {
        self.stand_in = Some(StandIn(Arc::new(answers)));
    }
}

impl StandIn {
    pub(in crate::adobe) async fn get(&self, asked: &str, url: Url, silence: Duration) -> Result<Reply, ApiError> {
        let unclear = |why: String| Err(ApiError::Unclear { asked: asked.to_owned(), why });
        match (self.0)(Call::Get(url)).await {
            Came::Answer { status, retry_after, body, server_time } => {
                let reply = reply(status, retry_after, body, server_time);
                if reply.is_success() { Ok(reply) } else { Err(requests::refusal(asked.to_owned(), &reply)) }
            }
            Came::NotConnected => Err(ApiError::NotConnected { asked: asked.to_owned(), why: "refused".to_owned() }),
            Came::Silence => unclear(format!("no answer for {} s", silence.as_secs_f32())),
            Came::Broken | Came::Nothing => unclear("reset".to_owned()),
        }
    }

    /// Makes one upload. The file is read and verified as usual, and its last bytes wait for `commit`.
    pub(in crate::adobe) async fn upload(
        &self,
        upload: Upload,
        mut sending: impl FnMut(u8),
        commit: impl Future<Output = bool>,
        silence: Duration,
    ) -> UploadEnd {
        let Upload { target: _, style, wire_name, path, expected, reading: _ } = upload;
        let layout = Layout::new(style, &wire_name, expected.identity.size);
        let (sender, mut pieces) = tokio::sync::mpsc::channel::<Piece>(64);
        let whole = file::read(&path, &expected, &layout.prefix, layout.encoding, &sender);
        drop(sender);
        let mut body = Vec::new();
        let mut verified = false;
        while let Ok(piece) = pieces.try_recv() {
            match piece {
                Ok(chunk) => {
                    body.extend_from_slice(&chunk.bytes);
                    verified |= chunk.verified;
                }
                Err(fault) => return UploadEnd::unanswered(false, fault.into()),
            }
        }
        match (self.0)(Call::Begin).await {
            Came::Nothing => {}
            came @ (Came::Answer { .. } | Came::NotConnected | Came::Broken | Came::Silence) => {
                return ended(false, came, silence);
            }
        }
        sending(50);
        if !verified {
            return UploadEnd::unanswered(false, Seen::FileUnreadable("reading it ended early".to_owned()));
        }
        if let Some(Err(fault)) = whole.map(|whole| whole.is_still()) {
            return UploadEnd::unanswered(false, fault.into());
        }
        if !commit.await {
            return UploadEnd::unanswered(false, Seen::NotCommitted);
        }
        let encoded = body.split_off(layout.prefix.len());
        let content = match layout.encoding {
            Encoding::Raw => encoded,
            Encoding::Base64 => BASE64_STANDARD.decode(encoded).unwrap_or_default(),
        };
        ended(true, (self.0)(Call::Whole { wire_name, content }).await, silence)
    }
}

fn ended(whole: bool, came: Came, silence: Duration) -> UploadEnd {
    match came {
        Came::Answer { status, retry_after, body, server_time } => {
            UploadEnd::answered(whole, reply(status, retry_after, body, server_time))
        }
        Came::NotConnected => UploadEnd::unanswered(whole, Seen::NotConnected("refused".to_owned())),
        Came::Silence => UploadEnd::unanswered(whole, Seen::Silence(silence)),
        Came::Broken | Came::Nothing => UploadEnd::unanswered(whole, Seen::Broken("reset".to_owned())),
    }
}

fn reply(status: u16, retry_after: Option<u64>, body: String, server_time: Timestamp) -> Reply {
    Reply {
        status,
        server_time: Some(server_time),
        request_id: None,
        retry_after: retry_after.map(Duration::from_secs),
        cut: (status == 200 && body.is_empty()).then(|| Cut::Broken("reset".to_owned())),
        body: body.into_bytes(),
    }
}
