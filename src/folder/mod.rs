//! An account's folder on disk: its mark, its lock, its sub-folders, and the moves within it (DESIGN F1 to F5, F9).
//!
//! The job log is ahead of the folder. A move that fails is tried again; it never overwrites, and it never crosses
//! the folder's bounds.

mod account;
pub mod directory;
mod inspection;
mod mark;
mod moves;
mod places;
mod rename;
mod unusable;

pub use account::{AccountFolder, Opened};
pub use inspection::{Examined, FiledFile, Glimpse, accepted_after, examine, filed_after, glimpse};
pub use mark::MARK;
pub use moves::{Moved, Removal, Touched, Wanted, remove_why};
pub use unusable::FolderProblem;
