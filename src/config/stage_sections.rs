//! Reads the sections that are a few plain keys each: `[upload]` to `[status]`, and each `[[alert]]`.

use super::alert_event::{AlertEvent, AlertForm, AlertFormat};
use super::api_section::{check_secret_file, take_file};
use super::given::{check_url, is_loopback, parse_time_of_day};
use super::problems::{Wrong, wrong};
use super::section::{Section, Surroundings};
use super::sections::{
    AlertConfig, KeepConfig, LogConfig, LogFormat, PollConfig, RetryConfig, StatusConfig, StyleChoice, UploadConfig,
    WatchConfig, WatchMode,
};
use secrecy::SecretString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tracing_subscriber::EnvFilter;

/// Uploads at the same time beyond which a mistake is more likely than a wish: Adobe allows two requests a second.
const MOST_IN_FLIGHT: i64 = 64;

pub(super) fn read_upload(mut section: Section<'_>) -> UploadConfig {
    let max_in_flight = section.whole("max_in_flight", 1..=MOST_IN_FLIGHT, "write a number from 1 to 64");
    let upload = UploadConfig {
        style: section.word("style").unwrap_or(StyleChoice::Auto),
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
    let late_after = section.duration("late_after").unwrap_or_default();
    let give_up_after = section.duration("give_up_after").unwrap_or_default();
    section.finish();
    PollConfig { first, max, late_after, give_up_after }
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
        mode: section.word("mode").unwrap_or(WatchMode::Auto),
    };
    section.finish();
    watch
}

