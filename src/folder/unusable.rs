//! Why an account's folder cannot be used, and who may own what in it.

use crate::folder::directory::Directory;
use crate::job::{Problem, shell_word};
use std::fmt;
use std::fs::{Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Why an account's folder cannot be used. The account is blocked; nothing in the folder is created, moved or cancelled.
#[derive(Debug)]
pub enum FolderProblem {
    /// It is not there.
    Missing(PathBuf),
    /// It is not a folder.
    NotAFolder(PathBuf),
    /// It carries no mark, or not ours.
    NotOurs {
        /// The folder.
        dir: PathBuf,
        /// What was found.
        why: String,
        /// What to do.
        remedy: String,
    },
    /// A sub-folder is not a directory of its own, or not the one that was opened.
    Displaced {
        /// The sub-folder.
        dir: PathBuf,
        /// What was found.
        why: String,
    },
    /// It, or a sub-folder or the mark in it, is in the hands of people who may do more there than they should.
    Untrusted {
        /// The directory or mark.
        dir: PathBuf,
        /// Who may do what.
        why: String,
        /// The command that ends it.
        remedy: String,
    },
    /// The caller may not look into it, which does not show whether the daemon may.
    Closed {
        /// The folder.
        dir: PathBuf,
        /// What the system said.
        why: String,
    },
    /// Another daemon uses it.
    InUse(PathBuf),
    /// A file cannot be moved to where it will have to go.
    Unfit {
        /// The folder.
        dir: PathBuf,
        /// What failed.
        why: String,
    },
    /// Nothing can be written there, whatever the rights of the user: a sandbox that does not include it, most often.
    ReadOnly {
        /// The folder.
        dir: PathBuf,
        /// What failed.
        why: String,
    },
}

impl fmt::Display for FolderProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem().fmt(f)
    }
}

impl std::error::Error for FolderProblem {}

impl FolderProblem {
    /// What is the matter, and what to do about it.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let at = |dir: &Path, why: &str| format!("{}: {why}", dir.display());
        match self {
            Self::Missing(dir) => Problem::new(
                at(dir, "the folder does not exist"),
                "create it, or mount what holds it (datadrop never creates it)",
            ),
            Self::NotAFolder(dir) => Problem::new(at(dir, "not a folder"), "name a folder in the account's `folder`"),
            Self::NotOurs { dir, why, remedy } => Problem::new(at(dir, why), remedy),
            Self::Displaced { dir, why } => Problem::new(
                at(dir, &format!("{why}, and files that cannot be filed are not sent")),
                "once it is a directory of its own, or gone, all goes on by itself",
            ),
            Self::Untrusted { dir, why, remedy } => {
                Problem::new(at(dir, why), format!("run `{remedy}`, and the account continues automatically"))
            }
            Self::Closed { dir, why } => Problem::new(
                at(dir, &format!("this user may not look into the folder: {why}")),
                "run this as the service's user, or as a member of the folder's group",
            ),
            Self::InUse(dir) => Problem::new(
                at(dir, "another datadrop is at work in this folder, or it is also a folder of another account"),
                "stop the other, or name another folder",
            ),
            Self::Unfit { dir, why } => Problem::new(
                at(dir, &format!("{why}, and files that cannot be filed are not sent")),
                "give the user that runs datadrop the right to write there (`datadrop doctor` says what is in the way)",
            ),
            Self::ReadOnly { dir, why } => Problem::new(
                at(
                    dir,
                    &format!(
                        "{why}: it is mounted read-only, or it was made or replaced after the service started, or the unit does \
                         not let the service write there"
                    ),
                ),
                "mount it for writing, and the account continues automatically, otherwise restart the service, and if that does \
                 not help, see `datadrop service print-folders` and `datadrop doctor`",
            ),
        }
    }

    /// It is another's, or may be.
    pub(super) fn not_ours(dir: &Path, why: &str, remedy: &str) -> Self {
        Self::NotOurs { dir: dir.to_owned(), why: why.to_owned(), remedy: remedy.to_owned() }
    }

    /// Why files cannot be filed there: what failed, and how.
    #[must_use]
    pub fn unfit(dir: &Path, what: &str, error: &io::Error) -> Self {
        let (dir, why) = (dir.to_owned(), format!("{what}: {error}"));
        if error.kind() == io::ErrorKind::ReadOnlyFilesystem {
            Self::ReadOnly { dir, why }
        } else {
            Self::Unfit { dir, why }
        }
    }
}

// Who may own what an account's folder holds of datadrop's own, and who may write there (DESIGN F9).
//
// The owner of a sub-folder can take it away from the daemon at any time, and the owner of a mark can claim another
// folder with it. Anyone who may write to `sent/` can have files sent, because other content there goes back to the inbox.

