//! Content that was sent already, or is on its way (DESIGN §6, `duplicates`), and what would become of a file that the job log
//! does not know yet.

use super::advance::newest_unpaired_data;
use super::covered_days::{covered_day, unknown_days};
use super::errors::JobLogError;
use super::reader::Reader;
use super::row::Job;
use super::sql;
use crate::config::Duplicates;
use crate::job::sets::{AT_ADOBE_OR_DONE, DONE, HELD_OR_CANCELLED, ON_THE_WIRE};
use crate::job::{
    Cause, EventId, JobId, Kind, Phase, Place, RemoteJobId, Sha256, State, Timestamp, looks_like_copy, printable, stem,
};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::path::{Path, PathBuf};

/// Returns whether this file took the place of a file whose upload has no known outcome yet.
pub(super) fn took_the_place_of(connection: &Connection, job: &Job, former: JobId) -> Result<bool, JobLogError> {
    Ok(sql::job_if_known(connection, former)?.is_some_and(|former| {
        ON_THE_WIRE.contains(former.state) && former.place == Place::Gone && former.file_name == job.file_name
    }))
}

/// Content that must not be sent again.
pub(super) struct Duplicate {
    /// The job that has brought it, is bringing it, or may have.
    pub(super) of: JobId,
    /// For people.
    pub(super) reason: String,
    /// Whether it was ingested is unknown.
    pub(super) is_unsettled: bool,
    /// What holds the job, where something depends on it.
    pub(super) cause: Option<Cause>,
}

/// What another job has of what this one brings, so that it must not be sent unasked.
pub(super) fn stands_in_the_way(
    connection: &Connection,
    job: &Job,
    duplicates: Duplicates,
) -> Result<Option<Duplicate>, JobLogError> {
    let duplicate = duplicate_of(connection, job, duplicates)?;
    if duplicate.is_some() || duplicates != Duplicates::HoldDays || job.kind == Kind::Fin {
        return Ok(duplicate);
    }
    days_in_the_way(connection, job, EventId(0))
}

/// The same of data days alone, as far as something has begun or was accepted after an event; 0 for all.
pub(super) fn days_in_the_way(
    connection: &Connection,
    job: &Job,
    since: EventId,
) -> Result<Option<Duplicate>, JobLogError> {
    let found = match covered_day(connection, job, since)? {
        None if since == EventId(0) => unknown_days(connection, job)?,
        found => found,
    };
    Ok(found.map(|(of, reason)| Duplicate { of, reason, is_unsettled: false, cause: Some(Cause::DayCovered) }))
}

/// Why this content must not be sent again, if it must not.
fn duplicate_of(connection: &Connection, job: &Job, duplicates: Duplicates) -> Result<Option<Duplicate>, JobLogError> {
    let Some(sha256) = job.sha256.filter(|_| job.kind == Kind::Data) else { return Ok(None) };
    let Some(Earlier { id: of, file_name, state, remote_job_id, rank }) = earlier(connection, job, sha256, duplicates)?
    else {
        return Ok(None);
    };
    let reason = match (rank, remote_job_id) {
        (Rank::Unsettled, remote) => {
            #[cfg(test)]
            crate::testing::reach::met(crate::testing::reach::Met::HeldAgain);
            let stands = if state == State::Held { "is held" } else { "was given up" };
            match remote {
                Some(remote) => format!(
                    "the same content {stands} as {file_name} (job {of}), and was ingested after all, as remote job {remote}; Adobe \
                     would count it twice"
                ),
                None => format!(
                    "the same content {stands} as {file_name} (job {of}), which may have been ingested; compare it with the remote \
                     jobs first"
                ),
            }
        }
        (Rank::Kept | Rank::Pruned, _) => {
            let stands = if rank == Rank::Pruned || state.is_accepted() { "was accepted" } else { "is on its way" };
            format!("duplicate: the same content {stands} as {file_name} (job {of}); Adobe would count it twice")
        }
    };
    Ok(Some(Duplicate { of, reason, is_unsettled: rank == Rank::Unsettled, cause: None }))
}

