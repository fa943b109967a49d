//! How a command reaches the running daemon: a socket in the state directory, for the service's user alone.
//!
//! A command that asks the API spends the same budget as the daemon: Adobe counts requests by user, not by process. So
//! it asks the daemon for each one, waits in the same queue as the sweeps, and says when it was sent.
//!
//! ```text
//! command ── permit ──► daemon      waits for its turn
//! command ◄─ granted ── daemon      the slot is taken until "sent", or until the command hangs up
//! command ── sent ────► daemon      its answer is there: the slot counts from now
//!
//! command ── poke ────► daemon      an instruction stands in the job log
//! command ◄─ done ───── daemon      it is answered there
//! ```

use crate::adobe::{Budget, Purpose};
use crate::config::Config;
use axum::serve::Listener;
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

const SOCKET: &str = "control.sock";
const PERMIT: &str = "permit";
const GRANTED: &str = "granted";
const SENT: &str = "sent";
const POKE: &str = "poke";
const DONE: &str = "done";

/// The longest path that the address of a socket holds.
const LONGEST_ADDRESS: usize = 100;
/// Time that a slot of the budget stays taken for a command that was granted it and says nothing. Its request has reached
/// the server by then, or never will: a stopped command must not keep uploads from being sent.
const SLOT_HELD: Duration = Duration::from_secs(10);
/// Longer lines are not ours.
const LONGEST_LINE: u64 = 64;

/// A command says that instructions stand in the job log; answered once they are carried out.
pub type Poke = oneshot::Sender<()>;

/// The daemon's end.
#[derive(Debug)]
pub struct Desk {
    listener: UnixListener,
    path: PathBuf,
}

impl Desk {
    /// Opens the socket. The caller holds the lock of the state directory, so an existing socket is a leftover.
    ///
    /// # Errors
    /// The file system does not take sockets, or has no room.
    pub fn open(state_dir: &Path) -> io::Result<Self> {
        let path = state_dir.join(SOCKET);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let listener = at_address(state_dir, |address| UnixListener::bind(address))?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        Ok(Self { listener, path })
    }

