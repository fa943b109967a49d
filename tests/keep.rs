//! Retention: which files of `done/` and which jobs are removed, and what must stay to prevent sending twice.

use crate::harness::{World, arrived_once, connect_to_write, data, names, stdout, tagged};
use rusqlite::Connection;
use std::fs;

/// The job log of a world without a running daemon, or for reading only.
fn joblog(world: &World) -> Connection {
    connect_to_write(&world.state_dir())
}

fn number(world: &World, query: &str) -> i64 {
    joblog(world).query_row(query, [], |row| row.get(0)).unwrap()
}

/// Makes all jobs older than the default of `keep.jobs`, except one.
fn age(world: &World, but: i64) {
    joblog(world)
        .execute(
            "UPDATE job SET seen_at = seen_at - ?1, queued_at = queued_at - ?1, uploaded_at = uploaded_at - ?1,
                    finished_at = finished_at - ?1 WHERE id <> ?2",
            [500 * 86_400_000, but],
        )
        .unwrap();
}

#[test]
fn files_of_success_leave_done_and_nothing_else_does() {
    let mut world = World::new();
    world.account("a", "fin = \"upload\"");
    world.fault("job:lost-rows=2:name=short*");
    world.fault("job:fail:name=fails*");
    let daemon = world.start();
    for (name, content) in [("first.txt", tagged(1)), ("pair.txt", tagged(2)), ("changed.txt", tagged(3))] {
        world.drop_file("a", name, content);
        arrived_once(&world, name);
    }
    world.drop_file("a", "pair.fin", "");
    world.wait_for("pair.fin", "success");
    world.drop_file("a", "short.txt", data(5));
    world.drop_file("a", "short.fin", "");
    world.wait_for("short.txt", "partial");
    world.wait_for_end("short.fin");
    world.drop_file("a", "fails.txt", tagged(4));
    world.wait_for("fails.txt", "failure");
    let (done, failed) = (world.folder("a").join("done"), world.folder("a").join("failed"));
    let all = ["changed.txt", "first.txt", "pair.fin", "pair.txt", "short.fin", "short.txt"];
    world.wait("everything to be filed", || names(&done) == all && names(&failed).len() == 2);
    daemon.stop();

    fs::write(done.join("changed.txt"), "changed since").unwrap();
    world.set("[upload]\n", "[keep]\ndone = \"100ms\"\n[upload]\n");
    let daemon = world.start();
    // Written after the start. Before it, the file would look like one that a lost job log had sent.
    fs::write(done.join("somebody's.txt"), "never ours").unwrap();
    let stays = ["changed.txt", "short.fin", "short.txt", "somebody's.txt"];
    world.wait("old files to leave", || names(&done) == stays);
    world.wait("that to be written down", || world.log().contains("3 files left done/, as keep.done has it"));
    assert_eq!(fs::read_to_string(done.join("changed.txt")).unwrap(), "changed since");
    assert_eq!(names(&failed).len(), 2);
    let history = |name: &str| -> Vec<String> {
        let connection = joblog(&world);
        let mut statement = connection
            .prepare(
                "SELECT event FROM job_event JOIN job ON job.id = job_id WHERE file_name = ?1 ORDER BY job_event.id",
            )
            .unwrap();
        statement.query_map([name], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    assert_eq!(history("first.txt").last().unwrap(), "removed");
    assert!(["left", "changed"].contains(&history("changed.txt").last().unwrap().as_str()));
    assert!(!history("short.txt").contains(&"removed".to_owned()));
    // The job log still knows removed files. A new file is removed too, while the service runs.
    world.drop_file("a", "first.txt", tagged(1));
    assert!(world.wait_for("first.txt", "held").reason.unwrap().contains("duplicate"));
    world.drop_file("a", "new.txt", tagged("new"));
    arrived_once(&world, "new.txt");
    world.wait("the new one to leave", || history("new.txt").contains(&"removed".to_owned()) && names(&done) == stays);
    assert_eq!(daemon.stop().code(), Some(0));
}

/// The days and sums of a pruned job stay, and prevent repetitions.
#[test]
fn p3_a_pruned_job_still_covers_its_data_days() {
    let mut world = World::new();
    world.account("a", "duplicates = \"hold-days\"");
    let daemon = world.start();
    world.drop_file("a", "first.txt", "Date\tEvar 1\tEvent 1\n11/01/2026\tred\t1.5\n11/02/2026\tred\t2\n");
    arrived_once(&world, "first.txt");
    world.drop_file("a", "last.txt", "Date\tEvar 1\tEvent 1\n11/03/2026\tred\t4\n");
    let last = arrived_once(&world, "last.txt").id;
    daemon.stop();
    let before = stdout(&world.run(&["coverage", "--json"]));
    age(&world, last);
    let daemon = world.start();
    world.wait("the old job to leave", || number(&world, "SELECT count(*) FROM job") == 1);
    assert_eq!(stdout(&world.run(&["coverage", "--json"])), before);
    world.drop_file("a", "again.txt", "Date\tEvar 1\tEvent 1\n11/02/2026\tred\t7\n");
    let reason = world.wait_for("again.txt", "held").reason.unwrap();
    let told = "2026-11-02 was reported before, with the same columns: first.txt (job 1) was accepted with 1 row, Event 1 2; \
                this file has 1 row, Event 1 7. ";
    assert!(reason.starts_with(told), "{reason}");
    daemon.stop();
}

#[test]
fn a_pruned_job_log_still_knows_the_sent_files() {
    let mut world = World::new();
    world.account("a", "fin = \"upload\"");
    let daemon = world.start();
    for (name, content) in [("first.txt", tagged(1)), ("daily.txt", tagged(2))] {
        world.drop_file("a", name, content);
        arrived_once(&world, name);
    }
    world.drop_file("a", "first.fin", "");
    world.wait_for("first.fin", "success");
    world.drop_file("a", "last.txt", tagged("last"));
    let last = arrived_once(&world, "last.txt").id;
    daemon.stop();
    for forbidden in ["DELETE FROM job", "DELETE FROM job_event", "UPDATE job_event SET event = 'x'"] {
        let error = joblog(&world).execute(forbidden, []).unwrap_err().to_string();
        assert!(error.contains("never deleted") || error.contains("append-only"), "{forbidden}: {error}");
    }
    age(&world, last);
    let newest_event = number(&world, "SELECT max(id) FROM job_event");
    let daemon = world.start();
    world.wait("old jobs to leave", || number(&world, "SELECT count(*) FROM job") == 1);
    assert_eq!(number(&world, "SELECT id FROM job"), last);
    assert_eq!(number(&world, "SELECT count(*) FROM job_event WHERE job_id <> (SELECT id FROM job)"), 0);
    assert_eq!(number(&world, "SELECT count(*) FROM attempt WHERE job_id <> (SELECT id FROM job)"), 0);
    assert_eq!(number(&world, "SELECT count(*) FROM delivered"), 3);
    let error = joblog(&world).execute("DELETE FROM delivered", []).unwrap_err().to_string();
    assert!(error.contains("never forgotten"), "{error}");
    assert_eq!(world.run(&["jobs", "show", "1"]).status.code(), Some(4));

    // Both paths of the file show its history: its current path, and the path of the drop.
    let done = world.folder("a").join("done").join("daily.txt");
    for path in [done, world.folder("a").join("daily.txt")] {
        let output = world.run(&["explain", path.to_str().unwrap()]);
        let told = stdout(&output);
        assert_eq!(output.status.code(), Some(0), "{told}");
        assert!(told.contains("daily.txt was accepted ") && told.contains("Adobe processed it"), "{told}");
        assert!(told.contains("number 2, has left the job log") && told.contains("remote job: "), "{told}");
    }

    // The same content under the same name is held with a reason.
    world.drop_file("a", "first.txt", tagged(1));
    let held = world.wait_for("first.txt", "held").reason.unwrap();
    assert!(held.contains("was accepted as first.txt (job 1)"), "{held}");
    // Other content under an old name is sent. Adobe's old job with that name causes no alarm.
    world.drop_file("a", "daily.txt", tagged("today"));
    world.wait_for("daily.txt", "success");
    assert_eq!(world.times_accepted("daily.txt"), 2);
    world.drop_file("a", "after.txt", tagged("after"));
    arrived_once(&world, "after.txt");
    assert!(!world.log().contains("possibly ingested twice"), "{}", world.log());
    assert_eq!(number(&world, "SELECT count(*) FROM account WHERE stranger_id IS NOT NULL"), 0);
    assert!(number(&world, "SELECT min(id) FROM job_event WHERE event = 'held'") > newest_event, "numbers only grow");
    // datadrop does not mistake a pruned job log for one that is older than its folders.
    daemon.stop();
    let daemon = world.start();
    world.drop_file("a", "again.txt", tagged("again"));
    arrived_once(&world, "again.txt");
    daemon.stop();
}

#[test]
fn a_long_history_leaves_in_steps_while_files_are_sent() {
    const OLD: i64 = 1200;
    let world = World::new();
    let daemon = world.start();
    world.drop_file("a", "first.txt", tagged(1));
    arrived_once(&world, "first.txt");
    daemon.stop();
    joblog(&world)
        .execute_batch(&format!(
            "BEGIN;
             WITH RECURSIVE n(i) AS (SELECT 1000 UNION ALL SELECT i + 1 FROM n WHERE i < 999 + {OLD})
             INSERT INTO job (id, account, file_name, disk_name, stem, wire_name, kind, state, place, belongs, path, seen_at,
                              finished_at, reason)
             SELECT i, 'a', 'old' || i || '.txt', CAST('old' || i || '.txt' AS BLOB), 'old' || i, 'old' || i || '.txt', 'data',
                    'rejected', 'gone', 'failed', '/x', 1000, 2000, hex(zeroblob(4000)) FROM n;
             INSERT INTO job_event (job_id, at, event, to_state) SELECT id, '2020-01-01T00:00:00.000Z', 'seen', 'waiting'
             FROM job WHERE id >= 1000;
             INSERT INTO job_event (job_id, at, event, to_state) VALUES (1, '2020-01-01T00:00:00.000Z', 'x', 'success');
             COMMIT;"
        ))
        .unwrap();
    let pages = number(&world, "PRAGMA page_count");
    let daemon = world.start();
    let mut sent = 0;
    world.wait_long("the history to leave", || {
        let name = format!("new{sent}.txt");
        world.drop_file("a", &name, tagged(&name));
        arrived_once(&world, &name);
        sent += 1;
        number(&world, "SELECT count(*) FROM job WHERE state = 'rejected'") == 0
    });
    assert!(sent > 1, "files were sent meanwhile");
    world.wait_long("free pages to be given back", || number(&world, "PRAGMA page_count") < pages * 3 / 4);
    assert_eq!(number(&world, "SELECT count(*) FROM delivered"), 0, "what was never accepted leaves nothing behind");
    assert_eq!(daemon.stop().code(), Some(0));
    let intact: String = joblog(&world).query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(intact, "ok");
    assert_eq!(number(&world, "SELECT count(*) FROM pragma_foreign_key_check"), 0);
}
