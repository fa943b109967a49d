//! `service`: what systemd must know about this configuration.

use super::apart;
use super::args::ServiceCommand;
use super::failure::{Exit, Failure};
use super::output::Output;
use super::settings;
use crate::job::USUAL_CONFIG as CONFIG;
use crate::status::printable;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Timeout for following the links of one path.
const LINKS_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) fn run(file: &Path, command: &ServiceCommand, output: &mut Output) -> Result<Exit, Failure> {
    match command {
        ServiceCommand::PrintFolders => print_folders(file, output),
    }
}

fn print_folders(file: &Path, output: &mut Output) -> Result<Exit, Failure> {
    let config = settings::load(file)?;
    let state = Place::new("the state directory".to_owned(), real(&config.state_dir));
    let folders =
        config.accounts.iter().map(|account| Place::new(format!("account {}", account.name), real(&account.folder)));
    let places: Vec<Place> = std::iter::once(state).chain(folders).collect();
    if let Some(place) = places.iter().find(|place| !place.can_be_named()) {
        return Err(Failure::failed(format!(
            "{place}: a unit of systemd cannot name it, for it holds a line break, another control character or no UTF-8; give the folder another name"
        )));
    }
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    output.data(&text(&file, &places))?;
    Ok(Exit::Done)
}

/// systemd looks for the mounts of a path by its text, so links must not hide where it leads.
fn real(path: &Path) -> PathBuf {
    let written = path.to_owned();
    apart::within(LINKS_TIMEOUT, move || written.canonicalize()).and_then(Result::ok).unwrap_or_else(|| path.to_owned())
}

/// The state directory that the unit's `StateDirectory=` lets the service write to.
const STATE_DIRECTORY: &str = "/var/lib/datadrop";
/// Where the unit's own `ReadWritePaths=` lets it write.
const FOLDERS: &str = "/srv/datadrop";

/// A setting of systemd that gives the service an empty place instead of the real one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::cli) struct Hiding {
    pub(in crate::cli) property: &'static str,
    place: &'static str,
}

/// Their names.
pub(in crate::cli) const HIDING_PROPERTIES: [&str; 2] = ["ProtectHome", "PrivateTmp"];

const HIDINGS: [Hiding; 5] = [
    Hiding { property: "ProtectHome", place: "/home" },
    Hiding { property: "ProtectHome", place: "/root" },
    Hiding { property: "ProtectHome", place: "/run/user" },
    Hiding { property: "PrivateTmp", place: "/tmp" },
    Hiding { property: "PrivateTmp", place: "/var/tmp" },
];

/// What may hide a folder from the service.
pub(in crate::cli) fn hiding(folder: &Path) -> Option<Hiding> {
    HIDINGS.into_iter().find(|hiding| folder.starts_with(hiding.place))
}

/// A place that the service has to write to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    what: String,
    path: PathBuf,
}

impl Place {
    /// `what` it is, in words of one line; `path` is absolute.
    pub(super) fn new(what: String, path: PathBuf) -> Self {
        Self { what, path }
    }

    /// Whether a unit can name it at all: its lines end where a path with a line break goes on.
    pub(super) fn can_be_named(&self) -> bool {
        self.path.to_str().is_some_and(|text| !text.contains(char::is_control))
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.what, printable(&self.path.display().to_string()))
    }
}

