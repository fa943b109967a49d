//! Reads `[api]`, and finds the one credential.

use super::given::{Given, check_base_url, check_header, check_segment, check_url, is_loopback, parse_rate};
use super::problems::{Wrong, wrong};
use super::section::{Section, Surroundings};
use super::sections::{ApiConfig, Credential, RateLimit};
use crate::job::Problem;
use secrecy::SecretString;
use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use url::Url;

const CREDENTIAL_KEYS: [&str; 4] = ["client_secret", "client_secret_file", "access_token", "access_token_file"];

/// The longest secret or token read from a file, in bytes; real ones have some thousand at most.
const LONGEST_SECRET: u64 = 64 * 1024;

pub(super) fn read_api(mut section: Section<'_>, surroundings: &Surroundings) -> ApiConfig {
    section.require(
        "global_company_id",
        "write global_company_id = \"…\" in [api]; it is the one that the Analytics endpoint `discovery/me` names",
    );
    section.require("client_id", "write client_id = \"…\" in [api], from the Adobe Developer Console");
    let allow_http = section.truth("allow_http").unwrap_or_default();
    let base_url = section.take("base_url", |given| check_base_url(given.filled()?, allow_http)).unwrap_or_default();
    let rate_limit = section.take("rate_limit", |given| {
        let remedy = "write requests and a time, such as \"12/6s\", or \"off\"";
        let text = given.text().map_err(|_| wrong("not a rate", remedy))?;
        parse_rate(text).map_err(|message| wrong(message, remedy))
    });
    if rate_limit.is_some_and(too_fast) && !Url::parse(&base_url).is_ok_and(|url| is_loopback(&url)) {
        section.report().warnings.push(Problem::new(
            "api.rate_limit: Adobe allows 12 requests in 6 s a user and answers 429 to more",
            "leave it at \"12/6s\"",
        ));
    }
    let is_local = Url::parse(&base_url).is_ok_and(|url| is_loopback(&url));
    let api = ApiConfig {
        base_url,
        token_url: section.take("token_url", |given| check_base_url(given.filled()?, allow_http)).unwrap_or_default(),
        global_company_id: checked(&mut section, "global_company_id", check_segment),
        client_id: checked(&mut section, "client_id", check_header),
        credential: read_credential(&mut section, surroundings),
        scopes: section.take("scopes", |given| given.texts()).unwrap_or_default(),
        path_segment: section.take("path_segment", |given| path_segment(given.text()?)).unwrap_or_default(),
        rate_limit: rate_limit.flatten(),
        timeout: section.duration("timeout").unwrap_or_default(),
        connect_timeout: section.duration("connect_timeout").unwrap_or_default(),
        proxy: section.take_hidden("proxy", |given| check_url(given.filled()?).map(|url| String::from(url).into())),
        ca_file: section.take("ca_file", |given| ca_file(given.filled()?)),
        allow_http,
    };
    if is_local && api.proxy.is_some() {
        section.report().warnings.push(Problem::new(
            "api.proxy is not used: api.base_url leads to this computer, which is asked directly",
            "remove it, or name a host beyond this computer",
        ));
    }
    section.finish();
    api
}

fn checked(section: &mut Section<'_>, key: &'static str, check: impl FnOnce(&str) -> Result<(), Wrong>) -> String {
    let text = section.take(key, |given| {
        let text = given.filled()?;
        check(text).map(|()| text.to_owned())
    });
    text.unwrap_or_default()
}

/// More than Adobe's two requests a second.
fn too_fast(limit: Option<RateLimit>) -> bool {
    limit.is_none_or(|limit| f64::from(limit.requests) / limit.per.as_secs_f64() > 2.0)
}

fn path_segment(text: &str) -> Result<String, Wrong> {
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)) {
        Ok(text.to_owned())
    } else {
        Err(wrong("not one segment of a path", "write \"datasources\", \"data_sources\", or \"\" for none"))
    }
}

fn ca_file(text: &str) -> Result<PathBuf, Wrong> {
    let remedy = "name a PEM file with the certificates (-----BEGIN CERTIFICATE-----)";
    let content =
        fs::read(text).map_err(|error| wrong(format!("the file cannot be read ({})", reason(&error)), remedy))?;
    let begin = b"-----BEGIN CERTIFICATE-----";
    if content.windows(begin.len()).any(|window| window == begin) {
        Ok(PathBuf::from(text))
    } else {
        Err(wrong("the file holds no certificate", remedy))
    }
}

/// Why a file cannot be read, without the number that the system gives the error.
pub(super) fn reason(error: &std::io::Error) -> String {
    let kind = error.kind();
    if kind == ErrorKind::NotFound { "it does not exist".to_owned() } else { kind.to_string() }
}

