//! `keep.jobs`: removes jobs from the job log some time after their end, in steps too small to delay anything. What
//! guards against sending twice stays (`joblog::retention`). The folders implement `keep.done` (`inbox`).

use crate::clock::now;
use crate::config::KeepConfig;
use crate::joblog::{JobLog, JobLogError, PruneRule, Reader};
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Interval between looks for jobs that may leave, and the wait before it continues after a defect.
const LOOK: Duration = Duration::from_secs(3600);
/// Maximum number of jobs that leave in one transaction: a few milliseconds of the writer's time.
const JOBS: usize = 100;
/// Maximum number of free pages that one transaction gives back.
const PAGES: u32 = 100;
/// The pause between two of these.
const PAUSE: Duration = Duration::from_millis(250);
/// With more commits than that in a pause, the writer has better things to do,
const CALM: u64 = 2;
/// but not for ever.
const LONGEST_YIELD: u32 = 20;
/// A long pass says so often how far it has come.
const TELL: Duration = Duration::from_secs(10);
/// No job leaves sooner than its remote job leaves the lists that are read (two days, DESIGN S2), with a day to spare:
/// until then its history judges what is found in them.
const LEAST: Duration = Duration::from_secs(3 * 24 * 3600);

/// Prunes until `stop`, also after a defect.
pub(super) async fn keep_pruning(joblog: JobLog, keep: watch::Receiver<KeepConfig>, stop: CancellationToken) {
    loop {
        match joblog.reader() {
            Ok(reader) => {
                let work = tokio::spawn(prune(joblog.clone(), reader, keep.clone(), stop.clone()));
                let Err(panic) = work.await else { return };
                tracing::error!(
                    "old jobs stay in the job log for now, by a defect of datadrop ({panic}); please report this"
                );
            }
            Err(error) => tracing::error!("old jobs stay in the job log for now: {error}"),
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}

/// Prunes until `stop`. Nothing that goes wrong here ends the service: what could not leave leaves later.
async fn prune(joblog: JobLog, reader: Reader, mut keep: watch::Receiver<KeepConfig>, stop: CancellationToken) {
    loop {
        let now = keep.borrow_and_update().clone();
        let work = async {
            match pass(&joblog, &reader, &now).await {
                Ok(0) => {}
                Ok(jobs) => tracing::info!("{jobs} jobs left the job log, as keep.jobs has it"),
                Err(JobLogError::Closed) => return std::future::pending().await,
                Err(error) => tracing::warn!("old jobs stay in the job log for now: {error}"),
            }
            tokio::time::sleep(LOOK).await;
        };
        tokio::select! {
            () = stop.cancelled() => return,
            changed = keep.changed() => if changed.is_err() { return },
            () = work => {}
        }
    }
}

/// Everything that may leave now. The answer: how many jobs did.
async fn pass(joblog: &JobLog, reader: &Reader, keep: &KeepConfig) -> Result<usize, JobLogError> {
    if keep.jobs.is_zero() {
        return Ok(0);
    }
    let rule = PruneRule { before: now().before(keep.jobs.max(LEAST)), files_stay: keep.done.is_zero() };
    let mut pruned = 0;
    let mut told_at = Instant::now();
    for account in reader.accounts()? {
        loop {
            let jobs = reader.prunable(&account.name, rule, JOBS)?;
            if jobs.is_empty() {
                break;
            }
            let left = joblog.prune(account.name.clone(), jobs, rule).await?;
            pruned += left;
            if left == 0 {
                break;
            }
            if told_at.elapsed() >= TELL {
                told_at = Instant::now();
                tracing::info!("{pruned} old jobs have left the job log so far");
            }
            yield_to_uploads(joblog).await;
        }
    }
    while joblog.prune_account_events(rule.before, JOBS).await? == JOBS {
        yield_to_uploads(joblog).await;
    }
    while joblog.shrink(PAGES).await? {
        yield_to_uploads(joblog).await;
    }
    Ok(pruned)
}

async fn yield_to_uploads(joblog: &JobLog) {
    for _ in 0..LONGEST_YIELD {
        let before = joblog.commits();
        tokio::time::sleep(PAUSE).await;
        if joblog.commits() - before <= CALM {
            return;
        }
    }
}
