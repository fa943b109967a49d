//! The layers, one over the other, and the reading of what they make together.

use super::account_section::{absolute, read_accounts, read_defaults};
use super::api_section::{read_api, reason};
use super::problems::{ConfigError, KeyProblem, Outline, PREFIX, Place, Report, wrong};
use super::section::{Section, Surroundings, Table, table_of};
use super::sections::Config;
use super::stage_sections::{
    read_alert, read_keep, read_log, read_poll, read_retry, read_status, read_upload, read_watch,
};
use crate::job::Problem;
use config::{Environment, File, FileFormat, Map, Value, ValueKind};
use std::path::{Path, PathBuf};

/// Every key with its default: the lowest layer, and the documentation.
pub(super) const DEFAULTS: &str = include_str!("../../config/default.toml");

/// The smallest configuration that works.
pub(super) const EXAMPLE: &str = include_str!("../../config/datadrop.example.toml");

/// Maximum number of lines that are no TOML and are left out for commands that only look.
const MOST_WRONG_LINES: usize = 16;

/// What stands before problems when no file was given.
const NO_FILE: &str = "no configuration file";

/// Reads the configuration: what datadrop itself says, over it the file, over that `DATADROP__SECTION__KEY` variables.
///
/// `env` is the whole environment; `STATE_DIRECTORY` and `CREDENTIALS_DIRECTORY` of systemd count too.
/// No file at all is allowed here, but the accounts have to come from one.
///
/// # Errors
/// Everything that is wrong, at once; or that the file cannot be read.
pub fn load(file: Option<&Path>, env: impl IntoIterator<Item = (String, String)>) -> Result<Config, ConfigError> {
    load_file(file, &Surroundings::new(file, true, env))
}

/// As [`load`], for commands that never call the API: files with secrets need not be readable (nor there), so that
/// members of the service's group can look at the job log.
///
/// # Errors
/// As [`load`].
pub fn load_without_secrets(
    file: Option<&Path>,
    env: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    load_file(file, &Surroundings::new(file, false, env))
}

/// As [`load_without_secrets`], for commands that show what goes on: the service goes on with what it read before, whatever became
/// of the file since. What is wrong comes beside the rest, which has the defaults in its place. Lines that are no TOML are left
/// out.
///
/// # Errors
/// That the file cannot be read, or that what is left of it may not say where the job log is.
pub fn load_to_look(
    file: Option<&Path>,
    env: impl IntoIterator<Item = (String, String)>,
) -> Result<(Config, Option<ConfigError>), ConfigError> {
    let surroundings = Surroundings::new(file, false, env);
    let (name, text) = text_of(file)?;
    match read_layers(&name, &text, &surroundings) {
        Ok((config, wrong)) => Ok((config, wrong.err())),
        Err(mut wrong) => {
            let Some(text) = without_wrong_lines(&name, &text) else { return Err(wrong) };
            let (config, more) = read_layers(&name, &text, &surroundings)?;
            wrong.problems.extend(more.err().into_iter().flat_map(|more| more.problems));
            Ok((config, Some(wrong)))
        }
    }
}

/// Empties each line that is no TOML. `None`: there are too many, or one of them may have been the `state_dir`.
fn without_wrong_lines(name: &str, text: &str) -> Option<String> {
    let mut lines: Vec<&str> = text.lines().collect();
    let first_section = lines.iter().position(|line| line.trim_start().starts_with('[')).unwrap_or(lines.len());
    let mut is_top_whole = true;
    for _ in 0..MOST_WRONG_LINES {
        let left = lines.join("\n");
        match Outline::parse(name, &left) {
            Ok(outline) => return (is_top_whole || outline.line("state_dir").is_some()).then_some(left),
            Err(error) => {
                let at = error.problems.first()?.line?.checked_sub(1)?;
                let line = lines.get_mut(at).filter(|line| !line.is_empty())?;
                *line = "";
                is_top_whole &= at >= first_section;
            }
        }
    }
    None
}

/// As [`load`], for commands that ask the API: they may be what finds out the first account to configure.
///
/// # Errors
/// As [`load`].
pub fn load_for_requests(
    file: Option<&Path>,
    env: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    load_file(file, &Surroundings { accounts_required: false, ..Surroundings::new(file, true, env) })
}

