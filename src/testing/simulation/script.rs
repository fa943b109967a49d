//! What happens in one story, made from a seed: who drops what when, and what goes wrong. Every item can be left out,
//! so that a story that fails can be made shorter.

use super::accidents::{Fate, ListFault, UploadFault};
use crate::config::{Duplicates, FinMode, Order, StyleChoice, WireName};
use crate::emulator::Names;
use crate::job::UploadStyle;
use crate::testing::surroundings;
use std::time::Duration;

/// Chance by a seed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        surroundings::next(&mut self.0) % bound.max(1)
    }

    pub(super) fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap()
    }

    /// True so many times in a hundred.
    pub(super) fn percent(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }

    pub(super) fn pick<T: Copy>(&mut self, among: &[T]) -> T {
        among[self.index(among.len())]
    }

    pub(super) fn millis(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_millis(from + self.below(to - from))
    }

    pub(super) fn seconds(&mut self, from: u64, to: u64) -> Duration {
        Duration::from_secs(from + self.below(to - from))
    }
}

/// How the account is configured, and what kind of server it meets.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    pub(super) duplicates: Duplicates,
    pub(super) fin: FinMode,
    pub(super) wire_name: WireName,
    pub(super) order: Order,
    pub(super) sequential: bool,
    pub(super) wait_for_fin: bool,
    pub(super) style: StyleChoice,
    pub(super) max_in_flight: usize,
    /// Without file events everything is met by scans.
    pub(super) by_events: bool,
    /// The kernel says who writes. Then writers pause for as long as they like, and others meddle with their files.
    pub(super) leases: bool,
    /// Jobs on a page of the remote list: few, so that lists have pages.
    pub(super) page: usize,
    /// The server's clock less ours at the start.
    pub(super) server_ahead: i64,
    /// Both spellings of the keys occur.
    pub(super) short_keys: bool,
    /// The server lists its jobs oldest first.
    pub(super) oldest_first: bool,
    /// What the server makes of names.
    pub(super) renames: Renames,
    /// The server tells when jobs were created.
    pub(super) tells_dates: bool,
    /// Each path has an inode number of its own, as on `sshfs` and `mergerfs`.
    pub(super) inodes_of_paths: bool,
    /// At each start the folder opens only once the first remote list was read.
    pub(super) opens_late: bool,
}

/// What a server makes of the names of files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Renames {
    Never,
    /// Into capitals: a rule that can be learnt.
    Capitals,
    /// As the emulator can: rules that can be learnt as well.
    As(Names),
    /// Into something that no rule explains.
    Beyond,
}

/// How a file comes into the folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Made elsewhere, renamed in.
    MovedIn,
    /// Written under a hidden name of the folder, then renamed.
    Renamed,
    /// Written in place, chunk by chunk.
    Written,
    /// A hard link to a file elsewhere.
    Linked,
    /// Renamed away while it is written, and written on.
    RenamedWhileWritten,
    /// Closed after each piece, and opened again for the next (R7).
    InPieces,
    /// Two have it open, and one closes it before the other has written.
    ByTwo,
    /// The copy breaks off in a line, and is made again (R9).
    BrokenOff,
    /// `rsync` keeps what it has of a transfer that broke off, and begins again (R8).
    TransferBrokenOff,
}

