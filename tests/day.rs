//! A day in the life: the secret expires, the share is unmounted, a bad file, a duplicate, and an outage of Adobe for
//! an hour.
//!
//! The operator of this day knows only the output of datadrop. The command that a person tries first reports each
//! problem. The operator takes the remedy from its text and follows it exactly. In the end every file has been
//! delivered, and the server has counted it once. A text fails this test if it has no remedy, or one that does not
//! work.

use crate::harness::{Row, SECRET, World, arrived_once, data, names, quick, sha256, skipped, stderr, stdout, tagged};
use datadrop::emulator::EmulatorOptions;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The new secret in Adobe's console.
const NEXT_SECRET: &str = "an0ther-s3cret-of-the-test";

fn knowing(secret: &str) -> EmulatorOptions {
    EmulatorOptions { credentials: Some(("test".to_owned(), secret.into())), ..quick() }
}

/// The world, with the operator's shell. datadrop is on the path, and `DATADROP_CONFIG` names the configuration, so
/// that commands work as printed.
struct Day {
    world: World,
    path: OsString,
}

impl Day {
    fn new() -> Self {
        let mut world = World::with_emulator(knowing(SECRET));
        world.account("a", "check = \"reject\"");
        let mut path = Path::new(env!("CARGO_BIN_EXE_datadrop")).parent().unwrap().as_os_str().to_owned();
        path.push(":");
        path.push(std::env::var_os("PATH").unwrap_or_default());
        Self { world, path }
    }

    /// Runs a line as a shell does. Prints what a failing test needs.
    fn shell(&self, line: &str) -> Output {
        let output = Command::new("sh")
            .args(["-c", line])
            .env("PATH", &self.path)
            .env("DATADROP_CONFIG", self.world.config_file())
            .env("NO_COLOR", "1")
            .output()
            .unwrap();
        eprintln!("$ {line}\n{}{}", stdout(&output), stderr(&output));
        output
    }

    /// Returns the output of a command, whatever its exit status.
    fn reads(&self, line: &str) -> String {
        stdout(&self.shell(line))
    }

    /// Returns the output of a command that must succeed.
    #[track_caller]
    fn types(&self, line: &str) -> String {
        let output = self.shell(line);
        assert!(output.status.success(), "{line}: {}{}", stdout(&output), stderr(&output));
        stdout(&output)
    }

    /// Brings a file as its producer does.
    fn brings(&self, name: &str, content: impl AsRef<[u8]>) -> Output {
        let source = self.world.dir.path().join("produced").join(name);
        fs::create_dir_all(source.parent().unwrap()).unwrap();
        fs::write(&source, content).unwrap();
        self.shell(&format!("datadrop drop {} --account a", source.display()))
    }

    /// Returns the explanation for the name of a dropped file.
    fn explain(&self, name: &str) -> String {
        self.reads(&format!("datadrop explain {}", self.world.folder("a").join(name).display()))
    }

    /// Waits for the `.why` of a file, and returns it.
    fn why(&self, place: &str, name: &str) -> String {
        let path = self.world.folder("a").join(place).join(format!("{name}.why"));
        self.world.wait(&format!("{} to be there", path.display()), || path.exists());
        let text = fs::read_to_string(path).unwrap();
        eprintln!("{text}");
        text
    }

    /// Follows `status` to the list that it names, and returns the line of a file there.
    fn found_by_status(&self, name: &str) -> String {
        let status = self.types("datadrop status");
        let listed = self.types(after(line(&status, "see why: "), "see why: "));
        listed
            .lines()
            .rfind(|line| line.contains(name))
            .unwrap_or_else(|| panic!("{name} is not in:\n{listed}"))
            .to_owned()
    }

    /// Asserts that everything of the account works.
    fn all_is_well(&self) {
        self.world.wait("the account to work", || self.world.blocked("a").is_empty());
        let doctor = self.types("datadrop doctor");
        assert!(!doctor.contains("FAIL"), "{doctor}");
    }
}

/// The only line with these words.
#[track_caller]
fn line<'t>(text: &'t str, words: &str) -> &'t str {
    let found: Vec<_> = text.lines().filter(|line| line.contains(words)).collect();
    assert_eq!(found.len(), 1, "lines with {words:?} in:\n{text}");
    found[0]
}

