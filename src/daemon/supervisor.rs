//! The loop that watches over the stages: signals, signs of life, and the end.

use super::Fatal;
use super::control::serve_commands;
use super::lifetime::{Once, Signal, open_job_log};
use super::operator::Hands;
use super::stages::Stages;
use super::status_address::{StatusAddress, take_address};
use super::vitals::notify;
use crate::adobe::{Budget, Client};
use crate::clock::now;
use crate::config::{Config, ConfigError};
use crate::daemon::control::Poke;
use crate::daemon::operator;
use crate::job::{State, Timestamp, counted, printable};
use crate::joblog::{Reader, StateLock, Unsent};
use sd_notify::NotifyState;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// What uploads in flight get after the first stop signal (DESIGN §6).
const GRACE: Duration = Duration::from_secs(20);
/// Interval between looks for signs of life, if no watchdog asks for more.
const HEARTBEAT: Duration = Duration::from_secs(10);
/// Time after which the service is ready even if a folder has not answered.
const READY_AFTER: Duration = Duration::from_secs(30);
/// Interval between looks for what waits too long.
const DELAYS_LOOK: Duration = Duration::from_secs(60);
/// Timeout of a command for moves that earlier steps of its jobs want.
const FILES_MOVED: Duration = Duration::from_secs(5);
/// Interval at which `--once` checks whether it is done.
const ONCE_LOOK: Duration = Duration::from_millis(100);

/// How to run.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunOptions {
    /// Deliver what is there, follow it to its end, and end.
    pub once: bool,
    /// With `once`: end after this time whatever stands.
    pub timeout: Option<Duration>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RunEnd {
    /// Everything that was taken up is `success`; only `once` looks.
    pub all_success: bool,
}

/// Runs the daemon until a signal, the end of `--once`, or a fatal error. `reload` rereads the configuration.
///
/// # Errors
/// [`Fatal`]: the process must end, and may be restarted.
pub async fn run(
    config: Config,
    options: RunOptions,
    mut signals: mpsc::UnboundedReceiver<Signal>,
    reload: impl Fn() -> Result<Config, ConfigError>,
) -> Result<RunEnd, Fatal> {
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let ran_before = config.state_dir.join("datadrop.db").exists();
    let lock = StateLock::take(&config.state_dir)?;
    let address = take_address(&config).await?;
    let Some(joblog) = open_job_log(lock, &config, &mut signals).await? else {
        return Ok(RunEnd { all_success: !options.once });
    };
    let reader = joblog.reader()?;
    joblog.note_reload(None, now()).await?;
    // What was used of the rate limit before a restart is not known: taken as spent.
    let budget = Arc::new(Budget::new(config.api.rate_limit, ran_before));
    let (poke, pokes) = mpsc::unbounded_channel();
    let budgets = watch::Sender::new(Arc::clone(&budget));
    // Before the look at what is wanted: a command that writes later than the look has somebody to tell.
    let served = serve_commands(&config, budgets.subscribe(), poke.clone());
    // What people wanted while no daemon could do it, before anything is sent.
    let hands = Hands::new(joblog.clone());
    let nothing_left = hands.carry_out(operator::executors(&config), Duration::ZERO).await.unwrap_or_else(|error| {
        tracing::error!("what was wanted of jobs is not done yet: {error}");
        false
    });
    let once = options.once.then(|| Once::begin(joblog.reader()?).map_err(Fatal::from)).transpose()?;
    let stages = Stages::start(&config, joblog, budget).await?;
    let page = match address {
        Some((bound, access)) => Some(StatusAddress::open(bound, access, &config, &stages, &poke)?),
        None => None,
    };
    let mut supervisor = Supervisor {
        stages,
        budgets,
        page,
        poke,
        config,
        reader,
        status: String::new(),
        is_ready: false,
        refused: None,
        started: Instant::now(),
        told_until: Timestamp(0),
        told_at: None,
        hands,
        wants_left: Arc::new(AtomicBool::new(!nothing_left)),
    };
    let end = supervisor.watch(&mut signals, pokes, &reload, once.as_ref(), options.timeout).await;
    notify(&[NotifyState::Stopping]);
    supervisor.stages.stop().await;
    drop(served);
    end
}

