//! A user who can drop files must not lead the daemon out of the folder (DESIGN F9). The tests use links, pipes,
//! sockets, devices, directories and hard links under every name that the daemon needs.
//!
//! `DATADROP_TEST_LINKS=600` sets the seconds for which the last test plants things. The default is three.
//! `DATADROP_TEST_SEED` repeats the plan of a run, but the machine makes each run different.

use crate::harness::{
    Bound, Daemon, Dice, World, arrived_once, connect, names, number, primed, sha256, skipped, stdout, tagged,
};
use rustix::fs::{CWD, FileType, Mode, RenameFlags};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

fn pipe(path: &Path) {
    rustix::fs::mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o666), 0).unwrap();
}

fn wait_blocked(world: &World, account: &str, words: &str) {
    world.wait(&format!("{account} to be blocked: {words}"), || world.blocked(account).contains(words));
}

/// Files that must stay unchanged, in a separate directory next to the folders.
struct Outside {
    dir: PathBuf,
    before: BTreeMap<PathBuf, String>,
}

impl Outside {
    fn new(world: &World) -> Self {
        let dir = world.dir.path().join("outside");
        fs::create_dir_all(dir.join("directory")).unwrap();
        fs::write(dir.join("secret"), "a secret of somebody").unwrap();
        fs::write(dir.join("directory/sales.txt"), tagged("of another")).unwrap();
        let before = content(&dir);
        Self { dir, before }
    }

    fn secret(&self) -> PathBuf {
        self.dir.join("secret")
    }

    #[track_caller]
    fn assert_untouched(&self, world: &World) {
        assert_eq!(content(&self.dir), self.before);
        let whole: String =
            connect(&world.state_dir()).unwrap().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(whole, "ok");
    }
}

/// Every file below a directory, with the hash of its content.
fn content(dir: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    let mut left = vec![dir.to_owned()];
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else {
                let hash = sha256(fs::read(&path).unwrap());
                found.insert(path, hash);
            }
        }
    }
    found
}

#[test]
fn f9_a_link_in_the_place_of_an_explanation_leads_nowhere() {
    let world = World::new();
    let outside = Outside::new(&world);
    primed(&world).stop();
    let failed = world.folder("a").join("failed");
    symlink(world.state_dir().join("datadrop.db"), failed.join("x.txt.why")).unwrap();
    symlink(outside.secret(), failed.join("y.txt.why")).unwrap();
    fs::hard_link(outside.secret(), failed.join("z.txt.why")).unwrap();
    symlink(outside.dir.join("new"), failed.join("w.txt.why")).unwrap();
    for name in ["x.txt", "y.txt", "z.txt", "w.txt"] {
        pipe(&world.folder("a").join(name));
    }
    let _daemon = world.start();
    for name in ["x.txt", "y.txt", "z.txt", "w.txt"] {
        world.wait_for(name, "rejected");
        let why = failed.join(format!("{name}.why"));
        world.wait("it to be explained", || {
            fs::symlink_metadata(&why).is_ok_and(|metadata| metadata.is_file())
                && fs::read_to_string(&why).is_ok_and(|text| text.contains("a named pipe"))
        });
    }
    outside.assert_untouched(&world);
}

#[test]
fn f9_links_in_the_place_of_helper_files_lead_nowhere() {
    let mut world = World::new();
    world.account("a", "fin = \"generate\"");
    let outside = Outside::new(&world);
    // The names of these files before they became unpredictable.
    for name in [".datadrop-new", ".datadrop-marker", ".datadrop-trial", ".datadrop-aside.sales.txt"] {
        symlink(outside.secret(), world.folder("a").join(name)).unwrap();
    }
    let _daemon = world.start();
    world.drop_file("a", "sales.txt", tagged("sales"));
    world.wait_for("sales.txt", "success");
    world.wait_for("sales.fin", "success");
    assert_eq!(fs::read_link(world.folder("a").join(".datadrop-marker")).unwrap(), outside.secret());
    outside.assert_untouched(&world);
}

