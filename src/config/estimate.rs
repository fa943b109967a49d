//! How long a backlog takes: nobody is faster than the rate limit.

use super::RateLimit;
use crate::job::{counted, length_words};
use std::fmt;
use std::time::Duration;

impl RateLimit {
    /// How long so many requests take, one after the other as fast as the limit lets them. Requests of other kinds and
    /// slow answers come on top.
    #[must_use]
    pub fn time_for(self, requests: u64) -> Duration {
        let nanos = u128::from(requests) * self.per.as_nanos() / u128::from(self.requests.max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// `12 per 6 s`.
impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let per = self.per;
        if per.subsec_nanos() == 0 {
            write!(f, "{} per {}", self.requests, length_words(per))
        } else {
            write!(f, "{} per {} s", self.requests, per.as_secs_f64())
        }
    }
}

/// `15 min 20 s at 12 per 6 s`: how long so many requests take; `None` where nothing limits them.
#[must_use]
pub fn time_words(requests: u64, limit: Option<RateLimit>) -> Option<String> {
    limit.map(|limit| format!("{} at {limit}", length_words(limit.time_for(requests))))
}

/// `1,840 files, 15 min 20 s at 12 per 6 s`: what is to be sent, and how long it takes. Markers that are sent are files
/// too.
#[must_use]
pub fn backlog_words(files: u64, limit: Option<RateLimit>) -> String {
    let counted = counted(i64::try_from(files).unwrap_or(i64::MAX), "file");
    match time_words(files, limit) {
        Some(time) if files > 0 => format!("{counted}, {time}"),
        Some(_) | None => counted,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
}
