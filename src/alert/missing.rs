//! Judges `expect` and `expect_days` of an account. For `expect`: were enough data files accepted between local
//! midnight and the given time of day? For `expect_days`: which data days are missing, and which have come since? Pure.

use crate::config::Expect;
use crate::coverage::{Coverage, DayRange, DayStatus};
use crate::job::Timestamp;
use crate::joblog::Expected;
use jiff::ZonedDateTime;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// The period in which an account expects the files of a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    /// The local day.
    pub(super) day: Date,
    /// Its first instant.
    pub(super) from: Timestamp,
    /// The deadline by which the files must be accepted.
    pub(super) to: Timestamp,
}

/// Returns the window of the latest day whose deadline has passed. `None` only at the ends of the calendar.
///
/// If the clock skips the deadline on that day, the first time after it counts. If it comes twice, the first counts.
#[must_use]
pub(super) fn latest_window(by_minute: u16, now: &ZonedDateTime) -> Option<Window> {
    let mut day = now.date();
    loop {
        let window = window(by_minute, day, now.time_zone())?;
        if window.to.0 <= now.timestamp().as_millisecond() {
            return Some(window);
        }
        // The loop runs more than once if the calendar skips a day: Samoa had no 30 December 2011.
        day = day.yesterday().ok()?;
    }
}

fn window(by_minute: u16, day: Date, zone: &TimeZone) -> Option<Window> {
    let hour = i8::try_from(by_minute / 60).ok()?;
    let minute = i8::try_from(by_minute % 60).ok()?;
    let instant = |hour, minute| {
        let local = day.at(hour, minute, 0, 0).to_zoned_datetime(zone.clone()).ok()?;
        Some(Timestamp(local.timestamp().as_millisecond()))
    };
    Some(Window { day, from: instant(0, 0)?, to: instant(hour, minute)? })
}

/// Returns whether a day must still be judged. `judged` is the last day that was. If none was, only today counts.
#[must_use]
pub(super) fn is_open(window: &Window, judged: Option<&str>, today: Date) -> bool {
    match judged {
        // ISO dates sort as text.
        Some(judged) => judged < window.day.to_string().as_str(),
        None => window.day == today,
    }
}

/// Describes what is missing, or returns `None`.
#[must_use]
pub(super) fn missed(expect: Expect, window: &Window, accepted: u32) -> Option<String> {
    (accepted < expect.files).then(|| {
        let files =
            if expect.files == 1 { "1 data file was".to_owned() } else { format!("{} data files were", expect.files) };
        let accepted = match accepted {
            0 => "none was".to_owned(),
            1 => "1 was".to_owned(),
            more => format!("{more} were"),
        };
        let (hour, minute) = (expect.by_minute / 60, expect.by_minute % 60);
        format!("{files} expected by {hour:02}:{minute:02} on {}, {accepted} accepted", window.day)
    })
}

/// Returns the day whose missed files may still come, up to its end.
#[must_use]
pub(super) fn missed_day(expect: Expect, known: &Expected, zone: &TimeZone) -> Option<Window> {
    let day: Date = known.missed.as_deref()?.parse().ok()?;
    let end = day.tomorrow().ok()?.to_zoned_datetime(zone.clone()).ok()?;
    Some(Window { to: Timestamp(end.timestamp().as_millisecond()), ..window(expect.by_minute, day, zone)? })
}

/// Describes the end of a reported miss: the files of that day came late, or those of a later day came in time.
#[must_use]
pub(super) fn came_since(window: &Window, known: &Expected) -> Option<String> {
    let missed = known.missed.as_deref()?;
    Some(if missed == window.day.to_string() {
        format!("the data files expected on {missed} have been accepted since")
    } else {
        format!("the data files expected on {} were accepted in time, after those of {missed} were missed", window.day)
    })
}

/// The news about an account's data days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Days {
    /// Missing, and not reported yet.
    pub(super) missing: Vec<Date>,
    /// Reported as missing, and covered since.
    pub(super) came: Vec<Date>,
    /// Reported as missing, and no longer expected. No alert reports these.
    pub(super) dropped: Vec<Date>,
}

/// Returns the changes since the last report. Days before `began`, on which the account began, are never reported. Days
/// before the range are not judged.
#[must_use]
pub(super) fn days(
    (coverage, covered): (&Coverage, &[(Date, Timestamp)]),
    range: DayRange,
    told: &[Date],
    began: Option<Date>,
) -> Days {
    let missing: Vec<Date> = coverage.with_status(DayStatus::Missing).map(|day| day.day).collect();
    let over = told.iter().copied().filter(|day| range.has(*day) && !missing.contains(day));
    let (came, dropped) = over.partition(|day| covered.binary_search_by_key(day, |(day, _)| *day).is_ok());
    let is_news = |day: &Date| !told.contains(day) && began.is_none_or(|began| *day >= began);
    Days { came, dropped, missing: missing.into_iter().filter(is_news).collect() }
}

