//! Data Sources accounts, and the companies of the credential. Answers about accounts hold FTP passwords in clear text:
//! no error quotes them.

use super::Client;
use super::budget::Permit;
use super::error::ApiError;
use super::http;
use super::refusal::excerpt;
use super::wire;
use crate::job::{Company, NewAccount, RemoteAccount, ReportSuite};
use reqwest::Method;

impl Client {
    /// Every account of a report suite (DESIGN §5, "GET retrieve all accounts").
    ///
    /// # Errors
    /// [`ApiError`]; an answer with an entry that is no account is [`ApiError::Unclear`], never a shorter list.
    pub async fn list_accounts(&self, suite: &ReportSuite, permit: Permit) -> Result<Vec<RemoteAccount>, ApiError> {
        let asked = format!("the accounts of {suite}");
        let url = http::account_url(suite, None);
        let reply = self.ask(Method::GET, &asked, &suite.company, url, permit).await?;
        let unclear = |why: String| ApiError::Unclear { asked: asked.clone(), why };
        let value = reply.secret_json().map_err(unclear)?;
        value
            .as_array()
            .and_then(|entries| entries.iter().map(wire::account).collect())
            .ok_or_else(|| unclear("an answer that is no list of accounts".to_owned()))
    }

    /// One account (DESIGN §5, "GET retrieve a single account").
    ///
    /// # Errors
    /// [`ApiError`]; an answer about another account is unclear.
    pub async fn show_account(
        &self,
        suite: &ReportSuite,
        data_source_id: i64,
        permit: Permit,
    ) -> Result<RemoteAccount, ApiError> {
        let asked = format!("account {data_source_id} of {suite}");
        let url = http::account_url(suite, Some(data_source_id));
        let reply = self.ask(Method::GET, &asked, &suite.company, url, permit).await?;
        let unclear = |why: String| ApiError::Unclear { asked: asked.clone(), why };
        match wire::account(&reply.secret_json().map_err(unclear)?) {
            Some(account) if account.data_source_id == data_source_id => Ok(account),
            Some(account) => Err(unclear(format!("an answer about account {}", account.data_source_id))),
            None => Err(unclear("an answer without a data_source_id".to_owned())),
        }
    }

    /// Creates an account (DESIGN §5, "POST create an account").
    ///
    /// # Errors
    /// [`ApiError`]; after [`ApiError::Unclear`] nobody knows whether there is a new account, and only the list tells.
    pub async fn create_account(
        &self,
        suite: &ReportSuite,
        new: &NewAccount,
        permit: Permit,
    ) -> Result<RemoteAccount, ApiError> {
        let asked = format!("a new account of {suite}");
        let parameters: Vec<(&str, &str)> = [("type", &new.account_type), ("name", &new.name), ("email", &new.email)]
            .into_iter()
            .filter_map(|(name, value)| Some((name, value.as_deref()?)))
            .collect();
        let url = http::account_url(suite, None).map(|url| http::with_query(url, &parameters));
        let reply = self.ask(Method::POST, &asked, &suite.company, url, permit).await?;
        let unclear = |why: String| ApiError::Unclear { asked: asked.clone(), why };
        wire::account(&reply.secret_json().map_err(unclear)?)
            .ok_or_else(|| unclear("an answer without a data_source_id".to_owned()))
    }

    /// Deletes an account, which cannot be undone (DESIGN §5, "DELETE account"). Returns Adobe's words.
    ///
    /// # Errors
    /// [`ApiError`]; after [`ApiError::Unclear`] nobody knows whether it is gone, and only the list tells. An answer
    /// that says `"success": false` is [`ApiError::Refused`] whatever its status.
    pub async fn delete_account(
        &self,
        suite: &ReportSuite,
        data_source_id: i64,
        permit: Permit,
    ) -> Result<String, ApiError> {
        let asked = format!("the end of account {data_source_id} of {suite}");
        let url = http::account_url(suite, Some(data_source_id));
        let reply = self.ask(Method::DELETE, &asked, &suite.company, url, permit).await?;
        let unclear = |why: String| ApiError::Unclear { asked: asked.clone(), why };
        let value = reply.json().map_err(unclear)?;
        match value.get("success").and_then(serde_json::Value::as_bool) {
            Some(true) => Ok(wire::message(&value).unwrap_or_default()),
            Some(false) => {
                let (status, body, request_id) = (reply.status, Box::new(reply.refusal()), reply.request_id);
                Err(ApiError::Refused { asked, status, body, request_id })
            }
            None => Err(unclear(format!("an answer that does not say whether it succeeded: {}", excerpt(&reply.body)))),
        }
    }

    /// The companies that the credential may act for (Adobe, "Discovery": `discovery/me`).
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn companies(&self, base_url: &str, permit: Permit) -> Result<Vec<Company>, ApiError> {
        let asked = format!("the companies of the credential at {base_url}");
        let reply = self.ask(Method::GET, &asked, "", http::discovery_url(base_url), permit).await?;
        let unclear = |why: String| ApiError::Unclear { asked: asked.clone(), why };
        wire::companies(&reply.json().map_err(unclear)?)
            .ok_or_else(|| unclear(format!("an answer without companies: {}", excerpt(&reply.body))))
    }
}
