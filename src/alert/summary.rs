//! The daily summary of an account: when it is due, and its content. Pure.
//!
//! The day of a summary is the local day on which it is sent. It covers the day before. The outbox records one day for
//! each receiver and account, in the same transaction as the alert. Only a later day is due.

use super::group::{NAMED, Named, NamedJob, cut};
use super::missing::{Window, latest_window, list};
use crate::config::{AlertEvent, ExpectDays};
use crate::coverage::{Coverage, DayFacts, DayRange, DayStatus, LEARNT_FROM, sums_in_words, today};
use crate::job::{JobId, Timestamp, Total, counted, printable};
use crate::joblog::{AlertRow, DayCount, JobLogError, JobToHandle, Reader, Which};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, ZonedDateTime};
use std::collections::BTreeMap;
use std::time::Duration;

/// Time for which a job that ended badly needs a person, as in `status`.
const RECENT: Duration = Duration::from_hours(7 * 24);
/// Maximum number of jobs whose days are read at a time.
const BATCH: usize = 500;
/// Maximum number of jobs that the sentence names. The alert has more.
const NAMED_IN_WORDS: usize = 3;

/// What to do about a summary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// No earlier summary is recorded, so the first is that of the next day.
    Begin(Date),
    /// Send the summary of this day.
    Send(Date),
}

/// Returns what to do at this time of day. `known` is the last recorded day.
#[must_use]
pub(super) fn due(at_minute: u16, known: Option<Date>, now: &ZonedDateTime) -> Option<Due> {
    let today = now.date();
    // A day of tomorrow is possible: the clock may have been set back by some hours, or the account may have moved to a
    // zone further west. If the day is later, the clock was wrong when the day was recorded.
    let is_from_the_future = |day: Date| today.tomorrow().is_ok_and(|tomorrow| day > tomorrow);
    match known.filter(|day| !is_from_the_future(*day)) {
        None => Some(Due::Begin(today)),
        Some(known) => {
            latest_window(at_minute, now).filter(|window| window.day > known).map(|Window { day, .. }| Due::Send(day))
        }
    }
}

/// Returns the last whole local day before this one, without days that the calendar skips.
fn day_before(day: Date, zone: &TimeZone) -> Option<Window> {
    let begin = |day: Date| Some(Timestamp(day.to_zoned_datetime(zone.clone()).ok()?.timestamp().as_millisecond()));
    let to = begin(day)?;
    let mut before = day.yesterday().ok()?;
    while begin(before)? >= to {
        before = before.yesterday().ok()?;
    }
    Some(Window { day: before, from: begin(before)?, to })
}

/// The data of a summary in the job log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Summary {
    /// The day that it covers.
    window: Window,
    counts: Vec<DayCount>,
    /// The totals of the accepted files, by metric.
    totals: BTreeMap<String, Total>,
    /// Data days missing now. `None` if no setting says which days are expected.
    missing: Option<Vec<Date>>,
    /// Jobs that need a person now, and their number.
    to_handle: (Vec<JobToHandle>, usize),
    /// Why the account sends nothing now, if it is blocked.
    blocked: Option<String>,
}

impl Summary {
    /// Reads the summary for the day before this one. `None` only at the ends of the calendar.
    pub(super) fn read(
        reader: &Reader,
        (account, expect_days): (&str, Option<ExpectDays>),
        day: Date,
        zone: &TimeZone,
        now: Timestamp,
    ) -> Result<Option<Self>, JobLogError> {
        let Some(window) = day_before(day, zone) else { return Ok(None) };
        let Window { from, to, .. } = window;
        let mut totals: BTreeMap<String, Total> = BTreeMap::new();
        let accepted: Vec<JobId> = reader.accepted_within(account, from, to)?;
        for ids in accepted.chunks(BATCH) {
            for row in reader.days_of_jobs(ids, Which::Accepted)? {
                for (metric, total) in row.metrics.into_iter().zip(&row.totals) {
                    totals.entry(metric).or_default().add_total(total);
                }
            }
        }
        let range = DayRange { from: today(zone, now).checked_sub(Span::new().days(LEARNT_FROM)).ok(), to: None };
        let coverage = Coverage::of(&DayFacts::dates(reader, account, zone.clone())?, expect_days, range, now);
        let row = reader.accounts()?.into_iter().find(|row| row.name == account);
        let missing = || coverage.with_status(DayStatus::Missing).map(|day| day.day).collect();
        Ok(Some(Self {
            window,
            counts: reader.count_of_day(account, from, to)?,
            totals,
            missing: coverage.rhythm.is_some().then(missing),
            to_handle: reader.jobs_to_handle(account, now.before(RECENT), NAMED - 1)?,
            blocked: row.and_then(|row| row.blocked()).map(|problem| problem.to_string()),
        }))
    }

