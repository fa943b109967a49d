//! The manual, licence and checks, held to the program.

use super::{assert_none, root};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Commands that have commands of their own.
const FAMILIES: [&str; 4] = ["accounts", "alerts", "jobs", "service"];

/// What the person reads who installs and operates datadrop. The package installs all of it.
const MANUAL: [&str; 5] =
    ["README.md", "systemd/OPERATING.md", "src/alert/ALERTS.md", "src/check/RULES.md", "src/status/page/METRICS.md"];

/// Maximum number of lines of README: it leads to the first file, and the other documents hold the rest.
const README_LINES: usize = 200;

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).unwrap()
}

/// The documents of the manual, each with its path.
fn manual() -> impl Iterator<Item = (&'static str, String)> {
    MANUAL.into_iter().map(|path| (path, fs::read_to_string(root().join(path)).unwrap()))
}

/// The blocks of a document between lines of backticks, each with its language and its first line's number.
fn blocks(text: &str) -> Vec<(String, usize, Vec<String>)> {
    let mut blocks: Vec<(String, usize, Vec<String>)> = Vec::new();
    let mut is_open = false;
    for (index, line) in text.lines().enumerate() {
        if let Some(language) = line.trim_start().strip_prefix("```") {
            is_open = !is_open;
            if is_open {
                blocks.push((language.to_owned(), index + 2, Vec::new()));
            }
        } else if let (true, Some(block)) = (is_open, blocks.last_mut()) {
            block.2.push(line.trim_start().to_owned());
        }
    }
    blocks
}

/// What stands between single backticks, each with its line's number.
fn spans(text: &str) -> Vec<(usize, String)> {
    let in_blocks: BTreeSet<usize> =
        blocks(text).iter().flat_map(|(_, first, lines)| *first..first + lines.len()).collect();
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    lines
        .filter(|(number, line)| !in_blocks.contains(number) && !line.trim_start().starts_with("```"))
        .flat_map(|(number, line)| line.split('`').skip(1).step_by(2).map(move |span| (number, span.to_owned())))
        .collect()
}

/// The help of a command, or `None` if there is no such command.
fn help(command: &[&str]) -> Option<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_datadrop")).args(command).arg("--help").output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}

/// The lines of commands that a document shows, each with its line's number and from the word after `datadrop`.
fn command_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines = spans(text);
    for (_, first, block) in blocks(text).into_iter().filter(|(language, ..)| language == "sh") {
        lines.extend(block.into_iter().enumerate().map(|(index, line)| (first + index, line)));
    }
    let programs = ["datadrop ", "sudo datadrop ", "sudo -u datadrop datadrop ", "cargo run --release -- "];
    lines
        .into_iter()
        .filter_map(|(number, line)| {
            let rest = programs.iter().find_map(|program| line.strip_prefix(program))?;
            Some((number, rest.split(" #").next().unwrap_or(rest).to_owned()))
        })
        .collect()
}

#[test]
fn every_command_and_option_that_the_manual_shows_exists() {
    let mut breaches = Vec::new();
    let mut shown = BTreeSet::new();
    for (path, text) in manual() {
        for (number, line) in command_lines(&text) {
            let words: Vec<&str> = line.split_whitespace().collect();
            let is_name =
                |word: &&&str| !word.starts_with('-') && word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
            let named: Vec<&str> = words.iter().take_while(is_name).copied().collect();
            let has_subcommands = named.first().is_some_and(|name| FAMILIES.contains(name));
            let command = named[..named.len().min(if has_subcommands { 2 } else { 1 })].join(" ");
            let Some(help) = help(&command.split(' ').collect::<Vec<_>>()) else {
                breaches.push(format!("{path}:{number}: there is no command `datadrop {command}`"));
                continue;
            };
            // In the table of commands, what follows are options of the command in the same row.
            let row = text.lines().nth(number - 1).unwrap();
            let in_row = row.split('`').skip(1).step_by(2).filter(|_| row.starts_with("| `"));
            let in_row = in_row.filter_map(|span| span.split(' ').next());
            for option in words.iter().copied().chain(in_row).filter(|word| word.starts_with("--")) {
                if !help.contains(option) {
                    breaches.push(format!("{path}:{number}: `datadrop {command}` has no {option}"));
                }
            }
            if path == "README.md" {
                shown.insert(command);
            }
        }
    }
    for command in
        ["run", "demo", "emulator", "drop", "check", "jobs list", "jobs show", "jobs wait", "jobs watch", "status"]
    {
        if !shown.contains(command) {
            breaches.push(format!("README.md: does not show `datadrop {command}`"));
        }
    }
    assert_none("the manual shows the commands that there are", &breaches);
}

