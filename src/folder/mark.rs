//! Is this the account's folder, and can files be filed in it?

use super::filed::{FiledFile, filed_after};
use super::problem::FolderProblem;
use super::rename::rename_without_overwriting;
use crate::job::Place;
use rustix::fs::StatVfsMountFlags;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The hidden mark in each account's folder that says whose it is.
pub const MARK: &str = ".datadrop";

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

/// What was filed as accepted in an account's folder later than that.
///
/// # Errors
/// [`FolderProblem::Unfit`] if it cannot be read.
pub fn accepted_after(dir: &Path, after_ms: i64) -> Result<Vec<FiledFile>, FolderProblem> {
    filed_after(dir, &[Place::Sent, Place::Done], after_ms)
        .map_err(|error| unfit(dir, "sent/ or done/ cannot be read", &error))
}

/// An account's folder, marked, locked and fit for use.
#[derive(Debug)]
pub struct AccountFolder {
    pub(super) dir: PathBuf,
    mark: String,
    // The lock ends with the open file.
    _lock: File,
    device: u64,
    inode: u64,
    /// Events and locks of other hosts do not reach here.
    pub is_remote: bool,
}

/// A folder that was opened.
#[derive(Debug)]
pub struct Opened {
    /// The folder.
    pub folder: AccountFolder,
    /// Its mark, to be remembered in the job log when it is new.
    pub mark: String,
}

impl AccountFolder {
    /// Opens the folder of an account. `remembered`: the mark that the job log has; `random` goes into a new mark.
    ///
    /// # Errors
    /// [`FolderProblem`] says what is wrong and what to do.
    pub fn open(account: &str, dir: &Path, remembered: Option<&str>, random: u64) -> Result<Opened, FolderProblem> {
        let metadata = folder_at(dir)?;
        let found = read_mark(dir).map_err(|error| unfit(dir, "its mark .datadrop cannot be read", &error))?;
        let mark = match accepted_mark(account, dir, found, remembered)? {
            Some(mark) => mark,
            None => create_mark(dir, account, random)
                .map_err(|error| unfit(dir, "its mark .datadrop cannot be written", &error))?,
        };
        let lock =
            File::open(dir.join(MARK)).map_err(|error| unfit(dir, "its mark .datadrop cannot be opened", &error))?;
        take_lock(&lock, dir)?;
        for place in Place::SUB_FOLDERS {
            create_sub_folder(dir, place, &metadata)?;
        }
        let folder = Self {
            dir: dir.to_owned(),
            mark: mark.clone(),
            _lock: lock,
            device: metadata.dev(),
            inode: metadata.ino(),
            is_remote: is_remote(dir),
        };
        folder
            .give_back_all()
            .map_err(|error| unfit(dir, "a file that was taken aside cannot be given back", &error))?;
        folder.try_moves()?;
        Ok(Opened { folder, mark })
    }

    /// Opens the folder of an account whose job log has forgotten it (DESIGN §7, `recover`): with the mark that it
    /// carries, or a new one.
    ///
    /// # Errors
    /// As [`Self::open`]; the mark of another account is refused here too.
    pub fn reopen(account: &str, dir: &Path, random: u64) -> Result<Opened, FolderProblem> {
        let found = read_mark(dir).map_err(|error| unfit(dir, "its mark .datadrop cannot be read", &error))?;
        let mark = match found {
            Some(found) if account_in(&found) == Some(account) => found,
            None if dir.is_dir() => create_mark(dir, account, random)
                .map_err(|error| unfit(dir, "its mark .datadrop cannot be written", &error))?,
            // `open` says what is wrong.
            Some(_) | None => return Self::open(account, dir, None, random),
        };
        Self::open(account, dir, Some(&mark), random)
    }

