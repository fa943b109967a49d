//! The job log as a table.

use super::format::{Here, cut_middle, day_or_time, printable};
use crate::joblog::JobRow;
use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Row, Table, Width};
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

const HEADER: [&str; 9] = ["id", "account", "file", "state", "rows", "attempts", "remote job", "time", "reason"];
const FILE: usize = 2;
const REASON: usize = 8;
/// Indices of the right-aligned columns.
const NUMBERS: [usize; 4] = [0, 4, 5, 6];
/// Number of blanks between two columns.
const GAP: usize = 2;
/// Minimum width of a file name. Below this and the minimum of a reason, the terminal wraps the lines.
const LEAST_FILE: usize = 16;
const LEAST_REASON: usize = 20;
/// Maximum number of lines for a reason in a terminal. `jobs show` shows it in full.
const REASON_LINES: usize = 2;

/// A line for each job, in the given order. With a width, the table cuts file names in the middle and wraps reasons,
/// but never changes numbers. Without a width, every job is one line, and nothing is left out.
#[must_use]
pub fn jobs_table(jobs: &[JobRow], width: Option<usize>, here: &Here) -> String {
    let rows: Vec<[String; 9]> = jobs.iter().map(|job| cells(job, here)).collect();
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(HEADER).set_truncation_indicator("…");
    let room = width.map(|width| room_for_texts(&rows, width));
    for mut cells in rows {
        if let Some((file, _)) = room {
            cells[FILE] = cut_middle(&cells[FILE], file);
        }
        let mut row = Row::from(cells.map(Cell::new).to_vec());
        if room.is_some() {
            row.max_height(REASON_LINES);
        }
        table.add_row(row);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, if index == REASON { 0 } else { u16::try_from(GAP).unwrap_or(2) }));
        if NUMBERS.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
        if room.is_some() && index != REASON {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
    }
    if let (Some((_, reason)), Some(column)) = (room, table.column_mut(REASON)) {
        column.set_constraint(ColumnConstraint::UpperBoundary(Width::Fixed(u16::try_from(reason).unwrap_or(u16::MAX))));
        // The boundaries above already match the width. This call only turns wrapping on.
        table.set_width(u16::MAX).set_content_arrangement(ContentArrangement::Dynamic);
    }
    let mut text = table.trim_fmt();
    text.push('\n');
    text
}

/// A line for each job with only these columns, as the job log has them.
#[must_use]
pub fn chosen_table(jobs: &[JobRow], columns: &[String]) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(columns);
    let mut are_numbers = vec![true; columns.len()];
    for job in jobs {
        let row = serde_json::to_value(job).unwrap_or_default();
        let cells = columns.iter().zip(&mut are_numbers).map(|(column, is_number)| match &row[column] {
            Value::Null => String::new(),
            Value::String(text) => {
                *is_number = false;
                printable(text)
            }
            value @ (Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => value.to_string(),
        });
        table.add_row(cells.collect::<Vec<_>>());
    }
    for ((index, column), is_number) in table.column_iter_mut().enumerate().zip(are_numbers) {
        let is_last = index + 1 == columns.len();
        column.set_padding((0, if is_last { 0 } else { u16::try_from(GAP).unwrap_or(2) }));
        if is_number {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = table.trim_fmt();
    text.push('\n');
    text
}

/// The widths of file and reason, after the other columns have got what they need.
fn room_for_texts(rows: &[[String; 9]], width: usize) -> (usize, usize) {
    let widest = |index: usize| rows.iter().map(|row| row[index].width()).max().unwrap_or(0).max(HEADER[index].width());
    let taken: usize =
        (0..HEADER.len()).filter(|index| ![FILE, REASON].contains(index)).map(|index| widest(index) + GAP).sum();
    let left = width.saturating_sub(taken + GAP);
    let reason = widest(REASON).min(left / 2).max(LEAST_REASON.min(widest(REASON)));
    let file = left.saturating_sub(reason).max(LEAST_FILE).min(widest(FILE));
    (file, left.saturating_sub(file).max(reason))
}

fn cells(job: &JobRow, here: &Here) -> [String; 9] {
    [
        job.id.to_string(),
        printable(&job.account),
        printable(&job.file_name),
        printable(&job.state),
        rows(job),
        job.attempts.to_string(),
        job.remote_job_id.map(|id| id.to_string()).unwrap_or_default(),
        day_or_time(&job.seen_at, here),
        job.reason.as_deref().map(printable).unwrap_or_default(),
    ]
}

/// `95/100`: processed and expected rows. A marker has no rows.
pub(super) fn rows(job: &JobRow) -> String {
    let known = |rows: Option<i64>| rows.map_or_else(|| "-".to_owned(), |rows| rows.to_string());
    match (job.rows_processed, job.rows_expected) {
        (None, None) => String::new(),
        _ if job.kind == "fin" => String::new(),
        (processed, expected) => format!("{}/{}", known(processed), known(expected)),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample_rows::{held, here, job};
    use super::*;

    const LONG: &str = "duplicate: the same content was accepted as sales.txt (job 3); Adobe would count it twice; \
                        release it with `datadrop jobs release 12345` or cancel it with `datadrop jobs cancel 12345`";

    fn sample() -> Vec<JobRow> {
        vec![
            job(3, "sales.txt"),
            job(4, "コールセンター-2026-11-23.txt"),
            held(12_345, "a-rather-long-file-name-of-a-callcentre-2026-11-23.txt", LONG),
            job(12_346, "with\nnewline.txt"),
        ]
    }

    #[test]
    fn without_a_width_every_job_is_one_line() {
        let table = jobs_table(&sample(), None, &here());
        assert_eq!(table.lines().count(), 5);
        assert!(table.contains(LONG));
        insta::assert_snapshot!(jobs_table(&sample()[..2], None, &here()), @r"
        id  account     file                           state       rows  attempts  remote job  time      reason
         3  callcentre  sales.txt                      success  100/100         1   987654321  11:30:38
         4  callcentre  コールセンター-2026-11-23.txt  success  100/100         1   987654321  11:30:38
        ");
    }

    #[test]
    fn a_terminal_gets_lines_that_fit_and_whole_numbers() {
        let table = jobs_table(&sample(), Some(120), &here());
        assert!(table.lines().all(|line| line.width() <= 120), "{table}");
        insta::assert_snapshot!(table, @r"
           id  account     file                       state       rows  attempts  remote job  time      reason
            3  callcentre  sales.txt                  success  100/100         1   987654321  11:30:38
            4  callcentre  コールセンタ…26-11-23.txt  success  100/100         1   987654321  11:30:38
        12345  callcentre  a-rather-lon…26-11-23.txt  held       -/100         0              11:30:38  duplicate: the same
                                                                                                        content was accepted as…
        12346  callcentre  with\nnewline.txt          success  100/100         1   987654321  11:30:38
        ");
    }

    #[test]
    fn chosen_columns_are_shown_as_the_job_log_has_them() {
        let columns = ["remote_job_id", "file_name", "id", "reason"].map(str::to_owned);
        let jobs = [job(3, "sales.txt"), held(12_345, "with\nnewline.txt", "why")];
        insta::assert_snapshot!(chosen_table(&jobs, &columns), @r"
        remote_job_id  file_name             id  reason
            987654321  sales.txt              3
                       with\nnewline.txt  12345  why
        ");
    }

    #[test]
    fn a_narrow_terminal_never_costs_a_number() {
        let table = jobs_table(&sample(), Some(40), &here());
        assert!(table.contains("12345") && table.contains("987654321"), "{table}");
    }
}
