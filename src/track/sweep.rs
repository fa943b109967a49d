//! A sweep: one list for all open jobs of an account (DESIGN §4, "Tracking").

use super::{AccountFacts, Counting, Tracker, is_waiting, judge};
use crate::adobe::{ApiError, Extent, Purpose};
use crate::clock::now;
use crate::job::{Event, JobId, Kind, Overdue, RemoteJob, RemoteJobId, Target, Timestamp, length_words, printable};
use crate::joblog::{Backlog, JobLogError, OpenRemote, Swept};
use crate::track::reconcile::WINDOW;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// Time by which a list begins earlier than needed, because job dates have no zone.
const ZONES: Duration = Duration::from_secs(24 * 3600);
/// Maximum number of jobs that a sweep requests singly.
const SINGLY: usize = 5;

impl Tracker {
    pub(super) async fn sweep(&mut self, backlog: &Backlog) -> Result<(), JobLogError> {
        let began = now();
        let all = self.reader.open_remote(&self.settings.account)?;
        let still: HashSet<JobId> = all.iter().map(|open| open.job.id).collect();
        self.missing.retain(|id, _| still.contains(id));
        self.uploaded_rows.retain(|id, _| still.contains(id));
        let mut targets: Vec<Target> = Vec::new();
        for open in &all {
            if !targets.contains(&open.target) {
                targets.push(open.target.clone());
            }
        }
        for target in targets {
            let jobs: Vec<&OpenRemote> = all.iter().filter(|open| open.target == target).collect();
            if !self.sweep_target(&target, &jobs).await? {
                return Ok(());
            }
        }
        let still_open = self.reader.backlog(&self.settings.account)?.open;
        self.schedule.swept(still_open.min(backlog.open), began, self.clock.moment());
        Ok(())
    }

    /// Returns false if the API did not answer, so that the sweep must be repeated later.
    async fn sweep_target(&mut self, target: &Target, all: &[&OpenRemote]) -> Result<bool, JobLogError> {
        let oldest = all.iter().map(|open| open.uploaded_at).min().unwrap_or_else(now);
        let start =
            self.server_now().before(WINDOW).max(Timestamp(oldest.0.saturating_add(self.server_ahead)).before(ZONES));
        #[cfg(test)]
        crate::testing::reach::asks(crate::testing::reach::Asks::Sweep);
        let listing = match self.list(target, start, None, Extent::Announced).await? {
            Ok(listing) => listing,
            Err(error) => {
                self.note_failure(&error).await?;
                return Ok(false);
            }
        };
        let list = self.as_listed(&listing, target)?;
        self.note_answer().await?;
        let listed: HashMap<RemoteJobId, &RemoteJob> =
            listing.jobs.iter().map(|job| (job.remote_job_id, job)).collect();
        self.learn_row_count(target, all, &listed).await?;
        self.halt = self.reader.halt(&self.settings.account)?;
        let mut steps = Vec::new();
        let mut singly = Vec::new();
        for open in all {
            if open.is_of_former_line {
                steps.extend(unknown_now(open, "it has restarted its job numbers"));
            } else if let Some(remote) = listed.get(&open.remote_job_id) {
                self.missing.remove(&open.job.id);
                steps.extend(self.step(open, remote));
            } else {
                let missing = self.missing.entry(open.job.id).or_default();
                *missing += u32::from(listing.complete);
                if *missing >= 2 || now().since(open.uploaded_at) > WINDOW {
                    singly.push(*open);
                }
            }
        }
        if !singly.is_empty() {
            // Note the list before single jobs are requested, because uploads may begin meanwhile.
            if self.note_shown(&listing, target).await?.begins_anew {
                // Take none of the steps, because the numbers by which they were found now belong to other jobs.
                return Ok(true);
            }
        }
        self.asked.retain(|id, _| singly.iter().any(|open| open.job.id == *id));
        singly.sort_by_key(|open| self.asked.get(&open.job.id).copied());
        for open in singly.into_iter().take(SINGLY) {
            self.asked.insert(open.job.id, self.clock.moment());
            match self.ask_singly(open).await {
                Ok(Ok(remote)) => steps.extend(self.step(open, &remote)),
                Ok(Err(unknown)) => steps.extend(unknown),
                Err(error) => {
                    self.note_failure(&error).await?;
                    break;
                }
            }
        }
        let taken = self.joblog.swept(self.settings.account.clone(), list, steps.clone(), now()).await?;
        self.tell_of(&taken);
        if taken.begins_anew {
            // The job log took none of the steps, because the numbers by which they were found now belong to other
            // jobs.
            return Ok(true);
        }
        let names: HashMap<JobId, &str> = all.iter().map(|open| (open.job.id, open.job.file_name.as_str())).collect();
        for step in &steps {
            self.tell(step, names.get(&step.id).copied().unwrap_or_default());
        }
        Ok(true)
    }

