//! Why an account's folder cannot be used.

use std::io;
use std::path::{Path, PathBuf};

/// Why an account's folder cannot be used. The account is blocked; nothing in the folder is created, moved or cancelled.
#[derive(Debug, thiserror::Error)]
pub enum FolderProblem {
    /// It is not there.
    #[error("{}: the folder does not exist; create it, or mount what holds it (datadrop never creates it)", .0.display())]
    Missing(PathBuf),
    /// It is not a folder.
    #[error("{}: not a folder; name a folder in the account's `folder`", .0.display())]
    NotAFolder(PathBuf),
    /// It carries no mark, or not ours.
    #[error("{}: {why}", dir.display())]
    NotOurs {
        /// The folder.
        dir: PathBuf,
        /// What was found and what to do.
        why: String,
    },
    /// A sub-folder is not a directory of its own, or not the one that was opened.
    #[error("{}: {why}; files that cannot be filed are not sent. Once it is a directory of its own, or gone, all goes on by itself", dir.display())]
    Displaced {
        /// The sub-folder.
        dir: PathBuf,
        /// What was found.
        why: String,
    },
    /// It, or a sub-folder or the mark in it, is in the hands of people who may do more there than they should.
    #[error("{}: {why}; run `{remedy}`, and the account continues automatically", dir.display())]
    Untrusted {
        /// The directory or mark.
        dir: PathBuf,
        /// Who may do what.
        why: String,
        /// The command that ends it.
        remedy: String,
    },
    /// Whoever asks may not look into it, which says nothing of whether the daemon may.
    #[error("{}: this user may not look into the folder: {why}; run this as the service's user, or as a member of the folder's group", dir.display())]
    Closed {
        /// The folder.
        dir: PathBuf,
        /// What the system said.
        why: String,
    },
    /// Another daemon uses it.
    #[error("{}: another datadrop is at work in this folder, or it is also a folder of another account; stop the other, or name another folder", .0.display())]
    InUse(PathBuf),
    /// A file cannot be moved to where it will have to go.
    #[error("{}: {why}; files that cannot be filed are not sent. Give the user that runs datadrop the right to write there (`datadrop doctor` says what is in the way)", dir.display())]
    Unfit {
        /// The folder.
        dir: PathBuf,
        /// What failed.
        why: String,
    },
    /// Nothing can be written there, whatever the rights of the user: a sandbox that does not include it, most often.
    #[error("{}: {why}: it is mounted read-only, or it was made or replaced after the service started, or the unit does not let the service write there; mount it for writing, and the account continues automatically, otherwise restart the service, and if that does not help, see `datadrop service print-folders` and `datadrop doctor`", dir.display())]
    ReadOnly {
        /// The folder.
        dir: PathBuf,
        /// What failed.
        why: String,
    },
}

impl FolderProblem {
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
