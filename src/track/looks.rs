//! Looks at the remote list for unconfirmed jobs. It does the I/O around `reconcile`.

use super::Tracker;
use crate::adobe::{ApiError, Extent, Listing, Purpose};
use crate::clock::Moment;
use crate::clock::{now, random_fraction};
use crate::job::{Event, EventId, JobId, Likeness, Naming, RemoteJob, Target, Timestamp, printable};
use crate::joblog::{JobLogError, LatestAccepted, Unsettled};
use crate::track::reconcile::{Judgement, Known, Latest, Look, Looks, Sent, WINDOW, judge, known_by_order};
use std::collections::HashMap;
use std::time::Duration;

/// Time after which another sender to the account counts as gone.
const STRANGERS: Duration = Duration::from_secs(31 * 24 * 3600);

impl Tracker {
    /// Takes the looks that are due, and returns when the next one is due.
    pub(super) async fn look(&mut self, unsettled: &[Unsettled]) -> Result<Option<Moment>, JobLogError> {
        let account = self.settings.account.clone();
        let now_moment = self.clock.moment();
        for upload in unsettled {
            let job = &upload.job;
            let (first, last) = self.attempted_within(upload);
            let none_accepted = self.latest_near(&upload.target, first, last)?.is_empty();
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
            .filter(|upload| self.looks.get(&upload.job.id).is_some_and(|looks| looks.due() <= now_moment))
            .collect();
        // One list serves all uploads to the same target.
        let mut targets: Vec<&Target> = Vec::new();
        for upload in &due {
            if !targets.contains(&&upload.target) {
                targets.push(&upload.target);
            }
        }
        for target in targets {
            let uploads: Vec<&Unsettled> = due.iter().copied().filter(|upload| upload.target == *target).collect();
            self.look_at(target, &uploads).await?;
        }
        Ok(self.looks.values().map(Looks::due).min())
    }

    async fn look_at(&mut self, target: &Target, uploads: &[&Unsettled]) -> Result<(), JobLogError> {
        let within = uploads.iter().map(|upload| self.attempted_within(upload));
        let Some((first, last)) = within.reduce(|all, one| (all.0.min(one.0), all.1.max(one.1))) else { return Ok(()) };
        #[cfg(test)]
        crate::testing::reach::asks(crate::testing::reach::Asks::Look);
        let listing = match self.list(target, first.before(WINDOW), Some(last.after(WINDOW)), Extent::Twice).await? {
            Ok(listing) => listing,
            Err(error) => {
                let again = self.note_failure(&error).await?;
                for Unsettled { job, .. } in uploads {
                    self.again(job.id, again);
                    let reason = format!("may have been ingested; the remote jobs cannot be looked at: {error}");
                    self.joblog.explain(job.id, reason).await?;
                }
                return Ok(());
            }
        };
        // Note the list first, because uploads may begin once the answer is noted. Jobs that the list shows cannot come
        // from them.
        self.note_shown(&listing, target).await?;
        self.note_answer().await?;
        let latest = self.whether_listed(target, &listing, self.latest_near(target, first, last)?).await?;
        if latest == Latest::Forgotten {
            #[cfg(test)]
            crate::testing::reach::met(crate::testing::reach::Met::PastForgotten);
            for upload in uploads {
                if let Some(looks) = self.looks.get_mut(&upload.job.id) {
                    looks.doubt();
                }
            }
        }
        let look = Look { latest, steady: listing.steady, complete: listing.complete, jobs: listing.jobs };
        for upload in uploads {
            self.judge_one(&look, upload).await?;
        }
        Ok(())
    }

    /// Returns whether the list has this account's latest accepted job. If it does not, the client asks the server for
    /// that job alone. A list may lag behind. But a server that does not know a job which it has listed, or should have
    /// listed by now, has lost its past.
    async fn whether_listed(
        &mut self,
        target: &Target,
        listing: &Listing,
        latest: Vec<LatestAccepted>,
    ) -> Result<Latest, JobLogError> {
        let Some(newest) = latest.first() else {
            #[cfg(test)]
            crate::testing::reach::met(crate::testing::reach::Met::LookWithoutLatest);
            return Ok(Latest::None);
        };
        if is_in(newest, listing) {
            return Ok(Latest::Listed);
        }
        for job in latest {
            if is_in(&job, listing) {
                return Ok(Latest::Listed);
            }
            let should_be_listed = job.told.by_list || now().since(job.accepted_at) > 2 * self.settings.confirm_for;
            if !should_be_listed {
                return Ok(Latest::Missing);
            }
            let permit = self.settings.budget.acquire(Purpose::Sweep).await;
            #[cfg(test)]
            crate::testing::reach::asks(crate::testing::reach::Asks::Comparison);
            match self.settings.client.show_job(target, job.remote_job_id, permit).await {
                Err(ApiError::NotFound { .. }) => {}
                Ok(answer) if job.told.is_same(&answer.value) == Some(false) => {}
                Ok(_) | Err(_) => return Ok(Latest::Missing),
            }
        }
        Ok(Latest::Forgotten)
    }

    /// Returns the latest accepted jobs near an attempt, which show whether a list of that time is complete. The period
    /// has a day of leeway at both ends, so that the window surely covers these jobs, because job dates have no zone.
    fn latest_near(
        &self,
        target: &Target,
        first: Timestamp,
        last: Timestamp,
    ) -> Result<Vec<LatestAccepted>, JobLogError> {
        let (from, to) = (first.before(WINDOW / 2), last.after(WINDOW / 2));
        self.reader.latest_accepted(&self.settings.account, target, from, to)
    }

    /// Returns the earliest and latest time of the attempt by the server's clock. If an answer showed the time, both
    /// are equal. Otherwise the attempt began after the time that the server had shown before, and before now. The
    /// clock of this computer may have been set meanwhile.
    fn attempted_within(&self, upload: &Unsettled) -> (Timestamp, Timestamp) {
        let by_our_clock = Timestamp(upload.started_at.0.saturating_add(self.server_ahead));
        match (upload.server_time, upload.server_after) {
            (Some(at), _) => (at, at),
            (None, Some(after)) => (after, self.server_now().max(after)),
            (None, None) => (by_our_clock, by_our_clock),
        }
    }

    async fn judge_one(&mut self, look: &Look, upload: &Unsettled) -> Result<(), JobLogError> {
        let job = &upload.job;
        let account = &self.settings.account;
        let naming = self.reader.naming(account)?;
        let mut known = HashMap::new();
        for remote in &look.jobs {
            known.insert(remote.remote_job_id, self.known(remote, &naming, upload)?);
        }
        let stranger = self.reader.stranger(account, now().before(STRANGERS))?;
        let stranger = stranger.map(|(id, name)| format!("remote job {id}, {}", printable(&name)));
        let others = self.reader.others_sent(account, job.id)?;
        let sent = Sent {
            wire_name: &job.wire_name,
            name_is_unique: job.wire_name != job.file_name,
            rows_expected: job.rows_expected,
            stranger: stranger.as_deref(),
            others: &others,
            naming: &naming,
            began_at: self.attempted_within(upload).0,
        };
        let judgement = judge(look, sent, |remote| {
            known.get(&remote.remote_job_id).copied().unwrap_or(Known::Fresh(EventId(i64::MAX)))
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
                    // The server answered that it has the file. Lists that do not show it as this job's are no proof
                    // against that.
                    #[cfg(test)]
                    crate::testing::reach::met(match upload.disputed {
                        Some(_) => crate::testing::reach::Met::HeldDisputed,
                        None => crate::testing::reach::Met::SentAgain,
                    });
                    let (event, reason) = match upload.disputed {
                        Some(number) => (
                            Event::Held,
                            format!(
                                "could not be settled: the server answered that it had accepted the file as remote job {number}, \
                                 which is another's here, and the remote jobs show no other in three looks. It may have been \
                                 ingested: compare with the remote jobs before it is sent again"
                            ),
                        ),
                        None => (
                            Event::NotFound,
                            "the remote jobs do not have it in three looks; it is sent again".to_owned(),
                        ),
                    };
                    tracing::warn!(account, job = job.id.0, "{name}: job {}: {reason}", job.id);
                    // If a later attempt ends unclear, a new search starts.
                    self.looks.remove(&job.id);
                    self.joblog.settle(job.id, event, None, reason, now()).await?;
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

    /// Returns what datadrop knows of a remote job. If a job owns its number, the name or the date must also match,
    /// because a server may reuse numbers.
    fn known(&self, remote: &RemoteJob, naming: &Naming, upload: &Unsettled) -> Result<Known, JobLogError> {
        let (account, id) = (&self.settings.account, remote.remote_job_id);
        if let Some((wire_name, told)) = self.reader.ownership(account, id)? {
            let is_named_so = match (wire_name.as_deref(), remote.file_name.as_deref()) {
                (Some(sent), Some(shown)) => {
                    naming.likeness(sent, shown) != Likeness::Other || told.was_listed_as(remote)
                }
                (None, _) | (_, None) => true,
            };
            let is_it = is_named_so && told.is_same(remote) != Some(false);
            return Ok(if is_it { Known::Owned } else { Known::Disputed });
        }
        Ok(known_by_order(self.reader.first_listed_after(account, id)?, upload.began))
    }

    fn again(&mut self, id: JobId, at: Option<Moment>) {
        if let (Some(looks), Some(at)) = (self.looks.get_mut(&id), at) {
            looks.again_at(at);
        }
    }
}

/// Returns whether the listing has the job. Its name does not matter, because a server may change it. Its number alone
/// does not suffice, because another job may have it by now.
fn is_in(latest: &LatestAccepted, listing: &Listing) -> bool {
    let of_its_number = listing.jobs.iter().find(|job| job.remote_job_id == latest.remote_job_id);
    of_its_number.is_some_and(|job| latest.told.is_same(job) != Some(false))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{RemoteJobId, Told};

    /// DESIGN S2: a list that lacks the latest accepted job lags behind, so the look does not count.
    #[test]
    fn s2_a_list_that_lacks_our_latest_accepted_job_is_known_by_it() {
        let created = |date: &str| Some(date.to_owned());
        let told = Told { file_name: None, created: created("2026-11-20 10:00:00"), by_list: true };
        let latest = LatestAccepted { remote_job_id: RemoteJobId(7), accepted_at: Timestamp(0), told };
        for (id, date, expected) in [
            (7, None, true),
            (7, created("11/20/2026 10:00:00"), true),
            (7, created("2026-11-21 10:07:00"), false),
            (8, created("2026-11-20 10:00:00"), false),
        ] {
            let job = RemoteJob {
                file_name: Some("renamed.txt".to_owned()),
                rows_processed: None,
                remote_job_id: RemoteJobId(id),
                remote_status: None,
                remote_created: date.clone(),
                remote_started: None,
                remote_finished: None,
            };
            let listing = Listing { jobs: vec![job], steady: true, complete: true, server_time: None };
            assert_eq!(is_in(&latest, &listing), expected, "{id} {date:?}");
        }
    }
}
