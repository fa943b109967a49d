//! The stages that run, started from a configuration and exchanged when it changes.

use super::Fatal;
use super::alerting::Alerts;
use super::refused::{Refused, judge};
use super::report_suites::{Asked, keep_reading_suites};
use super::vitals::{Fallen, Pulse, Tracking};
use crate::adobe::{Budget, Client};
use crate::clock::{Clock, Moment, now};
use crate::config::{AccountConfig, Config, KeepConfig, StyleChoice};
use crate::daemon::pruning::keep_pruning;
use crate::inbox::{Board, EventSource, FolderSettings, FolderWorker, Neighbours, Progress};
use crate::job::{Problem, Target, UploadStyle};
use crate::joblog::{AccountRules, AllowanceLimits, JobLog};
use crate::retry::RetryPolicy;
use crate::status::page::FolderRunning;
use crate::upload::{UploadSettings, Uploader};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Time without a turn after which a folder's thread counts as hung. It makes a turn every 15 s, or hashes and moves
/// files.
const HANGS_AFTER: Duration = Duration::from_secs(90);

/// Timeout for the folders to end.
const FOLDERS_STOP: Duration = Duration::from_secs(5);
/// Timeout for the last commit and the end of the job log's writer. What is not written by then is recovered at the next
/// start.
const JOB_LOG_CLOSES: Duration = Duration::from_secs(3);

/// A folder's thread.
struct Folder {
    settings: FolderSettings,
    board: Arc<Board>,
    progress: Arc<Progress>,
    thread: JoinHandle<()>,
    /// Its signs of life when there was last one, and when that was noticed.
    last_sign: (u64, Moment),
}

/// A stage that has a task of its own.
#[derive(Debug)]
pub(super) enum Stage {
    Upload,
    /// The tracking of an account, until its token is cancelled.
    Track(String, CancellationToken),
}

/// How a stage ended: why, if it had no order to stop.
pub(super) type StageEnd = (Stage, Result<(), String>);

/// Everything that runs.
pub(super) struct Stages {
    pub(super) joblog: JobLog,
    pub(super) budget: Arc<Budget>,
    pub(super) client: Arc<Client>,
    pub(super) clock: Clock,
    neighbours: Arc<Neighbours>,
    folders: HashMap<String, Folder>,
    pub(super) trackers: HashMap<String, Tracking>,
    pub(super) fallen: Fallen,
    upload_settings: watch::Sender<Arc<UploadSettings>>,
    upload_stop: CancellationToken,
    pub(super) upload_abort: CancellationToken,
    pub(super) tasks: JoinSet<StageEnd>,
    upload_pulse: Pulse,
    pub(super) alerts: Alerts,
    keep: watch::Sender<KeepConfig>,
    suites: watch::Sender<Arc<Asked>>,
    pub(super) refused: Vec<Refused>,
    /// What was in progress when accounts were last judged may have come to the job log since.
    pub(super) judge_again: bool,
    /// A report suite became virtual since, or is so no more.
    pub(super) suites_turned: Arc<Notify>,
    /// Whether the job log has changed since then.
    pub(super) changes: watch::Receiver<u64>,
    pub(super) stopping: bool,
}

