//! The alerts of a muted account that are kept back, and the one alert that sums them up. Pure.
//!
//! Each receiver has one row in the outbox for each muted account. The row grows until the mute ends, and is then due.
//! It includes alerts that were about to be sent when the mute began. Deliveries that were already tried continue.

use super::group::{NAMED, Named, Subscription, row_for, told_as};
use crate::config::AlertEvent;
use crate::job::Timestamp;
use crate::joblog::{AlertFact, AlertRow, Outbox};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many events of a kind were kept back, and how many of their ends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Count {
    told: u64,
    cleared: u64,
}

/// The content of a row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tally {
    counts: BTreeMap<String, Count>,
    /// The newest events.
    pub(super) named: Vec<Named>,
}

/// The kept-back alerts, and the rows that are merged into them.
#[derive(Debug, Default)]
pub(super) struct KeptBack {
    pub(super) alerts: Vec<AlertRow>,
    pub(super) folded: Vec<i64>,
}

impl Tally {
    /// Reads a tally. If somebody edited the text so that it is unreadable, the tally is empty.
    pub(super) fn of(alert: &AlertRow) -> Self {
        serde_json::from_str(&alert.facts).unwrap_or_default()
    }

    fn name(&mut self, named: Named) {
        if self.named.len() >= NAMED {
            self.named.remove(0);
        }
        self.named.push(named);
    }

    fn count(&mut self, event: &str) -> &mut Count {
        self.counts.entry(event.to_owned()).or_default()
    }

    fn add(&mut self, fact: &AlertFact, told_as: AlertEvent) {
        if fact.clears.is_empty() {
            self.count(told_as.as_str()).told += 1;
        }
        for cleared in &fact.clears {
            self.count(cleared.as_str()).cleared += 1;
        }
        self.name(Named::of(fact, told_as));
    }

    /// Adds an alert that was about to be sent. Events that it only counts get the kind of its topic.
    fn fold(&mut self, alert: &AlertRow) {
        let mut named = Named::list(alert);
        if alert.topic == AlertEvent::Summary {
            // The jobs of a summary are not counted, because they are part of it.
            named.truncate(1);
        }
        let unnamed = alert.count.saturating_sub(u64::try_from(named.len()).unwrap_or(u64::MAX));
        if unnamed > 0 {
            self.count(alert.topic.as_str()).told += unnamed;
        }
        for named in named {
            let is_end = [AlertEvent::Cleared, AlertEvent::Unblocked].iter().any(|end| end.as_str() == named.event);
            if is_end && alert.topic == AlertEvent::Blocked {
                self.count(alert.topic.as_str()).cleared += 1;
            } else {
                self.count(&named.event).told += 1;
            }
            self.name(named);
        }
    }

    /// `3 failure, 1 blocked (cleared since)`.
    pub(super) fn words(&self) -> String {
        let words = self.counts.iter().map(|(event, count)| {
            let since = match (count.told, count.cleared) {
                (_, 0) => String::new(),
                (0, more) => return format!("{more} {event} from before cleared"),
                (told, cleared) if cleared >= told => " (cleared since)".to_owned(),
                (_, cleared) => format!(" ({cleared} cleared since)"),
            };
            format!("{} {event}{since}", count.told)
        });
        words.collect::<Vec<_>>().join(", ")
    }
}

/// Returns whether a fact is kept back: its account is muted, or was muted at the time of the fact.
pub(super) fn is_muted(fact: &AlertFact, outbox: &Outbox, now: Timestamp) -> bool {
    let mut mutes = outbox.mutes.iter().filter(|(account, _)| *account == fact.account);
    mutes.any(|(_, mute)| mute.lasts(now) || mute.lasts(fact.at))
}

