//! A world for one test: folders, configuration, emulator, daemon.

mod authority;
mod chromium;
mod daemon;
mod disk;
mod hanging;
mod hook;
mod joblog;
mod mounted;
mod nobody;
mod relay;

pub use authority::Authority;
pub use chromium::Chromium;
pub use daemon::Daemon;
pub use disk::Disk;
pub use hanging::{HangingShare, Op, Quirks, within};
pub use hook::Hook;
pub use joblog::{Attempt, Row, connect, connect_to_write};
pub use mounted::Mounted;
pub use nobody::{NOBODY, as_nobody, command};
pub use relay::{Act, Answer, Ending, Head, Manner, Relay};

use datadrop::emulator::{AccountKey, Emulator, EmulatorOptions, LedgerEntry, Upload};
use datadrop::folder::directory::Directory;
use datadrop::job::UploadStyle;
use sha2::Digest as _;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// The longest that anything a test waits for may take, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// The client secret of every world.
pub const SECRET: &str = "s3cr3t-of-the-test";

/// Everything that a test needs, in a directory of its own. What it starts ends with it.
pub struct World {
    pub dir: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    emulator: Option<Emulator>,
    accounts: Vec<(String, String)>,
    api: BTreeMap<String, String>,
    sections: String,
}

/// An emulator that processes within 300 ms, without rate limit.
pub fn quick() -> EmulatorOptions {
    EmulatorOptions { processing: Duration::from_millis(300), rate_limit: None, ..EmulatorOptions::default() }
}

impl World {
    /// A [`quick`] emulator and one account `a`.
    pub fn new() -> Self {
        Self::with_emulator(quick())
    }

    pub fn with_emulator(options: EmulatorOptions) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let emulator = runtime.block_on(Emulator::start(options)).unwrap();
        let dir = local_dir();
        let secret = dir.path().join("secret");
        fs::write(&secret, format!("{SECRET}\n")).unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        let mut world = Self {
            dir,
            runtime,
            emulator: Some(emulator),
            accounts: Vec::new(),
            api: [("global_company_id", "\"examplecompany\""), ("rate_limit", "\"off\""), ("timeout", "\"3s\"")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            sections:
                "[watch]\nsettle = \"200ms\"\nsettle_max = \"500ms\"\nsettle_unwatched = \"300ms\"\nrescan = \"2s\"\n\
                       [poll]\nfirst = \"150ms\"\nmax = \"500ms\"\n\
                       [retry]\nfirst = \"50ms\"\nmax = \"500ms\"\n\
                       [upload]\nconfirm_for = \"400ms\"\n"
                    .to_owned(),
        };
        let (base_url, token_url) = (world.emulator().base_url(), world.emulator().token_url());
        world.api("base_url", &format!("{base_url:?}")).api("token_url", &format!("{token_url:?}"));
        world.account("a", "");
        world
    }

    /// Sets a key of `[api]` to a TOML value.
    pub fn api(&mut self, key: &str, value: &str) -> &mut Self {
        self.api.insert(key.to_owned(), value.to_owned());
        self
    }

    /// Puts something between the daemon and the emulator that meddles with what passes. It is asked at this address
    /// from now on.
    pub fn relay(&mut self, scheme: &str, manner: Manner, act: impl Fn(&Head) -> Act + Send + Sync + 'static) -> Relay {
        let relay = Relay::start(self.emulator().address(), manner, act);
        self.server(&format!("{scheme}://{}", relay.address()));
        relay
    }

    /// Where the daemon finds API and tokens.
    pub fn server(&mut self, origin: &str) -> &mut Self {
        self.api("base_url", &format!("\"{origin}/api\"")).api("token_url", &format!("\"{origin}/ims/token/v3\""))
    }