/// Owner of whatever needs no trust.
const ROOT: u32 = 0;
/// The permissions that let others than the owner write.
const OTHERS_WRITE: u32 = 0o022;

/// Users whose files in an account's folder the daemon relies on.
#[derive(Debug)]
pub(super) struct Owners {
    inbox: Metadata,
    trusted: Vec<u32>,
}

impl Owners {
    /// Trusts root, the owner of the inbox and `own`: the user to whom a file belongs that this process makes there.
    pub(super) fn new(inbox: Metadata, own: u32) -> Self {
        let trusted = vec![ROOT, inbox.uid(), own];
        Self { inbox, trusted }
    }

    /// Trusts one more user.
    pub(super) fn also(mut self, user: u32) -> Self {
        self.trusted.push(user);
        self
    }

    /// Refuses what belongs to a user who is not trusted.
    pub(super) fn judge(&self, path: &Path, owner: u32) -> Result<(), FolderProblem> {
        if self.trusted.contains(&owner) {
            return Ok(());
        }
        let (dir, own) = (path.to_owned(), self.trusted[2]);
        let why = format!(
            "it belongs to user {owner}, who is neither root, nor the owner of the account's folder, nor the user that runs datadrop ({own})"
        );
        Err(FolderProblem::Untrusted {
            why,
            remedy: format!("chown -h {own} {}", shell_word(&path.to_string_lossy())),
            dir,
        })
    }

    /// Refuses a sub-folder that belongs to a user who is not trusted, or that more people may write to than to the inbox.
    pub(super) fn judge_sub_folder(&self, found: &Directory) -> Result<(), FolderProblem> {
        let dir = found.path();
        let metadata =
            found.metadata().map_err(|error| FolderProblem::unfit(dir, "the folder cannot be looked at", &error))?;
        self.judge(dir, metadata.uid())?;
        if !self.lets_more_people_write(&metadata) {
            return Ok(());
        }
        Err(FolderProblem::Untrusted {
            why: "people may write to it who may not write to the account's folder, so that they could have files sent"
                .to_owned(),
            remedy: self.as_inbox(dir),
            dir: dir.to_owned(),
        })
    }

    /// The command that makes a sub-folder as the inbox: to take rights away alone may take them from the service too.
    fn as_inbox(&self, dir: &Path) -> String {
        let inbox = &self.inbox;
        let real = dir.canonicalize().unwrap_or_else(|_| dir.to_owned());
        let [dir, real] = [dir, &real].map(|path| shell_word(&path.to_string_lossy()));
        // Somebody could have put a link to another folder in its place meanwhile.
        format!(
            "cd {dir} && [ \"$(pwd -P)\" = {real} ] && chown {}:{} . && chmod {:o} .",
            inbox.uid(),
            inbox.gid(),
            inbox.mode() & 0o7777
        )
    }

    /// Gives a sub-folder that more people may write to the group and mode of the inbox, if that is allowed.
    pub(super) fn narrow(&self, found: &Directory) {
        let adapt = || {
            let is_too_wide = self.lets_more_people_write(&found.metadata()?);
            if is_too_wide { adapt(found, &self.inbox).map(|()| true) } else { Ok(false) }
        };
        let dir = found.path().display();
        match adapt() {
            Ok(false) => {}
            Ok(true) => tracing::warn!(
                "{dir}: more people could write to it than to the inbox: it has the inbox's group and mode now"
            ),
            Err(error) => tracing::warn!("{dir}: it cannot get the inbox's group and mode: {error}"),
        }
    }

    fn lets_more_people_write(&self, found: &Metadata) -> bool {
        let others = found.mode() & OTHERS_WRITE;
        let is_groups_own = found.gid() == self.inbox.gid();
        others & !self.inbox.mode() != 0 || (others & 0o020 != 0 && !is_groups_own && self.inbox.mode() & 0o002 == 0)
    }
}

