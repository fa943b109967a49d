//! What is to become of a file in an account's folder: facts for `explain` and `run --dry-run`. Nothing is changed.

use super::apart::Signs;
use super::failure::Failure;
use crate::clock::now;
use crate::config::{AccountConfig, Config, Duplicates};
use crate::folder::directory::Directory;
use crate::folder::{FolderProblem, glimpse};
use crate::inbox::{FolderSettings, Foreseen, Ignored, Known, ahead, foresee, known};
use crate::job::{JobId, Kind, State, stem};
use crate::joblog::{
    AccountRow, Content, InboxEntry, JobRow, Reader, Verdict, held_for_its_name, held_for_unknown_days,
};
use std::ffi::OsStr;

/// An account: as it is configured, as the job log has it, and as its folder stands.
pub(super) struct Account<'a> {
    pub(super) config: &'a AccountConfig,
    pub(super) settings: FolderSettings,
    /// Its folder; `None` where there is none.
    pub(super) folder: Option<Directory>,
    /// As the job log has it; empty where it has nothing.
    pub(super) row: AccountRow,
    /// Why nothing of it is sent, whatever its files are like.
    pub(super) trouble: Option<String>,
    is_remote: bool,
    running: bool,
}

/// What is to become of a name in the folder.
#[derive(Debug)]
pub(super) enum Outlook {
    /// Nothing lies there.
    Gone,
    /// It is none of ours.
    Ignored(Ignored),
    /// The job log has this very file.
    Known(Box<JobRow>),
    /// It would wait; why.
    Waiting(String),
    /// It would be filed in `failed/`; why.
    Rejected(String),
    /// It would be filed in `held/`; why.
    Held(String),
    /// It would be queued. `instead_of`: a job whose file was changed or replaced before it was sent (DESIGN F7).
    Ready { kind: Kind, content: Content, instead_of: Option<i64> },
}

impl<'a> Account<'a> {
    /// Looks at the folder and into the job log. `running`: a daemon is at work on it, and knows what blocks it.
    pub(super) fn look(
        config: &'a Config,
        account: &'a AccountConfig,
        reader: Option<&Reader>,
        running: bool,
    ) -> Result<Self, Failure> {
        let row = match reader {
            Some(reader) => reader.accounts()?.into_iter().find(|row| row.name == account.name).unwrap_or_default(),
            None => AccountRow::default(),
        };
        let (folder, mut trouble) = match glimpse(&account.name, &account.folder, row.folder_mark.as_deref()) {
            Ok((folder, _)) => (Some(folder), None),
            Err(problem @ FolderProblem::Closed { .. }) => return Err(problem.into()),
            // The report still covers what is there.
            Err(problem) => (Directory::open(&account.folder).ok(), Some(problem.to_string())),
        };
        if let (None, Some(reader), Some(folder)) = (&trouble, reader, &folder) {
            let knew_until = reader.latest_end(&account.name)?;
            let problem = ahead(reader, &account.name, &account.extensions, (folder, &config.state_dir), knew_until)?;
            trouble = problem.map(|problem| problem.to_string());
        }
        let is_remote = folder.as_ref().is_some_and(|folder| !folder.is_known_local());
        // What a daemon that is gone was blocked by says nothing of the next one.
        trouble = row.blocked().filter(|_| running).map(|problem| problem.to_string()).or(trouble);
        if !account.enabled {
            trouble = Some("it is disabled; set `enabled = true` in its [[account]]".to_owned());
        }
        let settings = FolderSettings::new(config, account);
        Ok(Self { config: account, settings, folder, row, trouble, is_remote, running })
    }