impl Stages {
    /// Starts them all.
    pub(super) async fn start(config: &Config, joblog: JobLog, budget: Arc<Budget>) -> Result<Self, Fatal> {
        let clock = Clock::start();
        let events = match EventSource::open(clock) {
            Ok(events) => Some(events),
            Err(error) => {
                tracing::warn!(
                    "no file events: {error}; folders are scanned every {} instead",
                    humantime::format_duration(config.watch.rescan)
                );
                None
            }
        };
        let client = Arc::new(Client::new(&config.api, Arc::clone(&budget))?);
        let alerts = Alerts::start(config, &client, &joblog, clock).await?;
        let changes = joblog.changes();
        let reader = joblog.reader()?;
        let (accounts, refused) = judge(config, &reader.open_jobs()?, &reader.virtual_suites()?);
        let (upload_settings, settings) =
            watch::channel(Arc::new(upload_settings(config, &accounts, &client, &budget)));
        let (keep, kept) = watch::channel(config.keep.clone());
        let (suites, asked) = watch::channel(Asked::new(config, &client, &budget));
        let (upload_stop, upload_abort) = (CancellationToken::new(), CancellationToken::new());
        let mut stages = Self {
            clock,
            neighbours: Arc::new(Neighbours::new(events, &config.state_dir)),
            folders: HashMap::new(),
            client,
            trackers: HashMap::new(),
            fallen: Fallen::default(),
            upload_settings,
            upload_stop,
            upload_abort,
            tasks: JoinSet::new(),
            upload_pulse: Pulse::new(clock),
            alerts,
            keep,
            suites,
            refused: Vec::new(),
            judge_again: false,
            suites_turned: Arc::default(),
            changes,
            stopping: false,
            budget,
            joblog,
        };
        tokio::spawn(keep_pruning(stages.joblog.clone(), kept, stages.upload_stop.clone()));
        let turned = Arc::clone(&stages.suites_turned);
        tokio::spawn(keep_reading_suites(stages.joblog.clone(), asked, turned, stages.upload_stop.clone()));
        for account in &accounts {
            stages.joblog.open_account(account.name.clone(), account.target(&config.api)).await?;
        }
        let uploader = Uploader::new(stages.joblog.clone(), settings);
        let (stop, abort, pulse) =
            (stages.upload_stop.clone(), stages.upload_abort.clone(), stages.upload_pulse.clone());
        stages.run_stage(Stage::Upload, async move { uploader.run(stop, abort, move || pulse.beat()).await });
        stages.refuse(config, refused).await?;
        for account in &accounts {
            stages.start_tracker(config, &account.name, account.target(&config.api))?;
            stages.start_folder(FolderSettings::new(config, account), account.target(&config.api)).await?;
        }
        Ok(stages)
    }

    pub(super) async fn start_folder(&mut self, settings: FolderSettings, target: Target) -> Result<(), Fatal> {
        let account = settings.account.clone();
        let row = self.joblog.open_account(account.clone(), target).await?;
        self.tell_unknown_days(&settings)?;
        let board = Arc::new(Board::default());
        let wake = Arc::clone(&board);
        self.joblog.on_unfiled(&account, move |haste| wake.unfiled(haste));
        let progress = Arc::new(Progress::default());
        let worker = FolderWorker::new(
            settings.clone(),
            self.joblog.clone(),
            &row,
            Arc::clone(&self.neighbours),
            Arc::clone(&board),
            self.clock,
            Arc::clone(&progress),
        )?;
        let thread = std::thread::Builder::new()
            .name(format!("folder {account}"))
            .spawn(move || worker.run())
            .map_err(Fatal::Thread)?;
        self.folders.insert(account, Folder { settings, board, progress, thread, last_sign: (0, self.clock.moment()) });
        Ok(())
    }

    pub(super) fn is_worked_in(&self, account: &str) -> bool {
        self.folders.contains_key(account)
    }

    /// Goes over to another configuration. What did not change goes on undisturbed.
    pub(super) async fn reload(&mut self, config: &Config) -> Result<(), Fatal> {
        self.client = Arc::new(Client::new(&config.api, Arc::clone(&self.budget))?);
        let styles: HashMap<String, StyleChoice> = {
            let before = self.upload_settings.borrow();
            before.accounts.iter().map(|(rules, style)| (rules.name.clone(), *style)).collect()
        };
        // First, so that nothing is sent on the way that the new configuration does not want.
        self.send_only_for(|account| {
            config.accounts.iter().any(|configured| {
                configured.enabled
                    && configured.name == account.name
                    && configured.target(&config.api) == account.target
            })
        });
        self.stop_trackers();
        self.alerts.reload(config, &self.client);
        self.keep.send_replace(config.keep.clone());
        self.suites.send_replace(Asked::new(config, &self.client, &self.budget));
        let goes_on = |name: &str, folder: &Folder| {
            config.accounts.iter().any(|account| {
                account.enabled && account.name == name && FolderSettings::new(config, account) == folder.settings
            })
        };
        let gone = self.folders.iter().filter(|(name, folder)| !goes_on(name, folder)).map(|(name, _)| name.clone());
        let gone: Vec<String> = gone.collect();
        self.stop_folders_of(&gone).await;
        let reader = self.joblog.reader()?;
        let (accounts, refused) = judge(config, &reader.open_jobs()?, &reader.virtual_suites()?);
        self.refuse(config, refused).await?;
        for account in &accounts {
            // What was learnt stays, unless it may be what blocks the account.
            let was_blocked = self.joblog.api_problem(account.name.clone(), None, now()).await?;
            if was_blocked || styles.get(&account.name) != Some(&account.style) {
                self.joblog.forget_style(account.name.clone()).await?;
            }
            self.joblog.aim(account.name.clone(), account.target(&config.api)).await?;
            self.joblog.judge_days_again(account.name.clone()).await?;
        }
        for account in &accounts {
            if !self.folders.contains_key(&account.name) {
                self.start_folder(FolderSettings::new(config, account), account.target(&config.api)).await?;
            }
            self.start_tracker(config, &account.name, account.target(&config.api))?;
        }
        self.rescan();
        self.send_for(config, &accounts);
        self.judge_again = true;
        self.changes.mark_changed();
        Ok(())
    }

