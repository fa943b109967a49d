//! A job as the job log holds it, and back. A row that contradicts itself is refused loudly.

use super::errors::JobLogError;
use crate::job::{
    AfterSending, Blake3, Cause, FileIdentity, JobId, Kind, Phase, Place, RemoteJobId, Sha256, State, Timestamp,
    printable, stem,
};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Error as SqlError, Row};
use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// One job, everything that the job log knows of it.
#[derive(Debug, Clone)]
pub struct Job {
    /// Its number.
    pub id: JobId,
    /// The account's name.
    pub account: String,
    /// The name it was dropped under; lossy where that is no UTF-8.
    pub file_name: String,
    /// The name it has on disk now.
    pub disk_name: OsString,
    /// The name it is sent under.
    pub wire_name: String,
    /// Data file or marker.
    pub kind: Kind,
    /// Where it stands.
    pub state: State,
    /// Why, in plain words.
    pub reason: Option<String>,
    /// Why, where something depends on it.
    pub cause: Option<Cause>,
    /// Where the file lies.
    pub place: Place,
    /// The file's path.
    pub path: PathBuf,
    /// The file as it was hashed; the size is kept when nothing else is.
    pub identity: Option<FileIdentity>,
    /// Size in bytes.
    pub size: Option<u64>,
    /// Content; `None` until it is ready.
    pub sha256: Option<Sha256>,
    /// The same content, for the proof of an attempt.
    pub blake3: Option<Blake3>,
    /// Rows by Adobe's way of counting.
    pub rows_expected: Option<i64>,
    /// Rows that Adobe processed.
    pub rows_processed: Option<i64>,
    /// The row of `target` that its first attempt fixed (DESIGN A5).
    pub target_id: Option<i64>,
    /// Adobe's number.
    pub remote_job_id: Option<RemoteJobId>,
    /// Adobe's word.
    pub remote_status: Option<String>,
    /// Adobe's date text.
    pub remote_created: Option<String>,
    /// Adobe's date text.
    pub remote_started: Option<String>,
    /// Adobe's date text.
    pub remote_finished: Option<String>,
    /// Upload requests made.
    pub attempts: u32,
    /// Attempts that ended without a clear answer.
    pub unclear_ends: u32,
    /// Answers that said that the account, not the file, is wrong.
    pub refusals: u32,
    /// An attempt ended unclear, and whether it was ingested has been unknown since.
    pub unsettled: bool,
    /// The job whose file a person had sent again as this one.
    pub retry_of: Option<JobId>,
    /// How its file has changed since it was sent.
    pub changed: Option<AfterSending>,
    /// The remote job that no job owns and that may be this file as well.
    pub doubled_with: Option<RemoteJobId>,
    /// A person overruled what held it: nothing that was known then holds it again.
    pub released: bool,
    /// When it was first seen.
    pub seen_at: Timestamp,
    /// When it became ready.
    pub queued_at: Option<Timestamp>,
    /// When it was accepted.
    pub uploaded_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// When it is due.
    pub next_attempt_at: Option<Timestamp>,
    /// The other of a pair.
    pub pair: Option<JobId>,
}

/// The columns of a job, which [`Job::decode`] reads by name. The first two name a row that makes no sense.
pub(super) const JOB_COLUMNS: &str = "id, account, file_name, disk_name, wire_name, kind, state, phase, reason, place, path, device, inode, \
     modified_ns, size, sha256, rows_expected, rows_processed, target_id, remote_job_id, remote_status, remote_created, \
     remote_started, remote_finished, attempts, unclear_ends, refusals, seen_at, queued_at, uploaded_at, finished_at, \
     next_attempt_at, pair_id, released, born_ns, unsettled, retry_of, changed_rows, changed_by_appending, cause, \
     blake3, doubled_with";

/// A column of a job's row, and what a job has in it.
type Column = (&'static str, fn(&Job) -> ToSqlOutput<'_>);

