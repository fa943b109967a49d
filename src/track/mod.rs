//! Step 5: find out what Adobe made of each upload.
//!
//! Each account has one task that reads the account's remote list. It reads the baseline before the first attempt,
//! sweeps for accepted jobs, and looks for unconfirmed ones. Requests are scarce, so one list serves all open jobs of
//! an account. Pure functions decide what the answers mean: [`judge()`] and [`reconcile`].

mod judge;
mod looks;
pub mod reconcile;
mod schedule;
mod sweep;

pub use judge::{AccountFacts, Counting, Step, is_waiting, judge};
pub use schedule::Schedule;

use crate::adobe::{
    ApiError, Budget, Client, CutShort, Extent, JobQuery, Listing, Purpose, TokenError, Unauthorised, guide_date,
};
use crate::clock::{Clock, Moment, now, random_fraction};
use crate::config::PollConfig;
use crate::job::{JobId, RowCount, Target, Timestamp, printable};
use crate::joblog::{Doubled, Halt, JobLog, JobLogError, Reader, RemoteList, Taken};
use crate::retry::RetryPolicy;
use crate::track::reconcile::{Looks, WINDOW};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Longest wait between two signs of life.
const TURN: Duration = Duration::from_secs(15);
/// Time in which changes are gathered before one turn handles them all.
const GATHER: Duration = Duration::from_millis(50);

/// Maximum number of lists in a row that the API refuses for their token, each with a new token, before the credential
/// is to blame.
const MANY_UNAUTHORISED: u32 = 5;

/// Clock difference above which the first list asked for the wrong two days.
const CLOCKS_DIFFER_MS: u64 = 10 * 60 * 1000;

/// The configuration for tracking an account.
#[derive(Debug, Clone)]
pub struct TrackSettings {
    /// The account's name.
    pub account: String,
    /// The target of its files.
    pub target: Target,
    /// Speaks to the API.
    pub client: Arc<Client>,
    /// The budget of its credential.
    pub budget: Arc<Budget>,
    /// The intervals of its sweeps.
    pub poll: PollConfig,
    /// Time after which a remote job that no look has found counts as absent.
    pub confirm_for: Duration,
    /// The delays after failed requests.
    pub retry: RetryPolicy,
}

/// The tracking of one account.
#[derive(Debug)]
pub struct Tracker {
    settings: TrackSettings,
    joblog: JobLog,
    reader: Reader,
    clock: Clock,
    schedule: Schedule,
    /// For each open job, the number of lists in a row that lacked it.
    missing: HashMap<JobId, u32>,
    looks: HashMap<JobId, Looks>,
    /// When each job was last requested singly. The one with the oldest request comes first.
    asked: HashMap<JobId, Moment>,
    /// Number of blocks in close succession, and when the last began.
    blocks: u32,
    blocked_last: Moment,
    /// Number of failed requests in a row, and when the next one is due.
    failures: u32,
    ask_again: Moment,
    /// The server's clock minus the clock of this computer, in milliseconds.
    server_ahead: i64,
    announced: Option<Timestamp>,
    /// What Adobe's row counts mean, the address for its errors, and its counts of jobs that waited to be processed.
    row_count: RowCount,
    error_address: Option<String>,
    halt: Option<Halt>,
    uploaded_rows: HashMap<JobId, i64>,
}

impl Tracker {
    /// Tracks an account that the job log has opened.
    ///
    /// # Errors
    /// [`crate::joblog::OpenError`] if the job log cannot be read.
    pub fn new(settings: TrackSettings, joblog: JobLog, clock: Clock) -> Result<Self, crate::joblog::OpenError> {
        let reader = joblog.reader()?;
        let schedule = Schedule::new(&settings.poll);
        Ok(Self {
            settings,
            joblog,
            reader,
            clock,
            schedule,
            missing: HashMap::new(),
            looks: HashMap::new(),
            asked: HashMap::new(),
            blocks: 0,
            blocked_last: Moment::default(),
            failures: 0,
            ask_again: Moment::default(),
            server_ahead: 0,
            announced: None,
            row_count: RowCount::Unknown,
            error_address: None,
            halt: None,
            uploaded_rows: HashMap::new(),
        })
    }

