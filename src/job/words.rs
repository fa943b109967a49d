//! Numbers and durations in words, for the log and the page.

use std::time::Duration;

/// `1 job`, `3 jobs`, `12,000 jobs`.
#[must_use]
pub fn counted(count: i64, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", grouped(count))
}

/// Groups thousands with commas.
#[must_use]
pub fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = if number < 0 { "-".to_owned() } else { String::new() };
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `15 min 20 s`: a duration in its two largest units, with seconds rounded up. A waiting time is shown more exactly
/// than a past one.
#[must_use]
pub fn length_words(length: Duration) -> String {
    let seconds = length.as_secs() + u64::from(length.subsec_nanos() > 0);
    let (large, small) = match seconds {
        0..=59 => return format!("{seconds} s"),
        60..=3_599 => ((seconds / 60, "min"), (seconds % 60, "s")),
        3_600..=86_399 => ((seconds / 3_600, "h"), (seconds % 3_600 / 60, "min")),
        _ => ((seconds / 86_400, "d"), (seconds % 86_400 / 3_600, "h")),
    };
    if small.0 == 0 {
        format!("{} {}", large.0, large.1)
    } else {
        format!("{} {} {} {}", large.0, large.1, small.0, small.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_read_well() {
        assert_eq!(counted(1, "job"), "1 job");
        assert_eq!(counted(1_234_567, "job"), "1,234,567 jobs");
        assert_eq!(grouped(-1_000), "-1,000");
        assert_eq!(grouped(100_000), "100,000");
    }

    #[test]
    fn lengths_have_two_units_at_most() {
        for (millis, words) in [
            (0, "0 s"),
            (1, "1 s"),
            (59_000, "59 s"),
            (59_001, "1 min"),
            (920_000, "15 min 20 s"),
            (3_600_000, "1 h"),
            (7_500_000, "2 h 5 min"),
            (100_800_000, "1 d 4 h"),
        ] {
            assert_eq!(length_words(Duration::from_millis(millis)), words, "{millis}");
        }
    }
}
