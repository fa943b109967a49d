//! For every fault of the network and the server, a file arrives once, or rests with a reason.

use crate::harness::{
    Daemon, SECRET, World, arrived_once, connect, connect_to_write, data, names, primed, quick, stdout, tagged,
};
use datadrop::emulator::{Dialect, EmulatorOptions};
use std::fs;

/// Drops data files while nothing is sent yet, and waits until all are queued.
fn drop_before_the_first_upload(world: &World, names: &[&str]) -> Daemon {
    world.fault("list:gateway=503");
    let daemon = world.start();
    for name in names {
        // A file with the same content would wait for the first (DESIGN A4).
        world.drop_file("a", name, tagged(name));
        world.wait_for(name, "queued");
    }
    world.emulator().clear_faults();
    daemon
}

/// The API accepts `sales.txt`, but the answer is lost, and no list shows the job.
fn lose_an_answer(world: &World) {
    world.fault("list:500");
    world.fault("upload:after-commit:reset:n=1");
    world.drop_file("a", "sales.txt", data(3));
    world.wait_for("sales.txt", "unconfirmed");
}

// The server is unreachable or overloaded.

#[test]
fn a_file_dropped_while_the_server_is_away_is_delivered_once_when_it_comes_up() {
    let mut world = World::new();
    world.stop_emulator();
    let _daemon = world.start();
    world.drop_file("a", "early.txt", data(3));
    world.wait_for("early.txt", "queued");
    world.wait("the daemon to ask in vain", || world.log().matches("Connection refused").count() >= 3);
    assert_eq!(world.status("a")["blocked"], serde_json::Value::Null, "an outage does not block");
    world.start_emulator(quick());
    arrived_once(&world, "early.txt");
}

#[test]
fn files_that_met_an_outage_together_go_as_soon_as_one_alone_would() {
    let mut world = World::new();
    world.set("max = \"500ms\"\n[upload]", "max = \"10m\"\n[upload]\nmax_in_flight = 16");
    let _daemon = primed(&world);
    world.stop_emulator();
    let burst: Vec<String> = (0..24).map(|number| format!("burst-{number}.txt")).collect();
    for name in &burst {
        world.drop_file("a", name, tagged(name));
    }
    world.wait("all that is sent at once to fail", || world.log().matches("could not connect").count() >= 16);
    world.start_emulator(EmulatorOptions { seed: 2, ..quick() });
    for name in &burst {
        arrived_once(&world, name);
    }
}

#[test]
fn a_server_that_goes_away_between_two_files_costs_retries_and_nothing_else() {
    let mut world = World::new();
    let _daemon = primed(&world);
    world.stop_emulator();
    world.drop_file("a", "later.txt", data(3));
    world.wait("an attempt in vain", || world.log().contains("could not connect"));
    world.start_emulator(EmulatorOptions { seed: 2, ..quick() });
    let job = arrived_once(&world, "later.txt");
    assert!(job.attempts >= 2, "{job:?}");
}

#[test]
fn a_429_waits_as_long_as_the_server_asks_and_costs_one_attempt() {
    let world = World::new();
    world.fault("upload:429=1:n=1");
    let _daemon = world.start();
    world.drop_file("a", "sales.txt", data(3));
    let job = arrived_once(&world, "sales.txt");
    let attempts = world.attempts(job.id);
    assert_eq!(attempts.iter().map(|attempt| attempt.http_status).collect::<Vec<_>>(), [Some(429), Some(200)]);
    let waited = attempts[1].started_at - attempts[0].ended_at.unwrap();
    assert!(waited >= 1000, "tried again after {waited} ms, though the server asked for a second");
}

#[test]
fn a_429_or_a_503_of_the_gateway_is_tried_again_without_a_doubt() {
    let world = World::new();
    world.fault("upload:429:n=2");
    world.fault("upload:gateway=503:n=1");
    world.fault("upload:after-body:gateway=503:n=1");
    let _daemon = world.start();
    world.drop_file("a", "sales.txt", data(3));
    let job = arrived_once(&world, "sales.txt");
    assert_eq!(world.outcomes(&job), ["not-ingested", "not-ingested", "not-ingested", "not-ingested", "accepted"]);
}

