//! `keep.done`: files of `success` leave `done/` after that time. A few at a time, between the thread's other work.

use super::worker::{FolderWorker, Interrupted};
use crate::clock::now;
use crate::folder::{AccountFolder, FolderProblem, Removal, Touched};
use crate::job::Place;
use std::time::Duration;

/// So many files share their fsync and their transactions.
const FILES: usize = 256;
/// How often it is looked at what is old enough, if files are kept for longer than that.
const LOOK: Duration = Duration::from_secs(3600);
/// The pause before the next few, if there are more.
const PAUSE: Duration = Duration::from_millis(500);

impl FolderWorker {
    /// Removes some files that are old enough, and says after what time to look again; `None`: they are kept for ever.
    pub(super) fn clean(&self, folder: &AccountFolder) -> Result<Option<Duration>, Interrupted> {
        let (account, keep) = (&self.settings.account, self.settings.keep_done);
        if keep.is_zero() {
            return Ok(None);
        }
        let old = self.reader.old_files(account, now().before(keep), FILES)?;
        if old.is_empty() {
            return Ok(Some(LOOK.min(keep)));
        }
        folder.check()?;
        let more = old.len() == FILES;
        let why = format!("removed from done/, as keep.done = \"{}\"", humantime::format_duration(keep));
        // Before the world can see it.
        self.joblog.removing(old.iter().map(|file| file.id).collect(), why, now()).wait()?;
        let unfit = |why: String| FolderProblem::Unfit { dir: folder.dir().to_owned(), why };
        let mut removed = Vec::with_capacity(old.len());
        for file in old {
            let Some(identity) = file.identity else { continue };
            match folder.remove_done(&file.disk_name, identity) {
                Ok(Removal::Gone) => removed.push(file.id),
                Ok(Removal::Left) => {
                    let why =
                        "not removed from done/: it is not the file that was filed there, or it was changed since";
                    tracing::warn!(account, job = file.id.0, "done/{}: {why}", file.disk_name.display());
                    self.joblog.left(file.id, why.to_owned(), now()).wait()?;
                }
                Err(error) => {
                    let name = file.disk_name.display();
                    return Err(unfit(format!("{name} cannot be removed from done/: {error}")).into());
                }
            }
        }
        folder
            .sync(&Touched::from([Place::Done]))
            .map_err(|error| unfit(format!("what was removed from done/ cannot be made durable: {error}")))?;
        let count = removed.len();
        self.joblog.removed(removed).wait()?;
        tracing::info!(account, "account {account}: {count} files left done/, as keep.done has it");
        Ok(Some(if more { PAUSE } else { LOOK.min(keep) }))
    }
}
