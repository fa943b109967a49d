//! One request and one answer, with their dates, without judging either.

use super::wire::{ErrorBody, PROXY_WANTS_CREDENTIALS, clean, excerpt, hide, proxy_refusal};
use crate::job::{RemoteJobId, ReportSuite, Target, Timestamp};
use flate2::read::MultiGzDecoder;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Response, Url};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::error::Error;
use std::io::Read as _;
use std::time::Duration;

/// Maximum number of bytes read of an answer (DESIGN §5). A page of 100 jobs takes 30 KB.
pub(super) const LONGEST_ANSWER: usize = 1 << 20;

/// An answer, as far as it arrived.
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) server_time: Option<Timestamp>,
    pub(super) request_id: Option<String>,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Vec<u8>,
    /// Why the body is not complete, if it is not.
    pub(super) cut: Option<Cut>,
}

/// Why the body of an answer is not complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cut {
    Broken(String),
    Silence(Duration),
    /// Longer than this many bytes.
    TooLong(usize),
}

impl Cut {
    pub(super) fn explain(&self) -> String {
        match self {
            Self::Broken(why) => format!("the answer broke off: {why}"),
            Self::Silence(timeout) => format!("the answer stopped for {} s", timeout.as_secs_f32()),
            Self::TooLong(longest) => format!("the answer is longer than {} MiB", longest >> 20),
        }
    }
}

impl Reply {
    /// Reads the answer to its end, to `longest` bytes, or until no byte came for `silence`. Some answers repeat the
    /// request, so the `secret` that the request carried is removed from them.
    pub(super) async fn read(mut response: Response, silence: Duration, secret: &[u8], longest: usize) -> Self {
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let server_time = header("date").and_then(http_date);
        let retry_after = header("retry-after").and_then(|text| retry_after(text, server_time.unwrap_or_else(now)));
        let request_id = header("x-request-id").map(clean);
        let mut body = Vec::new();
        let cut = loop {
            match tokio::time::timeout(silence, response.chunk()).await {
                Ok(Ok(Some(chunk))) if body.len() + chunk.len() > longest => break Some(Cut::TooLong(longest)),
                Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
                Ok(Ok(None)) => break None,
                Ok(Err(error)) => break Some(Cut::Broken(explain(error))),
                Err(_) => break Some(Cut::Silence(silence)),
            }
        };
        let (mut body, cut) = unwrapped(body, cut, longest);
        hide(&mut body, secret);
        Self { status: response.status().as_u16(), server_time, request_id, retry_after, body, cut }
    }

    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The JSON of a complete answer.
    pub(super) fn json(&self) -> Result<Value, String> {
        self.secret_json().map_err(|why| match self.cut {
            Some(_) => why,
            None => format!("{why}: {}", excerpt(&self.body)),
        })
    }

    /// The JSON of a complete answer that may hold secrets. No error quotes the answer.
    pub(super) fn secret_json(&self) -> Result<Value, String> {
        self.read_json()
    }

    /// The JSON of a complete answer, read into a type that leaves out unneeded members. No error quotes the answer.
    pub(super) fn read_json<T: DeserializeOwned>(&self) -> Result<T, String> {
        if let Some(cut) = &self.cut {
            return Err(cut.explain());
        }
        serde_json::from_slice(&self.body).map_err(|_| format!("HTTP {} with something that is no JSON", self.status))
    }

    /// The text of a refusal, as far as it arrived.
    pub(super) fn refusal(&self) -> ErrorBody {
        let body = ErrorBody::read(&self.body);
        if self.status == PROXY_WANTS_CREDENTIALS { proxy_refusal(&body.to_string()) } else { body }
    }
}

const GZIP: &[u8] = b"\x1f\x8b";
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Returns a body without what a server may put around its JSON: gzip that the client did not ask for, or a byte order
/// mark. The first bytes of the body decide, because headers are wrong more often.
fn unwrapped(mut body: Vec<u8>, mut cut: Option<Cut>, longest: usize) -> (Vec<u8>, Option<Cut>) {
    if body.starts_with(GZIP) {
        let mut whole = Vec::new();
        let one_more = u64::try_from(longest + 1).unwrap_or(u64::MAX);
        let mut decoder = MultiGzDecoder::new(body.as_slice()).take(one_more);
        if let Err(error) = decoder.read_to_end(&mut whole) {
            cut = cut.or_else(|| Some(Cut::Broken(format!("its gzip cannot be read: {error}"))));
        }
        if whole.len() > longest {
            whole.truncate(longest);
            cut = Some(Cut::TooLong(longest));
        }
        body = whole;
    }
    let text = body.trim_ascii_start();
    if let Some(rest) = text.strip_prefix(BYTE_ORDER_MARK) {
        body.drain(..body.len() - rest.len());
    }
    (body, cut)
}

