//! What an account may still send today, and at once: files beyond that wait, in the order in which they are looked at.

use crate::clock::now;
use crate::config::AccountConfig;
use crate::job::{DayZone, Target};
use crate::joblog::{AllowanceLimits, DayRow, JobLogError, Reader};
use jiff::civil::Date;
use std::collections::BTreeSet;

/// What is left of what Adobe, or the account, allows.
#[derive(Debug)]
pub(super) struct Room {
    limits: AllowanceLimits,
    zone: DayZone,
    today: Date,
    /// The data days of what was sent today, and of what would be.
    pub(super) days: BTreeSet<Date>,
    /// Bytes that wait at Adobe, or would.
    pub(super) at_adobe: u64,
}

impl Room {
    /// As the job log has it.
    pub(super) fn of(account: &AccountConfig, target: &Target, reader: Option<&Reader>) -> Result<Self, JobLogError> {
        let suites = reader.map(|reader| reader.suite_zone(target)).transpose()?.flatten();
        let zone = DayZone::of(account.time_zone.as_ref(), suites.as_deref());
        let today = zone.at(now()).date();
        let (days, at_adobe) = match reader {
            Some(reader) => (reader.days_sent(&account.name, today)?, reader.bytes_at_adobe(&account.name)?),
            None => (Vec::new(), 0),
        };
        let days = days.iter().filter_map(|day| day.parse().ok()).collect();
        Ok(Self { limits: AllowanceLimits::of(account), zone, today, days, at_adobe })
    }

    /// Why a data file with these days waits. `None`: it would be sent, and counts from here on.
    pub(super) fn take(&mut self, rows: &[DayRow], size: u64) -> Option<String> {
        let days: BTreeSet<Date> = rows.iter().map(|row| row.day).collect();
        let count = |days: usize| i64::try_from(days).unwrap_or(i64::MAX);
        let (sent, added) = (count(self.days.len()), count(days.difference(&self.days).count()));
        let for_its_day = days.last().and_then(|latest| Some(self.limits.wait_for_day(*latest, &self.zone, now())?.1));
        let wait = for_its_day
            .or_else(|| self.limits.wait_for_adobe(self.at_adobe, size))
            .or_else(|| self.limits.wait_for_tomorrow(sent, added, self.today));
        if wait.is_none() {
            self.days.extend(days);
            self.at_adobe = self.at_adobe.saturating_add(size);
        }
        wait
    }
}