/// The text after some words.
#[track_caller]
fn after<'t>(text: &'t str, words: &str) -> &'t str {
    text.split_once(words).unwrap_or_else(|| panic!("no {words:?} in:\n{text}")).1.trim()
}

/// The text between some words and the next.
#[track_caller]
fn between<'t>(text: &'t str, before: &str, next: &str) -> &'t str {
    let rest = after(text, before);
    rest.split_once(next).unwrap_or_else(|| panic!("no {next:?} after {before:?} in:\n{text}")).0
}

/// Storage that is mounted at the account's folder, and can disappear with its content.
struct Share {
    storage: PathBuf,
    at: PathBuf,
}

impl Share {
    fn new(world: &World) -> Option<Self> {
        let share = Self { storage: world.dir.path().join("storage"), at: world.folder("a") };
        fs::create_dir(&share.storage).unwrap();
        share.mount().then_some(share)
    }

    fn mount(&self) -> bool {
        let output = Command::new("mount").arg("--bind").args([&self.storage, &self.at]).output();
        output.is_ok_and(|output| output.status.success())
    }

    /// Unmounts lazily, because datadrop has the folder open, as with a share whose server dies.
    fn unmount(&self) -> bool {
        Command::new("umount").arg("-l").arg(&self.at).output().is_ok_and(|output| output.status.success())
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.unmount();
    }
}

#[test]
fn the_output_of_datadrop_suffices_for_a_day_in_the_life() {
    let mut day = Day::new();
    let share = Share::new(&day.world);
    let daemon = day.world.start();
    day.brings("morning.txt", data(2));
    arrived_once(&day.world, "morning.txt");

    the_secret_expires(&day);
    match &share {
        Some(share) => the_share_is_unmounted(&day, share),
        None => skipped("the share that is unmounted: only root can mount one"),
    }
    a_bad_file(&day);
    a_duplicate(&day);
    for name in ["calls.txt", "bad.txt"] {
        assert_eq!(day.world.times_accepted(name), 1, "{name}");
    }
    adobe_is_down(&mut day);

    assert_eq!(daemon.stop().code(), Some(0));
    day.world.assert_keeps(&[NEXT_SECRET]);
}

fn the_secret_expires(day: &Day) {
    day.world.emulator().set_credentials(Some(("test".to_owned(), NEXT_SECRET.into())));
    day.world.emulator().revoke_tokens();
    day.brings("calls.txt", tagged("calls"));
    day.world.wait_blocked("a");

    let status = day.types("datadrop status");
    assert!(line(&status, "BLOCKED").contains("invalid_client"), "{status}");
    let explained = day.explain("calls.txt");
    assert!(explained.starts_with("calls.txt is ready, but nothing is sent for account a: "), "{explained}");
    let doctor = day.reads("datadrop doctor");
    let file = between(line(&doctor, "FAIL  token"), "write a client secret that is valid there to ", ", which");
    day.types(&format!("echo {NEXT_SECRET} > {file}"));

    arrived_once(&day.world, "calls.txt");
    day.all_is_well();
}

fn the_share_is_unmounted(day: &Day, share: &Share) {
    assert!(share.unmount());
    // A file below the mount point disappears when the share is back, so the producer must get an error at once.
    let refused = day.brings("returns.txt", tagged("returns"));
    assert_eq!(refused.status.code(), Some(1));
    assert!(stderr(&refused).contains("nothing was dropped: ") && stderr(&refused).contains("mount it"));
    assert!(names(&share.at).is_empty(), "nothing is created in it");

    day.world.wait_blocked("a");
    let status = day.types("datadrop status");
    let blocked = line(&status, "BLOCKED");
    assert!(blocked.contains("was unmounted") && blocked.contains("; mount it again"), "{blocked}");
    // `BLOCKED just now: /srv/datadrop/a: problem; remedy`
    assert_eq!(blocked.split(": ").nth(1), share.at.to_str(), "{blocked}");
    let doctor = day.reads("datadrop doctor");
    assert!(line(&doctor, "FAIL  folder a").contains("; mount it"), "{doctor}");
    assert!(share.mount());

    day.all_is_well();
    assert!(day.brings("returns.txt", tagged("returns")).status.success());
    arrived_once(&day.world, "returns.txt");
}

