//! Step 1: watch the folders, and take in what is ready.
//!
//! Each account has one thread, which does everything that touches its folder: it listens to events (hints), scans
//! (the truth), looks at candidates, hashes what is ready, hands it to the job log, and files what the job log wants
//! moved. One thread for each folder means that scans and moves never race, and that a share which hangs blocks its own
//! account only.

mod announce;
mod arrivals;
mod assessment;
mod board;
mod defect;
mod events;
mod file_moves;
mod folder_settings;
mod forecast;
mod known;
mod look;
mod markers;
mod neighbours;
mod piecewise;
pub mod readiness;
mod recheck;
mod scan;
mod trouble;
#[cfg(test)]
pub(crate) mod turns;
mod weigh;
mod worker;

pub use assessment::{Known, known};
pub use board::Board;
pub use events::{EventSource, WatchError};
pub use folder_settings::{FolderSettings, Ignored, Interrupted, Progress, is_own_name};
pub use forecast::{Foreseen, ahead, foresee};
pub use neighbours::{Neighbours, Way};
pub use worker::FolderWorker;

use crate::check::{Checker, Facts};
use crate::clock::now;
use crate::folder::directory::{Directory, Entry};
use crate::job::{DayZone, Fingerprint, Kind};
use crate::joblog::Content;
use jiff::tz::TimeZone;
use std::ffi::OsStr;
use std::io;
use std::path::Path;

/// Reads a file that is to stay as it is: its identity, its hash, its rows. What is of the state directory is not opened.
/// `alive` is called at each read.
///
/// # Errors
/// The system's, or that it is no plain file or changed meanwhile.
pub fn read_content(
    directory: &Directory,
    name: &OsStr,
    kind: Kind,
    state_dir: &Path,
    alive: impl Fn(),
) -> io::Result<Content> {
    read(directory, name, (kind, None), state_dir, alive)
}

/// As [`read_content`], and what the rows of a data file report of each day. `extensions`: those of data files.
///
/// # Errors
/// As [`read_content`].
pub fn read_days(
    directory: &Directory,
    name: &OsStr,
    kind: Kind,
    (state_dir, extensions): (&Path, &[String]),
    alive: impl Fn(),
) -> io::Result<Content> {
    // The days of a file do not depend on when it is read.
    let now = DayZone { zone: TimeZone::UTC, is_suites: false }.at(now());
    let facts = Facts {
        file_name: name,
        extensions,
        now: &now,
        in_suite_zone: false,
        suite: None,
        data_source_id: None,
        max_size: u64::MAX,
        bytes_per_second: None,
        keep: 0,
    };
    read(directory, name, (kind, (kind == Kind::Data).then(|| Checker::new(&facts))), state_dir, alive)
}

fn read(
    directory: &Directory,
    name: &OsStr,
    (kind, rules): (Kind, Option<Checker<'_>>),
    state_dir: &Path,
    alive: impl Fn(),
) -> io::Result<Content> {
    let seen = directory.entry(name)?;
    if look::is_of_state(state_dir, &seen) {
        return Err(io::Error::other(look::not_a_file(look::OWN)));
    }
    let (mut file, entry) = directory.open_file(name, &seen)?;
    let before = look::sight_of(&entry);
    let held = look::hold(&mut file, kind, rules, &mut vec![0; weigh::BUFFER], alive)?;
    let after = look::sight_of(&Entry::of(&file)?);
    if before != after || held.size != after.identity.size {
        return Err(io::Error::other("it was changed while it was read"));
    }
    let days = held.checked.map(|checked| Box::new(checked.days));
    let fingerprint = Fingerprint { identity: after.identity, sha256: held.sha256 };
    Ok(Content { fingerprint, blake3: held.blake3, rows_expected: held.rows, findings: None, days })
}
