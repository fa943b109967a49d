//! datadrop between a start and its end: the real stages, without their threads and timers.

use super::quiet::{SETTLE, SETTLE_MAX};
use super::script::Rules;
use crate::adobe::{Budget, Client};
use crate::clock::{Clock, Moment, now};
use crate::config::{CheckMode, Duplicates, PollConfig, RetryConfig, StyleChoice, WatchMode};
use crate::daemon::operator;
use crate::inbox::readiness::Waits;
use crate::inbox::turns::{Told, Turns, tell};
use crate::inbox::{Board, FolderSettings, FolderWorker, Progress};
use crate::job::{JobId, Target, UploadStyle};
use crate::joblog::{AccountRules, AdmitPolicy, Executor, JobLog, JobLogError, Reader, StateLock, StorageProblem};
use crate::retry::RetryPolicy;
use crate::testing::surroundings;
use crate::track::{TrackSettings, Tracker};
use crate::upload::{UploadSettings, single as upload};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::sync::watch;

pub(super) const ACCOUNT: &str = "callcentre";
pub(super) const CONFIRM_FOR: Duration = Duration::from_secs(180);

/// Maximum time that a stage sleeps. Theirs is shorter, to give signs of life and to notice when the wall clock is set:
/// here a call reports the latter ([`Process::clock_was_set`]).
const TURN: Duration = Duration::from_secs(600);
/// Until then most lists were read.
const LATE: Duration = Duration::from_secs(5);

type Task<T> = Pin<Box<dyn Future<Output = T>>>;

/// Something that continues automatically, and when.
struct Running<T> {
    task: Task<T>,
    goes_on_at: Moment,
    /// Waits for a timer of the runtime: looked at again, ever more seldom.
    patience: Duration,
}

impl<T> Running<T> {
    fn new(task: Task<T>, now: Moment) -> Self {
        Self { task, goes_on_at: now, patience: Duration::from_secs(1) }
    }

    fn poll(&mut self, now: Moment) -> Option<T> {
        surroundings::with(|here| here.suspended_until = None);
        match self.task.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(ended) => Some(ended),
            Poll::Pending => {
                let suspended = surroundings::with(|here| here.suspended_until.take()).flatten();
                self.goes_on_at = suspended.unwrap_or_else(|| {
                    let again = now.after(self.patience);
                    self.patience = (self.patience * 2).min(Duration::from_secs(60));
                    again
                });
                None
            }
        }
    }
}

type Turned = (Box<Tracker>, Result<Option<Moment>, JobLogError>);

enum Track {
    Resting(Box<Tracker>, Moment),
    Busy(Running<Turned>),
}

/// What a step of the process may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Folder,
    Track,
    Claim,
    Attempt(usize),
    Probe,
    Instructions,
}

pub(super) struct Process {
    pub(super) joblog: JobLog,
    pub(super) reader: Reader,
    pub(super) board: Arc<Board>,
    turns: Turns,
    track: Option<Track>,
    settings: Arc<UploadSettings>,
    attempts: Vec<(JobId, Running<()>)>,
    claim_at: Moment,
    probe_at: Moment,
    executor: Executor,
    by_events: bool,
    /// An instruction stands in the job log.
    poked: Option<Moment>,
    changes: watch::Receiver<u64>,
    storage: watch::Receiver<Option<StorageProblem>>,
}

/// What a process is started with.
pub(super) struct Surroundings<'a> {
    pub(super) state_dir: &'a Path,
    pub(super) folder: &'a Path,
    pub(super) rules: &'a Rules,
    pub(super) client: &'a Arc<Client>,
    pub(super) at: Moment,
}

pub(super) fn target() -> Target {
    Target {
        base_url: "http://127.0.0.1:9/api".to_owned(),
        path_segment: "datasources".to_owned(),
        company: "examplecompany".to_owned(),
        report_suite_id: "examplersid".to_owned(),
        data_source_id: 621,
    }
}

pub(super) fn retry() -> RetryPolicy {
    RetryPolicy::new(&RetryConfig {
        first: Duration::from_secs(1),
        max: Duration::from_secs(300),
        factor: 2.0,
        alert_after: Duration::from_secs(3600),
    })
}

