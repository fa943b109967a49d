//! The writer, watched from within.

use super::*;

fn open() -> (tempfile::TempDir, JobLog) {
    let dir = tempfile::tempdir().unwrap();
    let log = JobLog::open(StateLock::take(dir.path()).unwrap()).unwrap();
    (dir, log)
}

#[test]
fn an_operation_that_fails_leaves_nothing_behind_and_its_neighbours_stand() {
    let (_dir, log) = open();
    let insert = |name: &'static str, fail: bool| {
        log.call(move |unit| {
            unit.execute("INSERT INTO account (name) VALUES (?1)", [name])?;
            if fail { Err(JobLogError::NoSuchJob(7)) } else { Ok(()) }
        })
    };
    let answers = [insert("a", false), insert("b", true), insert("c", false)];
    let answers: Vec<bool> = answers.into_iter().map(|pending| pending.wait().is_ok()).collect();
    assert_eq!(answers, [true, false, true]);
    let names: String = log
        .call(|unit| Ok(unit.query_row("SELECT group_concat(name) FROM account", [], |row| row.get(0))?))
        .wait()
        .unwrap();
    assert_eq!(names, "a,c");
}

#[test]
fn neighbours_run_again_only_where_something_has_to_be_undone() {
    for (writes, times) in [(false, 1), (true, 2)] {
        let (_dir, log) = open();
        let (open_gate, gate) = mpsc::channel::<()>();
        let first = log.call(move |_| {
            let _ = gate.recv();
            Ok(())
        });
        let ran = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&ran);
        let neighbour = log.call(move |unit| {
            counted.fetch_add(1, Ordering::Relaxed);
            unit.effects.changed = true;
            Ok(unit.execute("INSERT INTO account (name) VALUES ('a')", [])?)
        });
        let failing: Pending<()> = log.call(move |unit| {
            if writes {
                unit.execute("INSERT INTO account (name) VALUES ('b')", [])?;
            }
            Err(JobLogError::NoSuchJob(7))
        });
        let before = *log.changes().borrow();
        drop(open_gate);
        first.wait().unwrap();
        assert_eq!(neighbour.wait().unwrap(), 1);
        assert!(failing.wait().is_err());
        assert_eq!(ran.load(Ordering::Relaxed), times);
        let names: String = log
            .call(|unit| Ok(unit.query_row("SELECT group_concat(name) FROM account", [], |row| row.get(0))?))
            .wait()
            .unwrap();
        assert_eq!(names, "a");
        assert_eq!(*log.changes().borrow() - before, 1, "it is announced once");
    }
}

#[test]
fn f10_a_defect_costs_the_operation_that_shows_it_and_not_the_writer() {
    let (_dir, log) = open();
    let insert = "INSERT INTO account (name) VALUES ('a')";
    let broken: Pending<()> = log.call(move |unit| {
        unit.execute(insert, [])?;
        panic!("made by a test")
    });
    assert!(matches!(broken.wait(), Err(JobLogError::Impossible(_))));
    log.call(move |unit| Ok(unit.execute(insert, [])?)).wait().unwrap();
    assert!(!log.has_ended());
}

#[test]
fn p5_a_loss_is_reported_also_while_something_else_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let log = JobLog::open_at_once(StateLock::take(dir.path()).unwrap()).unwrap();
    let locked = JobLogError::Storage(StorageProblem::Locked("process 1".to_owned()));
    at_once::within(&log, |writer| writer.note_storage(Some(&locked)));
    let mut storage = log.storage();
    storage.borrow_and_update();
    std::fs::remove_file(dir.path().join("datadrop.db")).unwrap();
    at_once::within(&log, |writer| assert!(writer.compare().is_err()));
    assert!(storage.has_changed().unwrap(), "it is news");
    assert!(matches!(*storage.borrow(), Some(StorageProblem::Lost(_))));
}

#[test]
fn what_arrives_together_shares_a_commit() {
    let (_dir, log) = open();
    let before = log.commits();
    let (open_gate, gate) = mpsc::channel::<()>();
    let first = log.call(move |_| {
        let _ = gate.recv();
        Ok(())
    });
    let rest: Vec<_> = (0..100)
        .map(|i| {
            log.call(move |unit| {
                unit.execute("INSERT INTO account (name) VALUES (?1)", [i.to_string()])?;
                Ok(())
            })
        })
        .collect();
    open_gate.send(()).unwrap();
    first.wait().unwrap();
    for pending in rest {
        pending.wait().unwrap();
    }
    assert!(log.commits() - before <= 2, "{} commits for 101 operations", log.commits() - before);
}

#[test]
fn all_are_answered_where_more_arrive_than_one_transaction_takes_and_where_others_keep_silent() {
    const MORE: usize = 2 * GROUP + 3;
    let (_dir, log) = open();
    for number in 1..=4 {
        log.on_taken_back(JobId(number), 1, CancellationToken::new());
    }
    log.call(|_| Ok(())).wait().unwrap();
    let before = log.commits();
    let (open_gate, gate) = mpsc::channel::<()>();
    let first = log.call(move |_| {
        let _ = gate.recv();
        Ok(())
    });
    let rest: Vec<_> = (0..MORE).map(|number| log.call(move |_| Ok(number))).collect();
    open_gate.send(()).unwrap();
    first.wait().unwrap();
    let answers: Vec<usize> = rest.into_iter().map(|pending| pending.wait().unwrap()).collect();
    assert!(answers.into_iter().eq(0..MORE));
    assert!(log.commits() - before <= 5, "{} commits for {} operations", log.commits() - before, MORE + 1);
}

#[test]
fn a_closed_job_log_says_so() {
    let (_dir, log) = open();
    log.close();
    assert!(matches!(log.call(|_| Ok(())).wait(), Err(JobLogError::Closed)));
}

#[test]
fn what_says_nothing_of_the_disk_does_not_call_a_sick_one_well() {
    let dir = tempfile::tempdir().unwrap();
    let log = JobLog::open_at_once(StateLock::take(dir.path()).unwrap()).unwrap();
    let sick = || Some(StorageProblem::Disk("no space left".to_owned()));
    log.shared.storage.send_replace(sick());
    let orphan = "PRAGMA defer_foreign_keys = ON;
                  INSERT INTO job_event (job_id, at, event, to_state) VALUES (999, 'now', 'ready', 'queued')";
    let ended = log.call(move |unit| Ok(unit.execute_batch(orphan)?)).wait();
    assert!(matches!(ended, Err(JobLogError::Impossible(_))), "the commit finds it: {ended:?}");
    assert_eq!(*log.storage().borrow(), sick(), "a commit that failed");

    at_once::within(&log, |writer| {
        // The probe's own transaction cannot begin within another.
        writer.connection.execute_batch("BEGIN").unwrap();
        writer.probe();
    });
    assert!(log.storage().borrow().is_some(), "a probe that failed");
    log.probe();
    assert_eq!(*log.storage().borrow(), None, "a probe that went through");
}

#[test]
fn a_try_of_the_disk_leaves_a_job_log_that_can_be_opened() {
    let dir = tempfile::tempdir().unwrap();
    let log = JobLog::open_at_once(StateLock::take(dir.path()).unwrap()).unwrap();
    log.probe();
    drop(log);
    JobLog::open(StateLock::take(dir.path()).unwrap()).unwrap();
}
