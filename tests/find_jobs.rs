//! `jobs list --search` and `--columns`, and the same search on the page. They find jobs by what a report or a
//! colleague names.

use crate::harness::{World, sha256, stderr, stdout};
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

/// A valid data file with one row for each of these days.
fn days(days: &[&str]) -> String {
    let rows: Vec<String> = days.iter().map(|day| format!("{day}\tx\t1\n")).collect();
    format!("Date\tEvar 1\tEvent 1\n{}", rows.concat())
}

fn found(world: &World, arguments: &[&str]) -> Vec<String> {
    let output = world.run(&[&["jobs", "list", "--json"], arguments].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let jobs: Vec<Value> = serde_json::from_str(&stdout(&output)).unwrap();
    jobs.iter().map(|job| job["file_name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn jobs_are_found_by_what_a_report_names_and_shown_with_the_columns_that_are_asked_for() {
    let mut world = World::new();
    world.set("[watch]\n", "[status]\nlisten = \"127.0.0.1:0\"\n\n[watch]\n");
    world.fault("job:lost-rows=1:name=short*");
    let daemon = world.start();
    let first = days(&["11/20/2025", "11/21/2025"]);
    world.drop_file("a", "first.txt", &first);
    world.drop_file("a", "short.txt", days(&["11/21/2025", "11/22/2025", "11/22/2025"]));
    let job = world.wait_for("first.txt", "success");
    let short = world.wait_for("short.txt", "partial");
    let remote = job.remote_job_id.unwrap().to_string();
    let hash = sha256(&first);
    for (text, names) in [
        ("2025-11-20", &["first.txt"][..]),
        ("2025-11-21", &["first.txt", "short.txt"]),
        ("2025-11-23", &[]),
        (&hash, &["first.txt"]),
        (&hash[..8].to_uppercase(), &["first.txt"]),
        (&remote, &["first.txt"]),
        ("ROWS", &["short.txt"]),
        ("no reason holds this", &[]),
    ] {
        assert_eq!(found(&world, &["--search", text]), names, "{text}: {short:?}");
    }
    assert_eq!(found(&world, &["--search", "2025-11-21", "--state", "partial"]), ["short.txt"]);
    assert_eq!(world.run(&["jobs", "list", "--search", " "]).status.code(), Some(2));

    let chosen = ["--columns", "remote_job_id,id,reason", "--name", "first.txt"];
    let list = |more: &[&str]| stdout(&world.run(&[&["jobs", "list"], more, &chosen].concat()));
    assert_eq!(list(&["--csv"]), format!("remote_job_id,id,reason\n{remote},{},\n", job.id));
    let objects: Value = serde_json::from_str(&list(&["--json"])).unwrap();
    assert_eq!(objects, json!([{ "remote_job_id": job.remote_job_id, "id": job.id, "reason": null }]));
    let table = list(&[]);
    let cells: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(cells, [vec!["remote_job_id", "id", "reason"], vec![&remote, &job.id.to_string()]]);
    let output = world.run(&["jobs", "list", "--columns", "id,sha"]);
    assert!(output.status.code() == Some(2) && stderr(&output).contains("sha256"), "{}", stderr(&output));

    let mut port = None;
    world.wait("the page to be there", || {
        let log = world.log();
        let rest = log.split("http://127.0.0.1:").filter_map(|rest| rest.split('/').next()?.parse::<u16>().ok());
        // The emulator's own address has the same form.
        port = rest.into_iter().find(|port| *port != world.emulator().address().port());
        port.is_some()
    });
    let get = |path: &str| {
        let mut page = TcpStream::connect(("127.0.0.1", port.unwrap())).unwrap();
        write!(page, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        page.read_to_string(&mut answer).unwrap();
        answer
    };
    let page = get("/jobs?name=&search=2025-11-20&account=&state=");
    assert!(page.contains("first.txt") && !page.contains("short.txt"), "{page}");
    assert!(page.contains("value=\"2025-11-20\""), "what was looked for stays: {page}");
    let page = get("/jobs?search=%3Cscript%3E");
    assert!(page.contains("No job matches") && !page.contains("<script>\""), "{page}");
    let api = get(&format!("/api/jobs?search={remote}"));
    assert!(api.contains("first.txt") && !api.contains("short.txt"), "{api}");
    daemon.stop();
}

/// What a search of the list names, the verbs name too.
#[test]
fn a_verb_applies_to_what_a_search_finds() {
    let world = World::new();
    let _daemon = world.start();
    let first = days(&["11/20/2025"]);
    world.drop_file("a", "first.txt", &first);
    world.wait_for("first.txt", "success");
    world.drop_file("a", "first.txt", &first);
    let held = world.wait_for("first.txt", "held");
    let named = |text: &str| -> Vec<i64> {
        let output = world.run(&["jobs", "cancel", "--search", text, "--dry-run", "--json"]);
        assert!(output.status.success(), "{}", stderr(&output));
        let outcomes: Vec<Value> = serde_json::from_str(&stdout(&output)).unwrap();
        outcomes.iter().map(|outcome| outcome["id"].as_i64().unwrap()).collect()
    };
    assert_eq!(named(&held.why()[..20]), [held.id]);
    assert_eq!(named("2025-11-20"), [held.id], "of two of that day, the one that can be cancelled");
    assert_eq!(named("no reason holds this"), [0; 0]);
    let both = world.run(&["jobs", "cancel", "--search", "x", &held.id.to_string()]);
    assert_eq!(both.status.code(), Some(2));
}
