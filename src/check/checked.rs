//! The result of a check, in words for the job log: short enough for reasons and for the `.why`.

use super::code::{Code, Severity};
use super::report::{Affected, Finding, Findings};
use crate::job::{DataDays, FileFindings, Kind, Likely, Timestamp};

/// Maximum number of findings in a list.
const LISTED: usize = 5;

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The findings.
    pub findings: Findings,
    /// Data file or marker.
    pub kind: Kind,
    /// Size of the file in bytes.
    pub size: u64,
    /// The rows that Adobe should process: all but blank rows, comments and the header. Includes affected rows.
    pub rows_expected: u64,
    /// The rows of these that Adobe would skip.
    pub skipped: Affected,
    /// The days of its rows as Adobe would read them, with the totals of each day.
    pub days: DataDays,
    /// The time at which the last day begins that had not begun at the check.
    pub(super) all_begun_at: Option<Timestamp>,
}

impl Checked {
    /// Returns whether Adobe would reject the file as a whole.
    #[must_use]
    pub fn would_fail(&self) -> bool {
        self.findings.worst() == Some(Severity::Fails)
    }

    /// Returns when the last day of the file begins, if days that have not begun are the only cause of its failure.
    /// Days begin in the zone of [`super::Facts::now`].
    #[must_use]
    pub fn fails_until(&self) -> Option<Timestamp> {
        let broken = |code: &&Code| code.severity() == Severity::Fails && self.findings.count(**code) > 0;
        let is_only_early = Code::ALL.iter().filter(broken).eq([&Code::DateFuture]);
        self.all_begun_at.filter(|_| is_only_early)
    }

    /// Returns the number of rows that belong to none of [`Self::days`]. Their date or their number of fields is
    /// unreadable, or there are too many days.
    #[must_use]
    pub fn rows_of_no_day(&self) -> u64 {
        self.rows_expected.saturating_sub(self.days.all().iter().map(|day| day.rows).sum())
    }

    /// Returns the findings in words, or `None` if there are none.
    #[must_use]
    pub fn told(&self) -> Option<FileFindings> {
        let summary = self.findings.summary(Severity::Doubtful)?;
        let cause = self.findings.summary_of(Severity::Fails).or_else(|| self.findings.summary_of(Severity::Doubtful));
        Some(FileFindings {
            summary,
            list: self.list(),
            only_doubts: self.findings.worst() == Some(Severity::Doubtful),
            likely: Likely { cause, rows: likely_rows(&self.skipped), rows_skipped: self.skipped.rows },
        })
    }

    /// Lists the worst findings first, and each severity in the order of the file.
    fn list(&self) -> String {
        let mut order: Vec<&Finding> = self.findings.kept().iter().collect();
        order.sort_by_key(|finding| std::cmp::Reverse(finding.code.severity()));
        let mut lines: Vec<String> = order.into_iter().take(LISTED).map(line).collect();
        let more = self.findings.count_from(Severity::Doubtful).saturating_sub(lines.len() as u64);
        if more > 0 {
            lines.push(format!("and {more} more"));
        }
        lines.join("\n")
    }
}

fn line(finding: &Finding) -> String {
    let at = finding
        .place
        .as_ref()
        .map_or_else(String::new, |place| format!("line {}, column {}: ", place.line, place.column));
    let remedy = finding.suggestion.as_ref().map_or_else(String::new, |remedy| format!("; {remedy}"));
    format!("{}: {at}{}{remedy}", finding.code.severity(), finding.message)
}

