//! `check`: what Adobe would reject or skip of files, before they are dropped.

mod day_table;
mod diagnostics;
mod fix;
mod fix_report;
mod line_diff;

use super::args::CheckArguments;
use super::failure::{Exit, Failure};
use super::output::Output;
use super::settings;
use crate::check::{Checked, Checker, Code, Facts, Finding, Severity};
use crate::job::{DayZone, SuiteFacts, shell_word};
use crate::joblog::Reader;
use crate::status::{counted, printable};
use jiff::ZonedDateTime;
use serde::Serialize;
use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

/// The default of `upload.max_file_size`; the command needs no configuration.
const MAX_SIZE: u64 = 50_000_000;

/// Maximum number of findings of each rule in the output for people, who need no more of one kind.
const KEPT_FOR_PEOPLE: usize = 10;

/// Maximum number of findings of each rule in the output for programs.
const KEPT_FOR_PROGRAMS: usize = 1_000;

/// The JSON shape of DESIGN §7.
#[derive(Serialize)]
struct Object<'a> {
    file: &'a str,
    line: Option<u64>,
    column: Option<usize>,
    code: &'static str,
    severity: Severity,
    message: &'a str,
    suggestion: Option<&'a str>,
}

impl<'a> Object<'a> {
    fn of(file: &'a str, finding: &'a Finding) -> Self {
        Self {
            file,
            line: finding.place.as_ref().map(|place| place.line),
            column: finding.place.as_ref().map(|place| place.column),
            code: finding.code.as_str(),
            severity: finding.code.severity(),
            message: &finding.message,
            suggestion: finding.suggestion.as_deref(),
        }
    }
}

/// What is known in addition to a file.
struct Known {
    now: ZonedDateTime,
    extensions: Vec<String>,
    in_suite_zone: bool,
    suite: Option<SuiteFacts>,
    data_source_id: Option<i64>,
    max_size: u64,
}

impl Known {
    /// Without an account, nothing but the defaults.
    fn new(config: &Path, account: Option<&str>) -> Result<Self, Failure> {
        let Some(name) = account else {
            return Ok(Self {
                now: DayZone::of(None, None).at(settings::now()),
                extensions: vec!["txt".to_owned(), "tab".to_owned()],
                in_suite_zone: false,
                suite: None,
                data_source_id: None,
                max_size: MAX_SIZE,
            });
        };
        let config = settings::load(config)?;
        let account = settings::account(&config, name)?;
        // Before the first start there is no job log, and nothing is known of the report suite.
        let suite = match Reader::open_quietly(&config.state_dir)? {
            Some(reader) => reader.suite_facts(&account.target(&config.api))?.map(|record| record.facts),
            None => None,
        };
        let suites = suite.as_ref().and_then(|suite| suite.time_zone.as_deref());
        let zone = DayZone::of(account.time_zone.as_ref(), suites);
        Ok(Self {
            now: zone.at(settings::now()),
            in_suite_zone: zone.is_suites,
            suite,
            extensions: account.extensions.clone(),
            data_source_id: Some(account.data_source_id),
            max_size: config.upload.max_file_size,
        })
    }

    /// What the rules need to know of a file of this name. `keep`: findings of each rule.
    fn facts<'a>(&'a self, file_name: &'a OsStr, keep: usize) -> Facts<'a> {
        Facts {
            file_name,
            extensions: &self.extensions,
            now: &self.now,
            in_suite_zone: self.in_suite_zone,
            suite: self.suite.as_ref(),
            data_source_id: self.data_source_id,
            max_size: self.max_size,
            bytes_per_second: None,
            keep,
        }
    }
}

