//! Instructions in the job log: what people want of jobs, and what came of it (DESIGN §7).

use super::{Job, JobLogError, OpenError, Reader, open, sql};
use crate::job::{JobId, JobStanding, Kind, Release, RemoteJobId, Target, Timestamp, Verb};
use rusqlite::{Connection, Row, params};
use std::path::Path;

/// The number of an instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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
            "INSERT INTO instruction (given_at, given_by, verb, job_id, how, adopted_id) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![now.0, instruction.by, instruction.verb.as_str(), instruction.job.0, how, adopted])?;
    Ok(())
}

fn decode(row: &Row<'_>) -> Result<(InstructionId, Instruction), JobLogError> {
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
    Ok((InstructionId(id), Instruction { job: JobId(row.get(4)?), verb, by: row.get(5)? }))
}

const INSTRUCTION: &str =
    "SELECT id, verb, how, adopted_id, job_id, given_by FROM instruction WHERE answered_at IS NULL";

pub(super) fn open_instructions(connection: &Connection) -> Result<Vec<(InstructionId, Instruction)>, JobLogError> {
    let mut statement = connection.prepare_cached(&format!("{INSTRUCTION} ORDER BY id"))?;
    let mut rows = statement.query([])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(decode(row)?);
    }
    Ok(found)
}

/// An instruction that nobody has answered, if it is one.
pub(super) fn open_instruction(connection: &Connection, id: InstructionId) -> Result<Option<Instruction>, JobLogError> {
    let mut statement = connection.prepare_cached(&format!("{INSTRUCTION} AND id = ?1"))?;
    let mut rows = statement.query([id.0])?;
    rows.next()?.map(|row| Ok(decode(row)?.1)).transpose()
}

impl Reader {
    /// The answers to these instructions that are there, in their order.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn answers(&self, ids: &[InstructionId]) -> Result<Vec<Answer>, JobLogError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT done, answer, new_job_id FROM instruction WHERE id = ?1 AND answered_at IS NOT NULL",
        )?;
        let mut answers = Vec::new();
        for &id in ids {
            let found = statement.query_map([id.0], |row| {
                let new_job = row.get::<_, Option<i64>>(2)?.map(JobId);
                Ok(Answer { id, done: row.get(0)?, words: row.get(1)?, new_job })
            })?;
            for answer in found {
                answers.push(answer?);
            }
        }
        Ok(answers)
    }

    /// Under which name a job is sent, and where to, if that is fixed by now.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read, or there is no such job.
    pub fn sent_as(&self, id: JobId) -> Result<SentAs, JobLogError> {
        let connection = self.connection();
        let job = sql::job(&connection, id)?;
        let target = job.target_id.map(|target| sql::target(&connection, target)).transpose()?;
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
    })
}