    /// Whether this is still the folder that was opened, and still carries its mark.
    ///
    /// # Errors
    /// [`FolderProblem`] if it is not; it must be opened anew before anything in it is touched.
    pub fn check(&self) -> Result<(), FolderProblem> {
        let metadata = match fs::metadata(&self.dir) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(FolderProblem::Missing(self.dir.clone()));
            }
            Err(error) => return Err(unfit(&self.dir, "the folder cannot be entered", &error)),
        };
        if (metadata.dev(), metadata.ino()) != (self.device, self.inode) {
            return Err(not_ours(
                &self.dir,
                "another folder lies in its place: the file system that holds it was unmounted, or the folder was replaced; mount it again, or move the old one back (its mark .datadrop tells it), and all goes on by itself",
            ));
        }
        // What cannot be filed must not be sent (DESIGN F5), and a disk with errors becomes read-only while it is in use.
        if rustix::fs::statvfs(&self.dir).is_ok_and(|disk| disk.f_flag.contains(StatVfsMountFlags::RDONLY)) {
            return Err(unfit(&self.dir, "files cannot be moved in it", &io::ErrorKind::ReadOnlyFilesystem.into()));
        }
        match read_mark(&self.dir) {
            Ok(Some(found)) if found == self.mark => Ok(()),
            Ok(Some(_)) => Err(not_ours(&self.dir, "its mark .datadrop was changed; put it back")),
            Ok(None) => Err(not_ours(
                &self.dir,
                "its mark .datadrop is gone, so it may be another folder; mount the file system that holds it, or put the mark back, and all goes on by itself",
            )),
            Err(error) => Err(unfit(&self.dir, "its mark .datadrop cannot be read", &error)),
        }
    }

    /// The folder's path.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The path of a place within it.
    #[must_use]
    pub fn place(&self, place: Place) -> PathBuf {
        match place {
            Place::Inbox | Place::Gone => self.dir.clone(),
            Place::Sent | Place::Held | Place::Done | Place::Failed => self.dir.join(place.as_str()),
        }
    }

    /// Writes the explanation beside a file in one of the places.
    ///
    /// # Errors
    /// The system's; the job log holds the reason all the same.
    pub fn write_why(&self, place: Place, name: &std::ffi::OsStr, text: &str) -> io::Result<()> {
        super::why::write(&self.place(place), name, text)
    }

    /// A trial rename through every sub-folder (DESIGN F5): what cannot be filed must not be sent.
    fn try_moves(&self) -> Result<(), FolderProblem> {
        let trial = ".datadrop-trial";
        let mut lies_in = self.dir.join(trial);
        // What a crash left behind.
        for place in Place::ALL {
            let _ = fs::remove_file(self.place(place).join(trial));
        }
        File::create(&lies_in).map_err(|error| unfit(&self.dir, "no file can be made in it", &error))?;
        for place in Place::SUB_FOLDERS {
            let to = self.place(place).join(trial);
            if let Err(error) = rename_without_overwriting(&lies_in, &to) {
                let _ = fs::remove_file(&lies_in);
                return Err(unfit(&self.place(place), "no file can be moved into it", &error));
            }
            lies_in = to;
        }
        fs::remove_file(&lies_in).map_err(|error| unfit(&self.dir, "no file can be removed from it", &error))
    }
}