/// Adds muted facts to the kept-back alerts, and merges alerts of their accounts that were about to be sent.
#[must_use]
pub(super) fn keep_back(
    muted: &[&AlertFact],
    subscriptions: &[Subscription],
    outbox: &Outbox,
    now: Timestamp,
) -> KeptBack {
    let mut kept = KeptBack::default();
    for Subscription { receiver, on } in subscriptions {
        for (account, mute) in &outbox.mutes {
            let is_of = |alert: &&AlertRow| alert.receiver == *receiver && alert.account == *account;
            let waits = |alert: &&AlertRow| is_of(alert) && !alert.sealed && alert.topic != AlertEvent::Muted;
            let folded: Vec<&AlertRow> = outbox.alerts.iter().filter(|alert| mute.lasts(now) && waits(alert)).collect();
            let of_account = muted.iter().filter(|fact| fact.account == *account);
            let facts: Vec<_> = of_account.filter_map(|fact| Some((*fact, told_as(fact, on)?))).collect();
            let times = folded.iter().map(|alert| (alert.first_at, alert.last_at));
            let times: Vec<_> = times.chain(facts.iter().map(|(fact, _)| (fact.at, fact.at))).collect();
            let Some(&(first, _)) = times.first() else { continue };
            let mut alert = row_for((receiver, account, AlertEvent::Muted), outbox, first, now);
            let mut tally = Tally::of(&alert);
            for row in &folded {
                alert.count += row.count;
                tally.fold(row);
                kept.folded.extend(row.id);
            }
            for (fact, told_as) in &facts {
                alert.count += 1;
                tally.add(fact, *told_as);
            }
            alert.first_at = times.iter().map(|(first, _)| *first).fold(alert.first_at, Timestamp::min);
            alert.last_at = times.iter().map(|(_, last)| *last).fold(alert.last_at, Timestamp::max);
            alert.facts = serde_json::to_string(&tally).unwrap_or_default();
            kept.alerts.push(alert);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::super::group::{collect, due};
    use super::*;
    use crate::job::JobId;
    use crate::joblog::{FactJob, Mute};
    use std::collections::HashSet;
    use std::time::Duration;

    const NOW: Timestamp = Timestamp(1_000_000_000);

    fn fact(event: AlertEvent, job: i64, clears: &[AlertEvent]) -> AlertFact {
        AlertFact {
            event,
            account: "a".to_owned(),
            at: Timestamp(NOW.0 + job),
            job: Some(FactJob { id: JobId(job), file_name: format!("{job}.txt"), state: "held".to_owned() }),
            detail: Some(format!("why {job}")),
            clears: clears.to_vec(),
        }
    }

    fn rules() -> Vec<Subscription> {
        let on = |on: &[AlertEvent]| on.to_vec();
        vec![
            Subscription { receiver: "one".to_owned(), on: on(&[AlertEvent::Held, AlertEvent::Delayed]) },
            Subscription { receiver: "two".to_owned(), on: on(&[AlertEvent::Failure]) },
        ]
    }

    fn muted() -> Outbox {
        let mute = Mute { at: NOW, until: NOW.after(Duration::from_secs(60)), by: None };
        Outbox { mutes: vec![("a".to_owned(), mute)], ..Outbox::default() }
    }

    #[test]
    fn muted_events_become_one_alert_for_each_subscribed_receiver() {
        let facts = [
            fact(AlertEvent::Held, 1, &[]),
            fact(AlertEvent::Delayed, 2, &[]),
            fact(AlertEvent::Cleared, 2, &[AlertEvent::Delayed]),
            fact(AlertEvent::Cleared, 3, &[AlertEvent::Stalled]),
            fact(AlertEvent::Held, 4, &[]),
        ];
        let mut outbox = muted();
        assert!(facts.iter().all(|fact| is_muted(fact, &outbox, NOW)));
        let facts: Vec<&AlertFact> = facts.iter().collect();
        outbox.alerts = keep_back(&facts[..3], &rules(), &outbox, NOW).alerts;
        outbox.alerts = keep_back(&facts[3..], &rules(), &outbox, NOW).alerts;
        let [alert] = outbox.alerts.as_slice() else { panic!("of one receiver: {outbox:?}") };
        assert_eq!((alert.receiver.as_str(), alert.count, alert.topic), ("one", 4, AlertEvent::Muted));
        let tally = Tally::of(alert);
        assert_eq!(tally.words(), "1 delayed (cleared since), 2 held");
        assert_eq!(tally.named.last().unwrap().detail.as_deref(), Some("why 4"));
        let due_at = |outbox: &Outbox, now| due(outbox, &HashSet::new(), Duration::from_secs(1), now).len();
        assert_eq!(due_at(&outbox, NOW.after(Duration::from_secs(3600))), 0, "nobody has ended the mute");
        outbox.mutes.clear();
        assert_eq!(due_at(&outbox, NOW), 1);
    }

    #[test]
    fn pending_alerts_are_merged_and_tried_ones_continue() {
        let facts = [fact(AlertEvent::Held, 1, &[]), fact(AlertEvent::Failure, 2, &[])];
        let mut alerts = collect(&facts, &rules(), &Outbox::default(), NOW);
        for (alert, id) in alerts.iter_mut().zip(1..) {
            alert.id = Some(id);
            alert.sealed = alert.receiver == "two";
        }
        let outbox = Outbox { alerts, ..muted() };
        let kept = keep_back(&[], &rules(), &outbox, NOW);
        assert_eq!(kept.folded, [1]);
        assert_eq!((kept.alerts.len(), Tally::of(&kept.alerts[0]).words().as_str()), (1, "1 held"));
        let over = NOW.after(Duration::from_secs(60));
        assert!(keep_back(&[], &rules(), &outbox, over).folded.is_empty());
        assert!(is_muted(&facts[0], &outbox, over), "it happened before the end");
        let before = Timestamp(NOW.0 - 86_400_000);
        assert!(!is_muted(&facts[0], &outbox, before) || facts[0].at >= NOW);
    }

    #[test]
    fn ends_are_said_of_what_they_end() {
        let mut tally = Tally::default();
        let blocked = |event, clears: &[AlertEvent]| AlertFact { job: None, ..fact(event, 1, clears) };
        tally.add(&blocked(AlertEvent::Blocked, &[]), AlertEvent::Blocked);
        tally.add(&blocked(AlertEvent::Unblocked, &[AlertEvent::Blocked]), AlertEvent::Cleared);
        tally.add(&blocked(AlertEvent::Missing, &[]), AlertEvent::Missing);
        tally.add(&blocked(AlertEvent::Missing, &[]), AlertEvent::Missing);
        tally.add(&blocked(AlertEvent::Cleared, &[AlertEvent::Missing]), AlertEvent::Cleared);
        tally.add(&fact(AlertEvent::Cleared, 9, &[AlertEvent::Stalled]), AlertEvent::Cleared);
        assert_eq!(
            tally.words(),
            "1 blocked (cleared since), 2 missing (1 cleared since), 1 stalled from before cleared"
        );
    }
}
