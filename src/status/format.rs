//! Times, sizes and names in words that people read.

use crate::config::parse_duration;
use crate::job::Timestamp;
pub use crate::job::{counted, grouped, printable};
use bytesize::ByteSize;
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use std::fmt;
use std::time::Duration;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// The time and time zone of the reader.
#[derive(Debug, Clone)]
pub struct Here {
    /// The time.
    pub now: Timestamp,
    /// The zone in which times are shown.
    pub zone: TimeZone,
}

impl Here {
    /// Date and time to the second, in the reader's zone. A text that is not a time stays unchanged.
    #[must_use]
    pub fn date_time(&self, rfc3339: &str) -> String {
        self.zoned(rfc3339).map_or_else(|| printable(rfc3339), |time| time.strftime("%Y-%m-%d %H:%M:%S").to_string())
    }

    /// Time of day to the millisecond, in the reader's zone.
    #[must_use]
    pub fn time_of_day(&self, rfc3339: &str) -> String {
        self.zoned(rfc3339).map_or_else(|| printable(rfc3339), |time| time.strftime("%H:%M:%S.%3f").to_string())
    }

    /// The zone's name, if it has one: `Europe/Zurich`.
    #[must_use]
    pub fn zone_name(&self) -> Option<&str> {
        self.zone.iana_name()
    }

    fn zoned(&self, rfc3339: &str) -> Option<jiff::ZonedDateTime> {
        Some(rfc3339.parse::<jiff::Timestamp>().ok()?.to_zoned_datetime(self.zone.clone()))
    }

    /// The current day.
    #[must_use]
    pub fn today(&self) -> Option<jiff::civil::Date> {
        Some(jiff::Timestamp::from_millisecond(self.now.0).ok()?.to_zoned_datetime(self.zone.clone()).date())
    }
}

/// A time in at most eleven columns: the time for today, month and day for this year, otherwise the date.
#[must_use]
pub fn day_or_time(rfc3339: &str, here: &Here) -> String {
    let (Some(time), Some(today)) = (here.zoned(rfc3339), here.today()) else { return printable(rfc3339) };
    let format = if time.date() == today {
        "%H:%M:%S"
    } else if time.year() == today.year() {
        "%m-%d %H:%M"
    } else {
        "%Y-%m-%d"
    };
    time.strftime(format).to_string()
}

/// Reads a time of the job log.
#[must_use]
pub fn parse_time(rfc3339: &str) -> Option<Timestamp> {
    rfc3339.parse::<jiff::Timestamp>().ok().map(|time| Timestamp(time.as_millisecond()))
}

/// `5 min ago`.
#[must_use]
pub fn since_words(then: Timestamp, here: &Here) -> String {
    let passed = here.now.since(then);
    if passed < Duration::from_secs(1) { "just now".to_owned() } else { format!("{} ago", span(passed)) }
}

/// `in 12 s`, or `now` once it is due.
#[must_use]
pub fn until_words(then: Timestamp, here: &Here) -> String {
    let left = then.since(here.now);
    if left < Duration::from_secs(1) { "now".to_owned() } else { format!("in {}", span(left)) }
}

/// A duration in its largest fitting unit. Above an hour, seconds do not matter.
#[must_use]
pub fn span(length: Duration) -> String {
    let seconds = length.as_secs();
    match seconds {
        0 => format!("{} ms", length.as_millis()),
        1..=9 => format!("{seconds}.{} s", length.subsec_millis() / 100),
        10..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        7_200..=172_799 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// `1.2 MB`: powers of ten, as `upload.max_file_size` and Adobe count.
#[must_use]
pub fn size(bytes: i64) -> String {
    ByteSize(u64::try_from(bytes).unwrap_or(0)).display().si().to_string()
}

/// The beginning of a text, at most `width` columns wide. `…` shows that the rest is missing.
#[must_use]
pub fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut kept = take_columns(text.chars(), width.saturating_sub(1));
    kept.push('…');
    kept
}

/// Both ends of a text, at most `width` columns wide, because the end of a file name says as much as its beginning.
#[must_use]
pub fn cut_middle(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let room = width.saturating_sub(1);
    let tail: String = take_columns(text.chars().rev(), room / 2).chars().rev().collect();
    let mut kept = take_columns(text.chars(), room - tail.width());
    kept.push('…');
    kept.push_str(&tail);
    kept
}

fn take_columns(characters: impl Iterator<Item = char>, width: usize) -> String {
    let mut left = width;
    characters
        .map_while(|character| {
            left = left.checked_sub(character.width().unwrap_or(0))?;
            Some(character)
        })
        .collect()
}

/// Pads a text with blanks to `width` columns.
pub(super) fn pad(text: &str, width: usize) -> String {
    format!("{text}{}", " ".repeat(width.saturating_sub(text.width())))
}

/// A time as the user wrote it. A [`Here`] turns it into a point in time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Since {
    /// An instant.
    At(jiff::Timestamp),
    /// Date and time without a zone, in the reader's zone.
    Local(DateTime),
    /// This long ago.
    Back(Duration),
}

