//! A directory held open. Everything in it is reached by name from here, never through a link (DESIGN F9): whoever may put
//! things into a watched folder must not lead the daemon out of it.
//!
//! A file that datadrop makes is born under a random hidden name, exclusively, and renamed when it is whole.
//!
//! Every call may hang where the directory lies on a network share.

mod entry;
mod hidden;
mod lease;

#[cfg(test)]
pub(crate) use entry::identity_at;
pub use entry::{Entry, EntryType, FileSystem};
pub use hidden::{Hidden, hidden_name, is_hidden_for};

use entry::{look, not_plain};
use rustix::fs::{Access, AtFlags, Dir, Mode, OFlags, RenameFlags, StatVfsMountFlags};
use rustix::io::Errno;
use std::ffi::{OsStr, OsString};
use std::fs::{File, Metadata, TryLockError};
use std::io::{self, BufRead, BufReader};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

/// An open directory.
#[derive(Debug)]
pub struct Directory {
    file: File,
    path: PathBuf,
}

impl Directory {
    /// Opens a directory that the configuration or the command line names. Links in that path are followed, the last one
    /// too: it is the administrator's word, and nobody who may only write *into* the directory can change it.
    ///
    /// # Errors
    /// The system's; `NotADirectory` if something else lies there.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let file = rustix::fs::open(path, flags, Mode::empty())?.into();
        Ok(Self { file, path: path.to_owned() })
    }

    /// Opens a directory within this one, which must not be a link.
    ///
    /// # Errors
    /// The system's; `NotADirectory` if something else lies there, a link included.
    pub fn open_directory(&self, name: impl AsRef<OsStr>) -> io::Result<Self> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&self.file, name.as_ref(), flags, Mode::empty())?.into();
        Ok(Self { file, path: self.path_of(name) })
    }

    /// The path under which it was opened, for people and for the job log.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path of a name in it, for people and for the job log.
    #[must_use]
    pub fn path_of(&self, name: impl AsRef<OsStr>) -> PathBuf {
        self.path.join(name.as_ref())
    }

    /// What the system says of the directory itself.
    ///
    /// # Errors
    /// The system's.
    pub fn metadata(&self) -> io::Result<Metadata> {
        self.file.metadata()
    }

    /// Fails if the directory itself was removed: then nothing follows from what is not in it.
    ///
    /// # Errors
    /// `NotFound`, or the system's.
    pub fn is_still_there(&self) -> io::Result<()> {
        if Entry::of(&self.file)?.links == 0 { Err(io::ErrorKind::NotFound.into()) } else { Ok(()) }
    }

    /// The open directory, for what only its descriptor can be asked.
    #[must_use]
    pub fn as_file(&self) -> &File {
        &self.file
    }

    /// Device and inode.
    ///
    /// # Errors
    /// The system's.
    pub fn number(&self) -> io::Result<(u64, u64)> {
        Ok(Entry::of(&self.file)?.number())
    }

    /// Locks it for this process alone, whatever path leads here. The lock ends with the open directory.
    ///
    /// # Errors
    /// [`TryLockError::WouldBlock`] if it is locked.
    pub fn try_lock(&self) -> Result<(), TryLockError> {
        self.file.try_lock()
    }

    /// Whether somebody holds the lock just now.
    ///
    /// # Errors
    /// The system's.
    pub fn is_locked(&self) -> io::Result<bool> {
        match self.file.try_lock_shared() {
            Ok(()) => self.file.unlock().map(|()| false),
            Err(TryLockError::WouldBlock) => Ok(true),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    /// Whether nothing can be written there, which a disk with errors becomes while it is in use.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        rustix::fs::fstatvfs(&self.file).is_ok_and(|disk| disk.f_flag.contains(StatVfsMountFlags::RDONLY))
    }

    /// The names in it, dotfiles too.
    ///
    /// # Errors
    /// The system's, at once or instead of a name.
    pub fn names(&self) -> io::Result<impl Iterator<Item = io::Result<OsString>> + use<>> {
        let entries = Dir::read_from(&self.file)?;
        Ok(entries.filter_map(|entry| match entry {
            Ok(entry) => {
                let name = entry.file_name().to_bytes();
                (name != b"." && name != b"..").then(|| Ok(OsStr::from_bytes(name).to_owned()))
            }
            Err(error) => Some(Err(error.into())),
        }))
    }

    /// What lies under a name.
    ///
    /// # Errors
    /// The system's.
    pub fn entry(&self, name: impl AsRef<OsStr>) -> io::Result<Entry> {
        look(&self.file, name.as_ref(), AtFlags::SYMLINK_NOFOLLOW)
    }

    /// The same, asked of the file system itself: some keep what they said for a second.
    ///
    /// # Errors
    /// The system's.
    pub fn entry_anew(&self, name: impl AsRef<OsStr>) -> io::Result<Entry> {
        look(&self.file, name.as_ref(), AtFlags::SYMLINK_NOFOLLOW | AtFlags::STATX_FORCE_SYNC)
    }

    /// What lies under a name; `None` if nothing does.
    ///
    /// # Errors
    /// The system's.
    pub fn find(&self, name: impl AsRef<OsStr>) -> io::Result<Option<Entry>> {
        match self.entry(name) {
            Ok(entry) => Ok(Some(entry)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether this process may read what lies under a name. It is not opened.
    #[must_use]
    pub fn can_read(&self, name: impl AsRef<OsStr>) -> bool {
        let is_link = self.entry(name.as_ref()).is_ok_and(|entry| entry.entry_type == EntryType::Link);
        // Without flags: older kernels and sandboxes know none here.
        !is_link && rustix::fs::accessat(&self.file, name.as_ref(), Access::READ_OK, AtFlags::empty()).is_ok()
    }

    /// Opens a plain file for reading, and looks at it once more. `seen`: what its name was just now; what is not plain is
    /// never opened.
    ///
    /// # Errors
    /// The system's, or that it is no plain file.
    pub fn open_file(&self, name: impl AsRef<OsStr>, seen: &Entry) -> io::Result<(File, Entry)> {
        self.open_plain(name.as_ref(), seen, OFlags::RDONLY)
    }

    /// The same, to be locked: NFS locks nothing that is not open for writing, which this user may not be allowed.
    ///
    /// # Errors
    /// As [`Directory::open_file`].
    pub fn open_to_lock(&self, name: impl AsRef<OsStr>, seen: &Entry) -> io::Result<(File, Entry)> {
        let opened = self.open_plain(name.as_ref(), seen, OFlags::RDWR);
        let refused = [io::ErrorKind::PermissionDenied, io::ErrorKind::ReadOnlyFilesystem];
        if opened.as_ref().is_err_and(|error| refused.contains(&error.kind())) {
            return self.open_file(name, seen);
        }
        opened
    }

    fn open_plain(&self, name: &OsStr, seen: &Entry, access: OFlags) -> io::Result<(File, Entry)> {
        not_plain(seen)?;
        // Between the two calls another thing may have taken the name: it is not followed and not waited for.
        let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let file = File::from(rustix::fs::openat(&self.file, name, flags, Mode::empty())?);
        let entry = Entry::of(&file)?;
        not_plain(&entry)?;
        Ok((file, entry))
    }

    /// Makes a directory.
    ///
    /// # Errors
    /// The system's.
    pub fn create_directory(&self, name: impl AsRef<OsStr>, mode: u32) -> io::Result<()> {
        Ok(rustix::fs::mkdirat(&self.file, name.as_ref(), Mode::from_raw_mode(mode))?)
    }

    /// Renames without overwriting.
    ///
    /// # Errors
    /// The system's; [`is_unsupported`] tells whether the file system has no such rename.
    pub fn rename(&self, name: impl AsRef<OsStr>, to: &Self, new_name: impl AsRef<OsStr>) -> io::Result<()> {
        let (name, new_name) = (name.as_ref(), new_name.as_ref());
        #[cfg(test)]
        if crate::clock::surroundings::renames_overwrite() {
            return Err(Errno::INVAL.into());
        }
        Ok(rustix::fs::renameat_with(&self.file, name, &to.file, new_name, RenameFlags::NOREPLACE)?)
    }

    /// Renames within the directory, over whatever has the new name. A link there is replaced itself, never its target.
    ///
    /// # Errors
    /// The system's; `IsADirectory` if a directory has the new name.
    pub fn replace(&self, name: impl AsRef<OsStr>, new_name: impl AsRef<OsStr>) -> io::Result<()> {
        Ok(rustix::fs::renameat(&self.file, name.as_ref(), &self.file, new_name.as_ref())?)
    }

    /// Renames to a name that nothing has just now, where the file system can neither rename without overwriting nor link.
    ///
    /// # Errors
    /// The system's; `AlreadyExists` if the name is taken.
    pub fn rename_if_free(&self, name: impl AsRef<OsStr>, to: &Self, new_name: impl AsRef<OsStr>) -> io::Result<()> {
        if to.find(new_name.as_ref())?.is_some() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        Ok(rustix::fs::renameat(&self.file, name.as_ref(), &to.file, new_name.as_ref())?)
    }

    /// Whether a plain file has the same size, time and bytes as another: one file, where each name has a number of its own.
    ///
    /// # Errors
    /// The system's.
    pub fn holds_the_same(&self, name: impl AsRef<OsStr>, to: &Self, other: impl AsRef<OsStr>) -> io::Result<bool> {
        let (this, that) = (self.entry(name.as_ref())?, to.entry(other.as_ref())?);
        // Before anything is opened: it may be no file, or somebody's who wants it opened.
        if !this.is_plain() || !that.is_plain() || !this.identity.looks_like(&that.identity) {
            return Ok(false);
        }
        let (this, _) = self.open_file(name, &this)?;
        let (that, _) = to.open_file(other, &that)?;
        same_bytes(BufReader::new(this), BufReader::new(that))
    }

    /// Gives a file a second name, without overwriting. Of a link, the link itself gets it.
    ///
    /// # Errors
    /// The system's.
    pub fn link(&self, name: impl AsRef<OsStr>, to: &Self, new_name: impl AsRef<OsStr>) -> io::Result<()> {
        Ok(rustix::fs::linkat(&self.file, name.as_ref(), &to.file, new_name.as_ref(), AtFlags::empty())?)
    }

    /// Removes a name that is not a directory's.
    ///
    /// # Errors
    /// The system's; `IsADirectory` if it is one's.
    pub fn remove(&self, name: impl AsRef<OsStr>) -> io::Result<()> {
        Ok(rustix::fs::unlinkat(&self.file, name.as_ref(), AtFlags::empty())?)
    }

    /// Makes what was made, renamed and removed in it durable.
    ///
    /// # Errors
    /// The system's.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }
}

fn same_bytes(mut this: impl BufRead, mut that: impl BufRead) -> io::Result<bool> {
    loop {
        let (here, there) = (this.fill_buf()?, that.fill_buf()?);
        let count = here.len().min(there.len());
        if here[..count] != there[..count] {
            return Ok(false);
        }
        if count == 0 {
            return Ok(here.is_empty() && there.is_empty());
        }
        this.consume(count);
        that.consume(count);
    }
}

/// Whether the file system has no renames that never overwrite.
#[must_use]
pub fn is_unsupported(error: &io::Error) -> bool {
    let kinds = [Errno::INVAL, Errno::NOSYS, Errno::NOTSUP];
    kinds.iter().any(|kind| error.raw_os_error() == Some(kind.raw_os_error()))
}

/// Whether a file can have no second name here: the file system has none, or this user may not give it one.
#[must_use]
pub fn is_without_links(error: &io::Error) -> bool {
    let kinds = [Errno::PERM, Errno::ACCESS, Errno::MLINK, Errno::XDEV];
    is_unsupported(error) || kinds.iter().any(|kind| error.raw_os_error() == Some(kind.raw_os_error()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::FileType;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn directory() -> (tempfile::TempDir, Directory) {
        let dir = tempfile::tempdir().unwrap();
        let opened = Directory::open(dir.path()).unwrap();
        (dir, opened)
    }

    fn pipe(path: &Path) {
        rustix::fs::mknodat(rustix::fs::CWD, path, FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
    }

    #[test]
    fn f9_what_is_not_plain_is_told_and_never_opened() {
        let (dir, opened) = directory();
        fs::write(dir.path().join("plain"), "x").unwrap();
        fs::create_dir(dir.path().join("directory")).unwrap();
        symlink("plain", dir.path().join("link")).unwrap();
        pipe(&dir.path().join("pipe"));
        let _listener = std::os::unix::net::UnixListener::bind(dir.path().join("socket")).unwrap();
        for (name, words) in [
            ("directory", "a directory"),
            ("link", "a symbolic link"),
            ("pipe", "a named pipe"),
            ("socket", "a socket"),
        ] {
            let entry = opened.entry(name).unwrap();
            assert_eq!(entry.entry_type.words(), words);
            assert!(opened.open_file(name, &entry).unwrap_err().to_string().contains(words));
        }
        // What takes the name of a plain file just after the look is neither followed nor waited for.
        let plain = opened.entry("plain").unwrap();
        for name in ["directory", "link", "pipe", "socket"] {
            assert!(opened.open_file(name, &plain).is_err(), "{name}");
        }
        symlink("directory", dir.path().join("linked")).unwrap();
        assert_eq!(opened.open_directory("linked").unwrap_err().kind(), io::ErrorKind::NotADirectory);
        assert_eq!(opened.open_directory("pipe").unwrap_err().kind(), io::ErrorKind::NotADirectory);
        assert!(opened.open_directory("directory").is_ok());
    }

    #[test]
    fn f9_replacing_and_linking_take_the_link_and_leave_its_target() {
        let (dir, opened) = directory();
        let outside = tempfile::tempdir().unwrap();
        let secret = outside.path().join("secret");
        fs::write(&secret, "secret").unwrap();
        symlink(&secret, dir.path().join("link")).unwrap();
        opened.link("link", &opened, "second").unwrap();
        assert_eq!(opened.entry("second").unwrap().entry_type, EntryType::Link);
        fs::hard_link(&secret, dir.path().join("hard")).unwrap();
        for name in ["link", "second", "hard"] {
            fs::write(dir.path().join("new"), "new").unwrap();
            opened.replace("new", name).unwrap();
            assert_eq!(fs::read(dir.path().join(name)).unwrap(), b"new");
        }
        assert_eq!(fs::read(&secret).unwrap(), b"secret");
        fs::create_dir(dir.path().join("directory")).unwrap();
        fs::write(dir.path().join("new"), "new").unwrap();
        assert_eq!(opened.replace("new", "directory").unwrap_err().kind(), io::ErrorKind::IsADirectory);
        assert_eq!(opened.remove("directory").unwrap_err().kind(), io::ErrorKind::IsADirectory);
    }

    #[test]
    fn a_locked_directory_is_locked_by_whatever_path_it_is_reached() {
        let (dir, opened) = directory();
        let link = dir.path().join("here");
        symlink(".", &link).unwrap();
        let again = Directory::open(&link).unwrap();
        assert!(!again.is_locked().unwrap());
        opened.try_lock().unwrap();
        assert!(again.is_locked().unwrap());
        assert!(matches!(again.try_lock(), Err(TryLockError::WouldBlock)));
        drop(opened);
        again.try_lock().unwrap();
    }
}
