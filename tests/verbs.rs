//! The verbs for jobs (`jobs retry|hold|release|cancel`): carried out at once, with and without a daemon, and never
//! against a promise.

use crate::harness::{Daemon, World, connect, data, large, names, primed, stderr, stdout};
use serde_json::Value;
use std::fs;

/// Runs a verb and returns exit status, standard output and standard error.
fn jobs(world: &World, arguments: &[&str]) -> (i32, String, String) {
    let output = world.run(&[&["jobs"], arguments].concat());
    (output.status.code().unwrap(), stdout(&output), stderr(&output))
}

fn id(world: &World, file_name: &str) -> String {
    world.jobs().into_iter().rfind(|job| job.file_name == file_name).unwrap().id.to_string()
}

fn folder_of(world: &World, place: &str) -> Vec<String> {
    names(&world.folder("a").join(place))
}

#[test]
fn a_failed_file_is_corrected_in_place_and_sent_again_with_its_marker() {
    let mut world = World::new();
    world.account("a", "fin = \"upload\"");
    let _daemon = primed(&world);
    world.fault("job:fail:n=1:name=sales.txt");
    world.drop_file("a", "sales.txt", data(3));
    world.drop_file("a", "sales.fin", "");
    world.wait_for("sales.txt", "failure");
    world.wait_for_end("sales.fin");
    let failed = world.folder("a").join("failed/sales.txt");
    world.wait("the file to be filed", || failed.exists());
    // Like an editor: another file under the same name.
    fs::write(failed.with_extension("new"), data(5)).unwrap();
    fs::rename(failed.with_extension("new"), &failed).unwrap();
    let old = id(&world, "sales.txt");
    let (status, out, err) = jobs(&world, &["retry", &old]);
    assert_eq!((status, err.as_str()), (0, ""), "{out}");
    let again = world.wait_for("sales.txt", "success");
    assert_eq!(out, format!("job {old} (sales.txt): is sent again as job {}\n", again.id));
    assert_eq!(again.rows_processed, Some(5), "the corrected file");
    assert_eq!(world.count(&format!("id = {old} AND state = 'failure'")), 1, "the history stays");
    world.wait("its marker to come along", || world.wait_for("sales.fin", "success").pair_id == Some(again.id));
    assert_eq!(world.times_accepted("sales.txt"), 2, "the failed one and the new one");
    world.wait("the folder to be tidy", || folder_of(&world, "failed").is_empty());
    let (status, _, err) = jobs(&world, &["retry", &old]);
    assert_eq!(status, 1);
    assert!(err.contains(&format!("its file was sent again as job {}", again.id)), "{err}");
    // The current outcome is shown wherever the old job is, which needs no person any more.
    let (_, shown, _) = jobs(&world, &["show", &old]);
    assert!(shown.contains(&format!("jobs show {}", again.id)) && !shown.contains("jobs retry"), "{shown}");
    let (status, waited, _) = jobs(&world, &["wait", &old]);
    assert_eq!((status, waited.lines().count()), (3, 1), "{waited}");
    assert!(waited.contains("failure") && waited.contains("Adobe failed to process"), "{waited}");
}

#[test]
fn f1_a_retried_file_never_overwrites_one_of_its_name() {
    let world = World::new();
    let _daemon = primed(&world);
    world.fault("upload:after-body:refuse=422:n=1:name=sales.txt");
    world.drop_file("a", "sales.txt", data(3));
    world.wait_for("sales.txt", "rejected");
    let old = id(&world, "sales.txt");
    let failed = world.folder("a").join("failed/sales.txt");
    world.wait("the file to be filed", || failed.exists());
    // Kept in the inbox, so that the name is taken.
    world.fault("upload:before-body:503:n=3:name=sales.txt");
    world.drop_file("a", "sales.txt", data(4));
    world.wait("the second to be tried", || {
        world.count("file_name = 'sales.txt' AND attempts > 0 AND state <> 'rejected'") == 1
    });
    let (status, _, err) = jobs(&world, &["retry", &old]);
    assert_eq!(status, 0, "{err}");
    world.wait("both to be sent", || world.count("file_name = 'sales.txt' AND state = 'success'") == 2);
    let mut rows: Vec<_> = world
        .jobs()
        .into_iter()
        .filter(|job| job.file_name == "sales.txt")
        .filter_map(|job| job.rows_processed)
        .collect();
    rows.sort_unstable();
    assert_eq!(rows, [3, 4]);
}