/// Gives a directory the group and mode of the inbox.
pub(super) fn adapt(directory: &Directory, inbox: &Metadata) -> io::Result<()> {
    // Only what is not right yet: a sandbox may refuse both, and a folder with the setgid bit passes its group on.
    if directory.metadata()?.gid() != inbox.gid() {
        std::os::unix::fs::fchown(directory.as_file(), None, Some(inbox.gid()))?;
    }
    // After the group, whose change takes bits away.
    if directory.metadata()?.mode() & 0o7777 != inbox.mode() & 0o7777 {
        directory.as_file().set_permissions(Permissions::from_mode(inbox.mode() & 0o7777))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::{AccountFolder, MARK, Opened, examine};
    use std::fs;
    use std::io::Write as _;
    use std::os::unix::fs::chown;

    #[test]
    fn what_rights_cannot_mend_is_told_apart_from_what_they_can() {
        let told = |kind: io::ErrorKind| {
            FolderProblem::unfit(Path::new("/srv/a"), "no file can be made in it", &io::Error::from(kind)).to_string()
        };
        let closed = told(io::ErrorKind::ReadOnlyFilesystem);
        assert!(closed.contains("mount it for writing") && closed.contains("restart the service"), "{closed}");
        assert!(closed.contains("service print-folders"), "{closed}");
        let refused = told(io::ErrorKind::PermissionDenied);
        assert!(refused.contains("the right to write there") && !refused.contains("restart"), "{refused}");
        assert!(closed.starts_with("/srv/a: no file can be made in it: ") && !closed.contains('\n'), "{closed}");
    }

    const SOMEBODY: u32 = 65_533;

    fn open(dir: &Path) -> Result<Opened, FolderProblem> {
        AccountFolder::open("a", dir, None, 1)
    }

    fn folder(mode: u32) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(mode)).unwrap();
        dir
    }

    /// Only root can give files to others.
    fn is_root() -> bool {
        let is_root = rustix::process::geteuid().is_root();
        if !is_root {
            let _ = writeln!(std::io::stderr(), "SKIPPED: only root can give files to others");
        }
        is_root
    }

    #[test]
    fn f9_a_sub_folder_or_mark_of_somebody_elses_blocks() {
        if !is_root() {
            return;
        }
        let dir = folder(0o775);
        drop(open(dir.path()).unwrap());
        for name in ["sent", MARK] {
            chown(dir.path().join(name), Some(SOMEBODY), None).unwrap();
            let problem = open(dir.path()).unwrap_err().to_string();
            assert!(
                problem.contains(name) && problem.contains("user 65533") && problem.contains("run `chown -h 0 /"),
                "{problem}"
            );
            if name == "sent" {
                // What the daemon refuses, `doctor` finds.
                assert_eq!(examine("a", dir.path(), None).unwrap_err().to_string(), problem);
            }
            chown(dir.path().join(name), Some(0), None).unwrap();
        }
        let opened = open(dir.path()).unwrap();
        let (mark, copy) = (dir.path().join(MARK), dir.path().join("copy"));
        fs::copy(&mark, &copy).unwrap();
        chown(&copy, Some(SOMEBODY), None).unwrap();
        fs::rename(&copy, &mark).unwrap();
        assert!(
            matches!(opened.folder.check(), Err(FolderProblem::Untrusted { .. })),
            "somebody put another mark there"
        );
        chown(&mark, Some(0), None).unwrap();
        opened.folder.check().unwrap();
        drop(opened);
        // The owner of the account's folder can do as they like there anyway.
        for name in [".", "sent", MARK] {
            chown(dir.path().join(name), Some(SOMEBODY), None).unwrap();
        }
        open(dir.path()).unwrap();
    }

    #[test]
    fn f9_nobody_may_write_to_a_sub_folder_who_may_not_write_to_the_inbox() {
        for (inbox, sub_folder, left) in [
            (0o755, 0o777, 0o755),
            (0o750, 0o770, 0o750),
            (0o770, 0o772, 0o770),
            (0o770, 0o775, 0o775),
            (0o777, 0o777, 0o777),
            (0o770, 0o700, 0o700),
        ] {
            let dir = folder(inbox);
            let held = dir.path().join("held");
            fs::create_dir(&held).unwrap();
            fs::set_permissions(&held, Permissions::from_mode(sub_folder)).unwrap();
            drop(open(dir.path()).unwrap());
            let mode = fs::metadata(&held).unwrap().mode() & 0o7777;
            assert_eq!(format!("{mode:o}"), format!("{left:o}"), "{sub_folder:o} in {inbox:o}");
        }
    }

    #[test]
    fn f9_another_groups_right_to_write_is_taken_back() {
        if !is_root() {
            return;
        }
        let dir = folder(0o2770);
        let held = dir.path().join("held");
        fs::create_dir(&held).unwrap();
        chown(&held, None, Some(SOMEBODY)).unwrap();
        fs::set_permissions(&held, Permissions::from_mode(0o770)).unwrap();
        let told = examine("a", dir.path(), None).unwrap_err().to_string();
        assert!(told.contains("run `cd /") && told.contains(" && chown 0:0 . && chmod 2770 .`"), "{told}");
        drop(open(dir.path()).unwrap());
        let (found, inbox) = (fs::metadata(&held).unwrap(), fs::metadata(dir.path()).unwrap());
        assert_eq!((found.gid(), found.mode() & 0o7777), (inbox.gid(), 0o2770));
    }
}
