//! How a command ends.

use super::people::who_can_read;
use crate::folder::FolderProblem;
use crate::job::Problem;
use crate::joblog::{JobLogError, OpenError};
use std::io;
use std::process::ExitCode;

/// The exit codes of DESIGN §7.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exit {
    /// Done.
    Done,
    /// Failed.
    Failed,
    /// Wrong usage or configuration.
    Usage,
    /// Done, but not everything succeeded.
    NotAll,
    /// No such job or account.
    NoSuch,
    /// The configuration of the daemon: systemd must not start it again and again.
    DaemonConfig,
    /// What the daemon says itself.
    Daemon(u8),
}

impl Exit {
    /// [`Exit::Done`] or [`Exit::NotAll`].
    pub(super) fn all(success: bool) -> Self {
        if success { Self::Done } else { Self::NotAll }
    }

    pub(super) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotAll => 3,
            Self::NoSuch => 4,
            Self::DaemonConfig => 78,
            Self::Daemon(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(super) struct Failure {
    exit: Exit,
    /// Nothing for a pipe that was closed.
    problem: Option<Problem>,
}

impl Failure {
    pub(super) fn new(exit: Exit, problem: impl Into<Problem>) -> Self {
        Self { exit, problem: Some(problem.into()) }
    }

    pub(super) fn failed(problem: impl Into<Problem>) -> Self {
        Self::new(Exit::Failed, problem)
    }

    /// The same words with another end.
    pub(super) fn with_exit(self, exit: Exit) -> Self {
        Self { exit, ..self }
    }

    pub(super) fn exit(&self) -> Exit {
        self.exit
    }

    pub(super) fn problem(&self) -> Option<&Problem> {
        self.problem.as_ref()
    }
}

/// A reader that closed the output (`datadrop jobs list | head`) is a success; any other error is a failure.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            Self { exit: Exit::Done, problem: None }
        } else {
            Self::failed(format!("cannot write the output: {error}"))
        }
    }
}

impl From<OpenError> for Failure {
    fn from(error: OpenError) -> Self {
        let who = match &error {
            OpenError::Closed { dir, file, .. } => who_can_read(file, dir),
            OpenError::None(_)
            | OpenError::Running(_)
            | OpenError::StateDir { .. }
            | OpenError::Newer { .. }
            | OpenError::Earlier(_)
            | OpenError::NotYours { .. }
            | OpenError::Locked { .. }
            | OpenError::Gone(_)
            | OpenError::Lost { .. }
            | OpenError::Foreign { .. }
            | OpenError::Damaged { .. } => None,
        };
        Self::failed(who.map_or_else(|| error.problem(), |who| format!("{error}: {who}").into()))
    }
}

impl From<FolderProblem> for Failure {
    fn from(problem: FolderProblem) -> Self {
        let who = match &problem {
            FolderProblem::Closed { dir, .. } => who_can_read(dir, dir),
            FolderProblem::Missing(_)
            | FolderProblem::NotAFolder(_)
            | FolderProblem::NotOurs { .. }
            | FolderProblem::InUse(_)
            | FolderProblem::Displaced { .. }
            | FolderProblem::Untrusted { .. }
            | FolderProblem::Unfit { .. }
            | FolderProblem::ReadOnly { .. } => None,
        };
        Self::failed(who.map_or_else(|| problem.problem(), |who| format!("{problem}: {who}").into()))
    }
}

impl From<JobLogError> for Failure {
    fn from(error: JobLogError) -> Self {
        let exit = match error {
            JobLogError::NoSuchJob(_) => Exit::NoSuch,
            JobLogError::Storage(_) | JobLogError::Impossible(_) | JobLogError::BadRow { .. } | JobLogError::Closed => {
                Exit::Failed
            }
        };
        Self::new(exit, error.to_string())
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::failed(format!("cannot write JSON: {error}"))
    }
}

impl From<csv::Error> for Failure {
    fn from(error: csv::Error) -> Self {
        Self::failed(format!("cannot write CSV: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_pipe_is_a_success_without_a_word() {
        let failure = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!((failure.exit(), failure.problem()), (Exit::Done, None));
        assert_eq!(Failure::from(io::Error::other("disk full")).exit(), Exit::Failed);
    }
}
