//! The findings about a file's name, before the file is opened.

use super::Facts;
use super::code::Code;
use super::report::{Findings, quoted};
use crate::job::{Kind, NameRefused, check_name, classify, looks_like_copy, stem};
use std::ffi::OsStr;
use std::path::Path;

/// Returns the kind of a file. Everything but a marker is read as a data file.
pub(super) fn kind(name: &OsStr) -> Kind {
    let is_marker = Path::new(name).extension().is_some_and(|extension| extension.eq_ignore_ascii_case("fin"));
    if is_marker { Kind::Fin } else { Kind::Data }
}

/// Checks every rule about names. A name can break several of them.
pub(super) fn check(facts: &Facts<'_>, findings: &mut Findings) {
    let bytes = facts.file_name.as_encoded_bytes();
    let name = quoted(bytes);
    match check_name(facts.file_name) {
        Ok(text) if text.trim() != text => {
            let right = quoted(text.trim().as_bytes());
            let message = format!("the file name {name} begins or ends with white space, so that Adobe overlooks it");
            findings.of_file(Code::NameWhiteSpace, message, Some(format!("rename it to {right}")));
        }
        Ok(_) => {}
        Err(refused) => {
            let what = match refused {
                NameRefused::NotUtf8 => "is not valid UTF-8",
                NameRefused::ControlCharacter => "contains a control character",
            };
            let message = format!("the file name {name} {what}, so it cannot be sent");
            findings.of_file(Code::NameNotSendable, message, Some("rename it".to_owned()));
        }
    }
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim();
    if looks_like_copy(text) {
        let message = format!("{name} is named like a copy of another file, whose rows Adobe would count twice");
        findings.of_file(Code::NameOfCopy, message, Some("compare the two; if it is no copy, rename it".to_owned()));
    }
    if classify(OsStr::new(text.trim_start_matches('.')), facts.extensions).is_some() {
        return;
    }
    let lower = match text.rsplit_once('.') {
        Some((stem, extension)) => format!("{stem}.{}", extension.to_lowercase()),
        None => text.to_owned(),
    };
    if lower != text && classify(OsStr::new(lower.trim_start_matches('.')), facts.extensions).is_some() {
        let message = format!("the extension of {name} is not in lower case: Adobe does not process such files");
        findings.of_file(Code::ExtensionCase, message, Some(format!("rename it to {}", quoted(lower.as_bytes()))));
    } else {
        let message = format!("{name} does not end in `.txt`");
        let right = format!("{}.txt", stem(text));
        findings.of_file(Code::ExtensionOther, message, Some(format!("rename it to {}", quoted(right.as_bytes()))));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::ffi::OsStrExt as _;

    #[test]
    fn every_finding_about_a_name_suggests_a_better_one() {
        let extensions = ["txt".to_owned(), "tab".to_owned()];
        for (name, expected) in [
            (b"sales.txt".as_slice(), None),
            (b"sales.tab", None),
            (b"sales.fin", None),
            ("日本 2026.txt".as_bytes(), None),
            (b" sales.txt", Some((Code::NameWhiteSpace, "rename it to `sales.txt`"))),
            (b"sales.txt ", Some((Code::NameWhiteSpace, "rename it to `sales.txt`"))),
            (b"sales.TXT", Some((Code::ExtensionCase, "rename it to `sales.txt`"))),
            (b"sales.Fin", Some((Code::ExtensionCase, "rename it to `sales.fin`"))),
            (b"sales.csv", Some((Code::ExtensionOther, "rename it to `sales.txt`"))),
            (b"sales", Some((Code::ExtensionOther, "rename it to `sales.txt`"))),
            (b"a\nb.txt", Some((Code::NameNotSendable, "rename it"))),
            (b"a\xff.txt", Some((Code::NameNotSendable, "rename it"))),
        ] {
            let file_name = OsStr::from_bytes(name);
            let facts = Facts {
                file_name,
                extensions: &extensions,
                now: &"2026-11-24T12:00+01:00[Europe/Berlin]".parse().unwrap(),
                in_suite_zone: false,
                suite: None,
                data_source_id: None,
                max_size: 1,
                bytes_per_second: None,
                keep: 9,
            };
            let mut findings = Findings::new(9);
            check(&facts, &mut findings);
            let found: Vec<_> =
                findings.kept().iter().map(|finding| (finding.code, finding.suggestion.as_deref().unwrap())).collect();
            assert_eq!(found, expected.into_iter().collect::<Vec<_>>(), "{}", file_name.display());
        }
    }

    #[test]
    fn markers_are_known_by_their_extension() {
        for (name, expected) in [("a.fin", Kind::Fin), ("a.FIN", Kind::Fin), ("a.txt", Kind::Data), ("fin", Kind::Data)]
        {
            assert_eq!(kind(OsStr::new(name)), expected, "{name}");
        }
    }
}
