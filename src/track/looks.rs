//! Looks for what is unconfirmed: the edge around `settle`.

use super::Tracker;
use crate::ambient::{now, random_fraction};
use crate::api::{Extent, Listing};
use crate::job::{Event, JobId, RemoteJob, Target, Timestamp, printable};
use crate::joblog::{JobLogError, LatestAccepted, Unsettled};
use crate::ready::Moment;
use crate::settle::{Judgement, Known, Latest, Look, Looks, Sent, WINDOW, judge, known_by_order};
use std::time::Duration;

/// So long ago, and others who write to the account are taken to have stopped.
const STRANGERS: Duration = Duration::from_secs(31 * 24 * 3600);

impl Tracker {
    /// Takes the looks that are due, and says when the next one is.
    pub(super) async fn look(&mut self, unsettled: &[Unsettled]) -> Result<Option<Moment>, JobLogError> {
        let account = self.settings.account.clone();
        let now_moment = self.clock.moment();
        for job in unsettled {
            let (first, last) = self.attempted_within(job);
            let none_accepted = self.latest_near(&job.target, first, last)?.is_none();
            self.looks.entry(job.id).or_insert_with(|| {
                if none_accepted {
                    tracing::info!(
                        account,
                        job = job.id.0,
                        "{}: job {}: no accepted job of that time is there to compare with, so it is looked for twice as long",
                        printable(&job.wire_name),
                        job.id
                    );
                }
                Looks::begin(self.settings.confirm_for, job.unclear_ends, none_accepted, now_moment)
            });
        }
        let due: Vec<&Unsettled> = unsettled
            .iter()
            .filter(|job| self.looks.get(&job.id).is_some_and(|looks| looks.due() <= now_moment))
            .collect();
        // One list serves all that went to the same place.
        let mut targets: Vec<&Target> = Vec::new();
        for job in &due {
            if !targets.contains(&&job.target) {
                targets.push(&job.target);
            }
        }
        for target in targets {
            let jobs: Vec<&Unsettled> = due.iter().copied().filter(|job| job.target == *target).collect();
            self.look_at(target, &jobs).await?;
        }
        Ok(self.looks.values().map(Looks::due).min())
    }

    async fn look_at(&mut self, target: &Target, jobs: &[&Unsettled]) -> Result<(), JobLogError> {
        let within = jobs.iter().map(|job| self.attempted_within(job));
        let Some((first, last)) = within.reduce(|all, one| (all.0.min(one.0), all.1.max(one.1))) else { return Ok(()) };
        let listing = match self.list(target, first.before(WINDOW), Some(last.after(WINDOW)), Extent::Twice).await {
            Ok(listing) => listing,
            Err(error) => {
                let again = self.note_failure(&error).await?;
                for job in jobs {
                    self.again(job.id, again);
                    let reason = format!("may have been ingested; the remote jobs cannot be looked at: {error}");
                    self.joblog.explain(job.id, reason).await?;
                }
                return Ok(());
            }
        };
        self.note_answer().await?;
        // What was listed is remembered: a remote job that shows late under a name that is sent again must be noticed.
        let seen = self.as_listed(&listing)?;
        let doubled = self.joblog.listed(self.settings.account.clone(), seen).await?;
        self.tell_of_doubled(&doubled);
        let latest = self.latest_near(target, first, last)?;
        let look = Look {
            latest: latest.map_or(Latest::None, |latest| whether_listed(&latest, &listing)),
            steady: listing.steady,
            complete: listing.complete,
            jobs: listing.jobs,
        };
        for job in jobs {
            self.judge_one(&look, job).await?;
        }
        Ok(())
    }

    /// The latest accepted job near an attempt, by which a list of that time can be known to be complete: only what the
    /// window is sure to reach, so a day of leeway at both ends, for job dates carry no zone.
    fn latest_near(
        &self,
        target: &Target,
        first: Timestamp,
        last: Timestamp,
    ) -> Result<Option<LatestAccepted>, JobLogError> {
        let (from, to) = (first.before(WINDOW / 2), last.after(WINDOW / 2));
        self.reader.latest_accepted(&self.settings.account, target, from, to)
    }

    /// Between which times by the server's clock the attempt was made: at one, where an answer told it; else after what
    /// the server had told before, and by now. Our own clock may have been set meanwhile.
    fn attempted_within(&self, job: &Unsettled) -> (Timestamp, Timestamp) {
        let by_our_clock = Timestamp(job.started_at.0.saturating_add(self.server_ahead));
        match (job.server_time, job.server_after) {
            (Some(at), _) => (at, at),
            (None, Some(after)) => (after, self.server_now().max(after)),
            (None, None) => (by_our_clock, by_our_clock),
        }
    }

