//! Reads the sections that are a few plain keys each: `[upload]` to `[keep]`.

use super::problem::wrong;
use super::section::Section;
use super::sections::{
    KeepConfig, LogConfig, LogFormat, PollConfig, RetryConfig, StyleChoice, UploadConfig, WatchConfig, WatchMode,
};
use crate::job::UploadStyle;
use std::time::Duration;
use tracing_subscriber::EnvFilter;

/// The words of `upload.style` and of an account's `style`.
pub(super) const STYLES: [(&str, StyleChoice); 4] = [
    ("auto", StyleChoice::Auto),
    ("put-json", StyleChoice::Fixed(UploadStyle::PutJson)),
    ("post-multipart", StyleChoice::Fixed(UploadStyle::PostMultipart)),
    ("put-multipart", StyleChoice::Fixed(UploadStyle::PutMultipart)),
];

const WATCH_MODES: [(&str, WatchMode); 3] =
    [("auto", WatchMode::Auto), ("inotify", WatchMode::Inotify), ("poll", WatchMode::Poll)];

const LOG_FORMATS: [(&str, LogFormat); 4] = [
    ("auto", LogFormat::Auto),
    ("text", LogFormat::Text),
    ("json", LogFormat::Json),
    ("journald", LogFormat::Journald),
];

/// Uploads at the same time beyond which a mistake is more likely than a wish: Adobe allows two requests a second.
const MOST_IN_FLIGHT: i64 = 64;

pub(super) fn read_upload(mut section: Section<'_>) -> UploadConfig {
    let max_in_flight = section.whole("max_in_flight", 1..=MOST_IN_FLIGHT, "write a number from 1 to 64");
    let upload = UploadConfig {
        style: section.word("style", &STYLES).unwrap_or(StyleChoice::Auto),
        max_in_flight: max_in_flight.and_then(|number| usize::try_from(number).ok()).unwrap_or_default(),
        max_file_size: section.size("max_file_size").unwrap_or_default(),
        confirm_for: section.duration("confirm_for").unwrap_or_default(),
    };
    section.finish();
    upload
}

pub(super) fn read_retry(mut section: Section<'_>) -> RetryConfig {
    let (first, max) = first_and_max(&mut section, "retry");
    let factor = section.fraction("factor", 1.0, "write a number from 1 on, such as 2.0");
    let alert_after = section.duration("alert_after").unwrap_or_default();
    section.finish();
    RetryConfig { first, max, factor: factor.unwrap_or_default(), alert_after }
}

pub(super) fn read_poll(mut section: Section<'_>) -> PollConfig {
    let (first, max) = first_and_max(&mut section, "poll");
    let give_up_after = section.duration("give_up_after").unwrap_or_default();
    section.finish();
    PollConfig { first, max, give_up_after }
}

/// The shortest and the longest of growing delays. The problem stands at the one that a person set.
fn first_and_max(section: &mut Section<'_>, name: &str) -> (Duration, Duration) {
    let (first, max) = (section.duration("first"), section.duration("max"));
    if let (Some(first), Some(max)) = (first, max)
        && first > max
    {
        let show = humantime::format_duration;
        if section.is_default("first") {
            let message = format!("shorter than {name}.first, which is {}", show(first));
            section.blame("max", wrong(message, format!("write a longer time, or set {name}.first too")));
        } else {
            let message = format!("longer than {name}.max, which is {}", show(max));
            section.blame("first", wrong(message, format!("write a shorter time, or a longer {name}.max")));
        }
    }
    (first.unwrap_or_default(), max.unwrap_or_default())
}

pub(super) fn read_watch(mut section: Section<'_>) -> WatchConfig {
    let watch = WatchConfig {
        settle: section.duration("settle").unwrap_or_default(),
        settle_max: section.duration("settle_max").unwrap_or_default(),
        settle_unwatched: section.duration("settle_unwatched").unwrap_or_default(),
        rescan: section.duration("rescan").unwrap_or_default(),
        mode: section.word("mode", &WATCH_MODES).unwrap_or(WatchMode::Auto),
    };
    section.finish();
    watch
}

pub(super) fn read_log(mut section: Section<'_>) -> LogConfig {
    let format = section.word("format", &LOG_FORMATS).unwrap_or(LogFormat::Auto);
    let level = section.take("level", |given| {
        let remedy = "write error, warn, info, debug or trace, or finer, such as \"info,datadrop::adobe=debug\"";
        let level = given.filled()?;
        // A bare word that is no level would be taken as the name of a module, and silence everything else.
        let named = |part: &&str| !part.contains(['=', '[']);
        let levels = ["off", "error", "warn", "info", "debug", "trace"];
        let known = |part: &str| levels.iter().any(|level| level.eq_ignore_ascii_case(part.trim()));
        let good = level.split(',').filter(named).all(known) && EnvFilter::builder().parse(level).is_ok();
        if good { Ok(level.to_owned()) } else { Err(wrong("not a level of the log", remedy)) }
    });
    section.finish();
    LogConfig { format, level: level.unwrap_or_default() }
}

pub(super) fn read_keep(mut section: Section<'_>) -> KeepConfig {
    let done = section.duration_or_ever("done").unwrap_or_default();
    let jobs = section.duration_or_ever("jobs").unwrap_or_default();
    section.finish();
    KeepConfig { done, jobs }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_of_the_styles_are_those_of_the_job_log() {
        let styles = UploadStyle::ALL.map(|style| (style.as_str(), StyleChoice::Fixed(style)));
        assert_eq!(STYLES[1..], styles);
    }
}