fn account_rules(rules: &Rules, folder: &Path) -> AccountRules {
    AccountRules {
        name: ACCOUNT.to_owned(),
        folder: folder.to_owned(),
        target: target(),
        order: rules.order,
        sequential: rules.sequential,
        duplicates: rules.duplicates,
        fin: rules.fin,
        style: match rules.style {
            StyleChoice::Auto => UploadStyle::ALL[0],
            StyleChoice::Fixed(style) => style,
        },
        style_is_fixed: matches!(rules.style, StyleChoice::Fixed(_)),
        longest_wait: retry().longest(),
        room: usize::MAX,
        limits: None,
        allowance: None,
    }
}

fn executor(rules: &Rules, folder: &Path) -> Executor {
    Executor { account: ACCOUNT.to_owned(), folder: folder.to_owned(), wire_name: rules.wire_name, target: target() }
}

fn folder_settings(rules: &Rules, folder: &Path, state_dir: &Path) -> FolderSettings {
    FolderSettings {
        account: ACCOUNT.to_owned(),
        target: target(),
        time_zone: None,
        folder: folder.to_owned(),
        state_dir: state_dir.to_owned(),
        program: crate::job::Program::default(),
        extensions: vec!["txt".to_owned()],
        exclude: crate::config::NamePatterns::default(),
        policy: AdmitPolicy {
            account: ACCOUNT.to_owned(),
            folder: folder.to_owned(),
            duplicates: rules.duplicates,
            wire_name: rules.wire_name,
        },
        waits: Waits {
            settle: SETTLE,
            settle_max: SETTLE_MAX,
            settle_unwatched: Duration::from_secs(5),
            give_up_empty: Duration::from_secs(3600),
            wait_for_fin: rules.wait_for_fin,
        },
        rescan: Duration::from_secs(60),
        mode: if rules.by_events { WatchMode::Auto } else { WatchMode::Poll },
        max_file_size: 50_000_000,
        generates_markers: rules.fin == crate::config::FinMode::Generate,
        keep_done: Duration::ZERO,
        check: if rules.duplicates == Duplicates::HoldDays { CheckMode::Warn } else { CheckMode::Off },
        rate_limit: None,
    }
}

/// Why there is no process.
#[derive(Debug)]
pub(super) enum NotStarted {
    /// The disk did not take what a start has to write: systemd starts it again.
    Storage,
    Broken(String),
}

impl From<JobLogError> for NotStarted {
    fn from(error: JobLogError) -> Self {
        match error {
            JobLogError::Storage(_) => Self::Storage,
            error @ (JobLogError::Impossible(_)
            | JobLogError::BadRow { .. }
            | JobLogError::NoSuchJob(_)
            | JobLogError::Closed) => Self::Broken(error.to_string()),
        }
    }
}

