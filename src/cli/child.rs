//! Programs that are asked something. What they say is read while they run, since a pipe holds 64 KiB of it, and neither the
//! answer nor the wait for it is without end.

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Maximum size of an answer.
const LONGEST_ANSWER: usize = 4 * 1024 * 1024;
/// Interval between looks at whether a program has ended that says nothing more.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

/// Returns what a program writes to standard output.
///
/// # Errors
/// It cannot be run, failed, did not end in time or said too much: in one line, for people. It does not run any more.
pub(super) fn ask(program: &str, arguments: &[&str], timeout: Duration) -> Result<String, String> {
    let said = said_by(program, Command::new(program).args(arguments), timeout)?;
    if said.status.success() { Ok(said.output) } else { Err(format!("{program} failed ({})", said.status)) }
}

/// What a program said, however it ended.
pub(super) struct Said {
    pub(super) output: String,
    /// What it wrote to standard error.
    pub(super) errors: String,
    pub(super) status: ExitStatus,
}

/// The same as [`ask`] of a program that may fail. `shown`: what it is called.
///
/// # Errors
/// It cannot be run, did not end in time or said too much.
pub(super) fn said_by(shown: &str, command: &mut Command, timeout: Duration) -> Result<Said, String> {
    let unstarted = |error: io::Error| format!("{shown} cannot be run: {error}");
    // Not a pipe, which would have to be read at the same time.
    let mut errors = tempfile::tempfile().map_err(unstarted)?;
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(errors.try_clone().map_err(unstarted)?)
        .spawn()
        .map_err(unstarted)?;
    let until = Instant::now() + timeout;
    let said = read_to_end(&mut child, until).and_then(|said| Ok((said, end_of(&mut child, until)?)));
    if said.is_err() {
        // It is given up; how it ends does not matter.
        let _ = child.kill();
        let _ = child.wait();
    }
    let mut read_errors = || -> io::Result<String> {
        let mut bytes = Vec::new();
        errors.seek(SeekFrom::Start(0))?;
        (&errors).take(LONGEST_ANSWER as u64).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    match said {
        Ok((said, status)) => Ok(Said {
            output: String::from_utf8_lossy(&said).into_owned(),
            errors: read_errors().unwrap_or_default(),
            status,
        }),
        Err(error) if error.kind() == io::ErrorKind::TimedOut => {
            Err(format!("{shown} did not answer within {} s", timeout.as_secs_f32()))
        }
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            Err(format!("{shown} says more than {} MiB", LONGEST_ANSWER >> 20))
        }
        Err(error) => Err(format!("{shown} cannot be read: {error}")),
    }
}

fn read_to_end(child: &mut Child, until: Instant) -> io::Result<Vec<u8>> {
    let mut said = Vec::new();
    let Some(mut output) = child.stdout.take() else { return Ok(said) };
    let mut part = vec![0; 64 * 1024];
    loop {
        let left = Timespec::try_from(until.saturating_duration_since(Instant::now())).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&output, PollFlags::IN)], Some(&left)) {
            Ok(0) => return Err(io::Error::from(io::ErrorKind::TimedOut)),
            Ok(_) => {}
            Err(error) if error == rustix::io::Errno::INTR => continue,
            Err(error) => return Err(error.into()),
        }
        match output.read(&mut part)? {
            0 => return Ok(said),
            more => said.extend_from_slice(&part[..more]),
        }
        if said.len() > LONGEST_ANSWER {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        if Instant::now() >= until {
            return Err(io::Error::from(io::ErrorKind::TimedOut));
        }
    }
}

fn end_of(child: &mut Child, until: Instant) -> io::Result<ExitStatus> {
    loop {
        match child.try_wait()? {
            Some(status) => return Ok(status),
            None if Instant::now() < until => std::thread::sleep(LOOK_INTERVAL),
            None => return Err(io::Error::from(io::ErrorKind::TimedOut)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, patience: Duration) -> Result<String, String> {
        ask("/bin/sh", &["-c", script], patience)
    }

    #[test]
    fn all_is_read_that_a_pipe_does_not_hold() {
        let said = sh("head -c 1000000 /dev/zero | tr '\\0' x", Duration::from_secs(10)).unwrap();
        assert_eq!(said.len(), 1_000_000);
        assert_eq!(sh("printf 'a\\377b'", Duration::from_secs(10)).unwrap(), "a\u{fffd}b");
    }

    #[test]
    fn neither_the_answer_nor_the_wait_is_without_end() {
        let long = Duration::from_secs(60);
        let begun = Instant::now();
        assert_eq!(sh("yes", long).unwrap_err(), "/bin/sh says more than 4 MiB");
        let short = Duration::from_millis(200);
        assert!(sh("sleep 60", short).unwrap_err().starts_with("/bin/sh did not answer within"));
        assert!(sh("exec >&-; sleep 60", short).unwrap_err().contains("did not answer"));
        // Something that it started keeps the pipe open.
        assert!(sh("sleep 5 & echo well", short).unwrap_err().contains("did not answer"));
        assert!(begun.elapsed() < long);
        assert_eq!(sh("exit 3", long).unwrap_err(), "/bin/sh failed (exit status: 3)");
        assert!(ask("/nowhere/at/all", &[], long).unwrap_err().starts_with("/nowhere/at/all cannot be run: "));
    }
}
