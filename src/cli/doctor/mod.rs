//! `doctor`: what is wrong, or soon will be, and what to do about it.
//!
//! It looks and asks; nothing is created or changed, but for a hidden file that is moved about for a trial where no
//! daemon is at work, and removed. Only [`probe`] sends files, and does nothing else. [`observations`] and [`online`] bring facts, [`judge`] says what they mean.

mod configuration;
mod finding;
mod judge;
mod observations;
mod online;
mod probe;

use super::apart;
use super::args::DoctorArguments;
use super::failure::{Exit, Failure};
use super::output::Output;
use super::people::{group_name, user_name};
use crate::clock::now;
use crate::config::{AccountConfig, AlertConfig, Config, WatchMode};
use crate::folder::directory::{Entry, opening};
use crate::folder::{self, Closed, Examined, FolderProblem};
use crate::inbox::{Neighbours, Way};
use crate::job::{classify, printable};
use crate::joblog::{AccountRow, examine, look_for_daemon};
use crate::status::{RECENT, counted};
use finding::{Finding, Verdict};
use judge::rights::{self, ALL, Person};
use judge::unit::Unit;
use judge::{machine, record, undelivered, unit};
use std::collections::HashMap;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

pub(super) fn run(file: &Path, arguments: &DoctorArguments, output: &mut Output) -> Result<Exit, Failure> {
    if let Some(account) = &arguments.probe {
        return probe::run(file, account, arguments, output);
    }
    let mut read = configuration::Read::open(file)?;
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let shown_unit = observations::unit();
    let unit = shown_unit.as_ref().and_then(|unit| unit.as_ref().ok()).filter(|unit| unit.runs(&file));
    if let Some(unit) = unit {
        read.take_secret_of(unit);
    }
    let person = service_user(unit);
    let config = &read.config;

    let mut findings = read.findings(&file, person.as_ref(), unit);
    findings.extend(person.as_ref().and_then(looks_as_another));
    findings.push(state(config, person.as_ref()));
    let running = look_for_daemon(&config.state_dir);
    let (found, rows) = job_log(config, running);
    findings.extend(found);
    let may_ask = unit.is_none_or(Unit::may_ask_for_writers);
    let folders = folders(config, rows.as_ref(), person.as_ref(), may_ask);
    findings.extend(folders.iter().flat_map(|folder| folder.findings.clone()));
    // A job log that cannot be read says nothing of accounts.
    if let Some(rows) = &rows {
        for account in &config.accounts {
            findings.extend(record::account(account, rows.get(&account.name), running == Some(true)));
        }
    }
    findings.extend(commands(config, person.as_ref()));
    findings.extend(disks(config, &folders));
    if config.watch.mode != WatchMode::Poll {
        let folders = u64::try_from(config.accounts.len()).unwrap_or(u64::MAX);
        findings.extend(machine::inotify(observations::inotify_limits(), folders));
    }
    findings.extend(shown_unit.as_ref().map(|unit| of_service(unit, &file, config)).unwrap_or_default());
    if !arguments.offline {
        findings.extend(if read.has_credential() { online::findings(config) } else { vec![not_asked(config)] });
    }
    print(&findings, arguments.json, output)?;
    let worst = findings.iter().map(|finding| finding.verdict).max();
    Ok(if worst == Some(Verdict::Fail) { Exit::Failed } else { Exit::Done })
}

fn print(findings: &[Finding], json: bool, output: &mut Output) -> Result<(), Failure> {
    if json {
        output.line(&serde_json::to_string_pretty(findings)?)?;
        return Ok(());
    }
    for finding in findings {
        output.words_line(&finding.line())?;
    }
    let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
    let number = |verdict, noun: &str| counted(i64::try_from(count(verdict)).unwrap_or(i64::MAX), noun);
    let summary = match (count(Verdict::Fail), count(Verdict::Warn)) {
        (0, 0) => "all is well".to_owned(),
        _ => format!("{}, {}", number(Verdict::Fail, "failure"), number(Verdict::Warn, "warning")),
    };
    output.note(&summary)?;
    Ok(())
}

/// The user that the service runs as: the unit says so, or there is one of its name.
fn service_user(unit: Option<&Unit>) -> Option<Person> {
    let name = unit.map(|unit| unit.user.as_str()).filter(|user| !user.is_empty()).unwrap_or("datadrop");
    observations::person(name, unit.map(|unit| unit.groups.as_slice()).unwrap_or_default())
}

