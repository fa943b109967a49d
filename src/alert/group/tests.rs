use super::*;
use crate::job::JobId;
use crate::joblog::FactJob;
use proptest::prelude::*;

const START: Timestamp = Timestamp(1_000_000_000);

fn fact(event: AlertEvent, account: &str, job: i64, at: Timestamp) -> AlertFact {
    let state = if AlertEvent::ALL[..4].contains(&event) { event.as_str() } else { "queued" };
    AlertFact {
        event,
        account: account.to_owned(),
        at,
        job: Some(FactJob { id: JobId(job), file_name: format!("file{job}.txt"), state: state.to_owned() }),
        detail: Some("why".to_owned()),
        clears: Vec::new(),
    }
}

fn subscription(number: usize, on: &[AlertEvent]) -> Subscription {
    Subscription { receiver: format!("alert #{number}: command"), on: on.to_vec() }
}

/// The outbox as in the job log, and the delivered alerts.
#[derive(Default)]
struct Kept {
    outbox: Outbox,
    newest: i64,
    delivered: Vec<(AlertRow, Timestamp)>,
}

impl Kept {
    fn take(&mut self, facts: &[AlertFact], subscriptions: &[Subscription], now: Timestamp) {
        for mut alert in collect(facts, subscriptions, &self.outbox, now) {
            let known = self.outbox.alerts.iter_mut().find(|known| alert.id.is_some() && known.id == alert.id);
            if let Some(known) = known {
                *known = alert;
            } else {
                self.newest += 1;
                alert.id = Some(self.newest);
                self.outbox.alerts.push(alert);
            }
        }
    }

    /// Delivers the due alerts. `works` says which receivers take them.
    fn deliver(&mut self, now: Timestamp, works: impl Fn(&str) -> bool) {
        let due: Vec<AlertRow> =
            due(&self.outbox, &HashSet::new(), Duration::from_secs(300), now).into_iter().cloned().collect();
        for alert in due {
            let at = self.outbox.alerts.iter().position(|known| known.id == alert.id).unwrap();
            self.outbox.alerts[at].sealed = true;
            if works(&alert.receiver) {
                let told = told(&alert, &self.outbox, now);
                self.outbox.told.retain(|known| {
                    (&known.receiver, &known.account, known.topic) != (&told.receiver, &told.account, told.topic)
                });
                self.outbox.told.push(told);
                let alert = self.outbox.alerts.remove(at);
                self.delivered.push((alert, now));
            } else {
                self.outbox.alerts[at].failures += 1;
                self.outbox.alerts[at].due_at = now.after(Duration::from_secs(5));
            }
        }
    }
}

#[test]
fn five_thousand_bad_files_are_one_alert() {
    let mut kept = Kept::default();
    let rules = [subscription(1, &[AlertEvent::Rejected])];
    let mut now = START;
    for batch in 0..10 {
        let facts: Vec<_> = (0..500).map(|job| fact(AlertEvent::Rejected, "a", batch * 500 + job, now)).collect();
        kept.take(&facts, &rules, now);
        now = now.after(Duration::from_secs(2));
        kept.deliver(now, |_| true);
    }
    assert_eq!(kept.delivered.len(), 0, "it still grows");
    kept.deliver(now.after(QUIET), |_| true);
    let [(alert, _)] = kept.delivered.as_slice() else { panic!("one alert: {:?}", kept.delivered) };
    assert_eq!(alert.count, 5000);
    let named = Named::list(alert);
    assert_eq!(named.len(), NAMED);
    assert_eq!(named[0].job.as_ref().unwrap().id, 0);
    assert_eq!(named[NAMED - 1].job.as_ref().unwrap().id, 4999);
}

#[test]
fn repeated_events_are_reported_ever_more_rarely_and_at_once_after_a_pause() {
    let mut kept = Kept::default();
    let rules = [subscription(1, &[AlertEvent::Failure])];
    let mut now = START;
    for job in 0..5400 {
        kept.take(&[fact(AlertEvent::Failure, "a", job, now)], &rules, now);
        kept.deliver(now, |_| true);
        now = now.after(Duration::from_secs(2));
    }
    let minutes: Vec<u64> = kept.delivered.windows(2).map(|pair| pair[1].1.since(pair[0].1).as_secs() / 60).collect();
    assert_eq!(minutes[..7], [1, 2, 4, 8, 16, 32, 60]);
    now = now.after(Duration::from_secs(3 * 3600));
    kept.deliver(now, |_| true);
    let before = kept.delivered.len();
    now = now.after(Duration::from_secs(3 * 3600));
    kept.take(&[fact(AlertEvent::Failure, "a", -1, now)], &rules, now);
    kept.deliver(now.after(QUIET), |_| true);
    assert_eq!(kept.delivered.len(), before + 1);
}

