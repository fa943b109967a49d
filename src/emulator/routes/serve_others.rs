//! All routes but jobs and report suites: accounts, discovery, the token endpoint, and the emulator's own data.

use super::{App, COMPANY_HEADER, account_key, admit, no_such_account, only_get, text_of, whole_text};
use crate::emulator::answers::{Refusal, json_answer};
use crate::emulator::faults::{FaultRule, Place};
use crate::emulator::ledger::RequestKind;
use crate::emulator::query::Pairs;
use crate::emulator::world::NewAccount;
use axum::extract::{Path, Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use serde_json::json;
use std::sync::Arc;

/// Lists the accounts of a report suite, or creates one.
pub(super) async fn of_suite(
    State(app): State<Arc<App>>,
    Path((company, suite)): Path<(String, String)>,
    head: Parts,
) -> Response {
    let query = head.uri.query();
    app.exchange(admit(&app, RequestKind::Account, &company, &head), Place::Account, || match head.method {
        Method::GET => {
            Pairs::of_query(query, &[])?;
            Ok(json_answer(&app.model().world.accounts.of_suite(&suite)))
        }
        Method::POST => {
            let account = new_account(&Pairs::of_query(query, &["type", "name", "email"])?)?;
            Ok(json_answer(&app.model().world.accounts.create(&suite, account)))
        }
        _ => Err(Refusal::method("GET, POST")),
    })
    .await
}

fn new_account(pairs: &Pairs) -> Result<NewAccount, Refusal> {
    let text = |name: &str| match pairs.get(name) {
        Some("") => Err(Refusal::bad(format!("{name} is empty; leave it out or give it a value"))),
        value => Ok(value.map(str::to_owned)),
    };
    let email = text("email")?;
    if email.as_ref().is_some_and(|email| !email.contains('@')) {
        return Err(Refusal::bad("email should be an e-mail address"));
    }
    Ok(NewAccount { name: text("name")?, email, kind: text("type")? })
}

/// Shows or deletes one account.
pub(super) async fn single(
    State(app): State<Arc<App>>,
    Path((company, suite, source)): Path<(String, String, String)>,
    head: Parts,
) -> Response {
    app.exchange(admit(&app, RequestKind::Account, &company, &head), Place::Account, || {
        let key = account_key(suite, &source)?;
        Pairs::of_query(head.uri.query(), &[])?;
        match head.method {
            Method::GET => {
                let account = app.model().world.accounts.show(&key);
                account.map(|account| json_answer(&account)).ok_or_else(|| no_such_account(&key))
            }
            Method::DELETE if app.model().world.accounts.delete(&key) => {
                Ok(json_answer(&json!({ "success": true, "message": "Operation successful" })))
            }
            Method::DELETE => Err(no_such_account(&key)),
            _ => Err(Refusal::method("GET, DELETE")),
        }
    })
    .await
}

/// Lists the companies that the token may see.
pub(super) async fn discovery(State(app): State<Arc<App>>, head: Parts) -> Response {
    // The path has no company that the header could contradict.
    let named = text_of(&head.headers, COMPANY_HEADER).unwrap_or_default();
    app.exchange(admit(&app, RequestKind::Other, named, &head), Place::Discovery, || {
        only_get(&head.method)?;
        let company = |id: &String| {
            json!({"globalCompanyId": id, "companyName": format!("Company {id}"), "apiRateLimitPolicy": "aa_api_tier10_tp"})
        };
        let companies: Vec<_> = app.companies.iter().map(company).collect();
        Ok(json_answer(&json!({
            "imsUserId": "0000000000000000@AdobeID",
            "imsOrgs": [{ "imsOrgId": "0000000000000000@AdobeOrg", "companies": companies }],
        })))
    })
    .await
}

// The token endpoint of Adobe's identity service (IMS): OAuth server-to-server.

/// Maximum size of a form. Identifiers and scopes need far less.
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

// Routes that the API does not have: the ledger, the counters and the faults of the emulator.

/// Maximum size of a rule, which is one line.
const LARGEST_RULE: usize = 16 * 1024;

pub(super) async fn ledger(State(app): State<Arc<App>>, method: Method) -> Response {
    app.answer(only_get(&method).map(|()| json_answer(&app.model().world.ledger(app.clock.now()))))
}

pub(super) async fn requests(State(app): State<Arc<App>>, method: Method) -> Response {
    app.answer(only_get(&method).map(|()| json_answer(&app.model().request_counts())))
}

/// Restarts a data source that halted after a failed job.
pub(super) async fn restart(State(app): State<Arc<App>>, head: Parts) -> Response {
    let restarted = || {
        if head.method != Method::POST {
            return Err(Refusal::method("POST"));
        }
        let pairs = Pairs::of_query(head.uri.query(), &["report_suite_id", "data_source_id"])?;
        let (Some(suite), Some(source)) = (pairs.get("report_suite_id"), pairs.get("data_source_id")) else {
            return Err(Refusal::bad("report_suite_id and data_source_id are needed: they name the data source"));
        };
        let key = account_key(suite.to_owned(), source)?;
        Ok(json_answer(&json!({ "restarted": app.model().world.restart(&key, app.clock.now()) })))
    };
    app.answer(restarted())
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
    text.parse().map_err(|error: crate::emulator::faults::FaultRuleError| Refusal::bad(error.to_string()))
}
