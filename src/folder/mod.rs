//! An account's folder on disk: its mark, its lock, its sub-folders, and the moves within it (DESIGN F1 to F5, F9).
//!
//! The job log is ahead of the folder. A move that fails is tried again; it never overwrites, and it never crosses
//! the folder's bounds.

mod account;
pub mod directory;
mod filed;
mod fit;
mod inspection;
mod mark;
mod moves;
mod owners;
mod places;
mod removal;
mod rename;
mod same;
mod unusable;
mod why;

pub use account::{AccountFolder, Opened};
pub use filed::{FiledFile, accepted_after, filed_after};
pub use inspection::{Examined, Glimpse, examine, glimpse};
pub use mark::MARK;
pub use moves::{Moved, Touched};
pub use removal::Removal;
pub use same::Wanted;
pub use unusable::FolderProblem;
pub use why::remove_why;
