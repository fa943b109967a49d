//! What tells people: alerts with their heartbeat, started first and stopped last, and the status address.

use super::Fatal;
use super::stages::Stages;
use super::trackers::Pulse;
use crate::adobe::Client;
use crate::alert::{AlertSettings, AlertStage, heartbeat};
use crate::clock::{Clock, now};
use crate::config::Config;
use crate::joblog::JobLog;
use crate::status::page::{Access, Bound, Page, PageError, Running, Sources};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Wait before alerts go on that ended by a defect: shorter than a stage may be without a sign of life.
const AGAIN: Duration = Duration::from_secs(20);

/// What runs for it.
pub(super) struct Alerts {
    settings: watch::Sender<Arc<AlertSettings>>,
    stop: CancellationToken,
    pulse: Pulse,
    /// Beats as long as every stage makes progress.
    well: Pulse,
    stage: JoinHandle<()>,
}

impl Alerts {
    /// Starts both.
    pub(super) async fn start(
        config: &Config,
        client: &Arc<Client>,
        joblog: &JobLog,
        clock: Clock,
    ) -> Result<Self, Fatal> {
        let (settings, watched) = watch::channel(Arc::new(AlertSettings::new(config, Arc::clone(client))));
        let (pulse, well, stop) = (Pulse::new(clock), Pulse::new(clock), CancellationToken::new());
        let stage = AlertStage::open(joblog.clone(), joblog.reader()?, watched.clone()).await?;
        let stage = tokio::spawn(keep_telling(stage, joblog.clone(), watched.clone(), stop.clone(), pulse.clone()));
        let (all_well, storage) = (well.clone(), joblog.storage());
        let is_well = move || !all_well.is_stuck() && storage.borrow().is_none();
        tokio::spawn(heartbeat(watched, stop.clone(), is_well));
        Ok(Self { settings, stop, pulse, well, stage })
    }

    /// Goes over to another configuration.
    pub(super) fn reload(&self, config: &Config, client: &Arc<Client>) {
        self.settings.send_replace(Arc::new(AlertSettings::new(config, Arc::clone(client))));
    }

    /// Every stage makes progress.
    pub(super) fn all_is_well(&self) {
        self.well.beat();
    }

    /// It gives no sign of life.
    pub(super) fn is_stuck(&self) -> bool {
        self.pulse.is_stuck()
    }

    /// It ended though nobody told it to.
    pub(super) fn has_ended(&self) -> bool {
        self.stage.is_finished() && !self.stop.is_cancelled()
    }

    /// Ends it, once what can be told has been.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        if let Err(error) = self.stage.await {
            tracing::error!("alerts ended early: {error}");
        }
    }
}

/// Tells until `stop`, also after a defect: what is to be told stands in the job log.
async fn keep_telling(
    mut stage: AlertStage,
    joblog: JobLog,
    settings: watch::Receiver<Arc<AlertSettings>>,
    stop: CancellationToken,
    pulse: Pulse,
) {
    loop {
        let beat = pulse.clone();
        let Err(panic) = tokio::spawn(stage.run(stop.clone(), move || beat.beat())).await else { return };
        tracing::error!(
            "alerts were broken off by a defect of datadrop ({panic}); they go on soon, please report this"
        );
        stage = loop {
            pulse.beat();
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(AGAIN) => {}
            }
            match reopen(&joblog, &settings).await {
                Ok(stage) => break stage,
                Err(error) => tracing::error!("alerts do not go on yet: {error}"),
            }
        };
    }
}

async fn reopen(joblog: &JobLog, settings: &watch::Receiver<Arc<AlertSettings>>) -> Result<AlertStage, Fatal> {
    Ok(AlertStage::open(joblog.clone(), joblog.reader()?, settings.clone()).await?)
}

// The status address within the daemon: opened at the start, told at each look how the stages are, moved by a reload.

/// The page, and what it is told.
pub(super) struct StatusAddress {
    page: Page,
    /// As the configuration has it, where the port may be 0.
    listen: SocketAddr,
    running: watch::Sender<Arc<Running>>,
}

/// What a reload will make of the page; whatever can fail has not failed.
pub(super) enum Prepared {
    /// None from now on.
    Off,
    /// It stays where it is.
    Stays(Access),
    /// It moves, or is new.
    Moves(Bound, Access),
}

/// Takes the address, before anything is sent: nobody should believe in a page that is not there.
pub(super) async fn take_address(config: &Config) -> Result<Option<(Bound, Access)>, PageError> {
    let Some(listen) = config.status.listen else { return Ok(None) };
    let bound = Bound::to(listen).await?;
    let access = Access::new(&config.status, bound.address())?;
    Ok(Some((bound, access)))
}

impl StatusAddress {
    /// Answers from now on.
    pub(super) fn open(bound: Bound, access: Access, config: &Config, stages: &Stages) -> Result<Self, Fatal> {
        let listen = config.status.listen.unwrap_or(bound.address());
        let running = watch::Sender::new(Arc::new(look(stages, Arc::new(config.clone()), Arc::new(access))));
        let sources = Sources {
            reader: stages.joblog.reader()?,
            commits: stages.joblog.commit_times(),
            storage: stages.joblog.storage(),
            started: now(),
        };
        let page = bound.serve(sources, running.subscribe());
        tracing::info!(address = %page.address(), "the status page is at http://{}/", page.address());
        Ok(Self { page, listen, running })
    }

    /// Tells the page how the stages are.
    pub(super) fn renew(&self, stages: &Stages) {
        let before = Arc::clone(&self.running.borrow());
        self.running.send_replace(Arc::new(look(stages, Arc::clone(&before.config), Arc::clone(&before.access))));
    }

    /// What another configuration wants of the page. `this`: what there is now.
    ///
    /// # Errors
    /// [`PageError`]: then everything should stay as it is.
    pub(super) async fn prepare(this: Option<&Self>, config: &Config) -> Result<Prepared, PageError> {
        if let (Some(this), Some(listen)) = (this, config.status.listen)
            && this.listen == listen
        {
            return Ok(Prepared::Stays(Access::new(&config.status, this.page.address())?));
        }
        Ok(take_address(config).await?.map_or(Prepared::Off, |(bound, access)| Prepared::Moves(bound, access)))
    }

    /// Makes it so.
    pub(super) fn follow(
        this: &mut Option<Self>,
        prepared: Prepared,
        config: &Config,
        stages: &Stages,
    ) -> Result<(), Fatal> {
        match prepared {
            Prepared::Off => *this = None,
            Prepared::Stays(access) => {
                if let Some(this) = this {
                    let running = look(stages, Arc::new(config.clone()), Arc::new(access));
                    this.running.send_replace(Arc::new(running));
                }
            }
            Prepared::Moves(bound, access) => *this = Some(Self::open(bound, access, config, stages)?),
        }
        Ok(())
    }
}

fn look(stages: &Stages, config: Arc<Config>, access: Arc<Access>) -> Running {
    Running {
        at: Instant::now(),
        stuck: stages.stuck(),
        folders: stages.folders_running(),
        budget: Arc::clone(&stages.budget),
        config,
        access,
    }
}
