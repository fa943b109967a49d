//! The routes: each handler reads its request, asks the model and writes the answer. Faults apply around it.

mod serve_jobs;
mod serve_others;
mod serve_suites;

use super::access::{Gate, TokenCheck};
use super::answers::{self, Refusal};
use super::chance::{Clock, Random};
use super::connection::Ending;
use super::faults::{Act, FaultBook, Place, When};
use super::kept_jobs::{AccountKey, Job, Kept};
use super::ledger::{RequestCounts, RequestKind, RequestLog};
use super::options::{Dialect, EmulatorOptions};
use super::world::World;
use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use axum::routing::any;
use serde_json::json;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tokio::sync::watch;

/// Must equal the company of the path, if the request has both.
const COMPANY_HEADER: &str = "x-proxy-global-company-id";

/// The state that the handlers share.
pub(super) struct App {
    model: Mutex<Model>,
    started: Instant,
    pub(super) clock: Clock,
    errors: AtomicU64,
    dialect: Dialect,
    companies: Vec<String>,
    put_status: Option<u16>,
    /// The number of accepted uploads.
    pub(super) accepted: watch::Sender<usize>,
}

/// All mutable state, under one lock.
pub(super) struct Model {
    pub(super) world: World,
    pub(super) gate: Gate,
    pub(super) faults: FaultBook,
    requests: RequestLog,
}

impl Model {
    pub(super) fn request_counts(&self) -> RequestCounts {
        self.requests.summary(self.gate.max_in_any_window())
    }
}

impl App {
    pub(super) fn new(options: EmulatorOptions, kept: Option<(Kept, Vec<Job>)>) -> Self {
        let EmulatorOptions { seed, companies, dialect, put_status, clock_ahead, .. } = options;
        let (names, rows, halts) = (options.names, options.rows, options.halt_on_error);
        let world = World::new(options.processing, &options.accounts, seed).with(names, rows, halts);
        // Separate streams, so that an additional fault does not change the tokens of the run.
        let mut seeds = Random::new(seed);
        let (gate_random, fault_random) = (Random::new(seeds.next()), Random::new(seeds.next()));
        Self {
            model: Mutex::new(Model {
                world: kept.into_iter().fold(world, World::keeping),
                gate: Gate::new(
                    options.rate_limit,
                    options.credentials,
                    options.access_tokens,
                    options.token_life,
                    gate_random,
                ),
                faults: FaultBook::new(options.faults, fault_random),
                requests: RequestLog::default(),
            }),
            started: Instant::now(),
            clock: Clock::new(clock_ahead),
            errors: AtomicU64::new(1),
            dialect,
            companies,
            put_status,
            accepted: watch::Sender::new(0),
        }
    }

    /// The model. It is consistent even after a handler panicked, because no change spans more than one call.
    pub(super) fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reports an accepted upload to waiting tests. Two calls may come in the wrong order.
    pub(super) fn announce(&self, count: usize) {
        self.accepted.send_modify(|known| *known = count.max(*known));
    }

    fn answer(&self, result: Result<Response, Refusal>) -> Response {
        result.unwrap_or_else(|refusal| refusal.into_response(self.errors.fetch_add(1, Ordering::Relaxed)))
    }

