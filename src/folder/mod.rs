//! An account's folder on disk: its mark, its lock, its sub-folders, and the moves within it (DESIGN F1 to F5).
//!
//! The job log is ahead of the folder. A move that fails is tried again; it never overwrites, and it never crosses
//! the folder's bounds.

mod examine;
mod filed;
mod fit;
mod mark;
mod moves;
mod problem;
mod removal;
mod rename;
mod why;

pub use examine::{Examined, Glimpse, examine, glimpse};
pub use filed::{FiledFile, filed_after};
pub use mark::{AccountFolder, MARK, Opened, accepted_after};
pub use moves::Moved;
pub use problem::FolderProblem;
pub use removal::Removal;
pub use why::{Explained, explanation, remove_why};
