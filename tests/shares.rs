//! A share that hangs affects only its own account (DESIGN F10). Commands, start, reload, stop, the page and the
//! uploads of other accounts work. Everything is delivered once when the share responds again.

use crate::harness::{Daemon, HangingShare, Op, PATIENCE, World, arrived_once, large, stdout, tagged};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Output};
use std::time::{Duration, Instant};

/// Timeout for a command that must give up on a folder.
const COMMAND: Duration = Duration::from_secs(25);

/// Account `a` is on a share that can hang, account `b` is not.
fn world() -> Option<(World, HangingShare)> {
    let mut world = World::new();
    world.account("b", "").set("[watch]\n", "[status]\nlisten = \"127.0.0.1:0\"\n[watch]\nmode = \"inotify\"\n");
    let share = HangingShare::mount(&world.folder("a"))?;
    Some((world, share))
}

/// Both accounts have had a file accepted, so their upload styles are known.
fn primed(world: &World) -> Daemon {
    let daemon = world.start();
    rename_in(world, "first-a.txt", tagged("first-a"));
    world.drop_file("b", "first-b.txt", tagged("first-b"));
    arrived_once(world, "first-a.txt");
    arrived_once(world, "first-b.txt");
    world.wait("the first files to be filed", || world.count("path LIKE '%/done/%'") == 2);
    daemon
}

/// Writes a file under a hidden name into `a`.
fn hide(world: &World, name: &str, content: impl AsRef<[u8]>) {
    fs::write(world.folder("a").join(format!(".{name}")), content).unwrap();
}

/// A producer that renames the file in. It may hang too.
fn show(world: &World, name: &str) -> Child {
    let folder = world.folder("a");
    Command::new("mv").arg("-T").arg(folder.join(format!(".{name}"))).arg(folder.join(name)).spawn().unwrap()
}

fn rename_in(world: &World, name: &str, content: impl AsRef<[u8]>) {
    hide(world, name, content);
    assert!(show(world, name).wait().unwrap().success());
}

/// Runs a command that must end although a share hangs.
#[track_caller]
fn command(world: &World, arguments: &[&str]) -> Output {
    let started = Instant::now();
    let mut command = Command::new(env!("CARGO_BIN_EXE_datadrop"));
    command.arg("--config").arg(world.config_file()).args(arguments).env("NO_COLOR", "1");
    let output = crate::harness::within(COMMAND, command, world.dir.path());
    output.unwrap_or_else(|| panic!("{arguments:?} hangs since {:?}", started.elapsed()))
}

