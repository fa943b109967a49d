//! The stages that run, started from a configuration and exchanged when it changes.

use super::Fatal;
use super::alerts::Alerts;
use super::pulse::Pulse;
use super::refused::{self, Refused};
use crate::ambient::{Clock, now};
use crate::api::{Budget, Client};
use crate::config::{AccountConfig, Config, KeepConfig, StyleChoice};
use crate::job::{Target, UploadStyle};
use crate::joblog::{AccountRules, JobLog, JobLogError, Reader};
use crate::keep::prune;
use crate::page::FolderRunning;
use crate::ready::Moment;
use crate::retry::RetryPolicy;
use crate::track::{TrackSettings, Tracker};
use crate::upload::{UploadSettings, Uploader};
use crate::watch::{Board, EventSource, FolderSettings, FolderWorker, Progress};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// A folder's thread makes a turn every 15 s, or hashes and moves files; after so long without a turn it hangs.
const HANGS_AFTER: Duration = Duration::from_secs(90);

/// So long folders get to end.
const FOLDERS_STOP: Duration = Duration::from_secs(5);

/// A folder's thread.
struct Folder {
    settings: FolderSettings,
    board: Arc<Board>,
    progress: Arc<Progress>,
    thread: JoinHandle<()>,
    /// Its signs of life when there was last one, and when that was noticed.
    last_sign: (u64, Moment),
}

/// How a stage ended.
pub(super) type StageEnd = (String, Result<(), JobLogError>);

/// Everything that runs.
pub(super) struct Stages {
    pub(super) joblog: JobLog,
    pub(super) budget: Arc<Budget>,
    clock: Clock,
    events: Option<Arc<EventSource>>,
    folders: HashMap<String, Folder>,
    trackers_stop: CancellationToken,
    upload_settings: watch::Sender<Arc<UploadSettings>>,
    upload_stop: CancellationToken,
    pub(super) upload_abort: CancellationToken,
    pub(super) tasks: JoinSet<StageEnd>,
    upload_pulse: Pulse,
    tracker_pulses: HashMap<String, Pulse>,
    pub(super) alerts: Alerts,
    keep: watch::Sender<KeepConfig>,
    refused: Vec<Refused>,
    stopping: bool,
}

