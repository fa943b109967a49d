//! What the API does not have: the ledger, the counters and the faults of the emulator itself.

use super::{App, only_get, whole_text};
use crate::emulator::answers::{Refusal, json_answer};
use crate::emulator::faults::FaultRule;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::sync::Arc;

/// A rule is one line.
const LARGEST_RULE: usize = 16 * 1024;

pub(super) async fn ledger(State(app): State<Arc<App>>, method: Method) -> Response {
    app.answer(only_get(&method).map(|()| json_answer(&app.model().world.ledger(app.clock.now()))))
}

pub(super) async fn requests(State(app): State<Arc<App>>, method: Method) -> Response {
    app.answer(only_get(&method).map(|()| json_answer(&app.model().request_counts())))
}

/// GET lists, POST adds one, DELETE clears.
pub(super) async fn faults(State(app): State<Arc<App>>, request: Request) -> Response {
    match *request.method() {
        Method::GET => {
            let rules: Vec<Value> = app
                .model()
                .faults
                .applied()
                .map(|(rule, applied)| json!({ "rule": rule, "applied": applied }))
                .collect();
            json_answer(&rules)
        }
        Method::POST => {
            let rule = read_rule(request).await;
            app.answer(rule.map(|rule| {
                app.model().faults.add(rule);
                StatusCode::NO_CONTENT.into_response()
            }))
        }
        Method::DELETE => {
            app.model().faults.clear();
            StatusCode::NO_CONTENT.into_response()
        }
        _ => app.answer(Err(Refusal::method("GET, POST, DELETE"))),
    }
}

async fn read_rule(request: Request) -> Result<FaultRule, Refusal> {
    let text = whole_text(request, LARGEST_RULE).await.map_err(|what| Refusal::bad(format!("the rule is {what}")))?;
    text.parse().map_err(|error: super::super::faults::FaultRuleError| Refusal::bad(error.to_string()))
}
