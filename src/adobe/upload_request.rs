//! One upload request (DESIGN §4, A2 and A3).
//!
//! ```text
//!  file ──► reader ──► body ──► transport ──► server          content, in constant memory
//!             │          │
//!        size, hash   tail wanted ──► commit ──► gate opens ──► the last bytes
//! ```

use super::Client;
use super::answer::{Answer, Seen, UploadEnd};
use super::body::{Gate, Layout, Party, Reading, UploadBody};
use super::budget::Permit;
use super::file::{self, CHUNKS_AHEAD, Chunk, FileFault, Whole};
use super::http::{self, Fault, LONGEST_ANSWER, Need, Reply, explain};
use super::token::Bearer;
use super::wire::{PROXY_WANTS_CREDENTIALS, proxy_refusal};
use crate::job::{Promised, Target, UploadStyle};
use reqwest::Body;
use reqwest::header::HeaderValue;
use std::convert::Infallible;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Longest time from the head of a request until the server counts it, on a slow line or a busy computer.
const COUNTED_WITHIN: Duration = Duration::from_millis(500);
/// Interval between reports of the progress of a body. Each report writes a row.
const TELL_EVERY: Duration = Duration::from_secs(2);
/// Speed of a slow line: about eight megabits per second.
const SLOW_BYTES_PER_MS: u64 = 1_000;
/// Timeout after which Adobe's gateway cuts any request (Adobe, Analytics API FAQ).
const GATEWAY_LIMIT: Duration = Duration::from_mins(1);

/// Longest wait for the first byte of a file, if `api.timeout` is not shorter. During the wait the attempt keeps a
/// permit of the request budget, which other requests need.
const FIRST_BYTE_WITHIN: Duration = Duration::from_secs(5);

/// What to upload, and the target.
#[derive(Debug, Clone)]
pub struct Upload {
    /// The account at Adobe.
    pub target: Target,
    /// The shape of the request.
    pub style: UploadStyle,
    /// The file name to send.
    pub wire_name: String,
    /// The path of the file.
    pub path: PathBuf,
    /// The only content that may arrive.
    pub expected: Promised,
    /// Follows the progress of reading the file.
    pub reading: Arc<Reading>,
}

/// The end of an upload without an answer: whether the last bytes had gone, and what was seen.
type Early = (bool, Seen);

/// The stage of an upload in progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Sending,
    Committing,
    AwaitingAnswer,
}

/// Breaks the body when the upload is dropped, because nobody would read the answer to its last bytes.
struct BreakOnDrop(Arc<Gate>);

impl Drop for BreakOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl From<FileFault> for Seen {
    fn from(fault: FileFault) -> Self {
        match fault {
            FileFault::Changed(why) => Self::FileChanged(why),
            FileFault::Gone => Self::FileGone,
            FileFault::Unreadable(why) => Self::FileUnreadable(why),
        }
    }
}

impl Client {
    /// Sends one file in one request, which is never repeated.
    ///
    /// When the transport has taken everything but the last bytes, and the file is still `expected`, `commit` is
    /// awaited. The last bytes go only if it returns `true`. An answer, an error or `stop` before that ends the upload
    /// and drops `commit` at any point. The last bytes then never go.
    ///
    /// `sending` receives the progress, in percent of the body. The first call comes once bytes have gone for half a
    /// second, because a quicker upload is over in an instant. Later calls come every two seconds.
    ///
    /// `stop` ends the upload while the last bytes have not gone and no answer has begun. After that the upload waits
    /// for the answer, and the caller limits that time. Dropping the future also holds back last bytes that have not
    /// gone, but then the caller cannot know whether they had.
    ///
    /// `api.timeout` is the longest silence: no chunk taken, no byte of the answer. The time that `commit` takes does
    /// not count as silence.
    pub async fn upload(
        &self,
        upload: Upload,
        permit: Permit,
        sending: impl FnMut(u8) + Send,
        commit: impl Future<Output = bool> + Send,
        stop: &CancellationToken,
    ) -> UploadEnd {
        #[cfg(test)]
        if let Some(stand_in) = self.stand_in.clone() {
            return stand_in.upload(upload, sending, commit, self.timeout).await;
        }
        let gate = Arc::new(Gate::new());
        let _break_on_drop = BreakOnDrop(Arc::clone(&gate));
        upload.reading.follow(&gate);
        let reading = Arc::clone(&upload.reading);
        let prepared = tokio::select! {
            biased;
            () = stop.cancelled() => Err(Seen::Stopped),
            prepared = self.prepare(upload, permit, &gate) => prepared,
        };
        let Prepared { client, request, reader, tail_wanted, begun, bearer, progress } = match prepared {
            Ok(prepared) => prepared,
            Err(seen) => return UploadEnd::unanswered(false, seen),
        };
        let commit = async {
            look_again(reader, &reading, self.timeout).await?;
            Ok(commit.await)
        };
        let exchanged = tokio::select! {
            exchanged = exchange(client.execute(request), &gate, tail_wanted, commit, stop, self.timeout) => exchanged,
            never = counted(begun, &progress, sending) => match never {},
        };
        let (sent, response) = match exchanged {
            Ok(answered) => answered,
            Err((sent, seen)) => return UploadEnd::unanswered(sent, seen),
        };
        let reply = Reply::read(response, self.timeout, bearer.secret(), LONGEST_ANSWER).await;
        self.take_note(&reply, &bearer, Need::Necessary);
        UploadEnd::answered(sent, reply)
    }

