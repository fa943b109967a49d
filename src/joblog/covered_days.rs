//! Data days that another file covers with the same columns: Adobe would add both up (DESIGN §6, `duplicates`).

use super::errors::JobLogError;
use super::row::Job;
use crate::job::sets::{HELD_OR_CANCELLED, ON_THE_WIRE};
use crate::job::{DataDays, EventId, JobId, Total, counted, grouped, printable};
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use serde_json::json;

/// The place where the files of the account `?1` go now.
pub(super) const HERE: &str =
    "(SELECT target.place FROM account JOIN target ON target.id = account.target_id WHERE account.name = ?1)";

/// Metrics whose sums a sentence names.
const METRICS_NAMED: usize = 4;

/// A data day that another file covers with the same columns.
struct Covered {
    day: String,
    by: JobId,
    file_name: Option<String>,
    stands: Stands,
    metrics: Vec<String>,
    its: Reported,
    theirs: Reported,
    /// Days beyond this one of which the same holds.
    more: i64,
}

/// What a file reports of a day.
struct Reported {
    rows: i64,
    /// Those of them that Adobe may not have processed, at most.
    in_doubt: i64,
    totals: Vec<Total>,
}

/// How far the file is that covers a day.
#[derive(Clone, Copy)]
enum Stands {
    Accepted,
    OnItsWay,
    Held,
    /// It is held or was given up, and Adobe may have it.
    Unsettled,
}

/// Whose days are asked for: those of a job, or of a file that has none yet.
#[derive(Clone, Copy)]
enum Its<'a> {
    Job(&'a Job),
    Read(&'a str, &'a DataDays),
}

/// Why a file must not be sent unasked that reports data days which others cover, and by which job the first of them is.
/// `since`: only what has begun or was accepted after this event counts.
pub(super) fn covered_day(
    connection: &Connection,
    job: &Job,
    since: EventId,
) -> Result<Option<(JobId, String)>, JobLogError> {
    covered_before(connection, Its::Job(job), since)
}

/// The same for a file of this account that no job stands for yet.
pub(super) fn day_to_be_covered(
    connection: &Connection,
    account: &str,
    days: &DataDays,
) -> Result<Option<String>, JobLogError> {
    Ok(covered_before(connection, Its::Read(account, days), EventId(0))?.map(|(_, reason)| reason))
}

fn covered_before(
    connection: &Connection,
    its: Its<'_>,
    since: EventId,
) -> Result<Option<(JobId, String)>, JobLogError> {
    for others in [accepted(), on_their_way()] {
        if let Some(first) = covered(connection, its, &others, since)? {
            let reason = format!(
                "{} was reported before, with the same columns: {}. Adobe would add both up. Release it if it is an addition, \
                 otherwise cancel it",
                first.day,
                first.side_by_side(),
            );
            return Ok(Some((first.by, reason)));
        }
    }
    Ok(None)
}

/// Why a file must not be sent unasked that has rows of which no data day is known: nothing tells whether it repeats one.
pub(super) fn unknown_days(connection: &Connection, job: &Job) -> Result<Option<(JobId, String)>, JobLogError> {
    let known: i64 = connection
        .prepare_cached("SELECT coalesce(sum(rows), 0) FROM job_day WHERE job_id = ?1")?
        .query_row([job.id.0], |row| row.get(0))?;
    let rows = job.rows_expected.unwrap_or(0);
    Ok((known < rows).then(|| (job.id, no_day_in_words(rows - known, rows))))
}

/// Why a file that was read is held under `hold-days`, whatever others report: it has rows of which no day can be read. Pure.
#[must_use]
pub fn held_for_unknown_days(days: &DataDays, rows_expected: u64) -> Option<String> {
    let known: u64 = days.all().iter().map(|day| day.rows).sum();
    let number = |rows: u64| i64::try_from(rows).unwrap_or(i64::MAX);
    (known < rows_expected).then(|| no_day_in_words(number(rows_expected - known), number(rows_expected)))
}

fn no_day_in_words(unknown: i64, rows: i64) -> String {
    format!(
        "datadrop can read no data day in {unknown} of {}, so nothing tells whether it repeats one. Release it if it repeats none, \
         otherwise cancel it",
        counted(rows, "row")
    )
}

/// What is to be said of a file that Adobe has accepted although others cover its days.
pub(super) fn doubles(connection: &Connection, job: &Job) -> Result<Option<String>, JobLogError> {
    let Some(first) = covered(connection, Its::Job(job), &accepted(), EventId(0))? else { return Ok(None) };
    Ok(Some(format!(
        "{} is covered twice, with the same columns: {}. Adobe adds both up",
        first.day,
        first.side_by_side()
    )))
}

/// The place where a job's file goes, or went; `target` is the parameter with its destination. 0 for an account that never
/// had one.
pub(super) fn place(target: &str) -> String {
    format!("coalesce((SELECT place FROM target WHERE id = {target}), {HERE}, 0)")
}

/// Files that count there.
fn accepted() -> String {
    format!("theirs.place = {}", place("?3"))
}

/// Files that are on their way there, or may have been ingested.
fn on_their_way() -> String {
    format!(
        "theirs.place IS NULL
         AND (job.target_id IS NULL OR (SELECT place FROM target WHERE target.id = job.target_id) = {})
         AND (job.state IN {ON_THE_WIRE} OR job.state = 'queued' AND job.id < ?2 OR job.state = 'held' AND job.attempts > 0
              OR job.state IN {HELD_OR_CANCELLED} AND job.unsettled)",
        place("?3")
    )
}