/// What is there must be a folder.
pub(super) fn folder_at(dir: &Path) -> Result<fs::Metadata, FolderProblem> {
    match fs::metadata(dir) {
        Ok(metadata) if metadata.is_dir() => Ok(metadata),
        Ok(_) => Err(FolderProblem::NotAFolder(dir.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(FolderProblem::Missing(dir.to_owned())),
        Err(error) => Err(unfit(dir, "the folder cannot be entered", &error)),
    }
}

/// The mark that proves that this is the account's folder (DESIGN F4); `None` if the folder is new and may get one.
pub(super) fn accepted_mark(
    account: &str,
    dir: &Path,
    found: Option<String>,
    remembered: Option<&str>,
) -> Result<Option<String>, FolderProblem> {
    match (found, remembered) {
        (Some(found), Some(known)) if found == known => Ok(Some(found)),
        (Some(found), None) if account_in(&found) == Some(account) => {
            refuse_forgotten(dir)?;
            Ok(Some(found))
        }
        (Some(found), Some(_)) if account_in(&found) == Some(account) => Err(not_ours(
            dir,
            "its mark .datadrop is not the one that the job log remembers: this is another folder, or the job log is another's; put the right one back, or stop the service and run `datadrop recover`",
        )),
        (Some(found), _) => {
            let other = account_in(&found).unwrap_or("something else");
            Err(not_ours(
                dir,
                &format!(
                    "its mark .datadrop says that it belongs to `{other}`, not to `{account}`; name another folder, or remove .datadrop if that account is gone"
                ),
            ))
        }
        (None, Some(_)) => Err(not_ours(
            dir,
            "it should carry the mark .datadrop and does not: the file system that holds it is not mounted, or the folder was replaced; mount it, or move the old one back, and all goes on by itself (if it is lost: stop the service, run `datadrop recover` and start it again)",
        )),
        (None, None) => {
            refuse_forgotten(dir)?;
            Ok(None)
        }
    }
}

fn take_lock(mark: &File, dir: &Path) -> Result<(), FolderProblem> {
    // `datadrop doctor` asks whether a daemon is here, and holds the lock for an instant.
    for _ in 0..3 {
        match mark.try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::WouldBlock) => std::thread::sleep(Duration::from_millis(10)),
            Err(TryLockError::Error(error)) => return Err(unfit(dir, "it cannot be locked", &error)),
        }
    }
    Err(FolderProblem::InUse(dir.to_owned()))
}

pub(super) fn unfit(dir: &Path, what: &str, error: &io::Error) -> FolderProblem {
    FolderProblem::unfit(dir, what, error)
}

fn not_ours(dir: &Path, why: &str) -> FolderProblem {
    FolderProblem::NotOurs { dir: dir.to_owned(), why: why.to_owned() }
}

