//! The identity of a file, and the target of an upload.

use serde::Serialize;
use std::fmt;

/// How the file of an accepted job differs from the content that was sent (DESIGN F2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AfterSending {
    /// Rows that the file holds now.
    pub rows: i64,
    /// The file still begins with the content that was sent.
    pub is_appended: bool,
}

impl AfterSending {
    /// Describes what happened, and the remedy. `rows_sent` is the row count of the file when it was sent.
    #[must_use]
    pub fn words(self, rows_sent: Option<i64>) -> String {
        let sent = rows_sent.unwrap_or(0);
        let unsent = self.rows.saturating_sub(sent);
        let (what, remedy) = match (self.is_appended, unsent) {
            (true, 1) => (
                "1 row was added, which Adobe does not have".to_owned(),
                "send it in a file of its own, under the same header",
            ),
            (true, 2..) => (
                format!("{unsent} rows were added, which Adobe does not have"),
                "send them in a file of their own, under the same header",
            ),
            (true, _) => (
                "its last line was continued, so Adobe has that row cut off".to_owned(),
                "compare the last row with Adobe's report",
            ),
            (false, _) => (
                format!("its file holds other content by now, with {} data rows instead of {sent}", self.rows),
                "compare the rows, and send those that are missing in a file of their own",
            ),
        };
        format!("changed after it was sent: {what}; {remedy}")
    }
}

/// What the daemon found when it moved the file of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display)]
pub enum Oddity {
    /// Somebody changed the file after it was sent. The new content is a new file (DESIGN F2).
    #[strum(to_string = "changed after it was sent; what lies in the folder now is a new file")]
    Changed,
    /// The file is missing.
    #[strum(to_string = "the file is not there any more: somebody removed it")]
    Removed,
    /// The file disappeared during the move.
    #[strum(to_string = "somebody removed it while it was moved")]
    RemovedMeanwhile,
    /// Another file has its name in the inbox.
    #[strum(to_string = "another file lies in its place now, which is a new one")]
    Another,
    /// Another file had its name in a sub-folder.
    #[strum(to_string = "another file lay in its place and went back into the folder as a new one")]
    AnotherPutBack,
}

/// Whether a process has a file open for writing (DESIGN R5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// The kernel reports that no process has it open.
    Nobody,
    /// The kernel reports that a process has it open.
    Somebody,
    /// The kernel does not report it.
    Unknown,
}

/// The SHA-256 of a file's content.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// Wraps the 32 bytes of a finished digest.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads 64 hexadecimal digits, as the job log holds them.
    #[must_use]
    pub fn from_hex(text: &str) -> Option<Self> {
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        let mut bytes = [0u8; 32];
        for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The BLAKE3 hash of a file's content, computed in the same pass as its SHA-256. Adobe and people know the content by
/// its SHA-256. BLAKE3 proves several times faster that an upload sends the same bytes (DESIGN A2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Blake3(pub [u8; 32]);

/// The metadata of a file, by which datadrop sees that somebody changed or replaced it.
///
/// It omits the change time, because datadrop's own rename sets that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileIdentity {
    /// Device number.
    pub device: u64,
    /// Inode number. File systems reuse the number of a removed file.
    pub inode: u64,
    /// Birth time in nanoseconds since 1970. It distinguishes two files with the same inode number. 0 if the file
    /// system has none.
    pub born_ns: i64,
    /// Size in bytes.
    pub size: u64,
    /// Modification time in nanoseconds since 1970.
    pub modified_ns: i64,
}

impl FileIdentity {
    /// Returns whether both are the same file, whatever its content is now.
    #[must_use]
    pub fn is_same_file(&self, other: &Self) -> bool {
        (self.device, self.inode, self.born_ns) == (other.device, other.inode, other.born_ns)
    }

    /// Returns whether both are certainly different files, even if one is a copy with the time of the original. On one
    /// device every file keeps its birth time.
    #[must_use]
    pub fn is_surely_another(&self, other: &Self) -> bool {
        let births_are_known = self.born_ns != 0 && other.born_ns != 0;
        self.device == other.device && births_are_known && self.born_ns != other.born_ns
    }

