//! The rules as a whole: a file for each, the same findings whatever the chunks are, and no findings where all is well.

use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// The day on which all this is checked.
fn today() -> Date {
    jiff::civil::date(2026, 11, 24)
}

/// So many findings of each rule are kept here.
const KEEP: usize = 5;

fn check_in(name: &str, content: &[u8], chunk: usize, change: impl FnOnce(&mut Facts<'_>)) -> Checked {
    let extensions = ["txt".to_owned(), "tab".to_owned()];
    let mut facts = Facts {
        file_name: OsStr::new(name),
        extensions: &extensions,
        today: today(),
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

/// A name, a content, and what else is not as usual.
type Case<'a> = (&'a str, String, fn(&mut Facts<'_>));

/// The rules that no file in a folder can show: what breaks each, and what is just inside its limit.
fn generated(code: Code) -> Option<[Case<'static>; 2]> {
    let usual: fn(&mut Facts<'_>) = |_| {};
    let file = || format!("{HEADER}{ROW}");
    let row_of = |bytes: usize| format!("{HEADER}11/20/2026\t{}\t1\n", "x".repeat(bytes - "11/20/2026\t\t1".len()));
    let header_of = |bytes: usize| {
        // So many names of nine bytes that the rest are names of ten.
        let rest = bytes - "Date\tEvar 1".len();
        let short = (10 - rest % 10) % 10;
        let events = (10..).take(short).chain((100..).take((rest - 9 * short) / 10));
        let names: String = events.map(|number| format!("\tEvent {number}")).collect();
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
        Code::ExtensionOther => [("sales.csv", file(), usual), ("sales.csv.tab", file(), usual)],
        Code::FileTooLarge => {
            [("a.txt", file(), |facts| facts.max_size = 36), ("a.txt", file(), |facts| facts.max_size = 37)]
        }
        // 49 bytes in base64 of 37.
        Code::UploadTime => {
            let slow: fn(&mut Facts<'_>) = |facts| facts.bytes_per_second = Some(0);
            [("a.txt", format!("{}{}", file(), ROW.repeat(2)), slow), ("a.txt", file(), slow)]
        }
        Code::HeaderTooLong => [("a.txt", header_of(4097), usual), ("a.txt", header_of(4096), usual)],
        Code::RowTooLong => [("a.txt", row_of(4097), usual), ("a.txt", row_of(4096), usual)],
        Code::DateTomorrow => [
            ("a.txt", file(), |facts| facts.today = jiff::civil::date(2026, 11, 19)),
            ("a.txt", file(), |facts| {
                facts.today = jiff::civil::date(2026, 11, 20);
            }),
        ],
        Code::TooManyDays => [("a.txt", days(91), usual), ("a.txt", days(90), usual)],
        Code::MarkerNotEmpty
        | Code::FileEmpty
        | Code::Utf16
        | Code::Utf16WithoutMark
        | Code::BadCharacter
        | Code::NulByte
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
        | Code::TransactionIdTooLong
        | Code::DateMissing
        | Code::DateFormat
        | Code::DateNotPadded
        | Code::DateImpossible
        | Code::DateFuture
        | Code::NoRows => return None,
    })
}

/// The files of `tests/check_data`: `CODE.txt` breaks that rule alone, `CODE.inside.txt` none.
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
        assert_eq!(breaks.would_skip(), code.severity() == Severity::Skips);
    }
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
    assert_eq!(summary, "line 2: Adobe skips rows that contain a semicolon; 2 more");
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
fn the_first_findings_are_kept_and_all_are_counted() {
    let content = HEADER.to_owned() + &"2026-11-20\ta;b\t1%\n".repeat(1_000);
    let checked = check("sales.txt", content.as_bytes());
    for code in [Code::DateFormat, Code::Semicolon, Code::NumberFormat] {
        assert_eq!(checked.findings.count(code), 1_000, "{code}");
    }
    assert_eq!(checked.findings.kept().len(), 3 * KEEP);
    assert_eq!((checked.skipped.rows, checked.skipped.lines.len()), (1_000, 20));
}

/// A file in parts, so that one of them can be changed.
#[derive(Debug, Clone)]
struct Parts {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
    comments: Vec<bool>,
    line_end: &'static str,
    mark: &'static str,
}

impl Parts {
    fn render(&self) -> Vec<u8> {
        let mut text = self.mark.to_owned();
        for (index, row) in std::iter::once(&self.columns).chain(&self.rows).enumerate() {
            if self.comments[index % self.comments.len()] {
                text.push_str("# a comment; with\ttabs");
                text.push_str(self.line_end);
            }
            text.push_str(&row.join("\t"));
            text.push_str(self.line_end);
        }
        text.into_bytes()
    }

    /// The line of a row of data.
    fn line(&self, row: usize) -> u64 {
        let comments = (0..=row + 1).filter(|index| self.comments[index % self.comments.len()]).count();
        u64::try_from(row + 2 + comments).unwrap()
    }

    /// The first column of a kind, by the names of [`parts`].
    fn column(&self, prefix: &str) -> usize {
        self.columns.iter().position(|name| name.to_lowercase().starts_with(prefix)).unwrap()
    }
}

fn parts() -> impl Strategy<Value = Parts> {
    let name = |(name, upper): (String, bool)| if upper { name.to_uppercase() } else { name };
    let columns = (
        proptest::collection::btree_set(1..=250u32, 1..5),
        proptest::collection::btree_set(1..=1000u32, 1..5),
        proptest::sample::subsequence(
            vec!["Product", "Tracking Code", "transactionID", "Zip", "Price", "Orders"],
            0..=6,
        ),
        any::<bool>(),
    )
        .prop_map(move |(evars, events, others, upper)| {
            let evars = evars.into_iter().map(|number| format!("Evar {number}"));
            let events = events.into_iter().map(|number| format!("Event {number}"));
            let others = others.into_iter().map(str::to_owned);
            std::iter::once("Date".to_owned())
                .chain(evars)
                .chain(events)
                .chain(others)
                .map(|text| name((text, upper)))
                .collect::<Vec<_>>()
        })
        .prop_flat_map(|columns| {
            // Date and time in front, the others in any order.
            Just(columns[1..].to_vec()).prop_shuffle().prop_map(move |rest| [&columns[..1], &rest].concat())
        });
    columns.prop_flat_map(|columns| {
        let cells: Vec<BoxedStrategy<String>> = columns.iter().map(|name| cell(name)).collect();
        (
            Just(columns),
            proptest::collection::vec(cells, 1..12),
            proptest::collection::vec(any::<bool>(), 1..4),
            proptest::sample::select(vec!["\n", "\r\n"]),
            proptest::sample::select(vec!["", "\u{feff}"]),
        )
            .prop_map(|(columns, rows, comments, line_end, mark)| Parts {
                columns,
                rows,
                comments,
                line_end,
                mark,
            })
    })
}

fn cell(name: &str) -> BoxedStrategy<String> {
    let name = name.to_lowercase();
    if name == "date" {
        let day = (0..90i32).prop_map(|back| today().saturating_sub(jiff::Span::new().days(back)));
        let time = proptest::option::of((0..24u8, 0..60u8, 0..60u8));
        let text = (day, time).prop_map(|(day, time)| {
            let time = time.map_or_else(String::new, |(h, m, s)| format!("/{h:02}/{m:02}/{s:02}"));
            format!("{:02}/{:02}/{}{time}", day.month(), day.day(), day.year())
        });
        text.boxed()
    } else if ["event", "price", "orders"].iter().any(|metric| name.starts_with(metric)) {
        prop_oneof!["-?[0-9]{1,9}", "[0-9]{1,6}\\.[0-9]{1,4}"].boxed()
    } else {
        // Anything but what ends a field or a row, up to what a transaction ID may have.
        "[^;\\t\\n\\r\\x00\\s][^;\\t\\n\\r\\x00]{0,20}".boxed()
    }
}

/// One change of a valid file, and what it must lead to: the rule and, in a row of data, the row.
type Change = fn(&mut Parts, usize) -> (Code, bool);

const CHANGES: [Change; 22] = [
    |file, row| {
        file.rows[row].pop();
        (Code::FieldCount, true)
    },
    |file, row| {
        file.rows[row].push("1".to_owned());
        (Code::FieldCount, true)
    },
    |file, row| {
        let column = file.column("evar");
        file.rows[row][column].push(';');
        (Code::Semicolon, true)
    },
    |file, row| {
        let column = file.column("event");
        file.rows[row][column] = "1,000".to_owned();
        (Code::NumberFormat, true)
    },
    |file, row| {
        file.rows[row][0].clear();
        (Code::DateMissing, true)
    },
    |file, row| {
        file.rows[row][0] = file.rows[row][0].replace('/', "-");
        (Code::DateFormat, true)
    },
    |file, row| {
        file.rows[row][0].replace_range(..2, "13");
        (Code::DateImpossible, true)
    },
    |file, row| {
        file.rows[row][0] = "11/26/2026".to_owned();
        (Code::DateFuture, true)
    },
    |file, row| {
        file.rows[row][0] = "11/25/2026".to_owned();
        (Code::DateTomorrow, true)
    },
    |file, row| {
        file.rows[row][0] = "9/09/2026".to_owned();
        (Code::DateNotPadded, true)
    },
    |file, row| {
        let column = file.column("evar");
        file.rows[row][column].push_str("a\0b");
        (Code::NulByte, true)
    },
    |file, row| {
        let column = file.column("evar");
        file.rows[row][column].push_str("a\rb");
        (Code::LoneReturn, true)
    },
    |file, row| {
        let column = file.column("evar");
        file.rows[row][column] = "x".repeat(4096);
        (Code::RowTooLong, true)
    },
    |file, row| {
        for (name, cell) in file.columns.iter().zip(&mut file.rows[row]) {
            if ["event", "price", "orders"].iter().any(|metric| name.to_lowercase().starts_with(metric)) {
                cell.clear();
            }
        }
        (Code::RowWithoutMetric, true)
    },
    |file, row| {
        for (name, cell) in file.columns.iter().zip(&mut file.rows[row]).skip(1) {
            if !["event", "price", "orders"].iter().any(|metric| name.to_lowercase().starts_with(metric)) {
                cell.clear();
            }
        }
        (Code::RowWithoutDimension, true)
    },
    |file, _| {
        let column = file.column("evar");
        file.columns[column] = file.columns[column].replace(' ', "");
        (Code::ColumnSpacing, false)
    },
    |file, _| {
        let column = file.column("event");
        file.columns[column] = "Event 1001".to_owned();
        (Code::ColumnOutOfRange, false)
    },
    |file, _| {
        let column = file.column("evar");
        file.columns[column] = "Prop 5".to_owned();
        (Code::ColumnUnsupported, false)
    },
    |file, _| {
        let column = file.column("evar");
        file.columns[column].push(' ');
        (Code::ColumnWhiteSpace, false)
    },
    |file, _| {
        let column = file.column("evar");
        let name = file.columns[column].clone();
        file.columns.push(name);
        file.rows.iter_mut().for_each(|row| row.push("red".to_owned()));
        (Code::ColumnDuplicate, false)
    },
    |file, _| {
        let column = file.column("event");
        file.columns.swap(0, column);
        file.rows.iter_mut().for_each(|row| row.swap(0, column));
        (Code::DateNotFirst, false)
    },
    |file, _| {
        file.columns = file.rows[0].clone();
        (Code::NoHeader, false)
    },
];

proptest! {
    #[test]
    fn a_valid_file_has_no_finding(file in parts(), cut in 1usize..100) {
        let content = file.render();
        let checked = check_in("sales.txt", &content, cut, |_| {});
        prop_assert_eq!(checked.findings.kept(), &[]);
        prop_assert_eq!(checked.findings.worst(), None);
        prop_assert_eq!(checked.rows_expected, file.rows.len() as u64);
    }

    #[test]
    fn each_change_of_a_valid_file_is_found_and_nothing_else(
        file in parts(), which in 0..CHANGES.len(), row in any::<prop::sample::Index>(),
    ) {
        let mut changed = file.clone();
        let row = row.index(file.rows.len());
        let (code, is_of_row) = CHANGES[which](&mut changed, row);
        let checked = check("sales.txt", &changed.render());
        let found: Vec<_> = checked.findings.kept().iter().map(|finding| {
            (finding.code, finding.place.as_ref().map(|place| place.line))
        }).collect();
        let line = if is_of_row { file.line(row) } else { u64::from(file.comments[0]) + 1 };
        prop_assert_eq!(found, [(code, Some(line))]);
    }

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

/// Work is counted, not timed: what is done for findings has an end, however many there are and however long a line is.
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

/// Everything by its word, so that no rule is listed in a document only.
#[test]
fn the_folder_of_test_data_names_rules_that_there_are() {
    let others = BTreeSet::from(["many-at-once", "more-than-shown", "header-missing", "comment-indented"]);
    for (name, _) in check_data() {
        let stem = crate::job::stem(&name).trim_end_matches(".inside").to_owned();
        assert!(Code::from_word(&stem).is_some() || others.contains(stem.as_str()), "{name}");
    }
}
