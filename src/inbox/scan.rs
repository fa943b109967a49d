//! The scan: what is really in the folder, held against what the job log believes.

use super::arrivals::Inbox;
use super::assessment::MetBy;
use super::folder_settings::{Ignored, Interrupted, is_own_name};
use crate::clock::{Moment, now};
use crate::config::backlog_words;
use crate::folder::FolderProblem;
use crate::folder::directory::Directory;
use crate::inbox::readiness::MarkerSight;
use crate::job::{Kind, Place, State, grouped, printable, stem};
use crate::joblog::InboxEntry;
use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::time::Duration;

/// Maximum number of ignored names that the log names; the rest is counted.
const NAMED: usize = 100;
/// Number of queued files above which a scan logs how long they take.
const BACKLOG: u64 = 50;

/// What a scan showed of the folder as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Scanned {
    /// Something is missing, and a second scan soon must say so too.
    pub(super) missing: bool,
    /// Files that the job log did not know and no event had reported.
    pub(super) unheard: u64,
}

impl Inbox {
    /// The watched directory, as it was opened.
    pub(super) fn directory(&self) -> &Directory {
        self.folder.place(Place::Inbox)
    }

    /// Scans the folder whole.
    pub(super) fn scan(&mut self) -> Result<Scanned, Interrupted> {
        let names = self.read_folder()?;
        let mut known: HashMap<OsString, InboxEntry> = HashMap::new();
        for entry in self.reader.inbox(&self.settings.account)? {
            // Newest first: an older job of the same name has lost its file to it.
            known.entry(entry.disk_name.clone()).or_insert(entry);
        }
        self.markers.retain(|_, marker| marker.order.is_some());
        for name in &names {
            if let (Some(Kind::Fin), Some(text)) = (self.settings.kind_of(name), name.to_str())
                && known.get(name).is_none_or(InboxEntry::bears_its_name)
                && self.is_marker(name)
            {
                self.markers.entry(stem(text).to_owned()).or_insert(MarkerSight { order: None });
            }
        }
        let gone: Vec<OsString> =
            self.candidates.keys().filter(|name| names.binary_search(name).is_err()).cloned().collect();
        for name in gone {
            self.note_left(&name);
        }
        let (mut ignored, mut unheard) = (0, 0);
        let (mut missing, mut passed_over) = (Vec::new(), Vec::new());
        self.queued = 0;
        let mut pace = Pace::begin(self.clock.moment());
        for (looked_at, name) in names.iter().enumerate() {
            if pace.is_due(self.clock.moment()) {
                self.tell_progress(looked_at, names.len());
            }
            if self.settings.kind_of(name).is_none() {
                if !is_own_name(name) {
                    let why =
                        if self.is_directory(name) { Ignored::Directory } else { self.settings.why_ignored(name) };
                    ignored += 1;
                    self.name_ignored(name, &why);
                    passed_over.extend(known.remove(name).map(|entry| (entry, why)));
                }
                continue;
            }
            let entry = known.remove(name);
            if let Some(entry) = &entry
                && (entry.to_be_moved || self.stands_unchanged(name, entry))
            {
                continue;
            }
            if let Some(entry) = &entry
                && self.is_directory(name)
            {
                // A directory took the name: the file is not there any more.
                missing.push(entry.clone());
                continue;
            }
            if self.is_directory(name) {
                ignored += 1;
            }
            if entry.is_none() && self.board.trace(name).is_none() {
                unheard += 1;
            }
            self.consider(name, MetBy::Scan(entry.as_ref()))?;
        }
        self.flush()?;
        self.board.scanned();
        if self.queued > BACKLOG {
            let words = backlog_words(self.queued, self.settings.rate_limit);
            tracing::info!(account = %self.settings.account, "queued {words}, if nothing else is to be sent");
        }
        self.note_passed_over(passed_over)?;
        let missing = self.note_missing(known.into_values().chain(missing))?;
        self.joblog.scanned(self.settings.account.clone(), ignored, now()).wait()?;
        Ok(Scanned { missing, unheard })
    }