struct Supervisor {
    stages: Stages,
    /// The request budget that commands share; a reload may bring another.
    budgets: watch::Sender<Arc<Budget>>,
    page: Option<StatusAddress>,
    /// Where commands and the page say that something is wanted of jobs.
    poke: mpsc::UnboundedSender<Poke>,
    config: Config,
    reader: Reader,
    status: String,
    is_ready: bool,
    started: Instant,
    /// Why the last reload was refused; said until one is taken.
    refused: Option<String>,
    /// What was first seen before then and is not sent yet was reported, and when that was last looked at.
    told_until: Timestamp,
    told_at: Option<Instant>,
    hands: Hands,
    /// What is wanted of jobs could not be done the last time.
    wants_left: Arc<AtomicBool>,
}

impl Supervisor {
    async fn watch(
        &mut self,
        signals: &mut mpsc::UnboundedReceiver<Signal>,
        mut pokes: mpsc::UnboundedReceiver<Poke>,
        reload: &impl Fn() -> Result<Config, ConfigError>,
        once: Option<&Once>,
        timeout: Option<Duration>,
    ) -> Result<RunEnd, Fatal> {
        let beat = sd_notify::watchdog_enabled().map_or(HEARTBEAT, |period| (period / 3).min(HEARTBEAT));
        let mut heartbeat = tokio::time::interval(beat);
        let mut starting = tokio::time::interval(Duration::from_millis(20));
        let mut look = tokio::time::interval(ONCE_LOOK);
        let timeout = async {
            match timeout {
                Some(timeout) => tokio::time::sleep(timeout).await,
                None => std::future::pending().await,
            }
        };
        tokio::pin!(timeout);
        let turned = Arc::clone(&self.stages.suites_turned);
        loop {
            tokio::select! {
                signal = signals.recv() => match signal {
                    Some(Signal::Stop) | None => {
                        self.stop_sending(signals).await;
                        let all_success = once.is_none_or(|once| once.all_success(&self.stages).unwrap_or(false));
                        return Ok(RunEnd { all_success });
                    }
                    Some(Signal::Reload) => self.reload(reload).await?,
                    Some(Signal::Rescan) => {
                        tracing::info!("scanning every folder");
                        self.stages.rescan();
                    }
                },
                Some(poke) = pokes.recv() => self.carry_out(Some(poke)),
                Some(end) = self.stages.tasks.join_next() => {
                    if let Some(fatal) = self.stages.judge_end(end) {
                        return Err(fatal);
                    }
                }
                _ = heartbeat.tick() => {
                    self.beat()?;
                    self.stages.resume_trackers(&self.config, &self.reader)?;
                    self.stages.admit_again(&self.config, &self.reader).await?;
                }
                () = turned.notified() => self.stages.judge_suites(&self.config, &self.reader).await?,
                _ = starting.tick(), if !self.is_ready => self.tell_ready(),
                _ = look.tick(), if once.is_some() => {
                    self.stages.admit_again(&self.config, &self.reader).await?;
                    if let Some(once) = once && once.is_over(&self.stages)? {
                        return Ok(RunEnd { all_success: once.all_success(&self.stages)? });
                    }
                }
                () = &mut timeout => {
                    tracing::error!("--timeout is over before everything was done");
                    return Ok(RunEnd { all_success: false });
                }
            }
        }
    }

