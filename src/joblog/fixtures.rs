//! What tests of the job log begin with.

use super::{Admission, AdmitPolicy, Arrival, Content, JobLog, Reader, StateLock, Verdict};
use crate::config::{Duplicates, WireName};
use crate::job::{Blake3, FileIdentity, Fingerprint, JobId, Kind, Sha256, Target, Timestamp};
use rusqlite::trace::{TraceEvent, TraceEventCodes};
use rusqlite::{StatementStatus, params};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use tempfile::TempDir;

/// A job log with the account `a`.
pub(crate) fn opened() -> (TempDir, JobLog) {
    let dir = tempfile::tempdir().unwrap();
    let log = JobLog::open(StateLock::take(dir.path()).unwrap()).unwrap();
    log.open_account("a".to_owned(), target()).wait().unwrap();
    (dir, log)
}

/// Where the account `a` goes.
pub(crate) fn target() -> Target {
    Target {
        base_url: "http://127.0.0.1/api".to_owned(),
        path_segment: "datasources".to_owned(),
        company: "c".to_owned(),
        report_suite_id: "r".to_owned(),
        data_source_id: 1,
    }
}

/// The hash of a content that a number stands for.
pub(crate) fn hash(content: u8) -> Sha256 {
    Sha256::new([content; 32])
}

/// A complete file of this content comes into the folder of `a`.
pub(crate) fn arrives(log: &JobLog, name: &str, content: u8, duplicates: Duplicates) -> Admission {
    let identity = FileIdentity { device: 1, inode: content.into(), born_ns: 0, size: 3, modified_ns: 4 };
    let fingerprint = Fingerprint { identity, sha256: hash(content) };
    let verdict = Verdict::Ready(Content {
        fingerprint,
        blake3: Blake3([content; 32]),
        rows_expected: 1,
        findings: None,
        days: None,
    });
    let policy =
        AdmitPolicy { account: "a".to_owned(), folder: "/srv/a".into(), duplicates, wire_name: WireName::Keep };
    let arrival = Arrival { disk_name: name.into(), kind: Kind::Data, verdict, random: 0 };
    log.admit(policy, vec![arrival], Timestamp(0)).wait().unwrap().remove(0)
}

/// The work that SQLite did for a reader, so that a test can check that a query reads little.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Work {
    /// Statements that were run.
    pub(crate) statements: u64,
    /// Steps of SQLite's machine, some for each row and index entry that was looked at.
    pub(crate) steps: u64,
}

impl Reader {
    /// The data days whose totals are not what the files that count add up to.
    pub(crate) fn wrong_day_totals(&self) -> Vec<String> {
        let added = "SELECT account, place, day, column_set, count(*), sum(rows), sum(in_doubt) FROM job_day
                     WHERE place IS NOT NULL GROUP BY account, place, day, column_set";
        let kept = "SELECT account, place, day, column_set, files, rows, in_doubt FROM day_total WHERE day <> ''";
        let sql = format!(
            "SELECT account || ' ' || day FROM (SELECT * FROM ({added}) EXCEPT {kept})
                           UNION SELECT account || ' ' || day FROM (SELECT * FROM ({kept}) EXCEPT {added})"
        );
        let connection = self.connection();
        let mut statement = connection.prepare(&sql).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    }

    /// Counts from now on.
    pub(crate) fn count_work(&self) -> Arc<Mutex<Work>> {
        let work = Arc::new(Mutex::new(Work::default()));
        let counted = Arc::clone(&work);
        // A cached statement goes on counting its steps from one run to the next.
        let mut before: HashMap<String, i32> = HashMap::new();
        let count = move |event: TraceEvent<'_>| {
            if let TraceEvent::Profile(statement, _) = event {
                let all = statement.get_status(StatementStatus::VmStep);
                let before = before.insert(statement.sql().into_owned(), all).filter(|before| *before <= all);
                let mut work = counted.lock().unwrap();
                work.statements += 1;
                work.steps += u64::try_from(all - before.unwrap_or(0)).unwrap();
            }
        };
        self.connection().trace_v2(TraceEventCodes::SQLITE_TRACE_PROFILE, Some(count)).unwrap();
        work
    }
}

/// Adds this many jobs of `a` that ended long ago.
pub(crate) fn long_over(log: &JobLog, jobs: u32) {
    let sql = format!(
        "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {jobs})
         INSERT INTO job (account, file_name, disk_name, stem, wire_name, kind, state, place, belongs, path, seen_at, finished_at)
         SELECT 'a', 'f' || n || '.txt', CAST('f' || n || '.txt' AS BLOB), 'f' || n, 'f' || n || '.txt', 'data', 'rejected', 'failed',
                'failed', '/srv/a/failed/f', 1, 2 FROM number"
    );
    log.call(move |unit| Ok(unit.execute_batch(&sql)?)).wait().unwrap();
}

/// The end of a job, however it comes.
pub(crate) fn ends(log: &JobLog, job: JobId, state: &'static str, reason: &'static str) {
    let sql = "UPDATE job SET state = ?2, reason = ?3, belongs = 'failed', finished_at = 9 WHERE id = ?1";
    let end = log.call(move |unit| {
        unit.effects.changed = true;
        Ok(unit.execute(sql, params![job.0, state, reason])?)
    });
    assert_eq!(end.wait().unwrap(), 1);
}

/// An unclear upload of a file of `a` turns out to have arrived, later than anything else.
pub(crate) fn found_accepted(log: &JobLog, name: &str) {
    let job = arrives(log, name, 1, Duplicates::Hold).id;
    let sql = "UPDATE job SET state = 'uploaded', belongs = 'sent', uploaded_at = 9000000000000 WHERE id = ?1";
    assert_eq!(log.call(move |unit| Ok(unit.execute(sql, [job.0])?)).wait().unwrap(), 1);
}