/// Size of a file whose second half of the request is larger than the maximum socket buffers of both ends in Linux (32
/// and 4 MiB). The client therefore notices that the server reads no more.
const MORE_THAN_SOCKETS_HOLD: usize = 62_000_000;

/// An account that sends one file at a time, and whose first upload hangs in mid-body. Every later file is `queued`.
fn busy(world: &mut World, later: &[&str]) -> Daemon {
    world.account("a", "sequential = true");
    world.set("[upload]\n", "[upload]\nmax_file_size = \"100 MB\"\n");
    // A busy machine takes a while to digest the file.
    world.api("timeout", "\"20s\"");
    let daemon = primed(world);
    world.fault("upload:mid-body:hang:name=0-busy.txt");
    world.drop_file("a", "0-busy.txt", large("busy", MORE_THAN_SOCKETS_HOLD));
    world.wait("its upload to be under way", || world.count("file_name = '0-busy.txt' AND state = 'uploading'") == 1);
    for name in later {
        world.drop_file("a", name, format!("{}# {name}\n", data(3)));
        world.wait_for(name, "queued");
    }
    daemon
}

#[test]
fn a_job_on_hold_stays_until_it_is_released() {
    let mut world = World::new();
    let _daemon = busy(&mut world, &["sales.txt"]);
    let job = id(&world, "sales.txt");
    let (status, out, err) = jobs(&world, &["hold", &job]);
    assert_eq!((status, out), (0, format!("job {job} (sales.txt): was queued, is held\n")), "{err}");
    let held = world.wait_for("sales.txt", "held");
    assert!(held.why().contains("put on hold by"), "{}", held.why());
    world.wait("it to be filed", || folder_of(&world, "held") == ["sales.txt", "sales.txt.why"]);
    let why = fs::read_to_string(world.folder("a").join("held/sales.txt.why")).unwrap();
    assert!(why.contains(&format!(" jobs release {job}\n")), "{why}");
    let (status, out, _) = jobs(&world, &["hold", &job]);
    assert_eq!((status, out), (0, format!("job {job} (sales.txt): is held already\n")));
    assert_eq!(jobs(&world, &["cancel", &id(&world, "0-busy.txt")]).0, 0);
    let (status, out, err) = jobs(&world, &["release", &job]);
    assert_eq!(status, 0, "{err}");
    assert_eq!(out, format!("job {job} (sales.txt): was held, is queued\n"));
    world.wait_for("sales.txt", "success");
    assert_eq!(world.times_accepted("sales.txt"), 1);
    assert_eq!(world.times_accepted("0-busy.txt"), 0);
    world.wait("its explanation to be gone", || folder_of(&world, "held").is_empty());
}

#[test]
fn a3_holding_breaks_an_upload_off_before_its_last_bytes() {
    let mut world = World::new();
    world.set("[upload]\n", "[upload]\nmax_file_size = \"100 MB\"\n");
    // A busy machine takes a while to digest the file.
    world.api("timeout", "\"20s\"");
    let _daemon = primed(&world);
    world.fault("upload:mid-body:hang:name=large.txt");
    world.drop_file("a", "large.txt", large("large", MORE_THAN_SOCKETS_HOLD));
    world.wait("its upload to be under way", || world.count("file_name = 'large.txt' AND state = 'uploading'") == 1);
    let job = id(&world, "large.txt");
    world.wait("its attempt to be sending", || {
        let shown: Value = serde_json::from_str(&stdout(&world.run(&["jobs", "show", &job, "--json"]))).unwrap();
        shown["attempt_list"][0]["phase"] == "sending"
    });
    assert_eq!(world.phase(job.parse().unwrap()).as_deref(), Some("started"));
    // The server has half of it, and reads no more. The bytes between both ends count as sent.
    world.wait("the job log to tell how far it is", || {
        let sql = format!("SELECT coalesce(sent_percent, 0) FROM attempt WHERE job_id = {job}");
        let percent: i64 = connect(&world.state_dir()).unwrap().query_row(&sql, [], |row| row.get(0)).unwrap();
        (50..100).contains(&percent)
    });
    let (status, out, err) = jobs(&world, &["hold", &job]);
    assert_eq!((status, out), (0, format!("job {job} (large.txt): was uploading, is held\n")), "{err}");
    world.wait("it to be filed", || folder_of(&world, "held") == ["large.txt", "large.txt.why"]);
    assert_eq!(world.times_accepted("large.txt"), 0);
    world.emulator().clear_faults();
    assert_eq!(jobs(&world, &["release", &job]).0, 0);
    let sent = world.wait_for("large.txt", "success");
    let attempts = world.attempts(sent.id);
    assert_eq!((sent.attempts, world.times_accepted("large.txt")), (2, 1), "{attempts:?}");
}

