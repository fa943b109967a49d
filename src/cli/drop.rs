//! `drop`: files into an account's folder.

use super::apart::{self, FOLDER_TIMEOUT, Signs};
use super::args::DropArguments;
use super::failure::{Exit, Failure};
use super::follow::{Ending, Follow, Wanted, to_the_end};
use super::interrupt::Stop;
use super::output::Output;
use super::people::way_in;
use super::place::{self, PlaceError};
use super::settings;
use crate::config::AccountConfig;
use crate::coverage::DayTotals;
use crate::folder::directory::Directory;
use crate::folder::glimpse;
use crate::job::{JobId, Kind, check_name, classify, stem};
use crate::joblog::{self, Reader, Which};
use crate::status::{day_totals_table, size};
use std::collections::HashSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// One file to put in place.
#[derive(Debug, PartialEq, Eq)]
struct Item {
    name: String,
    /// `None`: an empty marker.
    source: Option<PathBuf>,
}

/// Timeout for a disk or share that makes a file durable.
const COPY_TIMEOUT: Duration = Duration::from_secs(60);

pub(super) fn run(config_file: &Path, arguments: &DropArguments, output: &mut Output) -> Result<Exit, Failure> {
    let config = settings::load(config_file)?;
    let account = settings::account(&config, &arguments.account)?;
    let look = || {
        let folder = open(account)?;
        let items = plan(account, &folder, &arguments.files, arguments.fin)?;
        carries_its_mark(account, &config.state_dir)?;
        for remark in remarks(account, &folder, &items, arguments.fin) {
            output.message(&remark)?;
        }
        Ok::<_, Failure>((folder, items))
    };
    let (folder, items) = apart::guarded(apart::no_answer(&account.folder), FOLDER_TIMEOUT, || 0, || (), look)??;
    let stop = Stop::on_signals()?;
    // A user without permission to look gets no message.
    if joblog::look_for_daemon(&config.state_dir) == Some(false) {
        output
            .message("no daemon is running: the files wait in the folder until one is (`systemctl start datadrop`)")?;
    }
    let mut follow = Follow::new(&config.state_dir, stop.clone());
    let mut wanted = Vec::new();
    if arguments.wait {
        for item in &items {
            wanted.push(Wanted::file_to_come(&mut follow, &account.name, &item.name)?);
        }
    }
    put(account, &folder, &items, &stop, output)?;
    if !arguments.wait {
        return Ok(Exit::Done);
    }
    match to_the_end(&mut follow, &wanted, None, config.api.rate_limit, output)? {
        Ending::Ended { all_success } => {
            output.words(&accepted(&mut follow, &wanted)?)?;
            Ok(Exit::all(all_success))
        }
        Ending::Stopped | Ending::TimeIsOver => {
            output.message("stopped waiting; the files go on their way (`datadrop jobs list`)")?;
            Ok(Exit::Failed)
        }
    }
}

/// What Adobe has accepted of each data day.
fn accepted(follow: &mut Follow, wanted: &[Wanted]) -> Result<String, Failure> {
    let Some(reader) = follow.reader()? else { return Ok(String::new()) };
    let mut ids = Vec::new();
    for wanted in wanted {
        ids.extend(wanted.find(reader)?.map(|job| JobId(job.id)));
    }
    let mut totals = DayTotals::default();
    totals.add(&reader.days_of_jobs(&ids, Which::Accepted)?);
    let table = day_totals_table(&totals, "  ");
    Ok(if table.is_empty() { table } else { format!("accepted, by data day:\n{table}") })
}