#[test]
fn no_more_uploads_are_in_flight_than_max_in_flight() {
    let mut world = World::new();
    world.set("[upload]\n", "[upload]\nmax_in_flight = 3\n");
    let _daemon = primed(&world);
    world.fault("upload:slow=300ms");
    for number in 0..12 {
        world.drop_file("a", &format!("{number:02}.txt"), data(1 + number));
    }
    world.wait("12 files to be done", || world.jobs().iter().filter(|job| job.state == "success").count() == 13);
    // Each upload was accepted 300 ms before its answer, so uploads accepted within 300 ms were in flight together.
    let taken: Vec<i64> = world
        .ledger()
        .iter()
        .skip(1)
        .map(|entry| entry.at.parse::<jiff::Timestamp>().unwrap().as_millisecond())
        .collect();
    assert_eq!(taken.len(), 12);
    let together = |from: usize| taken[from..].iter().take_while(|at| **at - taken[from] < 290).count();
    let most = (0..taken.len()).map(together).max();
    assert_eq!(most, Some(3), "{taken:?}");
}

// Credentials and permissions.

#[test]
fn a_401_costs_a_new_token_and_a_second_attempt() {
    let world = World::new();
    let _daemon = primed(&world);
    let tokens = world.emulator().requests().tokens;
    world.emulator().revoke_tokens();
    world.fault("list:slow=5s");
    world.drop_file("a", "sales.txt", data(3));
    world.wait("the file to be accepted", || world.times_accepted("sales.txt") == 1);
    world.emulator().clear_faults();
    let job = arrived_once(&world, "sales.txt");
    let statuses: Vec<_> = world.attempts(job.id).iter().map(|attempt| attempt.http_status).collect();
    assert_eq!((job.attempts, statuses), (2, vec![Some(401), Some(200)]));
    assert_eq!(world.emulator().requests().tokens, tokens + 1);
    assert_eq!(world.status("a")["blocked"], serde_json::Value::Null);
}

#[test]
fn a_wrong_client_secret_blocks_the_account_and_nothing_is_rejected_until_it_is_corrected() {
    let world = World::with_emulator(EmulatorOptions { credentials: Some(("test".into(), SECRET.into())), ..quick() });
    fs::write(world.secret_file(), "wrong\n").unwrap();
    let _daemon = world.start();
    world.drop_file("a", "sales.txt", data(3));
    world.wait_for("sales.txt", "queued");
    let why = world.wait_blocked("a");
    assert!(why.contains("invalid_client") && why.contains("client secret"), "{why}");
    assert!(!world.log().contains("wrong"), "the secret is in the log");
    fs::write(world.secret_file(), format!("{SECRET}\n")).unwrap();
    let job = arrived_once(&world, "sales.txt");
    assert_eq!(job.attempts, 1);
    assert_eq!(world.status("a")["blocked"], serde_json::Value::Null);
}

#[test]
fn a_secret_that_is_rotated_while_the_daemon_runs_is_reread() {
    let world = World::with_emulator(EmulatorOptions { credentials: Some(("test".into(), SECRET.into())), ..quick() });
    let _daemon = primed(&world);
    world.emulator().set_credentials(Some(("test".into(), "the-next-one".into())));
    world.emulator().revoke_tokens();
    world.drop_file("a", "sales.txt", data(3));
    let why = world.wait_blocked("a");
    assert!(why.contains("invalid_client"), "{why}");
    fs::write(world.secret_file(), "the-next-one").unwrap();
    arrived_once(&world, "sales.txt");
    assert_eq!(names(&world.folder("a").join("failed")), Vec::<String>::new());
}

#[test]
fn a_403_or_404_blocks_the_account_its_files_wait_and_a_probe_unblocks_it() {
    for status in ["403", "404"] {
        let world = World::new();
        let _daemon = primed(&world);
        world.fault(&format!("upload:{status}"));
        world.fault(&format!("list:{status}"));
        world.drop_file("a", "sales.txt", data(3));
        let why = world.wait_blocked("a");
        assert!(why.contains(status), "{why}");
        world.drop_file("a", "second.txt", data(2));
        assert_eq!(world.wait_for("second.txt", "queued").attempts, 0);
        assert_eq!(world.wait_for("sales.txt", "queued").attempts, 1);
        world.emulator().clear_faults();
        arrived_once(&world, "sales.txt");
        arrived_once(&world, "second.txt");
        assert_eq!(world.status("a")["blocked"], serde_json::Value::Null);
    }
}

