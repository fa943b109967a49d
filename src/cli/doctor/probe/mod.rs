//! `doctor --probe`: what the API does with small files, sent to a report suite for development after an explicit yes.
//!
//! Nothing of it goes through the account's folder or the job log. [`probe_files`] says what is sent, [`consent`] what a
//! person agrees to, [`probe_session`] sends and looks, and [`probe_answers`] says what it means.

mod consent;
mod probe_answers;
mod probe_files;
mod probe_observed;
mod probe_session;

use crate::adobe::SuiteReading;
use crate::cli::api_session::Remote;
use crate::cli::args::DoctorArguments;
use crate::cli::failure::{Exit, Failure};
use crate::cli::interrupt;
use crate::cli::output::Output;
use crate::cli::settings;
use crate::cli::support_bundle;
use crate::clock::{now, random_digits};
use crate::config::{AccountConfig, Config};
use crate::job::{Phase, State, Target, Timestamp, virtual_suite};
use crate::joblog::{JobFilter, Reader};
use crate::status::printable;
use consent::{SuiteUse, announcement};
use probe_answers::{Settled, answers, in_words, utc};
use probe_files::Plan;
use probe_observed::Observed;
use probe_session::Session;
use std::fmt::Write as _;
use std::io::{self, BufRead as _, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::Instant;

/// The longest that an answer to the question is read, in bytes.
const LONGEST_ANSWER: u64 = 1024;
/// Two days ago it was not the future anywhere.
const ROWS_BEFORE: Duration = Duration::from_hours(48);

pub(super) fn run(file: &Path, name: &str, arguments: &DoctorArguments, output: &mut Output) -> Result<Exit, Failure> {
    let config = settings::load_for_requests(file)?;
    let account = settings::account(&config, name)?;
    let target = account.target(&config.api);
    refuse_unknown_outcomes(&config, account)?;
    let remote = Remote::open(&config)?;
    let suite = read(&remote, &target)?;
    let began_at = now();
    let plan = Plan::new(random_digits(), &suite.facts, day(began_at));
    refuse_production(&target, &suite)?;
    output.note(&announcement(name, &target, &suite.facts, &plan))?;
    for unread in &suite.unread {
        output.note(&format!("Not known of the report suite: {unread}"))?;
    }
    ask(&target, output)?;

    let time = jiff::Timestamp::now().to_zoned_datetime(jiff::tz::TimeZone::system());
    let usual = || PathBuf::from(format!("datadrop-probe-{}.md", time.strftime("%Y%m%d-%H%M%S")));
    let path = arguments.report.clone().unwrap_or_else(usual);
    let mut report = support_bundle::new_file(&path)?;
    let dir = tempfile::tempdir()
        .map_err(|error| Failure::failed(format!("no folder for the files of the probe can be made: {error}")))?;
    let stop = interrupt::stop_token()?;
    let began = Instant::now();
    let limit = config.api.rate_limit;
    let observed = remote.converse(async |client, purse| {
        let mut session = Session {
            client,
            purse,
            output,
            target: target.clone(),
            style: account.style,
            dir: dir.path(),
            stop,
            began,
            deadline: began + arguments.timeout,
            // Half of what Adobe allows.
            pause: limit.map_or(Duration::ZERO, |limit| limit.per * 2 / limit.requests),
            confirm_for: config.upload.confirm_for,
        };
        session.run(&plan, suite.facts.time_zone.clone()).await
    })?;

    let answers = answers(&observed);
    let text = told(&answers, &observed);
    let whole = format!(
        "# How the Data Sources API behaves\n\nSeen by datadrop {} at {}, from {}.\n\n{text}",
        env!("CARGO_PKG_VERSION"),
        config.api.base_url,
        utc(began_at)
    );
    if arguments.json {
        output.line(&serde_json::to_string_pretty(&answers)?)?;
    } else {
        output.data(&text)?;
    }
    support_bundle::redacted(file, &whole)
        .and_then(|text| report.write_all(text.as_bytes()).map_err(|error| error.to_string()))
        .map_err(|why| Failure::failed(format!("{}: cannot be written: {why}", path.display())))?;
    let arrived = observed.tried.iter().filter(|tried| tried.has_arrived()).count();
    let open = answers.iter().filter(|answer| answer.answer.is_none()).count();
    output.note(&format!("{arrived} of {} files arrived at Adobe; {open} questions are open", observed.tried.len()))?;
    if let Some(why) = observed.cut_short {
        output.message(why)?;
    }
    output.note(&format!(
        "{} has neither secrets nor IDs of the configuration: look through it before you hand it on",
        path.display()
    ))?;
    Ok(if arrived == 0 { Exit::Failed } else { Exit::all(open == 0) })
}

/// An upload whose outcome is unknown is judged by what came to the data source meanwhile (DESIGN S6): files of a probe
/// would hold it.
fn refuse_unknown_outcomes(config: &Config, account: &AccountConfig) -> Result<(), Failure> {
    let Some(reader) = Reader::open_quietly(&config.state_dir)? else { return Ok(()) };
    let open = [State::Uploading(Phase::Started), State::Unconfirmed].map(|state| state.as_str().to_owned());
    let filter = JobFilter { account: Some(account.name.clone()), states: open.into(), ..JobFilter::default() };
    if reader.count(&filter)? == 0 {
        return Ok(());
    }
    let name = &account.name;
    Err(Failure::failed(format!(
        "account {name} has an upload whose outcome is not known yet, and files of a probe would make it harder to find; try \
         again when `datadrop jobs list --account {name} --state uploading --state unconfirmed` shows none"
    )))
}

/// What the API tells of account and report suite.
fn read(remote: &Remote, target: &Target) -> Result<SuiteReading, Failure> {
    remote.authorise().map_err(|error| Failure::failed(error.problem()))?;
    let (suite, id) = (target.report_suite(), target.data_source_id);
    remote
        .ask(&async |client, purse| client.show_account(&suite, id, purse.permit().await).await)
        .map_err(|error| Failure::from(error).with_exit(Exit::Failed))?;
    Ok(remote.ask(&async |client, purse| Ok(client.read_suite(&suite, || purse.permit()).await))?)
}

fn refuse_production(target: &Target, suite: &SuiteReading) -> Result<(), Failure> {
    let id = printable(&target.report_suite_id);
    if let Some(parent) = &suite.facts.parent {
        return Err(Failure::failed(virtual_suite(&id, parent)));
    }
    let name = suite.facts.name.as_deref();
    match SuiteUse::of(&target.report_suite_id, name) {
        SuiteUse::Development | SuiteUse::Unknown => Ok(()),
        SuiteUse::Production => Err(Failure::failed(format!(
            "nothing was sent: by its names, report suite {id} ({}) is for production, and rows cannot be removed from it; \
             probe an account of a report suite for development",
            printable(name.unwrap_or("no name"))
        ))),
    }
}

/// The explicit yes: the ID of the report suite, so that nobody gives it for another one.
fn ask(target: &Target, output: &mut Output) -> Result<(), Failure> {
    let id = &target.report_suite_id;
    output.prompt("To send them, type the ID of the report suite: ")?;
    let mut answer = String::new();
    let read = io::stdin().lock().take(LONGEST_ANSWER).read_line(&mut answer);
    read.map_err(|error| Failure::failed(format!("nothing was sent: the answer cannot be read: {error}")))?;
    if answer.trim() == id {
        return Ok(());
    }
    let what = if answer.is_empty() { "there was no answer".to_owned() } else { "that is another ID".to_owned() };
    let id = printable(id);
    Err(Failure::failed(format!("nothing was sent: {what}; the answer that sends the files is {id}, also from a pipe")))
}

fn day(now: Timestamp) -> jiff::civil::Date {
    let then = jiff::Timestamp::from_millisecond(now.before(ROWS_BEFORE).0).unwrap_or_default();
    then.to_zoned_datetime(jiff::tz::TimeZone::UTC).date()
}

/// The answers, and each file that was sent.
fn told(answers: &[Settled], observed: &Observed) -> String {
    let mut text = String::new();
    for answer in answers {
        let _ = writeln!(text, "{}\n  {}", answer.question.words(), answer.answer.as_deref().unwrap_or("OPEN"));
        for evidence in &answer.evidence {
            let _ = writeln!(text, "  - {evidence}");
        }
        text.push('\n');
    }
    text.push_str("What was sent\n");
    for tried in &observed.tried {
        let _ = writeln!(text, "  - `{}` by {}: {}", tried.file.name, in_words(tried.style), tried.fate());
    }
    text
}
