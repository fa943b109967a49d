//! What has been heard of a folder since its thread last looked: events of one path fold into one trace, so that a
//! flood of them costs no memory.

use crate::clock::Moment;
use crate::inbox::readiness::{Heard, Trace};
use crate::joblog::Haste;
use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Entries whose memory is kept for the next ones.
const KEPT: usize = 1024;

/// Gives the memory of a map back that has become much smaller: what a burst took would stay for ever.
pub(super) fn give_back<V>(map: &mut HashMap<OsString, V>) {
    if map.capacity() > 2 * KEPT && map.len() < map.capacity() / 4 {
        map.shrink_to(2 * map.len());
    }
}

/// The mailbox of one folder's thread.
#[derive(Debug, Default)]
pub struct Board {
    inner: Mutex<Inner>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    traces: HashMap<OsString, Trace>,
    /// Names that left, by the cookie that will tell under which name they arrive, and how many scans ended since.
    leaving: HashMap<usize, (Left, u8)>,
    changed: Vec<OsString>,
    changed_set: HashSet<OsString>,
    order: u64,
    flags: Flags,
}

/// What was known of a name that left, as far as it matters under the next one.
#[derive(Debug)]
struct Left {
    writing: bool,
    /// The name that `rsync` writes to before it renames to this one.
    by_rsync_to: Option<OsString>,
}

/// `rsync` writes to `.NAME.` and six characters by chance, beside NAME.
fn rsync_writes_for(name: &OsStr) -> Option<OsString> {
    let (name, chance) = name.to_str()?.strip_prefix('.')?.rsplit_once('.')?;
    let is_chance = chance.len() == 6 && chance.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (is_chance && !name.is_empty()).then(|| name.into())
}

/// What is to be done in addition to looking at the names that changed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a wish of its own, and all may stand at once")]
pub(super) struct Flags {
    /// Events were lost.
    pub(super) overflow: bool,
    /// Somebody wants a scan.
    pub(super) rescan: bool,
    /// Files are to be moved.
    pub(super) unfiled: bool,
    /// Some of them at once.
    pub(super) unfiled_at_once: bool,
    /// Something happened to the folder itself.
    pub(super) folder_moved: bool,
    /// The end.
    pub(super) stop: bool,
}

/// What a turn has to deal with.
#[derive(Debug)]
pub(super) struct News {
    pub(super) changed: Vec<OsString>,
    pub(super) flags: Flags,
}

impl Board {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An event of a path.
    pub(super) fn hear(&self, name: &OsStr, heard: Heard, at: Moment) {
        self.change(name, |trace, order| trace.hear(heard, at, order));
    }

    /// A name was renamed away; `cookie` ties it to the name that it takes.
    pub(super) fn leave(&self, name: &OsStr, cookie: Option<usize>) {
        let mut inner = self.lock();
        let trace = inner.traces.remove(name);
        if let (Some(cookie), Some(trace)) = (cookie, trace) {
            let left = Left { writing: trace.writing, by_rsync_to: rsync_writes_for(name) };
            if left.writing || left.by_rsync_to.is_some() {
                inner.leaving.insert(cookie, (left, 0));
            }
        }
        inner.mark(name);
        drop(inner);
        self.wake.notify_one();
    }

    /// A name was renamed in.
    pub(super) fn arrive(&self, name: &OsStr, cookie: Option<usize>, at: Moment) {
        let left = cookie.and_then(|cookie| self.lock().leaving.remove(&cookie));
        let writing = left.as_ref().is_some_and(|(left, _)| left.writing);
        let by_rsync = left.is_some_and(|(left, _)| left.by_rsync_to.as_deref() == Some(name));
        self.change(name, |trace, order| {
            trace.hear(Heard::MovedIn { writing }, at, order);
            trace.by_rsync = by_rsync;
        });
    }

    fn change(&self, name: &OsStr, change: impl FnOnce(&mut Trace, u64)) {
        let mut inner = self.lock();
        inner.order += 1;
        let order = inner.order;
        if let Some(trace) = inner.traces.get_mut(name) {
            change(trace, order);
        } else {
            let mut trace = Trace::default();
            change(&mut trace, order);
            inner.traces.insert(name.to_owned(), trace);
        }
        inner.mark(name);
        drop(inner);
        self.wake.notify_one();
    }

    fn flag(&self, set: impl FnOnce(&mut Flags)) {
        set(&mut self.lock().flags);
        self.wake.notify_one();
    }

    /// Events were lost: nothing heard so far is worth anything.
    pub(super) fn overflow(&self) {
        self.flag(|flags| flags.overflow = true);
    }

    /// Something happened to the folder itself.
    pub(super) fn folder_moved(&self) {
        self.flag(|flags| flags.folder_moved = true);
    }

    /// Asks for a scan.
    pub fn rescan(&self) {
        self.flag(|flags| flags.rescan = true);
    }

    /// Files are to be moved.
    pub fn unfiled(&self, haste: Haste) {
        self.flag(|flags| {
            flags.unfiled = true;
            flags.unfiled_at_once |= haste == Haste::AtOnce;
        });
    }

    /// Ends the thread.
    pub fn stop(&self) {
        self.flag(|flags| flags.stop = true);
    }

    /// Whether the thread is to end, and does not know it yet: what is written in its name is others' by now.
    pub(super) fn is_stopped(&self) -> bool {
        self.lock().flags.stop
    }

