//! What can be said about an emulator.

use super::duration;
use crate::config::{RateLimit, parse_rate};
use crate::emulator::{Dialect, FaultRule, Names, Rows};
use clap::Args;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Args)]
#[command(
    after_help = "\
Examples:
  datadrop emulator
  datadrop emulator --dialect guide --processing 30s --rate-limit off
  datadrop emulator --fault 'upload:after-commit:reset:p=0.1'
  datadrop emulator --put-status 404 --rows file --halt-on-error
  datadrop emulator --client-id rehearsal --client-secret-file ./secret     # refuses any other secret",
    after_long_help = format!(
        "Examples:\n  datadrop emulator\n  datadrop emulator --dialect guide --processing 30s --rate-limit off\n  \
         datadrop emulator --fault 'upload:after-commit:reset:p=0.1'\n  \
         datadrop emulator --put-status 404 --rows file --halt-on-error\n  \
         datadrop emulator --client-id rehearsal --client-secret-file ./secret     # refuses any other secret\n\nRules for --fault:\n{}",
        FaultRule::HELP
    )
)]
pub(in crate::cli) struct EmulatorArguments {
    /// A loopback address; port 0 takes a free one
    #[arg(long, value_name = "A:P", default_value = "127.0.0.1:8610")]
    pub(in crate::cli) listen: SocketAddr,
    /// Which description of the API it follows: `guide`, `current` or `both`
    #[arg(long, value_name = "D", default_value = "both")]
    pub(in crate::cli) dialect: Dialect,
    /// From the acceptance of a file to the end of its job
    #[arg(long, value_name = "T", default_value = "5s", value_parser = duration)]
    pub(in crate::cli) processing: Duration,
    /// Limit requests per sliding window, or `off`
    #[arg(long, value_name = "R", default_value = "12/6s", value_parser = rate)]
    pub(in crate::cli) rate_limit: Rate,
    /// Determines job numbers and the chance of faults
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(in crate::cli) seed: u64,
    /// What becomes of names: `keep`, `lower`, `nfc` (accents composed), `underscore` (not ASCII, blanks) or `cut` (24 long)
    #[arg(long, value_name = "N", default_value = "keep")]
    pub(in crate::cli) names: Names,
    /// What a row count counts: `processed` (grows, and lacks skipped rows) or `file` (all rows, from the first response on)
    #[arg(long, value_name = "R", default_value = "processed")]
    pub(in crate::cli) rows: Rows,
    /// Refuse PUT uploads with this status, such as 403, 404 or 405, as a gateway that does not route them
    #[arg(long, value_name = "STATUS", value_parser = clap::value_parser!(u16).range(400..=599))]
    pub(in crate::cli) put_status: Option<u16>,
    /// Halt a data source after a failed job: later jobs stay `uploaded` until `POST /_emulator/restart`
    #[arg(long)]
    pub(in crate::cli) halt_on_error: bool,
    /// Keep jobs and job numbers there over restarts [default: each run begins with no job and the same numbers]
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) state: Option<PathBuf>,
    /// How long a token is good
    #[arg(long, value_name = "T", default_value = "24h", value_parser = duration)]
    pub(in crate::cli) token_life: Duration,
    /// The only client ID that gets a token, with --client-secret-file [default: any]
    #[arg(long, value_name = "ID", requires = "client_secret_file")]
    pub(in crate::cli) client_id: Option<String>,
    /// Holds the only secret that gets a token: any other is refused, as Adobe refuses one that was revoked
    #[arg(long, value_name = "FILE", requires = "client_id")]
    pub(in crate::cli) client_secret_file: Option<PathBuf>,
    /// An account that exists, as `RSID/ID`. May be given several times [default: any that is asked for exists]
    #[arg(long = "account", value_name = "A", value_parser = account_of_suite)]
    pub(in crate::cli) accounts: Vec<(String, i64)>,
    /// What goes wrong; `--help` explains the rules. May be given several times
    #[arg(long = "fault", value_name = "RULE")]
    pub(in crate::cli) faults: Vec<FaultRule>,
}

/// A rate limit or `off`; a type of its own because clap gives a bare `Option` another meaning.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Rate(pub(in crate::cli) Option<RateLimit>);

fn rate(text: &str) -> Result<Rate, String> {
    parse_rate(text).map(Rate).map_err(|why| format!("{why}; write it like `12/6s`, or `off`"))
}

fn account_of_suite(text: &str) -> Result<(String, i64), String> {
    text.split_once('/')
        .and_then(|(suite, id)| Some((suite.to_owned(), id.parse().ok().filter(|&id| id > 0)?)))
        .filter(|(suite, _)| !suite.is_empty())
        .ok_or_else(|| "not an account; write report suite and data source ID, such as `examplersid/621`".to_owned())
}
