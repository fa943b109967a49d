//! What keeps a due job from being sent.

use super::*;
use crate::job::{RemoteJob, RemoteJobId};
use crate::joblog::RemoteList;
use crate::joblog::data_days::postpone;
use crate::joblog::fixtures::{arrives, opened, target};

fn rules() -> AccountRules {
    AccountRules {
        name: "a".to_owned(),
        folder: "/srv/a".into(),
        target: target(),
        order: Order::Name,
        sequential: false,
        duplicates: Duplicates::Hold,
        fin: FinMode::Auto,
        style: UploadStyle::ALL[0],
        style_is_fixed: true,
        longest_wait: Duration::from_secs(3600),
        room: usize::MAX,
        limits: None,
        intake: None,
    }
}

/// An account that may send, with one file.
fn with_a_file() -> (tempfile::TempDir, JobLog, JobId) {
    let (dir, log) = opened();
    let list = RemoteList {
        jobs: Vec::new(),
        after: log.reader().unwrap().latest_event().unwrap(),
        at: Timestamp(0),
        server_time: None,
        target: target(),
    };
    log.folder_problem("a".to_owned(), None, Timestamp(0)).wait().unwrap();
    log.baseline("a".to_owned(), target(), list).wait().unwrap();
    log.scanned("a".to_owned(), 0, Timestamp(0)).wait().unwrap();
    let id = arrives(&log, "sales.txt", 1, Duplicates::Hold).id;
    (dir, log, id)
}

/// A due time far ahead is that of a clock that was ahead, but for a file that waits for a day.
#[test]
fn what_waits_for_a_day_is_sent_when_that_begins_however_far_ahead_it_is() {
    const DAY_MS: i64 = 24 * 3600 * 1000;
    let (_dir, log, id) = with_a_file();
    let until = Timestamp(3 * DAY_MS);
    let postponed = log.call(move |unit| {
        let mut job = unit.job(id)?;
        postpone(unit, &mut job, (until, "it waits".to_owned()), Timestamp(0))
    });
    postponed.wait().unwrap();
    let reader = log.reader().unwrap();
    for (at, claims) in [(1, 0), (DAY_MS, 0), (until.0 - 1, 0), (until.0, 1)] {
        assert_eq!(reader.late(Timestamp(at), Timestamp(0), 9).unwrap(), [], "not late at {at}");
        let claimed = log.claim(vec![rules()], 9, Timestamp(at)).wait().unwrap();
        assert_eq!(claimed.claims.len(), claims, "{at}");
        assert_eq!(claimed.next_due.filter(|_| claims == 0), Some(until).filter(|_| claims == 0));
    }
    let (state, reason) = log.call(move |unit| sql::job(unit, id).map(|job| (job.state, job.reason))).wait().unwrap();
    assert_eq!((state, reason), (State::Uploading(Phase::Started), None));
}

/// What came to light after a file did keeps it from being sent, though the clock says by now that it was long ago.
#[test]
fn s5_a_file_that_a_list_has_shown_is_held_whatever_clock_was_set_since() {
    const DAY_MS: i64 = 24 * 3600 * 1000;
    for days in [-9, 0, 9] {
        let (_dir, log) = opened();
        let list = |jobs, at| {
            let after = log.reader().unwrap().latest_event().unwrap();
            RemoteList { jobs, after, at: Timestamp(at), server_time: None, target: target() }
        };
        log.folder_problem("a".to_owned(), None, Timestamp(0)).wait().unwrap();
        log.baseline("a".to_owned(), target(), list(Vec::new(), 0)).wait().unwrap();
        log.scanned("a".to_owned(), 0, Timestamp(0)).wait().unwrap();
        let shown = arrives(&log, "sales.txt", 1, Duplicates::Hold).id;
        let not_shown = arrives(&log, "zones.txt", 2, Duplicates::Hold).id;
        let remote = RemoteJob {
            file_name: Some("sales.txt".to_owned()),
            rows_processed: None,
            remote_job_id: RemoteJobId(1),
            remote_status: None,
            remote_created: None,
            remote_started: None,
            remote_finished: None,
        };
        log.listed("a".to_owned(), list(vec![remote], 5)).wait().unwrap();
        let claimed = log.claim(vec![rules()], 9, Timestamp(10 + days * DAY_MS)).wait().unwrap();
        let claimed: Vec<JobId> = claimed.claims.into_iter().map(|claim| claim.job.id).collect();
        let state = log.call(move |unit| Ok(sql::job(unit, shown)?.state)).wait().unwrap();
        assert_eq!((claimed, state), (vec![not_shown], State::Held), "set by {days} days");
    }
}
