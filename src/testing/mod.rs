//! What only tests need.

pub(crate) mod reach;
mod simulation;
pub(crate) mod surroundings;
