use super::*;
use crate::status::sample_rows::here;
use std::time::Duration;

fn report() -> StatusReport {
    let here = here();
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
            ..StateCounts::default()
        },
        blocked: None,
        blocked_since: None,
        trying_again: Some("could not connect: Connection refused; tried again by itself".to_owned()),
        next_try: Some(here.now.after(Duration::from_secs(90))),
        overdue: None,
        to_handle: vec!["held".to_owned(), "partial".to_owned()],
        style: Some("put-json".to_owned()),
        last_success: Some(here.now.before(Duration::from_mins(5))),
        last_sweep: Some(here.now.before(Duration::from_secs(20))),
        next_sweep: Some(here.now.after(Duration::from_secs(12))),
        ignored_files: 3,
        settle_seconds: None,
        row_count: RowCount::Processing,
        data_days_today: 12,
        bytes_at_adobe: 1_500_000,
        waiting_for_day: 2,
        next_day: Some(here.now.after(Duration::from_hours(7))),
        muted_until: None,
        muted_by: None,
    };
    let blocked = AccountStatus {
        name: "returns".to_owned(),
        folder: Some("/srv/datadrop/returns".to_owned()),
        jobs: StateCounts::default(),
        blocked: Some("the folder carries no mark; is the share mounted?".to_owned()),
        blocked_since: Some(here.now.before(Duration::from_hours(3))),
        trying_again: None,
        next_try: None,
        to_handle: Vec::new(),
        style: None,
        last_success: None,
        last_sweep: None,
        next_sweep: None,
        ignored_files: 0,
        settle_seconds: Some(4.0),
        row_count: RowCount::Unknown,
        data_days_today: 0,
        bytes_at_adobe: 0,
        waiting_for_day: 0,
        next_day: None,
        muted_until: Some(here.now.after(Duration::from_hours(4))),
        muted_by: Some("anna".to_owned()),
        overdue: Some(
            "Adobe has not finished it in 24 h, and has finished no file of this account since job 12 (bad.txt) failed"
                .to_owned(),
        ),
        ..busy.clone()
    };
    StatusReport {
        reload_refused: None,
        reload_refused_at: None,
        daemon: "running",
        state_dir: "/var/lib/datadrop".to_owned(),
        accounts: vec![busy, blocked],
        request_budget: RequestBudget { limit: Some(12), per_seconds: Some(6.0) },
        backlog: BacklogStatus { files: 2, seconds: Some(1), words: "2 files, 1 s at 12 per 6 s".to_owned() },
    }
}

#[test]
fn the_page_shows_files_by_place_and_every_problem() {
    insta::assert_snapshot!(status_page(&report(), &here()), @r"
    datadrop is running
    state directory /var/lib/datadrop, at most 12 requests in 6 s
    to be sent: 2 files, 1 s at 12 per 6 s

    callcentre  /srv/datadrop/callcentre
      inbox 3 (1 waiting, 2 queued), open 3, held 1
      ended 121 (120 success, 1 partial)
      see why: datadrop jobs list --account callcentre --state held --state partial
      NOT SENT YET (next try in 90 s): could not connect: Connection refused; tried again by itself
      WAITING FOR A DAY: 2 files, the first until 2026-11-23T17:35:00.000Z (in 7 h)
      last success 5 min ago, last sweep 20 s ago, next sweep in 12 s, style put-json, row count of processed rows
      sent today: 12 data days (Adobe documents at most 90); at Adobe: 1.5 MB (it documents that it pauses above 50.0 MB)
      3 names in the folder ignored: hidden, a folder, excluded, or not of a watched extension

    returns  /srv/datadrop/returns
      inbox 0, open 0, held 0
      ended 0
      BLOCKED 3 h ago: the folder carries no mark; is the share mounted?
      OVERDUE: Adobe has not finished it in 24 h, and has finished no file of this account since job 12 (bad.txt) failed
      ALERTS MUTED by anna: until 2026-11-23T14:35:00.000Z (in 4 h)
      WRITTEN IN PIECES: files were changed after they were taken in, so each waits until it was quiet for 4 s; rename finished files into the folder, or add a marker (.fin) after each
      last success never, last sweep never, style not learnt yet, row count not learnt yet
    ");
}

#[test]
fn a_program_gets_every_key() {
    let mut report = report();
    report.accounts.truncate(1);
    insta::assert_snapshot!(crate::status::status_json(&report).unwrap(), @r#"
    {
      "daemon": "running",
      "state_dir": "/var/lib/datadrop",
      "reload_refused": null,
      "reload_refused_at": null,
      "accounts": [
        {
          "name": "callcentre",
          "folder": "/srv/datadrop/callcentre",
          "enabled": true,
          "waiting": 1,
          "queued": 2,
          "uploading": 0,
          "unconfirmed": 0,
          "held": 1,
          "uploaded": 0,
          "processing": 3,
          "success": 120,
          "partial": 1,
          "failure": 0,
          "rejected": 0,
          "cancelled": 0,
          "blocked": null,
          "blocked_since": null,
          "trying_again": "could not connect: Connection refused; tried again by itself",
          "style": "put-json",
          "last_success": "2026-11-23T10:30:00.000Z",
          "last_sweep": "2026-11-23T10:34:40.000Z",
          "next_sweep": "2026-11-23T10:35:12.000Z",
          "ignored_files": 3,
          "settle_seconds": null,
          "row_count": "processing",
          "overdue": null,
          "data_days_today": 12,
          "bytes_at_adobe": 1500000,
          "waiting_for_day": 2,
          "muted_until": null,
          "muted_by": null
        }
      ],
      "request_budget": {
        "limit": 12,
        "per_seconds": 6.0
      },
      "backlog": {
        "files": 2,
        "seconds": 1
      }
    }
    "#);
}
