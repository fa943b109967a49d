//! What became of the jobs of one run: of those that were there when it began, and of those that came while it ran.

use super::{JobLogError, Reader};
use crate::job::JobId;
use crate::job::sets::{AT_ADOBE, UNDER_WAY};

/// Where the job log stood when a run began.
#[derive(Debug, Clone)]
pub struct Beginning {
    /// The newest job; 0 if there was none.
    newest: JobId,
    /// The numbers of the jobs that were not at their end, as a JSON array.
    open: String,
}

/// A job that did not end well. A file that was replaced before it was sent is not missed: its successor counts.
const MISSED: &str = "state <> 'success' AND NOT (state = 'cancelled' AND coalesce(reason, '') GLOB 'replaced*')";

impl Reader {
    /// Remembers where the job log stands.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn beginning(&self) -> Result<Beginning, JobLogError> {
        let sql = "SELECT (SELECT coalesce(max(id), 0) FROM job),
                          (SELECT json_group_array(id) FROM job INDEXED BY job_unfinished WHERE finished_at IS NULL)";
        let decode = |row: &rusqlite::Row<'_>| Ok(Beginning { newest: JobId(row.get(0)?), open: row.get(1)? });
        Ok(self.connection().prepare_cached(sql)?.query_row([], decode)?)
    }

    /// Whether every job that was open then, or came later, ended well. Reads those jobs alone.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn all_ended_well_since(&self, beginning: &Beginning) -> Result<bool, JobLogError> {
        let sql = format!(
            "SELECT NOT EXISTS (SELECT 1 FROM job WHERE id > ?1 AND {MISSED})
                AND NOT EXISTS (SELECT 1 FROM json_each(?2) AS open CROSS JOIN job ON job.id = open.value WHERE {MISSED})"
        );
        let parameters = rusqlite::params![beginning.newest.0, beginning.open];
        Ok(self.connection().prepare_cached(&sql)?.query_row(parameters, |row| row.get(0))?)
    }

    /// Whether a job of an account still goes on by itself, or a file of one is still to be moved.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn goes_on(&self, account: &str) -> Result<bool, JobLogError> {
        self.has_any(
            &format!(
                "SELECT EXISTS (SELECT 1 FROM job INDEXED BY job_unfinished WHERE account = ?1 AND finished_at IS NULL
                                AND state IN {UNDER_WAY})
                     OR EXISTS (SELECT 1 FROM job INDEXED BY job_unfiled WHERE account = ?1 AND place <> belongs AND place <> 'gone')"
            ),
            account,
        )
    }

    /// Whether Adobe has a job of an account that is not at its end.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn is_at_adobe(&self, account: &str) -> Result<bool, JobLogError> {
        self.has_any(
            &format!(
                "SELECT EXISTS (SELECT 1 FROM job INDEXED BY job_unfinished WHERE account = ?1 AND finished_at IS NULL
                                AND state IN {AT_ADOBE})"
            ),
            account,
        )
    }

    fn has_any(&self, sql: &str, account: &str) -> Result<bool, JobLogError> {
        Ok(self.connection().prepare_cached(sql)?.query_row([account], |row| row.get(0))?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{arrives, ends, long_over, opened};
    use crate::config::Duplicates;

    #[test]
    fn a_run_is_judged_by_what_it_took_up_however_long_the_job_log_is() {
        let steps = [100, 10_000].map(|history| {
            let (_dir, log) = opened();
            long_over(&log, history);
            let open = arrives(&log, "before.txt", 1, Duplicates::Hold).id;
            let reader = log.reader().unwrap();
            let work = reader.count_work();
            let beginning = reader.beginning().unwrap();
            let later = arrives(&log, "meanwhile.txt", 2, Duplicates::Hold).id;
            let is_well = |expected: bool| assert_eq!(reader.all_ended_well_since(&beginning).unwrap(), expected);
            is_well(false);
            ends(&log, open, "success", "");
            is_well(false);
            ends(&log, later, "success", "");
            is_well(true);
            ends(&log, open, "partial", "");
            is_well(false);
            ends(&log, open, "cancelled", "by a person");
            is_well(false);
            ends(&log, open, "cancelled", "replaced: another file came");
            is_well(true);
            let work = *work.lock().unwrap();
            assert_eq!(work.statements, 7);
            work.steps
        });
        assert_eq!(steps[0], steps[1]);
    }

    #[test]
    fn what_goes_on_is_told_by_one_look_however_much_does() {
        let steps = [1, 200].map(|files| {
            let (_dir, log) = opened();
            let reader = log.reader().unwrap();
            assert!(!reader.goes_on("a").unwrap() && !reader.is_at_adobe("a").unwrap());
            let jobs: Vec<_> =
                (1..=files).map(|file| arrives(&log, &format!("{file}.txt"), file, Duplicates::Hold).id).collect();
            let work = reader.count_work();
            assert!(reader.goes_on("a").unwrap() && !reader.is_at_adobe("a").unwrap());
            for job in jobs {
                ends(&log, job, "rejected", "");
            }
            // Its file still lies in the inbox.
            assert!(reader.goes_on("a").unwrap());
            let work = *work.lock().unwrap();
            work.steps
        });
        assert_eq!(steps[0], steps[1]);
    }
}
