//! Alerts with their heartbeat: started first, stopped last.

use super::Fatal;
use super::vitals::Pulse;
use crate::adobe::Client;
use crate::alert::{AlertSettings, AlertStage, heartbeat};
use crate::clock::Clock;
use crate::config::Config;
use crate::joblog::JobLog;
use std::sync::Arc;
use std::time::Duration;
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

    /// It ended without an order to stop.
    pub(super) fn has_ended(&self) -> bool {
        self.stage.is_finished() && !self.stop.is_cancelled()
    }

    /// Ends it, once it has sent what it can.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        if let Err(error) = self.stage.await {
            tracing::error!("alerts ended early: {error}");
        }
    }
}

/// Sends alerts until `stop`, also after a defect: what is still to be sent is in the job log.
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
