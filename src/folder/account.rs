//! An account's folder: marked, locked, held open and fit for use (DESIGN F4, F5, F9).

use super::mark::{MARK, MARKING, Mark, accepted_mark, account_in, read_mark};
use super::places::{Places, TRIAL, lock, open_inbox, own_user};
use super::rename::{Named, give_back, is_one_file, name_before};
use super::unusable::{FolderProblem, Owners};
use crate::folder::directory::{Directory, Entry, is_hidden_for};
use crate::job::{FileIdentity, Place};
use std::collections::HashSet;
use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// What the hidden file is for that becomes an explanation.
pub(super) const EXPLAINING: &str = "why";

/// What the hidden file is for that becomes a marker.
pub(super) const MARKER: &str = "marker";

/// An account's folder, marked, locked and fit for use. Its directories stay open: what takes their names meanwhile is noticed
/// by [`AccountFolder::check`], and never worked in.
#[derive(Debug)]
pub struct AccountFolder {
    places: Places,
    mark: Mark,
    owners: Owners,
    /// It is not known to be on a local file system: other hosts may write here, and events may not tell.
    pub is_remote: bool,
    /// When it was made, in nanoseconds since 1970; 0 where the file system does not tell.
    pub born_ns: i64,
    /// Files that went back into the inbox, which no rename of ours proves complete.
    put_back: Mutex<HashSet<(u64, u64, i64)>>,
}

/// So many of them are remembered.
const PUT_BACK: usize = 10_000;

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
        let accept = |inbox: &Directory, found: Option<String>| accepted_mark(account, inbox, found, remembered);
        // Anyone who may read a mark can copy it into another folder.
        let trust = |owners: Owners, mark: &Mark| owners.judge(&dir.join(MARK), mark.owner()).map(|()| owners);
        Self::open_as(account, dir, random, accept, trust)
    }

    /// Opens the folder of an account whose job log has forgotten it (DESIGN §7, `recover`): with the mark that it
    /// carries, or a new one.
    ///
    /// # Errors
    /// As [`Self::open`]; the mark of another account is refused here too.
    pub fn reopen(account: &str, dir: &Path, random: u64) -> Result<Opened, FolderProblem> {
        let accept = |inbox: &Directory, found: Option<String>| match found {
            Some(found) if account_in(&found) == Some(account) => Ok(Some(found)),
            // It says what is wrong.
            Some(found) => accepted_mark(account, inbox, Some(found), None),
            None => Ok(None),
        };
        // Root may rebuild what the service's user left, to whom the mark belongs.
        Self::open_as(account, dir, random, accept, |owners, mark| Ok(owners.also(mark.owner())))
    }

    fn open_as(
        account: &str,
        dir: &Path,
        random: u64,
        accept: impl FnOnce(&Directory, Option<String>) -> Result<Option<String>, FolderProblem>,
        trust: impl FnOnce(Owners, &Mark) -> Result<Owners, FolderProblem>,
    ) -> Result<Opened, FolderProblem> {
        let inbox = open_inbox(dir)?;
        let unfit = |what: &str| {
            let what = what.to_owned();
            move |error: io::Error| FolderProblem::unfit(dir, &what, &error)
        };
        let found = read_mark(&inbox).map_err(unfit("its mark .datadrop cannot be read"))?;
        let accepted = accept(&inbox, found)?;
        // Before anything is made in it: it may be in use as a place of another account.
        lock(&inbox)?;
        let mark = Mark::take(&inbox, account, accepted, random)?;
        let metadata = inbox.metadata().map_err(unfit("the folder cannot be looked at"))?;
        let owners = trust(Owners::new(metadata, own_user(&inbox)?), &mark)?;
        let places = Places::open(inbox)?;
        places.lock()?;
        places.are_trusted(&owners)?;
        let is_remote = !places.at(Place::Inbox).is_known_local();
        let itself = Entry::of(places.at(Place::Inbox).as_file()).map_err(unfit("the folder cannot be looked at"))?;
        let folder =
            Self { places, mark, owners, is_remote, born_ns: itself.identity.born_ns, put_back: Mutex::default() };
        folder.tidy().map_err(unfit("a file that was taken aside cannot be given back"))?;
        folder.places.try_moves()?;
        let mark = folder.mark.text.clone();
        Ok(Opened { folder, mark })
    }

    /// Remembers that a file goes back into the inbox by our own doing. A move may be heard of before it has ended.
    pub(super) fn note_put_back(&self, file: &FileIdentity) {
        let mut put_back = self.put_back.lock().unwrap_or_else(PoisonError::into_inner);
        if put_back.len() >= PUT_BACK {
            put_back.clear();
        }
        put_back.insert((file.device, file.inode, file.born_ns));
    }

    /// Whether we put this file back into the inbox ourselves: that it was renamed there proves nothing (DESIGN F2).
    #[must_use]
    pub fn has_put_back(&self, file: &FileIdentity) -> bool {
        let put_back = self.put_back.lock().unwrap_or_else(PoisonError::into_inner);
        put_back.contains(&(file.device, file.inode, file.born_ns))
    }

    /// Deals with what a crash left behind: files that were taken aside, and hidden ones that were not put in place.
    fn tidy(&self) -> io::Result<()> {
        // Not done/: it may hold very many files, and nothing is ever taken aside or explained there.
        for place in [Place::Inbox, Place::Sent, Place::Held, Place::Failed] {
            let directory = self.place(place);
            let mut left = Vec::new();
            for name in directory.names()? {
                let name = name?;
                if name.as_encoded_bytes().starts_with(b".") {
                    left.push(name);
                }
            }
            for name in left {
                if [MARKING, MARKER, EXPLAINING, TRIAL].iter().any(|purpose| is_hidden_for(purpose, &name)) {
                    // Whatever stays is hidden, and in nobody's way.
                    let _ = directory.remove(&name);
                } else {
                    self.give_back(directory, &name)?;
                }
            }
        }
        Ok(())
    }

    /// Whether this is still the folder that was opened, and still carries its mark.
    ///
    /// # Errors
    /// [`FolderProblem`] if it is not; it must be opened anew before anything in it is touched.
    pub fn check(&self) -> Result<(), FolderProblem> {
        self.places.check()?;
        let inbox = self.place(Place::Inbox);
        // What cannot be filed must not be sent (DESIGN F5), and a disk with errors becomes read-only while it is in use.
        if inbox.is_read_only() {
            let error = io::ErrorKind::ReadOnlyFilesystem.into();
            return Err(FolderProblem::unfit(inbox.path(), "files cannot be moved in it", &error));
        }
        self.mark.check(inbox, &self.owners)
    }

    /// Why this file, which lies in the inbox, could not be filed, if it could not: then it must not be sent (DESIGN F5).
    #[must_use]
    pub fn holds_fast(&self, entry: &Entry) -> Option<String> {
        self.places.hold_fast(entry)
    }

    /// The folder's path.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.place(Place::Inbox).path()
    }

    /// The directory of a place within it.
    #[must_use]
    pub fn place(&self, place: Place) -> &Directory {
        self.places.at(place)
    }
}

