//! README, licence and checks, held to the program.

use super::{assert_none, root};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

/// Commands that have commands of their own.
const FAMILIES: [&str; 3] = ["accounts", "jobs", "service"];

fn readme() -> String {
    fs::read_to_string(root().join("README.md")).unwrap()
}

/// The blocks of README between lines of backticks, each with its language and its first line's number.
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

/// The lines of commands that README shows, each with its line's number and from the word after `datadrop`.
fn command_lines(text: &str) -> Vec<(usize, String)> {
    let mut lines = spans(text);
    for (_, first, block) in blocks(text).into_iter().filter(|(language, ..)| language == "sh") {
        lines.extend(block.into_iter().enumerate().map(|(index, line)| (first + index, line)));
    }
    let programs = ["datadrop ", "sudo -u datadrop datadrop ", "cargo run --release -- "];
    lines
        .into_iter()
        .filter_map(|(number, line)| {
            let rest = programs.iter().find_map(|program| line.strip_prefix(program))?;
            Some((number, rest.split(" #").next().unwrap_or(rest).to_owned()))
        })
        .collect()
}

#[test]
fn every_command_and_option_that_readme_shows_exists() {
    let text = readme();
    let mut breaches = Vec::new();
    let mut shown = BTreeSet::new();
    for (number, line) in command_lines(&text) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let is_name = |word: &&&str| !word.starts_with('-') && word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        let named: Vec<&str> = words.iter().take_while(is_name).copied().collect();
        let has_subcommands = named.first().is_some_and(|name| FAMILIES.contains(name));
        let command = &named[..named.len().min(if has_subcommands { 2 } else { 1 })];
        let Some(help) = help(command) else {
            breaches.push(format!("README.md:{number}: there is no command `datadrop {}`", command.join(" ")));
            continue;
        };
        shown.insert(command.join(" "));
        for option in words.iter().filter(|word| word.starts_with("--")) {
            if !help.contains(option) {
                breaches.push(format!("README.md:{number}: `datadrop {}` has no {option}", command.join(" ")));
            }
        }
        // In the table of commands, what follows are options of the command in the same row.
        let row = text.lines().nth(number - 1).unwrap();
        for option in row.split('`').skip(1).step_by(2).filter(|span| row.starts_with("| `") && span.starts_with("--"))
        {
            let option = option.split(' ').next().unwrap();
            if !help.contains(option) {
                breaches.push(format!("README.md:{number}: `datadrop {}` has no {option}", command.join(" ")));
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
    assert_none("README shows the commands that there are", &breaches);
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
fn every_key_that_readme_names_is_known() {
    let known = known_keys();
    assert!(known.contains("upload.max_in_flight") && known.contains("account.folder"), "{known:?}");
    let sections: BTreeSet<&str> =
        known.iter().filter_map(|key| key.split_once('.')).map(|(section, _)| section).collect();
    let mut breaches = Vec::new();
    for (number, span) in spans(&readme()) {
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
            breaches.push(format!("README.md:{number}: there is no key `{name}`"));
        }
        if let Some(variable) = span.strip_prefix("DATADROP__") {
            let key = variable.split('=').next().unwrap().to_lowercase().replace("__", ".");
            if !known.contains(&key) {
                breaches.push(format!("README.md:{number}: there is no key `{key}`"));
            }
        }
    }
    assert_none("README names keys that exist", &breaches);
}

#[test]
fn the_default_configuration_names_only_known_keys() {
    // Everything that is commented out, switched on: a key that the program does not know is told as unknown.
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
    // Several credentials at once, and files that are not there: other problems are sure to come.
    let error = datadrop::config::load_text("config/default.toml", &uncommented, []).unwrap_err();
    let breaches: Vec<String> = error
        .problems
        .iter()
        .filter(|problem| problem.message.contains("no such key"))
        .map(ToString::to_string)
        .collect();
    assert_none("config/default.toml documents keys that exist", &breaches);
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
fn every_file_that_readme_names_is_there() {
    let folders = ["src/", "config/", "tests/", "systemd/", ".ci/"];
    let breaches: Vec<String> = spans(&readme())
        .into_iter()
        .filter(|(_, span)| folders.iter().any(|folder| span.starts_with(folder)) && !root().join(span).exists())
        .map(|(number, span)| format!("README.md:{number}: there is no {span}"))
        .collect();
    assert_none("README names files that exist", &breaches);
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
