//! Who may look. Pure, except that it reads the token's file.
//!
//! Two dangers beyond unwanted visitors: a page elsewhere whose name was made to point at this address (DNS rebinding),
//! which the `Host` header reveals; and guessing, which a token of 16 characters and a comparison in constant time make
//! hopeless.

use super::PageError;
use crate::config::{SHORTEST_TOKEN, StatusConfig};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

pub(super) type Hash = [u8; 32];

/// Who may look at what the address shows.
pub struct Access {
    is_loopback: bool,
    port: u16,
    hosts: Vec<String>,
    /// The hash of the token, if one is needed.
    token: Option<Hash>,
    /// That of the token of those who may act on jobs, if anybody may.
    operator_token: Option<Hash>,
}

/// Holds nothing that anybody could use, and still shows none of it.
impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Access")
            .field("port", &self.port)
            .field("needs_token", &self.needs_token())
            .finish_non_exhaustive()
    }
}

impl Access {
    /// Reads the token, if the configuration names one. `address` is where the page really listens.
    ///
    /// # Errors
    /// [`PageError::Token`] if the file cannot be read or its token is too short.
    pub fn new(config: &StatusConfig, address: SocketAddr) -> Result<Self, PageError> {
        let read = |key, file: &Option<PathBuf>| file.as_deref().map(|file| read_token(key, file)).transpose();
        let token = read("token_file", &config.token_file)?;
        let operator_token = read("operator_token_file", &config.operator_token_file)?;
        let is_loopback = address.ip().to_canonical().is_loopback();
        Ok(Self { is_loopback, port: address.port(), hosts: config.hosts.clone(), token, operator_token })
    }

    pub(super) fn needs_token(&self) -> bool {
        self.token.is_some()
    }

    /// The hash of the token of those who may act on jobs, if anybody may.
    pub(super) fn operator_token(&self) -> Option<&Hash> {
        self.operator_token.as_ref()
    }

    /// Whether this is the token of those who may act on jobs.
    pub(super) fn is_operator_token(&self, shown: &str) -> bool {
        self.operator_token.as_ref().is_some_and(|token| is_same(&hash(&[b"token", shown.trim().as_bytes()]), token))
    }

    /// Whether a form came from a page of ours, as the browser says. A site has one host, but other ports are other
    /// people's, and `SameSite` does not tell them apart. A proxy with TLS may have put another `Host` there, so its own
    /// name counts too.
    pub(super) fn is_from_here(&self, origin: Option<&str>, fetch_site: Option<&str>, host: &str) -> bool {
        let is_ours = origin.and_then(|origin| origin.split_once("://")).is_some_and(|(scheme, named)| {
            let is_this_host = ["http", "https"].contains(&scheme) && named.eq_ignore_ascii_case(host);
            is_this_host || scheme == "https" && self.hosts.contains(&named.to_ascii_lowercase())
        });
        // Browsers that say where a request comes from say this of ours.
        is_ours && fetch_site.is_none_or(|site| site == "same-origin")
    }

