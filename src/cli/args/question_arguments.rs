//! Commands that answer questions, and those that help to ask them.

use crate::config::parse_duration;
use clap::{Args, Subcommand};
use clap_complete::Shell;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  datadrop check sales.txt costs.txt
  datadrop check sales.txt --json | jq '.[] | select(.severity == \"fails\")'
  datadrop check sales.txt --totals
  datadrop check sales.txt --fix --diff
  datadrop check sales.txt --fix --out mended
  datadrop check --explain semicolon

It fails, skips or is doubtful: Adobe fails the file, skips the row, or says nothing about it.
Exit status: 0 nothing worse than doubtful; 3 Adobe would fail a file or skip rows; 1 a file cannot be read.
With --fix: 0 nothing is found in the result any more; 3 something is; 1 a file cannot be read, or a copy not be written.")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(in crate::cli) struct CheckArguments {
    /// Data files and markers; no configuration is needed
    #[arg(value_name = "FILE", required_unless_present = "explain")]
    pub(in crate::cli) files: Vec<PathBuf>,
    /// Also use what is known of this account: its data source, extensions and largest file
    #[arg(long, value_name = "A", conflicts_with = "explain")]
    pub(in crate::cli) account: Option<String>,
    /// As a JSON array with an object for each finding, with --totals for each data day, with --fix for each file
    #[arg(long)]
    pub(in crate::cli) json: bool,
    /// Print the rows and the exact sum of each metric per data day, instead of the findings
    #[arg(long, conflicts_with = "explain")]
    pub(in crate::cli) totals: bool,
    /// Write a corrected copy beside each file (`sales.fixed.txt`), never over the file
    #[arg(long, conflicts_with_all = ["totals", "explain"])]
    pub(in crate::cli) fix: bool,
    /// Put the copies into this folder, under the names of the files
    #[arg(long, value_name = "DIR", requires = "fix")]
    pub(in crate::cli) out: Option<PathBuf>,
    /// Print what --fix would change as a unified diff, and write nothing
    #[arg(long, requires = "fix", conflicts_with_all = ["out", "json"])]
    pub(in crate::cli) diff: bool,
    /// Also mend what can be read in more than one way: a guess, to be looked at
    #[arg(long = "unsafe", requires = "fix")]
    pub(in crate::cli) also_unsafe: bool,
    /// Explain a rule by the word in brackets behind its findings
    #[arg(long, value_name = "CODE", conflicts_with_all = ["files", "json"])]
    pub(in crate::cli) explain: Option<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  datadrop template --account callcentre > sales.txt
  datadrop template --account callcentre --columns 'event41,evar12,Order value'