#[track_caller]
fn commands_still_work(world: &World) {
    for arguments in [&["jobs", "list"][..], &["status"], &["status", "--json"], &["service", "print-folders"]] {
        let output = command(world, arguments);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {output:?}");
    }
    let of_b = world.folder("b").join("first-b.txt").display().to_string();
    let output = command(world, &["explain", &of_b]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(stdout(&output).contains("first-b.txt"), "{output:?}");
    let of_a = world.folder("a").join("first-a.txt").display().to_string();
    let output = command(world, &["explain", &of_a]);
    assert!(output.status.code().is_some(), "{output:?}");
    let output = command(world, &["doctor", "--offline"]);
    let said = stdout(&output);
    assert!(said.contains(&world.folder("b").display().to_string()), "{said}");
    assert!(said.contains(&world.folder("a").display().to_string()), "{said}");
}

#[track_caller]
fn page_answers(world: &World) {
    let log = world.log();
    let address = log.rsplit("the status page is at http://").next().unwrap().split('/').next().unwrap().to_owned();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(COMMAND)).unwrap();
    stream.write_all(b"GET /api/status HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[track_caller]
fn reloads(world: &World, daemon: &Daemon) {
    let before = world.log().matches("reloaded: ").count();
    daemon.signal("HUP");
    world.wait("the reload", || world.log().matches("reloaded: ").count() > before);
}

/// Everything but the account works while this operation hangs. Nothing is lost or sent twice when it returns.
#[track_caller]
fn costs_its_account_alone(op: Op) {
    let Some((world, share)) = world() else { return };
    let mut daemon = primed(&world);
    hide(&world, "next.txt", tagged("next"));
    hide(&world, "bad.fin", "not empty");
    let hung = share.hang(op);
    let mut producers = [show(&world, "next.txt"), show(&world, "bad.fin")];
    world.wait(&format!("{op:?} to hang in the daemon"), || share.hanging(op) > 0);
    commands_still_work(&world);
    world.drop_file("b", "one.txt", tagged("one"));
    arrived_once(&world, "one.txt");
    page_answers(&world);
    reloads(&world, &daemon);
    world.drop_file("b", "two.txt", tagged("two"));
    arrived_once(&world, "two.txt");
    assert!(daemon.is_running());

    drop(hung);
    for producer in &mut producers {
        assert!(producer.wait().unwrap().success());
    }
    arrived_once(&world, "next.txt");
    world.wait_for("bad.fin", "rejected");
    assert_eq!(world.accepted().len(), 5, "{:?}", world.accepted());
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn f10_a_share_that_hangs_in_stat_costs_its_account_alone() {
    costs_its_account_alone(Op::GetAttr);
}

#[test]
fn f10_a_share_that_hangs_in_readdir_costs_its_account_alone() {
    costs_its_account_alone(Op::ReadDir);
}

#[test]
fn f10_a_share_that_hangs_in_open_costs_its_account_alone() {
    costs_its_account_alone(Op::Open);
}

#[test]
fn f10_a_share_that_hangs_in_read_costs_its_account_alone() {
    costs_its_account_alone(Op::Read);
}

#[test]
fn f10_a_share_that_hangs_in_rename_costs_its_account_alone() {
    costs_its_account_alone(Op::Rename);
}

#[test]
fn f10_a_share_that_hangs_in_create_costs_its_account_alone() {
    costs_its_account_alone(Op::Create);
}

#[test]
fn f10_a_share_that_hangs_in_write_costs_its_account_alone() {
    costs_its_account_alone(Op::Write);
}

#[test]
fn f10_a_share_that_hangs_in_statfs_costs_its_account_alone() {
    costs_its_account_alone(Op::StatFs);
}

#[test]
fn f10_a_share_that_hangs_keeps_no_other_account_from_being_verified() {
    for op in [Op::ReadDir, Op::Read] {
        let Some((world, share)) = world() else { return };
        primed(&world).stop();
        let hung = share.hang(op);
        let output = command(&world, &["verify"]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!(stdout(&output), "account b: 1 file in done/ as sent\n", "{op:?}");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains("account a: not verified: ") && said.contains("does not answer"), "{op:?}: {said}");
        drop(hung);
        let output = command(&world, &["verify"]);
        assert_eq!(stdout(&output).matches("1 file in done/ as sent").count(), 2, "{output:?}");
    }
}

/// Files of `a` are hashed and due while their share hangs in this operation. `b` is served all the same.
#[track_caller]
fn slots_are_left_to_others(op: Op) {
    const FILES: usize = 6;
    let Some((world, share)) = world() else { return };
    let daemon = primed(&world);
    world.fault("upload:before-body:reset:name=large*");
    let names: Vec<String> = (0..FILES).map(|number| format!("large{number}.txt")).collect();
    for name in &names {
        rename_in(&world, name, large(name, 300_000));
    }
    world.wait("all to be due", || world.count("state = 'queued' AND attempts > 0") == 6);
    let hung = share.hang(op);
    world.emulator().clear_faults();
    world.wait("uploads to hang", || share.hanging(op) > 1);
    let started = Instant::now();
    for number in 0..3 {
        let name = format!("other{number}.txt");
        world.drop_file("b", &name, tagged(&name));
        arrived_once(&world, &name);
    }
    assert!(started.elapsed() < Duration::from_secs(8), "{:?}", started.elapsed());
    world.wait("the silence to be told", || world.count("reason LIKE '%does not answer%'") > 0);
    std::thread::sleep(Duration::from_secs(5));
    assert!(share.hanging(op) <= 5, "{} calls hang: they are multiplied", share.hanging(op));
    drop(hung);
    for name in &names {
        arrived_once(&world, name);
    }
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn f10_files_that_hang_in_open_leave_slots_to_other_accounts() {
    slots_are_left_to_others(Op::Open);
}

#[test]
fn f10_files_that_hang_at_their_start_leave_slots_to_other_accounts() {
    slots_are_left_to_others(Op::Read);
}

#[test]
fn f10_files_that_hang_in_their_middle_leave_slots_to_other_accounts() {
    slots_are_left_to_others(Op::ReadOn);
}

#[test]
fn f10_the_service_starts_and_stops_while_a_share_hangs() {
    let Some((world, share)) = world() else { return };
    drop(primed(&world));
    let mut daemons = Vec::new();
    let hung = share.hang(Op::GetAttr);
    daemons.push(world.start_unready());
    world.drop_file("b", "one.txt", tagged("one"));
    arrived_once(&world, "one.txt");
    daemons[0].signal("TERM");
    // A thread that hangs in the kernel outlives the process. Everything else of the process has ended.
    world.wait("the daemon to leave the job log", || {
        stdout(&command(&world, &["status"])).starts_with("datadrop is not running")
    });
    let started = Instant::now();
    daemons.push(world.start_unready());
    world.drop_file("b", "two.txt", tagged("two"));
    arrived_once(&world, "two.txt");
    assert!(started.elapsed() < PATIENCE);
    drop(hung);
    assert_eq!(daemons[0].wait_exit().code(), Some(0));
    world.wait("the folder to be watched", || world.blocked("a").is_empty());
    rename_in(&world, "last.txt", tagged("last"));
    arrived_once(&world, "last.txt");
    daemons[1].signal("TERM");
    assert_eq!(daemons[1].wait_exit().code(), Some(0));
}

#[test]
fn f10_verbs_for_other_jobs_are_carried_out_while_a_share_hangs() {
    let Some((world, share)) = world() else { return };
    let daemon = primed(&world);
    // Refused, so that no attempt is in doubt.
    world.fault("upload:429");
    rename_in(&world, "a.txt", large("a", 300_000));
    world.drop_file("b", "b.txt", large("b", 300_000));
    let (of_a, of_b) = (world.wait_for("a.txt", "queued").id, world.wait_for("b.txt", "queued").id);
    let hung = share.hang(Op::GetAttr);
    let hanging = |share: &HangingShare| share.hanging(Op::GetAttr);
    world.wait("the folder to hang", || hanging(&share) > 0);
    // The command may get no answer, but it must end.
    command(&world, &["jobs", "hold", &of_a.to_string()]);
    let before = hanging(&share);
    let output = command(&world, &["jobs", "hold", &of_b.to_string()]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    world.wait_for("b.txt", "held");
    std::thread::sleep(Duration::from_secs(25));
    assert!(hanging(&share) <= before + 1, "a thread hangs beside each that hung before: {}", hanging(&share));
    drop(hung);
    world.wait_for("a.txt", "held");
    assert_eq!(daemon.stop().code(), Some(0));
}

#[test]
fn f10_commands_on_a_share_that_hangs_come_to_an_end() {
    let Some((world, share)) = world() else { return };
    let daemon = primed(&world);
    world.fault("upload:before-body:reset");
    rename_in(&world, "held.txt", large("held", 300_000));
    let id = world.wait_for("held.txt", "queued").id.to_string();
    assert_eq!(command(&world, &["jobs", "hold", &id]).status.code(), Some(0));
    world.wait("the file to be filed", || world.count("path LIKE '%/held/held.txt'") == 1);
    assert_eq!(daemon.stop().code(), Some(0));
    world.emulator().clear_faults();
    rename_in(&world, "next.txt", tagged("next"));
    world.drop_file("b", "other.txt", tagged("other"));
    let outside = world.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    fs::write(outside.join("dropped.txt"), tagged("dropped")).unwrap();
    let dropped = outside.join("dropped.txt").display().to_string();
    let told = |output: &Output| format!("{}{}", stdout(output), String::from_utf8_lossy(&output.stderr));
    let is_told = |output: &Output| told(output).contains("the folder does not answer within");

    let hung = share.hang(Op::Read);
    let output = command(&world, &["run", "--dry-run"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(is_told(&output) && stdout(&output).contains("other.txt"), "{}", told(&output));
    drop(hung);

    let hung = share.hang(Op::GetAttr);
    let output = command(&world, &["drop", &dropped, "--account", "a"]);
    assert!(output.status.code() == Some(1) && is_told(&output), "{output:?}");
    let output = command(&world, &["jobs", "release", &id]);
    assert!(output.status.code() == Some(1) && is_told(&output), "{output:?}");
    let output = command(&world, &["recover", "--force-new"]);
    assert!(output.status.code() == Some(1) && is_told(&output), "{output:?}");
    assert!(stdout(&output).contains("account b: "), "{}", told(&output));
    // None of these accounts keeps the service from starting.
    let mut daemon = world.start_unready();
    let output = command(&world, &["drop", &dropped, "--account", "b"]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    for name in ["other.txt", "dropped.txt"] {
        arrived_once(&world, name);
    }
    drop(hung);
    arrived_once(&world, "held.txt");
    daemon.signal("TERM");
    assert_eq!(daemon.wait_exit().code(), Some(0));
}
