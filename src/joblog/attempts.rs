//! Upload attempts: committing, ended, recovered (DESIGN A2 to A4).

use super::account_record::note_block;
use super::advance::advance;
use super::data_days::take_back_days;
use super::errors::JobLogError;
use super::listed::{after_event, owner_of_remote, remember};
use super::noted::note_overdue;
use super::row::Job;
use super::sql;
use super::unit_of_work::Unit;
use super::writer::{JobLog, Pending};
use crate::job::{Event, JobId, Overdue, Phase, RemoteJob, RemoteJobId, State, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, params};

/// Number of unclear ends of one job after which a person should look (DESIGN S4).
const UNCLEAR_IS_ODD: u32 = 3;

/// How an attempt ended, decided.
#[derive(Debug, Clone)]
pub struct AttemptEnd {
    /// What it means for the job: one of `NotIngested`, `Unclear`, `Accepted`, `Refused`, `Held`.
    pub event: Event,
    /// Why, for people.
    pub reason: Option<String>,
    /// When the job is due again, if it is queued again.
    pub again_at: Option<Timestamp>,
    /// What the API made of it.
    pub remote: Option<RemoteJob>,
    /// HTTP status.
    pub status: Option<u16>,
    /// The server's name for the request.
    pub request_id: Option<String>,
    /// The server's own clock.
    pub server_time: Option<Timestamp>,
    /// The answer blamed the account or its credential.
    pub blames_account: bool,
    /// The file was not the promised one: the inbox checks it again before it is sent.
    pub file_differs: bool,
}

/// What the job log made of an attempt's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Where the job stands now.
    pub state: State,
    /// Why, as the job log has it.
    pub reason: Option<String>,
    /// Answers in a row, of whatever file of the account, that said that a token is not valid.
    pub unauthorised: u32,
}

impl JobLog {
    /// Notes that bytes of the request go, and how many of a hundred. Before `committing` that proves as little as
    /// `started`.
    #[must_use]
    pub fn sending(&self, id: JobId, attempt: u32, percent: u8) -> Pending<()> {
        self.call(move |unit| sql::save_sending(unit, id, attempt, percent))
    }

    /// Makes `committing` durable: only then may the last bytes go.
    #[must_use]
    pub fn committing(&self, id: JobId, attempt: u32, now: Timestamp) -> Pending<()> {
        self.call(move |unit| {
            let job = unit.job(id)?;
            if job.attempts != attempt {
                // A person took the job back and let it go again: this attempt is over.
                return Err(JobLogError::Impossible(format!("attempt {attempt} of job {id} is over")));
            }
            let next = job.state.next(Event::Committing)?;
            #[cfg(test)]
            crate::testing::reach::step(job.state, Event::Committing);
            unit.save(&Job { state: next, ..job.clone() })?;
            sql::save_committing(unit, id, attempt, now)?;
            sql::insert_event(unit, id, now, Event::Committing.as_str(), Some(job.state), next, None)
        })
    }

    /// Writes down how an attempt ended.
    #[must_use]
    pub fn end_attempt(&self, id: JobId, attempt: u32, end: AttemptEnd, now: Timestamp) -> Pending<Ended> {
        self.call(move |unit| {
            let job = unit.job(id)?;
            // The same end reported twice, after a commit that seemed to fail, must not end the attempt after it.
            if job.attempts != attempt || !matches!(job.state, State::Uploading(_)) {
                note_late_end(unit, job.clone(), attempt, &end, now)?;
                return Ok(Ended { state: job.state, reason: job.reason, unauthorised: 0 });
            }
            end_attempt(unit, job, &end, now)
        })
    }

    /// At start: what was in progress when the process ended (DESIGN A3). Returns where each stands now.
    #[must_use]
    pub fn recover(&self, now: Timestamp) -> Pending<Vec<Result<(JobId, State), JobLogError>>> {
        self.call(move |unit| {
            let interrupted = sql::each_of("job", unit, "state = 'uploading' AND finished_at IS NULL", [])?;
            let mut recovered = Vec::with_capacity(interrupted.len());
            for job in interrupted {
                recovered.push(match job {
                    Ok(job) => Ok((job.id, recover(unit, &job, now)?)),
                    // Its account finds it as well, and is blocked by it.
                    Err(bad) => Err(bad),
                });
            }
            Ok(recovered)
        })
    }

    /// The same for one job, whose attempt ended by a defect of ours.
    #[must_use]
    pub fn recover_one(&self, id: JobId, now: Timestamp) -> Pending<State> {
        self.call(move |unit| {
            let job = unit.job(id)?;
            if matches!(job.state, State::Uploading(_)) { recover(unit, &job, now) } else { Ok(job.state) }
        })
    }
}

