//! Compares the totals of each day with a decimal library.

use super::{HEADER, check, check_in};
use crate::job::{DataDay, DataDays};
use bigdecimal::BigDecimal;
use proptest::prelude::*;

fn added_up<'a>(numbers: impl IntoIterator<Item = &'a str>) -> BigDecimal {
    numbers.into_iter().map(|number| number.parse::<BigDecimal>().unwrap()).sum()
}

/// A value of a metric.
#[derive(Debug, Clone)]
enum Value {
    Number(String),
    Odd(&'static str),
    Empty,
}

impl Value {
    fn text(&self) -> &str {
        match self {
            Self::Number(text) => text,
            Self::Odd(text) => text,
            Self::Empty => "",
        }
    }
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        6 => "-?[0-9]{1,3}(\\.[0-9]{2})?".prop_map(Value::Number),
        2 => "-?[0-9]{1,20}(\\.[0-9]{1,15})?".prop_map(Value::Number),
        1 => proptest::sample::select(vec!["1,5", "1e3", ".5", "5.", "$3", "n/a", "-"]).prop_map(Value::Odd),
        1 => Just(Value::Empty),
    ]
}

/// Day, dimension and two metrics.
type Row = (&'static str, &'static str, [Value; 2]);

fn row() -> impl Strategy<Value = Row> {
    let dates = vec!["11/18/2026", "11/19/2026", "11/19/2026/23/59/59", "11/20/2026", "02/30/2026", "soon", ""];
    let names = vec!["red", "red", "red", "red;blue"];
    (proptest::sample::select(dates), proptest::sample::select(names), [value(), value()])
}

proptest! {
    #[test]
    fn the_sums_of_a_day_are_exact_and_say_what_they_lack(rows in proptest::collection::vec(row(), 0..60), chunk in 1..40usize) {
        let mut content = "Date\tProduct\tevent 2\tPrice\n".to_owned();
        for (date, name, [first, second]) in &rows {
            content.push_str(&[date, name, first.text(), second.text()].join("\t"));
            content.push('\n');
        }
        let checked = check("a.txt", content.as_bytes());
        prop_assert_eq!(&check_in("a.txt", content.as_bytes(), chunk, |_| {}), &checked);
        prop_assert_eq!(checked.days.metrics(), ["Event 2", "Price"]);
        let mut rows_of_days = 0;
        for DataDay { date, rows: count, totals } in checked.days.all() {
            let day = format!("{:02}/{:02}/{}", date.month(), date.day(), date.year());
            let own = || rows.iter().filter(|(date, _, _)| date.starts_with(&day));
            prop_assert_eq!(*count, own().count() as u64);
            rows_of_days += count;
            for (metric, total) in totals.iter().enumerate() {
                let added: Vec<&Value> =
                    own().filter(|(_, name, _)| *name == "red").map(|(_, _, values)| &values[metric]).collect();
                let numbers: Vec<&str> =
                    added.iter().filter(|value| matches!(value, Value::Number(_))).map(|value| value.text()).collect();
                let sum = total.sum.unwrap().to_string();
                prop_assert_eq!(added_up([sum.as_str()]), added_up(numbers.iter().copied()), "{} of {:?}", sum, numbers);
                let decimals = |number: &str| number.split_once('.').map_or(0, |(_, decimals)| decimals.len());
                prop_assert_eq!(decimals(&sum), numbers.iter().map(|number| decimals(number)).max().unwrap_or_default());
                let is_negative = |number: &&&str| number.starts_with('-') && number.contains(|c| matches!(c, '1'..='9'));
                prop_assert_eq!(total.negative, numbers.iter().filter(is_negative).count() as u64);
                prop_assert_eq!(total.left_out, added.iter().filter(|value| matches!(value, Value::Odd(_))).count() as u64);
            }
        }
        prop_assert_eq!(checked.rows_expected, rows.len() as u64);
        prop_assert_eq!(checked.rows_of_no_day(), rows.len() as u64 - rows_of_days);
    }
}

/// The sums of each day in the order of the columns, with `?` for an unknown one.
fn sums(days: &DataDays) -> Vec<String> {
    let sum = |day: &DataDay| {
        let sums = day.totals.iter().map(|total| total.sum.map_or_else(|| "?".to_owned(), |sum| sum.to_string()));
        sums.collect::<Vec<_>>().join(" ")
    };
    days.all().iter().map(sum).collect()
}

#[test]
fn a_sum_with_too_many_digits_is_not_known_and_stays_so() {
    let nines = "9".repeat(38);
    for values in [[nines.as_str(), nines.as_str(), "1"], [nines.as_str(), "0.5", "1"], [&"9".repeat(40), "1", "1"]] {
        let rows: String =
            values.iter().fold(String::new(), |text, value| text + &format!("11/20/2026\tred\t{value}\n"));
        let checked = check("a.txt", format!("{HEADER}{rows}11/19/2026\tred\t2\n").as_bytes());
        assert_eq!(sums(&checked.days), ["2", "?"], "{values:?}");
        assert_eq!(checked.days.all()[1].rows, 3);
    }
}

#[test]
fn a_row_belongs_to_its_own_day_wherever_the_date_is() {
    let checked = check(
        "a.txt",
        b"Event 1\tDate\tEvar 1\n1\t11/19/2026\tred\n2\t11/20/2026\tred\n4\t\tred\n8\t11/20/2026\tred\n",
    );
    assert_eq!(sums(&checked.days), ["1", "10"]);
    assert_eq!(checked.rows_of_no_day(), 1);
}

#[test]
fn rows_with_other_fields_than_the_header_are_counted_apart_and_10_000_days_are_none_too_many() {
    let checked = check("a.txt", format!("{HEADER}11/20/2026\tred\t1\n11/20/2026\tred\n11/20/2026\n").as_bytes());
    assert_eq!((sums(&checked.days), checked.rows_of_no_day()), (vec!["1".to_owned()], 2));
    let day = |back: i32| super::today().saturating_sub(jiff::Span::new().days(back));
    let rows: String =
        (0..10_000).fold(String::new(), |text, back| text + &format!("{}\tred\t1\n", day(back).strftime("%m/%d/%Y")));
    let checked = check("a.txt", format!("{HEADER}{rows}").as_bytes());
    assert_eq!((checked.days.all().len(), checked.rows_of_no_day()), (10_000, 0));
}

#[test]
fn the_columns_of_a_second_header_have_totals_of_their_own() {
    let content = format!("{HEADER}11/20/2026\tred\t1\nDate\tEvar 1\tEvent 2\tEvent 1\n11/20/2026\tred\t2\t4\n");
    let checked = check("a.txt", content.as_bytes());
    assert_eq!(checked.days.metrics(), ["Event 1", "Event 2"]);
    assert_eq!(sums(&checked.days), ["5 2"]);
    let many: String = (1_001..2_000).fold(String::new(), |text, number| text + &format!("\tEvent {number}"));
    let checked = check("a.txt", format!("Date\tEvar 1{many}\n").as_bytes());
    assert!(checked.days.metrics().is_empty(), "there are no such events, and no totals of them");
}
