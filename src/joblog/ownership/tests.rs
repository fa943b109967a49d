//! What no job owns, held against files that are about to be sent.

use super::*;
use crate::config::Duplicates;
use crate::job::RemoteJob;
use crate::joblog::fixtures::{arrives, opened, target};
use crate::joblog::{JobLog, RemoteList, Restoration};

fn remote(id: i64) -> RemoteJob {
    RemoteJob {
        file_name: Some("sales.txt".to_owned()),
        rows_processed: None,
        remote_job_id: RemoteJobId(id),
        remote_status: None,
        remote_created: None,
        remote_started: None,
        remote_finished: None,
    }
}

fn list_of(log: &JobLog, id: i64, at: i64) -> RemoteList {
    let after = log.reader().unwrap().latest_event().unwrap();
    RemoteList { jobs: vec![remote(id)], after, at: Timestamp(at), server_time: None, target: target() }
}

#[test]
fn s5_a_list_that_came_after_the_file_did_shows_what_was_sent_whatever_clock_was_set() {
    let (_dir, log) = opened();
    let list = |id, at| log.listed("a".to_owned(), list_of(&log, id, at)).wait().unwrap();
    log.scanned("a".to_owned(), 0, Timestamp(-60)).wait().unwrap();
    list(1, -50);
    let id = arrives(&log, "sales.txt", 1, Duplicates::Hold).id;
    let look = || {
        let look = move |connection: &Connection| {
            let job = crate::joblog::sql::job(connection, id)?;
            let unowned = unowned_of_name(connection, &job, (EventId(0), Timestamp(-1000)))?;
            Ok(since_seen(sighting(connection, &job)?, &unowned))
        };
        log.call(move |unit| look(unit)).wait().unwrap()
    };
    assert_eq!(look(), None, "it was listed before the file came");
    // The file was seen at 0, and the clock was set back since.
    list(2, -40);
    assert_eq!(look(), Some(RemoteJobId(2)));
}

/// The folder may be opened late: a share that hangs, or another mount (F4).
#[test]
fn s5_what_the_list_of_a_start_showed_holds_what_its_first_scan_finds() {
    let (_dir, log) = opened();
    let lists = |id, at| log.listed("a".to_owned(), list_of(&log, id, at)).wait().unwrap();
    let look = |job| {
        let look = move |connection: &Connection| {
            let job = crate::joblog::sql::job(connection, job)?;
            let unowned = unowned_of_name(connection, &job, (EventId(0), Timestamp(-1000)))?;
            Ok(since_seen(sighting(connection, &job)?, &unowned))
        };
        log.call(move |unit| look(unit)).wait().unwrap()
    };
    let scanned = |at| log.scanned("a".to_owned(), 0, Timestamp(at)).wait().unwrap();
    scanned(-9);
    lists(1, -8);
    log.open_account("a".to_owned(), target()).wait().unwrap();
    let lay_there = arrives(&log, "sales.txt", 1, Duplicates::Hold).id;
    assert_eq!(look(lay_there), None, "datadrop ran when that was listed, and the file came later");
    lists(2, -7);
    // The folder was not scanned before it is closed again.
    log.open_account("a".to_owned(), target()).wait().unwrap();
    let lay_there_too = arrives(&log, "sales.txt", 2, Duplicates::Hold).id;
    scanned(-6);
    let came_later = arrives(&log, "sales.txt", 3, Duplicates::Hold).id;
    assert_eq!([lay_there, lay_there_too, came_later].map(look), [Some(RemoteJobId(2)), Some(RemoteJobId(2)), None]);
}

fn is_held_as_there_first(log: &JobLog, id: crate::job::JobId) -> bool {
    let look = move |connection: &Connection| {
        let job = crate::joblog::sql::job(connection, id)?;
        was_there_first(connection, &job, sighting(connection, &job)?)
    };
    log.call(move |unit| look(unit)).wait().unwrap()
}

fn starts(log: &JobLog, at: i64) {
    let list = list_of(log, 1, at);
    log.open_account("a".to_owned(), target()).wait().unwrap();
    log.baseline("a".to_owned(), target(), list).wait().unwrap();
}

fn recovers(log: &JobLog, at: i64) {
    let restoration = Restoration {
        account: "a".to_owned(),
        folder: "/srv/a".into(),
        target: target(),
        mark: "a".to_owned(),
        files: Vec::new(),
        remote_jobs: Some(vec![remote(1)]),
    };
    log.restore(restoration, Timestamp(at)).wait().unwrap();
}

/// Found by the simulation, seed 120057: the job log had been set back, and then the clock.
#[test]
fn f8_what_a_list_showed_before_the_first_scan_holds_its_files_whatever_clock_was_set() {
    // A file is seen at 0.
    for (listed, recovered, scanned) in [(-9, -8, 1), (100, -8, 1), (100, 50, -1), (-9, -8, -7)] {
        let (_dir, log) = opened();
        starts(&log, listed);
        recovers(&log, recovered);
        starts(&log, recovered);
        let lay_there = arrives(&log, "sales.txt", 1, Duplicates::Hold).id;
        log.scanned("a".to_owned(), 0, Timestamp(scanned)).wait().unwrap();
        let came_later = arrives(&log, "sales.txt", 2, Duplicates::Hold).id;
        let held = [lay_there, came_later].map(|id| is_held_as_there_first(&log, id));
        assert_eq!(held, [true, false], "listed at {listed}, recovered at {recovered}, scanned at {scanned}");
    }
}

/// Found by the simulation, seed 520302.
#[test]
fn f8_a_file_that_lay_there_first_is_held_again_if_somebody_moves_it() {
    for (became, is_held) in [("released = 0", true), ("released = 1", false), ("attempts = 1", false)] {
        let (_dir, log) = opened();
        starts(&log, -9);
        let held = arrives(&log, "sales.txt", 1, Duplicates::Hold).id;
        log.scanned("a".to_owned(), 0, Timestamp(1)).wait().unwrap();
        let moved = format!("UPDATE job SET state = 'cancelled', place = 'gone', {became} WHERE id = ?1");
        log.call(move |unit| Ok(unit.execute(&moved, [held.0])?)).wait().unwrap();
        let moved_back = arrives(&log, "sales.txt", 1, Duplicates::Hold).id;
        assert_ne!(moved_back, held);
        assert_eq!(is_held_as_there_first(&log, moved_back), is_held, "{became}");
    }
}

/// What `recover` learns of Adobe's list counts also where the account is younger than the job log, or was aimed elsewhere.
#[test]
fn s5_what_recovery_finds_listed_holds_its_files_also_in_a_job_log_that_has_gone_on() {
    let (_dir, log) = opened();
    arrives(&log, "costs.txt", 3, Duplicates::Hold);
    log.aim("a".to_owned(), crate::job::Target { data_source_id: 2, ..target() }).wait().unwrap();
    log.aim("a".to_owned(), target()).wait().unwrap();
    recovers(&log, -8);
    starts(&log, -7);
    let lay_there = arrives(&log, "sales.txt", 1, Duplicates::Hold).id;
    log.scanned("a".to_owned(), 0, Timestamp(1)).wait().unwrap();
    assert!(is_held_as_there_first(&log, lay_there));
}
