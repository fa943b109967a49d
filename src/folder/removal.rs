//! Removing from `done/` what was filed there (`keep.done`): that file, unchanged, and nothing else.

use super::account::AccountFolder;
use crate::job::{FileIdentity, Place};
use std::ffi::OsStr;
use std::io;

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removal {
    /// It is gone: removed now, or by somebody before.
    Gone,
    /// Something else lies under its name, or it was changed: that is somebody's, and stays.
    Left,
}

impl AccountFolder {
    /// Removes a file of `done/` if it is the one that was hashed, to the last change. Not durable before
    /// [`AccountFolder::sync`].
    ///
    /// # Errors
    /// The system's, if it cannot be looked at or removed: to be tried again.
    pub fn remove_done(&self, name: &OsStr, hashed: FileIdentity) -> io::Result<Removal> {
        let done = self.place(Place::Done);
        let Some(found) = done.find(name)?.map(|found| found.identity) else {
            // Nothing is known of a file whose folder is not there.
            return done.is_still_there().map(|()| Removal::Gone);
        };
        let is_unchanged = (found.size, found.modified_ns) == (hashed.size, hashed.modified_ns);
        if !found.is_same_file(&hashed) || !is_unchanged {
            return Ok(Removal::Left);
        }
        done.remove(name)?;
        Ok(Removal::Gone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::directory::identity_at;
    use std::fs;
    use std::path::Path;

    fn put(path: &Path, text: &str) -> FileIdentity {
        fs::write(path, text).unwrap();
        identity_at(path)
    }

    #[test]
    fn only_the_very_file_that_was_filed_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let folder = AccountFolder::open("a", dir.path(), None, 1).unwrap().folder;
        let done = dir.path().join("done");
        let remove = |name: &str, hashed| folder.remove_done(OsStr::new(name), hashed).unwrap();

        let filed = put(&done.join("filed.txt"), "x");
        assert_eq!(remove("filed.txt", filed), Removal::Gone);
        assert!(!done.join("filed.txt").exists());
        assert_eq!(remove("filed.txt", filed), Removal::Gone, "removed before, and not written down");

        let changed = put(&done.join("changed.txt"), "x");
        fs::write(done.join("changed.txt"), "xy").unwrap();
        let replaced = put(&done.join("replaced.txt"), "x");
        put(&done.join("other"), "x");
        fs::rename(done.join("other"), done.join("replaced.txt")).unwrap();
        let linked = put(&done.join("linked.txt"), "x");
        fs::rename(done.join("linked.txt"), done.join("target")).unwrap();
        std::os::unix::fs::symlink("target", done.join("linked.txt")).unwrap();
        for (name, hashed) in [("changed.txt", changed), ("replaced.txt", replaced), ("linked.txt", linked)] {
            assert_eq!(remove(name, hashed), Removal::Left, "{name}");
            assert!(fs::symlink_metadata(done.join(name)).is_ok(), "{name}");
        }
        assert!(done.join("target").exists());

        fs::remove_dir_all(&done).unwrap();
        assert!(
            folder.remove_done(OsStr::new("filed.txt"), filed).is_err(),
            "a folder that is not there tells nothing"
        );
    }
}
