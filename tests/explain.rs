//! `explain`: the state of a file, and its reason, with a running daemon and without.

use crate::harness::{NOBODY, World, arrived_once, as_nobody, data, names, stdout};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;

/// The first sentence and the exit status.
fn explain(world: &World, path: &Path) -> (String, i32) {
    let output = world.run(&["explain", path.to_str().unwrap()]);
    (stdout(&output).lines().next().unwrap_or_default().to_owned(), output.status.code().unwrap())
}

#[track_caller]
fn says(world: &World, path: &Path, words: &str, code: i32) {
    let (sentence, status) = explain(world, path);
    assert!(sentence.contains(words), "{sentence:?} lacks {words:?}");
    assert_eq!(status, code, "{sentence}");
}

#[test]
fn a_file_is_explained_wherever_it_is_and_wherever_it_was() {
    let mut world = World::new();
    world.account("off", "enabled = false");
    let inbox = world.folder("a");
    // Before the first start.
    let early = world.write_file("a", "early.txt", data(2));
    says(&world, &early, "no daemon is running", 0);
    assert!(!world.state_dir().exists(), "a question makes nothing");
    assert_eq!(names(&inbox), ["early.txt"]);
    fs::remove_file(early).unwrap();

    let daemon = world.start();
    let sales = world.drop_file("a", "sales.txt", data(3));
    let lone = world.drop_file("a", "lone.fin", "");
    let empty = world.drop_file("a", "empty.txt", "");
    symlink("/etc/hostname", inbox.join("link.txt")).unwrap();
    world.wait_for("sales.txt", "success");
    world.wait_for("lone.fin", "waiting");
    world.wait_for("empty.txt", "waiting");
    world.wait_for("link.txt", "rejected");
    world.wait("all to be filed", || {
        inbox.join("done/sales.txt").exists() && inbox.join("failed/link.txt").is_symlink()
    });

    says(&world, &sales, "sales.txt is through: Adobe processed 3 of 3 rows", 0);
    says(&world, &inbox.join("done/sales.txt"), "is through", 0);
    says(&world, &lone, "is not on its way yet: waits for its data file", 0);
    says(&world, &empty, "the file is empty", 0);
    says(&world, &inbox.join("failed/link.txt"), "was rejected and not sent: the name is that of a symbolic link", 0);
    says(&world, &inbox.join("failed/link.txt.why"), "is the explanation beside link.txt", 0);
    let other = world.write_file("a", "SALES.TXT", "x");
    says(&world, &other, "rename it to SALES.txt", 0);
    let off = world.write_file("off", "waits.txt", data(1));
    says(&world, &off, "nothing is sent for account off: it is disabled", 0);
    says(&world, &inbox.join("none.txt"), "knows no file of that name", 4);
    says(&world, world.dir.path(), "lies in no account's folder", 4);
    assert!(daemon.stop().success());

    says(&world, &sales, "is through", 0);
    says(&world, &empty, "no daemon is running", 0);
    let output = world.run(&["explain", "--json", sales.to_str().unwrap()]);
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&json["account"], &json["state"]), (&"a".into(), &"success".into()), "{json}");
    assert!(json["explanation"].is_string() && json["facts"].is_array() && json["job_id"].is_i64(), "{json}");
}

#[test]
fn a_job_log_at_rest_is_asked_and_nothing_is_left_beside_it() {
    let world = World::new();
    let daemon = world.start();
    let sales = world.drop_file("a", "sales.txt", data(3));
    world.wait_for("sales.txt", "success");
    assert!(daemon.stop().success());
    let before = names(&world.state_dir());
    says(&world, &sales, "is through", 0);
    let again = world.write_file("a", "sales.txt", data(3));
    world.wait("it to be quiet", || explain(&world, &again).0.contains("will be held, not sent: duplicate"));
    assert_eq!(names(&world.state_dir()), before);
}

/// If the service has its own user, people work as another user. The printed commands work when pasted.
#[test]
fn commands_that_are_offered_name_the_user_that_they_need() {
    let mut world = World::new();
    world.account("a", "check = \"reject\"");
    let Some(daemon) = as_nobody(&world, |_| ()) else { return };
    let file = world.drop_file("a", "bad.txt", "Date\tEvar 1\tEvent 1\n11/20/2026\tx\n");
    let id = world.wait_for("bad.txt", "rejected").id;
    let why = world.folder("a").join("failed/bad.txt.why");
    world.wait("its explanation", || why.exists());
    let retry = format!("sudo -u nobody datadrop --config {} jobs retry {id}", world.config_file().display());
    assert!(fs::read_to_string(&why).unwrap().contains(&retry), "{}", fs::read_to_string(&why).unwrap());
    let explained = |uid: &str| {
        let mut member = Command::new("setpriv");
        member.args(["--reuid", uid, "--regid", NOBODY, "--clear-groups", env!("CARGO_BIN_EXE_datadrop"), "--config"]);
        stdout(&member.arg(world.config_file()).arg("explain").arg(&file).output().unwrap())
    };
    assert!(explained("1234").contains(&retry), "{}", explained("1234"));
    let own = explained(NOBODY);
    assert!(own.contains(&retry["sudo -u nobody ".len()..]) && !own.contains("sudo"), "{own}");
    daemon.stop();
}

/// A file that the service cannot read is reported with its owner, group and mode, and the given command works.
#[test]
fn an_unreadable_file_is_named_with_the_command_that_opens_it() {
    let world = World::new();
    let Some(daemon) = as_nobody(&world, |_| ()) else { return };
    let file = world.dir.path().join("closed");
    fs::write(&file, data(1)).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(&file, world.folder("a").join("closed.txt")).unwrap();
    let reason = world.wait_for("closed.txt", "waiting").why().to_owned();
    assert!(reason.contains("belongs to user 0 and group 0 and has mode 600"), "{reason}");
    let doctor = || {
        let mut service = Command::new("setpriv");
        service.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", env!("CARGO_BIN_EXE_datadrop")]);
        stdout(&service.arg("--config").arg(world.config_file()).args(["doctor", "--offline"]).output().unwrap())
    };
    let found = doctor();
    let finding = found.lines().find(|line| line.contains("the service cannot read 1 file")).unwrap_or(&found);
    assert!(finding.contains("closed.txt belongs to root and group root, with mode 600"), "{found}");
    let command = reason.split('`').nth(1).unwrap();
    assert!(finding.contains(&format!("as root: {command}")), "{finding}");
    assert!(Command::new("sh").args(["-c", command]).status().unwrap().success(), "{command}");
    arrived_once(&world, "closed.txt");
    assert!(!doctor().contains("cannot read"), "{}", doctor());
    daemon.stop();
}