#[test]
fn a_block_and_its_end_are_reported_once_together() {
    let mut kept = Kept::default();
    let rules =
        [subscription(1, &[AlertEvent::Blocked, AlertEvent::Unblocked]), subscription(2, &[AlertEvent::Blocked])];
    kept.take(&[fact(AlertEvent::Blocked, "a", 1, START)], &rules, START);
    let unblocked = AlertFact { clears: vec![AlertEvent::Blocked], ..fact(AlertEvent::Unblocked, "a", 1, START) };
    kept.take(&[unblocked], &rules, START.after(Duration::from_secs(1)));
    kept.deliver(START.after(Duration::from_secs(10)), |_| true);
    let events: Vec<Vec<String>> = kept
        .delivered
        .iter()
        .map(|(alert, _)| Named::list(alert).into_iter().map(|named| named.event).collect())
        .collect();
    assert_eq!(events, [vec!["blocked", "unblocked"], vec!["blocked", "cleared"]]);
}

#[test]
fn a_receiver_that_hangs_delays_no_other_and_its_alerts_stay_few() {
    let mut kept = Kept::default();
    let rules = [subscription(1, &[AlertEvent::Held]), subscription(2, &[AlertEvent::Held])];
    let mut now = START;
    for job in 0..10_000 {
        kept.take(&[fact(AlertEvent::Held, "a", job, now)], &rules, now);
        kept.deliver(now, |receiver| receiver == "alert #2: command");
        now = now.after(Duration::from_secs(1));
    }
    let waiting: Vec<&AlertRow> =
        kept.outbox.alerts.iter().filter(|alert| alert.receiver == "alert #1: command").collect();
    assert_eq!(waiting.len(), 2);
    assert_eq!(waiting.iter().map(|alert| alert.count).sum::<u64>(), 10_000);
    assert!(kept.delivered.len() > 5);
    // The receiver answers again, and gets both alerts, the sealed one first.
    kept.deliver(now.after(Duration::from_secs(7200)), |_| true);
    kept.deliver(now.after(Duration::from_secs(7300)), |_| true);
    let told: Vec<i64> = kept
        .delivered
        .iter()
        .filter(|(alert, _)| alert.receiver == "alert #1: command")
        .filter_map(|(alert, _)| alert.id)
        .collect();
    assert!(matches!(told.as_slice(), [first, second] if first < second), "{told:?}");
}

#[test]
fn a_clock_that_is_set_back_delays_nothing_for_long() {
    let mut kept = Kept::default();
    let rules = [subscription(1, &[AlertEvent::Held])];
    kept.take(&[fact(AlertEvent::Held, "a", 1, START)], &rules, START);
    kept.deliver(START.after(QUIET), |_| true);
    kept.take(&[fact(AlertEvent::Held, "a", 2, START)], &rules, START.after(QUIET));
    let year_before = START.before(Duration::from_secs(365 * 86_400));
    kept.deliver(year_before, |_| true);
    assert_eq!(kept.delivered.len(), 2, "due only in a year, it would seem");
    kept.take(&[fact(AlertEvent::Held, "a", 3, year_before)], &rules, year_before);
    kept.deliver(year_before.after(LONGEST_GAP), |_| true);
    assert_eq!(kept.delivered.len(), 3);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Each receiver gets each event that it subscribes to, counted once, whichever receivers fail. No group is sent
    /// more often than once per minute.
    #[test]
    fn every_event_reaches_each_of_its_subscribers_once(
        steps in proptest::collection::vec((0usize..10, 0usize..3, 0u64..90, any::<[bool; 2]>()), 1..150),
    ) {
        let mut kept = Kept::default();
        let rules = [subscription(1, AlertEvent::ALL), subscription(2, &AlertEvent::ALL[..3])];
        let mut now = START;
        let mut wanted = [0u64; 2];
        for (index, (event, account, seconds, works)) in steps.into_iter().enumerate() {
            let fact = fact(AlertEvent::ALL[event], ["a", "b", ""][account], i64::try_from(index).unwrap(), now);
            for (wanted, rule) in wanted.iter_mut().zip(&rules) {
                *wanted += u64::from(rule.on.contains(&fact.event));
            }
            kept.take(&[fact], &rules, now);
            kept.deliver(now, |receiver| works[usize::from(receiver == "alert #2: command")]);
            let mut groups: Vec<_> =
                kept.outbox.alerts.iter().map(|alert| (&alert.receiver, &alert.account, alert.topic)).collect();
            groups.sort();
            prop_assert!(groups.windows(3).all(|three| three[0] != three[2]), "more than two of a group");
            now = now.after(Duration::from_secs(seconds));
        }
        for _ in 0..200 {
            now = now.after(LONGEST_GAP);
            kept.deliver(now, |_| true);
        }
        prop_assert!(kept.outbox.alerts.is_empty());
        for (wanted, rule) in wanted.iter().zip(&rules) {
            let told: u64 = kept
                .delivered
                .iter()
                .filter(|(alert, _)| alert.receiver == rule.receiver)
                .map(|(alert, _)| alert.count)
                .sum();
            prop_assert_eq!(told, *wanted);
        }
        for (index, (alert, at)) in kept.delivered.iter().enumerate() {
            let group = (alert.receiver.as_str(), alert.account.as_str(), alert.topic);
            for (other, before) in kept.delivered[..index].iter().filter(|(other, _)| is_group(group, other)) {
                prop_assert!(at.since(*before) >= FIRST_GAP, "{other:?} and {alert:?}");
            }
        }
    }
}
