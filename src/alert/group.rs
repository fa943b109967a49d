//! Groups events into alerts, and decides when to send them. Pure.
//!
//! One alert covers the events of one receiver, account and topic. It is sent once no event was added for [`QUIET`],
//! but at most a minute after the first event. The next alert of the same group waits for a minute after the last, the
//! one after that for two, and so on up to an hour. A pause resets the wait. Five thousand bad files are therefore one
//! message, and bad files all day are only a few.

use crate::config::AlertEvent;
use crate::job::Timestamp;
use crate::joblog::{AlertFact, AlertRow, Outbox, ToldRow};
use crate::retry::RetryPolicy;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::time::Duration;

/// Time without another event after which a group is sent.
pub(super) const QUIET: Duration = Duration::from_secs(3);
/// Maximum time from a group's first event until it is sent.
const GATHERS_FOR: Duration = Duration::from_secs(60);
/// First interval between two alerts of a group. It grows.
const FIRST_GAP: Duration = Duration::from_secs(60);
const LONGEST_GAP: Duration = Duration::from_secs(3600);
/// Maximum number of events that an alert names. The others are only counted.
pub(super) const NAMED: usize = 20;
/// Maximum number of characters of a reason, or of a file's name, in an alert.
const LONGEST_TEXT: usize = 500;

/// The events that a receiver subscribes to.
#[derive(Debug, Clone)]
pub(super) struct Subscription {
    /// The receiver, such as `alert #1: webhook`.
    pub(super) receiver: String,
    /// The subscribed events.
    pub(super) on: Vec<AlertEvent>,
}

/// An event in the outbox.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Named {
    pub(super) event: String,
    pub(super) at: i64,
    pub(super) job: Option<NamedJob>,
    pub(super) detail: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct NamedJob {
    pub(super) id: i64,
    pub(super) file_name: String,
    pub(super) state: String,
}

impl Named {
    pub(super) fn of(fact: &AlertFact, told_as: AlertEvent) -> Self {
        Self {
            event: told_as.as_str().to_owned(),
            at: fact.at.0,
            job: fact.job.as_ref().map(|job| NamedJob {
                id: job.id.0,
                file_name: cut(&job.file_name),
                state: job.state.clone(),
            }),
            detail: fact.detail.as_deref().map(cut),
        }
    }

    /// Reads the events of an alert. If somebody edited the text so that it is unreadable, the alert only counts.
    pub(super) fn list(alert: &AlertRow) -> Vec<Self> {
        serde_json::from_str(&alert.facts).unwrap_or_default()
    }
}

pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(LONGEST_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Returns the event under which a receiver gets a fact. `None` if it does not subscribe to it. A receiver that got an
/// event also gets its end, once: as `unblocked` if it subscribes to that, otherwise as `cleared`.
pub(super) fn told_as(fact: &AlertFact, on: &[AlertEvent]) -> Option<AlertEvent> {
    if on.contains(&fact.event) {
        return Some(fact.event);
    }
    let heard = |event: &AlertEvent| on.contains(event) || on.contains(&AlertEvent::Cleared);
    fact.clears.iter().any(heard).then_some(AlertEvent::Cleared)
}

/// Returns the topic of an event. An account that blocks and soon works again is one topic, so it causes one message.
fn topic(event: AlertEvent) -> AlertEvent {
    match event {
        AlertEvent::Unblocked => AlertEvent::Blocked,
        AlertEvent::Failure
        | AlertEvent::Partial
        | AlertEvent::Rejected
        | AlertEvent::Held
        | AlertEvent::Blocked
        | AlertEvent::Delayed
        | AlertEvent::Stalled
        | AlertEvent::Cleared
        | AlertEvent::Missing
        | AlertEvent::Double
        | AlertEvent::Doubled
        | AlertEvent::Started
        | AlertEvent::Summary
        | AlertEvent::Muted => event,
    }
}

fn is_group(row: (&str, &str, AlertEvent), alert: &AlertRow) -> bool {
    (alert.receiver.as_str(), alert.account.as_str(), alert.topic) == row
}

/// Returns the alert of a group that still grows, or a new one that begins with an event at this time.
pub(super) fn row_for(group: (&str, &str, AlertEvent), outbox: &Outbox, at: Timestamp, now: Timestamp) -> AlertRow {
    let grows = outbox.alerts.iter().find(|alert| !alert.sealed && is_group(group, alert));
    grows.cloned().unwrap_or_else(|| AlertRow {
        id: None,
        receiver: group.0.to_owned(),
        account: group.1.to_owned(),
        topic: group.2,
        count: 0,
        facts: String::new(),
        first_at: at,
        last_at: at,
        opened_at: now,
        due_at: now,
        failures: 0,
        sealed: false,
    })
}

/// Adds events to growing alerts, or begins new ones. Returns the changed alerts.
#[must_use]
pub(super) fn collect(
    facts: &[AlertFact],
    subscriptions: &[Subscription],
    outbox: &Outbox,
    now: Timestamp,
) -> Vec<AlertRow> {
    let mut changed: Vec<(AlertRow, Vec<Named>)> = Vec::new();
    for subscription in subscriptions {
        for fact in facts {
            let Some(told_as) = told_as(fact, &subscription.on) else { continue };
            let group = (subscription.receiver.as_str(), fact.account.as_str(), topic(fact.event));
            let index = changed.iter().position(|(alert, _)| is_group(group, alert)).unwrap_or_else(|| {
                let alert = row_for(group, outbox, fact.at, now);
                let named = Named::list(&alert);
                changed.push((alert, named));
                changed.len() - 1
            });
            let Some((alert, named)) = changed.get_mut(index) else { continue };
            alert.count += 1;
            alert.first_at = alert.first_at.min(fact.at);
            alert.last_at = alert.last_at.max(fact.at);
            // Keep the first events and the last, because the last event shows the state of the account.
            named.truncate(NAMED - 1);
            named.push(Named::of(fact, told_as));
        }
    }
    changed
        .into_iter()
        .map(|(mut alert, named)| {
            alert.due_at = gathered(&alert, now);
            alert.facts = serde_json::to_string(&named).unwrap_or_default();
            alert
        })
        .collect()
}

/// Returns when the alert stops growing. If the clock has been set back since, this does not delay the alert.
fn gathered(alert: &AlertRow, now: Timestamp) -> Timestamp {
    let quiet = if alert.topic == AlertEvent::Started { Duration::ZERO } else { QUIET };
    now.after(quiet).min(alert.opened_at.min(now).after(GATHERS_FOR))
}

fn last_told<'a>(group: (&str, &str, AlertEvent), outbox: &'a Outbox) -> Option<&'a ToldRow> {
    outbox.told.iter().find(|told| (told.receiver.as_str(), told.account.as_str(), told.topic) == group)
}

