//! What files report of each data day, and what those that count add up to: Adobe accepted them and has not failed them.

use super::covered_days::{days_text, doubles, place};
use super::errors::JobLogError;
use super::row::Job;
use super::sql;
use crate::job::{DataDays, JobId, Kind, State, Total, printable};
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, params};
use serde_json::json;

/// Gives the writer's connection what SQL cannot do: to add exactly.
pub(super) fn add_functions(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    for (name, change) in
        [("add_totals", Total::add_total as fn(&mut Total, &Total)), ("take_back_totals", Total::take_back)]
    {
        connection.create_scalar_function(name, 2, flags, move |context| {
            let [mut totals, mut others] =
                [0, 1].map(|index| Total::list_from(context.get_raw(index).as_str().unwrap_or_default()));
            // What does not read back is unknown, and so is what it is added to.
            let unknown = Total { sum: None, ..Total::default() };
            totals.resize(totals.len().max(others.len()), unknown);
            others.resize(totals.len(), unknown);
            totals.iter_mut().zip(&others).for_each(|(total, other)| change(total, other));
            Ok(Total::list_text(&totals))
        })?;
    }
    Ok(())
}

/// Writes down what a file reports of each data day.
pub(super) fn note_days(connection: &Connection, job: &Job, days: &DataDays) -> Result<(), JobLogError> {
    if days.all().is_empty() {
        return Ok(());
    }
    let columns = json!(days.columns()).to_string();
    let rows = days_text(days);
    let mut insert = connection.prepare_cached(
        "INSERT INTO job_day (job_id, day, account, column_set, rows, totals)
         SELECT ?1, value ->> 0, ?2, column_set.id, value ->> 1, value ->> 2
         FROM column_set CROSS JOIN json_each(?4) WHERE columns = ?3",
    )?;
    if insert.execute(params![job.id.0, job.account, columns, rows])? == 0 {
        // The first file with these columns.
        connection
            .prepare_cached("INSERT INTO column_set (columns, metrics) VALUES (?1, ?2)")?
            .execute(params![columns, json!(days.sorted_metrics()).to_string()])?;
        insert.execute(params![job.id.0, job.account, columns, rows])?;
    }
    Ok(())
}

/// How a job's file counts towards its data days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counts {
    /// Adobe does not have it, or has failed it.
    Not,
    Whole,
    /// Except for rows that Adobe did not process: how many of all days, where Adobe's count tells.
    InDoubt(Option<i64>),
}

impl Counts {
    fn of(job: &Job) -> Self {
        if job.kind == Kind::Fin {
            return Self::Not;
        }
        match job.state {
            State::Uploaded | State::Processing | State::Success => Self::Whole,
            State::Partial => {
                let lost = job.rows_expected.zip(job.rows_processed).map(|(sent, processed)| sent - processed);
                Self::InDoubt(lost.filter(|lost| *lost > 0))
            }
            // It was given up, and has come to light at Adobe since.
            State::Cancelled if job.remote_job_id.is_some() => Self::Whole,
            State::Waiting
            | State::Queued
            | State::Uploading(_)
            | State::Unconfirmed
            | State::Held
            | State::Failure
            | State::Rejected
            | State::Cancelled => Self::Not,
        }
    }
}

/// Keeps the totals of the data days right when a job takes a step: called wherever a row is written, so that no step can
/// forget it.
///
/// A file that Adobe has just accepted may repeat data days. The answer is the warning for the log: that is never silent, whatever
/// the account allows.
pub(super) fn recount(connection: &Connection, before: &Job, job: &Job) -> Result<Option<String>, JobLogError> {
    let (counted, counts) = (Counts::of(before), Counts::of(job));
    if counted == counts {
        return Ok(None);
    }
    if counted != Counts::Not {
        take_out(connection, job)?;
    }
    let repeats = count_in(connection, job, counts)?;
    // What is restored is no news.
    let is_news = counted == Counts::Not && before.state != State::Waiting;
    if is_news && repeats { tell_doubles(connection, job) } else { Ok(None) }
}

/// Whether another file with the same columns reports one of its days.
fn count_in(connection: &Connection, job: &Job, counts: Counts) -> Result<bool, JobLogError> {
    let in_doubt = match counts {
        Counts::Not => return Ok(false),
        Counts::Whole => Some(0),
        // Where Adobe's count does not tell, those that the check found it to skip.
        Counts::InDoubt(rows) => rows,
    };
    let days = connection
        .prepare_cached(&format!(
            "UPDATE job_day SET
                 place = {},
                 in_doubt = min(rows, coalesce(?4, (SELECT rows_skipped FROM job WHERE id = ?3)))
             WHERE job_id = ?3",
            place("?2")
        ))?
        .execute(params![job.account, job.target_id, job.id.0, in_doubt])?;
    let at = job.uploaded_at.or(job.queued_at).unwrap_or(job.seen_at);
    if days == 0 {
        // It was not checked. That it counts, of whatever days, must not be forgotten.
        connection
            .prepare_cached(&format!(
                "INSERT INTO day_total (account, place, day, column_set, files, rows, in_doubt, totals, covered_at)
                 VALUES (?1, {}, '', 0, 1, ?3, 0, '[]', ?4)
                 ON CONFLICT DO UPDATE SET files = files + 1, rows = rows + excluded.rows",
                place("?2")
            ))?
            .execute(params![job.account, job.target_id, job.rows_expected.unwrap_or(0), at.0])?;
        return Ok(false);
    }
    let mut statement = connection.prepare_cached(
        "INSERT INTO day_total (account, place, day, column_set, files, rows, in_doubt, totals, covered_at)
         SELECT account, place, day, column_set, 1, rows, in_doubt, totals, ?2 FROM job_day WHERE job_id = ?1
         ON CONFLICT DO UPDATE SET files = files + 1, rows = rows + excluded.rows, in_doubt = in_doubt + excluded.in_doubt,
             totals = add_totals(totals, excluded.totals), covered_at = min(covered_at, excluded.covered_at)
         RETURNING files",
    )?;
    let mut repeats = false;
    for files in statement.query_map(params![job.id.0, at.0], |row| row.get::<_, i64>(0))? {
        repeats |= files? > 1;
    }
    Ok(repeats)
}

