//! What Adobe's words mean for a job. Pure.

use crate::job::{Event, Kind, RemoteJob};
use std::cmp::Ordering;

/// A step that follows from what the API says of a remote job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The event; `None` while nothing has changed.
    pub event: Option<Event>,
    /// Why, or what is odd, for people.
    pub reason: Option<String>,
}

/// Reads one answer (adobe's statuses: `uploaded`, `processing`, `success`, `failure`, `deleted`; others are kept as text
/// and count as `processing`).
#[must_use]
pub fn judge(kind: Kind, rows_expected: Option<i64>, remote: &RemoteJob) -> Step {
    let step = |event, reason: Option<String>| Step { event: Some(event), reason };
    match remote.remote_status.as_deref().map(str::to_ascii_lowercase).as_deref() {
        Some("uploaded") => Step { event: None, reason: None },
        Some("processing") => step(Event::Processing, None),
        Some("success") => succeeded(kind, rows_expected, remote.rows_processed),
        Some("failure") => step(
            Event::Failed,
            Some("Adobe failed to process the file and gives no reason; check its format".to_owned()),
        ),
        Some("deleted") => step(Event::Failed, Some("the remote job was deleted at Adobe".to_owned())),
        Some(unknown) => step(
            Event::Processing,
            Some(format!("Adobe says \"{unknown}\", which datadrop does not know; it keeps looking")),
        ),
        None => step(Event::Processing, Some("Adobe gives no status; datadrop keeps looking".to_owned())),
    }
}

fn succeeded(kind: Kind, rows_expected: Option<i64>, rows_processed: Option<i64>) -> Step {
    let step = |event, reason: Option<String>| Step { event: Some(event), reason };
    let (expected, processed) = match (kind, rows_expected, rows_processed) {
        // A marker has no rows to count.
        (Kind::Fin, _, None) | (_, None, Some(_)) => return step(Event::Succeeded, None),
        (Kind::Data, _, None) => {
            return step(
                Event::Processing,
                Some("Adobe says success, but not how many rows it processed; datadrop keeps looking".to_owned()),
            );
        }
        (_, Some(expected), Some(processed)) => (expected, processed),
    };
    match processed.cmp(&expected) {
        Ordering::Less => {
            let lost = expected - processed;
            step(
                Event::FellShort,
                Some(format!(
                    "Adobe processed {processed} of {expected} rows; {lost} {} lost. Rows with a semicolon are skipped without a word",
                    if lost == 1 { "row was" } else { "rows were" }
                )),
            )
        }
        Ordering::Equal => step(Event::Succeeded, None),
        Ordering::Greater => step(
            Event::Succeeded,
            Some(format!("Adobe processed {processed} rows, more than the {expected} of the file")),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{RemoteJobId, State};
    use proptest::prelude::*;

    fn remote(status: Option<&str>, rows: Option<i64>) -> RemoteJob {
        RemoteJob {
            file_name: None,
            rows_processed: rows,
            remote_job_id: RemoteJobId(1),
            remote_status: status.map(str::to_owned),
            remote_created: None,
            remote_started: None,
            remote_finished: None,
        }
    }

    #[test]
    fn adobes_words_become_steps() {
        for (kind, status, rows, event) in [
            (Kind::Data, Some("uploaded"), Some(10), None),
            (Kind::Data, Some("processing"), None, Some(Event::Processing)),
            (Kind::Data, Some("success"), Some(10), Some(Event::Succeeded)),
            (Kind::Data, Some("Success"), Some(11), Some(Event::Succeeded)),
            (Kind::Data, Some("success"), Some(9), Some(Event::FellShort)),
            (Kind::Data, Some("success"), None, Some(Event::Processing)),
            (Kind::Data, Some("failure"), Some(0), Some(Event::Failed)),
            (Kind::Data, Some("deleted"), None, Some(Event::Failed)),
            (Kind::Data, Some("in queue"), None, Some(Event::Processing)),
            (Kind::Data, None, None, Some(Event::Processing)),
        ] {
            assert_eq!(judge(kind, Some(10), &remote(status, rows)).event, event, "{status:?} {rows:?}");
        }
        assert_eq!(judge(Kind::Fin, Some(0), &remote(Some("success"), Some(0))).event, Some(Event::Succeeded));
        assert_eq!(judge(Kind::Fin, Some(0), &remote(Some("success"), None)).event, Some(Event::Succeeded));
    }

    #[test]
    fn lost_rows_and_unknown_words_are_named() {
        let partial = judge(Kind::Data, Some(10), &remote(Some("success"), Some(8)));
        assert!(partial.reason.unwrap().contains("8 of 10 rows; 2 rows were lost"));
        assert!(judge(Kind::Data, Some(10), &remote(Some("Cache"), None)).reason.unwrap().contains("\"cache\""));
    }

    proptest! {
        /// Promise 7: no word of Adobe's, whatever it is, leads anywhere illegal, and an unknown one never ends a job.
        #[test]
        fn any_answer_has_a_legal_step(status in proptest::option::of(".{0,12}"), rows in proptest::option::of(any::<i64>()),
                                       expected in proptest::option::of(0i64..1_000_000)) {
            let step = judge(Kind::Data, expected, &remote(status.as_deref(), rows));
            if let Some(event) = step.event {
                for state in [State::Uploaded, State::Processing] {
                    let next = state.next(event);
                    prop_assert!(next.is_ok());
                    let known = ["success", "failure", "deleted"].contains(&status.as_deref().unwrap_or_default().to_ascii_lowercase().as_str());
                    prop_assert!(known || !next.unwrap().is_terminal());
                }
            }
        }
    }
}
