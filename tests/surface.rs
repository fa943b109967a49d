//! The interfaces for people and programs, as snapshots: help pages, shapes of JSON and CSV, exit codes, columns of the
//! job log, metrics and `.why` files (DESIGN §6 to §8). A changed snapshot shows each change in its diff.

use crate::harness::{World, connect, data, names, stderr, stdout};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output};

/// Runs the binary without a configuration.
fn bare(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_datadrop"));
    command.args(arguments).env("NO_COLOR", "1").env("DATADROP_CONFIG", "/nowhere/datadrop.toml");
    command.env("COLUMNS", "100").output().unwrap()
}

/// The subcommands that a help page lists.
fn commands(page: &str) -> Vec<String> {
    let listed = page.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.take_while(|line| !line.is_empty());
    let first_words = listed.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    first_words
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

/// The help pages of a command and of its subcommands.
fn help_pages(path: &[String], pages: &mut String) {
    let mut arguments: Vec<&str> = path.iter().map(String::as_str).collect();
    arguments.push("--help");
    let output = bare(&arguments);
    assert!(output.status.success(), "{path:?}: {}", stderr(&output));
    let page = stdout(&output);
    writeln!(pages, "== datadrop {}\n\n{page}", path.join(" ")).unwrap();
    for name in commands(&page) {
        let mut path = path.to_vec();
        path.push(name);
        help_pages(&path, pages);
    }
}

#[test]
fn help_pages_stay_as_they_are() {
    let mut pages = String::new();
    help_pages(&[], &mut pages);
    assert!(pages.matches("== datadrop").count() > 25, "{pages}");
    insta::assert_snapshot!("help", pages);
}

/// The shape of a JSON value: keys and types. All elements of an array share one shape.
fn shape(value: &Value) -> Value {
    match value {
        Value::Null => "null".into(),
        Value::Bool(_) => "boolean".into(),
        Value::Number(number) => if number.is_f64() { "number" } else { "integer" }.into(),
        Value::String(_) => "text".into(),
        Value::Array(items) => items.iter().map(shape).reduce(merged).into_iter().collect(),
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), shape(value))).collect(),
    }
}

/// The shape that covers both values.
fn merged(one: Value, other: Value) -> Value {
    match (one, other) {
        (Value::Object(mut one), Value::Object(other)) => {
            for (key, value) in other {
                let known = one.remove(&key);
                one.insert(key, known.map_or(value.clone(), |known| merged(known, value)));
            }
            Value::Object(one)
        }
        (Value::Array(one), Value::Array(other)) => one.into_iter().chain(other).reduce(merged).into_iter().collect(),
        (Value::String(one), Value::String(other)) => {
            let mut kinds: Vec<&str> = one.split(" or ").chain(other.split(" or ")).collect();
            kinds.sort_unstable();
            kinds.dedup();
            Value::from(kinds.join(" or "))
        }
        (one, other) => panic!("{one} and {other} have no common shape"),
    }
}

/// One job for each kind of end, for files that the emulator takes, fails, loses rows of and refuses.
fn ended_jobs(world: &World) {
    for rule in ["job:fail:name=fails*", "job:lost-rows=2:name=short*", "upload:refuse=400:name=refused*"] {
        world.fault(rule);
    }
    let ends =
        [("sales.txt", "success"), ("fails.txt", "failure"), ("short.txt", "partial"), ("refused.txt", "rejected")];
    for (rows, (name, state)) in (3..).zip(ends) {
        world.drop_file("a", name, data(rows));
        world.wait_for(name, state);
    }
    // The same name and content again.
    world.drop_file("a", "sales.txt", data(3));
    world.wait_for("sales.txt", "held");
}

/// A world that serves its page on a free port.
fn world_with_page() -> World {
    let mut world = World::new();
    world.set("[watch]\n", "[status]\nlisten = \"127.0.0.1:0\"\n\n[watch]\n");
    world
}

