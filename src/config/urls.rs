//! Checks of URLs and of what becomes a part of one.

use super::problem::{Wrong, wrong};
use url::{Host, Url};

/// A URL with `http` or `https` and a host.
pub(super) fn check_url(text: &str) -> Result<Url, Wrong> {
    let remedy = "write a URL such as \"https://host.example.com/path\"";
    let url = Url::parse(text.trim()).map_err(|error| wrong(format!("not a URL ({error})"), remedy))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(wrong("not an http or https URL with a host", remedy));
    }
    Ok(url)
}

/// A URL that paths are appended to, or that secrets are sent to; without a slash at the end.
pub(super) fn check_base_url(text: &str, allow_http: bool) -> Result<String, Wrong> {
    let url = check_url(text)?;
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("this URL has a query or a fragment", "leave out everything from ? or # on"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("this URL has a user name or a password", "leave out everything up to the @"));
    }
    if url.scheme() == "http" && !is_loopback(&url) && !allow_http {
        return Err(wrong(
            "over plain http, secrets and data can be read on the way",
            "write https, or set api.allow_http = true if you must",
        ));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// Whether the host is this machine, by its name.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// An ID that becomes a segment of a path: nothing in it that would make another path of it.
pub(super) fn check_segment(text: &str) -> Result<(), Wrong> {
    if text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte)) && text != "." && text != ".." {
        Ok(())
    } else {
        Err(wrong("an ID has letters, digits, \"-\", \"_\" and \".\" only", "copy it from Adobe as it is"))
    }
}

/// What is sent as a header: visible ASCII.
pub(super) fn check_header(text: &str) -> Result<(), Wrong> {
    if text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(())
    } else {
        Err(wrong("this has spaces or characters that no header can carry", "copy it from Adobe as it is"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_url_loses_its_last_slash_and_nothing_else() {
        for text in [
            "https://analytics.adobe.io/api",
            "https://analytics.adobe.io/api/",
            "HTTPS://Analytics.adobe.io:443/api//",
        ] {
            assert_eq!(check_base_url(text, false).unwrap(), "https://analytics.adobe.io/api");
        }
        assert_eq!(check_base_url("https://host", false).unwrap(), "https://host");
    }

    #[test]
    fn plain_http_stays_on_this_machine() {
        for text in ["http://127.0.0.1:8600/api", "http://[::1]:8600", "http://localhost"] {
            assert!(check_base_url(text, false).is_ok(), "{text}");
        }
        assert!(check_base_url("http://192.168.0.7/api", false).is_err());
        assert!(check_base_url("http://192.168.0.7/api", true).is_ok());
        assert!(check_base_url("http://localhost.example.com", false).is_err());
    }

    #[test]
    fn what_is_no_base_url_is_refused() {
        for text in
            ["", "analytics.adobe.io/api", "ftp://host/", "https://", "https://h/?a=b", "https://h/#a", "https://u@h/"]
        {
            assert!(check_base_url(text, true).is_err(), "{text}");
        }
    }

    #[test]
    fn an_id_stays_one_segment() {
        assert!(check_segment("examplersid.2_a-b").is_ok());
        for text in ["a/b", "..", "a b", "a?b", "ä", "a%2f"] {
            assert!(check_segment(text).is_err(), "{text}");
        }
    }
}
