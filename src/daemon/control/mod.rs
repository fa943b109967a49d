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

mod seats;

use crate::adobe::{Budget, Purpose};
use axum::serve::Listener;
use seats::{Seat, Seats};
use std::fs::{self, Permissions};
use std::io;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::sync::CancellationToken;

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
    /// Opens the socket. Whoever calls holds the lock of the state directory: a socket that is there is a leftover.
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

    /// Serves commands until it is told to stop. Pokes go to whoever carries instructions out.
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
                    // How a command hangs up is its own affair.
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
        // Whoever hangs up leaves the queue.
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

    /// Waits for the right to send one request. Whoever asks again, or hangs up, has the answer to the one before.
    ///
    /// # Errors
    /// The daemon ended.
    pub async fn permit(&mut self) -> io::Result<()> {
        if self.request_under_way {
            say(&mut self.stream, SENT).await?;
        }
        say(&mut self.stream, PERMIT).await?;
        match line(&mut self.stream).await? {
            Some(word) if word == GRANTED => {
                self.request_under_way = true;
                Ok(())
            }
            Some(_) => Err(io::Error::from(io::ErrorKind::InvalidData)),
            None => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
        }
    }

    /// Says that instructions stand in the job log, and waits until they are carried out.
    ///
    /// # Errors
    /// The daemon ended.
    pub async fn poke(&mut self) -> io::Result<()> {
        say(&mut self.stream, POKE).await?;
        match line(&mut self.stream).await? {
            Some(word) if word == DONE => Ok(()),
            Some(_) => Err(io::Error::from(io::ErrorKind::InvalidData)),
            None => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::RateLimit;

    fn a_minute(requests: u32) -> Arc<Budget> {
        Arc::new(Budget::new(Some(RateLimit { requests, per: Duration::from_mins(1) }), false))
    }

    struct Served {
        budget: Arc<Budget>,
        stop: CancellationToken,
        task: tokio::task::JoinHandle<()>,
    }

    fn serve_in(dir: &Path) -> Served {
        serve_with(dir, a_minute(1))
    }

    fn serve_with(dir: &Path, budget: Arc<Budget>) -> Served {
        let stop = CancellationToken::new();
        let desk = Desk::open(dir).unwrap();
        let (poke, mut pokes) = mpsc::unbounded_channel::<Poke>();
        let task = tokio::spawn(desk.serve(watch::channel(Arc::clone(&budget)).1, poke, stop.clone()));
        tokio::spawn(async move {
            while let Some(poke) = pokes.recv().await {
                poke.send(()).unwrap();
            }
        });
        Served { budget, stop, task }
    }

    #[tokio::test]
    async fn a_command_spends_the_budget_of_the_daemon() {
        let dir = tempfile::tempdir().unwrap();
        let served = serve_in(dir.path());
        let mut command = Line::open(dir.path()).unwrap().unwrap();
        command.permit().await.unwrap();
        assert_eq!(served.budget.spent(), (1, Some(1)));
        let early = tokio::time::timeout(Duration::from_millis(50), command.permit()).await;
        assert!(early.is_err(), "the budget is spent for a minute");
        let mut next = Line::open(dir.path()).unwrap().unwrap();
        let early = tokio::time::timeout(Duration::from_millis(50), next.permit()).await;
        assert!(early.is_err(), "the budget is spent for a minute");
    }

    #[tokio::test]
    async fn a_command_may_send_several_requests() {
        let dir = tempfile::tempdir().unwrap();
        let served = serve_with(dir.path(), a_minute(3));
        let mut command = Line::open(dir.path()).unwrap().unwrap();
        for sent in 1..=3 {
            command.permit().await.unwrap();
            assert_eq!(served.budget.spent().0, sent);
        }
    }

    #[tokio::test]
    async fn a_poke_is_answered_beside_permits() {
        let dir = tempfile::tempdir().unwrap();
        let _served = serve_in(dir.path());
        let mut command = Line::open(dir.path()).unwrap().unwrap();
        command.poke().await.unwrap();
        command.permit().await.unwrap();
        // The budget is spent for a minute, and a poke waits for nothing.
        let mut next = Line::open(dir.path()).unwrap().unwrap();
        tokio::time::timeout(Duration::from_secs(10), next.poke()).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn whoever_hangs_up_while_waiting_holds_nobody_up() {
        let dir = tempfile::tempdir().unwrap();
        let served = serve_in(dir.path());
        let first = served.budget.acquire(Purpose::Upload).await;
        let mut gone = Line::open(dir.path()).unwrap().unwrap();
        say(&mut gone.stream, PERMIT).await.unwrap();
        drop(gone);
        let mut waiting = Line::open(dir.path()).unwrap().unwrap();
        let permit = waiting.permit();
        // Unused: its slot goes to the one who still waits.
        drop(first);
        tokio::time::timeout(Duration::from_secs(10), permit).await.unwrap().unwrap();
    }

    /// Connections of commands that were stopped after what they said: they read nothing and say nothing.
    async fn silent(dir: &Path, word: &str) -> Line {
        let mut line = Line::open(dir).unwrap().unwrap();
        say(&mut line.stream, word).await.unwrap();
        line
    }

    #[tokio::test]
    async fn commands_that_are_silent_take_no_place_from_those_that_come_later() {
        let dir = tempfile::tempdir().unwrap();
        let _served = serve_with(dir.path(), Arc::new(Budget::new(None, false)));
        let mut stopped = Vec::new();
        for word in [PERMIT, POKE, ""].into_iter().cycle().take(60) {
            stopped.push(silent(dir.path(), word).await);
        }
        let mut command = Line::open(dir.path()).unwrap().unwrap();
        tokio::time::timeout(Duration::from_secs(10), command.poke()).await.unwrap().unwrap();
        tokio::time::timeout(Duration::from_secs(10), command.permit()).await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn commands_that_are_silent_do_not_keep_the_budget() {
        let dir = tempfile::tempdir().unwrap();
        let served = serve_with(dir.path(), a_minute(2));
        let mut stopped = Vec::new();
        for _ in 0..2 {
            let mut line = silent(dir.path(), PERMIT).await;
            assert_eq!(self::line(&mut line.stream).await.unwrap().as_deref(), Some(GRANTED));
            stopped.push(line);
        }
        let begun = tokio::time::Instant::now();
        let _upload = served.budget.acquire(Purpose::Upload).await;
        let waited = begun.elapsed();
        assert!(waited < Duration::from_secs(75), "an upload waited for {waited:?}");
        // Its request took long, and the budget hears of it.
        say(&mut stopped[0].stream, SENT).await.unwrap();
        say(&mut stopped[0].stream, PERMIT).await.unwrap();
        assert_eq!(self::line(&mut stopped[0].stream).await.unwrap().as_deref(), Some(GRANTED));
    }

    #[tokio::test]
    async fn without_a_daemon_there_is_nobody_and_a_leftover_socket_does_no_harm() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Line::open(dir.path()).unwrap().is_none());
        drop(std::os::unix::net::UnixListener::bind(dir.path().join(SOCKET)).unwrap());
        assert!(Line::open(dir.path()).unwrap().is_none());
        let served = serve_in(dir.path());
        assert!(Line::open(dir.path()).unwrap().is_some());
        served.stop.cancel();
        served.task.await.unwrap();
        assert!(!dir.path().join(SOCKET).exists());
    }

    #[tokio::test]
    async fn a_long_path_leads_there_too_and_others_are_kept_out() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("x".repeat(120));
        fs::create_dir(&deep).unwrap();
        let _served = serve_in(&deep);
        let mut command = Line::open(&deep).unwrap().unwrap();
        command.permit().await.unwrap();
        assert_eq!(fs::metadata(deep.join(SOCKET)).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
