//! The commands: their output, their exit codes, and that both match the job log.

use crate::harness::{SECRET, World, data, names, stderr, stdout};
use rusqlite::types::Value as Cell;
use rusqlite::{Connection, OpenFlags};
use serde_json::Value;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The columns of the view `job_log`, as the design fixes them.
const COLUMNS: [&str; 26] = [
    "id",
    "account",
    "file_name",
    "kind",
    "state",
    "reason",
    "path",
    "size",
    "sha256",
    "rows_expected",
    "rows_processed",
    "remote_job_id",
    "remote_status",
    "remote_created",
    "remote_started",
    "remote_finished",
    "attempts",
    "seen_at",
    "queued_at",
    "uploaded_at",
    "finished_at",
    "next_attempt_at",
    "pair_id",
    "first_day",
    "last_day",
    "days",
];

/// Two rows. Adobe skips one of them.
const LOSES_A_ROW: &str = "Date\tEvar 1\tEvent 1\n11/20/2026\ta;b\t1\n11/20/2026\tc\t1\n";

fn sqlite(world: &World) -> Connection {
    Connection::open_with_flags(world.state_dir().join("datadrop.db"), OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
}

/// The rows of a query with the names of its columns, read with plain SQL.
fn sql(world: &World, query: &str) -> (Vec<String>, Vec<Vec<Value>>) {
    let connection = sqlite(world);
    let mut statement = connection.prepare(query).unwrap();
    let columns: Vec<String> = statement.column_names().map(str::to_owned).collect();
    let rows = statement
        .query_map([], |row| (0..columns.len()).map(|index| row.get::<_, Cell>(index)).collect::<Result<Vec<_>, _>>())
        .unwrap()
        .map(|row| row.unwrap().into_iter().map(as_json).collect())
        .collect();
    (columns, rows)
}

fn as_json(cell: Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Integer(number) => number.into(),
        Cell::Real(number) => number.into(),
        Cell::Text(text) => text.into(),
        Cell::Blob(bytes) => panic!("job_log holds bytes: {bytes:?}"),
    }
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A file outside of every watched folder.
fn outside(world: &World, name: &str, content: &str) -> String {
    let folder = world.dir.path().join("outside");
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join(name);
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A job for every kind of end. All are filed, and the daemon is stopped.
fn many_ends() -> World {
    let world = World::new();
    let daemon = world.start();
    world.drop_file("a", "sales.txt", data(7));
    world.wait_for("sales.txt", "success");
    world.drop_file("a", "sales.fin", "");
    world.drop_file("a", "lost.txt", LOSES_A_ROW);
    world.drop_file("a", "bad.txt", "Date\tEvar 1\tEvent 1\n11/20/2026\tonly two\n");
    world.drop_file("a", "=odd, \"name\" 日本.txt", data(2));
    symlink("/etc/hostname", world.folder("a").join("link.txt")).unwrap();
    world.drop_file("a", "lone.fin", "");
    for (file_name, state) in [
        ("sales.fin", "success"),
        ("lost.txt", "partial"),
        ("bad.txt", "failure"),
        ("=odd, \"name\" 日本.txt", "success"),
        ("link.txt", "rejected"),
        ("lone.fin", "waiting"),
    ] {
        world.wait_for(file_name, state);
    }
    world.wait("all to be filed", || names(&world.folder("a")) == ["done", "failed", "held", "lone.fin", "sent"]);
    assert_eq!(daemon.stop().code(), Some(0));
    world
}

#[test]
fn the_job_log_reads_the_same_as_table_json_csv_and_sql() {
    let world = many_ends();
    let (columns, rows) = sql(&world, "SELECT * FROM job_log ORDER BY id");
    assert_eq!(columns, COLUMNS);
    assert_eq!(rows.len(), 7);

    let output = world.run(&["jobs", "list", "--json"]);
    let listed = json(&output);
    assert_eq!(listed.as_array().unwrap().len(), rows.len());
    for (object, row) in listed.as_array().unwrap().iter().zip(&rows) {
        assert_eq!(object.as_object().unwrap().len(), COLUMNS.len());
        for (column, cell) in COLUMNS.iter().zip(row) {
            assert_eq!(object.get(*column), Some(cell), "{column} of {object}");
        }
    }
    // Parsed objects have no order, but the text has.
    let text = stdout(&output);
    let mut at = 0;
    for column in COLUMNS.iter().cycle().take(COLUMNS.len() * rows.len()) {
        at +=
            text[at..].find(&format!("\"{column}\": ")).unwrap_or_else(|| panic!("{column} after {at} of {text}")) + 1;
    }

    let output = world.run(&["jobs", "list", "--csv"]);
    let mut reader = csv::Reader::from_reader(output.stdout.as_slice());
    assert_eq!(reader.headers().unwrap(), COLUMNS.as_slice());
    let records: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(records.len(), rows.len());
    for (record, row) in records.iter().zip(&rows) {
        for ((column, cell), found) in COLUMNS.iter().zip(row).zip(record) {
            let expected = match cell {
                Value::Null => String::new(),
                // A cell that a spreadsheet would read as a formula is written as text.
                Value::String(text) if text.starts_with('=') => format!("'{text}"),
                Value::String(text) => text.clone(),
                Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => cell.to_string(),
            };
            assert_eq!(found, expected, "{column}");
        }
    }

    let table = stdout(&world.run(&["jobs", "list"]));
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), rows.len() + 1, "{table}");
    let cell = |row: &[Value], column: &str| {
        let cell = &row[COLUMNS.iter().position(|name| *name == column).unwrap()];
        if cell.is_null() { String::new() } else { cell.as_str().map_or_else(|| cell.to_string(), str::to_owned) }
    };
    for (line, row) in lines[1..].iter().zip(&rows) {
        let cells: Vec<&str> = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
        let first: Vec<String> = ["id", "account", "file_name", "state"].iter().map(|name| cell(row, name)).collect();
        assert_eq!(cells[..4], first, "{line}");
        let rows_of = format!(" {}/{} ", cell(row, "rows_processed"), cell(row, "rows_expected"));
        let is_counted = cell(row, "kind") == "data" && !cell(row, "rows_processed").is_empty();
        assert!(!is_counted || line.contains(&rows_of), "{line}: not{rows_of}");
        assert!(line.contains(&cell(row, "remote_job_id")), "{line}");
        assert!(line.ends_with(&cell(row, "reason")), "{line}");
    }
}

