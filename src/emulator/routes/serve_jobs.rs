//! Jobs: the list, the single job, and the upload that creates one.

use super::{App, account_key, admit, no_body, no_such_account, only_get, text_of};
use crate::emulator::answers::{Refusal, SpelledJob, SpelledPage, Spelling, json_answer, no_answer};
use crate::emulator::connection::Ending;
use crate::emulator::faults::{Place, When};
use crate::emulator::kept_jobs::{AccountKey, Upload};
use crate::emulator::ledger::RequestKind;
use crate::emulator::options::Dialect;
use crate::emulator::query::Pairs;
use crate::emulator::wire_body;
use crate::emulator::world::JobFilter;
use crate::job::{RemoteJobId, UploadStyle};
use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use http_body_util::BodyExt;
use std::sync::Arc;

pub(super) async fn of_account(
    State(app): State<Arc<App>>,
    Path((company, suite, source)): Path<(String, String, String)>,
    request: Request,
) -> Response {
    match *request.method() {
        Method::GET => list(&app, &company, suite, &source, &request.into_parts().0).await,
        Method::PUT | Method::POST => take(&app, &company, suite, &source, request).await,
        _ => {
            let admitted = app.admit(RequestKind::Other, request.method(), request.headers(), &company);
            app.answer(admitted.and(Err(Refusal::method(upload_methods(&app)))))
        }
    }
}

/// The allowed methods of a job collection.
fn upload_methods(app: &App) -> &'static str {
    match (app.dialect, app.put_status) {
        (Dialect::Guide, None) => "GET, PUT",
        (Dialect::Current | Dialect::Both, None) => "GET, PUT, POST",
        (Dialect::Guide, Some(_)) => "GET",
        (Dialect::Current | Dialect::Both, Some(_)) => "GET, POST",
    }
}

/// Refuses PUT like a gateway that does not route it, if the options say so.
fn routed(app: &App, method: &Method) -> Result<(), Refusal> {
    match app.put_status {
        Some(405) if method == Method::PUT => Err(Refusal::method(upload_methods(app))),
        Some(status) if method == Method::PUT => Err(Refusal::not_routed(status)),
        Some(_) | None => Ok(()),
    }
}

async fn list(app: &App, company: &str, suite: String, source: &str, head: &Parts) -> Response {
    app.exchange(admit(app, RequestKind::List, company, head), Place::List, || {
        let key = account_key(suite, source)?;
        let now = app.clock.now();
        let filter = JobFilter::of_query(head.uri.query(), now)?;
        let model = app.model();
        if !model.world.accounts.exists(&key) {
            return Err(no_such_account(&key));
        }
        let found = model.world.list(&key, &filter, now);
        let spelling = Spelling::of_list(app.dialect);
        Ok(json_answer(&SpelledPage {
            page: filter.page,
            jobs: found
                .jobs
                .into_iter()
                .map(|job| SpelledJob::new(spelling, job, model.world.progress(job, now)))
                .collect(),
            total_pages: found.total_pages,
        }))
    })
    .await
}

pub(super) async fn single(
    State(app): State<Arc<App>>,
    Path((company, suite, source, job)): Path<(String, String, String, String)>,
    head: Parts,
) -> Response {
    let admitted = app
        .admit(RequestKind::Single, &head.method, &head.headers, &company)
        .and_then(|()| only_get(&head.method))
        .and_then(|()| no_body(&head.headers));
    app.exchange(admitted, Place::Single, || {
        let key = account_key(suite, &source)?;
        Pairs::of_query(head.uri.query(), &[])?;
        find(&app, &key, &job)
    })
    .await
}

fn find(app: &App, key: &AccountKey, job: &str) -> Result<Response, Refusal> {
    let id = job.parse().map_err(|_| Refusal::bad(format!("the job ID should be an integer; got `{job}`")))?;
    let model = app.model();
    if !model.world.accounts.exists(key) {
        return Err(no_such_account(key));
    }
    let found = model.world.job(RemoteJobId(id)).filter(|job| job.upload.account == *key);
    let job = found.ok_or_else(|| {
        Refusal::service(StatusCode::NOT_FOUND, format!("account {} has no job {id}", key.data_source_id))
    })?;
    let spelling = Spelling::of_style(job.upload.style);
    Ok(json_answer(&SpelledJob::new(spelling, job, model.world.progress(job, app.clock.now()))))
}