#[test]
fn a_file_that_alone_is_refused_three_times_is_held_and_the_account_works_on() {
    let world = World::new();
    let _daemon = primed(&world);
    world.fault("upload:403:name=bad*");
    world.drop_file("a", "bad.txt", data(3));
    let held = world.wait_for("bad.txt", "held");
    assert_eq!(held.attempts, 3);
    world.drop_file("a", "good.txt", data(2));
    arrived_once(&world, "good.txt");
    assert_eq!(world.times_accepted("bad.txt"), 0);
}

// Refusals of the file itself.

#[test]
fn a_413_rejects_the_file_with_adobes_words_and_says_why_beside_it() {
    let world = World::new();
    let _daemon = primed(&world);
    world.fault("upload:refuse=413:name=big*");
    world.drop_file("a", "big.txt", data(3));
    let job = world.wait_for("big.txt", "rejected");
    assert!(job.why().contains("413") && job.why().contains("a fault of the emulator says so"), "{}", job.why());
    let failed = world.folder("a").join("failed");
    world.wait("the file to be filed", || names(&failed) == ["big.txt", "big.txt.why"]);
    let why = fs::read_to_string(failed.join("big.txt.why")).unwrap();
    assert!(why.contains("a fault of the emulator says so") && why.contains(&format!("jobs show {}", job.id)), "{why}");
    assert_eq!((job.attempts, world.times_accepted("big.txt")), (1, 0));
}

#[test]
fn the_first_three_files_of_an_account_refused_alike_block_it_instead() {
    let world = World::new();
    world.fault("upload:refuse=422");
    let _daemon = world.start();
    for name in ["a.txt", "b.txt", "c.txt", "d.txt"] {
        world.drop_file("a", name, data(2));
        world.wait("it to be taken up", || world.jobs().iter().any(|job| job.file_name == name));
    }
    let why = world.wait_blocked("a");
    assert!(why.contains("refused alike") && why.contains("422"), "{why}");
    let left =
        |world: &World| world.jobs().iter().filter(|job| matches!(job.state.as_str(), "queued" | "uploading")).count();
    world.wait("two to be left", || left(&world) == 2);
    // The list works, which proves nothing about uploads. The tries grow apart, and no file is given up because of
    // them.
    world.wait("more tries", || world.emulator().requests().uploads >= 5);
    assert_eq!(left(&world), 2);
    world.emulator().clear_faults();
    world.wait_accepted(2);
    let rejected = world.jobs().iter().filter(|job| job.state == "rejected").count();
    assert_eq!(rejected, 2);
}

// Lost answers, where the remote jobs decide.

#[test]
fn a_500_after_the_server_took_the_file_is_settled_by_adopting_its_job() {
    let world = World::new();
    world.fault("upload:after-commit:500:n=1");
    let _daemon = world.start();
    world.drop_file("a", "sales.txt", data(3));
    let job = arrived_once(&world, "sales.txt");
    assert_eq!(world.outcomes(&job), ["unclear"]);
    assert_eq!(job.remote_job_id, Some(world.ledger()[0].job_id.0));
    world.wait("the file to be filed", || names(&world.folder("a").join("done")) == ["sales.txt"]);
}

#[test]
fn however_an_answer_is_lost_the_file_is_found_and_not_sent_again() {
    let mut world = World::new();
    world.api("timeout", "\"500ms\"");
    let _daemon = primed(&world);
    let faults = ["500", "502", "reset", "hang", "garbage", "truncated", "html", "no-id"];
    for fault in faults {
        world.fault(&format!("upload:after-commit:{fault}:name={fault}.txt"));
        world.drop_file("a", &format!("{fault}.txt"), data(3));
    }
    for fault in faults {
        let job = arrived_once(&world, &format!("{fault}.txt"));
        assert_eq!(world.outcomes(&job), ["unclear"], "{fault}");
    }
}

#[test]
fn a_500_of_a_server_that_did_not_take_the_file_is_sent_again_after_three_looks() {
    let world = World::new();
    let _daemon = primed(&world);
    world.fault("upload:after-body:500:n=1");
    world.drop_file("a", "sales.txt", data(3));
    let job = arrived_once(&world, "sales.txt");
    assert_eq!(world.outcomes(&job), ["unclear", "accepted"]);
    let attempts = world.attempts(job.id);
    let looked = attempts[1].started_at - attempts[0].ended_at.unwrap();
    assert!(looked >= 400, "sent again after {looked} ms, though upload.confirm_for is 400 ms");
}

