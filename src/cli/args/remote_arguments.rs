//! What can be said of accounts and remote jobs: the commands that ask the API.

use crate::adobe::guide_date;
use crate::job::Timestamp;
use clap::{Args, Subcommand};
use jiff::civil::DateTime;
use std::path::PathBuf;

/// What the API can be asked for (DESIGN §5, "GET retrieve all jobs").
#[derive(Debug, Args)]
#[command(next_help_heading = "With --remote")]
pub(in crate::cli) struct RemoteQuery {
    /// Only remote jobs with this status: `uploaded`, `processing`, `success`, `failure`, `deleted`
    #[arg(long, requires = "remote", value_name = "S")]
    pub(in crate::cli) status: Option<String>,
    /// From then on, by RFC 3339 or as `yyyy-mm-dd hh:mm:ss` [default: what the API takes, a month ago]
    #[arg(long, requires = "remote", value_name = "T", value_parser = parse_guide_date)]
    pub(in crate::cli) start: Option<String>,
    /// Until then
    #[arg(long, requires = "remote", value_name = "T", value_parser = parse_guide_date)]
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
    /// Set the address that Adobe notifies of files and errors [default: none, and Adobe reports no
    /// errors]
    #[arg(long)]
    pub(in crate::cli) email: Option<String>,
    /// Its type, for example `generic`
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

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  datadrop init                         # asks
  datadrop init --client-id 0123456789abcdef --client-secret-file - --report-suite examplersid < secret
  datadrop init --config ./datadrop.toml --base-url http://127.0.0.1:8610/api --token-url http://127.0.0.1:8610/ims/token/v3")]
pub(in crate::cli) struct InitArguments {
    /// The client ID of the credential
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) client_id: Option<String>,
    /// A file that holds the client secret; `-` is standard input. Never the secret itself: others see command lines
    #[arg(long, value_name = "F")]
    pub(in crate::cli) client_secret_file: Option<PathBuf>,
    /// The global company ID [default: looked up]
    #[arg(long, value_name = "ID")]
    pub(in crate::cli) company: Option<String>,
    /// The report suite
    #[arg(long, value_name = "RSID")]
    pub(in crate::cli) report_suite: Option<String>,
    /// The Data Sources account [default: looked up]
    #[arg(long, value_name = "ID", value_parser = clap::value_parser!(i64).range(1..))]
    pub(in crate::cli) data_source: Option<i64>,
    /// Make a new Data Sources account of this name
    #[arg(long, value_name = "NAME", conflicts_with = "data_source")]
    pub(in crate::cli) create_account: Option<String>,
    /// Whom Adobe tells of the new account's files
    #[arg(long, requires = "create_account")]
    pub(in crate::cli) email: Option<String>,
    /// The account's name in the configuration [default: after its name at Adobe]
    #[arg(long)]
    pub(in crate::cli) name: Option<String>,
    /// The folder to watch [default: /srv/datadrop/NAME]
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) folder: Option<PathBuf>,
    /// Where the secret is written [default: `client_secret` beside the configuration]
    #[arg(long, value_name = "F")]
    pub(in crate::cli) secret_file: Option<PathBuf>,
    /// `api.base_url`, if it is not Adobe's
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) base_url: Option<String>,
    /// `api.token_url`, if it is not Adobe's
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) token_url: Option<String>,
    /// `api.proxy`
    #[arg(long, value_name = "URL")]
    pub(in crate::cli) proxy: Option<String>,
    /// `api.ca_file`
    #[arg(long, value_name = "F")]
    pub(in crate::cli) ca_file: Option<PathBuf>,
}

/// Reads a time for the API: by RFC 3339, or in the form that the API itself wants, which names no zone and is passed on
/// as it is.
pub(super) fn parse_guide_date(text: &str) -> Result<String, String> {
    let text = text.trim();
    if let Ok(instant) = text.parse::<jiff::Timestamp>() {
        return Ok(guide_date(Timestamp(instant.as_millisecond())));
    }
    let form = "yyyy-mm-dd hh:mm:ss";
    if text.len() == form.len() && DateTime::strptime("%Y-%m-%d %H:%M:%S", text).is_ok() {
        return Ok(text.to_owned());
    }
    Err(format!("not a time for the API; write it as \"{form}\", or by RFC 3339 such as `2026-11-23T06:00:00Z`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_for_the_api_are_in_its_own_form() {
        for (text, date) in [
            ("2026-11-23T06:00:00Z", "2026-11-23 06:00:00"),
            ("2026-11-23T06:00:00+02:00", "2026-11-23 04:00:00"),
            ("2026-11-23 06:00:00", "2026-11-23 06:00:00"),
        ] {
            assert_eq!(parse_guide_date(text).as_deref(), Ok(date));
        }
        for text in ["", "2h", "2026-11-23", "2026-11-23T06:00:00", "2026-13-23 06:00:00", "2026-11-23 6:00:000"] {
            assert!(parse_guide_date(text).is_err(), "{text}");
        }
    }
}