    /// Adds an account, or gives one other keys; its folder exists from here on.
    pub fn account(&mut self, name: &str, keys: &str) -> &mut Self {
        fs::create_dir_all(self.folder(name)).unwrap();
        match self.accounts.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => keys.clone_into(known),
            None => self.accounts.push((name.to_owned(), keys.to_owned())),
        }
        self
    }

    /// Replaces the sections `[watch]`, `[poll]`, `[retry]`, `[upload]` … of the configuration.
    pub fn sections(&mut self, toml: &str) -> &mut Self {
        toml.clone_into(&mut self.sections);
        self
    }

    /// The sections as they stand.
    pub fn sections_text(&self) -> &str {
        &self.sections
    }

    /// Changes one line of the sections.
    pub fn set(&mut self, from: &str, to: &str) -> &mut Self {
        assert!(self.sections.contains(from), "{from:?} is not in:\n{}", self.sections);
        self.sections = self.sections.replace(from, to);
        self
    }

    /// Takes an account out of the configuration.
    pub fn remove_account(&mut self, name: &str) -> &mut Self {
        self.accounts.retain(|(known, _)| known != name);
        self
    }

    pub fn folder(&self, account: &str) -> PathBuf {
        self.dir.path().join(account)
    }

    pub fn state_dir(&self) -> PathBuf {
        self.dir.path().join("state")
    }

    pub fn config_file(&self) -> PathBuf {
        self.dir.path().join("datadrop.toml")
    }

    pub fn secret_file(&self) -> PathBuf {
        self.dir.path().join("secret")
    }

    pub fn emulator(&self) -> &Emulator {
        self.emulator.as_ref().unwrap()
    }

    /// Adds a fault to the emulator.
    pub fn fault(&self, rule: &str) {
        self.emulator().add_fault(rule.parse().unwrap());
    }

    /// Waits until the daemon knows where Adobe writes errors of an account's files, which its reasons name.
    pub fn wait_told_address(&self, account: &str) {
        let known = "SELECT error_address IS NOT NULL FROM account WHERE name = ?1";
        self.wait("the address to be read", || {
            connect(&self.state_dir())
                .is_some_and(|log| log.query_row(known, [account], |row| row.get(0)).unwrap_or(false))
        });
    }

    /// A file that comes to an account by another way than datadrop (a colleague, the old script); its job ID.
    pub fn somebody_sends(&self, account: &str, name: &str, content: impl AsRef<[u8]>) -> i64 {
        let account = AccountKey { report_suite_id: format!("suite{account}"), data_source_id: 1 };
        self.emulator().insert(Upload::new(account, name.to_owned(), UploadStyle::PutJson, content.as_ref())).0
    }

    /// The server goes away, and all that it knew.
    pub fn stop_emulator(&mut self) {
        if let Some(emulator) = self.emulator.take() {
            self.runtime.block_on(emulator.stop());
        }
    }

    /// Another server at the address of the one that was stopped.
    pub fn start_emulator(&mut self, options: EmulatorOptions) {
        let url = self.api["base_url"].trim_matches('"');
        let address = url.trim_start_matches("http://").trim_end_matches("/api").parse().unwrap();
        let options = EmulatorOptions { listen: address, ..options };
        let until = Instant::now() + PATIENCE;
        self.emulator = Some(loop {
            match self.runtime.block_on(Emulator::start(options.clone())) {
                Ok(emulator) => break emulator,
                // The connection of another test has this port just now.
                Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && Instant::now() < until => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(error) => panic!("{error}"),
            }
        });
    }

    /// Writes the configuration as it stands.
    pub fn write_config(&self) -> PathBuf {
        let mut toml = format!(
            "state_dir = {:?}\n[api]\nclient_id = \"test\"\nclient_secret_file = {:?}\n",
            self.state_dir(),
            self.secret_file(),
        );
        for (key, value) in &self.api {
            writeln!(toml, "{key} = {value}").unwrap();
        }
        toml.push_str(&self.sections);
        for (name, keys) in &self.accounts {
            write!(
                toml,
                "[[account]]\nname = {name:?}\nreport_suite_id = \"suite{name}\"\ndata_source_id = 1\nfolder = {:?}\n{keys}\n",
                self.folder(name)
            )
            .unwrap();
        }
        fs::write(self.config_file(), toml).unwrap();
        self.config_file()
    }

    /// Starts the daemon and waits until it says that it is ready.
    pub fn start(&self) -> Daemon {
        let daemon = self.start_unready();
        daemon.wait_ready();
        daemon
    }

    /// Starts the daemon.
    pub fn start_unready(&self) -> Daemon {
        Daemon::start(self.dir.path(), &self.write_config())
    }

    /// Runs a command of the binary to its end.
    pub fn run(&self, arguments: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_datadrop"))
            .arg("--config")
            .arg(self.write_config())
            .args(arguments)
            .env("NO_COLOR", "1")
            .output()
            .unwrap()
    }

    /// Puts a file into an account's folder by a rename from the same file system.
    pub fn drop_file(&self, account: &str, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let hidden = self.dir.path().join("being-dropped");
        fs::write(&hidden, content).unwrap();
        let path = self.folder(account).join(name);
        fs::rename(&hidden, &path).unwrap();
        path
    }

    /// Writes a file into an account's folder in place, as a plain `cp` does.
    pub fn write_file(&self, account: &str, name: impl AsRef<Path>, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.folder(account).join(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// Why an account is blocked; empty if it is not.
    pub fn blocked(&self, account: &str) -> String {
        self.status(account)["blocked"].as_str().unwrap_or_default().to_owned()
    }

    /// Every file was accepted once, byte for byte, and nothing else was.
    pub fn assert_delivered(&self, files: &[(&str, &str, &[u8])]) {
        let mut wanted: Vec<_> = files
            .iter()
            .map(|(account, name, content)| (format!("suite{account}"), (*name).to_owned(), sha256(content)))
            .collect();
        let mut found: Vec<_> =
            self.ledger().into_iter().map(|entry| (entry.report_suite_id, entry.name, entry.sha256)).collect();
        wanted.sort();
        found.sort();
        assert_eq!(found, wanted);
    }

    /// What the server accepted, in order.
    pub fn ledger(&self) -> Vec<LedgerEntry> {
        self.emulator().ledger()
    }

    /// The names that the server accepted, in order.
    pub fn accepted(&self) -> Vec<String> {
        self.ledger().into_iter().map(|entry| entry.name).collect()
    }

    /// How often the server accepted this name.
    pub fn times_accepted(&self, name: &str) -> usize {
        self.accepted().iter().filter(|accepted| *accepted == name).count()
    }

    /// What `status --json` says of an account.
    pub fn status(&self, account: &str) -> serde_json::Value {
        let report: serde_json::Value = serde_json::from_str(&stdout(&self.run(&["status", "--json"]))).unwrap();
        let accounts = report["accounts"].as_array().unwrap();
        accounts.iter().find(|found| found["name"] == account).unwrap().clone()
    }

    /// Waits until `status --json` says that an account is blocked, and why.
    pub fn wait_blocked(&self, account: &str) -> String {
        let mut why = None;
        self.wait(&format!("{account} to be blocked"), || {
            why = self.status(account)["blocked"].as_str().map(str::to_owned);
            // So it is for a moment at each start.
            why.as_ref().is_some_and(|why| why != "the folder has not been opened yet")
        });
        why.unwrap()
    }

    /// How far the attempt in progress of a job has come.
    pub fn phase(&self, job: i64) -> Option<String> {
        joblog::phase(&self.state_dir(), job)
    }

    /// Jobs with an attempt that has come so far.
    pub fn jobs_in_phase(&self, phase: &str) -> i64 {
        joblog::jobs_in_phase(&self.state_dir(), phase)
    }

    /// The attempts of a job, oldest first.
    pub fn attempts(&self, job: i64) -> Vec<Attempt> {
        joblog::attempts(&self.state_dir(), job)
    }

    /// How its attempts ended, oldest first.
    pub fn outcomes(&self, job: &Row) -> Vec<String> {
        self.attempts(job.id).into_iter().filter_map(|attempt| attempt.outcome).collect()
    }

    /// The job log, oldest first.
    pub fn jobs(&self) -> Vec<Row> {
        joblog::read(&self.state_dir())
    }

    /// Waits until the newest job of this name is in this state, and returns it.
    pub fn wait_for(&self, file_name: &str, state: &str) -> Row {
        let mut found = None;
        self.wait(&format!("{file_name} to be {state}"), || {
            found = self.jobs().into_iter().rfind(|job| job.file_name == file_name);
            found.as_ref().is_some_and(|job| job.state == state)
        });
        found.unwrap()
    }

    /// How many jobs a condition on the view `job_log` lets through.
    pub fn count(&self, condition: &str) -> i64 {
        joblog::connect(&self.state_dir())
            .and_then(|connection| {
                connection
                    .query_row(&format!("SELECT count(*) FROM job_log WHERE {condition}"), [], |row| row.get(0))
                    .ok()
            })
            .unwrap_or(0)
    }

    /// Waits until the newest job of this name is at its end, whichever that is.
    pub fn wait_for_end(&self, file_name: &str) -> Row {
        let mut found = None;
        self.wait(&format!("{file_name} to be at its end"), || {
            found = self.jobs().into_iter().rfind(|job| job.file_name == file_name);
            let ends = ["success", "partial", "failure", "rejected", "cancelled"];
            found.as_ref().is_some_and(|job| ends.contains(&job.state.as_str()))
        });
        found.unwrap()
    }

    /// Waits until something holds, and shows the whole picture if it never does.
    pub fn wait(&self, what: &str, holds: impl FnMut() -> bool) {
        self.wait_until(Instant::now() + PATIENCE, Duration::from_millis(10), what, holds);
    }

    /// The same for what takes minutes on a slow machine.
    pub fn wait_long(&self, what: &str, holds: impl FnMut() -> bool) {
        self.wait_until(Instant::now() + 10 * PATIENCE, Duration::from_millis(200), what, holds);
    }

    fn wait_until(&self, deadline: Instant, every: Duration, what: &str, mut holds: impl FnMut() -> bool) {
        while !holds() {
            assert!(Instant::now() <= deadline, "waited in vain for {what}\n{}", self.picture());
            std::thread::sleep(every);
        }
    }

    /// Waits until the server has accepted so many files.
    pub fn wait_accepted(&self, files: usize) {
        let accepted = async { tokio::time::timeout(PATIENCE, self.emulator().accepted(files)).await };
        if self.runtime.block_on(accepted).is_err() {
            self.wait(&format!("{files} files to be accepted"), || self.accepted().len() >= files);
        }
    }

    /// The state of everything, for the reader of a failed test.
    fn picture(&self) -> String {
        const SHOWN: usize = 40;
        let (mut jobs, log) = (self.jobs(), self.log());
        // What is not well explains more.
        jobs.sort_by_key(|job| (job.state == "success", job.id));
        let accepted = if self.emulator.is_some() { self.accepted() } else { Vec::new() };
        let mut picture = format!("{} jobs, the first of them:\n", jobs.len());
        for job in jobs.iter().take(SHOWN) {
            writeln!(picture, "  {job:?}").unwrap();
        }
        let shown: Vec<_> = accepted.iter().take(SHOWN).collect();
        writeln!(picture, "{} accepted, the first of them: {shown:?}\nthe end of the log:", accepted.len()).unwrap();
        let lines: Vec<_> = log.lines().collect();
        for line in &lines[lines.len().saturating_sub(SHOWN)..] {
            writeln!(picture, "  {line}").unwrap();
        }
        picture
    }

    /// No secret reached the log, the job log or the folders: neither these nor the client secret nor a token.
    #[track_caller]
    pub fn assert_keeps(&self, secrets: &[&str]) {
        let secrets: Vec<&str> = [SECRET].iter().chain(secrets).copied().collect();
        let mut folders = vec![self.dir.path().to_owned()];
        let mut files = 0;
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.is_file() && path != self.secret_file() && path != self.config_file() {
                    let content = String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned();
                    for secret in &secrets {
                        assert!(!content.contains(secret), "{} holds {secret:?}", path.display());
                    }
                    assert!(!holds_token(&content), "{} holds a token", path.display());
                    files += 1;
                }
            }
        }
        assert!(files >= 3, "the log and the job log were looked at");
    }

    /// The daemon's log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }
}

