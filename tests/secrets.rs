//! P6: no secret reaches a log, the job log, an error text or a list of processes.

use crate::harness::{SECRET, World, quick, stderr, stdout, tagged};
use datadrop::emulator::EmulatorOptions;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

/// Collects every file below a directory with its content.
fn contents(dir: &Path, into: &mut Vec<(String, Vec<u8>)>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            contents(&path, into);
        } else if path.is_file() {
            into.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
}

fn holds(content: &[u8], secret: &str) -> bool {
    content.windows(secret.len()).any(|window| window == secret.as_bytes())
}

#[test]
fn no_secret_is_found_anywhere_after_a_day_of_trouble() {
    let accounts = vec![("suitea".to_owned(), 1)];
    let credentials = Some(("test".to_owned(), SECRET.into()));
    let mut world = World::with_emulator(EmulatorOptions { accounts, credentials, ..quick() });
    world.sections(
        "[log]\nlevel = \"trace\"\n[watch]\nsettle = \"200ms\"\n[poll]\nfirst = \"150ms\"\nmax = \"500ms\"\n\
         [retry]\nfirst = \"50ms\"\nmax = \"500ms\"\n[upload]\nconfirm_for = \"400ms\"\n",
    );
    let mut found: Vec<(String, Vec<u8>)> = Vec::new();
    let said = |found: &mut Vec<_>, what: &str, output: &Output| {
        found.push((what.to_owned(), [stdout(output), stderr(output)].concat().into_bytes()));
    };
    let daemon = world.start();
    let mut tokens = Vec::new();
    for (number, fault) in
        ["upload:401:n=1", "upload:400:n=1", "upload:after-commit:garbage:n=1", "list:html:n=1", "token:400:n=2"]
            .into_iter()
            .enumerate()
    {
        world.fault(fault);
        tokens.extend(world.emulator().given_tokens());
        world.emulator().revoke_tokens();
        let name = format!("{number}.txt");
        world.drop_file("a", &name, tagged(&name));
        world.wait_for_end(&name);
    }
    for process in fs::read_dir("/proc").unwrap().flatten() {
        // Processes come and go meanwhile.
        if let Ok(line) = fs::read(process.path().join("cmdline")) {
            found.push((process.path().display().to_string(), line));
        }
    }
    let mine = format!("/proc/{}", daemon.pid());
    assert!(found.iter().any(|(place, line)| *place == mine && line.ends_with(b"run\0")));

    let shown = world.run(&["accounts", "show", "1", "--json", "--show-secrets"]);
    let account: serde_json::Value = serde_json::from_str(&stdout(&shown)).unwrap();
    let ftp_password = account["ftp_password"].as_str().unwrap().to_owned();
    for fault in ["account:after-commit:truncated", "account:after-commit:garbage", "account:401"] {
        world.emulator().clear_faults();
        world.fault(fault);
        said(&mut found, fault, &world.run(&["accounts", "list"]));
        said(&mut found, fault, &world.run(&["accounts", "show", "1"]));
    }
    world.emulator().clear_faults();
    for arguments in [
        &["accounts", "list"][..],
        &["accounts", "show", "1", "--json"],
        &["jobs", "list", "--json"],
        &["jobs", "show", "1", "--json"],
        &["jobs", "list", "--remote"],
        &["status", "--json"],
    ] {
        said(&mut found, &arguments.join(" "), &world.run(arguments));
    }
    // A wrong secret, and a secret of another kind. Both are reported without the secret.
    let wrong = "wr0ng-but-still-secret";
    fs::write(world.secret_file(), wrong).unwrap();
    said(&mut found, "with a wrong secret", &world.run(&["accounts", "list"]));
    world.emulator().revoke_tokens();
    world.drop_file("a", "last.txt", tagged("last"));
    world.wait_blocked("a");
    tokens.extend(world.emulator().given_tokens());
    daemon.stop();

    // The error of a wrong configuration quotes lines, but no secret.
    let text = fs::read_to_string(world.config_file()).unwrap();
    let wrong_keys = format!("client_secret = {SECRET:?}\nclient_secret_fiel = ");
    let wrong_config = tempfile::NamedTempFile::new().unwrap();
    fs::write(wrong_config.path(), text.replace("client_secret_file = ", &wrong_keys)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_datadrop"));
    let output = command.arg("--config").arg(wrong_config.path()).arg("run").output().unwrap();
    assert_eq!(output.status.code(), Some(78));
    said(&mut found, "a wrong configuration", &output);

    contents(world.dir.path(), &mut found);
    found.retain(|(name, _)| *name != world.secret_file().display().to_string());

    assert!(tokens.len() >= 3 && found.len() > 20, "{} tokens, {} places", tokens.len(), found.len());
    let secrets = tokens.iter().map(String::as_str).chain([SECRET, wrong, &ftp_password]);
    for secret in secrets {
        for (place, content) in &found {
            assert!(!holds(content, secret), "{secret} is in {place}:\n{}", String::from_utf8_lossy(content));
        }
    }
}
