//! The findings of the content check in words, short enough for the job log, for reasons and for the `.why`.

use super::{Kind, looks_like_copy};
use std::ffi::OsStr;

/// The likely cause of an end for which Adobe gives no reason.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Likely {
    /// The cause of a failure: `line 3: the row has 2 fields, the header has 3; 2 more`.
    pub cause: Option<String>,
    /// The cause of lost rows: `line 3: a semicolon`, `lines 3, 9 and 2 more: semicolons`.
    pub rows: Option<String>,
    /// The number of lost rows.
    pub rows_skipped: u64,
}

/// The findings in one file. A file without findings has no such value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileFindings {
    /// The worst finding in one line, with the number of the others.
    pub summary: String,
    /// The worst findings, one per line, with the number of the rest.
    pub list: String,
    /// All findings are doubts: no source says that Adobe fails the file or skips a row.
    pub only_doubts: bool,
    /// The likely cause of a bad end.
    pub likely: Likely,
}

impl FileFindings {
    /// The finding about a file's name, for files whose content is not checked. `None` if there is none.
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