    /// Whether a request for this host is meant for us. The port does not matter: tunnels have ports of their own.
    pub(super) fn admits_host(&self, host: &str) -> bool {
        let Some(name) = without_port(host) else { return false };
        let name = name.to_ascii_lowercase();
        if name == "localhost" || self.hosts.contains(&name) {
            return true;
        }
        let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).map_or_else(
            || name.parse::<IpAddr>().ok().filter(IpAddr::is_ipv4),
            |inner| inner.parse::<Ipv6Addr>().ok().map(IpAddr::from),
        );
        // An attacker cannot turn a domain name into an address.
        address.is_some_and(|address| !self.is_loopback || address.to_canonical().is_loopback())
    }

    /// Whether the request shows the token, by its header or by the cookie that the login gave.
    pub(super) fn is_shown(&self, authorization: Option<&str>, cookies: &[&str]) -> bool {
        let Some(token) = &self.token else { return true };
        let bearer = authorization
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .is_some_and(|(_, shown)| is_same(&hash(&[b"token", shown.trim().as_bytes()]), token));
        let expected = hash(&[cookie_value(token).as_bytes()]);
        let name = self.cookie_name();
        let from_cookie = values_of(cookies, &name).any(|value| is_same(&hash(&[value.as_bytes()]), &expected));
        bearer || from_cookie
    }

    /// Returns the `Set-Cookie` for a visitor who shows the token; `None` for any other. The cookie stands for the
    /// token and does not hold it. It ends with the browser, or with the token.
    pub(super) fn cookie_for(&self, shown: &str) -> Option<String> {
        let token = self.token.as_ref().filter(|token| is_same(&hash(&[b"token", shown.trim().as_bytes()]), token))?;
        Some(format!("{}={}; HttpOnly; SameSite=Strict; Path=/", self.cookie_name(), cookie_value(token)))
    }

    /// The cookie of an operator's session, in the same way.
    pub(super) fn session_cookie(&self) -> String {
        format!("{}_operator", self.cookie_name())
    }

    /// Browsers keep cookies by host alone, whatever the port.
    fn cookie_name(&self) -> String {
        format!("datadrop_{}", self.port)
    }
}

/// Returns the values of the cookies of this name.
pub(super) fn values_of<'a>(cookies: &[&'a str], name: &str) -> impl Iterator<Item = &'a str> {
    cookies
        .iter()
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .filter(move |(found, _)| *found == name)
        .map(|(_, value)| value)
}

/// Reads the token that a key of `[status]` names.
fn read_token(key: &'static str, file: &Path) -> Result<Hash, PageError> {
    let wrong = |why: String| PageError::Token { key, file: file.to_owned(), why };
    let text = std::fs::read_to_string(file).map_err(|error| wrong(format!("it cannot be read: {error}")))?;
    let token = text.trim();
    if token.chars().count() < SHORTEST_TOKEN {
        return Err(wrong("its token is too short".to_owned()));
    }
    Ok(hash(&[b"token", token.as_bytes()]))
}

fn cookie_value(token: &Hash) -> String {
    in_digits(&hash(&[b"cookie", token]))
}

/// In hexadecimal digits.
pub(super) fn in_digits(hash: &Hash) -> String {
    use std::fmt::Write as _;
    hash.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(super) fn hash(parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update(part);
        hasher.update([0]);
    }
    hasher.finalize().into()
}

/// Takes the same time wherever the difference is.
pub(super) fn is_same(left: &Hash, right: &Hash) -> bool {
    left.iter().zip(right).fold(0, |difference, (left, right)| difference | (left ^ right)) == 0
}