    /// What is to become of a name in it. Reading a large file gives `signs` of life.
    pub(super) fn outlook(&self, reader: Option<&Reader>, name: &OsStr, signs: &Signs) -> Result<Outlook, Failure> {
        let Some(folder) = &self.folder else { return Ok(Outlook::Gone) };
        let mut instead_of = None;
        if let (Some(reader), Ok(found)) = (reader, folder.entry(name))
            && let Some(entry) = reader.inbox_entry(&self.config.name, name)?
        {
            let is_its_file = match known(Some(&entry), found.identity) {
                Known::AsItIs => true,
                Known::CameBack { .. } => self.running,
                // Nothing tells a file that waits from another; the daemon says why it does.
                Known::Not | Known::WrittenOn | Known::NotAsQueued => {
                    self.running && entry.state == State::Waiting && entry.identity.is_none()
                }
            };
            if is_its_file && let Some(job) = reader.job(entry.id)? {
                return Ok(Outlook::Known(Box::new(job)));
            }
            instead_of = replaced(&entry);
        }
        let now_ns = now().0.saturating_mul(1_000_000);
        let suite = match reader {
            Some(reader) => reader.suite_facts(&self.settings.target)?.map(|record| record.facts),
            None => None,
        };
        let known = (now_ns, suite.as_ref());
        let (kind, verdict) = match foresee(&self.settings, folder, name, self.is_remote, known, || signs.give()) {
            Foreseen::Gone => return Ok(Outlook::Gone),
            Foreseen::Ignored(why) => return Ok(Outlook::Ignored(why)),
            Foreseen::Told(kind, verdict) => (kind, verdict),
        };
        let content = match verdict {
            Verdict::Waiting(reason, _) | Verdict::Unmarked(reason, _) => return Ok(Outlook::Waiting(reason)),
            Verdict::Rejected(reason, _) | Verdict::Failing(_, reason) => return Ok(Outlook::Rejected(reason)),
            Verdict::Ready(content) => content,
        };
        let duplicate = match (reader, kind, name.to_str()) {
            (Some(reader), Kind::Data, Some(name)) => {
                let (account, duplicates) = (&self.config.name, self.config.duplicates);
                let duplicate = reader.foresee_duplicate(account, name, content.fingerprint.sha256, duplicates)?;
                match (&duplicate, &content.days) {
                    (None, Some(days)) if duplicates == Duplicates::HoldDays => {
                        reader.foresee_covered(account, days)?
                    }
                    (_, _) => duplicate,
                }
            }
            (Some(_) | None, Kind::Data | Kind::Fin, _) => None,
        };
        let of_no_day = || {
            let days = content.days.as_ref().filter(|_| self.config.duplicates == Duplicates::HoldDays)?;
            held_for_unknown_days(days, content.rows_expected).filter(|_| kind == Kind::Data)
        };
        let as_copy = || held_for_its_name(name.to_str()?, self.config.duplicates).filter(|_| kind == Kind::Data);
        let duplicate = duplicate.or_else(of_no_day).or_else(as_copy);
        Ok(match duplicate {
            Some(reason) => Outlook::Held(reason),
            None => Outlook::Ready { kind, content, instead_of },
        })
    }

    /// The data file of the job log that a marker of this name would go with.
    pub(super) fn data_of_marker(&self, reader: Option<&Reader>, name: &str) -> Result<Option<JobId>, Failure> {
        Ok(match reader {
            Some(reader) => reader.foresee_pair(&self.config.name, stem(name))?,
            None => None,
        })
    }

    /// Whether a data file of this marker's stem lies in the folder.
    pub(super) fn data_lies_there(&self, marker: &str) -> bool {
        self.config.extensions.iter().any(|extension| self.lies_there(&format!("{}.{extension}", stem(marker))))
    }

    fn lies_there(&self, name: &str) -> bool {
        self.folder.as_ref().is_some_and(|folder| folder.entry(name).is_ok())
    }
}

/// A job that ends because another file has taken its name.
fn replaced(entry: &InboxEntry) -> Option<i64> {
    entry.identity.filter(|_| entry.state == State::Queued).map(|_| entry.id.0)
}
