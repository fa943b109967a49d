//! `run --once`: when is everything done that can be done without a person?

use super::stages::Stages;
use crate::job::JobId;
use crate::joblog::{JobLogError, Reader};
use std::collections::HashSet;

/// What was there at the start, so that the end can be judged.
pub(super) struct Once {
    reader: Reader,
    newest_before: i64,
    open_before: HashSet<i64>,
}

impl Once {
    /// Remembers where things stand.
    pub(super) fn begin(reader: Reader) -> Result<Self, JobLogError> {
        let newest_before = reader.newest_id()?;
        let open_before = reader.unfinished()?.into_iter().map(|(JobId(id), _)| id).collect();
        Ok(Self { reader, newest_before, open_before })
    }

    /// Nothing goes on by itself any more.
    pub(super) fn is_over(&self, stages: &Stages) -> Result<bool, JobLogError> {
        if !stages.folders_are_open() || stages.files_pending() > 0 {
            return Ok(false);
        }
        for account in stages.accounts() {
            let blocked = stages.folder_is_blocked(account) || self.reader.account(account)?.api_problem.is_some();
            let needs_a_person = blocked && self.reader.count_uploading(account)? == 0;
            if !needs_a_person && self.reader.count_open(account)? > 0 {
                return Ok(false);
            }
        }
        for account in stages.refused() {
            // They come to their end, and then the account runs.
            if self.reader.backlog(account)?.open > 0 {
                return Ok(false);
            }
        }
        // A file may have become ready between the two looks.
        Ok(stages.files_pending() == 0)
    }

    /// Everything that was taken up in this run ended well.
    pub(super) fn all_success(&self, stages: &Stages) -> Result<bool, JobLogError> {
        if stages.accounts().any(|account| stages.folder_is_blocked(account)) {
            return Ok(false);
        }
        let all = self.reader.jobs(&crate::joblog::JobFilter::default())?;
        Ok(all
            .iter()
            .filter(|job| job.id > self.newest_before || self.open_before.contains(&job.id))
            // A file that was replaced before it was sent is not missed: its successor counts.
            .filter(|job| {
                !(job.state == "cancelled"
                    && job.reason.as_deref().is_some_and(|reason| reason.starts_with("replaced")))
            })
            .all(|job| job.state == "success"))
    }
}
