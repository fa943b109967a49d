//! What a remote list shows, written down: what cannot be ours from now on, who else writes to the account, and what may
//! have been ingested twice (DESIGN S1, S3, S5).

use super::{Job, JobLogError, Reader, sql};
use crate::job::{EventId, JobId, RemoteJob, RemoteJobId, Timestamp, stem};
use rusqlite::{Connection, OptionalExtension as _, params};

/// A list as the API answered it.
#[derive(Debug, Clone)]
pub struct RemoteList {
    /// Every job of it.
    pub jobs: Vec<RemoteJob>,
    /// The last event that the job log had when the list had been answered.
    pub after: EventId,
    /// When, by our clock.
    pub at: Timestamp,
    /// When, by the server's.
    pub server_time: Option<Timestamp>,
}

/// A remote job under a name of ours that no job of ours owns, though ours was accepted: possibly ingested twice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doubled {
    /// Our job of that name.
    pub id: JobId,
    /// The name.
    pub wire_name: String,
    /// The remote job that ours became.
    pub ours: RemoteJobId,
    /// The one that nobody owns.
    pub other: RemoteJobId,
}

/// Writes a list down. What is new in it and odd comes back, each time once.
pub(super) fn take_list(
    connection: &Connection,
    account: &str,
    list: &RemoteList,
) -> Result<Vec<Doubled>, JobLogError> {
    let baseline: Option<i64> = connection
        .prepare_cached(
            "SELECT CASE WHEN baseline_at IS NOT NULL THEN baseline_event END FROM account WHERE name = ?1",
        )?
        .query_row([account], |row| row.get(0))?;
    if let Some(server_time) = list.server_time {
        connection
            .prepare_cached(
                "UPDATE account SET server_seen_at = ?2 WHERE name = ?1 AND coalesce(server_seen_at, 0) < ?2",
            )?
            .execute(params![account, server_time.0])?;
    }
    let mut doubled = Vec::new();
    for remote in &list.jobs {
        let is_new = remember(connection, account, remote, list.after, list.at)?;
        // What was there before us is nobody's affair.
        let (Some(baseline), Some(name)) = (baseline, remote.file_name.as_deref()) else { continue };
        if sql::owner_of_remote(connection, account, remote.remote_job_id.0)?.is_some() {
            continue;
        }
        let namesake = namesake(connection, account, name)?;
        if is_new && namesake.is_none() && list.after.0 > baseline {
            connection
                .prepare_cached(
                    "UPDATE account SET stranger_id = ?2, stranger_name = ?3, stranger_seen_at = ?4 WHERE name = ?1",
                )?
                .execute(params![account, remote.remote_job_id.0, name, list.at.0])?;
        }
        if let Some(Namesake { id, ours: Some(ours), first_attempt, is_open: false }) = namesake
            && after_event(connection, account, remote.remote_job_id)?.is_some_and(|after| after >= first_attempt)
            && tell_once(connection, id, (ours, remote.remote_job_id), list.at)?
        {
            doubled.push(Doubled { id, wire_name: name.to_owned(), ours, other: remote.remote_job_id });
        }
    }
    Ok(doubled)
}

/// Remembers a remote job; what is known already stays as it is. True: it is new.
pub(super) fn remember(
    connection: &Connection,
    account: &str,
    remote: &RemoteJob,
    after: EventId,
    at: Timestamp,
) -> Result<bool, JobLogError> {
    let inserted = connection
        .prepare_cached(
            "INSERT INTO remote_job (account, remote_job_id, file_name, first_seen_at, after_event)
             VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
        )?
        .execute(params![account, remote.remote_job_id.0, remote.file_name, at.0, after.0])?;
    Ok(inserted > 0)
}

/// The last event before the list that first showed this remote job.
pub(super) fn after_event(
    connection: &Connection,
    account: &str,
    id: RemoteJobId,
) -> Result<Option<EventId>, JobLogError> {
    Ok(connection
        .prepare_cached("SELECT after_event FROM remote_job WHERE account = ?1 AND remote_job_id = ?2")?
        .query_row(params![account, id.0], |row| row.get(0))
        .optional()?
        .map(EventId))
}