#[test]
fn every_command_that_the_program_lists_is_in_readme() {
    let text = readme();
    let listed = |command: &[&str]| -> Vec<String> {
        let help = help(command).unwrap();
        let commands = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap().to_owned();
        let names = commands.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
        names
            .filter_map(|line| line.split_whitespace().next())
            .filter(|name| *name != "help")
            .map(str::to_owned)
            .collect()
    };
    let mut breaches = Vec::new();
    for name in listed(&[]) {
        let all = if FAMILIES.contains(&name.as_str()) {
            listed(&[&name]).iter().map(|leaf| format!("{name} {leaf}")).collect()
        } else {
            vec![name]
        };
        for command in all {
            if !text.contains(&format!("| `datadrop {command}")) {
                breaches.push(format!("README.md: the table of commands lacks `datadrop {command}`"));
            }
        }
    }
    assert_none("README's table has every command", &breaches);
}

/// `section.key` for each key of `config/default.toml`, commented or not; account keys under `account_defaults` too.
fn known_keys() -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("config/default.toml")).unwrap();
    let mut section = String::new();
    let mut keys = BTreeSet::new();
    for line in text.lines() {
        let bare = line.trim_start_matches("# ");
        if bare.starts_with('[') {
            bare.trim_matches(['[', ']']).clone_into(&mut section);
        } else if let Some((key, _)) = bare.split_once(" = ")
            && key.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        {
            keys.insert(if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") });
        }
    }
    keys
}

#[test]
fn every_key_that_the_manual_names_is_known() {
    let known = known_keys();
    assert!(known.contains("upload.max_in_flight") && known.contains("account.folder"), "{known:?}");
    let sections: BTreeSet<&str> =
        known.iter().filter_map(|key| key.split_once('.')).map(|(section, _)| section).collect();
    let mut breaches = Vec::new();
    for (path, number, span) in
        manual().flat_map(|(path, text)| spans(&text).into_iter().map(move |(n, s)| (path, n, s)))
    {
        let span = span.as_str();
        let (name, value) = span.split_once(" = ").unwrap_or((span, ""));
        let is_key = |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        let is_known = match name.split_once('.') {
            Some((section, key)) if sections.contains(section) && is_key(key) => known.contains(name),
            // A bare key belongs to an account, or stands at the top.
            None if is_key(name) && !value.is_empty() => {
                known.contains(name)
                    || ["account_defaults", "account"]
                        .iter()
                        .any(|section| known.contains(&format!("{section}.{name}")))
            }
            _ => true,
        };
        if !is_known {
            breaches.push(format!("{path}:{number}: there is no key `{name}`"));
        }
        if let Some(variable) = span.strip_prefix("DATADROP__") {
            let key = variable.split('=').next().unwrap().to_lowercase().replace("__", ".");
            if !known.contains(&key) {
                breaches.push(format!("{path}:{number}: there is no key `{key}`"));
            }
        }
    }
    for (path, text) in manual() {
        for (_, number, lines) in blocks(&text).into_iter().filter(|(language, ..)| language == "toml") {
            breaches.extend(unknown_keys(&format!("{path}, block from line {number}"), &lines.join("\n")));
        }
    }
    assert_none("the manual names keys that exist", &breaches);
}

/// What the program says of keys in this configuration that it does not know. A part of a configuration, and files that are
/// not there, have other problems, which do not matter here.
fn unknown_keys(name: &str, text: &str) -> Vec<String> {
    let problems = datadrop::config::load_text(name, text, []).map_or_else(|error| error.problems, |_| Vec::new());
    problems.iter().filter(|problem| problem.message.contains("no such key")).map(ToString::to_string).collect()
}

#[test]
fn the_default_configuration_names_only_known_keys() {
    // Everything that is commented out, switched on: a key that the program does not know is reported as unknown.
    let text = fs::read_to_string(root().join("config/default.toml")).unwrap();
    let mut uncommented = String::new();
    for line in text.lines() {
        let bare = line.trim_start_matches("# ");
        let is_key =
            bare.split_once(" = ").is_some_and(|(key, _)| key.chars().all(|c| c.is_ascii_lowercase() || c == '_'));
        let is_section = bare.starts_with('[') && bare.ends_with(']');
        uncommented.push_str(if is_key || is_section { bare } else { "" });
        uncommented.push('\n');
    }
    assert_none("config/default.toml documents keys that exist", &unknown_keys("config/default.toml", &uncommented));
}

#[test]
fn the_configuration_of_readme_is_the_example() {
    let bare = |text: &str| -> Vec<String> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.map(str::to_owned).collect()
    };
    let shown = blocks(&readme()).into_iter().find(|(language, ..)| language == "toml").unwrap().2.join("\n");
    let example = fs::read_to_string(root().join("config/datadrop.example.toml")).unwrap();
    assert_eq!(bare(&shown), bare(&example));
}

