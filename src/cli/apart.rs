//! Commands that look at folders, of which one may be on a share that hangs (DESIGN F10).
//!
//! A thread looks, and is given up after a while. But the kernel lets no process end while one of its threads waits for a
//! FUSE file system, and the caller of the command would wait for it. So a second process does the work. When it
//! reports that it is done, this process ends and leaves behind what hangs.

use super::failure::{Exit, Failure};
use super::interrupt::{Stop, end_now};
use crate::job::Problem;
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use std::ffi::OsString;
use std::fmt;
use std::fs::File;
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

/// Timeout for what a folder is asked.
pub(super) const FOLDER_TIMEOUT: Duration = Duration::from_secs(5);

/// Tells the process that does the work. Its standard input is the line to the one that started it.
const VARIABLE: &str = "DATADROP_APART";

/// Looks, for so long at most. `None`: there is no answer, and a thread still waits for it.
pub(super) fn within<R: Send + 'static>(timeout: Duration, look: impl FnOnce() -> R + Send + 'static) -> Option<R> {
    begin(look).recv_timeout(timeout).ok()
}

/// What shows that work on a folder goes on.
#[derive(Debug, Clone, Default)]
pub(super) struct Signs(Arc<AtomicU64>);

impl Signs {
    /// Gives a sign of life.
    pub(super) fn give(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Signs given so far.
    pub(super) fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Looks, for as long as it takes, but gives up after two timeouts at the latest without a sign of life. `None`: there is no
/// answer, and a thread still waits for it.
pub(super) fn while_alive<R: Send + 'static>(
    timeout: Duration,
    look: impl FnOnce(&Signs) -> R + Send + 'static,
) -> Option<R> {
    let signs = Signs::default();
    let theirs = signs.clone();
    let answer = begin(move || look(&theirs));
    let mut counted = signs.count();
    loop {
        match answer.recv_timeout(timeout) {
            Ok(answer) => return Some(answer),
            Err(RecvTimeoutError::Timeout) if signs.count() != counted => counted = signs.count(),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return None,
        }
    }
}

/// Works on a folder in this thread, for as long as it takes, but ends the process with this message after two timeouts at the
/// latest without a sign of life. `signs` counts them; `give_up` lets go of what others wait for.
pub(super) fn guarded<R>(
    message: impl fmt::Display + Send + 'static,
    timeout: Duration,
    signs: impl Fn() -> u64 + Send + 'static,
    give_up: impl FnOnce() + Send + 'static,
    work: impl FnOnce() -> R,
) -> std::io::Result<R> {
    let (done, is_done) = mpsc::channel::<()>();
    std::thread::Builder::new().spawn(move || {
        let mut counted = signs();
        while is_done.recv_timeout(timeout) == Err(RecvTimeoutError::Timeout) {
            if signs() == counted {
                let _ = writeln!(std::io::stderr(), "datadrop: {message}");
                give_up();
                report_end(Exit::Failed);
                return end_now();
            }
            counted = signs();
        }
    })?;
    let result = work();
    drop(done);
    Ok(result)
}

/// Begins to look, so that several folders are waited for at the same time.
pub(super) fn begin<R: Send + 'static>(look: impl FnOnce() -> R + Send + 'static) -> mpsc::Receiver<R> {
    let (sender, answer) = mpsc::channel();
    // A caller that gave up does not listen any more. A thread that cannot be started gives no answer either.
    let _ = std::thread::Builder::new().spawn(move || drop(sender.send(look())));
    answer
}

/// What is said of a folder that gives no answer.
pub(super) fn no_answer(folder: &Path) -> Problem {
    no_answer_in(folder, FOLDER_TIMEOUT)
}

/// The same after another timeout.
pub(super) fn no_answer_in(folder: &Path, timeout: Duration) -> Problem {
    let (folder, seconds) = (folder.display(), timeout.as_secs());
    Problem::new(
        format!("{folder}: the folder does not answer within {seconds} s: a network share that is gone, most often"),
        "mount it again",
    )
}

