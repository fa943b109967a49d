//! The options of an emulator, and its ways to change names.

use super::faults::FaultRule;
use crate::config::RateLimit;
use icu_normalizer::ComposingNormalizer;
use jiff::SignedDuration;
use secrecy::SecretString;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// The behaviour of an emulator.
#[derive(Debug, Clone)]
pub struct EmulatorOptions {
    /// A loopback address; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The upload requests that it takes, and the spelling of jobs.
    pub dialect: Dialect,
    /// Time from acceptance to the end of a job. The job is `uploaded` for half of it, and then `processing`.
    pub processing: Duration,
    /// Limit for each client ID in a sliding window. `None`: no limit.
    pub rate_limit: Option<RateLimit>,
    /// Seed of job numbers, tokens, invented FTP passwords and random faults.
    pub seed: u64,
    /// The faults at the start.
    pub faults: Vec<FaultRule>,
    /// The client ID and secret that get a token. `None`: any.
    pub credentials: Option<(String, SecretString)>,
    /// Tokens that are valid without a request, for clients that have one.
    pub access_tokens: Vec<SecretString>,
    /// Lifetime of a token.
    pub token_life: Duration,
    /// Report suite and data source of each account. If empty, every requested account exists.
    pub accounts: Vec<(String, i64)>,
    /// The global company IDs that `/discovery/me` returns. Paths may name any company.
    pub companies: Vec<String>,
    /// How it changes file names.
    pub names: Names,
    /// What its row counts include.
    pub rows: Rows,
    /// Refuses PUT on the upload path with this status, like a gateway that does not route it.
    pub put_status: Option<u16>,
    /// Lets a data source process nothing after a failed job until a restart.
    pub halt_on_error: bool,
    /// Directory for jobs and job numbers, which are kept over restarts.
    pub state: Option<PathBuf>,
    /// How far its clock is ahead of this computer's, or behind. It sets `Date`, the dates of jobs and the windows of
    /// lists.
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
            rows: Rows::Processed,
            put_status: None,
            halt_on_error: false,
            state: None,
            clock_ahead: SignedDuration::ZERO,
        }
    }
}

/// The description of Adobe that the emulator follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::EnumString)]
#[strum(serialize_all = "kebab-case", parse_err_ty = UnknownWord, parse_err_fn = no_dialect)]
pub enum Dialect {
    /// PUT with JSON. Keys are sentences.
    Guide,
    /// POST (or PUT) with multipart. Keys are short.
    Current,
    /// Both kinds of uploads. A job is spelled like its upload, lists as in `current`.
    Both,
}

impl Dialect {
    /// Every dialect.
    pub const ALL: [Self; 3] = [Self::Guide, Self::Current, Self::Both];

    /// One line for the command's help.
    pub const HELP: &str = "guide: PUT with JSON, sentence keys; current: POST or PUT multipart, short keys; \
        both: either, a job is spelled as it came, lists as current";
}

/// An unknown word, with the known ones.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnknownWord(String);

fn no_dialect(word: &str) -> UnknownWord {
    UnknownWord(format!("`{word}` is no dialect; use `guide`, `current` or `both`"))
}

fn no_names(word: &str) -> UnknownWord {
    UnknownWord(format!("`{word}` is no way to change names; use `lower`, `nfc`, `underscore`, `cut` or `keep`"))
}

fn no_rows(word: &str) -> UnknownWord {
    UnknownWord(format!("`{word}` is no way to count rows; use `processed` or `file`"))
}

/// What a row count includes. Adobe's texts and samples differ (DESIGN T1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, strum::Display, strum::EnumString)]
#[strum(serialize_all = "kebab-case", parse_err_ty = UnknownWord, parse_err_fn = no_rows)]
pub enum Rows {
    /// The rows processed so far. The count grows, and lacks skipped rows.
    #[default]
    Processed,
    /// The rows of the file, from the first response on.
    File,
}

/// How a server changes the name of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, strum::Display, strum::EnumString)]
#[strum(serialize_all = "kebab-case", parse_err_ty = UnknownWord, parse_err_fn = no_names)]
pub enum Names {
    /// It does not.
    #[default]
    Keep,
    /// It converts letters to lower case.
    Lower,
    /// It composes letters and their accents into one character.
    Nfc,
    /// It replaces all but ASCII letters, digits, `.`, `-` and `_` by `_`.
    Underscore,
    /// It cuts the stem, so that the name has at most 24 characters.
    Cut,
}

impl Names {
    /// Every way.
    pub const ALL: [Self; 5] = [Self::Keep, Self::Lower, Self::Nfc, Self::Underscore, Self::Cut];

    /// Maximum number of characters after `cut`.
    pub const LONGEST: usize = 24;

    /// Returns the name that the server shows for a file that was sent as `sent`.
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
        assert_eq!(Rows::File.to_string().parse(), Ok(Rows::File));
        assert!("all".parse::<Rows>().unwrap_err().to_string().contains("processed"));
    }

    #[test]
    fn dialects_read_back_and_unknown_words_show_the_known_ones() {
        for dialect in Dialect::ALL {
            assert_eq!(dialect.to_string().parse(), Ok(dialect));
        }
        let error = "put".parse::<Dialect>().unwrap_err().to_string();
        assert!(Dialect::ALL.iter().all(|known| error.contains(&known.to_string())), "{error}");
    }
}
