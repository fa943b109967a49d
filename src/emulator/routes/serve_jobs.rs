//! Jobs: the list and the single job. Uploads go on to `upload`.

use super::{App, account_key, admit, no_body, no_such_account, only_get, serve_upload};
use crate::emulator::answers::{Refusal, json_answer};
use crate::emulator::faults::Place;
use crate::emulator::ledger::RequestKind;
use crate::emulator::options::Dialect;
use crate::emulator::query::Pairs;
use crate::emulator::spelling::{SpelledJob, SpelledPage, Spelling};
use crate::emulator::world::{AccountKey, JobFilter};
use crate::job::RemoteJobId;
use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::Response;
use std::sync::Arc;

pub(super) async fn of_account(
    State(app): State<Arc<App>>,
    Path((company, suite, source)): Path<(String, String, String)>,
    request: Request,
) -> Response {
    match *request.method() {
        Method::GET => list(&app, &company, suite, &source, &request.into_parts().0).await,
        Method::PUT | Method::POST => serve_upload::take(&app, &company, suite, &source, request).await,
        _ => {
            let admitted = app.admit(RequestKind::Other, request.method(), request.headers(), &company);
            app.answer(admitted.and(Err(Refusal::method(upload_methods(app.dialect)))))
        }
    }
}

/// The methods of a job collection.
pub(super) fn upload_methods(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Guide => "GET, PUT",
        Dialect::Current | Dialect::Both => "GET, PUT, POST",
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
