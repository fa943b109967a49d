//! Explains a job that needs a person, and the remedies, with commands that are values. This is the only place for
//! these words: the `.why`, `explain`, `jobs show` and the page render them.

use super::{JobId, JobStanding, Plan, Refusal, State, Verb, is_sendable, shell_word};
use std::path::Path;

/// The facts that a verdict depends on.
#[derive(Debug, Clone, Copy)]
pub struct Case<'a> {
    /// The job.
    pub id: JobId,
    /// Its account.
    pub account: &'a str,
    /// The name of the dropped file.
    pub file_name: &'a str,
    /// The state of the job.
    pub state: State,
    /// Adobe may have ingested it, and datadrop does not know whether it did.
    pub is_unsettled: bool,
    /// For a marker: the job of its data file.
    pub follows: Option<JobId>,
    /// The job's file is no longer in its place.
    pub is_gone: bool,
    /// The later job with which a person sent its file again.
    pub sent_again_as: Option<JobId>,
}

/// What happened, and what a person can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// What happened, as the continuation of the file name.
    pub what: &'static str,
    /// What a person can do, in this order.
    pub steps: Vec<Step>,
}

/// One thing that a person can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its purpose, as the beginning of a line.
    pub aim: &'static str,
    /// The command. `None` if the aim says everything.
    pub command: Option<Command>,
}

impl Verdict {
    /// The steps as lines, the commands below each other.
    #[must_use]
    pub fn lines(&self, program: &Program) -> Vec<String> {
        let width = self.steps.iter().filter(|step| step.command.is_some()).map(|step| step.aim.len()).max();
        let width = width.unwrap_or(0) + 1;
        let line = |step: &Step| match &step.command {
            Some(command) => format!("{:<width$} {}", format!("{}:", step.aim), command.line(program)),
            None => format!("{}.", step.aim),
        };
        self.steps.iter().map(line).collect()
    }
}

impl Case<'_> {
    /// Returns the verdict, or `None` if a person need not act.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        let mut verdict = self.of_state()?;
        let instead = |aim, id| vec![Step { aim, command: Some(Command::Show(id)) }];
        if let Some(again) = self.sent_again_as {
            verdict.steps = instead("Its file was sent again; to see what became of it", again);
        } else if let Some(data) = self.follows {
            verdict.steps = instead("What is done with its data file is done with it", data);
        } else if self.is_gone {
            verdict.steps.retain(|step| step.command.as_ref().is_none_or(|command| !command.sends_the_file()));
            verdict
                .steps
                .push(Step { aim: "Its file is not there any more. To send it, drop it again", command: None });
        }
        Some(verdict)
    }

    fn of_state(&self) -> Option<Verdict> {
        let id = self.id;
        let step = |aim, command| Step { aim, command: Some(command) };
        let look = || step("To see whether Adobe has it", Command::RemoteJobs(self.account.to_owned()));
        let (what, steps) = match self.state {
            State::Held if self.is_unsettled => (
                "is held; it may have been ingested, and a person has to look whether it was",
                vec![
                    look(),
                    step("If it has", Command::Adopt(id)),
                    step("If it has not (otherwise it counts twice)", Command::Resend(id)),
                    step("To leave it at that", Command::Cancel(id)),
                ],
            ),
            State::Held => (
                "is held, and not sent until a person decides",
                vec![step("To send it", Command::Release(id)), step("Not to send it", Command::Cancel(id))],
            ),
            State::Failure => (
                "was accepted by Adobe, but Adobe failed to process it",
                vec![step("Correct the file where it lies, then", Command::Retry(id))],
            ),
            State::Rejected if !is_sendable(self.file_name) => (
                "was rejected and not sent",
                vec![Step {
                    aim: "Rename it and move it into the account's folder: there it is a new file",
                    command: None,
                }],
            ),
            State::Rejected => (
                "was rejected and not sent",
                vec![step(
                    "Correct what the reason names, the file where it lies or the setting, then",
                    Command::Retry(id),
                )],
            ),
            State::Cancelled if self.is_unsettled => (
                "was cancelled, and may have been ingested",
                vec![look(), step("If it has not (otherwise it counts twice)", Command::Retry(id))],
            ),
            State::Cancelled => ("was cancelled and not sent", vec![step("To send it after all", Command::Retry(id))]),
            State::Waiting
            | State::Queued
            | State::Uploading(_)
            | State::Unconfirmed
            | State::Uploaded
            | State::Processing
            | State::Success
            | State::Partial => return None,
        };
        Some(Verdict { what, steps })
    }
}

