//! Access tokens: one at a time, renewed before they expire, with one renewal for many waiters (DESIGN §5, "Token").

use super::budget::Budget;
use super::connect::Doors;
use super::error::TokenError;
use super::http::{Fault, LONGEST_ANSWER, Reply};
use super::wire::{ErrorBody, PROXY_REMEDY, PROXY_WANTS_CREDENTIALS};
use crate::config::{ApiConfig, Credential};
use reqwest::Url;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Lifetime assumed if the token service gives none. A day is usual.
const UNKNOWN_LIFE: Duration = Duration::from_hours(1);

/// Time before a token's end at which it is renewed, if it lives long enough.
const AHEAD: Duration = Duration::from_mins(5);

/// Time until the next try after an early renewal failed. Until then the old token is still valid.
const RENEW_AGAIN: Duration = Duration::from_secs(30);

/// The directory in which systemd shows the service the secrets that its unit passes on. It is not writable.
const PASSED_BY_SYSTEMD: &str = "/run/credentials";

/// Prefix of a token in the header.
const SCHEME: &str = "Bearer ";

/// The source of the `Authorization` header.
pub(super) struct Tokens {
    credential: Credential,
    token_url: String,
    client_id: String,
    scopes: String,
    silence: Duration,
    held: Mutex<Option<Held>>,
    /// Locked while a caller fetches a token. Holds the error of the last fetch, if it failed.
    fetching: tokio::sync::Mutex<Option<TokenError>>,
    fetches: AtomicU64,
    /// Pauses if the token service asks for a pause and no valid token is left.
    budget: Arc<Budget>,
}

/// Why the token service granted no token, and the pause that it asks for.
struct NotGranted {
    error: TokenError,
    pause: Option<Duration>,
}

impl From<TokenError> for NotGranted {
    fn from(error: TokenError) -> Self {
        Self { error, pause: None }
    }
}

struct Held {
    bearer: Bearer,
    /// `None`: used until the API refuses it.
    life: Option<Life>,
}

#[derive(Clone, Copy)]
struct Life {
    renew_at: Instant,
    ends_at: Instant,
    /// Longest remaining life that a caller can require, because a new token would not last longer either.
    most: Duration,
}

impl Life {
    fn new(asked: Instant, life: Duration) -> Self {
        let renewal = renewal(life);
        Self { renew_at: asked + renewal, ends_at: asked + life, most: renewal }
    }

    fn outlasts(&self, now: Instant, needed: Duration) -> bool {
        now < self.ends_at && now + needed.min(self.most) <= self.ends_at
    }
}

/// A token in the form in which it is sent. Has no `Debug`, although the header would hide its value.
#[derive(Clone)]
pub(super) struct Bearer {
    pub(super) header: HeaderValue,
    /// Identifies the token without comparing secrets.
    number: u64,
}

impl Bearer {
    /// The token without its prefix.
    pub(super) fn secret(&self) -> &[u8] {
        let header = self.header.as_bytes();
        header.strip_prefix(SCHEME.as_bytes()).unwrap_or(header)
    }
}

enum Stock {
    Fresh(Bearer),
    Ageing(Bearer),
    None,
}

#[derive(Deserialize)]
struct Granted {
    access_token: SecretString,
    expires_in: Option<Value>,
}

impl Tokens {
    pub(super) fn new(api: &ApiConfig, budget: Arc<Budget>) -> Self {
        Self {
            credential: api.credential.clone(),
            token_url: api.token_url.clone(),
            client_id: api.client_id.clone(),
            scopes: api.scopes.join(","),
            silence: api.timeout,
            held: Mutex::new(None),
            fetching: tokio::sync::Mutex::new(None),
            fetches: AtomicU64::new(0),
            budget,
        }
    }

    /// Returns a token that is valid now, and stays valid for `needed`, if any token lives that long.
    pub(super) async fn bearer(&self, doors: &Doors, needed: Duration) -> Result<Bearer, TokenError> {
        match self.stock(needed) {
            Stock::Fresh(bearer) => Ok(bearer),
            Stock::Ageing(old) => match self.fetching.try_lock() {
                Ok(mut failure) => Ok(self.fetch(doors, &mut failure).await.unwrap_or(old)),
                Err(_) => Ok(old),
            },
            Stock::None => {
                let before = self.fetches.load(Ordering::Acquire);
                let mut failure = self.fetching.lock().await;
                match self.stock(needed) {
                    Stock::Fresh(bearer) | Stock::Ageing(bearer) => return Ok(bearer),
                    Stock::None => {}
                }
                // A caller that waited while another caller's fetch failed shares that error, so that many callers do
                // not ask one by one.
                if let Some(failure) = failure.as_ref()
                    && self.fetches.load(Ordering::Acquire) != before
                {
                    return Err(failure.clone());
                }
                self.fetch(doors, &mut failure).await
            }
        }
    }

    /// Discards the token that the API refused, unless it was replaced meanwhile.
    pub(super) fn invalidate(&self, refused: &Bearer) {
        let mut held = self.lock();
        if held.as_ref().is_some_and(|held| held.bearer.number == refused.number) {
            *held = None;
        }
    }