    /// Does everything that can fail before a byte goes out. The first bytes of the file are read before a connection
    /// is opened, so a missing file costs no request.
    async fn prepare(&self, upload: Upload, permit: Permit, gate: &Arc<Gate>) -> Result<Prepared, Seen> {
        let Upload { target, style, wire_name, path, expected, reading } = upload;
        let layout = Layout::new(style, &wire_name, expected.identity.size);
        let url = http::job_url(&target, None).map_err(Seen::NotConnected)?;
        let client = self.doors.to(&url).map_err(Seen::NotConnected)?.clone();

        let (sender, mut pieces) = mpsc::channel(CHUNKS_AHEAD);
        let (prefix, encoding) = (layout.prefix, layout.encoding);
        let at_work = reading.begin();
        let reader = spawn_blocking(move || {
            let whole = file::read(&path, &expected, &prefix, encoding, &sender);
            drop(at_work);
            whole
        });
        let needed = longest_upload(layout.length);
        let bearer = self.tokens.bearer(&self.doors, needed).await.map_err(Seen::NotAuthorised)?;
        gate.waits_for(Party::Reader);
        let patience = self.timeout.min(FIRST_BYTE_WITHIN);
        let first: Option<Chunk> = match tokio::time::timeout(patience, pieces.recv()).await {
            Ok(Some(piece)) => Some(piece?),
            Ok(None) => return Err(Seen::FileUnreadable("reading it ended early".to_owned())),
            Err(_) => return Err(Seen::FileSilent(patience)),
        };

        let mut headers =
            http::headers(&target.company, &self.api_key, bearer.header.clone()).map_err(Seen::NotConnected)?;
        let content_type = HeaderValue::try_from(layout.content_type);
        headers.insert("content-type", content_type.map_err(|error| Seen::NotConnected(error.to_string()))?);
        let (wanted, tail_wanted) = oneshot::channel();
        let (head_goes_out, begun) = oneshot::channel();
        let progress = Sent { left: Arc::new(AtomicU64::new(layout.length)), of: layout.length };
        let body = UploadBody {
            first,
            pieces,
            tail: Some(layout.tail),
            left: Arc::clone(&progress.left),
            gate: Arc::clone(gate),
            tail_wanted: Some(wanted),
            begun: Some((permit, head_goes_out)),
            verified: false,
        };
        let request = client.request(layout.method, url).headers(headers).body(Body::wrap(body)).build();
        let request = request.map_err(|error| Seen::NotConnected(explain(error)))?;
        gate.waits_for(Party::Transport);
        Ok(Prepared { client, request, reader, tail_wanted, begun, bearer, progress })
    }
}

/// Returns the longest time that this many bytes may take.
fn longest_upload(bytes: u64) -> Duration {
    Duration::from_millis(bytes / SLOW_BYTES_PER_MS).clamp(Duration::from_secs(1), GATEWAY_LIMIT)
}

struct Prepared {
    client: reqwest::Client,
    request: reqwest::Request,
    reader: JoinHandle<Option<Whole>>,
    tail_wanted: oneshot::Receiver<Result<(), FileFault>>,
    begun: oneshot::Receiver<Permit>,
    bearer: Bearer,
    progress: Sent,
}

/// The progress of a body, in bytes.
struct Sent {
    left: Arc<AtomicU64>,
    of: u64,
}

impl Sent {
    /// Returns the percentage. It is 100 only if everything has gone.
    fn percent(&self) -> u8 {
        let gone = self.of.saturating_sub(self.left.load(Ordering::Relaxed));
        u8::try_from(gone.saturating_mul(100) / self.of.max(1)).unwrap_or(100)
    }
}