// An upload, from its head to the step that makes the job and its ledger entry.

/// Maximum size of a request body. 50 MB of content are 67 MB of base64. The rest leaves room for a slightly higher
/// limit.
const LARGEST_BODY: usize = 80 * 1024 * 1024;

/// Size from which decoding and hashing run elsewhere, because they would delay other connections.
const LARGE: usize = 256 * 1024;

pub(super) async fn take(app: &Arc<App>, company: &str, suite: String, source: &str, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let plan = app
        .admit(RequestKind::Upload, &head.method, &head.headers, company)
        .and_then(|()| routed(app, &head.method))
        .and_then(|()| Pairs::of_query(head.uri.query(), &[]))
        .and_then(|_| Plan::of(app, account_key(suite, source)?, &head.method, &head.headers));
    let plan = match plan {
        Ok(plan) => plan,
        Err(refusal) => return early(app.answer(Err(refusal))),
    };
    if let Some(struck) = app.strike(Place::Upload, When::BeforeBody, None, || None).await {
        return early(struck);
    }
    match receive(app, &plan, body).await {
        Ok(bytes) => ingest(app, plan, bytes).await,
        Err(struck) => early(struck),
    }
}

/// Closes the connection after an answer to an incomplete request.
fn early(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// The facts in the head of a request.
struct Plan {
    account: AccountKey,
    style: UploadStyle,
    boundary: String,
    length: usize,
}

impl Plan {
    fn of(app: &App, account: AccountKey, method: &Method, headers: &HeaderMap) -> Result<Self, Refusal> {
        if !app.model().world.accounts.exists(&account) {
            return Err(no_such_account(&account));
        }
        if let Some(parent) = app.model().world.suites.parent(&account.report_suite_id) {
            let suite = &account.report_suite_id;
            return Err(Refusal::bad(format!("{suite} is a virtual report suite and takes no uploads; use {parent}")));
        }
        let content_type = text_of(headers, header::CONTENT_TYPE.as_str()).unwrap_or_default();
        let style = style(app, method, content_type)?;
        let boundary = match style {
            UploadStyle::PutJson => String::new(),
            UploadStyle::PostMultipart | UploadStyle::PutMultipart => {
                wire_body::boundary(content_type).ok_or_else(|| Refusal::bad("the Content-Type names no boundary"))?
            }
        };
        let length = text_of(headers, header::CONTENT_LENGTH.as_str()).and_then(|length| length.parse().ok());
        match length {
            Some(length) if !headers.contains_key(header::TRANSFER_ENCODING) => {
                if length > LARGEST_BODY {
                    let text = format!("the body has {length} bytes; at most {LARGEST_BODY} are taken");
                    return Err(Refusal::service(StatusCode::PAYLOAD_TOO_LARGE, text));
                }
                Ok(Self { account, style, boundary, length })
            }
            Some(_) | None => Err(Refusal::service(
                StatusCode::LENGTH_REQUIRED,
                "an upload needs a Content-Length; chunked transfer cannot tell a file that was cut short",
            )),
        }
    }
}

/// Returns the dialect's upload style for such a request.
fn style(app: &App, method: &Method, content_type: &str) -> Result<UploadStyle, Refusal> {
    let dialect = app.dialect;
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    let is_json = kind.eq_ignore_ascii_case("application/json");
    let is_form = kind.eq_ignore_ascii_case("multipart/form-data");
    let is_post = method == Method::POST;
    let style = match dialect {
        Dialect::Guide if is_post => return Err(Refusal::method(upload_methods(app))),
        Dialect::Guide | Dialect::Both if is_json && !is_post => Some(UploadStyle::PutJson),
        Dialect::Current | Dialect::Both if is_form && is_post => Some(UploadStyle::PostMultipart),
        Dialect::Current | Dialect::Both if is_form => Some(UploadStyle::PutMultipart),
        Dialect::Guide | Dialect::Current | Dialect::Both => None,
    };
    let expected = match dialect {
        Dialect::Guide => "PUT with application/json",
        Dialect::Current => "POST with multipart/form-data",
        Dialect::Both => "PUT with application/json, or POST with multipart/form-data",
    };
    style.ok_or_else(|| {
        let text = format!("{method} with the content type `{content_type}` is no upload; use {expected}");
        Refusal::service(StatusCode::UNSUPPORTED_MEDIA_TYPE, text)
    })
}

/// Returns the whole body, or the answer of a fault that comes before its end.
async fn receive(app: &App, plan: &Plan, mut body: Body) -> Result<Bytes, Response> {
    let wants_name = app.model().faults.wants_early_name();
    let mut name = None;
    let mut half_passed = false;
    let mut whole = Vec::new();
    while let Some(frame) = body.frame().await {
        // The client disconnected before the end of its request. Nobody reads an answer, and nothing is ingested.
        let frame = frame.map_err(|_| no_answer(Ending::Reset))?;
        let Ok(data) = frame.into_data() else { continue };
        if whole.capacity() == 0 {
            if data.len() == plan.length && !wants_name {
                // Most small files arrive in one piece and need no copy.
                return struck_half_way(app, None).await.map_or(Ok(data), Err);
            }
            whole.reserve_exact(plan.length);
        }
        whole.extend_from_slice(&data);
        if wants_name && name.is_none() {
            name = wire_body::early_name(plan.style, &whole);
            if let Some(name) = &name {
                let struck = app.strike(Place::Upload, When::NameKnown, Some(name), || None).await;
                struck.map_or(Ok(()), Err)?;
            }
        }
        if !half_passed && whole.len() * 2 >= plan.length {
            half_passed = true;
            struck_half_way(app, name.as_deref()).await.map_or(Ok(()), Err)?;
        }
    }
    if whole.len() == plan.length { Ok(Bytes::from(whole)) } else { Err(no_answer(Ending::Reset)) }
}

async fn struck_half_way(app: &App, name: Option<&str>) -> Option<Response> {
    app.strike(Place::Upload, When::MidBody, name, || None).await
}

async fn ingest(app: &Arc<App>, plan: Plan, bytes: Bytes) -> Response {
    let read = if bytes.len() < LARGE {
        read(plan, &bytes)
    } else {
        match tokio::task::spawn_blocking(move || read(plan, &bytes)).await {
            Ok(read) => read,
            Err(error) => {
                let text = format!("reading the body failed: {error}");
                Err(Refusal::service(StatusCode::INTERNAL_SERVER_ERROR, text))
            }
        }
    };
    let upload = match read {
        Ok(upload) => upload,
        Err(refusal) => return app.answer(Err(refusal)),
    };
    let name = upload.name.clone();
    if let Some(struck) = app.strike(Place::Upload, When::AfterBody, Some(&name), || None).await {
        return struck;
    }
    let mut answer = Some(commit(app, upload));
    let struck = app.strike(Place::Upload, When::AfterCommit, Some(&name), || answer.take()).await;
    // Only `truncated` takes the answer, and then returns its own.
    struck.or(answer).unwrap_or_else(|| no_answer(Ending::Reset))
}

fn read(plan: Plan, bytes: &[u8]) -> Result<Upload, Refusal> {
    let file = wire_body::read(plan.style, &plan.boundary, bytes)?;
    Ok(Upload::new(plan.account, file.name.into_owned(), plan.style, &file.content))
}

/// The only step that ingests a file. Afterwards the file is ingested, even if the answer is lost.
fn commit(app: &App, upload: Upload) -> Response {
    let (answer, count) = {
        let mut model = app.model();
        if !model.world.accounts.exists(&upload.account) {
            // The account was deleted while the body arrived.
            let refusal = no_such_account(&upload.account);
            drop(model);
            return app.answer(Err(refusal));
        }
        let fate = model.faults.fate(&upload.name);
        let spelling = Spelling::of_style(upload.style);
        let id = model.world.commit(upload, fate, app.clock.now());
        let answer = model.world.job(id).map(|job| {
            let fresh = model.world.fresh(job);
            json_answer(&SpelledJob::new(spelling, job, fresh))
        });
        (answer, model.world.job_count())
    };
    app.announce(count);
    answer.unwrap_or_else(|| no_answer(Ending::Reset))
}