pub(super) fn read_log(mut section: Section<'_>) -> LogConfig {
    let format = section.word("format").unwrap_or(LogFormat::Auto);
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

// Reads `[status]`: where the page listens, who may look, and who hears that all is well.

/// The shortest token, in characters: shorter ones are guessed.
pub const SHORTEST_TOKEN: usize = 16;

pub(super) fn read_status(mut section: Section<'_>, surroundings: &Surroundings, allow_http: bool) -> StatusConfig {
    let listen = section.take("listen", |given| {
        let text = given.filled()?;
        if text == "off" {
            return Ok(None);
        }
        let remedy = "write an IP address and a port, such as \"127.0.0.1:8611\", or \"off\"";
        text.parse::<SocketAddr>().map(Some).map_err(|_| wrong("not an address with a port", remedy))
    });
    let listen = listen.flatten();
    let has_token = section.has("token_file");
    let token_file = take_token(&mut section, "token_file", surroundings);
    let operator_token_file = take_token(&mut section, "operator_token_file", surroundings);
    if surroundings.check_secrets
        && let (Some(reading), Some(acting)) = (&token_file, &operator_token_file)
        && let (Ok(reading), Ok(acting)) = (std::fs::read_to_string(reading), std::fs::read_to_string(acting))
        && reading.trim() == acting.trim()
    {
        let remedy = "write another token into it, such as `openssl rand -hex 16` makes";
        section.blame(
            "operator_token_file",
            wrong("this is the token of status.token_file: anyone who may look could act on jobs", remedy),
        );
    }
    if listen.is_some_and(|address| !address.ip().is_loopback()) && !has_token {
        let remedy = "write token_file = \"/etc/datadrop/status_token\" in [status], a file with a token of 16 characters \
                      or more; or listen on 127.0.0.1";
        section.blame("listen", wrong("anyone who reaches this address would see every account and file name", remedy));
    }
    let hosts = section.take("hosts", |given| {
        let hosts = given.texts()?;
        match hosts.iter().find(|host| !is_host(host)) {
            Some(host) => Err(wrong(
                format!("{host:?} is no name of a host"),
                "write names without scheme and port, such as [\"datadrop.example.com\"]",
            )),
            None => Ok(hosts.iter().map(|host| host.to_ascii_lowercase()).collect()),
        }
    });
    let heartbeat = section.take_hidden("heartbeat", |given| check_hook(given.filled()?, allow_http));
    let heartbeat_every = section.duration("heartbeat_every").unwrap_or_default();
    section.finish();
    StatusConfig {
        listen,
        token_file,
        operator_token_file,
        hosts: hosts.unwrap_or_default(),
        heartbeat,
        heartbeat_every,
    }
}

fn take_token(section: &mut Section<'_>, key: &'static str, surroundings: &Surroundings) -> Option<PathBuf> {
    let file = take_file(section, key, surroundings);
    if let Some(path) = file.as_ref().filter(|_| surroundings.check_secrets)
        && let Err(wrong) = check_token(path)
    {
        section.blame(key, wrong);
    }
    file
}

fn is_host(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

/// Checks the token. What is wrong with the file itself is already reported.
fn check_token(path: &Path) -> Result<(), Wrong> {
    if check_secret_file(path).is_err() {
        return Ok(());
    }
    match std::fs::read_to_string(path) {
        Ok(text) if text.trim().chars().count() < SHORTEST_TOKEN => Err(wrong(
            "the token in this file is too short",
            format!("write at least {SHORTEST_TOKEN} characters into it, such as `openssl rand -hex 16` makes"),
        )),
        Ok(_) | Err(_) => Ok(()),
    }
}

// Reads each `[[alert]]`, and the words for what can be alerted.

pub(super) fn read_alert(mut section: Section<'_>, allow_http: bool) -> AlertConfig {
    section.require("on", "write the events, such as on = [\"failure\", \"partial\", \"held\", \"blocked\"]");
    let on = section.take("on", |given| {
        let words = if given.is_text() { vec![given.text()?.to_owned()] } else { given.texts()? };
        let all = || AlertEvent::choices().map(AlertEvent::as_str).collect::<Vec<_>>().join(", ");
        if words.is_empty() {
            return Err(wrong("an alert on nothing is never sent", format!("name some of {}", all())));
        }
        let read = |word: &String| {
            AlertEvent::choices()
                .find(|event| event.as_str() == word)
                .ok_or_else(|| wrong(format!("there is no event {word:?}"), format!("use some of {}", all())))
        };
        words.iter().map(read).collect()
    });
    let command = section.take("command", |given| {
        let command = if given.is_text() {
            vec!["/bin/sh".to_owned(), "-c".to_owned(), given.filled()?.to_owned()]
        } else {
            given.texts()?
        };
        if command.first().is_none_or(|program| program.trim().is_empty()) {
            return Err(wrong("this names no program", "write the program and its arguments, [\"/path/to/program\"]"));
        }
        Ok(command)
    });
    let webhook = section.take_hidden("webhook", |given| check_hook(given.filled()?, allow_http));
    let format = if section.has("format") { section.word("format") } else { Some(AlertFormat::Json) };
    let to = section.take("to", |given| {
        let to = if given.is_text() { vec![given.text()?.to_owned()] } else { given.texts()? };
        if to.is_empty() {
            return Err(wrong("this is an empty list", "write to = [\"you@example.com\"]"));
        }
        to.iter().map(|text| check_mailbox(text)).collect::<Result<Vec<_>, _>>()
    });
    let from = section.take("from", |given| check_mailbox(given.filled()?));
    let summary_at = section.take("summary_at", |given| {
        let remedy = "write a time of day, such as \"07:00\"";
        parse_time_of_day(given.text()?).ok_or_else(|| wrong("not a time of day", remedy))
    });
    check_summary(&mut section, on.as_deref());
    if let Some(format) = format {
        check_way(&mut section, format);
    }
    section.finish();
    let form = match format {
        None | Some(AlertFormat::Json) => AlertForm::Json,
        Some(AlertFormat::Slack) => AlertForm::Slack,
        Some(AlertFormat::Teams) => AlertForm::Teams,
        Some(AlertFormat::Email) => AlertForm::Email { to: to.unwrap_or_default(), from },
    };
    let sends = matches!(form, AlertForm::Email { .. });
    let command = command.or_else(|| sends.then(|| SENDMAIL.map(str::to_owned).to_vec()));
    AlertConfig { on: on.unwrap_or_default(), command, webhook, form, summary_at }
}

/// Checks that whoever asks for a summary says when, and the other way round.
fn check_summary(section: &mut Section<'_>, on: Option<&[AlertEvent]>) {
    let Some(is_wanted) = on.map(|on| on.contains(&AlertEvent::Summary)) else { return };
    if is_wanted && !section.has("summary_at") {
        let remedy = "write summary_at = \"07:00\", a time of day in the zone of the account";
        section.blame("summary_at", wrong("`on` has \"summary\", and nothing says when it is sent", remedy));
    }
    if !is_wanted && section.has("summary_at") {
        let remedy = "add \"summary\" to `on`, or remove the line";
        section.blame("summary_at", wrong("only a summary has this, and `on` has none", remedy));
    }
}

/// How e-mail is sent unless a command is named.
const SENDMAIL: [&str; 3] = ["/usr/sbin/sendmail", "-t", "-i"];

/// Checks that a format has what it goes through, and nothing that it does not.
fn check_way(section: &mut Section<'_>, format: AlertFormat) {
    match format {
        AlertFormat::Json => {
            if !section.has("command") && !section.has("webhook") {
                let remedy = "write command = [\"/path/to/program\"] or webhook = \"https://…\"";
                section.blame("command", wrong("the alert has neither command nor webhook", remedy));
            }
        }
        AlertFormat::Slack | AlertFormat::Teams => {
            if !section.has("webhook") {
                let remedy = "write webhook = \"https://…\" with the URL that the chat gave you";
                section.blame("webhook", wrong("this format goes to a webhook, and none is named", remedy));
            }
            if section.has("command") {
                let remedy = "remove the line, or write another [[alert]] without `format` for the command";
                section.blame("command", wrong("this format goes to a webhook, not to a command", remedy));
            }
        }
        AlertFormat::Email => {
            if !section.has("to") {
                section.blame("to", wrong("an e-mail needs an address", "write to = [\"you@example.com\"]"));
            }
            if section.has("webhook") {
                let remedy = "remove the line, or write another [[alert]] without `format` for the webhook";
                section.blame("webhook", wrong("an e-mail goes through a command, not to a webhook", remedy));
            }
        }
    }
    for key in ["to", "from"] {
        if format != AlertFormat::Email && section.has(key) {
            let remedy = "write format = \"email\", or remove the line";
            section.blame(key, wrong("only an e-mail has this", remedy));
        }
    }
}

/// A plain address: it becomes part of a header.
fn check_mailbox(text: &str) -> Result<String, Wrong> {
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_graphic());
    let is_plain = !text.contains(['<', '>', '(', ')', '[', ']', '\\', ',', ';', ':', '"']);
    let good = is_plain
        && text.split_once('@').is_some_and(|(name, host)| is_part(name) && is_part(host) && !host.contains('@'));
    if good && text.len() <= LONGEST_MAILBOX {
        return Ok(text.to_owned());
    }
    Err(wrong(format!("{text:?} is no address of a mailbox"), "write a plain address, such as \"you@example.com\""))
}

/// Maximum length of an address (RFC 5321).
const LONGEST_MAILBOX: usize = 254;

/// A URL that is asked by itself, as it is, and often holds a key.
pub(super) fn check_hook(text: &str, allow_http: bool) -> Result<SecretString, Wrong> {
    let url = check_url(text)?;
    if url.scheme() == "http" && !is_loopback(&url) && !allow_http {
        return Err(wrong(
            "over plain http, the URL and what is sent can be read on the way",
            "write https, or set api.allow_http = true if you must",
        ));
    }
    Ok(String::from(url).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::UploadStyle;
    use secrecy::ExposeSecret as _;
    use strum::VariantNames as _;

    #[test]
    fn the_words_of_the_styles_are_those_of_the_job_log() {
        assert_eq!(StyleChoice::VARIANTS[1..], UploadStyle::ALL.map(UploadStyle::as_str));
        let read = |word: &&str| word.parse();
        let choices: Vec<Result<StyleChoice, ()>> = StyleChoice::VARIANTS.iter().map(read).collect();
        assert_eq!(choices[0], Ok(StyleChoice::Auto));
        assert_eq!(choices[1..], UploadStyle::ALL.map(|style| Ok(StyleChoice::Fixed(style))));
    }

    #[test]
    fn words_lead_back_to_their_events() {
        for &event in AlertEvent::ALL {
            assert_eq!(AlertEvent::from_word(event.as_str()), Some(event));
        }
        assert_eq!(AlertEvent::from_word("success"), None);
    }

    #[test]
    fn a_hook_keeps_its_query_and_stays_private_on_the_way() {
        let hook = |text, allow_http| check_hook(text, allow_http).map(|url| url.expose_secret().to_owned()).ok();
        assert_eq!(hook("https://h.example/a?key=1", false).as_deref(), Some("https://h.example/a?key=1"));
        assert_eq!(hook("http://127.0.0.1:1/a", false).as_deref(), Some("http://127.0.0.1:1/a"));
        assert_eq!(hook("http://h.example/a", false), None);
        assert_eq!(hook("http://h.example/a", true).as_deref(), Some("http://h.example/a"));
    }
}
