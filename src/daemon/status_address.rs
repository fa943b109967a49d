//! The status address within the daemon: opened at the start, updated at each look at the stages, moved by a reload.

use super::Fatal;
use super::control::Poke;
use super::stages::Stages;
use crate::clock::now;
use crate::config::Config;
use crate::status::page::{Access, Bound, Page, PageError, Running, Sources};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::{mpsc, watch};

/// The page, and the state that it shows.
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

/// Takes the address before anything is sent: datadrop must not announce a page that is not there.
pub(super) async fn take_address(config: &Config) -> Result<Option<(Bound, Access)>, PageError> {
    let Some(listen) = config.status.listen else { return Ok(None) };
    let bound = Bound::to(listen).await?;
    let access = Access::new(&config.status, bound.address())?;
    Ok(Some((bound, access)))
}

impl StatusAddress {
    /// Answers from now on. `pokes`: where it says that operators want something of jobs.
    pub(super) fn open(
        bound: Bound,
        access: Access,
        config: &Config,
        stages: &Stages,
        pokes: &mpsc::UnboundedSender<Poke>,
    ) -> Result<Self, Fatal> {
        let listen = config.status.listen.unwrap_or(bound.address());
        let running = watch::Sender::new(Arc::new(look(stages, Arc::new(config.clone()), Arc::new(access))));
        let sources = Sources {
            reader: stages.joblog.reader()?,
            commits: stages.joblog.commit_times(),
            storage: stages.joblog.storage(),
            started: now(),
            joblog: stages.joblog.clone(),
            pokes: pokes.clone(),
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
        pokes: &mpsc::UnboundedSender<Poke>,
    ) -> Result<(), Fatal> {
        match prepared {
            Prepared::Off => *this = None,
            Prepared::Stays(access) => {
                if let Some(this) = this {
                    let running = look(stages, Arc::new(config.clone()), Arc::new(access));
                    this.running.send_replace(Arc::new(running));
                }
            }
            Prepared::Moves(bound, access) => *this = Some(Self::open(bound, access, config, stages, pokes)?),
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
