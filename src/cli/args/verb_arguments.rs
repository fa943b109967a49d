//! What can be said to verbs that change jobs.

use super::{search, state_words};
use crate::joblog::Search;
use crate::status::Since;
use clap::Args;
use clap::builder::PossibleValuesParser;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  datadrop jobs retry 17
  datadrop jobs retry --account callcentre --state failure --since 2d --dry-run
  datadrop jobs retry --account callcentre --state failure --since 2d

The file comes back into the folder and becomes a new job, which names the old one; its marker comes along.
Exit status: 0 all done; 3 some refused; 1 none done; 4 no such job.")]
#[command(
    override_usage = "datadrop jobs retry [OPTIONS] <ID>...\n       datadrop jobs retry [OPTIONS] [--account A] [--state S]... [--since T] [--name GLOB] [--search TEXT]"
)]
pub(in crate::cli) struct RetryArguments {
    #[command(flatten)]
    pub(in crate::cli) jobs: Selection,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  datadrop jobs hold 17 18
  datadrop jobs hold --account callcentre --name 'sales*'

An upload under way is broken off while Adobe cannot have the whole file yet; later, holding is refused.
Exit status: 0 all done; 3 some refused; 1 none done; 4 no such job.")]
#[command(
    override_usage = "datadrop jobs hold [OPTIONS] <ID>...\n       datadrop jobs hold [OPTIONS] [--account A] [--state S]... [--since T] [--name GLOB] [--search TEXT]"
)]
pub(in crate::cli) struct HoldArguments {
    #[command(flatten)]
    pub(in crate::cli) jobs: Selection,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  datadrop jobs release 17
  datadrop jobs release 17 --adopt 901234567     # it is at Adobe already, as this job
  datadrop jobs release 17 --resend              # it is not there: send it

A duplicate, or what was put on hold, is sent. What may have been ingested already wants --adopt or --resend.
Exit status: 0 all done; 3 some refused; 1 none done; 4 no such job.")]
#[command(
    override_usage = "datadrop jobs release [OPTIONS] <ID>...\n       datadrop jobs release [OPTIONS] [--account A] [--state S]... [--since T] [--name GLOB] [--search TEXT]"
)]
pub(in crate::cli) struct ReleaseArguments {
    #[command(flatten)]
    pub(in crate::cli) jobs: Selection,
    /// Send what may have been ingested already: Adobe may count it twice
    #[arg(long)]
    pub(in crate::cli) resend: bool,
    /// Send nothing: it became this remote job, as Adobe confirms (one job at a time)
    #[arg(long, value_name = "JOB_ID", conflicts_with = "resend", value_parser = clap::value_parser!(i64).range(1..))]
    pub(in crate::cli) adopt: Option<i64>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  datadrop jobs cancel 17
  datadrop jobs cancel --account callcentre --state held --dry-run
  datadrop jobs cancel 17 --force      # whether or not Adobe has it already

The file moves to failed/. What Adobe has accepted cannot be cancelled.
Exit status: 0 all done; 3 some refused; 1 none done; 4 no such job.")]
#[command(
    override_usage = "datadrop jobs cancel [OPTIONS] <ID>...\n       datadrop jobs cancel [OPTIONS] [--account A] [--state S]... [--since T] [--name GLOB] [--search TEXT]"
)]
pub(in crate::cli) struct CancelArguments {
    #[command(flatten)]
    pub(in crate::cli) jobs: Selection,
    /// Also where Adobe may have it already; the job log records that it may have been ingested
    #[arg(long)]
    pub(in crate::cli) force: bool,
}

/// Jobs by number, or all that a filter names.
#[derive(Debug, Args)]
pub(in crate::cli) struct Selection {
    /// The jobs' numbers
    #[arg(
        value_name = "ID",
        required_unless_present_any = ["account", "states", "since", "name", "search"],
        value_parser = clap::value_parser!(i64).range(1..)
    )]
    pub(in crate::cli) ids: Vec<i64>,
    /// Jobs of this account
    #[arg(long, value_name = "A", conflicts_with = "ids")]
    pub(in crate::cli) account: Option<String>,
    /// Jobs in this state. May be given several times
    #[arg(long = "state", value_name = "S", conflicts_with = "ids", value_parser = PossibleValuesParser::new(state_words()))]
    pub(in crate::cli) states: Vec<String>,
    /// Files seen since then: `2h` or `7d` back from now, a date, or a time by RFC 3339
    #[arg(long, value_name = "T", conflicts_with = "ids", value_parser = Since::parse)]
    pub(in crate::cli) since: Option<Since>,
    /// File names like this (`*`, `?`, `[…]`)
    #[arg(long, value_name = "GLOB", conflicts_with = "ids")]
    pub(in crate::cli) name: Option<String>,
    /// Jobs with this remote job ID, SHA-256 (6 digits or more of its beginning), data day (yyyy-mm-dd) or text in the reason
    #[arg(long, value_name = "TEXT", conflicts_with = "ids", value_parser = search)]
    pub(in crate::cli) search: Option<Search>,
    /// Print what would be done, and change nothing
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
    /// As a JSON array with an object for each job
    #[arg(long)]
    pub(in crate::cli) json: bool,
}
