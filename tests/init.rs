//! `init`: creates a working configuration, by flags and at a terminal.

use crate::harness::{SECRET, World, quick, stderr, stdout, tagged};
use datadrop::emulator::{Dialect, EmulatorOptions, Rows};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use serde_json::json;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;

/// The surroundings of `init`: an API with these accounts, and a directory for the configuration.
struct Fresh {
    world: World,
}

impl Fresh {
    fn with(accounts: &[(&str, i64)], companies: &[&str]) -> Self {
        Self::at(quick(), accounts, companies)
    }

    /// With a server that behaves like this.
    fn at(options: EmulatorOptions, accounts: &[(&str, i64)], companies: &[&str]) -> Self {
        let world = World::with_emulator(EmulatorOptions {
            accounts: accounts.iter().map(|(suite, id)| ((*suite).to_owned(), *id)).collect(),
            companies: companies.iter().map(|&company| company.to_owned()).collect(),
            credentials: Some(("client".to_owned(), SECRET.into())),
            ..options
        });
        Self { world }
    }

    /// Delivers the dropped files with the configuration that `init` wrote.
    fn deliver(&self) -> Output {
        Command::new(env!("CARGO_BIN_EXE_datadrop"))
            .args(["run", "--once", "--timeout", "30s", "--config"])
            .arg(self.config())
            .envs([("DATADROP__POLL__FIRST", "100ms"), ("DATADROP__WATCH__SETTLE_UNWATCHED", "200ms")])
            .env("DATADROP__STATE_DIR", self.world.dir.path().join("init-state"))
            .output()
            .unwrap()
    }

    fn config(&self) -> PathBuf {
        self.world.dir.path().join("etc/datadrop.toml")
    }

    fn secret(&self) -> PathBuf {
        self.world.dir.path().join("etc/client_secret")
    }

    fn command(&self, more: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_datadrop"));
        let emulator = self.world.emulator();
        command
            .args(["init", "--base-url", &emulator.base_url(), "--token-url", &emulator.token_url(), "--config"])
            .arg(self.config())
            .args(more)
            .env("NO_COLOR", "1");
        command
    }

    /// Runs `init` with a secret on standard input.
    fn run(&self, secret: &str, more: &[&str]) -> Output {
        let mut child = self
            .command(&["--client-secret-file", "-"])
            .args(more)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // `init` may refuse before it reads the secret.
        let _ = child.stdin.take().unwrap().write_all(secret.as_bytes());
        child.wait_with_output().unwrap()
    }

    fn nothing_was_written(&self) -> bool {
        !self.config().exists() && !self.secret().exists()
    }
}

#[test]
fn the_configuration_of_init_works_and_is_never_overwritten() {
    let fresh = Fresh::with(&[("examplersid", 621)], &["examplecompany"]);
    let folder = fresh.world.folder("a");
    let flags = ["--client-id", "client", "--report-suite", "examplersid", "--folder", folder.to_str().unwrap()];
    let written = fresh.run(SECRET, &flags);
    assert!(written.status.success(), "{}", stderr(&written));
    assert!(!stdout(&written).contains(SECRET) && !stderr(&written).contains(SECRET));
    let text = fs::read_to_string(fresh.config()).unwrap();
    assert!(text.contains("global_company_id = \"examplecompany\"") && !text.contains(SECRET), "{text}");
    assert_eq!(fs::read_to_string(fresh.secret()).unwrap().trim_end(), SECRET);
    assert_eq!(fs::metadata(fresh.secret()).unwrap().permissions().mode() & 0o777, 0o600);

    fs::write(folder.join("sales.txt"), tagged("sales")).unwrap();
    let run = fresh.deliver();
    assert!(run.status.success(), "{}", stderr(&run));
    assert_eq!(fresh.world.accepted(), ["sales.txt"]);

    let again = fresh.run(SECRET, &flags);
    assert_eq!(again.status.code(), Some(2));
    assert!(stderr(&again).contains("exists already"), "{}", stderr(&again));
    assert_eq!(fs::read_to_string(fresh.config()).unwrap(), text);
    fs::remove_file(fresh.config()).unwrap();
    let secret_stays = fresh.run("another", &flags);
    assert_eq!(secret_stays.status.code(), Some(2));
    assert_eq!(fs::read_to_string(fresh.secret()).unwrap().trim_end(), SECRET);
    assert!(!fresh.config().exists());
}

