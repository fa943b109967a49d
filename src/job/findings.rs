//! What the check of a file's content found, in words: short enough for the job log, for reasons and for the `.why`.

use super::{Kind, looks_like_copy};
use std::ffi::OsStr;

/// What is likely behind an end for which Adobe gives no reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Likely {
    /// Of a failure: `line 3: the row has 2 fields, the header has 3; 2 more`.
    pub cause: Option<String>,
    /// Of lost rows: `line 3: a semicolon`, `lines 3, 9 and 2 more: semicolons`.
    pub rows: Option<String>,
    /// How many rows these are.
    pub rows_skipped: u64,
}

/// What was found in one file; there is none of it for a file in which nothing was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFindings {
    /// The worst in one line, and how many more there are.
    pub summary: String,
    /// The worst of them, each on a line of its own, the rest counted.
    pub list: String,
    /// Nothing but doubts: no source says that Adobe fails the file or skips a row.
    pub only_doubts: bool,
    /// For the reason of a bad end.
    pub likely: Likely,
}

impl FileFindings {
    /// What the name of a file says where its content is not checked; `None` where it says nothing.
    #[must_use]
    pub fn of_name(name: &OsStr, kind: Kind) -> Option<Self> {
        let is_of_copy = kind == Kind::Data && looks_like_copy(&name.to_string_lossy());
        let found = "it is named like a copy of another file, whose rows Adobe would count twice";
        let remedy = "compare the two; if it is no copy, rename it";
        is_of_copy.then(|| Self {
            summary: found.to_owned(),
            list: format!("doubtful: {found}; {remedy}"),
            only_doubts: true,
            likely: Likely::default(),
        })
    }
}
