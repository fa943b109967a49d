//! Data days that another file covers with the same columns: Adobe would add both up (DESIGN §6, `duplicates`).

use super::errors::JobLogError;
use super::row::Job;
use crate::job::sets::{HELD_OR_CANCELLED, ON_THE_WIRE};
use crate::job::{EventId, JobId, Total, counted, printable};
use rusqlite::{Connection, OptionalExtension as _, Row, params};

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
    metrics: Vec<String>,
    its: Reported,
    theirs: Reported,
}

/// What a file reports of a day.
struct Reported {
    rows: i64,
    totals: Vec<Total>,
}

/// Why a file must not be sent unasked that reports data days which others cover, and by which job the first of them is.
/// `since`: only what has begun or was accepted after this event counts.
pub(super) fn covered_day(
    connection: &Connection,
    job: &Job,
    since: EventId,
) -> Result<Option<(JobId, String)>, JobLogError> {
    for (others, stands) in [(accepted(), "was accepted"), (on_their_way(), "is on its way")] {
        if let Some((first, more)) = covered(connection, job, &others, since)? {
            let reason = format!(
                "{} was reported before, with the same columns: {} {stands} with {}; this file has {}{more}. Adobe would add both \
                 up. Release it if it is an addition, otherwise cancel it",
                first.day,
                first.name(),
                first.theirs.words(&first.metrics),
                first.its.words(&first.metrics),
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

/// Why a file is held whose rows report no day that can be read, so many of all.
pub(super) fn no_day_in_words(unknown: i64, rows: i64) -> String {
    format!(
        "datadrop can read no data day in {unknown} of {}, so nothing tells whether it repeats one. Release it if it repeats none, \
         otherwise cancel it",
        counted(rows, "row")
    )
}

/// What is to be said of a file that Adobe has accepted although others cover its days.
pub(super) fn doubles(connection: &Connection, job: &Job) -> Result<Option<String>, JobLogError> {
    let Some((first, more)) = covered(connection, job, &accepted(), EventId(0))? else { return Ok(None) };
    Ok(Some(format!(
        "{} is covered twice, with the same columns: {} was accepted with {}; this file has {}{more}. Adobe adds both up",
        first.day,
        first.name(),
        first.theirs.words(&first.metrics),
        first.its.words(&first.metrics),
    )))
}

/// The place where the job goes, or went.
fn there() -> String {
    format!("coalesce((SELECT place FROM target WHERE id = ?3), {HERE})")
}

/// Files that count there.
fn accepted() -> String {
    format!("theirs.place = {}", there())
}

/// Files that are on their way there, or may have been ingested.
fn on_their_way() -> String {
    format!(
        "theirs.place IS NULL
         AND (job.target_id IS NULL OR (SELECT place FROM target WHERE target.id = job.target_id) = {})
         AND (job.state IN {ON_THE_WIRE} OR job.state = 'queued' AND job.id < ?2 OR job.state = 'held' AND job.attempts > 0
              OR job.state IN {HELD_OR_CANCELLED} AND job.unsettled)",
        there()
    )
}

/// The first day of a job that others cover, and words for how many more there are.
fn covered(
    connection: &Connection,
    job: &Job,
    others: &str,
    since: EventId,
) -> Result<Option<(Covered, String)>, JobLogError> {
    let same = format!(
        "job_day AS theirs INDEXED BY job_day_by_day LEFT JOIN job ON job.id = theirs.job_id
         WHERE theirs.account = its.account AND theirs.day = its.day AND theirs.column_set = its.column_set
           AND theirs.job_id <> ?2 AND {others}
           AND (?4 = 0 OR EXISTS (SELECT 1 FROM job_event WHERE job_event.job_id = theirs.job_id AND job_event.id > ?4
                                  AND event IN ('started', 'accepted', 'found', 'adopted')))"
    );
    let values = params![job.account, job.id.0, job.target_id, since.0];
    let mut first = connection.prepare_cached(&format!(
        "SELECT its.day, found.job_id,
                coalesce((SELECT file_name FROM job WHERE id = found.job_id),
                         (SELECT file_name FROM delivered WHERE job_id = found.job_id)),
                metrics, its.rows, its.totals, found.rows, found.totals
         FROM job_day AS its
         CROSS JOIN job_day AS found ON found.job_id = (SELECT theirs.job_id FROM {same} LIMIT 1) AND found.day = its.day
         JOIN column_set ON column_set.id = its.column_set
         WHERE its.job_id = ?2 ORDER BY its.day LIMIT 1"
    ))?;
    let Some(first) = first.query_row(values, Covered::of).optional()? else { return Ok(None) };
    let days: i64 = connection
        .prepare_cached(&format!(
            "SELECT count(*) FROM job_day AS its WHERE its.job_id = ?2 AND EXISTS (SELECT 1 FROM {same})"
        ))?
        .query_row(values, |row| row.get(0))?;
    let more = if days > 1 { format!("; the same holds for {}", counted(days - 1, "more day")) } else { String::new() };
    Ok(Some((first, more)))
}

impl Covered {
    fn of(row: &Row<'_>) -> rusqlite::Result<Self> {
        let reported = |rows: usize| {
            Ok::<_, rusqlite::Error>(Reported {
                rows: row.get(rows)?,
                totals: Total::list_from(&row.get::<_, String>(rows + 1)?),
            })
        };
        Ok(Self {
            day: row.get(0)?,
            by: JobId(row.get(1)?),
            file_name: row.get(2)?,
            metrics: serde_json::from_str(&row.get::<_, String>(3)?).unwrap_or_default(),
            its: reported(4)?,
            theirs: reported(6)?,
        })
    }

    fn name(&self) -> String {
        let name = self.file_name.as_deref().map_or_else(|| "a file".to_owned(), printable);
        format!("{name} (job {})", self.by)
    }
}

impl Reported {
    /// `120 rows, Event 1 530.5`.
    fn words(&self, metrics: &[String]) -> String {
        let mut words = vec![counted(self.rows, "row")];
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
