//! The files of one inbox on their way to being ready: looked at, hashed, handed to the job log.

use super::Board;
use super::announce::Told;
use super::assessment::{Assessed, Known, Met, MetBy, after_reading, before_reading};
use super::board::give_back;
use super::folder_settings::{FolderSettings, Ignored, Interrupted, Progress};
use super::look::{self, Look};
use super::weigh::{BUFFER, Background, Weighed, weigh};
use crate::clock::Moment;
use crate::clock::{Clock, now, random_digits};
use crate::config::CheckMode;
use crate::folder::{AccountFolder, remove_why};
use crate::inbox::readiness::{Candidate, MarkerSight, Pieces, Sight, Trace, Waits};
use crate::job::{FileIdentity, Kind, State, printable};
use crate::joblog::{Arrival, JobLog, Reader, SuiteRecord, Verdict as Finding};
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

/// Maximum number of files that share a transaction.
const BATCH: usize = 256;
/// Maximum time that the first of them waits for the others, because large files take long to read.
const BATCH_WAITS: Duration = Duration::from_millis(100);
/// A file that is gone is looked for once more after this time (DESIGN F6).
const LOOK_AGAIN: Duration = Duration::from_secs(2);
/// From this size on a file is not read in a moment, in bytes.
const TAKES_TIME: u64 = 200_000_000;
/// From this size on it is asked whether the upload would be over in time, in bytes.
const SLOW_FROM: u64 = 1_000_000;

pub(super) struct Inbox {
    pub(super) settings: Arc<FolderSettings>,
    pub(super) folder: Arc<AccountFolder>,
    pub(super) waits: Waits,
    pub(super) pieces: Pieces,
    pub(super) joblog: JobLog,
    pub(super) reader: Arc<Reader>,
    pub(super) board: Arc<Board>,
    pub(super) clock: Clock,
    progress: Arc<Progress>,
    pub(super) candidates: HashMap<OsString, Waiting>,
    /// When to look at whom again; entries of candidates that went on are skipped.
    due: BinaryHeap<Reverse<(Moment, OsString)>>,
    /// Markers by stem.
    pub(super) markers: HashMap<String, MarkerSight>,
    arrivals: Vec<Arrival>,
    /// When the first of them came.
    arrivals_since: Moment,
    buffer: Vec<u8>,
    wants_scan: Option<Moment>,
    /// Jobs whose file the last complete scan did not find.
    pub(super) absent: HashSet<crate::job::JobId>,
    /// Files that waited and left their name, until the next scan is over: by device and inode, as they were and under which
    /// name.
    pub(super) left: HashMap<(u64, u64), (FileIdentity, OsString)>,
    pub(super) named_ignored: HashSet<OsString>,
    /// Files that were queued since the last scan began.
    pub(super) queued: u64,
    /// What is known of the report suite.
    suite: Option<SuiteRecord>,
}

/// The name at which a test makes datadrop have a defect.
#[cfg(test)]
pub(super) const DEFECTIVE: &str = "defective.txt";

pub(super) struct Waiting {
    pub(super) candidate: Candidate,
    /// The reason that stands in the job log.
    noted: Option<String>,
    /// It will become ready automatically.
    by_itself: bool,
    /// When it is to be looked at again.
    look_at: Option<Moment>,
    /// Its one entry of `due`, for that moment or an earlier one: who writes puts the look off with each write.
    entered: Option<Moment>,
}

impl Waiting {
    fn begin(kind: Kind, trace: Trace, by_itself: bool, now: Moment) -> Self {
        Self { candidate: Candidate::new(kind, trace, now), noted: None, by_itself, look_at: None, entered: None }
    }
}

impl Inbox {
    pub(super) fn new(
        settings: Arc<FolderSettings>,
        folder: Arc<AccountFolder>,
        joblog: JobLog,
        reader: Arc<Reader>,
        board: Arc<Board>,
        clock: Clock,
        progress: Arc<Progress>,
    ) -> Self {
        let waits = settings.waits_in(folder.is_remote);
        Self {
            waits,
            pieces: Pieces::new(waits.settle, waits.settle_max, None),
            settings,
            folder,
            joblog,
            reader,
            board,
            clock,
            progress,
            candidates: HashMap::new(),
            due: BinaryHeap::new(),
            markers: HashMap::new(),
            arrivals: Vec::new(),
            arrivals_since: Moment::default(),
            buffer: vec![0; BUFFER],
            wants_scan: None,
            absent: HashSet::new(),
            left: HashMap::new(),
            named_ignored: HashSet::new(),
            queued: 0,
            suite: None,
        }
    }