impl Process {
    /// Starts as the daemon does: recovery first, then the account, then the stages.
    pub(super) fn start(from: &Surroundings<'_>) -> Result<Self, NotStarted> {
        let broken = |error: crate::joblog::OpenError| NotStarted::Broken(error.to_string());
        let joblog = JobLog::open_at_once(StateLock::take(from.state_dir).map_err(broken)?).map_err(broken)?;
        joblog.recover(now()).wait()?.into_iter().collect::<Result<Vec<_>, _>>()?;
        let all = operator::carry_out(&joblog, &[executor(from.rules, from.folder)], |_| true, || ())?;
        let row = joblog.open_account(ACCOUNT.to_owned(), target()).wait()?;
        let budget = Arc::new(Budget::new(None, false));
        let rules = account_rules(from.rules, from.folder);
        let settings = Arc::new(UploadSettings {
            accounts: vec![(rules, from.rules.style)],
            client: Arc::clone(from.client),
            budget: Arc::clone(&budget),
            max_in_flight: from.rules.max_in_flight,
            retry: retry(),
        });
        let clock = Clock::start();
        let track = TrackSettings {
            account: ACCOUNT.to_owned(),
            target: target(),
            client: Arc::clone(from.client),
            budget,
            poll: PollConfig {
                first: Duration::from_secs(15),
                max: Duration::from_secs(300),
                late_after: Duration::from_secs(24 * 3600),
                give_up_after: Duration::from_secs(7 * 24 * 3600),
            },
            confirm_for: CONFIRM_FOR,
            retry: retry(),
        };
        let tracker = Box::new(Tracker::new(track, joblog.clone(), clock).map_err(broken)?);
        let opens_at = if from.rules.opens_late { from.at.after(LATE) } else { from.at };
        // The process before it heard of its own.
        surroundings::with(|here| here.moved.clear());
        let board = Arc::new(Board::default());
        let wake = Arc::clone(&board);
        joblog.on_unfiled(ACCOUNT, move |haste| wake.unfiled(haste));
        let worker = FolderWorker::new(
            folder_settings(from.rules, from.folder, from.state_dir),
            joblog.clone(),
            &row,
            Arc::default(),
            Arc::clone(&board),
            clock,
            Arc::new(Progress::default()),
        )
        .map_err(broken)?;
        Ok(Self {
            reader: joblog.reader().map_err(broken)?,
            turns: Turns::new(worker, Arc::clone(&board), opens_at),
            board,
            track: Some(Track::Resting(tracker, from.at)),
            settings,
            attempts: Vec::new(),
            claim_at: from.at,
            probe_at: from.at,
            executor: executor(from.rules, from.folder),
            by_events: from.rules.by_events,
            poked: (!all).then_some(from.at),
            changes: joblog.changes(),
            storage: joblog.storage(),
            joblog,
        })
    }

    fn is_writable(&self) -> bool {
        self.storage.borrow().is_none()
    }

    /// The steps that may come next, each with its time; a time that has passed means now.
    pub(super) fn steps(&mut self, now: Moment) -> Vec<(Moment, Step)> {
        if self.changes.has_changed().unwrap_or(false) {
            self.changes.borrow_and_update();
            self.claim_at = now;
            if let Some(Track::Resting(_, at)) = &mut self.track {
                *at = (*at).min(now.after(Duration::from_millis(50)));
            }
        }
        let mut steps = Vec::new();
        steps.extend(self.poked.map(|at| (at, Step::Instructions)));
        if !self.is_writable() {
            steps.push((self.probe_at, Step::Probe));
        }
        steps.push((if self.turns.has_news() { now } else { self.turns.due() }, Step::Folder));
        match &self.track {
            Some(Track::Resting(_, at)) => steps.push((*at, Step::Track)),
            Some(Track::Busy(running)) => steps.push((running.goes_on_at, Step::Track)),
            None => {}
        }
        if self.is_writable() && self.attempts.len() < self.settings.max_in_flight {
            steps.push((self.claim_at, Step::Claim));
        }
        steps.extend(
            self.attempts.iter().enumerate().map(|(index, (_, running))| (running.goes_on_at, Step::Attempt(index))),
        );
        steps
    }

    /// Takes a step. The error is a defect: something that must not exist.
    pub(super) fn step(&mut self, step: Step, at: Moment) -> Result<String, String> {
        match step {
            Step::Instructions => {
                self.poked = None;
                match operator::carry_out(&self.joblog, std::slice::from_ref(&self.executor), |_| true, || ()) {
                    Ok(true) => Ok("what is wanted is done".to_owned()),
                    Ok(false) => {
                        self.poked = Some(at.after(Duration::from_millis(200)));
                        Ok("what is wanted waits for a move".to_owned())
                    }
                    Err(JobLogError::Storage(_)) => Ok("what is wanted cannot be written".to_owned()),
                    Err(error) => Err(error.to_string()),
                }
            }
            Step::Folder => {
                let turned = self.turns.turn(at);
                self.hear_own_moves(at);
                turned.map(|()| String::new())
            }
            Step::Probe => {
                self.joblog.probe();
                self.probe_at = at.after(Duration::from_secs(1));
                Ok("the disk is tried again".to_owned())
            }
            Step::Claim => self.claim(at),
            Step::Attempt(index) => {
                let ended = self.attempts[index].1.poll(at).is_some();
                if ended {
                    let (job, _) = self.attempts.remove(index);
                    self.claim_at = at;
                    return Ok(format!("the attempt of job {job} ends"));
                }
                Ok(String::new())
            }
            Step::Track => self.track(at),
        }
    }

