//! The stage: reads events, groups them, and delivers alerts. `group` and `missing` decide.

use super::deliver::deliver;
use super::missing::Days;
use super::receivers::{AlertSettings, Expectation, Receiver};
use super::summary::{Due, Summary};
use super::{bodies, group, message, missing, summary, tally};
use crate::clock::{now, random_fraction};
use crate::config::{AlertEvent, ExpectDays};
use crate::coverage::{Coverage, DayFacts, DayRange, LEARNT_FROM, today};
use crate::job::{DayZone, Timestamp};
use crate::joblog::{AlertRow, Expected, JobLog, JobLogError, Reader, SummaryDay, ToldRow};
use jiff::Span;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Longest wait between two turns. Each turn is a sign of life.
const TURN: Duration = Duration::from_secs(15);
/// Time for which events gather before the stage reads them.
const GATHER: Duration = Duration::from_millis(500);
/// Maximum number of events read at a time, and of jobs noted as late in one transaction.
const BATCH: usize = 500;
/// Maximum number of unwanted events that a crash makes the stage read again. This saves a write for each of them.
const UNWANTED: i64 = 2000;
/// Interval between looks for late jobs.
const LATE_LOOK: Duration = Duration::from_secs(60);
/// Time after the start in which the waiting files are sent, before the stage reports missing days.
const CATCHES_UP: Duration = Duration::from_secs(600);
/// Interval between looks for missing data days.
const DAYS_LOOK: Duration = Duration::from_secs(30);
/// Timeout for the last alerts at the end of the service.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// The end of a delivery: the alert, and the error, if any.
type Delivered = (AlertRow, Result<(), String>);

/// Delivers alerts about events.
pub struct AlertStage {
    joblog: JobLog,
    reader: Reader,
    settings: watch::Receiver<Arc<AlertSettings>>,
    deliveries: JoinSet<Delivered>,
    /// Receivers with a delivery in progress.
    busy: HashSet<String>,
    /// Delivered alerts that the job log has not recorded yet.
    unwritten: Vec<(i64, ToldRow)>,
    /// Ends deliveries early.
    cut: CancellationToken,
    /// The last judged day of each account's `expect`, as far as it was read.
    judged: HashMap<String, Expected>,
    /// When the stage last judged the data days of each account.
    judged_days: HashMap<String, Instant>,
    opened: Instant,
    looked_for_late: Option<Instant>,
}

impl AlertStage {
    /// Opens the job log for reading. From then on, events become alerts.
    ///
    /// # Errors
    /// [`JobLogError`] if the job log cannot be used.
    pub async fn open(
        joblog: JobLog,
        reader: Reader,
        settings: watch::Receiver<Arc<AlertSettings>>,
    ) -> Result<Self, JobLogError> {
        let stage = Self {
            joblog,
            reader,
            settings,
            deliveries: JoinSet::new(),
            busy: HashSet::new(),
            unwritten: Vec::new(),
            cut: CancellationToken::new(),
            judged: HashMap::new(),
            judged_days: HashMap::new(),
            opened: Instant::now(),
            looked_for_late: None,
        };
        stage.enlist().await?;
        let found = stage.what_was_found()?;
        stage.joblog.note_start(found, now()).await?;
        Ok(stage)
    }

    /// Records the current receivers.
    async fn enlist(&self) -> Result<(), JobLogError> {
        let settings = Arc::clone(&self.settings.borrow());
        let names = settings.receivers.iter().map(|receiver| receiver.name.clone()).collect();
        let summed_up = settings.summaries.iter().map(|(receiver, _)| receiver.clone()).collect();
        let accounts = settings.expectations.iter().map(|expectation| expectation.account.clone()).collect();
        self.joblog.summary_receivers(summed_up, accounts).await?;
        let given_up = self.joblog.alert_receivers(names).await?;
        if given_up > 0 {
            tracing::warn!(
                "{given_up} alerts were not delivered and are given up: their receivers are not configured any more"
            );
        }
        Ok(())
    }

    fn what_was_found(&self) -> Result<String, JobLogError> {
        let mut by_state: HashMap<String, i64> = HashMap::new();
        for counts in self.reader.counts_unfinished()? {
            *by_state.entry(counts.state).or_default() += counts.jobs;
        }
        let mut states: Vec<String> = by_state.iter().map(|(state, jobs)| format!("{jobs} {state}")).collect();
        states.sort();
        let version = env!("CARGO_PKG_VERSION");
        Ok(match by_state.values().sum::<i64>() {
            0 => format!("version {version}, no job is open"),
            1 => format!("version {version}, 1 job is open ({})", states.join(", ")),
            more => format!("version {version}, {more} jobs are open ({})", states.join(", ")),
        })
    }

