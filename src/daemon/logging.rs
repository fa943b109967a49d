//! The log: for people and for programs, with fields beside each message. The job log is something else: it is data.

use crate::config::{LogConfig, LogFormat};
use std::io::{self, IsTerminal as _};
use std::os::unix::fs::MetadataExt as _;
use tracing_journald::{Priority, PriorityMappings};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt};

/// Starts logging.
///
/// # Errors
/// A line for people, if the filter or the journal cannot be used.
pub fn start(config: &LogConfig) -> Result<(), String> {
    // The libraries' own details would bury the rest, and log whole URLs.
    let filter =
        EnvFilter::try_new(format!("hyper=info,hyper_util=info,reqwest=info,notify=info,rustls=info,{}", config.level))
            .map_err(|error| {
                format!("log.level = \"{}\": {error}; write a level such as info, or a filter", config.level)
            })?;
    let format = match config.format {
        LogFormat::Auto if stderr_is_the_journal() => LogFormat::Journald,
        LogFormat::Auto => LogFormat::Text,
        format @ (LogFormat::Text | LogFormat::Json | LogFormat::Journald) => format,
    };
    let layer = match format {
        LogFormat::Journald => tracing_journald::layer()
            .map_err(|error| {
                format!("log.format = \"journald\": the journal cannot be reached: {error}; use \"text\"")
            })?
            .with_field_prefix(Some("DATADROP".to_owned()))
            .with_syslog_identifier("datadrop".to_owned())
            .with_priority_mappings(PriorityMappings {
                // Its own mapping makes news of what is no more than information (syslog(3)).
                info: Priority::Informational,
                debug: Priority::Debug,
                ..PriorityMappings::new()
            })
            .boxed(),
        LogFormat::Json => fmt::layer().json().flatten_event(true).with_writer(io::stderr).boxed(),
        LogFormat::Text | LogFormat::Auto => {
            let colour =
                io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
            fmt::layer().with_target(false).with_ansi(colour).with_writer(io::stderr).boxed()
        }
    };
    tracing_subscriber::registry()
        .with(layer.with_filter(filter))
        .try_init()
        .map_err(|error| format!("the log cannot be started: {error}"))?;
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!("a defect of datadrop: {panic}; please report this");
    }));
    Ok(())
}

/// systemd says by `JOURNAL_STREAM` (device and inode) whether standard error goes to its journal.
fn stderr_is_the_journal() -> bool {
    let Some(stream) = std::env::var("JOURNAL_STREAM").ok() else { return false };
    std::fs::metadata("/proc/self/fd/2").is_ok_and(|found| stream == format!("{}:{}", found.dev(), found.ino()))
}
