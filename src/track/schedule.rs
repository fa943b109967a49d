//! When to sweep. Pure.
//!
//! The first sweep comes `poll.first` after an upload. The intervals then grow up to `poll.max`. While a backlog is
//! being sent, uploads do not bring the sweep forward, because each sweep costs a request per hundred jobs.

use crate::clock::Moment;
use crate::config::PollConfig;
use crate::job::Timestamp;
use crate::joblog::Backlog;
use std::time::Duration;

/// Interval between sweeps after all open jobs have exceeded `poll.give_up_after`.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Number of uploads for each request of a sweep while a backlog lasts.
const UPLOADS_A_REQUEST: u64 = 25;
/// Number of jobs on a page of the list.
const PAGE: u64 = 100;

/// The sweep schedule of one account.
#[derive(Debug, Clone)]
pub struct Schedule {
    first: Duration,
    max: Duration,
    late_after: Duration,
    give_up_after: Duration,
    next: Option<Moment>,
    sweeps: u32,
    newest_seen: Option<Timestamp>,
    swept_at: Moment,
    /// The time of the last sweep by the system's clock, which jobs use.
    last_sweep: Timestamp,
    open_when_swept: u64,
}

impl Schedule {
    /// A schedule without a planned sweep.
    #[must_use]
    pub fn new(poll: &PollConfig) -> Self {
        Self {
            first: poll.first,
            max: poll.max,
            late_after: poll.late_after,
            give_up_after: poll.give_up_after,
            next: None,
            sweeps: 0,
            newest_seen: None,
            swept_at: Moment::default(),
            last_sweep: Timestamp(0),
            open_when_swept: 0,
        }
    }

    /// Returns when the next sweep is due. `None` while no job is open.
    pub fn plan(&mut self, backlog: &Backlog, now: Timestamp, moment: Moment) -> Option<Moment> {
        if backlog.open == 0 {
            self.next = None;
            self.sweeps = 0;
            self.newest_seen = None;
            self.open_when_swept = 0;
            return None;
        }
        let news = backlog.newest_open > self.newest_seen;
        match self.next {
            None => self.next = Some(moment.after(self.first)),
            Some(next) if news && backlog.to_send == 0 => {
                self.sweeps = 0;
                self.next = Some(next.min(moment.after(self.first)));
            }
            Some(_) => {}
        }
        let mut due = self.next;
        if backlog.to_send == 0 {
            self.newest_seen = backlog.newest_open.max(self.newest_seen);
        } else if !self.is_paid_for(backlog) {
            due = due.max(Some(self.swept_at.after(self.max)));
        }
        // Sweep when the oldest job becomes late, to report it.
        let late = backlog.oldest_open.map(|oldest| oldest.after(self.late_after));
        if let Some(late) = late.filter(|late| self.sweeps > 0 && self.last_sweep < *late) {
            due = due.min(Some(moment.after(late.since(now))));
        }
        if let Some(newest) = backlog.newest_open.filter(|_| self.sweeps > 0) {
            let given_up = newest.after(self.give_up_after);
            due = if self.last_sweep >= given_up {
                Some(self.swept_at.after(DAY))
            } else {
                // Sweep when the newest job reaches `poll.give_up_after`, to report it.
                due.min(Some(moment.after(given_up.since(now))))
            };
        }
        due
    }

    /// Returns whether enough has been sent since the last sweep to make the next one cheap.
    fn is_paid_for(&self, backlog: &Backlog) -> bool {
        let pages = backlog.open.div_ceil(PAGE);
        self.sweeps == 0 && pages <= 1
            || backlog.open.saturating_sub(self.open_when_swept) >= pages.saturating_mul(UPLOADS_A_REQUEST)
    }