#[test]
fn after_committing_a_job_is_given_up_only_by_force_and_its_content_is_not_sent_again_unasked() {
    let world = World::new();
    let _daemon = primed(&world);
    world.fault("upload:after-commit:hang:n=1:name=sales.txt");
    world.drop_file("a", "sales.txt", data(3));
    world.wait("it to be committing", || world.jobs_in_phase("committing") == 1);
    let job = id(&world, "sales.txt");
    for verb in ["hold", "cancel"] {
        let (status, out, err) = jobs(&world, &[verb, &job]);
        assert_eq!((status, out.as_str()), (1, ""), "{err}");
        assert!(err.contains("still checking whether Adobe has the file") && err.contains("--force"), "{err}");
    }
    let (status, out, err) = jobs(&world, &["cancel", &job, "--force"]);
    assert_eq!((status, out), (0, format!("job {job} (sales.txt): was uploading, is cancelled\n")), "{err}");
    let given_up = world.wait_for("sales.txt", "cancelled");
    assert!(given_up.why().contains("may have been ingested"), "{}", given_up.why());
    world.wait("it to be filed", || folder_of(&world, "failed") == ["sales.txt", "sales.txt.why"]);
    world.drop_file("a", "again.txt", data(3));
    let again = world.wait_for("again.txt", "held");
    assert!(again.why().contains("was given up") && again.why().contains("may have been ingested"), "{}", again.why());
    assert_eq!(world.times_accepted("again.txt"), 0);
}

#[test]
fn s3_an_unreconciled_job_is_adopted_or_sent_again_by_a_person() {
    for adopt in [true, false] {
        let world = World::new();
        world.somebody_sends("a", "shared.txt", data(9));
        let _daemon = primed(&world);
        world.fault("upload:after-commit:reset:n=1:name=shared.txt");
        world.drop_file("a", "shared.txt", data(3));
        world.wait_for("shared.txt", "held");
        let job = id(&world, "shared.txt");
        let (status, _, err) = jobs(&world, &["release", &job]);
        assert_eq!(status, 1);
        assert!(err.contains("--adopt") && err.contains("--resend"), "{err}");
        let remote = |name: &str| {
            let sent = world.ledger().into_iter().rfind(|entry| entry.name == name).unwrap();
            sent.job_id.to_string()
        };
        if adopt {
            let (status, _, err) = jobs(&world, &["release", &job, "--adopt", &remote("first.txt")]);
            assert_eq!(status, 1);
            assert!(err.contains("is that of job"), "{err}");
            let unknown = jobs(&world, &["release", &job, "--adopt", "99999999"]);
            assert!(unknown.0 == 1 && unknown.2.contains("does not know a remote job 99999999"), "{unknown:?}");
            // No list has shown it yet.
            let others = world.somebody_sends("a", "others.txt", data(3)).to_string();
            for more in [&["--dry-run"][..], &["--json"], &[]] {
                let (status, out, err) = jobs(&world, &[&["release", &job, "--adopt", &others], more].concat());
                assert_eq!(status, 1);
                assert!(format!("{out}{err}").contains("is named others.txt at Adobe, not shared.txt"), "{out}{err}");
            }
            assert_eq!(world.wait_for("shared.txt", "held").remote_job_id, None);
            assert_eq!(jobs(&world, &["release", &job, "--adopt", &remote("shared.txt")]).0, 0);
            let adopted = world.wait_for("shared.txt", "success");
            assert_eq!(adopted.remote_job_id.unwrap().to_string(), remote("shared.txt"));
            assert_eq!(world.times_accepted("shared.txt"), 2, "theirs and ours");
        } else {
            assert_eq!(jobs(&world, &["release", &job, "--resend"]).0, 0);
            world.wait_for("shared.txt", "success");
            assert_eq!(
                world.times_accepted("shared.txt"),
                3,
                "theirs, the unclear one, and the one that was asked for"
            );
        }
    }
}