/// Explains skipped rows. Semicolons are the only known reason for which Adobe skips a row.
fn likely_rows(skipped: &Affected) -> Option<String> {
    let what = if skipped.rows == 1 { "a semicolon" } else { "semicolons" };
    skipped.in_words().map(|lines| format!("{lines}: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::{Checker, Facts};
    use proptest::prelude::*;
    use std::ffi::OsStr;

    fn told(rows: &str) -> Option<FileFindings> {
        let (extensions, now) = (["txt".to_owned()], "2026-11-24T12:00+01:00[Europe/Berlin]".parse().unwrap());
        let mut checker = Checker::new(&Facts {
            file_name: OsStr::new("sales.txt"),
            extensions: &extensions,
            now: &now,
            in_suite_zone: false,
            suite: None,
            data_source_id: None,
            max_size: 50_000_000,
            bytes_per_second: None,
            keep: 5,
        });
        checker.update(b"Date\tEvar 1\tEvent 1\n");
        checker.update(rows.as_bytes());
        checker.finish().told()
    }

    const GOOD: &str = "11/20/2026\tred\t1\n";
    const SKIPPED: &str = "11/20/2026\tred;\t1\n";
    const SHORT: &str = "11/20/2026\tred\n";
    const ODD: &str = "11/20/2026\tred\t1%\n";

    #[test]
    fn a_correct_file_has_no_findings() {
        assert_eq!(told(GOOD), None);
    }

    #[test]
    fn the_worst_is_listed_first_with_what_to_write_instead() {
        let told = told(&[SKIPPED, ODD, SHORT].concat()).unwrap();
        insta::assert_snapshot!(told.list, @r"
        fails: line 4, column 15: the row has 2 fields, the header has 3: Adobe rejects the whole file; add 1 tab
        skips: line 2, column 15: Adobe skips rows that contain a semicolon; write another character
        doubtful: line 3, column 16: `1%` is not a plain number: it has a percent sign; write digits and at most one point, such as `2` or `2.50`
        ");
        assert_eq!(
            told.summary,
            "line 4: the row has 2 fields, the header has 3: Adobe rejects the whole file; 2 more"
        );
        assert_eq!(
            told.likely.cause.unwrap(),
            "line 4: the row has 2 fields, the header has 3: Adobe rejects the whole file",
            "what only loses a row or is doubtful is no part of the cause"
        );
        assert!(!told.only_doubts);
    }

    #[test]
    fn many_findings_are_counted() {
        let told = told(&[SHORT, SKIPPED].concat().repeat(1_000)).unwrap();
        assert_eq!(told.list.lines().count(), 2, "{}", told.list);
        assert_eq!(told.likely.rows.unwrap(), "lines 3, 5, 7, 9, 11, 13, 15, 17 and 992 more: semicolons");
        assert_eq!(told.likely.rows_skipped, 1_000);
        let wider = |count: usize| format!("11/20/2026{}\n", "\t".repeat(count + 2));
        let told = self::told(&(1..=1_000).map(wider).collect::<String>()).unwrap();
        assert_eq!(told.list.lines().count(), LISTED + 1);
        assert!(told.list.ends_with("\nand 995 more"), "{}", told.list);
    }

    #[test]
    fn a_doubt_is_a_cause_where_there_is_nothing_worse_and_a_semicolon_never_is() {
        let doubt = told(ODD).unwrap();
        assert!(doubt.only_doubts && doubt.likely.cause.unwrap().starts_with("line 2: `1%` is not a plain number"));
        let both = told(&[SKIPPED, ODD].concat()).unwrap();
        assert!(both.likely.cause.unwrap().starts_with("line 3: `1%`"));
        let skips = told(SKIPPED).unwrap();
        assert_eq!((skips.only_doubts, skips.likely.cause), (false, None));
        assert_eq!(skips.likely.rows.unwrap(), "line 2: a semicolon");
    }

    #[test]
    fn semicolons_are_all_that_skips_a_row() {
        let skips = Code::ALL.iter().filter(|code| code.severity() == Severity::Skips);
        assert_eq!(skips.collect::<Vec<_>>(), [&Code::Semicolon], "`likely_rows` must name the others too");
    }

    proptest! {
        #[test]
        fn the_findings_in_words_are_bounded_and_printable(rows in proptest::collection::vec(
            prop_oneof![
                Just(GOOD.to_owned()), Just(SKIPPED.to_owned()), Just(SHORT.to_owned()), Just(ODD.to_owned()),
                "\\PC{0,300}\n", "[\t;\r\u{0}-\u{1f}]{0,9}\n",
            ],
            0..40,
        )) {
            let Some(told) = told(&rows.concat()) else { return Ok(()) };
            prop_assert!(told.list.lines().count() <= LISTED + 1 && told.list.chars().count() <= LISTED * 2_000);
            let texts = told.list.split('\n').chain([told.summary.as_str()]).chain(told.likely.cause.as_deref());
            for text in texts.chain(told.likely.rows.as_deref()) {
                prop_assert!(!text.is_empty() && !text.chars().any(char::is_control), "{:?}", text);
            }
            prop_assert_eq!(told.likely.rows.is_some(), told.likely.rows_skipped > 0);
        }
    }
}
