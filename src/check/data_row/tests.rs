use super::*;
use jiff::civil::date;

#[test]
fn numbers_are_plain_or_told_how_to_be() {
    for number in ["0", "2", "2.50", "-2", "-0.5", "007", "123456789012345678901234567890"] {
        assert!(is_number(number.as_bytes()), "{number}");
    }
    for (text, right) in [
        ("1,234.50", Some("1234.50")),
        ("1,234,567", Some("1234567")),
        ("$7", Some("7")),
        ("59.90 €", Some("59.90")),
        ("+5", Some("5")),
        (" 5", Some("5")),
        ("5.", Some("5")),
        (".5", Some("0.5")),
        ("-.5", Some("-0.5")),
        ("1,5", Some("1.5")),
        ("\"3\"", Some("3")),
        ("1.234,50", None),
        ("1234,567", None),
        ("12%", None),
        ("1e5", None),
        ("(5)", None),
        ("-", None),
        ("--5", None),
        ("1.2.3", None),
        ("n/a", None),
        (".", None),
    ] {
        assert!(!is_number(text.as_bytes()), "{text}");
        assert_eq!(better_number(text.as_bytes()).as_deref(), right, "{text}");
    }
}

#[test]
fn dates_are_read_or_break_one_rule() {
    for (text, breaks) in [
        ("11/20/2026", None),
        ("02/29/2024", None),
        ("11/20/2026/23/59/59", None),
        ("11/20/2026/00/00/00", None),
        ("1/20/2026", Some(Code::DateNotPadded)),
        ("11/2/2026", Some(Code::DateNotPadded)),
        ("11/20/2026/9/00/00", Some(Code::DateNotPadded)),
        ("02/29/2026", Some(Code::DateImpossible)),
        ("13/01/2026", Some(Code::DateImpossible)),
        ("00/01/2026", Some(Code::DateImpossible)),
        ("11/31/2026", Some(Code::DateImpossible)),
        ("11/20/2026/24/00/00", Some(Code::DateImpossible)),
        ("11/20/2026/23/60/00", Some(Code::DateImpossible)),
        ("11/20/2026/23/59/60", Some(Code::DateImpossible)),
        ("2026-11-20", Some(Code::DateFormat)),
        ("11/20/26", Some(Code::DateFormat)),
        ("11/20/2026/14/05", Some(Code::DateFormat)),
        ("11/20/2026/", Some(Code::DateFormat)),
        ("/11/20/2026", Some(Code::DateFormat)),
        (" 11/20/2026", Some(Code::DateFormat)),
        ("11/20/2026 14:05:00", Some(Code::DateFormat)),
        ("99999999999/1/2026", Some(Code::DateFormat)),
        ("x", Some(Code::DateFormat)),
    ] {
        let field = read_date(text.as_bytes());
        assert_eq!(field.breaks, breaks, "{text}");
        assert_eq!(field.day.is_some(), matches!(breaks, None | Some(Code::DateNotPadded)), "{text}");
    }
}

#[test]
fn other_forms_are_translated_where_they_mean_one_thing() {
    for (text, right) in [
        ("2026-11-20", Some("11/20/2026")),
        ("2026-11-20T14:05:09Z", Some("11/20/2026/14/05/09")),
        ("11/20/2026 14:05", Some("11/20/2026/14/05/00")),
        ("20.11.2026", Some("11/20/2026")),
        ("20/11/2026", Some("11/20/2026")),
        ("1/2/2026", Some("01/02/2026")),
        ("11/20/26", Some("11/20/2026")),
        ("\"11/20/2026\"", Some("11/20/2026")),
        (" 11/20/2026", Some("11/20/2026")),
        ("02/30/2026", None),
        ("20261120", None),
        ("20 Nov 2026", None),
        ("", None),
    ] {
        assert_eq!(date_meant(text.as_bytes()).as_deref(), right, "{text}");
    }
}

#[test]
fn the_future_begins_the_day_after_tomorrow() {
    let today = date(2026, 12, 31);
    for (day, breaks) in [
        (today, None),
        (date(1999, 1, 1), None),
        (date(2027, 1, 1), Some(Code::DateTomorrow)),
        (date(2027, 1, 2), Some(Code::DateFuture)),
        (date(9999, 12, 31), Some(Code::DateFuture)),
    ] {
        assert_eq!(against(day, today), breaks, "{day}");
    }
}

#[test]
fn ninety_days_are_as_many_as_there_may_be() {
    let mut days = Days::default();
    let mut day = date(2026, 6, 1);
    for _ in 0..90 {
        assert!(!days.is_too_many_with(day) && !days.is_too_many_with(day));
        day = day.yesterday().unwrap();
    }
    assert!(days.is_too_many_with(day));
    assert!(!days.is_too_many_with(day.yesterday().unwrap()), "it is told once");
    assert_eq!(days.met.len(), 91);
}
