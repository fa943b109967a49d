//! The file of a `.why`, beside each file in `failed/` and `held/` (DESIGN F3).

use super::account::AccountFolder;
use super::rename::fitting;
use crate::folder::directory::Directory;
use crate::job::Place;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};

/// What the hidden file is for that becomes an explanation.
pub(super) const EXPLAINING: &str = "why";

/// The name of an explanation, and those that it gets where something is in the way.
fn why_names(name: &OsStr) -> impl Iterator<Item = OsString> {
    let numbers = (2..10).map(|number| format!(".{number}.why"));
    std::iter::once(".why".to_owned()).chain(numbers).map(move |append| fitting(name, "", &append))
}

/// Does something to the first of the names where nothing is in the way: a directory, or in a folder with the sticky bit
/// what another user made.
fn past_what_stays(name: &OsStr, act: impl Fn(&OsStr) -> io::Result<()>) -> io::Result<()> {
    let mut ended = Ok(());
    for why in why_names(name) {
        ended = act(&why);
        let in_the_way = [io::ErrorKind::IsADirectory, io::ErrorKind::PermissionDenied];
        if !ended.as_ref().is_err_and(|error| in_the_way.contains(&error.kind())) {
            break;
        }
    }
    ended
}

impl AccountFolder {
    /// Writes the explanation beside a file in one of the places. It is a new file that takes the name, whatever bore that:
    /// nothing is opened to be written to, which could be a link or a second name of a file that lies elsewhere.
    ///
    /// # Errors
    /// The system's; the job log holds the reason all the same.
    pub fn write_why(&self, place: Place, name: &OsStr, text: &str) -> io::Result<()> {
        let directory = self.place(place);
        let (mut file, hidden) = directory.create_hidden(EXPLAINING, 0o666)?;
        file.write_all(text.as_bytes())?;
        past_what_stays(name, |why| directory.replace(hidden.name(), why))
    }
}

/// Removes an explanation that no longer holds, if there is one.
pub fn remove_why(directory: &Directory, name: &OsStr) {
    let _ = past_what_stays(name, |why| directory.remove(why));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f9_whatever_bears_the_name_of_an_explanation_is_replaced_itself_and_a_directory_stays() {
        let dir = tempfile::tempdir().unwrap();
        let outside = tempfile::tempdir().unwrap();
        let secret = outside.path().join("secret");
        std::fs::write(&secret, "secret").unwrap();
        let folder = AccountFolder::open("a", dir.path(), None, 1).unwrap().folder;
        let failed = dir.path().join("failed");
        std::os::unix::fs::symlink(&secret, failed.join("link.txt.why")).unwrap();
        std::fs::hard_link(&secret, failed.join("hard.txt.why")).unwrap();
        std::fs::write(failed.join("older.txt.why"), "older").unwrap();
        for name in ["link.txt", "hard.txt", "older.txt", "none.txt"] {
            folder.write_why(Place::Failed, OsStr::new(name), "text").unwrap();
            assert_eq!(std::fs::read_to_string(failed.join(format!("{name}.why"))).unwrap(), "text", "{name}");
            assert!(std::fs::symlink_metadata(failed.join(format!("{name}.why"))).unwrap().is_file(), "{name}");
        }
        std::fs::create_dir(failed.join("dir.txt.why")).unwrap();
        folder.write_why(Place::Failed, OsStr::new("dir.txt"), "text").unwrap();
        assert_eq!(std::fs::read_to_string(failed.join("dir.txt.2.why")).unwrap(), "text");
        remove_why(folder.place(Place::Failed), OsStr::new("dir.txt"));
        let mut names: Vec<_> = std::fs::read_dir(&failed).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["dir.txt.why", "hard.txt.why", "link.txt.why", "none.txt.why", "older.txt.why"]);
        assert_eq!(std::fs::read_to_string(secret).unwrap(), "secret");
    }
}
