//! Looking at this computer. No opinions here, and nothing is changed.

use super::judge::machine::Limits;
use super::judge::rights::{Owned, Person, Way};
use super::judge::service::{PROPERTIES, UNIT, Unit};
use std::fs::{self, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// systemd answers at once, or is not well.
const PATIENCE: Duration = Duration::from_secs(5);

pub(super) fn owned(metadata: &Metadata) -> Owned {
    Owned { uid: metadata.uid(), gid: metadata.gid(), mode: metadata.mode() & 0o7777 }
}

/// The path and everything above it; empty if it cannot be looked at.
pub(super) fn way(path: &Path) -> Way {
    let Ok(real) = path.canonicalize() else { return Way::new() };
    let mut way: Way =
        real.ancestors().filter_map(|path| Some((path.to_owned(), owned(&fs::metadata(path).ok()?)))).collect();
    way.reverse();
    way
}

/// The user that this command runs as.
pub(super) fn me() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// A user and all of its groups, as far as /etc tells.
pub(super) fn person(name: &str, more_groups: &[String]) -> Option<Person> {
    let passwd = fs::read_to_string("/etc/passwd").ok()?;
    let fields: Vec<&str> =
        passwd.lines().map(|line| line.split(':').collect::<Vec<_>>()).find(|fields| fields.first() == Some(&name))?;
    let uid = fields.get(2)?.parse().ok()?;
    let mut gids: Vec<u32> = fields.get(3)?.parse().into_iter().collect();
    for line in fs::read_to_string("/etc/group").unwrap_or_default().lines() {
        let fields: Vec<&str> = line.split(':').collect();
        if let [group, _, gid, members, ..] = fields.as_slice()
            && (members.split(',').any(|member| member == name) || more_groups.iter().any(|more| more == group))
        {
            gids.extend(gid.parse::<u32>());
        }
    }
    Some(Person { name: name.to_owned(), uid, gids })
}

pub(super) fn inotify_limits() -> Limits {
    let limit = |name: &str| {
        fs::read_to_string(Path::new("/proc/sys/fs/inotify").join(name)).ok().and_then(|text| text.trim().parse().ok())
    };
    Limits {
        watches: limit("max_user_watches"),
        instances: limit("max_user_instances"),
        queued: limit("max_queued_events"),
    }
}

/// Free and all bytes of the file system that holds this, and which one that is.
pub(super) fn space(path: &Path) -> io::Result<(u64, u64, u64)> {
    let device = fs::metadata(path)?.dev();
    let stat = rustix::fs::statvfs(path)?;
    Ok((stat.f_bavail.saturating_mul(stat.f_frsize), stat.f_blocks.saturating_mul(stat.f_frsize), device))
}

/// Whether this user may make files there; asks without making one.
pub(super) fn writable(dir: &Path) -> io::Result<()> {
    Ok(rustix::fs::access(dir, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK)?)
}

/// The nearest folder that is there, on the way to one that may not be.
pub(super) fn nearest(dir: &Path) -> PathBuf {
    dir.ancestors().find(|path| path.is_dir()).unwrap_or(Path::new("/")).to_owned()
}

/// The unit `datadrop.service`; `None` on a computer that systemd does not run.
pub(super) fn unit() -> Option<Result<Unit, String>> {
    Path::new("/run/systemd/system").is_dir().then(|| {
        let properties = systemctl(&["show", UNIT, "-p", PROPERTIES])?;
        // A unit that is not there has no files, which is no failure.
        let files = if Unit::read(&properties, "").is_loaded() { systemctl(&["cat", UNIT])? } else { String::new() };
        Ok(Unit::read(&properties, &files))
    })
}

fn systemctl(arguments: &[&str]) -> Result<String, String> {
    let mut child = Command::new("systemctl")
        .arg("--no-pager")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("systemctl cannot be run: {error}"))?;
    let until = Instant::now() + PATIENCE;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(10)),
            Ok(None) | Err(_) => {
                // It is given up; how it ends does not matter.
                let _ = child.kill();
                let _ = child.wait();
                return Err(format!("systemctl did not answer within {} s", PATIENCE.as_secs()));
            }
        }
    };
    let mut text = String::new();
    if let Some(mut output) = child.stdout.take() {
        output.read_to_string(&mut text).map_err(|error| format!("systemctl cannot be read: {error}"))?;
    }
    if status.success() { Ok(text) } else { Err(format!("systemctl failed ({status})")) }
}
