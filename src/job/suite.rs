//! Adobe's description of a report suite, as far as the check of files needs it (Adobe's endpoints
//! `reportsuites/collections/suites`, `metrics` and `dimensions`).

use super::{Problem, Timestamp};
use jiff::ZonedDateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};

/// The facts about one report suite. Each part may be missing: the credential may lack the permission to read it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SuiteFacts {
    /// Its friendly name.
    pub name: Option<String>,
    /// The code of its currency, such as `USD`.
    pub currency: Option<String>,
    /// Its time zone as Adobe names it: an IANA name, or an alias such as `US/Pacific`.
    pub time_zone: Option<String>,
    /// The report suite that a virtual one shows a part of. A virtual report suite takes no uploads.
    pub parent: Option<String>,
    /// Its metrics. `None`: they could not be read.
    pub metrics: Option<Vec<Metric>>,
    /// Its dimensions. `None`: they could not be read.
    pub dimensions: Option<Vec<Dimension>>,
}

/// The problem with an account of a virtual report suite, and how to correct the configuration.
#[must_use]
pub fn virtual_suite(report_suite_id: &str, parent: &str) -> Problem {
    Problem::new(
        format!("report suite {report_suite_id} is virtual: it shows a part of {parent}, and takes no uploads"),
        format!(
            "name the report suite that takes them (`report_suite_id = \"{parent}\"`) and a data source of its own, then \
             `systemctl reload datadrop`"
        ),
    )
}

/// One metric of a report suite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metric {
    /// Adobe's identifier without `metrics/`, such as `event41` or `orders`.
    pub id: String,
    /// Its name in Adobe's pages.
    pub name: String,
    /// What it counts.
    pub kind: MetricKind,
}

/// What a metric counts (`type` of the endpoint `metrics`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MetricKind {
    /// `int`: a counter, which drops decimals.
    Counter,
    /// Takes decimals: `decimal`, `currency`, `time`, `percent`.
    Decimal,
    /// An unknown word, from which nothing follows.
    Other,
}

/// One dimension of a report suite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dimension {
    /// Adobe's identifier without `variables/`, such as `evar12` or `campaign`.
    pub id: String,
    /// Its name in Adobe's pages.
    pub name: String,
}

/// The time zone in which an account's days begin.
#[derive(Debug, Clone, PartialEq)]
pub struct DayZone {
    /// The zone.
    pub zone: TimeZone,
    /// Whether it is known to be the zone of the report suite. If not, it is the host's.
    pub is_suites: bool,
}

impl DayZone {
    /// Returns the time in this zone.
    #[must_use]
    pub fn at(&self, now: Timestamp) -> ZonedDateTime {
        let now = jiff::Timestamp::from_millisecond(now.0).unwrap_or_default();
        now.to_zoned_datetime(self.zone.clone())
    }

    /// Returns the zone that a person configured, else that of the report suite (`suites`, with Adobe's name), else the
    /// host's.
    #[must_use]
    pub fn of(configured: Option<&TimeZone>, suites: Option<&str>) -> Self {
        match configured.cloned().or_else(|| suites.and_then(zone_named)) {
            Some(zone) => Self { zone, is_suites: true },
            None => Self { zone: TimeZone::system(), is_suites: false },
        }
    }
}

/// Returns the time zone of this name. Adobe uses aliases such as `US/Pacific`. Some systems lack them, so datadrop
/// includes its own.
#[must_use]
pub fn zone_named(name: &str) -> Option<TimeZone> {
    TimeZone::get(name).or_else(|_| TimeZoneDatabase::bundled().get(name)).ok()
}

impl SuiteFacts {
    /// Returns the time zone, the currency and the number of known metrics and dimensions, in words.
    #[must_use]
    pub fn in_words(&self) -> String {
        let told = |what: &str, value: &Option<String>| match value {
            Some(value) => format!("{what} {value}"),
            None => format!("{what} unknown"),
        };
        let count =
            |what: &str, known: Option<usize>| known.map(|count| format!(", {count} {what}")).unwrap_or_default();
        format!(
            "{}, {}{}{}",
            told("time zone", &self.time_zone),
            told("currency", &self.currency),
            count("metrics", self.metrics.as_ref().map(Vec::len)),
            count("dimensions", self.dimensions.as_ref().map(Vec::len))
        )
    }

    /// Returns the metric with this identifier (`event41`), whatever its case.
    #[must_use]
    pub fn metric(&self, id: &str) -> Option<&Metric> {
        self.metrics.as_ref()?.iter().find(|metric| metric.id.eq_ignore_ascii_case(id))
    }

    /// Returns the dimension with this identifier (`evar12`), whatever its case.
    #[must_use]
    pub fn dimension(&self, id: &str) -> Option<&Dimension> {
        self.dimensions.as_ref()?.iter().find(|dimension| dimension.id.eq_ignore_ascii_case(id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_begin_as_configured_else_as_in_the_report_suite_else_here() {
        let of = |configured: Option<&str>, suites: Option<&str>| {
            let zone = DayZone::of(configured.and_then(zone_named).as_ref(), suites);
            (zone.zone.iana_name().map(str::to_owned), zone.is_suites)
        };
        let named = |name: &str| (Some(name.to_owned()), true);
        assert_eq!(of(Some("Asia/Tokyo"), Some("US/Pacific")), named("Asia/Tokyo"));
        assert_eq!(of(None, Some("US/Pacific")), named("US/Pacific"));
        for unknown in [None, Some("Mars/Olympus"), Some("")] {
            let zone = DayZone::of(None, unknown);
            assert_eq!((zone.zone, zone.is_suites), (TimeZone::system(), false));
        }
    }

    /// Debian 13 lacks the aliases.
    #[test]
    fn the_aliases_that_adobe_uses_are_known_everywhere() {
        for name in ["US/Pacific", "US/Eastern", "Japan", "GB", "Pacific/Kiritimati", "Pacific/Niue"] {
            assert!(TimeZoneDatabase::bundled().get(name).is_ok() && zone_named(name).is_some(), "{name}");
        }
        assert_eq!(zone_named("no zone"), None);
    }
}
