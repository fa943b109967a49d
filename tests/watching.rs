//! `jobs watch` at a real terminal: the view fits, survives a resize, and restores the terminal at its end.

use crate::harness::{PATIENCE, World, data};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Instant;

/// Shows the cursor, and then leaves the alternate screen.
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";

/// The live view, and its viewer.
struct View {
    child: Child,
    terminal: File,
    shown: mpsc::Receiver<Vec<u8>>,
    seen: String,
}

impl View {
    fn open(world: &World) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap().into_string().unwrap();
        let terminal = File::from(master);
        resize(&terminal, 100, 30);
        let side = OpenOptions::new().read(true).write(true).open(&name).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_datadrop"))
            .arg("--config")
            .arg(world.write_config())
            .args(["jobs", "watch"])
            .env("TERM", "xterm")
            .stdin(Stdio::null())
            .stdout(side)
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = terminal.try_clone().unwrap();
        let (sender, shown) = mpsc::channel();
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // A closed terminal returns an error.
            while let Ok(read @ 1..) = output.read(&mut bytes) {
                if sender.send(bytes[..read].to_vec()).is_err() {
                    return;
                }
            }
        });
        Self { child, terminal, shown, seen: String::new() }
    }

    /// Waits until a whole picture fulfils the condition, and returns the picture.
    fn wait_for(&mut self, what: &str, wanted: impl Fn(&str) -> bool) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            // Each picture begins at the upper left, and ends by clearing the rest of the screen.
            let pictures = self.seen.split("\x1b[H").skip(1).filter_map(|rest| rest.split_once("\x1b[J"));
            if let Some((picture, _)) = pictures.last().filter(|(picture, _)| wanted(picture)) {
                return picture.to_owned();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            let bytes = self.shown.recv_timeout(left).unwrap_or_else(|_| panic!("no {what} in {:?}", self.seen));
            self.seen.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
}

impl Drop for View {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn resize(terminal: &File, columns: u16, rows: u16) {
    tcsetwinsize(terminal, Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).unwrap();
}

#[test]
fn the_live_view_follows_fits_after_a_resize_and_ends_clean() {
    let world = World::new();
    let daemon = world.start();
    world.drop_file("a", "first.txt", data(2));
    world.wait_for("first.txt", "success");
    let mut view = View::open(&world);
    let wide = view.wait_for("first file", |picture| picture.contains("a/first.txt"));
    assert!(wide.contains("datadrop is running"), "{wide:?}");
    world.drop_file("a", "second.txt", data(2));
    view.wait_for("second file", |picture| picture.contains("a/second.txt"));

    // Only the size changes. That alone must cause a picture that fits.
    resize(&view.terminal, 40, 8);
    view.wait_for("picture that fits", |picture| {
        // The terminal adds a carriage return to each line.
        let lines: Vec<&str> = picture.split('\n').map(|line| line.trim_end_matches('\r')).collect();
        let width = |line: &str| anstream::adapter::strip_str(line).to_string().chars().count();
        lines.len() <= 8 && lines.iter().all(|line| width(line) <= 40)
    });

    let pid = view.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    assert!(view.child.wait().unwrap().success());
    let deadline = Instant::now() + PATIENCE;
    while !view.seen.ends_with(LEAVE) {
        let left = deadline.saturating_duration_since(Instant::now());
        let bytes = view.shown.recv_timeout(left).unwrap_or_else(|_| panic!("not left clean: {:?}", view.seen));
        view.seen.push_str(&String::from_utf8_lossy(&bytes));
    }
    assert!(daemon.stop().success());
}

/// `datadrop … | head -1`: reads one line, then stops reading.
fn first_line_of(world: &World, arguments: &[&str]) -> (String, Child) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_datadrop"))
        .arg("--config")
        .arg(world.write_config())
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    (line, child)
}

/// The job log does not change any more, so only the closed pipe can end these commands.
#[test]
fn a_view_whose_reader_has_gone_ends_well() {
    let world = World::new();
    let daemon = world.start();
    world.drop_file("a", "empty.txt", "");
    world.wait_for("empty.txt", "waiting");
    world.drop_file("a", "ends.txt", data(2));
    let ends = world.wait_for("ends.txt", "success").id.to_string();
    let waits = world.wait_for("empty.txt", "waiting").id.to_string();
    for arguments in [&["jobs", "watch"][..], &["jobs", "wait", &ends, &waits]] {
        let (line, mut child) = first_line_of(&world, arguments);
        let file = if arguments.contains(&"wait") { "a/ends.txt" } else { "a/empty.txt" };
        assert!(line.contains(file), "{line:?}");
        let mut end = None;
        world.wait("the command to end", || {
            end = child.try_wait().unwrap();
            end.is_some()
        });
        assert_eq!(end.unwrap().code(), Some(0), "{arguments:?}");
    }
    daemon.stop();
}
