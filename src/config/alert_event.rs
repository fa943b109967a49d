//! What alerts can be about, and in which form they are sent.

use strum::{EnumString, IntoStaticStr, VariantArray, VariantNames};

/// What an alert can be about. The words of `on`, and of the key `event` of what is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, EnumString, IntoStaticStr, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum AlertEvent {
    /// Adobe failed a file.
    Failure,
    /// Adobe processed fewer rows than a file has.
    Partial,
    /// A file can never be accepted.
    Rejected,
    /// A file waits for a person.
    Held,
    /// Nothing is sent for an account.
    Blocked,
    /// It works again.
    Unblocked,
    /// A file is on its way for longer than `retry.alert_after`, or at Adobe for longer than `poll.late_after`.
    Delayed,
    /// The same at Adobe, where a job of the account failed and none has ended since.
    Stalled,
    /// What was `blocked`, `delayed`, `stalled` or `missing` has ended.
    Cleared,
    /// An account's `expect` or `expect_days` is not met.
    Missing,
    /// Two files with the same columns report a data day, and both were accepted.
    Double,
    /// A file was possibly ingested twice (DESIGN S5).
    Doubled,
    /// The service started.
    Started,
    /// What came of an account's files in a day, at a time of day.
    Summary,
    /// What was kept back while an account was muted. Nobody asks for it: whoever would have heard of any gets it.
    Muted,
}

impl AlertEvent {
    /// Every event.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// Those that `on` may name.
    pub fn choices() -> impl Iterator<Item = Self> {
        Self::ALL.iter().copied().filter(|event| *event != Self::Muted)
    }

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Reads the word back.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        word.parse().ok()
    }
}

/// The words of `format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, EnumString, VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub(super) enum AlertFormat {
    /// datadrop's own JSON.
    Json,
    /// As an incoming webhook of Slack takes it.
    Slack,
    /// As a webhook of a Teams workflow takes it.
    Teams,
    /// As `sendmail -t -i` takes it.
    Email,
}

/// What a receiver gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlertForm {
    /// datadrop's own JSON.
    Json,
    /// The body of a Slack webhook.
    Slack,
    /// The body of a Teams webhook.
    Teams,
    /// A message by e-mail.
    Email {
        /// To whom; never empty.
        to: Vec<String>,
        /// From whom, if not from `datadrop` on this machine.
        from: Option<String>,
    },
}
