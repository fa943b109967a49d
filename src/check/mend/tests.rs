//! Mending as a whole: values that both checks can read stay the same, and mending a mended file changes nothing.

use super::*;
use crate::check::{Checked, Checker, Facts};
use proptest::prelude::*;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

fn check(content: &[u8]) -> Checked {
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
        keep: 20,
    });
    checker.update(content);
    checker.finish()
}

/// A file after mending, its lines before and after, and its changes.
#[derive(Debug, PartialEq, Eq)]
struct Done {
    content: Vec<u8>,
    lines: Vec<(Vec<u8>, Vec<u8>)>,
    changes: Changes,
}

fn mend_in(content: &[u8], is_unsafe: bool, chunk: usize) -> Option<Done> {
    let mut survey = Survey::new(None, is_unsafe);
    content.chunks(chunk).for_each(|chunk| survey.update(chunk));
    let plan = survey.finish();
    if plan.obstacle.is_some() {
        return None;
    }
    let mut mender = Mender::new(&plan, None, is_unsafe);
    let (mut written, mut lines) = (Vec::new(), Vec::new());
    let mut note = |line: &MendedLine<'_>| {
        written.extend_from_slice(line.after);
        written.extend_from_slice(line.end.bytes());
        lines.push((line.before.to_vec(), line.after.to_vec()));
    };
    content.chunks(chunk).for_each(|chunk| mender.update(chunk, &mut note));
    let changes = mender.finish(&mut note);
    Some(Done { content: written, lines, changes })
}

fn mend(content: &[u8], is_unsafe: bool) -> Option<Done> {
    mend_in(content, is_unsafe, usize::MAX)
}

fn text(content: &str, is_unsafe: bool) -> String {
    String::from_utf8(mend(content.as_bytes(), is_unsafe).unwrap().content).unwrap()
}

#[test]
fn certain_mends_are_made_and_others_only_on_request() {
    for (before, certain, all) in [
        (
            "Date\teVar1\tEvent 1\n2026-11-20\t\"red\"\t1,234.50\n",
            "Date\tEvar 1\tEvent 1\n11/20/2026\tred\t1234.50\n",
            None,
        ),
        ("\u{feff}Date\tEvar 1\tEvent 1\n1/2/2026\tred\t 1\n", "Date\tEvar 1\tEvent 1\n01/02/2026\tred\t1\n", None),
        (
            "# c\r\r\n\r\nDate\tEvar 1\tEvent 1\r\r\n11/20/2026\tred\t1\r\n\n",
            "# c\r\n#\r\nDate\tEvar 1\tEvent 1\r\n11/20/2026\tred\t1\r\n\n",
            None,
        ),
        (
            "Date\tEvar 1\tRevenue\n20/11/2026\tred\t$7\n05/11/2026\tred\t1\n",
            "Date\tEvar 1\tRevenue\n20/11/2026\tred\t$7\n05/11/2026\tred\t1\n",
            Some("Date\tEvar 1\tPrice\n11/20/2026\tred\t7\n11/05/2026\tred\t1\n"),
        ),
        (
            "Date;Evar 1;Event 1\n20.11.2026;\"red; blue\";1,5\n",
            "Date;Evar 1;Event 1\n20.11.2026;\"red; blue\";1,5\n",
            Some("Date\tEvar 1\tEvent 1\n11/20/2026\tred; blue\t1.5\n"),
        ),
        (
            "Event 1\tEvar 1\tDate\n\"1\"\t\"#red\"\t2026-11-20\n",
            "Event 1\tEvar 1\tDate\n\"1\"\t#red\t11/20/2026\n",
            None,
        ),
        ("Date\tEvar 1\n\"\"\t\"\"\n", "Date\tEvar 1\n\"\"\t\n", None),
        (
            "Date\tEvar 1\tEvent 1\n11/20/2026\t\"a\n\nb\"\t1\n",
            "Date\tEvar 1\tEvent 1\n11/20/2026\t\"a\n\nb\"\t1\n",
            None,
        ),
        (
            "Date\tEvar 1\tEvent 1\n2026-11-20\tred\t1\nDate\tEvent 1\tEvar 1\n2026-11-20\t\"1\"\t\"red\"\n",
            "Date\tEvar 1\tEvent 1\n11/20/2026\tred\t1\nDate\tEvent 1\tEvar 1\n2026-11-20\t\"1\"\t\"red\"\n",
            None,
        ),
        ("Date\tEvent 1\tEvar 1\n11/20/2026\t1\t\"a\r\"\n", "Date\tEvent 1\tEvar 1\n11/20/2026\t1\t\"a\r\"\n", None),
        ("\u{feff}", "", None),
        ("", "", None),
    ] {
        assert_eq!(text(before, false), certain, "{before}");
        assert_eq!(text(before, true), all.unwrap_or(certain), "{before}");
    }
}