/// The same table for a crash as for a live error: before `committing` nothing can have arrived.
fn recover(unit: &mut Unit<'_>, job: &Job, now: Timestamp) -> Result<State, JobLogError> {
    let committing = job.state == State::Uploading(Phase::Committing);
    let (event, reason) = if committing {
        (
            Event::Unclear,
            "datadrop ended while the upload was being confirmed; the remote jobs decide whether it arrived",
        )
    } else {
        (Event::NotIngested, "datadrop ended before the upload was complete")
    };
    let end = AttemptEnd {
        event,
        reason: Some(reason.to_owned()),
        again_at: Some(now),
        remote: None,
        status: None,
        request_id: None,
        server_time: None,
        blames_account: false,
        file_differs: false,
    };
    Ok(end_attempt(unit, job.clone(), &end, now)?.state)
}

pub(super) fn end_attempt(
    unit: &mut Unit<'_>,
    mut job: Job,
    end: &AttemptEnd,
    now: Timestamp,
) -> Result<Ended, JobLogError> {
    let (mut event, mut reason) = (end.event, end.reason.clone());
    // The answer names a job that cannot be this file's: it proves nothing.
    let line = end.remote.as_ref().map(|_| sql::line_of_job(unit, &job)).transpose()?;
    let anothers = match (&end.remote, line) {
        (Some(remote), Some(line)) => anothers(unit, &job, line, remote.remote_job_id)?,
        (_, _) => None,
    };
    if let (Some(remote), Some(whose)) = (&end.remote, &anothers) {
        event = Event::Unclear;
        reason = Some(format!(
            "the answer named the remote job {}, which {whose}; the remote jobs decide",
            remote.remote_job_id
        ));
    }
    let disputed = anothers.as_ref().and(end.remote.as_ref()).map(|remote| remote.remote_job_id);
    let style = end_row(unit, &job, (event, reason.as_deref(), disputed), end, now)?;
    if end.blames_account {
        job.refusals += 1;
    }
    if end.file_differs {
        #[cfg(test)]
        crate::testing::reach::met(crate::testing::reach::Met::FileDiffers);
        job.identity = None;
    }
    if let (Some(remote), Some(line), None) = (&end.remote, line, anothers) {
        take_remote(&mut job, remote);
        remember(unit, &job.account, (line, remote, false), None, now)?;
    }
    if matches!(event, Event::NotIngested | Event::Refused) {
        take_back_days(unit, job.id)?;
    }
    job.next_attempt_at = end.again_at;
    match event {
        Event::Unclear => {
            job.unclear_ends += 1;
            streak(unit, &job.account, "unclear_streak = unclear_streak + 1")?;
        }
        Event::Accepted => {
            let changed = unit.prepare_cached(
                "UPDATE account SET unclear_streak = 0, refused_streak = 0, refused_alike = NULL, style = ?2, refused_styles = NULL,
                        proven_by = iif(proven_style IS ?2, proven_by, ?3), proven_at = iif(proven_style IS ?2, proven_at, ?4),
                        proven_style = ?2, unauthorised_streak = 0
                 WHERE name = ?1 AND (unclear_streak <> 0 OR refused_streak <> 0 OR refused_alike IS NOT NULL OR style IS NOT ?2
                                      OR proven_style IS NOT ?2 OR unauthorised_streak <> 0 OR refused_styles IS NOT NULL)",
            )?
            .execute(params![job.account, style, job.id.0, now.0])?;
            if changed > 0 {
                note_block(unit, &job.account, now)?;
            }
        }
        // Any answer is a clear end, and so is a refusal before one.
        Event::Refused | Event::Held => streak(unit, &job.account, "unclear_streak = 0")?,
        Event::NotIngested if end.status.is_some() => streak(unit, &job.account, "unclear_streak = 0")?,
        Event::NotIngested
        | Event::Ready
        | Event::Released
        | Event::Started
        | Event::Committing
        | Event::Found
        | Event::NotFound
        | Event::KeptLocal
        | Event::Processing
        | Event::Succeeded
        | Event::FellShort
        | Event::Changed
        | Event::Failed
        | Event::Cancelled
        | Event::Returned
        | Event::Adopted
        | Event::GivenUp => {}
    }
    // Held although the server said that it took it: whether it was ingested is unknown.
    job.unsettled |= event == Event::Held && end.status.is_some_and(|status| (200..300).contains(&status));
    advance(unit, &mut job, event, reason, now)?;
    if event == Event::Unclear && job.unclear_ends == UNCLEAR_IS_ODD {
        note_overdue(unit, &job, Overdue::Delayed, now)?;
    }
    let unauthorised = if event == Event::Accepted { 0 } else { count_unauthorised(unit, &job.account, end.status)? };
    Ok(Ended { state: job.state, reason: job.reason, unauthorised })
}