    fn tell_progress(&self, looked_at: usize, all: usize) {
        let number = |count: usize| grouped(i64::try_from(count).unwrap_or(i64::MAX));
        tracing::info!(
            account = %self.settings.account,
            "scanning {}: {} of about {} files looked at",
            self.settings.folder.display(),
            number(looked_at),
            number(all)
        );
    }

    fn read_folder(&self) -> Result<Vec<OsString>, Interrupted> {
        let unreadable = |error: io::Error| FolderProblem::Unfit {
            dir: self.settings.folder.clone(),
            why: format!("the folder cannot be listed: {error}"),
        };
        let names = self.directory().names().map_err(unreadable)?;
        let mut names: Vec<OsString> = names.collect::<io::Result<_>>().map_err(unreadable)?;
        names.sort_unstable();
        Ok(names)
    }

    fn stands_unchanged(&self, name: &OsStr, entry: &InboxEntry) -> bool {
        let Some(identity) = entry.identity.filter(|_| !entry.came_back) else { return false };
        self.directory().entry(name).is_ok_and(|found| found.is_plain() && found.identity == identity)
    }

    fn is_directory(&self, name: &OsStr) -> bool {
        self.directory().entry(name).is_ok_and(|found| found.is_directory())
    }

    /// Two complete scans that agree make a removal (DESIGN F6). What may be on the wire is never concluded from absence.
    fn note_missing(&mut self, missing: impl Iterator<Item = InboxEntry>) -> Result<bool, Interrupted> {
        self.left.clear();
        let mut absent = HashSet::new();
        for entry in missing.filter(|it| !it.to_be_moved && matches!(it.state, State::Waiting | State::Queued)) {
            // Since this scan began, it may have been found under another name.
            let known = self.reader.inbox_entry(&self.settings.account, &entry.disk_name)?;
            if known.is_some_and(|known| known.id == entry.id) {
                absent.insert(entry.id);
            }
        }
        let missing = absent;
        let confirmed: Vec<_> = missing.intersection(&self.absent).copied().collect();
        let unconfirmed = missing.len() > confirmed.len();
        #[cfg(test)]
        if unconfirmed {
            crate::testing::reach::met(crate::testing::reach::Met::MissedOnce);
        }
        if !confirmed.is_empty() {
            #[cfg(test)]
            crate::testing::reach::met(crate::testing::reach::Met::Removed);
            for id in &confirmed {
                tracing::warn!(account = %self.settings.account, job = id.0, "job {id}: its file was removed before it was sent");
            }
            self.joblog.vanished(confirmed, now()).wait()?;
        }
        self.absent = missing;
        Ok(unconfirmed)
    }

    /// Files that were taken in, and that the account ignores since its configuration was changed.
    fn note_passed_over(&self, entries: Vec<(InboxEntry, Ignored)>) -> Result<(), Interrupted> {
        for (entry, why) in entries {
            if entry.to_be_moved || !matches!(entry.state, State::Waiting | State::Queued) {
                continue;
            }
            let why = match why {
                Ignored::Excluded(pattern) => format!("the pattern {pattern:?} of `exclude` matches its name"),
                Ignored::Hidden | Ignored::Directory | Ignored::Case(_) | Ignored::Extension => {
                    "its extension is not in `extensions`".to_owned()
                }
            };
            let (account, id) = (&self.settings.account, entry.id);
            tracing::warn!(account, job = id.0, "job {id}: its file is ignored from now on: {why}");
            let reason = format!("the account ignores this file since its configuration was changed: {why}");
            self.joblog.passed_over(id, reason, now()).wait()?;
        }
        Ok(())
    }

