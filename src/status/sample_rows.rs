//! Rows for the tests of the pages.

use super::Here;
use crate::job::Timestamp;
use crate::joblog::JobRow;
use jiff::tz::{Offset, TimeZone};

/// 23 November 2026, 11:35 in a zone one hour east of Greenwich.
pub(super) fn here() -> Here {
    Here { now: Timestamp(1_795_430_100_000), zone: TimeZone::fixed(Offset::constant(1)) }
}

/// A successful job.
pub(super) fn job(id: i64, file_name: &str) -> JobRow {
    JobRow {
        id,
        account: "callcentre".to_owned(),
        file_name: file_name.to_owned(),
        kind: "data".to_owned(),
        state: "success".to_owned(),
        reason: None,
        path: format!("/srv/datadrop/callcentre/done/{file_name}"),
        size: Some(1_234_567),
        sha256: Some("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".to_owned()),
        rows_expected: Some(100),
        rows_processed: Some(100),
        remote_job_id: Some(987_654_321),
        remote_status: Some("success".to_owned()),
        remote_created: Some("2026-11-23 02:30:39".to_owned()),
        remote_started: Some("2026-11-23 02:30:50".to_owned()),
        remote_finished: Some("2026-11-23 02:31:10".to_owned()),
        attempts: 1,
        seen_at: "2026-11-23T10:30:38.007Z".to_owned(),
        queued_at: Some("2026-11-23T10:30:38.107Z".to_owned()),
        uploaded_at: Some("2026-11-23T10:30:39.500Z".to_owned()),
        finished_at: Some("2026-11-23T10:31:20.000Z".to_owned()),
        next_attempt_at: None,
        pair_id: None,
        first_day: None,
        last_day: None,
        days: None,
    }
}

/// A job that a person must check.
pub(super) fn held(id: i64, file_name: &str, reason: &str) -> JobRow {
    JobRow {
        state: "held".to_owned(),
        reason: Some(reason.to_owned()),
        path: format!("/srv/datadrop/callcentre/held/{file_name}"),
        rows_processed: None,
        remote_job_id: None,
        remote_status: None,
        remote_created: None,
        remote_started: None,
        remote_finished: None,
        attempts: 0,
        uploaded_at: None,
        finished_at: None,
        ..job(id, file_name)
    }
}