#[test]
fn every_encoding_becomes_utf_8_where_it_is_certain() {
    let content = "Date\tEvar 1\tEvent 1\n11/20/2026\tKöln\t1\n";
    let wide: Vec<u8> = content.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for content_before in [[b"\xff\xfe".as_slice(), &wide].concat(), wide.clone()] {
        let done = mend(&content_before, false).unwrap();
        assert_eq!(String::from_utf8(done.content).unwrap(), content);
        assert_eq!(done.changes.all()[0].mend, Mend::Encoding);
    }
    assert!(mend(&[b"\xff\xfe".as_slice(), &wide, &[0, 0xd8]].concat(), false).is_none(), "half a character");
    assert!(mend(b"a\0b\0", false).is_none());
    for start in ["\u{feff}\u{feff}", "\u{feff}\0"] {
        assert!(
            mend(format!("{start}{content}").as_bytes(), false).is_none(),
            "the copy would be read as another encoding"
        );
    }
    let western =
        content.replace('ö', "\u{1}").into_bytes().iter().map(|b| if *b == 1 { 0xf6 } else { *b }).collect::<Vec<u8>>();
    assert_eq!(mend(&western, false).unwrap().content, content.as_bytes());
    let other: Vec<u8> = western.iter().map(|b| if *b == 0xf6 { 0xe8 } else { *b }).collect();
    let done = mend(&other, false).unwrap();
    assert_eq!((&done.content, done.changes.is_any_done()), (&other, false));
    let offered = &done.changes.all()[0];
    assert_eq!((offered.mend, offered.is_certain, offered.after.as_str()), (Mend::Encoding, false, "Kèln"));
    assert_eq!(mend(&other, true).unwrap().content, content.replace('ö', "è").as_bytes());
    let long = format!("Date\tEvar 1\tEvent 1\n11/20/2026\t{}\t1\n", "x".repeat(70_000));
    assert!(mend(long.as_bytes(), false).is_none());
}

#[test]
fn a_cause_is_named_once_with_its_rows() {
    let rows = "2026-11-20\tred\t1\n2026-11-21\tred\t$2\n".repeat(50);
    let changes = mend(format!("Date\tEvar 1\tEvent 1\n{rows}").as_bytes(), false).unwrap().changes;
    let [date, number] = changes.all() else { panic!("{changes:?}") };
    assert_eq!(
        (date.mend, date.is_done, date.affected.rows, date.before.as_str()),
        (Mend::Date, true, 100, "2026-11-20")
    );
    assert_eq!((number.is_certain, number.is_done, number.affected.rows), (false, false, 50));
    assert_eq!((number.column.as_deref(), number.after.as_str()), (Some("Event 1"), "2"));
}

/// The totals of a single row, under its header.
fn alone(header: &[u8], row: &[u8]) -> Checked {
    check(&[header, b"\n", row, b"\n"].concat())
}

/// A sum without trailing zeros in its decimals.
fn plain(sum: &str) -> &str {
    if sum.contains('.') { sum.trim_end_matches('0').trim_end_matches('.') } else { sum }
}

/// Asserts that every readable value is read as before. With `days`, this includes the days.
fn assert_read_as_before(done: &Done, header: usize, days: bool) -> Result<(), TestCaseError> {
    let (header_before, header_after) = &done.lines[header];
    for (before, after) in &done.lines[header + 1..] {
        let (one, two) = (alone(header_before, before), alone(header_after, after));
        prop_assert_eq!(one.rows_expected, two.rows_expected, "{:?}", String::from_utf8_lossy(before));
        let (Some(day), metrics) = (one.days.all().first(), one.days.metrics()) else { continue };
        let other = two.days.all().first();
        prop_assert!(other.is_some(), "{:?}", String::from_utf8_lossy(after));
        let other = other.unwrap();
        prop_assert!(!days || day.date == other.date);
        prop_assert_eq!(metrics, two.days.metrics());
        for (total, mended) in day.totals.iter().zip(&other.totals).filter(|(total, _)| total.left_out == 0) {
            let (sum, after) = (total.sum.map(|sum| sum.to_string()), mended.sum.map(|sum| sum.to_string()));
            prop_assert_eq!(sum.as_deref().map(plain), after.as_deref().map(plain));
            prop_assert_eq!((total.negative, mended.left_out), (mended.negative, 0));
        }
    }
    Ok(())
}

fn date() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => "(0[1-9]|1[0-2])/(0[1-9]|[12][0-9]|3[01])/2026",
        2 => "[1-9]{1,2}/[0-9]{1,2}/2026( [0-9]{1,2}:[0-9]{2})?",
        2 => "[0-9]{1,2}[-./][0-9]{1,2}[-./](20)?26",
        2 => "2026-(0[1-9]|1[0-2])-[0-3][0-9]([T ]1[0-9]:[0-5][0-9](:00)?Z?)?",
        1 => "\"(11/20/2026|20/11/2026| 1/2/2026)\"",
        1 => proptest::sample::select(vec!["46346", "20261120", "20-Nov-2026", "Date", "", "\"", "#x", "soon"]).prop_map(str::to_owned),
    ]
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => "-?[0-9]{1,4}(\\.[0-9]{1,3})?",
        4 => "[+-]?[0-9]{1,3}([,.][0-9]{1,3}){0,2}",
        2 => "\"?[$ ]?[0-9]{1,3}[, '.\u{a0}][0-9]{3}([.,][0-9]{1,2})?[€ ]?\"?",
        1 => "[0-9,. '\"$()-]{0,8}",
        1 => Just("99999999999999999999999999999999999999999".to_owned()),
    ]
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![3 => "[a-c]{0,3}", 2 => "\"[a-c\",;]{0,4}\"", 1 => "[\"#;a\u{e4}\u{feff} ]{0,4}"]
}