#[test]
fn f9_a_link_in_the_place_of_a_sub_folder_blocks_its_account_and_nothing_goes_twice() {
    let mut world = World::new();
    world.account("b", "");
    let outside = Outside::new(&world);
    let _daemon = primed(&world);
    let sent = world.folder("a").join("sent");
    let targets = [PathBuf::from("."), PathBuf::from("held"), world.folder("b"), outside.dir.join("directory")];
    for (number, target) in targets.iter().enumerate() {
        world.wait("sent/ to be empty", || names(&sent).is_empty());
        fs::remove_dir(&sent).unwrap();
        symlink(target, &sent).unwrap();
        let name = format!("sales{number}.txt");
        world.drop_file("a", &name, tagged(number));
        wait_blocked(&world, "a", "sent: the sub-folder cannot be made: a symbolic link has its name; remove it");
        // Another account still works.
        let other = format!("other{number}.txt");
        world.drop_file("b", &other, tagged(&other));
        arrived_once(&world, &other);
        fs::remove_file(&sent).unwrap();
        arrived_once(&world, &name);
    }
    assert_eq!(world.accepted().len(), 1 + 2 * targets.len(), "{:?}", world.accepted());
    outside.assert_untouched(&world);
}

#[test]
fn f9_a_pipe_in_the_place_of_an_explanation_or_of_the_mark_hangs_nothing() {
    let mut world = World::new();
    world.account("b", "");
    let mark = world.folder("b").join(".datadrop");
    pipe(&mark);
    fs::create_dir(world.folder("a").join("failed")).unwrap();
    let why = world.folder("a").join("failed/x.txt.why");
    pipe(&why);
    pipe(&world.folder("a").join("x.txt"));
    let _daemon = world.start();
    world.wait_for("x.txt", "rejected");
    world.wait("it to be explained", || fs::metadata(&why).is_ok_and(|metadata| metadata.is_file()));
    world.drop_file("a", "sales.txt", tagged("sales"));
    world.drop_file("b", "other.txt", tagged("other"));
    arrived_once(&world, "sales.txt");
    wait_blocked(&world, "b", "its mark .datadrop cannot be read: it is a named pipe");
    assert_eq!(names(&world.folder("b")), ["other.txt"], "nothing is made in it");
    fs::remove_file(&mark).unwrap();
    arrived_once(&world, "other.txt");
}

#[test]
fn f9_two_daemons_never_work_in_one_folder_even_after_copies() {
    let world = World::new();
    let _daemon = primed(&world);
    let folder = world.folder("a");
    fs::copy(folder.join(".datadrop"), folder.join("copy")).unwrap();
    fs::rename(folder.join("copy"), folder.join(".datadrop")).unwrap();
    // Only the files in the folder can show the second daemon that something was sent.
    world.wait("done/ to be filled", || names(&folder.join("done")) == ["first.txt"]);
    fs::remove_file(folder.join("done/first.txt")).unwrap();
    let text = fs::read_to_string(world.config_file()).unwrap();
    let theirs = world.dir.path().join("theirs");
    fs::create_dir(&theirs).unwrap();
    let config = theirs.join("datadrop.toml");
    let state_dir = theirs.join("state");
    fs::write(&config, text.replace(&format!("{:?}", world.state_dir()), &format!("{state_dir:?}"))).unwrap();
    let second = Daemon::start_with(&theirs, &config, &[], &[]);
    second.wait_ready();
    world.wait("the second to be blocked", || {
        let log = fs::read_to_string(theirs.join("log")).unwrap_or_default();
        log.contains("another datadrop is at work in this folder")
    });
    world.drop_file("a", "sales.txt", tagged("sales"));
    arrived_once(&world, "sales.txt");
    let doctor = stdout(&world.run(&["doctor", "--offline"]));
    assert!(doctor.contains("the daemon is at work in it"), "{doctor}");
    assert_eq!(world.accepted(), ["first.txt", "sales.txt"]);
}