/// The host without its port; `None` if what follows the colon is no port.
fn without_port(host: &str) -> Option<&str> {
    let (name, port) =
        match host.rfind(']').map_or_else(|| host.find(':'), |end| host[end..].find(':').map(|at| end + at)) {
            Some(colon) => (&host[..colon], &host[colon + 1..]),
            None => (host, ""),
        };
    (!name.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const TOKEN: &str = "0123456789abcdef";

    fn access(address: &str, token: Option<&str>) -> Access {
        let dir = tempfile::tempdir().unwrap();
        let token_file = token.map(|token| {
            let file = dir.path().join("token");
            std::fs::write(&file, format!("{token}\n")).unwrap();
            file
        });
        let config = StatusConfig {
            listen: None,
            token_file,
            operator_token_file: None,
            hosts: vec!["datadrop.example.com".to_owned()],
            heartbeat: None,
            heartbeat_every: Duration::ZERO,
        };
        Access::new(&config, address.parse().unwrap()).unwrap()
    }

    #[test]
    fn on_loopback_only_loopback_is_meant() {
        let access = access("127.0.0.1:8611", None);
        for host in ["localhost", "LOCALHOST:9000", "127.0.0.1:8611", "127.9.9.9", "[::1]:8611", "datadrop.example.com"]
        {
            assert!(access.admits_host(host), "{host}");
        }
        for host in [
            "evil.example.com",
            "10.0.0.1",
            "localhost.evil.example.com",
            "127.0.0.1.evil.com",
            "",
            ":8611",
            "[::2]",
            "a:b:c",
        ] {
            assert!(!access.admits_host(host), "{host}");
        }
    }

    #[test]
    fn elsewhere_addresses_and_configured_names_are_meant() {
        let access = access("0.0.0.0:8611", Some(TOKEN));
        for host in ["10.0.0.1:8611", "[fd00::1]", "localhost", "DATADROP.example.com"] {
            assert!(access.admits_host(host), "{host}");
        }
        for host in ["evil.example.com", "fd00::1", "[fd00::1", "2130706433.evil"] {
            assert!(!access.admits_host(host), "{host}");
        }
    }

    #[test]
    fn the_token_opens_by_header_and_by_the_cookie_that_it_buys() {
        let access = access("0.0.0.0:8611", Some(TOKEN));
        assert!(access.is_shown(Some(&format!("Bearer {TOKEN}")), &[]));
        assert!(access.is_shown(Some(&format!("bearer  {TOKEN} ")), &[]));
        for wrong in ["Bearer", "Bearer ", "Bearer 0123456789abcdeF", "Basic 0123456789abcdef", TOKEN] {
            assert!(!access.is_shown(Some(wrong), &[]), "{wrong}");
        }
        let cookie = access.cookie_for(TOKEN).unwrap();
        assert!(cookie.ends_with("; HttpOnly; SameSite=Strict; Path=/") && !cookie.contains(TOKEN), "{cookie}");
        let pair = cookie.split(';').next().unwrap();
        assert!(access.is_shown(None, &["other=1", &format!("theme=dark; {pair}")]));
        assert!(!access.is_shown(None, &[&pair.replace("8611", "8612")]));
        assert!(!access.is_shown(None, &[&format!("datadrop_8611={TOKEN}")]));
        assert_eq!(access.cookie_for("0123456789abcdeX"), None);
        assert!(!access.is_shown(None, &[]));
    }

    #[test]
    fn a_form_comes_from_here_only_if_the_browser_says_so() {
        let access = access("127.0.0.1:8611", None);
        let is_ours = |origin, site| access.is_from_here(origin, site, "localhost:8611");
        assert!(is_ours(Some("http://localhost:8611"), None));
        assert!(is_ours(Some("http://LOCALHOST:8611"), Some("same-origin")));
        assert!(is_ours(Some("https://datadrop.example.com"), None), "a proxy that asks for localhost");
        for origin in [
            "null",
            "",
            "localhost:8611",
            "http://localhost",
            "http://localhost:3000",
            "http://evil.example.com",
            "http://localhost:8611.evil.example.com",
            "http://datadrop.example.com",
            "https://datadrop.example.com:444",
            "file://localhost:8611",
        ] {
            assert!(!is_ours(Some(origin), None), "{origin}");
        }
        assert!(!is_ours(None, Some("same-origin")), "every browser says it of a form");
        for site in ["same-site", "cross-site", "none", ""] {
            assert!(!is_ours(Some("http://localhost:8611"), Some(site)), "{site}");
        }
    }

    #[test]
    fn without_a_token_nothing_is_asked_and_a_short_one_is_refused() {
        assert!(access("127.0.0.1:8611", None).is_shown(None, &[]));
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, "short").unwrap();
        let config = StatusConfig {
            listen: None,
            token_file: Some(file),
            operator_token_file: None,
            hosts: Vec::new(),
            heartbeat: None,
            heartbeat_every: Duration::ZERO,
        };
        let error = Access::new(&config, "127.0.0.1:1".parse().unwrap()).unwrap_err().to_string();
        assert!(error.contains("too short") && !error.contains("\"short\""), "{error}");
    }
}
