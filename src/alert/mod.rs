//! Alerts people and programs: by a command, by a webhook, and by a heartbeat that ends when the service does.
//!
//! Alerts cannot delay an upload: the stage reads the job log on its own connection, and a receiver that hangs delays
//! only its own alerts. What happened is in the job log before any alert ([`AlertStage`] reads it behind a durable
//! cursor), and an alert is deleted only once it was delivered. So delivery is at-least-once, over any restart.
//!
//! | file | holds |
//! | --- | --- |
//! | `group` | which events become one alert, and when it is sent |
//! | `tally` | what is kept back while an account is muted |
//! | `missing` | whether the files that an account expects have come |
//! | `summary` | when the daily summary of an account is due, and what it says |
//! | `message` | what an alert says |
//! | `bodies` | the same for a chat or a mailbox |
//! | `deliver` | one command, one webhook |
//! | `trial` | a test alert to every receiver, from a command |
//! | `heartbeat` | the sign of life |

mod bodies;
mod deliver;
mod group;
mod heartbeat;
mod message;
mod missing;
mod receivers;
mod stage;
mod summary;
mod tally;
mod trial;

pub use deliver::USUAL_PATH;
pub use heartbeat::heartbeat;
pub use receivers::AlertSettings;
pub use stage::AlertStage;
pub use trial::{Trial, send_test};

use receivers::How;