#[test]
fn without_a_daemon_a_command_does_it_itself_and_the_files_follow() {
    let mut world = World::new();
    busy(&mut world, &["cancel.txt", "hold.txt", "both.txt"]).kill();
    let (status, out, err) = jobs(&world, &["cancel", &id(&world, "cancel.txt")]);
    assert_eq!(status, 0, "{err}");
    assert!(out.contains("was queued, is cancelled") && err.is_empty(), "{out}{err}");
    assert_eq!(folder_of(&world, "failed"), ["cancel.txt", "cancel.txt.why"]);
    for name in ["hold.txt", "both.txt"] {
        assert_eq!(jobs(&world, &["hold", &id(&world, name)]).0, 0);
    }
    assert_eq!(folder_of(&world, "held"), ["both.txt", "both.txt.why", "hold.txt", "hold.txt.why"]);
    let (status, out, err) = jobs(&world, &["release", &id(&world, "hold.txt")]);
    assert_eq!(status, 0, "{err}");
    assert!(out.contains("was held, is queued") && err.contains("no service runs"), "{out}{err}");
    let (status, out, _) = jobs(&world, &["cancel", "--json", &id(&world, "both.txt")]);
    assert_eq!(status, 0);
    assert!(out.contains("\"done\": true"), "{out}");
    assert_eq!(folder_of(&world, "held"), [""; 0]);
    assert!(world.folder("a").join("hold.txt").exists());
    let (status, out, _) = jobs(&world, &["retry", &id(&world, "cancel.txt")]);
    assert_eq!(status, 0, "{out}");
    assert!(world.folder("a").join("cancel.txt").exists());
    world.emulator().clear_faults();
    let _daemon = world.start();
    world.wait("both to be sent", || world.times_accepted("hold.txt") + world.times_accepted("cancel.txt") == 2);
    world.wait("them to be filed", || folder_of(&world, "failed") == ["both.txt", "both.txt.why"]);
    assert_eq!(world.times_accepted("both.txt"), 0);
}

#[test]
fn f4_without_a_daemon_nothing_is_moved_in_anothers_folder_and_the_verb_waits() {
    let mut world = World::new();
    busy(&mut world, &["hold.txt"]).kill();
    let mark = world.folder("a").join(".datadrop");
    let kept = std::fs::read(&mark).unwrap();
    std::fs::remove_file(&mark).unwrap();
    let (status, out, err) = jobs(&world, &["hold", &id(&world, "hold.txt")]);
    assert_eq!(status, 0, "{err}");
    assert!(out.contains("was queued, is held") && err.contains("should carry the mark"), "{out}{err}");
    assert!(world.folder("a").join("hold.txt").exists());
    // The path of the file is unknown before its move.
    let (status, out, err) = jobs(&world, &["release", "--json", &id(&world, "hold.txt")]);
    assert_eq!(status, 1, "{err}");
    assert!(out.contains("\"done\": false") && out.contains("\"refused\": false"), "{out}");
    assert!(out.contains("stands in the job log"), "{out}");
    std::fs::write(&mark, kept).unwrap();
    let _daemon = world.start();
    world.wait("it to be released", || world.count("file_name = 'hold.txt' AND state = 'queued'") == 1);
}

#[test]
fn p5_a_verb_given_while_the_daemon_died_is_carried_out_by_the_next() {
    let mut world = World::new();
    busy(&mut world, &["sales.txt"]).kill();
    let job = id(&world, "sales.txt");
    // The state after a command that recorded the verb while the daemon died.
    crate::harness::connect_to_write(&world.state_dir())
        .execute("INSERT INTO instruction (given_at, given_by, verb, job_id) VALUES (0, 'ann', 'hold', ?1)", [&job])
        .unwrap();
    let _daemon = world.start();
    let held = world.wait_for("sales.txt", "held");
    assert_eq!(held.why(), "put on hold by ann");
}