fn row() -> impl Strategy<Value = String> {
    let usual = (date(), value(), number(), number()).prop_map(|(a, b, c, d)| [a, b, c, d].join("\t"));
    prop_oneof![12 => usual, 1 => "[\t\"#a1/ ]{0,12}", 1 => Just(String::new()), 1 => "# ?[a-z]{0,3}"]
}

fn headers() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec![
        "Date\tEvar 1\tEvent 1\tOrders",
        "date\t\"eVar1\"\tevent2 \tPrice",
        "Date\tProduct\tRevenue\tOrders",
        "Date\tevar1\tEvar 1\tEvent 1",
        "Evar 1\tDate\tEvent 1\tOrders",
        "Store\tDate\tEvent 1\tOrders",
    ])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn rows_days_and_sums_stay_and_mending_again_changes_nothing(
        header in headers(),
        rows in proptest::collection::vec((row(), proptest::sample::select(vec!["\n", "\r\n", "\r\r\n"])), 0..12),
        chunk in 1..40usize,
        is_unsafe in any::<bool>(),
    ) {
        let mut content = format!("{header}\n");
        for (row, end) in &rows {
            content.push_str(row);
            content.push_str(end);
        }
        let done = mend(content.as_bytes(), is_unsafe).unwrap();
        prop_assert_eq!(&mend_in(content.as_bytes(), is_unsafe, chunk).unwrap(), &done, "whatever the chunks are");
        prop_assert_eq!(check(content.as_bytes()).rows_expected, check(&done.content).rows_expected);
        let again = mend(&done.content, is_unsafe).unwrap();
        prop_assert_eq!(String::from_utf8_lossy(&again.content), String::from_utf8_lossy(&done.content));
        prop_assert!(!again.changes.is_any_done(), "{:?}", again.changes);
        prop_assert_eq!(done.changes.is_any_done(), done.content != content.as_bytes());
        // A guessed name gives a column a new meaning, and a date read day first is another day.
        if !is_unsafe || !header.contains("Revenue") {
            assert_read_as_before(&done, 0, !is_unsafe)?;
        }
        if is_unsafe {
            let certain = mend(content.as_bytes(), false).unwrap();
            let then = mend(&certain.content, false).unwrap();
            prop_assert_eq!(then.content, certain.content);
        }
    }

    #[test]
    fn any_bytes_are_mended_without_losing_a_line_and_only_once(
        content in proptest::collection::vec(prop_oneof![
            Just(b'\n'), Just(b'\t'), Just(b'\r'), Just(b'"'), Just(b'#'), Just(b';'), Just(b','), Just(b' '),
            proptest::sample::select(b"Date1/2evr.-\xe4\xfc\x80\xc3\xef\xbb\xbf\xff\xfe\0".to_vec()), any::<u8>(),
        ], 0..80),
        with_header in any::<bool>(),
        is_unsafe in any::<bool>(),
    ) {
        let start: &[u8] = if with_header { b"Date\teVar1\tEvent 1\n" } else { b"" };
        let content = [start, &content].concat();
        let Some(done) = mend(&content, is_unsafe) else { return Ok(()) };
        prop_assert_eq!(check(&content).rows_expected, check(&done.content).rows_expected);
        if let Some(again) = mend(&done.content, is_unsafe) {
            prop_assert!(!again.changes.is_any_done(), "{:?} {:?}", done.changes, again.changes);
        }
    }
}

/// The test files of the rules, each mended in both ways.
#[test]
fn every_file_of_the_rules_is_mended_to_bytes_that_stay() {
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check_data")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension() != Some("txt".as_ref()) {
            continue;
        }
        let content = fs::read(&path).unwrap();
        for is_unsafe in [false, true] {
            let Some(done) = mend(&content, is_unsafe) else { continue };
            let again = mend(&done.content, is_unsafe).unwrap();
            assert_eq!((&again.content, again.changes.is_any_done()), (&done.content, false), "{}", path.display());
            let name = path.file_name().unwrap().to_string_lossy();
            if name.contains(".inside.") && !name.starts_with("utf-16") && !name.starts_with("joined-files") {
                assert!(
                    !done.changes.is_any_done() && done.content == content,
                    "{}: {:?}",
                    path.display(),
                    done.changes
                );
            }
        }
    }
}