/// The first contact: datadrop knows only what Adobe documents today, which differs from the guide.
#[test]
fn from_init_to_the_first_success_at_each_server_that_adobe_may_be() {
    let today = || EmulatorOptions { dialect: Dialect::Current, rows: Rows::File, ..quick() };
    let gateway = |status| EmulatorOptions { put_status: Some(status), ..today() };
    for (server, options) in [
        ("as documented today", today()),
        ("no PUT, 404", gateway(404)),
        ("no PUT, 403", gateway(403)),
        ("the guide's", quick()),
    ] {
        let fresh = Fresh::at(options, &[("examplersid", 621)], &["examplecompany"]);
        let folder = fresh.world.folder("a");
        let flags = ["--client-id", "client", "--report-suite", "examplersid", "--folder", folder.to_str().unwrap()];
        let written = fresh.run(SECRET, &flags);
        assert!(written.status.success(), "{server}: {}", stderr(&written));
        for (name, content) in
            [("sales.txt", tagged("sales")), ("costs.txt", tagged("costs")), ("costs.fin", Vec::new())]
        {
            fs::write(folder.join(name), content).unwrap();
        }
        let run = fresh.deliver();
        assert!(run.status.success(), "{server}: {}", stderr(&run));
        let mut accepted = fresh.world.accepted();
        accepted.retain(|name| name != "costs.fin");
        assert_eq!(accepted, ["costs.txt", "sales.txt"], "{server}");
        let put = usize::from(server != "the guide's");
        let markers = fresh.world.accepted().len() - 2;
        assert_eq!(
            usize::try_from(fresh.world.emulator().requests().uploads).unwrap(),
            2 + put + markers,
            "{server}: learnt from one request"
        );
        assert!(!stderr(&run).contains("is blocked"), "{server}: {}", stderr(&run));
    }
}

#[test]
fn init_shows_zone_and_currency_and_refuses_a_virtual_report_suite() {
    let fresh = Fresh::with(&[("examplersid", 621)], &["examplecompany"]);
    let flags = ["--client-id", "client", "--report-suite", "examplersid"];
    let emulator = fresh.world.emulator();
    emulator.change_suite("examplersid", &json!({ "suite": { "parentRsid": "whole" } }));
    let refused = fresh.run(SECRET, &flags);
    assert_eq!(refused.status.code(), Some(1), "{}", stderr(&refused));
    assert!(stderr(&refused).contains("is virtual") && stderr(&refused).contains("--report-suite whole"));
    assert!(fresh.nothing_was_written());
    emulator.change_suite("examplersid", &json!({ "suite": { "parentRsid": null, "timezoneZoneinfo": "US/Pacific" } }));
    let written = fresh.run(SECRET, &flags);
    assert!(written.status.success(), "{}", stderr(&written));
    let shown = "report suite examplersid: time zone US/Pacific, currency USD, 106 metrics, 106 dimensions";
    assert!(stdout(&written).lines().any(|line| line == shown), "{}", stdout(&written));

    let fresh = Fresh::with(&[("examplersid", 621)], &["examplecompany"]);
    fresh.world.fault("suite:403");
    let written = fresh.run(SECRET, &flags);
    assert!(written.status.success(), "nothing depends on it: {}", stderr(&written));
    assert!(stdout(&written).contains("not read, and not needed: "), "{}", stdout(&written));
}

#[test]
fn init_never_guesses_between_companies_or_accounts() {
    let fresh = Fresh::with(&[("examplersid", 621), ("examplersid", 622)], &["one", "two"]);
    let flags = ["--client-id", "client", "--report-suite", "examplersid"];
    let which = fresh.run(SECRET, &flags);
    assert_eq!(which.status.code(), Some(2));
    assert!(stderr(&which).contains("--company") && stderr(&which).contains("two"), "{}", stderr(&which));
    let which = fresh.run(SECRET, &[&flags[..], &["--company", "two"]].concat());
    assert_eq!(which.status.code(), Some(2));
    assert!(stderr(&which).contains("--data-source") && stderr(&which).contains("622"), "{}", stderr(&which));
    let none = fresh.run(SECRET, &[&flags[..], &["--company", "two", "--data-source", "7"]].concat());
    assert_eq!(none.status.code(), Some(4));
    assert!(stderr(&none).contains("621"), "{}", stderr(&none));
    assert!(fresh.nothing_was_written());
    let chosen = fresh.run(SECRET, &[&flags[..], &["--company", "two", "--data-source", "622"]].concat());
    assert!(chosen.status.success(), "{}", stderr(&chosen));
}

