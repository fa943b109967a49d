//! `support-bundle`: one archive for a bug report. It works while the daemon runs, hangs or is down: every part has a time
//! limit of its own, and one that fails is named in the archive instead.
//!
//! No part has the content of a file. What the configuration hides is taken out of every part ([`redaction`]).

mod archive;
mod redaction;
mod shown_configuration;

use super::apart;
use super::args::SupportBundleArguments;
use super::child::{ask, said_by};
use super::failure::{Exit, Failure};
use super::output::Output;
use super::settings;
use crate::folder::MARK;
use crate::joblog::Reader;
use archive::Archive;
use redaction::{Hidden, Redaction, without_quotes};
use shown_configuration::Shown;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Timeout for the configuration, and for all other parts together, which are made at the same time.
const TIMEOUT: Duration = Duration::from_secs(20);
/// How much longer the thread that waits for a program is waited for.
const GRACE: Duration = Duration::from_secs(2);
/// Number of lines of the log.
const LOG_LINES: &str = "2000";
/// The longest file with a secret that is read, in bytes.
const LONGEST_SECRET: u64 = 64 * 1024;
/// The unit that the package installs, and the file with the secret that it hands to the service.
const UNIT: &str = "datadrop.service";
const USUAL_SECRET: &str = "/etc/datadrop/client_secret";

/// The parts that may hold what the configuration hides, in the order in which they are made.
const SEARCHED: [&str; 5] = ["status.json", "doctor.json", "job-log.txt", "service.txt", "log.txt"];

/// The account's folder in which a file would lie.
fn inbox_above(file: &Path) -> Option<PathBuf> {
    let dir = std::path::absolute(file).ok()?.parent()?.canonicalize().ok()?;
    dir.ancestors().find(|dir| dir.join(MARK).exists()).map(Path::to_owned)
}

/// What a part holds, or why it has none.
type Content = Result<String, String>;

pub(super) fn run(file: &Path, arguments: &SupportBundleArguments, output: &mut Output) -> Result<Exit, Failure> {
    let began = jiff::Timestamp::now();
    let now = began.to_zoned_datetime(jiff::tz::TimeZone::system());
    let folder = format!("datadrop-support-{}", now.strftime("%Y%m%d-%H%M%S"));
    let path = arguments.file.clone().unwrap_or_else(|| PathBuf::from(format!("{folder}.tar.gz")));
    let out = new_file(&path)?;
    let unwritten = |error: io::Error| unwritten(&path, &error);

    let (configuration, hidden) = configuration(file);
    let redaction = Redaction::new(&hidden);
    let is_searchable = configuration.is_ok();
    let mut parts = vec![("configuration.toml", configuration), ("versions.txt", Ok(versions()))];
    if is_searchable {
        parts.extend(made_at_once(file));
    } else {
        let unsearched = || Err("without the configuration, its IDs could not be taken out".to_owned());
        parts.extend(SEARCHED.map(|name| (name, unsearched())));
    }

    let mut index = format!("Made by datadrop {} at {now}.\n\n", env!("CARGO_PKG_VERSION"));
    index.push_str(
        "Values of keys that are hidden are taken out of all parts, and what log lines quote. No part has the\n",
    );
    index.push_str("content of a file. Names of files, folders and accounts are in them.\n\n");
    let made_at = u64::try_from(began.as_second()).unwrap_or_default();
    let mut archive = Archive::new(out, &folder, made_at);
    let mut failed = Vec::new();
    for (name, content) in parts {
        match content {
            Ok(content) => {
                let content = redaction.apply(&content);
                let _ = writeln!(index, "{name}: {} bytes", content.len());
                archive.add(name, &content).map_err(unwritten)?;
            }
            Err(why) => {
                let why = redaction.apply(&why);
                let _ = writeln!(index, "{name}: FAILED: {why}");
                failed.push(format!("{name}: {why}"));
            }
        }
    }
    archive.add("README.txt", &redaction.apply(&index)).map_err(unwritten)?;
    archive.finish().and_then(|out| out.sync_all()).map_err(unwritten)?;
    for part in &failed {
        output.message(&format!("left out: {part}"))?;
    }
    output.note("no secret is in it; it names files, folders and accounts: look through it before you hand it on")?;
    output.line(&path.display().to_string())?;
    Ok(Exit::all(failed.is_empty()))
}

