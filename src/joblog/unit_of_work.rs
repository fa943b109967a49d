//! One operation of the writer: what it has read of jobs, so that each row is read once, and what others must hear of it.

use super::day_totals::recount;
use super::errors::JobLogError;
use super::row::Job;
use super::sql;
use crate::job::{JobId, Place, State};
use rusqlite::Connection;
use serde_json::json;
use std::collections::{BTreeMap, HashMap};
use std::ops::Deref;

type Result<T> = std::result::Result<T, JobLogError>;

/// The unit of work of one operation. Rows of jobs are read and written through it alone: it knows what each holds, and
/// writes what has changed.
pub(super) struct Unit<'c> {
    connection: &'c Connection,
    /// What is to be announced once it is durable.
    pub(super) effects: Effects,
    /// Rows as the database has them now.
    rows: HashMap<JobId, Job>,
}

/// Everything else is read as any reader does.
impl Deref for Unit<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

impl<'c> Unit<'c> {
    pub(super) fn new(connection: &'c Connection) -> Self {
        Self { connection, effects: Effects::default(), rows: HashMap::new() }
    }

    /// The job of this number.
    pub(super) fn job(&mut self, id: JobId) -> Result<Job> {
        if let Some(job) = self.rows.get(&id) {
            return Ok(job.clone());
        }
        Ok(self.keep(sql::job(self.connection, id)?))
    }

    /// The other of its pair.
    pub(super) fn pair_of(&mut self, id: JobId) -> Result<Option<JobId>> {
        match self.rows.get(&id) {
            Some(job) => Ok(job.pair),
            None => Ok(self.job(id)?.pair),
        }
    }

    /// Reads the rows of many jobs at once. One that is missing or makes no sense is met when it is asked for.
    pub(super) fn read(&mut self, ids: impl Iterator<Item = JobId>) -> Result<()> {
        let ids: Vec<_> = ids.map(|id| id.0).collect();
        if ids.len() > 1 {
            let these = "id IN (SELECT value FROM json_each(?1))";
            for job in sql::each_of("job", self.connection, these, [json!(ids).to_string()])?.into_iter().flatten() {
                self.keep(job);
            }
        }
        Ok(())
    }

    /// Remembers a row that was read, unless it is known already: it may have been written since it was read.
    pub(super) fn keep(&mut self, job: Job) -> Job {
        self.rows.entry(job.id).or_insert_with(|| job.clone());
        job
    }

    /// Inserts a job, and gives it its number.
    pub(super) fn insert(&mut self, job: &mut Job) -> Result<()> {
        job.id = sql::insert_job(self.connection, job)?;
        self.rows.insert(job.id, job.clone());
        Ok(())
    }

    /// Writes what has changed of a job, in one statement: a column that is set rewrites its indexes, changed or not.
    pub(super) fn save(&mut self, job: &Job) -> Result<()> {
        let before = match self.rows.remove(&job.id) {
            Some(row) => row,
            None => sql::job(self.connection, job.id)?,
        };
        sql::update_job(self.connection, &before, job)?;
        self.rows.insert(job.id, job.clone());
        if let Some(warning) = recount(self.connection, &before, job)? {
            self.effects.warnings.push(warning);
            self.effects.changed = true;
        }
        Ok(())
    }

    /// Changes one job where nothing else of it matters.
    pub(super) fn change(&mut self, id: JobId, change: impl FnOnce(&mut Job)) -> Result<()> {
        let mut job = self.job(id)?;
        change(&mut job);
        self.save(&job)
    }
}

/// What an operation did that others must hear of once it is durable.
#[derive(Default)]
pub(super) struct Effects {
    /// Accounts with files to move.
    pub(super) unfiled: BTreeMap<String, Haste>,
    /// Attempts in progress that must not go on: the job, and the number of the attempt.
    pub(super) taken_back: Vec<(JobId, u32)>,
    /// Something may now be due, or a job changed.
    pub(super) changed: bool,
    /// What people must hear of.
    pub(super) warnings: Vec<String>,
}

impl Effects {
    /// The file of a job of this account is to be moved.
    pub(super) fn note_unfiled(&mut self, account: String, haste: Haste) {
        let noted = self.unfiled.entry(account).or_insert(haste);
        *noted = haste.max(*noted);
    }

