//! Who may do what, by owner, group and mode. What access control lists add or take is not seen here: such findings warn.

use crate::cli::doctor::finding::{Finding, Verdict};
use std::path::{Path, PathBuf};

pub(in crate::cli::doctor) const READ: u32 = 4;
pub(in crate::cli::doctor) const ENTER: u32 = 1;
pub(in crate::cli::doctor) const ALL: u32 = 7;

const STICKY: u32 = 0o1000;
const SETGID: u32 = 0o2000;
const OTHERS: u32 = 0o007;

/// A user of this computer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli::doctor) struct Person {
    pub(in crate::cli::doctor) name: String,
    pub(in crate::cli::doctor) uid: u32,
    pub(in crate::cli::doctor) gids: Vec<u32>,
}

/// Whose a file is, and its mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli::doctor) struct Owned {
    pub(in crate::cli::doctor) uid: u32,
    pub(in crate::cli::doctor) gid: u32,
    pub(in crate::cli::doctor) mode: u32,
}

/// A path with everything above it, from the root on.
pub(in crate::cli::doctor) type Way = Vec<(PathBuf, Owned)>;

fn may(person: &Person, owned: Owned, bits: u32) -> bool {
    let shift = if person.uid == owned.uid {
        6
    } else if person.gids.contains(&owned.gid) {
        3
    } else {
        0
    };
    person.uid == 0 || (owned.mode >> shift) & bits == bits
}

/// What on the way keeps this user from its end.
fn barrier<'w>(person: &Person, way: &'w Way, bits: u32) -> Option<&'w Path> {
    let (end, above) = way.split_last()?;
    above
        .iter()
        .find(|(_, owned)| !may(person, *owned, ENTER))
        .or_else(|| Some(end).filter(|(_, owned)| !may(person, *owned, bits)))
        .map(|(path, _)| path.as_path())
}

/// Whether the service's user gets at what lies at the end of the way.
pub(in crate::cli::doctor) fn reach(
    check: &'static str,
    subject: &str,
    person: &Person,
    way: &Way,
    bits: u32,
) -> Option<Finding> {
    let barrier = barrier(person, way, bits)?;
    let (end, _) = way.last()?;
    let (what, right) = match (barrier == end, bits) {
        (false, _) => ("be entered", "x"),
        (true, READ) => ("be read", "r"),
        (true, _) => ("be read and written", "rwx"),
    };
    let name = &person.name;
    Some(Finding::bad(
        Verdict::Warn,
        check,
        subject,
        format!(
            "by its owner, group and mode, {} cannot {what} by `{name}`, which runs the service",
            barrier.display()
        ),
        format!("give it to `{name}` or to a group of that user, with the right `{right}`"),
    ))
}

/// A file with a secret.
pub(in crate::cli::doctor) fn secret(
    path: &str,
    owned: Owned,
    owner_name: &str,
    service: Option<(&Person, &Way)>,
    passed_by_systemd: bool,
) -> Finding {
    let mode = owned.mode & 0o777;
    if mode & 0o077 != 0 {
        let whom = if mode & OTHERS == 0 { "its group" } else { "everybody on this computer" };
        let message = format!("{whom} may use it (owner `{owner_name}`, mode {mode:o})");
        return Finding::bad(Verdict::Warn, "secret", path, message, format!("chmod 600 {path}"));
    }
    let unreachable =
        service.filter(|_| !passed_by_systemd).and_then(|(person, way)| reach("secret", path, person, way, READ));
    let how = if passed_by_systemd { ", and systemd passes it to the service" } else { "" };
    unreachable
        .unwrap_or_else(|| Finding::ok("secret", path, format!("readable by its owner `{owner_name}` alone{how}")))
}

/// Whether anybody but the service can put files into a folder, and the service can have them.
pub(in crate::cli::doctor) fn producers(account: &str, dir: &str, owned: Owned, service: Option<&Person>) -> Finding {
    let bad = |message: String, remedy: String| Finding::bad(Verdict::Warn, "producers", account, message, remedy);
    let mode = owned.mode & 0o7777;
    if mode & STICKY != 0 && service.is_some_and(|person| person.uid != owned.uid && person.uid != 0) {
        return bad(
            format!("{dir} has the sticky bit: the service cannot move the files of others in it"),
            format!("chmod -t {dir}"),
        );
    }
    if mode & 0o002 != 0 {
        return bad(
            format!("everybody on this computer can put files into {dir}, and they are sent"),
            format!("give it a group for those who may, and chmod 2770 {dir}"),
        );
    }
    if mode & 0o020 == 0 {
        return bad(
            format!("only its owner can put files into {dir} (mode {mode:o})"),
            format!("if others are to, give it their group and chmod 2770 {dir}"),
        );
    }
    if mode & SETGID == 0 {
        return bad(
            format!("{dir} does not pass its group on: the service may not be able to read what others put there"),
            format!("chmod g+s {dir}"),
        );
    }
    Finding::ok("producers", account, format!("the folder's group can put files into {dir}"))
}

