//! What can be said of accounts and remote jobs: the commands that ask the API.

use crate::cli::since;
use clap::{Args, Subcommand};

/// What the API can be asked for (guide, "GET retrieve all jobs").
#[derive(Debug, Args)]
#[command(next_help_heading = "With --remote")]
pub(in crate::cli) struct RemoteQuery {
    /// Only remote jobs with this status: `uploaded`, `processing`, `success`, `failure`, `deleted`
    #[arg(long, requires = "remote", value_name = "S")]
    pub(in crate::cli) status: Option<String>,
    /// From then on, by RFC 3339 or as `yyyy-mm-dd hh:mm:ss` [default: what the API takes, a month ago]
    #[arg(long, requires = "remote", value_name = "T", value_parser = since::parse_guide_date)]
    pub(in crate::cli) start: Option<String>,
    /// Until then
    #[arg(long, requires = "remote", value_name = "T", value_parser = since::parse_guide_date)]
    pub(in crate::cli) end: Option<String>,
    /// Only this page of 100 [default: all]
    #[arg(long, requires = "remote", value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(in crate::cli) page: Option<u32>,
}

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum AccountsCommand {
    /// List the accounts of the configured report suites
    List(AccountsList),
    /// Show one account
    Show(AccountsShow),
    /// Create an account
    Create(AccountsCreate),
    /// Delete an account, which cannot be undone
    Delete(AccountsDelete),
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  datadrop accounts list
  datadrop accounts list --report-suite examplersid --json | jq '.[].data_source_id'")]
pub(in crate::cli) struct AccountsList {
    #[command(flatten)]
    pub(in crate::cli) of: OfSuite,
    #[command(flatten)]
    pub(in crate::cli) shown: Shown,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  datadrop accounts show 621
  datadrop accounts show 621 --json --show-secrets")]
pub(in crate::cli) struct AccountsShow {
    /// Its data source ID
    #[arg(value_parser = clap::value_parser!(i64).range(1..))]
    pub(in crate::cli) id: i64,
    #[command(flatten)]
    pub(in crate::cli) of: OfSuite,
    #[command(flatten)]
    pub(in crate::cli) shown: Shown,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  datadrop accounts create --name 'Call centre' --email analytics@example.com
  datadrop accounts create --name Returns --type generic --report-suite examplersid --json")]
pub(in crate::cli) struct AccountsCreate {
    /// Its name in Adobe's pages
    #[arg(long)]
    pub(in crate::cli) name: Option<String>,
    /// Who is told of its files: without one Adobe tells nobody of errors
    #[arg(long)]
    pub(in crate::cli) email: Option<String>,
    /// Its type, `generic` say
    #[arg(long = "type", value_name = "TYPE")]
    pub(in crate::cli) account_type: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) of: OfSuite,
    #[command(flatten)]
    pub(in crate::cli) shown: Shown,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  datadrop accounts delete 621          # says what would be gone
  datadrop accounts delete 621 --yes")]
pub(in crate::cli) struct AccountsDelete {
    /// Its data source ID
    #[arg(value_parser = clap::value_parser!(i64).range(1..))]
    pub(in crate::cli) id: i64,
    #[command(flatten)]
    pub(in crate::cli) of: OfSuite,
    /// Really delete it
    #[arg(long)]
    pub(in crate::cli) yes: bool,
    /// Even though the configuration sends files to it
    #[arg(long)]
    pub(in crate::cli) force: bool,
    /// As a JSON object
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct OfSuite {
    /// The report suite [default: the configured ones]
    #[arg(long, value_name = "RSID", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(in crate::cli) report_suite: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct Shown {
    /// As JSON, with the names of the API
    #[arg(long)]
    pub(in crate::cli) json: bool,
    /// FTP passwords too, which are hidden otherwise
    #[arg(long)]
    pub(in crate::cli) show_secrets: bool,
}
