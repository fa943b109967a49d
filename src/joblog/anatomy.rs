//! What a job log is made of: its schema and how much is in it. No row of it, for bug reports.

use super::errors::JobLogError;
use super::queries::Counts;
use super::reader::Reader;

/// A job log from the outside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anatomy {
    /// The version of SQLite that reads it.
    pub sqlite: String,
    /// `PRAGMA user_version`.
    pub version: i64,
    /// Number of pages, of free pages, and bytes of each.
    pub pages: (i64, i64, i64),
    /// Each statement that made a table, index, view or trigger.
    pub schema: Vec<String>,
    /// Each table, and the number of its rows.
    pub rows: Vec<(String, i64)>,
    /// Jobs by account and state.
    pub jobs: Vec<Counts>,
}

impl Reader {
    /// Describes the job log. Every row is counted, which takes a second for a million jobs.
    ///
    /// # Errors
    /// [`JobLogError`] if the database cannot be read.
    pub fn anatomy(&self) -> Result<Anatomy, JobLogError> {
        let jobs = self.counts()?;
        let connection = self.connection();
        let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
        let texts = |sql: &str| -> rusqlite::Result<Vec<String>> {
            connection.prepare(sql)?.query_map([], |row| row.get(0))?.collect()
        };
        let tables = texts("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")?;
        let mut rows = Vec::new();
        for table in tables {
            let count = number(&format!("SELECT count(*) FROM \"{}\"", table.replace('"', "\"\"")))?;
            rows.push((table, count));
        }
        Ok(Anatomy {
            sqlite: rusqlite::version().to_owned(),
            version: number("PRAGMA user_version")?,
            pages: (number("PRAGMA page_count")?, number("PRAGMA freelist_count")?, number("PRAGMA page_size")?),
            schema: texts("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY rowid")?,
            rows,
            jobs,
        })
    }
}

#[cfg(test)]
mod tests {
    use crate::config::Duplicates;
    use crate::joblog::fixtures::{arrives, opened};

    #[test]
    fn a_job_log_shows_its_schema_and_counts_and_no_row() {
        let (_dir, log) = opened();
        arrives(&log, "sales.txt", 1, Duplicates::Hold);
        arrives(&log, "costs.txt", 2, Duplicates::Hold);
        let anatomy = log.reader().unwrap().anatomy().unwrap();
        assert!(anatomy.rows.contains(&("job".to_owned(), 2)), "{:?}", anatomy.rows);
        assert!(anatomy.schema.iter().any(|sql| sql.starts_with("CREATE TABLE job (")));
        assert!(anatomy.version > 0 && anatomy.pages.0 > 0 && anatomy.pages.2 > 0);
        assert_eq!((anatomy.jobs[0].account.as_str(), anatomy.jobs[0].jobs), ("a", 2));
        assert!(!format!("{anatomy:?}").contains("sales.txt"));
    }
}