/// Whether the kernel says who writes to the files of an account (DESIGN R5). `tells`: to those of the service's own user.
/// `may_ask`: to those of others, as far as the unit tells.
pub(in crate::cli::doctor) fn writers(account: &str, dir: &str, tells: bool, may_ask: bool) -> Finding {
    let bad = |message: String, remedy: &str| Finding::bad(Verdict::Warn, "writers", account, message, remedy);
    let whether = "whether a program still writes to a file";
    match (tells, may_ask) {
        (true, true) => Finding::ok("writers", account, format!("the kernel says {whether} in {dir}")),
        (true, false) => bad(
            format!("the kernel does not say {whether} of another user in {dir}: the unit grants no CAP_LEASE"),
            "`systemctl edit datadrop` and write AmbientCapabilities=CAP_LEASE below [Service]",
        ),
        (false, _) => bad(
            format!("the kernel does not say {whether} in {dir}: events and the time without a change decide"),
            "let producers rename whole files into it, or set `wait_for_fin = true`",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn owned(uid: u32, gid: u32, mode: u32) -> Owned {
        Owned { uid, gid, mode }
    }

    fn service() -> Person {
        Person { name: "datadrop".to_owned(), uid: 100, gids: vec![100, 200] }
    }

    fn way(end: Owned) -> Way {
        vec![(PathBuf::from("/"), owned(0, 0, 0o755)), (PathBuf::from("/srv"), end)]
    }

    #[test]
    fn the_first_that_applies_of_owner_group_and_others_decides() {
        for (file, expected) in [
            (owned(100, 0, 0o400), true),
            (owned(100, 200, 0o044), false),
            (owned(0, 200, 0o640), true),
            (owned(0, 200, 0o604), false),
            (owned(0, 0, 0o604), true),
            (owned(0, 0, 0o640), false),
        ] {
            assert_eq!(may(&service(), file, READ), expected, "{file:?}");
        }
        assert!(may(&Person { uid: 0, ..service() }, owned(1, 1, 0), ALL));
    }

    #[test]
    fn what_stands_in_the_way_is_named() {
        let mut closed = way(owned(100, 100, 0o700));
        assert_eq!(reach("folder", "a", &service(), &closed, ALL), None);
        closed[0].1.mode = 0o700;
        let line = reach("folder", "a", &service(), &closed, ALL).unwrap().line();
        assert!(line.contains("/ cannot be entered by `datadrop`") && line.contains("right `x`"), "{line}");
        let line = reach("folder", "a", &service(), &way(owned(0, 0, 0o755)), ALL).unwrap().line();
        assert!(line.contains("/srv cannot be read and written"), "{line}");
    }

    #[test]
    fn a_secret_is_its_owners_and_the_service_can_have_it() {
        let judge = |mode, passed| {
            let file = owned(0, 0, mode);
            secret("/s", file, "root", Some((&service(), &way(file))), passed)
        };
        assert!(judge(0o644, true).message.starts_with("everybody"));
        assert!(judge(0o640, true).message.starts_with("its group"));
        assert_eq!(judge(0o600, false).verdict, Verdict::Warn);
        assert_eq!(judge(0o600, true).verdict, Verdict::Ok);
        assert_eq!(secret("/s", owned(5, 5, 0o600), "u", None, false).verdict, Verdict::Ok);
    }

    #[test]
    fn r5_whether_the_kernel_tells_who_writes_is_said_in_one_line() {
        let line = |tells, may_ask| writers("a", "/srv", tells, may_ask).line();
        assert!(writers("a", "/srv", true, true).remedy.is_none());
        assert!(line(true, false).contains("of another user in /srv") && line(true, false).contains("CAP_LEASE"));
        for may_ask in [true, false] {
            assert!(line(false, may_ask).contains("a file in /srv: events") && line(false, may_ask).contains("rename"));
        }
    }

    #[test]
    fn producers_can_write_and_the_service_can_have_it() {
        let judge = |mode| producers("a", "/srv", owned(0, 200, mode), Some(&service()));
        assert_eq!(judge(0o2770).verdict, Verdict::Ok);
        for (mode, remedy) in [(0o755, "chmod 2770"), (0o777, "chmod 2770"), (0o1777, "chmod -t"), (0o770, "chmod g+s")]
        {
            let finding = judge(mode);
            assert_eq!(finding.verdict, Verdict::Warn);
            assert!(finding.remedy.as_deref().unwrap().contains(remedy), "{finding:?}");
        }
    }
}
