//! `service`: what systemd must know about this configuration.

mod drop_in;

pub(super) use drop_in::{HIDING_PROPERTIES, hiding};

use super::apart;
use super::args::ServiceCommand;
use super::failure::{Exit, Failure};
use super::output::Output;
use super::settings;
use drop_in::Place;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Timeout for following the links of one path.
const LINKS_TIMEOUT: Duration = Duration::from_secs(1);

pub(super) fn run(file: &Path, command: &ServiceCommand, output: &mut Output) -> Result<Exit, Failure> {
    match command {
        ServiceCommand::PrintFolders => print_folders(file, output),
    }
}

fn print_folders(file: &Path, output: &mut Output) -> Result<Exit, Failure> {
    let config = settings::load(file)?;
    let state = Place::new("the state directory".to_owned(), real(&config.state_dir));
    let folders =
        config.accounts.iter().map(|account| Place::new(format!("account {}", account.name), real(&account.folder)));
    let places: Vec<Place> = std::iter::once(state).chain(folders).collect();
    if let Some(place) = places.iter().find(|place| !place.can_be_named()) {
        return Err(Failure::failed(format!(
            "{place}: a unit of systemd cannot name it, for it holds a line break, another control character or no UTF-8; give the folder another name"
        )));
    }
    let file = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    output.data(&drop_in::text(&file, &places))?;
    Ok(Exit::Done)
}

/// systemd looks for the mounts of a path by its text, so links must not hide where it leads.
fn real(path: &Path) -> PathBuf {
    let written = path.to_owned();
    apart::within(LINKS_TIMEOUT, move || written.canonicalize()).and_then(Result::ok).unwrap_or_else(|| path.to_owned())
}
