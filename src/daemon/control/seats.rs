//! Who is served at the socket. Commands may be stopped, or never read and write: they take no place from those that do.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Maximum number of commands that are served at once.
const COMMANDS: usize = 16;
/// Timeout for whatever a command must say or read before it is taken for dead.
const LONGEST_SILENCE: Duration = Duration::from_mins(5);

/// The commands that are served, oldest first.
#[derive(Debug, Default)]
pub(super) struct Seats(Vec<Arc<Seat>>);

/// A command that is served.
#[derive(Debug)]
pub(super) struct Seat {
    /// It is not served any more.
    pub(super) left: CancellationToken,
    /// The instant from which the command must act; `None` while it waits for the daemon.
    silent_since: Mutex<Option<Instant>>,
}

impl Seats {
    /// Seats a command that has just come. If all seats are taken, the one leaves that has been silent for longest, or,
    /// where all of them wait for the daemon, the oldest: it goes on without the daemon, as where none runs.
    pub(super) fn take(&mut self, stop: &CancellationToken) -> Arc<Seat> {
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
    pub(super) async fn hear<T>(&self, act: impl Future<Output = io::Result<T>>) -> io::Result<T> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_one_that_is_silent_for_longest_makes_room_and_those_that_wait_for_the_daemon_stay() {
        let (mut seats, stop) = (Seats::default(), CancellationToken::new());
        let mut taken = Vec::new();
        for _ in 0..COMMANDS {
            taken.push(seats.take(&stop));
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        taken[0].set_silent_since(None);
        taken[1].hear(async { Ok(()) }).await.unwrap();
        let gone = |taken: &[Arc<Seat>]| -> Vec<usize> {
            (0..taken.len()).filter(|&index| taken[index].left.is_cancelled()).collect()
        };
        taken.push(seats.take(&stop));
        assert_eq!(gone(&taken), [2]);
        taken[5].left.cancel();
        taken.push(seats.take(&stop));
        assert_eq!(gone(&taken), [2, 5], "there was room");
        for seat in &taken {
            seat.set_silent_since(None);
        }
        taken.push(seats.take(&stop));
        assert_eq!(gone(&taken), [0, 2, 5], "all wait for the daemon");
        stop.cancel();
        assert_eq!(gone(&taken).len(), taken.len());
    }

    #[tokio::test(start_paused = true)]
    async fn silence_has_an_end() {
        let seat = Seats::default().take(&CancellationToken::new());
        let never = seat.hear(std::future::pending::<io::Result<()>>()).await;
        assert_eq!(never.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }
}
