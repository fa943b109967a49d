//! The thread of one folder: waits for news, and gives each kind of it its turn.

use super::arrivals::Inbox;
use super::board::News;
use super::defect::guarded;
use super::folder_settings::{FolderSettings, Interrupted, Progress};
use super::scan::Scanned;
use super::{Board, Neighbours, Way};
use crate::clock::Moment;
use crate::clock::{Clock, random};
use crate::config::WatchMode;
use crate::folder::AccountFolder;
use crate::inbox::readiness::Sight;
use crate::job::{JobId, Problem, Timestamp};
use crate::joblog::{AccountRow, JobLog, Reader};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Interval between tries of a folder that cannot be used, if it is not scanned more often anyway.
pub(super) const TRY_AGAIN: Duration = Duration::from_secs(5);
/// Longest wait before work that broke off by a defect is tried again.
const LONGEST_WAIT: Duration = Duration::from_secs(300);
/// The longest wait of a thread without news: bounds how old its sign of life can be.
const TURN: Duration = Duration::from_secs(15);
/// Time that moves wait for others, to share their fsyncs and their transaction with them.
const GATHER_MOVES: Duration = Duration::from_millis(20);
/// Files that look other than they were sent, and hold what was sent or are known to have changed: as they looked.
pub(super) type Seen = HashMap<JobId, Sight>;

/// A folder that is worked in.
pub(super) struct Open {
    folder: Arc<AccountFolder>,
    inbox: Inbox,
    next_scan: Moment,
    /// When files may be old enough to leave `done/`.
    next_clean: Option<Moment>,
    /// When the files that were sent are looked at again.
    next_recheck: Moment,
    seen: Seen,
    /// Events are listened to, and the first scan is over: what a scan finds from here on, they have missed.
    counts_misses: bool,
    by_events: bool,
}

/// The thread of one folder.
#[derive(Debug)]
pub struct FolderWorker {
    pub(super) settings: Arc<FolderSettings>,
    pub(super) joblog: JobLog,
    pub(super) reader: Arc<Reader>,
    neighbours: Arc<Neighbours>,
    /// Where the folder was when it was last opened.
    way: Option<Arc<Way>>,
    pub(super) board: Arc<Board>,
    pub(super) clock: Clock,
    pub(super) progress: Arc<Progress>,
    remembered_mark: Option<String>,
    /// News of a problem goes to the log once.
    pub(super) told: Option<Problem>,
    /// Defects in a row.
    defects: u32,
    /// A row of the account made no sense the last time.
    pub(super) distrusts_rows: bool,
    /// When the job log had last seen a file accepted, as it was when the folder was first tried; `None` once it was opened.
    pub(super) knew_until: Option<Timestamp>,
}

impl FolderWorker {
    /// A worker for an account that the job log has opened.
    ///
    /// # Errors
    /// [`crate::joblog::OpenError`] if the job log cannot be read.
    pub fn new(
        settings: FolderSettings,
        joblog: JobLog,
        account: &AccountRow,
        neighbours: Arc<Neighbours>,
        board: Arc<Board>,
        clock: Clock,
        progress: Arc<Progress>,
    ) -> Result<Self, crate::joblog::OpenError> {
        let reader = Arc::new(joblog.reader()?);
        let settings = Arc::new(settings);
        let remembered_mark = account.folder_mark.clone();
        Ok(Self {
            settings,
            joblog,
            reader,
            neighbours,
            way: None,
            board,
            clock,
            progress,
            remembered_mark,
            told: None,
            defects: 0,
            distrusts_rows: false,
            knew_until: None,
        })
    }

    /// Works until the board says stop.
    pub fn run(mut self) {
        while !self.open_and_work() {
            self.progress.scanned.store(false, Ordering::Relaxed);
            self.progress.blocked.store(true, Ordering::Relaxed);
            self.progress.alive();
            // Its events are our own trials; whatever else happens is met by the scan that follows.
            self.leave();
            if self.told_to_stop() {
                return;
            }
        }
        self.leave();
    }

    fn leave(&mut self) {
        if let Some(events) = &self.neighbours.events {
            events.unwatch(&self.settings.folder, &self.board);
        }
        if let Some(way) = self.way.take() {
            self.neighbours.leave(&self.settings.account, &way);
        }
    }