/// Puts the files into the folder, in order.
fn put(
    account: &AccountConfig,
    folder: &Directory,
    items: &[Item],
    stop: &Stop,
    output: &mut Output,
) -> Result<(), Failure> {
    let signs = Signs::default();
    let counted = signs.clone();
    let work = || {
        for item in items {
            let copied = || {
                signs.give();
                stop.is_set()
            };
            let placed = match &item.source {
                Some(source) => {
                    place::copy_in(source, folder, &item.name, copied).map(|bytes| size(bytes.cast_signed()))
                }
                None => place::empty_in(folder, &item.name).map(|()| "marker".to_owned()),
            };
            let what = placed.map_err(|error: PlaceError| {
                let way = if error.is_closed_folder() { way_in(&account.folder) } else { None };
                Failure::failed(way.map_or_else(|| error.to_string(), |way| format!("{error}; {way}")))
            })?;
            output.line(&format!("dropped {} ({what}) into {}", item.name, account.folder.display()))?;
            signs.give();
        }
        Ok(())
    };
    let message = format!(
        "{}. The file may appear in the folder later: look before you drop it again",
        apart::no_answer_in(&account.folder, COPY_TIMEOUT)
    );
    apart::guarded(message, COPY_TIMEOUT, move || counted.count(), || (), work)?
}

/// Below a share that is not mounted lies an empty folder: what is put there vanishes from sight when the share is back,
/// and is never sent.
fn carries_its_mark(account: &AccountConfig, state_dir: &Path) -> Result<(), Failure> {
    // A user who may drop files need not have permission to read the job log.
    let Ok(Some(reader)) = Reader::open_quietly(state_dir) else { return Ok(()) };
    let known = reader.accounts()?.into_iter().find(|row| row.name == account.name);
    let Some(mark) = known.and_then(|row| row.folder_mark) else { return Ok(()) };
    match glimpse(&account.name, &account.folder, Some(&mark)) {
        Ok(_) => Ok(()),
        Err(problem) => Err(Failure::failed(format!("nothing was dropped: {problem}"))),
    }
}

/// The account's folder, held open: it stays the same one for all the files.
fn open(account: &AccountConfig) -> Result<Directory, Failure> {
    Directory::open(&account.folder).map_err(|error| {
        let hint = if error.kind() == ErrorKind::PermissionDenied {
            way_in(&account.folder).map(|way| format!("; {way}")).unwrap_or_default()
        } else {
            "; is the share mounted?".to_owned()
        };
        Failure::failed(format!(
            "{}: the folder of account `{}` cannot be opened: {error}{hint}",
            account.folder.display(),
            account.name
        ))
    })
}

/// What goes into the folder, in order: all of it is looked at before anything is put there.
fn plan(account: &AccountConfig, folder: &Directory, files: &[PathBuf], fin: bool) -> Result<Vec<Item>, Failure> {
    let refused = |message: String| Failure::new(Exit::Usage, message);
    let mut items = Vec::new();
    for source in files {
        let shown = source.display();
        let name = source.file_name().ok_or_else(|| refused(format!("{shown}: not a file name")))?;
        let name = check_name(name).map_err(|why| refused(format!("{}: {why}", shown.to_string().escape_debug())))?;
        let kind = classify(name.as_ref(), &account.extensions)
            .filter(|_| account.exclude.matching(name.as_ref()).is_none())
            .ok_or_else(|| refused(format!("{shown}: {}", not_watched(name, account))))?;
        items.push(Item { name: name.to_owned(), source: Some(source.clone()) });
        if fin {
            match kind {
                Kind::Data => items.push(Item { name: format!("{}.fin", stem(name)), source: None }),
                Kind::Fin => {
                    return Err(refused(format!("{shown}: is a marker itself; --fin makes one for each data file")));
                }
            }
        }
    }
    let mut names = HashSet::new();
    for item in &items {
        if !names.insert(item.name.as_str()) {
            return Err(refused(format!("{}: named twice; drop them one after the other", item.name)));
        }
        if folder.entry(&item.name).is_ok() {
            return Err(Failure::failed(PlaceError::Taken(folder.path_of(&item.name)).to_string()));
        }
    }
    Ok(items)
}

