//! Looking at this computer. No opinions here, and nothing is changed.

use super::judge::machine::Limits;
use super::judge::rights::{Owned, Person, Way};
use super::judge::service::{PROPERTIES, UNIT, Unit};
use crate::cli::child::ask;
use crate::cli::people;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

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

/// A user and all of its groups: its own first, then those that the unit adds.
pub(super) fn person(name: &str, more_groups: &[String]) -> Option<Person> {
    let user = people::user(name)?;
    let mut gids = people::groups_of(name, &user);
    gids.extend(more_groups.iter().filter_map(|group| group.parse().ok().or_else(|| people::group(group))));
    Some(Person { name: name.to_owned(), uid: user.uid, gids })
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
    ask("systemctl", &[&["--no-pager"], arguments].concat(), PATIENCE)
}