/// Whether there is a token of the emulator in it; its request and error IDs begin alike and are shorter.
fn holds_token(text: &str) -> bool {
    let digits = |rest: &str| rest.bytes().take_while(u8::is_ascii_hexdigit).count();
    text.split("emulated-").skip(1).any(|rest| digits(rest) >= 32)
}

/// A world in which the account has had a file accepted: its style is learnt, and looks have something to compare with.
pub fn primed(world: &World) -> Daemon {
    let daemon = world.start();
    world.drop_file("a", "first.txt", data(1));
    world.wait_for("first.txt", "success");
    daemon
}

/// Ended well, and the server took it once.
#[track_caller]
pub fn arrived_once(world: &World, name: &str) -> Row {
    let job = world.wait_for(name, "success");
    assert_eq!(world.times_accepted(name), 1, "{:?}", world.accepted());
    job
}

/// A directory on a file system that is known to be local: anywhere else a file waits for a minute, and a test with it.
fn local_dir() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let file_system = |path: &Path| Directory::open(path).unwrap().file_system();
    if file_system(dir.path()).is_known_local() {
        return dir;
    }
    let (found, memory) = (file_system(dir.path()).name(), Path::new("/dev/shm"));
    assert!(
        memory.is_dir() && file_system(memory).is_known_local(),
        "{} is on {found}, which is not known to be local; let TMPDIR name a folder on a local disk",
        dir.path().display()
    );
    eprintln!("{} is on {found}, which is not known to be local: /dev/shm is used instead", dir.path().display());
    tempfile::tempdir_in(memory).unwrap()
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop_emulator();
    }
}