    /// Delivers alerts until `stop`. Calls `alive` in each turn. No error here ends the service.
    pub async fn run(mut self, stop: CancellationToken, alive: impl Fn()) {
        let mut changes = self.joblog.changes();
        let mut settings = self.settings.clone();
        loop {
            alive();
            changes.borrow_and_update();
            let wait = match self.turn(Duration::ZERO).await {
                Ok(due) => due.map_or(TURN, |due| due.since(now()).min(TURN)),
                Err(JobLogError::Closed) => return,
                Err(error) => {
                    tracing::error!("cannot send alerts at the moment: {error}");
                    TURN
                }
            };
            let is_anybody_told = !self.settings.borrow().receivers.is_empty();
            tokio::select! {
                () = stop.cancelled() => break,
                Some(end) = self.deliveries.join_next(), if !self.deliveries.is_empty() => self.take_end_or_tell(end).await,
                Ok(()) = changes.changed(), if is_anybody_told => tokio::time::sleep(GATHER).await,
                Ok(()) = settings.changed() => {
                    if let Err(error) = self.enlist().await {
                        tracing::error!("cannot apply the new configuration to alerts: {error}");
                    }
                }
                () = tokio::time::sleep(wait) => {}
            }
        }
        self.say_last_words().await;
    }

    /// Does what is due, and returns when the next work is due. Work within `ahead` counts as due.
    async fn turn(&mut self, ahead: Duration) -> Result<Option<Timestamp>, JobLogError> {
        let settings = Arc::clone(&self.settings.borrow());
        self.write_told().await?;
        self.note_late(&settings).await?;
        for expectation in &settings.expectations {
            self.judge_expectation(expectation).await?;
        }
        self.sum_up(&settings).await?;
        self.collect(&settings).await?;
        self.end_mutes().await?;
        let outbox = self.reader.outbox()?;
        let time = now().after(ahead);
        let due: Vec<AlertRow> =
            group::due(&outbox, &self.busy, settings.retry.longest(), time).into_iter().cloned().collect();
        for alert in due {
            self.begin(&settings, alert).await?;
        }
        Ok(group::next_due(&outbox, &self.busy, time))
    }

    async fn note_late(&mut self, settings: &AlertSettings) -> Result<(), JobLogError> {
        let every = LATE_LOOK.min(settings.alert_after).min(settings.late_after);
        if self.looked_for_late.is_some_and(|at| at.elapsed() < every) {
            return Ok(());
        }
        let now = now();
        // The sweep that finds the job unfinished reports more details, so it goes first.
        let unended = now.before(settings.late_after.saturating_add(LATE_LOOK));
        let late = self.reader.late(now.before(settings.alert_after), unended, BATCH)?;
        // If there are more, the next turn handles them, so that others can write in between.
        self.looked_for_late = (late.len() < BATCH).then(Instant::now);
        if !late.is_empty() {
            self.joblog.note_delays(late, now).await?;
        }
        Ok(())
    }

    async fn judge_expectation(&mut self, expectation: &Expectation) -> Result<(), JobLogError> {
        let Expectation { account, expect, expect_days, time_zone, target } = expectation;
        if expect.is_none() && expect_days.is_none() {
            return Ok(());
        }
        let account = account.as_str();
        let suites = self.reader.suite_zone(target)?;
        let zone = DayZone::of(time_zone.as_ref(), suites.as_deref());
        if let Some(days) = *expect_days {
            self.judge_days(account, days, &zone).await?;
        }
        let Some(expect) = *expect else { return Ok(()) };
        let local = zone.at(now());
        let Some(window) = missing::latest_window(expect.by_minute, &local) else { return Ok(()) };
        let known = match self.judged.remove(account) {
            Some(known) => known,
            None => self.reader.expected(account)?,
        };
        let is_open = missing::is_open(&window, known.judged.as_deref(), local.date());
        let looked_at = if is_open { Some(window) } else { missing::missed_day(expect, &known, &zone.zone) };
        let Some(window) = looked_at else {
            self.judged.insert(account.to_owned(), known);
            return Ok(());
        };
        let accepted = self.reader.count_accepted(account, window.from, window.to)?;
        let missed = missing::missed(expect, &window, accepted);
        let came = missed.is_none().then(|| missing::came_since(&window, &known)).flatten();
        let (day, tells) = (window.day.to_string(), missed.filter(|_| is_open));
        let still_missed = if is_open { tells.is_some().then(|| day.clone()) } else { known.missed.clone() };
        let expected = Expected {
            judged: if is_open { Some(day) } else { known.judged.clone() },
            missed: still_missed.filter(|_| came.is_none()),
        };
        if expected != known || came.is_some() {
            if let Some(missing) = &tells {
                tracing::error!(account, "account {account}: {missing}");
            }
            if let Some(came) = &came {
                tracing::info!(account, "account {account}: {came}");
            }
            self.joblog.note_expectation(account.to_owned(), expected.clone(), tells, came, now()).await?;
        }
        self.judged.insert(account.to_owned(), expected);
        Ok(())
    }