#[test]
fn json_and_csv_keep_their_shapes() {
    let world = world_with_page();
    let _daemon = world.start();
    world.wait_told_address("a");
    ended_jobs(&world);
    let sales = world.jobs().into_iter().find(|job| job.state == "success").unwrap();
    let id = sales.id.to_string();
    let remote = sales.remote_job_id.unwrap().to_string();
    let checked = world.write_file("a", ".hidden", "Date\teVar1\tEvent 1\n1\t2\t3\n");
    let checked = checked.to_str().unwrap();
    let totalled = world.write_file("a", ".totalled", "Date\tEvar 1\tEvent 1\n01/02/2026\t2\t3\n");
    let totalled = totalled.to_str().unwrap();
    let done = world.folder("a").join("done");
    world.wait("sales.txt to be filed", || done.join("sales.txt").exists());
    fs::copy(done.join("sales.txt"), done.join("copied.txt")).unwrap();
    fs::write(done.join("notes.txt"), "somebody's own").unwrap();
    let elsewhere = world.dir.path().to_str().unwrap();
    let mut shapes = BTreeMap::new();
    for arguments in [
        &["jobs", "list", "--json"][..],
        &["jobs", "show", &id, "--json"],
        &["jobs", "list", "--remote", "--account", "a", "--json"],
        &["jobs", "show", "--remote", &remote, "--account", "a", "--json"],
        &["jobs", "release", &id, "--json"],
        &["accounts", "list", "--json"],
        &["accounts", "show", "1", "--json"],
        &["status", "--json"],
        &["verify", "--json"],
        &["check", checked, "--json"],
        &["check", totalled, "--totals", "--json"],
        &["check", checked, "--fix", "--out", elsewhere, "--json"],
    ] {
        let output = world.run(arguments);
        let told = stdout(&output);
        let value: Value = serde_json::from_str(&told)
            .unwrap_or_else(|why| panic!("{arguments:?}: {why}: {told} {}", stderr(&output)));
        let command = arguments
            .join(" ")
            .replace(checked, "FILE")
            .replace(totalled, "FILE")
            .replace(elsewhere, "DIR")
            .replace(&format!(" {id} "), " ID ");
        shapes.insert(command.replace(&remote, "JOB_ID"), shape(&value));
    }
    for arguments in [&["jobs", "list", "--csv"][..], &["jobs", "list", "--remote", "--account", "a", "--csv"]] {
        let header = stdout(&world.run(arguments)).lines().next().unwrap_or_default().to_owned();
        shapes.insert(arguments.join(" "), Value::from(header));
    }
    insta::assert_json_snapshot!("shapes", shapes);
}

#[test]
fn exit_codes_stay_as_they_are() {
    let world = World::new();
    let daemon = world.start();
    ended_jobs(&world);
    let held = world.jobs().into_iter().find(|job| job.state == "held").unwrap().id.to_string();
    let sent = world.jobs().into_iter().find(|job| job.state == "success").unwrap().id.to_string();
    let failed = world.jobs().into_iter().find(|job| job.state == "failure").unwrap().id.to_string();
    let bad = world.dir.path().join("bad.txt");
    fs::write(&bad, "Date\teVar1\tEvent 1\n1\t2\t3\n").unwrap();
    let good = world.dir.path().join("good.txt");
    fs::write(&good, data(2)).unwrap();
    let (bad, good) = (bad.to_str().unwrap(), good.to_str().unwrap());
    let mut codes = String::new();
    let mut ends = |arguments: &[&str], output: &Output| {
        let mut command = arguments.join(" ").replace(bad, "BAD").replace(good, "GOOD");
        for (number, word) in [(&held, "HELD"), (&sent, "SENT"), (&failed, "FAILED")] {
            command =
                command.split(' ').map(|part| if part == number { word } else { part }).collect::<Vec<_>>().join(" ");
        }
        writeln!(codes, "{} {command}", output.status.code().unwrap()).unwrap();
    };
    for arguments in [
        &["jobs", "list"][..],
        &["jobs", "list", "--state", "nonsense"],
        &["jobs", "show", &sent],
        &["jobs", "show", "4711"],
        &["jobs", "wait", &sent],
        &["jobs", "wait", &failed],
        &["jobs", "wait", &held, "--timeout", "10ms"],
        &["jobs", "retry", &sent],
        &["jobs", "retry", "4711"],
        &["jobs", "cancel", &held],
        &["jobs", "list", "--account", "nobody"],
        &["accounts", "list"],
        &["accounts", "show", "4711"],
        &["accounts", "delete", "1"],
        &["status"],
        &["verify"],
        &["verify", "--account", "nobody"],
        &["check", good],
        &["check", bad],
        &["check", "/nowhere/file.txt"],
        &["drop", good, "--account", "a"],
        &["drop", good, "--account", "nobody"],
        &["run"],
        &["nonsense"],
        &["--version"],
    ] {
        ends(arguments, &world.run(arguments));
    }
    drop(daemon);
    for arguments in [&["status"][..], &["run"], &["jobs", "list"], &["doctor", "--offline"]] {
        let output = bare(arguments);
        ends(&["--config", "/nowhere", arguments[0]], &output);
    }
    insta::assert_snapshot!("exit_codes", codes);
}

