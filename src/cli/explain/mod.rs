//! `explain`: one sentence why a file is, or is not, on its way.
//!
//! It looks, and changes nothing. This file and [`Account::look`] bring facts, [`explanation`] and [`job`] say what they mean.

mod evidence;
mod explanation;
mod job;
#[cfg(test)]
mod tests;

use super::apart::{self, FOLDER_TIMEOUT, Signs};
use super::args::ExplainArguments;
use super::failure::{Exit, Failure};
use super::outlook::{Account, Outlook};
use super::output::Output;
use super::settings::{self, here};
use crate::config::{AccountConfig, Config, backlog_words};
use crate::job::{JobId, Kind, Place, length_words, printable};
use crate::joblog::{JobRow, Reader, is_running};
use evidence::{Answer, Facts, Job, Spot, What};
use serde::Serialize;
use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path, PathBuf};
use std::time::Instant;

/// The JSON shape.
#[derive(Serialize)]
struct Object<'a> {
    path: &'a str,
    account: Option<&'a str>,
    job_id: Option<i64>,
    state: Option<&'a str>,
    explanation: &'a str,
    facts: &'a [String],
}

pub(super) fn run(file: &Path, arguments: &ExplainArguments, output: &mut Output) -> Result<Exit, Failure> {
    let config = settings::load_to_look(file, output)?;
    let written = std::path::absolute(&arguments.path)?;
    let home = home(&config, &written);
    let looked = {
        let (config, written, home) = (config.clone(), written.clone(), home.clone());
        apart::while_alive(FOLDER_TIMEOUT, move |signs| look(&config, &written, home, signs))
    };
    let Some(facts) = looked else {
        // A path that no account's folder holds by its text hangs by itself.
        let account = home.and_then(|(index, _)| config.accounts.get(index));
        let folder = account.map_or(written.as_path(), |account| account.folder.as_path());
        return Err(Failure::failed(apart::no_answer(folder)));
    };
    let facts = facts?;
    let answer = explanation::answer(&facts);
    if arguments.json {
        let object = Object {
            path: &facts.path,
            account: answer.account.as_deref(),
            job_id: answer.job,
            state: answer.state.as_deref(),
            explanation: &answer.sentence,
            facts: &answer.facts,
        };
        output.line(&serde_json::to_string_pretty(&object)?)?;
    } else {
        print(&answer, output)?;
    }
    Ok(if answer.is_known { Exit::Done } else { Exit::NoSuch })
}

fn print(answer: &Answer, output: &mut Output) -> io::Result<()> {
    output.words_line(&format!("{}.", answer.sentence))?;
    answer.facts.iter().try_for_each(|fact| output.words_line(&format!("  {fact}")))
}

/// The account whose folder holds the path by its text, and the path from there on.
fn home(config: &Config, path: &Path) -> Option<(usize, PathBuf)> {
    let mut folders = config.accounts.iter().enumerate();
    folders.find_map(|(index, account)| Some((index, path.strip_prefix(&account.folder).ok()?.to_owned())))
}

/// Only the folders that have to do with the path are looked at: another may hang (DESIGN F10).
fn look(config: &Config, written: &Path, home: Option<(usize, PathBuf)>, signs: &Signs) -> Result<Facts, Failure> {
    let unreadable = |error: io::Error| {
        Failure::failed(format!("{}: cannot be looked at: {error}", printable(&written.to_string_lossy())))
    };
    match home {
        Some(home) if written.components().all(|part| part != Component::ParentDir) => {
            gather(config, written, Some(home), signs)
        }
        _ => {
            let path = real(written).map_err(unreadable)?;
            let home = self::home(config, &path).or_else(|| by_links(config, &path));
            gather(config, &path, home, signs)
        }
    }
}

/// The same as [`home`], with the links of the folders followed as far as they answer.
fn by_links(config: &Config, path: &Path) -> Option<(usize, PathBuf)> {
    let all = config.accounts.iter().enumerate();
    let looks: Vec<_> = all
        .map(|(index, account)| {
            let (account, path) = (account.clone(), path.to_owned());
            (index, apart::begin(move || path_within(&account, &path)))
        })
        .collect();
    let until = Instant::now() + FOLDER_TIMEOUT / 2;
    looks.into_iter().find_map(|(index, look)| {
        let within = look.recv_timeout(until.saturating_duration_since(Instant::now())).ok()??;
        Some((index, within))
    })
}

/// The path without links on its way; the last name may be a link itself, and need not be there.
fn real(path: &Path) -> io::Result<PathBuf> {
    let path = std::path::absolute(path)?;
    Ok(match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => parent.canonicalize().unwrap_or_else(|_| parent.to_owned()).join(name),
        // `..` or the root: a folder in any case.
        (_, _) => path.canonicalize()?,
    })
}

fn gather(config: &Config, path: &Path, home: Option<(usize, PathBuf)>, signs: &Signs) -> Result<Facts, Failure> {
    let reader = Reader::open_quietly(&config.state_dir)?;
    let reader = reader.as_ref();
    let running = is_running(&config.state_dir);
    let home = home.and_then(|(index, within)| Some((config.accounts.get(index)?, within)));
    let spot = match home {
        Some((account, within)) => {
            let seen = Account::look(config, account, reader, running)?;
            let what = what(&seen, &within, reader, signs)?;
            Spot::Within(Box::new(of_account(config, &seen, reader)?), Box::new(what))
        }
        None => Spot::Elsewhere {
            folders: config
                .accounts
                .iter()
                .map(|account| (account.name.clone(), account.folder.display().to_string()))
                .collect(),
            job: match reader {
                Some(reader) => newest(reader, reader.newest_at_path(&path.to_string_lossy())?)?.map(Box::new),
                None => None,
            },
        },
    };
    Ok(Facts {
        path: printable(&path.to_string_lossy()),
        name: printable(&path.file_name().unwrap_or_default().to_string_lossy()),
        program: config.program(),
        here: here(),
        running,
        spot,
    })
}