/// Neither root nor the service looks.
fn is_another(person: &Person) -> bool {
    let me = observations::me();
    me != 0 && me != person.uid
}

/// Who is neither root nor the service sees other rights than the service has.
fn looks_as_another(person: &Person) -> Option<Finding> {
    is_another(person).then(|| {
        let (mine, theirs) = (user_name(observations::me()), &person.name);
        let message = format!("there is a user `{theirs}` for the service; what could be tried was tried as `{mine}`");
        Finding::bad(Verdict::Warn, "user", mine, message, format!("run `sudo -u {theirs} datadrop doctor`"))
    })
}

fn state(config: &Config, person: Option<&Person>) -> Finding {
    let dir = &config.state_dir;
    let shown = dir.display().to_string();
    if !dir.is_dir() {
        return Finding::ok("state", shown, "not there yet: the first start makes it");
    }
    let tried = match observations::with_rights_of(person, || observations::writable(dir)) {
        Ok(tried) => tried,
        Err(why) => return not_tried("state", shown, person, &why),
    };
    let acted_for = person.filter(|_| observations::can_act_for(person));
    let closed = person.and_then(|person| rights::reach("state", &shown, person, &observations::way(dir), ALL));
    match (closed, tried) {
        // What was tried outdoes what its mode says.
        (Some(closed), _) if acted_for.is_none() => closed,
        (_, Ok(())) => Finding::ok("state", shown, "can be written"),
        // Members of the service's group may read it, and no more.
        (_, Err(_)) if acted_for.is_none() && person.is_some_and(|person| person.uid != observations::me()) => {
            Finding::ok("state", shown, "the service's user can write it by its owner, group and mode")
        }
        (_, Err(error)) => {
            let who = acted_for.map_or_else(|| user_name(observations::me()), |person| person.name.clone());
            let message = format!("`{who}` cannot write it: {error}");
            let remedy = "let it belong to the user that runs datadrop, on a file system that can be written";
            Finding::bad(Verdict::Fail, "state", shown, message, remedy)
        }
    }
}

/// What the service's user can do could not be tried.
fn not_tried(check: &'static str, subject: String, person: Option<&Person>, why: &str) -> Finding {
    let name = person.map(|person| person.name.as_str()).unwrap_or_default();
    let message = format!("it cannot be tried with the rights of `{name}`: {why}");
    Finding::bad(Verdict::Warn, check, subject, message, format!("run `sudo -u {name} datadrop doctor`"))
}

/// The rows of the accounts, by name, if they can be read.
fn job_log(config: &Config, running: Option<bool>) -> (Vec<Finding>, Option<HashMap<String, AccountRow>>) {
    let dir = config.state_dir.display().to_string();
    let examined = examine(&config.state_dir);
    let versions = examined.as_ref().map(|found| found.as_ref().map(|found| (found.version, found.known)));
    let mut findings = vec![record::job_log(&dir, versions)];
    // One of an older version has none.
    let refused = match &examined {
        Ok(Some(found)) => found.reader.reload_refused().ok().flatten().map(|(why, _)| why),
        Ok(None) | Err(_) => None,
    };
    findings.push(record::daemon(&dir, running, !matches!(examined, Ok(None)), refused.as_deref()));
    if let Ok(Some(found)) = &examined
        && let Ok(open) = found.reader.open_jobs()
    {
        findings.extend(record::orphans(config, &open));
        findings
            .extend(found.reader.outbox().map(|outbox| undelivered::alerts(&outbox.alerts, now())).unwrap_or_default());
        let doubled = found.reader.doubled(now().before(RECENT)).unwrap_or_default();
        findings.extend(doubled.iter().map(record::doubled));
        let files = config.accounts.iter().map(|account| (account, found.reader.files_without_days(&account.name)));
        findings.extend(files.filter_map(|(account, files)| record::unknown_days(account, files.ok()?)));
    }
    let rows = match examined.map(|found| found.map(|found| found.reader.accounts())) {
        Ok(None) => Some(HashMap::new()),
        Ok(Some(Ok(accounts))) => Some(accounts.into_iter().map(|row| (row.name.clone(), row)).collect()),
        Ok(Some(Err(error))) => {
            let remedy = "look again once the service has run";
            findings.push(Finding::bad(Verdict::Warn, "job-log", &dir, error.to_string(), remedy));
            None
        }
        Err(_) => None,
    };
    (findings, rows)
}

/// What a look at an account's folder brought.
struct Looked {
    dir: PathBuf,
    findings: Vec<Finding>,
    /// `None` where there is no folder.
    space: Option<io::Result<observations::Space>>,
}

