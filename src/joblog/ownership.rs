//! Which of the remote jobs are ours: what a look at the remote list needs of the job log (DESIGN S2, S3, S6), and those that no
//! job owns, held against files that are about to be sent (DESIGN F8, S5).

use super::errors::JobLogError;
use super::listed::{after_event, learnt, namesake, owner_of_remote, told};
use super::reader::Reader;
use super::row::Job;
use super::sql;
use crate::job::sets::{ON_THE_WIRE, ON_THE_WIRE_OR_HELD};
use crate::job::{Event, EventId, JobId, Likeness, Naming, OtherSent, RemoteJobId, Target, Timestamp, Told, printable};
use rusqlite::{Connection, OptionalExtension as _, params};

/// When a job's file was first seen, in the order of events, which no clock changes. A person may have moved it since, which made
/// it a new one (DESIGN F3): what was asked of it then is asked again.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sighting {
    /// The event with which its file was first seen.
    seen: EventId,
    /// The last event before the account's first list, where its file lay in the folder at the account's first scan.
    baseline: Option<EventId>,
    /// The first scan since the start found it.
    lay_there: bool,
}

pub(super) fn sighting(connection: &Connection, job: &Job) -> Result<Sighting, JobLogError> {
    Ok(connection
        .prepare_cached(
            "SELECT coalesce(seen, 0), CASE WHEN baseline_at IS NOT NULL AND seen <= first_scan_event THEN baseline_event END,
                    coalesce(start_scan_event, seen) >= seen
             FROM (SELECT min(id) AS seen FROM job_event
                   WHERE job_id IN (SELECT ?2 UNION ALL
                                    SELECT id FROM job WHERE account = ?1 AND sha256 = ?3 AND kind = 'data' AND state = 'cancelled'
                                      AND place = 'gone' AND attempts = 0 AND NOT released AND id < ?2))
             JOIN account WHERE name = ?1",
        )?
        .query_row(params![job.account, job.id.0, job.sha256.map(|hash| hash.to_string())], |row| {
            let lay_there = row.get::<_, Option<bool>>(2)?.unwrap_or_default();
            let baseline = row.get::<_, Option<i64>>(1)?.map(EventId);
            Ok(Sighting { seen: EventId(row.get(0)?), baseline, lay_there })
        })?)
}

/// Whether a file lay in the folder at the account's first start under a name that the first remote list had (F8).
pub(super) fn was_there_first(connection: &Connection, job: &Job, sighting: Sighting) -> Result<bool, JobLogError> {
    let Some(baseline) = sighting.baseline else { return Ok(false) };
    let unowned =
        unowned(connection, &job.account, "?2 <= after_event AND after_event <= ?3", (Timestamp(0), baseline.0))?;
    let names = [job.wire_name.as_str(), job.file_name.as_str()];
    Ok(!named(connection, &job.account, &names, unowned)?.is_empty())
}

/// The remote jobs of the last two days under the job's wire name that no job owns, the newest last. `since`: nothing
/// counts that was listed before both.
pub(super) fn unowned_of_name(
    connection: &Connection,
    job: &Job,
    since: (EventId, Timestamp),
) -> Result<Vec<Unowned>, JobLogError> {
    let unowned = unowned(connection, &job.account, "first_seen_at > ?2 AND after_event >= ?3", (since.1, since.0.0))?;
    named(connection, &job.account, &[job.wire_name.as_str()], unowned)
}

/// One of them that was first listed after the first attempt of ours under that name began: an attempt that seemed not to
/// have arrived may have.
pub(super) fn since_first_attempt(
    connection: &Connection,
    job: &Job,
    unowned: &[Unowned],
) -> Result<Option<RemoteJobId>, JobLogError> {
    // Asked last, since most often there is none, and the files of a daily name grow ever more.
    let Some(last) = unowned.last() else { return Ok(None) };
    let namesake = namesake(connection, &job.account, &job.wire_name)?;
    Ok(namesake.filter(|namesake| last.after >= namesake.first_attempt).map(|_| last.id))
}

/// One of them that was first listed after the file of a job was seen that was never attempted (DESIGN S5): the list that
/// each start begins with tells what a machine sent that was set back since. A file that the first scan of the start found was
/// there before that list.
pub(super) fn since_seen(sighting: Sighting, unowned: &[Unowned]) -> Option<RemoteJobId> {
    let is_later = |remote: &&Unowned| remote.after >= sighting.seen || sighting.lay_there && remote.is_of_this_start;
    unowned.iter().rev().find(is_later).map(|remote| remote.id)
}