    /// Judges which data days are missing, and which of these have come since.
    async fn judge_days(&mut self, account: &str, expected: ExpectDays, zone: &DayZone) -> Result<(), JobLogError> {
        if self.judged_days.get(account).is_some_and(|at| at.elapsed() < DAYS_LOOK) {
            return Ok(());
        }
        if self.is_catching_up(account)? {
            return Ok(());
        }
        let now = now();
        let range = DayRange { from: today(&zone.zone, now).checked_sub(Span::new().days(LEARNT_FROM)).ok(), to: None };
        let facts = DayFacts::dates(&self.reader, account, zone.zone.clone())?;
        let coverage = Coverage::of(&facts, Some(expected), range, now);
        let told = self.reader.days_told_missing(account)?;
        let news = missing::days((&coverage, &facts.covered), range, &told, facts.began);
        if !news.is_empty() {
            let [missing, came] = [news.missing_words(), news.came_words()];
            if let Some(missing) = &missing {
                tracing::error!(account, "account {account}: {missing}");
            }
            if let Some(came) = &came {
                tracing::info!(account, "account {account}: {came}");
            }
            let Days { missing: days, came: mut over, dropped } = news;
            over.extend(dropped);
            self.joblog.note_missing_days(account.to_owned(), (days, missing), (over, came), now).await?;
        }
        self.judged_days.insert(account.to_owned(), Instant::now());
        Ok(())
    }

    /// Returns whether files that came while the service was down are still being sent. They are not missing.
    fn is_catching_up(&self, account: &str) -> Result<bool, JobLogError> {
        Ok(self.opened.elapsed() < CATCHES_UP && self.reader.is_catching_up(account)?)
    }

    /// Makes the due daily summaries.
    async fn sum_up(&self, settings: &AlertSettings) -> Result<(), JobLogError> {
        if settings.summaries.is_empty() {
            return Ok(());
        }
        let (known, outbox) = (self.reader.summary_days()?, self.reader.outbox()?);
        for Expectation { account, expect_days, time_zone, target, .. } in &settings.expectations {
            let (now, suites) = (now(), self.reader.suite_zone(target)?);
            let zone = DayZone::of(time_zone.as_ref(), suites.as_deref());
            let local = zone.at(now);
            let (mut days, mut alerts) = (Vec::new(), Vec::new());
            for (receiver, at_minute) in &settings.summaries {
                let known = known.iter().find(|known| known.receiver == *receiver && known.account == *account);
                let day = match summary::due(*at_minute, known.map(|known| known.day), &local) {
                    None => continue,
                    Some(Due::Begin(day)) => day,
                    Some(Due::Send(_)) if self.is_catching_up(account)? => continue,
                    Some(Due::Send(day)) => {
                        let of = (account.as_str(), *expect_days);
                        let summary = Summary::read(&self.reader, of, day, &zone.zone, now)?;
                        let group = (receiver.as_str(), account.as_str(), AlertEvent::Summary);
                        alerts.extend(
                            summary.map(|summary| summary.alert(group::row_for(group, &outbox, now, now), now)),
                        );
                        day
                    }
                };
                days.push(SummaryDay { receiver: receiver.clone(), account: account.clone(), day });
            }
            if !days.is_empty() {
                self.joblog.note_summaries(days, alerts).await?;
            }
        }
        Ok(())
    }