impl AccountFolder {
    /// Deals with what a crash left aside: the old name of a file that was moved, or a file of somebody else. Any other name
    /// is left alone.
    pub(super) fn give_back(&self, directory: &Directory, aside: &OsStr) -> io::Result<()> {
        let Some(name) = name_before(aside) else { return Ok(()) };
        let Some(found) = directory.find(aside)? else { return Ok(()) };
        if found.is_directory() {
            return Ok(());
        }
        if self.has_another_name_for((directory, aside), &found)? {
            directory.remove(aside)
        } else {
            give_back((directory, aside), OsStr::new(name))
        }
    }

    fn has_another_name_for(&self, aside: Named<'_>, seen: &Entry) -> io::Result<bool> {
        for place in Place::SUB_FOLDERS {
            let directory = self.place(place);
            for name in directory.names()? {
                let name = name?;
                if !name.as_encoded_bytes().starts_with(b".")
                    && directory.find(&name)?.is_some_and(|found| found.identity.looks_like(&seen.identity))
                    && is_one_file(aside, (directory, &name))?
                {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::folder::MARK;
    use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};

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

    fn problem(opened: Result<Opened, FolderProblem>) -> String {
        opened.unwrap_err().to_string()
    }

    #[test]
    fn f9_whatever_is_in_the_place_of_the_mark_is_not_opened_and_blocks() {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (mark, secret) = (dir.path().join(MARK), outside.path().join("secret"));
        std::fs::write(&secret, "account callcentre\n").unwrap();
        symlink(&secret, &mark).unwrap();
        assert!(problem(open(dir.path(), None)).contains("a symbolic link"));
        std::fs::remove_file(&mark).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, &mark, rustix::fs::FileType::Fifo, rustix::fs::Mode::RUSR, 0).unwrap();
        assert!(problem(open(dir.path(), None)).contains("a named pipe"), "and nothing hangs");
        std::fs::remove_file(&mark).unwrap();
        std::fs::hard_link(&secret, &mark).unwrap();
        assert!(problem(open(dir.path(), None)).contains("a hard link"));
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is made in it");
        std::fs::remove_file(&mark).unwrap();
        assert!(open(dir.path(), None).is_ok());
        assert_eq!(std::fs::read_to_string(secret).unwrap(), "account callcentre\n");
    }

    #[test]
    fn f9_a_sub_folder_is_a_directory_of_its_own() {
        let (dir, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let sent = dir.path().join("sent");
        for target in [Path::new("."), outside.path(), Path::new("held"), Path::new("nowhere")] {
            symlink(target, &sent).unwrap();
            assert!(problem(open(dir.path(), None)).contains("a symbolic link has its name"), "{}", target.display());
            std::fs::remove_file(&sent).unwrap();
        }
        let folder = open(dir.path(), None).unwrap().folder;
        folder.check().unwrap();
        std::fs::remove_dir(&sent).unwrap();
        assert!(folder.check().unwrap_err().to_string().contains("not there any more"));
        symlink(".", &sent).unwrap();
        assert!(folder.check().unwrap_err().to_string().contains("a symbolic link has taken its place"));
        std::fs::remove_file(&sent).unwrap();
        std::fs::create_dir(&sent).unwrap();
        assert!(folder.check().unwrap_err().to_string().contains("another directory has taken its place"));
        assert_eq!(std::fs::read_dir(outside.path()).unwrap().count(), 0);
    }

    #[test]
    fn f9_a_copy_of_the_mark_does_not_let_another_daemon_in() {
        let dir = tempfile::tempdir().unwrap();
        let first = open(dir.path(), None).unwrap();
        let copy = || {
            std::fs::copy(dir.path().join(MARK), dir.path().join("copy")).unwrap();
            std::fs::rename(dir.path().join("copy"), dir.path().join(MARK)).unwrap();
        };
        copy();
        assert!(matches!(open(dir.path(), Some(&first.mark)), Err(FolderProblem::InUse(_))));
        assert!(matches!(AccountFolder::reopen("callcentre", dir.path(), 1), Err(FolderProblem::InUse(_))));
        first.folder.check().unwrap();
        copy();
        // On another host, where the lock of the directory is not seen.
        let elsewhere = std::fs::File::open(dir.path().join(MARK)).unwrap();
        elsewhere.try_lock().unwrap();
        assert!(matches!(first.folder.check(), Err(FolderProblem::InUse(_))));
        drop((elsewhere, first.folder));
        let again = open(dir.path(), Some(&first.mark)).unwrap();
        again.folder.check().unwrap();
        // Touched, and the same file all the same.
        std::fs::set_permissions(dir.path().join(MARK), std::fs::Permissions::from_mode(0o600)).unwrap();
        again.folder.check().unwrap();
    }

    #[test]
    fn f9_a_sub_folder_of_one_account_is_no_folder_of_another() {
        let dir = tempfile::tempdir().unwrap();
        let opened = open(dir.path(), None).unwrap();
        let sent = dir.path().join("sent");
        assert!(matches!(AccountFolder::open("b", &sent, None, 1), Err(FolderProblem::InUse(_))));
        assert_eq!(std::fs::read_dir(&sent).unwrap().count(), 0, "it is left as it is");
        drop(opened);
        // The other way round: the one that came first keeps it.
        let other = AccountFolder::open("b", &sent, None, 1).unwrap();
        assert!(matches!(open(dir.path(), None), Err(FolderProblem::NotOurs { .. } | FolderProblem::InUse(_))));
        drop(other);
    }

    #[test]
    fn f5_a_sub_folder_that_cannot_be_read_is_not_taken_for_an_empty_one() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("sent"), "x").unwrap();
        assert!(matches!(open(dir.path(), None), Err(FolderProblem::Displaced { .. })));
        assert!(!dir.path().join(MARK).exists());
    }

    #[test]
    fn what_a_crash_left_hidden_is_removed_and_what_is_not_ours_stays() {
        let dir = tempfile::tempdir().unwrap();
        drop(open(dir.path(), None).unwrap());
        let left = ["failed/.datadrop-why-0123456789abcdef", ".datadrop-marker-0123456789abcdef"];
        let theirs = [".datadrop-drop-0123456789abcdef", ".datadrop-why-x", "held/.hidden"];
        for name in left.iter().chain(&theirs) {
            std::fs::write(dir.path().join(name), "x").unwrap();
        }
        drop(open(dir.path(), None).unwrap());
        assert!(left.iter().all(|name| !dir.path().join(name).exists()));
        assert!(theirs.iter().all(|name| dir.path().join(name).exists()));
    }
}
