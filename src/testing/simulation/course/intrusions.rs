//! What others do beside datadrop, at the moments that they wait for.

use super::super::acts::{Act, chunk_of};
use super::super::strangers::{Name, Odd, Stranger};
use super::{Todo, World};
use crate::job::{Kind, Place, State};
use crate::joblog::Job;
use crate::testing::reach::{Family, mark, word};
use rusqlite::{Connection, OpenFlags};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long others keep what datadrop needs.
const FOR_A_WHILE: (u64, u64) = (1, 40);
/// What no link may lead datadrop to.
pub(super) const OUTSIDE: &[u8] = b"Date\tEvar 1\tEvent 1\n11/23/2026\tsomebody's\t1\n";

/// What others have in their hands.
#[derive(Default)]
pub(super) struct Strangers {
    /// Who waits for a job in this state.
    pub(super) wait: Vec<(Stranger, State)>,
    /// Connections to the database.
    connections: Vec<Connection>,
    /// What was taken away: from where, and where it is.
    away: Vec<(PathBuf, PathBuf)>,
    made: u64,
}

impl World<'_> {
    fn outside(&self) -> PathBuf {
        self.dir.path().join("outside.txt")
    }

    fn outside_dir(&self) -> PathBuf {
        self.dir.path().join("outside")
    }

    /// After each change of the job log: who has waited for what is there now.
    pub(super) fn let_strangers_act(&mut self, jobs: &[Job]) {
        while let Some((index, job)) = self.strangers.wait.iter().enumerate().find_map(|(index, (stranger, state))| {
            let suits = |job: &&Job| job.state == *state && job.kind == Kind::Data && suits(*stranger, job);
            jobs.iter().rev().find(suits).map(|job| (index, job))
        }) {
            let (stranger, state) = self.strangers.wait.remove(index);
            if self.do_as(stranger, job) {
                mark(Family::Neighbour, <&str>::from(stranger), word(state));
                let (now, name) = (self.now, job.disk_name.display().to_string());
                self.story.tell(now, || format!("    somebody {} ({name}, job {})", <&str>::from(stranger), job.id));
                self.changed_at = now;
            }
        }
    }

    /// True: it could be done.
    fn do_as(&mut self, stranger: Stranger, job: &Job) -> bool {
        let name = job.disk_name.to_str().unwrap().to_owned();
        let path = job.path.clone();
        if !fs::symlink_metadata(&path).is_ok_and(|found| found.is_file()) && stranger.needs_file() {
            return false;
        }
        self.strangers.made += 1;
        let number = self.strangers.made;
        let at = self.now;
        match stranger {
            Stranger::Edits => {
                let content = format!("11/23/2026\tedited {number}\t1\n").into_bytes();
                let writer = self.chance.below(u64::MAX);
                self.agenda.push((at, Todo::Act(Act::GoOn { name: name.clone(), content, writer })));
                self.agenda.push((at, Todo::Act(Act::Close { name, writer })));
            }
            Stranger::Renames => {
                let to = format!("renamed-{number}.txt");
                self.agenda.push((at, Todo::Act(Act::Rename { from: name, to, writer: 0 })));
            }
            Stranger::Replaces => {
                let content = chunk_of(3_000_000 + number, 0);
                self.agenda.push((at, Todo::Act(Act::MoveIn { name, content })));
            }
            Stranger::Removes => self.agenda.push((at, Todo::Act(Act::Remove { name }))),
            Stranger::EditsFiled => {
                return self.people.edit_filed(&path, number, crate::clock::now().0);
            }
            Stranger::RemovesFiled => self.people.remove_filed(&path),
            Stranger::LinkInTheWay | Stranger::DirectoryInTheWay => {
                let is_link = stranger == Stranger::LinkInTheWay;
                return Place::SUB_FOLDERS
                    .into_iter()
                    .all(|place| self.plant(is_link, &self.people.folder.join(place.as_str()).join(&name)));
            }
            Stranger::LinkForWhy | Stranger::DirectoryForWhy => {
                let is_link = stranger == Stranger::LinkForWhy;
                return [Place::Held, Place::Failed].into_iter().all(|place| {
                    self.plant(is_link, &self.people.folder.join(place.as_str()).join(format!("{name}.why")))
                });
            }
            Stranger::Reads | Stranger::Locks => {
                let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                let Ok(connection) = Connection::open_with_flags(self.state_dir.join("datadrop.db"), flags) else {
                    return false;
                };
                connection.busy_timeout(Duration::ZERO).unwrap();
                let begin =
                    if stranger == Stranger::Locks { "BEGIN IMMEDIATE" } else { "BEGIN; SELECT count(*) FROM job" };
                if connection.execute_batch(begin).is_err() {
                    return false;
                }
                self.strangers.connections.push(connection);
                let until = at.after(self.chance.seconds(FOR_A_WHILE.0, FOR_A_WHILE.1));
                self.agenda.push((until, Todo::Leave));
            }
        }
        true
    }

    fn plant(&self, is_link: bool, path: &Path) -> bool {
        fs::write(self.outside(), OUTSIDE).unwrap();
        // Somebody's link or directory, or a file, may be there already.
        if is_link { symlink(self.outside(), path).is_ok() } else { fs::create_dir(path).is_ok() }
    }

    /// Something odd is there from now on, or for a while.
    pub(super) fn put_odd(&mut self, odd: Odd, name: Name) {
        self.strangers.made += 1;
        let number = self.strangers.made;
        let folder = self.people.folder.clone();
        let path = match name {
            Name::Data => folder.join(format!("odd-{number}.txt")),
            Name::Marker => folder.join(format!("odd-{number}.fin")),
            Name::Hidden => folder.join(format!(".datadrop-trial-{number:016x}")),
            Name::SubFolder => folder.join(self.chance.pick(&Place::SUB_FOLDERS).as_str()),
            Name::Mark => folder.join(".datadrop"),
        };
        if odd == Odd::Directory && name == Name::SubFolder {
            return;
        }
        if matches!(name, Name::SubFolder | Name::Mark) {
            let aside = self.dir.path().join(format!("aside-{number}"));
            if fs::rename(&path, &aside).is_err() {
                return;
            }
            self.strangers.away.push((path.clone(), aside));
            let until = self.now.after(self.chance.seconds(FOR_A_WHILE.0, FOR_A_WHILE.1));
            self.agenda.push((until, Todo::Leave));
        }
        fs::write(self.outside(), OUTSIDE).unwrap();
        match odd {
            Odd::Link if name == Name::SubFolder => {
                let _ = fs::create_dir(self.outside_dir());
                symlink(self.outside_dir(), &path).unwrap();
            }
            Odd::Link => symlink(self.outside(), &path).unwrap(),
            Odd::BrokenLink => symlink(self.dir.path().join("nowhere"), &path).unwrap(),
            Odd::Directory => fs::create_dir(&path).unwrap(),
            Odd::Pipe => rustix::fs::mknodat(
                rustix::fs::CWD,
                &path,
                rustix::fs::FileType::Fifo,
                rustix::fs::Mode::from_raw_mode(0o644),
                0,
            )
            .unwrap(),
        }
        if matches!(name, Name::Data | Name::Marker)
            && let Some(process) = self.process.as_ref().filter(|_| self.plan.rules.by_events)
        {
            let name = path.file_name().unwrap().to_str().unwrap();
            let heard = crate::inbox::turns::Told::Heard(crate::inbox::readiness::Heard::Created);
            crate::inbox::turns::tell(&process.board, name, heard, self.now);
        }
        mark(Family::Odd, <&str>::from(odd), <&str>::from(name));
    }

    /// Others give back what they have, and go.
    pub(super) fn strangers_leave(&mut self) {
        self.strangers.connections.clear();
        for (path, aside) in std::mem::take(&mut self.strangers.away) {
            match fs::symlink_metadata(&path) {
                // Whatever datadrop made there meanwhile must be nothing that would be lost.
                Ok(found) if found.is_dir() => fs::remove_dir(&path).unwrap(),
                Ok(_) => fs::remove_file(&path).unwrap(),
                Err(_) => {}
            }
            fs::rename(aside, path).unwrap();
        }
    }

    /// Somebody keeps everybody else from writing to the database.
    pub(super) fn is_locked(&self) -> bool {
        !self.strangers.connections.is_empty()
    }

    /// What links lead to is as it was.
    pub(super) fn outside_is_untouched(&self) -> bool {
        fs::read(self.outside()).map_or(true, |content| content == OUTSIDE)
            && fs::read_dir(self.outside_dir()).map_or(true, |mut entries| entries.next().is_none())
    }
}

impl Strangers {
    /// They let go of the database, whose files go with the process here.
    pub(super) fn let_go(&mut self) {
        self.connections.clear();
    }
}

fn suits(stranger: Stranger, job: &Job) -> bool {
    match stranger {
        Stranger::Edits | Stranger::Renames | Stranger::Replaces | Stranger::Removes => job.place == Place::Inbox,
        Stranger::EditsFiled | Stranger::RemovesFiled => !matches!(job.place, Place::Inbox | Place::Gone),
        Stranger::LinkInTheWay
        | Stranger::DirectoryInTheWay
        | Stranger::LinkForWhy
        | Stranger::DirectoryForWhy
        | Stranger::Reads
        | Stranger::Locks => true,
    }
}

impl Stranger {
    fn needs_file(self) -> bool {
        match self {
            Self::Edits | Self::Renames | Self::Replaces | Self::Removes | Self::EditsFiled | Self::RemovesFiled => {
                true
            }
            Self::LinkInTheWay
            | Self::DirectoryInTheWay
            | Self::LinkForWhy
            | Self::DirectoryForWhy
            | Self::Reads
            | Self::Locks => false,
        }
    }
}