    /// From now on these accounts send, and no others.
    pub(super) fn send_for(&self, config: &Config, accounts: &[AccountConfig]) {
        let settings = upload_settings(config, accounts, &self.client, &self.budget);
        self.upload_settings.send_replace(Arc::new(settings));
    }

    /// From now on no other accounts send.
    pub(super) fn send_only_for(&self, goes_on: impl Fn(&AccountRules) -> bool) {
        let mut settings = (**self.upload_settings.borrow()).clone();
        settings.accounts.retain(|(rules, _)| goes_on(rules));
        self.upload_settings.send_replace(Arc::new(settings));
    }

    pub(super) async fn stop_folders_of(&mut self, accounts: &[String]) {
        stop_folders(accounts.iter().filter_map(|name| self.folders.remove(name)).collect()).await;
    }

    /// Asks every folder for a scan.
    pub(super) fn rescan(&self) {
        for folder in self.folders.values() {
            folder.board.rescan();
        }
    }

    /// No new attempts; those in progress go on until they end or are aborted.
    pub(super) fn stop_sending(&mut self) {
        self.stopping = true;
        self.upload_stop.cancel();
        self.stop_trackers();
    }

    /// The end of everything else. Returns once the job log is closed and its lock is free.
    pub(super) async fn stop(mut self) {
        self.stop_sending();
        self.upload_abort.cancel();
        while self.tasks.join_next().await.is_some() {}
        stop_folders(self.folders.drain().map(|(_, folder)| folder).collect()).await;
        self.alerts.stop().await;
        let joblog = self.joblog.clone();
        // A writer that hangs on its disk must not keep the process from ending.
        let closed = tokio::task::spawn_blocking(move || joblog.close());
        let _ = tokio::time::timeout(JOB_LOG_CLOSES, closed).await;
    }

    /// Returns the stage that ended without an order to stop.
    pub(super) fn ended_early(&self) -> Option<Fatal> {
        if self.joblog.has_ended() {
            return Some(Fatal::StageEnded { stage: "job log".to_owned(), why: "its thread ended".to_owned() });
        }
        if self.alerts.has_ended() {
            return Some(Fatal::StageEnded { stage: "alert".to_owned(), why: "its task ended".to_owned() });
        }
        None
    }

    /// What a folder's thread cannot catch itself, which is nothing that is known, costs its account (DESIGN F10).
    fn block_ended_folders(&mut self) {
        for (account, folder) in &self.folders {
            if folder.thread.is_finished() && !folder.progress.silent.swap(true, Ordering::Relaxed) {
                let problem = Problem::new(
                    "datadrop has a defect, and nothing is done in the folder any more",
                    "restart the service, and please report it with the log of this time",
                );
                tracing::error!(account, "account {account} is blocked: {problem}");
                drop(self.joblog.folder_problem(account.clone(), Some(problem), now()));
                folder.progress.blocked.store(true, Ordering::Relaxed);
            }
        }
    }

    /// Whether a finished task means that the daemon must end.
    pub(super) fn judge_end(&mut self, end: Result<StageEnd, tokio::task::JoinError>) -> Option<Fatal> {
        match end {
            Ok((_, Ok(()))) if self.stopping => None,
            // They end when a reload replaces them.
            Ok((Stage::Track(..), Ok(()))) => None,
            // Its successor has nothing to do with it.
            Ok((Stage::Track(_, stop), Err(_))) if stop.is_cancelled() => None,
            Ok((Stage::Track(account, _), Err(why))) => {
                self.tracker_fell(&account, &why);
                None
            }
            Ok((Stage::Upload, end)) => {
                let why = end.err().unwrap_or_else(|| "without an error".to_owned());
                Some(Fatal::StageEnded { stage: "upload".to_owned(), why })
            }
            Err(error) => Some(Fatal::StageEnded { stage: "unknown".to_owned(), why: error.to_string() }),
        }
    }

