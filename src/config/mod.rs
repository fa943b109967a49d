//! Configuration.
mod sections;
pub use sections::*;