/// The newest attempted job of ours that has this wire name.
struct Namesake {
    id: JobId,
    ours: Option<RemoteJobId>,
    /// The event that began the first attempt under this name.
    first_attempt: EventId,
    /// The end of an attempt under this name is not known yet, so nothing can be said.
    is_open: bool,
}

fn namesake(connection: &Connection, account: &str, wire_name: &str) -> Result<Option<Namesake>, JobLogError> {
    let mut newest: Option<Namesake> = None;
    for stem in stems(wire_name) {
        let mut statement = connection.prepare_cached(
            "SELECT job.id, job.remote_job_id, job.state IN ('uploading', 'unconfirmed'),
                    (SELECT min(id) FROM job_event WHERE job_id = job.id AND event = 'started')
             FROM job INDEXED BY job_by_stem WHERE account = ?1 AND stem = ?2 AND wire_name = ?3 AND attempts > 0 ORDER BY id",
        )?;
        let rows = statement.query_map(params![account, stem, wire_name], |row| {
            Ok((
                row.get::<_, i64>(0)?,
                row.get::<_, Option<i64>>(1)?,
                row.get::<_, bool>(2)?,
                row.get::<_, Option<i64>>(3)?,
            ))
        })?;
        for row in rows {
            let (id, ours, is_open, began) = row?;
            let began = EventId(began.unwrap_or(i64::MAX));
            let before = newest.as_ref();
            newest = Some(Namesake {
                // The one that became a remote job is the one to tell of.
                id: before
                    .filter(|before| ours.is_none() && before.ours.is_some())
                    .map_or(JobId(id), |before| before.id),
                ours: ours.map(RemoteJobId).or(before.and_then(|before| before.ours)),
                first_attempt: before.map_or(began, |before| before.first_attempt.min(began)),
                is_open: is_open || before.is_some_and(|before| before.is_open),
            });
        }
    }
    Ok(newest)
}

/// The name of a remote job that a list has shown.
pub(super) fn name_of(
    connection: &Connection,
    account: &str,
    remote: RemoteJobId,
) -> Result<Option<String>, JobLogError> {
    Ok(connection
        .prepare_cached("SELECT file_name FROM remote_job WHERE account = ?1 AND remote_job_id = ?2")?
        .query_row(params![account, remote.0], |row| row.get::<_, Option<String>>(0))
        .optional()?
        .flatten())
}

impl Reader {
    /// Another job that was sent under this wire name, and of which nobody knows whether it arrived.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn unsettled_namesake(
        &self,
        account: &str,
        wire_name: &str,
        except: JobId,
    ) -> Result<Option<JobId>, JobLogError> {
        let connection = self.connection();
        for stem in stems(wire_name) {
            let found = connection
                .prepare_cached(&format!(
                    "SELECT id FROM {} WHERE account = ?1 AND stem = ?2 AND wire_name = ?3 AND id <> ?4 AND unsettled
                       AND state IN ('held', 'cancelled') LIMIT 1",
                    sql::BY_STEM
                ))?
                .query_row(params![account, stem, wire_name, except.0], |row| row.get(0))
                .optional()?;
            if found.is_some() {
                return Ok(found.map(JobId));
            }
        }
        Ok(None)
    }
}

