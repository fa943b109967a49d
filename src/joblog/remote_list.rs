//! What the remote lists say: the baseline, the sweeps, and the end of what was unconfirmed (DESIGN S1 to S4).

use super::account_record::note_block;
use super::advance::advance;
use super::attempts::{disputed, take_remote};
use super::data_days::take_back_days;
use super::destinations::goes_to;
use super::errors::JobLogError;
use super::listed::{RemoteList, Taken, owner_of_remote, take_list};
use super::noted::{likely_of_open, note_overdue, with_change, without_change};
use super::reader::Reader;
use super::row::Job;
use super::sql;
use super::writer::{JobLog, Pending};
use crate::job::sets::AT_ADOBE;
use crate::job::{Event, EventId, JobId, Likely, Overdue, RemoteJob, RemoteJobId, State, Target, Timestamp, Told};
use rusqlite::params;
use std::collections::HashMap;
use std::collections::hash_map::Entry;

/// A job that the API has, and what is known of it there.
#[derive(Debug, Clone)]
pub struct OpenRemote {
    /// The job. Its reason leaves out how its file has changed, which is reported separately.
    pub job: Job,
    /// Adobe's number.
    pub remote_job_id: RemoteJobId,
    /// What Adobe showed of it, by which datadrop recognises it.
    pub told: Told,
    /// The server has started its numbers again since: this job's number may belong to another job by now.
    pub is_of_former_line: bool,
    /// What the check of its file says of a bad end.
    pub likely: Likely,
    /// When it was accepted.
    pub uploaded_at: Timestamp,
    /// Where it went.
    pub target: Target,
}

/// A job whose last attempt ended without a clear answer, and that attempt.
#[derive(Debug, Clone)]
pub struct Unsettled {
    /// The job.
    pub job: Job,
    /// The event that began the attempt.
    pub began: EventId,
    /// When that was, by our clock.
    pub started_at: Timestamp,
    /// When it ended by the server's clock, where an answer said.
    pub server_time: Option<Timestamp>,
    /// A time by the server's clock that was before it began.
    pub server_after: Option<Timestamp>,
    /// The number that the server's answer gave it, though that is another's: it said that it has the file.
    pub disputed: Option<RemoteJobId>,
    /// Where it went.
    pub target: Target,
}

/// What a sweep decided of one job.
#[derive(Debug, Clone)]
pub struct Swept {
    /// The job.
    pub id: JobId,
    /// The step, if it takes one.
    pub event: Option<Event>,
    /// Why, or what is odd.
    pub reason: Option<String>,
    /// Adobe's words.
    pub remote: Option<RemoteJob>,
    /// Adobe takes too long, or does not know it any more: somebody should look.
    pub overdue: Option<Overdue>,
}

impl JobLog {
    /// Makes the baseline durable: the jobs in it cannot be ours. `None`, and nothing is done, if the account goes elsewhere
    /// by now.
    #[must_use]
    pub fn baseline(&self, account: String, target: Target, list: RemoteList) -> Pending<Option<Taken>> {
        self.call(move |unit| {
            if !goes_to(unit, &account, &target)? {
                return Ok(None);
            }
            let taken = take_list(unit, &account, &list)?;
            unit.prepare_cached(
                "UPDATE account SET baseline_event = CASE WHEN baseline_at IS NULL THEN ?3 ELSE baseline_event END,
                            baseline_at = coalesce(baseline_at, ?2), swept_at = ?2
                     WHERE name = ?1",
            )?
            .execute(params![account, list.at.0, list.after.0])?;
            note_block(unit, &account, list.at)?;
            unit.effects.changed = true;
            Ok(Some(taken))
        })
    }

    /// Records a sweep: every job that was listed, and each step that follows from it.
    #[must_use]
    pub fn swept(&self, account: String, list: RemoteList, steps: Vec<Swept>, now: Timestamp) -> Pending<Taken> {
        self.call(move |unit| {
            let taken = take_list(unit, &account, &list)?;
            unit.effects.changed = true;
            if taken.begins_anew {
                // The job of each number must be determined again.
                return Ok(taken);
            }
            unit.read(steps.iter().map(|step| step.id))?;
            for step in &steps {
                let mut job = unit.job(step.id)?;
                if !matches!(job.state, State::Uploaded | State::Processing) {
                    continue;
                }
                if let Some(remote) = &step.remote {
                    take_remote(&mut job, remote);
                }
                match step.event {
                    Some(event) if job.state.next(event)? != job.state => {
                        advance(unit, &mut job, event, step.reason.clone(), now)?;
                    }
                    Some(_) | None => {
                        job.reason = with_change(&job, step.reason.clone());
                        unit.save(&job)?;
                    }
                }
                if let Some(overdue) = step.overdue {
                    note_overdue(unit, &job, overdue, now)?;
                }
            }
            unit.prepare_cached("UPDATE account SET swept_at = ?2 WHERE name = ?1")?
                .execute(params![account, now.0])?;
            Ok(taken)
        })
    }

    /// Records what a look listed.
    #[must_use]
    pub fn listed(&self, account: String, list: RemoteList) -> Pending<Taken> {
        self.call(move |unit| take_list(unit, &account, &list))
    }