impl Stages {
    /// Starts them all.
    pub(super) async fn start(config: &Config, joblog: JobLog, budget: Arc<Budget>) -> Result<Self, Fatal> {
        let clock = Clock::start();
        let events = match EventSource::open(clock) {
            Ok(events) => Some(Arc::new(events)),
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
        let (accounts, refused) = refused::judge(config, &joblog.reader()?.open_jobs()?);
        let (upload_settings, settings) =
            watch::channel(Arc::new(upload_settings(config, &accounts, &client, &budget)));
        let (keep, kept) = watch::channel(config.keep.clone());
        let (upload_stop, upload_abort) = (CancellationToken::new(), CancellationToken::new());
        let mut stages = Self {
            clock,
            events,
            folders: HashMap::new(),
            trackers_stop: CancellationToken::new(),
            upload_settings,
            upload_stop,
            upload_abort,
            tasks: JoinSet::new(),
            upload_pulse: Pulse::new(clock),
            tracker_pulses: HashMap::new(),
            alerts,
            keep,
            refused: Vec::new(),
            stopping: false,
            budget,
            joblog,
        };
        tokio::spawn(prune(stages.joblog.clone(), stages.joblog.reader()?, kept, stages.upload_stop.clone()));
        for account in &accounts {
            stages.joblog.open_account(account.name.clone(), account.target(&config.api)).await?;
        }
        let uploader = Uploader::new(stages.joblog.clone(), settings);
        let (stop, abort, pulse) =
            (stages.upload_stop.clone(), stages.upload_abort.clone(), stages.upload_pulse.clone());
        stages.tasks.spawn(async move { ("upload".to_owned(), uploader.run(stop, abort, move || pulse.beat()).await) });
        stages.refuse(refused).await?;
        stages.start_trackers(config, &accounts, &client)?;
        for account in &accounts {
            stages.start_folder(FolderSettings::new(config, account), account.target(&config.api)).await?;
        }
        Ok(stages)
    }

    async fn start_folder(&mut self, settings: FolderSettings, target: Target) -> Result<(), Fatal> {
        let account = settings.account.clone();
        let row = self.joblog.open_account(account.clone(), target).await?;
        let board = Arc::new(Board::default());
        let wake = Arc::clone(&board);
        self.joblog.on_unfiled(&account, move |haste| wake.unfiled(haste));
        let progress = Arc::new(Progress::default());
        let worker = FolderWorker::new(
            settings.clone(),
            self.joblog.clone(),
            &row,
            self.events.clone(),
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

    fn start_trackers(
        &mut self,
        config: &Config,
        accounts: &[AccountConfig],
        client: &Arc<Client>,
    ) -> Result<(), Fatal> {
        self.trackers_stop = CancellationToken::new();
        self.tracker_pulses.clear();
        let runs = accounts.iter().map(|account| (account.name.clone(), account.target(&config.api)));
        // What Adobe has of them is followed to its end.
        let went = self.refused.iter().filter_map(|refused| Some((refused.account.clone(), refused.went_to.clone()?)));
        for (account, target) in runs.chain(went).collect::<Vec<_>>() {
            let settings = TrackSettings {
                account: account.clone(),
                target,
                client: Arc::clone(client),
                budget: Arc::clone(&self.budget),
                poll: config.poll.clone(),
                confirm_for: config.upload.confirm_for,
                retry: RetryPolicy::new(&config.retry),
            };
            let tracker = Tracker::new(settings, self.joblog.clone(), self.clock)?;
            let stop = self.trackers_stop.clone();
            let pulse = Pulse::new(self.clock);
            self.tracker_pulses.insert(account.clone(), pulse.clone());
            let name = format!("track {account}");
            self.tasks.spawn(async move { (name, tracker.run(stop, move || pulse.beat()).await) });
        }
        Ok(())
    }

    /// Goes over to another configuration. What did not change goes on undisturbed.
    pub(super) async fn reload(&mut self, config: &Config) -> Result<(), Fatal> {
        let client = Arc::new(Client::new(&config.api, Arc::clone(&self.budget))?);
        let (accounts, refused) = refused::judge(config, &self.joblog.reader()?.open_jobs()?);
        self.trackers_stop.cancel();
        self.alerts.reload(config, &client);
        self.keep.send_replace(config.keep.clone());
        let wanted: HashMap<String, FolderSettings> =
            accounts.iter().map(|account| (account.name.clone(), FolderSettings::new(config, account))).collect();
        let gone: Vec<String> = self
            .folders
            .iter()
            .filter(|(name, folder)| wanted.get(*name) != Some(&folder.settings))
            .map(|(name, _)| name.clone())
            .collect();
        stop_folders(gone.iter().filter_map(|name| self.folders.remove(name)).collect()).await;
        for account in &accounts {
            self.joblog.forget_style(account.name.clone()).await?;
            self.joblog.api_problem(account.name.clone(), None, now()).await?;
            self.joblog.aim(account.name.clone(), account.target(&config.api)).await?;
        }
        for account in &accounts {
            if !self.folders.contains_key(&account.name) {
                self.start_folder(FolderSettings::new(config, account), account.target(&config.api)).await?;
            }
        }
        self.rescan();
        self.refuse(refused).await?;
        self.start_trackers(config, &accounts, &client)?;
        self.upload_settings.send_replace(Arc::new(upload_settings(config, &accounts, &client, &self.budget)));
        Ok(())
    }

    /// Accounts that must not run: nothing is sent or moved for them, and they say so.
    async fn refuse(&mut self, refused: Vec<Refused>) -> Result<(), Fatal> {
        for Refused { account, why, .. } in &refused {
            if self.joblog.folder_problem(account.clone(), Some(why.clone()), now()).await? {
                tracing::error!(account, "account {account} is refused: {why}");
            }
        }
        self.refused = refused;
        Ok(())
    }

    /// The accounts that must not run.
    pub(super) fn refused(&self) -> impl Iterator<Item = &str> {
        self.refused.iter().map(|refused| refused.account.as_str())
    }

    /// Whether jobs that were in the way of an account have come to their end.
    pub(super) fn refusals_have_changed(&self, config: &Config, reader: &Reader) -> Result<bool, JobLogError> {
        let are_the_same = |refused: &[Refused]| {
            refused.iter().map(|refused| &refused.account).eq(self.refused.iter().map(|refused| &refused.account))
        };
        Ok(!self.refused.is_empty() && !are_the_same(&refused::judge(config, &reader.open_jobs()?).1))
    }

    /// Asks every folder for a scan.
    pub(super) fn rescan(&self) {
        for folder in self.folders.values() {
            folder.board.rescan();
        }
    }

    /// No new attempts; those under way go on until they end or are aborted.
    pub(super) fn stop_sending(&mut self) {
        self.stopping = true;
        self.upload_stop.cancel();
        self.trackers_stop.cancel();
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
        let _ = tokio::task::spawn_blocking(move || joblog.close()).await;
    }

    /// A stage that ended though nobody told it to.
    pub(super) fn ended_early(&self) -> Option<Fatal> {
        if self.joblog.has_ended() {
            return Some(Fatal::StageEnded { stage: "job log".to_owned(), why: "its thread ended".to_owned() });
        }
        if self.alerts.has_ended() {
            return Some(Fatal::StageEnded { stage: "alert".to_owned(), why: "its task ended".to_owned() });
        }
        let (name, _) = self.folders.iter().find(|(_, folder)| folder.thread.is_finished())?;
        Some(Fatal::StageEnded { stage: format!("folder {name}"), why: "its thread ended".to_owned() })
    }

    /// Whether a finished task means that the daemon must end.
    pub(super) fn judge_end(&self, end: Result<StageEnd, tokio::task::JoinError>) -> Option<Fatal> {
        match end {
            Ok((_, Ok(()))) if self.stopping => None,
            // Trackers end when a reload replaces them.
            Ok((stage, Ok(()))) if stage.starts_with("track ") => None,
            Ok((stage, Ok(()))) => Some(Fatal::StageEnded { stage, why: "without an error".to_owned() }),
            Ok((stage, Err(error))) => Some(Fatal::StageEnded { stage, why: error.to_string() }),
            Err(error) => Some(Fatal::StageEnded { stage: "unknown".to_owned(), why: error.to_string() }),
        }
    }

    /// Blocks the accounts whose folder's thread hangs, most often on a dead share; the others go on.
    pub(super) fn block_hanging_folders(&mut self) {
        let moment = self.clock.moment();
        for (account, folder) in &mut self.folders {
            let signs = folder.progress.signs_of_life.load(Ordering::Relaxed);
            if signs != folder.last_sign.0 {
                folder.last_sign = (signs, moment);
            } else if moment.since(folder.last_sign.1) > HANGS_AFTER && !folder.progress.silent.load(Ordering::Relaxed)
            {
                let problem = format!(
                    "{}: the folder does not answer: a network share that is gone, most often; mount it again",
                    folder.settings.folder.display()
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
        let trackers =
            self.tracker_pulses.iter().filter(|(_, pulse)| pulse.is_stuck()).map(|(name, _)| format!("track {name}"));
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

    /// How the folders are, for whoever looks from outside; by name.
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