    /// Reads what the job log knows of the report suite, if that is news. No row of it keeps a file from being taken in.
    fn learn_suite(&mut self) {
        let target = &self.settings.target;
        let asked_at = self.reader.suite_asked_at(target).ok().flatten();
        if self.suite.as_ref().map(|known| known.asked_at) != asked_at {
            self.suite = self.reader.suite_facts(target).ok().flatten();
        }
    }

    /// When a candidate is to be looked at again.
    pub(super) fn next_look(&self) -> Option<Moment> {
        self.due.peek().map(|Reverse((at, _))| *at)
    }

    /// Files that will become ready by themselves.
    pub(super) fn pending(&self) -> usize {
        self.candidates.values().filter(|waiting| waiting.by_itself).count()
    }

    /// When the next scan must be, if something asked for one.
    pub(super) fn wants_scan(&mut self) -> Option<Moment> {
        self.wants_scan.take()
    }

    pub(super) fn soon(&self) -> Duration {
        LOOK_AGAIN.min(self.settings.rescan)
    }

    /// Events were lost: only the slow rule is left for files that wait (DESIGN R5).
    pub(super) fn lose_events(&mut self) {
        self.board.forget();
        let now = self.clock.moment();
        for waiting in self.candidates.values_mut() {
            waiting.candidate.trace.forget(now);
        }
        for marker in self.markers.values_mut() {
            marker.order = None;
        }
    }

    /// What is known of these names was known of files that we moved out ourselves.
    pub(super) fn moved_out(&mut self, names: &[OsString]) {
        for name in names {
            self.candidates.remove(name);
        }
    }

    /// These are new files by now: what was reported of them stands with jobs that have left them.
    pub(super) fn report_again(&mut self, names: &[OsString]) {
        for name in names {
            if let Some(waiting) = self.candidates.get_mut(name) {
                waiting.noted = None;
            }
        }
    }

    /// Deals with names that changed and with those whose time has come.
    pub(super) fn take(&mut self, changed: Vec<OsString>) -> Result<(), Interrupted> {
        let mut names = changed;
        // Markers first: they may end the wait of their data files.
        for name in &names {
            self.note_marker(name)?;
            self.note_left(name);
        }
        let now = self.clock.moment();
        while self.due.peek().is_some_and(|Reverse((at, _))| *at <= now) {
            if let Some(Reverse((at, name))) = self.due.pop()
                && let Some(waiting) = self.candidates.get_mut(&name)
                && waiting.entered == Some(at)
            {
                waiting.entered = None;
                match waiting.look_at {
                    Some(later) if later > now => {
                        waiting.entered = Some(later);
                        self.due.push(Reverse((later, name)));
                    }
                    Some(_) => {
                        waiting.look_at = None;
                        names.push(name);
                    }
                    None => {}
                }
            }
        }
        for name in &names {
            self.consider(name, MetBy::Event)?;
            if self.settings.kind_of(name) == Some(Kind::Fin) {
                self.consider_data_of(name)?;
            }
        }
        self.flush()
    }

