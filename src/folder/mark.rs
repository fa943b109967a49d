//! Whose folder is it? The hidden mark (DESIGN F4).

use super::places::{is_ours, open_sub_folder, wait_for_lock};
use super::unusable::{FolderProblem, Owners};
use crate::folder::directory::{Directory, Entry};
use crate::job::{Place, shell_word};
use rustix::io::Errno;
use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The hidden mark in each account's folder that says whose it is.
pub const MARK: &str = ".datadrop";
/// What the hidden file is for that becomes the mark.
pub(super) const MARKING: &str = "mark";
/// Longest mark that is read, in bytes.
const LONGEST: u64 = 4096;

/// The mark of a folder, locked.
#[derive(Debug)]
pub(super) struct Mark {
    pub(super) text: String,
    held: Mutex<Held>,
}

/// The file that was read and locked. Beside the locks of the directories: other hosts see this one, where the file system
/// lets them.
#[derive(Debug)]
struct Held {
    entry: Entry,
    // The lock ends with the open file.
    file: File,
}

impl Held {
    /// Opens and locks what lies there now; its text, too.
    fn take(inbox: &Directory) -> Result<(Self, String), FolderProblem> {
        let unread = |error: io::Error| unread(inbox, &error);
        // Locks of NFS want it open for writing, which would keep a local disk from being remounted read-only.
        let how = if inbox.is_known_local() { Directory::open_file } else { Directory::open_to_lock };
        let Some((mut file, entry)) = open(inbox, how).map_err(unread)? else {
            return Err(FolderProblem::not_ours(
                inbox.path(),
                "its mark .datadrop is gone, so it may be another folder",
                "mount the file system that holds it, or put the mark back, and all goes on by itself",
            ));
        };
        wait_for_lock(inbox.path(), || match file.try_lock() {
            // NFS, and the mark cannot be written to: the locks of the directories must do.
            Err(TryLockError::Error(error)) if error.raw_os_error() == Some(Errno::BADF.raw_os_error()) => Ok(()),
            tried => tried,
        })?;
        let text = text(&mut file).map_err(unread)?;
        Ok((Self { entry, file }, text))
    }
}

impl Mark {
    /// Locks the mark that was accepted, or makes one. `random` goes into it.
    pub(super) fn take(
        inbox: &Directory,
        account: &str,
        accepted: Option<String>,
        random: u64,
    ) -> Result<Self, FolderProblem> {
        if accepted.is_none() {
            create(inbox, account, random)
                .map_err(|error| unfit(inbox.path(), "its mark .datadrop cannot be written", &error))?;
        }
        let (held, text) = Held::take(inbox)?;
        if accepted.is_some_and(|accepted| accepted != text) {
            return Err(changed(inbox));
        }
        Ok(Self { text, held: Mutex::new(held) })
    }