    /// Records a sweep, after which `still_open` jobs are open.
    pub fn swept(&mut self, still_open: u64, now: Timestamp, moment: Moment) {
        self.sweeps = self.sweeps.saturating_add(1);
        self.last_sweep = now;
        self.swept_at = moment;
        self.open_when_swept = still_open;
        let grown = self.first.saturating_mul(2u32.saturating_pow(self.sweeps.min(30)));
        self.next = Some(moment.after(grown.min(self.max)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_MS: i64 = 24 * 3600 * 1000;

    fn schedule() -> Schedule {
        Schedule::new(&PollConfig {
            first: Duration::from_secs(15),
            max: Duration::from_secs(300),
            late_after: Duration::from_secs(24 * 3600),
            give_up_after: Duration::from_secs(7 * 24 * 3600),
        })
    }

    fn at(seconds: u64) -> Moment {
        Moment(Duration::from_secs(seconds))
    }

    fn backlog(open: u64, to_send: u64, newest: i64) -> Backlog {
        Backlog { open, to_send, oldest_open: Some(Timestamp(0)), newest_open: Some(Timestamp(newest)) }
    }

    #[test]
    fn sweeps_begin_after_the_first_upload_and_grow_apart() {
        let mut schedule = schedule();
        assert_eq!(schedule.plan(&Backlog::default(), Timestamp(0), at(0)), None);
        let mut moment = schedule.plan(&backlog(1, 0, 1), Timestamp(1), at(100)).unwrap();
        let mut gaps = vec![moment.since(at(100)).as_secs()];
        for _ in 0..6 {
            schedule.swept(1, Timestamp(1), moment);
            let next = schedule.plan(&backlog(1, 0, 1), Timestamp(1), moment).unwrap();
            gaps.push(next.since(moment).as_secs());
            moment = next;
        }
        assert_eq!(gaps, [15, 30, 60, 120, 240, 300, 300]);
    }

    #[test]
    fn an_upload_pulls_the_next_sweep_forward() {
        let mut schedule = schedule();
        schedule.plan(&backlog(1, 0, 1), Timestamp(1), at(0));
        for moment in [15, 45, 105, 225] {
            schedule.swept(1, Timestamp(1), at(moment));
        }
        assert_eq!(schedule.plan(&backlog(2, 0, 2), Timestamp(2), at(230)), Some(at(245)));
        schedule.swept(2, Timestamp(2), at(245));
        assert_eq!(schedule.plan(&backlog(2, 0, 2), Timestamp(2), at(245)), Some(at(275)), "and they grow again");
    }

    #[test]
    fn while_a_backlog_lasts_sweeps_wait_for_poll_max_or_for_enough_uploads() {
        let mut schedule = schedule();
        assert_eq!(schedule.plan(&backlog(1, 500, 1), Timestamp(1), at(100)), Some(at(115)), "the first is cheap");
        schedule.swept(100, Timestamp(1), at(115));
        // Two pages, with 25 uploads for each.
        assert_eq!(schedule.plan(&backlog(149, 400, 2), Timestamp(2), at(120)), Some(at(415)));
        assert_eq!(schedule.plan(&backlog(150, 400, 2), Timestamp(2), at(120)), Some(at(145)));
    }

    /// DESIGN §11: at most 1.05 requests per file.
    #[test]
    fn sweeps_of_a_backlog_cost_at_most_one_request_in_twenty_five() {
        let mut schedule = schedule();
        let mut requests = 0;
        for second in 0..2000u64 {
            let open = second.min(1000) * 2;
            let to_send = 2000 - open;
            let state = backlog(open, to_send, i64::try_from(second).unwrap());
            if to_send > 0 && schedule.plan(&state, Timestamp(0), at(second)).is_some_and(|due| due <= at(second)) {
                requests += open.div_ceil(PAGE);
                schedule.swept(open, Timestamp(0), at(second));
            }
        }
        assert!(requests <= 2000 / 25, "{requests} requests for sweeps while 2,000 files were sent");
    }

    #[test]
    fn an_abandoned_job_is_swept_when_that_time_passes_and_then_once_per_day() {
        let mut schedule = schedule();
        let state = backlog(1, 0, 1);
        let given_up = Timestamp(7 * DAY_MS + 1);
        let first = schedule.plan(&state, Timestamp(1), at(0)).unwrap();
        schedule.swept(1, Timestamp(1), first);
        // A minute before the job is given up. The next regular sweep would come later.
        let late = Timestamp(given_up.0 - 60_000);
        schedule.swept(1, late, at(604_740));
        let mut due = schedule.plan(&state, late, at(604_740)).unwrap();
        for gap in [60, 86_400, 86_400] {
            let before = if gap == 60 { at(604_740) } else { due };
            if gap > 60 {
                let now = Timestamp(given_up.0 + i64::try_from(due.since(at(604_800)).as_millis()).unwrap());
                schedule.swept(1, now, due);
                due = schedule.plan(&state, now, due).unwrap();
            }
            assert_eq!(due.since(before).as_secs(), gap);
        }
    }

    #[test]
    fn a_file_accepted_after_an_abandoned_job_is_swept_for_as_soon_as_any() {
        let mut schedule = schedule();
        let late = Timestamp(8 * DAY_MS);
        let first = schedule.plan(&backlog(1, 1, 1), late, at(0)).unwrap();
        schedule.swept(1, late, first);
        assert_eq!(schedule.plan(&backlog(1, 1, 1), late, at(20)).unwrap().since(first).as_secs(), 86_400);
        // One job is accepted, and attempts of another file keep failing.
        let due = schedule.plan(&backlog(2, 1, late.0 + 1), Timestamp(late.0 + 1), at(30)).unwrap();
        assert!(due.since(first) <= Duration::from_secs(300), "{due:?}");
    }

    #[test]
    fn jobs_open_for_too_long_are_swept_once_per_day() {
        let mut schedule = schedule();
        let state = backlog(1, 0, 1);
        let late = Timestamp(8 * DAY_MS);
        let first = schedule.plan(&state, late, at(0)).unwrap();
        schedule.swept(1, late, first);
        assert_eq!(schedule.plan(&state, late, first), Some(first.after(Duration::from_secs(86_400))));
    }
}
