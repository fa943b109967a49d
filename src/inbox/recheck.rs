//! Files that were sent stay in view: until their job has ended, and for a day after (DESIGN F2). What is written into them
//! later, also through a descriptor that was open before they were moved, Adobe does not have.

use super::look;
use super::weigh::BUFFER;
use super::worker::{FolderWorker, Interrupted};
use crate::clock::now;
use crate::folder::AccountFolder;
use crate::folder::directory::{Directory, Entry};
use crate::inbox::readiness::Sight;
use crate::job::{AfterSending, Fingerprint, JobId, RowCounter, Sha256};
use crate::joblog::Job;
use sha2::Digest as _;
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io::{self, Read as _};
use std::time::Duration;

/// Time for which a file stays in view after its job has ended.
const IN_VIEW: Duration = Duration::from_secs(24 * 3600);
/// Time between two looks, in multiples of what a look takes: an idle service spends less than 0.1 % of a core.
const PAUSE: u32 = 2_000;
/// Maximum time between two looks.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// Files that look other than they were sent, and hold what was sent or are told to have changed: as they looked.
pub(super) type Seen = HashMap<JobId, Sight>;

impl FolderWorker {
    /// Looks at the files that were sent, reports those that have changed since, and says after what time to look again.
    pub(super) fn recheck(&self, folder: &AccountFolder, seen: &mut Seen) -> Result<Duration, Interrupted> {
        let began = self.clock.moment();
        let (mut still_seen, mut has_read) = (Seen::new(), false);
        // One by one: a day's jobs may be very many.
        for id in self.reader.sent_jobs(&self.settings.account, now().before(IN_VIEW))? {
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
        let pause = if has_read { Duration::ZERO } else { took.saturating_mul(PAUSE).min(LONGEST_PAUSE) };
        Ok(pause.max(self.settings.rescan))
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