#[test]
fn a_connection_cut_before_the_last_bytes_is_tried_again() {
    let world = World::new();
    let _daemon = primed(&world);
    // The file is larger than the buffers between both ends. A request that the server has not begun to read cannot be
    // complete. The second half of the file fits into the buffers, and then the remote jobs decide.
    let large = data(400_000);
    for fault in ["before-body:reset", "before-body:hang", "mid-body:reset", "mid-body:hang"] {
        let name = fault.replace(':', "-") + ".txt";
        world.fault(&format!("upload:{fault}:n=1:name={name}"));
        world.drop_file("a", &name, &large);
        let job = arrived_once(&world, &name);
        let outcomes = world.outcomes(&job);
        assert!(outcomes[0] == "not-ingested" || fault.starts_with("mid"), "{fault}: {outcomes:?}");
    }
}

#[test]
fn a_job_that_shows_late_in_the_list_is_waited_for_and_never_sent_twice() {
    let mut world = World::new();
    world.set("confirm_for = \"400ms\"", "confirm_for = \"1s\"");
    let _daemon = primed(&world);
    // The job is accepted, but not listed yet, so lists that lack it prove nothing about the next job. When the first
    // of the two is listed at last, the other is not. Three looks in quick succession would miss it.
    world.fault("list:late=1s:name=known*");
    world.fault("list:late=1300ms:name=lost*");
    world.drop_file("a", "known.txt", data(2));
    world.wait_for("known.txt", "uploaded");
    world.fault("upload:after-commit:reset:name=lost*");
    world.drop_file("a", "lost.txt", data(3));
    arrived_once(&world, "lost.txt");
    arrived_once(&world, "known.txt");
}

#[test]
fn an_unclear_end_waits_while_the_list_cannot_be_read() {
    let world = World::new();
    let _daemon = primed(&world);
    world.fault("list:500");
    world.fault("upload:after-commit:reset:name=lost*");
    world.drop_file("a", "lost.txt", data(3));
    world.wait("looks in vain", || {
        world.jobs().iter().any(|job| job.file_name == "lost.txt" && job.why().contains("cannot be looked at"))
    });
    world.wait_for("lost.txt", "unconfirmed");
    world.emulator().clear_faults();
    let job = arrived_once(&world, "lost.txt");
    assert_eq!(job.attempts, 1);
}

#[test]
fn a_newer_file_of_a_name_waits_until_the_end_of_the_older_one_is_known() {
    let world = World::new();
    let _daemon = primed(&world);
    lose_an_answer(&world);
    world.drop_file("a", "sales.txt", data(4));
    world.wait_for("sales.txt", "queued");
    assert_eq!(world.times_accepted("sales.txt"), 1);
    world.emulator().clear_faults();
    world.wait("both to end", || {
        world.jobs().iter().filter(|job| job.file_name == "sales.txt" && job.state == "success").count() == 2
    });
    let sizes: Vec<u64> = world.ledger().iter().skip(1).map(|entry| entry.size).collect();
    assert_eq!(sizes, [data(3).len() as u64, data(4).len() as u64]);
}

// Upload styles.

#[test]
fn auto_learns_the_style_that_the_server_speaks_and_status_shows_it() {
    let world = World::with_emulator(EmulatorOptions { dialect: Dialect::Current, ..quick() });
    let daemon = world.start();
    for number in 0..5 {
        world.drop_file("a", &format!("{number}.txt"), data(1 + number));
    }
    world.wait("5 files to be done", || world.jobs().iter().filter(|job| job.state == "success").count() == 5);
    assert_eq!(world.accepted().len(), 5);
    assert_eq!(world.status("a")["style"], "post-multipart");
    // Learning the style cost one request in total, not one per file.
    assert_eq!(world.emulator().requests().uploads, 6);
    let doctor = world.run(&["doctor", "--offline"]);
    assert!(stdout(&doctor).contains("post-multipart"), "{}", stdout(&doctor));
    // After a reload datadrop still knows the style.
    daemon.signal("HUP");
    daemon.wait_notified("RELOADING=1");
    daemon.wait_notified("READY=1");
    assert_eq!(world.status("a")["style"], "post-multipart");
    world.drop_file("a", "after.txt", data(9));
    arrived_once(&world, "after.txt");
    assert_eq!(world.emulator().requests().uploads, 7);
}

