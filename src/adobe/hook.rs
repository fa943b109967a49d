//! Addresses of other services that receive alerts or a heartbeat. They are not part of Adobe's API, so requests to
//! them carry none of the credential's headers and cost no permit. Such an address often holds a key: no error names
//! more than its host.

use super::http::explain;
use reqwest::{Client, RequestBuilder, Url};
use secrecy::{ExposeSecret as _, SecretString};
use std::time::Duration;

/// Timeout for a request to such an address. The caller repeats a slower one later.
const PATIENCE: Duration = Duration::from_secs(30);

impl super::Client {
    /// Posts JSON to an address, and returns the HTTP status. Only a 2xx counts; a redirect is not followed.
    ///
    /// # Errors
    /// One line without the address.
    pub async fn post_to_hook(&self, url: &SecretString, json: Vec<u8>) -> Result<u16, String> {
        let (url, door) = self.hook(url)?;
        ask(door.post(url).header("content-type", "application/json").body(json)).await
    }

    /// Sends a GET to an address, as a sign of life. Only a 2xx counts; a redirect is not followed.
    ///
    /// # Errors
    /// One line without the address.
    pub async fn ask_hook(&self, url: &SecretString) -> Result<(), String> {
        let (url, door) = self.hook(url)?;
        ask(door.get(url)).await.map(|_status| ())
    }

    fn hook(&self, url: &SecretString) -> Result<(Url, &Client), String> {
        let url = Url::parse(url.expose_secret()).map_err(|error| format!("the address is no URL: {error}"))?;
        let door = self.doors.to(&url)?;
        Ok((url, door))
    }
}

async fn ask(request: RequestBuilder) -> Result<u16, String> {
    match tokio::time::timeout(PATIENCE, request.send()).await {
        Err(_) => Err(format!("no answer within {} s", PATIENCE.as_secs())),
        Ok(Err(error)) => Err(explain(error)),
        Ok(Ok(answer)) if answer.status().is_success() => Ok(answer.status().as_u16()),
        Ok(Ok(answer)) => Err(format!("HTTP {}", answer.status().as_u16())),
    }
}

/// Returns what datadrop may show of such an address: scheme and host.
#[must_use]
pub fn hook_host(url: &SecretString) -> String {
    let parsed = Url::parse(url.expose_secret()).ok();
    parsed
        .and_then(|url| Some(format!("{}://{}", url.scheme(), url.host_str()?)))
        .unwrap_or_else(|| "an address that is no URL".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_scheme_and_host_of_an_address_are_shown() {
        let shown = |url: &str| hook_host(&url.to_owned().into());
        assert_eq!(shown("https://user:key@hooks.example.com:8443/team/key?key=1#key"), "https://hooks.example.com");
        assert_eq!(shown("key"), "an address that is no URL");
    }
}
