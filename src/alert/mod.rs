//! Alerts people and programs: by a command, by a webhook, and by a heartbeat that ends when the service does.
//!
//! Alerts cannot delay an upload, because the stage has its own connection to the job log. A receiver that hangs delays
//! only its own alerts. Each event is in the job log before its alert, and [`AlertStage`] reads it behind a durable
//! cursor. An alert is deleted only after its delivery. Delivery is therefore at-least-once, over any restart.
//!
//! | file | holds |
//! | --- | --- |
//! | `group` | groups events into alerts, and decides when to send them |
//! | `tally` | the alerts that are kept back while an account is muted |
//! | `missing` | whether the files and data days that an account expects have come |
//! | `summary` | when the daily summary of an account is due, and its content |
//! | `message` | the content of an alert |
//! | `bodies` | the format for a program, a chat or a mailbox |
//! | `deliver` | one delivery, by a command or a webhook |
//! | `trial` | a test alert to every receiver, sent by a command |
//! | `heartbeat` | regular requests while all is well |

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
