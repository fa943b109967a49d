//! What a lost or old job log must know, written into it (DESIGN §7, `recover`).

use super::attempts;
use super::day_totals::note_days;
use super::errors::JobLogError;
use super::listed::remember;
use super::reader::Reader;
use super::row::Job;
use super::sql;
use super::unit_of_work::Unit;
use super::writer::{JobLog, Pending};
use crate::job::{
    Blake3, DataDays, EventId, FileIdentity, Fingerprint, JobId, Kind, Place, RemoteJob, Sha256, State, Target,
    Timestamp, stem,
};
use rusqlite::{Connection, OptionalExtension as _, params};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

/// A file that was filed by a job that the job log does not have.
#[derive(Debug, Clone)]
pub struct Restored {
    /// Where it lies.
    pub place: Place,
    /// Its name there.
    pub disk_name: OsString,
    /// The name under which it was dropped and sent.
    pub file_name: String,
    /// Data file or marker.
    pub kind: Kind,
    /// What it holds.
    pub content: Fingerprint,
    /// The same content, for the proof of an attempt.
    pub blake3: Blake3,
    /// Rows by Adobe's way of counting.
    pub rows_expected: i64,
    /// What its rows report of each day.
    pub days: Option<Box<DataDays>>,
    /// Where its job stands.
    pub state: State,
    /// Why, for people.
    pub reason: String,
    /// What Adobe made of it, if known.
    pub remote: Option<RemoteJob>,
    /// When it was filed.
    pub filed_at: Timestamp,
}

/// Everything that is restored of one account.
#[derive(Debug, Clone)]
pub struct Restoration {
    /// The account's name.
    pub account: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Where its files go.
    pub target: Target,
    /// The mark that its folder carries.
    pub mark: String,
    /// The files.
    pub files: Vec<Restored>,
    /// Adobe's list: from now on none of these can be datadrop's, except those that the files own. `None`: Adobe was
    /// not asked.
    pub remote_jobs: Option<Vec<RemoteJob>>,
}

impl JobLog {
    /// Writes it down, all at once.
    #[must_use]
    pub fn restore(&self, restoration: Restoration, now: Timestamp) -> Pending<()> {
        self.call(move |unit| {
            let account = &restoration.account;
            let target_id = sql::target_id(unit, &restoration.target)?;
            let line = sql::line_of(unit, account, target_id)?;
            let after = listed_after(unit, account)?;
            for file in &restoration.files {
                restore(unit, &restoration, file, target_id, now)?;
            }
            for remote in restoration.remote_jobs.iter().flatten() {
                remember(unit, account, (line, remote, true), Some(after), now)?;
            }
            // What lies in the inbox under a name of that list is held at the next start (DESIGN F8).
            unit
                .prepare_cached(
                    "UPDATE account SET folder_mark = ?2, folder_problem = NULL, folder_remedy = NULL, unopened = 0, first_scan_at = NULL,
                            baseline_at = CASE WHEN ?3 THEN ?4 ELSE NULL END, baseline_event = ?5
                     WHERE name = ?1",
                )?
                .execute(params![
                    account,
                    restoration.mark,
                    restoration.remote_jobs.is_some(),
                    now.0,
                    sql::latest_event(unit)?.0
                ])?;
            unit.effects.changed = true;
            Ok(())
        })
    }
}

/// After which event a remote job counts as listed that a recovery saw first: before anything that goes there now, and after what
/// went elsewhere before. But where an upload of the job log is unclear, or was when it was given up, what it became may be among
/// them, as in any list that is read now (DESIGN S3, S5).
fn listed_after(connection: &Connection, account: &str) -> Result<EventId, JobLogError> {
    let is_unclear = connection
        .prepare_cached(
            "SELECT count(*) FROM job WHERE account = ?1 AND attempts > 0 AND remote_job_id IS NULL
             AND (finished_at IS NULL OR (state = 'cancelled' AND unsettled))",
        )?
        .query_row([account], |row| row.get::<_, i64>(0))?
        > 0;
    if is_unclear {
        return sql::latest_event(connection);
    }
    Ok(connection
        .prepare_cached("SELECT aimed_event FROM account WHERE name = ?1")?
        .query_row([account], |row| row.get(0).map(EventId))?)
}

