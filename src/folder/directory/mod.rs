//! A directory held open. Everything in it is reached by name from here, never through a link (DESIGN F9): a user who
//! may put things into a watched folder must not lead the daemon out of it.
//!
//! A file that datadrop makes is born under a random hidden name, exclusively, and renamed when it is whole.
//!
//! Every call may hang where the directory lies on a network share.

mod entry;
mod lease;

#[cfg(test)]
pub(crate) use entry::identity_at;
pub use entry::{Entry, EntryType, FileSystem, opening};

use crate::clock::random;
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
    /// too: the administrator sets the path, and a user who may only write *into* the directory cannot change it.
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
        if crate::testing::surroundings::renames_overwrite() {
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

    /// Whether a plain file has the same size, time and bytes as another: one file, where each name has a number of its own. A
    /// link, pipe, socket or device has no bytes, so its kind, size and time must do.
    ///
    /// # Errors
    /// The system's.
    pub fn holds_the_same(&self, name: impl AsRef<OsStr>, to: &Self, other: impl AsRef<OsStr>) -> io::Result<bool> {
        let (this, that) = (self.entry(name.as_ref())?, to.entry(other.as_ref())?);
        // Before anything is opened: it may be no file, or somebody's who wants it opened.
        if this.entry_type != that.entry_type || !this.identity.looks_like(&that.identity) {
            return Ok(false);
        }
        if !this.is_plain() {
            return Ok(!this.is_directory());
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

// Files that datadrop makes: born under a random hidden name, exclusively, and renamed when they are whole.

/// Before each name that datadrop makes up.
const HIDDEN: &str = ".datadrop-";
/// Maximum number of random names that are tried.
const NAMES_TRIED: u32 = 8;

impl Directory {
    /// Makes an empty file under a hidden, unpredictable name. `purpose` is a part of the name.
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

/// Returns a hidden, unpredictable name. `purpose` is a part of it.
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

impl Directory {
    /// The file system that it is on; one that does not say is unknown.
    #[must_use]
    pub fn file_system(&self) -> FileSystem {
        // The type's width differs between architectures, and its upper half holds nothing.
        let low = |f_type: i64| u32::try_from(f_type & 0xffff_ffff).unwrap_or(0);
        FileSystem(rustix::fs::fstatfs(&self.file).map_or(0, |stat| low(stat.f_type)))
    }

    /// Whether events tell of every change in it, and leases of every writer: it is on a file system that is known to be
    /// local.
    #[must_use]
    pub fn is_known_local(&self) -> bool {
        self.file_system().is_known_local()
    }
}

#[cfg(test)]
mod tests;