#[test]
fn f9_a_folder_that_is_mounted_in_another_delivers_nothing_of_it() {
    let mut world = World::new();
    world.account("b", "");
    fs::create_dir(world.folder("a").join("sent")).unwrap();
    let Some(bound) = Bound::new(&world.folder("a").join("sent"), &world.folder("b")) else { return };
    let daemon = world.start();
    world.wait("one of them to be blocked", || ["a", "b"].iter().any(|account| !world.blocked(account).is_empty()));
    world.drop_file("a", "sales.txt", tagged("sales"));
    let is_free = world.blocked("a").is_empty();
    if is_free {
        world.wait_for("sales.txt", "success");
    }
    daemon.stop();
    drop(bound);
    assert_eq!(world.accepted().len(), usize::from(is_free), "{:?}", world.accepted());
    drop(world);

    // A sub-folder that is another directory of the same account.
    let world = World::new();
    let folder = world.folder("a");
    for name in ["sent", "held"] {
        fs::create_dir(folder.join(name)).unwrap();
    }
    let Some(bound) = Bound::new(&folder.join("held"), &folder.join("sent")) else { return };
    let daemon = world.start();
    wait_blocked(&world, "a", "held: it is the same directory as sent/");
    world.drop_file("a", "sales.txt", tagged("sales"));
    drop(bound);
    arrived_once(&world, "sales.txt");
    // The same while the daemon works in it.
    let Some(bound) = Bound::new(&folder, &folder.join("sent")) else { return };
    daemon.signal("USR1");
    wait_blocked(&world, "a", "sent: it is the account's folder itself");
    drop(bound);
    world.drop_file("a", "more.txt", tagged("more"));
    arrived_once(&world, "more.txt");
}

#[test]
fn f9_the_job_log_is_not_opened_under_a_second_name() {
    let world = World::new();
    let daemon = primed(&world);
    // The locks of the database and its -shm that last as long as the connections. Others last only for a statement.
    let locks = || {
        let locks = fs::read_to_string("/proc/locks").unwrap();
        let is_its = |line: &&str| line.contains("POSIX") && line.contains(&format!(" {} ", daemon.pid()));
        let lasts = |line: &&str| line.ends_with(" 128 128") || line.ends_with(" 1073741826 1073742335");
        locks.lines().filter(is_its).filter(lasts).count()
    };
    let before = locks();
    assert_eq!(before, 2);
    fs::hard_link(world.state_dir().join("datadrop.db"), world.folder("a").join("stolen.txt")).unwrap();
    let job = world.wait_for("stolen.txt", "rejected");
    assert!(job.why().contains("a file of datadrop's own"), "{}", job.why());
    world.wait("it to be filed", || names(&world.folder("a").join("failed")) == ["stolen.txt", "stolen.txt.why"]);
    assert_eq!(locks(), before, "{}", fs::read_to_string("/proc/locks").unwrap());
    assert_eq!(world.accepted(), ["first.txt"]);
}

/// What is planted under a name.
#[derive(Debug, Clone, Copy)]
enum Planted {
    LinkToJobLog,
    LinkToSecret,
    LinkToInbox,
    LinkToDirectory,
    LinkHere,
    LinkNowhere,
    Pipe,
    Socket,
    Device,
    Directory,
    HardLinkToSecret,
    HardLinkToJobLog,
}

impl Planted {
    const ALL: [Self; 12] = [
        Self::LinkToJobLog,
        Self::LinkToSecret,
        Self::LinkToInbox,
        Self::LinkToDirectory,
        Self::LinkHere,
        Self::LinkNowhere,
        Self::Pipe,
        Self::Socket,
        Self::Device,
        Self::Directory,
        Self::HardLinkToSecret,
        Self::HardLinkToJobLog,
    ];