/// Whether datadrop needs the answer to send files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Files need the answer. If the server asks for a pause or refuses the token, this applies to all requests.
    Necessary,
    /// Files do not need the answer, so a service that is unavailable or forbidden stops no other request. Holds the
    /// maximum number of bytes of the answer.
    Optional(usize),
}

impl Need {
    pub(super) fn longest(self) -> usize {
        match self {
            Self::Necessary => LONGEST_ANSWER,
            Self::Optional(longest) => longest,
        }
    }
}

/// Why a request has no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The proxy refused the tunnel with 407.
    ProxyWantsCredentials,
    /// Nothing was sent.
    NotConnected(String),
    /// The request may have been sent.
    Broken(String),
}

impl From<reqwest::Error> for Fault {
    fn from(error: reqwest::Error) -> Self {
        let unsent = error.is_connect() || error.is_builder();
        let why = explain(error);
        // The transport's type for this error has no name outside of its crate, so its text decides.
        if unsent && why.contains("tunnel error: proxy authorization required") {
            return Self::ProxyWantsCredentials;
        }
        if unsent { Self::NotConnected(why) } else { Self::Broken(why) }
    }
}

/// `{base}/{company}/{segment}/job/{rsid}/{dsid}[/{job_id}]` (DESIGN §5, "Endpoints"; the segment may be absent).
///
/// # Errors
/// One line, if the base address is no URL.
pub(super) fn job_url(target: &Target, job: Option<RemoteJobId>) -> Result<Url, String> {
    let (source, job) = (target.data_source_id.to_string(), job.map(|job| job.to_string()));
    let ends = [Some(source.as_str()), job.as_deref()];
    endpoint(&target.base_url, &target.company, &target.path_segment, "job", &target.report_suite_id, &ends)
}

/// `{base}/{company}/{segment}/account/{rsid}[/{dsid}]` (DESIGN §5, "Endpoints").
///
/// # Errors
/// As [`job_url`].
pub(super) fn account_url(suite: &ReportSuite, data_source_id: Option<i64>) -> Result<Url, String> {
    let source = data_source_id.map(|id| id.to_string());
    endpoint(&suite.base_url, &suite.company, &suite.path_segment, "account", &suite.id, &[source.as_deref()])
}

/// `{base}/{company}/reportsuites/collections/suites/{rsid}` (DESIGN §5, "Endpoints").
///
/// # Errors
/// As [`job_url`].
pub(super) fn suite_url(suite: &ReportSuite) -> Result<Url, String> {
    below(&suite.base_url, &[&suite.company, "reportsuites", "collections", "suites", &suite.id])
}

/// `{base}/{company}/{list}?rsid={rsid}`: the metrics or the dimensions of a report suite (DESIGN §5, "Endpoints").
///
/// # Errors
/// As [`job_url`].
pub(super) fn components_url(suite: &ReportSuite, list: &str, expansion: Option<&str>) -> Result<Url, String> {
    let url = below(&suite.base_url, &[&suite.company, list])?;
    Ok(with_query(url, &[("rsid", Some(&suite.id)), ("locale", Some("en_US")), ("expansion", expansion)]))
}

/// `discovery/me` is next to the API's own path, not below it (DESIGN §5, "Endpoints").
///
/// # Errors
/// As [`job_url`].
pub(super) fn discovery_url(base_url: &str) -> Result<Url, String> {
    let mut url = parse(base_url)?;
    let beside = url.path().trim_end_matches('/').trim_end_matches("/api").to_owned();
    url.set_path(&format!("{beside}/discovery/me"));
    Ok(url)
}

fn endpoint(
    base_url: &str,
    company: &str,
    segment: &str,
    kind: &str,
    report_suite_id: &str,
    ends: &[Option<&str>],
) -> Result<Url, String> {
    let segment = Some(segment).filter(|segment| !segment.is_empty());
    let parts = [Some(company), segment, Some(kind), Some(report_suite_id)];
    let parts: Vec<&str> = parts.iter().chain(ends).copied().flatten().collect();
    below(base_url, &parts)
}

fn below(base_url: &str, parts: &[&str]) -> Result<Url, String> {
    let mut url = parse(base_url)?;
    url.path_segments_mut().map_err(|()| format!("{base_url}: not an HTTP address"))?.pop_if_empty().extend(parts);
    Ok(url)
}

fn parse(base_url: &str) -> Result<Url, String> {
    Url::parse(base_url).map_err(|error| format!("{base_url}: {error}"))
}

