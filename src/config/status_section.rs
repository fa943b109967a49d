//! Reads `[status]`: where the page listens, who may look, and who hears that all is well.

use super::alert_section::check_hook;
use super::api_section::{check_secret_file, take_file};
use super::load::Surroundings;
use super::problem::{Wrong, wrong};
use super::section::Section;
use super::sections::StatusConfig;
use std::net::SocketAddr;
use std::path::Path;

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
    let token_file = take_file(&mut section, "token_file", surroundings);
    if let Some(path) = token_file.as_ref().filter(|_| surroundings.check_secrets)
        && let Err(wrong) = check_token(path)
    {
        section.blame("token_file", wrong);
    }
    if listen.is_some_and(|address| !address.ip().is_loopback()) && !has_token {
        let remedy = "write token_file = \"/etc/datadrop/status_token\" in [status], a file with a token of 16 characters \
                      or more; or listen on 127.0.0.1";
        section.blame("listen", wrong("whoever reaches this address would see every account and file name", remedy));
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
    StatusConfig { listen, token_file, hosts: hosts.unwrap_or_default(), heartbeat, heartbeat_every }
}

fn is_host(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
}

/// What is wrong with the file of itself is told already.
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
