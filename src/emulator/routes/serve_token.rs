//! The token endpoint of Adobe's identity service (IMS): OAuth server-to-server.

use super::{App, text_of, whole_text};
use crate::emulator::answers::{Refusal, json_answer};
use crate::emulator::faults::Place;
use crate::emulator::ledger::RequestKind;
use crate::emulator::query::Pairs;
use axum::extract::{Request, State};
use axum::http::{Method, header};
use axum::response::Response;
use serde_json::json;
use std::sync::Arc;

/// Far more than identifiers and scopes need.
const LARGEST_FORM: usize = 64 * 1024;

pub(super) async fn give(State(app): State<Arc<App>>, request: Request) -> Response {
    app.model().requests.count(request.method(), RequestKind::Token);
    let form = read(request).await;
    app.exchange(Ok(()), Place::Token, || answer(&app, &form?)).await
}

async fn read(request: Request) -> Result<Pairs, Refusal> {
    let invalid = |text: &str| Refusal::ims("invalid_request", text);
    if request.method() != Method::POST {
        return Err(Refusal::method("POST"));
    }
    if request.uri().query().is_some() {
        return Err(invalid("parameters belong into the body: a query string may be logged on its way"));
    }
    let content_type = text_of(request.headers(), header::CONTENT_TYPE.as_str()).unwrap_or_default();
    let kind = content_type.split(';').next().unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return Err(invalid("the content type should be application/x-www-form-urlencoded"));
    }
    let text = whole_text(request, LARGEST_FORM).await.map_err(|what| invalid(&format!("the form is {what}")))?;
    Pairs::read(&text).map_err(|problem| invalid(&problem))
}

fn answer(app: &App, form: &Pairs) -> Result<Response, Refusal> {
    let needed = |name: &str| {
        let value = form.get(name).filter(|value| !value.is_empty());
        value.ok_or_else(|| Refusal::ims("invalid_request", format!("{name} is missing")))
    };
    let grant_type = needed("grant_type")?;
    if grant_type != "client_credentials" {
        let text = format!("grant_type should be client_credentials; got `{grant_type}`");
        return Err(Refusal::ims("unsupported_grant_type", text));
    }
    let (client_id, secret) = (needed("client_id")?, needed("client_secret")?);
    let scopes = form.get("scope").unwrap_or_default();
    if !scopes.split([',', ' ']).any(|scope| scope == "openid") {
        return Err(Refusal::ims("invalid_scope", "scope should name openid among others, comma separated"));
    }
    let given = app.model().gate.give_token(client_id, secret, app.started.elapsed());
    let (token, life) = given.ok_or_else(|| Refusal::ims("invalid_client", "The client credentials are invalid"))?;
    Ok(json_answer(&json!({ "access_token": token, "token_type": "bearer", "expires_in": life.as_secs() })))
}
