//! One attempt: the request, the consequences of its end, and the slot that it takes.

use super::outcome::{Again, Facts, Outcome, Verdict, decide};
use crate::adobe::{Budget, Client, Permit, Reading, Seen, Upload, UploadEnd};
use crate::clock::{now, random_fraction};
use crate::config::StyleChoice;
use crate::job::{Event, JobId, Problem, Promised, State, UploadStyle};
use crate::joblog::{AccountRules, AttemptEnd, Claim, JobLog, JobLogError, Pending};
use crate::retry::{LONGEST_HINT, RetryPolicy};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::Id;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The configuration of the dispatcher. A reload replaces it as a whole.
#[derive(Debug, Clone)]
pub struct UploadSettings {
    /// The accounts that may send, with the upload style of each.
    pub accounts: Vec<(AccountRules, StyleChoice)>,
    /// Speaks to the API.
    pub client: Arc<Client>,
    /// The budget of its credential.
    pub budget: Arc<Budget>,
    /// Maximum number of uploads in flight.
    pub max_in_flight: usize,
    /// The delays between attempts.
    pub retry: RetryPolicy,
}

/// Interval between tries while the job log cannot be written.
const STORAGE_WAIT: Duration = Duration::from_secs(1);

/// Number of 401 answers in a row after which the credential is to blame. Each answer must refuse a token that was
/// issued just before. Fewer come from a faulty gateway, so only the files that met them wait.
const MANY_UNAUTHORISED: u32 = 10;

pub(super) struct Attempt {
    pub(super) joblog: JobLog,
    pub(super) settings: Arc<UploadSettings>,
    pub(super) claim: Claim,
    pub(super) reading: Arc<Reading>,
}

impl Attempt {
    pub(super) async fn run(self, permit: Permit, abort: CancellationToken) {
        let job = &self.claim.job;
        let left = Instant::now();
        let end = self.send(permit, &abort).await;
        let outcome = decide(
            &end,
            &Facts {
                style: self.claim.style,
                style_is_proven: self.claim.style_is_proven,
                list_was_read: self.claim.list_was_read,
                status_before: self.claim.status_before,
                refusals: job.refusals,
            },
        );
        if let Err(error) = self.conclude(left, end, outcome, &abort).await {
            tracing::error!(job = job.id.0, "job {}: {error}", job.id);
            // As after a crash: before `committing` the file is sent again, and after it the remote jobs decide.
            drop(self.joblog.recover_one(job.id, now()));
        }
    }

    async fn send(&self, permit: Permit, abort: &CancellationToken) -> UploadEnd {
        let job = &self.claim.job;
        let (Some(identity), Some(blake3)) = (job.identity, job.blake3) else {
            tracing::error!(job = job.id.0, "job {} was queued without a hash; please report this", job.id);
            let seen = Seen::FileChanged("it was never read whole".to_owned());
            return UploadEnd { last_bytes_sent: false, seen, server_time: None, request_id: None };
        };
        let upload = Upload {
            target: self.claim.target.clone(),
            style: self.claim.style,
            wire_name: job.wire_name.clone(),
            path: job.path.clone(),
            expected: Promised { identity, blake3 },
            reading: Arc::clone(&self.reading),
        };
        let commit = async { self.joblog.committing(job.id, job.attempts, now()).await.is_ok() };
        // The result does not matter, because only people read this phase. For the job it means the same as `started`.
        let sending = |percent| drop(self.joblog.sending(job.id, job.attempts, percent));
        self.settings.client.upload(upload, permit, sending, commit, abort).await
    }