impl Since {
    /// Reads a time that the user wrote.
    ///
    /// # Errors
    /// The accepted forms.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Ok(back) = parse_duration(text) {
            return Ok(Self::Back(back));
        }
        if let Ok(instant) = text.parse::<jiff::Timestamp>() {
            return Ok(Self::At(instant));
        }
        // A date alone means its first moment. The code above has read all texts with a zone.
        if let Ok(date) = text.parse::<Date>()
            && text.len() <= "2026-11-23".len()
        {
            return Ok(Self::Local(date.at(0, 0, 0, 0)));
        }
        text.parse::<DateTime>().map(Self::Local).map_err(|_| {
            "not a time; write it like `2h`, `7d`, `2026-11-23`, `2026-11-23T06:00` or `2026-11-23T06:00:00Z`"
                .to_owned()
        })
    }

    /// The point in time for this reader. `None` if the reader's zone skips it.
    #[must_use]
    pub fn resolve(self, here: &Here) -> Option<Timestamp> {
        match self {
            Self::At(instant) => Some(Timestamp(instant.as_millisecond())),
            Self::Local(local) => {
                Some(Timestamp(local.to_zoned_datetime(here.zone.clone()).ok()?.timestamp().as_millisecond()))
            }
            Self::Back(back) => Some(here.now.before(back)),
        }
    }
}

/// The form that [`Since::parse`] reads.
impl fmt::Display for Since {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::At(instant) => write!(f, "{instant}"),
            Self::Local(local) => write!(f, "{local}"),
            Self::Back(back) => write!(f, "{}", humantime::format_duration(*back)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::sample_rows::here;
    use super::*;
    use jiff::tz::{Offset, TimeZone};

    #[test]
    fn times_are_as_short_as_the_day_allows() {
        let here = here();
        assert_eq!(day_or_time("2026-11-23T10:30:38.007Z", &here), "11:30:38");
        assert_eq!(day_or_time("2026-11-22T22:59:00.000Z", &here), "11-22 23:59");
        assert_eq!(day_or_time("2025-11-23T10:30:38.007Z", &here), "2025-11-23");
        assert_eq!(day_or_time("yester\nday", &here), "yester\\nday");
        assert_eq!(here.time_of_day("2026-11-23T10:30:38.007Z"), "11:30:38.007");
    }

    #[test]
    fn lengths_of_time_are_in_one_unit() {
        let here = here();
        for (seconds, words) in [
            (0, "just now"),
            (3, "3.0 s ago"),
            (59, "59 s ago"),
            (300, "5 min ago"),
            (10_800, "3 h ago"),
            (432_000, "5 d ago"),
        ] {
            assert_eq!(since_words(here.now.before(Duration::from_secs(seconds)), &here), words);
        }
        assert_eq!(until_words(here.now.after(Duration::from_secs(12)), &here), "in 12 s");
        assert_eq!(until_words(here.now, &here), "now");
    }

    #[test]
    fn sizes_read_well() {
        assert_eq!(size(12), "12 B");
        assert_eq!(size(1_234_567), "1.2 MB");
    }

    #[test]
    fn nothing_in_a_name_moves_the_cursor() {
        assert_eq!(printable("a\tb\u{1b}[31m\u{202e}txt 日本.txt"), "a\\tb\\u{1b}[31m\\u{202e}txt 日本.txt");
    }

    #[test]
    fn cutting_counts_columns_not_characters() {
        assert_eq!(cut("日本語の名前", 7), "日本語…");
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut_middle("callcentre-2026-11-23.txt", 15), "callcen…-23.txt");
        assert_eq!(cut_middle("日本語の長い名前.txt", 12), "日本語….txt");
    }

    fn resolved(text: &str) -> String {
        let now = "2026-11-23T10:30:00Z".parse::<jiff::Timestamp>().unwrap().as_millisecond();
        let here = Here { now: Timestamp(now), zone: TimeZone::fixed(Offset::constant(1)) };
        Since::parse(text).unwrap().resolve(&here).unwrap().to_string()
    }

    #[test]
    fn times_dates_and_lengths_are_understood() {
        for (text, since) in [
            ("2h", "2026-11-23T08:30:00.000Z"),
            ("7d", "2026-11-16T10:30:00.000Z"),
            ("2026-11-23", "2026-11-22T23:00:00.000Z"),
            ("2026-11-23T06:00", "2026-11-23T05:00:00.000Z"),
            ("2026-11-23T06:00:00Z", "2026-11-23T06:00:00.000Z"),
            ("2026-11-23T06:00:00.5+02:00", "2026-11-23T04:00:00.500Z"),
        ] {
            assert_eq!(resolved(text), since, "{text}");
        }
    }

    #[test]
    fn anything_else_says_how_to_write_it() {
        for text in ["", "soon", "12", "2026-13-01", "-2h"] {
            assert!(Since::parse(text).unwrap_err().contains("`2h`"), "{text}");
        }
    }
}