/// A file for a bug report, which was not there before and lies where nothing is sent from.
///
/// # Errors
/// It is there, or its place is not fit.
pub(super) fn new_file(path: &Path) -> Result<File, Failure> {
    if let Some(inbox) = inbox_above(path) {
        let why = format!(
            "{}: {} is an account's folder, whose files are sent; name another",
            path.display(),
            inbox.display()
        );
        return Err(Failure::new(Exit::Usage, why));
    }
    // Whoever finds it must not be able to read what only its owner may see.
    let new = File::options().write(true).create_new(true).mode(0o600).open(path);
    new.map_err(|error| unwritten(path, &error))
}

fn unwritten(path: &Path, error: &io::Error) -> Failure {
    Failure::failed(format!("{}: cannot be written: {error}", path.display()))
}

/// The text without what this configuration hides.
///
/// # Errors
/// What is hidden is not known.
pub(super) fn redacted(file: &Path, text: &str) -> Result<String, String> {
    let (configuration, hidden) = configuration(file);
    configuration.map(|_| Redaction::new(&hidden).apply(text))
}

/// The configuration as others may see it, and what nobody else may see.
fn configuration(file: &Path) -> (Content, Vec<Hidden>) {
    let path = file.to_owned();
    let read = apart::within(TIMEOUT, move || {
        let text = fs::read(&path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let shown = Shown::read(text.as_deref().unwrap_or_default(), &settings::environment());
        let secrets = secrets_in_files(&shown.secret_files);
        (text.map_err(|error| format!("{}: {error}", path.display())), shown, secrets)
    });
    let Some((text, shown, secrets)) = read else {
        return (Err(format!("{}: it could not be read within {} s", file.display(), TIMEOUT.as_secs())), Vec::new());
    };
    let mut content = format!("# {}\n{}", file.display(), shown.text);
    let mut hidden = shown.hidden;
    for (path, secret) in secrets {
        match secret {
            Ok(value) => hidden.push(Hidden { value, key: "secret".to_owned() }),
            Err(why) => {
                let _ = writeln!(content, "\n# {path}: {why}: no part could be searched for what it holds");
            }
        }
    }
    (text.map(|_| content), hidden)
}

/// What the files with secrets hold, so that it can be looked for: each with its path.
fn secrets_in_files(named: &[(String, String)]) -> Vec<(String, Content)> {
    let credential = std::env::var("CREDENTIALS_DIRECTORY").ok().map(|dir| format!("{dir}/client_secret"));
    let unnamed = credential.into_iter().chain(Some(USUAL_SECRET.to_owned())).filter(|path| Path::new(path).exists());
    let paths = named.iter().map(|(_, path)| path.clone()).chain(unnamed);
    paths
        .map(|path| {
            let mut text = Vec::new();
            let read = File::open(&path).and_then(|file| file.take(LONGEST_SECRET).read_to_end(&mut text));
            let secret = read.map(|_| String::from_utf8_lossy(&text).trim().to_owned());
            (path, secret.map_err(|error| error.to_string()))
        })
        .collect()
}

/// The parts of [`SEARCHED`], each within the time limit.
fn made_at_once(file: &Path) -> Vec<(&'static str, Content)> {
    let begun = Instant::now();
    let config = file.to_owned();
    let of_config = |make: fn(&Path) -> Content| {
        let config = config.clone();
        apart::begin(move || make(&config))
    };
    let looks: [mpsc::Receiver<Content>; 5] = [
        of_config(|config| own(config, &["status", "--json"])),
        of_config(|config| own(config, &["doctor", "--offline", "--json"])),
        of_config(job_log),
        apart::begin(service),
        apart::begin(log),
    ];
    SEARCHED
        .into_iter()
        .zip(looks)
        .map(|(name, look)| {
            let left = (TIMEOUT + GRACE).saturating_sub(begun.elapsed());
            let no_answer = || Err(format!("it was not there within {} s", TIMEOUT.as_secs()));
            (name, look.recv_timeout(left).unwrap_or_else(|_| no_answer()))
        })
        .collect()
}

/// What a command of datadrop says. It is a process of its own, which can be ended.
fn own(config: &Path, words: &[&str]) -> Content {
    let shown = format!("datadrop {}", words.join(" "));
    let mut command = Command::new("/proc/self/exe");
    command.arg("--config").arg(config).args(words);
    let said = said_by(&shown, &mut command, TIMEOUT)?;
    // `doctor` fails where it finds something, and has said what.
    if said.output.trim().is_empty() { Err(format!("{shown}: {}", said.errors.trim())) } else { Ok(said.output) }
}

fn versions() -> String {
    let system = rustix::system::uname();
    let text = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let os = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME=")).unwrap_or("unknown").trim_matches('"');
    let systemd = ask("systemctl", &["--version"], TIMEOUT).unwrap_or_else(|why| why);
    let mut versions = String::new();
    for (what, version) in [
        ("datadrop", env!("CARGO_PKG_VERSION").to_owned()),
        ("system", os.to_owned()),
        ("kernel", format!("{} {}", text(system.sysname()), text(system.release()))),
        ("machine", text(system.machine())),
        ("systemd", systemd.lines().next().unwrap_or_default().to_owned()),
        (
            "cores",
            std::thread::available_parallelism().map_or_else(|error| error.to_string(), |cores| cores.to_string()),
        ),
        ("time zone", jiff::tz::TimeZone::system().iana_name().unwrap_or("unknown").to_owned()),
    ] {
        let _ = writeln!(versions, "{what}: {version}");
    }
    versions
}

fn job_log(config: &Path) -> Content {
    let config = settings::load(config).map_err(|failure| problem_of(&failure))?;
    let mut text = String::new();
    for entry in fs::read_dir(&config.state_dir).into_iter().flatten().flatten() {
        let size = entry.metadata().map_or_else(|error| error.to_string(), |found| format!("{} bytes", found.len()));
        let _ = writeln!(text, "{}: {size}", entry.file_name().to_string_lossy());
    }
    let anatomy = Reader::open(&config.state_dir)
        .map_err(|error| error.to_string())
        .and_then(|reader| reader.anatomy().map_err(|error| error.to_string()))
        .map_err(|why| format!("{why}\n{text}"))?;
    let (pages, free, size) = anatomy.pages;
    let _ = writeln!(text, "\nSQLite {}, user_version {}", anatomy.sqlite, anatomy.version);
    let _ = writeln!(text, "{pages} pages of {size} bytes, {free} of them free\n\nrows of each table:");
    for (table, rows) in &anatomy.rows {
        let _ = writeln!(text, "  {table}: {rows}");
    }
    text.push_str("\njobs by account and state:\n");
    for count in &anatomy.jobs {
        let _ = writeln!(text, "  {} {}: {}", count.account, count.state, count.jobs);
    }
    text.push_str("\nschema:\n\n");
    for statement in &anatomy.schema {
        let _ = writeln!(text, "{statement};\n");
    }
    Ok(text)
}

fn problem_of(failure: &Failure) -> String {
    failure.problem().map(ToString::to_string).unwrap_or_default()
}

/// What a program of systemd says; if it fails, why.
fn asked(program: &str, arguments: &[&str]) -> Content {
    let said = said_by(program, Command::new(program).args(arguments), TIMEOUT)?;
    let why = said.errors.trim();
    if said.status.success() { Ok(said.output) } else { Err(format!("{program} failed ({}): {why}", said.status)) }
}

/// What systemd knows of the service. Its environment is not asked for: it may hold a secret.
fn service() -> Content {
    let properties = "--property=ActiveState,SubState,Result,MainPID,NRestarts,ExecMainStatus,ExecMainStartTimestamp,\
                      ActiveEnterTimestamp,WatchdogUSec,WatchdogTimestamp,MemoryCurrent,TasksCurrent,CPUUsageNSec,FragmentPath,\
                      DropInPaths,NeedDaemonReload";
    asked("systemctl", &["show", "--no-pager", properties, UNIT])
}

/// The last lines of the log, without what they quote.
fn log() -> Content {
    let arguments = ["--unit", UNIT, "--lines", LOG_LINES, "--output", "short-iso-precise", "--no-pager", "--quiet"];
    let lines = asked("journalctl", &arguments)?;
    // Run by hand, the daemon writes elsewhere.
    if lines.trim().is_empty() {
        return Err(format!("the journal has no line of {UNIT}, or this user may not read it"));
    }
    Ok(lines.lines().map(|line| without_quotes(line) + "\n").collect())
}
