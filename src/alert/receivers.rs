//! The part of a configuration that concerns alerts.

use super::group::Subscription;
use super::message::Sender;
use crate::adobe::{Client, hook_host};
use crate::config::{AccountConfig, AlertEvent, AlertForm, Config, Expect, ExpectDays};
use crate::job::Target;
use crate::retry::RetryPolicy;
use jiff::tz::TimeZone;
use secrecy::SecretString;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How a receiver gets its alerts.
pub(super) enum How {
    /// A program and its arguments.
    Command(Vec<String>),
    /// A URL, which often holds a key.
    Webhook(SecretString),
}

/// Omits arguments and paths, because they may hold keys.
impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command(command) => f.write_str(command.first().map_or("", String::as_str)),
            Self::Webhook(url) => f.write_str(&hook_host(url)),
        }
    }
}

/// A receiver of alerts.
pub(super) struct Receiver {
    /// Named by its position in the configuration, so that a corrected URL gets the alerts that the wrong one did not
    /// take.
    pub(super) name: String,
    pub(super) how: How,
    /// The format of its alerts.
    pub(super) form: AlertForm,
}

/// What an account expects, and the time zone of its days.
pub(super) struct Expectation {
    pub(super) account: String,
    /// The files expected on each day.
    pub(super) expect: Option<Expect>,
    /// The data days expected.
    pub(super) expect_days: Option<ExpectDays>,
    /// The time zone of its days. `None`: the zone of its report suite.
    pub(super) time_zone: Option<TimeZone>,
    pub(super) target: Target,
}

impl Expectation {
    fn of(account: &AccountConfig, config: &Config) -> Self {
        Self {
            account: account.name.clone(),
            expect: account.expect,
            expect_days: account.expect_days,
            time_zone: account.time_zone.clone(),
            target: account.target(&config.api),
        }
    }
}

/// Everything that the stage needs of a configuration.
pub struct AlertSettings {
    pub(super) receivers: Vec<Receiver>,
    pub(super) subscriptions: Vec<Subscription>,
    /// Each receiver of daily summaries, with the time in minutes after midnight.
    pub(super) summaries: Vec<(String, u16)>,
    /// Enabled accounts, and what they expect.
    pub(super) expectations: Vec<Expectation>,
    /// The address that gets a request while all is well.
    pub(super) heartbeat: Option<SecretString>,
    pub(super) heartbeat_every: Duration,
    /// Time after which an unsent file counts as late.
    pub(super) alert_after: Duration,
    pub(super) late_after: Duration,
    pub(super) retry: RetryPolicy,
    pub(super) client: Arc<Client>,
    pub(super) sender: Sender,
}

impl AlertSettings {
    /// Reads the settings from a configuration.
    #[must_use]
    pub fn new(config: &Config, client: Arc<Client>) -> Self {
        let (mut receivers, mut subscriptions, mut summaries) = (Vec::new(), Vec::new(), Vec::new());
        for (index, alert) in config.alerts.iter().enumerate() {
            let word = if matches!(alert.form, AlertForm::Email { .. }) { "email" } else { "command" };
            let command = alert.command.clone().map(|command| (word, How::Command(command)));
            let webhook = alert.webhook.clone().map(|webhook| ("webhook", How::Webhook(webhook)));
            for (word, how) in [command, webhook].into_iter().flatten() {
                let name = format!("alert #{}: {word}", index + 1);
                let at = alert.summary_at.filter(|_| alert.on.contains(&AlertEvent::Summary));
                summaries.extend(at.map(|at| (name.clone(), at)));
                subscriptions.push(Subscription { receiver: name.clone(), on: alert.on.clone() });
                receivers.push(Receiver { name, how, form: alert.form.clone() });
            }
        }
        let enabled = config.accounts.iter().filter(|account| account.enabled);
        Self {
            receivers,
            subscriptions,
            summaries,
            expectations: enabled.map(|account| Expectation::of(account, config)).collect(),
            heartbeat: config.status.heartbeat.clone(),
            heartbeat_every: config.status.heartbeat_every,
            alert_after: config.retry.alert_after,
            late_after: config.poll.late_after.min(config.poll.give_up_after),
            retry: RetryPolicy::new(&config.retry),
            client,
            sender: Sender {
                host: rustix::system::uname().nodename().to_string_lossy().into_owned(),
                version: env!("CARGO_PKG_VERSION"),
                program: config.program(),
            },
        }
    }
}
