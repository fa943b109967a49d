//! What only tests need.

mod simulation;
pub(crate) mod surroundings;