impl Days {
    pub(super) fn is_empty(&self) -> bool {
        self.missing.is_empty() && self.came.is_empty() && self.dropped.is_empty()
    }

    pub(super) fn missing_words(&self) -> Option<String> {
        let words = |what: &str| format!("{what} no accepted file: {}", list(&self.missing));
        match self.missing.len() {
            0 => None,
            1 => Some(words("a data day has")),
            _ => Some(words("data days have")),
        }
    }

    pub(super) fn came_words(&self) -> Option<String> {
        (!self.came.is_empty()).then(|| format!("no longer missing: {}", list(&self.came)))
    }
}

/// Maximum number of days that a sentence names.
const NAMED: usize = 10;

pub(super) fn list(days: &[Date]) -> String {
    let named: Vec<String> = days.iter().take(NAMED).map(ToString::to_string).collect();
    let more = days.len() - named.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    named.join(", ") + &more
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coverage::CoverageDay;
    use proptest::prelude::*;
    use std::time::Duration;

    fn at(text: &str) -> ZonedDateTime {
        text.parse().unwrap()
    }

    fn by(files: u32, hour: u16, minute: u16) -> Expect {
        Expect { files, by_minute: hour * 60 + minute }
    }

    fn found(expect: Expect, now: &str) -> (String, String, String) {
        let window = latest_window(expect.by_minute, &at(now)).unwrap();
        (window.day.to_string(), window.from.to_string(), window.to.to_string())
    }

    fn times(day: &str, from: &str, to: &str) -> (String, String, String) {
        (day.to_owned(), format!("{from}:00.000Z"), format!("{to}:00.000Z"))
    }

    #[test]
    fn a_day_is_judged_when_its_time_is_up() {
        let expect = by(2, 6, 0);
        let yesterday = times("2026-11-22", "2026-11-21T23:00", "2026-11-22T05:00");
        let today = times("2026-11-23", "2026-11-22T23:00", "2026-11-23T05:00");
        assert_eq!(found(expect, "2026-11-23T05:59:59.999+01:00[Europe/Berlin]"), yesterday);
        assert_eq!(found(expect, "2026-11-23T06:00+01:00[Europe/Berlin]"), today);
        assert_eq!(found(expect, "2026-11-23T23:59:59+01:00[Europe/Berlin]"), today);
        assert_eq!(found(expect, "2026-11-24T00:00+01:00[Europe/Berlin]"), today);
    }

    #[test]
    fn days_on_which_the_clock_is_changed_have_their_time_too() {
        // 02:30 does not exist on the first day, and comes twice on the second.
        let spring = times("2026-03-29", "2026-03-28T23:00", "2026-03-29T01:30");
        assert_eq!(found(by(1, 2, 30), "2026-03-29T12:00+02:00[Europe/Berlin]"), spring);
        let autumn = times("2026-10-25", "2026-10-24T22:00", "2026-10-25T00:30");
        assert_eq!(found(by(1, 2, 30), "2026-10-25T02:45+01:00[Europe/Berlin]"), autumn);
        // A day that begins at one o'clock.
        let no_day = times("2011-12-29", "2011-12-29T10:00", "2011-12-29T10:01");
        assert_eq!(found(by(1, 0, 1), "2011-12-31T00:00+14:00[Pacific/Apia]"), no_day);
        let no_midnight = times("2026-04-24", "2026-04-23T22:00", "2026-04-24T03:00");
        assert_eq!(found(by(1, 6, 0), "2026-04-24T12:00+03:00[Africa/Cairo]"), no_midnight);
    }

    #[test]
    fn each_day_is_judged_once_and_none_from_before_the_first() {
        let window = |now| latest_window(by(1, 6, 0).by_minute, &at(now)).unwrap();
        let (early, late) = ("2026-11-23T05:00+00:00[UTC]", "2026-11-23T07:00+00:00[UTC]");
        let today = at(early).date();
        assert!(!is_open(&window(early), None, today), "datadrop was not there yesterday");
        assert!(is_open(&window(late), None, today));
        assert!(is_open(&window(late), Some("2026-11-22"), today));
        assert!(!is_open(&window(late), Some("2026-11-23"), today));
        // The service was down at the deadline.
        assert!(is_open(&window(early), Some("2026-11-21"), today));
        // The clock was set back.
        assert!(!is_open(&window(early), Some("2026-11-23"), today));
    }

    #[test]
    fn a_missing_data_day_is_reported_once_and_its_arrival_too() {
        let day = |number| jiff::civil::date(2026, 11, number);
        let missing = |days: &[i8]| Coverage {
            days: days
                .iter()
                .map(|number| CoverageDay {
                    day: day(*number),
                    status: DayStatus::Missing,
                    files: 0,
                    rows: 0,
                    in_doubt: 0,
                    totals: std::collections::BTreeMap::new(),
                })
                .collect(),
            rhythm: None,
            newest: None,
            undated: 0,
        };
        let range = DayRange { from: Some(day(2)), to: None };
        let first = days((&missing(&[2, 3]), &[]), range, &[], None);
        assert_eq!(first.missing_words().unwrap(), "data days have no accepted file: 2026-11-02, 2026-11-03");
        assert_eq!(first.came_words(), None);
        assert!(days((&missing(&[2, 3]), &[]), range, &first.missing, None).is_empty(), "once");
        let covered = [(day(1), Timestamp(0)), (day(2), Timestamp(0))];
        let next = days((&missing(&[3, 4]), &covered), range, &[day(1), day(2), day(3), day(5)], None);
        assert_eq!(next.missing_words().unwrap(), "a data day has no accepted file: 2026-11-04");
        assert_eq!(next.came_words().unwrap(), "no longer missing: 2026-11-02", "the first is too long ago");
        assert_eq!(next.dropped, [day(5)], "what nobody expects any more has not come");
        let many: Vec<i8> = (1..=12).collect();
        let many = days((&missing(&many), &[]), DayRange::default(), &[], Some(day(2)));
        assert!(many.missing_words().unwrap().ends_with("2026-11-11 and 1 more"), "not before the account began");
    }

    #[test]
    fn missed_files_may_come_until_the_end_of_their_day_or_in_time_on_a_later_one() {
        let known = |missed: Option<&str>| Expected { judged: None, missed: missed.map(str::to_owned) };
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        assert_eq!(missed_day(by(2, 6, 0), &known(None), &zone), None);
        // A day with 25 hours.
        let window = missed_day(by(2, 6, 0), &known(Some("2026-10-25")), &zone).unwrap();
        assert_eq!(window.to.since(window.from), Duration::from_hours(25));
        assert_eq!(came_since(&window, &known(None)), None, "nobody was told");
        let late = came_since(&window, &known(Some("2026-10-25"))).unwrap();
        assert_eq!(late, "the data files expected on 2026-10-25 have been accepted since");
        let next = came_since(&window, &known(Some("2026-10-24"))).unwrap();
        assert!(next.ends_with("in time, after those of 2026-10-24 were missed"), "{next}");
    }

    #[test]
    fn missing_days_are_described_in_words() {
        let window = latest_window(by(2, 6, 0).by_minute, &at("2026-11-23T07:00+00:00[UTC]")).unwrap();
        let says = |files, accepted| missed(by(files, 6, 0), &window, accepted);
        assert_eq!(says(2, 0).unwrap(), "2 data files were expected by 06:00 on 2026-11-23, none was accepted");
        assert_eq!(says(1, 0).unwrap(), "1 data file was expected by 06:00 on 2026-11-23, none was accepted");
        assert_eq!(says(2, 1).unwrap(), "2 data files were expected by 06:00 on 2026-11-23, 1 was accepted");
        assert_eq!(says(2, 2), None);
        assert_eq!(says(2, 3), None);
    }

    proptest! {
        /// At any time, the deadline of the found day has passed and that of the next has not. Days follow each other
        /// without a gap.
        #[test]
        fn every_day_comes_up_once(start in 0i64..4_000_000_000, minute in 0u16..1440, zone in proptest::sample::select(vec![
            "UTC", "Europe/Berlin", "America/St_Johns", "Pacific/Apia", "Africa/Cairo", "Australia/Lord_Howe",
        ])) {
            let zone = TimeZone::get(zone).unwrap();
            let mut before: Option<Window> = None;
            for step in 0i64..150 {
                let now = jiff::Timestamp::from_second(start + step * 1800).unwrap().to_zoned_datetime(zone.clone());
                let window = latest_window(minute, &now).unwrap();
                prop_assert!(window.from <= window.to);
                prop_assert!(window.to.0 <= now.timestamp().as_millisecond());
                if let Some(before) = before.filter(|before| before.day != window.day) {
                    // Samoa had no 30 December 2011.
                    prop_assert!(window.day > before.day && window.to > before.to);
                    prop_assert!(is_open(&window, Some(&before.day.to_string()), now.date()));
                }
                before = Some(window);
            }
        }
    }
}