    /// The user that it belongs to.
    pub(super) fn owner(&self) -> u32 {
        self.held().entry.owner
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is still there. A copy that has taken its place is locked instead.
    pub(super) fn check(&self, inbox: &Directory, owners: &Owners) -> Result<(), FolderProblem> {
        let mut held = self.held();
        let found = inbox.find(MARK);
        // What has not changed in any way need not be read again.
        if found.as_ref().is_ok_and(|found| *found == Some(held.entry)) {
            return Ok(());
        }
        if let Ok(Some(found)) = found
            && found.number() == held.entry.number()
        {
            // What is locked is read: to open it once more may be refused, and a second name of it does no harm.
            let unread = |error: io::Error| unread(inbox, &error);
            held.file.rewind().map_err(unread)?;
            if text(&mut held.file).map_err(unread)? != self.text {
                return Err(changed(inbox));
            }
            owners.judge(&inbox.path_of(MARK), found.owner)?;
            held.entry = found;
            return Ok(());
        }
        let (new, text) = Held::take(inbox)?;
        if text != self.text {
            return Err(changed(inbox));
        }
        owners.judge(&inbox.path_of(MARK), new.entry.owner)?;
        *held = new;
        Ok(())
    }
}

fn changed(inbox: &Directory) -> FolderProblem {
    FolderProblem::not_ours(inbox.path(), "its mark .datadrop was changed", "put it back")
}

/// The text of a folder's mark; `None` if it has none.
pub(super) fn read_mark(inbox: &Directory) -> io::Result<Option<String>> {
    open(inbox, Directory::open_file)?.map(|(mut file, _)| text(&mut file)).transpose()
}

/// The user that a folder's mark belongs to; `None` if it has none.
pub(super) fn mark_owner(inbox: &Directory) -> io::Result<Option<u32>> {
    Ok(inbox.find(MARK)?.map(|found| found.owner))
}

/// Opens the mark. What is not plain is never opened, nor what has a second name: that may be any file of datadrop's own,
/// such as its job log, whose locks would end when it is closed here.
fn open(
    inbox: &Directory,
    open: impl FnOnce(&Directory, &'static str, &Entry) -> io::Result<(File, Entry)>,
) -> io::Result<Option<(File, Entry)>> {
    let Some(seen) = inbox.find(MARK)? else { return Ok(None) };
    if has_second_name(inbox, &seen)? {
        return Err(io::Error::other("it is a hard link, so it may be another's"));
    }
    open(inbox, MARK, &seen).map(Some)
}

fn has_second_name(inbox: &Directory, seen: &Entry) -> io::Result<bool> {
    // A name that was taken away just now may still be counted.
    Ok(seen.is_plain() && seen.links > 1 && inbox.entry_anew(MARK)?.links > 1)
}

/// Why a mark cannot be read. What is no file of its own is not a matter of rights.
pub(super) fn unread(inbox: &Directory, error: &io::Error) -> FolderProblem {
    const WHAT: &str = "its mark .datadrop cannot be read";
    let mark = inbox.path_of(MARK);
    let remedy = match inbox.find(MARK) {
        Ok(Some(found)) if !found.is_plain() => {
            "remove it, or put the mark back in its place, and the account continues automatically".to_owned()
        }
        Ok(Some(found)) if has_second_name(inbox, &found).unwrap_or(false) => {
            let mark = shell_word(&mark.to_string_lossy());
            format!(
                "run `copy=$(mktemp) && cp -p {mark} \"$copy\" && mv \"$copy\" {mark}`, and the account continues automatically"
            )
        }
        Ok(_) | Err(_) => return unfit(inbox.path(), WHAT, error),
    };
    FolderProblem::not_ours(inbox.path(), &format!("{WHAT}: {error}"), &remedy)
}

fn text(file: &mut File) -> io::Result<String> {
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text)?;
    Ok(text)
}

fn create(inbox: &Directory, account: &str, random: u64) -> io::Result<()> {
    let text =
        format!("# This folder belongs to datadrop. Do not remove this file.\naccount {account}\nid {random:016x}\n");
    // Whole or not at all: half a mark would be that of another.
    let (mut file, hidden) = inbox.create_hidden(MARKING, 0o666)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    hidden.rename(MARK)?;
    inbox.sync()
}

pub(super) fn account_in(mark: &str) -> Option<&str> {
    mark.lines().find_map(|line| line.strip_prefix("account "))
}

/// The mark that proves that this is the account's folder (DESIGN F4); `None` if the folder is new and may get one.
pub(super) fn accepted_mark(
    account: &str,
    inbox: &Directory,
    found: Option<String>,
    remembered: Option<&str>,
) -> Result<Option<String>, FolderProblem> {
    match (found, remembered) {
        (Some(found), Some(known)) if found == known => Ok(Some(found)),
        (Some(found), None) if account_in(&found) == Some(account) => {
            refuse_forgotten(inbox)?;
            Ok(Some(found))
        }
        (Some(found), Some(_)) if account_in(&found) == Some(account) => Err(FolderProblem::not_ours(
            inbox.path(),
            "its mark .datadrop is not the one that the job log remembers: this is another folder, or the job log is another's",
            "put the right one back, or stop the service and run `datadrop recover`",
        )),
        (Some(found), _) => {
            let other = account_in(&found).unwrap_or("something else");
            Err(FolderProblem::not_ours(
                inbox.path(),
                &format!("its mark .datadrop says that it belongs to `{other}`, not to `{account}`"),
                "name another folder, or remove .datadrop if that account is gone",
            ))
        }
        (None, Some(_)) => Err(FolderProblem::not_ours(
            inbox.path(),
            "it should carry the mark .datadrop and does not: the file system that holds it is not mounted, or the folder was replaced",
            "mount it, or move the old one back, and all goes on by itself (if it is lost: stop the service, run `datadrop recover` and start it again)",
        )),
        (None, None) => {
            refuse_within(inbox)?;
            refuse_forgotten(inbox)?;
            Ok(None)
        }
    }
}

/// A folder within that of another account, which a link may lead to, shows what that account sent. The other may not have been
/// opened yet, and its mark tells.
fn refuse_within(inbox: &Directory) -> Result<(), FolderProblem> {
    let Ok(parent) = inbox.open_directory("..") else { return Ok(()) };
    let Ok(Some(mark)) = read_mark(&parent) else { return Ok(()) };
    let other = account_in(&mark).unwrap_or_default();
    let why = format!("this lies inside the folder of account {other:?}, and none may lie in another");
    Err(FolderProblem::not_ours(
        inbox.path(),
        &why,
        "choose a folder beside it, or remove .datadrop from that folder if that account is gone",
    ))
}

/// Files that were sent, and a job log that knows nothing of it: sending on would risk sending twice. A sub-folder that cannot
/// be read is not an empty one.
fn refuse_forgotten(inbox: &Directory) -> Result<(), FolderProblem> {
    for place in [Place::Sent, Place::Done] {
        let Some(directory) = open_sub_folder(inbox, place)? else { continue };
        let unread = |error: io::Error| unfit(directory.path(), "it cannot be listed", &error);
        for name in directory.names().map_err(unread)? {
            if is_ours(&name.map_err(unread)?) {
                continue;
            }
            return Err(FolderProblem::not_ours(
                inbox.path(),
                &format!(
                    "{}/ holds files that were sent, but this job log knows nothing of the folder, and would send again what it does not know",
                    place.as_str()
                ),
                "restore the job log that does, or stop the service and run `datadrop recover`",
            ));
        }
    }
    Ok(())
}

fn unfit(dir: &Path, what: &str, error: &io::Error) -> FolderProblem {
    FolderProblem::unfit(dir, what, error)
}
