//! Looking at this computer. No opinions here, and nothing is changed.

use super::judge::machine::Limits;
use super::judge::rights::{Owned, Person, Way};
use super::judge::unit::{PROPERTIES, UNIT, Unit};
use crate::alert::USUAL_PATH;
use crate::cli::child::ask;
use crate::cli::people;
use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};
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

/// Whether what only the service's user can tell can be tried by this command: root can do anything, so that what root
/// may do tells nothing of the service.
pub(super) fn can_act_for(person: Option<&Person>) -> bool {
    me() == 0 && person.is_some_and(|person| person.uid != 0)
}

/// Looks with the rights of the service's user where [`can_act_for`] says so, else with one's own.
///
/// # Errors
/// Why this command cannot take those rights.
pub(super) fn with_rights_of<T: Send>(person: Option<&Person>, look: impl FnOnce() -> T + Send) -> Result<T, String> {
    let Some(person) = person.filter(|person| can_act_for(Some(person))) else { return Ok(look()) };
    // The kernel keeps rights for each thread: this one gives root's up, and ends.
    let looked = std::thread::scope(|scope| scope.spawn(|| take_rights_of(person).map(|()| look())).join());
    looked.unwrap_or_else(|_| Err(io::Error::other("a defect of datadrop"))).map_err(|error| error.to_string())
}

fn take_rights_of(person: &Person) -> io::Result<()> {
    let gids: Vec<Gid> = person.gids.iter().map(|gid| Gid::from_raw(*gid)).collect();
    let (uid, own) = (Uid::from_raw(person.uid), *gids.first().ok_or_else(|| io::Error::other("it has no group"))?);
    set_thread_groups(&gids)?;
    set_thread_res_gid(own, own, own)?;
    // At last: from here on it cannot be taken back.
    Ok(set_thread_res_uid(uid, uid, uid)?)
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

/// Free and all bytes of a file system, and which one that is.
pub(super) type Space = (u64, u64, u64);

/// The file system that holds this.
pub(super) fn space(path: &Path) -> io::Result<Space> {
    let device = fs::metadata(path)?.dev();
    let stat = rustix::fs::statvfs(path)?;
    Ok((stat.f_bavail.saturating_mul(stat.f_frsize), stat.f_blocks.saturating_mul(stat.f_frsize), device))
}

/// Whether this user may make files there; asks without making one.
pub(super) fn writable(dir: &Path) -> io::Result<()> {
    Ok(rustix::fs::access(dir, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK)?)
}

/// Why this user cannot run a program, if it cannot.
pub(super) fn cannot_run(program: &str) -> Option<String> {
    let tried = |path: &Path| rustix::fs::access(path, rustix::fs::Access::EXEC_OK);
    if program.contains('/') {
        let is_folder = Path::new(program).is_dir().then(|| "it is a folder".to_owned());
        return is_folder.or_else(|| tried(Path::new(program)).err().map(|error| error.to_string()));
    }
    let is_there = USUAL_PATH.split(':').any(|dir| tried(&Path::new(dir).join(program)).is_ok());
    (!is_there).then(|| format!("there is none in {USUAL_PATH}"))
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