    /// Says once what a name, or all of an extension, is ignored for.
    pub(super) fn name_ignored(&mut self, name: &OsStr, why: &Ignored) {
        let extension = Path::new(name).extension().filter(|_| *why == Ignored::Extension);
        let named = extension.unwrap_or(name);
        let is_quiet = *why == Ignored::Hidden || name.as_encoded_bytes().starts_with(b".");
        if is_quiet || self.named_ignored.len() >= NAMED || !self.named_ignored.insert(named.to_owned()) {
            return;
        }
        let account = &self.settings.account;
        let shown = printable(&name.to_string_lossy());
        match why {
            Ignored::Case(lower) => tracing::warn!(
                account,
                "{shown}: ignored: Adobe only takes lower-case extensions; rename it to {} if it is to be sent",
                printable(&lower.to_string_lossy())
            ),
            Ignored::Excluded(pattern) => {
                tracing::info!(account, "{shown}: ignored: the pattern {pattern:?} of `exclude` matches its name");
            }
            // Somebody has dropped all of them at once, or takes it for a file.
            Ignored::Directory => tracing::warn!(
                account,
                "{shown}: ignored: it is a folder, and only files directly in the account's folder are sent"
            ),
            Ignored::Hidden | Ignored::Extension => {
                tracing::info!(account, "{shown}: ignored: its extension is not one of {:?}", self.settings.extensions);
            }
        }
    }
}

/// Minimum time between two lines.
const CALM: Duration = Duration::from_secs(10);

/// When something was last said.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace(Moment);

impl Pace {
    /// Work begins; what is done soon says nothing.
    pub(super) fn begin(now: Moment) -> Self {
        Self(now)
    }

    /// Whether it is time to say something. True at most every ten seconds.
    pub(super) fn is_due(&mut self, now: Moment) -> bool {
        let due = now.since(self.0) >= CALM;
        if due {
            self.0 = now;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::super::arrivals::DEFECTIVE;
    use super::super::folder_settings::{FolderSettings, Progress};
    use super::*;
    use crate::clock::Clock;
    use crate::folder::AccountFolder;
    use crate::inbox::Board;
    use crate::inbox::readiness::Heard;
    use crate::joblog::{JobLog, StateLock};
    use std::path::{Path, PathBuf};
    use std::sync::Arc;
    use std::sync::atomic::Ordering;

    /// The inbox of an account `a`, whose folder is in `dir`, with what it works on. `keys`: further ones of the account.
    fn inbox_with(keys: &str, dir: &Path) -> (PathBuf, JobLog, Arc<Board>, Arc<Progress>, Inbox) {
        let folder = dir.join("a");
        std::fs::create_dir(&folder).unwrap();
        let text = format!(
            "[api]\nglobal_company_id = \"c\"\nclient_id = \"i\"\nclient_secret = \"s3cr3t-0f-the-tests\"\n[[account]]\n\
             name = \"a\"\nreport_suite_id = \"s\"\ndata_source_id = 1\nfolder = {folder:?}\n{keys}"
        );
        let config = crate::config::load_text("datadrop.toml", &text, []).unwrap();
        let account = &config.accounts[0];
        let joblog = JobLog::open(StateLock::take(&dir.join("state")).unwrap()).unwrap();
        joblog.open_account(account.name.clone(), account.target(&config.api)).wait().unwrap();
        let settings = Arc::new(FolderSettings::new(&config, account));
        let (reader, board) = (Arc::new(joblog.reader().unwrap()), Arc::new(Board::default()));
        let progress = Arc::new(Progress::default());
        let opened = AccountFolder::open("a", &folder, None, 1).unwrap();
        let inbox = Inbox::new(
            settings,
            Arc::new(opened.folder),
            joblog.clone(),
            reader,
            Arc::clone(&board),
            Clock::start(),
            Arc::clone(&progress),
        );
        (folder, joblog, board, progress, inbox)
    }

    #[test]
    fn a_scan_counts_what_events_did_not_tell_and_the_job_log_does_not_know() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, joblog, board, progress, mut inbox) = inbox_with("", dir.path());
        std::fs::write(folder.join("missed.txt"), "x").unwrap();
        std::fs::write(folder.join("heard.txt"), "x").unwrap();
        std::fs::write(folder.join("ignored.csv"), "x").unwrap();
        board.arrive(OsStr::new("heard.txt"), None, Moment::default());
        assert_eq!(inbox.scan().unwrap(), Scanned { missing: false, unheard: 1 });
        let signs = progress.signs_of_life.load(Ordering::Relaxed);
        assert!(signs >= 2, "{signs} signs of life for two files: a long scan would seem to hang");
        assert_eq!(inbox.scan().unwrap(), Scanned { missing: false, unheard: 0 }, "each is missed once");
        joblog.close();
    }

