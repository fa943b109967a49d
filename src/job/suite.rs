//! What Adobe says of a report suite, as far as a check of files needs it (Adobe's endpoints
//! `reportsuites/collections/suites`, `metrics` and `dimensions`).

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

/// One metric of a report suite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metric {
    /// Adobe's identifier without `metrics/`, such as `event41` or `orders`.
    pub id: String,
    /// The name that people gave it.
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
    /// A word that datadrop does not know: nothing follows from it.
    Other,
}

/// One dimension of a report suite.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dimension {
    /// Adobe's identifier without `variables/`, such as `evar12` or `campaign`.
    pub id: String,
    /// The name that people gave it.
    pub name: String,
}

impl SuiteFacts {
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