fn restore(
    unit: &mut Unit<'_>,
    restoration: &Restoration,
    file: &Restored,
    target_id: i64,
    now: Timestamp,
) -> Result<(), JobLogError> {
    let identity: FileIdentity = file.content.identity;
    let is_held = file.state == State::Held;
    let path = Job::path_in(&restoration.folder, file.place, &file.disk_name);
    let (file_name, disk_name) = (file.file_name.clone(), file.disk_name.clone());
    let mut seen = Job::seen(&restoration.account, file_name, disk_name, file.kind, path, file.filed_at);
    // What came of it is counted and owned as a job takes its steps.
    unit.insert(&mut seen)?;
    let mut job = Job {
        state: file.state,
        reason: Some(file.reason.clone()),
        place: file.place,
        identity: Some(identity),
        size: Some(identity.size),
        sha256: Some(file.content.sha256),
        blake3: Some(file.blake3),
        rows_expected: Some(file.rows_expected),
        target_id: Some(target_id),
        // Whether it was ingested is unknown: its content is held again wherever it comes from.
        unclear_ends: u32::from(is_held),
        unsettled: is_held,
        queued_at: Some(file.filed_at),
        uploaded_at: (!is_held).then_some(file.filed_at),
        finished_at: file.state.is_terminal().then_some(file.filed_at),
        ..seen
    };
    if let Some(remote) = &file.remote {
        attempts::take_remote(&mut job, remote);
    }
    if let Some(days) = &file.days {
        note_days(unit, &job, days)?;
    }
    unit.save(&job)?;
    sql::insert_event(unit, job.id, now, "recovered", None, job.state, job.reason.as_deref())?;
    Ok(())
}

/// The job whose file lies somewhere, as far as its name tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FiledJob {
    /// The job.
    pub id: JobId,
    /// The move there is recorded.
    pub is_recorded: bool,
    /// What its file holds, where that is known.
    pub sha256: Option<Sha256>,
    /// Its file was seen elsewhere last and belongs elsewhere: it may have been moved here, if this is what it holds.
    pub moved_with: Option<Sha256>,
    identity: Option<FileIdentity>,
}

impl FiledJob {
    /// Whether the file that lies there may be that of this job and not of one that looks for its own: a job log that is older
    /// than the folder may have another job's file there (DESIGN F2).
    #[must_use]
    pub fn may_have(&self, other: JobId, sha256: Option<Sha256>) -> bool {
        let holds_another = matches!((self.sha256, sha256), (Some(its), Some(other)) if its != other);
        self.is_recorded && self.id != other && !holds_another
    }

    /// Returns whether the file there is the job's, as far as that shows without reading it. A job of an older job log may
    /// have another job's file under its name (DESIGN F2).
    #[must_use]
    pub fn explains_unread(&self, found: &FileIdentity) -> bool {
        let may_be_another = self.sha256.is_some() && self.identity.is_some_and(|its| its != *found);
        self.moved_with.is_none() && !may_be_another
    }

    /// Returns whether the file that was read is the job's. Changes to its own file are reported elsewhere.
    #[must_use]
    pub fn explains(&self, found: &Fingerprint) -> bool {
        let is_its_file = self.identity.is_some_and(|its| its.is_same_file(&found.identity));
        self.sha256 == Some(found.sha256) || (self.moved_with.is_none() && is_its_file)
    }
}

