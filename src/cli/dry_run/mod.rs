//! `run --dry-run`: what would be sent, file by file. It reads; nothing is sent, moved, made or locked.

mod plan;
mod printed;
mod room;

use super::apart::{self, FOLDER_TIMEOUT, Signs};
use super::failure::{Exit, Failure};
use super::outlook::{Account, Outlook};
use super::output::Output;
use super::progress_bar::Progress;
use super::settings;
use crate::clock::now;
use crate::config::{AccountConfig, Config, Duplicates, FinMode, Order, StyleChoice};
use crate::folder::directory::Entry;
use crate::inbox::is_own_name;
use crate::job::{DataDay, JobId, Kind, State, UploadStyle, classify, printable, stem};
use crate::joblog::{DayRow, JobRow, Reader, Which, is_running};
use plan::{AccountPlan, Found, Planned, Verdict, pair_up};
use room::Room;
use std::collections::HashMap;
use std::ffi::OsString;
use std::path::Path;

pub(super) fn run(file: &Path, output: &mut Output) -> Result<Exit, Failure> {
    let config = settings::load(file).map_err(|failure| failure.with_exit(Exit::DaemonConfig))?;
    let running = is_running(&config.state_dir);
    let mut plans = Vec::new();
    for account in &config.accounts {
        let planned = {
            let (config, account) = (config.clone(), account.clone());
            apart::while_alive(FOLDER_TIMEOUT, move |signs| plan_account(&config, &account, running, signs))
        };
        let plan = if let Some(plan) = planned {
            plan?
        } else {
            let trouble = Some(apart::no_answer(&account.folder).to_string());
            AccountPlan { trouble, ..AccountPlan::empty(account) }
        };
        output.words(&printed::account(&plan))?;
        plans.push(plan);
    }
    output.data(&printed::summary(&plans, config.api.rate_limit))?;
    if running {
        output.note("a daemon is running: it sends what is ready, whatever is looked at here")?;
    }
    Ok(Exit::Done)
}

/// The folder may be large, and so may the files in it, which are read: `signs` show that it goes on.
fn plan_account(
    config: &Config,
    account: &AccountConfig,
    running: bool,
    signs: &Signs,
) -> Result<AccountPlan, Failure> {
    // Opened for each account: a long look at one folder must not read an old job log for the next.
    let reader = Reader::open_quietly(&config.state_dir)?;
    let reader = reader.as_ref();
    let seen = Account::look(config, account, reader, running)?;
    let mut plan = AccountPlan {
        trouble: seen.trouble.clone(),
        is_first_start: seen.row.baseline_at.is_none(),
        ..AccountPlan::empty(account)
    };
    // A folder that cannot be listed has said so.
    let Some(folder) = &seen.folder else { return Ok(plan) };
    let Ok(entries) = folder.names() else { return Ok(plan) };
    let mut names: Vec<OsString> = Vec::new();
    for name in entries.flatten() {
        signs.give();
        if seen.settings.kind_of(&name).is_some() {
            names.push(name);
        } else if !is_own_name(&name) {
            plan.ignored += 1;
        }
    }
    let order = |name: &OsString| {
        let text = name.to_string_lossy().into_owned();
        let kind = classify(name, &account.extensions).map(Kind::as_str);
        (stem(&text).to_owned(), kind, text)
    };
    names.sort_by_cached_key(order);
    let progress = Progress::of(names.len(), "files looked at");
    let mut found = Vec::new();
    let mut room = Room::of(account, &seen.settings.target, reader)?;
    plan.at_adobe = room.at_adobe;
    let mut met = HashMap::new();
    for (index, name) in names.iter().enumerate() {
        signs.give();
        let mut outlook = seen.outlook(reader, name, signs)?;
        if let Outlook::Known(job) = &outlook
            && waits_for_a_day(job)
        {
            outlook = Outlook::Waiting(job.reason.clone().unwrap_or_default());
        }
        if let Some(reason) = repeated(account, &outlook, &mut met, &name.to_string_lossy()) {
            outlook = Outlook::Held(reason);
        }
        let size = folder.entry(name).ok().filter(Entry::is_plain).map(|found| found.identity.size);
        let reported: Vec<DayRow> = match (&outlook, reader) {
            (Outlook::Ready { content, .. }, _) => content.days.iter().flat_map(|days| DayRow::of(days)).collect(),
            (Outlook::Known(job), Some(reader)) => reader.days_of_jobs(&[JobId(job.id)], Which::All)?,
            (
                Outlook::Known(_)
                | Outlook::Gone
                | Outlook::Ignored(_)
                | Outlook::Waiting(_)
                | Outlook::Rejected(_)
                | Outlook::Held(_),
                _,
            ) => Vec::new(),
        };
        if is_to_be_sent(&outlook) {
            match room.take(&reported, size.unwrap_or(0)) {
                Some(reason) => outlook = Outlook::Waiting(reason),
                None => plan.totals.add(&reported),
            }
        } else {
            // Of a job that is on its way already.
            room.days.extend(reported.iter().map(|row| row.day));
        }
        let text = name.to_string_lossy();
        let pair = match &outlook {
            Outlook::Ready { kind: Kind::Fin, .. } => seen.data_of_marker(reader, &text)?,
            Outlook::Ready { kind: Kind::Data, .. }
            | Outlook::Gone
            | Outlook::Ignored(_)
            | Outlook::Known(_)
            | Outlook::Waiting(_)
            | Outlook::Rejected(_)
            | Outlook::Held(_) => None,
        };
        found.push(Found { name: text.into_owned(), size, outlook, pair });
        progress.reach(index + 1);
    }
    drop(progress);
    plan.days = room.days.len();
    plan.files = pair_up(found, sends_markers(account, seen.row.style.as_deref()), account.fin == FinMode::Generate);
    if account.order == Order::Arrival {
        // What is queued came first, in the order in which it was queued.
        plan.files.sort_by_key(|file: &Planned| match &file.verdict {
            Verdict::Known(job) => (false, job.queued_at.clone(), job.id),
            Verdict::Sent(_) | Verdict::Kept(_) | Verdict::Waits(_) | Verdict::Held(_) | Verdict::Rejected(_) => {
                (true, None, 0)
            }
        });
    }
    Ok(plan)
}