/// All of them at the same time, for so long at most: a share may hang (DESIGN F10).
fn folders(
    config: &Config,
    rows: Option<&HashMap<String, AccountRow>>,
    person: Option<&Person>,
    may_ask: bool,
) -> Vec<Looked> {
    let looks: Vec<_> = config
        .accounts
        .iter()
        .map(|account| {
            let row = rows.and_then(|rows| rows.get(&account.name)).cloned();
            let (own, person) = (account.clone(), person.cloned());
            let look = apart::begin(move || {
                let findings = account_folder(&own, row.as_ref(), person.as_ref(), may_ask);
                let space = own.folder.is_dir().then(|| observations::space(&own.folder));
                (findings, space, Way::to(&own.folder).ok())
            });
            (account, look)
        })
        .collect();
    let neighbours = Neighbours::new(None, &config.state_dir);
    let until = Instant::now() + apart::FOLDER_TIMEOUT;
    let mut looked = Vec::new();
    for (account, look) in looks {
        let (name, dir) = (account.name.as_str(), account.folder.clone());
        let Ok((mut findings, space, way)) = look.recv_timeout(until.saturating_duration_since(Instant::now())) else {
            let finding = Finding::of(Verdict::Fail, "folder", name, apart::no_answer(&dir));
            looked.push(Looked { dir, findings: vec![finding], space: None });
            continue;
        };
        let way = way.map(Arc::new);
        if let Some(way) = way
            && let Err(problem) = neighbours.settle(name, &dir, way)
        {
            findings.push(Finding::of(Verdict::Fail, "folder", name, problem.problem()));
        }
        looked.push(Looked { dir, findings, space });
    }
    looked
}

fn account_folder(
    account: &AccountConfig,
    row: Option<&AccountRow>,
    person: Option<&Person>,
    may_ask: bool,
) -> Vec<Finding> {
    let (name, dir) = (account.name.as_str(), &account.folder);
    let shown = dir.display().to_string();
    let remembered = row.and_then(|row| row.folder_mark.as_deref());
    let is_watched =
        |name: &OsStr| classify(name, &account.extensions).is_some() && account.exclude.matching(name).is_none();
    let tried = observations::with_rights_of(person, || {
        let examined = folder::examine(name, dir, remembered);
        examined.map(|examined| (examined, folder::closed_files(dir, is_watched).ok().flatten()))
    });
    let (examined, closed_files) = match tried {
        Err(why) => return vec![not_tried("folder", name.to_owned(), person, &why)],
        Ok(Ok(examined)) => examined,
        Ok(Err(FolderProblem::Unfit { why, .. } | FolderProblem::Closed { why, .. }))
            if person.is_some_and(is_another) =>
        {
            let message = format!("{shown}: `{}` cannot tell whether it is fit: {why}", user_name(observations::me()));
            return vec![Finding::bad(Verdict::Warn, "folder", name, message, "run `sudo datadrop doctor`")];
        }
        Ok(Err(FolderProblem::Unfit { dir: at, why } | FolderProblem::Closed { dir: at, why }))
            if observations::can_act_for(person) =>
        {
            let user = person.map(|person| person.name.as_str()).unwrap_or_default();
            let message = format!("{}: `{user}`, which runs the service, cannot use it: {why}", at.display());
            let remedy = format!("let `{user}` or a group of that user enter, read and write it and its sub-folders");
            let finding = Finding::bad(Verdict::Fail, "folder", name, message, remedy);
            return std::iter::once(finding).chain(closed(name, dir, person)).collect();
        }
        Ok(Err(problem)) => {
            return vec![Finding::of(Verdict::Fail, "folder", name, problem.problem())];
        }
    };
    // What was tried outdoes what its mode says.
    let closed = if observations::can_act_for(person) { None } else { closed(name, dir, person) };
    let mut findings =
        vec![closed.unwrap_or_else(|| Finding::ok("folder", name, format!("{shown} {}", seen(&examined))))];
    if let Some(file_system) = &examined.remote {
        findings.push(Finding::bad(
            Verdict::Warn,
            "folder",
            name,
            format!("{shown} is on {file_system}, which is not known to be local: it is polled, and files wait until they were quiet for 60 s"),
            "a local folder is faster, if producers can write to one",
        ));
    }
    findings.extend(closed_files.map(|closed| closed_to(account, &closed, person.filter(|person| is_another(person)))));
    // The kernel tells the owner of a file alone: another user than the service's sees nothing of what the service is told.
    if !person.is_some_and(is_another) {
        findings.push(rights::writers(name, &shown, examined.tells_writers, may_ask));
    }
    findings.push(rights::producers(name, &shown, observations::owned(&examined.metadata), person));
    findings
}