    pub(super) fn take_far(&mut self, name: &OsStr, met_by: MetBy<'_>) -> Result<(), Interrupted> {
        self.progress.alive();
        #[cfg(test)]
        assert!(name != DEFECTIVE, "made by a test");
        let Some(kind) = self.settings.kind_of(name) else { return Ok(()) };
        let heard_before = self.board.trace(name).map_or(0, |trace| trace.order);
        let found = look::look(self.directory(), name, |entry| look::is_of_state(&self.settings.state_dir, entry));
        if matches!((&found, met_by), (Look::Unseen(_), MetBy::Event)) && !self.is_known(name)? {
            // It may have gone, by a move of ours too: only a listing tells.
            self.wants_scan = Some(self.clock.moment().after(self.soon() / 2));
            return Ok(());
        }
        let (file, sight) = match Met::from(found) {
            met @ (Met::Nothing | Met::Directory) => {
                if matches!(met, Met::Directory) {
                    self.name_ignored(name, &Ignored::Directory);
                }
                self.forget(name, heard_before);
                self.ask_for_scan_if_missed(name)?;
                return Ok(());
            }
            Met::Told(finding) => {
                if finding.waits_for().is_some() {
                    let now = self.clock.moment();
                    let trace = self.board.trace(name).unwrap_or_default();
                    self.candidates.entry(name.to_owned()).or_insert_with(|| Waiting::begin(kind, trace, false, now));
                }
                return self.note(name, kind, Assessed { finding, by_itself: false, look_at: None });
            }
            Met::File(file, sight) => (file, sight),
        };
        let known = match met_by {
            MetBy::Event => None,
            MetBy::Scan(entry) => entry,
        };
        let came_back = match self.look_up(name, known, sight)? {
            Known::AsItIs => {
                self.forget(name, heard_before);
                return Ok(());
            }
            Known::CameBack { paired } => Some(paired),
            Known::NotAsQueued => {
                // Reported again: it may be what takes the other's place.
                if let Some(waiting) = self.candidates.get_mut(name) {
                    waiting.noted = None;
                }
                None
            }
            Known::WrittenOn => {
                if !self.candidates.contains_key(name) {
                    self.note_next_piece(name)?;
                }
                None
            }
            Known::Not if self.was_just_renamed(name, kind, sight.identity)? => {
                self.forget(name, heard_before);
                return Ok(());
            }
            Known::Not => {
                if kind == Kind::Data {
                    self.carry_on_if_it_waited(name, sight.identity)?;
                }
                None
            }
        };
        let now = self.clock.moment();
        let trace = self.board.trace(name);
        let begin = || Waiting::begin(kind, trace.unwrap_or_default(), true, now);
        let waiting = self.candidates.entry(name.to_owned()).or_insert_with(begin);
        let mut grew = false;
        if let Some(trace) = trace {
            grew = waiting.candidate.grew_after_a_pause(&trace, sight, self.waits.settle);
            waiting.candidate.trace = trace;
        }
        if came_back.is_some() || self.folder.has_put_back(name, &sight.identity) {
            waiting.candidate.trace.came_back();
        }
        waiting.candidate.look(sight, now);
        let candidate = waiting.candidate;
        if grew {
            self.note_next_piece(name)?;
        }
        let marker = if kind == Kind::Data { self.marker_of(name, came_back == Some(true))? } else { None };
        match before_reading(name, sight, || self.judge(name, &candidate, marker, &file, sight))? {
            None => {
                self.note_whole(name, &candidate)?;
                self.take_in(name, kind, file, sight)
            }
            Some(told) => self.note(name, kind, told),
        }
    }

    /// Hands on what was found of a file, and notes when to look again.
    fn note(&mut self, name: &OsStr, kind: Kind, told: Assessed) -> Result<(), Interrupted> {
        if let Some(at) = told.look_at {
            self.look_again(name, at);
        }
        if told.finding.waits_for().is_some() {
            self.note_waiting(name, kind, told.finding, told.by_itself)
        } else {
            self.arrive(name, kind, told.finding)
        }
    }

    fn ask_for_scan_if_missed(&mut self, name: &OsStr) -> Result<(), Interrupted> {
        let entry = self.reader.inbox_entry(&self.settings.account, name)?;
        let missed =
            entry.is_some_and(|entry| !entry.to_be_moved && matches!(entry.state, State::Waiting | State::Queued));
        if missed {
            self.wants_scan = Some(self.clock.moment().after(self.soon() / 2));
        }
        Ok(())
    }

    fn take_in(&mut self, name: &OsStr, kind: Kind, mut file: File, sight: Sight) -> Result<(), Interrupted> {
        let size = sight.identity.size;
        if size >= TAKES_TIME {
            let account = &self.settings.account;
            tracing::info!(account, "reading {}, {} MB", printable(&name.to_string_lossy()), size / 1_000_000);
        }
        if let Some(reason) = self.cannot_be_filed(&file) {
            return self.note_waiting(name, kind, Finding::Waiting(reason, Some(sight.identity)), false);
        }
        if kind == Kind::Data && self.settings.check != CheckMode::Off {
            self.learn_suite();
        }
        let suite = self.suite.as_ref().map(|known| &known.facts);
        let background = Background { bytes_per_second: self.upload_speed(kind, size)?, suite };
        let alive = || self.progress.alive();
        let weighed = weigh(&self.settings, name, kind, (&mut file, sight), &background, &mut self.buffer, alive);
        if let Weighed::Verdict(Finding::Ready(content)) = &weighed
            && kind == Kind::Data
            && self.was_renamed(name, &content.fingerprint)?
        {
            let heard = self.candidates.get(name).map_or(0, |waiting| waiting.candidate.trace.order);
            self.forget(name, heard);
            return Ok(());
        }
        self.note(name, kind, after_reading(weighed, sight, self.clock.moment()))
    }

