//! Both files, or none; never over another.

use super::draft::Draft;
use crate::cli::failure::{Exit, Failure};
use crate::cli::people::user;
use rustix::fs::{Gid, Uid, chown};
use secrecy::{ExposeSecret, SecretString};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// The service's user, as the unit names it.
const SERVICE_USER: &str = "datadrop";

/// What lies there now.
pub(super) struct Written {
    config: PathBuf,
    secret: Option<PathBuf>,
    /// The secret belongs to the service's user.
    for_service: bool,
}

/// Fails if something is there already.
pub(super) fn must_not_exist(path: &Path) -> Result<(), Failure> {
    match fs::symlink_metadata(path) {
        Ok(_) => Err(Failure::new(
            Exit::Usage,
            format!("{} exists already and is left as it is; nothing was written", path.display()),
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::failed(format!("{}: {error}", path.display()))),
    }
}

/// Writes the configuration, and the secret if it is to have a file of its own.
pub(super) fn write(config: &Path, text: &str, secret: Option<(&PathBuf, &SecretString)>) -> Result<Written, Failure> {
    let mut for_service = false;
    if let Some((path, secret)) = secret {
        let mut file = create(path, 0o600)?;
        let content = format!("{}\n", secret.expose_secret());
        fill(path, &mut file, &content)?;
        // Only root can give a file away, and only to a user that is there.
        for_service = service_user().is_some_and(|(user, group)| chown(path, Some(user), Some(group)).is_ok());
    }
    let written = create(config, 0o644).and_then(|mut file| fill(config, &mut file, text));
    if let Err(failure) = written {
        if let Some((path, _)) = secret {
            let _ = fs::remove_file(path);
        }
        return Err(failure);
    }
    Ok(Written { config: config.to_owned(), secret: secret.map(|(path, _)| path.clone()), for_service })
}

fn create(path: &Path, mode: u32) -> Result<File, Failure> {
    let failed = |error: io::Error| {
        Failure::failed(format!("{}: cannot be written: {error}; nothing was written", path.display()))
    };
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path).map_err(failed)
}

fn fill(path: &Path, file: &mut File, text: &str) -> Result<(), Failure> {
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(|error| {
        let _ = fs::remove_file(path);
        Failure::failed(format!("{}: cannot be written: {error}; nothing was written", path.display()))
    })
}

fn service_user() -> Option<(Uid, Gid)> {
    user(SERVICE_USER).map(|user| (Uid::from_raw(user.uid), Gid::from_raw(user.gid)))
}

impl Written {
    /// What was done, and what comes next.
    pub(super) fn lines(&self, draft: &Draft) -> Vec<String> {
        let mut lines = vec![format!("wrote {}", self.config.display())];
        if let Some(secret) = &self.secret {
            let owner = if self.for_service { "the service's user" } else { "you" };
            lines.push(format!("wrote {} (only {owner} can read it)", secret.display()));
        }
        // As the person will type them: the service is set up by root.
        let (as_root, as_service) = if self.for_service { ("sudo ", "sudo -u datadrop ") } else { ("", "") };
        if !Path::new(&draft.folder).exists() {
            lines.push(format!(
                "next: make the folder: {as_root}install -d -o {SERVICE_USER} -g {SERVICE_USER} -m 2770 {}",
                draft.folder
            ));
        }
        lines.push(format!("then: {as_root}datadrop doctor says what is still missing"));
        lines.push(format!(
            "start: {as_root}systemctl enable --now datadrop, or without systemd {as_service}datadrop run"
        ));
        lines
    }
}
