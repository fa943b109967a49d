//! A rename that never overwrites, also where the file system has none, and names that fit.

use crate::clock::random;
use crate::folder::directory::{Directory, is_unsupported, is_without_links};
use crate::job::JobId;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// A name in a directory.
pub(super) type Named<'a> = (&'a Directory, &'a OsStr);

/// `may_be_ours`: whether what has the new name already may be this very file, as a move that a crash broke off left it.
pub(super) fn rename_without_overwriting(
    from: Named<'_>,
    to: Named<'_>,
    may_be_ours: impl FnOnce() -> bool,
) -> io::Result<()> {
    match from.0.rename(from.1, to.0, to.1) {
        Err(error) if is_unsupported(&error) => rename_by_link(from, to, may_be_ours, || {
            #[cfg(test)]
            crate::testing::surroundings::passing(crate::testing::reach::Point::TwoNames);
        }),
        renamed => renamed,
    }
}

/// Where the file system knows no such flag: a hard link refuses a taken name just as well. The old name is not removed, for
/// another host may have given it to a new file meanwhile: whatever bears it is taken aside, looked at, and given back if
/// it is another's. Where no link can be made either (no such thing, or a file of another user), a name that is free is
/// renamed to.
fn rename_by_link(
    (directory, name): Named<'_>,
    (target, new_name): Named<'_>,
    may_be_ours: impl FnOnce() -> bool,
    meanwhile: impl FnOnce(),
) -> io::Result<()> {
    match directory.link(name, target, new_name) {
        Err(error)
            if error.kind() == io::ErrorKind::AlreadyExists
                && may_be_ours()
                && is_one_file((directory, name), (target, new_name))? => {}
        Err(error) if is_without_links(&error) => return directory.rename_if_free(name, target, new_name),
        linked => linked?,
    }
    #[cfg(test)]
    crate::testing::reach::met(crate::testing::reach::Met::MovedByLink);
    meanwhile();
    // An unpredictable name: this rename would overwrite a file of that name.
    let mut aside = OsString::from(format!("{ASIDE}{:016x}.", random()));
    aside.push(name);
    let aside = fitting(&aside, "", "");
    let taken_aside = directory.replace(name, &aside);
    #[cfg(test)]
    crate::testing::surroundings::passing(crate::testing::reach::Point::TakenAside);
    match taken_aside {
        // What cannot be looked at stays aside until the folder is opened again.
        Ok(()) if is_one_file((directory, &aside), (target, new_name))? => directory.remove(&aside),
        Ok(()) => give_back((directory, &aside), name),
        // Somebody removed it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Before the digits and the name of a file that was taken aside.
const ASIDE: &str = ".datadrop-aside-";

/// The name of a file that was taken aside.
pub(super) fn name_before(aside: &OsStr) -> Option<&str> {
    let (digits, name) = aside.to_str()?.strip_prefix(ASIDE)?.split_once('.')?;
    (digits.len() == 16 && !name.is_empty()).then_some(name)
}

/// By their numbers, or where each name has one of its own by all else.
pub(super) fn is_one_file(this: Named<'_>, other: Named<'_>) -> io::Result<bool> {
    let Some(found) = other.0.find(other.1)? else { return Ok(false) };
    Ok(this.0.entry(this.1)?.number() == found.number() || this.0.holds_the_same(this.1, other.0, other.1)?)
}

/// A file that was taken aside gets its own name again, or one that is free.
pub(super) fn give_back((directory, aside): Named<'_>, name: &OsStr) -> io::Result<()> {
    let numbered = (1..1000).map(|number| fitting(name, &format!("-{number}"), ""));
    for name in std::iter::once(name.to_owned()).chain(numbered) {
        let given_back = match directory.link(aside, directory, &name) {
            Err(error) if is_without_links(&error) => directory.rename_if_free(aside, directory, &name),
            linked => linked.and_then(|()| directory.remove(aside)),
        };
        match given_back {
            Ok(()) => return Ok(()),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, "no name is free for a file that came meanwhile"))
}

// Names made of a file's name and something more must still be names that a file system takes.

/// The longest name, in bytes, that Linux file systems take.
const NAME_MAX: usize = 255;

/// `insert` behind the stem and `append` behind the extension; a stem that leaves no room for them is cut.
pub(super) fn fitting(name: &OsStr, insert: &str, append: &str) -> OsString {
    let path = Path::new(name);
    let stem = path.file_stem().unwrap_or(name).as_bytes();
    let extension = path.extension().map(OsStr::as_bytes);
    let rest = insert.len() + append.len() + extension.map_or(0, |extension| extension.len() + 1);
    let mut end = stem.len().min(NAME_MAX.saturating_sub(rest));
    // Not within a character: a byte that continues one is 10xxxxxx.
    while end > 0 && stem.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) {
        end -= 1;
    }
    let mut fitted = OsStr::from_bytes(&stem[..end]).to_owned();
    fitted.push(insert);
    if let Some(extension) = extension {
        fitted.push(".");
        fitted.push(OsStr::from_bytes(extension));
    }
    fitted.push(append);
    fitted
}

/// The names under which a job's file may be filed, in the order in which they are tried: its own, then with the job's number
/// within it, then with a counter behind that.
pub fn free_names(name: &OsStr, job: JobId) -> impl Iterator<Item = OsString> {
    let name = name.to_owned();
    let numbers = std::iter::once(format!(".{job}")).chain((2..100).map(move |n| format!(".{job}.{n}")));
    std::iter::once(name.clone()).chain(numbers.map(move |number| fitting(&name, &number, "")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::directory::identity_at;
    use crate::folder::{AccountFolder, Touched, Wanted};
    use crate::job::{Fingerprint, JobId, Place, Sha256};
    use crate::testing::surroundings;
    use std::fs;

    #[test]
    fn f1_a_move_that_broke_off_between_its_two_names_is_finished_and_leaves_one() {
        for (inodes_of_paths, is_of_another, name) in
            [(true, false, "sales.txt"), (true, true, "sales.1.txt"), (false, false, "sales.1.txt")]
        {
            let dir = tempfile::tempdir().unwrap();
            let folder = AccountFolder::open("a", dir.path(), None, 1).unwrap().folder;
            let (from, to) = (dir.path().join("sent/sales.txt"), dir.path().join("done/sales.txt"));
            fs::write(&from, "x").unwrap();
            fs::hard_link(&from, &to).unwrap();
            // Without that, renames refuse to overwrite, and no crash leaves two names.
            surroundings::begin(surroundings::Surroundings {
                inodes_of_paths,
                ..surroundings::Surroundings::default()
            });
            let (identity, sha256) = (identity_at(&from), Sha256::new([7; 32]));
            let wanted = Wanted {
                job: JobId(1),
                name: OsStr::new("sales.txt"),
                from: Place::Sent,
                to: Place::Done,
                hashed: Some(identity),
                sha256: Some(sha256),
                was_sent: true,
                read: &|directory, name| Ok(Fingerprint { identity: directory.entry(name)?.identity, sha256 }),
                is_of_another: &|_, _| is_of_another,
            };
            let moved = folder.move_file(&wanted, &mut Touched::new()).unwrap();
            surroundings::end();
            assert_eq!((moved.place, moved.name.to_str().unwrap()), (Place::Done, name));
            assert!(!from.exists() && to.exists(), "{name}");
            assert_eq!(fs::read_dir(dir.path().join("sent")).unwrap().count(), 0, "nothing is left aside");
        }
    }

    #[test]
    fn f2_a_file_that_came_since_and_has_the_inode_of_ours_is_not_taken_for_it() {
        let dir = tempfile::tempdir().unwrap();
        let folder = AccountFolder::open("a", dir.path(), None, 1).unwrap().folder;
        let inodes_of_paths = true;
        surroundings::begin(surroundings::Surroundings { inodes_of_paths, ..surroundings::Surroundings::default() });
        let (came, moved) = (dir.path().join("sales.txt"), dir.path().join("sent/sales.txt"));
        fs::write(&came, "ours").unwrap();
        let hashed = identity_at(&came);
        // Before a crash, which kept that from being written down.
        fs::rename(&came, &moved).unwrap();
        fs::write(&came, "another").unwrap();
        let sha256 = |directory: &Directory, name: &OsStr| {
            Sha256::new([u8::from(fs::read(directory.path_of(name)).unwrap() == b"ours"); 32])
        };
        for to in [Place::Sent, Place::Done] {
            let wanted = Wanted {
                job: JobId(1),
                name: OsStr::new("sales.txt"),
                from: Place::Inbox,
                to,
                hashed: Some(hashed),
                sha256: Some(Sha256::new([1; 32])),
                was_sent: true,
                read: &|directory, name| {
                    let identity = directory.entry(name)?.identity;
                    Ok(Fingerprint { identity, sha256: sha256(directory, name) })
                },
                is_of_another: &|_, _| false,
            };
            let filed = folder.move_file(&wanted, &mut Touched::new()).unwrap();
            assert_eq!((filed.place, filed.note), (to, None));
        }
        surroundings::end();
        assert_eq!(fs::read_to_string(&came).unwrap(), "another");
        assert_eq!(fs::read_to_string(dir.path().join("done/sales.txt")).unwrap(), "ours");
    }

    /// Found by the simulation, seed 10002: the pipe got a second name in `failed/`, was not known for what it was and given back
    /// its first, and so at each scan, with a new job each time.
    #[test]
    fn f9_what_is_no_file_leaves_the_inbox_also_where_each_path_has_an_inode_of_its_own() {
        for is_link in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let folder = AccountFolder::open("a", dir.path(), None, 1).unwrap().folder;
            let came = dir.path().join("sales.txt");
            if is_link {
                std::os::unix::fs::symlink("/nowhere", &came).unwrap();
            } else {
                let mode = rustix::fs::Mode::from_raw_mode(0o644);
                rustix::fs::mknodat(rustix::fs::CWD, &came, rustix::fs::FileType::Fifo, mode, 0).unwrap();
            }
            let inodes_of_paths = true;
            surroundings::begin(surroundings::Surroundings {
                inodes_of_paths,
                ..surroundings::Surroundings::default()
            });
            let wanted = Wanted {
                job: JobId(1),
                name: OsStr::new("sales.txt"),
                from: Place::Inbox,
                to: Place::Failed,
                hashed: Some(identity_at(&came)),
                sha256: None,
                was_sent: false,
                read: &|_, _| panic!("it is never opened"),
                is_of_another: &|_, _| false,
            };
            let filed = folder.move_file(&wanted, &mut Touched::new()).unwrap();
            surroundings::end();
            assert_eq!((filed.place, filed.name.to_str(), filed.note), (Place::Failed, Some("sales.txt"), None));
            let is_there = |path: &str| fs::symlink_metadata(dir.path().join(path)).is_ok();
            assert!(!is_there("sales.txt") && is_there("failed/sales.txt"), "link: {is_link}");
            let hidden = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
            assert!(!hidden.into_iter().any(|name| name.to_str().unwrap().contains("aside")), "nothing is left aside");
        }
    }

    /// Found by the simulation, seed 230911: cancelled before it was read, moved, and not written down by a crash.
    #[test]
    fn p7_a_file_that_came_since_is_not_taken_for_one_that_was_never_read_and_was_moved_already() {
        let dir = tempfile::tempdir().unwrap();
        let folder = AccountFolder::open("a", dir.path(), None, 1).unwrap().folder;
        let inodes_of_paths = true;
        surroundings::begin(surroundings::Surroundings { inodes_of_paths, ..surroundings::Surroundings::default() });
        let (came, moved) = (dir.path().join("sales.txt"), dir.path().join("failed/sales.txt"));
        fs::write(&came, "ours").unwrap();
        let hashed = identity_at(&came);
        fs::rename(&came, &moved).unwrap();
        fs::write(&came, "another").unwrap();
        let wanted = Wanted {
            job: JobId(1),
            name: OsStr::new("sales.txt"),
            from: Place::Inbox,
            to: Place::Failed,
            hashed: Some(hashed),
            sha256: None,
            was_sent: false,
            read: &|_, _| panic!("its content was never known"),
            is_of_another: &|_, _| false,
        };
        let filed = folder.move_file(&wanted, &mut Touched::new()).unwrap();
        surroundings::end();
        assert_eq!((filed.place, filed.name.to_str(), filed.note), (Place::Failed, Some("sales.txt"), None));
        assert_eq!(fs::read_to_string(&came).unwrap(), "another");
    }

    #[test]
    fn p7_a_move_that_broke_off_between_its_two_names_leaves_one_where_the_file_is_a_new_one_by_now() {
        for inodes_of_paths in [true, false] {
            let dir = tempfile::tempdir().unwrap();
            let folder = AccountFolder::open("a", dir.path(), None, 1).unwrap().folder;
            surroundings::begin(surroundings::Surroundings {
                inodes_of_paths,
                ..surroundings::Surroundings::default()
            });
            let (came, moved) = (dir.path().join("sales.txt"), dir.path().join("sent/sales.txt"));
            fs::write(&came, "sent").unwrap();
            let (hashed, sha256) = (identity_at(&came), Sha256::new([1; 32]));
            fs::hard_link(&came, &moved).unwrap();
            // Its writer goes on after the crash.
            fs::write(&came, "sent and more").unwrap();
            let wanted = Wanted {
                job: JobId(1),
                name: OsStr::new("sales.txt"),
                from: Place::Inbox,
                to: Place::Sent,
                hashed: Some(hashed),
                sha256: Some(sha256),
                was_sent: true,
                read: &|_, _| panic!("its size tells"),
                is_of_another: &|_, _| false,
            };
            let filed = folder.move_file(&wanted, &mut Touched::new()).unwrap();
            surroundings::end();
            assert_eq!((filed.place, filed.note), (Place::Gone, Some(crate::job::Oddity::Changed)));
            assert_eq!(fs::read_to_string(&came).unwrap(), "sent and more");
            assert!(!moved.exists(), "no job has it there");
        }
    }

    #[test]
    fn f1_where_renames_may_overwrite_a_file_that_takes_the_old_name_meanwhile_is_not_lost() {
        for crashed in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let opened = AccountFolder::open("a", dir.path(), None, 1).unwrap();
            let (from, to) = (dir.path().join("sales.txt"), dir.path().join("sent/sales.txt"));
            fs::write(&from, "ours").unwrap();
            let theirs = || {
                fs::write(dir.path().join("new"), "theirs").unwrap();
                fs::rename(dir.path().join("new"), &from).unwrap();
            };
            if crashed {
                fs::hard_link(&from, &to).unwrap();
                theirs();
                fs::rename(&from, dir.path().join(".datadrop-aside-0123456789abcdef.sales.txt")).unwrap();
                drop(opened.folder);
                AccountFolder::open("a", dir.path(), Some(&opened.mark), 1).unwrap();
            } else {
                let (inbox, sent) = (opened.folder.place(Place::Inbox), opened.folder.place(Place::Sent));
                let name = OsStr::new("sales.txt");
                rename_by_link((inbox, name), (sent, name), || false, theirs).unwrap();
            }
            assert_eq!(fs::read_to_string(&from).unwrap(), "theirs", "crashed: {crashed}");
            assert_eq!(fs::read_to_string(&to).unwrap(), "ours");
            let aside =
                |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().to_string_lossy().contains("aside");
            assert!(!fs::read_dir(dir.path()).unwrap().any(aside));
            let taken = dir.path().join("sent/costs.txt");
            fs::write(&taken, "old").unwrap();
            fs::write(dir.path().join("costs.txt"), "new").unwrap();
            let (inbox, sent) =
                (Directory::open(dir.path()).unwrap(), Directory::open(&dir.path().join("sent")).unwrap());
            let name = OsStr::new("costs.txt");
            let refused = rename_by_link((&inbox, name), (&sent, name), || false, || ()).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::AlreadyExists);
            assert_eq!(fs::read_to_string(dir.path().join("costs.txt")).unwrap(), "new");
        }
    }

    #[test]
    fn a_name_that_has_room_is_kept_whole_and_a_longer_one_is_cut_between_characters() {
        assert_eq!(fitting(OsStr::new("sales.eu.txt"), ".17", ""), "sales.eu.17.txt");
        assert_eq!(fitting(OsStr::new("sales.txt"), "", ".why"), "sales.txt.why");
        let longest = OsString::from(format!("x{}.txt", "é".repeat(125)));
        let fitted = fitting(&longest, ".1234567", ".why");
        assert_eq!(fitted, OsString::from(format!("x{}.1234567.txt.why", "é".repeat(119))));
        assert!(fitted.len() <= NAME_MAX);
    }
}