    async fn conclude(
        &self,
        left: Instant,
        end: UploadEnd,
        mut outcome: Outcome,
        abort: &CancellationToken,
    ) -> Result<(), JobLogError> {
        let job = &self.claim.job;
        let mut blames_account = false;
        match outcome.account.clone() {
            Verdict::Fine => {}
            Verdict::Blamed => {
                blames_account = true;
                self.block(&blamed(outcome.reason.as_deref(), None), abort).await?;
            }
            Verdict::ListFirst => self.insist(abort, || self.joblog.want_list(job.account.clone())).await?,
            Verdict::StyleNotSpoken(answer) => self.next_style(answer, abort).await?,
            Verdict::RefusedAlike(alike) => {
                let counted =
                    self.insist(abort, || self.joblog.count_refusal(job.account.clone(), alike.clone())).await?;
                if counted.is_some_and(|alike| alike >= 3) {
                    let reason = format!(
                        "the first files of the account were all refused alike, so it may be the account: {}",
                        outcome.reason.unwrap_or_default()
                    );
                    let remedy = "check data_source_id and report_suite_id";
                    self.block(&blamed(Some(&reason), Some(remedy)), abort).await?;
                    outcome =
                        Outcome { event: Event::NotIngested, reason: Some(reason), again: Again::AtOnce, ..outcome };
                }
            }
        }
        let wait = self.wait(left, &outcome);
        let attempt_end = AttemptEnd {
            event: outcome.event,
            reason: outcome.reason,
            again_at: (outcome.event == Event::NotIngested).then(|| now().after(wait)),
            remote: outcome.remote,
            status: outcome.status,
            request_id: end.request_id,
            server_time: end.server_time,
            blames_account,
            file_differs: matches!(end.seen, Seen::FileChanged(_)),
        };
        let ended =
            self.insist(abort, || self.joblog.end_attempt(job.id, job.attempts, attempt_end.clone(), now())).await?;
        if ended.unauthorised >= MANY_UNAUTHORISED {
            self.block(&blamed(attempt_end.reason.as_deref(), None), abort).await?;
        }
        self.tell(ended.state, ended.reason.as_deref(), &attempt_end);
        Ok(())
    }

    /// Returns how long the job waits. A busy server slows all requests. They pause for the time that it asks for, or
    /// for a delay that grows with each busy answer in a row, whichever file met it. Requests that were in flight
    /// together met one outage. The file also waits by its own count, so that other files go first.
    fn wait(&self, left: Instant, outcome: &Outcome) -> Duration {
        let UploadSettings { retry, budget, .. } = &*self.settings;
        let hint = match outcome.again {
            Again::AtOnce => return Duration::ZERO,
            Again::Later(hint) => hint,
        };
        let own = retry.delay(self.claim.job.attempts, hint, random_fraction());
        if !outcome.slow_down {
            if outcome.status.is_some() {
                budget.note_ready();
            }
            return own;
        }
        let pause = budget.pause(match budget.note_busy(left) {
            Some(times) => retry.delay(times, hint, random_fraction()),
            None => hint.unwrap_or_default().min(LONGEST_HINT),
        });
        match outcome.status {
            Some(429) | None => pause.max(own),
            Some(_) => {
                pause.saturating_add(retry.delay(self.claim.job.attempts, None, random_fraction())).min(retry.longest())
            }
        }
    }

    /// Repeats a write until the job log has it, however long that takes, because an accepted file that is forgotten
    /// would be sent twice. If the shutdown cuts this short, the attempt stays open in the job log, and the next start
    /// reconciles it.
    async fn insist<R>(&self, abort: &CancellationToken, operation: impl Fn() -> Pending<R>) -> Result<R, JobLogError> {
        loop {
            match operation().await {
                Err(JobLogError::Storage(why)) => {
                    tokio::select! {
                        () = tokio::time::sleep(STORAGE_WAIT) => {}
                        () = abort.cancelled() => return Err(JobLogError::Storage(why)),
                    }
                }
                answer => return answer,
            }
        }
    }

    /// Blocks the account, because the API refuses it or its credential. Probes find out when it works again.
    async fn block(&self, problem: &Problem, abort: &CancellationToken) -> Result<(), JobLogError> {
        let account = &self.claim.job.account;
        let news =
            self.insist(abort, || self.joblog.api_problem(account.clone(), Some(problem.clone()), now())).await?;
        if news {
            tracing::error!(account, "account {account} is blocked: {problem} (`datadrop doctor` looks into it)");
        }
        Ok(())
    }