#[test]
fn a_list_can_be_narrowed_and_always_ends_with_the_newest() {
    let world = many_ends();
    let listed = |arguments: &[&str]| -> Vec<String> {
        let all = [&["jobs", "list", "--json"], arguments].concat();
        let jobs = json(&world.run(&all));
        jobs.as_array().unwrap().iter().map(|job| job["file_name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(listed(&["--state", "partial", "--state", "failure"]).len(), 2);
    assert_eq!(listed(&["--name", "sales*"]), ["sales.txt", "sales.fin"]);
    assert_eq!(listed(&["--limit", "1"]), listed(&[])[6..]);
    assert_eq!(listed(&["--since", "1h"]).len(), 7);
    assert_eq!(listed(&["--since", "2999-01-01"]), [""; 0]);
    assert_eq!(listed(&["--account", "a", "--state", "waiting"]), ["lone.fin"]);
    let short = world.run(&["jobs", "list", "--limit", "2"]);
    assert!(stderr(&short).contains("5 older jobs left out"), "{short:?}");
}

#[test]
fn one_job_is_shown_with_its_attempts_and_its_history() {
    let world = many_ends();
    let shown = json(&world.run(&["jobs", "show", "1", "--json"]));
    let listed = json(&world.run(&["jobs", "list", "--json"]));
    for column in COLUMNS {
        assert_eq!(shown[column], listed[0][column], "{column}");
    }
    assert_eq!(shown.as_object().unwrap().len(), COLUMNS.len() + 2);

    let (columns, events) =
        sql(&world, "SELECT at, event, from_state, to_state, detail FROM job_event WHERE job_id = 1 ORDER BY id");
    let found = shown["events"].as_array().unwrap();
    assert_eq!(found.len(), events.len());
    for (object, row) in found.iter().zip(&events) {
        assert_eq!(object.as_object().unwrap().len(), columns.len());
        for (column, cell) in columns.iter().zip(row) {
            assert_eq!(object[column], *cell, "{column}");
        }
    }
    let words: Vec<&str> = found.iter().map(|event| event["event"].as_str().unwrap()).collect();
    let steps = ["seen", "ready", "started", "committing", "accepted", "succeeded"];
    let mut from = 0;
    for step in steps {
        from += words[from..].iter().position(|word| *word == step).unwrap_or_else(|| panic!("{step}: {words:?}"));
    }

    let attempts = shown["attempt_list"].as_array().unwrap();
    assert_eq!(attempts.len(), 1);
    let expected = [
        ("number", 1.into()),
        ("style", "put-json".into()),
        ("phase", "answered".into()),
        ("http_status", 200.into()),
        ("outcome", "accepted".into()),
    ];
    for (key, value) in expected {
        let value: Value = value;
        assert_eq!(attempts[0][key], value, "{key} of {}", attempts[0]);
    }

    let page = stdout(&world.run(&["jobs", "show", "1"]));
    assert!(page.starts_with("job 1: sales.txt is success\n"), "{page}");
    assert!(page.contains("7 processed of 7") && page.contains(shown["sha256"].as_str().unwrap()), "{page}");
}

#[test]
fn every_end_has_its_exit_code() {
    let world = World::new();
    let code = |arguments: &[&str]| world.run(arguments).status.code();
    // The daemon has never run, so there is no job log to read. `status` works without one.
    assert_eq!(code(&["jobs", "list"]), Some(1));
    assert_eq!(code(&["status"]), Some(0));
    let daemon = world.start();
    world.drop_file("a", "sales.txt", data(1));
    world.wait_for("sales.txt", "success");
    drop(daemon);

    assert_eq!(code(&["jobs", "list"]), Some(0));
    assert_eq!(code(&["jobs", "wait", "1"]), Some(0));
    for wrong in [
        vec!["jobs", "list", "--colour"],
        vec!["jobs"],
        vec![],
        vec!["sing"],
        vec!["jobs", "show", "one"],
        vec!["drop", "--account", "a"],
        vec!["jobs", "list", "--json", "--csv"],
    ] {
        let output = world.run(&wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
        assert!(stdout(&output).is_empty() && !stderr(&output).is_empty(), "{wrong:?}");
    }
    for missing in [
        vec!["jobs", "show", "99"],
        vec!["jobs", "wait", "1", "99"],
        vec!["jobs", "list", "--account", "nobody"],
        vec!["drop", "sales.txt", "--account", "nobody"],
    ] {
        let output = world.run(&missing);
        assert_eq!(output.status.code(), Some(4), "{missing:?}");
        assert!(stderr(&output).starts_with("datadrop: there is no "), "{missing:?}: {}", stderr(&output));
    }

    let unknown = world.run(&["jobs", "list", "--state", "done"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(stderr(&unknown).contains("'done'") && stderr(&unknown).contains("partial"), "{}", stderr(&unknown));
}

#[test]
fn a_wrong_configuration_is_reported_by_name_and_the_daemon_exits_with_78() {
    let world = World::new();
    let run = |config: &Path, arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_datadrop"));
        command.arg("--config").arg(config).args(arguments).output().unwrap()
    };
    let missing = world.dir.path().join("missing.toml");
    for (arguments, code) in [(vec!["jobs", "list"], 2), (vec!["status"], 2), (vec!["run"], 78)] {
        let output = run(&missing, &arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert!(stderr(&output).contains("missing.toml: ") && stderr(&output).contains("--config"), "{output:?}");
    }
    let wrong = world.dir.path().join("wrong.toml");
    let text = fs::read_to_string(world.write_config()).unwrap();
    fs::write(&wrong, text.replace("[watch]", "[watch]\nsettel = \"1s\"")).unwrap();
    for (arguments, code) in [(vec!["status"], 2), (vec!["run", "--once"], 78)] {
        let output = run(&wrong, &arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        assert!(stderr(&output).contains("watch.settel: there is no such key; did you mean `settle`?"), "{output:?}");
    }
}

#[test]
fn output_that_nobody_reads_is_a_success() {
    let world = many_ends();
    for arguments in [
        vec!["jobs", "list"],
        vec!["jobs", "list", "--json"],
        vec!["jobs", "list", "--csv"],
        vec!["jobs", "show", "1"],
        vec!["jobs", "wait", "1"],
        vec!["status"],
        vec!["status", "--json"],
        vec!["--help"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        // The reader is closed before the first byte, as with `| head -c0`, but without a race.
        drop(reader);
        let output = Command::new(env!("CARGO_BIN_EXE_datadrop"))
            .arg("--config")
            .arg(world.config_file())
            .args(&arguments)
            .stdout(writer)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
            .wait_with_output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", stderr(&output));
        assert_eq!(stderr(&output), "", "{arguments:?}");
    }
}

#[test]
fn status_reports_the_state_of_everything() {
    let world = World::new();
    let keys = |object: &Value| -> Vec<String> { object.as_object().unwrap().keys().cloned().collect() };
    let before = json(&world.run(&["status", "--json"]));
    assert_eq!(before["daemon"], "stopped");

    let daemon = world.start();
    world.drop_file("a", "sales.txt", data(1));
    world.drop_file("a", "lone.fin", "");
    world.drop_file("a", "notes.doc", "not ours");
    world.wait_for("sales.txt", "success");
    world.wait_for("lone.fin", "waiting");
    world.wait("the other file to be counted", || {
        json(&world.run(&["status", "--json"]))["accounts"][0]["ignored_files"] == 1
    });
    let running = json(&world.run(&["status", "--json"]));
    assert_eq!(running["daemon"], "running");
    assert_eq!(
        keys(&running),
        ["accounts", "backlog", "daemon", "reload_refused", "reload_refused_at", "request_budget", "state_dir"]
    );
    assert_eq!(keys(&running), keys(&before));
    let account = &running["accounts"][0];
    assert_eq!(keys(account), keys(&before["accounts"][0]));
    let expected = [
        "blocked",
        "blocked_since",
        "bytes_at_adobe",
        "cancelled",
        "data_days_today",
        "enabled",
        "failure",
        "folder",
        "held",
        "ignored_files",
        "last_success",
        "last_sweep",
        "muted_by",
        "muted_until",
        "name",
        "next_sweep",
        "overdue",
        "partial",
        "processing",
        "queued",
        "rejected",
        "row_count",
        "settle_seconds",
        "style",
        "success",
        "trying_again",
        "unconfirmed",
        "uploaded",
        "uploading",
        "waiting",
        "waiting_for_day",
    ];
    let mut found = keys(account);
    found.sort();
    assert_eq!(found, expected);
    assert_eq!((&account["name"], &account["success"], &account["waiting"]), (&"a".into(), &1.into(), &1.into()));
    assert_eq!((&account["style"], &account["blocked"]), (&"put-json".into(), &Value::Null));
    let page = stdout(&world.run(&["status"]));
    assert!(page.starts_with("datadrop is running\n") && page.contains("inbox 1 (1 waiting)"), "{page}");

    assert_eq!(daemon.stop().code(), Some(0));
    assert_eq!(json(&world.run(&["status", "--json"]))["daemon"], "stopped");
    let page = stdout(&world.run(&["status"]));
    assert!(page.starts_with("datadrop is not running"), "{page}");
    // It may run in another state directory than the one that was looked at.
    let told = format!("no service uses the state directory {}; if a service runs", world.state_dir().display());
    assert!(page.contains(&told) && page.contains("compare `state_dir` in /"), "{page}");
}

#[test]
fn a_drop_can_be_followed_to_its_end() {
    let world = World::new();
    let _daemon = world.start();
    let whole = outside(&world, "sales.txt", &data(3));
    let output = world.run(&["drop", &whole, "--account", "a", "--fin", "--wait"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(stdout(&output).contains("dropped sales.fin (marker)"), "{output:?}");
    assert_eq!(world.accepted(), ["sales.txt", "sales.fin"]);
    assert_eq!(fs::read_to_string(&whole).unwrap(), data(3), "the source stays where it is");

    let lossy = outside(&world, "lost.txt", LOSES_A_ROW);
    let output = world.run(&["drop", &lossy, "--account", "a", "--wait"]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");
    assert!(stdout(&output).contains("partial"), "{output:?}");
    assert_eq!(world.run(&["jobs", "wait", "3", "--timeout", "1s"]).status.code(), Some(3));
}

#[test]
fn r1_a_drop_is_complete_at_once_without_a_marker() {
    let mut world = World::new();
    world.set("settle = \"200ms\"", "settle = \"1h\"").set("settle_unwatched = \"300ms\"", "settle_unwatched = \"1h\"");
    let _daemon = world.start();
    let sales = outside(&world, "sales.txt", &data(3));
    assert_eq!(world.run(&["drop", &sales, "--account", "a"]).status.code(), Some(0));
    world.wait_for("sales.txt", "success");
}

#[test]
fn a_drop_that_cannot_be_leaves_nothing_behind() {
    let world = World::new();
    // No daemon is running, so the files stay in the folder.
    fs::write(world.folder("a").join("taken.txt"), "older").unwrap();
    let taken = outside(&world, "taken.txt", &data(1));
    let free = outside(&world, "free.txt", &data(1));
    let odd = outside(&world, "table.csv", "a,b");
    for (files, code, says) in [
        (vec![free.as_str(), taken.as_str()], 1, "nothing was overwritten"),
        (vec![free.as_str(), odd.as_str()], 2, "`.txt`"),
        (vec![free.as_str(), free.as_str()], 2, "named twice"),
        (vec!["/nowhere/sales.txt"], 1, "cannot be read"),
        (vec!["/dev/null"], 2, "`.txt`"),
    ] {
        let arguments: Vec<&str> = ["drop", "--account", "a"].into_iter().chain(files).collect();
        let output = world.run(&arguments);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(stderr(&output).contains(says), "{}", stderr(&output));
        let left: Vec<PathBuf> = fs::read_dir(world.folder("a")).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(left, [world.folder("a").join("taken.txt")], "{arguments:?}");
        assert_eq!(fs::read_to_string(&left[0]).unwrap(), "older");
    }
    let output = world.run(&["drop", "--account", "a", &free]);
    assert_eq!(output.status.code(), Some(0));
    assert!(stderr(&output).contains("no daemon is running"), "{output:?}");
    assert_eq!(names(&world.folder("a")), ["free.txt", "taken.txt"]);
}

#[test]
fn the_help_of_every_command_has_an_example() {
    for command in ["run", "demo", "emulator", "drop", "jobs list", "jobs show", "jobs wait", "jobs watch", "status"] {
        for flag in ["--help", "-h"] {
            let mut program = Command::new(env!("CARGO_BIN_EXE_datadrop"));
            let output = program.args(command.split(' ')).arg(flag).output().unwrap();
            assert_eq!(output.status.code(), Some(0));
            let help = stdout(&output);
            let examples = help.split("Examples:\n").nth(1).unwrap_or_else(|| panic!("{command} {flag}:\n{help}"));
            assert!(examples.contains(&format!("  datadrop {command}")), "{command} {flag}:\n{help}");
        }
    }
}

#[test]
fn the_demo_shows_success_partial_and_failure() {
    let dir = tempfile::tempdir().unwrap();
    let demo = dir.path().join("demo");
    let output = Command::new(env!("CARGO_BIN_EXE_datadrop"))
        .args(["demo", "--dir"])
        .arg(&demo)
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let shown = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{shown}\n{}", stderr(&output));
    let table = shown.split("\nThe job log\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let row = |file_name: &str| {
        let found = table.lines().find(|line| line.split_whitespace().nth(2) == Some(file_name));
        found.unwrap_or_else(|| panic!("{file_name} is not in:\n{table}")).split_whitespace().collect::<Vec<_>>()
    };
    assert_eq!(row("callcentre.txt")[3], "success");
    assert_eq!(row("loyalty-points.txt")[3..5], ["success", "457933/457933"]);
    assert_eq!(row("shop-visits.txt")[3..5], ["partial", "28/30"]);
    assert_eq!(row("newsletter.txt")[3], "failure");
    assert!(!shown.contains("NO "), "{shown}");
    assert!(fs::metadata(demo.join("callcentre/done/loyalty-points.txt")).unwrap().len() >= 20_000_000);
    assert_eq!(names(&demo.join("callcentre/failed")), ["newsletter.txt", "newsletter.txt.why"]);

    // The printed commands work when pasted.
    let commands: Vec<&str> = shown.lines().filter(|line| line.contains(" --config ")).map(str::trim).collect();
    assert_eq!(commands.len(), 3, "{shown}");
    for command in commands {
        let output = Command::new("sh").args(["-c", command]).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{command}: {output:?}");
    }
    let again = Command::new(env!("CARGO_BIN_EXE_datadrop")).args(["demo", "--dir"]).arg(&demo).output().unwrap();
    assert_eq!(again.status.code(), Some(2), "a directory with something in it is left alone");
}

#[test]
fn service_print_folders_names_the_state_directory_and_every_folder_and_needs_no_secret() {
    let mut world = World::new();
    world.account("b", "");
    world.write_config();
    fs::remove_file(world.secret_file()).unwrap();
    let output = world.run(&["service", "print-folders"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    for (what, dir) in
        [("the state directory", world.state_dir()), ("account a", world.folder("a")), ("account b", world.folder("b"))]
    {
        let dir = dir.canonicalize().unwrap_or(dir);
        assert!(text.contains(&format!("RequiresMountsFor={}\n", dir.display())), "{text}");
        // Paths in `/tmp` must be bound into the unit. Others need only write access.
        let lets_in = ["BindPaths=-", "ReadWritePaths=-"].map(|key| format!("# {what}\n{key}{}\n", dir.display()));
        assert!(lets_in.iter().any(|lines| text.contains(lines)), "{text}");
    }
    assert!(text.contains("datadrop --config "), "{text}");
}

/// A user pastes the remedy. If the user named another configuration, the command must name it too.
#[test]
fn commands_in_remedies_name_the_configuration_that_was_named() {
    let world = World::new();
    let config = world.config_file().display().to_string();
    let before = stderr(&world.run(&["jobs", "list"]));
    assert!(before.contains("there is no job log yet"), "{before}");
    assert!(before.contains(&format!("datadrop --config {config} run")), "{before}");
    let daemon = world.start();
    world.drop_file("a", "link.txt", data(1));
    let job = world.wait_for("link.txt", "success").id.to_string();
    let missing = stderr(&world.run(&["jobs", "show", "99"]));
    assert!(missing.contains(&format!("`datadrop --config {config} jobs list`")), "{missing}");
    world.drop_file("a", "link.txt", data(1));
    world.wait_for("link.txt", "held");
    let held = world.folder("a").join("held/link.txt");
    world.wait("it to be filed", || held.exists());
    let explained = stdout(&world.run(&["explain", held.to_str().unwrap()]));
    let step = explained.lines().find_map(|line| line.trim_start().strip_prefix("To send it:")).unwrap();
    let why = fs::read_to_string(world.folder("a").join("held/link.txt.why")).unwrap();
    assert!(why.contains(step), "{why}");
    let release = step.trim_start().strip_prefix("datadrop ").unwrap();
    // The command as printed, but without the option that the harness adds.
    let words: Vec<&str> = release.split(' ').collect();
    let done = Command::new(env!("CARGO_BIN_EXE_datadrop")).args(&words).output().unwrap();
    assert!(done.status.success(), "{release}: {}", stderr(&done));
    let status = stdout(&world.run(&["jobs", "show", &job, "--json"]));
    assert!(!status.contains("--config"), "data for programs stays as it is: {status}");
    assert!(daemon.stop().success());
}

/// `see why` of `status` names only jobs that a person can still act on.
#[test]
fn status_names_the_jobs_that_still_need_a_person() {
    let mut world = World::new();
    world.account("a", "check = \"reject\"");
    let daemon = world.start();
    world.drop_file("a", "bad.txt", "Date\tEvar 1\tEvent 1\n11/20/2026\tx\n");
    world.wait_for("bad.txt", "rejected");
    let failed = world.folder("a").join("failed/bad.txt");
    // The daemon moves the file first, and then records the move.
    world.wait("it to be named", || stdout(&world.run(&["status"])).contains("--account a --state rejected"));
    assert!(failed.exists());
    // Corrected in `failed/`, and sent again.
    fs::write(&failed, data(1)).unwrap();
    let job = world.jobs()[0].id.to_string();
    let retried = world.run(&["jobs", "retry", &job]);
    assert!(retried.status.success(), "{}", stderr(&retried));
    world.wait_for("bad.txt", "success");
    world.wait("nothing to be left to handle", || !stdout(&world.run(&["status"])).contains("see why"));
    assert!(stdout(&world.run(&["status"])).contains("1 rejected"), "the history stays");
    assert!(daemon.stop().success());
}

#[test]
fn the_emulator_gives_a_token_to_the_named_credential_alone() {
    let mut world = World::new();
    let named = world.dir.path().join("named");
    fs::write(&named, format!("{SECRET}\n")).unwrap();
    let mut emulator = Command::new(env!("CARGO_BIN_EXE_datadrop"))
        .args(["emulator", "--listen", "127.0.0.1:0", "--client-id", "test", "--client-secret-file"])
        .arg(&named)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let said = BufReader::new(emulator.stdout.take().unwrap()).lines().map(Result::unwrap);
    let origin =
        said.into_iter().find_map(|line| Some(line.split_once("base_url = \"")?.1.split_once("/api\"")?.0.to_owned()));
    world.server(&origin.unwrap());
    let right = world.run(&["jobs", "list", "--remote"]);
    fs::write(world.secret_file(), "revoked").unwrap();
    let wrong = world.run(&["jobs", "list", "--remote"]);
    emulator.kill().unwrap();
    emulator.wait().unwrap();
    assert_eq!(right.status.code(), Some(0), "{}", stderr(&right));
    assert_eq!(wrong.status.code(), Some(1));
    assert!(stderr(&wrong).contains("invalid_client"), "{}", stderr(&wrong));
}
