//! How a request leaves this computer: proxies, certificates, connection timeouts, and addresses of other services.

use super::error::ClientError;
use super::http::explain;
use crate::config::ApiConfig;
use reqwest::{Certificate, Client, ClientBuilder, Proxy, Url, redirect, retry};
use secrecy::ExposeSecret;
use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::Duration;

/// Timeout after which an idle connection is closed, before a load balancer in between closes it (60 s is usual).
const IDLE: Duration = Duration::from_secs(20);

/// Maximum number of idle connections kept per host.
const IDLE_CONNECTIONS: usize = 16;

/// Two HTTP clients: one for this computer itself, one for all other addresses.
///
/// They are separate for two reasons. A proxy from the environment must not see what goes to loopback. Loopback must
/// also work where no certificate authority is installed.
pub(super) struct Doors {
    recipe: Recipe,
    local: Client,
    /// Built at first use, because the certificate authorities take a megabyte or more.
    outside: OnceLock<Client>,
}

struct Recipe {
    connect_timeout: Duration,
    /// `None`: use the proxy of the environment.
    proxy: Option<Proxy>,
    authorities: Vec<Certificate>,
    allow_http: bool,
}

impl Doors {
    /// Builds the clients for the configured addresses now, so that an error shows at the start.
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

    /// Returns the client for this address.
    ///
    /// # Errors
    /// One line, if no client can be built.
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
    /// Follows no redirects, because the token must not follow one and a streamed body cannot. Makes no retries (DESIGN
    /// A3). Sets no `read_timeout`, because it runs while the body is still being sent.
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

/// Returns whether the address is this computer itself.
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
    fn loopback_is_distinguished_from_other_addresses() {
        let local = |url: &str| is_loopback(&Url::parse(url).unwrap());
        for url in ["http://127.0.0.1:8080/api", "http://[::1]/", "http://localhost/", "http://127.9.9.9/"] {
            assert!(local(url), "{url}");
        }
        for url in ["https://analytics.adobe.io/api", "http://127.0.0.1.example.com/", "http://10.0.0.1/"] {
            assert!(!local(url), "{url}");
        }
    }
}
