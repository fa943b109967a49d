use super::*;
use crate::config::DayPattern;
use proptest::prelude::*;

#[test]
fn a_base_url_loses_its_last_slash_and_nothing_else() {
    for text in
        ["https://analytics.adobe.io/api", "https://analytics.adobe.io/api/", "HTTPS://Analytics.adobe.io:443/api//"]
    {
        assert_eq!(check_base_url(text, false).unwrap(), "https://analytics.adobe.io/api");
    }
    assert_eq!(check_base_url("https://host", false).unwrap(), "https://host");
}

#[test]
fn plain_http_stays_on_this_machine() {
    for text in ["http://127.0.0.1:8600/api", "http://[::1]:8600", "http://localhost"] {
        assert!(check_base_url(text, false).is_ok(), "{text}");
    }
    assert!(check_base_url("http://192.168.0.7/api", false).is_err());
    assert!(check_base_url("http://192.168.0.7/api", true).is_ok());
    assert!(check_base_url("http://localhost.example.com", false).is_err());
}

#[test]
fn what_is_no_base_url_is_refused() {
    for text in
        ["", "analytics.adobe.io/api", "ftp://host/", "https://", "https://h/?a=b", "https://h/#a", "https://u@h/"]
    {
        assert!(check_base_url(text, true).is_err(), "{text}");
    }
}

#[test]
fn an_id_stays_one_segment() {
    assert!(check_segment("examplersid.2_a-b").is_ok());
    for text in ["a/b", "..", "a b", "a?b", "ä", "a%2f"] {
        assert!(check_segment(text).is_err(), "{text}");
    }
}

#[test]
fn durations_need_a_unit() {
    assert_eq!(parse_duration("300ms"), Ok(Duration::from_millis(300)));
    assert_eq!(parse_duration(" 1h 30m "), Ok(Duration::from_mins(90)));
    assert_eq!(parse_duration("7d"), Ok(Duration::from_hours(7 * 24)));
    assert_eq!(parse_duration("0"), Ok(Duration::ZERO));
    assert_eq!(parse_duration("5").unwrap_err(), "a number without a unit");
    assert_eq!(parse_duration("1.5").unwrap_err(), "a number without a unit");
    assert_eq!(parse_duration("").unwrap_err(), "not a duration");
    assert_eq!(parse_duration("soon").unwrap_err(), "not a duration");
    assert_eq!(parse_duration("-5s").unwrap_err(), "not a duration");
    assert_eq!(parse_duration("101y").unwrap_err(), "longer than a hundred years");
}

#[test]
fn sizes_are_bytes_or_have_a_unit() {
    assert_eq!(parse_size("50 MB"), Ok(50_000_000));
    assert_eq!(parse_size("64MiB"), Ok(64 << 20));
    assert_eq!(parse_size("1000"), Ok(1000));
    assert_eq!(parse_size("big"), Err("not a size".to_owned()));
    assert_eq!(parse_size("-1 MB"), Err("not a size".to_owned()));
}

#[test]
fn rates_are_so_many_in_such_a_time() {
    assert_eq!(parse_rate("12/6s"), Ok(Some(RateLimit { requests: 12, per: Duration::from_secs(6) })));
    assert_eq!(parse_rate("off"), Ok(None));
    for wrong in ["", "12", "12/6", "a/6s", "12/", "-1/6s", "99999999999/6s"] {
        assert_eq!(parse_rate(wrong), Err("not a rate".to_owned()), "{wrong}");
    }
    assert!(parse_rate("0/6s").is_err());
    assert!(parse_rate("12/0s").is_err());
}

#[test]
fn expectations_are_a_number_and_a_time_of_day() {
    assert_eq!(parse_expect("2 by 06:00"), Some(Expect { files: 2, by_minute: 360 }));
    assert_eq!(parse_expect("10 by 23:59"), Some(Expect { files: 10, by_minute: 1439 }));
    let all_wrong =
        ["", "2", "2 by 6", "0 by 06:00", "2 by 24:00", "2 by 06:60", "2 by 06:0", "2 by +6:00", "x by 06:00"];
    for wrong in all_wrong {
        assert_eq!(parse_expect(wrong), None, "{wrong}");
    }
}

#[test]
fn expected_days_are_a_pattern_and_a_time() {
    let within = Duration::from_hours(36);
    assert_eq!(parse_expect_days("daily within 36h"), Some(ExpectDays { pattern: DayPattern::Daily, within }));
    assert_eq!(parse_expect_days("weekdays within 36h"), Some(ExpectDays { pattern: DayPattern::Weekdays, within }));
    for wrong in
        ["", "daily", "daily in 36h", "daily within 36", "daily within 400d", "monthly within 36h", "daily within -1h"]
    {
        assert_eq!(parse_expect_days(wrong), None, "{wrong}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn no_text_panics(text in "[0-9a-zA-Z.:/ µ-]{0,24}|\\PC*") {
        let _ = (parse_duration(&text), parse_size(&text), parse_rate(&text), parse_expect(&text), parse_expect_days(&text));
    }
}

fn limit(requests: u32, millis: u64) -> RateLimit {
    RateLimit { requests, per: Duration::from_millis(millis) }
}

#[test]
fn a_backlog_is_told_with_its_time() {
    let adobe = Some(limit(12, 6_000));
    assert_eq!(backlog_words(1_840, adobe), "1,840 files, 15 min 20 s at 12 per 6 s");
    assert_eq!(backlog_words(1, adobe), "1 file, 1 s at 12 per 6 s");
    assert_eq!(backlog_words(0, adobe), "0 files");
    assert_eq!(backlog_words(7, None), "7 files");
    assert_eq!(backlog_words(10, Some(limit(1, 500))), "10 files, 5 s at 1 per 0.5 s");
    assert_eq!(backlog_words(1, Some(limit(1, 60_000))), "1 file, 1 min at 1 per 1 min");
}

proptest! {
    /// What a sliding window allows: the first burst at once, then a burst each time. The estimate lies within one
    /// window of that, whatever the numbers.
    #[test]
    fn the_estimate_is_within_one_window_of_the_window_itself(
        requests in 0u64..100_000, burst in 1u32..100, millis in 1u64..100_000,
    ) {
        let limit = limit(burst, millis);
        let full_windows = requests.saturating_sub(1) / u64::from(burst);
        let soonest = Duration::from_millis(full_windows * millis);
        let told = limit.time_for(requests);
        prop_assert!(told >= soonest, "{told:?} is less than the {soonest:?} that the window takes");
        prop_assert!(told <= soonest + limit.per);
    }

    #[test]
    fn more_files_never_take_less_time(requests in 0u64..u64::MAX, more in 0u64..1_000, burst in 1u32..100, millis in 1u64..100_000) {
        let limit = limit(burst, millis);
        prop_assert!(limit.time_for(requests) <= limit.time_for(requests.saturating_add(more)));
    }
}