    /// Learns what Adobe's row counts mean, before any job is judged by its count (DESIGN T1).
    async fn learn_row_count(
        &mut self,
        target: &Target,
        all: &[&OpenRemote],
        listed: &HashMap<RemoteJobId, &RemoteJob>,
    ) -> Result<(), JobLogError> {
        let account = self.reader.account(&self.settings.account)?;
        let known = account.row_count;
        (self.row_count, self.error_address) = (known, account.error_address);
        if *target != self.settings.target {
            return Ok(());
        }
        for open in all.iter().filter(|open| open.job.kind == Kind::Data && !open.is_of_former_line) {
            let Some(remote) = listed.get(&open.remote_job_id) else { continue };
            let job = &open.job;
            if let (true, Some(rows)) = (is_waiting(job.remote_status.as_deref()), job.rows_processed) {
                self.uploaded_rows.insert(job.id, rows);
            }
            let ended = judge(job.kind, job.rows_expected, &open.likely, AccountFacts::default(), remote).event;
            let counting = Counting {
                before: job.rows_processed,
                uploaded: self.uploaded_rows.get(&job.id).copied(),
                now: remote.rows_processed,
                has_ended: matches!(ended, Some(Event::Succeeded | Event::FellShort)),
            };
            self.row_count = counting.teaches(self.row_count);
        }
        if self.row_count != known {
            #[cfg(test)]
            crate::testing::reach::counts(self.row_count);
            let account = &self.settings.account;
            tracing::info!(account, "account {account}: Adobe's row count is {}", self.row_count.words());
            self.joblog.note_row_count(account.clone(), self.row_count).await?;
        }
        Ok(())
    }

    /// Returns the step of one job, or `None` if nothing has changed.
    fn step(&self, open: &OpenRemote, remote: &RemoteJob) -> Option<Swept> {
        let known = AccountFacts { row_count: self.row_count, error_address: self.error_address.as_deref() };
        let step = judge(open.job.kind, open.job.rows_expected, &open.likely, known, remote);
        let mut reason = step.reason;
        // Adobe processed what was sent, and has nothing that was written later (DESIGN F2).
        let fell_short = open.job.changed.is_some() && step.event == Some(Event::Succeeded);
        let event = if fell_short { Some(Event::FellShort) } else { step.event };
        let stays = event.is_none_or(|event| open.job.state.next(event) == Ok(open.job.state));
        let goes_on = event.is_none_or(|event| open.job.state.next(event).is_ok_and(|next| !next.is_terminal()));
        let open_for = now().since(open.uploaded_at);
        let given_up = goes_on && open_for >= self.settings.poll.give_up_after;
        let late = goes_on && open_for >= self.settings.poll.late_after;
        // Reported long before datadrop gives up, because this may be Adobe's final status in an unknown form.
        let stays_odd = step.is_odd && open_for >= self.settings.poll.max.saturating_mul(2);
        let mut overdue = stays_odd.then_some(Overdue::Delayed);
        if late && !given_up && !stays_odd {
            let (kind, why) = self.late(open);
            (overdue, reason) = (Some(kind), Some(why));
        }
        if stays_odd {
            let said = reason.unwrap_or_default();
            reason = Some(format!("{said}, but somebody should ask Adobe about remote job {}", open.remote_job_id));
        }
        if given_up {
            overdue = Some(Overdue::AskedDaily);
            reason = Some(format!(
                "Adobe has not finished it in {}; datadrop looks once a day from now on, ask Adobe about remote job {}",
                length_words(self.settings.poll.give_up_after),
                open.remote_job_id
            ));
        }
        // Unchanged rows are not rewritten.
        let unchanged = stays
            && reason == open.job.reason
            && remote.remote_status == open.job.remote_status
            && remote.rows_processed == open.job.rows_processed;
        (!unchanged).then(|| Swept { id: open.job.id, event, reason, remote: Some(remote.clone()), overdue })
    }