fn take_out(connection: &Connection, job: &Job) -> Result<(), JobLogError> {
    let days = connection
        .prepare_cached(
            "UPDATE day_total SET files = day_total.files - 1, rows = day_total.rows - its.rows,
             in_doubt = day_total.in_doubt - its.in_doubt, totals = take_back_totals(day_total.totals, its.totals)
         FROM job_day AS its
         WHERE its.job_id = ?1 AND day_total.account = its.account AND day_total.place = its.place
           AND day_total.day = its.day AND day_total.column_set = its.column_set",
        )?
        .execute([job.id.0])?;
    if days == 0 {
        connection
            .prepare_cached(&format!(
                "UPDATE day_total SET files = files - 1, rows = rows - ?3
             WHERE account = ?1 AND place = {} AND day = '' AND NOT EXISTS (SELECT 1 FROM job_day WHERE job_id = ?4)",
                place("?2")
            ))?
            .execute(params![job.account, job.target_id, job.rows_expected.unwrap_or(0), job.id.0])?;
    }
    add_up_again(connection, job)?;
    connection
        .prepare_cached(
            "DELETE FROM day_total WHERE account = ?1 AND files <= 0
               AND (place, day) IN (SELECT place, day FROM job_day WHERE job_id = ?2 AND place IS NOT NULL
                                    UNION ALL SELECT place, '' FROM target)",
        )?
        .execute(params![job.account, job.id.0])?;
    connection
        .prepare_cached("UPDATE job_day SET place = NULL, in_doubt = 0 WHERE job_id = ?1")?
        .execute([job.id.0])?;
    Ok(())
}

/// A sum that had more digits than are kept is known again once the file is taken out that had them: the other files of its
/// days are added up again.
fn add_up_again(connection: &Connection, job: &Job) -> Result<(), JobLogError> {
    let mut unknown = connection.prepare_cached(
        "SELECT place, day, column_set FROM job_day JOIN day_total USING (account, place, day, column_set)
         WHERE job_id = ?1 AND files > 0 AND day_total.totals LIKE '%null%'",
    )?;
    let mut others = connection.prepare_cached(
        "SELECT totals FROM job_day WHERE account = ?1 AND day = ?2 AND column_set = ?3 AND place = ?4 AND job_id <> ?5",
    )?;
    let mut update = connection.prepare_cached(
        "UPDATE day_total SET totals = ?5 WHERE account = ?1 AND day = ?2 AND column_set = ?3 AND place = ?4",
    )?;
    let days: Vec<(i64, String, i64)> = unknown
        .query_map([job.id.0], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    for (place, day, set) in days {
        let mut sums: Vec<Total> = Vec::new();
        for totals in
            others.query_map(params![job.account, day, set, place, job.id.0], |row| row.get::<_, String>(0))?
        {
            let totals = Total::list_from(&totals?);
            sums.resize(sums.len().max(totals.len()), Total::default());
            sums.iter_mut().zip(&totals).for_each(|(sum, total)| sum.add_total(total));
        }
        update.execute(params![job.account, day, set, place, Total::list_text(&sums)])?;
    }
    Ok(())
}

fn tell_doubles(connection: &Connection, job: &Job) -> Result<Option<String>, JobLogError> {
    let Some(told) = doubles(connection, job)? else { return Ok(None) };
    let at = job.uploaded_at.unwrap_or(job.seen_at);
    sql::insert_event(connection, job.id, at, "double", Some(job.state), job.state, Some(&told))?;
    Ok(Some(format!("{}: {} (job {}): {told}", job.account, printable(&job.file_name), job.id)))
}

/// What a job's file reports of each day was read again: it counts from now on, instead of what was known of it. The answer is
/// the warning for the log, if nothing was known and it repeats a day.
pub(super) fn note_days_again(
    connection: &Connection,
    job: &Job,
    days: &DataDays,
) -> Result<Option<String>, JobLogError> {
    let counts = Counts::of(job);
    if counts != Counts::Not {
        take_out(connection, job)?;
    }
    let known = connection.prepare_cached("DELETE FROM job_day WHERE job_id = ?1")?.execute([job.id.0])?;
    note_days(connection, job, days)?;
    let repeats = count_in(connection, job, counts)?;
    if repeats && known == 0 { tell_doubles(connection, job) } else { Ok(None) }
}

/// What is left of a job that leaves the job log: its days, if they count.
pub(super) fn forget_days(connection: &Connection, id: JobId) -> Result<(), JobLogError> {
    connection.prepare_cached("DELETE FROM job_day WHERE job_id = ?1 AND place IS NULL")?.execute([id.0])?;
    Ok(())
}
