//! What keeps a due job from being sent.

use super::*;
use crate::job::{Cause, DayZone, RemoteJob, RemoteJobId, zone_named};
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
        allowance: None,
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
        postpone(unit, &mut job, Cause::DayToCome, (until, "it waits".to_owned()), Timestamp(0))
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

/// However late in the day a file is put off, it is due when the next day begins, and not tried over and over.
#[test]
fn what_is_too_much_for_today_is_put_off_once_until_tomorrow_in_the_accounts_zone() {
    let zone = zone_named("Pacific/Niue").unwrap();
    let midnight = Timestamp("2026-11-30T11:00:00Z".parse::<jiff::Timestamp>().unwrap().as_millisecond());
    let day = Duration::from_hours(24);
    for before in [Duration::from_millis(1), Duration::from_secs(4), Duration::from_hours(20)] {
        let (_dir, log, id) = with_a_file();
        let now = midnight.before(before);
        let limits = AllowanceLimits {
            time_zone: None,
            counts_days: true,
            waits_for_days: false,
            max_data_days: Some(1),
            max_at_adobe: None,
        };
        let allowance = Allowance { zone: DayZone { zone: zone.clone(), is_suites: true }, at_adobe: 0 };
        let rules = AccountRules { limits: Some(limits), allowance: Some(allowance), ..rules() };
        log.call(move |unit| {
            unit.execute("INSERT INTO column_set VALUES (1, '[]', '[]')", [])?;
            unit.execute("INSERT INTO job_day VALUES (?1, '2026-11-01', 'a', 1, NULL, 1, 0, '[]')", [id.0])?;
            unit.execute("INSERT INTO day_sent VALUES ('a', '2026-11-29', '2026-10-01', 99)", [])?;
            Ok(())
        })
        .wait()
        .unwrap();
        for _ in 0..3 {
            assert!(log.claim(vec![rules.clone()], 9, now).wait().unwrap().claims.is_empty());
        }
        let noted = move |log: &JobLog| {
            log.call(move |unit| {
                let sql = "SELECT next_attempt_at, (SELECT count(*) FROM job_event WHERE event = 'postponed') FROM job WHERE id = ?1";
                Ok(unit.query_row(sql, [id.0], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?)
            })
            .wait()
            .unwrap()
        };
        assert_eq!(noted(&log), (midnight.0, 1), "{before:?}");
        // Under a clock that stands a little after midnight, the day is another one.
        assert_eq!(log.claim(vec![rules.clone()], 9, midnight.after(day / 1000)).wait().unwrap().claims.len(), 1);
    }
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