#[test]
fn a_400_before_the_style_was_ever_accepted_is_the_styles_fault_and_afterwards_the_files() {
    let world = World::new();
    let _daemon = world.start();
    world.fault("upload:refuse=400:n=1");
    world.drop_file("a", "first.txt", data(1));
    let first = arrived_once(&world, "first.txt");
    assert_eq!((first.attempts, world.status("a")["style"].as_str()), (2, Some("post-multipart")));
    world.fault("upload:refuse=400:n=1");
    world.drop_file("a", "second.txt", data(2));
    let second = world.wait_for("second.txt", "rejected");
    assert_eq!(second.attempts, 1);
}

#[test]
fn all_styles_refused_block_the_account_and_no_file_is_rejected() {
    let world = World::new();
    world.fault("upload:405");
    let _daemon = world.start();
    world.drop_file("a", "sales.txt", data(3));
    let why = world.wait_blocked("a");
    assert!(why.contains("the API refuses every upload style: put-json: HTTP 405"), "{why}");
    assert!(why.contains("; post-multipart: HTTP 405") && why.contains("; put-multipart: HTTP 405"), "{why}");
    // Every round tries every style. The next round starts with the first.
    world.wait("a second round", || world.emulator().requests().uploads >= 6);
    let job = world.jobs().remove(0);
    let styles: Vec<String> = world.attempts(job.id).into_iter().map(|attempt| attempt.style).take(4).collect();
    assert_eq!(styles, ["put-json", "post-multipart", "put-multipart", "put-json"]);
    assert_ne!(job.state, "rejected");
    world.emulator().clear_faults();
    arrived_once(&world, "sales.txt");
}

/// DESIGN §5, "Outcomes": Adobe no longer documents PUT on the upload path. A gateway that routes by method may answer
/// it with 403 or 404.
/// with 403 or 404.
#[test]
fn a_gateway_that_does_not_route_put_is_learnt_from_one_request() {
    for status in [403, 404, 405, 421] {
        let world = World::with_emulator(EmulatorOptions { put_status: Some(status), ..quick() });
        let _daemon = world.start();
        for number in 0..3 {
            world.drop_file("a", &format!("{number}.txt"), data(1 + number));
        }
        world.wait("3 files to be done", || world.count("state = 'success'") == 3);
        assert_eq!((world.accepted().len(), world.emulator().requests().uploads), (3, 4), "{status}");
        assert_eq!(world.status("a")["style"], "post-multipart");
        let blocked = "SELECT count(*) FROM account_event WHERE event = 'blocked'";
        let blocked: i64 = connect(&world.state_dir()).unwrap().query_row(blocked, [], |row| row.get(0)).unwrap();
        assert_eq!(blocked, 0, "{status}");
    }
}

/// If the list has not been read for long, datadrop reads it first, and blames nobody.
#[test]
fn a_style_is_learnt_also_after_a_quiet_time() {
    let world = World::with_emulator(EmulatorOptions { put_status: Some(404), ..quick() });
    let _daemon = world.start();
    let long_ago = "UPDATE account SET list_read_at = 1 WHERE list_read_at IS NOT NULL";
    world.wait("the list to be read", || connect_to_write(&world.state_dir()).execute(long_ago, []).unwrap() == 1);
    world.drop_file("a", "sales.txt", data(3));
    world.wait_for("sales.txt", "success");
    let styles: Vec<String> = world.attempts(1).into_iter().map(|attempt| attempt.style).collect();
    assert_eq!(styles, ["put-json", "put-json", "post-multipart"], "the second knows what the list says");
    let noted = "SELECT count(*) FROM account_event WHERE event <> 'started'";
    let noted: i64 = connect(&world.state_dir()).unwrap().query_row(noted, [], |row| row.get(0)).unwrap();
    assert_eq!(noted, 0, "never blocked");
}

