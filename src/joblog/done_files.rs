//! What the job log knows of the files in `done/`, for a comparison with what lies there. Rows are read in steps: a long read
//! would keep the write-ahead log from being trimmed.

use super::errors::JobLogError;
use super::reader::Reader;
use crate::job::{JobId, Kind, Sha256};
use rusqlite::{Row, params};
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;

/// A file that a job filed in `done/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DoneFile {
    /// The job, which may have left the job log since.
    pub id: JobId,
    /// Data file or marker.
    pub kind: Kind,
    /// Its name there, byte for byte.
    pub disk_name: OsString,
    /// What was sent; `None` for a marker that stayed here.
    pub sha256: Option<Sha256>,
    /// Rows of what was sent; `None` once its job has left the job log.
    pub rows: Option<i64>,
    /// It is about to leave `done/`, or has just left it, as `keep.done` says.
    pub is_leaving: bool,
}

impl DoneFile {
    fn decode(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            id: JobId(row.get(0)?),
            kind: if row.get::<_, String>(1)? == Kind::Fin.as_str() { Kind::Fin } else { Kind::Data },
            disk_name: OsString::from_vec(row.get(2)?),
            sha256: row.get::<_, Option<String>>(3)?.as_deref().and_then(Sha256::from_hex),
            rows: row.get(4)?,
            is_leaving: row.get(5)?,
        })
    }
}

impl Reader {
    /// Files of an account in `done/` of jobs with a higher number, in the order of numbers, at most `limit`.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn done_files(&self, account: &str, after: JobId, limit: usize) -> Result<Vec<DoneFile>, JobLogError> {
        let connection = self.connection();
        // By the numbers alone: any other index would be sorted again for each step.
        let mut statement = connection.prepare_cached(
            "SELECT id, kind, disk_name, sha256, rows_expected,
                    EXISTS (SELECT 1 FROM job_event WHERE job_id = job.id AND event = 'removed')
             FROM job INDEXED BY job_by_account WHERE account = ?1 AND id > ?2 AND place = 'done'
             UNION ALL
             SELECT job_id, kind, disk_name, sha256, NULL, 0
             FROM delivered NOT INDEXED WHERE account = ?1 AND job_id > ?2 AND place = 'done'
             ORDER BY 1 LIMIT ?3",
        )?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let rows = statement.query_map(params![account, after.0, limit], DoneFile::decode)?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The job whose file with this content lies in `done/`, or is on its way there; the newest of several.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn done_with_content(&self, account: &str, sha256: Sha256) -> Result<Option<DoneFile>, JobLogError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT id, kind, disk_name, sha256, rows_expected, belongs <> place
             FROM job INDEXED BY job_by_content WHERE account = ?1 AND sha256 = ?2 AND belongs = 'done' AND place <> 'gone'
             UNION ALL
             SELECT job_id, kind, disk_name, sha256, NULL, 0
             FROM delivered INDEXED BY delivered_by_content WHERE account = ?1 AND sha256 = ?2 AND place = 'done'
             ORDER BY 1 DESC LIMIT 1",
        )?;
        let mut rows = statement.query_map(params![account, sha256.to_string()], DoneFile::decode)?;
        Ok(rows.next().transpose()?)
    }
}
