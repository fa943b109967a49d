//! What the answers of Adobe mean for a job. Pure.

use crate::job::{Event, Kind, Likely, RemoteJob, RowCount, counted};
use std::cmp::Ordering;

/// The step that follows from what the API shows of a remote job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The event. `None` if nothing has changed.
    pub event: Option<Event>,
    /// Why, or what is odd, in words for people.
    pub reason: Option<String>,
    /// The answer may be an end that datadrop cannot read. If it stays like this, datadrop asks a person to look before
    /// it gives up.
    pub is_odd: bool,
}

/// What datadrop knows of an account when one of its jobs ends.
#[derive(Debug, Clone, Copy, Default)]
pub struct AccountFacts<'a> {
    /// What Adobe's row counts mean (DESIGN T2).
    pub row_count: RowCount,
    /// The address that Adobe writes errors to. Empty if there is none, `None` while it is unknown.
    pub error_address: Option<&'a str>,
}

/// Reads one answer. Adobe's statuses are `uploaded`, `processing`, `success`, `failure` and `deleted`. datadrop reads
/// them in any case, and with other words for the same. It keeps any other status as text, and treats the job as
/// `processing`. `likely` is the check's explanation of a bad end, because Adobe gives none.
#[must_use]
pub fn judge(
    kind: Kind,
    rows_expected: Option<i64>,
    likely: &Likely,
    known: AccountFacts<'_>,
    remote: &RemoteJob,
) -> Step {
    let step = |event, reason: Option<String>| Step { event: Some(event), reason, is_odd: false };
    let odd = |reason| Step { event: Some(Event::Processing), reason: Some(reason), is_odd: true };
    match remote.remote_status.as_deref().map(|word| word.trim().to_ascii_lowercase()).as_deref() {
        Some("uploaded") => Step { event: None, reason: None, is_odd: false },
        Some("processing") => step(Event::Processing, None),
        Some("success" | "succeeded" | "successful" | "complete" | "completed") => {
            succeeded(kind, rows_expected, likely, known.row_count, remote.rows_processed)
        }
        Some("failure" | "failed" | "fail" | "error") => {
            step(Event::Failed, Some(failure(likely, known.error_address)))
        }
        Some("cancelled" | "canceled" | "aborted") => {
            step(Event::Failed, Some("the remote job was cancelled at Adobe".to_owned()))
        }
        Some("deleted") => step(Event::Failed, Some("the remote job was deleted at Adobe".to_owned())),
        Some(unknown) => odd(format!("Adobe says \"{unknown}\", which datadrop does not know; it keeps looking")),
        None => odd("Adobe gives no status; datadrop keeps looking".to_owned()),
    }
}

/// What one job shows about Adobe's row counts (DESIGN T1).
#[derive(Debug, Clone, Copy)]
pub struct Counting {
    /// Its count when datadrop last saw it.
    pub before: Option<i64>,
    /// Its count while Adobe called it `uploaded`, when Adobe had processed nothing.
    pub uploaded: Option<i64>,
    /// Its count now.
    pub now: Option<i64>,
    /// It has ended well.
    pub has_ended: bool,
}

impl Counting {
    /// Returns what datadrop knows of the account's row counts after this job.
    #[must_use]
    pub fn teaches(self, known: RowCount) -> RowCount {
        let Some(now) = self.now else { return known };
        let grew = |earlier: Option<i64>| earlier.is_some_and(|earlier| earlier < now);
        if known == RowCount::Processing || grew(self.before) || grew(self.uploaded) {
            RowCount::Processing
        } else if self.has_ended && now > 0 && self.uploaded == Some(now) {
            RowCount::File
        } else {
            known
        }
    }
}

/// Returns whether the status says that a job waits to be processed.
#[must_use]
pub fn is_waiting(remote_status: Option<&str>) -> bool {
    remote_status.is_some_and(|word| word.trim().eq_ignore_ascii_case("uploaded"))
}