/// Why a file must not be sent unasked because of its name, if it must not: it is named like a copy, and the account wants no
/// content twice. Pure.
#[must_use]
pub fn held_for_its_name(file_name: &str, duplicates: Duplicates) -> Option<String> {
    let holds_copies = match duplicates {
        Duplicates::Hold | Duplicates::Allow => false,
        Duplicates::HoldContent | Duplicates::HoldDays => true,
    };
    let reason = "it is named like a copy of another file, whose rows Adobe would count twice; compare the two first";
    (holds_copies && looks_like_copy(file_name)).then(|| reason.to_owned())
}

/// The same for a job that nobody has released.
pub(super) fn copy_by_name(job: &Job, duplicates: Duplicates) -> Option<Duplicate> {
    let reason = held_for_its_name(&job.file_name, duplicates).filter(|_| job.kind == Kind::Data && !job.released)?;
    Some(Duplicate { of: job.id, reason, is_unsettled: false, cause: None })
}

/// A job that had the same content before.
struct Earlier {
    id: JobId,
    file_name: String,
    state: State,
    remote_job_id: Option<RemoteJobId>,
    rank: Rank,
}

/// What speaks against sending content again, the strongest last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rank {
    /// It was accepted, and its job was pruned since.
    Pruned,
    /// It was accepted, is on its way, or is held after an attempt (DESIGN §6, `duplicates`).
    Kept,
    /// It may have been ingested, and is held or given up: whatever its name is now, only a person can tell (DESIGN F3).
    Unsettled,
}

fn earlier(
    connection: &Connection,
    job: &Job,
    sha256: Sha256,
    duplicates: Duplicates,
) -> Result<Option<Earlier>, JobLogError> {
    let there = sql::GOES_THERE;
    let mut statement = connection.prepare_cached(&format!(
        "SELECT id, file_name, state, remote_job_id, 2 AS rank FROM job
         WHERE account = ?1 AND sha256 = ?2 AND state IN {HELD_OR_CANCELLED} AND unsettled AND id <> ?4 AND {there}
         UNION ALL
         SELECT id, file_name, state, remote_job_id, 1 FROM job
         WHERE ?5 AND account = ?1 AND sha256 = ?2 AND kind = 'data' AND id <> ?4 AND (?3 IS NULL OR file_name = ?3) AND {there}
           AND (state IN {ON_THE_WIRE} OR state IN {AT_ADOBE_OR_DONE}
                OR (state = 'queued' AND id < ?4)
                OR (state = 'held' AND attempts > 0))
         UNION ALL
         SELECT job_id, file_name, state, remote_job_id, 0 FROM delivered
         WHERE ?5 AND account = ?1 AND sha256 = ?2 AND kind = 'data' AND state IN {DONE}
           AND (?3 IS NULL OR file_name = ?3)
           AND place_id IN (0, (SELECT target.place FROM account JOIN target ON target.id = account.target_id
                                WHERE account.name = ?1))
         ORDER BY rank DESC, id DESC LIMIT 1"
    ))?;
    let same_name = (duplicates == Duplicates::Hold).then_some(job.file_name.as_str());
    let is_guarded = duplicates != Duplicates::Allow;
    let mut rows = statement.query(params![job.account, sha256.to_string(), same_name, job.id.0, is_guarded])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let state: String = row.get(2)?;
    Ok(Some(Earlier {
        id: JobId(row.get(0)?),
        file_name: row.get(1)?,
        // Its phase does not matter here.
        state: State::from_words(&state, Some(Phase::Started)).ok_or_else(|| JobLogError::BadRow {
            job: row.get(0).unwrap_or_default(),
            account: job.account.clone(),
            what: format!("column `state` holds `{}`", printable(&state)),
        })?,
        remote_job_id: row.get::<_, Option<i64>>(3)?.map(RemoteJobId),
        rank: match row.get(4)? {
            0 => Rank::Pruned,
            1 => Rank::Kept,
            _ => Rank::Unsettled,
        },
    }))
}

