//! The three requests about a report suite, and what their answers hold. datadrop needs none of them to send files. It
//! names what it cannot read, and uses the rest (DESIGN §5, "Report suites").

use super::budget::Permit;
use super::error::{ApiError, TokenError, Unauthorised};
use super::http::Need;
use super::wire::clean;
use super::{Client, http};
use crate::job::{Dimension, Metric, MetricKind, ReportSuite, SuiteFacts};
use reqwest::{Method, Url};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use std::fmt;

/// Maximum number of bytes read of a list. Adobe describes a metric in about 600 bytes. A report suite with all 1,000
/// events and its standard metrics takes less than 1 MiB, but dimensions include their classifications.
const LONGEST_LIST: usize = 4 << 20;

/// The three parts of the description of a report suite. Each takes one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SuitePart {
    /// Name, currency, time zone, and whether it is virtual.
    Suite,
    /// Its metrics.
    Metrics,
    /// Its dimensions.
    Dimensions,
}

/// What could be read of a report suite, and what could not.
#[derive(Debug, Clone)]
pub struct SuiteReading {
    /// The facts that could be read.
    pub facts: SuiteFacts,
    /// The parts that could not be read, with the reason.
    pub unread: Vec<Unread>,
}

/// A part that could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// Which part.
    pub part: SuitePart,
    /// Why. `None`: the list is empty, as it is for a credential that may not see its elements.
    pub error: Option<ApiError>,
}

impl fmt::Display for SuitePart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Suite => "time zone and currency",
            Self::Metrics => "metrics",
            Self::Dimensions => "dimensions",
        })
    }
}

impl fmt::Display for Unread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.error {
            Some(error) => write!(f, "{}: {}", self.part, error.clone().without_id()),
            None => write!(f, "{}: an empty list: the credential sees none", self.part),
        }
    }
}

impl Unread {
    /// Returns whether the credential lacks the permission, which only a person can change.
    #[must_use]
    pub fn is_forbidden(&self) -> bool {
        match &self.error {
            Some(error) => {
                matches!(error, ApiError::Unauthorised { why: Unauthorised::Answer { status: 403, .. }, .. })
            }
            None => true,
        }
    }

    /// Returns whether the part may be readable an hour later.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        let Some(error) = &self.error else { return false };
        match error {
            ApiError::NotConnected { .. }
            | ApiError::Unclear { .. }
            | ApiError::Busy { .. }
            | ApiError::Unauthorised { why: Unauthorised::Token(TokenError::Unavailable(_)), .. } => true,
            // Adobe sometimes refuses valid tokens.
            ApiError::Unauthorised { why: Unauthorised::Answer { status, .. }, .. } => *status == 401,
            ApiError::Unauthorised { why: Unauthorised::Token(TokenError::Refused { .. }), .. }
            | ApiError::NotFound { .. }
            | ApiError::Refused { .. } => false,
        }
    }
}

impl Client {
    /// Requests all three parts, but stops if the server does not answer. Calls `permit` for the right to send each
    /// request.
    pub async fn read_suite<P: Future<Output = Permit>>(
        &self,
        suite: &ReportSuite,
        permit: impl Fn() -> P,
    ) -> SuiteReading {
        let mut reading = SuiteReading { facts: SuiteFacts::default(), unread: Vec::new() };
        let mut away: Option<ApiError> = None;
        for part in [SuitePart::Suite, SuitePart::Metrics, SuitePart::Dimensions] {
            let read = match &away {
                Some(error) => Err(error.clone()),
                None => self.read_part(part, suite, permit().await, &mut reading.facts).await,
            };
            if let Ok(false) = read {
                reading.unread.push(Unread { part, error: None });
            } else if let Err(error) = read {
                // The next request would fail for the same reason.
                let is_away = matches!(
                    error,
                    ApiError::NotConnected { .. }
                        | ApiError::Busy { .. }
                        | ApiError::Unauthorised { why: Unauthorised::Token(_), .. }
                );
                away = is_away.then(|| error.clone());
                reading.unread.push(Unread { part, error: Some(error) });
            }
        }
        reading
    }

