//! The heartbeat: requests to an address while all is well. The service behind that address raises an alarm if the
//! requests stop, because a dead datadrop cannot send one.

use super::AlertSettings;
use crate::adobe::hook_host;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Time from the start until the first request.
const FIRST: Duration = Duration::from_secs(1);

/// Sends requests until `stop`. `is_well` returns whether every part of the service makes progress.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adobe::{Budget, Client};
    use std::net::TcpListener;
    use std::sync::atomic::{AtomicU32, Ordering};

    fn settings(url: &str) -> AlertSettings {
        let dir = tempfile::tempdir().unwrap();
        let text = format!(
            "[api]\nglobal_company_id = \"c\"\nclient_id = \"i\"\naccess_token = \"t\"\n\
             base_url = \"http://127.0.0.1:1\"\ntoken_url = \"http://127.0.0.1:1\"\n\
             [status]\nheartbeat = {url:?}\nheartbeat_every = \"5ms\"\n\
             [[account]]\nname = \"a\"\nreport_suite_id = \"r\"\ndata_source_id = 1\nfolder = {:?}\n",
            dir.path().to_str().unwrap()
        );
        let config = crate::config::load_text("datadrop.toml", &text, []).unwrap();
        let client = Client::new(&config.api, Arc::new(Budget::new(None, false))).unwrap();
        AlertSettings::new(&config, Arc::new(client))
    }

    #[tokio::test]
    async fn nobody_is_asked_while_a_part_of_the_service_is_stuck() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let (_keep, settings) =
            watch::channel(Arc::new(settings(&format!("http://{}/", listener.local_addr().unwrap()))));
        let (stop, looks, told) = (CancellationToken::new(), Arc::new(AtomicU32::new(0)), CancellationToken::new());
        let (looked, enough) = (Arc::clone(&looks), told.clone());
        let beating = tokio::spawn(heartbeat(settings, stop.clone(), move || {
            if looked.fetch_add(1, Ordering::SeqCst) == 4 {
                enough.cancel();
            }
            false
        }));
        tokio::time::timeout(Duration::from_secs(20), told.cancelled()).await.unwrap();
        stop.cancel();
        beating.await.unwrap();
        assert!(looks.load(Ordering::SeqCst) >= 5);
        let asked = listener.accept().map(|_| ()).unwrap_err();
        assert_eq!(asked.kind(), std::io::ErrorKind::WouldBlock);
    }
}