#[test]
fn the_checks_run_the_test_command_of_readme() {
    let checks = fs::read_to_string(root().join(".ci/run")).unwrap();
    let shown: Vec<String> = blocks(&readme())
        .into_iter()
        .filter(|(language, ..)| language == "sh")
        .flat_map(|(_, _, lines)| lines)
        .filter(|line| line.starts_with("cargo test"))
        .collect();
    assert_eq!(shown.len(), 1, "README shows one test command");
    assert!(checks.contains("README.md"), ".ci/run takes the test command from README");
}

#[test]
fn readme_is_short() {
    let lines = readme().lines().count();
    assert!(
        lines <= README_LINES,
        "README.md has {lines} lines, and may have {README_LINES}: move what only operators need"
    );
}

#[test]
fn every_file_that_the_manual_names_is_there() {
    let folders = ["src/", "config/", "tests/", "systemd/", ".ci/"];
    let mut breaches = Vec::new();
    for (path, text) in manual() {
        let spans = spans(&text).into_iter();
        let missing = spans.filter(|(_, span)| folders.iter().any(|folder| span.starts_with(folder)));
        let missing = missing.filter(|(_, span)| !root().join(span).exists());
        breaches.extend(missing.map(|(number, span)| format!("{path}:{number}: there is no {span}")));
    }
    assert_none("the manual names files that exist", &breaches);
}

/// The targets of links that lead to no other site, each with its line's number.
fn links(text: &str) -> Vec<(usize, &str)> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    lines
        .flat_map(|(number, line)| line.split("](").skip(1).map(move |rest| (number, rest)))
        .filter_map(|(number, rest)| Some((number, rest.split_once(')')?.0)))
        .filter(|(_, target)| !target.contains("://"))
        .collect()
}

/// The headings of a document, as links name them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#')).map(|line| line.trim_start_matches('#').trim());
    headings
        .map(|heading| {
            let kept = heading.to_lowercase().replace(' ', "-");
            kept.chars().filter(|c| c.is_alphanumeric() || *c == '-' || *c == '_').collect()
        })
        .collect()
}

#[test]
fn every_link_of_the_manual_leads_somewhere() {
    let mut breaches = Vec::new();
    for (path, text) in manual() {
        let folder = root().join(path).parent().unwrap().to_owned();
        let links = links(&text);
        assert!(path != "README.md" || !links.is_empty(), "README leads to the other documents");
        for (number, link) in links {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { root().join(path) } else { folder.join(file) };
            let is_there = match fs::read_to_string(&target) {
                Ok(text) => heading.is_empty() || anchors(&text).contains(heading),
                Err(_) => false,
            };
            if !is_there {
                breaches.push(format!("{path}:{number}: leads to {link}, which is not there"));
            }
        }
    }
    assert_none("the manual links to what exists", &breaches);
}

#[test]
fn the_package_installs_the_manual() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let unit = fs::read_to_string(root().join("systemd/datadrop.service")).unwrap();
    for path in MANUAL {
        assert!(manifest.contains(&format!("[\"{path}\", \"usr/share/doc/datadrop/\", \"644\"]")), "{path}");
    }
    for name in ["README.md", "OPERATING.md"] {
        assert!(unit.contains(&format!("file:///usr/share/doc/datadrop/{name}")), "the unit leads to {name}");
    }
}

/// What follows `before` up to the first character that no name has, wherever it stands.
fn names_after(text: &str, before: &str) -> BTreeSet<String> {
    let rests = text.split(before).skip(1);
    rests.map(|rest| rest.split(|c: char| !c.is_ascii_lowercase() && c != '_').next().unwrap().to_owned()).collect()
}

#[test]
fn the_manual_has_every_metric_and_every_event() {
    let read = |path: &str| fs::read_to_string(root().join(path)).unwrap();
    let scraped = read("tests/snapshots/integration__surface__metrics.snap");
    let shown = names_after(&read("src/status/page/METRICS.md"), "| `datadrop_");
    assert_eq!(
        shown,
        names_after(&scraped, "# TYPE datadrop_"),
        "src/status/page/METRICS.md names the metrics that there are"
    );
    let alerts = read("src/alert/ALERTS.md");
    for event in datadrop::config::AlertEvent::ALL {
        assert!(alerts.contains(&format!("| `{}` |", event.as_str())), "src/alert/ALERTS.md lacks {}", event.as_str());
    }
}

#[test]
fn the_unit_starts_what_there_is() {
    let unit = fs::read_to_string(root().join("systemd/datadrop.service")).unwrap();
    let start = unit.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let mut words = start.split(' ');
    assert_eq!(words.next().map(Path::new).and_then(Path::file_name), Some("datadrop".as_ref()));
    let command = words.next().unwrap();
    let help = help(&[command]).expect("the unit starts a command that exists");
    for option in words.filter(|word| word.starts_with("--")) {
        assert!(help.contains(option), "{option}");
    }
    assert!(unit.contains("RestartPreventExitStatus=78"));
}
