//! The rules as a whole: a file for each rule, the same findings for chunks of any size, and no findings in a correct
//! file.

mod parts;
mod sums;

use super::*;
use crate::job::{Dimension, Metric, MetricKind, Timestamp};
use jiff::civil::Date;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::LazyLock;

/// The time of these checks.
fn now() -> ZonedDateTime {
    "2026-11-24T12:00+01:00[Europe/Berlin]".parse().unwrap()
}

/// The day of these checks.
fn today() -> Date {
    now().date()
}

/// Maximum number of findings of each rule in these tests.
const KEEP: usize = 5;

fn check_in(name: &str, content: &[u8], chunk: usize, change: impl FnOnce(&mut Facts<'_>)) -> Checked {
    let extensions = ["txt".to_owned(), "tab".to_owned()];
    let now = now();
    let mut facts = Facts {
        file_name: OsStr::new(name),
        extensions: &extensions,
        now: &now,
        in_suite_zone: false,
        suite: None,
        data_source_id: None,
        max_size: 50_000_000,
        bytes_per_second: None,
        keep: KEEP,
    };
    change(&mut facts);
    let mut checker = Checker::new(&facts);
    for chunk in content.chunks(chunk) {
        checker.update(chunk);
    }
    checker.finish()
}

fn check(name: &str, content: &[u8]) -> Checked {
    check_in(name, content, usize::MAX, |_| {})
}

fn codes(checked: &Checked) -> Vec<Code> {
    let mut codes: Vec<Code> = checked.findings.kept().iter().map(|finding| finding.code).collect();
    codes.sort_unstable();
    codes.dedup();
    codes
}

const HEADER: &str = "Date\tEvar 1\tEvent 1\n";
const ROW: &str = "11/20/2026\tred\t1\n";

/// A file name, a content, and a change of the usual facts.
type Case<'a> = (&'a str, String, fn(&mut Facts<'_>));

/// A report suite in which `Event 1` is a counter and `Event 2` is not.
static SUITE: LazyLock<SuiteFacts> = LazyLock::new(|| SuiteFacts {
    name: Some("Shop EU".to_owned()),
    metrics: Some(vec![
        Metric { id: "event1".to_owned(), name: "Calls".to_owned(), kind: MetricKind::Counter },
        Metric { id: "event2".to_owned(), name: "Order value".to_owned(), kind: MetricKind::Decimal },
        Metric { id: "event3".to_owned(), name: String::new(), kind: MetricKind::Other },
    ]),
    dimensions: Some(vec![Dimension { id: "EVAR1".to_owned(), name: "Store".to_owned() }]),
    ..SuiteFacts::default()
});

/// Rules that no file in a folder can show: a content that breaks the rule, and one that is just inside its limit.
fn generated(code: Code) -> Option<[Case<'static>; 2]> {
    let usual: fn(&mut Facts<'_>) = |_| {};
    let file = || format!("{HEADER}{ROW}");
    let on = |day: &str| file().replace("11/20/2026", day);
    // This dimension has no known limit for a value.
    let header = HEADER.replace("Evar 1", "Marketing Channel");
    let row_of = |bytes: usize| format!("{header}11/20/2026\t{}\t1\n", "x".repeat(bytes - "11/20/2026\t\t1".len()));
    let header_of = |bytes: usize| {
        // As many names of nine bytes as needed, so that the rest are names of ten.
        let rest = bytes - "Date\tEvar 1".len();
        let short = (10 - rest % 10) % 10;
        let events = (10..).take(short).chain((100..).take((rest - 9 * short) / 10));
        let names = events.fold(String::new(), |names, number| names + &format!("\tEvent {number}"));
        assert_eq!(names.len(), rest);
        let values = "\t1".repeat(names.matches('\t').count());
        format!("Date\tEvar 1{names}\n11/20/2026\tred{values}\n")
    };
    let days = |count: i32| {
        (0..count).fold(HEADER.to_owned(), |text, back| {
            let day = today().saturating_sub(jiff::Span::new().days(back));
            text + &format!("{:02}/{:02}/{}\tred\t1\n", day.month(), day.day(), day.year())
        })
    };
    Some(match code {
        Code::NameWhiteSpace => [(" sales.txt", file(), usual), ("sal es.txt", file(), usual)],
        Code::NameNotSendable => [("sa\nles.txt", file(), usual), ("日本%\".txt", file(), usual)],
        Code::ExtensionCase => [("SALES.TXT", file(), usual), ("SALES.txt", file(), usual)],
        Code::NameOfCopy => [("sales (1).txt", file(), usual), ("sales (2026).txt", file(), usual)],
        Code::WrongDataSource => {
            let [template, header] = ["# Generic template file (user: 123 ds_id: 621)\n# Date\tStore\n", HEADER];
            let other: fn(&mut Facts<'_>) = |facts| facts.data_source_id = Some(622);
            let own: fn(&mut Facts<'_>) = |facts| facts.data_source_id = Some(621);
            let content = format!("{template}{header}{ROW}");
            [("a.txt", content.clone(), other), ("a.txt", content, own)]
        }
        Code::ColumnNotEnabled => {
            let known: fn(&mut Facts<'_>) = |facts| facts.suite = Some(&SUITE);
            [("a.txt", file().replace("Evar 1", "Evar 2"), known), ("a.txt", file(), known)]
        }
        Code::ExtensionOther => [("sales.csv", file(), usual), ("sales.csv.tab", file(), usual)],
        Code::FileTooLarge => {
            [("a.txt", file(), |facts| facts.max_size = 36), ("a.txt", file(), |facts| facts.max_size = 37)]
        }
        // 37 bytes become 49 in base64.
        Code::UploadTime => {
            let slow: fn(&mut Facts<'_>) = |facts| facts.bytes_per_second = Some(0);
            [("a.txt", format!("{}{}", file(), ROW.repeat(2)), slow), ("a.txt", file(), slow)]
        }
        Code::MayBeCutOff => [("a.txt", file().trim_end().to_owned(), usual), ("a.txt", file(), usual)],
        Code::HeaderTooLong => [("a.txt", header_of(4097), usual), ("a.txt", header_of(4096), usual)],
        Code::RowTooLong => [("a.txt", row_of(4097), usual), ("a.txt", row_of(4096), usual)],
        Code::DateTomorrow => [("a.txt", on("11/25/2026"), usual), ("a.txt", on("11/24/2026"), usual)],
        Code::DateOld => [("a.txt", on("10/23/2024"), usual), ("a.txt", on("10/24/2024"), usual)],
        Code::TooManyDays => [("a.txt", days(91), usual), ("a.txt", days(90), usual)],
        Code::MarkerNotEmpty
        | Code::FileEmpty
        | Code::Utf16
        | Code::Utf16WithoutMark
        | Code::BadCharacter
        | Code::NulByte
        | Code::DoubleReturn
        | Code::CutOff
        | Code::JoinedFiles
        | Code::LoneReturn
        | Code::BlankRow
        | Code::NoHeader
        | Code::NotTabDelimited
        | Code::DateNotFirst
        | Code::ColumnEmpty
        | Code::ColumnSpacing
        | Code::ColumnWhiteSpace
        | Code::ColumnUnknown
        | Code::ColumnUnsupported
        | Code::ColumnOutOfRange
        | Code::ColumnLegacy
        | Code::ColumnDuplicate
        | Code::NoMetric
        | Code::NoDimension
        | Code::CategoryWithoutProduct
        | Code::FieldCount
        | Code::Semicolon
        | Code::RowWithoutMetric
        | Code::RowWithoutDimension
        | Code::NumberFormat
        | Code::ValueTooLong
        | Code::ProductTooLong
        | Code::ZipTooLong
        | Code::ProductDelimiter
        | Code::QuotedValue
        | Code::PriceFormat
        | Code::PriceWithoutProduct
        | Code::CounterValue
        | Code::NegativeAmount
        | Code::TransactionIdTooLong
        | Code::DateMissing
        | Code::DateFormat
        | Code::DateNotPadded
        | Code::DateImpossible
        | Code::DateDayFirst
        | Code::DateFuture
        | Code::NoRows => return None,
    })
}

/// The files of `tests/check_data`: `CODE.txt` breaks only that rule, `CODE.inside.txt` breaks none.
fn check_data() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check_data");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt" || extension == "fin"))
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

#[test]
fn every_rule_has_a_file_that_breaks_it_alone_and_one_just_inside_its_limit() {
    let data = check_data();
    for code in Code::ALL.iter().copied() {
        let [breaks, inside] = if let Some(cases) = generated(code) {
            cases.map(|(name, content, change)| check_in(name, content.as_bytes(), usize::MAX, change))
        } else {
            ["", ".inside"].map(|kind| {
                let stem = format!("{code}{kind}");
                let file = data.iter().find(|(name, _)| crate::job::stem(name) == stem);
                let (name, content) = file.unwrap_or_else(|| panic!("tests/check_data lacks {stem}.txt"));
                check(name, content)
            })
        };
        assert_eq!(codes(&breaks), [code], "{:#?}", breaks.findings.kept());
        assert_eq!(codes(&inside), [], "{code}: {:#?}", inside.findings.kept());
        assert_eq!(breaks.would_fail(), code.severity() == Severity::Fails);
        assert_eq!(breaks.skipped.rows > 0, code.severity() == Severity::Skips);
    }
}

#[test]
fn a_file_whose_dates_only_make_sense_day_first_has_one_finding() {
    // Read month first, some of these dates are in the future, old, not padded, or too many.
    let rows: String =
        (1..=28).flat_map(|day| (1..=11).map(move |month| format!("{day:02}/{month:02}/2026\ta\t1\n"))).collect();
    let rows = format!("05/12/2023\ta\t1\n1/11/2026\ta\t1\n{rows}");
    let checked = check("a.txt", format!("{HEADER}{rows}").as_bytes());
    assert_eq!(codes(&checked), [Code::DateDayFirst]);
    let finding = &checked.findings.kept()[0];
    let words =
        "`13/01/2026` has the day before the month, as has every date of the file that tells the two apart (176 rows: ";
    assert!(finding.message.starts_with(words), "{}", finding.message);
    assert_eq!((finding.suggestion.as_deref(), checked.fails_until()), (Some("write `01/13/2026`"), None));
    // One date that has the month first is enough to make this doubtful.
    let checked = check("a.txt", format!("{HEADER}{rows}11/13/2026\ta\t1\n").as_bytes());
    let all = [Code::DateNotPadded, Code::DateDayFirst, Code::DateFuture, Code::DateOld, Code::TooManyDays];
    assert_eq!(codes(&checked), all);
}

fn in_suite(suite: &'static SuiteFacts, content: &str) -> Vec<String> {
    let checked = check_in("a.txt", content.as_bytes(), usize::MAX, |facts| facts.suite = Some(suite));
    checked.findings.kept().iter().map(|finding| finding.message.clone()).collect()
}

#[test]
fn a_report_suite_says_what_counts_and_what_it_lacks() {
    let content = "date\tEVAR 1\tevent 1\tEvent 2\tEvent 3\n11/20/2026\tred\t1.50\t1.50\t1.50\n\
                   11/20/2026\tred\t$2\t2\t2\n";
    let counter = [
        "`1.50` has decimals, but `Calls` (Event 1) is a counter, which takes whole numbers",
        "`$2` has a currency sign, but `Calls` (Event 1) is a counter",
    ];
    assert_eq!(in_suite(&SUITE, content), counter);
    let content = "Date\tEvar 2\tEvent 4\tevent5\tZip\tOrders\n11/20/2026\tred\t1\t1\t1234\t1\n";
    let lacking = in_suite(&SUITE, content);
    assert_eq!(lacking.len(), 4, "{lacking:?}");
    for (message, column) in lacking.iter().zip(["`Evar 2`", "`Event 4`"]) {
        assert_eq!(*message, format!("{column} is unknown or not enabled in this report suite `Shop EU`"));
    }
}

/// The credential may lack the permission, so that a list is missing. A list may also be empty.
#[test]
fn unknown_parts_of_a_report_suite_cause_no_findings() {
    static NOTHING: LazyLock<SuiteFacts> = LazyLock::new(SuiteFacts::default);
    static EMPTY: LazyLock<SuiteFacts> = LazyLock::new(|| SuiteFacts {
        metrics: Some(Vec::new()),
        dimensions: Some(Vec::new()),
        ..SuiteFacts::default()
    });
    static HALF: LazyLock<SuiteFacts> = LazyLock::new(|| SuiteFacts { dimensions: None, ..SUITE.clone() });
    let content = "Date\tEvar 7\tEvent 1\n11/20/2026\tred\t1\n";
    for suite in [&NOTHING, &EMPTY, &HALF] {
        assert_eq!(in_suite(suite, content), [""; 0]);
    }
}

/// A check on an evening in California, the zone of the report suite.
fn in_california(rows: &str, in_suite_zone: bool) -> Checked {
    static NOW: LazyLock<ZonedDateTime> = LazyLock::new(|| "2026-11-24T17:00-08:00[US/Pacific]".parse().unwrap());
    let content = HEADER.to_owned() + rows;
    check_in("sales.txt", content.as_bytes(), usize::MAX, |facts| {
        facts.now = &NOW;
        facts.in_suite_zone = in_suite_zone;
    })
}

#[test]
fn a_day_that_has_not_begun_in_the_report_suite_says_when_it_begins() {
    let checked = in_california(&"11/25/2026\tred\t1\n".repeat(1_000_000), true);
    assert_eq!((codes(&checked), checked.findings.count(Code::DateFuture)), (vec![Code::DateFuture], 1));
    let message = &checked.findings.kept()[0].message;
    let words = "`11/25/2026` has not begun yet in US/Pacific, begins in 7 h (1,000,000 rows: lines 2, 3, ";
    assert!(message.starts_with(words), "{message}");
    assert_eq!(in_california("11/24/2026\tred\t1\n", true).findings.kept(), []);
    // If the zone is not that of the report suite, the day is doubtful, as before.
    assert_eq!(codes(&in_california("11/25/2026\tred\t1\n", false)), [Code::DateTomorrow]);
}

#[test]
fn a_file_that_must_only_wait_says_until_when() {
    let at = |time: &str| Some(Timestamp(time.parse::<jiff::Timestamp>().unwrap().as_millisecond()));
    let (today, next, later) = ("11/24/2026\tred\t1\n", "11/25/2026\tred\t1\n", "11/27/2026/09/00/00\tred\t1\n");
    for (rows, in_suite_zone, until) in [
        (today.to_owned(), true, None),
        (next.to_owned(), true, at("2026-11-25T08:00Z")),
        ([later, next, today].concat(), true, at("2026-11-27T08:00Z")),
        // A doubtful finding does not change the time, and no file waits because of one.
        ([next, "11/24/2026\tred\t1%\n"].concat(), true, at("2026-11-25T08:00Z")),
        (next.to_owned(), false, None),
        (later.to_owned(), false, at("2026-11-27T08:00Z")),
        // These do not become correct on any day.
        ([next, "11/24/2026\tred\n"].concat(), true, None),
        ([next, "02/30/2026\tred\t1\n"].concat(), true, None),
    ] {
        assert_eq!(in_california(&rows, in_suite_zone).fails_until(), until, "{rows}");
    }
}

#[test]
fn the_data_days_are_those_of_the_rows() {
    let rows = "11/20/2026\tred\t1\n11/18/2026/23/59/59\tred\t1\n11/20/2026\tblue\t1\n02/30/2026\tred\t1\n";
    let days = in_california(rows, true).days;
    let [first, last] = [18, 20].map(|day| jiff::civil::date(2026, 11, day));
    let dates: Vec<Date> = days.all().iter().map(|day| day.date).collect();
    assert_eq!((days.first(), days.last(), dates.as_slice()), (Some(first), Some(last), [first, last].as_slice()));
    assert!(days.is_complete());
    assert_eq!(check("a.fin", b"").days, DataDays::default());
}

#[test]
fn findings_do_not_depend_on_the_chunks() {
    for (name, content) in check_data() {
        let whole = check(&name, &content);
        for chunk in [1, 2, 3, 7, 64] {
            assert_eq!(check_in(&name, &content, chunk, |_| {}), whole, "{name} in chunks of {chunk}");
        }
    }
}

#[test]
fn rows_are_counted_as_the_job_log_counts_them() {
    for (name, content) in check_data() {
        let mut counter = crate::job::RowCounter::default();
        counter.update(&content);
        let expected = if Path::new(&name).extension().unwrap() == "fin" { 0 } else { counter.finish() };
        assert_eq!(check(&name, &content).rows_expected, expected, "{name}");
    }
}

#[test]
fn a_summary_tells_the_worst_first_and_which_rows_are_lost() {
    let rows = "11/20/2026\ta;b\t1\n11/20/2026\tc\t1%\n11/20/2026\td;\t1\n";
    let checked = check("sales.txt", format!("{HEADER}{rows}").as_bytes());
    assert_eq!(checked.findings.summary(Severity::Fails), None);
    let summary = checked.findings.summary(Severity::Doubtful).unwrap();
    assert_eq!(summary, "line 2: Adobe skips rows that contain a semicolon (2 rows: lines 2 and 4); 1 more");
    assert_eq!(checked.skipped.in_words().unwrap(), "lines 2 and 4");
    assert_eq!((checked.rows_expected, checked.skipped.rows, checked.would_fail()), (3, 2, false));
    let checked = check("sales.txt", format!("{HEADER}{rows}11/20/2026\te\n").as_bytes());
    let summary = checked.findings.summary(Severity::Fails).unwrap();
    assert_eq!(summary, "line 5: the row has 2 fields, the header has 3: Adobe rejects the whole file");
    assert!(checked.would_fail());
}

#[test]
fn a_header_that_says_nothing_of_the_rows_is_the_only_finding() {
    for (content, code) in [
        ("Date,Evar 1,Event 1\n11/20/2026,red,1\n", Code::NotTabDelimited),
        ("Date  Evar 1  Event 1\n11/20/2026  red  1\n", Code::NotTabDelimited),
        ("Date Evar 1 Event 1\n11/20/2026 red 1\n", Code::NotTabDelimited),
        ("11/20/2026\tred\t1\n11/21/2026\tred\t1\n", Code::NoHeader),
        (" # Date\tStore\tVisits\nDate\tEvar 1\tEvent 1\n11/20/2026\tred\t1\n", Code::DateNotFirst),
        ("Date\tEvar 1\tEvent 1\r11/20/2026\tred\t1\r", Code::LoneReturn),
    ] {
        assert_eq!(codes(&check("a.txt", content.as_bytes())), [code], "{content}");
    }
}

#[test]
fn a_cause_is_named_once_with_the_rows_that_share_it() {
    let rows = "2026-11-20\ta;b\t1%\n".repeat(1_000_000);
    let checked = check("sales.txt", format!("{HEADER}{rows}").as_bytes());
    let causes = [Code::DateFormat, Code::Semicolon, Code::NumberFormat];
    for code in causes {
        assert_eq!(checked.findings.count(code), 1, "{code}");
    }
    assert_eq!(checked.findings.kept().len(), causes.len());
    for finding in checked.findings.kept() {
        let (rows, message) = (&finding.affected, &finding.message);
        assert_eq!((rows.rows, rows.lines.len(), finding.place.as_ref().unwrap().line), (1_000_000, 20, 2));
        assert!(message.ends_with(" (1,000,000 rows: lines 2, 3, 4, 5, 6, 7, 8, 9 and 999,992 more)"), "{message}");
    }
    assert_eq!((checked.skipped.rows, checked.skipped.lines.len()), (1_000_000, 20));
}

/// The content, the only rule that it breaks, its line, and the number of affected rows.
#[test]
fn what_joins_cuts_or_converts_a_file_is_one_finding() {
    const MARK: &str = "\u{feff}";
    let other = "Date\tEvent 7\tEvar 3\tOrders\n11/20/2026\t1\tred\t1\n";
    for (content, code, line, rows) in [
        ([HEADER, ROW, HEADER, ROW].concat(), Code::JoinedFiles, 3, 1),
        ([MARK, HEADER, ROW, MARK, HEADER, ROW, HEADER].concat(), Code::JoinedFiles, 3, 2),
        ([HEADER, ROW, MARK, ROW].concat(), Code::JoinedFiles, 3, 1),
        ([HEADER, ROW, "date\tEVAR 1\tevent 1\r\n", ROW].concat(), Code::JoinedFiles, 3, 1),
        ([HEADER, ROW, other, other].concat(), Code::JoinedFiles, 3, 2),
        // The first file has no line end.
        ([HEADER, ROW.trim_end(), HEADER, ROW].concat(), Code::JoinedFiles, 2, 1),
        ([HEADER, ROW.trim_end(), MARK, HEADER, ROW].concat(), Code::JoinedFiles, 2, 1),
        ([HEADER, ROW.trim_end(), MARK, ROW].concat(), Code::JoinedFiles, 2, 1),
        ([HEADER, ROW, "11/20/2026\tblu"].concat(), Code::CutOff, 3, 1),
        ([HEADER, ROW, "11/20/2026"].concat(), Code::CutOff, 3, 1),
        ([HEADER, ROW, "11/20/2026\tblue\t"].concat(), Code::RowWithoutMetric, 3, 1),
        ([HEADER, ROW, ROW].concat().replace('\n', "\r\r\n"), Code::DoubleReturn, 1, 3),
        ([HEADER, ROW, "\n# c\n", ROW].concat().replace('\n', "\r\r\r\n"), Code::DoubleReturn, 1, 5),
        ([HEADER, ROW, ROW.trim_end()].concat().replace('\n', "\r\r\n") + "\r", Code::DoubleReturn, 1, 3),
    ] {
        let checked = check("a.txt", content.as_bytes());
        let others = [Code::MayBeCutOff, Code::BlankRow];
        let kept = checked.findings.kept().iter().filter(|finding| !others.contains(&finding.code));
        let found: Vec<_> =
            kept.map(|finding| (finding.code, finding.place.as_ref().unwrap().line, finding.affected.rows)).collect();
        assert_eq!(found, [(code, line, rows)], "{content:?}");
        assert_eq!(check_in("a.txt", content.as_bytes(), 1, |_| {}), checked);
    }
}

#[test]
fn a_value_that_makes_its_row_too_long_is_one_finding() {
    let content = format!("{HEADER}11/20/2026\t{}\t1\n", "x".repeat(4_090));
    assert_eq!(codes(&check("a.txt", content.as_bytes())), [Code::RowTooLong]);
}

/// If a value in quotes has line breaks, only the rows into which it is cut are wrong.
#[test]
fn a_line_break_in_quotes_is_one_finding() {
    let end = "Date\tEvent 1\tEvar 1\n11/20/2026\t1\t\"red\nor blue\"\n11/20/2026\t1\tred\n";
    for (content, line, rows) in [
        ([HEADER, "11/20/2026\t\"red\nor blue\"\t1\n", ROW].concat(), 2, 1),
        ([HEADER, "11/20/2026\t\"red\nor\nblue\"\t1\n", ROW].concat(), 2, 1),
        ([HEADER, "11/20/2026\t\"red\r\nor blue\"\t1\r\n"].concat(), 2, 1),
        (HEADER.to_owned() + &"11/20/2026\t\"red\nor blue\"\t1\n".repeat(3), 2, 3),
        (end.to_owned(), 3, 1),
    ] {
        let checked = check("a.txt", content.as_bytes());
        assert_eq!((codes(&checked), checked.findings.kept().len()), (vec![Code::FieldCount], 1), "{content}");
        let finding = &checked.findings.kept()[0];
        assert_eq!((finding.place.as_ref().unwrap().line, finding.affected.rows), (line, rows), "{content}");
        assert!(finding.message.starts_with("a line break inside quotes cuts this row in two: "), "{content}");
    }
    // A quote that never closes hides no other row.
    let content = [HEADER, "11/20/2026\t\"red\n", ROW, "11/20/2026\tred\n", ROW].concat();
    let checked = check("a.txt", content.as_bytes());
    assert_eq!((codes(&checked), checked.findings.kept().len()), (vec![Code::FieldCount], 2));
}

#[test]
fn the_first_causes_of_a_rule_are_kept_and_the_others_counted() {
    let rows: String = (1..=1_000).map(|count| "x".to_owned() + &"\t".repeat(count + 2) + "\n").collect();
    let checked = check("sales.txt", format!("{HEADER}{rows}").as_bytes());
    assert_eq!((checked.findings.kept().len(), checked.findings.count(Code::FieldCount)), (KEEP, 1_000));
}

proptest! {
    #[test]
    fn no_bytes_are_too_much_for_it(
        parts in proptest::collection::vec(
            prop_oneof![
                Just(b"Date\tEvar 1\tEvent 1\n".to_vec()),
                Just(b"11/20/2026\tred\t1\n".to_vec()),
                Just(b"\t".to_vec()), Just(b"\n".to_vec()), Just(b"\r".to_vec()), Just(b";".to_vec()), Just(b"#".to_vec()),
                Just("日".as_bytes().to_vec()), Just(b"eVar1".to_vec()), Just(b"\xff\xfe".to_vec()), Just(b"\0".to_vec()),
                proptest::collection::vec(any::<u8>(), 0..20),
                (0..5_000usize).prop_map(|length| vec![b'x'; length]),
            ],
            0..60,
        ),
        cut in 1usize..300,
        name in "\\PC{0,8}(\\.(txt|TXT|fin))?",
    ) {
        let content = parts.concat();
        let checked = check(&name, &content);
        prop_assert_eq!(&check_in(&name, &content, cut, |_| {}), &checked);
        for finding in checked.findings.kept() {
            for text in std::iter::once(&finding.message).chain(&finding.suggestion) {
                prop_assert!(!text.chars().any(char::is_control) && text.chars().count() < 800, "{}", text);
            }
            if let Some(place) = &finding.place {
                let length = place.excerpt.chars().count();
                prop_assert!(place.line > 0 && place.column > 0 && length <= 120 && place.marked.end <= length);
            }
        }
        let found = checked.findings.count_from(Severity::Doubtful);
        prop_assert!(found <= 8 * (content.len() as u64 + 8), "{} findings in {} bytes", found, content.len());
    }
}

/// The test counts bytes instead of time. The work for findings is bounded, for any number of them and any length of a
/// line.
#[test]
fn work_does_not_grow_faster_than_the_file() {
    let most = (KEEP * Code::ALL.len() * 64 * 1024) as u64;
    let wide = |text: String| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let contents: [Vec<u8>; 7] = [
        vec![b'\t'; 1_000_000],
        vec![b';'; 1_000_000],
        "a\t".repeat(500_000).into_bytes(),
        format!("{HEADER}{}", "\t\n;\t\r\0\n".repeat(100_000)).into_bytes(),
        [HEADER.as_bytes(), &b"\xff;\t".repeat(300_000)].concat(),
        HEADER.replace("Evar 1", &"evar".repeat(10_000)).into_bytes(),
        wide(format!("\u{feff}{HEADER}{}", "日;\t\n".repeat(100_000))),
    ];
    for content in contents {
        let mut handed = 0;
        let mut lines = crate::job::Lines::default();
        lines.feed(&content, |line| handed += line.bytes.len());
        lines.finish(|line| handed += line.bytes.len());
        assert!(handed <= content.len() * 3 / 2, "each byte is looked at as one of one line");
        let checked = check("sales.txt", &content);
        assert!(checked.findings.work() <= most, "{} of {most}", checked.findings.work());
        assert!(checked.findings.kept().len() <= KEEP * Code::ALL.len());
    }
}

/// Checks every name of a test file, so that no rule exists only in the documentation.
#[test]
fn the_folder_of_test_data_names_rules_that_there_are() {
    let others =
        BTreeSet::from(["spreadsheet-export", "many-at-once", "more-than-shown", "header-missing", "comment-indented"]);
    for (name, _) in check_data() {
        let stem = crate::job::stem(&name).trim_end_matches(".inside").to_owned();
        assert!(Code::from_word(&stem).is_some() || others.contains(stem.as_str()), "{name}");
    }
}
