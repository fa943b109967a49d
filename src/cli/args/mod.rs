//! What can be said on the command line.

mod emulator_arguments;
mod question_arguments;
mod remote_arguments;
mod verb_arguments;

pub(super) use emulator_arguments::EmulatorArguments;
pub(super) use question_arguments::{
    AlertsCommand, AlertsMute, AlertsTest, AlertsUnmute, CheckArguments, CompletionsArguments, ExplainArguments,
    ManArguments, SupportBundleArguments, TemplateArguments, VerifyArguments,
};
pub(super) use remote_arguments::{
    AccountsCommand, AccountsCreate, AccountsDelete, AccountsList, AccountsShow, InitArguments, RemoteQuery,
};

pub(super) use verb_arguments::{CancelArguments, HoldArguments, ReleaseArguments, RetryArguments, Selection};

use crate::config::parse_duration;
use crate::job::State;
use crate::job::USUAL_CONFIG;
use crate::joblog::Search;
use crate::status::{JOB_COLUMNS, Since};
use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand};
use jiff::civil::Date;
use std::path::PathBuf;
use std::time::Duration;

/// Feeds files dropped into folders to the Adobe Analytics Data Sources API:
/// never lost, never twice, never partial, never silent.
#[derive(Debug, Parser)]
#[command(
    name = "datadrop",
    version,
    propagate_version = true,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "\
Try it without an account at Adobe:
  datadrop demo

Exit status: 0 done; 1 failed; 2 usage or configuration (`run`: 78);
3 done, but not everything succeeded; 4 no such job or account."
)]
pub(super) struct Cli {
    /// The configuration.
    #[arg(
        long,
        global = true,
        value_name = "FILE",
        env = "DATADROP_CONFIG",
        default_value = USUAL_CONFIG
    )]
    pub(super) config: PathBuf,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write a first configuration
    Init(InitArguments),
    /// Run the daemon
    Run(RunArguments),
    /// Show everything at work on this machine: a local API, sample files, the daemon
    Demo(DemoArguments),
    /// Run a local Data Sources API for rehearsals
    Emulator(EmulatorArguments),
    /// Put files into an account's folder, each complete at once
    Drop(DropArguments),
    /// Say what Adobe would reject or skip of files, with line and column
    Check(CheckArguments),
    /// Print a header for an account's files, with the friendly names of its report suite
    Template(TemplateArguments),
    /// Look into the job log
    #[command(subcommand)]
    Jobs(JobsCommand),
    /// Show per data day what was accepted, what is missing, and what came twice
    Coverage(CoverageArguments),
    /// Look after the Data Sources accounts at Adobe
    #[command(subcommand)]
    Accounts(AccountsCommand),
    /// Say where the service and each account stand
    Status(StatusArguments),
    /// Say in one sentence why a file is, or is not, on its way
    Explain(ExplainArguments),
    /// Say what is wrong with configuration, folders, this computer and accounts, and what helps
    Doctor(DoctorArguments),
    /// Test the receivers of alerts, or mute an account
    #[command(subcommand)]
    Alerts(AlertsCommand),
    /// Rebuild what a lost or old job log must know, from the folders and from Adobe's list
    Recover(RecoverArguments),
    /// Compare the files in `done/` with what the job log says was sent
    Verify(VerifyArguments),
    /// Write an archive for a bug report, without secrets and without content of files
    SupportBundle(SupportBundleArguments),
    /// Print what systemd must know about this configuration
    #[command(subcommand)]
    Service(ServiceCommand),
    /// Print completions for a shell
    Completions(CompletionsArguments),
    /// Print the manual page, or write the pages of all commands
    Man(ManArguments),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  datadrop run
  datadrop run --once --timeout 2h      # deliver what lies there, follow it to its end, stop
  datadrop run --dry-run                # what would be sent, and how long it takes

