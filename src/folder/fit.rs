//! Names made of a file's name and something more must still be names that a file system takes.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;

/// The longest name, in bytes, that Linux file systems take.
const NAME_MAX: usize = 255;

/// `insert` behind the stem and `append` behind the extension; a stem that leaves no room for them is cut.
pub(super) fn fitting(name: &OsStr, insert: &str, append: &str) -> OsString {
    let path = Path::new(name);
    let stem = path.file_stem().unwrap_or(name).as_bytes();
    let extension = path.extension().map(OsStr::as_bytes);
    let rest = insert.len() + append.len() + extension.map_or(0, |extension| extension.len() + 1);
    let mut end = stem.len().min(NAME_MAX.saturating_sub(rest));
    // Not within a character: a byte that continues one is 10xxxxxx.
    while end > 0 && stem.get(end).is_some_and(|byte| byte & 0xc0 == 0x80) {
        end -= 1;
    }
    let mut fitted = OsStr::from_bytes(&stem[..end]).to_owned();
    fitted.push(insert);
    if let Some(extension) = extension {
        fitted.push(".");
        fitted.push(OsStr::from_bytes(extension));
    }
    fitted.push(append);
    fitted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_has_room_is_kept_whole_and_a_longer_one_is_cut_between_characters() {
        assert_eq!(fitting(OsStr::new("sales.eu.txt"), ".17", ""), "sales.eu.17.txt");
        assert_eq!(fitting(OsStr::new("sales.txt"), "", ".why"), "sales.txt.why");
        let longest = OsString::from(format!("x{}.txt", "é".repeat(125)));
        let fitted = fitting(&longest, ".1234567", ".why");
        assert_eq!(fitted, OsString::from(format!("x{}.1234567.txt.why", "é".repeat(119))));
        assert!(fitted.len() <= NAME_MAX);
    }
}