impl Reader {
    /// The job of the account that has its file there under that name, even if it has left the job log since.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn filed_job(&self, account: &str, place: Place, disk_name: &OsStr) -> Result<Option<FiledJob>, JobLogError> {
        let known = |id| FiledJob { id: JobId(id), is_recorded: true, sha256: None, moved_with: None, identity: None };
        let connection = self.connection();
        let name = disk_name.to_string_lossy();
        // Under its own name, or with a number in it: its job's, or that of the job whose file it was before (DESIGN F1).
        // A move whose record is still due counts too; but what was never accepted did not get to where accepted files lie, and
        // a job that has lost its file has none.
        for stem in stems_without_numbers(stem(&name)) {
            let by_stem = connection
                .prepare_cached(
                    "SELECT id, place = ?3, sha256, place <> ?3 AND belongs <> ?3, device, inode, born_ns, size, modified_ns
                     FROM job WHERE account = ?1 AND stem = ?2
                     AND place <> 'gone' AND (place = ?3 OR belongs = ?3 OR (place <> belongs
                          AND (uploaded_at IS NOT NULL OR ?3 NOT IN ('sent', 'done')))) AND disk_name = ?4
                     ORDER BY place <> ?3, id DESC LIMIT 1",
                )?
                .query_row(params![account, stem, place.as_str(), disk_name.as_bytes()], |row| {
                    let sha256 = row.get::<_, Option<String>>(2)?.as_deref().and_then(Sha256::from_hex);
                    let moved_with = if row.get(3)? { sha256 } else { None };
                    let number = |column| Ok::<_, rusqlite::Error>(row.get::<_, Option<i64>>(column)?.map(i64::cast_unsigned));
                    let identity = match (number(4)?, number(5)?, number(7)?) {
                        (Some(device), Some(inode), Some(size)) => {
                            let [born_ns, modified_ns] = [row.get::<_, Option<i64>>(6)?, row.get(8)?].map(Option::unwrap_or_default);
                            Some(FileIdentity { device, inode, born_ns, size, modified_ns })
                        }
                        (Some(_) | None, ..) => None,
                    };
                    Ok(FiledJob { id: JobId(row.get(0)?), is_recorded: row.get(1)?, sha256, moved_with, identity })
                })
                .optional()?;
            if by_stem.is_some() {
                return Ok(by_stem);
            }
        }
        let was_pruned = connection
            .prepare_cached(
                "SELECT job_id FROM delivered WHERE account = ?1 AND disk_name = ?2 AND place = ?3 LIMIT 1",
            )?
            .query_row(params![account, disk_name.as_bytes(), place.as_str()], |row| row.get::<_, i64>(0))
            .optional()?;
        if was_pruned.is_some() {
            return Ok(was_pruned.map(known));
        }
        // A name too long for a number was shortened for it.
        let numbers = name.split('.').filter_map(|part| part.parse::<i64>().ok());
        for number in numbers {
            let its = connection
                .prepare_cached(
                    "SELECT id FROM job WHERE id = ?1 AND account = ?2 AND (place = ?3 OR belongs = ?3) LIMIT 1",
                )?
                .query_row(params![number, account, place.as_str()], |row| row.get(0))
                .optional()?;
            if its.is_some() {
                return Ok(its.map(known));
            }
        }
        Ok(None)
    }

    /// When the job log last saw a file of the account accepted or ended; `None` if never.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn latest_end(&self, account: &str) -> Result<Option<Timestamp>, JobLogError> {
        let latest: Option<i64> = self
            .connection()
            .prepare_cached(
                "SELECT max(at) FROM (
                    SELECT max(uploaded_at) AS at FROM job WHERE account = ?1 AND uploaded_at IS NOT NULL
                    UNION ALL
                    SELECT max(finished_at) FROM job WHERE account = ?1 AND finished_at IS NOT NULL AND state = 'success'
                    UNION ALL
                    SELECT max(finished_at) FROM job WHERE account = ?1 AND finished_at IS NOT NULL AND state = 'partial'
                    UNION ALL
                    SELECT max(finished_at) FROM delivered WHERE account = ?1 AND state = 'success'
                    UNION ALL
                    SELECT max(finished_at) FROM delivered WHERE account = ?1 AND state = 'partial')",
            )?
            .query_row([account], |row| row.get(0))?;
        Ok(latest.map(Timestamp))
    }
}