#[test]
fn the_job_log_keeps_its_columns() {
    let world = World::new();
    let daemon = world.start();
    drop(daemon);
    let log = connect(&world.state_dir()).unwrap();
    let mut told = String::new();
    for table in ["job_log", "job_event"] {
        writeln!(told, "{table}").unwrap();
        let mut columns = log.prepare(&format!("SELECT name, type FROM pragma_table_xinfo('{table}')")).unwrap();
        let columns = columns.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?))).unwrap();
        for column in columns {
            let (name, kind) = column.unwrap();
            writeln!(told, "  {name} {kind}").unwrap();
        }
    }
    insta::assert_snapshot!("job_log_columns", told);
}

#[test]
fn metrics_keep_names_kinds_and_labels() {
    let world = world_with_page();
    let _daemon = world.start();
    ended_jobs(&world);
    let mut port = None;
    world.wait("the page to be there", || {
        let log = world.log();
        let rest = log.split("http://127.0.0.1:").find_map(|rest| rest.split('/').next()?.parse::<u16>().ok());
        // The emulator's own address has the same form.
        port = rest.filter(|port| *port != world.emulator().address().port());
        port.is_some()
    });
    let mut page = TcpStream::connect(("127.0.0.1", port.unwrap())).unwrap();
    page.write_all(b"GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    page.read_to_string(&mut answer).unwrap();
    let lines = answer.split_once("\r\n\r\n").unwrap().1.lines().map(|line| {
        if line.starts_with('#') { line } else { line.rsplit_once(' ').map_or(line, |(series, _)| series) }
    });
    let version = env!("CARGO_PKG_VERSION");
    let told = lines.map(|line| line.replace(version, "VERSION")).collect::<Vec<_>>().join("\n");
    insta::assert_snapshot!("metrics", told);
}

fn is_why(name: &str) -> bool {
    Path::new(name).extension() == Some("why".as_ref())
}

#[test]
fn why_files_keep_their_words() {
    let world = World::new();
    let _daemon = world.start();
    world.wait_told_address("a");
    ended_jobs(&world);
    let mut told = String::new();
    for dir in ["failed", "held"] {
        let dir = world.folder("a").join(dir);
        world.wait("each file to have its .why", || {
            let names = names(&dir);
            // A file that still waits for its move has no `.why` either.
            let mut files = names.iter().filter(|name| !is_why(name)).peekable();
            files.peek().is_some() && files.all(|name| names.contains(&format!("{name}.why")))
        });
        for name in names(&dir).iter().filter(|name| is_why(name)) {
            writeln!(told, "== {name}\n{}", fs::read_to_string(dir.join(name)).unwrap()).unwrap();
        }
    }
    insta::assert_snapshot!("why", told.replace(world.dir.path().to_str().unwrap(), "DIR"));
}
