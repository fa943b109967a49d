//! How commands reach the daemon: while it starts, and while other commands are stopped.

use crate::harness::{NOBODY, World, command, connect, connect_to_write, primed, skipped, stderr, stdout, tagged};
use std::fs;
use std::process::{Child, Command, Stdio};

/// Number of connections to the control socket, accepted or waiting.
fn connections(world: &World) -> usize {
    let path = world.state_dir().join("control.sock").display().to_string();
    let all = std::fs::read_to_string("/proc/net/unix").unwrap();
    // One of them is the listening socket.
    all.lines().filter(|line| line.ends_with(&path)).count().saturating_sub(1)
}

/// A stopped command. It is killed when dropped.
struct Stopped(Child);

impl Stopped {
    /// Starts the command, and stops it once `holds` is true.
    fn when(world: &World, arguments: &[&str], holds: impl FnMut() -> bool) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_datadrop"))
            .arg("--config")
            .arg(world.config_file())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stopped = Self(child);
        world.wait("a command to be where it is stopped", holds);
        assert!(Command::new("kill").arg("-STOP").arg(stopped.0.id().to_string()).status().unwrap().success());
        stopped
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn stopped_commands_keep_neither_others_nor_uploads_from_going_on() {
    const STOPPED: usize = 20;
    let mut world = World::new();
    world.api("rate_limit", "\"12/6s\"");
    let _daemon = primed(&world);
    // The daemon's own account request is done.
    world.wait_told_address("a");
    let before = world.emulator().requests().accounts;
    world.fault("account:hang");
    let mut stopped = Vec::new();
    for number in 1..=STOPPED {
        // The first commands hold a permit for a request without an answer. The others wait for a permit. The socket
        // has sixteen places.
        let holds = || {
            let (requests, connections) = (world.emulator().requests().accounts - before, connections(&world));
            if number <= 12 { requests >= number as u64 } else { connections >= number.min(16) }
        };
        stopped.push(Stopped::when(&world, &["accounts", "list"], holds));
    }
    world.emulator().clear_faults();
    let output = world.run(&["jobs", "hold", "1"]);
    let said = stderr(&output);
    assert!(said.contains("accepted") || said.contains("has ended"), "the daemon answered: {said}");
    world.drop_file("a", "sales.txt", tagged("sales"));
    world.wait_accepted(2);
    let output = world.run(&["accounts", "list", "--json"]);
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn a_verb_given_while_the_daemon_starts_is_carried_out_by_that_start() {
    let world = World::new();
    primed(&world).stop();
    // Enough instructions to make the first look take long.
    connect_to_write(&world.state_dir())
        .execute_batch(
            "WITH RECURSIVE number (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < 3000)
             INSERT INTO instruction (given_at, given_by, verb, job_id) SELECT 1, 'anna', 'hold', 1 FROM number",
        )
        .unwrap();
    let _daemon = world.start_unready();
    let answered = || -> i64 {
        let sql = "SELECT count(*) FROM instruction WHERE answered_at IS NOT NULL";
        connect(&world.state_dir()).unwrap().query_row(sql, [], |row| row.get(0)).unwrap_or(0)
    };
    world.wait("the first look to have begun", || answered() > 0);
    // The look may miss later instructions, so their writer must be able to notify the daemon.
    assert!(world.state_dir().join("control.sock").exists(), "{} were answered", answered());
    let output = world.run(&["jobs", "hold", "1"]);
    let said = stderr(&output);
    assert!(said.contains("accepted") || said.contains("has ended"), "the daemon answered: {said}");
}

/// A user who is not in the group, or was added after the last login, gets a message that says so.
#[test]
fn a_user_who_cannot_drop_files_yet_sees_what_is_missing() {
    let world = World::new();
    let file = world.dir.path().join("sales.txt");
    fs::write(&file, tagged("sales")).unwrap();
    let config = world.write_config();
    command("chmod", &["755"], world.dir.path());
    command("chmod", &["644"], &file);
    command("chmod", &["644"], &config);
    let folder = world.folder("a");
    let is_given = Command::new("chgrp").arg("daemon").arg(&folder).status().is_ok_and(|status| status.success());
    command("chmod", &["2770"], &folder);
    let drops = |uid: &str| {
        let mut person = Command::new("setpriv");
        person.args(["--reuid", uid, "--regid", NOBODY, "--clear-groups", env!("CARGO_BIN_EXE_datadrop"), "--config"]);
        person.arg(&config).arg("drop").arg(&file).args(["--account", "a"]).output().unwrap()
    };
    if !is_given || drops(NOBODY).status.code() != Some(1) {
        skipped("only root can be other users here");
        return;
    }
    // By its own entry in `/etc/passwd`, the user `daemon` is in the group of that name.
    let told = stderr(&drops("1"));
    assert!(told.contains("daemon is in group daemon, but not in this session: log in again"), "{told}");
    let told = stderr(&drops(NOBODY));
    assert!(told.contains("only group daemon may: `sudo usermod -aG daemon nobody`, then log in again"), "{told}");
}

/// A mistake in the configuration hides nothing, because the service runs on as before.
#[test]
fn a_configuration_error_is_reported_and_the_service_runs_on() {
    let mut world = World::new();
    let before = stderr(&world.set("[upload]\n", "[upload]\nmax_in_flihgt = 3\n").run(&["status"]));
    assert!(before.contains("did you mean `max_in_flight`?") && !before.contains("goes on"), "{before}");
    world.set("max_in_flihgt = 3\n", "");
    let daemon = world.start();
    world.drop_file("a", "sales.txt", tagged("sales"));
    let job = world.wait_for("sales.txt", "success").id.to_string();
    world.set("[upload]\n", "[upload]\nmax_in_flihgt = 3\n");
    let file = world.folder("a").join("sales.txt");
    for (arguments, shows) in [
        (vec!["status"], "datadrop is running"),
        (vec!["jobs", "list"], "sales.txt"),
        (vec!["jobs", "show", &job], "sales.txt"),
        (vec!["explain", file.to_str().unwrap()], "is through"),
        (vec!["coverage"], "2026-11-20"),
    ] {
        let output = world.run(&arguments);
        let (out, err) = (stdout(&output), stderr(&output));
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {err}");
        assert!(out.contains(shows) && err.contains("did you mean `max_in_flight`?"), "{arguments:?}: {out}{err}");
    }
    // Commands that change something are refused under a broken configuration.
    assert_eq!(world.run(&["jobs", "hold", &job]).status.code(), Some(2));
    // A line that is no TOML is left out, wherever it is.
    for (from, to) in [("max_in_flihgt = 3", "max_in_flight = 3 4"), ("max_in_flight = 3 4", "max_in_flight = \"3")] {
        let output = world.set(from, to).run(&["status"]);
        let (out, err) = (stdout(&output), stderr(&output));
        assert_eq!(output.status.code(), Some(0), "{err}");
        assert!(out.contains("datadrop is running") && out.contains(world.folder("a").to_str().unwrap()), "{out}");
        assert!(err.contains("this is not valid TOML") && err.contains("goes on with what it read before"), "{err}");
        assert_eq!(world.run(&["jobs", "hold", &job]).status.code(), Some(2));
    }
    world.set("max_in_flight = \"3", "max_in_flihgt = 3");
    // A command never shows the job log of another service instead.
    let text = fs::read_to_string(world.config_file()).unwrap().replace("state_dir", "sate_dir");
    let other = world.dir.path().join("other.toml");
    fs::write(&other, text).unwrap();
    let status = world.run(&["--config", other.to_str().unwrap(), "status"]);
    assert_eq!(status.status.code(), Some(2), "{}", stdout(&status));
    let text = fs::read_to_string(world.config_file()).unwrap().replace("state_dir =", "state_dir");
    fs::write(&other, text).unwrap();
    let status = world.run(&["--config", other.to_str().unwrap(), "status"]);
    assert_eq!(status.status.code(), Some(2), "{}", stdout(&status));
    daemon.stop();
}
