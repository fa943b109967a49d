//! Which remote jobs are datadrop's uploads, when a server changes numbers, names and addresses? (DESIGN S2, S3, S6)

use crate::harness::{
    Act, Answer, Daemon, Head, Manner, World, arrived_once, connect, data, primed, quick, stderr, tagged,
};
use datadrop::emulator::{EmulatorOptions, Names};
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

fn naming(names: Names) -> World {
    World::with_emulator(EmulatorOptions { names, ..quick() })
}

fn unconfirmed(world: &World) -> i64 {
    connect(&world.state_dir())
        .unwrap()
        .query_row("SELECT count(*) FROM job_event WHERE to_state = 'unconfirmed'", [], |row| row.get(0))
        .unwrap()
}

/// Names that each way changes, and one that it keeps: `first.txt` of [`primed`].
fn changed(names: Names) -> [&'static str; 2] {
    match names {
        Names::Keep => ["sales.txt", "costs.txt"],
        Names::Lower => ["Sales.txt", "Costs.txt"],
        Names::Nfc => ["Za\u{308}hler.txt", "Ka\u{308}ufe.txt"],
        Names::Underscore => ["sales north.txt", "costs north.txt"],
        Names::Cut => ["sales-of-the-whole-north.txt", "costs-of-the-whole-north.txt"],
    }
}

#[test]
fn s6_a_name_that_the_server_changes_for_the_first_time_is_held_with_the_remote_job_named_and_adopted() {
    for names in [Names::Lower, Names::Nfc, Names::Underscore, Names::Cut] {
        let world = naming(names);
        let _daemon = primed(&world);
        let [name, _] = changed(names);
        world.fault(&format!("upload:after-commit:reset:n=1:name={name}"));
        world.drop_file("a", name, data(3));
        let job = world.wait_for(name, "held");
        let remote = world.ledger().last().unwrap().job_id.to_string();
        assert!(job.why().contains(&remote) && job.why().contains(&names.shown(name)), "{names}: {}", job.why());
        assert_eq!(world.times_accepted(name), 1, "{names}");
        let adopted = world.run(&["jobs", "release", &job.id.to_string(), "--adopt", &remote]);
        assert_eq!(adopted.status.code(), Some(0), "{names}: {}", stderr(&adopted));
        arrived_once(&world, name);
    }
}

/// Adobe may count more rows than a file has. A job whose name it may have changed can therefore still be this file's.
#[test]
fn s6_a_changed_name_with_more_rows_than_were_sent_is_held_too() {
    for names in [Names::Lower, Names::Nfc, Names::Underscore, Names::Cut] {
        for knows_none in [false, true] {
            let world = naming(names);
            let [name, _] = changed(names);
            world.fault(&format!("job:extra-rows=2:name={name}"));
            world.fault(&format!("upload:after-commit:reset:n=1:name={name}"));
            let _daemon = if knows_none { world.start() } else { primed(&world) };
            world.drop_file("a", name, data(3));
            let job = world.wait_for(name, "held");
            let remote = world.ledger().last().unwrap().job_id.to_string();
            assert!(job.why().contains(&remote), "{names}: {}", job.why());
            assert_eq!(world.times_accepted(name), 1, "{names}");
        }
    }
}

#[test]
fn s6_names_learnt_from_accepted_files_find_the_next_upload() {
    for names in [Names::Lower, Names::Nfc, Names::Underscore, Names::Cut] {
        let world = naming(names);
        let _daemon = primed(&world);
        let [known, name] = changed(names);
        world.drop_file("a", known, data(2));
        world.wait_for(known, "success");
        world.fault(&format!("upload:after-commit:reset:n=1:name={name}"));
        world.drop_file("a", name, data(3));
        let job = arrived_once(&world, name);
        assert_eq!(job.attempts, 1, "{names}: adopted");
        assert_eq!(job.remote_job_id.unwrap(), world.ledger().last().unwrap().job_id.0, "{names}");
    }
}

