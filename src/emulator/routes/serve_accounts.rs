//! The four account endpoints, and discovery.

use super::{App, COMPANY_HEADER, account_key, admit, no_such_account, only_get, text_of};
use crate::emulator::answers::{Refusal, json_answer};
use crate::emulator::faults::Place;
use crate::emulator::ledger::RequestKind;
use crate::emulator::query::Pairs;
use crate::emulator::world::NewAccount;
use axum::extract::{Path, State};
use axum::http::Method;
use axum::http::request::Parts;
use axum::response::Response;
use serde_json::json;
use std::sync::Arc;

/// All accounts of a report suite, or a new one.
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

/// One account, or its end.
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

/// Which companies the token may see.
pub(super) async fn discovery(State(app): State<Arc<App>>, head: Parts) -> Response {
    // No company in the path that the header could contradict.
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
