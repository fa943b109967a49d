//! How a request leaves this computer: proxies, certificates, time for the connection, and other services' addresses.

use super::error::ClientError;
use super::http::explain;
use crate::config::ApiConfig;
use reqwest::{Certificate, Client, ClientBuilder, Proxy, Url, redirect, retry};
use secrecy::ExposeSecret;
use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::Duration;

/// An idle connection is given up before a load balancer in between does so: 60 s is their usual time.
const IDLE: Duration = Duration::from_secs(20);

/// Idle connections kept, per host.
const IDLE_CONNECTIONS: usize = 16;

/// The two ways out: to this computer itself, and to the world.
///
/// Two, because a proxy from the environment must not see what goes to loopback, and because loopback works where no
/// certificate authority is installed.
pub(super) struct Doors {
    recipe: Recipe,
    local: Client,
    /// Made when first needed: the certificate authorities take a megabyte or more.
    outside: OnceLock<Client>,
}

struct Recipe {
    connect_timeout: Duration,
    /// `None`: as the environment says.
    proxy: Option<Proxy>,
    authorities: Vec<Certificate>,
    allow_http: bool,
}

impl Doors {
    /// Opens what the configured addresses need, so that a fault shows now.
    pub(super) fn new(api: &ApiConfig) -> Result<Self, ClientError> {
        let proxy = api.proxy.as_ref().map(|proxy| Proxy::all(proxy.expose_secret())).transpose();
        let proxy = proxy.map_err(|error| ClientError::Proxy(explain(error)))?;
        let authorities = match &api.ca_file {
            None => Vec::new(),
            Some(path) => {
                let fault = |why: String| ClientError::CaFile { path: path.clone(), why };
                let pem = std::fs::read(path).map_err(|error| fault(error.to_string()))?;
                let found = Certificate::from_pem_bundle(&pem).map_err(|error| fault(explain(error)))?;
                if found.is_empty() {
                    return Err(fault("holds no certificate".to_owned()));
                }
                found
            }
        };
        let recipe = Recipe { connect_timeout: api.connect_timeout, proxy, authorities, allow_http: api.allow_http };
        let local = recipe.local().build().map_err(|error| ClientError::Tls(explain(error)))?;
        let doors = Self { recipe, local, outside: OnceLock::new() };
        for url in [&api.base_url, &api.token_url] {
            if !Url::parse(url).is_ok_and(|url| is_loopback(&url)) {
                doors.outside().map_err(ClientError::Tls)?;
            }
        }
        Ok(doors)
    }

    /// The way to this address.
    ///
    /// # Errors
    /// One line, if there is none.
    pub(super) fn to(&self, url: &Url) -> Result<&Client, String> {
        if is_loopback(url) {
            return Ok(&self.local);
        }
        if url.scheme() != "https" && !self.recipe.allow_http {
            return Err("plain HTTP is refused beyond loopback; use https, or set api.allow_http = true".to_owned());
        }
        self.outside()
    }

    fn outside(&self) -> Result<&Client, String> {
        if let Some(client) = self.outside.get() {
            return Ok(client);
        }
        let client = self.recipe.outside().build().map_err(explain)?;
        Ok(self.outside.get_or_init(|| client))
    }
}

impl Recipe {
    /// No redirects (the token must not follow one, and a streamed body cannot), no retries (DESIGN A3), and no
    /// `read_timeout`: it runs while the body is still being sent.
    fn base(&self) -> ClientBuilder {
        Client::builder()
            .user_agent(concat!("datadrop/", env!("CARGO_PKG_VERSION")))
            .http1_only()
            .redirect(redirect::Policy::none())
            .referer(false)
            .retry(retry::never())
            .connect_timeout(self.connect_timeout)
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
    }

    fn local(&self) -> ClientBuilder {
        self.base().no_proxy().tls_certs_only(self.authorities.iter().cloned())
    }

    fn outside(&self) -> ClientBuilder {
        let base = self.base().https_only(!self.allow_http).tls_certs_merge(self.authorities.iter().cloned());
        match &self.proxy {
            Some(proxy) => base.proxy(proxy.clone()),
            None => base,
        }
    }
}

/// The address is this computer itself.
fn is_loopback(url: &Url) -> bool {
    url.host_str().is_some_and(|host| {
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        host == "localhost" || bare.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_is_told_from_the_world() {
        let local = |url: &str| is_loopback(&Url::parse(url).unwrap());
        for url in ["http://127.0.0.1:8080/api", "http://[::1]/", "http://localhost/", "http://127.9.9.9/"] {
            assert!(local(url), "{url}");
        }
        for url in ["https://analytics.adobe.io/api", "http://127.0.0.1.example.com/", "http://10.0.0.1/"] {
            assert!(!local(url), "{url}");
        }
    }
}