/// A remote job that no job owns.
#[derive(Debug)]
pub(super) struct Unowned {
    id: RemoteJobId,
    name: String,
    /// The last event before it was first listed.
    after: EventId,
    /// That was since the last start.
    is_of_this_start: bool,
}

/// Returns the remote jobs of the account's line that no job owns, the newest last.
fn unowned(
    connection: &Connection,
    account: &str,
    condition: &str,
    (at, after): (Timestamp, i64),
) -> Result<Vec<Unowned>, JobLogError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT remote_job_id, file_name, after_event,
                start_number = (SELECT start_number FROM account WHERE name = ?1)
         FROM remote_job INDEXED BY remote_job_unowned
         WHERE account = ?1 AND NOT owned AND line = (SELECT line FROM account WHERE name = ?1) AND {condition}
           AND after_event >= (SELECT aimed_event FROM account WHERE name = ?1) AND file_name IS NOT NULL
         ORDER BY after_event"
    ))?;
    let rows = statement.query_map(params![account, at.0, after], |row| {
        Ok(Unowned {
            id: RemoteJobId(row.get(0)?),
            name: row.get(1)?,
            after: EventId(row.get(2)?),
            is_of_this_start: row.get(3)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Those of them whose name may be what the API makes of one of these.
fn named(
    connection: &Connection,
    account: &str,
    names: &[&str],
    mut unowned: Vec<Unowned>,
) -> Result<Vec<Unowned>, JobLogError> {
    if unowned.is_empty() {
        return Ok(unowned);
    }
    let naming = learnt(connection, account)?;
    let may_be = |shown: &str| {
        names
            .iter()
            .any(|name| *name == shown || !naming.explains_nothing() && naming.likeness(name, shown) != Likeness::Other)
    };
    unowned.retain(|remote| may_be(&remote.name));
    Ok(unowned)
}

/// Why a held job cannot be the remote job that a person takes it for, if it cannot: its name is not what the API makes of the
/// name that was sent, and no look since the attempt had shown it when the job was held (DESIGN S6).
pub(super) fn not_of_that_name(
    connection: &Connection,
    job: &Job,
    (remote, shown): (RemoteJobId, Option<&str>),
) -> Result<Option<String>, JobLogError> {
    let line = sql::line_of_job(connection, job)?;
    let known = told(connection, &job.account, line, remote)?.and_then(|told| told.file_name);
    let Some(name) = shown.or(known.as_deref()) else { return Ok(None) };
    if name == job.wire_name || learnt(connection, &job.account)?.likeness(&job.wire_name, name) != Likeness::Other {
        return Ok(None);
    }
    let (began, held) =
        (sql::latest_of(connection, job.id, Event::Started)?, sql::latest_of(connection, job.id, Event::Held)?);
    let listed = after_event(connection, &job.account, line, remote)?;
    if listed.is_some_and(|listed| began <= listed && listed < held) {
        return Ok(None);
    }
    let (name, wire_name) = (printable(name), printable(&job.wire_name));
    Ok(Some(format!("the remote job {remote} is named {name} at Adobe, not {wire_name}")))
}

/// One of the latest jobs of an account that the API accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatestAccepted {
    /// Adobe's number.
    pub remote_job_id: RemoteJobId,
    /// When it was accepted, by our clock.
    pub accepted_at: Timestamp,
    /// What Adobe has shown of it.
    pub told: Told,
}

/// Number of the latest accepted jobs to look for in a list. A list without any of them comes from a server that lost
/// them.
const LATEST: u32 = 3;

impl Reader {
    /// The last event before the list that first showed a remote job; `None` if no list ever did.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn first_listed_after(&self, account: &str, id: RemoteJobId) -> Result<Option<EventId>, JobLogError> {
        let connection = self.connection();
        after_event(&connection, account, sql::line(&connection, account)?, id)
    }

    /// How the API to which the account's files go changes names (DESIGN S6).
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn naming(&self, account: &str) -> Result<Naming, JobLogError> {
        learnt(&self.connection(), account)
    }

    /// Why a held job cannot be a remote job that is shown under this name, if it cannot.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read, or has no such job.
    pub fn not_of_that_name(
        &self,
        job: JobId,
        remote: RemoteJobId,
        shown: &str,
    ) -> Result<Option<String>, JobLogError> {
        let connection = self.connection();
        not_of_that_name(&connection, &sql::job(&connection, job)?, (remote, Some(shown)))
    }

    /// The account's other files that may be what a remote job came from: on the wire, or held or given up without anybody
    /// knowing whether they arrived.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn others_sent(&self, account: &str, except: JobId) -> Result<Vec<OtherSent>, JobLogError> {
        let columns = format!(
            "id, wire_name, state = 'uploading', state IN {ON_THE_WIRE},
             (SELECT max(id) FROM job_event WHERE job_id = job.id AND event = 'started')"
        );
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&format!(
            "SELECT {columns} FROM {} WHERE account = ?1 AND finished_at IS NULL AND state IN {ON_THE_WIRE_OR_HELD}
               AND (state <> 'held' OR (unsettled AND remote_job_id IS NULL)) AND id <> ?2 AND {there}
             UNION ALL
             SELECT {columns} FROM job INDEXED BY job_ended WHERE account = ?1 AND state = 'cancelled' AND finished_at IS NOT NULL
               AND unsettled AND remote_job_id IS NULL AND id <> ?2 AND {there}",
            sql::UNFINISHED,
            there = sql::GOES_THERE
        ))?;
        let rows = statement.query_map(params![account, except.0], |row| {
            Ok(OtherSent {
                id: JobId(row.get(0)?),
                wire_name: row.get(1)?,
                is_uploading: row.get(2)?,
                is_open: row.get(3)?,
                began: EventId(row.get::<_, Option<i64>>(4)?.unwrap_or_default()),
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// A remote job that came from elsewhere while datadrop was at work on the account, later than `since`.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn stranger(&self, account: &str, since: Timestamp) -> Result<Option<(RemoteJobId, String)>, JobLogError> {
        Ok(self
            .connection()
            .prepare_cached("SELECT stranger_id, stranger_name FROM account WHERE name = ?1 AND stranger_seen_at > ?2")?
            .query_row(params![account, since.0], |row| Ok((RemoteJobId(row.get(0)?), row.get(1)?)))
            .optional()?)
    }

    /// The job that owns a remote job.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn owner_of_remote(&self, account: &str, remote_job_id: i64) -> Result<Option<JobId>, JobLogError> {
        let connection = self.connection();
        owner_of_remote(&connection, account, sql::line(&connection, account)?, remote_job_id)
    }

    /// The same with the name that its file was sent under, and what Adobe has shown of the remote job.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn ownership(&self, account: &str, remote: RemoteJobId) -> Result<Option<(Option<String>, Told)>, JobLogError> {
        let connection = self.connection();
        let line = sql::line(&connection, account)?;
        let Some(owner) = owner_of_remote(&connection, account, line, remote.0)? else { return Ok(None) };
        let wire_name = sql::job_if_known(&connection, owner)?.map(|job| job.wire_name);
        let told = told(&connection, account, line, remote)?.unwrap_or_default();
        Ok(Some((wire_name, told)))
    }

    /// Returns the latest jobs of a target that were accepted within this time, by the server's clock, the latest
    /// first. A complete list of the target must hold them (DESIGN S2). A job counts only if its acceptance was
    /// answered and the server has not started its numbers again since.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn latest_accepted(
        &self,
        account: &str,
        target: &Target,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<LatestAccepted>, JobLogError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT latest.remote_job_id, latest.uploaded_at, remote_job.file_name, remote_job.created, remote_job.listed FROM (
                 SELECT id, account, line, remote_job_id, attempts, target_id, uploaded_at FROM job
                 WHERE account = ?1 AND uploaded_at IS NOT NULL ORDER BY uploaded_at DESC LIMIT 1000) AS latest
             JOIN target ON target.id = latest.target_id
             JOIN account ON account.name = latest.account AND account.line = latest.line
             JOIN attempt ON attempt.job_id = latest.id AND attempt.number = latest.attempts
             LEFT JOIN remote_job ON remote_job.account = latest.account AND remote_job.line = latest.line
                  AND remote_job.remote_job_id = latest.remote_job_id
             WHERE latest.remote_job_id IS NOT NULL AND base_url = ?4 AND company = ?5 AND report_suite_id = ?6
               AND data_source_id = ?7 AND attempt.outcome = 'accepted' AND attempt.server_time BETWEEN ?2 AND ?3
             ORDER BY attempt.server_time DESC LIMIT ?8",
        )?;
        let rows = statement.query_map(
            params![
                account,
                from.0,
                to.0,
                target.base_url,
                target.company,
                target.report_suite_id,
                target.data_source_id,
                LATEST
            ],
            |row| {
                Ok(LatestAccepted {
                    remote_job_id: RemoteJobId(row.get(0)?),
                    accepted_at: Timestamp(row.get(1)?),
                    told: Told {
                        file_name: row.get(2)?,
                        created: row.get(3)?,
                        by_list: row.get::<_, Option<bool>>(4)?.unwrap_or_default(),
                    },
                })
            },
        )?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}

#[cfg(test)]
mod tests;
