//! Files that were sent stay in view: until their job has ended, and for a day after (DESIGN F2). What is written into them
//! later, also through a descriptor that was open before they were moved, Adobe does not have. And files of `success` leave
//! `done/` after `keep.done`, a few at a time.

use super::folder_settings::Interrupted;
use super::look;
use super::weigh::BUFFER;
use super::worker::{FolderWorker, Seen};
use crate::clock::now;
use crate::folder::directory::{Directory, Entry};
use crate::folder::{AccountFolder, FolderProblem, Removal, Touched};
use crate::job::{AfterSending, Fingerprint, Place, RowCounter, Sha256};
use crate::joblog::Job;
use sha2::Digest as _;
use std::ffi::OsStr;
use std::io::{self, Read as _};
use std::time::Duration;

/// Time for which a file stays in view after its job has ended.
const IN_VIEW: Duration = Duration::from_secs(24 * 3600);
/// Time between two looks, in multiples of what a look takes: an idle service spends less than 0.1 % of a core.
const PAUSE: u32 = 2_000;
/// Maximum time between two looks.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// Time from one look that took so long to the next.
fn pause(took: Duration, rescan: Duration) -> Duration {
    took.saturating_mul(PAUSE).min(LONGEST_PAUSE).max(rescan)
}

/// Time for which a file is looked at after its job has ended: one more look comes after its day in view is over, also if the
/// looks and what is done between them take as long as the longest pause.
fn in_view(rescan: Duration) -> Duration {
    IN_VIEW.saturating_add(LONGEST_PAUSE.max(rescan).saturating_mul(2))
}

impl FolderWorker {
    /// Looks at the files that were sent, reports those that have changed since, and says after what time to look again.
    pub(super) fn recheck(&self, folder: &AccountFolder, seen: &mut Seen) -> Result<Duration, Interrupted> {
        let began = self.clock.moment();
        let (mut still_seen, mut has_read) = (Seen::new(), false);
        // One by one: a day's jobs may be very many.
        for id in self.reader.sent_jobs(&self.settings.account, now().before(in_view(self.settings.rescan)))? {
            self.progress.alive();
            let Some(job) = self.reader.sent_job(id)? else { continue };
            let (Some(identity), Some(sha256)) = (job.identity, job.sha256) else { continue };
            let directory = folder.place(job.place);
            let Ok(Some(found)) = directory.find(&job.disk_name) else { continue };
            if !found.is_plain() || found.identity == identity {
                continue;
            }
            let sight = look::sight_of(&found);
            if seen.get(&id) != Some(&sight) {
                has_read = true;
                match self.compare(directory, &job.disk_name, Fingerprint { identity, sha256 }, &found) {
                    Ok(Some(changed)) => self.tell_change(&job, changed)?,
                    Ok(None) => {}
                    // It is written to, or cannot be read: the next look tells.
                    Err(_) => continue,
                }
            }
            still_seen.insert(id, sight);
        }
        *seen = still_seen;
        let took = self.clock.moment().since(began);
        // What was read is not read again, so a look that found something says nothing of the next.
        Ok(pause(if has_read { Duration::ZERO } else { took }, self.settings.rescan))
    }

    /// How a file differs from what was sent; `None` if it does not.
    fn compare(
        &self,
        directory: &Directory,
        name: &OsStr,
        sent: Fingerprint,
        found: &Entry,
    ) -> io::Result<Option<AfterSending>> {
        if look::is_of_state(&self.settings.state_dir, found) {
            return Ok(None);
        }
        let (opened, entry) = directory.open_file(name, found)?;
        let mut beginning = io::BufReader::with_capacity(BUFFER, opened).take(sent.identity.size);
        let (mut hasher, mut rows) = (sha2::Sha256::new(), RowCounter::default());
        let mut buffer = vec![0; BUFFER];
        let mut read = |reader: &mut dyn io::Read, hasher: &mut sha2::Sha256| -> io::Result<u64> {
            let mut size = 0;
            loop {
                let bytes = match reader.read(&mut buffer) {
                    Ok(0) => return Ok(size),
                    Ok(count) => &buffer[..count],
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => return Err(error),
                };
                self.progress.alive();
                size += bytes.len() as u64;
                hasher.update(bytes);
                rows.update(bytes);
            }
        };
        let size = read(&mut beginning, &mut hasher)?;
        let is_appended = Sha256::new(hasher.clone().finalize().into()) == sent.sha256;
        let mut rest = beginning.into_inner();
        let more = read(&mut rest, &mut hasher)?;
        if look::sight_of(&Entry::of(rest.get_ref())?) != look::sight_of(&entry) {
            return Err(io::Error::other("it was changed while it was read"));
        }
        if is_appended && more == 0 && size == sent.identity.size {
            return Ok(None);
        }
        let rows = i64::try_from(rows.finish()).unwrap_or(i64::MAX);
        Ok(Some(AfterSending { rows, is_appended }))
    }

    fn tell_change(&self, job: &Job, changed: AfterSending) -> Result<(), Interrupted> {
        if job.changed == Some(changed) {
            return Ok(());
        }
        if let Some(words) = self.joblog.changed(job.id, changed, now()).wait()? {
            let account = &self.settings.account;
            tracing::warn!(account, job = job.id.0, "{}: job {}: {words}", job.disk_name.display(), job.id);
        }
        Ok(())
    }
}

/// Maximum number of files that share their fsync and their transactions.
const OLD_FILES: usize = 256;
/// Interval between looks for files that are old enough, if files are kept for longer than that.
const LOOK_FOR_OLD: Duration = Duration::from_secs(3600);
/// The pause before the next few, if there are more.
const NEXT_FEW: Duration = Duration::from_millis(500);

impl FolderWorker {
    /// Removes some files that are old enough, and says after what time to look again; `None`: they are kept for ever.
    pub(super) fn clean(&self, folder: &AccountFolder) -> Result<Option<Duration>, Interrupted> {
        let (account, keep) = (&self.settings.account, self.settings.keep_done);
        if keep.is_zero() {
            return Ok(None);
        }
        let old = self.reader.old_files(account, now().before(keep), OLD_FILES)?;
        if old.is_empty() {
            return Ok(Some(LOOK_FOR_OLD.min(keep)));
        }
        folder.check()?;
        let more = old.len() == OLD_FILES;
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
        Ok(Some(if more { NEXT_FEW } else { LOOK_FOR_OLD.min(keep) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f2_the_last_look_at_a_file_comes_after_its_day_in_view() {
        for rescan in [1, 75, 3_600, 7_200, 86_400].map(Duration::from_secs) {
            for took in [0, 1, 50, 1_800, 10_000, 3_600_000].map(Duration::from_millis) {
                // A look may come just before the day is over, and the next one must find the file in view.
                let apart = took + pause(took, rescan);
                assert!(in_view(rescan) >= IN_VIEW + apart, "{rescan:?} {took:?}");
            }
        }
    }
}