/// Whether this process does the work for another.
fn is_apart() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// Has the work done by another process, and passes on how it ended. `None`: this is that process, which has to do it.
pub(super) fn leave_to_another(arguments: &[OsString]) -> Option<Result<Exit, Failure>> {
    if is_apart() {
        // Only the parent knows of this process. A parent that ended before the call has closed the line, which
        // `report_end` tolerates.
        let _ = set_parent_process_death_signal(Some(Signal::TERM));
        return None;
    }
    Some(have_done(arguments))
}

fn have_done(arguments: &[OsString]) -> Result<Exit, Failure> {
    let failed = |what: &str, error: std::io::Error| Failure::failed(format!("{what}: {error}"));
    let unstarted = |error| failed("no process can be started to look at the folders", error);
    let (mut line, end) = UnixStream::pair().map_err(unstarted)?;
    let stop = Stop::on_signals()?;
    let mut command = Command::new("/proc/self/exe");
    command.args(arguments.iter().skip(1)).env(VARIABLE, "1").stdin(OwnedFd::from(end));
    let mut child = command.spawn().map_err(unstarted)?;
    // It keeps a copy of the other end.
    drop(command);
    let mut code = [0];
    let mut is_told = false;
    loop {
        match line.read(&mut code) {
            // Done; it may not be able to end.
            Ok(1..) => return Ok(Exit::Daemon(code[0])),
            Ok(0) => break,
            Err(error) if error.kind() == ErrorKind::Interrupted && stop.is_set() && !is_told => {
                is_told = true;
                // A terminal signals the worker too. A signal to this process alone also means to stop the work.
                if let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
                    let _ = kill_process(pid, Signal::TERM);
                }
                line.set_read_timeout(Some(FOLDER_TIMEOUT)).map_err(unstarted)?;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted && !is_told => {}
            // Stopped twice, or it waits for a folder.
            Err(_) => return Err(Failure::failed("stopped")),
        }
    }
    let status = child.wait().map_err(|error| failed("how it ended is not known", error))?;
    Ok(Exit::Daemon(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

/// Reports to the waiting process how the work ended, and closes what this process may have inherited: a pipe that
/// stays open would keep its reader waiting.
pub(super) fn report_end(exit: Exit) {
    if !is_apart() {
        return;
    }
    let code = exit.code();
    let end = || -> std::io::Result<()> {
        std::io::stdout().flush()?;
        let nowhere = File::options().read(true).write(true).open("/dev/null")?;
        let line = rustix::io::dup(rustix::stdio::stdin())?;
        rustix::stdio::dup2_stdin(&nowhere)?;
        rustix::stdio::dup2_stdout(&nowhere)?;
        rustix::stdio::dup2_stderr(&nowhere)?;
        File::from(line).write_all(&[code])
    };
    // Then the other process waits for the end of this one, which says the same.
    let _ = end();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_is_given_up_in_time() {
        let (_keep, never) = mpsc::channel::<()>();
        assert_eq!(within(Duration::from_millis(20), move || never.recv().is_ok()), None);
        assert_eq!(within(FOLDER_TIMEOUT, || 7), Some(7));
    }

    #[test]
    fn a_look_that_gives_signs_of_life_is_waited_for() {
        let timeout = Duration::from_millis(100);
        let (step, steps) = mpsc::channel();
        let answer = begin(move || {
            while_alive(timeout, move |signs| {
                for () in steps {
                    signs.give();
                }
                7
            })
        });
        for _ in 0..5 {
            std::thread::sleep(timeout / 2);
            step.send(()).unwrap();
        }
        drop(step);
        assert_eq!(answer.recv().unwrap(), Some(7));
        let (_keep, never) = mpsc::channel::<()>();
        assert_eq!(while_alive(timeout, move |_| never.recv().is_ok()), None);
    }
}
