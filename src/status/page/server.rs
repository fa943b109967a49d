//! Connections: accepted, kept few, and ended when they take too long. A page that is out of reach is a nuisance. One
//! that takes memory, descriptors or the job log from the service would be worse.

use super::facts::answer;
use super::frame::{login, notice};
use super::response::{Answer, Kind};
use super::route::{Astray, Route};
use super::{PageError, Running, Sources};
use axum::http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode, header};
use axum::serve::Listener;
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_util::sync::{CancellationToken, DropGuard};

/// Maximum number of connections. The oldest makes room for a new one: a client that stalls or never asks blocks no
/// other.
const CONNECTIONS: usize = 64;
/// Answers that read the job log at once; more wait.
const READS: usize = 4;
/// Timeout for the head of a request.
const HEAD: Duration = Duration::from_secs(10);
/// Maximum lifetime of a connection, whatever it is doing.
const LONGEST: Duration = Duration::from_secs(120);
/// A wrong token is answered so late.
const WRONG_TOKEN: Duration = Duration::from_millis(500);
/// A login's body is no longer, in bytes.
const LONGEST_BODY: usize = 4 * 1024;

/// An address that is listened on, before anybody is answered.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

/// The page, served until this is dropped.
#[derive(Debug)]
pub struct Page {
    address: SocketAddr,
    _stop: DropGuard,
}

impl Page {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

struct Served {
    sources: Sources,
    running: watch::Receiver<Arc<Running>>,
    reads: Semaphore,
}

impl Bound {
    /// Listens on an address; who connects waits for [`Bound::serve`].
    ///
    /// # Errors
    /// [`PageError::Listen`], most often because somebody listens there already.
    pub async fn to(address: SocketAddr) -> Result<Self, PageError> {
        let wrong = |error: std::io::Error| {
            let why = if error.kind() == std::io::ErrorKind::AddrInUse {
                "the address is in use".to_owned()
            } else {
                error.to_string()
            };
            PageError::Listen { address, why }
        };
        let listener = TcpListener::bind(address).await.map_err(wrong)?;
        let address = listener.local_addr().map_err(wrong)?;
        Ok(Self { listener, address })
    }

