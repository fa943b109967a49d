//! A contestant as a process of its own: how it starts, when it is done, and what it costs.

use super::sink::JOBS;
use super::stage::{Stage, files_in};
use std::fmt::Write as _;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixDatagram;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Linux reports CPU time to programs in hundredths of a second, whatever the kernel's own clock is.
const TICKS_PER_SECOND: f64 = 100.0;

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Datadrop,
    /// Everything in memory.
    Memory,
    /// The same with a group-committed table.
    Sqlite,
    /// One `curl -Z` over a list of files that are there.
    Curl,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Datadrop, Self::Memory, Self::Sqlite, Self::Curl];

    pub fn name(self) -> &'static str {
        ["datadrop", "memory", "sqlite", "curl -Z"][self as usize]
    }
}

/// The settings of a run, the same for all contestants.
#[derive(Clone)]
pub struct Setup {
    pub binary: PathBuf,
    pub sink: SocketAddr,
    /// Uploads at the same time.
    pub in_flight: usize,
    /// As datadrop's `upload.style`.
    pub style: &'static str,
    /// 12 requests in 6 s.
    pub is_limited: bool,
    /// The command that starts it, with its arguments.
    pub under: Vec<String>,
    /// Each SQL statement is logged.
    pub logs_statements: bool,
}

/// A contestant at work; killed when dropped.
pub struct Running {
    kind: Kind,
    child: Child,
    inbox: PathBuf,
    /// What it writes to standard error.
    pub log: PathBuf,
    pub began: Instant,
    /// Time from the start until it watched its folder, in ms.
    pub ready_after: f64,
}

