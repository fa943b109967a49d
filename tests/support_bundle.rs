//! `support-bundle`: one archive for a bug report, from a daemon that runs, hangs or is down, without a secret (P6).

use crate::harness::{SECRET, World, arrived_once, primed, stderr, stdout};
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// A value in the configuration of [`world`] that must stay secret.
const WEBHOOK: &str = "hook-7f3a9b1c5d";
const HEARTBEAT: &str = "beat-81c2d3e4f5";
const COMPANY: &str = "examplecompany";
const CLIENT: &str = "a1b2c3d4e5f6a7b8";
const CELL: &str = "very private value";

/// A world whose configuration holds a value of every kind that is hidden.
fn world() -> World {
    let mut world = World::new();
    world.sections(&format!(
        "[status]\nlisten = \"127.0.0.1:0\"\nheartbeat = \"http://127.0.0.1:9/{HEARTBEAT}\"\nheartbeat_every = \"1h\"\n{}\
         [[alert]]\non = [\"started\"]\nwebhook = \"http://127.0.0.1:9/{WEBHOOK}?key=k-{WEBHOOK}\"\n",
        world.sections_text().to_owned()
    ));
    world
}

/// A directory with programs of these names, which are found first.
fn programs(world: &World, scripts: &[(&str, &str)]) -> PathBuf {
    let dir = world.dir.path().join("programs");
    fs::create_dir_all(&dir).unwrap();
    for (name, script) in scripts {
        let path = dir.join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    dir
}

/// The configuration of the world, with a client ID that occurs in no other text.
fn config(world: &World) -> PathBuf {
    let path = world.write_config();
    let text = fs::read_to_string(&path).unwrap().replace("client_id = \"test\"", &format!("client_id = \"{CLIENT}\""));
    fs::write(&path, text).unwrap();
    path
}

/// Makes a bundle, and unpacks it.
fn bundle(world: &World, programs: &Path) -> (Output, BTreeMap<String, String>) {
    let file = world.dir.path().join("bundle.tar.gz");
    let _ = fs::remove_file(&file);
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap());
    let output = Command::new(env!("CARGO_BIN_EXE_datadrop"))
        .arg("--config")
        .arg(config(world))
        .arg("support-bundle")
        .arg(&file)
        .env("PATH", path)
        .output()
        .unwrap();
    assert_eq!(stdout(&output), format!("{}\n", file.display()), "{}", stderr(&output));
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "its owner alone reads it");
    let unpacked = tempfile::tempdir_in(world.dir.path()).unwrap();
    let tar = Command::new("tar").arg("-xzf").arg(&file).arg("-C").arg(unpacked.path()).status().unwrap();
    assert!(tar.success());
    let folder = fs::read_dir(unpacked.path()).unwrap().next().unwrap().unwrap().path();
    let parts = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let parts = parts.map(|path| {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(&path).unwrap())
    });
    (output, parts.collect())
}

/// The spellings in which programs write a value.
fn forms(value: &str) -> Vec<String> {
    let run = |script: &str| {
        let output = Command::new("sh").args(["-c", script, "sh", value]).output().unwrap();
        stdout(&output).trim().to_owned()
    };
    let base64 = run("printf %s \"$1\" | base64 -w0");
    let behind_a_name = run("printf 'user:%s' \"$1\" | base64 -w0");
    let encoded = value.bytes().map(|byte| format!("%{byte:02x}")).collect::<Vec<_>>().concat();
    vec![value.to_owned(), value.to_uppercase(), base64, behind_a_name, encoded]
}

#[test]
fn p6_a_bundle_says_what_a_report_needs_and_no_secret_in_any_form() {
    let world = world();
    let hidden = [SECRET, WEBHOOK, HEARTBEAT, COMPANY, CLIENT, "suitea"];
    let said = hidden.iter().flat_map(|value| forms(value)).map(|form| format!("echo 'said {form} aloud'\n"));
    let log = said.collect::<Vec<_>>().concat();
    let log = format!("{log}echo 'line 2: `{CELL}` is no date; run `datadrop doctor`'");
    let programs = programs(&world, &[("journalctl", &log), ("systemctl", "echo ActiveState=active")]);
    let daemon = primed(&world);
    world.drop_file("a", "private.txt", format!("Date\tEvar 1\tEvent 1\n11/20/2026\t{CELL}\t1\n"));
    arrived_once(&world, "private.txt");
    let (output, parts) = bundle(&world, &programs);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let names: Vec<&str> = parts.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "README.txt",
            "configuration.toml",
            "doctor.json",
            "job-log.txt",
            "log.txt",
            "service.txt",
            "status.json",
            "versions.txt"
        ]
    );
    for (name, text) in &parts {
        for form in hidden.iter().flat_map(|value| forms(value)).chain([CELL.to_owned()]) {
            assert!(!text.contains(&form), "{name} holds {form}:\n{text}");
            assert!(
                !text.to_lowercase().contains(&form.to_lowercase()) || form.len() < 6,
                "{name} holds {form}:\n{text}"
            );
        }
    }
    let status: serde_json::Value = serde_json::from_str(&parts["status.json"]).unwrap();
    assert_eq!(status["accounts"][0]["name"], "a");
    assert!(serde_json::from_str::<Vec<serde_json::Value>>(&parts["doctor.json"]).unwrap().len() > 3);
    assert!(parts["configuration.toml"].contains("settle = \"200ms\""), "{}", parts["configuration.toml"]);
    assert!(parts["job-log.txt"].contains("a success: 2") && parts["job-log.txt"].contains("CREATE TABLE job ("));
    assert!(!parts["job-log.txt"].contains("private.txt"), "no row of it");
    assert!(parts["log.txt"].contains("line 2: `…` is no date; run `datadrop doctor`"), "{}", parts["log.txt"]);
    assert!(parts["versions.txt"].contains(concat!("datadrop: ", env!("CARGO_PKG_VERSION"))));
    assert!(!parts["README.txt"].contains("FAILED"), "{}", parts["README.txt"]);
    daemon.stop();
}

