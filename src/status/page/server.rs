//! Connections: accepted, kept few, and ended when they take too long. A page that is out of reach is a nuisance. One
//! that takes memory, descriptors or the job log from the service would be worse.

use super::actions::{Acting, WRONG_TOKEN, visitor};
use super::confirm::operator_login;
use super::facts::{answer, frame, proposed};
use super::filters::{ActQuery, Astray};
use super::forms::{Fields, page_of_ours};
use super::frame::{link, login, notice};
use super::response::{Answer, Kind};
use super::route::{Form, Route};
use super::sessions::{Operator, SESSIONS};
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
use std::net::{IpAddr, SocketAddr};
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
/// Timeout for the head of a request, and for the body of a form.
const HEAD: Duration = Duration::from_secs(10);
/// Maximum lifetime of a connection, whatever it is doing.
const LONGEST: Duration = Duration::from_secs(120);
/// The body of a form is no longer, in bytes.
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
    sources: Arc<Sources>,
    running: watch::Receiver<Arc<Running>>,
    reads: Arc<Semaphore>,
    acting: Acting,
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
        let (sources, acting) = (Arc::new(sources), Acting::new());
        let served = Arc::new(Served { sources, running, reads: Arc::new(Semaphore::new(READS)), acting });
        tokio::spawn(accept(self.listener, served, stop.clone()));
        Page { address: self.address, _stop: stop.drop_guard() }
    }
}

async fn accept(mut listener: TcpListener, served: Arc<Served>, stop: CancellationToken) {
    let mut open: VecDeque<CancellationToken> = VecDeque::new();
    loop {
        let (stream, from) = tokio::select! {
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
                () = converse(stream, from.ip().to_canonical(), served) => {}
                () = tokio::time::sleep(LONGEST) => {}
                () = ended.cancelled() => {}
            }
        });
    }
}