/// The same to be written. Column `line` is that of the remote job's number, and depends on more than the job.
pub(super) const COLUMNS: [Column; 43] = [
    ("account", |job| job.account.as_str().into()),
    ("file_name", |job| job.file_name.as_str().into()),
    ("disk_name", |job| name_bytes(&job.disk_name).into()),
    ("stem", |job| stem(&job.file_name).into()),
    ("wire_name", |job| job.wire_name.as_str().into()),
    ("kind", |job| job.kind.as_str().into()),
    ("state", |job| job.state.as_str().into()),
    ("phase", |job| if let State::Uploading(phase) = job.state { phase.as_str().into() } else { NULL }),
    ("reason", |job| text(job.reason.as_deref())),
    ("cause", |job| text(job.cause.map(Cause::as_str))),
    ("place", |job| job.place.as_str().into()),
    ("belongs", |job| job.state.place().as_str().into()),
    ("path", |job| match job.path.to_string_lossy() {
        Cow::Borrowed(path) => path.into(),
        Cow::Owned(path) => path.into(),
    }),
    ("device", |job| number(job.identity.map(|file| file.device.cast_signed()))),
    ("inode", |job| number(job.identity.map(|file| file.inode.cast_signed()))),
    ("born_ns", |job| number(job.identity.map(|file| file.born_ns))),
    ("modified_ns", |job| number(job.identity.map(|file| file.modified_ns))),
    ("size", |job| number(job.size.map(u64::cast_signed))),
    ("sha256", |job| job.sha256.map_or(NULL, |hash| hash.to_string().into())),
    ("blake3", |job| job.blake3.as_ref().map_or(NULL, |hash| hash.0.as_slice().into())),
    ("rows_expected", |job| number(job.rows_expected)),
    ("rows_processed", |job| number(job.rows_processed)),
    ("target_id", |job| number(job.target_id)),
    ("remote_job_id", |job| number(job.remote_job_id.map(|id| id.0))),
    ("remote_status", |job| text(job.remote_status.as_deref())),
    ("remote_created", |job| text(job.remote_created.as_deref())),
    ("remote_started", |job| text(job.remote_started.as_deref())),
    ("remote_finished", |job| text(job.remote_finished.as_deref())),
    ("attempts", |job| job.attempts.into()),
    ("unclear_ends", |job| job.unclear_ends.into()),
    ("refusals", |job| job.refusals.into()),
    ("unsettled", |job| job.unsettled.into()),
    ("released", |job| job.released.into()),
    ("seen_at", |job| job.seen_at.0.into()),
    ("queued_at", |job| number(job.queued_at.map(|at| at.0))),
    ("uploaded_at", |job| number(job.uploaded_at.map(|at| at.0))),
    ("finished_at", |job| number(job.finished_at.map(|at| at.0))),
    ("next_attempt_at", |job| number(job.next_attempt_at.map(|at| at.0))),
    ("pair_id", |job| number(job.pair.map(|id| id.0))),
    ("retry_of", |job| number(job.retry_of.map(|id| id.0))),
    ("changed_rows", |job| number(job.changed.map(|changed| changed.rows))),
    ("changed_by_appending", |job| job.changed.is_some_and(|changed| changed.is_appended).into()),
    ("doubled_with", |job| number(job.doubled_with.map(|id| id.0))),
];

const NULL: ToSqlOutput<'static> = ToSqlOutput::Borrowed(ValueRef::Null);

fn text(text: Option<&str>) -> ToSqlOutput<'_> {
    text.map_or(NULL, Into::into)
}

fn number(number: Option<i64>) -> ToSqlOutput<'static> {
    number.map_or(NULL, Into::into)
}

/// Where a column stands in a list of columns: the compiler works it out, and stops at a name that is not in the list.
macro_rules! at {
    ($list:ident, $column:ident) => {
        const { $crate::joblog::row::position($list, stringify!($column)) }
    };
}
pub(super) use at;

pub(super) const fn position(list: &str, column: &str) -> usize {
    let (list, column) = (list.as_bytes(), column.as_bytes());
    let (mut start, mut position) = (0, 0);
    loop {
        let mut same = 0;
        while same < column.len() && start + same < list.len() && list[start + same] == column[same] {
            same += 1;
        }
        if same == column.len() && (start + same == list.len() || list[start + same] == b',') {
            return position;
        }
        while list[start] != b',' {
            start += 1;
        }
        (start, position) = (start + ", ".len(), position + 1);
    }
}

impl Job {
    /// A file that was just met in the inbox: nothing more is known of it, and it has no number yet.
    pub(crate) fn seen(
        account: &str,
        file_name: String,
        disk_name: OsString,
        kind: Kind,
        path: PathBuf,
        seen_at: Timestamp,
    ) -> Self {
        Self {
            id: JobId(0),
            account: account.to_owned(),
            wire_name: file_name.clone(),
            file_name,
            disk_name,
            kind,
            state: State::Waiting,
            reason: None,
            cause: None,
            place: Place::Inbox,
            path,
            identity: None,
            size: None,
            sha256: None,
            blake3: None,
            rows_expected: None,
            rows_processed: None,
            target_id: None,
            remote_job_id: None,
            remote_status: None,
            remote_created: None,
            remote_started: None,
            remote_finished: None,
            attempts: 0,
            unclear_ends: 0,
            refusals: 0,
            unsettled: false,
            retry_of: None,
            doubled_with: None,
            changed: None,
            released: false,
            seen_at,
            queued_at: None,
            uploaded_at: None,
            finished_at: None,
            next_attempt_at: None,
            pair: None,
        }
    }