fn not_watched(name: &str, account: &AccountConfig) -> String {
    if name.starts_with('.') {
        return "hidden files are never sent; rename it".to_owned();
    }
    if let Some(pattern) = account.exclude.matching(name.as_ref()) {
        return format!(
            "the pattern `{pattern}` in `exclude` of account `{}` matches its name; rename it, or remove the pattern",
            account.name
        );
    }
    let watched: Vec<String> = account.extensions.iter().map(|extension| format!("`.{extension}`")).collect();
    format!(
        "account `{}` takes files that end in {} (as written, in this case); rename it, or add its \
         extension to `extensions` of the account",
        account.name,
        watched.join(", ")
    )
}

fn remarks(account: &AccountConfig, folder: &Directory, items: &[Item], fin: bool) -> Vec<String> {
    let mut remarks = Vec::new();
    if !account.enabled {
        remarks.push(format!("account `{}` is disabled: its files wait until it is enabled", account.name));
    }
    if !account.wait_for_fin || fin {
        return remarks;
    }
    let is_data = |item: &&Item| classify(item.name.as_ref(), &account.extensions) == Some(Kind::Data);
    for item in items.iter().filter(is_data) {
        let marker = format!("{}.fin", stem(&item.name));
        let comes = items.iter().any(|other| other.name == marker) || folder.entry(&marker).is_ok();
        if !comes {
            remarks.push(format!("{} waits for its marker {marker}; --fin makes it", item.name));
        }
    }
    remarks
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn account(folder: &Path) -> AccountConfig {
        let text = format!(
            "[api]\nglobal_company_id = \"c\"\nclient_id = \"i\"\nclient_secret = \"s\"\n\n[[account]]\n\
             name = \"callcentre\"\nreport_suite_id = \"r\"\ndata_source_id = 1\nwait_for_fin = true\nexclude = [\"*.tmp.txt\"]\nfolder = {:?}\n",
            folder.display().to_string()
        );
        crate::config::load_text("test", &text, []).unwrap().accounts.remove(0)
    }

    fn names(items: &[Item]) -> Vec<&str> {
        items.iter().map(|item| item.name.as_str()).collect()
    }

    #[test]
    fn each_marker_comes_after_its_data_file() {
        let dir = tempfile::tempdir().unwrap();
        let account = account(dir.path());
        let items =
            plan(&account, &open(&account).unwrap(), &["x/sales.txt".into(), "costs.txt".into()], true).unwrap();
        assert_eq!(names(&items), ["sales.txt", "sales.fin", "costs.txt", "costs.fin"]);
        assert!(remarks(&account, &open(&account).unwrap(), &items, true).is_empty());
        let bare = plan(
            &account,
            &open(&account).unwrap(),
            &["sales.txt".into(), "costs.txt".into(), "costs.fin".into()],
            false,
        )
        .unwrap();
        assert_eq!(
            remarks(&account, &open(&account).unwrap(), &bare, false),
            ["sales.txt waits for its marker sales.fin; --fin makes it"]
        );
    }

    #[test]
    fn what_can_never_be_sent_is_refused_with_a_remedy() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("taken.txt"), "").unwrap();
        let account = account(dir.path());
        for (files, fin, says) in [
            (vec!["sales.TXT"], false, "takes files that end in `.txt`"),
            (vec![".sales.txt"], false, "hidden files"),
            (vec!["sales.tmp.txt"], false, "the pattern `*.tmp.txt` in `exclude`"),
            (vec!["a\nb.txt"], false, "rename the file"),
            (vec!["a/sales.txt", "b/sales.txt"], false, "named twice"),
            (vec!["sales.fin"], true, "is a marker itself"),
            (vec!["taken.txt"], false, "nothing was overwritten"),
            (vec![".."], false, "not a file name"),
        ] {
            let files: Vec<PathBuf> = files.into_iter().map(PathBuf::from).collect();
            let failure = plan(&account, &open(&account).unwrap(), &files, fin).unwrap_err();
            let message = failure.problem().unwrap().to_string();
            assert!(message.contains(says) && !message.contains('\n'), "{message}");
        }
    }

    #[test]
    fn a_missing_folder_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let account = account(&dir.path().join("unmounted"));
        assert!(open(&account).unwrap_err().problem().unwrap().to_string().contains("mounted"));
    }
}
