//! The job log as CSV, for spreadsheets.

use crate::joblog::JobRow;

/// The columns of the view `job_log`, in its order; also the keys of the JSON.
pub const JOB_COLUMNS: [&str; 26] = [
    "id",
    "account",
    "file_name",
    "kind",
    "state",
    "reason",
    "path",
    "size",
    "sha256",
    "rows_expected",
    "rows_processed",
    "remote_job_id",
    "remote_status",
    "remote_created",
    "remote_started",
    "remote_finished",
    "attempts",
    "seen_at",
    "queued_at",
    "uploaded_at",
    "finished_at",
    "next_attempt_at",
    "pair_id",
    "first_day",
    "last_day",
    "days",
];

/// A header and a line for each job. Lines end in a newline. `chosen` limits the columns, and sets their order.
///
/// # Errors
/// Never in practice: the text is built in memory.
pub fn jobs_csv(jobs: &[JobRow], chosen: Option<&[String]>) -> Result<String, ::csv::Error> {
    let places = places(chosen);
    let chosen = |cells: [String; JOB_COLUMNS.len()]| {
        places.iter().filter_map(|&place| cells.get(place).cloned()).collect::<Vec<_>>()
    };
    let header = chosen(JOB_COLUMNS.map(str::to_owned));
    lines(&header, jobs.iter().map(|job| chosen(cells(job))))
}

/// The indices of the chosen columns.
fn places(chosen: Option<&[String]>) -> Vec<usize> {
    let place = |name: &String| JOB_COLUMNS.iter().position(|column| column == name);
    chosen.map_or_else(|| (0..JOB_COLUMNS.len()).collect(), |chosen| chosen.iter().filter_map(place).collect())
}

/// A header, and a line for each record.
pub(super) fn lines<R: AsRef<[String]>>(
    header: &[impl AsRef<str>],
    records: impl Iterator<Item = R>,
) -> Result<String, ::csv::Error> {
    let mut writer = ::csv::WriterBuilder::new().from_writer(Vec::new());
    writer.write_record(header.iter().map(AsRef::as_ref))?;
    for record in records {
        writer.write_record(record.as_ref())?;
    }
    let bytes = writer.into_inner().map_err(|error| ::csv::Error::from(error.into_error()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn cells(job: &JobRow) -> [String; 26] {
    [
        job.id.to_string(),
        text(&job.account),
        text(&job.file_name),
        text(&job.kind),
        text(&job.state),
        optional_text(job.reason.as_deref()),
        text(&job.path),
        number(job.size),
        optional_text(job.sha256.as_deref()),
        number(job.rows_expected),
        number(job.rows_processed),
        number(job.remote_job_id),
        optional_text(job.remote_status.as_deref()),
        optional_text(job.remote_created.as_deref()),
        optional_text(job.remote_started.as_deref()),
        optional_text(job.remote_finished.as_deref()),
        job.attempts.to_string(),
        text(&job.seen_at),
        optional_text(job.queued_at.as_deref()),
        optional_text(job.uploaded_at.as_deref()),
        optional_text(job.finished_at.as_deref()),
        optional_text(job.next_attempt_at.as_deref()),
        number(job.pair_id),
        optional_text(job.first_day.as_deref()),
        optional_text(job.last_day.as_deref()),
        number(job.days),
    ]
}

/// Puts an apostrophe before a cell that a spreadsheet would read as a formula. Anybody can choose a file name.
pub(super) fn text(cell: &str) -> String {
    if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{cell}") } else { cell.to_owned() }
}

fn optional_text(cell: Option<&str>) -> String {
    cell.map(text).unwrap_or_default()
}

fn number(cell: Option<i64>) -> String {
    cell.map(|number| number.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::sample_rows::{held, job};
    use super::*;

    #[test]
    fn columns_are_the_keys_of_the_json_in_its_order() {
        let json = serde_json::to_string(&job(1, "sales.txt")).unwrap();
        let mut from = 0;
        for column in JOB_COLUMNS {
            let at = json[from..].find(&format!("\"{column}\":")).unwrap_or_else(|| panic!("{column}: {json}"));
            from += at + 1;
        }
        assert_eq!(json.matches("\":").count(), JOB_COLUMNS.len());
    }

    #[test]
    fn formulas_are_defused_and_numbers_left_alone() {
        let mut odd = held(7, "=HYPERLINK(\"x\")\",b.txt", "+1 \"quoted\", and\nmore");
        odd.size = Some(-5);
        let jobs = [job(6, "sales.txt"), odd];
        let csv = jobs_csv(&jobs, None).unwrap();
        let records: Vec<::csv::StringRecord> =
            ::csv::ReaderBuilder::new().from_reader(csv.as_bytes()).records().map(Result::unwrap).collect();
        let cell = |record: usize, name: &str| {
            let column = JOB_COLUMNS.iter().position(|column| *column == name).unwrap();
            records[record][column].to_owned()
        };
        assert_eq!(cell(0, "file_name"), "sales.txt");
        assert_eq!(cell(1, "file_name"), "'=HYPERLINK(\"x\")\",b.txt");
        assert_eq!(cell(1, "reason"), "'+1 \"quoted\", and\nmore");
        assert_eq!(cell(1, "size"), "-5");
        assert_eq!(cell(1, "remote_job_id"), "", "null is empty");
        assert!(csv.starts_with("id,account,file_name,") && csv.ends_with('\n'));
        let chosen = ["size", "id", "size"].map(str::to_owned);
        assert_eq!(jobs_csv(&jobs[1..], Some(&chosen)).unwrap(), "size,id,size\n-5,7,-5\n");
    }
}
