//! What can be chosen about an emulator.

use super::faults::FaultRule;
use crate::config::RateLimit;
use jiff::SignedDuration;
use secrecy::SecretString;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

/// How an emulator behaves.
#[derive(Debug, Clone)]
pub struct EmulatorOptions {
    /// A loopback address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Which upload requests it takes and how jobs are spelled.
    pub dialect: Dialect,
    /// From acceptance to the end of a job; half of it `uploaded`, then `processing`.
    pub processing: Duration,
    /// A sliding window per client ID; `None` is off.
    pub rate_limit: Option<RateLimit>,
    /// Determines job numbers, tokens, invented FTP passwords and the chance of faults.
    pub seed: u64,
    /// Faults from the start.
    pub faults: Vec<FaultRule>,
    /// The client ID and secret that get a token; `None` takes any.
    pub credentials: Option<(String, SecretString)>,
    /// Tokens that are good without having been asked for, for clients with a ready one.
    pub access_tokens: Vec<SecretString>,
    /// How long a token is good.
    pub token_life: Duration,
    /// Report suite and data source of the accounts there are. Empty: there is any account that is asked for.
    pub accounts: Vec<(String, i64)>,
    /// The global company IDs that `/discovery/me` tells; paths may name any.
    pub companies: Vec<String>,
    /// How far its clock is ahead of this computer's, or behind: its `Date`, the dates of jobs, the windows of lists.
    pub clock_ahead: SignedDuration,
}

impl Default for EmulatorOptions {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            dialect: Dialect::Both,
            processing: Duration::from_secs(5),
            rate_limit: Some(RateLimit { requests: 12, per: Duration::from_secs(6) }),
            seed: 1,
            faults: Vec::new(),
            credentials: None,
            access_tokens: Vec::new(),
            token_life: Duration::from_secs(86_399),
            accounts: Vec::new(),
            companies: vec!["examplecompany".to_owned()],
            clock_ahead: SignedDuration::ZERO,
        }
    }
}

/// Which of Adobe's two descriptions the emulator follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// PUT with JSON; keys are sentences.
    Guide,
    /// POST (or PUT) with multipart; short keys.
    Current,
    /// Either upload; a job is spelled as it came, lists as in `current`.
    Both,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 3] = [Self::Guide, Self::Current, Self::Both];

    /// One line for the command's help.
    pub const HELP: &str = "guide: PUT with JSON, sentence keys; current: POST or PUT multipart, short keys; \
        both: either, a job is spelled as it came, lists as current";

    /// The word on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Guide => "guide",
            Self::Current => "current",
            Self::Both => "both",
        }
    }
}

impl fmt::Display for Dialect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that names no dialect.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no dialect; use `guide`, `current` or `both`")]
pub struct UnknownDialect(String);

impl FromStr for Dialect {
    type Err = UnknownDialect;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|known| known.as_str() == word).ok_or_else(|| UnknownDialect(word.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dialects_read_back_and_unknown_words_show_the_known_ones() {
        for dialect in Dialect::ALL {
            assert_eq!(dialect.to_string().parse(), Ok(dialect));
        }
        let error = "put".parse::<Dialect>().unwrap_err().to_string();
        assert!(Dialect::ALL.iter().all(|known| error.contains(known.as_str())), "{error}");
    }
}
