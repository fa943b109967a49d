//! The JSON for programs (DESIGN §7, "JSON shapes"). Every key is always present, also with null.

use super::StatusReport;
use crate::joblog::{AttemptRow, EventRow, JobLife, JobRow};
use serde::ser::Error as _;
use serde::{Serialize, Serializer};

#[derive(Serialize)]
struct JobObject<'a> {
    #[serde(flatten)]
    columns: &'a JobRow,
    attempt_list: &'a [AttemptRow],
    events: &'a [EventRow],
}

/// An array of jobs with the columns of the view `job_log`.
///
/// # Errors
/// Never in practice: every row has a JSON form.
pub fn jobs_json(jobs: &[JobRow]) -> serde_json::Result<String> {
    lines(jobs)
}

/// An array of jobs with only these columns, in this order.
///
/// # Errors
/// As [`jobs_json`].
pub fn chosen_json(jobs: &[JobRow], columns: &[String]) -> serde_json::Result<String> {
    let objects = jobs.iter().map(|job| Chosen { job, columns }).collect::<Vec<_>>();
    lines(&objects)
}

/// A job, and the columns to show.
struct Chosen<'a> {
    job: &'a JobRow,
    columns: &'a [String],
}

impl Serialize for Chosen<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let all = serde_json::to_value(self.job).map_err(S::Error::custom)?;
        // A column that is named twice becomes one key.
        let mut shown: Vec<&String> = Vec::new();
        for column in self.columns {
            if !shown.contains(&column) {
                shown.push(column);
            }
        }
        serializer.collect_map(shown.into_iter().map(|column| (column, &all[column])))
    }
}

/// One job: its columns, its attempts, its history.
///
/// # Errors
/// Never in practice: every row has a JSON form.
pub fn job_json(life: &JobLife) -> serde_json::Result<String> {
    lines(&JobObject { columns: &life.job, attempt_list: &life.attempts, events: &life.events })
}

/// The state of the service.
///
/// # Errors
/// Never in practice: the report has a JSON form.
pub fn status_json(report: &StatusReport) -> serde_json::Result<String> {
    lines(report)
}

/// Indented, with a line end at the end.
pub(super) fn lines(value: &(impl Serialize + ?Sized)) -> serde_json::Result<String> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::super::sample_rows::held;
    use super::*;

    #[test]
    fn no_jobs_are_an_empty_array() {
        assert_eq!(jobs_json(&[]).unwrap(), "[]\n");
    }

    #[test]
    fn chosen_columns_come_in_their_order_and_nulls_are_kept() {
        let columns = ["state", "remote_job_id", "id", "id"].map(str::to_owned);
        let json = chosen_json(&[held(7, "sales.txt", "duplicate")], &columns).unwrap();
        assert_eq!(json, "[\n  {\n    \"state\": \"held\",\n    \"remote_job_id\": null,\n    \"id\": 7\n  }\n]\n");
    }

    #[test]
    fn a_job_has_every_column_and_its_history() {
        let event = EventRow {
            at: "2026-11-23T10:30:38.007Z".to_owned(),
            event: "seen".to_owned(),
            from_state: None,
            to_state: "waiting".to_owned(),
            detail: None,
        };
        let job = held(7, "sales.txt", "duplicate");
        let life = JobLife { job, verdict: None, findings: None, attempts: Vec::new(), events: vec![event] };
        let json = job_json(&life).unwrap();
        insta::assert_snapshot!(json, @r#"
        {
          "id": 7,
          "account": "callcentre",
          "file_name": "sales.txt",
          "kind": "data",
          "state": "held",
          "reason": "duplicate",
          "path": "/srv/datadrop/callcentre/held/sales.txt",
          "size": 1234567,
          "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
          "rows_expected": 100,
          "rows_processed": null,
          "remote_job_id": null,
          "remote_status": null,
          "remote_created": null,
          "remote_started": null,
          "remote_finished": null,
          "attempts": 0,
          "seen_at": "2026-11-23T10:30:38.007Z",
          "queued_at": "2026-11-23T10:30:38.107Z",
          "uploaded_at": null,
          "finished_at": null,
          "next_attempt_at": null,
          "pair_id": null,
          "first_day": null,
          "last_day": null,
          "days": null,
          "attempt_list": [],
          "events": [
            {
              "at": "2026-11-23T10:30:38.007Z",
              "event": "seen",
              "from_state": null,
              "to_state": "waiting",
              "detail": null
            }
          ]
        }
        "#);
    }
}