    /// Reads one part. Returns whether the server answered.
    async fn read_part(
        &self,
        part: SuitePart,
        suite: &ReportSuite,
        permit: Permit,
        facts: &mut SuiteFacts,
    ) -> Result<bool, ApiError> {
        let asked = format!("the {part} of {suite}");
        let unclear = |why: String| ApiError::Unclear { asked: asked.clone(), why };
        let ask = |longest: usize, url: Result<Url, String>| {
            self.ask_for(Need::Optional(longest), Method::GET, &asked, &suite.company, url, permit)
        };
        match part {
            SuitePart::Suite => {
                let url = http::suite_url(suite).map(|url| {
                    // The API includes name and currency only on request.
                    http::with_query(url, &[("expansion", Some("name,currency"))])
                });
                let reply = ask(http::LONGEST_ANSWER, url).await?;
                let told = told(&reply.json().map_err(unclear)?, &suite.id).map_err(unclear)?;
                let SuiteFacts { name, currency, time_zone, parent, .. } = told;
                *facts = SuiteFacts { name, currency, time_zone, parent, ..std::mem::take(facts) };
                Ok(true)
            }
            SuitePart::Metrics => {
                let url = http::components_url(suite, "metrics", Some("allowedForReporting"));
                let listed: Vec<Element> = ask(LONGEST_LIST, url).await?.read_json().map_err(unclear)?;
                facts.metrics = all(&listed, metric);
                Ok(facts.metrics.is_some())
            }
            SuitePart::Dimensions => {
                let url = http::components_url(suite, "dimensions", None);
                let listed: Vec<Element> = ask(LONGEST_LIST, url).await?.read_json().map_err(unclear)?;
                facts.dimensions = all(&listed, dimension);
                Ok(facts.dimensions.is_some())
            }
        }
    }
}

/// Reads the report suite itself. An answer about another report suite is an error.
fn told(value: &Value, report_suite_id: &str) -> Result<SuiteFacts, String> {
    let object = value.as_object().ok_or("an answer that is no report suite")?;
    let text = |key: &str| object.get(key).and_then(text);
    if let Some(other) = text("rsid").or_else(|| text("id")).filter(|id| !id.eq_ignore_ascii_case(report_suite_id)) {
        return Err(format!("an answer about report suite {other}"));
    }
    Ok(SuiteFacts {
        name: text("name"),
        currency: text("currency").map(|code| code.to_ascii_uppercase()),
        time_zone: text("timezoneZoneinfo"),
        parent: text("parentRsid").filter(|parent| !parent.eq_ignore_ascii_case(report_suite_id)),
        ..SuiteFacts::default()
    })
}

/// An element of a list. An odd element does not make the others unreadable.
#[derive(Deserialize)]
#[serde(untagged)]
enum Element {
    Component(Component),
    Other(IgnoredAny),
}

/// The members of a metric or a dimension that datadrop uses.
#[derive(Deserialize)]
struct Component {
    id: String,
    #[serde(default)]
    name: Value,
    #[serde(default)]
    title: Value,
    #[serde(default, rename = "type")]
    kind: Value,
    #[serde(default, rename = "allowedForReporting")]
    allowed: Value,
}

impl Component {
    /// Adobe's identifier without `metrics/` or `variables/`.
    fn id(&self) -> String {
        clean(self.id.rsplit('/').next().unwrap_or_default())
    }

    fn name(&self) -> String {
        text(&self.name).or_else(|| text(&self.title)).unwrap_or_else(|| self.id())
    }
}

/// Reads each element that datadrop can use. Returns `None` if there is none, because an empty list means a credential
/// that sees nothing, not a report suite without metrics.
fn all<T>(elements: &[Element], read: impl Fn(&Component) -> T) -> Option<Vec<T>> {
    // An ID with a dot is a classification, which is no column of a file.
    let is_usable = |component: &&Component| !component.id.contains('.') && component.allowed != Value::Bool(false);
    let components = elements.iter().filter_map(|element| match element {
        Element::Component(component) => Some(component),
        Element::Other(_) => None,
    });
    let all: Vec<T> = components.filter(is_usable).map(read).collect();
    (!all.is_empty()).then_some(all)
}

