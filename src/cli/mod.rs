//! The command line (DESIGN §7): words in, exit code out.
//!
//! Data goes to standard output, everything else to standard error with `datadrop: ` before it. Commands are plain
//! functions that return an `Exit` or a `Failure`; only [`run()`] turns either into a number.

mod accounts;
mod apart;
mod api_session;
mod args;
mod check;
mod child;
mod coverage;
mod demo;
mod doctor;
mod drop;
mod dry_run;
mod emulator;
mod explain;
mod failure;
mod follow;
mod init;
mod interrupt;
mod jobs;
mod manual;
mod mute_alerts;
mod outlook;
mod output;
mod people;
mod place;
mod progress_bar;
mod recover;
mod remote_jobs;
mod run;
mod service;
mod settings;
mod status;
mod support_bundle;
mod template;
mod test_alert;
mod verbs;
mod verify;
mod watch;

use args::{AccountsCommand, AlertsCommand, Cli, Command, JobsCommand};
use clap::Parser;
use failure::{Exit, Failure};
use output::{Commands, Output};
use std::ffi::OsString;
use std::process::ExitCode;

/// Parses the command line and does what it says.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => {
            // A reader that closes the output early has seen enough of the help.
            let _ = error.print();
            return u8::try_from(error.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from);
        }
    };
    let mut output = Output::new(Commands::reading(&cli.config));
    let another = if looks_at_folders(&cli.command) { apart::leave_to_another(&arguments) } else { None };
    let exit = match another.unwrap_or_else(|| dispatch(cli, &mut output)) {
        Ok(exit) => exit,
        Err(failure) => {
            if let Some(problem) = failure.problem() {
                // If this fails too, there is nowhere left to report it.
                let _ = output.message(&problem.to_string());
            }
            failure.exit()
        }
    };
    apart::report_end(exit);
    exit.into()
}

/// Whether a command looks at folders, one of which may hang.
fn looks_at_folders(command: &Command) -> bool {
    match command {
        Command::Run(arguments) => arguments.dry_run,
        Command::Coverage(arguments) => arguments.rebuild,
        // A probe looks at none, and reads an answer from standard input.
        Command::Doctor(arguments) => arguments.probe.is_none(),
        Command::Explain(_)
        | Command::Service(_)
        | Command::Drop(_)
        | Command::Recover(_)
        | Command::Verify(_)
        // A verb files the files that follow from it where no daemon does.
        | Command::Jobs(
            JobsCommand::Retry(_) | JobsCommand::Hold(_) | JobsCommand::Release(_) | JobsCommand::Cancel(_),
        ) => true,
        Command::Jobs(JobsCommand::List(_) | JobsCommand::Show(_) | JobsCommand::Wait(_) | JobsCommand::Watch)
        | Command::Init(_)
        | Command::Demo(_)
        | Command::Emulator(_)
        | Command::Check(_)
        | Command::Template(_)
        | Command::Accounts(_)
        | Command::Alerts(_)
        | Command::Completions(_)
        | Command::Man(_)
        | Command::Status(_)
        // Its parts that look at folders are processes of their own.
        | Command::SupportBundle(_) => false,
    }
}

fn dispatch(cli: Cli, output: &mut Output) -> Result<Exit, Failure> {
    let file = cli.config.as_path();
    match cli.command {
        Command::Init(arguments) => init::run(file, &arguments, output),
        Command::Run(arguments) if arguments.dry_run => dry_run::run(file, output),
        Command::Run(arguments) => run::run(file, &arguments),
        Command::Demo(arguments) => demo::run(&arguments, output),
        Command::Emulator(arguments) => emulator::run(arguments, output),
        Command::Drop(arguments) => drop::run(file, &arguments, output),
        Command::Jobs(JobsCommand::List(arguments)) if arguments.remote => remote_jobs::list(file, arguments, output),
        Command::Jobs(JobsCommand::Show(arguments)) if arguments.remote => remote_jobs::show(file, &arguments, output),
        Command::Check(arguments) => check::run(file, &arguments, output),
        Command::Template(arguments) => template::run(file, &arguments, output),
        Command::Jobs(JobsCommand::List(arguments)) => jobs::list(file, arguments, output),
        Command::Jobs(JobsCommand::Show(arguments)) => jobs::show(file, &arguments, output),
        Command::Jobs(JobsCommand::Wait(arguments)) => jobs::wait(file, &arguments, output),
        Command::Jobs(JobsCommand::Retry(arguments)) => verbs::retry(file, arguments, output),
        Command::Jobs(JobsCommand::Hold(arguments)) => verbs::hold(file, arguments, output),
        Command::Jobs(JobsCommand::Release(arguments)) => verbs::release(file, arguments, output),
        Command::Jobs(JobsCommand::Cancel(arguments)) => verbs::cancel(file, arguments, output),
        Command::Jobs(JobsCommand::Watch) => watch::run(file, output),
        Command::Coverage(arguments) => coverage::run(file, &arguments, output),
        Command::Accounts(AccountsCommand::List(arguments)) => accounts::list(file, &arguments, output),
        Command::Accounts(AccountsCommand::Show(arguments)) => accounts::show(file, &arguments, output),
        Command::Accounts(AccountsCommand::Create(arguments)) => accounts::create(file, &arguments, output),
        Command::Accounts(AccountsCommand::Delete(arguments)) => accounts::delete(file, &arguments, output),
        Command::Alerts(AlertsCommand::Test(arguments)) => test_alert::test(file, &arguments, output),
        Command::Alerts(AlertsCommand::Mute(arguments)) => mute_alerts::mute(file, arguments, output),
        Command::Alerts(AlertsCommand::Unmute(arguments)) => mute_alerts::unmute(file, arguments, output),
        Command::Doctor(arguments) => doctor::run(file, &arguments, output),
        Command::Explain(arguments) => explain::run(file, &arguments, output),
        Command::Completions(arguments) => manual::completions(&arguments, output),
        Command::Man(arguments) => manual::man(&arguments, output),
        Command::Recover(arguments) => recover::run(file, &arguments, output),
        Command::Verify(arguments) => verify::run(file, &arguments, output),
        Command::Service(command) => service::run(file, &command, output),
        Command::SupportBundle(arguments) => support_bundle::run(file, &arguments, output),
        Command::Status(arguments) => status::run(file, &arguments, output),
    }
}
