//! What a remote list shows, written down: what cannot be ours from now on, who else writes to the account, and what may
//! have been ingested twice (DESIGN S1, S3, S5).

use super::destinations::goes_to;
use super::errors::JobLogError;
use super::noted::{with_change, without_change};
use super::sql;
use super::unit_of_work::Unit;
use crate::job::sets::ON_THE_WIRE;
use crate::job::{EventId, JobId, Likeness, Naming, RemoteJob, RemoteJobId, Target, Timestamp, Told, stem};
use rusqlite::{Connection, OptionalExtension as _, params};
use serde_json::json;
use std::collections::HashMap;
use std::time::Duration;

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
    /// Whose list it is.
    pub target: Target,
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
    /// The one that no job owns.
    pub other: RemoteJobId,
}

/// What writing a list down has shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// What may have been ingested twice; each reported once.
    pub doubled: Vec<Doubled>,
    /// The server has started its job numbers again: from now on the earlier numbers belong to other jobs.
    pub begins_anew: bool,
}

/// Records a list. Returns what is both new and odd in it, each finding once.
pub(super) fn take_list(unit: &mut Unit<'_>, account: &str, list: &RemoteList) -> Result<Taken, JobLogError> {
    if !goes_to(unit, account, &list.target)? {
        // The account was sent elsewhere meanwhile; those are no numbers of that place.
        return Ok(Taken::default());
    }
    let line = sql::line(unit, account)?;
    let mut known = known_of(unit, account, line, &list.jobs)?;
    let begins_anew = begins_anew(unit, account, line, (&list.jobs, &known))?;
    if begins_anew {
        known.clear();
        let target_id = sql::target_id(unit, &list.target)?;
        let line = sql::begin_line(unit, account, target_id)?;
        unit.prepare_cached("UPDATE account SET line = ?2 WHERE name = ?1")?.execute(params![account, line])?;
    }
    let (line, baseline) = unit
        .prepare_cached(
            "SELECT line, CASE WHEN baseline_at IS NOT NULL THEN baseline_event END FROM account WHERE name = ?1",
        )?
        .query_row([account], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?)))?;
    if let Some(server_time) = list.server_time {
        unit.prepare_cached(
            "UPDATE account SET server_seen_at = ?2 WHERE name = ?1 AND coalesce(server_seen_at, 0) < ?2",
        )?
        .execute(params![account, server_time.0])?;
    }
    let mut doubled = Vec::new();
    let mut naming = None;
    for remote in &list.jobs {
        let known = known.get(&remote.remote_job_id);
        let mut is_owned = known.map(|known| known.is_owned);
        let mut is_new = false;
        match known {
            Some(known) if known.told.by_list => {}
            Some(_) => note_listed(unit, account, line, remote)?,
            None => {
                let owned = remember(unit, account, (line, remote, true), Some(list.after), list.at)?;
                (is_new, is_owned) = (owned.is_some(), owned);
            }
        }
        // What was there before datadrop does not matter.
        let (Some(baseline), Some(name)) = (baseline, remote.file_name.as_deref()) else { continue };
        let is_owned = match is_owned {
            Some(is_owned) => is_owned,
            // The list has it twice.
            None => owner_of_remote(unit, account, line, remote.remote_job_id.0)?.is_some(),
        };
        if is_owned {
            continue;
        }
        let mut namesake = namesake(unit, account, name)?;
        if namesake.is_none() {
            let naming = match &naming {
                Some(naming) => naming,
                None => naming.insert(learnt(unit, account)?),
            };
            namesake = changed_namesake(unit, account, (name, naming), list.at)?;
        }
        if is_new && namesake.is_none() && list.after.0 > baseline {
            unit.prepare_cached(
                "UPDATE account SET stranger_id = ?2, stranger_name = ?3, stranger_seen_at = ?4 WHERE name = ?1",
            )?
            .execute(params![account, remote.remote_job_id.0, name, list.at.0])?;
        }
        if let Some(Namesake { id, ours: Some(ours), first_attempt, is_open: false }) = namesake
            && after_event(unit, account, line, remote.remote_job_id)?.is_some_and(|after| after >= first_attempt)
            && tell_once(unit, id, (ours, remote.remote_job_id), list.at)?
        {
            doubled.push(Doubled { id, wire_name: name.to_owned(), ours, other: remote.remote_job_id });
        }
    }
    Ok(Taken { doubled, begins_anew })
}

/// Whether numbers that are known stand for other jobs in this list, and none for its own: the server has lost its past.
fn begins_anew(
    connection: &Connection,
    account: &str,
    line: i64,
    (jobs, known): (&[RemoteJob], &HashMap<RemoteJobId, Known>),
) -> Result<bool, JobLogError> {
    let mut another = false;
    for remote in jobs {
        let Some(Known { told, .. }) = known.get(&remote.remote_job_id) else { continue };
        match told.is_same(remote) {
            Some(true) => return Ok(false),
            Some(false) => another = true,
            // Where the dates leave it open, the names decide.
            None => another |= told.has_another_date(remote) && is_named_otherwise(connection, account, line, remote)?,
        }
    }
    Ok(another)
}