fn failure(likely: &Likely, error_address: Option<&str>) -> String {
    let hint = likely.cause.as_ref().map_or_else(
        || "`datadrop check FILE` tells what Adobe is known to fail".to_owned(),
        |cause| format!("the file check says: {cause}"),
    );
    // Adobe reports the cause by e-mail only.
    let told = match error_address {
        None => String::new(),
        Some("") => "; Adobe writes errors by e-mail only, and has no address for this data source".to_owned(),
        Some(address) => format!("; Adobe writes errors to {address}"),
    };
    format!("Adobe failed to process the file and gives no reason; {hint}{told}")
}

fn fell_short(processed: i64, expected: i64, likely: &Likely) -> String {
    let lost = expected.saturating_sub(processed);
    let were = if lost == 1 { "row was" } else { "rows were" };
    let hint = match (&likely.rows, &likely.cause) {
        (Some(rows), _) => match i128::from(lost).cmp(&i128::from(likely.rows_skipped)) {
            Ordering::Less => format!(", likely some of {rows}"),
            Ordering::Equal => format!(", likely {rows}"),
            Ordering::Greater => format!(", likely {rows}; the file check cannot explain the others"),
        },
        (None, Some(cause)) => format!("; the file check says: {cause}"),
        (None, None) => "; `datadrop check FILE` names rows that Adobe is known to skip".to_owned(),
    };
    format!("Adobe processed {processed} of {expected} rows; {lost} {were} lost{hint}")
}

/// Explains why a full count does not prove success: Adobe documents that it skips some of these rows, and its count
/// may include them.
fn unproven(processed: i64, likely: &Likely, row_count: RowCount) -> Option<String> {
    let proves = match row_count {
        RowCount::Processing => return None,
        RowCount::File => "this account's counts include rows that Adobe skips",
        RowCount::Unknown => "no job of this account has shown yet whether its counts include rows that Adobe skips",
    };
    let skipped = counted(i64::try_from(likely.rows_skipped).unwrap_or(i64::MAX), "row");
    let rows = likely.rows.as_ref().filter(|_| likely.rows_skipped > 0)?;
    #[cfg(test)]
    crate::testing::reach::met(crate::testing::reach::Met::Unproven);
    Some(format!(
        "Adobe counts {processed} rows, which does not prove that it processed them all: {proves}, and it documents that it \
         skips {skipped} of this file: {rows}"
    ))
}

