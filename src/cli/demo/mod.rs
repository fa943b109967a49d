//! `demo`: everything at work in one process on loopback.
//!
//! Nothing here is special: the configuration is a file as anybody would write it, the files are dropped as `drop` does
//! it, and what is shown comes from the job log. Whatever the demo leaves behind can be looked at with the usual commands.

mod setup;
mod show;

use super::args::DemoArguments;
use super::emulator;
use super::failure::{Exit, Failure};
use super::follow::{Follow, Wake};
use super::interrupt::{self, Stop};
use super::output::Output;
use super::place;
use super::run as daemon_run;
use super::settings::{environment_free_config, here};
use crate::emulator::{EmulatorOptions, write_samples};
use crate::folder::directory::Directory;
use setup::Layout;
use show::{Foreseen, Show};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;

/// Time that the emulated Adobe takes to process a file.
const PROCESSING: Duration = Duration::from_secs(2);
/// Timeout for the daemon's first look into its folders.
const START: Duration = Duration::from_secs(5);
/// Far longer than it takes.
const PATIENCE: Duration = Duration::from_mins(1);

pub(super) fn run(arguments: &DemoArguments, output: &mut Output) -> Result<Exit, Failure> {
    let layout = Layout::make(arguments.dir.as_deref())?;
    let stop = Stop::on_signals()?;
    let token = interrupt::stop_token()?;
    let runtime = daemon_run::runtime()?;
    let emulator = runtime.block_on(emulator::start(EmulatorOptions {
        processing: PROCESSING,
        rate_limit: None,
        ..EmulatorOptions::default()
    }))?;
    // A demo that stays has a page. Otherwise the page would be gone before anyone could open it.
    let page = if arguments.keep { Some(free_address()?) } else { None };
    layout.write_configuration(&emulator.base_url(), &emulator.token_url(), page)?;
    let config = environment_free_config(&layout.config_file())?;
    output.note(&format!("a Data Sources API on {}, made for this demo", emulator.address()))?;
    output.note(&format!("everything lies in {}\n", layout.dir().display()))?;

    let daemon = runtime.spawn(daemon_run::serve_demo(config, &layout.config_file(), token.clone()));
    let mut follow = Follow::new(&layout.state_dir(), stop.clone());
    let shown = play(&layout, &mut follow, &daemon, &stop, page, output);
    token.cancel();
    let ended = runtime.block_on(daemon).map_err(|error| Failure::failed(format!("the daemon broke off: {error}")))?;
    runtime.block_on(emulator.stop());
    // Why the daemon ended explains more than that the demo missed it.
    ended?;
    shown
}

fn play(
    layout: &Layout,
    follow: &mut Follow,
    daemon: &JoinHandle<Result<(), Failure>>,
    stop: &Stop,
    page: Option<SocketAddr>,
    output: &mut Output,
) -> Result<Exit, Failure> {
    if !is_ready(follow, daemon)? {
        return Err(Failure::failed("the daemon did not come up in time"));
    }
    let foreseen = drop_samples(layout, stop)?;
    let mut show = Show::new(foreseen);
    let deadline = Instant::now() + PATIENCE;
    let complete = loop {
        if show.step(follow, output)? {
            break true;
        }
        if daemon.is_finished() {
            return Err(Failure::failed("the daemon ended"));
        }
        match follow.wait(Some(deadline))? {
            Wake::Changed => {}
            Wake::Stopped | Wake::TimeIsOver => break false,
        }
    };
    let as_foreseen = show.verdict(follow, complete, output)?;
    // Started through cargo, the program is not on the search path.
    let program = std::env::args_os().next().unwrap_or_else(|| "datadrop".into());
    output.data(&layout.guide(&program.to_string_lossy(), page))?;
    if page.is_some() && complete {
        while !daemon.is_finished() && follow.wait(None)? == Wake::Changed {
            show.step(follow, output)?;
        }
    }
    Ok(if as_foreseen { Exit::Done } else { Exit::Failed })
}

/// Returns a free loopback address. Another program may take it before the daemon does, which then reports it.
fn free_address() -> Result<SocketAddr, Failure> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map_err(|error| Failure::failed(format!("no free port on 127.0.0.1 for the page: {error}")))
}

/// Waits until both folders are watched and have been scanned.
fn is_ready(follow: &mut Follow, daemon: &JoinHandle<Result<(), Failure>>) -> Result<bool, Failure> {
    let deadline = Instant::now() + START;
    loop {
        if let Some(reader) = follow.reader()? {
            let watched = reader
                .accounts()
                .map_or(0, |accounts| accounts.iter().filter(|account| account.first_scan_at.is_some()).count());
            if watched >= setup::ACCOUNTS.len() {
                return Ok(true);
            }
        }
        if daemon.is_finished() {
            return Ok(false);
        }
        match follow.wait(Some(deadline))? {
            Wake::Changed => {}
            Wake::Stopped | Wake::TimeIsOver => return Ok(false),
        }
    }
}

/// Writes the samples beside the folders and drops each into its account's folder.
fn drop_samples(layout: &Layout, stop: &Stop) -> Result<Vec<Foreseen>, Failure> {
    let today = jiff::Timestamp::from_millisecond(here().now.0)
        .map_err(|error| Failure::failed(format!("the clock cannot be right: {error}")))?
        .to_zoned_datetime(here().zone)
        .date();
    let samples_dir = layout.samples_dir();
    let samples = write_samples(&samples_dir, today).map_err(|error| setup::cannot_write(&samples_dir, &error))?;
    let mut foreseen = Vec::new();
    for sample in samples {
        let account = setup::account_of(&sample.file_name);
        let source = samples_dir.join(&sample.file_name);
        let folder = Directory::open(&layout.folder(account)).map_err(|error| Failure::failed(error.to_string()))?;
        place::copy_in(&source, &folder, &sample.file_name, || stop.is_set())
            .map_err(|error| Failure::failed(error.to_string()))?;
        foreseen.push(Foreseen::new(account, &sample));
    }
    Ok(foreseen)
}
