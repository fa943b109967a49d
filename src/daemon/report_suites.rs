//! Reads what the API tells of the accounts' report suites: at the start, after a reload, then daily. Files go without
//! it: what cannot be read is noted, and blocks nothing.

use crate::adobe::{Budget, Client, Purpose, SuiteReading, Unread};
use crate::clock::now;
use crate::config::Config;
use crate::job::{SuiteFacts, Target, zone_named};
use crate::joblog::{JobLog, Reader, SuiteRecord};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

/// Interval between two looks.
const DAILY: Duration = Duration::from_secs(24 * 3600);
/// The same after a look that met what may pass, and the wait after a defect.
const HOURLY: Duration = Duration::from_secs(3600);

/// Which report suites are read, and by what.
#[derive(Debug)]
pub(super) struct Asked {
    client: Arc<Client>,
    budget: Arc<Budget>,
    /// An account of each report suite.
    targets: Vec<Target>,
    /// Each account, and where its files go.
    accounts: Vec<(String, Target)>,
}

impl Asked {
    /// Each report suite once, whichever accounts send to it.
    pub(super) fn new(config: &Config, client: &Arc<Client>, budget: &Arc<Budget>) -> Arc<Self> {
        let (mut targets, mut accounts) = (Vec::<Target>::new(), Vec::new());
        for account in config.accounts.iter().filter(|account| account.enabled) {
            let target = account.target(&config.api);
            accounts.push((account.name.clone(), target.clone()));
            if !targets.iter().any(|known| known.report_suite_id.eq_ignore_ascii_case(&target.report_suite_id)) {
                targets.push(target);
            }
        }
        Arc::new(Self { client: Arc::clone(client), budget: Arc::clone(budget), targets, accounts })
    }
}

/// Reads until `stop`, also after a defect. `turned` is notified when a report suite became virtual, or is so no more.
pub(super) async fn keep_reading_suites(
    joblog: JobLog,
    asked: watch::Receiver<Arc<Asked>>,
    turned: Arc<Notify>,
    stop: CancellationToken,
) {
    loop {
        match joblog.reader() {
            Ok(reader) => {
                let (asked, turned) = (asked.clone(), Arc::clone(&turned));
                let reading = read_suites(joblog.clone(), reader, asked, turned, stop.clone());
                let Err(panic) = tokio::spawn(reading).await else { return };
                tracing::error!(
                    "report suites are not read for now, by a defect of datadrop ({panic}); please report this"
                );
            }
            Err(error) => tracing::error!("report suites are not read for now: {error}"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(HOURLY) => {}
        }
    }
}

async fn read_suites(
    joblog: JobLog,
    reader: Reader,
    mut asked: watch::Receiver<Arc<Asked>>,
    turned: Arc<Notify>,
    stop: CancellationToken,
) {
    loop {
        let current = asked.borrow_and_update().clone();
        let pass = async {
            let mut again = DAILY;
            for target in &current.targets {
                if read_suite(&joblog, &reader, &current, target, &turned).await {
                    again = HOURLY;
                }
            }
            for (account, target) in &current.accounts {
                read_account(&joblog, &current, account, target).await;
            }
            tokio::time::sleep(again).await;
        };
        tokio::select! {
            () = stop.cancelled() => return,
            changed = asked.changed() => if changed.is_err() { return },
            () = pass => {}
        }
    }
}

/// Reads one, and writes down what is known of it now. Returns whether another look may read more soon.
async fn read_suite(joblog: &JobLog, reader: &Reader, asked: &Asked, target: &Target, turned: &Notify) -> bool {
    // A job log that cannot be read or written just now is its writer's to tell.
    let Ok(before) = reader.suite_facts(target) else { return true };
    let permit = || asked.budget.acquire(Purpose::Sweep);
    let SuiteReading { facts, unread } = asked.client.read_suite(&target.report_suite(), permit).await;
    let may_pass = unread.iter().any(Unread::may_pass);
    let lines: Vec<String> = unread.iter().map(Unread::to_string).collect();
    let lines = Some(lines.join("\n")).filter(|lines| !lines.is_empty());
    let record = SuiteRecord::after(before.clone(), facts, lines, now());
    tell(&target.report_suite_id, before.as_ref(), &record);
    let (parent_before, zone_before) =
        before.map(|before| (before.facts.parent, before.facts.time_zone)).unwrap_or_default();
    let parent = &record.facts.parent;
    let has_turned = *parent != parent_before;
    let zone = record.facts.time_zone.clone();
    let moved = zone != zone_before;
    if joblog.note_suite(target.clone(), record).await.is_err() {
        return true;
    }
    if moved {
        for (account, _) in asked.accounts.iter().filter(|(_, of)| of.report_suite() == target.report_suite()) {
            drop(joblog.judge_days_again(account.clone()).await);
        }
    }
    if has_turned {
        turned.notify_one();
    }
    may_pass
}

/// Reads where Adobe writes errors of an account's files. What cannot be read stays as it was known.
async fn read_account(joblog: &JobLog, asked: &Asked, account: &str, target: &Target) {
    let permit = asked.budget.acquire(Purpose::Sweep).await;
    let found = asked.client.peek_at_account(&target.report_suite(), target.data_source_id, permit).await;
    if let Ok(found) = found {
        let address = found.shown_email().unwrap_or_default();
        // A job log that cannot be written just now is its writer's to tell.
        drop(joblog.note_error_address(account.to_owned(), address).await);
    }
}

/// Logs what is new. That something still cannot be read is no news.
fn tell(report_suite: &str, before: Option<&SuiteRecord>, record: &SuiteRecord) {
    let nothing = SuiteFacts::default();
    let (was, is) = (before.map_or(&nothing, |before| &before.facts), &record.facts);
    for (fact, was, is) in [("time zone", &was.time_zone, &is.time_zone), ("currency", &was.currency, &is.currency)] {
        match (was, is) {
            (Some(was), Some(is)) if was != is => tracing::warn!(
                report_suite,
                "report suite {report_suite} moved from {fact} {was} to {is}: files are checked by that from now on"
            ),
            (None, Some(is)) => tracing::info!(report_suite, "report suite {report_suite}: its {fact} is {is}"),
            (Some(_) | None, Some(_) | None) => {}
        }
    }
    if let Some(zone) = is.time_zone.as_ref().filter(|zone| was.time_zone.as_ref() != Some(zone))
        && zone_named(zone).is_none()
    {
        tracing::warn!(
            report_suite,
            "datadrop does not know the time zone {zone} of report suite {report_suite}: files are checked by that of this \
             computer; set `time_zone` of the account"
        );
    }
    if let Some(unread) =
        record.unread.as_ref().filter(|&unread| before.is_none_or(|b| b.unread.as_ref() != Some(unread)))
    {
        let unread = unread.replace('\n', "; ");
        tracing::info!(
            report_suite,
            "report suite {report_suite} could not be read whole, and files go all the same: {unread}"
        );
    }
}
