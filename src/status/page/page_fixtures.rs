//! Facts for the tests of the pages.

use crate::job::{RowCount, Timestamp};
use crate::joblog::{DaySums, EventRow, JobRow, Sums};
use crate::status::{AccountStatus, BacklogStatus, Here, RequestBudget, StateCounts, StatusReport};
use jiff::tz::{Offset, TimeZone};
use std::time::Duration;

/// 23 November 2026, 11:35 in a zone one hour east of Greenwich.
pub(super) fn here() -> Here {
    Here { now: Timestamp(1_795_430_100_000), zone: TimeZone::fixed(Offset::constant(1)) }
}

/// A busy account and a blocked one.
pub(super) fn report() -> StatusReport {
    let now = here().now;
    let busy = AccountStatus {
        name: "callcentre".to_owned(),
        folder: Some("/srv/datadrop/callcentre".to_owned()),
        enabled: true,
        jobs: StateCounts {
            waiting: 1,
            queued: 2,
            processing: 3,
            held: 1,
            success: 120,
            partial: 1,
            ..Default::default()
        },
        blocked: None,
        blocked_since: None,
        trying_again: None,
        next_try: None,
        overdue: None,
        to_handle: Vec::new(),
        style: Some("put-json".to_owned()),
        last_success: Some(now.before(Duration::from_mins(5))),
        last_sweep: Some(now.before(Duration::from_secs(20))),
        next_sweep: Some(now.after(Duration::from_secs(12))),
        ignored_files: 3,
        settle_seconds: None,
        row_count: RowCount::Processing,
        data_days_today: 12,
        bytes_at_adobe: 1_500_000,
        waiting_for_day: 2,
        next_day: Some(now.after(Duration::from_hours(7))),
        muted_until: None,
        muted_by: None,
    };
    let blocked = AccountStatus {
        name: "returns".to_owned(),
        folder: Some("/srv/datadrop/returns".to_owned()),
        jobs: StateCounts::default(),
        blocked: Some("the folder carries no mark; is the share mounted?".to_owned()),
        blocked_since: Some(now.before(Duration::from_hours(3))),
        style: None,
        last_success: None,
        last_sweep: None,
        next_sweep: None,
        ignored_files: 0,
        settle_seconds: None,
        row_count: RowCount::Unknown,
        data_days_today: 0,
        bytes_at_adobe: 0,
        waiting_for_day: 0,
        next_day: None,
        muted_until: Some(now.after(Duration::from_hours(4))),
        muted_by: Some("anna".to_owned()),
        ..busy.clone()
    };
    StatusReport {
        reload_refused: None,
        reload_refused_at: None,
        backlog: BacklogStatus { files: 3, seconds: Some(1), words: String::new() },
        daemon: "running",
        state_dir: "/var/lib/datadrop".to_owned(),
        accounts: vec![busy, blocked],
        request_budget: RequestBudget { limit: Some(12), per_seconds: Some(6.0) },
    }
}

/// A job whose name would like to be markup.
pub(super) fn job(id: i64, state: &str, reason: Option<&str>) -> JobRow {
    JobRow {
        id,
        account: "callcentre".to_owned(),
        file_name: "<script>alert(1)</script>.txt".to_owned(),
        kind: "data".to_owned(),
        state: state.to_owned(),
        reason: reason.map(str::to_owned),
        path: "/srv/datadrop/callcentre/held/<script>alert(1)</script>.txt".to_owned(),
        size: Some(1_234_567),
        sha256: Some("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".to_owned()),
        rows_expected: Some(100),
        rows_processed: None,
        remote_job_id: None,
        remote_status: None,
        remote_created: None,
        remote_started: None,
        remote_finished: None,
        attempts: 0,
        seen_at: "2026-11-23T10:30:38.007Z".to_owned(),
        queued_at: Some("2026-11-23T10:30:38.107Z".to_owned()),
        uploaded_at: None,
        finished_at: None,
        next_attempt_at: None,
        pair_id: None,
        first_day: None,
        last_day: None,
        days: None,
    }
}

/// What ended on a day.
pub(super) fn day(day: &str, state: &str, files: i64, rows: (i64, i64)) -> DaySums {
    DaySums {
        account: "callcentre".to_owned(),
        day: day.to_owned(),
        state: state.to_owned(),
        sums: Sums { files, bytes_sent: 0, rows_sent: rows.0 + rows.1, rows_processed: rows.0, rows_lost: rows.1 },
    }
}

/// A step of a job.
pub(super) fn event(at: &str, event: &str, from: Option<&str>, to: &str) -> EventRow {
    EventRow {
        at: format!("2026-11-23T10:30:{at}Z"),
        event: event.to_owned(),
        from_state: from.map(str::to_owned),
        to_state: to.to_owned(),
        detail: None,
    }
}
