//! Completions and manual pages: generated from the command line, and read by the programs that use them.

use crate::harness::{skipped, stderr, stdout};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

fn datadrop(arguments: &[&str]) -> Output {
    let output =
        Command::new(env!("CARGO_BIN_EXE_datadrop")).args(arguments).env_remove("DATADROP_CONFIG").output().unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    output
}

/// Returns whether a program is installed. If it is not, prints a message.
fn is_there(program: &str) -> bool {
    let there = Command::new(program).arg("--version").output().is_ok_and(|output| output.status.success());
    if !there {
        skipped(&format!("there is no {program} here"));
    }
    there
}

#[test]
fn every_shell_gets_completions_and_bash_completes_with_them() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(stdout(&datadrop(&["completions", shell])).contains("explain"), "{shell}");
    }
    if !is_there("bash") {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("datadrop.bash");
    fs::write(&script, datadrop(&["completions", "bash"]).stdout).unwrap();
    for (line, wanted) in [
        ("datadrop jobs li", "list"),
        ("datadrop exp", "explain"),
        ("datadrop jobs list --sta", "--state"),
        ("datadrop jobs list --state fail", "failure"),
        ("datadrop completions ba", "bash"),
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let last = words.len() - 1;
        let program = format!(
            "set -eu; COMP_WORDBREAKS=; source '{}'; COMP_WORDS=({line}); COMP_CWORD={last}; \
             _datadrop datadrop '{}' '{}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            script.display(),
            words[last],
            words[last - 1]
        );
        let output = Command::new("bash").args(["--norc", "-c", &program]).output().unwrap();
        assert!(stdout(&output).lines().any(|found| found == wanted), "{line}: {}{}", stdout(&output), stderr(&output));
    }
}

/// Checks the required parts of a page.
fn check_page(page: &str, sections: &[&str]) {
    for section in sections {
        assert!(
            page.lines().any(|line| line.trim_start_matches(".SH ").trim_matches('"') == *section),
            "{section}\n{page}"
        );
    }
    assert!(page.starts_with(".TH \"DATADROP"), "{page}");
}

#[test]
fn there_is_a_page_for_every_command_with_examples() {
    let dir = tempfile::tempdir().unwrap();
    let output = datadrop(&["man", "--dir", dir.path().to_str().unwrap()]);
    let mut files: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert_eq!(stdout(&output).split(' ').next(), Some(files.len().to_string().as_str()));
    let named = |name: &str| files.iter().any(|file| file.ends_with(name));
    for name in ["datadrop.1", "datadrop-run.1", "datadrop-explain.1", "datadrop-jobs.1", "datadrop-jobs-list.1"] {
        assert!(named(name), "{name}: {files:?}");
    }
    assert_eq!(stdout(&datadrop(&["man"])), fs::read_to_string(dir.path().join("datadrop.1")).unwrap());
    for file in &files {
        let page = fs::read_to_string(file).unwrap();
        check_page(&page, &["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS", "FILES", "ENVIRONMENT"]);
        let is_family = page.contains(".SH SUBCOMMANDS");
        assert!(is_family || page.contains(".SH EXAMPLES"), "{}: no examples", file.display());
    }
    lint(&files);
    let list = fs::read_to_string(dir.path().join("datadrop-jobs-list.1")).unwrap();
    assert!(list.contains("datadrop jobs list \\-\\-account callcentre \\-\\-since 2h"), "{list}");
}

/// Checks pages with the tools of this machine.
fn lint(pages: &[PathBuf]) {
    if is_there("mandoc") {
        let output = Command::new("mandoc").args(["-T", "lint", "-W", "error"]).args(pages).output().unwrap();
        assert!(output.status.success(), "{}", stdout(&output));
    } else if is_there("groff") {
        let output =
            Command::new("groff").args(["-Kutf8", "-man", "-Tutf8", "-ww", "-z"]).args(pages).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{}", stderr(&output));
    }
}

#[test]
fn a_directory_that_is_not_there_is_named_with_a_remedy() {
    let output = Command::new(env!("CARGO_BIN_EXE_datadrop")).args(["man", "--dir", "/nonexistent"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(told.contains("/nonexistent/") && told.contains("name a directory that exists"), "{told}");
}