/// When the marker of a dropped file comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marker {
    None,
    Before,
    After,
    MuchLater,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Dropped {
    pub(super) name: &'static str,
    /// Equal numbers mean equal bytes.
    pub(super) content: u64,
    pub(super) way: Way,
    pub(super) marker: Marker,
    pub(super) chunks: u64,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum What {
    Drop(Dropped),
    /// A marker by itself.
    LoneMarker(&'static str),
    /// A file without content, which may get some later.
    Empty(&'static str, bool),
    /// A person removes a file from the inbox.
    Remove(&'static str),
    /// A person moves something from `held/` or `failed/` back into the inbox.
    MoveBack,
    /// A person gives an instruction for a job that is not done; the number says for which.
    Wants(Wish, u64),
    /// The next upload meets this.
    Upload(UploadFault),
    /// The next request for a list or a job meets this.
    List(ListFault),
    /// So do all of them for so long.
    Outage(ListFault, Duration),
    /// The next accepted job has this fate.
    Fate(Fate),
    /// Somebody else sends a file of this name, with so many rows.
    Other(&'static str, i64),
    /// The process ends so many points later, is away for so long, and may lose what was not synced.
    Crash(u64, Duration, bool),
    /// This number of commits of the job log fail.
    SyncFails(u32),
    /// The wall clock is set.
    ClockSet(i64),
    /// File events are lost.
    Overflow,
    /// A picture of the machine is kept.
    Snapshot,
    /// The machine, or some of it, is what it was in the picture; it is away for so long.
    SetBack(Back, Duration),
    /// This number of files arrive at once.
    Many(u64),
}

/// What is set back to an earlier state. What the server has stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Back {
    /// All of it, with the very files (a snapshot of a virtual machine).
    Machine,
    /// All of it, in new files (a backup that is copied back).
    Copy,
    /// The state directory alone.
    JobLog,
}

/// What a person wants of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    Retry,
    Hold,
    /// Only what cannot have been ingested.
    Release,
    /// Looks at Adobe first: adopts what is there, and has sent again what is not.
    LookAndRelease,
    Cancel,
    GiveUp,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Item {
    pub(super) at: Duration,
    pub(super) what: What,
}

#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) rules: Rules,
    pub(super) items: Vec<Item>,
}

const NAMES: [&str; 5] = ["a.txt", "b.txt", "c.txt", "d.txt", "e.txt"];
/// Names that each way to change names changes, some of them into the same.
const ODD_NAMES: [&str; 5] = [
    "e\u{301}te\u{301} 1.txt",
    "Report of the whole year 2026-01.txt",
    "Report of the whole year 2026-02.txt",
    "E\u{301}te\u{301} 1.txt",
    "e\u{301}te\u{301}_1.txt",
];
/// More than enough to prove that no producer closes files between pieces (R7).
const MANY: u64 = 105;
/// One story of so many has them: they cost time.
const MANY_EVERY: u64 = 400;
const DAY: i64 = 24 * 3600 * 1000;

impl Plan {
    pub(super) fn new(seed: u64) -> Self {
        let mut chance = Chance(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
        let mut rules = rules(&mut chance);
        // By the seed itself, so that the other stories stay as they are.
        rules.opens_late = Chance(seed ^ 0x0001_a7e0).percent(15);
        let mut names = &NAMES;
        if rules.renames == Renames::Capitals {
            let ways = [None, Some(Names::Lower), Some(Names::Nfc), Some(Names::Underscore), Some(Names::Cut)];
            if let Some(way) = Chance(seed ^ 0x000a_3e50).pick(&ways) {
                (rules.renames, names) = (Renames::As(way), &ODD_NAMES);
            }
        }
        let horizon = chance.pick(&[20, 120, 600]);
        let mut items = Vec::new();
        let mut put = |chance: &mut Chance, what: What| {
            items.push(Item { at: chance.millis(0, horizon * 1000), what });
        };
        let names = &names[..2 + chance.index(4)];
        let mut contents = 0;
        for _ in 0..=chance.below(8) {
            let what = drop_of_something(&mut chance, names, &mut contents);
            put(&mut chance, what);
        }
        // Some worlds are calm in some respect: faults alone show other defects than faults in a heap.
        for _ in 0..chance.pick(&[0, 1, 2, 4, 7]) {
            let fault = What::Upload(UploadFault::any(&mut chance));
            put(&mut chance, fault);
        }
        for _ in 0..chance.pick(&[0, 0, 1, 3]) {
            let fault = What::List(ListFault::any(&mut chance));
            put(&mut chance, fault);
        }
        if chance.percent(10) {
            let outage =
                What::Outage(ListFault::any(&mut chance), chance.pick(&[30, 600, 3600].map(Duration::from_secs)));
            put(&mut chance, outage);
        }
        for _ in 0..chance.pick(&[0, 1, 1, 3]) {
            let fate = What::Fate(Fate::any(&mut chance));
            put(&mut chance, fate);
        }
        for _ in 0..chance.pick(&[0, 0, 0, 1, 3]) {
            let other = What::Other(chance.pick(names), 100);
            put(&mut chance, other);
        }
        for _ in 0..chance.pick(&[0, 1, 1, 2, 4]) {
            let away = chance.pick(&[0, 1, 30, 400]);
            let crash = What::Crash(1 + chance.below(60), Duration::from_secs(away), chance.percent(50));
            put(&mut chance, crash);
        }
        for _ in 0..chance.pick(&[0, 0, 0, 1, 2]) {
            let fails = What::SyncFails(1 + u32::try_from(chance.below(3)).unwrap());
            put(&mut chance, fails);
        }
        if chance.below(MANY_EVERY) == 0 {
            put(&mut chance, What::Many(MANY));
        }
        for _ in 0..chance.pick(&[0, 0, 0, 1, 2]) {
            let days = chance.pick(&[-9, -3, -1, 1, 3, 9]);
            put(&mut chance, What::ClockSet(days * DAY));
        }
        for _ in 0..chance.pick(&[0, 0, 1, 3, 8]) {
            let wish = chance.pick(&[
                Wish::Retry,
                Wish::Retry,
                Wish::Hold,
                Wish::Hold,
                Wish::Release,
                Wish::Release,
                Wish::LookAndRelease,
                Wish::LookAndRelease,
                Wish::Cancel,
                Wish::GiveUp,
            ]);
            let which = chance.below(u64::MAX);
            put(&mut chance, What::Wants(wish, which));
        }
        if chance.percent(15) {
            put(&mut chance, What::Overflow);
        }
        if chance.percent(20) {
            set_back(&mut chance, &mut items);
        }
        items.sort_by_key(|item| item.at);
        Self { seed, rules, items }
    }

    /// After this nothing new happens, and nothing fails any more.
    pub(super) fn ends_at(&self) -> Duration {
        let last = self.items.last().map_or(Duration::ZERO, |item| item.at);
        let outages = self.items.iter().filter_map(|item| match item.what {
            What::Outage(_, lasts) => Some(item.at + lasts),
            What::MoveBack
            | What::Wants(..)
            | What::Drop(_)
            | What::LoneMarker(_)
            | What::Empty(..)
            | What::Remove(_)
            | What::Upload(_)
            | What::List(_)
            | What::Fate(_)
            | What::Other(..)
            | What::Crash(..)
            | What::SyncFails(_)
            | What::ClockSet(_)
            | What::Snapshot
            | What::SetBack(..)
            | What::Many(_)
            | What::Overflow => None,
        });
        outages.max().unwrap_or_default().max(last) + Duration::from_secs(30)
    }
}

/// A picture is kept while something goes on, most often, and is what the machine is set back to a while later.
fn set_back(chance: &mut Chance, items: &mut Vec<Item>) {
    let among = chance.index(items.len());
    let mut at = items[among].at + chance.millis(0, 3000);
    items.push(Item { at, what: What::Snapshot });
    for _ in 0..chance.pick(&[1, 1, 1, 2]) {
        let back = chance.pick(&[Back::Machine, Back::Machine, Back::Copy, Back::JobLog]);
        let away = Duration::from_secs(chance.pick(&[0, 1, 30, 400]));
        at += if chance.percent(60) { chance.seconds(1, 30) } else { chance.seconds(30, 600) };
        items.push(Item { at, what: What::SetBack(back, away) });
    }
}

fn rules(chance: &mut Chance) -> Rules {
    let style = match chance.below(4) {
        0 => StyleChoice::Fixed(UploadStyle::PostMultipart),
        1 => StyleChoice::Fixed(UploadStyle::PutJson),
        _ => StyleChoice::Auto,
    };
    // Where that is so, no lease is given.
    let inodes_of_paths = chance.percent(12);
    Rules {
        duplicates: chance.pick(&[
            Duplicates::Hold,
            Duplicates::Hold,
            Duplicates::HoldContent,
            Duplicates::HoldDays,
            Duplicates::Allow,
        ]),
        fin: chance.pick(&[FinMode::Auto, FinMode::Auto, FinMode::Upload, FinMode::Local, FinMode::Generate]),
        wire_name: chance.pick(&[WireName::Keep, WireName::Keep, WireName::Unique]),
        order: chance.pick(&[Order::Name, Order::Arrival]),
        sequential: chance.percent(20),
        wait_for_fin: chance.percent(20),
        style,
        max_in_flight: 1 + chance.index(4),
        by_events: chance.percent(80),
        leases: chance.percent(60) && !inodes_of_paths,
        inodes_of_paths,
        page: chance.pick(&[1, 2, 3, 100]),
        server_ahead: chance.pick(&[0, 0, 1500, -90_000, 7_200_000, -7_200_000]),
        short_keys: chance.percent(50),
        oldest_first: chance.percent(30),
        renames: chance.pick(&[Renames::Never, Renames::Never, Renames::Never, Renames::Capitals, Renames::Beyond]),
        tells_dates: chance.percent(50),
        opens_late: false,
    }
}

fn drop_of_something(chance: &mut Chance, names: &[&'static str], contents: &mut u64) -> What {
    let name = chance.pick(names);
    match chance.below(20) {
        0 => return What::LoneMarker(name),
        1 => return What::Empty(name, chance.percent(60)),
        2 => return What::Remove(name),
        3 | 4 => return What::MoveBack,
        _ => {}
    }
    let content = if *contents > 0 && chance.percent(20) {
        chance.below(*contents)
    } else {
        *contents += 1;
        *contents - 1
    };
    let ways = [
        Way::MovedIn,
        Way::MovedIn,
        Way::MovedIn,
        Way::Renamed,
        Way::Renamed,
        Way::Written,
        Way::Written,
        Way::Written,
        Way::Linked,
        Way::RenamedWhileWritten,
        Way::InPieces,
        Way::ByTwo,
        Way::BrokenOff,
        Way::TransferBrokenOff,
    ];
    let markers = [Marker::None, Marker::None, Marker::None, Marker::Before, Marker::After, Marker::MuchLater];
    What::Drop(Dropped {
        name,
        content,
        way: chance.pick(&ways),
        marker: chance.pick(&markers),
        chunks: 1 + chance.below(3),
    })
}