fn succeeded(
    kind: Kind,
    rows_expected: Option<i64>,
    likely: &Likely,
    row_count: RowCount,
    rows_processed: Option<i64>,
) -> Step {
    let step = |event, reason: Option<String>| Step { event: Some(event), reason, is_odd: false };
    let (expected, processed) = match (kind, rows_expected, rows_processed) {
        // A marker has no rows to count.
        (Kind::Fin, _, None) | (_, None, Some(_)) => return step(Event::Succeeded, None),
        (Kind::Data, _, None) => {
            let reason = "Adobe says success, but not how many rows it processed; datadrop keeps looking".to_owned();
            return Step { is_odd: true, ..step(Event::Processing, Some(reason)) };
        }
        (_, Some(expected), Some(processed)) => (expected, processed),
    };
    let unproven = unproven(processed, likely, row_count).map(|reason| step(Event::FellShort, Some(reason)));
    match processed.cmp(&expected) {
        Ordering::Equal | Ordering::Greater if let Some(unproven) = unproven => unproven,
        Ordering::Less => step(Event::FellShort, Some(fell_short(processed, expected, likely))),
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
            (Kind::Data, Some("processing"), Some(10), Some(Event::Processing)),
            (Kind::Data, Some("success"), Some(10), Some(Event::Succeeded)),
            (Kind::Data, Some("Success"), Some(11), Some(Event::Succeeded)),
            (Kind::Data, Some("success"), Some(9), Some(Event::FellShort)),
            (Kind::Data, Some("success"), None, Some(Event::Processing)),
            (Kind::Data, Some("failure"), Some(0), Some(Event::Failed)),
            (Kind::Data, Some("deleted"), None, Some(Event::Failed)),
            (Kind::Data, Some("Failed"), None, Some(Event::Failed)),
            (Kind::Data, Some("canceled"), None, Some(Event::Failed)),
            (Kind::Data, Some("Cancelled"), None, Some(Event::Failed)),
            (Kind::Data, Some(" Error "), None, Some(Event::Failed)),
            (Kind::Data, Some("SUCCEEDED"), Some(10), Some(Event::Succeeded)),
            (Kind::Data, Some("Complete"), Some(10), Some(Event::Succeeded)),
            (Kind::Data, Some("completed"), Some(9), Some(Event::FellShort)),
            (Kind::Data, Some("in queue"), None, Some(Event::Processing)),
            (Kind::Data, None, None, Some(Event::Processing)),
        ] {
            assert_eq!(
                judge(kind, Some(10), &Likely::default(), AccountFacts::default(), &remote(status, rows)).event,
                event,
                "{status:?} {rows:?}"
            );
        }
        assert_eq!(
            judge(Kind::Fin, Some(0), &Likely::default(), AccountFacts::default(), &remote(Some("success"), Some(0)))
                .event,
            Some(Event::Succeeded)
        );
        assert_eq!(
            judge(Kind::Fin, Some(0), &Likely::default(), AccountFacts::default(), &remote(Some("success"), None))
                .event,
            Some(Event::Succeeded)
        );
    }

    #[test]
    fn lost_rows_and_unknown_words_are_named() {
        let partial =
            judge(Kind::Data, Some(10), &Likely::default(), AccountFacts::default(), &remote(Some("success"), Some(8)));
        assert!(partial.reason.unwrap().contains("8 of 10 rows; 2 rows were lost"));
        assert!(
            judge(Kind::Data, Some(10), &Likely::default(), AccountFacts::default(), &remote(Some("Cache"), None))
                .reason
                .unwrap()
                .contains("\"cache\"")
        );
        let silent = judge(Kind::Data, Some(10), &Likely::default(), AccountFacts::default(), &remote(None, None));
        assert!(silent.reason.unwrap().contains("no status"));
    }

    fn likely(cause: Option<&str>, rows: Option<&str>, rows_skipped: u64) -> Likely {
        Likely { cause: cause.map(str::to_owned), rows: rows.map(str::to_owned), rows_skipped }
    }

    #[test]
    fn a_failure_quotes_what_the_check_found() {
        let reason = |likely| {
            judge(Kind::Data, Some(10), &likely, AccountFacts::default(), &remote(Some("failure"), None))
                .reason
                .unwrap()
        };
        assert_eq!(
            reason(likely(Some("line 3: too few fields"), Some("line 9: a semicolon"), 1)),
            "Adobe failed to process the file and gives no reason; the file check says: line 3: too few fields"
        );
        assert_eq!(
            reason(likely(None, Some("line 9: a semicolon"), 1)),
            "Adobe failed to process the file and gives no reason; `datadrop check FILE` tells what Adobe is known to fail"
        );
    }

    #[test]
    fn a_failure_says_where_adobe_writes_the_cause() {
        let reason = |error_address| {
            let known = AccountFacts { error_address, ..AccountFacts::default() };
            judge(Kind::Data, Some(1), &Likely::default(), known, &remote(Some("failure"), None)).reason.unwrap()
        };
        assert!(reason(Some("a…@example.com")).ends_with("; Adobe writes errors to a…@example.com"));
        assert!(
            reason(Some("")).ends_with("; Adobe writes errors by e-mail only, and has no address for this data source")
        );
        assert!(!reason(None).contains("writes"));
    }

    #[test]
    fn lost_rows_are_named_as_far_as_the_check_knows_them() {
        let reason = |processed, likely| {
            judge(Kind::Data, Some(10), &likely, AccountFacts::default(), &remote(Some("success"), Some(processed)))
                .reason
                .unwrap()
        };
        let one = || likely(Some("line 7: no metric"), Some("line 3: a semicolon"), 1);
        assert_eq!(reason(9, one()), "Adobe processed 9 of 10 rows; 1 row was lost, likely line 3: a semicolon");
        assert_eq!(
            reason(8, one()),
            "Adobe processed 8 of 10 rows; 2 rows were lost, likely line 3: a semicolon; the file check cannot explain the others"
        );
        assert_eq!(
            reason(9, likely(None, Some("lines 3 and 9: semicolons"), 2)),
            "Adobe processed 9 of 10 rows; 1 row was lost, likely some of lines 3 and 9: semicolons"
        );
        assert_eq!(
            reason(9, likely(Some("line 7: no metric"), None, 0)),
            "Adobe processed 9 of 10 rows; 1 row was lost; the file check says: line 7: no metric"
        );
    }

    /// DESIGN T2: a count that may include all rows of the file proves nothing about rows that Adobe documents as
    /// skipped.
    #[test]
    fn all_rows_with_skipped_ones_among_them_are_a_success_only_where_the_count_is_of_processing() {
        let skips = || likely(None, Some("line 3: a semicolon"), 1);
        let ended = |row_count, rows, likely: &Likely| {
            judge(
                Kind::Data,
                Some(10),
                likely,
                AccountFacts { row_count, error_address: None },
                &remote(Some("success"), Some(rows)),
            )
        };
        for (row_count, rows, event) in [
            (RowCount::Processing, 10, Event::Succeeded),
            (RowCount::Processing, 11, Event::Succeeded),
            (RowCount::File, 10, Event::FellShort),
            (RowCount::Unknown, 10, Event::FellShort),
            (RowCount::Unknown, 11, Event::FellShort),
            (RowCount::File, 9, Event::FellShort),
        ] {
            assert_eq!(ended(row_count, rows, &skips()).event, Some(event), "{row_count:?} {rows}");
        }
        for row_count in [RowCount::Unknown, RowCount::File, RowCount::Processing] {
            let doubtful = likely(Some("line 7: no metric"), None, 0);
            for plain in [Likely::default(), doubtful] {
                let step = ended(row_count, 10, &plain);
                assert_eq!((step.event, step.reason), (Some(Event::Succeeded), None), "{row_count:?}");
            }
        }
        let reason = ended(RowCount::File, 10, &skips()).reason.unwrap();
        assert_eq!(
            reason,
            "Adobe counts 10 rows, which does not prove that it processed them all: this account's counts include rows that \
             Adobe skips, and it documents that it skips 1 row of this file: line 3: a semicolon"
        );
    }

    /// DESIGN T1: what a job shows about the meaning of Adobe's row count.
    #[test]
    fn jobs_teach_what_adobes_row_count_means() {
        use RowCount::{File, Processing, Unknown};
        let job = |before, uploaded, now, has_ended| Counting { before, uploaded, now, has_ended };
        for (counting, known, taught) in [
            (job(Some(0), Some(0), Some(10), true), Unknown, Processing),
            (job(Some(4), None, Some(10), false), Unknown, Processing),
            (job(Some(10), Some(4), Some(10), true), File, Processing),
            (job(Some(10), Some(10), Some(10), true), Unknown, File),
            (job(Some(10), Some(10), Some(10), true), Processing, Processing),
            (job(Some(10), Some(10), Some(10), false), Unknown, Unknown),
            (job(Some(10), None, Some(10), true), Unknown, Unknown),
            (job(None, None, Some(10), true), Unknown, Unknown),
            (job(None, None, None, true), File, File),
            (job(Some(0), Some(0), Some(0), true), Unknown, Unknown),
            (job(Some(10), Some(10), Some(8), true), Unknown, Unknown),
        ] {
            assert_eq!(counting.teaches(known), taught, "{counting:?} {known:?}");
        }
    }

    proptest! {
        /// P7: no status of Adobe leads to an illegal step, and an unknown status never ends a job.
        #[test]
        fn any_answer_has_a_legal_step(status in proptest::option::of(".{0,12}"), rows in proptest::option::of(any::<i64>()),
                                       expected in proptest::option::of(0i64..1_000_000)) {
            let step = judge(Kind::Data, expected, &Likely::default(), AccountFacts::default(), &remote(status.as_deref(), rows));
            if let Some(event) = step.event {
                for state in [State::Uploaded, State::Processing] {
                    let next = state.next(event);
                    prop_assert!(next.is_ok());
                    let known = ["success", "succeeded", "successful", "complete", "completed", "failure", "failed", "fail",
                                 "error", "cancelled", "canceled", "aborted", "deleted"].contains(&status.as_deref().unwrap_or_default().trim().to_ascii_lowercase().as_str());
                    prop_assert!(known || !next.unwrap().is_terminal());
                }
            }
        }
    }
}