#[test]
fn a_filter_names_jobs_and_a_dry_run_changes_nothing() {
    let world = World::new();
    let _daemon = primed(&world);
    world.fault("job:fail:name=bad-*");
    for name in ["bad-1.txt", "bad-2.txt", "good.txt"] {
        world.drop_file("a", name, format!("{}\n# {name}\n", data(3)));
    }
    world.wait("all to be at their end", || {
        world.count("state = 'failure'") == 2 && world.count("file_name = 'good.txt' AND state = 'success'") == 1
    });
    world.wait("the failed to be filed", || folder_of(&world, "failed").len() == 4);
    let (status, out, _) = jobs(&world, &["retry", "--state", "failure", "--dry-run", "--json"]);
    assert_eq!(status, 0);
    let foretold: Vec<Value> = serde_json::from_str(&out).unwrap();
    assert_eq!(foretold.len(), 2);
    assert!(
        foretold.iter().all(|job| job["done"] == false && job["refused"] == false && job["verb"] == "retry"),
        "{out}"
    );
    assert_eq!(world.jobs().len(), 4, "nothing was done");
    let (status, out, err) = jobs(&world, &["retry", "--account", "a", "--json"]);
    assert_eq!(status, 0, "{err}");
    assert!(err.contains("2 jobs that the filter names left as they are"), "{err}");
    let done: Vec<Value> = serde_json::from_str(&out).unwrap();
    assert!(done.len() == 2 && done.iter().all(|job| job["done"] == true && job["new_id"].is_i64()), "{out}");
    let (status, _, err) = jobs(&world, &["hold", "1", "999"]);
    assert_eq!(status, 4);
    assert!(err.contains("there is no job 999"), "{err}");
    let (status, _, err) = jobs(&world, &["cancel", "1"]);
    assert_eq!(status, 1);
    assert!(err.contains("the job has ended as success"), "{err}");
    assert_eq!(world.run(&["jobs", "cancel"]).status.code(), Some(2), "neither jobs nor a filter");
    assert_eq!(jobs(&world, &["hold", "--account", "nobody"]).0, 4);
}

#[test]
fn a_duplicate_that_is_released_is_sent_because_a_person_asked_for_it() {
    let world = World::new();
    let _daemon = primed(&world);
    world.drop_file("a", "sales.txt", data(3));
    world.wait_for("sales.txt", "success");
    world.drop_file("a", "sales.txt", data(3));
    world.wait_for("sales.txt", "held");
    assert_eq!(jobs(&world, &["release", &id(&world, "sales.txt")]).0, 0);
    world.wait_for("sales.txt", "success");
    assert_eq!(world.times_accepted("sales.txt"), 2);
}

#[test]
fn a_release_overrules_only_the_hold_of_a_person() {
    let mut world = World::new();
    world.set("[upload]\n", "[upload]\nmax_in_flight = 1\n");
    let _daemon = primed(&world);
    // The upload before it takes long, so that the test can hold this job before its first attempt.
    world.fault("upload:slow=2s:n=1");
    world.drop_file("a", "slow.txt", data(1));
    world.wait_for("slow.txt", "uploading");
    world.drop_file("a", "sales.txt", data(3));
    let first = world.wait_for("sales.txt", "queued").id;
    assert_eq!(jobs(&world, &["hold", &first.to_string()]).0, 0);
    world.wait("it to be filed", || folder_of(&world, "held") == ["sales.txt", "sales.txt.why"]);
    world.drop_file("a", "sales.txt", data(3));
    world.wait_for("sales.txt", "success");
    assert_eq!(jobs(&world, &["release", &first.to_string()]).0, 0);
    let duplicate = format!("id = {first} AND state = 'held' AND reason LIKE 'duplicate%'");
    world.wait("it to be held as a duplicate", || world.count(&duplicate) == 1);
    assert_eq!(world.times_accepted("sales.txt"), 1);
    // A person who releases it now has seen the warning.
    assert_eq!(jobs(&world, &["release", &first.to_string()]).0, 0);
    world.wait("it to be sent", || world.times_accepted("sales.txt") == 2);
}

