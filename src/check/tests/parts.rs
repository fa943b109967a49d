//! Valid files in many variants, and every single change of them.

use super::{check, check_in, today};
use crate::check::Code;
use proptest::prelude::*;

/// A file in parts, so that a test can change one of them.
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

    /// The line number of a row of data.
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
            let lacks_product = others.contains(&"Price") && !others.contains(&"Product");
            let product = lacks_product.then_some("Product");
            let others = others.into_iter().chain(product).map(str::to_owned);
            std::iter::once("Date".to_owned())
                .chain(evars)
                .chain(events)
                .chain(others)
                .map(|text| name((text, upper)))
                .collect::<Vec<_>>()
        })
        .prop_flat_map(|columns| {
            // Date and time come first, the others in any order.
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
    } else if name.starts_with("orders") {
        "[0-9]{1,9}".boxed()
    } else if ["event", "price"].iter().any(|metric| name.starts_with(metric)) {
        prop_oneof!["[0-9]{1,9}", "[0-9]{1,6}\\.[0-9]{1,4}"].boxed()
    } else if name == "product" || name == "zip" {
        "[A-Za-z0-9 _.-]{0,49}[a-z0-9]".boxed()
    } else {
        // Any characters but those that end a field or a row, up to the limit of a transaction ID, and no quotes around
        // them.
        "[^;\\t\\n\\r\\x00\\s\"][^;\\t\\n\\r\\x00]{0,20}".boxed()
    }
}

/// One change of a valid file. Returns the rule that it must break, and whether the place must be the given row.
type Change = fn(&mut Parts, usize) -> (Code, bool);

const CHANGES: [Change; 24] = [
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
        file.rows[row][0].replace_range(..5, "13/31");
        (Code::DateImpossible, true)
    },
    |file, row| {
        file.rows[row][0].replace_range(..5, "20/11");
        (Code::DateDayFirst, true)
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
        file.rows[row][column] = "x".repeat(256);
        (Code::ValueTooLong, true)
    },
    |file, row| {
        let column = file.column("evar");
        file.rows[row][column] = "\"Shoes, red\"".to_owned();
        (Code::QuotedValue, true)
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
            // A price needs its product.
            if !["event", "orders"].iter().any(|metric| name.to_lowercase().starts_with(metric)) {
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
}
