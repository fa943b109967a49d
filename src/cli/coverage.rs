//! `coverage`: what Adobe has of each data day.

use super::apart::{FOLDER_TIMEOUT, Signs, guarded, no_answer, no_answer_in, within};
use super::args::CoverageArguments;
use super::failure::{Exit, Failure};
use super::output::Output;
use super::progress_bar::Progress;
use super::settings;
use crate::config::{AccountConfig, Config};
use crate::coverage::{Coverage, DayFacts, DayRange, today};
use crate::folder::directory::Directory;
use crate::inbox::read_days;
use crate::job::{DataDays, DayZone, JobId, Kind, files_of_no_day};
use crate::joblog::{JobLog, Reader, SentFile, StateLock};
use crate::status::{
    AccountCoverage, JOBS_NAMED, counted, coverage_calendar, coverage_csv, coverage_json, coverage_summary,
    coverage_table,
};
use jiff::Span;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// Months that a calendar shows where no first day is asked for.
const MONTHS: i32 = 12;
/// Files whose days are written down in one transaction.
const BATCH: usize = 20;
/// Timeout for one file that is read again.
const TIMEOUT: Duration = Duration::from_secs(600);

pub(super) fn run(file: &Path, arguments: &CoverageArguments, output: &mut Output) -> Result<Exit, Failure> {
    let config = settings::load_to_look(file, output)?;
    let accounts: Vec<&AccountConfig> = match &arguments.account {
        Some(name) => vec![settings::account(&config, name)?],
        None => config.accounts.iter().collect(),
    };
    if arguments.rebuild {
        return rebuild(&config, &accounts, output);
    }
    let range = DayRange { from: arguments.from, to: arguments.to };
    if let (Some(from), Some(to)) = (range.from, range.to)
        && from > to
    {
        return Err(Failure::new(Exit::Usage, format!("--from {from} is after --to {to}")));
    }
    let reader = Reader::open(&config.state_dir)?;
    let is_whole = arguments.json || arguments.csv;
    let screen = output.screen().filter(|_| !is_whole);
    let mut shown = Vec::new();
    for account in accounts {
        shown.push(of_account(&reader, &config, account, (range, screen.is_some(), is_whole))?);
    }
    if arguments.json {
        output.data(&coverage_json(&shown)?)?;
    } else if arguments.csv {
        output.data(&coverage_csv(&shown)?)?;
    } else if let Some((width, _)) = screen {
        let pages: Vec<String> = shown.iter().map(|account| coverage_calendar(account, width)).collect();
        output.words(&pages.join("\n"))?;
    } else {
        output.data(&coverage_table(&shown))?;
        for account in &shown {
            output.note(&coverage_summary(&account.account, &account.coverage))?;
        }
    }
    for account in &shown {
        if let Some(problem) = files_of_no_day(account.coverage.undated) {
            output.note(&format!("account {}: {problem}", account.account))?;
        }
    }
    Ok(Exit::Done)
}

fn of_account(
    reader: &Reader,
    config: &Config,
    account: &AccountConfig,
    (mut range, is_calendar, names_all_jobs): (DayRange, bool, bool),
) -> Result<AccountCoverage, Failure> {
    let suites = reader.suite_zone(&account.target(&config.api))?;
    let zone = DayZone::of(account.time_zone.as_ref(), suites.as_deref()).zone;
    let now = settings::now();
    if is_calendar && range.from.is_none() {
        let last = range.to.unwrap_or_else(|| today(&zone, now));
        range.from = last.first_of_month().checked_sub(Span::new().months(MONTHS - 1)).ok();
    }
    let facts = DayFacts::read(reader, &account.name, zone, range)?;
    let coverage = Coverage::of(&facts, account.expect_days, range, now);
    let mut jobs = BTreeMap::new();
    if names_all_jobs {
        jobs = reader.jobs_of_days(&account.name, range.from, range.to)?;
    } else {
        for day in coverage.days.iter().filter(|day| day.files > 0) {
            jobs.insert(day.day, reader.first_jobs_of_day(&account.name, day.day, JOBS_NAMED)?);
        }
    }
    Ok(AccountCoverage { account: account.name.clone(), coverage, jobs })
}