/// A stem, and what is left of it as numbers are taken off its end: `sales.17.2`, `sales.17`, `sales`.
fn stems_without_numbers(stem: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(stem), |stem| {
        let (before, number) = stem.rsplit_once('.')?;
        number.parse::<u64>().is_ok().then_some(before)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Duplicates;
    use crate::job::RemoteJobId;
    use crate::joblog::fixtures::{arrives, ends, hash, opened, target};

    /// Somebody cancels a job of a job log that was set back: that is no move of ours into `sent/`.
    #[test]
    fn what_was_never_accepted_explains_no_file_in_sent() {
        let (_dir, log) = opened();
        let job = arrives(&log, "sales.txt", 1, Duplicates::Hold).id;
        ends(&log, job, "cancelled", "cancelled by somebody");
        let reader = log.reader().unwrap();
        let filed = |place| reader.filed_job("a", place, OsStr::new("sales.txt")).unwrap().map(|filed| filed.id);
        assert_eq!([Place::Sent, Place::Done, Place::Failed].map(filed), [None, None, Some(job)]);
        let accepted = "UPDATE job SET uploaded_at = 8 WHERE id = ?1";
        log.call(move |unit| Ok(unit.execute(accepted, [job.0])?)).wait().unwrap();
        assert_eq!([Place::Sent, Place::Done].map(filed), [Some(job); 2], "it failed later, and its moves are due");
        let done = reader.filed_job("a", Place::Done, OsStr::new("sales.txt")).unwrap().unwrap();
        let sha256 = Some(hash(1));
        let moved = FiledJob { id: job, is_recorded: false, sha256, moved_with: sha256, ..done };
        assert_eq!(done, moved, "a file of that content");
    }

    /// Found by the simulation, seed 654993: another's file took its place, was accepted, and was no news to `recover`.
    #[test]
    fn what_lost_its_file_explains_no_file_of_its_name() {
        let (_dir, log) = opened();
        let job = arrives(&log, "sales.txt", 1, Duplicates::Hold).id;
        let lost = "UPDATE job SET state = 'success', place = 'gone', belongs = 'done', uploaded_at = 8 WHERE id = ?1";
        log.call(move |unit| Ok(unit.execute(lost, [job.0])?)).wait().unwrap();
        assert!(log.reader().unwrap().filed_job("a", Place::Done, OsStr::new("sales.txt")).unwrap().is_none());
    }

    /// Found by the simulation, seed 190978: a job log that was set back had another job's file under that name.
    #[test]
    fn f2_a_name_that_is_recorded_for_another_content_keeps_no_file_from_its_job() {
        let (_dir, log) = opened();
        let job = arrives(&log, "sales.txt", 1, Duplicates::Hold).id;
        let held = "UPDATE job SET state = 'held', reason = 'x', place = 'held', belongs = 'held' WHERE id = ?1";
        log.call(move |unit| Ok(unit.execute(held, [job.0])?)).wait().unwrap();
        let filed = log.reader().unwrap().filed_job("a", Place::Held, OsStr::new("sales.txt")).unwrap().unwrap();
        let other = JobId(job.0 + 1);
        for (id, sha256, may_have) in [
            (other, Some(hash(1)), true),
            (other, Some(hash(2)), false),
            (other, None, true),
            (job, Some(hash(1)), false),
        ] {
            assert_eq!(filed.may_have(id, sha256), may_have, "{id} {sha256:?}");
        }
        let found = |inode, content| {
            let identity = FileIdentity { device: 1, inode, born_ns: 0, size: 3, modified_ns: 4 };
            Fingerprint { identity, sha256: hash(content) }
        };
        for (inode, content, explains) in [(1, 1, true), (8, 1, true), (1, 2, true), (8, 2, false)] {
            let found = found(inode, content);
            assert_eq!(filed.explains(&found), explains, "inode {inode}, content {content}");
            assert_eq!(filed.explains_unread(&found.identity), inode == 1);
        }
    }

    /// Found by the simulation, seed 321086: it was taken for a remote job that was there before, and the file was sent again.
    #[test]
    fn p3_what_recovery_finds_listed_may_be_what_an_unclear_upload_became() {
        for (becomes, may_be) in [
            ("state = 'unconfirmed', attempts = 1, unclear_ends = 1", true),
            ("attempts = 1, unclear_ends = 1", true),
            ("state = 'held', belongs = 'held', reason = 'x', attempts = 1, unsettled = 1", true),
            (
                "state = 'cancelled', belongs = 'failed', reason = 'x', attempts = 1, unsettled = 1, finished_at = 1",
                true,
            ),
            ("state = 'cancelled', belongs = 'failed', reason = 'x', attempts = 1, finished_at = 1", false),
            (
                "state = 'success', belongs = 'done', attempts = 1, uploaded_at = 1, remote_job_id = 6, finished_at = 1",
                false,
            ),
            ("attempts = 0", false),
        ] {
            let (_dir, log) = opened();
            let job = arrives(&log, "sales.txt", 1, Duplicates::Hold).id;
            let began = log.call(move |unit| {
                unit.execute(&format!("UPDATE job SET {becomes} WHERE id = ?1"), [job.0])?;
                sql::latest_event(unit)
            });
            let began = began.wait().unwrap();
            let remote = RemoteJob {
                file_name: Some("sales.txt".to_owned()),
                rows_processed: None,
                remote_job_id: RemoteJobId(7),
                remote_status: None,
                remote_created: None,
                remote_started: None,
                remote_finished: None,
            };
            let restoration = Restoration {
                account: "a".to_owned(),
                folder: "/srv/a".into(),
                target: target(),
                mark: "a".to_owned(),
                files: Vec::new(),
                remote_jobs: Some(vec![remote]),
            };
            log.restore(restoration, Timestamp(2)).wait().unwrap();
            let listed = log.reader().unwrap().first_listed_after("a", RemoteJobId(7)).unwrap().unwrap();
            assert_eq!(listed >= began, may_be, "{becomes}");
        }
    }

    #[test]
    fn numbers_are_taken_off_the_end_of_a_stem_alone() {
        let all = |stem| stems_without_numbers(stem).collect::<Vec<_>>();
        assert_eq!(all("sales.17.2"), ["sales.17.2", "sales.17", "sales"]);
        assert_eq!(all("2026.sales"), ["2026.sales"]);
        assert_eq!(all("sales"), ["sales"]);
    }
}
