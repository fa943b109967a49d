//! Report suites: the API's answers about them, and how a test changes these.

use super::{App, admit, only_get, whole_text};
use crate::emulator::answers::{Refusal, json_answer};
use crate::emulator::faults::Place;
use crate::emulator::ledger::RequestKind;
use crate::emulator::query::Pairs;
use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value};
use std::sync::Arc;

/// Maximum size of a change, for one with 1,200 metrics.
const LARGEST_CHANGE: usize = 2 * 1024 * 1024;

/// Members that an answer includes only for an `expansion`.
const EXPANSIONS: [&str; 2] = ["name", "currency"];

/// One report suite.
pub(super) async fn suite(
    State(app): State<Arc<App>>,
    Path((company, suite)): Path<(String, String)>,
    head: Parts,
) -> Response {
    app.exchange(admit(&app, RequestKind::Suite, &company, &head), Place::Suite, || {
        only_get(&head.method)?;
        let pairs = Pairs::of_query(head.uri.query(), &["expansion"])?;
        let expanded = expansion(&pairs, &EXPANSIONS)?;
        let mut told = existing(&app, &suite)?;
        if let Some(Value::Object(members)) = told.get_mut("suite") {
            members.retain(|name, _| !EXPANSIONS.contains(&name.as_str()) || expanded.contains(&name.as_str()));
        }
        Ok(json_answer(&told.get("suite")))
    })
    .await
}

/// Its metrics.
pub(super) async fn metrics(State(app): State<Arc<App>>, Path(company): Path<String>, head: Parts) -> Response {
    let admitted = admit(&app, RequestKind::Suite, &company, &head);
    app.exchange(admitted, Place::Metrics, || list(&app, "metrics", &head, &["allowedForReporting"])).await
}

/// Its dimensions.
pub(super) async fn dimensions(State(app): State<Arc<App>>, Path(company): Path<String>, head: Parts) -> Response {
    let admitted = admit(&app, RequestKind::Suite, &company, &head);
    app.exchange(admitted, Place::Dimensions, || list(&app, "dimensions", &head, &[])).await
}

fn list(app: &App, part: &str, head: &Parts, expansions: &[&str]) -> Result<Response, Refusal> {
    only_get(&head.method)?;
    let pairs = Pairs::of_query(head.uri.query(), &["rsid", "locale", "expansion"])?;
    let expanded = expansion(&pairs, expansions)?;
    let suite = pairs.get("rsid").ok_or_else(|| Refusal::bad("rsid is missing: a list belongs to a report suite"))?;
    let mut told = existing(app, suite)?.remove(part).unwrap_or_default();
    for entry in told.as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
        entry.retain(|name, _| name != "allowedForReporting" || expanded.contains(&name.as_str()));
    }
    Ok(json_answer(&told))
}

/// The members that a query asks to expand.
fn expansion<'a>(pairs: &'a Pairs, known: &[&str]) -> Result<Vec<&'a str>, Refusal> {
    let names: Vec<&str> = pairs.get("expansion").map(|names| names.split(',').collect()).unwrap_or_default();
    match names.iter().find(|name| !known.contains(name)) {
        Some(unknown) => Err(Refusal::bad(format!("unknown expansion `{unknown}`; known: {}", known.join(", ")))),
        None => Ok(names),
    }
}

fn existing(app: &App, suite: &str) -> Result<Map<String, Value>, Refusal> {
    let model = app.model();
    if !model.world.accounts.has_suite(suite) {
        return Err(Refusal::service(StatusCode::NOT_FOUND, format!("there is no report suite {suite}")));
    }
    Ok(model.world.suites.show(suite))
}

/// GET shows all parts of the description, POST changes them.
pub(super) async fn told(State(app): State<Arc<App>>, Path(suite): Path<String>, request: Request) -> Response {
    match *request.method() {
        Method::GET => json_answer(&app.model().world.suites.show(&suite)),
        Method::POST => {
            let text = whole_text(request, LARGEST_CHANGE).await;
            let changed = text.map_err(|what| format!("the change is {what}")).and_then(|text| {
                let change = serde_json::from_str(&text).map_err(|error| format!("the change is no JSON: {error}"))?;
                app.model().world.suites.change(&suite, &change)
            });
            app.answer(changed.map(|()| StatusCode::NO_CONTENT.into_response()).map_err(Refusal::bad))
        }
        _ => app.answer(Err(Refusal::method("GET, POST"))),
    }
}