    /// Writes the summary into a row of the outbox. It replaces a summary that no receiver has got yet.
    pub(super) fn alert(&self, row: AlertRow, now: Timestamp) -> AlertRow {
        let facts = serde_json::to_string(&self.facts(now)).unwrap_or_default();
        AlertRow { count: 1, facts, first_at: self.window.from, last_at: self.window.to, due_at: now, ..row }
    }

    /// The entries of the outbox: the sentence, then the jobs that need a person.
    fn facts(&self, now: Timestamp) -> Vec<Named> {
        let named = |job, detail| Named { event: AlertEvent::Summary.as_str().to_owned(), at: now.0, job, detail };
        let jobs = self.to_handle.0.iter().map(|JobToHandle { job, reason }| {
            let (file_name, state) = (cut(&job.file_name), job.state.clone());
            named(Some(NamedJob { id: job.id.0, file_name, state }), reason.as_deref().map(cut))
        });
        std::iter::once(named(None, Some(self.words()))).chain(jobs).collect()
    }

    /// The summary in one line.
    fn words(&self) -> String {
        let mut parts = vec![self.files_in_words()];
        let sums = sums_in_words(&self.totals);
        parts.extend((!sums.is_empty()).then(|| format!("sums: {}", cut(&sums))));
        parts.extend(self.missing.as_ref().map(|days| match days.len() {
            0 => "no data day is missing".to_owned(),
            1 => format!("1 data day is missing: {}", list(days)),
            more => format!("{more} data days are missing: {}", list(days)),
        }));
        parts.push(self.to_handle_in_words());
        parts.extend(
            self.blocked.as_ref().map(|why| format!("the account is blocked, nothing of it is sent: {}", cut(why))),
        );
        parts.join("; ")
    }

    fn files_in_words(&self) -> String {
        let states = |accepted| {
            let counts = self.counts.iter().filter(move |count| count.accepted == accepted);
            counts.map(|count| format!("{} {}", count.files, count.state)).collect::<Vec<_>>().join(", ")
        };
        let accepted = || self.counts.iter().filter(|count| count.accepted);
        let (files, rows) = (accepted().map(|count| count.files).sum(), accepted().map(|count| count.rows).sum());
        let words = if files == 0 {
            format!("no file was accepted on {}", self.window.day)
        } else {
            let (files, rows) = (counted(files, "file"), counted(rows, "row"));
            format!("{files} with {rows} accepted on {} ({})", self.window.day, states(true))
        };
        match states(false) {
            none if none.is_empty() => words,
            ended => format!("{words}, and {ended} without being accepted"),
        }
    }