pub(super) fn read_mark(dir: &Path) -> io::Result<Option<String>> {
    match File::open(dir.join(MARK)) {
        Ok(file) => {
            let mut text = String::new();
            file.take(4096).read_to_string(&mut text)?;
            Ok(Some(text))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn account_in(mark: &str) -> Option<&str> {
    mark.lines().find_map(|line| line.strip_prefix("account "))
}

fn create_mark(dir: &Path, account: &str, random: u64) -> io::Result<String> {
    let text =
        format!("# This folder belongs to datadrop. Do not remove this file.\naccount {account}\nid {random:016x}\n");
    // Whole or not at all: half a mark would be that of another.
    let unfinished = dir.join(".datadrop-new");
    let mut file = File::create(&unfinished)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    rename_without_overwriting(&unfinished, &dir.join(MARK))?;
    File::open(dir)?.sync_all()?;
    Ok(text)
}

/// Files that were sent, and a job log that knows nothing of it: sending on would risk sending twice.
fn refuse_forgotten(dir: &Path) -> Result<(), FolderProblem> {
    for place in [Place::Sent, Place::Done] {
        let holds_files = fs::read_dir(dir.join(place.as_str())).is_ok_and(|mut entries| entries.next().is_some());
        if holds_files {
            return Err(not_ours(
                dir,
                &format!(
                    "{}/ holds files that were sent, but this job log knows nothing of the folder, and would send again what it does not know; restore the job log that does, or stop the service and run `datadrop recover`",
                    place.as_str()
                ),
            ));
        }
    }
    Ok(())
}

/// Sub-folders take the inbox's mode and group, so that whoever may drop files may also fetch what became of them.
fn create_sub_folder(dir: &Path, place: Place, inbox: &fs::Metadata) -> Result<(), FolderProblem> {
    let path = dir.join(place.as_str());
    match DirBuilder::new().mode(inbox.mode() & 0o777).create(&path) {
        Ok(()) => {
            // Only what is not right yet: a sandbox may refuse both, and a folder with the setgid bit passes its group on.
            let adapt = || {
                if fs::metadata(&path)?.gid() != inbox.gid() {
                    std::os::unix::fs::chown(&path, None, Some(inbox.gid()))?;
                }
                // After the group, whose change takes bits away.
                if fs::metadata(&path)?.mode() & 0o7777 != inbox.mode() & 0o7777 {
                    fs::set_permissions(&path, fs::Permissions::from_mode(inbox.mode() & 0o7777))?;
                }
                Ok::<(), io::Error>(())
            };
            if let Err(error) = adapt() {
                tracing::warn!(
                    "{}: its group and mode cannot be made those of {}: {error}",
                    path.display(),
                    dir.display()
                );
            }
            Ok(())
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(unfit(&path, "the sub-folder cannot be made", &error)),
    }
}

/// Whether the file system is a network one: no events come from other hosts (`statfs`, `f_type`).
pub(super) fn is_remote(dir: &Path) -> bool {
    const NFS: i64 = 0x6969;
    const SMB: i64 = 0x517b;
    const SMB2: i64 = 0xfe53_4d42;
    const CIFS: i64 = 0xff53_4d42;
    const FUSE: i64 = 0x6573_5546;
    const NINE_P: i64 = 0x0102_1997;
    const CEPH: i64 = 0x00c3_6400;
    rustix::fs::statfs(dir)
        .is_ok_and(|stat| [NFS, SMB, SMB2, CIFS, FUSE, NINE_P, CEPH].contains(&(stat.f_type & 0xffff_ffff)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(dir: &Path, remembered: Option<&str>) -> Result<Opened, FolderProblem> {
        AccountFolder::open("callcentre", dir, remembered, 7)
    }

    #[test]
    fn f4_a_folder_is_known_by_its_mark() {
        let dir = tempfile::tempdir().unwrap();
        let mark = open(dir.path(), None).unwrap().mark;
        assert!(open(dir.path(), Some(&mark)).is_ok());
        assert!(open(dir.path(), None).is_ok(), "marked before the job log remembered it");

        let other = AccountFolder::open("returns", dir.path(), None, 7);
        assert!(matches!(other, Err(FolderProblem::NotOurs { .. })));

        std::fs::remove_file(dir.path().join(MARK)).unwrap();
        assert!(matches!(open(dir.path(), Some(&mark)), Err(FolderProblem::NotOurs { .. })));
        assert!(!dir.path().join(MARK).exists(), "a folder that may be the wrong one is left as it is");
    }

    #[test]
    fn f4_a_missing_folder_is_never_created() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("missing");
        assert!(matches!(open(&missing, None), Err(FolderProblem::Missing(_))));
        assert!(!missing.exists());
    }

    #[test]
    fn a_folder_with_sent_files_and_an_empty_job_log_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("done")).unwrap();
        std::fs::write(dir.path().join("done/sales.txt"), "x").unwrap();
        assert!(matches!(open(dir.path(), None), Err(FolderProblem::NotOurs { .. })));
    }

    #[test]
    fn one_daemon_for_each_folder() {
        let dir = tempfile::tempdir().unwrap();
        let first = open(dir.path(), None).unwrap();
        assert!(matches!(open(dir.path(), None), Err(FolderProblem::InUse(_))));
        drop(first);
        assert!(open(dir.path(), None).is_ok());
    }

    #[test]
    fn a_replaced_folder_is_noticed() {
        let parent = tempfile::tempdir().unwrap();
        let dir = parent.path().join("in");
        std::fs::create_dir(&dir).unwrap();
        let opened = open(&dir, None).unwrap();
        assert!(opened.folder.check().is_ok());
        std::fs::rename(&dir, parent.path().join("away")).unwrap();
        assert!(matches!(opened.folder.check(), Err(FolderProblem::Missing(_))));
        std::fs::create_dir(&dir).unwrap();
        assert!(matches!(opened.folder.check(), Err(FolderProblem::NotOurs { .. })));
    }

    #[test]
    fn f1_sub_folders_take_the_inboxs_mode() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o2770)).unwrap();
        open(dir.path(), None).unwrap();
        for place in Place::SUB_FOLDERS {
            let mode = std::fs::metadata(dir.path().join(place.as_str())).unwrap().mode();
            assert_eq!(mode & 0o7777, 0o2770, "{}", place.as_str());
        }
    }
}