    /// Makes the checks that gateway and service apply to every API request.
    fn admit(&self, kind: RequestKind, method: &Method, headers: &HeaderMap, company: &str) -> Result<(), Refusal> {
        let mut model = self.model();
        // Read under the lock, so that arrivals are in order.
        let now = self.started.elapsed();
        model.requests.count(method, kind);
        let Some(client_id) = text_of(headers, "x-api-key") else {
            return Err(Refusal::gateway(StatusCode::FORBIDDEN, "403000", "Api Key is required"));
        };
        if !model.gate.arrive(client_id, now) {
            model.requests.refused_429 += 1;
            return Err(Refusal::gateway(StatusCode::TOO_MANY_REQUESTS, "429050", "Too many requests"));
        }
        if !model.gate.knows_client(client_id) {
            return Err(Refusal::gateway(StatusCode::FORBIDDEN, "403003", "Api Key is invalid"));
        }
        let Some(authorization) = text_of(headers, header::AUTHORIZATION.as_str()) else {
            return Err(Refusal::gateway(StatusCode::FORBIDDEN, "403010", "Oauth token is missing."));
        };
        let token = authorization.strip_prefix("Bearer ").unwrap_or_default();
        match model.gate.check(client_id, token, now) {
            TokenCheck::Good => {}
            TokenCheck::Bad => {
                return Err(Refusal::gateway(StatusCode::UNAUTHORIZED, "401013", "Oauth token is not valid"));
            }
            TokenCheck::OtherClient => {
                return Err(Refusal::gateway(StatusCode::FORBIDDEN, "403003", "Api Key is invalid"));
            }
        }
        match text_of(headers, COMPANY_HEADER) {
            Some(other) if other != company => {
                Err(Refusal::bad(format!("{COMPANY_HEADER} is `{other}`, but the path names the company `{company}`")))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// All routes. The API is under each of the three segments that occur in the guide.
pub(super) fn router(app: Arc<App>) -> Router {
    let api = Router::new()
        .route("/account/{suite}", any(serve_others::of_suite))
        .route("/account/{suite}/{source}", any(serve_others::single))
        .route("/job/{suite}/{source}", any(serve_jobs::of_account))
        .route("/job/{suite}/{source}/{job}", any(serve_jobs::single));
    let suites = Router::new()
        .route("/reportsuites/collections/suites/{suite}", any(serve_suites::suite))
        .route("/metrics", any(serve_suites::metrics))
        .route("/dimensions", any(serve_suites::dimensions));
    Router::new()
        .nest("/api/{company}/datasources", api.clone())
        .nest("/api/{company}/data_sources", api.clone())
        .nest("/api/{company}", api.merge(suites))
        .route("/discovery/me", any(serve_others::discovery))
        .route("/ims/token/v3", any(serve_others::give))
        .route("/_emulator/ledger", any(serve_others::ledger))
        .route("/_emulator/requests", any(serve_others::requests))
        .route("/_emulator/faults", any(serve_others::faults))
        .route("/_emulator/restart", any(serve_others::restart))
        .route("/_emulator/suites/{suite}", any(serve_suites::told))
        .fallback(nowhere)
        .with_state(app)
}

async fn nowhere(State(app): State<Arc<App>>, request: Request) -> Response {
    let path = request.uri().path();
    app.model().requests.count(request.method(), RequestKind::Other);
    app.answer(Err(Refusal::service(
        StatusCode::NOT_FOUND,
        format!(
            "{path} is no endpoint; there are /api/COMPANY/datasources/account/… and …/job/…, see the guide, and \
             /api/COMPANY/reportsuites/collections/suites/RSID, …/metrics and …/dimensions"
        ),
    )))
}

fn text_of<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Reads the account from a path.
fn account_key(suite: String, source: &str) -> Result<AccountKey, Refusal> {
    let data_source_id =
        source.parse().map_err(|_| Refusal::bad(format!("the data source ID should be an integer; got `{source}`")))?;
    Ok(AccountKey { report_suite_id: suite, data_source_id })
}

fn no_such_account(key: &AccountKey) -> Refusal {
    Refusal::service(
        StatusCode::NOT_FOUND,
        format!("report suite {} has no Data Sources account {}", key.report_suite_id, key.data_source_id),
    )
}

/// Admits a request that takes no body.
fn admit(app: &App, kind: RequestKind, company: &str, head: &Parts) -> Result<(), Refusal> {
    app.admit(kind, &head.method, &head.headers, company)?;
    no_body(&head.headers)
}

fn only_get(method: &Method) -> Result<(), Refusal> {
    if method == Method::GET { Ok(()) } else { Err(Refusal::method("GET")) }
}

/// Reads a body of at most `most` bytes, or returns the error.
async fn whole_text(request: Request, most: usize) -> Result<String, &'static str> {
    let bytes = to_bytes(request.into_body(), most).await.map_err(|_| "cut short or too large")?;
    String::from_utf8(bytes.into()).map_err(|_| "not UTF-8")
}

/// Checks that a request without a body has none.
fn no_body(headers: &HeaderMap) -> Result<(), Refusal> {
    let empty = headers.get(header::CONTENT_LENGTH).is_none_or(|length| length == "0");
    if empty && !headers.contains_key(header::TRANSFER_ENCODING) {
        return Ok(());
    }
    Err(Refusal::bad("this request takes no body"))
}

// Applies faults around the work of a handler.

impl App {
    /// Returns the answer of a fault at this point. `None` if the exchange continues normally.
    ///
    /// `whole` returns the normal answer, if it already exists.
    async fn strike(
        &self,
        place: Place,
        when: When,
        name: Option<&str>,
        whole: impl FnOnce() -> Option<Response>,
    ) -> Option<Response> {
        let decision = self.model().faults.decide(place, when, name);
        if !decision.delay.is_zero() {
            tokio::time::sleep(decision.delay).await;
        }
        let act = decision.act?;
        Some(match act {
            Act::Reset => answers::no_answer(Ending::Reset),
            // This ends when the client closes the connection, because that drops the future.
            Act::Hang => std::future::pending().await,
            Act::Garbage => answers::no_answer(answers::garbage()),
            Act::Truncated => {
                let whole = whole().unwrap_or_else(|| answers::json_answer(&json!({ "status": "unknown" })));
                answers::no_answer(answers::truncated(whole, &self.clock.http_date()).await)
            }
            Act::Html => answers::page("Welcome"),
            Act::NoId => answers::json_answer(&json!({ "message": "Operation successful" })),
            Act::Answer { status, retry_after, words } => {
                self.answer(Err(Refusal::by_fault(status, retry_after, words)))
            }
        })
    }

    /// Makes an exchange without content: everything but uploads.
    async fn exchange(
        &self,
        admitted: Result<(), Refusal>,
        place: Place,
        work: impl FnOnce() -> Result<Response, Refusal>,
    ) -> Response {
        if let Err(refusal) = admitted {
            return self.answer(Err(refusal));
        }
        for when in [When::BeforeBody, When::AfterBody] {
            if let Some(struck) = self.strike(place, when, None, || None).await {
                return struck;
            }
        }
        let mut answer = Some(self.answer(work()));
        let struck = self.strike(place, When::AfterCommit, None, || answer.take()).await;
        // Only `truncated` takes the answer, and then returns its own.
        struck.or(answer).unwrap_or_else(|| answers::no_answer(Ending::Reset))
    }
}