    /// Waits for news, for so long at most.
    pub(super) fn wait(&self, at_most: Duration) -> News {
        let quiet = |inner: &mut Inner| inner.changed.is_empty() && inner.flags == Flags::default();
        let (mut inner, _) =
            self.wake.wait_timeout_while(self.lock(), at_most, quiet).unwrap_or_else(PoisonError::into_inner);
        // Each turn would pay for the largest of all, which it clears.
        inner.changed_set.clear();
        inner.changed_set.shrink_to(KEPT);
        News { changed: std::mem::take(&mut inner.changed), flags: std::mem::take(&mut inner.flags) }
    }

    /// Whether [`Board::wait`] would return at once.
    #[cfg(test)]
    pub(super) fn has_news(&self) -> bool {
        let inner = self.lock();
        !inner.changed.is_empty() || inner.flags != Flags::default()
    }

    /// What has been heard of a name.
    pub(super) fn trace(&self, name: &OsStr) -> Option<Trace> {
        self.lock().traces.get(name).copied()
    }

    /// A name is dealt with, up to the event of this order; what is known of a writer at work on it stays, and so does
    /// what was heard since.
    pub(super) fn dealt_with(&self, name: &OsStr, heard: u64) {
        let mut inner = self.lock();
        if inner.traces.get(name).is_some_and(|trace| !trace.writing && trace.order <= heard) {
            inner.traces.remove(name);
            give_back(&mut inner.traces);
        }
    }

    /// A scan has ended: what left two scans ago went elsewhere, because both halves of a rename arrive together.
    pub(super) fn scanned(&self) {
        self.lock().leaving.retain(|_, (_, scans)| {
            *scans += 1;
            *scans < 2
        });
    }

    /// Forgets all that events reported.
    pub(super) fn forget(&self) {
        let mut inner = self.lock();
        inner.traces.clear();
        inner.leaving.clear();
    }
}

impl Inner {
    fn mark(&mut self, name: &OsStr) {
        if self.changed_set.insert(name.to_owned()) {
            self.changed.push(name.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inbox::readiness::Arrival;

    #[test]
    fn events_of_one_path_fold_into_one_piece_of_news() {
        let board = Board::default();
        let name = OsStr::new("a.txt");
        for _ in 0..10_000 {
            board.hear(name, Heard::Written, Moment::default());
        }
        assert_eq!(board.wait(Duration::ZERO).changed, [name]);
        assert!(board.wait(Duration::ZERO).changed.is_empty());
        assert!(board.trace(name).unwrap().writing, "what was heard outlives the news");
    }

    #[test]
    fn a_burst_leaves_no_memory_behind() {
        let board = Board::default();
        let names: Vec<OsString> = (0..50_000).map(|file| format!("{file}.txt").into()).collect();
        for name in &names {
            board.arrive(name, None, Moment::default());
        }
        assert_eq!(board.wait(Duration::ZERO).changed, names);
        for name in &names {
            board.dealt_with(name, u64::MAX);
        }
        let inner = board.lock();
        let kept = [inner.traces.capacity(), inner.changed.capacity(), inner.changed_set.capacity()];
        assert!(kept.iter().all(|kept| *kept <= 4 * KEPT), "{kept:?}");
    }

    #[test]
    fn what_was_heard_while_a_name_was_dealt_with_is_kept() {
        let board = Board::default();
        let name = OsStr::new("a.txt");
        board.arrive(name, None, Moment::default());
        let heard = board.trace(name).unwrap().order;
        board.arrive(name, None, Moment::default());
        board.dealt_with(name, heard);
        let later = board.trace(name).unwrap();
        board.dealt_with(name, later.order);
        assert!(board.trace(name).is_none());
    }

    #[test]
    fn r5_a_writer_is_remembered_when_its_file_is_renamed() {
        let board = Board::default();
        board.hear(OsStr::new(".a.part"), Heard::Written, Moment::default());
        board.leave(OsStr::new(".a.part"), Some(7));
        board.arrive(OsStr::new("a.txt"), Some(7), Moment::default());
        assert!(board.trace(OsStr::new("a.txt")).unwrap().writing);

        board.arrive(OsStr::new("b.txt"), Some(8), Moment::default());
        assert_eq!(board.trace(OsStr::new("b.txt")).unwrap().arrival, Arrival::MovedIn);
    }

    #[test]
    fn r8_what_rsync_renames_is_known_by_the_name_that_it_had() {
        let board = Board::default();
        for (cookie, from, to, by_rsync) in [
            (1, ".sales.txt.Ab3dE9", "sales.txt", true),
            (2, ".sales.txt.Ab3dE9", "costs.txt", false),
            (3, ".sales.txt.part", "sales.txt", false),
            (4, "sales.txt.Ab3dE9", "sales.txt", false),
        ] {
            board.hear(OsStr::new(from), Heard::Closed, Moment::default());
            board.leave(OsStr::new(from), Some(cookie));
            board.arrive(OsStr::new(to), Some(cookie), Moment::default());
            let trace = board.trace(OsStr::new(to)).unwrap();
            assert_eq!((trace.arrival, trace.by_rsync), (Arrival::MovedIn, by_rsync), "{from}");
        }
    }

    #[test]
    fn a_writer_whose_file_went_elsewhere_is_forgotten_after_two_scans() {
        let board = Board::default();
        for (cookie, name) in [(7, "a.part"), (8, "b.part")] {
            board.hear(OsStr::new(name), Heard::Written, Moment::default());
            board.leave(OsStr::new(name), Some(cookie));
            board.scanned();
        }
        assert_eq!(board.lock().leaving.keys().collect::<Vec<_>>(), [&8]);
        board.arrive(OsStr::new("b.txt"), Some(8), Moment::default());
        assert!(board.trace(OsStr::new("b.txt")).unwrap().writing);
    }
}
