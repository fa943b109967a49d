//! Patterns of file names, as `exclude` of an account has them.

use super::problems::{Wrong, wrong};
use globset::{Glob, GlobMatcher};
use std::ffi::OsStr;
use std::fmt;

/// Patterns of file names (`*`, `?`, `[…]`, `{…,…}`), in the order in which they were given.
#[derive(Clone, Default)]
pub struct NamePatterns(Vec<GlobMatcher>);

impl NamePatterns {
    /// Compiles the patterns.
    pub(super) fn compile(patterns: &[String]) -> Result<Self, Wrong> {
        patterns.iter().map(|pattern| compile_one(pattern)).collect::<Result<_, _>>().map(Self)
    }

    /// The first pattern that a name matches, if it matches any.
    #[must_use]
    pub fn matching(&self, name: &OsStr) -> Option<&str> {
        self.0.iter().find(|pattern| pattern.is_match(name)).map(|pattern| pattern.glob().glob())
    }
}

fn compile_one(pattern: &str) -> Result<GlobMatcher, Wrong> {
    if pattern.is_empty() {
        return Err(wrong("a pattern is empty", "write patterns such as \"*.tmp.txt\""));
    }
    if pattern.contains('/') {
        let remedy = "write a pattern of names alone, such as \"*.tmp.txt\"";
        return Err(wrong(format!("no file name matches {pattern:?}, because names have no slash"), remedy));
    }
    if pattern.trim_matches('*').is_empty() {
        let remedy = "write a narrower pattern, or enabled = false to pause the account";
        return Err(wrong(format!("no file would ever be sent, because every name matches {pattern:?}"), remedy));
    }
    let glob = Glob::new(pattern).map_err(|error| {
        let remedy = "write `*` for any characters, `?` for one, `[ab]` for one of several, such as \"*.tmp.txt\"";
        wrong(format!("not a pattern: {}", error.kind()), remedy)
    })?;
    Ok(glob.compile_matcher())
}

impl fmt::Debug for NamePatterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|pattern| pattern.glob().glob())).finish()
    }
}

impl PartialEq for NamePatterns {
    fn eq(&self, other: &Self) -> bool {
        let patterns =
            |these: &Self| these.0.iter().map(|pattern| pattern.glob().glob().to_owned()).collect::<Vec<_>>();
        patterns(self) == patterns(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt as _;

    fn patterns(texts: &[&str]) -> Result<NamePatterns, Wrong> {
        NamePatterns::compile(&texts.iter().map(|&text| text.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn names_are_matched_whole_byte_by_byte_and_in_their_case() {
        let patterns = patterns(&["*.tmp.txt", "~$*", "part-[0-9]?.txt", "{old,draft}_*.txt"]).unwrap();
        for (name, pattern) in [
            (b"sales.tmp.txt".as_slice(), Some("*.tmp.txt")),
            (b"\xff.tmp.txt", Some("*.tmp.txt")),
            (b"~$sales.txt", Some("~$*")),
            (b"part-1a.txt", Some("part-[0-9]?.txt")),
            (b"draft_1.txt", Some("{old,draft}_*.txt")),
            (b"sales.txt", None),
            (b"sales.TMP.txt", None),
            (b"sales.tmp.txt.gz", None),
            (b"part-1.txt", None),
        ] {
            assert_eq!(patterns.matching(OsStr::from_bytes(name)), pattern, "{}", name.escape_ascii());
        }
        assert_eq!(NamePatterns::default().matching(OsStr::new("sales.txt")), None);
    }

    #[test]
    fn patterns_that_match_nothing_or_everything_are_refused() {
        for pattern in ["", "a/*.txt", "*", "**", "[a", "a{b", "{a"] {
            assert!(patterns(&[pattern]).is_err(), "{pattern}");
        }
        assert_eq!(patterns(&["a*"]).unwrap(), patterns(&["a*"]).unwrap());
        assert_ne!(patterns(&["a*"]).unwrap(), patterns(&["b*"]).unwrap());
    }
}