/// As [`load`], from a text; `name` stands for the file in problems.
///
/// # Errors
/// As [`load`].
pub fn load_text(
    name: &str,
    text: &str,
    env: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    load_layers(name, text, &Surroundings::new(None, true, env))
}

/// As [`load_text`], for a configuration in the making: neither accounts nor the file with the secret need be there.
///
/// # Errors
/// As [`load`].
pub fn load_draft(
    name: &str,
    text: &str,
    env: impl IntoIterator<Item = (String, String)>,
) -> Result<Config, ConfigError> {
    load_layers(name, text, &Surroundings { accounts_required: false, ..Surroundings::new(None, false, env) })
}

fn load_file(file: Option<&Path>, surroundings: &Surroundings) -> Result<Config, ConfigError> {
    let (name, text) = text_of(file)?;
    load_layers(&name, &text, surroundings)
}

/// What the file is called in problems, and what is in it.
fn text_of(file: Option<&Path>) -> Result<(String, String), ConfigError> {
    let Some(path) = file else { return Ok((NO_FILE.to_owned(), String::new())) };
    let name = path.display().to_string();
    let unreadable = |message: String| KeyProblem {
        source: name.clone(),
        message,
        remedy: "`datadrop init` writes one; or name another with --config FILE".to_owned(),
        ..KeyProblem::default()
    };
    let text = match std::fs::read(path) {
        Ok(bytes) => String::from_utf8(bytes).map_err(|error| {
            let line = error.as_bytes()[..error.utf8_error().valid_up_to()].split(|&byte| byte == b'\n').count();
            let remedy = "save the file as UTF-8".to_owned();
            KeyProblem { line: Some(line), remedy, ..unreadable("the file is not valid UTF-8".to_owned()) }
        })?,
        Err(error) => {
            return Err(unreadable(format!("the configuration cannot be read ({})", reason(&error))).into());
        }
    };
    Ok((name, text))
}

fn load_layers(name: &str, text: &str, surroundings: &Surroundings) -> Result<Config, ConfigError> {
    let (config, warnings) = read_layers(name, text, surroundings)?;
    Ok(Config { warnings: warnings?, ..config })
}

/// The configuration, and what is doubtful or wrong in it.
fn read_layers(
    name: &str,
    text: &str,
    surroundings: &Surroundings,
) -> Result<(Config, Result<Vec<Problem>, ConfigError>), ConfigError> {
    let mut report = Report::new(name.to_owned(), Outline::parse(name, text)?);
    report.warnings.clone_from(&surroundings.warnings);
    let table = layer(&mut report, text, surroundings);
    let config = read(&mut report, table, surroundings);
    Ok((config, report.finish()))
}

/// Lays the three over each other.
pub(super) fn layer(report: &mut Report, text: &str, surroundings: &Surroundings) -> Table {
    let layers = config::Config::builder()
        .add_source(File::from_str(DEFAULTS, FileFormat::Toml))
        .add_source(File::from_str(text, FileFormat::Toml))
        .add_source(
            Environment::with_prefix("DATADROP")
                .prefix_separator("__")
                .separator("__")
                .source(Some(usable_variables(report, &surroundings.variables))),
        )
        .build();
    match layers.map(|layers| layers.cache.kind) {
        Ok(ValueKind::Table(table)) => table,
        Ok(_) => Table::new(),
        // The outline has refused all that could come here; should the two ever differ, this is still an answer.
        Err(error) => {
            report.add(
                report.place_of_missing(""),
                "the whole file".to_owned(),
                None,
                wrong(error.to_string().replace('\n', " "), "correct the file"),
            );
            Table::new()
        }
    }
}

/// The variables without those that would reach into lists, or that are no path of keys at all.
fn usable_variables(report: &mut Report, variables: &Map<String, String>) -> Map<String, String> {
    let mut names: Vec<&String> = variables.keys().collect();
    names.sort();
    let mut usable = Map::new();
    for name in names {
        let key = name[PREFIX.len()..].to_lowercase();
        let place = Place { source: format!("environment variable {name}"), line: None };
        let first = key.split("__").next().unwrap_or_default();
        if first == "account" || first == "alert" {
            let message = format!("a variable cannot set [[{first}]]");
            report.add(place, key.replace("__", "."), None, wrong(message, "write it in the configuration file"));
        } else if key.split("__").any(str::is_empty) || !key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
            let remedy = format!("write it as {PREFIX}SECTION__KEY");
            report.add(place, key, None, wrong("this names no key", remedy));
        } else if let Some(value) = variables.get(name) {
            usable.insert(name.clone(), value.clone());
        }
    }
    usable
}