The date is always the first column. What is not known of the report suite is said on standard error.
Exit status: 0 printed; 2 there is no such column; 4 there is no such account.")]
pub(in crate::cli) struct TemplateArguments {
    /// The account
    #[arg(long, value_name = "A")]
    pub(in crate::cli) account: String,
    /// Only these columns, in this order, with commas between them: ids (`event1`, `evar3`), Adobe's names or friendly
    /// names. Repeat it for a name that holds commas [default: all that are known]
    #[arg(long, value_name = "LIST")]
    pub(in crate::cli) columns: Vec<String>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  datadrop explain /srv/datadrop/callcentre/sales.txt
  datadrop explain sales.txt --json | jq -r .explanation

The file need not be there any more, and the daemon need not run. Nothing is changed.
Exit status: 0 explained; 4 there is no such file and no job of it, or no account has to do with this path.")]
pub(in super::super) struct ExplainArguments {
    /// A file in an account's folder or in a sub-folder of it
    pub(in super::super) path: PathBuf,
    /// As a JSON object
    #[arg(long)]
    pub(in super::super) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo datadrop verify
  datadrop verify --account callcentre --json | jq -r '.[] | select(.status == \"changed\") | .path'

Each file is read and hashed. Nothing is changed, and the daemon may run.
  changed     it does not hold what was sent
  missing     it is not there, and `keep.done` did not remove it
  foreign     no job filed it
  unreadable  it was not compared

Exit status: 0 all the same; 3 a file differs or cannot be read; 1 a folder cannot be read.")]
pub(in super::super) struct VerifyArguments {
    /// Only this account
    #[arg(long, value_name = "A")]
    pub(in super::super) account: Option<String>,
    /// As a JSON array with an object for each file that differs
    #[arg(long)]
    pub(in super::super) json: bool,
}

#[derive(Debug, Subcommand)]
pub(in super::super) enum AlertsCommand {
    /// Send a test alert to every receiver, and print what each answered
    Test(AlertsTest),
    /// Keep the alerts of an account back for a time
    Mute(AlertsMute),
    /// Send the alerts of an account again, and one that sums up what was kept back
    Unmute(AlertsUnmute),
}

/// Maximum time for which alerts can be muted: nobody remembers a mute for longer.
const LONGEST_MUTE: Duration = Duration::from_secs(30 * 24 * 3600);

fn mute_time(text: &str) -> Result<Duration, String> {
    let time = parse_duration(text)?;
    if time.is_zero() {
        return Err("a mute of no time mutes nothing; write a time such as 4h".to_owned());
    }
    if time > LONGEST_MUTE {
        return Err("alerts can be muted for at most 30d; mute them again before that is over".to_owned());
    }
    Ok(time)
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  datadrop alerts mute callcentre 4h
  datadrop alerts mute callcentre 7d     # again: until then, if that is later

Nothing of the account is alerted until the time is over. Then each receiver gets one alert that
sums up what it would have got. The log, `status` and the page go on as always. The daemon need
not run.
Exit status: 0 done; 4 no such account.")]
pub(in super::super) struct AlertsMute {
    /// The account
    #[arg(value_name = "ACCOUNT")]
    pub(in super::super) account: String,
    /// How long, at most 30d (`30m`, `4h`, `2d`)
    #[arg(value_name = "TIME", value_parser = mute_time)]
    pub(in super::super) time: Duration,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  datadrop alerts unmute callcentre

Exit status: 0 done, or not muted; 4 no such account.")]
pub(in super::super) struct AlertsUnmute {
    /// The account
    #[arg(value_name = "ACCOUNT")]
    pub(in super::super) account: String,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo -u datadrop datadrop alerts test
  datadrop alerts test --json | jq '.[] | select(.taken | not) | .answer'

The command sends it itself; the daemon need not run. Alert commands run as the user who calls it.
Exit status: 0 all took it; 3 some did not; 1 no receiver is configured.")]
pub(in super::super) struct AlertsTest {
    /// As a JSON array with an object for each receiver
    #[arg(long)]
    pub(in super::super) json: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sudo datadrop support-bundle
  sudo datadrop support-bundle /tmp/datadrop.tar.gz; tar -xzOf /tmp/datadrop.tar.gz | less

It holds the configuration without secrets and IDs, `doctor --offline`, `status`, the schema and
counts of the job log, the end of the journal, and versions. The daemon may run, hang or be down:
each part has 20 s, and README.txt in it names those that failed. Look through it before you hand
it on: it names files, folders and accounts.
Exit status: 0 written; 3 written without some parts; 1 not written.")]
pub(in super::super) struct SupportBundleArguments {
    /// The archive, which must not exist [default: datadrop-support-TIME.tar.gz in this directory]
    pub(in super::super) file: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  datadrop completions bash | sudo tee /usr/share/bash-completion/completions/datadrop > /dev/null
  datadrop completions zsh > ~/.zfunc/_datadrop
  datadrop completions fish > ~/.config/fish/completions/datadrop.fish

No configuration is needed.")]
pub(in super::super) struct CompletionsArguments {
    /// The shell
    pub(in super::super) shell: Shell,
}

#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  datadrop man | man -l -
  sudo datadrop man --dir /usr/local/share/man/man1

No configuration is needed.")]
pub(in super::super) struct ManArguments {
    /// Write a page for each command into this directory, which must exist
    #[arg(long)]
    pub(in super::super) dir: Option<PathBuf>,
}
