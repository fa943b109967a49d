//! Configuration: layers, validation, and the sections that the stages receive.
//!
//! Compiled-in `config/default.toml` ← the file ← `DATADROP__SECTION__KEY` variables, read once, validated whole:
//! every problem is reported at once, each with file, key, value and remedy.
//!
//! | file | holds |
//! | --- | --- |
//! | `load` | the layers, one over the other, and the reading of what they make together |
//! | `section`, `given` | a section while its keys are taken; one value: as it was given, and as people write it |
//! | `api_section`, `stage_sections`, `account_section` | the keys of each section |
//! | `alert_event` | what alerts can be about |
//! | `sections` | what the stages receive |
//! | `name_patterns` | the patterns of `exclude` |
//! | `problems` | everything that is wrong, each with its line |

mod account_section;
mod alert_event;
mod api_section;
mod given;
mod load;
mod name_patterns;
mod problems;
mod section;
mod sections;
mod stage_sections;
#[cfg(test)]
mod tests;

pub use alert_event::{AlertEvent, AlertForm};
pub use given::{backlog_words, parse_duration, parse_rate, parse_size, time_words};
pub use load::{load, load_draft, load_for_requests, load_text, load_to_look, load_without_secrets};
pub use name_patterns::NamePatterns;
pub use problems::{ConfigError, KeyProblem};
pub use sections::*;
pub use stage_sections::SHORTEST_TOKEN;