impl Refusal {
    /// The refusal, and each step that a person can take instead.
    #[must_use]
    pub fn words(&self, program: &Program) -> String {
        let steps = self.steps().into_iter().map(|step| match step.command {
            Some(command) => format!(". {}: `{}`", step.aim, command.line(program)),
            None => format!(". {}", step.aim),
        });
        std::iter::once(self.to_string()).chain(steps).collect()
    }

    fn steps(self) -> Vec<Step> {
        let step = |aim, command| Step { aim, command: Some(command) };
        let advice = |aim| vec![Step { aim, command: None }];
        match self {
            Self::Settling(id) => vec![
                step("To wait for the result", Command::Wait(id)),
                step("To give the job up, with a record that Adobe may have ingested the file", Command::GiveUp(id)),
            ],
            Self::Ended { id, state } | Self::NotHeld { id, state } => match state {
                State::Failure | State::Rejected | State::Cancelled => {
                    vec![step("To send its file again", Command::Retry(id))]
                }
                State::Waiting
                | State::Queued
                | State::Uploading(_)
                | State::Unconfirmed
                | State::Held
                | State::Uploaded
                | State::Processing
                | State::Success
                | State::Partial => Vec::new(),
            },
            Self::Processed => advice("To send other rows, drop them in a new file"),
            Self::OnItsWay { id, .. } => vec![step("To follow it", Command::Wait(id))],
            Self::Held(id) => vec![step("To send its file", Command::Release(id))],
            Self::Unsettled(id) => vec![
                step("To see how to find out", Command::Show(id)),
                step("If Adobe has it", Command::Adopt(id)),
                step("If it has not (otherwise it counts twice)", Command::Resend(id)),
            ],
            Self::FollowsData { data, .. } => vec![step("Apply the verb to that job. To see it", Command::Show(data))],
            Self::SentAgain(again) => vec![step("To see its outcome", Command::Show(again))],
            Self::NoFile => advice("To send it, drop it again"),
            Self::Accepted | Self::NeverTakenIn => Vec::new(),
        }
    }
}

/// Describes what a verb would do to a job, for a dry run.
///
/// # Errors
/// [`Refusal`] if the verb is not allowed, or not allowed now.
pub fn foretold(verb: Verb, job: &JobStanding) -> Result<String, Refusal> {
    let state = job.state;
    Ok(match (verb.decide(job)?, verb) {
        (Plan::AsItIs, _) => format!("is {state} already"),
        (Plan::SendAgain, _) => format!("is {state}, would be sent again as a new job"),
        (Plan::Adopt(remote), _) => format!("would be taken for the remote job {remote}"),
        (Plan::Steps(_), Verb::Retry) => format!("is {state}, would be sent again"),
        (Plan::Steps(_), Verb::Hold) => format!("is {state}, would be held"),
        (Plan::Steps(_), Verb::Release(_)) => format!("is {state}, would be released"),
        (Plan::Steps(_), Verb::Cancel { .. }) => format!("is {state}, would be cancelled"),
    })
}

/// Path of the configuration, unless the user names another.
pub const USUAL_CONFIG: &str = "/etc/datadrop/datadrop.toml";

/// The beginning of a command, so that it works when pasted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    words: String,
    /// The prefix for commands that need the service's user, with a blank at the end.
    as_user: String,
}

impl Default for Program {
    fn default() -> Self {
        Self { words: "datadrop".to_owned(), as_user: String::new() }
    }
}