pub(super) fn run(config: &Path, arguments: &CheckArguments, output: &mut Output) -> Result<Exit, Failure> {
    if let Some(word) = &arguments.explain {
        output.data(&diagnostics::explanation(code(word)?))?;
        return Ok(Exit::Done);
    }
    let known = Known::new(config, arguments.account.as_deref())?;
    if arguments.fix {
        return fix::run(&known, &settings::folders_of_accounts(config), arguments, output);
    }
    let mut files = Vec::new();
    let mut is_unread = false;
    let keep = if arguments.json { KEPT_FOR_PROGRAMS } else { KEPT_FOR_PEOPLE };
    let mut buffer = vec![0; 256 * 1024];
    for path in &arguments.files {
        let name = path.display().to_string();
        match check(path, &known, keep, &mut buffer) {
            Ok(checked) => {
                if !arguments.json {
                    if !files.is_empty() && (arguments.totals || !checked.findings.kept().is_empty()) {
                        output.line("")?;
                    }
                    let width = output.screen().map(|(width, _)| width);
                    output.data(&if arguments.totals {
                        day_table::table(&printable(&name), &checked)
                    } else {
                        diagnostics::file(&printable(&name), &checked, width)
                    })?;
                }
                files.push((name, checked));
            }
            Err(error) => {
                is_unread = true;
                output.message(&format!("{}: cannot be checked: {error}", printable(&name)))?;
            }
        }
    }
    if arguments.json {
        output.data(&if arguments.totals { day_table::json(&files)? } else { json(&files)? })?;
        for (name, checked) in &files {
            let remarks = if arguments.totals { day_table::remarks(checked) } else { left_out(checked) };
            for remark in remarks {
                output.message(&format!("{}: {remark}", printable(name)))?;
            }
        }
    } else {
        if files.len() > 1 {
            output.line(&diagnostics::summary(files.iter().map(|(_, checked)| checked)))?;
        }
        let first = files.iter().find_map(|(name, checked)| Some((name, checked.findings.kept().first()?)));
        if let Some((name, _)) = first.filter(|_| arguments.totals) {
            output.note(&format!("To see the findings: datadrop check {}", shell_word(name)))?;
        } else if let Some((_, finding)) = first {
            output.note(&format!("More about a rule: datadrop check --explain {}", finding.code))?;
        }
    }
    let is_well = files.iter().all(|(_, checked)| checked.findings.worst() <= Some(Severity::Doubtful));
    Ok(if is_unread { Exit::Failed } else { Exit::all(is_well) })
}

fn check(path: &Path, known: &Known, keep: usize, buffer: &mut [u8]) -> io::Result<Checked> {
    // A named pipe would wait for its writer for ever.
    let kind = std::fs::metadata(path)?.file_type();
    if !kind.is_file() {
        return Err(io::Error::other(if kind.is_dir() { "it is a folder" } else { "it is not a plain file" }));
    }
    let mut file = File::open(path)?;
    let mut checker = Checker::new(&known.facts(path.file_name().unwrap_or_default(), keep));
    loop {
        match file.read(buffer) {
            Ok(0) => return Ok(checker.finish()),
            Ok(read) => checker.update(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn json(files: &[(String, Checked)]) -> serde_json::Result<String> {
    let objects: Vec<Object<'_>> = files
        .iter()
        .flat_map(|(name, checked)| checked.findings.kept().iter().map(move |finding| (name, finding)))
        .map(|(name, finding)| Object::of(name, finding))
        .collect();
    let mut text = serde_json::to_string_pretty(&objects)?;
    text.push('\n');
    Ok(text)
}

/// What an array that is not complete must say of itself.
fn left_out(checked: &Checked) -> Vec<String> {
    let kept = checked.findings.kept().len() as u64;
    let all = checked.findings.count_from(Severity::Doubtful);
    if all <= kept {
        return Vec::new();
    }
    let rest = counted(i64::try_from(all - kept).unwrap_or(i64::MAX), "finding");
    vec![format!("{rest} left out; the array has the first {KEPT_FOR_PROGRAMS} of each rule")]
}

fn code(word: &str) -> Result<Code, Failure> {
    Code::from_word(word).ok_or_else(|| {
        let like = Code::like(word).map_or_else(String::new, |code| format!("; did you mean `{code}`?"));
        let known: Vec<&str> = Code::ALL.iter().map(|code| code.as_str()).collect();
        Failure::new(
            Exit::Usage,
            format!("there is no rule `{}`{like}\nthe rules are: {}", printable(word), known.join(", ")),
        )
    })
}
