//! `emulator`: a local Data Sources API.

use super::args::EmulatorArguments;
use super::failure::{Exit, Failure};
use super::output::Output;
use super::{interrupt, run as daemon_run};
use crate::emulator::{Emulator, EmulatorOptions};
use secrecy::SecretString;
use std::net::SocketAddr;
use std::path::PathBuf;

pub(super) fn run(arguments: EmulatorArguments, output: &mut Output) -> Result<Exit, Failure> {
    let stop = interrupt::stop_token()?;
    let listen = arguments.listen;
    let credentials = credentials(arguments.client_id, arguments.client_secret_file)?;
    let takes_any = credentials.is_none();
    let options = EmulatorOptions {
        listen,
        credentials,
        dialect: arguments.dialect,
        processing: arguments.processing,
        rate_limit: arguments.rate_limit.0,
        seed: arguments.seed,
        faults: arguments.faults,
        token_life: arguments.token_life,
        accounts: arguments.accounts,
        names: arguments.names,
        rows: arguments.rows,
        put_status: arguments.put_status,
        halt_on_error: arguments.halt_on_error,
        state: arguments.state,
        ..EmulatorOptions::default()
    };
    daemon_run::runtime()?.block_on(async {
        let emulator = start(options).await?;
        output.data(&words(&emulator, listen, takes_any))?;
        output.message("the emulator is running; Ctrl-C stops it")?;
        stop.cancelled().await;
        emulator.stop().await;
        Ok(Exit::Done)
    })
}

/// The one credential that gets a token, if only one does.
fn credentials(id: Option<String>, secret: Option<PathBuf>) -> Result<Option<(String, SecretString)>, Failure> {
    let (Some(id), Some(file)) = (id, secret) else { return Ok(None) };
    let text = std::fs::read_to_string(&file).map_err(|error| {
        Failure::new(Exit::Usage, format!("--client-secret-file {}: cannot be read: {error}", file.display()))
    })?;
    Ok(Some((id, SecretString::from(text.trim()))))
}

/// Starts one, or says why not.
pub(super) async fn start(options: EmulatorOptions) -> Result<Emulator, Failure> {
    let listen = options.listen;
    Emulator::start(options).await.map_err(|error| match error.get_ref() {
        // It names a file, or an address, of its own.
        Some(_) => Failure::failed(format!("emulator: {error}")),
        None => Failure::failed(format!("emulator: cannot listen on {listen}: {error}")),
    })
}

/// What goes into a configuration to use it.
fn words(emulator: &Emulator, listen: SocketAddr, takes_any: bool) -> String {
    let credential = if takes_any {
        "any client ID and secret will do"
    } else {
        "only the client ID and secret that were named will do"
    };
    let ephemeral = if listen.port() == 0 { "   # another port each time; --listen fixes it" } else { "" };
    format!(
        "# for the configuration; {credential}\n[api]\nbase_url = \"{}\"{ephemeral}\n\
         token_url = \"{}\"\n# what was accepted: http://{}/_emulator/ledger\n",
        emulator.base_url(),
        emulator.token_url(),
        emulator.address()
    )
}
