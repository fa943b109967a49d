//! Tells people and programs what needs them: by a command, by a webhook, and by a heartbeat that ends when the service does.
//!
//! Nothing of it can delay an upload: it reads the job log on a connection of its own, and a receiver that hangs holds up
//! nothing but its own alerts. What happened stands in the job log before anything is told ([`AlertStage`] reads it behind
//! a durable cursor), and an alert is forgotten only once it was delivered: at least once, over any restart.
//!
//! | file | holds |
//! | --- | --- |
//! | `group` | which events become one alert, and when it is told |
//! | `missing` | whether the files that an account expects have come |
//! | `message` | the JSON of an alert |
//! | `deliver` | one command, one webhook |
//! | `heartbeat` | the sign of life |

mod deliver;
mod group;
mod heartbeat;
mod message;
mod missing;
mod receivers;
mod stage;

pub use heartbeat::heartbeat;
pub use receivers::AlertSettings;
pub use stage::AlertStage;

use receivers::How;