/// The names in a directory, sorted, without dotfiles.
pub fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .map(|entries| entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect())
        .unwrap_or_default();
    names.retain(|name| !name.starts_with('.'));
    names.sort();
    names
}

/// A valid data file with so many rows.
pub fn data(rows: usize) -> String {
    let mut text = "# made by a test\nDate\tEvar 1\tEvent 1\n".to_owned();
    for row in 0..rows {
        writeln!(text, "11/20/2026\tvalue {row}\t{row}").unwrap();
    }
    text
}

/// A valid data file that is like no other.
pub fn tagged(tag: impl std::fmt::Display) -> Vec<u8> {
    format!("Date\tEvar 1\tEvent 1\n11/20/2026\t{tag}\t1\n").into_bytes()
}

/// A valid data file of at least so many bytes.
pub fn large(tag: &str, bytes: usize) -> Vec<u8> {
    let row = format!("11/20/2026\t{tag} {}\t1\n", "x".repeat(200));
    let mut text = "Date\tEvar 1\tEvent 1\n".to_owned();
    while text.len() < bytes {
        text.push_str(&row);
    }
    text.into_bytes()
}

/// The SHA-256 of some content in hexadecimal digits.
pub fn sha256(content: impl AsRef<[u8]>) -> String {
    datadrop::job::Sha256::new(sha2::Sha256::digest(content).into()).to_string()
}

/// Standard output as text.
pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// Standard error as text.
pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A number that others depend on and that a seed repeats.
pub struct Dice(pub u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

/// A number that a variable of the environment gives for longer runs.
pub fn number(variable: &str, usual: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(usual)
}

/// A directory that is at two places at once, until this is dropped.
pub struct Bound(PathBuf);

/// Says that something is not tested here, and why. The test runner does not keep it to itself, as it does what a test that
/// passes has printed.
///
/// # Panics
/// If `DATADROP_TEST_EVERYTHING` is set.
pub fn skipped(what: &str) {
    assert!(std::env::var_os("DATADROP_TEST_EVERYTHING").is_none(), "not tested: {what}");
    std::io::stderr().write_all(format!("SKIPPED: {what}\n").as_bytes()).unwrap();
}

impl Bound {
    /// Mounts `from` at `to`; `None`, with a message, where only root may.
    pub fn new(from: &Path, to: &Path) -> Option<Self> {
        let bound = Command::new("mount").arg("--bind").args([from, to]).output().is_ok_and(|ran| ran.status.success());
        if !bound {
            skipped("only root may mount a directory at a second place");
        }
        bound.then(|| Self(to.to_owned()))
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}