/// An account whose credential may read but not upload gets the same answers. It is blocked, with each answer and what
/// to check.
#[test]
fn a_credential_that_may_not_upload_blocks_the_account_with_each_answer() {
    let world = World::new();
    world.fault("upload:refuse=403");
    let _daemon = world.start();
    world.drop_file("a", "sales.txt", data(3));
    let why = world.wait_blocked("a");
    for part in ["put-json: HTTP 403", "post-multipart: HTTP 403", "put-multipart: HTTP 403", "Data Sources Manager"] {
        assert!(why.contains(part), "{part:?} is not in {why}");
    }
    let doctor = stdout(&world.run(&["doctor", "--offline"]));
    assert!(doctor.contains("the API refused put-json: HTTP 403"), "{doctor}");
    // The list works all the time, which does not mean that uploads are accepted again.
    world.wait("a second round", || world.emulator().requests().uploads >= 6);
    let events = || -> String {
        let sql = "SELECT coalesce(group_concat(event), '') FROM account_event WHERE account = 'a'";
        connect(&world.state_dir()).unwrap().query_row(sql, [], |row| row.get(0)).unwrap()
    };
    assert_eq!(events(), "blocked");
    world.emulator().clear_faults();
    arrived_once(&world, "sales.txt");
    assert_eq!(events(), "blocked,unblocked");
    let doctor = stdout(&world.run(&["doctor", "--offline"]));
    assert!(doctor.contains("proven since ") && !doctor.contains("the API refused"), "{doctor}");
}

/// The end of a block is reported, whether the upload that ends it is answered or found in the list.
#[test]
fn a_block_ends_with_an_upload_that_the_list_proves() {
    let world = World::new();
    world.fault("upload:refuse=405:n=3");
    world.fault("upload:after-commit:reset:n=1");
    let _daemon = world.start();
    world.drop_file("a", "sales.txt", data(3));
    let job = world.wait_for("sales.txt", "success");
    assert_eq!(world.outcomes(&job).last().unwrap(), "unclear", "its answer was lost");
    let ended = "SELECT count(*) FROM account_event WHERE event = 'unblocked'";
    let ends = || connect(&world.state_dir()).unwrap().query_row(ended, [], |row| row.get::<_, i64>(0)).unwrap();
    world.wait("the end of the block", || ends() == 1);
}

#[test]
fn a_style_that_is_fixed_and_not_spoken_blocks_the_account_with_the_remedy() {
    let mut world = World::with_emulator(EmulatorOptions { dialect: Dialect::Current, ..quick() });
    world.account("a", "style = \"put-json\"");
    let _daemon = world.start();
    world.drop_file("a", "sales.txt", data(3));
    let why = world.wait_blocked("a");
    assert!(why.contains("put-json") && why.contains("\"auto\""), "{why}");
    assert_eq!(world.accepted(), Vec::<String>::new());
}

#[test]
fn a_blocked_account_whose_list_answers_is_tried_ever_more_rarely() {
    let mut world = World::new();
    // The delays are 50 ms, 10 s and half an hour. Without growth, the account would try dozens of times while the
    // other account sends its files.
    world.set("[retry]\nfirst = \"50ms\"\nmax = \"500ms\"", "[retry]\nfirst = \"50ms\"\nmax = \"1h\"\nfactor = 200.0");
    world.account("a", "style = \"put-json\"").account("b", "");
    world.fault("upload:405:name=sales*");
    let _daemon = world.start();
    world.drop_file("a", "sales.txt", data(3));
    world.wait_blocked("a");
    for number in 0..4 {
        let name = format!("{number}.txt");
        world.drop_file("b", &name, data(2 + number));
        world.wait_for(&name, "success");
    }
    let tried = world.wait_for("sales.txt", "queued").attempts;
    assert!(tried <= 3, "tried {tried} times");
}

#[test]
fn a_400_rejects_the_file_once_its_style_is_proven_even_if_a_reload_forgot_the_style() {
    let world = World::new();
    let daemon = primed(&world);
    daemon.signal("HUP");
    daemon.wait_notified("RELOADING=1");
    daemon.wait_notified("READY=1");
    world.fault("upload:refuse=400:name=bad*");
    world.drop_file("a", "bad.txt", data(3));
    world.wait_for("bad.txt", "rejected");
    assert_eq!(world.status("a")["blocked"], serde_json::Value::Null);
}

#[test]
fn lost_rows_and_failures_are_distinguished() {
    let world = World::new();
    world.fault("job:lost-rows=2:name=lost*");
    world.fault("job:extra-rows=2:name=extra*");
    world.fault("job:fail:name=fail*");
    world.fault("job:status=quarantined:name=odd*");
    let _daemon = world.start();
    for name in ["lost.txt", "extra.txt", "fail.txt", "odd.txt"] {
        world.drop_file("a", name, data(5));
    }
    let lost = world.wait_for("lost.txt", "partial");
    assert_eq!((lost.rows_expected, lost.rows_processed), (Some(5), Some(3)));
    let extra = world.wait_for("extra.txt", "success");
    assert!(extra.why().contains('7'), "{}", extra.why());
    world.wait_for("fail.txt", "failure");
    world.wait("the unknown word to be kept", || {
        world
            .jobs()
            .iter()
            .any(|job| job.file_name == "odd.txt" && job.state == "processing" && job.why().contains("quarantined"))
    });
    world.wait("the files to be filed", || {
        let folder = world.folder("a");
        names(&folder.join("done")) == ["extra.txt", "lost.txt"]
            && names(&folder.join("failed")) == ["fail.txt", "fail.txt.why"]
            && names(&folder.join("sent")) == ["odd.txt"]
    });
    assert_eq!(world.accepted().len(), 4);
}

