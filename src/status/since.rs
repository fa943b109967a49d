//! A time as people write it: a time, a date, or a length of time back from now.

use super::Here;
use crate::config::parse_duration;
use crate::job::Timestamp;
use jiff::civil::{Date, DateTime};
use std::time::Duration;

/// What was said; only a [`Here`] makes it a point in time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Since {
    /// An instant.
    At(jiff::Timestamp),
    /// Date and time without a zone: the reader's.
    Local(DateTime),
    /// This long ago.
    Back(Duration),
}

impl Since {
    /// Reads what somebody wrote.
    ///
    /// # Errors
    /// How to write it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Ok(back) = parse_duration(text) {
            return Ok(Self::Back(back));
        }
        if let Ok(instant) = text.parse::<jiff::Timestamp>() {
            return Ok(Self::At(instant));
        }
        // A date alone is its first moment. What carries a zone was taken above.
        if let Ok(date) = text.parse::<Date>()
            && text.len() <= "2026-11-23".len()
        {
            return Ok(Self::Local(date.at(0, 0, 0, 0)));
        }
        text.parse::<DateTime>().map(Self::Local).map_err(|_| {
            "not a time; write it like `2h`, `7d`, `2026-11-23`, `2026-11-23T06:00` or `2026-11-23T06:00:00Z`"
                .to_owned()
        })
    }

    /// The point in time, for this reader; `None` if there is none such in the reader's zone.
    #[must_use]
    pub fn resolve(self, here: &Here) -> Option<Timestamp> {
        match self {
            Self::At(instant) => Some(Timestamp(instant.as_millisecond())),
            Self::Local(local) => {
                Some(Timestamp(local.to_zoned_datetime(here.zone.clone()).ok()?.timestamp().as_millisecond()))
            }
            Self::Back(back) => Some(here.now.before(back)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::{Offset, TimeZone};

    fn resolved(text: &str) -> String {
        let now = "2026-11-23T10:30:00Z".parse::<jiff::Timestamp>().unwrap().as_millisecond();
        let here = Here { now: Timestamp(now), zone: TimeZone::fixed(Offset::constant(1)) };
        Since::parse(text).unwrap().resolve(&here).unwrap().to_string()
    }

    #[test]
    fn times_dates_and_lengths_are_understood() {
        for (text, since) in [
            ("2h", "2026-11-23T08:30:00.000Z"),
            ("7d", "2026-11-16T10:30:00.000Z"),
            ("2026-11-23", "2026-11-22T23:00:00.000Z"),
            ("2026-11-23T06:00", "2026-11-23T05:00:00.000Z"),
            ("2026-11-23T06:00:00Z", "2026-11-23T06:00:00.000Z"),
            ("2026-11-23T06:00:00.5+02:00", "2026-11-23T04:00:00.500Z"),
        ] {
            assert_eq!(resolved(text), since, "{text}");
        }
    }

    #[test]
    fn anything_else_says_how_to_write_it() {
        for text in ["", "soon", "12", "2026-13-01", "-2h"] {
            assert!(Since::parse(text).unwrap_err().contains("`2h`"), "{text}");
        }
    }
}
