//! Real file systems over folders of a test's own: `sshfs` to a server of the test's own on loopback, `mergerfs`, an overlay
//! over FUSE. Unmounted and stopped when dropped. If a program or a permission is missing, a message says so.

use super::{PATIENCE, skipped};
use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A file system that is mounted until this is dropped.
pub struct Mounted {
    at: PathBuf,
    mounting: Option<Child>,
    server: Option<Child>,
}

fn is_not_to_be_had(what: &str, why: &str) {
    skipped(&format!("no {what} is to be had here (it takes the program, root and /dev/fuse): {why}"));
}

fn made(path: &Path) -> &Path {
    fs::create_dir_all(path).unwrap();
    path
}

impl Mounted {
    /// `mergerfs` of two branches beside the folder.
    pub fn mergerfs(at: &Path) -> Option<Self> {
        let branches = ["one", "two"].map(|branch| at.with_extension(branch));
        let branches = branches.each_ref().map(|branch| made(branch).display().to_string());
        let mut command = Command::new("mergerfs");
        command.args(["-f", "-o", "category.create=mfs"]).arg(branches.join(":"));
        Self::mount("mergerfs", command, at, None)
    }

    /// An overlay over FUSE, of an empty layer and one to write to.
    pub fn overlay(at: &Path) -> Option<Self> {
        let [lower, upper, work] = ["lower", "upper", "work"].map(|layer| at.with_extension(layer));
        let layers = [("lowerdir", &lower), ("upperdir", &upper), ("workdir", &work)];
        let layers = layers.map(|(key, path)| format!("{key}={}", made(path).display()));
        let mut command = Command::new("fuse-overlayfs");
        command.args(["-f", "-o", &layers.join(",")]);
        Self::mount("fuse-overlayfs", command, at, None)
    }

    /// `sshfs` of a folder beside it, by a server with keys of its own.
    pub fn sshfs(at: &Path) -> Option<Self> {
        let behind = at.with_extension("remote");
        let keys = at.with_extension("ssh");
        made(&behind);
        let server = Server::start(made(&keys))?;
        let mut command = Command::new("sshfs");
        command.args(["-f", "-p", &server.port.to_string()]).args(["-o", "StrictHostKeyChecking=no"]);
        command.args(["-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-F", "/dev/null"]);
        command.arg("-o").arg(format!("IdentityFile={}", keys.join("key").display()));
        command.arg(format!("root@127.0.0.1:{}", behind.display()));
        Self::mount("sshfs", command, at, Some(server.child))
    }

    fn mount(what: &str, mut command: Command, at: &Path, server: Option<Child>) -> Option<Self> {
        let mut mounted = Self { at: made(at).to_owned(), mounting: None, server };
        let said = at.with_extension("said");
        let spawned = command.arg(at).stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&said).unwrap());
        match spawned.spawn() {
            Ok(child) => mounted.mounting = Some(child),
            Err(error) => {
                is_not_to_be_had(what, &error.to_string());
                return None;
            }
        }
        let until = Instant::now() + PATIENCE;
        while !is_mounted(at) {
            let ended = mounted.mounting.as_mut().is_none_or(|child| child.try_wait().unwrap().is_some());
            if ended || Instant::now() > until {
                is_not_to_be_had(what, &fs::read_to_string(said).unwrap_or_default());
                return None;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(mounted)
    }
}

fn is_mounted(at: &Path) -> bool {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    mounts.lines().any(|line| line.split(' ').nth(1).is_some_and(|path| Path::new(path) == at))
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.at).stderr(Stdio::null()).status();
        for child in [self.mounting.take(), self.server.take()].into_iter().flatten() {
            end(child);
        }
    }
}

fn end(mut child: Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// An SSH server on loopback that lets in only this test.
struct Server {
    child: Child,
    port: u16,
}

impl Server {
    fn start(keys: &Path) -> Option<Self> {
        let key = |name: &str| {
            let mut command = Command::new("ssh-keygen");
            command.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(keys.join(name));
            command.status().is_ok_and(|status| status.success())
        };
        if !key("host") || !key("key") {
            is_not_to_be_had("sshfs", "ssh-keygen makes no keys");
            return None;
        }
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "ListenAddress 127.0.0.1\nPort {port}\nHostKey {host}\nAuthorizedKeysFile {key}.pub\nPidFile none\n\
             StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n\
             Subsystem sftp internal-sftp\n",
            host = keys.join("host").display(),
            key = keys.join("key").display(),
        );
        fs::write(keys.join("config"), config).unwrap();
        // It refuses to start without.
        let _ = fs::create_dir_all("/run/sshd");
        let mut command = Command::new("/usr/sbin/sshd");
        command.args(["-D", "-e", "-f"]).arg(keys.join("config")).stderr(File::create(keys.join("log")).unwrap());
        let mut child = match command.stdin(Stdio::null()).spawn() {
            Ok(child) => child,
            Err(error) => {
                is_not_to_be_had("sshfs", &format!("sshd: {error}"));
                return None;
            }
        };
        let until = Instant::now() + PATIENCE;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if child.try_wait().unwrap().is_some() || Instant::now() > until {
                is_not_to_be_had("sshfs", &fs::read_to_string(keys.join("log")).unwrap_or_default());
                end(child);
                return None;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(Self { child, port })
    }
}