/// Files that wait, as whoever looked may not read them: the service, unless `service` is another.
fn closed_to(account: &AccountConfig, closed: &Closed, service: Option<&Person>) -> Finding {
    let Entry { owner, group, mode, .. } = closed.entry;
    let (who, verdict) = match service {
        None => ("the service", Verdict::Fail),
        Some(_) => ("this user", Verdict::Warn),
    };
    let message = format!(
        "{who} cannot read {} in {}, so it waits: {} belongs to {} and group {}, with mode {mode:o}",
        counted(closed.files, "file"),
        account.folder.display(),
        printable(&closed.name.to_string_lossy()),
        user_name(owner),
        group_name(group),
    );
    let remedy = format!("as {}: {}", user_name(owner), opening(&account.folder, &closed.name));
    Finding::bad(verdict, "files", &account.name, message, remedy)
}

fn closed(account: &str, dir: &Path, person: Option<&Person>) -> Option<Finding> {
    person.and_then(|person| rights::reach("folder", account, person, &observations::way(dir), ALL))
}

fn seen(examined: &Examined) -> &'static str {
    match (examined.is_marked, examined.is_in_use) {
        (_, true) => "carries the account's mark, and the daemon is at work in it",
        (true, false) => "carries the account's mark, and files can be moved in it",
        (false, false) => "carries no mark before the first start, and files can be moved in it",
    }
}

/// The program of a command; of a line for the shell that begins with a path, the one that lies there.
fn program_of(command: &[String]) -> Option<&str> {
    let program = command.first()?;
    let of_line =
        command.iter().skip_while(|word| *word != "-c").nth(1).and_then(|line| line.split_whitespace().next());
    Some(of_line.filter(|word| word.starts_with('/')).unwrap_or(program))
}

/// The programs that alerts run.
fn commands(config: &Config, person: Option<&Person>) -> Vec<Finding> {
    let look = |(index, alert): (usize, &AlertConfig)| {
        let program = program_of(alert.command.as_ref()?)?;
        let receiver = format!("alert #{}: command", index + 1);
        Some(match observations::with_rights_of(person, || observations::cannot_run(program)) {
            Ok(why) => undelivered::program(&receiver, program, why),
            Err(why) => not_tried("alert", receiver, person, &why),
        })
    };
    config.alerts.iter().enumerate().filter_map(look).collect()
}

/// One finding for each file system.
fn disks(config: &Config, folders: &[Looked]) -> Vec<Finding> {
    let mut devices = Vec::new();
    let mut findings = Vec::new();
    let state = observations::nearest(&config.state_dir);
    let of_state = observations::space(&state);
    let of_folders = folders.iter().filter_map(|folder| Some((&folder.dir, folder.space.as_ref()?)));
    for (dir, space) in std::iter::once((&state, &of_state)).chain(of_folders) {
        let shown = dir.display().to_string();
        match space {
            Ok((_, _, device)) if devices.contains(device) => {}
            Ok((free, total, device)) => {
                devices.push(*device);
                findings.push(machine::disk(&shown, *free, *total));
            }
            Err(error) => findings.push(cannot_look(&shown, error)),
        }
    }
    findings
}

fn cannot_look(path: &str, error: &io::Error) -> Finding {
    let message = format!("its free space is unknown: {error}");
    Finding::bad(Verdict::Warn, "disk", path, message, "look with `df`")
}

fn of_service(unit: &Result<Unit, String>, file: &Path, config: &Config) -> Vec<Finding> {
    match unit {
        Ok(unit) => {
            let folders = config.accounts.iter().map(|account| account.folder.clone());
            let dirs: Vec<PathBuf> = std::iter::once(config.state_dir.clone()).chain(folders).collect();
            unit::unit(unit, file, &dirs)
        }
        Err(why) => {
            let remedy = "ask `systemctl status datadrop` yourself";
            vec![Finding::bad(Verdict::Warn, "service", "datadrop.service", why, remedy)]
        }
    }
}

fn not_asked(config: &Config) -> Finding {
    let message = "Adobe was not asked for anything: there is no secret to ask with";
    Finding::bad(Verdict::Warn, "token", &config.api.token_url, message, "mend the secret first, and look again")
}
