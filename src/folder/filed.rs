//! What lies in the sub-folders, for whoever has to find out what was sent.

use super::mark::not_ours;
use super::places::open_sub_folder;
use super::unusable::FolderProblem;
use crate::folder::directory::{Directory, Entry};
use crate::job::Place;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// A file that was filed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FiledFile {
    /// Where.
    pub place: Place,
    /// Under which name.
    pub disk_name: OsString,
    /// When it got there, as far as the file system tells: milliseconds since 1970.
    pub filed_ms: i64,
}

/// The plain files in some sub-folders of an account's folder; explanations and hidden files are none of them. Those
/// alone that got there later than `after_ms`; a sub-folder in which nothing has changed since is not even read.
///
/// # Errors
/// [`FolderProblem`]: a sub-folder that cannot be read is not an empty one.
pub fn filed_after(inbox: &Directory, places: &[Place], after_ms: i64) -> Result<Vec<FiledFile>, FolderProblem> {
    let mut found = Vec::new();
    for place in places {
        let Some(directory) = open_sub_folder(inbox, *place)? else { continue };
        let mut list = || {
            if changed_ms(directory.path(), &Entry::of(directory.as_file())?) <= after_ms {
                return Ok(());
            }
            for disk_name in directory.names()? {
                let disk_name = disk_name?;
                if is_ours(&disk_name) {
                    continue;
                }
                // Moved on meanwhile, by whoever works here.
                let Some(entry) = directory.find(&disk_name)? else { continue };
                let filed_ms = changed_ms(&directory.path_of(&disk_name), &entry);
                if entry.is_plain() && filed_ms > after_ms {
                    found.push(FiledFile { place: *place, disk_name, filed_ms });
                }
            }
            Ok(())
        };
        list().map_err(|error: io::Error| FolderProblem::unfit(directory.path(), "it cannot be listed", &error))?;
    }
    found.sort_by(|a, b| (a.filed_ms, &a.disk_name).cmp(&(b.filed_ms, &b.disk_name)));
    Ok(found)
}

/// What was filed as accepted in an account's folder later than that.
///
/// # Errors
/// [`FolderProblem`] if it cannot be read.
pub fn accepted_after(inbox: &Directory, after_ms: i64) -> Result<Vec<FiledFile>, FolderProblem> {
    filed_after(inbox, &[Place::Sent, Place::Done], after_ms)
}

impl FolderProblem {
    /// The folder holds a file that the job log should know and does not.
    #[must_use]
    pub fn ahead(dir: &Path, file: &FiledFile) -> Self {
        not_ours(
            dir,
            &format!(
                "{}/{} is not in the job log, which seems to be older than the folder and would send again what it does not know; restore a newer one, or stop the service and run `datadrop recover`",
                file.place.as_str(),
                file.disk_name.to_string_lossy()
            ),
        )
    }
}

/// An explanation, or hidden: no file that was filed.
pub(super) fn is_ours(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b".") || name.as_bytes().ends_with(b".why")
}

/// A rename changes the directory, and on the usual file systems the file's own `ctime` too.
#[cfg_attr(not(test), expect(unused_variables, reason = "the clock of a simulation is known by the path"))]
fn changed_ms(path: &Path, entry: &Entry) -> i64 {
    #[cfg(test)]
    if let Some(at) = crate::clock::surroundings::filed_at(path) {
        return at;
    }
    entry.changed_ns.div_euclid(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn files_are_found_and_explanations_are_not() {
        let dir = tempfile::tempdir().unwrap();
        for place in ["sent", "done", "held"] {
            fs::create_dir(dir.path().join(place)).unwrap();
        }
        for name in ["done/a.txt", "done/a.txt.why", "done/.hidden", "sent/b.txt", "held/c.txt"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        let found =
            filed_after(&Directory::open(dir.path()).unwrap(), &[Place::Sent, Place::Done, Place::Failed], i64::MIN)
                .unwrap();
        let mut names: Vec<_> = found.iter().map(|file| (file.place, file.disk_name.to_str().unwrap())).collect();
        names.sort_by_key(|(_, name)| *name);
        assert_eq!(names, [(Place::Done, "a.txt"), (Place::Sent, "b.txt")]);
        assert_eq!(filed_after(&Directory::open(dir.path()).unwrap(), &[Place::Sent], i64::MAX).unwrap(), []);
    }
}
