//! Delivers one alert to one receiver, once. The caller retries.

use super::How;
use crate::adobe::Client;
use rustix::fs::{MemfdFlags, memfd_create};
use rustix::process::{Pid, Signal, kill_process_group};
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::os::unix::fs::FileExt as _;
use std::process::Stdio;
use std::time::Duration;
use tokio::process::{Child, Command};
use tokio_util::sync::CancellationToken;

/// Timeout of a command.
const LONGEST_COMMAND: Duration = Duration::from_secs(30);
/// Maximum number of bytes read from the end of a command's standard error, and of characters shown.
const HEARD_BYTES: u16 = 4096;
const HEARD_CHARS: usize = 200;
/// Environment variables that a command inherits. None of them holds a secret.
const PASSED_ON: [&str; 5] = ["PATH", "HOME", "LANG", "TZ", "TMPDIR"];
/// Search path for programs, if the environment has none.
pub const USUAL_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Delivers an alert. `cut` ends the attempt early.
///
/// # Errors
/// Why the alert does not count as delivered, in one line without secrets.
pub(super) async fn deliver(how: &How, body: Vec<u8>, client: &Client, cut: CancellationToken) -> Result<(), String> {
    match how {
        // The command's standard error goes to the log of the service.
        How::Command(command) => run(command, &body, LONGEST_COMMAND, cut, Stdio::inherit()).await,
        How::Webhook(url) => tokio::select! {
            () = cut.cancelled() => Err("the service stops".to_owned()),
            end = client.post_to_hook(url, body) => end.map(|_status| ()),
        },
    }
}

/// Delivers an alert, and returns the answer: the exit status with the last line of standard error, or the HTTP status.
///
/// # Errors
/// Why the receiver did not take the alert, in one line without secrets of the configuration.
pub(super) async fn deliver_and_hear(how: &How, body: Vec<u8>, client: &Client) -> Result<String, String> {
    match how {
        How::Command(command) => {
            let unheard = |error| format!("its standard error cannot be kept: {error}");
            let heard = memfd_create("heard", MemfdFlags::CLOEXEC).map(File::from);
            let heard = heard.map_err(|error| unheard(error.into()))?;
            let stderr = heard.try_clone().map_err(unheard)?;
            let end = run(command, &body, LONGEST_COMMAND, CancellationToken::new(), stderr.into()).await;
            let last = last_line(&heard).map(|line| format!(": {line}")).unwrap_or_default();
            match end {
                Ok(()) => Ok(format!("exit status 0{last}")),
                Err(why) => Err(format!("{why}{last}")),
            }
        }
        How::Webhook(url) => client.post_to_hook(url, body).await.map(|status| format!("HTTP {status}")),
    }
}

/// The last line that is not blank, shortened.
fn last_line(heard: &File) -> Option<String> {
    let length = heard.metadata().ok()?.len();
    let mut end = vec![0; usize::from(HEARD_BYTES)];
    let read = heard.read_at(&mut end, length.saturating_sub(u64::from(HEARD_BYTES))).ok()?;
    let text = String::from_utf8_lossy(end.get(..read)?).into_owned();
    let line = text.lines().rev().map(str::trim).find(|line| !line.is_empty())?;
    Some(line.chars().take(HEARD_CHARS).collect())
}

async fn run(
    command: &[String],
    body: &[u8],
    patience: Duration,
    cut: CancellationToken,
    stderr: Stdio,
) -> Result<(), String> {
    let Some((program, arguments)) = command.split_first() else { return Err("no program is named".to_owned()) };
    let input = in_memory(body).map_err(|error| format!("its input cannot be made: {error}"))?;
    let passed_on = PASSED_ON.iter().filter_map(|name| Some((*name, std::env::var_os(name)?)));
    let mut child = Command::new(program)
        .args(arguments)
        .env_clear()
        .env("PATH", USUAL_PATH)
        .envs(passed_on)
        .current_dir("/")
        .stdin(input)
        .stdout(Stdio::null())
        .stderr(stderr)
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("{program} cannot be started: {error}"))?;
    let why = tokio::select! {
        end = child.wait() => return match end {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("{program} ended with {status}")),
            Err(error) => Err(format!("the end of {program} is not known: {error}")),
        },
        () = tokio::time::sleep(patience) => format!("{program} did not end within {} s and was killed", patience.as_secs()),
        () = cut.cancelled() => "the service stops".to_owned(),
    };
    kill(&mut child).await;
    Err(why)
}