    /// Where it listens: the port is there even where the configuration says 0.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers from now on.
    #[must_use]
    pub fn serve(self, sources: Sources, running: watch::Receiver<Arc<Running>>) -> Page {
        let stop = CancellationToken::new();
        let served = Arc::new(Served { sources, running, reads: Semaphore::new(READS) });
        tokio::spawn(accept(self.listener, served, stop.clone()));
        Page { address: self.address, _stop: stop.drop_guard() }
    }
}

async fn accept(mut listener: TcpListener, served: Arc<Served>, stop: CancellationToken) {
    let mut open: VecDeque<CancellationToken> = VecDeque::new();
    loop {
        let (stream, _) = tokio::select! {
            accepted = Listener::accept(&mut listener) => accepted,
            () = stop.cancelled() => return,
        };
        open.retain(|connection| !connection.is_cancelled());
        if open.len() >= CONNECTIONS
            && let Some(oldest) = open.pop_front()
        {
            oldest.cancel();
        }
        let (served, ended) = (Arc::clone(&served), stop.child_token());
        open.push_back(ended.clone());
        tokio::spawn(async move {
            let _ended = ended.clone().drop_guard();
            tokio::select! {
                () = converse(stream, served) => {}
                () = tokio::time::sleep(LONGEST) => {}
                () = ended.cancelled() => {}
            }
        });
    }
}

async fn converse(stream: TcpStream, served: Arc<Served>) {
    let service = service_fn(move |request| {
        let served = Arc::clone(&served);
        async move { Ok::<Response<Full<Bytes>>, Infallible>(served.respond(request).await.into()) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), service);
    // How a browser hangs up does not matter.
    let _ = connection.await;
}

impl Served {
    async fn respond(self: &Arc<Self>, request: Request<Incoming>) -> Answer {
        let running = Arc::clone(&self.running.borrow());
        let (head, body) = request.into_parts();
        let host = one(&head.headers, &header::HOST).or(head.uri.authority().map(axum::http::uri::Authority::as_str));
        if !host.is_some_and(|host| running.access.admits_host(host)) {
            return Answer::line(
                StatusCode::MISDIRECTED_REQUEST,
                "this name is not ours; ask for localhost or the address, or add the name to status.hosts",
            );
        }
        let route = match Route::parse(head.uri.path(), head.uri.query().unwrap_or_default()) {
            Ok(route) => route,
            Err(Astray::Unknown) => {
                let text = "Nothing is at this address.";
                return Answer::new(StatusCode::NOT_FOUND, Kind::Page, notice("Not found", text));
            }
            Err(Astray::Query(why)) => return Answer::line(StatusCode::BAD_REQUEST, &why),
        };
        if route == Route::Login && head.method == Method::POST {
            return log_in(&running, body).await;
        }
        if head.method != Method::GET && head.method != Method::HEAD {
            let text = "This address only looks: it takes GET and HEAD.";
            return Answer::new(StatusCode::METHOD_NOT_ALLOWED, Kind::Page, notice("Not that way", text))
                .with(header::ALLOW, if route == Route::Login { "GET, HEAD, POST" } else { "GET, HEAD" });
        }
        let cookies: Vec<&str> = all(&head.headers, &header::COOKIE).collect();
        let may_tell = running.access.is_shown(one(&head.headers, &header::AUTHORIZATION), &cookies);
        if !may_tell && !route.is_open() {
            return refuse(&route, head.headers.contains_key(header::AUTHORIZATION)).await;
        }
        if route == Route::Login && (may_tell || !running.access.needs_token()) {
            return Answer::see_other("/");
        }
        if route.is_at_hand() {
            return answer(&route, &self.sources, &running, may_tell);
        }
        self.read(route, running, may_tell).await
    }

    /// On a thread that may wait for the disk.
    async fn read(self: &Arc<Self>, route: Route, running: Arc<Running>, may_tell: bool) -> Answer {
        let _turn = self.reads.acquire().await;
        let served = Arc::clone(self);
        let answered = tokio::task::spawn_blocking(move || answer(&route, &served.sources, &running, may_tell)).await;
        answered.unwrap_or_else(|_| {
            Answer::line(StatusCode::INTERNAL_SERVER_ERROR, "a defect of datadrop; its log says more")
        })
    }
}

/// A visitor who knows the token gets a cookie for it. The page shows the token nowhere.
async fn log_in(running: &Running, body: Incoming) -> Answer {
    let Ok(body) = Limited::new(body, LONGEST_BODY).collect().await else {
        return Answer::line(StatusCode::PAYLOAD_TOO_LARGE, "no token is as long as this");
    };
    let body = body.to_bytes();
    let shown = url::form_urlencoded::parse(&body).find(|(name, _)| name == "token").map(|(_, value)| value);
    if let Some(cookie) = shown.and_then(|shown| running.access.cookie_for(&shown)) {
        return Answer::see_other("/").with(header::SET_COOKIE, cookie);
    }
    tokio::time::sleep(WRONG_TOKEN).await;
    Answer::new(StatusCode::UNAUTHORIZED, Kind::Page, login(true))
}

async fn refuse(route: &Route, tried: bool) -> Answer {
    if tried {
        tokio::time::sleep(WRONG_TOKEN).await;
    }
    let answer = if route.is_page() {
        Answer::new(StatusCode::UNAUTHORIZED, Kind::Page, login(false))
    } else {
        let text =
            "a token is needed: send the header `Authorization: Bearer TOKEN`, with the token of status.token_file";
        Answer::line(StatusCode::UNAUTHORIZED, text)
    };
    answer.with(header::WWW_AUTHENTICATE, "Bearer realm=\"datadrop\"")
}

/// A header that makes sense once only.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    if values.next().is_some() { None } else { value.to_str().ok() }
}

fn all<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok())
}