    /// Chooses the next upload style. `answer` is the refusal of this attempt's style.
    async fn next_style(&self, answer: String, abort: &CancellationToken) -> Result<(), JobLogError> {
        let account = &self.claim.job.account;
        let style = self.claim.style;
        let choice = self.settings.accounts.iter().find(|(rules, _)| rules.name == *account).map(|(_, choice)| *choice);
        let next = match choice {
            Some(StyleChoice::Auto) => UploadStyle::ALL.into_iter().skip_while(|earlier| *earlier != style).nth(1),
            Some(StyleChoice::Fixed(_)) | None => None,
        };
        if let Some(next) = next {
            tracing::info!(
                account,
                "account {account}: the API does not support {style} here, trying {next}: {answer}"
            );
        }
        let refused =
            self.insist(abort, || self.joblog.style_refused(account.clone(), style, answer.clone(), next)).await?;
        if next.is_some() {
            return Ok(());
        }
        let answers: Vec<String> = refused.iter().map(|(style, answer)| format!("{style}: {answer}")).collect();
        let (what, remedy) = match choice {
            Some(StyleChoice::Fixed(_)) => (
                format!("the API refuses the upload style {}", answers.join("; ")),
                format!("upload.style is fixed to {style}; set it to \"auto\""),
            ),
            Some(StyleChoice::Auto) | None => (
                format!("the API refuses every upload style: {}", answers.join("; ")),
                "ask Adobe whether the credential may upload (Data Sources Manager in its product profile), and check \
                 data_source_id, api.base_url and api.path_segment"
                    .to_owned(),
            ),
        };
        self.block(&Problem::new(what, remedy + ASKED_AGAIN), abort).await
    }

    /// Logs the end. `reason` comes from the job log, which may know more than the answer.
    fn tell(&self, state: State, reason: Option<&str>, end: &AttemptEnd) {
        let job = &self.claim.job;
        let (account, file, id) = (&job.account, &job.file_name, job.id.0);
        let reason = reason.or(end.reason.as_deref()).unwrap_or("no reason given");
        let remote = end.remote.as_ref().map(|remote| remote.remote_job_id.0);
        if state == State::Uploaded {
            let remote = remote.unwrap_or_default();
            tracing::info!(account, file, job = id, remote_job = remote, "{file}: accepted as remote job {remote}");
        } else if let (State::Cancelled, Some(remote)) = (state, remote) {
            tracing::warn!(
                account,
                file,
                job = id,
                remote_job = remote,
                "{file}: it was given up, and was ingested after all, as remote job {remote}"
            );
        } else if end.event == Event::NotIngested && matches!(state, State::Held | State::Cancelled) {
            tracing::info!(
                account,
                file,
                job = id,
                state = state.as_str(),
                "{file}: {state}, its upload was broken off"
            );
        } else if end.event == Event::NotIngested {
            tracing::warn!(account, file, job = id, attempt = job.attempts, "{file}: not sent yet: {reason}");
        } else {
            let attempt = job.attempts;
            tracing::warn!(account, file, job = id, attempt, state = state.as_str(), "{file}: {state}: {reason}");
        }
    }
}

/// Suffix of each remedy of a blocked account.
const ASKED_AGAIN: &str = "; it is asked again by itself";

/// Blames the account or its credential, with these words.
fn blamed(reason: Option<&str>, remedy: Option<&str>) -> Problem {
    let what = format!("the API refuses the account or its credential: {}", reason.unwrap_or_default());
    Problem::new(what, remedy.map_or_else(|| ASKED_AGAIN[2..].to_owned(), |remedy| remedy.to_owned() + ASKED_AGAIN))
}

// Decides which account may have an upload slot, so that files that hang on one account's share leave slots to the
// others (DESIGN F10).
//
// An attempt that waits for bytes of its file gives its slot back. Its account gets no other slot until those bytes
// arrive, because a second thread would hang too. If many attempts hang, each account tries one file at a time, so that
// a hundred dead shares hold few threads.

/// Wait for bytes of a file after which its share counts as hanging.
const HANGS_AFTER: Duration = Duration::from_secs(1);

/// Wait before datadrop reads an account's jobs again after an unreadable row. It doubles each time.
const DOUBTED_FOR: Duration = Duration::from_secs(60);
/// Longest of these waits.
const LONGEST_DOUBT: Duration = Duration::from_secs(3600);

/// An attempt whose file is being read, or was read.
#[derive(Debug)]
pub(super) struct Attempted {
    pub(super) job: JobId,
    pub(super) number: u32,
    pub(super) account: String,
    pub(super) reading: Arc<Reading>,
}

impl Attempted {
    fn hangs(&self) -> bool {
        self.reading.silent_for().is_some_and(|silence| silence > HANGS_AFTER)
    }
}