/// The first day of a file that others cover.
fn covered(
    connection: &Connection,
    its: Its<'_>,
    others: &str,
    since: EventId,
) -> Result<Option<Covered>, JobLogError> {
    // What has no job yet would be the newest of all: everything that is on its way came before it.
    let (account, id, target, days, columns) = match its {
        Its::Job(job) => (&*job.account, job.id, job.target_id, None, None),
        Its::Read(account, days) => {
            (account, JobId(i64::MAX), None, Some(days_text(days)), Some(json!(days.columns()).to_string()))
        }
    };
    // Both take the same parameters; those of a file that was read are NULL for a job.
    let its = match its {
        Its::Job(_) => "(SELECT day, column_set, rows, totals FROM job_day WHERE job_id = ?2 AND ?5 IS ?6)",
        Its::Read(..) => {
            "(SELECT value ->> 0 AS day, column_set.id AS column_set, value ->> 1 AS rows, value ->> 2 AS totals
              FROM column_set CROSS JOIN json_each(?5) WHERE columns = ?6)"
        }
    };
    let same = format!(
        "job_day AS theirs INDEXED BY job_day_by_day LEFT JOIN job ON job.id = theirs.job_id
         WHERE theirs.account = ?1 AND theirs.day = its.day AND theirs.column_set = its.column_set
           AND theirs.job_id <> ?2 AND {others}
           AND (?4 = 0 OR EXISTS (SELECT 1 FROM job_event WHERE job_event.job_id = theirs.job_id AND job_event.id > ?4
                                  AND event IN ('started', 'accepted', 'found', 'adopted')))"
    );
    let values = params![account, id.0, target, since.0, days, columns];
    let mut first = connection.prepare_cached(&format!(
        "SELECT its.day, found.job_id,
                coalesce(other.file_name, (SELECT file_name FROM delivered WHERE job_id = found.job_id)),
                found.place IS NOT NULL, coalesce(other.state = 'held', 0), coalesce(other.unsettled, 0),
                metrics, its.rows, its.totals, found.rows, found.in_doubt, found.totals
         FROM {its} AS its
         CROSS JOIN job_day AS found ON found.job_id = (SELECT theirs.job_id FROM {same} LIMIT 1) AND found.day = its.day
         JOIN column_set ON column_set.id = its.column_set
         LEFT JOIN job AS other ON other.id = found.job_id
         ORDER BY its.day LIMIT 1"
    ))?;
    let Some(mut first) = first.query_row(values, Covered::of).optional()? else { return Ok(None) };
    let days: i64 = connection
        .prepare_cached(&format!("SELECT count(*) FROM {its} AS its WHERE EXISTS (SELECT 1 FROM {same})"))?
        .query_row(values, |row| row.get(0))?;
    first.more = days - 1;
    Ok(Some(first))
}

/// What a file reports of each day, as SQL takes it: the day, the rows, the totals.
pub(super) fn days_text(days: &DataDays) -> String {
    let rows = days.all().iter().map(|day| json!([day.date, day.rows, Total::list_text(&days.sorted_totals(day))]));
    serde_json::Value::Array(rows.collect()).to_string()
}

impl Covered {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let totals = |column: usize| Ok::<_, rusqlite::Error>(Total::list_from(&row.get::<_, String>(column)?));
        let stands = match (row.get(3)?, row.get(4)?, row.get(5)?) {
            (true, _, _) => Stands::Accepted,
            (false, _, true) => Stands::Unsettled,
            (false, true, false) => Stands::Held,
            (false, false, false) => Stands::OnItsWay,
        };
        Ok(Self {
            day: row.get(0)?,
            by: JobId(row.get(1)?),
            file_name: row.get(2)?,
            stands,
            metrics: serde_json::from_str(&row.get::<_, String>(6)?).unwrap_or_default(),
            its: Reported { rows: row.get(7)?, in_doubt: 0, totals: totals(8)? },
            theirs: Reported { rows: row.get(9)?, in_doubt: row.get(10)?, totals: totals(11)? },
            more: 0,
        })
    }

    /// Who covers the day, and what both report of it.
    fn side_by_side(&self) -> String {
        let name = self.file_name.as_deref().map_or_else(|| "a file".to_owned(), printable);
        let stands = match self.stands {
            Stands::Accepted => "was accepted",
            Stands::OnItsWay => "is on its way",
            Stands::Held => "is held",
            Stands::Unsettled => "may have arrived",
        };
        let more = match self.more {
            ..=0 => String::new(),
            days => format!("; the same holds for {}", counted(days, "more day")),
        };
        format!(
            "{name} (job {}) {stands} with {}; this file has {}{more}",
            self.by,
            self.theirs.words(&self.metrics),
            self.its.words(&self.metrics),
        )
    }
}

impl Reported {
    /// `120 rows, Event 1 530.5`.
    fn words(&self, metrics: &[String]) -> String {
        let mut words = vec![counted(self.rows, "row")];
        if self.in_doubt > 0 {
            words.push(format!("of which {} may be missing", grouped(self.in_doubt)));
        }
        for (metric, total) in metrics.iter().zip(&self.totals).take(METRICS_NAMED) {
            let sum = total.sum.map_or_else(|| "?".to_owned(), |sum| sum.to_string());
            words.push(format!("{metric} {sum}"));
        }
        let more = metrics.len().saturating_sub(METRICS_NAMED);
        if more > 0 {
            words.push(format!("{more} more metrics"));
        }
        words.join(", ")
    }
}