    /// Its own renames make events too: of a file that it has moved out, nothing is heard any more.
    fn hear_own_moves(&self, at: Moment) {
        let moved = surroundings::with(|here| std::mem::take(&mut here.moved)).unwrap_or_default();
        for (from, to) in moved.into_iter().filter(|_| self.by_events) {
            let lies_in_inbox = |path: &Path| path.parent() == Some(&self.executor.folder);
            let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if lies_in_inbox(&from) {
                tell(&self.board, &name(&from), Told::Removed, at);
            }
            if lies_in_inbox(&to) {
                // Nothing has left under this cookie.
                tell(&self.board, &name(&to), Told::Arrived(usize::MAX), at);
            }
        }
    }

    fn claim(&mut self, at: Moment) -> Result<String, String> {
        let mut permits = upload::permits(&self.settings, self.settings.max_in_flight - self.attempts.len());
        let free = permits.len();
        if free == 0 {
            self.claim_at = at.after(Duration::from_secs(1));
            return Ok(String::new());
        }
        let accounts = self.settings.accounts.iter().map(|(rules, _)| rules.clone()).collect();
        let claimed = match self.joblog.claim(accounts, free, now()).wait() {
            Ok(claimed) => claimed,
            Err(JobLogError::Storage(_)) => return Ok("nothing can be claimed".to_owned()),
            Err(error) => return Err(error.to_string()),
        };
        let wait = claimed.next_due.map_or(TURN, |due| due.since(now()).max(Duration::from_millis(1)).min(TURN));
        self.claim_at = if claimed.claims.len() == free { at } else { at.after(wait) };
        let mut told = String::new();
        for claim in claimed.claims {
            let job = claim.job.id;
            told = format!("{told} job {job} ({}) begins attempt {};", claim.job.wire_name, claim.job.attempts);
            let Some(permit) = permits.pop() else { return Err("more was claimed than there were permits".to_owned()) };
            let attempt = upload::attempt(&self.joblog, &self.settings, claim, permit);
            self.attempts.push((job, Running::new(Box::pin(attempt), at)));
        }
        Ok(told)
    }

    fn track(&mut self, at: Moment) -> Result<String, String> {
        let mut running = match self.track.take() {
            Some(Track::Resting(mut tracker, _)) => Running::new(
                Box::pin(async move {
                    let turned = tracker.turn().await;
                    (tracker, turned)
                }) as Task<Turned>,
                at,
            ),
            Some(Track::Busy(running)) => running,
            None => return Ok(String::new()),
        };
        match running.poll(at) {
            None => self.track = Some(Track::Busy(running)),
            Some((tracker, turned)) => {
                let wake = match turned {
                    Ok(wake) => wake.unwrap_or(at.after(TURN)),
                    Err(JobLogError::Storage(_)) => at.after(Duration::from_secs(1)),
                    Err(error) => return Err(error.to_string()),
                };
                let wake = wake.min(at.after(TURN)).max(at.after(Duration::from_millis(1)));
                self.track = Some(Track::Resting(tracker, wake));
            }
        }
        Ok(String::new())
    }

    /// The stages look at the wall clock again.
    pub(super) fn clock_was_set(&mut self, at: Moment) {
        let soon = at.after(Duration::from_secs(15));
        self.claim_at = self.claim_at.min(soon);
        if let Some(Track::Resting(_, wake)) = &mut self.track {
            *wake = (*wake).min(soon);
        }
    }

    pub(super) fn poke(&mut self, at: Moment) {
        self.poked = Some(at);
    }

    /// What happens in the folder is heard.
    pub(super) fn hears(&self) -> bool {
        self.turns.is_open()
    }

    /// The jobs of which an attempt is in progress.
    pub(super) fn under_way(&self) -> impl Iterator<Item = JobId> {
        self.attempts.iter().map(|(job, _)| *job)
    }
}
