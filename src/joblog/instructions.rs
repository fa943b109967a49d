//! Instructions in the job log: what people want of jobs, and what came of it (DESIGN §7).

use super::errors::{JobLogError, OpenError};
use super::open;
use super::queries::{JobFilter, JobRow};
use super::reader::Reader;
use super::row::{Fault, Job};
use super::sql;
use super::writer::{JobLog, Pending};
use crate::job::{
    EventId, JobId, JobStanding, Kind, Phase, Place, Release, RemoteJobId, State, Target, Timestamp, Verb,
};
use rusqlite::{Connection, Row, params};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

/// The number of an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstructionId(pub i64);

/// What a person wants of one job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// The job.
    pub job: JobId,
    /// What is wanted.
    pub verb: Verb,
    /// Who wants it.
    pub by: String,
    /// The newest event of the job when that person decided. If there is a newer one, nothing is done.
    pub seen: Option<EventId>,
}

/// What came of an instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The instruction.
    pub id: InstructionId,
    /// It was done.
    pub done: bool,
    /// What came of it, or why it was not done.
    pub words: String,
    /// The job that its file became.
    pub new_job: Option<JobId>,
}

/// A job that a verb may be meant for, and where it stands.
type Named = (JobRow, JobStanding);

/// How a job is known at Adobe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentAs {
    /// The name of the file there.
    pub wire_name: String,
    /// Where it goes; `None` before its first attempt (DESIGN A5).
    pub target: Option<Target>,
}

/// Writes instructions into the job log of a state directory, whether or not a daemon runs, and returns their numbers.
///
/// # Errors
/// [`OpenError`] if there is no job log of this version, or the user must not write to it.
pub fn instruct(dir: &Path, wanted: &[Instruction], now: Timestamp) -> Result<Vec<InstructionId>, OpenError> {
    let mut connection = open::open_for_instructions(dir)?;
    let closed = |error: rusqlite::Error| open::not_written(dir, &error);
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(closed)?;
    let mut ids = Vec::with_capacity(wanted.len());
    for instruction in wanted {
        insert(&transaction, instruction, now).map_err(closed)?;
        ids.push(InstructionId(transaction.last_insert_rowid()));
    }
    transaction.commit().map_err(closed)?;
    Ok(ids)
}

