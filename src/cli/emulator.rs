//! `emulator`: a local Data Sources API.

use super::args::EmulatorArguments;
use super::failure::{Exit, Failure};
use super::output::Output;
use super::{run as daemon_run, signals};
use crate::emulator::{Emulator, EmulatorOptions};
use std::net::SocketAddr;

pub(super) fn run(arguments: EmulatorArguments, output: &mut Output) -> Result<Exit, Failure> {
    let stop = signals::stop_token()?;
    let listen = arguments.listen;
    let options = EmulatorOptions {
        listen,
        dialect: arguments.dialect,
        processing: arguments.processing,
        rate_limit: arguments.rate_limit.0,
        seed: arguments.seed,
        faults: arguments.faults,
        token_life: arguments.token_life,
        accounts: arguments.accounts,
        ..EmulatorOptions::default()
    };
    daemon_run::runtime()?.block_on(async {
        let emulator = start(options).await?;
        output.data(&words(&emulator, listen))?;
        output.message("the emulator is running; Ctrl-C stops it")?;
        stop.cancelled().await;
        emulator.stop().await;
        Ok(Exit::Done)
    })
}

/// Starts one, or says why not.
pub(super) async fn start(options: EmulatorOptions) -> Result<Emulator, Failure> {
    let listen = options.listen;
    Emulator::start(options)
        .await
        .map_err(|error| Failure::failed(format!("emulator: cannot listen on {listen}: {error}")))
}

/// What goes into a configuration to use it.
fn words(emulator: &Emulator, listen: SocketAddr) -> String {
    let ephemeral = if listen.port() == 0 { "   # another port each time; --listen fixes it" } else { "" };
    format!(
        "# for the configuration; any client ID and secret will do\n[api]\nbase_url = \"{}\"{ephemeral}\n\
         token_url = \"{}\"\n# what was accepted: http://{}/_emulator/ledger\n",
        emulator.base_url(),
        emulator.token_url(),
        emulator.address()
    )
}