#[test]
fn a_waiting_file_can_be_held_and_is_read_again_when_it_is_released() {
    let mut world = World::new();
    world.account("a", "wait_for_fin = true");
    let _daemon = world.start();
    world.drop_file("a", "sales.txt", data(3));
    world.wait_for("sales.txt", "waiting");
    let job = id(&world, "sales.txt");
    assert_eq!(jobs(&world, &["hold", &job]).0, 0);
    world.wait("it to be filed", || folder_of(&world, "held") == ["sales.txt", "sales.txt.why"]);
    fs::write(world.folder("a").join("held/sales.txt"), data(4)).unwrap();
    let (status, out, err) = jobs(&world, &["release", &job]);
    assert_eq!((status, out), (0, format!("job {job} (sales.txt): was held, is waiting\n")), "{err}");
    world.wait("it to be back", || folder_of(&world, "held").is_empty());
    world.drop_file("a", "sales.fin", "");
    assert_eq!(world.wait_for("sales.txt", "success").rows_processed, Some(4));
    assert_eq!(world.times_accepted("sales.txt"), 1);
}

#[test]
fn r6_a_retried_file_under_another_name_still_knows_its_marker() {
    let mut world = World::new();
    world.account("a", "wait_for_fin = true\nfin = \"upload\"");
    let _daemon = world.start();
    world.drop_file("a", "sales.txt", data(3));
    world.wait_for("sales.txt", "waiting");
    let cancelled = id(&world, "sales.txt");
    assert_eq!(jobs(&world, &["cancel", &cancelled]).0, 0);
    world.wait("it to be filed", || folder_of(&world, "failed").contains(&"sales.txt".to_owned()));
    // Its name is taken when it comes back. One marker says that both files are complete.
    world.drop_file("a", "sales.txt", data(4));
    world.wait("the second to wait", || world.count("state = 'waiting'") == 1);
    assert_eq!(jobs(&world, &["retry", &cancelled]).0, 0);
    world.wait("the first to be back", || world.count("state = 'waiting' AND path LIKE '%/a/sales.%.txt'") == 1);
    world.drop_file("a", "sales.fin", "");
    world.wait("all to be sent", || world.count("state = 'success'") == 3);
    assert_eq!(world.accepted(), ["sales.txt", "sales.txt", "sales.fin"], "the marker after both");
}

#[test]
fn r6_a_retried_marker_under_another_name_still_releases_its_data_files() {
    let mut world = World::new();
    world.account("a", "wait_for_fin = true\nfin = \"upload\"");
    let _daemon = world.start();
    world.fault("upload:before-body:503");
    for rows in [3, 4] {
        world.drop_file("a", "sales.txt", data(rows));
        world.drop_file("a", "sales.fin", "");
        world.wait("both to be queued", || world.count("state = 'queued'") == 2);
        let cancelled = id(&world, "sales.txt");
        // Refused while the last bytes of an attempt may have gone.
        world.wait("it to be cancelled", || jobs(&world, &["cancel", &cancelled]).0 == 0);
        world.wait("both to be filed", || names(&world.folder("a")).iter().all(|name| !name.starts_with("sales")));
    }
    let cancelled = id(&world, "sales.txt");
    world.drop_file("a", "sales.txt", data(5));
    world.wait_for("sales.txt", "waiting");
    // In `failed/` the name of the marker was taken. In the inbox the name of the data file is taken.
    assert_eq!(jobs(&world, &["retry", &cancelled]).0, 0);
    world.wait("all three to be queued", || world.count("state = 'queued'") == 3);
    let lies_there = names(&world.folder("a"));
    let marker = lies_there.iter().find(|name| name.ends_with("fin")).unwrap();
    assert_ne!(marker, "sales.fin");
    // It is not the marker of another stem, whatever its name in that folder.
    let other = marker.replace(".fin", ".txt");
    world.drop_file("a", &other, data(6));
    world.drop_file("a", "costs.txt", data(7));
    world.wait_for("costs.txt", "waiting");
    assert!(world.wait_for(&other, "waiting").why().contains("waits for its marker"));
    world.emulator().clear_faults();
    world.wait("all three to be sent", || world.count("state = 'success'") == 3);
    assert_eq!(world.accepted(), ["sales.txt", "sales.txt", "sales.fin"], "the marker after both");
}
