//! The unit of systemd, as `systemctl show` and `systemctl cat` tell it.

use crate::cli::doctor::finding::{Finding, Verdict};
use crate::cli::service::{HIDING_PROPERTIES, hiding};
use crate::job::USUAL_CONFIG;
use std::path::{Path, PathBuf};

/// What `show` is asked for. It tells of no credential before version 254, and of the watchdog only while the service runs.
pub(in crate::cli::doctor) const PROPERTIES: &str = "LoadState,ReadWritePaths,User,SupplementaryGroups,\
    StateDirectory,BindPaths,ProtectSystem,ProtectHome,PrivateTmp,ExecStart,AmbientCapabilities";

/// Its name.
pub(in crate::cli::doctor) const UNIT: &str = "datadrop.service";

/// The unit, as far as it matters here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::cli::doctor) struct Unit {
    load_state: String,
    writable: Vec<PathBuf>,
    has_watchdog: bool,
    pub(in crate::cli::doctor) user: String,
    pub(in crate::cli::doctor) groups: Vec<String>,
    /// The file that it gets as the credential `client_secret`.
    pub(in crate::cli::doctor) secret: Option<PathBuf>,
    is_strict: bool,
    /// What is bound into places that are hidden from it, as `source:destination:options`.
    bound: String,
    /// The properties that hide places from it.
    hiding: Vec<&'static str>,
    config: Option<PathBuf>,
    grants_leases: bool,
}

impl Unit {
    /// From the properties that `systemctl show` tells, and from the unit's files, one after the other, as `cat` shows them.
    pub(in crate::cli::doctor) fn read(properties: &str, files: &str) -> Self {
        let value = |name: &str| values_in(properties, name).first().copied().unwrap_or_default();
        let words = |name: &str| words(value(name));
        let mut writable: Vec<PathBuf> =
            words("ReadWritePaths").iter().map(|path| PathBuf::from(path.trim_start_matches(['-', '+']))).collect();
        writable.extend(words("StateDirectory").iter().map(|name| Path::new("/var/lib").join(name)));
        Self {
            load_state: value("LoadState").to_owned(),
            writable,
            has_watchdog: values_in(files, "WatchdogSec")
                .last()
                .is_some_and(|period| !["", "0", "infinity"].contains(period)),
            user: value("User").to_owned(),
            groups: words("SupplementaryGroups"),
            secret: values_in(files, "LoadCredential").into_iter().fold(None, |secret, credential| match credential {
                // An empty value takes back what stands above it.
                "" => None,
                credential => credential.strip_prefix("client_secret:").map(PathBuf::from).or(secret),
            }),
            is_strict: value("ProtectSystem") == "strict",
            bound: value("BindPaths").to_owned(),
            hiding: HIDING_PROPERTIES
                .into_iter()
                .filter(|property| ["yes", "tmpfs", "disconnected"].contains(&value(property)))
                .collect(),
            config: config_of(value("ExecStart")),
            grants_leases: words("AmbientCapabilities").iter().any(|capability| capability == "cap_lease"),
        }
    }

    /// Whether the service may ask the kernel who writes to a file of another user (DESIGN R5).
    pub(in crate::cli::doctor) fn may_ask_for_writers(&self) -> bool {
        self.grants_leases || ["", "root", "0"].contains(&self.user.as_str())
    }

    /// Whether systemd has it.
    pub(in crate::cli::doctor) fn is_loaded(&self) -> bool {
        self.load_state == "loaded"
    }

    /// Whether it runs this configuration.
    pub(in crate::cli::doctor) fn runs(&self, config: &Path) -> bool {
        let default = Path::new(USUAL_CONFIG);
        self.is_loaded() && self.config.as_deref().unwrap_or(default) == config
    }
}