    /// Beside everything else: it looks at files, which may hang.
    fn carry_out(&self, poke: Option<Poke>) {
        let (hands, executors) = (self.hands.clone(), operator::executors(&self.config));
        let left = Arc::clone(&self.wants_left);
        // If no command waits for it, the next beat is soon enough.
        let patience = if poke.is_some() { FILES_MOVED } else { Duration::ZERO };
        tokio::spawn(async move {
            match hands.carry_out(executors, patience).await {
                Ok(all) => {
                    // Taken back by the beat alone, before it looks: what was written since is not forgotten.
                    left.fetch_or(!all, Ordering::Relaxed);
                    // The command that poked may be gone. The answer is in the job log.
                    if let Some(poke) = poke {
                        let _ = poke.send(());
                    }
                }
                Err(error) => {
                    left.store(true, Ordering::Relaxed);
                    tracing::error!("what is wanted of jobs is not done yet: {error}");
                }
            }
        });
    }

    fn tell_ready(&mut self) {
        // One dead share must not keep the others' service from being ready.
        if !self.stages.folders_are_open() && self.started.elapsed() < READY_AFTER {
            return;
        }
        self.is_ready = true;
        self.renew_page();
        tracing::info!(
            "ready: {}, job log {}",
            counted(i64::try_from(self.config.accounts.len()).unwrap_or(i64::MAX), "account"),
            self.config.state_dir.join("datadrop.db").display()
        );
        notify(&[NotifyState::Ready, NotifyState::Status(&self.summary())]);
    }

    /// Tells systemd that every stage makes progress, if that is so.
    fn beat(&mut self) -> Result<(), Fatal> {
        if let Some(fatal) = self.stages.ended_early() {
            return Err(fatal);
        }
        let stuck = self.stages.stuck();
        if stuck.is_empty() {
            self.stages.alerts.all_is_well();
            notify(&[NotifyState::Watchdog]);
        } else {
            tracing::error!("no sign of life from: {}; the watchdog is not fed", stuck.join(", "));
        }
        self.stages.joblog.compare_files();
        self.stages.block_hanging_folders();
        if self.wants_left.swap(false, Ordering::Relaxed) {
            self.carry_out(None);
        }
        self.renew_page();
        self.tell_of_delays();
        let status = self.summary();
        if self.is_ready && status != self.status {
            notify(&[NotifyState::Status(&status)]);
            self.status = status;
        }
        Ok(())
    }

    fn renew_page(&self) {
        if let Some(page) = &self.page {
            page.renew(&self.stages);
        }
    }

    /// Names what has been on its way for longer than `retry.alert_after`, each job once: a marker without its data file, a
    /// file that is never closed, one that is tried in vain.
    fn tell_of_delays(&mut self) {
        let alert_after = self.config.retry.alert_after;
        // It looks at every job that is not sent, which may be very many.
        if self.told_at.is_some_and(|at| at.elapsed() < DELAYS_LOOK.min(alert_after)) {
            return;
        }
        self.told_at = Some(Instant::now());
        let until = now().before(alert_after);
        // A job log that cannot be read just now is its writer's to tell.
        let Ok(delayed) = self.reader.unsent_since(self.told_until, until) else { return };
        for Unsent { account, jobs, oldest, file_name, state, reason } in delayed {
            let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            let others = if jobs > 1 { format!(", and {} more", jobs - 1) } else { String::new() };
            tracing::error!(
                account,
                job = oldest.0,
                "account {account}: {} (job {oldest}) has not been sent for longer than {}; it is {state}{reason}{others}",
                printable(&file_name),
                humantime::format_duration(alert_after)
            );
        }
        // A clock that was set back tells some again; one that was set forwards, some early.
        self.told_until = until;
    }

