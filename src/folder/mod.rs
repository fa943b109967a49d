//! An account's folder on disk: its mark, its lock, its sub-folders, and the moves within it (DESIGN F1 to F5, F9).
//!
//! The job log is ahead of the folder. A move that fails is tried again; it never overwrites, and it never crosses
//! the folder's bounds.
//!
//! | file | holds |
//! | --- | --- |
//! | `account` | the folder, opened for its account, or looked at without leaving anything behind |
//! | `mark`, `places` | whose folder it is; its sub-folders, and the trial that files can be moved between them |
//! | `moves`, `rename` | moves that never overwrite, each with its `.why`; a rename where there is no such thing |
//! | `unusable` | why a folder cannot be used, and who may own what in it |
//! | `directory` | a directory held open: all that is asked of the file system |

mod account;
pub mod directory;
mod mark;
mod moves;
mod places;
mod rename;
mod unusable;

pub use account::{
    AccountFolder, Closed, Examined, FiledFile, Glimpse, Opened, accepted_after, closed_files, examine, filed_after,
    glimpse,
};
pub use mark::MARK;
pub use moves::{Moved, Removal, Touched, Wanted, remove_why};
pub use rename::free_names;
pub use unusable::FolderProblem;
