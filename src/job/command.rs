//! Commands of datadrop in what people read: values, so that whatever shows them can name the configuration.

use super::{JobId, shell_word};
use std::path::Path;

/// Where the configuration lies unless another is named.
pub const USUAL_CONFIG: &str = "/etc/datadrop/datadrop.toml";

/// How a command begins so that it works when it is pasted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program(String);

impl Default for Program {
    fn default() -> Self {
        Self("datadrop".to_owned())
    }
}

impl Program {
    /// For what was given this configuration: under another than the usual one, the same command would look into the wrong job
    /// log.
    #[must_use]
    pub fn reading(config: &Path) -> Self {
        if config == Path::new(USUAL_CONFIG) {
            return Self::default();
        }
        let path = std::path::absolute(config).unwrap_or_else(|_| config.to_owned());
        Self(format!("datadrop --config {}", shell_word(&path.to_string_lossy())))
    }

    /// What comes before the words of a command.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a person can do about a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// See all that is known of it.
    Show(JobId),
    /// Send its file again, as a new job.
    Retry(JobId),
    /// Let it go.
    Release(JobId),
    /// Take a remote job for it, whose number is still to be filled in.
    Adopt(JobId),
    /// Send it whether or not it was ingested before.
    Resend(JobId),
    /// Never send it.
    Cancel(JobId),
    /// See what Adobe has of an account.
    RemoteJobs(String),
}

impl Command {
    /// The whole line.
    #[must_use]
    pub fn line(&self, program: &Program) -> String {
        let words = match self {
            Self::Show(id) => format!("jobs show {id}"),
            Self::Retry(id) => format!("jobs retry {id}"),
            Self::Release(id) => format!("jobs release {id}"),
            Self::Adopt(id) => format!("jobs release {id} --adopt JOB_ID"),
            Self::Resend(id) => format!("jobs release {id} --resend"),
            Self::Cancel(id) => format!("jobs cancel {id}"),
            Self::RemoteJobs(account) => format!("jobs list --remote --account {}", shell_word(account)),
        };
        format!("{} {words}", program.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_names_the_configuration_unless_it_is_the_usual_one() {
        let show = |config: &str| Command::Show(JobId(3)).line(&Program::reading(Path::new(config)));
        assert_eq!(show(USUAL_CONFIG), "datadrop jobs show 3");
        assert_eq!(show("/x y/d.toml"), "datadrop --config '/x y/d.toml' jobs show 3");
        assert!(show("d.toml").starts_with("datadrop --config /"), "from any folder");
        let list = Command::RemoteJobs("call centre".to_owned()).line(&Program::default());
        assert_eq!(list, "datadrop jobs list --remote --account 'call centre'");
    }
}
