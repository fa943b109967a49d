//! Questions about files that the job log may not know yet, and about where it believes files to be.

use super::duplicates::duplicate_of;
use super::{Job, JobLogError, Reader, sql};
use crate::config::Duplicates;
use crate::job::{JobId, Kind, Sha256, Timestamp, stem};
use rusqlite::{OptionalExtension as _, params};
use std::path::{Path, PathBuf};

impl Reader {
    /// Why a data file with this content would be held if it were taken in now, if it would.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn foresee_duplicate(
        &self,
        account: &str,
        file_name: &str,
        sha256: Sha256,
        duplicates: Duplicates,
    ) -> Result<Option<String>, JobLogError> {
        // It would be the newest job of all: everything that is on its way came before it.
        let job = Job {
            id: JobId(i64::MAX),
            sha256: Some(sha256),
            ..Job::seen(account, file_name.to_owned(), file_name.into(), Kind::Data, PathBuf::new(), Timestamp(0))
        };
        Ok(duplicate_of(&self.connection(), &job, duplicates)?.map(|duplicate| duplicate.reason))
    }

    /// The data file that a marker of this stem would belong to if it were taken in now.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn foresee_pair(&self, account: &str, stem: &str) -> Result<Option<JobId>, JobLogError> {
        Ok(sql::newest_unpaired_data(&self.connection(), account, stem)?.map(|job| job.id))
    }

    /// The newest job of a file that was dropped under this name.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn newest_of_name(&self, account: &str, file_name: &str) -> Result<Option<JobId>, JobLogError> {
        Ok(self
            .connection()
            .prepare_cached(&format!(
                "SELECT id FROM {} WHERE account = ?1 AND stem = ?2 AND file_name = ?3 ORDER BY id DESC LIMIT 1",
                sql::BY_STEM
            ))?
            .query_row(params![account, stem(file_name), file_name], |row| row.get(0))
            .optional()?
            .map(JobId))
    }

    /// The newest job of any account whose file lies, or lay last, at this path under its own name, or with its job's
    /// number in it (DESIGN F1).
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn newest_at_path(&self, path: &str) -> Result<Option<JobId>, JobLogError> {
        let name = Path::new(path).file_name().unwrap_or_default().to_string_lossy();
        let numbers: Vec<String> =
            name.split('.').filter_map(|part| part.parse::<i64>().ok()).map(|number| number.to_string()).collect();
        let numbers = format!("[{}]", numbers.join(","));
        Ok(self
            .connection()
            .prepare_cached(
                // No index has paths, and each account is a look into the one of stems.
                "SELECT max(id) FROM (
                     SELECT id FROM account CROSS JOIN job INDEXED BY job_by_stem ON account = name AND stem = ?2 WHERE path = ?1
                     UNION ALL
                     SELECT id FROM job WHERE id IN (SELECT CAST(value AS INTEGER) FROM json_each(?3)) AND path = ?1)",
            )?
            .query_row(params![path, stem(&name), numbers], |row| row.get::<_, Option<i64>>(0))?
            .map(JobId))
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Duplicates;
    use crate::joblog::Reader;
    use crate::joblog::fixtures::{arrives, hash, opened};

    #[test]
    fn a_file_that_is_not_there_yet_is_judged_as_the_newest_of_all() {
        let (dir, log) = opened();
        let id = arrives(&log, "sales.txt", 7, Duplicates::Hold).id;

        let reader = Reader::open(dir.path()).unwrap();
        let held = |name, duplicates| reader.foresee_duplicate("a", name, hash(7), duplicates).unwrap();
        let reason = held("sales.txt", Duplicates::Hold).unwrap();
        assert!(reason.contains("is on its way as sales.txt (job 1)"), "{reason}");
        assert!(held("other.txt", Duplicates::Hold).is_none());
        assert!(held("other.txt", Duplicates::HoldContent).is_some());
        assert!(held("sales.txt", Duplicates::Allow).is_none());
        assert_eq!(reader.foresee_pair("a", "sales").unwrap(), Some(id));
        assert_eq!(reader.foresee_pair("a", "costs").unwrap(), None);
        assert_eq!(reader.newest_of_name("a", "sales.txt").unwrap(), Some(id));
        assert_eq!(reader.newest_at_path("/srv/a/sales.txt").unwrap(), Some(id));
        assert_eq!(reader.newest_at_path("/srv/b/sales.txt").unwrap(), None);
    }
}