fn insert(connection: &Connection, instruction: &Instruction, now: Timestamp) -> rusqlite::Result<()> {
    let (how, adopted) = match instruction.verb {
        Verb::Release(Release::Resend) => (Some("resend"), None),
        Verb::Release(Release::Adopt(remote)) => (Some("adopt"), Some(remote.0)),
        Verb::Cancel { force: true } => (Some("force"), None),
        Verb::Retry | Verb::Hold | Verb::Release(Release::Send) | Verb::Cancel { force: false } => (None, None),
    };
    connection
        .prepare_cached(
            "INSERT INTO instruction (given_at, given_by, verb, job_id, how, adopted_id, seen_event)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?
        .execute(params![
            now.0,
            instruction.by,
            instruction.verb.as_str(),
            instruction.job.0,
            how,
            adopted,
            instruction.seen.map(|event| event.0)
        ])?;
    Ok(())
}

fn decode(row: &Row<'_>) -> Result<Instruction, JobLogError> {
    let id: i64 = row.get(0)?;
    let verb: String = row.get(1)?;
    let how: Option<String> = row.get(2)?;
    let adopted = row.get::<_, Option<i64>>(3)?.map(RemoteJobId);
    let verb = match (verb.as_str(), how.as_deref(), adopted) {
        ("retry", None, None) => Verb::Retry,
        ("hold", None, None) => Verb::Hold,
        ("release", None, None) => Verb::Release(Release::Send),
        ("release", Some("resend"), None) => Verb::Release(Release::Resend),
        ("release", Some("adopt"), Some(remote)) => Verb::Release(Release::Adopt(remote)),
        ("cancel", None, None) => Verb::Cancel { force: false },
        ("cancel", Some("force"), None) => Verb::Cancel { force: true },
        _ => return Err(JobLogError::Impossible(format!("instruction {id} makes no sense"))),
    };
    let seen = row.get::<_, Option<i64>>(6)?.map(EventId);
    Ok(Instruction { job: JobId(row.get(4)?), verb, by: row.get(5)?, seen })
}

/// Returns the unanswered instructions, oldest first: the job's file, and that of a marker that ended with it, which
/// the data file needs if it is sent again.
pub(super) fn open_instructions(connection: &Connection) -> Result<Vec<Open>, JobLogError> {
    let mut statement = connection.prepare_cached(
        "SELECT instruction.id, marker.id, marker.path, job.id, job.path, ifnull(job.account, '') FROM instruction
         LEFT JOIN job ON job.id = instruction.job_id
         LEFT JOIN job AS marker ON job.kind = 'data' AND marker.id = job.pair_id AND marker.finished_at IS NOT NULL
              AND marker.place <> 'gone'
         WHERE instruction.answered_at IS NULL ORDER BY instruction.id",
    )?;
    let rows = statement.query_map([], |row| {
        // A path that makes no sense costs that job its turn, and no other (DESIGN F10).
        let file = |id: usize, path: usize| {
            Some((
                JobId(row.get::<_, Option<i64>>(id).ok()??),
                PathBuf::from(row.get::<_, Option<String>>(path).ok()??),
            ))
        };
        let paths = file(1, 2).into_iter().chain(file(3, 4)).collect();
        Ok(Open { id: InstructionId(row.get(0)?), account: row.get(5)?, paths })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Returns the instruction of this number, if it is unanswered.
pub(super) fn open_instruction(connection: &Connection, id: InstructionId) -> Result<Option<Instruction>, JobLogError> {
    let mut statement = connection.prepare_cached(
        "SELECT id, verb, how, adopted_id, job_id, given_by, seen_event FROM instruction
         WHERE answered_at IS NULL AND job_id IS NOT NULL AND id = ?1",
    )?;
    let mut rows = statement.query([id.0])?;
    rows.next()?.map(decode).transpose()
}

impl JobLog {
    /// Writes instructions into the job log as the process that carries them out, and returns their numbers.
    #[must_use]
    pub fn instruct(&self, wanted: Vec<Instruction>, now: Timestamp) -> Pending<Vec<InstructionId>> {
        self.call(move |unit| {
            let write = |instruction| {
                insert(unit, instruction, now)?;
                Ok(InstructionId(unit.last_insert_rowid()))
            };
            wanted.iter().map(write).collect()
        })
    }
}

impl Reader {
    /// The newest event of each of these jobs, by which a later change of it is noticed.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn newest_events(&self, ids: &[i64]) -> Result<HashMap<JobId, EventId>, JobLogError> {
        let connection = self.connection();
        let mut statement = connection
            .prepare_cached("SELECT value, (SELECT max(id) FROM job_event WHERE job_id = value) FROM json_each(?1)")?;
        let rows = statement.query_map([serde_json::json!(ids).to_string()], |row| {
            Ok((JobId(row.get(0)?), EventId(row.get::<_, Option<i64>>(1)?.unwrap_or(0))))
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The answers to these instructions that are there, by number.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn answers(&self, ids: &[InstructionId]) -> Result<Vec<Answer>, JobLogError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT id, done, answer, new_job_id FROM instruction
             WHERE id IN (SELECT value FROM json_each(?1)) AND answered_at IS NOT NULL ORDER BY id",
        )?;
        let answers = statement.query_map(
            [serde_json::json!(ids.iter().map(|id| id.0).collect::<Vec<_>>()).to_string()],
            |row| {
                let new_job = row.get::<_, Option<i64>>(3)?.map(JobId);
                Ok(Answer { id: InstructionId(row.get(0)?), done: row.get(1)?, words: row.get(2)?, new_job })
            },
        )?;
        Ok(answers.collect::<rusqlite::Result<_>>()?)
    }

    /// The jobs that the filter lets through, newest last, and where each stands as far as verbs ask. A row that cannot be
    /// read costs no other.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn standings(&self, filter: &JobFilter) -> Result<Vec<Result<Named, JobLogError>>, JobLogError> {
        let (select, values) = filter.select();
        let sql = format!(
            "SELECT listed.*, job.phase AS own_phase, job.place AS own_place, job.sha256 IS NOT NULL AS is_hashed,
                    job.unsettled AS is_unsettled, data.id AS data_id, data.state AS data_state, data.phase AS data_phase,
                    (SELECT max(again.id) FROM job AS again WHERE again.retry_of = job.id) AS again_id
             FROM ({select}) AS listed JOIN job ON job.id = listed.id
             LEFT JOIN job AS data ON job.kind = 'fin' AND data.id = job.pair_id ORDER BY listed.id"
        );
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(rusqlite::params_from_iter(values))?;
        let mut standings = Vec::new();
        while let Some(row) = rows.next()? {
            let job = JobRow::decode(row).map_err(|error| Fault::from(error).of(row));
            standings.push(job.and_then(|job| {
                let standing = decode_standing(row, &job)?;
                Ok((job, standing))
            }));
        }
        Ok(standings)
    }

    /// Under which name a job is sent, and where to, if that is fixed by now.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read, or there is no such job.
    pub fn sent_as(&self, id: JobId) -> Result<SentAs, JobLogError> {
        let connection = self.connection();
        let job = sql::job(&connection, id)?;
        let target = job.target_id.map(|target| sql::target_of(&connection, (id, &job.account), target)).transpose()?;
        Ok(SentAs { wire_name: job.wire_name, target })
    }

    /// Where a job stands, as far as verbs ask; `None` if there is no such job.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn job_standing(&self, id: JobId) -> Result<Option<JobStanding>, JobLogError> {
        let connection = self.connection();
        sql::job_if_known(&connection, id)?.map(|job| standing(&connection, &job)).transpose()
    }
}

/// The columns that [`Reader::standings`] has behind those of the view.
fn decode_standing(row: &Row<'_>, job: &JobRow) -> Result<JobStanding, JobLogError> {
    let bad = |what: &str| JobLogError::Impossible(format!("job {}: {what}", job.id));
    let state_of = |word: &str, phase: Option<String>| {
        let phase = phase.as_deref().and_then(Phase::from_word);
        State::from_words(word, phase).ok_or_else(|| bad(&format!("state `{word}`")))
    };
    let place: String = row.get("own_place")?;
    let data = match row.get::<_, Option<i64>>("data_id")? {
        Some(id) => Some((JobId(id), state_of(&row.get::<_, String>("data_state")?, row.get("data_phase")?)?)),
        None => None,
    };
    Ok(JobStanding {
        id: JobId(job.id),
        kind: if job.kind == Kind::Fin.as_str() { Kind::Fin } else { Kind::Data },
        state: state_of(&job.state, row.get("own_phase")?)?,
        place: Place::from_word(&place).ok_or_else(|| bad(&format!("place `{place}`")))?,
        is_hashed: row.get("is_hashed")?,
        is_unsettled: row.get("is_unsettled")?,
        data,
        sent_again_as: row.get::<_, Option<i64>>("again_id")?.map(JobId),
    })
}

pub(super) fn standing(connection: &Connection, job: &Job) -> Result<JobStanding, JobLogError> {
    let data = match (job.kind, job.pair) {
        (Kind::Fin, Some(data)) => Some(sql::job(connection, data)?),
        (Kind::Fin, None) | (Kind::Data, _) => None,
    };
    Ok(JobStanding {
        id: job.id,
        kind: job.kind,
        state: job.state,
        place: job.place,
        is_hashed: job.sha256.is_some(),
        is_unsettled: job.unsettled,
        data: data.map(|data| (data.id, data.state)),
        sent_again_as: sql::sent_again_as(connection, job.id)?,
    })
}

/// An unanswered instruction, and the files that it may concern.
#[derive(Debug, Clone)]
pub struct Open {
    /// Its number.
    pub id: InstructionId,
    /// The account of its job; empty if there is no such job.
    pub account: String,
    /// The job's file and that of its marker, where they were last.
    pub paths: Vec<(JobId, PathBuf)>,
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{arrives, ends, opened};
    use super::*;
    use crate::config::Duplicates;

    #[test]
    fn where_the_jobs_of_a_filter_stand_is_read_at_once_and_is_what_each_says_of_itself() {
        let (_dir, log) = opened();
        for file in 1..=50 {
            arrives(&log, &format!("{file}.txt"), file, Duplicates::Hold);
        }
        ends(&log, JobId(3), "rejected", "");
        let pair = "UPDATE job SET state = 'uploading', phase = 'committing' WHERE id = 1;
                    UPDATE job SET kind = 'fin', pair_id = 1 WHERE id = 2;";
        log.call(move |unit| Ok(unit.execute_batch(pair)?)).wait().unwrap();
        let reader = log.reader().unwrap();
        let work = reader.count_work();
        let standings: Vec<_> =
            reader.standings(&JobFilter::default()).unwrap().into_iter().map(Result::unwrap).collect();
        assert_eq!((standings.len(), work.lock().unwrap().statements), (50, 1));
        for (job, standing) in &standings {
            assert_eq!(reader.job_standing(JobId(job.id)).unwrap().as_ref(), Some(standing));
        }
        assert_eq!(
            work.lock().unwrap().statements,
            1 + 2 * 50 + 1,
            "one by one, with what was sent again, and a marker's data file"
        );
        let named = reader.standings(&JobFilter { ids: vec![7, 3, 99, 7], ..JobFilter::default() }).unwrap();
        assert_eq!(named.iter().map(|found| found.as_ref().unwrap().0.id).collect::<Vec<_>>(), [3, 7]);
    }
}