#[test]
fn s6_an_unowned_remote_job_whose_rows_fit_forbids_another_upload() {
    let world = World::new();
    let _daemon = primed(&world);
    for (name, content, rows, state) in [("lost.txt", 3, 2, "held"), ("again.txt", 4, 30, "success")] {
        // The answer is delayed, and meanwhile somebody else sends a file.
        world.fault(&format!("upload:after-body:slow=700ms:n=1:name={name}"));
        world.fault(&format!("upload:after-body:reset:n=1:name={name}"));
        world.drop_file("a", name, data(content));
        world.wait("its upload to wait for its answer", || world.jobs_in_phase("committing") == 1);
        let other = world.somebody_sends("a", &format!("other-{rows}.txt"), data(rows));
        let job = world.wait_for(name, state);
        assert_eq!(job.why().contains(&other.to_string()), state == "held", "{}", job.why());
    }
    assert_eq!((world.times_accepted("lost.txt"), world.times_accepted("again.txt")), (0, 1));
}

#[test]
fn s2_a_server_that_restarts_its_numbers_leaves_nothing_unconfirmed_for_long() {
    let mut world = World::new();
    let _daemon = primed(&world);
    world.drop_file("a", "second.txt", data(2));
    world.wait_for("second.txt", "success");
    world.stop_emulator();
    world.start_emulator(quick());
    // The new job has the number that `first.txt` had.
    let began = std::time::Instant::now();
    world.drop_file("a", "third.txt", data(3));
    world.drop_file("a", "fourth.txt", data(4));
    arrived_once(&world, "third.txt");
    arrived_once(&world, "fourth.txt");
    assert!(began.elapsed() < std::time::Duration::from_secs(15), "{:?}", began.elapsed());
    assert!(!world.log().contains("unconfirmed: \n") && !world.log().contains("unconfirmed: }"), "{}", world.log());
    // The looks count again.
    world.fault("upload:after-body:reset:n=1:name=fifth.txt");
    world.drop_file("a", "fifth.txt", data(5));
    arrived_once(&world, "fifth.txt");
}

#[test]
fn s2_a_file_that_was_answered_with_the_number_of_another_is_never_sent_again_for_want_of_it() {
    let mut world = World::new();
    let address = world.emulator().address();
    let closed = Arc::new(AtomicBool::new(false));
    let is_closed = Arc::clone(&closed);
    let relay = world.relay("http", Manner::default(), move |head: &Head| {
        if head.is_list() && is_closed.load(Ordering::SeqCst) {
            return Act::Say(Answer::new(503, "busy"));
        }
        Act::Pass
    });
    let daemon = world.start();
    let baseline = "SELECT count(*) FROM account WHERE baseline_at IS NOT NULL";
    world.wait("the baseline", || {
        connect(&world.state_dir()).unwrap().query_row(baseline, [], |row| row.get::<_, i64>(0)).unwrap() == 1
    });
    // No list shows the first job before the server restarts its numbers.
    closed.store(true, Ordering::SeqCst);
    world.drop_file("a", "sales.txt", tagged("monday"));
    let first = world.wait_for("sales.txt", "uploaded");
    world.server(&format!("http://{address}"));
    world.stop_emulator();
    world.start_emulator(quick());
    world.server(&format!("http://{}", relay.address()));
    world.drop_file("a", "sales.txt", tagged("tuesday"));
    let second = world.wait_for("sales.txt", "unconfirmed");
    let number = first.remote_job_id.unwrap();
    assert_eq!(world.ledger()[0].job_id.0, number, "the same number");
    // The facts of the answer survive the process.
    assert!(daemon.stop().success());
    closed.store(false, Ordering::SeqCst);
    let _daemon = world.start();
    let held = world.wait_for("sales.txt", "held");
    assert_eq!((held.id, world.times_accepted("sales.txt")), (second.id, 1));
    assert!(held.why().contains(&format!("remote job {number}")), "{}", held.why());
    let release = |how: &[&str]| world.run(&[&["jobs", "release", &held.id.to_string()], how].concat());
    let refused = release(&[]);
    assert_ne!(refused.status.code(), Some(0), "it may have been ingested: {}", stderr(&refused));
    // A person can confirm that the server is right, because its numbers have restarted.
    let adopted = release(&["--adopt", &number.to_string()]);
    assert_eq!(adopted.status.code(), Some(0), "{}", stderr(&adopted));
    let delivered = arrived_once(&world, "sales.txt");
    assert_eq!((delivered.id, delivered.remote_job_id), (second.id, Some(number)));
    assert_eq!(world.count("state = 'success'"), 2);
    world.drop_file("a", "next.txt", tagged("next"));
    arrived_once(&world, "next.txt");
}

