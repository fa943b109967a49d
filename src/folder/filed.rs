//! What lies in the sub-folders, for whoever has to find out what was sent.

use crate::job::Place;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
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
/// The system's.
pub fn filed_after(dir: &Path, places: &[Place], after_ms: i64) -> io::Result<Vec<FiledFile>> {
    let mut found = Vec::new();
    for place in places {
        let path = dir.join(place.as_str());
        match fs::metadata(&path) {
            Ok(metadata) if changed_ms(&metadata) > after_ms => {}
            Ok(_) => continue,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error),
        }
        for entry in fs::read_dir(&path)? {
            let entry = entry?;
            let disk_name = entry.file_name();
            if is_ours(&disk_name) {
                continue;
            }
            let metadata = entry.metadata()?;
            let filed_ms = changed_ms(&metadata);
            if metadata.is_file() && filed_ms > after_ms {
                found.push(FiledFile { place: *place, disk_name, filed_ms });
            }
        }
    }
    found.sort_by(|a, b| (a.filed_ms, &a.disk_name).cmp(&(b.filed_ms, &b.disk_name)));
    Ok(found)
}

fn is_ours(name: &OsStr) -> bool {
    name.as_bytes().starts_with(b".") || name.as_bytes().ends_with(b".why")
}

/// A rename changes the directory, and on the usual file systems the file's own ctime too.
fn changed_ms(metadata: &Metadata) -> i64 {
    metadata.ctime().saturating_mul(1000).saturating_add(metadata.ctime_nsec() / 1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_and_explanations_are_not() {
        let dir = tempfile::tempdir().unwrap();
        for place in ["sent", "done", "held"] {
            fs::create_dir(dir.path().join(place)).unwrap();
        }
        for name in ["done/a.txt", "done/a.txt.why", "done/.hidden", "sent/b.txt", "held/c.txt"] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        let found = filed_after(dir.path(), &[Place::Sent, Place::Done, Place::Failed], i64::MIN).unwrap();
        let mut names: Vec<_> = found.iter().map(|file| (file.place, file.disk_name.to_str().unwrap())).collect();
        names.sort_by_key(|(_, name)| *name);
        assert_eq!(names, [(Place::Done, "a.txt"), (Place::Sent, "b.txt")]);
        assert_eq!(filed_after(dir.path(), &[Place::Sent], i64::MAX).unwrap(), []);
    }
}
