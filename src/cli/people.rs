//! Names of users and groups on this machine.

use super::child::ask;
use std::fmt::Write as _;
use std::fs;
use std::ops::RangeInclusive;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

/// Timeout for a name service. One that answers does so immediately.
const NAME_TIMEOUT: Duration = Duration::from_secs(5);

/// The numbers that Linux distributions give to people (`UID_MIN` and `UID_MAX` of `login.defs`).
const PEOPLE: RangeInclusive<u32> = 1000..=60_000;

/// A user of this machine.
pub(super) struct User {
    pub(super) uid: u32,
    /// Its own group.
    pub(super) gid: u32,
}

/// The user of this name.
pub(super) fn user(name: &str) -> Option<User> {
    let entry = entry("passwd", name)?;
    let mut numbers = entry.split(':').skip(2).map(|number| number.parse().ok());
    Some(User { uid: numbers.next()??, gid: numbers.next()?? })
}

/// Every group of a user, its own first.
pub(super) fn groups_of(name: &str, user: &User) -> Vec<u32> {
    let mut gids = vec![user.gid];
    let all = ask("id", &["-G", "--", name], NAME_TIMEOUT).unwrap_or_default();
    gids.extend(all.split_whitespace().filter_map(|gid| gid.parse::<u32>().ok()));
    gids
}

/// The number of a group.
pub(super) fn group(name: &str) -> Option<u32> {
    entry("group", name)?.split(':').nth(2)?.parse().ok()
}

/// The name of a user, or its number where it has none here.
pub(super) fn user_name(uid: u32) -> String {
    known_name("passwd", uid).unwrap_or_else(|| uid.to_string())
}

pub(super) fn group_name(gid: u32) -> String {
    known_name("group", gid).unwrap_or_else(|| gid.to_string())
}

fn known_name(database: &str, id: u32) -> Option<String> {
    Some(entry(database, &id.to_string())?.split(':').next()?.to_owned())
}

/// The line of a user or group, by name or number. The system's own lookup also knows those that are in no file: users
/// of a directory (LDAP), and those that systemd makes (`DynamicUser=`). It runs as a program of its own, so that a
/// directory that does not answer cannot hold up the command.
fn entry(database: &str, key: &str) -> Option<String> {
    let found = ask("getent", &[database, key], NAME_TIMEOUT).ok()?;
    found.lines().next().map(str::to_owned)
}

/// Who is at work here: the one behind `sudo`, else the user itself.
pub(super) fn who() -> String {
    let behind_sudo = std::env::var("SUDO_USER").ok().filter(|name| !name.is_empty());
    let uid = rustix::process::getuid().as_raw();
    let told = || std::env::var("USER").ok().filter(|name| !name.is_empty());
    behind_sudo.or_else(|| known_name("passwd", uid)).or_else(told).unwrap_or_else(|| format!("uid {uid}"))
}

/// Whose this is, if it is another's and not root asks, who may do everything.
pub(super) fn owner_beside_me(path: &Path) -> Option<String> {
    let (me, owner) = (rustix::process::geteuid().as_raw(), fs::metadata(path).ok()?.uid());
    (me != 0 && me != owner).then(|| user_name(owner))
}

/// The user that this process runs as, if it is one of the system's, as which nobody logs in: people work as others.
pub(super) fn system_user() -> Option<String> {
    let me = rustix::process::geteuid().as_raw();
    (me != 0 && !PEOPLE.contains(&me)).then(|| user_name(me))
}

/// What this user lacks to get into a folder that lets its group in; `None` where that is not what is missing.
pub(super) fn way_in(dir: &Path) -> Option<String> {
    // Below a folder that is closed itself nothing can be looked at.
    let gid = dir.ancestors().find_map(|dir| fs::metadata(dir).ok())?.gid();
    let own = rustix::process::getgroups().unwrap_or_default();
    if gid == 0 || rustix::process::getegid().as_raw() == gid || own.iter().any(|own| own.as_raw() == gid) {
        return None;
    }
    let (group, me) = (group_name(gid), known_name("passwd", rustix::process::getuid().as_raw())?);
    let is_member = user(&me).is_some_and(|user| groups_of(&me, &user).contains(&gid));
    Some(if is_member {
        format!("{me} is in group {group}, but not in this session: log in again, or run `newgrp {group}` first")
    } else {
        format!("only group {group} may: `sudo usermod -aG {group} {me}`, then log in again")
    })
}

/// By whom a file can be read, and how one becomes such a person. `dir`: where it lies, if it cannot even be looked at.
pub(super) fn who_can_read(file: &Path, dir: &Path) -> Option<String> {
    let owned = fs::metadata(file).or_else(|_| fs::metadata(dir)).ok()?;
    let (user, group) = (user_name(owned.uid()), group_name(owned.gid()));
    let mut who = format!("user {user} can (`sudo -u {user} datadrop …`)");
    // Do not advise anyone to join root's group only to read.
    if owned.gid() != 0 {
        let _ = write!(who, ", and who is in group {group} (`sudo usermod -aG {group} \"$USER\"`, then log in again)");
    }
    Some(who)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_and_groups_are_found_by_name_and_by_number() {
        let root = user("root").unwrap();
        assert_eq!((root.uid, root.gid, group("root")), (0, 0, Some(0)));
        assert!(groups_of("root", &root).contains(&0));
        assert_eq!((user_name(0), group_name(0)), ("root".to_owned(), "root".to_owned()));
        assert!(user("nobody-of-this-name").is_none());
        assert_eq!(user_name(3_999_999_999), "3999999999");
    }
}