/// All characters but letters, digits and the four that a URL may hold as they are. A space becomes `%20`, as the guide
/// requires, not `+`.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// The address with a query of those parameters that have a value.
pub(super) fn with_query(mut url: Url, parameters: &[(&str, Option<&str>)]) -> Url {
    let given = parameters.iter().filter_map(|(name, value)| Some((name, (*value)?)));
    let pairs = given.map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, ENCODED)));
    let query = pairs.collect::<Vec<_>>().join("&");
    url.set_query(Some(query.as_str()).filter(|query| !query.is_empty()));
    url
}

/// The headers of every request to the API.
///
/// # Errors
/// One line, if the company ID cannot be sent.
pub(super) fn headers(company: &str, api_key: &HeaderValue, bearer: HeaderValue) -> Result<HeaderMap, String> {
    let company = HeaderValue::from_str(company)
        .map_err(|_| "api.global_company_id has characters that no HTTP header can carry".to_owned())?;
    let mut headers = HeaderMap::with_capacity(8);
    headers.insert("authorization", bearer);
    headers.insert("x-api-key", api_key.clone());
    headers.insert("accept", HeaderValue::from_static("application/json"));
    // The caller of `discovery/me` does not know the company yet.
    if !company.is_empty() {
        headers.insert("x-proxy-global-company-id", company);
    }
    Ok(headers)
}

/// Texts that the layers of the transport add to any failure. The cause below them says more.
const EMPTY_WORDS: [&str; 3] = ["error sending request", "client error (Connect)", "client error (SendRequest)"];

/// The chain of causes in one line, without the URL, because the message names the request elsewhere.
pub(super) fn explain(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if EMPTY_WORDS.contains(&line.as_str()) {
            line = text;
        } else if !line.ends_with(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = inner.source();
    }
    if line.contains("UnknownIssuer") {
        line.push_str("; if an authority of your own signed the certificate, name its PEM file in api.ca_file");
    }
    clean(&line)
}

// Dates of HTTP headers and of the guide's query parameters.

/// Longest wait that a server can ask for (DESIGN §5). A person sees the problem before a longer one would end.
pub(super) const LONGEST_RETRY_AFTER: Duration = Duration::from_hours(1);