    fn plant(self, path: &Path, world: &World, outside: &Outside, is_root: bool) -> io::Result<()> {
        let job_log = world.state_dir().join("datadrop.db");
        match self {
            Self::LinkToJobLog => symlink(job_log, path),
            Self::LinkToSecret => symlink(outside.secret(), path),
            Self::LinkToInbox => symlink(world.folder("b"), path),
            Self::LinkToDirectory => symlink(outside.dir.join("directory"), path),
            Self::LinkHere => symlink(".", path),
            Self::LinkNowhere => symlink(outside.dir.join("new"), path),
            Self::Pipe => {
                pipe(path);
                Ok(())
            }
            Self::Socket => UnixListener::bind(path).map(drop),
            Self::Device if is_root => {
                // Writes to this device vanish, and reads never end.
                let zero = rustix::fs::makedev(1, 5);
                Ok(rustix::fs::mknodat(CWD, path, FileType::CharacterDevice, Mode::from_raw_mode(0o666), zero)?)
            }
            Self::Device | Self::Directory => fs::create_dir(path),
            Self::HardLinkToSecret => fs::hard_link(outside.secret(), path),
            Self::HardLinkToJobLog => fs::hard_link(job_log, path),
        }
    }
}

fn remove(path: &Path) {
    let _ = match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) | Err(_) => fs::remove_file(path),
    };
}

/// Plants things, and removes them again.
struct Planter<'a> {
    world: &'a World,
    outside: &'a Outside,
    dice: Dice,
    is_root: bool,
    planted: BTreeSet<PathBuf>,
    count: u64,
}

impl Planter<'_> {
    /// Makes a thing of a random kind, under a hidden name next to the folders.
    fn make(&mut self) -> PathBuf {
        let kinds = Planted::ALL.len() as u64;
        let kind = Planted::ALL[usize::try_from(self.dice.below(kinds)).unwrap()];
        // The path is short, because of sockets.
        let path = self.world.dir.path().join("planted");
        kind.plant(&path, self.world, self.outside, self.is_root).unwrap();
        self.count += 1;
        path
    }

    /// Swaps a thing with an existing file for a moment. Both renames are atomic.
    fn swap(&mut self, path: &Path) {
        let thing = self.make();
        let exchange = || rustix::fs::renameat_with(CWD, &thing, CWD, path, RenameFlags::EXCHANGE).is_ok();
        if exchange() {
            std::thread::sleep(Duration::from_millis(self.dice.below(80)));
            if !exchange() {
                // The thing is gone, because the daemon removed what it replaced.
                let _ = fs::rename(&thing, path);
            }
        }
        remove(&thing);
    }

    /// Plants a thing under a free name.
    fn take(&mut self, path: PathBuf) {
        self.rename_to(path, RenameFlags::NOREPLACE);
    }

    fn rename_to(&mut self, path: PathBuf, flags: RenameFlags) {
        let thing = self.make();
        if rustix::fs::renameat_with(CWD, &thing, CWD, &path, flags).is_ok() {
            self.planted.insert(path);
        }
        remove(&thing);
    }

    fn step(&mut self, dropped: usize) {
        let account = ["a", "b"][usize::try_from(self.dice.below(2)).unwrap()];
        let folder = self.world.folder(account);
        let place = ["sent", "held", "done", "failed"][usize::try_from(self.dice.below(4)).unwrap()];
        // The number of a file that will come soon, or is in progress.
        let number = (dropped as u64 + self.dice.below(4)).saturating_sub(self.dice.below(6));
        match self.dice.below(8) {
            0 => self.swap(&folder.join(place)),
            1 => self.swap(&folder.join(".datadrop")),
            2 => self.take(folder.join(place).join(format!("f{number:05}.txt"))),
            3 => self.take(folder.join(place).join(format!("p{number:05}.txt.why"))),
            4 => {
                let name = [".datadrop-new", ".datadrop-marker", ".datadrop-trial", ".datadrop-aside.f00001.txt"]
                    [usize::try_from(self.dice.below(4)).unwrap()];
                self.take(folder.join(name));
            }
            5 => {
                // A pipe among the dropped files, which must be rejected.
                let path = folder.join(format!("p{number:05}.txt"));
                if self.dice.below(2) == 0 {
                    self.take(folder.join("failed").join(format!("p{number:05}.txt.why")));
                }
                if fs::symlink_metadata(&path).is_err() {
                    pipe(&path);
                    self.planted.insert(path);
                }
            }
            // A temporary file that the daemon is making now.
            6 => {
                for dir in [folder.clone(), folder.join("failed"), folder.join("held")] {
                    let made = fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
                    for path in made.filter(|path| is_made(path)).collect::<Vec<_>>() {
                        self.rename_to(path, RenameFlags::empty());
                    }
                }
            }
            _ => self.give_back(),
        }
    }

    /// Removes half of the planted things.
    fn give_back(&mut self) {
        for path in std::mem::take(&mut self.planted) {
            if self.dice.below(2) == 0 {
                remove(&path);
            } else {
                self.planted.insert(path);
            }
        }
    }
}

