//! The descriptions of report suites: zone, currency, metrics and dimensions, in the form of Adobe's documents.

use serde_json::{Map, Value, json};
use std::collections::HashMap;

/// Number of event metrics and of eVars in an invented report suite.
const ENABLED: u32 = 100;

/// Events that are amounts, because the samples have decimals there.
const AMOUNTS: [u32; 2] = [3, 43];

/// Metrics of every report suite, with their type.
const METRICS: [(&str, &str, &str); 6] = [
    ("orders", "Orders", "int"),
    ("units", "Units", "int"),
    ("revenue", "Revenue", "currency"),
    ("occurrences", "Occurrences", "int"),
    ("visits", "Visits", "int"),
    ("pageviews", "Page Views", "int"),
];

/// Dimensions of every report suite.
const DIMENSIONS: [(&str, &str); 6] = [
    ("campaign", "Tracking Code"),
    ("product", "Product"),
    ("category", "Category"),
    ("geozip", "Zip Code"),
    ("sitesection", "Site Section"),
    ("page", "Page"),
];

/// The parts of a description, named after the endpoints.
pub(super) const PARTS: [&str; 3] = ["suite", "metrics", "dimensions"];

/// The description of each report suite. It is invented until a test changes it.
#[derive(Debug, Default)]
pub(super) struct Suites {
    changed: HashMap<String, Map<String, Value>>,
}

impl Suites {
    /// All parts of a report suite.
    pub(super) fn show(&self, report_suite_id: &str) -> Map<String, Value> {
        self.changed.get(report_suite_id).cloned().unwrap_or_else(|| invent(report_suite_id))
    }

    /// The report suite of which this one is a virtual part.
    pub(super) fn parent(&self, report_suite_id: &str) -> Option<&str> {
        self.changed.get(report_suite_id)?.get("suite")?.get("parentRsid")?.as_str()
    }

    /// Changes the members of `suite` one by one, and `metrics` and `dimensions` as a whole. Removes a member that is
    /// null.
    pub(super) fn change(&mut self, report_suite_id: &str, change: &Value) -> Result<(), String> {
        let wanted = || format!("a change is an object with any of {}", PARTS.join(", "));
        let change = change.as_object().ok_or_else(wanted)?;
        if let Some(unknown) = change.keys().find(|key| !PARTS.contains(&key.as_str())) {
            return Err(format!("`{unknown}` is unknown: {}", wanted()));
        }
        let known = self.changed.entry(report_suite_id.to_owned()).or_insert_with(|| invent(report_suite_id));
        for (part, value) in change {
            match (known.get_mut(part), value) {
                (Some(Value::Object(members)), Value::Object(changes)) => {
                    members.extend(changes.clone());
                    members.retain(|_, member| !member.is_null());
                }
                _ => drop(known.insert(part.clone(), value.clone())),
            }
        }
        Ok(())
    }
}

fn invent(report_suite_id: &str) -> Map<String, Value> {
    let metric = |id: &str, name: &str, kind: &str| {
        let precision = if kind == "int" { 0 } else { 2 };
        json!({
            "id": format!("metrics/{id}"), "name": name, "title": name, "type": kind, "precision": precision,
            "polarity": "positive", "calculated": false, "segmentable": true, "allowedForReporting": true,
        })
    };
    let dimension = |id: &str, name: &str| {
        json!({
            "id": format!("variables/{id}"), "name": name, "title": name, "type": "string",
            "category": "Custom Conversion", "segmentable": true, "pathable": false,
        })
    };
    let mut metrics: Vec<Value> = METRICS.iter().map(|(id, name, kind)| metric(id, name, kind)).collect();
    metrics.extend((1..=ENABLED).map(|number| {
        let kind = if AMOUNTS.contains(&number) { "currency" } else { "int" };
        metric(&format!("event{number}"), &format!("Custom Event {number}"), kind)
    }));
    let mut dimensions: Vec<Value> = DIMENSIONS.iter().map(|(id, name)| dimension(id, name)).collect();
    dimensions.extend(
        (1..=ENABLED).map(|number| dimension(&format!("evar{number}"), &format!("Custom Conversion {number}"))),
    );
    let suite = json!({
        "collectionItemType": "reportsuite", "id": report_suite_id, "rsid": report_suite_id,
        "name": format!("Report suite {report_suite_id}"), "currency": "USD", "timezoneZoneinfo": "Etc/UTC",
        "calendarType": { "type": "GREGORIAN", "anchorDate": "2026-01-01" },
    });
    PARTS.map(str::to_owned).into_iter().zip([suite, Value::Array(metrics), Value::Array(dimensions)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_replaces_members_and_null_takes_them_away() {
        let mut suites = Suites::default();
        assert_eq!(suites.show("one")["suite"]["currency"], json!("USD"));
        let change = json!({ "suite": { "currency": null, "timezoneZoneinfo": "Asia/Tokyo", "parentRsid": "whole" } });
        suites.change("one", &change).unwrap();
        let suite = &suites.show("one")["suite"];
        assert_eq!((suite.get("currency"), &suite["timezoneZoneinfo"]), (None, &json!("Asia/Tokyo")));
        assert_eq!((suites.parent("one"), suites.parent("two")), (Some("whole"), None));
        suites.change("one", &json!({ "metrics": null, "dimensions": [] })).unwrap();
        assert_eq!((&suites.show("one")["metrics"], &suites.show("one")["dimensions"]), (&Value::Null, &json!([])));
        assert_eq!(suites.show("one")["suite"]["rsid"], json!("one"), "the rest stays");
        for wrong in [json!([]), json!({ "zone": "UTC" })] {
            assert!(suites.change("one", &wrong).unwrap_err().contains("dimensions"));
        }
    }
}