fn metric(component: &Component) -> Metric {
    let kind = match text(&component.kind).unwrap_or_default().to_ascii_lowercase().as_str() {
        "int" => MetricKind::Counter,
        "decimal" | "currency" | "time" | "percent" => MetricKind::Decimal,
        _ => MetricKind::Other,
    };
    Metric { id: component.id(), name: component.name(), kind }
}

fn dimension(component: &Component) -> Dimension {
    Dimension { id: component.id(), name: component.name() }
}

/// Returns a text that is not empty, cleaned for one line.
fn text(value: &Value) -> Option<String> {
    value.as_str().map(clean).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read<T>(list: &Value, read: impl Fn(&Component) -> T) -> Result<Option<Vec<T>>, String> {
        let elements: Vec<Element> = serde_json::from_value(list.clone()).map_err(|error| error.to_string())?;
        Ok(all(&elements, read))
    }

    #[test]
    fn a_report_suite_is_read_as_far_as_it_goes_and_another_one_is_refused() {
        let full = json!({
            "rsid": "ExampleRSID", "id": "x", "name": "Example\n Suite", "parentRsid": "whole", "currency": "usd",
            "timezoneZoneinfo": "US/Pacific", "calendarType": { "type": "GREGORIAN" }, "new": [1],
        });
        let facts = told(&full, "examplersid").unwrap();
        assert_eq!((facts.name.as_deref(), facts.currency.as_deref()), (Some("Example Suite"), Some("USD")));
        assert_eq!((facts.time_zone.as_deref(), facts.parent.as_deref()), (Some("US/Pacific"), Some("whole")));
        for nothing in [
            json!({}),
            json!({ "name": null, "currency": 5, "timezoneZoneinfo": "", "parentRsid": null }),
            json!({ "id": "examplersid", "parentRsid": "exampleRSID", "currency": [] }),
        ] {
            assert_eq!(told(&nothing, "examplersid"), Ok(SuiteFacts::default()), "{nothing}");
        }
        for other in [json!({ "rsid": "another", "id": "examplersid" }), json!({ "id": "another" })] {
            assert!(told(&other, "examplersid").unwrap_err().contains("another"), "{other}");
        }
        for odd in [json!([]), json!("x"), json!(null)] {
            assert!(told(&odd, "examplersid").is_err(), "{odd}");
        }
    }

    #[test]
    fn types_are_read_in_either_case_and_what_is_odd_is_left_out() {
        let list = json!([
            { "id": "metrics/event41", "name": "Calls", "type": "INT", "allowedForReporting": true, "new": {} },
            { "id": "metrics/event42", "title": "Minutes", "name": null, "type": "decimal" },
            { "id": "metrics/event43", "name": "Order\tvalue", "type": "Currency" },
            { "id": "metrics/event44", "type": "colour" },
            { "id": "metrics/event45" },
            { "id": "metrics/event46", "allowedForReporting": false },
            { "id": 47 }, { "name": "no id" }, null, [], "x", 5,
        ]);
        let metrics = read(&list, metric).unwrap().unwrap();
        let told: Vec<_> =
            metrics.iter().map(|metric| (metric.id.as_str(), metric.name.as_str(), metric.kind)).collect();
        assert_eq!(
            told,
            [
                ("event41", "Calls", MetricKind::Counter),
                ("event42", "Minutes", MetricKind::Decimal),
                ("event43", "Order value", MetricKind::Decimal),
                ("event44", "event44", MetricKind::Other),
                ("event45", "event45", MetricKind::Other),
            ]
        );
        let list = json!([{ "id": "variables/evar12", "name": "Centre" }, { "id": "variables/evar12.region" }]);
        assert_eq!(
            read(&list, dimension).unwrap().unwrap(),
            [Dimension { id: "evar12".into(), name: "Centre".into() }]
        );
        for nothing in [json!([]), json!([null])] {
            assert_eq!(read(&nothing, dimension), Ok(None), "{nothing}");
        }
        assert!(read(&json!({ "content": [] }), dimension).is_err());
    }
}
