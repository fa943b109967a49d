//! What the demo puts where.

use super::super::failure::{Exit, Failure};
use crate::job::{shell_word, stem};
use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// The accounts: name and data source ID.
pub(super) const ACCOUNTS: [(&str, i64); 2] = [(CALLCENTRE, 621), (RETURNS, 622)];
const CALLCENTRE: &str = "callcentre";
const RETURNS: &str = "returns";

/// The account that a sample is dropped for; a marker goes where its data file goes.
pub(super) fn account_of(file_name: &str) -> &'static str {
    match stem(file_name) {
        "returns" | "shop-visits" => RETURNS,
        _ => CALLCENTRE,
    }
}

/// The demo's own directory.
#[derive(Debug)]
pub(super) struct Layout {
    dir: PathBuf,
}

impl Layout {
    /// Makes everything but the configuration, which has to know the emulator's port.
    pub(super) fn make(wanted: Option<&Path>) -> Result<Self, Failure> {
        let dir = match wanted {
            Some(dir) => empty_dir(dir)?,
            None => tempfile::Builder::new()
                .prefix("datadrop-demo-")
                .tempdir()
                .map_err(|error| cannot_write(&std::env::temp_dir(), &error))?
                .keep(),
        };
        let layout = Self { dir };
        for (account, _) in ACCOUNTS {
            make_dir(&layout.folder(account))?;
        }
        make_dir(&layout.state_dir())?;
        make_dir(&layout.samples_dir())?;
        let secret = layout.secret_file();
        fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&secret)
            .and_then(|mut file| file.write_all(b"not-a-secret-the-demo-takes-any\n"))
            .map_err(|error| cannot_write(&secret, &error))?;
        Ok(layout)
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn config_file(&self) -> PathBuf {
        self.dir.join("datadrop.toml")
    }

    pub(super) fn state_dir(&self) -> PathBuf {
        self.dir.join("state")
    }

    pub(super) fn samples_dir(&self) -> PathBuf {
        self.dir.join("samples")
    }

    pub(super) fn folder(&self, account: &str) -> PathBuf {
        self.dir.join(account)
    }

    fn secret_file(&self) -> PathBuf {
        self.dir.join("client_secret")
    }

    /// A configuration as anybody would write it, but faster.
    /// `page`: where the status page listens, if it does.
    pub(super) fn write_configuration(
        &self,
        base_url: &str,
        token_url: &str,
        page: Option<SocketAddr>,
    ) -> Result<(), Failure> {
        let file = self.config_file();
        let mut text = self.configuration(base_url, token_url)?;
        if let Some(address) = page {
            let _ = write!(text, "\n[status]\nlisten = \"{address}\"\n");
        }
        fs::write(&file, text).map_err(|error| cannot_write(&file, &error))
    }

    fn configuration(&self, base_url: &str, token_url: &str) -> Result<String, Failure> {
        let mut text = format!(
            r#"# The configuration of the demo. Times are shorter than anybody needs, so that you see something happen;
# a real one has the sections [api] and [[account]] only.
state_dir = {state_dir}

[api]
base_url = "{base_url}"
token_url = "{token_url}"
global_company_id = "examplecompany"
client_id = "demo"
client_secret_file = {secret}
rate_limit = "off"

[watch]
settle = "300ms"
settle_unwatched = "1s"
rescan = "5s"

[poll]
first = "500ms"
max = "2s"

[log]
format = "text"
level = "warn"
"#,
            state_dir = quoted(&self.state_dir())?,
            secret = quoted(&self.secret_file())?,
        );
        for (name, data_source_id) in ACCOUNTS {
            let folder = quoted(&self.folder(name))?;
            let _ = write!(
                text,
                "\n[[account]]\nname = \"{name}\"\nreport_suite_id = \"examplersid\"\n\
                 data_source_id = {data_source_id}\nfolder = {folder}\n"
            );
        }
        Ok(text)
    }