    fn to_handle_in_words(&self) -> String {
        let (jobs, count) = &self.to_handle;
        let named = jobs.iter().take(NAMED_IN_WORDS).map(|JobToHandle { job, .. }| {
            format!("{} (job {}, {})", printable(&cut(&job.file_name)), job.id, job.state)
        });
        let mut words: Vec<String> = named.collect();
        let more = count.saturating_sub(words.len());
        if more > 0 {
            words.push(format!("{more} more"));
        }
        let words = words.join(", ");
        match count {
            0 => "nothing needs a person".to_owned(),
            1 => format!("1 file needs a person: {words}"),
            many => format!("{many} files need a person: {words}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Decimal;
    use crate::joblog::FactJob;
    use jiff::civil::date;

    fn at(text: &str) -> ZonedDateTime {
        text.parse().unwrap()
    }

    fn day(text: &str) -> Date {
        text.parse().unwrap()
    }

    #[test]
    fn the_first_sight_begins_with_its_own_day_and_each_later_day_is_sent_once() {
        let before = at("2026-11-23T06:59:59+01:00[Europe/Berlin]");
        let after = at("2026-11-23T07:00+01:00[Europe/Berlin]");
        for now in [&before, &after] {
            assert_eq!(due(420, None, now), Some(Due::Begin(day("2026-11-23"))), "nothing of the time before");
        }
        assert_eq!(due(420, Some(day("2026-11-22")), &before), None);
        assert_eq!(due(420, Some(day("2026-11-22")), &after), Some(Due::Send(day("2026-11-23"))));
        assert_eq!(due(420, Some(day("2026-11-23")), &after), None);
        // The service was down for a week. One summary is due, for the latest day whose deadline has passed.
        assert_eq!(due(420, Some(day("2026-11-16")), &before), Some(Due::Send(day("2026-11-22"))));
        // The user moves the time to a later hour of the same day.
        assert_eq!(due(480, Some(day("2026-11-23")), &at("2026-11-23T08:00+01:00[Europe/Berlin]")), None);
    }

    #[test]
    fn a_clock_set_back_repeats_nothing_and_a_corrected_clock_starts_over() {
        let now = at("2026-11-23T12:00+00:00[UTC]");
        assert_eq!(due(420, Some(day("2026-11-23")), &at("2026-11-22T12:00+00:00[UTC]")), None, "set back by a day");
        assert_eq!(due(420, Some(day("2026-11-24")), &now), None);
        assert_eq!(due(420, Some(day("2026-11-25")), &now), Some(Due::Begin(day("2026-11-23"))));
        assert_eq!(due(420, Some(day("2099-01-01")), &now), Some(Due::Begin(day("2026-11-23"))));
    }

    /// 02:30 does not exist on one of the days, and comes twice on the other.
    #[test]
    fn a_time_that_is_skipped_or_comes_twice_is_due_once() {
        let (spring, autumn) = (day("2026-03-29"), day("2026-10-25"));
        let sent = |known: Date, now: &str| due(150, Some(known), &at(now));
        assert_eq!(sent(day("2026-03-28"), "2026-03-29T01:59:59+01:00[Europe/Berlin]"), None);
        assert_eq!(sent(day("2026-03-28"), "2026-03-29T03:30+02:00[Europe/Berlin]"), Some(Due::Send(spring)));
        assert_eq!(sent(spring, "2026-03-29T23:59+02:00[Europe/Berlin]"), None);
        assert_eq!(sent(day("2026-10-24"), "2026-10-25T02:29:59+02:00[Europe/Berlin]"), None);
        assert_eq!(sent(day("2026-10-24"), "2026-10-25T02:30+02:00[Europe/Berlin]"), Some(Due::Send(autumn)));
        assert_eq!(sent(autumn, "2026-10-25T02:15+01:00[Europe/Berlin]"), None, "before it comes again");
        assert_eq!(sent(autumn, "2026-10-25T02:30+01:00[Europe/Berlin]"), None, "it comes again");
    }

    #[test]
    fn the_day_before_may_have_23_or_25_hours_and_be_two_days_ago() {
        let hours = |name: &str, of: Date| {
            let window = day_before(of, &TimeZone::get(name).unwrap()).unwrap();
            (window.day, window.to.since(window.from).as_secs() / 3600)
        };
        assert_eq!(hours("Europe/Berlin", date(2026, 3, 30)), (date(2026, 3, 29), 23));
        assert_eq!(hours("Europe/Berlin", date(2026, 10, 26)), (date(2026, 10, 25), 25));
        // A day that begins at one o'clock.
        assert_eq!(hours("Africa/Cairo", date(2026, 4, 25)), (date(2026, 4, 24), 23));
        // Samoa had no 30 December 2011.
        assert_eq!(hours("Pacific/Apia", date(2011, 12, 31)), (date(2011, 12, 29), 24));
    }

    fn to_handle(id: i64) -> JobToHandle {
        let job = FactJob { id: JobId(id), file_name: format!("f{id}.txt"), state: "held".to_owned() };
        JobToHandle { job, reason: Some("same content".to_owned()) }
    }

    #[test]
    fn a_summary_says_what_came_what_is_missing_and_what_needs_a_person() {
        let window = day_before(date(2026, 11, 23), &TimeZone::UTC).unwrap();
        let calm = Summary {
            window,
            counts: Vec::new(),
            totals: BTreeMap::new(),
            missing: None,
            to_handle: (Vec::new(), 0),
            blocked: None,
        };
        assert_eq!(calm.words(), "no file was accepted on 2026-11-22; nothing needs a person");
        let of = |state: &str, accepted, files, rows| DayCount { state: state.to_owned(), accepted, files, rows };
        let total = Total { sum: Decimal::read(b"12.50").ok(), ..Total::default() };
        let full = Summary {
            counts: vec![of("processing", true, 1, 34), of("success", true, 3, 3000), of("rejected", false, 2, 0)],
            totals: (1..=7).map(|number| (format!("Event {number}"), total)).collect(),
            missing: Some(vec![date(2026, 11, 20), date(2026, 11, 21)]),
            to_handle: ((1..=5).map(to_handle).collect(), 9),
            blocked: Some("the folder is gone".to_owned()),
            ..calm.clone()
        };
        assert_eq!(
            full.words(),
            "4 files with 3,034 rows accepted on 2026-11-22 (1 processing, 3 success), and 2 rejected without being accepted; \
             sums: Event 1 12.50, Event 2 12.50, Event 3 12.50, Event 4 12.50, Event 5 12.50, 2 more; \
             2 data days are missing: 2026-11-20, 2026-11-21; \
             9 files need a person: f1.txt (job 1, held), f2.txt (job 2, held), f3.txt (job 3, held), 6 more; \
             the account is blocked, nothing of it is sent: the folder is gone"
        );
        let facts = full.facts(Timestamp(0));
        assert_eq!((facts.len(), facts[0].job.is_none(), facts[5].job.as_ref().unwrap().id), (6, true, 5));
        let one = Summary { missing: Some(Vec::new()), to_handle: (vec![to_handle(1)], 1), ..calm };
        assert!(
            one.words().ends_with("no data day is missing; 1 file needs a person: f1.txt (job 1, held)"),
            "{one:?}"
        );
    }
}