/// Formats a point in time for the guide's `start_date` and `end_date`: `yyyy-mm-dd hh:mm:ss`, in UTC.
///
/// The guide names no time zone, so callers add a day or more on either side (DESIGN S2).
#[must_use]
pub fn guide_date(time: Timestamp) -> String {
    let time = jiff::Timestamp::from_millisecond(time.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// An HTTP date, `Sun, 06 Nov 1994 08:49:37 GMT`.
pub(super) fn http_date(text: &str) -> Option<Timestamp> {
    let time = jiff::fmt::rfc2822::parse(text.trim()).ok()?;
    Some(Timestamp(time.timestamp().as_millisecond()))
}

/// The wait that a `Retry-After` asks for. It holds seconds, also with a fraction, or a date, which is compared with
/// the server's own clock.
pub(super) fn retry_after(text: &str, server_now: Timestamp) -> Option<Duration> {
    let text = text.trim();
    let wait = match text.parse::<f64>().ok().filter(|_| text.starts_with(|first: char| first.is_ascii_digit())) {
        // A number too large for `Duration` still asks for a long wait.
        Some(seconds) => Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX),
        None => http_date(text)?.since(server_now),
    };
    Some(wait.min(LONGEST_RETRY_AFTER))
}

/// The clock of this computer, for answers without a `Date` header.
pub(super) fn now() -> Timestamp {
    Timestamp(jiff::Timestamp::now().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(segment: &str) -> Target {
        Target {
            base_url: "https://analytics.adobe.io/api".into(),
            path_segment: segment.into(),
            company: "example company".into(),
            report_suite_id: "a/b?c%2F".into(),
            data_source_id: 621,
        }
    }

    #[test]
    fn path_parts_are_encoded_and_the_segment_may_be_absent() {
        assert_eq!(
            job_url(&target("datasources"), Some(RemoteJobId(7))).unwrap().as_str(),
            "https://analytics.adobe.io/api/example%20company/datasources/job/a%2Fb%3Fc%252F/621/7"
        );
        assert_eq!(
            job_url(&target(""), None).unwrap().as_str(),
            "https://analytics.adobe.io/api/example%20company/job/a%2Fb%3Fc%252F/621"
        );
    }

    #[test]
    fn accounts_and_discovery_have_their_places() {
        let suite = |segment: &str| ReportSuite {
            base_url: "https://analytics.adobe.io/api".into(),
            path_segment: segment.into(),
            company: "examplecompany".into(),
            id: "examplersid".into(),
        };
        let url = |suite: &ReportSuite, id| account_url(suite, id).unwrap().to_string();
        let base = "https://analytics.adobe.io/api/examplecompany";
        assert_eq!(url(&suite("data_sources"), Some(621)), format!("{base}/data_sources/account/examplersid/621"));
        assert_eq!(url(&suite(""), None), format!("{base}/account/examplersid"));
        let described = ReportSuite { id: "a/b".into(), ..suite("datasources") };
        assert_eq!(suite_url(&described).unwrap().as_str(), format!("{base}/reportsuites/collections/suites/a%2Fb"));
        assert_eq!(
            components_url(&described, "metrics", Some("allowedForReporting")).unwrap().as_str(),
            format!("{base}/metrics?rsid=a%2Fb&locale=en_US&expansion=allowedForReporting")
        );
        for (base, discovery) in [
            ("https://analytics.adobe.io/api", "https://analytics.adobe.io/discovery/me"),
            ("https://gateway.example.com/adobe/api/", "https://gateway.example.com/adobe/discovery/me"),
            ("http://127.0.0.1:8610", "http://127.0.0.1:8610/discovery/me"),
        ] {
            assert_eq!(discovery_url(base).unwrap().as_str(), discovery);
        }
    }

    #[test]
    fn spaces_in_queries_are_percent_signs() {
        let url = Url::parse("http://h/p").unwrap();
        let url =
            with_query(url, &[("start_date", Some("2026-11-23 10:30:38")), ("end_date", None), ("page", Some("2"))]);
        assert_eq!(url.as_str(), "http://h/p?start_date=2026-11-23%2010%3A30%3A38&page=2");
        assert_eq!(with_query(url, &[]).as_str(), "http://h/p");
    }

    #[test]
    fn dates_are_written_as_the_guide_wants_them() {
        assert_eq!(guide_date(Timestamp(1_795_429_838_007)), "2026-11-23 10:30:38");
        assert_eq!(guide_date(Timestamp(i64::MAX)), "1970-01-01 00:00:00");
    }

    #[test]
    fn retry_after_is_read_in_both_forms_and_capped() {
        let now = http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(now, Timestamp(784_111_777_000));
        let wait = |text| retry_after(text, now);
        assert_eq!(wait("120"), Some(Duration::from_mins(2)));
        assert_eq!(wait(" 0 "), Some(Duration::ZERO));
        assert_eq!(wait("1.5"), Some(Duration::from_millis(1500)));
        assert_eq!(wait("120.000"), Some(Duration::from_mins(2)));
        assert_eq!(wait("86400"), Some(LONGEST_RETRY_AFTER));
        assert_eq!(wait("99999999999999999999999"), Some(LONGEST_RETRY_AFTER));
        assert_eq!(wait("Sun, 06 Nov 1994 08:50:07 GMT"), Some(Duration::from_secs(30)));
        assert_eq!(wait("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(wait("Mon, 07 Nov 1994 08:49:37 GMT"), Some(LONGEST_RETRY_AFTER));
        for text in ["soon", "-1", "-1.5", "", "1,5", "60 s", "inf", "nan", ".", "1.5.2"] {
            assert_eq!(wait(text), None, "{text}");
        }
    }

    #[test]
    fn gzip_and_marks_around_a_body_are_taken_off_and_a_mebibyte_is_the_most_that_comes_out() {
        use flate2::{Compression, write::GzEncoder};
        use std::io::Write as _;
        let gzip = |body: &[u8]| {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(body).unwrap();
            encoder.finish().unwrap()
        };
        let taken = |body: &[u8]| unwrapped(body.to_vec(), None, LONGEST_ANSWER);
        for wrapped in [b"{}".to_vec(), b"\xef\xbb\xbf{}".to_vec(), gzip(b"{}"), gzip(b"\xef\xbb\xbf{}")] {
            assert_eq!(taken(&wrapped), (b"{}".to_vec(), None));
        }
        let half = gzip(b"{}");
        assert!(matches!(taken(&half[..half.len() - 4]).1, Some(Cut::Broken(why)) if why.contains("gzip")));
        let broken = Some(Cut::Broken("reset".to_owned()));
        assert_eq!(unwrapped(half[..15].to_vec(), broken.clone(), LONGEST_ANSWER).1, broken, "the first cause stays");
        let bomb = gzip(&vec![b' '; 10 * LONGEST_ANSWER]);
        assert!(bomb.len() < LONGEST_ANSWER / 10);
        let (body, cut) = taken(&bomb);
        assert_eq!((body.len(), cut), (LONGEST_ANSWER, Some(Cut::TooLong(LONGEST_ANSWER))));
        assert_eq!(taken(&gzip(&vec![b' '; LONGEST_ANSWER])).1, None);
    }
}