#[test]
fn a_marker_follows_its_data_file_however_often_that_is_tried() {
    let world = World::new();
    let _daemon = primed(&world);
    world.fault("upload:gateway=503:name=sales.txt:n=2");
    world.fault("upload:after-commit:reset:name=sales.txt");
    world.drop_file("a", "sales.fin", "");
    world.drop_file("a", "sales.txt", data(3));
    arrived_once(&world, "sales.txt");
    arrived_once(&world, "sales.fin");
    assert_eq!(world.accepted(), ["first.txt", "sales.txt", "sales.fin"]);
}

#[test]
fn a_marker_whose_answer_is_lost_is_found_like_any_file() {
    let world = World::new();
    let _daemon = primed(&world);
    world.fault("upload:after-commit:reset:name=sales.fin");
    world.drop_file("a", "sales.txt", data(3));
    world.drop_file("a", "sales.fin", "");
    arrived_once(&world, "sales.fin");
    assert_eq!(world.accepted(), ["first.txt", "sales.txt", "sales.fin"]);
}

#[test]
fn files_go_by_name_or_by_arrival() {
    for (keys, expected) in
        [("order = \"name\"", ["a.txt", "b.txt", "c.txt"]), ("order = \"arrival\"", ["c.txt", "a.txt", "b.txt"])]
    {
        let mut world = World::new();
        world.account("a", keys).set("[upload]\n", "[upload]\nmax_in_flight = 1\n");
        let _daemon = drop_before_the_first_upload(&world, &["c.txt", "a.txt", "b.txt"]);
        world.wait_accepted(3);
        assert_eq!(world.accepted(), expected, "{keys}");
    }
}

#[test]
fn sequential_keeps_the_order_through_an_unclear_end_and_otherwise_others_go_ahead() {
    for (keys, expected) in
        [("sequential = true", ["a.txt", "b.txt", "c.txt"]), ("sequential = false", ["b.txt", "c.txt", "a.txt"])]
    {
        let mut world = World::new();
        world.account("a", keys);
        let _daemon = drop_before_the_first_upload(&world, &["c.txt", "a.txt", "b.txt"]);
        world.fault("upload:after-body:500:name=a.txt:n=1");
        world.wait_accepted(3);
        assert_eq!(world.accepted(), expected, "{keys}");
    }
}

#[test]
fn unique_wire_names_differ_for_each_file() {
    let world = unique_names();
    let accepted = world.accepted();
    assert_eq!(accepted.len(), 3, "{accepted:?}");
    assert_ne!(digits(&accepted[0]), digits(&accepted[2]));
}

#[test]
fn a_marker_has_the_unique_wire_name_of_its_data_file() {
    let world = unique_names();
    let accepted = world.accepted();
    assert_eq!(digits(&accepted[0]), digits(&accepted[1]));
}

/// A data file, its marker, and another data file of the same name.
fn unique_names() -> World {
    let mut world = World::new();
    world.account("a", "wire_name = \"unique\"");
    let _daemon = world.start();
    world.drop_file("a", "sales.txt", data(3));
    world.drop_file("a", "sales.fin", "");
    world.wait_for("sales.fin", "success");
    world.drop_file("a", "sales.txt", data(4));
    world.wait("both data files to be done", || {
        world.jobs().iter().filter(|job| job.file_name == "sales.txt" && job.state == "success").count() == 2
    });
    world
}

/// The eight digits of a unique wire name.
fn digits(name: &str) -> String {
    let (stem, _) = name.rsplit_once('.').unwrap();
    let digits = stem.strip_prefix("sales-").unwrap();
    assert!(digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit()), "{name}");
    digits.to_owned()
}