/// Reads every section. What it returns is good only if the report has no problems.
pub(super) fn read(report: &mut Report, table: Table, surroundings: &Surroundings) -> Config {
    let mut root = Section::new(report, "at the top of the file, above the first [section]", "", String::new(), table);
    let state_dir = read_state_dir(&mut root, surroundings);
    let names = ["api", "upload", "retry", "poll", "watch", "log", "keep", "status", "account_defaults"];
    let [api, upload, retry, poll, watch, log, keep, status, account_defaults] = names.map(|name| root.raw(name));
    let [alerts, accounts] = ["alert", "account"].map(|name| root.raw(name));
    root.finish();

    let api = read_api(Section::open(report, "api", api), surroundings);
    let upload = read_upload(Section::open(report, "upload", upload));
    let retry = read_retry(Section::open(report, "retry", retry));
    let poll = read_poll(Section::open(report, "poll", poll));
    let watch = read_watch(Section::open(report, "watch", watch));
    let log = read_log(Section::open(report, "log", log));
    let keep = read_keep(Section::open(report, "keep", keep));
    let status = read_status(Section::open(report, "status", status), surroundings, api.allow_http);
    let alerts = tables_of(report, "alert", alerts)
        .into_iter()
        .map(|(index, table)| {
            let (path, label) = (format!("alert[{index}]"), format!("alert #{}: ", index + 1));
            read_alert(Section::new(report, "in [[alert]]", &path, label, table), api.allow_http)
        })
        .collect();
    let defaults = Section::open(report, "account_defaults", account_defaults);
    let defaults = read_defaults(defaults, upload.style, watch.settle);
    let none_given = match &accounts {
        None => true,
        Some(accounts) => matches!(&accounts.kind, ValueKind::Array(items) if items.is_empty()),
    };
    if none_given && surroundings.accounts_required {
        let message = "no account is configured, so there is no folder to watch";
        let place = report.place_of_missing("account");
        report.add(place, "account".to_owned(), None, wrong(message, "add an [[account]], like this:"));
        report.example = EXAMPLE.find("[[account]]").map(|at| EXAMPLE[at..].to_owned());
    }
    let tables = tables_of(report, "account", accounts);
    let accounts = read_accounts(report, tables, &defaults, &state_dir);
    Config {
        file: surroundings.file.clone(),
        service_user: None,
        state_dir,
        api,
        upload,
        retry,
        poll,
        watch,
        log,
        keep,
        status,
        alerts,
        accounts,
        warnings: Vec::new(),
    }
}

fn read_state_dir(root: &mut Section<'_>, surroundings: &Surroundings) -> PathBuf {
    let from_systemd = surroundings.state_directory.as_ref().filter(|_| root.is_default("state_dir"));
    let state_dir = root.take("state_dir", |given| absolute(given.filled()?));
    match from_systemd.map(|text| (text, absolute(text))) {
        None => state_dir.unwrap_or_default(),
        Some((_, Ok(state_dir))) => state_dir,
        Some((text, Err(wrong))) => {
            let place = Place { source: "environment variable STATE_DIRECTORY".to_owned(), line: None };
            root.report().add(place, "state_dir".to_owned(), Some(format!("{text:?}")), wrong);
            PathBuf::new()
        }
    }
}

/// The tables of a `[[list]]`, each with its place in it.
fn tables_of(report: &mut Report, name: &str, value: Option<Value>) -> Vec<(usize, Table)> {
    let Some(value) = value else { return Vec::new() };
    if let ValueKind::Array(items) = value.kind {
        let each = items.into_iter().enumerate();
        return each
            .filter_map(|(index, item)| {
                let (path, label) = (format!("{name}[{index}]"), format!("{name} #{}", index + 1));
                table_of(report, &path, &label, &format!("[[{name}]]"), item).map(|table| (index, table))
            })
            .collect();
    }
    let place = report.place(name, value.origin());
    let remedy = format!("write [[{name}]], in double brackets: there can be several");
    report.add(place, name.to_owned(), None, wrong("this must be a list", remedy));
    Vec::new()
}