    fn stock(&self, needed: Duration) -> Stock {
        let now = Instant::now();
        match &*self.lock() {
            Some(Held { bearer, life: None }) => Stock::Fresh(bearer.clone()),
            Some(Held { bearer, life: Some(life) }) if life.outlasts(now, needed) => {
                if now < life.renew_at {
                    Stock::Fresh(bearer.clone())
                } else {
                    Stock::Ageing(bearer.clone())
                }
            }
            Some(_) | None => Stock::None,
        }
    }

    async fn fetch(&self, doors: &Doors, failure: &mut Option<TokenError>) -> Result<Bearer, TokenError> {
        let fetched = self.ask(doors).await;
        let number = self.fetches.fetch_add(1, Ordering::AcqRel) + 1;
        let mut held = self.lock();
        match fetched.and_then(|(token, life)| Ok((header(&token)?, life))) {
            Ok((header, life)) => {
                let bearer = Bearer { header, number };
                *held = Some(Held { bearer: bearer.clone(), life });
                *failure = None;
                Ok(bearer)
            }
            Err(NotGranted { error, pause }) => {
                let now = Instant::now();
                let pause = pause.unwrap_or_default();
                match &mut *held {
                    Some(Held { life: Some(life), .. }) if now < life.ends_at => {
                        life.renew_at = life.ends_at.min(now + RENEW_AGAIN.max(pause));
                        tracing::warn!(%error, "the access token could not be renewed ahead of its end; the old one serves on");
                    }
                    Some(_) | None => drop(self.budget.pause(pause)),
                }
                *failure = Some(error.clone());
                Err(error)
            }
        }
    }

    async fn ask(&self, doors: &Doors) -> Result<(SecretString, Option<Life>), NotGranted> {
        match &self.credential {
            Credential::Token(token) => Ok((token.clone(), None)),
            Credential::TokenFile(path) => Ok((read_secret(path).await?, None)),
            Credential::Secret(secret) => self.grant(doors, secret).await,
            Credential::SecretFile(path) => self.grant(doors, &read_secret(path).await?).await,
        }
    }