#[test]
fn a_duplicate_is_held_with_its_reason_and_not_sent() {
    for (duplicates, again, held) in [
        ("hold", "first.txt", true),
        ("hold", "other.txt", false),
        ("hold-content", "other.txt", true),
        ("allow", "first.txt", false),
    ] {
        let mut world = World::new();
        world.account("a", &format!("duplicates = \"{duplicates}\""));
        let _daemon = primed(&world);
        world.drop_file("a", again, data(1));
        world.wait("a second job", || world.jobs().len() == 2);
        if held {
            let job = world.wait_for(again, "held");
            assert!(job.why().contains("duplicate") && job.why().contains("first.txt"), "{}", job.why());
            let folder = world.folder("a").join("held");
            world.wait("it to be filed", || names(&folder) == [again.to_owned(), format!("{again}.why")]);
            let why = fs::read_to_string(folder.join(format!("{again}.why"))).unwrap();
            assert!(why.contains("duplicate") && why.contains(&format!("jobs show {}", job.id)), "{why}");
            assert_eq!(world.accepted(), ["first.txt"]);
        } else {
            world.wait_for(again, "success");
            assert_eq!(world.accepted(), ["first.txt", again], "{duplicates}");
        }
    }
}

// Another sender of files with the same name.

#[test]
fn a_lost_answer_with_an_earlier_job_of_that_name_is_held_and_not_guessed() {
    let world = World::new();
    world.somebody_sends("a", "sales.txt", data(3));
    let _daemon = primed(&world);
    world.fault("upload:after-commit:reset:n=1");
    world.drop_file("a", "sales.txt", data(3));
    let job = world.wait_for("sales.txt", "held");
    assert!(job.why().contains("was there before") && job.why().contains("may have been ingested"), "{}", job.why());
    world.wait("it to be filed", || names(&world.folder("a").join("held")) == ["sales.txt", "sales.txt.why"]);
    assert_eq!(world.times_accepted("sales.txt"), 2, "the stranger's and ours");
}

#[test]
fn a_lost_answer_with_two_candidates_is_held_and_both_are_named() {
    let world = World::new();
    let _daemon = primed(&world);
    lose_an_answer(&world);
    world.somebody_sends("a", "sales.txt", data(3));
    world.emulator().clear_faults();
    let job = world.wait_for("sales.txt", "held");
    let ledger = world.ledger();
    for entry in ledger.iter().filter(|entry| entry.name == "sales.txt") {
        assert!(job.why().contains(&entry.job_id.to_string()), "{}", job.why());
    }
}

#[test]
fn a_file_that_lay_there_at_the_first_start_and_that_adobe_has_by_name_is_held() {
    let world = World::new();
    world.somebody_sends("a", "old.txt", data(3));
    world.drop_file("a", "old.txt", data(3));
    world.drop_file("a", "fresh.txt", data(2));
    let _daemon = world.start();
    let job = world.wait_for("old.txt", "held");
    assert!(job.why().contains("somebody may have sent it"), "{}", job.why());
    arrived_once(&world, "fresh.txt");
    assert_eq!(world.times_accepted("old.txt"), 1, "the stranger's");
}

#[test]
fn an_unclear_end_is_kept_and_looked_for_through_an_outage_of_the_whole_server() {
    let world = World::new();
    let _daemon = primed(&world);
    world.fault("upload:after-commit:reset:n=1");
    world.fault("list:reset:n=4");
    world.fault("token:500");
    world.drop_file("a", "sales.txt", data(3));
    assert_eq!(arrived_once(&world, "sales.txt").attempts, 1);
}

#[test]
fn an_outage_does_not_make_a_heap_of_unknowns() {
    let world = World::new();
    let _daemon = primed(&world);
    world.fault("upload:after-body:500");
    world.fault("list:500");
    let unconfirmed = || world.jobs().iter().filter(|job| job.state == "unconfirmed").count();
    for number in 0..20 {
        world.drop_file("a", &format!("{number:02}.txt"), data(2 + number));
    }
    world.wait("three unknowns", || unconfirmed() >= 3);
    let lists = world.emulator().requests().lists;
    world.wait("looks in vain", || world.emulator().requests().lists >= lists + 4);
    // No more than the uploads that were in flight together when the third ended.
    assert!(unconfirmed() <= 6, "{} unknowns", unconfirmed());
    world.emulator().clear_faults();
    for number in 0..20 {
        arrived_once(&world, &format!("{number:02}.txt"));
    }
}