    /// One line on where everything stands.
    fn summary(&self) -> String {
        let Ok(counts) = self.reader.counts_unfinished() else { return "the job log cannot be read".to_owned() };
        let count = |states: &[State]| -> i64 {
            counts.iter().filter(|row| states.iter().any(|state| state.as_str() == row.state)).map(|row| row.jobs).sum()
        };
        let to_send =
            count(&[State::Waiting, State::Queued, State::Uploading(crate::job::Phase::Started), State::Unconfirmed]);
        let at_adobe = count(&[State::Uploaded, State::Processing]);
        let held = count(&[State::Held]);
        let blocked: Vec<String> = self
            .reader
            .accounts()
            .unwrap_or_default()
            .into_iter()
            .filter(|row| {
                row.blocked().is_some()
                    && (self.config.accounts.iter().any(|account| account.name == row.name)
                        || self.stages.refused().any(|account| account == row.name))
            })
            .map(|row| row.name)
            .collect();
        let mut summary = format!("{to_send} to send, {at_adobe} at Adobe, {held} held");
        if !blocked.is_empty() {
            summary.push_str("; blocked: ");
            summary.push_str(&blocked.join(", "));
        }
        if let Some(why) = &self.refused {
            summary.push_str("; reload refused: ");
            summary.push_str(why);
        }
        summary
    }

    async fn reload(&mut self, read: &impl Fn() -> Result<Config, ConfigError>) -> Result<(), Fatal> {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => notify(&[NotifyState::Reloading, now]),
            Err(error) => tracing::warn!("cannot report the reload to systemd: {error}"),
        }
        self.refused = match self.try_reload(read).await? {
            Ok(()) => {
                let refused = match self.stages.refused().count() {
                    0 => String::new(),
                    refused => format!(", {refused} refused"),
                };
                tracing::info!("reloaded: {} accounts{refused}", self.config.accounts.len());
                None
            }
            Err(why) => {
                tracing::error!("not reloaded, everything goes on as before: {why}");
                Some(why.lines().next().unwrap_or_default().to_owned())
            }
        };
        // A job log that cannot be written just now is its writer's to tell.
        let _ = self.stages.joblog.note_reload(self.refused.clone(), now()).await;
        let status = self.summary();
        notify(&[NotifyState::Ready, NotifyState::Status(&status)]);
        self.status = status;
        Ok(())
    }

    /// The outer error ends the daemon; the inner one leaves everything as it was.
    async fn try_reload(
        &mut self,
        read: &impl Fn() -> Result<Config, ConfigError>,
    ) -> Result<Result<(), String>, Fatal> {
        let config = match read() {
            Ok(config) => config,
            Err(error) => return Ok(Err(error.to_string())),
        };
        if config.state_dir != self.config.state_dir {
            return Ok(Err("state_dir cannot be changed by a reload; restart datadrop for that".to_owned()));
        }
        if let Some(problem) = self.stages.joblog.storage().borrow().as_ref() {
            return Ok(Err(format!("the job log cannot be written: {problem}")));
        }
        // Proxy and certificates are only known to be good once a client has been built of them.
        if let Err(error) = Client::new(&config.api, Arc::clone(&self.stages.budget)) {
            return Ok(Err(error.to_string()));
        }
        let page = match StatusAddress::prepare(self.page.as_ref(), &config).await {
            Ok(page) => page,
            Err(error) => return Ok(Err(error.to_string())),
        };
        if config.api.rate_limit != self.config.api.rate_limit {
            self.stages.budget = Arc::new(Budget::new(config.api.rate_limit, true));
            self.budgets.send_replace(Arc::clone(&self.stages.budget));
        }
        self.stages.reload(&config).await?;
        StatusAddress::follow(&mut self.page, page, &config, &self.stages, &self.poke)?;
        self.config = config;
        Ok(Ok(()))
    }

    /// Uploads in flight get their time; a second stop signal cuts it short.
    async fn stop_sending(&mut self, signals: &mut mpsc::UnboundedReceiver<Signal>) {
        tracing::info!("stopping; uploads under way get {} s", GRACE.as_secs());
        notify(&[NotifyState::Stopping]);
        self.stages.stop_sending();
        let over = Instant::now() + GRACE;
        loop {
            tokio::select! {
                end = self.stages.tasks.join_next() => if end.is_none() { return },
                Some(signal) = signals.recv() => if signal == Signal::Stop { break },
                () = tokio::time::sleep_until(over) => break,
            }
        }
        tracing::warn!("uploads are cut short; what is unclear is settled at the next start");
        self.stages.upload_abort.cancel();
    }
}
