//! Which data days an account reports, and how long after their end. Configured, or learnt from the history. Pure.

use crate::config::{DayPattern, ExpectDays};
use crate::job::{Timestamp, length_words};
use jiff::Span;
use jiff::civil::{Date, Weekday};
use jiff::tz::TimeZone;
use std::time::Duration;

/// Number of days before the newest covered one from which a rhythm is learnt.
pub const LEARNT_FROM: i32 = 60;
/// Minimum number of days of history for learning a rhythm.
const LEAST_HISTORY: i32 = 28;
/// Minimum percentage of the days of a pattern that must have come.
const REGULAR: usize = 90;
/// Shortest learnt time, so that no alert is sent for a file that comes in the morning.
const SHORTEST: Duration = Duration::from_hours(36);
/// Longest learnt time, because history that was sent again long afterwards does not predict the next day.
const LONGEST: Duration = Duration::from_hours(7 * 24);
/// Time added to the one in which nearly all days came.
const SLACK: Duration = Duration::from_hours(12);

/// The data days that an account reports, and their deadlines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rhythm {
    /// The days, and the time allowed after their end.
    pub days: ExpectDays,
    /// It was learnt, not configured.
    pub is_learnt: bool,
}

impl Rhythm {
    /// Returns whether a day belongs to the rhythm.
    #[must_use]
    pub fn has(&self, day: Date) -> bool {
        match self.days.pattern {
            DayPattern::Daily => true,
            DayPattern::Weekdays => !is_weekend(day),
        }
    }

    /// Returns whether the deadline of a day has passed.
    #[must_use]
    pub fn is_due(&self, day: Date, zone: &TimeZone, now: Timestamp) -> bool {
        // If the clock skips a time of day, the first time after it counts.
        end_of(day, zone).is_some_and(|end| end.after(self.days.within) <= now)
    }

    /// `daily within 36h`, with a note if it was learnt.
    #[must_use]
    pub fn words(&self) -> String {
        let days = match self.days.pattern {
            DayPattern::Daily => "daily",
            DayPattern::Weekdays => "on weekdays",
        };
        let learnt = if self.is_learnt { format!(" (learnt from {LEARNT_FROM} days)") } else { String::new() };
        format!("{days} within {}{learnt}", length_words(self.days.within))
    }

    /// Learns a rhythm from the covered days, which must be in order, with the time at which each was first covered.
    /// `None` if there is no rhythm.
    #[must_use]
    pub fn learn(covered: &[(Date, Timestamp)], zone: &TimeZone) -> Option<Self> {
        let (last, _) = *covered.last()?;
        let start = last.checked_sub(Span::new().days(LEARNT_FROM - 1)).ok()?;
        let covered = &covered[covered.partition_point(|(day, _)| *day < start)..];
        let (first, _) = *covered.first()?;
        if days_between(first, last) + 1 < LEAST_HISTORY {
            return None;
        }
        let is_regular = |belongs: fn(Date) -> bool| {
            let all = days(first, last).filter(|day| belongs(*day)).count();
            let came = covered.iter().filter(|(day, _)| belongs(*day)).count();
            came * 100 >= all * REGULAR
        };
        let weekends = covered.iter().filter(|(day, _)| is_weekend(*day)).count();
        let pattern = if is_regular(|_| true) {
            DayPattern::Daily
        } else if is_regular(|day| !is_weekend(day)) && weekends * 10 <= covered.len() {
            DayPattern::Weekdays
        } else {
            return None;
        };
        let mut lags: Vec<Duration> =
            covered.iter().filter_map(|(day, at)| end_of(*day, zone).map(|end| at.since(end))).collect();
        lags.sort_unstable();
        let usual = *lags.get(lags.len() * 95 / 100)?;
        let within = usual.saturating_add(SLACK).clamp(SHORTEST, LONGEST);
        // Rounded up to whole hours, as a person would write it.
        let within = Duration::from_hours(within.as_secs().div_ceil(3600));
        Some(Self { days: ExpectDays { pattern, within }, is_learnt: true })
    }
}

/// All days from the first to the last.
pub(super) fn days(first: Date, last: Date) -> impl Iterator<Item = Date> {
    first.series(Span::new().days(1)).take_while(move |day| *day <= last)
}

pub(super) fn days_between(first: Date, last: Date) -> i32 {
    first.until(last).map_or(i32::MAX, |span| span.get_days())
}

fn is_weekend(day: Date) -> bool {
    matches!(day.weekday(), Weekday::Saturday | Weekday::Sunday)
}

/// The first instant after a day.
fn end_of(day: Date, zone: &TimeZone) -> Option<Timestamp> {
    let next = day.tomorrow().ok()?.to_zoned_datetime(zone.clone()).ok()?;
    Some(Timestamp(next.timestamp().as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    const HOUR: Duration = Duration::from_hours(1);

    /// Days that came `lag` after their end, except those for which `came` is false.
    fn history(all: i32, lag: Duration, came: fn(Date) -> bool) -> Vec<(Date, Timestamp)> {
        let last = date(2026, 11, 20);
        days(last.saturating_sub(Span::new().days(all - 1)), last)
            .filter(|day| came(*day))
            .map(|day| (day, end_of(day, &TimeZone::UTC).unwrap().after(lag)))
            .collect()
    }

    fn learnt(all: i32, lag: Duration, came: fn(Date) -> bool) -> Option<String> {
        Rhythm::learn(&history(all, lag, came), &TimeZone::UTC).map(|rhythm| rhythm.words())
    }

    #[test]
    fn a_rhythm_is_learnt_from_what_nearly_always_came() {
        assert_eq!(learnt(60, HOUR, |_| true).unwrap(), "daily within 1 d 12 h (learnt from 60 days)");
        assert_eq!(
            learnt(60, HOUR * 30, |day| !is_weekend(day)).unwrap(),
            "on weekdays within 1 d 18 h (learnt from 60 days)"
        );
        assert_eq!(
            learnt(60, HOUR * 24 * 300, |day| day.day() != 7).unwrap(),
            "daily within 7 d (learnt from 60 days)"
        );
        assert_eq!(learnt(27, HOUR, |_| true), None, "too little history");
        assert_eq!(learnt(60, HOUR, |day| day.day() % 3 == 0), None, "no rhythm");
        assert_eq!(learnt(60, HOUR, is_weekend), None);
        assert_eq!(Rhythm::learn(&[], &TimeZone::UTC), None);
    }

    #[test]
    fn old_history_teaches_nothing() {
        let mut days = history(60, HOUR, |_| true);
        days.insert(0, (date(2018, 1, 1), Timestamp(0)));
        assert_eq!(
            Rhythm::learn(&days, &TimeZone::UTC).unwrap().words(),
            "daily within 1 d 12 h (learnt from 60 days)"
        );
    }

    #[test]
    fn a_day_is_due_after_its_end_in_the_zone_of_the_account() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let days = ExpectDays { pattern: DayPattern::Weekdays, within: HOUR * 36 };
        let rhythm = Rhythm { days, is_learnt: false };
        let at = |text: &str| Timestamp(text.parse::<jiff::Timestamp>().unwrap().as_millisecond());
        // The day with 25 hours.
        assert!(!rhythm.is_due(date(2026, 10, 25), &zone, at("2026-10-27T10:59:59.999Z")));
        assert!(rhythm.is_due(date(2026, 10, 25), &zone, at("2026-10-27T11:00:00Z")));
        assert!(!rhythm.has(date(2026, 10, 25)) && rhythm.has(date(2026, 10, 26)));
    }
}