impl Program {
    /// For a program that was given this configuration. Under another than the usual one, a command without it would
    /// look into the wrong job log.
    #[must_use]
    pub fn reading(config: &Path) -> Self {
        if config == Path::new(USUAL_CONFIG) {
            return Self::default();
        }
        let path = std::path::absolute(config).unwrap_or_else(|_| config.to_owned());
        Self { words: format!("datadrop --config {}", shell_word(&path.to_string_lossy())), ..Self::default() }
    }

    /// Adds the service's user, for people who work as another. Commands that change something or ask Adobe need it.
    #[must_use]
    pub fn for_user(mut self, user: Option<&str>) -> Self {
        self.as_user = user.map(|user| format!("sudo -u {} ", shell_word(user))).unwrap_or_default();
        self
    }

    /// The beginning of a command that only reads the job log.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.words
    }

    /// The beginning of a command that changes something.
    #[must_use]
    pub fn to_change(&self) -> String {
        format!("{}{}", self.as_user, self.words)
    }
}

/// A command that a person can run about a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Show all that datadrop knows of it.
    Show(JobId),
    /// Send its file again, as a new job.
    Retry(JobId),
    /// Release it.
    Release(JobId),
    /// Adopt a remote job. The person fills in its number.
    Adopt(JobId),
    /// Send it, even if Adobe may already have ingested it.
    Resend(JobId),
    /// Wait for its end.
    Wait(JobId),
    /// Never send it.
    Cancel(JobId),
    /// Give it up, even if Adobe may already have ingested it.
    GiveUp(JobId),
    /// List Adobe's jobs of an account.
    RemoteJobs(String),
}

impl Command {
    /// Returns whether the command needs the file.
    fn sends_the_file(&self) -> bool {
        match self {
            Self::Retry(_) | Self::Release(_) | Self::Resend(_) => true,
            Self::Show(_)
            | Self::Wait(_)
            | Self::Adopt(_)
            | Self::Cancel(_)
            | Self::GiveUp(_)
            | Self::RemoteJobs(_) => false,
        }
    }

    /// The whole command line.
    #[must_use]
    pub fn line(&self, program: &Program) -> String {
        let words = match self {
            Self::Show(id) => format!("jobs show {id}"),
            Self::Retry(id) => format!("jobs retry {id}"),
            Self::Release(id) => format!("jobs release {id}"),
            Self::Adopt(id) => format!("jobs release {id} --adopt JOB_ID"),
            Self::Resend(id) => format!("jobs release {id} --resend"),
            Self::Wait(id) => format!("jobs wait {id}"),
            Self::Cancel(id) => format!("jobs cancel {id}"),
            Self::GiveUp(id) => format!("jobs cancel --force {id}"),
            Self::RemoteJobs(account) => format!("jobs list --remote --account {}", shell_word(account)),
        };
        let as_user = if matches!(self, Self::Show(_) | Self::Wait(_)) { "" } else { &program.as_user };
        format!("{as_user}{} {words}", program.words)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{JobStanding, Kind, Place, Plan, Release, RemoteJobId, Verb};

    fn case(state: State) -> Case<'static> {
        Case {
            id: JobId(17),
            account: "a",
            file_name: "sales.txt",
            state,
            is_unsettled: false,
            follows: None,
            is_gone: false,
            sent_again_as: None,
        }
    }