/// The path from the account's folder on, if it leads there.
fn path_within(account: &AccountConfig, path: &Path) -> Option<PathBuf> {
    let folder = account.folder.canonicalize().unwrap_or_else(|_| account.folder.clone());
    let is_folder = path.canonicalize().is_ok_and(|path| path == folder);
    if is_folder { Some(PathBuf::new()) } else { path.strip_prefix(folder).ok().map(Path::to_owned) }
}

fn of_account(config: &Config, seen: &Account<'_>, reader: Option<&Reader>) -> Result<evidence::Account, Failure> {
    let queued = match reader {
        Some(reader) => reader.backlog(&seen.config.name)?.to_send,
        None => 0,
    };
    Ok(evidence::Account {
        name: seen.config.name.clone(),
        trouble: seen.trouble.clone(),
        has_list: seen.row.baseline_at.is_some(),
        next_sweep: seen.row.next_sweep_at,
        extensions: seen.config.extensions.clone(),
        backlog: (queued > 1).then(|| backlog_words(queued, config.api.rate_limit)),
        scan: format!(
            "a file that no event reported is taken in after {} without a change, and found within {}",
            length_words(config.watch.settle_unwatched),
            length_words(config.watch.rescan)
        ),
    })
}

fn what(seen: &Account<'_>, within: &Path, reader: Option<&Reader>, signs: &Signs) -> Result<What, Failure> {
    let mut parts = within.iter();
    let sub_folder = |name: &OsStr| Place::SUB_FOLDERS.into_iter().find(|place| name == place.as_str());
    Ok(match (parts.next(), parts.next(), parts.next()) {
        (None, ..) => What::Folder,
        (Some(name), None, _) if name == ".datadrop" => What::Mark,
        (Some(name), None, _) => match sub_folder(name) {
            Some(place) => What::SubFolder(place),
            None => inbox(seen, name, reader, signs)?,
        },
        (Some(folder), Some(name), None) if sub_folder(folder).is_some() => match sub_folder(folder) {
            Some(place) => filed(seen, place, name, reader)?,
            None => What::Deeper,
        },
        (Some(_), Some(_), _) => What::Deeper,
    })
}

fn inbox(seen: &Account<'_>, name: &OsStr, reader: Option<&Reader>, signs: &Signs) -> Result<What, Failure> {
    let outlook = seen.outlook(reader, name, signs)?;
    let text = name.to_string_lossy();
    let job = match (&outlook, reader) {
        (Outlook::Known(row), Some(reader)) => Some(since(reader, (**row).clone())?),
        (_, Some(reader)) => newest(reader, reader.newest_of_name(&seen.config.name, &text)?)?,
        (_, None) => None,
    };
    if let (Outlook::Gone, None, Some(reader)) = (&outlook, &job, reader)
        && let Some(delivered) = reader.delivered(&seen.config.name, name)?
    {
        return Ok(What::Pruned(delivered));
    }
    let lacks_data = match &outlook {
        Outlook::Ready { kind: Kind::Fin, .. } => {
            !seen.data_lies_there(&text) && seen.data_of_marker(reader, &text)?.is_none()
        }
        Outlook::Ready { kind: Kind::Data, .. }
        | Outlook::Gone
        | Outlook::Ignored(_)
        | Outlook::Known(_)
        | Outlook::Waiting(..)
        | Outlook::Rejected(..)
        | Outlook::Held(..) => false,
    };
    Ok(What::Inbox { outlook, job, lacks_data })
}

fn filed(seen: &Account<'_>, place: Place, name: &OsStr, reader: Option<&Reader>) -> Result<What, Failure> {
    let account = &seen.config.name;
    let of_file = |name: &OsStr| match reader {
        Some(reader) => newest(reader, reader.filed_job(account, place, name)?.map(|filed| filed.id)),
        None => Ok(None),
    };
    if let Some(of) = name.as_bytes().strip_suffix(b".why").map(OsStr::from_bytes) {
        return Ok(What::Why { of: printable(&of.to_string_lossy()), job: of_file(of)? });
    }
    let directory = seen.folder.as_ref().and_then(|folder| folder.open_directory(place.as_str()).ok());
    let exists = directory.is_some_and(|directory| directory.entry(name).is_ok());
    let mut job = of_file(name)?;
    if let (None, false, Some(reader)) = (&job, exists, reader) {
        // It was there, and has gone on since.
        job = newest(reader, reader.newest_of_name(account, &name.to_string_lossy())?)?;
    }
    if let (None, Some(reader)) = (&job, reader)
        && let Some(delivered) = reader.delivered(account, name)?
    {
        return Ok(What::Pruned(delivered));
    }
    Ok(What::Filed { place, exists, job })
}

fn newest(reader: &Reader, id: Option<JobId>) -> Result<Option<Job>, Failure> {
    let Some(row) = id.map(|id| reader.job(id)).transpose()?.flatten() else { return Ok(None) };
    Ok(Some(since(reader, row)?))
}

fn since(reader: &Reader, row: JobRow) -> Result<Job, Failure> {
    let events = reader.events(JobId(row.id))?;
    let changed = events.iter().rev().find(|event| event.from_state.as_deref() != Some(&event.to_state));
    let since = changed.and_then(|event| crate::status::parse_time(&event.at));
    let verdict = reader.verdict(JobId(row.id))?;
    Ok(Job { row, since, verdict })
}