    pub(super) fn append(&mut self, mut others: Self) {
        for (account, haste) in others.unfiled {
            self.note_unfiled(account, haste);
        }
        self.taken_back.append(&mut others.taken_back);
        self.changed |= others.changed;
        self.warnings.append(&mut others.warnings);
    }
}

/// How soon a file is to be moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Haste {
    /// Its content was sent: the move may wait for others.
    None,
    /// Its content is nowhere else, and lies where the next file of its name would overwrite it.
    AtOnce,
}

impl Haste {
    pub(super) fn of(state: State) -> Self {
        match state.place() {
            Place::Sent | Place::Done => Self::None,
            Place::Inbox | Place::Held | Place::Failed | Place::Gone => Self::AtOnce,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{AfterSending, Blake3, Cause, FileIdentity, Kind, Phase, RemoteJobId, State, Timestamp};
    use crate::joblog::JobLog;
    use crate::joblog::fixtures::{hash, opened, target};

    #[test]
    fn what_is_saved_of_a_job_is_what_is_read() {
        let (_dir, log) = opened();
        let (written, read) = log
            .call(|unit| {
                let target_id = sql::target_id(unit, &target())?;
                let seen = |name: &str| {
                    Job::seen("a", name.to_owned(), name.into(), Kind::Data, "/srv/a/x".into(), Timestamp(1))
                };
                let mut pair = seen("sales.fin");
                unit.insert(&mut pair)?;
                let mut job = seen("sales.txt");
                unit.insert(&mut job)?;
                let identity = FileIdentity { device: 2, inode: u64::MAX, born_ns: 3, size: 4, modified_ns: 5 };
                let text = |word: &str| Some(word.to_owned());
                let at = |millis| Some(Timestamp(millis));
                let full = Job {
                    id: job.id,
                    account: job.account,
                    file_name: job.file_name,
                    disk_name: "sales.1.txt".into(),
                    wire_name: "sales-1.txt".to_owned(),
                    kind: Kind::Data,
                    state: State::Uploading(Phase::Committing),
                    reason: text("why"),
                    cause: Some(Cause::Changed),
                    place: Place::Held,
                    path: "/srv/a/held/sales.1.txt".into(),
                    identity: Some(identity),
                    size: Some(4),
                    sha256: Some(hash(6)),
                    blake3: Some(Blake3([6; 32])),
                    rows_expected: Some(7),
                    rows_processed: Some(8),
                    target_id: Some(target_id),
                    remote_job_id: Some(RemoteJobId(9)),
                    remote_status: text("processing"),
                    remote_created: text("10"),
                    remote_started: text("11"),
                    remote_finished: text("12"),
                    attempts: 13,
                    unclear_ends: 14,
                    refusals: 15,
                    unsettled: true,
                    retry_of: Some(pair.id),
                    changed: Some(AfterSending { rows: 16, is_appended: true }),
                    doubled_with: Some(RemoteJobId(23)),
                    released: true,
                    seen_at: Timestamp(17),
                    queued_at: at(18),
                    uploaded_at: at(19),
                    finished_at: at(20),
                    next_attempt_at: at(21),
                    pair: Some(pair.id),
                };
                unit.save(&full)?;
                Ok((full, sql::job(unit, job.id)?))
            })
            .wait()
            .unwrap();
        assert_eq!(format!("{written:?}"), format!("{read:?}"));
    }

    #[test]
    fn a_row_that_was_written_since_is_not_taken_for_the_older_one() {
        let (_dir, log) = opened();
        let reason = |log: &JobLog| {
            log.call(|unit| {
                let mut job =
                    Job::seen("a", "x.txt".to_owned(), "x.txt".into(), Kind::Data, "/srv/a/x.txt".into(), Timestamp(1));
                unit.insert(&mut job)?;
                let older = job.clone();
                unit.change(job.id, |row| row.reason = Some("newer".to_owned()))?;
                let mut older = unit.keep(older);
                older.attempts = 1;
                unit.save(&older)?;
                Ok(sql::job(unit, job.id)?.reason)
            })
            .wait()
            .unwrap()
        };
        assert_eq!(reason(&log), None, "what is saved stands, whole");
    }
}
