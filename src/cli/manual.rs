//! `completions` and `man`: made from the same source as `--help`.

use super::args::{Cli, CompletionsArguments, ManArguments};
use super::failure::{Exit, Failure};
use super::output::Output;
use clap::{Command, CommandFactory as _};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use std::io;
use std::path::Path;

/// What every page says of the world around the command.
const FILES: [(&str, &str); 5] = [
    ("/etc/datadrop/datadrop.toml", "The configuration, unless --config names another."),
    (
        "/var/lib/datadrop/datadrop.db",
        "The job log, in the state directory (key state_dir). Never restore an old copy while files lie in the inbox.",
    ),
    (
        "FOLDER/sent, FOLDER/held, FOLDER/done, FOLDER/failed",
        "Where the files of an account's folder go, by how they stand.",
    ),
    ("FOLDER/held/NAME.why, FOLDER/failed/NAME.why", "What happened to a file, and what helps."),
    ("FOLDER/.datadrop", "Proves that this is the account's folder. Leave it there."),
];
const ENVIRONMENT: [(&str, &str); 4] = [
    ("DATADROP_CONFIG", "The configuration, where --config names none."),
    ("DATADROP__SECTION__KEY", "Sets a key of the configuration, such as DATADROP__UPLOAD__MAX_IN_FLIGHT=8."),
    ("STATE_DIRECTORY", "The state directory, where the configuration names none; systemd sets it."),
    ("NO_COLOR", "No colours, if it is set."),
];
const EXIT_STATUS: [(&str, &str); 6] = [
    ("0", "Done."),
    ("1", "Failed."),
    ("2", "Wrong usage or configuration."),
    ("3", "Done, but not everything succeeded; check: Adobe would fail a file or skip rows of it."),
    ("4", "No such job or account."),
    ("78", "run: the configuration is wrong; systemd does not start it again."),
];

pub(super) fn completions(arguments: &CompletionsArguments, output: &mut Output) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "datadrop", &mut script);
    output.data(&String::from_utf8_lossy(&script))?;
    Ok(Exit::Done)
}

pub(super) fn man(arguments: &ManArguments, output: &mut Output) -> Result<Exit, Failure> {
    let mut root = Cli::command().disable_help_subcommand(true);
    root.build();
    match &arguments.dir {
        None => output.data(&page(&root)?)?,
        Some(dir) => {
            let written = write(&root, dir)?;
            output.line(&format!("{written} pages in {}", dir.display()))?;
        }
    }
    Ok(Exit::Done)
}

/// Writes the page of a command and those of all below it; how many.
fn write(command: &Command, dir: &Path) -> Result<usize, Failure> {
    let name = command.get_display_name().unwrap_or_else(|| command.get_name());
    let file = dir.join(format!("{name}.1"));
    let text = page(command)?;
    std::fs::write(&file, text).map_err(|error| {
        Failure::failed(format!(
            "{}: cannot be written: {error}; name a directory that exists and is yours",
            file.display()
        ))
    })?;
    command.get_subcommands().try_fold(1, |written, command| Ok(written + write(command, dir)?))
}

fn page(command: &Command) -> io::Result<String> {
    let man = Man::new(command.clone());
    let name = command.get_display_name().unwrap_or_else(|| command.get_name()).to_uppercase();
    let version = command.get_version().unwrap_or_default();
    // Written by hand to leave the date empty: otherwise the page would change with the day on which it is generated.
    let mut text = format!(".TH \"{name}\" \"1\" \"\" \"datadrop {version}\" \"datadrop\"\n").into_bytes();
    man.render_name_section(&mut text)?;
    man.render_synopsis_section(&mut text)?;
    man.render_description_section(&mut text)?;
    man.render_options_section(&mut text)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut text)?;
    }
    let help = command.get_after_long_help().or_else(|| command.get_after_help()).map(ToString::to_string);
    let (help, own_status) = without_status(help.as_deref().unwrap_or_default());
    let mut rest = Roff::new();
    after_help(&mut rest, &help);
    match own_status {
        Some(status) if !command.has_subcommands() => {
            rest.control("SH", ["EXIT STATUS"]);
            rest.text([roman(status)]);
        }
        Some(_) | None => table(&mut rest, "EXIT STATUS", &EXIT_STATUS),
    }
    table(&mut rest, "FILES", &FILES);
    table(&mut rest, "ENVIRONMENT", &ENVIRONMENT);
    rest.to_writer(&mut text)?;
    String::from_utf8(text).map_err(io::Error::other)
}

/// Takes the end of a paragraph that tells a command's own exit status out of its help.
fn without_status(help: &str) -> (String, Option<String>) {
    const BEGINS: &str = "Exit status: ";
    let Some(at) = help.find(BEGINS) else { return (help.to_owned(), None) };
    let (before, status) = help.split_at(at);
    let (status, after) = status.split_once("\n\n").unwrap_or((status, ""));
    (format!("{before}{after}"), Some(status.trim_start_matches(BEGINS).replace('\n', " ")))
}

/// A paragraph whose first line ends in a colon is a section of its own, kept as it is written; what else there is, notes.
fn after_help(roff: &mut Roff, help: &str) {
    let mut has_notes = false;
    for paragraph in help.split("\n\n").filter(|paragraph| !paragraph.trim().is_empty()) {
        let mut lines = paragraph.lines();
        let Some(first) = lines.next() else { continue };
        if let Some(title) = first.strip_suffix(':') {
            roff.control("SH", [title.to_uppercase().as_str()]);
            roff.control("nf", []);
            for line in lines {
                roff.text([roman(line.strip_prefix("  ").unwrap_or(line))]);
            }
            roff.control("fi", []);
            has_notes = false;
        } else {
            if has_notes {
                roff.control("PP", []);
            } else {
                roff.control("SH", ["NOTES"]);
            }
            has_notes = true;
            roff.text([roman(paragraph.trim_end().replace('\n', " "))]);
        }
    }
}

fn table(roff: &mut Roff, title: &str, rows: &[(&str, &str)]) {
    roff.control("SH", [title]);
    for (name, words) in rows {
        roff.control("TP", []);
        roff.text([bold(*name)]);
        roff.text([roman(*words)]);
    }
}