impl Reader {
    /// Why a data file with this content would be held if it were taken in now, if it would.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn foresee_duplicate(
        &self,
        account: &str,
        file_name: &str,
        sha256: Sha256,
        duplicates: Duplicates,
    ) -> Result<Option<String>, JobLogError> {
        // It would be the newest job of all: everything that is on its way came before it.
        let job = Job {
            id: JobId(i64::MAX),
            sha256: Some(sha256),
            ..Job::seen(account, file_name.to_owned(), file_name.into(), Kind::Data, PathBuf::new(), Timestamp(0))
        };
        Ok(duplicate_of(&self.connection(), &job, duplicates)?.map(|duplicate| duplicate.reason))
    }

    /// The data file that a marker of this stem would belong to if it were taken in now.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn foresee_pair(&self, account: &str, stem: &str) -> Result<Option<JobId>, JobLogError> {
        Ok(newest_unpaired_data(&self.connection(), account, stem)?.map(|job| job.id))
    }

    /// The newest job of a file that was dropped under this name.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn newest_of_name(&self, account: &str, file_name: &str) -> Result<Option<JobId>, JobLogError> {
        Ok(self
            .connection()
            .prepare_cached(&format!(
                "SELECT id FROM {} WHERE account = ?1 AND stem = ?2 AND file_name = ?3 ORDER BY id DESC LIMIT 1",
                sql::BY_STEM
            ))?
            .query_row(params![account, stem(file_name), file_name], |row| row.get(0))
            .optional()?
            .map(JobId))
    }

    /// The newest job of any account whose file lies, or lay last, at this path under its own name, or with its job's
    /// number in it (DESIGN F1).
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn newest_at_path(&self, path: &str) -> Result<Option<JobId>, JobLogError> {
        let name = Path::new(path).file_name().unwrap_or_default().to_string_lossy();
        let numbers: Vec<String> =
            name.split('.').filter_map(|part| part.parse::<i64>().ok()).map(|number| number.to_string()).collect();
        let numbers = format!("[{}]", numbers.join(","));
        Ok(self
            .connection()
            .prepare_cached(
                // No index has paths, and each account is a look into the one of stems.
                "SELECT max(id) FROM (
                     SELECT id FROM account CROSS JOIN job INDEXED BY job_by_stem ON account = name AND stem = ?2 WHERE path = ?1
                     UNION ALL
                     SELECT id FROM job WHERE id IN (SELECT CAST(value AS INTEGER) FROM json_each(?3)) AND path = ?1)",
            )?
            .query_row(params![path, stem(&name), numbers], |row| row.get::<_, Option<i64>>(0))?
            .map(JobId))
    }
}

#[cfg(test)]
mod tests {
    use super::held_for_its_name;
    use crate::config::Duplicates;
    use crate::joblog::Reader;
    use crate::joblog::fixtures::{arrives, hash, opened};

    #[test]
    fn only_accounts_that_want_no_content_twice_hold_copies_by_their_names() {
        for (duplicates, holds) in
            [(Duplicates::Hold, false), (Duplicates::HoldContent, true), (Duplicates::Allow, false)]
        {
            assert_eq!(held_for_its_name("sales (1).txt", duplicates).is_some(), holds, "{duplicates:?}");
            assert_eq!(held_for_its_name("sales.txt", duplicates), None);
        }
    }

    #[test]
    fn a_file_that_is_not_there_yet_is_judged_as_the_newest_of_all() {
        let (dir, log) = opened();
        let id = arrives(&log, "sales.txt", 7, Duplicates::Hold).id;

        let reader = Reader::open(dir.path()).unwrap();
        let held = |name, duplicates| reader.foresee_duplicate("a", name, hash(7), duplicates).unwrap();
        let reason = held("sales.txt", Duplicates::Hold).unwrap();
        assert!(reason.contains("is on its way as sales.txt (job 1)"), "{reason}");
        assert!(held("other.txt", Duplicates::Hold).is_none());
        assert!(held("other.txt", Duplicates::HoldContent).is_some());
        assert!(held("sales.txt", Duplicates::Allow).is_none());
        assert_eq!(reader.foresee_pair("a", "sales").unwrap(), Some(id));
        assert_eq!(reader.foresee_pair("a", "costs").unwrap(), None);
        assert_eq!(reader.newest_of_name("a", "sales.txt").unwrap(), Some(id));
        assert_eq!(reader.newest_at_path("/srv/a/sales.txt").unwrap(), Some(id));
        assert_eq!(reader.newest_at_path("/srv/b/sales.txt").unwrap(), None);
    }
}