    pub(super) fn decode(row: &Row<'_>) -> Result<Self, JobLogError> {
        Self::columns(row).map_err(|fault| fault.of(row))
    }

    fn columns(row: &Row<'_>) -> Result<Self, Fault> {
        let bad = |column: &'static str, holds: &str| Fault::Word(column, holds.to_owned());
        let phase = match row.get::<_, Option<String>>(at!(JOB_COLUMNS, phase))?.as_deref() {
            None => None,
            Some("started") => Some(Phase::Started),
            Some("committing") => Some(Phase::Committing),
            Some(other) => return Err(bad("phase", other)),
        };
        let state: String = row.get(at!(JOB_COLUMNS, state))?;
        let place: String = row.get(at!(JOB_COLUMNS, place))?;
        let size = row.get::<_, Option<i64>>(at!(JOB_COLUMNS, size))?.map(|size| u64::try_from(size).unwrap_or(0));
        let identity = match (
            row.get::<_, Option<i64>>(at!(JOB_COLUMNS, device))?,
            row.get::<_, Option<i64>>(at!(JOB_COLUMNS, inode))?,
            row.get(at!(JOB_COLUMNS, modified_ns))?,
            size,
        ) {
            (Some(device), Some(inode), Some(modified_ns), Some(size)) => Some(FileIdentity {
                device: device.cast_unsigned(),
                inode: inode.cast_unsigned(),
                born_ns: row.get::<_, Option<i64>>(at!(JOB_COLUMNS, born_ns))?.unwrap_or(0),
                size,
                modified_ns,
            }),
            _ => None,
        };
        Ok(Self {
            id: JobId(row.get(at!(JOB_COLUMNS, id))?),
            account: row.get(at!(JOB_COLUMNS, account))?,
            file_name: row.get(at!(JOB_COLUMNS, file_name))?,
            disk_name: OsString::from_vec(row.get(at!(JOB_COLUMNS, disk_name))?),
            wire_name: row.get(at!(JOB_COLUMNS, wire_name))?,
            kind: match row.get::<_, String>(at!(JOB_COLUMNS, kind))?.as_str() {
                "data" => Kind::Data,
                "fin" => Kind::Fin,
                other => return Err(bad("kind", other)),
            },
            state: State::from_words(&state, phase).ok_or_else(|| bad("state", &state))?,
            reason: row.get(at!(JOB_COLUMNS, reason))?,
            cause: match row.get::<_, Option<String>>(at!(JOB_COLUMNS, cause))? {
                None => None,
                Some(word) => Some(Cause::from_word(&word).ok_or_else(|| bad("cause", &word))?),
            },
            place: Place::from_word(&place).ok_or_else(|| bad("place", &place))?,
            path: PathBuf::from(row.get::<_, String>(at!(JOB_COLUMNS, path))?),
            identity,
            size,
            sha256: match row.get::<_, Option<String>>(at!(JOB_COLUMNS, sha256))? {
                None => None,
                Some(hex) => Some(Sha256::from_hex(&hex).ok_or_else(|| bad("sha256", &hex))?),
            },
            blake3: row.get::<_, Option<[u8; 32]>>(at!(JOB_COLUMNS, blake3))?.map(Blake3),
            rows_expected: row.get(at!(JOB_COLUMNS, rows_expected))?,
            rows_processed: row.get(at!(JOB_COLUMNS, rows_processed))?,
            target_id: row.get(at!(JOB_COLUMNS, target_id))?,
            remote_job_id: row.get::<_, Option<i64>>(at!(JOB_COLUMNS, remote_job_id))?.map(RemoteJobId),
            remote_status: row.get(at!(JOB_COLUMNS, remote_status))?,
            remote_created: row.get(at!(JOB_COLUMNS, remote_created))?,
            remote_started: row.get(at!(JOB_COLUMNS, remote_started))?,
            remote_finished: row.get(at!(JOB_COLUMNS, remote_finished))?,
            attempts: row.get(at!(JOB_COLUMNS, attempts))?,
            unclear_ends: row.get(at!(JOB_COLUMNS, unclear_ends))?,
            refusals: row.get(at!(JOB_COLUMNS, refusals))?,
            seen_at: Timestamp(row.get(at!(JOB_COLUMNS, seen_at))?),
            queued_at: row.get::<_, Option<i64>>(at!(JOB_COLUMNS, queued_at))?.map(Timestamp),
            uploaded_at: row.get::<_, Option<i64>>(at!(JOB_COLUMNS, uploaded_at))?.map(Timestamp),
            finished_at: row.get::<_, Option<i64>>(at!(JOB_COLUMNS, finished_at))?.map(Timestamp),
            next_attempt_at: row.get::<_, Option<i64>>(at!(JOB_COLUMNS, next_attempt_at))?.map(Timestamp),
            pair: row.get::<_, Option<i64>>(at!(JOB_COLUMNS, pair_id))?.map(JobId),
            released: row.get(at!(JOB_COLUMNS, released))?,
            unsettled: row.get(at!(JOB_COLUMNS, unsettled))?,
            retry_of: row.get::<_, Option<i64>>(at!(JOB_COLUMNS, retry_of))?.map(JobId),
            doubled_with: row.get::<_, Option<i64>>(at!(JOB_COLUMNS, doubled_with))?.map(RemoteJobId),
            changed: match row.get(at!(JOB_COLUMNS, changed_rows))? {
                Some(rows) => {
                    Some(AfterSending { rows, is_appended: row.get(at!(JOB_COLUMNS, changed_by_appending))? })
                }
                None => None,
            },
        })
    }