/// What stands behind `--config`.
fn config_of(exec_start: &str) -> Option<PathBuf> {
    let command = exec_start.split("argv[]=").nth(1)?.split(" ; ").next()?;
    let mut words = command.split_whitespace();
    while let Some(word) = words.next() {
        if word == "--config" {
            return words.next().map(PathBuf::from);
        }
        if let Some(path) = word.strip_prefix("--config=") {
            return Some(PathBuf::from(path));
        }
    }
    None
}

/// The values of the lines that set this.
fn values_in<'t>(text: &'t str, name: &str) -> Vec<&'t str> {
    text.lines().filter_map(|line| Some(line.strip_prefix(name)?.strip_prefix('=')?.trim())).collect()
}

/// The words of a list as systemd prints it: those that need it in quotes.
fn words(list: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = list.trim_start();
    while !rest.is_empty() {
        let is_quoted = rest.starts_with('"');
        let mut word = String::new();
        let mut letters = rest.chars();
        if is_quoted {
            letters.next();
        }
        while let Some(letter) = letters.next() {
            match letter {
                '"' if is_quoted => break,
                '\\' if is_quoted => word.extend(letters.next()),
                letter if !is_quoted && letter.is_whitespace() => break,
                letter => word.push(letter),
            }
        }
        words.push(word);
        rest = letters.as_str().trim_start();
    }
    words
}

/// Whether `BindPaths=` shows a folder to the service. Its paths may hold spaces and colons, and are not quoted.
fn is_bound(bound: &str, folder: &Path) -> bool {
    let is_destination =
        |path: &Path| [":rbind", ":norbind"].iter().any(|end| bound.contains(&format!(":{}{end}", path.display())));
    folder.ancestors().any(is_destination)
}

/// Whether the unit lets the service do its work in these folders.
pub(in crate::cli::doctor) fn unit(unit: &Unit, config: &Path, folders: &[PathBuf]) -> Vec<Finding> {
    match unit.load_state.as_str() {
        "loaded" => {}
        "not-found" => {
            return vec![Finding::bad(
                Verdict::Warn,
                "service",
                UNIT,
                "systemd knows no such unit: nothing starts datadrop with this computer",
                "install systemd/datadrop.service, or see to it in another way",
            )];
        }
        state => {
            let message = format!("systemd does not load the unit (LoadState={state})");
            return vec![Finding::bad(Verdict::Warn, "service", UNIT, message, "ask `systemctl status datadrop`")];
        }
    }
    if !unit.runs(config) {
        let message = format!("there, and runs another configuration than {}", config.display());
        return vec![Finding::ok("service", UNIT, message)];
    }
    let mut findings = vec![if unit.has_watchdog {
        Finding::ok("service", UNIT, "there, and its watchdog is on")
    } else {
        Finding::bad(
            Verdict::Warn,
            "service",
            UNIT,
            "the unit has no watchdog, so systemd does not restart the service if it hangs",
            "`systemctl edit datadrop` and write WatchdogSec=60s below [Service]",
        )
    }];
    findings.extend(folders.iter().filter_map(|folder| kept_out(unit, folder)));
    findings
}

