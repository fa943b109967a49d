//! Content that was sent already, or is on its way (DESIGN §6, `duplicates`).

use super::{Job, JobLogError, retention, sql};
use crate::config::Duplicates;
use crate::job::sets::ON_THE_WIRE;
use crate::job::{JobId, Kind, Place, State};
use rusqlite::Connection;

/// Whether this file lies where that of an upload lay of which nobody knows yet how it ends.
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
    /// Nobody knows whether it was ingested.
    pub(super) is_unsettled: bool,
}

/// Why this content must not be sent again, if it must not.
pub(super) fn duplicate_of(
    connection: &Connection,
    job: &Job,
    duplicates: Duplicates,
) -> Result<Option<Duplicate>, JobLogError> {
    let Some(sha256) = job.sha256.filter(|_| job.kind == Kind::Data) else { return Ok(None) };
    if let Some(Job { id: of, file_name, state, remote_job_id, .. }) =
        sql::unsettled_with_content(connection, &job.account, sha256, job.id)?
    {
        let stands = if state == State::Held { "is held" } else { "was given up" };
        let reason = match remote_job_id {
            Some(remote) => format!(
                "the same content {stands} as {file_name} (job {of}), and was ingested after all, as remote job {remote}; Adobe would \
                 count it twice"
            ),
            None => format!(
                "the same content {stands} as {file_name} (job {of}), which may have been ingested; compare it with the remote jobs first"
            ),
        };
        return Ok(Some(Duplicate { of, reason, is_unsettled: true }));
    }
    let same_name = match duplicates {
        Duplicates::Allow => return Ok(None),
        Duplicates::Hold => Some(job.file_name.as_str()),
        Duplicates::HoldContent => None,
    };
    let earlier = sql::earlier_delivery(connection, &job.account, sha256, same_name, job.id)?;
    let earlier = match earlier {
        Some(earlier) => Some((earlier.id, earlier.file_name, earlier.state.is_accepted())),
        None => retention::delivered_with_content(connection, &job.account, sha256, same_name)?
            .map(|(id, file_name)| (id, file_name, true)),
    };
    Ok(earlier.map(|(of, file_name, was_accepted)| {
        let stands = if was_accepted { "was accepted" } else { "is on its way" };
        let reason =
            format!("duplicate: the same content {stands} as {file_name} (job {of}); Adobe would count it twice");
        Duplicate { of, reason, is_unsettled: false }
    }))
}