/// Ends the row of the job's latest attempt, and returns its style.
fn end_row(
    unit: &Unit<'_>,
    job: &Job,
    (event, reason, disputed): (Event, Option<&str>, Option<RemoteJobId>),
    end: &AttemptEnd,
    now: Timestamp,
) -> Result<Option<String>, JobLogError> {
    Ok(unit
        .prepare_cached(
            "UPDATE attempt SET phase = CASE WHEN ?3 IS NULL THEN phase ELSE 'answered' END, ended_at = ?4, outcome = ?5,
                    http_status = ?3, request_id = ?6, server_time = ?7, detail = ?8, disputed_job_id = ?9
             WHERE job_id = ?1 AND number = ?2 RETURNING style",
        )?
        .query_row(
            params![
                job.id.0,
                job.attempts,
                end.status,
                now.0,
                event.as_str(),
                end.request_id,
                end.server_time.map(|time| time.0),
                reason,
                disputed.map(|id| id.0)
            ],
            |row| row.get(0),
        )
        .optional()?)
}

/// The answer to an attempt whose job a person gave up meanwhile: it tells whether it was ingested after all.
fn note_late_end(
    unit: &mut Unit<'_>,
    mut job: Job,
    attempt: u32,
    end: &AttemptEnd,
    now: Timestamp,
) -> Result<(), JobLogError> {
    if job.attempts != attempt || job.state != State::Cancelled || !job.unsettled {
        return Ok(());
    }
    let line = end.remote.as_ref().map(|_| sql::line_of_job(unit, &job)).transpose()?;
    let detail = match end.remote.as_ref().zip(line) {
        Some((remote, line)) if anothers(unit, &job, line, remote.remote_job_id)?.is_none() => {
            take_remote(&mut job, remote);
            remember(unit, &job.account, (line, remote, false), None, now)?;
            format!("it was ingested: Adobe accepted it as remote job {} after it was given up", remote.remote_job_id)
        }
        Some(_) | None if matches!(end.event, Event::NotIngested | Event::Refused) => {
            job.unsettled = false;
            "it was not ingested: Adobe refused it after it was given up".to_owned()
        }
        Some(_) | None => return Ok(()),
    };
    job.reason = Some(detail.clone());
    unit.save(&job)?;
    sql::insert_event(unit, job.id, now, "late-answer", Some(job.state), job.state, Some(&detail))
}

/// The number that the server's answer gave to the job's latest attempt, though it is another's here.
pub(super) fn disputed(connection: &Connection, job: &Job) -> Result<Option<RemoteJobId>, JobLogError> {
    let number = connection
        .prepare_cached("SELECT disputed_job_id FROM attempt WHERE job_id = ?1 AND number = ?2")?
        .query_row(params![job.id.0, job.attempts], |row| row.get::<_, Option<i64>>(0))
        .optional()?;
    Ok(number.flatten().map(RemoteJobId))
}

/// Why a remote job cannot come from the job's latest attempt, if it cannot.
fn anothers(connection: &Connection, job: &Job, line: i64, id: RemoteJobId) -> Result<Option<String>, JobLogError> {
    if let Some(owner) = owner_of_remote(connection, &job.account, line, id.0)? {
        return Ok(Some(format!("is that of job {owner}, unless the server has restarted its job numbers")));
    }
    let Some(listed_after) = after_event(connection, &job.account, line, id)? else { return Ok(None) };
    let began = sql::latest_of(connection, job.id, Event::Started)?;
    Ok((listed_after < began).then(|| "was there before".to_owned()))
}

/// Counts answers in a row that refused a token; any other answer ends the row.
fn count_unauthorised(connection: &Connection, account: &str, status: Option<u16>) -> Result<u32, JobLogError> {
    let Some(status) = status else { return Ok(0) };
    if status != 401 {
        connection
            .prepare_cached("UPDATE account SET unauthorised_streak = 0 WHERE name = ?1 AND unauthorised_streak > 0")?
            .execute([account])?;
        return Ok(0);
    }
    Ok(connection
        .prepare_cached(
            "UPDATE account SET unauthorised_streak = unauthorised_streak + 1 WHERE name = ?1 RETURNING unauthorised_streak",
        )?
        .query_row([account], |row| row.get(0))?)
}

fn streak(connection: &Connection, account: &str, change: &str) -> Result<(), JobLogError> {
    connection.prepare_cached(&format!("UPDATE account SET {change} WHERE name = ?1"))?.execute([account])?;
    Ok(())
}

/// Adobe's words on its job, as last seen.
pub(super) fn take_remote(job: &mut Job, remote: &RemoteJob) {
    let RemoteJob {
        file_name: _,
        rows_processed,
        remote_job_id: RemoteJobId(id),
        remote_status,
        remote_created,
        remote_started,
        remote_finished,
    } = remote;
    job.remote_job_id = Some(RemoteJobId(*id));
    job.rows_processed = *rows_processed;
    job.remote_status.clone_from(remote_status);
    job.remote_created.clone_from(remote_created);
    job.remote_started.clone_from(remote_started);
    job.remote_finished.clone_from(remote_finished);
}