Exit status: 0 done; 1 failed; 3 with --once, not everything succeeded; 78 the configuration is wrong, in all forms.")]
pub(super) struct RunArguments {
    /// Deliver what is there, follow it until nothing can go on without a person, and stop
    #[arg(long)]
    pub(super) once: bool,
    /// Stop after this time at the latest (`30m`, `2h`)
    #[arg(long, value_name = "T", requires = "once", value_parser = duration)]
    pub(super) timeout: Option<Duration>,
    /// Say what would be sent, file by file; send and move nothing
    #[arg(long)]
    pub(super) dry_run: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  datadrop demo
  datadrop demo --dir ./demo --keep     # goes on, so that you can drop files of your own")]
pub(super) struct DemoArguments {
    /// Where the demo puts its folders; must be empty or not exist [default: a new temporary directory]
    #[arg(long)]
    pub(super) dir: Option<PathBuf>,
    /// Go on until Ctrl-C
    #[arg(long)]
    pub(super) keep: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  datadrop drop sales.txt --account callcentre
  datadrop drop sales.txt costs.txt --account callcentre --fin --wait")]
pub(super) struct DropArguments {
    /// Plain files; each keeps its name
    #[arg(value_name = "FILE", required = true)]
    pub(super) files: Vec<PathBuf>,
    /// The account
    #[arg(long, value_name = "A")]
    pub(super) account: String,
    /// Put a marker (`STEM.fin`) after each data file
    #[arg(long)]
    pub(super) fin: bool,
    /// Follow each file to its end
    #[arg(long)]
    pub(super) wait: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum JobsCommand {
    /// List jobs, newest last
    List(ListArguments),
    /// Show one job: its columns, its attempts, its history
    Show(ShowArguments),
    /// Follow jobs to their end
    Wait(WaitArguments),
    /// Send the files of failed, rejected or cancelled jobs again, as new jobs
    Retry(RetryArguments),
    /// Keep jobs from being sent until they are released
    Hold(HoldArguments),
    /// Let held jobs go
    Release(ReleaseArguments),
    /// See to it that jobs are never sent
    Cancel(CancelArguments),
    /// Watch jobs live, until Ctrl-C
    #[command(after_help = "\
Examples:
  datadrop jobs watch
  datadrop jobs watch > changes.log     # no terminal: a line for each change")]
    Watch,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  datadrop jobs list --account callcentre --since 2h
  datadrop jobs list --state failure --state held --name 'sales*'
  datadrop jobs list --since 2026-11-01 --csv > november.csv
  datadrop jobs list --search 2026-11-23 --columns id,file_name     # files with rows of that day
  datadrop jobs list --remote --account callcentre --status failure     # asks Adobe, not the job log")]
pub(super) struct ListArguments {
    /// Only this account
    #[arg(long, value_name = "A")]
    pub(super) account: Option<String>,
    /// Only jobs in this state. May be given several times
    #[arg(long = "state", conflicts_with = "remote", value_name = "S", value_parser = PossibleValuesParser::new(state_words()))]
    pub(super) states: Vec<String>,
    /// Only files seen since then: `2h` or `7d` back from now, a date, or a time by RFC 3339
    #[arg(long, conflicts_with = "remote", value_name = "T", value_parser = Since::parse)]
    pub(super) since: Option<Since>,
    /// Only file names like this (`*`, `?`, `[…]`)
    #[arg(long, conflicts_with = "remote", value_name = "GLOB")]
    pub(super) name: Option<String>,
    /// Only jobs with this remote job ID, SHA-256 (6 digits or more of its beginning), data day (yyyy-mm-dd) or text in the reason
    #[arg(long, conflicts_with = "remote", value_name = "TEXT", value_parser = search)]
    pub(super) search: Option<Search>,
    /// Only the newest N [default: 50 in a table, else all]
    #[arg(long, conflicts_with = "remote", value_name = "N")]
    pub(super) limit: Option<usize>,
    /// Ask the API for the account's jobs instead of the job log
    #[arg(long)]
    pub(super) remote: bool,
    #[command(flatten)]
    pub(super) query: RemoteQuery,
    /// Only these columns of the job log, in this order, such as `id,file_name,sha256`; also with --json and --csv
    #[arg(long, conflicts_with = "remote", value_name = "LIST", value_delimiter = ',', value_parser = PossibleValuesParser::new(JOB_COLUMNS))]
    pub(super) columns: Vec<String>,
    /// As a JSON array with every column
    #[arg(long, conflicts_with = "csv")]
    pub(super) json: bool,
    /// As CSV with every column
    #[arg(long)]
    pub(super) csv: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  datadrop jobs show 17
  datadrop jobs show 17 --json | jq .reason
  datadrop jobs show --remote 901234567 --account callcentre     # asks Adobe, not the job log")]
pub(super) struct ShowArguments {
    /// The job's number; with --remote Adobe's job ID
    #[arg(value_parser = clap::value_parser!(i64).range(1..))]
    pub(super) id: i64,
    /// Ask the API for its job of that ID
    #[arg(long)]
    pub(super) remote: bool,
    /// The account that the remote job belongs to
    #[arg(long, requires = "remote", value_name = "A")]
    pub(super) account: Option<String>,
    /// As a JSON object
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  datadrop jobs wait 17 18 --timeout 30m && echo all in

Exit status: 0 all ended in success; 3 not all did; 1 the time is over; 4 no such job.")]
pub(super) struct WaitArguments {
    /// The jobs' numbers
    #[arg(value_name = "ID", required = true, value_parser = clap::value_parser!(i64).range(1..))]
    pub(super) ids: Vec<i64>,
    /// Give up after this time (`30m`, `2h`)
    #[arg(long, value_name = "T", value_parser = duration)]
    pub(super) timeout: Option<Duration>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  datadrop coverage --account callcentre
  datadrop coverage --from 2026-11-01 --to 2026-11-30 --csv > november.csv
  datadrop coverage --json | jq '.[] | select(.status == \"missing\") | .day'

Only accepted files count. A day is missing if the account's `expect_days`, or else the last 60 days, say that it should be there,
and double if two accepted files with the same columns report it.")]
pub(super) struct CoverageArguments {
    /// Only this account
    #[arg(long, value_name = "A")]
    pub(super) account: Option<String>,
    /// Only this day and later ones [default: all; of a calendar, the last 12 months]
    #[arg(long, value_name = "D", value_parser = day, conflicts_with = "rebuild")]
    pub(super) from: Option<Date>,
    /// Only this day and earlier ones
    #[arg(long, value_name = "D", value_parser = day, conflicts_with = "rebuild")]
    pub(super) to: Option<Date>,
    /// As a JSON array
    #[arg(long, conflicts_with_all = ["csv", "rebuild"])]
    pub(super) json: bool,
    /// As CSV
    #[arg(long, conflicts_with = "rebuild")]
    pub(super) csv: bool,
    /// Read the days of all files in sent/ and done/ again, while the service is stopped
    #[arg(long)]
    pub(super) rebuild: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  systemctl stop datadrop; datadrop recover; systemctl start datadrop
  datadrop recover --account callcentre --force-new     # without asking Adobe

Until then nothing is sent of an account whose sent/ or done/ holds files that the job log does not know.")]
pub(super) struct RecoverArguments {
    /// Only this account
    #[arg(long, value_name = "A")]
    pub(super) account: Option<String>,
    /// Go on without Adobe's list: send the files in the inbox, even if someone has sent them before
    #[arg(long)]
    pub(super) force_new: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  datadrop status
  datadrop status --json | jq '.accounts[] | select(.blocked != null)'")]
pub(super) struct StatusArguments {
    /// As a JSON object
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo datadrop doctor
  datadrop doctor --offline             # sends nothing
  datadrop doctor --json | jq '.[] | select(.verdict != \"ok\")'
  datadrop doctor --probe development   # sends files, once you have agreed

Nothing is changed. Each line begins with ok, warn or FAIL; what helps stands behind the last semicolon.
Exit status: 0 nothing fails; 1 something does; 2 the configuration is wrong.

With --probe nothing is examined. It sends about a dozen tiny files to the account's report suite,
which must be one for development: Adobe adds their rows, and they cannot be removed. It lists them
first, and wants the ID of the report suite as an answer, also from a pipe. Then it watches Adobe's
list and prints which upload requests are accepted, whether markers are wanted, whether names come
back unchanged, what is counted as rows, the time zone of dates, and how long all that takes. The
service may run. Ctrl-C ends it, and what was seen is printed.
Exit status: 0 every question is answered; 3 some are open; 1 no file arrived, or you did not agree;
2 the configuration is wrong; 4 no such account.")]
pub(super) struct DoctorArguments {
    /// Do not ask Adobe for token, company, accounts and time
    #[arg(long)]
    pub(super) offline: bool,
    /// As a JSON array with an object for each finding, with --probe for each question
    #[arg(long)]
    pub(super) json: bool,
    /// Send small files to this account's report suite, and record how the API behaves
    #[arg(long, value_name = "ACCOUNT", conflicts_with = "offline")]
    pub(super) probe: Option<String>,
    /// End the probe after this time (`5m`, `2h`)
    #[arg(long, value_name = "T", value_parser = duration, default_value = "30m", requires = "probe")]
    pub(super) timeout: Duration,
    /// The Markdown file for a bug report, which must not exist [default: datadrop-probe-TIME in this directory]
    #[arg(long, value_name = "FILE", requires = "probe")]
    pub(super) report: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum ServiceCommand {
    /// Print the drop-in that lets the service write to the configured folders
    #[command(after_help = "\
Examples:
  datadrop service print-folders
  datadrop service print-folders | sudo tee /etc/systemd/system/datadrop.service.d/folders.conf

Folders below /srv/datadrop need none. Afterwards: systemctl daemon-reload, and restart the service.")]
    PrintFolders,
}

/// A day of `--from` and `--to`.
fn day(text: &str) -> Result<Date, String> {
    text.parse().map_err(|_| "write a day such as 2026-11-23".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|why| format!("{why}; write it like `300ms`, `15s`, `5m` or `7d`"))
}

fn search(text: &str) -> Result<Search, String> {
    Search::parse(text).ok_or_else(|| "write what to look for, such as `2026-11-23`".to_owned())
}

/// The words of DESIGN §4, each once.
fn state_words() -> Vec<&'static str> {
    let mut words: Vec<&str> = State::ALL.into_iter().map(State::as_str).collect();
    words.dedup();
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_configuration_may_be_named_before_and_after_the_command() {
        for line in [["datadrop", "--config", "x.toml", "status"], ["datadrop", "status", "--config", "x.toml"]] {
            assert_eq!(Cli::try_parse_from(line).unwrap().config, PathBuf::from("x.toml"));
        }
    }

    #[test]
    fn every_command_shows_examples() {
        fn leaves(command: &clap::Command) -> Vec<&clap::Command> {
            if command.has_subcommands() { command.get_subcommands().flat_map(leaves).collect() } else { vec![command] }
        }
        let cli = Cli::command();
        for command in leaves(&cli) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.starts_with("Examples:"), "{}", command.get_name());
        }
    }

    #[test]
    fn an_unknown_state_shows_the_known_ones() {
        let error = Cli::try_parse_from(["datadrop", "jobs", "list", "--state", "done"]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        let text = error.to_string();
        assert!(state_words().iter().all(|word| text.contains(word)) && state_words().len() == 12, "{text}");
    }

    #[test]
    fn bad_values_say_how_to_write_them() {
        for (line, remedy) in [
            (vec!["datadrop", "run", "--once", "--timeout", "5"], "`15s`"),
            (vec!["datadrop", "emulator", "--rate-limit", "x"], "`12/6s`"),
            (vec!["datadrop", "jobs", "list", "--since", "soon"], "`2h`"),
            (vec!["datadrop", "jobs", "list", "--remote", "--start", "2h"], "yyyy-mm-dd hh:mm:ss"),
            (vec!["datadrop", "emulator", "--account", "621"], "`examplersid/621`"),
        ] {
            let error = Cli::try_parse_from(line).unwrap_err().to_string();
            assert!(error.contains(remedy), "{error}");
        }
    }
}
