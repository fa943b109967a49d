//! Data days that another file covers with the same columns: Adobe would add both up (DESIGN §6, `duplicates`).

use super::errors::JobLogError;
use super::row::Job;
use super::sql::GOES_THERE;
use crate::job::sets::{HELD_OR_CANCELLED, ON_THE_WIRE};
use crate::job::{JobId, Total, counted, printable};
use rusqlite::{Connection, Row, params};
use std::collections::BTreeSet;

/// The place where the files of the account `?1` go now.
pub(super) const HERE: &str =
    "(SELECT target.place FROM account JOIN target ON target.id = account.target_id WHERE account.name = ?1)";

/// Metrics whose sums a sentence names.
const NAMED: usize = 4;
/// Rows that are read at most: a day may be split over very many files.
const READ: i64 = 1000;

/// A data day that another file covers with the same columns.
struct Covered {
    day: String,
    by: JobId,
    file_name: Option<String>,
    /// It was accepted; otherwise it is on its way, or may have been ingested.
    is_accepted: bool,
    metrics: Vec<String>,
    its: Reported,
    theirs: Reported,
}

/// What a file reports of a day.
struct Reported {
    rows: i64,
    totals: Vec<Total>,
}

/// The others that a file is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Others {
    /// Those that count.
    Accepted,
    /// Those that are on their way, or may have been ingested, too.
    OnTheirWay,
}

/// The first data day of a file that others cover, by which job, and why the file must not be sent unasked, if so.
pub(super) fn covered_day(connection: &Connection, job: &Job) -> Result<Option<(JobId, String)>, JobLogError> {
    let Some((first, more)) = covered(connection, job, Others::OnTheirWay)? else { return Ok(None) };
    let stands = if first.is_accepted { "was accepted" } else { "is on its way" };
    let reason = format!(
        "{} was reported before, with the same columns: {} {stands} with {}; this file has {}{more}; Adobe would add it up. Release \
         it if it is an addition, otherwise cancel it",
        first.day,
        first.name(),
        first.theirs.words(&first.metrics),
        first.its.words(&first.metrics),
    );
    Ok(Some((first.by, reason)))
}

/// Why a file must not be sent unasked of which no data day is known: nothing tells whether it repeats one.
pub(super) fn unknown_days(connection: &Connection, job: &Job) -> Result<Option<(JobId, String)>, JobLogError> {
    if job.rows_expected.is_none_or(|rows| rows == 0) {
        return Ok(None);
    }
    let is_known = connection.prepare_cached("SELECT 1 FROM job_day WHERE job_id = ?1 LIMIT 1")?.exists([job.id.0])?;
    let reason = "datadrop can read no data day of it, so nothing tells whether it repeats one. Release it if it repeats none, \
                  otherwise cancel it";
    Ok((!is_known).then(|| (job.id, reason.to_owned())))
}

/// What is to be said of a file that Adobe has accepted although others cover its days.
pub(super) fn doubles(connection: &Connection, job: &Job) -> Result<Option<String>, JobLogError> {
    let Some((first, more)) = covered(connection, job, Others::Accepted)? else { return Ok(None) };
    Ok(Some(format!(
        "{} is covered twice, with the same columns: {} was accepted with {}; this file has {}{more}; Adobe adds it up",
        first.day,
        first.name(),
        first.theirs.words(&first.metrics),
        first.its.words(&first.metrics),
    )))
}

/// The first day that another file covers, and words for how many more there are.
fn covered(connection: &Connection, job: &Job, others: Others) -> Result<Option<(Covered, String)>, JobLogError> {
    let accepted = format!("theirs.place = {HERE}");
    let condition = match others {
        Others::Accepted => accepted,
        Others::OnTheirWay => format!(
            "({accepted} OR theirs.place IS NULL AND {GOES_THERE}
                 AND (job.state IN {ON_THE_WIRE} OR job.state = 'queued' AND job.id < ?2 OR job.state = 'held' AND job.attempts > 0
                      OR job.state IN {HELD_OR_CANCELLED} AND job.unsettled))"
        ),
    };
    let mut statement = connection.prepare_cached(&format!(
        "SELECT its.day, theirs.job_id, coalesce(job.file_name, (SELECT file_name FROM delivered WHERE job_id = theirs.job_id)),
                theirs.place IS NOT NULL, metrics, its.rows, its.totals, theirs.rows, theirs.totals
         FROM job_day AS its
         CROSS JOIN job_day AS theirs INDEXED BY job_day_by_day
             ON theirs.account = its.account AND theirs.day = its.day AND theirs.column_set = its.column_set
         JOIN column_set ON column_set.id = its.column_set
         LEFT JOIN job ON job.id = theirs.job_id
         WHERE its.job_id = ?2 AND theirs.job_id <> ?2 AND {condition}
         ORDER BY its.day LIMIT {READ}"
    ))?;
    let mut rows = statement.query(params![job.account, job.id.0])?;
    let mut first: Option<Covered> = None;
    let mut days = BTreeSet::new();
    while let Some(row) = rows.next()? {
        let found = Covered::of(row)?;
        days.insert(found.day.clone());
        first.get_or_insert(found);
    }
    let more = i64::try_from(days.len()).unwrap_or(i64::MAX) - 1;
    let more = if more > 0 { format!("; so it is with {}", counted(more, "more day")) } else { String::new() };
    Ok(first.map(|first| (first, more)))
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
            is_accepted: row.get(3)?,
            metrics: serde_json::from_str(&row.get::<_, String>(4)?).unwrap_or_default(),
            its: reported(5)?,
            theirs: reported(7)?,
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
        for (metric, total) in metrics.iter().zip(&self.totals).take(NAMED) {
            let sum = total.sum.map_or_else(|| "?".to_owned(), |sum| sum.to_string());
            words.push(format!("{metric} {sum}"));
        }
        let more = metrics.len().saturating_sub(NAMED);
        if more > 0 {
            words.push(format!("{more} more metrics"));
        }
        words.join(", ")
    }
}
