//! Makes a long job log from a short one: copies each delivered job, with all rows that belong to it.

use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::time::{Duration, Instant};

/// Files that datadrop delivers before their jobs are copied.
pub const ORIGINALS: usize = 1000;

/// Waits until the job log knows so many files.
pub fn wait_for_jobs(state: &Path, jobs: usize) {
    let limit = Instant::now() + Duration::from_secs(1800);
    let log = Connection::open_with_flags(state.join("datadrop.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap();
    let known = || log.query_row("SELECT count(*) FROM job_log", [], |row| row.get::<_, i64>(0)).unwrap();
    while usize::try_from(known()).unwrap() < jobs {
        assert!(Instant::now() < limit, "not all of {jobs} files were taken in");
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Copies the jobs until there are so many. No process may have the job log open. The names of columns decide what a copy
/// changes, so that another table needs no change here.
pub fn swell(state: &Path, jobs: usize) {
    let log = Connection::open(state.join("datadrop.db")).unwrap();
    let strings = |query: &str| -> Vec<String> {
        let mut statement = log.prepare(query).unwrap();
        statement.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    log.execute_batch("PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF; PRAGMA cache_size = -1000000; BEGIN")
        .unwrap();
    let copies = jobs / ORIGINALS;
    for table in strings("SELECT name FROM sqlite_schema WHERE type = 'table'") {
        let columns = strings(&format!("SELECT name FROM pragma_table_info('{table}')"));
        let has = |column: &str| columns.iter().any(|known| known == column);
        if table != "job" && !has("job_id") && !has("remote_job_id") {
            continue;
        }
        // SQLite numbers the events itself.
        let filled: Vec<&str> =
            columns.iter().map(String::as_str).filter(|name| *name != "id" || table == "job").collect();
        let values: Vec<String> = filled.iter().map(|name| copy_of(name)).collect();
        log.execute_batch(&format!(
            "WITH RECURSIVE copy (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM copy WHERE n < {copies} - 1)
             INSERT INTO {table} ({}) SELECT {} FROM copy CROSS JOIN {table}",
            filled.join(", "),
            values.join(", ")
        ))
        .unwrap();
    }
    log.execute_batch(&format!("UPDATE ended SET jobs = jobs * {copies}; COMMIT; PRAGMA wal_checkpoint(TRUNCATE)"))
        .unwrap();
}

/// The value of a column in copy `n`: each copy has its own numbers, names and content, and ended days ago.
fn copy_of(column: &str) -> String {
    match column {
        // The warm-up is a job too. Adobe's older numbers are the smaller ones.
        "id" | "job_id" | "pair_id" => format!("{column} + n * {}", ORIGINALS + 1),
        "remote_job_id" => format!("{column} - n * {}", ORIGINALS + 1),
        "inode" => "inode + n * 1000000000".to_owned(),
        "file_name" | "stem" | "wire_name" | "path" => format!("replace({column}, 'f00', 'g' || n || '-00')"),
        "disk_name" => "CAST(replace(CAST(disk_name AS TEXT), 'f00', 'g' || n || '-00') AS BLOB)".to_owned(),
        "sha256" => "printf('%08x', n) || substr(sha256, 9)".to_owned(),
        "seen_at" | "queued_at" | "uploaded_at" | "finished_at" | "started_at" | "committing_at" | "ended_at"
        | "first_seen_at" => format!("{column} - 259200000 - n * 1000"),
        _ => column.to_owned(),
    }
}