    /// Returns whether both may be the same file, so that only the content decides (DESIGN F2). The numbers of one file
    /// can change in three cases:
    /// - A share that is mounted again has another device number.
    /// - Some file systems give each path another inode number.
    /// - A copy of a folder on another disk has new numbers.
    #[must_use]
    pub fn may_be_same_file(&self, other: &Self) -> bool {
        self.is_same_file(other) || (self.size == other.size && !self.is_surely_another(other))
    }

    /// Returns whether this may be the other file after more was written to it. The numbers are no evidence, because
    /// each path may have its own.
    #[must_use]
    pub fn may_have_grown_from(&self, other: &Self) -> bool {
        self.size >= other.size && self.modified_ns >= other.modified_ns && !self.is_surely_another(other)
    }

    /// Returns whether both look like the same file, for callers that do not know the content.
    #[must_use]
    pub fn looks_like(&self, other: &Self) -> bool {
        self.is_same_file(other) || (self.may_be_same_file(other) && self.modified_ns == other.modified_ns)
    }
}

/// A content, and the file that held it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint {
    /// The file as it stood when it was hashed.
    pub identity: FileIdentity,
    /// Its content.
    pub sha256: Sha256,
}

/// The only content that an attempt may send, and its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Promised {
    /// The file as it stood when it was hashed.
    pub identity: FileIdentity,
    /// Its content.
    pub blake3: Blake3,
}

/// The address for an account's files. The first attempt of a job fixes it (DESIGN A5).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Target {
    /// `https://analytics.adobe.io/api`, without a slash at the end.
    pub base_url: String,
    /// `datasources`, `data_sources`, or empty (all three occur, DESIGN §5, "Endpoints").
    pub path_segment: String,
    /// The global company ID.
    pub company: String,
    /// The report suite ID.
    pub report_suite_id: String,
    /// The Data Sources account within the report suite.
    pub data_source_id: i64,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} at {}", self.report_suite_id, self.data_source_id, self.base_url)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_stays_the_same_after_any_write_and_another_never_is() {
        let file = FileIdentity { device: 1, inode: 7, born_ns: 3, size: 10, modified_ns: 5 };
        assert!(file.is_same_file(&FileIdentity { size: 11, modified_ns: 6, ..file }));
        for other in
            [FileIdentity { device: 2, ..file }, FileIdentity { inode: 8, ..file }, FileIdentity { born_ns: 4, ..file }]
        {
            assert!(!file.is_same_file(&other), "{other:?}");
        }
    }

    #[test]
    fn f2_under_other_numbers_the_content_decides_unless_the_size_or_the_time_of_birth_does() {
        let file = FileIdentity { device: 1, inode: 7, born_ns: 3, size: 10, modified_ns: 5 };
        for same in [
            file,
            FileIdentity { device: 2, ..file },
            FileIdentity { inode: 8, ..file },
            FileIdentity { device: 2, inode: 8, born_ns: 4, ..file },
            FileIdentity { inode: 8, born_ns: 0, ..file },
            FileIdentity { inode: 8, modified_ns: 6, ..file },
            FileIdentity { device: 2, modified_ns: 6, ..file },
        ] {
            assert!(same.may_be_same_file(&file), "{same:?}");
            assert_eq!(same.looks_like(&file), same.modified_ns == 5, "{same:?}");
        }
        for another in [
            FileIdentity { inode: 8, born_ns: 4, ..file },
            FileIdentity { born_ns: 4, ..file },
            FileIdentity { device: 2, size: 11, ..file },
        ] {
            assert!(!another.may_be_same_file(&file) && !another.looks_like(&file), "{another:?}");
        }
    }

    #[test]
    fn a_digest_survives_the_way_through_text() {
        let digest = Sha256::new(std::array::from_fn(|i| u8::try_from(i * 8).unwrap()));
        assert_eq!(Sha256::from_hex(&digest.to_string()), Some(digest));
        assert_eq!(Sha256::from_hex("abc"), None);
        assert_eq!(Sha256::from_hex(&"zz".repeat(32)), None);
        assert_eq!(Sha256::from_hex(&"é".repeat(32)), None);
    }
}
