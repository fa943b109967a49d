//! Commands that look at folders, of which one may be on a share that hangs (DESIGN F10).
//!
//! A thread looks, and is given up after a while. But the kernel lets no process end while one of its threads waits for a
//! FUSE file system, and whoever started the command would wait for it. So another process does the work. It says when
//! it has done it, this one ends, and what hangs is left behind.

use super::failure::{Exit, Failure};
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::Command;
use std::sync::mpsc;
use std::time::Duration;

/// Timeout for what a folder is asked.
pub(super) const FOLDER_TIMEOUT: Duration = Duration::from_secs(5);

/// Tells the process that does the work. Its standard input is the line to the one that started it.
const VARIABLE: &str = "DATADROP_APART";

/// Looks, for so long at most. `None`: there is no answer, and a thread still waits for it.
pub(super) fn within<R: Send + 'static>(timeout: Duration, look: impl FnOnce() -> R + Send + 'static) -> Option<R> {
    begin(look).recv_timeout(timeout).ok()
}

/// Begins to look, so that several folders are waited for at the same time.
pub(super) fn begin<R: Send + 'static>(look: impl FnOnce() -> R + Send + 'static) -> mpsc::Receiver<R> {
    let (sender, answer) = mpsc::channel();
    // Whoever gave it up does not listen any more. A thread that cannot be started gives no answer either.
    let _ = std::thread::Builder::new().spawn(move || drop(sender.send(look())));
    answer
}

/// What is said of a folder that gives no answer.
pub(super) fn no_answer(folder: &std::path::Path) -> String {
    format!(
        "{}: the folder does not answer within {} s: a network share that is gone, most often; mount it again",
        folder.display(),
        FOLDER_TIMEOUT.as_secs()
    )
}

/// Whether this process does the work for another.
fn is_apart() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// Has the work done by another process, and passes on how it ended. `None`: this is that process, which has to do it.
pub(super) fn leave_to_another(arguments: &[OsString]) -> Option<Result<Exit, Failure>> {
    if is_apart() {
        return None;
    }
    let failed =
        |error: std::io::Error| Failure::failed(format!("no process can be started to look at the folders: {error}"));
    let started = (|| {
        let (mut line, end) = UnixStream::pair()?;
        let mut command = Command::new("/proc/self/exe");
        command.args(arguments.iter().skip(1)).env(VARIABLE, "1").stdin(OwnedFd::from(end));
        let mut child = command.spawn()?;
        // It keeps a copy of the other end.
        drop(command);
        let mut code = [0];
        match line.read(&mut code)? {
            // Done; it may not be able to end.
            1.. => Ok(code[0]),
            0 => Ok(child.wait()?.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)),
        }
    })();
    Some(started.map(Exit::Daemon).map_err(failed))
}

/// Tells the process that waits how the work ended, and lets go of what it may have been given: a pipe that stays open would
/// keep whoever reads from it waiting.
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
}