    /// What to look at next. `program` is the name under which this one was started: it may not be on the search path.
    pub(super) fn guide(&self, program: &str, page: Option<SocketAddr>) -> String {
        let command =
            format!("{} --config {}", shell_word(program), shell_word(&self.config_file().display().to_string()));
        let database = shell_word(&self.state_dir().join("datadrop.db").display().to_string());
        let places = [
            ("callcentre/", "a watched folder: files come here, and sub-folders show how they ended"),
            ("returns/", "another"),
            ("callcentre/failed/", "what did not get through, and beside it why (`.why`)"),
            ("samples/", "the files that were dropped"),
            ("datadrop.toml", "the configuration"),
            ("state/datadrop.db", "the job log, an SQLite database"),
        ];
        let mut text = format!("\nWhere things lie: {}\n", self.dir.display());
        for (place, what) in places {
            let _ = writeln!(text, "  {place:<20}{what}");
        }
        let _ = write!(
            text,
            "\nWhat to look at next\n  \
             {command} jobs list\n  \
             {command} jobs show 1\n  \
             {command} status\n  \
             sqlite3 -readonly {database} 'SELECT file_name, state, reason FROM job_log'\n\n"
        );
        if let Some(address) = page {
            let _ = write!(
                text,
                "The page of this service: http://{address}/\n\n\
                 Still watching. Drop files of your own from another terminal; Ctrl-C ends the demo:\n  \
                 {command} drop YOURS.txt --account callcentre --fin --wait\n"
            );
        } else {
            text.push_str("With --keep the demo goes on, so that you can drop files of your own.\n");
        }
        text
    }
}

fn empty_dir(dir: &Path) -> Result<PathBuf, Failure> {
    match fs::read_dir(dir) {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(Failure::new(
                    Exit::Usage,
                    format!("{}: is not empty; name a directory that is, or one that does not exist", dir.display()),
                ));
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            fs::create_dir_all(dir).map_err(|error| cannot_write(dir, &error))?;
        }
        Err(error) => return Err(cannot_write(dir, &error)),
    }
    // The configuration wants whole paths.
    fs::canonicalize(dir).map_err(|error| cannot_write(dir, &error))
}

fn make_dir(dir: &Path) -> Result<(), Failure> {
    fs::create_dir(dir)
        .and_then(|()| fs::set_permissions(dir, fs::Permissions::from_mode(0o770)))
        .map_err(|error| cannot_write(dir, &error))
}

pub(super) fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::failed(format!("{}: cannot be written: {error}", path.display()))
}

/// As a TOML string: its escapes include those of JSON.
fn quoted(path: &Path) -> Result<String, Failure> {
    let text = path.to_str().ok_or_else(|| {
        Failure::new(Exit::Usage, format!("{}: is not valid UTF-8; use another --dir", path.display()))
    })?;
    Ok(serde_json::to_string(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::MetadataExt;

    #[test]
    fn the_configuration_is_a_valid_one_whatever_the_path() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::make(Some(&dir.path().join("a \"demo\" 日本"))).unwrap();
        layout.write_configuration("http://127.0.0.1:1/api", "http://127.0.0.1:1/ims/token/v3", None).unwrap();
        let config = crate::config::load(Some(&layout.config_file()), []).unwrap();
        assert_eq!(config.state_dir, layout.state_dir());
        assert_eq!(config.accounts.len(), 2);
        assert_eq!(config.accounts[0].folder, layout.folder("callcentre"));
        assert_eq!(config.api.rate_limit, None);
        assert_eq!(fs::metadata(layout.secret_file()).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn the_guide_can_be_pasted_into_a_shell() {
        let dir = tempfile::tempdir().unwrap();
        let layout = Layout::make(Some(&dir.path().join("it's a demo"))).unwrap();
        let guide = layout.guide("target/debug/datadrop", Some(([127, 0, 0, 1], 8611).into()));
        let line = guide.lines().find(|line| line.ends_with(" jobs list")).unwrap();
        assert!(line.starts_with("  target/debug/datadrop --config '/"), "{line}");
        assert!(line.contains(r"/it'\''s a demo/datadrop.toml' jobs"), "{line}");
    }

    #[test]
    fn a_directory_with_something_in_it_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("mine.txt"), "").unwrap();
        let failure = Layout::make(Some(dir.path())).unwrap_err();
        assert_eq!(failure.exit(), Exit::Usage);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
