//! `template`: a header for an account's files, with the friendly names of its report suite.

use super::args::TemplateArguments;
use super::failure::{Exit, Failure};
use super::output::Output;
use super::settings;
use crate::check::{HeaderTemplate, UnknownColumn};
use crate::joblog::{Reader, SuiteRecord};
use crate::status::printable;
use std::path::Path;

pub(super) fn run(config: &Path, arguments: &TemplateArguments, output: &mut Output) -> Result<Exit, Failure> {
    let config = settings::load(config)?;
    let account = settings::account(&config, &arguments.account)?;
    // Before the first start there is no job log, and nothing is known of the report suite.
    let record = match Reader::open_quietly(&config.state_dir)? {
        Some(reader) => reader.suite_facts(&account.target(&config.api))?,
        None => None,
    };
    let facts = record.as_ref().map(|record| &record.facts);
    let template = HeaderTemplate::new(facts, &arguments.columns).map_err(|unknown| refused(&unknown))?;
    let suite = printable(&account.report_suite_id);
    output.line(&format!("# Template file of datadrop (report suite: {suite}, ds_id: {})", account.data_source_id))?;
    output.line(&template.comment())?;
    output.line(&template.header())?;
    for gap in gaps(&suite, record.as_ref()) {
        output.message(&gap)?;
    }
    for name in &template.not_listed {
        output.message(&format!(
            "`{name}` is unknown or not enabled in report suite {suite}: compare the number with its settings, or enable it \
             there"
        ))?;
    }
    if template.is_too_long() {
        output.message(
            "the header is longer than the 4096 bytes that Adobe takes in a row. Name the columns that you need, such as \
             --columns 'event1,evar3'",
        )?;
    }
    Ok(Exit::Done)
}

/// What is not known of the report suite, and how to learn it.
fn gaps(suite: &str, record: Option<&SuiteRecord>) -> Vec<String> {
    let Some(record) = record else {
        return vec![format!(
            "datadrop does not know the eVars, events and friendly names of report suite {suite} yet. The daemon reads them \
             when it starts: `systemctl start datadrop`"
        )];
    };
    let why = record.unread.as_deref().unwrap_or("Adobe's response had none");
    let facts = &record.facts;
    [("eVars", facts.dimensions.is_none()), ("events", facts.metrics.is_none())]
        .into_iter()
        .filter(|(_, is_missing)| *is_missing)
        .map(|(what, _)| {
            let why = printable(&why.replace('\n', "; "));
            format!(
                "datadrop does not know the {what} of report suite {suite}: {why}. The daemon tries again at each start and \
                 daily. To find the cause: `datadrop doctor`"
            )
        })
        .collect()
}

fn refused(unknown: &[UnknownColumn]) -> Failure {
    let lines: Vec<String> = unknown
        .iter()
        .map(|unknown| match unknown.near.as_slice() {
            [] => unknown.why.clone(),
            near => format!("{}; did you mean {}?", unknown.why, near.join(" or ")),
        })
        .collect();
    Failure::new(Exit::Usage, lines.join("\n"))
}
