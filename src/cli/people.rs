//! Names of users and groups on this machine.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// The name of a user, or its number where it has none here.
pub(super) fn user_name(uid: u32) -> String {
    named_in("/etc/passwd", uid).unwrap_or_else(|| uid.to_string())
}

fn group_name(gid: u32) -> String {
    named_in("/etc/group", gid).unwrap_or_else(|| gid.to_string())
}

/// Both files begin with a name, something, and its number.
fn named_in(file: &str, id: u32) -> Option<String> {
    named(&fs::read_to_string(file).ok()?, id)
}

fn named(lines: &str, id: u32) -> Option<String> {
    let wanted = id.to_string();
    lines.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1) == Some(wanted.as_str())).then(|| name.to_owned())
    })
}

/// Who is at work here: the one behind `sudo`, else the user itself.
pub(super) fn who() -> String {
    let behind_sudo = std::env::var("SUDO_USER").ok().filter(|name| !name.is_empty());
    let uid = rustix::process::getuid().as_raw();
    // Users of a directory service are in no file.
    let told = || std::env::var("USER").ok().filter(|name| !name.is_empty());
    behind_sudo.or_else(|| named_in("/etc/passwd", uid)).or_else(told).unwrap_or_else(|| format!("uid {uid}"))
}

/// By whom a file can be read, and how one becomes such a person. `dir`: where it lies, if it cannot even be looked at.
pub(super) fn who_can_read(file: &Path, dir: &Path) -> Option<String> {
    let owned = fs::metadata(file).or_else(|_| fs::metadata(dir)).ok()?;
    let (user, group) = (user_name(owned.uid()), group_name(owned.gid()));
    let mut who = format!("user {user} can (`sudo -u {user} datadrop …`)");
    // Nobody is to become a member of root's group for a look.
    if owned.gid() != 0 {
        let _ = write!(who, ", and who is in group {group} (`sudo usermod -aG {group} \"$USER\"`, then log in anew)");
    }
    Some(who)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_the_name_that_the_file_gives_it() {
        let passwd = "root:x:0:0:root:/root:/bin/bash\ndatadrop:!:998:997::/var/lib/datadrop:/usr/sbin/nologin\n";
        assert_eq!(named(passwd, 998).as_deref(), Some("datadrop"));
        assert_eq!(named(passwd, 997), None, "a group's number is none of a user's");
        assert_eq!(named("", 0), None);
    }
}
