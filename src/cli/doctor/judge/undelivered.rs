//! Whether alerts reach anybody.

use crate::cli::doctor::finding::{Finding, Verdict};
use crate::job::{Timestamp, counted, length_words};
use crate::joblog::AlertRow;
use std::collections::BTreeMap;
use std::time::Duration;

/// Deliveries in vain are tried again for so long before they are a failure of the receiver.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Whether the program of a receiver can be run. `why`: why not.
pub(in crate::cli::doctor) fn program(receiver: &str, program: &str, why: Option<String>) -> Finding {
    match why {
        None => Finding::ok("alert", receiver, format!("{program} can be run; `datadrop alerts test` tries it")),
        Some(why) => Finding::bad(
            Verdict::Fail,
            "alert",
            receiver,
            format!("{program} cannot be run by the service: {why}"),
            "write its whole path in `command`, and let the service's user run it",
        ),
    }
}

/// The receivers to which alerts could not be delivered.
pub(in crate::cli::doctor) fn alerts(alerts: &[AlertRow], now: Timestamp) -> Vec<Finding> {
    let mut by_receiver: BTreeMap<&str, (i64, u32, Timestamp)> = BTreeMap::new();
    for alert in alerts.iter().filter(|alert| alert.failures > 0) {
        let (count, failures, since) = by_receiver.entry(&alert.receiver).or_insert((0, 0, alert.opened_at));
        (*count, *failures, *since) = (*count + 1, (*failures).max(alert.failures), (*since).min(alert.opened_at));
    }
    let finding = |(receiver, (count, failures, since)): (&str, (i64, u32, Timestamp))| {
        let age = now.since(since);
        let verdict = if age >= PATIENCE { Verdict::Fail } else { Verdict::Warn };
        let message = format!(
            "{} not delivered for {}, after {}; datadrop keeps trying",
            counted(count, "alert"),
            length_words(age),
            counted(failures.into(), "failed attempt"),
        );
        Finding::bad(
            verdict,
            "alert",
            receiver,
            message,
            "run `datadrop alerts test`, which shows what the receiver answers",
        )
    };
    by_receiver.into_iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AlertEvent;

    fn row(receiver: &str, failures: u32, opened_at: i64) -> AlertRow {
        AlertRow {
            id: Some(1),
            receiver: receiver.to_owned(),
            account: String::new(),
            topic: AlertEvent::Failure,
            count: 1,
            facts: String::new(),
            first_at: Timestamp(opened_at),
            last_at: Timestamp(opened_at),
            opened_at: Timestamp(opened_at),
            due_at: Timestamp(opened_at),
            failures,
            sealed: true,
        }
    }

    #[test]
    fn a_receiver_that_fails_is_named_with_how_long() {
        let alerts =
            [row("alert #1: webhook", 2, 0), row("alert #1: webhook", 5, 60_000), row("alert #2: command", 0, 0)];
        let found = super::alerts(&alerts, Timestamp(7_200_000));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].verdict, found[0].subject.as_str()), (Verdict::Fail, "alert #1: webhook"));
        assert!(
            found[0].message.starts_with("2 alerts not delivered for 2 h, after 5 failed attempts"),
            "{}",
            found[0].message
        );
        assert_eq!(super::alerts(&alerts, Timestamp(120_000))[0].verdict, Verdict::Warn);
    }
}