    /// Every offered step is allowed in the job's state.
    #[test]
    fn every_step_that_is_offered_can_be_taken() {
        let mut met = 0;
        for state in State::ALL {
            for is_unsettled in [false, true] {
                let standing = JobStanding {
                    id: JobId(17),
                    kind: Kind::Data,
                    state,
                    place: Place::Held,
                    is_hashed: true,
                    is_unsettled,
                    data: None,
                    sent_again_as: None,
                };
                let verdict = Case { is_unsettled, ..case(state) }.verdict();
                assert_eq!(verdict.is_some(), matches!(state.place(), Place::Held | Place::Failed), "{state}");
                for command in verdict.into_iter().flat_map(|verdict| verdict.steps).filter_map(|step| step.command) {
                    let verb = match command {
                        Command::Show(_) | Command::Wait(_) | Command::RemoteJobs(_) => continue,
                        Command::Retry(_) => Verb::Retry,
                        Command::Release(_) => Verb::Release(Release::Send),
                        Command::Adopt(_) => Verb::Release(Release::Adopt(RemoteJobId(5))),
                        Command::Resend(_) => Verb::Release(Release::Resend),
                        Command::Cancel(_) => Verb::Cancel { force: false },
                        Command::GiveUp(_) => Verb::Cancel { force: true },
                    };
                    assert!(verb.decide(&standing).is_ok_and(|plan| plan != Plan::AsItIs), "{state}: {command:?}");
                    met += 1;
                }
            }
        }
        assert_eq!(met, 11);
    }

    #[test]
    fn commands_that_need_the_service_s_user_say_so() {
        let program = Program::default().for_user(Some("datadrop"));
        assert_eq!(Command::Retry(JobId(3)).line(&program), "sudo -u datadrop datadrop jobs retry 3");
        assert_eq!(Command::Show(JobId(3)).line(&program), "datadrop jobs show 3", "members of its group may read");
    }

    #[test]
    fn a_job_without_a_file_is_not_offered_for_sending() {
        let lines = |case: Case<'_>| case.verdict().unwrap().lines(&Program::default());
        let again = Case { sent_again_as: Some(JobId(18)), is_gone: true, ..case(State::Failure) };
        assert_eq!(lines(again), ["Its file was sent again; to see what became of it: datadrop jobs show 18"]);
        let gone = Case { is_gone: true, ..case(State::Held) };
        let dropped = "Its file is not there any more. To send it, drop it again.";
        assert_eq!(lines(gone), ["Not to send it: datadrop jobs cancel 17", dropped]);
        let unsettled = lines(Case { is_unsettled: true, ..gone });
        assert!(unsettled.iter().any(|line| line.contains("--adopt")), "{unsettled:?}");
        assert!(!unsettled.iter().any(|line| line.contains("--resend")), "{unsettled:?}");
    }

    /// P3: only a command that warns of counting twice sends again a file that Adobe may have ingested.
    #[test]
    fn p3_a_possibly_ingested_file_is_looked_for_first() {
        for state in [State::Held, State::Cancelled] {
            let verdict = Case { is_unsettled: true, ..case(state) }.verdict().unwrap();
            assert_eq!(verdict.steps[0].command, Some(Command::RemoteJobs("a".to_owned())));
            for step in verdict.steps {
                let sends = matches!(step.command, Some(Command::Resend(_) | Command::Retry(_) | Command::Release(_)));
                assert_eq!(sends, step.aim.contains("counts twice"), "{step:?}");
            }
        }
    }

    #[test]
    fn a_marker_goes_with_its_data_file_and_a_name_that_cannot_be_sent_is_not_sent_again() {
        let marker = Case { follows: Some(JobId(16)), ..case(State::Held) }.verdict().unwrap();
        assert_eq!(
            marker.lines(&Program::default()),
            ["What is done with its data file is done with it: datadrop jobs show 16"]
        );
        let named = Case { file_name: "new\nline.txt", ..case(State::Rejected) }.verdict().unwrap();
        assert_eq!(
            named.lines(&Program::default()),
            ["Rename it and move it into the account's folder: there it is a new file."]
        );
    }

    #[test]
    fn commands_stand_below_each_other() {
        let verdict = Case { is_unsettled: true, ..case(State::Held) }.verdict().unwrap();
        insta::assert_snapshot!(verdict.lines(&Program::default()).join("\n"), @r"
        To see whether Adobe has it:               datadrop jobs list --remote --account a
        If it has:                                 datadrop jobs release 17 --adopt JOB_ID
        If it has not (otherwise it counts twice): datadrop jobs release 17 --resend
        To leave it at that:                       datadrop jobs cancel 17
        ");
    }

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
