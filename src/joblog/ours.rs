//! Which of the remote jobs are ours: what a look at the remote list needs of the job log (DESIGN S2, S3, S6).

use super::{JobLogError, Reader, listed, sql, unowned};
use crate::job::sets::{ON_THE_WIRE, ON_THE_WIRE_OR_HELD};
use crate::job::{EventId, JobId, Naming, OtherSent, RemoteJobId, Target, Timestamp, Told};
use rusqlite::{OptionalExtension as _, params};

/// One of the latest jobs of an account that the API accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatestAccepted {
    /// Adobe's number.
    pub remote_job_id: RemoteJobId,
    /// When it was accepted, by our clock.
    pub accepted_at: Timestamp,
    /// What was told of it.
    pub told: Told,
}

/// So many of the latest accepted jobs are worth asking for: a list without any of them is that of a server that lost them.
const LATEST: u32 = 3;

impl Reader {
    /// The last event before the list that first showed a remote job; `None` if no list ever did.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn first_listed_after(&self, account: &str, id: RemoteJobId) -> Result<Option<EventId>, JobLogError> {
        let connection = self.connection();
        listed::after_event(&connection, account, sql::line(&connection, account)?, id)
    }

    /// How the API to which the account's files go changes names (DESIGN S6).
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn naming(&self, account: &str) -> Result<Naming, JobLogError> {
        listed::learnt(&self.connection(), account)
    }

    /// Why a held job cannot be a remote job that is shown under this name, if it cannot.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read, or has no such job.
    pub fn not_of_that_name(
        &self,
        job: JobId,
        remote: RemoteJobId,
        shown: &str,
    ) -> Result<Option<String>, JobLogError> {
        let connection = self.connection();
        unowned::not_of_that_name(&connection, &sql::job(&connection, job)?, (remote, Some(shown)))
    }

    /// The account's other files that may be what a remote job came from: on the wire, or held or given up without anybody
    /// knowing whether they arrived.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn others_sent(&self, account: &str, except: JobId) -> Result<Vec<OtherSent>, JobLogError> {
        let columns = format!(
            "id, wire_name, state = 'uploading', state IN {ON_THE_WIRE},
             (SELECT max(id) FROM job_event WHERE job_id = job.id AND event = 'started')"
        );
        let connection = self.connection();
        let mut statement = connection.prepare_cached(&format!(
            "SELECT {columns} FROM {} WHERE account = ?1 AND finished_at IS NULL AND state IN {ON_THE_WIRE_OR_HELD}
               AND (state <> 'held' OR (unsettled AND remote_job_id IS NULL)) AND id <> ?2 AND {there}
             UNION ALL
             SELECT {columns} FROM job INDEXED BY job_ended WHERE account = ?1 AND state = 'cancelled' AND finished_at IS NOT NULL
               AND unsettled AND remote_job_id IS NULL AND id <> ?2 AND {there}",
            sql::UNFINISHED,
            there = sql::GOES_THERE
        ))?;
        let rows = statement.query_map(params![account, except.0], |row| {
            Ok(OtherSent {
                id: JobId(row.get(0)?),
                wire_name: row.get(1)?,
                is_uploading: row.get(2)?,
                is_open: row.get(3)?,
                began: EventId(row.get::<_, Option<i64>>(4)?.unwrap_or_default()),
            })
        })?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// A remote job that came from elsewhere while datadrop was at work on the account, later than `since`.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn stranger(&self, account: &str, since: Timestamp) -> Result<Option<(RemoteJobId, String)>, JobLogError> {
        Ok(self
            .connection()
            .prepare_cached("SELECT stranger_id, stranger_name FROM account WHERE name = ?1 AND stranger_seen_at > ?2")?
            .query_row(params![account, since.0], |row| Ok((RemoteJobId(row.get(0)?), row.get(1)?)))
            .optional()?)
    }

    /// The job that owns a remote job.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn owner_of_remote(&self, account: &str, remote_job_id: i64) -> Result<Option<JobId>, JobLogError> {
        let connection = self.connection();
        sql::owner_of_remote(&connection, account, sql::line(&connection, account)?, remote_job_id)
    }

    /// The same with the name that its file was sent under, and what was told of the remote job.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn ownership(&self, account: &str, remote: RemoteJobId) -> Result<Option<(Option<String>, Told)>, JobLogError> {
        let connection = self.connection();
        let line = sql::line(&connection, account)?;
        let Some(owner) = sql::owner_of_remote(&connection, account, line, remote.0)? else { return Ok(None) };
        let wire_name = sql::job_if_known(&connection, owner)?.map(|job| job.wire_name);
        let told = listed::told(&connection, account, line, remote)?.unwrap_or_default();
        Ok(Some((wire_name, told)))
    }

    /// The latest jobs of a target that were accepted within this time, by the server's clock, the latest first: a complete
    /// list of it must have it (DESIGN S2). Only jobs whose acceptance was answered count, and numbers that the server has
    /// not begun anew since.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn latest_accepted(
        &self,
        account: &str,
        target: &Target,
        from: Timestamp,
        to: Timestamp,
    ) -> Result<Vec<LatestAccepted>, JobLogError> {
        let connection = self.connection();
        let mut statement = connection.prepare_cached(
            "SELECT latest.remote_job_id, latest.uploaded_at, remote_job.file_name, remote_job.created, remote_job.listed FROM (
                 SELECT id, account, line, remote_job_id, attempts, target_id, uploaded_at FROM job
                 WHERE account = ?1 AND uploaded_at IS NOT NULL ORDER BY uploaded_at DESC LIMIT 1000) AS latest
             JOIN target ON target.id = latest.target_id
             JOIN account ON account.name = latest.account AND account.line = latest.line
             JOIN attempt ON attempt.job_id = latest.id AND attempt.number = latest.attempts
             LEFT JOIN remote_job ON remote_job.account = latest.account AND remote_job.line = latest.line
                  AND remote_job.remote_job_id = latest.remote_job_id
             WHERE latest.remote_job_id IS NOT NULL AND base_url = ?4 AND company = ?5 AND report_suite_id = ?6
               AND data_source_id = ?7 AND attempt.outcome = 'accepted' AND attempt.server_time BETWEEN ?2 AND ?3
             ORDER BY attempt.server_time DESC LIMIT ?8",
        )?;
        let rows = statement.query_map(
            params![
                account,
                from.0,
                to.0,
                target.base_url,
                target.company,
                target.report_suite_id,
                target.data_source_id,
                LATEST
            ],
            |row| {
                Ok(LatestAccepted {
                    remote_job_id: RemoteJobId(row.get(0)?),
                    accepted_at: Timestamp(row.get(1)?),
                    told: Told {
                        file_name: row.get(2)?,
                        created: row.get(3)?,
                        by_list: row.get::<_, Option<bool>>(4)?.unwrap_or_default(),
                    },
                })
            },
        )?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }
}