/// The drop-in for these places of this configuration.
pub(super) fn text(config: &Path, places: &[Place]) -> String {
    let places: Vec<&Place> = places.iter().filter(|place| place.path != Path::new(STATE_DIRECTORY)).collect();
    let named = if config == Path::new(CONFIG) { String::new() } else { format!("--config {} ", config.display()) };
    let mut text = format!(
        "# Lets the service write to the folders of {}.\n\
         # Printed by `datadrop service print-folders`. After a change of the folders, print it again:\n\
         #   sudo install -d /etc/systemd/system/datadrop.service.d\n\
         #   datadrop {named}service print-folders | sudo tee /etc/systemd/system/datadrop.service.d/folders.conf\n\
         #   sudo systemctl daemon-reload && sudo systemctl restart datadrop\n\
         \n\
         [Unit]\n",
        config.display()
    );
    for place in &places {
        push_line(&mut text, &format!("RequiresMountsFor={}", word("", &place.path)));
    }
    text.push_str("\n[Service]\n");
    // With `yes`, nothing could be bound into it.
    if places.iter().filter_map(|place| hiding(&place.path)).any(|hiding| hiding.property == "ProtectHome") {
        push_line(&mut text, "ProtectHome=tmpfs");
    }
    for place in &places {
        // A separate line would be a separate mount, which a folder that is created again lacks.
        if place.path.starts_with(FOLDERS) {
            push_line(&mut text, &format!("# {}: below {FOLDERS}, where the unit lets the service write", place.what));
            continue;
        }
        push_line(&mut text, &format!("# {}", place.what));
        // Without the folder (-) the service starts all the same, and says which account it cannot serve.
        let path = word("-", &place.path);
        push_line(
            &mut text,
            &match hiding(&place.path) {
                // What is bound into a hidden place is there for the service; the rest of that place stays hidden. A
                // colon separates source and destination.
                Some(_) => format!("BindPaths={}", path.replace(':', "\\:")),
                None => format!("ReadWritePaths={path}"),
            },
        );
    }
    text
}

fn push_line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

/// A path as a word of a unit, perhaps behind the `-` that makes it optional: `%` is doubled, and what systemd would take for its own
/// stands in quotes (systemd.syntax(7), "Quoting").
fn word(prefix: &str, path: &Path) -> String {
    let text = path.display().to_string();
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%");
    let is_plain = text.chars().all(|c| c.is_alphanumeric() || "/._-+@,:=%".contains(c));
    if is_plain { format!("{prefix}{escaped}") } else { format!("\"{prefix}{escaped}\"") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(config: &str, paths: &[&str]) -> Vec<String> {
        let places: Vec<Place> =
            paths.iter().map(|path| Place::new("account a".to_owned(), PathBuf::from(path))).collect();
        let text = text(Path::new(config), &places);
        text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')).map(str::to_owned).collect()
    }

    #[test]
    fn each_folder_may_be_written_and_has_its_mounts_first() {
        assert_eq!(
            lines(CONFIG, &[STATE_DIRECTORY, "/srv/datadrop/a", "/mnt/share/b"]),
            [
                "[Unit]",
                "RequiresMountsFor=/srv/datadrop/a",
                "RequiresMountsFor=/mnt/share/b",
                "[Service]",
                "ReadWritePaths=-/mnt/share/b",
            ]
        );
    }

    #[test]
    fn hidden_places_are_bound_into_and_stay_hidden_otherwise() {
        let lines = lines(CONFIG, &["/home/anna/drop", "/home/otto/drop", "/tmp/drop"]);
        assert_eq!(
            lines[5..],
            ["ProtectHome=tmpfs", "BindPaths=-/home/anna/drop", "BindPaths=-/home/otto/drop", "BindPaths=-/tmp/drop"]
        );
    }

    #[test]
    fn no_name_of_a_folder_means_anything_to_systemd() {
        let found = lines(CONFIG, &["/srv/100%/my \"drop\" \\ here", "/home/a:b"]);
        assert_eq!(found[1], "RequiresMountsFor=\"/srv/100%%/my \\\"drop\\\" \\\\ here\"");
        assert_eq!(found[5], "ReadWritePaths=\"-/srv/100%%/my \\\"drop\\\" \\\\ here\"");
        assert_eq!(found[6], "BindPaths=-/home/a\\:b");
        let can_be_named = |path: &str| Place::new(String::new(), PathBuf::from(path)).can_be_named();
        assert!(!can_be_named("/srv/two\nlines") && can_be_named("/srv/größe"));
    }

    #[test]
    fn another_configuration_is_named_in_the_command_that_prints_it_anew() {
        let shown = |config: &str| text(Path::new(config), &[]);
        assert!(shown("/opt/x.toml").contains("datadrop --config /opt/x.toml service print-folders |"));
        assert!(shown(CONFIG).contains("datadrop service print-folders |"));
    }
}