    /// Blocks the accounts whose folder's thread hangs, most often on a dead share; the others go on.
    pub(super) fn block_hanging_folders(&mut self) {
        self.block_ended_folders();
        let moment = self.clock.moment();
        for (account, folder) in &mut self.folders {
            let signs = folder.progress.signs_of_life.load(Ordering::Relaxed);
            if signs != folder.last_sign.0 {
                folder.last_sign = (signs, moment);
            } else if moment.since(folder.last_sign.1) > HANGS_AFTER && !folder.progress.silent.load(Ordering::Relaxed)
            {
                let dir = folder.settings.folder.display();
                let problem = Problem::new(
                    format!("{dir}: the folder does not answer: a network share that is gone, most often"),
                    "mount it again",
                );
                tracing::error!(account, "account {account}: {problem}");
                drop(self.joblog.folder_problem(account.clone(), Some(problem), now()));
                // Only now: its thread takes back what stands in the job log.
                folder.progress.silent.store(true, Ordering::Relaxed);
            }
        }
    }

    /// The stages that give no sign of life.
    pub(super) fn stuck(&self) -> Vec<String> {
        let stuck = self.trackers.iter().filter(|(_, tracking)| tracking.pulse.is_stuck());
        let trackers = stuck.map(|(name, _)| format!("track {name}"));
        let upload = self.upload_pulse.is_stuck().then(|| "upload".to_owned());
        let alert = self.alerts.is_stuck().then(|| "alert".to_owned());
        trackers.chain(upload).chain(alert).collect()
    }

    /// Every folder has been scanned, or cannot be used: the service is ready.
    pub(super) fn folders_are_open(&self) -> bool {
        self.folders.values().all(|folder| {
            folder.progress.scanned.load(Ordering::Relaxed) || folder.progress.blocked.load(Ordering::Relaxed)
        })
    }

    /// Returns the state of the folders for observers outside, by name.
    pub(super) fn folders_running(&self) -> Vec<FolderRunning> {
        let mut folders: Vec<FolderRunning> = self
            .folders
            .iter()
            .map(|(account, Folder { progress, .. })| FolderRunning {
                account: account.clone(),
                is_watched: progress.scanned.load(Ordering::Relaxed) && !progress.blocked.load(Ordering::Relaxed),
                missed: progress.missed.load(Ordering::Relaxed),
            })
            .collect();
        folders.sort_by(|one, other| one.account.cmp(&other.account));
        folders
    }

    /// Files that will become ready by themselves.
    pub(super) fn files_pending(&self) -> usize {
        self.folders.values().map(|folder| folder.progress.pending.load(Ordering::Relaxed)).sum()
    }

    /// The accounts that run.
    pub(super) fn accounts(&self) -> impl Iterator<Item = &str> {
        self.folders.keys().map(String::as_str)
    }

    /// Whether a folder cannot be used.
    pub(super) fn folder_is_blocked(&self, account: &str) -> bool {
        self.folders.get(account).is_some_and(|folder| folder.progress.blocked.load(Ordering::Relaxed))
    }
}

/// All of them at once: threads may hang on a dead share, and the runtime's end does not wait for those.
async fn stop_folders(folders: Vec<Folder>) {
    for folder in &folders {
        folder.board.stop();
    }
    let mut ends: JoinSet<_> = JoinSet::new();
    for folder in folders {
        ends.spawn_blocking(move || folder.thread.join());
    }
    let all = async { while ends.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(FOLDERS_STOP, all).await;
    ends.detach_all();
}

fn upload_settings(
    config: &Config,
    accounts: &[AccountConfig],
    client: &Arc<Client>,
    budget: &Arc<Budget>,
) -> UploadSettings {
    let rules = |account: &AccountConfig| {
        let style = match account.style {
            StyleChoice::Auto => UploadStyle::ALL[0],
            StyleChoice::Fixed(style) => style,
        };
        let rules = AccountRules {
            name: account.name.clone(),
            folder: account.folder.clone(),
            target: account.target(&config.api),
            order: account.order,
            sequential: account.sequential,
            duplicates: account.duplicates,
            fin: account.fin,
            style,
            style_is_fixed: matches!(account.style, StyleChoice::Fixed(_)),
            longest_wait: RetryPolicy::new(&config.retry).longest(),
            room: config.upload.max_in_flight,
            limits: Some(AllowanceLimits::of(account)),
            allowance: None,
        };
        (rules, account.style)
    };
    UploadSettings {
        accounts: accounts.iter().map(rules).collect(),
        client: Arc::clone(client),
        budget: Arc::clone(budget),
        max_in_flight: config.upload.max_in_flight,
        retry: RetryPolicy::new(&config.retry),
    }
}