#[test]
fn a_bundle_is_made_of_a_daemon_that_hangs_and_of_one_that_is_down() {
    let world = world();
    let programs = programs(&world, &[("journalctl", "echo line"), ("systemctl", "echo ActiveState=active")]);
    let daemon = primed(&world);
    daemon.signal("STOP");
    let (output, parts) = bundle(&world, &programs);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        parts["status.json"].contains("\"running\"") && parts["job-log.txt"].contains("a success: 1"),
        "{parts:#?}"
    );
    daemon.signal("CONT");
    daemon.stop();
    let programs = self::programs(&world, &[("journalctl", ":")]);
    let (output, parts) = bundle(&world, &programs);
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(parts["job-log.txt"].contains("a success: 1"));
    assert!(parts["README.txt"].contains("log.txt: FAILED: the journal has no line"), "{}", parts["README.txt"]);
}

#[test]
fn a_part_that_fails_or_hangs_is_named_and_keeps_no_other_out() {
    let world = world();
    let programs = programs(&world, &[("journalctl", "sleep 600"), ("systemctl", "echo not booted >&2; exit 1")]);
    let begun = Instant::now();
    // Before the first start there is no job log.
    let (output, parts) = bundle(&world, &programs);
    assert!(begun.elapsed() < Duration::from_secs(60), "a part has a time limit");
    assert_eq!(output.status.code(), Some(3));
    let index = &parts["README.txt"];
    for name in [
        "log.txt: FAILED: journalctl did not answer within 20 s",
        "service.txt: FAILED: systemctl failed (exit status: 1): not booted",
        "job-log.txt: FAILED: ",
    ] {
        assert!(index.contains(name), "{name}: {index}");
    }
    assert!(stderr(&output).contains("left out: log.txt: journalctl did not answer"), "{}", stderr(&output));
    assert!(parts.contains_key("doctor.json") && parts.contains_key("configuration.toml"), "{parts:#?}");
}

#[test]
fn p6_without_its_configuration_nothing_is_handed_on_that_could_not_be_searched() {
    let world = world();
    let programs = programs(&world, &[("journalctl", "echo line"), ("systemctl", "echo ActiveState=active")]);
    let file = world.dir.path().join("bundle.tar.gz");
    let mut command = Command::new(env!("CARGO_BIN_EXE_datadrop"));
    command.args(["--config", "/nowhere/datadrop.toml", "support-bundle"]).arg(&file).env("PATH", &programs);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    let names = stdout(&Command::new("tar").arg("-tzf").arg(&file).output().unwrap());
    let names: Vec<&str> = names.lines().filter_map(|path| path.split('/').nth(1)).collect();
    assert_eq!(names, ["versions.txt", "README.txt"]);
}

#[test]
fn p6_a_configuration_that_is_wrong_gives_no_secret_away_and_no_file_is_overwritten() {
    let world = world();
    let programs = programs(&world, &[("journalctl", "echo line"), ("systemctl", "echo ActiveState=active")]);
    let path = config(&world);
    let broken = [
        ("client_id = ", "client_idd = "),
        (
            "client_secret_file = \"",
            "client_secret = \"s3cr3t-in-the-file\"\nclient_secret_file = \"not-a-path-but-s3cr3t",
        ),
        ("[retry]", "[retry"),
    ];
    let mut text = fs::read_to_string(&path).unwrap();
    for (from, to) in broken {
        text = text.replacen(from, to, 1);
        fs::write(&path, &text).unwrap();
        let file = world.dir.path().join("bundle.tar.gz");
        let _ = fs::remove_file(&file);
        let run = || {
            let mut command = Command::new(env!("CARGO_BIN_EXE_datadrop"));
            command.arg("--config").arg(&path).arg("support-bundle").arg(&file).env("PATH", &programs);
            command.output().unwrap()
        };
        let output = run();
        assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
        let all = Command::new("tar").arg("-xzOf").arg(&file).output().unwrap();
        let all = stdout(&all) + &stderr(&output);
        for secret in [CLIENT, COMPANY, "s3cr3t-in-the-file", "not-a-path-but-s3cr3t", WEBHOOK, HEARTBEAT] {
            assert!(!all.contains(secret), "{to}: {secret}:\n{all}");
        }
        let before = fs::read(&file).unwrap();
        let again = run();
        assert_eq!(again.status.code(), Some(1));
        assert!(stderr(&again).contains("File exists"), "{}", stderr(&again));
        assert_eq!(fs::read(&file).unwrap(), before);
    }
}

/// A bundle in an account's folder would be sent.
#[test]
fn no_bundle_is_written_where_it_would_be_sent() {
    let world = World::new();
    let daemon = world.start();
    for place in ["bundle.txt", "done/bundle.txt"] {
        let file = world.folder("a").join(place);
        let refused = world.run(&["support-bundle", file.to_str().unwrap()]);
        assert_eq!(refused.status.code(), Some(2), "{refused:?}");
        assert!(!file.exists());
    }
    daemon.stop();
}