    /// Sends `client_credentials` with the parameters in the body, because servers may log query strings (DESIGN §5,
    /// "Token").
    async fn grant(&self, doors: &Doors, secret: &SecretString) -> Result<(SecretString, Option<Life>), NotGranted> {
        let place = |why: String| TokenError::Unavailable(format!("{}: {why}", self.token_url));
        let url = Url::parse(&self.token_url).map_err(|error| place(error.to_string()))?;
        let request = doors.to(&url).map_err(place)?.post(url).header("accept", "application/json").form(&[
            ("client_id", self.client_id.as_str()),
            ("client_secret", secret.expose_secret()),
            ("grant_type", "client_credentials"),
            ("scope", self.scopes.as_str()),
        ]);
        let response = match tokio::time::timeout(self.silence, request.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                return Err(match error.into() {
                    Fault::NotConnected(why) | Fault::Broken(why) => place(why),
                    Fault::ProxyWantsCredentials => proxy_refusal(),
                }
                .into());
            }
            Err(_) => return Err(place(format!("no answer for {} s", self.silence.as_secs_f32())).into()),
        };
        // The life counts from here, so that a slow answer makes the token older, not younger.
        let asked = Instant::now();
        let reply = Reply::read(response, self.silence, secret.expose_secret().as_bytes(), LONGEST_ANSWER).await;
        if !reply.is_success() {
            let pause = reply.retry_after.filter(|_| matches!(reply.status, 429 | 503));
            return Err(NotGranted { error: refusal(&reply, &self.credential, place), pause });
        }
        if let Some(cut) = &reply.cut {
            return Err(place(cut.explain()).into());
        }
        // The error does not quote the text, because the text may hold a token.
        let granted: Granted = serde_json::from_slice(&reply.body)
            .map_err(|_| place(format!("HTTP {} without a usable access_token", reply.status)))?;
        let life = granted.expires_in.as_ref().and_then(seconds).unwrap_or(UNKNOWN_LIFE);
        Ok((granted.access_token, Some(Life::new(asked, life))))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the time until the renewal, which is 80 % of the life. A token that lives for ten minutes or more is renewed
/// at least five minutes before its end.
fn renewal(life: Duration) -> Duration {
    let usual = life * 4 / 5;
    match life.checked_sub(AHEAD) {
        Some(ahead) if life >= 2 * AHEAD => usual.min(ahead),
        Some(_) | None => usual,
    }
}

/// Reads a lifetime. The maximum is a year, so that no arithmetic overflows. A lifetime below one second is ignored,
/// because such a token would be renewed at each request. If the token has expired, the API says so.
fn seconds(value: &Value) -> Option<Duration> {
    let seconds = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
    (seconds >= 1.0).then(|| Duration::from_secs_f64(seconds.min(365.0 * 86_400.0)))
}

fn header(token: &SecretString) -> Result<HeaderValue, TokenError> {
    let mut header =
        HeaderValue::from_str(&format!("{SCHEME}{}", token.expose_secret())).map_err(|_| TokenError::Refused {
            error: "unusable token".to_owned(),
            description: "it has characters that no HTTP header can carry".to_owned(),
            remedy: "check that the file or setting holds the token alone, in one line".to_owned(),
        })?;
    header.set_sensitive(true);
    Ok(header)
}

async fn read_secret(path: &Path) -> Result<SecretString, TokenError> {
    let unusable = |why: String| TokenError::Unavailable(format!("{}: {why}", path.display()));
    let text = tokio::fs::read_to_string(path).await.map_err(|error| unusable(error.to_string()))?;
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() { Err(unusable("the file is empty".to_owned())) } else { Ok(secret.into()) }
}

/// The error if a proxy refused the request, so that it never reached the token service.
fn proxy_refusal() -> TokenError {
    TokenError::Refused {
        error: format!("HTTP {PROXY_WANTS_CREDENTIALS}"),
        description: "the proxy wants other credentials".to_owned(),
        remedy: PROXY_REMEDY.to_owned(),
    }
}

fn refusal(reply: &Reply, credential: &Credential, place: impl Fn(String) -> TokenError) -> TokenError {
    if reply.status == PROXY_WANTS_CREDENTIALS {
        return proxy_refusal();
    }
    let body = reply.refusal();
    let final_word = matches!(reply.status, 400..=499) && !matches!(reply.status, 408 | 425 | 429);
    match body {
        ErrorBody::Ims { error, description }
            if final_word && error != "temporarily_unavailable" && error != "server_error" =>
        {
            let remedy = match error.as_str() {
                "invalid_client" | "unauthorized_client" => another_secret(credential),
                "invalid_scope" => "copy api.scopes from the Developer Console".to_owned(),
                _ => "check the credential in the Developer Console".to_owned(),
            };
            TokenError::Refused { error, description, remedy }
        }
        ErrorBody::Gateway { .. } | ErrorBody::Service { .. } | ErrorBody::Ims { .. } | ErrorBody::Other(_) => {
            let hint = if (300..500).contains(&reply.status) { "; check api.token_url" } else { "" };
            place(format!("HTTP {}: {body}{hint}", reply.status))
        }
    }
}

/// Returns where to write a valid secret. The text has no semicolon, because `doctor` starts the remedy after one.
fn another_secret(credential: &Credential) -> String {
    let look = "check api.client_id in the Developer Console, and";
    match credential {
        Credential::SecretFile(path) if path.starts_with(PASSED_BY_SYSTEMD) => format!(
            "{look} write a client secret that is valid there to the file that LoadCredential= of the unit names \
             (/etc/datadrop/client_secret by default), then restart the service"
        ),
        Credential::SecretFile(path) => format!(
            "{look} write a client secret that is valid there to {}, which is read again at each try",
            path.display()
        ),
        Credential::Secret(_) => {
            "check api.client_id and the client secret in the Developer Console, and reload a running service once \
             api.client_secret is right"
                .to_owned()
        }
        // These credentials never ask the token service.
        Credential::Token(_) | Credential::TokenFile(_) => format!("{look} renew the access token"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_secret_is_reported_with_the_place_for_the_next() {
        let file = |path: &str| another_secret(&Credential::SecretFile(path.into()));
        assert!(
            file("/etc/datadrop/client_secret")
                .ends_with("to /etc/datadrop/client_secret, which is read again at each try")
        );
        let passed = file("/run/credentials/datadrop.service/client_secret");
        assert!(passed.contains("LoadCredential=") && passed.ends_with("restart the service"), "{passed}");
        let inline = another_secret(&Credential::Secret("s3cr3t".into()));
        assert!(inline.contains("api.client_secret") && !inline.contains("s3cr3t"), "{inline}");
    }

    #[test]
    fn tokens_are_renewed_ahead_of_their_end() {
        let minutes = Duration::from_mins;
        assert_eq!(renewal(Duration::from_secs(86_399)), Duration::from_secs(86_399) * 4 / 5);
        assert_eq!(renewal(minutes(20)), minutes(15));
        assert_eq!(renewal(minutes(10)), minutes(5));
        assert_eq!(renewal(minutes(5)), minutes(4));
        assert_eq!(renewal(Duration::ZERO), Duration::ZERO);
    }

    #[test]
    fn a_token_must_outlast_what_it_is_for_if_any_token_can() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let day = Life::new(start, Duration::from_secs(86_400));
        let minute = Duration::from_mins(1);
        assert!(day.outlasts(at(86_340), minute) && !day.outlasts(at(86_341), minute));
        assert!(day.outlasts(at(86_399), Duration::ZERO) && !day.outlasts(at(86_400), Duration::ZERO));
        // No token lives for a minute here, so a new one must suffice.
        let short = Life::new(start, Duration::from_secs(5));
        assert!(short.outlasts(at(1), minute) && !short.outlasts(at(2), minute));
    }

    #[test]
    fn a_token_with_a_line_break_inside_is_refused_without_showing_it() {
        let error = header(&"geheim\ngeheim".into()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("geheim"));
        assert!(!format!("{:?}", header(&"geheim".into()).unwrap()).contains("geheim"));
    }
}