/// Whether a file was put off before it was ever tried.
fn waits_for_a_day(job: &JobRow) -> bool {
    let now = now().to_string();
    // Both are RFC 3339 in UTC, which sort as text.
    job.state == State::Queued.as_str() && job.attempts == 0 && job.next_attempt_at.as_ref().is_some_and(|at| *at > now)
}

/// Whether it is a data file whose turn is to come.
fn is_to_be_sent(outlook: &Outlook) -> bool {
    match outlook {
        Outlook::Ready { kind, .. } => *kind == Kind::Data,
        Outlook::Known(job) => job.kind == Kind::Data.as_str() && job.state == State::Queued.as_str(),
        Outlook::Gone | Outlook::Ignored(_) | Outlook::Waiting(_) | Outlook::Rejected(_) | Outlook::Held(_) => false,
    }
}

/// With `hold-content` and `hold-days`, of two files with the same content only the first is sent.
fn repeated(
    account: &AccountConfig,
    outlook: &Outlook,
    met: &mut HashMap<String, String>,
    name: &str,
) -> Option<String> {
    let Outlook::Ready { kind: Kind::Data, content, .. } = outlook else { return None };
    match account.duplicates {
        Duplicates::Allow | Duplicates::Hold => None,
        Duplicates::HoldContent | Duplicates::HoldDays => {
            let first = met.entry(content.fingerprint.sha256.to_string()).or_insert_with(|| name.to_owned());
            if first != name {
                return Some(format!(
                    "duplicate: {} has the same content; Adobe would count it twice",
                    printable(first)
                ));
            }
            let days = content.days.as_ref().filter(|_| account.duplicates == Duplicates::HoldDays)?;
            let key = |day: &DataDay| format!("{} {:?}", day.date, days.columns());
            let repeated = days.all().iter().find_map(|day| Some((day.date, met.get(&key(day))?)));
            if let Some((day, first)) = repeated {
                let first = printable(first);
                return Some(format!("{day} is also in {first}, with the same columns; Adobe would add both up"));
            }
            met.extend(days.all().iter().map(|day| (key(day), name.to_owned())));
            None
        }
    }
}

/// Whether markers are sent, as far as that is known before the first upload.
fn sends_markers(account: &AccountConfig, learnt: Option<&str>) -> bool {
    let post = UploadStyle::PostMultipart;
    match account.fin {
        FinMode::Upload | FinMode::Generate => true,
        FinMode::Local => false,
        FinMode::Auto => match account.style {
            StyleChoice::Fixed(style) => style != post,
            StyleChoice::Auto => learnt != Some(post.as_str()),
        },
    }
}