/// The stems under which the file of a wire name can have been dropped: its own, and that without the eight digits of
/// `wire_name = "unique"`.
fn stems(wire_name: &str) -> Vec<&str> {
    let own = stem(wire_name);
    let plain = own
        .rsplit_once('-')
        .filter(|(_, digits)| digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
        .map(|(plain, _)| plain);
    [Some(own), plain].into_iter().flatten().collect()
}

/// Leaves an event with the job, unless it is there already.
fn tell_once(
    connection: &Connection,
    id: JobId,
    (ours, other): (RemoteJobId, RemoteJobId),
    at: Timestamp,
) -> Result<bool, JobLogError> {
    let detail = format!("it became remote job {ours}, and no job owns the remote job {other} of the same name");
    let told = connection
        .prepare_cached("SELECT 1 FROM job_event WHERE job_id = ?1 AND event = 'doubled' AND instr(detail, ?2) > 0")?
        .query_row(params![id.0, format!("remote job {other} ")], |_| Ok(()))
        .optional()?;
    if told.is_some() {
        return Ok(false);
    }
    let state = sql::job(connection, id)?.state;
    sql::insert_event(connection, id, at, "doubled", Some(state), state, Some(&detail))?;
    Ok(true)
}

/// A remote job of the last two days under the job's wire name that no job owns, and that was first listed after the
/// first attempt of ours under that name began: an attempt that seemed not to have arrived may have. `since`: nothing counts
/// that was listed before both.
pub(super) fn unowned_since_first_attempt(
    connection: &Connection,
    account: &str,
    wire_name: &str,
    since: (EventId, Timestamp),
) -> Result<Option<RemoteJobId>, JobLogError> {
    // Asked first, since most often there is none, and the files of a daily name grow ever more.
    let newest: Option<(i64, i64)> = connection
        .prepare_cached(
            "SELECT remote_job_id, after_event FROM remote_job INDEXED BY remote_job_by_name
             WHERE account = ?1 AND file_name = ?2 AND first_seen_at > ?3 AND after_event >= ?4
               AND after_event >= (SELECT aimed_event FROM account WHERE name = ?1)
               AND NOT EXISTS (SELECT 1 FROM job WHERE job.account = remote_job.account
                               AND job.remote_job_id = remote_job.remote_job_id)
               AND NOT EXISTS (SELECT 1 FROM delivered WHERE delivered.account = remote_job.account
                               AND delivered.remote_job_id = remote_job.remote_job_id)
             ORDER BY after_event DESC LIMIT 1",
        )?
        .query_row(params![account, wire_name, since.1.0, since.0.0], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some((id, after)) = newest else { return Ok(None) };
    let namesake = namesake(connection, account, wire_name)?;
    Ok(namesake.filter(|namesake| EventId(after) >= namesake.first_attempt).map(|_| RemoteJobId(id)))
}

/// A remote job under the wire name of a job that was never attempted, which no job owns, and which was first listed after its
/// file was seen (DESIGN S5): the list that each start begins with tells what a machine sent that was set back since.
pub(super) fn unowned_since_seen(
    connection: &Connection,
    job: &Job,
    since: (EventId, Timestamp),
) -> Result<Option<RemoteJobId>, JobLogError> {
    Ok(connection
        .prepare_cached(
            "SELECT remote_job_id FROM remote_job INDEXED BY remote_job_by_name
             WHERE account = ?1 AND file_name = ?2 AND first_seen_at > max(?3, ?5) AND after_event >= ?4
               AND after_event >= (SELECT aimed_event FROM account WHERE name = ?1)
               AND NOT EXISTS (SELECT 1 FROM job WHERE job.account = remote_job.account
                               AND job.remote_job_id = remote_job.remote_job_id)
               AND NOT EXISTS (SELECT 1 FROM delivered WHERE delivered.account = remote_job.account
                               AND delivered.remote_job_id = remote_job.remote_job_id)
             ORDER BY after_event DESC LIMIT 1",
        )?
        .query_row(params![job.account, job.wire_name, since.1.0, since.0.0, job.seen_at.0], |row| row.get(0))
        .optional()?
        .map(RemoteJobId))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unique_wire_name_leads_back_to_its_stem() {
        assert_eq!(stems("sales-0a1b2c3d.txt"), ["sales-0a1b2c3d", "sales"]);
        assert_eq!(stems("sales.txt"), ["sales"]);
        assert_eq!(stems("sales-2026.txt"), ["sales-2026"]);
    }
}