fn read_credential(section: &mut Section<'_>, surroundings: &Surroundings) -> Credential {
    let set: Vec<&str> = CREDENTIAL_KEYS.into_iter().filter(|key| section.has(key)).collect();
    warn_of_open_file(section, surroundings);
    let secret = section.take_hidden("client_secret", |given| given.filled().map(SecretString::from));
    let secret_file = take_file(section, "client_secret_file", surroundings);
    let token = section.take_hidden("access_token", |given| {
        let token = given.filled()?;
        check_header(token).map(|()| SecretString::from(token))
    });
    let token_file = take_file(section, "access_token_file", surroundings);
    if set.is_empty() {
        if let Some(file) = surroundings.systemd_secret() {
            if surroundings.check_secrets
                && let Err(Wrong { message, .. }) = check_secret_file(&file)
            {
                let message = format!("the systemd credential {}: {message}", file.display());
                let remedy = "write the secret into the file that LoadCredential= of the unit names \
                     (/etc/datadrop/client_secret), and start the service again";
                section.blame("client_secret_file", wrong(message, remedy));
            }
            return Credential::SecretFile(file);
        }
        let remedy = "write client_secret_file = \"/etc/datadrop/client_secret\" in [api] \
             (or client_secret, access_token_file, access_token, or the systemd credential client_secret)";
        // The systemd credential is there for the service alone; commands that only look do without.
        if surroundings.check_secrets {
            section.blame("client_secret_file", wrong("no credential is configured", remedy));
        }
    }
    if let [first @ .., last] = set.as_slice()
        && !first.is_empty()
    {
        let others = first.iter().map(|key| format!("api.{key}")).collect::<Vec<_>>().join(" and ");
        let message = format!("{others} {} set too", if first.len() == 1 { "is" } else { "are" });
        section.blame(last, wrong(message, "keep one of them and remove the rest: a client secret or a token, once"));
    }
    match (secret, secret_file, token, token_file) {
        (Some(secret), _, _, _) => Credential::Secret(secret),
        (None, Some(file), _, _) => Credential::SecretFile(file),
        (None, None, Some(token), _) => Credential::Token(token),
        (None, None, None, Some(file)) => Credential::TokenFile(file),
        // A placeholder: the report has a problem, or the credential will not be used.
        (None, None, None, None) => Credential::SecretFile(PathBuf::new()),
    }
}

/// A secret in the configuration itself is as well kept as that file is.
fn warn_of_open_file(section: &mut Section<'_>, surroundings: &Surroundings) {
    let Some(file) = surroundings.file.as_ref().filter(|file| is_world_readable(file)) else { return };
    for (key, instead) in [("client_secret", "client_secret_file"), ("access_token", "access_token_file")] {
        if section.has(key)
            && let Some(line) = section.place(key).line
        {
            section.report().warnings.push(Problem::new(
                format!(
                    "{}:{line}: api.{key} stands in a file that everybody on this machine can read",
                    file.display()
                ),
                format!("chmod o-r it, or use {instead}"),
            ));
        }
    }
}

/// Takes a key that names a file with a secret. What does not begin with a slash is not shown:
/// it may be the secret itself.
pub(super) fn take_file(section: &mut Section<'_>, key: &'static str, surroundings: &Surroundings) -> Option<PathBuf> {
    let named = section.named(key);
    let mut warning = None;
    let read = |given: Given<'_>| {
        let path = PathBuf::from(given.filled()?);
        if surroundings.check_secrets {
            check_secret_file(&path)?;
            warning = is_world_readable(&path).then(|| {
                Problem::new(
                    format!("{named}: everybody on this machine can read {}", path.display()),
                    "chmod 600 it, owned by the service's user",
                )
            });
        }
        Ok(path)
    };
    let path = if section.starts_with(key, "/") { section.take(key, read) } else { section.take_hidden(key, read) };
    section.report().warnings.extend(warning);
    path
}

/// A file with a secret in it: there, a plain file, readable, not empty.
pub(super) fn check_secret_file(path: &Path) -> Result<(), Wrong> {
    let remedy = "name a file with nothing but the secret, readable by the service's user";
    let unreadable = |error: std::io::Error| wrong(format!("the file cannot be read ({})", reason(&error)), remedy);
    // Asked before it is opened: opening a FIFO would wait for ever.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err(wrong("this is not a plain file", remedy));
    }
    let mut content = Vec::new();
    File::open(path).and_then(|file| file.take(LONGEST_SECRET).read_to_end(&mut content)).map_err(unreadable)?;
    match std::str::from_utf8(&content) {
        Ok(text) if text.trim().is_empty() => Err(wrong("the file is empty", remedy)),
        Ok(_) => Ok(()),
        Err(_) => Err(wrong("the file holds no text", remedy)),
    }
}

fn is_world_readable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.mode() & 0o004 != 0)
}