#[test]
fn s2_looks_count_again_after_the_server_has_lost_all_that_it_knew() {
    let mut world = World::new();
    let _daemon = primed(&world);
    world.stop_emulator();
    world.start_emulator(quick());
    world.fault("upload:after-body:reset:n=1:name=second.txt");
    world.drop_file("a", "second.txt", data(2));
    arrived_once(&world, "second.txt");
    world.fault("upload:after-commit:reset:n=1:name=third.txt");
    world.drop_file("a", "third.txt", data(3));
    assert_eq!(arrived_once(&world, "third.txt").attempts, 1, "adopted");
}

/// The emulator as a separate process, with a folder for its state.
struct Kept(Child);

impl Kept {
    fn start(listen: &str, state: &Path) -> (Self, String) {
        let mut emulator = Command::new(env!("CARGO_BIN_EXE_datadrop"))
            .args(["emulator", "--processing", "300ms", "--rate-limit", "off", "--listen", listen, "--state"])
            .arg(state)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let said = BufReader::new(emulator.stdout.take().unwrap()).lines().map(Result::unwrap);
        let url = |line: String| Some(line.split_once("base_url = \"http://")?.1.split_once("/api\"")?.0.to_owned());
        let address = said.into_iter().find_map(url);
        (Self(emulator), address.unwrap())
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[test]
fn s2_an_emulator_that_keeps_its_state_continues_jobs_and_numbers_over_a_kill() {
    let mut world = World::new();
    let state = world.dir.path().join("emulator");
    let (mut emulator, address) = Kept::start("127.0.0.1:0", &state);
    world.server(&format!("http://{address}"));
    let _daemon = primed(&world);
    for round in 1..=3 {
        let (before, during) = (format!("before-{round}.txt"), format!("during-{round}.txt"));
        // One process accepts the file, and the next processes it.
        world.drop_file("a", &before, tagged(&before));
        world.wait("it to be accepted", || world.count(&format!("file_name = '{before}' AND uploaded_at > 0")) == 1);
        drop(emulator);
        world.drop_file("a", &during, tagged(&during));
        (emulator, _) = Kept::start(&address, &state);
        for name in [&before, &during] {
            world.wait_for(name, "success");
        }
    }
    let numbers: Vec<_> = world.jobs().iter().map(|job| job.remote_job_id.unwrap()).collect();
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    let kept = std::fs::read_to_string(state.join("jobs.jsonl")).unwrap();
    for job in world.jobs() {
        assert_eq!(kept.matches(&format!("\"name\":\"{}\"", job.file_name)).count(), 1, "{}", job.file_name);
    }
    assert_eq!(unconfirmed(&world), 0, "no answer was lost, and no number means another job: {}", world.log());
}

/// A backup of last week is restored. The files sent since then are older than any other look reaches.
#[test]
fn s5_a_machine_set_back_by_days_holds_the_files_that_adobe_has() {
    const DAYS: i64 = 5 * 24 * 3_600_000;
    let mut world = World::new();
    let state = world.dir.path().join("emulator");
    let (emulator, address) = Kept::start("127.0.0.1:0", &state);
    world.server(&format!("http://{address}"));
    let daemon = primed(&world);
    drop(emulator);
    world.drop_file("a", "sales.txt", tagged("sales"));
    world.wait_for("sales.txt", "queued");
    daemon.kill();
    let saved = world.dir.path().join("saved");
    std::fs::create_dir(&saved).unwrap();
    let copy = |from: &Path, to: &Path| {
        let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
        assert!(copied.success());
    };
    let parts = [world.folder("a"), world.state_dir()];
    for part in &parts {
        copy(part, &saved);
    }

    let (emulator, _) = Kept::start(&address, &state);
    let daemon = world.start();
    let remote = world.wait_for("sales.txt", "success").remote_job_id.unwrap();
    daemon.stop();
    drop(emulator);
    for part in &parts {
        std::fs::remove_dir_all(part).unwrap();
        copy(&saved.join(part.file_name().unwrap()), part);
    }
    let jobs = state.join("jobs.jsonl");
    let is_its = |line: &&str| line.contains("\"sales.txt\"");
    let kept = std::fs::read_to_string(&jobs).unwrap();
    let mut its: serde_json::Value = serde_json::from_str(kept.lines().find(is_its).unwrap()).unwrap();
    its["created"] = (its["created"].as_i64().unwrap() - DAYS).into();
    let mut lines: Vec<_> = kept.lines().filter(|line| !is_its(line)).map(str::to_owned).collect();
    lines.push(format!("{its}\n"));
    std::fs::write(&jobs, lines.join("\n")).unwrap();
    let earlier = "UPDATE job SET seen_at = seen_at - ?1 WHERE file_name = 'sales.txt'";
    let joblog = rusqlite::Connection::open(world.state_dir().join("datadrop.db")).unwrap();
    assert_eq!(joblog.execute(earlier, [DAYS]).unwrap(), 1);
    drop(joblog);

    let (_emulator, _) = Kept::start(&address, &state);
    let _daemon = world.start();
    let held = world.wait_for("sales.txt", "held");
    assert!(held.why().contains(&format!("the remote job {remote} of this name")), "{}", held.why());
    let sent = std::fs::read_to_string(&jobs).unwrap();
    assert_eq!(sent.lines().filter(is_its).count(), 1, "{sent}");
}

#[test]
fn a5_after_a_rehearsal_everything_is_sent_to_the_real_account() {
    let rehearsal = World::new();
    let mut world = World::new();
    let real = world.emulator().base_url();
    let at = |url: &str| url.trim_end_matches("/api").to_owned();
    world.server(&at(&rehearsal.emulator().base_url()));
    let daemon = primed(&world);
    world.drop_file("a", "sales.txt", data(3));
    world.wait_for("sales.txt", "success");
    assert_eq!((rehearsal.ledger().len(), world.ledger().len()), (2, 0));
    daemon.stop();
    world.server(&at(&real));
    let _daemon = world.start();
    // The same numbers in the same order, with the same content.
    for (sent, (name, rows)) in [("sales.txt", 3), ("first.txt", 1)].into_iter().enumerate() {
        world.drop_file("a", name, data(rows));
        world.wait_accepted(sent + 1);
        arrived_once(&world, name);
    }
    world.drop_file("a", "sales.txt", data(3));
    let twice = world.wait_for("sales.txt", "held");
    assert!(twice.why().contains("duplicate"), "{}", twice.why());
    assert_eq!(unconfirmed(&world), 0);
    assert_eq!(rehearsal.ledger().len(), 2);
}

/// Reloads the configuration from the disk, and returns the daemon's message about it.
fn reload(world: &World, daemon: &Daemon) -> String {
    world.write_config();
    daemon.signal("HUP");
    daemon.wait_notified("RELOADING=1");
    daemon.wait_notified("READY=1")
}

#[test]
fn a5_a_reload_leads_from_the_rehearsal_to_the_real_account_without_duplicates_and_not_past_open_jobs() {
    let rehearsal = World::new();
    let mut world = World::new();
    let at = |url: &str| url.trim_end_matches("/api").to_owned();
    let [real, rehearsed] = [&world, &rehearsal].map(|world| at(&world.emulator().base_url()));
    world.server(&rehearsed);
    let daemon = primed(&world);
    // Nothing shows that the job has ended at the rehearsal server. Another file was tried there, and not accepted.
    rehearsal.fault("list:500");
    world.drop_file("a", "open.txt", data(3));
    let open = world.wait_for("open.txt", "uploaded").id;
    rehearsal.fault("upload:before-body:503:name=tried.txt");
    world.drop_file("a", "tried.txt", data(4));
    world.wait("it to be tried", || world.count("file_name = 'tried.txt' AND state = 'queued' AND attempts > 0") == 1);
    let tried = world.wait_for("tried.txt", "queued").id;

    world.server(&real);
    let told = reload(&world, &daemon);
    assert!(told.contains("blocked: a"), "{told}");
    let blocked = world.blocked("a");
    assert!(blocked.contains(&format!("jobs {open} and {tried}")) && blocked.contains(&rehearsed), "{blocked}");
    world.drop_file("a", "new.txt", data(5));
    let cancelled = world.run(&["jobs", "cancel", &tried.to_string()]);
    assert!(cancelled.status.success(), "{cancelled:?}");
    world.wait_for("tried.txt", "cancelled");
    assert!(world.accepted().is_empty(), "nothing goes to the real account past an open job");
    rehearsal.emulator().clear_faults();
    // datadrop follows the job at the rehearsal server to its end. Then the account continues automatically.
    arrived_once(&world, "new.txt");

    // The same content under the same names is sent, because the real API has none of it.
    let retried = world.run(&["jobs", "retry", &tried.to_string()]);
    assert!(retried.status.success(), "{retried:?}");
    arrived_once(&world, "tried.txt");
    for (name, rows) in [("open.txt", 3), ("first.txt", 1)] {
        world.drop_file("a", name, data(rows));
        world.wait("the real API to have it", || world.times_accepted(name) == 1);
        world.wait_for(name, "success");
    }
    assert_eq!((world.count("state = 'held'"), world.accepted().len(), rehearsal.ledger().len()), (0, 4, 2));
    world.drop_file("a", "open.txt", data(3));
    assert!(world.wait_for("open.txt", "held").why().contains("duplicate"));
    assert_eq!(unconfirmed(&world), 0);
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn p7_any_status_ends_a_job_or_is_reported_within_minutes() {
    let world = World::new();
    let _daemon = primed(&world);
    for (index, (word, state)) in [
        ("Failed", "failure"),
        ("canceled", "failure"),
        ("Cancelled", "failure"),
        ("Error", "failure"),
        ("Succeeded", "success"),
        ("COMPLETE", "success"),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("word-{index}.txt");
        world.fault(&format!("job:status={word}:name={name}"));
        world.drop_file("a", &name, data(10 + index));
        world.wait_for(&name, state);
    }
    // An unknown status is reported long before the seven days after which datadrop gives up.
    world.fault("job:status=archived:name=odd.txt");
    world.drop_file("a", "odd.txt", data(30));
    world.wait_for("odd.txt", "processing");
    let delayed =
        "SELECT count(*) FROM job_event JOIN job ON job.id = job_id WHERE event = 'delayed' AND file_name = 'odd.txt'";
    world.wait("the delay to be told", || {
        connect(&world.state_dir()).unwrap().query_row(delayed, [], |row| row.get::<_, i64>(0)).unwrap() == 1
    });
}

#[test]
fn random_401s_block_nothing_and_hold_no_file() {
    let world = World::new();
    let _daemon = primed(&world);
    world.fault("upload:before-body:401:p=0.4");
    world.fault("list:401:p=0.4");
    for index in 0..200 {
        world.drop_file("a", &format!("file-{index}.txt"), crate::harness::tagged(index));
    }
    world.wait("all to be delivered", || world.count("state = 'success'") == 201);
    assert_eq!(world.accepted().len(), 201);
    let blocks: i64 = connect(&world.state_dir())
        .unwrap()
        .query_row("SELECT count(*) FROM account_event WHERE event = 'blocked' AND detail LIKE '%401%'", [], |row| {
            row.get(0)
        })
        .unwrap();
    assert_eq!(blocks, 0);
    assert_eq!(world.count("state = 'held'"), 0);
}

#[test]
fn a_token_that_is_always_refused_blocks_the_account_and_holds_no_file() {
    let world = World::new();
    let _daemon = primed(&world);
    world.fault("upload:before-body:401");
    world.drop_file("a", "sales.txt", data(3));
    assert!(world.wait_blocked("a").contains("401"));
    world.emulator().clear_faults();
    arrived_once(&world, "sales.txt");
}

#[test]
fn a_file_that_is_always_answered_503_does_not_delay_the_others() {
    let mut world = World::new();
    world.set("max = \"500ms\"\n[upload]", "max = \"1m\"\n[upload]");
    world.set("[retry]\nfirst = \"50ms\"", "[retry]\nfirst = \"1s\"");
    let _daemon = primed(&world);
    world.fault("upload:mid-body:gateway=503:name=a-bad.txt");
    world.drop_file("a", "a-bad.txt", data(3));
    world.wait("it to be refused some times", || world.attempts(2).len() >= 4);
    let began = std::time::Instant::now();
    for index in 0..10 {
        world.drop_file("a", &format!("b-{index}.txt"), crate::harness::tagged(index));
    }
    world.wait("the others to be delivered", || world.count("state = 'success'") == 11);
    // If the bad file delayed the others, they would wait for a minute by now.
    assert!(began.elapsed() < std::time::Duration::from_secs(10), "{:?}", began.elapsed());
    world.emulator().clear_faults();
}
