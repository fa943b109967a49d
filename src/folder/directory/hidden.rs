//! Files that datadrop makes: born under a random hidden name, exclusively, and renamed when they are whole.

use super::{Directory, is_unsupported, is_without_links};
use crate::clock::random;
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;

/// Before each name that datadrop makes up.
const HIDDEN: &str = ".datadrop-";
/// Maximum number of random names that are tried.
const NAMES_TRIED: u32 = 8;

impl Directory {
    /// Makes an empty file under a hidden name that nobody can foresee. `purpose` is a part of the name.
    ///
    /// # Errors
    /// The system's.
    pub fn create_hidden(&self, purpose: &str, mode: u32) -> io::Result<(File, Hidden<'_>)> {
        let flags = OFlags::WRONLY
            | OFlags::CREATE
            | OFlags::EXCL
            | OFlags::NOFOLLOW
            | OFlags::NONBLOCK
            | OFlags::NOCTTY
            | OFlags::CLOEXEC;
        let mut tries = 0;
        loop {
            let name = hidden_name(purpose);
            match rustix::fs::openat(&self.file, &name, flags, Mode::from_raw_mode(mode)) {
                Ok(file) => return Ok((file.into(), Hidden { directory: self, name })),
                Err(Errno::EXIST) if tries < NAMES_TRIED => tries += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// The hidden name of a file that is not in its place yet; removed when dropped.
#[derive(Debug)]
pub struct Hidden<'a> {
    directory: &'a Directory,
    name: OsString,
}

impl Hidden<'_> {
    /// The name.
    #[must_use]
    pub fn name(&self) -> &OsStr {
        &self.name
    }

    /// Puts the file in its place without overwriting, also where renames may overwrite: a link does not.
    ///
    /// # Errors
    /// The system's; `AlreadyExists` if the name is taken.
    pub fn rename(self, new_name: impl AsRef<OsStr>) -> io::Result<()> {
        match self.directory.rename(&self.name, self.directory, &new_name) {
            Err(error) if is_unsupported(&error) => match self.directory.link(&self.name, self.directory, &new_name) {
                Err(error) if is_without_links(&error) => {
                    self.directory.rename_if_free(&self.name, self.directory, new_name)
                }
                linked => linked,
            },
            renamed => renamed,
        }
    }
}

impl Drop for Hidden<'_> {
    fn drop(&mut self) {
        // Nothing has that name any more once it was renamed.
        let _ = self.directory.remove(&self.name);
    }
}

/// A hidden name that nobody can foresee. `purpose` is a part of it.
#[must_use]
pub fn hidden_name(purpose: &str) -> OsString {
    format!("{HIDDEN}{purpose}-{:016x}", random()).into()
}

/// Whether this is a name that [`hidden_name`] makes up for this purpose.
#[must_use]
pub fn is_hidden_for(purpose: &str, name: &OsStr) -> bool {
    let digits = name.to_str().and_then(|name| name.strip_prefix(HIDDEN)?.strip_prefix(purpose)?.strip_prefix('-'));
    digits.is_some_and(|digits| digits.len() == 16 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write as _;

    #[test]
    fn f9_a_hidden_file_is_new_and_goes_unless_it_is_put_in_place() {
        let dir = tempfile::tempdir().unwrap();
        let opened = Directory::open(dir.path()).unwrap();
        let (mut file, hidden) = opened.create_hidden("why", 0o600).unwrap();
        assert!(is_hidden_for("why", hidden.name()) && !is_hidden_for("mark", hidden.name()));
        file.write_all(b"text").unwrap();
        hidden.rename("x").unwrap();
        assert_eq!(fs::read(dir.path().join("x")).unwrap(), b"text");
        let (_, hidden) = opened.create_hidden("why", 0o600).unwrap();
        assert_eq!(hidden.rename("x").unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        drop(opened.create_hidden("why", 0o600).unwrap());
        assert_eq!(opened.names().unwrap().collect::<io::Result<Vec<_>>>().unwrap(), ["x"]);
    }
}