    /// Ends what was unconfirmed: `Found` with the remote job, `NotFound` with the time of the next attempt, or `Held`.
    ///
    /// A remote job that another file owns by now is not adopted: the answer is `false`, and the look must be repeated.
    #[must_use]
    pub fn settle(
        &self,
        id: JobId,
        event: Event,
        remote: Option<RemoteJob>,
        reason: String,
        now: Timestamp,
    ) -> Pending<bool> {
        self.call(move |unit| {
            let mut job: Job = unit.job(id)?;
            if job.state != State::Unconfirmed {
                return Ok(false);
            }
            if let Some(remote) = &remote {
                let line = sql::line_of_job(unit, &job)?;
                if owner_of_remote(unit, &job.account, line, remote.remote_job_id.0)?.is_some() {
                    return Ok(false);
                }
                take_remote(&mut job, remote);
            }
            if event == Event::NotFound {
                take_back_days(unit, id)?;
            }
            job.next_attempt_at = Some(now);
            if event == Event::Found {
                // The API takes files in the way in which this one went.
                unit.prepare_cached("UPDATE account SET unclear_streak = 0, refused_styles = NULL WHERE name = ?1")?
                    .execute([&job.account])?;
                note_block(unit, &job.account, now)?;
            }
            advance(unit, &mut job, event, Some(reason.clone()), now)?;
            Ok(true)
        })
    }

    /// A reason for people where nothing else changes.
    #[must_use]
    pub fn explain(&self, id: JobId, reason: String) -> Pending<()> {
        self.call(move |unit| unit.change(id, |row| row.reason = Some(reason.clone())))
    }
}

impl Reader {
    /// Jobs of an account that the API has and that are not at their end.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn open_remote(&self, account: &str) -> Result<Vec<OpenRemote>, JobLogError> {
        let jobs = sql::jobs_of(
            sql::UNFINISHED,
            &self.connection(),
            &format!("account = ?1 AND state IN {AT_ADOBE} AND finished_at IS NULL ORDER BY id"),
            [account],
        )?;
        let mut likely = likely_of_open(&self.connection(), account)?;
        let current = sql::line(&self.connection(), account)?;
        let lines: HashMap<JobId, i64> = self
            .connection()
            .prepare_cached(&format!(
                "SELECT id, line FROM {} WHERE account = ?1 AND state IN {AT_ADOBE} AND finished_at IS NULL",
                sql::UNFINISHED
            ))?
            .query_map([account], |row| Ok((JobId(row.get(0)?), row.get(1)?)))?
            .collect::<rusqlite::Result<_>>()?;
        let mut targets = HashMap::new();
        let mut open = Vec::with_capacity(jobs.len());
        for job in jobs {
            let (Some(remote_job_id), Some(target_id)) = (job.remote_job_id, job.target_id) else {
                return Err(JobLogError::Impossible(format!("job {} is accepted but has no remote job", job.id)));
            };
            let target = match targets.entry(target_id) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => {
                    unknown.insert(sql::target_of(&self.connection(), (job.id, account), target_id)?)
                }
            };
            open.push(OpenRemote {
                remote_job_id,
                told: Told { file_name: None, created: job.remote_created.clone(), by_list: false },
                is_of_former_line: lines.get(&job.id).is_some_and(|line| *line != current),
                likely: likely.remove(&job.id).unwrap_or_default(),
                uploaded_at: job.uploaded_at.unwrap_or(job.seen_at),
                target: target.clone(),
                job: Job { reason: without_change(&job), ..job },
            });
        }
        Ok(open)
    }

    /// Jobs of an account whose last attempt ended without a clear answer.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn unsettled(&self, account: &str) -> Result<Vec<Unsettled>, JobLogError> {
        let jobs = sql::jobs_of(
            sql::UNFINISHED,
            &self.connection(),
            "account = ?1 AND state = 'unconfirmed' AND finished_at IS NULL ORDER BY id",
            [account],
        )?;
        let mut unsettled = Vec::with_capacity(jobs.len());
        for job in jobs {
            let target =
                job.target_id.map(|id| sql::target_of(&self.connection(), (job.id, account), id)).transpose()?;
            let (started_at, server_time, server_after) = self
                .connection()
                .prepare_cached(
                    "SELECT started_at, server_time, server_after FROM attempt WHERE job_id = ?1 AND number = ?2",
                )?
                .query_row(params![job.id.0, job.attempts], |row| {
                    let time = |index| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(index)?.map(Timestamp));
                    Ok((Timestamp(row.get(0)?), time(1)?, time(2)?))
                })?;
            let began = sql::latest_of(&self.connection(), job.id, Event::Started)?;
            let disputed = disputed(&self.connection(), &job)?;
            unsettled.push(Unsettled {
                began,
                started_at,
                server_time,
                server_after,
                disputed,
                target: target.ok_or_else(|| JobLogError::Impossible(format!("job {} was sent nowhere", job.id)))?,
                job,
            });
        }
        Ok(unsettled)
    }
}
