//! Configuration: layers, validation, and the sections that the stages receive.
//!
//! Compiled-in `config/default.toml` ← the file ← `DATADROP__SECTION__KEY` variables, read once, validated whole:
//! every problem is reported at once, each with file, key, value and remedy.

mod accounts;
mod alerts;
mod api;
mod estimate;
mod folders;
mod given;
mod load;
mod outline;
mod problem;
mod reader;
mod report;
mod sections;
mod stages;
mod status;
#[cfg(test)]
mod tests;
mod units;
mod urls;

pub use alerts::{AlertConfig, AlertEvent};
pub use estimate::{backlog_words, time_words};
pub use load::{load, load_draft, load_for_requests, load_text, load_without_secrets};
pub use problem::{ConfigError, Problem};
pub use sections::*;
pub use status::SHORTEST_TOKEN;
pub use units::{parse_duration, parse_rate, parse_size};
