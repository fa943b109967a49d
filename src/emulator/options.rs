//! What can be chosen about an emulator, and what follows a choice: names, the server's clock, and chance.

use super::faults::FaultRule;
use crate::config::RateLimit;
use crate::job::Timestamp;
use icu_normalizer::ComposingNormalizer;
use jiff::SignedDuration;
use jiff::fmt::rfc2822::DateTimePrinter;
use secrecy::SecretString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
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
    /// How it changes the names of files.
    pub names: Names,
    /// Keeps its jobs and job numbers there over restarts.
    pub state: Option<PathBuf>,
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
            names: Names::Keep,
            state: None,
            clock_ahead: SignedDuration::ZERO,
        }
    }
}

/// Which of Adobe's two descriptions the emulator follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::EnumString)]
#[strum(serialize_all = "kebab-case", parse_err_ty = UnknownWord, parse_err_fn = no_dialect)]
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
}

/// A word that names no choice; which there are.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnknownWord(String);

fn no_dialect(word: &str) -> UnknownWord {
    UnknownWord(format!("`{word}` is no dialect; use `guide`, `current` or `both`"))
}

fn no_names(word: &str) -> UnknownWord {
    UnknownWord(format!("`{word}` is no way to change names; use `lower`, `nfc`, `underscore`, `cut` or `keep`"))
}

/// What becomes of the name of a file, as a server may change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, strum::Display, strum::EnumString)]
#[strum(serialize_all = "kebab-case", parse_err_ty = UnknownWord, parse_err_fn = no_names)]
pub enum Names {
    /// Nothing.
    #[default]
    Keep,
    /// Letters become small.
    Lower,
    /// Letters and their accents become one character.
    Nfc,
    /// Whatever is no letter, digit, `.`, `-` or `_` of ASCII becomes `_`.
    Underscore,
    /// The stem loses what makes the name longer than 24 characters.
    Cut,
}

impl Names {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Keep, Self::Lower, Self::Nfc, Self::Underscore, Self::Cut];

    /// Characters that `cut` leaves.
    pub const LONGEST: usize = 24;

    /// What the server shows of a file that was sent under this name.
    #[must_use]
    pub fn shown(self, sent: &str) -> String {
        match self {
            Self::Keep => sent.to_owned(),
            Self::Lower => sent.to_lowercase(),
            Self::Nfc => ComposingNormalizer::new_nfc().normalize(sent).into_owned(),
            Self::Underscore => {
                let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_');
                sent.chars().map(|letter| if plain(letter) { letter } else { '_' }).collect()
            }
            Self::Cut => {
                let (stem, extension) = sent.rsplit_once('.').unwrap_or((sent, ""));
                let kept = Self::LONGEST.saturating_sub(extension.chars().count() + 1);
                if sent.chars().count() <= Self::LONGEST {
                    return sent.to_owned();
                }
                format!("{}.{extension}", stem.chars().take(kept).collect::<String>())
            }
        }
    }
}

// What a seed or an option decides: the server's clock, which need not be ours, and chance.

/// So far ahead of this computer's.
#[derive(Debug, Clone, Copy)]
pub(super) struct Clock(SignedDuration);

impl Clock {
    pub(super) fn new(ahead: SignedDuration) -> Self {
        Self(ahead)
    }

    /// The time of the model: jobs and windows go by it.
    pub(super) fn now(self) -> Timestamp {
        Timestamp(self.time().as_millisecond())
    }

    /// For the header `Date`.
    pub(super) fn http_date(self) -> String {
        DateTimePrinter::new().timestamp_to_rfc9110_string(&self.time()).unwrap_or_default()
    }

    fn time(self) -> jiff::Timestamp {
        let ours = jiff::Timestamp::now();
        ours.checked_add(self.0).unwrap_or(ours)
    }
}

// Chance that a seed repeats: `SplitMix64`, ten lines, so that no crate is needed for it.

/// A stream of numbers that its seed determines.
#[derive(Debug, Clone)]
pub(super) struct Random(u64);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`; the bias is far below what a sample file or a fault would show.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound.max(1)
    }

    /// True with this probability.
    pub(super) fn chance(&mut self, probability: f64) -> bool {
        // 32 bits are exact in an `f64`.
        let draw = u32::try_from(self.next() >> 32).unwrap_or(u32::MAX);
        f64::from(draw) / (f64::from(u32::MAX) + 1.0) < probability
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_changed_as_a_server_may() {
        for (names, shown) in Names::ALL.into_iter().zip([
            "Sales North a\u{308}-2026-11.TXT",
            "sales north a\u{308}-2026-11.txt",
            "Sales North \u{e4}-2026-11.TXT",
            "Sales_North_a_-2026-11.TXT",
            "Sales North a\u{308}-2026-.TXT",
        ]) {
            assert_eq!(names.shown("Sales North a\u{308}-2026-11.TXT"), shown, "{names}");
            assert_eq!(names.to_string().parse(), Ok(names));
        }
        assert!("upper".parse::<Names>().unwrap_err().to_string().contains("underscore"));
    }

    #[test]
    fn dialects_read_back_and_unknown_words_show_the_known_ones() {
        for dialect in Dialect::ALL {
            assert_eq!(dialect.to_string().parse(), Ok(dialect));
        }
        let error = "put".parse::<Dialect>().unwrap_err().to_string();
        assert!(Dialect::ALL.iter().all(|known| error.contains(&known.to_string())), "{error}");
    }

    #[test]
    fn header_and_model_show_the_same_time() {
        let clock = Clock::new(SignedDuration::from_hours(-100));
        let before = clock.now().0 / 1000;
        let shown = jiff::fmt::rfc2822::parse(&clock.http_date()).unwrap().timestamp().as_second();
        assert!((before..=before + 60).contains(&shown), "{shown}, and {before} in the model");
        assert!(jiff::Timestamp::now().as_second() - shown >= 100 * 3600);
    }

    #[test]
    fn a_clock_beyond_all_time_is_ours() {
        assert!(Clock::new(SignedDuration::MAX).now().0 > 0);
    }

    #[test]
    fn a_seed_repeats_its_stream() {
        let (mut one, mut two) = (Random::new(7), Random::new(7));
        assert!((0..100).all(|_| one.next() == two.next()));
    }

    #[test]
    fn chance_keeps_its_promise_at_the_ends_and_roughly_between() {
        let mut random = Random::new(1);
        assert!((0..1000).all(|_| random.chance(1.0)));
        assert!((0..1000).all(|_| !random.chance(0.0)));
        let hits = (0..10_000).filter(|_| random.chance(0.1)).count();
        assert!((800..1200).contains(&hits), "{hits}");
    }
}
