//! The daemon as a user without rights.

use super::{Daemon, World, skipped};
use std::fs;
use std::path::Path;
use std::process::Command;

/// Runs a program that must succeed, with a path as its last argument.
#[track_caller]
pub fn command(program: &str, arguments: &[&str], path: &Path) {
    assert!(Command::new(program).args(arguments).arg(path).status().unwrap().success());
}

/// The number of a user who owns nothing.
pub const NOBODY: &str = "65534";

/// Starts the daemon as another user, who owns everything except what `arrange` changes in the account's folder.
/// `None`, with a message, if the test lacks the permission for that.
pub fn as_nobody(world: &World, arrange: impl FnOnce(&Path)) -> Option<Daemon> {
    let folder = world.folder("a");
    let config = world.write_config();
    for place in ["sent", "held", "done", "failed"] {
        fs::create_dir(folder.join(place)).unwrap();
    }
    command("chmod", &["755"], world.dir.path());
    fs::create_dir(world.state_dir()).unwrap();
    let owned = Command::new("chown").arg("-R").arg(format!("{NOBODY}:{NOBODY}")).arg(world.dir.path()).status();
    if !owned.is_ok_and(|status| status.success()) {
        skipped("only root may give files to others");
        return None;
    }
    arrange(&folder);
    let service = || {
        let mut service = Command::new("setpriv");
        service.args(["--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", env!("CARGO_BIN_EXE_datadrop")]);
        service
    };
    if !service().arg("--version").output().is_ok_and(|ran| ran.status.success()) {
        skipped("another user cannot run the binary here (it takes setpriv)");
        return None;
    }
    let daemon = Daemon::start_by(service(), world.dir.path(), &config, &[], &[]);
    // Its notifications are not for another user.
    world.wait("the start", || world.log().contains("ready: 1 account"));
    Some(daemon)
}
