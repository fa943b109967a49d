//! `run --once`: when is everything done that can be done without a person?

use super::stages::Stages;
use crate::joblog::{Beginning, JobLogError, Reader};

/// What was there at the start, so that the end can be judged.
pub(super) struct Once {
    reader: Reader,
    beginning: Beginning,
}

impl Once {
    /// Remembers where things stand.
    pub(super) fn begin(reader: Reader) -> Result<Self, JobLogError> {
        let beginning = reader.beginning()?;
        Ok(Self { reader, beginning })
    }

    /// Nothing goes on by itself any more.
    pub(super) fn is_over(&self, stages: &Stages) -> Result<bool, JobLogError> {
        if !stages.folders_are_open() || stages.files_pending() > 0 {
            return Ok(false);
        }
        for account in stages.accounts() {
            let blocked = stages.folder_is_blocked(account) || self.reader.account(account)?.api_problem.is_some();
            let needs_a_person = blocked && self.reader.count_uploading(account)? == 0;
            if !needs_a_person && self.reader.goes_on(account)? {
                return Ok(false);
            }
        }
        for account in stages.refused() {
            // They come to their end, and then the account runs.
            if self.reader.is_at_adobe(account)? {
                return Ok(false);
            }
        }
        // A file may have become ready between the two looks.
        Ok(stages.files_pending() == 0)
    }

    /// Everything that was taken up in this run ended well.
    pub(super) fn all_success(&self, stages: &Stages) -> Result<bool, JobLogError> {
        Ok(!stages.accounts().any(|account| stages.folder_is_blocked(account))
            && self.reader.all_ended_well_since(&self.beginning)?)
    }
}