    /// Tracks until `stop`. Calls `alive` in each turn.
    ///
    /// # Errors
    /// [`JobLogError`] if the job log contradicts itself, so that the daemon must end.
    pub async fn run(mut self, stop: CancellationToken, alive: impl Fn()) -> Result<(), JobLogError> {
        let mut changes = self.joblog.changes();
        loop {
            alive();
            changes.borrow_and_update();
            let wake = {
                let mut turn = std::pin::pin!(self.turn());
                loop {
                    // Requests and the rate limit may take long. Each has a limit, and the task stays alive meanwhile.
                    tokio::select! {
                        () = stop.cancelled() => return Ok(()),
                        wake = &mut turn => break wake,
                        () = tokio::time::sleep(TURN) => alive(),
                    }
                }
            };
            let wake = match wake {
                Ok(wake) => wake,
                // The writer logs the failure. The same work is due again once it can write.
                Err(JobLogError::Storage(_)) => Some(self.clock.moment().after(Duration::from_secs(1))),
                Err(JobLogError::Closed) => return Ok(()),
                Err(error) => return Err(error),
            };
            let wait = wake.map_or(TURN, |at| at.since(self.clock.moment()).min(TURN));
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                Ok(()) = changes.changed() => tokio::time::sleep(GATHER.min(wait)).await,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// Does what is due, and returns when the next work is due.
    pub(crate) async fn turn(&mut self) -> Result<Option<Moment>, JobLogError> {
        let account = self.reader.account(&self.settings.account)?;
        if self.clock.moment() < self.ask_again {
            return Ok(Some(self.ask_again));
        }
        if account.baseline_at.is_none() {
            return self.take_baseline().await;
        }
        if account.api_problem.is_some() {
            return self.probe().await;
        }
        if account.list_wanted {
            return self.read_first_page().await;
        }
        let unsettled = self.reader.unsettled(&self.settings.account)?;
        self.looks.retain(|id, _| unsettled.iter().any(|upload| upload.job.id == *id));
        let mut wake = None;
        if !unsettled.is_empty() {
            wake = self.look(&unsettled).await?;
            if self.clock.moment() < self.ask_again {
                return Ok(Some(self.ask_again));
            }
        }
        let backlog = self.reader.backlog(&self.settings.account)?;
        let due = self.schedule.plan(&backlog, now(), self.clock.moment());
        if due.is_some_and(|due| due <= self.clock.moment()) {
            self.sweep(&backlog).await?;
        }
        let due = self.schedule.plan(&self.reader.backlog(&self.settings.account)?, now(), self.clock.moment());
        self.announce(due).await?;
        let wake = [wake, due].into_iter().flatten().min();
        Ok(if self.clock.moment() < self.ask_again { Some(self.ask_again) } else { wake })
    }

    /// Notes the remote jobs that exist before the first upload, because none of them can come from datadrop (DESIGN
    /// S1).
    async fn take_baseline(&mut self) -> Result<Option<Moment>, JobLogError> {
        // Read to the empty page, whatever the answer announces, because a job missed here could later be taken for one
        // of datadrop.
        let extent = Extent::ToTheEmptyPage;
        let asked_at = self.server_now();
        // If the job log was set back, each waiting file may have been sent at any time since it arrived (DESIGN S5).
        let oldest = self.reader.oldest_unsent(&self.settings.account)?;
        let oldest = oldest.map_or(asked_at, |seen| Timestamp(seen.0.saturating_add(self.server_ahead)).min(asked_at));
        let (start, end) = (oldest.before(WINDOW), asked_at.after(WINDOW));
        #[cfg(test)]
        crate::testing::reach::asks(crate::testing::reach::Asks::Baseline);
        match self.list(&self.settings.target.clone(), start, Some(end), extent).await? {
            // The first answer showed that the clocks differ, so the window was wrong. Ask once more for the right one.
            Ok(_) if self.server_now().0.abs_diff(asked_at.0) > CLOCKS_DIFFER_MS => Ok(Some(self.clock.moment())),
            Ok(listing) => {
                let (account, jobs) = (&self.settings.account, listing.jobs.len());
                if !listing.complete {
                    tracing::warn!(
                        account,
                        "account {account}: the first list of remote jobs could not be read to its end: a page repeats, or an entry has no job ID"
                    );
                }
                let list = self.as_listed(&listing, &self.settings.target)?;
                let TrackSettings { account, target, .. } = &self.settings;
                let Some(taken) = self.joblog.baseline(account.clone(), target.clone(), list).await? else {
                    // Another stage tracks that target, and takes its baseline.
                    return Ok(None);
                };
                self.tell_of(&taken);
                self.note_answer().await?;
                #[cfg(test)]
                crate::testing::reach::met(crate::testing::reach::Met::BaselineTaken);
                tracing::info!(account = %self.settings.account, "account {}: {jobs} remote jobs were there before", self.settings.account);
                Ok(Some(self.clock.moment()))
            }
            Err(error) => self.note_failure(&error).await,
        }
    }

    /// Asks whether a blocked account works again: one list request for each backoff step.
    async fn probe(&mut self) -> Result<Option<Moment>, JobLogError> {
        if self.failures == 0 {
            // If the list can be read, an upload is tried. The API may refuse that upload as before, so the steps grow
            // further.
            let now = self.clock.moment();
            if now.since(self.blocked_last) > 2 * self.settings.retry.ceiling(self.blocks.saturating_add(1)) {
                self.blocks = 0;
            }
            self.blocks = self.blocks.saturating_add(1);
            self.blocked_last = now;
            self.failures = self.blocks;
            self.ask_again = now.after(self.settings.retry.delay(self.failures, None, random_fraction()));
            return Ok(Some(self.ask_again));
        }
        self.read_first_page().await
    }

    /// Requests the first page of the list, because any answer shows that the account works.
    async fn read_first_page(&mut self) -> Result<Option<Moment>, JobLogError> {
        let (start, target) = (self.server_now().before(WINDOW), self.settings.target.clone());
        #[cfg(test)]
        crate::testing::reach::asks(crate::testing::reach::Asks::FirstPage);
        match self.list(&target, start, None, Extent::FirstPage).await? {
            Ok(listing) => {
                // Note the list first, because uploads begin after it. Jobs that it shows cannot come from them.
                self.note_shown(&listing, &target).await?;
                self.note_answer().await?;
                Ok(Some(self.clock.moment()))
            }
            Err(error) => self.note_failure(&error).await,
        }
    }

    /// Notes that the API answered, which ends a block of the account.
    async fn note_answer(&mut self) -> Result<(), JobLogError> {
        self.failures = 0;
        self.ask_again = Moment::default();
        let account = self.settings.account.clone();
        if self.joblog.list_answered(account.clone(), now()).await? {
            tracing::info!(account, "account {account}: its list can be read, so its files are sent again");
        }
        Ok(())
    }

    /// Notes a failed request: sets the time of the next one, and blocks the account if it or its credential is to
    /// blame.
    async fn note_failure(&mut self, error: &ApiError) -> Result<Option<Moment>, JobLogError> {
        self.failures = self.failures.saturating_add(1);
        let hint = if let ApiError::Busy { retry_after, .. } = error { *retry_after } else { None };
        let wait = self.settings.retry.delay(self.failures, hint, random_fraction());
        self.ask_again = self.clock.moment().after(wait);
        let account = &self.settings.account;
        let blames_account = match error {
            // A single refusal may come from a token that has just expired, or from a faulty gateway. Only repeated
            // ones blame the credential.
            ApiError::Unauthorised { why: Unauthorised::Answer { .. }, .. } => self.failures >= MANY_UNAUTHORISED,
            ApiError::Unauthorised { why: Unauthorised::Token(TokenError::Refused { .. }), .. }
            | ApiError::NotFound { .. }
            | ApiError::Refused { .. } => true,
            // An unavailable token service is an outage like any other.
            ApiError::Unauthorised { why: Unauthorised::Token(TokenError::Unavailable(_)), .. }
            | ApiError::NotConnected { .. }
            | ApiError::Unclear { .. }
            | ApiError::Busy { .. } => false,
        };
        if blames_account {
            let problem = error.clone().without_id().problem();
            if self.joblog.api_problem(account.clone(), Some(problem), now()).await? {
                tracing::error!(account, request_id = error.request_id(), "account {account} is blocked: {error}");
            }
        } else {
            tracing::warn!(account, failures = self.failures, "account {account}: {error}; it will be asked again");
        }
        Ok(Some(self.ask_again))
    }

    /// The time by the server's clock.
    fn server_now(&self) -> Timestamp {
        Timestamp(now().0.saturating_add(self.server_ahead))
    }

    async fn announce(&mut self, due: Option<Moment>) -> Result<(), JobLogError> {
        // Rounded to seconds, so that it is not rewritten in each turn.
        let at = due.map(|due| Timestamp(now().after(due.since(self.clock.moment())).0 / 1000 * 1000));
        let differs = match (at, self.announced) {
            (Some(at), Some(announced)) => at.0.abs_diff(announced.0) > 1500,
            (at, announced) => at != announced,
        };
        if differs {
            self.joblog.next_sweep(self.settings.account.clone(), at).await?;
            self.announced = at;
        }
        Ok(())
    }

    /// Returns a list, with the latest event of the job log at that time. Call it right after the answer, because the
    /// list cannot hold anything that is written from here on.
    fn as_listed(&self, listing: &Listing, target: &Target) -> Result<RemoteList, JobLogError> {
        Ok(RemoteList {
            jobs: listing.jobs.clone(),
            after: self.reader.latest_event()?,
            at: now(),
            server_time: listing.server_time,
            target: target.clone(),
        })
    }

    fn tell_of(&self, taken: &Taken) {
        let account = &self.settings.account;
        if taken.begins_anew {
            tracing::warn!(
                account,
                "account {account}: the server has restarted its job numbers, so its earlier numbers now belong to other jobs"
            );
        }
        for Doubled { id, wire_name, ours, other } in &taken.doubled {
            tracing::error!(
                account,
                job = id.0,
                remote_job = other.0,
                "job {id}: {} was possibly ingested twice: it became remote job {ours}, and no job owns the remote job {other} of \
                 the same name; compare them at Adobe",
                printable(wire_name)
            );
        }
    }

    /// Records the remote jobs of a list. Files that are sent later cannot be any of them. A job that shows late under
    /// a name that was sent must be noticed.
    async fn note_shown(&mut self, listing: &Listing, target: &Target) -> Result<Taken, JobLogError> {
        // If the job log cannot be written, wait before the next request for the list.
        self.ask_again = self.clock.moment().after(Duration::from_secs(1));
        let shown = self.as_listed(listing, target)?;
        let taken = self.joblog.listed(self.settings.account.clone(), shown).await?;
        self.ask_again = Moment::default();
        self.tell_of(&taken);
        Ok(taken)
    }

    /// Reads the remote list. If a request fails, records what the pages before it showed.
    async fn list(
        &mut self,
        target: &Target,
        start: Timestamp,
        end: Option<Timestamp>,
        extent: Extent,
    ) -> Result<Result<Listing, ApiError>, JobLogError> {
        let TrackSettings { client, budget, .. } = &self.settings;
        let query = JobQuery { start: Some(guide_date(start)), end: end.map(guide_date), ..JobQuery::default() };
        let permit = || {
            let budget = Arc::clone(budget);
            async move { budget.acquire(Purpose::Sweep).await }
        };
        let listed = client.list_all_jobs(target, query, extent, permit).await;
        let server_time = match &listed {
            Ok(listing) => listing.server_time,
            Err(CutShort { listing, .. }) => listing.server_time,
        };
        if let Some(server_time) = server_time {
            self.server_ahead = server_time.0 - now().0;
        }
        match listed {
            Ok(listing) => Ok(Ok(listing)),
            Err(CutShort { error, listing }) => {
                if !listing.jobs.is_empty() {
                    self.note_shown(&listing, target).await?;
                }
                Ok(Err(*error))
            }
        }
    }
}
