//! A sweep: one list for all open jobs of an account (DESIGN §4, "Tracking").

use super::{Tracker, judge};
use crate::adobe::{ApiError, Extent, Purpose};
use crate::clock::now;
use crate::job::{Event, JobId, RemoteJob, RemoteJobId, Target, Timestamp, printable};
use crate::joblog::{Backlog, JobLogError, OpenRemote, Swept};
use crate::track::reconcile::WINDOW;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// Job dates carry no zone: a list begins a day earlier than it would have to.
const ZONES: Duration = Duration::from_secs(24 * 3600);
/// Jobs asked for singly in one sweep.
const SINGLY: usize = 5;

impl Tracker {
    pub(super) async fn sweep(&mut self, backlog: &Backlog) -> Result<(), JobLogError> {
        let began = now();
        let open = self.reader.open_remote(&self.settings.account)?;
        let still: HashSet<JobId> = open.iter().map(|job| job.id).collect();
        self.missing.retain(|id, _| still.contains(id));
        let mut targets: Vec<Target> = Vec::new();
        for job in &open {
            if !targets.contains(&job.target) {
                targets.push(job.target.clone());
            }
        }
        for target in targets {
            let jobs: Vec<&OpenRemote> = open.iter().filter(|job| job.target == target).collect();
            if !self.sweep_target(&target, &jobs).await? {
                return Ok(());
            }
        }
        let still_open = self.reader.backlog(&self.settings.account)?.open;
        self.schedule.swept(still_open.min(backlog.open), began, self.clock.moment());
        Ok(())
    }

    /// False: the API did not answer, and the sweep is made again later.
    async fn sweep_target(&mut self, target: &Target, open: &[&OpenRemote]) -> Result<bool, JobLogError> {
        let oldest = open.iter().map(|job| job.uploaded_at).min().unwrap_or_else(now);
        let start =
            self.server_now().before(WINDOW).max(Timestamp(oldest.0.saturating_add(self.server_ahead)).before(ZONES));
        let listing = match self.list(target, start, None, Extent::Announced).await {
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
        let mut steps = Vec::new();
        let mut singly = Vec::new();
        for job in open {
            if job.is_of_former_line {
                steps.extend(unknown_now(job, "it has restarted its job numbers"));
            } else if let Some(remote) = listed.get(&job.remote_job_id) {
                self.missing.remove(&job.id);
                steps.extend(self.step(job, remote));
            } else {
                let missing = self.missing.entry(job.id).or_default();
                *missing += u32::from(listing.complete);
                if *missing >= 2 || now().since(job.uploaded_at) > WINDOW {
                    singly.push(*job);
                }
            }
        }
        self.asked.retain(|id, _| singly.iter().any(|job| job.id == *id));
        singly.sort_by_key(|job| self.asked.get(&job.id).copied());
        for job in singly.into_iter().take(SINGLY) {
            self.asked.insert(job.id, self.clock.moment());
            match self.ask_singly(job).await {
                Ok(step) => steps.extend(step),
                Err(error) => {
                    self.note_failure(&error).await?;
                    break;
                }
            }
        }
        let taken = self.joblog.swept(self.settings.account.clone(), list, steps.clone(), now()).await?;
        self.tell_of(&taken);
        if taken.begins_anew {
            // None of the steps was taken: the numbers by which they were found are other jobs'.
            return Ok(true);
        }
        let names: HashMap<JobId, &str> = open.iter().map(|job| (job.id, job.file_name.as_str())).collect();
        for step in &steps {
            self.tell(step, names.get(&step.id).copied().unwrap_or_default());
        }
        Ok(true)
    }

    /// The step of one job, if anything about it has changed.
    fn step(&self, job: &OpenRemote, remote: &RemoteJob) -> Option<Swept> {
        let step = judge(job.kind, job.rows_expected, &job.likely, remote);
        let mut reason = step.reason;
        // Adobe processed what was sent, and has nothing of what was written later (DESIGN F2).
        let fell_short = job.has_changed && step.event == Some(Event::Succeeded);
        let event = if fell_short { Some(Event::FellShort) } else { step.event };
        let stays = event.is_none_or(|event| job.state.next(event) == Ok(job.state));
        let goes_on = event.is_none_or(|event| job.state.next(event).is_ok_and(|next| !next.is_terminal()));
        let open_for = now().since(job.uploaded_at);
        let given_up = goes_on && open_for >= self.settings.poll.give_up_after;
        // Told long before it is given up: that may be Adobe's last word, in a form that nobody has seen yet.
        let stays_odd = step.is_odd && open_for >= self.settings.poll.max.saturating_mul(2);
        let may_never_end = given_up || stays_odd;
        if stays_odd {
            let said = reason.unwrap_or_default();
            reason = Some(format!("{said}, but somebody should ask Adobe about remote job {}", job.remote_job_id));
        }
        if given_up {
            reason = Some(format!(
                "Adobe has not finished it in {}; datadrop looks once a day from now on, ask Adobe about remote job {}",
                humantime::format_duration(self.settings.poll.give_up_after),
                job.remote_job_id
            ));
        }
        // Unchanged rows are not written anew.
        let unchanged = stays && reason == job.reason && remote.remote_status == job.remote_status;
        (!unchanged).then(|| Swept { id: job.id, event, reason, remote: Some(remote.clone()), may_never_end })
    }

    async fn ask_singly(&self, job: &OpenRemote) -> Result<Option<Swept>, ApiError> {
        let permit = self.settings.budget.acquire(Purpose::Sweep).await;
        match self.settings.client.show_job(&job.target, job.remote_job_id, permit).await {
            Ok(answer) if job.told.is_same(&answer.value) == Some(false) => {
                Ok(unknown_now(job, "that is the number of another file by now"))
            }
            Ok(answer) => Ok(self.step(job, &answer.value)),
            Err(ApiError::NotFound { body, .. }) => {
                // Without its number, which would make it news each time.
                let body = body.without_id();
                Ok(unknown_now(job, &body.to_string()))
            }
            Err(error) => Err(error),
        }
    }

    fn tell(&self, step: &Swept, file: &str) {
        let (account, job) = (&self.settings.account, step.id.0);
        let name = printable(file);
        let reason = step.reason.as_deref().map_or_else(String::new, |reason| format!(": {reason}"));
        match step.event {
            Some(Event::Succeeded) => tracing::info!(account, file, job, "{name}: job {job} is success{reason}"),
            Some(Event::FellShort) => tracing::warn!(account, file, job, "{name}: job {job} is partial{reason}"),
            Some(Event::Failed) => tracing::warn!(account, file, job, "{name}: job {job} is failure{reason}"),
            Some(_) | None if step.reason.is_some() => tracing::warn!(account, file, job, "{name}: job {job}{reason}"),
            Some(_) | None => {}
        }
    }
}

/// Adobe does not know the job any more. Nothing, where that is no news.
fn unknown_now(job: &OpenRemote, why: &str) -> Option<Swept> {
    let reason = format!(
        "Adobe no longer knows its remote job {} ({why}), so datadrop cannot find out whether it was processed",
        job.remote_job_id
    );
    let is_news = job.reason.as_deref() != Some(reason.as_str());
    is_news.then_some(Swept { id: job.id, event: None, reason: Some(reason), remote: None, may_never_end: true })
}