async fn converse(stream: TcpStream, from: IpAddr, served: Arc<Served>) {
    let service = service_fn(move |request| {
        let served = Arc::clone(&served);
        async move { Ok::<Response<Full<Bytes>>, Infallible>(served.respond(request, from).await.into()) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), service);
    // How a browser hangs up does not matter.
    let _ = connection.await;
}

impl Served {
    async fn respond(self: &Arc<Self>, request: Request<Incoming>, from: IpAddr) -> Answer {
        let running = Arc::clone(&self.running.borrow());
        let (head, body) = request.into_parts();
        let host = one(&head.headers, &header::HOST).or(head.uri.authority().map(axum::http::uri::Authority::as_str));
        let Some(host) = host.filter(|host| running.access.admits_host(host)) else {
            return Answer::line(
                StatusCode::MISDIRECTED_REQUEST,
                "this name is not ours; ask for localhost or the address, or add the name to status.hosts",
            );
        };
        let route = match Route::parse(head.uri.path(), head.uri.query().unwrap_or_default()) {
            Ok(route) if !route.is_for_operators() || running.access.operator_token().is_some() => route,
            Ok(_) | Err(Astray::Unknown) => {
                let text = "Nothing is at this address.";
                return Answer::new(StatusCode::NOT_FOUND, Kind::Page, notice("Not found", text));
            }
            Err(Astray::Query(why)) => return Answer::line(StatusCode::BAD_REQUEST, &why),
        };
        let cookies: Vec<&str> = all(&head.headers, &header::COOKIE).collect();
        let operator = self.acting.operator(&running.access, &cookies);
        if head.method == Method::POST
            && let Some(form) = route.form()
        {
            let site = one(&head.headers, &HeaderName::from_static("sec-fetch-site"));
            if form != Form::Login && !running.access.is_from_here(one(&head.headers, &header::ORIGIN), site, host) {
                return nothing_done(StatusCode::FORBIDDEN, "This form came from another site.");
            }
            return match fields(body).await {
                Ok(fields) => self.take(form, &running, operator, &fields, from).await,
                Err(answer) => answer,
            };
        }
        let is_taken = head.method == Method::GET || head.method == Method::HEAD;
        if !is_taken || matches!(route.form(), Some(Form::Logout | Form::Confirm)) {
            let text = if is_taken {
                "This address takes a form, and shows nothing."
            } else {
                "This address only looks: it takes GET and HEAD."
            };
            return Answer::new(StatusCode::METHOD_NOT_ALLOWED, Kind::Page, notice("Not that way", text))
                .with(header::ALLOW, route.methods());
        }
        let is_shown = running.access.is_shown(one(&head.headers, &header::AUTHORIZATION), &cookies);
        let may_tell = is_shown || operator.is_some();
        if let Route::Act(query) = &route {
            let Some(operator) = operator else {
                let asked = head.uri.path_and_query().map_or("/", axum::http::uri::PathAndQuery::as_str);
                return Answer::see_other(&link("/operator", &[("to", asked)]));
            };
            return self.propose(query.clone(), running, operator).await;
        }
        if !may_tell && !route.is_open() {
            return refuse(&route, head.headers.contains_key(header::AUTHORIZATION)).await;
        }
        if route == Route::Login && (may_tell || !running.access.needs_token()) {
            return Answer::see_other("/");
        }
        if route == Route::Operator {
            let asked = Fields::parse(head.uri.query().unwrap_or_default().as_bytes());
            return Answer::ok(Kind::Page, operator_login(&page_of_ours(asked.one("to")), &Fields::default(), None));
        }
        let visitor = visitor(&running.access, operator.as_ref());
        if route.is_at_hand() {
            return answer(&route, &self.sources, &running, &visitor, may_tell);
        }
        self.read(move |sources| answer(&route, sources, &running, &visitor, may_tell))
            .await
            .unwrap_or_else(|answer| answer)
    }

    /// Takes a form that came from a page of ours.
    async fn take(
        self: &Arc<Self>,
        form: Form,
        running: &Running,
        operator: Option<Operator>,
        fields: &Fields,
        from: IpAddr,
    ) -> Answer {
        match form {
            Form::Login => return log_in(running, fields).await,
            Form::Operator => return self.acting.log_in(running, fields, from).await,
            Form::Logout | Form::Confirm => {}
        }
        let Some(operator) = operator else {
            let text = format!(
                "Your log-in has ended: after 30 minutes, by a restart of the service, or because {SESSIONS} operators have \
                 logged in since. Log in again, and look at the jobs again."
            );
            return nothing_done(StatusCode::FORBIDDEN, &text);
        };
        if !operator.made(fields.one("form")) {
            return nothing_done(StatusCode::FORBIDDEN, "This form is not one of this log-in. Look at the jobs again.");
        }
        if form == Form::Logout {
            return self.acting.log_out(running, &operator);
        }
        let frame = frame(&self.sources, running, &visitor(&running.access, Some(&operator)));
        self.acting.confirm(&self.sources, &frame, &operator, fields, from).await
    }

    async fn propose(self: &Arc<Self>, query: ActQuery, running: Arc<Running>, operator: Operator) -> Answer {
        let config = Arc::clone(&running);
        let read = self.read(move |sources| proposed(&query, sources, &config)).await;
        match read {
            Ok(Ok(proposal)) => {
                let frame = frame(&self.sources, &running, &visitor(&running.access, Some(&operator)));
                self.acting.show(&frame, &running, &operator, proposal)
            }
            Ok(Err(failed)) => failed.answer(true),
            Err(answer) => answer,
        }
    }

    /// On a thread that may wait for the disk.
    async fn read<R: Send + 'static>(
        self: &Arc<Self>,
        read: impl FnOnce(&Sources) -> R + Send + 'static,
    ) -> Result<R, Answer> {
        // Held by the reading itself, which goes on where a client hangs up.
        let turn = Arc::clone(&self.reads).acquire_owned().await;
        let sources = Arc::clone(&self.sources);
        let reading = move || {
            let _turn = turn;
            read(&sources)
        };
        tokio::task::spawn_blocking(reading)
            .await
            .map_err(|_| Answer::line(StatusCode::INTERNAL_SERVER_ERROR, "a defect of datadrop; its log says more"))
    }
}

/// Reads a form, if it is short and comes soon.
async fn fields(body: Incoming) -> Result<Fields, Answer> {
    match tokio::time::timeout(HEAD, Limited::new(body, LONGEST_BODY).collect()).await {
        Ok(Ok(body)) => Ok(Fields::parse(&body.to_bytes())),
        Ok(Err(_)) => Err(Answer::line(StatusCode::PAYLOAD_TOO_LARGE, "no form of ours is as long as this")),
        Err(_) => Err(Answer::line(StatusCode::REQUEST_TIMEOUT, "the form did not come in time")),
    }
}

fn nothing_done(status: StatusCode, text: &str) -> Answer {
    Answer::new(status, Kind::Page, notice("Nothing was done", text))
}

/// A visitor who knows the token gets a cookie for it. The page shows the token nowhere.
async fn log_in(running: &Running, fields: &Fields) -> Answer {
    if let Some(cookie) = running.access.cookie_for(fields.one("token")) {
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