impl Running {
    /// Starts a contestant and waits until it watches its folder.
    pub fn start(kind: Kind, setup: &Setup, stage: &Stage) -> Self {
        let (inbox, state_dir) = (stage.inbox(), stage.state());
        let text = |path: PathBuf| path.display().to_string();
        let in_flight = if setup.is_limited { 1 } else { setup.in_flight }.to_string();
        let mut words = setup.under.clone();
        match kind {
            Kind::Datadrop => {
                words.extend([text(setup.binary.clone()), "--config".to_owned(), text(write_config(setup, stage))]);
                words.push("run".to_owned());
            }
            Kind::Memory | Kind::Sqlite => {
                let url = format!("http://{}{JOBS}", setup.sink);
                words.extend([text(std::env::current_exe().unwrap()), "peer".to_owned()]);
                words.extend(["--folder", &text(inbox.clone()), "--url", &url].map(str::to_owned));
                words.extend(["--style", setup.style, "--in-flight", &in_flight].map(str::to_owned));
                words.extend(setup.is_limited.then(|| "--pause-ms=500".to_owned()));
                words.extend((kind == Kind::Sqlite).then(|| format!("--table={}", state_dir.display())));
            }
            Kind::Curl => {
                let list = text(write_curl_list(setup, stage));
                words.extend(["curl", "-sS", "-Z", "--parallel-max", &in_flight, "-K", &list].map(str::to_owned));
            }
        }
        // The path of a socket must be short.
        let socket_path = std::env::temp_dir().join(format!("datadrop-bench-{}", std::process::id()));
        let socket = UnixDatagram::bind(&socket_path).unwrap();
        let log = state_dir.join("log");
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env("NOTIFY_SOCKET", &socket_path).env("NO_COLOR", "1").env_remove("JOURNAL_STREAM");
        if setup.logs_statements {
            command.env("BENCH_STATEMENTS", "1").env("DATADROP__LOG__LEVEL", "info,datadrop::joblog=trace");
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&log).unwrap());
        let began = Instant::now();
        let child = command.spawn().unwrap();
        let mut running = Self { kind, child, inbox, log, began, ready_after: 0.0 };
        if kind != Kind::Curl {
            running.wait_ready(&socket);
        }
        fs::remove_file(socket_path).unwrap();
        running
    }

    /// Waits for the message that systemd gets. The socket closes afterwards, so that a full one blocks no contestant.
    fn wait_ready(&mut self, socket: &UnixDatagram) {
        socket.set_read_timeout(Some(Duration::from_secs(600))).unwrap();
        let mut message = [0; 4096];
        loop {
            let Ok(length) = socket.recv(&mut message) else {
                panic!("{} is not ready; it said: {:?}", self.kind.name(), fs::read_to_string(&self.log));
            };
            if message[..length].split(|byte| *byte == b'\n').any(|line| line == b"READY=1") {
                self.ready_after = self.began.elapsed().as_secs_f64() * 1000.0;
                return;
            }
        }
    }

    /// Waits until nothing is left to do for these files. For datadrop, each must be `success` and in `done/`.
    pub fn wait_done(&self, files: usize) {
        let limit = Instant::now() + Duration::from_secs(600);
        while match self.kind {
            Kind::Datadrop => fs::read_dir(self.inbox.join("done")).map_or(0, Iterator::count) < files,
            // As a zombie it keeps its figures until `wait` collects it.
            Kind::Curl => !self.stat().starts_with('Z'),
            Kind::Memory | Kind::Sqlite => false,
        } {
            assert!(Instant::now() < limit, "{} is not done with {files} files", self.kind.name());
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn proc(&self, name: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{name}", self.child.id())).unwrap_or_default()
    }

    /// `/proc/PID/stat` from the state on: what is before it may hold spaces.
    fn stat(&self) -> String {
        self.proc("stat").rsplit_once(") ").unwrap().1.to_owned()
    }

    /// Time on a core so far, in seconds.
    pub fn cpu(&self) -> f64 {
        let ticks = self.stat().split(' ').skip(11).take(2).map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>();
        ticks / TICKS_PER_SECOND
    }

    /// `VmRSS`, `VmHWM` and `Pss` in MB; nothing for a process that has ended.
    pub fn memory(&self) -> impl Iterator<Item = (&'static str, f64)> {
        let text = self.proc("status") + &self.proc("smaps_rollup");
        let keys = [("VmRSS:", "memory, MB"), ("VmHWM:", "memory, highest, MB"), ("Pss:", "memory, own, MB")];
        keys.into_iter().filter_map(move |(key, measure)| {
            let line = text.lines().find_map(|line| line.strip_prefix(key))?;
            Some((measure, line.split_whitespace().next()?.parse::<f64>().ok()? / 1000.0))
        })
    }

    /// SIGTERM, and waits for the end.
    pub fn stop(mut self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn write_config(setup: &Setup, stage: &Stage) -> PathBuf {
    let (state_dir, inbox, config) = (stage.state(), stage.inbox(), stage.state().join("datadrop.toml"));
    let secret = state_dir.join("secret");
    fs::write(&secret, "of-the-benchmark\n").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let Setup { sink, in_flight, style, is_limited, .. } = setup;
    let rate = if *is_limited { "12/6s" } else { "off" };
    // By default a file that only a scan found rests for 5 s, which is no work.
    let text = format!(
        "state_dir = {state_dir:?}\n\
         [api]\nbase_url = \"http://{sink}/api\"\ntoken_url = \"http://{sink}/ims/token/v3\"\nglobal_company_id = \"co\"\n\
         client_id = \"bench\"\nclient_secret_file = {secret:?}\nrate_limit = \"{rate}\"\n\
         [upload]\nstyle = \"{style}\"\nmax_in_flight = {in_flight}\n\
         [poll]\nfirst = \"5s\"\n[watch]\nsettle_unwatched = \"1ms\"\n\
         [[account]]\nname = \"a\"\nreport_suite_id = \"suite\"\ndata_source_id = 1\ncheck = \"off\"\nfolder = {inbox:?}\n"
    );
    fs::write(&config, text).unwrap();
    config
}

/// Writes the file for `curl -K`: one upload for each file of the inbox. curl cannot make the JSON, so it sends the bytes.
fn write_curl_list(setup: &Setup, stage: &Stage) -> PathBuf {
    let (sink, list) = (setup.sink, stage.state().join("curl.list"));
    let mut text = String::new();
    for path in files_in(&stage.inbox()) {
        let (name, path) = (path.file_name().unwrap().display(), path.display());
        match setup.style {
            "put-json" => writeln!(text, "url = \"http://{sink}/raw/{name}\"\nupload-file = \"{path}\"").unwrap(),
            _ => writeln!(text, "url = \"http://{sink}{JOBS}\"\nform = \"file=@{path}\"").unwrap(),
        }
        text.push_str("header = \"Expect:\"\noutput = \"/dev/null\"\nnext\n");
    }
    fs::write(&list, text.trim_end_matches("next\n")).unwrap();
    list
}
