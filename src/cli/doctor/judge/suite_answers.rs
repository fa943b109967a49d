//! What Adobe told of a report suite. None of it is needed to send files, so that what is missing only warns.

use crate::adobe::{SuiteReading, Unread};
use crate::cli::doctor::finding::{Finding, Verdict};
use crate::job::{SuiteFacts, virtual_suite, zone_named};

const CHECK: &str = "report-suite";

/// What lets a credential read it (Adobe, "Report suite tools").
const PERMISSIONS: &str = "to let datadrop read that, add to the product profile of the credential the report suite, its metrics \
    and dimensions, and of the report suite tools `Data Sources Manager`, which requires `Report Suite Mgmt`";

/// What can be known of a report suite, and what cannot.
pub(in crate::cli::doctor) fn suite(id: &str, reading: &SuiteReading) -> Vec<Finding> {
    let SuiteReading { facts, unread } = reading;
    if let Some(parent) = &facts.parent {
        return vec![Finding::of(Verdict::Fail, CHECK, id, virtual_suite(id, parent))];
    }
    let mut findings = Vec::new();
    if facts != &SuiteFacts::default() {
        findings.push(Finding::ok(CHECK, id, facts.in_words()));
    }
    if let Some(zone) = facts.time_zone.as_ref().filter(|zone| zone_named(zone).is_none()) {
        let message =
            format!("datadrop does not know its time zone {zone}: dates are checked by that of this computer");
        let remedy = "set `time_zone` of the account to a name of the IANA time zone database";
        findings.push(Finding::bad(Verdict::Warn, CHECK, id, message, remedy));
    }
    if !unread.is_empty() {
        let parts: Vec<String> = unread.iter().map(Unread::to_string).collect();
        let message = format!("it cannot be read whole, and files are sent anyway: {}", parts.join("; "));
        let remedy = if unread.iter().any(Unread::is_forbidden) {
            PERMISSIONS
        } else {
            "look again later: the service reads it daily"
        };
        findings.push(Finding::bad(Verdict::Warn, CHECK, id, message, remedy));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::adobe::{ApiError, SuitePart};

    fn reading(facts: SuiteFacts, unread: &[SuitePart]) -> SuiteReading {
        let error = || ApiError::Unclear { asked: "it".into(), why: "HTTP 500".into() };
        SuiteReading { facts, unread: unread.iter().map(|&part| Unread { part, error: Some(error()) }).collect() }
    }

    #[test]
    fn what_is_known_is_told_and_what_is_missing_only_warns() {
        let zone = |zone: &str| SuiteFacts { time_zone: Some(zone.to_owned()), ..SuiteFacts::default() };
        let found = suite("r", &reading(zone("Etc/UTC"), &[SuitePart::Metrics]));
        assert_eq!(found[0].message, "time zone Etc/UTC, currency unknown");
        assert_eq!((found.len(), found[1].verdict), (2, Verdict::Warn));
        assert!(found[1].message.contains("metrics: it: no clear answer"), "{found:?}");
        let nothing = suite("r", &reading(SuiteFacts::default(), &[SuitePart::Suite]));
        assert_eq!((nothing.len(), nothing[0].verdict), (1, Verdict::Warn));
        let unknown = suite("r", &reading(zone("Mars/Olympus"), &[]));
        assert!(unknown[1].remedy.as_ref().unwrap().contains("time_zone"), "{unknown:?}");
    }

    #[test]
    fn a_virtual_one_fails_and_its_parent_is_named() {
        let facts = SuiteFacts { parent: Some("whole".to_owned()), ..SuiteFacts::default() };
        let found = suite("r", &reading(facts, &[SuitePart::Metrics]));
        assert_eq!((found.len(), found[0].verdict), (1, Verdict::Fail));
        assert!(found[0].line().contains("report_suite_id = \"whole\""), "{found:?}");
    }
}