    /// Waits until the folder is to be tried again. True: to stop.
    ///
    /// File events do not count: a trial makes events itself.
    fn told_to_stop(&self) -> bool {
        let wait = TRY_AGAIN.min(self.settings.rescan);
        let wait = (wait * 2u32.saturating_pow(self.defects)).min(LONGEST_WAIT.max(wait));
        let again = self.clock.moment().after(wait);
        loop {
            let left = again.since(self.clock.moment());
            let flags = self.board.wait(left).flags;
            if flags.stop || flags.rescan || left.is_zero() {
                return flags.stop;
            }
        }
    }

    /// Opens the folder and works in it for as long as it can be used. True: to stop; false: to try again.
    fn open_and_work(&mut self) -> bool {
        match guarded(|| self.open().and_then(|mut open| self.work(&mut open))) {
            Ok(ended) => {
                self.defects = 0;
                match ended {
                    Ok(()) => true,
                    Err(problem) => self.give_up(problem),
                }
            }
            Err(defect) => {
                self.defects += 1;
                self.block(defect.of_folder());
                false
            }
        }
    }

    /// Makes the moves that the job log wants, where no daemon does, and nothing else; says whether there were any. A folder
    /// that no daemon has worked in is left as it is.
    ///
    /// # Errors
    /// [`Interrupted`]: the moves that are left are made when the daemon starts.
    pub fn file_once(&mut self) -> Result<bool, Interrupted> {
        if self.remembered_mark.is_none() || self.reader.unfiled(&self.settings.account, 1)?.is_empty() {
            return Ok(false);
        }
        let folder = self.open_folder()?;
        self.file_away(&folder)?;
        Ok(true)
    }

    fn open_folder(&mut self) -> Result<AccountFolder, Interrupted> {
        self.ask_how_far_the_job_log_goes()?;
        let settings = Arc::clone(&self.settings);
        let FolderSettings { account, folder: dir, .. } = &*settings;
        let remembered = self.remembered_mark.as_deref();
        // One that cannot be followed cannot be opened either, which says why.
        let way = Way::to(dir).ok().map(Arc::new);
        if let Some(way) = &way {
            self.neighbours.look(account, dir, way)?;
        }
        let opened = AccountFolder::open(account, dir, remembered, random())?;
        if let Some(way) = way {
            self.neighbours.settle(account, dir, Arc::clone(&way))?;
            self.way = Some(way);
        }
        if remembered != Some(opened.mark.as_str()) {
            self.joblog.remember_mark(account.clone(), opened.mark.clone()).wait()?;
            self.remembered_mark = Some(opened.mark.clone());
        }
        self.refuse_older_job_log(&opened.folder)?;
        self.joblog.forget_births(account.clone(), opened.folder.born_ns).wait()?;
        Ok(opened.folder)
    }

    /// Opens the folder, and makes the moves that are due in it.
    pub(super) fn open(&mut self) -> Result<Open, Interrupted> {
        let folder = Arc::new(self.open_folder()?);
        let settings = Arc::clone(&self.settings);
        let by_events = match settings.mode {
            WatchMode::Poll => false,
            WatchMode::Auto if folder.is_remote => false,
            WatchMode::Auto | WatchMode::Inotify => self.watch(),
        };
        self.board.forget();
        // An unfinished move is made before the scan makes jobs of what it finds (DESIGN F1).
        self.file_away(&folder)?;
        if self.distrusts_rows {
            // The scan would block the account again, each time that it goes on.
            self.reader.inbox(&settings.account)?;
            self.distrusts_rows = false;
        }
        self.unblock(by_events)?;
        let (joblog, reader, board) = (self.joblog.clone(), Arc::clone(&self.reader), Arc::clone(&self.board));
        let progress = Arc::clone(&self.progress);
        let mut inbox = Inbox::new(settings, Arc::clone(&folder), joblog, reader, board, self.clock, progress);
        inbox.remember_settle()?;
        let now = self.clock.moment();
        Ok(Open {
            folder,
            inbox,
            next_scan: now,
            next_clean: Some(now),
            next_recheck: now,
            seen: Seen::new(),
            counts_misses: false,
            by_events,
        })
    }