fn is_made(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(".datadrop-"))
}

#[test]
fn f9_planted_files_change_nothing_outside_and_each_file_is_sent_once() {
    let seconds = number("DATADROP_TEST_LINKS", 3);
    let seed = number("DATADROP_TEST_SEED", 1);
    eprintln!("seed {seed}");
    let mut world = World::new();
    world.account("b", "fin = \"generate\"").set("rescan = \"2s\"", "rescan = \"200ms\"");
    let outside = Outside::new(&world);
    let is_root = rustix::process::geteuid().is_root();
    if !is_root {
        skipped("only root may plant devices; directories are planted instead");
    }
    let daemon = world.start();
    let mut planter =
        Planter { world: &world, outside: &outside, dice: Dice(seed), is_root, planted: BTreeSet::new(), count: 0 };
    let mut dropped: BTreeMap<(String, String), String> = BTreeMap::new();
    let (mut files, begun) = (0, Instant::now());
    while begun.elapsed() < Duration::from_secs(seconds) {
        planter.step(files);
        if planter.dice.below(3) == 0 {
            let (account, name, content) = (["a", "b"][files % 2], format!("f{files:05}.txt"), tagged(files));
            world.drop_file(account, &name, &content);
            dropped.insert((account.to_owned(), name), sha256(&content));
            files += 1;
        }
        std::thread::sleep(Duration::from_millis(planter.dice.below(15)));
    }
    for path in std::mem::take(&mut planter.planted) {
        remove(&path);
    }
    for account in ["a", "b"] {
        for dir in ["", "sent", "held", "done", "failed"] {
            let left = fs::read_dir(world.folder(account).join(dir)).unwrap().map(|entry| entry.unwrap().path());
            // Things under the name of a temporary file, and directories that were renamed to the name of a marker.
            let is_planted =
                |path: &PathBuf| is_made(path) || path.extension() == Some("fin".as_ref()) && path.is_dir();
            left.filter(is_planted).for_each(|path| remove(&path));
        }
    }
    let data = "kind = 'data' AND file_name LIKE 'f%'";
    world.wait_long("every honest file to be a success", || {
        world.count(&format!("{data} AND state = 'success'")) >= i64::try_from(files).unwrap()
    });
    world.wait_long("nothing else to be under way", || {
        world.count("state IN ('queued', 'uploading', 'unconfirmed', 'uploaded', 'processing')") == 0
    });
    daemon.stop();
    outside.assert_untouched(&world);
    let mut accepted: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for entry in world.ledger() {
        let account = entry.report_suite_id.trim_start_matches("suite").to_owned();
        accepted.entry((account, entry.name)).or_default().push(entry.sha256);
    }
    for (file, hash) in &dropped {
        assert_eq!(accepted.remove(file).as_deref(), Some([hash.clone()].as_slice()), "{file:?}");
    }
    // Everything else must be a marker of these files.
    for ((account, name), hashes) in &accepted {
        let data = (account.clone(), format!("{}.txt", name.trim_end_matches(".fin")));
        assert!(*name != data.1 && dropped.contains_key(&data) && hashes.len() == 1, "{account}/{name}");
    }
    eprintln!(
        "{seconds} s (seed {seed}): {} things planted, {files} honest files accepted once each, {} markers; {} jobs \
         rejected; blocked {} times",
        planter.count,
        accepted.len(),
        world.count("state = 'rejected'"),
        world.log().matches("is blocked").count(),
    );
}