/// Why the service cannot write to a folder, whatever the folder's own mode says.
fn kept_out(unit: &Unit, folder: &Path) -> Option<Finding> {
    let is_bound = is_bound(&unit.bound, folder);
    let is_writable = is_bound || unit.writable.iter().any(|path| folder.starts_with(path));
    let hiding = hiding(folder).filter(|hiding| unit.hiding.contains(&hiding.property));
    let (message, line) = match hiding {
        Some(hiding) if !is_bound => (
            format!("{}= hides it from the service, and no BindPaths= shows it", hiding.property),
            format!("BindPaths={}", folder.display()),
        ),
        None if unit.is_strict && !is_writable => (
            "the unit does not let the service write there: no ReadWritePaths= covers it".to_owned(),
            format!("ReadWritePaths={}", folder.display()),
        ),
        Some(_) | None => return None,
    };
    let remedy = format!(
        "let the unit have {line}: `datadrop service print-folders` prints all that it needs and how to put it there"
    );
    Some(Finding::bad(Verdict::Fail, "service", folder.display().to_string(), message, remedy))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHOWN: &str = "ExecStart={ path=/usr/bin/datadrop ; argv[]=/usr/bin/datadrop run --config /etc/datadrop/datadrop.toml ; ignore_errors=no }\n\
        LoadState=loaded\nUser=datadrop\nReadWritePaths=/srv/datadrop -/mnt/drop \"-/srv/a b\" \"-/srv/q\\\"x\\\\y\"\nProtectHome=tmpfs\n\
        PrivateTmp=yes\nProtectSystem=strict\nStateDirectory=datadrop\n\
        BindPaths=-/home/c d:/home/c d:rbind -/home/a:b:/home/a:b:rbind\n";
    const FILES: &str = "# /lib/systemd/system/datadrop.service\n[Service]\nLoadCredential=client_secret:/etc/datadrop/client_secret\n\
        LoadCredential=other:/etc/other\nWatchdogSec=60s\n";

    fn judge_files(text: &str, files: &str, folders: &[&str]) -> Vec<Finding> {
        let folders: Vec<PathBuf> = folders.iter().map(PathBuf::from).collect();
        unit(&Unit::read(text, files), Path::new("/etc/datadrop/datadrop.toml"), &folders)
    }

    fn judge(text: &str, folders: &[&str]) -> Vec<Finding> {
        judge_files(text, FILES, folders)
    }

    #[test]
    fn our_unit_is_read() {
        let read = Unit::read(SHOWN, FILES);
        assert_eq!(
            (read.user.as_str(), read.secret.as_deref()),
            ("datadrop", Some(Path::new("/etc/datadrop/client_secret")))
        );
        assert!(read.runs(Path::new("/etc/datadrop/datadrop.toml")) && !read.runs(Path::new("/tmp/x.toml")));
        assert!(!read.may_ask_for_writers());
        let grants = Unit::read(&format!("{SHOWN}AmbientCapabilities=cap_kill cap_lease\n"), FILES);
        assert!(grants.may_ask_for_writers());
        let found = judge(
            SHOWN,
            &[
                "/srv/datadrop/a",
                "/mnt/drop",
                "/var/lib/datadrop",
                "/srv/a b",
                "/srv/q\"x\\y",
                "/home/c d/e",
                "/home/a:b",
            ],
        );
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].verdict, Verdict::Ok);
    }

    #[test]
    fn folders_that_the_service_cannot_write_to_fail_with_the_line_that_helps() {
        for (folder, line) in [
            ("/srv/other", "ReadWritePaths=/srv/other"),
            ("/home/anna/drop", "BindPaths=/home/anna/drop"),
            ("/tmp/drop", "BindPaths=/tmp/drop"),
        ] {
            let found = judge(SHOWN, &[folder]);
            assert_eq!(found[1].verdict, Verdict::Fail);
            assert!(found[1].line().contains(line), "{found:?}");
        }
    }

    #[test]
    fn other_units_are_told() {
        assert_eq!(judge("LoadState=not-found\n", &["/x"])[0].verdict, Verdict::Warn);
        assert_eq!(judge("LoadState=masked\n", &["/x"])[0].verdict, Verdict::Warn);
        let turned_off = format!(
            "{FILES}# /etc/systemd/system/datadrop.service.d/x.conf\n[Service]\nWatchdogSec=0\nLoadCredential=\n"
        );
        assert_eq!(judge_files(SHOWN, &turned_off, &[])[0].verdict, Verdict::Warn);
        assert_eq!(Unit::read(SHOWN, &turned_off).secret, None);
        let other = judge(&SHOWN.replace("--config /etc/datadrop/", "--config=/opt/"), &["/home/x"]);
        assert_eq!((other.len(), other[0].verdict), (1, Verdict::Ok));
    }
}
