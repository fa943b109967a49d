//! Long work says how far it has come, calmly.

use crate::clock::Moment;
use std::time::Duration;

/// So long at least between two lines.
const CALM: Duration = Duration::from_secs(10);

/// When something was last said.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace(Moment);

impl Pace {
    /// Work begins; what is done soon says nothing.
    pub(super) fn begin(now: Moment) -> Self {
        Self(now)
    }

    /// Whether it is time to say something. True at most every ten seconds.
    pub(super) fn is_due(&mut self, now: Moment) -> bool {
        let due = now.since(self.0) >= CALM;
        if due {
            self.0 = now;
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_work_is_silent_and_long_work_speaks_every_ten_seconds() {
        let at = |seconds| Moment(Duration::from_secs(seconds));
        let mut pace = Pace::begin(at(100));
        let said: Vec<u64> = (100..135).filter(|second| pace.is_due(at(*second))).collect();
        assert_eq!(said, [110, 120, 130]);
    }
}