fn gap(streak: u32) -> Duration {
    RetryPolicy::growing(FIRST_GAP, LONGEST_GAP).ceiling(streak)
}

/// Returns the alerts to deliver now: at most one for each receiver that is not busy, the oldest first. Within a group,
/// one alert is delivered before the next. An alert that is due later than after `longest` counts as due, because its
/// time comes from a clock that was ahead.
#[must_use]
pub(super) fn due<'a>(
    outbox: &'a Outbox,
    busy: &HashSet<String>,
    longest: Duration,
    now: Timestamp,
) -> Vec<&'a AlertRow> {
    let mut due: Vec<&AlertRow> = Vec::new();
    for alert in &outbox.alerts {
        let at = due_at(alert, outbox, now);
        let waits = at > now && at <= now.after(longest.max(LONGEST_GAP));
        let taken = busy.contains(&alert.receiver) || due.iter().any(|other| other.receiver == alert.receiver);
        if !waits && !taken && !is_behind(alert, outbox) && !is_kept_back(alert, outbox) {
            due.push(alert);
        }
    }
    due
}

/// Returns when the next alert becomes due.
#[must_use]
pub(super) fn next_due(outbox: &Outbox, busy: &HashSet<String>, now: Timestamp) -> Option<Timestamp> {
    let waiting = |alert: &&AlertRow| {
        !busy.contains(&alert.receiver) && !is_behind(alert, outbox) && !is_kept_back(alert, outbox)
    };
    let ends = outbox.mutes.iter().map(|(_, mute)| mute.until);
    outbox.alerts.iter().filter(waiting).map(|alert| due_at(alert, outbox, now)).chain(ends).min()
}

/// Returns when an alert is due: not before the group's gap has passed, unless it was tried before.
fn due_at(alert: &AlertRow, outbox: &Outbox, now: Timestamp) -> Timestamp {
    let group = (alert.receiver.as_str(), alert.account.as_str(), alert.topic);
    match last_told(group, outbox) {
        Some(told) if !alert.sealed => alert.due_at.max(told.told_at.min(now).after(gap(told.streak))),
        Some(_) | None => alert.due_at,
    }
}

fn is_behind(alert: &AlertRow, outbox: &Outbox) -> bool {
    let group = (alert.receiver.as_str(), alert.account.as_str(), alert.topic);
    !alert.sealed && outbox.alerts.iter().any(|other| other.sealed && is_group(group, other))
}

/// Returns whether an alert sums up an account that is still muted.
fn is_kept_back(alert: &AlertRow, outbox: &Outbox) -> bool {
    let mut muted = outbox.mutes.iter().map(|(account, _)| account);
    alert.topic == AlertEvent::Muted && !alert.sealed && muted.any(|account| *account == alert.account)
}

/// Returns the record of a delivered alert.
#[must_use]
pub(super) fn told(alert: &AlertRow, outbox: &Outbox, now: Timestamp) -> ToldRow {
    let group = (alert.receiver.as_str(), alert.account.as_str(), alert.topic);
    let streak = match last_told(group, outbox) {
        Some(before) if now.since(before.told_at) <= gap(before.streak) * 2 => before.streak.saturating_add(1),
        Some(_) | None => 1,
    };
    ToldRow {
        receiver: alert.receiver.clone(),
        account: alert.account.clone(),
        topic: alert.topic,
        told_at: now,
        streak,
    }
}

#[cfg(test)]
mod tests;