    /// The path that a file of this name has in that place of its account's folder.
    #[must_use]
    pub fn path_in(folder: &Path, place: Place, disk_name: &OsStr) -> PathBuf {
        match place {
            Place::Inbox | Place::Gone => folder.join(disk_name),
            Place::Sent | Place::Held | Place::Done | Place::Failed => folder.join(place.as_str()).join(disk_name),
        }
    }
}

/// What is wrong with a row.
pub(super) enum Fault {
    /// A column holds no word of ours.
    Word(&'static str, String),
    Sql(rusqlite::Error),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl Fault {
    /// Names the row, whose first two columns are its number and its account.
    pub(super) fn of(self, row: &Row<'_>) -> JobLogError {
        let column = |index: usize| row.as_ref().column_name(index).unwrap_or_default().to_owned();
        let what = match self {
            Self::Word(column, holds) => format!("column `{column}` holds `{}`", printable(&holds)),
            Self::Sql(SqlError::InvalidColumnType(index, _, found)) => {
                format!("column `{}` holds a value of the type {found}", column(index))
            }
            Self::Sql(SqlError::FromSqlConversionFailure(index, _, why)) => {
                format!("column `{}` cannot be decoded: {why}", column(index))
            }
            Self::Sql(SqlError::Utf8Error(index, why)) => format!("column `{}` is no text: {why}", column(index)),
            Self::Sql(SqlError::IntegralValueOutOfRange(index, value)) => {
                format!("column `{}` holds {value}", column(index))
            }
            Self::Sql(error) => return error.into(),
        };
        JobLogError::BadRow { job: row.get(0).unwrap_or_default(), account: row.get(1).unwrap_or_default(), what }
    }
}

/// What the job log believes to lie in an inbox: one entry a file.
#[derive(Debug, Clone)]
pub struct InboxEntry {
    /// The job.
    pub id: JobId,
    /// The file's name on disk.
    pub disk_name: OsString,
    /// Where the job stands.
    pub state: State,
    /// The file as it was hashed.
    pub identity: Option<FileIdentity>,
    /// Its state wants the file elsewhere: a move is due.
    pub to_be_moved: bool,
    /// datadrop moved it into the inbox itself, to check it again: that does not show whether it is complete.
    pub came_back: bool,
    /// The other of its pair is known. Where a name was taken, both may lie here under others that do not tell.
    pub paired: bool,
    /// The name under which it was dropped.
    pub file_name: String,
}

impl InboxEntry {
    /// It lies under the name under which it was dropped.
    #[must_use]
    pub fn bears_its_name(&self) -> bool {
        self.disk_name == self.file_name.as_str()
    }
}

impl From<Job> for InboxEntry {
    fn from(job: Job) -> Self {
        Self {
            id: job.id,
            to_be_moved: job.state.place() != job.place,
            came_back: job.state == State::Waiting && job.sha256.is_none() && job.identity.is_some(),
            paired: job.pair.is_some(),
            file_name: job.file_name,
            disk_name: job.disk_name,
            state: job.state,
            identity: job.identity,
        }
    }
}

pub(super) fn name_bytes(name: &OsStr) -> &[u8] {
    name.as_bytes()
}