    #[test]
    fn f2_what_we_put_back_ourselves_is_not_complete_because_it_was_renamed_in() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, joblog, board, _, mut inbox) = inbox_with("", dir.path());
        let (name, sent) = (OsStr::new("sales.txt"), folder.join("sent/sales.txt"));
        std::fs::write(&sent, "sent").unwrap();
        let hashed = crate::folder::directory::identity_at(&sent);
        std::fs::write(folder.join("sent/anew"), "half of it").unwrap();
        std::fs::rename(folder.join("sent/anew"), &sent).unwrap();
        let wanted = crate::folder::Wanted {
            job: crate::job::JobId(1),
            name,
            from: Place::Sent,
            to: Place::Done,
            hashed: Some(hashed),
            sha256: Some(crate::job::Sha256::new([7; 32])),
            was_sent: true,
            read: &|directory, name| {
                let found = crate::inbox::read_content(directory, name, Kind::Data, dir.path(), || ())?;
                Ok(found.fingerprint)
            },
            is_of_another: &|_, _| false,
        };
        inbox.folder.move_file(&wanted, &mut crate::folder::Touched::new()).unwrap();
        // As it is heard of where it cannot be linked.
        board.arrive(name, None, Moment::default());
        std::fs::write(dir.path().join("other"), "whole").unwrap();
        std::fs::rename(dir.path().join("other"), folder.join("other.txt")).unwrap();
        board.arrive(OsStr::new("other.txt"), None, Moment::default());
        inbox.take(vec![name.to_owned(), "other.txt".into()]).unwrap();
        let jobs = joblog.reader().unwrap().jobs(&crate::joblog::JobFilter::default()).unwrap();
        let states: Vec<_> = jobs.iter().map(|job| (job.file_name.as_str(), job.state.as_str())).collect();
        assert_eq!(states, [("sales.txt", "waiting"), ("other.txt", "queued")]);
        joblog.close();
    }

    #[test]
    fn r2_a_marker_that_we_move_back_ourselves_does_not_say_that_its_data_file_is_complete() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, joblog, board, _, mut inbox) = inbox_with("", dir.path());
        std::fs::write(folder.join("held/ours.fin"), "").unwrap();
        std::fs::write(folder.join("theirs.fin"), "").unwrap();
        for (name, is_ours) in [("ours", true), ("theirs", false)] {
            let (data, marker) = (OsString::from(format!("{name}.txt")), OsString::from(format!("{name}.fin")));
            std::fs::write(folder.join(&data), "half of it, or all\n").unwrap();
            for heard in [Heard::Created, Heard::Written, Heard::Closed] {
                board.hear(&data, heard, Moment::default());
            }
            if is_ours {
                let wanted = crate::folder::Wanted {
                    job: crate::job::JobId(1),
                    name: &marker,
                    from: Place::Held,
                    to: Place::Inbox,
                    hashed: None,
                    sha256: None,
                    was_sent: true,
                    read: &|_, _| Err(std::io::ErrorKind::Other.into()),
                    is_of_another: &|_, _| false,
                };
                inbox.folder.move_file(&wanted, &mut crate::folder::Touched::new()).unwrap();
            }
            board.arrive(&marker, None, Moment::default());
            inbox.take(vec![data, marker]).unwrap();
        }
        let jobs = joblog.reader().unwrap().jobs(&crate::joblog::JobFilter::default()).unwrap();
        let states = jobs.iter().filter(|job| job.kind == Kind::Data.as_str());
        let states: Vec<_> = states.map(|job| (job.file_name.as_str(), job.state.as_str())).collect();
        assert_eq!(states, [("ours.txt", "waiting"), ("theirs.txt", "queued")]);
        joblog.close();
    }

    #[test]
    fn r6_a_marker_that_has_gone_unheard_releases_no_data_file() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, joblog, board, _, mut inbox) = inbox_with("wait_for_fin = true\n", dir.path());
        let take = |inbox: &mut Inbox, name: &str| {
            board.arrive(OsStr::new(name), None, Moment::default());
            inbox.take(vec![name.into()]).unwrap();
        };
        let states = || {
            let jobs = joblog.reader().unwrap().jobs(&crate::joblog::JobFilter::default()).unwrap();
            jobs.iter().filter(|job| job.kind == Kind::Data.as_str()).map(|job| job.state.clone()).collect::<Vec<_>>()
        };
        std::fs::write(folder.join("sales.fin"), "").unwrap();
        take(&mut inbox, "sales.fin");
        // Moved away with the data file that it came for; the event is still to be heard.
        std::fs::rename(folder.join("sales.fin"), folder.join("sent/sales.fin")).unwrap();
        std::fs::write(folder.join("sales.txt"), "whole\n").unwrap();
        take(&mut inbox, "sales.txt");
        assert_eq!(states(), ["waiting"]);
        std::fs::write(folder.join("sales.fin"), "").unwrap();
        take(&mut inbox, "sales.fin");
        assert_eq!(states(), ["queued"]);
        joblog.close();
    }

    #[test]
    fn f10_a_defect_costs_the_file_that_shows_it_alone() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, joblog, _, _, mut inbox) = inbox_with("", dir.path());
        let names = ["after.txt", DEFECTIVE, "zzz.txt"];
        for name in names {
            std::fs::write(folder.join(name), "x").unwrap();
        }
        inbox.scan().unwrap();
        let jobs = joblog.reader().unwrap().jobs(&crate::joblog::JobFilter::default()).unwrap();
        assert_eq!(jobs.iter().map(|job| job.file_name.as_str()).collect::<Vec<_>>(), names);
        assert_eq!(jobs.iter().map(|job| job.state.as_str()).collect::<Vec<_>>(), ["waiting", "rejected", "waiting"]);
        let reason = jobs[1].reason.as_deref().unwrap();
        assert!(reason.contains("datadrop has a defect") && reason.contains("made by a test"), "{reason}");
        assert_eq!(inbox.scan().unwrap().unheard, 0, "it is dealt with");
        joblog.close();
    }

    /// An event may be of a move of ours: a file that has gone, and cannot be asked after, made a job that took the marker of the
    /// file that had its name.
    #[test]
    fn p4_what_cannot_be_seen_is_no_file_before_the_folder_lists_it() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, joblog, _, _, mut inbox) = inbox_with("", dir.path());
        // The file system answers that such a name is too long, not that there is none.
        let unseen = OsString::from(format!("{}.txt", "x".repeat(300)));
        let jobs = || joblog.reader().unwrap().jobs(&crate::joblog::JobFilter::default()).unwrap().len();
        inbox.take(vec![unseen.clone()]).unwrap();
        assert_eq!(jobs(), 0);
        assert!(inbox.wants_scan().is_some(), "the listing is to tell");
        inbox.consider(&unseen, MetBy::Scan(None)).unwrap();
        inbox.flush().unwrap();
        assert_eq!(jobs(), 1, "what is listed is there");
        drop(folder);
        joblog.close();
    }

    #[test]
    fn short_work_is_silent_and_long_work_speaks_every_ten_seconds() {
        let at = |seconds| Moment(Duration::from_secs(seconds));
        let mut pace = Pace::begin(at(100));
        let said: Vec<u64> = (100..135).filter(|second| pace.is_due(at(*second))).collect();
        assert_eq!(said, [110, 120, 130]);
    }
}