    async fn collect(&self, settings: &AlertSettings) -> Result<(), JobLogError> {
        while let Some(found) = self.reader.alert_facts(BATCH)? {
            let (outbox, now) = (self.reader.outbox()?, now());
            let is_news = !found.facts.is_empty();
            let (muted, facts): (Vec<_>, Vec<_>) =
                found.facts.into_iter().partition(|fact| tally::is_muted(fact, &outbox, now));
            let mut alerts = group::collect(&facts, &settings.subscriptions, &outbox, now);
            let muted: Vec<_> = muted.iter().collect();
            let kept_back = tally::keep_back(&muted, &settings.subscriptions, &outbox, now);
            alerts.extend(kept_back.alerts);
            let unwanted = found.cursor.job_event - found.from.job_event;
            if is_news || unwanted > UNWANTED || !kept_back.folded.is_empty() {
                self.joblog.keep_alerts(alerts, kept_back.folded, found.cursor).await?;
            }
            if !found.more {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Ends expired mutes. By then the job log has all alerts that they kept back.
    async fn end_mutes(&self) -> Result<(), JobLogError> {
        let now = now();
        let mut over = self.reader.mutes()?;
        over.retain(|(_, mute)| !mute.lasts(now));
        for (account, _) in &over {
            tracing::info!(account, "alerts of account {account} are no longer muted");
        }
        if over.is_empty() { Ok(()) } else { self.joblog.end_mutes(over, now).await }
    }

    async fn begin(&mut self, settings: &Arc<AlertSettings>, alert: AlertRow) -> Result<(), JobLogError> {
        let (Some(id), Some(at)) =
            (alert.id, settings.receivers.iter().position(|receiver| receiver.name == alert.receiver))
        else {
            return Ok(());
        };
        // Sealed before each try: if the job log cannot be written now, it could not record the delivery, and would
        // repeat it.
        self.joblog.seal_alert(id).await?;
        self.busy.insert(alert.receiver.clone());
        let (settings, cut) = (Arc::clone(settings), self.cut.clone());
        self.deliveries.spawn(async move {
            let body = message::compose(&alert, &settings.sender);
            let end = match settings.receivers.get(at) {
                Some(Receiver { how, form, .. }) => {
                    deliver(how, bodies::render(&body, form), &settings.client, cut).await
                }
                None => Err("it is not configured any more".to_owned()),
            };
            (alert, end)
        });
        Ok(())
    }

    async fn take_end_or_tell(&mut self, end: Result<Delivered, JoinError>) {
        if let Err(error) = self.take_end(end).await {
            tracing::error!("cannot record the outcome of an alert, so it may be sent again: {error}");
        }
    }

    async fn take_end(&mut self, end: Result<Delivered, JoinError>) -> Result<(), JobLogError> {
        let (alert, end) = match end {
            Ok(delivered) => delivered,
            Err(error) => {
                tracing::error!("a delivery of an alert ended early: {error}");
                // The receiver of this delivery is unknown, so all receivers may be tried again.
                self.busy.clear();
                return Ok(());
            }
        };
        self.busy.remove(&alert.receiver);
        let Some(id) = alert.id else { return Ok(()) };
        let settings = Arc::clone(&self.settings.borrow());
        let receiver = settings.receivers.iter().find(|receiver| receiver.name == alert.receiver);
        let how = receiver.map(|receiver| receiver.how.to_string()).unwrap_or_default();
        match end {
            Ok(()) => {
                tracing::info!(
                    event = alert.topic.as_str(),
                    count = alert.count,
                    "{} ({how}) took the alert: {}",
                    alert.receiver,
                    alert.topic.as_str()
                );
                let told = group::told(&alert, &self.reader.outbox()?, now());
                self.unwritten.push((id, told));
                self.write_told().await
            }
            Err(error) => {
                let failures = alert.failures.saturating_add(1);
                let delay = settings.retry.delay(failures, None, random_fraction());
                // Logging each of very many failures would hide the rest of the log.
                if failures.is_power_of_two() {
                    tracing::warn!(
                        failures,
                        "{} ({how}) did not take the alert: {error}; datadrop retries until it does",
                        alert.receiver
                    );
                }
                self.joblog.alert_failed(id, now().after(delay)).await
            }
        }
    }

    /// Records the delivered alerts. If the job log cannot be written, the stage keeps them, and delivers nothing else
    /// first.
    async fn write_told(&mut self) -> Result<(), JobLogError> {
        while let Some((id, told)) = self.unwritten.last().cloned() {
            self.joblog.alert_told(id, told).await?;
            self.unwritten.pop();
        }
        Ok(())
    }

    /// Sends the ready alerts once more before the end. The next start sends the rest.
    async fn say_last_words(mut self) {
        let words = async {
            loop {
                let turn = self.turn(group::QUIET).await;
                match (turn, self.deliveries.join_next().await) {
                    (Ok(_), Some(end)) => {
                        // A failed alert is due again at once, but does not delay the end.
                        let failed = !matches!(end, Ok((_, Ok(()))));
                        self.take_end_or_tell(end).await;
                        if failed {
                            return;
                        }
                    }
                    (Ok(_), None) => return,
                    (Err(error), _) => return tracing::warn!("cannot send the last alerts before the end: {error}"),
                }
            }
        };
        let _ = tokio::time::timeout(LAST_WORDS, words).await;
        self.cut.cancel();
        while let Some(end) = self.deliveries.join_next().await {
            self.take_end_or_tell(end).await;
        }
    }
}
