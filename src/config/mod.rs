//! Configuration: layers, validation, and the sections that the stages receive.
//!
//! Compiled-in `config/default.toml` ← the file ← `DATADROP__SECTION__KEY` variables, read once, validated whole:
//! every problem is reported at once, each with file, key, value and remedy.

mod account_section;
mod alert_section;
mod api_section;
mod estimate;
mod folders;
mod given;
mod load;
mod outline;
mod problem;
mod problems;
mod section;
mod sections;
mod stage_sections;
mod status_section;
#[cfg(test)]
mod tests;
mod units;
mod urls;

pub use alert_section::{AlertConfig, AlertEvent};
pub use estimate::{backlog_words, time_words};
pub use load::{load, load_draft, load_for_requests, load_text, load_without_secrets};
pub use problem::{ConfigError, Problem};
pub use sections::*;
pub use status_section::SHORTEST_TOKEN;
pub use units::{parse_duration, parse_rate, parse_size};
