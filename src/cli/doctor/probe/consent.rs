//! What a person agrees to before a probe sends anything. Pure.

use super::probe_files::{Plan, ProbeFile, Purpose};
use crate::job::{SuiteFacts, Target};
use crate::status::printable;
use std::fmt::Write as _;

/// What a report suite is for, as far as its names tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SuiteUse {
    Development,
    /// Somebody's reports depend on it.
    Production,
    Unknown,
}

/// Words for development; an ID may also end in one of the first.
const DEVELOPMENT: [&str; 9] = ["dev", "development", "staging", "sandbox", "test", "tests", "testing", "stage", "qa"];
const PRODUCTION: [&str; 4] = ["prod", "production", "prd", "live"];
/// So many words of each list stand at the end of other words too seldom to mislead: `acmedev`, `acmeprod`.
const ENDINGS: (usize, usize) = (4, 3);

impl SuiteUse {
    /// Reads ID and friendly name. If they speak for both, nothing is known.
    pub(super) fn of(id: &str, name: Option<&str>) -> Self {
        let words = |text: &str| {
            let parts = text.split(|letter: char| !letter.is_alphanumeric());
            parts.map(str::to_lowercase).collect::<Vec<_>>()
        };
        let (of_id, of_name) = (words(id), words(name.unwrap_or_default()));
        let speak = |list: &[&str], endings: usize| {
            let known = |word: &String| list.contains(&word.as_str());
            let ends = |word: &String| list.iter().take(endings).any(|ending| word.ends_with(ending));
            of_id.iter().any(|word| known(word) || ends(word)) || of_name.iter().any(known)
        };
        match (speak(&DEVELOPMENT, ENDINGS.0), speak(&PRODUCTION, ENDINGS.1)) {
            (true, false) => Self::Development,
            (false, true) => Self::Production,
            (true, true) | (false, false) => Self::Unknown,
        }
    }
}

/// Everything that would be sent, and what follows from it.
pub(super) fn announcement(account: &str, target: &Target, suite: &SuiteFacts, plan: &Plan) -> String {
    let mut text = format!(
        "This sends up to {} small files to data source {} of report suite {}{}, for account {account}:\n",
        plan.files.len(),
        target.data_source_id,
        printable(&target.report_suite_id),
        suite.name.as_ref().map(|name| format!(" ({})", printable(name))).unwrap_or_default(),
    );
    for file in &plan.files {
        let _ = writeln!(text, "  {}  {}", file.name, content(file));
    }
    let day = plan.day.strftime("%Y-%m-%d");
    let [_, dimension, metric] = &plan.columns;
    let _ = write!(
        text,
        "Each row has the date {day}, {dimension} = {} with a number, and {metric} = 1. Adobe adds the rows to the report \
         suite, and they cannot be removed.\n\
         If Adobe fails one of the files, a data source with *Stop processing on errors* takes nothing more until somebody \
         presses *Restart Processing*.\n",
        plan.prefix,
    );
    text.push_str(match SuiteUse::of(&target.report_suite_id, suite.name.as_deref()) {
        SuiteUse::Development => "By its names, this is a report suite for development.",
        SuiteUse::Production | SuiteUse::Unknown => {
            "NOTHING SAYS THAT THIS IS A REPORT SUITE FOR DEVELOPMENT: go on only if you know that it is one."
        }
    });
    text
}

fn content(file: &ProbeFile) -> String {
    let rows = match file.rows {
        1 => "1 row".to_owned(),
        rows => format!("{rows} rows"),
    };
    match file.purpose {
        Purpose::Style(_) | Purpose::Name(_) => rows,
        Purpose::Skipped => format!("{rows}, of which Adobe skips one"),
        Purpose::Marked => format!("{rows}, if PUT is accepted"),
        Purpose::Marker => "a marker, if PUT is accepted".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_report_suite_is_for_is_read_from_its_names_and_never_guessed() {
        for (id, name, expected) in [
            ("acmedev", "Acme", SuiteUse::Development),
            ("acme.dev-2", "", SuiteUse::Development),
            ("rs1", "Acme Test (EU)", SuiteUse::Development),
            ("rs1", "Product Development", SuiteUse::Development),
            ("acmeprod", "", SuiteUse::Production),
            ("rs1", "Acme - PRODUCTION", SuiteUse::Production),
            ("rs1", "Live", SuiteUse::Production),
            // Neither of these words stands there.
            ("olive", "Products", SuiteUse::Unknown),
            ("latest", "Contest", SuiteUse::Unknown),
            ("devices", "Acme devices", SuiteUse::Unknown),
            ("acmedev", "Copy of production", SuiteUse::Unknown),
            ("", "", SuiteUse::Unknown),
        ] {
            assert_eq!(SuiteUse::of(id, Some(name)), expected, "{id} {name}");
        }
    }
}
