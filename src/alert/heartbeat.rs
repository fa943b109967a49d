//! The heartbeat: an address that is asked as long as all is well. Somebody else hears when it is not asked any more,
//! which a dead service cannot tell.

use super::AlertSettings;
use crate::api::hook_host;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// The first is sent soon after the start.
const FIRST: Duration = Duration::from_secs(1);

/// Asks until `stop`. `is_well` says whether every part of the service makes progress.
pub async fn heartbeat(
    mut settings: watch::Receiver<Arc<AlertSettings>>,
    stop: CancellationToken,
    is_well: impl Fn() -> bool,
) {
    let (mut wait, mut failures) = (FIRST, 0u32);
    loop {
        let now = Arc::clone(&settings.borrow_and_update());
        let due = async {
            match now.heartbeat {
                Some(_) => tokio::time::sleep(wait.min(now.heartbeat_every)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            changed = settings.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
            () = due => {}
        }
        wait = now.heartbeat_every;
        let Some(url) = now.heartbeat.as_ref() else { continue };
        if !is_well() {
            tracing::error!("the heartbeat is not sent, as not every part of the service makes progress");
            continue;
        }
        let asked = tokio::select! {
            () = stop.cancelled() => return,
            asked = now.client.ask_hook(url) => asked,
        };
        match asked {
            Ok(()) if failures > 0 => {
                tracing::info!("the heartbeat at {} is taken again", hook_host(url));
                failures = 0;
            }
            Ok(()) => {}
            Err(error) => {
                failures = failures.saturating_add(1);
                if failures.is_power_of_two() {
                    tracing::warn!(failures, "the heartbeat at {} was not taken: {error}", hook_host(url));
                }
            }
        }
    }
}