/// Reads the days of all files that were sent and still lie there, and writes them down instead of what was known.
fn rebuild(config: &Config, accounts: &[&AccountConfig], output: &mut Output) -> Result<Exit, Failure> {
    // Without a job log there is nothing to write to.
    drop(Reader::open(&config.state_dir)?);
    let lock = StateLock::take(&config.state_dir)?;
    let joblog = JobLog::open(lock)?;
    let reader = joblog.reader()?;
    let mut all = true;
    for account in accounts {
        let folder = account.folder.clone();
        if within(FOLDER_TIMEOUT, move || std::fs::metadata(folder)).is_none() {
            all = false;
            output.message(&format!("account {}: not read: {}", account.name, no_answer(&account.folder)))?;
            continue;
        }
        let (signs, given_up) = (Signs::default(), joblog.clone());
        let counted_signs = signs.clone();
        let progress = Progress::of(0, "reading files again");
        let work = || rebuild_account(config, account, (&joblog, &reader), &signs, &progress);
        let rebuilt = guarded(
            no_answer_in(&account.folder, TIMEOUT),
            TIMEOUT,
            move || counted_signs.count(),
            move || given_up.close(),
            work,
        )??;
        drop(progress);
        for (name, why) in &rebuilt.unread {
            output.message(&format!("account {}: {name}: not read: {why}", account.name))?;
        }
        all &= rebuilt.unread.is_empty();
        let files = i64::try_from(rebuilt.read).unwrap_or(i64::MAX);
        output.words_line(&format!("account {}: {} read again", account.name, counted(files, "file")))?;
    }
    joblog.close();
    Ok(Exit::all(all))
}

/// What came of reading an account's files again.
struct Rebuilt {
    read: usize,
    /// Files that are not what was sent, or cannot be read, and why.
    unread: Vec<(String, String)>,
}

fn rebuild_account(
    config: &Config,
    account: &AccountConfig,
    (joblog, reader): (&JobLog, &Reader),
    signs: &Signs,
    progress: &Progress,
) -> Result<Rebuilt, Failure> {
    let folder = Directory::open(&account.folder)
        .map_err(|error| Failure::failed(format!("{}: {error}", account.folder.display())))?;
    let mut rebuilt = Rebuilt { read: 0, unread: Vec::new() };
    let mut after = JobId(0);
    loop {
        let files = reader.sent_files(&account.name, after, BATCH)?;
        let Some(last) = files.last() else { return Ok(rebuilt) };
        after = last.id;
        let mut read: BTreeMap<JobId, Box<DataDays>> = BTreeMap::new();
        for file in &files {
            signs.give();
            match days_of(config, account, (&folder, file), signs) {
                Ok(days) => read.extend(days.map(|days| (file.id, days))),
                Err(why) => rebuilt.unread.push((file.disk_name.to_string_lossy().into_owned(), why)),
            }
        }
        rebuilt.read += read.len();
        progress.show_files(rebuilt.read, rebuilt.read);
        joblog.note_days_again(read.into_iter().collect()).wait()?;
    }
}

fn days_of(
    config: &Config,
    account: &AccountConfig,
    (folder, file): (&Directory, &SentFile),
    signs: &Signs,
) -> Result<Option<Box<DataDays>>, String> {
    let directory = folder.open_directory(file.place.as_str()).map_err(|error| error.to_string())?;
    let content =
        read_days(&directory, &file.disk_name, Kind::Data, (&config.state_dir, &account.extensions), || signs.give())
            .map_err(|error| error.to_string())?;
    if content.fingerprint.sha256 != file.sha256 {
        return Err(format!("what lies in {}/ under this name is not what was sent", file.place.as_str()));
    }
    Ok(content.days)
}
