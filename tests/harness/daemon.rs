//! The daemon as a process of its own, seen as systemd sees it.

use super::PATIENCE;
use std::fs::{self, File};
use std::io;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// A running daemon; killed when dropped.
pub struct Daemon {
    child: Child,
    /// What it reported to systemd; taken from the socket at once, as systemd does: a full socket would block the
    /// daemon.
    notifications: mpsc::Receiver<String>,
}

impl Daemon {
    pub(super) fn start(dir: &Path, config: &Path) -> Self {
        Self::start_with(dir, config, &[], &[])
    }

    /// Starts `run` with further arguments and variables.
    pub fn start_with(dir: &Path, config: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::start_by(Command::new(env!("CARGO_BIN_EXE_datadrop")), dir, config, arguments, variables)
    }

    /// The same, but it is this command that starts the binary.
    pub fn start_by(
        mut command: Command,
        dir: &Path,
        config: &Path,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Self {
        let socket = dir.join("notify");
        let _ = fs::remove_file(&socket);
        let notifications = listen(&UnixDatagram::bind(&socket).unwrap());
        let log = File::options().create(true).append(true).open(dir.join("log")).unwrap();
        let child = command
            .arg("--config")
            .arg(config)
            .arg("run")
            .args(arguments)
            .env("NOTIFY_SOCKET", &socket)
            .env("NO_COLOR", "1")
            .env_remove("JOURNAL_STREAM")
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        Self { child, notifications }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it tells systemd READY=1.
    pub fn wait_ready(&self) {
        self.wait_notified("READY=1");
    }

    /// Waits for a message to systemd that has this line; returns the whole message.
    pub fn wait_notified(&self, line: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut heard = Vec::new();
        while let Ok(message) = self.notifications.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            if message.lines().any(|found| found.starts_with(line)) {
                return message;
            }
            heard.push(message);
        }
        panic!("never notified {line:?}; heard {heard:?}");
    }

    /// Waits until it has not said for so long that it is well, at which systemd would end it. False: it always does.
    pub fn starves(&self, watchdog: Duration) -> bool {
        self.starves_within(watchdog, 10 * PATIENCE)
    }

    /// The same, watched for no longer than this.
    pub fn starves_within(&self, watchdog: Duration, watched: Duration) -> bool {
        let deadline = Instant::now() + watched;
        let mut fed = Instant::now();
        while Instant::now() < deadline {
            if fed.elapsed() > watchdog {
                return true;
            }
            let message = self.notifications.recv_timeout(watchdog).unwrap_or_default();
            if message.lines().any(|line| line == "WATCHDOG=1") {
                fed = Instant::now();
            }
        }
        false
    }

    /// Sends a signal by name, such as `TERM`.
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill").arg(format!("-{name}")).arg(self.pid().to_string()).status().unwrap();
        assert!(status.success());
    }

    /// `kill -9`, and waits until it is gone.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(mut self) -> ExitStatus {
        self.signal("TERM");
        self.wait_exit()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Waits for the end.
    pub fn wait_exit(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "the daemon did not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn listen(socket: &UnixDatagram) -> mpsc::Receiver<String> {
    let socket = socket.try_clone().unwrap();
    // Ends soon after the test has dropped its daemon.
    socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = [0u8; 4096];
        loop {
            let message = match socket.recv(&mut buffer) {
                Ok(length) => String::from_utf8_lossy(&buffer[..length]).into_owned(),
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    String::new()
                }
                Err(_) => return,
            };
            // An empty message only asks whether anybody listens.
            if sender.send(message).is_err() {
                return;
            }
        }
    });
    receiver
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