/// The attempts in progress, and the threads that outlived theirs.
#[derive(Debug, Default)]
pub(super) struct Slots {
    running: HashMap<Id, Attempted>,
    left: Vec<Attempted>,
    /// Accounts with an unreadable row: how often it was met, and when datadrop reads their jobs again.
    doubtful: HashMap<String, (u32, Instant)>,
}

impl Slots {
    pub(super) fn begin(&mut self, task: Id, attempt: Attempted) {
        self.running.insert(task, attempt);
    }

    /// Ends the attempt of a task, and remembers its thread if that still runs.
    pub(super) fn end(&mut self, task: Id) -> Option<(JobId, u32)> {
        let attempt = self.running.remove(&task)?;
        let ended = (attempt.job, attempt.number);
        // An attempt that waits for the server hangs on no share. Its thread ends once the transport drops the body.
        if attempt.reading.silent_for().is_some() && !attempt.reading.has_ended() {
            self.left.push(attempt);
        }
        Some(ended)
    }

    /// Returns how many attempts may begin now.
    pub(super) fn free(&mut self, max_in_flight: usize) -> usize {
        self.left.retain(|attempt| !attempt.reading.has_ended());
        let free = max_in_flight.saturating_sub(self.running.len() - self.hanging());
        if self.are_scarce(max_in_flight) { free.min(1) } else { free }
    }

    /// Lets no attempt of the account begin for a while, even if the account is unblocked, because the same row would
    /// block it again.
    pub(super) fn doubt(&mut self, account: String) {
        let (times, again) = self.doubtful.entry(account).or_insert((0, Instant::now()));
        *again = Instant::now() + DOUBTED_FOR.saturating_mul(2u32.saturating_pow(*times)).min(LONGEST_DOUBT);
        *times += 1;
    }

    /// Returns how many attempts of this account may begin now. If there are several accounts, none gets the last slot
    /// while it has all the others, because its uploads may take long.
    pub(super) fn room(&self, account: &str, max_in_flight: usize, accounts: usize) -> usize {
        if !self.may_begin(account, max_in_flight) {
            return 0;
        }
        let share = if accounts > 1 { max_in_flight.saturating_sub(1).max(1) } else { max_in_flight };
        share.saturating_sub(self.running.values().filter(|attempt| attempt.account == account).count())
    }

    /// Returns whether a file of this account may be opened now.
    fn may_begin(&self, account: &str, max_in_flight: usize) -> bool {
        if self.doubtful.get(account).is_some_and(|(_, again)| Instant::now() < *again) {
            return false;
        }
        let scarce = self.are_scarce(max_in_flight);
        let waits = |attempt: &Attempted| {
            if scarce { attempt.reading.silent_for().is_some() } else { attempt.hangs() }
        };
        let is_its = |attempt: &&Attempted| attempt.account == account;
        !self.left.iter().any(|attempt| is_its(&attempt)) && !self.running.values().filter(is_its).any(waits)
    }

    /// Returns whether the dispatcher must look at short intervals, because no event shows that a share hangs or
    /// responds again.
    pub(super) fn are_to_be_watched(&self) -> bool {
        !self.left.is_empty() || self.running.values().any(|attempt| attempt.reading.silent_for().is_some())
    }

    fn hanging(&self) -> usize {
        self.running.values().filter(|attempt| attempt.hangs()).count()
    }

    fn are_scarce(&self, max_in_flight: usize) -> bool {
        self.left.len() + self.hanging() >= max_in_flight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn f10_the_last_slot_is_not_for_the_account_that_has_the_others() {
        let mut slots = Slots::default();
        let begin = |slots: &mut Slots, account: &str| {
            let task = tokio::spawn(async {}).id();
            let (account, reading) = (account.to_owned(), Arc::default());
            slots.begin(task, Attempted { job: JobId(1), number: 1, account, reading });
            task
        };
        assert_eq!((slots.room("a", 4, 1), slots.room("a", 4, 2), slots.room("a", 1, 2)), (4, 3, 1));
        let tasks: Vec<_> = (0..3).map(|_| begin(&mut slots, "a")).collect();
        assert_eq!((slots.free(4), slots.room("a", 4, 2), slots.room("b", 4, 2)), (1, 0, 3));
        assert_eq!(slots.room("a", 4, 1), 1, "alone it has them all");
        slots.end(tasks[0]);
        assert_eq!((slots.free(4), slots.room("a", 4, 2)), (2, 1));
    }
}