/// Stamps the permit once the server must have counted the request, which is a moment after its head went out. If an
/// answer comes earlier, dropping this future also stamps the permit. After the stamp, the future reports the progress.
/// It never ends.
async fn counted(begun: oneshot::Receiver<Permit>, progress: &Sent, mut sending: impl FnMut(u8)) -> Infallible {
    if let Ok(mut permit) = begun.await {
        tokio::time::sleep(COUNTED_WITHIN).await;
        permit.sent();
        let mut told = None;
        loop {
            let percent = progress.percent();
            if told.replace(percent) != Some(percent) {
                sending(percent);
            }
            tokio::time::sleep(TELL_EVERY).await;
        }
    }
    std::future::pending().await
}

/// Checks the file for the last time, after all but the last bytes have gone, because sending them may have taken long
/// (DESIGN A2, R5).
async fn look_again(reader: JoinHandle<Option<Whole>>, reading: &Arc<Reading>, patience: Duration) -> Result<(), Seen> {
    let looked = async {
        let whole = reader.await.ok().flatten()?;
        let at_work = reading.begin();
        let look = spawn_blocking(move || {
            let _at_work = at_work;
            whole.is_still()
        });
        look.await.ok()
    };
    match tokio::time::timeout(patience, looked).await {
        Ok(Some(still)) => Ok(still?),
        Ok(None) => Err(Seen::FileUnreadable("reading it ended early".to_owned())),
        Err(_) => Err(Seen::FileSilent(patience)),
    }
}

/// Runs from the request to the head of its answer. Returns the head, and whether the last bytes had gone by then.
async fn exchange(
    answer: impl Future<Output = reqwest::Result<reqwest::Response>>,
    gate: &Gate,
    mut tail_wanted: oneshot::Receiver<Result<(), FileFault>>,
    commit: impl Future<Output = Result<bool, Seen>>,
    stop: &CancellationToken,
    timeout: Duration,
) -> Result<(bool, reqwest::Response), Early> {
    let mut answer = pin!(answer);
    let mut commit = pin!(commit);
    let mut silence = pin!(tokio::time::sleep(timeout));
    let mut stage = Stage::Sending;
    let mut stoppable = true;
    loop {
        tokio::select! {
            biased;
            // The answer is polled first, so that nothing more is released if it is already there.
            head = &mut answer => return match head {
                Ok(response) => Ok((gate.shut(), response)),
                Err(error) => Err((gate.abort(), broken(error, &mut tail_wanted))),
            },
            () = stop.cancelled(), if stoppable => {
                if !gate.abort() {
                    return Err((false, Seen::Stopped));
                }
                stoppable = false;
            }
            wanted = &mut tail_wanted, if stage == Stage::Sending => match wanted {
                Ok(Ok(())) => stage = Stage::Committing,
                Ok(Err(fault)) => return Err((gate.abort(), fault.into())),
                // The transport dropped the body, so its answer or error is about to arrive.
                Err(_) => stage = Stage::AwaitingAnswer,
            },
            committed = &mut commit, if stage == Stage::Committing => {
                match committed {
                    Ok(true) => {}
                    Ok(false) => return Err((gate.abort(), Seen::NotCommitted)),
                    Err(seen) => return Err((gate.abort(), seen)),
                }
                gate.open();
                silence.as_mut().reset(Instant::now() + timeout);
                stage = Stage::AwaitingAnswer;
            }
            () = silence.as_mut() => {
                let (party, since) = gate.waiting();
                let now = Instant::now();
                match party {
                    Party::Commit => silence.as_mut().reset(now + timeout),
                    Party::Transport | Party::Reader if now < since + timeout => {
                        silence.as_mut().reset(since + timeout);
                    }
                    Party::Transport => return Err((gate.abort(), Seen::Silence(timeout))),
                    Party::Reader => return Err((gate.abort(), Seen::FileSilent(timeout))),
                }
            }
        }
    }
}

/// Returns the error of the file if that broke the request, or else the error of the transport.
fn broken(error: reqwest::Error, tail_wanted: &mut oneshot::Receiver<Result<(), FileFault>>) -> Seen {
    match tail_wanted.try_recv() {
        Ok(Err(fault)) => fault.into(),
        Ok(Ok(())) | Err(_) => match error.into() {
            Fault::NotConnected(why) => Seen::NotConnected(why),
            Fault::Broken(why) => Seen::Broken(why),
            Fault::ProxyWantsCredentials => Seen::Answer {
                status: PROXY_WANTS_CREDENTIALS,
                retry_after: None,
                answer: Answer::Refusal(proxy_refusal("no tunnel")),
            },
        },
    }
}