fn a_bad_file(day: &Day) {
    day.brings("bad.txt", "Date\teVar1\tEvent 1\n11/20/2026\tx\t1\n");
    day.world.wait_for("bad.txt", "rejected");

    assert!(day.found_by_status("bad.txt").contains("`eVar1` is not how Adobe writes this column"));
    let why = day.why("failed", "bad.txt");
    let retry = after(line(&why, " jobs retry "), "then: ");
    assert!(day.explain("bad.txt").contains(retry), "`explain` and the `.why` name the same command");
    let check = day.reads(after(line(&why, "datadrop check"), "line by line: "));
    let (path, wrong) = (check.split(":1:").next().unwrap(), between(&check, "fails: `", "`"));
    let right = between(&check, "= write `", "`");
    fs::write(path, fs::read_to_string(path).unwrap().replace(wrong, right)).unwrap();

    let told = day.types(retry);
    day.types(&format!("datadrop jobs wait {}", after(&told, "is sent again as job ")));
    let job = arrived_once(&day.world, "bad.txt");
    assert_eq!(job.sha256, Some(sha256("Date\tEvar 1\tEvent 1\n11/20/2026\tx\t1\n")));
}

/// Brings the same file again: it is held, reported, and explained in its `.why`. Then runs the command that the `.why`
/// gives after `words`.
fn the_same_again(day: &Day, words: &str) -> Row {
    day.brings("morning.txt", data(2));
    let held = day.world.wait_for("morning.txt", "held");
    assert!(day.found_by_status("morning.txt").contains("duplicate: the same content was accepted as morning.txt"));
    let why = day.why("held", "morning.txt");
    let explained = day.explain("morning.txt");
    let command = after(line(&why, words), words);
    assert!(explained.contains(command), "`explain` and the `.why` name the same command");
    day.types(command);
    held
}

fn a_duplicate(day: &Day) {
    // The repetition was a mistake, so the file is not counted again.
    let mistake = the_same_again(day, "Not to send it:");
    assert_eq!(day.world.wait_for("morning.txt", "cancelled").id, mistake.id);
    day.world.wait("it to be filed", || names(&day.world.folder("a").join("held")).is_empty());
    assert_eq!(day.world.times_accepted("morning.txt"), 1);

    // The repetition was intended, so the file counts again.
    let wanted = the_same_again(day, "To send it:");
    assert_eq!(day.world.wait_for("morning.txt", "success").id, wanted.id);
    assert_eq!(day.world.times_accepted("morning.txt"), 2);
}

/// The hour is simulated by the number of tries, because `retry.max` is half a second here and 5 min by default.
fn adobe_is_down(day: &mut Day) {
    const TRIES_IN_AN_HOUR: i64 = 12;
    day.world.stop_emulator();
    for name in ["evening.txt", "night.txt"] {
        day.brings(name, tagged(name));
    }
    let status = |day: &Day| stdout(&day.world.run(&["status"]));
    // A file in the middle of a try is not waiting.
    let mut told = String::new();
    day.world.wait("`status` to tell it", || {
        told = day.types("datadrop status");
        told.contains("NOT SENT YET")
    });
    assert!(line(&told, "NOT SENT YET").contains("could not connect: "), "{told}");
    assert!(line(&told, "NOT SENT YET").contains("tried again by itself"), "{told}");
    assert!(!told.contains("BLOCKED"), "an outage does not block: {told}");
    let doctor = day.reads("datadrop doctor");
    let remedy = line(&doctor, "FAIL  token");
    assert!(remedy.contains("wait: nothing is lost, and files go by themselves once Adobe answers"), "{remedy}");
    // The operator therefore waits.
    day.world.wait("an hour to pass", || day.world.wait_for("evening.txt", "queued").attempts >= TRIES_IN_AN_HOUR);
    day.world.start_emulator(EmulatorOptions { seed: 2, ..knowing(NEXT_SECRET) });

    for name in ["evening.txt", "night.txt"] {
        arrived_once(&day.world, name);
    }
    assert_eq!(day.world.accepted().len(), 2);
    day.all_is_well();
    assert!(!status(day).contains("NOT SENT YET"));
}
