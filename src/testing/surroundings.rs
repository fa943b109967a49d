//! Time, chance and the end of the process, as a simulation wants them. Each thread has its own; without one the real
//! ones hold.

use super::reach::{Asks, Marks, Point, Stage, refused_by_disk};
use crate::clock::Moment;
use crate::job::{Timestamp, Writer};
use crate::joblog::{JobLogError, StorageProblem};
use std::any::Any;
use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What a simulation gives to the code that runs in its thread.
#[derive(Debug, Default)]
pub(crate) struct Surroundings {
    /// The monotonic clock. Nothing moves it but time.
    pub(crate) moment: Moment,
    /// The wall clock less the monotonic one, in milliseconds. People and daemons set it as they like.
    pub(crate) wall_ahead: i64,
    /// The state of chance.
    pub(crate) chance: u64,
    /// Points passed at which the process may end.
    pub(crate) passed: u64,
    /// It ends at this one.
    pub(crate) ends_at: Option<u64>,
    /// Number of commits that fail from now on.
    pub(crate) failing_syncs: u32,
    /// Commits that failed.
    pub(crate) failed_syncs: u64,
    /// Renames that no sync has made durable yet.
    pub(crate) unsynced: Vec<(PathBuf, PathBuf)>,
    /// Renames that have not been reported as events yet.
    pub(crate) moved: Vec<(PathBuf, PathBuf)>,
    /// Where a suspended task waits to, for the one who polls it.
    pub(crate) suspended_until: Option<Moment>,
    /// Files that somebody has open for writing, by inode; `None` where the kernel does not say.
    pub(crate) written: Option<BTreeSet<u64>>,
    /// Each path has an inode number of its own, no file has a time of birth, and renames may overwrite (`sshfs`, `mergerfs`).
    pub(crate) inodes_of_paths: bool,
    /// When files were moved to where they are, by the wall clock: the file system's own clock is real.
    pub(crate) filed: BTreeMap<PathBuf, i64>,
    /// The stage that goes on.
    pub(crate) stage: Stage,
    /// What the latest request for remote jobs was made for.
    pub(crate) asks: Asks,
    /// What was met so far.
    pub(crate) met: Marks,
}

/// What unwinds when the process ends at some point: nothing after that point happens.
#[derive(Debug)]
pub(crate) struct Ended(pub(crate) Point);

thread_local! {
    static SURROUNDINGS: RefCell<Option<Surroundings>> = const { RefCell::new(None) };
}

/// Begins a simulation in this thread.
pub(crate) fn begin(surroundings: Surroundings) {
    SURROUNDINGS.set(Some(surroundings));
}

/// Ends it.
pub(crate) fn end() {
    SURROUNDINGS.set(None);
}

/// Looks at it or changes it; `None` without a simulation.
pub(crate) fn with<R>(change: impl FnOnce(&mut Surroundings) -> R) -> Option<R> {
    SURROUNDINGS.with_borrow_mut(|surroundings| surroundings.as_mut().map(change))
}

pub(crate) fn now() -> Option<Timestamp> {
    with(|here| Timestamp(millis(here.moment.0).saturating_add(here.wall_ahead)))
}

pub(crate) fn moment() -> Option<Moment> {
    with(|here| here.moment)
}

pub(crate) fn random() -> Option<u64> {
    with(|here| next(&mut here.chance))
}

/// Splitmix64: small, and good enough for chance.
pub(crate) fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Who has a file open for writing; `None` without a simulation.
pub(crate) fn writer(inode: impl FnOnce() -> Option<u64>) -> Option<Writer> {
    let inode = with(|_| ()).and_then(|()| inode());
    with(|here| match (&here.written, inode) {
        (Some(written), Some(inode)) if written.contains(&inode) => Writer::Somebody,
        (Some(_), Some(_)) => Writer::Nobody,
        (None, _) | (_, None) => Writer::Unknown,
    })
}

/// The inode number of a path, where each path has its own.
pub(crate) fn inode_of_path(path: impl FnOnce() -> Option<PathBuf>) -> Option<u64> {
    with(|here| here.inodes_of_paths)?.then_some(())?;
    let mut hasher = DefaultHasher::new();
    path()?.hash(&mut hasher);
    Some(hasher.finish())
}

/// Whether no rename refuses to overwrite.
pub(crate) fn renames_overwrite() -> bool {
    with(|here| here.inodes_of_paths) == Some(true)
}

/// When a file was moved to where it is; `None` without a simulation.
pub(crate) fn filed_at(path: &Path) -> Option<i64> {
    with(|here| here.filed.get(path).copied().unwrap_or(i64::MIN))
}

/// A point at which the process may end.
pub(crate) fn passing(point: Point) {
    let ends = with(|here| {
        here.passed += 1;
        here.ends_at == Some(here.passed)
    });
    if ends == Some(true) {
        // Not a panic that anybody should hear of.
        std::panic::resume_unwind(Box::new(Ended(point)));
    }
}

/// The process ends whoever would catch what panics.
pub(crate) fn no_end(panic: Box<dyn Any + Send>) -> Box<dyn Any + Send> {
    if panic.is::<Ended>() { std::panic::resume_unwind(panic) } else { panic }
}

/// The fsync of a commit.
pub(crate) fn sync() -> Result<(), JobLogError> {
    let fails = with(|here| {
        let fails = here.failing_syncs > 0;
        here.failing_syncs = here.failing_syncs.saturating_sub(1);
        here.failed_syncs += u64::from(fails);
        fails
    });
    if fails == Some(true) {
        refused_by_disk("a commit fails");
        Err(JobLogError::Storage(StorageProblem::Disk("the disk does not take it".to_owned())))
    } else {
        Ok(())
    }
}

/// A rename that is not durable yet.
pub(crate) fn renamed(from: &Path, to: &Path) {
    with(|here| {
        let renamed = (from.to_owned(), to.to_owned());
        here.moved.push(renamed.clone());
        here.unsynced.push(renamed);
        let at = millis(here.moment.0).saturating_add(here.wall_ahead);
        here.filed.extend([Some(to), to.parent()].into_iter().flatten().map(|path| (path.to_owned(), at)));
    });
    passing(Point::Renamed);
}

/// The renames so far are durable.
pub(crate) fn folder_synced() {
    passing(Point::BeforeSync);
    with(|here| here.unsynced.clear());
    passing(Point::Synced);
}

fn millis(since: Duration) -> i64 {
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// Waits until a moment of the simulation.
pub(crate) async fn until(moment: Moment) {
    std::future::poll_fn(|_| {
        let arrived = with(|here| {
            let arrived = here.moment >= moment;
            here.suspended_until = (!arrived).then_some(moment);
            arrived
        });
        if arrived == Some(false) { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
    })
    .await;
}
