//! Access to the emulator: tokens and the rate limit. No HTTP and no clock; `now` is the time since the start.

use super::chance::Random;
use crate::config::RateLimit;
use secrecy::{ExposeSecret, SecretString};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// Window for counting requests if there is no limit.
const USUAL_WINDOW: Duration = Duration::from_secs(6);

/// The gateway before the service.
#[derive(Debug)]
pub(super) struct Gate {
    limit: Option<RateLimit>,
    credentials: Option<(String, SecretString)>,
    ready_tokens: Vec<SecretString>,
    token_life: Duration,
    given: HashMap<String, Given>,
    arrivals: HashMap<String, Arrivals>,
    max_in_any_window: usize,
    random: Random,
}

#[derive(Debug)]
struct Given {
    client_id: String,
    until: Duration,
}

/// The requests of one client in the last window.
#[derive(Debug, Default)]
struct Arrivals {
    all: VecDeque<Duration>,
    /// Refused requests do not use up the limit.
    let_through: VecDeque<Duration>,
}

/// The result of checking a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenCheck {
    Good,
    /// Unknown, expired or revoked.
    Bad,
    /// Issued to a client ID other than the one that uses it.
    OtherClient,
}

impl Gate {
    pub(super) fn new(
        limit: Option<RateLimit>,
        credentials: Option<(String, SecretString)>,
        ready_tokens: Vec<SecretString>,
        token_life: Duration,
        random: Random,
    ) -> Self {
        Self {
            limit,
            credentials,
            ready_tokens,
            token_life,
            given: HashMap::new(),
            arrivals: HashMap::new(),
            max_in_any_window: 0,
            random,
        }
    }

    /// Counts a request whose head arrived. Returns false if it exceeds the limit.
    pub(super) fn arrive(&mut self, client_id: &str, now: Duration) -> bool {
        if !self.arrivals.contains_key(client_id) {
            self.arrivals.insert(client_id.to_owned(), Arrivals::default());
        }
        let Some(arrivals) = self.arrivals.get_mut(client_id) else { return true };
        let window = self.limit.map_or(USUAL_WINDOW, |limit| limit.per);
        for queue in [&mut arrivals.all, &mut arrivals.let_through] {
            while queue.front().is_some_and(|&earlier| earlier + window <= now) {
                queue.pop_front();
            }
        }
        arrivals.all.push_back(now);
        self.max_in_any_window = self.max_in_any_window.max(arrivals.all.len());
        let Some(limit) = self.limit else { return true };
        let free = arrivals.let_through.len() < usize::try_from(limit.requests).unwrap_or(usize::MAX);
        if free {
            arrivals.let_through.push_back(now);
        }
        free
    }

    pub(super) fn max_in_any_window(&self) -> usize {
        self.max_in_any_window
    }

    /// Issues a token. `None` if the client is unknown or the secret is wrong.
    pub(super) fn give_token(&mut self, client_id: &str, secret: &str, now: Duration) -> Option<(String, Duration)> {
        if let Some((known_id, known_secret)) = &self.credentials
            && (known_id != client_id || known_secret.expose_secret() != secret)
        {
            return None;
        }
        let token = format!("emulated-{:016x}{:016x}", self.random.next(), self.random.next());
        self.given.insert(token.clone(), Given { client_id: client_id.to_owned(), until: now + self.token_life });
        Some((token, self.token_life))
    }

    pub(super) fn check(&self, client_id: &str, token: &str, now: Duration) -> TokenCheck {
        if self.ready_tokens.iter().any(|ready| ready.expose_secret() == token) {
            return TokenCheck::Good;
        }
        match self.given.get(token) {
            Some(given) if given.until <= now => TokenCheck::Bad,
            Some(given) if given.client_id != client_id => TokenCheck::OtherClient,
            Some(_) => TokenCheck::Good,
            None => TokenCheck::Bad,
        }
    }

    pub(super) fn given_tokens(&self) -> Vec<String> {
        self.given.keys().cloned().collect()
    }

    pub(super) fn knows_client(&self, client_id: &str) -> bool {
        self.credentials.as_ref().is_none_or(|(known, _)| known == client_id)
    }

    pub(super) fn revoke_tokens(&mut self) {
        self.given.clear();
        self.ready_tokens.clear();
    }

    pub(super) fn set_credentials(&mut self, credentials: Option<(String, SecretString)>) {
        self.credentials = credentials;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(requests: u32) -> Gate {
        let limit = RateLimit { requests, per: Duration::from_secs(6) };
        let credentials = Some(("id".to_owned(), SecretString::from("secret")));
        Gate::new(Some(limit), credentials, Vec::new(), Duration::from_secs(10), Random::new(1))
    }

    #[test]
    fn the_window_slides_and_refused_requests_do_not_use_it_up() {
        let mut gate = gate(2);
        let at = Duration::from_millis;
        assert!(gate.arrive("id", at(0)));
        assert!(gate.arrive("id", at(3000)));
        assert!(!gate.arrive("id", at(5999)));
        assert!(gate.arrive("other", at(5999)));
        assert!(gate.arrive("id", at(6000)));
        assert!(!gate.arrive("id", at(8999)));
        assert!(gate.arrive("id", at(9000)));
        assert_eq!(gate.max_in_any_window(), 4);
    }

    #[test]
    fn tokens_want_the_right_secret_and_end() {
        let mut gate = gate(2);
        assert!(gate.give_token("id", "wrong", Duration::ZERO).is_none());
        let (token, life) = gate.give_token("id", "secret", Duration::ZERO).unwrap();
        assert_eq!(life, Duration::from_secs(10));
        assert_eq!(gate.check("id", &token, Duration::from_secs(9)), TokenCheck::Good);
        assert_eq!(gate.check("id", &token, Duration::from_secs(10)), TokenCheck::Bad);
        assert_eq!(gate.check("else", &token, Duration::ZERO), TokenCheck::OtherClient);
        gate.revoke_tokens();
        assert_eq!(gate.check("id", &token, Duration::ZERO), TokenCheck::Bad);
    }
}