#[test]
fn a_wrong_or_missing_secret_is_reported_and_nothing_is_written() {
    let fresh = Fresh::with(&[("examplersid", 621)], &["examplecompany"]);
    let flags = ["--client-id", "client", "--report-suite", "examplersid"];
    let refused = fresh.run("wr0ng-secret", &flags);
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("client secret in the Developer Console"), "{}", stderr(&refused));
    assert!(!stderr(&refused).contains("wr0ng-secret"));
    for (secret, more) in [("", &flags[..]), ("two\nlines", &flags[..]), (SECRET, &flags[..2])] {
        let output = fresh.run(secret, more);
        assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    }
    let none = fresh.command(&flags).stdin(Stdio::null()).output().unwrap();
    assert_eq!(none.status.code(), Some(2));
    assert!(stderr(&none).contains("--client-secret-file"), "{}", stderr(&none));
    let bad = fresh.run(SECRET, &[&flags[..], &["--name", "call centre"]].concat());
    assert_eq!(bad.status.code(), Some(2));
    assert!(stderr(&bad).contains("name"), "{}", stderr(&bad));
    assert!(fresh.nothing_was_written());
}

#[test]
fn a_report_suite_without_accounts_can_get_its_first_one() {
    let fresh = Fresh::with(&[("elsewhere", 1)], &["examplecompany"]);
    let flags = ["--client-id", "client", "--report-suite", "examplersid"];
    let none = fresh.run(SECRET, &flags);
    assert_eq!(none.status.code(), Some(1));
    assert!(stderr(&none).contains("--create-account"), "{}", stderr(&none));
    let created = fresh.run(SECRET, &[&flags[..], &["--create-account", "Call Centre"]].concat());
    assert!(created.status.success(), "{}", stderr(&created));
    let text = fs::read_to_string(fresh.config()).unwrap();
    assert!(text.contains("name = \"call-centre\"") && text.contains("data_source_id = 1"), "{text}");
}

/// A person at a terminal, who waits for a question and then answers.
struct Person {
    terminal: File,
    shown: mpsc::Receiver<u8>,
    seen: String,
}

impl Person {
    fn answers(&mut self, question: &str, answer: &str) {
        let start = self.seen.len();
        while !self.seen[start..].contains(question) {
            let byte = self.shown.recv_timeout(crate::harness::PATIENCE).unwrap_or_else(|_| {
                panic!("waited in vain for {question:?} in {:?}", self.seen);
            });
            self.seen.push(char::from(byte));
        }
        writeln!(self.terminal, "{answer}").unwrap();
    }
}

#[test]
fn a_person_is_asked_and_the_secret_is_not_shown() {
    let fresh = Fresh::with(&[("examplersid", 621), ("examplersid", 622)], &["one", "two"]);
    let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
    let side = || OpenOptions::new().read(true).write(true).open(&name).unwrap();
    let mut child = fresh.command(&[]).stdin(side()).stdout(side()).stderr(side()).spawn().unwrap();
    let terminal = File::from(master);
    let mut output = terminal.try_clone().unwrap();
    let (sender, shown) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let mut byte = [0];
        // A closed terminal returns an error.
        while let Ok(1) = output.read(&mut byte) {
            if sender.send(byte[0]).is_err() {
                return;
            }
        }
    });
    let mut person = Person { terminal, shown, seen: String::new() };
    person.answers("client ID: ", "client");
    person.answers("not shown): ", SECRET);
    person.answers("company, one of these: ", "three");
    person.answers("company, one of these: ", "two");
    person.answers("report suite ID: ", "examplersid");
    person.answers("account, one of these: ", "622");
    person.answers("[account-622]: ", "returns");
    person.answers("[/srv/datadrop/returns]: ", "");
    assert!(child.wait().unwrap().success(), "{}", person.seen);
    drop(person.terminal);
    reader.join().unwrap();
    person.seen.extend(person.shown.try_iter().map(char::from));
    assert!(!person.seen.contains(SECRET), "{}", person.seen);
    let text = fs::read_to_string(fresh.config()).unwrap();
    assert!(text.contains("\"two\"") && text.contains("622") && text.contains("/srv/datadrop/returns"), "{text}");
}