    /// Explains why a job is late at Adobe (DESIGN T3).
    fn late(&self, open: &OpenRemote) -> (Overdue, String) {
        let late_after = length_words(self.settings.poll.late_after);
        let Some(halt) = self.halt.as_ref().filter(|halt| halt.may_stop(&open.job)) else {
            return (Overdue::Delayed, format!("Adobe has not finished it in {late_after}; datadrop keeps looking"));
        };
        let why = format!(
            "Adobe has not finished it in {late_after}, and has finished no file of this account since job {} ({}) failed: \
             data source {} may have stopped at that failure; if it has, press Restart Processing for it in Adobe's user interface",
            halt.failed,
            printable(&halt.file_name),
            open.target.data_source_id
        );
        (Overdue::Stalled, why)
    }

    /// Returns the remote job, or the step that follows if Adobe no longer knows it.
    async fn ask_singly(&self, open: &OpenRemote) -> Result<Result<RemoteJob, Option<Swept>>, ApiError> {
        let permit = self.settings.budget.acquire(Purpose::Sweep).await;
        #[cfg(test)]
        crate::testing::reach::asks(crate::testing::reach::Asks::Singly);
        #[cfg(test)]
        crate::testing::reach::met(crate::testing::reach::Met::AskedSingly);
        match self.settings.client.show_job(&open.target, open.remote_job_id, permit).await {
            Ok(answer) if open.told.is_same(&answer.value) == Some(false) => {
                Ok(Err(unknown_now(open, "that is the number of another file by now")))
            }
            Ok(answer) => Ok(Ok(answer.value)),
            Err(ApiError::NotFound { body, .. }) => {
                // Without its ID, because a new ID each time would look like news.
                let body = body.without_id();
                Ok(Err(unknown_now(open, &body.to_string())))
            }
            Err(error) => Err(error),
        }
    }

    fn tell(&self, step: &Swept, file: &str) {
        let (account, job) = (&self.settings.account, step.id.0);
        let name = printable(file);
        let reason = step.reason.as_deref().map_or_else(String::new, |reason| format!(": {}", printable(reason)));
        match step.event {
            Some(Event::Succeeded) => tracing::info!(account, file, job, "{name}: job {job} is success{reason}"),
            Some(Event::FellShort) => tracing::warn!(account, file, job, "{name}: job {job} is partial{reason}"),
            Some(Event::Failed) => tracing::warn!(account, file, job, "{name}: job {job} is failure{reason}"),
            Some(_) | None if step.reason.is_some() => tracing::warn!(account, file, job, "{name}: job {job}{reason}"),
            Some(_) | None => {}
        }
    }
}

/// The step of a job that Adobe no longer knows. `None` if that was already reported.
fn unknown_now(open: &OpenRemote, why: &str) -> Option<Swept> {
    #[cfg(test)]
    crate::testing::reach::met(crate::testing::reach::Met::UnknownThere);
    let reason = format!(
        "Adobe no longer knows its remote job {} ({why}), so datadrop cannot find out whether it was processed",
        open.remote_job_id
    );
    let is_news = open.job.reason.as_deref() != Some(reason.as_str());
    is_news.then_some(Swept {
        id: open.job.id,
        event: None,
        reason: Some(reason),
        remote: None,
        overdue: Some(Overdue::Delayed),
    })
}