/// Whether the job of ours that has this number was sent under a name that this is not.
fn is_named_otherwise(
    connection: &Connection,
    account: &str,
    line: i64,
    remote: &RemoteJob,
) -> Result<bool, JobLogError> {
    let owner = owner_of_remote(connection, account, line, remote.remote_job_id.0)?;
    let owner = owner.map(|id| sql::job_if_known(connection, id)).transpose()?.flatten();
    let (Some(owner), Some(shown)) = (owner, remote.file_name.as_deref()) else { return Ok(false) };
    Ok(learnt(connection, account)?.likeness(&owner.wire_name, shown) == Likeness::Other)
}

/// What is known of a remote job.
struct Known {
    told: Told,
    /// A job of ours owns it.
    is_owned: bool,
}

/// What is known of those of a list, in one look.
fn known_of(
    connection: &Connection,
    account: &str,
    line: i64,
    jobs: &[RemoteJob],
) -> Result<HashMap<RemoteJobId, Known>, JobLogError> {
    let ids: Vec<_> = jobs.iter().map(|remote| remote.remote_job_id.0).collect();
    let mut statement = connection.prepare_cached(
        "SELECT remote_job_id, file_name, created, listed, owned FROM json_each(?3) AS shown
         CROSS JOIN remote_job WHERE account = ?1 AND line = ?2 AND remote_job_id = shown.value",
    )?;
    let rows = statement.query_map(params![account, line, json!(ids).to_string()], |row| {
        let told = Told { file_name: row.get(1)?, created: row.get(2)?, by_list: row.get(3)? };
        Ok((RemoteJobId(row.get(0)?), Known { told, is_owned: row.get(4)? }))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// What Adobe has shown of a remote job so far.
pub(super) fn told(
    connection: &Connection,
    account: &str,
    line: i64,
    id: RemoteJobId,
) -> Result<Option<Told>, JobLogError> {
    Ok(connection
        .prepare_cached(
            "SELECT file_name, created, listed FROM remote_job WHERE account = ?1 AND line = ?2 AND remote_job_id = ?3",
        )?
        .query_row(params![account, line, id.0], |row| {
            Ok(Told { file_name: row.get(0)?, created: row.get(1)?, by_list: row.get(2)? })
        })
        .optional()?)
}

/// Remembers a remote job of a line, as a list or an answer showed it. What a list shows takes precedence; when it was first
/// seen stays. `after` is the last event before it was shown; `None`: the last of all. Returns whether a job of ours owns
/// it, if it is new.
pub(super) fn remember(
    connection: &Connection,
    account: &str,
    (line, remote, by_list): (i64, &RemoteJob, bool),
    after: Option<EventId>,
    at: Timestamp,
) -> Result<Option<bool>, JobLogError> {
    let owned = connection
        .prepare_cached(
            "INSERT INTO remote_job (account, line, remote_job_id, file_name, created, listed, owned, first_seen_at, after_event,
                                     start_number)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6,
                     EXISTS (SELECT 1 FROM job WHERE job.account = ?1 AND job.line = ?2 AND job.remote_job_id = ?3)
                     OR EXISTS (SELECT 1 FROM delivered WHERE delivered.account = ?1 AND delivered.line = ?2
                                AND delivered.remote_job_id = ?3), ?7,
                     coalesce(?8, (SELECT max(id) FROM job_event), 0),
                     coalesce((SELECT start_number FROM account WHERE name = ?1), 0))
             ON CONFLICT DO NOTHING RETURNING owned",
        )?
        .query_row(
            params![
                account,
                line,
                remote.remote_job_id.0,
                remote.file_name,
                remote.remote_created,
                by_list,
                at.0,
                after.map(|after| after.0)
            ],
            |row| row.get(0),
        )
        .optional()?;
    if owned.is_none() && by_list {
        note_listed(connection, account, line, remote)?;
    }
    Ok(owned)
}

/// A remote job that an answer showed first is in a list now.
fn note_listed(connection: &Connection, account: &str, line: i64, remote: &RemoteJob) -> Result<(), JobLogError> {
    connection
        .prepare_cached(
            "UPDATE remote_job SET listed = 1, file_name = coalesce(?4, file_name), created = coalesce(?5, created)
             WHERE account = ?1 AND line = ?2 AND remote_job_id = ?3 AND NOT listed",
        )?
        .execute(params![account, line, remote.remote_job_id.0, remote.file_name, remote.remote_created])?;
    Ok(())
}

/// The last event before the list that first showed this remote job.
pub(super) fn after_event(
    connection: &Connection,
    account: &str,
    line: i64,
    id: RemoteJobId,
) -> Result<Option<EventId>, JobLogError> {
    Ok(connection
        .prepare_cached("SELECT after_event FROM remote_job WHERE account = ?1 AND line = ?2 AND remote_job_id = ?3")?
        .query_row(params![account, line, id.0], |row| row.get(0))
        .optional()?
        .map(EventId))
}

/// Number of accepted files that show how the API changes names.
const EXAMPLES: u32 = 200;

/// How the API to which the account's files go changes names, as the latest accepted files show (DESIGN S6). Files that were
/// adopted say nothing: that was a judgement by their names.
pub(super) fn learnt(connection: &Connection, account: &str) -> Result<Naming, JobLogError> {
    let mut statement = connection.prepare_cached(
        "SELECT DISTINCT latest.wire_name, remote_job.file_name FROM (
             SELECT id, account, wire_name, line, remote_job_id, attempts FROM job
             WHERE account = ?1 AND uploaded_at IS NOT NULL ORDER BY uploaded_at DESC LIMIT ?2) AS latest
         JOIN line ON line.id = latest.line
         JOIN line AS now ON now.place = line.place AND now.id = (SELECT line FROM account WHERE name = ?1)
         JOIN attempt ON attempt.job_id = latest.id AND attempt.number = latest.attempts AND attempt.outcome = 'accepted'
         JOIN remote_job ON remote_job.account = latest.account AND remote_job.line = latest.line
              AND remote_job.remote_job_id = latest.remote_job_id
         WHERE remote_job.listed AND remote_job.file_name IS NOT NULL",
    )?;
    let examples = statement
        .query_map(params![account, EXAMPLES], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(Naming::learn(examples.iter().map(|(sent, shown)| (sent.as_str(), shown.as_str()))))
}

/// So far back files are looked at whose name a remote job may have in another form.
const LATELY: Duration = Duration::from_secs(4 * 24 * 3600);

/// The same under the name that the API makes of that of a file of ours.
fn changed_namesake(
    connection: &Connection,
    account: &str,
    (shown, naming): (&str, &Naming),
    now: Timestamp,
) -> Result<Option<Namesake>, JobLogError> {
    if naming.explains_nothing() || naming.may_keep() {
        return Ok(None);
    }
    let mut statement = connection.prepare_cached(
        "SELECT wire_name FROM job WHERE seen_at > ?2 AND account = ?1 AND attempts > 0 GROUP BY wire_name ORDER BY max(id) DESC",
    )?;
    let names = statement.query_map(params![account, now.before(LATELY).0], |row| row.get::<_, String>(0))?;
    for name in names {
        let name = name?;
        if naming.likeness(&name, shown) == Likeness::Same {
            return namesake(connection, account, &name);
        }
    }
    Ok(None)
}

/// The newest attempted job of ours that has this wire name.
pub(super) struct Namesake {
    id: JobId,
    ours: Option<RemoteJobId>,
    /// The event that began the first attempt under this name.
    pub(super) first_attempt: EventId,
    /// The end of an attempt under this name is not known yet, so nothing can be said.
    is_open: bool,
}

pub(super) fn namesake(
    connection: &Connection,
    account: &str,
    wire_name: &str,
) -> Result<Option<Namesake>, JobLogError> {
    let mut newest: Option<Namesake> = None;
    for stem in stems(wire_name) {
        let mut statement = connection.prepare_cached(&format!(
            "SELECT job.id, CASE WHEN job.line = (SELECT line FROM account WHERE name = job.account) THEN job.remote_job_id END,
                    job.state IN {ON_THE_WIRE},
                    (SELECT min(id) FROM job_event WHERE job_id = job.id AND event = 'started')
             FROM job INDEXED BY job_by_stem WHERE account = ?1 AND stem = ?2 AND wire_name = ?3 AND attempts > 0
               AND {} ORDER BY id",
            sql::GOES_THERE
        ))?;
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
    unit: &mut Unit<'_>,
    id: JobId,
    (ours, other): (RemoteJobId, RemoteJobId),
    at: Timestamp,
) -> Result<bool, JobLogError> {
    let detail = format!("it became remote job {ours}, and no job owns the remote job {other} of the same name");
    let told = unit
        .prepare_cached("SELECT 1 FROM job_event WHERE job_id = ?1 AND event = 'doubled' AND instr(detail, ?2) > 0")?
        .query_row(params![id.0, format!("remote job {other} ")], |_| Ok(()))
        .optional()?;
    if told.is_some() {
        return Ok(false);
    }
    let mut job = unit.job(id)?;
    let reason = without_change(&job);
    #[cfg(test)]
    crate::testing::reach::met(crate::testing::reach::Met::Doubled);
    job.doubled_with = Some(other);
    job.reason = with_change(&job, reason);
    unit.save(&job)?;
    sql::insert_event(unit, id, at, "doubled", Some(job.state), job.state, Some(&detail))?;
    Ok(true)
}

/// The job that owns a remote job of this line, pruned or not.
pub(super) fn owner_of_remote(
    connection: &Connection,
    account: &str,
    line: i64,
    id: i64,
) -> Result<Option<JobId>, JobLogError> {
    let owner: Option<i64> = connection
        .prepare_cached(
            "SELECT coalesce((SELECT id FROM job WHERE account = ?1 AND line = ?2 AND remote_job_id = ?3),
                             (SELECT job_id FROM delivered WHERE account = ?1 AND line = ?2 AND remote_job_id = ?3))",
        )?
        .query_row(params![account, line, id], |row| row.get(0))?;
    Ok(owner.map(JobId))
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