/// Ends the command and all its children, and waits for it, so that no zombie stays.
async fn kill(child: &mut Child) {
    let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    if let Some(group) = group
        && let Err(error) = kill_process_group(group, Signal::KILL)
    {
        tracing::warn!("an alert's command cannot be killed: {error}");
    }
    if let Err(error) = child.wait().await {
        tracing::warn!("the end of an alert's command is not known: {error}");
    }
}

/// Returns a file in memory. Unlike a pipe, it does not block the writer if the command does not read its input.
fn in_memory(body: &[u8]) -> std::io::Result<File> {
    let mut file = File::from(memfd_create("alert", MemfdFlags::CLOEXEC)?);
    file.write_all(body)?;
    file.rewind()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::time::Instant;

    fn sh(script: &str) -> Vec<String> {
        vec!["/bin/sh".to_owned(), "-c".to_owned(), script.to_owned()]
    }

    async fn run_sh(script: &str, patience: Duration) -> Result<(), String> {
        run(&sh(script), b"{\"a\":1}\n", patience, CancellationToken::new(), Stdio::inherit()).await
    }

    #[tokio::test]
    async fn a_command_gets_the_json_and_an_environment_without_anything_of_ours() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("found").to_str().unwrap().to_owned();
        run_sh(&format!("cat >{path}; env >>{path}"), LONGEST_COMMAND).await.unwrap();
        let found = std::fs::read_to_string(&path).unwrap();
        assert!(found.starts_with("{\"a\":1}\n"), "{found}");
        assert!(found.contains("PATH="), "{found}");
        assert!(!found.contains("CARGO"), "{found}");
    }

    #[tokio::test]
    async fn only_the_exit_status_zero_counts() {
        let end = run_sh("exit 3", LONGEST_COMMAND).await.unwrap_err();
        assert_eq!(end, "/bin/sh ended with exit status: 3");
        let none = vec!["/nowhere/at/all".to_owned()];
        let end = run(&none, b"", LONGEST_COMMAND, CancellationToken::new(), Stdio::inherit()).await.unwrap_err();
        assert!(end.starts_with("/nowhere/at/all cannot be started: "), "{end}");
    }

    #[tokio::test]
    async fn a_command_that_hangs_is_killed_with_all_that_it_started() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("pid").to_str().unwrap().to_owned();
        let script = format!("sleep 600 & echo $! >{path}.new; mv {path}.new {path}; wait");
        let begun = Instant::now();
        let cut = CancellationToken::new();
        let (command, told) = (sh(&script), cut.clone());
        let running = tokio::spawn(async move { run(&command, b"", LONGEST_COMMAND, told, Stdio::inherit()).await });
        while !Path::new(&path).exists() {
            assert!(begun.elapsed() < Duration::from_secs(20), "the command never began");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        cut.cancel();
        assert_eq!(running.await.unwrap().unwrap_err(), "the service stops");
        let child = std::fs::read_to_string(&path).unwrap();
        // The child is gone, or is a zombie until the process that adopts orphans collects it.
        let ended = || {
            std::fs::read_to_string(format!("/proc/{}/stat", child.trim()))
                .map_or(true, |stat| stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')))
        };
        while !ended() {
            assert!(begun.elapsed() < Duration::from_secs(20), "its child goes on");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }

        let end = run_sh("sleep 600", Duration::from_millis(50)).await.unwrap_err();
        assert!(end.contains("was killed"), "{end}");
    }
}