    /// Serves commands until `stop` is cancelled. Sends pokes to the code that carries out instructions.
    pub async fn serve(
        mut self,
        budget: watch::Receiver<Arc<Budget>>,
        pokes: mpsc::UnboundedSender<Poke>,
        stop: CancellationToken,
    ) {
        let mut seats = Seats::default();
        loop {
            let (stream, _) = tokio::select! {
                accepted = Listener::accept(&mut self.listener) => accepted,
                () = stop.cancelled() => return,
            };
            let (budget, pokes, seat) = (Arc::clone(&budget.borrow()), pokes.clone(), seats.take(&stop));
            tokio::spawn(async move {
                let _left = seat.left.clone().drop_guard();
                tokio::select! {
                    // How a command hangs up does not matter.
                    _ = serve(stream, &seat, &budget, &pokes) => {}
                    () = seat.left.cancelled() => {}
                }
            });
        }
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

async fn serve(
    stream: UnixStream,
    seat: &Seat,
    budget: &Arc<Budget>,
    pokes: &mpsc::UnboundedSender<Poke>,
) -> io::Result<()> {
    let mut stream = BufReader::new(stream);
    while let Some(line) = seat.hear(line(&mut stream)).await? {
        if line == POKE {
            let (poke, carried_out) = oneshot::channel();
            if pokes.send(poke).is_err() || carried_out.await.is_err() {
                return Ok(());
            }
            seat.hear(say(&mut stream, DONE)).await?;
            continue;
        }
        if line != PERMIT {
            return Err(io::Error::from(io::ErrorKind::InvalidData));
        }
        // A client that hangs up leaves the queue.
        let mut permit = tokio::select! {
            biased;
            _ = stream.fill_buf() => return Ok(()),
            permit = budget.acquire(Purpose::Sweep) => permit,
        };
        seat.hear(say(&mut stream, GRANTED)).await?;
        permit.under_way();
        let word = seat.hear(self::line(&mut stream));
        tokio::pin!(word);
        let word = if let Ok(word) = tokio::time::timeout(SLOT_HELD, &mut word).await {
            word
        } else {
            permit.sent();
            word.await
        };
        if word?.is_none_or(|word| word != SENT) {
            return Ok(());
        }
        permit.sent();
    }
    Ok(())
}

/// A command's end.
#[derive(Debug)]
pub struct Line {
    stream: BufReader<UnixStream>,
    /// A permit was granted, and the daemon has not heard of its use yet.
    request_under_way: bool,
}

impl Line {
    /// Reaches the daemon; `None` if none listens there. Needs a runtime around it.
    ///
    /// # Errors
    /// The socket is there and may not be used: another user's.
    pub fn open(state_dir: &Path) -> io::Result<Option<Self>> {
        match at_address(state_dir, |address| std::os::unix::net::UnixStream::connect(address)) {
            Ok(stream) => {
                stream.set_nonblocking(true)?;
                let stream = BufReader::new(UnixStream::from_std(stream)?);
                Ok(Some(Self { stream, request_under_way: false }))
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Waits for permission to send one request. A client that asks again, or hangs up, has the answer to the request
    /// before.
    ///
    /// # Errors
    /// The daemon ended.
    pub async fn permit(&mut self) -> io::Result<()> {
        if self.request_under_way {
            say(&mut self.stream, SENT).await?;
        }
        self.ask(PERMIT, GRANTED).await?;
        self.request_under_way = true;
        Ok(())
    }

    /// Says that instructions stand in the job log, and waits until they are carried out.
    ///
    /// # Errors
    /// The daemon ended.
    pub async fn poke(&mut self) -> io::Result<()> {
        self.ask(POKE, DONE).await
    }

    async fn ask(&mut self, word: &str, answer: &str) -> io::Result<()> {
        say(&mut self.stream, word).await?;
        match line(&mut self.stream).await? {
            Some(word) if word == answer => Ok(()),
            Some(_) => Err(io::ErrorKind::InvalidData.into()),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

async fn say(stream: &mut BufReader<UnixStream>, word: &str) -> io::Result<()> {
    stream.write_all(format!("{word}\n").as_bytes()).await
}

async fn line(stream: &mut BufReader<UnixStream>) -> io::Result<Option<String>> {
    let mut line = String::new();
    stream.take(LONGEST_LINE).read_line(&mut line).await?;
    Ok(line.strip_suffix('\n').map(str::to_owned))
}

/// The address of the socket: its path, or one that is shorter and leads there.
fn at_address<T>(state_dir: &Path, open: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let path = state_dir.join(SOCKET);
    if path.as_os_str().len() <= LONGEST_ADDRESS {
        return open(&path);
    }
    let dir = fs::File::open(state_dir)?;
    open(&PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", dir.as_raw_fd())))
}

// Who is served at the socket. Commands may be stopped, or never read and write: they take no place from those that do.

/// Maximum number of commands that are served at once.
const COMMANDS: usize = 16;
/// Timeout for whatever a command must say or read before it is taken for dead.
const LONGEST_SILENCE: Duration = Duration::from_mins(5);

/// The commands that are served, oldest first.
#[derive(Debug, Default)]
struct Seats(Vec<Arc<Seat>>);

/// A command that is served.
#[derive(Debug)]
struct Seat {
    /// It is not served any more.
    left: CancellationToken,
    /// The instant from which the command must act; `None` while it waits for the daemon.
    silent_since: Mutex<Option<Instant>>,
}

impl Seats {
    /// Seats a command that has just come. If all seats are taken, the one leaves that has been silent for longest, or,
    /// where all of them wait for the daemon, the oldest: it goes on without the daemon, as where none runs.
    fn take(&mut self, stop: &CancellationToken) -> Arc<Seat> {
        self.0.retain(|seat| !seat.left.is_cancelled());
        if self.0.len() >= COMMANDS {
            let silent = |(_, seat): &(usize, &Arc<Seat>)| {
                let since = seat.silent_since();
                (since.is_none(), since)
            };
            if let Some((longest, _)) = self.0.iter().enumerate().min_by_key(silent) {
                self.0.remove(longest).left.cancel();
            }
        }
        let seat = Arc::new(Seat { left: stop.child_token(), silent_since: Mutex::new(Some(Instant::now())) });
        self.0.push(Arc::clone(&seat));
        seat
    }
}

impl Seat {
    /// Waits for something that is up to the command.
    async fn hear<T>(&self, act: impl Future<Output = io::Result<T>>) -> io::Result<T> {
        self.set_silent_since(Some(Instant::now()));
        let heard = tokio::time::timeout(LONGEST_SILENCE, act).await;
        self.set_silent_since(None);
        heard.unwrap_or_else(|_| Err(io::Error::from(io::ErrorKind::TimedOut)))
    }

    fn silent_since(&self) -> Option<Instant> {
        *self.silent_since.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_silent_since(&self, since: Option<Instant>) {
        *self.silent_since.lock().unwrap_or_else(PoisonError::into_inner) = since;
    }
}

// Where commands meet the daemon.

/// Lets commands share the request budget and poke, until what it returns is dropped.
pub(super) fn serve_commands(
    config: &Config,
    budget: watch::Receiver<Arc<Budget>>,
    pokes: mpsc::UnboundedSender<Poke>,
) -> Option<DropGuard> {
    match Desk::open(&config.state_dir) {
        Ok(desk) => {
            let stop = CancellationToken::new();
            tokio::spawn(desk.serve(budget, pokes, stop.clone()));
            Some(stop.drop_guard())
        }
        Err(error) => {
            tracing::warn!(
                "no socket in {}: {error}; commands cannot share the request budget, and what they want of jobs waits for a restart",
                config.state_dir.display()
            );
            None
        }
    }
}

#[cfg(test)]
mod tests;