    /// How fast uploads go, in bytes of a request's body a second, where the check asks whether one would be over in time.
    fn upload_speed(&self, kind: Kind, size: u64) -> Result<Option<u64>, Interrupted> {
        // Smaller ones are there in time on the slowest of lines.
        let matters = kind == Kind::Data && size >= SLOW_FROM && self.settings.check != CheckMode::Off;
        Ok(if matters { self.reader.upload_speed(&self.settings.account)? } else { None })
    }

    fn look_again(&mut self, name: &OsStr, at: Moment) {
        let Some(waiting) = self.candidates.get_mut(name) else { return };
        waiting.look_at = Some(at);
        if waiting.entered.is_none_or(|entered| at < entered) {
            waiting.entered = Some(at);
            self.due.push(Reverse((at, name.to_owned())));
        }
    }

    /// Hands on why a file waits, once. `by_itself`: it will become ready without anybody's doing.
    fn note_waiting(&mut self, name: &OsStr, kind: Kind, finding: Finding, by_itself: bool) -> Result<(), Interrupted> {
        if let Some(waiting) = self.candidates.get_mut(name) {
            waiting.by_itself = by_itself;
            let reason = finding.waits_for();
            if reason.is_some() && waiting.noted.as_deref() == reason {
                return Ok(());
            }
            waiting.noted = reason.map(str::to_owned);
        }
        self.arrive(name, kind, finding)
    }

    pub(super) fn reject(
        &mut self,
        name: &OsStr,
        kind: Kind,
        reason: String,
        identity: Option<FileIdentity>,
    ) -> Result<(), Interrupted> {
        self.arrive(name, kind, Finding::Rejected(reason, identity))
    }

    fn arrive(&mut self, name: &OsStr, kind: Kind, verdict: Finding) -> Result<(), Interrupted> {
        let random = random_digits();
        let now = self.clock.moment();
        if self.arrivals.is_empty() {
            self.arrivals_since = now;
        }
        self.arrivals.push(Arrival { disk_name: name.to_owned(), kind, verdict, random });
        let is_enough = self.arrivals.len() >= BATCH || now.since(self.arrivals_since) >= BATCH_WAITS;
        if is_enough { self.flush() } else { Ok(()) }
    }

    /// Hands the arrivals to the job log. A name leaves the candidates only once that is durable.
    pub(super) fn flush(&mut self) -> Result<(), Interrupted> {
        if self.arrivals.is_empty() {
            return Ok(());
        }
        let arrivals = std::mem::take(&mut self.arrivals);
        let settled: Vec<OsString> = arrivals
            .iter()
            .filter(|arrival| arrival.verdict.waits_for().is_none())
            .map(|arrival| arrival.disk_name.clone())
            .collect();
        let told: Vec<Told> = arrivals.iter().map(Told::of).collect();
        let admissions = self.joblog.admit(self.settings.policy.clone(), arrivals, now()).wait()?;
        for (told, admission) in told.iter().zip(&admissions).filter(|(_, admission)| admission.new) {
            self.queued += u64::from(admission.state == State::Queued);
            told.say(&self.settings.account, admission);
            for (place, name) in &admission.left {
                remove_why(self.folder.place(*place), name);
            }
        }
        for name in settled {
            let heard = self.candidates.get(&name).map_or(0, |waiting| waiting.candidate.trace.order);
            self.forget(&name, heard);
        }
        Ok(())
    }

    /// A name is done with. `heard`: the order of the last event that was taken into account.
    fn forget(&mut self, name: &OsStr, heard: u64) {
        self.candidates.remove(name);
        give_back(&mut self.candidates);
        self.folder.forget_put_back(name);
        self.board.dealt_with(name, heard);
    }
}