    fn watch(&self) -> bool {
        let Some(events) = &self.neighbours.events else { return false };
        match events.watch(&self.settings.folder, &self.board) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(
                    account = %self.settings.account,
                    "{}: no file events: {error}; the folder is scanned every {} instead",
                    self.settings.folder.display(),
                    humantime::format_duration(self.settings.rescan)
                );
                false
            }
        }
    }

    fn work(&mut self, open: &mut Open) -> Result<(), Interrupted> {
        let mut moves_due: Option<Moment> = None;
        let mut last_moves = None;
        loop {
            let until = self.scan_if_due(open)?;
            if self.progress.silent.load(Ordering::Relaxed) {
                self.unblock(open.by_events)?;
            }
            let until = moves_due.map_or(until, |at| at.min(until));
            let mut news = self.board.wait(until.since(self.clock.moment()).min(TURN));
            if news.flags.stop {
                return Ok(());
            }
            let now = self.clock.moment();
            if news.flags.unfiled {
                // The first goes at once, those that come close behind it go together.
                moves_due.get_or_insert(last_moves.map_or(now, |before: Moment| before.after(GATHER_MOVES)));
            }
            if news.flags.unfiled_at_once {
                moves_due = Some(now);
            }
            news.flags.unfiled = moves_due.take_if(|at| *at <= now).is_some();
            if news.flags.unfiled {
                last_moves = Some(now);
            }
            self.take_news(open, news)?;
        }
    }

    /// Scans if it is time for it, and says when there is something to do without news.
    pub(super) fn scan_if_due(&self, open: &mut Open) -> Result<Moment, Interrupted> {
        let Open { folder, inbox, next_scan, next_clean, next_recheck, seen, counts_misses, by_events } = open;
        if self.clock.moment() >= *next_scan {
            folder.check()?;
            let moves = self.file_away(folder)?;
            inbox.moved_out(&moves.out);
            inbox.report_again(&moves.back);
            self.make_missing_markers(folder)?;
            let Scanned { missing, unheard } = inbox.scan()?;
            if *counts_misses {
                self.progress.missed.fetch_add(unheard, Ordering::Relaxed);
            }
            *counts_misses = *by_events;
            self.progress.pending.store(inbox.pending(), Ordering::Relaxed);
            self.progress.scanned.store(true, Ordering::Release);
            *next_scan = self.clock.moment().after(if missing { inbox.soon() } else { self.settings.rescan });
        }
        if let Some(at) = inbox.wants_scan() {
            *next_scan = (*next_scan).min(at);
        }
        // After the scan: what is new goes first.
        if next_clean.is_some_and(|at| self.clock.moment() >= at) {
            *next_clean = self.clean(folder)?.map(|wait| self.clock.moment().after(wait));
        }
        if self.clock.moment() >= *next_recheck {
            let wait = self.recheck(folder, seen)?;
            *next_recheck = self.clock.moment().after(wait);
        }
        let next_turn = next_clean.map_or(*next_scan, |at| at.min(*next_scan)).min(*next_recheck);
        self.progress.pending.store(inbox.pending(), Ordering::Relaxed);
        self.progress.alive();
        Ok(inbox.next_look().map_or(next_turn, |look: Moment| look.min(next_turn)))
    }

    /// Deals with what was heard, and with the names whose time has come.
    pub(super) fn take_news(&self, open: &mut Open, mut news: News) -> Result<(), Interrupted> {
        let Open { folder, inbox, next_scan, .. } = open;
        if news.flags.folder_moved {
            folder.check()?;
        }
        if news.flags.overflow {
            tracing::warn!(account = %self.settings.account, "file events were lost; scanning the folder instead");
            inbox.lose_events();
            *next_scan = self.clock.moment();
        }
        if news.flags.rescan {
            *next_scan = self.clock.moment();
        }
        if news.flags.unfiled {
            let moves = self.file_away(folder)?;
            inbox.moved_out(&moves.out);
            inbox.report_again(&moves.back);
            // Not every folder tells of what comes back.
            news.changed.extend(moves.back);
        }
        inbox.take(news.changed)
    }
}
