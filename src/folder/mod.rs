//! An account's folder on disk: its mark, its lock, its sub-folders, and the moves within it (DESIGN F1 to F5).
//!
//! The job log is ahead of the folder. A move that fails is tried again; it never overwrites, and it never crosses
//! the folder's bounds.

mod mark;
mod moves;
mod why;

pub use mark::{AccountFolder, FolderProblem, Opened};
pub use moves::Moved;
pub use why::{Explained, explanation};

use crate::job::FileIdentity;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

/// What the file system says of a file, as far as it tells one file from another.
#[must_use]
pub fn identity_of(metadata: &Metadata) -> FileIdentity {
    FileIdentity {
        device: metadata.dev(),
        inode: metadata.ino(),
        size: metadata.len(),
        modified_ns: metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec()),
    }
}
