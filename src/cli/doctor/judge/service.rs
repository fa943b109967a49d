//! The unit of systemd, as `systemctl show` tells it.

use crate::cli::doctor::finding::{Finding, Verdict};
use crate::cli::service::{HIDING_PROPERTIES, hiding};
use std::path::{Path, PathBuf};

/// What is asked for.
pub(in crate::cli::doctor) const PROPERTIES: &str = "LoadState,ReadWritePaths,WatchdogUSec,User,SupplementaryGroups,\
    StateDirectory,BindPaths,LoadCredential,ProtectSystem,ProtectHome,PrivateTmp,ExecStart";

const UNIT: &str = "datadrop.service";

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
    /// What is bound into places that are hidden from it.
    bound: Vec<PathBuf>,
    /// The properties that hide places from it.
    hiding: Vec<&'static str>,
    config: Option<PathBuf>,
}

impl Unit {
    pub(in crate::cli::doctor) fn read(text: &str) -> Self {
        let value = |name: &str| {
            text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default().trim()
        };
        let words = |name: &str| value(name).split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        let mut writable: Vec<PathBuf> =
            words("ReadWritePaths").iter().map(|path| PathBuf::from(path.trim_start_matches(['-', '+']))).collect();
        writable.extend(words("StateDirectory").iter().map(|name| Path::new("/var/lib").join(name)));
        Self {
            load_state: value("LoadState").to_owned(),
            writable,
            has_watchdog: !["", "0", "infinity"].contains(&value("WatchdogUSec")),
            user: value("User").to_owned(),
            groups: words("SupplementaryGroups"),
            secret: words("LoadCredential")
                .iter()
                .find_map(|word| word.strip_prefix("client_secret:").map(PathBuf::from)),
            is_strict: value("ProtectSystem") == "strict",
            bound: words("BindPaths").iter().map(|word| destination(word)).collect(),
            hiding: HIDING_PROPERTIES
                .into_iter()
                .filter(|property| ["yes", "tmpfs", "disconnected"].contains(&value(property)))
                .collect(),
            config: config_of(value("ExecStart")),
        }
    }

    /// Whether it runs this configuration.
    pub(in crate::cli::doctor) fn runs(&self, config: &Path) -> bool {
        let default = Path::new("/etc/datadrop/datadrop.toml");
        self.load_state == "loaded" && self.config.as_deref().unwrap_or(default) == config
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

/// Where `source:destination:options` of `BindPaths=` is seen by the service.
fn destination(word: &str) -> PathBuf {
    PathBuf::from(word.split(':').nth(1).unwrap_or(word).trim_start_matches('-'))
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
            "its watchdog is off: nobody starts it anew if it hangs",
            "`systemctl edit datadrop` and write WatchdogSec=60s below [Service]",
        )
    }];
    findings.extend(folders.iter().filter_map(|folder| kept_out(unit, folder)));
    findings
}

/// Why the service cannot write to a folder, whatever the folder's own mode says.
fn kept_out(unit: &Unit, folder: &Path) -> Option<Finding> {
    let lies_in = |paths: &[PathBuf]| paths.iter().any(|path| folder.starts_with(path));
    let hiding = hiding(folder).filter(|hiding| unit.hiding.contains(&hiding.property));
    let (message, line) = match hiding {
        Some(hiding) if !lies_in(&unit.bound) => (
            format!("{}= hides it from the service, and no BindPaths= shows it", hiding.property),
            format!("BindPaths={}", folder.display()),
        ),
        None if unit.is_strict && !lies_in(&unit.writable) && !lies_in(&unit.bound) => (
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
        LoadState=loaded\nWatchdogUSec=1min\nUser=datadrop\nReadWritePaths=/srv/datadrop -/mnt/drop\nProtectHome=yes\n\
        PrivateTmp=yes\nProtectSystem=strict\nLoadCredential=client_secret:/etc/datadrop/client_secret\nStateDirectory=datadrop\n";

    fn judge(text: &str, folders: &[&str]) -> Vec<Finding> {
        let folders: Vec<PathBuf> = folders.iter().map(PathBuf::from).collect();
        unit(&Unit::read(text), Path::new("/etc/datadrop/datadrop.toml"), &folders)
    }

    #[test]
    fn our_unit_is_read() {
        let read = Unit::read(SHOWN);
        assert_eq!(
            (read.user.as_str(), read.secret.as_deref()),
            ("datadrop", Some(Path::new("/etc/datadrop/client_secret")))
        );
        assert!(read.runs(Path::new("/etc/datadrop/datadrop.toml")) && !read.runs(Path::new("/tmp/x.toml")));
        let found = judge(SHOWN, &["/srv/datadrop/a", "/mnt/drop", "/var/lib/datadrop"]);
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
        assert_eq!(judge("LoadState=not-found\nWatchdogUSec=0\n", &["/x"])[0].verdict, Verdict::Warn);
        assert_eq!(judge("LoadState=masked\n", &["/x"])[0].verdict, Verdict::Warn);
        assert_eq!(judge(&SHOWN.replace("=1min", "=infinity"), &[])[0].verdict, Verdict::Warn);
        let other = judge(&SHOWN.replace("--config /etc/datadrop/", "--config=/opt/"), &["/home/x"]);
        assert_eq!((other.len(), other[0].verdict), (1, Verdict::Ok));
    }
}
