//! Remote jobs that no job owns, held against files that are about to be sent (DESIGN F8, S5, S6).

use super::listed::{after_event, learnt, namesake, told};
use super::{Job, JobLogError, sql};
use crate::job::{Event, EventId, Likeness, RemoteJobId, Timestamp, printable};
use rusqlite::{Connection, OptionalExtension as _, params};

/// A remote job of the last two days under the job's wire name that no job owns, and that was first listed after the
/// first attempt of ours under that name began: an attempt that seemed not to have arrived may have. `since`: nothing counts
/// that was listed before both.
pub(super) fn unowned_since_first_attempt(
    connection: &Connection,
    account: &str,
    wire_name: &str,
    since: (EventId, Timestamp),
) -> Result<Option<RemoteJobId>, JobLogError> {
    let unowned = unowned(connection, account, "first_seen_at > ?2 AND after_event >= ?3", (since.1, since.0.0))?;
    // Asked last, since most often there is none, and the files of a daily name grow ever more.
    let Some((id, after)) = named(connection, account, &[wire_name], unowned)?.pop() else { return Ok(None) };
    let namesake = namesake(connection, account, wire_name)?;
    Ok(namesake.filter(|namesake| after >= namesake.first_attempt).map(|_| id))
}

/// Whether a file lay in the folder at the account's first start under a name that the first remote list had (F8).
pub(super) fn was_there_first(connection: &Connection, job: &Job) -> Result<bool, JobLogError> {
    let baseline: Option<i64> = connection
        .prepare_cached("SELECT baseline_at FROM account WHERE name = ?1 AND ?2 <= first_scan_at")?
        .query_row(params![job.account, job.seen_at.0], |row| row.get(0))
        .optional()?
        .flatten();
    let Some(baseline) = baseline else { return Ok(false) };
    let unowned =
        unowned(connection, &job.account, "first_seen_at <= ?2 AND after_event >= ?3", (Timestamp(baseline), 0))?;
    let names = [job.wire_name.as_str(), job.file_name.as_str()];
    Ok(!named(connection, &job.account, &names, unowned)?.is_empty())
}

/// A remote job that nobody owns: its number, its name, and the last event before it was first listed.
type Unowned = (RemoteJobId, String, EventId);

/// The remote jobs of the account's line that nobody owns, the newest last.
fn unowned(
    connection: &Connection,
    account: &str,
    condition: &str,
    (at, after): (Timestamp, i64),
) -> Result<Vec<Unowned>, JobLogError> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT remote_job_id, file_name, after_event FROM remote_job INDEXED BY remote_job_unowned
         WHERE account = ?1 AND NOT owned AND line = (SELECT line FROM account WHERE name = ?1) AND {condition}
           AND after_event >= (SELECT aimed_event FROM account WHERE name = ?1) AND file_name IS NOT NULL
         ORDER BY after_event"
    ))?;
    let rows = statement.query_map(params![account, at.0, after], |row| {
        Ok((RemoteJobId(row.get(0)?), row.get(1)?, EventId(row.get(2)?)))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Those of them whose name may be what the API makes of one of these.
fn named(
    connection: &Connection,
    account: &str,
    names: &[&str],
    unowned: Vec<Unowned>,
) -> Result<Vec<(RemoteJobId, EventId)>, JobLogError> {
    if unowned.is_empty() {
        return Ok(Vec::new());
    }
    let naming = learnt(connection, account)?;
    let may_be = |shown: &str| {
        names
            .iter()
            .any(|name| *name == shown || !naming.explains_nothing() && naming.likeness(name, shown) != Likeness::Other)
    };
    Ok(unowned.into_iter().filter(|(_, shown, _)| may_be(shown)).map(|(id, _, after)| (id, after)).collect())
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

/// A remote job under the wire name of a job that was never attempted, which no job owns, and which was first listed after its
/// file was seen (DESIGN S5): the list that each start begins with tells what a machine sent that was set back since.
pub(super) fn unowned_since_seen(
    connection: &Connection,
    job: &Job,
    since: (EventId, Timestamp),
) -> Result<Option<RemoteJobId>, JobLogError> {
    // By the order of events, as the clock may have been set between the two.
    let seen: i64 = connection
        .prepare_cached("SELECT coalesce(min(id), 0) FROM job_event WHERE job_id = ?1")?
        .query_row([job.id.0], |row| row.get(0))?;
    let since = (since.1, since.0.0.max(seen));
    let unowned = unowned(connection, &job.account, "first_seen_at > ?2 AND after_event >= ?3", since)?;
    Ok(named(connection, &job.account, &[job.wire_name.as_str()], unowned)?.pop().map(|(id, _)| id))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Duplicates;
    use crate::job::RemoteJob;
    use crate::joblog::RemoteList;
    use crate::joblog::fixtures::{arrives, opened, target};

    #[test]
    fn s5_a_list_that_came_after_the_file_did_shows_what_was_sent_whatever_clock_was_set() {
        let (_dir, log) = opened();
        let list = |id, at| {
            let remote = RemoteJob {
                file_name: Some("sales.txt".to_owned()),
                rows_processed: None,
                remote_job_id: RemoteJobId(id),
                remote_status: None,
                remote_created: None,
                remote_started: None,
                remote_finished: None,
            };
            let after = log.reader().unwrap().latest_event().unwrap();
            let list = RemoteList { jobs: vec![remote], after, at: Timestamp(at), server_time: None, target: target() };
            log.listed("a".to_owned(), list).wait().unwrap();
        };
        list(1, -50);
        let id = arrives(&log, "sales.txt", 1, Duplicates::Hold).id;
        let look = || {
            let look = move |connection: &Connection| {
                let job = super::super::sql::job(connection, id)?;
                unowned_since_seen(connection, &job, (EventId(0), Timestamp(-1000)))
            };
            log.call(move |connection, _| look(connection)).wait().unwrap()
        };
        assert_eq!(look(), None, "it was listed before the file came");
        // The file was seen at 0, and the clock was set back since.
        list(2, -40);
        assert_eq!(look(), Some(RemoteJobId(2)));
    }
}