    async fn judge_one(&mut self, look: &Look, job: &Unsettled) -> Result<(), JobLogError> {
        let mut known = Vec::new();
        for remote in look.jobs.iter().filter(|remote| remote.file_name.as_deref() == Some(job.wire_name.as_str())) {
            known.push((remote.remote_job_id, self.known(remote, job)?));
        }
        let account = &self.settings.account;
        let stranger = self.reader.stranger(&self.settings.account, now().before(STRANGERS))?;
        let stranger = stranger.map(|(id, name)| format!("remote job {id}, {}", printable(&name)));
        let sent = Sent {
            wire_name: &job.wire_name,
            name_is_unique: job.name_is_unique,
            rows_expected: job.rows_expected,
            stranger: stranger.as_deref(),
            unsettled: self.reader.unsettled_namesake(account, &job.wire_name, job.id)?,
        };
        let judgement = judge(look, sent, |remote| {
            known.iter().find(|(id, _)| *id == remote.remote_job_id).map_or(Known::Before, |(_, known)| *known)
        });
        let name = printable(&job.wire_name);
        match judgement {
            Judgement::Found(remote) => {
                let id = remote.remote_job_id;
                let reason = format!("found as remote job {id}: the upload had arrived");
                self.looks.remove(&job.id);
                if self.joblog.settle(job.id, Event::Found, Some(remote), reason, now()).await? {
                    tracing::info!(
                        account,
                        job = job.id.0,
                        remote_job = id.0,
                        "{name}: job {} is found as remote job {id}",
                        job.id
                    );
                }
            }
            Judgement::Hold(why) => {
                let reason = format!(
                    "could not be settled: {why}. It may have been ingested: compare with the remote jobs before it is sent again"
                );
                tracing::error!(account, job = job.id.0, "{name}: job {} is held: {reason}", job.id);
                self.looks.remove(&job.id);
                self.joblog.settle(job.id, Event::Held, None, reason, now()).await?;
            }
            Judgement::NotThere => {
                let now_moment = self.clock.moment();
                if self.looks.get_mut(&job.id).is_some_and(|looks| looks.not_there(now_moment)) {
                    let reason = "the remote jobs do not have it in three looks; it is sent again".to_owned();
                    tracing::warn!(account, job = job.id.0, "{name}: job {}: {reason}", job.id);
                    // Its next unclear end is looked for anew.
                    self.looks.remove(&job.id);
                    self.joblog.settle(job.id, Event::NotFound, None, reason, now()).await?;
                }
            }
            Judgement::NotConclusive(why) => {
                let misses = self.looks.get(&job.id).map_or(0, Looks::misses);
                let wait = self.settings.retry.delay(misses.saturating_add(1), None, random_fraction());
                self.again(job.id, Some(self.clock.moment().after(wait)));
                self.joblog
                    .explain(job.id, format!("may have been ingested; a look at the remote jobs did not count: {why}"))
                    .await?;
            }
        }
        Ok(())
    }

    fn known(&self, remote: &RemoteJob, job: &Unsettled) -> Result<Known, JobLogError> {
        let (account, id) = (&self.settings.account, remote.remote_job_id);
        if self.reader.owner_of_remote(account, id.0)?.is_some() {
            return Ok(Known::Owned);
        }
        Ok(known_by_order(self.reader.first_listed_after(account, id)?, job.began))
    }

    fn again(&mut self, id: JobId, at: Option<Moment>) {
        if let (Some(looks), Some(at)) = (self.looks.get_mut(&id), at) {
            looks.again_at(at);
        }
    }
}

fn whether_listed(latest: &LatestAccepted, listing: &Listing) -> Latest {
    match listing.jobs.iter().find(|job| job.remote_job_id == latest.remote_job_id) {
        Some(job) if job.file_name.as_deref() == Some(latest.wire_name.as_str()) => Latest::Listed,
        Some(_) => Latest::Renamed,
        None => Latest::Missing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::RemoteJobId;

    /// DESIGN S2: by this a list that lags behind is known, and the look does not count.
    #[test]
    fn s2_a_list_that_lacks_our_latest_accepted_job_is_known_by_it() {
        let latest = LatestAccepted { remote_job_id: RemoteJobId(7), wire_name: "sales.txt".to_owned() };
        for (id, name, expected) in [
            (7, Some("sales.txt"), Latest::Listed),
            (7, Some("renamed.txt"), Latest::Renamed),
            (7, None, Latest::Renamed),
            // Its name alone does not make another job ours.
            (8, Some("sales.txt"), Latest::Missing),
        ] {
            let job = RemoteJob {
                file_name: name.map(str::to_owned),
                rows_processed: None,
                remote_job_id: RemoteJobId(id),
                remote_status: None,
                remote_created: None,
                remote_started: None,
                remote_finished: None,
            };
            let listing = Listing { jobs: vec![job], steady: true, complete: true, server_time: None };
            assert_eq!(whether_listed(&latest, &listing), expected, "{id} {name:?}");
        }
        let empty = Listing { jobs: Vec::new(), steady: true, complete: true, server_time: None };
        assert_eq!(whether_listed(&latest, &empty), Latest::Missing);
    }
}
